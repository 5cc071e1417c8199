"""Warnings about typing errors in the keys of mappings by label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from zeroshot._utils._validation import warn_caller
from zeroshot.taxonomy._label_text import name_words
from zeroshot.taxonomy._readings import read_label
from zeroshot.taxonomy._resolve import has_synset

_NEAR = 0.75
"""What of two spellings must be alike."""


def warn_of_unmatched_keys(
    mapping: Mapping[Any, Any] | None, labels: Iterable[Any], *, owner: str, name: str
) -> None:
    """Warn about keys that match no label, but are similar to a label without a key.

    A mapping may have more labels than are used, such as class_synsets("imagenet1k").

    Parameters
    ----------
    mapping : mapping or None
        Mapping by label.
    labels : iterable of str or int
        All labels that may be looked up.
    owner, name : str
        Owner and name of the parameter, for the message.
    """
    given, keys_given = list(labels), mapping or {}
    known = set(given)
    keys = [key for key in keys_given if key not in known and isinstance(key, str)]
    lacking = [label for label in given if isinstance(label, str) and label not in keys_given]
    if not keys or not lacking:
        return
    near = {key: _meant(key, {_folded(label): label for label in lacking}) for key in keys}
    said = [f"{key!r} (is it {label!r}?)" for key, label in near.items() if label is not None]
    if said:
        more = f", and {len(said) - 10} more" if len(said) > 10 else ""
        warn_caller(
            f"{owner}: keys of {name} match no label: {', '.join(said[:10])}{more}. Write them as "
            "the labels are written."
        )


def _meant(key: str, labels: Mapping[str, str]) -> str | None:
    """Return the label of which a key is another spelling or a typing error."""
    folded = _folded(key)
    if folded in labels:
        return labels[folded]
    near = get_close_matches(folded, labels, n=1, cutoff=_NEAR)
    return labels[near[0]] if near and not has_synset(key) else None


def _folded(name: str) -> str:
    return " ".join(word for words in read_label(name).names for word in name_words(words))
