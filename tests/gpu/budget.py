#!/usr/bin/env python3
"""What every kernel of the CUDA backend takes of a multiprocessor, against tests/gpu/budget.txt; and what its PTX may not hold.

usage: budget.py BUDGET OBJECT...            compare; prints what differs, exit code 1 when something does
       budget.py --write BUDGET OBJECT...    write the file anew

Objects are those of the product, as nvcc made them with -compress-mode=none. Registers, shared memory and stack frames are
read from the machine code for each architecture (the figures that ptxas -v prints), PTX from beside it.
"""
import re
import struct
import subprocess
import sys

FATBIN = struct.pack("<I", 0xBA55ED50)
PTX, ELF = 1, 2
REGISTERS, FRAME = 0x2F, 0x11  # attributes of .nv.info: a symbol and a number
EMULATED = re.compile(r"__cuda_sm\w*(?:mma|sub_byte|bit_internal)")  # products that a card has no instruction for
HEADER = "# kernel architecture registers shared-bytes frame-bytes: tests/gpu/budget.py --write"


def payloads(data):
    """Kind, architecture and bytes of everything in the fat binaries of an object file."""
    at = data.find(FATBIN)
    while at >= 0:
        header, total = struct.unpack_from("<HQ", data, at + 6)
        place, end = at + header, at + header + total
        while place + 16 <= end:
            kind, _, size, length = struct.unpack_from("<HHIQ", data, place)
            arch = struct.unpack_from("<I", data, place + 28)[0]
            yield kind, arch, data[place + size:place + size + length]
            place += size + length
        at = data.find(FATBIN, end)


def sections(elf):
    """Name, link and bytes of each section."""
    (offset,) = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    rows = [struct.unpack_from("<IIQQQQIIQQ", elf, offset + i * size) for i in range(count)]
    strings = rows[names][4]
    for name, kind, _, _, place, length, link, info, _, _ in rows:
        text = elf[strings + name:elf.index(b"\0", strings + name)].decode()
        yield text, kind, link, info, length, b"" if kind == 8 else elf[place:place + length]


def symbols(elf):
    table = [row for row in sections(elf)]
    names = {}
    for _, kind, link, _, _, content in table:
        if kind != 2:
            continue
        strings = table[link][5]
        for i in range(len(content) // 24):
            at = struct.unpack_from("<I", content, i * 24)[0]
            names[i] = strings[at:strings.index(b"\0", at)].decode()
    return names


def resources(elf):
    """Per kernel: registers, bytes of static shared memory, bytes of its frame (local arrays and spills)."""
    names, found = symbols(elf), {}
    kernels = [text[len(".text."):] for text, *_ in sections(elf) if text.startswith(".text.")]
    for text, _, _, _, length, content in sections(elf):
        if text.startswith(".nv.shared."):
            found.setdefault(text[len(".nv.shared."):], {})["shared"] = length
        if text != ".nv.info":
            continue
        at = 0
        while at + 4 <= len(content):
            form, attribute, value = struct.unpack_from("<BBH", content, at)
            at += 4
            if form != 4:
                continue
            if attribute in (REGISTERS, FRAME):
                symbol, number = struct.unpack_from("<II", content, at)
                found.setdefault(names[symbol], {})["registers" if attribute == REGISTERS else "frame"] = number
            at += value
    emulated = [name for name in names.values() if EMULATED.search(name)]
    return {k: found.get(k, {}) for k in kernels}, emulated


def readable(names):
    if not names:
        return {}
    text = subprocess.run(["c++filt"], input="\n".join(names), text=True, capture_output=True, check=True).stdout
    return {m: re.sub(r"^void\s|\bspikeloom::|\bcuda::|\bmodels::|\s", "", re.sub(r"^.*?\bentry<(.*)>\(.*$", r"\1", t))
            for m, t in zip(names, text.splitlines())}


# What has no place in a kernel's PTX, and why.
FORBIDDEN = [(r"\.local\b", "local memory"), (r"^\s*(?:@!?%p\d+\s+)?(?:ld|st)\.(?!global|shared|param|local)", "an access without its space"),
             (r"\.approx\b", "an approximate instruction"), (r"\.ftz\b", "flushed denormals"), (r"\b(?:atom|red)\.[\w.]*\.f(?:32|64)\b", "a sum of floats in no order"),
             (r"^\s*call\b", "a call")]


def lint(path, text, doubles, faults):
    if ".version 9.0" not in text:
        faults.append(f"{path}: PTX of another version than 9.0: look at it before trusting the interpreter with it")
    for pattern, what in FORBIDDEN + ([] if doubles else [(r"\.f64\b", "double precision")]):
        found = re.search(pattern, text, re.M)
        if found:
            faults.append(f"{path}: PTX line {text[:found.start()].count(chr(10)) + 1}: {what}")


def measure(paths, faults):
    rows = {}
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        seen = set()
        for kind, arch, content in payloads(data):
            seen.add(kind)
            if kind == PTX:
                lint(path, content.rstrip(b"\0").decode(), "doubles" in path, faults)
            elif kind == ELF:
                kernels, emulated = resources(content)
                faults += [f"{path}: sm_{arch} emulates an instruction: {name}" for name in emulated]
                names = readable(list(kernels))
                for kernel, r in kernels.items():
                    rows[names[kernel], arch] = (r.get("registers", 0), r.get("shared", 0), r.get("frame", 0))
        if seen != {PTX, ELF}:
            faults.append(f"{path}: no PTX and machine code in it")
    return rows


def read_budget(path):
    rows = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                kernel, arch, *numbers = line.split()
                rows[kernel, int(arch)] = tuple(map(int, numbers))
    return rows


def compare(budget, rows, faults):
    for key, (registers, shared, frame) in sorted(rows.items()):
        name = f"{key[0]} on sm_{key[1]}"
        if frame:
            faults.append(f"{name}: a frame of {frame} bytes: spills, or an array in local memory")
        if not registers:
            faults.append(f"{name}: its registers were not found")
        if key not in budget:
            faults.append(f"{name}: not in the budget")
        elif (registers, shared, frame) > budget[key] and (registers > budget[key][0] or shared > budget[key][1]):
            faults.append(f"{name}: {registers} registers and {shared} bytes of shared memory, {budget[key][0]} and {budget[key][1]} budgeted")
    faults += [f"{kernel} on sm_{arch}: budgeted, but there is no such kernel" for kernel, arch in sorted(set(budget) - set(rows))]


def main():
    write = sys.argv[1] == "--write"
    budget, *objects = sys.argv[2 if write else 1:]
    faults = []
    rows = measure(objects, faults)
    if write:
        with open(budget, "w", encoding="utf-8") as file:
            file.write(HEADER + "\n" + "".join(f"{k} {a} {r} {s} {f}\n" for (k, a), (r, s, f) in sorted(rows.items())))
    else:
        compare(read_budget(budget), rows, faults)
    for fault in faults:
        print(fault)
    print(f"{len(rows)} kernels by architecture, {len(faults)} faults")
    return 1 if faults or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
