#!/usr/bin/env python3
"""Makes images and lists what Pillow makes of them, for the image tests.

usage: pillow_images.py <test_unit_images>   many images, compared by the test program
       pillow_images.py --fixtures FOLDER    the small committed ones
Exit status 77: Pillow is missing, the test is skipped.

manifest.txt: FILE OPERATION A B WIDTH HEIGHT CRC32, the result of convert("RGB") and then of
  decode 0 0 | resize WIDTH HEIGHT | short SIZE 0 | crop SIDE RULE (0 half to even, 1 half up) | eval SIZE SIDE
"""
import os
import random
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

try:
    from PIL import Image, ImageOps
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

warnings.filterwarnings("ignore", "Palette images with Transparency")
BICUBIC = Image.Resampling.BICUBIC if hasattr(Image, "Resampling") else Image.BICUBIC
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG colour type
DEPTHS = {0: (1, 2, 4, 8), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed(samples, depth):
    bits = 0
    for sample in samples:
        bits = bits << depth | sample
    size = -(-len(samples) * depth // 8)
    return (bits << (8 * size - len(samples) * depth)).to_bytes(size, "big")


def png_bytes(generator, width, height, colours, depth, interlaced=False, transparent=False):
    """Random samples of any PNG kind: most of them no library writes."""
    channels = CHANNELS[colours]
    entries = generator.randint(1, 1 << depth) if colours == 3 else 1 << depth
    rows = [[[generator.randrange(entries) for _ in range(channels)] for _ in range(width)] for _ in range(height)]
    stream = b""
    for x0, y0, dx, dy in ADAM7 if interlaced else ((0, 0, 1, 1),):
        for row in rows[y0::dy]:
            samples = [sample for pixel in row[x0::dx] for sample in pixel]
            if samples:  # filter 1 subtracts the pixel on the left
                raw, step = packed(samples, depth), max(1, channels * depth // 8)
                left = bytes(step) + raw
                stream += b"\x01" + bytes((a - b) & 255 for a, b in zip(raw, left))
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    if colours == 3:
        data += chunk(b"PLTE", generator.randbytes(3 * entries))
    if transparent:
        data += chunk(b"tRNS", generator.randbytes(entries) if colours == 3
                      else b"".join(struct.pack(">H", sample) for sample in rows[0][0]))
    return data + chunk(b"IDAT", zlib.compress(stream, 9)) + chunk(b"IEND", b"")


def picture(generator, mode, width, height, kind):
    """noise, smooth (enlarged noise) or hard (0 and 255 only: overshoots are clipped)."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    if kind == "smooth":
        small = -(-width // 6), -(-height // 6)
        noise = Image.frombytes(mode, small, generator.randbytes(small[0] * small[1] * bands))
        return noise.resize((width, height), BICUBIC)
    data = generator.randbytes(width * height * bands)
    return Image.frombytes(mode, (width, height), bytes(255 * (b & 1) for b in data) if kind == "hard" else data)


def segment(data, marker):
    """Offset of the marker's FF in a JPEG."""
    at = 2
    while data[at + 1] != marker:
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    return at


def without_adobe(data):
    at = segment(data, 0xEE)
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]:]


def as_ycck(data):
    """The same coefficients, read as YCCK: the last byte of the Adobe segment is the transform."""
    at = segment(data, 0xEE) + 15
    return data[:at] + b"\x02" + data[at + 1:]


def with_sampling(data, factors):
    """The same coefficients under another subsampling: right only for an image of one colour."""
    at, data = segment(data, 0xC0) + 11, bytearray(data)
    for component in range(3):
        data[at + 3 * component] = factors
    return bytes(data)


def torch_crop(image, side, rule):
    """Centre crop as torchvision describes it, on Pillow's functions."""
    width, height = image.size
    if side > width or side > height:
        dx, dy = max(0, side - width), max(0, side - height)
        image = ImageOps.expand(image, (dx // 2, dy // 2, (dx + 1) // 2, (dy + 1) // 2), fill=0)
        width, height = image.size
    if rule:
        left, top = int((width - side + 1) * 0.5), int((height - side + 1) * 0.5)
    else:
        left, top = int(round((width - side) / 2.0)), int(round((height - side) / 2.0))
    return image.crop((left, top, left + side, top + side))


def short_side(image, size):
    width, height = image.size
    wanted = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    return image if wanted == image.size else image.resize(wanted, BICUBIC)


def apply(image, operation, a, b):
    if operation == "resize":
        return image.resize((a, b), BICUBIC)
    if operation == "short":
        return short_side(image, a)
    if operation == "crop":
        return torch_crop(image, a, b)
    if operation == "eval":
        return torch_crop(short_side(image, a), b, 0)
    return image


class Folder:
    def __init__(self, path):
        self.path, self.manifest, self.counts, self.bytes, self.files = path, [], {}, 0, 0

    def add(self, name, data, operations=(("decode", 0, 0),)):
        path = os.path.join(self.path, name)
        with open(path, "wb") as file:
            file.write(data)
        self.files += 1
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for operation, a, b in operations:
            result = apply(image, operation, a, b)
            pixels = result.tobytes()
            self.manifest.append(f"{name} {operation} {a} {b} {result.width} {result.height} {zlib.crc32(pixels)}")
            self.counts[operation] = self.counts.get(operation, 0) + 1
            self.bytes += len(pixels)

    def save(self, name, image, operations=(("decode", 0, 0),), change=None, **options):
        path = os.path.join(self.path, name)
        image.save(path, "JPEG" if name.endswith(".jpg") else "PNG", **options)
        with open(path, "rb") as file:
            data = file.read()
        self.add(name, change(data) if change else data, operations)

    def close(self):
        with open(os.path.join(self.path, "manifest.txt"), "w") as file:
            file.write("\n".join(self.manifest) + "\n")


def add_jpegs(folder, generator, width, height, quality, tag="", kinds=("smooth",)):
    for kind in kinds:
        grey, colour, ink = (picture(generator, mode, width, height, kind) for mode in ("L", "RGB", "CMYK"))
        name, options = f"{tag}{kind}.jpg", {"quality": quality, "optimize": True}
        folder.save("grey-" + name, grey, **options)
        for sampling, label in enumerate(("444", "422", "420")):
            folder.save(f"{label}-{name}", colour, subsampling=sampling, **options)
            folder.save(f"progressive-{label}-{name}", colour, subsampling=sampling, progressive=True, **options)
        folder.save("cmyk-" + name, ink, **options)
        folder.save("cmyk-plain-" + name, ink, change=without_adobe, **options)
        folder.save("ycck-" + name, ink, change=as_ycck, **options)


def add_pngs(folder, generator, width, height, tag="", forms=((0, 0), (0, 1), (1, 0), (1, 1))):
    for colours, depths in DEPTHS.items():
        for depth in depths:
            for interlaced, transparent in forms:
                transparent = transparent and colours in (0, 2, 3)
                name = f"{tag}c{colours}-{depth}{'-adam7' * interlaced}{'-trns' * transparent}.png"
                if not os.path.exists(os.path.join(folder.path, name)):
                    data = png_bytes(generator, width, height, colours, depth, interlaced, transparent)
                    folder.add(name, data)


def make_fixtures(path):
    folder, generator = Folder(path), random.Random(43)
    add_jpegs(folder, generator, 11, 7, 60)
    add_pngs(folder, generator, 9, 5, forms=((0, 0), (1, 1)))
    folder.save("scaled.png", picture(generator, "RGB", 13, 8, "hard"), [
        ("decode", 0, 0), ("resize", 5, 3), ("resize", 29, 31), ("resize", 1, 1), ("resize", 13, 3), ("short", 5, 0),
        ("short", 8, 0), ("crop", 7, 0), ("crop", 7, 1), ("crop", 8, 0), ("crop", 10, 0), ("crop", 20, 0), ("eval", 6, 4)])
    grey16 = zlib.compress(b"\x00\x12\x34\x56\x78" * 2)
    with open(os.path.join(path, "grey16.png"), "wb") as file:  # refused, so not in the manifest
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 0, 0, 0, 0))
                   + chunk(b"IDAT", grey16) + chunk(b"IEND", b""))
    folder.close()


SOURCES = [(1, 1), (1, 2), (2, 1), (1, 9), (9, 1), (3, 2), (5, 5), (8, 6), (13, 29), (31, 17), (64, 64), (101, 67),
           (256, 255), (333, 250), (250, 333), (1, 700), (700, 1), (2, 999), (500, 375), (997, 3)]
TARGETS = [(1, 1), (1, 5), (5, 1), (2, 3), (7, 7), (16, 33), (64, 64), (65, 63), (224, 224), (340, 256), (3, 411)]


def add_damaged(folder, generator):
    """Small images with a few bytes changed: those that Pillow still loads."""
    fixtures = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "images")
    names = sorted(name for name in os.listdir(fixtures) if name.endswith((".jpg", ".png")))
    for i in range(4000):
        name = generator.choice(names)
        with open(os.path.join(fixtures, name), "rb") as file:
            data = bytearray(file.read())
        at = generator.randrange(len(data))
        how = generator.randrange(4)
        if how == 0:
            data[at] ^= 1 << generator.randrange(8)
        elif how == 1:
            data[at:at] = generator.randbytes(generator.randint(1, 5))
        elif how == 2:
            del data[at:at + generator.randint(1, 6)]
        else:
            data[at] = generator.choice((0, 255, 0xC0, 0xC4, 0xD0, 0xD9, 0xDA))
        try:
            folder.add(f"damaged-{i}-{name}", bytes(data))
            width, height = map(int, folder.manifest[-1].split()[4:6])
            if max(width, height) > 1000:  # we ask whether so many pixels can be there at all
                folder.manifest.pop()
        except Exception:  # refused
            continue


def make_many(path):
    folder, generator = Folder(path), random.Random(44)
    for width, height in [(1, 1), (2, 1), (1, 3), (7, 9), (8, 8), (15, 17), (16, 16), (17, 15), (33, 5), (100, 75),
                          (257, 129)]:
        for quality in (25, 92):
            add_jpegs(folder, generator, width, height, quality, f"{width}x{height}-{quality}-", ("smooth", "noise"))
    flat = Image.new("RGB", (8, 24), (128, 128, 128))
    folder.save("flat-1x3.jpg", flat, change=lambda data: with_sampling(data, 0x13), subsampling=0, optimize=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned: not applied
    folder.save("exif.jpg", picture(generator, "RGB", 9, 5, "smooth"), exif=exif, icc_profile=b"none", comment=b"x")
    more = chunk(b"gAMA", struct.pack(">I", 99999)) + chunk(b"sBIT", b"\5\6\5")
    folder.save("chunks.png", picture(generator, "RGB", 9, 5, "smooth"), exif=exif, icc_profile=b"none", dpi=(72, 72),
                change=lambda data: data[:33] + more + data[33:])
    for width, height in [(1, 1), (2, 3), (3, 1), (8, 8), (13, 7), (33, 2), (50, 41)]:
        add_pngs(folder, generator, width, height, f"{width}x{height}-")
    for width, height in SOURCES:
        operations = [("resize", *target) for target in TARGETS + [(width, 5), (6, height)]]
        operations += [("short", size, 0) for size in (1, 2, 7, 64, 256)
                       if max(width, height) * size // min(width, height) < 9000]
        operations += [("crop", side, rule) for side in (1, 2, 7, 8, 64, 65, 224, 253) for rule in (0, 1)]
        if max(width, height) < 10 * min(width, height):
            operations += [("eval", 256, 224), ("eval", 224, 224), ("eval", 32, 33)]
        for kind in ("smooth", "noise", "hard"):
            folder.save(f"{kind}-{width}x{height}.png", picture(generator, "RGB", width, height, kind), operations)
    add_damaged(folder, generator)
    folder.save("photo.jpg", picture(generator, "RGB", 500, 375, "smooth"), [("eval", 256, 224)], quality=90)
    folder.close()
    return folder


def main():
    if sys.argv[1] == "--fixtures":
        make_fixtures(sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as path:
        folder = make_many(path)
        subprocess.run([sys.argv[1], "[.pillow]"], env=dict(os.environ, SPIKELOOM_IMAGES=path), check=True)
        with open(os.path.join(path, "compared.txt")) as file:
            compared = int(file.read())
        assert compared == len(folder.manifest), f"{compared} of {len(folder.manifest)} compared"
        print(f"{folder.files} files, {compared} results ({folder.counts}), {folder.bytes} bytes: all equal to Pillow's")


if __name__ == "__main__":
    main()
