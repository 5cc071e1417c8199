"""What users pass becomes arrays, or an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse

import zeroshot
import zeroshot.metrics
from zeroshot import AttributeTable
from zeroshot._utils._validation import (
    check_labels,
    check_missing_labels,
    check_number,
    check_option,
    check_unique,
    take_rows,
)
from zeroshot.exceptions import LabelWarning, UnknownLabelError, ZeroShotError


@pytest.mark.parametrize(
    "labels",
    [
        ["b", "a", "b"],
        ("b", "a", "b"),
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=object),
        [np.str_("b"), "a", "b"],
        pd.Series(["b", "a", "b"]),
        pd.Series(["b", "a", "b"], dtype="string"),
        pd.Categorical(["b", "a", "b"]),
        pd.Index(["b", "a", "b"]),
        iter(["b", "a", "b"]),
    ],
)
def test_strings(labels):
    array = check_labels(labels, owner="Test")
    assert array.dtype.kind == "U" and array.tolist() == ["b", "a", "b"]


@pytest.mark.parametrize(
    "labels",
    [
        [3, 1, 3],
        np.array([3, 1, 3], dtype=np.uint8),
        np.array([3, 1, 3], dtype=object),
        [np.int32(3), 1, np.uint8(3)],
        [3.0, 1.0, 3.0],
        np.array([3, 1, 3], dtype=np.float32),
        pd.Series([3, 1, 3]),
    ],
)
def test_integers(labels):
    array = check_labels(labels, owner="Test")
    assert array.dtype.kind in "iu" and array.tolist() == [3, 1, 3]


def test_no_labels_are_an_empty_array():
    assert check_labels([], owner="Test").shape == (0,)


def test_a_set_has_some_order():
    assert sorted(check_labels({"a", "b"}, owner="Test").tolist()) == ["a", "b"]


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ("cat", TypeError, r"Owner: names must be a list .*got 'cat'. Write \['cat'\]"),
        (b"cat", TypeError, "must be a list"),
        (3, TypeError, r"got 3. Write \[3\]"),
        (None, TypeError, "must be a list"),
        ([["a", "b"]], ValueError, r"must be 1-D, got an array of shape \(1, 2\)"),
        (np.array("a"), ValueError, r"must be 1-D, got an array of shape \(\)"),
        # Iterating over a DataFrame gives its columns' names.
        (pd.DataFrame({"a": [1], "b": [2]}), ValueError, r"must be 1-D, .* \(1, 2\)"),
        (["a", 1], ValueError, "Unknown label type.* got int and str"),
        (["a", None], ValueError, "Unknown label type.* got NoneType and str"),
        (["a", np.nan], ValueError, "Unknown label type.* got float and str"),
        ([1, np.nan], ValueError, "Unknown label type"),
        ([1.0, np.nan], ValueError, "Unknown label type"),
        ([1.0, np.inf], ValueError, "Unknown label type"),
        ([0.5, 1.5], ValueError, r"Unknown label type.* got float \(such as 0.5\)"),
        ([b"a", b"b"], ValueError, "Unknown label type.* got bytes"),
        ([("a", "b"), ("c",)], ValueError, "Unknown label type.* got tuple"),
        (pd.Series(["a", pd.NA], dtype="string"), ValueError, "Unknown label type.* NAType"),
    ],
)
def test_what_is_no_list_of_labels_is_refused(labels, error, words):
    with pytest.raises(error, match=words):
        check_labels(labels, owner="Owner", name="names")


@pytest.mark.parametrize("container", [list, tuple, pd.Series, lambda v: np.array(v, dtype=object)])
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_label_is_found_before_numpy_turns_it_into_text(container, missing):
    with pytest.raises(ValueError, match="Owner: Unknown label type: y must be all strings or"):
        check_missing_labels(container(["cat", missing]), owner="Owner")


@pytest.mark.parametrize("y", [None, np.array([0.5, 1.5]), np.array([1, 2]), [[1], [2]]])
def test_what_is_not_a_column_of_objects_is_left_to_scikit_learn(y):
    assert check_missing_labels(y, owner="Owner") is y


def test_unique_labels_pass_and_repeated_ones_are_named():
    labels = np.array(["a", "b"])
    assert check_unique(labels, owner="Owner", name="candidates") is labels
    with pytest.raises(
        ValueError, match=r"Owner: candidates names 2 labels .* \('a', 'c'\)\. Name"
    ):
        check_unique(np.array(["c", "a", "c", "b", "a"]), owner="Owner", name="candidates")
    with pytest.raises(ValueError, match="Owner: candidates is empty. Name at least one label"):
        check_unique(np.array([]), owner="Owner", name="candidates")


@pytest.mark.parametrize("value", ["c", None, 1, ["a"], ("a",), np.array(["a", "b"])])
def test_options_are_listed(value):
    assert check_option("a", ("a", "b"), owner="Owner", name="mode") == "a"
    with pytest.raises(ValueError, match="Owner: mode must be one of 'a', 'b', got"):
        check_option(value, ("a", "b"), owner="Owner", name="mode")


@pytest.mark.parametrize("value", [1, 1.5, np.float32(2), np.int64(3)])
def test_numbers_pass(value):
    check_number(value, owner="Owner", name="alpha", above=0, at_least=1)


@pytest.mark.parametrize(
    "value", ["1", None, True, np.True_, np.nan, np.inf, 1j, [1.0], np.array([1.0])]
)
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match="Owner: alpha must be a number, got"):
        check_number(value, owner="Owner", name="alpha")


def test_bounds_stand_in_the_message():
    with pytest.raises(ValueError, match="alpha must be a number above 0, got 0"):
        check_number(0, owner="Owner", name="alpha", above=0)
    with pytest.raises(ValueError, match="alpha must be a number of at least 0.5, got 0.25"):
        check_number(0.25, owner="Owner", name="alpha", at_least=0.5)
    with pytest.raises(ValueError, match="k must be an integer of at least 1, got 1.0"):
        check_number(1.0, owner="Owner", name="k", at_least=1, integer=True)


def test_exceptions_are_what_they_stand_in_for():
    error = UnknownLabelError(["okapi", 7], 5, owner="Table", remedy="Add rows.")
    assert isinstance(error, ValueError) and isinstance(error, ZeroShotError)
    # A KeyError would print its message in quotes.
    assert str(error) == "Table has no vector for 2 of 5 labels ('okapi', 7). Add rows."
    assert issubclass(LabelWarning, UserWarning)


@pytest.mark.parametrize("rows", [np.array([2, 0]), slice(1, 3)])
def test_rows_are_taken_from_what_an_estimator_takes(rows):
    X = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(take_rows(X, rows), X[rows])
    np.testing.assert_array_equal(take_rows(X.tolist(), rows), X[rows])
    np.testing.assert_array_equal(take_rows(tuple(X.tolist()), rows), X[rows])
    frame = pd.DataFrame(X, columns=list("abc"), index=[7, 7, 3, 0])
    taken = take_rows(frame, rows)
    assert taken.columns.tolist() == list("abc")
    np.testing.assert_array_equal(taken.to_numpy(), X[rows])
    np.testing.assert_array_equal(take_rows(sparse.csr_matrix(X), rows).toarray(), X[rows])


IMAGES = {
    "paths": ["a.jpg", "b.jpg"],
    "Path": [Path("a.jpg"), Path("b.jpg")],
    "array of paths": np.array(["a.jpg", "b.jpg"]),
    "PIL": [Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4))],
    "pixels": np.zeros((2, 4, 4, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("name", ["DeViSEClassifier", "ESZSLClassifier", "EmbeddingRegressor"])
def test_images_where_features_are_expected_are_told_where_they_go(name: str, kind: str) -> None:
    table = AttributeTable(np.eye(3), labels=["ant", "bee", "cat"])
    model = getattr(zeroshot, name)(table)
    match = f"{name}: X holds images or their paths.*TimmFeatures.*with_candidates"
    with pytest.raises(TypeError, match=match):
        model.fit(IMAGES[kind], ["ant", "bee"])
    model.fit(np.eye(3), ["ant", "bee", "cat"])
    with pytest.raises(TypeError, match=match):
        model.predict(IMAGES[kind])


@pytest.mark.case
def test_integers_of_unlike_types_compare_exactly() -> None:
    """NumPy compares int64 with uint64 as floats, which are the same from 2**53 on."""
    first = 2**53
    seen = np.array([first + 1, first + 3], dtype=np.int64)
    candidates = np.array([first, first + 1, first + 2, first + 3], dtype=np.uint64)
    assert np.searchsorted(candidates, seen).tolist() != [1, 3]  # what is to be avoided
    table = zeroshot.AttributeTable(np.eye(4), labels=candidates)
    X = np.repeat(np.eye(4)[[1, 3]], 5, axis=0)
    model = zeroshot.DeViSEClassifier(table, loss="mse", candidates=candidates)
    model.fit(X, np.repeat(seen, 5))
    assert model.seen_classes_.tolist() == [first + 1, first + 3]
    assert model.unseen_classes_.tolist() == [first, first + 2]
    true = np.array([first, first, first + 2, first + 2])
    assert zeroshot.metrics.harmonic_mean_score(true, candidates, seen_classes=[first]) == 0.5
    large = np.array([2**63 + 1, 2**63 + 3], dtype=np.uint64)
    assert check_labels(large, owner="test").tolist() == [2**63 + 1, 2**63 + 3]
