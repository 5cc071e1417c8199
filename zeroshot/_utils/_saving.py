"""Descriptions of objects for `save`: parameters and fitted attributes.

A class that can be saved says so by ``to_config`` and ``from_config``, and stands by its name in
the table of `zeroshot.persistence`: no other class is ever opened. Values are arrays, label
embeddings, other such objects, and plain Python.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from sklearn.base import BaseEstimator

from zeroshot._utils._renamed import old_names, translated
from zeroshot.exceptions import IntegrityError

T = TypeVar("T")

SOURCE = (
    "It was altered, or saved with another version of scikit-zeroshot or scikit-learn (config.json "
    "names both): install that one, or save the model again."
)

_OUTPUT_CONFIG = "_sklearn_output_config"  # what set_output leaves


class Config(NamedTuple):
    """What an object is made of.

    Parameters
    ----------
    params : dict of str to object
        Of the constructor.
    attributes : dict of str to object
        What is set on the object afterwards.
    """

    params: dict[str, Any]
    attributes: dict[str, Any]


class Saved:
    """Mixin of objects that are their constructor's parameters and nothing else."""

    __slots__ = ()

    def to_config(self) -> Config:
        """Return what `from_config` makes an equal object of."""
        return Config(parameters_of(self), {})

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the object that `to_config` described.

        Parameters
        ----------
        config : Config
            From a file: nothing in it is believed.

        Raises
        ------
        IntegrityError
            There are names that this class does not have.
        """
        return made_of(cls, config)


class SavedEstimator(Saved):
    """Mixin of estimators: parameters, and what fitting has set.

    Fitted attributes end in one underscore and do not begin with one. A class names the others.
    """

    _saved_private: ClassVar[tuple[str, ...]] = ()
    """Fitted attributes that are saved although they do not end in an underscore."""
    _not_saved: ClassVar[tuple[str, ...]] = ()
    """Attributes that are not saved, because they are made anew before they are used."""
    _of_the_run: ClassVar[tuple[str, ...]] = ()
    """Parameters that belong to a run, not to the model: None is saved for them."""

    def to_config(self) -> Config:
        """Return what `from_config` makes an equal estimator of.

        Raises
        ------
        TypeError
            It has an attribute that is not its own.
        """
        params, attributes = estimator_config(self, self._saved_private, self._not_saved)
        return Config(params | dict.fromkeys(self._of_the_run), attributes)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the estimator that `to_config` described.

        Parameters
        ----------
        config : Config
            From a file: nothing in it is believed.

        Raises
        ------
        IntegrityError
            There are names that this class does not have.
        """
        return made_of(cls, config, cls._saved_private)


def parameter_names(cls: type) -> list[str]:
    """Return the names of the constructor's parameters."""
    return list(inspect.signature(cls).parameters)


def parameters_of(value: Any) -> dict[str, Any]:
    """Return the constructor's parameters of an object, by name."""
    return {name: getattr(value, name) for name in parameter_names(type(value))}


def is_fitted_attribute(name: str, cls: type, private: Iterable[str] = ()) -> bool:
    """Tell whether `name` may be set on an instance of `cls` beside its parameters.

    Fitted attributes end in one underscore and do not begin with one, but for those in `private`.
    What the class itself defines is never shadowed.
    """
    public = name.isidentifier() and name.endswith("_") and not name.startswith("_")
    known = public or name == _OUTPUT_CONFIG or name in private
    return known and not hasattr(cls, name) and name not in parameter_names(cls)


def estimator_config(
    estimator: BaseEstimator, private: Iterable[str] = (), not_saved: Iterable[str] = ()
) -> Config:
    """Return the parameters of an estimator, and what fitting has set on it.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    private : iterable of str
        Fitted attributes that do not end in an underscore.
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
    unknown = [name for name in state if not is_fitted_attribute(name, cls, private)]
    if unknown:
        raise TypeError(
            f"save: {cls.__name__} has attributes that are not its own: "
            f"{', '.join(map(repr, unknown))}. Delete them (del estimator.{unknown[0]}) before "
            "saving."
        )
    return Config(parameters_of(estimator), state)


def made_of(cls: type[T], config: Config, private: Iterable[str] | None = None) -> T:
    """Return the object of `cls` that a configuration describes, in names of today or of before.

    Parameters
    ----------
    cls : type
        A class from a table of names.
    config : Config
        From a file: nothing in it is believed.
    private : iterable of str, optional
        Fitted attributes that do not end in an underscore. None is for objects without any.

    Raises
    ------
    IntegrityError
        There are names that the class does not have.
    """
    old_attributes = {name for name in old_names(cls) if name.endswith("_")}
    old_params = old_names(cls).keys() - old_attributes
    params = {*parameter_names(cls), *old_params}
    unknown = [name for name in config.params if name not in params]
    for name in config.attributes:
        may_be_set = private is not None and is_fitted_attribute(name, cls, private)
        if not may_be_set and name not in old_attributes:
            unknown.append(name)
    check_names(cls, unknown)
    made = cls(**translated(cls, config.params))
    for name, value in translated(cls, config.attributes).items():
        setattr(made, name, value)
    return made


def check_names(cls: type, unknown: Iterable[str]) -> None:
    """Raise where a saved object has names that its class does not have.

    Raises
    ------
    IntegrityError
        There are such names.
    """
    if unknown := list(unknown):
        raise IntegrityError(
            f"A saved {cls.__name__} has {', '.join(map(repr, unknown))}, which the "
            f"{cls.__name__} here does not know. {SOURCE}"
        )
