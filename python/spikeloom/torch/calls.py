"""What a network does, call by call: PyTorch's functions as it uses them, with tensors followed by name.

`Tracer` is a mode of torch that sees every function of a forward pass. In the first pass it writes down calls:
what was called, on whose results, along which axes. In later passes it compares the calls with those and hands out
the tensors that are wanted. Modules that are neurons are one call, whatever goes on inside."""
import contextlib
import sys

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from .._errors import DataError
from . import axes as ax
from . import functions

try:  # for as long as the inner steps of a neuron go on; without it they are only passed over
    from torch.overrides import _pop_mode_temporarily as aside
except ImportError:
    aside = contextlib.nullcontext

TAG = "_spikeloom"

# Other views of the same elements, in the same order.
RESHAPES = {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as", "ravel"}
# The same values.
SAME = {"contiguous", "clone", "detach", "float", "double", "half", "to", "type", "type_as", "requires_grad_", "alias",
        "dropout", "dropout1d", "dropout2d", "dropout3d", "identity", "int", "long", "bool", "cpu", "cuda", "data"}
PERMUTES = {"permute", "transpose", "t", "T", "mT", "swapaxes", "movedim"}
SILENT = {"size", "dim", "numel", "stride", "is_contiguous", "shape", "device", "dtype", "is_floating_point", "layout",
          "requires_grad", "ndim", "is_cuda", "get_device", "is_sparse", "grad_fn", "grad", "backward", "item", "tolist",
          "element_size", "storage", "data_ptr", "__len__", "__repr__", "zeros_like", "ones_like", "rand_like",
          "randn_like", "empty_like", "full_like", "new_zeros", "new_ones", "new_tensor", "new_empty", "new_full",
          "is_complex", "is_inference", "__bool__", "__format__", "numpy", "is_nested", "is_quantized", "_version"}


class Call:
    """One function or neuron: its place in the program, what it read, what came out."""
    __slots__ = ("key", "path", "what", "kind", "operands", "axes", "rows", "chans", "op", "macs", "index", "labels",
                 "module", "products", "binary", "weights")

    def __init__(self, **fields):
        self.operands, self.op, self.macs, self.labels, self.module = [], {}, 0, None, None
        self.products, self.binary, self.weights = [], None, None
        for name, value in fields.items():
            setattr(self, name, value)


class Operand:
    """A tensor a call read: whose result (index of the call), its axes, and which of them a layer goes along."""
    __slots__ = ("source", "axes", "rows", "chans", "place")

    def __init__(self, source, axes, place, rows=None, chans=None):
        self.source, self.axes, self.place, self.rows, self.chans = source, axes, place, rows, chans


def tensors_in(values, out=None):
    out = [] if out is None else out
    for value in values:
        if isinstance(value, torch.Tensor):
            out.append(value)
        elif isinstance(value, (tuple, list)):
            tensors_in(value, out)
    return out


def tag_of(tensor):
    return getattr(tensor, TAG, None)


def name_of(func):
    name = getattr(func, "__name__", str(func))
    if name == "__get__":  # a property: .T, .shape
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    if name.startswith("__") and name.endswith("__") and name not in ("__getitem__", "__setitem__"):
        name = name[2:-2]
        name = {"iadd": "add", "radd": "add", "isub": "sub", "imul": "mul", "rmul": "mul", "truediv": "div",
                "itruediv": "div", "rsub": "sub", "rmatmul": "matmul"}.get(name, name)
    if name.endswith("_") and not name.startswith("_"):
        name = name[:-1]
    return name


class MacCounter(TorchDispatchMode):
    """Products that ATen makes, whoever asks for them."""

    def __init__(self):
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = str(func)
        if name.startswith("aten."):
            name = name.split(".")[1]
            if name in ("mm", "bmm"):
                self.macs += out.numel() * args[0].shape[-1]
            elif name in ("addmm", "baddbmm", "addbmm", "addmv"):
                self.macs += out.numel() * args[1].shape[-1]
            elif name in ("convolution", "_convolution", "cudnn_convolution", "mkldnn_convolution"):
                weight, transposed = args[1], len(args) > 6 and args[6]
                taps = weight[0].numel()
                self.macs += (args[0] if transposed else out).numel() * taps
            elif name.startswith("_scaled_dot_product"):
                q, k, v = args[:3]
                self.macs += q.numel() // q.shape[-1] * k.shape[-2] * (q.shape[-1] + v.shape[-1])
            elif name == "_native_multi_head_attention":
                (samples, queries, width), keys = args[0].shape, args[1].shape[1]
                self.macs += samples * (2 * width * width * (queries + keys) + 2 * queries * keys * width)
            elif name == "mkldnn_rnn_layer":
                self.macs += args[0].shape[0] * args[0].shape[1] * (args[1].numel() + args[2].numel())
        return out


class Tracer(TorchFunctionMode):
    def __init__(self, model, neurons, leaves):
        super().__init__()
        self.model, self.neurons, self.leaves = model, neurons, leaves
        self.calls = []
        self.script = []     # of every function that was seen: its name and the calls it was written down as
        self.paths = [""]
        self.inside = 0      # a neuron
        self.own = False     # what is called is this module's business
        self.counter = None  # while calls are written down
        self.with_products = set()  # neurons that have layers inside
        self.wanted = {}     # by call: (place, receiver); place None: what came out, else which tensor it read
        self.at = 0
        self._restore = []

    # --- modules -------------------------------------------------------------------------------------------------
    def attach(self):
        for path, module in self.model.named_modules():
            if module in self.neurons or module in self.leaves:
                self._wrap(path, module)
            else:
                self._restore.append(module.register_forward_pre_hook(lambda m, a, p=path: self.paths.append(p)).remove)
                self._restore.append(module.register_forward_hook(lambda m, a, o: self._leave()).remove)

    def _leave(self):
        self.paths.pop()

    def _wrap(self, path, module):
        forward = module.forward
        own = "forward" in module.__dict__

        def wrapped(*args, **kwargs):
            if self.inside:
                return forward(*args, **kwargs)
            return self._leaf(path, module, forward, args, kwargs)

        module.forward = wrapped
        self._restore.append(lambda: setattr(module, "forward", forward) if own else module.__dict__.pop("forward"))

    def detach(self):
        for restore in reversed(self._restore):
            restore()
        self._restore.clear()

    # --- passes ----------------------------------------------------------------------------------------------------
    def begin(self, tracing):
        self.at, self.inside, self.paths = 0, 0, [""]
        self.counter = MacCounter() if tracing else None
        if tracing:
            self.calls, self.script = [], []

    def end(self):
        if self.counter is None and self._find(None) != len(self.script):
            self._another_way("the end")

    def _find(self, name):
        """In a later pass: the row of the script that a call is. What touches no value of the network (states that
        are made or cleared) may come and go: rows without calls are passed over."""
        at = self.at
        while at < len(self.script):
            if self.script[at][0] == name:
                return at
            if self.script[at][1]:
                break
            at += 1
        return at if name is None else None

    @contextlib.contextmanager
    def unseen(self):
        self.own = True
        try:
            yield
        finally:
            self.own = False

    def read_input(self, tensor, name, axes):
        """A tensor from outside."""
        with self.unseen():
            self._read_input(tensor, name, axes)

    def _read_input(self, tensor, name, axes):
        if self.counter is None:
            self._replay("input " + name, [tensor], tensor)
            return
        call = Call(key=("input", name), path=name, what="input", kind="input", axes=axes, rows=None, chans=None)
        call.binary = kind_of_values(tensor)
        self._written(call, tensor)
        self.script.append(("input " + name, [call.index]))

    def _another_way(self, what):
        rows = [row[0] for row in self.script[self.at:] if row[1]]
        known = rows[0] if rows else "the end"
        raise DataError(f"the network took another way than in the first pass: {what} in place of {known}, in "
                        f"'{self.paths[-1]}'; a network whose calls depend on its data cannot be recorded")

    def _replay(self, name, given, out, strict=True):
        """In a later pass: hands on what is wanted of the call that this one is."""
        at = self._find(name)
        if at is None and (strict or name in PRODUCTS):
            self._another_way(name)
        if at is None:
            return
        self.at, outs = at, None
        for j, index in enumerate(self.script[self.at][1]):
            for place, receive in self.wanted.get(index, ()):
                if place is not None:
                    receive(given()[place] if callable(given) else given[place])
                else:
                    outs = outs or (tensors_in([out]) if out is not None else given())
                    receive(outs[j])
        self.at += 1

    def _written(self, call, out):
        call.index = len(self.calls)
        self.calls.append(call)
        setattr(out, TAG, (call.index, call.axes))
        return call.index

    def _leaf(self, path, module, forward, args, kwargs):
        x = (tensors_in(args) or tensors_in(kwargs.values()))[0]
        tag, macs, first = tag_of(x), self.counter.macs if self.counter else 0, len(self.calls)
        shape = tuple(x.shape)
        self.paths.append(path)
        self.inside += 1
        try:
            with contextlib.nullcontext() if self.counter or path in self.with_products else aside():
                result = forward(*args, **kwargs)
        finally:
            self.inside -= 1
            self.paths.pop()
        with self.unseen():
            self._ended(path, module, x, tag, shape, macs, first, tensors_in([result])[0])
        return result

    def _ended(self, path, module, x, tag, shape, macs, first, out):
        what = "leaf " + path
        if self.counter is None:
            self._replay(what, [x], out)
            return
        axes = axes_like(out.shape, tag[1] if tag else None, shape)
        call = Call(key=("leaf", path), path=path, what=type(module).__name__, axes=axes, rows=None, chans=None,
                    kind="neuron" if module in self.neurons else "leaf", module=module)
        if tag:
            call.operands.append(Operand(tag[0], tag[1], 0))
        call.products = [c.index for c in self.calls[first:]]
        if call.products:
            self.with_products.add(path)
        call.macs = self.counter.macs - macs - sum(c.macs for c in self.calls[first:])
        call.binary = kind_of_values(out)
        self.script.append((what, [self._written(call, out)]))

    # --- functions -------------------------------------------------------------------------------------------------
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.own:
            return func(*args, **kwargs)
        if isinstance(func, torch._ops.OpOverload):  # of a mode of ATen inside this one
            out = func(*args, **kwargs)
            if self.counter is not None and not self.inside and func in SELECTS and tag_of(args[0]):
                seen = self._view("select", args, kwargs, [tag_of(args[0])], [tuple(args[0].shape)], out)
                if seen is not None:
                    setattr(out, TAG, seen)
            return out
        name = NAMES.get(func)
        if name is None:
            name = NAMES[func] = name_of(func)
        if name in SILENT or (self.inside and name not in PRODUCTS):
            return func(*args, **kwargs)
        if self.counter is None:
            out = func(*args, **kwargs)
            given = lambda: tensors_in(args) + tensors_in(kwargs.values())  # noqa: E731
            self._replay(name, given, out, False)
            return out
        given = tensors_in(args) + tensors_in(kwargs.values())
        tags = [tag_of(t) for t in given]
        shapes = [tuple(t.shape) for t in given]
        before, count = self.counter.macs, len(self.calls)
        out = func(*args, **kwargs)
        macs = self.counter.macs - before
        if any(tags) or macs:
            self._trace(name, args, kwargs, given, tags, shapes, out, macs)
        self.script.append((name, [c.index for c in self.calls[count:] if c.kind != "origin"]))
        return out

    def _trace(self, name, args, kwargs, given, tags, shapes, out, macs):
        if name in PRODUCTS:
            self._find_origin(given, tags, shapes)
        if name == "__setitem__":
            out = given[0]
        if not isinstance(out, torch.Tensor):
            for i, part in enumerate(tensors_in([out])):
                call = self._call(name, args, kwargs, given, tags, shapes, part, macs if i == 0 else 0)
                call.key += (i,)
            return
        seen = self._view(name, args, kwargs, tags, shapes, out) if tags and tags[0] else None
        if seen is None:
            self._call(name, args, kwargs, given, tags, shapes, out, macs)
        elif out is not given[0] or seen[1] is not tags[0][1]:
            setattr(out, TAG, seen)

    def _find_origin(self, given, tags, shapes):
        """What layers read and nobody saw come about: it is taken as it lies when it is read."""
        known = {id(t) for t in self.model.parameters()} | {id(t) for t in self.model.buffers()}
        # What was made of parameters is a weight, and stands behind.
        if tags[0] is None and id(given[0]) not in known and not any(tags[1:2]):
            call = Call(key=("origin", self.paths[-1], len(self.calls)), path=self.paths[-1], what="of unknown origin",
                        kind="origin", axes=ax.fresh(shapes[0]), rows=None, chans=None)
            call.binary = kind_of_values(given[0])
            self._written(call, given[0])
            tags[0] = tag_of(given[0])

    def _view(self, name, args, kwargs, tags, shapes, out):
        """The tag of a tensor that shows the values of another; None: it does not, or not in a way that is known."""
        source, axes = tags[0]
        after = None
        if name in RESHAPES:
            after = ax.regrouped(axes, out.shape)
        elif name in SAME and tuple(out.shape) == shapes[0]:
            after = axes
        elif name in PERMUTES:
            order = permutation(name, args, kwargs, len(axes))
            after = order and [axes[i] for i in order]
        elif name in ("expand", "repeat", "expand_as", "broadcast_to", "tile"):
            after = grown(axes, shapes[0], out.shape)
        elif name in ("__getitem__", "select"):
            after = selected(name, args, axes, shapes[0])
        elif name == "stack" and all(t and self.calls[t[0]].key == self.calls[source].key for t in tags):
            source, axes = tags[-1]
            at = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.dim()
            after = axes[:at] + [[ax.Atom(out.shape[at], "T")]] + axes[at:]
        return None if after is None else (source, after)

    def _key(self, name):
        """The place in the program: call sites from the module on."""
        frame, sites = sys._getframe(2), []
        while frame is not None and frame.f_code.co_name != "_call_impl" and len(sites) < 12:
            if OWN not in frame.f_code.co_filename:
                sites.append((frame.f_code.co_filename, frame.f_code.co_name, frame.f_lasti))
            frame = frame.f_back
        return (name, self.paths[-1], tuple(sites))

    def _call(self, name, args, kwargs, given, tags, shapes, out, macs):
        call = Call(key=self._key(name), path=self.paths[-1], what=name, kind="any", axes=None, rows=None, chans=None,
                    macs=macs)
        call.operands = [Operand(t[0], t[1], i) for i, t in enumerate(tags) if t]
        functions.describe(call, name, args, kwargs, given, tags, shapes, out)
        if call.axes is None:
            source = max((i for i, t in enumerate(tags) if t), key=lambda i: len(shapes[i]), default=None)
            call.axes = axes_like(out.shape, tags[source][1] if source is not None else None,
                                  shapes[source] if source is not None else ())
        self._written(call, out)
        if call.kind in ("any", "mul"):
            call.binary = kind_of_values(out)
        return call


NAMES = {}
SELECTS = {torch.ops.aten.select.int}  # x[0] in versions of PyTorch whose modes do not see indexing
OWN = __file__.rsplit("/", 1)[0]


def axes_like(shape, axes, old):
    """Axes where a size stayed at its place, new ones elsewhere."""
    out = ax.fresh(shape)
    for i, size in enumerate(shape):
        if axes is not None and i < len(old) and old[i] == size and len(old) == len(shape):
            out[i] = axes[i]
    return out


PRODUCTS = {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "matmul",
            "mm", "bmm", "addmm", "baddbmm", "einsum", "bilinear", "mv", "dot", "scaled_dot_product_attention",
            "multi_head_attention_forward", "lstm", "gru", "rnn_tanh", "rnn_relu"}


def kind_of_values(tensor):
    """"spikes", ("levels", low, high) or "real": what the values are."""
    if tensor.numel() == 0 or tensor.is_complex():
        return "real"
    x = tensor.detach()
    if x.dtype == torch.bool:
        return "spikes"
    low, high = x.min().item(), x.max().item()
    if not (low >= -(1 << 23) and high < (1 << 23)):
        return "real"
    if x.is_floating_point() and not torch.equal(x, x.round()):
        return "real"
    return "spikes" if low >= 0 and high <= 1 else ("levels", int(min(low, 0)), int(max(high, 0)))


def permutation(name, args, kwargs, rank):
    if name == "permute":
        dims = args[1] if len(args) > 1 and isinstance(args[1], (tuple, list)) else args[1:] or kwargs.get("dims")
        return [d % rank for d in dims]
    order = list(range(rank))
    if name in ("transpose", "swapaxes"):
        a = args[1] if len(args) > 1 else kwargs.get("dim0")
        b = args[2] if len(args) > 2 else kwargs.get("dim1")
        order[a % rank], order[b % rank] = order[b % rank], order[a % rank]
        return order
    if name == "mT":
        order[-1], order[-2] = order[-2], order[-1]
        return order
    if name in ("t", "T"):
        return order[::-1]
    if name == "movedim" and isinstance(args[1], int):
        order.insert(args[2] % rank, order.pop(args[1] % rank))
        return order
    return None


def grown(axes, old, new):
    """Axes behind an expand or repeat: an axis that was 1 stands for something new."""
    axes, old = [[]] * (len(new) - len(old)) + list(axes), [1] * (len(new) - len(old)) + list(old)
    out = []
    for axis, before, after in zip(axes, old, new):
        if before == after:
            out.append(axis)
        elif before == 1:
            out.append([ax.Atom(after)])
        else:
            return None
    return out


def selected(name, args, axes, old):
    """One element along an axis, taken in a loop over steps; whole axes."""
    if name == "select":
        dim = args[1] % len(old)
        ax.mark(axes[dim], "T")
        return axes[:dim] + axes[dim + 1:]
    index = args[1] if name == "__getitem__" else None
    index = index if isinstance(index, tuple) else (index,)
    if any(not (isinstance(i, int) or i == slice(None) or i is None or i is Ellipsis) for i in index):
        return None
    if Ellipsis in index:
        at = index.index(Ellipsis)
        count = len(old) - sum(i is not None and i is not Ellipsis for i in index)
        index = index[:at] + (slice(None),) * count + index[at + 1:]
    out, at = [], 0
    for i in index:
        if i is None:
            out.append([])
        elif isinstance(i, int):
            if old[at] > 1:
                if len(old) < 3 or at > 1:
                    return None
                ax.mark(axes[at], "T")
            at += 1
        else:
            out.append(axes[at])
            at += 1
    return out + axes[at:]
