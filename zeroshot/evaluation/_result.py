"""Result of `evaluate_zero_shot`: printing and export."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zeroshot._utils import _text_tables
from zeroshot._utils._text_tables import Rows

_CONTROLS = (
    "Best constant: the best answer that is the same for every image. Random label: the mean of "
    "all answers. Neither looks at an image."
)
_CONFIDENCE = (
    "Of probabilities and sets of labels, the best constant gives every image the shares of the "
    "classes, or the most frequent labels; the random label stands for uniform probabilities, "
    "rejection at random, and sets of as many labels drawn at random."
)
_NO_TRAINING = (
    "No training: the network's own classifier, carried over to the labels by their names."
)


@dataclass(frozen=True)
class Estimate:
    """A metric, its interval, and the controls to beat.

    Attributes
    ----------
    value : float
        Value of the metric.
    low, high : float or None
        Ends of its bootstrap interval over classes, which contains `value`; None without an
        interval.
    best_constant : float
        The metric of the best constant prediction, chosen with knowledge of the true labels. For
        AUSUC, it is a seen and an unseen label that are always tied.
    random_label : float
        Expected metric of random labels.
    no_training : float or None
        The metric of a classifier that was not trained on images, if one was given.

    Examples
    --------
    >>> from zeroshot.evaluation import Estimate
    >>> Estimate(0.31, 0.27, 0.36, best_constant=0.05, random_label=0.05).value
    0.31
    """

    value: float
    low: float | None
    high: float | None
    best_constant: float
    random_label: float
    no_training: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class ZeroShotEvaluation(Mapping[str, Estimate]):
    """Result of `evaluate_zero_shot`: a mapping from the names of metrics to `Estimate`.

    ``print`` and notebooks show a table.

    Attributes
    ----------
    estimates : dict of str to Estimate
        Metrics by name. Those that are also scorers have the names of `zeroshot.metrics.SCORERS`.
    left_out : dict of str to str
        Metrics that do not apply, and the reason.
    notes : list of str
        Notes on the metrics.
    curve : tuple of ndarray, or None
        Seen accuracy, unseen accuracy and calibration, as `zeroshot.metrics.seen_unseen_curve`
        returns them.
    classes : dict of str to list
        ``label``, ``seen``, ``n_samples`` and ``accuracy`` (top-1), with one entry per class of y.
    settings : dict
        ``model``, ``n_samples``, ``n_seen_classes``, ``n_unseen_classes``, ``n_candidates``,
        ``average``, ``n_bootstrap`` and ``level``.
    reliability : tuple of ndarray, or None
        Mean probability, accuracy and mass of ten bins, for `zeroshot.displays.ReliabilityDisplay`.
    risk_coverage : tuple of ndarray, or None
        Coverage and risk at up to 1,000 points, for `zeroshot.displays.RiskCoverageDisplay`.

    Examples
    --------
    >>> from zeroshot.evaluation import Estimate, ZeroShotEvaluation
    >>> settings = {"model": "Mine", "n_samples": 9, "n_seen_classes": 0, "n_unseen_classes": 3}
    >>> settings |= {"n_candidates": 5, "average": "macro", "n_bootstrap": 0, "level": 0.95}
    >>> result = ZeroShotEvaluation(
    ...     {"hit_at_1": Estimate(0.5, None, None, 0.333, 0.2)}, {}, [], None, {}, settings
    ... )
    >>> result["hit_at_1"].value, list(result)
    (0.5, ['hit_at_1'])
    """

    estimates: dict[str, Estimate]
    left_out: dict[str, str]
    notes: list[str]
    curve: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    classes: dict[str, list]
    settings: dict[str, Any]
    reliability: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    risk_coverage: tuple[np.ndarray, np.ndarray] | None = None

    def __getitem__(self, name: str) -> Estimate:
        if name in self.left_out:
            raise KeyError(f"{name} was left out: {self.left_out[name]}")
        return self.estimates[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types: numbers, strings, lists and dicts.

        Returns
        -------
        dict
            A dict with the keys ``settings``, ``figures``, ``left_out``, ``notes``, ``curve``,
            ``reliability``, ``risk_coverage`` and ``classes``. The first calibration of the curve,
            which is -inf, is None.
        """
        curve = None
        if self.curve is not None:
            seen, unseen, calibration = (values.tolist() for values in self.curve)
            curve = {"seen": seen, "unseen": unseen, "calibration": [None, *calibration[1:]]}
        return {
            "settings": dict(self.settings),
            "figures": {name: asdict(estimate) for name, estimate in self.estimates.items()},
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
            "curve": curve,
            "reliability": _named(self.reliability, ("confidence", "accuracy", "mass")),
            "risk_coverage": _named(self.risk_coverage, ("coverage", "risk")),
            "classes": {name: list(values) for name, values in self.classes.items()},
        }

    def to_frame(self) -> Any:
        """Return the metrics as a data frame, one row per metric.

        Returns
        -------
        pandas.DataFrame
            A data frame with the columns ``value``, ``low``, ``high``, ``best_constant``,
            ``random_label`` and ``no_training``.
        """
        import pandas  # takes half a second, so only here

        rows = {name: asdict(estimate) for name, estimate in self.estimates.items()}
        return pandas.DataFrame.from_dict(rows, orient="index", dtype=float)

    def __repr__(self) -> str:
        return f"ZeroShotEvaluation({heading(self)})"

    def __str__(self) -> str:
        return text_table(heading(self), figure_rows(self), remarks(self))

    def _repr_html_(self) -> str:
        return html_table(heading(self), figure_rows(self), remarks(self))


def _named(
    arrays: tuple[np.ndarray, ...] | None, names: tuple[str, ...]
) -> dict[str, list[float]] | None:
    """Return arrays by their names, as lists."""
    if arrays is None:
        return None
    return {name: values.tolist() for name, values in zip(names, arrays, strict=True)}


def heading(result: ZeroShotEvaluation) -> str:
    """Return one line that names the model and the data."""
    known = result.settings
    return (
        f"{known['model']}: {known['n_samples']:,} samples of {known['n_seen_classes']:,} seen "
        f"and {known['n_unseen_classes']:,} unseen classes, {known['n_candidates']:,} candidate "
        "labels"
    )


def figure_rows(result: ZeroShotEvaluation) -> list[list[str]]:
    """Return the metrics as rows of cells, the header first."""
    level = f"{100 * result.settings['level']:g} % interval"
    compared = any(e.no_training is not None for e in result.estimates.values())
    more = ["no training"] if compared else []
    rows = [["", "value", level, *more, "best constant", "random label"]]
    for name, e in result.estimates.items():
        interval = f"{e.low:z.3f} to {e.high:z.3f}" if has_width(e) else ""
        untrained = ["" if e.no_training is None else number(e.no_training)] if compared else []
        controls = map(number, (e.best_constant, e.random_label))
        rows.append([name, number(e.value), interval, *untrained, *controls])
    return rows


def has_width(estimate: Estimate) -> bool:
    """Return whether an interval says anything: it has two ends, which differ in three decimals.

    Where all classes have the same value, the bootstrap knows no other.
    """
    low, high = estimate.low, estimate.high
    return low is not None and high is not None and f"{low:.3f}" != f"{high:.3f}"


def remarks(result: ZeroShotEvaluation) -> list[str]:
    """Return the remarks on the metrics: averaging, notes, and what was left out."""
    counted = "class" if result.settings["average"] == "macro" else "sample"
    compared = any(e.no_training is not None for e in result.estimates.values())
    controls = f"{_CONTROLS} {_NO_TRAINING}" if compared else _CONTROLS
    lines = [f"Each {counted} counts once. {controls}"]
    lines += [_CONFIDENCE] if "class_brier_score" in result else []
    lines += result.notes
    alike = [name for name, e in result.estimates.items() if e.low is not None and not has_width(e)]
    if alike:
        lines.append(f"No interval, as all classes have the same value: {', '.join(alike)}.")
    reasons = dict.fromkeys(result.left_out.values())
    for why in reasons:
        names = (name for name, reason in result.left_out.items() if reason == why)
        lines.append(f"Left out: {', '.join(names)}: {why}")
    return lines


def text_table(heading: str, rows: Rows, remarks: Sequence[str]) -> str:
    """Return rows of cells, with names in the first column, between a heading and remarks."""
    lines = [part for line in remarks for part in textwrap.wrap(line, 88)]
    return "\n".join([heading, _text_tables.aligned(rows), *lines])


def html_table(heading: str, rows: Rows, remarks: Sequence[str]) -> str:
    """Return the same as HTML, with all text escaped."""
    below = "".join(f"<p>{html.escape(line)}</p>" for line in remarks)
    return _text_tables.html_table(rows, caption=heading) + below


def number(value: float) -> str:
    """Return three decimals, or up to the first one that is not 0."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.1g}"
