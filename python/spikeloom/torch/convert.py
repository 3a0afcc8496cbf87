"""from_torch(): a network of PyTorch whose every module has an operator here, as an experiment of family "layers"."""
from __future__ import annotations

import os
from typing import Any

import numpy as np

from .._errors import DataError
from .record import record

# Fields of a graph's operator, and what a layer of a list calls them.
_LAYERS = {
    "conv2d": ("conv2d", ("stride", "padding", "dilation", "groups")),
    "linear": ("linear", ()),
    "batchnorm": ("batchnorm", ("prefix", "eps")),
    "pool2d": (None, ("kernel", "stride", "padding")),
    "flatten": ("flatten", ()),
    "spatial_mean": ("spatial_mean", ()),
    "add": ("add", ()),
}
_FIRE = {">=": "ge", ">": "gt"}


class NotConvertible(DataError):
    """A module has no exact counterpart; `record` counts the network all the same."""


def rows_of(graph: dict[str, Any]) -> tuple[list[int], list[dict[str, Any]], set[str]]:
    """The shape of a step, channels first, the layers and the arrays they read. Raises NotConvertible naming a module."""
    nodes = {node["name"]: node for node in graph["nodes"]}
    first, shape, rows, arrays, before = None, None, [], set(), None
    is_map = False
    shown = {}  # views: of what

    def refuse(node: dict[str, Any], why: str) -> None:
        what = node["op"].get("what", node["op"]["kind"])
        raise NotConvertible(f"{node['name']} ({what}): {why}; record() counts the network as it is")

    for node in graph["nodes"]:
        op, name, kind = node["op"], node["name"], node["op"]["kind"]
        inputs = [shown.get(i, i) for i in node.get("inputs", [])]
        if kind == "input":
            if first is not None:
                refuse(node, "a second input")
            shape, first, before, is_map = op["shape"], name, "input", len(op["shape"]) > 1
            shown[name] = "input"
            continue
        if kind == "view" and nodes[node["inputs"][0]]["op"].get("shape") != op["shape"]:
            refuse(node, "values seen in another shape")
        if kind == "step_mean":
            readers = [n for n in graph["nodes"] if name in n.get("inputs", [])]
            if readers or op.get("mode", "mean") != "mean":
                refuse(node, "a sum over the steps inside the network")
            continue
        if kind == "neuron":
            row = {"type": op["model"].lower(), "name": name}
            for key, value in op.items():
                if key not in ("kind", "model"):
                    row[key] = _FIRE[value] if key == "fire" else value
        elif kind not in _LAYERS or op.get("pad"):
            refuse(node, "no layer does what it does")
        else:
            row = {"type": _LAYERS[kind][0], "name": name}
            if kind == "pool2d":
                row["type"] = {"average": "avgpool2d", "max": "maxpool2d", "sum": "sumpool2d"}[op["mode"]]
            row |= {key: op[key] for key in _LAYERS[kind][1]}
            for key in ("weight", "bias"):
                if op.get(key):
                    row[key] = op[key]
                    arrays.add(op[key])
            if kind == "batchnorm":
                arrays |= {op["prefix"] + end for end in (".weight", ".bias", ".running_mean", ".running_var")}
        if before not in inputs:
            refuse(node, "it reads something else than the layer before it")
        if kind == "linear" and is_map:  # of one pixel: PyTorch's flatten moved nothing
            rows.append({"type": "flatten", "name": name + "_flat"})
        is_map = kind == "conv2d" or is_map and kind not in ("linear", "flatten", "spatial_mean")
        others = list(inputs)
        others.remove(before)
        if others:
            row["add"] = others[0]
        rows.append(row)
        before = name
    shape = shape if len(shape) == 1 else [shape[-1], *shape[:-1]]
    return shape, rows, arrays


def from_torch(model: Any, example: Any, neurons: Any = None, *, steps: int | None = None, each_step: bool = False,
               events: bool | None = None, reset: Any = None, folder: str | os.PathLike[str] | None = None) -> Any:
    """The experiment that is `model` exactly: event-driven, on any data set and chip. Arguments as of `record`; `example`,
    a batch, shows how the network goes. What reads vectors runs on [samples, steps, ...]. Its weights lie in `folder`, else in a temporary one.

    Every spike of the example is compared with the model's; the first that differs is told. Raises NotConvertible, which
    names the module, for what has no exact counterpart."""
    from .. import Experiment, _settings
    recording = record(model, [example], neurons, steps=steps, each_step=each_step, events=events, reset=reset)
    shape, rows, arrays = rows_of(recording.graph)
    state = {name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items() if name in arrays}
    missing = sorted(arrays - set(state))
    if missing:
        raise NotConvertible(f"{missing[0]}: an array that is none of the model's state_dict")
    kept = None if folder is not None else _settings.TemporaryFolder()
    where = os.fspath(folder) if folder is not None else kept.name
    os.makedirs(where, exist_ok=True)
    np.savez(os.path.join(where, "weights.npz"), **state)
    op = recording.graph["nodes"][0]["op"]
    tables = {"model": {"family": "layers", "input": shape}, "layer": rows,
              "weights": {"path": os.path.join(where, "weights.npz")}}
    if op["repeated"] and len(shape) > 1:
        tables["model"]["time_steps"] = recording.steps
    if op.get("events"):
        tables["dataset"] = {"events": True}
    experiment = Experiment(tables)
    experiment._weights_folder = kept
    compare(recording, experiment, _frames(recording, example, op["repeated"], each_step))
    return experiment


def _frames(recording, example, repeated, each_step):
    x = example[0] if isinstance(example, (tuple, list)) else example
    x = x.detach().cpu().float().numpy()
    steps = recording.steps
    if repeated:  # images are; of vectors there is one for each step
        return x if x.ndim > 2 else np.repeat(x[:, None], steps, 1)
    if each_step or x.shape[0] == steps and x.shape[1:2] == (recording.samples,):
        return np.moveaxis(x, 0, 1)  # [samples, steps, ...]
    return x.reshape(recording.samples, steps, *x.shape[1:]) if x.shape[0] == recording.samples * steps else x


def compare(recording, experiment, x) -> None:
    """Raises NotConvertible naming the first spike that differs."""
    result = experiment.run(np.ascontiguousarray(x))
    for node in recording.graph["nodes"]:
        name = node["name"]
        if node["op"]["kind"] != "neuron" or name not in recording.populations:
            continue
        theirs = recording.spikes(name)
        ours = result.spikes[name].numpy()
        if theirs.ndim > 3:
            theirs = np.moveaxis(theirs, -1, 2)
        ours = ours.reshape(theirs.shape)
        differing = np.argwhere(ours.astype(np.int64) != theirs.astype(np.int64))
        if len(differing):
            sample, step, *place = (int(i) for i in differing[0])
            raise NotConvertible(
                f"{name}: {len(differing)} of {theirs.size} spikes differ from the model's; the first: sample {sample}, step "
                f"{step}, neuron {tuple(place)}: {int(ours[tuple(differing[0])])} here, {int(theirs[tuple(differing[0])])} "
                "in PyTorch")
