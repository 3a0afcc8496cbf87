"""What `spikeloom chip` prints, chip.json, chip.csv and the page of --html, for one chip and for several side by side."""
import re

from shown import agree, cells_of, close, facts_of, plain, require, same, table, tables_of, words

ENERGIES = {"dynamic": "dynamic_j", "static": "static_j", "idle": "idle_j", "synchronisation": "sync_j", "host": "host_j",
            "moving weights and spikes": "reload_j", "total of what is priced": "total_priced_j"}
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


def check_energies(rows, energy):
    """Rows of the printed table or that of the page."""
    left_out = set(energy["by_category_j"]) - {row["category"] for row in rows}
    require(all(energy["by_category_j"][name] == 0 for name in left_out), f"not in the table: {left_out}")
    for row in rows:
        name = row["category"]
        agree(row["energy"], energy[ENERGIES[name]] if name in ENERGIES else energy["by_category_j"][name], name)
    close(sum(energy[key] or 0 for key in ("dynamic_j", *OTHERS)), energy["total_priced_j"], "parts of the energy")


def check_hardware(text, report):
    """The chip in the table of a run."""
    hardware = report["energy"]["hardware"]
    heading = f"On a chip: {hardware['chip'] if hardware else ''}"
    start = text.find("\nON A CHIP: ")
    require((start >= 0) == (hardware is not None), "the chip in the table")
    if hardware is None:
        return
    run, said = hardware["run"], words(text[start:])
    check_energies(table(text, heading), run["energy_per_inference"])
    require(f"{hardware['chip']}, level {hardware['level']}, mapper {hardware['mapper']}, {hardware['precision']}, "
            f"{run['used']['cores']} of {run['used']['cores_of_chip']} cores" in said, "the heading of the chip")
    latency, mark, on_chip, priced = re.search(r"latency (\S+(?: .?s)?), weakest evidence (.) synaptic work: (\S+ %) on the chip, "
                                               r"(\S+ %) priced", said).groups()
    agree(latency, hardware["latency_s"], "latency")
    same(mark, hardware["weakest_evidence"], "weakest evidence")
    agree(on_chip, hardware["on_chip_share"], "on chip")
    agree(priced, hardware["priced_share"], "priced")
    same((hardware["on_chip_share"], hardware["priced_share"]), (run["synaptic_work"]["on_chip"], run["synaptic_work"]["priced"]), "shares")
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
    for rows_of in (lambda name, _: table(text, name), lambda _, name: tables_of(page[name])[0]):
        check_layers(rows_of("Layer by layer, per inference", "layers"), run)
        check_energies(rows_of("Energy per inference", "energy"), energy)
        figures = {row["figure"]: row["value"] for row in rows_of("Per inference", "figures")}
        for name, value in (("latency", time["latency_s"]), ("latency of a step", time["step_s"]), ("packets", run["totals"]["packets"] / per),
                            ("packets received", run["totals"]["packets_received"] / per), ("hops", run["totals"]["hops"] / per),
                            ("synaptic events", run["totals"]["synaptic_events"] / per), ("neuron updates", run["totals"]["updates"] / per),
                            ("utilisation of cores in use", used["utilisation"])):
            agree(figures[name].replace("\u00a0", " "), value, name)
        if figures["throughput"] != "-":
            agree(figures["throughput"].removesuffix(" inferences/s"), time["inferences_per_s"], "throughput")
        verdicts = rows_of("Break-even", "break-even")
        check_verdict_rows([(row["criterion"], row["measured"], row["limit"], row["verdict"]) for row in verdicts],
                           run["break_even"]["verdicts"], "break-even")
        for row, verdict in zip(verdicts, run["break_even"]["verdicts"]):
            require("why" not in row or row["why"] == verdict["why"], row)
            require(verdict["verdict"] != "not applicable" or words(verdict["why"]) in said, row)
    for name in ("critical", "busiest_link"):
        require(not time[name] or words(time[name]) in said, f"{name}: {time[name]}")
    for term in run["unpriced"]:
        require(words(term.split(": ")[-1]).strip() in said, f"not priced: {term}")
    check_rows(run, rows)
    check_page(run, page)


def check_layers(rows, run):
    same([row["layer"] for row in rows], [layer["name"] for layer in run["layers"]], "layers")
    for row, layer in zip(rows, run["layers"]):
        agree(row["neurons"], layer["neurons"], row)
        for column, key in (("updates", "updates"), ("spikes", "fired"), ("packets", "packets"), ("events", "events"), ("dynamic", "joules")):
            agree(row[column], layer[key] / run["samples"], (row["layer"], column))


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
    cores = {str(core["core"]): core for core in run["cores"]}
    for row in tables_of(page["cores"])[-1]:
        core = cores[row["core"]]
        same([row[key] for key in ("chip", "tile", "slot")], [str(core[key]) for key in ("chip", "tile", "slot")], ("core", core["core"]))
        for column, key in (("synaptic events", "events"), ("packets in", "packets_in"), ("packets out", "packets_out"),
                            ("dynamic energy", "joules"), ("busy", "busy_s")):
            agree(row[column], core[key], ("core", row["core"], column))
    operations = {operation["name"]: operation for operation in run["operations"]}
    for row in tables_of(page["prices"])[-1]:
        operation = operations[row["operation"]]
        agree(row["count"], operation["count"], row)
        if row["pJ each"] != "no price":
            agree(row["pJ each"], operation["price_pj"], row)
            agree(row["energy of the run"], operation["joules"], row)


def check_ratio(text, run, first, about):
    ratio = run["ratio_to_first"] if "ratio_to_first" in run else run["ratio"]
    agree(text, ratio, about)
    if ratio is not None:
        close(ratio, run["energy_per_inference"]["total_priced_j"] / first["energy_per_inference"]["total_priced_j"], about)


def check_dense(rows, dense):
    """Accelerators beside the chips: (label, entry of chip.json)"""
    for label, one in dense:
        row = rows[label]
        agree(row["energy"], one["joules"], label)
        agree(row["latency"], one["seconds"], label)
        same(row["mark"], one["weakest_evidence"], label)
        agree(row["ratio"], one["ratio_to_first"], label)


def check_run(row, run, first):
    label, per, time, totals, energy, used = (run["label"], run["samples"], run["time_per_inference"], run["totals"],
                                              run["energy_per_inference"], run["used"])
    others = [energy[key] for key in OTHERS]
    check_ratio(row["ratio"], run, first, label)
    if row["other"] == "not priced":
        require(not any(others), f"{label}: {row['other']}")
    else:
        agree(row["other"], sum(joules or 0 for joules in others), label)
    same((row["cores"], row["chips"], row["mark"]), (str(used["cores"]), str(used["chips"]), run["weakest_evidence"]), label)
    if row["in use"] != "-":
        agree(row["in use"], used["utilisation"], label)
    for column, value in (("energy", energy["total_priced_j"]), ("dynamic", energy["dynamic_j"]), ("latency", time["latency_s"]),
                          ("on chip", run["synaptic_work"]["on_chip"]), ("priced", run["synaptic_work"]["priced"]),
                          ("step", time["step_s"]), ("inferences/s", time["inferences_per_s"]), ("packets", totals["packets"] / per),
                          ("hops", totals["hops"] / per), ("events", totals["synaptic_events"] / per)):
        if column in row:  # details
            agree(row[column], value, (label, column))


def check_several(text, runs, page, dense=()):
    categories = {row["run"]: row for row in tables_of(page["categories"])[-1]}
    for rows, outcomes in ((table(text, "Energy per inference, run by run"), table(text, "Break-even")),
                           (tables_of(page["energy"])[-1], tables_of(page["break-even"])[0])):
        found = {row["run"]: row for row in rows}
        same(set(found), {run["label"] for run in runs} | {label for label, _ in dense}, "rows of the table")
        check_dense(found, dense)
        told = {row["run"]: row for row in outcomes}
        for run in runs:
            check_run(found[run["label"]], run, runs[0])
            for word in ("wins", "loses", "undecided", "not applicable"):
                ids = [verdict["id"] for verdict in run["break_even"]["verdicts"] if verdict["verdict"] == word]
                same("".join(told[run["label"]][word].split()).strip("-"), f"{len(ids)}:{','.join(ids)}" if ids else "", (run["label"], word))
    verdicts = {row["run"]: cells_of(row)[1:] for row in tables_of(page["break-even"])[-1]}
    for run in runs:
        label, energy = run["label"], run["energy_per_inference"]
        for category, cell in list(categories[label].items())[1:]:
            other = {"moving": "reload_j"}.get(category, category + "_j")
            value = energy[other] if other in energy else energy["by_category_j"].get(category, 0)
            agree(cell, value, (label, category))
        for cell, verdict in zip(verdicts[label], run["break_even"]["verdicts"]):
            word, _, rest = cell.partition(": ")
            measured, _, limit = rest.partition(" against ")
            check_verdict_rows([(verdict["id"] + (f", {verdict['against']}" if verdict.get("against") else ""), measured or None,
                                 limit or None, word)], [verdict], label)
    least = min(runs, key=lambda run: run["energy_per_inference"]["total_priced_j"])["label"]
    for where in (words(text), words(plain(page["top"]))):
        require(f"least energy per inference: {least}, " in where, f"the verdict does not name {least}")
    for body in (words(plain(page["unpriced"])), words(text)):
        for run in runs:
            for term in run["unpriced"]:
                require("".join(term.split()) in "".join(body.split()) or body is not words(text), f"{run['label']}: {term}")
    rows = [{row["work"]: row["left out by"] for row in rows} for rows in (table(text, "What has no price"), tables_of(page["unpriced"])[-1])]
    require(set(map(lambda one: "".join(one.split()), rows[0])) == set(map(lambda one: "".join(one.split()), rows[1])), "what has no price")
