"""The result of `few_shot_curve`: printing, differences, export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from zeroshot._utils._validation import check_number
from zeroshot.evaluation._result import html_table, number, text_table

Scores = dict[int, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """Difference between the scores of two methods, paired by draw.

    Attributes
    ----------
    mean : float
        Mean over the draws.
    low, high : float or None
        Student's interval for the mean; None for a single draw.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.evaluation import Difference
    >>> round(Difference.of(np.array([0.1, 0.2])).mean, 2)
    0.15
    """

    mean: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: np.ndarray, level: float = 0.95) -> Difference:
        """Return the mean of paired differences, (n_draws,), and its interval."""
        mean, n = float(values.mean()), len(values)
        if n < 2:
            return cls(mean, None, None)
        half = float(student.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
        return cls(mean, mean - half, mean + half)


@dataclass(frozen=True, eq=False, repr=False)
class FewShotCurve(Mapping[str, Scores]):
    """Result of `few_shot_curve`: a mapping from names of methods to scores by images per class.

    ``print`` and notebooks show a table.

    Attributes
    ----------
    scores : dict of str to dict of int to ndarray of shape (n_draws,)
        For each method, its scores at each number of images per class. The same position is the
        same draw for every method.
    controls : dict of str to ndarray of shape (n_draws,)
        Scores of controls that do not use images, by draw.
    left_out : dict of str to str
        Methods without a score at 0 images, and the reason.
    settings : dict
        ``metric``, ``shots``, ``n_draws``, ``n_classes`` and ``n_test``, the number of test images
        of each draw.

    Examples
    --------
    >>> import numpy as np
    >>> from zeroshot.evaluation import FewShotCurve
    >>> settings = {"metric": "accuracy", "shots": [1], "n_draws": 2, "n_classes": 4}
    >>> settings["n_test"] = [8, 8]
    >>> scores = {"svm": {1: np.array([0.5, 0.7])}, "class mean": {1: np.array([0.4, 0.5])}}
    >>> curve = FewShotCurve(scores, {"chance": np.full(2, 0.25)}, {}, settings)
    >>> print(curve)
    accuracy of 4 classes, 2 draws, 8 test images
    images per class  1
    svm             0.600 ± 0.100
    class mean      0.450 ± 0.050
    chance          0.250 ± 0.000
    Mean and standard deviation over the draws. ...
    >>> round(curve.differences("class mean")["svm"][1].mean, 3)
    0.15
    """

    scores: dict[str, Scores]
    controls: dict[str, np.ndarray]
    left_out: dict[str, str]
    settings: dict[str, Any]

    def __getitem__(self, name: str) -> Scores:
        return self.scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def differences(
        self, reference: str, *, level: float = 0.95
    ) -> dict[str, dict[int, Difference]]:
        """Return the difference between each method and a reference, paired over the draws.

        The intervals measure the effect of the random draw of images. They do not measure the
        effect of the test images.

        Parameters
        ----------
        reference : str
            Name of the other method, or of a control.
        level : float, default=0.95
            Coverage of the intervals, between 0 and 1.

        Returns
        -------
        dict of str to dict of int to Difference
            For each method except `reference`, at each number of images that both have.

        Raises
        ------
        ValueError
            There is no method `reference`, or `level` is out of range.
        """
        owner = "FewShotCurve.differences"
        check_number(level, owner=owner, name="level", above=0)
        if level >= 1:
            raise ValueError(f"{owner}: level must be below 1, got {level!r}.")
        if reference not in self.scores and reference not in self.controls:
            known = ", ".join(map(repr, [*self.scores, *self.controls]))
            raise ValueError(f"{owner}: reference must be one of {known}, got {reference!r}.")
        constant = self.controls.get(reference)
        other = self.scores.get(reference, {})
        return {
            name: {
                shot: Difference.of(draws - (other[shot] if constant is None else constant), level)
                for shot, draws in by_shot.items()
                if constant is not None or shot in other
            }
            for name, by_shot in self.scores.items()
            if name != reference
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types: numbers, strings, lists and dicts.

        Returns
        -------
        dict
            A dict with the keys ``settings``, ``scores``, ``controls`` and ``left_out``. Numbers of
            images are strings, as in JSON.
        """
        return {
            "settings": dict(self.settings),
            "scores": {
                name: {str(shot): draws.tolist() for shot, draws in by_shot.items()}
                for name, by_shot in self.scores.items()
            },
            "controls": {name: draws.tolist() for name, draws in self.controls.items()},
            "left_out": dict(self.left_out),
        }

    def to_frame(self) -> Any:
        """Return the scores as a data frame, one row per score.

        Returns
        -------
        pandas.DataFrame
            A data frame with the columns ``method``, ``shots``, ``draw``, ``score`` and ``control``
            (whether the method is a control). Controls have rows for every number of images.
        """
        import pandas  # takes half a second, so only here

        methods = [(name, by_shot, False) for name, by_shot in self.scores.items()]
        shots = self.settings["shots"]
        methods += [(name, dict.fromkeys(shots, d), True) for name, d in self.controls.items()]
        rows = [
            (name, shot, draw, float(score), control)
            for name, by_shot, control in methods
            for shot, draws in by_shot.items()
            for draw, score in enumerate(draws)
        ]
        return pandas.DataFrame(rows, columns=["method", "shots", "draw", "score", "control"])

    def __repr__(self) -> str:
        return f"FewShotCurve({self._heading()})"

    def __str__(self) -> str:
        return text_table(self._heading(), self._rows(), self._remarks())

    def _repr_html_(self) -> str:
        return html_table(self._heading(), self._rows(), self._remarks())

    def _heading(self) -> str:
        known = self.settings
        least, most = min(known["n_test"]), max(known["n_test"])
        n_test = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        draws = "1 draw" if known["n_draws"] == 1 else f"{known['n_draws']} draws"
        return f"{known['metric']} of {known['n_classes']:,} classes, {draws}, {n_test} test images"

    def _rows(self) -> list[list[str]]:
        shots = self.settings["shots"]
        rows = [["images per class", *map(str, shots)]]
        for name, by_shot in self.scores.items():
            rows.append([name, *(_cell(by_shot.get(shot)) for shot in shots)])
        for name, draws in self.controls.items():
            rows.append([name, *(_cell(draws) for _ in shots)])
        return rows

    def _remarks(self) -> list[str]:
        lines = [
            "Mean and standard deviation over the draws. All methods see the same images in a "
            "draw, and more images are those of fewer and others: differences() compares them in "
            "pairs. The last rows look at no image."
        ]
        lines += [f"{name} has no score at 0 images: {why}" for name, why in self.left_out.items()]
        return lines


def _cell(draws: np.ndarray | None) -> str:
    if draws is None:
        return ""
    mean = number(float(draws.mean()))
    return mean if len(draws) == 1 else f"{mean} ± {draws.std():.3f}"
