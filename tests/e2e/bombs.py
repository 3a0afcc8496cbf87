"""Files of about a megabyte that ask a reader for as much memory or time as they can."""
import struct
import zipfile

SIZE = 1_000_000


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def get(index):
    return b"h" + bytes([index])


def put(index):
    return b"q" + bytes([index]) + b"0"


def named(number):
    raw = b"%x" % number
    return b"U" + bytes([len(raw)]) + raw


def filled(start, make, end):
    """Pieces make(0), make(1), ... as long as there is room."""
    parts, size, number = [start], len(start) + len(end), 0
    while True:
        part = make(number)
        if size + len(part) > SIZE:
            return b"".join(parts) + end
        parts.append(part)
        size += len(part)
        number += 1


V2 = b"ctorch._utils\n_rebuild_tensor_v2\n"
HOOKS = b"ccollections\nOrderedDict\n)R"


def storage(key, count):
    return b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + b"J" + struct.pack("<i", count) + b"tQ"


def tensors(start, arguments):
    """A dict of tensors, each built by a call; in the memo: the function (0), hooks (3) and what `start` puts there."""
    head = b"\x80\x02" + V2 + put(0) + HOOKS + put(3) + start + b"}("
    return filled(head, lambda n: named(n) + get(0) + b"(" + arguments(n) + b"\x89" + get(3) + b"tR", b"u.")


ONE = b"K\x01\x85" + put(2)
RANK_64 = b"(" + b"K\x01" * 64 + b"t" + put(2)


def one_tensor(shape):
    return b"\x80\x02" + V2 + put(0) + HOOKS + put(3) + storage("0", 4) + put(1) + shape + \
        get(0) + b"(" + get(1) + b"K\x00" + get(2) + get(2) + b"\x89" + get(3) + b"tR" + put(4)


def key_many_times():
    return filled(one_tensor(ONE) + text("k" * 4000) + put(5) + b"}(", lambda n: get(5) + get(4), b"u.")


def keys_in_many_dicts():
    keys = b"".join(text(f"{n:03}" + "k" * 4000) + put(100 + n) for n in range(100))
    inner = b"}(" + b"".join(get(100 + n) + get(4) for n in range(100)) + b"u"
    return filled(one_tensor(ONE) + keys + b"}(", lambda n: named(n) + inner, b"u.")


def symbols():
    names = b"".join(text(f"{n:03}" + "m" * 490) + put(n) for n in range(255))
    return filled(b"\x80\x04" + names, lambda n: get(n // 125 % 125) + get(125 + n % 125) + b"\x930", b"N.")


def ordered_dicts():
    pairs = b"](" + b"](K\x01K\x02e" * 20000 + b"e\x85"
    return filled(b"\x80\x02ccollections\nOrderedDict\n" + put(1) + pairs + put(2), lambda n: get(1) + get(2) + b"R0", b"N.")


PICKLES = {
    "key_many_times": key_many_times,
    "keys_in_many_dicts": keys_in_many_dicts,
    "tensor_many_times": lambda: filled(one_tensor(RANK_64) + b"}(", lambda n: named(n) + get(4), b"u."),
    "tensors_of_rank_64": lambda: tensors(storage("0", 4) + put(1) + RANK_64, lambda n: get(1) + b"K\x00" + get(2) + get(2)),
    "long_storage_keys": lambda: tensors(
        ONE + text("storage") + put(5) + b"ctorch\nFloatStorage\n" + put(6) + text("0" * 4000) + put(7),
        lambda n: b"(" + get(5) + get(6) + get(7) + get(5) + b"K\x04tQK\x00" + get(2) + get(2)),
    "storages_in_turn": lambda: tensors(storage("0", 50000) + put(10) + storage("1", 50000) + put(11) + ONE,
                                        lambda n: get(10 + n % 2) + b"K\x00" + get(2) + get(2)),
    "expanded": lambda: tensors(storage("0", 4) + put(1) + b"J\x00\x00\x04\x00\x85" + put(2) + b"K\x00\x85" + put(4),
                                lambda n: get(1) + b"K\x00" + get(2) + get(4)),
    "lists": lambda: filled(b"\x80\x02", lambda n: b"]", b"."),
    "tuples": lambda: filled(b"\x80\x02N", lambda n: b"\x85", b"."),
    "calls": lambda: filled(b"\x80\x02ca\nb\n", lambda n: b")R", b"."),
    "persistent_ids": lambda: filled(b"\x80\x02N", lambda n: b"Q", b"."),
    "memos": lambda: filled(b"\x80\x04", lambda n: b"]\x94", b"."),
    "symbols": symbols,
    "ordered_dicts": ordered_dicts,
}


def safetensors(entry, data=b""):
    parts, size = [], 2
    while True:
        part = f'"{len(parts):x}":{{{entry}}}'
        if size + len(part) + 1 > SIZE:
            break
        parts.append(part)
        size += len(part) + 1
    header = ("{" + ",".join(parts) + "}").encode()
    return struct.pack("<Q", len(header)) + header + data


def index(members):
    return ('{"weight_map":{' + members + "}}").encode()


WHOLE = {
    "st_rank_64": lambda: safetensors('"dtype":"U8","shape":[%s],"data_offsets":[0,0]' % ",".join("0" * 64)),
    "st_empty": lambda: safetensors('"dtype":"U8","shape":[0],"data_offsets":[0,0]'),
    "st_overlap": lambda: safetensors('"dtype":"U8","shape":[100000],"data_offsets":[0,100000]', bytes(100000)),
    "index_deep": lambda: b'{"weight_map":' + b"[" * SIZE,
    "index_objects": lambda: b'{"weight_map":{},"a":[' + b"{}," * (SIZE // 3) + b"0]}",
    "index_shards": lambda: index(",".join(f'"{n:x}":"{n:x}"' for n in range(60000))),
}


def npy(shape, size, room=0):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': %s%s}\n" % (shape, b" " * room)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(size)


ARCHIVES = {"npz_inflated": (300, npy(b"(1048000,)", 1048000)), "npz_headers": (3000, npy(b"(0,)", 0, 60000)),
            "npz_entries": (8000, npy(b"(0,)", 0))}


def make_bomb(path, kind):
    """bomb FILE KIND"""
    if kind in ARCHIVES:
        count, data = ARCHIVES[kind]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for n in range(count):
                archive.writestr(f"{n}.npy", data)
    elif kind in WHOLE:
        with open(path, "wb") as file:
            file.write(WHOLE[kind]())
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("a/data.pkl", PICKLES[kind]())
            archive.writestr("a/data/0", bytes(200000))
            archive.writestr("a/data/1", bytes(200000))
