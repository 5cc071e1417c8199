"""The folder that a report is written into, and the record in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeroshot._files import other_files
from zeroshot._record import made_now

PAGE = "index.html"


def check_replaceable(folder: str | os.PathLike, own: set[str], *, owner: str) -> None:
    """Raise if there is something at `folder` that is no report: it would be deleted.

    Raises
    ------
    FileExistsError
        A file, or a folder that holds more than the files of a report.
    """
    folder = Path(folder)
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
