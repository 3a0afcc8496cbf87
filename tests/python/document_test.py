#!/usr/bin/env python3
"""docs/python.md: every block of Python runs, one after the other in an empty folder, and prints what the block of output
behind it says. ... stands for anything. What is named in the table of the interface is there."""
import contextlib
import io
import pathlib
import re
import unittest

from common import SOURCE, inside_temporary_folder, main, np, sl

TEXT = (SOURCE / "docs/python.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


class Document(unittest.TestCase):
    def test_blocks(self):
        blocks = BLOCK.findall(TEXT)
        self.assertGreater(len([1 for kind, _ in blocks if kind == "python"]), 4)
        names = {}
        with inside_temporary_folder():
            printed = None
            for kind, body in blocks:
                if kind == "python":
                    out = io.StringIO()
                    with contextlib.redirect_stdout(out):
                        exec(compile(body, "docs/python.md", "exec"), names)  # noqa: S102 - our own document
                    printed = out.getvalue()
                elif kind == "text":
                    expected = re.escape(body).replace(r"\.\.\.", ".*")
                    self.assertIsNotNone(re.fullmatch(expected, printed, re.S), f"printed:\n{printed}\nexpected:\n{body}")

    def test_table(self):
        table = TEXT[TEXT.index("## What there is"):]
        self.assertEqual(set(re.findall(r"`sl\.(\w+)", table)), set(sl.__all__))


if __name__ == "__main__":
    main()
