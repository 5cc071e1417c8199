"""Descriptions of objects for `save`: parameters and fitted attributes.

A class that can be saved has ``to_config`` and ``from_config``, and its name is in the table of
`zeroshot.persistence`. No other class is ever loaded. Values are arrays, label embeddings, other
such objects, and plain Python values.
"""

from __future__ import annotations

import inspect
from collections.abc import Container, Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from sklearn.base import BaseEstimator

from zeroshot._utils._renamed import old_names, translated
from zeroshot.exceptions import ModelFormatError

T = TypeVar("T")

SOURCE = (
    "It was altered, or saved with another version of scikit-zeroshot or scikit-learn (config.json "
    "names both): install that one, or save the model again."
)

OUTPUT_CONFIG = "_sklearn_output_config"  # set by set_output


class Config(NamedTuple):
    """Configuration of an object.

    Parameters
    ----------
    params : dict of str to object
        Parameters of the constructor.
    attributes : dict of str to object
        Attributes that are set on the object afterwards.
    """

    params: dict[str, Any]
    attributes: dict[str, Any]


class Saved:
    """Mixin of objects without any state except the constructor's parameters."""

    __slots__ = ()

    def to_config(self) -> Config:
        """Return the configuration from which `from_config` creates an equal object."""
        return Config(parameters_of(self), {})

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the object that `to_config` described.

        Parameters
        ----------
        config : Config
            Names are those of `current_config`, and `check_object` has checked the values.
        """
        return made_of(cls, config)


class SavedEstimator(Saved):
    """Mixin of estimators: parameters, and the fitted attributes of the table ``_fitted``."""

    _fitted: ClassVar[Mapping[str, Any]] = {}
    """What each fitted attribute may be; those of the base classes count, too."""
    _not_saved: ClassVar[tuple[str, ...]] = ()
    """Attributes that are not saved, because they are made anew before they are used."""
    _of_the_run: ClassVar[tuple[str, ...]] = ()
    """Parameters that belong to a run, not to the model: None is saved for them."""

    def to_config(self) -> Config:
        """Return the configuration from which `from_config` creates an equal estimator.

        Raises
        ------
        TypeError
            The estimator has a foreign attribute.
        """
        params, attributes = estimator_config(self, fitted_names(type(self)), self._not_saved)
        return Config(params | dict.fromkeys(self._of_the_run), attributes)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the estimator that `to_config` described.

        Raises
        ------
        ModelFormatError
            It has a parameter of a run, such as a folder to write to.
        """
        for name in cls._of_the_run:
            if config.params.get(name) is not None:
                raise ModelFormatError(
                    f"A saved {cls.__name__} has {name!r}, which belongs to a run and is never "
                    f"saved. {SOURCE}",
                    f"{cls.__name__}.{name}",
                )
        return super().from_config(config)


def parameter_names(cls: type) -> tuple[str, ...]:
    """Return the names of the constructor's parameters."""
    return _names_of(cls)[0]


@cache
def _names_of(cls: Any) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names of parameters, and of fitted attributes."""
    params = tuple(inspect.signature(cls).parameters)
    return params, frozenset(table_of(cls, "_fitted")) - frozenset(params)


def parameters_of(value: Any) -> dict[str, Any]:
    """Return the constructor's parameters of an object, by name."""
    return {name: getattr(value, name) for name in parameter_names(type(value))}


def table_of(cls: type, name: str) -> dict[str, Any]:
    """Return a table of a class, with those of its base classes.

    Parameters
    ----------
    cls : type
        The class.
    name : str
        Attribute that holds the table.
    """
    table: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        table |= vars(base).get(name, {})
    return table


def fitted_names(cls: type) -> frozenset[str]:
    """Return the names of the fitted attributes in the table of a class."""
    return _names_of(cls)[1]


def estimator_config(
    estimator: BaseEstimator, fitted: Container[str], not_saved: Iterable[str] = ()
) -> Config:
    """Return the parameters and the fitted attributes of an estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    fitted : container of str
        Names of its fitted attributes.
    not_saved : iterable of str
        Attributes that are left out.

    Raises
    ------
    TypeError
        An attribute is not one that a saved model may have.
    """
    cls = type(estimator)
    out = {"_sklearn_version", *parameter_names(cls), *not_saved}
    state = {name: item for name, item in estimator.__getstate__().items() if name not in out}
    unknown = [name for name in state if name not in fitted and name != OUTPUT_CONFIG]
    if unknown:
        raise TypeError(
            f"save: {cls.__name__} has attributes that are not its own: "
            f"{', '.join(map(repr, unknown))}. Delete them (del estimator.{unknown[0]}) before "
            "saving."
        )
    return Config(parameters_of(estimator), state)


def current_config(cls: type, config: Config, fitted: Container[str]) -> Config:
    """Return a configuration with the names and values of today, where it has those of before.

    Parameters
    ----------
    cls : type
        A class from a table of names.
    config : Config
        Read from a file, so nothing in it is trusted.
    fitted : container of str
        Names of the fitted attributes that the class has today.

    Raises
    ------
    IntegrityError
        There are names that the class does not have.
    """
    old_attributes = {name for name in old_names(cls) if name.endswith("_")}
    params = {*parameter_names(cls), *(old_names(cls).keys() - old_attributes)}
    unknown = [name for name in config.params if name not in params]
    unknown += [
        name
        for name in config.attributes
        if name not in fitted and name not in old_attributes and name != OUTPUT_CONFIG
    ]
    check_names(cls, unknown)
    return Config(translated(cls, config.params), translated(cls, config.attributes))


def made_of(cls: type[T], config: Config) -> T:
    """Return the object of `cls` that a configuration describes."""
    made = cls(**config.params)
    for name, value in config.attributes.items():
        setattr(made, name, value)
    return made


def check_names(cls: type, unknown: Iterable[str]) -> None:
    """Raise where a saved object has names that its class does not have.

    Raises
    ------
    ModelFormatError
        There are such names.
    """
    if unknown := list(unknown):
        raise ModelFormatError(
            f"A saved {cls.__name__} has {', '.join(map(repr, unknown))}, which the "
            f"{cls.__name__} here does not know. {SOURCE}",
            f"{cls.__name__}.{unknown[0]}",
        )
