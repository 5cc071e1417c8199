"""A linear head put into a torch model, or into scikit-learn's own linear models."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, SGDClassifier

from zeroshot._validation import check_option
from zeroshot.backbones import SourceHead
from zeroshot.estimators._head_search import find_head

KINDS = ("logistic", "sgd")
SCORE_CHANGE = 0.1
"""How far a step of gradient descent may change the score of the image that it is taken on."""
LONGEST_SCORE = 20
"""What the norms of a row and of an image's features make together, where no image was seen.

Of the order that a network trained with cross-entropy over a thousand classes has."""


def replace_head(
    model: Any,
    coef: np.ndarray,
    intercept: np.ndarray,
    source: SourceHead,
    name: str | None,
    *,
    owner: str,
) -> Any:
    """Return a copy of a torch model with the given linear head in place of its own.

    Parameters
    ----------
    model : torch.nn.Module
        It is not changed.
    coef : ndarray of shape (n_classes, n_features)
        Weights of the new head.
    intercept : ndarray of shape (n_classes,)
        Its offsets.
    source : SourceHead
        The model's own head: see `find_head`.
    name : str or None
        What the layer is called.
    owner : str
        Who asks, for the messages.

    Raises
    ------
    TypeError
        `model` is no torch module.
    ValueError
        Its head is not found, is not linear, or takes another number of features.
    """
    import torch
    from torch import nn

    if not isinstance(model, nn.Module):
        raise TypeError(
            f"{owner}: model must be a torch.nn.Module, such as timm.create_model(name), got a "
            f"{type(model).__name__}."
        )
    old = find_head(model, source, name, owner=owner)
    place = {"device": old.weight.device, "dtype": old.weight.dtype}
    new = nn.utils.skip_init(nn.Linear, coef.shape[1], coef.shape[0], **place)
    with torch.no_grad():
        new.weight.copy_(torch.from_numpy(np.array(coef)))
        new.bias.copy_(torch.from_numpy(np.array(intercept)))
    new.train(old.training)
    if old is model:
        return new
    changed: Any = copy.deepcopy(model)
    # A layer may stand in a model under several names.
    for path, part in model.named_modules(remove_duplicate=False):
        if part is old:
            parent, _, child = path.rpartition(".")
            setattr(changed.get_submodule(parent), child, new)
    if hasattr(changed, "num_classes"):  # timm's models say how many logits they give
        changed.num_classes = len(coef)
    return changed


def warm_started(
    kind: str,
    coef: np.ndarray,
    intercept: np.ndarray,
    classes: np.ndarray,
    params: dict[str, Any],
    *,
    step: float,
    owner: str,
) -> Any:
    """Return scikit-learn's linear model with the given head, from which its ``fit`` goes on.

    `step` is the learning rate of stochastic gradient descent: see `step_size`.

    Raises
    ------
    ValueError
        `kind` is unknown, or there is one class only.
    """
    check_option(kind, KINDS, owner=owner, name="kind")
    if len(classes) < 2:
        raise ValueError(f"{owner}: a linear model needs two classes, got {classes.tolist()}.")
    if kind == "logistic":
        model = LogisticRegression(**{"warm_start": True, **params})
    else:
        # scikit-learn's own rate starts with steps that throw any head away.
        rate = {"learning_rate": "constant", "eta0": step}
        model = SGDClassifier(**{"loss": "log_loss", "warm_start": True, **rate, **params})
    if len(classes) == 2:  # scikit-learn has one row for two classes
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    # In the head's own precision: partial_fit takes features of the same one only.
    model.coef_ = np.array(coef, order="C")
    model.intercept_ = np.array(intercept)
    model.classes_ = classes.copy()
    model.n_features_in_ = coef.shape[1]
    return model


def mean_square_norm(X: np.ndarray) -> float:
    """Return the mean squared Euclidean norm of the rows."""
    return float(np.einsum("ij,ij->i", X, X, dtype=np.float64).mean())


def step_size(mean_square_norm: float | None, coef: np.ndarray) -> float:
    r"""Return the learning rate :math:`0.1 / (\overline{\|x\|^2} + 1)`.

    A step changes the score of the image that it is taken on by a tenth of the gradient of the
    loss, which is at most one: so whatever the scale of the features. The one is the offset's.

    Parameters
    ----------
    mean_square_norm : float or None
        :math:`\overline{\|x\|^2}` over images; None where none was seen. It is then guessed from
        the rows.
    coef : ndarray of shape (n_classes, n_features)
        The rows of the source head.
    """
    if mean_square_norm is None:
        rows = float(np.square(coef, dtype=np.float64).sum(axis=1).mean())
        mean_square_norm = LONGEST_SCORE**2 / rows if rows else 0.0
    return SCORE_CHANGE / (mean_square_norm + 1)
