"""The folder that a report is written into, and the record in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeroshot._files import atomic_folder, other_files
from zeroshot._record import RECORD, as_json, made_now

PAGE = "index.html"


def check_target(folder: str | os.PathLike, own: set[str], *, overwrite: bool, owner: str) -> None:
    """Raise, before the work, if there is something at `folder` that may not be replaced.

    Raises
    ------
    FileExistsError
        A file, a folder that holds more than the files of a report, or, without `overwrite`, any.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise FileExistsError(f"{owner}: {folder} exists. Pass overwrite=True to replace a report.")
    if folder.is_dir():
        if others := other_files(folder, own):
            raise FileExistsError(
                f"{owner}: {folder} holds more than a report ({', '.join(others[:5])}), and would "
                "be replaced as a whole. Choose another folder."
            )
    elif folder.exists():
        raise FileExistsError(f"{owner}: {folder} is a file. Choose another folder.")


def full_record(about: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is known of a report: `about`, and what every record has."""
    return {**made_now(), "seeds": {}, "weights": {}, **(about or {})}


def write_folder(
    folder: str | os.PathLike,
    page: str,
    figures: tuple[str, Any],
    record: Mapping[str, Any],
    *,
    overwrite: bool,
) -> Path:
    """Write the page, the figures (a file's name, and what it holds) and the record, or nothing."""
    name, content = figures
    with atomic_folder(folder, overwrite=overwrite) as new:
        (new / PAGE).write_text(page, encoding="utf-8")
        (new / name).write_text(as_json(content), encoding="ascii")
        (new / RECORD).write_text(as_json(record), encoding="ascii")
    return Path(folder)
