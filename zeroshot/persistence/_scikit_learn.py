"""Saving of scikit-learn's estimators, which have no ``to_config``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sklearn.base import BaseEstimator

from zeroshot._utils._constraints import Constraint, Maybe, Number
from zeroshot._utils._fitted import (
    FITTED_FEATURES,
    Array,
    Labels,
    NumberOrNan,
    Optional,
    Plain,
    Size,
    Sizes,
)
from zeroshot._utils._saving import Config, estimator_config, made_of, parameter_names
from zeroshot.exceptions import ModelFormatError

_Table = Mapping[str, Constraint]
_FEATURES = {**FITTED_FEATURES, "n_features_in_": Size("n_features")}
_LEAST = 1e-38
"""What features may be divided by: less makes them infinite in single precision."""


def _n_rows(sizes: Sizes) -> int:
    """Return how many rows a linear classifier has: one for two classes."""
    return 1 if sizes["n_classes"] == 2 else sizes["n_classes"]


_LINEAR: _Table = {
    **_FEATURES,
    "classes_": Labels("n_classes", least=2),
    "coef_": Array(_n_rows, "n_features"),
    "intercept_": Array(_n_rows),
    "n_iter_": Optional(Plain()),  # none after partial_fit
}

FITTED: dict[str, _Table] = {
    "FrozenEstimator": {},
    "LogisticRegression": _LINEAR,
    "MinMaxScaler": {
        **_FEATURES,
        "n_samples_seen_": Plain(),
        **dict.fromkeys(("scale_", "min_"), Array("n_features")),
        **dict.fromkeys(("data_min_", "data_max_", "data_range_"), Array("n_features")),
    },
    "Normalizer": _FEATURES,
    "PCA": {
        **_FEATURES,
        "n_components_": Size("n_out"),
        "components_": Array("n_out", "n_features"),
        "mean_": Array("n_features"),
        "explained_variance_": Array("n_out", least=0),
        "explained_variance_ratio_": Array("n_out", least=0),
        "singular_values_": Array("n_out", least=0),
        "noise_variance_": NumberOrNan(),
        "n_samples_": Size("n_samples"),
        "_fit_svd_solver": Optional(Plain(str)),  # version 0.1.0 saved it
    },
    "Pipeline": {},
    "SGDClassifier": {
        **_LINEAR,
        "t_": Optional(Number(at_least=0)),
        # of an averaging one, which goes on from them
        **dict.fromkeys(("_average_coef", "_standard_coef"), Optional(Plain())),
        **dict.fromkeys(("_average_intercept", "_standard_intercept"), Optional(Plain())),
    },
    "StandardScaler": {
        **_FEATURES,
        "n_samples_seen_": Plain(),
        "mean_": Optional(Maybe(Array("n_features"))),
        "var_": Optional(Maybe(Array("n_features", least=0))),
        "scale_": Optional(Maybe(Array("n_features", above=_LEAST))),
    },
}
"""Tables of the fitted attributes. Other versions of scikit-learn may have more: plain values."""

_NOT_SAVED = {
    "PCA": ("_fit_svd_solver",),
    "SGDClassifier": ("_expanded_class_weight", "_loss_function_"),
}
"""Attributes that are made anew before they are used."""

_FIXED = {"Pipeline": "memory"}
"""Parameters that must be None: joblib's cache is made of pickles."""


def _transformer(values: Mapping[str, Any], sizes: Sizes) -> None:
    sizes.setdefault("n_out", sizes["n_features"])


def _scaler(values: Mapping[str, Any], sizes: Sizes) -> None:
    _transformer(values, sizes)
    for parameter, attribute in (("with_mean", "mean_"), ("with_std", "scale_")):
        if values.get(parameter, True) and values.get(attribute) is None:
            raise ValueError(f"StandardScaler: {attribute} is missing.")


def _frozen(values: Mapping[str, Any], sizes: Sizes) -> None:
    if not hasattr(values["estimator"], "fit"):
        raise TypeError("FrozenEstimator: estimator must be an estimator.")
    sizes.update(sizes.of(values["estimator"]))


def _pipeline(values: Mapping[str, Any], sizes: Sizes) -> None:
    """Check the steps, and that each takes as many features as the one before returns."""
    steps = values["steps"]
    if not isinstance(steps, list):
        raise TypeError("Pipeline: steps must be a list.")
    pairs = [step for step in steps if isinstance(step, (tuple, list)) and len(step) == 2]
    if not pairs or len(pairs) < len(steps) or not all(type(name) is str for name, _ in pairs):
        raise ValueError("Pipeline: steps must be pairs of a name and an estimator.")
    if len({name for name, _ in pairs}) < len(pairs) or any("__" in name for name, _ in pairs):
        raise ValueError("Pipeline: steps must have names of their own, without __.")
    width = None
    for place, (name, step) in enumerate(pairs):
        if step is None or (isinstance(step, str) and step == "passthrough"):
            continue
        last = place == len(pairs) - 1
        if not hasattr(step, "fit") or not (last or hasattr(step, "transform")):
            raise ValueError(f"Pipeline: the step {name!r} must be an estimator.")
        inner = sizes.of(step)
        takes = inner.get("n_features")
        if None not in (width, takes) and width != takes:
            raise ValueError(
                f"Pipeline: the step {name!r} takes {takes} features, and the one before returns "
                f"{width}."
            )
        if width is None and takes is not None and "n_out" not in sizes:
            sizes.setdefault("n_features", takes)
        width = inner.get("n_out")
        if width is not None:
            sizes["n_out"] = width
        if last:
            sizes.update({name: inner[name] for name in _OF_LAST if name in inner})


_OF_LAST = ("classes", "n_classes", "seen", "confidence")

TOGETHER: dict[str, Callable[[Mapping[str, Any], Sizes], None]] = {
    "FrozenEstimator": _frozen,
    "MinMaxScaler": _transformer,
    "Normalizer": _transformer,
    "PCA": _transformer,
    "Pipeline": _pipeline,
    "StandardScaler": _scaler,
}
"""What tables cannot say."""


def fitted_of(cls: type, attributes: Iterable[str]) -> _Table:
    """Return the table of a class, with plain values for fitted attributes that it does not list.

    Parameters
    ----------
    cls : type
        An estimator of scikit-learn.
    attributes : iterable of str
        Names of the attributes that an object has.
    """
    table = FITTED[cls.__name__]
    others = [name for name in attributes if name not in table and _is_fitted_name(name, cls)]
    return {**table, **dict.fromkeys(others, Plain())}


def _is_fitted_name(name: str, cls: type) -> bool:
    """Return whether a name is one of fitted attributes, and shadows nothing of the class."""
    public = name.isidentifier() and name.endswith("_") and not name.startswith("_")
    return public and not hasattr(cls, name) and name not in parameter_names(cls)


def to_config(estimator: BaseEstimator) -> Config:
    """Return the parameters and the fitted attributes of an estimator.

    Raises
    ------
    TypeError
        The estimator has a foreign attribute, or a parameter that is never saved.
    """
    name = type(estimator).__name__
    config = estimator_config(
        estimator, fitted_of(type(estimator), vars(estimator)), _NOT_SAVED.get(name, ())
    )
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
    ModelFormatError
        `config` has a parameter that is never saved.
    ValueError
        A parameter is not one that scikit-learn allows.
    """
    name = cls.__name__
    fixed = _FIXED.get(name)
    if fixed and config.params.get(fixed) is not None:
        raise ModelFormatError(
            f"A saved {name} has a {fixed}, which is never saved.", f"{name}.{fixed}"
        )
    estimator: Any = made_of(cls, config)
    if "_parameter_constraints" in vars(cls):
        estimator._validate_params()
    return estimator
