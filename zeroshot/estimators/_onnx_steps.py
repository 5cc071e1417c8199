"""ONNX graphs of models: pipelines, members and classifiers of scikit-learn.

An estimator of this package adds its scores to a graph in ``_add_scores``. This module has what is
not an estimator of this package, and what several of them need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._pipelines import best_of, is_search, unwrap
from zeroshot.backbones import SourceHead


def cannot_export(model: Any, why: str) -> TypeError:
    """Return the error for a model that ONNX cannot hold.

    Parameters
    ----------
    model : object
        The model, or the part of it that is in the way.
    why : str
        The reason, and what to do about it.
    """
    return TypeError(f"{type(model).__name__} cannot be exported to ONNX: {why}")


def add_scores(graph: Graph, model: Any, X: str) -> str:
    """Add the scores of a fitted model, (n, n_classes), and return their name.

    Parameters
    ----------
    graph : Graph
        What they are added to.
    model : estimator, Pipeline, search object or FrozenEstimator
        The model.
    X : str
        Name of its input; if it begins with a backbone, of the features.

    Raises
    ------
    TypeError
        ONNX cannot hold the model.
    """
    from sklearn.linear_model import LogisticRegression, SGDClassifier

    X = _add_steps(graph, model, X)
    final = unwrap(model)
    if hasattr(final, "_add_scores"):
        return final._add_scores(graph, X)
    if isinstance(final, SourceHead):
        return graph.affine(X, final.coef.T, final.intercept)
    if isinstance(final, (LogisticRegression, SGDClassifier)):
        scores = graph.affine(X, final.coef_.T, final.intercept_)
        # Of two classes, scikit-learn has the score of the second alone.
        return graph("Mul", scores, np.array([-0.5, 0.5])) if len(final.coef_) == 1 else scores
    raise cannot_export(
        final, "it has no scores of labels. Export a classifier of zeroshot, or a pipeline of one."
    )


def add_scores_of(graph: Graph, view: Any, X: str, labels: np.ndarray) -> str:
    """Add the scores of `labels` by a member, as `scores_of` computes them."""
    scores = add_scores(graph, view, X)
    classes = np.asarray(view.classes_)
    if len(classes) == 2:
        scores = graph("Sub", scores, graph.mean(scores))
    if np.array_equal(classes, labels):
        return scores
    order = np.argsort(classes, kind="stable")
    return graph.columns(scores, order[np.searchsorted(classes, labels, sorter=order)])


def add_logits(graph: Graph, model: Any, X: str) -> str:
    """Add scores whose softmax is ``predict_proba``.

    Raises
    ------
    TypeError
        The probabilities of this model are not the softmax of its scores.
    """
    from sklearn.linear_model import LogisticRegression

    final = unwrap(model)
    if isinstance(final, SourceHead) or (
        isinstance(final, LogisticRegression) and _is_softmax(final)
    ):
        return add_scores(graph, model, X)
    raise cannot_export(
        final,
        "its probabilities are not the softmax of linear scores. Pass a SourceHead or "
        "LogisticRegression() as classifier.",
    )


def _is_softmax(model: Any) -> bool:
    one_for_each = model.solver == "liblinear" or getattr(model, "multi_class", "auto") == "ovr"
    return len(model.classes_) == 2 or not one_for_each


def _add_steps(graph: Graph, model: Any, X: str) -> str:
    """Add the steps of pipelines before the final estimator, as `unwrap` finds it."""
    while True:
        if isinstance(model, FrozenEstimator):
            model = model.estimator
        elif isinstance(model, Pipeline):
            for _, step in model.steps[:-1]:
                X = _add_step(graph, step, X)
            model = model.steps[-1][1]
        elif is_search(model):
            model = best_of(model)
        else:
            return X


def _add_step(graph: Graph, step: Any, X: str) -> str:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

    step = unwrap(step)
    if hasattr(step, "_add_output"):
        return step._add_output(graph, X)
    if isinstance(step, Normalizer):
        if step.norm == "l2":
            return graph.unit_rows(X)
        op = "ReduceL1" if step.norm == "l1" else "ReduceMax"
        size = graph("Abs", X) if step.norm == "max" else X
        return graph("Div", X, graph.or_one(graph(op, size, np.array([-1]), keepdims=1)))
    if isinstance(step, StandardScaler):
        if step.with_mean:
            X = graph("Sub", X, step.mean_)
        return graph("Div", X, step.scale_) if step.with_std else X
    if isinstance(step, MinMaxScaler):
        X = graph("Add", graph("Mul", X, step.scale_), step.min_)
        return graph("Clip", X, *map(np.array, map(float, step.feature_range))) if step.clip else X
    if isinstance(step, PCA):
        coef = step.components_.T
        if step.whiten:
            scale = np.sqrt(step.explained_variance_)
            coef = coef / np.maximum(scale, np.finfo(scale.dtype).eps)
        return graph("MatMul", graph("Sub", X, step.mean_), coef)
    raise cannot_export(
        step,
        "of scikit-learn's steps, Normalizer, StandardScaler, MinMaxScaler and PCA can be. Leave "
        "it out of the pipeline, or put one of these in its place.",
    )
