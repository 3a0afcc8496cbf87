"""Figures of `compare`, `inspect`, `stream` and `generate`: texts, JSON and pages against each other and against the reports."""
import json
import math
import re

import shown
from figures_of_energy import label_of, schemes_of
from shown import agree, block, cells_of, close, plain, require, same, tables_of, words


def at(report, path):
    """A value by keys; None where there is none."""
    for key in path:
        report = report.get(key) if isinstance(report, dict) else None
    return report


def split_ratio(cell):
    """("1.651 uJ", "0.878x" or None) of "1.651 uJ (0.878x)" and of "1.651 uJ estimated (0.878x)"."""
    found = re.fullmatch(r"(.*?)(?: (?:ran|estimated))?(?: \(([^()]*[x×])\))?", cell)
    return found[1], found[2]


def check_cell(cell, value, first, about):
    figure, ratio = split_ratio(cell)
    agree(figure, value, about)
    if ratio:
        require(first, f"{about}: a ratio to nothing")
        agree(ratio, value / first, about)


def energy_of(report, pointer):
    entry = at(report, ("energy", *pointer))
    return entry["per_sample_nJ"] * 1e3 if entry else None


def expected_rows(report):
    """What `compare` says of a report, by the names of its rows."""
    per = report["run"]["samples"]
    rows = {"accuracy": report["accuracy"], "accuracy of the dense twin": at(report, ("dense_twin", "accuracy")),
            "samples": per, "steps": report["run"]["steps"], "mean firing rate": report["run"]["mean_rate"],
            "spikes per synapse": report["break_even"]["network"]["s"]}
    for form in ("as_written", "fused"):
        for name, key in (("dense MACs", "dense_macs"), ("exact additions", "event_adds"), ("neuron updates", "neuron_updates"),
                          ("MACs besides the stem", "real_macs_without_stem"), ("spikes", "spikes")):
            total = at(report, ("counts", form, "totals", key))
            rows[f"{name}, {form}"] = None if total is None else total / per
    rows["energy paper"] = energy_of(report, ["paper"])
    for scheme in ("as_built", "event", "event_decomposed", "neurobench", "syops"):
        rows[f"energy {scheme}, as run"] = energy_of(report, [scheme])
        for form in ("as_written", "fused"):
            rows[f"energy {scheme}, {form}"] = energy_of(report, [scheme, "forms", form])
    rows["energy hardware, on a chip"] = energy_of(report, ["hardware"])
    for scheme in ("dense_same", "dense_twin"):
        for precision in ("fp32", "int8", "qnn_equiv"):
            rows[f"energy {scheme} {precision}"] = energy_of(report, [scheme, "precisions", precision])
    return rows


def basis_of(entry):
    """The lines below a figure: form and precision, evidence, and the share where not all is priced."""
    dense = entry["scheme"].startswith("dense_")
    lines = [label_of(entry) if dense else f"{entry['form']}, {label_of(entry)}", entry["evidence"]]
    return lines if entry["priced_share"] >= 1 else [*lines, f"{min(99.99, 100 * entry['priced_share']):.2f} % priced"]


def check_figures(rows, said, known):
    """The printed table or that of the page: figures with ratios, below them what they stand for."""
    seen, basis = [], []
    for name, *cells in map(cells_of, rows):
        if name.startswith("- "):
            basis.append([cell for cell in cells if cell not in ("-", "")])
            continue
        seen.append(name)
        for i, cell in enumerate(cells):
            value, ratio = known[name]["values"][i], known[name]["ratios"][i] if i > 0 else None
            figure, said_ratio = split_ratio(cell)
            agree(figure, None if value is None else value * (1e-12 if name.startswith("energy") else 1), name)
            agree(said_ratio or "-", ratio, name)
    same(seen, list(known), "rows of the table")
    told = [[lines[line] for lines in row["basis"] if line < len(lines)] for row in said["rows"] if "basis" in row for line in range(3)]
    same(basis, [lines for lines in told if lines], "what the figures stand for")


def check_compare(text, said, page, reports):
    """`reports`: those that were compared, in order; `said`: what --json says."""
    expected = [expected_rows(report) for report in reports]
    known = {row["name"]: row for row in said["rows"]}
    for report in reports:
        require(words(report["verdict"][0]) in words(text) and words(report["verdict"][0]) in words(plain(page["top"])), "verdict")
    for name, row in known.items():
        for value, ratio, wanted in zip(row["values"], row["ratios"], [rows[name] for rows in expected]):
            require((value is None) == (wanted is None), f"{name}: {value}, expected {wanted}")
            if value is not None:
                close(value, wanted, name)
            if ratio is not None:
                close(ratio, value / row["values"][0], name)
    check_figures(shown.table(text, "All figures"), said, known)
    check_figures(tables_of(page["figures"])[-1], said, known)
    for row in said["rows"]:
        for lines, value, entries in zip(row.get("basis", []), row["values"], map(schemes_of, reports)):
            require(value is None or any(
                lines == basis_of(entry) for entry in entries.values() if shown.shows(f"{value:.6e} pJ", entry["per_sample_nJ"] * 1e-9)),
                f"{row['name']} stands for {lines}")
    check_compared_energies(page, reports)
    for row in tables_of(page["rates"])[-1]:
        name, *cells = cells_of(row)
        values = [report["run"]["mean_rate"] if name == "whole network" else
                  next((n["rate"] for n in report["counts"][report["run"]["form"]]["neurons"] if n["name"] == name), None)
                  for report in reports]
        for cell, value in zip(cells, values):
            check_cell(cell, value, values[0], name)
    for rows in (shown.table(text, "Assumptions that differ"), *tables_of(page["differences"])) if said["differences"] else ():
        for row, entry in zip(rows, said["differences"], strict=True):
            told = [entry["key"], *("absent" if value is None else value for value in entry["values"])]
            same(["".join(cell.split()) for cell in cells_of(row)], ["".join(cell.split()) for cell in told], "assumptions that differ")


def check_compared_energies(page, reports):
    """Every row of every report is on the page, with its evidence; ratios are those of the rows."""
    entries = [schemes_of(report) for report in reports]
    rows = {}
    for row in tables_of(page["energy"])[-1]:
        name, *cells = cells_of(row)
        scheme, *rest = name.split(", ")
        key = (scheme, *rest) if len(rest) == 2 else (scheme, "-", *rest)
        rows[key] = cells
    same(set(rows), set().union(*entries), "rows of the energies compared")
    for key, cells in rows.items():
        found = [mine.get(key) for mine in entries]
        for cell, entry in zip(cells, found):
            check_cell(cell, entry and entry["per_sample_nJ"] * 1e-9, found[0] and found[0]["per_sample_nJ"] * 1e-9, key)
            if entry:
                require(f" {entry['evidence']}" in cell, f"{key}: {cell}, {entry['evidence']}")


def check_inspect(text, said, page, report):
    """The trace's spikes are those the report counts."""
    populations = {p["name"]: p for p in said["populations"]}
    same(said["signature"], report["signature"], "signature of the trace")
    require(f"signature {report['signature']}," in text, "signature of the trace")
    require(f"\n{said['samples']} samples, {said['steps']} steps\n" in text, "samples of the trace")
    same(said["steps"], report["run"]["samples"] * report["run"]["steps"], "steps of the trace")
    rows = {row[0]: row[1:] for row in shown.lines_of(text + "\n\n", "population ")}
    same(list(rows), list(populations), "populations")
    for one in report["counts"][report["run"]["form"]]["neurons"]:
        close(populations[one["name"]]["rate"], one["rate"], one["name"])
        same(populations[one["name"]]["spikes"], one["spikes"], one["name"])
    table = {row["layer"]: row for row in tables_of(page["rates"])[-1]}
    for name, one in populations.items():
        shape, steps, rate, spikes, most, least, *by_step = rows[name]
        for cell, key in ((most, "most_active"), (least, "least_active")):
            same(cell, f"#{one[key][0]['neuron']}: {one[key][0]['spikes']}", (name, key))
        same(by_step[:1], [" ".join(map(str, one["spikes_per_step"]))] if one["spikes_per_step"] else [], name)
        same((shape, steps, spikes), ("x".join(map(str, one["shape"])), str(one["rows"]), str(one["spikes"])), name)
        agree(rate, one["rate"] * 100, name)
        row = table[name]
        agree(row["spikes"], one["spikes"], name)
        agree(row["rate"], one["rate"], name)
        agree(row["recorded steps"], one["rows"], name)
        samples = one["rows"] // max(1, len(one["spikes_per_step"]))
        for i, spikes in enumerate(one["spikes_per_step"]):
            if f"step {i}" in row and samples * len(one["spikes_per_step"]) == one["rows"]:
                agree(row[f"step {i}"], spikes / (math.prod(one["shape"]) * samples), (name, i))
    for section in (body for name, body in page.items() if name.startswith("raster")):
        one = populations[re.search(r"<h2>Spikes of (.*?)</h2>", section)[1]]
        raster = tables_of(section)[-1]
        for row in raster:
            agree(row["rate"], int(row["spikes"].replace("\u00a0", "")) / math.prod(one["shape"]), row)
        found = sum(int(row["spikes"].replace("\u00a0", "")) for row in raster)
        require(found == one["spikes"] if len(raster) == one["rows"] else found <= one["spikes"], f"{found} spikes in the picture")
        if one["spikes_per_step"]:
            same(sum(one["spikes_per_step"]), one["spikes"], name)


def check_stream(text, lines):
    """Steps of the table and of --json, but for the times, which are other runs."""
    lines = [json.loads(line) for line in lines.splitlines()]
    steps, final = lines[:-1], lines[-1]
    rows = block(text, "step ", "answer")
    same([row[0] for row in rows], [str(line["step"]) for line in steps], "steps")
    for (_, label, probability, *_), line in zip(rows, steps):
        same(label, line["label"], "answer")
        agree(probability, line["probability"], "probability")
    require(f"answer: {final['label']} after step {final['step']}, the same answer since step {final['same_since']}\n" in text, "answer")


def check_generate(text, said, report):
    """Energies per token: those of --json, and the dense ones those of a run of the same network."""
    same(re.search(r"^(\d+) tokens, ", text, re.M)[1], str(len(said["ids"])), "tokens")
    found = re.findall(r"^(\S.*?) {2,}([\d.]+) uJ per token, ([\d.]+) without the output head \((\S+), (\S+)\)$", text, re.M)
    same(len(found), len(said["energy_per_token"]), "networks")
    for (network, whole, without, precision, evidence), row in zip(found, said["energy_per_token"]):
        same((network, precision, evidence), (row["network"], row["precision"], row["evidence"]), network)
        agree(whole, row["total_uJ"], network)
        agree(without, row["without_head_uJ"], network)
    twin = {label_of(row): row for row in report["language_energy"]["per_token"] if row["scheme"] == "dense_twin"}
    for row in said["energy_per_token"]:
        if row["network"] == "RWKV-4 of the same shape":
            close(row["total_uJ"], twin[row["precision"]]["with_head_nJ"] / 1e3, row["network"])
            close(row["without_head_uJ"], twin[row["precision"]]["without_head_nJ"] / 1e3, row["network"])
