"""The training loop and the maps that it trains."""

from __future__ import annotations

import copy
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn

from zeroshot import (
    ALEClassifier,
    AttributeTable,
    DeViSEClassifier,
    EmbeddingRegressor,
    SJEClassifier,
    Training,
)
from zeroshot._linear import SystemOfRows, apply_map
from zeroshot._utils._device import generator, to_tensor
from zeroshot.losses import MSELoss
from zeroshot.networks._loop import TensorRows, TrainingSettings, linear_layers, train
from zeroshot.networks._perceptron import fit_perceptron

FittedMap = namedtuple("FittedMap", ["coefs", "intercepts", "history"])

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)).astype(np.float32)
TARGETS = RNG.integers(3, size=30)
VECTORS = RNG.normal(size=(3, 2)).astype(np.float32)


def settings(**changes):
    values = {
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 0.05,
        "weight_decay": 0.1,
        "seed": 0,
        "device": "cpu",
    }
    return TrainingSettings(**{**values, **changes})


def fit(network, x=X, targets=TARGETS, chosen=None, **kwargs):
    """Train on arrays, and return the losses."""
    rows = TensorRows(*(to_tensor(array, torch.device("cpu")) for array in (x, targets)))
    return [e["loss"] for e in train(network, mse, rows, chosen or settings(), **kwargs).history]


def mse(outputs, rows):
    return MSELoss()(outputs, rows, torch.from_numpy(VECTORS))


def naive_adamw(weight, bias, settings):
    """AdamW (Loshchilov & Hutter, algorithm 2) on a linear map and MSE, in NumPy, float64."""
    parameters = [weight.astype(np.float64), bias.astype(np.float64)]
    m, v = [0.0, 0.0], [0.0, 0.0]
    n_steps = settings.epochs * -(-len(X) // settings.batch_size)
    t, history = 0, []
    for epoch in range(settings.epochs):
        order = generator(settings.seed, stream=1 + epoch)
        permutation = torch.randperm(len(X), generator=order).numpy()
        losses = []
        for start in range(0, len(X), settings.batch_size):
            rows = permutation[start : start + settings.batch_size]
            difference = X[rows] @ parameters[0].T + parameters[1] - VECTORS[TARGETS[rows]]
            losses += (difference**2).mean(axis=1).tolist()
            slope = 2 * difference / difference.size
            gradients = [slope.T @ X[rows], slope.sum(axis=0)]
            rate = settings.learning_rate * (1 + np.cos(np.pi * t / n_steps)) / 2
            t += 1
            for i, g in enumerate(gradients):
                parameters[i] = parameters[i] * (1 - rate * settings.weight_decay)
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.999 * v[i] + 0.001 * g**2
                step = (m[i] / (1 - 0.9**t)) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
                parameters[i] = parameters[i] - rate * step
        history.append(np.mean(losses))
    return parameters, history


@pytest.mark.parametrize("batch_size", [8, 30, 1000])
def test_training_is_adamw_along_half_a_cosine(batch_size):
    (layer,) = linear_layers((4, 2), seed=1)
    chosen = settings(batch_size=batch_size)
    (weight, bias), expected = naive_adamw(
        layer.weight.detach().numpy(), layer.bias.detach().numpy(), chosen
    )
    history = fit(layer, chosen=chosen)
    np.testing.assert_allclose(layer.weight.detach().numpy(), weight, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.detach().numpy(), bias, rtol=1e-4, atol=1e-5)
    # The mean over samples, the short last batch weighed by its size.
    np.testing.assert_allclose(history, expected, rtol=1e-5)


def test_a_sample_left_over_joins_the_step_before():
    sizes = []

    class Normalised(nn.Linear):
        def forward(self, rows):
            sizes.append(len(rows))
            return nn.functional.batch_norm(super().forward(rows), None, None, training=True)

    history = fit(Normalised(4, 2), chosen=settings(epochs=1, batch_size=29))
    assert sizes == [30] and np.isfinite(history).all()
    fit(Normalised(4, 2), chosen=settings(epochs=1, batch_size=10, accumulation=4))
    assert sizes[1:] == [3, 3, 4] * 3
    fit(Normalised(4, 2), chosen=settings(epochs=1, batch_size=15, accumulation=8))
    assert sizes[10:] == ([2] * 6 + [3]) * 2


def test_the_seed_orders_the_samples():
    histories = []
    for seed in (0, 0, 1):
        (layer,) = linear_layers((4, 2), seed=5)
        histories.append(fit(layer, chosen=settings(seed=seed)))
    assert histories[0] == histories[1] != histories[2]


def test_the_loss_falls_and_the_network_is_left_in_evaluation():
    network = nn.Sequential(*linear_layers((4, 2), seed=0), nn.Dropout(0.0))
    history = fit(network, chosen=settings(epochs=20, batch_size=30))
    assert len(history) == 20 and history[-1] < history[0] / 2
    assert not network.training


def test_data_and_global_random_state_are_left_alone():
    x, targets, state = X.copy(), TARGETS.copy(), torch.get_rng_state()
    x.flags.writeable = False
    (layer,) = linear_layers((4, 2), seed=0)
    fit(layer, x, targets)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(targets, TARGETS)
    assert torch.equal(state, torch.get_rng_state())


def test_a_diverging_loss_says_what_to_change():
    (layer,) = linear_layers((4, 2), seed=0)
    with pytest.raises(FloatingPointError, match=r"at step \d of 4 in epoch \d+ of 9. Lower lea"):
        fit(layer, X * 1e10, chosen=settings(epochs=9, learning_rate=1e25))


def test_layers_are_glorot_uniform_from_their_own_generator():
    state = torch.get_rng_state()
    first, second = linear_layers((200, 100, 7), seed=3)
    assert torch.equal(state, torch.get_rng_state())
    assert (first.weight.shape, second.weight.shape) == ((100, 200), (7, 100))
    for layer in (first, second):
        bound = np.sqrt(6 / sum(layer.weight.shape))
        assert layer.weight.abs().max() <= bound and not layer.bias.any()
        assert layer.weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.05)
    again = linear_layers((200, 100, 7), seed=3)
    assert all(torch.equal(a.weight, b.weight) for a, b in zip((first, second), again, strict=True))
    assert not torch.equal(linear_layers((200, 100), seed=4)[0].weight, first.weight)


# Maps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("shape", [(30, 4), (6, 9)])
def test_ridge_solves_the_normal_equations_with_a_free_intercept(alpha, shape):
    """DESIGN: A = Z'Z + diag(alpha, ..., alpha, 0) with Z = [X 1]."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=shape) + 3, rng.normal(size=(shape[0], 2)) - 5
    z = np.hstack([x, np.ones((shape[0], 1))])
    penalty = np.diag([alpha] * shape[1] + [0.0])
    solution = np.linalg.solve(z.T @ z + penalty, z.T @ y)
    fitted = SystemOfRows(x, y).ridge(None, alpha)
    np.testing.assert_allclose(fitted.coef, solution[:-1], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fitted.intercept, solution[-1], rtol=1e-8)


def test_ridge_of_one_output_has_the_same_shapes():
    fitted = SystemOfRows(X, VECTORS[TARGETS][:, :1]).ridge(None, 1.0)
    assert fitted.coef.shape == (4, 1) and fitted.intercept.shape == (1,)
    assert fitted.coef.dtype == np.float64


def naive_perceptron(x, coefs, intercepts):
    out = []
    for row in x:
        for position, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            if position:
                row = [max(0.0, value) for value in row]
            row = [
                sum(value * coef[i, j] for i, value in enumerate(row)) + intercept[j]
                for j in range(coef.shape[1])
            ]
        out.append(row)
    return np.array(out)


def test_apply_map_is_a_perceptron_with_relu():
    coefs = [RNG.normal(size=shape) for shape in ((4, 5), (5, 3), (3, 2))]
    intercepts = [RNG.normal(size=width) for width in (5, 3, 2)]
    x = RNG.normal(size=(6, 4))
    got = apply_map(x, coefs, intercepts)
    np.testing.assert_allclose(got, naive_perceptron(x, coefs, intercepts), rtol=1e-12)
    assert apply_map(x.astype(np.float32), coefs, intercepts).dtype == np.float32


@pytest.mark.parametrize("hidden", [(), (6,), (6, 5)])
def test_weights_are_for_features_as_they_are(hidden):
    """Scaling is for the optimiser's sake and is folded into the first layer."""
    x = 40 * X.astype(np.float64) + np.array([1.0, -200.0, 30.0, 0.0])
    fitted = FittedMap(*fit_perceptron(x, TARGETS, VECTORS, MSELoss(), hidden, settings()))
    layers = linear_layers((4, *hidden, 2), seed=0)
    modules = [layers[0]]
    for layer in layers[1:]:
        modules += [nn.ReLU(), layer]
    network = nn.Sequential(*modules)
    scale = np.sqrt(np.mean((x - x.mean(axis=0)) ** 2))
    scaled = ((x - x.mean(axis=0)) / scale).astype(np.float32)
    history = fit(network, scaled)
    with torch.no_grad():
        expected = network(torch.from_numpy(scaled)).numpy()
    got = apply_map(x, fitted.coefs, fitted.intercepts)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert [entry["loss"] for entry in fitted.history] == history
    assert [coef.shape for coef in fitted.coefs] == [
        tuple(reversed(layer.weight.shape)) for layer in layers
    ]


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e-9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_features_are_not_scaled_by_their_rounding(value, dtype):
    # The mean of thirty 0.1s is not 0.1: dividing by what is left gave weights of 1e16.
    x = np.full((30, 4), value, dtype=dtype)
    fitted = FittedMap(*fit_perceptron(x, TARGETS, VECTORS, MSELoss(), (), settings()))
    assert np.abs(fitted.coefs[0]).max() < 10
    assert (
        np.ptp(apply_map(x.astype(np.float64), fitted.coefs, fitted.intercepts), axis=0).max() == 0
    )


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_scale_of_the_features_changes_nothing_else(factor):
    x = X.astype(np.float64)
    plain = FittedMap(*fit_perceptron(x, TARGETS, VECTORS, MSELoss(), (5,), settings()))
    scaled = FittedMap(*fit_perceptron(x * factor, TARGETS, VECTORS, MSELoss(), (5,), settings()))
    np.testing.assert_allclose(
        apply_map(x * factor, scaled.coefs, scaled.intercepts),
        apply_map(x, plain.coefs, plain.intercepts),
        rtol=1e-3,
        atol=1e-4,
    )


def test_tensors_from_read_only_and_reversed_arrays():
    # torch has neither read-only tensors nor negative strides.
    frozen = X.copy()
    frozen.flags.writeable = False
    for array in (frozen, X[::-1]):
        given = copy.deepcopy(array)
        tensor = to_tensor(array, torch.device("cpu"))
        tensor += 1
        np.testing.assert_array_equal(tensor.numpy(), given + 1)
        np.testing.assert_array_equal(array, given)


SMALL = Training(epochs=15, batch_size=2, weight_decay=50, learning_rate=0.01)


@pytest.mark.parametrize(
    "model",
    [
        ALEClassifier(training=SMALL, random_state=0),
        SJEClassifier(training=SMALL, random_state=0),
        DeViSEClassifier(training=SMALL, random_state=0),
        DeViSEClassifier(training=SMALL, random_state=0, hidden=(3,)),
        EmbeddingRegressor(loss="cosine", training=SMALL, random_state=0),
        DeViSEClassifier(training=SMALL, random_state=0, network="tiny_cnn"),
    ],
    ids=lambda model: f"{type(model).__name__}{model.hidden if hasattr(model, 'hidden') else ''}",
)
def test_no_weight_decays_into_denormal_numbers(model):
    """Dimensions that no seen class has get no gradient, and weight decay alone would move them."""
    rng = np.random.default_rng(0)
    table = AttributeTable([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 5]], list("abcd"))
    y = np.repeat(list("abc"), 20)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    images = getattr(model, "network", None) is not None
    if images:
        X = rng.integers(0, 255, (60, 32, 32, 3), dtype=np.uint8)
        model.set_params(training__epochs=1, training__batch_size=30)  # it takes longer
    model.set_params(label_embedding=table).fit(X, y)
    layers = [w for w in getattr(model, "coefs_", [vars(model).get("coef_")]) if w is not None]
    if images:
        head = model.network_.head[-1]
        layers = [head.weight.detach().numpy().T]
    for weights in layers:
        assert not ((weights != 0) & (abs(weights) < np.finfo(np.float32).tiny)).any()
    assert (layers[-1][:, 3] == 0).all() and (layers[-1][:, :3] != 0).any()
