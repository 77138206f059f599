"""Take docs/report.png: parts of a real report side by side, light and dark, in headless Chromium.

TAGWRIGHT_DATA=FOLDER .venv/bin/tagwright train --data wnut17 --model minilm --out wnut17-minilm
.venv/bin/python scripts/screenshot.py wnut17-minilm/report.html
"""

from __future__ import annotations

import base64
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

OUT = Path(__file__).parents[1] / "docs" / "report.png"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
SIZE = {"width": 880, "height": 1320}
GAP = 24
FRONT = """
for (const part of document.querySelectorAll(".notices, #summary details")) part.style.display = "none";
"""
BESIDE = """
for (const section of document.querySelectorAll("main > section")) {
  section.hidden = !["errors", "browse"].includes(section.id);
}
const others = "header, nav, #errors > :not(h2, figure), #errors details";
for (const part of document.querySelectorAll(others)) part.style.display = "none";
document.getElementById("filter-class").value = "wrong type";
document.getElementById("filter-class").dispatchEvent(new Event("input"));
"""
"""Leaves the confusion of types and the errors of one class."""


def main(report: str) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("there is no Chromium on this machine")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        shots = []
        for scheme, script in (("light", FRONT), ("dark", BESIDE)):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")
            page.goto(Path(report).resolve().as_uri())
            page.evaluate(script)
            shots.append(base64.b64encode(page.screenshot()).decode())
        both = browser.new_page(viewport={"width": 2 * SIZE["width"] + GAP, "height": SIZE["height"]})
        images = "".join(f'<img src="data:image/png;base64,{shot}">' for shot in shots)
        both.set_content(f'<body style="margin:0;display:flex;gap:{GAP}px;background:transparent">{images}')
        both.screenshot(path=OUT, omit_background=True)
        browser.close()
    picture = Image.open(OUT)
    picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(OUT, optimize=True)
    print(f"wrote {OUT.name}: {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: screenshot.py REPORT.html")
    main(sys.argv[1])
