"""Label embeddings to JSON and arrays, and back; large ones by reference with a content hash."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zeroshot._validation import check_labels
from zeroshot.exceptions import IntegrityError, LabelWarning
from zeroshot.label_embeddings._base import (
    Label,
    LabelEmbedding,
    overrides_from_json,
    overrides_to_json,
)
from zeroshot.label_embeddings._concat import ConcatEmbedding
from zeroshot.label_embeddings._hash import HashEmbedding
from zeroshot.label_embeddings._reference import StoredEmbedding, open_reference, unknown_type
from zeroshot.label_embeddings._tables import AttributeTable, OneHotEmbedding
from zeroshot.label_embeddings._word_vectors import WordVectors
from zeroshot.label_embeddings._wordnet import WordNetEmbedding

__all__ = ["StoredEmbedding", "embedding_from_state", "embedding_to_state", "open_reference"]

State = tuple[dict[str, Any], dict[str, np.ndarray]]


def embedding_to_state(embedding: LabelEmbedding, labels: Any) -> State:
    """Return what restores a label embedding: a JSON-able dict, and arrays by name.

    Parameters
    ----------
    embedding : LabelEmbedding
        Embeddings of the package are restored exactly; of `WordVectors`, and of classes that are
        not the package's, the vectors of `labels` are stored, and a reference where there is one.
    labels : array-like of shape (n_labels,)
        The labels that must be answered without opening the reference.

    Returns
    -------
    state : dict
        JSON-able.
    arrays : dict of str to ndarray
        C-contiguous.

    Examples
    --------
    >>> from zeroshot.label_embeddings import HashEmbedding
    >>> from zeroshot.label_embeddings._stored import embedding_from_state, embedding_to_state
    >>> state, arrays = embedding_to_state(HashEmbedding(4), ["cat"])
    >>> embedding_from_state(state, arrays)
    HashEmbedding(n_dims=4, seed=0)
    """
    if isinstance(embedding, (HashEmbedding, OneHotEmbedding)):
        return embedding.reference() or {}, {}
    if isinstance(embedding, WordNetEmbedding):
        return embedding.reference(), {} if embedding.basis is None else {"basis": embedding.basis}
    if isinstance(embedding, AttributeTable):
        return _table_to_state(embedding)
    if isinstance(embedding, ConcatEmbedding):
        return _concat_to_state(embedding, labels)
    return _rows_to_state(embedding, labels)


def embedding_from_state(
    state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> LabelEmbedding:
    """Return the label embedding that `embedding_to_state` described.

    Raises
    ------
    IntegrityError
        The type is unknown, or the state is not whole.
    """
    builder = _BUILDERS.get(state.get("type", ""))
    if builder is None:
        raise unknown_type(state, _BUILDERS)
    try:
        return builder(state, arrays)
    except IntegrityError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"The state of a saved {state['type']} is damaged: {type(error).__name__}: {error}. "
            f"Save the model again."
        ) from error


def _table_to_state(table: AttributeTable) -> State:
    state = {
        "type": "AttributeTable",
        "labels": list(table.vocabulary),
        "overrides": overrides_to_json(table.overrides),
    }
    return state, {"vectors": np.ascontiguousarray(table.vectors)}


def _concat_to_state(embedding: ConcatEmbedding, labels: Any) -> State:
    states = [embedding_to_state(part, labels) for part in embedding.embeddings]
    state = {
        "type": "ConcatEmbedding",
        "weights": list(embedding.weights),
        "parts": [part for part, _ in states],
    }
    arrays = {
        f"{place}.{name}": array
        for place, (_, part_arrays) in enumerate(states)
        for name, array in part_arrays.items()
    }
    return state, arrays


def _rows_to_state(embedding: LabelEmbedding, labels: Any) -> State:
    known = np.unique(check_labels(labels, owner=type(embedding).__name__))
    if not (isinstance(embedding, WordVectors) and embedding.on_missing == "zero"):
        known = known[embedding.covers(known)]
    names, name = known.tolist(), type(embedding).__name__
    if isinstance(embedding, StoredEmbedding):
        names, name = list(dict.fromkeys([*embedding.labels, *names])), embedding.name
    state = {
        "type": "StoredEmbedding",
        "name": name,
        "labels": names,
        "reference": embedding.reference(),
        "fingerprint": embedding.fingerprint(),
    }
    return state, {"vectors": _embed_quietly(embedding, names)}


def _embed_quietly(embedding: LabelEmbedding, labels: list[Label]) -> np.ndarray:
    """Embed strings and integers alike, without repeating the warnings that fitting gave."""
    vectors = np.empty((len(labels), embedding.n_dims), dtype=np.float32)
    for kind in (str, int):
        rows = [row for row, label in enumerate(labels) if isinstance(label, kind)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelWarning)
            vectors[rows] = embedding.embed([labels[row] for row in rows])
    return vectors


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _build_stored(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> StoredEmbedding:
    options = {key: state[key] for key in ("reference", "fingerprint", "name")}
    return StoredEmbedding(list(state["labels"]), arrays["vectors"], **options)


def _build_concat(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ConcatEmbedding:
    parts = [
        embedding_from_state(part, _with_prefix(arrays, f"{place}."))
        for place, part in enumerate(state["parts"])
    ]
    return ConcatEmbedding(parts, weights=state["weights"])


def _build_wordnet(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> WordNetEmbedding:
    options = {key: state[key] for key in ("n_dims", "vocabulary")}
    overrides = overrides_from_json(state["overrides"])
    if state["n_dims"] is None:
        return WordNetEmbedding(**options, overrides=overrides)
    return WordNetEmbedding.from_basis(arrays["basis"], **options, overrides=overrides)


# The classes that a saved model may name: nothing else is ever built from one.
_BUILDERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, np.ndarray]], LabelEmbedding]] = {
    "HashEmbedding": lambda state, _: open_reference(state),
    "OneHotEmbedding": lambda state, _: open_reference(state),
    "AttributeTable": lambda state, arrays: AttributeTable(
        arrays["vectors"], state["labels"], overrides=overrides_from_json(state["overrides"])
    ),
    "ConcatEmbedding": _build_concat,
    "WordNetEmbedding": _build_wordnet,
    "StoredEmbedding": _build_stored,
}
