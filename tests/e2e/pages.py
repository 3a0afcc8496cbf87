#!/usr/bin/env python3
"""Looks at the pages of `inspect --html`, `compare --html` and `chip --html` in headless Chromium.

usage: pages.py PROGRAM SOURCE_DIR; exit code 77 where Chromium is missing. Every page is measured at 400 and 1400 px in light
and dark (measure.js): nothing is wider than the window, no text of a picture leaves it, overlaps another one or is below 9 px.
Screenshots must show something, the console must stay silent, paper must show what <details> hide on a screen.
"""
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib

import fixtures

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTHS, SCHEMES = (400, 1400), {"light": 1, "dark": 0}  # blink's preferredColorScheme
EVIL = '<script>alert("1")</script>&amp;\u202e\u0007' + "very_long_name." * 20


def fail(text):
    sys.exit(f"pages: {text}")


class Browser:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, url, scheme, *options):
        """Standard output; console messages and a missing end are failures."""
        profile = tempfile.mkdtemp(dir=self.folder)
        command = [self.program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--hide-scrollbars", "--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}",
                   f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", *options, url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            fail(f"the browser did not end: {url}")
        if process.returncode != 0:
            fail(f"the browser ended with {process.returncode}: {err[-2000:]}")
        for line in err.splitlines():
            if "CONSOLE" in line:
                fail(f"console of {url}: {line}")
        shutil.rmtree(profile, ignore_errors=True)
        return out


def measure(browser, pages, scheme):
    """All pages in frames of all widths, in one go."""
    frames = ""
    for name, path in pages.items():
        with open(path, encoding="utf-8") as file:
            text = html.escape(file.read(), quote=True)
        for width in WIDTHS:
            frames += f'<iframe name="{name} {width} {scheme}" width="{width}" height="900" style="border:0" srcdoc="{text}"></iframe>\n'
    with open(os.path.join(HERE, "measure.js"), encoding="utf-8") as file:
        script = file.read()
    harness = os.path.join(browser.folder, f"harness-{scheme}.html")
    with open(harness, "w", encoding="utf-8") as file:
        file.write(f'<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><script>{script}</script><body>{frames}')
    dom = browser.run("file://" + harness, scheme, "--window-size=1500,1000", "--dump-dom")
    found = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.S)
    if not found:
        fail(f"nothing was measured: {dom[:300]}")
    result = json.loads(html.unescape(found.group(1)))
    if result["faults"]:
        fail("%d faults:\n%s" % (len(result["faults"]), "\n".join(result["faults"][:40])))
    if len(result["pages"]) != len(pages) * len(WIDTHS):
        fail("not every page was measured")
    for page in result["pages"]:
        if page["svgs"] < 1 or page["texts"] < 3 or not page["title"]:
            fail(f"a page without pictures: {page}")
    return {page["background"] for page in result["pages"]}, {page["ink"] for page in result["pages"]}


def check_shot(browser, path, scheme, width):
    """A PNG of the asked width that is not one colour: its scan lines hold many different bytes."""
    shot = os.path.join(browser.folder, "shot.png")
    browser.run("file://" + path, scheme, f"--window-size={width},1600", f"--screenshot={shot}")
    with open(shot, "rb") as file:
        raw = file.read()
    os.remove(shot)
    if raw[:8] != b"\x89PNG\r\n\x1a\n" or int.from_bytes(raw[16:20], "big") != width:
        fail(f"screenshot of {path}: no PNG of width {width}")
    data, at = b"", 8
    while at < len(raw):
        size = int.from_bytes(raw[at:at + 4], "big")
        if raw[at + 4:at + 8] == b"IDAT":
            data += raw[at + 8:at + 8 + size]
        at += 12 + size
    if len(set(zlib.decompress(data))) < 64:
        fail(f"screenshot of {path}, {scheme}, {width} px: (nearly) one colour")


def paper_pages(browser, path):
    out = os.path.join(browser.folder, "paper.pdf")
    browser.run("file://" + path, "dark", "--no-pdf-header-footer", f"--print-to-pdf={out}")
    with open(out, "rb") as file:
        return len(re.findall(rb"/Type\s*/Page\b(?!s)", file.read()))


def check_paper(browser, path):
    """The tables in <details> are printed: without them there are fewer pages of paper."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    bare = os.path.join(browser.folder, "bare.html")
    with open(bare, "w", encoding="utf-8") as file:
        file.write(re.sub(r"<details>.*?</details>", "", text, flags=re.S))
    full, short = paper_pages(browser, path), paper_pages(browser, bare)
    if not full > short > 0:
        fail(f"{path}: {full} pages of paper, {short} without the tables")


def check_text(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if len(text.encode()) >= 1 << 20:
        fail(f"{path}: {len(text)} bytes")
    for pattern in (r"<script", r'\b(?:href|src|action|data)\s*=\s*"(?!#)', r"url\(", r"@import", r"\bon\w+\s*=\s*\"",
                    r"https?://", r"\bnan\b", r"\binf\b"):
        found = re.search(pattern, text, re.I)
        if found:
            fail(f"{path}: {text[max(0, found.start() - 60):found.end() + 60]!r}")


def hostile_report(source, target, broken):
    """Names with markup, nulls, a scheme without energies; `broken`: also figures that compare refuses."""
    with open(source, encoding="utf-8") as file:
        report = json.load(file)
    report["verdict"][0] = "LOSES: " + EVIL
    report["warnings"] = [EVIL]
    report["dataset"] = EVIL
    report["accuracy"] = None
    for form in report["counts"].values():
        form["layers"][0]["name"] = EVIL
    for layer in report["counts"]["as_written"]["neurons"][:3]:
        layer["name"], layer["rate"] = EVIL + str(layer["neurons"]), None
    report["energy"]["synops"] = {"scheme": "synops", "form": "as_written", "effective_acs": 12345}
    report["energy"]["dense_twin"] = None
    if broken:
        report["run"]["mean_rate"] = "often"
        report["energy"]["event"]["per_sample_nJ"] = None
        report["energy"]["event"]["forms"] = [EVIL]
    with open(target, "w", encoding="utf-8") as file:
        json.dump(report, file)


class Workshop:
    def __init__(self, program, source, folder):
        self.program, self.folder = program, folder
        self.source = os.path.abspath(source)
        self.golden = os.path.join(self.source, "tests", "golden", "meta_spikeformer")

    def path(self, name):
        return os.path.join(self.folder, name)

    def call(self, *words):
        done = subprocess.run([self.program, *words], cwd=self.folder, capture_output=True, text=True, timeout=300)
        if done.returncode != 0 or done.stderr:
            fail(f"{' '.join(words)}: exit {done.returncode}, {done.stderr}")
        return done.stdout

    def run(self, name, experiment, *settings):
        with open(os.path.join(HERE, experiment), encoding="utf-8") as file:
            text = file.read().replace("${golden}", self.golden).replace("${source}", self.source)
        with open(self.path(experiment), "w", encoding="utf-8") as file:
            file.write(text)
        words = [word for setting in (f"output.dir={name}", *settings) for word in ("--set", setting)]
        self.call("run", experiment, "--quiet", *words)


def make_pages(shop):
    fixtures.make_npy(shop.path("images.npy"), 2, 1, 32, 32)
    fixtures.make_npy(shop.path("one.npy"), 1, 1, 32, 32)
    shop.run("tiny", "tiny.toml")
    shop.run("fused", "tiny.toml", "run.form=fused", "model.time_steps=3")
    shop.run("single", "tiny.toml", "dataset.path=one.npy", "model.time_steps=1")
    shop.run("long", "tiny.toml", "dataset.path=one.npy", "model.time_steps=150")
    shop.run("chosen", "tiny.toml", "model.time_steps=5", "trace.every=2", 'trace.layers=["lif", "block4.0.attn.q_lif"]')
    shop.run("golden", "golden.toml")
    fixtures.make_tokens(shop.path("tokens.npy"), 77, 2, 40)
    spikegpt = os.path.join(shop.source, "tests", "golden", "spikegpt", "A1_char_binary.weights.npz")
    shop.run("tokens", "tokens.toml", "twin.weights=" + spikegpt)
    os.mkdir(shop.path("alone"))
    shutil.copy(shop.path("tiny/trace.h5"), shop.path("alone/trace.h5"))
    os.mkdir(shop.path("evil"))
    hostile_report(shop.path("tiny/report.json"), shop.path("evil/report.json"), broken=True)
    hostile_report(shop.path("tiny/report.json"), shop.path("evil/mild.json"), broken=False)
    wanted = {"golden": ("golden",), "tiny": ("tiny/report.json", "--layer", "lif"), "alone": ("alone/trace.h5",),
              "single": ("single",), "long": ("long", "--layer", "block3.0.attn.q_lif"), "chosen": ("chosen",), "tokens": ("tokens",),
              "evil": ("evil",)}
    pages = {}
    for name, words in wanted.items():
        pages["inspect_" + name] = shop.path(f"inspect_{name}.html")
        shop.call("inspect", *words, "--html", pages["inspect_" + name])
    for name, words in {"two": ("tiny", "fused"), "four": ("golden", "tiny", "evil/mild.json", "single")}.items():
        pages["compare_" + name] = shop.path(f"compare_{name}.html")
        shop.call("compare", *words, "--html", pages["compare_" + name])
    pages["chip"] = shop.path("chip.html")
    shop.call("chip", "tiny", "--chip", "loihi2", "--quiet", "--html", pages["chip"])
    quick = ("--rounds", "1", "--turn-ms", "0")
    pages["bench_kernels"], pages["bench_nets"] = shop.path("bench_kernels.html"), shop.path("bench_nets.html")
    shop.call("bench", "kernels", "--layer", "linear:5x33x20", "--layer", "real-linear:5x33x20", "--rates", "0,10,50,100", *quick,
              "--html", pages["bench_kernels"])
    shop.call("bench", "nets", "--net", "meta_tiny", *quick, "--torch", "none", "--html", pages["bench_nets"])
    pages["chip_sweep"] = shop.path("chip_sweep.html")
    shop.call("chip", "tiny", "--chip", "loihi2,spinnaker2", "--sweep", "noc.link_ns_per_flit=0.01,1,40", "--sweep", "noc.cast=unicast,multicast",
              "--dense", "dense_systolic", "--unsupported", "host", "--quiet", "--html", pages["chip_sweep"], "--out", shop.path("sweep"))
    pages["compare_chips"] = shop.path("compare_chips.html")
    shop.call("chip", "tiny", "--chip", "horowitz45,truenorth", "--quiet", "--out", shop.path("two"))
    shop.call("compare", "sweep", "two", "--html", pages["compare_chips"])
    return pages


def main():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("SKIP pages: no chromium (./install-dependencies --test)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        pages = make_pages(Workshop(os.path.abspath(sys.argv[1]), sys.argv[2], folder))
        for path in pages.values():
            check_text(path)
        browser = Browser(chromium, folder)
        light, dark = (measure(browser, pages, scheme) for scheme in SCHEMES)
        if any(len(colours) != 1 for colours in (*light, *dark)) or light[0] == dark[0] or light[1] == dark[1]:
            fail(f"colours: {light}, {dark}")
        for name, schemes in (("inspect_golden", ("light", "dark")), ("compare_two", ("dark", "light"))):
            for width, scheme in zip(WIDTHS, schemes):
                check_shot(browser, pages[name], scheme, width)
            check_paper(browser, pages[name])
        print(f"{len(pages)} pages measured at {WIDTHS} px in {' and '.join(SCHEMES)}, no fault")


if __name__ == "__main__":
    main()
