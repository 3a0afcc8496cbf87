"""From the calls of a forward pass to the operator graph of one step (docs/trace.md), and which tensors are its spikes."""
from math import gcd

from .._errors import DataError
from . import axes as ax
from . import neurons as nr


class Node:
    """What one call, or the calls of a loop over steps, is in the graph."""
    __slots__ = ("calls", "call", "name", "once", "kind", "low", "high", "source_kinds")

    def __init__(self, calls, once):
        self.calls, self.call, self.once = calls, calls[-1], once
        self.name, self.kind = None, "real"


class Canon:
    """How a value lies in the graph: rows of pixels or tokens, then channels."""

    def __init__(self, rows, chans):
        self.rows, self.chans = [ax.plain(r) for r in rows], ax.plain(chans)

    @property
    def sequence(self):
        return [atom for row in self.rows for atom in ax.leaves(row)] + ax.leaves(self.chans)

    @property
    def shape(self):
        return [ax.size_of(row) for row in self.rows] + [ax.size_of(self.chans)]


class Take:
    """A population: which tensors are its spikes, and how their axes become samples, steps and neurons."""

    def __init__(self, value, members, place, axes):
        self.name, canon, self.kind = value
        self.shape, self.members, self.place = canon.shape, members, place
        self.key = (members[-1][0], place)
        parts = ax.flat(axes)
        self.sizes = [-1 if a.role == "N" else a.size for a in parts]
        order = {id(a): i for i, a in enumerate(parts)}
        samples = [i for i, a in enumerate(parts) if a.role == "N"]
        steps = [i for i, a in enumerate(parts) if a.role == "T"]
        self.has_samples, self.has_steps = bool(samples), bool(steps)
        self.order = samples + steps + [order[id(a)] for a in canon.sequence]
        self.fits = len(samples) <= 1 and len(steps) <= 1 and len(self.order) == len(parts)


class Network:
    def __init__(self, tracer, parameters, layouts, steps, frames):
        self.tracer, self.parameters, self.layouts = tracer, parameters, layouts
        self.answer = None    # the call whose result the model returns
        self.frames = frames  # the model is called once a step, each time with a frame of its own
        self.nodes, self.node_of = [], {}
        self.loop = self._loop(steps)
        self._fold()
        self._mark_roles()
        self.steps = self._steps()
        self.notes = []

    # --- steps -------------------------------------------------------------------------------------------------------
    def _loop(self, steps):
        """How often a pass goes through the network: calls of a step each."""
        counts = {}
        for call in self.tracer.calls:
            if call.kind == "neuron" and self.layouts[call.module] == "step":
                counts[call.key] = counts.get(call.key, 0) + 1
        loop = 0
        for count in counts.values():
            loop = gcd(loop, count)
        if steps and loop and loop % steps == 0:
            loop = steps
        return loop or 1

    def _fold(self):
        groups = {}
        for call in self.tracer.calls:
            groups.setdefault(call.key, []).append(call)
        for members in groups.values():
            each, rest = divmod(len(members), self.loop)
            if rest and len(members) == self.loop - 1:
                parts = [(members, 1)]      # a loop that begins with the second step
            elif rest or not each:
                parts = [([m], None) for m in members]
            else:
                parts = [([members[t * each + j] for t in range(self.loop)], 0) for j in range(each)]
            for calls, first in parts:
                node = Node(calls, first is None or self.loop == 1)
                self.nodes.append(node)
                for call in calls[:-1]:
                    for mine, other in zip(node.call.axes, call.axes):
                        ax.unify(mine, other)
                for t, call in enumerate(calls):
                    self.node_of[call.index] = (node, None if node.once else t + first)
        self.nodes.sort(key=lambda n: n.call.index)

    def _mark_roles(self):
        calls = [c for c in self.tracer.calls if c.kind == "neuron"]

        def mark(axes, role):
            for atom in ax.leaves(axes):
                atom.role = atom.role or role

        for call in calls:
            layout, axes = self.layouts[call.module], call.axes
            if layout in ("TN", "NT"):
                mark(axes[0], layout[0])
                mark(axes[1], layout[1])
            elif layout == "flat":
                parts = ax.leaves(axes[0])
                batch = getattr(call.module, "batch_size", None) or -1
                count = getattr(call.module, "num_timesteps", None) or -1
                if len(parts) == 1:
                    size = parts[0].size
                    parts = ax.split(parts[0], batch if batch and batch > 0 else size // count)
                mark([parts[0]], "N")
                mark(parts[1:], "T")
        for call in calls:
            if self.layouts[call.module] == "step":
                mark(call.axes[0], "N")
        samples = max((a.size for c in calls for a in ax.flat(c.axes) if a.role == "N"), default=0)
        steps = max((a.size for c in calls for a in ax.flat(c.axes) if a.role == "T"), default=1)
        for call in self.tracer.calls:
            if call.kind == "origin" and call.axes[0]:
                first = ax.leaves(call.axes[0])[0]
                if first.size == samples * steps > samples:
                    first.parts = [ax.Atom(steps, "T"), ax.Atom(samples, "N")]
                elif first.size in (samples, steps):
                    first.role = "N" if first.size == samples else "T"
                    if first.role == "T" and len(call.axes) > 1 and ax.size_of(call.axes[1]) == samples:
                        mark(call.axes[1], "N")
            if call.kind == "input" and not any(a.role for a in ax.flat(call.axes)):
                mark(call.axes[0], "N")

    def _steps(self):
        sizes = {a.size for c in self.tracer.calls for a in ax.flat(c.axes) if a.role == "T"}
        sizes.discard(1)
        if self.loop > 1:
            if sizes - {self.loop}:
                raise DataError(f"the network loops over {self.loop} steps and has axes of {sorted(sizes)} steps")
            return self.loop
        if len(sizes) > 1:
            raise DataError(f"axes of steps have different lengths: {sorted(sizes)}")
        return sizes.pop() if sizes else 1

    # --- the graph ---------------------------------------------------------------------------------------------------
    def build(self, kind_of):
        """Nodes, and the tensors that are populations. `kind_of(node)`: "spikes", ("levels", low, high) or "real",
        what the values of a neuron or an unnamed function were found to be."""
        self.kind_of = kind_of
        self.graph, self.takes, self.notes, self.before = [], [], [], []
        self.emitted, self.names, self.late = {}, {}, []
        self.readers = {}
        for node in self.nodes:
            for operand in node.call.operands:
                self.readers.setdefault(self.node_of[operand.source][0], []).append(node)
        for node in self.nodes:
            if node.call.kind != "origin":  # only where it is read
                self._emit(node)
        for name, node in self.late:
            shown = self.emitted[node]
            self.by_name[name]["feedback"] = shown[0]
            if shown[2] != "real":
                self.before.append((name, shown[0]))
        graph = {"nodes": self.graph}
        if self.answer is not None:
            graph["outputs"] = [{"name": "logits", "node": self.emitted[self.node_of[self.answer][0]][0]}]
        return graph

    @property
    def by_name(self):
        return {n["name"]: n for n in self.graph}

    def _name(self, wanted):
        wanted = wanted or "network"
        count = self.names.get(wanted, 0)
        self.names[wanted] = count + 1
        return wanted if count == 0 else self._name(f"{wanted}_{count + 1}")

    def _add(self, name, op, inputs, canon, kind):
        """One node; returns what stands for a value: name, canon, kind."""
        entry = {"name": name, "op": op}
        if inputs:
            entry["inputs"] = inputs
        self.graph.append(entry)
        return (name, canon, kind)

    def _take(self, value, members, place, axes):
        take = Take(value, members, place, axes)
        if not take.fits:
            raise DataError(f"{value[0]}: its axes are not understood: {take.sizes}")
        self.takes.append(take)

    def _default(self, axes):
        samples = [i for i, axis in enumerate(axes) if any(a.role == "N" for a in ax.leaves(axis)) and not ax.plain(axis)]
        if samples:  # axes of one element count behind that of the samples
            rest = [axis for axis in axes[samples[0] + 1:] if ax.plain(axis) or not ax.leaves(axis)]
            rest = [axis for axis in axes[:samples[0]] if ax.plain(axis)] + rest
        else:
            rest = [axis for axis in axes if ax.plain(axis)]
        if not rest:
            return Canon([], [])
        if len(rest) == 3:
            return Canon([rest[1], rest[2]], rest[0])
        rows = [a for axis in rest[:-1] for a in axis]
        return Canon([rows] if rows else [], rest[-1])

    def _like(self, axes, *values):
        """The canon of a source with the same elements, else that of the axes."""
        mine = {id(a) for a in ax.plain([a for axis in axes for a in axis])}
        for value in values:
            if {id(a) for a in value[1].sequence} == mine:
                return value[1]
        return self._default(axes)

    def _source(self, node, operand):
        """The value an operand shows; of a step before by a feedback, which closes later."""
        source, step = self.node_of[operand.source]
        if source.call.kind == "origin" and source not in self.emitted:
            self._emit(source)
        mine = self.node_of[node.call.index][1]
        if source in self.emitted and (source.once or step is None or mine is None or step == mine):
            return self.emitted[source]
        kind = self.kind_of(source)
        canon = self._like(source.call.axes)
        name = self._name((source.call.path or "network") + ".before")
        op = {"kind": "feedback", "shape": canon.shape, "spikes": kind == "spikes"}
        if isinstance(kind, tuple):
            op |= {"lowest": kind[1], "highest": kind[2]}
        value = self._add(name, op, [], canon, kind)
        self.late.append((name, source))
        return value

    def _bring(self, node, operand, rows=None, chans=None, value=None):
        """The operand as a layer wants it: rows a list of axes, then channels."""
        value = value or self._source(node, operand)
        if rows is None:
            return value
        want = Canon(rows, chans)
        have = value[1]
        if [id(a) for a in want.sequence] == [id(a) for a in have.sequence]:
            if want.shape == have.shape:
                return value
            if want.shape[-1] == have.shape[-1]:
                return self._add(self._name(value[0] + ".view"), {"kind": "view", "shape": want.shape}, [value[0]], want,
                                 value[2])
        flat_order = [id(a) for a in ax.leaves(have.chans)] + [id(a) for r in have.rows for a in ax.leaves(r)]
        if len(want.shape) == 1 and len(have.shape) == 3 and [id(a) for a in want.sequence] == flat_order \
                and value[2] != "counts":
            return self._add(self._name(value[0] + ".flat"), {"kind": "flatten"}, [value[0]], want, value[2])
        name = self._name((node.call.path or "network") + ".operand")
        kind = "real" if value[2] == "counts" else value[2]
        op = {"kind": "recorded", "what": "axes moved", "shape": want.shape, "moves": True} | kind_fields(kind)
        moved = self._add(name, op, [value[0]], want, kind)
        if kind != "real":
            self._take(moved, self._members(node), operand.place, operand.axes)
        return moved

    def _members(self, node):
        return [(call.index, None if node.once else self.node_of[call.index][1]) for call in node.calls]

    def _emit(self, node):
        call = node.call
        emit = getattr(self, "_emit_" + call.kind, None)
        value = emit(node, call) if emit is not None else None
        self.emitted[node] = value if value is not None else self._emit_any(node, call)

    def _recorded(self, node, call, inputs, canon, kind, **fields):
        """A node without an operator."""
        path = call.path or "network"
        name = self._name(path if call.kind in ("neuron", "leaf") else f"{path}.{call.what}")
        op = {"kind": "recorded", "what": call.what, "shape": canon.shape} | kind_fields(kind) | fields
        value = self._add(name, op, inputs, canon, kind)
        if kind != "real":
            self._take(value, self._members(node), None, call.axes)
        return value

    def _emit_any(self, node, call):
        values = [self._source(node, operand) for operand in call.operands]
        kind = self.kind_of(node)
        if isinstance(kind, tuple) and any(v[2] in ("real", "counts") for v in values):
            kind = "real"  # whole by chance
        canon = self._like(call.axes, *values)
        fields = {}
        macs = sum(c.macs for c in node.calls)
        evaluations = self._evaluations(call)
        if macs and evaluations:
            fields = {"macs": max(1, macs // evaluations), **self._weights(call)}
            if not values:  # of what nobody saw come about; it is no less work
                values = [self.emitted[next(n for n in self.nodes if n.call.kind == "input")]]
            if values[0][2] not in ("real", "counts"):
                # Which of the products inside meet spikes nobody knows: all are MACs.
                name = self._name((call.path or "network") + ".read")
                values[0] = self._add(name, {"kind": "recorded", "what": "spikes as numbers", "shape": values[0][1].shape,
                                             "moves": True}, [values[0][0]], values[0][1], "real")
        return self._recorded(node, call, [v[0] for v in values], canon, kind, **fields)

    def _evaluations(self, call):
        """Samples times steps of the first pass."""
        samples = {a.size for c in self.tracer.calls for a in ax.flat(c.axes) if a.role == "N"}
        return max(samples, default=1) * self.steps

    def _weights(self, call):
        if call.weights is None or call.weights[0] is None:
            return {}
        weight = call.weights[0]
        return {"weights": weight.numel(), "weight": self.parameters.get(id(weight), (call.path or "network") + ".weight")}

    def _emit_origin(self, node, call):
        kind = self.kind_of(node)
        canon = self._default(call.axes)
        name = self._name((call.path or "network") + ".operand")
        value = self._add(name, {"kind": "recorded", "what": call.what, "shape": canon.shape} | kind_fields(kind), [],
                          canon, kind)
        if kind != "real":  # it is seen by the call that reads it, the next one
            self._take(value, [(call.index + 1, None)], 0, call.axes)
        return value

    def _emit_input(self, node, call):
        kind = self.kind_of(node)
        canon = self._default(call.axes)
        repeated = not self.frames and not any(a.role == "T" for a in ax.flat(call.axes))
        op = {"kind": "input", "shape": canon.shape, "repeated": repeated and kind == "real"}
        if kind == "spikes":
            op["events"] = True
        elif isinstance(kind, tuple):
            op |= {"lowest": kind[1], "highest": kind[2]}
        value = self._add(self._name(call.path), op, [], canon, kind)
        if kind != "real":
            self._take(value, self._members(node), None, call.axes)
        return value

    def _layer(self, call, op):
        weight, bias = call.weights
        own = call.path or "network"
        op = dict(op, weight=self.parameters.get(id(weight), own + ".weight"))
        if bias is not None:
            op["bias"] = self.parameters.get(id(bias), own + ".bias")
        return op

    def _layer_name(self, call):
        return self._name(call.path if call.weights and id(call.weights[0]) in self.parameters and
                          self.parameters[id(call.weights[0])].rsplit(".", 1)[0] == call.path
                          else f"{call.path or 'network'}.{call.what}")

    def _emit_map(self, node, call):
        operand = call.operands[0]
        return self._map(node, call, operand, operand.rows)

    def _emit_row(self, node, call):
        operand = call.operands[0]
        return self._map(node, call, operand, [[], operand.rows[0]])

    def _map(self, node, call, operand, rows):
        source = self._bring(node, operand, rows, operand.chans)
        if source[2] == "counts":
            return None
        out = call.rows if call.kind == "map" else [[], call.rows[0]]
        canon = Canon(out, call.chans)
        op = call.op
        if op["kind"] == "pool2d":
            kind = "real" if op["mode"] == "average" else source[2]
            value = self._add(self._name(call.path or "pool"), op, [source[0]], canon, kind)
            if kind != "real":
                self._take(value, self._members(node), None, call.axes)
            return value
        return self._add(self._layer_name(call), self._layer(call, op), [source[0]], canon, "real")

    def _emit_linear(self, node, call):
        operand = call.operands[0]
        value = self._source(node, operand)
        rows = [a for axis in operand.rows for a in axis]
        want = [id(a) for a in ax.plain(rows)] + [id(a) for a in ax.plain(operand.chans)]
        if [id(a) for a in value[1].sequence] == want and \
                ax.size_of(value[1].chans) == ax.size_of(ax.plain(operand.chans)):
            source = value
        else:
            source = self._bring(node, operand, [rows] if ax.plain(rows) else [], operand.chans, value)
        if source[2] == "counts":
            return None
        canon = Canon(source[1].rows, call.chans)
        return self._add(self._layer_name(call), self._layer(call, call.op), [source[0]], canon, "real")

    def _normalised(self, node, call, op, allowed):
        operand = call.operands[0]
        value = self._source(node, operand)
        rows = [a for axis in operand.rows for a in axis]
        source = value
        if ax.size_of(value[1].chans) != op["channels"]:
            source = self._bring(node, operand, [rows] if ax.plain(rows) else [], operand.chans, value)
        if source[2] not in allowed and not isinstance(source[2], tuple):
            return None
        return self._add(self._name(call.path or call.what), op, [source[0]], source[1], "real")

    def _emit_batchnorm(self, node, call):
        name = self.parameters.get(id(call.weights[0]), (call.path or "network") + ".running_mean")
        return self._normalised(node, call, dict(call.op, prefix=name.rsplit(".", 1)[0]), ("real",))

    def _emit_layernorm(self, node, call):
        return self._normalised(node, call, dict(call.op, prefix=call.path or "network.layer_norm"), ("real", "spikes"))

    def _emit_add(self, node, call):
        own = [o for o in call.operands if self.node_of[o.source][0] is node]
        if own:  # a sum over the steps
            other = next(o for o in call.operands if o is not own[0])
            value = self._source(node, other)
            if value[2] == "counts":
                return None
            return self._add(self._name((call.path or "network") + ".sum"), {"kind": "step_mean", "mode": "sum"},
                             [value[0]], value[1], "real")
        a, b = (self._source(node, o) for o in call.operands)
        if "counts" in (a[2], b[2]):
            return None
        if a[2] != "real" and b[2] == "real":
            call = self._swapped(call)
            a, b = b, a
        canon = a[1]
        b = self._bring(node, call.operands[1], canon.rows, canon.chans, b)
        if b[1].shape != canon.shape or not {id(x) for x in canon.sequence} == {id(x) for x in b[1].sequence}:
            return None
        kind = "real"
        if a[2] != "real":
            (low, high), (low2, high2) = range_of(a[2]), range_of(b[2])
            kind = ("levels", low + low2, high + high2)
        value = self._add(self._name((call.path or "network") + ".add"), call.op, [a[0], b[0]], canon, kind)
        if kind != "real":
            self._take(value, self._members(node), None, call.axes)
        return value

    @staticmethod
    def _swapped(call):
        call.operands = call.operands[::-1]
        return call

    def _emit_mul(self, node, call):
        a, b = (self._source(node, o) for o in call.operands)
        if a[2] != "real" or b[2] != "real":
            return None
        b = self._bring(node, call.operands[1], a[1].rows, a[1].chans, b)
        return self._add(self._name((call.path or "network") + ".mul"), call.op, [a[0], b[0]], a[1], "real")

    def _emit_scale(self, node, call):
        value = self._source(node, call.operands[0])
        if value[2] == "counts":
            producer = self.by_name[value[0]]
            source = self.node_of[call.operands[0].source][0]
            if producer["op"]["kind"] == "qapply" and len(self.readers[source]) == 1:
                producer["op"]["scale"] *= call.op["factor"]
                return value
            return None
        if call.op["factor"] == 1:
            return value
        return self._add(self._name((call.path or "network") + "." + call.what), call.op, [value[0]], value[1], "real")

    def _emit_real(self, node, call):
        value = self._source(node, call.operands[0])
        if value[2] != "real":
            return None
        return self._add(self._name(call.path or call.what), call.op, [value[0]], value[1], "real")

    def _emit_mean(self, node, call):
        operand = call.operands[0]
        value = self._source(node, operand)
        gone = ax.leaves([a for axis in operand.rows for a in axis])
        if value[2] == "counts":
            return None
        if gone and all(a.role == "T" for a in gone):
            return self._add(self._name((call.path or "network") + ".steps"),
                             {"kind": "step_mean", "mode": call.what}, [value[0]], value[1], "real")
        rows = [a for row in value[1].rows for a in ax.leaves(row)]
        inside = [a for a in gone if a.role is None]
        if call.what == "mean" and inside and {id(a) for a in inside} == {id(a) for a in rows} \
                and all(a.role in (None, "T") for a in gone):
            canon = Canon([], value[1].chans)
            mean = self._add(self._name((call.path or "network") + ".mean"), {"kind": "spatial_mean"}, [value[0]], canon,
                             "real")
            if len(inside) == len(gone):
                return mean
            return self._add(self._name((call.path or "network") + ".steps"), {"kind": "step_mean", "mode": "mean"},
                             [mean[0]], canon, "real")
        return None

    def _emit_leaf(self, node, call):
        op = self.tracer.leaves[call.module](call)
        value = self._source(node, call.operands[0])
        if value[2] != "real":
            return None
        return self._add(op["prefix"], op, [value[0]], self._default(call.axes), "real")

    def _emit_neuron(self, node, call):
        values = [self._source(node, o) for o in call.operands]
        values += [self.emitted[self.node_of[p][0]] for p in call.products if self.node_of[p][0] in self.emitted]
        kind = self.kind_of(node)
        op = nr.operator_of(call.module) if kind == "spikes" else None
        inner = [v for v in values if v[2] != "spikes"]
        macs = sum(c.macs for c in node.calls) // self._evaluations(call)
        if op is not None and len(values) == 1 and inner and not macs:
            value = self._add(self._name(call.path), op, [values[0][0]], self._like(call.axes, *values), kind)
            self._take(value, self._members(node), None, call.axes)
            return value
        if macs:
            self.notes.append(f"{call.path}: {macs} products of a step inside the neurons are counted as MACs")
            inside = self._name(call.path + ".inside")
            canon = self._like(call.axes, *values)
            source = inner[0] if inner else None
            real = self._add(self._name(call.path + ".state"), {"kind": "recorded", "what": "state", "shape": canon.shape},
                             [v[0] for v in values], canon, "real") if source is None else source
            values.append(self._add(inside, {"kind": "recorded", "what": "products inside " + call.what,
                                             "shape": canon.shape, "macs": macs}, [real[0]], canon, "real"))
        return self._recorded(node, call, [v[0] for v in values], self._like(call.axes, *values), kind, neurons=True)

    def _emit_product(self, node, call):
        labels, atoms = call.labels
        if labels is None:  # a convolution without an operator
            source = self._source(node, call.operands[0])
            macs = sum(c.macs for c in node.calls) // self._evaluations(call)
            return self._recorded(node, call, [source[0]], self._default(call.axes), "real", macs=max(1, macs),
                                  **self._weights(call))
        values = [self._source(node, o) for o in call.operands]
        attention = self._attention(node, call, values, labels, atoms)
        if attention is not None:
            return attention
        sizes = {letter: ax.size_of(ax.plain(axis)) for letter, axis in atoms.items()}
        macs, gate = 1, 0
        for size in sizes.values():
            macs *= size
        for i, value in enumerate(values):
            if value[2] not in ("real", "counts"):
                gate = i
                break
        fan_out = 1
        for letter, size in sizes.items():
            if letter not in labels[call.operands[gate].place]:
                fan_out *= size
        order = [values[gate]] + [v for i, v in enumerate(values) if i != gate]
        return self._recorded(node, call, [v[0] for v in order], self._like(call.axes), "real", macs=macs,
                              fan_out=fan_out, **(self._weights(call) if len(values) == 1 else {}))

    def _attention(self, node, call, values, labels, atoms):
        """K^T V of spikes, and Q times that."""
        if len(values) != 2 or call.what == "einsum":
            return None
        heads = [a for letter in labels[0][:-2] for a in ax.plain(atoms[letter])]
        m, k, n = (ax.plain(atoms[letter]) for letter in "mkn")
        d = ax.size_of(k) if values[1][2] == "counts" else ax.size_of(m)
        count = ax.size_of(heads)
        if values[0][2] == "spikes" == values[1][2] and ax.size_of(m) == ax.size_of(n):
            if not self._leads_to_queries(node, call):
                return None
            keys = self._bring(node, call.operands[0], [k], heads + m, values[0])
            vals = self._bring(node, call.operands[1], [k], heads + n, values[1])
            name = self._name((call.path or "network") + ".kv")
            return self._add(name, {"kind": "ktv", "heads": count}, [keys[0], vals[0]], Canon([heads, m], n), "counts")
        if values[0][2] == "spikes" and values[1][2] == "counts" and ax.size_of(n) == d:
            queries = self._bring(node, call.operands[0], [m], heads + k, values[0])
            name = self._name((call.path or "network") + ".qkv")
            return self._add(name, {"kind": "qapply", "heads": count, "scale": 1.0}, [queries[0], values[1][0]],
                             Canon([m], heads + n), "counts")
        return None

    def _leads_to_queries(self, node, call):
        """Whether all that reads the product multiplies queries of spikes, of as many tokens, by it."""
        readers = self.readers.get(node, [])
        tokens = ax.size_of(ax.plain(call.labels[1]["k"]))
        for reader in readers:
            other = reader.call
            if other.kind != "product" or other.labels[0] is None or other.what == "einsum" or len(other.operands) != 2:
                return False
            if self.node_of[other.operands[1].source][0] is not node:
                return False
            if ax.size_of(ax.plain(other.labels[1]["m"])) != tokens:
                return False
            query = self.node_of[other.operands[0].source][0]
            if query not in self.emitted or self.emitted[query][2] != "spikes":
                return False
        return bool(readers)


def range_of(kind):
    return (0, 1) if kind == "spikes" else (kind[1], kind[2])


def kind_fields(kind):
    if kind == "spikes":
        return {"spikes": True}
    if isinstance(kind, tuple):
        return {"lowest": kind[1], "highest": kind[2]}
    return {}
