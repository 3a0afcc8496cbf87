#!/usr/bin/env python3
"""make_seeds.py BUILD OUT: writes first inputs for every fuzz target to OUT/<target>/, made from the files of the
project and by the programs of a build folder (spikeloom, trace_seeds). Python's standard library only. What
the corpora keep is chosen by merging, see README.md."""
import glob
import gzip
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
import checkpoints  # noqa: E402
import fixtures  # noqa: E402

GOLDEN = os.path.join(ROOT, "tests/golden/meta_spikeformer")
DATA = os.path.join(ROOT, "tests/unit/data")


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Seeds:
    def __init__(self, out):
        self.out = out

    def add(self, target, name, data):
        folder = os.path.join(self.out, target)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


LONG_LISTS = {"lines", "prices", "unpriced", "layers", "attention", "neurons"}  # of a report; compare does not read them


def trim(value):
    """JSON with at most one element in every list, without LONG_LISTS."""
    if isinstance(value, dict):
        return {key: trim(member) for key, member in value.items() if key not in LONG_LISTS}
    return [trim(member) for member in value[:1]] if isinstance(value, list) else value


def texts(seeds):
    for path in glob.glob(ROOT + "/experiments/*.toml") + glob.glob(ROOT + "/tests/e2e/*.toml"):
        seeds.add("experiment", os.path.basename(path), read(path))
    seeds.add("experiment", "notations.toml", b'''model = { family = "meta_spikeformer", preset = 'x' }
[[a.b]]
c = [1, 2.5, +inf, 0x1F, 1_000, 1979-05-27T07:32:00Z, """long""", true]
"d e".f = { g = [[], {}] }
''')
    for path in glob.glob(ROOT + "/hw_model/chip/presets/*.toml"):
        seeds.add("chip", os.path.basename(path), read(path))
    for name, populations in [
            ("boxes.json", {"map": [{"channels": [0, 2]}, {"channels": [2, 4], "y": [0, 3], "tile": 1}], "flat": [0, 1, 2, 3, 0]}),
            ("neurons.json", {"map": [{"neurons": [0, 9], "slot": 1}, {"neurons": [9, 24]}], "flat": [{"tile": 1}]}),
            ("array_file.json", {"map": "cores.npy", "flat": [{}]})]:
        seeds.add("mapping", name, json.dumps({"schema_version": 1, "chip": "c", "populations": populations}).encode())
    seeds.add("json", "values.json", b'{"model": {"dims": [1, -2.5e3, true, null], "": "\\u00e4\\n"}, "a/b": {}}')
    bpe = {"added_tokens": [{"id": 3, "content": "  ", "normalized": True}, {"id": 4, "content": "<e>", "normalized": False}],
           "normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
           "decoder": {"type": "ByteLevel"},
           "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}
    seeds.add("tokenizer", "bpe.json", json.dumps(bpe).encode())
    seeds.add("tokenizer", "pairs.json", json.dumps(bpe).replace('"a b"', '["a", "b"]').encode())
    seeds.add("tokenizer", "characters.json", json.dumps({"0": " ", "1": "e"}).encode("utf-16"))
    seeds.add("token_rows", "letters.txt", "e \u00e9e, ".encode() * 5)
    seeds.add("token_rows", "utf16.txt", "e \u00e9".encode("utf-16"))
    with tempfile.TemporaryDirectory() as folder:
        for descr, size in (("<i8", 8), ("<i4", 4), ("|u1", 1)):
            fixtures.write_npy(folder + "/a.npy", descr, (2, 3), b"".join(bytes([5 + i]) + bytes(size - 1) for i in range(6)))
            seeds.add("token_rows", "rows" + descr[1:], read(folder + "/a.npy"))
        seeds.add("token_rows", "flat", read(folder + "/a.npy").replace(b"(2, 3)", b"(6,)  "))
        for code, size in ((8, 2), (4, 4), (1, 1), (5, 8), (6, 4)):
            fixtures.make_binidx(folder + "/t.idx", str(code), "5,6", "7", "", "9,10,11")
            seeds.add("binidx", str(code), bytes([6 * size]) + read(folder + "/t.bin") + read(folder + "/t.idx"))
    seeds.add("json", "meta.json", json.dumps(trim(json.load(open(GOLDEN + "/meta.json"))))[:2000].encode())


def checkpoints_of_tools(seeds):
    """Every form of tests/e2e/checkpoints.py around two small arrays, and the protocols of pickle."""
    with tempfile.TemporaryDirectory() as folder:
        source, path = os.path.join(folder, "a.safetensors"), os.path.join(folder, "a")
        header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                  "head.bias": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}}
        checkpoints.write_safetensors(source, header, bytes(12))
        for form in sorted(set(checkpoints.FORMS) - {"long_name", "another_net", "float8"}):
            checkpoints.make_checkpoint(path, source, form, "4" if len(form) % 2 else "2")
            seeds.add("weights", form, read(path))
        for protocol in ("3", "5", "legacy2", "legacy5"):
            checkpoints.make_checkpoint(path, source, "plain", protocol)
            seeds.add("weights", "protocol_" + protocol, read(path))
        checkpoints.make_float8(path)
        seeds.add("weights", "float8", read(path))
        checkpoints.make_renamed(path, source, "module._orig_mod.")
        seeds.add("weights", "prefix", read(path))
        for fault in ("", "outside", "number", "no_map", "key_twice"):
            checkpoints.make_shards(path + "s", source, "safetensors", fault)
            seeds.add("weights", "index_" + (fault or "right"),
                      read(os.path.join(path + "s", "model.safetensors.index.json")))


def weights(seeds):
    tensors = {"a": ("F32", [2, 2]), "b.c": ("I64", []), "d": ("U8", [0, 3]), "e": ("BF16", [5])}
    sizes, header, at = {"F32": 4, "I64": 8, "U8": 1, "BF16": 2}, {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape) in tensors.items():
        size = sizes[dtype]
        for extent in shape:
            size *= extent
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    seeds.add("safetensors", "four", struct.pack("<Q", len(text)) + text + bytes(at))
    for path in glob.glob(DATA + "/*.npz"):
        seeds.add("npz", os.path.basename(path), read(path))
    with zipfile.ZipFile(GOLDEN + "/weights.npz") as archive:
        with tempfile.TemporaryFile() as file:
            with zipfile.ZipFile(file, "w") as small:
                for name in sorted(archive.namelist(), key=lambda n: archive.getinfo(n).file_size)[:3]:
                    small.writestr(name, archive.read(name))
            file.seek(0)
            seeds.add("npz", "golden.npz", file.read())
    for path in glob.glob(DATA + "/*.pth"):
        seeds.add("pth", os.path.basename(path), read(path))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith("data.pkl"):
                        seeds.add("pth", os.path.basename(path) + ".pkl", archive.read(name))
    seeds.add("pth", "kinds.pkl", pickle.dumps({"a": [1, 2.5, None, True, (1, 2), "x", 10**30, {1}]}, 2))


def images(seeds):
    idx = read(ROOT + "/experiments/samples/mnist256-images-idx3-ubyte")
    small = struct.pack(">IIII", 0x803, 2, 28, 28) + idx[16:16 + 2 * 784]
    labels = struct.pack(">II", 0x801, 2) + b"\x07\x02"
    for name, data in (("images", small), ("labels", labels), ("tiny", struct.pack(">IIII", 0x803, 2, 2, 1) + b"abcd")):
        seeds.add("idx", name, data)
        seeds.add("idx", name + ".gz", gzip.compress(data, mtime=0))
    for path in glob.glob(DATA + "/images/*.png") + glob.glob(DATA + "/images/*.jpg"):
        if os.path.getsize(path) < 1500:
            seeds.add("image", os.path.basename(path), read(path))
    jpeg, png = read(DATA + "/images/420-smooth.jpg"), read(DATA + "/images/c2-8.png")
    for name, data in (("extraneous.jpg", jpeg.replace(b"\xff\xda", b"abcd\xff\xda", 1)), ("no_end.jpg", jpeg[:-2] + b"0000"),
                       ("trailing.jpg", jpeg + b"0000"), ("no_iend.png", png[:-12]), ("no_adler.png", png[:-20])):
        seeds.add("image", name, data)
    seeds.add("image_list", "mark", b"\xef\xbb\xbfc0-1.png 0\r\n")
    seeds.add("image_list", "utf16", "c0-1.png 0\n".encode("utf-16"))
    seeds.add("image_list", "two", b"c0-1.png 0\n# comment\n\nc2-8.png 3\n")
    seeds.add("image_list", "odd", b"c0-1.png 0\r\n../manifest.txt 1\nc0-1.png 99999999999999999999")
    seeds.add("cifar10", "two", b"".join(bytes([label]) + bytes((label + i) % 256 for i in range(3072))
                                         for label in (3, 9)))
    seeds.add("npy", "logits.npy", read(GOLDEN + "/logits.npy"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.npy")
        for descr, size in (("<f4", 4), (">i2", 2), ("|u1", 1), ("<f8", 8), ("<u2", 2), (">u4", 4), ("<u8", 8), ("|O", 8)):
            fixtures.write_npy(path, descr, (2, 1, 2, 2), bytes(range(8 * size)))
            seeds.add("npy", "batch" + descr[1:], read(path))
            seeds.add("npy", "fortran" + descr[1:], read(path).replace(b"False", b"True "))


def wav(count, rate, channels=1, tag=1, bits=16, extra=b"", promised=None):
    one = {8: b"\x90", 16: struct.pack("<h", 3000), 24: b"\0\x10\x20", 32: struct.pack("<f", 0.25),
           64: struct.pack("<d", 0.25)}[bits]
    body = one * count * channels
    size = len(body) if promised is None else promised
    layout = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    return (b"RIFF" + struct.pack("<I", (36 + len(extra) + size) % 2**32) + b"WAVEfmt " + struct.pack("<I", 16) +
            layout + extra + b"data" + struct.pack("<I", size) + body)


def sounds(seeds):
    for name, data in (("pcm16", wav(420, 16000)), ("resampled", wav(240, 8000)), ("stereo", wav(420, 16000, 2)),
                       ("float32", wav(420, 16000, 1, 3, 32)), ("pcm8", wav(420, 16000, 1, 1, 8)),
                       ("mulaw", wav(420, 8000, 1, 7, 8)), ("empty_data", wav(0, 16000)), ("empty", b""),
                       ("other_chunk", wav(420, 16000, extra=b"LIST" + struct.pack("<I", 5) + b"INFOx\0")),
                       ("to_the_end", wav(420, 16000, promised=0xFFFFFFFF)),
                       ("truncated", wav(420, 16000, promised=90000))):
        seeds.add("wav", name, data)
    whole = wav(420, 16000)
    samples = whole[44:]
    swapped = b"".join(samples[i:i + 2][::-1] for i in range(0, len(samples), 2))
    guid = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    w64 = (b"fmt " + guid + struct.pack("<Q", 40) + whole[20:36] + b"data" + guid + struct.pack("<Q", 24 + len(samples))
           + samples)
    for name, data in (("short_by_one", whole[:-1]), ("never_written", wav(420, 16000, promised=0)),
                       ("sox", wav(420, 16000, promised=0x7FFFF000)), ("float64", wav(420, 16000, 1, 3, 64)),
                       ("alaw", wav(420, 8000, 1, 6, 8)), ("pcm24", wav(420, 16000, 1, 1, 24)),
                       ("rifx", b"RIFX" + struct.pack(">I", len(whole) - 8) + b"WAVEfmt " +
                        struct.pack(">IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16) + b"data" +
                        struct.pack(">I", len(samples)) + swapped),
                       ("rf64", b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, 0, len(samples), 420, 0) +
                        whole[12:40] + b"\xff\xff\xff\xff" + samples),
                       ("extensible", whole[:16] + struct.pack("<IHHIIHHHHI", 40, 0xFFFE, 1, 16000, 32000, 2, 16, 22, 16, 4) +
                        bytes.fromhex("0100000000001000800000aa00389b71") + whole[36:]),
                       ("w64", bytes.fromhex("726966662e91cf11a5d628db04c10000") + struct.pack("<Q", 40 + len(w64)) +
                        b"wave" + guid + w64)):
        seeds.add("wav", name, data)


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(" ".join(words) + "\n" + done.stderr)


def reports(seeds, build):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT + "/tests/e2e/tiny.toml", folder)
        fixtures.write_npy(folder + "/images.npy", "<f4", (1, 1, 16, 16), fixtures.floats([0.01 * i for i in range(256)]))
        run([build + "/cli/spikeloom", "run", "tiny.toml", "-q", "--set", "trace.layers=none"], folder)
        report = trim(json.load(open(folder + "/out/report.json")))
        seeds.add("report", "trimmed.json", json.dumps(report).encode())
        seeds.add("report", "short.json", json.dumps({"schema_version": "1.0", "run": {"samples": 1}}).encode())


def traces(seeds, build):
    with tempfile.TemporaryDirectory() as folder:
        run([build + "/tests/fuzz/trace_seeds", folder], folder)
        for name in os.listdir(folder):
            seeds.add("trace", name, read(folder + "/" + name))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    seeds = Seeds(sys.argv[2])
    texts(seeds)
    weights(seeds)
    checkpoints_of_tools(seeds)
    images(seeds)
    sounds(seeds)
    build = os.path.abspath(sys.argv[1])
    reports(seeds, build)
    traces(seeds, build)


main()
