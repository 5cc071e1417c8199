"""Folder of a report, and the record in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zeroshot._utils._files import atomic_folder, final_place, other_files
from zeroshot._utils._provenance import RECORD, as_json, made_now, relative_paths
from zeroshot.report._page import pairs, paragraph, section, table

MAX_LISTED = 100
HEAD = {"command": "Command", "model": "Model", "source": "Data", "date": "Date"}
BELOW = ("versions", "platform", "seeds", "weights", "images")


PAGE = "index.html"


def check_target(folder: str | os.PathLike, own: set[str], *, overwrite: bool, owner: str) -> None:
    """Raise before the work if `folder` exists and must not be replaced.

    Raises
    ------
    FileExistsError
        `folder` is a file, has files other than those of a report, or exists without `overwrite`.
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


def full_record(about: Mapping[str, Any] | None, folder: str | os.PathLike) -> dict[str, Any]:
    """Return the record of a report: `about`, and the entries of every record.

    Paths are relative to the folder of the report.
    """
    record = {**made_now(), "seeds": {}, "weights": {}, **(about or {})}
    return relative_paths(record, final_place(folder))


def write_folder(
    folder: str | os.PathLike,
    page: str,
    figures: tuple[str, Any],
    record: Mapping[str, Any],
    *,
    overwrite: bool,
) -> Path:
    """Write the page, the metrics (file name and content) and the record, or nothing."""
    name, content = figures
    content = relative_paths(content, final_place(folder))
    with atomic_folder(folder, overwrite=overwrite) as new:
        (new / PAGE).write_text(page, encoding="utf-8")
        (new / name).write_text(as_json(content), encoding="ascii")
        (new / RECORD).write_text(as_json(record), encoding="ascii")
    return Path(folder)


def what_was_run(record: Mapping[str, Any], more: Mapping[str, Any]) -> str:
    """Return command, model, data, date, and the settings."""
    values = {title: record[key] for key, title in HEAD.items() if key in record}
    if "images" in record:
        images = record["images"]
        skipped = f"; {images['skipped']:,} could not be read" if images["skipped"] else ""
        others = {end or "none": n for end, n in images.get("other_files", {}).items()}
        endings = f"; files with other endings were not ({_plain(others)})" if others else ""
        values["Read"] = f"{images['read']:,} images{skipped}{endings}"
    values |= more
    others = {key: record[key] for key in record if key not in HEAD and key not in BELOW}
    values |= {key.replace("_", " ").capitalize(): _plain(item) for key, item in others.items()}
    return section("What was run", pairs("The command and its settings", values))


def how_made(record: Mapping[str, Any]) -> str:
    """Return versions, seeds, and hashes."""
    return section(
        "Versions, seeds and hashes",
        pairs("Seeds of what is random", record["seeds"]),
        pairs("SHA-256 of saved files and of weights", record["weights"]),
        pairs("Versions", record["versions"] | {"platform": record["platform"]}),
    )


def unreadable_images(entries: Sequence[Mapping[str, str]], n_images: int) -> str:
    """Return the skipped images, and the reasons."""
    if not entries:
        return ""
    rows = [(os.path.basename(entry["path"]), entry["error"]) for entry in entries[:MAX_LISTED]]
    caption = f"{len(entries):,} of {n_images:,} images could not be read, and were left out"
    parts = [table(caption, ("File", "Why"), rows)]
    if len(entries) > MAX_LISTED:
        left = len(entries) - MAX_LISTED
        parts.append(paragraph(f"The other {left:,} are named in provenance.json."))
    return section("Images that could not be read", *parts)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
