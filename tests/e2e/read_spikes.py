"""The spikes of a trace, read with h5py as docs/trace.md says, against those of the authors' program.

usage: read_spikes.py TRACE.h5 SPIKES.npz
"""
import sys

import h5py
import numpy as np


def main():
    golden = np.load(sys.argv[2])
    names = [name[len("shape/"):] for name in golden.files if name.startswith("shape/")]
    with h5py.File(sys.argv[1]) as trace:
        assert trace.attrs["complete"] == 1
        activity = trace["spikeloom/activity"]
        assert sorted(activity) == sorted(names), "populations"
        samples = len(trace["spikeloom/samples/index"])
        for name in names:
            shape = golden[f"shape/{name}"]  # [T, B, C, ...]
            count = int(np.prod(shape))
            wanted = np.unpackbits(golden[f"spikes/{name}"])[:count].reshape(shape)
            assert samples == shape[1], "samples"
            attributes = trace["spikeloom/populations"][name].attrs
            neurons = int(attributes["n_neurons"])
            bits = np.unpackbits(activity[name]["bits"][()], axis=1, bitorder="little")
            assert not bits[:, neurons:].any(), f"{name}: pad bits"
            found = bits[:, :neurons].reshape(samples, shape[0], *attributes["shape"])
            found = np.moveaxis(np.moveaxis(found, -1, 2), 1, 0)  # channels and steps to the front
            differing = int((found != wanted).sum())
            assert differing == 0, f"{name}: {differing} spikes differ"
            assert (activity[name]["popcount"][()] == bits.sum(axis=1)).all(), f"{name}: popcount"


main()
