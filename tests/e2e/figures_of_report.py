"""A report against itself: the table `run` printed, report.json, report.csv and the page of `inspect --html`.

Each figure that is shown is held against the unrounded one of the JSON; one that stands nowhere in the JSON is a fault, as is a
row of the JSON that table or page leave out.
"""
import re

import shown
from figures_of_chip import check_hardware
from figures_of_energy import check_csv, check_energies, label_of, schemes_of
from shown import agree, cells_of, close, plain, require, same, shows, tables_of, words

OPERATIONS = {"dense MACs of the layers, all steps": "dense_macs", "dense MACs of attention, all steps": "dense_macs_attention",
              "exact additions (spike deliveries)": "event_adds", "additions estimated from rates": "rate_adds",
              "MACs of the stem, at every step": "stem_macs", "MACs of the stem, once": "stem_macs_once",
              "MACs of other real operands": "real_macs_without_stem", "attention K^T V, gated by K": "kv_k_gated_adds",
              "attention K^T V, coincidences": "kv_coincidences", "attention Q(K^T V), gated by Q": "qkv_q_gated_adds",
              "neuron updates": "neuron_updates", "spikes": "spikes"}

def check_verdict(text, report, page):
    lines = report["verdict"]
    said = words(text)
    for line in [lines[0], lines[1], lines[3]]:
        require(words(line) in said, f"not in the table: {line}")
    body = words(plain(page["top"]))
    for line in lines:
        require(words(line) in body, f"not on the page: {line}")
    entries = schemes_of(report)
    for line in lines:
        for name, inside, energy in re.findall(r"(\w+) \(([^()]*)\)(?: cost| what ran,)? ([\d.]+ .?J)", line):
            *form, precision, evidence = inside.split(", ")
            entry = entries.get((name, form[0] if form else "-", precision))
            require(entry, f"{name} ({inside}) of the verdict is priced nowhere: {line}")
            same(entry["evidence"], evidence, line)
            agree(energy, entry["per_sample_nJ"] * 1e-9, line)
        for share in re.findall(r"([\d.]+ %) of the synaptic work", line):
            require(any(shows(share, e["priced_share"]) for e in entries.values()), line)


def check_run_lines(text, report, page):
    run, counts = report["run"], report["counts"][report["run"]["form"]]
    said = words(text)

    def find(pattern):
        found = re.search(pattern, said)
        require(found, f"not in the table: {pattern}")
        return found.groups()
    same(find(r"(\d+) samples x (\d+) steps: form (\w+), (\w+),"), (str(run["samples"]), str(run["steps"]), run["form"], run["precision"]), "run")
    same(find(r" signature (\w{16}): "), (report["signature"],), "signature")
    rate, spikes, updates = find(r"mean firing rate ([\d.]+ %): (\d+) spikes in (\d+) neuron updates;")
    agree(rate, run["mean_rate"], "mean rate")
    same((int(spikes), int(updates)), (run["spikes"], run["neuron_updates"]), "spikes")
    same((run["spikes"], run["neuron_updates"]), (counts["totals"]["spikes"], counts["totals"]["neuron_updates"]), "spikes")
    close(run["mean_rate"] * run["neuron_updates"], run["spikes"], "mean rate")
    if counts["neurons"]:
        low, lowest, high, highest = find(r"lowest ([\d.]+ %) (\S+), highest ([\d.]+ %) (\S+)")
        rates = {n["name"]: n["rate"] for n in counts["neurons"]}
        for said_rate, name, expected in ((low, lowest, min(rates.values())), (high, highest, max(rates.values()))):
            close(rates[name], expected, name)
            agree(said_rate, expected, name)
    agree(find(r" memory ([\d.]+) MB at most")[0], report["provenance"]["peak_memory_bytes"] / 1e6, "memory")
    facts = shown.facts_of(page["top"])
    same(facts["signature"][0], report["signature"], "signature of the page")
    agree(facts["mean firing rate"][0], run["mean_rate"], "mean rate of the page")
    for name, (value, note) in facts.items():
        line = f"{name} {value}" + (f": {note}" if note else "")
        require(words(line).replace("×", "x") in said, f"not in the table: {line}")
    for who, key in (("accuracy", report), ("dense twin", report["dense_twin"])):
        if who in facts and "language" not in report:
            agree(facts[who][0], key["accuracy"], who)
    known = report["accuracy_counts"]
    if known["known"]:
        share, correct, total = find(r" accuracy ([\d.]+ %): (\d+) of (\d+)")
        same((int(correct), int(total)), (known["correct"], known["total"]), "accuracy")
        agree(share, report["accuracy"], "accuracy")
        close(report["accuracy"], known["correct"] / known["total"], "accuracy")
        require(f"spiking {share} ({correct} of {total})" in report["verdict"][2], "accuracy of the verdict")
    for warning in report["warnings"]:
        require(words("warning: " + warning) in said and words(warning) in words(plain(page["top"])), warning)


def check_texts(text, report):
    """What is told word for word."""
    said, provenance = words(text), report["provenance"]
    for line in (f"data {report['dataset']} ", ": " + provenance["weights_text"], f", {provenance['threads']} threads, "
                 f"{provenance['schedule']} ", f"({provenance['simd']})", f"; from {provenance['rate_source']} ",
                 *(f"WHAT IF: {change}" for change in report["what_if"]),
                 *(f"{name}: {entry['description']}" for name, entry in report["energy"].items()
                   if isinstance(entry, dict) and "description" in entry)):
        require(words(line).strip() in said, f"not in the table: {line}")
    for entry in schemes_of(report).values():
        if entry["scheme"] not in ("hardware", "dense_twin") and label_of(entry) == "fp32" and "description" not in entry:
            require(words(entry["formula"]) in said, f"not in the table: {entry['formula']}")


def check_precision(text, report):
    precision, said = report["provenance"]["precision"], words(text)
    same(precision["name"], report["run"]["precision"], "precision")
    found = re.search(r" precision (\w+): (\d+) layers with rounded weights, relative error at most (\S+ %);", said)
    require(bool(found) == bool(precision["layers"]), "the line about precision")
    if found:
        same((found[1], int(found[2])), (precision["name"], len(precision["layers"])), "precision")
        agree(found[3], max(layer["relative_error"] for layer in precision["layers"]), "relative error")


def check_operations(text, report, page):
    samples, form = report["run"]["samples"], report["run"]["form"]
    forms = {name + (" (ran)" if name == form else ""): name for name in ("as_written", "fused") if report["counts"][name]}
    for rows in (shown.table(text, "Operations per sample"), tables_of(page["totals"])[-1]):
        for row in rows:
            name, *figures = cells_of(row)
            same(list(row)[1:], list(forms), "forms")
            for figure, its_form in zip(figures, forms.values()):
                totals = report["counts"][its_form]["totals"]
                value = totals["weights"] if name == "synaptic weights stored" else totals[OPERATIONS[name]] / samples
                agree(figure, value, (name, its_form))
        same({cells_of(row)[0] for row in rows}, {*OPERATIONS, "synaptic weights stored"}, "operations")
    counts = report["counts"][form]
    layers = {layer["name"]: layer for layer in counts["layers"]}
    products = {f"{a['name']} {what}": (a, part, adds) for a in counts["attention"]
                for what, part, adds in (("K^T V", "kv", "kv_k_gated_adds"), ("Q(K^T V)", "qkv", "qkv_q_gated_adds"))}
    once = {layer["name"]: layer["dense_macs"] for layer in report["counts"]["dense_same"]["layers"]}
    table = tables_of(page["operations"])[-1]
    same([row["layer"] for row in table], [*layers, *products], "layers of the page")
    for row in table:
        if row["layer"] in layers:
            layer = layers[row["layer"]]
            adds, macs, dense = (layer[key] for key in ("event_adds", "real_macs", "dense_macs"))
            agree(row["weights"], layer["weights"], row)
            spikes = layer["operand"] == "spikes"
        else:
            product, part, name = products[row["layer"]]
            spikes, adds, dense = product["kind"] == "spiking", product[name], product["dense_macs_" + part]
            macs = dense
        agree(row["AC"], adds / samples if spikes else None, row)
        agree(row["MAC"], None if spikes else macs / samples, row)
        agree(row["MAC, dense at all steps"], dense / samples, row)
        if row["layer"] in once:
            agree(row["MAC, one dense pass"], once[row["layer"]] / report["counts"]["dense_same"]["samples"], row)


def check_rates_page(page, report):
    counts = report["counts"][report["run"]["form"]]
    if not counts["neurons"]:
        return
    table = {row["layer"]: row for row in tables_of(page["rates"])[-1]}
    for one in counts["neurons"]:
        row = table.pop(one["name"])
        agree(row["rate"], one["rate"], row)
        for column in ("spikes", "neurons"):
            if column in row:
                agree(row[column], one[column], row)


def check_memory(text, report, page):
    samples, expected = report["run"]["samples"], {}
    for bound in report["memory_traffic"]["bounds"]:
        for line in bound["lines"]:
            expected[bound["scheme"], bound["form"], bound["precision"], str(line["bits"]), line["what"]] = line
    for table in (shown.table(text, "Memory traffic: bounds"), tables_of(page["memory"])[-1]):
        keys = [(row["scheme"], row["form"], row["precision"], row["bits"], row["traffic"]) for row in table]
        same(sorted(keys), sorted(expected), "memory traffic")
        for key, row in zip(keys, table):
            for cell, value in (("accesses", "accesses"), ("lowest", "low_pJ"), ("highest", "high_pJ")):
                agree(row[cell], expected[key][value] / samples * (1 if value == "accesses" else 1e-12), (key, cell))


def check_break_even(text, report, page):
    network, conditions = report["break_even"]["network"], {c["id"]: c for c in report["break_even"]["conditions"]}
    if not conditions:
        return
    for name, position, quantity, low, high in re.findall(
            r"(\w+) (below|above|inside) \((s|rate) (\d+(?:\.\d+)?)(?:\.\.([\d.]+))?", report["verdict"][3]):
        condition = conditions[name]
        same((position, quantity), (network["positions"][name], condition["quantity"]), name)
        agree(low, condition["low"], name)
        agree(high or low, condition["high"], name)
    agree(re.search(r"form: ([\d.e-]+) spikes per", report["verdict"][3])[1], network["s"], "s")
    agree(re.search(r"mean rate ([\d.]+ %)", report["verdict"][3])[1], network["rate"], "rate")
    close(network["rate"], report["run"]["mean_rate"], "mean rate")
    for table in (shown.table(text, "Published break-even conditions"), tables_of(page["break-even"])[-1]):
        same([row["condition"] for row in table], list(conditions), "conditions")
        for row in table:
            condition = conditions[row["condition"]]
            same((row["position"], row["source"]), (network["positions"][row["condition"]], condition["source"]), row)
            low, _, high = row["limit"].partition(" to ")
            agree(low, condition["low"], row)
            agree(high or low, condition["high"], row)
    agree(re.search(r"s = (\S+) spikes", plain(page["break-even"]))[1], network["s"], "s of the page")


def check_unpriced(text, report, page):
    """Every term of every scheme: named where it is left out, with its count."""
    samples, forms, expected = report["run"]["samples"], {}, {}
    for entry in schemes_of(report).values():
        forms.setdefault(entry["scheme"], set()).add(entry["form"])
        for term in entry["unpriced"]:
            expected.setdefault((term["text"], term.get("count")), {}).setdefault(entry["scheme"], set()).add(entry["form"])
    for rows in (shown.table(text, "What no price stands for"), tables_of(page["unpriced"])[-1]):
        told = {}
        for row in rows:
            for (name, count), schemes in expected.items():
                each = None if count is None else count / samples
                if name == row["left out"] and (row["per sample"] == "-" if count is None else shows(row["per sample"], each)):
                    told[name, count] = row
                    same(sorted(row["schemes"].split(", ")), sorted(scheme if mine == forms[scheme] else " ".join([scheme, *mine])
                                                                    for scheme, mine in schemes.items()), name)
                    agree(row.get("operations of the run", "-"), count if "operations of the run" in row else None, name)
        same((set(told), len(rows)), (set(expected), len(expected)), "what is left out")


def check_language(text, report, page):
    if "language" not in report:
        return
    language, body = report["language"], words(text)
    nats, bits, tokens = re.search(r"cross-entropy (\S+) nats = (\S+) bits per token over (\d+)", body).groups()
    agree(nats, language["nats_per_token"], "nats")
    agree(bits, language["bits_per_token"], "bits")
    same(int(tokens), language["tokens"], "predictions")
    scores, *rest = tables_of(page["language"])
    agree(scores[0]["bits per token"], language["bits_per_token"], "bits of the page")
    agree(scores[0]["predictions"], language["tokens"], "predictions of the page")
    for cell in ("bits per character", "bits per byte"):
        agree(scores[0][cell], language[cell.replace(" ", "_")], cell)
    if "language_energy" not in report:
        require(not rest and "\nEnergy per token" not in text, "energies per token")
        return
    rows = {(row["scheme"], label_of(row)): row for row in report["language_energy"]["per_token"]}
    said = shown.table("\n" + text[text.index("\nEnergy per token"):].replace("Energy per token", "ENERGY PER TOKEN"), "Energy per token")
    for found in (said, rest[0]):
        same([tuple(cells_of(row)[:2]) for row in found], list(rows), "energies per token")
        for row, key in zip(found, rows):
            evidence, whole, less, without, less_without = cells_of(row)[2:]
            row = rows[key]
            same(evidence, row["evidence"], key)
            for cell, value in ((whole, row["with_head_nJ"] * 1e-9), (without, row["without_head_nJ"] * 1e-9),
                                (less.removeprefix("1/"), row["times_less_with_head"]),
                                (less_without.removeprefix("1/"), row["times_less_without_head"])):
                agree(cell, value, key)
    claim = report["language_energy"]["published"]
    told = (rf"is {re.escape(claim['formula'])} with R = {claim['R']:.2f}, d = {claim['d']}, {claim['E_MAC_pJ']} and "
            rf"{claim['E_AC_pJ']} pJ")
    for where in (body, words(plain(page["language"]))):
        factor = re.search(r"The published 1/(\S+) " + told, where)
        require(factor, f"not there: {told}")
        agree(factor[1], claim["ratio"], "the published factor")
    for assumption in claim["assumptions"]:
        require(words("- " + assumption) in body and words(assumption) in words(plain(page["language"])), assumption)
    entries = schemes_of(report)
    for (scheme, precision), row in rows.items():
        entry = next(e for (s, _, p), e in entries.items() if (s, p) == (scheme, precision))
        close(row["with_head_nJ"], entry["per_sample_nJ"], (scheme, precision, "per token and per sample"))


def check_lmu(text, report, page):
    samples = report["run"]["samples"]
    forms = report.get("lmu_memory", [])
    for rows in (shown.table(text, "Legendre memory per sample"), tables_of(page["lmu"])[-1]) if forms else ():
        for cost, row in zip(forms, map(cells_of, rows), strict=True):
            same(row[0], cost["form"] + (" (ran)" if cost["executed"] else ""), "form of the memory")
            for cell, value in zip(row[1:], (cost["additions"] / samples, cost["macs"] / samples, cost["fp32_pJ"] * 1e-12 / samples,
                                             cost["int8_pJ"] * 1e-12 / samples, cost["stored_values"])):
                agree(cell, value, row)


def check_neurobench(text, report):
    harness = report["neurobench"]
    if harness is None:
        require("\nNEUROBENCH, PER SAMPLE" not in text, "NeuroBench was not counted")
        return
    found = re.search(r"NEUROBENCH, PER SAMPLE (.+?) ACs and (.+?) MACs effective of (.+?) dense; with attention (.+?) ACs; (.+?) "
                      r"membrane updates; activation sparsity (\S+ %); connection sparsity (\S+ %); footprint (\d+) bytes", words(text))
    operations, totals = harness["SynapticOperations"], report["counts"][report["run"]["form"]]["totals"]
    attention = (totals["kv_k_gated_adds"] + totals["qkv_q_gated_adds"]) / report["run"]["samples"]
    for cell, value in zip(found.groups(), (
            operations["Effective_ACs"], operations["Effective_MACs"], operations["Dense"],
            operations["Effective_ACs"] + attention, harness["MembraneUpdates"],
            harness["ActivationSparsity"], harness["ConnectionSparsity"], harness["Footprint"])):
        agree(cell, value, "NeuroBench")
    close(harness["ActivationSparsity"], 1 - report["run"]["mean_rate"], "activation sparsity")


def check_report(text, report, rows, page):
    check_verdict(text, report, page)
    check_run_lines(text, report, page)
    check_texts(text, report)
    check_precision(text, report)
    check_hardware(text, report)
    check_energies(text, report, page)
    check_csv(rows, report)
    check_operations(text, report, page)
    check_rates_page(page, report)
    check_memory(text, report, page)
    check_break_even(text, report, page)
    check_unpriced(text, report, page)
    check_language(text, report, page)
    check_lmu(text, report, page)
    check_neurobench(text, report)
