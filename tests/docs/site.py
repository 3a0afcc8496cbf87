#!/usr/bin/env python3
"""The documentation builds as a site without a warning, every link and anchor of the built pages leads somewhere, every page
is in the navigation, and no page loads anything from elsewhere. Skipped where mkdocs or its theme is missing.

usage: site.py SOURCE_DIR
"""
import html.parser
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

source = pathlib.Path(sys.argv[1]).resolve()


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loads = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "link" and values.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(values["href"])
        if tag in ("script", "img", "iframe", "source", "video") and values.get("src"):
            self.loads.append(values["src"])


def faults_of(site):
    pages = {path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for name, page in pages.items():
        if name == "404.html":
            continue
        for target in page.loads:
            if urllib.parse.urlparse(target).scheme not in ("", "data") or target.startswith("//"):
                yield f"{name}: loads {target}"
        for target in page.links + page.loads:
            parts = urllib.parse.urlparse(target)
            if parts.scheme or target.startswith("//"):
                continue
            path = os.path.normpath(os.path.join(os.path.dirname(name), urllib.parse.unquote(parts.path))) if parts.path else name
            if not (site / path).is_file():
                yield f"{name}: dead link {target}"
            elif parts.fragment and path in pages and urllib.parse.unquote(parts.fragment) not in pages[path].anchors:
                yield f"{name}: no anchor {target}"


def main():
    if not shutil.which("mkdocs") or not pathlib.Path("/usr/share/mkdocs/themes/material").is_dir():
        print("skipped: mkdocs or its theme is not installed (mkdocs, mkdocs-material)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        site = pathlib.Path(folder, "site")
        built = subprocess.run(["mkdocs", "build", "--strict", "--site-dir", str(site)], cwd=source, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if built.returncode != 0:
            print(built.stdout)
            return 1
        faults = list(faults_of(site))
        faults += [f"{line[4:]}: in no menu (mkdocs.yml)" for line in built.stdout.splitlines()
                   if line.startswith("  - ") and not line.startswith("  - source/")]
        count = sum(1 for _ in site.rglob("*.html"))
    for fault in faults:
        print(fault)
    print(f"{count} pages, {len(faults)} faults")
    return 1 if faults or count < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
