"""Keys and values of experiments as the library takes them."""
from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import pathlib
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from . import _core
from ._errors import CapacityError, DataError, RunError, UsageError


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
    if isinstance(value, str):
        return _text(f"key '{key}'", value, key)
    if isinstance(value, (bool, float)):
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
    if np.ma.is_masked(value):
        raise DataError(f"array {what}: some of its values are masked; fill them first")
    try:
        result = np.asarray(value)
        if result.flags.c_contiguous or result.flags.f_contiguous:
            return result
        return np.ascontiguousarray(result)
    except MemoryError as error:
        raise CapacityError(f"array {what}: {error}") from error
    except Exception as error:
        raise DataError(f"array {what}: NumPy makes no array of it: {error}") from error


def path(value: str | os.PathLike[str]) -> str:
    """A path as a text."""
    try:
        result = os.fspath(value)
    except TypeError:
        result = None
    if not isinstance(result, str):
        raise UsageError(f"a path is a text or a pathlib.Path, not {type(value).__name__}")
    return _text("a path", result)


def _text(what: str, value: str, key: str | None = None) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{what}: characters that UTF-8 cannot write", key=key) from error
    if "\0" in value:
        raise UsageError(f"{what}: holds a NUL character", key=key)
    return value


def folder(value: str | os.PathLike[str]) -> pathlib.Path:
    """A folder to write to, made where there is none."""
    made = pathlib.Path(path(value))
    with as_run_error():
        made.mkdir(parents=True, exist_ok=True)
    return made


@contextlib.contextmanager
def as_run_error() -> Iterator[None]:
    """What the system refuses is a RunError, as it is where the library writes."""
    try:
        yield
    except OSError as error:
        raise RunError(str(error), file=error.filename if isinstance(error.filename, str) else None) from error


class Unchanged:
    """Remembers which file has a name, to tell when another run has written it."""

    def __init__(self, name: str | os.PathLike[str]) -> None:
        self._name = name
        with as_run_error():
            self._found = self._look()

    def _look(self) -> tuple[int, int, int]:
        now = os.stat(self._name)
        return now.st_dev, now.st_ino, now.st_mtime_ns

    def check(self) -> None:
        with as_run_error():
            if self._look() != self._found:
                raise RunError(f"{os.fspath(self._name)} was written by another run meanwhile", file=str(self._name))


_running: dict[object, _core.CancelToken] = {}  # of calls of the library that are going on
_none_runs = threading.Condition()


@contextlib.contextmanager
def running(cancel: _core.CancelToken) -> Iterator[None]:
    """Around a call of the library: when Python ends, threads that it would leave behind there (daemons) are ended
    first."""
    mine = object()
    with _none_runs:
        _running[mine] = cancel
    try:
        yield
    finally:
        with _none_runs:
            del _running[mine]
            _none_runs.notify_all()


@atexit.register
def _end_all() -> None:
    with _none_runs:
        for cancel in _running.values():
            cancel.cancel()
        while _running:
            _none_runs.wait()


class TemporaryFolder:
    """A folder that is there as long as this object."""

    def __init__(self) -> None:
        with as_run_error():
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
