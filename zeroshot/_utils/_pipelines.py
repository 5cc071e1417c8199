"""Access to the fitted estimator inside pipelines and hyper-parameter searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _num_samples


def unwrap(model: Any) -> Any:
    """Return the final estimator inside `model`: last pipeline step, best of a search, or itself.

    Parameters
    ----------
    model : estimator, Pipeline, search object or FrozenEstimator
        Nested in any order, such as a fitted ``GridSearchCV`` over a ``Pipeline``.

    Returns
    -------
    estimator
        The very object, not a copy.

    Raises
    ------
    NotFittedError
        A search inside `model` has no ``best_estimator_``: it is not fitted, or has
        ``refit=False``.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from zeroshot.model_selection import unwrap
    >>> unwrap(make_pipeline(StandardScaler(), Ridge()))
    Ridge()
    """
    while True:
        if isinstance(model, FrozenEstimator):
            model = model.estimator
        elif isinstance(model, Pipeline):
            model = model.steps[-1][1]
        elif is_search(model):
            model = best_of(model)
        else:
            return model


def final_and_input(model: Any, X: Any) -> tuple[Any, Any]:
    """Return the final estimator inside `model`, and `X` as that estimator receives it.

    A ``Pipeline`` forwards none but scikit-learn's own methods, so that a method of the final
    step's own has to be called on the step itself, with transformed input.

    Parameters
    ----------
    model : estimator, Pipeline or search object
        Fitted.
    X : array-like or list of length n_samples
        Input of `model`.

    Returns
    -------
    final : estimator
        As `unwrap` gives it.
    X : array-like or list of length n_samples
        Output of the steps before `final`.
    """
    while True:
        if isinstance(model, FrozenEstimator):
            model = model.estimator
        elif isinstance(model, Pipeline):
            if len(model.steps) > 1:
                X = model[:-1].transform(X)
            model = model.steps[-1][1]
        elif is_search(model):
            model = best_of(model)
        else:
            return model, X


def is_search(model: Any) -> bool:
    """Tell whether `model` is a hyper-parameter search, fitted or not."""
    # scikit-learn's successive halving, and searches of other packages, share no public base.
    return isinstance(model, (GridSearchCV, RandomizedSearchCV)) or hasattr(
        model, "best_estimator_"
    )


def best_of(search: Any) -> Any:
    """Return the refitted estimator of a search.

    Raises
    ------
    NotFittedError
        There is none.
    """
    if not hasattr(search, "best_estimator_"):
        raise NotFittedError(
            f"{type(search).__name__} has no best_estimator_. Call fit on it first, "
            "with refit=True (or the name of a metric)."
        )
    return search.best_estimator_


def raw_label_vectors(final: Any, X: Any) -> np.ndarray | None:
    """Return the raw label vectors that a fitted estimator predicts, (n_samples, n_dims), or None.

    Regressors predict them. The control that predicts the mean vector of the seen classes is a
    classifier, and has it as an attribute. What other classifiers predict lies in a space that was
    centred and scaled.
    """
    if is_regressor(final):
        vectors = np.asarray(final.predict(X))
        return vectors.reshape(len(vectors), -1)
    if getattr(final, "strategy", None) == "mean" and hasattr(final, "mean_vector_"):
        return np.tile(final.mean_vector_, (_num_samples(X), 1))
    return None
