"""JSON as a program writes it: no key twice, no deep nesting, finite numbers."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the content of a JSON text.

    Readers differ in which value they take for a key that an object has twice, and a text that
    nests deeply enough ends some readers.

    Parameters
    ----------
    text : str or bytes
        The whole text.

    Raises
    ------
    ValueError
        The text is not JSON, has a key twice in an object or a number that is not finite, or nests
        too deeply.

    Examples
    --------
    >>> from zeroshot._utils._strict_json import parse_json
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: an object has the key 'a' twice
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise ValueError(f"an object has the key {twice[:100]!r} twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
