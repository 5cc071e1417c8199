"""Table of the classes that a saved model may contain. Nothing else is imported.

Public classes of the package are found by the stubs of their parts; the others are listed here.
"""

from __future__ import annotations

import importlib
from typing import Any

# They have no state to save.
INTERFACES = {
    "CandidateClassifier",
    "EmbeddingClassifier",
    "LabelEmbedding",
    "LearnsFromSums",
    "LinearSystem",
    "RidgeSolution",
    "Similarity",
}
INSIDE = {
    "BlendRule": "zeroshot.estimators._few_shot:BlendRule",
    "RegressionPart": "zeroshot.estimators._few_shot_regression:RegressionPart",
    "ClassKernel": "zeroshot.estimators._class_regression:ClassKernel",
    "ClassRegression": "zeroshot.estimators._class_regression:ClassRegression",
    "ColumnZScore": "zeroshot.estimators._hubness:ColumnZScore",
    "Confidence": "zeroshot.estimators._confidence:Confidence",
    "CrossDomainScaling": "zeroshot.estimators._hubness:CrossDomainScaling",
    "ImageNetwork": "zeroshot.networks._image_network:ImageNetwork",
    "LabelSpace": "zeroshot.estimators._label_space:LabelSpace",
    "RowSums": "zeroshot._linear:RowSums",
    "Taxonomy": "zeroshot.taxonomy:Taxonomy",
}
"""What stands inside the package's own estimators."""

SCIKIT_LEARN = {
    "FrozenEstimator": "sklearn.frozen:FrozenEstimator",
    "LogisticRegression": "sklearn.linear_model:LogisticRegression",
    "MinMaxScaler": "sklearn.preprocessing:MinMaxScaler",
    "Normalizer": "sklearn.preprocessing:Normalizer",
    "PCA": "sklearn.decomposition:PCA",
    "Pipeline": "sklearn.pipeline:Pipeline",
    "SGDClassifier": "sklearn.linear_model:SGDClassifier",
    "StandardScaler": "sklearn.preprocessing:StandardScaler",
}


def _public(*parts: str) -> dict[str, str]:
    """Return a mapping from name to module and class for public classes of some parts."""
    homes = [f"zeroshot.{part}" for part in parts]
    return {
        name: f"{home}:{name}"
        for home in homes
        for name in importlib.import_module(home).__all__
        if name[0].isupper() and name not in INTERFACES
    }


CLASSES = {
    **_public("backbones", "estimators", "model_selection", "networks", "similarity"),
    **INSIDE,
    **SCIKIT_LEARN,
}
"""Name to module and class, of all but label embeddings."""

EMBEDDINGS = {
    **_public("label_embeddings"),
    "StoredEmbedding": "zeroshot.persistence._label_embeddings:StoredEmbedding",
}
"""Label embeddings that a saved model may hold whole, or name, to be opened again."""


def find_class(home: str) -> Any:
    """Import and return a class of a table, by its module and name there."""
    module, _, name = home.partition(":")
    return getattr(importlib.import_module(module), name)


def class_name(value: object) -> str | None:
    """Return the table's name for the class of `value`, or None. Subclasses do not count."""
    name = type(value).__name__
    return name if name in CLASSES and find_class(CLASSES[name]) is type(value) else None
