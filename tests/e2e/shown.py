"""Figures as people see them: numbers with units and rounding, printed tables, tables of pages."""
import html
import math
import re

SCALE = {"": 1, "%": 1e-2, "x": 1, "×": 1, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6,
         "G": 1e9, "T": 1e12}
NOTHING = {"-", "", "not measured", "not known", "unknown", "absent", "not priced"}
NUMBER = re.compile(r"(-?\d+)(?:\.(\d+))?(?:e([+-]?\d+))? ?([^\d\s]*)")


class Differs(Exception):
    pass


def require(condition, text):
    if not condition:
        raise Differs(text)


def same(found, expected, about):
    require(found == expected, f"{about}: {found}, expected {expected}")


def close(found, expected, about):
    """Equal but for the last digits of a sum."""
    require(math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12), f"{about}: {found}, expected {expected}")


def scale_of(unit):
    """Of "uJ", "%", "k", "x"; None where it is no unit."""
    for base in ("J", "s", ""):
        if unit.endswith(base) and unit[:len(unit) - len(base)] in SCALE and (base or unit in SCALE):
            return SCALE[unit[:len(unit) - len(base)]]
    return None


def shows(text, value):
    """The text is the value, rounded to the last digit that is there."""
    found = NUMBER.fullmatch(re.sub(r"(?<=\d)\u00a0(?=\d)", "", text).replace("\u00a0", " ").removeprefix(">= "))
    scale = scale_of(found[4]) if found else None
    if scale is None or value is None or not math.isfinite(value):
        return False
    digits, power = len(found[2] or ""), int(found[3] or 0)
    number = float(f"{found[1]}.{found[2] or 0}") * 10.0 ** power * scale
    step = 10.0 ** (power - digits) * scale
    if text.endswith("%") and 0.9999 < value < 1:
        return text == "99.99 %" or abs(number - value) <= 0.5001 * step
    return abs(number - value) <= 0.5001 * step + 1e-14 * abs(value)


def agree(text, value, about):
    if value is None:
        require(text in NOTHING, f"{about}: {text!r}, though there is no such figure")
    else:
        require(shows(text, value), f"{about}: {text!r} does not show {value}")


def words(text):
    """Without line breaks, between single spaces."""
    return " " + " ".join(text.split()) + " "


def block(text, first, end="\n", header=False):
    """Rows of a printed table, cells apart by two spaces: from the line that starts with `first` (with `header`: that line
    too) to the one that starts with `end`, or with no space."""
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if line.startswith(first)), None)
    require(start is not None, f"no table {first!r}")
    rows = []
    for number, line in enumerate(lines[start:]):
        if line.startswith(end) or number > 0 and not line.startswith(" "):
            break
        if number == 0 and not header:
            continue
        rows.append(re.split(r" {2,}", line.strip()))
    return rows


def table(text, heading):
    """Rows of the table below a heading, by the names in its head, like those of a page; wrapped cells are joined. What does not fit
    stands in tables below, with the first columns again. Columns are what blanks part on every line; a line that begins with a
    blank goes on with the row above it."""
    lines = text.split("\n")
    require(heading.upper() in lines, f"no section {heading!r}")
    parts = [[]]
    for line in lines[lines.index(heading.upper()) + 1:]:
        if re.match(r" {2}\S", line) or not line and not parts[-1]:
            break
        if line:
            parts[-1].append(line)
        else:
            parts.append([])
    first = parts[0][0].split("  ")[0]
    found = [rows_of(part) for part in parts if part and part[0].startswith(first + "  ")]
    return [{key: cell for row in rows for key, cell in row.items()} for rows in zip(*found, strict=True)]


def rows_of(lines):
    width = max(map(len, lines))
    blank = "".join(" " if all(line[i:i + 1] in (" ", "") for line in lines) else "x" for i in range(width))
    spans = [found.span() for found in re.finditer(r"x+(?: x+)*", blank)]
    rows = []
    for line in lines:
        cells = [line[begin:end].strip() for begin, end in spans]
        if not line.startswith(" "):
            rows.append(cells)
        else:
            rows[-1] = [f"{before} {cell}".strip() for before, cell in zip(rows[-1], cells)]
    names = [name if rows[0].index(name) == i else f"{name} {i}" for i, name in enumerate(rows[0])]
    return [dict(zip(names, row)) for row in rows[1:]]


def lines_of(text, first):
    """The same for tables whose rows are not indented: from below the line that starts with `first` to an empty one."""
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if line.startswith(first)), None)
    require(start is not None, f"no table {first!r}")
    return [re.split(r" {2,}", line.strip()) for line in lines[start + 1:lines.index("", start)]]


# ---- pages ----

def plain(text):
    return html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<(?:br|/p|/li|/h\d|/td|/th|/dd|/dt|/summary)[^>]*>", " ", text)))


def sections_of(page):
    """{id: HTML}; "top": what stands before the first one, pictures and styles left out."""
    page = re.sub(r"<(svg|style)\b.*?</\1>", "", page, flags=re.S)
    parts = re.split(r'<section id="([^"]*)">', page)
    return {"top": parts[0] + re.sub(r"^.*?</section>", "", parts[-1], flags=re.S),
            **{parts[i]: parts[i + 1].split("</section>")[0] for i in range(1, len(parts), 2)}}


def cells_of(row):
    return list(row.values())


def tables_of(section):
    """Every table as a list of rows, rows by the names in its head; names that stand there twice are numbered."""
    tables = []
    for table in re.findall(r"<table.*?</table>", section, re.S):
        head = [plain(cell).strip() for cell in re.findall(r"<th[^>]*>(.*?)</th>", table, re.S)]
        names = [name if head.index(name) == i else f"{name} {i}" for i, name in enumerate(head)]
        tables.append([dict(zip(names, [plain(cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)]))
                       for row in re.findall(r"<tr>(<td.*?)</tr>", table, re.S)])
    return tables


def facts_of(section):
    """{name: (value, note)} of the boxes."""
    found = {}
    for name, value in re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", section, re.S):
        value, _, note = value.partition("<small>")
        found[plain(name)] = plain(value), plain(note)
    return found
