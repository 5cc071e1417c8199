"""Objects of a model that is saved or loaded, each checked against the table of its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zeroshot._utils._constraints import ParametersMixin, saved_values
from zeroshot._utils._fitted import Sizes, check_object
from zeroshot._utils._saving import (
    OUTPUT_CONFIG,
    Config,
    Saved,
    check_names,
    current_config,
    fitted_names,
    parameter_names,
)
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.persistence import _scikit_learn

_OUTPUTS = (None, {}, *({"transform": name} for name in (None, "default", "pandas", "polars")))
"""What ``set_output`` may have set."""


class Objects:
    """Checks objects one after the other, and keeps their lengths for those that refer to them."""

    def __init__(self) -> None:
        # The objects are kept with their lengths, so that no id is reused.
        self._sizes: dict[int, tuple[Any, Sizes]] = {}

    def restore(self, cls: type, config: Config) -> Any:
        """Return the object that a configuration describes, after checking it.

        Raises
        ------
        ModelFormatError
            There are names that the class does not have.
        InvalidStateError, TypeError, ValueError
            A value is not allowed.
        """
        if issubclass(cls, Saved):
            config = current_config(cls, config, fitted_names(cls))
        elif not hasattr(cls, "from_config"):
            config = current_config(cls, config, _scikit_learn.fitted_of(cls, config.attributes))
        else:
            check_names(cls, [name for name in config.params if name not in parameter_names(cls)])
        sizes = self._checked(cls, config)
        if hasattr(cls, "from_config"):
            made = cls.from_config(config)
        else:
            made = _scikit_learn.from_config(cls, config)
        if isinstance(made, ParametersMixin) and config.attributes:
            with saved_values():
                made._check_combination()
        self._sizes[id(made)] = made, sizes
        return made

    def add(self, value: Any, config: Config) -> None:
        """Check an object that is saved.

        Raises
        ------
        InvalidStateError
            A value is not one that `restore` allows.
        """
        self._sizes[id(value)] = value, self._checked(type(value), config)

    def _checked(self, cls: type, config: Config) -> Sizes:
        sizes, params, attributes = Sizes(self._of), config.params, dict(config.attributes)
        output = attributes.pop(OUTPUT_CONFIG, None)
        owner = cls.__name__
        if output not in _OUTPUTS:
            raise ValueError(f"{owner}: {OUTPUT_CONFIG} must be one of {_OUTPUTS}, got {output!r}.")
        own = not hasattr(cls, "from_config")
        check_object(
            cls,
            params,
            attributes,
            sizes,
            fitted=_scikit_learn.fitted_of(cls, attributes) if own else None,
            together=_scikit_learn.TOGETHER.get(owner) if own else None,
        )
        return sizes

    def _of(self, value: Any) -> Mapping[str, Any]:
        if isinstance(value, LabelEmbedding):
            return {"n_dims": value.n_dims}
        return self._sizes.get(id(value), (None, {}))[1]
