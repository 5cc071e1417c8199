"""Classes from their descriptions: what is reported, and what was chosen for it.

    ZEROSHOT_DATA=FOLDER python studies/described_classes.py --choose
    ZEROSHOT_DATA=FOLDER python studies/described_classes.py --json FILE

``--choose`` compares the parts on 40 images of each class of Tiny ImageNet, less the classes that
CIFAR-100 has too: 20 unseen classes at a time, none of which the head keeps. Without it, the
chosen ones are run once:

- 100 ImageNet classes, one photo each, taken out of the head; none of them served to choose
  (``open_labels_choice.py`` keeps the last of its five parts for this).
- The open photos, a development set that has been looked at.
- Twenty unseen classes of CIFAR-100, with and without the head, and with the text model (extra
  ``text``): five class splits of ``random_state=0`` and of each of 101 to 105. Training images of
  the seen classes are learnt, and all images of the unseen ones named, as in
  ``compare_methods.py``. The glosses that the text model reads are those of Debian's package
  ``wordnet-base``, as in ``tools/build_gloss_vectors.py``.

Each figure has a bootstrap interval over classes, and a paired difference to what it replaces.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from archive_features import archive_features, first_of_each_class
from kept_parts import key
from open_labels_choice import PRESETS, Task, imagenet_tasks, without
from sklearn.preprocessing import normalize

from zeroshot import (
    AttributeTable,
    ConcatEmbedding,
    ConSEClassifier,
    DummyZeroShotClassifier,
    ESZSLClassifier,
    GlossEmbedding,
    HeadRegressionClassifier,
    HierarchicalEmbedding,
    LabelEmbedding,
    MixtureSimilarity,
    OpenLabelClassifier,
    PrototypeRegressionClassifier,
    SentenceEmbedding,
    SimilarityClassifier,
    SimilarityInitializer,
    SourceHead,
    TimmFeatures,
    WordNetEmbedding,
    WordNetSimilarity,
    WordVectors,
    WordVectorSimilarity,
)
from zeroshot._linear import SystemOfRows
from zeroshot._utils._files import atomic_file, cache_home
from zeroshot.datasets import label_texts
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.estimators._within_class import whitened, within_class_whitening
from zeroshot.exceptions import LabelWarning
from zeroshot.label_embeddings._gloss import has_text_model
from zeroshot.model_selection import ClassKFold, ClassShuffleSplit
from zeroshot.taxonomy import class_synsets, synset

WORDNET = Path("/usr/share/wordnet")  # of Debian's package wordnet-base
N_BOOTSTRAP = 2000
SEEDS = (0, 101, 102, 103, 104, 105)

# Chosen by --choose.
NO_HEAD = ("ESZSL, kinds", "prototypes, whitened", "prototypes, whitened")
WITH_TEXT = ("ESZSL, text", "prototypes, text", "prototypes, text")
WITH_HEAD = ("prototypes, whitened", "predicted weights")
SHRINKAGE = 0.85

Scores = dict[str, np.ndarray]


class Parts:
    """The classifiers that are compared and joined, for one data set and its class names.

    Parameters
    ----------
    data_set : {"cifar100", "tiny_imagenet"}
        Whose synsets are taken.
    names : ndarray of str
        All class names.
    head : SourceHead
        Of the features' network.
    text : bool
        With the text model.
    """

    def __init__(
        self, data_set: str, names: np.ndarray, head: SourceHead, *, text: bool = False
    ) -> None:
        synsets = class_synsets(data_set)
        synonyms = {name: ", ".join(synset(wnid).lemmas) for name, wnid in synsets.items()}
        texts = label_texts(data_set) if data_set == "cifar100" else synonyms
        self.names, self.head, self.synsets = names, head, synsets
        self.words = WordVectors(missing_words="ignore", overrides=texts)
        self.gloss = GlossEmbedding(on_missing="raise", overrides=synsets)
        self.path = WordNetSimilarity("path", overrides=synsets)
        kinds = HierarchicalEmbedding(GlossEmbedding(on_missing="raise"), overrides=synsets)
        self.kinds = AttributeTable(kinds.embed(names), names)
        sides = [self.words, WordNetEmbedding(vocabulary=names, overrides=synsets), self.gloss]
        tables = [AttributeTable(side.embed(names), names) for side in sides]
        self.before = ConcatEmbedding(tables[:2])  # words and WordNet
        self.all = ConcatEmbedding(tables)
        self.glosses = tables[2]
        self.text = text_sides(synonyms, synsets, names) if text else None

    def scores(
        self,
        X: np.ndarray,
        y: np.ndarray,
        unseen: np.ndarray,
        rows: np.ndarray,
        wanted: Collection[str] | None = None,
    ) -> Scores:
        """Return each part's scores of the unseen classes for new rows, learnt from X and y.

        Parameters
        ----------
        X, y : ndarray
            Features and labels of seen classes.
        unseen : ndarray of str
            The candidates.
        rows : ndarray of shape (n_rows, n_features)
            Features of the unseen ones.
        wanted : collection of str, optional
            The parts; all if None.
        """
        unit, unit_rows = normalize(X), normalize(rows)
        # As PrototypeRegressionClassifier(shrinkage=) does, once for all.
        mean, whitening = within_class_whitening(unit, y, SHRINKAGE)
        white, white_rows = (whitened(part, mean, whitening) for part in (unit, unit_rows))
        system, few = SystemOfRows(unit, y), first_of_each_class(y, 2)

        def eszsl(side: LabelEmbedding) -> np.ndarray:
            # What its scores mean as probabilities is not learnt, and sums are made once.
            model = ESZSLClassifier(side, gamma=2, temperature=1.0, candidates=unseen)
            return model.fit(unit[few], y[few]).fit_from_sums(system).decision_function(unit_rows)

        def prototypes(kernels: list[Any], weights: list[int]) -> PrototypeRegressionClassifier:
            return PrototypeRegressionClassifier(
                kernels, weights=weights, alpha=0.1, candidates=unseen
            )

        control = DummyZeroShotClassifier(self.before, strategy="constant", candidates=unseen)
        plain = [self.path, self.gloss, self.words]
        kinds = [self.path, self.gloss, self.kinds, self.words]
        parts: dict[str, Callable[[], np.ndarray]] = {
            "control: best constant": lambda: control.fit(X, y).decision_function(rows),
            "ESZSL, words and WordNet": lambda: eszsl(self.before),
            "ESZSL": lambda: eszsl(self.all),
            "ESZSL, glosses": lambda: eszsl(self.glosses),
            "ESZSL, kinds": lambda: eszsl(self.kinds),
            "prototypes": lambda: (
                prototypes(plain, [2, 2, 1]).fit(unit, y).decision_function(unit_rows)
            ),
            "prototypes, whitened": lambda: (
                prototypes(kinds, [2, 1, 1, 1]).fit(white, y).decision_function(white_rows)
            ),
            "predicted weights": lambda: (
                self.predicted_weights(unseen).fit().decision_function(rows)
            ),
            "rows by similarity": lambda: self.rows(unseen).fit().decision_function(rows),
            "ConSE, words": lambda: (
                ConSEClassifier(self.head, self.words, candidates=unseen)
                .fit()
                .decision_function(rows)
            ),
        }
        if self.text is not None:
            text = [*kinds, *self.text]
            parts["ESZSL, text"] = lambda: eszsl(ConcatEmbedding(self.text))
            parts["prototypes, text"] = lambda: (
                prototypes(text, [2, 1, 1, 1, 1, 1]).fit(white, y).decision_function(white_rows)
            )
        return {title: part() for title, part in parts.items() if wanted is None or title in wanted}

    def predicted_weights(self, candidates: np.ndarray) -> HeadRegressionClassifier:
        """Return regression from descriptions to the head's rows."""
        return HeadRegressionClassifier(
            self.head,
            [self.path, self.gloss, self.words],
            weights=[2, 2, 1],
            alpha=0.1,
            overrides=self.synsets,
            candidates=candidates,
        )

    def rows(self, candidates: np.ndarray) -> SimilarityInitializer:
        """Return the head's rows, carried over by similarity."""
        return SimilarityInitializer(
            self.head,
            WordNetSimilarity("jcn"),
            normalize="equal",
            synsets=self.synsets,
            candidates=candidates,
        )


def text_sides(
    synonyms: dict[str, str], synsets: dict[str, str], names: np.ndarray
) -> list[LabelEmbedding]:
    """Return what the text model makes of the names, and of the glosses, of classes and kinds.

    Each is averaged with what the classes are kinds of.
    """
    described = FullGlosses(templates="{}", overrides=full_glosses())
    sides = [
        HierarchicalEmbedding(SentenceEmbedding(overrides=synonyms), synsets=synsets),
        HierarchicalEmbedding(described, overrides=synsets),
    ]
    return [AttributeTable(side.embed(names), names) for side in sides]


class FullGlosses(SentenceEmbedding):
    """All dimensions of what the text model makes of WordNet's glosses; labels are wnids."""

    _by_synset = True


def full_glosses() -> dict[str, str]:
    """Return each noun synset's text by its wnid, as ``tools/build_gloss_vectors.py`` has it."""
    sys.path.append(str(Path(__file__).parents[1] / "tools"))
    from build_gloss_vectors import gloss_texts, read_glosses

    entries = read_glosses(WORDNET / "data.noun")
    offsets = [entry[0] for entry in entries]
    return {
        f"n{offset:08d}": text for offset, text in zip(offsets, gloss_texts(entries), strict=True)
    }


def joined(scores: Scores, members: tuple[str, ...]) -> np.ndarray:
    """Return the sum of the members' z-scores over the classes of each row."""
    total = 0.0
    for name in members:
        part = scores[name].astype(np.float64)
        part = part - part.mean(axis=1, keepdims=True)
        total = total + part / np.maximum(part.std(axis=1).mean(), 1e-12)
    return np.asarray(total)


FOUR = ("ESZSL, kinds", "prototypes, whitened", "predicted weights", "predicted weights")
JOINED = {
    "ESZSL twice and prototypes": ("ESZSL", "ESZSL, glosses", "prototypes"),
    "ESZSL, kinds, and prototypes": ("ESZSL, kinds", "prototypes"),
    "ESZSL, kinds, and whitened": ("ESZSL, kinds", "prototypes, whitened"),
    "the same, whitened twice": NO_HEAD,
    "the same with text": WITH_TEXT,
    "ESZSL, prototypes, weights twice": (
        "ESZSL", "prototypes", "predicted weights", "predicted weights"
    ),
    "whitened, weights": WITH_HEAD,
    "ESZSL, kinds, whitened, weights twice": FOUR,
    "the same and ConSE": (*FOUR, "ConSE, words"),
    "the same and rows": (*FOUR, "rows by similarity"),
}  # fmt: skip


def choose() -> dict[str, float]:
    """Print what each part and some sums of them reach on Tiny ImageNet, and return it."""
    bunch = archive_features("tiny_imagenet", "train")
    synsets, others = class_synsets("tiny_imagenet"), set(class_synsets("cifar100").values())
    kept = np.array([synsets[name] not in others for name in bunch.target])
    kept &= np.isin(np.arange(len(kept)), first_of_each_class(bunch.target, 40))
    X, y = bunch.data[kept], bunch.target[kept]
    head = TimmFeatures(image_size=128).fit().source_head_
    left = without(head, list(synsets.values()))
    parts = Parts("tiny_imagenet", np.unique(y), left, text=has_text_model())
    hits: dict[str, list[float]] = {}
    for seen, test in ClassKFold(9, shuffle=True, random_state=0).split(X, y):
        unseen = np.unique(y[test])
        scores = parts.scores(X[seen], y[seen], unseen, X[test])
        scores |= {
            title: joined(scores, members)
            for title, members in JOINED.items()
            if all(member in scores for member in members)
        }
        for title, found in scores.items():
            hits.setdefault(title, []).append(float((unseen[found.argmax(1)] == y[test]).mean()))
    figures = {title: float(np.mean(values)) for title, values in hits.items()}
    print(f"Tiny ImageNet, {len(parts.names)} classes, 20 or so unseen at a time: top-1")
    for title, figure in figures.items():
        print(f"{title:<40}{figure:8.3f}")
    return figures


def class_splits(y: np.ndarray) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Yield the seeds and numbers of the class splits of CIFAR-100, and their rows."""
    for seed in SEEDS:
        splits = ClassShuffleSplit(n_splits=5, test_size=20, random_state=seed)
        for number, (seen, test) in enumerate(splits.split(np.zeros((len(y), 1)), y)):
            yield seed, number, seen, test


class Cifar:
    """CIFAR-100's images, and the parts' scores of its class splits, each computed once and kept.

    Attributes
    ----------
    X, y : ndarray
        Features and labels, of training and test images.
    to_fit : ndarray of bool
        Which are training images.
    """

    def __init__(self) -> None:
        sets = [archive_features("cifar100", subset) for subset in ("train", "test")]
        self.X, self.y = (np.concatenate([part[k] for part in sets]) for k in ("data", "target"))
        self.to_fit = np.arange(len(self.y)) < len(sets[0].target)
        self.folder = cache_home() / "studies"
        self.folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def parts(self) -> Parts:
        """What scores, with the text model where it is installed."""
        head = TimmFeatures(image_size=128).fit().source_head_
        return Parts("cifar100", np.unique(self.y), head, text=has_text_model())

    def scores(
        self, seed: int, number: int, seen: np.ndarray, test: np.ndarray, wanted: Collection[str]
    ) -> Scores:
        """Return the parts' scores of the unseen classes of a split, for all their images."""
        known = key([sorted(wanted), SHRINKAGE, len(self.y)])
        path = self.folder / f"described-{seed}-{number}-{known}.npz"
        if not path.is_file():
            learnt = seen[self.to_fit[seen]]
            scores = self.parts.scores(
                self.X[learnt], self.y[learnt], np.unique(self.y[test]), self.X[test], wanted
            )
            with atomic_file(path) as file:
                np.savez(file, **{title: part.astype(np.float32) for title, part in scores.items()})
        with np.load(path) as kept:
            return dict(kept)


COMPARED: dict[str, tuple[str, ...]] = {
    "control: best constant": ("control: best constant",),
    "no head, before: ESZSL, words and WordNet": ("ESZSL, words and WordNet",),
    "no head": NO_HEAD,
    "no head, with text": WITH_TEXT,
    "head, before: ESZSL and rows": ("ESZSL, words and WordNet", "rows by similarity"),
    "head": WITH_HEAD,
    "head and ConSE": (*WITH_HEAD, "ConSE, words"),
}


def wanted_parts(text: bool) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """Return what is compared on CIFAR-100, with the text model or without, and its parts."""
    compared = dict(COMPARED)
    if not text:
        del compared["no head, with text"]
    return compared, {member for members in compared.values() for member in members}


def cifar100() -> dict[str, Any]:
    """Return the figures of 20 unseen classes of CIFAR-100, by what is compared and by seed."""
    data = Cifar()
    compared, wanted = wanted_parts(has_text_model())
    hits: dict[str, dict[int, list[np.ndarray]]] = {title: {} for title in compared}
    labels: dict[int, list[np.ndarray]] = {}
    for seed, number, seen, test in class_splits(data.y):
        scores, y = data.scores(seed, number, seen, test, wanted), data.y[test]
        labels.setdefault(seed, []).append(y)
        for title, members in compared.items():
            right = np.unique(y)[joined(scores, members).argmax(axis=1)] == y
            hits[title].setdefault(seed, []).append(right)
        done = {title: f"{found[seed][-1].mean():.3f}" for title, found in hits.items()}
        print(f"seed {seed}, split {number}", *done.values(), flush=True)
    groups = {"random_state=0": SEEDS[:1], "random_state=101 to 105": SEEDS[1:]}
    results: dict[str, Any] = {}
    for group, seeds in groups.items():
        names = np.concatenate([part for seed in seeds for part in labels[seed]])
        by_title = {
            title: np.concatenate([part for seed in seeds for part in found[seed]])
            for title, found in hits.items()
        }
        results[group] = {
            title: estimate(values, names, by_title.get(replaced(title)))
            for title, values in by_title.items()
        }
    return results


def replaced(title: str) -> str:
    """Return the title of what a model replaces."""
    return {
        "no head": "no head, before: ESZSL, words and WordNet",
        "no head, with text": "no head",
        "head": "head, before: ESZSL and rows",
        "head and ConSE": "head",
    }.get(title, "control: best constant")


def open_models(task: Task, words: WordVectors) -> Iterator[tuple[str, Any]]:
    """Yield what names photos from labels alone."""
    path = WordNetSimilarity("path", senses="nearest", on_missing="zero")
    pairs = [(path, 1), (WordVectorSimilarity(words, on_missing="zero"), 1)]
    similarity = MixtureSimilarity(pairs, scale="zscore")
    given = {"candidates": task.candidates}
    control = DummyZeroShotClassifier(words, strategy="constant", **given)
    yield "control: best constant", control.fit(task.X, task.y)
    yield "before: similarity", SimilarityClassifier(task.head, similarity, **given).fit()
    glosses = GlossEmbedding(on_missing="raise", context=task.head.wnids)
    kernels = [path, glosses, words]
    weights = HeadRegressionClassifier(task.head, kernels, weights=[2, 2, 1], alpha=0.1, **given)
    yield "predicted weights", weights.fit()
    yield "zeroshot predict", OpenLabelClassifier(task.head, **given).fit()


def open_labels() -> dict[str, Any]:
    """Return the figures of hidden ImageNet classes and of the open photos."""
    backbone = TimmFeatures(precision="float32").fit()
    head = backbone.source_head_
    _, hidden = imagenet_tasks(head, backbone, PRESETS["full"])
    home = resolve_data_home() / "open-photos"
    truth = json.loads((home / "labels.json").read_text(encoding="utf-8"))
    y = np.array(list(truth.values()))
    synonyms = {name.strip().lower() for text in head.labels for name in text.split(",")}
    known = np.isin(np.char.lower(y), list(synonyms))
    X = backbone.transform([str(home / name) for name in truth])
    named = {
        "100 hidden ImageNet classes": (hidden, np.ones(len(hidden.y), dtype=bool)),
        "open photos": (Task(X, y, head, np.unique(y), known), np.ones(len(y), dtype=bool)),
    }
    named["open photos, ImageNet synonyms"] = (named["open photos"][0], known)
    named["open photos, the rest"] = (named["open photos"][0], ~known)
    words = WordVectors(missing_words="ignore", on_missing="zero")
    results: dict[str, Any] = {}
    for title, (task, rows) in named.items():
        right: dict[str, dict[str, np.ndarray]] = {}
        for model_title, model in open_models(task, words):
            scores = model.decision_function(task.X[rows])
            place = np.searchsorted(model.classes_, task.y[rows])
            own = np.take_along_axis(scores, place[:, None], axis=1)
            better = (scores > own).sum(axis=1)
            right[model_title] = {"top_1": better == 0, "hit_at_5": better < 5}
        results[title] = {
            model_title: {
                figure: estimate(values, task.y[rows], right["before: similarity"][figure])
                for figure, values in figures.items()
            }
            for model_title, figures in right.items()
        }
    return results


def estimate(
    hits: np.ndarray, labels: np.ndarray, before: np.ndarray | None = None
) -> dict[str, Any]:
    """Return a mean, its 95 % interval over classes, and the difference to what was before."""
    names, codes = np.unique(labels, return_inverse=True)
    counts = np.bincount(codes)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(names), size=(N_BOOTSTRAP, len(names)))

    def interval(values: np.ndarray) -> list[float]:
        sums = np.bincount(codes, weights=values)
        means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        return [round(float(value), 4) for value in np.quantile(means, [0.025, 0.975])]

    hits = hits.astype(np.float64)
    found = {"value": round(float(hits.mean()), 4), "interval": interval(hits)}
    if before is not None:
        difference = hits - before
        found["gain"] = round(float(difference.mean()), 4)
        found["gain_interval"] = interval(difference)
    return found


def show(results: dict[str, Any], indent: str = "") -> None:
    """Print the figures as a tree."""
    for title, value in results.items():
        if "value" in value:
            gain = (
                f"  gain {value['gain']:+.3f} {value['gain_interval']}" if "gain" in value else ""
            )
            print(f"{indent}{title:<44}{value['value']:7.3f} {value['interval']}{gain}")
        else:
            print(f"{indent}{title}")
            show(value, indent + "  ")


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Choose, or run what was chosen; print and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choose", action="store_true", help="compare on development data")
    parser.add_argument("--only", choices=["open", "cifar100"], help="one of the two parts")
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    options = parser.parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)  # some words have no vector
        results: dict[str, Any] = {}
        if options.choose:
            results = choose()
        elif options.only != "cifar100":
            results |= open_labels()
        if not options.choose and options.only != "open":
            results["20 unseen classes of CIFAR-100"] = cifar100()
    if not options.choose:
        show(results)
    if options.json:
        how = "--choose " if options.choose else ""
        command = f"ZEROSHOT_DATA=FOLDER python studies/described_classes.py {how}--json "
        record = {"command": command + options.json, **results}
        Path(options.json).write_text(json.dumps(record, indent=1) + "\n")
    return results


if __name__ == "__main__":
    main()
