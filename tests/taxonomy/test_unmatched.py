"""Keys of mappings by label that match nothing are said, where they look like typing errors."""

from __future__ import annotations

import unicodedata
import warnings

import numpy as np
import pytest

from zeroshot import OpenLabelClassifier, SimilarityInitializer, SourceHead
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import hierarchical_precision_score
from zeroshot.taxonomy import class_synsets
from zeroshot.taxonomy._unmatched import warn_of_unmatched_keys

HEAD = SourceHead(np.eye(3), np.zeros(3), ["dog", "oboe", "lion"])
TYPO = {"wofl": "wolf.n.01", "oboe": "oboe.n.01"}
SAID = r"keys of {} match no label: 'wofl' \(is it 'wolf'\?\)"


@pytest.mark.case
def test_a_typing_error_is_said_by_all_that_know_the_labels() -> None:
    with pytest.warns(LabelWarning, match="SimilarityInitializer: " + SAID.format("synsets")):
        SimilarityInitializer(HEAD, "wordnet", n_neighbors=2, synsets=TYPO).fit(
            None, ["wolf", "oboe", "cat"]
        )
    with pytest.warns(LabelWarning, match=SAID.format("synsets")):
        hierarchical_precision_score(
            ["wolf"], np.eye(2)[:1], labels=["oboe", "wolf"], k=1, synsets=TYPO
        )
    with pytest.warns(LabelWarning, match="OpenLabelClassifier: " + SAID.format("overrides")):
        OpenLabelClassifier(HEAD, candidates=["wolf", "oboe"], overrides=TYPO).fit()


@pytest.mark.parametrize(
    ("mapping", "labels"),
    [
        (None, ["wolf"]),
        ({}, ["wolf"]),
        (class_synsets("imagenet1k"), ["lion", "wolf"]),
        ({"wolf": "x", "wolfs": "y"}, ["wolf"]),  # each label has a key
        ({1: "x"}, ["wolf"]),
        ({"wolf": "x"}, [1, 2]),
    ],
)
def test_a_mapping_of_more_labels_is_none(mapping: dict | None, labels: list) -> None:
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        warn_of_unmatched_keys(mapping, labels, owner="test", name="synsets")
    assert record == []


def test_another_spelling_of_a_label_is_said() -> None:
    for key in ("Caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")):
        with pytest.warns(LabelWarning, match="is it 'caf\u00e9'"):
            warn_of_unmatched_keys({key: "x"}, ["caf\u00e9", "wolf"], owner="test", name="texts")
