"""The pages in a real browser, at the width of a phone and of a desktop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from browser import WIDTHS, look_at
from loaded_tool import load_tool
from PIL import Image
from test_report import ABOUT, ANIMALS, demo_results, evaluated, nasty_pages, read, save_images

from zeroshot.report import write_demo_report, write_evaluation_report


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("pages")
    result, model, X, y = evaluated(ANIMALS)
    photos = save_images(home / "photos", len(y))
    options = {"images": photos, "about": ABOUT}
    write_evaluation_report(result, home / "evaluation", model, X, y, **options)
    write_demo_report(demo_results(photos[:5]), home / "demo", about=ABOUT)
    nasty = nasty_pages(home / "nasty")
    return {name: read(home / name) for name in ("evaluation", "demo")} | {
        f"nasty {name}": page for name, page in nasty.items()
    }


@pytest.fixture(scope="module")
def look(pages: dict[str, str], tmp_path_factory) -> Callable[[str], dict[str, Any]]:
    """Return a function that opens a page in a browser, once."""
    return cache(lambda name: look_at(pages[name], tmp_path_factory.mktemp("browser")))


@pytest.mark.parametrize("name", ["evaluation", "demo", "nasty evaluation", "nasty demo"])
def test_a_page_loads_fits_and_shows_its_pictures(
    name: str, pages: dict[str, str], look: Callable[[str], dict[str, Any]]
) -> None:
    found = look(name)
    assert found["console"] == []  # no error, and nothing that the page's own policy refused
    for kind, width in WIDTHS.items():
        seen = found[kind]
        assert seen["width"] == width
        assert seen["scroll_width"] <= width and seen["beyond"] == []
        assert not seen["scripts_ran"]
        assert len(seen["images"]) == pages[name].count("<img ") > 4 * ("nasty" not in name)
        assert len(seen["charts"]) == pages[name].count('<svg class="plot') > 3
        assert all(alt.strip() and size > 150 and texts for alt, size, texts in seen["charts"])
        for alt, pixels, source, shown in seen["images"]:
            assert alt.strip()
            assert pixels > 0 and shown > 0
            assert source == "data:image/"
    if "nasty" not in name:
        assert found["phone"]["moved"] == found["desktop"]["moved"] == 0  # no table scrolls


def test_images_are_filtered_by_class_and_by_what_was_right(
    look: Callable[[str], dict[str, Any]],
) -> None:
    found = look("evaluation")
    for kind in WIDTHS:
        shown = found[kind]["shown"]
        assert len(shown["all"]) == 24
        assert shown["wrong"] == [card for card in shown["all"] if card[0] == "wrong"] != []
        assert shown["pressed"] == ["wrong"]
        wanted = [card for card in shown["all"] if card == ["right", "1"]]
        assert shown["right_of_1"] == wanted != []
        assert shown["said"] == f"{len(wanted)} images"
        # Reached by keyboard, and it can be seen where one is.
        assert found[kind]["focused"] == [[True, "3px"]] * 4


def test_names_are_seen_as_they_stand(look: Callable[[str], dict[str, Any]]) -> None:
    found = look("nasty evaluation")
    for kind in WIDTHS:
        assert "<script>window.ran=true</script>" in found[kind]["text"]
        assert r"a\u202eb\x00\x1b[31m\nc" in found[kind]["text"]


def test_the_probe_sees_what_is_wrong_and_the_policy_stops_it(
    pages: dict[str, str], tmp_path: Path
) -> None:
    """What the tests above look for would be found: or they could not fail."""
    bad = '<script>window.ran=true</script><img alt="far" src="https://example.org/x.png">'
    bad += '<div style="width:3000px">wide</div>'
    found = look_at(pages["demo"].replace("<main>", f"<main>{bad}"), tmp_path)
    assert any("script" in line for line in found["console"])
    assert any("example.org" in line for line in found["console"])
    phone = found["phone"]
    assert phone["scroll_width"] >= 3000 and phone["beyond"]
    assert not phone["scripts_ran"]
    assert phone["images"][0][:2] == ["far", 0]


def test_the_readmes_picture_is_taken_from_a_page(pages: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("there is no headless browser: apt-get install chromium")
    tool = load_tool("build_demo_picture")
    assert tool.TOP.is_file() and tool.TOP.stat().st_size <= 150e3
    target = tmp_path / "demo.jpg"
    tool.take(pages["demo"], tool.HEIGHT, target)
    with Image.open(target) as picture:
        assert picture.size == (tool.WIDTH, tool.HEIGHT)
        assert len(picture.convert("L").getcolors()) > 100  # not a blank page
