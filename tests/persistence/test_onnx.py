"""ONNX files: the same scores as the model's, for every estimator that has them."""

from __future__ import annotations

import copy
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, PowerTransformer, StandardScaler

import zeroshot
from zeroshot import (
    ALEClassifier,
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EmbeddingRegressor,
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    ESZSLClassifierCV,
    FewShotClassifier,
    HashEmbedding,
    HeadRegressionClassifier,
    NearestLabelClassifier,
    OpenLabelClassifier,
    PrototypeRegressionClassifier,
    RejectOption,
    SAEClassifier,
    SimilarityClassifier,
    SJEClassifier,
    SoftmaxClassifier,
    SourceHead,
    TimmFeatures,
    Training,
    TransductiveClassifier,
    WordVectorSimilarity,
)
from zeroshot._utils._onnx_graph import OPSET, Graph
from zeroshot.cli import main
from zeroshot.estimators._onnx_steps import add_logits, add_scores
from zeroshot.model_selection import ClassKFold, with_candidates
from zeroshot.persistence import _onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[2]
NAMES = ["cat", "dog", "horse", "oak", "rose"]
SEEN, N_FEATURES = NAMES[:4], 12
WORDS = HashEmbedding(8)
SHORT = Training(epochs=1, batch_size=8)
rng = np.random.default_rng(0)
X = rng.normal(size=(40, N_FEATURES)).astype(np.float32)
Y = np.repeat(SEEN, 10)
SOURCES = ["lion", "tiger", "oboe", "car", "elm", "tulip"]
HEAD = SourceHead(rng.normal(size=(6, N_FEATURES)), rng.normal(size=6), SOURCES)
ALL: dict[str, Any] = {"candidates": NAMES}


def run(graph: Graph, scores: str, rows: np.ndarray) -> np.ndarray:
    """Return what onnxruntime computes from rows of features."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = helper.make_tensor_value_info(_onnx.ROWS, kind, ["n", rows.shape[1]])
    file = helper.make_model(
        helper.make_graph([], "head", [shape], []),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )
    _onnx._append(file, graph, scores)
    onnx.checker.check_model(file)
    session = onnxruntime.InferenceSession(
        file.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {_onnx.ROWS: rows})[0]


def assert_equal(model: Any, rows: np.ndarray) -> None:
    expected = np.asarray(model.decision_function(rows))
    graph = Graph()
    found = run(graph, add_scores(graph, model, _onnx.ROWS), rows)
    assert found.dtype == np.float32 and found.shape == (len(rows), len(model.classes_))
    if expected.ndim == 1:
        found = found[:, 1] - found[:, 0]
    assert np.ptp(expected) > 1e-3  # or a graph of nothing would pass
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def similarity(**params: Any) -> SimilarityClassifier:
    return SimilarityClassifier(HEAD, WordVectorSimilarity(WORDS), **params)


def open_label() -> OpenLabelClassifier:
    return OpenLabelClassifier(HEAD, candidates=NAMES, label_embedding=WORDS)


MODELS = {
    "ale": ALEClassifier(WORDS, training=SHORT, **ALL),
    "sje": SJEClassifier(WORDS, training=SHORT, **ALL),
    "devise, closed form": DeViSEClassifier(WORDS, loss="mse", **ALL),
    "devise, hidden layer": DeViSEClassifier(WORDS, hidden=(5,), training=SHORT, **ALL),
    "devise, no embedding": DeViSEClassifier(loss="mse"),
    "devise, gamma": DeViSEClassifier(WORDS, loss="mse", gamma=2, **ALL),
    "devise, z-scores": DeViSEClassifier(WORDS, loss="mse", hubness="zscore", **ALL),
    "devise, csls": DeViSEClassifier(WORDS, loss="mse", hubness="csls", **ALL),
    "devise, unseen": DeViSEClassifier(
        WORDS, loss="mse", candidates=[*NAMES, "elk"], scenario="unseen"
    ),
    "devise, two": DeViSEClassifier(WORDS, loss="mse", candidates=NAMES[-2:]),
    "eszsl": ESZSLClassifier(WORDS, **ALL),
    "eszsl, chosen": ESZSLClassifierCV(WORDS, cv=2, **ALL),
    "sae": SAEClassifier(WORDS, **ALL),
    "sae, decoded": SAEClassifier(WORDS, direction="decode", **ALL),
    "conse": ConSEClassifier(None, WORDS, n_top=2, **ALL),
    "conse, head": ConSEClassifier(HEAD, WORDS, n_top=3, **ALL),
    "conse, scaled": ConSEClassifier(
        make_pipeline(StandardScaler(), LogisticRegression()), WORDS, **ALL
    ),
    "head regression": HeadRegressionClassifier(HEAD, [WORDS], **ALL),
    "head regression, csls": HeadRegressionClassifier(HEAD, [WORDS], hubness="csls", **ALL),
    "prototypes": PrototypeRegressionClassifier([WORDS], **ALL),
    "prototypes, whitened": PrototypeRegressionClassifier([WORDS], shrinkage=0.5, **ALL),
    "nearest label": NearestLabelClassifier(HashEmbedding(N_FEATURES), **ALL),
    "similarity": similarity(**ALL),
    "similarity, learnt": SimilarityClassifier(None, WordVectorSimilarity(WORDS), **ALL),
    "open label": open_label(),
    "few shot": FewShotClassifier(),
    "few shot, prior": FewShotClassifier(FrozenEstimator(similarity(**ALL).fit()), **ALL),
    "few shot, no image": FewShotClassifier(similarity(), **ALL),
    "few shot, regression": FewShotClassifier(similarity(), regression_weight=0.4, **ALL),
    "ensemble": EnsembleZeroShotClassifier(
        [("map", DeViSEClassifier(WORDS, loss="mse")), ("prior", similarity())], **ALL
    ),
    "calibrated": CalibratedStacking(DeViSEClassifier(WORDS, loss="mse", **ALL), calibration=0.3),
    "calibrated, steps": CalibratedStacking(
        make_pipeline(Normalizer(), DeViSEClassifier(WORDS, loss="mse", **ALL)), calibration=0.3
    ),
    "searched": GridSearchCV(
        DeViSEClassifier(WORDS, loss="mse", **ALL), {"alpha": [1.0, 2.0]}, cv=ClassKFold(2)
    ),
    "logistic regression": LogisticRegression(),
    "stochastic gradient descent": SGDClassifier(random_state=0),
}
REFUSED = {
    "dummy": (DummyZeroShotClassifier(WORDS, **ALL), "it looks at no image"),
    "reject": (RejectOption(open_label(), threshold=0.5), "Export its classifier_"),
    "transductive": (
        TransductiveClassifier(DeViSEClassifier(WORDS, loss="mse", **ALL)),
        "depends on the other images of the batch",
    ),
    "regressor": (EmbeddingRegressor(WORDS), "no scores of labels"),
    "power": (
        make_pipeline(PowerTransformer(), DeViSEClassifier(WORDS, loss="mse")),
        "PowerTransformer cannot be exported to ONNX",
    ),
    "one for each": (
        ConSEClassifier(SGDClassifier(loss="log_loss", random_state=0), WORDS),
        "its probabilities are not the softmax",
    ),
}


@pytest.mark.filterwarnings("ignore::zeroshot.exceptions.LabelWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_the_model(name: str) -> None:
    model = copy.deepcopy(MODELS[name])
    names_alone = name in ("few shot, no image", "similarity", "open label", "conse, head")
    model = model.fit() if names_alone else model.fit(X, Y)
    assert_equal(model, rng.normal(size=(7, N_FEATURES)).astype(np.float32))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_what_a_graph_cannot_hold_is_refused_by_name(name: str) -> None:
    model, message = REFUSED[name]
    with pytest.raises(TypeError, match=f"cannot be exported to ONNX: .*{message}|{message}"):
        add_scores(Graph(), copy.deepcopy(model).fit(X, Y), _onnx.ROWS)


def test_every_classifier_is_exported_or_refused() -> None:
    tried = [*MODELS.values(), *(model for model, _ in REFUSED.values())]
    of_networks = {"SoftmaxClassifier", "FineTuneClassifier"}  # the network is all that there is
    for name in zeroshot.estimators.__all__:
        cls = getattr(zeroshot.estimators, name)
        if hasattr(cls, "decision_function") and not inspect.isabstract(cls):
            known = any(type(model) is cls for model in tried) or name in of_networks
            assert known or name == "SimilarityInitializer", name


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(),
        MinMaxScaler((-1, 2), clip=True),
        Normalizer(),
        Normalizer("l1"),
        Normalizer("max"),
        PCA(3),
        PCA(3, whiten=True),
    ],
    ids=str,
)
def test_steps_of_scikit_learn(step: Any) -> None:
    model = make_pipeline(step, DeViSEClassifier(WORDS, loss="mse", **ALL)).fit(X, Y)
    rows = 3 * rng.normal(size=(7, N_FEATURES)).astype(np.float32)
    rows[0] = 0
    assert_equal(model, rows)


@pytest.mark.parametrize("labels", [SEEN[:2], SEEN[:3]])
def test_softmax_of_the_logits_is_the_probabilities(labels: list[str]) -> None:
    model = LogisticRegression().fit(X[: 10 * len(labels)], Y[: 10 * len(labels)])
    graph = Graph()
    logits = add_logits(graph, model, _onnx.ROWS)
    found = run(graph, graph("Softmax", logits, axis=-1), X)
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-5)


# Whole files -----------------------------------------------------------------------------------

SIDE = 32
IMAGES = rng.integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)


def pipeline(*steps: Any) -> Any:
    backbone = TimmFeatures(
        "test_efficientnet", weights=None, image_size=SIDE, precision="float32", random_state=0
    )
    return make_pipeline(backbone, StandardScaler(), *steps)


@pytest.fixture(scope="module")
def model() -> Any:
    final = DeViSEClassifier(WORDS, loss="mse", temperature=1.0, candidates=[*NAMES, "élan"])
    return pipeline(final).fit(IMAGES, np.repeat(SEEN, 2))


@pytest.fixture(scope="module")
def traced(model: Any) -> Any:
    """The exported network: a few seconds, once."""
    return _onnx._traced(_onnx._source_of(model))


@pytest.fixture
def _no_tracing(traced: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(source: Any) -> Any:
        file = onnx.ModelProto()
        file.CopyFrom(traced)
        return file

    monkeypatch.setattr(_onnx, "_traced", copied)


def scores_of_file(path: Path, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"pixels": pixels})[0]


@pytest.mark.usefixtures("_no_tracing")
def test_a_file_names_images_as_the_model_does(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    zeroshot.export_onnx(model, path)
    source = _onnx._source_of(model)
    for n in (1, 5):
        pixels = rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
        rows = model[0]._opened()(list(pixels)).numpy()
        expected = model[1:].decision_function(rows)
        np.testing.assert_allclose(scores_of_file(path, pixels), expected, atol=1e-4)
    file = onnx.load(path)
    onnx.checker.check_model(file)
    assert [(used.domain, used.version) for used in file.opset_import] == [("", OPSET)]
    assert file.graph.input[0].type.tensor_type.shape.dim[0].dim_param  # any number of images
    about = {entry.key: entry.value for entry in file.metadata_props}
    assert json.loads(about["labels"]) == model.classes_.tolist() and "élan" in about["labels"]
    assert about["model_sha256"] == zeroshot.save(model, tmp_path / "model")
    assert json.loads(about["versions"])["scikit-zeroshot"] == zeroshot.__version__
    assert json.loads(about["preprocessing"]) == source.preprocessing == {
        "resize": 33,
        "side": "shorter",
        "interpolation": "bicubic",
        "crop": [SIDE, SIDE],
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "scaled_in_graph": True,
    }  # fmt: skip
    text = path.read_bytes()
    assert b"site-packages" not in text and str(Path.home()).encode() not in text


@pytest.mark.usefixtures("_no_tracing")
def test_a_wrapper_around_a_pipeline_is_exported(model: Any, tmp_path: Path) -> None:
    calibrated = CalibratedStacking(FrozenEstimator(model), calibration=0.5)
    calibrated.fit(IMAGES, np.repeat(SEEN, 2))
    zeroshot.export_onnx(calibrated, tmp_path / "calibrated.onnx")
    zeroshot.export_onnx(model, tmp_path / "model.onnx")
    apart = scores_of_file(tmp_path / "model.onnx", IMAGES) - scores_of_file(
        tmp_path / "calibrated.onnx", IMAGES
    )
    expected = 0.5 * np.isin(model.classes_, SEEN)
    np.testing.assert_allclose(apart, np.tile(expected, (len(IMAGES), 1)), atol=1e-5)


@pytest.mark.usefixtures("_no_tracing")
def test_the_command_exports_a_saved_model(model: Any, tmp_path: Path, capsys: Any) -> None:
    zeroshot.save(model, tmp_path / "model")
    path = tmp_path / "model.onnx"
    labels = ["--labels", "oak,cat"]
    assert main(["export", str(tmp_path / "model"), "--onnx", str(path), *labels]) == 0
    assert "2 labels" in capsys.readouterr().out
    view = with_candidates(model, ["oak", "cat"])
    rows = view[0]._opened()(list(IMAGES)).numpy()
    scores = scores_of_file(path, IMAGES)
    np.testing.assert_allclose(
        scores[:, 1] - scores[:, 0], view[1:].decision_function(rows), atol=1e-4
    )


def test_the_command_says_what_is_wrong(model: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "empty").mkdir()
    for folder, path, message in (
        ("nothing", "a.onnx", "there is no folder"),
        ("empty", "a.onnx", "is not a model"),
    ):
        words = ["export", str(tmp_path / folder), "--onnx", str(tmp_path / path)]
        assert main(words) == 1
        assert message in capsys.readouterr().err
    zeroshot.save(EmbeddingRegressor(WORDS).fit(X, Y), tmp_path / "regressor")
    words = ["export", str(tmp_path / "regressor"), "--onnx", str(tmp_path / "none/a.onnx")]
    assert main(words) == 1 and "Make it first" in capsys.readouterr().err
    assert main([*words[:-1], str(tmp_path / "a.onnx")]) == 1
    assert "it takes features, not images" in capsys.readouterr().err
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.usefixtures("_no_tracing")
def test_a_graph_that_computes_something_else_is_never_written(model: Any, tmp_path: Path) -> None:
    class Mine(DeViSEClassifier):
        def _project(self, X: Any) -> np.ndarray:
            return 2 * super()._project(X)

    changed = copy.deepcopy(model)
    changed.steps[-1] = ("mine", copy.copy(changed[-1]))
    changed[-1].__class__ = Mine
    zeroshot_save = _onnx.save
    with pytest.MonkeyPatch.context() as patch:  # a subclass cannot be saved, and has no hash
        patch.setattr(_onnx, "save", lambda *_: zeroshot_save(model, tmp_path / "model"))
        with pytest.raises(RuntimeError, match="other scores than the model, up to .* apart"):
            zeroshot.export_onnx(changed, tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()
    with pytest.raises(TypeError, match="Mine"):
        zeroshot.export_onnx(changed, tmp_path / "a.onnx")


def test_a_network_of_its_own_is_exported(tmp_path: Path) -> None:
    model = SoftmaxClassifier("tiny_cnn", training=SHORT, random_state=0)
    model.fit(IMAGES, np.repeat(SEEN, 2)).training = Training(precision="float32")
    path = tmp_path / "model.onnx"
    zeroshot.export_onnx(model, path)
    np.testing.assert_allclose(
        scores_of_file(path, IMAGES[:3]), model.decision_function(IMAGES[:3]), atol=1e-4
    )
    (about,) = (p.value for p in onnx.load(path).metadata_props if p.key == "preprocessing")
    assert json.loads(about)["crop"] == [SIDE, SIDE] and json.loads(about)["resize"] is None


def test_inner_layers_features_and_large_networks_are_refused(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = TimmFeatures("test_efficientnet", weights=None, image_size=SIDE, layer="blocks.1")
    inner = make_pipeline(backbone, FewShotClassifier()).fit(IMAGES, np.repeat(SEEN, 2))
    with pytest.raises(TypeError, match="layer='blocks.1' ends the network early"):
        zeroshot.export_onnx(inner, tmp_path / "a.onnx")
    with pytest.raises(TypeError, match="it takes features, not images"):
        zeroshot.export_onnx(FewShotClassifier().fit(X, Y), tmp_path / "a.onnx")
    monkeypatch.setattr(_onnx, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="one ONNX file holds at most 1,000"):
        zeroshot.export_onnx(model, tmp_path / "a.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(zeroshot.exceptions.MissingDependencyError, match=rf"{package}.*\[onnx\]"):
        zeroshot.export_onnx(FewShotClassifier(), "a.onnx")


@pytest.mark.usefixtures("_no_tracing")
def test_python_of_the_production_page_names_a_photo(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    zeroshot.export_onnx(model, "my-model.onnx")
    photo = Image.fromarray(rng.integers(0, 256, (47, 71, 3), dtype=np.uint8))
    photo.save("new.jpg", quality=95)
    page = (ROOT / "docs/production.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(compile(block, "production.md", "exec"), scope)
    pixels = model[0]._opened().transform(Image.open("new.jpg").convert("RGB"))
    np.testing.assert_array_equal(scope["read"]("new.jpg"), pixels.permute(1, 2, 0).numpy())
    assert capsys.readouterr().out.split() == model.predict(["new.jpg"]).tolist()
    for name in re.findall(r"^\| `(\w+)` \| (?:its|it) ", page, re.MULTILINE):
        assert name in {type(refused).__name__ for refused, _ in REFUSED.values()}
