"""Checks of parameters, as a table on each class.

A class lists the valid values of each constructor parameter in ``_constraints``, and checks
combinations in ``_check_combination``. Its ``fit`` calls ``_check_parameters`` first, so that a
typo raises at once and not after minutes of work.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import PurePath
from typing import Any, ClassVar

from sklearn.utils import check_random_state

from zeroshot._utils._saving import parameter_names, table_of
from zeroshot._utils._validation import PRECISIONS, check_flag, check_number, check_option

_saved: ContextVar[bool] = ContextVar("_saved", default=False)


@contextmanager
def saved_values() -> Iterator[None]:
    """Check values of a saved model: what lies outside of it is looked at when it is first used."""
    token = _saved.set(True)
    try:
        yield
    finally:
        _saved.reset(token)


class Constraint(ABC):
    """Interface of the constraints on a parameter."""

    @abstractmethod
    def check(self, value: Any, *, owner: str, name: str) -> None:
        """Raise an error with the remedy unless the value is valid.

        Parameters
        ----------
        value : object
            Value of the parameter.
        owner, name : str
            Owner and name of the parameter, for the message.
        """


class OneOf(Constraint):
    """One of some strings."""

    def __init__(self, *options: str) -> None:
        self.options = options

    def check(self, value: Any, *, owner: str, name: str) -> None:
        check_option(value, self.options, owner=owner, name=name)


class Number(Constraint):
    """A finite number, or an integer, within bounds."""

    def __init__(
        self,
        *,
        above: float | None = None,
        at_least: float | None = None,
        below: float | None = None,
        at_most: float | None = None,
        integer: bool = False,
    ) -> None:
        self.above, self.at_least = above, at_least
        self.below, self.at_most = below, at_most
        self.integer = integer

    def check(self, value: Any, *, owner: str, name: str) -> None:
        bounds = {"above": self.above, "at_least": self.at_least, "integer": self.integer}
        check_number(value, owner=owner, name=name, **bounds)  # type: ignore[arg-type]
        if self.below is not None and value >= self.below:
            raise ValueError(f"{owner}: {name} must be below {self.below:g}, got {value!r}.")
        if self.at_most is not None and value > self.at_most:
            raise ValueError(f"{owner}: {name} must be at most {self.at_most:g}, got {value!r}.")


class Flag(Constraint):
    """True or False."""

    def check(self, value: Any, *, owner: str, name: str) -> None:
        check_flag(value, owner=owner, name=name)


class Instance(Constraint):
    """An object of one of some classes, called `what` in the message."""

    def __init__(self, *classes: type, what: str, remedy: str) -> None:
        self.classes, self.what, self.remedy = classes, what, remedy

    def check(self, value: Any, *, owner: str, name: str) -> None:
        if not isinstance(value, self.classes):
            raise TypeError(f"{owner}: {name} must be {self.what}, got {value!r}. {self.remedy}")


class Maybe(Constraint):
    """None, or any value that another constraint allows."""

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint

    def check(self, value: Any, *, owner: str, name: str) -> None:
        if value is not None:
            self.constraint.check(value, owner=owner, name=name)


class OrAuto(Constraint):
    """The string ``"auto"``, or any value that another constraint allows."""

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint

    def check(self, value: Any, *, owner: str, name: str) -> None:
        if not (isinstance(value, str) and value == "auto"):
            self.constraint.check(value, owner=owner, name=name)


class Checked(Constraint):
    """Any value that a function accepts.

    Parameters
    ----------
    function : callable
        Takes the value, ``owner`` and ``name``, and raises an error with the remedy.
    outside : callable, optional
        For a value that names something outside of a model: a device, a file, or a network of
        another library. Takes the value of a saved model, and returns whether it can be such a
        name.
    **options : object
        Other keyword arguments of the function.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        outside: Callable[[Any], bool] | None = None,
        **options: Any,
    ) -> None:
        self.function, self.outside, self.options = function, outside, options

    def check(self, value: Any, *, owner: str, name: str) -> None:
        if self.outside is None or not _saved.get():
            self.function(value, owner=owner, name=name, **self.options)
        elif not self.outside(value):
            raise TypeError(f"{owner}: {name} must be a name or a path, got {value!r}.")


class ParametersMixin:
    """Mixin of classes whose parameters are checked at first use."""

    _constraints: ClassVar[Mapping[str, Constraint]] = {}
    """What each parameter may be; those of the base classes count, too."""

    def _check_parameters(self) -> None:
        """Raise unless all parameters are valid, before any data is read."""
        check_table(self, owner=type(self).__name__)
        self._check_combination()

    def _check_combination(self) -> None:
        """Raise if parameters are valid alone but not together."""


@cache
def constraints_of(cls: type) -> dict[str, Constraint]:
    """Return the constraints on the parameters of the constructor.

    Examples
    --------
    >>> from zeroshot import DeViSEClassifier
    >>> from zeroshot._utils._constraints import constraints_of
    >>> constraints_of(DeViSEClassifier)["loss"].options
    ('hinge', 'cosine_margin', 'cosine', 'mse')
    """
    table = table_of(cls, "_constraints")
    return {name: table[name] for name in parameter_names(cls) if name in table}


def check_table(value: Any, *, owner: str, prefix: str = "") -> None:
    """Raise unless the tables of an object's class allow all its parameters.

    Parameters
    ----------
    value : object
        Object with a table, and with its parameters as attributes.
    owner, prefix : str
        Owner of the parameters and prefix of their names, for the messages.
    """
    cls: type = type(value)
    for name, constraint in constraints_of(cls).items():
        constraint.check(getattr(value, name), owner=owner, name=prefix + name)


def check_inner(value: Any) -> None:
    """Check the parameters of an object that is itself a parameter, if it supports this."""
    if isinstance(value, ParametersMixin) and not _saved.get():  # a saved one comes checked
        value._check_parameters()


def check_seed(value: Any, *, owner: str, name: str) -> None:
    """Raise unless scikit-learn accepts `value` as a seed."""
    try:
        if isinstance(value, bool):
            raise ValueError
        check_random_state(value)
    except ValueError as error:
        raise ValueError(
            f"{owner}: {name} must be None, an integer from 0 to 4294967295 or a RandomState, got "
            f"{value!r}."
        ) from error


def check_device(value: Any, *, owner: str, name: str) -> None:
    """Raise unless torch has this device; ``"auto"`` does not import torch."""
    if not (isinstance(value, str) and value == "auto"):
        from zeroshot._utils._device import resolve_device

        resolve_device(value, owner=owner, name=name)


def check_progress(value: Any, *, owner: str, name: str) -> None:
    """Raise unless `value` is True, False or "auto"."""
    if not isinstance(value, bool) and not (isinstance(value, str) and value == "auto"):
        raise ValueError(f"{owner}: {name} must be True, False or 'auto', got {value!r}.")


def is_name(value: Any) -> bool:
    """Return whether a value can be the name of a file or a network, or a network itself."""
    return value is None or isinstance(value, (str, PurePath)) or hasattr(value, "forward")


def _is_device_name(value: Any) -> bool:
    if type(value).__name__ == "device":  # torch need not be imported for that
        return True
    return (
        isinstance(value, str) and re.fullmatch(r"auto|[a-z]{2,20}(:\d{1,3})?", value) is not None
    )


FLAG = Flag()
SEED = Checked(check_seed)
DEVICE = Checked(check_device, outside=_is_device_name)
PRECISION = OneOf(*PRECISIONS)
PROGRESS = Checked(check_progress)
COUNT = Number(at_least=1, at_most=2**40, integer=True)
