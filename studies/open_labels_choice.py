"""The data on which the model of ``zeroshot predict`` was chosen, and what was chosen from.

    ZEROSHOT_DATA=FOLDER python studies/open_labels_choice.py
    ZEROSHOT_DATA=FOLDER python studies/open_labels_choice.py --only weights --json FILE
    ZEROSHOT_DATA=FOLDER python studies/open_labels_choice.py --preset tiny

No photo and no label list here is reported elsewhere. Classes are taken out of the ImageNet head,
and are to be named by those that are left: "rest". Where the head keeps some of the candidates,
these stand apart: "synonyms".

- ImageNet photos: four times 100 of 500 classes, none of which the head keeps; and eight times 60
  of these, of which it keeps 24. The other 100 are reported by ``described_classes.py``.
- CIFAR-100, ten test images a class, and Tiny ImageNet, five validation images a class: all
  classes are candidates. CIFAR-100's may share a name with one of the head's; of Tiny ImageNet's,
  the head keeps 80.

Each figure is the mean over the sets. Features of the two archives are computed once and kept.
``--preset tiny`` is a quick run on 40 of the photos, which chooses nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from inspect import isfunction
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features, first_of_each_class

from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    GlossEmbedding,
    HeadRegressionClassifier,
    MixtureSimilarity,
    OpenLabelClassifier,
    SentenceEmbedding,
    SimilarityClassifier,
    SourceHead,
    TimmFeatures,
    WordNetSimilarity,
    WordVectors,
    WordVectorSimilarity,
)
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import hit_at_k_score
from zeroshot.taxonomy import class_synsets, resolve


@dataclass(frozen=True)
class Task:
    """Images to be named, the head that is left, the candidates, and which of them it knows.

    Of ImageNet photos also the wnid of each.
    """

    X: np.ndarray
    y: np.ndarray
    head: SourceHead
    candidates: np.ndarray
    known: np.ndarray
    wnids: np.ndarray | None = None


@dataclass(frozen=True)
class Draws:
    """How the ImageNet photos are drawn.

    Attributes
    ----------
    n_photos : int, optional
        The first ones; all if None.
    n_folds : int
        Parts of all photos, none of whose classes the head keeps.
    n_some, n_of_some, n_hidden : int
        Further sets, photos in each, and how many of their classes the head loses.
    """

    n_photos: int | None
    n_folds: int
    n_some: int
    n_of_some: int
    n_hidden: int


PRESETS = {"full": Draws(None, 5, 8, 60, 36), "tiny": Draws(40, 2, 1, 20, 12)}


def imagenet_tasks(
    head: SourceHead, backbone: TimmFeatures, draw: Draws
) -> tuple[dict[str, list[Task]], Task]:
    """Return tasks on the photos, whose classes go by their first synonym.

    The last part is none of them: it is reported, and served to choose nothing.
    """
    paths = sorted((resolve_data_home() / "imagenet-photos").glob("*.jpg"))[: draw.n_photos]
    X = backbone.transform([str(path) for path in paths])
    wnids = np.array([path.name.partition("_")[0] for path in paths])
    first = {w: text.partition(",")[0] for w, text in zip(head.wnids, head.labels, strict=True)}
    names = np.array([first[wnid] for wnid in wnids])
    rng = np.random.default_rng(0)

    def hide(rows: np.ndarray, n_hidden: int) -> Task:
        rows = rows[np.unique(names[rows], return_index=True)[1]]  # two classes are called "crane"
        rows = rng.permutation(rows)
        left = without(head, wnids[rows[:n_hidden]])
        known = np.isin(wnids[rows], left.wnids)
        return Task(X[rows], names[rows], left, np.sort(names[rows]), known, wnids[rows])

    folds = np.split(rng.permutation(len(paths)), draw.n_folds)
    *folds, reported = folds
    chosen = np.concatenate(folds)
    some = [rng.choice(chosen, draw.n_of_some, replace=False) for _ in range(draw.n_some)]
    tasks = {
        f"{len(folds[0])} hidden": [hide(rows, len(rows)) for rows in folds],
        f"{draw.n_of_some}, {draw.n_hidden} hidden": [hide(rows, draw.n_hidden) for rows in some],
    }
    return tasks, hide(reported, len(reported))


def archive_tasks(head: SourceHead) -> Iterator[Task]:
    """Yield one task on CIFAR-100 and one on Tiny ImageNet."""
    synonyms = {name.strip().lower() for text in head.labels for name in text.split(",")}
    X, y = first_images("cifar100", "test", 10)
    y = np.char.replace(y, "_", " ")
    yield Task(X, y, head, np.unique(y), np.isin(np.char.lower(y), list(synonyms)))
    X, y = first_images("tiny_imagenet", "val", 5)
    synsets = class_synsets("tiny_imagenet")
    hidden = np.random.default_rng(0).choice(list(synsets), 120, replace=False)
    left = without(head, [synsets[name] for name in hidden])
    kept = [name for name, wnid in synsets.items() if wnid in left.wnids]
    yield Task(X, y, left, np.unique(y), np.isin(y, kept))


def first_images(data_set: str, subset: str, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels of the first images of each class."""
    bunch = archive_features(data_set, subset)
    rows = first_of_each_class(bunch.target, limit)
    return bunch.data[rows], bunch.target[rows]


def without(head: SourceHead, wnids: object) -> SourceHead:
    """Return the head with the classes of these wnids taken out."""
    kept = ~np.isin(head.wnids, wnids)
    return SourceHead(head.coef[kept], head.intercept[kept], head.labels[kept], head.wnids[kept])


def main(argv: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Print the figures of every model on every kind of data, and return them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=list(PRESETS), default="full")
    parser.add_argument("--only", metavar="TEXT", default="", help="models with this in their name")
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    options = parser.parse_args(argv)
    preset = options.preset
    backbone = TimmFeatures(precision="float32").fit()
    head = backbone.source_head_
    sets, _ = imagenet_tasks(head, backbone, PRESETS[preset])
    if preset == "full":
        cifar, tiny = archive_tasks(head)
        sets |= {"CIFAR-100": [cifar], "Tiny ImageNet": [tiny]}
    senses = right_senses([task for name in list(sets)[:1] for task in sets[name]])
    for rule, share in senses.items():
        print(f"{rule} is the class's for {share:.3f} of the names of hidden ImageNet classes")
    results: dict[str, dict[str, float]] = {}
    names = np.unique(
        np.concatenate([head.labels, *(task.candidates for part in sets.values() for task in part)])
    )
    for title, make in models(names).items():
        if options.only not in title:
            continue
        results[title] = {}
        for name, tasks in sets.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LabelWarning)  # some words have no vector
                rows = [figures_of(make(task.head, task.candidates), task) for task in tasks]
            for figure in rows[0]:
                results[title][f"{name}, {figure}"] = float(np.mean([row[figure] for row in rows]))
        if len(results) == 1:
            columns = [name.removesuffix(" top-1") for name in results[title] if "top" in name]
            print("top-1 and hit@5 on", *(f"({i}) {c}" for i, c in enumerate(columns, 1)))
            print(f"{'':<40}" + "".join(f"{f'({i})':>15}" for i in range(1, len(columns) + 1)))
        values = list(results[title].values())
        cells = (f"{a:9.3f}{b:6.3f}" for a, b in zip(values[::2], values[1::2], strict=True))
        print(f"{title:<40}", *cells, sep="", flush=True)
    if options.json:
        only = f" --only {options.only}" if options.only else ""
        command = f"ZEROSHOT_DATA=FOLDER python studies/open_labels_choice.py{only}"
        record = {"command": f"{command} --json {options.json}", "right senses": senses, **results}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return results


def right_senses(tasks: list[Task]) -> dict[str, float]:
    """Return for how many names of hidden classes a sense is that of the class, by what says so."""
    right: dict[str, list[bool]] = {}
    for task in tasks:
        context = {"most frequent sense": None, "sense nearest to the head": task.head.wnids}
        for rule, given in context.items():
            found = resolve(task.y, context=given).wnids
            right.setdefault(rule, []).extend(np.array(found) == task.wnids)
    return {rule: round(float(np.mean(hits)), 4) for rule, hits in right.items()}


def models(names: np.ndarray) -> dict[str, Any]:
    """Return functions from a head and candidates to a fitted model, by name.

    Parameters
    ----------
    names : ndarray of str
        All labels there are, which are put into sentences once.
    """
    vectors = WordVectors(missing_words="ignore", on_missing="zero")
    words = WordVectorSimilarity(vectors)
    path, lin, first = (
        WordNetSimilarity(measure, senses=senses, on_missing="zero")
        for measure, senses in (("path", "nearest"), ("lin", "nearest"), ("path", "first"))
    )
    made: dict[str, Any] = {
        "ConSE, word vectors": lambda head, names: ConSEClassifier(
            head, vectors, candidates=names
        ).fit()
    }
    mixtures = [
        ("path, most frequent sense", [first], 2.0),
        ("path", [path], 2.0),
        ("lin + words", [lin, words], 2.0),
        ("path + words, source_temperature=1", [path, words], 1.0),
        ("path + words", [path, words], 2.0),
    ]
    if find_spec("sentence_transformers") is not None:  # the extra "text"
        table = AttributeTable(SentenceEmbedding().embed(names), names)
        sentences = WordVectorSimilarity(table)
        mixtures += [
            ("sentences", [sentences], 2.0),
            ("path + sentences", [path, sentences], 2.0),
            ("path + words + sentences", [path, words, sentences], 2.0),
        ]
    for title, parts, softer in mixtures:
        made[title] = similarity_model(parts, softer)
    glosses = GlossEmbedding(on_missing="raise")

    def in_context(head: SourceHead) -> GlossEmbedding:
        return GlossEmbedding(on_missing="raise", context=head.wnids)

    for title, kernels, weights, alpha in (
        ("weights: path, glosses", [path, glosses], [1, 1], 0.1),
        ("weights: path, glosses, words", [path, glosses, vectors], [2, 2, 1], 0.1),
        ("weights: glosses of near senses", [path, in_context, vectors], [2, 2, 1], 0.1),
        ("weights: the same, penalty 0.03", [path, in_context, vectors], [2, 2, 1], 0.03),
        ("weights: the same, penalty 0.3", [path, in_context, vectors], [2, 2, 1], 0.3),
    ):
        made[title] = weights_model(kernels, weights, alpha)
    made["weights + similarity / 2"] = sum_with_similarity([path, words])
    for weight in (0.25, 0.5, 1.0):
        made[f"weights + {weight:g} guesses"] = predict_model(weight)
    if find_spec("sentence_transformers") is not None:
        made["weights + 0.5 guesses, sentences"] = predict_model(0.5, table)
    return made


def predict_model(weight: float, label_embedding: Any = None) -> Any:
    """Return the function for the model of ``zeroshot predict``, with another weight of guesses.

    Models of different weights share what is fitted.
    """

    def make(head: SourceHead, names: np.ndarray) -> OpenLabelClassifier:
        key = (id(head), names.tobytes(), id(label_embedding))
        if key not in _FITTED:
            model = OpenLabelClassifier(
                head, candidates=names, label_embedding=label_embedding, on_unknown="drop"
            )
            _FITTED[key] = model.fit()
        weighted = copy.copy(_FITTED[key])
        weighted._guess_weight = weight
        return weighted

    return make


_FITTED: dict[Any, OpenLabelClassifier] = {}


@dataclass(frozen=True)
class Sum:
    """What ``zeroshot predict`` was before: predicted weights and half of the similarity."""

    weights: OpenLabelClassifier
    similarity: SimilarityClassifier

    @property
    def classes_(self) -> np.ndarray:
        """The candidates."""
        return self.weights.classes_

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return the sum."""
        return self.weights.decision_function(X) + self.similarity.decision_function(X) / 2


def sum_with_similarity(parts: list[Any]) -> Any:
    """Return the function for predicted weights and half of a similarity."""
    weights, similarity = predict_model(0.0), similarity_model(parts, 2.0)
    return lambda head, names: Sum(weights(head, names), similarity(head, names))


def weights_model(kernels: list[Any], weights: list[float], alpha: float) -> Any:
    """Return the function for predicted weights; a kernel may be a function of the head."""

    def make(head: SourceHead, names: np.ndarray) -> HeadRegressionClassifier:
        made = [kernel(head) if isfunction(kernel) else kernel for kernel in kernels]
        model = HeadRegressionClassifier(head, made, weights=weights, alpha=alpha, candidates=names)
        return model.fit()

    return make


def similarity_model(parts: list[Any], source_temperature: float) -> Any:
    """Return the function for a mixture of equal weights."""
    similarity = MixtureSimilarity([(part, 1) for part in parts], scale="zscore")
    return lambda head, names: SimilarityClassifier(
        head, similarity, source_temperature=source_temperature, candidates=names
    ).fit()


def figures_of(model: Any, task: Task) -> dict[str, float]:
    """Return top-1 and hit@5 of each group of a task's images."""
    figures = {}
    for group, rows in (("rest", ~task.known), ("synonyms", task.known)):
        if rows.any():
            scores = model.decision_function(task.X[rows])
            for name, k in (("top-1", 1), ("hit@5", 5)):
                figures[f"{group} {name}"] = hit_at_k_score(
                    task.y[rows], scores, k=k, labels=model.classes_, average="micro"
                )
    return figures


if __name__ == "__main__":
    main()
