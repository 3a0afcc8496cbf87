"""Counters of a chip run, read with h5py as docs/chip.md says, against its chip.json.

usage: read_counters.py COUNTERS.h5 chip.json
"""
import json
import sys

import h5py
import numpy as np


def near(a, b, what):
    assert abs(a - b) <= 1e-9 * max(abs(a), abs(b)), f"{what}: {a} and {b}"


def check_cores(core, links, run):
    place = core["place"][()]
    totals = run["totals"]
    for name, total in (("fired", "fired"), ("updated", "updates"), ("events", "synaptic_events"), ("packets_out", "packets"),
                        ("packets_in", "packets_received")):
        assert core[name].shape == (run["steps"], len(place)), f"shape of {name}: {core[name].shape}"
        assert core[name].attrs["unit"] and core[name].attrs["axes"] == b"step, core", name
        assert core[name][()].sum() == totals[total], f"{name}: {core[name][()].sum()}, {total}: {totals[total]}"
    for row in run["cores"]:
        assert list(place[row["core"]]) == [row["chip"], row["tile"], row["slot"]], f"place of core {row['core']}"
        for name in ("packets_in", "packets_out", "events"):
            assert core[name][:, row["core"]].sum() == row[name], f"{name} of core {row['core']}"
        if run["level"] != "counts":
            busy = max(core["generate_ns"][:, row["core"]].sum(), core["receive_ns"][:, row["core"]].sum())
            near(busy, row["busy_s"] * 1e9, f"busy time of core {row['core']}")
    flits = links["flits"][()]
    assert flits.shape == (run["steps"], len(links["place"])), "shape of link/flits"
    busiest = run["time_per_inference"]["busiest_link"]
    assert int(busiest.split()[-2]) == flits.sum(axis=0).max(), f"busiest link: {busiest}"
    at = links["place"][flits.sum(axis=0).argmax()]
    assert busiest.startswith(f"link {('east', 'west', 'north', 'south')[at[0]]} of tile x {at[1]} y {at[2]}:"), busiest


def check_layers(layer, run):
    energy, samples = layer["energy"][()], run["samples"]
    names = [name.decode() for name in layer["name"][()]]
    assert names == [row["name"] for row in run["layers"]], "names of layers"
    for row, joules in zip(run["layers"], energy.sum(axis=1)):
        near(joules, row["joules"], row["name"])
    categories = run["energy_per_inference"]["by_category_j"]
    assert sorted(name.decode() for name in layer["category"][()]) == sorted(categories), "categories"
    for name, joules in zip(layer["category"][()], energy.sum(axis=0)):
        near(joules, (categories[name.decode()] or 0) * samples, name.decode())  # null: no price


def check_steps(step, core, run):
    totals = run["totals"]
    for name, total in (("packets", "packets"), ("hops", "hops"), ("events", "synaptic_events"), ("updated", "updates")):
        assert step[name][()].sum() == totals[total], f"step/{name}"
    assert (step["events"][()] == core["events"][()].sum(axis=1)).all(), "events of steps and cores"
    assert list(np.bincount(step["sample"][()])) == [run["steps"] // run["samples"]] * run["samples"], "samples"
    if run["level"] == "counts":
        assert "time_ns" not in step and "generate_ns" not in core, "times at level counts"
    else:
        near(step["time_ns"][()].sum() * 1e-9, run["time_per_inference"]["latency_s"] * run["samples"], "time")


def main():
    with open(sys.argv[2]) as text:
        report = json.load(text)
    run = report["runs"][0]
    with h5py.File(sys.argv[1]) as file:
        about = {key: value.decode() if isinstance(value, bytes) else value for key, value in file.attrs.items()}
        assert about["spikeloom_chip_counters_version"] == "1.0"
        assert about["chip"] == run["chip"] and about["level"] == run["level"]
        assert about["mapping_sha256"] == run["mapping"]["sha256"]
        assert about["trace_signature"] == report["signature"]
        assert len(about["chip_sha256"]) == 64 and about["steps"] == run["steps"] and about["samples"] == run["samples"]
        check_cores(file["core"], file["link"], run)
        check_layers(file["layer"], run)
        check_steps(file["step"], file["core"], run)


main()
