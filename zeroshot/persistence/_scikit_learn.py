"""Saving of scikit-learn's estimators, which have no ``to_config``."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from zeroshot._utils._saving import Config, estimator_config, made_of
from zeroshot.exceptions import IntegrityError

_PRIVATE = {
    "PCA": ("_fit_svd_solver",),
    "SGDClassifier": (
        *("_average_coef", "_average_intercept"),
        *("_standard_coef", "_standard_intercept"),
    ),
}
"""Fitted attributes that do not end in an underscore: of an averaging `SGDClassifier`, which goes
on from them, and what version 0.1.0 saved of a PCA."""

_NOT_SAVED = {
    "PCA": ("_fit_svd_solver",),
    "SGDClassifier": ("_expanded_class_weight", "_loss_function_"),
}
"""Attributes that are made anew before they are used."""

_FIXED = {"Pipeline": "memory"}
"""Parameters that must be None: joblib's cache is made of pickles."""


def to_config(estimator: BaseEstimator) -> Config:
    """Return the parameters and the fitted attributes of an estimator.

    Raises
    ------
    TypeError
        The estimator has a foreign attribute, or a parameter that is never saved.
    """
    name = type(estimator).__name__
    config = estimator_config(estimator, _PRIVATE.get(name, ()), _NOT_SAVED.get(name, ()))
    fixed = _FIXED.get(name)
    if fixed and config.params[fixed] is not None:
        raise TypeError(
            f"save: {name} has {fixed}={config.params[fixed]!r}, which is not saved. Call "
            f"set_params({fixed}=None) before saving."
        )
    return config


def from_config(cls: type, config: Config) -> Any:
    """Return the estimator that `to_config` described.

    Raises
    ------
    IntegrityError
        `config` has names that the class does not have, or a parameter that is never saved.
    """
    name = cls.__name__
    fixed = _FIXED.get(name)
    if fixed and config.params.get(fixed) is not None:
        raise IntegrityError(f"A saved {name} has a {fixed}, which is never saved.")
    return made_of(cls, config, _PRIVATE.get(name, ()))
