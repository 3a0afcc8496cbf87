"""Is a text the LaTeX that `compare --latex` promises? An independent reading of the little of it that a tabular needs: comments, groups,
mathematics, control words and symbols, rows and cells. Nothing here knows how the program writes."""
import re

WORDS = {"begin", "end", "toprule", "midrule", "bottomrule", "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater",
         "textbar", "mu"}
SYMBOLS = set("{}$&#%_\\")  # behind a backslash
SPECIAL = set("#^_~\"<>|")  # wrong or another character when they stand alone in text
TOKEN = re.compile(r"%[^\n]*\n|\\[a-zA-Z]+|\\.|.", re.S)
LETTERS = {c for c in map(chr, range(0xC0, 0x100)) if c not in "ÐÞðþ×÷"}
SAYS = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">", "textbar": "|", "mu": "µ"}


class NotLatex(Exception):
    pass


def need(condition, text):
    if not condition:
        raise NotLatex(text)


def optional(tokens, at):
    """Commands that end a line look for a star or a bracket behind blanks."""
    return "".join(tokens[at:at + 99]).lstrip()[:1] in ("[", "*")


def rows_of(text):
    """Cells of every row of the one tabular as a reader sees them, head first; NotLatex where a LaTeX run would stop or lose text."""
    need("\r" not in text and text.endswith("\n"), "line ends")
    rows, cells, cell, groups, maths, column = [], [], "", 0, False, ""
    tokens = TOKEN.findall(text)
    environment, shape, at = None, None, 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token.startswith("%"):
            continue
        if token in ("\\begin", "\\end"):
            name = "".join(tokens[at:at + 9])
            need(name == "{tabular}" and not groups and not maths, f"{token}{name}")
            at += 9
            need((environment is None) == (token == "\\begin"), f"a second {token}")
            environment = token
            if token == "\\begin":
                end = tokens.index("}", at)
                shape = "".join(tokens[at + 1:end])
                need(tokens[at] == "{" and re.fullmatch("[lr]+", shape), f"columns {shape!r}")
                at = end + 1
        elif token == "\\\\":
            need(not groups and not maths, "a row ends inside a group or mathematics")
            need(not optional(tokens, at), "the next row would be an option of \\\\")
            rows.append([c.strip() for c in [*cells, cell]])
            cells, cell = [], ""
        elif token == "&":
            need(not groups and not maths, "a cell ends inside a group or mathematics")
            cells, cell = [*cells, cell], ""
        elif token == "{":
            groups += 1
        elif token == "}":
            groups -= 1
            need(groups >= 0, "} without {")
        elif token == "$":
            maths = not maths
        elif len(token) > 1 and token[1].isalpha():
            word = token[1:]
            need(word in WORDS, f"command {token}")
            need((word == "mu") == maths, f"{token} in the wrong mode")
            need(maths or word.endswith("rule") or tokens[at:at + 1] == ["{"], f"{token} eats the blank behind it")
            if word.endswith("rule"):
                need(not cells and not cell.strip(), f"{token} inside a row")
                need(not optional(tokens, at), f"the next row would be an option of {token}")
            cell += SAYS.get(word, "")
        elif len(token) > 1:
            need(token[1] in SYMBOLS, f"command {token}")
            cell += token[1]
        else:
            need(token not in SPECIAL, f"a bare {token!r}")
            need(token == "\n" or " " <= token <= "~" or token in LETTERS, f"character {token!r}")
            cell += token
    need(environment == "\\end" and not groups and not maths and not cells and not cell.strip(), "what was begun does not end")
    need(rows and all(len(row) == len(shape) for row in rows), f"cells of the rows: {[len(row) for row in rows]}, columns {shape!r}")
    return rows


NAMES = ["a%b", "50 %", "a&b", "a_b", "a#b", "a$b", "$x$", "a{b", "a}b", "{}", "a~b", "a^b", "a\\b", "\\", "\\input{x}", "\\\\[3pt]", "[a]", "*a", "a\"b'c",
         "a<b>c", "a|b", "µ°ÅÖß", "×÷ðÞþÐ", "漢字🙂é", "%\\end{tabular}", "a``b", " a  b ", "tab\tb", "line\nb", "\x7f\x1b[1m", "\udcff\udcc3"]


def seen(name):
    """What a reader of the table sees of a name."""
    bytes_of = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    shown = "".join(c if " " <= c <= "~" or c in LETTERS else "?" for c in bytes_of)
    return shown.replace('"', "''").strip()


def check(run, folder):
    """`run(names)`: the table of runs with these names, each a copy of `folder`."""
    for names in [*([name] for name in NAMES), NAMES]:
        head, *rows = rows_of(run(names, folder))
        need(head[:2] == ["run", "ran as"] and "E as_built (µJ)" in head, f"head: {head}")
        need([row[0] for row in rows] == [seen(name) for name in names], f"{[row[0] for row in rows]}, expected {[seen(n) for n in names]}")
        need(all(re.fullmatch(r"\d+(\.\d+)?\*?|", cell) for row in rows for cell in row[2:]), f"figures: {rows}")
