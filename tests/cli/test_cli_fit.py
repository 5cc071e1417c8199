"""``zeroshot fit``, ``evaluate`` and ``predict --model``, on a tiny network with random weights."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

import zeroshot
from zeroshot import (
    DeViSEClassifier,
    DummyZeroShotClassifier,
    HashEmbedding,
    OpenLabelClassifier,
    Training,
    WordVectors,
)
from zeroshot.cli import main
from zeroshot.cli._choices import Needs, build_estimator
from zeroshot.datasets._folders import HEIF_EXTENSIONS, IMAGE_EXTENSIONS
from zeroshot.exceptions import IntegrityError
from zeroshot.networks import TinyImageNetCNN
from zeroshot.report import _evaluation

COLORS = {
    "bus": (200, 30, 30),
    "lion": (220, 180, 60),
    "rose": (230, 40, 120),
    "sea": (20, 60, 200),
}
TINY = ["--backbone", "test_efficientnet", "--weights", "none", "--image-size", "32"]
HASH = ["--label-embedding", "hash"]
N_IMAGES = 4


def relative(part: str, folder: Path) -> str:
    """Return an argument as the record in a folder has it."""
    return os.path.relpath(part, folder) if os.path.isabs(part) else part


def save_photos(folder: Path, names=tuple(COLORS), n_images: int = N_IMAGES) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(n_images):
            noise = rng.normal(0, 12, (32, 32, 3))
            pixels = np.clip(np.array(COLORS.get(name, (9, 9, 9))) + noise, 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return save_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory) -> Path:
    """A model that has learnt bus and lion."""
    folder = tmp_path_factory.mktemp("models") / "model"
    argv = ["fit", str(photos), "--output", str(folder), "--exclude", "rose,sea", *TINY, *HASH]
    assert main(argv) == 0
    return folder


def error_of(argv: list[str], capsys: pytest.CaptureFixture, code: int) -> str:
    """Run what must fail; return its one line."""
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("zeroshot: ") and "Traceback" not in err
    return last.removeprefix("zeroshot: ")


# --- fit -------------------------------------------------------------------------------------


def test_fit_saves_a_pipeline_that_python_loads(model: Path, photos: Path) -> None:
    pipeline = zeroshot.load(model)
    steps = [type(step).__name__ for _, step in pipeline.steps]
    assert steps == ["TimmFeatures", "Normalizer", "DeViSEClassifier"]
    assert pipeline[-1].seen_classes_.tolist() == ["bus", "lion"]
    assert pipeline.predict([str(photos / "bus" / "0.png")])[0] == "bus"


def test_fit_prints_a_summary_and_keeps_a_record(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "deep" / "model"
    argv = ["fit", str(photos), "--output", str(folder), *TINY, *HASH, "--exclude", "sea"]
    argv += ["--seed", "3", "--format", "json"]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert {key: summary[key] for key in list(summary)[:6]} == {
        "model": str(folder), "estimator": "ridge", "calibration": None, "n_classes": 3,
        "n_images": 12, "n_skipped": 0,
    }  # fmt: skip
    assert summary["classes"] == ["bus", "lion", "rose"]
    assert "this backbone has no classifier of its own to start from" in err
    # Three classes are too few to leave two out; random weights know nothing without training.
    assert 0 <= summary["learnt_accuracy"] <= 1 and summary["learnt_chance"] == pytest.approx(1 / 3)
    assert summary["other_accuracy"] is summary["learnt_no_training"] is None
    assert f"zeroshot predict --model {folder}" in err
    sha256 = re.search(r"Its SHA-256 is ([0-9a-f]{64})\. Give it", err)
    assert sha256 and zeroshot.load(folder, sha256=sha256[1])[-1].classes_.tolist() == [
        *("bus", "lion", "rose")
    ]
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["arrays.safetensors", "config.json", "provenance.json"]
    record = json.loads((folder / "provenance.json").read_text("ascii"))
    here = ["." if part == str(folder) else relative(part, folder) for part in argv]
    assert record["command"] == shlex.join(["zeroshot", *here])
    assert record["seeds"] == {"seed": 3}
    assert record["weights"] == {"test_efficientnet": zeroshot.load(folder)[0].weights_hash_}
    assert record["images"] == {"read": 12, "skipped": 0, "unreadable": []}
    assert record["classes"] == {"bus": 4, "lion": 4, "rose": 4}
    assert record["excluded"] == ["sea"] and record["calibration"] is None
    assert record["label_embedding"] == {"name": "hash", "sha256": HashEmbedding().fingerprint()}
    assert record["versions"]["scikit-zeroshot"] == zeroshot.__version__
    assert {"python", "torch", "timm", "numpy", "scikit-learn"} <= set(record["versions"])
    assert record["date"].endswith("+00:00")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("devise", "DeViSEClassifier"),
        ("eszsl", "ESZSLClassifierCV"),
        ("sae", "SAEClassifier"),
        ("ale", "ALEClassifier"),
        ("sje", "SJEClassifier"),
        ("conse", "ConSEClassifier"),
        ("dummy", "DummyZeroShotClassifier"),
    ],
)
def test_every_estimator_is_fitted_and_names_other_labels(
    name: str, kind: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = str(tmp_path / "model")
    assert main(["fit", str(photos), "--output", folder, *TINY, *HASH, "--estimator", name]) == 0
    assert type(zeroshot.load(folder)[-1]).__name__ == kind
    capsys.readouterr()
    image = str(photos / "bus" / "0.png")
    argv = ["predict", "--model", folder, image, "--labels", "bus,okapi", "--format", "json"]
    assert main(argv) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert sorted(answer["labels"]) == ["bus", "okapi"]


@pytest.mark.parametrize(
    "name",
    [
        *("ridge", "devise", "eszsl", "sae", "ale", "sje", "conse"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("fewshot", "ensemble")),
    ],
)
def test_every_estimator_is_calibrated(name: str, photos: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "model"
    network = ["--image-size", "64"] if name in ("fewshot", "ensemble") else [*TINY, *HASH]
    argv = ["fit", str(photos), "--output", str(folder), "--estimator", name, *network]
    assert main([*argv, "--calibrate", "--format", "json"]) == 0
    final = zeroshot.load(folder)[-1]
    assert type(final).__name__ == "CalibratedStacking"
    assert json.loads(capsys.readouterr().out)["calibration"] == final.calibration_
    record = json.loads((folder / "provenance.json").read_text("ascii"))
    assert record["calibration"] == final.calibration_
    argv = ["predict", "--model", str(folder), str(photos / "bus" / "0.png"), "--format", "json"]
    assert main([*argv, "--labels", "bus,okapi"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert sorted(answer["labels"]) == ["bus", "okapi"]


@pytest.mark.parametrize(
    ("names", "n_images", "found"),
    [
        (("bus", "lion"), 2, "holds 2 classes, 2 with two images or more"),
        (("bus", "lion", "sea"), 1, "holds 3 classes, 0 with two images or more"),
    ],
)
def test_too_few_images_to_calibrate(
    names: tuple, n_images: int, found: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    photos = save_photos(tmp_path / "photos", names, n_images)
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *TINY, *HASH, "--calibrate"]
    error = error_of(argv, capsys, code=1)
    assert found in error and error.endswith("Add images, or leave --calibrate out.")
    for name in ("bus", "lion", "sea"):  # of those that can be read
        for bad in ("8.png", "9.png"):
            (photos / name).mkdir(exist_ok=True)
            (photos / name / bad).touch()
    assert found in error_of(argv, capsys, code=1)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("n_classes", "kind"), [(3, "ESZSLClassifier"), (4, "ESZSLClassifierCV")])
def test_eszsl_chooses_penalties_from_four_classes_on(
    n_classes: int, kind: str, tmp_path: Path
) -> None:
    photos = save_photos(tmp_path / "photos", tuple("abcd"[:n_classes]), 2)
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *TINY, *HASH]
    assert main([*argv, "--estimator", "eszsl"]) == 0
    final = zeroshot.load(tmp_path / "model")[-1]
    assert type(final).__name__ == kind and final.get_params().get("cv") is None


def test_classes_may_be_spelled_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photos = save_photos(tmp_path / "photos", ("School_Bus", "bus", "fire-engine", "Lion"), 1)
    model = str(tmp_path / "model")
    argv = ["fit", str(photos), "--output", model, *TINY, *HASH]
    assert main([*argv, "--exclude", "FIRE ENGINE,school bus"]) == 0
    assert "--exclude: 'school bus' is taken for 'School_Bus'\n" in capsys.readouterr().err
    assert zeroshot.load(model)[-1].seen_classes_.tolist() == ["Lion", "bus"]
    assert main(["evaluate", model, str(photos), "--unseen", "school-bus,fire-engine"]) == 0
    said = capsys.readouterr().err
    assert said.count("taken for") == 1 and "'school-bus' is taken for 'School_Bus'" in said
    argv = ["predict", str(photos / "bus"), "--model", model, "--format", "csv", "--labels"]
    assert main([*argv, "lion,okapi"]) == 0
    out, err = capsys.readouterr()
    assert ",Lion," in out and "--labels: 'lion' is taken for 'Lion'" in err
    assert main([*argv, "lion,Lion"]) == 0  # both are meant
    assert "taken for" not in capsys.readouterr().err


def test_two_classes_that_a_name_may_mean_are_both_named(tmp_path: Path, capsys) -> None:
    photos = save_photos(tmp_path / "photos", ("bus", "sea_lion", "Sea Lion", "rose"), 1)
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *TINY, *HASH]
    error = error_of([*argv, "--exclude", "SEA-LION"], capsys, code=1)
    assert "Did you mean 'Sea Lion', 'sea_lion'?" in error


@pytest.mark.parametrize("name", ["fewshot", "ensemble"])
def test_estimators_with_a_pretrained_head(
    name: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = str(tmp_path / "model")
    error = error_of(
        ["fit", str(photos), "--output", folder, *TINY, "--estimator", name], capsys, code=1
    )
    assert "need a backbone with a pretrained classifier" in error
    argv = ["fit", str(photos), "--output", folder, "--estimator", name]
    assert main([*argv, "--image-size", "64"]) == 0
    capsys.readouterr()
    image = str(photos / "bus" / "0.png")
    argv = ["predict", "--model", folder, image, "--labels", "bus,okapi", "--format", "json"]
    assert main(argv) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["labels"]) == 2


def test_unreadable_images_are_skipped_counted_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    photos = save_photos(tmp_path / "photos", ("bus", "lion"), 2)
    bad = photos / "bus" / "0.png"
    bad.write_bytes(b"no image")
    (photos / "lion" / "9.jpg").touch()
    (photos / "rose").mkdir()
    (photos / "rose" / "1.png").write_bytes(b"x")
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *TINY, *HASH]
    assert main([*argv, "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["n_images"], row["n_skipped"], row["n_classes"]) == ("3", "3", "2")
    assert str(bad) in err and "3 of 6 images could not be read." in err
    assert "no image of 'rose' could be read: not learnt" in err
    record = json.loads((tmp_path / "model" / "provenance.json").read_text())
    assert record["images"]["skipped"] == 3
    listed = {entry["path"]: entry["error"] for entry in record["images"]["unreadable"]}
    path = relative(str(bad), tmp_path / "model")
    assert path in listed and path in listed[path] and str(tmp_path) not in str(record)


def test_folders_without_an_image_and_files_with_other_endings(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    photos = save_photos(tmp_path / "photos", ("bus", "lion"), 2)
    for name in ("rose", "sea"):
        (photos / name).mkdir()
    for name in ("bus/1.PSD", "sea/1.PSD", "lion/README"):
        (photos / name).touch()
    folder, report = tmp_path / "model", tmp_path / "report"
    argv = ["fit", str(photos), "--output", str(folder), *TINY, *HASH, "--exclude", "sea"]
    assert main(argv) == 0
    assert main(["evaluate", str(folder), str(photos), "--output", str(report)]) == 0
    err = capsys.readouterr().err
    assert err.count("warning: class folders without an image are left out: 'rose', 'sea'") == 2
    assert err.count("3 of 7 files were not read for their endings (.PSD, none)") == 2
    for output in (folder, report):
        record = json.loads((output / "provenance.json").read_text("ascii"))
        assert record["images"]["read"] == 4
        assert record["images"]["other_files"] == {".PSD": 2, "": 1}
    page = (report / "index.html").read_text("utf-8")
    assert "4 images; files with other endings were not (.PSD: 2, none: 1)" in page


def test_the_page_has_the_endings_that_are_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text("utf-8")
    *first, last = sorted(ending.removeprefix(".") for ending in IMAGE_EXTENSIONS)
    text = " ".join(page.split())
    assert f"that end in {', '.join(first)} or {last}," in text
    *first, last = sorted(ending.removeprefix(".") for ending in HEIF_EXTENSIONS)
    assert f"those that end in {', '.join(first)} or {last} where pillow-heif is" in text


@pytest.mark.parametrize(("names", "exclude"), [(("bus",), []), (("bus", "sea"), ["sea"])])
def test_one_class_is_too_few(
    names: tuple, exclude: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    photos = save_photos(tmp_path / "photos", names, 1)
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *TINY, *HASH]
    error = error_of([*argv, *(f"--exclude={name}" for name in exclude)], capsys, code=1)
    assert "holds one class ('bus')" in error and "two classes at least" in error
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--estimator", "devize"], 2, "no estimator is called 'devize'. Did you mean 'devise'"),
        (["--label-embedding", "glvoe"], 2, "'glvoe'. Did you mean 'glove'"),
        (["--backbone", "tf_efficientnet_lit0", *HASH], 1, "'tf_efficientnet_lite0'"),
        (["--exclude", "roze"], 1, "'roze'. Did you mean 'rose'"),
        (["--estimator", "fewshot", "--label-embedding", "hash"], 2, "Leave it out, or"),
        (["--weights", "none.safetensors", "--label-embedding", "hash"], 1, "no such file"),
        (["--estimator", "dummy", "--calibrate", *HASH], 2, "dummy looks at no image. Leave it"),
        (["--label-texts", "no.json"], 1, "no.json"),
        (["--format", "parquet"], 2, "Pass one of table, csv, json."),
        (["--device", "toaster", "--label-embedding", "hash"], 1, "--device must be auto, cpu"),
    ],
)
def test_what_is_unknown_is_named_with_near_ones(
    options: list, code: int, message: str, photos: Path, tmp_path: Path, capsys
) -> None:
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *options]
    assert message in error_of(argv, capsys, code)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_not_there(tmp_path: Path, capsys, monkeypatch) -> None:
    argv = ["--output", str(tmp_path / "model"), *HASH]
    error = error_of(["fit", "cifar10", *argv], capsys, code=1)
    assert "Did you mean 'cifar100'?" in error
    monkeypatch.setenv("ZEROSHOT_DATA", str(tmp_path))
    error = error_of(["fit", "cifar100", *argv], capsys, code=1)
    assert "zeroshot datasets --download cifar100" in error


def test_labels_without_a_vector_are_named_before_the_work(tmp_path: Path, capsys) -> None:
    photos = save_photos(tmp_path / "photos", ("bus", "elefantt"), 1)
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), "--on-unknown", "raise"]
    error = error_of(argv, capsys, code=1)
    assert "'elefantt'" in error and "Did you mean" in error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (TINY, "--label-embedding glove has no vector"),
        ([*TINY, "--label-embedding", "hierarchical"], "--label-embedding hierarchical has no"),
        ([*TINY, "--label-embedding", "wordnet"], "--label-embedding wordnet has no noun synset"),
        (["--estimator", "fewshot", "--image-size", "64"], "--estimator has no noun synset and no"),
    ],
)
def test_labels_without_a_vector_are_told_in_terms_of_options(
    options: list, said: str, tmp_path: Path, capsys
) -> None:
    photos = save_photos(tmp_path / "photos", ("bus", "lion", "qqxyzzy"), 1)
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *options]
    error = error_of([*argv, "--on-unknown", "raise"], capsys, code=1)
    assert error.startswith(said) and "'qqxyzzy'" in error
    assert "with --label-texts FILE" in error
    assert error.endswith(", or leave them out with --exclude.")
    if options == TINY:
        assert main([*argv, "--exclude", "qqxyzzy"]) == 0


@pytest.mark.case
@pytest.mark.parametrize("options", [TINY, ["--image-size", "64"]])
def test_label_texts_that_fit_no_class_are_named_and_the_others_are_used(
    options: list, tmp_path: Path, capsys
) -> None:
    decomposed = unicodedata.normalize("NFD", "café")  # as macOS names a folder
    photos = save_photos(tmp_path / "photos", (decomposed, "wolf", "whale"), 2)
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps({"café": "coffee house", "wofl": "grey wolf"}), encoding="utf-8")
    model = str(tmp_path / "model")
    argv = ["fit", str(photos), "--output", model, *options, "--label-texts", str(texts)]
    assert main(argv) == 0
    said = capsys.readouterr().err
    assert "no class is called 'wofl'. Did you mean 'wolf'?" in said
    final = zeroshot.load(model)[-1]
    row = np.flatnonzero(final.classes_ == decomposed)
    if options == TINY:
        expected = WordVectors().embed(["coffee house"])
        np.testing.assert_allclose(final.label_vectors(final.classes_)[row], expected, rtol=1e-6)
    else:
        prior = final.prior.estimator
        head = prior.head
        other = OpenLabelClassifier(head, candidates=["coffee house", "wolf", "whale"]).fit()
        np.testing.assert_allclose(
            prior.regression_.class_vectors_[prior.classes_ == decomposed],
            other.regression_.class_vectors_[other.classes_ == "coffee house"],
        )


def test_the_default_takes_the_network_as_its_prior(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "model"
    assert main(["fit", str(photos), "--output", str(folder), "--image-size", "64"]) == 0
    out, err = capsys.readouterr()
    assert "estimator  fewshot" in out and "learnt     bus, lion, rose, sea" in out
    assert re.search(r"classes left out in turn +\d\.\d\d +\d\.\d\d +0\.50", out)
    assert "warning" not in err
    final = zeroshot.load(folder)[-1]
    assert type(final).__name__ == "FewShotClassifier"
    record = json.loads((folder / "provenance.json").read_text("ascii"))
    assert record["estimator"] == "fewshot"
    assert set(record["compared_with_no_training"]) == {"learnt", "other"}
    other = record["compared_with_no_training"]["other"]
    assert other["accuracy"] == other["no_training"]  # names alone say what an unseen class is
    assert final.confidence_ is not None
    assert main(["predict", str(next(photos.rglob("*.png"))), "--model", str(folder)]) == 0
    assert re.search(r"  (bus|lion|rose|sea) +>?\d+%", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("n_classes", "calibrate", "temperature"),
    [(3, False, None), (4, False, "auto"), (4, True, None)],
)
def test_probabilities_are_learnt_from_four_classes_on(n_classes, calibrate, temperature) -> None:
    prior, labels = DummyZeroShotClassifier(), ["bus", "lion", "rose", "sea"][:n_classes]
    needs = Needs(None, prior, labels, 0, "cpu")
    *_, built = build_estimator("fewshot", needs, calibrate=calibrate, confident=True)
    assert (built.estimator if calibrate else built).temperature == temperature
    *_, compared = build_estimator("fewshot", needs)
    assert compared.temperature is None, "folds of the comparison name labels alone"


def test_vectors_that_do_not_know_the_networks_classes_take_a_map(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), "--image-size", "64", *HASH]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "estimator  ridge" in out
    assert "hash has no vectors of the classes that the backbone knows: --estimator ridge" in err


def test_evaluate_shows_no_training_and_says_where_it_is_better(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch
) -> None:
    """Labels that say nothing of the images: hash vectors, fitted to the wrong images."""
    photos = Path(os.environ.get("ZEROSHOT_DATA", "")) / "open-photos"
    if not photos.is_dir():
        pytest.skip("ZEROSHOT_DATA names no folder with open-photos")
    labels = json.loads((photos / "labels.json").read_text())
    for name, label in list(labels.items())[:24]:
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / name, tmp_path / "photos" / label)
    model, source = str(tmp_path / "model"), str(tmp_path / "photos")
    argv = ["fit", source, "--output", model, "--estimator", "ridge", *HASH]
    held = ",".join(sorted(os.listdir(source))[:6])
    assert main([*argv, "--exclude", held]) == 0
    said = capsys.readouterr().err
    assert "warning: ridge names classes left out in turn" in said and "too few classes" in said
    report = tmp_path / "report"
    argv = ["evaluate", model, source, "--unseen", held, "--format", "json"]
    assert main([*argv, "--output", str(report)]) == 0
    out, err = capsys.readouterr()
    unseen = json.loads(out)["figures"]["unseen_accuracy"]
    assert unseen["no_training"] > unseen["value"] + 0.2
    assert "warning: No training is better in unseen accuracy" in err
    page = (report / "index.html").read_text("utf-8")
    assert "without any training it is" in page and "no training" in page


def test_a_class_that_the_table_of_attributes_lacks(tmp_path: Path, capsys) -> None:
    photos = save_photos(tmp_path / "photos", ("bus", "lion"), 1)
    table = tmp_path / "table.csv"
    table.write_text("class,red\nbus,1\nrose,2\n", encoding="utf-8")
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *TINY]
    argv += ["--on-unknown", "raise", "--label-embedding", str(table)]
    error = error_of(argv, capsys, code=1)
    assert error.endswith("Add a row for each, or leave them out with --exclude.")


PYTHON = re.compile(r"\w=|\w\(\)|overrides|label_embedding|synsets|candidates")


@pytest.mark.filterwarnings("always::zeroshot.exceptions.LabelWarning")
@pytest.mark.parametrize("estimator", ["ridge", "eszsl"])
def test_no_one_is_told_python_and_nothing_twice(
    estimator: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Words without a vector, labels of one vector, names of many senses, parts without images."""
    names = ("bus", "lion", "Lion", "crane zzkwwv", "pool", "rose", "sea")
    photos, model = save_photos(tmp_path / "photos", names, 1), str(tmp_path / "model")
    argv = ["fit", str(photos), "--output", model, *TINY, "--exclude", "rose,sea"]
    assert main([*argv, "--estimator", estimator]) == 0
    said = capsys.readouterr().err.splitlines()
    assert sum("'zzkwwv'. Respell such labels, or say what they mean" in line for line in said) == 1
    assert sum("['Lion', 'lion']]. Respell them, or say how" in line for line in said) == 1
    assert len(said) == len(set(said)) and not PYTHON.search("\n".join(said))
    report = tmp_path / "report"
    for unseen in ([], ["--unseen", "rose,sea"]):
        argv = ["evaluate", model, str(photos), *unseen, "--output", str(report), "--force"]
        assert main(argv) == 0
        said = "".join(capsys.readouterr())
        notes = json.loads((report / "evaluation.json").read_text())
        page = (report / "index.html").read_text("utf-8")
        assert not PYTHON.search(said)
        assert not PYTHON.search("\n".join([*notes["notes"], *notes["left_out"].values()]))
        figures = page[page.index("<h2>Figures") : page.index("<h2>Confusion")]
        assert "overrides" not in figures and "cv=" not in figures and "synsets" not in figures
    names = ["lion", "zzkwwv crane", "Lion"]
    image = str(photos / "bus" / "0.png")
    assert main(["predict", image, "--model", model, "--labels", ",".join(names)]) == 0
    assert main(["similar", *names, "--sources", "cat,dog", "--measure", "cosine"]) == 0
    assert main(["embed", "--labels", *names, "--output", str(tmp_path / "v.csv")]) == 0
    assert not PYTHON.search("".join(capsys.readouterr()))


def test_label_texts_say_what_a_label_means(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", ("bus", "qqxyzzy"), 1)
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps({"qqxyzzy": "lion"}), encoding="utf-8")
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *TINY]
    assert main([*argv, "--label-texts", str(texts)]) == 0


ATTRIBUTES = "class,red,green,blue\nbus,1,0,0\nlion,.8,.7,.2\nrose,1,0.1,0.5\nsea,0,0,1\n"


def test_attributes_in_a_csv_name_classes_never_seen(photos: Path, tmp_path: Path, capsys) -> None:
    table, folder = tmp_path / "attributes.csv", tmp_path / "model"
    table.write_text("\ufeff" + ATTRIBUTES, encoding="utf-8")
    argv = ["fit", str(photos), "--output", str(folder), "--exclude", "rose,sea", *TINY]
    assert main([*argv, "--label-embedding", str(table)]) == 0
    pipeline = zeroshot.load(folder)
    assert pipeline[-1].label_embedding.vocabulary == ("bus", "lion", "rose", "sea")
    assert np.array_equal(
        pipeline[-1].label_embedding.embed(["lion"]), np.float32([[0.8, 0.7, 0.2]])
    )
    capsys.readouterr()
    image = str(photos / "sea" / "0.png")
    assert main(["predict", image, "--model", str(folder), "--labels", "rose,sea", "-k", "1"]) == 0
    assert capsys.readouterr().out.split()[1] in ("rose", "sea")
    argv = ["predict", image, "--model", str(folder), "--labels", "sea,sky"]
    assert "'sky'" in error_of([*argv, "--on-unknown", "raise"], capsys, 1)


def test_published_attributes_and_glosses_are_label_embeddings(
    photos: Path, tmp_path: Path
) -> None:
    names = np.empty((4, 1), dtype=object)
    names[:, 0] = ["bus", "lion", "rose", "sea"]
    table, folder = tmp_path / "att_splits.mat", tmp_path / "model"
    att = np.array([[1, 0.8, 1, 0], [0, 0.7, 0.1, 0], [0, 0.2, 0.5, 1]])
    savemat(table, {"att": att, "allclasses_names": names})
    for given, kind in ((str(table), "AttributeTable"), ("gloss", "GlossEmbedding")):
        argv = ["fit", str(photos), "--output", str(folder), "--force", *TINY]
        assert main([*argv, "--label-embedding", given, "--estimator", "ridge"]) == 0
        assert kind in repr(zeroshot.load(folder)[-1].label_embedding)
    table.write_bytes(table.read_bytes()[:150])
    assert main(["fit", str(photos), "--output", str(folder), "--label-embedding", str(table)]) == 2


def test_vectors_that_embed_wrote_are_read_as_attributes(photos: Path, tmp_path: Path) -> None:
    table, folder = tmp_path / "vectors.csv", tmp_path / "model"
    assert main(["embed", "--labels", *COLORS, "--output", str(table), *HASH]) == 0
    argv = ["fit", str(photos), "--output", str(folder), *TINY, "--label-embedding", str(table)]
    assert main(argv) == 0
    embedding = zeroshot.load(folder)[-1].label_embedding
    assert np.array_equal(embedding.embed(list(COLORS)), HashEmbedding().embed(list(COLORS)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold a first line"),
        (b"class,red\n", "must hold a first line"),
        (b"class\nbus\nlion\n", "must hold a first line"),
        (b"class,red,blue\nbus,1,0\nlion,1\n", "line 3 has 2 cells where the first line has 3"),
        (b"class,red\nbus,1\nlion,much\n", "line 3: 'much' is not a finite number"),
        (b"class,red\nbus,1\nbus,2\n", "'bus'"),
        (b"class,red\nbus,nan\nlion,2\n", "line 2: 'nan' is not a finite number"),
        (b"class,red\nb\xffs,1\nlion,2\n", "is not text in UTF-8"),
    ],
)
def test_a_csv_that_is_no_table_of_attributes(
    content: bytes, message: str, photos: Path, tmp_path: Path, capsys
) -> None:
    table = tmp_path / "attributes.csv"
    table.write_bytes(content)
    argv = ["fit", str(photos), "--output", str(tmp_path / "model"), *TINY]
    error = error_of([*argv, "--label-embedding", str(table)], capsys, code=2)
    assert str(table) in error and message in error


def test_output_is_replaced_with_force_only_and_only_a_model(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter.txt").write_text("years of work", encoding="utf-8")
    argv = ["fit", str(photos), *TINY, *HASH, "--output"]
    assert "exists. Name another folder, or pass --force." in error_of(
        [*argv, str(target)], capsys, code=2
    )
    assert "--force replaces nothing else" in error_of(
        [*argv, str(target), "--force"], capsys, code=2
    )
    (target / "chapter.txt").unlink()
    for _ in range(2):
        assert main([*argv, str(target), "--force"]) == 0
    assert zeroshot.load(target)[-1].classes_.tolist() == sorted(COLORS)


def test_an_output_that_cannot_be_made_is_refused_before_the_work(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").touch()
    argv = ["fit", str(photos), *HASH, "--output", str(tmp_path / "file" / "model")]
    assert "cannot be made in" in error_of(argv, capsys, code=2)


def test_nothing_is_left_of_a_save_that_fails(
    photos: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zeroshot.cli._fit.as_json", full)
    argv = ["fit", str(photos), *TINY, *HASH, "--output", str(tmp_path / "model")]
    assert "No space left on device" in error_of(argv, capsys, code=1)
    assert list(tmp_path.iterdir()) == []


def only_few_of_cifar100(monkeypatch: pytest.MonkeyPatch, *, n_classes: int, n_images: int) -> None:
    from zeroshot import datasets

    fetch = datasets.fetch_cifar100

    def few(**options):
        data = fetch(**options)
        names = data.class_names[:n_classes]
        rows = np.concatenate([np.flatnonzero(data.target == name)[:n_images] for name in names])
        return type(data)(images=data.images[rows], target=data.target[rows])

    monkeypatch.setattr(datasets, "fetch_cifar100", few)


@pytest.mark.data
def test_fit_and_evaluate_a_data_set_by_name(
    data_home, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On ten classes of CIFAR-100: the whole of it would take minutes."""
    only_few_of_cifar100(monkeypatch, n_classes=10, n_images=2)
    folder = str(tmp_path / "model")
    assert main(["fit", "cifar100", "--output", folder, *TINY, *HASH]) == 0
    orders = []
    confusion = _evaluation.confusion
    monkeypatch.setattr(
        _evaluation, "confusion", lambda *args: orders.append(args[1]) or confusion(*args)
    )
    report = ["--output", str(tmp_path / "report")]
    assert main(["evaluate", folder, "cifar100", "--format", "json", *report]) == 0
    assert orders[0]["ray"] == "n01495701"  # the fish, which a name alone does not say
    printed = capsys.readouterr().out
    settings = json.loads(printed[printed.index("{") :])["settings"]
    assert (settings["n_samples"], settings["n_seen_classes"]) == (20, 10)


# --- evaluate --------------------------------------------------------------------------------


def test_evaluate_offers_the_folders_classes_too(
    model: Path, photos: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["evaluate", str(model), str(photos), "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["settings"]["n_candidates"] == 4
    assert result["settings"]["n_unseen_classes"] == 2
    assert result["figures"]["seen_accuracy"]["value"] > 0.5
    assert {"best_constant", "random_label"} <= set(result["figures"]["unseen_accuracy"])


@pytest.mark.slow  # two calibrated models
@pytest.mark.data
def test_evaluate_says_what_calibration_would_give(
    data_home, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_few_of_cifar100(monkeypatch, n_classes=20, n_images=8)
    found = {}
    for name, options in {"plain": [], "calibrated": ["--calibrate"]}.items():
        model, report = str(tmp_path / name), tmp_path / f"{name} report"
        argv = ["fit", "cifar100", "--output", model, "--image-size", "64", *options]
        argv += ["--estimator", "ridge"]
        assert main([*argv, "--exclude", "bear,bicycle,camel,bus,bottle"]) == 0
        capsys.readouterr()
        assert main(["evaluate", model, "cifar100", "--output", str(report)]) == 0
        found[name] = json.loads((report / "evaluation.json").read_text())
        page = (report / "index.html").read_text("utf-8")
        for said in (capsys.readouterr().out, page, " ".join(found[name]["notes"])):
            assert ("Fit with --calibrate" in said) == (name == "plain")
    (note,) = [note for note in found["plain"]["notes"] if "calibrate" in note]
    before, after = (found[name]["figures"]["harmonic_mean"]["value"] for name in found)
    assert note.startswith("Seen classes win: lowering their scores by 0.")
    assert f"not {before:.3f}, in hindsight" in note
    assert before + 0.1 < after


LEARNT = "of the 8 images of seen classes are those that the model was fitted on: "


@pytest.mark.parametrize("place", ["where it was", "moved", "one more", "a copy of some"])
def test_evaluate_warns_of_images_that_the_model_was_fitted_on(
    place: str, model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source, n_learnt = photos, 8
    if place != "where it was":
        source = shutil.copytree(photos, tmp_path / "elsewhere")
    if place == "one more":
        Image.new("RGB", (32, 32), "red").save(source / "lion" / "0.png")
        n_learnt = 7
    if place == "a copy of some":
        for i in range(1, N_IMAGES):
            Image.new("RGB", (32, 32), "red").save(source / "lion" / f"{i}.png")
        os.rename(source / "bus" / "0.png", source / "bus" / "other name.png")
        n_learnt = 5
    folder = tmp_path / "results"
    argv = ["evaluate", str(model), str(source), "--output", str(folder)]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    note = f"{n_learnt} {LEARNT}"
    assert f"warning: {note}" in err and "Judge on other images of them, or with --unseen." in err
    page = (folder / "index.html").read_text("utf-8")
    assert note in out and note in page
    assert f"{n_learnt} of these 16 images are those that the model was trained on" in page
    assert note in json.loads((folder / "evaluation.json").read_text())["notes"][0]


@pytest.mark.parametrize("record", ["as it is", "", "[]", "{}", '{"learnt_images": 3}', None])
def test_evaluate_does_not_warn_of_other_images_nor_without_a_record(
    record: str | None, model: Path, photos: Path, tmp_path: Path, capsys
) -> None:
    source = photos
    if record == "as it is":
        source = save_photos(tmp_path / "other", n_images=N_IMAGES + 1)
        for name in COLORS:
            for i in range(N_IMAGES):
                os.unlink(source / name / f"{i}.png")
        assert main(["evaluate", str(model), str(photos), "--unseen", "rose,sea"]) == 0
    else:
        model = shutil.copytree(model, tmp_path / "model")
        os.unlink(model / "provenance.json")
        if record is not None:
            (model / "provenance.json").write_text(record, encoding="ascii")
    report = tmp_path / "report"
    assert main(["evaluate", str(model), str(source), "--output", str(report)]) == 0
    out, err = capsys.readouterr()
    assert "fitted on" not in out + err
    known = "estimator" in json.loads((report / "provenance.json").read_text("ascii"))
    assert known == (record == "as it is")


def test_evaluate_on_unseen_classes_alone(
    model: Path, photos: Path, capsys: pytest.CaptureFixture
) -> None:
    argv = ["evaluate", str(model), str(photos), "--unseen", "rose,sea"]
    assert main([*argv, "--format", "csv"]) == 0
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["unseen_accuracy"]["random_label"] == "0.5"
    assert main(argv) == 0
    assert "8 samples of 0 seen and 2 unseen classes, 2 candidate labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("unseen", "code", "message"),
    [
        ("rose,see", 1, "no class of"),
        ("rose,lion", 1, "the model has learnt 'lion'"),
        ("rose", 2, "Name two."),
    ],
)
def test_unseen_classes_are_checked(
    unseen: str, code: int, message: str, model: Path, photos: Path, capsys
) -> None:
    argv = ["evaluate", str(model), str(photos), "--unseen", unseen]
    assert message in error_of(argv, capsys, code)


def test_model_comes_first(model: Path, photos: Path, capsys: pytest.CaptureFixture) -> None:
    for source in (str(photos), "cifar100"):
        error = error_of(["evaluate", source, str(model)], capsys, code=2)
        assert error == (
            f"{source} is not a model, and {model} is one. MODEL comes first: zeroshot evaluate "
            f"{model} {source}"
        )
    error = error_of(["evaluate", str(photos), str(photos)], capsys, code=1)
    assert error == (
        f"{photos} is not a model: it holds no config.json. Name a folder that 'zeroshot fit' "
        "wrote."
    )


def test_evaluate_writes_figures_and_record(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "results"
    argv = ["evaluate", str(model), str(photos), "--output", str(folder)]
    assert main([*argv, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((folder / "evaluation.json").read_text())
    record = json.loads((folder / "provenance.json").read_text())
    assert record["images"] == {"read": 16, "skipped": 0, "unreadable": []}
    assert len(record["weights"]) == 3 and record["model"] == relative(str(model), folder)
    assert {path.name for path in folder.iterdir()} == {
        "evaluation.json", "index.html", "provenance.json",
    }  # fmt: skip
    page = (folder / "index.html").read_text("utf-8")
    here = [relative(part, folder) for part in argv]
    assert f"<td><bdi>{shlex.join(['zeroshot', *here, '--format', 'json'])}</bdi></td>" in page
    assert str(tmp_path) not in page + str(record)
    assert all(f"<bdi>{value}</bdi>" in page for value in record["weights"].values())
    assert "Image of " in page and "Confusion matrix" in page
    made_of = {
        "estimator": "ridge", "calibration": None, "backbone": "test_efficientnet",
        "label_embedding": "hash", "training_classes": 2, "training_images": 8,
    }  # fmt: skip
    assert made_of.items() <= record.items()
    for row in ("Estimator ridge", "Calibration none", "Training images 8"):
        assert row in " ".join(re.sub("<[^>]*>", " ", page).split())
    assert "exists" in error_of(argv, capsys, code=2)
    assert main([*argv, "--force", "--format", "parquet"]) == 0
    assert capsys.readouterr().out == ""
    table = pd.read_parquet(folder / "figures.parquet")
    assert table.set_index("figure").loc["seen_accuracy", "value"] == pytest.approx(
        printed["figures"]["seen_accuracy"]["value"]
    )
    assert "needs --output" in error_of([*argv[:3], "--format", "parquet"], capsys, code=2)


def test_evaluate_skips_what_it_cannot_read(model: Path, tmp_path: Path, capsys) -> None:
    photos = save_photos(tmp_path / "photos", ("bus",), 2)
    (photos / "bus" / "0.png").write_bytes(b"x")
    assert main(["evaluate", str(model), str(photos), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["settings"]["n_samples"] == 1
    assert "1 of 2 images could not be read." in err
    folder = tmp_path / "results"
    assert main(["evaluate", str(model), str(photos), "--output", str(folder)]) == 0
    page = (folder / "index.html").read_text("utf-8")
    assert "1 of 2 images could not be read, and were left out" in page
    assert '<th scope="row"><bdi>0.png</bdi></th>' in page
    capsys.readouterr()
    (photos / "bus" / "1.png").write_bytes(b"x")
    assert "could be read" in error_of(["evaluate", str(model), str(photos)], capsys, code=1)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_evaluate_shows_any_class_and_file_name(model: Path, tmp_path: Path, capsys) -> None:
    classes = ("bus", "<script>x", "a\u202eb\x1b[31m", "two\nlines")
    photos = save_photos(tmp_path / "photos", classes[:1], 2)
    for name in (*classes[1:], os.fsdecode(b"caf\xe9")):
        save_photos(photos, (name,), 1)
    for folder in ("bus", "<script>x"):
        os.rename(photos / folder / "0.png", os.fsencode(photos / folder) + b"/caf\xe9\x07.png")
    (photos / "bus" / "1.png").write_bytes(b"x")
    folder = tmp_path / "results"
    assert main(["evaluate", str(model), str(photos), "--output", str(folder)]) == 0
    assert "\x1b" not in (captured := capsys.readouterr()).out and "\x1b" not in captured.err
    page = (folder / "index.html").read_bytes().decode("utf-8")  # every byte is text
    assert page.count("<script") == 1 and not set("\x07\x1b\u202e") & set(page)
    for shown in ("&lt;script&gt;x", r"a\u202eb\x1b[31m", r"two\nlines", r"caf\udce9\x07.png"):
        assert f"<bdi>{shown}</bdi>" in page
    record = json.loads((folder / "provenance.json").read_text("ascii"))
    assert record["images"]["unreadable"][0]["path"].endswith("1.png")


def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*args, **kwargs):
        raise AssertionError("the long work began")

    monkeypatch.setattr("zeroshot.cli._evaluate.SavedModel", work)


@pytest.mark.parametrize("content", ["chapter.txt", "model", "file"])
def test_evaluate_replaces_nothing_but_an_evaluation(
    content: str, model: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_work(monkeypatch)
    target = tmp_path / "thesis"
    if content == "model":
        shutil.copytree(model, target)
    elif content == "file":
        target.write_text("years of work", encoding="utf-8")
    else:
        target.mkdir()
        (target / content).write_text("years of work", encoding="utf-8")
    argv = ["evaluate", str(model), "photos", "--output", str(target)]
    assert "exists. Name another folder, or pass --force." in error_of(argv, capsys, code=2)
    assert "--force replaces nothing else" in error_of([*argv, "--force"], capsys, code=2)
    assert target.exists()


def test_evaluate_refuses_a_folder_that_cannot_be_made_before_the_work(
    model: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_work(monkeypatch)
    (tmp_path / "file").touch()
    argv = ["evaluate", str(model), "photos", "--output"]
    assert "cannot be made in" in error_of([*argv, str(tmp_path / "file" / "x")], capsys, code=2)
    assert "File name too long" in error_of([*argv, str(tmp_path / ("x" * 250))], capsys, code=2)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", ".new.temporary")

    # As another user sees a folder that is not theirs; the tests may run as root.
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    error = error_of([*argv, str(tmp_path / "new")], capsys, code=2)
    assert error == (
        f"{tmp_path / 'new'} cannot be made in {tmp_path}: Permission denied. Name another folder."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("command", ["fit", "evaluate", "predict", "embed", "similar", "demo"])
def test_a_place_that_takes_no_file_is_refused_before_the_work(command: str, capsys) -> None:
    """Also by a folder whose permissions say that it would, as root's do of any."""
    argv = {
        "fit": ["no-photos"],
        "evaluate": ["no-model", "no-photos"],
        "predict": ["no.jpg", "--labels", "a,b"],
        "embed": ["no.jpg"],
        "similar": ["okapi", "--sources", "a,b"],
        "demo": ["no.jpg"],
    }[command]
    error = error_of([command, *argv, "--output", "/proc/x.csv"], capsys, code=2)
    assert error.startswith("/proc/x.csv cannot be made in /proc: ")


def test_evaluate_needs_no_matplotlib(
    model: Path, photos: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    folder = tmp_path / "results"
    assert main(["evaluate", str(model), str(photos), "--output", str(folder)]) == 0
    assert "reading 16 images" in capsys.readouterr().err.splitlines()[0]
    page = (folder / "index.html").read_text("utf-8")
    assert 'aria-label="Confusion matrix' in page and "Image of " in page
    assert (folder / "evaluation.json").is_file()


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "full"), 1)])
def test_nothing_is_left_of_a_report_that_is_not_complete(
    error: BaseException, code: int, model: Path, photos: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    """Neither a new folder, nor half of one in place of the old: and no figure is lost."""

    def stop(*args, **kwargs):
        raise error

    folder = tmp_path / "results"
    argv = ["evaluate", str(model), str(photos), "--force", "--output", str(folder)]
    assert main(argv) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    monkeypatch.setattr("zeroshot.report._gallery.small_copy", stop)
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert "mean_class_accuracy" in out and "Traceback" not in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert main([*argv[:-1], str(tmp_path / "new" / "deep")]) == code
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


# --- predict ---------------------------------------------------------------------------------


def test_predict_names_from_the_models_own_classes(model: Path, photos: Path, capsys) -> None:
    paths = [str(photos / name / "1.png") for name in ("bus", "lion")]
    assert main(["predict", "--model", str(model), *paths, "--format", "json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [answer["path"] for answer in answers] == paths
    assert [answer["labels"][0] for answer in answers] == ["bus", "lion"]
    assert main(["predict", "--model", str(model), paths[0], "-k", "1", "--labels", "a,b,c"]) == 0
    assert len(capsys.readouterr().out.split()) == 3


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet", "txt"])
def test_predict_writes_a_file_with_its_record(
    suffix: str, model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    target = tmp_path / "new" / f"answers.{suffix}"
    bad = tmp_path / "bad.png"
    bad.touch()
    argv = ["predict", "--model", str(model), str(photos / "bus"), str(bad)]
    argv += ["--labels", "bus,okapi", "--output", str(target)]
    assert main(argv) == 1  # an image that was asked for has no answer
    out, err = capsys.readouterr()
    assert out == "" and "1 of 5 images could not be read." in err
    if suffix == "txt":
        assert len(target.read_text().splitlines()) == N_IMAGES
    elif suffix == "json":
        assert len(json.loads(target.read_text())) == N_IMAGES
    else:
        table = pd.read_csv(target) if suffix == "csv" else pd.read_parquet(target)
        assert table.columns.tolist() == ["path", "rank", "label", "score"]
        assert len(table) == 2 * N_IMAGES
    record = json.loads((target.parent / f"{target.name}.provenance.json").read_text())
    assert record["images"]["skipped"] == 1 and record["labels"] == ["bus", "okapi"]
    assert sorted(path.name for path in target.parent.iterdir()) == [
        target.name, f"{target.name}.provenance.json",
    ]  # fmt: skip
    assert "exists" in error_of(argv, capsys, code=2)
    assert main([*argv, "--force"]) == 1
    if os.name == "posix":
        assert target.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_images_from_standard_input(model: Path, photos: Path, capsys, monkeypatch) -> None:
    lines = f"{photos / 'bus' / '0.png'}\n\n{photos / 'lion'}\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert main(["predict", "--model", str(model), "-", "--format", "csv", "-k1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + N_IMAGES
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    argv = ["predict", "--model", str(model), "-"]
    assert "names no image" in error_of(argv, capsys, code=2)
    assert "once only" in error_of([*argv, "--labels", "-"], capsys, code=2)


def test_labels_from_standard_input(model: Path, photos: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("okapi\ncafé, bar\n".encode())))
    image = str(photos / "bus" / "0.png")
    argv = ["predict", "--model", str(model), image, "--labels", "-", "--format", "json"]
    assert main(argv) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert sorted(answer["labels"]) == ["café, bar", "okapi"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_control_characters_are_escaped_in_tables(
    encoding: str, model: Path, photos: Path, tmp_path: Path, monkeypatch
) -> None:
    labels = tmp_path / "labels"
    labels.write_text("\x1b[31mred\nbüs\n", encoding="utf-8")
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding))
    image = str(photos / "bus" / "0.png")
    assert main(["predict", "--model", str(model), image, "--labels", str(labels)]) == 0
    text = buffer.getvalue().decode(encoding)
    assert "\\x1b[31mred" in text and "\x1b" not in text
    assert ("büs" if encoding == "utf-8" else "b\\xfcs") in text


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "ä.png"), ("ascii", r"\xe4.png")])
def test_columns_line_up_in_any_encoding(
    encoding: str, shown: str, photos: Path, model: Path, tmp_path: Path, monkeypatch
) -> None:
    paths = [shutil.copy(photos / "bus" / "0.png", tmp_path / name) for name in ("a.png", "ä.png")]
    predict = ["predict", *map(str, paths), "--model", str(model), "-k", "1"]
    similar = ["similar", "bus", "--sources", "bus,ä.png", "--measure", "cosine", *HASH]
    for argv in (predict, similar):
        buffer = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding))
        assert main(argv) == 0
        *_, first, second = buffer.getvalue().decode(encoding).splitlines()
        assert shown in second
        assert len(first) == len(second)


def test_models_that_are_none_or_take_features(
    photos: Path, model: Path, tmp_path: Path, capsys
) -> None:
    image = str(photos / "bus" / "0.png")
    argv = ["predict", image, "--model"]
    assert "there is no folder" in error_of([*argv, "no-model"], capsys, code=1)
    fitted = DeViSEClassifier(HashEmbedding(8), loss="mse").fit([[0.0], [1.0]], ["a", "b"])
    zeroshot.save(fitted, tmp_path / "bare")
    assert "takes features, not images" in error_of([*argv, str(tmp_path / "bare")], capsys, 1)
    zeroshot.save(zeroshot.TimmFeatures(), tmp_path / "backbone")
    assert "no fitted zero-shot classifier" in error_of(
        [*argv, str(tmp_path / "backbone")], capsys, code=1
    )
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes(b"{")
    assert "is no JSON" in error_of([*argv, str(broken)], capsys, code=1)
    with pytest.raises(IntegrityError):
        main([*argv, str(broken), "--debug"])
    assert "Leave it out" in error_of([*argv, str(model), "--sentences"], capsys, code=2)
    assert "--labels" in error_of(["predict", image], capsys, code=2)


def test_a_model_with_a_network_of_its_own(photos: Path, tmp_path: Path, capsys) -> None:
    paths = [str(photos / name / "0.png") for name in ("bus", "lion")]
    network = TinyImageNetCNN(width=1 / 16)
    devise = DeViSEClassifier(
        HashEmbedding(4), network=network, training=Training(epochs=1, batch_size=2), random_state=0
    )
    zeroshot.save(devise.fit(paths, ["bus", "lion"]), tmp_path / "model")
    (tmp_path / "bad.png").touch()
    argv = ["predict", *paths, str(tmp_path / "bad.png"), "--model", str(tmp_path / "model")]
    assert main([*argv, "--labels", "bus,okapi", "--format", "json"]) == 1
    assert len(json.loads(capsys.readouterr().out)) == 2
    argv = ["evaluate", str(tmp_path / "model"), str(photos), "--output", str(tmp_path / "report")]
    assert main(argv) == 0
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    capsys.readouterr()
    argv = ["predict", paths[0], "--model", str(tmp_path / "model")]
    assert main([*argv, "--device", "cpu"]) == 0
    capsys.readouterr()
    assert "--device must be" in error_of([*argv, "--device", "toaster"], capsys, code=1)
    assert "--batch-size is for models with" in error_of([*argv, "--batch-size=9"], capsys, code=2)
    assert "The label vectors that the model predicts for images" in page
