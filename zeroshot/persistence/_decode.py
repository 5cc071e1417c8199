"""JSON and arrays to objects, whatever is in the JSON: nothing in it is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._renamed import old_names, translated
from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.label_embeddings._stored import embedding_from_state
from zeroshot.persistence._classes import (
    CLASSES,
    FIXED,
    NETWORKS,
    find_class,
    is_fitted_attribute,
    parameter_names,
)
from zeroshot.persistence._encode import DTYPE, MAX_DEPTH, Node
from zeroshot.persistence._networks import load_network_arrays

_LAST_CODE_POINT = 0x10FFFF
_SOURCE = (
    "It was altered, or saved with another version of scikit-zeroshot or scikit-learn (config.json "
    "names both): install that one, or save the model again."
)


class Decoder:
    """Puts objects together again.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As `Encoder.arrays` were.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays
        self._embeddings: list[LabelEmbedding] = []
        self._objects: list[Any] = []
        self._kinds: dict[str, Callable[[Mapping[str, Node], int], Any]] = {
            "array": self._array,
            "dict": self._dict,
            "embedding": lambda node, _: _item(self._embeddings, node),
            "float": lambda node, _: _not_finite(_get(node, "value", str)),
            "object": lambda node, _: _item(self._objects, node),
            "path": lambda node, _: Path(_get(node, "value", str)),
            "scalar": _scalar,
            "strings": _strings,
            "tuple": lambda node, depth: tuple(self._items(node, depth)),
        }

    def add_embedding(self, node: Node) -> None:
        """Restore one more label embedding.

        Raises
        ------
        IntegrityError
            The node does not describe one.
        """
        state, arrays = _get(node, "state", dict), _get(node, "arrays", dict)
        restored = {name: self._value(array, 0) for name, array in arrays.items()}
        if not all(isinstance(array, np.ndarray) for array in restored.values()):
            raise IntegrityError(f"A saved label embedding lacks its arrays. {_SOURCE}")
        self._embeddings.append(_checked(embedding_from_state, state, restored))

    def add_object(self, node: Node) -> Any:
        """Restore, and return, one more estimator from those restored before.

        Raises
        ------
        IntegrityError
            The node does not describe one, or names a class that is not in the table.
        """
        name = _get(node, "class", str)
        if name not in CLASSES:
            raise IntegrityError(
                f"A saved model names the class {name!r}; this version of scikit-zeroshot loads "
                f"{', '.join(CLASSES)}. Install the version that saved it."
            )
        params, attributes = _get(node, "params", dict), _get(node, "attributes", dict)
        cls = find_class(name)
        old = old_names(cls)  # in files of an earlier version
        unknown = [
            key
            for key in params
            if key not in parameter_names(cls) and (key not in old or key.endswith("_"))
        ]
        if name not in NETWORKS:
            unknown += [
                key
                for key in attributes
                if not is_fitted_attribute(key, cls) and (key not in old or not key.endswith("_"))
            ]
        if unknown:
            raise IntegrityError(
                f"A saved {name} has {', '.join(map(repr, unknown))}, which the {name} here does "
                f"not know. {_SOURCE}"
            )
        values = translated(cls, {key: self._value(params[key], 0) for key in params})
        for parameter, permitted in FIXED.get(name, {}).items():
            if values.get(parameter) != permitted:
                raise IntegrityError(f"A saved {name} has a {parameter}, which is never saved.")
        restored = _checked(cls, **values)
        state = translated(cls, {key: self._value(attributes[key], 0) for key in attributes})
        if name in NETWORKS:
            _checked(load_network_arrays, restored, state)
        else:
            for key, value in state.items():
                setattr(restored, key, value)
        self._objects.append(restored)
        return restored

    def _value(self, node: Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise IntegrityError(f"A saved model nests values too deeply. {_SOURCE}")
        if isinstance(node, list):
            return [self._value(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        kind = node.get("kind")
        if not isinstance(kind, str) or kind not in self._kinds:
            raise IntegrityError(f"A saved model holds a value of unknown kind {kind!r}. {_SOURCE}")
        return self._kinds[kind](node, depth)

    def _items(self, node: Mapping[str, Node], depth: int) -> list[Any]:
        return [self._value(item, depth + 1) for item in _get(node, "items", list)]

    def _dict(self, node: Mapping[str, Node], depth: int) -> dict:
        pairs = self._items(node, depth)
        if not all(isinstance(p, list) and len(p) == 2 and type(p[0]) in (str, int) for p in pairs):
            raise IntegrityError(f"A saved dict is damaged. {_SOURCE}")
        return dict(pairs)

    def _array(self, node: Mapping[str, Node], depth: int) -> np.ndarray:
        name, text = _get(node, "name", str), _get(node, "dtype", str)
        stored = self._arrays.get(name)
        dtype = np.dtype(text) if DTYPE.fullmatch(text) else None
        if stored is None or dtype is None:
            raise IntegrityError(f"A saved model lacks its array {name!r} ({text}). {_SOURCE}")
        held = np.dtype(np.uint32) if dtype.kind == "U" else dtype.newbyteorder("=")
        if stored.dtype != held:
            raise IntegrityError(
                f"The array {name!r} of a saved model is of {stored.dtype}, expected {held}. "
                f"{_SOURCE}"
            )
        if dtype.kind == "U":
            return _from_code_points(stored, dtype, name)
        array = stored.copy().astype(dtype, copy=False)
        return array.T if node.get("order") == "F" else array


def _from_code_points(points: np.ndarray, dtype: np.dtype, name: str) -> np.ndarray:
    width = dtype.itemsize // 4
    if points.ndim == 0 or points.shape[-1] != width or (points > _LAST_CODE_POINT).any():
        raise IntegrityError(f"The array {name!r} of a saved model is no text. {_SOURCE}")
    return points.copy().view(dtype.newbyteorder("="))[..., 0].astype(dtype, copy=False)


def _strings(node: Mapping[str, Node], depth: int) -> np.ndarray:
    items = _get(node, "items", list)
    if not all(type(item) is str for item in items):
        raise IntegrityError(f"A saved array of strings is damaged. {_SOURCE}")
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _scalar(node: Mapping[str, Node], depth: int) -> np.generic:
    text, value = _get(node, "dtype", str), node.get("value")
    if text == "str":
        return np.str_(_get(node, "value", str))
    if not DTYPE.fullmatch(text) or "U" in text or type(value) not in (bool, int, str):
        raise IntegrityError(f"A saved number is damaged: {value!r} of dtype {text!r}. {_SOURCE}")
    dtype = np.dtype(text)
    if isinstance(value, str) and dtype.kind == "f":
        value = _checked(float, value)
    return _checked(dtype.type, value)


def _not_finite(text: str) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise IntegrityError(f"A saved number is {text!r}. {_SOURCE}")
    return float(text)


def _item(items: list, node: Mapping[str, Node]) -> Any:
    index = _get(node, "index", int)
    if not 0 <= index < len(items):
        raise IntegrityError(f"A saved model refers to its part {index}, which is not there yet.")
    return items[index]


def _get(node: Node, key: str, kind: type) -> Any:
    if not isinstance(node, dict) or type(node.get(key)) is not kind:
        raise IntegrityError(f"A saved model lacks a {kind.__name__} named {key!r}. {_SOURCE}")
    return node[key]


def _checked(build: Callable, *args: Any, **kwargs: Any) -> Any:
    """Return ``build(*args, **kwargs)``; what it refuses is a damaged model, not a user's error."""
    try:
        return build(*args, **kwargs)
    except IntegrityError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        name = getattr(build, "__name__", "object")
        raise IntegrityError(f"A saved part is refused by {name}: {error} {_SOURCE}") from error
