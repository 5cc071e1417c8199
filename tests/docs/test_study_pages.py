"""The figures in the tables of a study's page are those that its command recorded."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PUBLISHED = {"-31.0", "-65.5", "+67.9"}  # Baughman et al.
CHANCE = {"0.010", "0.020"}  # of 100 labels, and of the 50 of the learning curves


def numbers(value):
    """Yield every number of a JSON document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


def recorded(name):
    return list(numbers(json.loads((DOCS / "results" / f"{name}.json").read_text())))


def cells(page):
    lines = (DOCS / page).read_text().splitlines()
    return [cell.strip() for line in lines if line.startswith("|") for cell in line.split("|")[1:]]


def test_shares_of_the_tiny_imagenet_page():
    known = {f"{value:.3f}" for value in recorded("devise_tiny_imagenet")}
    found = [cell for cell in cells("devise_tiny_imagenet.md") if re.fullmatch(r"\d\.\d{3}", cell)]
    assert len(found) > 200 and set(found) <= known | CHANCE


@pytest.mark.parametrize("sign", ["-", "+"])
def test_percentages_of_the_page_of_classes_left_out(sign):
    kinds = ("", "_development", "_frozen")
    values = [value for kind in kinds for value in recorded(f"leave_one_class_out{kind}")]
    known = {f"{100 * value:+.1f}" for value in values} | PUBLISHED
    page = cells("leave_one_class_out.md")
    first = page.index("Tiny ImageNet, medians")  # printed, and not kept
    text = " ".join(page[:first] + page[first + 36 :])
    found = re.findall(rf"(\{sign}\d+\.\d) %", text)
    assert len(found) > 15 and set(found) <= known
