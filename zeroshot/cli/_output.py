"""Output as a table, CSV, JSON or parquet, on stdout or in a file with its record."""

from __future__ import annotations

import csv
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from zeroshot._utils._files import atomic_file, other_files, parents_of
from zeroshot._utils._optional import import_optional
from zeroshot._utils._provenance import RECORD, as_json, made_now, relative_paths
from zeroshot._utils._text_tables import padded, printable, terminal_width
from zeroshot.cli._terminal import UsageError, say

TEXT_FORMATS = ("table", "csv", "json")
FORMATS = (*TEXT_FORMATS, "parquet")
SUFFIXES = {
    ".txt": "table", ".csv": "csv", ".json": "json", ".parquet": "parquet", ".npz": "npz",
}  # fmt: skip
"""What the name of an output file says."""


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet takes for a formula, after skipping blanks."""


@dataclass(frozen=True)
class Answers:
    """Output of a command as rows.

    Attributes
    ----------
    columns : sequence of str
        Names of the cells of a row.
    rows : sequence of sequence
        Strings, numbers, or None for what there is not.
    objects : list or dict, optional
        The same for JSON; by default a list with an object a row.
    text : str, optional
        The same for people; by default the rows in aligned columns.
    lines : sequence of sequence of str, optional
        Instead of `text`, cells to align, without a head.
    is_input : bool, default=False
        Whether commands read the same as CSV, so that no cell may be changed.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    objects: Any = None
    text: str | None = None
    lines: Sequence[Sequence[str]] | None = None
    is_input: bool = False


class Output:
    """Destination of the output: checked before the work, written after it.

    Parameters
    ----------
    args : Namespace
        With ``format``, ``raw``, ``output`` and ``force``.
    formats : sequence of str
        What the command can write; the first where nothing says which.
    is_endless : bool, default=False
        Whether answers come without end. JSON then has an object per line.

    Attributes
    ----------
    is_streamed : bool
        Whether answers are printed part by part, by `print_part`.

    Raises
    ------
    UsageError
        The format needs a file, or the file's name says no format, or it cannot be written or is
        there already.
    """

    def __init__(
        self,
        args: SimpleNamespace,
        formats: Sequence[str] = FORMATS,
        *,
        is_endless: bool = False,
    ) -> None:
        self.path = None if args.output is None else Path(args.output)
        if self.path is not None:
            check_file(self.path, force=args.force)
        self.format = args.format or _format_of(self.path, formats)
        self._raw = args.raw
        if self.path is None and self.format not in TEXT_FORMATS:
            raise UsageError(f"--format {self.format} needs --output FILE.")
        self.is_streamed = self.path is None and (self.format != "json" or is_endless)
        self._has_head = False

    def print_part(self, answers: Answers) -> None:
        """Print answers that follow those printed before."""
        form = "json lines" if self.format == "json" else self.format
        print_answers(answers, form, raw=self._raw, head=not self._has_head)
        self._has_head = True

    def write(self, answers: Answers, record: dict[str, Any]) -> None:
        """Write the answers to standard output, or to a file with its record."""
        if self.path is None:
            print_answers(answers, self.format, raw=self._raw)
            return
        with new_file(self.path, record) as file:
            if self.format == "parquet":
                write_parquet(answers, file)
            else:
                text = as_text(answers, self.format, raw=self._raw)
                file.write(text.encode("utf-8", errors="backslashreplace"))


def _format_of(path: Path | None, formats: Sequence[str]) -> str:
    if path is None:
        return formats[0]
    form = SUFFIXES.get(path.suffix.lower(), "")
    if form not in formats:
        known = ", ".join(suffix for suffix, form in SUFFIXES.items() if form in formats)
        raise UsageError(
            f"--output must end in one of {known}, which say what is written, got {path}. Rename "
            "it, or pass --format."
        )
    return form


def print_answers(answers: Answers, form: str, *, raw: bool, head: bool = True) -> None:
    """Write answers to standard output in a text format, in characters that it can encode."""
    encoding = sys.stdout.encoding or "utf-8"
    text = as_text(answers, form, raw=raw, encoding=encoding, head=head)
    if sys.stdout.isatty():  # a file or a program gets CSV and JSON as they are
        text = _printable_lines(text)
    sys.stdout.write(text)
    sys.stdout.flush()


def as_text(
    answers: Answers, form: str, *, raw: bool, encoding: str = "utf-8", head: bool = True
) -> str:
    """Return answers in a text format, a table in characters that the encoding has.

    Without `head`, CSV has no names of columns: it follows a part that has them.
    """
    if form == "csv":
        cell = (lambda value: value) if raw or answers.is_input else _for_spreadsheets
        lines = _Lines()
        writer = csv.writer(lines)
        if head:
            writer.writerow(answers.columns)
        writer.writerows([cell(value) for value in row] for row in answers.rows)
        return "".join(lines)
    if form == "json":
        objects = answers.objects
        if objects is None:
            objects = [dict(zip(answers.columns, row, strict=True)) for row in answers.rows]
        return as_json(objects)
    if form == "json lines":
        return "".join(f"{json.dumps(one)}\n" for one in answers.objects)
    if answers.text is not None:
        return _printable_lines(f"{answers.text}\n")
    if answers.lines is not None:
        return _aligned(answers.lines, [False] * max(map(len, answers.lines), default=0), encoding)
    return _table(answers, encoding)


class _Lines(list[str]):
    """Lines of CSV that end in a line feed. csv quotes a carriage return only if they end in it."""

    def write(self, line: str) -> None:
        self.append(line.removesuffix("\r\n") + "\n")


def _for_spreadsheets(value: Any) -> Any:
    """Return a text as one that a spreadsheet does not run; numbers as they are."""
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _table(answers: Answers, encoding: str) -> str:
    numeric = [
        any(
            isinstance(row[i], (int, float)) and not isinstance(row[i], bool)
            for row in answers.rows
        )
        for i in range(len(answers.columns))
    ]
    cells = [list(answers.columns), *([_cell(value) for value in row] for row in answers.rows)]
    return _aligned(cells, numeric, encoding)


def _aligned(rows: Sequence[Sequence[str]], numeric: Sequence[bool], encoding: str) -> str:
    """Return rows in aligned columns, after characters that the encoding lacks are replaced."""
    cells = [
        [printable(cell).encode(encoding, "backslashreplace").decode(encoding) for cell in row]
        for row in rows
    ]
    widths = [max(map(terminal_width, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        parts = [
            padded(cell, width, right=right)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:z.3f}" if isinstance(value, float) else printable(str(value))


def write_parquet(answers: Answers, file: BinaryIO) -> None:
    """Write answers as parquet.

    Raises
    ------
    MissingDependencyError
        pyarrow is not installed.
    """
    pyarrow = import_optional("pyarrow", owner="--format parquet", extra="demo")
    parquet = import_optional("pyarrow.parquet", owner="--format parquet", extra="demo")
    columns = list(zip(*answers.rows, strict=True)) or [()] * len(answers.columns)
    table = {
        name: [valid_text(value) for value in column]
        for name, column in zip(answers.columns, columns, strict=True)
    }
    parquet.write_table(pyarrow.table(table), file)


def valid_text(value: Any) -> Any:
    """Return a value that parquet can hold: file names need not be valid UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", errors="backslashreplace").decode("utf-8")
    return value


def record_beside(path: Path) -> Path:
    """Return the path of the record of an output file."""
    return path.with_name(f"{path.name}.{RECORD}")


@contextmanager
def new_file(path: Path, record: dict[str, Any]) -> Iterator[BinaryIO]:
    """Yield a file that appears at `path`, with its record, when the block ends normally."""
    with (
        parents_of(path),
        atomic_file(record_beside(path)) as beside,
        atomic_file(path) as file,
    ):
        yield file
        beside.write(as_json(relative_paths(record, path.parent)).encode("ascii"))
    say(f"The output is in {path}")


def check_file(path: Path, *, force: bool) -> None:
    """Raise before the work if a file cannot be written or would be overwritten.

    Raises
    ------
    UsageError
        The message says what to do.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder. Name a file in it.")
    for place in (path, record_beside(path)):
        if place.exists() and not (force and place.is_file()):
            raise UsageError(f"{place} exists. Name another file, or pass --force.")
    check_parent(path, "file")


def check_folder(folder: Path, *, force: bool, own: set[str], what: str) -> None:
    """Raise before the work if a folder cannot be created or holds files other than `own`.

    Raises
    ------
    UsageError
        The message says what to do.
    """
    if folder.exists() and not force:
        raise UsageError(f"{folder} exists. Name another folder, or pass --force.")
    if folder.exists() and not _is_own(folder, own):
        raise UsageError(
            f"{folder} is no {what} of this command, and --force replaces nothing else. Name "
            "another folder."
        )
    check_parent(folder, "folder")


def _is_own(folder: Path, own: set[str]) -> bool:
    if not folder.is_dir() or folder.resolve() == Path.cwd():
        return False
    return not other_files(folder, own)


def check_parent(path: Path, kind: str) -> None:
    """Raise if no file can be created beside `path`. Permissions do not tell, so it tries."""
    parent = next(place for place in path.absolute().parents if place.exists())
    try:  # as the output and its record are made
        os.rmdir(tempfile.mkdtemp(prefix=f".{path.name}.{RECORD}.", dir=parent))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be made in {parent}: {error.strerror}. Name another {kind}."
        ) from error


def provenance(
    args: SimpleNamespace,
    *,
    weights: Mapping[str, str] | None = None,
    n_read: int | None = None,
    unreadable: Sequence[Mapping[str, str]] = (),
    other_files: Mapping[str, int] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the provenance of an output as a JSON object.

    Parameters
    ----------
    args : Namespace
        With ``argv``, and ``seed`` where there is one.
    weights : mapping of str to str, optional
        SHA-256 of the weights of each network, by its name.
    n_read : int, optional
        Images that were read.
    unreadable : sequence of mapping
        With ``path`` and ``error``, for each image that was skipped.
    other_files : mapping of str to int, optional
        How many files beside the images have which ending, and were not read.
    **more : object
        What else there is to say, JSON-able.

    Returns
    -------
    dict
        With ``command``, ``date``, ``versions``, ``platform``, ``seeds``, ``weights``, ``images``,
        and `more`.
    """
    record: dict[str, Any] = {
        "command": shlex.join(["zeroshot", *args.argv]),
        **made_now(),
        "seeds": {"seed": args.seed} if hasattr(args, "seed") else {},
        "weights": dict(weights or {}),
    }
    if n_read is not None:
        skipped = [dict(entry) for entry in unreadable]
        record["images"] = {"read": n_read, "skipped": len(skipped), "unreadable": skipped}
        if other_files:
            record["images"]["other_files"] = dict(other_files)
    return record | more
