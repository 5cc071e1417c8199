"""Names for images from labels alone: what WordNet and vectors of words or sentences know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from zeroshot import (
    AttributeTable,
    GlossEmbedding,
    HeadRegressionClassifier,
    OpenLabelClassifier,
    SentenceEmbedding,
    SourceHead,
    WordVectors,
    load,
    save,
)
from zeroshot.estimators import _open_label
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.similarity import WordNetSimilarity
from zeroshot.taxonomy import resolve

RNG = np.random.default_rng(0)
SOURCES = ["dog", "computer", "oboe", "truck", "lion", "pillow"]
HEAD = SourceHead(RNG.normal(size=(6, 5)), RNG.normal(size=6), SOURCES)
X = RNG.normal(size=(9, 5))
LABELS = ["violin", "cat", "bed", "bus", "notebook"]


def model(labels=LABELS, **params) -> OpenLabelClassifier:
    return OpenLabelClassifier(HEAD, candidates=labels, **params)


def regression_of(vectors, labels) -> HeadRegressionClassifier:
    path = WordNetSimilarity("path", senses="nearest", on_missing="zero")
    glosses = GlossEmbedding(on_missing="raise", context=SOURCES)
    return HeadRegressionClassifier(
        HEAD, [path, glosses, vectors], weights=[2, 2, 1], alpha=0.1, candidates=labels
    ).fit()


def expected_scores(vectors, labels) -> np.ndarray:
    """A naive reading of the formula, an image at a time."""
    regression, rows = regression_of(vectors, labels), HEAD.coef - HEAD.coef.mean(axis=0)
    scores = []
    for x, logits in zip(X, regression.transform(X), strict=True):
        own = HEAD.coef @ x + HEAD.intercept
        guesses = np.exp(own / own.std())
        mean_row = (guesses / guesses.sum()) @ rows
        of_guesses = regression.class_vectors_ @ mean_row / (rows @ mean_row).std()
        scores.append(logits / own.std() + 0.5 * of_guesses)
    return np.array(scores)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:2], [*LABELS, *SOURCES], None])
def test_predicted_weights_are_compared_with_the_image_and_the_heads_guesses(labels) -> None:
    ours = model(labels).fit()
    vectors = WordVectors(missing_words="ignore")
    expected, scores = regression_of(vectors, labels), expected_scores(vectors, labels)
    np.testing.assert_allclose(ours.transform(X), scores)
    np.testing.assert_array_equal(ours.predict(X), ours.classes_[scores.argmax(axis=1)])
    for name in ("classes_", "seen_classes_", "unseen_classes_"):
        assert getattr(ours, name).tolist() == getattr(expected, name).tolist()
    names = list(LABELS)
    np.testing.assert_array_equal(ours.label_vectors(names), expected.label_vectors(names))


def test_of_several_senses_the_one_near_the_heads_classes_is_described() -> None:
    """A crane is a bird to a head of birds, and a machine to one of machines."""
    rows = np.eye(4)
    for sources, wnid in (
        (["heron", "goose", "swan", "bustard"], "n02012849"),
        (["forklift", "tractor", "winch", "bulldozer"], "n03126707"),
    ):
        named = OpenLabelClassifier(SourceHead(rows, np.zeros(4), sources), candidates=["crane"])
        glosses = named.fit().regression_.kernels[1]
        np.testing.assert_array_equal(
            glosses.embed(["crane"]), GlossEmbedding().embed([wnid]), err_msg=sources[0]
        )


def test_images_that_say_nothing_get_scores_without_an_error() -> None:
    head = SourceHead(np.zeros((3, 2)), np.zeros(3), SOURCES[:3])
    with pytest.warns(LabelWarning):  # all vectors are alike
        fitted = OpenLabelClassifier(head, candidates=LABELS[:2]).fit()
    assert np.isfinite(fitted.transform(np.ones((2, 2)))).all()


def test_a_view_is_a_fit_on_other_names() -> None:
    fitted = model().fit()
    before = fitted.predict(X).tolist()
    view = fitted.with_candidates(["piano", "wolf", "sofa"])
    np.testing.assert_array_equal(
        view.decision_function(X), model(["piano", "wolf", "sofa"]).fit().decision_function(X)
    )
    assert fitted.predict(X).tolist() == before and view.label_embedding_ is fitted.label_embedding_
    with pytest.raises(UnknownLabelError, match="no noun synset and no vector for 1 of 2 labels"):
        fitted.with_candidates(["piano", "qqxyzzy"])


def test_images_and_labels_given_to_fit_change_nothing() -> None:
    fitted = model().fit(X, ["cat"] * len(X))
    np.testing.assert_array_equal(fitted.decision_function(X), model().fit().decision_function(X))
    with pytest.raises(NotFittedError):
        clone(fitted).predict(X)


def test_the_scenario_holds_back_what_the_head_has() -> None:
    labels = [*LABELS, "dog", "lion"]
    assert not set(model(labels, scenario="unseen").fit().predict(X)) & {"dog", "lion"}


def test_it_comes_back_from_a_file(tmp_path: Path) -> None:
    fitted = model().fit()
    save(fitted, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert isinstance(loaded, OpenLabelClassifier) and loaded.candidates == LABELS
    np.testing.assert_array_equal(loaded.decision_function(X), fitted.decision_function(X))
    view = loaded.with_candidates(["piano", "wolf"])
    assert view.predict(X).tolist() == fitted.with_candidates(["piano", "wolf"]).predict(X).tolist()


def test_a_label_that_only_wordnet_or_only_the_vectors_know_gets_an_answer() -> None:
    labels = ["affenpinscher", "ipad", "violin"]
    assert WordVectors().covers(labels).tolist() == [False, True, True]
    with pytest.raises(UnknownLabelError, match="'ipad'"):
        resolve(labels)
    head = SourceHead(5 * np.eye(4), np.zeros(4), ["dog", "computer", "oboe", "truck"])
    fitted = OpenLabelClassifier(head, candidates=labels).fit()
    assert fitted.predict(np.eye(4)[:3]).tolist() == labels
    with pytest.raises(
        UnknownLabelError, match="OpenLabelClassifier has no noun synset and no vec"
    ):
        OpenLabelClassifier(head, candidates=["dog", "qqxyzzy"]).fit()


@pytest.mark.case
def test_labels_that_nothing_knows_do_not_stop_the_others() -> None:
    labels = [*LABELS, "qqxyzzy", "violin qqxyzzz", "n 7"]
    unknown = ["n 7", "qqxyzzy", "qqxyzzz"]
    said = r"for 2 of 8 labels \('n 7', 'qqxyzzy'\)\..*which knows any text.*'warn' goes on"
    with pytest.raises(UnknownLabelError, match=said):
        model(labels).fit()
    labels[-2] = "qqxyzzz"
    with pytest.warns(LabelWarning, match=r"for 3 of 8 labels .*'qqxyzzz'"):
        warned = model(labels, on_unknown="warn").fit()
    dropped = model(labels, on_unknown="drop").fit()
    for fitted in (warned, dropped):
        assert fitted.unknown_labels_ == unknown
        assert fitted.classes_.tolist() == sorted(LABELS)
        assert set(fitted.unseen_classes_) <= set(LABELS)
        np.testing.assert_array_equal(
            fitted.decision_function(X), model().fit().decision_function(X)
        )
    view = dropped.with_candidates(["piano", "qqxyzzy"])
    assert view.classes_.tolist() == ["piano"] and view.unknown_labels_ == ["qqxyzzy"]
    assert dropped.unknown_labels_ == unknown
    for option in ("raise", "warn", "drop"):
        with pytest.raises(UnknownLabelError, match="for 2 of 2 labels"):
            model(unknown[1:], on_unknown=option).fit()


def test_near_words_of_unknown_labels_are_named() -> None:
    with pytest.raises(UnknownLabelError, match="for 'okapiii': 'okapi'"):
        model([*LABELS, "okapiii"]).fit()


def test_labels_left_out_are_saved(tmp_path: Path) -> None:
    fitted = model([*LABELS, "qqxyzzy"], on_unknown="drop").fit()
    save(fitted, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.unknown_labels_ == ["qqxyzzy"] and loaded.on_unknown == "drop"
    np.testing.assert_array_equal(loaded.decision_function(X), fitted.decision_function(X))


def test_lists_of_texts_are_averaged_and_synonyms_for_wordnet() -> None:
    texts = {"x": ["heron", "stork"]}
    ours = model(["x", "bus"], overrides=texts).fit()
    other = model(["heron; stork", "bus"]).fit()
    np.testing.assert_allclose(ours.label_vectors(["x"]), other.label_vectors(["heron; stork"]))


def test_sentences_know_what_neither_does(monkeypatch: pytest.MonkeyPatch) -> None:
    head = SourceHead(5 * np.eye(3), np.zeros(3), ["dog", "oboe", "truck"])
    asked = []

    def encode(self: SentenceEmbedding, texts: list[str]) -> np.ndarray:  # loads no network
        asked.extend(texts)
        return np.array([[len(text), text.count("o") + 1.0, 2.0] for text in texts])

    monkeypatch.setattr(SentenceEmbedding, "_encode", encode)
    devices = []
    monkeypatch.setattr(
        _open_label,
        "SentenceEmbedding",
        lambda **options: devices.append(options["device"]) or SentenceEmbedding(),
    )
    options = {"sentences": True, "device": "cpu"}
    fitted = OpenLabelClassifier(head, candidates=["hound", "qqxyzzy"], **options).fit()
    assert devices == ["cpu"]
    assert fitted.predict(np.eye(3)[:1]).tolist() == ["hound"]
    assert "a photo of a qqxyzzy." in asked
    with pytest.raises(UnknownLabelError, match="no noun synset and no vector for 1 of 2"):
        OpenLabelClassifier(head, candidates=["hound", "?!"], **options).fit()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (OpenLabelClassifier(None), TypeError, "head must be a SourceHead, got None"),
        (model(sentences=1), ValueError, "sentences must be"),
        (model(on_unknown="skip"), ValueError, "on_unknown must be one of"),
        (model(overrides={"x": []}), TypeError, "or lists of strings"),
        (model(temperature=0), ValueError, "temperature must be a number above 0"),
        (model(scenario="open"), ValueError, "scenario must be one of"),
        (model([1, 2]), ValueError, "candidates"),
        (model(["cat", "cat"]), ValueError, "candidates"),
        (model([]), ValueError, "candidates"),
    ],
)
def test_bad_parameters(wrong, error, message) -> None:
    with pytest.raises(error, match=message) as caught:
        wrong.fit()
    assert str(caught.value).startswith("OpenLabelClassifier: ")


def test_overrides_say_what_a_label_means() -> None:
    """By WordNet and by vectors, as if the text stood in place of the label."""
    texts = {"crane": "heron", "qqxyzzy": "tabby cat"}
    ours = model(["crane", "qqxyzzy", "bus"], overrides=texts).fit()
    other = model(["heron", "tabby cat", "bus"]).fit()
    np.testing.assert_allclose(
        ours.label_vectors(["crane", "qqxyzzy", "bus"]),
        other.label_vectors(["heron", "tabby cat", "bus"]),
    )
    crane = ours.predict(X) == "crane"
    np.testing.assert_array_equal(crane, other.predict(X) == "heron")


def test_other_vectors_take_the_place_of_the_words() -> None:
    table = AttributeTable(
        RNG.normal(size=(len(LABELS) + len(SOURCES), 4)), labels=[*LABELS, *SOURCES]
    )
    ours = model(label_embedding=table).fit()
    assert ours.label_embedding_ is table
    np.testing.assert_allclose(ours.decision_function(X), expected_scores(table, LABELS))
    with pytest.raises(TypeError, match="label_embedding must be a LabelEmbedding"):
        model(label_embedding="glove").fit()
    with pytest.raises(ValueError, match="both say which vectors to take"):
        model(label_embedding=table, sentences=True).fit()


def test_a_model_saved_before_there_were_predicted_weights_keeps_its_answers() -> None:
    folder = Path(__file__).parents[1] / "data" / "open_label_by_similarity"
    known = json.loads(folder.with_suffix(".json").read_text())
    rows = np.random.default_rng(1).normal(size=(4, 5))
    loaded = load(folder)
    np.testing.assert_allclose(loaded.decision_function(rows), known["scores"])
    view = loaded.with_candidates(["piano", "wolf", "oboe"])
    np.testing.assert_allclose(view.decision_function(rows), known["of_others"])
    again = clone(loaded).fit()
    assert again.regression_ is not None
    assert not np.allclose(again.decision_function(rows), known["scores"])


def test_a_saved_model_without_any_part_that_scores_is_refused(tmp_path: Path) -> None:
    ours = model(LABELS[:2]).fit()
    ours.regression_ = None
    with pytest.raises(ValueError, match="there must be a regression_ or a classifier_"):
        save(ours, tmp_path / "model")


def test_overrides_are_saved(tmp_path: Path) -> None:
    ours = model(["crane", "bus"], overrides={"crane": "heron"}).fit()
    save(ours, tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.decision_function(X), ours.decision_function(X))
    np.testing.assert_array_equal(
        again.with_candidates(["crane", "truck"]).decision_function(X),
        ours.with_candidates(["crane", "truck"]).decision_function(X),
    )
