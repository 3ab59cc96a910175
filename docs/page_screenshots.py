"""Make the pictures of the page of `parrotlet serve` that docs/serving.md shows.

Run it in a checkout with the extra `dev` and Chromium installed: `python docs/page_screenshots.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
RECORDING = ROOT / "examples" / "example.wav"

sys.path.insert(0, str(ROOT / "tests" / "serve"))

import browsing  # noqa: E402
from live_server import live_server  # noqa: E402


def main() -> None:
    """Make them."""
    IMAGES.mkdir(exist_ok=True)
    with browsing.chromium(RECORDING) as browser, live_server() as live:
        address = f"http://127.0.0.1:{live.port}"
        page = browser.new_page(viewport={"width": 1120, "height": 700}, color_scheme="light")
        page.goto(address)
        page.set_input_files("#file", RECORDING)
        page.wait_for_selector("#words .w")
        page.evaluate("() => { document.getElementById('audio').currentTime = 3.65 }")
        page.wait_for_selector("#words .now")
        save(page, "page.png")
        page.close()

        page = browser.new_page(viewport={"width": 360, "height": 640}, color_scheme="dark")
        page.goto(address)
        page.get_by_role("button", name="Start the microphone").click()
        page.get_by_role("log", name="Live captions").get_by_text("zero one zero").wait_for()
        save(page, "page-phone.png")
        page.close()


def save(page: Page, name: str) -> None:
    """Write what is seen."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)  # the server's figures have come twice
    page.screenshot(path=IMAGES / name)
    print(f"{name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
