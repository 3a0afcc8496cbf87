"""Checks too long for a line of a case (`check NAME ARGUMENT...`), and what this machine lacks."""
import array
import csv
import functools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

import fixtures
import latex

HERE = os.path.dirname(os.path.abspath(__file__))
every_case = []  # set by the driver


class Bad(Exception):
    pass


def require(condition, text):
    if not condition:
        raise Bad(text)


def namespace_command():
    """A mount that vanishes with the process: a mount namespace, of an own user where we are not root."""
    return ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])


def quiet(words):
    try:
        return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


@functools.lru_cache(maxsize=None)
def python_with_h5py():
    """This interpreter, or the system's, whichever has h5py and numpy."""
    found = [p for p in (sys.executable, "/usr/bin/python3") if quiet([p, "-c", "import h5py, numpy"])]
    return found[0] if found else None


@functools.lru_cache(maxsize=None)
def missing(what):
    """Why a case cannot run here; empty: it can."""
    if what == "h5py":
        return "" if python_with_h5py() else "no h5py"
    if what == "h5repack":
        return missing("h5py") or ("" if shutil.which("h5repack") else "no h5repack (hdf5-tools)")
    if what == "tmpfs":
        with tempfile.TemporaryDirectory() as folder:
            mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
            return "" if quiet(namespace_command() + mount) else "mounting a tmpfs is not permitted"
    if what == "dev_full":
        return "" if os.path.exists("/dev/full") else "no /dev/full"
    if what == "mnist_weights":
        path = os.path.join(HERE, "../../experiments/weights/mnist_metaspikeformer_t4.safetensors")
        return "" if os.path.exists(path) else "no trained weights"
    if what == "shakespeare":
        path = os.path.join(HERE, "../../../shared/data/text/tinyshakespeare.txt")
        return "" if os.path.exists(path) else "no ../shared/data/text/tinyshakespeare.txt"
    if what == "spoken_digits":
        path = os.path.join(HERE, "../../../shared/data/fsdd/fsdd.tar.gz")
        return "" if os.path.exists(path) else "no ../shared/data/fsdd"
    if what == "torch":
        return "" if quiet(["/usr/bin/python3", "-c", "import torch"]) else "no python3-torch"
    if what in ("fast_torch", "reference_blas"):
        driver = os.path.join(HERE, "../bench/torch_nets.py")
        said = subprocess.run(["/usr/bin/python3", driver, "PyTorch", "spikegpt", "1", "16", "10"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True).stdout
        refused = said.startswith("absent refused: ")
        if what == "reference_blas":
            return "" if refused else "PyTorch has a fast BLAS, or is not there"
        return "" if said.startswith("ready ") else "no python3-torch with a fast BLAS"
    raise Bad(f"needs what? {what}")


@functools.lru_cache(maxsize=None)
def report_validator(source, schema="report.schema.json"):
    """None where python3-jsonschema is missing; run_cases.py says so."""
    try:
        import jsonschema
    except ImportError:
        return None
    with open(os.path.join(source, "hw_model/report", schema)) as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check_schema(path, source):
    """A report that a run wrote follows its schema (one that a case wrote itself has no tool and no runs)."""
    is_chip = os.path.basename(path) == "chip.json"
    if not os.path.isfile(path):
        return  # a pipe planted in its place
    validator = report_validator(source, "chip.schema.json" if is_chip else "report.schema.json")
    try:
        with open(path) as file:
            report = json.load(file)
    except (ValueError, UnicodeDecodeError):
        return  # damaged on purpose
    if validator is None or not isinstance(report, dict) or ("runs" if is_chip else "tool") not in report:
        return
    for fault in validator.iter_errors(report):
        raise Bad(f"{path}: {'.'.join(map(str, fault.path))}: {fault.message[:300]}")


def check_logits(runner, file, golden, tolerance):
    _, shape, values = fixtures.read_npy(runner.path(file))
    _, wanted_shape, wanted = fixtures.read_npy(golden)
    require(shape == wanted_shape, f"shape {shape}, expected {wanted_shape}")
    worst = max(abs(a - b) for a, b in zip(values, wanted))
    require(worst <= float(tolerance), f"logits differ by {worst}")


def check_summed(runner, file, archive, name, sample="0"):
    """The row of a sample is the sum over the steps of an array of an archive, channels last."""
    shape, values = fixtures.read_npz(archive, name)
    _, found, rows = fixtures.read_npy(runner.path(file))
    size = math.prod(shape[1:])
    channels, pixels = shape[1], size // shape[1]
    sums = [sum(values[step * size + i] for step in range(shape[0])) for i in range(size)]
    wanted = [sums[c * pixels + p] for p in range(pixels) for c in range(channels)]
    row = rows[int(sample) * size:(int(sample) + 1) * size]
    worst = max(abs(a - b) / max(1, abs(b)) for a, b in zip(row, wanted))
    require(found[1:] == (size,) and worst <= 1e-5, f"{file}: {found}, differs from {name} by {worst:.3g}")


def check_npy(runner, file, *shape):
    """The shape of a float32 file, and that its values are finite."""
    descr, found, values = fixtures.read_npy(runner.path(file))
    require(descr == "<f4" and list(found) == [int(e) for e in shape], f"{descr} {found}")
    require(all(abs(v) < 1e30 for v in values), "values that are not finite")


def check_json_lines(runner, count, *keys):
    """Standard output is so many JSON objects, a line each, the keys in all of them."""
    def refuse(constant):
        raise Bad(f"{constant} is no JSON")
    with open(runner.path(".stdout")) as text:
        lines = [json.loads(line, parse_constant=refuse) for line in text]
    require(len(lines) == int(count), f"{len(lines)} lines")
    require(all(key in line for line in lines for key in keys), f"not in all: {keys}")


def check_counts(runner, report, opcounts):
    """Every layer and attention product of both forms, and all totals, as integers."""
    with open(runner.path(report)) as text:
        counts = json.load(text)["counts"]
    with open(opcounts) as text:
        golden = json.load(text)
    for form, key in (("as_written", "layers"), ("fused", "fused_layers")):
        found = {layer["name"]: layer for layer in counts[form]["layers"]}
        # fused_layers lists the merged layers only; the others are as written.
        merged = {layer["layer"] for layer in golden[key]}
        shared = [layer for layer in golden["layers"] if layer["layer"] in found and layer["layer"] not in merged]
        require(len(found) == len(merged) + len(shared), f"{form}: {len(found)} layers")
        for layer in golden[key] + shared:
            mine = found.get(layer["layer"])
            require(mine, f"{form}: no layer {layer['layer']}")
            wanted = {"dense_macs": layer["dense_macs"], "input_elements": layer["input_numel"]}
            if layer.get("input", "spike") == "spike":
                wanted |= {"input_events": layer["input_spikes"], "event_adds": layer["exact_ac"]}
            else:
                wanted |= {"real_macs": layer["dense_macs"], "event_adds": 0}
            for name, value in wanted.items():
                require(mine[name] == value, f"{form} {layer['layer']} {name}: {mine[name]}, expected {value}")
        for product in golden["attention"]:
            mine = next(a for a in counts[form]["attention"] if a["name"] == product["layer"])
            for name in ("kv_coincidences", "kv_k_gated_adds", "qkv_q_gated_adds", "qkv_nonzero_adds"):
                require(mine[name] == product[name], f"{form} {product['layer']} {name}")
    names = {"dense_macs": "dense_macs_{0}", "event_adds": "{0}_exact_ac", "rate_adds": "{0}_rate_ac",
             "stem_macs": "stem_macs", "dense_macs_attention": "dense_macs_attention",
             "kv_coincidences": "attn_kv_coincidences", "kv_k_gated_adds": "attn_kv_k_gated_adds",
             "qkv_q_gated_adds": "attn_qkv_q_gated_adds", "qkv_nonzero_adds": "attn_qkv_nonzero_adds",
             "neuron_updates": "lif_updates", "spikes": "lif_spikes"}
    for form, golden_form in (("as_written", "unfused"), ("fused", "fused")):
        for name, wanted in names.items():
            found, wanted = counts[form]["totals"][name], golden["totals"][wanted.format(golden_form)]
            require(found == wanted, f"{form} totals {name}: {found}, expected {wanted}")
            require(name == "rate_adds" or isinstance(found, int), f"{form} totals {name} is no integer")
    require(counts["as_written"]["totals"]["real_macs_without_stem"] ==
            golden["totals"]["unfused_real_macs_without_stem"], "real_macs_without_stem")


def check_recorded_energy(runner, recorded, ran, *schemes):
    """Energies of recorded spikes are those of the run that made them, to the last figure, and say "recorded" where it
    says "ran"."""
    energies = []
    for file in (recorded, ran):
        with open(runner.path(file)) as text:
            energies.append(json.load(text)["energy"])
    for scheme in schemes:
        mine, theirs = (json.dumps(energy[scheme], sort_keys=True) for energy in energies)
        require('"ran"' not in mine, f"{scheme}: something ran")
        require(mine == theirs.replace('"evidence": "ran"', '"evidence": "recorded"'), f"{scheme} differs")


def check_page(runner, file, *texts):
    """A whole HTML page that holds the texts; with FILE! it holds none of them."""
    wanted, file = not file.endswith("!"), file.rstrip("!")
    with open(runner.path(file), encoding="utf-8") as page:
        text = page.read()
    require(text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n"), "not a whole page")
    for part in texts:
        require((part in text) == wanted, f"{'no ' if wanted else ''}{part!r} in {file}")


def check_dense_pass_of_real_layer(runner, file, layer):
    """In the table of operations, a layer of real values that is no static image makes as many MACs as a dense pass."""
    with open(runner.path(file)) as page:
        row = re.search(rf"<tr><td>{re.escape(layer)}</td>(.*?)</tr>", page.read())
    require(row, f"no row of {layer}")
    cells = [cell.replace("\u00a0", "") for cell in re.findall(r"<td[^>]*>([^<]*)</td>", row[1])]
    require(cells[1] == "real" and int(cells[3]) > 0 and cells[3] == cells[4], f"{layer}: {cells}")


def check_printed(runner, report, path, digits):
    """A number equals the printed digits."""
    with open(runner.path(report)) as text:
        value = json.load(text)
    for name in path.split("."):
        value = value[name]
    places = len(digits.partition(".")[2])
    require(f"{value:.{places}f}" == digits, f"{path} is {value}, expected {digits}")


def said_by_h5py(*words):
    """What a script that needs h5py prints."""
    done = subprocess.run([python_with_h5py(), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    require(done.returncode == 0, done.stdout)
    return done.stdout


def check_spikes(runner, trace, golden):
    said_by_h5py(os.path.join(HERE, "read_spikes.py"), runner.path(trace), golden)


def leaves(value, prefix=""):
    for key, member in value.items():
        if isinstance(member, dict):
            yield from leaves(member, f"{prefix}{key}.")
        else:
            yield prefix + key


def keys_of(runner, reports):
    """Every key of the resolved configs: model families have keys of their own."""
    keys = set()
    for report in reports:
        with open(runner.path(report)) as text:
            keys |= set(leaves(json.load(text)["config"]))
    return keys - {"layer"}  # [[layer]], whose keys go with its type: docs/layers.md


def check_documented(runner, *reports):
    """docs/experiment.md has a row for every key of the resolved configs, and for no other."""
    known = keys_of(runner, reports)
    with open(os.path.join(HERE, "../../docs/experiment.md")) as text:
        tables = text.read().split("## What the output folder holds")[0]
    rows = set(re.findall(r"^\| `([a-z0-9_]+\.[a-z0-9_]+)` \|", tables, re.M))
    require(known <= rows, f"not in docs/experiment.md: {sorted(known - rows)}")
    require(rows <= known, f"docs/experiment.md has rows of unknown keys: {sorted(rows - known)}")


def check_covered(runner, *reports):
    """Every config key, command and flag occurs in a case."""
    commands = [command for case in every_case for command in case.commands()]
    lines = [line for case in every_case for _, line in case.lines]
    keys = keys_of(runner, reports)
    used = set(re.findall(r"--set\s+[\"']?([a-z0-9_.]+)=", "\n".join(commands)))
    used |= set(re.findall(r"\s([a-z]+\.[a-z0-9_]+)=", "\n".join(x for x in lines if x.startswith("each set "))))
    table = ""
    for line in lines:
        entry = re.match(r"\|\s*(?:\[(\w+)\]|(\w+)\s*=)", line)
        if entry:
            table = entry[1] or table
            used.add(f"{table}.{entry[2]}")
    for name in sorted(os.listdir(HERE)):
        if name.endswith(".toml"):
            with open(os.path.join(HERE, name)) as text:
                for section, key in re.findall(r"^\[(\w+)\]|^(\w+) *=", text.read(), re.M):
                    table = section or table
                    used.add(f"{table}.{key}")
    require(keys <= used, f"config keys without a case: {sorted(keys - used)}")

    def text_of(*words):
        return subprocess.run([runner.program, *words], stdout=subprocess.PIPE, text=True, check=True).stdout

    for name in re.findall(r"^  ([a-z]+)  ", text_of("--help"), re.M):
        for flag in re.findall(r"^ .*?(--[a-z-]+)", text_of(name, "--help"), re.M):
            require(any(re.search(rf"spikeloom {name}\b.*{flag}\b", c) for c in commands),
                    f"no case of spikeloom {name} {flag}")


def check_latex(runner, folder):
    """Tables of runs with any name are LaTeX, and say the names."""
    def run(names, source):
        for name in names:
            os.makedirs(os.path.join(runner.path("named"), name), exist_ok=True)
            shutil.copy(os.path.join(runner.path(source), "report.json"), os.path.join(runner.path("named"), name))
        done = subprocess.run([runner.program, "compare", "--latex", *names], cwd=runner.path("named"),
                              stdout=subprocess.PIPE, check=True)
        return done.stdout.decode("utf-8")
    try:
        latex.check(run, folder)
    except latex.NotLatex as fault:
        raise Bad(str(fault)) from fault


def check_equal_files(runner, first, second):
    with open(runner.path(first), "rb") as a, open(runner.path(second), "rb") as b:
        require(a.read() == b.read(), f"{first} and {second} differ")


def check_untouched(runner, file, *words):
    """The file holds these words, as it was made."""
    with open(runner.path(file)) as text:
        found = text.read()
    if found.strip() != " ".join(words):
        raise Bad(f"{file} now holds {found[:100]!r}")


def contents(folder):
    """Names, bytes and inodes of the files in a folder."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            found[name] = (os.stat(path).st_ino, file.read())
    return found


def check_remember(runner, folder):
    runner.remembered["files in " + folder] = contents(runner.path(folder))


def check_unchanged(runner, folder):
    """Every file is the one it was at `check remember`, none came or went."""
    if contents(runner.path(folder)) != runner.remembered["files in " + folder]:
        raise Bad(f"{folder} is not what it was: {os.listdir(runner.path(folder))}")


def check_different_files(runner, first, second):
    with open(runner.path(first), "rb") as a, open(runner.path(second), "rb") as b:
        require(a.read() != b.read(), f"{first} and {second} are equal")


def check_joined_files(runner, whole, *parts):
    def read(name):
        with open(runner.path(name), "rb") as file:
            return file.read()
    require(read(whole) == b"".join(map(read, parts)), f"{whole} is not {' + '.join(parts)}")


def check_weights_once(runner, report):
    """The run never had its weights in memory twice; 0.4 of them is room for the rest of the program. Not asked where memory that
    is freed or asked for is written (MALLOC_PERTURB_) or kept besides (valgrind): pages nobody touches count then."""
    if os.environ.get("MALLOC_PERTURB_") or os.environ.get("SPIKELOOM_TEST_SLOWER"):
        return
    with open(runner.path(report)) as text:
        report = json.load(text)
    weights = 4 * report["counts"]["as_written"]["totals"]["weights"]
    peak = report["provenance"]["peak_memory_bytes"]
    require(peak > weights, f"{peak} bytes of memory hold {weights} bytes of weights")
    require(peak < 1.4 * weights, f"{peak} bytes of memory for {weights} bytes of weights")


def check_memory(runner, most):
    """The first of these runs in a case took some memory; the later ones at most so many MiB more.
    A program with the address sanitizer keeps what it frees, so it is not asked."""
    if os.environ.get("SPIKELOOM_TEST_SANITIZED"):
        return
    now = runner.result.memory_kb
    first = runner.remembered.setdefault("memory", now)
    require(now <= first + int(most) * 1024, f"{now} KB of memory, the first run took {first}")


def check_cpu_seconds(runner, most):
    """The run took at most so much of a processor: other programs do not count."""
    now = runner.result.cpu_seconds
    require(now <= float(most), f"{now:.1f} s of CPU time")


def check_levels_of_input(runner, report, frames, limit="-1"):
    """levels_of_input REPORT FRAMES.npy [LIMIT]: what the first convolution (7x7, stride 2, padding 3) reads and delivers,
    counted here from the frames [samples, T, C, H, W]."""
    with open(runner.path(frames), "rb") as file:
        data = file.read()
    start = 10 + int.from_bytes(data[8:10], "little")
    shape = [int(n) for n in re.search(rb"'shape': \(([^)]*)\)", data[:start])[1].split(b",") if n.strip()]
    values = array.array("f", data[start:])
    samples, steps, channels, height, width = shape
    if int(limit) >= 0:
        samples = int(limit)

    def readers(at, extent):
        return sum(0 <= 2 * out - 3 + k == at for out in range((extent - 1) // 2 + 1) for k in range(7))

    along_y, along_x = ([readers(at, extent) for at in range(extent)] for extent in (height, width))
    units = packets = adds = deliveries = 0
    for place in range(samples * steps * channels * height * width):
        level = abs(int(values[place]))
        reached = along_y[place // width % height] * along_x[place % width]
        units += level
        packets += level != 0
        adds += level * reached
        deliveries += (level != 0) * reached
    with open(runner.path(report)) as file:
        counts = json.load(file)["counts"]
    for form in (counts[name] for name in ("as_written", "fused") if counts[name]):
        layer = next(layer for layer in form["layers"] if layer["name"].startswith("downsample1_1.encode_conv"))
        outputs = layer["weights"] // (channels * 49)
        found = [layer[key] for key in ("operand", "input_events", "event_adds", "deliveries", "real_macs")]
        require(found == ["levels", units, adds * outputs, deliveries * outputs, 0],
                f"{found}, the frames hold {units} events in {packets} pixels: {adds * outputs}, {deliveries * outputs}")


def check_event_lines(runner, report, layer):
    """As many lines of events on standard output as the report counts spikes."""
    with open(runner.path(report)) as text:
        neurons = json.load(text)["counts"]["as_written"]["neurons"]
    wanted = next(n for n in neurons if n["name"] == layer)["spikes"]
    found = len(runner.result.out.splitlines()) - 1
    require(found == wanted, f"{found} events, {wanted} spikes")


def check_event_groups(runner, trace, *names):
    script = "import h5py, sys; print(*sorted(h5py.File(sys.argv[1])['spikes']))"
    groups = said_by_h5py("-c", script, runner.path(trace))
    require(groups.split() == list(names), groups)


def check_event_filters(runner, trace, count):
    """How many filters each dataset of the event lists goes through."""
    script = ("import h5py, sys; f = h5py.File(sys.argv[1]); "
              "print(*{d.id.get_create_plist().get_nfilters() for g in f['spikes'].values() for d in g.values()})")
    filters = said_by_h5py("-c", script, runner.path(trace))
    require(filters.split() == [count], filters)


def check_sums(runner, file):
    """Energies of categories, operations, layers and cores of a chip report add up to its total."""
    with open(runner.path(file)) as text:
        report = json.load(text)
    for run in report["runs"]:
        energy, samples = run["energy_per_inference"], run["samples"]
        dynamic = energy["dynamic_j"] * samples
        for part in (sum(joules or 0 for joules in energy["by_category_j"].values()) * samples, sum(r["joules"] for r in run["layers"]),
                     sum(r["joules"] for r in run["cores"]), sum(r.get("joules", 0) for r in run["operations"])):
            require(abs(part - dynamic) <= 1e-9 * dynamic, f"{file}: {part} J of parts, {dynamic} J in all")
        total = sum(energy[key] or 0 for key in ("dynamic_j", "static_j", "idle_j", "sync_j", "host_j", "reload_j"))
        require(abs(total - energy["total_priced_j"]) <= 1e-9 * total, f"{file}: total is {total} J")
        require(sum(r["events"] for r in run["layers"]) == run["totals"]["synaptic_events"], f"{file}: events of layers")
        require(sum(r["events"] for r in run["cores"]) == run["totals"]["synaptic_events"], f"{file}: events of cores")


def check_gated(runner, chip, report):
    """Two accelerators that pay 0.3 pJ for a MAC and nothing else, the first with zero gating, against the counts of a run."""
    with open(runner.path(chip)) as text:
        gated, plain = json.load(text)["dense"]
    with open(runner.path(report)) as text:
        report = json.load(text)
    counts, zeros = report["counts"]["dense_twin"], report["dense_twin"]["zero_inputs"]
    require(set(zeros) == {layer["name"] for layer in counts["layers"]}, "zeros of other layers than those counted")
    macs = {layer["name"]: layer["dense_macs"] / counts["samples"] for layer in counts["layers"]}
    attention = sum(a["dense_macs_kv"] + a["dense_macs_qkv"] for a in counts["attention"]) / counts["samples"]
    expected = 0.3e-12 * (sum(macs.values()) + attention)
    require(abs(plain["joules"] - expected) <= 1e-9 * expected, f"{plain['joules']} J, expected {expected}")
    expected -= 0.3e-12 * sum(macs[name] * share for name, share in zeros.items())
    require(abs(gated["joules"] - expected) <= 1e-9 * expected, f"gated {gated['joules']} J, expected {expected}")
    require(gated["joules"] < 0.9 * plain["joules"], "hardly a zero")
    products = 2 * len(counts["attention"])
    term = f"zero gating of layers whose zeros were not measured: {products}"
    require(term in gated["unpriced"], f"{term} is not in {gated['unpriced']}")


def check_reload(runner, free, paid, ns_per_byte, pj_per_byte):
    """What moving bytes between turns adds: energy and time of the bytes, and leakage meanwhile."""
    runs = []
    for file in (free, paid):
        with open(runner.path(file)) as text:
            runs.append(json.load(text)["runs"][0])
    a, b = (run["energy_per_inference"] for run in runs)
    moved = (runs[1]["turns"]["loaded_bytes"] + runs[1]["turns"]["spike_bytes"]) / runs[1]["samples"]
    seconds = [run["time_per_inference"]["latency_s"] for run in runs]
    for name, found, expected in (
            ("reload_j", b["reload_j"], moved * float(pj_per_byte) * 1e-12),
            ("time", seconds[1] - seconds[0], moved * float(ns_per_byte) * 1e-9),
            ("reload_s", runs[1]["turns"]["reload_s_per_inference"], moved * float(ns_per_byte) * 1e-9),
            ("leakage", b["static_j"], a["static_j"] * seconds[1] / seconds[0])):
        require(found > 0 and abs(found - expected) <= 1e-9 * expected, f"{name}: {found}, expected {expected}")


def check_same_chip(runner, report, chip):
    """Scheme hardware of a run: what `spikeloom chip` says of its trace, to the last digit; the CSV adds up to it."""
    with open(runner.path(report)) as text:
        hardware = json.load(text)["energy"]["hardware"]
    with open(runner.path(chip)) as text:
        priced = json.load(text)["runs"][0]
    for key, value in hardware["run"].items():
        require(value == priced[key], f"{key}: {value} in the run, {priced[key]} of its trace")
    for key, value in {"chip": priced["chip"], "level": priced["level"], "weakest_evidence": priced["weakest_evidence"],
                       "latency_s": priced["time_per_inference"]["latency_s"],
                       "unpriced": [{"text": term} for term in priced["unpriced"]]}.items():
        require(hardware[key] == value, f"{key}: {hardware[key]}, expected {value}")
    total = priced["energy_per_inference"]["total_priced_j"]
    require(hardware["per_sample_nJ"] == total * 1e9, f"{hardware['per_sample_nJ']} nJ, expected {total} J")
    with open(runner.path(os.path.join(os.path.dirname(report), "report.csv"))) as text:
        parts = [float(row["hardware_pJ"]) for row in csv.DictReader(text) if row["hardware_pJ"]]
    require(abs(sum(parts) - hardware["total_pJ"]) <= 1e-9 * sum(parts), f"the CSV adds up to {sum(parts)} pJ")


def check_energy_of_precision(runner, folder, ac_pj, form):
    """as_built of a run with narrow weights, by hand: they add at `ac_pj`, everything else is fp32."""
    with open(runner.path(os.path.join(folder, "report.json"))) as text:
        report = json.load(text)
    narrow = {layer["name"] for layer in report["provenance"]["precision"]["layers"]}
    counts = report["counts"][form]
    pj = 0
    for layer in counts["layers"]:
        price = float(ac_pj) if layer["name"] in narrow else 0.9
        pj += layer["event_adds"] * price if layer["operand"] == "spikes" else layer["dense_macs"] * 4.6
    pj += 0.9 * sum(a["kv_k_gated_adds"] + a["qkv_q_gated_adds"] for a in counts["attention"])
    found = report["energy"]["as_built"]["total_pJ"]
    require(narrow and abs(found - pj) <= 1e-9 * pj, f"as_built {found} pJ, expected {pj}")


def check_as_of_schema_1_4(runner, new, old):
    """What a program of schema 1.4 would have written."""
    def drop(value):
        if isinstance(value, dict):
            for key in ("evidence", "throughout", "priced_share"):
                value.pop(key, None)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            drop(inner)
    with open(runner.path(new)) as text:
        report = json.load(text)
    for scheme in report["energy"].values():
        for form in (scheme.get("forms") or {}).values() if isinstance(scheme, dict) else ():
            for key in [key for key in form if key.endswith("_estimate")]:
                del form[key]
        if isinstance(scheme, dict) and "fp32_estimate" in scheme:
            estimate = scheme.pop("fp32_estimate")
            scheme.update({key: estimate[key] for key in ("precision", "prices", "lines", "total_pJ", "total_nJ",
                                                          "per_sample_nJ")})
    drop(report)
    report["schema_version"] = "1.4"
    del report["run"]["precision"]
    with open(runner.path(old), "w") as text:
        json.dump(report, text)


def check_csv_totals(runner, folder):
    """Energies of report.csv add up to the totals of report.json, scheme by scheme, in the form that is reported."""
    with open(runner.path(os.path.join(folder, "report.json"))) as text:
        energy = json.load(text)["energy"]
    with open(runner.path(os.path.join(folder, "report.csv"))) as text:
        rows = list(csv.DictReader(text))
    known = [name for name, entry in energy.items() if isinstance(entry, dict) and f"{name}_pJ" in rows[0]
             and entry.get("total_pJ") is not None and name != "hardware"]
    require("as_built" in known, "no energies")
    for name in known:
        cells = [row[f"{name}_pJ"] for row in rows if row["form"] == energy[name]["form"]]
        total = sum(float(cell) for cell in cells if cell)
        require(math.isclose(total, energy[name]["total_pJ"], rel_tol=1e-9), f"{name}: {total} in rows, not {energy[name]['total_pJ']}")


def check_csv_columns(runner, file, everywhere, *rules):
    """`everywhere`: COLUMN=VALUE in all rows; a rule A=B:C=D: rows whose A is B have D in C."""
    with open(runner.path(file)) as text:
        rows = list(csv.DictReader(text))
    for rule in (everywhere, *rules):
        *condition, consequence = [part.split("=") for part in rule.split(":")]
        chosen = [row for row in rows if all(row[key] == value for key, value in condition)]
        require(chosen and all(row[consequence[0]] == consequence[1] for row in chosen), f"{file}: {rule}")


def check_counted_elsewhere(runner, report, net):
    """Counts and energies of NeuroBench's harness and of syops, per sample, are those in tests/golden/counts."""
    with open(os.path.join(runner.variables["source"], "tests/golden/counts/counts.json")) as file:
        theirs = json.load(file)[net]
    own = json.load(open(runner.path(report)))
    harness = own["neurobench"]
    for key in ("ConnectionSparsity", "ParameterCount", "SynapticOperations", "MembraneUpdates"):
        require(harness[key] == theirs["neurobench"][key], f"{net}: {key} is {harness[key]}, NeuroBench's "
                                                           f"{theirs['neurobench'][key]}")
    samples = own["run"]["samples"]
    near = lambda a, b: abs(a - b) <= 1e-6 * max(abs(a), abs(b), 1)  # rates are fp32 there  # noqa: E731
    lines = own["energy"]["syops"]["forms"]["as_written"]["lines"]
    require({line["layer"] for line in lines} == set(theirs["syops"]), f"{net}: layers of syops differ")
    for line in lines:
        count = theirs["syops"][line["layer"]]["ac" if line["operand"] == "spikes" else "mac"]
        require(near(line["count"] / samples, count), f"{net}: {line['layer']} {line['count']} / {samples}, syops {count}")
    operations = harness["SynapticOperations"]
    counts = {"neurobench": (operations["Effective_ACs"], operations["Effective_MACs"]),
              "syops": tuple(sum(line[kind] for line in theirs["syops"].values()) for kind in ("ac", "mac"))}
    for scheme, (acs, macs) in counts.items():
        energy = own["energy"][scheme]["forms"]["as_written"]["per_sample_nJ"]
        require(near(energy, (0.9 * acs + 4.6 * macs) / 1000), f"{net}: {scheme} {energy} nJ, by their counts "
                                                               f"{(0.9 * acs + 4.6 * macs) / 1000}")


def check_sonata_events(runner, net, chip):
    """Synaptic events of a network of write_spikes.py are those of its spikes, connection by connection."""
    script = ("import h5py, json, sys, numpy as np; net, chip = sys.argv[1:]; edges = h5py.File(net + '.edges')['edges']\n"
              "spikes = h5py.File(net + '.spikes')['spikes']; events = 0\n"
              "for edge in edges.values():\n"
              "    source = edge['source_node_id']; out = np.bincount(source[()].astype(int), minlength=9)\n"
              "    events += out[spikes[source.attrs['node_population']]['node_ids'][()]].sum()\n"
              "assert events > 0 and json.load(open(chip))['runs'][0]['totals']['synaptic_events'] == events, events")
    said_by_h5py("-c", script, runner.path(net), runner.path(chip))


def check_trace_example(runner):
    """The lines of docs/trace.md that write a trace, mine.h5; its graph alone as graph.json."""
    text = open(os.path.join(runner.variables["source"], "docs/trace.md")).read()
    script = next(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "mine.h5" in block)
    require(len(script.splitlines()) <= 20, "docs/trace.md: its lines are more than twenty")
    said_by_h5py("-c", f"import os; os.chdir({runner.folder!r})\n" + script + "\njson.dump(graph, open('graph.json', 'w'))")


def check_counters(runner, counters, report):
    """Counters by step, core, link and layer, read with h5py, add up to the report."""
    said_by_h5py(os.path.join(HERE, "read_counters.py"), runner.path(counters), runner.path(report))


def check_timeline(runner, file, steps, report):
    """Trace events as Perfetto reads them: named tracks, steps end to end, no core busy longer than its step."""
    with open(runner.path(file)) as text:
        events = json.load(text)["traceEvents"]
    with open(runner.path(report)) as text:
        run = json.load(text)["runs"][0]
    spans = [e for e in events if e["ph"] == "X"]
    named = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    whole = [e for e in spans if e["name"].startswith("step ")]
    require(len(whole) == int(steps), f"{len(whole)} steps")
    end = 0
    for step in whole:
        require(abs(step["ts"] - end) <= 1e-6 * max(end, 1), f"{step['name']} starts at {step['ts']}, not {end}")
        end = step["ts"] + step["dur"]
        require(step["args"]["packets"] > 0, f"{step['name']} has no packets")
        cores = [e for e in spans if e["name"] in ("generates", "receives") and e["ts"] == step["ts"]]
        require(cores and all(e["dur"] <= step["dur"] for e in cores), f"a core outlasts {step['name']}")
        require(all((e["pid"], e["tid"]) in named for e in cores), "a track has no name")
    tracks = {e["tid"] // 2 for e in spans if e["name"] in ("generates", "receives")}
    require(len(tracks) == run["used"]["cores"], f"{len(tracks)} cores on tracks, {run['used']['cores']} in use")
