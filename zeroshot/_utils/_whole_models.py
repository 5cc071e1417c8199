"""Other candidates and best labels of whole models: pipelines, searches, or classifiers alone."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from zeroshot._utils._pipelines import best_of, final_and_input, is_search


def with_candidates(model: Any, labels: Any) -> Any:
    """Return a view of a fitted model that chooses among other candidates; nothing is refitted.

    Parameters
    ----------
    model : estimator, Pipeline, search object or FrozenEstimator
        Fitted, with a zero-shot classifier as its final step; of a search, the best estimator
        is taken.
    labels : array-like of shape (n_labels,)
        The new candidate vocabulary.

    Returns
    -------
    estimator, Pipeline or FrozenEstimator
        ``final.with_candidates(labels)``, in a pipeline with the very same fitted steps before
        it if `model` has some, and frozen if `model` is. `model` itself stays as it is.

    Raises
    ------
    TypeError
        The final step has no ``with_candidates``.
    NotFittedError
        A search without ``best_estimator_``, or a pipeline or estimator that is not fitted.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator, ClassifierMixin
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from zeroshot.model_selection import with_candidates
    >>> class Classifier(ClassifierMixin, BaseEstimator):
    ...     def __init__(self, candidates=None):
    ...         self.candidates = candidates
    ...     def with_candidates(self, labels):
    ...         return Classifier(labels)
    >>> model = make_pipeline(StandardScaler(), Classifier())
    >>> view = with_candidates(model, ["okapi", "quoll"])
    >>> view[-1]
    Classifier(candidates=['okapi', 'quoll'])
    >>> view[0] is model[0]
    True
    """
    if isinstance(model, FrozenEstimator):
        return FrozenEstimator(with_candidates(model.estimator, labels))
    if is_search(model):
        return with_candidates(best_of(model), labels)
    if isinstance(model, Pipeline):
        name, final = model.steps[-1]
        # A shallow copy keeps the pipeline's own class and settings, and shares its steps.
        view = copy.copy(model)
        view.steps = [*model.steps[:-1], (name, with_candidates(final, labels))]
        return view
    if not hasattr(model, "with_candidates"):
        raise TypeError(
            f"with_candidates: {type(model).__name__} cannot choose among other candidates. Pass a "
            "fitted zero-shot classifier such as DeViSEClassifier, or a Pipeline or search that "
            "ends in one."
        )
    return model.with_candidates(labels)


def predict_top_k(model: Any, X: Any, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return the k best labels of each sample, and their scores, best first.

    A ``Pipeline`` forwards only scikit-learn's own methods. This calls `predict_top_k` of its final
    step on transformed samples.

    Parameters
    ----------
    model : estimator, Pipeline, search object or FrozenEstimator
        Fitted, with a zero-shot classifier as its final step.
    X : array-like or list of length n_samples
        Input of `model`.
    k : int, default=5
        Number of labels, at most that of the candidates.

    Returns
    -------
    labels : ndarray of shape (n_samples, k)
        Best first.
    scores : ndarray of shape (n_samples, k)
        Their scores.

    Raises
    ------
    TypeError
        The final step has no ``predict_top_k``.
    ValueError
        `k` is not an integer from 1 to the number of candidates.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import Normalizer
    >>> from zeroshot import AttributeTable, NearestLabelClassifier
    >>> from zeroshot.model_selection import predict_top_k
    >>> table = AttributeTable([[1, 0], [0, 1], [1, 1]], labels=["horse", "stripes", "zebra"])
    >>> nearest = NearestLabelClassifier(table, candidates=["horse", "stripes", "zebra"])
    >>> model = make_pipeline(Normalizer(), nearest).fit([[1, 0]], ["horse"])
    >>> labels, scores = predict_top_k(model, [[3.0, 2.0]], k=2)
    >>> labels.tolist(), scores.round(2).tolist()
    ([['zebra', 'horse']], [[0.98, 0.83]])
    """
    final, rows = final_and_input(model, X)
    if not hasattr(final, "predict_top_k"):
        raise TypeError(
            f"predict_top_k: {type(final).__name__} has no best labels. Pass a fitted zero-shot "
            "classifier such as DeViSEClassifier, or a Pipeline or search that ends in one."
        )
    return final.predict_top_k(rows, k)
