"""Encoding: objects to JSON and arrays."""

from __future__ import annotations

import math
import re
import sys
from collections import defaultdict
from pathlib import PurePath
from typing import Any

import numpy as np

from zeroshot._utils._fitted import InvalidStateError
from zeroshot._utils._saving import Config
from zeroshot._utils._validation import check_labels
from zeroshot.label_embeddings import LabelEmbedding
from zeroshot.metrics import SCORERS
from zeroshot.metrics._scorers import Scorer
from zeroshot.persistence import _scikit_learn
from zeroshot.persistence._objects import Objects
from zeroshot.persistence._saved_names import CLASSES, class_name
from zeroshot.taxonomy import Synset

MAX_DEPTH = 32
"""How deep lists, dicts and estimators may be nested."""

DTYPE = re.compile(r"\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]|[<>]U[1-9]\d{0,7}")
"""What arrays may hold: booleans, integers, floats, text."""

_RANDOM = (np.random.RandomState, np.random.Generator, np.random.BitGenerator)
_KNOWN_LABELS = ("candidates", "classes_", "seen_classes_")

Node = Any  # types of the json module: None, bool, int, float, str, list, dict


class Encoder:
    """Converts objects to nodes. An object that occurs twice is stored once.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Every array, by a name that says where it was found.
    objects : list of dict
        Estimators: class, parameters, fitted attributes. Each refers to earlier ones only.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.objects: list[dict[str, Node]] = []
        self._embeddings: list[LabelEmbedding] = []
        self._labels: dict[str | int, None] = {}
        self._known = Objects()
        # The objects are kept with their nodes, so that no id is reused.
        self._met: dict[int, tuple[object, Node]] = {}

    def value(self, value: Any, place: str, depth: int = 0) -> Node:
        """Return the node for any value that can be saved.

        Parameters
        ----------
        value : object
            Value at `place`.
        place : str
            Place such as ``"DeViSEClassifier.hidden"``, for messages and for the names of arrays.
        depth : int, default=0
            Number of containers and estimators around it.

        Raises
        ------
        TypeError
            The value cannot be saved. The message says what to do.
        ValueError
            The value is nested deeper than `MAX_DEPTH`, or `load` would refuse it.
        """
        if depth > MAX_DEPTH:
            raise ValueError(
                f"save: {place} is nested more than {MAX_DEPTH} levels deep. Take out what "
                "contains itself."
            )
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"kind": "float", "value": repr(value)}
        if type(value) is defaultdict:
            value = dict(value)  # nltk uses them for counts
        if type(value) in (list, tuple, dict):
            return self._container(value, place, depth + 1)
        if isinstance(value, np.generic):
            return _scalar(value, place)
        if isinstance(value, Synset):
            return value.wnid  # accepted wherever a synset is
        if isinstance(value, Scorer) and SCORERS.get(value.name) == value:
            return value.name  # accepted wherever a scorer is
        if isinstance(value, PurePath):
            return {"kind": "path", "value": str(value)}
        if (torch := sys.modules.get("torch")) and isinstance(value, torch.device):
            return str(value)
        if id(value) not in self._met:
            self._met[id(value)] = value, self._shared(value, place, depth + 1)
        return self._met[id(value)][1]

    @property
    def parts(self) -> list[Any]:
        """The objects and label embeddings that were met."""
        return [value for value, _ in self._met.values()]

    def embeddings(self) -> list[dict[str, Node]]:
        """Return the nodes of all label embeddings. Call it last, when all labels are known."""
        nodes = []
        for embedding in self._embeddings:
            state, arrays = embedding.to_config(list(self._labels))
            name = type(embedding).__name__
            nodes.append(
                {
                    "state": state,
                    "arrays": {
                        local: self._array(array, f"{name}.{local}")
                        for local, array in arrays.items()
                    },
                }
            )
        return nodes

    def _container(self, value: Any, place: str, depth: int) -> Node:
        if type(value) is dict:
            odd = [key for key in value if type(key) not in (str, int)]
            if odd:
                raise TypeError(
                    f"save: {place} is a dict with the key {odd[0]!r}, a {type(odd[0]).__name__}. "
                    "Use plain strings or integers as keys."
                )
            items = [[key, self.value(v, f"{place}[{key!r}]", depth)] for key, v in value.items()]
            return {"kind": "dict", "items": items}
        items = [self.value(v, f"{place}[{i}]", depth) for i, v in enumerate(value)]
        return items if type(value) is list else {"kind": "tuple", "items": items}

    def _shared(self, value: Any, place: str, depth: int) -> Node:
        if isinstance(value, np.ndarray):
            return self._array(value, place)
        if isinstance(value, LabelEmbedding):
            self._embeddings.append(value)
            return {"kind": "embedding", "index": len(self._embeddings) - 1}
        name = class_name(value)
        if name is None:
            raise _unsupported(value, place)
        # Look at the class: a FrozenEstimator has the methods of the estimator inside it.
        if hasattr(type(value), "to_config"):
            params, attributes = value.to_config()
        else:
            params, attributes = _scikit_learn.to_config(value)
        attributes = dict(sorted(attributes.items()))
        if not params.keys().isdisjoint({"candidates", "label_embedding"}):
            self._note_labels({**params, **attributes}, name)
        node = {
            "class": name,
            "params": {k: self.value(v, f"{name}.{k}", depth) for k, v in params.items()},
            "attributes": {k: self.value(v, f"{name}.{k}", depth) for k, v in attributes.items()},
        }
        self._check(value, Config(params, attributes))
        self.objects.append(node)
        return {"kind": "object", "index": len(self.objects) - 1}

    def _check(self, value: Any, config: Config) -> None:
        """Raise where `load` would refuse an object."""
        try:
            self._known.add(value, config)
        except InvalidStateError as error:
            raise ValueError(
                f"save: the model could not be loaded: {error} Fit it again, or set the parameter "
                "to what its class allows."
            ) from error

    def _note_labels(self, values: dict[str, Any], owner: str) -> None:
        for name in _KNOWN_LABELS:
            if values.get(name) is not None and not isinstance(values[name], str):
                labels = check_labels(values[name], owner=owner, name=name)
                self._labels.update(dict.fromkeys(labels.tolist()))

    def _array(self, array: np.ndarray, place: str) -> Node:
        kind = array.dtype.kind
        if kind == "O" and array.ndim == 1 and all(type(item) is str for item in array):
            return {"kind": "strings", "items": array.tolist()}
        plain = type(array) in (np.ndarray, np.memmap)
        if not plain or not DTYPE.fullmatch(array.dtype.str):
            raise TypeError(
                f"save: {place} is a {type(array).__name__} of dtype {array.dtype}, which cannot "
                "be saved. Use a plain array of numbers, booleans or strings."
            )
        node = {"kind": "array", "dtype": array.dtype.str, "order": "C"}
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if kind == "U":
            array = _code_points(array)
        elif array.flags.f_contiguous and not array.flags.c_contiguous:
            # Rounding in a matrix product depends on the layout of its factors, so the layout is
            # kept.
            array, node["order"] = array.T, "F"
        node["name"] = f"{len(self.arrays)}.{place}"
        # safetensors writes the memory of arrays that are not contiguous and ignores their strides.
        self.arrays[node["name"]] = np.asarray(array, order="C")
        return node


def _code_points(array: np.ndarray) -> np.ndarray:
    """Return strings as Unicode code points: uint32, with one more axis."""
    width = array.dtype.itemsize // 4
    return np.array(array, order="C").reshape(-1, 1).view(np.uint32).reshape(*array.shape, width)


def _scalar(value: np.generic, place: str) -> Node:
    if isinstance(value, np.str_):
        return {"kind": "scalar", "dtype": "str", "value": str(value)}
    if not DTYPE.fullmatch(value.dtype.str):
        raise TypeError(
            f"save: {place} is a numpy scalar of dtype {value.dtype}, which cannot be saved. Use "
            "a Python number or string."
        )
    plain = value.item()
    text = repr(plain) if isinstance(plain, float) else plain
    return {"kind": "scalar", "dtype": value.dtype.str, "value": text}


def _unsupported(value: object, place: str) -> TypeError:
    what = f"save: {place} is a {type(value).__name__}, which cannot be saved."
    if isinstance(value, _RANDOM):
        return TypeError(f"{what} Pass an int seed: set_params(random_state=0).")
    if hasattr(value, "best_estimator_"):
        return TypeError(f"{what} Save its best_estimator_.")
    public = [name for name, home in CLASSES.items() if "._" not in home]  # not what is inside them
    return TypeError(
        f"{what} Estimators and splitters that can be: {', '.join(public)}; label embeddings; "
        "and, as parameters, None, numbers, strings, paths, lists, tuples, dicts and numpy arrays. "
        "Give it such a value with set_params, or save the parts that can be."
    )
