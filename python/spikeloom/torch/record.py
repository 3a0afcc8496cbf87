"""record(): runs a network of PyTorch over samples and keeps its graph and its spikes."""
import contextlib
import json
from pathlib import Path

import numpy as np
import torch

from .._errors import DataError, UsageError
from . import neurons as nr
from . import axes as ax
from .calls import Tracer, kind_of_values, tag_of
from .network import Network, range_of


class Recording:
    """A network as a graph, and the spikes of its populations.

    graph      the graph as JSON text has it (docs/trace.md)
    spikes     by population: uint8 or int32 [samples, steps, ...], channels last; made when asked for
    labels, predictions   of the samples, -1 where they are not known
    notes      what a reader has to know: tensors taken for spikes by their values, and the like
    """

    def __init__(self, graph, shapes, rows, kinds, steps, labels, predictions, notes):
        self.graph, self.steps, self.labels, self.predictions, self.notes = graph, steps, labels, predictions, notes
        self._shapes, self._rows, self._kinds = shapes, rows, kinds

    @property
    def populations(self):
        return list(self._shapes)

    @property
    def samples(self):
        return len(self.labels)

    def spikes(self, name):
        rows, shape = self._rows[name], self._shapes[name]
        if rows.dtype == np.uint8:
            rows = np.unpackbits(rows, axis=-1, count=int(np.prod(shape)))
        return rows.reshape(len(rows), self.steps, *shape)

    def _bits(self, name):
        """[samples * steps, bytes]: bits as a trace has them, planes of levels one behind the other."""
        rows = self._rows[name]
        if rows.dtype == np.uint8:
            bits = np.unpackbits(rows, axis=-1, count=int(np.prod(self._shapes[name])))
            return np.packbits(bits.reshape(-1, bits.shape[-1]), axis=1, bitorder="little")
        low, high = range_of(self._kinds[name])
        values = rows.reshape(-1, rows.shape[-1])
        planes = [np.abs(values) >> p & 1 for p in range(max(-low, high).bit_length())]
        if low < 0:
            planes.append(values < 0)
        return np.packbits(np.concatenate(planes, 1).astype(np.uint8), axis=1, bitorder="little")

    def count(self, out=None, **settings):
        """The reports of a run of these spikes, a spikeloom.Result: `settings` as of spikeloom.count. The files, trace.h5
        among them, lie in `out`, else in a temporary folder that is there as long as the result."""
        import spikeloom
        kept = spikeloom._settings.TemporaryFolder() if out is None else None
        files = self.save(kept.name if kept else out)
        named = {"trace": files[0]} if len(files) == 1 else {"network": files[0], "spikes": files[1]}
        result = spikeloom.count(**named, out=files[0].parent, **settings)
        result._temporary = kept
        return result

    def save(self, folder):
        """Writes trace.h5, or where h5py is missing network.json and spikes.npz; returns the files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            import h5py
        except ImportError:
            (folder / "network.json").write_text(json.dumps(self.graph))
            np.savez_compressed(folder / "spikes.npz", **{name: self.spikes(name) for name in self.populations})
            return [folder / "network.json", folder / "spikes.npz"]
        with h5py.File(folder / "trace.h5", "w") as f:
            f.attrs.update(spikeloom_trace_version="1.0", complete=1, generator=f"PyTorch {torch.__version__}")
            f["spikeloom/graph"] = json.dumps(self.graph)
            table = f.create_group("spikeloom/samples")
            table["n_steps"] = np.full(self.samples, self.steps, np.uint32)
            table["label"] = np.asarray(self.labels, np.int32)
            table["prediction"] = np.asarray(self.predictions, np.int32)
            for name, shape in self._shapes.items():
                place = name.replace("/", ".")
                about = f.create_group(f"spikeloom/populations/{place}").attrs
                about.update(layer=name, shape=np.asarray(shape, np.int64), dt_ms=1.0)
                low, high = range_of(self._kinds[name])
                if (low, high) != (0, 1):
                    about.update(kind="level", range=np.asarray([low, high], np.int64))
                f.create_dataset(f"spikeloom/activity/{place}/bits", data=self._bits(name), compression="gzip",
                                 compression_opts=1)
        return [folder / "trace.h5"]


def bits_of(x, part=1 << 16):
    """Whether they are set, of zeros and ones; None where there are others. In parts that stay in the cache."""
    flat = x.reshape(-1)
    bits = torch.empty(flat.shape, dtype=torch.bool, device=x.device)
    square = torch.empty(min(part, flat.numel()), dtype=x.dtype, device=x.device)
    for first in range(0, flat.numel(), part):
        values = flat[first:first + part]
        torch.ne(values, 0, out=bits[first:first + part])
        if not torch.equal(torch.mul(values, values, out=square[:values.numel()]), values):
            return None
    return bits.reshape(x.shape)


class Store:
    """Rows of one population, sample by sample, as they come."""

    def __init__(self, take, steps):
        self.take, self.steps = take, steps
        self.batches, self.rows, self.kind = [], None, "spikes"

    def receive(self, tensor, step):
        take, x = self.take, tensor.detach()
        bits = x if x.dtype == torch.bool else bits_of(x)
        binary = bits is not None
        if not binary:
            self._widen(kind_of_values(x))
        if self.kind == "real":
            self.rows = self.rows or [None] * self.steps
            return
        x = (bits if binary else x.round().to(torch.int32)).reshape(take.sizes).permute(take.order)
        if not take.has_samples:
            x = x.unsqueeze(0)
        if not take.has_steps:
            x = x.unsqueeze(1)
        x = x.reshape(x.shape[0], x.shape[1], -1).cpu().numpy()
        data = np.packbits(x.view(np.uint8), axis=-1) if binary else x
        if self.rows is None:
            self.rows = [None] * self.steps
        for i, t in enumerate(range(self.steps) if step is None else [step]):
            self.rows[t] = data[:, i if take.has_steps else 0]

    def _widen(self, kind):
        if "real" in (kind, self.kind):
            self.kind = "real"
        elif kind != self.kind:
            (low, high), (low2, high2) = range_of(kind), range_of(self.kind)
            self.kind = ("levels", min(low, low2), max(high, high2))

    def end_batch(self, samples):
        if self.kind == "real":
            self.rows, self.batches = None, []
            return
        if self.rows is None or any(r is None for r in self.rows):
            first = next((r for r in self.rows or [] if r is not None), None)
            if first is None:
                raise DataError(f"{self.take.name}: was not computed")
            self.rows = [np.zeros_like(first) if r is None else r for r in self.rows]
        if len({r.dtype for r in self.rows}) > 1:
            self.rows = [self._numbers(r) for r in self.rows]
        batch = np.stack(self.rows, 1)
        if batch.shape[0] not in (1, samples):
            raise DataError(f"{self.take.name}: gave {batch.shape[0]} samples of {samples}; where the network remembers "
                            "what came before, name its neurons, or give reset")
        self.batches.append(np.broadcast_to(batch, (samples,) + batch.shape[1:]))
        self.rows = None

    def _numbers(self, rows):
        if rows.dtype != np.uint8:
            return rows
        return np.unpackbits(rows, axis=-1, count=int(np.prod(self.take.shape))).astype(np.int32)

    def all(self, numbers):
        if numbers:
            self.batches = [self._numbers(b) for b in self.batches]
        return np.concatenate(self.batches)


def _bn_and_pad(module):
    """BNAndPadLayer of RepVGG and of those who took it from there: a ring of what normalisation makes of 0."""
    return lambda call: {"kind": "batchnorm", "channels": module.bn.num_features, "prefix": call.path + ".bn",
                         "eps": module.bn.eps, "pad": module.pad_pixels}


LEAVES = {"BNAndPadLayer": _bn_and_pad}


def _find_neurons(model, wanted):
    """The modules that are neurons, with how steps lie in their tensors."""
    found = {}
    if isinstance(wanted, (str, type, torch.nn.Module)):
        wanted = [wanted]
    try:
        explicit = dict(wanted) if isinstance(wanted, dict) else dict.fromkeys(wanted or ())
    except TypeError:
        raise UsageError(f"neurons: expected classes, names or modules, got {wanted!r}", key="neurons") from None
    used = set()
    for path, module in model.named_modules():
        for given, layout in explicit.items():
            if (isinstance(given, str) and given in (path, type(module).__name__)) or \
                    (isinstance(given, type) and isinstance(module, given)) or given is module:
                if layout not in (None, *nr.LAYOUTS):
                    raise UsageError(f"neurons: {layout!r} is none of {', '.join(nr.LAYOUTS)}", key="neurons")
                found[module] = layout or nr.layout_of(module)
                used.add(given)
        if module not in found and nr.is_known(module):
            found[module] = nr.layout_of(module)
    missing = [g for g in explicit if g not in used]
    if missing:
        raise UsageError(f"neurons: no module of the network is {missing[0]!r}", key="neurons")
    inner = {m for module in found for m in module.modules() if m is not module}
    return {m: layout for m, layout in found.items() if m not in inner}


def _batches(loader):
    """(inputs, labels) of whatever a loader gives: tensors, pairs, or one tensor for all."""
    if isinstance(loader, torch.Tensor):
        loader = [loader]
    try:
        items = iter(loader)
    except TypeError:
        raise UsageError(f"loader: expected batches, got {type(loader).__name__}", key="loader") from None
    for item in items:
        if isinstance(item, torch.Tensor):
            yield item, None
        elif isinstance(item, (tuple, list)) and item and isinstance(item[0], torch.Tensor):
            labels = item[1] if len(item) > 1 else None
            yield item[0], labels if isinstance(labels, torch.Tensor) and labels.dim() == 1 else None
        else:
            raise UsageError(f"loader: expected tensors or (inputs, labels), got {type(item).__name__}", key="loader")


def record(model, loader, neurons=None, *, steps=None, each_step=False, events=None, reset=None, limit=None):
    """Runs `model` over `loader` and records its graph and its spikes.

    model      a torch.nn.Module; it is put into eval() for the time
    loader     batches: tensors, or (inputs, labels)
    neurons    besides those of SpikingJelly, snnTorch, Norse and Sinabs: classes, names of classes, paths or modules;
               as a dict with how steps lie in what they read: "step" (a call is a step, [samples, ...]), "TN"
               ([steps, samples, ...]), "NT" or "flat" ([samples * steps, ...])
    steps      of a model that does one step a call: how many
    each_step  the inputs hold a frame a step, [steps, samples, ...], and the model does one step a call
    events     the input: True: whole numbers are events; False: nothing is; None: zeros and ones are spikes
    reset      called before every batch; else the neurons' own reset()
    limit      samples at most

    Raises UsageError for arguments, DataError for what a network does that cannot be followed.
    """
    if not isinstance(model, torch.nn.Module):
        raise UsageError(f"model: expected a torch.nn.Module, got {type(model).__name__}", key="model")
    for key, count in (("steps", steps), ("limit", limit)):
        if count is not None and (not isinstance(count, int) or count < 1):
            raise UsageError(f"{key}: expected a number of at least 1, got {count!r}", key=key)
    known = _find_neurons(model, neurons)
    leaves = {}
    for _, module in model.named_modules():
        make = LEAVES.get(type(module).__name__)
        if make is not None:
            leaves[module] = make(module)
    tracer = Tracer(model, known, leaves)
    session = _Session(model, tracer, known, steps, each_step, events, reset)
    training = {module: module.training for module in model.modules()}
    model.eval()
    tracer.attach()
    try:
        with torch.no_grad():
            done = 0
            for inputs, labels in _batches(loader):
                if limit is not None and done >= limit:
                    break
                if limit is not None:
                    axis = 1 if each_step else 0
                    inputs = inputs.narrow(axis, 0, min(inputs.shape[axis], limit - done))
                    labels = None if labels is None else labels[: limit - done]
                done += session.batch(inputs, labels)
    finally:
        tracer.detach()
        session.reset()
        for module, flag in training.items():
            module.training = flag
    return session.recording()


class _Session:
    def __init__(self, model, tracer, known, steps, each_step, events, reset):
        self.model, self.tracer, self.known = model, tracer, known
        self.steps, self.each_step, self.events, self.own_reset = steps, each_step, events, reset
        self.network, self.stores, self.kinds = None, {}, {}
        self.labels, self.predictions = [], []

    def reset(self):
        if self.own_reset is not None:
            self.own_reset()
            return
        for module in self.known:
            nr.reset(module)

    def _forward(self, inputs):
        """One pass of all steps; the last output."""
        if not self.each_step and not self.steps:
            self._give(inputs, "input")
            return self.model(inputs)
        count = inputs.shape[0] if self.each_step else self.steps
        outs = []
        if not self.each_step:
            self._give(inputs, "input")
        for t in range(count):
            with self.tracer.unseen():
                frame = inputs[t] if self.each_step else inputs
            if self.each_step:
                self._give(frame, "input")
            outs.append(self.model(frame))
        return outs

    def _give(self, tensor, name):
        self.tracer.read_input(tensor, name, ax.fresh(tensor.shape))

    def _pass(self, inputs, tracing):
        self.reset()
        inputs = inputs.detach()
        if tracing:
            # The axis of the samples is known by being longer than 1.
            axis = 1 if self.each_step else 0
            single = inputs.shape[axis] == 1 and "flat" not in self.known.values()
            inputs = torch.cat([inputs, inputs], axis) if single else inputs.clone()
        self.tracer.begin(tracing)
        with contextlib.ExitStack() as modes:
            if tracing:
                modes.enter_context(self.tracer.counter)
            modes.enter_context(self.tracer)
            out = self._forward(inputs)
        self.tracer.end()
        return out

    def batch(self, inputs, labels):
        if self.network is None:
            self._trace(inputs)
        out = self._pass(inputs, False)
        outs = out if isinstance(out, list) else [out]
        logits = [o[0] if isinstance(o, (tuple, list)) else o for o in outs]
        samples = inputs.shape[1 if self.each_step else 0]
        samples = self._samples(inputs, samples)
        for store in self.stores.values():
            store.end_batch(samples)
        self._answers(logits, labels, samples)
        return samples

    def _samples(self, inputs, guess):
        axes = self.tracer.calls[0].axes
        for axis, size in zip(axes, inputs.shape[1:] if self.each_step else inputs.shape):
            parts = ax.leaves(axis)
            if any(a.role == "N" for a in parts):
                return size // int(np.prod([a.size for a in parts if a.role != "N"]))
        return guess

    def _answers(self, logits, labels, samples):
        """Predictions where an output looks like one row of numbers a sample."""
        total = None
        for out in logits:
            if isinstance(out, torch.Tensor) and out.dim() == 3 and out.shape[1] == samples:
                out = out.float().mean(0)
            if not isinstance(out, torch.Tensor) or out.dim() != 2 or out.shape[0] != samples:
                total = None
                break
            total = out.float() if total is None else total + out.float()
        self.predictions += [-1] * samples if total is None else total.argmax(1).tolist()
        fits = labels is not None and len(labels) == samples
        self.labels += labels.tolist() if fits else [-1] * samples

    def _trace(self, inputs):
        out = self._pass(inputs, True)
        out = out[-1] if isinstance(out, list) and (self.steps or self.each_step) else out
        out = out[0] if isinstance(out, (tuple, list)) else out
        if len(self.tracer.calls) < 2:
            raise DataError("the network did nothing with its input")
        names = {id(p): n for n, p in self.model.named_parameters()}
        names |= {id(b): n for n, b in self.model.named_buffers()}
        self.network = Network(self.tracer, names, self.known, self.steps, self.each_step)
        self.network.answer = (tag_of(out) or (None,))[0]
        self.kinds = {node: self._first_kind(node) for node in self.network.nodes}
        self.network.build(self.kinds.__getitem__)
        wanted = {}
        for take in self.network.takes:
            store = self.stores[take.key] = Store(take, self.network.steps)
            for index, step in take.members:
                wanted.setdefault(index, []).append(
                    (take.place, lambda x, store=store, step=step: store.receive(x, step)))
        self.tracer.wanted = wanted

    def _first_kind(self, node):
        kind = joined([call.binary for call in node.calls]) if None not in [c.binary for c in node.calls] else "real"
        return self._input_kind(kind) if node.call.kind == "input" else kind

    def _input_kind(self, kind):
        """Whole numbers may be anything; only where the user says so they are events."""
        if self.events is False or isinstance(kind, tuple) and not self.events:
            return "real"
        return kind

    def recording(self):
        if self.network is None:
            raise UsageError("loader: it gave no samples", key="loader")
        network, first = self.network, dict(self.kinds)
        for node in network.nodes:
            store = self.stores.get((node.call.index, None))
            if store is not None:
                kind = joined([self.kinds[node], store.kind])
                self.kinds[node] = self._input_kind(kind) if node.call.kind == "input" else kind
        graph = network.build(self.kinds.__getitem__)
        shapes, rows, kinds = {}, {}, {}
        for take in network.takes:
            store = self.stores.get(take.key)
            if store is None or store.kind == "real":
                raise DataError(f"{take.name}: its values are of another kind in a later batch than in the first; begin "
                                 "with a batch that has all kinds")
            shapes[take.name], kinds[take.name] = take.shape, take.kind
            rows[take.name] = store.all(numbers=take.kind != "spikes")
        for name, source in network.before:
            earlier = rows[source]
            shapes[name], kinds[name] = shapes[source], kinds[source]
            rows[name] = np.concatenate([np.zeros_like(earlier[:, :1]), earlier[:, :-1]], 1)
        return Recording(graph, shapes, rows, kinds, network.steps, self.labels, self.predictions,
                         self._notes(network, first))

    def _notes(self, network, first):
        notes = list(network.notes)
        for node, value in network.emitted.items():
            call, kind = node.call, self.kinds[node]
            if call.kind == "input" and kind == "spikes":
                notes.append(f"{value[0]}: the input holds nothing but 0 and 1 and is taken for spikes")
            elif call.kind not in ("neuron", "input") and value[2] != "real" and kind != "real":
                notes.append(f"{value[0]} ({call.what}): not of a neuron that is known, but whole numbers; taken for "
                             + ("spikes" if kind == "spikes" else "levels"))
            elif call.kind == "neuron" and kind == "real":
                notes.append(f"{value[0]} ({call.what}): what leaves these neurons is real; what reads it is counted as "
                             "MACs")
        return notes


def joined(kinds):
    kind = kinds[0]
    for other in kinds[1:]:
        if "real" in (kind, other):
            return "real"
        if kind != other:
            (a, b), (c, d) = range_of(kind), range_of(other)
            kind = ("levels", min(a, c), max(b, d))
    return kind
