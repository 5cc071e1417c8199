"""Old names of parameters, with errors that show the line to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T", bound=type)

Names = Mapping[str, tuple[str, type | None]]

_LONGEST = 60  # maximum length of a value in a message


def renamed(**names: str) -> Callable[[T], T]:
    """Decorate an estimator with renamed parameters or fitted attributes.

    For an old name, the constructor and ``set_params`` raise an error with the line to write. Saved
    models with old names can be loaded. The signature is not changed, as scikit-learn requires.

    Parameters
    ----------
    **names : str
        New name of each old name. Fitted attributes end in an underscore.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from zeroshot._utils._renamed import renamed
    >>> @renamed(gamma="calibration")
    ... class Stacking(BaseEstimator):
    ...     def __init__(self, calibration=None):
    ...         self.calibration = calibration
    >>> Stacking(gamma=0.5)
    Traceback (most recent call last):
    TypeError: Stacking: gamma is now calibration. Write Stacking(..., calibration=0.5).
    """
    return lambda cls: _with_names(cls, {old: (new, None) for old, new in names.items()})


def moved(part: type, *, to: str, names: Iterable[str]) -> Callable[[T], T]:
    """Decorate an estimator with parameters that moved to an object that it takes.

    Parameters
    ----------
    part : type
        The class of that object.
    to : str
        The parameter that takes it.
    names : iterable of str
        The parameters that moved.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from zeroshot._utils._renamed import moved
    >>> class Training(BaseEstimator):
    ...     def __init__(self, epochs=None):
    ...         self.epochs = epochs
    >>> @moved(Training, to="training", names=["epochs"])
    ... class Classifier(BaseEstimator):
    ...     def __init__(self, training=None):
    ...         self.training = training
    >>> Classifier(epochs=25)
    Traceback (most recent call last):
    TypeError: Classifier: epochs is now part of training. Write Classifier(...,
    training=Training(epochs=25)).
    """
    return lambda cls: _with_names(cls, {name: (to, part) for name in names})


def revalued(**values: Mapping[str, str]) -> Callable[[T], T]:
    """Decorate an estimator with renamed values of parameters.

    Saved models with old values can be loaded. The estimator decides how its constructor treats
    them.

    Parameters
    ----------
    **values : mapping of str to str
        For each parameter, a mapping from old values to current values.

    Examples
    --------
    >>> from zeroshot._utils._renamed import revalued, translated
    >>> @revalued(measure={"wup": "wup_nltk"})
    ... class Similarity:
    ...     pass
    >>> translated(Similarity, {"measure": "wup", "k": 3})
    {'measure': 'wup_nltk', 'k': 3}
    """

    def decorate(cls: T) -> T:
        cls._old_values = values  # type: ignore[attr-defined]
        return cls

    return decorate


def old_names(cls: type) -> Names:
    """Return, for each old name of a class, the new one, and the class that holds it, if any."""
    return getattr(cls, "_old_names", {})


def translated(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return saved parameters or fitted attributes with their current names and values.

    Parameters
    ----------
    cls : type
        The class that they belong to.
    values : mapping of str to object
        Values by their names in the version that saved them.
    """
    known, of_before = old_names(cls), getattr(cls, "_old_values", {})
    new = {name: value for name, value in values.items() if name not in known}
    for name in new.keys() & of_before.keys():
        if isinstance(new[name], str):
            new[name] = of_before[name].get(new[name], new[name])
    parts: dict[str, tuple[type, dict[str, Any]]] = {}
    for name in values.keys() & known.keys():
        to, part = known[name]
        if part is None:
            new[to] = values[name]
        else:
            parts.setdefault(to, (part, {}))[1][name] = values[name]
    return new | {to: part(**params) for to, (part, params) in parts.items()}


def _with_names(cls: T, names: Names) -> T:
    known = {**old_names(cls), **names}
    init = cls.__init__  # type: ignore[misc]

    @wraps(init)
    def __init__(self: Any, *args: Any, **params: Any) -> None:
        if old := {name: value for name, value in params.items() if name in known}:
            owner = type(self).__name__
            line = f"{owner}(..., {_arguments(old, known)})"
            raise TypeError(f"{owner}: {_places(old, known)}. Write {line}.")
        init(self, *args, **params)

    cls._old_names = known  # type: ignore[attr-defined]
    cls.__init__ = __init__  # type: ignore[misc]
    if not hasattr(cls, "set_params"):  # an immutable object
        return cls
    set_params = cls.set_params

    @wraps(set_params)
    def checked(self: Any, **params: Any) -> Any:
        if old := {name: value for name, value in params.items() if name in known}:
            owner = type(self).__name__
            line = f"set_params({_nested(old, known)})"
            raise ValueError(f"{owner}: {_places(old, known)}. Write {line}.")
        return set_params(self, **params)

    cls.set_params = checked
    return cls


def _places(old: Mapping[str, Any], known: Names) -> str:
    places = dict.fromkeys(
        f"part of {to}" if part else to for to, part in map(known.__getitem__, old)
    )
    return f"{', '.join(old)} {'is' if len(old) == 1 else 'are'} now {', '.join(places)}"


def _arguments(old: Mapping[str, Any], known: Names) -> str:
    """Return the arguments to write in a constructor, with the values that were given."""
    lines: dict[str, list[str]] = {}
    for name, value in old.items():
        to, part = known[name]
        head = f"{to}={part.__name__}" if part else f"{to}={_shown(value)}"
        lines.setdefault(head, []).extend([f"{name}={_shown(value)}"] if part else [])
    return ", ".join(
        f"{head}({', '.join(inner)})" if inner else head for head, inner in lines.items()
    )


def _nested(old: Mapping[str, Any], known: Names) -> str:
    """Return the arguments to write in ``set_params``, with the values that were given."""
    names = {name: f"{to}__{name}" if part else to for name, (to, part) in known.items()}
    return ", ".join(f"{names[name]}={_shown(value)}" for name, value in old.items())


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else "..."
