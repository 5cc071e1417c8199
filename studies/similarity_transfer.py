"""New heads from similar source classes (Pascal, Bost and Huet 2019), measured on real images.

    ZEROSHOT_DATA=FOLDER python studies/similarity_transfer.py [--preset tiny] [--output FOLDER]
    python studies/similarity_transfer.py --targets FOLDER_OF_SYNSET_FOLDERS [--synsets FILE]

Prints, for CIFAR-100 and for Tiny ImageNet (or for a folder of synsets, by the paper's protocol):
macro F-score right after initialisation against K (their Fig. 3), first and best macro F-score
while the head is trained on frozen features (Table 2), and which classes were matched (Table 1).
With --output, draws them, and writes all figures as JSON, a file a task.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import normalize
from transfer_tasks import (
    Task,
    cifar100_task,
    folder_task,
    slug,
    source_photos,
    tiny_imagenet_task,
)

from zeroshot import (
    InferenceSimilarity,
    MixtureSimilarity,
    SimilarityInitializer,
    WordNetSimilarity,
    WordVectors,
    WordVectorSimilarity,
)
from zeroshot.exceptions import LabelWarning
from zeroshot.similarity import as_similarity_matrix

NEAREST_MEAN, LOGISTIC = "nearest class mean", "logistic regression"


@dataclass(frozen=True)
class Preset:
    """How much is measured.

    Attributes
    ----------
    tasks : tuple of str
        Which of `TASKS`.
    limit : int or None
        Images a class that are used at all.
    draws : int
        How often the few images are drawn.
    shots : tuple of int
        Images a class.
    steps : tuple of int
        Training steps after which the head is judged.
    """

    tasks: tuple[str, ...]
    limit: int | None
    draws: int
    shots: tuple[int, ...]
    steps: tuple[int, ...]


TASKS = {"cifar100": cifar100_task, "tiny_imagenet": tiny_imagenet_task}
PRESETS = {
    "full": Preset(
        tasks=tuple(TASKS),
        limit=None,
        draws=10,
        shots=(100, 50, 25, 10, 5, 2, 1),
        steps=(0, 1, 2, 5, 10, 20, 50, 100, 200, 500),
    ),
    "tiny": Preset(tasks=("cifar100",), limit=2, draws=2, shots=(2, 1), steps=(0, 1, 5)),
}


# Heads ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One way to a new head.

    Attributes
    ----------
    similarity : object
        Of targets to sources.
    n_neighbors : int or "auto" or None
        K; None is all sources.
    options : dict
        Further parameters of `SimilarityInitializer`.
    mirrored : bool
        Show the network each image turned left to right too.
    trained : bool
        Train the head too, as one of the rows of Table 2.
    """

    similarity: Any
    n_neighbors: int | str | None
    options: dict[str, Any]
    mirrored: bool = False
    trained: bool = False

    @property
    def needs_images(self) -> bool:
        """Whether the similarity itself is measured on images."""
        parts = getattr(self.similarity, "similarities", [(self.similarity, 1)])
        return any(isinstance(part, InferenceSimilarity) for part, _ in parts)

    def fit(self, task: Task, rows: np.ndarray | None) -> SimilarityInitializer:
        """Return the head made of the training images `rows`, or of names alone."""
        head = task.head
        k = len(head.labels) if self.n_neighbors is None else self.n_neighbors
        model = SimilarityInitializer(
            head, self.similarity, n_neighbors=k, synsets=task.synsets, **self.options
        )
        if rows is None:
            return model.fit(None, task.classes)
        X, y = task.train.data[rows], task.train.target[rows]
        if self.mirrored and task.mirrored is not None:
            X = np.concatenate([X, task.mirrored.data[rows]])
            y = np.concatenate([y, y])
        return model.fit(X, y)


def similarity_rows(task: Task) -> dict[str, Row]:
    """Return the rows of the study, by name."""
    hard, soft = InferenceSimilarity(), InferenceSimilarity("soft", temperature=2)
    softer = InferenceSimilarity("soft", temperature=4)
    wup, jcn = WordNetSimilarity("wup_nltk"), WordNetSimilarity("jcn")
    words = WordVectorSimilarity(WordVectors(overrides=task.texts))
    equal, means = {"normalize": "equal"}, {"mixture": "means"}
    return {
        "hard inference, K = 10": Row(hard, 10, {}, trained=True),
        "hard inference, K = 10, mirrored too": Row(hard, 10, {}, mirrored=True),
        "hard inference, K by validation": Row(hard, "auto", {}),
        "soft inference, K = 10, equal": Row(soft, 10, equal),
        "soft inference, all, equal": Row(soft, None, equal),
        "soft inference, all, equal, mirrored": Row(soft, None, equal, mirrored=True),
        "soft, temperature 4, all, equal": Row(softer, None, equal, trained=True),
        "WordNet wup_nltk, K = 10": Row(wup, 10, {}, trained=True),
        "WordNet jcn, K = 10, equal": Row(jcn, 10, equal),
        "word vectors, K = 10": Row(words, 10, {}, trained=True),
        "word vectors, K = 10, equal": Row(words, 10, equal),
        "soft + jcn, K = 10, equal": Row(MixtureSimilarity([(soft, 1), (jcn, 1)]), 10, equal),
        "softer + jcn, all, equal": Row(MixtureSimilarity([(softer, 1), (jcn, 1)]), None, equal),
        "softer, all, + class means": Row(softer, None, means),
        "WordNet jcn, K = 10, + class means": Row(jcn, 10, means, trained=True),
    }


# Measures ---------------------------------------------------------------------------------------


def macro_f(task: Task, predicted: np.ndarray, labels: np.ndarray | None = None) -> float:
    """Return the mean F-score of the given target classes, or of all."""
    labels = task.classes if labels is None else labels
    true = task.test.target
    return float(f1_score(true, predicted, labels=labels, average="macro", zero_division=0))


def group_scores(task: Task, predicted: np.ndarray) -> dict[str, float]:
    """Return accuracy and macro F-score, the latter also of groups and relations apart."""
    parts = {**task.groups, **{name: task.of_relation(name) for name in np.unique(task.relations)}}
    apart = {f"macro F, {name}": macro_f(task, predicted, own) for name, own in parts.items()}
    accuracy = float((predicted == task.test.target).mean())
    return {"accuracy": accuracy, "macro F": macro_f(task, predicted), **apart}


def neighbor_curves(task: Task, n_images: int) -> dict[str, dict[str, list[float]]]:
    """Return macro F-scores right after initialisation, by similarity and relation, for each K."""
    rows = task.draw(n_images, seed=0)
    similarities = {
        "hard inference": InferenceSimilarity().fit(*_logits(task, rows)),
        "soft, temperature 4": InferenceSimilarity("soft", temperature=4).fit(*_logits(task, rows)),
        "WordNet wup_nltk": WordNetSimilarity("wup_nltk"),
        "WordNet jcn": WordNetSimilarity("jcn"),
        "word vectors": WordVectorSimilarity(WordVectors(overrides=task.texts)),
    }
    grid = neighbor_grid(len(task.head.labels))
    curves: dict[str, dict[str, list[float]]] = {"K": {"K": [float(k) for k in grid]}}
    for name, similarity in similarities.items():
        taxonomic = isinstance(similarity, WordNetSimilarity)
        targets = [task.synsets[label] for label in task.classes] if taxonomic else task.classes
        sources = task.head.wnids if taxonomic else task.head.labels
        matrix = as_similarity_matrix(similarity, targets, sources)
        curves[name] = {str(relation): [] for relation in np.unique(task.relations)}
        for k in grid:
            model = SimilarityInitializer(
                task.head, matrix, n_neighbors=k, normalize="equal", synsets=task.synsets
            )
            predicted = model.fit(None, task.classes).predict(task.test.data)
            for relation, scores in curves[name].items():
                scores.append(macro_f(task, predicted, task.of_relation(relation)))
    return curves


def neighbor_grid(n_sources: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, ... and the number of sources."""
    grid = [step * 10**power for power in range(4) for step in (1, 2, 5)]
    return [k for k in grid if k < n_sources] + [n_sources]


def _logits(task: Task, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return task.head.decision_function(task.train.data[rows]), task.train.target[rows]


def training_course(
    task: Task, rows: np.ndarray, coef: np.ndarray, intercept: np.ndarray, steps: Sequence[int]
) -> list[float]:
    """Train a head on frozen features, and return its macro F-score after the given steps.

    Adam with a step size of 1e-3 and batches of 64, as Pascal et al. have it.
    """
    X = torch.from_numpy(task.train.data[rows])
    y = torch.from_numpy(np.searchsorted(task.classes, task.train.target[rows]))
    weight = torch.tensor(coef, dtype=torch.float32, requires_grad=True)
    bias = torch.tensor(intercept, dtype=torch.float32, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    test, scores = torch.from_numpy(task.test.data), []
    for step in range(max(steps) + 1):
        if step in steps:
            with torch.no_grad():
                predicted = (test @ weight.T + bias).argmax(dim=1).numpy()
            scores.append(macro_f(task, task.classes[predicted]))
        batch = torch.randperm(len(X), generator=generator)[:64]
        loss = torch.nn.functional.cross_entropy(X[batch] @ weight.T + bias, y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return scores


def random_head(task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Glorot's uniform weights, which know nothing, and no offsets."""
    generator = torch.Generator().manual_seed(seed)
    coef = torch.empty(len(task.classes), task.head.coef.shape[1])
    torch.nn.init.xavier_uniform_(coef, generator=generator)
    return coef.numpy(), np.zeros(len(task.classes))


def competitor(task: Task, name: str, rows: np.ndarray) -> np.ndarray:
    """Return what the nearest class mean, or logistic regression, predicts; unit-length rows."""
    X, y = normalize(task.train.data[rows]), task.train.target[rows]
    test = normalize(task.test.data)
    if name == LOGISTIC:
        with warnings.catch_warnings():
            # One image a class is what is asked for here, not regression by mistake.
            warnings.filterwarnings("ignore", "The number of unique classes")
            return LogisticRegression(C=10, max_iter=300).fit(X, y).predict(test)
    means = normalize(np.stack([X[y == label].mean(axis=0) for label in task.classes]))
    return task.classes[(test @ means.T).argmax(axis=1)]


# The study --------------------------------------------------------------------------------------


def names_alone(task: Task) -> dict[str, dict[str, float]]:
    """Return the scores of heads made without any target image."""
    return {
        name: group_scores(task, row.fit(task, None).predict(task.test.data))
        for name, row in similarity_rows(task).items()
        if not row.needs_images and "mixture" not in row.options
    }


def few_images(task: Task, preset: Preset) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return scores by row and images a class, one for each draw.

    ``macro F`` is right after initialisation, ``best`` the highest and ``last`` the last while
    the head is trained (as published, ``best`` looks at the test images).
    """
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    for n_images in preset.shots:
        for draw in range(preset.draws):
            rows = task.draw(n_images, draw)
            for name, scores in _one_draw(task, rows, preset, draw).items():
                cell = table.setdefault(name, {}).setdefault(str(n_images), {})
                for key, value in scores.items():
                    cell.setdefault(key, []).append(value)
        print(f"  {task.name}: {n_images} images a class done", flush=True)
    return table


def _one_draw(
    task: Task, rows: np.ndarray, preset: Preset, draw: int
) -> dict[str, dict[str, float]]:
    models = {name: row.fit(task, rows) for name, row in similarity_rows(task).items()}
    results = {
        name: group_scores(task, competitor(task, name, rows)) for name in (NEAREST_MEAN, LOGISTIC)
    }
    results["random (Xavier)"] = {}
    heads = {"random (Xavier)": random_head(task, draw)}
    for name, row in similarity_rows(task).items():
        results[name] = group_scores(task, models[name].predict(task.test.data))
        if row.trained:
            heads[name] = models[name].coef_, models[name].intercept_
    for name, head in heads.items():
        course = training_course(task, rows, *head, preset.steps)
        results[name] |= {"macro F": course[0], "best": max(course), "last": course[-1]}
        results[name]["steps to best"] = float(preset.steps[int(np.argmax(course))])
    return results


def matched_classes(task: Task, n_images: int) -> list[dict[str, Any]]:
    """Return which sources two target classes of each relation got, by two similarities.

    They are the two whose sources have the most photos at hand, for the picture.
    """
    rows = task.draw(n_images, seed=0)
    inference = Row(InferenceSimilarity(), 5, {}).fit(task, rows).neighbors_
    wordnet = Row(WordNetSimilarity("wup_nltk"), 5, {}).fit(task, None).neighbors_
    records = [
        {
            "target": visual["target"],
            "relation": visual["relation"],
            "inference": _pairs(visual),
            "WordNet": _pairs(semantic),
        }
        for visual, semantic in zip(inference, wordnet, strict=True)
    ]
    photos = source_photos(task)

    def without_photo(record: dict[str, Any]) -> int:
        sources = [*record["inference"][:3], *record["WordNet"][:3]]
        return sum(source not in photos for source, _ in sources)

    by_relation = [
        [record for record in records if record["relation"] == relation]
        for relation in np.unique(task.relations)
    ]
    return [record for own in by_relation for record in sorted(own, key=without_photo)[:2]]


def _pairs(record: dict[str, Any]) -> list[tuple[str, float]]:
    return list(zip(record["sources"], record["weights"], strict=True))


def study(task: Task, preset: Preset) -> dict[str, Any]:
    """Run everything on one task, print it, and return it."""
    counts = {str(name): int((task.relations == name).sum()) for name in np.unique(task.relations)}
    print(
        f"\n{task.name}: {len(task.classes)} target classes ({_listed(counts)}), "
        f"{len(task.head.labels)} source classes, {len(task.test.target)} test images"
    )
    with warnings.catch_warnings():
        # With one image, some classes resemble no source: their rows are the mean row.
        warnings.simplefilter("ignore", LabelWarning)
        results = {
            "relations": counts,
            "names alone": names_alone(task),
            "neighbors": neighbor_curves(task, max(preset.shots)),
            "few images": few_images(task, preset),
            "matched": matched_classes(task, max(preset.shots)),
        }
    print_names_alone(results["names alone"])
    print_neighbors(results["neighbors"], max(preset.shots))
    print_few_images(results["few images"])
    print_matched(results["matched"])
    return results


# Printing ---------------------------------------------------------------------------------------


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def print_names_alone(scores: dict[str, dict[str, float]]) -> None:
    """Print the heads that no image went into."""
    print("\nNo target image: right after initialisation")
    columns = list(next(iter(scores.values())))
    print(f"{'':<38}", *(f"{column.removeprefix('macro F, '):>18}" for column in columns))
    for name, values in scores.items():
        print(f"{name:<38}", *(f"{values[column]:18.3f}" for column in columns))


def print_neighbors(curves: dict[str, dict[str, list[float]]], n_images: int) -> None:
    """Print macro F-scores against K."""
    print(f"\nMacro F-score right after initialisation against K, equal norms, {n_images} images")
    print(f"{'similarity':<21}{'relation':<12}", *(f"{int(k):6d}" for k in curves["K"]["K"]))
    for name, by_relation in curves.items():
        for relation, scores in by_relation.items() if name != "K" else ():
            print(f"{name:<21}{relation:<12}", *(f"{score:6.3f}" for score in scores))


def print_few_images(table: dict[str, dict[str, dict[str, list[float]]]]) -> None:
    """Print accuracy, and first and best macro F-score, with intervals of the paired differences.

    They are 95 % intervals of the difference to the nearest class mean over the draws.
    """
    shots = list(next(iter(table.values())))
    views = {
        "accuracy": "accuracy right after initialisation",
        "macro F": "macro F-score right after initialisation (first)",
        "best": "macro F-score, best while the head is trained",
        "last": "macro F-score at the end of training",
        "steps to best": "training steps to the best",
    }
    for key, title in views.items():
        print(f"\n{title}, by images a class")
        print(f"{'':<38}", *(f"{n:>7}" for n in shots))
        for name, cells in table.items():
            if key in cells[shots[0]]:
                print(f"{name:<38}", *(f"{np.mean(cells[n][key]):7.3f}" for n in shots))
    print("\naccuracy less that of the nearest class mean: 95 % interval of the paired differences")
    print(f"{'':<38}", *(f"{n:>16}" for n in shots))
    for name, cells in table.items():
        if "accuracy" in cells[shots[0]]:
            pairs = (
                paired_interval(cells[n]["accuracy"], table[NEAREST_MEAN][n]["accuracy"])
                for n in shots
            )
            print(f"{name:<38}", *(f"{low:+7.3f} {high:+7.3f} " for low, high in pairs))


def paired_interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean difference, by Student's t."""
    differences = np.subtract(first, second)
    half = student.ppf(0.975, len(differences) - 1) * differences.std(ddof=1)
    half /= np.sqrt(len(differences))
    return float(differences.mean() - half), float(differences.mean() + half)


def print_matched(records: list[dict[str, Any]]) -> None:
    """Print which sources some target classes got."""
    print("\nMatched source classes")
    for record in records:
        print(f"{record['target']} ({record['relation']})")
        for kind in ("inference", "WordNet"):
            shown = (f"{weight:.2f} {source.split(',')[0]}" for source, weight in record[kind][:5])
            print(f"  {kind:<10}", " | ".join(shown))


def rounded(results: dict[str, Any]) -> dict[str, Any]:
    """Return results with four digits after the point, as they are kept."""
    return json.loads(json.dumps(results), parse_float=lambda digits: round(float(digits), 4))


def keep(task: Task, results: dict[str, Any], folder: Path, command: str) -> None:
    """Write the figures of a task, with the command that made them, and draw them."""
    from transfer_figures import draw_all

    folder.mkdir(parents=True, exist_ok=True)
    record = {"command": command, "machine": platform.machine(), "results": results}
    path = folder / f"similarity_transfer-{slug(task.name)}.json"
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    draw_all(task, results, folder)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the study, print it, and return its figures by task."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", choices=PRESETS, default="full")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, help="which data sets")
    parser.add_argument("--draws", type=int, help="how often the few images are drawn")
    parser.add_argument("--output", type=Path, help="a folder for the JSON and the pictures")
    parser.add_argument("--targets", help="a folder of folders of images, named by wnids")
    parser.add_argument("--synsets", help="a file with the wnids of the targets, one a line")
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    preset = PRESETS[options.preset]
    if options.draws is not None:
        preset = dataclasses.replace(preset, draws=options.draws)
    results = {}
    names = ["the folder"] if options.targets else options.tasks or preset.tasks
    for name in names:
        if options.targets:
            task = folder_task(options.targets, options.synsets)
        else:
            task = TASKS[name](preset.limit)
        results[task.name] = rounded(study(task, preset))
        if options.output:
            command = shlex.join(["python", "studies/similarity_transfer.py", *given])
            keep(task, results[task.name], options.output, command)
    return results


if __name__ == "__main__":
    main()
