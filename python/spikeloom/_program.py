"""The command line program inside the package."""
from __future__ import annotations

import os
import sys

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "spikeloom")


def main() -> None:
    os.execv(PATH, [PATH, *sys.argv[1:]])
