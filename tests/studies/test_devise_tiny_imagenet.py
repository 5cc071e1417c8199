"""The Tiny ImageNet study at its smallest size: its figures, computed again the slow way."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import DeViSEClassifier, WordVectors
from zeroshot.datasets import class_names
from zeroshot.metrics import SCORERS

MODULES = ("devise_tiny_imagenet", "nishimura_answers", "nishimura_figures", "nishimura_parts")
MODULES += ("nishimura_pretrained", "nishimura_report", "nishimura_training", "archive_features")
SHARED = ["bee", "chimpanzee", "cockroach", "lawn_mower", "lion", "mushroom", "orange", "plate"]
SHARED += ["snail", "tractor"]


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import devise_tiny_imagenet

        yield devise_tiny_imagenet
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def finished(
    study: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a finished run, and its figures."""
    if not os.environ.get("ZEROSHOT_DATA"):
        pytest.skip("ZEROSHOT_DATA names no folder with the data sets' archives")
    folder = tmp_path_factory.mktemp("study")
    arguments = ["--preset", "tiny", "--work", str(folder / "work")]
    arguments += ["--json", str(folder / "figures.json"), "--plot", str(folder / "pictures")]
    return folder, study.main(arguments)


@pytest.fixture(scope="module")
def shop(study: ModuleType, finished: tuple[Path, Any]) -> Any:
    return study.Workshop(finished[0] / "work", study.PRESETS["tiny"].n_test)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def cosine(words: Any, one: str, other: str) -> float:
    first, second = words.embed([one, other]).astype(np.float64)
    return float(unit(first) @ unit(second))


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_every_part_is_printed_and_kept(
    study: ModuleType, finished: tuple[Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, results = finished
    kept = json.loads((folder / "figures.json").read_text())
    assert kept["results"] == json.loads(json.dumps(results))
    assert kept["command"].startswith("python studies/devise_tiny_imagenet.py --preset tiny")
    assert kept["plan"] == json.loads(json.dumps(asdict(study.PRESETS["tiny"])))
    assert list(results) == list(study.PARTS)
    study.show(results)
    out = capsys.readouterr().out
    assert "Not finished" not in out
    for part in study.PARTS:
        assert f"== {part}\n" in out
    for name in ("learning-curves", "hits", "answers", "similarity"):
        with Image.open(folder / "pictures" / f"devise_tiny_imagenet-{name}.png") as picture:
            assert min(picture.size) > 200


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_a_second_run_trains_and_computes_nothing(
    study: ModuleType,
    finished: tuple[Path, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("made twice")

    folder, results = finished
    arguments = ["--preset", "tiny", "--work", str(folder / "work")]
    with monkeypatch.context() as patch:
        for name in ("softmax", "devise", "images"):
            patch.setattr(study.Workshop, name, refuse)
        assert study.main(arguments) == results
    # Where a part is lost, networks are read from their checkpoints, and figures come out the same.
    (hits,) = (folder / "work").glob("hits-*.json")
    hits.unlink()
    from zeroshot.networks._loop import _Loop

    monkeypatch.setattr(_Loop, "epoch", refuse)
    assert study.main([*arguments, "--minutes", "0", "--parts", "hits"]) == {"hits": None}
    assert "Not finished, run it again to go on: hits." in capsys.readouterr().out
    assert study.main([*arguments, "--parts", "hits"]) == {"hits": results["hits"]}


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_hits_over_epochs_end_with_those_of_the_fitted_models(
    study: ModuleType, finished: tuple[Path, Any], shop: Any
) -> None:
    plan, figures = study.PRESETS["tiny"], finished[1]["hits"]
    images, y = shop.images("validation", plan.main)
    assert (
        images.shape == (12, 16, 16, 3) and np.unique(y, return_counts=True)[1].tolist() == [2] * 6
    )
    softmax = shop.softmax(plan.main)
    devise = sys.modules["nishimura_parts"].published(shop, plan)
    assert (devise.loss, devise.margin, devise.hidden, devise.center) == (
        "cosine_margin",
        0.1,
        (),
        False,
    )
    for name, model in {"softmax": softmax, "DeViSE": devise}.items():
        scores = model.decision_function(images)
        for k in (1, 3, 5):
            hits = [
                label in model.classes_[np.argsort(-row)[:k]]
                for label, row in zip(y, scores, strict=True)
            ]
            assert figures[name][-1][f"hit@{k}"] == pytest.approx(np.mean(hits))
        assert len(figures[name]) == 2
    probabilities = softmax.predict_proba(images)
    losses = [-np.log(row[label == softmax.classes_][0]) for label, row in zip(y, probabilities)]  # noqa: B905
    assert figures["softmax"][-1]["validation loss"] == pytest.approx(np.mean(losses), rel=1e-3)
    assert figures["chance"] == {"hit@1": 1 / 6, "hit@3": 0.5, "hit@5": 5 / 6}


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_answers_from_unseen_labels_are_scored_by_raw_cosines(
    study: ModuleType, finished: tuple[Path, Any], shop: Any
) -> None:
    plan, figures = study.PRESETS["tiny"], finished[1]["transfer"]
    images, y = shop.images("CIFAR-100", plan.main)
    assert len(images) == 200
    words, labels = shop.words, class_names("cifar100")
    devise = sys.modules["nishimura_parts"].published(shop, plan)
    vectors = devise.transform(images)
    places = [unit(vector) for vector in words.embed(labels).astype(np.float64)]
    hits, similarities, answers = [], [], []
    for row, label in zip(vectors, y, strict=True):
        ranked = sorted(range(100), key=lambda code: -(row @ places[code]))
        hits.append(label in [labels[code] for code in ranked[:5]])
        answers.append([labels[code] for code in ranked[:3]])
        similarities.append(np.mean([cosine(words, label, name) for name in answers[-1]]))
    row = figures["models"]["DeViSE"]["CIFAR-100"]
    assert row["hit@5"] == pytest.approx(np.mean(hits))
    assert row["similarity@3"]["all"] == pytest.approx(np.mean(similarities), abs=1e-6)
    for entry in figures["answers"]:
        assert entry["DeViSE"]["CIFAR-100"] == answers[entry["row"]]
        assert y[entry["row"]] == entry["label"]

    softmax = shop.softmax(plan.main)
    top = softmax.classes_[np.argsort(-softmax.predict_proba(images), axis=1)[:, :3]]
    naive = [
        np.mean([cosine(words, label, name) for name in own])
        for label, own in zip(y, top, strict=True)
    ]
    got = figures["softmax"]["CIFAR-100"]["similarity@3"]["all"]
    assert got == pytest.approx(np.mean(naive), abs=1e-6)


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_conse_is_the_mean_vector_of_what_softmax_believes(
    study: ModuleType, finished: tuple[Path, Any], shop: Any
) -> None:
    plan, figures = study.PRESETS["tiny"], finished[1]["transfer"]
    images, y = shop.images("CIFAR-100", plan.main)
    softmax, labels = shop.softmax(plan.main), np.array(class_names("cifar100"))
    seen = [unit(v) for v in shop.words.embed(softmax.classes_).astype(np.float64)]
    places = np.stack([unit(v) for v in shop.words.embed(labels).astype(np.float64)])
    hits = []
    for row, label in zip(softmax.predict_proba(images), y, strict=True):
        vector = sum(p * s for p, s in zip(row, seen, strict=True))
        hits.append(label in labels[np.argsort(-(places @ vector))[:5]])
    row = figures["models"]["softmax with ConSE"]["CIFAR-100"]
    assert row["hit@5"] == pytest.approx(np.mean(hits))


def test_controls_look_at_no_image(study: ModuleType) -> None:
    from nishimura_answers import controls

    words, labels = WordVectors(), class_names("cifar100")
    seen = np.array(["bee", "lion", "Egyptian cat"])
    y = np.repeat(["apple", "bee", "tractor"], [3, 1, 2])
    figures = controls(y, seen, words)
    for group, of_group in {"all": y, "without shared": y[y != "bee"]}.items():
        pairs = [cosine(words, one, other) for one in seen for other in np.unique(of_group)]
        means = sorted(
            [np.mean([cosine(words, true, name) for true in of_group]) for name in labels]
        )
        got = {name: row[group] for name, row in figures.items()}
        assert got["random pair of labels, one of each set"] == pytest.approx(np.mean(pairs))
        assert got["random CIFAR label"] == pytest.approx(np.mean(means))
        assert got["best three CIFAR labels, always the same"] == pytest.approx(np.mean(means[-3:]))
        assert got["best CIFAR label, always the same"] == pytest.approx(means[-1])


def test_ten_labels_stand_in_both_sets(study: ModuleType) -> None:
    from nishimura_answers import both_label_sets, cifar_labels, in_both_sets

    seen = np.array(class_names("tiny_imagenet"))
    assert cifar_labels()[in_both_sets(cifar_labels(), seen)].tolist() == SHARED
    both = both_label_sets(seen)
    assert len(both) == 290 and "lawn_mower" in both and "lawn mower" not in both


def test_other_labels_are_those_where_the_true_one_is_not_on_offer(study: ModuleType) -> None:
    from nishimura_answers import validation_figures

    words = WordVectors()
    y = np.array(["cat", "dog", "bus", "car"])
    scores = np.array([[1, 2, 9, 3], [5, 4, 3, 2], [1, 8, 3, 7], [4, 3, 2, 1]], dtype=np.float32)
    labels, similarities = np.unique(y).tolist(), []
    for label in y:
        others = [name for name in labels if name != label]
        similarities.append(np.mean([cosine(words, label, name) for name in others]))
    figures = validation_figures(scores, y, words)
    assert figures["similarity@3 of other labels"] == pytest.approx(np.mean(similarities))
    assert figures["hit@1"] == 0.25 and figures["hit@3"] == 0.5
    assert scores[0, 2] == 9


def test_centring_when_scored_is_centring_of_unit_vectors(study: ModuleType) -> None:
    from nishimura_answers import centred_when_scored

    class Fitted:
        seen_classes_ = np.array(["cat", "dog", "bus"])

        def transform(self, X: np.ndarray) -> np.ndarray:
            return X

    words = WordVectors()
    X = words.embed(["lion", "truck"])
    answers = centred_when_scored(Fitted(), lambda subset: X, words)
    mean = np.mean([unit(v) for v in words.embed(["cat", "dog", "bus"])], axis=0)
    np.testing.assert_allclose(
        answers.project("any"), [unit(v) - mean for v in X], rtol=1e-5, atol=1e-6
    )
    places = answers.places(np.array(["bus", "cat"]))
    expected = [unit(unit(v) - mean) for v in words.embed(["bus", "cat"])]
    np.testing.assert_allclose(places, expected, rtol=1e-5, atol=1e-6)


def test_folds_choose_the_pretrained_map(
    study: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nishimura_pretrained

    features = nishimura_pretrained.shipped()
    words = WordVectors(overrides=nishimura_pretrained.TEXTS)
    options = {"power": 1.0, "center": True, "alpha": 3.0}
    got = nishimura_pretrained._fold_figures(features.powered(1.0).train, words, options)
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    model = make_pipeline(Normalizer(), DeViSEClassifier(words, loss="mse", alpha=3.0))
    scores = cross_val_score(model, *features.train, cv=folds, scoring=SCORERS["hit_at_5"])
    assert got["hit@5 of held-out images"] == pytest.approx(np.mean(scores))
    shared = {"power": 1.0, "center": False}
    grid = {"low": {**shared, "alpha": 1.0}, "high": {**shared, "alpha": 1e6}}
    monkeypatch.setattr(nishimura_pretrained, "grid", lambda preset: grid)
    results = nishimura_pretrained.pretrained(features, "tiny")
    for criterion, chosen in results["chosen"].items():
        by_folds = {name: row[criterion] for name, row in results["folds"].items()}
        assert by_folds[chosen["map"]] == max(by_folds.values())
        assert chosen["CIFAR-100"]["hit@5"] > 0.1


def test_class_means_are_a_head_whose_beliefs_are_softmax_of_cosines(study: ModuleType) -> None:
    from nishimura_pretrained import Features, Map

    words, rng = WordVectors(), np.random.default_rng(0)
    X = rng.random((30, 4))
    y = np.repeat(["cat", "dog", "bus"], 10)
    X_power = Features((X, y), (X, y), (X, y)).powered(0.3).train[0]
    np.testing.assert_allclose(X_power, np.stack([unit(row**0.3) for row in X]))
    options = {"power": 0.3, "center": False, "temperature": 0.1}
    got = Map(words, options).fit(X_power, y).transform(X_power)
    rows = np.stack([unit(row - X_power.mean(axis=0)) for row in X_power])
    names = np.unique(y)
    means = np.stack([unit(rows[y == name].mean(axis=0)) for name in names])
    vectors = np.stack([unit(v) for v in words.embed(names).astype(np.float64)])
    beliefs = np.exp(rows @ means.T / 0.1)
    expected = beliefs / beliefs.sum(axis=1, keepdims=True) @ vectors
    expected /= np.mean([np.linalg.norm(row) for row in expected])
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    ridge = DeViSEClassifier(words, loss="mse", alpha=3.0, center=False).fit(X_power, y)
    other = ridge.transform(X_power)
    other /= np.mean([np.linalg.norm(row) for row in other])
    both = Map(words, {**options, "alpha": 3.0}).fit(X_power, y)
    np.testing.assert_allclose(both.transform(X_power), (expected + other) / 2, atol=1e-6)
    places = np.stack([unit(v) for v in words.embed(["lion", "truck"]).astype(np.float64)])
    scores = both.scores(X_power, np.array(["lion", "truck"]))
    np.testing.assert_allclose(scores, (expected + other) / 2 @ places.T, atol=1e-6)
