"""Tables of the fine-tuning study: means over draws, and the published figures beside."""

from __future__ import annotations

import json
from typing import Any

import fine_tune_runs as runs
import numpy as np
from fine_tune_target import Target
from scipy.stats import t as student

from zeroshot.taxonomy import relations

# Pascal et al., Table 2: 90 synsets outside of ImageNet-1k, ResNet-101, images a class.
PUBLISHED_SHOTS = (1, 2, 5, 10, 25, 50, 100)
PUBLISHED = {
    runs.RANDOM: (0.16, 0.26, 0.41, 0.53, 0.62, 0.68, 0.72),
    runs.INFERENCE: (0.40, 0.44, 0.50, 0.54, 0.64, 0.69, 0.73),
}
PUBLISHED_FIRST = {runs.RANDOM: 0.00, runs.INFERENCE: 0.59, runs.WORDNET: 0.39, runs.WORDS: 0.35}
ORDER = (*runs.STARTS, *runs.CONTROLS, runs.SCRATCH)


def summary(target: Target, done: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of all finished runs.

    Parameters
    ----------
    target : Target
        What was learned.
    done : dict of Run to dict
        ``"course"`` and ``"seconds"`` of each.
    """
    table = whole_draws(done)
    wnids = [target.synsets[label] for label in target.classes.tolist()]
    counts = zip(*np.unique(relations(wnids, target.head.wnids), return_counts=True), strict=True)
    return {
        "relations": {str(name): int(count) for name, count in counts},
        "groups": {name: len(group) for name, group in target.groups.items()},
        "published": {
            "images a class": PUBLISHED_SHOTS,
            "best": PUBLISHED,
            "first, at their best number of neighbours": PUBLISHED_FIRST,
        },
        "table": {
            name: {
                str(shots): cell(courses)
                for shots, courses in grouped(table, name, ("start", "control", "scratch")).items()
            }
            for name in ORDER
        },
        "differences": {name: differences(table, name) for name in runs.STARTS[1:]},
        "one class": {
            "class": target.preset.course_class,
            "images a class": target.preset.course_shots,
            "sources": {name: one_class(target, done, name) for name in runs.SOURCES},
        },
        "hours": sum(record["seconds"] for record in done.values()) / 3600,
    }


def whole_draws(done: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    """Return the runs without those of draws that not every start and control has seen."""
    wanted = {("start", name) for name in runs.STARTS} | {("control", n) for n in runs.CONTROLS}
    made: dict[tuple[int, int], set[tuple[str, str]]] = {}
    for run in done:
        made.setdefault((run.shots, run.draw), set()).add((run.kind, run.name))
    return {
        run: record
        for run, record in done.items()
        if run.kind == "scratch" or wanted <= made[run.shots, run.draw]
    }


def grouped(
    done: dict[Any, dict[str, Any]], name: str, kinds: tuple[str, ...]
) -> dict[int, dict[int, list[dict[str, float]]]]:
    """Return the courses of a name by images a class, and by draw."""
    found: dict[int, dict[int, list[dict[str, float]]]] = {}
    for run, record in done.items():
        if run.name == name and run.kind in kinds:
            found.setdefault(run.shots, {})[run.draw] = record["course"]
    return dict(sorted(found.items()))


def cell(courses: dict[int, list[dict[str, float]]]) -> dict[str, Any]:
    """Return first, best and last F-scores, each a list of draws, and the mean course.

    The best is that of the measured points, by the test images, as published.
    """
    scores = np.array([[point["all"] for point in course] for course in courses.values()])
    names = list(next(iter(courses.values()))[0])
    best = scores.argmax(axis=1)

    def at(points: np.ndarray, name: str) -> list[float]:
        pairs = zip(courses.values(), points.tolist(), strict=True)
        return [course[point][name] for course, point in pairs]

    measured = {
        where: {name: at(points, name) for name in names}
        for where, points in {
            "first": np.zeros_like(best),
            "best": best,
            "last": np.full_like(best, scores.shape[1] - 1),
        }.items()
    }
    course = {
        "iterations": [point["iterations"] for point in next(iter(courses.values()))],
        "macro F": scores.mean(axis=0).tolist(),
    }
    return {"draws": list(courses), **measured, "course": course}


def differences(done: dict[Any, dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """Return by how much a start is above the random one, draw by draw: its best and its last."""
    ours, random = grouped(done, name, ("start",)), grouped(done, runs.RANDOM, ("start",))
    result: dict[str, dict[str, Any]] = {}
    for shots, courses in ours.items():
        draws = sorted(set(courses) & set(random.get(shots, {})))
        if not draws:
            continue
        mine = cell({draw: courses[draw] for draw in draws})
        theirs = cell({draw: random[shots][draw] for draw in draws})
        result[str(shots)] = {
            where: interval(np.subtract(mine[where]["all"], theirs[where]["all"]))
            for where in ("best", "last")
        }
    return result


def interval(values: np.ndarray) -> dict[str, Any]:
    """Return the mean, and Student's 95 % interval of it; None of a single value."""
    mean = float(values.mean())
    if len(values) < 2:
        return {"mean": mean, "interval": None}
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return {"mean": mean, "interval": [mean - float(half), mean + float(half)]}


def one_class(target: Target, done: dict[Any, dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the mean course of the one class, and which source it starts from in each draw."""
    preset = target.preset
    courses = grouped(done, name, ("course",)).get(preset.course_shots, {})
    if not courses:
        return {}
    labels, row = [], int(np.flatnonzero(target.classes == preset.course_class)[0])
    for draw in courses:
        weights = runs.course_matrix(target, name, target.draw(preset.course_shots, draw))[row]
        best = target.head.labels[weights.argmax()].split(",")[0]
        labels.append(str(best) if weights.any() else runs.NO_SOURCE)
    scores = np.array([[point[preset.course_class] for point in c] for c in courses.values()])
    return {
        "starts from": labels,
        "iterations": [point["iterations"] for point in next(iter(courses.values()))],
        "F": scores.mean(axis=0).tolist(),
        "draws": scores.tolist(),
    }


def rounded(results: dict[str, Any]) -> dict[str, Any]:
    """Return results with four digits after the point, as they are kept."""
    return json.loads(json.dumps(results), parse_float=lambda digits: round(float(digits), 4))


# Printing ---------------------------------------------------------------------------------------


def print_summary(record: dict[str, Any]) -> None:
    """Print every table, the published figures below ours."""
    groups = ", ".join(f"{count} {name}" for name, count in record["groups"].items())
    print(f"\n{record['runs']} runs; target classes: {groups}; {record['relations']}")
    shots = [str(n) for n in record["preset"]["shots"]]
    for where in ("first", "best", "last"):
        for group in record["groups"]:
            print(f"\n{where} macro F-score, {group}, by images a class")
            print(f"{'':<24}", *(f"{n:>6}" for n in shots))
            for name, cells in record["table"].items():
                known = (cells[n][where][group] if n in cells else [] for n in shots)
                print(f"{name:<24}", *(_mean(values) for values in known))
        if where == "best":
            for name, values in record["published"]["best"].items():
                by_shots = dict(zip(PUBLISHED_SHOTS, values, strict=True))
                known = (by_shots.get(int(n)) for n in shots)
                print(f"{'published, ' + name:<24}"[:24], *(_mean([v] if v else []) for v in known))
    print("\nabove the random start: mean of the draws, and its 95 % interval")
    for name, cells in record["differences"].items():
        for n, measured in cells.items():
            print(f"{name:<20}{n:>4} images:", *(_shown(w, v) for w, v in measured.items()))
    print("\nmacro F-score against iterations, all classes")
    for n in shots:
        for name in runs.STARTS:
            if n in record["table"][name]:
                _print_course(f"{n:>3} images, {name}", record["table"][name][n]["course"])
    about = record["one class"]
    print(f"\nF-score of {about['class']!r}, {about['images a class']} images a class")
    for name, course in about["sources"].items():
        if course:
            starts = "/".join(dict.fromkeys(course["starts from"]))
            _print_course(f"{name} ({starts})", course, "F")


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):6.3f}" if len(values) else f"{'-':>6}"


def _shown(where: str, value: dict[str, Any]) -> str:
    ends = value["interval"]
    return f" {where} {value['mean']:+.3f}" + (
        f" ({ends[0]:+.3f} to {ends[1]:+.3f})" if ends else ""
    )


def _print_course(title: str, course: dict[str, Any], key: str = "macro F") -> None:
    points = zip(course["iterations"], course[key], strict=True)
    print(f"{title:<44}", *(f"{int(step)}: {score:.3f}" for step, score in points), sep="  ")
