"""Label vectors from a table: attributes, and one-hot vectors."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from zeroshot._utils._validation import check_labels, check_unique
from zeroshot.exceptions import UnknownLabelError
from zeroshot.label_embeddings._attribute_files import read_attributes
from zeroshot.label_embeddings._base import (
    Arrays,
    Explained,
    Label,
    LabelEmbedding,
    Restore,
    check_finite_rows,
    content_hash,
    overrides_from_json,
    overrides_to_json,
    read_only,
)
from zeroshot.taxonomy._readings import same_name


class AttributeTable(LabelEmbedding):
    """Vectors from a table with one row per label, such as annotated attributes.

    If no row has exactly the label, it is looked up by its words: ``"killer whale"`` finds the row
    ``"killer+whale"``, if no other row has these words.

    Parameters
    ----------
    table : array-like of shape (n_rows, n_dims), or DataFrame
        The vectors. The index of a DataFrame holds the labels.
    labels : array-like of shape (n_rows,), optional
        The rows' labels, strings or integers, each once. Needed unless `table` is a DataFrame.
    overrides : mapping of label to label, optional
        What to look up instead of a label.

    Raises
    ------
    ValueError
        The shapes disagree, a label is repeated, or the table holds NaN or infinity.
    TypeError
        The table is not numeric, or `labels` is missing.

    Examples
    --------
    >>> from zeroshot.label_embeddings import AttributeTable
    >>> table = AttributeTable([[1, 0, 4], [0, 1, 2]], labels=["zebra", "ostrich"])
    >>> table.embed(["ostrich"])
    array([[0., 1., 2.]], dtype=float32)
    >>> table.covers(["ostrich", "okapi"])
    array([ True, False])
    """

    def __init__(
        self,
        table: Any,
        labels: Any = None,
        *,
        overrides: Mapping[Any, Label] | None = None,
    ) -> None:
        super().__init__(overrides=overrides)
        vectors, names = _check_table(table, labels)
        self._vectors = read_only(vectors)
        self._vocabulary = tuple(names.tolist())
        self._rows = RowsByLabel(self._vocabulary)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike,
        *,
        labels: Sequence[str] | None = None,
        missing: float | None = None,
        overrides: Mapping[Any, Label] | None = None,
    ) -> Self:
        r"""Read the attributes of a published data set.

        Parameters
        ----------
        path : path
            The ``att_splits.mat`` of Xian et al. (2018), for AWA1, AWA2, SUN, CUB or APY, whose
            ``att`` has one unit-length column per class; or a text with one row of numbers per
            class, such as the ``predicate-matrix-continuous.txt`` of Animals with Attributes.
        labels : sequence of str, optional
            One name per row. By default, the names in the ``.mat`` file, or those in
            ``classes.txt`` in the folder of the text: one per line, with or without a number.
        missing : float, optional
            The value that stands for a missing one, such as -1 in Animals with Attributes 1. The
            mean of the other classes takes its place.
        overrides : mapping of label to label, optional
            What to look up instead of a label.

        Returns
        -------
        AttributeTable
            One row per class.

        Raises
        ------
        FileNotFoundError
            There is no such file, or no ``classes.txt`` beside it.
        IntegrityError
            The file is damaged, or its rows and the names differ in number.
        ValueError
            A name is repeated, or an attribute is missing for all classes.

        References
        ----------
        C. H. Lampert, H. Nickisch, S. Harmeling, "Learning to Detect Unseen Object Classes by
        Between-Class Attribute Transfer", CVPR 2009. Y. Xian, C. H. Lampert, B. Schiele, Z. Akata,
        "Zero-Shot Learning - A Comprehensive Evaluation of the Good, the Bad and the Ugly", TPAMI
        2018.

        Examples
        --------
        >>> import os, tempfile
        >>> from zeroshot.label_embeddings import AttributeTable
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "predicate-matrix.txt")
        ...     with open(path, "w") as file:
        ...         _ = file.write("1 0 -1\n0 1 8\n")
        ...     table = AttributeTable.from_file(path, labels=["zebra", "otter"], missing=-1)
        >>> table.embed(["zebra"])
        array([[1., 0., 8.]], dtype=float32)
        """
        table, names = read_attributes(path, labels, missing)
        return cls(table, names, overrides=overrides)

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return self._vectors.shape[1]

    @property
    def vocabulary(self) -> Sequence[Label]:
        """The labels, in the order of the table's rows."""
        return self._vocabulary

    @property
    def vectors(self) -> np.ndarray:
        """The table, float32 of shape (n_rows, n_dims), read-only."""
        return self._vectors

    def fingerprint(self) -> str:
        """Return the SHA-256 of what determines the vectors."""
        return content_hash(
            "AttributeTable", self._vocabulary, overrides_to_json(self._overrides), self._vectors
        )

    def reference(self) -> None:
        """Return None: the rows are in memory alone, so that saving stores them all."""
        return None

    def to_config(self, labels: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the whole table."""
        config = {
            "type": "AttributeTable",
            "labels": list(self._vocabulary),
            "overrides": overrides_to_json(self._overrides),
        }
        return config, {"vectors": np.ascontiguousarray(self._vectors)}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the table of `to_config`."""
        overrides = overrides_from_json(config["overrides"])
        return cls((arrays or {})["vectors"], config["labels"], overrides=overrides)

    def _embed(self, labels: list[Label]) -> np.ndarray:
        return self._vectors[
            find_rows(
                labels, self._rows, owner="AttributeTable", remedy="Add a row for each to its table"
            )
        ]

    def _covers(self, labels: list[Label]) -> np.ndarray:
        return np.array([label in self._rows for label in labels], dtype=bool)

    def _explain(self, labels: list[Label]) -> list[Explained]:
        return [
            Explained(str(x), why="no row of it")
            if x not in self._rows
            else Explained(name := str(self._vocabulary[self._rows[x]]), (name,), why="a row of it")
            for x in labels
        ]

    def __repr__(self) -> str:
        return f"AttributeTable({len(self._vocabulary)} labels, n_dims={self.n_dims})"


class RowsByLabel(Mapping[Label, int]):
    """Rows by their labels, exactly so or by the words of the label if one row alone has these.

    Parameters
    ----------
    labels : sequence of str or int
        The labels of the rows.

    Examples
    --------
    >>> from zeroshot.label_embeddings._tables import RowsByLabel
    >>> rows = RowsByLabel(["killer+whale", "Ox", "ox"])
    >>> rows["killer whale"], rows["ox"], "OX" in rows
    (0, 2, False)
    """

    def __init__(self, labels: Sequence[Label]) -> None:
        self._exact = {label: row for row, label in enumerate(labels)}

    @cached_property
    def _by_words(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for label, row in self._exact.items():
            if isinstance(label, str):
                found.setdefault(same_name(label), []).append(row)
        return found

    def __getitem__(self, label: Label) -> int:
        row = self._exact.get(label)
        if row is not None:
            return row
        rows = self._by_words.get(same_name(label), []) if isinstance(label, str) else []
        if len(rows) != 1:
            raise KeyError(label)
        return rows[0]

    def __iter__(self) -> Iterator[Label]:
        return iter(self._exact)

    def __len__(self) -> int:
        return len(self._exact)


class OneHotEmbedding(LabelEmbedding):
    """One dimension per label: all labels are equally dissimilar.

    It knows nothing but the labels that it is given. With it, a zero-shot estimator becomes an
    ordinary supervised one.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        Strings or integers, each once; label i has its 1 in dimension i.

    Examples
    --------
    >>> from zeroshot.label_embeddings import OneHotEmbedding
    >>> OneHotEmbedding(["cat", "dog"]).embed(["dog", "cat"])
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """

    def __init__(self, labels: Any) -> None:
        super().__init__()
        checked = check_labels(labels, owner="OneHotEmbedding")
        checked = check_unique(checked, owner="OneHotEmbedding", name="labels")
        self._vocabulary = tuple(checked.tolist())
        self._rows = {label: row for row, label in enumerate(self._vocabulary)}

    @property
    def n_dims(self) -> int:
        """Length of every vector: the number of labels."""
        return len(self._vocabulary)

    @property
    def vocabulary(self) -> Sequence[Label]:
        """The labels, in the order of their dimensions."""
        return self._vocabulary

    @property
    def vectors(self) -> np.ndarray:
        """The identity matrix, float32 of shape (n_labels, n_labels), read-only."""
        return read_only(np.eye(self.n_dims, dtype=np.float32))

    def fingerprint(self) -> str:
        """Return the SHA-256 of what determines the vectors."""
        return content_hash("OneHotEmbedding", self._vocabulary)

    def reference(self) -> dict[str, Any]:
        """Return a JSON-able description from which this can be opened again."""
        return {"type": "OneHotEmbedding", "labels": list(self._vocabulary)}

    def to_config(self, labels: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the parameters: they are all there is."""
        return self.reference(), {}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding of a `reference` (without arrays), or of `to_config`."""
        return cls(config["labels"])

    def _embed(self, labels: list[Label]) -> np.ndarray:
        remedy = (
            "One-hot vectors exist only for the labels given at the start, never for unseen ones: "
            "pass a label_embedding that knows these labels, such as WordVectors()"
        )
        rows = find_rows(labels, self._rows, owner="OneHotEmbedding", remedy=remedy)
        vectors = np.zeros((len(labels), self.n_dims), dtype=np.float32)
        vectors[np.arange(len(labels)), rows] = 1
        return vectors

    def _covers(self, labels: list[Label]) -> np.ndarray:
        return np.array([label in self._rows for label in labels], dtype=bool)

    def __repr__(self) -> str:
        return f"OneHotEmbedding({self.n_dims} labels)"


def find_rows(
    labels: list[Label], rows: Mapping[Label, int], *, owner: str, remedy: str
) -> np.ndarray:
    """Return the rows of `labels`, or raise naming all that are not there, with near matches.

    Raises
    ------
    UnknownLabelError
        A label has no row.
    """
    unknown = [label for label in labels if label not in rows]
    if unknown:
        known = [label for label in rows if isinstance(label, str)]
        raise UnknownLabelError(
            unknown,
            len(labels),
            owner=owner,
            remedy=f"{remedy}.",
            close_matches={
                label: difflib.get_close_matches(label, known, n=3)
                for label in unknown[:20]
                if isinstance(label, str)
            },
        )
    return np.array([rows[label] for label in labels], dtype=np.intp)


def _check_table(table: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    owner = "AttributeTable"
    is_frame = hasattr(table, "index") and hasattr(table, "to_numpy")
    if labels is None and not is_frame:
        raise TypeError(
            f"{owner}: labels is needed unless table is a DataFrame. Pass labels=[...], one each."
        )
    names = check_labels(table.index.to_numpy() if labels is None else labels, owner=owner)
    names = check_unique(names, owner=owner, name="labels")
    try:
        vectors = np.array(table, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{owner}: table must be a 2-D array of numbers: {error}. "
            f"Drop or encode columns that are not numbers."
        ) from error
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise ValueError(
            f"{owner}: table must be 2-D with at least one column, got shape {vectors.shape}. "
            f"Pass one row a label."
        )
    if len(vectors) != len(names):
        raise ValueError(
            f"{owner}: table has {len(vectors)} rows and there are {len(names)} labels. "
            f"Pass one label a row."
        )
    check_finite_rows(vectors, names.tolist(), owner=owner)
    return vectors, names
