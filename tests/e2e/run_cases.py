#!/usr/bin/env python3
"""Runs the end-to-end cases of spikeloom (*.case in this folder; README.md describes their lines).

usage: run_cases.py PROGRAM SOURCE_DIR [NAME-PART...] [-NAME-PART...]
Cases whose name holds a NAME-PART, all without one, less those that hold a -NAME-PART.
Every case runs in a temporary folder of its own. Exit code 0: all passed, 1: a case failed,
77: every case was skipped.
"""
import concurrent.futures
import fcntl
import glob
import itertools
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checks  # noqa: E402
import fixtures  # noqa: E402

SLOWER = int(os.environ.get("SPIKELOOM_TEST_SLOWER", "1"))  # under valgrind, which takes memory as well
TIMEOUT_S = 240 * SLOWER
MEMORY_CAP_KB = (2 << 20) * (2 if SLOWER > 1 else 1)
HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def require(condition, text):
    if not condition:
        raise Failed(text)


def at_path(value, path):
    """a.b[2].c; a name that holds dots is written {a.b}; [name=x] picks the member with that value."""
    for name, braced, index in re.findall(r"([^.\[{]+)|\{([^}]*)\}|\[([^\]]*)\]", path):
        try:
            if index and "=" in index:
                key, wanted = index.split("=", 1)
                value = next(item for item in value if str(item[key]) == wanted)
            else:
                value = value[int(index)] if index else value[braced or name]
        except (KeyError, IndexError, TypeError, StopIteration):
            raise Failed(f"no {path} (stopped at '{name or braced or index}')")
    return value


class Result:
    def __init__(self, words, code, out, err, memory_kb):
        self.words, self.code, self.out, self.err, self.memory_kb = words, code, out, err, memory_kb
        self.exit_checked = self.err_expected = False

    def shown(self):
        return f"$ {shlex.join(self.words)}\nexit {self.code}\n{self.out[-600:]}\n{self.err[-1200:]}"

    def check_exit(self):
        require(self.exit_checked or self.code == 0, f"exit {self.code}, expected 0: {self.shown()}")

    def check_defaults(self):
        """What holds for every command, written in no case: no signal, no internal error, little
        memory, exit 0 unless another one is expected, one line when it fails, silence when not."""
        shown = self.shown()
        require(self.code >= 0, f"killed by signal {-self.code}: {shown}")
        require("internal error" not in self.err and self.code != 70, f"internal error: {shown}")
        require(self.memory_kb < MEMORY_CAP_KB, f"took {self.memory_kb} KB: {shown}")
        self.check_exit()
        lines = self.err.splitlines()
        if self.code == 0:
            require(self.err_expected or not lines, f"text on stderr: {shown}")
        else:
            require(len(lines) <= 1, f"more than one line on stderr: {shown}")
            require(all(line.startswith("spikeloom: ") for line in lines), f"not our message: {shown}")


class Case:
    def __init__(self, name, place):
        self.name, self.place, self.lines = name, place, []

    def commands(self):
        return [line[2:] for _, line in self.lines if line.startswith("$ ")]


class Runner:
    """One case in one folder."""

    def __init__(self, case, program, source, simd, folder):
        self.case, self.program, self.simd, self.folder = case, program, simd, folder
        self.variables = {"source": source, "golden": f"{source}/tests/golden/meta_spikeformer",
                          "here": HERE, "program": program, "folder": folder}
        self.result, self.remembered, self.before = None, {}, {}

    def run(self):
        lines = self.case.lines
        first = next((i for i, (_, line) in enumerate(lines) if line.startswith("each ")), len(lines))
        loops, rest = [], []
        for item in lines[first:]:
            (loops if item[1].startswith("each ") else rest).append(item)
        self.run_lines(lines[:first])
        if not loops:
            return
        names, choices = [], []
        for _, line in loops:
            _, name, *values = shlex.split(self.fill(line))
            span = re.fullmatch(r"(\d+)-(\d+)", values[0])
            if values == ["@simd"]:
                values = self.simd
            elif span:
                values = [str(i) for i in range(int(span[1]), int(span[2]) + 1)]
            names.append(name)
            choices.append(values)
        for combination in itertools.product(*choices):
            self.variables.update(zip(names, combination))
            try:
                self.run_lines(rest)
            except Failed as fault:
                raise Failed(f"with {dict(zip(names, combination))}: {fault}")

    def run_lines(self, lines):
        content = None
        for number, line in lines:
            try:
                if line.startswith("|"):
                    content.write(self.fill(line[1:].removeprefix(" ")) + "\n")
                    continue
                if content:
                    content.close()
                    content = None
                word, _, rest = self.fill(line).partition(" ")
                if word == "file":
                    content = open(self.path(rest), "w")
                elif word == "$":
                    self.finish()
                    self.execute(rest)
                else:
                    if word != "exit" and self.result:
                        self.result.check_exit()
                    getattr(self, "do_" + word.replace("!", "_not"))(rest.strip())
            except (Failed, fixtures.Bad, checks.Bad) as fault:
                raise Failed(f"{self.case.place}:{number}: {line.strip()}\n    {fault}")
        if content:
            content.close()
        self.finish()
        for folder, _, files in os.walk(self.folder):
            for name in files:
                if name in ("report.json", "chip.json"):
                    self.check_schema(os.path.join(folder, name))

    def check_schema(self, path):
        try:
            checks.check_schema(path, self.variables["source"])
        except checks.Bad as fault:
            raise Failed(str(fault))

    def fill(self, text):
        return re.sub(r"\$\{(\w+)\}", lambda m: self.variables[m[1]], text)

    def path(self, name):
        return os.path.join(self.folder, name)

    def finish(self):
        if not self.result:
            return
        self.result.check_defaults()
        self.result = None
        left = [f for folder, _, files in os.walk(self.folder) for f in files
                if f.endswith(".tmp") and not os.path.islink(os.path.join(folder, f))]
        require(not left, f"temporary files left: {left}")

    def execute(self, text):
        words, environment = shlex.split(text), dict(os.environ)
        for name in ("SPIKELOOM_SIMD", "NO_COLOR", "CLICOLOR_FORCE"):
            environment.pop(name, None)
        environment["SPIKELOOM_SUMS"] = "usual"  # nothing is measured, nothing kept at home
        while "=" in words[0]:
            name, value = words.pop(0).split("=", 1)
            environment[name] = value
        require(words[0] == "spikeloom", "a command starts with spikeloom")
        shown, words, options = list(words), [self.program] + words[1:], dict(self.before)
        self.before = {}
        if "tmpfs" in options:
            where, size = options["tmpfs"].split()
            os.makedirs(self.path(where), exist_ok=True)
            script = f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(where)} && exec \"$@\""
            words = checks.namespace_command() + ["sh", "-c", script, "sh"] + words
        if "shell" in options:
            words = ["bash", "-c", options["shell"], "bash"] + words
        if "holds_lock" in options:
            held = os.open(options["holds_lock"], os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)
        stdout = options.get("stdout", self.path(".stdout"))
        with open(stdout, "wb") as out, open(self.path(".stderr"), "wb") as err:
            child = subprocess.Popen(words, cwd=self.folder, env=environment, stdin=self.input(options),
                                     stdout=out, stderr=err)
        code, usage = self.wait(child, options.get("interrupt"))
        if "holds_lock" in options:
            os.close(held)
        text = [open(p, errors="replace").read() if os.path.isfile(p) else ""
                for p in (stdout, self.path(".stderr"))]
        self.result = Result(shown, code, text[0], text[1], usage.ru_maxrss)
        self.result.cpu_seconds = usage.ru_utime + usage.ru_stime

    def input(self, options):
        """Standard input: a pipe that a file comes through, or nothing."""
        if "stdin" not in options:
            return subprocess.DEVNULL
        return subprocess.Popen(["cat", options["stdin"]], stdout=subprocess.PIPE).stdout

    def wait(self, child, interrupt):
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                child.returncode = os.waitstatus_to_exitcode(status)
                return child.returncode, usage
            if interrupt and glob.glob(self.path(interrupt[0])):
                time.sleep(interrupt[1])
                # Not send_signal, which collects a child that has ended and leaves wait4 none.
                os.kill(child.pid, signal.SIGINT)
                interrupt = None
            if time.monotonic() > deadline:
                child.kill()
                os.wait4(child.pid, 0)
                raise Failed(f"still running after {TIMEOUT_S} s")
            time.sleep(0.003)

    # Lines of a case.
    def do_needs(self, rest):
        for what in rest.split():
            reason = checks.missing(what)
            if reason:
                raise Skipped(reason)

    def do_use(self, rest):
        """Copies a text file of this folder, with variables filled in."""
        name, target = (rest.split() * 2)[:2]
        with open(os.path.join(HERE, name)) as source, open(self.path(target), "w") as copy:
            copy.write(self.fill(source.read()))

    def do_make(self, rest):
        fixtures.make(self.folder, shlex.split(rest))

    def do_check(self, rest):
        name, *arguments = shlex.split(rest)
        getattr(checks, "check_" + name)(self, *arguments)

    def do_tmpfs(self, rest):
        self.before["tmpfs"] = rest

    def do_interrupt(self, rest):
        """interrupt FILE [SECONDS]: Ctrl-C so long after the file (a pattern) is there."""
        name, seconds = (rest.split() + ["0"])[:2]
        self.before["interrupt"] = (name, float(seconds))

    def do_shell(self, rest):
        """shell SCRIPT: the next command runs as "$@" of a bash script."""
        self.before["shell"] = rest

    def do_lock(self, rest):
        """lock FOLDER: somebody else writes to the folder while the next command runs."""
        self.before["holds_lock"] = self.path(rest)

    def do_stdout(self, rest):
        self.before["stdout"] = self.path(rest)

    def do_stdin(self, rest):
        self.before["stdin"] = self.path(rest)

    def do_exit(self, rest):
        require(str(self.result.code) in rest.split("|"),
                f"exit {self.result.code}\n    {self.result.out[-600:]}\n    {self.result.err[-1200:]}")
        self.result.exit_checked = True

    def do_out(self, rest):
        require(rest in self.result.out, f"not on stdout:\n{self.result.out[-2000:]}")

    def do_out_not(self, rest):
        require(rest not in self.result.out if rest else not self.result.out,
                f"on stdout:\n{self.result.out[-2000:]}")

    def do_outre(self, rest):
        require(re.search(rest, self.result.out, re.M), f"not on stdout:\n{self.result.out[-2000:]}")

    def do_err(self, rest):
        self.result.err_expected = True
        require(rest in self.result.err, f"not on stderr:\n{self.result.err[-2000:]}")

    def do_err_any(self, _):
        """Nothing or one line on standard error."""
        require(len(self.result.err.splitlines()) <= 1, f"on stderr:\n{self.result.err[-2000:]}")
        self.result.err_expected = True

    def do_errre(self, rest):
        self.result.err_expected = True
        require(re.search(rest, self.result.err, re.M), f"not on stderr:\n{self.result.err[-2000:]}")

    def do_exists(self, rest):
        for name in rest.split():
            require(os.path.exists(self.path(name)), f"no {name}")

    def do_absent(self, rest):
        for name in rest.split():
            require(not os.path.exists(self.path(name)), f"{name} is there")

    def do_holds(self, rest):
        """holds FOLDER NAME...: the folder holds these files and no others."""
        folder, *names = rest.split()
        found = sorted(os.listdir(self.path(folder)))
        require(found == sorted(names), f"it holds {found}")

    def load(self, name):
        if name == "stdout":
            return json.loads(self.result.out)
        with open(self.path(name)) as text:
            return json.load(text)

    def value(self, text):
        if text.startswith("@"):
            name, _, path = text[1:].partition(":")
            return at_path(self.load(name), path)
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text

    def do_json(self, rest):
        """json FILE PATH OPERATOR VALUE; FILE may be stdout, VALUE JSON, bare text or @FILE:PATH."""
        name, path, operator, wanted = shlex.split(rest, posix=False)[:3] + [rest.split(None, 3)[3]]
        found, wanted = at_path(self.load(name), path), self.value(wanted)
        holds = {"==": lambda: type(found) is type(wanted) and found == wanted,
                 "!=": lambda: found != wanted,
                 ">": lambda: found > wanted,
                 "<": lambda: found < wanted,
                 "~": lambda: math.isclose(found, wanted, rel_tol=1e-9),
                 "len": lambda: len(found) == wanted,
                 "has": lambda: str(wanted) in (found if isinstance(found, (str, list)) else str(found)),
                 }[operator]()
        require(holds, f"{path} is {str(found)[:400]}, not {operator} {str(wanted)[:400]}")

    def do_same(self, rest):
        """same KEY FILE PATH: the same value wherever this case says this key."""
        key, name, path = rest.split(None, 2)
        found = at_path(self.load(name), path)
        require(self.remembered.setdefault(key, found) == found,
                f"{key} is {found}, before it was {self.remembered[key]}")


def read_cases():
    cases = []
    for file in sorted(os.listdir(HERE)):
        if not file.endswith(".case"):
            continue
        with open(os.path.join(HERE, file)) as text:
            for number, line in enumerate(text, 1):
                line = line.strip()
                if line.startswith("case "):
                    cases.append(Case(f"{file[:-5]}/{line[5:].strip()}", file))
                elif line and not line.startswith("#"):
                    cases[-1].lines.append((number, line))
    return cases


def run_case(case, program, source, simd):
    start = time.monotonic()
    folder = tempfile.mkdtemp(prefix="spikeloom-e2e-")
    try:
        Runner(case, program, source, simd, folder).run()
        state, note = "pass", ""
    except Skipped as reason:
        state, note = "SKIP", str(reason)
    except Failed as fault:
        state, note = "FAIL", str(fault)
    except Exception as fault:  # of the driver or of a file the program wrote
        state, note = "FAIL", f"{type(fault).__name__}: {fault}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return case, state, note, time.monotonic() - start


def main():
    program, source = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    wanted = [part for part in sys.argv[3:] if not part.startswith("-")]
    left_out = [part[1:] for part in sys.argv[3:] if part.startswith("-")]
    every = read_cases()
    checks.every_case = every
    cases = [case for case in every if (not wanted or any(part in case.name for part in wanted))
             and not any(part in case.name for part in left_out)]
    listed = subprocess.run([program, "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    simd = re.search(r"\(SIMD ([^)]*)\)", listed)[1].split()
    start, counts = time.monotonic(), {"pass": 0, "FAIL": 0, "SKIP": 0}
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(run_case, case, program, source, simd) for case in cases]
        for job in concurrent.futures.as_completed(jobs):
            case, state, note, seconds = job.result()
            counts[state] += 1
            print(f"{state} {case.name} ({seconds:.1f} s){': ' + note if note else ''}", flush=True)
    print(f"{counts['pass']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped "
          f"in {time.monotonic() - start:.1f} s")
    if checks.report_validator(source) is None:
        print("SKIP reports against hw_model/report/report.schema.json: no python3-jsonschema")
    if counts["FAIL"] or not cases:
        return 1
    return 0 if counts["pass"] else 77


if __name__ == "__main__":
    sys.exit(main())
