"""Checks of fitted attributes, as a table on each class.

A class lists in ``_fitted`` what each of its fitted attributes may be: type, shape as a function of
the other attributes, range. A name of a length, such as ``"n_features"``, stands for the same
number wherever it occurs in the tables of an object. What a table cannot say, the class checks in
``_check_together``. `save` and `load` check both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from zeroshot._utils._constraints import Constraint, Maybe, constraints_of, saved_values
from zeroshot._utils._saving import table_of

MAX_WEIGHT = float(np.finfo(np.float32).max)
"""The largest absolute value of weights: a larger one is infinite in single precision."""

MAX_SIDE = 4096
"""The longest side of the images of a model."""

Length = str | int | Callable[["Sizes"], int]


class Sizes(dict[str, Any]):
    """Lengths of an object by name, as far as they are known.

    Parameters
    ----------
    of : callable
        Returns the lengths of another object, which was checked before.
    """

    def __init__(self, of: Callable[[Any], Mapping[str, Any]] = lambda _: {}) -> None:
        super().__init__()
        self.of = of

    def fits(self, name: Length, value: Any) -> bool:
        """Return whether `value` is what `name` stands for; from now on, if it stood for nothing.

        Parameters
        ----------
        name : str, int or callable
            Name of a length, the length itself, or a function of these lengths that returns it.
        value : object
            The length found.
        """
        if callable(name):
            name = name(self)
        return bool(value == (name if isinstance(name, int) else self.setdefault(name, value)))

    def shown(self, name: Length) -> str:
        """Return a length for a message, such as ``"n_features=6"``."""
        if callable(name):
            name = name(self)
        return f"{name}={self[name]}" if isinstance(name, str) and name in self else str(name)


class Sized(Constraint):
    """Interface of the constraints that depend on other values."""

    @abstractmethod
    def check_sizes(self, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
        """Raise unless the value is valid beside others.

        Parameters
        ----------
        value : object
            Value of the attribute.
        sizes : Sizes
            Lengths known from other attributes. Those that this one decides are added.
        owner, name : str
            Owner and name of the attribute, for the message.
        """

    def check(self, value: Any, *, owner: str, name: str) -> None:
        self.check_sizes(value, Sizes(), owner=owner, name=name)


def check_value(constraint: Constraint, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
    """Raise unless a constraint of either kind allows a value."""
    if isinstance(constraint, Maybe):
        if value is not None:
            check_value(constraint.constraint, value, sizes, owner=owner, name=name)
    elif isinstance(constraint, Sized):
        constraint.check_sizes(value, sizes, owner=owner, name=name)
    else:
        constraint.check(value, owner=owner, name=name)


class Optional(Sized):
    """An attribute that may be missing."""

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint

    def check_sizes(self, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
        check_value(self.constraint, value, sizes, owner=owner, name=name)


class OfImages(Optional):
    """An attribute that an estimator has if its parameter `network` is given, and only then."""


class OfFeatures(Optional):
    """An attribute that an estimator has if its parameter `network` is None, and only then."""


class Size(Sized):
    """A length itself: an integer of at least one."""

    def __init__(self, length: str) -> None:
        self.length = length

    def check_sizes(self, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < 1 or not sizes.fits(self.length, int(value)):
            raise ValueError(
                f"{owner}: {name} must be an integer of at least 1, {sizes.shown(self.length)}, "
                f"got {_described(value)}."
            )


class Array(Sized):
    """An array of numbers, all of them finite.

    Parameters
    ----------
    *shape : str, int or callable
        Lengths of the axes.
    kind : {"f", "i", "b"}, default="f"
        Floats, integers or booleans.
    least, most : float
        Bounds. ``most`` may be the name of a length, which all entries are below.
    above : float, optional
        Bound that no entry reaches.
    """

    def __init__(
        self,
        *shape: Length,
        kind: str = "f",
        least: float = -MAX_WEIGHT,
        most: float | str = MAX_WEIGHT,
        above: float | None = None,
    ) -> None:
        self.shape, self.kind = shape, kind
        self.least, self.most, self.above = least, most, above

    def check_sizes(self, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
        kinds = "iu" if self.kind == "i" else self.kind
        same = (
            isinstance(value, np.ndarray)
            and value.dtype.kind in kinds
            and value.ndim == len(self.shape)
            and all(map(sizes.fits, self.shape, value.shape))
        )
        if not same:
            what = {"f": "floats", "i": "integers", "b": "booleans"}[self.kind]
            raise ValueError(
                f"{owner}: {name} must be an array of {what} of shape "
                f"({', '.join(map(sizes.shown, self.shape))}), got {_described(value)}."
            )
        if value.size and value.dtype.kind != "b":
            self._check_range(value, sizes, owner, name)

    def _check_range(self, value: np.ndarray, sizes: Sizes, owner: str, name: str) -> None:
        smallest, largest = value.min(), value.max()  # both are NaN if any entry is
        if not np.isfinite([smallest, largest]).all():
            raise ValueError(f"{owner}: {name} must be finite, and holds NaN or infinity.")
        most = sizes[self.most] - 1 if isinstance(self.most, str) else self.most
        least = self.least if self.above is None else self.above
        if smallest < least or largest > most or (smallest == least and self.above is not None):
            raise ValueError(
                f"{owner}: {name} must have entries {'from' if self.above is None else 'above'} "
                f"{least:g} {'to' if self.above is None else 'and up to'} {most:g}, got "
                f"{smallest:g} to {largest:g}."
            )


_TYPE_OF = "type of "
_OF_LABELS = _TYPE_OF + "labels"


class Labels(Sized):
    """Labels: a one-dimensional array, of strings or of integers as all labels of an object.

    Parameters
    ----------
    length : str
        How many there are. Labels of ``"n_classes"`` are kept as ``"classes"``.
    is_sorted : bool, default=True
        Whether they are sorted, and each occurs once.
    least : int, default=0
        How many there are at least.
    kind : str, default="labels"
        Arrays of the same kind hold all strings, or all integers.
    """

    def __init__(
        self, length: str, *, is_sorted: bool = True, least: int = 0, kind: str = "labels"
    ) -> None:
        self.length, self.is_sorted, self.least = length, is_sorted, least
        self.kind = _TYPE_OF + kind

    def check_sizes(self, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
        kind = _label_kind(value)
        same = (
            kind is not None and sizes.fits(self.kind, kind) and sizes.fits(self.length, len(value))
        )
        if not same or len(value) < self.least:
            raise ValueError(
                f"{owner}: {name} must be a one-dimensional array of "
                f"{sizes.get(self.kind, 'strings or integers')}, {sizes.shown(self.length)}, got "
                f"{_described(value)}."
            )
        if self.kind == _OF_LABELS:
            sizes[self.length.removeprefix("n_")] = value
        if self.is_sorted and not (value[:-1] < value[1:]).all():
            raise ValueError(f"{owner}: {name} must be sorted, with each label once.")


def _label_kind(value: Any) -> str | None:
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        return None
    if value.dtype.kind in "iu":
        return "integers"
    strings = value.dtype.kind == "U" or (
        value.dtype == object and all(type(item) is str for item in value)
    )
    return "strings" if strings else None


class Part(Sized):
    """Another object of the model.

    Parameters
    ----------
    *classes : type
        What it may be. Any object, if there are none.
    sizes : mapping of str to str, optional
        What its lengths are here, by their names there.
    has : tuple of str
        Lengths and other facts that must be known of it, such as ``"classes"``.
    does : tuple of str
        Its methods that are needed.
    covers : bool, default=False
        Whether it must know all labels of ``"classes"`` here.
    """

    def __init__(
        self,
        *classes: type,
        sizes: Mapping[str, Length] | None = None,
        has: Iterable[str] = (),
        does: Iterable[str] = (),
        covers: bool = False,
    ) -> None:
        self.classes, self.sizes = classes, dict(sizes or {})
        self.has, self.does, self.covers = tuple(has), tuple(does), covers

    def check_sizes(self, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
        inner = sizes.of(value)
        lacks = [method for method in self.does if not hasattr(value, method)]
        lacks += [fact for fact in self.has if inner.get(fact) is None]
        if (self.classes and type(value) not in self.classes) or lacks:
            names = " or ".join(cls.__name__ for cls in self.classes) or "a fitted estimator"
            needed = f" with {', '.join((*self.does, *self.has))}" if self.does or self.has else ""
            raise ValueError(f"{owner}: {name} must be {names}{needed}, got {_described(value)}.")
        for there, here in self.sizes.items():
            if there in inner and not sizes.fits(here, inner[there]):
                raise ValueError(
                    f"{owner}: {name} must have {there}={_value(sizes, here)}, got {inner[there]}."
                )
        if self.covers:
            check_covers(inner, sizes["classes"], owner=owner, name=name)


def check_covers(inner: Mapping[str, Any], labels: np.ndarray, *, owner: str, name: str) -> None:
    """Raise unless an object with the lengths `inner` knows all of some labels."""
    if not np.isin(labels, inner["classes"]).all():
        raise ValueError(f"{owner}: {name} must know the labels {labels[:5].tolist()} and so on.")


class Parts(Sized):
    """A list of other objects, each allowed by one constraint."""

    def __init__(self, length: str, part: Part) -> None:
        self.length, self.part = length, part

    def check_sizes(self, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
        if not isinstance(value, list) or not sizes.fits(self.length, len(value)):
            raise ValueError(
                f"{owner}: {name} must be a list, {sizes.shown(self.length)}, got "
                f"{_described(value)}."
            )
        for place, item in enumerate(value):
            self.part.check_sizes(item, sizes, owner=owner, name=f"{name}[{place}]")


class Layers(Sized):
    """Weights of linear layers, one after the other: matrices, or the vectors added to them.

    Parameters
    ----------
    first, last : str
        Width of what the first layer takes, and of what the last one returns.
    bias : bool, default=False
        Whether these are the vectors.
    """

    def __init__(self, first: str, last: str, *, bias: bool = False) -> None:
        self.first, self.last, self.bias = first, last, bias

    def check_sizes(self, value: Any, sizes: Sizes, *, owner: str, name: str) -> None:
        if not isinstance(value, list) or not value or not sizes.fits("n_layers", len(value)):
            raise ValueError(
                f"{owner}: {name} must be a list of arrays, one per layer, got {_described(value)}."
            )
        widths = [self.first, *(f"width of layer {i}" for i in range(1, len(value))), self.last]
        for place, array in enumerate(value):
            shape = widths[place + 1 : place + 2] if self.bias else widths[place : place + 2]
            Array(*shape).check_sizes(array, sizes, owner=owner, name=f"{name}[{place}]")


class Plain(Constraint):
    """Values that hold no object: None, text, finite numbers, and arrays, lists and dicts of these.

    Parameters
    ----------
    *classes : type
        What the whole value may be; anything of these, if there are none.
    finite : bool, default=True
        Whether NaN and infinity are not allowed.
    """

    def __init__(self, *classes: type, finite: bool = True) -> None:
        self.classes, self.finite = classes, finite

    def check(self, value: Any, *, owner: str, name: str) -> None:
        if (self.classes and not isinstance(value, self.classes)) or not self._allows(value):
            names = " or ".join(cls.__name__ for cls in self.classes) or "plain values"
            finite = "finite " if self.finite else ""
            raise ValueError(
                f"{owner}: {name} must be {names} of text and {finite}numbers, got "
                f"{_described(value)}."
            )

    def _allows(self, value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(self._allows, value.values()))
        if isinstance(value, (list, tuple)):
            return all(map(self._allows, value))
        if isinstance(value, (float, np.floating, np.ndarray)):
            array = np.asarray(value)
            if array.dtype == object:
                return all(type(item) is str for item in array.flat)
            return not self.finite or array.dtype.kind != "f" or bool(np.isfinite(array).all())
        return value is None or isinstance(value, (str, int, np.generic))


class Text(Constraint):
    """A string."""

    def check(self, value: Any, *, owner: str, name: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"{owner}: {name} must be a string, got {_described(value)}.")


class NumberOrNan(Constraint):
    """A number, which may be NaN."""

    def check(self, value: Any, *, owner: str, name: str) -> None:
        if type(value) not in (int, float) and not isinstance(value, np.floating):
            raise TypeError(f"{owner}: {name} must be a number, got {_described(value)}.")


class ImageShape(Constraint):
    """Height and width of images."""

    def check(self, value: Any, *, owner: str, name: str) -> None:
        sides = value if isinstance(value, tuple) else ()
        if len(sides) != 2 or not all(
            type(side) is int and 1 <= side <= MAX_SIDE for side in sides
        ):
            raise ValueError(
                f"{owner}: {name} must be two integers from 1 to {MAX_SIDE}, got "
                f"{_described(value)}."
            )


class History(Constraint):
    """The record of a training run: per epoch a dict of plain values, some from callbacks."""

    def check(self, value: Any, *, owner: str, name: str) -> None:
        Plain(list, finite=False).check(value, owner=owner, name=name)
        if not all(isinstance(row, dict) and all(type(key) is str for key in row) for row in value):
            raise ValueError(f"{owner}: {name} must be a list of dicts.")


@cache
def fitted_of(cls: type) -> dict[str, Constraint]:
    """Return the constraints on the fitted attributes of a class.

    Examples
    --------
    >>> from zeroshot import SAEClassifier
    >>> from zeroshot._utils._fitted import fitted_of
    >>> fitted_of(SAEClassifier)["coef_"].shape
    ('n_features', 'n_dims')
    """
    return table_of(cls, "_fitted")


def check_object(
    cls: type,
    params: Mapping[str, Any],
    attributes: Mapping[str, Any],
    sizes: Sizes,
    *,
    fitted: Mapping[str, Constraint] | None = None,
    together: Callable[[Mapping[str, Any], Sizes], None] | None = None,
) -> None:
    """Raise unless parameters and fitted attributes are those of an object that answers.

    Parameters
    ----------
    cls : type
        Its class.
    params, attributes : mapping of str to object
        What it was made with, and what was set on it since. An object without attributes is not
        fitted.
    sizes : Sizes
        Empty. The lengths of the object are added.
    fitted : mapping of str to Constraint, optional
        Table of the attributes; that of the class if None.
    together : callable, optional
        Check of all values; that of the class if None.

    Raises
    ------
    InvalidStateError
        A value is not allowed, or an attribute is missing.
    """
    owner = cls.__name__
    fitted = fitted_of(cls) if fitted is None else fitted
    together = together or getattr(cls, "_check_together", None)
    values = {**params, **attributes}
    with saved_values():
        for name, constraint in _sizes_first(constraints_of(cls)):
            if name in params:  # versions before had fewer
                with _named(f"{owner}.{name}"):
                    check_value(constraint, params[name], sizes, owner=owner, name=name)
        if fitted and not attributes:
            return
        for name, constraint in fitted.items():
            with _named(f"{owner}.{name}"):
                if name in values and not _is_out_of_place(constraint, params):
                    check_value(constraint, values[name], sizes, owner=owner, name=name)
                elif name in values:
                    raise ValueError(f"{owner}: {name} does not go with network.")
                elif _is_needed(constraint, params):
                    raise ValueError(f"{owner}: {name} is missing.")
        if together is not None:
            with _named(owner):
                together(values, sizes)


def _sizes_first(table: Mapping[str, Constraint]) -> list[tuple[str, Constraint]]:
    return sorted(table.items(), key=lambda item: not isinstance(item[1], Size))


@contextmanager
def _named(attribute: str) -> Iterator[None]:
    """Turn errors about an attribute to those that name it."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        owner = attribute.partition(".")[0]
        says_where = str(error).startswith(f"{owner}: ")
        said = error if says_where else f"{owner}: {attribute} is not as it should be ({error})."
        raise InvalidStateError(str(said), attribute) from error


def _is_out_of_place(constraint: Constraint, params: Mapping[str, Any]) -> bool:
    images = params.get("network") is not None
    return isinstance(constraint, OfFeatures if images else OfImages)


def _is_needed(constraint: Constraint, params: Mapping[str, Any]) -> bool:
    if isinstance(constraint, (OfImages, OfFeatures)):
        return not _is_out_of_place(constraint, params)
    return not isinstance(constraint, Optional)


class InvalidStateError(ValueError):
    """A parameter or an attribute is not one that a model may have.

    Parameters
    ----------
    message : str
        What is wrong.
    attribute : str
        Class and name, such as ``"DeViSEClassifier.coefs_"``.
    """

    def __init__(self, message: str, attribute: str) -> None:
        super().__init__(message)
        self.attribute = attribute


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = repr(value) if isinstance(value, (bool, int, float, str, type(None))) else ""
    return text if text and len(text) <= 60 else f"a {type(value).__name__}"


def _value(sizes: Sizes, name: Length) -> Any:
    if callable(name):
        name = name(sizes)
    return sizes.get(name, name) if isinstance(name, str) else name


FITTED_FEATURES: dict[str, Constraint] = {
    "n_features_in_": Optional(Size("n_features")),
    "feature_names_in_": Optional(Labels("n_features", is_sorted=False, kind="features")),
}
"""What every estimator on features has in common with those of scikit-learn."""
