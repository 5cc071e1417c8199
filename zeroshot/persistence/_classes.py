"""The classes that a saved model may name, and what of each is saved."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from sklearn.base import BaseEstimator

from zeroshot.persistence._networks import network_arrays

CLASSES = {
    "ALEClassifier": "zeroshot.estimators:ALEClassifier",
    "BlendRule": "zeroshot.estimators._blend:BlendRule",
    "CalibratedStacking": "zeroshot.estimators:CalibratedStacking",
    "ClassKFold": "zeroshot.model_selection:ClassKFold",
    "ClassShuffleSplit": "zeroshot.model_selection:ClassShuffleSplit",
    "ColumnZScore": "zeroshot.estimators._hubness:ColumnZScore",
    "ConSEClassifier": "zeroshot.estimators:ConSEClassifier",
    "CrossDomainScaling": "zeroshot.estimators._hubness:CrossDomainScaling",
    "DeViSEClassifier": "zeroshot.estimators:DeViSEClassifier",
    "DummyZeroShotClassifier": "zeroshot.estimators:DummyZeroShotClassifier",
    "ESZSLClassifier": "zeroshot.estimators:ESZSLClassifier",
    "ESZSLClassifierCV": "zeroshot.estimators:ESZSLClassifierCV",
    "EmbeddingRegressor": "zeroshot.estimators:EmbeddingRegressor",
    "EmbeddingRegressorCV": "zeroshot.estimators:EmbeddingRegressorCV",
    "EnsembleZeroShotClassifier": "zeroshot.estimators:EnsembleZeroShotClassifier",
    "FewShotClassifier": "zeroshot.estimators:FewShotClassifier",
    "FineTuneClassifier": "zeroshot.estimators:FineTuneClassifier",
    "FrozenEstimator": "sklearn.frozen:FrozenEstimator",
    "GeneralizedClassKFold": "zeroshot.model_selection:GeneralizedClassKFold",
    "ImageNetwork": "zeroshot.networks._image_network:ImageNetwork",
    "InferenceSimilarity": "zeroshot.similarity:InferenceSimilarity",
    "LabelSpace": "zeroshot.estimators._label_space:LabelSpace",
    "LeaveOneClassOut": "zeroshot.model_selection:LeaveOneClassOut",
    "LogisticRegression": "sklearn.linear_model:LogisticRegression",
    "MinMaxScaler": "sklearn.preprocessing:MinMaxScaler",
    "MixtureSimilarity": "zeroshot.similarity:MixtureSimilarity",
    "NearestLabelClassifier": "zeroshot.estimators:NearestLabelClassifier",
    "Normalizer": "sklearn.preprocessing:Normalizer",
    "OpenCLIPFeatures": "zeroshot.backbones:OpenCLIPFeatures",
    "OpenLabelClassifier": "zeroshot.estimators:OpenLabelClassifier",
    "PCA": "sklearn.decomposition:PCA",
    "Pipeline": "sklearn.pipeline:Pipeline",
    "PredefinedClassSplit": "zeroshot.model_selection:PredefinedClassSplit",
    "RowSums": "zeroshot._linear:RowSums",
    "SAEClassifier": "zeroshot.estimators:SAEClassifier",
    "SGDClassifier": "sklearn.linear_model:SGDClassifier",
    "SJEClassifier": "zeroshot.estimators:SJEClassifier",
    "SimpNet": "zeroshot.networks:SimpNet",
    "SimilarityClassifier": "zeroshot.estimators:SimilarityClassifier",
    "SimilarityInitializer": "zeroshot.estimators:SimilarityInitializer",
    "SoftmaxClassifier": "zeroshot.estimators:SoftmaxClassifier",
    "SourceHead": "zeroshot.backbones:SourceHead",
    "StandardScaler": "sklearn.preprocessing:StandardScaler",
    "TimmFeatures": "zeroshot.backbones:TimmFeatures",
    "TinyImageNetCNN": "zeroshot.networks:TinyImageNetCNN",
    "Training": "zeroshot.networks:Training",
    "WordNetSimilarity": "zeroshot.similarity:WordNetSimilarity",
    "WordVectorSimilarity": "zeroshot.similarity:WordVectorSimilarity",
}
"""Name to module and class: nothing else is ever imported or called for a saved model.

Label embeddings have a table of their own, in ``zeroshot.label_embeddings._stored``.
"""

PRIVATE = {
    "EmbeddingRegressor": {"_y_ndim"},
    "EmbeddingRegressorCV": {"_y_ndim"},
    "OpenCLIPFeatures": {"_seed", "_n_features_out"},
    "PCA": {"_fit_svd_solver"},
    "SGDClassifier": {
        "_average_coef",
        "_average_intercept",
        "_standard_coef",
        "_standard_intercept",
    },
    "TimmFeatures": {"_seed", "_n_features_out"},
}
"""Fitted attributes that do not end in an underscore, by class."""

DERIVED = {
    "DeViSEClassifier": {"_progress"},
    "EmbeddingRegressor": {"_progress"},
    "FineTuneClassifier": {"_progress"},
    "SGDClassifier": {"_expanded_class_weight", "_loss_function_"},
    "SoftmaxClassifier": {"_progress"},
}
"""Attributes that are not saved, by class: made anew before they are used, or an optimiser's state,
without which training goes on from the same weights."""

NETWORKS = {"ImageNetwork", "SimpNet", "TinyImageNetCNN"}
"""Classes that are torch modules: their weights are saved beside their parameters."""

OF_THE_RUN = {"callbacks": None, "checkpoint": None, "init_from": None}
"""Parameters that belong to a run of training, not to the model, and what is saved of them."""

FIXED: dict[str, dict[str, Any]] = {
    "ImageNetwork": {"weights": None, "image_shape": None},
    "Pipeline": {"memory": None},
}
"""Parameters with one permitted value, by class: a network brings its weights, and joblib's cache
is made of pickles."""

_OUTPUT_CONFIG = "_sklearn_output_config"  # what set_output leaves


def find_class(name: str) -> type:
    """Import and return a class of the table.

    Raises
    ------
    KeyError
        The table has no such name.
    """
    module, _, attribute = CLASSES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def class_name(value: object) -> str | None:
    """Return the table's name for the class of `value`, or None; a subclass is another class."""
    name = type(value).__name__
    return name if name in CLASSES and find_class(name) is type(value) else None


def parameter_names(cls: type) -> list[str]:
    """Return the names of the constructor's parameters."""
    return list(inspect.signature(cls).parameters)


def is_fitted_attribute(name: str, cls: type) -> bool:
    """Tell whether `name` may be set on an instance of `cls` beside its parameters.

    Fitted attributes end in one underscore and do not begin with one, but for those in `PRIVATE`.
    What the class itself defines is never shadowed.
    """
    public = name.isidentifier() and name.endswith("_") and not name.startswith("_")
    known = public or name == _OUTPUT_CONFIG or name in PRIVATE.get(cls.__name__, ())
    return known and not hasattr(cls, name) and name not in parameter_names(cls)


def parameters_of(value: Any) -> dict[str, Any]:
    """Return the constructor's parameters of an object, by name."""
    params = {name: getattr(value, name) for name in parameter_names(type(value))}
    return params | {name: OF_THE_RUN[name] for name in OF_THE_RUN.keys() & params.keys()}


def attributes_of(value: Any) -> dict[str, Any]:
    """Return what fitting has set on an estimator, less what it makes again by itself.

    Raises
    ------
    TypeError
        An attribute is not one that a saved model may have.
    """
    if type(value).__name__ in NETWORKS:
        return network_arrays(value)
    if not isinstance(value, BaseEstimator):
        return {}  # immutable: the constructor's parameters are all there is
    cls = type(value)
    derived = {"_sklearn_version", *parameter_names(cls), *DERIVED.get(cls.__name__, ())}
    state = {name: item for name, item in value.__getstate__().items() if name not in derived}
    unknown = [name for name in state if not is_fitted_attribute(name, cls)]
    if unknown:
        raise TypeError(
            f"save: {cls.__name__} has attributes that are not its own: "
            f"{', '.join(map(repr, unknown))}. Delete them (del estimator.{unknown[0]}) before "
            "saving."
        )
    return state
