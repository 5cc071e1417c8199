"""Zero-shot classifiers in closed form, which learn from sums over rows."""

from __future__ import annotations

import numpy as np

from zeroshot._linear import LearnsFromSums, LinearSystem, SystemOfRows, SystemOfSums
from zeroshot.estimators._base import ZeroShotClassifier


class ClosedFormClassifier(ZeroShotClassifier, LearnsFromSums):
    """Interface of zero-shot classifiers whose map is linear algebra on sums over rows.

    A subclass learns in ``fit_from_sums``, which calls `_fit_classes` for the label vectors.
    """

    def learns_from_sums(self) -> bool:
        """Tell whether ``fit_from_sums`` does what ``fit`` does, for the parameters as they are."""
        return self.hubness is None

    def check_sums(self) -> bool:
        """Tell that there are ``partial_fit`` and ``merge``."""
        return True

    def _learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self._forget_sums()
        self.fit_from_sums(SystemOfRows(X, y))

    def _fit_classes(self, system: LinearSystem) -> np.ndarray:
        """Set classes and label space, and return the vectors of the seen classes.

        Raises
        ------
        ValueError
            There is a correction against hubs, which the rows themselves are needed for.
        """
        if self.hubness is not None and isinstance(system, SystemOfSums):
            raise ValueError(
                f"{type(self).__name__}: hubness={self.hubness!r} takes its statistics from rows, "
                "of which partial_fit and merge keep only sums. Pass hubness=None, or call fit."
            )
        _, vectors = self._set_classes(system.classes, system.announced)
        return vectors
