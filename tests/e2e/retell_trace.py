"""A trace as other tools and users leave it behind: the same spikes in other bytes.

usage: retell_trace.py COPY.h5 TRACE.h5 HOW; HOW is a name of HOWS or "h5repack OPTION..."
"""
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np

BITS = "spikeloom/activity"


def edit(change):
    """Changes a copy in its place."""
    def how(path, source):
        shutil.copyfile(source, path)
        with h5py.File(path, "r+") as file:
            change(file)
    return how


def copied(**options):
    """Everything copied into a new file, as H5Ocopy does it."""
    def how(path, source):
        with h5py.File(source) as old, h5py.File(path, "w", **options) as new:
            for name, value in old.attrs.items():
                new.attrs[name] = value
            for name in old:
                old.copy(name, new)
    return how


def rebuilt(options_of, file_options=None, types=False):
    """Read into arrays and written anew, as a script of a user does it."""
    def how(path, source):
        with h5py.File(source) as old, h5py.File(path, "w", **(file_options or {})) as new:
            def visit(name, item):
                if isinstance(item, h5py.Group):
                    made = new.require_group(name)
                else:
                    data = item[()]
                    if types and isinstance(data, np.ndarray):
                        data = data.astype(data.dtype.newbyteorder(">"))
                    made = new.create_dataset(name, data=data, **(options_of(item) if item.shape else {}))
                for key, value in item.attrs.items():
                    made.attrs[key] = value
            for key, value in old.attrs.items():
                new.attrs[key] = value
            old.visititems(visit)
    return how


def repacked(*options):
    def how(path, source):
        subprocess.run(["h5repack", *options, source, path], check=True)
    return how


def empty(path, _):
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)


def note(file):
    file.attrs["note"] = "my experiment"


def notes(file):
    for name, item in [("/", file), ("x", file["spikeloom"]), ("y", file["spikeloom/samples/label"])]:
        item.attrs["author"] = name
        item.attrs["ratio"] = np.float16(0.5)
        item.attrs["done"] = True
        item.attrs["tags"] = ["a", "b"]
        item.attrs["grid"] = np.zeros((2, 3, 4), ">i2")
        item.attrs["nothing"] = h5py.Empty("f")
        item.attrs["pair"] = np.array((1, 2.0), dtype=[("a", "i4"), ("b", "f8")])
        item.attrs["bytes"] = np.void(b"\0\1\2")
        item.attrs["where"] = file["spikes"].ref
        lists = np.empty(1, dtype=object)
        lists[0] = np.arange(3, dtype="i4")
        item.attrs.create("lists", lists, dtype=h5py.vlen_dtype("i4"))


def many_notes(file):
    for i in range(200):
        file["spikeloom"].attrs[f"note {i}"] = i
    file.attrs["long"] = "x" * 60000


def long_note(file):
    file["spikeloom"].attrs["long"] = np.arange(100000)


def additions(file):
    group = file.create_group("analysis", track_order=True)
    for i in range(50):
        group.create_group(f"part {i}")
    group.create_dataset("names", data=["one", "two"], dtype=h5py.string_dtype())
    group.create_dataset("pairs", data=np.zeros(5, dtype=[("a", "i4"), ("b", "f8")]))
    group.create_dataset("rates", data=np.linspace(0, 1, 1000), chunks=True, compression="gzip", fletcher32=True)
    group.create_dataset("lzf", data=np.arange(1000), compression="lzf")
    group["kind"] = np.dtype("f4")
    group["again"] = file["spikeloom"]
    group["spikes"] = file["spikes"]


def soft_link(file):
    file["short"] = h5py.SoftLink("/spikeloom/config")


def external_link(file):
    file["far"] = h5py.ExternalLink("/etc/passwd", "/")


def replaced(file, name, **options):
    for population in file[BITS].values():
        data = population[name][()]
        del population[name]
        population.create_dataset(name, data=data, **options)


def virtual(file):
    layout = h5py.VirtualLayout((4,), "i4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("seen", layout)


def external_data(file):
    file.create_dataset("raw", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def lzf(file):
    replaced(file, "popcount", compression="lzf")


def scale_offset(file):
    replaced(file, "popcount", scaleoffset=0)


HOWS = {
    "empty": empty,
    "note": edit(note),
    "notes": edit(notes),
    "many_notes": edit(many_notes),
    "long_note": edit(long_note),
    "additions": edit(additions),
    "soft_link": edit(soft_link),
    "external_link": edit(external_link),
    "virtual": edit(virtual),
    "external_data": edit(external_data),
    "no_popcount": edit(lambda f: f[BITS + "/block4.0.attn.q_lif"].pop("popcount")),
    "lzf": edit(lzf),
    "scale_offset": edit(scale_offset),
    "fletcher32": edit(lambda f: replaced(f, "bits", compression="gzip", shuffle=True, fletcher32=True)),
    "contiguous_bits": edit(lambda f: replaced(f, "bits")),
    "odd_chunks": edit(lambda f: replaced(f, "bits", chunks=(3, 1), maxshape=(None, None), compression="gzip")),
    "wide_chunks": edit(lambda f: replaced(f, "popcount", chunks=(5,), maxshape=(None,))),
    "user_block": copied(userblock_size=1024),
    "in_order": copied(track_order=True),
    "pages": copied(fs_strategy="page", fs_persist=True, libver="v110"),
    "arrays": rebuilt(lambda item: {}),
    "arrays_latest": rebuilt(lambda item: {}, {"libver": "latest"}),
    "arrays_gzip": rebuilt(lambda item: {"compression": 9, "shuffle": True}),
    "arrays_fixed_array": rebuilt(lambda item: {"chunks": tuple(max(1, min(n, 3)) for n in item.shape)}, {"libver": "latest"}),
    "arrays_growing": rebuilt(lambda item: {"chunks": True, "maxshape": (None,) * item.ndim}, {"libver": "latest"}),
    "arrays_one_chunk": rebuilt(lambda item: {"chunks": tuple(max(1, n) for n in item.shape), "compression": "gzip"},
                                {"libver": "latest"}),
    "arrays_big_endian": rebuilt(lambda item: {}, types=True),
}
for low, high in [("earliest", "v108"), ("earliest", "latest"), ("v108", "v108"), ("v108", "latest"), ("v110", "v110"),
                  ("v110", "latest"), ("latest", "latest")]:
    HOWS[f"{low}_{high}"] = copied(libver=(low, high))


def main():
    path, source, how, *options = sys.argv[1:]
    if how == "h5repack":
        repacked(*options)(path, source)
    else:
        HOWS[how](path, source)
    assert os.path.getsize(path)


if __name__ == "__main__":
    main()
