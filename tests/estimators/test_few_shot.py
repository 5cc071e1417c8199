"""FewShotClassifier: closed forms against refits, the prior alone, the blend, and bad input."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zeroshot
from zeroshot import (
    AttributeTable,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EnsembleZeroShotClassifier,
    FewShotClassifier,
    SimilarityInitializer,
    SourceHead,
)
from zeroshot.estimators import _few_shot
from zeroshot.estimators._few_shot import (
    DEFAULT_STRENGTH,
    HALF_STRENGTH_IMAGES,
    TRUSTS,
    BlendRule,
    ClassDirections,
    measure_blend,
)
from zeroshot.exceptions import LabelWarning, UnknownLabelError

LABELS = np.array(["ant", "bat", "cow", "dog", "elk", "fox", "gnu", "hen"])
SEEN, UNSEEN = LABELS[:5], LABELS[5:]
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(8, 6))
TABLE = AttributeTable(VECTORS, labels=LABELS)
PROJECTION = RNG.normal(size=(6, 9))
HEAD = SourceHead(VECTORS[:6] @ np.linalg.pinv(PROJECTION).T, np.zeros(6), LABELS[:6])


def images(counts, seed=1, noise=2.0):
    """Features and labels of so many images of each of LABELS."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return VECTORS[codes] @ PROJECTION + noise * rng.normal(size=(len(codes), 9)), LABELS[codes]


X, Y = images([1, 2, 3, 6, 9])
NEW, TRUE = images([30] * 8, seed=2)


def prior(**changes):
    return ConSEClassifier(HEAD, TABLE, **changes)


def few_shot(**changes):
    return FewShotClassifier(**{"prior": prior(), "candidates": LABELS, **changes})


# The means ---------------------------------------------------------------------------------------


def naive_weights(codes):
    """What each image counts: each class once, all together C times the harmonic mean count."""
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    total = len(counts) / np.mean(1 / counts)
    return total / len(counts) / np.bincount(codes)[codes], total


def naive_directions(X, codes, classes, penalty, weights):
    """Return the centre, A, and the class means as columns."""
    center = np.mean([X[codes == c].mean(axis=0) for c in classes], axis=0)
    scatter = (X - center).T @ ((X - center) * weights[:, None])
    A = np.linalg.inv(scatter + penalty * np.eye(X.shape[1]))
    return center, A, np.array([X[codes == c].mean(axis=0) - center for c in classes])


def mean_squared_length(X, codes):
    weights, total = naive_weights(codes)
    center = np.mean([X[codes == c].mean(axis=0) for c in np.unique(codes)], axis=0)
    return (
        sum(w * (row - center) @ (row - center) for w, row in zip(weights, X, strict=True)) / total
    )


def test_directions_are_those_of_the_formula():
    codes = np.searchsorted(SEEN, Y)
    penalty = mean_squared_length(X, codes)
    center, A, means = naive_directions(X, codes, range(5), penalty, naive_weights(codes)[0])
    directions = ClassDirections.of_images(X, codes, 5)
    expected = [A @ m / np.sqrt(m @ A @ m) for m in means]
    np.testing.assert_allclose(directions.coef, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(directions.center, center, rtol=1e-12)
    model = FewShotClassifier().fit(X, Y)
    expected = (NEW - center) @ np.transpose(expected)
    np.testing.assert_allclose(model.decision_function(NEW), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_leaving_one_out_is_refitting_without_it(seed):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([[0, 1, 1, 2], rng.integers(2, 5, 11), [3, 4]])
    x = rng.normal(size=(len(codes), 7)) + 3
    got = ClassDirections.of_images(x, codes, 5).leave_one_out(x, codes)
    penalty, (weights, _) = mean_squared_length(x, codes), naive_weights(codes)
    for i in range(len(x)):
        kept = np.arange(len(x)) != i
        classes = [c for c in range(5) if (codes[kept] == c).any()]
        center, A, means = naive_directions(x[kept], codes[kept], classes, penalty, weights[kept])
        expected = np.full(5, np.nan)
        expected[classes] = [(x[i] - center) @ A @ m / np.sqrt(m @ A @ m) for m in means]
        np.testing.assert_allclose(got[i], expected, rtol=1e-8, atol=1e-11)
    assert np.isnan(got[0, 0]) and np.isfinite(got[1:]).all()


def test_batches_change_nothing(monkeypatch):
    expected = few_shot().fit(X, Y).decision_function(NEW)
    monkeypatch.setattr(_few_shot, "BATCH", 4)
    monkeypatch.setattr(_few_shot, "BATCH", 4)
    got = few_shot().fit(X, Y).decision_function(NEW)
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-10)


def test_the_scale_of_the_features_changes_nothing():
    """The penalty grows with them; the prior here looks at no feature."""
    model = few_shot(prior=FrozenEstimator(DummyZeroShotClassifier(TABLE).fit(X, Y)))
    first = model.fit(X, Y).decision_function(NEW)
    np.testing.assert_allclose(model.fit(1e4 * X, Y).decision_function(1e4 * NEW), first, rtol=1e-6)


def test_a_class_at_the_mean_of_all_has_no_direction_not_one_of_rounding():
    x = np.array([[-0.3], [0.1], [0.5]])
    directions = ClassDirections.of_images(x, np.arange(3), 3)
    assert directions.coef[1] == 0 and directions.coef[0] == -directions.coef[2] != 0
    assert np.isfinite(directions.leave_one_out(x, np.arange(3))[[0, 0, 2], [1, 2, 0]]).all()


# No image ----------------------------------------------------------------------------------------


def test_with_no_image_it_is_the_prior():
    model, alone = few_shot().fit(), prior(candidates=LABELS).fit()
    for method in ("predict", "decision_function", "predict_proba"):
        np.testing.assert_array_equal(getattr(model, method)(NEW), getattr(alone, method)(NEW))
    assert model.seen_classes_.tolist() == [] and model.unseen_classes_.tolist() == LABELS.tolist()
    assert model.prior_shares_.tolist() == [1.0] * 8 and model.n_features_in_ == 9
    view = model.with_candidates(["hen", "bat"])
    np.testing.assert_array_equal(
        view.decision_function(NEW), alone.with_candidates(["hen", "bat"]).decision_function(NEW)
    )


def test_images_forgotten_by_the_next_fit_leave_the_prior():
    frame = pd.DataFrame(X, columns=list("abcdefghi"))
    model = few_shot().fit(frame, Y).fit()
    np.testing.assert_array_equal(model.predict(NEW), prior(candidates=LABELS).fit().predict(NEW))


def test_a_prior_without_probabilities_gets_a_softmax():
    head = SimilarityInitializer(HEAD, np.eye(8, 6) + 0.1, n_neighbors=3)
    frozen = FrozenEstimator(LogisticRegression().fit(*images([5] * 8)))
    for given in (head, frozen, FrozenEstimator(DeViSEClassifier(TABLE, loss="mse").fit(X, Y))):
        probabilities = few_shot(prior=given).fit().predict_proba(NEW)
        assert probabilities.shape == (240, 8)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-9)


@pytest.mark.case
def test_more_images_of_one_class_never_silence_the_others():
    """400 images of one class, and one of each other: 0.85 fell to 0.32."""
    rng = np.random.default_rng(0)
    names = np.array([f"c{i}" for i in range(10)])
    vectors, mix = rng.normal(size=(10, 6)), rng.normal(size=(6, 15))
    table = AttributeTable(vectors, labels=names)
    head = SourceHead(vectors[:5] @ mix, np.zeros(5), names[:5])

    def drawn(counts):
        codes = np.repeat(np.arange(10), counts)
        return vectors[codes] @ mix + rng.normal(size=(len(codes), 15)), names[codes]

    new, true = drawn([50] * 10)
    scores = {}
    for counts in ((1,) * 10, (400,) + (1,) * 9, (40,) * 5 + (2,) * 5):
        model = FewShotClassifier(ConSEClassifier(head, table, candidates=names), candidates=names)
        scores[counts] = model.fit(*drawn(list(counts))).score(new, true)
    balanced, one, half = scores.values()
    assert balanced > 0.8 and one > balanced - 0.2 and half > balanced - 0.05


# The blend ---------------------------------------------------------------------------------------


def naive_blend(model, prior_scores, mean_scores, row):
    """Scores of one image from Fisher's discriminant, class by class."""
    rule = model.blend_
    seen = np.isin(model.classes_, model.seen_classes_)
    z_prior = (prior_scores[row] - prior_scores[row][seen].mean()) / rule.prior_spread
    z_means = (mean_scores[row] - mean_scores[row].mean()) / rule.means_spread
    counts = dict(zip(model.seen_classes_, model.image_counts_, strict=True))
    out, place = [], 0
    for c, name in enumerate(model.classes_):
        n = counts.get(name, 0)
        if n == 0:
            out.append(z_prior[c] - rule.prior_strength / 2)
            continue
        delta = np.array([rule.prior_strength, rule.means_strength * np.sqrt(n / (n + 4))])
        covariance = np.array([[1, rule.correlation], [rule.correlation, 1]])
        weights = np.maximum(np.linalg.solve(covariance, delta), 0)
        weights = weights * [1, rule.trust] if rule.trust else np.array([1.0, 0.0])
        blend = weights @ [z_prior[c], z_means[place]] / np.sqrt(weights @ covariance @ weights)
        out.append(blend - weights @ delta / np.sqrt(weights @ covariance @ weights) / 2)
        place += 1
    return out


@pytest.mark.parametrize(
    ("counts", "seed", "trust"), [([8] * 5, 1, 0.25), ([8] * 5, 2, 1.0), ([1, 2, 3, 6, 9], 1, 0.0)]
)
def test_scores_are_fishers_discriminant_of_both_parts_by_trust(counts, seed, trust):
    x, y = images(counts, seed=seed)
    model = few_shot().fit(x, y)
    assert model.blend_.trust == trust
    by_prior = prior(candidates=LABELS).fit().decision_function(NEW)
    by_means = FewShotClassifier().fit(x, y).decision_function(NEW)
    got = model.decision_function(NEW)
    for row in range(0, 240, 40):
        expected = naive_blend(model, by_prior, by_means, row)
        np.testing.assert_allclose(got[row], expected, rtol=1e-8, atol=1e-10)


def naive_rule(by_prior, by_means, codes):
    """Fisher's ingredients pair by pair: strengths, spreads and the correlation."""
    counts = np.bincount(codes)
    n, n_classes = by_prior.shape
    weights, n_counted = naive_weights(codes)
    within, total, leads = np.zeros((2, 2)), np.zeros(2), []
    for i in range(n):
        wrong = [c for c in range(n_classes) if c != codes[i]]
        centre = [np.mean(scores[i][wrong]) for scores in (by_prior, by_means)]
        for c in wrong:
            residual = np.array([by_prior[i, c] - centre[0], by_means[i, c] - centre[1]])
            within += weights[i] * np.outer(residual, residual)
            total += weights[i] * residual**2
        leads.append([by_prior[i, codes[i]] - centre[0], by_means[i, codes[i]] - centre[1]])
    leads = np.array(leads)
    judged = counts[codes] > 1
    shrink = (n_classes - 1) / n_classes
    of_judged = weights[judged]
    total = total + shrink * (of_judged[:, None] * leads[judged] ** 2).sum(axis=0)
    total /= n_counted * (n_classes - 1)
    middle = np.average(leads[judged], axis=0, weights=of_judged)
    for w, lead in zip(of_judged, leads[judged], strict=True):
        within += shrink * w * np.outer(lead - middle, lead - middle)
    freedom = n_counted * (n_classes - 2) + max(of_judged.sum() - 1, 0)
    covariance = (within + 2 * np.diag(total)) / (freedom + 2)
    spreads = np.sqrt(np.diag(covariance))
    n_default = 1 + sum(count == 1 for count in counts)
    top, bottom = n_default * DEFAULT_STRENGTH, n_default
    for i in np.flatnonzero(judged):
        left = counts[codes[i]] - 1
        share = np.sqrt(left / (left + HALF_STRENGTH_IMAGES))
        top += weights[i] * share * leads[i, 1] / spreads[1]
        bottom += weights[i] * share**2
    strengths = np.average(leads[:, 0], weights=weights) / spreads[0], top / bottom
    return strengths, spreads, covariance[0, 1] / spreads.prod()


def test_the_rule_is_measured_on_images_left_out():
    codes = np.searchsorted(SEEN, Y)
    by_prior = prior(candidates=SEEN).fit().decision_function(X)
    by_means = ClassDirections.of_images(X, codes, 5).leave_one_out(X, codes)
    strengths, spreads, correlation = naive_rule(by_prior, by_means, codes)
    rule = few_shot().fit(X, Y).blend_
    assert (rule.prior_strength, rule.means_strength) == pytest.approx(strengths)
    assert (rule.prior_spread, rule.means_spread) == pytest.approx(spreads)
    assert rule.correlation == pytest.approx(correlation) and 0 < correlation < 1


def test_one_image_a_class_leaves_the_documented_constant():
    model = few_shot(prior=weak_prior()).fit(*images([1] * 5))
    assert model.blend_.means_strength == DEFAULT_STRENGTH == 5
    assert 0 < model.prior_shares_[0] < 1


def weak_prior():
    """A prior that names less than half of the images rightly."""
    rng = np.random.default_rng(0)
    head = SourceHead(HEAD.coef + 0.5 * rng.normal(size=HEAD.coef.shape), np.zeros(6), HEAD.labels)
    weak = ConSEClassifier(head, TABLE)
    x, y = images([1] * 5)
    assert weak.set_params(candidates=SEEN).fit().score(x, y) < 0.5
    return weak


def test_one_image_a_class_is_not_trusted_against_a_strong_prior():
    x, y = images([1] * 5)
    strong = FrozenEstimator(prior(candidates=LABELS).fit())
    named = strong.predict(x) == y
    assert named.mean() >= 0.5
    model = few_shot(prior=strong).fit(x, y)
    assert model.blend_.trust == 0 and (model.prior_shares_ == 1).all()
    np.testing.assert_array_equal(model.predict(NEW), strong.predict(NEW))


def naive_trust(model, x, y):
    """The trust whose answers for left-out images are best, by refitting without each."""
    rule, counts = model.blend_, np.bincount(np.searchsorted(SEEN, y))
    by_prior = prior(candidates=SEEN).fit().decision_function(x)
    codes = np.searchsorted(SEEN, y)
    by_means = ClassDirections.of_images(x, codes, 5).leave_one_out(x, codes)
    right = {trust: {} for trust in TRUSTS}
    for i in range(len(y)):
        if counts[codes[i]] == 1:
            continue
        for trust in TRUSTS:
            scores = []
            for c in range(5):
                n = counts[c] - (c == codes[i])
                w = [np.squeeze(v) for v in replace(rule, trust=trust).weights(np.array([n]))]
                z = (by_prior[i, c] - by_prior[i].mean()) / rule.prior_spread
                m = (by_means[i, c] - by_means[i].mean()) / rule.means_spread
                scores.append(w[0] * z + w[1] * m - w[2])
            right[trust].setdefault(codes[i], []).append(float(np.argmax(scores) == codes[i]))
    accuracy = {t: np.mean([np.mean(v) for v in by.values()]) for t, by in right.items()}
    best = max(TRUSTS, key=lambda trust: round(accuracy[trust], 12))
    named = by_prior[np.arange(len(y)), codes] >= by_prior.max(axis=1)
    base = 1.0 if np.mean([named[codes == c].mean() for c in range(5)]) < 0.5 else 0.0
    gains = [np.subtract(right[best][c], right[base][c]) for c in right[base]]
    variance = np.mean(np.square(np.concatenate(gains)))
    error = np.sqrt(variance * sum(1 / len(g) for g in gains)) / len(gains)
    return best if round(accuracy[best] - accuracy[base] - error, 12) > 0 else base


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("counts", [[2, 4, 6, 12, 18], [8] * 5, [1, 2, 3, 6, 9]])
def test_the_means_are_trusted_as_far_as_left_out_images_justify(counts, seed):
    x, y = images(counts, seed=seed)
    model = few_shot().fit(x, y)
    assert model.blend_.trust == naive_trust(model, x, y)


def test_the_priors_share_falls_with_the_number_of_images():
    rule = BlendRule(1.0, 1.0, prior_strength=2.0, means_strength=5.0, correlation=0.2)
    prior_weight, means_weight, _ = rule.weights(np.arange(200))
    shares = prior_weight / (prior_weight + means_weight)
    assert shares[0] == 1 and (np.diff(shares) < 0).all() and shares[-1] < 0.25
    # Each blend is a z-score again.
    variance = prior_weight**2 + means_weight**2 + 2 * 0.2 * prior_weight * means_weight
    np.testing.assert_allclose(variance, 1, rtol=1e-12)


def drawn_scores(right, seed, spread=1.0, n_classes=5, n_images=40):
    """Scores that set the right class apart by `right`, for so many images of each class."""
    codes = np.repeat(np.arange(n_classes), n_images)
    scores = spread * np.random.default_rng(seed).normal(size=(len(codes), n_classes))
    scores[np.arange(len(codes)), codes] += spread * right
    return scores, codes


def rule_for(right_by_prior, right_by_means, **sizes):
    by_prior, codes = drawn_scores(right_by_prior, 5, **sizes)
    by_means, _ = drawn_scores(right_by_means, 6, spread=0.01, **sizes)
    counts = np.bincount(codes)
    return measure_blend([(by_prior, by_means, codes)], counts, default_spread=1.0)


@pytest.mark.parametrize("n_classes", [2, 3, 5, 50])
def test_strengths_are_found_whatever_the_number_of_classes(n_classes):
    rule = rule_for(2.0, 3.0, n_classes=n_classes, n_images=2000 // n_classes)
    share = np.sqrt((2000 // n_classes) / (2000 // n_classes + 4))
    assert rule.prior_strength == pytest.approx(2, abs=0.2)
    assert rule.means_strength * share == pytest.approx(3, abs=0.2)
    assert rule.prior_spread == pytest.approx(1, abs=0.1)
    assert rule.means_spread == pytest.approx(0.01, abs=0.001)
    assert rule.correlation == pytest.approx(0, abs=0.1)


def test_what_knows_nothing_gets_no_say():
    weights, means, _ = rule_for(0.0, 2.0).weights(np.array([0, 40]))
    assert weights[0] == 1 and weights[1] < 0.1 * means[1]
    weights, means, _ = rule_for(2.0, 0.0).weights(np.array([40]))
    assert means[0] < 0.1 * weights[0]


def test_what_is_worse_than_chance_gets_none_at_all():
    weights, means, thresholds = rule_for(-3.0, 2.0).weights(np.array([0, 40]))
    assert weights.tolist() == [1.0, 0.0] and means.tolist() == [0.0, 1.0] and thresholds[0] == 0
    weights, means, _ = rule_for(-3.0, -3.0).weights(np.array([40]))
    assert (weights[0], means[0]) == (0, 1)


@pytest.mark.parametrize("m", [0, 0.5, 3])
def test_prior_images_fix_the_shares(m):
    model = few_shot(prior_images=m).fit(X, Y)
    counts = np.array([1, 2, 3, 6, 9])
    np.testing.assert_allclose(model.prior_shares_[:5], m / (m + counts), rtol=1e-12)
    assert model.prior_shares_[5:].tolist() == [1.0] * 3


def test_it_beats_both_parts_and_classes_without_images_keep_their_chance():
    x, y = images([8] * 5 + [0] * 3, seed=2)
    new, true = images([60] * 8, seed=7)
    blend, names = few_shot().fit(x, y), few_shot().fit()
    means = FewShotClassifier().fit(x, y)
    known = np.isin(true, SEEN)
    alone = names.with_candidates(SEEN).score(new[known], true[known])
    both = blend.with_candidates(SEEN).score(new[known], true[known])
    assert both > max(alone, means.score(new[known], true[known])) + 0.02
    assert blend.score(new, true) > names.score(new, true) + 0.05
    # Neither kind of class is drowned by the other.
    assert blend.score(new[~known], true[~known]) >= names.score(new[~known], true[~known])
    assert blend.score(new[known], true[known]) > names.score(new[known], true[known])


def test_only_classes_without_images_win_in_the_unseen_scenario():
    model = few_shot(scenario="unseen").fit(X, Y)
    assert set(model.predict(NEW)) <= set(UNSEEN)
    alone = prior(candidates=UNSEEN).fit()
    np.testing.assert_array_equal(model.predict(NEW), alone.predict(NEW))


def test_two_classes_keep_a_graded_score():
    rows = np.isin(Y, ["dog", "elk"])
    model = few_shot(candidates=None).fit(X[rows], Y[rows])
    scores = model.decision_function(NEW)
    assert scores.shape == (240,) and len(np.unique(scores)) == 240
    judged = np.isin(TRUE, ["dog", "elk"])
    assert model.score(NEW[judged], TRUE[judged]) > 0.6


def test_one_image_of_each_of_two_classes_proves_nothing():
    """Leaving one out leaves one image, and nothing to compare."""
    x, y = images([1, 1])
    model = few_shot(candidates=None).fit(x, y)
    assert np.isfinite(model.decision_function(NEW)).all()
    assert (model.prior_shares_ == 1).all()
    fixed = few_shot(candidates=None, prior_images=4).fit(x, y)
    np.testing.assert_allclose(fixed.prior_shares_, 0.8)


def test_images_of_one_class_say_nothing_of_others_and_it_says_so():
    rows = Y == "elk"
    with pytest.warns(LabelWarning, match="all of elk.*nothing.* Pass images of at le") as record:
        model = few_shot().fit(X[rows], Y[rows])
    assert {warning.filename for warning in record} == {__file__}
    np.testing.assert_array_equal(model.predict(NEW), prior(candidates=LABELS).fit().predict(NEW))
    assert model.seen_classes_.tolist() == ["elk"] and model.prior_shares_.tolist() == [1.0] * 8
    assert set(FewShotClassifier().fit(X[rows], Y[rows]).predict(NEW)) == {"elk"}


def test_images_that_are_all_the_same_leave_the_prior():
    x = np.tile(X[0], (4, 1))
    with pytest.warns(LabelWarning, match="or all the same"):
        model = few_shot().fit(x, ["ant", "ant", "bat", "cow"])
    assert np.isfinite(model.decision_function(NEW)).all()


# Priors of every kind ----------------------------------------------------------------------------


def test_any_frozen_classifier_can_be_the_prior():
    x, y = images([20] * 8, seed=9)
    given = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    model = few_shot(prior=FrozenEstimator(given)).fit(X, Y)
    assert model.score(NEW, TRUE) > 0.5
    assert clone(model).prior.estimator is given


def test_a_bare_head_can_be_the_prior_for_the_classes_that_it_has():
    model = FewShotClassifier(HEAD, candidates=LABELS[:6]).fit(X, Y)
    judged = np.isin(TRUE, LABELS[:6])
    assert model.score(NEW[judged], TRUE[judged]) > 0.4
    with pytest.raises(ValueError, match=r"SourceHead, does not know 2 of the 8 .*'gnu', 'hen'"):
        few_shot(prior=HEAD).fit(X, Y)


def test_an_ensemble_can_be_the_prior():
    members = [("head", prior()), ("map", DeViSEClassifier(TABLE, loss="mse"))]
    given = EnsembleZeroShotClassifier(members, candidates=SEEN).fit(*images([9] * 5, seed=4))
    model = few_shot(prior=FrozenEstimator(given)).fit(X, Y)
    assert model.with_candidates(UNSEEN).predict(NEW).tolist() == (
        given.with_candidates(UNSEEN).predict(NEW).tolist()
    )


def test_a_frozen_priors_own_candidates_and_scenario_play_no_part():
    given = DeViSEClassifier(TABLE, loss="mse", candidates=SEEN, scenario="unseen").fit(X, Y)
    model = few_shot(prior=FrozenEstimator(given)).fit(X, Y)
    assert model.decision_function(NEW).min() > -1e6
    assert given.candidates is SEEN and given.scenario == "unseen"


def test_a_head_from_similarities_can_be_the_prior_also_for_labels_that_come_later():
    class Constant:
        def matrix(self, targets, sources):
            return np.array([[1 + (t == s) * 9 for s in sources] for t in targets], dtype=float)

    given = SimilarityInitializer(HEAD, Constant(), n_neighbors=3)
    model = few_shot(prior=given, candidates=LABELS[:6]).fit(X, Y)
    again = few_shot(prior=given, candidates=LABELS[1:]).fit(X[Y != "ant"], Y[Y != "ant"])
    assert model.with_candidates(LABELS).classes_.tolist() == LABELS.tolist()
    assert set(again.with_candidates(LABELS[:2]).predict(NEW)) <= {"ant", "bat"}


def test_views_with_and_without_images():
    model = few_shot().fit(X, Y)
    view = model.with_candidates(["hen", "ant", "elk"])
    wide = model.decision_function(NEW)
    columns = np.searchsorted(LABELS, ["ant", "elk", "hen"])
    np.testing.assert_allclose(view.decision_function(NEW), wide[:, columns], rtol=1e-9, atol=1e-9)
    nothing = model.with_candidates(UNSEEN)
    np.testing.assert_array_equal(nothing.predict(NEW), prior(candidates=UNSEEN).fit().predict(NEW))
    assert model.with_candidates(["dog", "emu"][:1]).predict(NEW).tolist() == ["dog"] * 240


def test_integer_labels():
    table = AttributeTable(VECTORS, labels=np.arange(8))
    head = SourceHead(HEAD.coef, HEAD.intercept, np.arange(6))
    codes = np.searchsorted(LABELS, Y)
    model = FewShotClassifier(ConSEClassifier(head, table), candidates=range(8)).fit(X, codes)
    expected = few_shot().fit(X, Y).decision_function(NEW)
    np.testing.assert_allclose(model.decision_function(NEW), expected, rtol=1e-12)
    assert model.predict(NEW).dtype.kind == "i"


def test_searches_reach_into_the_prior():
    grid = {"prior__n_top": [1, 6], "prior_images": ["auto", 1]}
    x, y = images([4] * 5)
    search = GridSearchCV(few_shot(), grid, cv=2, error_score="raise").fit(x, y)
    assert search.best_estimator_.prior_.n_top == search.best_params_["prior__n_top"]


def test_raw_label_vectors_are_the_priors():
    np.testing.assert_array_equal(few_shot().fit(X, Y).label_vectors(["gnu"]), TABLE.embed(["gnu"]))
    with pytest.raises(TypeError, match="FewShotClassifier: no member has label_vectors"):
        FewShotClassifier().fit(X, Y).label_vectors(["ant"])


@pytest.mark.parametrize("name", ["blend", "names", "means", "frozen", "rows"])
def test_saved_models_come_back(name, tmp_path):
    given = {
        "frozen": FrozenEstimator(DeViSEClassifier(TABLE, loss="mse").fit(X, Y)),
        "rows": SimilarityInitializer(HEAD, RNG.random((8, 6)), n_neighbors=3),
    }.get(name, prior())
    model = FewShotClassifier().fit(X, Y) if name == "means" else few_shot(prior=given)
    if name == "names":
        model.fit()
    elif name != "means":
        model.fit(X, Y)
    zeroshot.save(model, tmp_path / "model")
    again = zeroshot.load(tmp_path / "model")
    np.testing.assert_array_equal(again.decision_function(NEW), model.decision_function(NEW))
    np.testing.assert_array_equal(again.predict_proba(NEW), model.predict_proba(NEW))
    labels = model.classes_[1:4]
    np.testing.assert_array_equal(
        again.with_candidates(labels).predict(NEW), model.with_candidates(labels).predict(NEW)
    )


# Bad input ---------------------------------------------------------------------------------------


def test_no_images_and_no_prior():
    for model in (FewShotClassifier(), FewShotClassifier(candidates=LABELS)):
        with pytest.raises(
            ValueError, match="there are no images. Pass X and y, or both candidates"
        ):
            model.fit()
    with pytest.raises(ValueError, match="there are no images. Pass X and y"):
        FewShotClassifier(prior()).fit()


def test_candidates_without_an_image_need_a_prior():
    words = r"3 of 8 candidates have no image \('fox', 'gnu', 'hen'\), and there is no prior.*Pass"
    with pytest.raises(ValueError, match=words):
        few_shot(prior=None).fit(X, Y)
    model = FewShotClassifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"1 of 2 candidates have no image \('emu'\)"):
        model.with_candidates(["ant", "emu"])
    assert model.classes_.tolist() == SEEN.tolist()


def test_images_of_what_is_no_candidate():
    with pytest.raises(
        ValueError, match=r"y holds 2 labels that candidates lacks \('ant', 'bat'\)"
    ):
        few_shot(candidates=LABELS[2:]).fit(X, Y)


def test_candidates_that_the_prior_does_not_know():
    with pytest.raises(UnknownLabelError, match="okapi"):
        few_shot(candidates=[*LABELS, "okapi"]).fit(X, Y)
    frozen = FrozenEstimator(LogisticRegression().fit(X, Y))
    words = "prior, a LogisticRegression, does not know 3 of the 8 candidates .*'fox', 'gnu', 'hen'"
    for given in (lambda m: m.fit(X, Y), lambda m: m.fit()):
        with pytest.raises(ValueError, match=words):
            given(few_shot(prior=frozen))
    model = few_shot(prior=frozen, candidates=None).fit(X, Y)
    with pytest.raises(ValueError, match="prior, a LogisticRegression, does not know 1 of the"):
        model.with_candidates(["ant", "emu"])
    with pytest.raises(ValueError, match="of one type"):
        few_shot(prior=frozen, candidates=range(5)).fit(X, np.searchsorted(SEEN, Y))


@pytest.mark.parametrize(
    "given", [DeViSEClassifier(TABLE, loss="mse"), ConSEClassifier(None, TABLE)]
)
def test_a_prior_that_needs_images_has_to_be_frozen(given):
    words = "prior is fitted from class names alone.* Fit it on other images.*FrozenEstimator"
    with pytest.raises(ValueError, match=words):
        few_shot(prior=given).fit(X, Y)
    # Fitted is not frozen: a clone would forget it.
    with pytest.raises(ValueError, match=words):
        few_shot(prior=clone(given).set_params(candidates=None).fit(X, Y)).fit(X, Y)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (FrozenEstimator(DeViSEClassifier(TABLE)), NotFittedError, "prior is a FrozenEstimator of"),
        (KNeighborsClassifier(), TypeError, "prior must be a classifier with decision_function"),
        (ConSEClassifier, TypeError, "prior must be .* got the class ConSEClassifier"),
        ("conse", TypeError, "prior must be a classifier with decision_function.*got 'conse'"),
        (TABLE, TypeError, "prior must be a classifier with decision_function"),
    ],
)
def test_what_is_no_prior(given, error, words):
    with pytest.raises(error, match=f"FewShotClassifier: {words}"):
        few_shot(prior=given).fit(X, Y)


@pytest.mark.parametrize("m", [-1, np.nan, np.inf, "always", None, True])
def test_prior_images_out_of_range(m):
    with pytest.raises(
        ValueError, match="FewShotClassifier: prior_images must be a number of at l"
    ):
        few_shot(prior_images=m).fit(X, Y)


def test_features_of_another_width_than_the_prior_takes():
    with pytest.raises(ValueError, match="X has 5 features, but ConSEClassifier is expecting 9"):
        few_shot().fit(X[:, :5], Y)
    model = few_shot().fit()
    with pytest.raises(ValueError, match="X has 5 features, but FewShotClassifier is expecting 9"):
        model.predict(NEW[:, :5])


def test_images_and_labels_come_together():
    with pytest.raises(ValueError, match="X is missing"):
        few_shot().fit(None, Y)
    with pytest.raises(ValueError, match="y is missing|y cannot be None|requires y"):
        few_shot().fit(X, None)


def test_bad_parameters_that_all_classifiers_have():
    with pytest.raises(ValueError, match="scenario must be one of 'generalized', 'unseen'"):
        few_shot(scenario="seen").fit(X, Y)
    with pytest.raises(ValueError, match="temperature must be a number above 0, got 0"):
        few_shot(temperature=0).fit()
    with pytest.raises(ValueError, match="names 1 labels more than once"):
        few_shot(candidates=[*LABELS, "ant"]).fit()


# The study ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    folder = Path(__file__).parents[2] / "studies"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        spec = importlib.util.spec_from_file_location(
            "few_shot_prior", folder / "few_shot_prior.py"
        )
        module = importlib.util.module_from_spec(spec)
        patch.setitem(__import__("sys").modules, "few_shot_prior", module)
        spec.loader.exec_module(module)
        yield module


@pytest.mark.slow  # a whole study, small
def test_the_study_on_bundled_features_beats_both_parts(study, tmp_path, capsys):
    results = study.main("tiny", str(tmp_path / "results.json"))
    mixed = results["half of the classes without images"]
    assert set(results) == {"all classes", "ImageNet synonyms", "the rest", *list(results)[-1:]}
    (before, before_without), (seen, without) = (figures["5"] for figures in mixed.values())
    assert seen > before + 0.05 and without > 0.75 * before_without
    table = results["all classes"]
    ours = table["ours, rows of the head"]
    assert ours["1"] > table["nearest class mean"]["1"] + 0.05
    assert ours["1"] > table["prior: rows of the head"]["0"]
    assert ours["2"] > table["logistic regression"]["2"]
    assert ours["less"]["nearest class mean"]["1"][0] == pytest.approx(
        ours["1"] - table["nearest class mean"]["1"]
    )
    assert json.loads((tmp_path / "results.json").read_text())["results"] == results
    assert "the rest, 750 test images" in capsys.readouterr().out


@pytest.mark.parametrize(("x", "y"), [(np.empty((0, 9)), []), ([], []), (None, [])])
def test_no_row_is_no_image(x, y):
    model, without = few_shot().fit(x, y), few_shot().fit()
    np.testing.assert_array_equal(model.predict_proba(NEW), without.predict_proba(NEW))
    with pytest.raises(ValueError, match="there are no images"):
        FewShotClassifier().fit(x, y)


def test_prior_images_that_are_several():
    with pytest.raises(ValueError, match="prior_images must be a number of at least 0, got array"):
        few_shot(prior_images=np.array([1, 2])).fit(X, Y)
