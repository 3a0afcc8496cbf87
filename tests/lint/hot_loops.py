#!/usr/bin/env python3
"""Looks at the machine code of the hot loops: unrolled as written, sums in registers.

usage: hot_loops.py LIBRARY...      (libspikeloom_cpu.a of an optimised build for x86-64; needs objdump)
A compiler that rolls such a loop up or spills its sums halves the speed without breaking a test. Exit code 1 names the
function and what its loop lacks; 77: no objdump, or no AVX-512 code in the library.
"""
import re
import shutil
import subprocess
import sys

# Function of the AVX-512 target; the arithmetic its innermost loop must hold and how often at least.
TABLE = [
    (r"gather_span<float, 64>", r"vaddps .*%zmm", 4),
    (r"gather_span<float, 32>", r"vaddps .*%zmm", 2),
    (r"gather_span<short, 128>", r"vpaddw .*%zmm", 4),
    (r"gather_span<short, 64>", r"vpaddw .*%zmm", 2),
    (r"gather_span<signed char, 256>", r"vpaddw .*%zmm", 8),
    (r"gather_span<signed char, 128>", r"vpaddw .*%zmm", 4),
    (r"dense_tile\(", r"vfmadd\w+ .*%zmm", 24),
    (r"dot_block<4, signed char>", r"vpdpbusd .*%zmm", 24),
    (r"dot_block<4, short>", r"vpdpwssd .*%zmm", 24),
    (r"dot_block<2, signed char>", r"vpdpbusd .*%zmm", 12),
    (r"dot_block<2, short>", r"vpdpwssd .*%zmm", 12),
    (r"add_blocks<8>", r"vperm[it]2w .*%zmm", 16),
]
# Kernels in Highway's namespace of the target, and those that are written for AVX-512 alone.
PLACE = r"(N_AVX3|\(anonymous namespace\))::"
SPILL = re.compile(r"vmov\w+ (%zmm\d+,-?\w*\(%r[sb]p\)|-?\w*\(%r[sb]p\),%zmm\d+)")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
LINE = re.compile(r"^ *([0-9a-f]+):\s+(.*?)\s*$")
JUMP = re.compile(r"^j\w+ +([0-9a-f]+)")


def functions(library):
    """Yields name and [(address, instruction)] of every function."""
    text = subprocess.run(["objdump", "-d", "-C", "--no-show-raw-insn", library], stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    name, body = None, []
    for line in text.splitlines():
        if head := FUNCTION.match(line):
            if name:
                yield name, body
            name, body = head.group(1), []
        elif code := LINE.match(line):
            body.append((int(code.group(1), 16), code.group(2)))
    if name:
        yield name, body


def innermost_loops(body):
    """Instructions between a backward jump and its target that hold no other such jump."""
    places = {address: i for i, (address, _) in enumerate(body)}
    loops = []
    for i, (address, code) in enumerate(body):
        jump = JUMP.match(code)
        if jump and int(jump.group(1), 16) <= address and int(jump.group(1), 16) in places:
            loops.append((places[int(jump.group(1), 16)], i))
    return [[code for _, code in body[a:b + 1]] for a, b in loops
            if not any((c, d) != (a, b) and a <= c and d <= b for c, d in loops)]


def faults_of(name, body, wanted, least):
    """What is wrong with the best of the function's innermost loops."""
    best = max(innermost_loops(body), default=[],
               key=lambda loop: sum(bool(re.match(wanted, code)) for code in loop))
    count = sum(bool(re.match(wanted, code)) for code in best)
    if count < least:
        yield f"{name}: {count} of {least} '{wanted}' in its innermost loop"
    spills = [code for code in best if SPILL.match(code)]
    if spills:
        yield f"{name}: {len(spills)} vectors go through the stack in its innermost loop: {spills[0]}"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if not shutil.which("objdump"):
        print("objdump is not installed")
        return 77
    found, faults = set(), []
    for library in sys.argv[1:]:
        for name, body in functions(library):
            if not re.search(PLACE, name):
                continue
            for pattern, wanted, least in TABLE:
                if re.search(PLACE + pattern, name) and "[clone" not in name:
                    found.add(pattern)
                    faults += faults_of(name.replace("(anonymous namespace)::", "").split("(")[0], body, wanted, least)
    if not found:
        print("no AVX-512 code to look at")
        return 77
    faults += [f"{pattern}: no such function" for pattern, _, _ in TABLE if pattern not in found]
    print("\n".join(faults) if faults else f"{len(found)} hot loops unrolled, none through the stack")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
