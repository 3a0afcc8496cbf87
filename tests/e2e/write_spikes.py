"""Spikes and networks as other programs keep them in HDF5.

usage: write_spikes.py FILE HOW ARCHIVE PREFIX DT [OTHER...]; HOW is a name of HOWS. Spikes are the arrays PREFIX/<name>/z
[steps, ...] of an archive, channels first, and its array input.
"""
import sys

import h5py
import numpy as np


def populations(archive, prefix):
    arrays = np.load(archive)
    found = {name[len(prefix) + 1:-2]: arrays[name] for name in arrays.files
             if name.startswith(prefix + "/") and name.endswith("/z")}
    found["input"] = arrays["input"]
    return {name: z.reshape(len(z), -1) for name, z in found.items()}


def sonata(change=None, unit="ms", scale=1000.0):
    def how(path, archive, prefix, dt):
        with h5py.File(path, "w") as file:
            for name, z in populations(archive, prefix).items():
                steps, nodes = np.nonzero(z)
                lists = {"timestamps": steps * float(dt) * scale, "node_ids": nodes.astype(np.uint64)}
                if change and name != "input":
                    change(lists)
                group = file.create_group("spikes/" + name)
                for key, values in lists.items():
                    group[key] = values
                group["timestamps"].attrs["units"] = unit
    return how


def changed(key, value):
    def change(lists):
        lists[key][0] = value
    return change


def cut(lists):
    lists["node_ids"] = lists["node_ids"][:-1]


def later(lists):
    lists["timestamps"][0] += 0.5 * (lists["timestamps"].max() - lists["timestamps"].min()) / 1e3


def unknown(path, archive, prefix, dt):
    sonata()(path, archive, prefix, dt)
    with h5py.File(path, "r+") as file:
        file.move("spikes/input", "spikes/inputs")


def nirdata(events, neurons=0):
    def how(path, archive, prefix, dt):
        with h5py.File(path, "w") as file:
            file.attrs["__type__"] = "NIRGraphData"
            for name, z in populations(archive, prefix).items():
                node = file.create_group("nodes/" + name)
                node.attrs["__type__"] = "NIRNodeData"
                group = node.create_group("observables/spikes")
                if events:
                    steps, nodes = np.nonzero(z)
                    group.attrs.update(__type__="EventData", n_neurons=z.shape[1] + neurons, t_max=len(z) * float(dt))
                    # Places without an event, as lists of several samples have them.
                    group["idx"] = np.append(nodes, -1)[None]
                    group["time"] = np.append(steps * float(dt), np.inf)[None]
                else:
                    group.attrs.update(__type__="TimeGriddedData", dt=float(dt))
                    group.create_dataset("data", data=(z > 0)[None], compression="gzip")
                other = node.create_group("observables/voltage")
                other.attrs.update(__type__="TimeGriddedData", dt=float(dt))
                other["data"] = np.zeros((1, len(z), z.shape[1]), np.float32)
    return how


def many(path, archive, prefix, dt):
    with h5py.File(path, "w") as file:
        file.attrs["__type__"] = "NIRGraphData"
        file.create_group("nodes/lif2").attrs["__type__"] = "NIRNodeData"
        group = file.create_group("nodes/lif2/observables/spikes")
        group.attrs.update(__type__="EventData", n_neurons=4, t_max=100 * float(dt))
        group.create_dataset("idx", data=np.full((300_000, 1), -1), compression="gzip")
        group.create_dataset("time", data=np.full((300_000, 1), np.inf), compression="gzip")


def nir_samples(path, archive, prefix, dt):
    """Spikes of one neuron as events of two samples, beside arrays of one."""
    nirdata(False)(path, archive, prefix, dt)
    with h5py.File(path, "r+") as file:
        name = next(name for name in file["nodes"] if name != "input")
        del file[f"nodes/{name}/observables/spikes"]
        group = file.create_group(f"nodes/{name}/observables/spikes")
        group.attrs["__type__"] = "EventData"
        group["idx"] = np.zeros((2, 1), int)
        group["time"] = np.zeros((2, 1))


def network(path, delay="0", how="whole"):
    """Two populations of neurons with recurrent edges, one that only sends; FILE, FILE.edges, FILE.spikes."""
    rng = np.random.default_rng(3)
    sizes = {"lgn": 6, "v1": 9, "lm": 4}
    with h5py.File(path, "w") as file:
        for name, count in sizes.items():
            if how == "large":  # what is announced costs next to nothing to store
                file.create_dataset(f"nodes/{name}/node_type_id", data=np.zeros(9_000_000, np.int8), compression="gzip")
                continue
            file[f"nodes/{name}/node_type_id"] = np.full(count, 100)
            file[f"nodes/{name}/node_id"] = np.arange(count)[::-1] if how == "numbered" else np.arange(count)
    edges = {"lgn_to_v1": ("lgn", "v1", 20), "v1_to_v1": ("v1", "v1", 30), "v1_to_lm": ("v1", "lm", 12),
             "lm_to_v1": ("lm", "v1", 7)}
    with h5py.File(path + ".edges", "w") as file:
        for name, (source, target, count) in edges.items():
            called = {"v1_to_v1": "v1", "v1_to_lm": "lm"} if how == "same" else {}
            group = file.create_group("edges/" + called.get(name, name))
            group["source_node_id"] = rng.integers(0, sizes[source], count).astype(np.uint64)
            group["target_node_id"] = rng.integers(0, sizes[target] + (how == "target"), count).astype(np.uint64)
            if how == "target":
                group["target_node_id"][0] = sizes[target]
            group["source_node_id"].attrs["node_population"] = source
            group["target_node_id"].attrs["node_population"] = "v2" if how == "population" else target
            if float(delay):
                group["0/delay"] = np.full(count, float(delay))
    with h5py.File(path + ".spikes", "w") as file:
        for name, count in sizes.items():
            steps, nodes = np.nonzero(rng.random((40, count)) < 0.2)
            file[f"spikes/{name}/timestamps"] = steps * 0.1
            file[f"spikes/{name}/node_ids"] = nodes


HOWS = {"sonata": sonata(), "sonata_seconds": sonata(unit="s", scale=1.0), "sonata_hours": sonata(unit="h"),
        "sonata_negative": sonata(changed("timestamps", -1)), "sonata_between": sonata(later),
        "sonata_neuron": sonata(changed("node_ids", 1000)), "sonata_cut": sonata(cut), "sonata_unknown": unknown,
        "nir_grid": nirdata(False), "nir_events": nirdata(True), "nir_neurons": nirdata(True, 1), "nir_many": many,
        "nir_samples": nir_samples, "network": network}

if __name__ == "__main__":
    HOWS[sys.argv[2]](sys.argv[1], *sys.argv[3:])
