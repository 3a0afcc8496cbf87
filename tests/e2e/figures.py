#!/usr/bin/env python3
"""What a run says in one place it says in all: every figure of the printed table, report.json, report.csv and the pages.

usage: figures.py PROGRAM SOURCE_DIR [NAME-PART...]. Small networks of every family run; then what `run`, `compare`, `chip`,
`stream`, `generate` and `inspect` show is read as a user would read it, and held against the unrounded figures of the JSON
beside it.
"""
import csv
import json
import os
import re
import subprocess
import sys
import tempfile

import figures_of_chip
import fixtures
import shown
from figures_of_commands import check_compare, check_generate, check_inspect, check_stream
from figures_of_report import check_report
from figures_of_summary import check_summary
from shown import require

HERE = os.path.dirname(os.path.abspath(__file__))


class Network:
    """One experiment with its outputs, in a folder of its own."""

    def __init__(self, program, source, folder, name, toml, data, options):
        self.program, self.source, self.folder, self.name, self.options = program, source, folder, name, options
        os.makedirs(folder)
        for line in data:
            fixtures.make(folder, line.split())
        with open(os.path.join(folder, "net.toml"), "w", encoding="utf-8") as file:
            file.write(toml)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def say(self, *arguments):
        done = subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        require(done.returncode == 0 and not done.stderr, f"{arguments}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def read(self, *parts):
        with open(self.path(*parts), encoding="utf-8") as file:
            return file.read()

    def run(self, out, *options):
        """(printed table, report, rows of the CSV, sections of the page)"""
        words = ["run", "net.toml", *self.options, *options, "--set", f"output.dir={out}"]
        short = self.say(*words)
        check_summary(short, json.loads(self.read(out, "report.json")))
        text = self.say(*words, "--full")
        self.say("inspect", out, "--html", out + ".html")
        report = json.loads(self.read(out, "report.json"))
        with open(self.path(out, "report.csv"), newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return text, report, rows, shown.sections_of(self.read(out + ".html"))


TINY, LMU = ("tiny.toml", ["npy images.npy 3 1 32 32", "values labels.npy <i8 0 2 1"]), ("lmu.toml", ["npy x.npy 2 20 5"])
FRAMES = ["model.in_channels=5", 'dataset.kind="npy"', 'dataset.path="x.npy"', 'dataset.pattern=""', 'dataset.label_field=""']
TOKENS = ["tokens tokens.npy 77 3 20"]
MS_RESNET = """model = { family = "ms_resnet", widths = [4, 8, 16, 32], num_classes = 10, decay = 0.25 }
dataset = { kind = "npy", path = "rgb.npy" }"""
KWT = """model = { family = "kwt" }
dataset = { kind = "npy", path = "kwt.npy" }"""
TEXT = """model = {{ family = "{}", layers = 2, width = 32, vocabulary = 77 }}
dataset = {{ kind = "tokens", path = "tokens.npy" }}"""
# name: experiment (a file of this folder or text), data, keys of all runs, keys of each run, chip; the runs are compared.
NETWORKS = {
    "v2": (*TINY, ["dataset.labels=labels.npy"], [["report.neurobench=true"], ["run.form=fused", "run.precision=int8"],
                                                  ["run.precision=acc16"], ["what_if.drop_rate=0.1"]], True),
    "v2_events": ("tiny.toml", ["npy_events images.npy 5 3 1 32 32"], ["dataset.events=true"], [[], ["run.form=fused"]], True),
    "mnist": ("${source}/experiments/mnist.toml", [], ["dataset.limit=6"], [[], ["run.precision=int8"]], False),
    "lmuformer": (*LMU, FRAMES, [[], ["run.form=fused", "run.precision=int8"], ["model.memory=recurrent", "chip.unsupported=host"]], True),
    "lmuformer_dense": (*LMU, FRAMES, [["model.spiking=false"]], False),
    "spikegpt": (TEXT.format("spikegpt"), TOKENS, [], [[], ["run.precision=int8"], ["run.precision=bf16"]], False),
    "rwkv4": (TEXT.format("rwkv4"), TOKENS, [], [[], ["run.precision=int8"]], False),
    "gpt": (TEXT.format("gpt"), TOKENS, [], [[]], False),
    "kwt": (KWT, ["npy kwt.npy 2 98 40"], [], [[], ["run.form=fused"]], False),
    "ms_resnet": (MS_RESNET, ["npy rgb.npy 2 3 32 32"], [], [["chip.unsupported=host"],
                                                             ["chip.unsupported=host", "run.form=fused", "run.precision=int8"]], True),
}


def experiment(source, text):
    if "\n" in text:
        return text
    text = text.replace("${source}", source)
    with open(text if os.path.isabs(text) else os.path.join(HERE, text), encoding="utf-8") as file:
        # Paths of the sources' own files stand beside it.
        return re.sub(r'"((?:weights|samples)/)', rf'"{os.path.dirname(text)}/\1', file.read())


def check_network(network, runs, on_chip):
    reports = []
    for i, keys in enumerate(runs):
        options = [word for key in keys if on_chip or not key.startswith("chip.") for word in ("--set", key)]
        text, report, rows, page = network.run(f"run{i}", *options, *(["--chip", "loihi2"] if on_chip else []))
        check_report(text, report, rows, page)
        reports.append(report)
        if report["counts"][report["run"]["form"]]["neurons"]:
            check_inspect(network.say("inspect", f"run{i}"), json.loads(network.say("inspect", f"run{i}", "--json")), page, report)
    if len(runs) > 1:
        names = [f"run{i}" for i in range(len(runs))]
        network.say("compare", *names, "--html", "compared.html")
        check_compare(network.say("compare", *names), json.loads(network.say("compare", *names, "--json")),
                      shown.sections_of(network.read("compared.html")), reports)
        check_paper(list(csv.DictReader(network.say("compare", *names, "--csv").splitlines())), reports)
    check_energies(network, reports[0])
    if on_chip:
        check_chips(network, "run0", reports[0])


def check_paper(rows, reports):
    """The table of `compare --csv`: a row for each run, unrounded."""
    for row, report in zip(rows, reports, strict=True):
        run, counts = report["run"], report["counts"][report["run"]["form"]]
        totals = counts["totals"]
        softmax = sum(a["dense_macs_kv"] + a["dense_macs_qkv"] for a in counts["attention"] if a["kind"] == "softmax")
        expected = {"parameters": report["network"]["parameters"], "steps": run["steps"], "accuracy_fraction": report["accuracy"],
                    "sops_per_sample": (totals["event_adds"] + totals["kv_k_gated_adds"] + totals["qkv_q_gated_adds"]) / run["samples"],
                    "macs_per_sample": (totals["stem_macs"] + totals["real_macs_without_stem"] + softmax) / run["samples"]}
        for scheme in ("paper", "as_built", "event", "neurobench", "syops", "hardware"):
            expected[f"{scheme}_per_sample_J"] = report["energy"][scheme] and report["energy"][scheme]["per_sample_nJ"] * 1e-9
        for key, value in expected.items():
            require(bool(row.get(key)) == (value is not None), f"{key}: {row.get(key)!r}, expected {value}")
            if value is not None:
                shown.close(float(row[key]), value, key)


def check_energies(network, report):
    """energy.csv: every scheme of the report with its energy, and no other."""
    with open(network.path("run0", "energy.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for scheme in {row["scheme"] for row in rows}:
        first = next(row for row in rows if row["scheme"] == scheme)
        shown.close(float(first["total_J"]) / report["run"]["samples"], float(first["per_sample_J"]), scheme)
        energies = [float(row["per_sample_J"]) for row in rows if row["scheme"] == scheme]
        told = report["energy"][scheme]["per_sample_nJ"] * 1e-9
        require(any(abs(energy - told) <= 1e-9 * abs(told) for energy in energies), f"{scheme}: {energies}, expected {told}")
    schemes = {name for name, value in report["energy"].items() if isinstance(value, dict) and "per_sample_nJ" in value}
    shown.same({row["scheme"] for row in rows}, schemes, "schemes of energy.csv")


def check_chips(network, run, report):
    """One chip, several, several beside dense accelerators; then the reports side by side."""
    folders = []
    for chips, *dense in (["loihi2"], ["loihi2,loihi1_sanafe,horowitz45"], ["loihi2,horowitz45", "dense_systolic,tpu7"]):
        folder = f"priced{len(folders)}"
        words = [word for names in dense for word in ("--dense", names)]
        text = network.say("chip", run, "--chip", chips, *words, "--unsupported", "host", "--out", folder, "--html", "chips.html")
        with open(network.path(folder, "chip.csv"), newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        priced, page = json.loads(network.read(folder, "chip.json")), shown.sections_of(network.read("chips.html"))
        folders.append((folder, priced))
        if len(priced["runs"]) == 1:
            figures_of_chip.check_one(text, priced["runs"][0], rows, page)
            shown.close(report["energy"]["hardware"]["per_sample_nJ"] * 1e-9,
                        priced["runs"][0]["energy_per_inference"]["total_priced_j"], "the chip in the report")
        else:
            figures_of_chip.check_several(text, priced["runs"], page,
                                          [(f"{one['name']}, {one['network']}", one) for one in priced["dense"]])
    check_compared_chips(network, folders)


def check_compared_chips(network, folders):
    names = [name for name, _ in folders]
    network.say("compare", *names, "--html", "compared.html")
    said = json.loads(network.say("compare", *names, "--json"))["runs"]
    runs = [{**run, "label": f"[{i + 1}] {run['label']}"} for i, (_, priced) in enumerate(folders) for run in priced["runs"]]
    shown.same([run["label"] for run in said], [run["label"] for run in runs], "runs compared")
    for run, row in zip(runs, said):
        run["ratio_to_first"] = row["ratio"]
        shown.close(row["total_priced_j"], run["energy_per_inference"]["total_priced_j"], run["label"])
        shown.same(row["synaptic_work"], run["synaptic_work"], run["label"])
        shown.same((row["latency_s"], row["unpriced"]), (run["time_per_inference"]["latency_s"], run["unpriced"]), run["label"])
    dense = [(f"[{i + 1}] {one['name']}, {one['network']}", one) for i, (_, priced) in enumerate(folders) for one in priced["dense"]]
    figures_of_chip.check_several(network.say("compare", *names), runs, shown.sections_of(network.read("compared.html")), dense)


def check_more(network):
    """Commands that only some families have."""
    if network.name == "lmuformer":
        fixtures.make(network.folder, ["npy", "one.npy", "20", "5"])
        words = ["stream", "one.npy", "--experiment", "net.toml", "--set", "model.in_channels=5", "--every", "5"]
        check_stream(network.say(*words), network.say(*words, "--json"))
    if network.name == "spikegpt":
        golden = os.path.join(network.source, "tests/golden/spikegpt/A1_char_binary.weights.npz")
        vocabulary = os.path.join(HERE, "characters77.json")
        network.say("run", "net.toml", "-q", "--set", "output.dir=golden", "--set", f"weights.path={golden}", "--set", "model.layers=3",
                    "--set", "model.width=64")
        words = ["generate", "--weights", golden, "--vocab", vocabulary, "--prompt", "bad fig", "--tokens", "9"]
        check_generate(network.say(*words), json.loads(network.say(*words, "--json")),
                       json.loads(network.read("golden", "report.json")))


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, source, parts = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, (text, data, keys, runs, on_chip) in NETWORKS.items():
            if parts and not any(part in name for part in parts):
                continue
            options = [word for key in keys for word in ("--set", key)]
            network = Network(program, source, os.path.join(folder, name), name, experiment(source, text), data, options)
            try:
                check_network(network, runs, on_chip)
                check_more(network)
                print(f"pass {name}", flush=True)
            except shown.Differs as fault:
                failed = True
                print(f"FAIL {name}: {str(fault)[:1500]}", flush=True)
    sys.exit(failed)


main()
