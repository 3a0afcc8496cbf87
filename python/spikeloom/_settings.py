"""Keys and values of experiments as the library takes them."""
from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._errors import DataError, UsageError


def plain(key: str, value: Any) -> Any:
    """A value as JSON has it. NumPy's numbers and arrays, paths and tuples are welcome."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(f"{key}.{name}", member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(f"{key}[{at}]", member) for at, member in enumerate(value)]
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"key '{key}': {value} is no number", key=key)
    if isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        if not -2**63 <= value < 2**63:
            raise UsageError(f"key '{key}': {value} does not fit 64 bits", key=key)
        return value
    raise UsageError(f"key '{key}': a value of type {type(value).__name__}; expected true or false, a number, a text, "
                     "a list or a dict", key=key)


def tables(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables of dotted keys and nested dicts; a later source wins. None leaves a key as it is."""
    result: dict[str, Any] = {}
    for source in sources:
        for key, value in source.items():
            if not isinstance(key, str):
                raise UsageError(f"keys are texts, not {type(key).__name__}")
            if value is not None:
                _put(result, key.split("."), plain(key, value), key)
    return result


def _put(table: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    for name in path[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"key '{key}': '{name}' is a value, no table", key=key)
    old = table.get(path[-1])
    if isinstance(value, dict) and isinstance(old, dict):
        for name, member in value.items():
            _put(old, [name], member, f"{key}.{name}")
    else:
        table[path[-1]] = value


def assignments(settings: Mapping[str, Any]) -> list[str]:
    """The same as "key=value", one for each key, in TOML."""
    result: list[str] = []

    def add(key: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                add(f"{key}.{name}", member)
        else:
            result.append(f"{key}={json.dumps(value, ensure_ascii=False)}")

    for key, value in tables(settings).items():
        add(key, value)
    return result


def array(what: str, value: Any) -> np.ndarray:
    """Anything NumPy takes for an array, as one block of memory: without a copy where it is one."""
    try:
        result = np.asarray(value)
    except Exception as error:
        raise DataError(f"array {what}: NumPy makes no array of it: {error}") from error
    if result.flags.c_contiguous or result.flags.f_contiguous:
        return result
    return np.ascontiguousarray(result)


def path(value: str | os.PathLike[str]) -> str:
    result = os.fspath(value)
    if not isinstance(result, str):
        raise UsageError("a path is a text or a pathlib.Path")
    return result


class TemporaryFolder:
    """A folder that is there as long as this object."""

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix="spikeloom-")
        weakref.finalize(self, shutil.rmtree, self.name, ignore_errors=True)


def cpu_options() -> list[str]:
    """What the program reads of its environment: docs/experiment.md."""
    cache, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    if cache.startswith("/"):
        folder = os.path.join(cache, "spikeloom")
    elif home.startswith("/"):
        folder = os.path.join(home, ".cache", "spikeloom")
    else:
        folder = ""
    return [os.environ.get("SPIKELOOM_SIMD", ""), os.environ.get("SPIKELOOM_SUMS", ""), folder,
            os.environ.get("SPIKELOOM_CUDA", "")]
