"""The notebooks in ``examples/notebooks`` run, and say what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]


def printed(notebook: Any) -> list[tuple[int, str, str]]:
    """Return what each cell prints: its number, the stream, and the text."""
    found: dict[tuple[int, str], str] = {}
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                key = number, output.name
                found[key] = found.get(key, "") + output.text
    return [(number, stream, text) for (number, stream), text in found.items()]


@pytest.mark.filterwarnings("ignore")  # of Jupyter, about its own parts
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs_and_prints_what_it_shows(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    shown = printed(notebook)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    assert printed(notebook) == shown
    assert all(stream == "stdout" for _, stream, _ in shown)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_is_small_and_of_no_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text) < 100_000
    assert not re.search(r"site-packages|/home/|/work/|/tmp/", text)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.metadata for cell in notebook.cells)
    assert sum(cell.cell_type == "markdown" for cell in notebook.cells) >= 4


def test_there_are_three_and_the_documentation_names_each() -> None:
    assert NAMES == ["evaluate_honestly", "one_papers_figure", "own_photos"]
    page = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
    for name in NAMES:
        assert f"(../examples/notebooks/{name}.ipynb)" in page
