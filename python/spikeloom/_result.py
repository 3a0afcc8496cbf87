"""What came out of a run."""
from __future__ import annotations

import contextlib
import csv
import functools
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from . import _chip, _settings
from ._errors import UsageError
from ._trace import Trace, framed


class Arrays(Mapping[str, np.ndarray]):
    """Arrays of files, by name, read when they are asked for."""

    def __init__(self, folder: pathlib.Path, files: list[str]) -> None:
        self._files = {name[:-4]: folder / name for name in files if name.endswith(".npy")}

    def __getitem__(self, name: str) -> np.ndarray:
        return np.load(self._files[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class Result:
    """The result of a run: its files lie in `folder`."""

    def __init__(self, told: dict[str, Any], temporary: _settings.TemporaryFolder | None) -> None:
        self._temporary = temporary
        self.folder = pathlib.Path(told["folder"])
        self.files: list[str] = told["files"]
        self.notes: list[str] = told["notes"]  # what a person has to know about the values
        self.done: int = told["done"]
        self.size: int = told["size"]
        self.unit: str = told["unit"]
        self.cancelled: bool = told["cancelled"]  # run(out=..., resume=True) continues
        with _settings.as_run_error():
            self._report_text = (self.folder / "report.json").read_text(encoding="utf-8")
        self._written = _settings.Unchanged(self.folder / "report.json")

    def _at(self) -> pathlib.Path:
        """The folder, as long as it holds this run."""
        self._written.check()
        return self.folder

    @property
    def arrays(self) -> Arrays:
        """The arrays the run wrote: logits, features, membranes ("lif.v")."""
        return Arrays(self._at(), self.files)

    @functools.cached_property
    def report(self) -> dict[str, Any]:
        """What report.json says."""
        return json.loads(self._report_text)

    @property
    def verdict(self) -> str:
        """Who wins, in one sentence; report["verdict"] has what goes with it."""
        return self.report["verdict"][0]

    @property
    def signature(self) -> str:
        return self.report["signature"]

    @property
    def accuracy(self) -> float | None:
        """Share of the samples with labels that were answered right; None without labels."""
        return self.report["accuracy"] if self.report["accuracy_counts"]["known"] else None

    @property
    def warnings(self) -> list[str]:
        return self.report["warnings"]

    @property
    def counts(self) -> dict[str, Any]:
        """Operations and spikes, layer by layer, of the form that ran."""
        return self.report["counts"][self.report["run"]["form"]]

    @functools.cached_property
    def spikes(self) -> Trace:
        """The spikes of every layer by name, read when they are asked for."""
        if "trace.h5" not in self.files:
            raise UsageError("the run recorded no spikes: trace.layers", key="trace.layers")
        return Trace(self._at() / "trace.h5", self._temporary)

    @functools.cached_property
    def logits(self) -> np.ndarray:
        if "logits" not in self.arrays:
            raise UsageError("the run kept no logits: output.logits", key="output.logits")
        return self.arrays["logits"]

    def energy(self) -> Any:
        """energy.csv: a row for each scheme, form and precision. A pandas.DataFrame where pandas is there, else a list
        of dicts."""
        with (self._at() / "energy.csv").open(newline="", encoding="utf-8") as file:
            rows = [{key: _value(text) for key, text in row.items()} for row in csv.DictReader(file)]
        try:
            import pandas  # type: ignore[import-untyped]
        except ImportError:
            return rows
        return pandas.DataFrame(rows)

    def on_chip(self, *chips: str | os.PathLike[str], **settings: Any) -> _chip.ChipResult:
        """The spikes on chips, presets or TOML files: `spikeloom chip`. Settings are its options (level, mapper, mapping,
        update, unsupported, weight_bits, value_bits, samples, threads, layers_in_turn, dense, sweep={key: values}, html,
        counters, timeline, ...) and keys of the chip, **{"noc.cast": "unicast"}."""
        self._written.check()
        return self.spikes.on_chip(*chips, **settings)

    def page(self) -> str:
        """page.html, as a text."""
        return (self._at() / "page.html").read_text(encoding="utf-8")

    def save(self, folder: str | os.PathLike[str]) -> list[str]:
        """Copies the files of the run to a folder, which is made where there is none; returns their names."""
        source, where = self._at(), _settings.folder(folder)
        with _settings.as_run_error():
            if not os.path.samefile(where, source):
                for name in self.files:
                    shutil.copyfile(source / name, where / name)
        return list(self.files)

    def _repr_html_(self) -> str:
        return framed(self.page())

    def __repr__(self) -> str:
        return f"<spikeloom.Result {self.done} of {self.size} {self.unit}s, signature {self.signature}: {self.verdict}>"


def _value(text: str) -> Any:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text or None
