"""Draw every display from real data, as docs/displays.md shows them.

    python studies/displays.py --output docs/figures
    python studies/displays.py --output FOLDER --preset tiny

Features of CIFAR-100 that ship with the package, the recorded studies under docs/results, and, for
the grid of images alone, the archive of CIFAR-100 in the folder that ZEROSHOT_DATA names: without
it that picture is left out. ``--preset tiny`` maps fewer images and hardly trains: a quick run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no window
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    DeViSEClassifier,
    EmbeddingRegressor,
    ESZSLClassifier,
    Training,
    WordVectors,
    evaluate_zero_shot,
)
from zeroshot.datasets import fetch_cifar100, label_texts, load_cifar100_features
from zeroshot.displays import (
    ClassConfusionDisplay,
    EmbeddingMapDisplay,
    FewShotCurveDisplay,
    LossCurveDisplay,
    NeighborCurveDisplay,
    PredictionGridDisplay,
    RelativeLossDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    SeenUnseenCurveDisplay,
    SimilarityBarDisplay,
)
from zeroshot.model_selection import ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

RESULTS = Path(__file__).parents[1] / "docs" / "results"
FEW_SHOT = (
    "random (Xavier)",
    "hard inference, K = 10",
    "soft, temperature 4, all, equal",
    "WordNet wup_nltk, K = 10",
    "nearest class mean",
    "logistic regression",
)
PRESETS: dict[str, dict[str, dict[str, int]]] = {
    "full": {},
    "tiny": {
        "embedding_map": {"max_images": 60},
        "loss_curve": {"n_folds": 2, "n_epochs": 2, "step": 60},
    },
}


@cache
def data() -> dict[str, Any]:
    """Return features of 80 seen classes to fit, and those of all 100 to test."""
    X, y = load_cifar100_features(return_X_y=True)
    held_out = np.arange(len(y)) >= len(load_cifar100_features(subset="train").target)
    splitter = ClassShuffleSplit(n_splits=1, test_size=20, random_state=0)
    is_unseen = np.isin(np.arange(len(y)), next(splitter.split(X, y))[1])
    fit = ~is_unseen & ~held_out
    names = np.unique(y)
    words = WordVectors(overrides=label_texts("cifar100"))
    vectors = AttributeTable(words.embed(names), labels=names)  # looked up once
    return {"X": X, "y": y, "names": names, "fit": fit, "is_unseen": is_unseen,
            "held_out": held_out, "vectors": vectors}  # fmt: skip


@cache
def models() -> dict[str, Any]:
    """Return two zero-shot classifiers that were fitted to the seen classes."""
    known = data()
    shared = {"label_embedding": known["vectors"], "candidates": known["names"]}
    ridge = DeViSEClassifier(**shared, loss="mse", alpha=10, gamma=2)
    found = {"DeViSE": make_pipeline(Normalizer(), ridge), "ConSE": ConSEClassifier(**shared)}
    return {
        name: model.fit(known["X"][known["fit"]], known["y"][known["fit"]])
        for name, model in found.items()
    }


def test_rows() -> tuple[np.ndarray, np.ndarray]:
    """Return the test samples of all classes."""
    known = data()
    return known["X"][known["held_out"]], known["y"][known["held_out"]]


def embedding_map(max_images: int = 2000) -> EmbeddingMapDisplay:
    """Map the label vectors that DeViSE predicts, and those of the labels."""
    model = models()["DeViSE"]
    return EmbeddingMapDisplay.from_estimator(model, *test_rows(), max_images=max_images)


def prediction_grid() -> PredictionGridDisplay:
    """Show images of unseen classes beside the labels of two models."""
    archive = fetch_cifar100(subset="test", download_if_missing=False)
    X, y = test_rows()
    firsts = [np.flatnonzero(archive.target == name)[0] for name in archive.class_names]
    unseen = np.unique(data()["y"][data()["is_unseen"]])[::3][:6]
    rows = [int(np.flatnonzero(y == name)[0]) for name in unseen]
    images = [archive.images[firsts[archive.class_names.index(name)]] for name in unseen]
    return PredictionGridDisplay.from_estimator(models(), X[rows], y[rows], images=images, k=5)


def loss_curve(n_folds: int = 5, n_epochs: int = 12, step: int = 4) -> LossCurveDisplay:
    """Train two networks on features of each `step`-th image, several class folds each."""
    known = data()
    splitter = ClassShuffleSplit(n_folds, test_size=20, random_state=0)
    folds = list(splitter.split(known["X"], known["y"]))
    histories: dict[str, list] = {}
    for name, hidden in (("linear", ()), ("one hidden layer", (128,))):
        for seen, _ in folds:
            model = EmbeddingRegressor(
                known["vectors"],
                loss="cosine",
                hidden=hidden,
                training=Training(epochs=n_epochs, device="cpu"),
                random_state=0,
            )
            model.fit(known["X"][seen][::step], known["y"][seen][::step])
            histories.setdefault(name, []).append(model.history_)
    return LossCurveDisplay.from_predictions(histories)


def relative_loss() -> RelativeLossDisplay:
    """Show the recorded errors of leaving each class out."""
    losses = json.loads((RESULTS / "demo.json").read_text())["relative_losses"].values()
    ours, control = ([loss[key] for loss in losses] for key in ("model", "mean_predictor"))
    return RelativeLossDisplay(ours, control, name="ridge on features").plot()


def seen_unseen_curve() -> SeenUnseenCurveDisplay:
    """Trade seen for unseen classes, with two models."""
    X, y = test_rows()
    display = SeenUnseenCurveDisplay.from_estimator(models()["DeViSE"], X, y, name="DeViSE")
    return SeenUnseenCurveDisplay.from_estimator(
        models()["ConSE"], X, y, name="ConSE", ax=display.ax_
    )


@cache
def new_class_models() -> dict[str, Any]:
    """Return one classifier twice, without and with a temperature from held-out classes."""
    known = data()
    new = np.unique(known["y"][known["is_unseen"]])
    options = {"candidates": new, "scenario": "unseen"}
    temperatures = {"temperature 0.1": 0.1, "from held-out classes": "auto"}
    X, y = known["X"][known["fit"]], known["y"][known["fit"]]
    return {
        name: make_pipeline(
            Normalizer(), ESZSLClassifier(known["vectors"], temperature=temperature, **options)
        ).fit(X, y)
        for name, temperature in temperatures.items()
    }


def reliability() -> ReliabilityDisplay:
    """Compare how sure a model is with how often it is right, on unseen classes."""
    X, y = (data()[name][data()["is_unseen"]] for name in ("X", "y"))
    display = None
    for name, model in new_class_models().items():
        ax = display and display.ax_
        display = ReliabilityDisplay.from_estimator(model, X, y, name=name, ax=ax)
    return display


def risk_coverage() -> RiskCoverageDisplay:
    """Show how many answers are wrong as fewer are given, on unseen classes."""
    X, y = (data()[name][data()["is_unseen"]] for name in ("X", "y"))
    model = new_class_models()["from held-out classes"]
    return RiskCoverageDisplay.from_estimator(model, X, y, name="ESZSL")


def few_shot_curve() -> FewShotCurveDisplay:
    """Show the recorded study of few images a class."""
    path = RESULTS / "similarity_transfer-cifar-100.json"
    study = json.loads(path.read_text())["results"]
    table, names = study["few images"], study["names alone"]
    scores = {
        name: {shots: cell["macro F"] for shots, cell in table[name].items()} for name in FEW_SHOT
    }
    scores["WordNet wup_nltk, K = 10"][0] = names["WordNet wup_nltk, K = 10"]["macro F"]
    return FewShotCurveDisplay.from_predictions(scores, metric="macro F-score, untrained heads")


def similarity_bar() -> SimilarityBarDisplay:
    """Compare a softmax over the seen classes with zero-shot models, on unseen classes."""
    known = data()
    X, y, fit, unseen = known["X"], known["y"], known["fit"], known["is_unseen"]
    softmax = make_pipeline(Normalizer(), LogisticRegression(C=100, max_iter=300))
    softmax.fit(X[fit], y[fit])
    compared = {"softmax, seen labels only": softmax, **models()}
    return SimilarityBarDisplay.from_estimator(
        compared, X[unseen], y[unseen], label_embedding=known["vectors"]
    )


def hit_bar() -> SimilarityBarDisplay:
    """Compare both models in hit@5, with intervals over classes."""
    results = {
        name: evaluate_zero_shot(model, *test_rows(), random_state=0)
        for name, model in models().items()
    }
    return SimilarityBarDisplay.from_evaluations(results, figure="hit_at_5")


def neighbor_curve() -> NeighborCurveDisplay:
    """Show the recorded F-scores against K."""
    path = RESULTS / "similarity_transfer-cifar-100.json"
    study = json.loads(path.read_text())["results"]
    scores = {name: curves for name, curves in study["neighbors"].items() if name != "K"}
    grid = study["neighbors"]["K"]["K"]
    return NeighborCurveDisplay(grid, scores, n_classes=study["relations"]).plot()


def class_confusion() -> ClassConfusionDisplay:
    """Show what DeViSE takes for what, seen and unseen classes together."""
    synsets = class_synsets("cifar100")
    return ClassConfusionDisplay.from_estimator(models()["DeViSE"], *test_rows(), synsets=synsets)


PICTURES: dict[str, Callable[[], Any]] = {
    "embedding_map": embedding_map,
    "prediction_grid": prediction_grid,
    "loss_curve": loss_curve,
    "relative_loss": relative_loss,
    "seen_unseen_curve": seen_unseen_curve,
    "reliability": reliability,
    "risk_coverage": risk_coverage,
    "few_shot_curve": few_shot_curve,
    "similarity_bar": similarity_bar,
    "hit_bar": hit_bar,
    "neighbor_curve": neighbor_curve,
    "class_confusion": class_confusion,
}


def main(output: str, only: list[str] | None = None, preset: str = "full") -> list[Path]:
    """Draw the pictures into a folder, and return their paths."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name in only or list(PICTURES):
        try:
            display = PICTURES[name](**PRESETS[preset].get(name, {}))
        except FileNotFoundError as error:
            print(f"{name}: left out, {error}")
            continue
        drawn.append(folder / f"{name}.png")
        display.figure_.savefig(drawn[-1], dpi=100)
        plt.close(display.figure_)
        print(drawn[-1])
    return drawn


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", required=True, help="folder for the pictures")
    parser.add_argument("--only", nargs="*", choices=list(PICTURES), help="some of them")
    parser.add_argument("--preset", choices=PRESETS, default="full")
    arguments = parser.parse_args()
    main(arguments.output, arguments.only, arguments.preset)
