"""An experiment: a network, its weights, data, and how to run it."""
from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from . import _core, _settings
from ._errors import UsageError
from ._result import Result

Progress = Callable[[str, int, int, str], Any]


class Experiment:
    """Keys of docs/experiment.md, as nested dicts or with dots: Experiment(model={"family": "nir", "path": "net.nir"},
    run={"threads": 2}) and Experiment({"model.family": "nir", ...}) are the same. Paths are relative to the current
    folder. Without [dataset] it runs on arrays. Raises UsageError for what no experiment can say."""

    def __init__(self, tables: Mapping[str, Any] | None = None, /, **settings: Any) -> None:
        self._file = ""
        self._tables = _settings.tables(tables or {}, settings)
        self._source().check()

    @classmethod
    def _of_file(cls, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> Experiment:
        self = cls.__new__(cls)
        self._file, self._tables = _settings.path(path), _settings.tables(settings)
        self._source().check()
        return self

    def _source(self, settings: Mapping[str, Any] = {}, x: Any = None, labels: Any = None) -> _core.Source:
        told = _settings.tables(self._tables, settings)
        arrays = [None if a is None else _settings.array(name, a) for name, a in (("x", x), ("labels", labels))]
        if self._file:
            return _core.Source("{}", self._file, _settings.assignments(told), *arrays)
        return _core.Source(json.dumps(told), "", [], *arrays)

    @property
    def config(self) -> dict[str, Any]:
        """Every key with its value, defaults included."""
        return json.loads(self._source().config())

    def set(self, **settings: Any) -> Experiment:
        """The same experiment with other values: a new one."""
        if self._file:
            return Experiment._of_file(self._file, _settings.tables(self._tables, settings))
        return Experiment(_settings.tables(self._tables, settings))

    def run(self, x: Any = None, labels: Any = None, *, out: str | os.PathLike[str] | None = None,
            resume: bool = False, progress: Progress | None = None, cancel: _core.CancelToken | None = None,
            **settings: Any) -> Result:
        """Runs the network on its data set, or on `x`: [N, C, H, W], [N, T, C, H, W] with one frame a step, sequences
        [N, T, C]; tokens [B, T]. `labels`: N integers. `settings`: keys for this run alone.

        The files of the run lie in `out`, or where output.dir says; else in a temporary folder that is there as long
        as the result. `progress(stage, done, total, note)` is called now and then. Ctrl-C, and `cancel`, end the run
        behind the sample it is at."""
        if progress is not None and not callable(progress):
            raise UsageError("progress: a function of stage, done, total and note is called")
        if labels is not None and x is None:
            raise UsageError("labels belong to an array x; those of a data set are a file, dataset.labels",
                             key="dataset.labels")
        source = self._source({**settings, **({} if out is None else {"output.dir": _settings.path(out)})}, x, labels)
        folder = None if source.says("output.dir") else _settings.TemporaryFolder()
        cancel = cancel or _core.CancelToken()
        with _settings.running(cancel):
            told = _core.run(source, folder.name if folder else "", resume, _settings.cpu_options(), progress, cancel)
        return Result(told, folder)

    def __repr__(self) -> str:
        model = self.config["model"]
        return f"<spikeloom.Experiment {model['family']}{' of ' + self._file if self._file else ''}>"


def load(path: str | os.PathLike[str], **settings: Any) -> Experiment:
    """The experiment of a TOML or JSON file; `settings` are keys on top."""
    return Experiment._of_file(path, settings)


def from_nir(path: str | os.PathLike[str], **settings: Any) -> Experiment:
    """The network of a NIR file: docs/nir.md. A key without a dot is one of [model]: origin, dt, reset, ..."""
    model = {"family": "nir", "path": _settings.path(path)}
    rest: dict[str, Any] = {}
    for key, value in settings.items():
        (rest if "." in key or isinstance(value, Mapping) else model)[key] = value
    return Experiment({"model": model}, **rest)
