"""Messages on the terminal, in characters that it can show."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Any

from click import Choice, Context
from click import UsageError as UsageError

from zeroshot._utils._text_tables import printable
from zeroshot.exceptions import in_options

JSON_ERRORS = "--json-errors"

_as_json: ContextVar[bool] = ContextVar("messages as JSON", default=False)


@contextmanager
def messages_as_json(wanted: bool) -> Iterator[None]:
    """Print messages as JSON objects inside the block, one per line, if `wanted`."""
    token = _as_json.set(wanted)
    try:
        yield
    finally:
        _as_json.reset(token)


def say(message: str, *, level: str = "info", **more: Any) -> None:
    """Print one line on standard error. A closed standard error loses the line only.

    Parameters
    ----------
    message : str
        The message.
    level : {"info", "warning", "error"}
        How grave it is: a key of the JSON object, and in text a word before the message of a
        warning.
    **more : object
        Further keys of the JSON object.
    """
    line = " ".join(message.split())
    if _as_json.get():
        line = json.dumps({"level": level, "message": line, **more})
    else:
        line = f"zeroshot: {'warning: ' * (level == 'warning')}{printable(line)}"
    with suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)


def fail(error: str | BaseException, *, code: int, kind: str | None = None) -> int:
    """Print an error in one line, with its remedy in terms of options. Return the exit code.

    As JSON it has the exit code and the `kind` of error, which is the name of its class.
    """
    if kind is None and isinstance(error, BaseException):
        kind = type(error).__name__
    say(in_options(error), level="error", type=kind, code=code)
    return code


def warnings_shown_once() -> Callable[..., None]:
    """Return a replacement of `warnings.showwarning` that prints each warning once, in one line."""
    shown = set()

    def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        line = in_options(message)
        if line not in shown:
            shown.add(line)
            say(line, level="warning")

    return show


def percent(share: float) -> str:
    """Return a share in percent. What is not quite none or all is not called so.

    Examples
    --------
    >>> from zeroshot.cli._terminal import percent
    >>> [percent(share) for share in (0, 0.003, 0.426, 0.997, 1)]
    ['0%', '<1%', '43%', '>99%', '100%']
    """
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def share_bar(share: float) -> str:
    """Return a bar of ten cells of which this share is filled.

    Examples
    --------
    >>> from zeroshot.cli._terminal import share_bar
    >>> share_bar(0.43)
    '████░░░░░░'
    """
    filled = round(10 * share)
    return "█" * filled + "░" * (10 - filled)


def draws_bars() -> bool:
    """Return whether standard output is a terminal that can show `share_bar`."""
    try:
        "█░".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return sys.stdout.isatty()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" with names of similar spelling, or an empty string."""
    folded: dict[str, list[str]] = {}
    for other in known:
        folded.setdefault(_folded(other), []).append(other)
    near = get_close_matches(_folded(name), folded, cutoff=0.6)
    listed = ", ".join(repr(other) for key in near for other in folded[key])
    return f" Did you mean {listed}?" if near else ""


def _folded(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ")


def spelled_as_known(names: Sequence[str], known: Sequence[str], *, option: str) -> list[str]:
    """Replace names by the one known spelling of the same label, and print a line about it.

    Labels are the same whose words are, as label embeddings read them: ``school_bus`` and
    ``School Bus``, and an accent that is a letter of its own or part of one.
    """
    from zeroshot.taxonomy._readings import same_name

    by_words: dict[str, list[str]] = {}
    for label in known:
        by_words.setdefault(same_name(label), []).append(label)
    found: list[str] = []
    for name in names:
        alike = by_words.get(same_name(name), []) if name not in known else []
        if len(alike) == 1 and alike[0] not in (*names, *found):
            say(f"{option}: {name!r} is taken for {alike[0]!r}")
            name = alike[0]
        found.append(name)
    return found


def check_known(names: Iterable[str], known: Iterable[str], *, option: str, what: str) -> None:
    """Raise unless all `names` are among `known`.

    Raises
    ------
    ValueError
        The data hold no such name; those that are unknown are named, with near ones.
    """
    if message := not_known(names, known, what=what):
        raise ValueError(f"{option}: {message}")


def not_known(names: Iterable[str], known: Iterable[str], *, what: str) -> str:
    """Return a message about `names` that are not in `known`; an empty string if all are."""
    options = dict.fromkeys(known)
    unknown = [name for name in dict.fromkeys(names) if name not in options]
    if not unknown:
        return ""
    listed = ", ".join(map(repr, unknown[:10])) + (", ..." if len(unknown) > 10 else "")
    near = did_you_mean(unknown[0], options)
    some = f" There are {', '.join(list(options)[:12])}{', ...' if len(options) > 12 else ''}."
    return f"no {what} is called {listed}.{near}{some}"


class Name(Choice):
    """Type of an option that takes one of several names. Similar names are proposed."""

    def __init__(self, known: Iterable[str], what: str) -> None:
        super().__init__(list(known))
        self.what = what

    def get_invalid_choice_message(self, value: Any, ctx: Context | None) -> str:
        """Return the message for an unknown name."""
        return not_known([value], self.choices, what=self.what)
