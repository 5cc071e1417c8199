"""The vectors of images and of labels that a fitted estimator has for a map."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils.validation import check_is_fitted

from zeroshot._pipelines import final_and_input
from zeroshot._validation import check_labels


def predicted_vectors(
    estimator: Any, X: Any, y: Any, *, owner: str
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the label vectors that are predicted for X, and vectors and names of the labels.

    Raises
    ------
    TypeError
        `estimator` predicts no label vectors.
    """
    final, features = final_and_input(estimator, X)
    check_is_fitted(final)
    seen = getattr(final, "seen_classes_", None)
    if hasattr(final, "class_vectors_") and hasattr(final, "transform"):
        vectors, names = final.transform(features), final.classes_
        label_vectors = final.class_vectors_
    elif is_regressor(final) and seen is not None:
        vectors = np.asarray(final.predict(features))
        names = np.union1d(seen, check_labels(y, owner=owner, name="y"))
        label_vectors = final.label_vectors(names)
    else:
        raise TypeError(
            f"{owner}: {type(final).__name__} predicts no label vectors. Pass a classifier "
            "such as DeViSEClassifier, or features to from_predictions."
        )
    return vectors, {"label_vectors": label_vectors, "label_names": names, "seen_classes": seen}
