"""The pictures in docs/results are what the studies draw from the figures there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/results"
WIDEST = 10.4  # inches: letters of 8 points are 7.4 pixels high where text is 688 pixels wide
Draw = Callable[[], Any]


def recorded(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def drawers() -> Iterator[dict[str, Draw]]:
    """What draws each picture that needs no data set, by the picture's name."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "studies"))
        import few_shot_figures
        import fine_tune_figures
        import loco_plots
        import nishimura_figures
        import transfer_figures

        made: dict[str, Draw] = {}
        for slug, title in (("cifar-100", "CIFAR-100"), ("tiny-imagenet", "Tiny ImageNet")):
            found = recorded(f"similarity_transfer-{slug}")["results"]
            name = f"similarity_transfer-{slug}"
            made[f"{name}-neighbors"] = lambda found=found, title=title: (
                transfer_figures.neighbor_curves(found["neighbors"], title)
            )
            made[f"{name}-few-images"] = lambda found=found, title=title: (
                transfer_figures.few_images(found["few images"], title)
            )
        tuned, shots = recorded("fine_tune"), recorded("few_shot")
        words = recorded("devise_tiny_imagenet")["results"]
        yield made | {
            "fine_tune-courses": lambda: fine_tune_figures.courses(tuned),
            "fine_tune-one-class": lambda: fine_tune_figures.one_class(tuned),
            "fine_tune-images-a-class": lambda: fine_tune_figures.images_a_class(tuned),
            "few_shot-curves": lambda: few_shot_figures.draw_curves(shots),
            "few_shot-depths": lambda: few_shot_figures.draw_depths(shots),
            "devise_tiny_imagenet-learning-curves": lambda: nishimura_figures.learning_curves(
                words["curves"]
            ),
            "devise_tiny_imagenet-hits": lambda: nishimura_figures.hits(words["hits"]),
            "devise_tiny_imagenet-similarity": lambda: nishimura_figures.similarities(
                words["transfer"]
            ),
            "leave_one_class_out": lambda: loco_plots.figure(recorded("leave_one_class_out")),
        }
    for name in set(sys.modules) - before:
        if (ROOT / "studies" / f"{name}.py").exists():
            del sys.modules[name]


PICTURES = [
    *(
        f"similarity_transfer-{slug}-{what}"
        for slug in ("cifar-100", "tiny-imagenet")
        for what in ("neighbors", "few-images")
    ),
    *(f"fine_tune-{what}" for what in ("courses", "one-class", "images-a-class")),
    *(f"few_shot-{what}" for what in ("curves", "depths")),
    *(f"devise_tiny_imagenet-{what}" for what in ("learning-curves", "hits", "similarity")),
    "leave_one_class_out",
]
NEED_DATA = {
    "few_shot-map",
    "devise_tiny_imagenet-answers",
    "similarity_transfer-cifar-100-matched",
    "similarity_transfer-tiny-imagenet-matched",
}


def test_every_picture_of_a_study_is_drawn_again_here_or_needs_its_data() -> None:
    assert {path.stem for path in RESULTS.glob("*.png")} == {*PICTURES, *NEED_DATA}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_its_script_draws_from_the_recorded_figures(
    name: str, drawers: dict[str, Draw], tmp_path: Path
) -> None:
    from study_figures import write

    with Image.open(RESULTS / f"{name}.png") as picture:
        drawn_by = str(picture.info["Software"])
        shown = np.asarray(picture.convert("RGB"))
    if f"version{matplotlib.__version__}," not in drawn_by:
        pytest.skip(f"the picture is by {drawn_by}, here is {matplotlib.__version__}")
    write(drawers[name](), tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as picture:
        again = np.asarray(picture.convert("RGB"))
    assert again.shape == shown.shape
    differ = (again != shown).any(axis=2).mean()
    assert differ < 0.001, f"{differ:.1%} of the pixels of {name}.png differ: draw it again"


@pytest.mark.parametrize(
    "path", [*RESULTS.glob("*.png"), *ROOT.glob("docs/figures/*.png")], ids=lambda path: path.stem
)
def test_letters_can_be_read_at_the_size_a_picture_is_shown(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.width / picture.info["dpi"][0] < WIDEST
