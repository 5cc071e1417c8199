"""``--on-unknown``: the treatment of unknown labels in all commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from zeroshot.cli._images import LabelledImages
from zeroshot.cli._terminal import say
from zeroshot.exceptions import UnknownLabelError, in_options

T = TypeVar("T")
WARN, RAISE, DROP = "warn", "raise", "drop"

with_on_unknown = click.option(
    "--on-unknown", type=click.Choice((WARN, RAISE, DROP)), default=WARN, show_default=True,
    help="labels that nothing knows: go on without them and say so, fail, or leave them out",
)  # fmt: skip


class Known(NamedTuple):
    """Result for the known labels, and the unknown labels.

    Attributes
    ----------
    made : object
        What `of_known` was given to make.
    labels : list of str
        Of these labels.
    unknown : list of str
        The others, which nothing knows.
    """

    made: Any
    labels: list[str]
    unknown: list[str]


def of_known(
    make: Callable[[list[str]], T], labels: list[str], on_unknown: str, *, hint: str = ""
) -> Known:
    """Apply a function to labels, or to the known labels among them.

    Parameters
    ----------
    make : callable
        From labels; it raises `UnknownLabelError` before it takes long.
    labels : list of str
        All labels.
    on_unknown : {"warn", "raise", "drop"}
        Of ``--on-unknown``.
    hint : str, default=""
        Who would know them, for the warning.

    Raises
    ------
    UnknownLabelError
        Labels are unknown and ``on_unknown="raise"``, or all of them are.
    """
    try:
        return Known(make(labels), labels, [])
    except UnknownLabelError as error:
        known = [label for label in labels if label not in error.labels]
        if on_unknown == RAISE or not known or len(known) == len(labels):
            raise
        made = of_known(make, known, DROP)
        if on_unknown == WARN:
            left_out = error.replace(remedy=f"They are left out. {hint}")
            say(in_options(left_out), level="warning")
        unknown = [label for label in labels if label not in made.labels]
        return Known(made.made, made.labels, unknown)


def without_classes(data: LabelledImages, unknown: list[str]) -> LabelledImages:
    """Return the images without the classes in `unknown`."""
    import numpy as np

    return data.where(~np.isin(data.labels, unknown)) if unknown else data


def unknown_column(unknown: list[str]) -> dict[str, str]:
    """Return the column that lists the labels left out; an empty dict if there are none."""
    return {"unknown_labels": "; ".join(unknown)} if unknown else {}
