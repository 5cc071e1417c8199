"""Images that cannot be read, as NaN rows: the others are learnt from and named all the same."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zeroshot import (
    ALEClassifier,
    AttributeTable,
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EmbeddingRegressor,
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    FewShotClassifier,
    NearestLabelClassifier,
    SAEClassifier,
    SimilarityClassifier,
    SimilarityInitializer,
    SourceHead,
    TimmFeatures,
    TransductiveClassifier,
    WordVectorSimilarity,
)
from zeroshot.estimators._unreadable_rows import unreadable_rows
from zeroshot.exceptions import UnreadableImageWarning

NAMES = np.array([f"c{i}" for i in range(6)])
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(6, 4))
TABLE = AttributeTable(VECTORS, labels=NAMES)
CODES = np.arange(60) % 4
X = np.hstack([VECTORS[CODES], VECTORS[CODES] ** 2]) + 0.1 * RNG.normal(size=(60, 8))
Y = NAMES[CODES]
HEAD = SourceHead(RNG.normal(size=(4, 8)), np.zeros(4), NAMES[:4])
GAPS = [0, 7, 59]
READ = np.setdiff1d(np.arange(60), GAPS)
WITH_GAPS = X.copy()
WITH_GAPS[GAPS] = np.nan
FEW = {"candidates": NAMES}
PRIOR = FrozenEstimator(ConSEClassifier(HEAD, TABLE, **FEW).fit())

MODELS = {
    "devise": DeViSEClassifier(TABLE, loss="mse", **FEW),
    "eszsl": ESZSLClassifier(TABLE, **FEW),
    "sae": SAEClassifier(TABLE, **FEW),
    "ale": ALEClassifier(TABLE, random_state=0, **FEW),
    "dummy": DummyZeroShotClassifier(TABLE, random_state=0, **FEW),
    "ensemble": EnsembleZeroShotClassifier(
        [("a", DeViSEClassifier(TABLE, loss="mse")), ("b", PRIOR)], **FEW
    ),
    "few_shot": FewShotClassifier(PRIOR, **FEW),
    "calibrated": CalibratedStacking(DeViSEClassifier(TABLE, loss="mse", **FEW)),
    "transductive": TransductiveClassifier(
        DeViSEClassifier(TABLE, loss="mse", **FEW), weight=0.2, least_images=0
    ),
    "similarity": SimilarityClassifier(HEAD, WordVectorSimilarity(TABLE), candidates=NAMES),
    "initializer": SimilarityInitializer(HEAD, WordVectorSimilarity(TABLE), n_neighbors=2),
}


@pytest.mark.case
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("frame", [False, True])
def test_other_rows_are_learnt_from_and_named(name: str, frame: bool) -> None:
    columns = [f"f{i}" for i in range(8)]

    def shown(rows):
        return pd.DataFrame(rows, columns=columns) if frame and name != "similarity" else rows

    expected = MODELS[name].fit(shown(X[READ]), Y[READ])
    learns = nullcontext() if name == "similarity" else pytest.warns(UnreadableImageWarning)
    with learns:  # else the source classifier is fitted already
        model = type(expected)(**expected.get_params(deep=False)).fit(shown(WITH_GAPS), Y)
    labels = model.predict(shown(WITH_GAPS))
    assert [labels[i] for i in GAPS] == [None] * 3
    assert labels[READ].tolist() == expected.predict(shown(X[READ])).tolist()
    for method in ("decision_function", "predict_proba", "transform", "predict_top_k"):
        if not hasattr(model, method):
            continue
        found = getattr(model, method)(shown(WITH_GAPS))
        wanted = getattr(expected, method)(shown(X[READ]))
        pairs = zip(found, wanted, strict=True) if isinstance(found, tuple) else [(found, wanted)]
        for part, right in pairs:
            assert len(part) == 60 and pd.isna(part[GAPS]).all()
            if part.dtype == object:
                np.testing.assert_array_equal(part[READ], right)
            else:
                np.testing.assert_allclose(part[READ], right, rtol=1e-5, atol=1e-7)
    share = expected.score(shown(X[READ]), Y[READ]) * len(READ) / 60
    assert model.score(shown(WITH_GAPS), Y) == pytest.approx(share)
    nothing = model.predict(shown(WITH_GAPS)[:1])
    assert nothing.tolist() == [None]


def test_the_nearest_label_and_the_regressor() -> None:
    rows = VECTORS[CODES].copy()
    nearest = NearestLabelClassifier(TABLE).fit(rows, Y)
    rows[GAPS] = np.nan
    assert [x is None for x in nearest.predict(rows)] == np.isin(np.arange(60), GAPS).tolist()
    with pytest.warns(UnreadableImageWarning, match="3 of 60 rows are NaN throughout"):
        model = EmbeddingRegressor(TABLE).fit(WITH_GAPS, Y)
    expected = EmbeddingRegressor(TABLE).fit(X[READ], Y[READ]).predict(X[READ])
    np.testing.assert_allclose(model.predict(WITH_GAPS)[READ], expected)
    assert np.isnan(model.predict(WITH_GAPS)[GAPS]).all()


def test_a_single_nan_is_an_error_as_ever() -> None:
    model = MODELS["devise"].fit(X, Y)
    one = X.copy()
    one[3, 2] = np.nan
    assert unreadable_rows(one) is None
    for use in (model.predict, model.transform, lambda rows: model.fit(rows, Y)):
        with pytest.raises(ValueError, match="contains NaN"):
            use(one)


# ---- pipelines with the network --------------------------------------------------------------


@pytest.fixture
def images(tmp_path):
    images, labels = [], []
    for i in range(12):
        noise = RNG.integers(0, 100, (32, 32, 3), dtype=np.uint8)
        path = tmp_path / f"{i}.png"
        Image.fromarray(noise + np.uint8(100 * (i % 2))).save(path)
        images.append(str(path))
        labels.append(NAMES[i % 2])
    (tmp_path / "3.png").write_bytes(b"no image")
    return images, labels


def tiny(**params):
    return TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=0, **params)


@pytest.mark.case
@pytest.mark.parametrize("calibrated", [False, True])
def test_a_pipeline_names_the_other_images(images, calibrated: bool) -> None:
    paths, labels = images
    model = make_pipeline(
        tiny(on_error="nan"), StandardScaler(), DeViSEClassifier(TABLE, loss="mse", alpha=1.0)
    )
    if calibrated:
        model = CalibratedStacking(model, calibration=0.1)
    with pytest.warns(UnreadableImageWarning):
        named = model.fit(paths, labels).predict(paths)
    assert named[3] is None
    assert sum(a == b for a, b in zip(named, labels, strict=True)) >= 9
    with pytest.warns(UnreadableImageWarning):
        assert np.isnan(model.decision_function(paths)[3]).all()
    with pytest.warns(UnreadableImageWarning):
        best, scores = (
            model.predict_top_k(paths, 2)
            if calibrated
            else model[-1].predict_top_k(model[:-1].transform(paths), 2)
        )
    assert best[3].tolist() == [None, None] and np.isnan(scores[3]).all()
    with pytest.warns(UnreadableImageWarning):
        assert model.predict([b"content", None, paths[0]]).tolist() == [None, None, named[0]]


@pytest.mark.case
def test_a_column_transformer_takes_columns_of_paths(images) -> None:
    paths, labels = images
    frame = pd.DataFrame({"path": paths, "price": np.arange(12.0)}).drop(index=3)
    of_column = ColumnTransformer([("image", tiny(), ["path"])], remainder="passthrough")
    rows = of_column.fit_transform(frame)
    assert rows.shape == (11, 257)
    np.testing.assert_allclose(rows[:, :-1], tiny().fit_transform(frame["path"]), rtol=1e-5)
    of_series = ColumnTransformer([("image", tiny(), "path")])
    np.testing.assert_allclose(of_series.fit_transform(frame), rows[:, :-1], rtol=1e-5)
    assert of_column.get_feature_names_out()[0] == "image__timmfeatures0"


@pytest.mark.case
@pytest.mark.parametrize(
    ("on_error", "shape"), [("raise", None), ("skip", (1, 256)), ("nan", (2, 256))]
)
def test_closed_images_and_other_things_follow_on_error(images, on_error: str, shape) -> None:
    paths, _ = images
    with Image.open(paths[0]) as image:
        pass
    model = tiny(on_error=on_error).fit()
    for thing in (image, 3, np.zeros((4, 4, 3)) - 1, b"no image", {"label": 3}, None):
        X = [thing, Image.new("RGB", (40, 40))]
        if shape is None:
            with pytest.raises(OSError, match="Cannot read .*position 0"):
                model.transform(X)
            continue
        with pytest.warns(UnreadableImageWarning, match="1 of 2 images"):
            assert model.transform(X).shape == shape
