"""The 14 lines `run` says without --full, against report.json."""
import re

from figures_of_energy import schemes_of
from shown import agree, close, require, same, words


def rows_of(text, report):
    """The rows below "energy" and "best", as entries of the report; their figures checked."""
    entries, found = schemes_of(report), []
    for name, inside, energy, ratio in re.findall(r"^(?:energy|best)? +(\w+) \(([^()]*)\) +([\d.]+ .?J)(?: +(\S+x))?$", text, re.M):
        *form, precision, evidence = inside.split(", ")
        entry = entries.get((name, form[0] if form else "-", precision))
        require(entry, f"{name} ({inside}) is priced nowhere")
        same(evidence, entry["evidence"], name)
        agree(energy, entry["per_sample_nJ"] * 1e-9, name)
        found.append((entry, ratio))
    return found


def check_head(text, report, rows):
    """ "WINS: 0.246x the dense energy at equal precision, 0.240x best against best" """
    duels = [(rows[i], rows[i + 1]) for i in range(0, len(rows) - 1, 2)]
    head = words(text.split("\naccuracy")[0].split("\nscore")[0])
    ratios = re.findall(r" (\S+x) the dense energy at equal precision, (\S+x) best against best", head)
    if not duels:
        require(not ratios, f"ratios of nothing: {head}")
        return
    for ((spiking, ratio), (dense, none)) in duels:
        same(none, "", "ratio of the dense row")
        if ratio:
            agree(ratio, spiking["per_sample_nJ"] / dense["per_sample_nJ"], "ratio")
    for cells in ratios:
        for cell, ((spiking, _), (dense, _)) in zip(cells, (duels[0], duels[-1])):
            agree(cell, spiking["per_sample_nJ"] / dense["per_sample_nJ"], head)
    same(re.match(r" (\w+)", head)[1], re.match(r"(\w+)", report["verdict"][0])[1], "who wins")
    for share in re.findall(r"(\S+ %) of the work priced", head):
        close(float(share[:-2]), round(100 * min(entry["priced_share"] for entry, _ in rows), 2), head)


def check_summary(text, report):
    run, samples = report["run"], report["run"]["samples"]
    check_head(text, report, rows_of(text, report))
    totals, dense = report["counts"][run["form"]]["totals"], report["counts"]["dense_same"]["totals"]
    rate, additions, macs, one_pass = re.search(
        r"^work +rate (\S+ %); per sample (\S+(?: [MGT])?) AC \+ (\S+(?: [MGT])?) MAC, dense (\S+(?: [MGT])?) MAC$", text, re.M).groups()
    agree(rate, run["mean_rate"], "rate")
    agree(additions, (totals["event_adds"] + totals["kv_k_gated_adds"] + totals["qkv_q_gated_adds"]) / samples, "AC")
    softmax = sum(a["dense_macs_kv"] + a["dense_macs_qkv"] for a in report["counts"][run["form"]]["attention"] if a["kind"] == "softmax")
    agree(macs, (totals["stem_macs"] + totals["real_macs_without_stem"] + softmax) / samples, "MAC")
    agree(one_pass, (dense["dense_macs"] + dense["dense_macs_attention"]) / samples, "dense MAC")
    known = report["accuracy_counts"]
    if "language" in report:
        bits, unit = re.search(r"^score +(\S+) bits per (character|token)", text, re.M).groups()
        agree(bits, report["language"][f"bits_per_{unit}"], "score")
    elif known["known"]:
        share, correct, total = re.search(r"^accuracy +(\S+ %) \((\d+) of (\d+)\)", text, re.M).groups()
        agree(share, report["accuracy"], "accuracy")
        same((int(correct), int(total)), (known["correct"], known["total"]), "accuracy")
    else:
        require(re.search(r"^accuracy +not known", text, re.M), "accuracy")
    twin = re.search(r"dense twin (\S+ %) \((\d+) of (\d+)\)", text)
    if twin:
        agree(twin[1], report["dense_twin"]["accuracy"], "accuracy of the dense twin")
        same((int(twin[2]), int(twin[3])), (report["dense_twin"]["correct"], report["dense_twin"]["total"]), "dense twin")
    line = re.search(r"^unpriced +(.*?) of the synaptic work(.*)$", text, re.M)
    left = 1 - report["energy"]["as_built"]["priced_share"]
    require(line[1] == "nothing" if left <= 0 else True, f"unpriced: {line[0]}")
    if left > 0:
        agree(line[1], left, "unpriced")
    terms = [term for term in report["unpriced"] if term["count"] > 0]
    told = re.findall(r", (\S+(?: [MGT])?) (.*?)(?=, \d| \+ \d|$)", line[2])
    for (count, what), term in zip(told, terms):
        require(term["text"].startswith(what), f"unpriced: {what}, expected {term['text']}")
        agree(count, term["count"] / samples, what)
    more = re.search(r" \+ (\d+) more$", line[2])
    same(len(told) + (int(more[1]) if more else 0), len(terms), "terms without a price")
    hardware = report["energy"]["hardware"]
    chip = re.search(r"^chip +(\S+): (\S+ .?J) per sample, (\S+ %) of the work priced$", text, re.M)
    require((chip is not None) == (hardware is not None), "the chip")
    if chip:
        same(chip[1], hardware["chip"], "the chip")
        agree(chip[2], hardware["per_sample_nJ"] * 1e-9, "the chip")
        agree(chip[3], hardware["priced_share"], "the chip")
    require(f"\nsignature {report['signature']} ({run['form']}, {run['precision']}, {samples} samples x {run['steps']} steps)\n" in text,
            "signature")
    require(not report["warnings"] or f"({len(report['warnings'])} warning" in text, "warnings")
