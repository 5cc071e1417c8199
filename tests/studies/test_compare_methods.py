"""The comparison of methods: its parts, and the whole of it at its smallest size."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.linear_model import LogisticRegression

from zeroshot import DeViSEClassifier, PrototypeRegressionClassifier, WordVectors
from zeroshot.datasets import class_names, load_cifar100_features
from zeroshot.model_selection import ClassKFold, with_candidates

TITLES = ["word vectors, label texts", "WordNet"]


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import compare_methods

        yield compare_methods
    for name in ("compare_methods", "methods", "label_sides", "archive_features"):
        sys.modules.pop(name, None)


@pytest.mark.slow  # a whole study, small
def test_every_method_stands_beside_its_controls(
    study: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    arguments = ["--preset", "tiny", "--output", str(path), "--embeddings", *TITLES]
    results = study.main(arguments)
    kept = json.loads(path.read_text())
    assert kept["command"] == " ".join(["python studies/compare_methods.py", *arguments])
    assert kept["results"] == json.loads(json.dumps(results))
    assert len(kept["results"]["CIFAR-100"]["ImageNet synonyms"]) == 25
    out = capsys.readouterr().out
    for title, rows in kept["results"]["CIFAR-100"]["results"].items():
        assert list(rows) == list(study.METHODS)
        assert title in out
        for name, figures in rows.items():
            top, hit = figures["top-1"], figures["hit@5"]
            assert f"{top['mean']:.3f}" in out
            for measure in (top, hit):
                assert measure["mean"] == pytest.approx(np.mean(measure["splits"]))
                for interval in ("interval over splits", "interval over classes"):
                    assert measure[interval][0] <= measure["mean"] <= measure[interval][1]
            if name.startswith("control"):
                assert top["mean"] == pytest.approx(0.05, abs=0.02)
                assert hit["mean"] == pytest.approx(0.25, abs=0.03)
            else:
                assert top["mean"] > 0.1 and hit["mean"] > 0.35, (title, name)
    assert list(kept["results"]["CIFAR-100"]["results"]) == TITLES


def test_the_best_parameters_are_those_of_folds_of_the_seen_classes(study: ModuleType) -> None:
    X, y = load_cifar100_features(subset="test", return_X_y=True)
    seen = np.isin(y, class_names("cifar100")[:60])
    folds = ClassKFold(2, shuffle=True, random_state=0)
    alphas = (1e-4, 1.0, 1e4)
    method = study.Method(DeViSEClassifier(loss="mse"), {"alpha": alphas})
    model, chosen = study.fit_best(method, WordVectors(), X[seen], y[seen], folds)
    unit = X[seen] / np.linalg.norm(X[seen], axis=1, keepdims=True)
    scores = []
    for alpha in alphas:
        devise = DeViSEClassifier(WordVectors(), loss="mse", alpha=alpha, scenario="unseen")
        devise.set_params(candidates=np.unique(y[seen]))
        scores.append(
            np.mean(
                [
                    devise.fit(unit[train], y[seen][train]).score(unit[test], y[seen][test])
                    for train, test in folds.split(unit, y[seen])
                ]
            )
        )
    assert chosen == {"alpha": alphas[int(np.argmax(scores))]}
    view = with_candidates(model, np.unique(y[~seen]))
    assert view.score(X[~seen], y[~seen]) > 2 / 40


def test_prototypes_are_predicted_from_the_label_embedding_and_whitened_as_folds_say(
    study: ModuleType,
) -> None:
    X, y = load_cifar100_features(subset="test", return_X_y=True)
    seen = np.isin(y, class_names("cifar100")[:60])
    folds = ClassKFold(2, shuffle=True, random_state=0)
    words, unseen = WordVectors(), np.unique(y[~seen])
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    for name in ("prototypes", "prototypes, whitened"):
        method = study.quick(study.METHODS[name])
        model, chosen = study.fit_best(method, words, X[seen], y[seen], folds)
        expected = PrototypeRegressionClassifier(words, candidates=unseen, **chosen)
        expected.fit(unit[seen], y[seen])
        view = with_candidates(model, unseen)
        np.testing.assert_allclose(
            view.decision_function(X[~seen]), expected.decision_function(unit[~seen]), atol=1e-6
        )
    assert chosen["shrinkage"] in study.METHODS[name].grid["shrinkage"]


def test_kept_logistic_regression_is_fitted_once_and_only_for_the_same_data(
    study: ModuleType,
) -> None:
    from methods import KeptLogisticRegression

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.repeat(["a", "b", "c"], 20)
    first, same = KeptLogisticRegression().fit(X, y), KeptLogisticRegression().fit(X.copy(), y)
    assert same.coef_ is first.coef_
    for other in (KeptLogisticRegression(C=0.1).fit(X, y), KeptLogisticRegression().fit(-X, y)):
        assert not np.allclose(other.coef_, first.coef_)
    np.testing.assert_array_equal(first.coef_, LogisticRegression().fit(X, y).coef_)
    assert KeptLogisticRegression(C=0.1).fit(X, y).C == 0.1


def test_a_summary_counts_classes_within_splits_and_groups_over_them(study: ModuleType) -> None:
    splits = [
        {"classes": {"lion": [0.2, 0.5], "cup": [0.4, 1.0]}, "chosen": {"alpha": 1}},
        {"classes": {"lion": [0.6, 0.5], "sea": [0.0, 0.0]}, "chosen": {"alpha": 3}},
    ]
    figures = study.summary(splits, {"lion", "tench"})
    assert figures["chosen"] == [{"alpha": 1}, {"alpha": 3}]
    assert figures["top-1"]["splits"] == pytest.approx([0.3, 0.3])
    assert figures["hit@5"]["splits"] == pytest.approx([0.75, 0.25])
    assert figures["hit@5"]["mean"] == pytest.approx(0.5)
    assert figures["top-1"]["ImageNet synonyms"] == pytest.approx(0.4)
    assert figures["top-1"]["the rest"] == pytest.approx(0.2)
    assert study.summary(splits, set())["top-1"]["ImageNet synonyms"] is None


def test_intervals_are_students_and_the_bootstraps(study: ModuleType) -> None:
    rng = np.random.default_rng(1)
    values = rng.random(5)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert study.student_interval(values) == pytest.approx(tuple(expected))
    labels = np.array(["a", "b", "c", "d", "a", "e"])
    values = rng.random(6)
    means = []
    for drawn in np.random.default_rng(0).integers(5, size=(2000, 5)):
        rows = [np.flatnonzero(labels == "abcde"[code]) for code in drawn]
        means.append(values[np.concatenate(rows)].mean())
    expected = np.quantile(means, [0.025, 0.975])
    assert study.bootstrap_interval(values, labels) == pytest.approx(tuple(expected))


def test_without_archives_what_ships_is_taken_and_the_rest_is_said_to_be_not_run(
    study: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ZEROSHOT_DATA", str(tmp_path))
    data = study.load("cifar100", 2, shipped=False)
    assert data.X.shape == (100 * (2 + 10), 128)
    assert data.is_train.sum() == 200
    for part in (data.is_train, ~data.is_train):
        assert np.unique(data.y[part]).tolist() == class_names("cifar100")
    assert "ship" in data.source
    assert study.compare("tiny_imagenet", study.PRESETS["full"], 1, TITLES, []) is None
    assert "Tiny ImageNet: not run" in capsys.readouterr().out


def test_label_sides_know_every_class_of_their_data_set(study: ModuleType) -> None:
    from label_sides import EMBEDDINGS

    for data_set in study.TITLES:
        names = class_names(data_set)
        for title, make in EMBEDDINGS.items():
            embedding = make(data_set, names)
            if embedding is None:
                assert (data_set, title) == ("tiny_imagenet", "word vectors, label texts")
            else:
                assert embedding.covers(names).all(), (data_set, title)


def test_the_page_holds_what_the_two_runs_kept():
    folder = Path(__file__).parents[2] / "docs"
    page = (folder / "results.md").read_text("utf-8")
    part = page.partition("## Methods and label embeddings")[2].partition("\n## ")[0]
    first, later = (
        json.loads((folder / f"results/compare_methods{name}.json").read_text("utf-8"))["results"]
        for name in ("", "_closed_forms")
    )
    differences = []
    for data_set, kept in first.items():
        table = part.partition(f"{data_set}:\n\n")[2].partition("\n\n")[0]
        for line in table.splitlines()[2:]:
            name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            for title, cell in zip(kept["results"], cells, strict=True):
                old = kept["results"][title].get(name)
                new = later[data_set]["results"][title].get(name)
                top, hit = (new or old)["top-1"], (new or old)["hit@5"]
                low, high = top["interval over classes"]
                between = "" if "control" in name else f" ({low:.2f} to {high:.2f})"
                assert cell == f"{top['mean']:.3f}{between}, {hit['mean']:.3f}", (name, title)
                if old and new:
                    for key in ("top-1", "hit@5"):
                        differences.append(old[key]["mean"] - new[key]["mean"])
    assert len(differences) == 72 and max(map(abs, differences)) < 0.0125
    assert "differ by at most 0.012" in part
