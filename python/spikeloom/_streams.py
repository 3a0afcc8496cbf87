"""Text token by token, decisions frame by frame."""
from __future__ import annotations

import codecs
import json
import os
import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import _core, _settings
from ._errors import DataError, UsageError
from ._experiment import Experiment


class Generation(Iterator[str]):
    """Pieces of text as they are made: whole characters, or ids where the network has no vocabulary. Behind the last of
    them `result` says what `spikeloom generate --json` prints."""

    def __init__(self, source: _core.Source, settings: _core.GenerateSettings) -> None:
        self._result: list[dict[str, Any]] = []
        self._cancel = _core.CancelToken()
        self._pieces = _pieces(source, settings, self._cancel, self._result)

    @property
    def result(self) -> dict[str, Any] | None:
        return self._result[0] if self._result else None

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        """Ends it early."""
        self._cancel.cancel()
        self._pieces.close()


def _pieces(source: _core.Source, settings: _core.GenerateSettings, cancel: _core.CancelToken,
            result: list[dict[str, Any]]) -> Generator[str, None, None]:
    waiting: queue.Queue[Any] = queue.Queue(maxsize=16)

    def put(item: Any) -> None:
        while not cancel.cancelled:
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                if not threading.main_thread().is_alive():
                    cancel.cancel()

    def work() -> None:
        try:
            with _settings.running(cancel):
                told = _core.generate(source, settings, _settings.cpu_options(), put, cancel)
            put(json.loads(told))
        except BaseException as error:
            put(error)

    worker = threading.Thread(target=work, name="spikeloom.generate")
    worker.start()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        while True:
            item = waiting.get()
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, dict):
                rest = decoder.decode(b"", True)
                result.append(item)
                if rest:
                    yield rest
                return
            text = decoder.decode(item)
            if text:
                yield text
    finally:
        cancel.cancel()
        worker.join()


def generate(network: Experiment | str | os.PathLike[str], prompt: str | bytes = "", *, ids: Any = None,
             tokens: int = 100, temperature: float = 1.0, top_p: float = 0.7, top_p_newline: float = 0.9, seed: int = 0,
             state: str | os.PathLike[str] | None = None, vocab: str | os.PathLike[str] | None = None) -> Generation:
    """Text from a token model, an experiment or a checkpoint, as `spikeloom generate`: the same seed gives the same text
    everywhere. `ids` in the place of a prompt; `state`: a file to continue from, written at the end."""
    settings = _core.GenerateSettings()
    try:
        if not isinstance(network, Experiment):
            settings.weights = _settings.path(network)
        settings.prompt = prompt
        if ids is not None:
            settings.ids = [int(i) for i in _settings.array("ids", ids).ravel()]
        settings.tokens, settings.seed = tokens, seed
        settings.temperature, settings.top_p, settings.top_p_newline = temperature, top_p, top_p_newline
        settings.state = "" if state is None else _settings.path(state)
        settings.vocab = "" if vocab is None else _settings.path(vocab)
    except (TypeError, ValueError) as error:
        raise UsageError(f"generate: {error}".splitlines()[0]) from error
    if prompt and ids is not None:
        raise UsageError("prompt and ids exclude each other")
    source = network._source() if isinstance(network, Experiment) else _core.Source("{}", "", [])
    return Generation(source, settings)


class Decision(NamedTuple):
    """The answer after a step."""

    step: int
    answer: int
    probability: float  # softmax of the mean over the steps
    same_since: int  # the step since which the answer is this one
    computed_ms: float
    decided: bool  # the probability is the one that ends the stream


def stream(experiment: Experiment, frames: Iterable[Any] | str | os.PathLike[str], *,
           decide: float = 2.0) -> Iterator[Decision]:
    """Feeds a network frame by frame, as `spikeloom stream`, and gives its decision as it forms. `frames`: arrays [C], as
    they come, or a file (.wav, .npy, a recording of an event camera). `decide`: the probability that ends it."""
    path = _settings.path(frames) if isinstance(frames, (str, os.PathLike)) else ""
    feed = _core.Stream(experiment._source(), path, decide, _settings.cpu_options())
    return _decisions(feed, None if isinstance(frames, (str, os.PathLike)) else iter(frames))


def _decisions(feed: _core.Stream, frames: Iterator[Any] | None) -> Iterator[Decision]:
    def steps() -> Iterator[Any]:
        if frames is None:
            while (now := feed.next()) is not False:
                yield now
        else:
            for frame in frames:
                values = _settings.array("frame", frame)
                if values.dtype.kind not in "fiub":
                    raise DataError(f"a frame of type '{values.dtype}': numbers are needed")
                yield feed.feed(values.astype(np.float32, copy=False))
        if feed.frames > 0:
            for _ in range(feed.look_ahead):
                yield feed.drain()

    for now in steps():
        if now is not None:
            decision = Decision(**now)
            yield decision
            if decision.decided:
                return
