"""Errors and warnings of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NAMED = 100
"""How many labels a message names: a whole vocabulary would be megabytes of text."""


class Remedy(str):
    """What to do about an error, in Python and on the command line.

    It is the text for Python; what is added before or behind it stands in both.

    Parameters
    ----------
    python : str
        What to write in Python.
    option : str
        What to do on the command line, such as the option to pass.

    Attributes
    ----------
    option : str
        The whole text as the command line says it.

    Examples
    --------
    >>> from zeroshot.exceptions import Remedy
    >>> remedy = Remedy("Pass image_size=64.", option="Pass --image-size 64.")
    >>> error = ValueError("TimmFeatures: images are too small. " + remedy)
    >>> print(error)
    TimmFeatures: images are too small. Pass image_size=64.
    >>> print(error.args[0].option)
    TimmFeatures: images are too small. Pass --image-size 64.
    """

    option: str

    def __new__(cls, python: str, option: str) -> Remedy:
        """Make the text for Python: that of an immutable str cannot be set later."""
        return super().__new__(cls, python)

    def __init__(self, python: str, option: str) -> None:
        self.option = option

    def __add__(self, other: str) -> Remedy:
        return Remedy(str(self) + str(other), self.option + in_options(other))

    def __radd__(self, other: str) -> Remedy:
        return Remedy(str(other) + str(self), in_options(other) + self.option)

    def __reduce__(self) -> tuple:
        """Survive pickling and copying."""
        return Remedy, (str(self), self.option)


def in_python(part: str) -> Remedy:
    """Return a part of a message that the command line leaves out, such as a function's name.

    Parameters
    ----------
    part : str
        What is said in Python alone.

    Examples
    --------
    >>> from zeroshot.exceptions import in_options, in_python
    >>> message = in_python("load: ") + "there is no folder model."
    >>> print(message)
    load: there is no folder model.
    >>> in_options(message)
    'there is no folder model.'
    """
    return Remedy(part, option="")


def parameter(owner: str, name: str, option: str) -> Remedy:
    """Return how a message begins that is about a parameter, which an option sets.

    Parameters
    ----------
    owner, name : str
        Whose parameter it is, and what it is called.
    option : str
        The option of the command line.

    Examples
    --------
    >>> from zeroshot.exceptions import in_options, parameter
    >>> message = parameter("TimmFeatures", "weights", "--weights") + " must be a file."
    >>> print(message)
    TimmFeatures: weights must be a file.
    >>> in_options(message)
    '--weights must be a file.'
    """
    return Remedy(f"{owner}: {name}", option=option)


def in_options(said: str | BaseException) -> str:
    """Return a text, or an error's or a warning's, as the command line says it.

    Parameters
    ----------
    said : str or exception
        With a `Remedy` in it or without.

    Examples
    --------
    >>> from zeroshot.exceptions import Remedy, in_options
    >>> in_options(ValueError("No. " + Remedy("Pass k=2.", option="Pass -k 2.")))
    'No. Pass -k 2.'
    """
    text = message_of(said) if isinstance(said, BaseException) else said
    return text.option if isinstance(text, Remedy) else str(text)


def message_of(error: BaseException) -> str:
    """Return an error's text with its `Remedy`, if it has one, which ``str(error)`` loses.

    Parameters
    ----------
    error : exception
        An error or a warning.

    Examples
    --------
    >>> from zeroshot.exceptions import Remedy, message_of
    >>> reason = ValueError(Remedy("Pass k=2.", option="Pass -k 2."))
    >>> ("There is no figure. " + message_of(reason)).option
    'There is no figure. Pass -k 2.'
    """
    first = error.args[0] if error.args else None
    return first if isinstance(first, Remedy) else str(error)


class ZeroShotError(Exception):
    """Root of the package's own errors: one ``except`` catches them all."""


class UnknownLabelError(ZeroShotError, ValueError):
    """Labels that a label embedding has no vector for.

    Parameters
    ----------
    labels : sequence of str or int
        Every label without a vector.
    n_labels : int
        How many labels were asked for.
    owner : str
        Who was asked, for the message.
    remedy : str
        What to do about it; a `Remedy` where the command line has another way out.
    close_matches : mapping of label to str, optional
        For a label, known labels or words that are spelled alike.
    what : str, default="vector"
        What the labels lack.
    name : str, default="labels"
        What the labels are, such as ``"targets"`` or ``"sources"``.

    Examples
    --------
    >>> from zeroshot.exceptions import UnknownLabelError
    >>> print(UnknownLabelError(["okapi"], 3, owner="AttributeTable", remedy="Add a row."))
    AttributeTable has no vector for 1 of 3 labels ('okapi'). Add a row.
    """

    def __init__(
        self,
        labels: Sequence[object],
        n_labels: int,
        *,
        owner: str,
        remedy: str,
        close_matches: Mapping[object, Sequence[str]] | None = None,
        what: str = "vector",
        name: str = "labels",
    ) -> None:
        self.labels = list(labels)
        self.n_labels = n_labels
        self.owner = owner
        self.remedy = remedy
        self.close_matches = dict(close_matches or {})
        self.what = what
        self.name = name
        named = ", ".join(repr(label) for label in self.labels[:_NAMED])
        if len(self.labels) > _NAMED:
            named += f" and {len(self.labels) - _NAMED} more, all in the error's `labels`"
        message = f"{owner} has no {what} for {len(self.labels)} of {n_labels} {name} ({named})."
        near = [
            f"for {label!r}: {', '.join(map(repr, matches))}"
            for label, matches in self.close_matches.items()
            if matches
        ]
        if near:
            message += f" Did you mean, {'; '.join(near)}?"
        super().__init__(f"{message} " + remedy)

    def __reduce__(self) -> tuple:
        """Survive the trip back from a worker process."""
        state = tuple(getattr(self, name) for name in _PARAMETERS)
        return _rebuild_unknown_label_error, state

    def replace(self, **changes: Any) -> UnknownLabelError:
        """Return the error with some of its parameters changed, for those who know more."""
        state = {name: getattr(self, name) for name in _PARAMETERS}
        return UnknownLabelError(**{**state, **changes})


_PARAMETERS = ("labels", "n_labels", "owner", "remedy", "close_matches", "what", "name")


def _rebuild_unknown_label_error(*state: Any) -> UnknownLabelError:
    return UnknownLabelError(**dict(zip(_PARAMETERS, state, strict=True)))


class MissingDependencyError(ZeroShotError, ImportError):
    """An optional package is not installed; the message says what installs it."""


class IntegrityError(ZeroShotError, ValueError):
    """A file is not what it should be: truncated, altered, or of an unknown format."""


class DownloadError(ZeroShotError, OSError):
    """A file could not be had from where it is published."""


class ImageReadError(ZeroShotError, OSError):
    """An image cannot be read; the message names its path or position."""


class LabelWarning(UserWarning):
    """Labels or words are used in a way that deserves a look."""


class UnreadableImageWarning(UserWarning):
    """Images were skipped or replaced by NaN rows; the message names the first ten.

    Parameters
    ----------
    message : str
        What happened.
    indices : sequence of int
        The position of every such image.
    paths : sequence of str or None
        Its path, where it has one.
    """

    def __init__(
        self, message: str, indices: Sequence[int] = (), paths: Sequence[str | None] = ()
    ) -> None:
        super().__init__(message)
        self.indices = list(indices)
        self.paths = list(paths)
