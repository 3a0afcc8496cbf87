"""What the pages of the documentation take for granted: the files a reader would have, made small here; and the blocks that cannot run
in a test, with the reason."""
import shutil
import subprocess

import numpy as np

GOLDEN = "tests/golden"


def trained_network(folder, source):
    """The network of a tutorial: what snnTorch wrote, an input, and what snnTorch made of it."""
    shutil.copy(source / GOLDEN / "nir/snn_digits_subtract.nir", folder / "net.nir")
    golden = np.load(source / GOLDEN / "nir/snn_digits_subtract.npz")
    arrays = {f"{node}/{what}": golden[f"snntorch_original/{node}/{what}"] for node in "13" for what in "zv"}
    np.savez(folder / "pair.npz", input=golden["input"], output=golden["snntorch_original/output"], **arrays)
    np.save(folder / "frames.npy", np.stack([golden["input"], golden["input"][::-1]]))
    try:
        import snntorch
        import torch
    except ImportError:
        return
    layers = []
    for at, beta in ((0, 0.9), (2, 0.85)):
        weight, bias = (torch.from_numpy(golden[f"node/{at}/{name}"]) for name in ("weight", "bias"))
        layers += [torch.nn.Linear(*weight.shape[::-1]), snntorch.Leaky(beta=beta * torch.ones(len(bias)), threshold=torch.ones(len(bias)))]
        layers[-2].weight.data, layers[-2].bias.data = weight, bias
    torch.save(torch.nn.Sequential(*layers).state_dict(), folder / "trained.pt")


def source_tree(folder, source):
    """Commands that are typed in the root of the source; experiments write beside themselves."""
    shutil.copytree(source / "experiments", folder / "experiments", ignore=shutil.ignore_patterns("train", "recordings", "*.txt"))
    (folder / "tests").symlink_to(source / "tests")


def built_tree(folder, source, program):
    source_tree(folder, source)
    (folder / "build/release/cli").mkdir(parents=True)
    (folder / "build/release/cli/spikeloom").symlink_to(program)


def own_data(folder, source):
    shutil.copy(source / GOLDEN / "events/own_evt3.raw", folder / "recording.raw")
    golden = np.load(source / GOLDEN / "nir/lif_beta.npz")["input"]
    np.save(folder / "frames.npy", golden[None])
    shutil.copy(source / GOLDEN / "nir/lif_beta.nir", folder / "net.nir")


def event_recordings(folder, source):
    shutil.copy(source / GOLDEN / "events/own_evt3.raw", folder / "recording.raw")
    shutil.copy(source / GOLDEN / "events/nmnist.bin", folder / "N.bin")
    (folder / "experiment.toml").write_text((source / "experiments/digit_events.toml").read_text().replace(
        '"weights/', f'"{source}/experiments/weights/').replace('"samples/', f'"{source}/experiments/samples/'))


def network_of_nir(folder, source):
    trained_network(folder, source)
    spikes = np.load(folder / "pair.npz")
    np.savez(folder / "spikes.npz", **{name: spikes[f"{name}/z"] for name in "13"}, input=spikes["input"].astype(np.uint8))


def chips(folder, source):
    """Its commands take all samples of a trace several times: here there are four."""
    source_tree(folder, source)
    file = folder / "experiments/mnist.toml"
    file.write_text(file.read_text().replace("[dataset]\n", "[dataset]\nlimit = 4\n"))
    network_of_nir(folder, source)


def a_trace(folder, source):
    """Two recordings of events and their spikes, as trace.h5."""
    subprocess.run([folder / ".bin/spikeloom", "run", source / "experiments/digit_events.toml", "--quiet", "--set", "dataset.limit=2",
                    "--set", f"output.dir={folder}"], check=True)


PAGES = {
    "docs/events.md": event_recordings,
    "docs/nir.md": network_of_nir,
    "docs/chip.md": chips,
    "docs/trace.md": a_trace,
    "docs/tutorials/trained_network.md": trained_network,
    "docs/guides/data.md": own_data,
    "docs/bugs.md": source_tree,
}

# Names that a page uses without making them.
PRELUDES = {
    "docs/nir.md": "import numpy\nx = out = spikes = membranes = numpy.zeros((3, 2))\n",
}

# Page, what the block contains, why it does not run here.
REASONS = [
    ("README.md", "git clone", "installs packages and builds everything: ./check and the workflow do"),
    ("docs/bench.md", "spikeloom bench", "measures for minutes: tests/e2e/bench.case has its options"),
    ("docs/library.md", "pkg-config", "needs an installed tree: tests/install compiles this example so"),
]
used_ = set()
# Pages that another test runs.
ELSEWHERE = {"docs/python.md": "tests/python/document_test.py"}


def prepare(page, folder, source, program):
    if page == "README.md":
        built_tree(folder, source, program)
    elif page in PAGES:
        PAGES[page](folder, source)


def reason_to_skip(page, block):
    for entry in REASONS:
        if entry[0] == page and entry[1] in block:
            used_.add(entry)
            return entry[2]
    return ""


def unused_reasons():
    return [entry[:2] for entry in REASONS if entry not in used_]


def complete(page, block):
    """A part of an experiment with the tables it lacks in front of it."""
    tables = {line.strip().strip("[]") for line in block.splitlines() if line.startswith("[")}
    before = ""
    if "model" not in tables:
        before += '[model]\nfamily = "layers"\ninput = [2]\n' if "layer" in tables else '[model]\nfamily = "meta_spikeformer"\npreset = "15M"\n'
    if "layer" in tables and "weights" not in tables:
        before += '[weights]\npath = "net.pth"\n'
    if "dataset" not in tables:
        before += '[dataset]\nkind = "npy"\npath = "images.npy"\n'
    return before + block
