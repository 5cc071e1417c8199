"""Take docs/demo.png: the upper part of a report, as a browser shows it.

    zeroshot demo --output FOLDER && python tools/build_demo_picture.py FOLDER/index.html

Needs chromium on the PATH.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

TARGET = Path(__file__).parents[1] / "docs/demo.png"
SIZE = "1000,1130"  # pixels: down to the photos


def main(argv: list[str] | None = None) -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    page = parser.parse_args(argv).page.resolve(strict=True)
    subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--window-size={SIZE}", f"--screenshot={TARGET}", page.as_uri(),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
