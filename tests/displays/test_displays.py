"""Displays: their data against naive computation, and that what they draw can be read."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import confusion_matrix, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from zeroshot import (
    AttributeTable,
    DeViSEClassifier,
    EmbeddingRegressor,
    HashEmbedding,
    SimilarityInitializer,
    SourceHead,
    WordNetSimilarity,
    WordVectorSimilarity,
    displays,
    evaluate_zero_shot,
)
from zeroshot.displays import (
    ClassConfusionDisplay,
    EmbeddingMapDisplay,
    FewShotCurveDisplay,
    LossCurveDisplay,
    NeighborCurveDisplay,
    PredictionGridDisplay,
    RelativeLossDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    SeenUnseenCurveDisplay,
    SimilarityBarDisplay,
)
from zeroshot.exceptions import MissingDependencyError
from zeroshot.metrics import ausuc_score, class_relative_losses, semantic_similarity_score
from zeroshot.model_selection import with_candidates
from zeroshot.taxonomy import class_synsets, resolve

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ODD = ["$x_1$ costs $5", "_hidden", "a\nb\tc", "bell\x07", "<b>&amp;</b>", "w" * 200, " ", r"\frac"]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def task():
    """Features of eight classes, six of them seen; labels with attributes."""
    rng = np.random.default_rng(0)
    names = np.array(["bear", "cod", "eel", "lion", "oboe", "owl", "shark", "wolf"])
    table = rng.normal(size=(8, 5))
    y = np.repeat(names, 6)
    X = np.repeat(table, 6, axis=0) + rng.normal(scale=0.5, size=(48, 5))
    embedding = AttributeTable(table, labels=names)
    fit = ~np.isin(y, ["owl", "wolf"])
    model = DeViSEClassifier(embedding, loss="mse", candidates=names).fit(X[fit], y[fit])
    regressor = EmbeddingRegressor(embedding).fit(X[fit], y[fit])
    return SimpleNamespace(
        X=X, y=y, names=names, table=table, embedding=embedding, fit=fit, model=model,
        regressor=regressor,
    )  # fmt: skip


# What is drawn can be read ---------------------------------------------------------------------


def drawn_texts(figure):
    """Return the texts that a drawn figure shows; ticks outside the view are not drawn."""
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if not ax.axison:
                hidden.update(axis.findobj(Text))
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - slack <= tick.get_loc() <= high + slack:
                    hidden.update((tick.label1, tick.label2))
    found = [text for text in figure.findobj(Text) if text not in hidden]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def assert_readable(figure):
    """No text covers another one, or leaves the picture."""
    figure.draw_without_rendering()
    texts = drawn_texts(figure)
    assert texts
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        inside = box.x0 >= -2 and box.y0 >= -2
        inside &= box.x1 <= figure.bbox.x1 + 2 and box.y1 <= figure.bbox.y1 + 2
        assert inside, f"{text.get_text()!r} leaves the picture: {box}"
    for (one, a), (other, b) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width < 1.5 or height < 1.5, f"{one.get_text()!r} covers {other.get_text()!r}"
    return [text.get_text() for text in texts]


def test_the_helper_sees_overlaps():
    figure = plt.figure()
    figure.text(0.5, 0.5, "one")
    figure.text(0.51, 0.5, "another")
    with pytest.raises(AssertionError, match="covers"):
        assert_readable(figure)


def curve(n=20):
    seen = np.linspace(0.8, 0, n)
    return seen, np.linspace(0, 0.4, n), np.concatenate([[-np.inf], np.linspace(-1, 1, n - 1)])


def confusion_of(names):
    n = len(names)
    return ClassConfusionDisplay(np.eye(n), names)


def grid_of(names, n=4, k=3, models=2):
    rows = [[names[(i + j) % len(names)] for j in range(k)] for i in range(n)]
    images = np.random.default_rng(0).integers(0, 255, (n, 20, 30, 3)).astype(np.uint8)
    labels = {f"model {m} {names[m % len(names)]}": rows for m in range(models)}
    scores = {name: np.ones((n, k)) for name in labels}
    y = [names[i % len(names)] for i in range(n)]
    return PredictionGridDisplay(images, labels, scores, y=y, seen_classes=names[:1], n_images=900)


def map_of(names, n=60):
    rng = np.random.default_rng(0)
    labels = np.array(names)[np.arange(n) % len(names)]
    points, label_points = rng.random((n, 2)), rng.random((len(names), 2))
    options = {"seen_classes": names[: len(names) // 2], "placed": True}
    return EmbeddingMapDisplay(points, labels, label_points, names, **options)


def random(*shape):
    return np.random.default_rng(0).random(shape)


# Every display with these names wherever a name may stand, not drawn yet.
WITH_NAMES = {
    "confusion": confusion_of,
    "map": map_of,
    "few-shot": lambda names: FewShotCurveDisplay(
        {n: {0: 0.9 / (i + 1), 1: random(3) / (i + 1)} for i, n in enumerate(names)}
    ),
    "loss": lambda names: LossCurveDisplay({n: random(3, 8) for n in names}, quantity=names[0]),
    "neighbor": lambda names: NeighborCurveDisplay(
        [1, 10, 100], {n: {m: random(3) for m in names[:3]} for n in names}
    ),
    "grid": grid_of,
    "relative": lambda names: RelativeLossDisplay(
        random(50) - 0.7, random(50) - 0.6, name=names[0], control_name=names[1]
    ),
    "curve": lambda names: SeenUnseenCurveDisplay(*curve(), name=names[0], chance=(0.1, 0.1)),
    "reliability": lambda names: ReliabilityDisplay(
        [0.1, 0.5], [0.2, 0.4], [0.5, 0.5], name=names[0]
    ),
    "risk": lambda names: RiskCoverageDisplay([0.5, 1.0], [0.1, 0.4], name=names[0]),
    "bar": lambda names: SimilarityBarDisplay(
        dict(zip(names, random(len(names)), strict=True)), {"constant": 0.3}, metric=names[0]
    ),
}


KINDS = list(WITH_NAMES)
ONE_NAME = ("curve", "relative", "reliability", "risk")


@pytest.mark.parametrize("kind", KINDS)
def test_every_display_draws_any_text_as_it_stands(kind):
    display = WITH_NAMES[kind](ODD)
    assert display.plot() is display
    shown = "\n".join(assert_readable(display.figure_))
    assert display.ax_.figure is display.figure_
    assert r"\$x_1\$ costs \$5" in shown  # escaped: no formula
    if kind not in ONE_NAME:
        assert "wwww…" in shown or kind in ("map", "grid")
        assert r"a\nb\tc" in shown or kind in ("map", "neighbor")


@pytest.mark.parametrize("kind", KINDS)
def test_every_display_draws_on_given_axes_and_leaves_the_others_alone(kind):
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    display = WITH_NAMES[kind](["first", "second", "third"])
    display.plot(right)
    assert display.figure_ is figure and len(plt.get_fignums()) == 1
    assert not left.has_data() and left.axison
    if kind == "neighbor":  # a panel a relation, in place of the axes
        assert len(display.axes_) == 3 and not right.axison and not right.has_data()
        for panel in display.axes_:
            assert panel.get_window_extent().x0 > left.get_window_extent().x1
    else:
        assert display.ax_ is right
    assert_readable(figure)


def neighbor_display(n_relations=3):
    relations = ["included", "inclusive", "disjoint", "same"][:n_relations]
    scores = {name: {each: [0.1, 0.3, 0.2] for each in relations} for name in ("wup", "vectors")}
    return NeighborCurveDisplay([1, 10, 100], scores, n_classes=dict.fromkeys(relations, 22))


@pytest.mark.parametrize("where", ["grid", "free", "inset", "subfigure", "small"])
def test_one_axes_is_divided_for_several_relations(where):
    figure = plt.figure(figsize=(10, 4))
    if where == "grid":
        ax = figure.subplots(1, 2)[1]
    elif where == "free":
        ax = figure.add_axes((0.5, 0.2, 0.4, 0.6))
    elif where == "inset":
        ax = figure.add_axes((0.1, 0.2, 0.8, 0.6)).inset_axes((0.5, 0.1, 0.4, 0.8))
    elif where == "subfigure":
        ax = figure.subfigures(1, 2)[1].subplots()
    else:
        figure, ax = plt.subplots(figsize=(4.6, 3), layout="constrained")
    display = neighbor_display().plot(ax)
    display.axes_[-1].get_legend().remove()  # may cover lines, as legends within axes do
    figure.draw_without_rendering()
    frame = ax.get_window_extent()
    boxes = [panel.get_window_extent() for panel in display.axes_]
    assert display.ax_ is display.axes_[0] and display.figure_ is display.ax_.figure
    if where != "small":
        assert frame.x0 - 1 < boxes[0].x0 and boxes[-1].x1 < frame.x1 + 1
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
    assert len({panel.get_ylim() for panel in display.axes_}) == 1
    if where in ("grid", "subfigure", "small"):
        assert_readable(figure)
    with pytest.raises(ValueError, match="ax is turned off, .* Pass axes_"):
        display.plot(ax)
    assert display.plot(display.axes_).axes_ == display.axes_


def test_relations_stand_on_a_list_of_axes_or_one_on_one():
    figure, axes = plt.subplots(1, 3, figsize=(13, 5), layout="constrained")
    assert neighbor_display().plot(axes).axes_ == list(axes)
    assert_readable(figure)
    with pytest.raises(ValueError, match="ax has 2 axes for 3 relations"):
        neighbor_display().plot(axes[:2])
    _, ax = plt.subplots()
    assert neighbor_display(1).plot(ax).ax_ is ax and ax.axison


THOUSANDS = [f"class number {i}" for i in range(3000)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ONE_NAME])
def test_thousands_of_names_are_thinned_out_and_the_figure_says_so(kind):
    if kind == "confusion":
        rng = np.random.default_rng(0)
        y = np.concatenate([THOUSANDS, rng.choice(THOUSANDS, 2000)])
        display = ClassConfusionDisplay.from_predictions(y, np.roll(y, 1), order="sorted")
        assert display.confusion.shape == (200, 200)
        said = "200 rows of up to 15 neighbours each"
    else:
        display = WITH_NAMES[kind](THOUSANDS).plot()
        said = {
            "map": "of 3,000 names fit",
            "few-shot": "the 7 best of 3,000 methods",
            "loss": "the first 7 of 3,000 curves",
            "neighbor": "first 7 of 3,000",
            "grid": "4 of 900 images",
            "bar": "20 of 3,000 models",
        }[kind]
    shown = " ".join(" ".join(assert_readable(display.figure_)).split())
    assert said in shown


def test_a_histogram_and_a_curve_of_thousands_of_classes():
    rng = np.random.default_rng(0)
    display = RelativeLossDisplay(rng.normal(size=5000) - 1, rng.normal(size=5000)).plot()
    assert any("of 5,000 classes" in text for text in assert_readable(display.figure_))
    assert_readable(SeenUnseenCurveDisplay(*curve(20_000)).plot().figure_)


@pytest.mark.parametrize("kind", KINDS)
def test_small_figures_stay_readable(kind):
    figure, ax = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    display = WITH_NAMES[kind]([f"name {i}" for i in range(6)]).plot(ax)
    if kind in ("loss", "few-shot", "curve", "relative", "neighbor"):
        last = display.axes_[-1] if kind == "neighbor" else ax
        last.get_legend().remove()  # may cover lines, as legends within axes do
    assert_readable(figure)


@pytest.mark.parametrize("kind", ["confusion", "bar"])
def test_ticks_are_thinned_out_anew_when_a_figure_is_resized(kind):
    display = WITH_NAMES[kind]([f"name {i}" for i in range(15)]).plot()
    before = assert_readable(display.figure_)
    display.figure_.set_size_inches(5, 2.2)
    display.figure_.canvas.draw()
    ticks = [t for t in drawn_texts(display.figure_) if t.get_text().startswith("name")]
    boxes = sorted((t.get_window_extent().y0, t.get_window_extent().y1)
                   for t in ticks if t.get_rotation() == 0)  # fmt: skip
    assert all(a[1] <= b[0] + 1.5 for a, b in itertools.pairwise(boxes))
    assert 1 < len(boxes) < sum(text.startswith("name") for text in before)


def test_curves_differ_in_colour_line_and_marker_and_in_grey():
    display = LossCurveDisplay({str(i): [[1.0, 2.0]] for i in range(7)}).plot()
    lines = display.ax_.get_lines()
    for look in ("get_color", "get_linestyle", "get_marker"):
        assert len({getattr(line, look)() for line in lines}) >= (4 if "style" in look else 7)


def grey(color):
    """Return how light a colour is, as it is printed without colour, on white paper."""
    red, green, blue, alpha = to_rgba(color)
    return 1 - alpha * (1 - (0.299 * red + 0.587 * green + 0.114 * blue))


def test_points_of_several_curves_are_told_apart_in_grey():
    ax = None
    for position in range(6):
        ax = SeenUnseenCurveDisplay(*curve(), name=f"{position}").plot(ax).ax_
    points = [line for line in ax.get_lines() if line.get_marker() == "*"]
    looks = {(p.get_fillstyle(), grey(p.get_markerfacecolor()) > 0.99) for p in points}
    assert len(points) == len(looks) == 6
    signs = [sign for sign in ax.get_legend().legend_handles if sign.get_marker() == "*"]
    assert {(p.get_fillstyle(), grey(p.get_markerfacecolor()) > 0.99) for p in signs} == looks


def test_histogram_and_control_are_told_apart_in_grey():
    display = RelativeLossDisplay([-0.5, -0.2], [-0.3, 0.1]).plot()
    bars, outline = display.ax_.get_legend().legend_handles[:2]
    assert grey(bars.get_facecolor()) - grey(outline.get_edgecolor()) > 0.25
    shown = " ".join(text.get_text() for text in display.ax_.get_legend().get_texts())
    assert "median (solid line) -35.0%" in shown and "median (dashed line) -10.0%" in shown
    lines = [(line.get_xdata()[0], line.get_linestyle()) for line in display.ax_.get_lines()]
    assert lines == [(pytest.approx(-0.35), "-"), (pytest.approx(-0.1), "--"), (0, ":")]


def test_images_on_a_map_and_right_labels_are_told_apart_in_grey():
    seen, unseen = map_of(["a", "b"]).plot().ax_.collections[:2]
    assert grey(seen.get_facecolor()[0]) - grey(unseen.get_facecolor()[0]) > 0.2
    grid = grid_of(["a", "b"]).plot()
    right = [text for text in grid.ax_.texts if text.get_text().startswith("✓")]
    assert right and all(grey(text.get_color()) < 0.35 for text in right)


# Their data ------------------------------------------------------------------------------------


def test_loss_curve_takes_quartiles_over_the_folds_that_got_so_far():
    rng = np.random.default_rng(0)
    histories = [[{"loss": x, "metric": -x} for x in rng.random(n)] for n in (5, 3, 4, 5)]
    display = LossCurveDisplay.from_predictions({"ours": histories})
    assert display.losses["ours"].shape == (4, 5)
    for epoch in range(5):
        reached = sorted(h[epoch]["loss"] for h in histories if len(h) > epoch)
        assert display.quartiles["ours"][1, epoch] == pytest.approx(np.median(reached))
        expected = np.percentile(reached, [25, 75])
        assert display.quartiles["ours"][[0, 2], epoch] == pytest.approx(expected)
    assert LossCurveDisplay.from_predictions(histories, key="metric").quantity == "metric"


def test_loss_curve_reads_the_history_of_estimators(task):
    model = SimpleNamespace(history_=[{"loss": 2.0}, {"loss": 1.0}])
    other = SimpleNamespace(history_=[{"loss": 4.0}, {"loss": 2.0}])
    display = LossCurveDisplay.from_estimator({"two": [model, other], "one": model})
    assert display.losses["two"].tolist() == [[2, 1], [4, 2]]
    assert display.losses["one"].tolist() == [[2, 1]]
    with pytest.raises(ValueError, match="EmbeddingRegressor is empty: a closed form has no"):
        LossCurveDisplay.from_estimator(task.regressor)
    with pytest.raises(TypeError, match="LogisticRegression has no history_"):
        LossCurveDisplay.from_estimator(LogisticRegression())


def test_relative_loss_has_the_mean_of_the_seen_vectors_for_control(task):
    unseen = ~task.fit
    display = RelativeLossDisplay.from_estimator(task.regressor, task.X[unseen], task.y[unseen])
    predicted = task.regressor.predict(task.X[unseen])
    seen = task.embedding.embed(np.unique(task.y[task.fit]))
    for place, name in enumerate(np.unique(task.y[unseen])):
        s = task.embedding.embed([name])[0]
        rows = task.y[unseen] == name
        assert display.losses[place] == pytest.approx(
            np.mean((predicted[rows] - s) ** 2) / np.mean(s**2) - 1
        )
        expected = np.mean((seen.mean(axis=0) - s) ** 2) / np.mean(s**2) - 1
        assert display.control[place] == pytest.approx(expected)
    vectors = task.embedding.embed(task.y[unseen])
    plain = RelativeLossDisplay.from_predictions(vectors, predicted, labels=task.y[unseen])
    assert plain.control is None
    _, losses = class_relative_losses(vectors, predicted, labels=task.y[unseen])
    assert plain.losses == pytest.approx(losses)


def test_seen_unseen_curve_marks_area_and_best_point(task):
    model = task.model
    display = SeenUnseenCurveDisplay.from_estimator(model, task.X, task.y)
    scores = model.decision_function(task.X)
    options = {"labels": model.classes_, "seen_classes": model.seen_classes_}
    assert display.ausuc == pytest.approx(ausuc_score(task.y, scores, **options))
    is_seen = np.isin(task.y, model.seen_classes_)

    def harmonic_mean(calibration):
        shifted = scores - calibration * np.isin(model.classes_, model.seen_classes_)
        hits = model.classes_[shifted.argmax(axis=1)] == task.y
        parts = [np.mean([hits[task.y == c].mean() for c in np.unique(task.y[part])])
                 for part in (is_seen, ~is_seen)]  # fmt: skip
        return 2 * parts[0] * parts[1] / max(sum(parts), 1e-12)

    at = [
        display.calibration[1] - 1,
        *(np.diff(display.calibration[1:]) / 2 + display.calibration[1:-1]),
    ]
    naive = [harmonic_mean(calibration) for calibration in [*at, display.calibration[-1] + 1]]
    assert display.harmonic_means == pytest.approx(np.array(naive))
    assert display.harmonic_means[display.best] == max(naive)
    assert display.harmonic_means[display.unbiased] == pytest.approx(harmonic_mean(0))
    assert display.chance == (1 / 6, 1 / 2)


def test_seen_unseen_curve_of_an_evaluation_and_two_on_the_same_axes(task):
    result = evaluate_zero_shot(task.model, task.X, task.y, n_bootstrap=0)
    first = SeenUnseenCurveDisplay.from_evaluation(result, name="one")
    assert first.ausuc == pytest.approx(result["ausuc"].value)
    second = SeenUnseenCurveDisplay(*curve(), name="two").plot(first.ax_)
    assert second.ax_ is first.ax_
    shown = assert_readable(first.figure_)
    assert any(text.startswith("one:") for text in shown)
    assert any(text.startswith("two:") for text in shown)
    unseen = ~task.fit
    result = evaluate_zero_shot(task.model, task.X[unseen], task.y[unseen], n_bootstrap=0)
    with pytest.raises(ValueError, match="no seen-unseen curve: .*seen"):
        SeenUnseenCurveDisplay.from_evaluation(result)


def test_few_shot_curve_averages_over_draws_and_takes_json():
    scores = {"a": {"10": [0.5, 0.7], "1": [0.1, 0.3]}, "b": {0: 0.2}}
    display = FewShotCurveDisplay.from_predictions(scores)
    assert display.shots["a"].tolist() == [1, 10] and display.shots["b"].tolist() == [0]
    assert display.means["a"] == pytest.approx([0.2, 0.6])
    assert display.deviations["a"] == pytest.approx([0.1, 0.1])
    assert {"0", "1", "10"} <= set(assert_readable(display.figure_))


@pytest.mark.parametrize("controls", [None, {"chance": 0.1, "constant": 0.15}])
@pytest.mark.parametrize("shots", [(0, 1, 5, 100), (0, 10, 100), (1, 5, 100), (0, 5)])
def test_few_shot_curve_fills_its_axes(shots, controls):
    scores = {"a": {shot: 0.2 + shot / 200 for shot in shots}, "b": {shots[1]: 0.3}}
    display = FewShotCurveDisplay(scores, controls=controls).plot()
    ends = np.array([[shots[0], 0.5], [shots[-1], 0.5]])
    left, right = display.ax_.transAxes.inverted().transform(display.ax_.transData.transform(ends))
    assert 0.02 < left[0] < 0.1 and 0.9 < right[0] < 0.98
    assert_readable(display.figure_)


def test_similarity_bars_stand_beside_the_constant_and_the_random_label(task):
    display = SimilarityBarDisplay.from_estimator({"ours": task.model}, task.X, task.y, k=2)
    vectors = task.table / np.linalg.norm(task.table, axis=1, keepdims=True)
    true = vectors[np.searchsorted(task.names, task.y)]
    by_candidate = (true @ vectors.T).mean(axis=0)
    expected = {
        "random label": by_candidate.mean(),
        "best constant": max(
            by_candidate[list(pair)].mean() for pair in itertools.combinations(range(8), 2)
        ),
        "ours": semantic_similarity_score(
            task.y, task.model.predict_top_k(task.X, 2)[0], task.embedding
        ),
    }
    assert dict(zip(display.names, display.values, strict=True)) == pytest.approx(expected)
    assert display.is_control.tolist() == [True, True, False]
    result = evaluate_zero_shot(task.model, task.X, task.y, random_state=0)
    bars = SimilarityBarDisplay.from_evaluations({"ours": result}, figure="hit_at_1")
    assert bars.values[-1] == result["hit_at_1"].value
    assert bars.intervals["ours"] == (result["hit_at_1"].low, result["hit_at_1"].high)
    assert bars.values[1] == result["hit_at_1"].best_constant
    signs = [text.get_text() for text in bars.ax_.get_legend().get_texts()]
    assert signs == ["control: looks at no image", "model"]  # "unseen" is said of classes


def test_neighbor_curve_averages_class_scores_within_a_relation():
    rng = np.random.default_rng(0)
    classes = np.array([f"c{i}" for i in range(9)])
    y = rng.choice(classes, 200)
    predictions = {k: np.where(rng.random(200) < 0.4, y, rng.choice(classes, 200)) for k in (10, 1)}
    relations = {name: ("same", "disjoint")[i % 2] for i, name in enumerate(classes)}
    display = NeighborCurveDisplay.from_predictions(y, {"wup": predictions}, relations=relations)
    assert display.neighbors.tolist() == [1, 10]
    assert display.n_classes == {"same": 5, "disjoint": 4}
    for place, k in enumerate((1, 10)):
        every = [f1_score(y == c, predictions[k] == c) for c in classes]
        for kind in ("same", "disjoint"):
            expected = np.mean([f for f, c in zip(every, classes, strict=True)
                                if relations[c] == kind])  # fmt: skip
            assert display.scores["wup"][kind][place] == pytest.approx(expected)


@pytest.fixture(scope="module")
def new_heads():
    """Two fitted initializers over six source classes, and images to judge them on."""
    rng = np.random.default_rng(0)
    sources = ["cat", "dog", "trout", "oboe", "bus", "oak"]
    head = SourceHead(rng.normal(size=(6, 5)), rng.normal(size=6), sources)
    targets = np.array(["lion", "wolf", "carp", "flute", "cat"])
    similarities = {
        "wup": WordNetSimilarity("wup_nltk"),
        "vectors": WordVectorSimilarity(HashEmbedding(16)),
    }
    models = {
        name: SimilarityInitializer(head, similarity, n_neighbors=3, candidates=targets).fit()
        for name, similarity in similarities.items()
    }
    return models, rng.normal(size=(60, 5)), rng.choice(targets, 60)


def test_neighbor_curve_refits_each_number_of_sources(new_heads):
    models, X, y = new_heads
    display = NeighborCurveDisplay.from_estimator(models, X, y, neighbors=[6, 1, 3])
    assert display.neighbors.tolist() == [1, 3, 6] and list(display.scores) == list(models)
    assert display.n_classes == {"same": 1, "disjoint": 4}
    for name, model in models.items():
        for place, k in enumerate((1, 3, 6)):
            again = SimilarityInitializer(
                model.source, model.similarity, n_neighbors=k, candidates=model.classes_
            ).fit()
            y_pred = again.predict(X)
            by_class = {c: f1_score(y == c, y_pred == c, zero_division=0) for c in again.classes_}
            expected = np.mean([by_class[c] for c in by_class if c != "cat"])
            assert display.scores[name]["disjoint"][place] == pytest.approx(expected)
            assert display.scores[name]["same"][place] == pytest.approx(by_class["cat"])
    one = NeighborCurveDisplay.from_estimator(make_pipeline("passthrough", models["wup"]), X, y)
    assert list(one.scores) == ["WordNetSimilarity"]
    assert one.neighbors.tolist() == [1, 2, 5, 6]


def test_neighbor_curve_refuses_what_has_no_similarities(new_heads):
    models, X, y = new_heads
    model = models["wup"]
    for estimator, error, message in (
        (LogisticRegression(), TypeError, "must be a SimilarityInitializer"),
        (clone(model), NotFittedError, "not fitted"),
        (clone(model).set_params(mixture="means").fit(X, y), ValueError, "mixture='means'"),
        ({}, ValueError, "at least one name"),
    ):
        with pytest.raises(error, match=message):
            NeighborCurveDisplay.from_estimator(estimator, X, y, neighbors=[1])
    with pytest.raises(ValueError, match="n_neighbors=7"):
        NeighborCurveDisplay.from_estimator(model, X, y, neighbors=[1, 7])


def test_confusion_stands_in_the_order_of_the_taxonomy(task):
    y_pred = task.model.predict(task.X)
    fish = {"cod": "cod.n.03", "eel": "eel.n.02", "shark": "shark.n.01"}
    display = ClassConfusionDisplay.from_predictions(task.y, y_pred, synsets=fish)
    expected = confusion_matrix(task.y, y_pred, labels=display.names, normalize="true")
    assert display.confusion == pytest.approx(expected)
    assert display.names[-1] == "oboe"
    for kind in (fish, ("bear", "lion", "wolf")):
        places = sorted(display.names.index(name) for name in kind)
        assert places == list(range(places[0], places[0] + 3))
    assert [name for name, _, _ in display.blocks] == ["fish", "carnivore"]
    for _, start, end in display.blocks:
        block = set(display.names[start:end])
        assert block in ({"bear", "lion", "wolf"}, {"cod", "eel", "shark"})


TEN = ["bicycle", "bus", "butterfly", "castle", "cloud", "lion", "rose", "table", "whale", "wolf"]


@pytest.mark.parametrize("synsets", [None, class_synsets("cifar100")])
@pytest.mark.parametrize("names", [TEN, TEN[:5], ["lion", "oboe"], ["lion"], ["lion", "wolf"],
                                   sorted(class_synsets("cifar100"))])  # fmt: skip
def test_confusion_draws_no_block_of_one_class(names, synsets):
    display = ClassConfusionDisplay.from_predictions(names, names, synsets=synsets)
    assert all(end - start > 1 for _, start, end in display.blocks)
    assert not {name for name, _, _ in display.blocks} & {"giant", *names}
    assert len(display.ax_.get_lines()) == len(display.blocks) <= max(1, len(names) // 2)
    if len(names) == 10:
        assert len(display.blocks) == 2
    assert_readable(display.figure_)


def test_confusion_takes_the_senses_that_resolve_found():
    found = dict(zip(TEN, resolve(TEN, context="labels").wnids, strict=True))
    display = ClassConfusionDisplay.from_predictions(TEN, TEN, synsets=found)
    blocks = {name: set(display.names[start:end]) for name, start, end in display.blocks}
    assert blocks["animal"] == {"butterfly", "lion", "whale", "wolf"}


def test_confusion_takes_synsets_numbers_and_what_is_no_noun(task):
    y = ["tiger", "lion", "qwrtz", "oboe"]
    names = ClassConfusionDisplay.from_predictions(y, y, synsets={"tiger": "tiger.n.02"}).names
    assert abs(names.index("tiger") - names.index("lion")) == 1 and names[-1] == "qwrtz"
    shown = " ".join(assert_readable(plt.gcf()))
    assert "1 without a noun synset" in " ".join(shown.split())
    numbers = ClassConfusionDisplay.from_predictions([3, 1, 2], [3, 1, 1])
    assert numbers.names == ["1", "2", "3"] and numbers.blocks == [] and numbers.n_unknown == 3
    given = ClassConfusionDisplay.from_estimator(task.model, task.X, task.y, order="given")
    assert given.names == task.model.classes_.tolist()


def test_confusion_of_many_classes_counts_rows_of_neighbours():
    rng = np.random.default_rng(0)
    classes = np.array([f"k{i:02d}" for i in range(25)])
    y, predicted = rng.choice(classes, 300), rng.choice(classes, 300)
    display = ClassConfusionDisplay.from_predictions(
        y, predicted, labels=classes, order="given", max_rows=9
    )
    assert display.confusion.shape == (9, 9) and display.n_classes == 25
    assert display.names[0] == "k00 +2" and display.names[-1] == "k24 +0"
    row, column = np.searchsorted(classes, y) // 3, np.searchsorted(classes, predicted) // 3
    for i, j in itertools.product(range(9), repeat=2):
        expected = ((row == i) & (column == j)).sum() / (row == i).sum()
        assert display.confusion[i, j] == pytest.approx(expected)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_map_of_an_estimator_has_images_and_labels_in_one_space(task, method):
    display = EmbeddingMapDisplay.from_estimator(task.model, task.X, task.y, method=method)
    assert display.points.shape == (48, 2) and display.label_points.shape == (8, 2)
    assert display.seen_classes.tolist() == task.model.seen_classes_.tolist()
    again = EmbeddingMapDisplay.from_estimator(task.model, task.X, task.y, method=method)
    assert np.array_equal(display.points, again.points)
    if method == "pca":
        both = np.vstack([task.model.transform(task.X), task.model.class_vectors_])
        unit = both / np.linalg.norm(both, axis=1, keepdims=True)
        centred = unit - unit.mean(axis=0)
        axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
        mapped = np.vstack([display.points, display.label_points])
        assert np.abs(mapped) == pytest.approx(np.abs(centred @ axes.T), abs=1e-6)
    assert_readable(display.figure_)
    regressor = EmbeddingMapDisplay.from_estimator(task.regressor, task.X, task.y, method="pca")
    assert set(regressor.label_names) == set(task.names)


def test_map_of_features_puts_labels_at_medians_and_samples(task):
    options = {"method": "pca", "max_images": 30, "cosine": False}
    display = EmbeddingMapDisplay.from_predictions(task.X, task.y, **options)
    assert display.points.shape == (30, 2) and display.n_images == 48
    for name, point in zip(display.label_names, display.label_points, strict=True):
        assert point == pytest.approx(np.median(display.points[display.labels == name], axis=0))
    assert "30 of 48 images" in " ".join(" ".join(assert_readable(display.figure_)).split())
    few = EmbeddingMapDisplay.from_predictions(
        task.X, task.y, label_vectors=task.X[::6], label_names=task.names, max_labels=3,
        seen_classes=["bear"], method="pca",
    )  # fmt: skip
    assert len(few.label_names) == 3 and few.n_labels == 8 and "bear" in few.label_names


def many_labels(n_seen, n_unseen, with_images=40):
    """Return a map of many labels, few of which have images, as many of seen as of unseen ones."""
    rng = np.random.default_rng(0)
    names = np.array([f"{kind} {i:04d}" for kind, n in (("s", n_seen), ("u", n_unseen))
                      for i in range(n)])  # fmt: skip
    some = np.r_[:with_images, n_seen : n_seen + with_images]
    options = {"label_vectors": rng.random((len(names), 6)), "label_names": names,
               "seen_classes": names[:n_seen], "method": "pca"}  # fmt: skip
    return names[some], EmbeddingMapDisplay.from_predictions(
        rng.random((len(some), 6)), names[some], **options
    )


@pytest.mark.parametrize(
    ("n_seen", "n_unseen", "drawn"),
    [(4000, 1000, (225, 75)), (1000, 3000, (75, 225)), (2000, 2000, (150, 150)),
     (5000, 50, (250, 50)), (50, 5000, (50, 250))],
)  # fmt: skip
def test_map_of_thousands_of_labels_draws_seen_and_unseen_ones(n_seen, n_unseen, drawn):
    with_images, display = many_labels(n_seen, n_unseen)
    is_seen = np.isin(display.label_names, display.seen_classes)
    assert (is_seen.sum(), (~is_seen).sum()) == drawn
    assert np.isin(with_images, display.label_names).all()
    shown = [" ".join(text.split()) for text in assert_readable(display.figure_)]
    assert {"label of a seen class", "label of an unseen class"} <= set(shown)
    assert any(f"300 of {n_seen + n_unseen:,} labels" in text for text in shown)


def test_map_without_label_vectors_names_no_more_labels_than_wanted(task):
    options = {"method": "pca", "seen_classes": ["bear", "cod"]}
    display = EmbeddingMapDisplay.from_predictions(task.X, task.y, max_labels=4, **options)
    assert len(display.label_names) == len(display.label_points) == 4 and display.n_labels == 8
    for name, point in zip(display.label_names, display.label_points, strict=True):
        assert point == pytest.approx(np.median(display.points[display.labels == name], axis=0))
    assert set(display.label_names) & {"bear", "cod"}
    shown = " ".join(" ".join(assert_readable(display.figure_)).split())
    assert "48 images and 4 of 8 labels" in shown


def test_map_names_labels_from_all_over_the_alphabet():
    names = [f"{letter}{i:03d}" for letter in "abcdefghijklmnop" for i in range(200)]
    display = map_of(names).plot()
    named = {text.get_text()[0] for text in display.ax_.texts}
    assert len(named) > 4, named  # of the eight letters that unseen labels begin with
    again = map_of(names).plot()
    assert [t.get_text() for t in again.ax_.texts] == [t.get_text() for t in display.ax_.texts]


def test_map_uses_umap_where_it_is_installed(task, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingDependencyError, match=r"'umap'.*scikit-zeroshot\[umap\]"):
        EmbeddingMapDisplay.from_predictions(task.X, task.y, method="umap")

    class Reducer:
        def __init__(self, **options):
            assert options == {"n_neighbors": 15, "random_state": 0, "n_jobs": 1}

        def fit_transform(self, rows):
            return rows[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Reducer))
    display = EmbeddingMapDisplay.from_predictions(task.X, task.y, method="umap")
    assert "UMAP of 48 images" in " ".join(" ".join(assert_readable(display.figure_)).split())


def test_grid_names_the_first_images_by_every_model(task):
    images = np.random.default_rng(0).integers(0, 255, (48, 16, 16, 3)).astype(np.uint8)
    seen = with_candidates(task.model, task.model.seen_classes_)
    display = PredictionGridDisplay.from_estimator(
        {"all": task.model, "seen only": seen}, task.X, task.y, images=images, k=2, max_images=5
    )
    for name, model in (("all", task.model), ("seen only", seen)):
        labels, scores = model.predict_top_k(task.X[:5], 2)
        assert np.array_equal(display.labels[name], labels)
        assert display.scores[name] == pytest.approx(scores)
        assert np.array_equal(display.right[name], labels == task.y[:5, None])
    assert len(display.images) == 5 and display.n_images == 48
    assert any(text.startswith("✓") for text in assert_readable(display.figure_))


def test_grid_on_given_axes_shows_as_many_images_as_can_be_read():
    figure, ax = plt.subplots(figsize=(5, 6))
    grid = grid_of(["a", "b"], n=40).plot(ax)
    shown = assert_readable(figure)
    images = len(ax.get_images())
    assert 3 < images < 40
    assert any(f"{images} of 900 images" in text for text in shown)
    assert min(text.get_fontsize() for text in ax.texts) >= 5
    assert len(grid.images) == 40


@pytest.mark.parametrize("n_classes", [2, 8])
def test_ordinary_classifiers_stand_beside_zero_shot_ones(task, n_classes):
    rows = np.isin(task.y, task.names[:n_classes])
    X, y = task.X[rows], task.y[rows]
    softmax = LogisticRegression().fit(X, y)
    machine = LinearSVC().fit(X, y)
    models = {"softmax": softmax, "machine": machine, "ours": task.model}
    images = np.zeros((len(X), 4, 4, 3), dtype=np.uint8)
    display = PredictionGridDisplay.from_estimator(models, X, y, images=images, k=2)
    assert np.array_equal(display.labels["softmax"][:, 0], softmax.predict(X[:12]))
    assert np.array_equal(display.labels["machine"][:, 0], machine.predict(X[:12]))
    assert display.scores["softmax"][:, 0] == pytest.approx(softmax.predict_proba(X[:12]).max(1))
    bars = SimilarityBarDisplay.from_estimator(models, X, y, k=1)
    assert bars.values[2] == pytest.approx(
        semantic_similarity_score(y, softmax.predict(X)[:, None], task.embedding)
    )


@pytest.mark.parametrize("kind", ["map", "grid", "confusion", "bar", "few-shot"])
def test_displays_draw_in_a_part_of_a_figure(kind):
    figure = plt.figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    left.suptitle("left")
    display = WITH_NAMES[kind](["first", "second", "third"]).plot(right.subplots())
    assert display.figure_ is right
    figure.draw_without_rendering()
    (box,) = (ax.get_window_extent() for ax in [display.ax_])
    assert box.x0 >= figure.bbox.width / 2


def test_grid_takes_paths_pictures_and_unreadable_files(tmp_path):
    Image.new("RGB", (900, 90), "red").save(tmp_path / "wide.png")
    (tmp_path / "broken.jpg").write_text("no image")
    images = [tmp_path / "wide.png", Image.new("L", (50, 70)), str(tmp_path / "broken.jpg")]
    labels = [["a", "b"]] * 3
    display = PredictionGridDisplay.from_predictions(images, {"m": (labels, None)})
    assert display.images[0].shape == (32, 320, 3) and display.images[2] is None
    assert "unreadable" in assert_readable(display.figure_)


DISPLAYS = [getattr(displays, name) for name in displays.__all__]


@pytest.mark.parametrize("display", DISPLAYS)
def test_displays_are_made_as_those_of_scikit_learn(display):
    parameters = list(inspect.signature(display.from_estimator).parameters.values())
    assert parameters[0].name == "estimator" and parameters[-1].name == "ax"
    assert not any(each.kind is each.VAR_KEYWORD for each in parameters)
    made = [name for name in dir(display) if name.startswith("from_estimator")]
    assert made == ["from_estimator"]


def test_a_bare_model_needs_no_name(task):
    named = SimilarityBarDisplay.from_estimator({"model": task.model}, task.X, task.y, k=2)
    bare = SimilarityBarDisplay.from_estimator(task.model, task.X, task.y, k=2)
    assert bare.names == named.names and np.array_equal(bare.values, named.values)
    images = np.zeros((48, 4, 4, 3), dtype=np.uint8)
    grid = PredictionGridDisplay.from_estimator(task.model, task.X, task.y, images=images)
    assert list(grid.labels) == ["model"]


# Bad input -------------------------------------------------------------------------------------

NAN = float("nan")
BAD = {
    "no losses": lambda: LossCurveDisplay({}),
    "a 1-D loss": lambda: LossCurveDisplay.from_predictions([1.0, 2.0]),
    "NaN loss": lambda: LossCurveDisplay.from_predictions([[1.0, NAN]]),
    "NaN in between": lambda: LossCurveDisplay({"m": [[1.0, NAN, 2.0], [1.0, 1.0, 1.0]]}),
    "one history": lambda: LossCurveDisplay.from_predictions([{"loss": 1.0}]),
    "no such key": lambda: LossCurveDisplay.from_predictions([[{"loss": 1.0}]], key="los"),
    "an empty history": lambda: LossCurveDisplay.from_predictions([[{"loss": 1.0}], []]),
    "NaN in a history": lambda: LossCurveDisplay.from_predictions([[{"loss": NAN}]]),
    "no relative loss": lambda: RelativeLossDisplay([]),
    "another control": lambda: RelativeLossDisplay([0.1, 0.2], [0.1]),
    "NaN relative loss": lambda: RelativeLossDisplay([NAN]),
    "curves of two lengths": lambda: SeenUnseenCurveDisplay([1, 0], [0, 1, 1], [0, 1]),
    "calibrations that fall": lambda: SeenUnseenCurveDisplay([1, 0], [0, 1], [1, 0]),
    "percentages": lambda: SeenUnseenCurveDisplay([100, 0], [0, 100], [0, 1]),
    "no shots": lambda: FewShotCurveDisplay({"m": {}}),
    "shots that are none": lambda: FewShotCurveDisplay({"m": {-1: 0.5}}),
    "NaN accuracy": lambda: FewShotCurveDisplay({"m": {1: [0.5, NAN]}}),
    "no bars": lambda: SimilarityBarDisplay({}),
    "NaN bar": lambda: SimilarityBarDisplay({"m": NAN}),
    "a name twice": lambda: SimilarityBarDisplay({"m": 1.0}, {"m": 0.5}),
    "interval of nothing": lambda: SimilarityBarDisplay({"m": 1.0}, intervals={"n": (0, 1)}),
    "different k": lambda: SimilarityBarDisplay.from_predictions(
        ["a"], {"m": [["a"]], "n": [["a", "a"]]}, lambda labels: np.ones((len(labels), 2))
    ),
    "K of 0": lambda: NeighborCurveDisplay([0, 1], {"m": {"same": [0, 1]}}),
    "K twice": lambda: NeighborCurveDisplay([1, 1], {"m": {"same": [0, 1]}}),
    "too few scores": lambda: NeighborCurveDisplay([1, 2], {"m": {"same": [0]}}),
    "other relations": lambda: NeighborCurveDisplay([1], {"m": {"a": [0]}, "n": {"b": [0]}}),
    "no relation": lambda: NeighborCurveDisplay.from_predictions(
        ["a"], {"m": {1: ["a"]}}, relations={}
    ),
    "not square": lambda: ClassConfusionDisplay([[1, 0]], ["a"]),
    "counts": lambda: ClassConfusionDisplay([[5, 1], [0, 1]], ["a", "b"]),
    "NaN share": lambda: ClassConfusionDisplay([[NAN]], ["a"]),
    "labels of two lengths": lambda: ClassConfusionDisplay.from_predictions(["a"], ["a", "b"]),
    "no labels": lambda: ClassConfusionDisplay.from_predictions([], []),
    "a label too few": lambda: ClassConfusionDisplay.from_predictions(["a"], ["b"], labels=["a"]),
    "no order": lambda: ClassConfusionDisplay.from_predictions(["a"], ["b"], order="given"),
    "unknown order": lambda: ClassConfusionDisplay.from_predictions(["a"], ["b"], order="wordnet"),
    "points of 3": lambda: EmbeddingMapDisplay(np.ones((1, 3)), ["a"], np.ones((1, 2)), ["a"]),
    "labels too few": lambda: EmbeddingMapDisplay.from_predictions(np.ones((5, 2)), ["a"]),
    "three points": lambda: EmbeddingMapDisplay.from_predictions(np.ones((3, 2)), list("abc")),
    "NaN vector": lambda: EmbeddingMapDisplay.from_predictions([[NAN, 1]] * 4, list("aabb")),
    "half of the labels": lambda: EmbeddingMapDisplay.from_predictions(
        np.ones((5, 2)), list("aaabb"), label_names=["a"]
    ),
    "other dimensions": lambda: EmbeddingMapDisplay.from_predictions(
        np.ones((5, 2)), list("aaabb"), label_names=["a"], label_vectors=[[1, 2, 3]]
    ),
    "unknown method": lambda: EmbeddingMapDisplay.from_predictions(
        np.ones((5, 2)), list("aaabb"), method="mds"
    ),
    "no images": lambda: PredictionGridDisplay([], {"m": []}),
    "k above the classes": lambda: PredictionGridDisplay.from_estimator(
        LogisticRegression().fit([[0], [1]], [0, 1]), [[0], [1]], k=3
    ),
    "too few labels": lambda: PredictionGridDisplay(np.ones((2, 4, 4, 3), "u1"), {"m": [["a"]]}),
    "other scores": lambda: PredictionGridDisplay(
        np.ones((1, 4, 4, 3), "u1"), {"m": [["a"]]}, {"m": [[1.0, 2.0]]}
    ),
    "too few true labels": lambda: PredictionGridDisplay(
        np.ones((1, 4, 4, 3), "u1"), {"m": [["a"]]}, y=["a", "b"]
    ),
}
WRONG_KIND = {
    "a list of losses": lambda: LossCurveDisplay([[1.0]]),
    "a list of methods": lambda: FewShotCurveDisplay([0.5]),
    "scores without shots": lambda: FewShotCurveDisplay({"m": [0.5]}),
    "a list of bars": lambda: SimilarityBarDisplay([1.0]),
    "a list of models": lambda: SimilarityBarDisplay.from_estimator([1], [[0]], ["a"]),
    "a grid of a list": lambda: PredictionGridDisplay.from_estimator([1], [[0]]),
    "no pair": lambda: PredictionGridDisplay.from_predictions(
        np.ones((1, 4, 4, 3), "u1"), {"m": [["a"]]}
    ),
    "no zero-shot classifier": lambda: EmbeddingMapDisplay.from_estimator(
        LogisticRegression().fit([[0], [1]], [0, 1]), [[0], [1]], [0, 1]
    ),
    "no seen classes": lambda: SeenUnseenCurveDisplay.from_estimator(
        LogisticRegression().fit([[0], [1]], [0, 1]), [[0], [1]], [0, 1]
    ),
    "no label vectors": lambda: RelativeLossDisplay.from_estimator(
        LogisticRegression().fit([[0], [1]], [0, 1]), [[0], [1]], [0, 1]
    ),
    "no classifier": lambda: PredictionGridDisplay.from_estimator(
        LinearRegression().fit([[0], [1]], [0, 1]), [[0], [1]]
    ),
    "axes of another kind": lambda: RelativeLossDisplay([0.1]).plot(plt.figure()),
}


@pytest.mark.parametrize("case", [*BAD, *WRONG_KIND])
def test_bad_input_is_named_with_its_owner_and_a_remedy(case):
    with pytest.raises(ValueError if case in BAD else TypeError) as caught:
        (BAD | WRONG_KIND)[case]()
    message = str(caught.value)
    owner = message.partition(":")[0]
    assert owner.removesuffix(".plot").endswith(("Display", "losses")), message
    remedies = ("Pass", "Write", "Leave", "Give", "Use", "Remove", "Divide", "Add", "pass", "See")
    told = any(word in message for word in (*remedies, "must be one of", "Compare", "Predict"))
    assert told, message
    assert not plt.get_fignums() or case == "axes of another kind"


@pytest.mark.parametrize("kind", KINDS)
def test_without_matplotlib_the_extra_is_named(kind, monkeypatch):
    display = WITH_NAMES[kind](["a", "b", "c"])
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'scikit-zeroshot\[plots\]'"):
        display.plot()


def test_matplotlib_is_imported_by_no_module_of_the_displays():
    home = Path(importlib.import_module("zeroshot.displays").__file__).parent
    for path in home.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        guarded = [
            node for block in tree.body if isinstance(block, ast.If) for node in ast.walk(block)
        ]
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)) and node not in guarded:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [
                    alias.name for alias in node.names]  # fmt: skip
                assert not any(name.startswith("matplotlib") for name in names), path


def test_displays_draw_on_figures_without_pyplot():
    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)  # that of a bare figure draws nothing
    ax = figure.subplots()
    assert_readable(RelativeLossDisplay([0.1, -0.5], [0.2, 0.1]).plot(ax).figure_)
    assert not plt.get_fignums()
