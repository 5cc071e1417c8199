"""``zeroshot labels``, and ``--on-unknown``: labels that nothing knows do not stop the others."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import zeroshot
from zeroshot.cli import main

TINY = ["--backbone", "test_efficientnet", "--weights", "none", "--image-size", "32"]
COLORS = {
    "bus": (200, 30, 30),
    "lion": (220, 180, 60),
    "rose": (230, 40, 120),
    "qqxyzzy": (9, 9, 9),
}


def save_photos(folder: Path, names=tuple(COLORS), n_images: int = 3) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(n_images):
            pixels = np.clip(np.array(COLORS[name]) + rng.normal(0, 12, (32, 32, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of bus, lion and rose, by word vectors."""
    folder = tmp_path_factory.mktemp("models")
    photos = save_photos(folder / "photos", ("bus", "lion", "rose"))
    assert main(["fit", str(photos), "--output", str(folder / "model"), *TINY]) == 0
    return folder / "model"


# --- labels ----------------------------------------------------------------------------------


def rows_of(argv: list[str], capsys: pytest.CaptureFixture) -> list[dict]:
    assert main([*argv, "--format", "csv"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_labels_are_explained_by_words_and_wordnet(capsys: pytest.CaptureFixture) -> None:
    rows = rows_of(["labels", "118.House_Sparrow", "killer+whale", "qqxyzzy"], capsys)
    assert [row["read"] for row in rows] == ["House Sparrow", "killer whale", "qqxyzzy"]
    assert [row["found"] for row in rows] == ["house; sparrow", "killer; whale", ""]
    assert [row["synset"] for row in rows] == ["english_sparrow.n.01", "killer_whale.n.01", ""]
    assert rows[0]["why"] == "only sense, without '118.'" and rows[2]["missing"] == "qqxyzzy"
    assert main(["labels", "qqxyzzy", "lion"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["label", "read", "found", "missing", "synset", "why"]
    assert "1 of 2 labels are unknown" in err


def test_labels_of_files_and_folders_by_an_embedding(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "names.txt").write_text("crane (bird)\n12_apple\n", encoding="utf-8")
    argv = ["labels", str(photos), str(tmp_path / "names.txt"), "--label-embedding", "wordnet"]
    assert main([*argv, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in rows] == [*sorted(COLORS), "crane (bird)", "12_apple"]
    assert rows[-2]["synset"] == "crane.n.05" and rows[-2]["why"] == "nearest to context"
    assert rows[2]["found"] == [] and rows[2]["missing"] == ["qqxyzzy"]
    target = tmp_path / "labels.parquet"
    assert main([*argv, "--output", str(target)]) == 0
    assert pd.read_parquet(target)["label"].tolist() == [row["label"] for row in rows]
    (tmp_path / "empty").mkdir()
    assert main(["labels", str(tmp_path / "empty")]) == 2


# --- what nothing knows ----------------------------------------------------------------------


@pytest.mark.case
@pytest.mark.parametrize("with_model", [False, True])
def test_predict_goes_on_without_labels_that_nothing_knows(
    with_model: bool, photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    options = ["--model", str(model)] if with_model else []
    argv = ["predict", str(photos / "bus" / "0.png"), *options, "--no-progress", "--labels"]
    assert main([*argv, "bus,qqxyzzy,lion,n 7,okapii", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["label"] for row in rows} <= {"bus", "lion", "okapii"} and len(rows) >= 2
    unknown = rows[0]["unknown_labels"]
    assert unknown.startswith("qqxyzzy; n 7")
    assert "warning: " in err and "'qqxyzzy'" in err and "They are left out." in err
    assert ("--sentences knows any text" in err) != with_model
    assert main([*argv, "bus,qqxyzzy", "--format", "json", "--on-unknown", "drop"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["unknown_labels"] == ["qqxyzzy"] and "warning" not in err
    target = tmp_path / "a.parquet"
    assert main([*argv, "bus,qqxyzzy", "--output", str(target)]) == 0
    assert pd.read_parquet(target)["unknown_labels"].tolist() == ["qqxyzzy"]
    record = json.loads((tmp_path / "a.parquet.provenance.json").read_text())
    assert record["unknown_labels"] == ["qqxyzzy"]
    capsys.readouterr()
    for labels, option in (("bus,qqxyzzy", "raise"), ("qqxyzzy,zzkwwv", "warn")):
        assert main([*argv, labels, "--on-unknown", option]) == 1
        assert capsys.readouterr().out == ""
    assert main([*argv, "bus,lion", "--format", "json"]) == 0
    assert "unknown_labels" not in json.loads(capsys.readouterr().out)[0]


@pytest.mark.case
@pytest.mark.parametrize("network", [TINY, ["--image-size", "32"]])
def test_fit_goes_on_without_classes_that_nothing_knows(
    network: list, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "model"
    argv = ["fit", str(photos), "--output", str(folder), *network, "--no-progress"]
    assert main([*argv, "--on-unknown", "raise"]) == 1
    assert not folder.exists()
    assert main([*argv, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "'qqxyzzy'" in err and "They are left out. Say what they mean with --label-texts" in err
    summary = json.loads(out)
    assert summary["unknown_labels"] == ["qqxyzzy"] and summary["n_images"] == 9
    record = json.loads((folder / "provenance.json").read_text())
    assert record["unknown_labels"] == ["qqxyzzy"] and "qqxyzzy" not in record["classes"]
    assert zeroshot.load(folder)[-1].classes_.tolist() == ["bus", "lion", "rose"]
    assert main([*argv, "--force", "--exclude", "lion,rose"]) == 1  # one class is left
    assert "one class ('bus')" in capsys.readouterr().err


@pytest.mark.case
def test_evaluate_goes_on_without_classes_that_the_model_does_not_know(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    argv = ["evaluate", str(model), str(photos), "--no-progress"]
    assert main([*argv, "--on-unknown", "raise"]) == 1
    capsys.readouterr()
    assert main([*argv, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "'qqxyzzy'" in err and json.loads(out)["unknown_labels"] == ["qqxyzzy"]
    assert main([*argv, "--format", "csv", "--output", str(tmp_path / "report")]) == 0
    out, _ = capsys.readouterr()
    assert "unknown_labels,1,,,,," in out.splitlines()
    record = json.loads((tmp_path / "report" / "provenance.json").read_text())
    assert record["unknown_labels"] == ["qqxyzzy"]
    assert main([*argv, "--exclude", "qqxyzzy", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "unknown_labels" not in json.loads(out) and "qqxyzzy" not in err
    only = save_photos(tmp_path / "only", ("qqxyzzy",))
    assert main(["evaluate", str(model), str(only), "--no-progress"]) == 1
    assert main([*argv, "--exclude", "bus,lion,qqxyzzy,rose"]) == 2
    assert main([*argv, "--exclude", "qqxyzy"]) != 0
    assert "Did you mean 'qqxyzzy'" in capsys.readouterr().err


@pytest.mark.case
@pytest.mark.parametrize("options", [[], ["--estimator", "ensemble"], ["--estimator", "fewshot"]])
def test_label_texts_may_be_lists(
    options: list, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    texts = {"qqxyzzy": ["okapi", "zebra"], "bus": "school bus"}
    (tmp_path / "t.json").write_text(json.dumps(texts), encoding="utf-8")
    network = ["--image-size", "32"] if options else TINY
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *network, *options]
    assert main([*argv, "--no-progress", "--label-texts", str(tmp_path / "t.json")]) == 0
    loaded = zeroshot.load(tmp_path / "model")
    assert "qqxyzzy" in loaded[-1].classes_
    capsys.readouterr()
    for bad in ({"bus": []}, {"bus": [1]}, ["bus"]):
        (tmp_path / "t.json").write_text(json.dumps(bad), encoding="utf-8")
        assert main([*argv, "--force", "--label-texts", str(tmp_path / "t.json")]) == 2


@pytest.mark.parametrize("name", ["nosuch.txt", "lists/labels.CSV", "labels.json"])
@pytest.mark.parametrize("argv", [["labels"], ["similar", "--sources", "cat,dog"]])
def test_a_file_that_is_not_there_is_not_a_label(
    argv: list, name: str, capsys: pytest.CaptureFixture
) -> None:
    assert main([*argv, name]) == 2
    assert f"there is no file {name}" in capsys.readouterr().err
