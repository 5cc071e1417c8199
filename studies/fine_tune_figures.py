"""Pictures of the fine-tuning study: courses, one class, and images a class."""

from __future__ import annotations

from typing import Any

import fine_tune_runs as runs
import numpy as np
from fine_tune_summary import ORDER, PUBLISHED, PUBLISHED_SHOTS
from matplotlib.figure import Figure
from study_figures import legend_below, name_panel, panels, write

from zeroshot.displays import FewShotCurveDisplay
from zeroshot.displays._drawing import add_legend, bare, curve_style

# One look a name, in all pictures; the two last stand in a picture without controls.
LOOKS = {name: curve_style(position) for position, name in enumerate(ORDER)} | {
    runs.UNRELATED: curve_style(4),
    runs.NO_SOURCE: curve_style(5),
}
CROSSES = ("x", "+")  # published figures, in the colours of ours
PANELS = 3


def draw_all(record: dict[str, Any], prefix: str) -> None:
    """Draw every picture, into files whose names begin with `prefix`."""
    pictures = {"courses": courses, "one-class": one_class, "images-a-class": images_a_class}
    if not any(record["one class"]["sources"].values()):
        del pictures["one-class"]
    for name, draw in pictures.items():
        write(draw(record), f"{prefix}-{name}.png")


def courses(record: dict[str, Any]) -> Figure:
    """Draw macro F-score against iterations, a panel a number of images (Fig. 1)."""
    known = list(record["table"][runs.RANDOM])
    places = np.unique(np.linspace(0, len(known) - 1, PANELS).round().astype(int))
    figure, axes = panels(len(places), 3.6)
    for ax, n in zip(axes, (known[place] for place in places), strict=True):
        for name in runs.STARTS:
            if n in record["table"][name]:
                course = record["table"][name][n]["course"]
                _draw_course(ax, course["iterations"], course["macro F"], name, LOOKS[name])
        control = record["table"][runs.LOGISTIC].get(n)
        if control is not None:
            score = float(np.mean(control["first"]["all"]))
            ax.axhline(score, color="gray", linewidth=1, label=f"control: {runs.LOGISTIC}")
        _finish(ax, f"images a class: {n}")
    axes[0].set_ylabel("macro F-score")
    _keep_zero(axes[0])
    legend_below(figure, axes, 3)
    return figure


def one_class(record: dict[str, Any]) -> Figure:
    """Draw the F-score of one class against iterations, a line a source (Fig. 2)."""
    about = record["one class"]
    figure, axes = panels(1, 4.4)
    for name, course in about["sources"].items():
        if course:
            sources = ", ".join(dict.fromkeys(course["starts from"]))
            label = name if sources == name else f"{name}: {sources}"
            _draw_course(axes[0], course["iterations"], course["F"], label, LOOKS[name])
    _finish(axes[0], f"{about['class']!r}, images a class: {about['images a class']}")
    axes[0].set_ylabel("F-score of the class")
    _keep_zero(axes[0])
    legend_below(figure, axes, 1)
    return figure


def images_a_class(record: dict[str, Any]) -> Figure:
    """Draw first and best macro F-score against images a class (Table 2)."""
    figure, axes = panels(2, 4.4)
    for ax, where in zip(axes, ("first", "best"), strict=True):
        scores = {
            name: {int(n): cell[where]["all"] for n, cell in record["table"][name].items()}
            for name in ORDER
            if record["table"][name]
        }
        FewShotCurveDisplay(scores, metric="macro F-score").plot(ax)
        ax.label_outer()
    for (name, published), cross in zip(PUBLISHED.items(), CROSSES, strict=True):
        look = {"linestyle": "none", "marker": cross, "color": LOOKS[name]["color"]}
        axes[1].plot(PUBLISHED_SHOTS, published, label=f"published: {name}", **look)
    _add_signs(axes)
    name_panel(axes[0], "before training")
    name_panel(axes[1], "best while trained")
    legend_below(figure, axes[::-1], 3)
    return figure


def _draw_course(ax: Any, x: list[float], y: list[float], label: str, look: dict[str, Any]) -> None:
    ax.plot(x, y, label=label, markersize=4, **look)


def _add_signs(axes: np.ndarray) -> None:
    """Add the published figures to the legend, and room for them to the axes."""
    ax = axes[1]
    legend = ax.get_legend()
    shown, published = legend.legend_handles, ax.get_lines()[-len(PUBLISHED) :]
    names = [text.get_text() for text in legend.get_texts()]
    names += [str(line.get_label()) for line in published]
    add_legend(ax, [*shown, *published], names, outside=False)
    ax.set_xlim(right=1.15 * max(PUBLISHED_SHOTS))
    ax.set_xticks(PUBLISHED_SHOTS, [str(n) for n in PUBLISHED_SHOTS], fontsize=8)
    ax.minorticks_off()


def _finish(ax: Any, title: str) -> None:
    name_panel(ax, title)
    ax.set(xlabel="iterations", xlim=(0, None))
    ax.legend()
    bare(ax)


def _keep_zero(ax: Any) -> None:
    """Let a line at zero stay in sight."""
    ax.set_ylim(-0.02 * ax.get_ylim()[1], None)
