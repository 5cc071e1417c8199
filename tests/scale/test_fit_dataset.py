"""fit_dataset: what fit gives on all rows, from files."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from zeroshot import (
    ALEClassifier,
    DeViSEClassifier,
    EmbeddingRegressor,
    EmbeddingRegressorCV,
    ESZSLClassifier,
    ESZSLClassifierCV,
    HashEmbedding,
    SAEClassifier,
)
from zeroshot._linear import _sums
from zeroshot.estimators import _eszsl, _regressor
from zeroshot.model_selection import LeaveOneClassOut
from zeroshot.scale import FeaturesDataset, fit_dataset

RNG = np.random.default_rng(0)
N, D = 230, 12
Y = RNG.choice(["ant", "bee", "cat", "dog", "elk"], N)
X = (RNG.normal(size=(N, D)) * np.arange(1, D + 1) + 40).astype(np.float32)
X[:, 3] = 7  # constant: a scaler leaves it as it is
EMBEDDING = HashEmbedding(6)


def write(folder, X=X, y=Y, n_files=5, **columns):
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(np.array_split(np.arange(len(X)), n_files)):
        features = pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(X[rows].ravel()), X.shape[1]
        )
        labels = [y[row] for row in rows]
        table = pyarrow.table(
            {"features": features, "label": pyarrow.array(labels, pyarrow.string())}
        )
        pyarrow.parquet.write_table(table, folder / f"part-{number}.parquet", row_group_size=20)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "features")


def assert_same(one, other):
    for name, value in vars(other).items():
        if name.endswith("_") and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            np.testing.assert_allclose(getattr(one, name), value, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        ESZSLClassifier(EMBEDDING, gamma=2),
        DeViSEClassifier(EMBEDDING, loss="mse"),
        SAEClassifier(EMBEDDING),
        EmbeddingRegressor(EMBEDDING),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_result_is_that_of_fit(model, folder):
    found = fit_dataset(model, folder)
    assert not hasattr(model, "n_features_in_"), "the given estimator is not changed"
    expected = model.fit(X.astype(np.float64), Y)
    assert_same(found, expected)
    if hasattr(found, "classes_"):
        np.testing.assert_array_equal(found.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    "before",
    [
        [Normalizer()],
        [StandardScaler()],
        [StandardScaler(with_mean=False)],
        [StandardScaler(with_std=False)],
        [Normalizer(), StandardScaler()],
    ],
    ids=str,
)
def test_steps_before_are_fitted_in_the_same_pass(before, folder):
    model = make_pipeline(*before, ESZSLClassifier(EMBEDDING))
    found, expected = fit_dataset(model, folder), model.fit(X.astype(np.float64), Y)
    for (_, one), (_, other) in zip(found.steps, expected.steps, strict=True):
        assert_same(one, other)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    np.testing.assert_allclose(found[:-1].transform(X), expected[:-1].transform(X), rtol=1e-5)


def test_files_are_summed_up_in_groups_and_more_rows_are_added(tmp_path):
    folder = write(tmp_path / "many", n_files=40)
    found = fit_dataset(ESZSLClassifier(EMBEDDING), folder)
    more = RNG.normal(size=(20, D)) + 40
    found.partial_fit(more, ["ant", "fox"] * 10)
    both = ESZSLClassifier(EMBEDDING).fit(
        np.concatenate([X.astype(np.float64), more]), [*Y, *["ant", "fox"] * 10]
    )
    assert_same(found, both)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ALEClassifier(EMBEDDING), "ALEClassifier does not learn from sums.*partial_fit on the"),
        (DeViSEClassifier(EMBEDDING), "DeViSEClassifier does not learn from sums"),
        (
            make_pipeline(StandardScaler(), Normalizer(), ESZSLClassifier(EMBEDDING)),
            "rows of unit length after a StandardScaler need the scaled rows.*second pass",
        ),
        (make_pipeline(PCA(2), ESZSLClassifier(EMBEDDING)), "got PCA. Apply other steps when"),
    ],
)
def test_what_cannot_be_fitted_in_one_pass_is_refused(model, message, folder):
    with pytest.raises(TypeError, match=f"fit_dataset: .*{message}"):
        fit_dataset(model, folder)


CV_MODELS = [
    ESZSLClassifierCV(EMBEDDING, cv=2),
    ESZSLClassifierCV(EMBEDDING, alphas_features=(0.1, 10), alphas_labels=(1, 10)),
    EmbeddingRegressorCV(EMBEDDING),
    EmbeddingRegressorCV(EMBEDDING, scoring="neg_relative_loss", cv=LeaveOneClassOut()),
    make_pipeline(Normalizer(), StandardScaler(), ESZSLClassifierCV(EMBEDDING)),
]


@pytest.mark.parametrize("model", CV_MODELS, ids=str)
def test_penalties_are_chosen_as_fit_chooses_them(model, folder):
    """Scores, penalties, weights and confidence, while rows are read a block at a time."""
    found, expected = fit_dataset(model, folder), clone(model).fit(X, Y)
    one, other = (m[-1] if isinstance(m, Pipeline) else m for m in (found, expected))
    assert_same(one, other)
    for name, value in other.cv_results_.items():
        if "score" in name:
            np.testing.assert_allclose(one.cv_results_[name], value, rtol=0, atol=1e-9)
    assert one.settled().get_params() == other.settled().get_params()
    if getattr(other, "confidence_", None) is not None:
        np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [CV_MODELS[0], CV_MODELS[4], make_pipeline(Normalizer(), ESZSLClassifier(EMBEDDING))],
    ids=str,
)
def test_memory_maps_are_read_in_blocks(model, tmp_path):
    half = np.memmap(tmp_path / "rows", np.float16, "w+", shape=X.shape)
    half[:] = X
    found, expected = (
        fit_dataset(model, half, label=Y),
        clone(model).fit(half.astype(np.float64), Y),
    )
    (one, other), rows = (found, expected), half[:20].astype(np.float64)
    if isinstance(found, Pipeline):
        rows = found[:-1].transform(rows)
        one, other = found[-1], expected[-1]
    np.testing.assert_allclose(one.predict_top_k(rows, 2)[1], other.predict_top_k(rows, 2)[1])


@pytest.mark.parametrize(
    "model",
    [
        ESZSLClassifier(EMBEDDING),
        ESZSLClassifierCV(EMBEDDING, alphas_features=(1, 10), alphas_labels=(1,), temperature=0.1),
        EmbeddingRegressor(EMBEDDING),
        EmbeddingRegressorCV(EMBEDDING, alphas=(1, 10), cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_fit_does_not_convert_a_memory_map_of_half_precision(model, tmp_path, monkeypatch):
    rng, n_rows, d = np.random.default_rng(1), 16_000, 80
    half = np.memmap(tmp_path / "rows", np.float16, "w+", shape=(n_rows, d))
    y = rng.integers(0, 6, n_rows)
    half[:] = rng.normal(size=(6, d))[y] + rng.normal(size=(n_rows, d))
    for module in (_sums, _eszsl, _regressor):
        monkeypatch.setattr(module, "BLOCK_ELEMENTS", 20_000)
    tracemalloc.start()
    found = clone(model).fit(half, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * half.size / 2, "less than half of the rows in double precision"
    assert_same(found, clone(model).fit(half.astype(np.float64), y))
    half[7, 3] = np.nan
    with pytest.raises(ValueError, match=f"{type(model).__name__}: X holds NaN .* being row 7"):
        clone(model).fit(half, y)


def test_workers_do_not_choose_penalties(folder):
    with pytest.raises(TypeError, match="ESZSLClassifierCV is read in this process alone. Leave"):
        fit_dataset(CV_MODELS[0], folder, workers=2)
    with pytest.raises(TypeError, match="an array is read in this process alone"):
        fit_dataset(ESZSLClassifier(EMBEDDING), X, label=Y, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(TypeError, match="chooses penalties in blocks by scoring='mean_class_acc"):
        fit_dataset(ESZSLClassifierCV(EMBEDDING, hubness="csls"), folder)
    with pytest.raises(TypeError, match="an array has no column 'label'. Pass label=y"):
        fit_dataset(ESZSLClassifier(EMBEDDING), X)
    with pytest.raises(TypeError, match="label must name the column of labels, got ndarray"):
        fit_dataset(ESZSLClassifier(EMBEDDING), folder, label=Y)
    with pytest.raises(TypeError, match="features must be a folder of parquet files or a 2-D"):
        fit_dataset(ESZSLClassifier(EMBEDDING), X[0], label=Y)


def test_bad_files(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="FeaturesDataset: there is no parquet file"):
        fit_dataset(ESZSLClassifier(EMBEDDING), tmp_path / "none")
    with pytest.raises(ValueError, match="has no column 'rows'. Its columns are 'features', 'lab"):
        FeaturesDataset(folder, column="rows")
    missing = [None if row % 7 == 0 else label for row, label in enumerate(Y)]
    with pytest.raises(ValueError, match=r"\d+ rows of .*part-0.parquet have no 'label'"):
        fit_dataset(ESZSLClassifier(EMBEDDING), write(tmp_path / "gaps", y=missing))
    wrong = X.copy()
    wrong[5, 2] = np.nan
    with pytest.raises(ValueError, match="part-0.parquet holds NaN or infinity"):
        fit_dataset(ESZSLClassifier(EMBEDDING), write(tmp_path / "nan", X=wrong))
    write(folder, X=X[:, :4], n_files=1)
    with pytest.raises(ValueError, match=r"have 2 widths \(\[4, 12\]\)"):
        FeaturesDataset(folder)
    empty = pyarrow.table({"features": pyarrow.array([], pyarrow.list_(pyarrow.float32(), 3))})
    (tmp_path / "empty").mkdir()
    pyarrow.parquet.write_table(empty, tmp_path / "empty" / "part-0.parquet")
    with pytest.raises(ValueError, match="features is empty"):
        fit_dataset(ESZSLClassifier(EMBEDDING), tmp_path / "empty")
