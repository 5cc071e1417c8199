"""The vectors of WordNet's glosses that ship with the package, read once and shared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np

from zeroshot._utils._arrays import unit_rows
from zeroshot.label_embeddings._base import read_only


@dataclass(frozen=True)
class GlossTable:
    """One reduced text vector for each of WordNet's 82,115 noun synsets.

    The text is ``"X, X', a kind of Y, Z: gloss"``. Vectors of the text model are reduced to their
    first principal components and kept as int8 (``tools/build_gloss_vectors.py``).

    Attributes
    ----------
    codes : ndarray of int8 of shape (n_synsets, n_components)
        The components of each synset's vector, in steps; rows follow the noun graph.
    step : float
        What one step of `codes` is.
    mean : ndarray of float32 of shape (n_dims,)
        Of the text model's vectors over all synsets.
    components : ndarray of float32 of shape (n_components, n_dims)
        The principal directions, orthonormal.
    model_digest : str
        Of the files of the text model: no other model's vectors lie in this space.
    digest : str
        SHA-256 of the file.
    """

    codes: np.ndarray
    step: float
    mean: np.ndarray
    components: np.ndarray
    model_digest: str
    digest: str

    def rows(self, nodes: np.ndarray) -> np.ndarray:
        """Return the vectors of synsets, float32 (n_nodes, n_components)."""
        return self.codes[nodes] * np.float32(self.step)

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors of the text model in this space, (n_vectors, n_components).

        They are scaled to unit length first, as those of the glosses were.
        """
        return (unit_rows(vectors.astype(np.float64)) - self.mean) @ self.components.T


@cache
def gloss_table() -> GlossTable:
    """Return the table, read at the first call."""
    content = files("zeroshot.label_embeddings").joinpath("data/gloss_vectors.npz").read_bytes()
    stored = dict(np.load(BytesIO(content), allow_pickle=False))
    return GlossTable(
        codes=read_only(stored["codes"]),
        step=float(stored["step"]),
        mean=read_only(stored["mean"]),
        components=read_only(stored["components"]),
        model_digest=str(stored["model_digest"]),
        digest=hashlib.sha256(content).hexdigest(),
    )
