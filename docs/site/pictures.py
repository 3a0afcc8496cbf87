#!/usr/bin/env python3
"""The pictures of the documentation, cut out of pages that the program writes for the shipped experiments.

usage: pictures.py PROGRAM [--check]   writes docs/pictures/; --check compares instead, exit code 1 where they differ
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Name of the picture, the experiment, and what its drawing is called on the page.
PICTURES = (
    ("mnist_energy", "mnist", "Energy per sample by scheme and precision"),
    ("mnist_network", "mnist", "The blocks of the network and the rates of their neurons"),
    ("digit_events_rates", "digit_events", "Firing rate by layer and step"),
)


def cut(page, label):
    """The wide drawing of that name as a picture of its own, in light and dark, on the page's background."""
    drawing = re.search(r'<svg viewBox="0 0 (\d+) ([\d.]+)" role="img" aria-label="' + re.escape(label) + '">.*?</svg>', page, re.S)
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    colours = re.match(r"\s*:root\{.*?\}\s*@media \(prefers-color-scheme:dark\)\{.*?\}\}", style, re.S)[0].strip()
    rules = "\n".join(line for line in style.splitlines() if re.match(r"svg text|\.(g|s0|l0|q|hot|pale)[{,]", line))
    width, height = float(drawing[1]), float(drawing[2])
    inside = drawing[0][drawing[0].index(">") + 1:]
    links = re.sub(r"<a [^>]*>|</a>", "", inside)  # they lead to places of the page
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -12 {width + 24:g} {height + 24:g}" width="{width + 24:g}" '
            f'height="{height + 24:g}">\n<style>\n{colours}\n{rules}\n</style>\n'
            f'<rect x="-12" y="-12" width="100%" height="100%" fill="var(--bg)"/>\n{links}\n')


def main():
    program, check = sys.argv[1], sys.argv[2:] == ["--check"]
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for experiment in dict.fromkeys(row[1] for row in PICTURES):
            subprocess.run([program, "run", str(ROOT / f"experiments/{experiment}.toml"), "--quiet", "--set",
                            f"output.dir={folder}/{experiment}"], check=True)
        for name, experiment, label in PICTURES:
            picture = cut(pathlib.Path(folder, experiment, "page.html").read_text(encoding="utf-8"), label)
            file = ROOT / f"docs/pictures/{name}.svg"
            if not check:
                file.write_text(picture, encoding="utf-8")
            elif not file.exists() or file.read_text(encoding="utf-8") != picture:
                print(f"docs/pictures/{name}.svg is not what the program draws: docs/site/pictures.py PROGRAM")
                faults += 1
    print(f"{len(PICTURES)} pictures, {faults} differ")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
