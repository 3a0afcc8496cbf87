#!/usr/bin/env python3
"""summary.py FILE.json...: what `spikeloom bench kernels --json` and `bench nets --json` measured, as the Markdown tables of
README.md: speed against oneDNN fp32 by firing rate, networks, and the targets of the engine. Ratios are medians of one run,
without the neuron behind the layer, of independent spikes; where several layers, numbers of steps or, against the engine's
own dense path, patterns belong to a target, the worst one counts. Exit code 1 when a target is missed."""
import json
import sys

LINEAR = ("linear:784x360x1440", "linear:784x360x360", "linear:128x256x512")
WIDE_LINEAR = ("linear:784x1440x360",)
CONV = ("conv3x3:128x512@28", "conv3x3:256x256@14")
REAL = ("real-linear:784x360x1440", "real-conv1x1:256x128@28")
EVERY = (*LINEAR, *WIDE_LINEAR, *CONV, "conv3x3:32x128@112", "conv1x1:64x128@56", "conv1x1:360x360@14", "depthwise7x7:128@56")
ANY = None

# What, layers, firing rate in %, precision and path, contender, must, aim.
KERNELS = [
    ("linear, 10 %", LINEAR, 10, "fp32 event", "oneDNN f32", 4, 5),
    ("linear, 10 %", LINEAR, 10, "acc16 event", "oneDNN f32", 8, 10),
    ("linear, 10 %", LINEAR, 10, "int8 event", "oneDNN f32", 10, 13),
    ("linear, fan-in 1440, 10 %", WIDE_LINEAR, 10, "fp32 event", "oneDNN f32", 3.2, 4),
    ("linear, fan-in 1440, 10 %", WIDE_LINEAR, 10, "acc16 event", "oneDNN f32", 6.4, 8),
    ("linear, fan-in 1440, 10 %", WIDE_LINEAR, 10, "int8 event", "oneDNN f32", 8, 10.4),
    ("linear, 20 %", LINEAR, 20, "fp32 event", "oneDNN f32", 2.3, 2.9),
    ("linear, 20 %", LINEAR, 20, "acc16 event", "oneDNN f32", 4.5, 5.7),
    ("linear, 20 %", LINEAR, 20, "int8 event", "oneDNN f32", 5.5, 7),
    ("conv 3x3, 10 %", CONV, 10, "fp32 event", "oneDNN f32", 2.8, 4),
    ("conv 3x3, 10 %", CONV, 10, "acc16 event", "oneDNN f32", 5, 8),
    ("conv 3x3, 10 %", CONV, 10, "int8 event", "oneDNN f32", 8, 12.5),
    ("conv 3x3, 20 %", CONV, 20, "fp32 event", "oneDNN f32", 1.5, 2.1),
    ("conv 3x3, 20 %", CONV, 20, "acc16 event", "oneDNN f32", 2.6, 4),
    ("conv 3x3, 20 %", CONV, 20, "int8 event", "oneDNN f32", 4.5, 6.5),
    ("linear and conv 3x3, 10 %", (*LINEAR, *CONV), 10, "int8 event", "oneDNN int8", 2, 3.2),
    ("linear, fan-out below 1024, any rate", LINEAR[1:], ANY, "acc16 event", "oneDNN f32", 5, 8),
    ("linear, fan-out below 1024, any rate", LINEAR[1:], ANY, "acc16 event", "oneDNN int8", 1.25, 2),
    ("depthwise 7x7, any rate", ("depthwise7x7:128@56",), ANY, "fp32 event", "oneDNN f32", 1.4, 2.3),
    ("depthwise 7x7, any rate", ("depthwise7x7:128@56",), ANY, "acc16 event", "oneDNN f32", 4, 5.8),
    ("binary attention, 10 %", ("attention:196x8x45", "attention:196x8x64"), 10, "fp32 event", "oneDNN f32", 6, 8),
    ("linear and 1x1, real operand", REAL, ANY, "fp32 dense", "oneDNN f32", 0.85, 1),
    *(("any layer, any rate", EVERY, ANY, f"{p} event", f"{p} dense", 0.95, 1) for p in ("fp32", "acc16", "int8")),
]
# What, network, firing rate in %, threads, precision, must, aim; the fastest form counts.
NETS = [
    ("Meta-SpikeFormer 15M, 10 %", "meta15m", 10, ANY, ("fp32",), 4.5, 6),
    ("Meta-SpikeFormer 15M, 10 %", "meta15m", 10, ANY, ("acc16", "int8"), 9, 13),
    ("Meta-SpikeFormer 15M, 25 %", "meta15m", 25, ANY, ("fp32",), 2.5, 3.2),
    ("Meta-SpikeFormer 15M, 25 %", "meta15m", 25, ANY, ("acc16", "int8"), 6, 9),
    ("SpikeGPT 216M, 2 threads", "spikegpt216m", ANY, 2, ("fp32",), 1.3, 1.8),
    ("SpikeGPT 216M, 2 threads", "spikegpt216m", ANY, 2, ("bf16",), 2.2, 3.5),
    ("SpikeGPT 216M, 2 threads", "spikegpt216m", ANY, 2, ("int8",), 4.5, 7),
    ("LMUFormer, up to 20 %, 1 thread", "lmuformer", (10, 20), 1, ("fp32",), 25, 50),
]


def medians(case):
    return {one["name"]: one["median_s"] for one in case["contenders"]}


def at_rate(case, rate):
    """A rate in %, several, or any."""
    return rate is ANY or any(abs(100 * case["rate_asked"] - one) < 1e-6 for one in (rate if isinstance(rate, tuple) else (rate,)))


def kernel_ratios(cases, layers, rate, path, contender):
    for case in cases:
        times = medians(case)
        if case["layer"] in layers and path in times and contender in times and (
                case["operand"] == "real" or at_rate(case, rate)) and (
                case["pattern"] == "independent" or contender.endswith(" dense")):
            whole = "" if case["pattern"] == "independent" else f", {case['pattern']}"
            yield times[contender] / times[path], f"{case['layer']}, T {case['steps']}, {100 * case['rate']:.0f} %{whole}"


def net_ratios(cases, net, rate, threads, precisions):
    for case in cases:
        times = medians(case)
        mine = [seconds for name, seconds in times.items() if name.split()[0] in precisions]
        if case["net"] == net and at_rate(case, rate) and threads in (ANY, case["threads"]) and mine and "PyTorch" in times:
            yield times["PyTorch"] / min(mine), f"{case['threads']} threads"


def scaling(cases):
    """How many times faster two threads are than one, for each network and rate; its fastest form and precision."""
    best = {(c["net"], c["rate_asked"], c["threads"]): min(s for n, s in medians(c).items() if n != "PyTorch") for c in cases}
    for (net, rate, threads), seconds in best.items():
        if threads == 2 and net.startswith("meta") and (net, rate, 1) in best:
            yield best[net, rate, 1] / seconds, f"{net}, {100 * rate:.0f} %"


def memory(cases):
    """How often the most memory that an image network may take, 1.2 times its weights and two layers' values, holds what it takes."""
    for case in cases:
        for name, memory in case["memory"].items():
            if case["net"].startswith("meta") and name == "fp32 as_written":
                most = 1.2 * memory["weights_bytes"] + memory["two_layers_bytes"]
                yield most / memory["peak_bytes"], f"{case['net']}, {memory['peak_bytes'] / 1e6:.0f} of {most / 1e6:.0f} MB"


def neurons(cases, layer):
    for case in cases:
        if case["layer"] == layer:
            yield (case["neuron_steps"] / (case["contenders"][0]["median_s"] * case["clock_hz"]),
                   f"{case['layer']}, T {case['steps']}")


def row(what, engine, against, found, must, aim):
    found = sorted(found)
    if not found:
        return None
    worst, where = found[0]
    verdict = "missed" if worst < must else "met" if worst < aim else "beyond"
    print(f"| {what} | {engine} | {against} | {must:g} / {aim:g} | {worst:.2f} .. {found[-1][0]:.2f} | {where} | {verdict} |")
    return verdict


def print_speed(kernels, steps):
    """How many times faster than oneDNN fp32 by firing rate, and additions per clock at 10 %, for independent spikes."""
    cases = [case for case in kernels if case["operand"] == "spikes" and case["pattern"] == "independent" and
             case["threads"] == 1 and (case["steps"] == steps or case["layer"].startswith("lmu:"))]
    rates = sorted({case["rate_asked"] for case in cases})
    print(f"| layer, T = {steps} | | " + " | ".join(f"{100 * rate:.0f} %" for rate in rates) + " | additions/clk at 10 % |")
    print("|---" * (len(rates) + 3) + "|")
    for layer in dict.fromkeys(case["layer"] for case in cases):
        mine = {case["rate_asked"]: case for case in cases if case["layer"] == layer}
        for path in [name for name in medians(next(iter(mine.values()))) if name.endswith((" event", "bf16", "int8"))]:
            times = {rate: medians(case) for rate, case in mine.items()}
            cells = [f"{times[rate]['oneDNN f32'] / times[rate][path]:.1f}" if rate in times else "" for rate in rates]
            case, adds = mine.get(0.1), ""
            if case and path.endswith(" event"):
                adds = f"{case['additions'] / (medians(case)[path] * case['clock_hz']):.1f}"
            print(f"| {layer} | {path} | {' | '.join(cells)} | {adds} |")
    print()


def print_nets(nets):
    print("| network | firing | threads | | ms | PyTorch ms | faster (by best rounds) |\n|---|---|---|---|---|---|---|")
    for case in nets:
        best = {one["name"]: one["best_s"] for one in case["contenders"]}
        times = medians(case)
        theirs = times.get("PyTorch")
        for name in times:
            if name != "PyTorch":
                faster = f"{theirs / times[name]:.1f} ({best['PyTorch'] / best[name]:.1f})" if theirs else ""
                print(f"| {case['net']} | {100 * case['rate']:.0f} % | {case['threads']} | {name} | {1e3 * times[name]:.3g} | "
                      f"{f'{1e3 * theirs:.3g}' if theirs else ''} | {faster} |")
    print()


def main():
    runs = []
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            runs.append(json.load(file))
        machine = runs[-1]["machine"]
        print(f"{runs[-1]['kind']}: {machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f} at the start; "
              f"{machine['backend']}; compiler {machine['compiler']}; {runs[-1]['rounds']} rounds\n")
    kernels, nets = ([case for run in runs if run["kind"] == kind for case in run["cases"]] for kind in ("kernels", "nets"))
    if kernels and any(one["name"] == "oneDNN f32" for one in kernels[0]["contenders"]):
        print_speed(kernels, max(case["steps"] for case in kernels if not case["layer"].startswith("lmu:")))
    if nets:
        print_nets(nets)
    print("| | engine | against | must / aim | measured, worst .. best | worst at | |\n|---|---|---|---|---|---|---|")
    verdicts = [row(what, path, other, kernel_ratios(kernels, layers, rate, path, other), must, aim)
                for what, layers, rate, path, other, must, aim in KERNELS]
    for layer in ("lif:16x1440", "lif:784x1440"):  # in the second cache, and beyond
        verdicts.append(row(f"neurons alone, {layer}", "fp32", "neuron-steps per clock", neurons(kernels, layer), 3, 4.5))
    verdicts += [row(what, " or ".join(precisions), "PyTorch", net_ratios(nets, net, rate, threads, precisions), must, aim)
                 for what, net, rate, threads, precisions, must, aim in NETS]
    verdicts.append(row("memory", "fp32 as_written", "1.2 x weights + two layers", memory(nets), 1, 1))
    verdicts.append(row("two threads", "fastest form", "one thread", scaling(nets), 1.8, 1.95))
    sys.exit("missed" in verdicts)


if __name__ == "__main__":
    main()
