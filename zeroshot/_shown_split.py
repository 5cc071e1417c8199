"""One class split of the demo, image by image: what the figures are means of."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from zeroshot.displays._map_vectors import predicted_vectors
from zeroshot.displays._projection import project


def shown_split(model: Pipeline, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return what a model answers for images of classes that it never saw, and a map of them.

    Parameters
    ----------
    model : Pipeline
        Fitted, ending in `DeViSEClassifier`, with the unseen classes on offer.
    X : ndarray of shape (n_samples, n_features)
        Features of images.
    y : ndarray of shape (n_samples,)
        Their classes.

    Returns
    -------
    shown : dict
        JSON-able: ``y``, the ``answers``, and a map: ``points`` (of the images) and
        ``label_points`` (of ``label_names``, the model's classes), and the ``seen_classes``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from zeroshot import DeViSEClassifier, HashEmbedding
    >>> from zeroshot._shown_split import shown_split
    >>> X, y = np.eye(6), ["ant", "bee", "cat", "dog", "eel", "fox"]
    >>> devise = DeViSEClassifier(HashEmbedding(8), loss="mse", candidates=y, scenario="unseen")
    >>> model = make_pipeline(devise).fit(X[:3], y[:3])
    >>> shown = shown_split(model, X[3:], np.array(y[3:]))
    >>> len(shown["points"]), shown["label_names"]
    (3, ['ant', 'bee', 'cat', 'dog', 'eel', 'fox'])
    """
    vectors, of_labels = predicted_vectors(model, X, y, owner="demo")
    both = np.vstack([vectors, of_labels["label_vectors"]])
    points = project(both, "tsne", cosine=True, random_state=0, owner="demo").round(2).tolist()
    return {
        "y": y.tolist(),
        "answers": model.predict(X).tolist(),
        "points": points[: len(y)],
        "label_points": points[len(y) :],
        "label_names": of_labels["label_names"].tolist(),
        "seen_classes": of_labels["seen_classes"].tolist(),
    }
