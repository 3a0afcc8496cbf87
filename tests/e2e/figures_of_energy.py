"""Energies of a report: every row of the table, of report.json and of the page, every cell of report.csv."""
import re

from shown import agree, cells_of, close, plain, require, same, shows, table, tables_of

FORMS = ("as_written", "fused")


def label_of(scheme):
    """How the pages call the precision of a row."""
    throughout = scheme.get("throughout") and not scheme["scheme"].startswith("dense_") and scheme["precision"] != "fp32"
    return scheme["precision"] + (" throughout" if throughout else "")


def schemes_of(report):
    """{(scheme, form, precision): entry} of everything that is priced; what stands there twice is the same."""
    found = {}

    def walk(value):
        if not isinstance(value, dict):
            return
        if "per_sample_nJ" in value:
            dense = value["scheme"].startswith("dense_")
            key = value["scheme"], "-" if dense else value["form"], label_of(value)
            figures = {k: value[k] for k in ("per_sample_nJ", "evidence", "priced_share")}
            if key in found:
                same(figures, {k: found[key][k] for k in figures}, f"{key} twice")
            found.setdefault(key, value)
        for member in value.values():
            walk(member)
    walk(report["energy"])
    return found


def check_energy_rows(rows, report):
    """The printed table or that of the page."""
    entries = schemes_of(report)
    form = report["run"]["form"]  # where there is but one, a narrow terminal leaves it out
    keys = [(row["scheme"], row.get("form", "-" if row["scheme"].startswith("dense_") else form), row["precision"]) for row in rows]
    same(sorted(keys), sorted(entries), "rows of the energies")
    dense = [e for key, e in entries.items() if key[0].startswith("dense_") and e["priced_share"] >= 1]
    best = min(dense, key=lambda e: e["per_sample_nJ"], default=None)
    for key, row in zip(keys, rows):
        entry = entries[key]
        same(row["evidence"], entry["evidence"], key)
        agree(row["energy"], entry["per_sample_nJ"] * 1e-9, key)
        agree(row["priced"], entry["priced_share"], key)
        bases = [entries.get((name, "-", entry["precision"])) if entry.get("throughout") else None
                 for name in ("dense_same", "dense_twin")] + [best if key[0] != "hardware" else None]
        for ratio, base in zip((row["/ same"], row["/ twin"], row["/ best"]), bases):
            whole = base and entry["priced_share"] >= 1 and base["priced_share"] >= 1
            if ratio == "-":
                require(not whole, f"{key}: no ratio in the table")
            else:
                require(whole, f"{key}: a ratio to other work")
                agree(ratio, entry["per_sample_nJ"] / base["per_sample_nJ"], key)
        for column, cell in row.items():
            if column.startswith("of it ") and cell != "-":
                parts = [l["energy_pJ"] for l in entry["lines"] if l["operand"] == column[6:]]
                agree(cell, sum(parts) * 1e-12 / report["run"]["samples"], (key, column))


def check_energies(text, report, page):
    entries = schemes_of(report)
    rows = table(text, "Energy per sample by scheme")
    check_energy_rows(rows, report)
    check_energy_rows(tables_of(page["energy"])[-1], report)
    check_prices(table(text, "Formulas and prices"), entries)
    check_prices(tables_of(page["prices"])[-1], entries)
    check_duels(report, entries)
    check_methods(page, report, entries)


def check_prices(rows, entries):
    """Every price of every scheme, and no other."""
    expected = {price["name"]: price for entry in entries.values() for price in entry.get("prices", [])}
    same([row["price"] for row in rows], list(expected), "prices")
    for row in rows:
        price = expected[row["price"]]
        agree(row["pJ"], price["value_pJ"], row)
        same(cells_of(row)[2:], [price["mark"], str(price["node_nm"]), price["source"], price["scope"]], row["price"])


def check_duels(report, entries):
    for duel in report["energy"]["comparisons"]:
        spiking = entries[duel["scheme"], duel["form"], label_of({**duel})]
        other = entries[duel["baseline"], "-", duel["baseline_precision"]]
        ratio = spiking["per_sample_nJ"] / other["per_sample_nJ"] if other["per_sample_nJ"] else None
        if duel["ratio"] is not None:
            close(duel["ratio"], ratio, duel)
            same(duel["wins"], spiking["per_sample_nJ"] < other["per_sample_nJ"], duel)


def check_methods(page, report, entries):
    headings = re.findall(r"<h3>(.*?)</h3>(.*?)(?=<h3>|$)", page["methods"], re.S)
    for heading, body in headings:
        name, *rest = plain(heading).split(", ")
        form = "-" if name.startswith("dense_") else rest[0]
        entry = entries[name, form, rest[1]]
        for rows in tables_of(body):
            for row in rows:
                if "operations of the run" in row:
                    lines = [l for l in entry["lines"] if l["layer"] == row["layer"] and l["rule"] == row["rule"]
                             and l["price"] == row["price"]]
                    require(any(shows(row["energy"], l["energy_pJ"] * 1e-12) and
                                shows(row["operations of the run"], l["count"]) and
                                shows(row["pJ each"], l["price_pJ"]) for l in lines), f"{heading}: {row}")


def check_csv(rows, report):
    """Every cell that the JSON has too, and the sums of all columns."""
    for form in FORMS:
        counts = report["counts"][form]
        mine = [row for row in rows if row["form"] == form and row["kind"] != "hardware"]
        if counts is None:
            same(mine, [], f"rows of a form that is not there: {form}")
            continue
        layers = [row for row in mine if row["kind"] == "layer"]
        same([row["name"] for row in layers], [l["name"] for l in counts["layers"]], "layers")
        for row, layer in zip(layers, counts["layers"]):
            for column in ("weights", "dense_macs", "input_elements", "input_events", "event_adds", "rate_adds", "real_macs"):
                close(float(row[column]), layer[column], (row["name"], column))
            if row["rate"]:
                close(float(row["rate"]), layer["input_events"] / layer["input_elements"], row["name"])
        neurons = [row for row in mine if row["kind"] == "neurons"]
        same([row["name"] for row in neurons], [n["name"] for n in counts["neurons"]], "neurons")
        for row, one in zip(neurons, counts["neurons"]):
            for column in ("rate", "neurons", "updates", "spikes"):
                close(float(row[column]), one[column], (row["name"], column))
        total = counts["totals"]
        for column in ("event_adds", "rate_adds", "kv_coincidences", "kv_k_gated_adds", "qkv_q_gated_adds",
                       "qkv_nonzero_adds", "spikes"):
            close(sum(float(row[column] or 0) for row in mine), total[column], (form, column))
        close(sum(float(row["updates"] or 0) for row in mine), total["neuron_updates"], "updates")
        close(sum(int(row["dense_macs"]) for row in layers), total["dense_macs"], "dense_macs")
        close(sum(int(row["real_macs"]) for row in layers), total["stem_macs"] + total["real_macs_without_stem"], "MACs")
        evidence = "ran" if form == report["run"]["form"] else "estimated"
        require(all((row["precision"], row["evidence"]) == (report["run"]["precision"], evidence) for row in mine), form)
        for scheme, entry in report["energy"].items():
            if scheme + "_pJ" not in rows[0] or scheme == "hardware":
                continue
            priced = entry and entry["forms"].get(form)
            close(sum(float(row[scheme + "_pJ"] or 0) for row in mine), priced["total_pJ"] if priced else 0, (form, scheme))
    hardware = report["energy"]["hardware"]
    mine = [row for row in rows if row["kind"] == "hardware"]
    close(sum(float(row["hardware_pJ"]) for row in mine), hardware["total_pJ"] if hardware else 0, "hardware")
    require(all((row["precision"], row["evidence"]) == (hardware["precision"], "estimated") for row in mine), "hardware")
