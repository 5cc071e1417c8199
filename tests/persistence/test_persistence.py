from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from gensim.models import KeyedVectors
from safetensors.numpy import load_file, save_file
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, Normalizer, StandardScaler
from sklearn.utils.validation import check_is_fitted

import zeroshot
from zeroshot import (
    ALEClassifier,
    AttributeTable,
    CalibratedStacking,
    ConcatEmbedding,
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
    LabelEmbedding,
    PrototypeRegressionClassifier,
    SAEClassifier,
    SimilarityClassifier,
    SJEClassifier,
    SourceHead,
    TimmFeatures,
    Training,
    TransductiveClassifier,
    WordVectors,
    WordVectorSimilarity,
)
from zeroshot._utils._fitted import Array
from zeroshot._utils._saving import Saved, fitted_names, parameter_names
from zeroshot.estimators._label_space import LabelSpace
from zeroshot.exceptions import IntegrityError, UnknownLabelError
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassKFold
from zeroshot.persistence import _format, _saved_names
from zeroshot.persistence._decode import Decoder
from zeroshot.persistence._encode import Encoder
from zeroshot.persistence._label_embeddings import restore_embedding

RNG = np.random.default_rng(0)
SEEN = ["cat", "dog", "owl", "truck"]
ALL = [*SEEN, "okapi", "ship"]
X = RNG.normal(size=(40, 6)) + np.repeat(RNG.normal(size=(4, 6)), 10, axis=0)
Y = np.repeat(SEEN, 10)
HASH = HashEmbedding(8)
TABLE = AttributeTable(RNG.normal(size=(len(ALL), 5)), labels=ALL)
CONFIG, ARRAYS = "config.json", "arrays.safetensors"


def head(labels=SEEN, n_features=6):
    rng = np.random.default_rng(3)
    return SourceHead(rng.normal(size=(len(labels), n_features)), np.zeros(len(labels)), labels)


def fast(**params):
    return {"training": Training(epochs=2, device="cpu"), "random_state": 0, **params}


def round_trip(estimator, folder):
    zeroshot.save(estimator, folder / "model")
    return zeroshot.load(folder / "model")


def assert_same_answers(one, other, X=X):
    answered = 0
    for method in ("predict", "decision_function", "predict_proba", "transform"):
        try:
            ask = getattr(one, method)
        except AttributeError:
            continue
        expected, got = ask(X), getattr(other, method)(X)
        assert type(got) is type(expected), method
        np.testing.assert_array_equal(got, expected, strict=True, err_msg=method)
        answered += 1
    assert answered


def assert_same_params(one, other):
    params, others = one.get_params(), other.get_params()
    assert list(params) == list(others)
    for name, value in params.items():
        if isinstance(value, (BaseEstimator, LabelEmbedding, SourceHead)):
            continue
        assert type(others[name]) is type(value), name
        if isinstance(value, (str, int, float, bool, type(None))):
            assert others[name] == value, name


ESTIMATORS = {
    "ridge": EmbeddingRegressor(HASH, alpha=0.5),
    "ridge, attribute table": EmbeddingRegressor(TABLE),
    "regressor, hidden": EmbeddingRegressor(HASH, hidden=(5, 3), **fast()),
    "regressor, cosine": EmbeddingRegressor(HASH, loss="cosine", **fast()),
    "devise, default": DeViSEClassifier(**fast()),
    "devise, hinge": DeViSEClassifier(HASH, candidates=ALL, **fast()),
    "devise, cosine": DeViSEClassifier(TABLE, loss="cosine", candidates=tuple(ALL), **fast()),
    "devise, cosine_margin": DeViSEClassifier(HASH, loss="cosine_margin", **fast()),
    "devise, mse": DeViSEClassifier(HASH, loss="mse", candidates=np.array(ALL), center=False),
    "devise, hidden": DeViSEClassifier(HASH, loss="mse", hidden=(7,), **fast()),
    "devise, gamma": DeViSEClassifier(TABLE, loss="mse", gamma=1.5, candidates=ALL),
    "devise, zscore": DeViSEClassifier(HASH, loss="mse", hubness="zscore", candidates=ALL),
    "devise, csls": DeViSEClassifier(TABLE, loss="mse", hubness="csls", candidates=ALL),
    "devise, unseen": DeViSEClassifier(HASH, loss="mse", scenario="unseen", candidates=ALL),
    "devise, two": DeViSEClassifier(HASH, loss="mse", candidates=["okapi", "ship"]),
    "devise, concat": DeViSEClassifier(
        ConcatEmbedding([HASH, TABLE], weights=[1, 0.3]), loss="mse", candidates=ALL
    ),
    "conse, default": ConSEClassifier(None, HASH, candidates=ALL),
    "conse, logistic": ConSEClassifier(
        LogisticRegression(C=0.1, class_weight={"cat": 2.0}), TABLE, n_top=2, candidates=ALL
    ),
    "conse, head": ConSEClassifier(head(), HASH, candidates=ALL, n_top=3, temperature=0.5),
    "conse, devise": ConSEClassifier(DeViSEClassifier(HASH, loss="mse"), TABLE, candidates=ALL),
    "dummy, mean": DummyZeroShotClassifier(HASH, candidates=ALL),
    "dummy, constant": DummyZeroShotClassifier(HASH, strategy="constant", candidates=ALL),
    "dummy, random": DummyZeroShotClassifier(HASH, strategy="random", random_state=3),
    "eszsl": ESZSLClassifier(TABLE, gamma=1.5, candidates=ALL),
    "eszsl, searched": ESZSLClassifierCV(TABLE, cv=2, candidates=ALL),
    "ridge, searched": EmbeddingRegressorCV(
        HASH, alphas=np.array([0.1, 10.0]), cv=ClassKFold(2), scoring="neg_relative_loss"
    ),
    "sae": SAEClassifier(TABLE, direction="decode", candidates=ALL),
    "ale": ALEClassifier(HASH, candidates=ALL, **fast()),
    "sje": SJEClassifier(TABLE, candidates=ALL, **fast()),
    "calibrated": CalibratedStacking(DeViSEClassifier(HASH, loss="mse", candidates=ALL)),
    "calibrated, pipeline": CalibratedStacking(
        make_pipeline(StandardScaler(), ConSEClassifier(None, TABLE, candidates=ALL)),
        calibration=0.5,
    ),
    "transductive": TransductiveClassifier(
        DeViSEClassifier(HASH, loss="mse", candidates=ALL), least_images=0
    ),
    "similarity": SimilarityClassifier(None, WordVectorSimilarity(HASH), candidates=ALL),
    "similarity, default": SimilarityClassifier(),
    "similarity, head": SimilarityClassifier(head(), WordVectorSimilarity(TABLE), candidates=ALL),
    "head regression": HeadRegressionClassifier(head(), [HASH, TABLE], candidates=ALL),
    "prototypes": PrototypeRegressionClassifier(TABLE, hubness="csls", candidates=ALL),
    "ensemble": EnsembleZeroShotClassifier(
        [
            ("map", make_pipeline(StandardScaler(), DeViSEClassifier(HASH, loss="mse"))),
            ("frozen", FrozenEstimator(DeViSEClassifier(TABLE, loss="mse").fit(X, Y))),
            ("head", ConSEClassifier(head(), HASH)),
        ],
        weights=[1, 2, 1.5],
        candidates=ALL,
    ),
    "few-shot": FewShotClassifier(ConSEClassifier(head(), HASH), candidates=ALL),
    "few-shot, no prior": FewShotClassifier(prior_images=0.5),
    "pipeline": make_pipeline(
        StandardScaler(), Normalizer(), DeViSEClassifier(HASH, candidates=ALL, **fast())
    ),
    "pipeline, pca": make_pipeline(
        MinMaxScaler((-1, 1)), PCA(3, whiten=True), ConSEClassifier(None, TABLE, candidates=ALL)
    ),
    "pipeline, passthrough": Pipeline(
        [("scale", StandardScaler()), ("none", "passthrough"), ("map", EmbeddingRegressor(HASH))]
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_round_trip_keeps_every_answer_to_the_last_bit(name, tmp_path):
    fitted = clone(ESTIMATORS[name]).fit(X, Y)
    loaded = round_trip(fitted, tmp_path)
    assert type(loaded) is type(fitted)
    assert_same_answers(fitted, loaded)
    assert_same_params(fitted, loaded)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_unfitted_estimators_come_back_unfitted_and_fit_alike(name, tmp_path):
    loaded = round_trip(clone(ESTIMATORS[name]), tmp_path)
    if hasattr(loaded, "label_embedding"):
        with pytest.raises(NotFittedError):
            check_is_fitted(loaded)
    assert_same_answers(clone(ESTIMATORS[name]).fit(X, Y), loaded.fit(X, Y))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_loaded_estimator_can_be_cloned_and_fitted_again(name, tmp_path):
    fitted = clone(ESTIMATORS[name]).fit(X, Y)
    assert_same_answers(fitted, clone(round_trip(fitted, tmp_path)).fit(X, Y))


@pytest.mark.parametrize(
    "name",
    [
        "devise, hinge",
        "devise, gamma",
        "conse, head",
        "conse, logistic",
        "dummy, constant",
        "calibrated",
        "similarity, head",
        *("devise, hinge", "devise, gamma", "devise, zscore", "devise, csls", "conse, head"),
        *("conse, logistic", "dummy, constant", "ensemble", "few-shot"),
    ],
)
def test_with_candidates_works_after_loading(name, tmp_path):
    fitted = clone(ESTIMATORS[name]).fit(X, Y)
    loaded = round_trip(fitted, tmp_path)
    for labels in (["ship", "cat", "okapi"], SEEN):
        assert_same_answers(fitted.with_candidates(labels), loaded.with_candidates(labels))


def test_a_view_made_by_with_candidates_is_saved_as_it_is(tmp_path):
    view = DeViSEClassifier(HASH, loss="mse").fit(X, Y).with_candidates(["ship", "okapi", "cat"])
    loaded = round_trip(view, tmp_path)
    assert loaded.unseen_classes_.tolist() == ["okapi", "ship"]
    assert_same_answers(view, loaded)


@pytest.mark.parametrize("y", [X[:, 0], X[:, :2], np.arange(40) % 3, TABLE.embed(Y)])
def test_regressors_on_numbers_and_vectors(y, tmp_path):
    embedding = TABLE if y.ndim == 2 and y.shape[1] == 5 else None
    fitted = EmbeddingRegressor(embedding).fit(X, y)
    loaded = round_trip(fitted, tmp_path)
    assert loaded.seen_classes_ is None
    assert_same_answers(fitted, loaded)


def test_integer_labels(tmp_path):
    y = np.repeat([3, 1, 10, 7], 10)
    for embedding in (HASH, None, AttributeTable(np.eye(4), labels=[1, 3, 7, 10])):
        fitted = DeViSEClassifier(embedding, loss="mse").fit(X, y)
        loaded = round_trip(fitted, tmp_path / str(embedding))
        assert loaded.classes_.dtype == fitted.classes_.dtype
        assert_same_answers(fitted, loaded)


def test_source_heads_and_scikit_learn_parts_alone(tmp_path):
    wnids = ["n00000001", "n00000002", "n00000003", "n00000004"]
    source = SourceHead(head().coef, np.arange(4.0), SEEN, wnids)
    loaded = round_trip(source, tmp_path / "head")
    assert loaded.wnids.tolist() == wnids
    assert not loaded.coef.flags.writeable
    assert_same_answers(source, loaded)
    for part in (StandardScaler(), MinMaxScaler(), Normalizer("l1"), PCA(0.9), PCA(2)):
        fitted = part.fit(X)
        assert_same_answers(fitted, round_trip(fitted, tmp_path / repr(part)))
    fitted = LogisticRegression(C=3).fit(X, Y.astype(object))
    loaded = round_trip(fitted, tmp_path / "logistic")
    assert loaded.classes_.dtype == object
    assert_same_answers(fitted, loaded)


def test_feature_names_and_output_configuration_come_along(tmp_path):
    frame = pd.DataFrame(X, columns=list("qwerty"))
    model = make_pipeline(StandardScaler(), EmbeddingRegressor(HASH))
    loaded = round_trip(model.set_output(transform="pandas").fit(frame, Y), tmp_path)
    assert loaded[0].feature_names_in_.tolist() == list("qwerty")
    pd.testing.assert_frame_equal(loaded.transform(frame), model.transform(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame[list("ytrewq")])


def test_shared_objects_are_stored_once_and_stay_shared(tmp_path):
    source = head([f"label {i}" for i in range(500)])
    fitted = ConSEClassifier(source, TABLE.__class__(np.eye(500), labels=source.labels)).fit()
    loaded = round_trip(fitted, tmp_path)
    assert loaded.source_ is loaded.classifier
    assert loaded.label_space_.embedding is loaded.label_embedding
    n_tables = sum(a.shape == (500, 500) for a in load_file(tmp_path / "model" / ARRAYS).values())
    assert n_tables == 3  # the table, the candidates' vectors, and the source labels' vectors


def test_saving_twice_writes_the_same_bytes(tmp_path):
    fitted = clone(ESTIMATORS["pipeline"]).fit(X, Y)
    zeroshot.save(fitted, tmp_path / "a")
    zeroshot.save(zeroshot.load(tmp_path / "a"), tmp_path / "b")
    for name in (CONFIG, ARRAYS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_only_the_two_files_are_written_and_neither_is_a_pickle(tmp_path):
    zeroshot.save(clone(ESTIMATORS["pipeline, pca"]).fit(X, Y), tmp_path / "model")
    assert sorted(os.listdir(tmp_path)) == ["model"]
    assert sorted(os.listdir(tmp_path / "model")) == [ARRAYS, CONFIG]
    config = json.loads((tmp_path / "model" / CONFIG).read_text())
    assert config["format_version"] == 2
    assert set(config["versions"]) == {"numpy", "scikit-learn", "scikit-zeroshot"}
    digest = hashlib.sha256((tmp_path / "model" / ARRAYS).read_bytes()).hexdigest()
    assert config["arrays"]["sha256"] == digest
    load_file(tmp_path / "model" / ARRAYS)


def test_another_process_gives_the_same_answers_and_loads_no_network_library(tmp_path):
    fitted = clone(ESTIMATORS["pipeline, pca"]).fit(X, Y)
    zeroshot.save(fitted, tmp_path / "model")
    np.save(tmp_path / "X.npy", X)
    program = (
        "import sys, numpy as np, zeroshot\n"
        "model = zeroshot.load('model')\n"
        "np.save('scores.npy', model.decision_function(np.load('X.npy')))\n"
        "print(sorted({'torch', 'timm', 'gensim', 'nltk'} & set(sys.modules)))"
    )
    root = str(Path(zeroshot.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), fitted.decision_function(X))


def test_loading_needs_no_pickle(tmp_path, monkeypatch):
    fitted = clone(ESTIMATORS["pipeline, pca"]).fit(X, Y)
    zeroshot.save(fitted, tmp_path / "model")

    def refuse(*args, **kwargs):
        raise RuntimeError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(f"pickle.{name}", refuse)
    np.testing.assert_array_equal(zeroshot.load(tmp_path / "model").predict(X), fitted.predict(X))


# Values ------------------------------------------------------------------------------------------


class Carrier(Saved):
    """Holds a value that nothing checks."""

    def __init__(self, value):
        self.value = value


@pytest.fixture
def carrier(monkeypatch):
    monkeypatch.setitem(_saved_names.CLASSES, "Carrier", f"{__name__}:Carrier")


def values_back(value, folder):
    """Save `value` through the files, and load it."""
    return round_trip(Carrier(value), folder).value


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -7, 2**70, 0.1, -0.0, 1e-310, float("inf"), float("-inf")),
        *("", "naïve 🦓", "line\nbreak", "\ud800", "{}"),
        *([], (), {}, [1, [2.5, ("a", None)]], {"b": 1, "a": (2,)}, {1: "x", "1": "y"}),
        *({"kind": "object", "index": 0}, [{"kind": "array"}], Path("some") / "where"),
    ],
)
def test_plain_values_come_back_exactly(value, tmp_path, carrier):
    got = values_back(value, tmp_path)
    assert type(got) is type(value)
    assert repr(got) == repr(value)


def test_nan_comes_back(tmp_path, carrier):
    assert np.isnan(values_back(float("nan"), tmp_path / "python"))
    assert np.isnan(values_back(np.float32("nan"), tmp_path / "numpy"))


@pytest.mark.parametrize(
    "value",
    [
        *(np.float64(0.1), np.float32(0.1), np.float16(0.1), np.float64("-inf"), np.bool_(True)),
        *(np.int8(-3), np.uint64(2**64 - 1), np.int64(-(2**63)), np.str_("a")),
    ],
)
def test_numpy_scalars_come_back_exactly(value, tmp_path, carrier):
    got = values_back(value, tmp_path)
    assert type(got) is type(value)
    assert got == value


BASE = np.arange(24).reshape(2, 3, 4)
ARRAY_CASES = {
    **{dtype: BASE.astype(dtype) for dtype in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "?")},
    **{dtype: BASE.astype(dtype) for dtype in ("u1", "u2", "u4", "u8", ">f8", ">i4", ">f4")},
    "not finite": np.array([np.nan, np.inf, -np.inf, -0.0]),
    "0-d": np.array(2.5),
    "0-d text": np.array("abc"),
    "empty": np.empty((0, 3)),
    "empty text": np.empty((2, 0), dtype="U4"),
    "text": np.array([["a", "naïve 🦓", ""]]),
    "wide text": np.array(["a", "b"], dtype="U20"),
    "big-endian text": np.array(["a", "né"], dtype=">U5"),
    "Fortran": np.asfortranarray(RNG.normal(size=(5, 3))),
    "Fortran, 3-D": np.asfortranarray(BASE),
    "transposed": RNG.normal(size=(5, 3)).T,
    "Fortran text": np.asfortranarray(np.array([["a", "b"], ["c", "d"]])),
    "sliced": BASE[:, ::2, 1:],
    "reversed": np.arange(5.0)[::-1],
    "broadcast": np.broadcast_to(np.arange(3.0), (4, 3)),
    "permuted": BASE.transpose(1, 0, 2),
}


@pytest.mark.parametrize("name", ARRAY_CASES)
def test_arrays_come_back_exactly(name, tmp_path, carrier):
    # Trap: safetensors 0.8.0 writes the memory of non-contiguous arrays as if it were in C order.
    array = ARRAY_CASES[name]
    got = values_back(array, tmp_path)
    assert got.dtype.str == array.dtype.str
    assert got.shape == array.shape
    np.testing.assert_array_equal(got, array)
    assert got.tobytes() == array.tobytes()
    assert got.flags.writeable


def test_memory_layout_is_kept_because_matrix_products_round_by_it(tmp_path, carrier):
    array = np.asfortranarray(RNG.normal(size=(30, 20)))
    got = values_back(array, tmp_path)
    assert got.flags.f_contiguous and not got.flags.c_contiguous
    np.testing.assert_array_equal(X[:, :1] * np.ones(30) @ got, X[:, :1] * np.ones(30) @ array)


def test_arrays_of_string_objects_and_memory_maps_are_saved(tmp_path, carrier):
    names = np.array(["a", "bcd"], dtype=object)
    got = values_back(names, tmp_path / "names")
    assert got.dtype == object and got.tolist() == ["a", "bcd"]
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(2, 3))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(values_back(mapped, tmp_path / "map"), mapped)


class Subclass(StandardScaler):
    pass


def _contains_itself():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.random.RandomState(0), r"RandomState.*int seed.*random_state=0"),
        (np.random.default_rng(0), r"Generator.*int seed"),
        (len, r"builtin_function_or_method.*splitters that can be: .*ConSEClassifier"),
        ({1, 2}, "set"),
        (b"bytes", "bytes"),
        (1j, "complex"),
        (np.complex128(1), "scalar of dtype complex128"),
        ({1.5: 2}, "key 1.5.*strings or integers"),
        (np.array([1, "a"], dtype=object), "ndarray of dtype object.*plain array"),
        (np.array([1j]), "dtype complex128"),
        (np.ma.array([1.0]), "MaskedArray"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "datetime64"),
        (pd.Series([1.0]), "Series"),
        (FunctionTransformer(np.sin), "FunctionTransformer"),
        (KNeighborsClassifier(), "KNeighborsClassifier.*LogisticRegression"),
        (Subclass(), "Subclass"),
        (StandardScaler, "type"),
    ],
)
def test_what_cannot_be_saved_is_refused_by_name(value, match, tmp_path, carrier):
    with pytest.raises(TypeError, match=rf"(?s)Carrier.value.*{match}"):
        zeroshot.save(Carrier([value]), tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_self_containing_values_are_refused(tmp_path, carrier):
    with pytest.raises(ValueError, match="nested more than 32 levels deep.*contains itself"):
        zeroshot.save(Carrier(_contains_itself()), tmp_path / "model")


@pytest.mark.parametrize(
    "thing", [HASH, [StandardScaler()], None, X, "model", ColumnTransformer([])]
)
def test_only_estimators_can_be_saved(thing, tmp_path):
    with pytest.raises(TypeError, match="estimator"):
        zeroshot.save(thing, tmp_path / "model")


def test_a_search_is_refused_with_what_to_save_instead(tmp_path):
    search = GridSearchCV(DeViSEClassifier(HASH, loss="mse"), {"alpha": [0.1, 1]}, cv=2).fit(X, Y)
    with pytest.raises(TypeError, match=r"GridSearchCV.*Save its best_estimator_"):
        zeroshot.save(search, tmp_path / "model")
    assert_same_answers(search.best_estimator_, round_trip(search.best_estimator_, tmp_path))


def test_a_random_state_object_is_refused_with_the_remedy(tmp_path):
    fitted = DeViSEClassifier(HASH, **fast(random_state=np.random.RandomState(0))).fit(X, Y)
    with pytest.raises(TypeError, match=r"DeViSEClassifier.random_state is a RandomState.*seed"):
        zeroshot.save(fitted, tmp_path / "model")
    assert_same_answers(fitted, round_trip(fitted.set_params(random_state=0), tmp_path))


def test_foreign_attributes_are_refused(tmp_path):
    fitted = StandardScaler().fit(X)
    fitted._secret = 1
    with pytest.raises(TypeError, match=r"StandardScaler has attributes.*'_secret'.*Delete"):
        zeroshot.save(fitted, tmp_path / "model")


def test_a_cached_pipeline_is_refused_with_the_remedy(tmp_path):
    model = Pipeline([("scale", StandardScaler())], memory=str(tmp_path / "cache"))
    with pytest.raises(TypeError, match=r"Pipeline has memory=.*set_params\(memory=None\)"):
        zeroshot.save(model, tmp_path / "model")


def test_torch_devices_are_saved_as_their_names(tmp_path):
    model = DeViSEClassifier(HASH, training=Training(device=torch.device("cpu")))
    assert round_trip(model, tmp_path).training.device == "cpu"


# The table ---------------------------------------------------------------------------------------


def public(*, with_method):
    found = {name: getattr(zeroshot, name) for name in zeroshot.__all__}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, type) and hasattr(value, with_method)
    }


def test_every_public_estimator_is_in_the_table():
    estimators = public(with_method="fit")
    assert len(estimators) >= 6
    for name, cls in estimators.items():
        assert _saved_names.find_class(_saved_names.CLASSES[name]) is cls


def test_every_public_label_embedding_is_in_a_table():
    missing = set(public(with_method="embed")) - set(_saved_names.EMBEDDINGS)
    assert missing == {"LabelEmbedding"}  # an interface


@pytest.mark.parametrize("name", ["WordVectors", "SentenceEmbedding", "CLIPTextEmbedding"])
def test_what_is_opened_again_is_never_held_by_a_file(name):
    with pytest.raises(IntegrityError, match=f"unknown type '{name}'"):
        restore_embedding({"type": name, "source": "anything"}, {})


TABLES = [_saved_names.CLASSES, _saved_names.EMBEDDINGS]


@pytest.mark.parametrize("name, home", [item for table in TABLES for item in table.items()])
def test_the_tables_lead_to_classes_of_that_name_that_describe_themselves(name, home):
    cls = _saved_names.find_class(home)
    assert cls.__name__ == name
    if not home.startswith("sklearn."):
        assert callable(cls.to_config) and callable(cls.from_config)


def test_every_public_estimator_is_round_tripped_here():
    tested = {type(e).__name__ for e in ESTIMATORS.values()} | {"SourceHead", "TimmFeatures"}
    tested |= {"InferenceSimilarity", "SimilarityInitializer"}  # in their own tests
    tested |= {"NearestLabelClassifier", "OpenCLIPFeatures"}  # in test_clip.py
    tested |= {"SoftmaxClassifier", "FineTuneClassifier"}  # in test_image_training.py
    tested |= {"OpenLabelClassifier", "RejectOption"}  # in test_open_label.py and test_reject.py
    assert set(public(with_method="fit")) <= tested


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_is_saved_describes_itself(name):
    fitted = clone(ESTIMATORS[name]).fit(X, Y)
    if isinstance(fitted, Pipeline):
        fitted = fitted[-1]
    again = type(fitted).from_config(fitted.to_config())
    assert vars(again).keys() == vars(fitted).keys() - set(getattr(fitted, "_not_saved", ()))
    assert_same_params(fitted, again)


class Halved(DeViSEClassifier):
    """An estimator that is new: all that it needs is a table, and its name in the list."""

    _fitted = {"factor_": Array(1)}

    def fit_from_sums(self, system):
        super().fit_from_sums(system)
        self.factor_ = np.array([0.5])
        return self

    def _project(self, X):
        return self.factor_ * super()._project(X)


def test_a_new_estimator_needs_its_name_in_the_table_only(tmp_path, monkeypatch):
    fitted = Halved(HASH, loss="mse", candidates=ALL).fit(X, Y)
    with pytest.raises(TypeError, match="Halved, which cannot be saved"):
        zeroshot.save(fitted, tmp_path / "refused")
    monkeypatch.setitem(_saved_names.CLASSES, "Halved", f"{__name__}:Halved")
    loaded = round_trip(fitted, tmp_path)
    assert_same_answers(fitted, loaded)
    assert_same_params(fitted, loaded)


def test_a_label_space_is_its_parameters():
    space = LabelSpace(HASH, np.zeros(8))
    assert set(vars(space)) == set(parameter_names(LabelSpace))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_fitted_attributes_are_all_known(name):
    fitted = clone(ESTIMATORS[name]).fit(X, Y)
    if not isinstance(fitted, Pipeline):
        own = set(vars(fitted)) - set(parameter_names(type(fitted))) - set(fitted._not_saved)
        assert own <= fitted_names(type(fitted))


# Word vectors ------------------------------------------------------------------------------------

WORDS = ["cat", "dog", "owl", "truck", "okapi", "ship", "lawn", "mower"]


@pytest.fixture
def vectors_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ZEROSHOT_CACHE", str(tmp_path / "cache"))
    return write_vectors(tmp_path / "vectors.txt")


def write_vectors(path, seed=1):
    keyed = KeyedVectors(7)
    rng = np.random.default_rng(seed)
    words = [*WORDS, *(f"word{i}" for i in range(2000))]
    keyed.add_vectors(words, rng.normal(size=(len(words), 7)).astype(np.float32))
    keyed.save_word2vec_format(str(path), binary=False)
    return path


MODELS_ON = {
    "regressor": EmbeddingRegressor,
    "devise": lambda e: DeViSEClassifier(e, loss="mse", candidates=ALL, gamma=1.0),
    "conse": lambda e: ConSEClassifier(None, e, candidates=ALL),
    "conse, head": lambda e: ConSEClassifier(head([*SEEN, "xyzzy"]), e, candidates=ALL),
    "dummy": lambda e: DummyZeroShotClassifier(e, candidates=ALL, strategy="constant"),
    "similarity": lambda e: SimilarityClassifier(None, WordVectorSimilarity(e), candidates=ALL),
    "concat": lambda e: DeViSEClassifier(ConcatEmbedding([e, HASH]), loss="mse", candidates=ALL),
}


@pytest.mark.parametrize("name", MODELS_ON)
def test_known_labels_need_no_vectors_file(name, vectors_file, tmp_path):
    fitted = MODELS_ON[name](WordVectors(vectors_file)).fit(X, Y)
    zeroshot.save(fitted, tmp_path / "model")
    size = sum(f.stat().st_size for f in (tmp_path / "model").iterdir())
    assert size < vectors_file.stat().st_size / 4
    vectors_file.unlink()
    shutil.rmtree(tmp_path / "cache")
    loaded = zeroshot.load(tmp_path / "model")
    assert_same_answers(fitted, loaded)
    np.testing.assert_array_equal(loaded.label_vectors(SEEN), fitted.label_vectors(SEEN))
    zeroshot.save(loaded, tmp_path / "again")  # a model is passed on without its vectors
    assert_same_answers(fitted, zeroshot.load(tmp_path / "again"))
    with pytest.raises((IntegrityError, ImportError), match=r"'mower'.*(?s:.)*vectors.txt"):
        loaded.label_vectors(["mower"])


def test_candidates_and_refits_on_known_labels_need_no_vectors_file(vectors_file, tmp_path):
    fitted = DeViSEClassifier(WordVectors(vectors_file), loss="mse", candidates=ALL).fit(X, Y)
    zeroshot.save(fitted, tmp_path / "model")
    vectors_file.unlink()
    shutil.rmtree(tmp_path / "cache")
    loaded = zeroshot.load(tmp_path / "model")
    assert_same_answers(fitted, clone(loaded).fit(X, Y))
    assert loaded.with_candidates(["okapi", "cat", "ship"]).predict(X).shape == (40,)


def test_unfitted_models_take_their_candidates_along(vectors_file, tmp_path):
    model = DeViSEClassifier(WordVectors(vectors_file), loss="mse", candidates=ALL)
    expected = clone(model).fit(X, Y)
    zeroshot.save(model, tmp_path / "model")
    vectors_file.unlink()
    shutil.rmtree(tmp_path / "cache")
    assert_same_answers(expected, zeroshot.load(tmp_path / "model").fit(X, Y))


def test_new_labels_come_through_the_reference(vectors_file, tmp_path):
    fitted = DeViSEClassifier(WordVectors(vectors_file), loss="mse", candidates=ALL).fit(X, Y)
    loaded = round_trip(fitted, tmp_path)
    labels = ["lawn_mower", "word7", "cat"]
    assert_same_answers(fitted.with_candidates(labels), loaded.with_candidates(labels))
    with pytest.raises(UnknownLabelError, match="'xyzzy'"):
        loaded.with_candidates(["cat", "xyzzy"])


def test_other_vectors_behind_the_reference_are_refused(vectors_file, tmp_path):
    fitted = DeViSEClassifier(WordVectors(vectors_file), loss="mse", candidates=ALL).fit(X, Y)
    zeroshot.save(fitted, tmp_path / "model")
    write_vectors(vectors_file, seed=2)
    os.utime(vectors_file, (2e9, 2e9))
    loaded = zeroshot.load(tmp_path / "model")
    assert_same_answers(fitted, loaded)
    with pytest.raises(IntegrityError, match="fingerprint.*Bring back the vectors"):
        loaded.with_candidates(["cat", "mower"])


def test_vectors_in_memory_are_stored_for_known_labels_only(tmp_path):
    keyed = KeyedVectors(4)
    keyed.add_vectors(WORDS, np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))
    fitted = DeViSEClassifier(WordVectors(keyed), loss="mse", candidates=ALL).fit(X, Y)
    loaded = round_trip(fitted, tmp_path)
    assert_same_answers(fitted, loaded)
    with pytest.raises(UnknownLabelError, match=r"'mower'.*Name all candidates before saving"):
        loaded.with_candidates(["cat", "mower"])


def test_glove_from_its_pip_package(tmp_path):
    labels = [*SEEN, "okapi", "ice_cream", "maple tree"]
    fitted = DeViSEClassifier(WordVectors(), loss="mse", candidates=labels).fit(X, Y)
    loaded = round_trip(fitted, tmp_path)
    assert sum(f.stat().st_size for f in (tmp_path / "model").iterdir()) < 50_000
    assert_same_answers(fitted, loaded)
    new = ["pickup truck", "aquarium fish"]
    assert_same_answers(fitted.with_candidates(new), loaded.with_candidates(new))


# Backbones ---------------------------------------------------------------------------------------

IMAGES = np.random.default_rng(5).integers(0, 255, size=(8, 32, 32, 3), dtype=np.uint8)


def tiny_backbone(**params):
    params = {"weights": None, "image_size": 32, "random_state": 0, "device": "cpu", **params}
    return TimmFeatures("test_efficientnet", **params)


@pytest.mark.parametrize("seed", [0, None])
def test_a_backbone_is_made_again_from_its_seed(seed, tmp_path):
    fitted = tiny_backbone(random_state=seed).fit()
    loaded = round_trip(fitted, tmp_path)
    assert loaded.weights_hash_ == fitted.weights_hash_
    assert not load_file(tmp_path / "model" / ARRAYS)
    assert_same_answers(fitted, loaded, IMAGES)


def test_a_pipeline_from_images_to_unseen_labels(tmp_path):
    labels = np.repeat(["cat", "dog"], 4)
    model = make_pipeline(
        tiny_backbone(), StandardScaler(), DeViSEClassifier(HASH, loss="mse", candidates=ALL)
    ).fit(IMAGES, labels)
    loaded = round_trip(model, tmp_path)
    assert_same_answers(model, loaded, IMAGES)
    assert_same_answers(model, clone(loaded).fit(IMAGES, labels), IMAGES)


def test_a_pipeline_of_backbone_and_its_own_head(tmp_path):
    backbone = TimmFeatures(image_size=64, device="cpu").fit()
    conse = ConSEClassifier(backbone.source_head_, WordVectors(), candidates=ALL).fit()
    model = Pipeline([("features", backbone), ("conse", conse)])
    loaded = round_trip(model, tmp_path)
    assert_same_answers(model, loaded, IMAGES)
    new = ["zebra", "teapot", "volcano"]
    features = loaded[0].transform(IMAGES)
    assert_same_answers(conse.with_candidates(new), loaded[1].with_candidates(new), features)


def test_other_weights_behind_the_reference_are_refused(tmp_path):
    file = tmp_path / "weights.safetensors"
    fitted = tiny_backbone().fit()
    from timm import create_model

    def write(seed):
        torch.manual_seed(seed)
        state = create_model("test_efficientnet").state_dict()
        save_file({name: tensor.numpy() for name, tensor in state.items()}, file)

    write(0)
    fitted = tiny_backbone(weights=file).fit()
    loaded = round_trip(fitted, tmp_path)
    assert loaded.weights == file
    assert_same_answers(fitted, loaded, IMAGES)
    write(1)
    with pytest.raises(IntegrityError, match="weights.*not those.*Bring the same weights"):
        zeroshot.load(tmp_path / "model").transform(IMAGES)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="weights.safetensors"):
        zeroshot.load(tmp_path / "model").transform(IMAGES)


# Writing: whole or absent ------------------------------------------------------------------------


def test_an_existing_model_is_replaced_only_on_request(tmp_path):
    folder = tmp_path / "model"
    zeroshot.save(StandardScaler().fit(X), folder)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        zeroshot.save(MinMaxScaler().fit(X), folder)
    assert isinstance(zeroshot.load(folder), StandardScaler)
    zeroshot.save(MinMaxScaler().fit(X), folder, overwrite=True)
    assert isinstance(zeroshot.load(folder), MinMaxScaler)
    assert os.listdir(tmp_path) == ["model"]


def test_a_folder_with_other_things_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.txt.*Choose another folder"):
        zeroshot.save(StandardScaler(), tmp_path, overwrite=True)
    with pytest.raises(FileExistsError, match="is a file"):
        zeroshot.save(StandardScaler(), tmp_path / "thesis.txt", overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


def test_overwriting_through_a_link_keeps_the_link(tmp_path):
    zeroshot.save(StandardScaler().fit(X), tmp_path / "v1")
    (tmp_path / "latest").symlink_to("v1", target_is_directory=True)
    zeroshot.save(MinMaxScaler().fit(X), tmp_path / "latest", overwrite=True)
    assert (tmp_path / "latest").is_symlink()
    assert isinstance(zeroshot.load(tmp_path / "v1"), MinMaxScaler)


@pytest.mark.parametrize("file", [CONFIG, ARRAYS])
def test_an_interrupted_save_leaves_the_old_model(file, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    zeroshot.save(StandardScaler().fit(X), folder)
    before = {f.name: f.read_bytes() for f in folder.iterdir()}
    write = Path.write_bytes

    def fail(path, content):
        if path.name == file:
            write(path, content[: len(content) // 2])
            raise KeyboardInterrupt
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(KeyboardInterrupt):
        zeroshot.save(MinMaxScaler().fit(X), folder, overwrite=True)
    with pytest.raises(KeyboardInterrupt):
        zeroshot.save(MinMaxScaler().fit(X), tmp_path / "new")
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == before
    assert os.listdir(tmp_path) == ["model"]


def test_the_record_of_fit_is_replaced_with_its_model_and_nothing_else_is(tmp_path):
    zeroshot.save(StandardScaler().fit(X), tmp_path / "model")
    (tmp_path / "model" / "provenance.json").write_text("{}")
    zeroshot.save(MinMaxScaler().fit(X), tmp_path / "model", overwrite=True)
    assert sorted(os.listdir(tmp_path / "model")) == [ARRAYS, CONFIG]
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="notes.txt"):
        zeroshot.save(StandardScaler().fit(X), tmp_path / "model", overwrite=True)


def test_a_refused_estimator_leaves_the_old_model(tmp_path):
    zeroshot.save(StandardScaler().fit(X), tmp_path / "model")
    with pytest.raises(TypeError):
        zeroshot.save(FunctionTransformer(), tmp_path / "model", overwrite=True)
    assert isinstance(zeroshot.load(tmp_path / "model"), StandardScaler)


def test_a_configuration_that_load_would_refuse_is_not_written(carrier, tmp_path, monkeypatch):
    monkeypatch.setattr(_format, "MAX_CONFIG_BYTES", 10_000)
    zeroshot.save(Carrier(np.arange(9999)), tmp_path / "array")
    with pytest.raises(ValueError, match="limit of 10,000.*numpy arrays"):
        zeroshot.save(Carrier(list(range(9999))), tmp_path / "list")


# Reading: every byte is checked ------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "model"
    zeroshot.save(clone(ESTIMATORS["pipeline"]).fit(X, Y), folder)
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "model"))


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("name", [CONFIG, ARRAYS])
def test_every_flipped_bit_is_noticed(name, bit, folder):
    content = (folder / name).read_bytes()
    for position in np.unique(np.linspace(0, len(content) - 1, 120).astype(int)):
        altered = bytearray(content)
        altered[position] ^= 1 << bit
        (folder / name).write_bytes(altered)
        with pytest.raises(IntegrityError):
            zeroshot.load(folder)


@pytest.mark.parametrize("name", [CONFIG, ARRAYS])
def test_truncated_and_lengthened_files_are_refused(name, folder):
    content = (folder / name).read_bytes()
    lengths = [0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1]
    for altered in [*(content[:n] for n in lengths), content + b"\n", content + content]:
        (folder / name).write_bytes(altered)
        with pytest.raises(IntegrityError, match=rf"{name}.*(again|Pass a folder)"):
            zeroshot.load(folder)


def test_a_reformatted_configuration_is_refused(folder):
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(content))
    with pytest.raises(IntegrityError, match="not as it was saved"):
        zeroshot.load(folder)


@pytest.mark.parametrize("name", [CONFIG, ARRAYS])
def test_missing_files_are_named(name, folder):
    (folder / name).unlink()
    with pytest.raises(IntegrityError, match=rf"there is no .*{name}.*Copy the folder again"):
        zeroshot.load(folder)


@pytest.mark.parametrize("name", [CONFIG, ARRAYS])
def test_links_and_special_files_are_refused(name, folder, tmp_path):
    shutil.move(folder / name, tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(IntegrityError, match=f"{name} is a link"):
        zeroshot.load(folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(IntegrityError, match=f"{name} is a link, or no file"):
        zeroshot.load(folder)
    (folder / name).rmdir()
    os.mkfifo(folder / name)
    with pytest.raises(IntegrityError, match=f"{name} is a link, or no file"):
        zeroshot.load(folder)  # and does not wait for somebody to write to the pipe


def test_no_folder_and_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder.*Check the path"):
        zeroshot.load(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"Pass the folder that zeroshot\.save wrote"):
        zeroshot.load(tmp_path / "file")
    with pytest.raises(IntegrityError, match=rf"there is no .*{CONFIG}"):
        zeroshot.load(tmp_path)
    (tmp_path / CONFIG).write_text('{"model_type": "bert"}')
    with pytest.raises(IntegrityError, match=r"does not describe a model.*zeroshot\.save"):
        zeroshot.load(tmp_path)


def test_arrays_of_another_model_are_refused(folder, tmp_path):
    zeroshot.save(clone(ESTIMATORS["pipeline"]).fit(X + 1, Y), tmp_path / "other")
    shutil.copy(tmp_path / "other" / ARRAYS, folder / ARRAYS)
    with pytest.raises(IntegrityError, match=rf"{ARRAYS} is not the file that was saved"):
        zeroshot.load(folder)


@pytest.mark.parametrize("depth", [100, 5000, 200_000])
@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")])
def test_deeply_nested_configurations_are_refused(depth, brackets, folder):
    opening, closing = brackets
    (folder / CONFIG).write_text(opening * depth + "1" + closing * depth)
    with pytest.raises(IntegrityError):
        zeroshot.load(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"NaN", b"\xff\xfe", b"{", b'"' * 99])
def test_configurations_that_are_no_json_are_refused(content, folder):
    (folder / CONFIG).write_bytes(content)
    with pytest.raises(IntegrityError, match=CONFIG):
        zeroshot.load(folder)


def test_huge_files_are_refused_before_they_are_read(folder):
    for name, size in ((CONFIG, 2**33), (ARRAYS, 2**40)):
        content = (folder / name).read_bytes()
        os.truncate(folder / name, size)
        with pytest.raises(IntegrityError, match=rf"{name} has .* bytes, expected at most"):
            zeroshot.load(folder)
        (folder / name).write_bytes(content)


# Forgery: the checksums are right, and what they protect is hostile -------------------------------


def forge(folder, change):
    """Change the configuration, and make its checksum right: what an attacker can do."""
    config = json.loads((folder / CONFIG).read_text())
    del config["checksum"]
    change(config)
    (folder / CONFIG).write_bytes(_format._with_checksum(_format._canonical(config)))


def of_class(config, name):
    return next(node for node in config["objects"] if node["class"] == name)


def test_forging_itself_works(folder):
    forge(folder, lambda config: of_class(config, "DeViSEClassifier")["params"].update(margin=0.7))
    assert zeroshot.load(folder)[-1].margin == 0.7


@pytest.mark.parametrize(
    "name",
    [
        *(
            "os.system",
            "os:system",
            "system",
            "builtins:eval",
            "subprocess.Popen",
            "this",
            "this:s",
        ),
        *("sklearn.preprocessing:FunctionTransformer", "FunctionTransformer", "WordVectors", ""),
        *("zeroshot.estimators:DeViSEClassifier", "../DeViSEClassifier", "__import__", "type"),
    ],
)
def test_classes_outside_the_table_are_neither_imported_nor_called(name, folder):
    sys.modules.pop("this", None)
    forge(folder, lambda config: config["objects"][0].update({"class": name}))
    with pytest.raises(IntegrityError, match="names the class.*Install the version"):
        zeroshot.load(folder)
    assert "this" not in sys.modules


@pytest.mark.parametrize("kind", ["os.system", "WordVectors", "object", None, ["a"], {"a": 1}, 3])
def test_label_embeddings_outside_the_table_are_refused(kind, folder):
    forge(folder, lambda config: config["embeddings"][0]["state"].update(type=kind))
    with pytest.raises(IntegrityError):
        zeroshot.load(folder)


@pytest.mark.parametrize(
    "name",
    [
        *("__class__", "__dict__", "__init__", "_network", "_learn", "predict", "fit", "margin"),
        *("_secret_", "score", "_n_features_out", "decision_function"),
    ],
)
def test_unexpected_attributes_are_refused(name, folder):
    forge(folder, lambda c: of_class(c, "DeViSEClassifier")["attributes"].update({name: 1}))
    with pytest.raises(IntegrityError, match=rf"'{name}', which the DeViSEClassifier here"):
        zeroshot.load(folder)


@pytest.mark.parametrize("name", ["epochs", "device", "training", "init_from"])
def test_parameters_of_now_and_before_are_no_attributes(name, folder):
    forge(folder, lambda c: of_class(c, "DeViSEClassifier")["attributes"].update({name: 1}))
    with pytest.raises(IntegrityError, match=rf"'{name}', which the DeViSEClassifier here"):
        zeroshot.load(folder)


def test_what_is_its_parameters_has_no_attributes(tmp_path):
    zeroshot.save(head(), tmp_path / "model")
    forge(tmp_path / "model", lambda c: c["objects"][0]["attributes"].update(extra_=1))
    with pytest.raises(IntegrityError, match="'extra_', which the SourceHead here"):
        zeroshot.load(tmp_path / "model")


@pytest.mark.parametrize("name", ["self", "args", "func", "alpha_", "sink"])
def test_unexpected_parameters_are_refused(name, folder):
    forge(folder, lambda config: of_class(config, "DeViSEClassifier")["params"].update({name: 1}))
    with pytest.raises(IntegrityError, match=rf"'{name}', which the DeViSEClassifier here"):
        zeroshot.load(folder)


def test_a_pipeline_cache_is_refused(folder, tmp_path):
    # joblib would unpickle what lies there at the next fit
    forge(
        folder, lambda config: of_class(config, "Pipeline")["params"].update(memory=str(tmp_path))
    )
    with pytest.raises(IntegrityError, match="memory, which is never saved"):
        zeroshot.load(folder)


@pytest.mark.parametrize("version", [3, 10**6])
def test_a_newer_format_asks_for_an_upgrade(version, folder):
    forge(folder, lambda config: config.update(format_version=version))
    with pytest.raises(IntegrityError, match=r"version.*pip install --upgrade scikit-zeroshot"):
        zeroshot.load(folder)


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, True, None, [1]])
def test_other_format_versions_are_refused(version, folder):
    forge(folder, lambda config: config.update(format_version=version))
    with pytest.raises(IntegrityError):
        zeroshot.load(folder)


def _outside(config):
    config["arrays"]["file"] = "../outside.safetensors"


@pytest.mark.parametrize(
    "change",
    [
        _outside,
        lambda c: c.update(arrays="../outside.safetensors"),
        lambda c: c["arrays"].update(n_bytes=-1),
        lambda c: c["arrays"].update(n_bytes="1"),
        lambda c: c["arrays"].update(sha256=None),
        lambda c: c.update(imports=["os"]),
        lambda c: c.pop("objects"),
        lambda c: c.update(objects=[]),
        lambda c: c.update(objects={}),
        lambda c: c.update(objects=[None]),
        lambda c: c.update(embeddings=None),
        lambda c: c.update(embeddings=[]),
        lambda c: c.update(embeddings=[[]]),
        lambda c: c.update(format="another"),
        lambda c: c["objects"][0].pop("params"),
        lambda c: c["objects"][0].update(attributes=[]),
        lambda c: c["objects"].reverse(),
    ],
)
def test_forged_configurations_are_refused(change, folder):
    forge(folder, change)
    with pytest.raises(IntegrityError):
        zeroshot.load(folder)


def _array(config):
    return of_class(config, "StandardScaler")["attributes"]["mean_"]


@pytest.mark.parametrize(
    "changes",
    [
        *({"name": "../mean_"}, {"name": 3}, {"name": None}, {"name": "nothing"}),
        *({"dtype": "O"}, {"dtype": "|O8"}, {"dtype": "<f4"}, {"dtype": "<i8"}, {"dtype": "<U6"}),
        *({"dtype": "<U999999999"}, {"dtype": "f8, f8"}, {"dtype": "V8"}, {"dtype": [["a", "f8"]]}),
        *({"kind": "pickle"}, {"kind": "object"}, {"kind": "embedding"}, {"kind": None}),
        *({"kind": ["array"]}, {"kind": "dict", "items": [1]}, {"kind": "tuple"}),
        *({"kind": "dict", "items": [[[1], 2]]}, {"kind": "strings", "items": [1]}),
        *({"kind": "scalar", "dtype": "O", "value": 1}, {"kind": "scalar", "value": "x"}),
        *({"kind": "scalar", "dtype": "<i8", "value": [1]}, {"kind": "scalar", "value": 10**400}),
        *({"kind": "scalar", "dtype": "<i8", "value": "x"}, {"kind": "float", "value": "1e5"}),
        *({"kind": "object", "index": 99}, {"kind": "object", "index": -1}),
        *({"kind": "object", "index": 2}, {"kind": "embedding", "index": True}),
    ],
)
def test_forged_values_are_refused(changes, folder):
    forge(folder, lambda config: _array(config).update(changes))
    with pytest.raises(IntegrityError):
        zeroshot.load(folder)


def test_forged_nesting_is_refused(folder):
    def nest(config):
        node = 1
        for _ in range(100):
            node = [node]
        of_class(config, "StandardScaler")["params"]["copy"] = node

    forge(folder, nest)
    with pytest.raises(IntegrityError, match="too deeply"):
        zeroshot.load(folder)


def test_forged_text_is_refused(tmp_path):
    arrays = {"a": np.array([[97, 0x110000]], dtype=np.uint32)}
    node = {"kind": "array", "name": "a", "dtype": "<U2", "order": "C"}
    with pytest.raises(IntegrityError, match="is no text"):
        Decoder(arrays)._value(node, 0)


@pytest.mark.parametrize(
    "params",
    [
        {"coef": 3},
        {"labels": ["a"]},
        {"labels": None},
        {"intercept": [1.0, 2.0]},
        {"wnids": [1.5]},
    ],
)
def test_what_a_constructor_refuses_is_a_damaged_model(params, tmp_path):
    zeroshot.save(head(), tmp_path / "model")
    forge(tmp_path / "model", lambda config: config["objects"][0]["params"].update(params))
    with pytest.raises(IntegrityError, match="A saved SourceHead: |refused by SourceHead"):
        zeroshot.load(tmp_path / "model")


@pytest.mark.parametrize(
    "state",
    [
        {"type": "AttributeTable", "labels": ["a"], "overrides": []},
        {"type": "HashEmbedding", "n_dims": -1, "seed": 0},
        {"type": "OneHotEmbedding"},
        {"type": "ConcatEmbedding", "parts": 3, "weights": None},
        {"type": "ConcatEmbedding", "parts": [["x"]], "weights": None},
        {"type": "StoredEmbedding", "labels": 1},
    ],
)
def test_forged_label_embeddings_are_refused(state, folder):
    forge(folder, lambda config: config["embeddings"][0].update(state=state))
    with pytest.raises(IntegrityError):
        zeroshot.load(folder)


def test_objects_refer_to_earlier_ones_only():
    encoder = Encoder()
    encoder.value(clone(ESTIMATORS["conse, devise"]).fit(X, Y), "estimator")

    def references(node):
        if isinstance(node, dict):
            if node.get("kind") == "object":
                yield node["index"]
            node = list(node.values())
        if isinstance(node, list):
            for item in node:
                yield from references(item)

    for position, node in enumerate(encoder.objects):
        assert all(index < position for index in references(node))


def test_the_files_can_be_read_by_others_as_the_umask_says(tmp_path):
    zeroshot.save(StandardScaler(), tmp_path / "model")
    (tmp_path / "plain").write_text("")
    (tmp_path / "plain folder").mkdir()
    for made, plain in (("model", "plain folder"), (f"model/{CONFIG}", "plain")):
        modes = [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in (made, plain)]
        assert modes[0] == modes[1]


def test_a_scorer_of_the_package_is_saved_by_its_name(tmp_path):
    model = ESZSLClassifierCV(HASH, scoring=SCORERS["hit_at_2"], cv=ClassKFold(2)).fit(X, Y)
    loaded = round_trip(model, tmp_path)
    assert loaded.scoring == "hit_at_2"
    assert_same_answers(model, loaded)
    assert clone(loaded).fit(X, Y).best_score_ == model.best_score_
    with pytest.raises(TypeError, match="scoring is a Scorer"):
        zeroshot.save(
            clone(model).set_params(scoring=replace(SCORERS["ausuc"], name="mine")), tmp_path / "b"
        )
