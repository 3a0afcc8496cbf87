"""What `spikeloom chip` prints, chip.json, chip.csv and the page of --html, for one chip and for several side by side."""
import re

from shown import agree, block, cells_of, close, facts_of, lines_of, plain, require, same, tables_of, words

ENERGIES = {"dynamic": "dynamic_j", "static": "static_j", "idle": "idle_j", "synchronisation": "sync_j", "host": "host_j",
            "total of what is priced": "total_priced_j"}
OTHERS = ("static_j", "idle_j", "sync_j", "host_j", "reload_j")


def check_limit(text, verdict, about):
    """ "1.714", "0.15..1.38", "10..15 %", "12.70 uJ" """
    if verdict.get("low") is None or text == "-":
        require(text == "-", f"{about}: {text}")
        return
    low, _, high = text.partition("..")
    if high.endswith("%"):
        low += " %"
    agree(low, verdict["low"], about)
    agree(high or low, verdict["high"], about)


def check_verdict_rows(rows, verdicts, about):
    """(name with what it is against, measured, limit, verdict)"""
    same(len(rows), len(verdicts), f"{about}: criteria")
    for (name, measured, limit, word), verdict in zip(rows, verdicts):
        same(name, verdict["id"] + (f", {verdict['against']}" if verdict.get("against") else ""), about)
        same(word, verdict["verdict"], name)
        if measured is not None and measured != "-":
            agree(measured, verdict["value"], name)
        if limit is not None:
            check_limit(limit, verdict, name)


def check_energies(text, energy):
    rows = block(text, "energy per inference")
    left_out = set(energy["by_category_j"]) - {row[0] for row in rows}
    require(all(energy["by_category_j"][name] == 0 for name in left_out), f"not in the table: {left_out}")
    for name, cell in rows:
        agree(cell, energy["by_category_j"][name], name)
    for name, key in ENERGIES.items():
        for cell in re.findall(rf"^{name} {{2,}}(.*)$", text, re.M):
            agree(cell, energy[key], name)
    close(sum(energy[key] or 0 for key in ("dynamic_j", *OTHERS)), energy["total_priced_j"], "parts of the energy")


def check_outcomes(said, run):
    """ "break-even: wins 4 (...), loses 2 (...)" """
    for word in ("wins", "loses", "undecided", "not applicable"):
        ids = [verdict["id"] for verdict in run["break_even"]["verdicts"] if verdict["verdict"] == word]
        require(not ids or f"{word} {len(ids)} ({', '.join(ids)})" in said, f"break-even: {word} {ids}")


def check_hardware(text, report):
    """The chip in the table of a run."""
    hardware = report["energy"]["hardware"]
    start = text.find("\nhardware: ")
    require((start >= 0) == (hardware is not None), "the chip in the table")
    if hardware is None:
        return
    run, said = hardware["run"], words(text[start:])
    check_energies(text[start:], run["energy_per_inference"])
    require(f"hardware: {hardware['chip']}, level {hardware['level']}, mapper {hardware['mapper']}, {hardware['precision']}, "
            f"{run['used']['cores']} of {run['used']['cores_of_chip']} cores" in said, "the heading of the chip")
    latency, mark, on_chip, priced = re.search(r"latency (\S+(?: .?s)?), weakest evidence (.) synaptic work: (\S+ %) on the chip, "
                                               r"(\S+ %) priced", said).groups()
    agree(latency, hardware["latency_s"], "latency")
    same(mark, hardware["weakest_evidence"], "weakest evidence")
    agree(on_chip, hardware["on_chip_share"], "on chip")
    agree(priced, hardware["priced_share"], "priced")
    same((hardware["on_chip_share"], hardware["priced_share"]), (run["synaptic_work"]["on_chip"], run["synaptic_work"]["priced"]), "shares")
    check_outcomes(said, run)
    for term in hardware["unpriced"]:
        require(term["text"].split(": ")[-1] in said, f"not priced: {term}")
    close(hardware["per_sample_nJ"] * 1e-9, run["energy_per_inference"]["total_priced_j"], "hardware")


def check_one(text, run, rows, page):
    per, energy, time, used = run["samples"], run["energy_per_inference"], run["time_per_inference"], run["used"]
    said = words(text)
    require(f"{run['label']}: {run['samples']} inferences, {run['steps']} steps, level {run['level']}, mapper "
            f"{run['mapping']['mapper']}, {run['network']['weight_bits']}-bit weights" in said, "the heading")
    require(f"{used['cores']} of {used['cores_of_chip']} cores on {used['tiles']} tiles, {used['chips']} of {used['chips_of_chip']} "
            f"chips; {run['network']['neurons']} neurons, {run['network']['projections']} projections" in said, "what is in use")
    on_chip, priced = re.search(r"synaptic work: (\S+ %) on the chip, (\S+ %) priced", said).groups()
    agree(on_chip, run["synaptic_work"]["on_chip"], "on chip")
    agree(priced, run["synaptic_work"]["priced"], "priced")
    columns = ("neurons", "updates", "fired", "packets", "events")
    said_layers = lines_of(text, "layer, per inference")
    same([cells[0] for cells in said_layers], [layer["name"] for layer in run["layers"]], "layers")
    for layer, cells in zip(run["layers"], said_layers):
        for cell, column in zip(cells[1:6], columns):
            agree(cell, layer[column] / (1 if column == "neurons" else per), (layer["name"], column))
        agree(cells[6], layer["joules"] / per, layer["name"])
    check_energies(text, energy)
    for name, value in (("latency", time["latency_s"]), ("latency of a step", time["step_s"]), ("packets", run["totals"]["packets"] / per),
                        ("packets received", run["totals"]["packets_received"] / per), ("hops", run["totals"]["hops"] / per),
                        ("synaptic events", run["totals"]["synaptic_events"] / per), ("neuron updates", run["totals"]["updates"] / per),
                        ("utilisation of cores in use", used["utilisation"])):
        for cell in re.findall(rf"^{name} {{2,}}(.*)$", text, re.M):
            agree(cell, value, name)
    for cell in re.findall(r"^throughput {2,}(.*) inferences/s$", text, re.M):
        agree(cell, time["inferences_per_s"], "throughput")
    for name in ("critical", "busiest_link"):
        require(not time[name] or words(time[name]) in said, f"{name}: {time[name]}")
    verdicts = [(row[0].split(": ")[0], *row[1:]) for row in lines_of(text, "break-even") if len(row) == 4]
    check_verdict_rows(verdicts, run["break_even"]["verdicts"], "break-even")
    for term in run["unpriced"]:
        require(words(term.split(": ")[-1]).strip() in said, f"not priced: {term}")
    check_rows(run, rows)
    check_page(run, page)


def check_rows(run, rows):
    mine = [row for row in rows if row["run"] == run["label"]]
    for kind, entries, name in (("operation", run["operations"], "name"), ("layer", run["layers"], "name")):
        found = [row for row in mine if row["kind"] == kind]
        same([row["name"] for row in found], [entry[name] for entry in entries], kind)
        for row, entry in zip(found, entries):
            for column, key in (("count", "count"), ("neurons", "neurons"), ("updates", "updates"), ("fired", "fired"),
                                ("events", "events"), ("joules", "joules")):
                if row[column]:
                    close(float(row[column]), entry[key], (kind, row["name"], column))
                else:
                    require(entry.get(key) is None, f"{row['name']}: no {column}")
    cores = [row for row in mine if row["kind"] == "core"]
    for row, core in zip(cores, run["cores"]):
        same(row["name"], str(core["core"]), "core")
        for column in ("packets_in", "packets_out", "events", "joules"):
            close(float(row[column]), core[column], ("core", row["name"], column))


def check_page(run, page):
    energy, time = run["energy_per_inference"], run["time_per_inference"]
    facts = facts_of(page["top"])
    agree(facts["energy per inference"][0], energy["total_priced_j"], "energy of the page")
    agree(facts["synaptic work"][0], run["synaptic_work"]["priced"], "priced")
    agree(facts["latency"][0], time["latency_s"], "latency")
    used = run["used"]
    same(facts["cores"], (str(used["cores"]), f"of {used['cores_of_chip']}; {used['chips']} of {used['chips_of_chip']} chips in use"), "cores")
    require(facts["synaptic work"][1].startswith("priced, "), "what is priced")
    agree(facts["synaptic work"][1].removeprefix("priced, ").removesuffix(" on the chip"), run["synaptic_work"]["on_chip"], "on chip")
    agree(facts["utilisation"][0], run["used"]["utilisation"], "utilisation")
    same(facts["weakest evidence"][0], run["weakest_evidence"], "evidence")
    others = {"static": "static_j", "idle": "idle_j", "barriers and ticks": "sync_j", "host": "host_j"}
    for name, cell in map(cells_of, tables_of(page["energy"])[-1]):
        agree(cell, energy[others[name]] if name in others else energy["by_category_j"][name], name)
    cores = {str(core["core"]): core for core in run["cores"]}
    for row in tables_of(page["cores"])[-1]:
        core = cores[row["core"]]
        same([row[key] for key in ("chip", "tile", "slot")], [str(core[key]) for key in ("chip", "tile", "slot")], ("core", core["core"]))
        for column, key in (("synaptic events", "events"), ("packets in", "packets_in"), ("packets out", "packets_out"),
                            ("dynamic energy", "joules"), ("busy", "busy_s")):
            agree(row[column], core[key], ("core", row["core"], column))
    layers = tables_of(page["layers"])[-1]
    same([row["layer"] for row in layers], [layer["name"] for layer in run["layers"]], "layers of the page")
    for row, layer in zip(layers, run["layers"]):
        for column, key in (("neurons", "neurons"), ("updates", "updates"), ("spikes", "fired"), ("packets", "packets"),
                            ("synaptic events", "events"), ("dynamic energy of the run", "joules")):
            agree(row[column], layer[key], (row["layer"], column))
    operations = {operation["name"]: operation for operation in run["operations"]}
    for row in tables_of(page["prices"])[-1]:
        operation = operations[row["operation"]]
        agree(row["count"], operation["count"], row)
        if row["pJ each"] != "no price":
            agree(row["pJ each"], operation["price_pj"], row)
            agree(row["energy of the run"], operation["joules"], row)
    table = tables_of(page["break-even"])[0]
    check_verdict_rows([(", ".join(filter(None, cells_of(row)[:2])), row["measured"], row["limit"], row["verdict"]) for row in table],
                       run["break_even"]["verdicts"], "break-even of the page")


def check_ratio(text, run, first, about):
    ratio = run["ratio_to_first"] if "ratio_to_first" in run else run["ratio"]
    agree(text, ratio, about)
    if ratio is not None:
        close(ratio, run["energy_per_inference"]["total_priced_j"] / first["energy_per_inference"]["total_priced_j"], about)


def said_below(text, label):
    """The lines about one run below the table."""
    return words(re.search(rf"^{re.escape(label)}\n((?:  .*\n)*)", text, re.M)[1])


def check_dense(said, figures, energies, dense):
    """Accelerators beside the chips: (label, entry of chip.json)"""
    for label, one in dense:
        total, *rest, latency, mark = said[label]
        agree(total, one["joules"], label)
        agree(latency, one["seconds"], label)
        same(mark, one["weakest_evidence"], label)
        agree(rest[0] if rest else "-", one["ratio_to_first"], label)
        agree(energies[label]["energy"], one["joules"], label)
        agree(energies[label]["ratio"], one["ratio_to_first"], label)
        agree(figures[label]["energy"], one["joules"], label)
        agree(figures[label]["latency"], one["seconds"], label)


def check_several(text, runs, page, dense=()):
    said = {row[0]: row[1:] for row in lines_of(text, "per inference")}
    figures = {row["run"]: row for row in tables_of(page["figures"])[-1]}
    energies = {row["run"]: row for row in tables_of(page["energy"])[-1]}
    categories = {row["run"]: row for row in tables_of(page["categories"])[-1]}
    check_dense(said, figures, energies, dense)
    same(set(said) - {""}, {run["label"] for run in runs} | {label for label, _ in dense}, "rows of the table")
    verdicts = {row["run"]: cells_of(row)[1:] for row in tables_of(page["break-even"])[-1]}
    for run in runs:
        label, per, time, totals = run["label"], run["samples"], run["time_per_inference"], run["totals"]
        energy = run["energy_per_inference"]
        total, ratio, dynamic, other, on_chip, priced, latency, cores, chips, share, hops, events, mark = said[label]
        others = [energy[key] for key in OTHERS]
        agree(total, energy["total_priced_j"], label)
        check_ratio(ratio, run, runs[0], label)
        agree(dynamic, energy["dynamic_j"], label)
        if other == "not priced":
            require(not any(others), f"{label}: {other}")
        else:
            agree(other, sum(joules or 0 for joules in others), label)
        agree(on_chip, run["synaptic_work"]["on_chip"], label)
        agree(priced, run["synaptic_work"]["priced"], label)
        agree(latency, time["latency_s"], label)
        same((cores, chips, mark), (str(run["used"]["cores"]), str(run["used"]["chips"]), run["weakest_evidence"]), label)
        if share != "-":
            agree(share, run["used"]["utilisation"], label)
        agree(hops, totals["hops"] / per, label)
        agree(events, totals["synaptic_events"] / per, label)
        row = figures[label]
        used = run["used"]
        same((row["cores"], row["chips"], row["mark"]), (str(used["cores"]), str(used["chips"]), run["weakest_evidence"]), label)
        if row["in use"] != "-":
            agree(row["in use"], used["utilisation"], label)
        check_outcomes(said_below(text, label), run)
        for column, value in (("energy", energy["total_priced_j"]), ("dynamic", energy["dynamic_j"]), ("latency", time["latency_s"]),
                              ("step", time["step_s"]), ("inferences/s", time["inferences_per_s"]), ("packets", totals["packets"] / per),
                              ("hops", totals["hops"] / per), ("synaptic events", totals["synaptic_events"] / per)):
            agree(row[column], value, (label, column))
        row = energies[label]
        agree(row["energy"], energy["total_priced_j"], label)
        check_ratio(row["ratio"], run, runs[0], label)
        agree(row["on chip"], run["synaptic_work"]["on_chip"], label)
        agree(row["priced"], run["synaptic_work"]["priced"], label)
        for category, cell in list(categories[label].items())[1:]:
            other = {"barriers and ticks": "sync_j"}.get(category, category + "_j")
            value = energy[other] if other in energy else energy["by_category_j"].get(category, 0)
            agree(cell, value, (label, category))
        for cell, verdict in zip(verdicts[label], run["break_even"]["verdicts"]):
            word, _, rest = cell.partition(": ")
            measured, _, limit = rest.partition(" against ")
            check_verdict_rows([(verdict["id"] + (f", {verdict['against']}" if verdict.get("against") else ""), measured or None,
                                 limit or None, word)], [verdict], label)
    body = words(plain(page["unpriced"]))
    for run in runs:
        for term in run["unpriced"]:
            require(words(term) in body, f"{run['label']}: {term}")
