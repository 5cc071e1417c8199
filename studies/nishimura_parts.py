"""The parts of the Tiny ImageNet study that train networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from nishimura_answers import (
    Answers,
    both_label_sets,
    centred_when_scored,
    cifar_labels,
    controls,
    in_both_sets,
    of_model,
    similarity,
    top_labels,
    validation_figures,
    zero_shot_figures,
)
from nishimura_training import KS, SEED, TrainingPlan, Workshop, key
from sklearn.preprocessing import normalize

from zeroshot import ConSEClassifier, DeViSEClassifier, vocabulary_words

MARGINS = (0.0, 0.1, 1.0)
LOSSES = ("hinge", "cosine_margin")
_ALPHAS = (0.1, 1.0, 10.0, 100.0)
JOINT_IDEAS: dict[str, dict[str, Any]] = {
    "cosine loss": {"loss": "cosine"},
    "cosine margin, centred": {"center": True},
    "hinge, centred": {"loss": "hinge", "center": True},
}
"""What else DeViSE was tried with, beside the published loss, uncentred, margin 0.1."""
FROZEN_IDEAS: dict[str, dict[str, Any]] = {
    "cosine margin": {"loss": "cosine_margin"},
    "cosine margin, weight decay 1": {"loss": "cosine_margin", "training__weight_decay": 1.0},
    "cosine margin, centred": {"loss": "cosine_margin", "center": True},
    "cosine": {"loss": "cosine"},
    "hinge": {"loss": "hinge"},
    "hinge, centred": {"loss": "hinge", "center": True},
    **{f"ridge, alpha {alpha:g}": {"loss": "mse", "alpha": alpha} for alpha in _ALPHAS},
    **{
        f"ridge, alpha {alpha:g}, centred": {"loss": "mse", "alpha": alpha, "center": True}
        for alpha in _ALPHAS
    },
    **{
        f"ridge, alpha {alpha:g}, centred, gamma 2": {
            "loss": "mse",
            "alpha": alpha,
            "center": True,
            "gamma": 2.0,
        }
        for alpha in _ALPHAS
    },
}
"""The same on the features of the softmax network, which then stays as it is: the first of the two
stages of Frome et al., and seconds each."""
NOUNS = {
    "n_most_frequent": 20_000,
    "part_of_speech": "noun",
    "stop_words": "english",
    "alphabetic": True,
    "min_length": 3,
}
PICTURES = 8


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    Attributes
    ----------
    main : TrainingPlan
        Of the softmax network.
    joint : TrainingPlan
        Of DeViSE, which starts from it.
    curves : TrainingPlan
        Of the four softmax networks with and without dropout and augmentation.
    short : TrainingPlan
        Of each loss, margin and idea, started from the main network.
    n_test : int
        Images a class for validation, and of CIFAR-100.
    """

    main: TrainingPlan
    joint: TrainingPlan
    curves: TrainingPlan
    short: TrainingPlan
    n_test: int


def published(shop: Workshop, plan: Plan) -> DeViSEClassifier:
    """Return DeViSE as published: cosine-margin loss, margin 0.1, one fully connected layer."""
    return shop.devise(plan.joint, shop.softmax(plan.main), start_key=key(asdict(plan.main)))


def learning_curves(shop: Workshop, plan: Plan) -> dict[str, Any]:
    """Return the histories of the networks with and without dropout and augmentation."""
    results = {}
    for dropout in (0.4, 0.0):
        for augmentation in ("crop_flip", None):
            name = f"dropout {dropout:g}, {augmentation or 'no augmentation'}"
            options = {"dropout": dropout, "augmentation": augmentation}
            results[name] = shop.kept(
                f"curve {name}",
                [asdict(plan.curves), plan.n_test, options],
                lambda options=options: shop.softmax(plan.curves, **options).history_,
            )
    return results


def hit_rates(shop: Workshop, plan: Plan) -> dict[str, Any] | None:
    """Return the histories of softmax and DeViSE, with hit@k on validation images."""

    def compute() -> dict[str, Any]:
        models = {"softmax": shop.softmax(plan.main), "DeViSE": published(shop, plan)}
        n = plan.main.n_classes
        return {
            "chance": {f"hit@{k}": k / n for k in KS if k <= n},
            **{name: model.history_ for name, model in models.items()},
        }

    return shop.kept("hits", _parameters(plan), compute)


def losses(shop: Workshop, plan: Plan) -> dict[str, Any]:
    """Return the figures of the two losses with each margin, all trained as briefly."""
    return {
        f"{loss}, margin {margin:g}": _short(shop, plan, {"loss": loss, "margin": margin})
        for loss in LOSSES
        for margin in MARGINS
    }


def joint_ideas(shop: Workshop, plan: Plan) -> dict[str, Any]:
    """Return the figures of what else was tried end to end, each as briefly trained."""
    return {name: _short(shop, plan, options) for name, options in JOINT_IDEAS.items()}


def frozen_ideas(shop: Workshop, plan: Plan) -> dict[str, Any] | None:
    """Return the figures of maps from the features of the softmax network."""

    def compute() -> dict[str, Any]:
        inputs = _features(shop, plan)
        X, y = inputs("train"), shop.features("train", plan.main)[1]
        rows = {}
        for name, options in FROZEN_IDEAS.items():
            model = DeViSEClassifier(shop.words, center=False, random_state=SEED)
            model.set_params(training__epochs=5, **options).fit(X, y)
            rows[name] = _both(shop, plan, of_model(model, inputs))
        return rows

    return shop.kept("frozen", [asdict(plan.main), plan.n_test, FROZEN_IDEAS], compute)


def _short(shop: Workshop, plan: Plan, options: dict[str, Any]) -> dict[str, Any] | None:
    def compute() -> dict[str, Any]:
        start_key = key(asdict(plan.main))
        model = shop.devise(plan.short, shop.softmax(plan.main), start_key=start_key, **options)
        return {
            "loss": model.history_[-1]["loss"],
            **_both(shop, plan, of_model(model, _images(shop, plan))),
        }

    made_of = [asdict(plan.main), plan.n_test, asdict(plan.short), options]
    return shop.kept("short", made_of, compute)


def _images(shop: Workshop, plan: Plan) -> Callable[[str], np.ndarray]:
    return lambda subset: shop.images(subset, plan.main)[0]


def _features(shop: Workshop, plan: Plan, *, unit: bool = True) -> Callable[[str], np.ndarray]:
    def inputs(subset: str) -> np.ndarray:
        features = shop.features(subset, plan.main)[0]
        return normalize(features) if unit else features

    return inputs


def _both(shop: Workshop, plan: Plan, answers: Answers) -> dict[str, Any]:
    """Return figures on validation images, by which to choose, and on those of CIFAR-100."""
    y, of_cifar = (shop.images(subset, plan.main)[1] for subset in ("validation", "CIFAR-100"))
    seen = np.unique(y)
    scores = answers.project("validation") @ answers.places(seen).T
    vectors = answers.project("CIFAR-100")
    return {
        "validation": validation_figures(scores, y, shop.words),
        "CIFAR-100": zero_shot_figures(answers, vectors, of_cifar, seen, shop.words),
    }


def _models(shop: Workshop, plan: Plan) -> Iterator[tuple[str, Answers]]:
    """Yield everything fully trained that can answer with labels it was not trained on."""
    softmax, devise = shop.softmax(plan.main), published(shop, plan)
    inputs, images = _features(shop, plan, unit=False), _images(shop, plan)
    for center in (False, True):
        conse = ConSEClassifier(softmax.source_head_, shop.words, center=center).fit()
        yield f"softmax with ConSE{', centred' if center else ''}", of_model(conse, inputs)
    yield "DeViSE", of_model(devise, images)
    yield "DeViSE, centred when scored", centred_when_scored(devise, images, shop.words)


def transfer(shop: Workshop, plan: Plan) -> dict[str, Any] | None:
    """Return similarities and hits on CIFAR-100, controls, and some answers side by side."""

    def compute() -> dict[str, Any]:
        rows = {name: _both(shop, plan, answers) for name, answers in _models(shop, plan)}
        seen, y = shop.softmax(plan.main).classes_, shop.images("CIFAR-100", plan.main)[1]
        return {
            "models": rows,
            "softmax": _softmax_figures(shop, plan),
            "controls": controls(y, seen, shop.words),
            "labels in both sets": cifar_labels()[in_both_sets(cifar_labels(), seen)].tolist(),
            "answers": _side_by_side(shop, plan, y),
        }

    return shop.kept("transfer", [_parameters(plan), NOUNS, PICTURES], compute)


def _softmax_figures(shop: Workshop, plan: Plan) -> dict[str, Any]:
    """Return what the softmax network has, which can only answer with labels of Tiny ImageNet."""
    head = shop.softmax(plan.main).source_head_
    X, y = shop.features("validation", plan.main)
    figures = {"validation": validation_figures(head.predict_proba(X), y, shop.words)}
    X, y = shop.features("CIFAR-100", plan.main)
    top = top_labels(head.predict_proba(X), head.labels)
    apart = ~in_both_sets(y, head.labels)
    figures["CIFAR-100"] = {"similarity@3": similarity(y, top, apart, shop.words)}
    return figures


def _side_by_side(shop: Workshop, plan: Plan, y: np.ndarray) -> list[dict[str, Any]]:
    """Return the top answers to the first image of some classes, spread evenly over all."""
    head = shop.softmax(plan.main).source_head_
    chosen = np.linspace(0, len(cifar_labels()) - 1, PICTURES).astype(int)
    rows = [int(np.flatnonzero(y == label)[0]) for label in cifar_labels()[chosen]]
    vocabularies = {
        "CIFAR-100": cifar_labels(),
        "both label sets": both_label_sets(head.labels),
        "nouns": np.sort(vocabulary_words(shop.words, **NOUNS)),
    }
    X = shop.features("CIFAR-100", plan.main)[0][rows]
    known = top_labels(head.predict_proba(X), head.labels)
    table: list[dict[str, Any]] = [
        {"row": row, "label": str(y[row]), "softmax": own.tolist()}
        for row, own in zip(rows, known, strict=True)
    ]
    for name, answers in _models(shop, plan):
        vectors = answers.project("CIFAR-100")[rows]
        for title, labels in vocabularies.items():
            best = top_labels(vectors @ answers.places(labels).T, labels)
            for entry, own in zip(table, best, strict=True):
                entry.setdefault(name, {})[title] = own.tolist()
    return table


def _parameters(plan: Plan) -> list[Any]:
    return [asdict(plan.main), asdict(plan.joint), plan.n_test]
