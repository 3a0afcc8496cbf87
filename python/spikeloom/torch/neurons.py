"""Which modules are neurons, how their tensors lie in time, and how a graph says them.

Nothing of these packages is imported: a class is known by its name and the package it comes from."""

# How steps lie in what a module reads: "step": none, a call is a step; "TN": [steps, samples, ...];
# "NT": [samples, steps, ...]; "flat": [samples * steps, ...].
LAYOUTS = ("step", "TN", "NT", "flat")


def _spikingjelly(module):
    if type(module).__name__.startswith("MultiStep") or getattr(module, "step_mode", "s") == "m":
        return "TN"
    return "step"


def _norse(module):
    return "step" if "Cell" in type(module).__name__ else "TN"


def _sinabs(module):
    return "flat" if type(module).__name__.endswith("Squeeze") else "NT"


def is_known(module):
    """Whether a module is a neuron of a package that is known here."""
    names = [(cls.__module__.split(".")[0], cls.__module__, cls.__name__) for cls in type(module).__mro__]
    for package, path, name in names:
        if package == "spikingjelly" and name in ("BaseNode", "MultiStepParametricLIFNode", "NeuronNode"):
            return True
        if package == "snntorch" and name == "SpikingNeuron":
            return True
        if package == "norse" and name in ("SNN", "SNNCell", "SNNRecurrent", "SNNRecurrentCell"):
            return True
        if package == "sinabs" and name in ("StatefulLayer",):
            return True
    return False


def layout_of(module):
    package = type(module).__module__.split(".")[0]
    packages = {cls.__module__.split(".")[0] for cls in type(module).__mro__} | {package}
    for name, layout in (("spikingjelly", _spikingjelly), ("norse", _norse), ("sinabs", _sinabs)):
        if name in packages:
            return layout(module)
    return "TN" if getattr(module, "step_mode", "s") == "m" else "step"


def reset(module):
    """Makes a module forget its state, by whatever name it has for that."""
    for name in ("reset", "reset_mem", "reset_hidden", "reset_states"):
        method = getattr(module, name, None)
        if callable(method):
            try:
                method()
                return
            except TypeError:
                continue


def _number(value):
    value = value.item() if hasattr(value, "item") and getattr(value, "numel", lambda: 1)() == 1 else value
    return float(value) if isinstance(value, (int, float)) else None


def operator_of(module):
    """The `neuron` operator that is the module exactly, or None."""
    import math
    package = {cls.__module__.split(".")[0] for cls in type(module).__mro__}
    name = type(module).__name__.replace("MultiStep", "")
    op = {"kind": "neuron"}
    if "spikingjelly" in package and name in ("IFNode", "LIFNode", "ParametricLIFNode"):
        threshold, v_reset = _number(module.v_threshold), module.v_reset
        op |= {"v_threshold": threshold, "reset": "subtract" if v_reset is None else "value"}
        if v_reset is not None:
            op["v_reset"] = _number(v_reset)
        if name == "IFNode":
            op["model"] = "IF"
        else:
            tau = 1 / _number(module.w.sigmoid()) if name.startswith("Para") else _number(module.tau)
            decays = getattr(module, "decay_input", True)
            op |= {"model": "LIF", "tau": tau, "form": "euler" if decays else "beta"}
            if v_reset and not decays:
                return None
            if v_reset:
                op["v_leak"] = _number(v_reset)
        return op if None not in op.values() else None
    if "snntorch" in package and name == "Leaky":
        beta, threshold = _number(module.beta), _number(module.threshold)
        resets = {"subtract": "subtract_next", "zero": "value_next"}
        reset = resets.get(getattr(module, "reset_mechanism", None))
        if beta is None or threshold is None or reset is None or not 0 < beta < 1:
            return None
        return op | {"model": "LIF", "form": "beta", "tau": 1 / (1 - beta), "v_threshold": threshold, "fire": ">",
                     "reset": reset}
    return None
