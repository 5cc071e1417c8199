"""A linear head put into a torch model, or into scikit-learn's own linear models."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, SGDClassifier

from zeroshot._utils._validation import check_option
from zeroshot.backbones import SourceHead

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


def find_head(model: Any, source: SourceHead, name: str | None, *, owner: str) -> Any:
    """Return the linear layer of a torch model that a source head was cut from.

    The first that there is of: the layer called `name`; what timm's ``get_classifier`` gives, or
    the model itself, if it is one layer; the ``nn.Linear`` with the weights of `source`; the only
    ``nn.Linear`` of its size.

    Raises
    ------
    ValueError
        None is found, or several, or it is not linear or takes another number of features.
    """
    from torch import nn

    layer: Any = model
    if name is not None:
        layer = dict(model.named_modules(remove_duplicate=False)).get(name)
        if layer is None:
            raise ValueError(
                f"{owner}: head={name!r} is not a layer of {type(model).__name__}, whose linear "
                f"layers are {_listed(_linear_layers(model))}."
            )
    elif hasattr(model, "get_classifier"):
        layer = model.get_classifier()
    elif list(model.children()):
        return _find_among(model, source, owner=owner)
    if not isinstance(layer, nn.Linear) or all(layer is not part for part in model.modules()):
        raise ValueError(
            f"{owner}: the head of {type(model).__name__} must be one nn.Linear, got "
            f"{type(layer).__name__}. Pass a model that ends in a linear layer, or put coef_ and "
            "intercept_ in place yourself."
        )
    if layer.in_features != source.n_features_in_:
        raise ValueError(
            f"{owner}: the head of {type(model).__name__} takes {layer.in_features} features, but "
            f"the source head has {source.n_features_in_}. Pass the network that the source head "
            "was cut from."
        )
    return layer


def _find_among(model: Any, source: SourceHead, *, owner: str) -> Any:
    layers = _linear_layers(model)
    shape = source.coef.shape
    fitting = {name: layer for name, layer in layers.items() if layer.weight.shape == shape}
    equal = [layer for layer in fitting.values() if _has_weights(layer, source.coef)]
    found = equal or list(fitting.values())
    if len(found) == 1:
        return found[0]
    what = "none" if not found else "more than one"
    raise ValueError(
        f"{owner}: one nn.Linear of {type(model).__name__} must take {shape[1]} features and give "
        f"{shape[0]} outputs, as the source head does; {what} of {_listed(layers)} does. Pass the "
        "network that the source head was cut from, name the layer with head=..., or put coef_ and "
        "intercept_ in place yourself."
    )


def _linear_layers(model: Any) -> dict[str, Any]:
    from torch import nn

    return {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}


def _listed(layers: dict[str, Any]) -> str:
    shown = [f"{name!r} ({x.in_features} to {x.out_features})" for name, x in layers.items()]
    more = [f"and {len(shown) - 10} more"] if len(shown) > 10 else []
    return ", ".join([*shown[:10], *more]) or "no linear layers"


def _has_weights(layer: Any, coef: np.ndarray) -> bool:
    """Return whether a layer's weights are `coef`, at the layer's precision."""
    import torch

    weight = layer.weight.detach()
    return bool(torch.equal(weight.cpu(), torch.from_numpy(np.array(coef)).to(weight.dtype)))
