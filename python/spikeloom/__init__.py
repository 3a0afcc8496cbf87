"""Spikeloom: spiking networks run event by event, what they do counted and priced.

    import spikeloom as sl
    net = sl.from_nir("net.nir", origin="snntorch")
    result = net.run(x)
    result.verdict, result.spikes["lif1"], result.energy(), result.on_chip("loihi2")

docs/python.md has it all."""
import os as _os

from . import _core, _program
from ._chip import ChipResult, replay
from ._core import CancelToken
from ._count import count
from ._errors import CapacityError, DataError, Error, InternalError, Interrupted, RunError, UsageError
from ._experiment import Experiment, from_nir, load
from ._result import Result
from ._streams import Decision, Generation, generate, stream
from ._trace import Spikes, Trace
from ._trace import open_trace as open  # noqa: A004

__version__ = _core.version
__all__ = [
    "CancelToken", "CapacityError", "ChipResult", "DataError", "Decision", "Error", "Experiment", "Generation",
    "InternalError", "Interrupted", "Result", "RunError", "Spikes", "Trace", "UsageError", "count", "from_nir", "generate",
    "load", "open", "replay", "stream",
]
# Of PyTorch, which is loaded when they are asked for: docs/record.md.
_OF_TORCH = ("record", "Recording", "from_torch", "NotConvertible")


def __getattr__(name: str) -> object:
    if name not in _OF_TORCH:
        raise AttributeError(f"module 'spikeloom' has no attribute {name!r}")
    from . import torch as _torch
    return getattr(_torch, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_OF_TORCH])


for _kind in (Error, RunError, UsageError, DataError, CapacityError, InternalError, Interrupted):
    _kind.__module__ = "spikeloom"

# HDF5 of other programs is read by the program, in a process of its own.
if _os.access(_program.PATH, _os.X_OK):
    _core.use_foreign_reader(_program.PATH)
