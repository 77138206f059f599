"""Take docs/report.png: the top of a real report, in headless Chromium.

TAGWRIGHT_DATA=FOLDER .venv/bin/tagwright train --data wnut17 --model minilm --out wnut17-minilm
.venv/bin/python scripts/screenshot.py wnut17-minilm/report.html
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

OUT = Path(__file__).parents[1] / "docs" / "report.png"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
SIZE = {"width": 1180, "height": 1290}


def main(report: str) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("there is no Chromium on this machine")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(
            viewport=SIZE, device_scale_factor=1.25, color_scheme="light", reduced_motion="reduce"
        )
        page.goto(Path(report).resolve().as_uri())
        page.screenshot(path=OUT)
        browser.close()
    print(f"wrote {OUT.name}: {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: screenshot.py REPORT.html")
    main(sys.argv[1])
