"""What goes wrong: one class for each code of the library, all of them an Error."""
from __future__ import annotations

import os


class Error(Exception):
    """Where the fault lies stands in fields, None where it is not known: `file`, `line`, `column` (from 1), `key` of
    an experiment, `node` of a network."""

    code: int = 70  # what the program exits with

    def __init__(self, message: str, file: str | None = None, line: int | None = None, column: int | None = None,
                 key: str | None = None, node: str | None = None) -> None:
        super().__init__(message)
        self.file, self.line, self.column, self.key, self.node = file, line, column, key, node

    def __reduce__(self):
        return type(self), (str(self), self.file, self.line, self.column, self.key, self.node)


class RunError(Error):
    """The run itself failed: a file cannot be written, a value is no number."""

    code = 1


class UsageError(Error):
    """What an experiment or a call says is wrong."""

    code = 2


class DataError(Error):
    """An input, a file or an array, is missing, damaged or does not fit."""

    code = 3


class CapacityError(Error):
    """It does not fit: a network the machine, or a layer a chip."""

    code = 4


class InternalError(Error):
    """A bug of the program."""

    code = 70


class Interrupted(Error):
    """A token cancelled the run before there was anything to keep."""

    code = 130


# In the order of the library's codes.
_CLASSES = (RunError, UsageError, DataError, CapacityError, InternalError, Interrupted)


def made(code: int, message: str, file: bytes, line: int, column: int, key: bytes, node: bytes) -> Error:
    """Called by the library's side."""
    def text(value: bytes) -> str | None:
        return os.fsdecode(value) or None

    return _CLASSES[code](message, text(file), line or None, column or None, text(key), text(node))
