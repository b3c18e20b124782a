#!/usr/bin/env python3
# edge_golden.py - writes tests/golden/image/edges.gz: operations on odd, tiny and long images, all colours, and every kind of encoded file.
# SPDX-License-Identifier: Apache-2.0
#
# Needs Pillow (recorded with 9.4.0) and NumPy.  Usage: edge_golden.py OUTPUT (gzip)
# Records as image_golden.py's.  "SOURCE/OPERATION ARGUMENTS" holds what becomes of the record SOURCE, or its CRC-32 (channels 0);
# "NAME.file" a file and NAME its pixels.  "cube" is not stored: see cube().
import gzip
import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

records = []
rng = np.random.RandomState(11)
FILTER = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}


def rgb(a):
    return Image.fromarray(np.ascontiguousarray(a, dtype=np.uint8), "RGB")


def put(name, im):
    a = np.asarray(im)
    records.append((name, a.shape[1], a.shape[0], 3, a.tobytes()))


def put_crc(name, im):
    records.append((name, 0, 0, 0, struct.pack("<I", zlib.crc32(np.asarray(im).tobytes()))))


def put_file(name, data):
    records.append((name + ".file", 0, 0, 0, data))
    put(name, Image.open(io.BytesIO(data)).convert("RGB"))


def cube():
    """128^3 colours over the whole range, even and odd: channel = 2 i + (i + j + k) mod 2."""
    i, j, k = np.mgrid[0:128, 0:128, 0:128]
    return rgb((2 * np.stack([i, j, k], 3) + ((i + j + k) % 2)[..., None]).reshape(1024, 2048, 3))


# ---- operations ----


def center(im, size, filter):
    """Resize(size) and CenterCrop(size) of torchvision on a PIL image."""
    w, h = im.size
    w, h = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
    r = im.resize((w, h), FILTER[filter])
    top, left = int(round((h - size) / 2.0)), int(round((w - size) / 2.0))
    return r.crop((left, top, left + size, top + size))


def hue(im, f):
    h, s, v = im.convert("HSV").split()
    h = Image.fromarray((np.array(h) + np.int32(f * 255).astype(np.uint8)).astype(np.uint8), "L")
    return Image.merge("HSV", (h, s, v)).convert("RGB")


OPERATIONS = {
    "resize": lambda im, f, x, y, w, h, ow, oh: im.crop((x, y, x + w, y + h)).resize((ow, oh), FILTER[f]),
    "center": lambda im, f, size: center(im, size, f),
    "flip": lambda im: im.transpose(Image.FLIP_LEFT_RIGHT),
    "brightness": lambda im, f: ImageEnhance.Brightness(im).enhance(f),
    "contrast": lambda im, f: ImageEnhance.Contrast(im).enhance(f),
    "saturation": lambda im, f: ImageEnhance.Color(im).enhance(f),
    "hue": hue,
    "grey": lambda im: im.convert("L").convert("RGB"),
    "blur": lambda im, s: im.filter(ImageFilter.GaussianBlur(s)),
    "solarize": ImageOps.solarize,
    "posterize": ImageOps.posterize,
    "autocontrast": ImageOps.autocontrast,
    "equalize": ImageOps.equalize,
    "rotate": lambda im, d: im.rotate(d, resample=Image.BILINEAR),
    "affine": lambda im, *k: im.transform(im.size, Image.AFFINE, k, resample=Image.BILINEAR),
}


def apply(source, im, what, *args):
    out = OPERATIONS[what](im, *args)
    (put_crc if out.width * out.height > 40 else put)(" ".join([f"{source}/{what}", *map(str, args)]), out)


def noise(w, h):
    return rgb(rng.randint(0, 256, (h, w, 3)))


def sources():
    flat = rgb(np.full((3, 5, 3), (9, 128, 255)))
    two = rgb(np.where(np.arange(40).reshape(5, 8, 1) % 3, (100, 7, 255), (101, 250, 0)))
    return {"dot": rgb([[[12, 200, 77]]]), "row": noise(7, 1), "column": noise(1, 6), "square": noise(2, 2), "small": noise(3, 5),
            "odd": noise(11, 13), "wide": noise(301, 2), "high": noise(3, 257), "flat": flat, "two": two, "even": noise(24, 16)}


def operations():
    for name, im in sources().items():
        put(name, im)
        w, h = im.size
        for f in FILTER:
            sizes = {(1, 1), (2, 3), (w, 5), (5, h), (w + 1, h + 1), (13, 2), (2, 31)} | ({(w - 1, h), (w, h)} if w > 1 else set())
            for ow, oh in sorted(sizes):
                apply(name, im, "resize", f, 0, 0, w, h, ow, oh)
            if w > 2 and h > 2:
                apply(name, im, "resize", f, w - 2, h - 2, 2, 2, 7, 5)
                apply(name, im, "resize", f, 1, 0, 1, h, 3, 3)
            for size in (1, 2, 7, 8):
                apply(name, im, "center", f, size)
        apply(name, im, "flip")
        apply(name, im, "grey")
        for f in (0.0, 0.6, 1.4):
            for what in ("brightness", "contrast", "saturation"):
                apply(name, im, what, f)
        for f in (-0.5, -0.1, 0.07):
            apply(name, im, "hue", f)
        for s in (0.1, 0.63, 2.0, 9.0):
            apply(name, im, "blur", s)
        for th in (0, 1, 128, 231, 254, 256):
            apply(name, im, "solarize", th)
        for bits in (1, 3, 4, 8):
            apply(name, im, "posterize", bits)
        apply(name, im, "autocontrast")
        apply(name, im, "equalize")
        for d in (1, 2, -1, -2, 29, 45, 90, 180, 270, 360, -720.5):
            apply(name, im, "rotate", d)
        for g in (0.03, -0.003, 0.0299, -0.3):
            apply(name, im, "affine", 1, g, 0, 0, 1, 0)
            apply(name, im, "affine", 1, 0, 0, g, 1, 0)
        for g in (0, 1, -1, 7, -7, 400):
            apply(name, im, "affine", 1, 0, g, 0, 1, 0)
            apply(name, im, "affine", 1, 0, 0, 0, 1, g)
        for _ in range(12):
            apply(name, im, "affine", *np.round(np.array([1, 0, 0, 0, 1, 0]) + rng.normal(0, [0.3, 0.3, 3, 0.3, 0.3, 3]), 4))
    im = cube()
    for f in (0.6, 0.8137, 1.0, 1.2, 1.4):
        for what in ("brightness", "contrast", "saturation"):
            apply("cube", im, what, f)
    for f in (-0.1, -0.0421, 0.0, 0.0512, 0.1, 0.5):
        apply("cube", im, "hue", f)
    for what in ("grey", "equalize", "autocontrast"):
        apply("cube", im, what)


# ---- files ----


def chunk(t, d):
    return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))


def packed(rows, depth):
    """Samples [h, n] to bytes, big-endian, each row padded to whole bytes; the row filter is row number mod 5."""
    out, before = b"", None
    step = max(1, packed.channels * depth // 8)
    for y, row in enumerate(rows):
        bits = "".join(format(int(v), f"0{depth}b") for v in row)
        b = np.frombuffer(int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big"), np.uint8).astype(np.int32)
        up = before if before is not None else np.zeros_like(b)
        left, corner = (np.concatenate([np.zeros(step, np.int32), v])[:len(b)] for v in (b, up))
        p = left + up - corner
        pa, pb, pc = abs(p - left), abs(p - up), abs(p - corner)
        paeth = np.where((pa <= pb) & (pa <= pc), left, np.where(pb <= pc, up, corner))
        kind = y % 5
        out += bytes([kind]) + ((b - [0 * b, left, up, (left + up) // 2, paeth][kind]) % 256).astype(np.uint8).tobytes()
        before = b
    return out


def png(w, h, depth, kind, samples, interlace=0, before=b"", after=b"", split=1000):
    packed.channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    a = np.asarray(samples).reshape(h, w, packed.channels)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] if interlace else [(0, 0, 1, 1)]
    parts = [a[y::dy, x::dx] for x, y, dx, dy in passes]
    data = zlib.compress(b"".join(packed(p.reshape(p.shape[0], -1), depth) for p in parts if p.size), 9)
    body = b"".join(chunk(b"IDAT", data[i:i + split]) for i in range(0, len(data), split))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + before + body + after + chunk(b"IEND", b"")


def pngs():
    for kind, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            colours = rng.randint(0, 256, (min(1 << depth, 256), 3)).astype(np.uint8)
            plte = chunk(b"PLTE", colours.tobytes()) if kind == 3 else b""
            for i, (w, h) in enumerate(((1, 1), (9, 6), (17, 3), (2, 9))):
                n = w * h * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
                v = rng.randint(0, 1 << depth, n)
                for interlace in (0, 1):
                    put_file(f"png.{kind}.{depth}.{w}x{h}.{interlace}", png(w, h, depth, kind, v, interlace, plte, split=20 + 10 * i))
            v = rng.randint(0, 1 << depth, 35 * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind])
            trns = {0: v[:1].astype(">u2").tobytes(), 2: v[:3].astype(">u2").tobytes(), 3: bytes(range(0, 2 * (1 << min(depth, 6)), 2))}
            if kind in trns:
                put_file(f"png.{kind}.{depth}.trns", png(7, 5, depth, kind, v, 0, plte + chunk(b"tRNS", trns[kind])))
            extra = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"sRGB", b"\0") + chunk(b"pHYs", struct.pack(">IIB", 7, 9, 1))
            sbit = chunk(b"sBIT", b"\1" * {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[kind])
            put_file(f"png.{kind}.{depth}.chunks", png(7, 5, depth, kind, v, 1, extra + sbit + plte, chunk(b"tEXt", b"Title\0cat")))
    one = rng.randint(0, 5, 35)
    for depth in (2, 8):  # colour numbers without a colour
        put_file(f"png.palette.beyond.{depth}", png(7, 5, depth, 3, rng.randint(0, 1 << depth, 35), 0, chunk(b"PLTE", b"\x0a\x14\x1e\x28\x32\x3c")))
    short = rng.randint(0, 256, 15).astype(np.uint8).tobytes()
    put_file("png.palette.short", png(7, 5, 8, 3, one, 0, chunk(b"PLTE", short)))
    put_file("png.palette.suggested", png(7, 5, 8, 2, rng.randint(0, 256, 105), 0, chunk(b"PLTE", short)))


def encode(im, fmt, **kw):
    b = io.BytesIO()
    im.save(b, fmt, **kw)
    return b.getvalue()


def animations():
    a, b = noise(9, 7), noise(9, 7)
    put_file("apng", encode(a, "PNG", save_all=True, append_images=[b, a]))
    put_file("apng.default", encode(a, "PNG", save_all=True, append_images=[b], default_image=True))
    put_file("webp.animated", encode(a, "WEBP", save_all=True, append_images=[b], lossless=True, duration=50))
    clear = a.convert("RGBA")
    clear.putalpha(Image.fromarray((np.arange(63).reshape(7, 9) * 4).astype(np.uint8), "L"))
    whole = encode(clear, "WEBP", save_all=True, append_images=[b.convert("RGBA")], lossless=True, duration=50)
    put_file("webp.animated.alpha", whole)
    put_file("webp.animated.lossy", encode(clear, "WEBP", save_all=True, append_images=[b.convert("RGBA")], quality=70, duration=50))
    larger = bytearray(whole)  # the first frame on a larger canvas, away from its corner
    at, frame = larger.index(b"VP8X") + 8, larger.index(b"ANMF") + 8
    larger[at + 4:at + 10] = struct.pack("<I", 20)[:3] + struct.pack("<I", 15)[:3]
    larger[frame:frame + 6] = struct.pack("<I", 3)[:3] + struct.pack("<I", 2)[:3]
    put_file("webp.animated.inset", bytes(larger))
    for w, h in ((1, 1), (1, 5), (6, 1)):
        put_file(f"webp.{w}x{h}", encode(noise(w, h), "WEBP", lossless=True))
        put_file(f"webp.lossy.{w}x{h}", encode(noise(w, h), "WEBP", quality=75))


def adobe(transform):
    return b"\xff\xee\0\x0eAdobe\0d\0\0\0\0" + bytes([transform])


def jpegs():
    y, x = np.mgrid[0:19, 0:29]
    smooth = rgb(np.stack([x * 8, y * 12, (x * y) % 256], 2)).filter(ImageFilter.GaussianBlur(1))
    for s in (0, 1, 2):
        put_file(f"jpeg.{s}", encode(smooth, "JPEG", quality=88, subsampling=s))
    for w, h in ((1, 1), (1, 9), (9, 1), (8, 8), (17, 16)):
        for mode in ("RGB", "L", "CMYK"):
            put_file(f"jpeg.{mode}.{w}x{h}", encode(smooth.crop((0, 0, w, h)).convert(mode), "JPEG", quality=80))
    put_file("jpeg.progressive.grey", encode(smooth.convert("L"), "JPEG", progressive=True))
    cmyk = Image.fromarray(rng.randint(0, 256, (2, 3, 4)).astype(np.uint8), "CMYK").resize((23, 17), Image.BICUBIC)
    data = encode(cmyk, "JPEG", quality=90)
    put_file("jpeg.cmyk", data)
    put_file("jpeg.cmyk.progressive", encode(cmyk, "JPEG", quality=90, progressive=True))
    mark = data.index(b"Adobe")
    put_file("jpeg.ycck", data[:mark + 11] + b"\2" + data[mark + 12:])
    put_file("jpeg.cmyk.unmarked", data[:mark - 4] + data[mark + 12:])
    plain = encode(smooth, "JPEG", quality=90, subsampling=0)
    end = 4 + struct.unpack(">H", plain[4:6])[0]  # behind the JFIF marker
    put_file("jpeg.unmarked", plain[:2] + plain[end:])
    put_file("jpeg.rgb", plain[:2] + adobe(0) + plain[end:])
    put_file("jpeg.adobe", plain[:2] + adobe(1) + plain[end:])
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        put_file(f"jpeg.exif.{turn}", encode(smooth.crop((0, 0, 9, 5)), "JPEG", exif=exif))


operations()
pngs()
animations()
jpegs()
with open(sys.argv[1], "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as f:
    for name, w, h, c, data in records:
        f.write(struct.pack("<H", len(name)) + name.encode() + struct.pack("<IIII", w, h, c, len(data)) + data)
    f.write(struct.pack("<H", 0))
