"""RejectOption: what it answers, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from many_classes import NAMES, samples
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from zeroshot import AttributeTable, CalibratedStacking, DeViSEClassifier, RejectOption, load, save
from zeroshot.exceptions import LabelWarning
from zeroshot.metrics import answered_accuracy_score, answered_share_score, any_of_these_auc

TABLE, X, Y = samples(n_rows=40, noise=1.2)
FORMAT_1 = Path(__file__).parents[1] / "data" / "format_1"
SEEN, UNSEEN = NAMES[:30], NAMES[30:]
IS_SEEN = np.isin(Y, SEEN)
NEW, TRUTH = X[~IS_SEEN], Y[~IS_SEEN]


def ridge(**changes):
    return DeViSEClassifier(
        TABLE, **{"loss": "mse", "scenario": "unseen", "candidates": UNSEEN} | changes
    )


def fitted(model):
    return model.fit(X[IS_SEEN], Y[IS_SEEN])


PLAIN = fitted(ridge())


@pytest.mark.parametrize("coverage", [0.3, 0.6, 0.9])
def test_the_wanted_share_is_answered(coverage):
    model = fitted(RejectOption(ridge(), coverage=coverage, none_share=0))
    assert model.coverage_ == pytest.approx(coverage, abs=0.01)
    answers = model.predict(NEW)
    assert answered_share_score(TRUTH, answers, reject_label="unknown") == pytest.approx(
        coverage, abs=0.12
    )
    assert answered_accuracy_score(TRUTH, answers, reject_label="unknown") > PLAIN.score(NEW, TRUTH)


def test_the_wanted_accuracy_is_met_by_as_many_answers_as_it_allows():
    plain = PLAIN.score(NEW, TRUTH)
    wanted = plain + 0.15
    model = fitted(RejectOption(ridge(), accuracy=wanted, none_share=0))
    answers = model.predict(NEW)
    assert model.accuracy_ >= wanted
    assert answered_accuracy_score(TRUTH, answers, reject_label="unknown") == pytest.approx(
        wanted, abs=0.1
    )
    thresholds, coverage, accuracy = model.confidence_.rejection_curve(0.0)
    assert model.coverage_ == coverage[accuracy >= wanted].max()
    assert model.threshold_ in thresholds


@pytest.mark.parametrize("label", ["unknown", "none of these, or hard to tell"])
def test_answers_are_the_most_probable_labels(label):
    model = fitted(RejectOption(ridge(), threshold=0.4, reject_label=label))
    answers, answered = model.predict(NEW), model.answers(NEW)
    assert np.array_equal(answers == label, ~answered) and answered.any() and not answered.all()
    best = model.classes_[model.predict_proba(NEW).argmax(axis=1)]
    assert np.array_equal(answers[answered], best[answered])
    right = model.predict_proba(NEW).max(axis=1) * model.predict_any_proba(NEW)
    np.testing.assert_allclose(model.right_proba(NEW), right)
    assert np.array_equal(answered, right >= 0.4)


def test_both_kinds_of_doubt_count():
    """Of samples that show none of the candidates, fewer are answered."""
    few = UNSEEN[:5]
    model, careless = (
        fitted(RejectOption(ridge(candidates=few), coverage=0.5, none_share=share))
        for share in (0.5, 0)
    )
    outside = ~np.isin(TRUTH, few)
    assert model.answers(NEW[outside]).mean() < careless.answers(NEW[outside]).mean()
    ours, theirs = (
        any_of_these_auc(TRUTH, m.right_proba(NEW), labels=few) for m in (model, careless)
    )
    assert ours > theirs


def test_none_of_these_count_as_wrong_answers_in_the_curve():
    confidence = PLAIN.confidence_
    _, coverage, accuracy = confidence.rejection_curve(0.25)
    _, _, careless = confidence.rejection_curve(0.0)
    assert coverage[-1] == pytest.approx(1)
    assert accuracy[-1] == pytest.approx(0.75 * careless[-1], rel=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), ridge()),
        ridge(temperature=0.1),
        ridge(scenario="generalized", candidates=NAMES),
        CalibratedStacking(ridge(scenario="generalized", candidates=NAMES)),
        ridge(hubness="zscore"),
    ],
    ids=["pipeline", "given-temperature", "generalized", "stacking", "refitted"],
)
def test_every_kind_of_classifier_is_taken(model):
    reject = fitted(RejectOption(model, coverage=0.5))
    assert 0 < reject.answers(NEW).mean() < 1
    assert set(reject.predict(NEW)) <= {*reject.classes_, "unknown"}
    assert reject.predict_set(NEW).shape == (len(NEW), len(reject.classes_))
    assert reject.decision_function(NEW).shape == (len(NEW), len(reject.classes_))
    again = fitted(clone(reject))
    assert np.array_equal(again.predict(NEW), reject.predict(NEW))
    if getattr(model, "temperature", None) == 0.1:
        assert reject.confidence_.temperature == pytest.approx(0.1)


def test_views_keep_the_threshold():
    model = fitted(RejectOption(ridge(), coverage=0.5))
    view = model.with_candidates(UNSEEN[:8])
    assert view.threshold_ == model.threshold_ and len(view.classes_) == 8
    assert len(model.classes_) == 10
    with pytest.raises(ValueError, match="reject_label='unknown' is one of the candidates"):
        table = AttributeTable(np.eye(3), labels=["a", "b", "unknown"])
        RejectOption(
            FrozenEstimator(DeViSEClassifier(table, loss="mse", candidates=["a", "unknown"])),
            threshold=0.5,
        )._check_parameters()
        model.classifier_ = DeViSEClassifier(table, loss="mse", candidates=["a", "unknown"]).fit(
            [[0.0], [1.0]], ["a", "b"]
        )
        model._check_candidates()


def test_saved_models_answer_alike(tmp_path):
    model = fitted(RejectOption(ridge(), accuracy=0.6))
    save(model, tmp_path / "model")
    assert np.array_equal(load(tmp_path / "model").predict(NEW), model.predict(NEW))


# A frozen classifier ---------------------------------------------------------------------------


def test_a_frozen_classifier_brings_what_it_knows():
    model = RejectOption(FrozenEstimator(PLAIN), coverage=0.5).fit()
    assert model.confidence_ is PLAIN.confidence_


def test_a_frozen_classifier_is_calibrated_on_other_classes_and_stays_as_it_is():
    frozen = fitted(ridge(temperature=0.1))
    model = RejectOption(FrozenEstimator(frozen), coverage=0.5).fit(NEW, TRUTH)
    assert model.confidence_.n_classes == 10 and frozen.confidence_ is None


def test_a_frozen_classifier_that_knows_nothing_says_what_to_do():
    frozen = FrozenEstimator(fitted(ridge(temperature=0.1)))
    with pytest.raises(ValueError, match="Pass X and y of classes that it has not seen to fit"):
        RejectOption(frozen, coverage=0.5).fit()
    with pytest.raises(ValueError, match="at least two classes that fit did not see, and y has 0"):
        RejectOption(frozen, coverage=0.5).fit(X[IS_SEEN], Y[IS_SEEN])


# Bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{}, {"coverage": 0.5, "accuracy": 0.5}])
def test_one_wish_is_given(given):
    with pytest.raises(
        ValueError, match="RejectOption: pass one of coverage, accuracy and threshold"
    ):
        fitted(RejectOption(ridge(), **given))


def test_the_best_accuracy_that_can_be_had_is_named():
    table, X, y = samples(noise=6.0)
    rows = np.isin(y, SEEN)
    model = DeViSEClassifier(table, loss="mse", scenario="unseen", candidates=UNSEEN)
    with pytest.raises(
        ValueError, match=r"accuracy=0.99 cannot be met: .* Pass accuracy=0\.\d+ or less"
    ) as error:
        RejectOption(model, accuracy=0.99).fit(X[rows], y[rows])
    best = float(str(error.value).split("accuracy=")[-1].split()[0])
    assert RejectOption(model, accuracy=best).fit(X[rows], y[rows]).accuracy_ >= best


def test_too_few_classes_to_hold_out():
    rows = np.isin(Y, SEEN[:3])
    with pytest.raises(ValueError, match="holds classes out, and needs at least 4; y has 3"):
        RejectOption(ridge(), coverage=0.5).fit(X[rows], Y[rows])


def test_one_candidate_says_nothing():
    with pytest.raises(ValueError, match="there is one candidate, which has the probability 1"):
        fitted(RejectOption(ridge(candidates=UNSEEN[:1]), coverage=0.5))


def test_the_reject_label_is_of_the_type_of_the_labels():
    with pytest.raises(
        ValueError, match="reject_label=-1 is of another type than the labels, which are strings"
    ):
        fitted(RejectOption(ridge(), coverage=0.5, reject_label=-1))
    table = AttributeTable(TABLE.embed(NAMES), labels=range(40))
    model = DeViSEClassifier(table, loss="mse", scenario="unseen", candidates=range(30, 40))
    numbers = np.searchsorted(NAMES, Y[IS_SEEN])
    with pytest.raises(
        ValueError, match="reject_label='unknown' is of another type.*Pass reject_label=-1"
    ):
        RejectOption(model, coverage=0.5).fit(X[IS_SEEN], numbers)
    answers = (
        RejectOption(model, coverage=0.5, reject_label=-1).fit(X[IS_SEEN], numbers).predict(NEW)
    )
    assert answers.dtype.kind == "i" and -1 in answers


def test_the_reject_label_is_no_candidate():
    with pytest.raises(ValueError, match="reject_label='class 31' is one of the candidates"):
        fitted(RejectOption(ridge(), coverage=0.5, reject_label="class 31"))


def test_an_ordinary_classifier_is_refused():
    with pytest.raises(
        TypeError, match="classifier must be a zero-shot classifier of this package"
    ):
        fitted(RejectOption(LogisticRegression(), coverage=0.5))


def test_all_samples_rejected():
    model = fitted(RejectOption(ridge(), threshold=1.0))
    assert model.coverage_ == 0 and np.isnan(model.accuracy_)
    with pytest.warns(
        LabelWarning, match=f"all {len(NEW)} samples are rejected. Lower the threshold"
    ):
        answers = model.predict(NEW)
    assert answers.shape == (len(NEW),) and set(answers) == {"unknown"}
    assert model.predict_set(NEW).any(axis=1).all()
    with pytest.warns(
        LabelWarning, match="all 400 samples were rejected, so that there is no accuracy"
    ):
        assert np.isnan(answered_accuracy_score(TRUTH, answers, reject_label="unknown"))
    assert answered_share_score(TRUTH, answers, reject_label="unknown") == 0
    with pytest.warns(LabelWarning):
        assert model.score(NEW, TRUTH) == 0


def test_an_image_that_could_not_be_read_is_rejected_and_the_others_are_answered():
    model = fitted(RejectOption(ridge(), threshold=0.4))
    new = NEW.copy()
    new[3] = np.nan
    answers, expected = model.predict(new), model.predict(NEW)
    assert answers[3] == "unknown"
    assert np.array_equal(np.delete(answers, 3), np.delete(expected, 3))
    assert np.isnan(model.predict_proba(new)[3]).all()
    assert model.predict_set(new)[3].all()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, 5, np.nan, "high"])
def test_a_threshold_that_is_no_probability_is_named(threshold):
    with pytest.raises(ValueError, match="RejectOption: threshold must be"):
        fitted(RejectOption(ridge(), threshold=threshold))


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, np.nan])
def test_a_share_of_none_outside_its_range_is_named(share):
    with pytest.raises(ValueError, match="none_share must be"):
        fitted(RejectOption(ridge(), coverage=0.5, none_share=share))
    model = fitted(RejectOption(CalibratedStacking(ridge(scenario="generalized")), coverage=0.5))
    for known in (PLAIN, model, model.classifier_):
        with pytest.raises(ValueError, match="none_share must be"):
            known.predict_any_proba(NEW, none_share=share)


def test_models_that_were_saved_without_confidence_say_what_to_do():
    for model in (load(FORMAT_1 / name) for name in ("ale", "calibrated_stacking")):
        with pytest.raises(ValueError, match="knows nothing of held-out classes. Pass X and y of"):
            RejectOption(FrozenEstimator(model), coverage=0.5).fit()


def test_an_unfitted_one_says_so():
    for method in ("predict", "predict_proba", "predict_set", "answers", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(RejectOption(ridge(), coverage=0.5), method)(NEW)


def test_too_few_classes_have_a_remedy_that_helps():
    rows = np.isin(Y, SEEN[:3])
    model = RejectOption(ridge(temperature=0.1), coverage=0.5)
    with pytest.raises(ValueError, match=r"rejection holds .* has 3. Pass [^,]*classes\.$"):
        model.fit(X[rows], Y[rows])


def test_the_steps_before_the_classifier_run_once():
    calls = []

    def counted(rows):
        calls.append(len(rows))
        return rows

    steps = make_pipeline(FunctionTransformer(counted), PLAIN)
    model = RejectOption(FrozenEstimator(steps), threshold=0.4).fit()
    calls.clear()
    answers = model.predict(NEW)
    assert calls == [len(NEW)]
    assert np.array_equal(answers == "unknown", ~model.answers(NEW))
