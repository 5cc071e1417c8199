r"""Take pictures of reports for the documentation, as a browser shows them.

    zeroshot demo --output FOLDER && python tools/build_demo_picture.py FOLDER/index.html
    python tools/build_demo_picture.py OTHER/index.html --target docs/figures/evaluate.png \\
        --crop 0,2200,1000,2800

Needs chromium on the PATH.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

TARGET = Path(__file__).parents[1] / "docs/demo.jpg"
WIDTH, HEIGHT = 1000, 900  # pixels: down to the figures below the photos
QUALITY = 80


def main(argv: list[str] | None = None) -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--crop", default=f"0,0,{WIDTH},{HEIGHT}", help="left,top,right,bottom")
    args = parser.parse_args(argv)
    page = args.page.resolve(strict=True)
    left, top, right, bottom = map(int, args.crop.split(","))
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "page.png"
        subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--blink-settings=preferredColorScheme=1", f"--window-size={WIDTH},{bottom}",
                f"--screenshot={whole}", page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        with Image.open(whole) as picture:
            part = picture.convert("RGB").crop((left, top, right, bottom))
    if args.target.suffix == ".png":  # charts have few colours, photos many
        part.quantize(128).save(args.target, optimize=True)
    else:
        part.save(args.target, quality=QUALITY, optimize=True)
    print(f"{args.target}: {args.target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
