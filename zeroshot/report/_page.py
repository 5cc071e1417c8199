"""The page itself: its head, its looks, and the parts that it is made of, as HTML.

Whatever comes from outside (labels, file names, messages) goes through `text` or `name`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zeroshot._utils._text_tables import printable

HARMONIC_MEAN = (
    "2ab / (a + b) of the accuracies a on seen and b on unseen classes: high only where both are."
)
# By the names of the figures, without their k.
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
    "relative loss": "The squared error of the word vector that is predicted for a class left out "
    "of training, relative to that of predicting zero: -39% is an error smaller by 39%.",
    "classes better than zero": "Those left out whose error is smaller than that of predicting "
    "zero.",
    "over that control": "The same error relative to the control's instead: below zero, the model "
    "is better than the control.",
    "best constant answer": "The best answer that is the same for every image.",
    "chance": "A label drawn at random.",
    "mean of the other labels": "The mean of the 99 other labels' word vectors is predicted for "
    "every image.",
}


# A browser that keeps to it fetches nothing, and runs no script, whatever the page holds.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #555; --line: #d5d5d5; --page: #fff;
 --card: #f5f6f8; --good: #00694c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #b0b0b0; --line: #454545;
 --page: #16181b; --card: #212428; --good: #5ccfa5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1rem 3rem; background: var(--page);
 color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.1rem; margin: 1.2rem 0 0; }
h4 { font-size: 1rem; margin: .8rem 0 0; }
h4 + p { margin: 0; }
p, ul, dl { margin: .5rem 0; }
dl { font-size: .9375rem; display: grid; grid-template-columns: minmax(8rem, auto) 1fr;
 gap: .15rem .9rem; }
dt { color: var(--soft); } dd { margin: 0; }
code { font: .875em ui-monospace, monospace; }
.lead { font-size: 1.1rem; }
.soft, caption, figcaption { color: var(--soft); font-size: .875rem; text-align: left; }
caption { padding-bottom: .3rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9375rem; margin: .5rem 0; min-width: 50%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .9rem .2rem 0;
 border-bottom: 1px solid var(--line); font-weight: normal; }
thead th { overflow-wrap: normal; }
tbody th { min-width: 8rem; }
thead th { color: var(--soft); font-size: .875rem; vertical-align: bottom; }
td.number { text-align: right; font-variant-numeric: tabular-nums;
 overflow-wrap: normal; }
thead th.number { text-align: right; }
td.ours { font-weight: 600; }
figure { margin: 1rem 0; }
figure.chart img { display: block; width: 100%; height: auto; background: #fff;
 border-radius: 4px; }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr));
 gap: .75rem; margin: .4rem 0 1rem; }
.examples figure { margin: 0; padding: .4rem; background: var(--card); border-radius: 4px; }
.examples img { display: block; width: 100%; height: 8rem; object-fit: contain; }
.examples ol { margin: .3rem 0 0; padding: 0; list-style: none; color: var(--ink); }
.examples li { display: flex; gap: .3rem; justify-content: space-between; font-size: .8125rem; }
.examples li span:last-child { flex: none; }
.right { color: var(--good); font-weight: 600; }
.file { display: block; font-size: .8125rem; margin-top: .3rem; }
@media (max-width: 40rem) { table { font-size: .8125rem; } th, td { padding-right: .5rem; }
 tbody th { min-width: 5.2rem; } dl { display: block; font-size: .875rem; }
 dd { margin: 0 0 .3rem; }
 .examples { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); } }
@media print { :root { --ink: #000; --soft: #333; --line: #999; --page: #fff; --card: #fff;
 --good: #00694c; } body { max-width: none; padding: 0; }
 figure, tr { break-inside: avoid; } h2, h3, h4, h4 + p { break-after: avoid; }
 .wide { overflow: visible; } .examples { grid-template-columns: repeat(6, 1fr); }
 .examples img { height: 5rem; } }
"""


def text(value: Any) -> str:
    r"""Return any text as HTML that shows it as it stands, control characters spelled out.

    Examples
    --------
    >>> from zeroshot.report._page import text
    >>> text("<b>\u202ecat\x00")
    '&lt;b&gt;\\u202ecat\\x00'
    """
    return html.escape(printable(str(value)))


def name(value: Any) -> str:
    """Return a label or file name as HTML; one from right to left turns nothing beside it."""
    return f"<bdi>{text(value)}</bdi>"


def page(title: str, *parts: str) -> str:
    """Return a whole page.

    Parameters
    ----------
    title : str
        Plain text, for the window and the first heading.
    *parts : str
        HTML.
    """
    shown = text(title)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{shown}</title>
<style>{STYLE}</style></head><body>
<main>
<h1>{shown}</h1>
{joined(parts)}
</main>
</body></html>
"""


def joined(parts: Iterable[str]) -> str:
    """Return parts one below the other, empty ones left out."""
    return "\n".join(part for part in parts if part)


def section(title: str, *parts: str) -> str:
    """Return parts under a heading, or nothing where there are none."""
    inside = joined(parts)
    return f"<section>\n<h2>{text(title)}</h2>\n{inside}\n</section>" if inside else ""


def paragraph(value: str, *, kind: str = "") -> str:
    """Return plain text as a paragraph."""
    return f"<p{_class(kind)}>{text(value)}</p>"


def bullets(items: Sequence[str]) -> str:
    """Return plain texts as a list, or nothing where there are none."""
    inside = "\n".join(f"<li>{text(item)}</li>" for item in items)
    return f"<ul>\n{inside}\n</ul>" if items else ""


def definitions(title: str, values: Mapping[str, str]) -> str:
    """Return words and what they mean as plain text, under a small heading."""
    inside = "\n".join(
        f"<dt>{text(word)}</dt><dd>{text(meaning)}</dd>" for word, meaning in values.items()
    )
    return f"<h3>{text(title)}</h3>\n<dl>\n{inside}\n</dl>"


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    numbers: Iterable[int] = (),
    ours: int | None = None,
) -> str:
    """Return plain cells as a table; the first cell of a row names it.

    Parameters
    ----------
    caption : str
        What the table shows.
    head : sequence of str
        Names of the columns; none are shown where all are empty.
    rows : sequence of sequence
        Cells.
    numbers : iterable of int
        Columns that stand right.
    ours : int, optional
        The column that the others are compared with.
    """
    kinds = ["number" if i in set(numbers) else "" for i in range(len(head))]
    if ours is not None:
        kinds[ours] = f"{kinds[ours]} ours".strip()
    lines = []
    if any(head):
        cells = zip(head, kinds, strict=True)
        line = "".join(f'<th scope="col"{_class(kind)}>{text(cell)}</th>' for cell, kind in cells)
        lines += [f"<thead><tr>{line}</tr></thead>"]
    lines.append("<tbody>")
    for first, *others in rows:
        cells = zip(others, kinds[1:], strict=True)
        line = "".join(f"<td{_class(kind)}>{name(cell)}</td>" for cell, kind in cells)
        lines.append(f'<tr><th scope="row">{name(first)}</th>{line}</tr>')
    inside = "\n".join([f"<caption>{text(caption)}</caption>", *lines, "</tbody>"])
    # Reached by keyboard, so that a table wider than a phone can be moved without a mouse.
    return f'<div class="wide" tabindex="0" role="region" aria-label="{text(caption)}">\n' + (
        f"<table>\n{inside}\n</table>\n</div>"
    )


def pairs(caption: str, values: Mapping[str, Any]) -> str:
    """Return names and what they are as a table of two columns, or nothing where there are none."""
    return table(caption, ("", ""), list(values.items())) if values else ""


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def evaluation_terms(figures: Iterable[str]) -> str:
    """Return what those figures of a `ZeroShotEvaluation` mean, as HTML."""
    families = dict.fromkeys(figure.split("_at_")[0] for figure in figures)
    return _meaning({spoken(name): OF_AN_EVALUATION[name] for name in families})


def demo_terms() -> str:
    """Return what the demo's figures and their controls mean, as HTML."""
    return _meaning(OF_THE_DEMO)


def spoken(figure: str) -> str:
    """Return the name of a figure as it is read: of a family, that of any k.

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
    return definitions("What the figures mean", terms)
