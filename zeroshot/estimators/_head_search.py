"""Where the head of a torch model is."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot.backbones import SourceHead


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
                f"{owner}: head={name!r} is no layer of {type(model).__name__}, whose linear "
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
