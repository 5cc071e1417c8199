"""The linear classifier at the end of a pretrained network, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

import numpy as np
from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags, check_array

from zeroshot._utils._constraints import Maybe
from zeroshot._utils._fitted import Array, Labels
from zeroshot._utils._saving import Saved
from zeroshot._utils._validation import check_labels


def _frozen(array: np.ndarray) -> np.ndarray:
    """Return a C-contiguous copy of `array` that cannot be written to."""
    array = np.array(array, order="C")
    array.setflags(write=False)
    return array


class SourceHead(Saved):
    """A pretrained network's own classifier, ``scores = X @ coef.T + intercept``.

    It is always fitted and never changes: cloning returns the object itself, and ``fit`` does
    nothing. It can be used wherever a fitted classifier with probabilities is expected.

    Parameters
    ----------
    coef : array-like of shape (n_classes, n_features)
        One row of weights per class.
    intercept : array-like of shape (n_classes,)
        One offset per class.
    labels : array-like of shape (n_classes,)
        Class names. For a head trained on ImageNet, these are synonym lists such as ``"tench, Tinca
        tinca"``; two classes of ImageNet are called ``"crane"``.
    wnids : array-like of shape (n_classes,), optional
        The WordNet identifier of each class, such as ``"n01440764"``.

    Attributes
    ----------
    coef, intercept, labels, wnids : ndarray
        The parameters, read-only.
    classes_ : ndarray of shape (n_classes,)
        `labels`, in the order of the score columns, which may be unsorted.
    n_features_in_ : int
        Width of the input features.

    Raises
    ------
    ValueError
        The shapes of `coef`, `intercept`, `labels` and `wnids` do not fit together, or a weight
        is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.backbones import SourceHead
    >>> head = SourceHead(np.eye(2), np.zeros(2), ["cat", "dog"])
    >>> head.predict([[1.0, 3.0]]).tolist()
    ['dog']
    >>> head.predict_proba([[1.0, 3.0]]).round(2).tolist()
    [[0.12, 0.88]]
    >>> head
    SourceHead(n_classes=2, n_features=2)
    """

    __slots__ = ("__weakref__", "coef", "intercept", "labels", "wnids")
    _constraints: ClassVar[Mapping[str, Any]] = {
        "coef": Array("n_classes", "n_features"),
        "intercept": Array("n_classes"),
        "labels": Labels("n_classes", is_sorted=False, least=1),
        "wnids": Maybe(Labels("n_classes", is_sorted=False, kind="wnids")),
    }

    coef: np.ndarray
    intercept: np.ndarray
    labels: np.ndarray
    wnids: np.ndarray | None

    def __init__(self, coef: Any, intercept: Any, labels: Any, wnids: Any = None) -> None:
        coef = check_array(coef, dtype=[np.float64, np.float32], input_name="coef")
        intercept = check_array(
            intercept, dtype=coef.dtype, ensure_2d=False, input_name="intercept"
        )
        if intercept.shape != (len(coef),):
            raise ValueError(
                f"SourceHead: intercept must have shape ({len(coef)},), one number for each row "
                f"of coef, got {intercept.shape}."
            )
        values = {"coef": coef, "intercept": intercept}
        for name, names in {"labels": labels, "wnids": wnids}.items():
            if names is None and name == "wnids":
                continue
            values[name] = check_labels(names, owner="SourceHead", name=name)
            if len(values[name]) != len(coef):
                raise ValueError(
                    f"SourceHead: {name} names {len(values[name])} classes, but coef has "
                    f"{len(coef)} rows. Pass one of {name} for each row of coef."
                )
        for name, value in values.items():
            object.__setattr__(self, name, _frozen(value))
        if wnids is None:
            object.__setattr__(self, "wnids", None)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"SourceHead cannot be changed: make a new one instead of setting {name}."
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"SourceHead cannot be changed: {name} cannot be deleted.")

    def __reduce__(self) -> tuple:
        return type(self), (self.coef, self.intercept, self.labels, self.wnids)

    def __repr__(self) -> str:
        return f"SourceHead(n_classes={len(self.labels)}, n_features={self.n_features_in_})"

    def __sklearn_clone__(self) -> SourceHead:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=False),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(),
            requires_fit=False,
        )

    @property
    def classes_(self) -> np.ndarray:
        """The labels, in the order of the score columns."""
        return self.labels

    @property
    def n_features_in_(self) -> int:
        """Width of the input features."""
        return self.coef.shape[1]

    def fit(self, X: Any = None, y: Any = None) -> SourceHead:
        """Do nothing: the head was fitted when the network was trained.

        Parameters
        ----------
        X, y : ignored
            Present for scikit-learn's interface.

        Returns
        -------
        SourceHead
            The object itself.
        """
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the score of every class: the network's logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the network that the head was cut from.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            One column per class, in the order of `classes_`. Two classes have two columns, because
            these are logits and not a signed distance.

        Raises
        ------
        ValueError
            `X` is not 2-D, holds NaN or infinity, or has another width than `coef`.
        """
        X = check_array(X, dtype=[np.float64, np.float32], input_name="X")
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"SourceHead: X has {X.shape[1]} features, but the head takes "
                f"{self.n_features_in_}. Pass features of the network that it was cut from, or "
                "use project() for features given as principal components."
            )
        return X @ self.coef.T.astype(X.dtype, copy=False) + self.intercept.astype(X.dtype)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the softmax of the scores.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the network that the head was cut from.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities; each row sums to one.

        Raises
        ------
        ValueError
            As `decision_function`.
        """
        scores = self.decision_function(X)
        np.exp(scores - scores.max(axis=1, keepdims=True), out=scores)
        return np.divide(scores, scores.sum(axis=1, keepdims=True), out=scores)

    def predict(self, X: Any) -> np.ndarray:
        """Return the label with the highest score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the network that the head was cut from.

        Returns
        -------
        ndarray of shape (n_samples,)
            One of `labels` for each row.

        Raises
        ------
        ValueError
            As `decision_function`.
        """
        return self.labels[self.decision_function(X).argmax(axis=1)]

    def project(self, components: Any, mean: Any = None) -> SourceHead:
        """Return the head for compressed features ``z``, where ``x = z @ components + mean``.

        Parameters
        ----------
        components : array-like of shape (n_components, n_features)
            Components such as ``PCA.components_``. If the features are stored as integers, multiply
            each component by its scale.
        mean : array-like of shape (n_features,), optional
            Mean such as ``PCA.mean_``; zero if None.

        Returns
        -------
        SourceHead
            A head that takes ``z`` of shape (n_samples, n_components) and returns the scores of
            ``x``.

        Raises
        ------
        ValueError
            `components` or `mean` has another width than `coef`.

        Examples
        --------
        >>> import numpy as np
        >>> from zeroshot.backbones import SourceHead
        >>> head = SourceHead(np.eye(3), np.zeros(3), ["ant", "bee", "cat"])
        >>> z, components, mean = np.array([[2.0]]), np.array([[0.0, 1.0, 0.0]]), np.ones(3)
        >>> head.project(components, mean).decision_function(z).tolist()
        [[1.0, 3.0, 1.0]]
        """
        coef = self.coef.astype(np.float64)
        components = check_array(components, dtype=np.float64, input_name="components")
        width = self.n_features_in_
        mean = np.zeros(width) if mean is None else np.asarray(mean, dtype=np.float64)
        if components.shape[1] != width or mean.shape != (width,):
            raise ValueError(
                f"SourceHead: project needs components of shape (n_components, {width}) and mean "
                f"of shape ({width},), got {components.shape} and {mean.shape}. Pass the "
                "components of this network's own features."
            )
        return SourceHead(
            (coef @ components.T).astype(self.coef.dtype),
            (self.intercept + coef @ mean).astype(self.coef.dtype),
            self.labels,
            self.wnids,
        )
