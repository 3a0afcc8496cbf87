"""Spikes on neuromorphic chips."""
from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import _core, _settings
from ._errors import UsageError

_WORDS = ("mapping", "save_mapping", "html", "counters", "timeline")
_OTHERS = ("mapper", "mapper_budget", "level", "update", "check", "weight_bits", "value_bits", "samples", "threads")


class ChipResult:
    """What the chips need: `report` is what chip.json says, `table` what the program prints."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self.report: dict[str, Any] = json.loads(told["json"])
        self.table: str = told["table"]
        self.warnings: list[str] = told["warnings"]

    @property
    def runs(self) -> list[dict[str, Any]]:
        """One for each chip and setting."""
        return self.report["runs"]

    def save(self, folder: str | os.PathLike[str]) -> list[str]:
        """Writes chip.json, chip.csv and, of several runs, sweep.csv; returns their names."""
        where = _settings.folder(folder)
        files = {"chip.json": self._told["json"], "chip.csv": self._told["csv"]}
        if self._told["sweep"]:
            files["sweep.csv"] = self._told["sweep"]
        with _settings.as_run_error():
            for name, text in files.items():
                (where / name).write_bytes(text.encode())
        return list(files)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.table)}</pre>"

    def __repr__(self) -> str:
        return self.table


def price(chips: Sequence[str | os.PathLike[str]], settings: Mapping[str, Any], trace: str = "", network: str = "",
          spikes: str = "", dt: float | None = None, steps: int | None = None) -> ChipResult:
    told = _core.ChipSettings()
    told.trace, told.network, told.spikes = trace, network, spikes
    told.mapper, told.level, told.update = "sequential", "bottleneck", "all"
    told.dt, told.steps = dt or 0.0, steps or 0
    told.chips = [_settings.path(chip) for chip in chips]
    rest = {}
    progress = None
    for key, value in settings.items():
        if value is None:
            continue
        if key in _WORDS:
            setattr(told, key, _settings.path(value))
        elif key == "dense":
            told.dense = [_settings.path(d) for d in ([value] if isinstance(value, (str, os.PathLike)) else value)]
        elif key == "sweep":
            told.sweep = [(name, [_text(v) for v in values]) for name, values in value.items()]
        elif key == "unsupported":
            if value not in ("refuse", "host"):
                raise UsageError(f"unsupported: expected refuse or host, found {value!r}", key=key)
            told.host = value == "host"
        elif key == "layers_in_turn":
            told.in_turn = bool(value)
        elif key == "progress":
            progress = value
        elif key in _OTHERS:
            try:
                setattr(told, key, value)
            except TypeError as error:
                raise UsageError(f"{key}: {value!r} is of the wrong type", key=key) from error
        elif "." in key or isinstance(value, Mapping):
            rest[key] = value
        else:
            raise UsageError(f"on_chip has no setting '{key}'; keys of a chip have a dot, as 'noc.cast'", key=key)
    told.sets = _settings.assignments(rest)
    with _settings.running(_core.CancelToken()):
        return ChipResult(_core.price(told, progress))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_settings.plain("sweep", value))


def replay(network: str | os.PathLike[str], spikes: str | os.PathLike[str], *chips: str | os.PathLike[str],
           dt: float | None = None, steps: int | None = None, **settings: Any) -> ChipResult:
    """A network and its spikes from files of other programs on chips: `spikeloom chip --network --spikes`."""
    return price(chips, settings, network=_settings.path(network), spikes=_settings.path(spikes), dt=dt, steps=steps)
