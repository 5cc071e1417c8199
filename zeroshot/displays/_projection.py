"""Many dimensions to two."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from zeroshot._optional import import_optional

METHODS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "Principal components"}


def project(
    vectors: np.ndarray, method: str, *, cosine: bool, random_state: Any, owner: str
) -> np.ndarray:
    """Return a point of the plane for each vector.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, n_dims)
        At least four rows.
    method : {"tsne", "umap", "pca"}
        How.
    cosine : bool
        Directions alone count: rows get unit length first.
    random_state : int, RandomState instance or None
        Seed.
    owner : str
        For the message where umap-learn is missing.

    Raises
    ------
    MissingDependencyError
        ``"umap"`` without the package of that name.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.displays._projection import project
    >>> project(np.eye(5), "pca", cosine=True, random_state=0, owner="demo").shape
    (5, 2)
    """
    rows = normalize(vectors) if cosine else vectors
    if rows.shape[1] < 2:
        rows = np.hstack([rows, np.zeros((len(rows), 1))])
    if method == "pca":
        return PCA(2, random_state=random_state).fit_transform(rows)
    if method == "umap":
        umap = import_optional("umap", owner=owner, extra="umap")
        neighbors = min(15, len(rows) - 1)
        # n_jobs=1 is what a seed makes of it, with a warning.
        reducer = umap.UMAP(n_neighbors=neighbors, random_state=random_state, n_jobs=1)
        return np.asarray(reducer.fit_transform(rows))
    perplexity = min(30.0, (len(rows) - 1) / 3)
    start: Any = "pca" if np.ptp(rows, axis=0).any() else "random"
    return TSNE(2, perplexity=perplexity, init=start, random_state=random_state).fit_transform(rows)
