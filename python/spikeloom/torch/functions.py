"""What functions of PyTorch are in a graph: the arithmetic of each, and along which axes it goes."""
from . import axes as ax


def _pair(value):
    value = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    return list(value if len(value) == 2 else value * 2)


def _argument(args, kwargs, at, name, default=None):
    return args[at] if len(args) > at else kwargs.get(name, default)


def describe(call, name, args, kwargs, given, tags, shapes, out):
    """Fills kind, axes and fields of a call whose function is known; leaves others as they are: kind "any"."""
    function = FUNCTIONS.get(name)
    if function is not None and any(tags):
        function(call, args, kwargs, given, tags, shapes, out)


def _channels_first(call, axes, rank):
    """Of a map or a row of pixels: channels before `rank` axes."""
    call.rows, call.chans = axes[-rank:], axes[-rank - 1]


def _convolution(rank):
    def describe_convolution(call, args, kwargs, given, tags, shapes, out):
        if not tags[0] or len(given) > 1 and tags[1]:
            return
        weight = given[1]
        bias = _argument(args, kwargs, 2, "bias")
        stride = _argument(args, kwargs, 3, "stride", 1)
        padding = _argument(args, kwargs, 4, "padding", 0)
        dilation = _argument(args, kwargs, 5, "dilation", 1)
        groups = _argument(args, kwargs, 6, "groups", 1)
        lead = tags[0][1][: len(shapes[0]) - rank - 1]
        call.axes = lead + ax.fresh(out.shape[len(lead):])
        operand = call.operands[0]
        operand.rows, operand.chans = operand.axes[-rank:], operand.axes[-rank - 1]
        _channels_first(call, call.axes, rank)
        call.weights = (weight, bias)
        if rank == 3 or isinstance(padding, str) and padding != "valid":
            call.kind = "product"
            call.labels = (None, weight.numel())
            return
        padding = 0 if padding == "valid" else padding
        if rank == 1:  # a row of pixels
            one = {name: v[0] if isinstance(v, (tuple, list)) else v
                   for name, v in (("s", stride), ("p", padding), ("d", dilation))}
            if weight.shape[2] == 1 and one["s"] == 1 and one["p"] == 0 and groups == 1:
                call.kind = "linear"
                call.op = {"kind": "linear", "in_features": weight.shape[1], "out_features": weight.shape[0],
                           "trailing_ones": 1}
                # A stretch keeps its pixels.
                call.axes[-1] = operand.axes[-1]
                _channels_first(call, call.axes, 1)
                return
            kernel, stride, padding, dilation = [1, weight.shape[2]], [1, one["s"]], [0, one["p"]], [1, one["d"]]
            call.kind = "row"
        else:
            kernel, stride, padding, dilation = list(weight.shape[2:]), _pair(stride), _pair(padding), _pair(dilation)
            call.kind = "map"
            if kernel == [1, 1] and stride == [1, 1] and padding == [0, 0]:
                call.axes[-2:] = operand.axes[-2:]
                _channels_first(call, call.axes, 2)
        call.op = {"kind": "conv2d", "in_channels": shapes[0][-rank - 1], "out_channels": weight.shape[0],
                   "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    return describe_convolution


def _linear(call, args, kwargs, given, tags, shapes, out):
    if not tags[0] or tags[1]:
        return
    weight = given[1]
    call.kind = "linear"
    call.axes = tags[0][1][:-1] + ax.fresh(out.shape[-1:])
    call.operands[0].rows, call.operands[0].chans = call.operands[0].axes[:-1], call.operands[0].axes[-1]
    call.rows, call.chans = call.axes[:-1], call.axes[-1]
    call.weights = (weight, _argument(args, kwargs, 2, "bias"))
    call.op = {"kind": "linear", "in_features": weight.shape[-1], "out_features": weight.shape[0]}


def _product(call, labels, given, tags, shapes, result):
    """A sum of products: a letter for each axis of both operands and of what comes out."""
    atoms = {}
    for operand, letters in zip(call.operands, [labels[o.place] for o in call.operands]):
        for letter, axis in zip(letters, operand.axes):
            if letter in atoms and axis and atoms[letter]:
                ax.unify(atoms[letter], axis)
            if axis or letter not in atoms:
                atoms[letter] = axis
    for letters, shape, tag in zip(labels, shapes, tags):
        if tag:
            continue
        for letter, size in zip(letters, shape):
            atoms.setdefault(letter, [ax.Atom(size)] if size > 1 else [])
    call.kind = "product"
    call.labels = (labels, atoms)
    call.axes = [atoms[letter] for letter in result]
    if len(call.operands) == 1:
        constant = given[1 - call.operands[0].place]
        call.weights = (constant, None)


def _matmul(call, args, kwargs, given, tags, shapes, out):
    a, b = shapes[0], shapes[1]
    if len(a) < 2 or len(b) < 2 or len(given) != 2:
        return
    batch = "abcdefgh"[: max(len(a), len(b)) - 2]
    _product(call, [batch[len(batch) - len(a) + 2:] + "mk", batch[len(batch) - len(b) + 2:] + "kn"], given, tags, shapes,
             batch + "mn")


def _einsum(call, args, kwargs, given, tags, shapes, out):
    equation = args[0].replace(" ", "") if isinstance(args[0], str) else ""
    if "->" not in equation or "..." in equation or len(given) != 2:
        return
    left, result = equation.split("->")
    labels = left.split(",")
    if all(len(letters) == len(set(letters)) for letters in labels):
        _product(call, labels, given, tags, shapes, result)


def _same_axes(call, tags, shapes, out):
    for operand in call.operands:
        if len(shapes[operand.place]) == out.dim():
            for mine, other in zip(call.operands[0].axes, operand.axes):
                if mine and other:
                    ax.unify(mine, other)
    first = next(o for o in call.operands if shapes[o.place] == tuple(out.shape))
    call.axes = first.axes


def _batch_norm(call, args, kwargs, given, tags, shapes, out):
    if not tags[0] or kwargs.get("training", _argument(args, kwargs, 5, "training", False)):
        return
    call.kind = "batchnorm"
    call.axes = tags[0][1]
    rank = len(shapes[0]) - 2
    operand = call.operands[0]
    operand.rows, operand.chans = operand.axes[2:], operand.axes[1]
    call.rows, call.chans = call.axes[2:], call.axes[1]
    if rank == 0:
        operand.rows = call.rows = operand.axes[:1]
    call.weights = (given[1], None)
    eps = _argument(args, kwargs, 7, "eps", 1e-5)
    call.op = {"kind": "batchnorm", "channels": shapes[0][1], "eps": eps, "pad": 0}


def _layer_norm(call, args, kwargs, given, tags, shapes, out):
    shape = _argument(args, kwargs, 1, "normalized_shape")
    if not tags[0] or len(shape) != 1 or len(given) < 3:
        return
    call.kind = "layernorm"
    call.axes = tags[0][1]
    operand = call.operands[0]
    operand.rows, operand.chans = operand.axes[:-1], operand.axes[-1]
    call.rows, call.chans = call.axes[:-1], call.axes[-1]
    call.op = {"kind": "layernorm", "channels": shape[0], "eps": _argument(args, kwargs, 4, "eps", 1e-5)}


def _pool(mode):
    def describe_pool(call, args, kwargs, given, tags, shapes, out):
        if not tags[0]:
            return
        kernel = _argument(args, kwargs, 1, "kernel_size")
        stride = _argument(args, kwargs, 2, "stride")
        padding = _argument(args, kwargs, 3, "padding", 0)
        extras = [_argument(args, kwargs, 4, "dilation" if mode == "max" else "ceil_mode", 1 if mode == "max" else False),
                  _argument(args, kwargs, 5, "ceil_mode" if mode == "max" else "count_include_pad", mode != "max")]
        usual = _pair(extras[0]) == [1, 1] and not extras[1] if mode == "max" else not extras[0] and extras[1]
        stride = kernel if stride in (None, [], ()) else stride
        lead = tags[0][1][: len(shapes[0]) - 2]
        call.axes = lead + ax.fresh(out.shape[-2:])
        if not usual or kwargs.get("return_indices") or kwargs.get("divisor_override"):
            return
        call.kind = "map"
        operand = call.operands[0]
        operand.rows, operand.chans = operand.axes[-2:], operand.axes[-3]
        _channels_first(call, call.axes, 2)
        call.op = {"kind": "pool2d", "mode": mode, "kernel": _pair(kernel), "stride": _pair(stride),
                   "padding": _pair(padding)}

    return describe_pool


def _adaptive_pool(mode):
    def describe_pool(call, args, kwargs, given, tags, shapes, out):
        if not tags[0]:
            return
        inside, outside = shapes[0][-2:], out.shape[-2:]
        lead = tags[0][1][: len(shapes[0]) - 2]
        call.axes = lead + ax.fresh(out.shape[-2:])
        if any(a % b for a, b in zip(inside, outside)):
            return
        kernel = [a // b for a, b in zip(inside, outside)]
        call.kind = "map"
        operand = call.operands[0]
        operand.rows, operand.chans = operand.axes[-2:], operand.axes[-3]
        _channels_first(call, call.axes, 2)
        call.op = {"kind": "pool2d", "mode": mode, "kernel": kernel, "stride": kernel, "padding": [0, 0]}

    return describe_pool


def _add(call, args, kwargs, given, tags, shapes, out):
    if kwargs.get("alpha", 1) != 1 or len(call.operands) != 2:
        return
    if any(shapes[o.place] != tuple(out.shape) for o in call.operands):
        return
    _same_axes(call, tags, shapes, out)
    call.kind = "add"
    call.op = {"kind": "add"}


def _mul(call, args, kwargs, given, tags, shapes, out):
    if len(given) == 1 or len(given) == 2 and len(call.operands) == 1 and given[1 - call.operands[0].place].numel() == 1:
        other = given[1 - call.operands[0].place] if len(given) == 2 else next(
            (v for v in list(args) + list(kwargs.values()) if isinstance(v, (int, float))), None)
        if other is not None and tuple(out.shape) == shapes[call.operands[0].place]:
            factor = float(other)
            call.kind = "scale"
            call.axes = call.operands[0].axes
            call.op = {"kind": "scale", "factor": factor if call.what == "mul" else 1 / factor if factor else 0}
            return
    if len(call.operands) == 2 and all(shapes[o.place] == tuple(out.shape) for o in call.operands) and call.what == "mul":
        _same_axes(call, tags, shapes, out)
        call.kind = "mul"
        call.op = {"kind": "mul"}


def _mean(call, args, kwargs, given, tags, shapes, out):
    """Over pixels, or over the steps."""
    if not tags[0]:
        return
    rank = len(shapes[0])
    dims = _argument(args, kwargs, 1, "dim")
    keep = _argument(args, kwargs, 2, "keepdim", False)
    dims = range(rank) if dims is None else [dims] if isinstance(dims, int) else list(dims)
    dims = sorted(d % rank for d in dims)
    call.kind = "mean"
    operand = call.operands[0]
    rest = [d for d in range(rank) if d not in dims]
    call.axes = [[] if d in dims else operand.axes[d] for d in range(rank) if keep or d not in dims]
    operand.rows, operand.chans = [operand.axes[d] for d in dims], [a for d in rest for a in operand.axes[d]]
    call.op = {"kind": call.what}


def _activation(function):
    def describe_activation(call, args, kwargs, given, tags, shapes, out):
        call.kind, call.axes, call.op = "real", tags[0][1], {"kind": "activation", "function": function}

    return describe_activation


FUNCTIONS = {"conv1d": _convolution(1), "conv2d": _convolution(2), "conv3d": _convolution(3), "linear": _linear,
             "matmul": _matmul, "bmm": _matmul, "mm": _matmul, "einsum": _einsum, "batch_norm": _batch_norm,
             "layer_norm": _layer_norm, "avg_pool2d": _pool("average"), "max_pool2d": _pool("max"),
             "adaptive_avg_pool2d": _adaptive_pool("average"), "adaptive_max_pool2d": _adaptive_pool("max"), "add": _add,
             "mul": _mul, "div": _mul, "mean": _mean, "sum": _mean, "relu": _activation("relu"),
             "sigmoid": _activation("sigmoid"), "gelu": _activation("gelu")}
