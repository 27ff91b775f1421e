"""Make the pictures of the board in this folder.

make serve                                          # and, beside it:
python .github/pictures/board.py http://127.0.0.1:7860 --task multimodal --method NAME
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent


def main() -> None:
    """Visit the ranking and the maps of one of its methods."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("address")
    parser.add_argument("--task", default="multimodal")
    parser.add_argument("--method", default="optimal_interpolation", help="whose maps are shown")
    args = parser.parse_args()
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1440, "height": 620})
        page.goto(f"{args.address}/?task={args.task}")
        page.wait_for_selector("[data-board] tbody tr")
        page.screenshot(path=HERE / "board.png")
        page.click(f".method a >> text={args.method}")
        page.wait_for_selector(".panels image")
        page.set_viewport_size({"width": 1150, "height": 780})
        maps = page.locator(".panels").first
        maps.screenshot(path=HERE / "submission.png")
        browser.close()


if __name__ == "__main__":
    main()
