"""Compares a trace that the C++ writer wrote, read with h5py (and libsonata where installed).

Usage: read_trace.py <test_unit_trace>. Exit status 77: h5py is missing, the test is skipped.
"""
import csv
import json
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)


def read(path):
    """The ten lines of docs/trace.md."""
    with h5py.File(path) as f:
        spikes = {}
        for name, group in f["spikeloom/activity"].items():
            n = int(f["spikeloom/populations"][name].attrs["n_neurons"])
            bits = np.unpackbits(group["bits"][()], axis=1, bitorder="little")
            assert not bits[:, n:].any(), "pad bits"
            assert (bits.sum(axis=1) == group["popcount"][()]).all(), "popcount"
            spikes[name] = bits[:, :n]
        return spikes


def check_file(path, expected):
    spikes = read(path)
    assert set(spikes) == {name for name, _, _ in expected}
    found = {(name, int(g), int(i))
             for name, bits in spikes.items() for g, i in zip(*np.nonzero(bits))}
    assert found == expected, "bits"
    with h5py.File(path) as f:
        assert f.attrs["magic"] == 0x0A7A and f.attrs["magic"].dtype == np.uint32
        assert f.attrs["version"].tolist() == [0, 1] and f.attrs["version"].dtype == np.uint32
        assert f.attrs["spikeloom_trace_version"] == b"1.0"
        assert f.attrs["complete"] == 1 and len(f.attrs["signature"]) == 16
        assert f.attrs["created"].endswith(b"Z")
        assert json.loads(f["spikeloom/config"][()]) == {}
        assert json.loads(f["spikeloom/graph"][()])["form"] == "as_written"
        assert f["spikeloom/samples/index"][()].tolist() == [0, 1, 2]
        assert f["spikeloom/samples/n_steps"].dtype == np.uint32
        assert f["spikeloom/activity/stem.lif/bits"].attrs["encoding"] == b"bitpack-lsb0"
        assert f["spikeloom/populations/stem.lif"].attrs["shape"].tolist() == [3, 2, 13]
        assert f["spikeloom/populations/stem.lif"].attrs["axes"] == b"H,W,C"
        for name, group in f["spikes"].items():
            times, nodes = group["timestamps"], group["node_ids"]
            assert times.dtype == np.float64 and nodes.dtype == np.uint64
            assert times.attrs["units"] == b"ms"
            meaning = h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype)
            assert meaning == {"none": 0, "by_id": 1, "by_time": 2} and group.attrs["sorting"] == 2
            rows, columns = np.nonzero(spikes[name])
            assert (times[()] == rows * 0.1).all() and (nodes[()] == columns).all()
    return spikes


def check_libsonata(path, spikes):
    try:
        import libsonata
    except ImportError:
        return "not installed"
    reader = libsonata.SpikeReader(path)
    assert set(reader.get_population_names()) == set(spikes)
    for name, bits in spikes.items():
        population = reader[name]
        assert population.sorting == "by_time"
        rows, columns = np.nonzero(bits)
        events = [(i, round(t * 10)) for i, t in population.get()]
        assert events == list(zip(columns.tolist(), rows.tolist()))
    return "read"


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.trace.h5")
        environment = dict(os.environ, SPIKELOOM_TRACE_OUT=path)
        subprocess.run([sys.argv[1], "[.python]"], env=environment, check=True,
                       stdout=subprocess.DEVNULL)
        with open(path + ".csv") as text:
            expected = {(name, int(g), int(i)) for name, g, i in csv.reader(text)}
        check_file(path, expected)
        spikes = check_file(path + ".plain", expected)
        sonata = check_libsonata(path + ".plain", spikes)
        print(f"{len(expected)} spikes of {len(spikes)} populations equal; libsonata: {sonata}")


if __name__ == "__main__":
    main()
