"""Parameters of training beside those of an estimator, as tests write them."""

from __future__ import annotations

from typing import Any

from zeroshot import Training


def gathered(**params: Any) -> dict[str, Any]:
    """Return an estimator's parameters, those of training put into one `Training`."""
    names = Training().get_params().keys() & params.keys()
    if not names:
        return params
    training = Training(**{name: params.pop(name) for name in names})
    return {**params, "training": training}
