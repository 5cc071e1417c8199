"""Part of an ONNX graph, written one operation at a time, without the package onnx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

OPSET = 18
"""The version of the ONNX operators that all graphs are written for."""


class Node(NamedTuple):
    """One operation.

    Parameters
    ----------
    op : str
        Name of an ONNX operator.
    inputs, outputs : tuple of str
        Names of its values.
    attributes : dict of str to object
        Its attributes.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


class Graph:
    """Operations on named values, in single precision.

    Calling the graph adds one operation and returns the name of its result. Arrays among the inputs
    become constants of the graph.

    Attributes
    ----------
    nodes : list of Node
        Operations, in the order in which they run.
    arrays : dict of str to ndarray
        Constants by name: float32, int64 or bool.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot._utils._onnx_graph import Graph
    >>> graph = Graph()
    >>> graph("Add", "X", np.ones(3))
    'head_1'
    >>> graph.nodes
    [Node(op='Add', inputs=('X', 'head_0'), outputs=('head_1',), attributes={})]
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.arrays: dict[str, np.ndarray] = {}
        self._n_names = 0

    def __call__(self, op: str, *inputs: Any, **attributes: Any) -> str:
        """Add an operation, and return the name of its result."""
        return self.several(op, 1, *inputs, **attributes)[0]

    def several(self, op: str, n_outputs: int, *inputs: Any, **attributes: Any) -> Sequence[str]:
        """Add an operation with several results, and return their names."""
        names = tuple(
            value if isinstance(value, str) else self._constant(value) for value in inputs
        )
        outputs = tuple(self._new_name() for _ in range(n_outputs))
        self.nodes.append(Node(op, names, outputs, attributes))
        return outputs

    def affine(self, X: str, coef: np.ndarray, intercept: np.ndarray) -> str:
        """Return rows times `coef`, (n_features, n_outputs), plus `intercept`."""
        return self("Add", self("MatMul", X, coef), intercept)

    def layers(self, X: str, coefs: list[np.ndarray], intercepts: list[np.ndarray]) -> str:
        """Return the outputs of affine maps with ReLU between them."""
        for position, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            X = self.affine(self("Relu", X) if position else X, coef, intercept)
        return X

    def mean(self, X: str) -> str:
        """Return the mean of each row, (n, 1)."""
        return self("ReduceMean", X, np.array([-1]), keepdims=1)

    def unit_rows(self, X: str) -> str:
        """Return rows at unit length; rows of zeros are not changed."""
        return self("Div", X, self.or_one(self("ReduceL2", X, np.array([-1]), keepdims=1)))

    def or_one(self, divisor: str) -> str:
        """Return a divisor with 1 in place of 0."""
        is_zero = self("Equal", divisor, np.array(0.0))
        return self("Where", is_zero, np.array(1.0), divisor)

    def columns(self, X: str, which: np.ndarray) -> str:
        """Return some columns, (n, n_which)."""
        return self("Gather", X, which, axis=1)

    def largest(self, X: str, k: int) -> tuple[str, str]:
        """Return the `k` largest entries of each row, best first, and their columns."""
        values, places = self.several("TopK", 2, X, np.array([k]), axis=-1)
        return values, places

    def _constant(self, values: Any) -> str:
        array = np.asarray(values)
        kinds = {"f": np.float32, "i": np.int64, "u": np.int64, "b": np.bool_}
        name = self._new_name()
        self.arrays[name] = np.ascontiguousarray(array.astype(kinds[array.dtype.kind]))
        return name

    def _new_name(self) -> str:
        self._n_names += 1
        return f"head_{self._n_names - 1}"
