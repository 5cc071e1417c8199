"""Errors and warnings of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NAMED = 100
"""How many labels a message names: a whole vocabulary would be megabytes of text."""


class Remedy(str):
    """What to do about an error, in Python and on the command line.

    The string itself is the text for Python. Text added before or after it appears in both texts.

    Parameters
    ----------
    python : str
        Text for Python.
    option : str
        Text for the command line, such as the option to pass.

    Attributes
    ----------
    option : str
        The whole text for the command line.

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
        """Create the text for Python here, because a str is immutable."""
        return super().__new__(cls, python)

    def __init__(self, python: str, option: str) -> None:
        self.option = option

    def __add__(self, other: str) -> Remedy:
        return Remedy(str(self) + str(other), self.option + in_options(other))

    def __radd__(self, other: str) -> Remedy:
        return Remedy(str(other) + str(self), in_options(other) + self.option)

    def __reduce__(self) -> tuple:
        """Support pickling and copying."""
        return Remedy, (str(self), self.option)


def in_python(part: str) -> Remedy:
    """Return a part of a message that the command line leaves out, such as a function's name.

    Parameters
    ----------
    part : str
        Text that is used only in Python.

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
    """Return the beginning of a message about a parameter that an option sets.

    Parameters
    ----------
    owner, name : str
        Owner and name of the parameter.
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
    """Return the text of a message, an error or a warning for the command line.

    Parameters
    ----------
    said : str or exception
        Text, error or warning, with or without a `Remedy`.

    Examples
    --------
    >>> from zeroshot.exceptions import Remedy, in_options
    >>> in_options(ValueError("No. " + Remedy("Pass k=2.", option="Pass -k 2.")))
    'No. Pass -k 2.'
    """
    text = message_of(said) if isinstance(said, BaseException) else said
    return text.option if isinstance(text, Remedy) else str(text)


def message_of(error: BaseException) -> str:
    """Return the text of an error with its `Remedy`, if any. ``str(error)`` loses the remedy.

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
    """Base class of the package's own errors: one ``except`` catches them all."""


class UnknownLabelError(ZeroShotError, ValueError):
    """Labels without a vector in a label embedding.

    Parameters
    ----------
    labels : sequence of str or int
        Every label without a vector.
    n_labels : int
        Number of labels that were requested.
    owner : str
        Object that was asked for the labels, for the message.
    remedy : str
        What to do about it. It is a `Remedy` if the command line needs another text.
    close_matches : mapping of label to str, optional
        For each label, known labels or words with a similar spelling.
    what : str, default="vector"
        What the labels do not have.
    name : str, default="labels"
        Name of the labels, such as ``"targets"`` or ``"sources"``.

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
        """Support pickling, so that worker processes can return the error."""
        state = tuple(getattr(self, name) for name in _PARAMETERS)
        return _rebuild_unknown_label_error, state

    def replace(self, **changes: Any) -> UnknownLabelError:
        """Return the error with some parameters changed, for callers with more information."""
        state = {name: getattr(self, name) for name in _PARAMETERS}
        return UnknownLabelError(**{**state, **changes})


_PARAMETERS = ("labels", "n_labels", "owner", "remedy", "close_matches", "what", "name")


def _rebuild_unknown_label_error(*state: Any) -> UnknownLabelError:
    return UnknownLabelError(**dict(zip(_PARAMETERS, state, strict=True)))


class MissingDependencyError(ZeroShotError, ImportError):
    """An optional package is not installed. The message says how to install it."""


class IntegrityError(ZeroShotError, ValueError):
    """A file is truncated, altered, or of an unknown format."""


class ModelFormatError(IntegrityError):
    """A saved model or a checkpoint whose content does not fit together, or is no longer known.

    The checksums are right, so nothing was damaged on the way. An ``except IntegrityError`` catches
    both.

    Parameters
    ----------
    message : str
        What is wrong, and what to do about it.
    attribute : str
        The parameter or attribute, such as ``"DeViSEClassifier.coefs_"``; empty if it is the whole
        file.

    Examples
    --------
    >>> from zeroshot.exceptions import ModelFormatError
    >>> ModelFormatError("coefs_ is not finite.", "DeViSEClassifier.coefs_").attribute
    'DeViSEClassifier.coefs_'
    """

    def __init__(self, message: str, attribute: str = "") -> None:
        super().__init__(message, attribute)
        self.attribute = attribute

    def __str__(self) -> str:
        return str(self.args[0])


class DownloadError(ZeroShotError, OSError):
    """A file could not be downloaded."""


class PartitionError(ZeroShotError, RuntimeError):
    """Partitions of a data set could not be computed. All others are complete.

    Parameters
    ----------
    failed : mapping of str to str
        Name of each partition, and why it failed.
    n_done : int
        How many partitions are complete.
    owner, output : str
        Name of the caller, and where the others lie, for the message.

    Attributes
    ----------
    failed : dict of str to str
        Name of each partition, and why it failed.

    Examples
    --------
    >>> from zeroshot.exceptions import PartitionError
    >>> error = PartitionError({"a.tar": "cut"}, n_done=3, owner="embed_dataset", output="features")
    >>> print(error)
    embed_dataset: 1 of 4 partitions failed; the others are in features. a.tar: cut
    """

    def __init__(self, failed: Mapping[str, str], *, n_done: int, owner: str, output: str) -> None:
        self.failed = dict(failed)
        listed = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:5])
        more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
        super().__init__(
            f"{owner}: {len(failed)} of {len(failed) + n_done} partitions failed; the others are "
            f"in {output}. {listed}{more}"
        )


class ImageReadError(ZeroShotError, OSError):
    """An image cannot be read. The message gives its path or position."""


class LabelWarning(UserWarning):
    """Labels or words are used in a way that should be checked."""


class VersionWarning(UserWarning):
    """A model was saved with a version of a library that may compute something else."""


class UnreadableImageWarning(UserWarning):
    """Images were skipped or replaced by NaN rows. The message names the first ten.

    Parameters
    ----------
    message : str
        What happened.
    indices : sequence of int
        Position of every such image.
    paths : sequence of str or None
        Its path, if it has one.
    """

    def __init__(
        self, message: str, indices: Sequence[int] = (), paths: Sequence[str | None] = ()
    ) -> None:
        super().__init__(message)
        self.indices = list(indices)
        self.paths = list(paths)
