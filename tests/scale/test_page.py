"""The tables of docs/scale.md hold what the benchmarks and the simulation kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = {
    "CPU seconds": ("cpu_s", "{:.1f}"),
    "of them the caller's": ("cpu_of_caller_s", "{:.1f}"),
    "of the longer worker": ("cpu_of_longest_worker_s", "{:.1f}"),
    "peak memory, MB": ("peak_MB", "{:,.0f}"),
    "CPU seconds over plan": ("cpu_over_plan", "{:.2f}"),
    "bytes over plan": ("bytes_over_plan", "{:.2f}"),
    "equal outputs": ("equal_outputs", "{}"),
    "partitions": ("partitions", "{}"),
    "at most computed twice": ("most_partitions_computed_twice", "{}"),
    "largest difference": ("difference", "{:.0e}"),
    "worker 1, MB": ("worker_0_MB", "{:,.0f}"),
    "worker 2, MB": ("worker_1_MB", "{:,.0f}"),
}


def tables():
    """Yield the heads and the rows of the page's tables, as lists of cells."""
    page = (DOCS / "scale.md").read_text()
    for block in re.findall(r"((?:^\|.*\|\n)+)", page, re.MULTILINE):
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()
        ]
        yield head, rows


def test_measured_tables_are_those_of_the_files():
    found = {}
    for name in ("embed", "fit", "predict", "memory", "kills"):
        record = json.loads((DOCS / f"results/scale_{name}.json").read_text())
        found |= record["found"]
        assert record["command"] in (DOCS / "scale.md").read_text()
    n_cells = 0
    for head, rows in tables():
        for name, *cells in rows:
            for column, cell in zip(head[1:], cells, strict=True):
                if column in COLUMNS and name in found:
                    key, form = COLUMNS[column]
                    value = found[name].get(key)
                    assert cell == ("" if value is None else form.format(value)), (name, column)
                    n_cells += 1
    assert n_cells > 56


def test_the_simulation_is_the_one_that_was_kept():
    record = json.loads((DOCS / "results/scale_partition_size.json").read_text())
    assert record["command"] in (DOCS / "scale.md").read_text()
    kept = {(row["images"], row["size"]): row for row in record["rows"]}
    ((head, rows),) = [table for table in tables() if table[0][0] == "images per partition"]
    n_images = [int(cell.replace(",", "")) for cell in head[1:]]
    assert len(rows) > 4
    for size, *cells in rows:
        for n, cell in zip(n_images, cells, strict=True):
            row = kept.get((n, int(size.replace(",", ""))))
            assert cell == ("" if row is None else f"{row['overhead']:.1%}"), (n, size)
