"""Hooks of mkdocs: files of the repository that pages link to become pages of the site, and pages are read as GitHub reads them.

A link out of docs/ (`../experiments/mnist.toml`, `../tests/bench/README.md`) leads to a page below source/ that shows the file, so
that the site is whole without a repository beside it.
"""
import os
import posixpath
import re

from mkdocs.structure.files import File

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^\s*(```|~~~)")
LANGUAGES = {".py": "python", ".cpp": "cpp", ".hpp": "cpp", ".toml": "toml", ".case": "text", ".txt": "cmake", ".sh": "sh", "": "sh"}
PICTURES = (".svg", ".png")


def repository_path(uri):
    """Of a page of the site: where its text stands in the repository."""
    if uri.startswith("source/"):
        path = uri[len("source/"):]
        return path if os.path.isfile(os.path.join(ROOT, path)) else path[: -len(".md")]
    return "docs/" + uri


def linked(path, target):
    """The file of the repository that `target` in the page `path` means, "" where it is none."""
    if re.match(r"[a-z]+:|/", target):
        return ""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if os.path.isdir(os.path.join(ROOT, found)):
        found = posixpath.join(found, "README.md")
    return found if os.path.isfile(os.path.join(ROOT, found)) else ""


def site_uri(path):
    if path.startswith("docs/"):
        return path[len("docs/"):]
    return "source/" + path + ("" if path.endswith((".md",) + PICTURES) else ".md")


def outside_code(text):
    """Lines, and whether each stands outside of fenced blocks."""
    fenced = False
    for line in text.split("\n"):
        edge = FENCE.match(line)
        yield line, not fenced and not edge
        fenced ^= bool(edge)


def links_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        for line, plain in outside_code(file.read()):
            if plain:
                yield from (linked(path, target) for _, target, _, _ in LINK.findall(line))


def on_files(files, config):
    for file in [f for f in files if f.src_uri.startswith("site/") and not f.src_uri.endswith(".css")]:
        files.remove(file)
    seen = {repository_path(f.src_uri) for f in files}
    waiting = [repository_path(f.src_uri) for f in files if f.src_uri.endswith(".md")]
    while waiting:
        for path in links_of(waiting.pop()):
            if not path or path in seen or path.startswith("docs/"):
                continue
            seen.add(path)
            added = File(site_uri(path), ROOT, config["site_dir"], config["use_directory_urls"])
            added.abs_src_path = os.path.join(ROOT, path)
            files.append(added)
            if path.endswith(".md"):
                waiting.append(path)
    return files


def on_page_read_source(page, config):
    path = repository_path(page.file.src_uri)
    if path.endswith(".md"):
        return None
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    language = LANGUAGES.get(os.path.splitext(path)[1], "text")
    fence = "`" * 4
    return f"# {path}\n\n{fence}{language}\n{text.rstrip()}\n{fence}\n"


LIST = re.compile(r"^(\s*)([*+-]|\d+\.) ")


def on_page_markdown(markdown, page, config, files):
    path = repository_path(page.file.src_uri)
    if not path.endswith(".md"):
        return markdown

    def relink(hit):
        found = linked(path, hit[2])
        if not found:
            return hit[0]
        base = posixpath.dirname(page.file.src_uri)
        return hit[1] + posixpath.relpath(site_uri(found), base or ".") + (hit[3] or "") + hit[4]

    lines, before, inside = [], "", ""
    for line, plain in outside_code(markdown):
        if FENCE.match(line) and not inside:  # a fenced block of a list's item, three blanks in
            inside = "" if line.startswith("`") or line.startswith("~") else " " * (4 - (len(line) - len(line.lstrip())) % 4)
        if not plain:
            line = inside + line if line else line
        else:
            inside = ""
            line = LINK.sub(relink, line)
            # GitHub begins a list or a table behind a paragraph without an empty line, Python's Markdown does not.
            begins = (LIST.match(line) and not LIST.match(before) and not before.startswith(" ")) or (
                line.startswith("|") and not before.startswith("|"))
            if begins and before.strip():
                lines.append("")
            # It also wants four blanks where GitHub takes the width of the marker.
            if re.match(r"^ {2,3}\S", line):
                line = "    " + line.lstrip()
        lines.append(line)
        before = line
    return "\n".join(lines)
