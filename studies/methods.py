"""The methods that the studies here compare, each with what is chosen for it, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import (
    ALEClassifier,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    ESZSLClassifierCV,
    LabelEmbedding,
    PrototypeRegressionClassifier,
    SAEClassifier,
    SJEClassifier,
)
from zeroshot.estimators import CandidateClassifier
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassKFold, unwrap


class KeptLogisticRegression(LogisticRegression):
    """Logistic regression that is fitted once for the same images and labels.

    ConSE's classifier knows no label vectors: label embeddings and numbers of guesses share it.
    """

    _kept: ClassVar[dict[str, dict[str, Any]]] = {}

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit, or take over what was fitted before."""
        key = joblib.hash((self.get_params(), X, y, sample_weight))
        if key not in self._kept:
            self._kept[key] = dict(vars(super().fit(X, y, sample_weight)))
        vars(self).update(self._kept[key])
        return self


@dataclass(frozen=True)
class Method:
    """A classifier without its labels, and values of its parameters to choose from.

    Attributes
    ----------
    classifier : CandidateClassifier
        Not fitted; one with a parameter ``cv`` chooses for itself.
    grid : mapping of str to sequence
        Parameters of the classifier.
    label_side : str
        The parameter that takes the label embedding.
    """

    classifier: CandidateClassifier
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    label_side: str = "label_embedding"


# The ranges are such that the best value of the first split's folds, of seen classes only, was not
# at an end, as a rule.
TRAINED = {"training__weight_decay": (3.0, 20.0)}
METHODS = {
    "DeViSE": Method(DeViSEClassifier(random_state=0), TRAINED),
    "DeViSE, squared error": Method(DeViSEClassifier(loss="mse"), {"alpha": (1.0, 3.0, 10.0)}),
    "DeViSE, squared error, gamma": Method(
        DeViSEClassifier(loss="mse"), {"alpha": (1.0, 3.0, 10.0), "gamma": (1.0, 2.0, 3.0)}
    ),
    "ConSE": Method(ConSEClassifier(KeptLogisticRegression(max_iter=1000)), {"n_top": (1, 3, 10)}),
    "ESZSL": Method(ESZSLClassifierCV()),
    "SAE": Method(SAEClassifier(), {"encoder_weight": (0.3, 1.0, 3.0, 10.0)}),
    "ALE": Method(ALEClassifier(random_state=0), TRAINED),
    "SJE": Method(SJEClassifier(random_state=0), TRAINED),
    # These choose their penalty by leaving out one class at a time.
    "prototypes": Method(PrototypeRegressionClassifier(), label_side="kernels"),
    "prototypes, whitened": Method(
        PrototypeRegressionClassifier(),
        {"shrinkage": (0.7, 0.85, 0.95, 0.99)},
        label_side="kernels",
    ),
    "control: best constant": Method(DummyZeroShotClassifier(strategy="constant")),
    "control: random label": Method(DummyZeroShotClassifier(strategy="random", random_state=0)),
}


def quick(method: Method) -> Method:
    """Return `method` with little training and two values a parameter, to see that it runs."""
    classifier = clone(method.classifier)
    if hasattr(classifier, "training"):
        classifier.set_params(training__epochs=2)
    grid = {name: values[:2] for name, values in method.grid.items()}
    return replace(method, classifier=classifier, grid=grid)


def fit_best(
    method: Method, label_embedding: LabelEmbedding, X: np.ndarray, y: np.ndarray, folds: ClassKFold
) -> tuple[Any, dict[str, Any]]:
    """Fit a method to unit rows, its parameters chosen by folds of the classes in `y`.

    In each fold the held-out classes compete among themselves. Nothing of any other class enters,
    not even its name.

    Returns
    -------
    model : Pipeline or GridSearchCV
        Fitted to all of X; its candidates are the classes of `y`, none of which is unseen, so that
        it waits for others: ``with_candidates(model, names)``.
    chosen : dict
        The parameters.
    """
    classifier = clone(method.classifier).set_params(
        **{method.label_side: label_embedding}, candidates=np.unique(y), scenario="unseen"
    )
    chooses_itself = "cv" in classifier.get_params()
    if chooses_itself:
        classifier.set_params(cv=folds)
    model = make_pipeline(Normalizer(), classifier)
    if not method.grid:
        final = unwrap(model.fit(X, y))
        names = list(final.cv_results_["params"][0]) if chooses_itself else []
        return model, {name: getattr(final, f"{name}_") for name in names}
    step = f"{model.steps[-1][0]}__"
    search = GridSearchCV(
        model,
        {f"{step}{name}": list(values) for name, values in method.grid.items()},
        scoring=SCORERS["unseen_accuracy"],
        cv=folds,
        error_score="raise",
    ).fit(X, y)
    return search, {name.split("__")[-1]: value for name, value in search.best_params_.items()}
