"""The pages of ``zeroshot demo`` and ``zeroshot evaluate``, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zeroshot import AttributeTable, DeViSEClassifier, evaluate_zero_shot
from zeroshot._utils._files import atomic_folder, final_place
from zeroshot.demo import sample_photos
from zeroshot.estimators._calibrated import best_calibration
from zeroshot.report import _charts, write_demo_report, write_evaluation_report
from zeroshot.report._classes import (
    Answers,
    _extremes,
    frequent_mistakes,
    mistakes,
    worst_and_best,
)
from zeroshot.report._demo import format_table, table_rows
from zeroshot.report._page import spoken
from zeroshot.report._svg import N_LOOKS, look

SHARES = {
    "unseen_accuracy": 0.336,
    "constant_accuracy": 0.051,
    "unseen_hit_at_5": 0.768,
    "constant_hit_at_5": 0.252,
    "plain_names_unseen_accuracy": 0.307,
    "plain_names_unseen_hit_at_5": 0.732,
    "chance_accuracy": 0.053,
    "chance_hit_at_5": 0.254,
    "chance_accuracy_generalized": 0.011,
    "seen_accuracy_generalized": 0.404,
    "unseen_accuracy_generalized": 0.152,
    "harmonic_mean": 0.218,
}
NASTY = [
    "<script>window.ran=true</script>",
    '"><img src=x onerror="window.ran=true">',
    "a\u202eb\x00\x1b[31m\nc",
    "猫 $x_1$ & 'quotes'",
    "عربي",
    "W" * 120,
]


def demo_results(photos: list[str], labels: list[str] | None = None) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    losses = {f"class {i}": -0.8 * rng.random(2) for i in range(20)}
    labels = labels or ["swimming pool", "refrigerator", "cat", "dog", "bee"]
    return SHARES | {
        "relative_loss_median": -0.39,
        "mean_predictor_relative_loss_median": -0.29,
        "relative_loss_over_mean_predictor_median": -0.14,
        "relative_loss_improved": 19,
        "mean_predictor_relative_loss_improved": 18,
        "relative_losses": {
            name: {"model": float(a), "mean_predictor": float(b)} for name, (a, b) in losses.items()
        },
        "photos": [
            {
                "path": path,
                "labels": labels,
                "scores": [0.5, 0.4, 0.3, 0.2, 0.1],
                "probabilities": [0.9 - 0.01 * i, 0.05, 0.004, 0.001, 0.0],
            }
            for i, path in enumerate(photos)
        ],
        "unreadable_photos": [],
        "shown_split": shown(labels),
        "seconds": 61.4,
    }


def shown(labels: list[str]) -> dict[str, Any]:
    """Return a split of four images each of five unseen classes: of the first, all are wrong."""
    rng = np.random.default_rng(1)
    y = np.repeat(labels, 4)
    return {
        "y": y.tolist(),
        "answers": np.where(y == labels[0], labels[1], y).tolist(),
        "points": rng.normal(size=(len(y), 2)).tolist(),
        "label_points": rng.normal(size=(len(labels) + 2, 2)).tolist(),
        "label_names": ["seen one", "seen two", *labels],
        "seen_classes": ["seen one", "seen two"],
    }


def save_images(folder: Path, n: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        shape = (90, 40) if i % 3 else (40, 90)
        Image.new("RGB", shape, (9 * i % 256, 99, 200 - 9 * i % 200)).save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(n)]


def evaluated(names: list[str], per_class: int = 4, n_seen: int | None = None) -> tuple:
    """Return an evaluation with seen and unseen classes, its model, and its features and labels."""
    rng = np.random.default_rng(0)
    names = sorted(names)
    vectors = rng.normal(size=(len(names), 8))
    X = np.repeat(vectors, per_class, axis=0) + 0.4 * rng.normal(size=(len(names) * per_class, 8))
    y = np.repeat(names, per_class)
    seen = np.isin(y, names[: len(names) // 2 if n_seen is None else n_seen])
    table = AttributeTable(vectors, labels=names)
    model = DeViSEClassifier(table, loss="mse", candidates=names).fit(X[seen], y[seen])
    return evaluate_zero_shot(model, X, y, n_bootstrap=50, random_state=0), model, X, y


ABOUT = {
    "command": "zeroshot evaluate my-model photos",
    "unknown_labels": [],
    "date": "2026-01-02T03:04:05+00:00",
    "model": "my-model",
    "source": "photos",
    "seeds": {"seed": 7},
    "weights": {"net": "0123456789abcdef" * 4},
    "images": {
        "read": 24,
        "skipped": 1,
        "unreadable": [{"path": "photos/a/broken.png", "error": "is no image"}],
    },
}
ANIMALS = ["bear", "cod", "eel", "lion", "owl", "shark"]


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory) -> tuple:
    """A report with all that there can be, and what went into it."""
    home = tmp_path_factory.mktemp("evaluation")
    result, model, X, y = evaluated(ANIMALS)
    paths = save_images(home / "photos", len(y))
    folder = write_evaluation_report(
        result, home / "report", model, X, y, images=paths, about=ABOUT
    )
    return folder, result, (model, X, y, paths)


class Page(HTMLParser):
    """Collect tags, text, images, charts and the explanations of terms."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.terms: list[list[str]] = []  # each word that is explained, and what it means
        self.images: list[dict[str, Any]] = []
        self.charts: list[str] = []  # their alternative texts
        self.cards: list[dict[str, Any]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag == "svg" and "role" in dict(attrs):
            self.charts.append(dict(attrs)["aria-label"])
        if "data-kind" in dict(attrs):
            self.cards.append(dict(attrs))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += f"{data} " if data.strip() else ""
        if self.open and self.open[-1] == "dt":
            self.terms.append([data])
        if self.open and self.open[-1] == "dd":
            self.terms[-1].append(data)


def read(folder: Path) -> str:
    return (folder / "index.html").read_text("utf-8")


def flat(page: Page) -> str:
    return " ".join(page.text.split())


# --- the demo --------------------------------------------------------------------------------


def test_every_figure_of_the_table_stands_beside_its_control() -> None:
    rows = table_rows(demo_results([]))
    assert all(len(row) == 4 and all(row) for row in rows)
    cells = {row[0].strip(): row[1:] for row in rows}
    assert cells["20 unseen classes, top-1"] == ("0.336", "0.051", "best constant answer")
    assert cells["20 unseen classes, hit@5"] == ("0.768", "0.252", "best constant answer")
    assert cells["bare class names, top-1"] == ("0.307", "0.053", "chance")
    assert cells["all 100 offered: seen classes"] == ("0.404", "0.011", "chance")
    assert cells["class left out: change of error, median"][:2] == ("-39.0%", "-29.0%")
    assert cells["classes with a smaller error"][:2] == ("19 of 20", "18 of 20")
    assert cells["error beside that mean's, median"][0] == "-14.0%"


def test_the_text_has_aligned_columns_and_names_the_photos(tmp_path: Path) -> None:
    text = format_table(demo_results([str(tmp_path / "wide.png"), str(tmp_path / "tall.png")]))
    lines = text.splitlines()
    assert not text.endswith("\n")
    assert all(len(line) <= 100 for line in lines)
    table = lines[: lines.index("")]
    assert len({line.rindex("  ") for line in table if "chance" in line}) == 1
    assert "  wide.png: swimming pool (0.50), refrigerator (0.40), cat (0.30)" in text
    assert lines[-1] == "61 seconds"


@pytest.mark.parametrize("n_photos", [0, 1, 14])
def test_the_demos_page_has_figures_photos_and_pictures(n_photos: int, tmp_path: Path) -> None:
    photos = save_images(tmp_path / "photos", n_photos)
    found = demo_results(photos)
    folder = write_demo_report(found, tmp_path / "report")
    assert folder == tmp_path / "report"
    page = Page(read(folder))
    assert "0.336 0.051 best constant answer" in flat(page)
    assert [alt.split()[0] for alt in page.charts] == ["Bars.", "Confusion", "The", "Histogram"]
    assert len(page.images) == n_photos and all(image["alt"] for image in page.images)
    if n_photos:
        # The surest first, with what it may be instead; no share is nothing, or all.
        assert page.images[0]["alt"].endswith("0.png, named swimming pool")
        assert "swimming pool 90% refrigerator 5% cat <1% 0.png" in flat(page)
    for photo in found["photos"]:  # in the file, where they are from the report
        photo["path"] = os.path.relpath(photo["path"], folder)
    assert json.loads((folder / "results.json").read_text("ascii")) == found
    record = json.loads((folder / "provenance.json").read_text("ascii"))
    assert record["versions"]["scikit-zeroshot"] in flat(page)


def test_the_demo_begins_with_its_photos_and_names_their_source(tmp_path: Path) -> None:
    with sample_photos() as photos:
        found = demo_results([*photos, photos[0]])  # one of them twice
        found["photos"][0]["credit"] = "astronaut: NASA, public domain"
        page = Page(read(write_demo_report(found, tmp_path / "report")))
    assert len(page.images) == len({image["src"] for image in page.images}) == 8
    text = flat(page)
    assert "Photos: astronaut: NASA, public domain." in text
    assert text.index("raccoon.jpg") < text.index("of images of 20 unseen classes named right")


def test_photos_without_probabilities_have_names_alone(tmp_path: Path) -> None:
    """As of another network than the default one."""
    found = demo_results(save_images(tmp_path / "photos", 2))
    for photo in found["photos"]:
        del photo["probabilities"]
    page = flat(Page(read(write_demo_report(found, tmp_path / "report"))))
    assert "swimming pool refrigerator cat 0.png" in page and "Percentages" not in page


def test_the_demos_worst_and_best_unseen_classes_are_those_of_its_first_split(
    tmp_path: Path,
) -> None:
    page = flat(Page(read(write_demo_report(demo_results([]), tmp_path / "report"))))
    worst = "swimming pool 0 of 4 right (0%), unseen; taken for refrigerator (4)"
    assert "80.0% are named right" in page
    assert page.index("swimming pool is taken for refrigerator : 4 of 4 images") < page.index(worst)
    assert page.index(f"Worst {worst}") < page.index("Best bee 4 of 4 right (100%), unseen")
    assert "All of them are in results.json" in page


def test_the_demos_excluded_classes_stand_beside_the_control(tmp_path: Path) -> None:
    found = demo_results([])
    page = flat(Page(read(write_demo_report(found, tmp_path / "report"))))
    losses = found["relative_losses"]
    order = sorted(losses, key=lambda label: losses[label]["model"])
    for label in (order[0], order[-1]):
        loss = losses[label]
        assert f"{label} {loss['model']:+.1%} {loss['mean_predictor']:+.1%}" in page
    assert page.index("with the largest error") < page.index("with the smallest error")
    assert "relative loss" not in page.lower()  # which needs a paper to be understood


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_name_that_is_no_text_loses_no_report(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Image.new("RGB", (8, 8)).save(path)
    found = demo_results([path])
    write_demo_report(found, tmp_path / "report")
    assert r"caf\udce9.png" in read(tmp_path / "report")
    found["photos"][0]["path"] = "../caf\udce9.png"
    assert json.loads((tmp_path / "report/results.json").read_text("utf-8")) == found


COUNTS = {"read": 0, "skipped": 1}


def test_a_report_tells_nothing_of_the_machines_folders(tmp_path: Path) -> None:
    photo = str(tmp_path / "pictures of me" / "a.png")
    about = {
        "command": shlex.join(["zeroshot", "fit", str(tmp_path / "pictures of me"), "--output=x"]),
        "source": str(tmp_path / "pictures of me"),
        "weights": {str(tmp_path / "w.pth"): "0" * 64},
        "label_embedding": f"WordVectors('{tmp_path / 'glove.txt'}', 3 words)",
        "images": {
            "read": 0,
            "skipped": 1,
            "unreadable": [{"path": photo, "error": f"{photo}: cut"}],
        },
        "other": ["/", "//", "a/b", "1/2", "and/or", 7, None],
    }
    folder = write_demo_report(demo_results([]), tmp_path / "all" / "report", about=about)
    record = json.loads((folder / "provenance.json").read_text("ascii"))
    assert record["command"] == "zeroshot fit '../../pictures of me' --output=x"
    assert record["source"] == "../../pictures of me"
    assert record["weights"] == {"../../w.pth": "0" * 64}
    assert record["label_embedding"] == "WordVectors('../../glove.txt', 3 words)"
    listed = {"path": "../../pictures of me/a.png", "error": "../../pictures of me/a.png: cut"}
    assert record["images"]["unreadable"] == [listed]
    assert record["other"] == about["other"]
    for file in folder.iterdir():
        assert str(tmp_path) not in file.read_text("utf-8")


def test_a_folder_that_is_being_written_knows_its_place(tmp_path: Path) -> None:
    assert final_place(tmp_path / "new") == tmp_path / "new"
    with atomic_folder(tmp_path / "made") as new, atomic_folder(new / "inner") as inner:
        assert final_place(new) == tmp_path / "made"
        assert final_place(inner) == new / "inner"


# --- the evaluation --------------------------------------------------------------------------


def test_the_page_says_what_was_run_and_by_what(evaluation: tuple) -> None:
    folder, _, _ = evaluation
    page = flat(Page(read(folder)))
    assert "Command zeroshot evaluate my-model photos" in page
    assert "Model my-model Data photos Date 2026-01-02T03:04:05+00:00" in page
    assert "Unknown labels none" in page  # an empty list
    assert "seed 7" in page and f"net {'0123456789abcdef' * 4}" in page
    record = json.loads((folder / "provenance.json").read_text("ascii"))
    assert record | ABOUT == record
    for package, version in record["versions"].items():
        assert f"{package} {version}" in page


def test_the_page_has_every_figure_beside_its_controls(evaluation: tuple) -> None:
    folder, result, _ = evaluation
    page = flat(Page(read(folder)))
    for name, e in result.items():
        shown = name.replace("_at_", "@").replace("_", " ").replace("ausuc", "AUSUC")
        wide = e.low is not None and f"{e.low:.3f}" != f"{e.high:.3f}"
        interval = f"{e.low:.3f} to {e.high:.3f} " if wide else ""
        assert f"{shown} {e.value:.3f} {interval}{e.best_constant:.3f}" in page
    assert len(result.left_out) > 0
    for name, why in result.left_out.items():
        assert name in page and why in page
    assert all(note in page for note in result.notes)
    assert json.loads((folder / "evaluation.json").read_text()) == json.loads(
        json.dumps(result.to_dict())
    )


def test_the_page_has_the_charts_that_apply(evaluation: tuple, tmp_path: Path) -> None:
    folder, _, (model, X, y, _) = evaluation
    starts = ["Bars", "Accuracy on seen", "How sure", "Share of wrong", "Confusion", "The label"]
    charts = Page(read(folder)).charts
    assert [alt.startswith(start) for alt, start in zip(charts, starts, strict=True)] == [True] * 6
    unseen = ~np.isin(y, model.seen_classes_)
    result = evaluate_zero_shot(model, X[unseen], y[unseen], n_bootstrap=0)
    folder = write_evaluation_report(result, tmp_path / "report", model, X[unseen], y[unseen])
    page = Page(read(folder))
    # Neither images nor seen classes: no gallery and no curve.
    assert page.images == [] and "gallery" not in page.text
    assert [alt.split(",")[0].split(":")[0] for alt in page.charts] == [
        "Bars. Unseen classes",
        "How sure answers are against how many are right; the mean distance is 0.498",
        "Share of wrong answers as fewer images are named; the area is 1.000",
        "Confusion matrix",
        "The label vectors that the model predicts for images",
    ]


def test_a_classifier_without_label_vectors_has_a_map_of_its_features(tmp_path: Path) -> None:
    from sklearn.frozen import FrozenEstimator

    from zeroshot import EnsembleZeroShotClassifier

    _, model, X, y = evaluated(ANIMALS)
    seen = np.isin(y, model.seen_classes_)
    both = EnsembleZeroShotClassifier(
        [("a", FrozenEstimator(model)), ("b", FrozenEstimator(model))], candidates=ANIMALS
    ).fit(X[seen], y[seen])
    result = evaluate_zero_shot(both, X, y, n_bootstrap=0)
    folder = write_evaluation_report(result, tmp_path / "report", both, X, y)
    assert "The features that the model is given, as points" in read(folder)


def test_worst_and_best_classes_say_how_often_they_are_right(evaluation: tuple) -> None:
    folder, result, _ = evaluation
    page, accuracy = flat(Page(read(folder))), result.classes["accuracy"]
    for place in (int(np.argmin(accuracy)), int(np.argmax(accuracy))):
        label, n_right = result.classes["label"][place], round(accuracy[place] * 4)
        kind = "seen in training" if result.classes["seen"][place] else "unseen"
        assert f"{label} {n_right} of 4 right ({accuracy[place]:.0%}), {kind}" in page
    assert page.rindex(" Worst ") < page.rindex(" Best ")


def test_images_say_what_was_right_and_how_sure_the_model_was(evaluation: tuple) -> None:
    folder, _, (model, X, y, paths) = evaluation
    page = Page(read(folder))
    text = flat(page)
    assert len(page.images) == len(page.cards) == len(y)  # four of each class fit
    best, probabilities = model.predict(X), model.predict_proba(X)
    for card, image in zip(page.cards, page.images, strict=True):
        true, named = image["alt"].removeprefix("Image of ").split(", named ")
        assert card["data-kind"] == ("right" if true == named else "wrong")
        assert card["data-group"] == str(sorted(set(y)).index(true))
    for row in (0, len(y) - 1):
        sure = probabilities[row, model.classes_.tolist().index(best[row])]
        shown = "✓ " if best[row] == y[row] else "✗ "
        assert f"{shown}{best[row]} {sure:.0%}" in text.replace(">99%", "100%")
        assert Path(paths[row]).name in text
    fitted = "fitted to classes that were left out"
    assert (fitted in text) == (model.confidence_ is not None)
    n_right = int((best == y).sum())
    assert f"All {len(y)} Right {n_right} Wrong {len(y) - n_right}" in text
    assert text.index("✗") < text.index("Every metric beside its controls") < text.index("Versions")
    unseen = [image["alt"].split(",")[0].split()[-1] for image in page.images[:3]]
    assert not set(unseen) & set(model.seen_classes_)  # they come first


def test_a_model_without_probabilities_has_no_percentages(tmp_path: Path) -> None:
    from sklearn.svm import LinearSVC

    result, model, X, y = evaluated(ANIMALS)
    seen = np.isin(y, model.seen_classes_)
    ranks = LinearSVC(random_state=0).fit(X[seen], y[seen])
    ranks.seen_classes_ = ranks.classes_
    result = evaluate_zero_shot(ranks, X[seen], y[seen], n_bootstrap=0)
    images = np.random.default_rng(0).integers(0, 255, (seen.sum(), 8, 8, 3), dtype=np.uint8)
    options = {"images": images, "charts": False}
    folder = write_evaluation_report(result, tmp_path / "r", ranks, X[seen], y[seen], **options)
    page = Page(read(folder))
    assert (
        "Percentages" not in page.text
        and "This model has no probabilities" in page.text
        and len(page.cards) == seen.sum()
    )
    assert not re.search(r'class="sure"[^<]*<i', read(folder).split('class="tiles"')[0])
    assert "All these classes were seen in training" in page.text


@pytest.mark.parametrize(
    ("accuracy", "worst", "best"),
    [
        ([0.5], [0], []),
        ([1.0, 0.0], [1], [0]),
        ([0.5] * 6, [0, 1, 2], [3, 4, 5]),
        ([0.1] * 6, [0, 1, 2], [3, 4, 5]),  # their mean is another number, by rounding
        ([1.0, 1.0, 0.9, 1.0, 1.0, 1.0], [2], [0, 1, 3]),
        ([0.0, 0.0, 0.1, 0.0, 0.0, 0.0], [0, 1, 3], [2]),
        ([1.0] * 4, [], [0, 1]),
        ([0.0] * 4, [0, 1], []),
        ([1.0], [], [0]),
        ([0.1, 0.9, 0.1, 0.9, 0.2, 0.8, 0.0], [6, 0, 2], [1, 3, 5]),
    ],
)
def test_worst_and_best_are_different_classes_and_ties_are_settled(
    accuracy: list[float], worst: list[int], best: list[int]
) -> None:
    assert _extremes(np.array(accuracy)) == (worst, best)


def test_where_all_are_right_no_class_is_worst(evaluation: tuple) -> None:
    _, result, (_, _, y, paths) = evaluation
    classes = result.classes | {"accuracy": [1.0] * len(result.classes["label"])}
    answers = Answers(y, y[:, None], paths)
    page = flat(Page(worst_and_best(classes, answers, source="evaluation.json")))
    assert "Worst " not in page.removeprefix("Worst and best classes") and " Best " in page
    assert "All images are named right." in mistakes(answers)


def test_unreadable_images_are_counted_and_listed(evaluation: tuple, tmp_path: Path) -> None:
    page = flat(Page(read(evaluation[0])))
    assert "24 images; 1 could not be read" in page
    assert "1 of 25 images could not be read" in page
    assert "broken.png is no image" in page
    _, result, (model, X, y, _) = evaluation
    many = [{"path": f"{i}.png", "error": "no"} for i in range(130)]
    about = {"images": {"read": 24, "skipped": 130, "unreadable": many}}
    folder = write_evaluation_report(
        result, tmp_path / "report", model, X, y, about=about, charts=False
    )
    page = flat(Page(read(folder)))
    assert "99.png no" in page and "100.png no" not in page
    assert "The other 30 are named in provenance.json" in page


def test_an_image_that_is_gone_by_now_is_said_so(evaluation: tuple, tmp_path: Path) -> None:
    _, result, (model, X, y, _) = evaluation
    paths = [str(tmp_path / f"{i}.png") for i in range(len(y))]
    folder = write_evaluation_report(
        result, tmp_path / "report", model, X, y, images=paths, charts=False
    )
    assert flat(Page(read(folder))).count("The image cannot be read: Image of") == len(y)


def test_the_same_evaluation_gives_the_same_page(evaluation: tuple, tmp_path: Path) -> None:
    folder, result, (model, X, y, paths) = evaluation
    again = write_evaluation_report(
        result, tmp_path / "report", model, X, y, images=paths, about=ABOUT
    )
    assert read(again) == read(folder)


@pytest.mark.parametrize("per_class", [1, 4])
def test_thousands_of_classes_make_no_longer_page(
    per_class: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_charts, "MAX_MAPPED", 30)
    names = [f"class {i:04}" for i in range(1000 if per_class == 1 else 3)]
    result, model, X, y = evaluated(names, per_class, n_seen=len(names) - 1)
    images = np.random.default_rng(0).integers(0, 255, (len(y), 8, 8, 3), dtype=np.uint8)
    folder = write_evaluation_report(result, tmp_path / "report", model, X, y, images=images)
    page = Page(read(folder))
    assert len(page.images) == min(30, len(y))
    assert len(read(folder)) < 2e6
    assert f"{len(y):,} samples of {len(names) - 1:,} seen and 1 unseen classes" in flat(page)


def test_one_class_alone(tmp_path: Path) -> None:
    _, model, X, y = evaluated(ANIMALS)
    rows = y == "bear"
    result = evaluate_zero_shot(model, X[rows], y[rows], n_bootstrap=0)
    folder = write_evaluation_report(result, tmp_path / "report", model, X[rows], y[rows])
    page = flat(Page(read(folder)))
    assert " Best bear" in page and " Worst bear" not in page  # all are right


def test_samples_that_are_not_the_evaluated_ones_are_refused(
    evaluation: tuple, tmp_path: Path
) -> None:
    _, result, (model, X, y, _) = evaluation
    with pytest.raises(ValueError, match="y has 23 labels, and result is of 24 samples"):
        write_evaluation_report(result, tmp_path / "report", model, X[1:], y[1:])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        write_evaluation_report(result, tmp_path / "report", model, X, y, images=["a.png"])
    assert not (tmp_path / "report").exists()


def changed_report(evaluation: tuple, folder: Path, figures: dict, **options: Any) -> str:
    """Write the report of the same evaluation with other figures, and return its text."""
    _, result, (model, X, y, _) = evaluation
    changed = {name: replace(result[name], **values) for name, values in figures.items()}
    other = replace(result, estimates=result.estimates | changed)
    write_evaluation_report(other, folder, model, X, y, charts=False, **options)
    return flat(Page(read(folder)))


def test_the_first_sentence_is_about_unseen_classes(evaluation: tuple, tmp_path: Path) -> None:
    """Where the model has learnt the images, what it says about seen classes is no news."""
    figures = {
        "mean_class_accuracy": {"value": 0.778},
        "unseen_accuracy": {"value": 0.0, "no_training": 0.4, "low": None, "high": None},
        "seen_accuracy": {"value": 1.0, "no_training": 0.9},
    }
    text = changed_report(evaluation, tmp_path / "report", figures, n_trained_on=12)
    first = text.removeprefix("How well images are named How well images are named ")
    assert first.startswith(
        "0.0% of the images of 3 classes never seen in training are named right"
    )
    assert "without any training it is 40.0%" in first
    assert "Of 3 classes seen in training it is 100.0%" in first
    assert "12 of these 24 images are those that the model was trained on" in first
    assert "On unseen classes this is worse than no training at all: 0.0% against 40.0%." in first
    assert "On seen classes this is worse" not in first
    better = changed_report(
        evaluation, tmp_path / "better", {"unseen_accuracy": {"value": 0.5, "no_training": 0.4}}
    )
    assert "worse than" not in better and "trained on" not in better


def test_no_interval_is_without_width(evaluation: tuple, tmp_path: Path) -> None:
    """Where all classes have one value, the bootstrap says nothing about other classes."""
    shown = {}
    for high in (0.9, 0.75):
        figures = {"unseen_accuracy": {"value": 0.75, "low": 0.75, "high": high}}
        shown[high] = changed_report(evaluation, tmp_path / f"{high}", figures)
    assert "named right (between 75.0% and 90.0%);" in shown[0.9]
    assert "named right;" in shown[0.75] and "between" not in shown[0.75]
    text = flat(Page(read(evaluation[0])))
    assert not [low for low, high in re.findall(r"(\d\.\d{3}) to (\d\.\d{3})", text) if low == high]
    assert re.search(r"No interval, as all classes have the same value: [a-z0-9_, ]+\.", text)


def test_one_calibration_has_one_value(evaluation: tuple) -> None:
    folder, result, _ = evaluation
    lowered = best_calibration([result.curve])
    text = flat(Page(read(folder)))
    assert f"if the scores were lowered by {lowered:.3f}" in text
    assert set(re.findall(r"lowered by (\d\.\d+)", text)) == {f"{lowered:.3f}"}


def test_only_frequent_mistakes_are_put_into_words() -> None:
    """One or two images of a class say nothing about it."""
    y = np.repeat(["otter", "seal", "owl", "cod"], 20)
    first = y.copy()
    first[:8], first[20:25], first[40:42], first[60:61] = "seal", "otter", "cod", "owl"
    assert frequent_mistakes(y, first) == [("otter", "seal", "8", "20", ("5", "20"))]
    text = flat(Page(mistakes(Answers(y, first[:, None], None))))
    said = "otter and seal are taken for each other: 8 of 20 images, and 5 of 20"
    assert text == f"What is taken for what {said}"
    first[:8], first[20:25] = "otter", "seal"
    text = flat(Page(mistakes(Answers(y, first[:, None], None))))
    assert "No two classes stand out" in text
    few = worst_and_best(
        {"label": ["owl", "cod"], "seen": [False, False], "accuracy": [0.9, 0.95]},
        Answers(y, first[:, None], None),
        source="evaluation.json",
    )
    assert "taken for cod (2)" in flat(Page(few)) and "(1)" not in flat(Page(few))


@pytest.mark.parametrize(("n_classes", "has_numbers"), [(2, True), (25, True), (26, False)])
def test_a_small_matrix_is_small_and_has_numbers(n_classes: int, has_numbers: bool) -> None:
    names = np.array([f"k{i:02d}" for i in range(n_classes)])
    y, first = np.repeat(names, 30), np.repeat(names, 30)
    first[:7] = names[1]
    chart = str(_charts.confusion(Answers(y, first[:, None], None), None))
    (width,) = (float(value) for value in re.findall(r'<svg [^>]*? width="([\d.]+)"', chart))
    assert width < 36 * n_classes + 170 and width < 960
    counts = re.findall(r'class="count middle">(\d+)<', chart)
    assert counts == (["23", "7", *["30"] * (n_classes - 1)] if has_numbers else [])


def test_branches_have_the_senses_that_their_classes_have_together() -> None:
    """The most frequent "tiger" is a person, and the most frequent "badger" of Wisconsin."""
    y = np.array(["tiger", "badger", "lion", "wolf", "oboe", "flute"])
    chart = flat(Page(_charts.confusion(Answers(y, y[:, None], None), None)))
    assert "carnivore" in chart and "woodwind" in chart and "person" not in chart


def test_a_map_tells_unseen_classes_apart() -> None:
    assert len({look(place) for place in range(N_LOOKS)}) == N_LOOKS == 40
    rng = np.random.default_rng(0)
    names = [f"class {i}" for i in range(20)]
    labels = np.repeat(names, 3)
    chart = str(
        _charts.map_of(
            rng.normal(size=(60, 2)), labels, rng.normal(size=(20, 2)), names, names[:5],
            what="Points", placed=True,
        )
    )  # fmt: skip
    assert len(set(re.findall(r'class="dots (c\d)"', chart))) == 8
    dots = re.findall(r'<path d="([^"]*)" class="dots (c\d)"', chart)
    assert len({(re.sub(r"M[\d.,]+", "", path), color) for path, color in dots}) == 15
    legend = chart[chart.index('class="legend"') :]
    assert all(f"<bdi>{name}</bdi>" in legend for name in names[5:])
    assert "<bdi>class 4</bdi>" not in legend and "images of seen classes" in legend


def test_charts_have_the_colours_of_the_page(evaluation: tuple, tmp_path: Path) -> None:
    """No chart has a colour of its own, which would be wrong on a dark page."""
    demo = write_demo_report(demo_results([]), tmp_path / "report")
    for text in (read(evaluation[0]), read(demo)):
        drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        assert len(drawn) > 3
        for chart in drawn:
            assert not re.search(r"#[0-9a-f]{3}|rgb|style=|<image", chart)
            assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', chart)) <= {"none"}


def luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def blend(over: str, under: str, opacity: float) -> str:
    mixed = (
        round(opacity * int(over[i : i + 2], 16) + (1 - opacity) * int(under[i : i + 2], 16))
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def test_on_paper_nothing_is_torn_apart() -> None:
    style = (Path(_charts.__file__).parent / "templates" / "style.css").read_text("utf-8")
    paper = style[style.rindex("@media print") :]
    kept = re.search(r"([^{}]*)\{ break-inside: avoid; \}", paper)
    assert kept is not None
    whole = {selector.strip() for selector in kept[1].split(",")}
    assert {"p", "figure", "table", ".mistakes", ".card", ".tiles li"} <= whole
    assert re.search(r"h2, h3, [^{}]*\{ break-after: avoid; \}", paper)


@pytest.mark.parametrize("medium", ["light", "dark", "print"])
def test_every_colour_can_be_seen(medium: str) -> None:
    """WCAG 2.2, level AA: 4.5 for text, 3 for large marks and borders of controls."""
    style = (Path(_charts.__file__).parent / "templates" / "style.css").read_text("utf-8")
    blocks = re.findall(r"(@media [^{]*)?\{?\s*:root \{([^}]*)\}", style)
    palettes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for _, block in blocks]
    light, dark, paper = palettes
    colors = {"light": light, "dark": light | dark, "print": light | paper}[medium]
    for page in (colors["page"], colors["card"]):
        for text in ("ink", "soft", "good", "bad"):
            assert contrast(colors[text], page) >= 4.5, (text, page)
        assert contrast(colors["accent"], page) >= 3
    assert contrast(colors["page"], colors["accent"]) >= 4.5  # of the pressed button
    marks = [name for name in colors if re.fullmatch(r"c\d|accent|control|edge|good|bad", name)]
    assert len(marks) == 13
    for mark in marks:
        assert contrast(colors[mark], colors["page"]) >= 3, mark
    for cell in ("accent", "bad"):  # numbers stand on shades of them
        for opacity in (0.08, 0.5):
            assert contrast(colors["ink"], blend(colors[cell], colors["page"], opacity)) >= 4.5


def test_the_pages_say_what_the_names_of_their_figures_mean(
    evaluation: tuple, tmp_path: Path
) -> None:
    """None of the table's is left out, and none is explained that the table has not."""
    folder, result, (model, X, y, _) = evaluation
    terms = dict(Page(read(folder)).terms)
    assert {"hit@k", "AUSUC", "harmonic mean", "hierarchical precision@k"} <= set(terms)
    shown = {re.sub(r"@\d+", "@k", name) for name in map(spoken, result)}
    assert set(terms) == shown and all(means.endswith(".") for means in terms.values())
    unseen = ~np.isin(y, model.seen_classes_)
    alone = evaluate_zero_shot(
        model, X[unseen], y[unseen], n_bootstrap=0, hierarchical_precision_at=()
    )
    folder = write_evaluation_report(
        alone, tmp_path / "alone", model, X[unseen], y[unseen], charts=False
    )
    terms = dict(Page(read(folder)).terms)
    assert not {"AUSUC", "harmonic mean", "hierarchical precision@k"} & set(terms)
    page = Page(read(write_demo_report(demo_results([]), tmp_path / "demo")))
    for row in table_rows(demo_results([])):
        for cell in (row[0], row[3]):
            known = any(term in cell for term, _ in page.terms)
            assert known, cell


# --- both ------------------------------------------------------------------------------------


def nasty_pages(home: Path) -> dict[str, str]:
    """Write both reports with labels, file names and messages that want to be something else."""
    result, model, X, y = evaluated(NASTY)
    name = "<b>&'x\u202e.png" if sys.platform == "linux" else "&'x.png"
    (path,) = save_images(home / "photos", 1)
    os.rename(path, home / "photos" / name)
    paths = [str(home / "photos" / name)] * len(y)
    broken = [{"path": f"photos/{label}", "error": f"no image: {label}"} for label in NASTY]
    about = ABOUT | {
        "command": f"zeroshot evaluate '{NASTY[1]}'",
        "images": {"read": 24, "skipped": len(broken), "unreadable": broken},
    }
    write_evaluation_report(result, home / "evaluation", model, X, y, images=paths, about=about)
    found = demo_results(paths[:2], NASTY[:5]) | {"unreadable_photos": broken}
    losses = zip(NASTY, found["relative_losses"].values(), strict=False)
    write_demo_report(found | {"relative_losses": dict(losses)}, home / "demo", about=about)
    return {name: read(home / name) for name in ("evaluation", "demo")}


def test_whatever_names_hold_is_shown_and_does_nothing(tmp_path: Path) -> None:
    for text in nasty_pages(tmp_path).values():
        page = Page(text)
        assert page.tags.count("script") == 1 and text.count("<script>") == 1  # the page's own
        assert "onerror" not in re.sub(r"&[^;]*;[^<]*", "", text.split("<script>")[1])
        assert all(image["src"].startswith("data:image/") for image in page.images)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
        assert r"a\u202eb\x00\x1b[31m\nc" in page.text
        assert NASTY[0] in page.text and NASTY[1] in page.text
        if sys.platform == "linux":
            assert r"<b>&'x\u202e.png" in page.text


def test_the_pages_fetch_nothing(evaluation: tuple, tmp_path: Path) -> None:
    demo = write_demo_report(demo_results(save_images(tmp_path / "p", 5)), tmp_path / "report")
    for text in (read(evaluation[0]), read(demo)):
        assert "default-src &#39;none&#39;; img-src data:; style-src" in text
        assert "http:" not in text and "https:" not in text
        sources = re.findall(r'(?:src|srcset|href)="([^"]{0,11})', text)
        assert len(sources) > 4 and set(sources) == {"data:image/"}


def test_only_the_pages_own_script_may_run(evaluation: tuple) -> None:
    """The policy names it by its hash; in a browser, others are refused."""
    text = read(evaluation[0])
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text
    # Without it, everything is shown but the filter.
    assert '<div class="filter" hidden>' in text and not re.search(r"<figure[^>]*hidden", text)


def test_no_image_is_shown_twice(evaluation: tuple, tmp_path: Path) -> None:
    _, result, (model, X, y, paths) = evaluation
    twins = [paths[0]] * 3 + paths[3:]
    folder = write_evaluation_report(
        result, tmp_path / "report", model, X, y, images=twins, charts=False
    )
    for text, n in ((read(evaluation[0]), len(y)), (read(folder), len(y) - 2)):
        sources = [image["src"] for image in Page(text).images]
        assert len(sources) == len(set(sources)) == n


@pytest.fixture(params=["demo", "evaluation"])
def write(request: pytest.FixtureRequest, evaluation: tuple) -> Any:
    """Return a function that writes one of the reports."""
    if request.param == "demo":
        return lambda folder, **options: write_demo_report(demo_results([]), folder, **options)
    _, result, (model, X, y, _) = evaluation
    return lambda folder, **options: write_evaluation_report(
        result, folder, model, X, y, **({"charts": False} | options)
    )


def test_an_existing_folder_is_kept_unless_overwrite(write: Any, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "index.html").write_text("old", encoding="utf-8")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write(folder)
    assert read(folder) == "old"
    write(folder, overwrite=True)
    assert read(folder).startswith("<!doctype html>")
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"holds more than a report \(thesis.txt\)"):
        write(folder, overwrite=True)
    with pytest.raises(FileExistsError, match="is a file"):
        write(folder / "thesis.txt", overwrite=True)
    assert (folder / "thesis.txt").read_text("utf-8") == "years of work"


def test_a_report_that_fails_leaves_nothing_behind(write: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(TypeError):
        write(home / "report", about={"extra": object()})  # is no JSON
    assert list(home.iterdir()) == []


def test_a_report_needs_no_matplotlib(
    write: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    write(tmp_path / "report")
    assert (tmp_path / "report" / "index.html").is_file()
