"""Images that arrive while the command runs: lines of standard input, files in watched folders."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from zeroshot.cli._terminal import UsageError

MOST_AT_ONCE = 64
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_END = 0.1  # within this time a closed or empty input has ended
NO_LINE = "standard input names no image. Write one path a line."


def lines_of_stdin() -> Iterator[list[str]]:
    """Return the lines of standard input as they come: all that are there, at most `MOST_AT_ONCE`.

    Raises
    ------
    UsageError
        There is no line. An empty input that ends at once is refused before the first line is asked
        for.
    """
    arrived: queue.Queue[str | Exception | None] = queue.Queue()
    reader = threading.Thread(target=_read_lines, args=(arrived,), daemon=True)
    reader.start()
    reader.join(SECONDS_TO_END)
    if not reader.is_alive() and arrived.queue[0] is None:
        raise UsageError(NO_LINE)
    return _lines_of(arrived)


def _lines_of(arrived: queue.Queue[str | Exception | None]) -> Iterator[list[str]]:
    is_empty, is_over = True, False
    while not is_over:
        lines, is_over = _lines_there(arrived)
        if lines:
            yield lines
            is_empty = False
    if is_empty:
        raise UsageError(NO_LINE)


def _read_lines(arrived: queue.Queue[str | Exception | None]) -> None:
    """Put the lines of standard input, then None or the error that ended them."""
    try:
        for line in sys.stdin.buffer:
            if line.strip():
                arrived.put(os.fsdecode(line.rstrip(b"\r\n")))
    except (OSError, ValueError) as error:
        arrived.put(error)  # is raised by the thread that waits
    else:
        arrived.put(None)


def _lines_there(arrived: queue.Queue[str | Exception | None]) -> tuple[list[str], bool]:
    """Wait for a line, and return the lines that are there, and whether they are the last."""
    lines: list[str] = []
    while len(lines) < MOST_AT_ONCE:
        try:
            line = arrived.get(block=not lines)
        except queue.Empty:
            break
        if isinstance(line, Exception):
            raise line
        if line is None:
            return lines, True
        lines.append(line)
    return lines, False


def new_images(folders: Sequence[str]) -> Iterator[list[str]]:
    """Yield the images in folders, then those that are new or have changed, until interrupted.

    A file is yielded once its size and time have stayed the same from one look to the next: before
    that, it may still be written.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    """
    from zeroshot.datasets._folders import images_below

    yielded: dict[str, tuple[int, int]] = {}
    before: dict[str, tuple[int, int]] = {}
    while True:
        now = _stamps(path for folder in folders for path in images_below(Path(folder)))
        ready = [
            path
            for path, stamp in now.items()
            if stamp == before.get(path) and stamp != yielded.get(path)
        ]
        yielded |= {path: now[path] for path in ready}
        before = now
        for start in range(0, len(ready), MOST_AT_ONCE):
            yield ready[start : start + MOST_AT_ONCE]
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _stamps(paths: Iterator[str]) -> dict[str, tuple[int, int]]:
    """Return size and time of the files that are still there."""
    found = {}
    for path in paths:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            continue  # it was moved away since the folder was listed
        found[path] = status.st_size, status.st_mtime_ns
    return found
