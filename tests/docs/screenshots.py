#!/usr/bin/env python3
"""Every page of the site as a browser shows it, for a person to look at: 1400 and 400 pixels wide, light and dark.

usage: screenshots.py SITE_FOLDER OUTPUT_FOLDER [PART-OF-NAME...]   (a site built by `mkdocs build`; needs chromium)
"""
import pathlib
import subprocess
import sys

site, output, parts = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]), sys.argv[3:]
output.mkdir(parents=True, exist_ok=True)
for page in sorted(site.rglob("*.html")):
    name = page.relative_to(site).with_suffix("").as_posix().replace("/", "-")
    if name == "404" or (parts and not any(part in name for part in parts)):
        continue
    for width, scheme in ((1400, "light"), (400, "dark")):
        # A window cannot be narrower than 500 pixels: the narrow page is shown in a frame of its own width.
        frame = output / "frame.html"
        frame.write_text(f'<body style="margin:0"><iframe src="file://{page}" style="border:0;width:{width}px;height:4000px">')
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files",
                        *(["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []),
                        f"--window-size={max(width, 500)},2400", f"--screenshot={output / f'{name}-{width}.png'}",
                        f"file://{frame.resolve()}"], stderr=subprocess.DEVNULL, check=True)
