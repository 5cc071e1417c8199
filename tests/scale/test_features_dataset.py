"""FeaturesDataset: an array that lies on disk, for fits, predictions and metrics in blocks."""

from __future__ import annotations

import json
import pickle

import fsspec
import numpy as np
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

import zeroshot.displays._checks as displays_checks
import zeroshot.evaluation._evaluate as evaluate
import zeroshot.metrics._scorers as scorers
from zeroshot import (
    ESZSLClassifier,
    HashEmbedding,
    RejectOption,
    TimmFeatures,
    evaluate_zero_shot,
    load,
    save,
)
from zeroshot.metrics import SCORERS
from zeroshot.report import write_evaluation_report
from zeroshot.scale import FeaturesDataset, _features, predict_dataset
from zeroshot.taxonomy import class_synsets

RNG = np.random.default_rng(0)
NAMES = np.array(["bear", "bee", "beaver", "camel", "cattle", "elephant", "fox", "lion"])
N, D = 240, 10
Y = NAMES[RNG.integers(0, len(NAMES), N)]
X = (HashEmbedding(D).embed(Y) + 0.6 * RNG.normal(size=(N, D))).astype(np.float32)
SEEN = np.isin(Y, NAMES[:5])


def write(folder, X=X, y=Y, sizes=(50, 0, 130, 60), **columns):
    """Write files of several sizes, one of them empty, with small row groups."""
    folder.mkdir()
    ends = np.cumsum(sizes)
    for number, (stop, size) in enumerate(zip(ends, sizes, strict=True)):
        rows = np.arange(stop - size, stop)
        lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(X[rows].ravel()), X.shape[1])
        others = {name: pyarrow.array(values[rows]) for name, values in columns.items()}
        table = {"label": pyarrow.array(y[rows], pyarrow.string()), **others, "features": lists}
        pyarrow.parquet.write_table(
            pyarrow.table(table), folder / f"part-{number}.parquet", row_group_size=16
        )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("home") / "features", place=np.arange(N))


@pytest.fixture(scope="module")
def model():
    return ESZSLClassifier(HashEmbedding(D), candidates=NAMES, temperature="auto").fit(
        X[SEEN], Y[SEEN]
    )


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 32 rows wherever rows are read or scored."""
    for module in (scorers, displays_checks):
        monkeypatch.setattr(module, "MAX_ROWS", 32)
    monkeypatch.setattr(evaluate, "MAX_ROWS_AT_ONCE", 32)
    monkeypatch.setattr(_features, "BLOCK_ROWS", 32)


def test_it_stands_for_the_array(folder, small_blocks):
    features = pickle.loads(pickle.dumps(FeaturesDataset(folder)))
    assert features.shape == X.shape and features.ndim == 2 and features.dtype == X.dtype
    shuffled = RNG.permutation(N)
    for rows in (slice(None), slice(40, 90), slice(None, None, -7), slice(5, 5), shuffled[:60],
                 np.sort(shuffled[:30]), SEEN, np.array([3, 3, 239, 3]), [0, -1]):  # fmt: skip
        np.testing.assert_array_equal(features[rows], X[rows])
    np.testing.assert_array_equal(np.asarray(features), X)
    assert np.asarray(features, np.float64).dtype == np.float64
    assert features.column_values("label").tolist() == Y.tolist()
    assert features.column_values("place").tolist() == list(range(N))
    with pytest.raises(TypeError, match="rows must be a slice or an array of row numbers, got 3"):
        features[3]
    with pytest.raises(ValueError, match="there is no column 'name'. The columns are 'label', 'p"):
        features.column_values("name")


def test_files_of_other_file_systems(folder):
    memory = fsspec.filesystem("memory")
    try:
        for path in folder.iterdir():
            memory.pipe_file(f"bucket/{path.name}", path.read_bytes())
        features = FeaturesDataset("memory://bucket")
        np.testing.assert_array_equal(features[:], X)
    finally:
        memory.store.clear()


def test_rows_without_a_label_or_with_nan_are_named(tmp_path):
    wrong = X.copy()
    wrong[60, 2] = np.inf
    y = np.where(np.arange(N) == 70, None, Y)
    features = FeaturesDataset(write(tmp_path / "features", X=wrong, y=y))
    with pytest.raises(ValueError, match=r"1 rows of .*part-2.parquet have no 'label'. Give them"):
        features.column_values("label")
    np.testing.assert_array_equal(features[:50], X[:50])
    with pytest.raises(ValueError, match=r"part-2.parquet holds NaN or infinity"):
        features[50:70]


SAME = {"hit_at_2": {}, "ausuc": {}, "harmonic_mean": {}, "mean_class_accuracy": {},
        "neg_class_log_loss": {}, "neg_expected_calibration_error": {}, "neg_set_size": {},
        "set_coverage": {"coverage": 0.7}, "semantic_similarity_at_3": {},
        "hierarchical_precision_at_5": {"synsets": class_synsets("cifar100")}}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_scorers_read_blocks(name, folder, model, monkeypatch):
    """A scorer of few rows at a time gives what it gives for all rows at once."""
    scorer = SCORERS[name].with_options(**SAME[name])
    expected = scorer(model, X, Y)
    monkeypatch.setattr(scorers, "MAX_ROWS", 32)
    found = [scorer(model, rows, Y) for rows in (FeaturesDataset(folder), X)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # scores are in single precision


def test_doubt_and_rejection_read_blocks(model, monkeypatch):
    import zeroshot.estimators._base as base

    reject = RejectOption(model, coverage=0.8).fit(X[SEEN], Y[SEEN])
    labels = [*Y[:100], *["okapi"] * 140]
    before = model.predict_any_proba(X), reject.predict(X).tolist()
    score = SCORERS["any_of_these_auc"](model, X, labels)
    monkeypatch.setattr(base, "MAX_SCORES", 200)
    monkeypatch.setattr(scorers, "MAX_ROWS", 32)
    np.testing.assert_allclose(model.predict_any_proba(X), before[0], rtol=1e-12)
    assert reject.predict(X).tolist() == before[1]
    assert SCORERS["any_of_these_auc"](model, X, labels) == pytest.approx(score)


def test_evaluation_and_its_report_read_blocks(folder, model, tmp_path, small_blocks):
    features = FeaturesDataset(folder)
    pipeline = make_pipeline(Normalizer(), model)
    expected = evaluate_zero_shot(pipeline, X, Y, random_state=0)
    found = evaluate_zero_shot(pipeline, features, features.column_values("label"), random_state=0)
    assert found.to_dict() == expected.to_dict()
    pages = [
        write_evaluation_report(
            expected, tmp_path / name, pipeline, rows, Y, charts=False, about={"command": "test"}
        )
        for name, rows in (("array", X), ("files", features))
    ]
    one, other = (json.loads((page / "evaluation.json").read_text()) for page in pages)
    assert one == other


def rows_of(output):
    return pyarrow.dataset.dataset(str(output)).to_table().to_pandas()


@pytest.mark.parametrize("given", ["data set", "folder"])
def test_predictions_of_features(given, folder, model, tmp_path):
    pipeline = make_pipeline(Normalizer().fit(X), model)
    source = FeaturesDataset(folder) if given == "data set" else folder
    done = predict_dataset(
        pipeline, source, tmp_path / "out", k=3, partition_size=40, columns=["label", "place"]
    )
    assert (done.n_images, done.n_errors, done.n_partitions) == (N, 0, 2 + 4 + 2)
    found = rows_of(tmp_path / "out")
    labels, scores = model.predict_top_k(Normalizer().transform(X), k=3)
    assert np.stack(found["labels"]).tolist() == labels.tolist()
    np.testing.assert_allclose(np.stack(found["scores"]), scores, rtol=1e-6)
    assert found["label"].tolist() == Y.tolist()
    assert found["key"].iloc[60] == "part-2.parquet#10" and found["place"].iloc[60] == "60"
    again = predict_dataset(
        pipeline, source, tmp_path / "out", k=3, partition_size=40, columns=["label", "place"]
    )
    assert again.n_resumed == 8


def test_rows_that_hold_nan_are_errors_of_their_keys(model, tmp_path):
    wrong = X.copy()
    wrong[[3, 55], [0, 1]] = np.nan
    keys = np.array([f"photo {number}" for number in range(N)])
    folder = write(tmp_path / "features", X=wrong, key=keys)
    done = predict_dataset(model, folder, tmp_path / "out", k=1)
    assert (done.n_images, done.n_errors) == (N, 2)
    errors = pyarrow.dataset.dataset(str(tmp_path / "out" / "_errors")).to_table().to_pylist()
    assert [row["key"] for row in errors] == ["photo 3", "photo 55"]
    assert "photo 4" in rows_of(tmp_path / "out")["key"].tolist()


def test_predictions_need_a_model_of_features(folder, model, tmp_path):
    out = tmp_path / "out"
    backbone = TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=0)
    with pytest.raises(TypeError, match="begins with a TimmFeatures, which takes images, and so"):
        predict_dataset(make_pipeline(backbone, model), FeaturesDataset(folder), out)
    with pytest.raises(ValueError, match="k is 9, and the model has 8 candidates. Pass a smaller"):
        predict_dataset(model, folder, out, k=9)
    with pytest.raises(ValueError, match="the features have no column 'name'. Their columns are"):
        predict_dataset(model, folder, out, columns=["name"])
    with pytest.raises(FileNotFoundError, match="there is no parquet file"):
        predict_dataset(model, tmp_path / "none", out)
    save(model, tmp_path / "model")
    predict_dataset(load(tmp_path / "model"), folder, out, k=1)
    with pytest.raises(ValueError, match="was begun with another source.files"):
        predict_dataset(model, write(tmp_path / "other", sizes=(100, 140)), out, k=1)
