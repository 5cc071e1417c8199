"""Attributes from published files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings import AttributeTable

DATA = os.environ.get("ZEROSHOT_DATA")
MATRIX = "  1.00  0.00 -1.00\n 0.50  2.00  8.00\n"
NAMES = "     1\tzebra\n     2\tkiller+whale\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "matrix.txt").write_text(MATRIX)
    (tmp_path / "classes.txt").write_text(NAMES)
    return tmp_path


def write_mat(path, names=("zebra", "killer+whale"), **changes):
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = names
    savemat(path, {"att": np.array([[1.0, 0.6], [0.0, 0.8]]), "allclasses_names": cells, **changes})
    return path


def test_a_matrix_has_its_names_beside_it(folder):
    table = AttributeTable.from_file(folder / "matrix.txt")
    assert list(table.vocabulary) == ["zebra", "killer+whale"]
    np.testing.assert_array_equal(table.embed(["killer whale"]), [[0.5, 2.0, 8.0]])
    np.testing.assert_array_equal(table.embed(["zebra"]), [[1.0, 0.0, -1.0]])


def test_labels_replace_the_names(folder):
    (folder / "classes.txt").unlink()
    table = AttributeTable.from_file(folder / "matrix.txt", labels=["ox", "ram"])
    assert list(table.vocabulary) == ["ox", "ram"]


def test_the_mean_of_the_others_replaces_a_missing_value(folder):
    table = AttributeTable.from_file(folder / "matrix.txt", missing=-1)
    np.testing.assert_array_equal(table.embed(["zebra"]), [[1.0, 0.0, 8.0]])
    with pytest.raises(ValueError, match="column 2 .* holds missing=8 for every class"):
        (folder / "matrix.txt").write_text("1 0 8\n2 3 8\n")
        AttributeTable.from_file(folder / "matrix.txt", missing=8)


def test_columns_of_a_mat_file_are_classes(tmp_path):
    table = AttributeTable.from_file(write_mat(tmp_path / "att_splits.mat"))
    np.testing.assert_allclose(table.embed(["killer whale"]), [[0.6, 0.8]], rtol=1e-7)


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        ("1 2 3\n4 5\n", NAMES, "line 2 has 2 numbers, and line 1 has 3"),
        ("1 2 3\n4 5 6", NAMES, "does not end its last line, so that it may be cut"),
        ("1 2\n3 4\n", "1 zebra\n", "has 2 rows, and there are 1 names"),
        ("1 2\n3 4\n", "1 zebra\n2 ox", "classes.txt does not end its last line"),
        ("", NAMES, "is empty"),
        ("1 two\n3 4\n", NAMES, "one row of numbers per class.*two"),
        ("1 2_0\n3 4\n", NAMES, "one row of numbers per class.*2_0"),
        ("name,black\nzebra,1\n", NAMES, "one row of numbers per class"),
    ],
)
def test_damaged_texts_are_refused(folder, matrix, names, message):
    (folder / "matrix.txt").write_text(matrix)
    (folder / "classes.txt").write_text(names)
    with pytest.raises(IntegrityError, match=f"AttributeTable.from_file.*{message}"):
        AttributeTable.from_file(folder / "matrix.txt")


def test_texts_in_other_encodings_are_refused(folder):
    (folder / "classes.txt").write_bytes("zébra\nox\n".encode("latin-1"))
    with pytest.raises(IntegrityError, match="classes.txt is not a text in UTF-8"):
        AttributeTable.from_file(folder / "matrix.txt")


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_numbers_that_are_not_finite_are_refused(folder, bad):
    (folder / "matrix.txt").write_text(f"1 {bad}\n2 3\n")
    with pytest.raises(ValueError, match="AttributeTable"):
        AttributeTable.from_file(folder / "matrix.txt")


def test_missing_files_say_what_to_do(folder):
    with pytest.raises(FileNotFoundError, match="there is no file .*Check the path"):
        AttributeTable.from_file(folder / "none.txt")
    (folder / "classes.txt").unlink()
    with pytest.raises(FileNotFoundError, match="names of the classes.*pass one name per row"):
        AttributeTable.from_file(folder / "matrix.txt")


def test_a_mat_file_of_another_shape_is_refused(tmp_path):
    path = write_mat(tmp_path / "att_splits.mat", att=np.ones((2, 3)))
    with pytest.raises(IntegrityError, match=r"att of shape \(2, 3\) for 2 classes"):
        AttributeTable.from_file(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(IntegrityError, match="AttributeTable.from_file"):
        AttributeTable.from_file(path)


@pytest.mark.data
@pytest.mark.skipif(DATA is None, reason="needs ZEROSHOT_DATA")
@pytest.mark.parametrize(
    ("name", "shape"), [("AWA1", (50, 85)), ("AWA2", (50, 85)), ("SUN", (717, 102))]
)
def test_published_attributes_have_unit_length(name, shape):
    table = AttributeTable.from_file(Path(DATA) / "awa" / name / "att_splits.mat")
    assert table.vectors.shape == shape
    np.testing.assert_allclose(np.linalg.norm(table.vectors, axis=1), 1, rtol=1e-6)


@pytest.mark.data
@pytest.mark.skipif(DATA is None, reason="needs ZEROSHOT_DATA")
def test_the_published_matrix_and_the_mat_file_agree():
    folder = Path(DATA) / "awa" / "AWA2"
    ours = AttributeTable.from_file(folder / "predicate-matrix-continuous.txt")
    theirs = AttributeTable.from_file(folder / "att_splits.mat")
    names = list(theirs.vocabulary)
    rows = ours.embed(names)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    # Four values of the antelope are missing: -1 before the columns were scaled to unit length.
    unlike = np.argwhere(abs(rows - theirs.embed(names)) > 1e-4)
    assert unlike.tolist() == [[names.index("antelope"), column] for column in range(4)]
