"""What every estimator on features promises: scikit-learn's own checks, and ours beside them."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import has_fit_parameter

import zeroshot
from zeroshot import (
    ALEClassifier,
    AttributeTable,
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EmbeddingRegressor,
    EmbeddingRegressorCV,
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    ESZSLClassifierCV,
    FewShotClassifier,
    HashEmbedding,
    HeadRegressionClassifier,
    OpenLabelClassifier,
    PrototypeRegressionClassifier,
    SAEClassifier,
    SimilarityClassifier,
    SJEClassifier,
    SourceHead,
    Training,
    TransductiveClassifier,
    WordVectorSimilarity,
)
from zeroshot.estimators import _base
from zeroshot.exceptions import LabelWarning, UnreadableImageWarning

# Every other public estimator is found by itself, and made without arguments.
WITH_ARGUMENTS = [
    CalibratedStacking(DeViSEClassifier(HashEmbedding(8), loss="mse")),
    CalibratedStacking(DeViSEClassifier(loss="mse"), calibration=0.1),
    EnsembleZeroShotClassifier(
        [("map", DeViSEClassifier(loss="mse")), ("guesses", ConSEClassifier())]
    ),
]

# name: (why scikit-learn's suite cannot take it, where its own contract tests are)
ELSEWHERE = {
    "TimmFeatures": (
        "its X is images (paths, PIL images or uint8 arrays), where the suite passes features",
        "backbones/test_backbones.py",
    ),
    "NearestLabelClassifier": (
        "its X lies in the space of its label vectors, where the suite passes any features",
        "backbones/test_clip.py",
    ),
    "OpenCLIPFeatures": (
        "its X is images (paths, PIL images or uint8 arrays), where the suite passes features",
        "backbones/test_clip.py",
    ),
    "FineTuneClassifier": (
        "its X is images (paths, PIL images or uint8 arrays), where the suite passes features",
        "estimators/test_finetune.py",
    ),
    "SoftmaxClassifier": (
        "its X is images (paths, PIL images or uint8 arrays), where the suite passes features",
        "networks/test_image_training.py",
    ),
    "InferenceSimilarity": (
        "its X is the logits of a source network, and it has matrix instead of predict",
        "similarity/test_inference_similarity.py",
    ),
    "MixtureSimilarity": ("it takes class names, and no features", "similarity/test_similarity.py"),
    "WordNetSimilarity": ("it takes class names, and no features", "similarity/test_similarity.py"),
    "WordVectorSimilarity": (
        "it takes class names, and no features",
        "similarity/test_similarity.py",
    ),
    "HeadRegressionClassifier": (
        "it needs a SourceHead, and takes only features of that head's network",
        "estimators/test_head_regression.py",
    ),
    "OpenLabelClassifier": (
        "it needs a SourceHead, and answers with words that WordNet or word vectors know",
        "estimators/test_open_label.py",
    ),
    "RejectOption": (
        "it holds classes out, of which there must be four, and its reject_label is a string",
        "estimators/test_reject.py",
    ),
    "SimilarityInitializer": (
        "it needs a SourceHead, and takes only features of that head's network",
        "estimators/test_initializer.py",
    ),
    "TransductiveClassifier": (
        "it answers for a batch, where the suite passes a row at a time and takes no warning of it",
        "estimators/test_transductive.py",
    ),
    "Training": ("it holds parameters, and takes no data", "networks/test_training_parameters.py"),
    "SourceHead": (
        "it needs the weights of a pretrained network, is fitted from the start, and never changes",
        "backbones/test_backbones.py",
    ),
}


def public_estimators():
    objects = {name: getattr(zeroshot, name) for name in zeroshot.__all__}
    return {
        name: value
        for name, value in objects.items()
        if inspect.isclass(value) and (hasattr(value, "get_params") or hasattr(value, "fit"))
    }


LISTED = {type(estimator).__name__ for estimator in WITH_ARGUMENTS}
FOUND = {n: cls for n, cls in public_estimators().items() if n not in LISTED | ELSEWHERE.keys()}
IN_SCIKIT_LEARNS_SUITE = [*WITH_ARGUMENTS, *(cls() for cls in FOUND.values())]


def expected_to_fail(estimator):
    """Training is in float32, where the suite compares in float64; `WEIGHTED` has it below."""
    if isinstance(estimator, (ALEClassifier, SJEClassifier)) or (
        isinstance(estimator, DeViSEClassifier) and estimator.loss != "mse"
    ):
        return {"check_sample_weight_equivalence_on_dense_data": "trained in float32"}
    return {}


@parametrize_with_checks(IN_SCIKIT_LEARNS_SUITE, expected_failed_checks=expected_to_fail)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_the_suite_finds_estimators_and_those_left_out_exist():
    assert len(FOUND) >= 12 and not LISTED & set(ELSEWHERE)
    assert LISTED | set(ELSEWHERE) <= set(public_estimators())


@pytest.mark.parametrize("name", ELSEWHERE)
def test_those_named_have_tests_of_their_own(name):
    _, file = ELSEWHERE[name]
    assert name in (Path(__file__).parent / file).read_text()


# Our own checks --------------------------------------------------------------------------------

SEEN = np.array(["bear", "cat", "cow", "dog", "owl", "pig"])
UNSEEN = np.array(["ant", "emu", "yak"])
CANDIDATES = [*SEEN, *UNSEEN]
RNG = np.random.default_rng(0)
CODES = RNG.permutation(np.repeat(np.arange(6), 10))
Y = SEEN[CODES]
X = RNG.normal(size=(6, 7))[CODES] + 0.3 * RNG.normal(size=(60, 7))
EMBEDDING = HashEmbedding(8)
HEAD = SourceHead(RNG.normal(size=(6, 7)), np.zeros(6), SEEN)
COSINE = WordVectorSimilarity(EMBEDDING)
ZERO_SHOT = {"candidates": CANDIDATES}
SHORT = {"training": Training(epochs=2, device="cpu"), "random_state": 0}

MODELS = {
    "ridge": EmbeddingRegressor(EMBEDDING),
    "regressor-trained": EmbeddingRegressor(EMBEDDING, hidden=(5,), **SHORT),
    "regressor-cosine": EmbeddingRegressor(EMBEDDING, loss="cosine", **SHORT),
    "hinge": DeViSEClassifier(EMBEDDING, **ZERO_SHOT, **SHORT),
    "hinge-hidden": DeViSEClassifier(EMBEDDING, hidden=(6, 5), **ZERO_SHOT, **SHORT),
    "cosine": DeViSEClassifier(EMBEDDING, loss="cosine", **ZERO_SHOT, **SHORT),
    "cosine-margin": DeViSEClassifier(EMBEDDING, loss="cosine_margin", **ZERO_SHOT, **SHORT),
    "mse": DeViSEClassifier(EMBEDDING, loss="mse", **ZERO_SHOT),
    "mse-unseen": DeViSEClassifier(EMBEDDING, loss="mse", scenario="unseen", **ZERO_SHOT),
    "mse-gamma": DeViSEClassifier(EMBEDDING, loss="mse", gamma=2.0, **ZERO_SHOT),
    "mse-zscore": DeViSEClassifier(EMBEDDING, loss="mse", hubness="zscore", **ZERO_SHOT),
    "mse-csls": DeViSEClassifier(EMBEDDING, loss="mse", hubness="csls", **ZERO_SHOT),
    "conse": ConSEClassifier(None, EMBEDDING, n_top=3, **ZERO_SHOT),
    "conse-neighbours": ConSEClassifier(KNeighborsClassifier(), EMBEDDING, **ZERO_SHOT),
    "conse-head": ConSEClassifier(HEAD, EMBEDDING, n_top=3, **ZERO_SHOT),
    "eszsl": ESZSLClassifier(EMBEDDING, **ZERO_SHOT),
    "eszsl-csls": ESZSLClassifier(EMBEDDING, hubness="csls", **ZERO_SHOT),
    "eszsl-gamma-unseen": ESZSLClassifier(
        EMBEDDING, gamma=2.0, center_features=False, scenario="unseen", **ZERO_SHOT
    ),
    "ridge-cv": EmbeddingRegressorCV(EMBEDDING, cv=3),
    "eszsl-cv": ESZSLClassifierCV(EMBEDDING, cv=3, **ZERO_SHOT),
    "sae": SAEClassifier(EMBEDDING, **ZERO_SHOT),
    "sae-decode": SAEClassifier(EMBEDDING, direction="decode", **ZERO_SHOT),
    "ale": ALEClassifier(EMBEDDING, **ZERO_SHOT, **SHORT),
    "sje": SJEClassifier(EMBEDDING, gamma=2.0, **ZERO_SHOT, **SHORT),
    "dummy-mean": DummyZeroShotClassifier(EMBEDDING, **ZERO_SHOT),
    "dummy-constant": DummyZeroShotClassifier(EMBEDDING, strategy="constant", **ZERO_SHOT),
    "dummy-random": DummyZeroShotClassifier(
        EMBEDDING, strategy="random", random_state=0, **ZERO_SHOT
    ),
    "calibrated": CalibratedStacking(DeViSEClassifier(EMBEDDING, loss="mse", **ZERO_SHOT)),
    "calibrated-given": CalibratedStacking(
        ConSEClassifier(None, EMBEDDING, n_top=3, **ZERO_SHOT), calibration=0.2
    ),
    "transductive": TransductiveClassifier(
        DeViSEClassifier(EMBEDDING, loss="mse", **ZERO_SHOT), weight=0.2, least_images=0
    ),
    "similarity": SimilarityClassifier(None, COSINE, **ZERO_SHOT),
    "similarity-head": SimilarityClassifier(HEAD, COSINE, **ZERO_SHOT),
    "prototypes": PrototypeRegressionClassifier(EMBEDDING, **ZERO_SHOT),
    "prototypes-zscore": PrototypeRegressionClassifier(
        [EMBEDDING, COSINE], hubness="zscore", scenario="unseen", **ZERO_SHOT
    ),
    "regression-head": HeadRegressionClassifier(HEAD, EMBEDDING, **ZERO_SHOT),
    "ensemble": EnsembleZeroShotClassifier(
        [
            ("map", DeViSEClassifier(EMBEDDING, loss="mse")),
            ("scaled", make_pipeline(StandardScaler(), ConSEClassifier(None, EMBEDDING))),
        ],
        weights=[2, 1],
        **ZERO_SHOT,
    ),
    "ensemble-head": EnsembleZeroShotClassifier(
        [
            ("map", FrozenEstimator(DeViSEClassifier(EMBEDDING, loss="mse").fit(X, Y))),
            ("head", ConSEClassifier(HEAD, EMBEDDING)),
        ],
        **ZERO_SHOT,
    ),
    "few-shot": FewShotClassifier(ConSEClassifier(HEAD, EMBEDDING), **ZERO_SHOT),
    "open-label-head": OpenLabelClassifier(HEAD, **ZERO_SHOT),
}
for name, cls in FOUND.items():
    if not any(type(model) is cls for model in MODELS.values()):  # a new one, with its defaults
        offered = {"label_embedding": EMBEDDING, **ZERO_SHOT}
        taken = inspect.signature(cls).parameters.keys() & offered.keys()
        MODELS[name] = cls(**{parameter: offered[parameter] for parameter in taken})
# Members over vectors of their own: the classifier itself has no label embedding.
COMPOSITES = ("ensemble", "ensemble-head", "few-shot")
CLASSIFIERS = {name: model for name, model in MODELS.items() if is_classifier(model)}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
every_classifier = pytest.mark.parametrize("model", CLASSIFIERS.values(), ids=CLASSIFIERS)
EMBEDDING_USERS = {
    name: model
    for name, model in MODELS.items()
    if "label_embedding" in getattr(model, "estimator", model).get_params()
}
every_embedding_user = pytest.mark.parametrize(
    "model", EMBEDDING_USERS.values(), ids=EMBEDDING_USERS
)
# With a SourceHead, `fit` reads neither X nor y.
LEARNERS = {name: model for name, model in MODELS.items() if not name.endswith("-head")}
every_learner = pytest.mark.parametrize("model", LEARNERS.values(), ids=LEARNERS)
# Draws follow the position of a row, whatever stands in it; a batch is answered as a whole.
NOT_ROW_BY_ROW = ("dummy-random", "transductive")
ROW_BY_ROW = {name: model for name, model in MODELS.items() if name not in NOT_ROW_BY_ROW}


def inner(model):
    """The classifier that has the candidates and the label embedding: what a wrapper wraps."""
    return getattr(model, "estimator", model)


def with_params(model, **params):
    prefix = "" if inner(model) is model else "estimator__"
    if hasattr(model, "similarity") and "label_embedding" in params:
        params["similarity__label_embedding"] = params.pop("label_embedding")
    if hasattr(model, "kernels") and "label_embedding" in params:
        params["kernels"] = params.pop("label_embedding")
    return clone(model).set_params(**{f"{prefix}{name}": value for name, value in params.items()})


CLOSED_FORMS = [
    "ridge",
    "mse",
    "mse-gamma",
    "mse-zscore",
    "mse-csls",
    "eszsl",
    "eszsl-cv",
    "eszsl-csls",
]
CLOSED_FORMS += [
    "ridge-cv",
    "dummy-mean",
    "dummy-constant",
    "few-shot",
    "prototypes",
    "prototypes-zscore",
]


def answers(model, X):
    """Everything that a fitted model says of X, by method."""
    methods = ["predict", "transform"]
    if is_classifier(model):
        methods += ["decision_function", "predict_proba"]
    return {method: getattr(model, method)(X) for method in methods}


def assert_same_answers(first, second):
    assert first.keys() == second.keys()
    for method in first:
        np.testing.assert_array_equal(first[method], second[method], err_msg=method)


def fitted(model, X=X, y=Y):
    return clone(model).fit(X, y)


@every_model
def test_inputs_are_left_untouched(model):
    features, labels, rows = X.copy(), Y.copy(), X[:9].copy()
    features.flags.writeable = labels.flags.writeable = rows.flags.writeable = False
    params = copy.copy(model.get_params())
    model = clone(model)
    model.fit(features, labels)
    answers(model, rows)
    for name, value in model.get_params().items():
        assert repr(value) == repr(params[name]), name
    np.testing.assert_array_equal(features, X)
    np.testing.assert_array_equal(labels, Y)


@every_classifier
def test_a_candidate_list_is_neither_sorted_nor_kept_in_a_fitted_model(model):
    candidates = list(reversed(CANDIDATES))
    model = with_params(model, candidates=candidates).fit(X, Y)
    assert candidates == list(reversed(CANDIDATES))
    before = answers(model, X[:5])
    candidates.pop()
    assert_same_answers(answers(model, X[:5]), before)


@every_model
def test_a_clone_is_unfitted_and_independent(model):
    first = fitted(model)
    before = answers(first, X[:9])
    second = clone(first)
    with pytest.raises(NotFittedError):
        second.predict(X)
    second.fit(X[::-1], Y)
    assert_same_answers(answers(first, X[:9]), before)
    # Cloning must never copy a gigabyte of vectors.
    for one in (inner(first), inner(second)):
        embedding = getattr(getattr(one, "similarity", one), "label_embedding", None)
        assert embedding in (None, EMBEDDING)


@pytest.mark.parametrize("name", [name for name in LEARNERS if name not in COMPOSITES[1:]])
def test_fitting_again_forgets_the_first_fit(name):
    """On features of another width, which only what has a head inside cannot take."""
    model = MODELS[name]
    twice = fitted(model).fit(X[:30, :5], Y[:30])
    once = fitted(model, X[:30, :5], Y[:30])
    assert_same_answers(answers(twice, X[:9, :5]), answers(once, X[:9, :5]))


@every_model
def test_one_seed_gives_one_answer_and_no_global_state_is_touched(model):
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    first = answers(fitted(model), X[:9])
    for before, after in zip(numpy_state, np.random.get_state(), strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(before, after)
    assert torch.equal(torch_state, torch.get_rng_state())
    torch.manual_seed(99)
    try:
        assert_same_answers(answers(fitted(model), X[:9]), first)
    finally:
        torch.set_rng_state(torch_state)


@pytest.mark.parametrize("name", ["hinge", "regressor-trained", "dummy-random"])
def test_another_seed_gives_another_answer(name):
    first, second = fitted(MODELS[name]), clone(MODELS[name]).set_params(random_state=1).fit(X, Y)
    assert not np.array_equal(first.transform(X), second.transform(X))


@pytest.mark.parametrize("model", ROW_BY_ROW.values(), ids=ROW_BY_ROW)
def test_order_and_subset_of_rows_change_nothing(model):
    """Products of other shapes may round otherwise: 1e-10 of the largest, in float64."""
    model = fitted(model)
    whole = answers(model, X)
    order = np.random.default_rng(2).permutation(len(X))
    for rows in (order, order[:7], order[:1]):
        for method, part in answers(model, X[rows]).items():
            expected = whole[method][rows]
            if method == "predict" and is_classifier(model):
                np.testing.assert_array_equal(part, expected)
            else:
                scale = np.abs(expected[expected > np.finfo(float).min]).max()
                np.testing.assert_allclose(part, expected, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_order_of_training_rows_changes_nothing(name):
    """In closed form; what is trained in batches depends on the order by its nature."""
    order = np.random.default_rng(3).permutation(len(X))
    first, second = fitted(MODELS[name]), fitted(MODELS[name], X[order], Y[order])
    np.testing.assert_allclose(second.transform(X), first.transform(X), rtol=1e-9, atol=1e-12)
    if is_classifier(first):
        np.testing.assert_array_equal(second.predict(X), first.predict(X))


@every_classifier
def test_order_of_candidates_changes_nothing(model):
    other = with_params(model, candidates=list(reversed(CANDIDATES))).fit(X, Y)
    assert_same_answers(answers(other, X), answers(fitted(model), X))


@every_model
def test_float32_features(model):
    small = X.astype(np.float32)
    model = fitted(model, small)
    got, expected = answers(model, small), answers(fitted(model, small.astype(np.float64)), small)
    if is_classifier(model):
        # The dtype of X is kept: `preserves_dtype` says so.
        for method in ("transform", "decision_function", "predict_proba"):
            assert got[method].dtype == np.float32, method
        assert (got["predict"] == expected["predict"]).mean() >= 0.95
    else:
        assert got["predict"].dtype == got["transform"].dtype == np.float64
    np.testing.assert_allclose(got["transform"], expected["transform"], rtol=1e-3, atol=1e-4)


@every_learner
@pytest.mark.parametrize("kind", ["int64", "uint8", "list", "fortran", "frame"])
def test_other_containers_of_features_change_nothing(model, kind):
    whole = np.round(X * 10).clip(0, 255)
    given = {
        "int64": whole.astype(np.int64),
        "uint8": whole.astype(np.uint8),
        "list": whole.tolist(),
        "fortran": np.asfortranarray(whole),
        "frame": pandas.DataFrame(whole, columns=[f"f{i}" for i in range(7)]),
    }[kind]
    got, expected = answers(fitted(model, given), given), answers(fitted(model, whole), whole)
    for method in expected:
        if expected[method].dtype.kind == "U":
            np.testing.assert_array_equal(got[method], expected[method])
        else:
            np.testing.assert_allclose(got[method], expected[method], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["ridge", "hinge", "few-shot"])
@pytest.mark.parametrize("kind", ["list", "tuple", "object", "series", "categorical", "string"])
def test_containers_of_labels_change_nothing(name, kind):
    """All read labels by `check_labels`, whose tests have the rest; each base has one here."""
    model = MODELS[name]
    given = {
        "list": Y.tolist(),
        "tuple": tuple(Y.tolist()),
        "object": Y.astype(object),
        "series": pandas.Series(Y),
        "categorical": pandas.Series(Y, dtype="category"),
        "string": pandas.Series(Y, dtype="string"),
    }[kind]
    assert_same_answers(answers(fitted(model, X, given), X), answers(fitted(model), X))


# What a view has of its own.
VOCABULARY = {
    "candidates",
    "classes_",
    "unseen_classes_",
    "class_vectors_",
    "intercept_",
    "hub_terms_",
    "unknown_labels_",
}
VOCABULARY |= {"estimator", "estimator_", "estimators_", "prior_", "classifier_", "regression_"}


NO_VOCABULARY = "open-label-head"  # too many labels to be looked up in WordNet one by one
VOCABULARY_USERS = {n: m for n, m in CLASSIFIERS.items() if n not in (*COMPOSITES, NO_VOCABULARY)}


@pytest.mark.parametrize("model", VOCABULARY_USERS.values(), ids=VOCABULARY_USERS)
def test_the_vocabulary_of_the_embedding_as_candidates(model):
    table = AttributeTable(EMBEDDING.embed(CANDIDATES), labels=CANDIDATES)
    listed = fitted(with_params(model, label_embedding=table))
    named = fitted(with_params(listed, candidates="vocabulary"))
    assert named.classes_.tolist() == sorted(CANDIDATES)
    assert inner(clone(named)).candidates == "vocabulary"
    assert_same_answers(answers(named, X), answers(listed, X))
    view = listed.with_candidates(["emu", "ant", "cat"]).with_candidates("vocabulary")
    assert_same_answers(answers(view, X), answers(listed, X))


@pytest.mark.parametrize("name", COMPOSITES)
def test_the_vocabulary_of_a_member_as_candidates(name):
    table = AttributeTable(EMBEDDING.embed(CANDIDATES), labels=CANDIDATES)
    members = {
        "ensemble": {"map__label_embedding": table},
        "ensemble-head": {"map": DeViSEClassifier(table, loss="mse")},
        "few-shot": {"prior__label_embedding": table},
    }[name]
    listed = fitted(clone(MODELS[name]).set_params(**members))
    named = fitted(clone(listed).set_params(candidates="vocabulary"))
    assert named.classes_.tolist() == sorted(CANDIDATES)
    assert_same_answers(answers(named, X), answers(listed, X))
    view = listed.with_candidates([*np.unique(Y), "emu"]).with_candidates("vocabulary")
    assert_same_answers(answers(view, X), answers(listed, X))


@every_classifier
@pytest.mark.parametrize("scenario", ["generalized", "unseen"])
def test_scoring_few_rows_at_a_time_changes_nothing(model, scenario, monkeypatch):
    """As is done where the scores of all rows would not fit into memory."""
    if scenario == "unseen" and inner(model) is not model:
        pytest.skip("where seen classes never win, there is nothing to calibrate")
    model = fitted(with_params(model, scenario=scenario))
    labels, (best, scores) = model.predict(X), model.predict_top_k(X, 3)
    monkeypatch.setattr(_base, "MAX_SCORES", 4 * len(CANDIDATES))
    np.testing.assert_array_equal(model.predict(X), labels)
    again, values = model.predict_top_k(X, 3)
    np.testing.assert_array_equal(again, best)
    np.testing.assert_allclose(values, scores, rtol=1e-10, atol=1e-10)


@every_classifier
def test_with_candidates_shares_what_was_learnt_and_changes_nothing(model):
    original = fitted(model)
    before, classes, params = answers(original, X), original.classes_.copy(), original.get_params()
    new = ["emu", "ant", "cat", "zebu"]
    view = original.with_candidates(new)
    assert type(view) is type(original) and view is not original
    assert view.classes_.tolist() == sorted(new)
    assert view.unseen_classes_.tolist() == ["ant", "emu", "zebu"]
    for name in vars(original):
        if name not in VOCABULARY:
            assert getattr(view, name) is getattr(original, name), name
    answers(view, X)
    np.testing.assert_array_equal(original.classes_, classes)
    assert repr(original.get_params()) == repr(params)
    assert_same_answers(answers(original, X), before)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_view_is_the_model_fitted_with_those_candidates(name):
    model, new = CLASSIFIERS[name], ["emu", "ant", "cat", "zebu"]
    if name == "few-shot":
        new = [*new, *SEEN[SEEN != "cat"]]  # it refuses images of what is no candidate
    view = fitted(model).with_candidates(new)
    again = clone(view)
    assert inner(again).candidates == new
    assert_same_answers(answers(view, X), answers(again.fit(X, Y), X))


@every_classifier
def test_a_view_of_a_view_comes_back(model):
    original = fitted(model)
    back = original.with_candidates(["emu", "yak", "zebu"]).with_candidates(CANDIDATES)
    assert_same_answers(answers(back, X), answers(original, X))


@every_classifier
def test_set_output_of_a_view_stays_the_views(model):
    original = fitted(model).set_output(transform="pandas")
    view = original.with_candidates(CANDIDATES[3:]).set_output(transform="default")
    assert isinstance(view.transform(X), np.ndarray)
    assert isinstance(original.transform(X), pandas.DataFrame)


@every_model
def test_pandas_output_reaches_transform_only(model):
    # Scores come from a private array method, never through public `transform`.
    plain, framed = fitted(model), fitted(model).set_output(transform="pandas")
    frame = framed.transform(X)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.columns.tolist() == framed.get_feature_names_out().tolist()
    np.testing.assert_array_equal(frame.to_numpy(), plain.transform(X))
    got, expected = answers(framed, X), answers(plain, X)
    got.pop("transform"), expected.pop("transform")
    assert all(isinstance(value, np.ndarray) for value in got.values())
    assert_same_answers(got, expected)


@every_model
def test_pickle_round_trip(model):
    model = fitted(model)
    assert_same_answers(answers(pickle.loads(pickle.dumps(model)), X), answers(model, X))


def _fit_and_answer(model):
    return answers(clone(model).fit(X, Y), X[:9]), answers(model, X[:9])


@pytest.fixture
def fresh_workers():
    """Workers that begin with this test's imports, torch among them.

    loky restarts a worker that grows by 300 MB after its first task, as an older one would when
    it imports torch, and says so by a warning in a thread of its own, where an error is a deadlock.
    """
    get_reusable_executor().shutdown(wait=True)


def test_two_processes_give_the_answers_of_one(fresh_workers):
    models = [fitted(model) for model in MODELS.values()]
    alone = [_fit_and_answer(model) for model in models]
    for here, there in zip(
        alone, Parallel(n_jobs=2)(delayed(_fit_and_answer)(m) for m in models), strict=True
    ):
        for expected, got in zip(here, there, strict=True):
            for method in expected:
                if expected[method].dtype.kind == "U":
                    np.testing.assert_array_equal(got[method], expected[method])
                else:
                    # Workers have one thread each, and sums are split otherwise.
                    np.testing.assert_allclose(got[method], expected[method], rtol=1e-4, atol=1e-5)


@every_model
def test_methods_before_fit_say_so(model):
    for method in ("predict", "transform", "score", "decision_function", "predict_proba"):
        if hasattr(model, method):
            args = (X, Y) if method == "score" else (X,)
            with pytest.raises(NotFittedError, match=f"{type(model).__name__}.*not fitted"):
                getattr(clone(model), method)(*args)
    if is_classifier(model):
        for call in (
            lambda m: m.with_candidates(["emu"]),
            lambda m: m.predict_top_k(X),
            lambda m: m.label_vectors(["emu"]),
        ):
            with pytest.raises(NotFittedError, match="not fitted"):
                call(clone(model))


@every_model
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_raise_in_fit_and_predict(model, bad):
    broken = X.copy()
    broken[3, 2] = bad
    words = "NaN|infinity"
    if not any(isinstance(value, SourceHead) for value in model.get_params(deep=False).values()):
        with pytest.raises(ValueError, match=words):
            fitted(model, broken)
    model = fitted(model)
    for method in answers(model, X):
        with pytest.raises(ValueError, match=words):
            getattr(model, method)(broken)


@every_model
def test_another_width_at_predict_raises_with_both_numbers(model):
    name = type(inner(model)).__name__
    model = fitted(model)
    for method in answers(model, X):
        with pytest.raises(ValueError, match=f"5 features, but {name} is expecting 7"):
            getattr(model, method)(X[:, :5])


@every_learner
def test_different_lengths_raise_with_both_numbers(model):
    with pytest.raises(ValueError, match=r"inconsistent.*60, 59"):
        fitted(model, X, Y[:-1])


@every_model
@pytest.mark.parametrize("short", [1, 59])
def test_different_lengths_raise_in_score(model, short):
    # One label would broadcast over all rows where lengths are not checked.
    with pytest.raises(ValueError, match="inconsistent"):
        fitted(model).score(X, Y[:short])


@every_learner
@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_label_never_becomes_a_class(model, missing):
    # np.asarray(["cat", nan]) holds the string "nan", for which word vectors have a vector.
    for y in ([*Y[:-1].tolist(), missing], np.array([*Y[:-1], missing], dtype=object)):
        with pytest.raises(ValueError, match="Unknown label type: y must be all strings or all"):
            fitted(model, X, y)


@every_embedding_user
def test_a_label_embedding_must_be_one(model):
    for wrong in ("glove-wiki-gigaword-50", HashEmbedding):
        with pytest.raises(TypeError, match=r"label_embedding must be .* Pass an object such as"):
            with_params(model, label_embedding=wrong).fit(X, Y)


@every_classifier
def test_no_model_warns_of_ordinary_use(model, recwarn):
    model = fitted(model)
    model.score(X, Y)
    model.with_candidates(CANDIDATES[2:])
    assert not [w for w in recwarn if issubclass(w.category, LabelWarning)]


# Weights of samples ----------------------------------------------------------------------------

# CSLS counts nearest rows, and refuses weights; all others in the list take them.
TAKES_WEIGHTS = {
    name: model for name, model in MODELS.items() if has_fit_parameter(model, "sample_weight")
}
WEIGHTED = {
    name: model
    for name, model in TAKES_WEIGHTS.items()
    if getattr(model, "hubness", None) != "csls" and getattr(model, "loss", "") != "cosine_margin"
}
WEIGHTS = np.random.default_rng(1).integers(0, 4, size=60)
WEIGHTS[Y == "owl"] = 0
REPEATED = np.repeat(np.arange(60), WEIGHTS)


def at_one_temperature(model, **params):
    """All rows in each step, and no temperature from folds, which hold rows out by number."""
    params |= {"temperature": 0.1} if "temperature" in model.get_params() else {}
    if hasattr(model, "training"):
        params |= {"training": Training(epochs=3, batch_size=1000, device="cpu")}
    return clone(model).set_params(**params)


def test_which_estimators_take_weights():
    """A new one must be looked at: either a weight means something to it, or it takes none."""
    without = {type(model).__name__ for name, model in MODELS.items() if name not in TAKES_WEIGHTS}
    assert without == {
        "CalibratedStacking",
        "ConSEClassifier",
        "DummyZeroShotClassifier",
        "EnsembleZeroShotClassifier",
        "FewShotClassifier",
        "HeadRegressionClassifier",
        "OpenLabelClassifier",
        "SimilarityClassifier",
        "TransductiveClassifier",
    }
    assert len(TAKES_WEIGHTS) - len(WEIGHTED) == 3


@pytest.mark.parametrize("model", WEIGHTED.values(), ids=WEIGHTED)
def test_a_weight_counts_as_so_many_equal_rows(model):
    """Weight 0 leaves a row out, and with all its rows a class, which is then not seen."""
    params = {"cv": 2} if "cv" in model.get_params() else {}
    weighted = at_one_temperature(model, **params).fit(X, Y, sample_weight=WEIGHTS)
    repeated = at_one_temperature(model, **params).fit(X[REPEATED], Y[REPEATED])
    assert "owl" not in weighted.seen_classes_
    trained = bool(getattr(weighted, "history_", []))
    for method, expected in answers(repeated, X).items():
        got = getattr(weighted, method)(X)
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(got, expected, atol=1e-4 if trained else 1e-10, rtol=0)
        else:
            np.testing.assert_array_equal(got, expected)
    kept = WEIGHTS > 0
    unweighted = at_one_temperature(model, **params).fit(X[kept], Y[kept])
    assert not np.allclose(answers(unweighted, X)["transform"], answers(weighted, X)["transform"])


@pytest.mark.parametrize("model", WEIGHTED.values(), ids=WEIGHTED)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.where(CODES == 1, -1.0, 1.0), r"must not be negative, and is in 10 of 60 rows"),
        (np.where(CODES == 1, np.nan, 1.0), "must not be NaN or infinite"),
        (np.ones(59), r"must be of shape \(60,\)"),
        (np.zeros(60), "is zero for every row"),
        (["heavy"] * 60, "must hold numbers"),
    ],
    ids=["negative", "nan", "length", "zeros", "strings"],
)
def test_other_weights_are_refused(model, weights, message):
    with pytest.raises(ValueError, match=f"{type(model).__name__}: sample_weight {message}"):
        clone(model).fit(X, Y, sample_weight=weights)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MODELS["mse-csls"], "hubness='csls' counts nearest rows"),
        (MODELS["prototypes"].__class__(EMBEDDING, hubness="csls"), "counts nearest rows"),
        (ESZSLClassifierCV(EMBEDDING, scoring="accuracy"), "Pass scoring='mean_class_accuracy'"),
        (ESZSLClassifierCV(EMBEDDING, hubness="zscore"), "hubness 'zscore'"),
        (EmbeddingRegressorCV(EMBEDDING, scoring="neg_embedding_mse"), "Pass scoring=None"),
        (DeViSEClassifier(EMBEDDING, network="tiny_cnn"), "takes no sample_weight"),
        (EmbeddingRegressor(EMBEDDING, network="tiny_cnn"), "takes no sample_weight"),
    ],
)
def test_weights_are_refused_where_they_mean_nothing(model, message):
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, Y, sample_weight=np.ones(60))
    if getattr(model, "network", None):
        with pytest.raises(ValueError, match=message):
            clone(model).partial_fit(X, Y, sample_weight=np.ones(60))


@pytest.mark.parametrize("name", ["mse", "eszsl", "eszsl-cv", "sae"])
def test_folds_for_the_temperature_learn_by_the_weights(name):
    """As if the rows of weight 0 were not there, and otherwise by the weights of the others."""
    model = clone(MODELS[name]).set_params(temperature="auto")
    if "cv" in model.get_params():
        model.set_params(cv=2)
    zeros = np.where(CODES == 4, 0.0, 1.0)  # whole classes: the folds hold out the same rows
    kept = zeros > 0
    weighted, without = model.fit(X, Y, sample_weight=zeros), clone(model).fit(X[kept], Y[kept])
    np.testing.assert_allclose(weighted.temperature_, without.temperature_, rtol=1e-9)
    heavy = clone(model).fit(X, Y, sample_weight=np.where(np.arange(60) % 2, 9.0, 1.0))
    assert not np.isclose(heavy.temperature_, clone(model).fit(X, Y).temperature_, rtol=1e-3)


@pytest.mark.parametrize("name", ["ridge-cv", "eszsl-cv"])
def test_pairs_of_rows_keep_their_numbers_where_rows_are_left_out(name):
    """`cv` numbers the rows of X as given: without those of weight 0, and unread images."""
    pairs = (
        [(np.flatnonzero(CODES != held), CODES == held) for held in (0, 1)]
        if name == "ridge-cv"
        else [
            (np.flatnonzero(~np.isin(CODES, held)), np.isin(CODES, held))
            for held in ([0, 1], [2, 3])
        ]
    )
    zeros = (np.arange(60) % 3 > 0).astype(float)
    kept = np.flatnonzero(zeros)
    same = [tuple(np.isin(kept, np.arange(60)[part]) for part in pair) for pair in pairs]
    expected = clone(MODELS[name]).set_params(cv=same).fit(X[kept], Y[kept])
    weighted = clone(MODELS[name]).set_params(cv=pairs).fit(X, Y, sample_weight=zeros)
    unread = np.where(zeros[:, None] > 0, X, np.nan)
    with pytest.warns(UnreadableImageWarning):
        unread = clone(MODELS[name]).set_params(cv=pairs).fit(unread, Y)
    for model in (weighted, unread):
        np.testing.assert_allclose(
            model.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
        )
        np.testing.assert_allclose(
            answers(model, X)["transform"], answers(expected, X)["transform"]
        )


def test_rows_of_unread_images_lose_their_weights_too():
    missing = np.arange(60) % 5 == 0
    with pytest.warns(UnreadableImageWarning):
        model = clone(MODELS["mse"]).fit(
            np.where(missing[:, None], np.nan, X), Y, sample_weight=WEIGHTS
        )
    expected = clone(MODELS["mse"]).fit(X[~missing], Y[~missing], sample_weight=WEIGHTS[~missing])
    assert_same_answers(answers(model, X), answers(expected, X))
    with (
        pytest.warns(UnreadableImageWarning),
        pytest.raises(ValueError, match="sample_weight is zero for every row"),
    ):
        model.fit(np.where(missing[:, None], np.nan, X), Y, sample_weight=missing.astype(float))
