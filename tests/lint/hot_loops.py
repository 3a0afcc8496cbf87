#!/usr/bin/env python3
"""Whether the compiler kept inner loops whole: unrolled, with all sums in registers.

usage: hot_loops.py LIBRARY: an optimised libspikeloom_cpu for x86-64; prints one line per fault, exit code 1 when there is one,
77 where objdump is missing or the library holds none of the loops."""

import re
import shutil
import subprocess
import sys

# Function (part of its name), the instruction the loop is for, how many of it a round has.
LOOPS = [
    ("::dot_block<4, signed char>", "vpdpbusd", 24),
    ("::dot_block<4, short>", "vpdpwssd", 24),
    ("::dot_block<2, signed char>", "vpdpbusd", 12),
    ("::dot_block<2, short>", "vpdpwssd", 12),
]
FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\s+(.*)$")
JUMP = re.compile(r"^j\w+\s+([0-9a-f]+)\b")


def functions(library):
    """(name, [(address, text)]) of every function."""
    objdump = subprocess.Popen(["objdump", "-d", "-C", "--no-show-raw-insn", library], stdout=subprocess.PIPE, text=True)
    name, body = None, []
    for line in objdump.stdout:
        if match := FUNCTION.match(line.rstrip()):
            if name:
                yield name, body
            name, body = match[1], []
        elif match := INSTRUCTION.match(line.rstrip()):
            body.append((int(match[1], 16), match[2]))
    if name:
        yield name, body
    if objdump.wait() != 0:
        sys.exit(f"{library}: objdump fails")


def innermost_loop(body, instruction):
    """The shortest run of instructions between a backward jump and its target that holds the instruction."""
    loops = []
    for address, text in body:
        match = JUMP.match(text)
        if match and int(match[1], 16) <= address:
            loop = [t for a, t in body if int(match[1], 16) <= a <= address]
            if any(t.startswith(instruction) for t in loop):
                loops.append(loop)
    return min(loops, key=len, default=[])


def faults_of(library):
    found, faults = set(), []
    for name, body in functions(library):
        for part, instruction, count in LOOPS:
            if part not in name:
                continue
            found.add(part)
            loop = innermost_loop(body, instruction)
            here = sum(text.startswith(instruction) for text in loop)
            if here < count:
                faults.append(f"{name}: {here} {instruction} in a round, expected {count}")
            faults += [f"{name}: the inner loop uses the stack: {text}" for text in loop if re.search(r"\(%r[sb]p", text)]
    if not found:
        print("none of the loops is in", library)
        sys.exit(77)
    return faults + [f"no function {part}" for part, _, _ in LOOPS if part not in found]


if __name__ == "__main__":
    if shutil.which("objdump") is None:
        print("no objdump")
        sys.exit(77)
    FAULTS = faults_of(sys.argv[1])
    print("\n".join(FAULTS + [f"{len(LOOPS)} loops, {len(FAULTS)} faults"]))
    sys.exit(1 if FAULTS else 0)
