"""Checkpoints as PyTorch, Lightning, timm and others write them, by Python's own pickle without PyTorch."""
import argparse
import collections
import contextlib
import io
import json
import os
import pickle
import random
import struct
import sys
import threading
import types
import zipfile




def floats(values):
    values = list(values)
    return struct.pack(f"<{len(values)}f", *values)


def read_safetensors(path):
    with open(path, "rb") as file:
        raw = file.read()
    size = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8:8 + size]), raw[8 + size:]


def write_safetensors(path, header, data):
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


CODES = {"F32": "FloatStorage", "I64": "LongStorage", "C64": "ComplexFloatStorage"}


def torch_modules():
    """Modules with the names that pickles of PyTorch refer to; nothing in them does anything."""
    names = {"torch": ["FloatStorage", "LongStorage", "ComplexFloatStorage", "float8_e4m3fn", "float8_e5m2"],
             "torch._utils": ["_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"],
             "torch.storage": ["UntypedStorage"], "numpy": ["dtype"], "numpy.core": [],
             "numpy.core.multiarray": ["scalar"], "callbacks": ["EarlyStopping"]}
    modules = {}
    for module, members in names.items():
        modules[module] = types.ModuleType(module)
        for member in members:
            def function():
                pass
            function.__module__, function.__qualname__, function.__name__ = module, member, member
            setattr(modules[module], member, function)
    return modules


MODULES = torch_modules()
LOCK = threading.Lock()


@contextlib.contextmanager
def known_modules():
    """While a pickle is written its modules can be found; cases run in threads."""
    with LOCK:
        before = {name: sys.modules.get(name) for name in MODULES}
        sys.modules.update(MODULES)
        try:
            yield
        finally:
            for name, module in before.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module


class Storage:
    def __init__(self, kind, key, count):
        self.kind, self.key, self.count = kind, key, count


class Call:
    """What a pickle calls: a function and its arguments."""
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return ("storage", value.kind, value.key, "cpu", value.count)
        return None


class Writer:
    """Tensors of a safetensors file as those of a checkpoint."""
    def __init__(self, source):
        self.torch = MODULES["torch"]
        self.header, self.data = read_safetensors(source)
        self.header.pop("__metadata__", None)
        self.storages = []

    def tensor(self, name, parameter=False):
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        return self.made(entry["dtype"], entry["shape"], bytes(self.data[begin:end]), parameter)

    def made(self, dtype, shape, raw, parameter=False):
        count = 1
        strides = []
        for extent in reversed(shape):
            strides.insert(0, count)
            count *= extent
        utils = MODULES["torch._utils"]
        kind = getattr(self.torch, CODES[dtype])
        storage = Storage(kind, str(len(self.storages)), count)
        self.storages.append(raw)
        made = Call(utils._rebuild_tensor_v2, storage, 0, tuple(shape), tuple(strides), False,
                    collections.OrderedDict())
        return Call(utils._rebuild_parameter, made, True, collections.OrderedDict()) if parameter else made

    def view(self, name, bits):
        """As PyTorch 2 writes a view with bits that its storage does not know of."""
        made = self.tensor(name)
        return Call(made.function, *made.arguments, bits)

    def float8(self, kind, raw):
        storage = Storage(MODULES["torch.storage"].UntypedStorage, str(len(self.storages)), len(raw))
        self.storages.append(raw)
        return Call(MODULES["torch._utils"]._rebuild_tensor_v3, storage, 0, (len(raw),), (1,), False,
                    collections.OrderedDict(), getattr(self.torch, kind))

    def state(self, prefix="", parameter=False):
        return collections.OrderedDict((prefix + name, self.tensor(name, parameter)) for name in self.header)

    def other(self):
        """Other numbers of the same shapes: what must not be taken."""
        state = collections.OrderedDict()
        for name, entry in self.header.items():
            begin, end = entry["data_offsets"]
            raw = bytes(self.data[begin:end])
            if entry["dtype"] == "F32":
                raw = floats(0.5 for _ in range((end - begin) // 4))
            state[name] = self.made(entry["dtype"], entry["shape"], raw)
        return state

    def scalar(self):
        multiarray, numpy = MODULES["numpy.core.multiarray"], MODULES["numpy"]
        return Call(multiarray.scalar, Call(numpy.dtype, "f8", False, True), struct.pack("<d", 0.75))

    def save(self, path, root, protocol):
        text = io.BytesIO()
        with known_modules():
            Pickler(text, protocol).dump(root)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", text.getvalue())
            for key, raw in enumerate(self.storages):
                archive.writestr(f"archive/data/{key}", raw)
            archive.writestr("archive/version", "3\n")

    def save_legacy(self, path, root, protocol):
        class Legacy(Pickler):
            def persistent_id(self, value):
                found = super().persistent_id(value)
                return found and found + (None,)
        with open(path, "wb") as file:
            pickle.dump(0x1950a86a20f9469cfc6c, file, protocol)
            pickle.dump(1001, file, protocol)
            pickle.dump({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, file, protocol)
            with known_modules():
                Legacy(file, protocol).dump(root)
            pickle.dump([str(key) for key in range(len(self.storages))], file, protocol)
            widths = self.widths()
            for raw, width in zip(self.storages, widths):
                file.write(struct.pack("<q", len(raw) // width) + raw)

    def widths(self):
        return [8 if entry["dtype"] == "I64" else 4 for entry in self.header.values()]


def lightning(writer):
    return {"epoch": 3, "global_step": 900, "pytorch-lightning_version": "2.1.0",
            "state_dict": writer.state("model."), "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": {"EarlyStopping{'monitor': 'val'}": {"best": writer.scalar(), "set": {1, 2},
                                                              "frozen": frozenset([3]), "raw": b"\x00\xff"}},
            "optimizer_states": [{"state": {0: {"step": 9, "exp_avg": writer.made("F32", [2], floats([1, 2]))}},
                                  "param_groups": [{"lr": 1e-3}]}],
            "hyper_parameters": {"args": argparse.Namespace(lr=0.1, name="x"), "big": 1 << 80, "none": None}}


def counters(writer):
    state = writer.state()
    one = struct.pack("<f", 1.0)
    for name in ("total_ops", "total_params", "downsample2.encode_bn.total_ops", "stage1.lif.v", "stage2.lif.mem"):
        state[name] = writer.made("F32", [1], one)
    return state


def extra(writer, name, dtype="F32", shape=(2,)):
    state = writer.state()
    size = {"F32": 4, "C64": 8, "I64": 8}[dtype]
    for extent in shape:
        size *= extent
    state[name] = writer.made(dtype, list(shape), bytes(size))
    return state


def renamed(writer, change):
    return collections.OrderedDict((change(name), tensor) for name, tensor in writer.state().items())


E5M2 = bytes(0 if byte & 0x7f > 0x7c else byte for byte in range(256))  # NaN would keep its payload only at first

FORMS = {
    "plain": lambda w: w.state(),
    "lightning": lightning,
    "timm_both": lambda w: {"epoch": 1, "arch": "x", "state_dict": w.other(), "state_dict_ema": w.state()},
    "timm_ema": lambda w: {"epoch": 1, "state_dict_ema": w.state(), "args": argparse.Namespace(a=1)},
    "basicsr": lambda w: {"params": w.other(), "params_ema": w.state()},
    "two_levels": lambda w: {"ema": {"decay": 0.999, "module": w.state()}, "optimizer": {"state": {}}},
    "parameters": lambda w: {"net": w.state("module._orig_mod.", True), "best": w.scalar()},
    "ddp_twice": lambda w: w.state("module.module."),
    "compiled_fsdp": lambda w: renamed(w, lambda n: "_fsdp_wrapped_module._orig_mod." + n.replace(
        ".encode_", "._checkpoint_wrapped_module.encode_")),
    "student_teacher": lambda w: collections.OrderedDict(
        list(w.state("student.backbone.").items()) +
        [("teacher.backbone." + n, t) for n, t in w.other().items()] +
        [("criterion.center", w.made("F32", [2], bytes(8)))]),
    "two_unknown": lambda w: {"first_one": w.state(), "second_one": w.other()},
    "head_outside": lambda w: renamed(w, lambda n: ("" if n.startswith("head") else "backbone.") + n),
    "odd_prefix": lambda w: w.state("my_wrapper.inner."),
    "inner_module": lambda w: renamed(w, lambda n: n.replace(".encode_", ".module.encode_")),
    "counters": counters,
    "distilled": lambda w: extra(w, "head_kd.weight", shape=(3, 6)),
    "surplus": lambda w: extra(w, "projector.weight"),
    "plif": lambda w: extra(w, "stage1.lif.w"),
    "complex_needed": lambda w: dict(w.state(), **{"head.bias": w.made("C64", [3], bytes(24))}),
    "negated": lambda w: dict(w.state(), **{"head.weight": w.view("head.weight", {"neg": True})}),
    "not_negated": lambda w: dict(w.state(), **{"head.weight": w.view("head.weight", {"neg": False, "conj": False})}),
    "metadata_tensor": lambda w: extra(w, "__metadata__"),
    "doubled": lambda w: dict(w.state("module."), **{"head.bias": w.tensor("head.bias")}),
    "long_name": lambda w: extra(w, "n" * 100000),
    "control_name": lambda w: extra(w, "a\x1b[31mb"),
    "empty_name": lambda w: extra(w, ""),
    "another_net": lambda w: {f"encoder.layer{i}.weight": w.made("F32", [2], bytes(8)) for i in range(40)},
    "whole_model": lambda w: {"model": Call(MODULES["callbacks"].EarlyStopping), "epoch": 1},
    "float8": lambda w: {"e4m3": w.float8("float8_e4m3fn", bytes(range(256))),
                         "e5m2": w.float8("float8_e5m2", E5M2)},
}


def make_network_weights(path):
    """network_weights FILE: arrays of a Meta-SpikeFormer of embed_dim [2, 4, 4, 6] without blocks, 3 classes."""
    pick = random.Random(7)
    shapes = {}
    widths = [3, 1, 2, 4, 4, 6]
    for i, stage in enumerate(["1_1", "1_2", "2", "3", "4"]):
        name, size = "downsample" + stage, 7 if i == 0 else 3
        shapes[name + ".encode_conv.weight"] = [widths[i + 1], widths[i], size, size]
        for part in ("encode_conv.bias", "encode_bn.weight", "encode_bn.bias", "encode_bn.running_mean",
                     "encode_bn.running_var"):
            shapes[f"{name}.{part}"] = [widths[i + 1]]
    shapes["head.weight"], shapes["head.bias"] = [3, 6], [3]
    header, data = {}, b""
    for name, shape in sorted(shapes.items()):
        count = 1
        for extent in shape:
            count *= extent
        low = 0.5 if name.endswith(("running_var", "bn.weight")) else -1
        raw = floats(pick.uniform(low, 1.5) for _ in range(count))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    write_safetensors(path, header, data)


def make_checkpoint(path, source, form, protocol="2"):
    """checkpoint FILE SOURCE.safetensors FORM [PROTOCOL|legacy]: see FORMS."""
    writer = Writer(source)
    root = FORMS[form](writer)
    if protocol.startswith("legacy"):
        writer.save_legacy(path, root, int(protocol[6:] or 2))
    else:
        writer.save(path, root, int(protocol))


def make_shards(path, source, kind="safetensors", fault=""):
    """shards FOLDER SOURCE.safetensors [safetensors|bin] [FAULT]: two shards and their index.json."""
    os.makedirs(path, exist_ok=True)
    for old in os.listdir(path):
        os.remove(os.path.join(path, old))
    writer = Writer(source)
    names = sorted(writer.header)
    parts = [names[:len(names) // 2], names[len(names) // 2:]]
    weight_map = {}
    stem, ending = ("model", "safetensors") if kind == "safetensors" else ("pytorch_model", "bin")
    for number, part in enumerate(parts, 1):
        file = f"{stem}-{number:05}-of-00002.{ending}"
        held = part + ([names[0]] if fault == "twice" and number == 2 else [])
        if kind == "safetensors":
            header, data = {}, b""
            for name in held:
                begin, end = writer.header[name]["data_offsets"]
                header[name] = dict(writer.header[name], data_offsets=[len(data), len(data) + end - begin])
                data += writer.data[begin:end]
            write_safetensors(os.path.join(path, file), header, data)
        else:
            one = Writer(source)
            one.save(os.path.join(path, file), collections.OrderedDict((n, one.tensor(n)) for n in held), 2)
        weight_map.update((name, file) for name in part)
    first, last = names[0], names[-1]
    changes = {"outside": {first: "../" + weight_map[first]}, "absolute": {first: "/etc/passwd"},
               "missing": {first: f"{stem}-00003-of-00002.{ending}"}, "wrong": {first: weight_map[last]},
               "unknown": {"not.there": weight_map[first]}, "number": {first: 1}, "dots": {first: ".."}}
    weight_map.update(changes.get(fault, {}))
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    if fault == "no_map":
        index = {"metadata": {"total_size": 1}}
    text = json.dumps(index)
    if fault == "key_twice":
        text = text.replace('"weight_map": {', '"weight_map": {"%s": "%s", ' % (first, weight_map[first]))
    with open(os.path.join(path, f"{stem}.{ending}.index.json"), "w") as file:
        file.write(text)


def make_renamed(path, source, prefix):
    """renamed FILE SOURCE.safetensors PREFIX: a prefix in front of every name."""
    header, data = read_safetensors(source)
    header.pop("__metadata__", None)
    write_safetensors(path, {prefix + name: entry for name, entry in header.items()}, data)


def make_float8(path):
    """float8 FILE.safetensors: all values of both float8 types."""
    header = {"e4m3": {"dtype": "F8_E4M3", "shape": [256], "data_offsets": [0, 256]},
              "e5m2": {"dtype": "F8_E5M2", "shape": [256], "data_offsets": [256, 512]}}
    write_safetensors(path, header, bytes(range(256)) + E5M2)
