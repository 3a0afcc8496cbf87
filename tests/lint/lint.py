#!/usr/bin/env python3
"""What no compiler checks: include rules, text conventions, links in documents.

usage: lint.py SOURCE_DIR; prints one line per fault, exit code 1 when there is one.
"""
import fnmatch
import os
import re
import subprocess
import sys

# The design's table: what a folder may include besides itself. Longest match names a file's folder.
CORE, IO, HDF5, NEURONS, GRAPH, PLAN = "core", "core/io", "core/io/hdf5", "neurons", "sim/graph", "sim/plan"
COUNTS = "sim/counts"
BACKENDS, TRACE, NIR, MODELS, DATASETS = "sim/backends", "sim/trace", "nir", "models", "datasets"
EVENTS = "datasets/events"
ENERGY, CHIP, REPORT = "hw_model/energy", "hw_model/chip", "hw_model/report"
ALLOWED = {
    CORE: set(),
    IO: {CORE},
    HDF5: {CORE, IO},
    NEURONS: {CORE},
    GRAPH: {CORE, NEURONS},
    PLAN: {CORE, NEURONS, GRAPH},
    COUNTS: {CORE, NEURONS, GRAPH, PLAN},
    BACKENDS: {CORE, NEURONS, GRAPH, PLAN},
    TRACE: {CORE, IO, HDF5, NEURONS, GRAPH, PLAN, COUNTS},
    NIR: {CORE, IO, HDF5, NEURONS, GRAPH},
    MODELS: {CORE, NEURONS, GRAPH, NIR},
    DATASETS: {CORE, IO, EVENTS},
    EVENTS: {CORE, IO, HDF5, DATASETS},
    ENERGY: {CORE, IO, NEURONS, GRAPH, COUNTS},
    CHIP: {CORE, IO, HDF5, NEURONS, GRAPH, COUNTS, TRACE, ENERGY},
    REPORT: {CORE, IO, HDF5, NEURONS, GRAPH, COUNTS, TRACE, ENERGY, CHIP},
    "run": set(),  # all of the above: below
    "bench": None,
    "cli": None,  # everything
    "python": None,
    "tests": None,
}
ALLOWED["run"] = {folder for folder, allowed in ALLOWED.items() if allowed is not None}
# Libraries that may appear in some folders only.
LIBRARIES = {
    r"<hdf5|<H5": {HDF5, TRACE, NIR},
    r"<boost/": {"cli"},
    r"<cuda": {"sim/backends/cuda", "tests/gpu"},
    r"<hwy/": {BACKENDS},
    r"<omp\.h>": {"bench"},
    r"<toml": {IO},
    r"<pybind11|<Python": {"python"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|(<[^>]+>))', re.M)
# A path of one machine: home folders, temporary folders with a name in them.
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:home|root|work|Users)/\w+")


def folder_of(path, table):
    candidates = [f for f in table if path == f or path.startswith(f + "/")]
    return max(candidates, key=len) if candidates else None


def check_includes(path, text, faults):
    folder = folder_of(path, ALLOWED)
    if folder is None or ALLOWED[folder] is None:
        return
    for quoted, angled in INCLUDE.findall(text):
        if quoted:
            target = folder_of(quoted, ALLOWED)
            if target is None and "/" in quoted:
                faults.append(f"{path}: includes \"{quoted}\", which is in no known folder")
            elif target not in (None, folder) and target not in ALLOWED[folder]:
                faults.append(f"{path}: {folder} may not include {target} (\"{quoted}\")")
        for pattern, folders in LIBRARIES.items():
            if re.match(pattern, angled) and not any(path.startswith(f + "/") for f in folders):
                faults.append(f"{path}: {angled} belongs to {', '.join(sorted(folders))}")


def check_source(path, text, faults):
    check_includes(path, text, faults)
    check_manners(path, text, faults)
    if path.endswith(".hpp") and not path.endswith("-inl.hpp") and "#pragma once" not in text:
        faults.append(f"{path}: no #pragma once")
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            faults.append(f"{path}:{number}: unfinished")


# Libraries hand results and lines to whoever called them: only the program prints, exits, looks into the environment and
# handles signals.
LIBRARY_FOLDERS = ("core/", "neurons/", "sim/", "nir/", "models/", "datasets/", "hw_model/", "run/")
PROGRAMS_ONLY = re.compile(r"fmt::print\b|std::(?:cout|cerr|clog)\b|\bstd(?:out|err)\b|\bgetenv\b|\bisatty\b|std::signal\b|\bsigaction\b"
                           r"|(?<!\w)(?:_exit|exit|abort|quick_exit|fputs|puts|printf)\(")


def check_manners(path, text, faults):
    if not path.startswith(LIBRARY_FOLDERS):
        return
    for number, line in enumerate(text.splitlines(), 1):
        found = PROGRAMS_ONLY.search(re.sub(r"(^|\s)//.*", "", line))
        if found:
            faults.append(f"{path}:{number}: {found[0]} is for programs; a library returns, throws or tells its observer")


# What tells one network family from another is a field of its row in models/: no other source names one, or
# builds one of its own.
FAMILY_ROW = re.compile(r'(?:Family row\{|row)\.name = "(\w+)"')
FAMILY_FREE = ("core/", "neurons/", "sim/", "datasets/", "hw_model/", "run/", "bench/", "cli/")
NETS_OF_BENCH = ("cli/bench.cpp", "bench/bench_nets.cpp")  # names and sizes of the networks that are measured


def check_families(sources, faults):
    """`sources`: path and text of every source."""
    names = {name for path, text in sources if path.startswith("models/") for name in FAMILY_ROW.findall(text)}
    if not names:
        faults.append("models/: no row of a family was found")
        return
    names.discard("layers")  # an ordinary word, and a key of reports
    word = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(sorted(names)) + r")(?![A-Za-z0-9])")
    for path, text in sources:
        if not path.startswith(FAMILY_FREE) or path in NETS_OF_BENCH:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(r'\s*#\s*include\s+"models/\w+/', line):
                faults.append(f"{path}:{number}: asks for one family; models/families.hpp has them all")
            elif "#include" not in line and word.search(re.sub(r"(^|\s)//.*|\bnir::|\bnamespace nir\b|\.nir\b", "", line)):
                faults.append(f"{path}:{number}: names a family; what differs is a field of its row in models/")


# Tests for single operators (`get_if<Conv2d>`): rules belong to the operators. So many may stand in
# the graph and in the counting rules; none where a chip's rules list every operator.
MOST_SINGLE_OPERATOR_TESTS = 20
LISTS_EVERY_OPERATOR = "hw_model/chip/"
SINGLE_OPERATOR = r"\b(?:get_if|holds_alternative|get)<(?:{})>"


def operators(root):
    with open(os.path.join(root, "sim/graph/op.hpp"), encoding="utf-8") as file:
        found = re.search(r"using Op =\s*OperatorVariant<([^>]*)>", file.read())
    return re.findall(r"\w+", found[1])


def check_operators(root, texts, faults):
    """No visitor over operators with a catch-all, few tests for single ones."""
    names = operators(root)
    single = re.compile(SINGLE_OPERATOR.format("|".join(names)))
    tests = []
    for path, text in texts.items():
        if path.startswith("tests/"):
            continue
        for hit in re.finditer(r"operator\(\)\((?:const )?auto\b", text):
            line = text[:hit.start()].count("\n") + 1
            faults.append(f"{path}:{line}: a visitor that passes over whatever it does not list")
        if path.startswith(LISTS_EVERY_OPERATOR):
            faults += [f"{path}:{text[:hit.start()].count(chr(10)) + 1}: asks for one operator; op_rules.cpp has the rules"
                       for hit in single.finditer(text)]
        for visitor in re.finditer(r"Overloaded\s*\{.*?\n\s*\},", text, re.S):
            if re.search(r"\[[&=]?\]\(const auto&", visitor[0]):
                line = text[:visitor.start()].count("\n") + 1
                faults.append(f"{path}:{line}: a visitor that passes over whatever it does not list")
        if path.startswith(("sim/graph/", "sim/counts/")):
            tests += [f"{path}:{text[:hit.start()].count(chr(10)) + 1}" for hit in single.finditer(text)]
    if len(tests) > MOST_SINGLE_OPERATOR_TESTS:
        faults.append(f"{len(tests)} tests for single operators in graph and counting rules, at most "
                      f"{MOST_SINGLE_OPERATOR_TESTS}: {', '.join(tests)}")


def types_of(text):
    """(qualified name, line) of every struct, class and enum that a file defines where other files could define it too."""
    spaces = []
    for number, line in enumerate(text.splitlines(), 1):
        if opened := re.match(r"(?:inline )?namespace ?([\w:]*) ?\{(?!.*\})", line):
            spaces.append(opened[1])
        elif re.match(r"\}  // namespace", line):
            spaces.pop()
        elif found := re.match(r"(?:struct|class|enum(?: class)?) (\w+)(?: final)?(?: : [^;]*)? \{", line):
            if "" not in spaces:
                yield "::".join([*spaces, found[1]]), number


def check_types(texts, faults):
    """Two types of one name in two libraries are one to the linker, which takes either's functions for both."""
    first = {}
    for path, text in texts.items():
        if path.startswith("tests/"):
            continue
        for name, line in types_of(text):
            place = first.setdefault(name, f"{path}:{line}")
            if place != f"{path}:{line}":
                faults.append(f"{path}:{line}: another {name} stands in {place}")


def check_links(root, path, text, faults):
    text = re.sub(r"^(```+).*?^\1$", "", text, flags=re.M | re.S)  # code
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if re.match(r"[a-z]+:", target):
            continue
        if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
            faults.append(f"{path}: broken link {target}")


def check_format(root, sources, faults):
    try:
        result = subprocess.run(["clang-format", "--dry-run", *sources], cwd=root, text=True, capture_output=True)
    except FileNotFoundError:
        print("skipped: clang-format is not installed")
        return
    bad = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "warning:" in line})
    faults.extend(f"{path}: not formatted (clang-format -i {path})" for path in bad)


def files_of(root):
    """What git tracks; without git, or in an archive of the sources, all that no build or run made."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, text=True, capture_output=True)
        files = [f for f in listed.stdout.split("\0") if f and os.path.exists(os.path.join(root, f))]
        if listed.returncode == 0 and files:
            return files
    except FileNotFoundError:
        pass
    with open(os.path.join(root, ".gitignore")) as file:
        ignored = [line.strip("/") for line in file.read().split()] + [".git"]

    def is_made(path):
        return any(fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(os.path.basename(path), pattern) for pattern in ignored)

    files = []
    for folder, below, names in os.walk(root):
        at = os.path.relpath(folder, root)
        below[:] = [name for name in below if not is_made(os.path.normpath(os.path.join(at, name)))]
        files += [path for path in (os.path.normpath(os.path.join(at, name)) for name in names) if not is_made(path)]
    return sorted(files)


def main():
    root = os.path.abspath(sys.argv[1])
    files = files_of(root)
    faults, sources, texts = [], [], {}
    for path in files:
        if not path.endswith((".hpp", ".cpp", ".h", ".py", ".md", ".toml", ".txt", ".json", ".cmake")) and "." in path:
            continue
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read()
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATH.search(line) and path != "tests/lint/lint.py":
                faults.append(f"{path}:{number}: a path of one machine")
        if path.endswith((".hpp", ".cpp")):
            sources.append(path)
            texts[path] = text
            check_source(path, text, faults)
        if path.endswith(".md"):
            check_links(root, path, text, faults)
    check_families(texts.items(), faults)
    check_operators(root, texts, faults)
    check_types(texts, faults)
    check_format(root, sources, faults)
    for fault in faults:
        print(fault)
    print(f"{len(files)} files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
