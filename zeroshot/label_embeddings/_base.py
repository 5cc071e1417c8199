"""The interface of label embeddings: labels in, one vector per label out."""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np

from zeroshot._utils._validation import check_labels
from zeroshot.exceptions import LabelWarning
from zeroshot.taxonomy._label_text import as_written

Label = str | int
Arrays = Mapping[str, np.ndarray]
Restore = Callable[[Mapping[str, Any], Arrays | None], "LabelEmbedding"]
_Self = TypeVar("_Self", bound="LabelEmbedding")


class Texts(tuple[str, ...]):
    """What `overrides` give for a label: texts to be taken word for word, and averaged."""


@dataclass(frozen=True)
class Explained:
    """What a label embedding made of a label: a row of `LabelEmbedding.explain`."""

    read: str
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    synset: str = ""
    why: str = ""


class LabelEmbedding(ABC):
    """Interface: labels to vectors, deterministic and immutable.

    `clone`, `copy` and `deepcopy` return the embedding itself, so that scikit-learn never copies
    a gigabyte of vectors. A subclass gives `n_dims`, `fingerprint`, `reference`, `_embed` and
    `_covers`; checking, overriding, reporting and saving are done here, once.

    Parameters
    ----------
    overrides : mapping of label to label, optional
        What to embed instead of a label, for example ``{"pickup_truck": "truck"}``.

    Examples
    --------
    >>> from zeroshot.label_embeddings import HashEmbedding, LabelEmbedding
    >>> isinstance(HashEmbedding(), LabelEmbedding)
    True
    """

    _overrides: Mapping[Label, Any] = MappingProxyType({})
    _takes_lists: ClassVar[bool] = False  # of texts, as values of overrides
    _by_synset: bool = False  # whether a wnid says more to it than a name

    def __init__(self, *, overrides: Mapping[Any, Any] | None = None) -> None:
        self._overrides = check_overrides(
            overrides, owner=type(self).__name__, lists=self._takes_lists
        )

    @property
    @abstractmethod
    def n_dims(self) -> int:
        """Length of every vector."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return the SHA-256, in hexadecimal digits, of what determines the vectors."""

    def _quick_fingerprint(self) -> str:
        """Return a hash that decides the vectors too, and may cost less to compute.

        It may depend on the file format, and is not for saved models.
        """
        return self.fingerprint()

    def has_fingerprint(self, fingerprint: str) -> bool:
        """Return whether a fingerprint is that of this embedding, also by an earlier version.

        Parameters
        ----------
        fingerprint : str
            What `fingerprint` returned when a model was saved.
        """
        return fingerprint == self.fingerprint()

    @abstractmethod
    def reference(self) -> dict[str, Any] | None:
        """Return a JSON-able description from which this can be opened again, or None."""

    @abstractmethod
    def _embed(self, labels: list[Label]) -> np.ndarray:
        """Return (n_labels, n_dims) vectors of distinct labels, overrides already applied."""

    @abstractmethod
    def _covers(self, labels: list[Label]) -> np.ndarray:
        """Return which of the labels have a vector, overrides already applied."""

    @property
    def overrides(self) -> Mapping[Label, Any]:
        """What is embedded instead of a label, read-only."""
        return self._overrides

    def embed(self, labels: Any) -> np.ndarray:
        """Return the vectors of labels.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Strings, or integers; repeated ones and an empty list are fine.

        Returns
        -------
        ndarray of shape (n_labels, n_dims)
            float32, C-contiguous, finite; row i belongs to ``labels[i]``.

        Raises
        ------
        UnknownLabelError
            A label has no vector; the message names every such label.
        ValueError
            `labels` is not 1-D or mixes strings and integers, or a vector is not finite.
        TypeError
            `labels` is one string.
        """
        owner = type(self).__name__
        given = check_labels(labels, owner=owner)
        if given.size == 0:
            return np.empty((0, self.n_dims), dtype=np.float32)
        distinct, inverse = np.unique(given, return_inverse=True)
        vectors = np.asarray(self._embed(self._replace(distinct)), dtype=np.float32)
        if vectors.shape != (distinct.size, self.n_dims):
            raise ValueError(
                f"{owner}: _embed returned an array of shape {vectors.shape} for {distinct.size} "
                f"labels, expected {(distinct.size, self.n_dims)}. Mend its _embed or n_dims."
            )
        check_finite_rows(vectors, distinct.tolist(), owner=owner)
        return np.ascontiguousarray(vectors[inverse.reshape(-1)])

    def covers(self, labels: Any) -> np.ndarray:
        """Return which labels have a vector, with no warning and no error for those without.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Strings, or integers.

        Returns
        -------
        ndarray of bool of shape (n_labels,)
            True where `embed` has a vector for the label.
        """
        given = check_labels(labels, owner=type(self).__name__)
        if given.size == 0:
            return np.zeros(0, dtype=bool)
        distinct, inverse = np.unique(given, return_inverse=True)
        mask = np.asarray(self._covers(self._replace(distinct)), dtype=bool)
        return mask[inverse.reshape(-1)]

    def explain(self, labels: Any) -> Any:
        """Return what is made of each label, to look at before fitting.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Strings, or integers.

        Returns
        -------
        pandas.DataFrame
            One row per label: ``label``; ``read``, the text that was looked up; ``found`` and
            ``missing``, the words with and without a vector; ``synset``, the name of its noun
            synset where WordNet decides the vector; and ``why``. An unknown label has nothing in
            ``found``.

        Examples
        --------
        >>> from zeroshot.label_embeddings import AttributeTable
        >>> table = AttributeTable([[1, 0], [0, 1]], labels=["killer+whale", "ox"])
        >>> print(table.explain(["killer whale", "okapi"])[["label", "read", "found", "why"]])
                  label          read           found           why
        0  killer whale  killer+whale  [killer+whale]   a row of it
        1         okapi         okapi              []  no row of it
        """
        import pandas  # half a second: only where a table is made

        given = check_labels(labels, owner=type(self).__name__)
        rows = self._explain_labels(given)
        columns = ["label", *(field.name for field in fields(Explained))]
        table = [
            {"label": label, **asdict(row), "found": [*row.found], "missing": [*row.missing]}
            for label, row in zip(given.tolist(), rows, strict=True)
        ]
        return pandas.DataFrame(table, columns=columns)

    def _explain_labels(self, labels: Any) -> list[Explained]:
        """Return the rows of `explain`."""
        given = check_labels(labels, owner=type(self).__name__)
        return self._explain(self._replace(given))

    def _explain(self, labels: list[Label]) -> list[Explained]:
        """Return what is made of each label, overrides already applied."""
        known = self._covers(labels).tolist() if labels else []
        return [
            Explained(str(label), (str(label),) if has else (), why="" if has else "unknown")
            for label, has in zip(labels, known, strict=True)
        ]

    def to_config(self, labels: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a saved model keeps of this: a JSON-able dict, and arrays by name.

        These are the vectors of some labels, and the reference for all others. A class that is
        small enough to be kept whole returns its own type instead, and its parameters. A class of
        this package restores what this or `reference` returned by
        ``from_config(config, arrays, restore)``.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            The labels that a loaded model must answer without opening the reference.

        Returns
        -------
        config : dict
            JSON-able, with ``"type"``.
        arrays : dict of str to ndarray
            C-contiguous.
        """
        name = type(self).__name__
        names = self._kept_labels(np.unique(check_labels(labels, owner=name)))
        config = {
            "type": "StoredEmbedding",
            "name": name,
            "labels": names,
            "reference": self.reference(),
            "fingerprint": self.fingerprint(),
        }
        return config, {"vectors": self._embed_quietly(names)}

    def _kept_labels(self, labels: np.ndarray) -> list[Label]:
        """Return those of the labels whose vectors a saved model keeps."""
        return labels[self.covers(labels)].tolist()

    def _embed_quietly(self, labels: list[Label]) -> np.ndarray:
        """Embed strings and integers alike, without repeating the warnings that fitting gave."""
        vectors = np.empty((len(labels), self.n_dims), dtype=np.float32)
        for kind in (str, int):
            rows = [row for row, label in enumerate(labels) if isinstance(label, kind)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LabelWarning)
                vectors[rows] = self.embed([labels[row] for row in rows])
        return vectors

    def _replace(self, labels: np.ndarray) -> list[Label]:
        """Return what stands for each label; a key in decomposed Unicode is the same key."""
        if not self._overrides:
            return labels.tolist()
        written = {_written(key): text for key, text in self._overrides.items()}
        texts = [
            self._overrides.get(label, written.get(_written(label))) for label in labels.tolist()
        ]
        return [
            label if text is None else self._override(text)
            for label, text in zip(labels.tolist(), texts, strict=True)
        ]

    def _override(self, text: Any) -> Any:
        """Return what `_embed` gets for a value of `overrides`."""
        return text

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_overrides": dict(self._overrides)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Neither the mapping nor the arrays come out of a pickle read-only.
        for name, value in state.items():
            self.__dict__[name] = read_only(value) if isinstance(value, np.ndarray) else value
        self._overrides = MappingProxyType(state["_overrides"])

    def __sklearn_clone__(self: _Self) -> _Self:
        return self

    def __copy__(self: _Self) -> _Self:
        return self

    def __deepcopy__(self: _Self, memo: dict) -> _Self:
        return self


def check_overrides(
    overrides: Mapping[Any, Any] | None,
    *,
    owner: str,
    name: str = "overrides",
    example: str = "{'pickup_truck': 'truck'}",
    lists: bool = False,
) -> Mapping[Label, Any]:
    """Return `overrides` as a read-only mapping of str or int to str or int.

    `name` and `example` are for the messages. With `lists`, a value may be a list of strings too,
    and becomes `Texts`.

    Raises
    ------
    TypeError
        Not a mapping, or a key or value is neither str nor int.
    """
    if overrides is None:
        return MappingProxyType({})
    if not isinstance(overrides, Mapping):
        raise TypeError(
            f"{owner}: {name} must be a mapping of labels to what stands for them, got "
            f"{overrides!r}. Pass {name}={example}."
        )
    kinds = "strings, integers, or lists of strings" if lists else "strings or integers"
    for old, new in overrides.items():
        is_text = _is_label(new) or (lists and _is_list_of_texts(new))
        if not (_is_label(old) and is_text):
            raise TypeError(
                f"{owner}: {name} must map strings or integers to {kinds}, got {old!r}: {new!r}. "
                f"Pass {name}={example}."
            )
    return MappingProxyType({_plain(old): _plain(new) for old, new in overrides.items()})


def _is_label(value: Any) -> bool:
    return isinstance(value, (str, int, np.integer))


def _is_list_of_texts(value: Any) -> bool:
    is_list = isinstance(value, (list, tuple)) and len(value) > 0
    return is_list and all(isinstance(text, str) for text in value)


def _plain(label: Any) -> Any:
    if isinstance(label, (list, tuple)):
        return Texts(map(str, label))
    return str(label) if isinstance(label, str) else int(label)


def _written(label: Any) -> Any:
    return as_written(label) if isinstance(label, str) else label


def overrides_to_json(overrides: Mapping[Label, Any]) -> list[list[Any]]:
    """Return pairs in a fixed order: JSON's own objects would turn integer keys to strings."""
    return sorted(
        ([old, [*new] if isinstance(new, Texts) else new] for old, new in overrides.items()),
        key=lambda pair: (isinstance(pair[0], str), pair[0]),
    )


def overrides_from_json(overrides: list[list[Any]]) -> dict[Label, Any]:
    """Undo `overrides_to_json`."""
    return {old: new for old, new in overrides}


def check_finite_rows(vectors: np.ndarray, labels: list, *, owner: str) -> None:
    """Raise naming the labels whose vectors hold NaN or infinity.

    Raises
    ------
    ValueError
        A row of `vectors` is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        named = ", ".join(repr(labels[row]) for row in bad[:10])
        raise ValueError(
            f"{owner}: the vectors of {bad.size} labels hold NaN or infinity in float32 ({named}"
            f"{', ...' if bad.size > 10 else ''}). Give these labels finite vectors."
        )


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view of `array` that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def content_hash(*parts: Any) -> str:
    """Return one SHA-256 over arrays (shape, dtype and bytes) and JSON-able values.

    Examples
    --------
    >>> from zeroshot.label_embeddings._base import content_hash
    >>> content_hash("a", 1) == content_hash("a", 1) != content_hash("a1")
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            header = json.dumps([part.shape, part.dtype.str])
            digest.update(header.encode())
            digest.update(np.ascontiguousarray(part).data.cast("B"))
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
        digest.update(b"\0")
    return digest.hexdigest()
