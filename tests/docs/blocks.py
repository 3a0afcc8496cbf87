#!/usr/bin/env python3
"""Every fenced block of README.md and docs/ does what it says.

    ```sh      runs as printed (bash -e) in a folder of the page's own that holds what the page says a reader has (world.py)
    ```text    right behind a block of sh or python: every line of it was printed ("[...]" stands for any)
    ```toml    "# name.toml" in its first line: is saved under that name. Complete experiments are read, other parts of one are read
               with what they lack (`spikeloom report-bug` reads every key and no data); chip files are tried by a later command
    ```python  "# name.py" in its first line: is saved under that name. Runs, all blocks of a page in one interpreter; what imports a package that is not here is skipped, visibly

Blocks without a language are shown, not run; what cannot run here stands in world.py with its reason.

usage: blocks.py PROGRAM SOURCE_DIR [PART-OF-PAGE...]
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
try:
    import world  # noqa: E402
except ImportError:
    print("skipped: NumPy is not installed")
    sys.exit(77)

PROGRAM, SOURCE = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]).resolve()
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# Runs the blocks it is given, one after the other, with what the ones before left.
INTERPRETER = """
import sys
space = {"__name__": "__main__"}
while True:
    size = sys.stdin.buffer.readline()
    if not size:
        break
    block = sys.stdin.buffer.read(int(size)).decode()
    exec(compile(block, "block", "exec"), space)
    print("\\0done", flush=True)
"""


class Page:
    def __init__(self, name, folder):
        self.name, self.folder, self.faults, self.skips, self.ran = name, folder, [], [], 0
        self.python, self.printed = None, None
        bin_folder = folder / ".bin"
        bin_folder.mkdir()
        (bin_folder / "spikeloom").symlink_to(PROGRAM)
        self.environment = {**os.environ, "PATH": f"{bin_folder}:/usr/bin:{os.environ['PATH']}", "SPIKELOOM_SOURCE": str(SOURCE),
                            "SPIKELOOM_SUMS": "usual", "PYTHONDONTWRITEBYTECODE": "1"}
        world.prepare(name, folder, SOURCE, PROGRAM)

    def fault(self, text):
        self.faults.append(f"{self.name}: {text}")

    def run(self):
        text = (SOURCE / self.name).read_text(encoding="utf-8")
        last_end = 0
        for found in FENCE.finditer(text):
            kind, block = found[1], found[2]
            adjacent = not text[last_end:found.start()].strip()
            last_end = found.end()
            reason = world.reason_to_skip(self.name, block)
            if reason:
                self.skips.append(f"{self.name}: {block.strip().splitlines()[0]}: {reason}")
            elif kind == "sh":
                self.shell(block)
                continue
            elif kind == "toml":
                self.toml(block)
            elif kind == "python":
                self.run_python(block)
                continue
            elif kind == "text" and adjacent and self.printed is not None:
                self.compare(block)
            self.printed = None
        if self.python:
            self.python.stdin.close()
            self.python.wait()

    def shell(self, block):
        done = subprocess.run(["bash", "-e", "-c", block], cwd=self.folder, env=self.environment, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
        self.ran += 1
        self.printed = done.stdout
        if done.returncode != 0:
            self.fault(f"exit {done.returncode} of\n{block}{done.stdout[-1500:]}")

    def compare(self, block):
        self.ran += 1
        lines = {line.rstrip() for line in self.printed.splitlines()}
        for line in block.splitlines():
            if line.strip() not in ("", "[...]") and line.rstrip() not in lines:
                self.fault(f"not printed: {line}\nbut\n{self.printed[:2500]}")

    def toml(self, block):
        named = re.match(r"# ([\w.]+\.toml)\n", block)
        if named:
            (self.folder / named[1]).write_text(block)
        if "schema_version" in block:
            if not named:
                self.fault(f"a chip file without a name that no command can try:\n{block}")
            return
        whole = world.complete(self.name, block)
        file = self.folder / ".block.toml"
        file.write_text(whole)
        done = subprocess.run([PROGRAM, "report-bug", str(file)], cwd=self.folder, text=True, capture_output=True)
        self.ran += 1
        if done.returncode != 0:
            self.fault(f"{done.stderr.strip()}\nof\n{whole}")

    def run_python(self, block):
        named = re.match(r"# (\w+\.py)\n", block)
        if named:  # another block may import it
            (self.folder / named[1]).write_text(block)
        missing = [name for name in sorted(set(re.findall(r"^\s*(?:import|from) ([\w.]+)", block, re.M)) |
                                           set(re.findall(r"^import .*?, ([\w.]+)", block, re.M)))
                   if subprocess.run(
                       [sys.executable, "-c", f"import {name}"], cwd=self.folder, env=self.environment,
                       capture_output=True).returncode != 0]
        if missing:
            self.skips.append(f"{self.name}: {block.splitlines()[0]}: no {', '.join(missing)} here")
            self.printed = None
            return
        if self.python is None:
            self.python = subprocess.Popen([sys.executable, "-c", INTERPRETER], cwd=self.folder, env=self.environment,
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            block = world.PRELUDES.get(self.name, "") + block
        code = block.encode()
        self.python.stdin.write(f"{len(code)}\n".encode() + code)
        self.python.stdin.flush()
        self.ran += 1
        out = []
        for line in self.python.stdout:
            if line == b"\0done\n":
                break
            out.append(line.decode(errors="replace"))
        else:
            self.fault(f"{''.join(out)[-1500:]}of\n{block}")
            self.python.wait()
            self.python = None
        self.printed = "".join(out)


def main():
    names = ["README.md"] + sorted(str(path.relative_to(SOURCE)) for path in (SOURCE / "docs").rglob("*.md"))
    for name, test in world.ELSEWHERE.items():
        print(f"{name}: {test} runs it")
    names = [name for name in names if name not in world.ELSEWHERE]
    names = [name for name in names if not sys.argv[3:] or any(part in name for part in sys.argv[3:])]
    faults, skips, ran = [], [], 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            page = Page(name, pathlib.Path(folder))
            page.run()
        faults, skips, ran = faults + page.faults, skips + page.skips, ran + page.ran
        if page.ran or page.skips:
            print(f"{name}: {page.ran} blocks, {len(page.skips)} skipped, {len(page.faults)} faults", flush=True)
    print("\n".join(f"SKIP {skip}" for skip in skips))
    print("\n".join(faults))
    stale = [] if sys.argv[3:] else world.unused_reasons()
    print("\n".join(f"world.py has a reason to skip what is in no page: {entry}" for entry in stale))
    print(f"{ran} blocks ran, {len(skips)} skipped, {len(faults)} faults")
    return 1 if faults or stale or ran == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
