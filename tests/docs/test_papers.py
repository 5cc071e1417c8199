"""The figures of docs/papers.md are those of the JSON that the studies wrote."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "papers.md"


def recorded(name):
    return json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text())


def row(what, published, ours, control):
    return f"| {what} | {published} | {ours} | {control} |"


def baughman_rows():
    results = recorded("leave_one_class_out")
    (frozen,) = results["frozen"].values()
    published, n = results["paper"]["relative loss"], results["paper"]["classes"]
    ours, control = frozen["relative loss"], frozen["control: mean embedding"]
    cells = [
        [f"{part['median']:.1%}".replace("%", " %") for part in (published, ours, control)],
        [f"{part['better']} of {n}" for part in (published, ours, control)],
    ]
    skill = f"{frozen['skill over the control']['median']:.1%}".replace("%", " %")
    yield row("loss on an excluded class, relative to zero: median of 100 classes", *cells[0])
    yield row("classes better than zero", *cells[1])
    yield row("the same relative to the control: median", "", skill, "0")


def nishimura_rows():
    results = recorded("devise_tiny_imagenet")["results"]
    hits, transfer = results["hits"], results["transfer"]
    devise = transfer["models"]["DeViSE"]["CIFAR-100"]["similarity@3"]["all"]
    softmax = transfer["softmax"]["CIFAR-100"]["similarity@3"]["all"]
    controls = {name: value["all"] for name, value in transfer["controls"].items()}
    constant = controls["best CIFAR label, always the same"]
    pairs = controls["random pair of labels, one of each set"]
    chance = hits["chance"]
    yield row(
        "softmax, hit@1 on Tiny ImageNet", "0.25",
        f"{hits['softmax'][-1]['hit@1']:.3f}", f"{chance['hit@1']:.3f}",
    )  # fmt: skip
    yield row(
        "DeViSE, hit@5 on Tiny ImageNet", "0.31",
        f"{hits['DeViSE'][-1]['hit@5']:.3f}", f"{chance['hit@5']:.3f}",
    )  # fmt: skip
    both = f"{constant:.3f} constant, {pairs:.3f} pairs (theirs 0.11)"
    yield row("softmax, similarity@3 on CIFAR-100", "0.31", f"{softmax:.3f}", both)
    yield row("DeViSE, similarity@3 on CIFAR-100", "0.63", f"{devise:.3f}", both)


def mean(cell, key="macro F"):
    return f"{np.mean(cell[key]):.3f}"


def head_rows():
    results = recorded("similarity_transfer-cifar-100")["results"]
    published = recorded("fine_tune")["published"]["first, at their best number of neighbours"]
    table = results["few images"]
    for what, theirs, ours in (
        ("WordNet, Wu-Palmer: no image", "WordNet", "WordNet wup_nltk, K = 10"),
        ("word vectors: no image", "word vectors", "word vectors, K = 10"),
        ("inference", "inference F-score", "hard inference, K = 10"),
    ):
        control = "0.010" if "no image" in what else mean(table["nearest class mean"]["100"])
        yield row(what, f"{published[theirs]:.2f}", mean(table[ours]["100"]), control)
    yield row(
        "inference made soft, temperature 4", "",
        mean(table["soft, temperature 4, all, equal"]["100"]),
        mean(table["nearest class mean"]["100"]),
    )  # fmt: skip
    yield row(
        "WordNet jcn, mixed with class means: 1 image a class", "",
        mean(table["WordNet jcn, K = 10, + class means"]["1"]),
        mean(table["nearest class mean"]["1"]),
    )  # fmt: skip


def fine_tuned_rows():
    results = recorded("fine_tune")
    published = results["published"]
    shots = published["images a class"]
    for n in (1, 5, 25):
        control = f"{np.mean(results['table']['logistic regression'][str(n)]['best']['all']):.3f}"
        for start in ("random", "inference F-score", "WordNet"):
            theirs = published["best"].get(start)
            yield row(
                f"{n} image{'s' * (n > 1)} a class, start: {start}",
                f"{theirs[shots.index(n)]:.2f}" if theirs else "",
                f"{np.mean(results['table'][start][str(n)]['best']['all']):.3f}",
                control,
            )


def egg_rows():
    curves = recorded("few_shot")["curves"]["all classes"]
    chance = np.mean(curves["controls"]["most frequent label"])
    for n, theirs in ((1, "0.330"), (5, ""), (25, "")):
        what = f"{n} image{'s' * (n > 1)} a class, accuracy"
        deep, pixels = (
            np.mean(curves["scores"][f"linear SVM, {depth}"][str(n)])
            for depth in ("penultimate layer", "pixels")
        )
        yield row(what, theirs, f"{deep:.3f}", f"{chance:.3f} chance, {pixels:.3f} pixels")


TABLES = [baughman_rows, nishimura_rows, head_rows, fine_tuned_rows, egg_rows]


@pytest.mark.parametrize("rows", TABLES)
def test_the_page_has_the_recorded_figures(rows):
    page = PAGE.read_text()
    for expected in rows():
        assert f"\n{expected}\n" in page, f"docs/papers.md lacks the row\n{expected}"


def test_the_page_has_no_other_figure():
    """Every row of a table of figures is one of those above."""
    known = {line for rows in TABLES for line in rows()}
    tables = PAGE.read_text().split("## Every figure and table")[0]
    lines = re.findall(r"^\| [^|]*[a-z][^|]*\|.*$", tables, re.MULTILINE)
    assert set(lines) == known


def test_the_commands_of_the_page_name_scripts_and_options_that_exist():
    commands = re.findall(r"python (studies/\w+\.py)([^`\n]*)", PAGE.read_text())
    assert len(commands) == len(TABLES)
    for script, options in commands:
        source = (ROOT / script).read_text()
        for option in re.findall(r"--[a-z-]+", options):
            assert f'"{option}"' in source, f"{script} has no {option}"
