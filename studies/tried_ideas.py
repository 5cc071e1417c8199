"""Ideas for figures that are not reached: what each gives on development data.

    ZEROSHOT_DATA=FOLDER python studies/tried_ideas.py --json docs/results/tried_ideas.json
    ZEROSHOT_DATA=FOLDER python studies/tried_ideas.py --only few-shot

No class here is one that is reported:

- Photos of ImageNet classes that the head lost, as in ``open_labels_choice.py``: another row of
  weights for a class than `HeadRegressionClassifier` predicts, in ``zeroshot predict``.
- Few images of each of Tiny ImageNet's 200 classes, none of which the head keeps: another image
  part or prior than those of `FewShotClassifier`. Each idea stands at the best weight of the prior
  for these images, the first row too, so that figures are what a rule for the weight could reach.
- The 40 training classes of Animals with Attributes 1, a fifth of them left out at a time.
"""

from __future__ import annotations

import argparse
import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from described_classes import joined
from few_shot_prior import Study, priors, tiny_imagenet
from open_labels_choice import PRESETS, Task, imagenet_tasks
from scipy.linalg import cho_solve
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from zeroshot import (
    ESZSLClassifierCV,
    GlossEmbedding,
    HeadRegressionClassifier,
    HierarchicalEmbedding,
    OpenLabelClassifier,
    PrototypeRegressionClassifier,
    TimmFeatures,
)
from zeroshot.datasets import fetch_awa1
from zeroshot.estimators._class_regression import ClassKernel, positive_part, scaled_to
from zeroshot.estimators._few_shot import ClassDirections
from zeroshot.estimators._head_regression import rows_of_head
from zeroshot.estimators._within_class import whitened, within_class_whitening
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import hit_at_k_score
from zeroshot.model_selection import ClassKFold

Rows = Callable[[HeadRegressionClassifier], np.ndarray]
PRIOR_WEIGHTS = (0.0, 0.15, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5)
IMAGES, N_DRAWS = (1, 2, 5, 10), 2


def kernels_of(model: HeadRegressionClassifier) -> tuple[np.ndarray, np.ndarray]:
    """Return the mixed kernel among the head's classes, and that of the candidates with them."""
    pairs = zip(model.kernels, model.regression_.kernels, model.regression_.weights, strict=True)
    among, across = 0.0, 0.0
    for measure, kernel, weight in pairs:
        labels, wnids = model.head.labels, model.head.wnids
        among += weight * ClassKernel.of_sources(measure, labels, wnids, model.gamma, owner="")[1]
        across += weight * kernel.rows(model.classes_, owner="")[0]
    return np.asarray(among), np.asarray(across)


def head_rows(model: HeadRegressionClassifier) -> tuple[np.ndarray, np.ndarray]:
    """Return the head's rows with their offsets, less their mean, and the mean."""
    rows = np.column_stack([model.head.coef, model.head.intercept]).astype(np.float64)
    return rows - rows.mean(axis=0), rows.mean(axis=0)


def predicted(model: HeadRegressionClassifier) -> np.ndarray:
    """Return what regression adds to the mean row for each candidate, before it is scaled."""
    return model.regression_.predict(model.classes_, owner="")


def by_spread(model: HeadRegressionClassifier) -> np.ndarray:
    """Return predicted rows that tell the head's own rows apart as much as these do."""
    rows, _ = head_rows(model)
    found = predicted(model)
    spread = (found[:, :-1] @ rows[:, :-1].T).std(axis=1, keepdims=True)
    return found / spread * (rows[:, :-1] @ rows[:, :-1].T).std(axis=1).mean()


def with_relatives(model: HeadRegressionClassifier) -> np.ndarray:
    """Return the sum of predicted rows and the mean of the rows of the 20 nearest classes."""
    rows, _ = head_rows(model)
    length = float(np.linalg.norm(rows, axis=1).mean())
    _, across = kernels_of(model)
    near = np.argsort(-across, axis=1)[:, :20]
    weights = np.maximum(np.take_along_axis(across, near, axis=1), 0) ** 2
    relatives = np.stack([w @ rows[places] for w, places in zip(weights, near, strict=True)])
    both = scaled_to(predicted(model), length) + scaled_to(relatives, length)
    return scaled_to(both, length)


def away_from_hubs(model: HeadRegressionClassifier) -> np.ndarray:
    """Return predicted rows less a quarter of the mean of the ten nearest rows of the head."""
    rows, _ = head_rows(model)
    length = float(np.linalg.norm(rows, axis=1).mean())
    found = scaled_to(predicted(model), length)
    near = np.argsort(-(normalize(found) @ normalize(rows).T), axis=1)[:, :10]
    return scaled_to(found - 0.25 * rows[near].mean(axis=1), length)


def own_penalties(model: HeadRegressionClassifier) -> np.ndarray:
    """Return rows with a penalty for each of 200 principal directions, by left-out classes."""
    rows, _ = head_rows(model)
    among, across = kernels_of(model)
    values, Q = positive_part(among)
    directions = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :200]
    targets = rows @ directions
    projected, best = Q.T @ targets, np.full(targets.shape[1], np.inf)
    found = np.zeros((len(across), targets.shape[1]))
    for alpha in (0.01, 0.1, 1.0, 10.0):
        shrunk = values / (values + alpha)
        leverage = 1 / len(rows) + (Q * Q) @ shrunk
        left_out = (targets - (Q * shrunk) @ projected) / (1 - leverage)[:, None]
        errors = np.square(left_out).sum(axis=0)
        better = errors < best
        best[better] = errors[better]
        found[:, better] = (across @ Q / (values + alpha)) @ projected[:, better]
    return found @ directions.T


def with_kinds(model: HeadRegressionClassifier) -> np.ndarray:
    """Return rows by one more kernel: glosses averaged with those of what classes are kinds of."""
    path, glosses, words = model.kernels
    kinds = HierarchicalEmbedding(GlossEmbedding(on_missing="raise"))
    four = HeadRegressionClassifier(
        model.head,
        [path, glosses, kinds, words],
        weights=[2, 1, 1, 1],
        alpha=0.1,
        candidates=model.classes_,
    )
    return predicted(four.fit())


HIDDEN: dict[str, tuple[Rows, bool]] = {
    "as it is": (predicted, True),
    "rows as long as they come": (predicted, False),
    "length by how rows tell the head's apart": (by_spread, False),
    "beside the mean of 20 relatives": (with_relatives, False),
    "away from hubs": (away_from_hubs, False),
    "a penalty for each direction": (own_penalties, True),
    "glosses of kinds as a fourth kernel": (with_kinds, True),
}
"""Rows less the mean row, and whether they are scaled to the head's mean length."""


def hidden(sets: dict[str, list[Task]]) -> dict[str, dict[str, float]]:
    """Return top-1 and hit@5 of photos of hidden classes, by idea."""
    hits: dict[str, dict[str, list[float]]] = {title: {} for title in HIDDEN}
    for name, tasks in sets.items():
        for task in tasks:
            model = OpenLabelClassifier(task.head, candidates=task.candidates).fit()
            for title, (rows_of, scaled) in HIDDEN.items():
                other, regression = copy.copy(model), copy.copy(model.regression_)
                rows, mean = head_rows(regression)
                found = rows_of(regression)
                if scaled:
                    found = scaled_to(found, float(np.linalg.norm(rows, axis=1).mean()))
                is_own = np.array([bool(own) for own in rows_of_head(model.classes_, task.head)])
                found = np.where(is_own[:, None], 0, found) + mean
                vectors = np.where(is_own[:, None], regression.class_vectors_, found[:, :-1])
                regression.class_vectors_ = vectors
                regression.intercept_ = np.where(is_own, regression.intercept_, found[:, -1])
                other.regression_ = regression
                scores = other.decision_function(task.X[~task.known])
                for figure, k in (("top-1", 1), ("hit@5", 5)):
                    value = hit_at_k_score(
                        task.y[~task.known], scores, k=k, labels=other.classes_, average="micro"
                    )
                    hits[title].setdefault(f"{name}, {figure}", []).append(value)
    return {
        title: {column: round(float(np.mean(values)), 4) for column, values in found.items()}
        for title, found in hits.items()
    }


def posterior_means(
    means: np.ndarray, kernel: np.ndarray, counts: np.ndarray, *, share: float, noise: float
) -> np.ndarray:
    """Return what class means are expected to be, given those of a few images of all classes.

    Classes vary about their mean by a Gaussian with covariance `share` times `kernel` and the rest
    times the identity; the mean of n images differs from its class's by noise / n.

    Parameters
    ----------
    means : ndarray of shape (n_classes, n_features)
        Of the images, less the mean of all.
    kernel : ndarray of shape (n_classes, n_classes)
        How alike classes are.
    counts : ndarray of shape (n_classes,)
        Images of each.
    share, noise : float
        As above.
    """
    covariance = share * kernel + (1 - share) * np.eye(len(kernel))
    return covariance @ np.linalg.solve(covariance + np.diag(noise / counts), means)


def standardised(scores: np.ndarray, train: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return a prior's scores less their mean over training images of other classes, per class.

    They are divided by the standard deviation over these images.
    """
    others = np.ones(train.shape)
    others[np.arange(len(codes)), codes] = 0
    others /= others.sum(axis=0)
    mean = (others * train).sum(axis=0)
    return (scores - mean) / np.sqrt((others * np.square(train - mean)).sum(axis=0))


def of_directions(directions: ClassDirections, means: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return scores by other class means in the same metric."""
    inverse = cho_solve((directions.factor, True), means.T).T
    lengths = np.sqrt((means * inverse).sum(axis=1))
    return (X - directions.center) @ (inverse / lengths[:, None]).T


def few_shot(study: Study) -> dict[str, dict[str, float]]:
    """Return accuracies by idea and by images a class."""
    names = np.unique(study.y)
    prior = priors(study)["predicted weights"]
    kernels = [
        ClassKernel.of_sources(measure, names, None, prior.gamma, owner="")[1]
        for measure in prior.kernels
    ]
    kernel = sum(w * k for w, k in zip(prior.weights_, kernels, strict=True))
    X_test, true = study.X_test, np.searchsorted(names, study.y_test)
    given = prior.decision_function(X_test)
    rows = prior.class_vectors_ - prior.class_vectors_.mean(axis=0)
    found: dict[str, dict[str, float]] = {}
    for n_images in IMAGES:
        reached: dict[str, list[np.ndarray]] = {}
        for seed in range(N_DRAWS):
            chosen = study.draw(n_images, seed)
            X, codes = study.X[chosen], np.searchsorted(names, study.y[chosen])
            made = ClassDirections.of_images(X, codes, len(names))
            assert made is not None  # the images differ
            means = (X_test - made.center) @ made.coef.T
            smooth = posterior_means(made.means, kernel, made.counts, share=0.8, noise=10)
            smoothed = of_directions(made, smooth, X_test)
            own = standardised(given, prior.decision_function(X), codes)
            metric = cho_solve((made.factor, True), rows.T).T
            turned = 0.7 * normalize(rows) + 0.3 * normalize(metric)
            turned_given = (X_test - made.center) @ turned.T
            turned_own = standardised(turned_given, (X - made.center) @ turned.T, codes)
            whitening = within_class_whitening(normalize(X), codes, 0.85)
            white = [whitened(normalize(part), *whitening) for part in (X, X_test)]
            pairs = {
                "as it is": (means, given),
                "whitened within classes": (prototypes(white[0], codes, white[1]), given),
                "the head's logits as features": (in_logits(study, X, codes), given),
                "means smoothed over related classes": (smoothed, given),
                "prior standardised by the images": (means, own),
                "prior's rows in the images' metric, 0.3": (means, turned_given),
                "the last three": (smoothed, turned_own),
            }
            for title, (images, names_only) in pairs.items():
                reached.setdefault(title, []).append(by_weight(images, names_only, true))
        for title, values in reached.items():
            best = float(np.mean(values, axis=0).max())
            found.setdefault(title, {})[str(n_images)] = round(best, 4)
    return found


def by_weight(images: np.ndarray, prior: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the accuracy of the sum of z-scores for each weight of the prior."""
    scores = {"images": images, "prior": prior}
    z = {name: joined(scores, (name,)) for name in scores}
    return np.array(
        [((z["images"] + w * z["prior"]).argmax(axis=1) == true).mean() for w in PRIOR_WEIGHTS]
    )


def prototypes(X: np.ndarray, codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the cosines of rows to class means."""
    means = np.stack([X[codes == code].mean(axis=0) for code in np.unique(codes)])
    return (rows - means.mean(axis=0)) @ normalize(means - means.mean(axis=0)).T


def in_logits(study: Study, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the scores of test images by class means of the head's logits."""
    of_images, of_test = (study.head.decision_function(part) for part in (X, study.X_test))
    made = ClassDirections.of_images(of_images, codes, len(np.unique(codes)))
    assert made is not None  # the images differ
    return (of_test - made.center) @ made.coef.T


def awa1() -> dict[str, float]:
    """Return mean class accuracies on left-out training classes, by idea."""
    data = fetch_awa1()
    X, y = normalize(data.data[data.trainval]), data.target[data.trainval]
    X = PCA(500, svd_solver="randomized", random_state=0).fit_transform(X)
    hits: dict[str, list[float]] = {}
    for train, test in ClassKFold(5, shuffle=True, random_state=0).split(X, y):
        unseen, codes = np.unique(y[test], return_inverse=True)
        given: dict[str, Any] = {"candidates": unseen}
        inner = ClassKFold(3, shuffle=True, random_state=0)
        eszsl = ESZSLClassifierCV(data.attributes, cv=inner, **given)
        regression = PrototypeRegressionClassifier([data.attributes], shrinkage=0.85, **given)
        whitening = within_class_whitening(X[train], y[train], 0.85)
        white = [whitened(X[rows], *whitening) for rows in (train, test)]
        scores = {
            "ESZSL": eszsl.fit(X[train], y[train]).decision_function(X[test]),
            "whitened": eszsl.fit(white[0], y[train]).decision_function(white[1]),
            "prototypes": regression.fit(X[train], y[train]).decision_function(X[test]),
        }
        for title, members in (
            ("as it is: ESZSL", ("ESZSL",)),
            ("ESZSL, features whitened within classes", ("whitened",)),
            ("prototypes, whitened", ("prototypes",)),
            ("ESZSL and prototypes, whitened", ("ESZSL", "prototypes")),
        ):
            right = joined(scores, members).argmax(axis=1) == codes
            by_class = [right[codes == code].mean() for code in np.unique(codes)]
            hits.setdefault(title, []).append(float(np.mean(by_class)))
    return {title: round(float(np.mean(values)), 4) for title, values in hits.items()}


def show(title: str, table: dict[str, Any]) -> None:
    """Print one part."""
    print(f"\n{title}")
    for idea, figures in table.items():
        values = figures if isinstance(figures, dict) else {"": figures}
        cells = (f"{column:>28} {value:.3f}" for column, value in values.items())
        print(f"{idea:<42}", *cells, sep="", flush=True)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the parts, print the figures, and return them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["hidden", "few-shot", "awa1"], help="one of the parts")
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    options = parser.parse_args(argv)
    results: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)  # some words have no vector
        if options.only in (None, "hidden"):
            backbone = TimmFeatures(precision="float32").fit()
            sets, _ = imagenet_tasks(backbone.source_head_, backbone, PRESETS["full"])
            results["hidden ImageNet classes"] = hidden(sets)
        if options.only in (None, "few-shot"):
            results["few images a class, Tiny ImageNet"] = few_shot(tiny_imagenet())
        if options.only in (None, "awa1"):
            results["AwA1, training classes"] = awa1()
    for title, table in results.items():
        show(title, table)
    if options.json:
        only = f"--only {options.only} " if options.only else ""
        command = f"ZEROSHOT_DATA=FOLDER python studies/tried_ideas.py {only}--json {options.json}"
        record = {"command": command, **results}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return results


if __name__ == "__main__":
    main()
