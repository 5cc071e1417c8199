"""The F-score of source outputs for target classes, against loops over images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from zeroshot import InferenceSimilarity
from zeroshot.persistence import load, save

RNG = np.random.default_rng(0)
Y = np.array(["lion", "wolf", "carp"])[RNG.permutation(np.repeat(np.arange(3), [7, 4, 1]))]
LOGITS = 3 * RNG.normal(size=(12, 5))
TARGETS = ["carp", "lion", "wolf"]
SOURCES = list("abcde")


def naive(logits, y, kind="hard", temperature=4.0):
    """One pair of classes at a time, from precision and recall."""
    scores = np.zeros((3, 5))
    for i, target in enumerate(TARGETS):
        for j in range(5):
            positive = in_class = both = 0.0
            for row, label in zip(logits, y, strict=True):
                if kind == "hard":
                    share = float(row.argmax() == j)
                else:
                    share = np.exp(row[j] / temperature) / np.exp(row / temperature).sum()
                positive += share
                in_class += label == target
                both += share * (label == target)
            if both:
                precision, recall = both / positive, both / in_class
                scores[i, j] = 2 * precision * recall / (precision + recall)
    return scores


@pytest.mark.parametrize(
    "params", [{}, {"kind": "soft"}, {"kind": "soft", "temperature": 0.3}], ids=str
)
def test_it_is_the_f_score_of_each_output_for_each_class(params):
    got = InferenceSimilarity(**params).fit(LOGITS, Y).matrix(TARGETS, SOURCES)
    np.testing.assert_allclose(got, naive(LOGITS, Y, **params), rtol=1e-12)
    assert got.min() >= 0 and 0 < got.max() <= 1


def test_soft_becomes_hard_as_the_temperature_falls():
    cold = InferenceSimilarity("soft", temperature=1e-3).fit(LOGITS, Y).matrix(TARGETS, SOURCES)
    np.testing.assert_allclose(cold, naive(LOGITS, Y), atol=1e-9)


def test_a_perfect_detector_has_one_and_an_output_without_image_zero():
    logits = np.eye(3)[[0, 0, 1]] * 50
    matrix = InferenceSimilarity().fit(logits, ["a", "a", "b"]).matrix(["a", "b"], ["x", "y", "z"])
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 0]]


def test_huge_logits_do_not_overflow():
    for scale in (1e4, 1e300):
        matrix = InferenceSimilarity("soft").fit(scale * LOGITS, Y).matrix(TARGETS, SOURCES)
        np.testing.assert_allclose(matrix, naive(LOGITS, Y), atol=1e-12)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_batches_in_any_order_give_what_one_pass_gives(kind):
    whole = InferenceSimilarity(kind).fit(LOGITS, Y).matrix(TARGETS, SOURCES)
    order = np.random.default_rng(1).permutation(12)
    streamed = InferenceSimilarity(kind)
    for rows in np.split(order, [1, 2, 7]):  # the first batches lack classes
        assert streamed.partial_fit(LOGITS[rows], Y[rows]) is streamed
    np.testing.assert_allclose(streamed.matrix(TARGETS, SOURCES), whole, rtol=1e-12)
    assert streamed.classes_.tolist() == TARGETS and streamed.class_sizes_.tolist() == [1, 7, 4]


def test_more_images_than_a_block_holds(monkeypatch):
    monkeypatch.setattr("zeroshot.similarity._inference._BLOCK", 5)
    got = InferenceSimilarity("soft").fit(LOGITS, Y).matrix(TARGETS, SOURCES)
    np.testing.assert_allclose(got, naive(LOGITS, Y, "soft"), rtol=1e-12)


def test_fit_forgets_and_targets_come_in_any_order():
    similarity = InferenceSimilarity().fit(-LOGITS[:, :3], Y).fit(LOGITS, Y)
    expected = naive(LOGITS, Y)
    got = similarity.matrix(["wolf", "carp", "wolf"], SOURCES)
    np.testing.assert_allclose(got, expected[[2, 0, 2]])


def test_integer_labels_and_float32_logits_and_untouched_inputs():
    codes = np.searchsorted(TARGETS, Y)
    logits = LOGITS.astype(np.float32)
    logits.flags.writeable = codes.flags.writeable = False
    got = InferenceSimilarity("soft").fit(logits, codes).matrix([0, 1, 2], SOURCES)
    np.testing.assert_allclose(got, naive(LOGITS, Y, "soft"), rtol=1e-5)


def test_clone_params_and_saving(tmp_path):
    fitted = InferenceSimilarity("soft", temperature=3).fit(LOGITS, Y)
    copy = clone(fitted)
    assert copy.get_params() == {"kind": "soft", "temperature": 3}
    with pytest.raises(NotFittedError):
        copy.matrix(TARGETS, SOURCES)
    save(fitted, tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.matrix(TARGETS, SOURCES), fitted.matrix(TARGETS, SOURCES))


# Bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite(value):
    logits = LOGITS.copy()
    logits[[3, 9], 1] = value
    with pytest.raises(ValueError, match="NaN or infinity in 2 of 12 rows.*row 3. Leave out"):
        InferenceSimilarity().fit(logits, Y)


@pytest.mark.parametrize("logits", [LOGITS[0], LOGITS[:0], LOGITS[:, :0], [["a"]], None])
def test_logits_of_another_shape(logits):
    with pytest.raises(ValueError, match="InferenceSimilarity: logits must be numbers of shape"):
        InferenceSimilarity().fit(logits, Y)


def test_a_target_without_image_is_named():
    similarity = InferenceSimilarity().fit(LOGITS, Y)
    with pytest.raises(ValueError, match=r"1 of 2 target classes have no image \('emu'\).*WordNet"):
        similarity.matrix(["lion", "emu"], SOURCES)


def test_sources_that_are_not_as_many_as_the_outputs():
    similarity = InferenceSimilarity().fit(LOGITS, Y)
    with pytest.raises(ValueError, match="sources names 4 classes, but the logits had 5 columns"):
        similarity.matrix(TARGETS, SOURCES[:4])


def test_another_network_or_another_type_of_labels_in_between():
    similarity = InferenceSimilarity().fit(LOGITS, Y)
    with pytest.raises(ValueError, match="logits have 3 columns, and those before had 5"):
        similarity.partial_fit(LOGITS[:, :3], Y)
    with pytest.raises(ValueError, match="Convert one to the type of the other"):
        similarity.partial_fit(LOGITS, np.arange(12))
    np.testing.assert_allclose(similarity.matrix(TARGETS, SOURCES), naive(LOGITS, Y))


def test_lengths_and_labels():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        InferenceSimilarity().fit(LOGITS, Y[:5])
    with pytest.raises(ValueError, match="Unknown label type: y"):
        InferenceSimilarity().fit(LOGITS, ["a"] * 11 + [np.nan])


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"kind": "fuzzy"}, "kind must be one of 'hard', 'soft', got 'fuzzy'"),
        ({"kind": "soft", "temperature": 0}, "temperature must be a number above 0"),
    ],
)
def test_parameters_out_of_range(params, says):
    with pytest.raises(ValueError, match=f"InferenceSimilarity: {says}"):
        InferenceSimilarity(**params).fit(LOGITS, Y)
