"""Pseudo-random label vectors: no meaning, no files, the same on every platform."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from zeroshot._utils._validation import check_number
from zeroshot.label_embeddings._base import Arrays, Label, LabelEmbedding, Restore, content_hash

MAX_DIMS = 2**16
_TERMS = 4  # uniform 16-bit terms added up for one near-Gaussian figure
_VARIANCE = _TERMS * (2**32 - 1) / 12


class HashEmbedding(LabelEmbedding):
    """Pseudo-random vectors made from a hash of the label; any label has one.

    They carry no meaning: unrelated to every other label's, and of about unit length. For tests,
    examples, and as the control that a meaningful embedding must beat. Each figure is a sum of
    four 16-bit uniform integers from SHA-256, scaled: near-Gaussian, and, being integer
    arithmetic up to one correctly rounded division, the same to the last bit on every platform.

    Parameters
    ----------
    n_dims : int, default=16
        Length of the vectors, at least 1.
    seed : int, default=0
        Another seed gives other vectors.

    Examples
    --------
    >>> from zeroshot.label_embeddings import HashEmbedding
    >>> embedding = HashEmbedding(n_dims=4)
    >>> embedding.embed(["cat", "dog", "cat"]).shape
    (3, 4)
    >>> bool((embedding.embed(["cat"]) == embedding.embed(["dog", "cat"])[1]).all())
    True
    """

    def __init__(self, n_dims: int = 16, *, seed: int = 0) -> None:
        super().__init__()
        for name, value, least in (("n_dims", n_dims, 1), ("seed", seed, 0)):
            check_number(value, owner="HashEmbedding", name=name, at_least=least, integer=True)
        if n_dims > MAX_DIMS:
            raise ValueError(
                f"HashEmbedding: n_dims must be at most {MAX_DIMS:,}, got {n_dims!r}. More "
                "dimensions make random vectors no more different."
            )
        self._n_dims = int(n_dims)
        self._seed = int(seed)

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return self._n_dims

    def fingerprint(self) -> str:
        """Return the SHA-256 of what determines the vectors."""
        return content_hash("HashEmbedding", self._n_dims, self._seed)

    def reference(self) -> dict[str, Any]:
        """Return a JSON-able description from which this can be opened again."""
        return {"type": "HashEmbedding", "n_dims": self._n_dims, "seed": self._seed}

    def to_config(self, labels: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the parameters: they are all there is."""
        return self.reference(), {}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding of a `reference` (without arrays), or of `to_config`."""
        return cls(config["n_dims"], seed=config["seed"])

    def _embed(self, labels: list[Label]) -> np.ndarray:
        return np.stack([hash_vector(label, self._n_dims, self._seed) for label in labels])

    def _covers(self, labels: list[Label]) -> np.ndarray:
        return np.ones(len(labels), dtype=bool)

    def __repr__(self) -> str:
        return f"HashEmbedding(n_dims={self._n_dims}, seed={self._seed})"


def hash_vector(label: Label, n_dims: int, seed: int) -> np.ndarray:
    """Return the float32 vector of shape (n_dims,) that SHA-256 draws for `label` and `seed`."""
    kind = "str" if isinstance(label, str) else "int"
    n_bytes = n_dims * _TERMS * 2
    stream = b"".join(
        hashlib.sha256(f"{seed}:{block}:{kind}:{label}".encode("utf-8", "surrogatepass")).digest()
        for block in range(-(-n_bytes // 32))
    )
    terms = np.frombuffer(stream[:n_bytes], dtype="<u2").astype(np.int64).reshape(n_dims, _TERMS)
    centred = terms.sum(axis=1) - _TERMS * (2**16 - 1) / 2
    return (centred / np.sqrt(n_dims * _VARIANCE)).astype(np.float32)
