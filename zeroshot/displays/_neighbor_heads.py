"""Heads with other numbers of neighbours than a fitted one, and how classes relate to sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from zeroshot._pipelines import unwrap
from zeroshot.displays._checks import check_mapping, plural
from zeroshot.estimators import SimilarityInitializer
from zeroshot.estimators._neighbors import neighbor_grid


def named_initializers(estimator: Any, *, owner: str) -> dict[str, Any]:
    """Return estimators by name: a dict as it is, a single one by its similarity."""
    if not isinstance(estimator, Mapping):
        similarity = getattr(unwrap(estimator), "similarity", None)
        known = similarity if isinstance(similarity, str) else type(similarity).__name__
        estimator = {known: estimator}
    return check_mapping(estimator, owner=owner, name="estimator", holds="initializers")


def heads_by_neighbors(
    initializer: Any, neighbors: Any, *, owner: str
) -> dict[int, SimilarityInitializer]:
    """Return heads with the same similarities as a fitted one, for each K.

    Raises
    ------
    TypeError
        It is no `SimilarityInitializer`.
    ValueError
        It mixes images into its rows, or a K is none.
    """
    if not isinstance(initializer, SimilarityInitializer):
        raise TypeError(
            f"{owner}: estimator must be a SimilarityInitializer, or end in one, got "
            f"{type(initializer).__name__}. Pass predictions to from_predictions."
        )
    check_is_fitted(initializer)
    if initializer.mixture is not None:
        raise ValueError(
            f"{owner}: estimator has mixture={initializer.mixture!r}: its rows are made of images "
            "too. Pass one with mixture=None."
        )
    n_sources = initializer.similarity_.shape[1]
    grid = neighbor_grid(n_sources) if neighbors is None else np.ravel(neighbors).tolist()
    same = clone(initializer).set_params(
        similarity=initializer.similarity_, candidates=initializer.classes_
    )
    return {k: clone(same).set_params(n_neighbors=k).fit() for k in grid}


def relation_of_each(
    classes: np.ndarray, relations: Mapping[Any, str], *, owner: str
) -> np.ndarray:
    """Return the relation of each class.

    Raises
    ------
    ValueError
        A class has none.
    """
    lacking = [label for label in classes.tolist() if label not in relations]
    if lacking:
        raise ValueError(
            f"{owner}: relations has nothing for {plural(len(lacking), 'class')}, such as "
            f"{lacking[0]!r}. See zeroshot.taxonomy.relations(classes, sources)."
        )
    return np.array([str(relations[label]) for label in classes.tolist()])
