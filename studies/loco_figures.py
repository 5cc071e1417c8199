"""Figures of the leave-one-class-out study: what is computed, printed and drawn."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy
import sklearn
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr, wilcoxon
from sklearn.preprocessing import normalize

from zeroshot import WordVectors, __version__

PAPER = {
    "classes": 100,
    "relative loss": {"median": -0.310, "better": 86, "best": -0.655, "worst": 0.679},
    "gains less than 1 % after epoch": 15,
    "accuracy on trained classes": 0.80,
}
"""Baughman, Foster and Chard 2021; the plateau is "about 15 epochs"."""
SMALL_GAIN = 0.01
N_NEIGHBORS = 5
BAND = ("lower", "median", "upper")


def versions() -> dict[str, Any]:
    """Return what the figures may depend on beside the code."""
    found = {"zeroshot": __version__, "torch": torch.__version__, "numpy": np.__version__}
    found |= {"scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
    return {"versions": found | {"python": platform.python_version()}}


def describe(values: Sequence[float] | NDArray[np.float64], names: Sequence[str]) -> dict[str, Any]:
    """Return median, quartiles, how many are below 0, and the extremes with their names."""
    values = np.asarray(values)
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    best, worst = int(values.argmin()), int(values.argmax())
    return {
        "median": float(median),
        "quartiles": [float(low), float(high)],
        "better": int((values < 0).sum()),
        "best": [names[best], float(values[best])],
        "worst": [names[worst], float(values[worst])],
    }


def plateau(curve: Sequence[float] | NDArray[np.float64]) -> int:
    """Return the first epoch after which a relative loss never falls by 0.01 more."""
    curve = np.asarray(curve)
    left = curve - np.minimum.accumulate(curve[::-1])[::-1]
    return int(np.flatnonzero(left < SMALL_GAIN)[0]) + 1


def still_improving(curve: NDArray[np.float64]) -> float:
    """Return by how much the last fifth of the epochs, on average, is below the fifth before."""
    n = max(1, len(curve) // 5)
    return float(curve[-2 * n : -n].mean() - curve[-n:].mean())


def representation(excluded: Sequence[str], names: Sequence[str]) -> NDArray[np.float64]:
    """Return each class's mean cosine to its nearest labels among the training classes."""
    vectors = normalize(WordVectors().embed(names).astype(np.float64))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.sort(cosines, axis=1)[:, ::-1][:, : min(N_NEIGHBORS, len(names) - 1)]
    return nearest.mean(axis=1)[[list(names).index(name) for name in excluded]]


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, float]:
    """Return Spearman's rank correlation."""
    found = spearmanr(x, y)
    return {"rho": float(found.statistic), "p": float(found.pvalue), "classes": len(x)}


def drawn_loss(
    last: NDArray[np.float64],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
    factor: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    r"""Return the loss of predictions that are drawn towards the mean of the training labels.

    For predictions f, their mean vector m, the excluded class's vector v and a factor a,
    :math:`|m + a(f - m) - v|^2 = a |f - v|^2 + (1 - a) |m - v|^2 - a (1 - a) |f - m|^2`.

    Parameters
    ----------
    last, mean, spread : ndarray of shape (n_classes,)
        Mean squares of f - v, m - v and f - m.
    factor : ndarray of shape (n_classes,), or float
        0 is the mean vector, 1 the prediction as it is.
    """
    return factor * last + (1 - factor) * mean - factor * (1 - factor) * spread


def best_factor(losses: Sequence[dict[str, Any]]) -> float:
    """Return the factor with the lowest median of loss over control, of 0, 0.05, ..., 1."""
    last, mean, spread = _columns(losses, "last", "mean", "spread")
    grid = np.arange(21) / 20
    skills = [np.median(drawn_loss(last, mean, spread, factor) / mean) for factor in grid]
    return float(grid[int(np.argmin(skills))])


def summarise(
    folds: dict[str, dict[str, Any]],
    names: Sequence[str],
    n_wanted: int,
    frozen: dict[str, Any],
    drawn: float,
) -> dict[str, Any]:
    """Return all figures of the folds that are finished, beside the paper's.

    Parameters
    ----------
    folds : dict
        By excluded class, as `run_fold` returns them.
    names : sequence of str
        All classes.
    n_wanted : int
        Folds of the preset.
    frozen : dict
        As `frozen_features` returns it.
    drawn : float
        The factor for predictions from scratch, chosen on other classes.
    """
    excluded = sorted(folds)
    results: dict[str, Any] = {"paper": PAPER, "folds": {"finished": len(folds), "of": n_wanted}}
    if excluded:
        results |= _of_folds(folds, excluded, names, drawn)
    results["frozen"] = {
        source: {
            **_of_losses([kept["classes"][name] for name in names], names),
            "penalties": _counts([fold["alpha"] for fold in kept["classes"].values()]),
            "one pass, one penalty": {
                alpha: describe(losses, names) for alpha, losses in kept["one pass"].items()
            },
            "neighbours": _neighbours([kept["classes"][name] for name in names], names, names),
            **({"with words": _with_words(kept["words"], names)} if "words" in kept else {}),
            "classes": {
                name: {
                    "relative loss": fold["last"] / fold["zero"] - 1,
                    "control": fold["mean"] / fold["zero"] - 1,
                }
                for name, fold in kept["classes"].items()
            },
        }
        for source, kept in frozen.items()
    }
    return results


def _with_words(folds: dict[str, dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Return the figures of ridge regression and prototypes of words together."""
    losses = [folds[name] for name in names]
    factors = np.median([loss["factors"] for loss in losses], axis=0)
    return _of_losses(losses, names) | {"median factors": factors.tolist()}


def _counts(values: Sequence[float]) -> dict[str, int]:
    found, counts = np.unique(values, return_counts=True)
    return {f"{value:g}": int(count) for value, count in zip(found, counts, strict=True)}


def _columns(losses: Sequence[dict[str, Any]], *keys: str) -> list[NDArray[np.float64]]:
    return [np.array([loss[key] for loss in losses]) for key in keys]


def _of_losses(losses: Sequence[dict[str, float]], names: Sequence[str]) -> dict[str, Any]:
    """Return relative losses of the model and of the control, and of the one to the other."""
    last, zero, mean = (
        np.array([loss[key] for loss in losses]) for key in ("last", "zero", "mean")
    )
    return {
        "relative loss": describe(last / zero - 1, names),
        "control: mean embedding": describe(mean / zero - 1, names),
        "skill over the control": describe(last / mean - 1, names),
    }


def _neighbours(
    losses: Sequence[dict[str, float]], excluded: Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    last, zero, mean = (
        np.array([loss[key] for loss in losses]) for key in ("last", "zero", "mean")
    )
    near = representation(excluded, names)
    return {
        "gain over zero": correlation(near, 1 - last / zero),
        "gain over the control": correlation(near, 1 - last / mean),
        "the control's gain over zero": correlation(near, 1 - mean / zero),
    }


def last_losses(classes: dict[str, dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the losses of excluded classes, with that after the last epoch."""
    return [{**classes[name], "last": classes[name]["epochs"][-1]} for name in names]


def _drawn(
    losses: Sequence[dict[str, Any]], factors: NDArray[np.float64], excluded: Sequence[str]
) -> dict[str, Any]:
    last, zero, mean, spread = _columns(losses, "last", "zero", "mean", "spread")
    shrunk = drawn_loss(last, mean, spread, factors)
    worth = wilcoxon(shrunk / zero, mean / zero) if len(excluded) > 1 else None
    return {
        "relative loss": describe(shrunk / zero - 1, excluded),
        "skill over the control": describe(shrunk / mean - 1, excluded),
        "below the control, Wilcoxon p": float(worth.pvalue) if worth else None,
        "factors": factors.tolist(),
    }


def _of_folds(
    folds: dict[str, dict[str, Any]], excluded: list[str], names: Sequence[str], drawn: float
) -> dict[str, Any]:
    losses = [last_losses(folds[name]["classes"], [name])[0] for name in excluded]
    epochs = np.array([loss["epochs"] for loss in losses])
    zero, mean, untrained = _columns(losses, "zero", "mean", "untrained")
    relative = epochs / zero[:, None] - 1
    curve = np.quantile(relative, [0.25, 0.5, 0.75], axis=0)
    of_loss = np.quantile(np.column_stack([untrained, epochs]), [0.25, 0.5, 0.75], axis=0)
    falls = {name: still_improving(row) for name, row in zip(excluded, relative, strict=True)}
    accuracy = [folds[name]["seen_accuracy"] for name in excluded]
    own = np.array([folds[name]["shrinkage"] for name in excluded])
    worth = wilcoxon(epochs[:, -1] / zero, mean / zero) if len(excluded) > 1 else None
    return {
        **_of_losses(losses, excluded),
        "relative to the untrained network": describe(epochs[:, -1] / untrained - 1, excluded),
        "control relative to the untrained network": describe(mean / untrained - 1, excluded),
        "drawn towards the mean": {
            "by other classes": _drawn(losses, np.full(len(excluded), drawn), excluded),
            "by images of trained classes": _drawn(losses, own, excluded),
        },
        "below the control, Wilcoxon p": float(worth.pvalue) if worth else None,
        "loss by epoch, from 0": {
            key: row.tolist()
            for key, row in zip(("lower", "median", "upper"), of_loss, strict=True)
        },
        "relative loss by epoch": {key: row.tolist() for key, row in zip(BAND, curve, strict=True)},
        "skill over the control by epoch": np.median(epochs / mean[:, None] - 1, axis=0).tolist(),
        "gains less than 1 % after epoch": plateau(curve[1]),
        "still improving": {name: fall for name, fall in falls.items() if fall >= SMALL_GAIN},
        "lowest at the last epoch": [
            name for name, row in zip(excluded, epochs, strict=True) if row.argmin() == len(row) - 1
        ],
        "accuracy on trained classes": describe(accuracy, excluded)
        | {"chance": 1 / (len(names) - 1)},
        "neighbours": _neighbours(losses, excluded, names) if len(excluded) > 2 else None,
        "minutes": [folds[name]["minutes"] for name in excluded],
        "classes": {
            name: {
                "relative loss": float(row[-1]),
                "control": float(loss["mean"] / loss["zero"] - 1),
                "by epoch": row.tolist(),
            }
            for name, row, loss in zip(excluded, relative, losses, strict=True)
        },
    }
