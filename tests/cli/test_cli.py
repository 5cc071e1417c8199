from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pytest
import torch
from PIL import Image

import zeroshot
import zeroshot._photos
import zeroshot.demo
from zeroshot import TimmFeatures
from zeroshot.cli import main
from zeroshot.cli._main import COMMANDS, run
from zeroshot.cli._main import commands as group

Photos = list[dict[str, Any]]


def save_image(path: Path, color: str = "orange") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 48), color).save(path)
    return str(path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the network by one that reads nothing; return what it is asked for."""
    call: dict[str, Any] = {}

    class Namer:
        def __init__(
            self, labels: Sequence[str], backbone: TimmFeatures, *, sentences: bool
        ) -> None:
            call.update(labels=list(labels), device=backbone.device, sentences=sentences)
            call["paths"] = []

        def name(
            self, paths: Sequence[str], k: int, accuracy: float | None
        ) -> tuple[Photos, Photos]:
            call.update(paths=[*call["paths"], *paths], k=k, accuracy=accuracy)
            scores = [round(0.9 - 0.1 * rank, 6) for rank in range(k)]
            labels = call["labels"][:k]
            return [{"path": p, "labels": labels, "scores": scores} for p in paths], []

    monkeypatch.setattr(zeroshot._photos, "OpenNamer", Namer)
    return call


class Calls(list[list[str]]):
    """The images of each call, and how the last one was to run."""

    ran: tuple


@pytest.fixture
def run_demo(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Replace the minutes of computing; return the images of each call."""
    calls = Calls()

    def fake(
        images: Sequence[str] = (), *, progress: bool, backbone: TimmFeatures
    ) -> dict[str, Any]:
        calls.append(list(images))
        calls.ran = (progress, backbone.device, backbone.batch_size, backbone.progress)
        return demo_results()

    monkeypatch.setattr(zeroshot.demo, "run_demo", fake)
    return calls


def demo_results() -> dict[str, Any]:
    shares = """unseen_accuracy unseen_hit_at_5 constant_accuracy constant_hit_at_5 chance_accuracy
        plain_names_unseen_accuracy plain_names_unseen_hit_at_5 chance_hit_at_5 harmonic_mean
        chance_accuracy_generalized seen_accuracy_generalized unseen_accuracy_generalized
        relative_loss_median mean_predictor_relative_loss_median
        relative_loss_over_mean_predictor_median"""
    return dict.fromkeys(shares.split(), 0.25) | {
        "relative_loss_improved": 2,
        "mean_predictor_relative_loss_improved": 1,
        "relative_losses": {
            "cat": {"model": -0.4, "mean_predictor": -0.2},
            "dog": {"model": -0.3, "mean_predictor": 0.1},
        },
        "photos": [],
        "unreadable_photos": [],
        "shown_split": {
            "y": ["cat", "dog"],
            "answers": ["cat", "cat"],
            "points": [[0.0, 1.0], [1.0, 0.0]],
            "label_points": [[0.0, 2.0], [2.0, 0.0], [1.0, 1.0]],
            "label_names": ["cat", "dog", "owl"],
            "seen_classes": ["owl"],
        },
        "made": {"data": "CIFAR-100", "sha256": {"net": "0" * 64}, "seeds": {"class splits": 0}},
        "seconds": 1.0,
    }


def one_line(text: str) -> str:
    """Return the only line of an error message, without its prefix."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("zeroshot: ")
    return lines[0].removeprefix("zeroshot: ")


# --- the parser ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "example"),
    [
        (["--help"], "130 interrupted"),
        (["demo", "--help"], "zeroshot demo --json > results.json"),
        (["fit", "--help"], "zeroshot fit photos --output my-model"),
        (["evaluate", "--help"], "zeroshot evaluate my-model other-photos"),
        (["predict", "--help"], "zeroshot predict photos/ --labels labels.txt"),
        (["embed", "--help"], "zeroshot embed photos --output features.npz"),
        (["similar", "--help"], 'zeroshot similar okapi "fire engine" --sources imagenet-1k'),
        (["models", "--help"], "zeroshot models --here"),
        (["datasets", "--help"], "zeroshot datasets --download cifar100"),
    ],
)
def test_help_shows_examples_and_exits_0(
    argv: list[str], example: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert example in out
    assert err == ""


ABOUT_SCORES = (
    "Only the order of scores matters. They are not probabilities, and each model has its own "
    "scale."
)


def test_what_scores_are_is_said_in_the_help_and_on_the_page(
    capsys: pytest.CaptureFixture,
) -> None:
    assert main(["predict", "--help"]) == 0
    documented = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text("utf-8")
    for said in (capsys.readouterr().out, documented):
        assert ABOUT_SCORES in " ".join(said.split())


def test_the_page_says_which_command_has_which_option() -> None:
    """Its tables are compared with the parsers, so that neither can change alone."""
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text("utf-8")
    _, _, section = page.partition("## Which command has which option\n\n")
    said = {}
    for table in section.split("\n\n")[:2]:
        head, _, *rows = table.splitlines()
        cells = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in (head, *rows)]
        for column, name in enumerate(cells[0][1:], start=1):
            said[name] = {row[0] for row in cells[1:] if row[column] == "✓"}
    with click.Context(group) as context:
        options = {
            name: {
                next(option for option in param.opts if option.startswith("--"))
                for param in group.get_command(context, name).params
                if isinstance(param, click.Option)
            }
            for name in COMMANDS
        }
    assert said == options


def test_version(capsys: pytest.CaptureFixture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"zeroshot {zeroshot.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        ([], "COMMAND"),
        (["fly"], "'fly'"),
        (["predict", "a.jpg"], "--labels"),
        (["predict", "--labels", "cat"], "IMAGE_OR_FOLDER"),
        (["predict", "a.jpg", "--labels", "cat", "--format", "xml"], "'xml'"),
        (["predict", "a.jpg", "--labels", "cat", "--k", "two"], "'two'"),
        (["predict", "a.jpg", "--labels", "cat", "--wrong"], "--wrong"),
        (["demo", "--wrong"], "--wrong"),
        (["fit", "photos"], "--output"),
        (["embed", "a.jpg"], "--output"),
        (["embed", "a.jpg", "--output", "b.npz", "--batch-size", "0"], "0 is not in the range"),
        (["similar", "cat"], "--sources"),
        (["embed", "a.jpg", "--output", "b.npz", "--max-seconds", "inf"], "is not in the range"),
        (["embed", "a.jpg", "--output", "b.npz", "--seed", "-1"], "is not in the range"),
        (["models", "resnet50", "vgg"], "unexpected arguments: vgg. See 'zeroshot models --help'."),
        (["predit", "a.jpg"], "Did you mean 'predict'?"),
        (["predict", "a.jpg", "--sentence"], "Did you mean '--sentences'?"),
    ],
)
def test_a_wrong_command_line_exits_2_and_names_what_is_wrong(
    argv: list[str], named: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert named in err
    assert out == ""


@pytest.mark.parametrize("command", [["-m", "zeroshot"], ["-m", "zeroshot.cli"]])
def test_the_exit_code_reaches_the_shell(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command, "predict", "no-such.jpg", "--labels", "a,a"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert one_line(done.stderr) == "--labels names a more than once. Name each once."


def test_without_a_command_there_is_help_on_stderr(capsys: pytest.CaptureFixture) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "name images from your labels" in err
    assert main(["-h"]) == 0
    assert capsys.readouterr().out == err


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("zeroshot pre", ["predict"]),
        ("zeroshot fit --est", ["--estimator"]),
        ("zeroshot fit --estimator e", ["eszsl", "ensemble"]),
    ],
)
def test_shells_complete_commands_options_and_names(
    words: str, completed: list[str], capsys: pytest.CaptureFixture, monkeypatch
) -> None:
    monkeypatch.setenv("_ZEROSHOT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines() == [f"plain,{word}" for word in completed]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_page_has_the_line_that_completes_in_a_shell(
    shell: str, capsys: pytest.CaptureFixture, monkeypatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text("utf-8")
    assert f"_ZEROSHOT_COMPLETE={shell}_source zeroshot" in page
    monkeypatch.setenv("_ZEROSHOT_COMPLETE", f"{shell}_source")
    assert main([]) == 0
    assert "_ZEROSHOT_COMPLETE=" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["--help"], ["predict", "--help"], ["datasets"], ["fly"]])
def test_nothing_is_coloured(argv: list[str]) -> None:
    """NO_COLOR asks for nothing, and there is no colour to leave out."""
    environment = {**os.environ, "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "zeroshot", *argv], capture_output=True, env=environment, check=False
    )
    assert b"\x1b" not in done.stdout + done.stderr


def test_the_list_of_commands_loads_none_of_them() -> None:
    code = (
        "import sys; from zeroshot.cli import main; main(['--help']);"
        "sys.exit(bool({'tqdm', 'PIL', 'csv', 'zeroshot.cli._options'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_the_parser_loads_no_heavy_package() -> None:
    code = (
        "import sys; from zeroshot.cli import main; main(['--help']); main(['fit', '--help']);"
        "sys.exit(bool({'torch', 'timm', 'gensim', 'nltk', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


# --- predict: labels and k -------------------------------------------------------------------


def test_labels_between_commas_may_have_several_words_and_spaces_around(
    asked: dict, tmp_path: Path
) -> None:
    image = save_image(tmp_path / "a.png")
    assert main(["predict", image, "--labels", " tabby cat, fire engine ,,palm tree,"]) == 0
    assert asked["labels"] == ["tabby cat", "fire engine", "palm tree"]
    assert asked["k"] == 3  # five, where there are as many


@pytest.mark.parametrize(
    "content",
    [
        b"tabby cat\nfire engine\n",
        b"\xef\xbb\xbftabby cat\r\n\r\n  fire engine  \r\n\r\n",
        b"\n\ntabby cat\n \nfire engine",
    ],
)
def test_labels_of_a_file_one_a_line(content: bytes, asked: dict, tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    assert main(["predict", save_image(tmp_path / "a.png"), "--labels", str(file)]) == 0
    assert asked["labels"] == ["tabby cat", "fire engine"]


def test_a_line_of_a_file_may_hold_commas(asked: dict, tmp_path: Path) -> None:
    file = tmp_path / "labels"
    file.write_text("fire engine, fire truck\ncafé\n", encoding="utf-8")
    assert main(["predict", save_image(tmp_path / "a.png"), "--labels", str(file)]) == 0
    assert asked["labels"] == ["fire engine, fire truck", "café"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("", "names no label. Write --labels 'cat,dog'"),
        (" , ,", "names no label"),
        ("cat,dog,cat,dog,bee", "names cat, dog more than once. Name each once."),
        ("no-such-list.txt", "there is no file no-such-list.txt. Check the path"),
        ("lists/animals", "there is no file lists/animals"),
        (".", "there is no file ."),
    ],
)
def test_bad_labels_exit_2_before_any_work(
    labels: str, message: str, asked: dict, capsys: pytest.CaptureFixture
) -> None:
    assert main(["predict", "no-such.jpg", "--labels", labels]) == 2
    out, err = capsys.readouterr()
    assert message in one_line(err)
    assert out == ""
    assert not asked


def test_an_empty_file_of_labels_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("\n\n", encoding="utf-8")
    assert main(["predict", "a.jpg", "--labels", str(file)]) == 2
    assert "names no label" in one_line(capsys.readouterr().err)


def test_a_file_of_labels_in_another_encoding_exits_2_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes("café\n".encode("latin-1"))
    assert main(["predict", "a.jpg", "--labels", str(file)]) == 2
    message = one_line(capsys.readouterr().err)
    assert str(file) in message
    assert "UTF-8" in message


@pytest.mark.parametrize("k", ["0", "-1"])
def test_k_below_1_exits_2(k: str, asked: dict, capsys: pytest.CaptureFixture) -> None:
    assert main(["predict", "a.jpg", "--labels", "cat,dog", f"--k={k}"]) == 2
    assert f"'--k': {k} is not in the range x>=1." in one_line(capsys.readouterr().err)
    assert not asked


def test_k_above_the_number_of_labels_is_all_of_them(asked: dict, tmp_path: Path) -> None:
    image = save_image(tmp_path / "a.png")
    assert main(["predict", image, "--labels", "cat,dog,owl", "-k", "5"]) == 0
    assert asked["k"] == 3


@pytest.mark.parametrize(
    "argv",
    [
        ["predict", "A", "--labels", "lion", "tiger", "cat"],
        ["predict", "--labels", "lion", "tiger", "cat", "A"],
        ["predict", "--labels", "lion", "tiger", "cat"],
        ["similar", "okapi", "--sources", "lion", "tiger", "cat"],
        ["fit", "A", "--output", "model", "--exclude", "lion", "tiger", "cat"],
        ["evaluate", "model", "A", "--unseen", "lion", "tiger", "cat"],
    ],
)
def test_labels_separated_by_spaces_are_told_about_commas(
    argv: list[str], asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image = save_image(tmp_path / "a.png")
    assert main([image if word == "A" else word for word in argv]) == 2
    (option,) = {"--labels", "--sources", "--exclude", "--unseen"} & set(argv)
    assert one_line(capsys.readouterr().err) == (
        f"{option} takes one argument. Separate labels with commas: {option} lion,tiger,cat"
    )
    assert not asked


def test_a_path_that_is_not_there_is_no_label(asked: dict, tmp_path: Path) -> None:
    image = save_image(tmp_path / "a.png")
    assert main(["predict", image, "no-such.jpg", "--labels", "lion"]) == 0
    assert asked["paths"] == [image, "no-such.jpg"]


def test_k_and_device_are_passed_on(asked: dict, tmp_path: Path) -> None:
    image = save_image(tmp_path / "a.png")
    assert main(["predict", image, "--labels", "a,b,c", "--k", "2", "--device", "cpu"]) == 0
    assert (asked["k"], asked["device"], asked["sentences"]) == (2, "cpu", False)
    assert main(["predict", image, "--labels", "a,b,c", "--sentences"]) == 0
    assert asked["sentences"]


def test_unknown_labels_are_all_named_with_near_matches(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image = save_image(tmp_path / "a.png")
    argv = ["predict", image, "--on-unknown", "raise"]
    assert main([*argv, "--labels", "cat,qqxyzzy,elefantt,zzkwwv"]) == 1
    out, err = capsys.readouterr()
    message = one_line(err)
    assert out == ""
    assert "3 of 4 labels ('elefantt', 'qqxyzzy', 'zzkwwv')" in message
    assert "Did you mean" in message
    assert "Respell them in --labels, or leave them out. --sentences knows any text" in message


# --- predict: images -------------------------------------------------------------------------


def test_files_and_folders_are_taken_in_order(asked: dict, tmp_path: Path) -> None:
    single = save_image(tmp_path / "z.png")
    inside = [save_image(tmp_path / "photos" / name) for name in ("a.png", "deep/b.PNG")]
    (tmp_path / "photos" / "notes.txt").touch()
    assert main(["predict", single, str(tmp_path / "photos"), "--labels", "cat,dog"]) == 0
    assert asked["paths"] == [single, *inside]


def test_a_path_that_is_not_there_exits_1(asked: dict, capsys: pytest.CaptureFixture) -> None:
    assert main(["predict", "no-such.jpg", "--labels", "cat,dog"]) == 1
    out, err = capsys.readouterr()
    assert "there is no file or folder no-such.jpg. Check the path" in one_line(err)
    assert out == ""
    assert not asked


def test_an_empty_folder_exits_1(
    asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["predict", str(tmp_path), "--labels", "cat,dog"]) == 1
    assert "holds no image" in one_line(capsys.readouterr().err)
    assert not asked


def test_unreadable_images_are_each_reported_and_the_others_named(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    good = [save_image(tmp_path / "a.png"), save_image(tmp_path / "c.png")]
    bad, empty = tmp_path / "b.png", tmp_path / "d.jpg"
    bad.write_bytes(b"no image at all")
    empty.touch()
    assert main(["predict", str(tmp_path), "--labels", "orange,car", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert [answer["path"] for answer in json.loads(out)] == good
    first, second, total = err.splitlines()
    assert str(bad) in first
    assert "is not an image of JPEG, PNG" in first
    assert str(empty) in second
    assert "zero bytes" in second
    assert total == "zeroshot: 2 of 4 images could not be read."


def test_no_readable_image_leaves_an_empty_list(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    assert main(["predict", str(tmp_path), "--labels", "cat,dog", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == []


def test_an_unknown_device_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    image = save_image(tmp_path / "a.png")
    assert main(["predict", image, "--labels", "cat,dog", "--device", "toaster"]) == 1
    message = one_line(capsys.readouterr().err)
    assert message.startswith("--device must be auto, cpu, cuda or another torch device of this")
    assert message.endswith("got 'toaster'. Leave it out to take the best that there is.")


@pytest.mark.parametrize(
    "argv",
    [
        ["predict", "a.png", "--labels", "cat,dog"],
        ["predict", "a.png", "--model", "m"],
        ["evaluate", "m", "p"],
        ["fit", "p", "--output", "model"],
        ["embed", "a.png", "--output", "b.npz"],
        ["demo"],
    ],
)
def test_a_gpu_that_is_not_there_is_missed_before_anything_is_loaded(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch
) -> None:
    def load(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("something was loaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for name in ("load", "WordVectors", "TimmFeatures", "OpenLabelClassifier"):
        monkeypatch.setattr(zeroshot, name, load)
    save_image(tmp_path / "a.png")
    save_image(tmp_path / "p" / "bus" / "a.png")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").touch()
    assert main([*argv, "--device", "cuda"]) == 1
    assert one_line(capsys.readouterr().err) == (
        "--device cuda: torch finds no such GPU on this machine. Leave it out to take the best "
        "that there is."
    )


def test_nobody_is_told_of_functions_nor_counts_from_0(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    good = save_image(tmp_path / "p" / "bus" / "a.png")
    bad, text, empty = tmp_path / "bad.png", tmp_path / "a.txt", tmp_path / "empty"
    bad.touch()
    text.touch()
    empty.mkdir()
    new = ["--output", str(tmp_path / "new")]
    for argv in (
        ["predict", "no-such", "--labels", "a,b"],
        ["predict", str(empty), "--labels", "a,b"],
        ["predict", good, str(bad), "--labels", "cat,dog"],
        ["predict", good, "--labels", "cat,dog", "--max-pixels", "9"],
        ["predict", good, "--model", "no-such"],
        ["predict", good, "--model", str(text)],
        ["fit", str(tmp_path / "p" / "bus"), *new],
        ["fit", str(empty), *new],
        ["fit", str(text), *new],
    ):
        assert main(argv) == 1
        said = capsys.readouterr().err
        assert said and not re.search(r"list_images|load_image_folder|load:|position|max_p", said)


# --- predict: formats ------------------------------------------------------------------------


def test_json(asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    images = [save_image(tmp_path / name) for name in ("a.png", "b.png")]
    assert main(["predict", *images, "--labels", "cat,dog", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == [
        {"path": path, "labels": ["cat", "dog"], "scores": [0.9, 0.8]} for path in images
    ]


def test_csv_has_one_row_a_label_and_quotes_what_needs_it(
    asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image = save_image(tmp_path / 'a, "b".png')
    labels = tmp_path / "labels.txt"
    labels.write_text("fire engine, fire truck\ncat\n", encoding="utf-8")
    assert main(["predict", image, "--labels", str(labels), "--format", "csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [
        ["path", "rank", "label", "score"],
        [image, "1", "fire engine, fire truck", "0.9"],
        [image, "2", "cat", "0.8"],
    ]


def test_table_is_the_default_and_is_aligned(
    asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images = [save_image(tmp_path / name) for name in ("a.png", "longer.png")]
    assert main(["predict", *images, "--labels", "cat,dog"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == [images[0], "cat", "0.900", "dog", "0.800"]
    assert first.index("cat 0.900") == second.index("cat 0.900")


def test_columns_stand_below_each_other_in_any_script(
    asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A Chinese letter takes two cells of a terminal, and an accent of its own none."""
    images = [save_image(tmp_path / name) for name in ("猫.png", "ab.png", "cafe\u0301.png")]
    assert main(["predict", *images, "--labels", "cat,dog"]) == 0
    lines = capsys.readouterr().out.splitlines()
    starts = [line.index("cat 0.900") for line in lines]
    assert starts[0] == starts[1] - 1 == starts[2] - 2, lines


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_paths_and_labels_in_any_script(
    form: str, asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image = save_image(tmp_path / "größe 猫.png")
    assert main(["predict", image, "--labels", "café,猫", "--format", form]) == 0
    out = capsys.readouterr().out
    if form == "json":
        (answer,) = json.loads(out)
        assert (answer["path"], answer["labels"]) == (image, ["café", "猫"])
    else:
        assert image in out
        assert "café" in out


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_answer_is_lost_to_a_terminal_that_cannot_write_it(
    form: str, encoding: str, asked: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")  # a name that is not UTF-8
    save_image(Path(image))
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding))
    assert main(["predict", image, "--labels", "café,cat", "--format", form]) == 0
    sys.stdout.flush()
    text = buffer.getvalue().decode(encoding)
    assert "cat" in text
    if form == "json":
        assert json.loads(text)[0]["path"] == image
        assert json.loads(text)[0]["labels"] == ["café", "cat"]


def test_warnings_and_bars_go_to_stderr(
    asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = zeroshot._photos.OpenNamer

    def warns(*args: Any, **kwargs: Any) -> Any:
        warnings.warn("label 'x'\nhas no vector", stacklevel=2)
        return quiet(*args, **kwargs)

    monkeypatch.setattr(zeroshot._photos, "OpenNamer", warns)
    image = save_image(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["predict", image, "--labels", "cat,dog", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 1
    assert err == "zeroshot: warning: label 'x' has no vector\n"


def test_a_real_answer_names_the_sample_photos(capsys: pytest.CaptureFixture) -> None:
    with zeroshot.demo.sample_photos() as photos:
        chosen = [photo for photo in photos if photo.endswith(("china.jpg", "flower.jpg"))]
        argv = ["predict", *chosen, "--labels", "flower,temple,motorbike,wine bottle"]
        assert main([*argv, "--k", "2", "--format", "json"]) == 0
    china, flower = json.loads(capsys.readouterr().out)
    assert china["labels"][0] == "temple"
    assert flower["labels"][0] == "flower"
    assert all(len(answer["labels"]) == len(answer["scores"]) == 2 for answer in (china, flower))
    assert china["scores"] == sorted(china["scores"], reverse=True)


@pytest.mark.parametrize("name", ["answers.xlsx", "answers", "answers.npz"])
def test_a_name_that_says_no_format_is_refused_before_the_work(
    name: str, asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image, target = save_image(tmp_path / "a.png"), tmp_path / "out" / name
    argv = ["predict", image, "--labels", "cat,dog", "--output", str(target)]
    assert main(argv) == 2
    message = one_line(capsys.readouterr().err)
    assert "--output must end in one of .txt, .csv, .json, .parquet, which say what" in message
    assert message.endswith(f"got {target}. Rename it, or pass --format.")
    assert not asked and not target.parent.exists()


def test_markup_in_a_label_is_printed_as_it_is(
    asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image = save_image(tmp_path / "a.png")
    assert main(["predict", image, "--labels", "[red]x[/red],[/],:smile:"]) == 0
    assert "[red]x[/red] 0.900  [/] 0.800  :smile: 0.700" in capsys.readouterr().out
    assert main(["predict", image, "--labels", "[red]x[/red],[red]x[/red]"]) == 2
    assert "--labels names [red]x[/red] more than once" in capsys.readouterr().err


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("out of\nmemory"), "RuntimeError: out of memory (--debug shows where"),
        (TypeError("no"), "TypeError: no (--debug"),
        (MemoryError(), "MemoryError:"),
        (ValueError("k is wrong"), "k is wrong"),
        (PermissionError(13, "Permission denied", "a.png"), "Permission denied: 'a.png'"),
    ],
)
def test_any_error_is_one_line_and_exit_code_1(
    error: BaseException,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr(zeroshot._photos, "OpenNamer", fails)
    argv = ["predict", save_image(tmp_path / "a.png"), "--labels", "cat,dog"]
    assert main(argv) == 1
    out, err = capsys.readouterr()
    assert message in one_line(err)
    assert out == ""
    if isinstance(error, Exception):
        with pytest.raises(type(error)):
            main([*argv, "--debug"])


def test_ctrl_c_is_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(zeroshot._photos, "OpenNamer", interrupted)
    argv = ["predict", save_image(tmp_path / "a.png"), "--labels", "cat,dog"]
    assert main(argv) == 130
    out, err = capsys.readouterr()
    assert one_line(err) == "interrupted"
    assert out == ""


def test_debug_shows_the_traceback() -> None:
    argv = [
        sys.executable,
        "-m",
        "zeroshot",
        "predict",
        "no-such.jpg",
        "--labels",
        "cat",
        "--debug",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "FileNotFoundError: list_images: there is no file" in done.stderr


# --- demo ------------------------------------------------------------------------------------


def test_demo_prints_a_table_and_writes_the_report(
    run_demo: list, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert "20 unseen classes, top-1" in out
    assert "zeroshot-demo/index.html" in err.replace(os.sep, "/")
    written = sorted(path.name for path in (tmp_path / "zeroshot-demo").iterdir())
    assert written == ["index.html", "provenance.json", "results.json"]
    record = json.loads((tmp_path / "zeroshot-demo/provenance.json").read_text("ascii"))
    assert record["command"] == "zeroshot demo"
    assert record["weights"] == {"net": "0" * 64} and record["seeds"] == {"class splits": 0}
    assert record["images"] == {"read": 0, "skipped": 0, "unreadable": []}
    assert {"date", "versions", "platform", "source"} <= set(record)


@pytest.mark.slow  # two demos
def test_a_second_demo_takes_another_folder(
    run_demo: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        assert main(["demo", "--json"]) == 0
    assert main(["demo", "--json", "--force"]) == 0
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert folders == ["zeroshot-demo", "zeroshot-demo-2", "zeroshot-demo-3"]


def test_demo_json_is_one_object_and_the_same_as_in_the_folder(
    run_demo: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "deep" / "report"
    assert main(["demo", "--json", "--output", str(folder)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((folder / "results.json").read_text("utf-8")) == demo_results()


def test_demo_in_every_format(
    run_demo: Calls, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    report = ["--output", str(tmp_path / "report")]
    assert main(["demo", *report, "--format", "csv"]) == 0
    rows = {
        row["figure"]: row["value"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))
    }
    assert rows["unseen_accuracy"] == rows["constant_accuracy"] == "0.25"
    assert rows["relative_loss_improved"] == "2.0" and "photos" not in rows
    assert main(["demo", *report, "--format", "parquet", "--force"]) == 0
    assert capsys.readouterr().out == ""
    table = pd.read_parquet(tmp_path / "report" / "figures.parquet").set_index("figure")
    assert {name: str(value) for name, value in table["value"].items()} == rows
    assert main(["demo", *report, "--format", "json", "--force"]) == 0  # its own report still
    printed = capsys.readouterr().out
    assert main(["demo", *report, "--json", "--force"]) == 0
    assert capsys.readouterr().out == printed


def test_demo_runs_as_it_is_told(run_demo: Calls, tmp_path: Path, capsys) -> None:
    argv = ["demo", "--output", str(tmp_path / "report"), "--force"]
    assert main(argv) == 0
    assert run_demo.ran == (True, "auto", 64, "auto")
    assert main([*argv, "--device", "cpu", "--batch-size", "8", "--no-progress"]) == 0
    assert run_demo.ran == (False, "cpu", 8, False)
    assert main([*argv, "--device", "toaster"]) == 1
    assert "--device must be" in capsys.readouterr().err
    assert len(run_demo) == 2


def test_an_existing_folder_exits_2_before_the_work(
    run_demo: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    assert main(["demo", "--output", str(folder)]) == 2
    assert f"{folder} exists. Name another folder, or pass --force." in capsys.readouterr().err
    assert not run_demo
    assert main(["demo", "--output", str(folder), "--force"]) == 0
    assert (folder / "index.html").is_file()
    (folder / "demo.png").touch()  # an earlier version's
    assert main(["demo", "--output", str(folder), "--force"]) == 0  # its own report


@pytest.mark.parametrize("what", ["folder", "file", "cwd"])
def test_force_replaces_nothing_but_a_report(
    what: str,
    run_demo: list,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "thesis"
    if what == "file":
        target.write_text("years of work", encoding="utf-8")
    else:
        target.mkdir()
    if what == "folder":
        (target / "chapter1.txt").write_text("years of work", encoding="utf-8")
    if what == "cwd":
        monkeypatch.chdir(target)
    assert main(["demo", "--output", "." if what == "cwd" else str(target), "--force"]) == 2
    assert "--force replaces nothing else" in one_line(capsys.readouterr().err)
    assert target.exists()
    assert not run_demo


def test_an_output_below_a_file_exits_2_before_the_work(
    run_demo: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert main(["demo", "--output", str(tmp_path / "file" / "report")]) == 2
    assert "cannot be made" in one_line(capsys.readouterr().err)
    assert not run_demo


def test_the_demo_needs_no_matplotlib(
    run_demo: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo", "--output", str(tmp_path / "report")]) == 0
    assert (tmp_path / "report" / "index.html").is_file()


def test_a_missing_photo_exits_1_before_the_work(
    run_demo: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["demo", "no-such.jpg", "--output", str(tmp_path / "report")]) == 1
    assert "no-such.jpg" in one_line(capsys.readouterr().err)
    assert not run_demo


def test_photos_and_folders_are_given_to_the_demo(run_demo: list, tmp_path: Path) -> None:
    photos = [save_image(tmp_path / name) for name in ("a.png", "photos/b.png")]
    argv = ["demo", photos[0], str(tmp_path / "photos"), "--output", str(tmp_path / "report")]
    assert main(argv) == 0
    assert run_demo == [photos]


def test_ctrl_c_while_the_report_is_drawn_leaves_nothing(
    run_demo: list, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zeroshot.report._demo.how_made", interrupted)
    assert main(["demo", "--output", str(tmp_path / "report")]) == 130
    assert capsys.readouterr().err.endswith("zeroshot: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_loses_no_figure(
    run_demo: list, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zeroshot.report.write_demo_report", full)
    assert main(["demo", "--json", "--output", str(tmp_path / "report")]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == demo_results()
    assert "No space left on device" in err


class FullDisk(io.StringIO):
    """Standard output to a full disk, or to a pipe that nobody reads."""

    def __init__(self, error: OSError, number: int | None = None) -> None:
        super().__init__()
        self.error, self.number = error, number

    def flush(self) -> None:
        raise self.error

    def fileno(self) -> int:
        if self.number is None:
            raise OSError("no file")
        return self.number


def test_output_that_cannot_be_written(tmp_path: Path, capfd, monkeypatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(sys, "stdout", FullDisk(full))
    assert run(["--version"]) == 1
    told = capfd.readouterr().err
    assert told.splitlines() == [
        "zeroshot: standard output cannot be written: No space left on device"
    ]
    with pytest.raises(OSError, match="No space left"):
        run(["--version", "--debug"])
    assert run(["no-such-command"]) == 2
    assert "No space left" not in capfd.readouterr().err, "the command has said what is wrong"
    with open(tmp_path / "out", "w") as file:
        monkeypatch.setattr(sys, "stdout", FullDisk(BrokenPipeError(), file.fileno()))
        assert run(["--version"]) == 0
        os.write(file.fileno(), b"what the interpreter writes at its end")
    assert not (tmp_path / "out").read_text(), "goes to the null device"
