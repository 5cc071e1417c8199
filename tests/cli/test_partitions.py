"""``--partition-size`` of embed and predict: folders of parquet files that resume."""

from __future__ import annotations

import pyarrow.dataset
import pytest
from PIL import Image

from zeroshot.cli import main

TINY = ["--backbone", "test_efficientnet", "--weights", "none", "--image-size", "32"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    for number, name in enumerate(["bus", "bus", "lion", "lion", "rose", "rose"]):
        path = tmp_path / "photos" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (40 * number, 9, 99)).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def rows(folder):
    return pyarrow.dataset.dataset(folder).to_table().to_pylist()


def test_embed_writes_a_folder_and_resumes(photos, capsys):
    argv = ["embed", "photos", "--output", "out", "--partition-size", "4", "--columns", "label"]
    assert main([*argv, *TINY]) == 0
    assert "6 images in 2 partitions, at" in capsys.readouterr().err
    found = rows("out")
    assert [(row["key"], row["label"]) for row in found][:2] == [
        ("bus/0.png", "bus"),
        ("bus/1.png", "bus"),
    ]
    assert main([*argv, *TINY]) == 0
    assert "6 images in 2 partitions, 2 of them before, at" in capsys.readouterr().err
    assert main([*argv[:-4], "--partition-size", "3", *TINY]) == 1
    assert "was begun with another parameters" in capsys.readouterr().err
    (photos / "bus" / "9.png").write_bytes(b"broken")
    assert main(["embed", "photos", "--output", "more", "--partition-size", "4", *TINY]) == 1
    assert "1 images could not be read: more/_errors says why" in capsys.readouterr().err


def test_predict_writes_a_folder(photos, capsys):
    assert main(["fit", "photos", "--output", "model", "--estimator", "ridge", *TINY]) == 0
    argv = ["predict", "photos", "--model", "model", "--output", "out", "--partition-size", "4"]
    assert main([*argv, "--labels", "bus,lion,rose,okapi", "-k", "2"]) == 0
    assert all(len(row["labels"]) == 2 for row in rows("out"))
    assert main(["predict", "photos", "--model", "model", "--output", "all", "--workers", "0"]) == 2


PARTS = ["--partition-size", "4", "--output", "o"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["embed", "photos", *PARTS, "--format", "csv"], "--format"),
        (["embed", "a", "--labels", *PARTS], "--labels does not"),
        (["embed", "-", *PARTS], "standard input has no end"),
        (["embed", "photos", "--columns", "label", "--output", "o.npz"], "--columns is for"),
        (["predict", "photos", "--labels", "a,b", *PARTS], "needs a --model"),
    ],
)
def test_options_that_do_not_apply(argv, message, photos, capsys):
    more = [] if argv[0] == "predict" else TINY
    assert main([*argv, *more]) == 2
    assert message in capsys.readouterr().err
