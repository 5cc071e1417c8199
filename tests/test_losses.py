"""Each loss against its formula in a plain loop, and its gradient against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from zeroshot._utils._device import generator
from zeroshot.losses import (
    CosineLoss,
    CosineMarginLoss,
    HingeRankLoss,
    MSELoss,
    StructuredHingeLoss,
    WeightedRankLoss,
)

N, D, CLASSES = 9, 5, 4


def example(seed=0, dtype=torch.float64):
    source = generator(seed)
    predicted = torch.randn(N, D, generator=source, dtype=dtype)
    vectors = torch.nn.functional.normalize(
        torch.randn(CLASSES, D, generator=source, dtype=dtype), dim=1
    )
    targets = torch.randint(CLASSES, (N,), generator=source)
    return predicted, targets, vectors


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def cosine(a, b):
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def naive_mse(predicted, targets, vectors):
    total = 0.0
    for row, y in zip(predicted, targets, strict=True):
        total += sum((float(a) - float(b)) ** 2 for a, b in zip(row, vectors[y], strict=True)) / D
    return total / N


def naive_cosine(predicted, targets, vectors):
    return sum(1 - cosine(row, vectors[y]) for row, y in zip(predicted, targets, strict=True)) / N


def naive_cosine_margin(predicted, targets, vectors, margin, wrong):
    total = 0.0
    for row, y, j in zip(predicted, targets, wrong, strict=True):
        assert j != y
        total += 1 - cosine(row, vectors[y]) + max(0.0, cosine(row, vectors[j]) - margin)
    return total / N


def naive_hinge(predicted, targets, vectors, margin):
    total = 0.0
    for row, y in zip(predicted, targets, strict=True):
        for j in range(len(vectors)):
            if j != y:
                total += max(0.0, margin - dot(vectors[y], row) + dot(vectors[j], row))
    return total / N


def naive_violations(row, y, vectors, margin):
    """What each wrong class costs, where it costs anything."""
    true = dot(vectors[y], row)
    costs = [margin - true + dot(vectors[j], row) for j in range(len(vectors)) if j != y]
    return [cost for cost in costs if cost > 0]


def naive_weighted_rank(predicted, targets, vectors, margin):
    total = 0.0
    for row, y in zip(predicted, targets, strict=True):
        costs = naive_violations(row, y, vectors, margin)
        r = len(costs)
        if r:
            total += sum(1 / i for i in range(1, r + 1)) / r * sum(costs)
    return total / N


def naive_structured_hinge(predicted, targets, vectors, margin):
    rows = zip(predicted, targets, strict=True)
    return sum(max(naive_violations(row, y, vectors, margin), default=0) for row, y in rows) / N


@pytest.mark.parametrize("seed", range(3))
def test_mse(seed):
    assert MSELoss()(*example(seed)).item() == pytest.approx(naive_mse(*example(seed)), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_cosine(seed):
    got = CosineLoss()(*example(seed)).item()
    assert got == pytest.approx(naive_cosine(*example(seed)), rel=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_hinge_rank(seed, margin):
    got = HingeRankLoss(margin)(*example(seed)).item()
    assert got == pytest.approx(naive_hinge(*example(seed), margin), rel=1e-12)


def naive_sampled_hinge(predicted, targets, vectors, margin, wrong):
    """`wrong` holds the positions of the classes drawn, a row a sample."""
    total = 0.0
    for row, y, drawn in zip(predicted, targets, wrong, strict=True):
        for j in drawn:
            assert j != y
            cost = max(0.0, margin - dot(vectors[y], row) + dot(vectors[j], row))
            total += cost * (len(vectors) - 1) / len(drawn)
    return total / N


@pytest.mark.parametrize("margin", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("n_negatives", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_sampled_hinge_rank(seed, n_negatives, margin):
    predicted, targets, vectors = example(seed)
    steps = torch.randint(1, CLASSES, (N, n_negatives), generator=generator(7))
    wrong = (targets[:, None] + steps) % CLASSES
    got = HingeRankLoss(margin, n_negatives, generator(7))(predicted, targets, vectors).item()
    expected = naive_sampled_hinge(predicted, targets, vectors, margin, wrong)
    assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_negatives", [1, 2])
def test_sampled_hinge_rank_is_right_on_average(n_negatives):
    """Loss and gradient: 4,000 copies of every sample are as many draws."""
    predicted, targets, vectors = example()
    predicted.requires_grad_()
    expected = HingeRankLoss(0.5)(predicted, targets, vectors)
    (slope,) = torch.autograd.grad(expected, predicted)
    sampled = HingeRankLoss(0.5, n_negatives, generator(0))
    got = sampled(predicted.repeat(4000, 1), targets.repeat(4000), vectors)
    (estimate,) = torch.autograd.grad(got, predicted)
    assert got.item() == pytest.approx(expected.item(), rel=0.02)
    assert torch.linalg.norm(estimate - slope) < 0.03 * torch.linalg.norm(slope)


@pytest.mark.parametrize("n_negatives", [CLASSES - 1, CLASSES, 1000])
def test_as_many_negatives_as_wrong_classes_are_all_of_them(n_negatives):
    source = generator(0)
    before = source.get_state()
    got = HingeRankLoss(0.1, n_negatives, source)(*example())
    assert torch.equal(got, HingeRankLoss(0.1)(*example()))
    assert torch.equal(source.get_state(), before)  # nothing was left to chance


def test_sampled_hinge_rank_draws_every_wrong_class_and_never_the_true_one():
    """Only a draw of class j costs anything, three times a cost of 1: once on average."""
    n = 3000
    loss = HingeRankLoss(0.0, 1, generator(0))
    targets = torch.full((n,), 2)
    predicted = torch.eye(CLASSES).repeat_interleave(n, dim=0)
    costs = [loss(rows, targets, torch.eye(CLASSES)).item() for rows in predicted.split(n)]
    assert costs[2] == 0
    np.testing.assert_allclose([costs[j] for j in (0, 1, 3)], 1, atol=0.1)


@pytest.mark.parametrize("margin", ["a", None, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "loss", [CosineMarginLoss, HingeRankLoss, WeightedRankLoss, StructuredHingeLoss]
)
def test_bad_margins_are_named(loss, margin):
    with pytest.raises(ValueError, match=f"{loss.__name__}: margin must be a number, got"):
        loss(margin)


@pytest.mark.parametrize("n_negatives", [0, -1, 1.5, True, "all"])
def test_bad_numbers_of_negatives_are_named(n_negatives):
    with pytest.raises(
        ValueError, match="^HingeRankLoss: n_negatives must be an integer of at least 1, got"
    ):
        HingeRankLoss(n_negatives=n_negatives)


@pytest.mark.parametrize("margin", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_weighted_rank(seed, margin):
    """Samples with no, some, and all wrong classes within the margin are among these."""
    got = WeightedRankLoss(margin)(*example(seed)).item()
    assert got == pytest.approx(naive_weighted_rank(*example(seed), margin), rel=1e-12)


def test_weighted_rank_of_one_violating_class_is_the_hinge():
    predicted, vectors = torch.tensor([[0.0, 0.4, -2.0]]), torch.eye(3)
    got = WeightedRankLoss(1.0)(predicted, torch.tensor([0]), vectors).item()
    assert (
        got
        == pytest.approx(1.4)
        == StructuredHingeLoss(1.0)(predicted, torch.tensor([0]), vectors).item()
    )


@pytest.mark.parametrize("margin", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_structured_hinge(seed, margin):
    got = StructuredHingeLoss(margin)(*example(seed)).item()
    assert got == pytest.approx(naive_structured_hinge(*example(seed), margin), rel=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_cosine_margin(seed, margin):
    predicted, targets, vectors = example(seed)
    steps = torch.randint(1, CLASSES, (N,), generator=generator(7))
    wrong = (targets + steps) % CLASSES
    got = CosineMarginLoss(margin, generator(7))(predicted, targets, vectors).item()
    expected = naive_cosine_margin(predicted, targets, vectors, margin, wrong)
    assert got == pytest.approx(expected, rel=1e-12)


def test_cosine_margin_draws_every_wrong_class_and_never_the_true_one():
    """With orthogonal vectors and a prediction at class j, only drawing j costs anything."""
    n = 3000
    loss = CosineMarginLoss(0.0, generator(0))
    targets = torch.full((n,), 2)
    costs = []
    for j in range(CLASSES):
        predicted = torch.eye(CLASSES)[j].repeat(n, 1)
        costs.append(loss(predicted, targets, torch.eye(CLASSES)).item())
    # The true class: 1 - cos = 0, and no draw of it. Others: 1 plus the share of draws, a third.
    assert costs[2] == 0
    np.testing.assert_allclose([costs[j] for j in (0, 1, 3)], 1 + 1 / 3, atol=0.03)


@pytest.mark.parametrize("make", [CosineMarginLoss, lambda: HingeRankLoss(0.1, n_negatives=1)])
def test_without_a_generator_draws_follow_torchs_seed(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first, second = (make()(*example()).item() for _ in range(2))
        torch.manual_seed(3)
        assert make()(*example()).item() == first != second


@pytest.mark.parametrize("make", [CosineMarginLoss, lambda: HingeRankLoss(0.1, n_negatives=1)])
def test_draws_come_from_the_cpu_whatever_the_default_device(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = make()(*example()).item()
        batch = example()
        torch.manual_seed(3)
        with torch.device("meta"):
            assert make()(*batch).item() == expected


def test_one_class_has_no_wrong_class():
    predicted, _, vectors = example()
    targets = torch.zeros(N, dtype=torch.int64)
    for loss in (
        HingeRankLoss(0.3),
        HingeRankLoss(0.3, n_negatives=2),
        WeightedRankLoss(),
        StructuredHingeLoss(),
    ):
        assert loss(predicted, targets, vectors[:1]).item() == pytest.approx(0, abs=1e-12)
    assert CosineMarginLoss(0.3)(predicted, targets, vectors[:1]).item() == pytest.approx(
        naive_cosine(predicted, targets, vectors[:1])
    )


def test_hinge_is_zero_once_every_margin_is_kept():
    vectors = torch.eye(CLASSES, dtype=torch.float64)
    targets = torch.arange(CLASSES)
    assert HingeRankLoss(0.1)(vectors, targets, vectors).item() == pytest.approx(0, abs=1e-12)
    assert HingeRankLoss(1.5)(vectors, targets, vectors).item() == pytest.approx(0.5 * 3)


LOSSES = {
    "mse": MSELoss,
    "cosine": CosineLoss,
    "hinge": lambda: HingeRankLoss(0.1),
    "sampled-hinge": lambda: HingeRankLoss(0.1, 2, generator(5)),
    "cosine-margin": lambda: CosineMarginLoss(0.1, generator(5)),
    "weighted-rank": WeightedRankLoss,
    "structured-hinge": StructuredHingeLoss,
}


@pytest.mark.parametrize("seed", range(3))
def test_the_examples_are_away_from_kinks(seed):
    """Where a hinge starts to cost, or two classes cost the same, there is no gradient to check."""
    predicted, targets, vectors = example(seed)
    scores = predicted @ vectors.T
    gaps = scores - scores.gather(1, targets[:, None])
    wrong = gaps[gaps != 0].reshape(N, CLASSES - 1)
    cosines = torch.nn.functional.cosine_similarity(predicted[:, None], vectors[None], dim=2)
    assert min((wrong + margin).abs().min() for margin in (0.1, 1.0)) > 1e-4
    assert (cosines - 0.1).abs().min() > 1e-4
    assert wrong.sort(dim=1).values.diff(dim=1).min() > 1e-4


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_finite_differences(make, seed):
    predicted, targets, vectors = example(seed)
    predicted.requires_grad_()
    # A fresh loss a call: the draws of wrong classes have to be the same ones.
    assert torch.autograd.gradcheck(lambda p: make()(p, targets, vectors), (predicted,))


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_a_step_against_the_gradient_lowers_the_loss(make):
    predicted, targets, vectors = example()
    predicted.requires_grad_()
    before = make()(predicted, targets, vectors)
    (slope,) = torch.autograd.grad(before, predicted)
    assert make()(predicted - 1e-3 * slope, targets, vectors) < before


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_losses_are_scalars_and_take_a_zero_prediction(make):
    predicted = torch.zeros(N, D, requires_grad=True)
    _, targets, vectors = example(dtype=torch.float32)
    loss = make()(predicted, targets, vectors)
    loss.backward()
    assert loss.shape == () and loss.isfinite() and predicted.grad.isfinite().all()


@pytest.mark.parametrize(
    "loss",
    [
        MSELoss(),
        CosineLoss(),
        HingeRankLoss(),
        HingeRankLoss(n_negatives=2, generator=torch.Generator()),
        CosineMarginLoss(generator=torch.Generator()),
        WeightedRankLoss(),
        StructuredHingeLoss(),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_weights_multiply_the_loss_of_each_sample(loss):
    predicted = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    vectors = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    targets, weights = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([2.0, 0.0, 1.0, 0.5, 1.5])

    def value(rows=slice(None), **given):
        if getattr(loss, "generator", None) is not None:
            loss.generator.manual_seed(5)
        return loss(predicted[rows], targets[rows], vectors, **given)

    # One row's own loss: with the weight 5 for it, and none for the others.
    each = torch.stack([value(weights=5 * torch.eye(5)[row]) for row in range(5)])
    torch.testing.assert_close(value(), each.mean())
    torch.testing.assert_close(value(weights=weights), (weights * each).mean())
