"""Charts of a report, as SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from zeroshot._utils._pipelines import final_and_input
from zeroshot._utils._validation import take_rows
from zeroshot.displays._class_confusion import MAX_BLOCKS, in_rows, row_shares, taxonomy_order
from zeroshot.displays._embedding_map import draw_points, predicted_vectors
from zeroshot.estimators._calibrated import best_calibration
from zeroshot.evaluation import ZeroShotEvaluation
from zeroshot.evaluation._result import has_width
from zeroshot.metrics._classification import harmonic_mean
from zeroshot.report._classes import Answers
from zeroshot.report._page import PARTS
from zeroshot.report._svg import (
    N_LOOKS,
    Axes,
    drawing,
    element,
    look,
    marks,
    number,
    shorten,
    text_width,
)

MAX_MAPPED, MAX_MAPPED_LABELS = 1000, 300  # for which t-SNE takes a few seconds
MAX_ROWS = 100  # of a confusion matrix; with more classes, a row stands for several
COUNTED, NAMED = 25, 60  # classes up to which a matrix has numbers, and every name
PREDICTED_AND_LABELS = (
    "The label vectors that the model predicts for images, and those of the labels"
)
FEATURES = "The features that the model is given"
N_BINS = 20
SIDES = ((11, 4, "start"), (-11, 4, "end"), (0, -11, "middle"), (0, 20, "middle"))  # of a name
OWNER = "write_evaluation_report"


@dataclass(frozen=True)
class Bar:
    """A bar of a chart.

    Attributes
    ----------
    name : str
        What it measures.
    value : float
        Between 0 and 1.
    ours : bool
        Whether it is the model's, or a control's.
    low, high : float or None
        Ends of the interval.
    """

    name: str
    value: float
    ours: bool = False
    low: float | None = None
    high: float | None = None


def bars(groups: Mapping[str, Sequence[Bar]], *, caption: str) -> str:
    """Return the model's metrics as bars, each group with its controls below it."""
    width, left, right, line = 420.0, 132.0, 60.0, 19.0
    parts, y = [], 4.0
    for title, group in groups.items():
        y += 16
        parts.append(element("text", title, x=0, y=y, class_="title"))
        y += 5
        for bar in group:
            length = bar.value * (width - left - right)
            kind = "ours" if bar.ours else "control"
            name = shorten(bar.name, left - 8, 12)
            parts.append(element("text", name, x=left - 8, y=y + 14, class_="name end"))
            parts.append(
                element("rect", x=left, y=y + 3, width=length, height=line - 5, class_=kind)
            )
            end = bar.value
            if bar.low is not None and bar.high is not None:
                low, high = (left + each * (width - left - right) for each in (bar.low, bar.high))
                middle = y + 3 + (line - 5) / 2
                parts.append(
                    element("line", x1=low, x2=high, y1=middle, y2=middle, class_="interval")
                )
                end = bar.high
            at = left + end * (width - left - right) + 6
            parts.append(
                element("text", f"{bar.value:.1%}", x=at, y=y + 14, class_=f"value {kind}")
            )
            y += line
        y += 6
    alt = "; ".join(
        f"{title}: " + ", ".join(f"{bar.name} {bar.value:.1%}" for bar in group)
        for title, group in groups.items()
    )
    return PARTS.chart(drawing(width, y, *parts, alt=f"Bars. {alt}"), caption)


def of_evaluation(result: ZeroShotEvaluation) -> str:
    """Return bars of the accuracies of an evaluation beside their controls."""
    names = {
        "unseen_accuracy": "Unseen classes: first label right",
        "seen_accuracy": "Seen classes: first label right",
        "harmonic_mean": "Harmonic mean of both",
    }
    if not set(names) & set(result):
        names = {"mean_class_accuracy": "First label right"}
    groups = {}
    for figure, title in names.items():
        if figure not in result:
            continue
        e = result[figure]
        untrained = [] if e.no_training is None else [Bar("no training", e.no_training)]
        groups[title] = [
            Bar("model", e.value, True, *((e.low, e.high) if has_width(e) else ())),
            *untrained,
            Bar("best constant", e.best_constant),
            Bar("random label", e.random_label),
        ]
    interval = any(bar.low is not None for group in groups.values() for bar in group)
    level = f"{100 * result.settings['level']:g} %"
    lines = f" The thin line is the {level} interval over classes." if interval else ""
    return bars(groups, caption=f"The model, and below it what it has to beat.{lines}")


def confusion(answers: Answers, synsets: Mapping[Any, Any] | None) -> str:
    """Return the confusion matrix: with numbers where it is small, as shades where it is large."""
    first = answers.labels[:, 0]
    classes = np.union1d(answers.y, first)
    found = taxonomy_order(classes, synsets, max_blocks=MAX_BLOCKS, owner=OWNER)
    shown = classes[found.order]
    size = -(-len(shown) // MAX_ROWS)
    shares = row_shares(answers.y, first, shown, size)
    n = len(shares)
    counted = n <= COUNTED
    cell = min(34.0, max(25.0, 340 / n)) if counted else max(6.5, min(16.0, 650 / n))
    font = 12.0 if n <= 40 else 10.0
    step = 1 if n <= NAMED else -(-n // NAMED)
    names = [str(name) for name in shown[::size].tolist()]
    if size > 1:
        names = [f"{name} +{min(size, len(shown) - size * i) - 1}" for i, name in enumerate(names)]
    space = min(150.0, 12 + max(text_width(name, font) for name in names))
    blocks = in_rows(found.blocks, size)
    beside = min(130.0, max((14 + text_width(name, 11) for name, *_ in blocks), default=0.0))
    side = n * cell
    parts = [_cells(shares, answers, first, shown, space, cell) if counted else
             _shades(shares, space, cell)]  # fmt: skip
    parts.append(
        element("rect", x=space, y=space, width=side, height=side, class_="outline", fill="none")
    )
    for place in range(0, n, step):
        middle = space + (place + 0.5) * cell
        name = shorten(names[place], space - 10, font)
        small = "name" if font == 12 else "name small"
        parts.append(element("text", name, x=space - 6, y=middle + font / 3, class_=f"{small} end"))
        at = middle + font / 3
        turned = f"rotate(-90 {number(at)} {number(space - 6)})"
        parts.append(element("text", name, x=at, y=space - 6, class_=small, transform=turned))
    taken: list[float] = []
    for name, start, end in sorted(blocks, key=lambda block: block[1] - block[2]):
        at, length = space + start * cell, (end - start) * cell
        parts.append(
            element("rect", x=at, y=at, width=length, height=length, class_="block", fill="none")
        )
        middle = at + length / 2
        if all(abs(middle - other) >= 13 for other in taken):
            taken.append(middle)
            label = shorten(name, beside - 8, 11)
            where = {"x": space + side + 8, "y": middle + 4}
            parts.append(element("text", label, **where, class_="tick"))
    share = float((first == answers.y).mean())
    width, height = space + side + beside + 4, space + side + 4
    alt = f"Confusion matrix: {share:.0%} of all images are on its diagonal"
    kinds = "A row is a true class, a column an answer."
    if counted:
        kinds += " Numbers are images; the stronger the colour, the larger the share of the row."
    else:
        kinds += " The stronger the colour, the larger the share of the row's images."
    if size > 1:
        kinds += (
            f" A row stands for up to {size} neighbouring classes, and has the first one's name."
        )
    if blocks:
        kinds += (
            " Classes stand in the order of WordNet: mistakes within a branch are in its square."
        )
    if found.n_unknown:
        kinds += f" {found.n_unknown:,} of {len(shown):,} names are not in WordNet, and stand last."
    return PARTS.chart(
        drawing(width, height, *parts, alt=alt, kind="matrix"), kinds, "Confusion matrix"
    )


def _cells(
    shares: np.ndarray,
    answers: Answers,
    first: np.ndarray,
    shown: np.ndarray,
    space: float,
    cell: float,
) -> Markup:
    """Return cells with numbers of images."""
    by_name = np.argsort(shown)
    rows, columns = (by_name[np.searchsorted(shown[by_name], each)] for each in (answers.y, first))
    counts = np.zeros(shares.shape, dtype=int)
    np.add.at(counts, (rows, columns), 1)
    parts = []
    for row, column in np.argwhere(counts).tolist():
        x, y = space + column * cell, space + row * cell
        said = f"{shown[row]} named {shown[column]}: {counts[row, column]:,}"
        parts.append(
            element(
                "rect", element("title", said), x=x, y=y, width=cell, height=cell,
                class_="right" if row == column else "wrong",
                fill_opacity=f"{0.08 + 0.42 * shares[row, column]:.2f}",
            )
        )  # fmt: skip
        shown_count = f"{counts[row, column]:,}" if counts[row, column] < 1000 else "999+"
        middle = {"x": x + cell / 2, "y": y + cell / 2 + 4}
        parts.append(element("text", shown_count, **middle, class_="count middle"))
    return Markup("").join(parts)


def _shades(shares: np.ndarray, space: float, cell: float) -> Markup:
    """Return cells as one path per shade. The square root makes few images visible."""
    levels = np.ceil(np.sqrt(shares) * 10).astype(int)
    on_diagonal = np.eye(len(shares), dtype=bool)
    parts = []
    for level in range(1, 11):
        for kind, mask in (("right", on_diagonal), ("wrong", ~on_diagonal)):
            places = np.argwhere((levels == level) & mask).tolist()
            if places:
                edge = number(cell)
                path = "".join(
                    f"M{number(space + column * cell)},{number(space + row * cell)}"
                    f"h{edge}v{edge}h-{edge}z"
                    for row, column in places
                )
                parts.append(element("path", d=path, class_=kind, fill_opacity=f"{level / 10:g}"))
    return Markup("").join(parts)


def curve(result: ZeroShotEvaluation) -> str:
    """Return the seen-unseen curve, or nothing if there is none."""
    if result.curve is None:
        return ""
    seen, unseen, calibration = result.curve
    axes = Axes((0, _top(unseen)), (0, _top(seen)))
    means = harmonic_mean(seen, unseen)
    best, now = int(means.argmax()), max(0, int(np.searchsorted(calibration, 0, side="right")) - 1)
    lowered = best_calibration([result.curve])
    ends = np.concatenate([unseen, [unseen[-1], 0]]), np.concatenate([seen, [0, 0]])
    parts = [
        element("path", d=axes.path(*ends) + "Z", class_="area"),
        axes.frame("accuracy on unseen classes", "accuracy on seen classes"),
        element("path", d=axes.path(unseen, seen), class_="line", fill="none"),
    ]
    for place, shape, kind in ((now, "square", "as-it-is"), (best, "diamond", "best")):
        point = float(axes.x(unseen[place])), float(axes.y(seen[place]))
        parts.append(element("path", d=marks(shape, [point], 6), class_=f"mark {kind}"))
    area = result["ausuc"].value
    return PARTS.chart(
        drawing(
            axes.width, axes.height, *parts,
            alt=f"Accuracy on seen against unseen classes; the area under the curve is {area:.3f}",
        ),
        "How seen and unseen classes compete. From left to right, the scores of seen classes are "
        f"lowered more and more. The area under the curve, {area:.3f}, is that of all of them. "
        f"Square: the model as it is, harmonic mean {means[now]:.3f}. Diamond: the best, "
        f"{means[best]:.3f}, if the scores were lowered by {lowered:.3f}; known only in hindsight.",
    )  # fmt: skip


def _top(values: np.ndarray) -> float:
    """Return the end of an axis of accuracies."""
    return float(min(1.0, max(0.1, np.ceil(values.max() * 1.05 * 10) / 10)))


def reliability(result: ZeroShotEvaluation) -> str:
    """Return the reliability diagram, or nothing without probabilities."""
    if result.reliability is None:
        return ""
    confidence, accuracy, mass = result.reliability
    axes = Axes((0, 1), (0, 1))
    kept = mass > 0
    radii = 3 + 6 * np.sqrt(mass[kept])
    points = zip(axes.x(confidence[kept]).tolist(), axes.y(accuracy[kept]).tolist(), strict=True)
    parts = [
        axes.frame("how sure the model is", "share that is right"),
        element("path", d=axes.path([0, 1], [0, 1]), class_="reference", fill="none"),
        element("path", d=axes.path(confidence[kept], accuracy[kept]), class_="line", fill="none"),
    ]
    parts += [
        element("circle", cx=x, cy=y, r=radius, class_="mark best")
        for (x, y), radius in zip(points, radii.tolist(), strict=True)
    ]
    error = result["expected_calibration_error"].value
    return PARTS.chart(
        drawing(
            axes.width, axes.height, *parts,
            alt="How sure answers are against how many are right; the mean distance is "
            f"{error:.3f}",
        ),
        "Can its percentages be trusted? On the dashed line, of the answers that are 70 % sure, "
        f"70 % are right. The mean distance from it is {error:.3f}. Ten groups of as many images.",
    )  # fmt: skip


def risk_coverage(result: ZeroShotEvaluation) -> str:
    """Return the risk-coverage curve, or nothing without probabilities."""
    if result.risk_coverage is None:
        return ""
    coverage, risk = result.risk_coverage
    axes = Axes((0, 1), (0, _top(risk)))
    parts = [
        axes.frame("share of images that are answered", "share of answers that are wrong"),
        element("path", d=axes.path([0, 1], [risk[-1]] * 2), class_="reference", fill="none"),
        element("path", d=axes.path(coverage, risk), class_="line", fill="none"),
    ]
    area = result["risk_coverage_auc"].value
    return PARTS.chart(
        drawing(
            axes.width, axes.height, *parts,
            alt=f"Share of wrong answers as fewer images are named; the area is {area:.3f}",
        ),
        "What is gained where only the surest images are answered: the fewer, the fewer errors, "
        f"if the model knows when it is right. Dashed: chosen by chance. The area is {area:.3f}.",
    )  # fmt: skip


def losses(ours: Sequence[float], control: Sequence[float], *, caption: str) -> str:
    """Return a histogram of the changes of errors, with the outline of the control's."""
    both = np.concatenate([ours, control])
    low, high = float(both.min()), float(both.max())
    margin = 0.02 if low == high else 0.0
    edges = np.linspace(low - margin, high + margin, N_BINS + 1)
    heights, outline = (np.histogram(values, edges)[0] for values in (ours, control))
    axes = Axes((edges[0], edges[-1]), (0, float(max(heights.max(), outline.max()) * 1.08)))
    parts = [axes.frame("change of the error", "classes", percent=True, whole=True)]
    for start, end, height in zip(edges[:-1], edges[1:], heights.tolist(), strict=True):
        if height:
            x, y = float(axes.x(start)), float(axes.y(height))
            parts.append(
                element(
                    "rect", x=x + 0.5, y=y, width=float(axes.x(end)) - x - 1,
                    height=float(axes.y(0)) - y, class_="ours",
                )
            )  # fmt: skip
    steps = np.repeat(edges, 2), np.concatenate([[0], np.repeat(outline, 2), [0]])
    parts.append(element("path", d=axes.path(*steps), class_="outline-of-control", fill="none"))
    medians = f"median {np.median(ours):+.1%}, the control's {np.median(control):+.1%}"
    return PARTS.chart(
        drawing(axes.width, axes.height, *parts, alt=f"Histogram of changes of errors: {medians}"),
        f"{caption} Filled: the model. Outline: the control. {medians[0].upper()}{medians[1:]}.",
    )


def embedding_map(estimator: Any, X: Any, y: np.ndarray, seed: int) -> str:
    """Return images and labels on a plane, or nothing without vectors."""
    rows = np.arange(len(y))
    if len(rows) < 4:
        return ""
    rng = np.random.RandomState(seed)
    if len(rows) > MAX_MAPPED:
        rows = np.sort(rng.choice(rows, MAX_MAPPED, replace=False))
    inside, labels = take_rows(X, rows), y[rows]
    final, features = final_and_input(estimator, inside)
    seen = final.seen_classes_
    given: dict[str, Any] = {"label_vectors": None, "label_names": None}
    if hasattr(final, "class_vectors_") and hasattr(final, "transform"):
        what = PREDICTED_AND_LABELS
        vectors, given = predicted_vectors(estimator, inside, labels, owner=OWNER)
    elif np.ndim(features) == 2:
        what, vectors = FEATURES, features
    else:
        return ""
    most = MAX_MAPPED, MAX_MAPPED_LABELS
    data = draw_points(
        vectors, labels, given["label_vectors"], given["label_names"], seen, most, rng, owner=OWNER
    )
    placed = data.label_points is not None
    data.project("tsne", cosine=True, random_state=seed, owner=OWNER)
    some = f", of {len(rows):,} of the {len(y):,} images, drawn at random" * (len(rows) < len(y))
    return map_of(
        data.points, data.labels, data.label_points, data.names, seen,
        what=what + some, placed=placed,
    )  # fmt: skip


def map_of(
    points: Any,
    labels: Any,
    label_points: Any,
    label_names: Any,
    seen_classes: Any,
    *,
    what: str,
    placed: bool,
) -> str:
    """Return a map, on which each unseen class has a look of its own.

    Parameters
    ----------
    points, label_points : array-like of shape (n, 2)
        Images, and labels.
    labels, label_names : array-like of shape (n,)
        Which they are.
    seen_classes : array-like
        Classes that were in training. If all images are of these, they are told apart.
    what : str
        Description of the points.
    placed : bool
        Whether labels have their own vectors, and so a mark.
    """
    points, label_points = (np.asarray(each, dtype=float) for each in (points, label_points))
    labels, label_names = np.asarray(labels), np.asarray(label_names)
    both = np.vstack([points, label_points])
    low, high = both.min(axis=0), both.max(axis=0)
    margin = 0.03 * np.maximum(high - low, 1e-9)
    (left, bottom), (right, top) = low - margin, high + margin
    axes = Axes((left, right), (bottom, top), 860, 560, left=4, right=4, top=4, bottom=4)
    classes, counts = np.unique(labels, return_counts=True)
    unseen = ~np.isin(classes, np.asarray(seen_classes))
    told = classes[unseen] if unseen.any() else classes
    often = np.argsort(-(counts[unseen] if unseen.any() else counts), kind="stable")
    told = np.sort(told[often[:N_LOOKS]])
    rest = ~np.isin(labels, told)
    parts, legend = [axes_box(axes)], []
    if rest.any():
        parts.append(_scatter(axes, points[rest], "circle", "rest", 2.2))
        is_seen = np.isin(labels[rest], np.asarray(seen_classes)).all()
        name = "images of seen classes" if is_seen else "images of other classes"
        legend.append((_sign("circle", "rest"), name, False))
    if placed:
        others = ~np.isin(label_names, told)
        parts.append(_scatter(axes, label_points[others], "circle", "label", 3))
        if others.any():
            legend.append((_sign("circle", "label"), "other labels", False))
    names = []
    for place, label in enumerate(told.tolist()):
        color, shape = look(place)
        parts.append(_scatter(axes, points[labels == label], shape, f"dots {color}", 3.4))
        legend.append((_sign(shape, color), label, True))
        names.append((label_points[label_names == label], label, (color, shape)))
    if placed:
        for at, _, (color, shape) in names:
            parts.append(_scatter(axes, at, shape, f"own {color}", 8))
        legend.append((_sign("circle", "own"), "outlined: the label itself", False))
    parts += _names(axes, [(at[0], label) for at, label, _ in names if len(at)])
    apart = "unseen class" if unseen.any() else "class"
    more = f"; the {N_LOOKS} most frequent ones" if unseen.sum() > N_LOOKS else ""
    caption = f"{what}, on a plane (t-SNE): neighbours stay neighbours, distances mean little. "
    caption += f"Each {apart} has its own colour and shape{more}."
    picture = drawing(axes.width, axes.height, *parts, alt=f"{what}, as points of a plane",
                      kind="map")  # fmt: skip
    return PARTS.chart(picture, caption, "Map", legend)


def axes_box(axes: Axes) -> Markup:
    """Return the frame of a map."""
    size = {"width": axes.width - 2, "height": axes.height - 2}
    return element("rect", x=1, y=1, **size, rx=4, class_="box", fill="none")


def _scatter(axes: Axes, points: np.ndarray, shape: str, kind: str, radius: float) -> Markup:
    pixels = np.column_stack([axes.x(points[:, 0]), axes.y(points[:, 1])]).tolist()
    return element("path", d=marks(shape, pixels, radius), class_=kind) if pixels else Markup("")


def _sign(shape: str, kind: str) -> Markup:
    """Return a mark for the legend."""
    path = element("path", d=marks(shape, [(8, 8)], 5), class_=kind)
    return element("svg", path, viewBox="0 0 16 16", width=16, height=16, aria_hidden="true")


def _names(axes: Axes, labels: Sequence[tuple[np.ndarray, Any]]) -> list[Markup]:
    """Return names beside points, where they cover no other name."""
    places = [(float(axes.x(x)), float(axes.y(y))) for (x, y), _ in labels]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in places]
    parts = []
    for at, (_, label) in zip(places, labels, strict=True):
        name = shorten(label, 150, 12)
        width = text_width(name, 12)
        for dx, dy, kind in SIDES:
            left = at[0] + dx - {"start": 0.0, "end": width, "middle": width / 2}[kind]
            box = left, at[1] + dy - 12, left + width, at[1] + dy + 3
            inside = box[0] > 2 and box[2] < axes.width - 2 and box[1] > 2
            free = all(
                box[2] < other[0] or box[0] > other[2] or box[3] < other[1] or box[1] > other[3]
                for other in taken
            )
            if inside and free and box[3] < axes.height:
                taken.append(box)
                where = {"x": at[0] + dx, "y": at[1] + dy}
                parts.append(element("text", name, **where, class_=f"name halo {kind}"))
                break
    return parts
