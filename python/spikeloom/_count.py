"""The reports of a run, made of spikes that were recorded before."""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from . import _core, _settings
from ._errors import UsageError
from ._result import Result

Progress = Callable[[str, int, int, str], Any]


def count(trace: str | os.PathLike[str] | None = None, *, network: str | os.PathLike[str] | None = None,
          spikes: str | os.PathLike[str] | None = None, out: str | os.PathLike[str] | None = None,
          chip: str | os.PathLike[str] | None = None, unsupported: str = "refuse", trained: str | None = None,
          threads: int = 0, progress: Progress | None = None, cancel: _core.CancelToken | None = None) -> Result:
    """`spikeloom count`: a trace, or a network and its spikes from files of other programs. `trained`: how the weights
    were trained, where they are. `unsupported="host"`: what no core of the chip can do is left to a host. The files lie in
    `out`, else in a temporary folder that is there as long as the result."""
    if (trace is None) == (network is None) or (network is None) != (spikes is None):
        raise UsageError("count: a trace, or network= and spikes=")
    if unsupported not in ("refuse", "host"):
        raise UsageError("unsupported: expected refuse or host", key="unsupported")
    folder = _settings.TemporaryFolder() if out is None else None
    cancel = cancel or _core.CancelToken()
    names = ["" if value is None else _settings.path(value) for value in (trace, network, spikes)]
    with _settings.running(cancel):
        told = _core.count(*names, folder.name if folder else _settings.path(out), "" if chip is None else
                           _settings.path(chip), unsupported == "host", trained, threads, progress, cancel)
    return Result(told, folder)
