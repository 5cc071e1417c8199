"""``zeroshot predict --reject``: what is answered, and what is left to a person."""

from __future__ import annotations

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from many_classes import NAMES, samples
from PIL import Image
from sklearn.frozen import FrozenEstimator

from zeroshot import DeViSEClassifier, OpenLabelClassifier, RejectOption, SourceHead
from zeroshot._photos import named
from zeroshot.cli import main
from zeroshot.estimators._open_label_confidence import shipped_confidence

TABLE, X, Y = samples(n_rows=40, noise=1.0)
SEEN = np.isin(Y, NAMES[:30])


def model(**changes):
    settings = {"loss": "mse", "scenario": "unseen", "candidates": NAMES[30:]} | changes
    return DeViSEClassifier(TABLE, **settings).fit(X[SEEN], Y[SEEN])


def test_images_that_are_sure_enough_are_answered_and_the_others_are_for_review():
    new = X[~SEEN]
    paths = [f"{number}.jpg" for number in range(len(new))]
    photos = named(paths, model(), new, 3, 0.8)
    reject = RejectOption(FrozenEstimator(model()), accuracy=0.8).fit()
    expected = np.where(reject.answers(new), "answered", "review")
    assert [photo["status"] for photo in photos] == expected.tolist()
    assert {"answered", "review"} == set(expected)
    best = reject.classes_[reject.predict_proba(new).argmax(axis=1)]
    assert [photo["labels"][0] for photo in photos] == best.tolist()
    assert all(0 <= score <= 1 for photo in photos for score in photo["scores"])
    answered = np.array([photo["status"] == "answered" for photo in photos])
    assert (best == Y[~SEEN])[answered].mean() > (best == Y[~SEEN]).mean()


def test_without_it_there_are_scores_and_probabilities_and_no_status():
    final = model()
    photos = named(["a.jpg"], final, X[:1], 2, None)
    labels, scores = final.predict_top_k(X[:1], 2)
    shares = dict(zip(final.classes_, final.predict_proba(X[:1])[0].round(6), strict=True))
    assert photos == [
        {
            "path": "a.jpg",
            "labels": labels[0].tolist(),
            "scores": scores[0].round(6).tolist(),
            "probabilities": [shares[label] for label in labels[0]],
        }
    ]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(path)
    return str(path)


@pytest.fixture
def backbone(monkeypatch):
    """A network that sees a lion on every image."""
    import zeroshot.demo

    class Network:
        source_head_ = SourceHead(20 * np.eye(3), np.zeros(3), ["lion", "bus", "tench"])
        device = "cpu"
        model_name, weights_hash_ = "network", "0" * 64

        def __init__(self, **_):
            pass

        def fit(self):
            return self

        def extract(self, paths):
            n = len(paths)
            features = np.eye(3, dtype=np.float32)[[0] * n]
            return SimpleNamespace(features=features, indices=np.arange(n), errors={})

    monkeypatch.setattr(zeroshot.backbones, "TimmFeatures", Network)
    monkeypatch.setattr(zeroshot.demo, "TimmFeatures", Network)


def test_a_column_says_what_is_answered(photo, backbone, capsys):
    argv = ["predict", photo, "--labels", "big cat,lorry,carp", "--reject", "0.8", "-k", "2"]
    assert main([*argv, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["label"] for row in rows][0] == "big cat"
    assert {row["status"] for row in rows} <= {"answered", "review"} and len(rows) == 2
    assert main([*argv, "--format", "json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["status"] == rows[0]["status"]
    assert sum(answer["scores"]) <= 1
    assert main(argv) == 0
    assert f" {answer['status']} " in capsys.readouterr().out


@pytest.mark.parametrize("accuracy", ["0", "1", "1.5", "most"])
def test_an_accuracy_outside_its_range_is_refused(photo, accuracy, capsys):
    assert main(["predict", photo, "--labels", "cat,dog", "--reject", accuracy]) == 2
    assert "--reject" in capsys.readouterr().err


def test_sentences_have_no_thresholds(photo, capsys):
    assert main(["predict", photo, "--labels", "a,b", "--sentences", "--reject", "0.9"]) == 2
    assert "how sure sentences are is not known" in capsys.readouterr().err


# What ships ------------------------------------------------------------------------------------

HEAD = SourceHead(np.eye(3), np.zeros(3), ["lion", "bus", "tench"])


def test_the_open_label_classifier_brings_what_ships():
    open_label = OpenLabelClassifier(HEAD, candidates=["big cat", "lorry", "carp"]).fit()
    assert open_label.confidence_ is shipped_confidence()
    assert open_label.temperature_ == shipped_confidence().temperature
    probabilities = open_label.predict_proba(np.eye(3))
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert open_label.predict_any_proba(np.eye(3)).shape == (3,)


def test_what_ships_says_how_sure_the_hidden_classes_were():
    shipped = shipped_confidence()
    assert shipped.best.mean() == pytest.approx(shipped.right.mean(), abs=0.005)
    assert 0 < shipped.set_threshold(0.9, seen=False) < 0.2
    _, coverage, accuracy = shipped.rejection_curve(0.0)
    assert accuracy[coverage < 0.5].min() > shipped.right.mean()


def test_other_vectors_and_a_given_temperature_have_nothing_that_ships():
    given = OpenLabelClassifier(HEAD, candidates=["big cat", "carp"], temperature=0.2).fit()
    assert given.confidence_ is None and given.temperature_ == 0.2
    with pytest.raises(ValueError, match="fit had no images of any"):
        OpenLabelClassifier(HEAD, candidates=["big cat", "carp"], temperature="auto").fit()
