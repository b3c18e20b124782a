#!/usr/bin/env python3
# image_golden.py - writes tests/golden/image/pillow.bin: images before and after Pillow operations, and encoded files with their pixels.
# SPDX-License-Identifier: Apache-2.0
#
# Needs Pillow (recorded with 9.4.0) and NumPy.  Usage: image_golden.py OUTPUT
# Record: u16 length of the name, name, u32 w, u32 h, u32 channels (0: an encoded file), u32 bytes, bytes; little-endian; name "" ends.
import base64
import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

# 21 x 13, sampling factors 2x2, 1x2 and 1x1, which Pillow reads but cannot write (made with libjpeg).
ODD_SAMPLING = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAUDBAQEAwUEBAQFBQUGBwwIBwcHBw8LCwkMEQ8SEhEPERETFhwXExQaFRERGCEYGh0dHx8fExciJCIeJBweHx7/2wBDAQUFBQcGBw4ICA4e"
    "FBEUHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh7/wAARCAANABUDASIAAhIBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL"
    "/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1"
    "dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQF"
    "BgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm"
    "Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDzD4N6XvEA"
    "2ntjvX0prmv2fw4+Feo+JpnEd4sPkadHlN8t1JxHtDcNtOXYc/KjHBxivIPgZZRMLfOeQOla37WOtTv4l8J+BFUpYQ2n9rTENxNK7yRJlccbBHJg55808cZNVavso82nTe9m27K9tbNu"
    "zHKLlaz0/r06/wCXUzUnGV0tv68zy/wt4eu9Ut7jUb5pbi7upmnnmblpHYlmZj3JJJ/GivcfhvolmdAUlVPTqtFaU4KEFGKsloNOwpXk23uf/9k="
)

records = []


def put(name, pixels):
    a = np.ascontiguousarray(np.asarray(pixels), dtype=np.uint8)
    assert a.ndim == 3
    records.append((name, a.shape[1], a.shape[0], a.shape[2], a.tobytes()))


def put_file(name, data, channels="RGB"):
    records.append((name + ".file", 0, 0, 0, data))
    put(name, Image.open(io.BytesIO(data)).convert(channels))


def source(w, h, seed):
    """Gradients, noise, saturated and grey patches, a few hard edges."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([x * 255 / max(w - 1, 1), y * 255 / max(h - 1, 1), (x + y) * 255 / max(w + h - 2, 1)], 2)
    a += rng.randint(-40, 41, (h, w, 3))
    a[h // 3 : h // 2, w // 4 : w // 2] = (255, 0, 0)
    a[h // 2 : h // 2 + 3] = rng.randint(0, 256, (1, w, 1))
    a[:, w // 2 : w // 2 + 2] = (20, 240, 30)
    a[-3:, -4:] = 0
    a[:2, :3] = 255
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8), "RGB")


def encode(im, fmt, **kw):
    b = io.BytesIO()
    im.save(b, fmt, **kw)
    return b.getvalue()


def raw_png(w, h, depth, kind, rows, extra=b"", interlace=0):
    def chunk(t, d):
        return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))

    body = zlib.compress(b"".join(b"\0" + r for r in rows), 9)
    head = struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def chunk_of(t, d):
    return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))


def resizes():
    small, tall = source(29, 23, 1), source(5, 61, 2)
    dot = Image.new("RGB", (1, 1), (12, 200, 77))
    put("a", small)
    put("tall", tall)
    put("dot", dot)
    for f, name in ((Image.BICUBIC, "bicubic"), (Image.BILINEAR, "bilinear")):
        put(f"a.{name}.16x16", small.resize((16, 16), f))
        put(f"a.{name}.53x41", small.resize((53, 41), f))
        put(f"a.{name}.29x12", small.resize((29, 12), f))
        put(f"a.{name}.8x23", small.resize((8, 23), f))
        put(f"a.{name}.1x1", small.resize((1, 1), f))
        put(f"a.{name}.box.20x20", small.crop((3, 4, 27, 21)).resize((20, 20), f))
        put(f"tall.{name}.9x7", tall.resize((9, 7), f))
        put(f"dot.{name}.4x3", dot.resize((4, 3), f))
    # The test transform: short side, then the centre with half a pixel rounded to even.
    big = source(67, 45, 3)
    put("big", big)
    w = int(32 * 67 / 45)
    r = big.resize((w, 32), Image.BICUBIC)
    left = int(round((w - 32) / 2.0))
    put("big.center.32", r.crop((left, 0, left + 32, 32)))


def colours():
    a = source(29, 23, 1)
    for f in (0.6, 1.0, 1.37):
        put(f"a.brightness.{f}", ImageEnhance.Brightness(a).enhance(f))
        put(f"a.contrast.{f}", ImageEnhance.Contrast(a).enhance(f))
        put(f"a.saturation.{f}", ImageEnhance.Color(a).enhance(f))
    for f in (-0.1, 0.0, 0.033, 0.1, 0.5):
        h, s, v = a.convert("HSV").split()
        shifted = (np.array(h).astype(np.int32) + int(f * 255)) % 256
        put(f"a.hue.{f}", Image.merge("HSV", (Image.fromarray(shifted.astype(np.uint8), "L"), s, v)).convert("RGB"))
    put("a.grey", a.convert("L").convert("RGB"))
    for s in (0.03, 0.3, 0.57, 1.0, 1.9, 7.5):
        put(f"a.blur.{s}", a.filter(ImageFilter.GaussianBlur(s)))
    put("tall.blur.3.0", source(5, 61, 2).filter(ImageFilter.GaussianBlur(3.0)))


def augmentations():
    a = source(29, 23, 1)
    dull = Image.fromarray((np.asarray(a) // 3 + 40).astype(np.uint8), "RGB")
    wide = source(40, 33, 4)
    put("dull", dull)
    put("wide", wide)
    for name, im in (("a", a), ("dull", dull), ("wide", wide)):
        put(f"{name}.autocontrast", ImageOps.autocontrast(im))
        put(f"{name}.equalize", ImageOps.equalize(im))
    put("a.posterize.4", ImageOps.posterize(a, 4))
    put("a.posterize.2", ImageOps.posterize(a, 2))
    put("a.solarize.128", ImageOps.solarize(a, 128))
    put("a.solarize.240", ImageOps.solarize(a, 240))
    for d in (1, -2, 2, 17, 90, 180, 359.5):
        put(f"a.rotate.{d}", a.rotate(d, resample=Image.BILINEAR))

    def affine(name, k):
        put(f"a.affine.{name}", a.transform(a.size, Image.AFFINE, k, resample=Image.BILINEAR))

    affine("shear_x", (1, 0.03, 0, 0, 1, 0))
    affine("shear_y", (1, 0, 0, -0.027, 1, 0))
    affine("right", (1, 0, -5, 0, 1, 0))
    affine("up", (1, 0, 0, 0, 1, 7))
    affine("away", (1, 0, 40, 0, 1, 0))
    affine("half", (1, 0, 0.5, 0, 1, -0.25))
    affine("zoom", (0.7, 0.1, 2.0, -0.05, 0.8, 1.5))


def files():
    a = source(19, 13, 5)
    n = np.asarray(a)
    put_file("png.rgb", encode(a, "PNG"))
    put_file("png.palette", encode(a.quantize(16), "PNG", bits=4))
    put_file("png.palette.trns", encode(a.quantize(8), "PNG", transparency=3))
    put_file("png.grey", encode(a.convert("L"), "PNG"))
    put_file("png.one_bit", encode(a.convert("1"), "PNG"))
    alpha = a.convert("RGBA")
    alpha.putalpha(Image.fromarray((np.arange(13 * 19).reshape(13, 19) % 256).astype(np.uint8), "L"))
    put_file("png.alpha", encode(alpha, "PNG"))
    put_file("png.alpha.rgba", encode(alpha, "PNG"), "RGBA")
    put_file("png.grey_alpha", encode(alpha.convert("LA"), "PNG"))
    wide16 = (n.astype(np.uint32) * 257 + 77) % 65536
    put_file("png.rgb16", raw_png(19, 13, 16, 2, [r.astype(">u2").tobytes() for r in wide16]))
    put_file("png.grey16", raw_png(19, 13, 16, 0, [(r[:, 0] // 100).astype(">u2").tobytes() for r in wide16]))
    put_file("png.grey_alpha16", raw_png(19, 13, 16, 4, [r[:, :2].astype(">u2").tobytes() for r in wide16]))
    put_file("png.grey2", raw_png(4, 2, 2, 0, [b"\x1b", b"\xe4"]))
    gamma = chunk_of(b"gAMA", struct.pack(">I", 100000))
    put_file("png.gamma", raw_png(19, 13, 8, 2, [r.tobytes() for r in n], gamma))
    put_file("webp.lossless", encode(a, "WEBP", lossless=True, quality=100))
    put_file("webp.lossless.alpha", encode(alpha, "WEBP", lossless=True, quality=100, exact=True))
    put_file("webp.lossy", encode(a, "WEBP", quality=80))
    smooth = source(32, 27, 6).filter(ImageFilter.GaussianBlur(2))
    put_file("jpeg.444", encode(smooth, "JPEG", quality=90, subsampling=0))
    put_file("jpeg.420", encode(smooth, "JPEG", quality=85, subsampling=2))
    put_file("jpeg.progressive", encode(smooth, "JPEG", quality=85, progressive=True))
    put_file("jpeg.grey", encode(smooth.convert("L"), "JPEG", quality=85))
    put_file("jpeg.cmyk", encode(ImageChops.invert(smooth).convert("CMYK"), "JPEG", quality=90))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: must not be applied
    put_file("jpeg.exif", encode(smooth, "JPEG", quality=85, exif=exif))
    put_file("jpeg.sampling", base64.b64decode(ODD_SAMPLING))
    records.append(("gif.file", 0, 0, 0, encode(a, "GIF")))


resizes()
colours()
augmentations()
files()
with open(sys.argv[1], "wb") as f:
    for name, w, h, c, data in records:
        f.write(struct.pack("<H", len(name)) + name.encode() + struct.pack("<IIII", w, h, c, len(data)) + data)
    f.write(struct.pack("<H", 0))
