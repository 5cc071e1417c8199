"""Several label embeddings side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, Self

import numpy as np

from zeroshot._utils._arrays import unit_rows
from zeroshot.label_embeddings._base import (
    Arrays,
    Explained,
    Label,
    LabelEmbedding,
    Restore,
    content_hash,
)


class ConcatEmbedding(LabelEmbedding):
    """Several label embeddings, each scaled to unit length, weighted, and laid side by side.

    With v_b the vector that embedding b gives a label, the label's vector is
    ``[w_1 v_1 / |v_1|, w_2 v_2 / |v_2|, ...]``. Without the scaling, only the embedding with the
    longest vectors would decide which labels are near. A block of zeros stays zero.

    Parameters
    ----------
    embeddings : sequence of LabelEmbedding
        At least one. Each must have a vector for every label that is embedded.
    weights : sequence of float of shape (n_embeddings,), optional
        Length of each block, above 0; 1 each by default.

    Raises
    ------
    TypeError, ValueError
        `embeddings` or `weights` are not as described.

    Examples
    --------
    >>> from zeroshot.label_embeddings import AttributeTable, ConcatEmbedding, OneHotEmbedding
    >>> table = AttributeTable([[3, 4], [0, 2]], labels=["cat", "dog"])
    >>> both = ConcatEmbedding([table, OneHotEmbedding(["cat", "dog"])], weights=[1, 0.5])
    >>> both.embed(["cat"])
    array([[0.6, 0.8, 0.5, 0. ]], dtype=float32)
    """

    def __init__(
        self, embeddings: Sequence[LabelEmbedding], *, weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self._embeddings = _check_embeddings(embeddings)
        self._weights = _check_weights(weights, len(self._embeddings))

    @property
    def embeddings(self) -> tuple[LabelEmbedding, ...]:
        """The parts, in their order."""
        return self._embeddings

    @property
    def weights(self) -> tuple[float, ...]:
        """The length of each block."""
        return self._weights

    @property
    def vocabulary(self) -> Sequence[Label] | None:
        """The labels of the first part's vocabulary that all parts cover; None without one.

        The first of those parts that have a vocabulary: others, such as `SentenceEmbedding`, may
        stand before it. It is looked up anew each time, which takes ten seconds for 400,000 words.
        """
        for own in self._embeddings:
            words = getattr(own, "vocabulary", None)
            if words is None:
                continue
            kept = np.array(words[:])
            for part in self._embeddings:
                if part is not own:
                    kept = kept[part.covers(kept)]
            return kept.tolist() or None
        return None

    @property
    def n_dims(self) -> int:
        """Length of every vector: the sum of the parts' lengths."""
        return sum(part.n_dims for part in self._embeddings)

    def fingerprint(self) -> str:
        """Return the SHA-256 of what determines the vectors."""
        parts = [part.fingerprint() for part in self._embeddings]
        return content_hash("ConcatEmbedding", parts, self._weights)

    def reference(self) -> dict[str, Any] | None:
        """Return a JSON-able description, or None where a part has none."""
        parts = [part.reference() for part in self._embeddings]
        if any(part is None for part in parts):
            return None
        return {"type": "ConcatEmbedding", "parts": parts, "weights": list(self._weights)}

    def to_config(self, labels: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a saved model keeps of each part, its arrays under the part's number."""
        configs = [part.to_config(labels) for part in self._embeddings]
        config = {
            "type": "ConcatEmbedding",
            "weights": list(self._weights),
            "parts": [part for part, _ in configs],
        }
        arrays = {
            f"{place}.{name}": array
            for place, (_, part_arrays) in enumerate(configs)
            for name, array in part_arrays.items()
        }
        return config, arrays

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding of a `reference` (without arrays), or of `to_config`."""
        parts = [
            restore(part, None if arrays is None else _with_prefix(arrays, f"{place}."))
            for place, part in enumerate(config["parts"])
        ]
        return cls(parts, weights=config["weights"])

    def _embed(self, labels: list[Label]) -> np.ndarray:
        return np.hstack(
            [
                weight * unit_rows(part.embed(labels).astype(np.float64))
                for part, weight in zip(self._embeddings, self._weights, strict=True)
            ]
        )

    def _covers(self, labels: list[Label]) -> np.ndarray:
        return np.logical_and.reduce([part.covers(labels) for part in self._embeddings])

    def _explain(self, labels: list[Label]) -> list[Explained]:
        parts = [
            part._explain(part._replace(np.array(labels, dtype=object)))
            for part in self._embeddings
        ]
        return [_merged(rows) for rows in zip(*parts, strict=True)]

    def __repr__(self) -> str:
        return f"ConcatEmbedding({list(self._embeddings)!r}, weights={list(self._weights)})"


def _merged(rows: Sequence[Explained]) -> Explained:
    """Return what the parts made of one label; nothing is found unless all of them know it."""
    whole = all(row.found for row in rows)
    return Explained(
        " | ".join(dict.fromkeys(row.read for row in rows)),
        tuple(dict.fromkeys(word for row in rows for word in row.found)) if whole else (),
        tuple(dict.fromkeys(word for row in rows for word in row.missing)),
        next((row.synset for row in rows if row.synset), ""),
        ", ".join(dict.fromkeys(row.why for row in rows if row.why)),
    )


def _with_prefix(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _check_embeddings(embeddings: Any) -> tuple[LabelEmbedding, ...]:
    if isinstance(embeddings, LabelEmbedding):
        embeddings = [embeddings]
    parts = tuple(embeddings) if isinstance(embeddings, Iterable) else (embeddings,)
    others = [type(part).__name__ for part in parts if not isinstance(part, LabelEmbedding)]
    if others or not parts:
        raise TypeError(
            f"ConcatEmbedding: embeddings must be a list of LabelEmbedding objects, got "
            f"{', '.join(others) or 'an empty list'}. Pass, for example, [WordVectors(), table]."
        )
    return parts


def _check_weights(weights: Sequence[float] | None, n_parts: int) -> tuple[float, ...]:
    if weights is None:
        return (1.0,) * n_parts
    given = tuple(weights) if isinstance(weights, Iterable) else ()
    values = tuple(float(weight) for weight in given if isinstance(weight, Real))
    if len(values) != n_parts or not all(0 < value < float("inf") for value in values):
        raise ValueError(
            f"ConcatEmbedding: weights must be {n_parts} finite numbers above 0, one an embedding, "
            f"got {weights!r}."
        )
    return values
