#!/usr/bin/env python3
"""docs/supported.md, made of the sources: the list of operators, what a chip and NIR make of each, neurons, layers, nodes of NIR.

usage: supported.py [--check]   writes docs/supported.md; --check compares instead, exit code 1 where it differs
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def rules_of_chips():
    """Operator to what the cores of a chip do with it, and why not where they cannot."""
    text = read("hw_model/chip/op_rules.cpp")
    text = text[text.index("struct ChipRules"):text.index("// The array's.")]
    words = {"kNeurons": "population", "kMask": "population", "kInput": "arrives as packets", "kSum": "sums of packets",
             "kStepMean": "read out", "kParts": "nothing to do", "kMoved": "nothing to do", "kSynapses": "synapses",
             "kProducts": "attention units", "kAttention": "attention units"}
    roles = {}
    for name, body in re.findall(r"ChipRule operator\(\)\(const (\w+)&.*?\) const \{(.*?)\n?  ?\}\n(?=  ChipRule|  //|\};)", text, re.S):
        role = re.search(r"\b(k[A-Z]\w+)\b", body.replace("kNoUnit", ""))
        if "left_to_host" in body:
            roles[name] = "host"
        elif "is_free" in body:
            roles[name] = "goes into weights"
        elif "along_the_steps" in body:
            roles[name] = "synapses with delays" + (", event form" if "kEvent" in body else "")
        else:
            roles[name] = words[role[1]]
    roles["RecordedOp"] = "population where it fires, else host"
    roles["Pool2d"] += ", no maxima"
    roles["Conv2d"] += ", no dilation"
    return roles


def first_comment(path):
    return re.search(r"^// (.*?)$", read(path), re.M)[1].rstrip(".")


def operators():
    names = re.findall(r"\w+", re.search(r"using Op =\s*OperatorVariant<([^>]*)>", read("sim/graph/op.hpp"))[1])
    lift = read("nir/lift.cpp")
    refused = set(re.findall(r"void add\(NodeId id, const (\w+)&\) \{ refuse\(id", lift))
    written = set(re.findall(r"void (?:Lifting::)?add\(NodeId(?: id)?, const (\w+)&", lift)) - refused
    chips, headers = rules_of_chips(), {}
    for path in sorted((ROOT / "sim/graph/ops").glob("*.hpp")):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^struct (\w+) \{", text, re.M):
            headers[name] = path
    for name in names:
        kind = re.search(rf'^struct {name} \{{.*?kKind = "(\w+)"', headers[name].read_text(encoding="utf-8"), re.S | re.M)[1]
        what = first_comment(headers[name].relative_to(ROOT))
        nir = "yes" if name in written else "no"
        if name not in written | refused:
            raise SystemExit(f"nir/lift.cpp does not speak of {name}")
        yield f"| `{kind}` | {what} | {chips[name]} | {nir} |"


def neurons(types):
    for row in re.findall(r"^\| `(\w+)` \| .*? \| (\d) \| (\w+) \| (.*?) \| `", read("docs/neurons.md"), re.M):
        name, inputs, gives, forms = row
        nir = name if name in types else ("LIF, written only" if name == "PLIF" else "-")
        layer = f"`{name.lower()}`" if inputs == "1" else "-"
        yield f"| `{name}` | {gives} | {forms} | {nir} | {layer} |"


def page():
    types = re.findall(r'\{NodeKind::\w+, "(\w+)"', read("nir/nodes.cpp"))
    layers = re.findall(r'\{"(\w+)", LayerKind', read("models/layers/rows.cpp"))
    return f"""# What is supported

Made of the sources by `docs/site/supported.py`; a test compares. `spikeloom list` prints families, data sets, devices and chips of your
version.

## Operators
Every operator has kernels in the reference, on the CPU (every SIMD target) and for CUDA, in every schedule and form, with the same bits;
but for `recorded`, which stands for what another program computed and is counted, never run.
`softmax_attention`, which no spiking network has, agrees within a tolerance. A network that lacks one of these rules does not compile.

*On a chip*: what the cores do with it. *host*: no unit of a core computes it; it is refused, or left to a processor beside the chip with
`--unsupported host`, by name. A unit that a chip lacks (multiply, outer products) makes it the host's as well. *To NIR*:
`spikeloom convert` can write it, where shapes and rules allow; `batchnorm` is folded into the layer before it.

| operator | what it is | on a chip | to NIR |
|---|---|---|---|
{chr(10).join(operators())}

Dense accelerators run all of them: products of matrices on the array, the rest beside it ([dense accelerators](chip_dense.md)).

## Neurons
Every model runs on every backend; parameters are one value, one per channel or one per neuron ([neurons](neurons.md)). On a chip it is a
population; models that give their membrane need a chip whose soma `integrates`.

| model | gives | forms | NIR | type of a [[layer]] |
|---|---|---|---|---|
{chr(10).join(neurons(types))}

## NIR
Read, with 0 differences on small networks against the programs that wrote them ([nir](nir.md)):
{", ".join(types)}; nested graphs,
cycles through a neuron, one Input, several Outputs.

## Layers of a checkpoint
Types of `[[layer]]` beside the neurons ([layers](layers.md)):
{", ".join(f"`{name}`" for name in layers)}; residual sums (`add`), recurrent
weights (`recurrent`).

## Precisions
`fp32` is supported everywhere; which layers `acc16`, `int8` and `bf16` change is in [precision](precision.md). A precision that changes no layer of a network is refused.
"""


def main():
    made, file = page(), ROOT / "docs/supported.md"
    if sys.argv[1:] != ["--check"]:
        file.write_text(made, encoding="utf-8")
    elif not file.exists() or file.read_text(encoding="utf-8") != made:
        print("docs/supported.md is not what the sources say: docs/site/supported.py")
        return 1
    print(f"{made.count(chr(10) + '| `')} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
