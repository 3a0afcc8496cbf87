#!/usr/bin/env python3
"""operator_rules.py SOURCE_DIR COMPILER: an operator that lacks a rule does not compile, and the message names the rule.

The rules are those the concept `Operator` lists; dummy_operator.cpp has them all, each removable.
"""
import concurrent.futures
import os
import re
import subprocess
import sys


def compiled(root, compiler, define):
    command = [compiler, "-std=c++20", "-fsyntax-only", "-I", root, os.path.join(root, "tests/lint/dummy_operator.cpp")]
    result = subprocess.run(command + ([f"-D{define}"] if define else []), text=True, capture_output=True)
    return result.returncode == 0, result.stderr


def main():
    root, compiler = os.path.abspath(sys.argv[1]), sys.argv[2]
    with open(os.path.join(root, "sim/graph/operator.hpp"), encoding="utf-8") as file:
        concept = re.search(r"concept Operator =(.*?);", file.read(), re.S)
    rules = re.findall(r"Has(\w+)<O>", concept[1])
    if not rules:
        sys.exit("no rules found in sim/graph/operator.hpp")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        whole, *lacking = pool.map(lambda rule: compiled(root, compiler, rule),
                                   [""] + [f"WITHOUT_{rule.upper()}" for rule in rules])
    faults = [] if whole[0] else ["an operator with every rule does not compile:\n" + whole[1]]
    for rule, (passes, message) in zip(rules, lacking):
        if passes:
            faults.append(f"an operator without `{rule.lower()}` compiles")
        elif f"Has{rule}" not in message:
            faults.append(f"what the compiler says without `{rule.lower()}` does not name it:\n{message}")
    print("\n".join(faults) or f"{len(rules)} rules: {', '.join(rule.lower() for rule in rules)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
