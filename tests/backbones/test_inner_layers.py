"""Features of any layer: against hooks on the plain network, and what cannot be pooled."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from zeroshot import TimmFeatures
from zeroshot.backbones._network import InnerLayer
from zeroshot.backbones._weights import create_network

SIZE = 32
LAYERS = ["conv_stem", "bn1", "blocks.2", "blocks.1.0", "conv_head", "global_pool"]


def features(layer: Any, pool_size: int = 1, **params: Any) -> TimmFeatures:
    options = {"weights": None, "image_size": SIZE, "random_state": 0, "precision": "float32"}
    options |= {"layer": layer, "pool_size": pool_size, "device": "cpu"} | params
    return TimmFeatures(**({"model_name": "test_efficientnet"} | options))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


def output_of(fitted: TimmFeatures, layer: str, images: np.ndarray) -> torch.Tensor:
    """Return what a hook on the plain network, with the same weights, sees."""
    network = create_network(fitted.model_name, None, seed=fitted._seed, owner="test")
    caught = []
    network.get_submodule(layer).register_forward_hook(lambda *given: caught.append(given[2]))
    with torch.inference_mode():
        network(fitted._network._to_input(list(images)))
    return caught[0].clone()


def computed(fitted: TimmFeatures, images: np.ndarray) -> np.ndarray:
    """Return the features of images that are as large as the input, without a crop."""
    return fitted._network(list(images)).numpy()


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_gives_the_mean_of_what_a_hook_sees(layer: str, images: np.ndarray) -> None:
    fitted = features(layer).fit()
    seen = output_of(fitted, layer, images)
    expected = seen.mean(dim=(2, 3)) if seen.ndim == 4 else seen
    got = computed(fitted, images)
    assert fitted.transform(images).shape == got.shape == (3, fitted.n_features_out_)
    largest = float(expected.abs().max())
    np.testing.assert_allclose(got, expected.numpy(), rtol=0, atol=1e-4 * largest)


def test_a_grid_keeps_where_things_are(images: np.ndarray) -> None:
    fitted = features("blocks.0", 2).fit()
    seen = output_of(fitted, "blocks.0", images)
    half = seen.shape[-1] // 2
    corners = [(row, column) for row in (0, half) for column in (0, half)]
    cells = [seen[:, :, r : r + half, c : c + half].mean((2, 3)) for r, c in corners]
    expected = torch.stack(cells, dim=2).flatten(1)
    np.testing.assert_allclose(computed(fitted, images), expected.numpy(), rtol=1e-4, atol=1e-4)
    whole = features("blocks.0").fit().transform(images)
    by_channel = fitted.transform(images).reshape(3, -1, 4).mean(axis=2)
    np.testing.assert_allclose(by_channel, whole, rtol=1e-4, atol=1e-4)


def test_what_stands_behind_the_layer_is_not_computed(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = features("blocks.1").fit()
    passed = []
    for name, layer in fitted._network.inner.module.named_modules():
        layer.register_forward_pre_hook(lambda *_, name=name: passed.append(name))
    fitted.transform(images)
    assert "blocks.1" in passed and not {"blocks.2", "conv_head", "classifier"} & set(passed)


def test_tokens_of_a_transformer_are_averaged(images: np.ndarray) -> None:
    fitted = features("blocks.0", model_name="test_vit", image_size=None).fit()
    seen = output_of(fitted, "blocks.0", images)
    np.testing.assert_allclose(
        computed(fitted, images), seen.mean(dim=1).numpy(), rtol=1e-4, atol=1e-4
    )
    with pytest.raises(ValueError, match="pool_size=2 cannot average. Pass pool_size=1"):
        features("blocks.0", 2, model_name="test_vit", image_size=None).fit()


def test_logits_are_the_whole_networks_and_a_pickle_opens_the_layer_again(
    images: np.ndarray,
) -> None:
    fitted, last = features("blocks.0").fit(), features(None).fit()
    assert fitted.weights_hash_ == last.weights_hash_
    np.testing.assert_allclose(fitted.logits(images), last.logits(images), rtol=1e-4, atol=1e-4)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(images), fitted.transform(images))
    assert clone(fitted).get_params()["layer"] == "blocks.0"
    with pytest.raises(AttributeError, match="layer='blocks.0'"):
        fitted.source_head_  # noqa: B018


@pytest.mark.parametrize(
    ("layer", "pool_size", "says"),
    [
        (
            "blocks.9",
            1,
            "layer must be a layer of the network, such as 'conv_stem', 'bn1'",
        ),
        ("", 1, "layer must be a layer"),
        (3, 1, "layer must be a layer of the network, .* got 3"),
        ("blocks", 0, "pool_size must be an integer of at least 1, got 0"),
        (None, 2, "pool_size=2 is for the maps of an inner layer, and layer is None"),
        ("global_pool", 2, r"layer='global_pool' gives shape \(256,\) .* which pool_size=2"),
    ],
)
def test_what_is_no_layer_is_refused(layer: Any, pool_size: int, says: str) -> None:
    with pytest.raises(ValueError, match=f"TimmFeatures: {says}"):
        features(layer, pool_size).fit()


def test_a_layer_that_images_pass_by_is_named() -> None:
    class Passing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = torch.nn.Identity(), torch.nn.Identity()

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.used(pixels)

    with pytest.raises(ValueError, match="images do not pass through layer='idle'"):
        InnerLayer(Passing(), "idle", 1, owner="TimmFeatures")(torch.zeros(1, 3, 2, 2))
