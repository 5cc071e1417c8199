"""How sure is it? Calibration, sets of labels and rejection on classes that were never seen.

    ZEROSHOT_DATA=FOLDER python studies/confidence.py [--features bundled|archive]
        [--data-set cifar100|tiny_imagenet] [--seed N] [--splits N] [--json FILE]

Class splits are ``ClassShuffleSplit(n_splits=10, test_size=20, random_state=SEED)``. Models are
fitted to the training images of the seen classes, and judged on the images of the unseen ones,
which compete among themselves; under the generalized scenario on test images of all classes, which
compete together. Beside each figure stand its control and the model without calibration
(``temperature=0.1``), and beside the calibration error that of a simulation: as many samples, which
are right with just the probability that the model gives.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features
from label_sides import EMBEDDINGS
from sklearn.preprocessing import normalize

from zeroshot import DeViSEClassifier, ESZSLClassifier, LabelEmbedding, RejectOption
from zeroshot.datasets import load_cifar100_features
from zeroshot.evaluation._confidence import areas_of_any, calibration_errors
from zeroshot.metrics._confidence import Told, area_under_risk, reliability, risk_coverage
from zeroshot.model_selection import ClassShuffleSplit

ACCURACY, COVERAGE, N_BINS = 0.6, 0.9, 10
N_BOOTSTRAP, N_HALVES = 1000, 5
MODELS = {
    "DeViSE, ridge": lambda embedding, **options: DeViSEClassifier(
        embedding, loss="mse", **options
    ),
    "ESZSL": ESZSLClassifier,
}


def load(data_set: str, features: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unit features, class names, and which images are for training."""
    subsets = ("train", "test") if data_set == "cifar100" else ("train", "val")
    if features == "bundled":
        parts = [load_cifar100_features(subset=subset) for subset in subsets]
    else:
        parts = [archive_features(data_set, subset) for subset in subsets]
    X = np.concatenate([part.data for part in parts])
    y = np.concatenate([part.target for part in parts])
    return normalize(X), y, np.arange(len(y)) < len(parts[0].target)


class Pool:
    """Samples of all splits together, and their classes, which a bootstrap draws."""

    def __init__(self) -> None:
        self.columns: dict[str, list[np.ndarray]] = {}

    def add(self, **columns: np.ndarray) -> None:
        """Add the samples of one split."""
        for name, values in columns.items():
            self.columns.setdefault(name, []).append(np.asarray(values))

    def __getitem__(self, name: str) -> np.ndarray:
        return np.concatenate(self.columns[name])


def calibration_error(best: np.ndarray, right: np.ndarray, weights: np.ndarray) -> float:
    """Return the expected calibration error over ten bins of equal mass."""
    confidence, accuracy, mass = reliability(best, right, weights, N_BINS)
    return float(mass @ np.abs(confidence - accuracy))


def drawn_classes(y: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the class of each sample, and what bootstrap samples of all classes make them count.

    The first row is for the data. The draws are the same for all samples of one data set.
    """
    classes, codes = np.unique(y, return_inverse=True)
    n = len(names)
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=N_BOOTSTRAP)
    draws = np.concatenate([np.ones((1, n)), draws])[:, np.isin(names, classes)]
    weights = draws * np.bincount(codes)  # each sample counts once
    return codes, weights / weights.sum(axis=1, keepdims=True)


def with_interval(values: np.ndarray) -> dict[str, float]:
    """Return the figure of the data, and the 95 % interval of those of bootstrap samples."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}


def probabilities_of(pool: Pool, names: np.ndarray) -> dict[str, Any]:
    """Return the figures of probabilities, pooled over the splits."""
    results: dict[str, Any] = {}
    rng = np.random.default_rng(0)
    for name in ("ours", "plain"):
        best, right = pool[f"{name}_best"], pool[f"{name}_right"].astype(bool)
        ones = np.ones(len(best))
        simulated = [calibration_error(best, rng.random(len(best)) < best, ones) for _ in range(20)]
        coverage, risk, _ = risk_coverage(best, right, ones)
        results[name] = {
            "ece": calibration_error(best, right, ones),
            "ece_simulated": float(np.mean(simulated)),
            "mean_confidence": float(best.mean()),
            "accuracy": float(right.mean()),
            "brier": float(pool[f"{name}_square"].mean()),
            "log_loss": float(pool[f"{name}_loss"].mean()),
            "aurc": area_under_risk(coverage, risk),
            "aurc_random_rejection": float(1 - right.mean()),
        }

    codes, draws = drawn_classes(pool["label"], names)
    errors = {
        name: calibration_errors(told_of(pool, name), codes, draws) for name in ("ours", "plain")
    }
    results["ours"]["ece_interval"] = with_interval(errors["ours"])
    results["plain_ece_less_ours"] = with_interval(errors["plain"] - errors["ours"])
    return results


def told_of(pool: Pool, name: str) -> Told:
    """Return what the probabilities of a model say of all samples."""
    columns = (pool[f"{name}_{column}"] for column in ("best", "right", "true", "square"))
    best, right, true, squares = columns
    return Told(best, right.astype(bool), true, squares)


def add_told(pool: Pool, y: np.ndarray, models: Mapping[str, Any], X: np.ndarray) -> None:
    """Add what the probabilities of two models say of some samples."""
    columns: dict[str, np.ndarray] = {"label": y}
    for name, model in models.items():
        told = Told.of(y, model.predict_proba(X), model.classes_)
        columns |= {
            f"{name}_best": told.best,
            f"{name}_right": told.right,
            f"{name}_square": told.squares,
            f"{name}_true": told.true,
            f"{name}_loss": told.log_losses,
        }
    pool.add(**columns)


def run(
    X: np.ndarray,
    y: np.ndarray,
    is_train: np.ndarray,
    embedding: LabelEmbedding,
    make: Any,
    splits: ClassShuffleSplit,
) -> dict[str, Any]:
    """Return all figures of one method with one label embedding."""
    names = np.unique(y)
    unseen_pool, both_pool = Pool(), Pool()
    each: dict[str, list[float]] = {}
    differences = []
    for number, (seen_rows, unseen_rows) in enumerate(splits.split(X, y)):
        fit = seen_rows[is_train[seen_rows]]
        unseen = np.unique(y[unseen_rows])
        options = {"candidates": unseen, "scenario": "unseen"}
        ours = make(embedding, **options).fit(X[fit], y[fit])
        plain = make(embedding, temperature=0.1, **options).fit(X[fit], y[fit])
        X_new, y_new = X[unseen_rows], y[unseen_rows]
        add_told(unseen_pool, y_new, {"ours": ours, "plain": plain}, X_new)

        sets = ours.predict_set(X_new, COVERAGE)
        own = sets[np.arange(len(sets)), np.searchsorted(unseen, y_new)]
        found: dict[str, float] = {"set_coverage": own.mean(), "set_size": sets.sum(axis=1).mean()}
        for share in (0.0, 0.1):
            key = f"reject_{share:g}"
            try:
                reject = RejectOption(
                    make(embedding, **options), accuracy=ACCURACY, none_share=share
                )
                reject.fit(X[fit], y[fit])
            except ValueError:
                found[f"{key}_impossible"] = 1.0
                continue
            answered = reject.answers(X_new)
            right = ours.classes_[reject.predict_proba(X_new).argmax(axis=1)] == y_new
            # The same share of the samples, of which none is of the candidates.
            half = np.random.default_rng(number).permutation(unseen)
            few = reject.with_candidates(np.sort(half[:10]))
            outside = np.isin(y_new, half[10:])
            found |= {
                f"{key}_coverage": answered.mean(),
                f"{key}_accuracy": right[answered].mean() if answered.any() else np.nan,
                f"{key}_none_answered": few.answers(X_new[outside]).mean(),
                f"{key}_answered_of_ten": few.answers(X_new[~outside]).mean(),
            }
        best = Told.of(y_new, ours.predict_proba(X_new), ours.classes_)
        fifth = np.argsort(-best.best)[: len(y_new) // 5]
        found["accuracy"] = best.right.mean()
        found["accuracy_surest_fifth"] = best.right[fifth].mean()

        # Half of the unseen classes are taken out of the candidates, in several ways.
        codes, draws = drawn_classes(y_new, names)
        areas: dict[str, list[np.ndarray]] = {"known": [], "surest": []}
        for draw in range(N_HALVES):
            half = np.random.default_rng([number, draw]).permutation(unseen)[:10]
            view = ours.with_candidates(np.sort(half))
            said = {
                "known": view.predict_any_proba(X_new),
                "surest": view.predict_proba(X_new).max(axis=1),
            }
            for name, values in said.items():
                areas[name].append(areas_of_any(values, y_new, half, "micro", codes, draws))
        found["any_of_these"] = np.mean(areas["known"], axis=0)[0]
        found["any_of_these_by_probability"] = np.mean(areas["surest"], axis=0)[0]
        differences.append(np.mean(areas["known"], axis=0) - np.mean(areas["surest"], axis=0))
        for name, value in found.items():
            each.setdefault(name, []).append(float(value))

        options = {"candidates": names, "scenario": "generalized"}
        ours = make(embedding, **options).fit(X[fit], y[fit])
        plain = make(embedding, temperature=0.1, **options).fit(X[fit], y[fit])
        test = np.flatnonzero(~is_train)
        add_told(both_pool, y[test], {"ours": ours, "plain": plain}, X[test])
        sets = ours.predict_set(X[test], COVERAGE)
        own = sets[np.arange(len(sets)), np.searchsorted(names, y[test])]
        kinds = np.isin(y[test], unseen)
        each.setdefault("generalized_set_coverage_unseen", []).append(float(own[kinds].mean()))
        each.setdefault("generalized_set_coverage_seen", []).append(float(own[~kinds].mean()))
        each.setdefault("generalized_set_size", []).append(float(sets.sum(axis=1).mean()))
    means = {name: float(np.nanmean(values)) for name, values in each.items()}
    return {
        "unseen": probabilities_of(unseen_pool, names),
        "generalized": probabilities_of(both_pool, names),
        "means_over_splits": means,
        "each_split": each,
        "any_of_these_less_by_probability": with_interval(np.mean(differences, axis=0)),
    }


def main() -> None:
    """Measure, print, and keep what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--features", choices=("bundled", "archive"), nargs="+", default=["bundled"]
    )
    parser.add_argument("--data-set", choices=("cifar100", "tiny_imagenet"), default="cifar100")
    parser.add_argument("--seed", type=int, default=2026, help="of the class splits")
    parser.add_argument("--splits", type=int, default=10, help="how many class splits")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    results: dict[str, Any] = {
        "command": f"python studies/confidence.py --features {' '.join(arguments.features)} "
        f"--data-set {arguments.data_set} --seed {arguments.seed} --splits {arguments.splits}",
        "python": platform.python_version(),
        "figures": {},
    }
    splits = ClassShuffleSplit(n_splits=arguments.splits, test_size=20, random_state=arguments.seed)
    for features in arguments.features:
        X, y, is_train = load(arguments.data_set, features)
        names = sorted(set(y))
        sides = {
            "words": EMBEDDINGS["word vectors, label texts"](arguments.data_set, names)
            or EMBEDDINGS["word vectors, synonyms"](arguments.data_set, names),
            "words and WordNet": EMBEDDINGS["word vectors and WordNet"](arguments.data_set, names),
        }
        for side, embedding in sides.items():
            for method, make in MODELS.items():
                found = run(X, y, is_train, embedding, make, splits)
                results["figures"][f"{features}, {method}, {side}"] = found
                print(f"{features}, {method}, {side}", summary(found), sep="\n", flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rounded(results), indent=1) + "\n")


def rounded(value: Any) -> Any:
    """Return numbers with five decimals: those behind differ between machines."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 5) if isinstance(value, float) else value


def summary(found: Mapping[str, Any]) -> str:
    """Return the figures in a few lines."""
    means = found["means_over_splits"]
    lines = []
    for scenario in ("unseen", "generalized"):
        ours, plain = (found[scenario][name] for name in ("ours", "plain"))
        less = found[scenario]["plain_ece_less_ours"]
        lines.append(
            f"  {scenario}: ECE {ours['ece']:.3f} (simulated {ours['ece_simulated']:.3f}, plain "
            f"{plain['ece']:.3f}, less by {less['value']:.3f}: {less['low']:.3f} to "
            f"{less['high']:.3f}); Brier {ours['brier']:.3f} ({plain['brier']:.3f}), log loss "
            f"{ours['log_loss']:.3f} ({plain['log_loss']:.3f}), AURC {ours['aurc']:.3f} "
            f"({ours['aurc_random_rejection']:.3f} at random), accuracy {ours['accuracy']:.3f} "
            f"({plain['accuracy']:.3f})"
        )
    lines.append(
        f"  sets: coverage {means['set_coverage']:.3f}, size {means['set_size']:.2f} of 20; "
        f"generalized: unseen {means['generalized_set_coverage_unseen']:.3f}, seen "
        f"{means['generalized_set_coverage_seen']:.3f}, size {means['generalized_set_size']:.2f}"
    )
    for share in ("0", "0.1"):
        key = f"reject_{share}"
        if f"{key}_accuracy" in means:
            lines.append(
                f"  accuracy {ACCURACY} asked for, none_share {share}: "
                f"{means[f'{key}_accuracy']:.3f} at coverage {means[f'{key}_coverage']:.3f}; of "
                f"ten candidates {means[f'{key}_answered_of_ten']:.3f} are answered, of none of "
                f"them {means[f'{key}_none_answered']:.3f}"
            )
    less = found["any_of_these_less_by_probability"]
    lines.append(
        f"  any of these: {means['any_of_these']:.3f} "
        f"({means['any_of_these_by_probability']:.3f} by probability), more by "
        f"{less['value']:.3f}: {less['low']:.3f} to {less['high']:.3f}; accuracy "
        f"{means['accuracy']:.3f}, of the surest fifth {means['accuracy_surest_fifth']:.3f}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
