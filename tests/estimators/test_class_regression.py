"""Kernel ridge regression over classes: naive formulas, left-out classes, bad kernels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from zeroshot import AttributeTable, HashEmbedding, WordNetSimilarity
from zeroshot.estimators._class_regression import (
    ClassKernel,
    fit_class_regression,
    left_out_error,
    positive_part,
    solve_definite,
    weightings,
)
from zeroshot.exceptions import UnknownLabelError

RNG = np.random.default_rng(0)
LABELS = np.array([f"c{i}" for i in range(9)])
VECTORS = RNG.normal(size=(9, 4)) + 1
TABLE = AttributeTable(VECTORS, LABELS)
Y = RNG.normal(size=(7, 5)) + 2
SOURCES, TARGETS = LABELS[:7], LABELS[7:]


class Given:
    """A similarity from a matrix, by label."""

    def __init__(self, matrix):
        self.table = np.asarray(matrix)

    def matrix(self, targets, sources):
        rows, columns = (np.searchsorted(LABELS, names) for names in (targets, sources))
        return self.table[np.ix_(rows, columns)]


def fit(measures, Y=Y, sources=SOURCES, **changes):
    options = {"gamma": 0.7, "alpha": 0.3, "weights": "auto", "owner": "Owner", **changes}
    return fit_class_regression(measures, sources, None, Y, **options)


def naive_kernel(gamma=0.7):
    offset = VECTORS[:7].mean(axis=0)
    units = VECTORS - offset
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    K = rbf_kernel(units, gamma=gamma)
    features = np.eye(9)  # centre in the space of features: subtract the mean of the sources
    centring = features - np.repeat([[1 / 7] * 7 + [0, 0]], 9, axis=0)
    centred = centring @ K @ centring.T
    return centred / np.diag(centred)[:7].mean()


def test_the_formula():
    K = naive_kernel()
    expected = K[7:, :7] @ np.linalg.inv(K[:7, :7] + 0.3 * np.eye(7)) @ (Y - Y.mean(axis=0))
    regression, error = fit([TABLE])
    np.testing.assert_allclose(regression.predict(TARGETS, owner="Owner"), expected, rtol=1e-5)
    assert np.isnan(error)


def test_residuals_of_left_out_classes_are_those_of_fits_without_them():
    K = naive_kernel()[:7, :7]
    for alpha in (0.05, 0.3, 4.0):
        squares, control = 0.0, 0.0
        for i in range(7):
            rest = np.delete(np.arange(7), i)
            # with an intercept, which is not penalised
            system = np.zeros((7, 7))
            system[:6, :6] = K[np.ix_(rest, rest)] + alpha * np.eye(6)
            system[:6, 6] = system[6, :6] = 1
            solution = np.linalg.solve(system, np.vstack([Y[rest], np.zeros(5)]))
            predicted = K[i, rest] @ solution[:6] + solution[6]
            squares += np.square(Y[i] - predicted).sum()
            control += np.square(Y[i] - Y[rest].mean(axis=0)).sum()
        values, Q = positive_part(K)
        centred = Y - Y.mean(axis=0)
        error = left_out_error(values, Q, Q.T @ centred, centred, alpha)
        np.testing.assert_allclose(error, squares / control, rtol=1e-8)


def test_penalty_and_weights_are_those_of_the_smallest_error():
    noise = HashEmbedding(4)
    alphas = [0.01, 0.1, 1.0, 10.0]
    targets = VECTORS[:7] @ RNG.normal(size=(4, 5))
    regression, error = fit([TABLE, noise], targets, alpha=alphas)
    errors = {}
    for weights in weightings("auto", [True, True]):
        for alpha in alphas:
            _, errors[tuple(weights), alpha] = fit(
                [TABLE, noise], targets, alpha=[alpha, alpha], weights=weights
            )
    best = min(errors, key=errors.get)
    assert (tuple(regression.weights), regression.alpha) == best
    assert error == pytest.approx(errors[best]) and error < 1
    assert regression.weights[0] > regression.weights[1]


def test_negative_eigenvalues_count_as_zero():
    rotation = np.linalg.qr(RNG.normal(size=(9, 9)))[0]
    S = rotation @ np.diag([3, 2, 1.5, 1, 0.5, -0.4, -0.8, -1, -2]) @ rotation.T
    kernel, K = ClassKernel.of_sources(Given(S), SOURCES, None, 1.0, owner="Owner")
    eigenvalues = np.linalg.eigvalsh(K)
    assert eigenvalues[0] < -0.1
    values, Q = positive_part(K)
    assert (values > 0).all() and len(values) == (eigenvalues > 1e-9).sum()
    nearest = Q @ np.diag(values) @ Q.T
    centred = Y - Y.mean(axis=0)
    dual = solve_definite(K, centred, 0.2)
    # On the source classes, the answer of the clipped kernel.
    expected = nearest @ np.linalg.inv(nearest + 0.2 * np.eye(7)) @ centred
    np.testing.assert_allclose(nearest @ dual, expected, atol=1e-9)
    rows, known = kernel.rows(SOURCES, owner="Owner")
    np.testing.assert_allclose(rows, K, atol=1e-9)
    np.testing.assert_allclose(rows @ dual, expected, atol=1e-9)
    assert known.all()


def test_a_positive_kernel_gives_the_same_with_and_without_a_decomposition():
    K = naive_kernel()[:7, :7]
    values, Q = positive_part(K)
    centred = Y - Y.mean(axis=0)
    expected = Q @ (Q.T @ centred / (values + 0.3)[:, None])
    np.testing.assert_allclose(K @ solve_definite(K, centred, 0.3), K @ expected, atol=1e-9)


def test_a_class_that_one_kernel_does_not_know_is_left_to_the_others():
    part = AttributeTable(VECTORS[:8], LABELS[:8])
    regression, _ = fit([TABLE, part], weights=[1, 1])
    rows, known = regression.kernels[1].rows(TARGETS, owner="Owner")
    assert known.tolist() == [True, False] and not rows[1].any()
    assert regression.predict(TARGETS, owner="Owner").all()
    alone, _ = fit([part])
    with pytest.raises(UnknownLabelError, match="Owner has no description for 1 of 2 .*'c8'"):
        alone.predict(TARGETS, owner="Owner")


def test_a_source_class_that_one_kernel_does_not_know_stands_at_its_mean():
    part = AttributeTable(VECTORS[1:], LABELS[1:])
    _, K = ClassKernel.of_sources(part, SOURCES, None, 1.0, owner="Owner")
    assert not K[0].any() and not K[:, 0].any()
    np.testing.assert_allclose(K.sum(axis=1), 0, atol=1e-12)


def test_a_kernel_that_says_nothing_has_no_weight():
    same = AttributeTable(np.ones((9, 2)), LABELS)
    constant = Given(np.ones((9, 9)))
    regression, _ = fit([TABLE, same, constant], alpha=[0.1, 1.0])
    assert regression.weights.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("measures", "sources", "words"),
    [
        ([TABLE], SOURCES[:1], "there is 1 source class, from which nothing"),
        ([AttributeTable(np.ones((9, 2)), LABELS)], SOURCES, "no kernel tells the 7 source"),
        ([AttributeTable([[1.0]], ["x"])], SOURCES, "labels resolve to nothing"),
        ([WordNetSimilarity(on_missing="zero")], SOURCES, "labels resolve to nothing"),
    ],
)
def test_sources_of_which_nothing_is_learnt(measures, sources, words):
    with pytest.raises(ValueError, match=f"^Owner: .*{words}"):
        fit(measures, Y[: len(sources)], sources)


def test_weightings_cover_the_simplex_in_quarters():
    found = list(weightings("auto", [True, False, True]))
    assert found[0].tolist() == [0.5, 0, 0.5] and len(found) == 5
    assert all(weights.sum() == pytest.approx(1) and weights[1] == 0 for weights in found)
    assert len({tuple(weights) for weights in found}) == 5
    three = list(weightings("auto", [True] * 3))
    assert len(three) == 16 and three[0].tolist() == [1 / 3] * 3
