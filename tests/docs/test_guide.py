"""Tutorial, recipes and design page run from top to bottom, and print what stands below a block."""

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from zeroshot import load
from zeroshot._utils import _device
from zeroshot.cli import main

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"-?\d+\.\d+")


def blocks(page):
    return re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def run_page(page, name):
    """Run all blocks in order; return pairs of what each printed and what the page says."""
    scope, printed, pairs = {}, "", []
    for language, text in blocks(page):
        if language == "text":
            pairs.append((printed, text))
            continue
        output = io.StringIO()
        with redirect_stdout(output):
            if language == "python":
                exec(compile(text, name, "exec"), scope)
            else:
                for line in text.splitlines():
                    if not line.startswith("pip install "):
                        run_command(line)
        printed = output.getvalue()
    return scope, pairs


def run_command(line):
    name, *words = shlex.split(line)
    assert name == "zeroshot"
    assert main(words) == 0, line


def assert_same(printed, expected):
    """Words must be equal; figures may differ as little as by another processor's rounding."""
    lines = [[line.rstrip() for line in text.splitlines()] for text in (printed, expected)]
    texts = [NUMBER.sub("#", "\n".join(part)) for part in lines]
    assert texts[0] == texts[1], printed
    figures = [[float(figure) for figure in NUMBER.findall(text)] for text in (printed, expected)]
    np.testing.assert_allclose(*figures, atol=0.006, err_msg=printed)


@pytest.fixture
def photo_folder(tmp_path, monkeypatch):
    """Pieces of scikit-learn's two photos under ``photos/``, and one more as ``new.jpg``.

    Networks compute in float32, as the pages' figures are: bfloat16 changes their second digit.
    """
    monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device: False)
    monkeypatch.chdir(tmp_path)
    photos = load_sample_images().images
    names = ["lion", "wolf", "whale", "rose", "bus"]
    for position, name in enumerate(names):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for piece in range(2):
            corner = 60 * position, 150 * piece
            pixels = photos[position % 2][corner[0] :, corner[1] :][:150, :150]
            Image.fromarray(pixels).save(folder / f"{piece}.png")
    Image.fromarray(photos[0]).save("new.jpg")


@pytest.mark.parametrize("bad", ["1.520 cat", "1.500 dog"])
def test_a_stale_output_is_found(bad):
    assert_same("1.500 cat\n", "1.503 cat  \n")
    with pytest.raises(AssertionError):
        assert_same("1.500 cat\n", bad)


def test_the_tutorial_prints_what_it_says(photo_folder):
    page = (ROOT / "docs/tutorial.md").read_text()
    scope, pairs = run_page(page, "tutorial.md")
    assert len(pairs) == 9
    for printed, expected in pairs:
        assert_same(printed, expected)
    assert {"china.jpg", "flower.jpg", "cifar-model", "my-model"} <= {
        p.name for p in Path().iterdir()
    }
    assert len(scope["result"].classes["label"]) == 20


def test_the_recipes_print_what_they_say(photo_folder):
    page = (ROOT / "docs/recipes.md").read_text()
    _, pairs = run_page(page, "recipes.md")
    assert len(pairs) == 13
    for printed, expected in pairs:
        assert_same(printed, expected)


def test_the_design_page_prints_what_it_says():
    page = (ROOT / "docs/design.md").read_text()
    _, pairs = run_page(page, "design.md")
    assert len(pairs) == 1
    for printed, expected in pairs:
        assert_same(printed, expected)


def test_the_page_about_loading_prints_what_it_says():
    page = (ROOT / "docs/loading.md").read_text()
    _, pairs = run_page(page, "loading.md")
    assert len(pairs) == 2
    for expected, printed in pairs:
        assert printed == expected


@pytest.mark.slow  # three trainings in processes of their own
def test_the_recipes_script_trains_in_two_processes_and_goes_on(photo_folder):
    page = (ROOT / "docs/recipes.md").read_text()
    (script,) = [text for _, text in blocks(page) if 'os.environ.get("RANK"' in text]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "train.py"]
    assert "torchrun --nproc_per_node 4 train.py" in page
    Path("train.py").write_text(script)
    for run in (command, [sys.executable, "train.py"]):  # the second finds the first's checkpoint
        done = subprocess.run(run, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "1\n"
    assert Path("run/devise.safetensors").is_file()
    assert load("trained").seen_classes_.tolist() == ["bus", "lion", "rose", "whale", "wolf"]
