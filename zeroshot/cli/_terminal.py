"""Messages on the terminal, in characters that it can show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from click import Choice, Context
from click import UsageError as UsageError

from zeroshot._utils._text_tables import printable
from zeroshot.exceptions import in_options


def say(message: str) -> None:
    """Print one line on standard error. A closed standard error loses the line only."""
    with suppress(BrokenPipeError):
        print(f"zeroshot: {printable(' '.join(message.split()))}", file=sys.stderr, flush=True)


def fail(error: str | BaseException, *, code: int) -> int:
    """Print an error in one line, with its remedy in terms of options. Return the exit code."""
    say(in_options(error))
    return code


def warnings_shown_once() -> Callable[..., None]:
    """Return a replacement of `warnings.showwarning` that prints each warning once, in one line."""
    shown = set()

    def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        line = f"warning: {in_options(message)}"
        if line not in shown:
            shown.add(line)
            say(line)

    return show


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
