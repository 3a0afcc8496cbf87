"""Traces: the spikes of a run as NumPy arrays."""
from __future__ import annotations

import html
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from . import _chip, _core, _settings


class Spikes:
    """The spikes of one layer, read from the trace when they are asked for: [samples, steps, C, H, W] of maps,
    [samples, steps, C, N] of tokens, [samples, steps, C] of vectors; bool, or small integers where a neuron may fire
    several times in a step. Where samples are not equally long the first two axes are one."""

    def __init__(self, trace: Trace, told: dict[str, Any]) -> None:
        self._trace, self._told = trace, told
        self._leading: tuple[int, ...] | None = None
        self.name: str = told["name"]  # in the file
        self.layer: str = told["layer"]  # the node of the network
        self.neurons: int = told["neurons"]
        self.neuron_model: str = told["neuron_model"]
        self.threshold: float = told["threshold"]  # not a number where those of its neurons differ
        self.dt_ms: float = told["dt_ms"]

    @property
    def rows(self) -> np.ndarray:
        """Sample and step of every recorded step, [rows, 2]: samples as the data set counts them."""
        rows = self._trace._core.rows(self.name)
        rows[:, 0] = self._trace.samples["index"][rows[:, 0]]
        return rows

    @property
    def counts(self) -> np.ndarray:
        """Spikes of every recorded step, as the trace has them."""
        return self._trace._core.popcounts(self.name).reshape(self._leads())

    def _leads(self) -> tuple[int, ...]:
        if self._leading is None:
            samples = self._trace._core.rows(self.name)[:, 0]
            each = np.unique(samples, return_counts=True)[1]
            even = len(each) > 0 and (each == each[0]).all()
            self._leading = (len(each), int(each[0])) if even else (len(samples),)
        return self._leading

    @property
    def shape(self) -> tuple[int, ...]:
        *rest, channels = self._told["shape"]
        return (*self._leads(), channels, *rest)

    def _read(self, first: int, count: int, leading: tuple[int, ...]) -> np.ndarray:
        values = self._trace._core.read(self.name, first, count)
        values = values.reshape(*leading, *self._told["shape"])
        return np.moveaxis(values, -1, len(leading))

    def numpy(self) -> np.ndarray:
        return self._read(0, self._told["rows"], self._leads())

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        values = self.numpy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        leading = self._leads()
        if isinstance(index, (int, np.integer)):  # no more is read than that
            at = int(index) + (leading[0] if index < 0 else 0)
            if not 0 <= at < leading[0]:
                raise IndexError(f"{self.name} has {leading[0]} of these")
            each = leading[1] if len(leading) == 2 else 1
            values = self._read(at * each, each, (each,))
            return values if len(leading) == 2 else values[0]
        return self.numpy()[index]

    def __repr__(self) -> str:
        return f"<spikeloom.Spikes {self.name} {self.shape}>"


class Trace(Mapping[str, Spikes]):
    """A trace file (docs/trace.md), or the one in a folder: its populations by name, in the network's order."""

    def __init__(self, path: str | os.PathLike[str], keep: Any = None) -> None:
        self.path = _settings.path(path)
        self._keep = keep  # a temporary folder
        self._core = _core.Trace(self.path)
        file = os.path.join(self.path, "trace.h5") if os.path.isdir(self.path) else self.path
        self._written = _settings.Unchanged(file)
        self._populations = {told["name"]: told for told in self._core.populations()}
        self._layers = {told["layer"]: told for told in self._populations.values()}

    def __getitem__(self, name: str) -> Spikes:
        """A population by the name in the file, or of its layer."""
        told = self._populations.get(name) or self._layers.get(name)
        if told is None:
            self._core.rows(name)  # says which name is near
            raise KeyError(name)
        return Spikes(self, told)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._populations)

    def __len__(self) -> int:
        return len(self._populations)

    def __contains__(self, name: object) -> bool:
        return name in self._populations or name in self._layers

    @property
    def header(self) -> dict[str, Any]:
        return self._core.header()

    @property
    def signature(self) -> str:
        return self.header["signature"]

    @property
    def samples(self) -> dict[str, np.ndarray]:
        """By sample: index in the data set, label and prediction (-1: none), first_step, steps."""
        table = self._core.samples()
        return dict(zip(("index", "label", "prediction", "first_step", "steps"), table.T))

    @property
    def graph(self) -> dict[str, Any]:
        return json.loads(self._core.graph())

    @property
    def config(self) -> dict[str, Any]:
        return json.loads(self._core.config())

    def on_chip(self, *chips: str | os.PathLike[str], **settings: Any) -> _chip.ChipResult:
        """The spikes on chips, docs/chip.md: see on_chip of a result."""
        self._written.check()
        return _chip.price(chips, settings, trace=self.path)

    def page(self, layer: str | None = None) -> str:
        """The page of `spikeloom inspect --html`."""
        self._written.check()
        return page_of(self.path, layer)

    def _repr_html_(self) -> str:
        return framed(self.page())

    def __repr__(self) -> str:
        return f"<spikeloom.Trace {self.path}: {len(self)} populations>"


def page_of(argument: str, layer: str | None) -> str:
    with tempfile.TemporaryDirectory(prefix="spikeloom-") as folder:
        page = os.path.join(folder, "page.html")
        _core.write_page(argument, page, [] if layer is None else [layer])
        return pathlib.Path(page).read_text(encoding="utf-8")


def framed(page: str) -> str:
    """A page inside another: with styles of its own, and no script."""
    return ('<iframe sandbox="" style="width: 100%; height: 40em; border: 1px solid #8884" '
            f'srcdoc="{html.escape(page, quote=True)}"></iframe>')


def open_trace(path: str | os.PathLike[str]) -> Trace:
    """A trace, or the trace.h5 of a folder."""
    return Trace(path)
