"""A linear head put into a torch model, or into scikit-learn's own linear models."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, SGDClassifier

from zeroshot._validation import check_option

KINDS = ("logistic", "sgd")


def replace_head(model: Any, coef: np.ndarray, intercept: np.ndarray, *, owner: str) -> Any:
    """Return a copy of a torch model whose last layer is the given linear head.

    Parameters
    ----------
    model : torch.nn.Module
        Of timm, or any whose last layer is linear. It is not changed.
    coef : ndarray of shape (n_classes, n_features)
        Weights of the new head.
    intercept : ndarray of shape (n_classes,)
        Its offsets.
    owner : str
        Who asks, for the messages.

    Raises
    ------
    TypeError
        `model` is no torch module.
    ValueError
        Its head is not one linear layer, or takes another number of features.
    """
    import torch
    from torch import nn

    if not isinstance(model, nn.Module):
        raise TypeError(
            f"{owner}: model must be a torch.nn.Module, such as timm.create_model(name), got a "
            f"{type(model).__name__}."
        )
    name, old = _find_head(model)
    if not isinstance(old, nn.Linear):
        raise ValueError(
            f"{owner}: the head of {type(model).__name__} must be one nn.Linear, got "
            f"{type(old).__name__}. Pass a model that ends in a linear layer, or put coef_ and "
            "intercept_ in place yourself."
        )
    if old.in_features != coef.shape[1]:
        raise ValueError(
            f"{owner}: the head of {type(model).__name__} takes {old.in_features} features, but "
            f"the source head has {coef.shape[1]}. Pass the network that the source head was cut "
            "from."
        )
    place = {"device": old.weight.device, "dtype": old.weight.dtype}
    new = nn.utils.skip_init(nn.Linear, coef.shape[1], coef.shape[0], **place)
    with torch.no_grad():
        new.weight.copy_(torch.from_numpy(np.array(coef)))
        new.bias.copy_(torch.from_numpy(np.array(intercept)))
    new.train(old.training)
    if not name:
        return new
    changed: Any = copy.deepcopy(model)
    parent, _, child = name.rpartition(".")
    setattr(changed.get_submodule(parent), child, new)
    if hasattr(changed, "num_classes"):  # timm's models say how many logits they give
        changed.num_classes = len(coef)
    return changed


def _find_head(model: Any) -> tuple[str, Any]:
    """Return the last layer and its dotted name."""
    if hasattr(model, "get_classifier"):
        head = model.get_classifier()
        names = [name for name, module in model.named_modules() if module is head]
        return (names[0] if names else ""), head
    leaves = [
        (name, module) for name, module in model.named_modules() if not list(module.children())
    ]
    return leaves[-1]


def warm_started(
    kind: str,
    coef: np.ndarray,
    intercept: np.ndarray,
    classes: np.ndarray,
    params: dict[str, Any],
    *,
    owner: str,
) -> Any:
    """Return scikit-learn's linear model with the given head, from which its ``fit`` goes on.

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
        model = SGDClassifier(**{"loss": "log_loss", "warm_start": True, **params})
    if len(classes) == 2:  # scikit-learn has one row for two classes
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    # In the head's own precision: partial_fit takes features of the same one only.
    model.coef_ = np.array(coef, order="C")
    model.intercept_ = np.array(intercept)
    model.classes_ = classes.copy()
    model.n_features_in_ = coef.shape[1]
    return model
