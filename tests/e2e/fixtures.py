"""Files for the cases, made with the standard library alone. Everything is seeded: the same file every time."""
import array
import gzip
import json
import math
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

from bombs import make_bomb
from checkpoints import make_checkpoint, make_float8, make_network_weights, make_renamed, make_shards
from tokenizer_bombs import make_tokenizer_bomb


class Bad(Exception):
    pass


def floats(values):
    data = array.array("f", values)
    if sys.byteorder == "big":
        data.byteswap()
    return data.tobytes()


def write_npy(path, descr, shape, data, version=b"\x01\x00"):
    header = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + data)


def read_npy(path):
    """(descr, shape, flat list) of a float32 or int64 version-1 file."""
    with open(path, "rb") as file:
        raw = file.read()
    size = struct.unpack("<H", raw[8:10])[0]
    header = eval(raw[10:10 + size].decode(), {"__builtins__": {}})  # a literal this program wrote
    kind = {"<f4": "f", "<i8": "q"}[header["descr"]]
    values = array.array(kind, raw[10 + size:])
    if sys.byteorder == "big":
        values.byteswap()
    return header["descr"], header["shape"], list(values)


def read_safetensors(path):
    with open(path, "rb") as file:
        raw = file.read()
    size = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8:8 + size]), bytearray(raw[8 + size:])


def write_safetensors(path, header, data):
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def integers(words):
    return [int(word) for word in words]


def make_npy(path, *shape):
    """npy EXTENT...: random values in [-1, 1], the first sample of the first seed."""
    shape = integers(shape)
    generator, count = random.Random(str(shape)), 1
    for extent in shape:
        count *= extent
    write_npy(path, "<f4", shape, floats(generator.uniform(-1, 1) for _ in range(count)))


def make_frames(path, source, steps):
    """frames SOURCE T: [N,C,H,W] with every image T times, [N,T,C,H,W]."""
    _, shape, values = read_npy(source)
    image = len(values) // shape[0]
    repeated = []
    for n in range(shape[0]):
        repeated += values[n * image:(n + 1) * image] * int(steps)
    write_npy(path, "<f4", [shape[0], int(steps), *shape[1:]], floats(repeated))


def make_repeated(path, source, times):
    """repeated SOURCE COUNT: the samples of SOURCE, COUNT times over."""
    _, shape, values = read_npy(source)
    write_npy(path, "<f4", [shape[0] * int(times), *shape[1:]], floats(values) * int(times))


def make_values(path, descr, *values):
    """values DESCR V...: a vector, DESCR <f4 or <i8."""
    data = floats(map(float, values)) if descr == "<f4" else struct.pack(f"<{len(values)}q", *integers(values))
    write_npy(path, descr, [len(values)], data)


def packed(descr, values):
    """Numbers as a .npy file holds them."""
    letters = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "f2": "e",
               "f4": "f", "f8": "d"}
    letter = letters.get(descr[1:])
    if letter is None:  # a type that no reader takes; as many bytes as it has
        size = {"U3": 12, "M8[D]": 8, "c8": 8, "O": 8, "V4": 4}[descr[1:]]
        return bytes(size * len(values))
    return struct.pack(f"{descr[0]}{len(values)}{letter}", *values)


def make_counts(path, descr, order, *shape):
    """counts DESCR C|F EXTENT...: whole numbers 0 to 99, the same for every type and order."""
    shape, count = integers(shape), 1
    for extent in shape:
        count *= extent
    values = [(37 * i + i // 100) % 100 for i in range(count)]
    if order == "F":  # the first axis runs fastest
        strides, step = [], count
        for extent in shape:
            step //= extent
            strides.append(step)
        places = [0]
        for extent, stride in zip(shape, strides):
            places = [place + stride * i for i in range(extent) for place in places]
        values = [values[place] for place in places]
    header = repr({"descr": descr, "fortran_order": order == "F", "shape": tuple(shape)}) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + packed(descr, values))


def make_retyped(path, source, descr):
    """retyped SOURCE DESCR: the integers of SOURCE in another type."""
    _, shape, values = read_npy(source)
    write_npy(path, descr, shape, packed(descr, values))


def make_sliced(path, source, first, count):
    """sliced SOURCE FIRST COUNT: so many integers of SOURCE, in one row."""
    descr, _, values = read_npy(source)
    part = values[int(first):int(first) + int(count)]
    write_npy(path, descr, [len(part)], packed(descr, part))


def make_sparse(path, *shape):
    """sparse EXTENT...: float32 zeros that take no room on the disk."""
    count = 4
    for extent in integers(shape):
        count *= extent
    write_npy(path, "<f4", integers(shape), b"")
    os.truncate(path, os.path.getsize(path) + count)


def make_long(path, count):
    """long COUNT: int32 zeros in one row that take no room on the disk."""
    write_npy(path, "<i4", [int(count)], b"")
    os.truncate(path, os.path.getsize(path) + 4 * int(count))


def make_spliced(path, source, found, put):
    """spliced SOURCE HEX HEX: the last place of these bytes holds those instead."""
    with open(source, "rb") as file:
        data = file.read()
    at = data.rindex(bytes.fromhex(found))
    with open(path, "wb") as file:
        file.write(data[:at] + bytes.fromhex(put) + data[at + len(found) // 2:])


def make_mask(path, count, *dead):
    """mask COUNT DEAD...: a vector of COUNT bytes, 1 at the places DEAD; `all` for all of them."""
    places = range(int(count)) if dead == ("all",) else integers(dead)
    data = bytearray(int(count))
    for place in places:
        data[place] = 1
    write_npy(path, "|u1", [int(count)], bytes(data))


def make_npy_events(path, percent, *shape):
    """npy_events PERCENT EXTENT...: float32 0 and 1, so many in a hundred 1."""
    shape = integers(shape)
    rng = random.Random(str(shape))
    values = array.array("f", (float(rng.random() * 100 < float(percent)) for _ in range(math.prod(shape))))
    write_npy(path, "<f4", shape, values.tobytes())


def make_npy_levels(path, low, high, *shape):
    """npy_levels LOW HIGH EXTENT...: float32 whole numbers, the first LOW and the last HIGH, half of the rest 0."""
    shape = integers(shape)
    rng = random.Random(str(shape))
    values = [float(rng.choice([0, rng.randint(int(low), int(high))])) for _ in range(math.prod(shape))]
    values[0], values[-1] = float(low), float(high)
    write_npy(path, "<f4", shape, floats(values))


def make_npy_filled(path, value, *shape):
    """npy_filled VALUE EXTENT...: one value everywhere (nan and inf too)."""
    count = 1
    for extent in integers(shape):
        count *= extent
    write_npy(path, "<f4", integers(shape), floats([float(value)]) * count)


def make_idx(path, *shape):
    """idx EXTENT...: random bytes; the name ends in .gz: compressed."""
    shape = integers(shape)
    count = 1
    for extent in shape:
        count *= extent
    data = struct.pack(">HBB", 0, 8, len(shape)) + b"".join(struct.pack(">I", e) for e in shape)
    data += random.Random(str(shape)).randbytes(count)
    with open(path, "wb") as file:
        file.write(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)


def make_idx_labels(path, *labels):
    """idx_labels L...: a vector of bytes."""
    with open(path, "wb") as file:
        file.write(struct.pack(">HBBI", 0, 8, 1, len(labels)) + bytes(integers(labels)))


def make_wav(path, samples, rate, tone, promised=None):
    """PCM16 mono: a tone of so many hertz; `promised` bytes in the header instead of those that are there."""
    samples, rate, tone = int(samples), int(rate), float(tone)
    values = array.array("h", (int(8000 * math.sin(2 * math.pi * tone * i / rate)) for i in range(samples)))
    if sys.byteorder == "big":
        values.byteswap()
    size = 2 * samples if promised is None else int(promised)
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", min(36 + size, 0xffffffff)) + b"WAVEfmt " +
                   struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) +
                   b"data" + struct.pack("<I", size) + values.tobytes())


def make_cifar10(path, *labels):
    """cifar10 L...: one random 3 x 32 x 32 record for each label."""
    generator = random.Random(len(labels))
    with open(path, "wb") as file:
        for label in integers(labels):
            file.write(bytes([label]) + generator.randbytes(3072))


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def make_png(path, width, height, value="random"):
    """png WIDTH HEIGHT [GREY]: RGB, random or one grey level; folders on the way are made."""
    width, height = int(width), int(height)
    generator = random.Random(f"{os.path.basename(path)} {width} {height}")
    rows = b"".join(b"\0" + (generator.randbytes(3 * width) if value == "random" else bytes([int(value)]) * 3 * width)
                    for _ in range(height))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                   + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b""))


def make_link(path, target):
    """link TARGET: a symbolic link, the target as written."""
    os.symlink(target, path)


def make_planted(path, kind, victim):
    """planted KIND VICTIM: a symbolic link (the target as written), a hard link or a pipe in the way."""
    if kind == "link":
        os.symlink(victim, path)
    elif kind == "hard":
        os.link(os.path.join(os.path.dirname(os.path.dirname(path)), victim), path)
    else:
        os.mkfifo(path)


def make_cut(path, source, size):
    """cut SOURCE BYTES: the first bytes; negative: all but the last ones."""
    with open(source, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data[:int(size)])


def make_cut_part(path, source, part):
    """cut_part SOURCE PERCENT"""
    make_cut(path, source, os.path.getsize(source) * int(part) // 100)


def make_flipped(path, source, seed):
    """flipped SOURCE SEED: one to three flipped bits, by turns in the head, the tail or anywhere."""
    with open(source, "rb") as file:
        data = bytearray(file.read())
    generator, seed = random.Random(int(seed)), int(seed)
    edge = min(len(data), 65536)
    first, last = [(0, edge), (len(data) - edge, len(data)), (0, len(data))][seed % 3]
    for _ in range(generator.randint(1, 3)):
        data[generator.randrange(first, last)] ^= 1 << generator.randrange(8)
    with open(path, "wb") as file:
        file.write(data)


def read_half(data, first, last):
    return struct.unpack(f"<{(last - first) // 2}e", data[first:last])


def cut_out(header, data, first, last):
    """These bytes of the arrays: the format allows no holes."""
    del data[first:last]
    for other in header.values():
        offsets = other.get("data_offsets", [0, 0])
        if offsets[0] >= last:
            other["data_offsets"] = [o - (last - first) for o in offsets]


def make_edited(path, source, *edits):
    """edited SOURCE EDIT...: safetensors with drop:NAME, add:NAME, shape:NAME, NUMBER:NAME (nan, inf, 3e38, ...: the
    first value, fp16 arrays become fp32); NAME*: all that start so."""
    header, data = read_safetensors(source)
    named = [edit.split(":", 1) for edit in edits]
    each = [(what, other) for what, name in named
            for other in ([n for n in header if n.startswith(name[:-1])] if name.endswith("*") else [name])]
    for what, name in each:
        if what == "add":
            header[name] = {"dtype": "F32", "shape": [2], "data_offsets": [len(data), len(data) + 8]}
            data += bytes(8)
            continue
        entry = header[name]
        if what not in ("drop", "shape") and entry["dtype"] == "F16":
            wide = array.array("f", read_half(data, *entry["data_offsets"])).tobytes()
            cut_out(header, data, *entry["data_offsets"])
            entry.update(dtype="F32", data_offsets=[len(data), len(data) + len(wide)])
            data += wide
        first, last = entry["data_offsets"]
        if what == "drop":
            del header[name]
            cut_out(header, data, first, last)
        elif what == "shape":
            entry["shape"] = entry["shape"] + [1]
        else:
            data[first:first + 4] = struct.pack("<f", float(what))
    write_safetensors(path, header, data)


def make_bytes(path, *words):
    """bytes HEX...: none: an empty file."""
    with open(path, "wb") as file:
        file.write(bytes.fromhex("".join(words)))


def make_text(path, *words):
    """text WORD...: one line."""
    with open(path, "w") as file:
        file.write(" ".join(words) + "\n")


def make_characters(path, *symbols):
    """characters SYMBOL...: a vocabulary as the authors write it, UTF-16; words 'newline' and 'space'; 33-96: a range."""
    listed = []
    for symbol in symbols:
        if re.fullmatch(r"\d+-\d+", symbol):
            first, last = map(int, symbol.split("-"))
            listed += [chr(code) for code in range(first, last + 1)]
        else:
            listed.append({"newline": "\n", "space": " "}.get(symbol, symbol))
    text = json.dumps({str(i): c for i, c in enumerate(listed)}, ensure_ascii=False)
    with open(path, "wb") as file:
        file.write(text.encode("utf-16"))


def make_tokens(path, vocabulary, rows, length):
    """tokens VOCABULARY ROWS LENGTH: random ids, int64."""
    rows, length, generator = int(rows), int(length), random.Random(f"{vocabulary} {rows} {length}")
    ids = [generator.randrange(int(vocabulary)) for _ in range(rows * length)]
    write_npy(path, "<i8", [rows, length], struct.pack(f"<{len(ids)}q", *ids))


def make_token_texts(path, vocabulary, rows, length):
    """token_texts VOCABULARY ROWS LENGTH: the same as samples of one id a step, [rows, length, 1]."""
    make_tokens(path, vocabulary, rows, length)
    with open(path, "rb") as file:
        ids = file.read()[-8 * int(rows) * int(length):]
    write_npy(path, "<i8", [int(rows), int(length), 1], ids)


def make_binidx(path, code, *sequences):
    """binidx CODE SEQUENCE...: NAME.idx and NAME.bin of Megatron, element type CODE, sequences as 1,2,3; "": empty."""
    letter = {1: "B", 2: "b", 3: "h", 4: "i", 5: "q", 6: "f", 8: "H"}[int(code)]
    rows = [integers(sequence.split(",")) if sequence else [] for sequence in sequences]
    sizes = [struct.calcsize(letter) * len(row) for row in rows]
    offsets = [sum(sizes[:i]) for i in range(len(rows))]
    with open(path, "wb") as file:
        file.write(b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, int(code), len(rows), len(rows) + 1))
        file.write(struct.pack(f"<{len(rows)}i", *map(len, rows)) + struct.pack(f"<{len(rows)}q", *offsets))
        file.write(struct.pack(f"<{len(rows) + 1}q", *range(len(rows) + 1)))
    with open(os.path.splitext(path)[0] + ".bin", "wb") as file:
        for row in rows:
            file.write(struct.pack(f"<{len(row)}{letter}", *row))


def make_folder(path):
    os.makedirs(path)


def make_fifo(path):
    os.mkfifo(path)


def make_copy(path, source):
    shutil.copyfile(source, path)


def read_npz(archive, name):
    """(shape, flat list) of a float32 or uint8 array."""
    with zipfile.ZipFile(archive) as stored:
        raw = stored.read(name + ".npy")
    size = struct.unpack("<H", raw[8:10])[0]
    header = eval(raw[10:10 + size].decode(), {"__builtins__": {}})  # a literal of this project's files
    return header["shape"], list(array.array({"<f4": "f", "|u1": "B"}[header["descr"]], raw[10 + size:]))


def make_npz_ramps(path, *arrays):
    """npz_ramps NAME:DESCR:COUNT:START:STEP[:MODULO]...: integers that rise; COUNT 2x3: an array of this shape."""
    with zipfile.ZipFile(path, "w") as stored:
        for words in arrays:
            name, descr, extents, *numbers = words.split(":")
            shape = [int(extent) for extent in extents.split("x")]
            count = math.prod(shape)
            start, step, *modulo = map(int, numbers)
            values = [(start + i * step) % modulo[0] if modulo else start + i * step for i in range(count)]
            write_npy(path + ".part", descr, shape, packed(descr, values))
            stored.write(path + ".part", name + ".npy")
            os.remove(path + ".part")


def make_npz_array(path, archive, name, samples="1"):
    """npz_array ARCHIVE NAME [SAMPLES]: an array [steps, ...] as so many equal samples, float32."""
    shape, values = read_npz(archive, name)
    write_npy(path, "<f4", (int(samples), *shape), floats(values * int(samples)))


def make_spikes_npz(path, archive, prefix, *words):
    """spikes_npz ARCHIVE PREFIX [WORD...]: the arrays PREFIX/<name>/z as <name>, uint8. Words: input (the array input as
    well), flat ([steps, neurons]), twice ([2, ...]), deflated (as numpy.savez_compressed does), silent (no spike at all), without:NAME, only:NAME,
    value:NAME:V (the first number), long:NAME (one step more), as:NAME:OTHER (under another name)."""
    with zipfile.ZipFile(archive) as stored:
        names = [name[:-4] for name in stored.namelist()]
    found = {name[len(prefix) + 1:-2]: read_npz(archive, name)
             for name in names if name.startswith(prefix + "/") and name.endswith("/z")}
    if "input" in words:
        found["input"] = read_npz(archive, "input")
    for word in words:
        what, _, rest = word.partition(":")
        name, _, value = rest.partition(":")
        if what == "without":
            del found[name]
        elif what == "only":
            found = {name: found[name]}
        elif what == "value":
            found[name][1][0] = int(value)
        elif what == "as":
            found[value] = found.pop(name)
        elif what == "long":
            (steps, *rest), values = found[name]
            found[name] = ((steps + 1, *rest), values + [0] * math.prod(rest))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if "deflated" in words else zipfile.ZIP_STORED) as stored:
        for name, (shape, values) in found.items():
            if "silent" in words:
                values = [0] * len(values)
            if "flat" in words:
                shape = (shape[0], math.prod(shape[1:]))
            if "twice" in words:
                shape, values = (2, *shape), values * 2
            write_npy(path + ".part", "|u1", shape, bytes(int(value) for value in values))
            stored.write(path + ".part", name + ".npy")
            os.remove(path + ".part")


def make_constant_npz(path, name, dtype, value, padding, *shape):
    """constant_npz NAME TYPE VALUE PADDING EXTENT...: an array whose bytes are all VALUE, packed, behind so many bytes that are nothing."""
    extents = tuple(int(extent) for extent in shape)
    header = repr({"descr": dtype, "fortran_order": False, "shape": extents})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    left = math.prod(extents) * int(dtype[-1])
    with open(path, "wb") as file:
        file.write(b"PK\x03\x04" + random.Random(1).randbytes(int(padding)))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as stored, stored.open(name + ".npy", "w") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        while left > 0:
            part = min(left, 1 << 20)
            file.write(bytes([int(value)]) * part)
            left -= part


def make_other_spikes(path, how, *options):
    """other_spikes HOW ARGUMENT...: spikes or networks in HDF5 as other programs keep them, see write_spikes.py (needs h5py)."""
    import checks  # which imports this file
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "write_spikes.py")
    subprocess.run([checks.python_with_h5py(), script, path, how, *options], check=True)


def make_retold(path, source, how, *options):
    """retold TRACE HOW: the same trace as other tools leave it, see retell_trace.py (needs h5py)."""
    import checks  # which imports this file
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "retell_trace.py")
    subprocess.run([checks.python_with_h5py(), script, path, source, how, *options], check=True)


def make_unpacked(path, archive, *endings):
    """unpacked ARCHIVE ENDING...: the files of a tar archive whose names end so, all in one folder."""
    os.makedirs(path)
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(endings):
                with open(os.path.join(path, os.path.basename(member.name)), "wb") as file:
                    shutil.copyfileobj(tar.extractfile(member), file)


def make(folder, words):
    """KIND FILE ARGUMENT...; names are relative to the folder."""
    kind, name, *arguments = words
    arguments = [os.path.join(folder, word) if i == 0 and kind in TAKES_SOURCE else word
                 for i, word in enumerate(arguments)]
    MAKERS[kind](os.path.join(folder, name), *arguments)


MAKERS = {name[5:]: function for name, function in list(globals().items()) if name.startswith("make_")}
TAKES_SOURCE = {"frames", "repeated", "cut", "cut_part", "flipped", "edited", "copy", "retold", "spliced", "retyped", "sliced"}
TAKES_SOURCE |= {"npz_array", "checkpoint", "shards", "renamed"}
