"""Cut the sample: the first 256 of the last 1,000 images of train10k.

usage: make_sample.py DATA_DIR OUT_DIR
"""
import struct
import sys
from pathlib import Path

from data import VALIDATION, read_idx


def main(data, out, count=256):
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        a = read_idx(Path(data) / f"train10k-{kind}")[-VALIDATION:][:count]
        header = struct.pack(f">4B{a.ndim}I", 0, 0, 8, a.ndim, *a.shape)
        (Path(out) / f"mnist256-{kind}").write_bytes(header + a.tobytes())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
