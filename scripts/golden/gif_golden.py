#!/usr/bin/env python3
# gif_golden.py - writes tests/golden/image/gif.bin: GIF files and what Pillow makes of their first frames.  Format: see image_golden.py.
# SPDX-License-Identifier: Apache-2.0
#
# Needs Pillow (recorded with 9.4.0) and NumPy.  Usage: gif_golden.py OUTPUT
import io
import struct
import sys

import numpy as np
from PIL import Image

records = []


def put(name, data):
    im = Image.open(io.BytesIO(data)).convert("RGB")
    a = np.ascontiguousarray(np.asarray(im), dtype=np.uint8)
    records.append((name + ".file", 0, 0, 0, data))
    records.append((name, a.shape[1], a.shape[0], 3, a.tobytes()))


def save(im, **kw):
    b = io.BytesIO()
    im.save(b, "GIF", **kw)
    return b.getvalue()


rng = np.random.RandomState(3)
noise = Image.fromarray(rng.randint(0, 256, (23, 31, 3)).astype(np.uint8), "RGB")
flat = Image.new("RGB", (60, 40), (200, 30, 40))
put("noise", save(noise.quantize(256)))
put("large", save(Image.fromarray(rng.randint(0, 256, (90, 120)).astype(np.uint8), "L")))  # codes up to 4096, table cleared
put("flat", save(flat.quantize(2)))
put("grey", save(noise.convert("L")))
put("two", save(noise.convert("1")))
put("interlaced", save(noise.quantize(16), interlace=1))
put("plain", save(noise.quantize(16), interlace=0))
put("transparent", save(noise.quantize(8), transparency=3))
put("animated", save(noise.quantize(32), save_all=True, append_images=[noise.rotate(90).quantize(32), noise.quantize(4)], duration=50))
# A frame smaller than its screen, without and with a transparent colour, and a screen with colours of its own.
inner = bytearray(save(noise.quantize(8), interlace=0))
n = 13 + 3 * (2 << (inner[10] & 7))
for name, extra in (("inset", b""), ("inset_transparent", b"\x21\xf9\x04\x01\0\0\x05\0")):
    b = bytearray(inner[:n])
    struct.pack_into("<HH", b, 6, 40, 30)
    at = inner.index(b"\x2c", n)
    rest = bytearray(inner[at:])
    struct.pack_into("<HH", rest, 1, 4, 3)
    put(name, bytes(b + extra + rest))
with open(sys.argv[1], "wb") as f:
    for name, w, h, c, data in records:
        f.write(struct.pack("<H", len(name)) + name.encode() + struct.pack("<IIII", w, h, c, len(data)) + data)
    f.write(struct.pack("<H", 0))
