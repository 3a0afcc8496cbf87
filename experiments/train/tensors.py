"""Minimal safetensors writer and reader (F16, F32, I64)."""
import json
import struct

import numpy as np

TYPES = {"F16": "<f2", "F32": "<f4", "I64": "<i8"}


def save(path, tensors, metadata):
    """tensors: name -> numpy array, written in the given order."""
    header, offset = {"__metadata__": metadata}, 0
    for name, a in tensors.items():
        kind = next(k for k, v in TYPES.items() if a.dtype == np.dtype(v))
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [offset, offset + a.nbytes]}
        offset += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in tensors.values():
            f.write(np.ascontiguousarray(a).tobytes())


def load(path):
    """Returns (name -> numpy array, metadata)."""
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    metadata = header.pop("__metadata__", {})
    return {name: np.frombuffer(data[slice(*e["data_offsets"])], TYPES[e["dtype"]]).reshape(e["shape"])
            for name, e in header.items()}, metadata
