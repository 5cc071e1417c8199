"""The plan of the fine-tuning study: which runs there are, and where each is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import fine_tune_runs as runs
from fine_tune_target import Preset, Target
from joblib import Parallel, delayed


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes
    ----------
    kind : {"start", "control", "course", "scratch"}
        What is measured.
    name : str
        The start, the control, or the source.
    shots, draw : int
        Training images a class, and which draw of them.
    """

    kind: str
    name: str
    shots: int
    draw: int

    def course(self, target: Target) -> runs.Course:
        """Run it, and return F-scores on the way."""
        rows = target.draw(self.shots, self.draw)
        if self.kind == "control":
            return runs.control(target, self.name, rows)
        if self.kind == "scratch":
            return runs.from_scratch(target, rows, self.draw)
        if self.kind == "course":
            matrix = runs.course_matrix(target, self.name, rows)
        elif self.name == runs.RANDOM:
            matrix = None
        else:
            matrix = runs.similarity_matrix(target, self.name, rows)
        return runs.fine_tuned(target, matrix, rows, self.draw)

    def path(self, folder: Path, preset: Preset) -> Path:
        """Return where its figures are kept."""
        name = f"{self.kind}-{self.name}-{self.shots}-{self.draw}-{preset.key}.json"
        return folder / name.replace(" ", "-").lower()


def planned(preset: Preset) -> Iterator[Run]:
    """Yield all runs of a preset, draw by draw, so that what is finished early is a whole."""
    for draw in range(max(preset.draws, preset.course_draws, preset.scratch_draws)):
        for shots in preset.shots if draw < preset.draws else ():
            yield from (Run("control", name, shots, draw) for name in runs.CONTROLS)
            yield from (Run("start", name, shots, draw) for name in runs.STARTS)
        if draw < preset.course_draws:
            names = runs.SOURCES
            yield from (Run("course", name, preset.course_shots, draw) for name in names)
        for shots in preset.scratch_shots if draw < preset.scratch_draws else ():
            yield Run("scratch", runs.SCRATCH, shots, draw)


def finished(preset: Preset, folder: Path) -> dict[Run, dict[str, Any]]:
    """Return the figures of the runs that have been made."""
    paths = {run: run.path(folder, preset) for run in planned(preset)}
    return {
        run: json.loads(path.read_text(encoding="utf-8"))
        for run, path in paths.items()
        if path.is_file()
    }


def make_runs(preset: Preset, folder: Path, *, minutes: float, jobs: int) -> None:
    """Make the runs that are missing, and begin none after so many minutes."""
    end = time.time() + 60 * minutes
    missing = [run for run in planned(preset) if not run.path(folder, preset).is_file()]
    if missing and minutes > 0:
        Target(preset, folder).test_features  # noqa: B018  computed once, before the jobs
        Parallel(n_jobs=jobs)(delayed(_make)(run, preset, folder, end) for run in missing)


def _make(run: Run, preset: Preset, folder: Path, end: float) -> None:
    if time.time() >= end:
        return
    start = time.monotonic()
    course = run.course(_target(preset, folder))
    path = run.path(folder, preset)
    record = {"course": course, "seconds": time.monotonic() - start}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record) + "\n", encoding="utf-8")
    part.replace(path)
    print(f"{run}: {course[0]['all']:.3f} to {course[-1]['all']:.3f}", flush=True)


@lru_cache(maxsize=1)
def _target(preset: Preset, folder: Path) -> Target:
    return Target(preset, folder)
