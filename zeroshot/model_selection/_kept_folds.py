"""Folds whose scores are kept in files, so that an interrupted cross-validation resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import cross_validate

from zeroshot._utils._files import atomic_file
from zeroshot.exceptions import IntegrityError

OWNER = "cross_validate_classes"


def cross_validate_kept(
    folder: str | os.PathLike,
    estimator: Any,
    X: Any,
    y: Any,
    scoring: Any,
    *,
    n_jobs: int | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what ``cross_validate`` does, each fold from its file if there is one.

    Parameters
    ----------
    folder : path
        Where the files are. They are named by what decides the scores: the estimator, the data, the
        rows of the fold and the scorers.
    estimator, X, y, scoring, n_jobs
        As in `cross_validate_classes`.
    options : mapping
        Others of ``cross_validate``, with ``cv``.

    Raises
    ------
    IntegrityError
        A file is damaged.
    """
    place = Path(folder).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    rest = {name: value for name, value in options.items() if name != "cv"}
    about = joblib.hash((estimator, X, y, repr(scoring), sorted(rest.items(), key=str)))
    folds = list(options["cv"].split(X, y))
    found = Parallel(n_jobs=n_jobs)(
        delayed(_fold)(place, about, estimator, X, y, scoring, fold, rest) for fold in folds
    )
    return {name: np.array([fold[name] for fold in found]) for name in found[0]}


def _fold(
    place: Path, about: str, estimator: Any, X: Any, y: Any, scoring: Any, fold: Any, rest: Any
) -> dict[str, float]:
    train, test = (np.asarray(rows) for rows in fold)
    path = place / f"fold-{joblib.hash((about, train, test))}.json"
    if path.is_file():
        try:
            return {str(name): float(value) for name, value in json.loads(path.read_text()).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise IntegrityError(
                f"{OWNER}: {path} is damaged ({error}). Remove it, and the fold is computed again."
            ) from error
    scores = cross_validate(estimator, X, y, scoring=scoring, cv=[(train, test)], **rest)
    values = {name: float(value[0]) for name, value in scores.items()}
    with atomic_file(path) as file:
        file.write(json.dumps(values).encode())
    return values
