from __future__ import annotations

import json
import os
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from zeroshot.exceptions import MissingDependencyError
from zeroshot.report import draw_results, format_table, table_rows, write_report

SHARES = {
    "unseen_accuracy": 0.336,
    "constant_accuracy": 0.051,
    "unseen_hit_at_5": 0.768,
    "constant_hit_at_5": 0.252,
    "plain_names_unseen_accuracy": 0.307,
    "plain_names_unseen_hit_at_5": 0.732,
    "chance_accuracy": 0.053,
    "chance_hit_at_5": 0.254,
    "chance_accuracy_generalized": 0.011,
    "seen_accuracy_generalized": 0.404,
    "unseen_accuracy_generalized": 0.152,
    "harmonic_mean": 0.218,
}


def results(photos: list[str], labels: list[str] | None = None) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    losses = {f"class {i}": -0.8 * rng.random(2) for i in range(20)}
    labels = labels or ["swimming pool", "refrigerator", "cat", "dog", "bee"]
    return SHARES | {
        "relative_loss_median": -0.39,
        "mean_predictor_relative_loss_median": -0.29,
        "relative_loss_over_mean_predictor_median": -0.14,
        "relative_loss_improved": 19,
        "mean_predictor_relative_loss_improved": 18,
        "relative_losses": {
            name: {"model": float(a), "mean_predictor": float(b)} for name, (a, b) in losses.items()
        },
        "photos": [
            {"path": path, "labels": labels, "scores": [0.5, 0.4, 0.3, 0.2, 0.1]} for path in photos
        ],
        "seconds": 61.4,
    }


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Six photos: wide, tall, transparent, gray of 16 bits, rotated by EXIF, plain."""
    images = {
        "wide.png": Image.new("RGB", (900, 90), "red"),
        "tall.png": Image.new("RGB", (90, 900), "green"),
        "clear.png": Image.new("RGBA", (64, 64), (0, 0, 255, 0)),
        "deep.png": Image.fromarray(np.full((64, 64), 40_000, dtype=np.uint16)),
        "turned.jpg": Image.new("RGB", (120, 60), "blue"),
        "plain.png": Image.new("RGB", (64, 64), "orange"),
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, image in images.items():
        image.save(tmp_path / name, **({"exif": exif} if name == "turned.jpg" else {}))
    return [str(tmp_path / name) for name in images]


def test_every_figure_of_the_table_stands_beside_its_control() -> None:
    rows = table_rows(results([]))
    assert all(len(row) == 4 and all(row) for row in rows)
    cells = {row[0].strip(): row[1:] for row in rows}
    assert cells["20 unseen classes, top-1"] == ("0.336", "0.051", "best constant answer")
    assert cells["20 unseen classes, hit@5"] == ("0.768", "0.252", "best constant answer")
    assert cells["bare class names, top-1"] == ("0.307", "0.053", "chance")
    assert cells["all 100 offered: seen classes"] == ("0.404", "0.011", "chance")
    assert cells["excluded class: relative loss, median"][:2] == ("-39.0%", "-29.0%")
    assert cells["classes better than zero"][:2] == ("19 of 20", "18 of 20")
    assert cells["over that control, median"][0] == "-14.0%"


def test_the_text_has_aligned_columns_and_names_the_photos(photos: list[str]) -> None:
    text = format_table(results(photos[:2]))
    lines = text.splitlines()
    assert not text.endswith("\n")
    assert all(len(line) <= 100 for line in lines)
    table = lines[: lines.index("")]
    assert len({line.rindex("  ") for line in table if "chance" in line}) == 1
    assert "  wide.png: swimming pool (0.50), refrigerator (0.40), cat (0.30)" in text
    assert lines[-1] == "61 seconds"


@pytest.mark.parametrize("n_photos", [0, 1, 2, 3, 5, 6])
def test_any_number_of_photos_can_be_drawn_and_no_frame_stays_empty(
    n_photos: int, photos: list[str]
) -> None:
    figure = draw_results(results(photos[:n_photos]))
    FigureCanvasAgg(figure).draw()
    pictures = [axes for axes in figure.axes if axes.images]
    charts = [axes for axes in figure.axes if axes.axison]
    assert len(pictures) == min(n_photos, 4)
    assert len(charts) == 2
    width, height = figure.bbox.size
    for axes in figure.axes:
        # Axes' titles must not be cut off by the edge of the figure, or reach over a chart.
        box = axes.get_tightbbox()
        if box is not None and (axes.images or axes.axison):
            assert box.x0 >= -2
            assert box.y0 >= -2
            assert box.x1 <= width + 2
            assert box.y1 <= height + 2
    for picture in pictures:
        for chart in charts:
            assert picture.get_tightbbox().y0 >= chart.get_tightbbox().y1 - 2


def test_titles_of_neighbours_do_not_overlap(photos: list[str]) -> None:
    long = ["golden retriever puppy", "refrigerator truck", "swimming pool", "cat", "dog"]
    figure = draw_results(results(photos[:4], long))
    FigureCanvasAgg(figure).draw()
    titles = [axes._left_title.get_window_extent() for axes in figure.axes if axes.images]
    assert all(left.x1 <= right.x0 for left, right in zip(titles, titles[1:], strict=False))


def test_the_users_own_photos_are_drawn_first(photos: list[str]) -> None:
    """The demo puts them after the samples: with five or more, samples give way."""
    figure = draw_results(results([*photos[:2], *photos[2:]]))
    shapes = [axes.images[0].get_array().shape[:2] for axes in figure.axes if axes.images]
    assert len(shapes) == 4
    assert (60, 600) not in shapes  # wide.png, a sample here


def test_photos_are_drawn_as_the_network_sees_them(photos: list[str]) -> None:
    clear, deep, turned = photos[2:5]
    figure = draw_results(results([clear, deep, turned]))
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    assert drawn[0][0, 0].tolist() == [255, 255, 255]  # composited on white
    assert drawn[1][0, 0].tolist() == [156, 156, 156]  # 40,000 of 65,535, not clipped
    assert drawn[2].shape == (120, 60, 3)  # upright


def test_nothing_drawn_is_registered_with_pyplot(photos: list[str]) -> None:
    draw_results(results(photos[:1]))
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


class Page(HTMLParser):
    """Count tags, and collect the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_is_well_formed(photos: list[str], tmp_path: Path) -> None:
    found = results(photos[:2])
    folder = write_report(found, tmp_path / "report")
    assert folder == tmp_path / "report"
    text = (folder / "index.html").read_text("utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.tags.count("tr") == 1 + len(table_rows(found))
    assert page.tags.count("li") == 2
    assert "0.336" in page.text
    assert "http" not in text  # nothing is fetched
    assert "data:image/png;base64," in text
    assert json.loads((folder / "results.json").read_text("utf-8")) == found


def test_the_page_escapes_names_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "a&b.png"
    Image.new("RGB", (8, 8)).save(path)
    labels = ["<script>alert(1)</script>", "b & c", "d", "e", "f"]
    write_report(results([str(path)], labels), tmp_path / "report")
    text = (tmp_path / "report/index.html").read_text("utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "a&amp;b.png" in text


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_name_that_is_no_text_loses_no_report(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Image.new("RGB", (8, 8)).save(path)
    found = results([path])
    write_report(found, tmp_path / "report")
    assert "caf" in (tmp_path / "report/index.html").read_text("utf-8")
    assert json.loads((tmp_path / "report/results.json").read_text("utf-8")) == found


def test_an_existing_folder_is_kept_unless_overwrite(photos: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "results.json").write_text("old", encoding="utf-8")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_report(results(photos[:1]), folder)
    assert (folder / "results.json").read_text("utf-8") == "old"
    write_report(results(photos[:1]), folder, overwrite=True)
    assert json.loads((folder / "results.json").read_text("utf-8"))["seconds"] == 61.4


def test_a_report_that_fails_leaves_nothing_behind(photos: list[str], tmp_path: Path) -> None:
    found = results(photos[:1]) | {"extra": object()}  # is no JSON
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(TypeError):
        write_report(found, home / "report")
    assert list(home.iterdir()) == []


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'scikit-zeroshot\[plots\]'"):
        write_report(results([]), tmp_path / "report")
    assert not (tmp_path / "report").exists()
