"""Animals with Attributes 1, in both layouts."""

from __future__ import annotations

import os

import numpy as np
import pytest

from zeroshot.datasets import fetch_awa1
from zeroshot.datasets._awa1 import WIDTHS
from zeroshot.exceptions import IntegrityError

CLASSES = ["antelope", "bat", "killer+whale"]
PREDICATES = np.array([[-1.0, 20.0], [40.0, 0.0], [60.0, 5.0]])
LABELS = ["antelope", "antelope", "bat", "killer+whale"]


def histograms(rng):
    """Return counts for each image, by the type of features."""
    return {name: rng.integers(0, 4, (len(LABELS), width)) for name, width in WIDTHS.items()}


def roots(counts):
    return np.concatenate([np.sqrt(c / c.sum(axis=1, keepdims=True)) for c in counts.values()], 1)


@pytest.fixture
def counts():
    return histograms(np.random.default_rng(0))


@pytest.fixture
def published(tmp_path, counts):
    """The layout of the published archives."""
    folder = tmp_path / "published" / "Animals_with_Attributes"
    folder.mkdir(parents=True)
    rows = "\n".join(" ".join(f"{value:7.2f}" for value in row) for row in PREDICATES)
    (folder / "predicate-matrix-continuous.txt").write_text(rows + "\n")
    (folder / "classes.txt").write_text("".join(f"{i + 1:6}\t{n}\n" for i, n in enumerate(CLASSES)))
    (folder / "testclasses.txt").write_text("bat\n")
    for name, table in counts.items():
        for number, (label, row) in enumerate(zip(LABELS, table, strict=True)):
            place = folder / "Features" / f"{name}-hist" / label
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{label}_{number:04}.txt").write_text(" ".join(map(str, row)))
    return folder.parent


@pytest.fixture
def prepared(tmp_path, counts):
    """The layout with everything in one file."""
    return write_prepared(tmp_path / "prepared", counts)


def write_prepared(home, counts, **changes):
    (home / "awa").mkdir(parents=True)
    arrays = {
        "X": roots(counts).astype(np.float16),
        "y": np.array(LABELS),
        "predicates": PREDICATES,
        "classes": np.array(CLASSES),
        "test_classes": np.array(["bat"]),
    }
    arrays = {name: value for name, value in (arrays | changes).items() if value is not None}
    np.savez(home / "awa" / "awa1_features.npz", **arrays)
    return home


def test_both_layouts_give_the_same(published, prepared):
    first, second = (fetch_awa1(data_home=home) for home in (published, prepared))
    np.testing.assert_allclose(first.data, second.data, atol=1e-3)
    assert first.target.tolist() == second.target.tolist() == LABELS
    assert first.class_names == second.class_names == CLASSES
    assert first.unseen_classes == second.unseen_classes == ["bat"]
    assert first.seen_classes == ["antelope", "killer+whale"]
    assert first.trainval.tolist() == [0, 1, 3]
    assert first.test_unseen.tolist() == [2]
    for data in (first, second):  # the mean of the others for what is missing
        np.testing.assert_array_equal(data.attributes.embed(["antelope"]), [[50.0, 20.0]])
        np.testing.assert_allclose((data.data**2).sum(axis=1), 5, rtol=1e-2)
    assert "rgsift, sift, surf, lss, phog" in first.DESCR


@pytest.mark.parametrize("layout", ["published", "prepared"])
def test_types_of_features_are_chosen(layout, counts, request):
    home = request.getfixturevalue(layout)
    data = fetch_awa1(features=["phog", "sift"], data_home=home)
    assert data.feature_columns == {"phog": slice(0, 252), "sift": slice(252, 2252)}
    expected = roots({"phog": counts["phog"], "sift": counts["sift"]})
    np.testing.assert_allclose(data.data, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        ("sift", TypeError, r"must be a list of names, got 'sift'. Pass \['sift'\]"),
        (["cq"], ValueError, "features must be one of 'rgsift'.*got 'cq'"),
        ([], ValueError, "at least one type"),
        (["sift", "sift"], ValueError, "each once"),
    ],
)
def test_bad_features_are_refused(features, error, message):
    with pytest.raises(error, match=f"fetch_awa1: .*{message}"):
        fetch_awa1(features=features, data_home="nowhere")


def test_missing_files_say_where_to_get_them(tmp_path, published):
    with pytest.raises(FileNotFoundError, match="fetch_awa1: .*Nothing is downloaded.*AwA-base"):
        fetch_awa1(data_home=tmp_path)
    features = published / "Animals_with_Attributes" / "Features"
    (features / "lss-hist").rename(features / "lss")
    with pytest.raises(FileNotFoundError, match="lss-hist.*Get the features from"):
        fetch_awa1(data_home=published)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.ones((4, 10), np.float16)}, r"X must have the shape \(4, 8252\)"),
        ({"X": -np.ones((4, 8252), np.float16)}, "no negative numbers"),
        ({"y": np.array(["antelope", "ox", "bat", "bat"])}, "classes lacks ox"),
        ({"y": np.arange(4)}, "y is of type int64"),
        ({"test_classes": np.array(["ox"])}, "classes lacks ox"),
        ({"predicates": np.ones((2, 2))}, "one row for each of the classes"),
        ({"predicates": None}, "predicates"),
    ],
)
def test_damaged_prepared_files_are_refused(tmp_path, counts, changes, message):
    home = write_prepared(tmp_path / "bad", counts, **changes)
    with pytest.raises(IntegrityError, match=f"fetch_awa1: .*{message}"):
        fetch_awa1(data_home=home)


def test_objects_in_a_prepared_file_are_not_unpickled(tmp_path, counts):
    home = write_prepared(tmp_path / "bad", counts, y=np.array([print, print, 1, 2], dtype=object))
    with pytest.raises(IntegrityError, match="fetch_awa1: "):
        fetch_awa1(data_home=home)


def test_damaged_published_files_are_refused(published):
    folder = published / "Animals_with_Attributes"
    bat = folder / "Features" / "sift-hist" / "bat" / "bat_0002.txt"
    bat.write_text("1 2 3")
    with pytest.raises(IntegrityError, match="bat_0002.txt.*expected 2000 numbers.*got 3"):
        fetch_awa1(data_home=published)
    bat.write_text("one")
    with pytest.raises(IntegrityError, match="bat_0002.txt.*one"):
        fetch_awa1(data_home=published)
    (folder / "testclasses.txt").write_text("ox\n")
    with pytest.raises(IntegrityError, match="testclasses.txt names ox"):
        fetch_awa1(data_home=published)


@pytest.mark.data
@pytest.mark.skipif("ZEROSHOT_DATA" not in os.environ, reason="needs ZEROSHOT_DATA")
def test_the_given_subset():
    data = fetch_awa1(features=["phog"])
    assert data.data.shape == (6772, 252)
    assert (len(data.seen_classes), len(data.unseen_classes)) == (40, 10)
    assert len(data.trainval) == 4772
