"""``zeroshot embed``, ``similar``, ``models`` and ``datasets``, and how any command ends."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import zeroshot
from zeroshot import HashEmbedding
from zeroshot.cli import main
from zeroshot.cli._choices import read_attributes
from zeroshot.cli._options import read_labels
from zeroshot.cli._output import Answers, as_text
from zeroshot.cli._terminal import UsageError

TINY = ["--backbone", "test_efficientnet", "--weights", "none", "--image-size", "32"]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")


def save_images(folder: Path, n_images: int = 3) -> Path:
    folder.mkdir(parents=True)
    for i in range(n_images):
        Image.new("RGB", (32, 32), (60 * i, 90, 200 - 60 * i)).save(folder / f"{i}.png")
    return folder


def error_of(argv: list[str], capsys: pytest.CaptureFixture, code: int) -> str:
    """Run what must fail; return its one line."""
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line.removeprefix("zeroshot: ")


# --- embed -----------------------------------------------------------------------------------


def test_embed_writes_the_same_features_in_every_format(tmp_path: Path, capsys) -> None:
    photos = save_images(tmp_path / "photos")
    (photos / "bad.png").touch()
    tables = {}
    for suffix in ("npz", "parquet", "csv", "json"):
        target = tmp_path / f"features.{suffix}"
        assert main(["embed", str(photos), "--output", str(target), *TINY]) == 1
        out, err = capsys.readouterr()
        assert out == "" and "1 of 4 images could not be read." in err
        record = json.loads((tmp_path / f"features.{suffix}.provenance.json").read_text())
        assert record["images"]["read"] == 3 and record["images"]["skipped"] == 1
        assert len(record["weights"]["test_efficientnet"]) == 64
        if suffix == "npz":
            with np.load(target, allow_pickle=False) as arrays:
                tables[suffix] = arrays["paths"].tolist(), arrays["features"]
                assert arrays["features"].dtype == np.float32
            continue
        if suffix == "json":
            entries = json.loads(target.read_text("ascii"))
            assert [set(entry) for entry in entries] == [{"path", "vector"}] * 3
            vectors = np.array([entry["vector"] for entry in entries])
            tables[suffix] = [entry["path"] for entry in entries], vectors
            continue
        if suffix == "parquet":
            frame = pd.read_parquet(target)
            tables[suffix] = frame["path"].tolist(), np.stack(frame["features"])
            continue
        frame = pd.read_csv(target)
        tables[suffix] = frame["path"].tolist(), frame.drop(columns="path").to_numpy()
    paths, features = tables["npz"]
    assert paths == [str(photos / f"{i}.png") for i in range(3)]
    assert features.shape == (3, 256)
    for other_paths, other in tables.values():
        assert other_paths == paths
        np.testing.assert_allclose(other, features, rtol=1e-6)


def test_embed_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "vectors.npz"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"okapi\nfire engine, truck\n")))
    argv = ["embed", "--labels", "cat", "-", "--label-embedding", "hash", "--output", str(target)]
    assert main(argv) == 0
    with np.load(target, allow_pickle=False) as arrays:
        labels = arrays["labels"].tolist()
        assert labels == ["cat", "okapi", "fire engine, truck"]
        assert (arrays["vectors"] == HashEmbedding().embed(labels)).all()
    record = json.loads((tmp_path / "vectors.npz.provenance.json").read_text())
    assert record["weights"] == {"hash": HashEmbedding().fingerprint()}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["a.jpg", "--label-embedding", "hash"], "is for labels"),
        (["--labels", "cat", "cat"], "names cat more than once"),
        (["--labels", " "], "LABEL is empty"),
        (["--labels", "cat", "--label-embedding", "hsah"], "Did you mean 'hash'"),
        (["--labels", "cat", "--backbone", "resnet50"], "--backbone is for images"),
        (["--labels", "cat", "--weights", "nofile.bin"], "--weights is for images"),
        (["--labels", "cat", "--image-size", "3"], "--image-size is for images, not for --labels"),
        (["--labels", "cat", "--seed", "3"], "--seed is for images"),
        (["--labels", "cat", "--no-progress"], "--progress is for images"),
        (["--labels", "cat", "--device", "toaster"], "--device is for the label vectors sentence"),
        (["--labels", "cat", "--batch-size", "9"], "--batch-size is for the label vectors"),
        (["--labels", "cat", "--format", "table"], "Pass one of npz, csv, json, parquet."),
    ],
)
def test_embed_refuses(argv: list, message: str, tmp_path: Path, capsys) -> None:
    assert message in error_of(["embed", *argv, "--output", str(tmp_path / "x.npz")], capsys, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_label_that_embed_does_not_know(tmp_path: Path, capsys) -> None:
    argv = ["embed", "--labels", "cat", "qqxyzzy", "--output", str(tmp_path / "v.npz")]
    message = error_of([*argv, "--on-unknown", "raise"], capsys, 1)
    assert message.startswith("--label-embedding glove has no vector for 1 of 2 labels ('qqxyzzy')")
    assert message.endswith("Respell them, or leave them out.")


def test_a_similarity_of_nearly_nothing_is_no_minus_0() -> None:
    answers = Answers(("label", "similarity"), [("cat", -0.0004), ("dog", -0.0006)])
    assert as_text(answers, "table", raw=False).split() == [
        "label", "similarity", "cat", "0.000", "dog", "-0.001",
    ]  # fmt: skip


def test_weights_are_told_in_terms_of_options(tmp_path: Path, capsys) -> None:
    image = save_images(tmp_path / "photos", 1)
    argv = ["embed", str(image), "--output", str(tmp_path / "f.npz"), "--weights", "no.safetensors"]
    message = error_of(argv, capsys, 1)
    assert message.endswith("Check the path, or leave --weights out.")


def test_files_are_never_overwritten_unasked(tmp_path: Path, capsys) -> None:
    argv = ["embed", "--labels", "cat", "--label-embedding", "hash", "--output"]
    target = tmp_path / "v.csv"
    target.write_text("mine", encoding="utf-8")
    assert "exists. Name another file" in error_of([*argv, str(target)], capsys, 2)
    assert target.read_text() == "mine"
    assert "is a folder" in error_of([*argv, str(tmp_path), "--force"], capsys, 2)
    assert "cannot be made in" in error_of([*argv, str(target / "v.csv")], capsys, 2)
    assert main([*argv, str(target), "--force"]) == 0
    assert target.read_text().startswith("label,x0,")


@pytest.mark.parametrize("name", ["v.txt", "v", "v.xlsx"])
def test_embed_writes_nothing_under_a_name_of_another_kind(
    name: str, tmp_path: Path, capsys
) -> None:
    target = tmp_path / name
    argv = ["embed", "--labels", "cat", "--label-embedding", "hash", "--output", str(target)]
    message = error_of(argv, capsys, 2)
    assert "--output must end in one of .csv, .json, .parquet, .npz, which say" in message
    assert list(tmp_path.iterdir()) == []
    assert main([*argv, "--format", "csv"]) == 0
    assert target.read_text().startswith("label,x0,")


@pytest.fixture
def text_network(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Replace the network for sentences by hashes; return how it was to run."""
    ran: dict = {}

    def network(*, overrides, **running):
        ran.update(running)
        return HashEmbedding()

    monkeypatch.setattr(zeroshot, "SentenceEmbedding", network)
    return ran


@pytest.mark.parametrize(
    "command",
    [
        ["embed", "--labels", "cat", "dog", "--output", "v.npz"],
        ["similar", "cat", "--sources", "dog,cow", "--measure", "cosine"],
        ["fit", "photos", "--output", "model", *TINY],
    ],
)
def test_text_networks_run_as_they_are_told(
    command: list, text_network: dict, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("bus", "lion"):
        save_images(tmp_path / "photos" / name, 1)
    argv = [*command, "--label-embedding", "sentence"]
    assert main([*argv, "--device", "cpu", "--batch-size", "7"]) == 0
    assert text_network == {"device": "cpu", "batch_size": 7}
    capsys.readouterr()
    argv = [*argv, *(["--force"] if "--output" in argv else []), "--device", "toaster"]
    assert "--device must be auto, cpu" in error_of(argv, capsys, 1)


# --- similar ---------------------------------------------------------------------------------


def test_similar_in_wordnet(capsys: pytest.CaptureFixture) -> None:
    argv = ["similar", "puppy", "pickup truck", "--sources", "imagenet-1k", "-k", "3"]
    assert main([*argv, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    answers = json.loads(out)
    assert [a["rank"] for a in answers] == [1, 2, 3] * 2
    assert {a["label"] for a in answers} == {"puppy", "pickup truck"}
    assert answers[3]["source"].startswith("pickup")
    assert answers[3]["similarity"] >= answers[4]["similarity"]


def test_similar_by_vectors_and_own_sources(tmp_path: Path, capsys) -> None:
    argv = ["similar", "kitten", "--sources", "cat,oboe,lorry", "--measure", "cosine"]
    assert main([*argv, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["source"] for row in rows][0] == "cat" and len(rows) == 3
    assert main([*argv, "--output", str(tmp_path / "s.parquet")]) == 0
    assert pd.read_parquet(tmp_path / "s.parquet")["source"].tolist()[0] == "cat"
    assert (tmp_path / "s.parquet.provenance.json").is_file()


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["cat", "--sources", "imagenet1k"], 2, "Did you mean 'imagenet-1k'"),
        (["cat", "--sources", "a,b", "--measure", "wup_nltl"], 2, "Did you mean 'wup_nltk'"),
        (["cat", "--sources", "a,b", "--measure", "wup"], 2, "Write --measure wup_nltk for it, or"),
        (["cat", "--sources", "dog,cow", "-k", "0"], 2, "0 is not in the range x>=1"),
        (["cat", "--sources", "dog,cow", "--device", "auto"], 2, "--device is for --measure"),
        (["cat", "--sources", "dog,cow", "--label-embedding", "hash"], 2, "--measure cosine"),
        (["cat", "--sources", "dog,cow", "--device", "cpu"], 2, "--device is for --measure cosine"),
        (["cat", "--sources", "dog,cow", "--batch-size=3"], 2, "--batch-size is for --measure"),
        (
            ["cat", "--sources", "dog,cow", "--measure", "cosine", "--device", "toaster"],
            2,
            "--device is for the label vectors sentence and clip. Leave it out.",
        ),
        (["cta qq", "--sources", "dog,cow"], 1, "'cta qq'"),
        (["-", "--sources", "-"], 2, "once only"),
        (["cat", "--sources", "dog,cow", "--format", "parquet"], 2, "needs --output FILE"),
    ],
)
def test_similar_refuses(argv: list, code: int, message: str, capsys) -> None:
    assert message in error_of(["similar", *argv], capsys, code)


def test_similarity_is_rounded_for_people_and_exact_in_json(tmp_path: Path, capsys) -> None:
    exact, shown = tmp_path / "s.json", []
    argv = ["similar", "okapi", "--sources", "okapi,lion", "--measure", "cosine"]
    assert main([*argv, "--output", str(exact)]) == 0
    said = capsys.readouterr().err
    assert said == f"zeroshot: The output is in {exact}\n"
    for form in ("csv", "table"):
        assert main([*argv, "--format", form]) == 0
        shown.append(capsys.readouterr().out.replace(",", " ").split()[7])
    assert shown == ["1.0", "1.000"]
    answers = json.loads(exact.read_text())
    assert answers[1]["similarity"] != round(answers[1]["similarity"], 6)


def test_k_above_the_number_of_sources_is_all_of_them(capsys) -> None:
    assert main(["similar", "cat", "--sources", "dog,cow", "-k", "5", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize(
    "argv",
    [
        ["datasets"],
        ["models", "resnet50"],
        ["embed", "--labels", "cat", "--label-embedding", "hash", "--format", "csv"],
        ["embed", "--labels", "cat", "--label-embedding", "hash", "--format", "npz"],
    ],
)
def test_where_an_output_is_is_said(argv: list, tmp_path: Path, capsys) -> None:
    target = tmp_path / "answers"
    options = [] if "--format" in argv else ["--format", "json"]
    assert main([*argv, *options, "--output", str(target)]) == 0
    assert capsys.readouterr() == ("", f"zeroshot: The output is in {target}\n")


@pytest.mark.parametrize(
    ("command", "default"), [("similar", "[default: path]"), ("demo", "zeroshot-demo-2")]
)
def test_help_says_what_is_taken_by_default(command: str, default: str, capsys) -> None:
    assert main([command, "--help"]) == 0
    assert default in " ".join(capsys.readouterr().out.split()).replace("- ", "-")


# --- models, datasets ------------------------------------------------------------------------


def test_models_by_pattern_and_place(capsys: pytest.CaptureFixture) -> None:
    assert main(["models", "efficientnet_lite0", "--format", "csv"]) == 0
    rows = {r["model"]: r["weights"] for r in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["tf_efficientnet_lite0.in1k"] == "packaged"
    assert main(["models", "--here", "--format", "json"]) == 0
    here = json.loads(capsys.readouterr().out)
    assert {entry["weights"] for entry in here} <= {"packaged", "cached"}
    error = error_of(["models", "resnet500"], capsys, code=1)
    assert "'resnet500'" in error and "Did you mean 'resnet50" in error


def test_datasets_says_what_is_here(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("ZEROSHOT_DATA", str(tmp_path))
    (tmp_path / "tiny-imagenet-200.zip").write_bytes(b"12345")
    assert main(["datasets", "--format", "json"]) == 0
    rows = {row["dataset"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["tiny_imagenet"]["here"], rows["tiny_imagenet"]["n_bytes"]) == (True, 5)
    assert not rows["cifar100"]["here"] and rows["cifar100"]["n_bytes"] is None
    assert "--download cifar100" in rows["cifar100"]["get"]
    assert main(["datasets"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["dataset", "here", "n_bytes", "path", "get"]
    assert any(line.startswith("cifar100 ") and "  no " in line for line in lines)
    assert "Did you mean 'cifar100'" in error_of(["datasets", "--download", "cifar10"], capsys, 2)


def test_datasets_downloads_what_is_not_here(tmp_path: Path, capsys, monkeypatch) -> None:
    asked = []

    def fetch(url, path, *, sha256, max_bytes):
        asked.append(url)
        path.write_bytes(b"123")
        return path

    monkeypatch.setattr("zeroshot.datasets._fetch.fetch", fetch)
    monkeypatch.setenv("ZEROSHOT_DATA", str(tmp_path))
    for _ in range(2):
        assert main(["datasets", "--download", "cifar100", "--format", "json"]) == 0
    assert asked == ["https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"]


# --- the way out -----------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("argv", [["datasets"], ["--help"]])
def test_a_closed_pipe_ends_quietly(argv: list) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "zeroshot", *argv]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("argv", [["datasets", "--format", "csv"], ["--help"]])
def test_a_full_standard_output_is_one_line_and_no_traceback(argv: list) -> None:
    command = [sys.executable, "-m", "zeroshot", *argv]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"zeroshot: ") and done.stderr.endswith(
        b"No space left on device\n"
    )
    assert done.stderr.count(b"\n") == 1


def heed_ctrl_c() -> None:
    """Undo what a shell does to jobs in the background: they, and their children, ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@posix
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """Interrupted where the output is half written."""
    code = (
        "import os, signal, sys; import numpy as np; from zeroshot.cli import main\n"
        "def savez(file, **arrays):\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGINT)\n"
        "    import time; time.sleep(60)\n"
        "np.savez = savez\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    argv = ["embed", "--labels", "cat", "--label-embedding", "hash", "--output", "new/deep/v.npz"]
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        cwd=tmp_path, capture_output=True, check=False, preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    assert done.stderr == b"zeroshot: interrupted\n"
    assert done.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_modules_are_loaded() -> None:
    """The parser takes a tenth of a second to load: a person can be faster."""
    code = (
        "import sys\n"
        "class Impatient:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'zeroshot.cli._options':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "from zeroshot.cli import main\n"
        "sys.exit(main(['datasets']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"zeroshot: interrupted\n")


@posix
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("datasets >&-", 0),
        ("datasets --format csv >&- 2>&-", 0),
        ("predict - --labels cat,dog <&-", 2),
        ("predict no-such.jpg --labels cat,dog 2>&-", 1),
        ("similar cat --sources dog,cow <&- >&- 2>&-", 0),
        (f"fit photos --output model --label-embedding hash {' '.join(TINY)} >&- 2>&-", 0),
    ],
)
def test_streams_that_the_shell_has_closed(command: str, code: int, tmp_path: Path) -> None:
    for name in ("bus", "lion"):
        save_images(tmp_path / "photos" / name)
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m zeroshot {command}', sys.executable],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if command.startswith("fit"):
        assert {path.name for path in (tmp_path / "model").iterdir()} >= {"config.json"}
    if "<&-" in command and "2>&-" not in command:
        assert done.stderr == ("zeroshot: standard input names no image. Write one path a line.\n")


@posix
def test_ctrl_c_while_images_are_read(tmp_path: Path) -> None:
    for name in ("bus", "lion"):
        folder = save_images(tmp_path / "photos" / name, 1)
        for i in range(1, 2000):
            os.symlink(folder / "0.png", folder / f"{i}.png")
    argv = ["fit", "photos", "--output", "model", "--label-embedding", "hash", *TINY]
    argv += ["--estimator", "ridge"]
    with subprocess.Popen(
        [sys.executable, "-m", "zeroshot", *argv],
        cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=heed_ctrl_c,
    ) as process:  # fmt: skip
        assert b"reading 4000 images" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == 130
    assert b"Traceback" not in rest and rest.endswith(b"zeroshot: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_terminal_of_ascii(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "zeroshot", "predict", "größe.jpg", "--labels", "a,a"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(argv, capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == b"zeroshot: --labels names a more than once. Name each once.\n"
    argv[-1] = "a,b"
    done = subprocess.run(argv, capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert b"gr\\xf6\\xdfe.jpg" in done.stderr and b"Traceback" not in done.stderr


# --- lists of labels in files ----------------------------------------------------------------


@pytest.mark.case
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.json", '["okapi", "fire engine"]'),
        ("labels.json", '{"0": "okapi", "1": "fire engine"}'),
        ("labels.json", '{"10": "fire engine", "9": "okapi"}'),
        ("labels.json", '{"fire engine": 1, "okapi": 0}'),
        ("labels.txt", '["okapi",\n "fire engine"]'),
        ("labels.txt", "# animals\nokapi\n\n  # vehicles\nfire engine\n"),
        ("labels.txt", "\ufefflabel\r\nokapi\r\nfire engine\r\n"),
        ("labels.csv", "okapi\nfire engine\n"),
        ("labels.csv", 'class\nokapi\n"fire engine"\n'),
        ("labels.csv", "id,Label\n0,okapi\n# none\n1,fire engine\n"),
        ("labels.tsv", "okapi\nfire engine"),
    ],
)
def test_files_of_labels(name: str, content: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(content, "utf-8")
    assert read_labels(str(file)) == ["okapi", "fire engine"]


@pytest.mark.case
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.json", '["okapi", 3]', "must hold a list of labels"),
        ("labels.json", '{"okapi": "an animal"}', "must hold a list of labels"),
        ("labels.json", '["okapi"', "is not JSON"),
        ("labels.csv", "0,okapi\n1,lion\n", "has several columns"),
        ("labels.csv", "label\nokapi, the animal\n", "has several columns"),
        ("labels.txt", "# nothing\n", "names no label"),
    ],
)
def test_files_of_labels_that_do_not_say_which(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        read_labels(str(tmp_path / name))


@pytest.mark.case
def test_labels_as_people_write_them_stay_whole(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("C#\ntench, Tinca tinca\nclass\n#1 fan\n")
    assert read_labels(str(tmp_path / "labels")) == ["C#", "tench, Tinca tinca", "class"]
    assert read_labels("label,cat") == ["label", "cat"]


@pytest.mark.case
@pytest.mark.parametrize("command", ["predict", "embed"])
def test_files_of_other_kinds_are_counted(
    command: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeroshot.datasets._folders.reads_heif", lambda: False)
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (32, 32), "red").save(photos / "1.png")
    for name in ("2.heic", "3.HEIC", "4.psd"):
        (photos / name).touch()
    output = tmp_path / "answers.json"
    options = {
        "predict": ["--labels", "lion,bus"],
        "embed": ["--backbone", "test_efficientnet", "--weights", "none", "--image-size", "32"],
    }
    assert main([command, str(photos), *options[command], "--output", str(output)]) == 0
    said = capsys.readouterr().err
    assert "3 of 4 files were not read for their endings (.heic, .HEIC, .psd)" in said
    assert "HEIC is read with pillow-heif: pip install 'scikit-zeroshot[heif]'" in said
    record = json.loads((tmp_path / "answers.json.provenance.json").read_text("utf-8"))
    assert record["images"]["other_files"] == {".heic": 1, ".HEIC": 1, ".psd": 1}


# --- labels that nothing knows, in embed and similar -----------------------------------------

ON_UNKNOWN = {
    "embed": ["embed", "--labels", "okapi", "qqxyzzy", "lion"],
    "path": ["similar", "okapi", "qqxyzzy", "lion", "--sources", "giraffe,wolf,qqzzyx"],
    "cosine": [
        *("similar", "okapi", "qqxyzzy", "lion", "--sources", "giraffe,wolf"),
        *("--measure", "cosine"),
    ],
}


@pytest.mark.case
@pytest.mark.parametrize("name", ON_UNKNOWN)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_unknown_labels_do_not_stop_the_others(
    name: str, form: str, tmp_path: Path, capsys
) -> None:
    output = tmp_path / f"answers.{form}"
    argv = [*ON_UNKNOWN[name], "--output", str(output)]
    assert main(argv) == 0
    said = capsys.readouterr().err
    assert "warning:" in said and "'qqxyzzy'" in said and "They are left out." in said
    unknown = ["qqxyzzy", "qqzzyx"] if name == "path" else ["qqxyzzy"]
    text = output.read_text("utf-8")
    if form == "json":
        answers = json.loads(text)
        assert {answer["label"] for answer in answers} == {"okapi", "lion"}
        assert all(answer["unknown_labels"] == unknown for answer in answers)
    else:
        head, *rows = csv.reader(text.splitlines())
        assert head[-1] == "unknown_labels" and {row[0] for row in rows} == {"okapi", "lion"}
        assert {row[-1] for row in rows} == {"; ".join(unknown)}
    record = json.loads((tmp_path / f"{output.name}.provenance.json").read_text("utf-8"))
    assert record["unknown_labels"] == unknown
    assert main([*argv, "--force", "--on-unknown", "drop"]) == 0
    assert "qqxyzzy" not in capsys.readouterr().err


@pytest.mark.case
@pytest.mark.parametrize("name", ON_UNKNOWN)
def test_unknown_labels_are_an_error_if_asked_or_if_all_are(
    name: str, tmp_path: Path, capsys
) -> None:
    argv = ON_UNKNOWN[name]
    more = ["--output", str(tmp_path / "answers.npz")] if name == "embed" else []
    assert main([*argv, *more, "--on-unknown", "raise"]) == 1
    assert "'qqxyzzy'" in capsys.readouterr().err
    alone = [word for word in argv if word not in ("okapi", "lion")]
    assert main([*alone, *more]) == 1
    assert "'qqxyzzy'" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.case
def test_arrays_of_vectors_name_unknown_labels(tmp_path: Path) -> None:
    output = tmp_path / "vectors.npz"
    assert main([*ON_UNKNOWN["embed"], "--output", str(output)]) == 0
    with np.load(output) as arrays:
        assert arrays["labels"].tolist() == ["okapi", "lion"] and len(arrays["vectors"]) == 2
        assert arrays["unknown_labels"].tolist() == ["qqxyzzy"]


# --- messages in terms of options -------------------------------------------------------------


@pytest.mark.case
@pytest.mark.parametrize("command", ["fit", "embed"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "photo.png"], "--weights must be auto, none, or a file ending in"),
        (["--weights", "no.pth"], "--weights names "),
        (["--weights", "text.pth"], " is not a sound file of weights (it is not a checkpoint"),
        (["--backbone", "resnet-eighteen"], "--backbone must be a model of timm, got"),
        (
            ["--backbone", "test_vit", "--weights", "none", "--image-size", "37"],
            "'test_vit' gives no features of 37 x 37 images",
        ),
        (["--label-embedding", "text.pth"], "--label-embedding"),
        (["--label-embedding", "twice.csv"], "--label-embedding"),
    ],
)
def test_wrong_values_are_said_in_options(
    command: str,
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "photos" / name / "1.png")
    Path("text.pth").write_text("x\n")
    Path("twice.csv").write_text("name,a\ncat,1\ncat,2\n")
    source = ["photos"]
    if command == "embed" and "--label-embedding" in options:
        source = ["--labels", "cat"]
    assert main([command, *source, "--output", "out.npz", *options]) in (1, 2)
    said = capsys.readouterr().err
    assert message in said
    for python in ("TimmFeatures", "WordVectors", "AttributeTable", "weights_only", "model_name"):
        assert python not in said


# What others open: spreadsheets and terminals

FORMULAS = ["=1+1", "+x", "-x", "@x", "\tx", "\rx"]
ANSWERS = Answers(("label", "score"), [*((name, -0.5) for name in FORMULAS), ("a=b", 1), (None, 2)])


def test_csv_holds_no_text_that_a_spreadsheet_runs() -> None:
    rows = list(csv.reader(io.StringIO(as_text(ANSWERS, "csv", raw=False), newline="")))
    assert [row[0] for row in rows[1:]] == [*(f"'{name}" for name in FORMULAS), "a=b", ""]
    assert [row[1] for row in rows[1:]] == ["-0.5"] * 6 + ["1", "2"]
    for answers, raw in ((ANSWERS, True), (replace(ANSWERS, is_input=True), False)):
        rows = list(csv.reader(io.StringIO(as_text(answers, "csv", raw=raw), newline="")))
        assert [row[0] for row in rows[1:]] == [*FORMULAS, "a=b", ""]
    assert [row["label"] for row in json.loads(as_text(ANSWERS, "json", raw=False))][:6] == FORMULAS


def test_commands_prefix_labels_and_paths_unless_raw(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.txt").write_text("=cat\ndog\n")
    argv = ["labels", "labels.txt", "--format", "csv"]
    assert main(argv) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("'=cat,")
    assert main([*argv, "--raw"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("=cat,")
    assert "--raw is for --format csv" in error_of(["labels", "cat", "--raw"], capsys, code=2)
    # The vectors of labels are read again, so that they stay as they are.
    argv = ["embed", "--labels", "=cat", "dog", "--label-embedding", "hash", "--output"]
    assert main([*argv, "vectors.csv"]) == 0
    assert list(read_attributes("vectors.csv").vocabulary) == ["=cat", "dog"]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_terminal_gets_no_control_characters_in_any_format(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = "a\x1b[31m\x7f\x9b\u202eb"
    (tmp_path / odd).mkdir()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for argv in (
        ["labels", str(tmp_path)],
        [
            "similar",
            odd,
            "--sources",
            "cat,dog",
            "--measure",
            "cosine",
            "--label-embedding",
            "hash",
        ],
    ):
        assert main([*argv, "--format", form]) == 0
        out = capsys.readouterr().out
        assert "31m" in out and not set("\x1b\x7f\x9b\u202e") & set(out)


def test_answers_with_a_text_of_their_own_are_escaped_too() -> None:
    answers = Answers(("a",), [("x",)], text="a\x1bb\nc")
    assert as_text(answers, "table", raw=False) == "a\\x1bb\nc\n"
    answers = Answers(("a",), [("x",)], lines=[("a\x1bb", "c\nd")])
    assert as_text(answers, "table", raw=False) == "a\\x1bb  c\\nd\n"


# Files that say one thing twice, or too much


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.json", '{"0": "cat", "0": "dog"}', "key '0' twice"),
        ("a.json", '{"0": "cat", "00": "dog"}', "must hold a list of labels"),
        ("a.json", '{"cat": 0, "dog": 0}', "must hold a list of labels"),
        ("a.json", '{"' + "9" * 5000 + '": "cat"}', "must hold a list of labels"),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.json", "[NaN]", "NaN is not JSON"),
        ("a.csv", 'label\n"cat\ndog\n', "line 3 is not CSV"),
    ],
)
def test_a_file_of_labels_that_is_not_clear_is_refused(
    name: str, content: str, match: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert match in error_of(["labels", str(path)], capsys, code=2)


def test_lines_may_end_as_on_any_system(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "a.txt").write_bytes(f"\ufeffcat{end}dog{end}".encode())
        assert read_labels(str(tmp_path / "a.txt")) == ["cat", "dog"]
        (tmp_path / "a.csv").write_bytes(f"\ufefflabel,n{end}cat,1{end}dog,2{end}".encode())
        assert read_labels(str(tmp_path / "a.csv")) == ["cat", "dog"]


@pytest.mark.parametrize("cell", ["1_0", "１", "nan", "-Infinity", "0x1", "1e", "", "1 2", "1e999"])
def test_a_cell_of_attributes_that_is_no_number_is_refused(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"class,x\ncat,{cell}\ndog,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 2: .* is not a finite number|NaN or infinity"):
        read_attributes(path)


def test_attributes_without_a_final_line_break_are_read_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "a.csv"
    path.write_text('class,x\n"a\nb", 1.5 \ncat,2.2\n')
    assert read_attributes(path).vectors.tolist() == np.float32([[1.5], [2.2]]).tolist()
    assert capsys.readouterr().err == ""
    path.write_text("class,x\ncat,1\ndog,2.2")
    assert read_attributes(path).vectors.tolist() == np.float32([[1], [2.2]]).tolist()
    assert "the last number, of 'dog', may be cut" in capsys.readouterr().err
    path.write_text("class,x,y\ncat,1,2\ndog,2.2")
    with pytest.raises(UsageError, match="line 3 has 2 cells where the first line has 3"):
        read_attributes(path)
    path.write_text('class,x\ncat,1\n"dog,2\n')
    with pytest.raises(UsageError, match="is not CSV"):
        read_attributes(path)
