"""Take the pictures of reports in the documentation, as a browser shows them.

    zeroshot demo --output FOLDER && python tools/build_demo_picture.py FOLDER/index.html

Needs chromium on the PATH. The photos are those that ship with the package; no other is shown.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from zeroshot import ESZSLClassifier, WordVectors, evaluate_zero_shot
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.model_selection import GeneralizedClassKFold
from zeroshot.report import write_evaluation_report

DOCS = Path(__file__).parents[1] / "docs"
TOP = DOCS / "demo.jpg"
WIDTH, HEIGHT = 990, 1095  # pixels: down to the figures below the photos
PIXELS_PER_INCH = 96  # of the browser: letters are as high as they say
QUALITY = 64


def main(argv: list[str] | None = None) -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="the demo's report")
    page = parser.parse_args(argv).page.read_text("utf-8")
    take(page, HEIGHT, TOP)
    take(part(page, r'<figure class="chart wide-chart">\s*<div[^>]*aria-label="Map".*?</figure>'),
         732, DOCS / "figures/train_and_name.png")  # fmt: skip
    charts = part(evaluation(), r'<h2>Figures</h2>\s*(<div class="charts">.*?)<div class="wide"')
    take(charts, 490, DOCS / "figures/evaluate.png")


def take(page: str, height: int, target: Path) -> None:
    """Write the upper part of a page as a picture."""
    with tempfile.TemporaryDirectory() as folder:
        file, whole = Path(folder) / "page.html", Path(folder) / "page.png"
        file.write_text(page, encoding="utf-8")
        subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--blink-settings=preferredColorScheme=1", f"--window-size={WIDTH},{height}",
                f"--screenshot={whole}", file.as_uri(),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        with Image.open(whole) as taken:
            picture = taken.convert("RGB")
    if target.suffix == ".png":  # charts have few colours, photos many
        picture.quantize(128).save(target, optimize=True, dpi=(PIXELS_PER_INCH,) * 2)
    else:
        picture.save(target, quality=QUALITY, optimize=True)
    print(f"{target}: {target.stat().st_size:,} bytes")


def part(page: str, pattern: str) -> str:
    """Return a page with nothing but what a pattern finds."""
    found = re.search(pattern, page, re.DOTALL)
    if found is None:
        raise ValueError(f"the page has no {pattern}")
    return f"{page[: page.index('<main>')]}<main>{found[found.lastindex or 0]}</main></body></html>"


def evaluation() -> str:
    """Return the report on a fold of CIFAR-100, with new images of seen and of unseen classes."""
    X, y = load_cifar100_features(return_X_y=True)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    train, test = next(GeneralizedClassKFold(5, shuffle=True, random_state=0).split(X, y))
    words = WordVectors(overrides=label_texts("cifar100"))
    model = ESZSLClassifier(words, candidates=np.unique(y), gamma=2).fit(X[train], y[train])
    result = evaluate_zero_shot(model, X[test], y[test], random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        write_evaluation_report(result, report, model, X[test], y[test])
        return (report / "index.html").read_text("utf-8")


if __name__ == "__main__":
    main()
