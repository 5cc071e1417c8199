"""The networks that are trained from scratch: sizes, gradients, layouts, and what they refuse."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import zeroshot.backbones
from zeroshot._utils._device import generator
from zeroshot.networks import SimpNet, TinyImageNetCNN
from zeroshot.networks._pixels import Pixels

NETWORKS = {
    "full": lambda **options: SimpNet(variant="full", **options),
    "slim": lambda **options: SimpNet(variant="slim", **options),
    "tiny": TinyImageNetCNN,
}
SMALLEST = {"full": 4, "slim": 4, "tiny": 8}
every_network = pytest.mark.parametrize("name", NETWORKS)


def make(name, seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name](**options)


def images(n=4, height=16, width=16, dtype=torch.float32):
    return torch.randn(n, 3, height, width, generator=generator(0), dtype=dtype)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def kinds(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


# Sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "n_classes", "published", "rounded"),
    [
        ("full", 10, 5_478_223, "5.48 M"),
        ("full", 100, 5_517_193, "5.52 M"),
        ("slim", 10, 300_964, "0.30 M"),
        ("slim", 100, 309_154, "0.31 M"),
    ],
)
def test_simpnet_has_the_published_number_of_parameters(variant, n_classes, published, rounded):
    network = make(variant)
    total = count(network) + count(nn.Linear(network.n_features, n_classes))
    assert total == published and f"{total / 1e6:.2f} M" == rounded


@pytest.mark.parametrize("variant", ["full", "slim"])
def test_simpnet_has_thirteen_convolutions_two_poolings_and_the_published_dropout(variant):
    network = make(variant)
    assert len(kinds(network, nn.Conv2d)) == len(kinds(network, nn.BatchNorm2d)) == 13
    kept = (nn.Conv2d, nn.MaxPool2d)
    order = [type(module) for module in network.layers if isinstance(module, kept)]
    assert [position for position, kind in enumerate(order) if kind is nn.MaxPool2d] == [5, 11]
    rates = [module.p for module in kinds(network, nn.Dropout)]
    assert rates == ([0.2] * 9 + [0.3] * 4 if variant == "full" else [0.1, 0.2, 0.2])


def test_dropout_follows_the_pooling_where_there_is_one():
    for variant in ("full", "slim"):
        layers = list(make(variant).layers)
        after_pooling = [b for a, b in pairwise(layers) if isinstance(a, nn.MaxPool2d)]
        assert [type(module) for module in after_pooling] == [nn.Dropout] * 2
        assert not any(
            isinstance(a, nn.Dropout) and isinstance(b, nn.MaxPool2d) for a, b in pairwise(layers)
        )


@pytest.mark.parametrize("width", [0.25, 1.0])
def test_tiny_cnn_has_the_parameters_of_its_formula(width):
    channels = [3] + [round(width * full) for full in (64, 128, 256, 512)]
    expected = sum(
        9 * n_in * n_out + 9 * n_out * n_out + 2 * 2 * n_out for n_in, n_out in pairwise(channels)
    )
    assert count(make("tiny", width=width)) == expected
    assert width != 1.0 or expected == 4_687_296


@pytest.mark.parametrize(
    ("name", "width", "n_features"),
    [
        ("full", 1.0, 432),
        ("full", 0.5, 216),
        ("slim", 1.0, 90),
        ("slim", 2, 180),
        ("tiny", 1.0, 512),
        ("tiny", 0.1, 51),
        ("tiny", 1e-6, 1),
    ],
)
def test_width_scales_the_features(name, width, n_features):
    network = make(name, width=width).eval()
    assert network.n_features == n_features
    with torch.no_grad():
        assert network(images(2)).shape == (2, n_features)


@every_network
def test_any_image_size_from_the_smallest_on(name):
    network = make(name, width=0.25).eval()
    side = SMALLEST[name]
    with torch.no_grad():
        for height, width in ((side, side), (side, 37), (33, side + 1), (40, 24)):
            features = network(images(2, height, width))
            assert features.shape == (2, network.n_features) and features.isfinite().all()
        assert network(images(0)).shape == (0, network.n_features)


# Values ----------------------------------------------------------------------------------------


def test_simpnet_by_hand():
    """The published order: convolution, normalisation, ReLU, pooling; the largest at the end."""
    network = make("slim", width=0.2).eval().double()
    x = images(3, dtype=torch.float64)
    state = network.state_dict()
    convolutions = [key.removesuffix(".weight") for key in state if state[key].ndim == 4]
    norms = [key.removesuffix(".running_mean") for key in state if key.endswith("running_mean")]
    with torch.no_grad():
        for norm in kinds(network, nn.BatchNorm2d):  # statistics other than 0 and 1
            norm.running_mean.normal_(generator=generator(1))
            norm.running_var.uniform_(0.5, 2, generator=generator(2))
        expected = x
        for position, (conv, norm) in enumerate(zip(convolutions, norms, strict=True), start=1):
            weight, bias = state[f"{conv}.weight"], state[f"{conv}.bias"]
            expected = nn.functional.conv2d(expected, weight, bias, padding=1)
            mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
            expected = (expected - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
            expected = expected.clamp(min=0)  # scale 1 and shift 0, as initialised
            if position in (5, 10):
                n, c, h, w = expected.shape
                expected = expected.reshape(n, c, h // 2, 2, w // 2, 2).amax(dim=(3, 5))
        torch.testing.assert_close(network(x), expected.flatten(2).max(dim=2).values)


def test_tiny_cnn_ends_in_the_mean():
    network = make("tiny", width=0.1, dropout=0).eval()
    with torch.no_grad():
        maps = network.layers(images())
        assert maps.shape[2:] == (2, 2) and len(kinds(network, nn.MaxPool2d)) == 3
        torch.testing.assert_close(network(images()), maps.flatten(2).mean(dim=2))


@every_network
def test_the_seed_fixes_the_initial_weights(name):
    first, again, other = (make(name, seed, width=0.25).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_simpnet_starts_from_glorots_uniform_weights_and_no_bias():
    for layer in kinds(make("full"), nn.Conv2d):
        bound = (6 / (9 * (layer.in_channels + layer.out_channels))) ** 0.5
        assert 0.99 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert not layer.bias.any()


def test_tiny_cnn_starts_from_hes_normal_weights():
    for layer in kinds(make("tiny"), nn.Conv2d):
        expected = (2 / (9 * layer.in_channels)) ** 0.5
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)


@every_network
def test_evaluation_is_deterministic_and_training_is_not(name):
    network = make(name, width=0.5).eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        assert torch.equal(network(images()), network(images()))
        network.train()
        torch.manual_seed(0)
        first = network(images())
        assert not torch.equal(first, network(images()))  # other units dropped
        torch.manual_seed(0)
        assert torch.equal(first, network(images()))


@every_network
def test_the_company_of_an_image_does_not_change_its_features(name):
    network = make(name, width=0.25).eval()
    with torch.no_grad():
        together = network(images(5))
        torch.testing.assert_close(network(images(5)[2:3])[0], together[2], atol=1e-5, rtol=1e-5)


@every_network
@pytest.mark.parametrize(
    # In training, statistics of few values 13 layers deep enlarge the rounding of float32.
    ("mode", "dtype"),
    [(False, torch.float32), (True, torch.float64)],
    ids=["eval", "train"],
)
def test_channels_last_gives_the_same_numbers(name, mode, dtype):
    network = make(name, width=0.5, dropout=0).train(mode).to(dtype)
    with torch.no_grad():
        expected = network(images(dtype=dtype))
        x = images(dtype=dtype).contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-5)
        network.to(memory_format=torch.channels_last)
        torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-5)


@every_network
def test_dropout_of_zero_drops_nothing(name):
    network = make(name, width=0.5, dropout=0)
    assert [module.p for module in kinds(network, nn.Dropout)] == [0]
    with torch.no_grad():
        assert torch.equal(network(images()), network(images()))


@pytest.mark.parametrize("rate", [0.0, 0.4, 0.5])
def test_dropout_of_the_tiny_cnn_drops_that_share_of_the_features(rate):
    # The images take the place of the maps: ReLU's own zeros would be counted with the dropped.
    network = make("tiny", width=0.5, dropout=rate)
    network.layers = nn.Sequential()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = network(torch.ones(4000, 3, 16, 16))
    assert (features == 0).float().mean().item() == pytest.approx(rate, abs=0.02)
    assert features.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(network.eval()(torch.ones(2, 3, 16, 16)), torch.ones(2, 3))


def test_a_given_dropout_takes_the_place_of_every_published_rate():
    assert [m.p for m in kinds(make("full", dropout=0.5), nn.Dropout)] == [0.5] * 13
    assert [m.p for m in kinds(make("slim", dropout=0.5), nn.Dropout)] == [0.5] * 3
    assert make("tiny").drop.p == 0.4


# Training --------------------------------------------------------------------------------------


@every_network
def test_every_parameter_has_a_gradient(name):
    """In evaluation mode: in training, normalisation takes a bias before it out again."""
    network = make(name, width=0.5).eval()
    network(images(8)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), key


@every_network
def test_training_lowers_the_loss(name):
    """Two dozen steps on eight images that only brightness tells apart."""
    network = make(name, width=0.25, dropout=0)
    head = nn.Linear(network.n_features, 2)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
    targets = torch.arange(8) % 2
    x = images(8) + targets[:, None, None, None]
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=3e-3)
    losses = []
    for _ in range(24):
        loss = nn.functional.cross_entropy(head(network(x)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(0.6931, abs=1e-3) and losses[-1] < 0.2


@every_network
def test_bfloat16_stays_near_float32(name):
    network = make(name, width=0.5, dropout=0).eval()
    with torch.no_grad():
        expected = network(images())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = network(images().contiguous(memory_format=torch.channels_last))
        close = torch.nn.functional.cosine_similarity(features.float(), expected)
    assert (close > 0.999).all()


# What they refuse ------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [SimpNet, TinyImageNetCNN])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be a number above 0, got 0"),
        ({"width": -1.0}, "width must be a number above 0, got -1.0"),
        ({"width": "1"}, "width must be a number above 0, got '1'"),
        ({"dropout": 1}, "dropout must be below 1, got 1"),
        ({"dropout": -0.1}, "dropout must be a number of at least 0, got -0.1"),
        ({"dropout": float("nan")}, "dropout must be a number of at least 0, got nan"),
        ({"dropout": True}, "dropout must be a number of at least 0, got True"),
    ],
)
def test_bad_parameters_are_named(network, options, message):
    with pytest.raises(ValueError, match=f"^{network.__name__}: {message}"):
        network(**options)


def test_simpnet_names_its_variants():
    with pytest.raises(
        ValueError, match="^SimpNet: variant must be one of 'full', 'slim', got 'big'"
    ):
        SimpNet(variant="big")


def test_tiny_cnn_needs_a_rate():
    with pytest.raises(ValueError, match="^TinyImageNetCNN: dropout must be a number .* got None"):
        TinyImageNetCNN(dropout=None)


@every_network
@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            torch.zeros(2, 16, 16, 3),
            r"shape \(n, 3, height, width\), got \(2, 16, 16, 3\).*permute",
        ),
        (torch.zeros(3, 16, 16), r"got \(3, 16, 16\).*image\[None\]"),
        (torch.zeros(2, 1, 16, 16), r"got \(2, 1, 16, 16\)"),
        (torch.zeros(2, 3, 16, 16, dtype=torch.uint8), r"floats, got torch.uint8.*float\(\) / 255"),
        (torch.zeros(2, 3, 3, 16), "at least [48] by [48] pixels.* got 3 by 16. Enlarge"),
        (torch.zeros(2, 3, 16, 0), "at least [48] by [48] pixels.* got 16 by 0"),
    ],
)
def test_bad_images_are_named(name, batch, message):
    network = make(name, width=0.1)
    with pytest.raises(ValueError, match=f"^{type(network).__name__}: images must .*{message}"):
        network(batch)


@pytest.mark.parametrize("name", ["SimpNet", "TinyImageNetCNN"])
def test_their_place_before_says_where_they_are_now(name):
    with pytest.raises(ImportError, match=f"Write: from zeroshot.networks import {name}"):
        exec(f"from zeroshot.backbones import {name}")
    assert name not in dir(zeroshot.backbones)


def test_the_digest_of_images_follows_their_pixels_or_files(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (2, 4, 4, 3), dtype=np.uint8)

    def read(image, position):
        return np.asarray(image)

    held, listed = Pixels(array, (4, 4), read), Pixels([*map(Image.fromarray, array)], (4, 4), read)
    assert held.digest() == Pixels(array.copy(), (4, 4), read).digest() == listed.digest()
    assert held.digest() != Pixels(array[::-1], (4, 4), read).digest()
    path = tmp_path / "image.png"
    Image.fromarray(array[0]).save(path)
    of_files = Pixels([path], (4, 4), read)
    first = of_files.digest()
    assert first == of_files.digest(), "neither size nor time has changed"
    os.utime(path, ns=(1, 1))
    assert of_files.digest() != first
