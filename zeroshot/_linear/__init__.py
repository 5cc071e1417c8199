"""Ridge regression from class sums: one object that adds up rows, and one solver on it."""

from zeroshot._linear._blas import (
    cholesky,
    class_sums,
    inverse_or_zero,
    product,
    shifted_diagonal,
)
from zeroshot._linear._folds import FoldSystem, LinearFolds
from zeroshot._linear._learner import ChoosesPenalties, LearnsFromSums
from zeroshot._linear._map import apply_map
from zeroshot._linear._sums import BLOCK_ELEMENTS, RowSums, blocks
from zeroshot._linear._systems import (
    LinearSystem,
    RidgeSolution,
    SystemOfRows,
    SystemOfSums,
    fit_in_memory,
    fold_systems,
)

__all__ = [
    "BLOCK_ELEMENTS",
    "ChoosesPenalties",
    "FoldSystem",
    "LearnsFromSums",
    "LinearFolds",
    "LinearSystem",
    "RidgeSolution",
    "RowSums",
    "SystemOfRows",
    "SystemOfSums",
    "apply_map",
    "blocks",
    "cholesky",
    "class_sums",
    "fit_in_memory",
    "fold_systems",
    "inverse_or_zero",
    "product",
    "shifted_diagonal",
]
