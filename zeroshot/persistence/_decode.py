"""Decoding: JSON and arrays to objects, without trusting the JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot._utils._fitted import InvalidStateError
from zeroshot._utils._saving import SOURCE, Config
from zeroshot.exceptions import IntegrityError, ModelFormatError
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.persistence._encode import DTYPE, MAX_DEPTH, Node
from zeroshot.persistence._label_embeddings import restore_embedding
from zeroshot.persistence._objects import Objects
from zeroshot.persistence._saved_names import CLASSES, find_class

_LAST_CODE_POINT = 0x10FFFF


class Decoder:
    """Restores objects.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of `Encoder.arrays`.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays
        self._decoded: dict[tuple[str, str, str], np.ndarray] = {}
        self._embeddings: list[LabelEmbedding] = []
        self._objects: list[Any] = []
        self._known = Objects()
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

    @property
    def unused(self) -> list[str]:
        """The arrays that nothing has named, sorted."""
        return sorted(self._arrays.keys() - {name for name, _, _ in self._decoded})

    def add_embedding(self, node: Node) -> None:
        """Restore one more label embedding.

        Raises
        ------
        ModelFormatError
            The node does not describe a label embedding.
        """
        state, arrays = _get(node, "state", dict), _get(node, "arrays", dict)
        restored = {name: self._value(array, 0) for name, array in arrays.items()}
        if not all(isinstance(array, np.ndarray) for array in restored.values()):
            raise ModelFormatError(f"A saved label embedding lacks its arrays. {SOURCE}")
        self._embeddings.append(
            _checked(str(state.get("type")), restore_embedding, state, restored)
        )

    def add_object(self, node: Node) -> Any:
        """Restore and return one more estimator, which may refer to those restored before.

        Raises
        ------
        ModelFormatError
            The node does not describe an estimator, or names a class that is not in the table.
        """
        name = _get(node, "class", str)
        if name not in CLASSES:
            raise ModelFormatError(
                f"A saved model names the class {name!r}; this version of scikit-zeroshot loads "
                f"{', '.join(CLASSES)}. Install the version that saved it."
            )
        params, attributes = _get(node, "params", dict), _get(node, "attributes", dict)
        config = Config(
            {key: self._value(value, 0) for key, value in params.items()},
            {key: self._value(value, 0) for key, value in attributes.items()},
        )
        restored = _checked(name, self._known.restore, find_class(CLASSES[name]), config)
        self._objects.append(restored)
        return restored

    def _value(self, node: Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ModelFormatError(f"A saved model nests values too deeply. {SOURCE}")
        if isinstance(node, list):
            return [self._value(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        kind = node.get("kind")
        if not isinstance(kind, str) or kind not in self._kinds:
            raise ModelFormatError(
                f"A saved model holds a value of unknown kind {kind!r}. {SOURCE}"
            )
        return self._kinds[kind](node, depth)

    def _items(self, node: Mapping[str, Node], depth: int) -> list[Any]:
        return [self._value(item, depth + 1) for item in _get(node, "items", list)]

    def _dict(self, node: Mapping[str, Node], depth: int) -> dict:
        pairs = self._items(node, depth)
        if not all(isinstance(p, list) and len(p) == 2 and type(p[0]) in (str, int) for p in pairs):
            raise ModelFormatError(f"A saved dict is damaged. {SOURCE}")
        return dict(pairs)

    def _array(self, node: Mapping[str, Node], depth: int) -> np.ndarray:
        key = (_get(node, "name", str), _get(node, "dtype", str), _get(node, "order", str))
        if key not in self._decoded:  # or a file could ask for many copies of an array
            self._decoded[key] = self._copied(*key)
        return self._decoded[key]

    def _copied(self, name: str, text: str, order: str) -> np.ndarray:
        stored = self._arrays.get(name)
        dtype = np.dtype(text) if DTYPE.fullmatch(text) else None
        if stored is None or dtype is None or order not in ("C", "F"):
            raise ModelFormatError(f"A saved model lacks its array {name!r} ({text}). {SOURCE}")
        held = np.dtype(np.uint32) if dtype.kind == "U" else dtype.newbyteorder("=")
        if stored.dtype != held:
            raise ModelFormatError(
                f"The array {name!r} of a saved model is of {stored.dtype}, expected {held}. "
                f"{SOURCE}"
            )
        if dtype.kind == "U":
            return _from_code_points(stored, dtype, name)
        array = stored.copy().astype(dtype, copy=False)
        return array.T if order == "F" else array


def _from_code_points(points: np.ndarray, dtype: np.dtype, name: str) -> np.ndarray:
    width = dtype.itemsize // 4
    if points.ndim == 0 or points.shape[-1] != width or (points > _LAST_CODE_POINT).any():
        raise ModelFormatError(f"The array {name!r} of a saved model is no text. {SOURCE}")
    return points.copy().view(dtype.newbyteorder("="))[..., 0].astype(dtype, copy=False)


def _strings(node: Mapping[str, Node], depth: int) -> np.ndarray:
    items = _get(node, "items", list)
    if not all(type(item) is str for item in items):
        raise ModelFormatError(f"A saved array of strings is damaged. {SOURCE}")
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _scalar(node: Mapping[str, Node], depth: int) -> np.generic:
    text, value = _get(node, "dtype", str), node.get("value")
    if text == "str":
        return np.str_(_get(node, "value", str))
    if not DTYPE.fullmatch(text) or "U" in text or type(value) not in (bool, int, str):
        raise ModelFormatError(f"A saved number is damaged: {value!r} of dtype {text!r}. {SOURCE}")
    dtype = np.dtype(text)
    if isinstance(value, str) and dtype.kind == "f":
        value = _checked("float", float, value)
    return _checked(text, dtype.type, value)


def _not_finite(text: str) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ModelFormatError(f"A saved number is {text!r}. {SOURCE}")
    return float(text)


def _item(items: list, node: Mapping[str, Node]) -> Any:
    index = _get(node, "index", int)
    if not 0 <= index < len(items):
        raise ModelFormatError(f"A saved model refers to its part {index}, which is not there yet.")
    return items[index]


def _get(node: Node, key: str, kind: type) -> Any:
    if not isinstance(node, dict) or type(node.get(key)) is not kind:
        raise ModelFormatError(f"A saved model lacks a {kind.__name__} named {key!r}. {SOURCE}")
    return node[key]


def _checked(name: str, build: Callable, *args: Any) -> Any:
    """Return ``build(*args)``. Its errors mean a damaged model, not a user's mistake."""
    try:
        return build(*args)
    except ModelFormatError:
        raise
    except IntegrityError as error:
        raise ModelFormatError(str(error), name) from error
    except InvalidStateError as error:
        raise ModelFormatError(f"A saved {error} {SOURCE}", error.attribute) from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        raise ModelFormatError(f"A saved part is refused by {name}: {e}. {SOURCE}", name) from e
