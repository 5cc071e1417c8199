"""Tables and progress bars on a terminal: what the package has, against rich.

    python -m benchmarks.terminal [--repeats 5]

Ten thousand rows of a table and 300,000 steps of a bar, written to memory; and what it takes a
fresh interpreter to load tqdm and rich, and click alone and with what help made by rich needs.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from benchmarks._rows import Row, medians_in_turns, print_rows
from benchmarks.import_time import run
from zeroshot.cli._output import Answers, as_text

COLUMNS = ("path", "label", "score")
ROWS = [(f"photos/[red]x[/red]/{i}.jpg", "lion", 0.123) for i in range(10_000)]
N_STEPS = 300_000


def rows(repeats: int = 5) -> Iterator[Row]:
    """Yield the rows."""
    answers = Answers(COLUMNS, ROWS)
    times = medians_in_turns(
        {"ours": lambda: as_text(answers, "table"), "rich": rich_table}, repeats
    )
    yield Row("a table of 10,000 rows", "rich.table", times["ours"], times["rich"])
    times = medians_in_turns({"tqdm": tqdm_bar, "rich": rich_bar}, repeats)
    yield Row("a bar of 300,000 steps (tqdm)", "rich.progress", times["tqdm"], times["rich"])
    loads = ("tqdm.auto", "rich.progress", "click", "click, rich.console, rich.table")
    sides = {names: partial(run, "-c", f"import {names}") for names in loads}
    times = medians_in_turns(sides, repeats)
    yield Row(f"import {loads[0]}", f"import {loads[1]}", times[loads[0]], times[loads[1]])
    yield Row(f"import {loads[2]}", f"import {loads[3]}", times[loads[2]], times[loads[3]])


def rich_table() -> str:
    """Return the table as rich writes it, every cell whole and as it is."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in COLUMNS:
        justify = "right" if name == "score" else "left"
        table.add_column(name, no_wrap=True, overflow="ignore", justify=justify)
    for path, label, score in ROWS:
        table.add_row(Text(path), Text(label), Text(f"{score:.3f}"))
    file = io.StringIO()
    Console(file=file, width=10_000, color_system=None).print(table)
    return file.getvalue()


def tqdm_bar() -> None:
    """Show a bar of tqdm."""
    with tqdm(total=N_STEPS, file=io.StringIO()) as bar:
        for _ in range(N_STEPS):
            bar.update()


def rich_bar() -> None:
    """Show a bar of rich."""
    console = Console(file=io.StringIO(), force_terminal=True)
    with Progress(console=console) as bar:
        task = bar.add_task("steps", total=N_STEPS)
        for _ in range(N_STEPS):
            bar.update(task, advance=1)


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    print_rows(rows(parser.parse_args().repeats))


if __name__ == "__main__":
    main()
