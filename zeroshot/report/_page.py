"""HTML page of a report, from templates.

The templates escape all external text (labels, file names, messages).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zeroshot._utils._text_tables import printable

HARMONIC_MEAN = (
    "2ab / (a + b) of the accuracies a on seen and b on unseen classes: high only where both are."
)
# By the names of the metrics, without their k.
OF_AN_EVALUATION = {
    "mean_class_accuracy": "How often the first label is right in a class, averaged over classes.",
    "seen_accuracy": "How often the first label is right for images of classes seen in training.",
    "unseen_accuracy": "How often it is right for images of classes without any training image.",
    "harmonic_mean": HARMONIC_MEAN,
    "ausuc": "The area under the curve of seen against unseen accuracy, drawn by lowering the "
    "scores of seen classes step by step. At best it is 1.",
    "hit": "How often the right label is among the k best ones.",
    "hierarchical_precision": "How many of the k best labels are the right one or one of its "
    "nearest relatives in WordNet's tree of nouns, as a share.",
    "semantic_similarity": "How close the vectors of the k best labels are to that of the right "
    "one: their mean cosine, which is 1 for the right label itself.",
    "expected_calibration_error": "Mean distance of the probability of the best label from the "
    "share of these labels that is right, in ten bins of as many images. Less is better; 0 alone "
    "says nothing, because uniform probabilities have it too.",
    "class_brier_score": "Squared distance of the probabilities from the truth, summed over the "
    "labels. Less is better.",
    "class_log_loss": "Minus the logarithm of the true label's probability. Less is better.",
    "risk_coverage_auc": "Share of wrong answers where only the surest images are named, averaged "
    "over how many these are. Less is better.",
    "set_coverage": "Share of the images whose set of labels holds the true one.",
    "set_size": "How many labels are in a set. Less is better.",
    "any_of_these_auc": "Whether images of the labels look more like any of them than other images "
    "do: area under the ROC curve, 0.5 by chance.",
}
OF_THE_DEMO = {
    "top-1": "How often the first label is right.",
    "hit@5": "How often the right label is among the five best ones.",
    "unseen classes": "Those without any training image; the model knows their names alone.",
    "bare class names": "A class is known by its name as it stands; in the rows without these "
    "words, ambiguous names are spelled out.",
    "all 100 offered": "The model may answer with the 80 classes of its training as well.",
    "harmonic mean": HARMONIC_MEAN,
    "change of error": "The squared error of the word vector that is predicted for a class left "
    "out of training, beside that of predicting nothing: -39% is an error smaller by 39%.",
    "classes with a smaller error": "Those left out whose error is smaller than that of predicting "
    "nothing.",
    "error beside that mean's": "The same error beside that of the mean of the other labels: below "
    "zero, the model knows more about a new class than that mean does.",
    "best constant answer": "The best answer that is the same for every image.",
    "chance": "A label drawn at random.",
    "mean of the other labels": "The mean of the 99 other labels' word vectors is predicted for "
    "every image.",
}


def _plain(value: Any) -> Any:
    """Return a value for a template: text with its control characters escaped."""
    return value if isinstance(value, Markup) else printable(str(value))


_TEMPLATES = Environment(
    loader=PackageLoader("zeroshot.report"),
    autoescape=True,
    finalize=_plain,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _source(name: str) -> str:
    """Return the text of a file beside the templates."""
    return files("zeroshot.report").joinpath("templates", name).read_text("utf-8").strip()


PARTS: Any = _TEMPLATES.get_template("parts.html").module
"""What `parts.html` defines: functions from values to `Markup`."""

SCRIPT = Markup(_source("script.js"))
# With this policy, a browser loads nothing and runs no other script, for any content of the page.
_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
_POLICY = (
    f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'"
)

section, paragraph, bullets, definitions, tiles, charts = (
    PARTS.section,
    PARTS.paragraph,
    PARTS.bullets,
    PARTS.definitions,
    PARTS.tiles,
    PARTS.charts,
)


def page(title: str, *parts: str) -> str:
    """Return a whole page.

    Parameters
    ----------
    title : str
        Plain text for the window title and the first heading.
    *parts : Markup
        Content below the heading.
    """
    return str(PARTS.page(title, _POLICY, SCRIPT, *parts))


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    numbers: Iterable[int] = (),
    ours: int | None = None,
) -> Markup:
    """Return plain cells as a table. The first cell of each row is its name.

    Parameters
    ----------
    caption : str
        What the table shows.
    head : sequence of str
        Names of the columns. They are hidden if all are empty.
    rows : sequence of sequence
        Cells.
    numbers : iterable of int
        Columns that are aligned to the right.
    ours : int, optional
        Column with which the others are compared.
    """
    kinds = ["number" if i in set(numbers) else "" for i in range(len(head))]
    if ours is not None:
        kinds[ours] = f"{kinds[ours]} ours".strip()
    return PARTS.cells(caption, head, rows, kinds)


def pairs(caption: str, values: Mapping[str, Any]) -> str:
    """Return names and values as a table of two columns, or nothing if there are none."""
    return table(caption, ("", ""), list(values.items())) if values else ""


def evaluation_terms(figures: Iterable[str]) -> str:
    """Return explanations of these metrics of a `ZeroShotEvaluation`, as HTML."""
    families = dict.fromkeys(figure.split("_at_")[0] for figure in figures)
    return _meaning({spoken(name): OF_AN_EVALUATION[name] for name in families})


def demo_terms() -> str:
    """Return explanations of the demo's metrics and their controls, as HTML."""
    return _meaning(OF_THE_DEMO)


def spoken(figure: str) -> str:
    """Return the display name of a metric; for a family, the name with k.

    Examples
    --------
    >>> from zeroshot.report._page import spoken
    >>> spoken("hit_at_5"), spoken("hit"), spoken("ausuc")
    ('hit@5', 'hit@k', 'AUSUC')
    """
    if figure in ("hit", "hierarchical_precision", "semantic_similarity"):
        figure += "_at_k"
    return figure.replace("_at_", "@").replace("_", " ").replace("ausuc", "AUSUC")


def _meaning(terms: Mapping[str, str]) -> str:
    return definitions("What the metrics mean", terms)
