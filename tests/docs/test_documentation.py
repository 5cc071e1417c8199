"""The README's and the examples' code runs, on real images and in a folder of its own."""

import ast
import glob
import importlib.util
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

from zeroshot import TimmFeatures, displays, save
from zeroshot.cli import main
from zeroshot.datasets import fetch_cifar100

ROOT = Path(__file__).parents[2]
CLASSES = [
    "bicycle",
    "bus",
    "butterfly",
    "castle",
    "cloud",
    "lion",
    "rose",
    "table",
    "whale",
    "wolf",
]


@pytest.fixture(autouse=True)
def _studies_import_each_other(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "studies"))


def load_example(name: str) -> ModuleType:
    folder = "examples" if (ROOT / "examples" / f"{name}.py").exists() else "studies"
    spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def few_images():
    """A real image of each of ten classes, and their labels."""
    data = fetch_cifar100(subset="test", download_if_missing=False)
    rows = np.concatenate([np.flatnonzero(data.target == name)[:1] for name in CLASSES])
    return data.images[rows], data.target[rows]


@pytest.fixture
def photo_folder(few_images, tmp_path, monkeypatch):
    """The same images and their mirror images as files in ``photos/``, and ``new.jpg``.

    In ``other-photos/`` they stand on their heads.
    """
    images, labels = few_images
    for image, label in zip(images, labels, strict=True):
        files = {"photos/a": image, "photos/b": image[:, ::-1], "other-photos/a": image[::-1]}
        for name, pixels in files.items():
            folder, _, file = name.partition("/")
            (tmp_path / folder / str(label)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / str(label) / f"{file}.png")
    Image.fromarray(images[0]).save(tmp_path / "new.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_shell_line(line, capsys, monkeypatch):
    """Run ``source | zeroshot ... > file`` in this process; return what it prints."""
    command, _, target = line.partition(" > ")
    source, pipe, command = command.rpartition(" | ")
    if pipe:
        lines = subprocess.run(source, shell=True, check=True, capture_output=True).stdout
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    name, *words = shlex.split(command)
    assert name == "zeroshot"
    assert main([p for word in words for p in (glob.glob(word) if "*" in word else [word])]) == 0
    printed, said = capsys.readouterr()
    assert "fitted on" not in said  # nothing is judged on the images that it has learnt
    if target:
        Path(target).write_text(printed, encoding="utf-8")
    return printed


def shell_lines(page):
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.data
def test_commands_of_the_readme_name_a_class_without_a_photo(
    data_home, photo_folder, capsys, monkeypatch
):
    lines = [line for line in shell_lines("README.md") if line.startswith("zeroshot ")]
    fit, predict, without_two, judge, untrained = lines
    assert run_shell_line(fit, capsys, monkeypatch)
    answer = run_shell_line(f"{predict} --format csv", capsys, monkeypatch)
    assert {line.split(",")[2] for line in answer.splitlines()[1:]} == {
        "lion", "okapi", "fire engine",
    }  # fmt: skip
    assert run_shell_line(without_two, capsys, monkeypatch)
    assert "best constant" in run_shell_line(judge, capsys, monkeypatch)
    assert "wolf" in Path("zoo-report/index.html").read_text("utf-8")
    assert len(run_shell_line(untrained, capsys, monkeypatch).splitlines()) == 1 + 3 * 2 * len(
        CLASSES
    )


@pytest.mark.data
def test_commands_of_the_command_line_page_run(data_home, photo_folder, capsys, monkeypatch):
    Path("labels.txt").write_text("okapi\nfire engine\nlion\n", encoding="utf-8")
    lines = shell_lines("docs/command_line.md")
    printed = {line: run_shell_line(line, capsys, monkeypatch) for line in lines}
    commands = {re.search(r"zeroshot (\w+)", line)[1] for line in lines}
    learnt = {"fit", "evaluate", "predict", "embed"}
    assert commands == {*learnt, "plan", "similar", "labels", "models", "datasets", "doctor"}
    assert all(text for line, text in printed.items() if "--output" not in line)
    for output in ("features.npz", "answers.parquet", "vectors.parquet"):
        assert Path(output).is_file() and Path(f"{output}.provenance.json").is_file()
    names = {"evaluation.json", "index.html", "provenance.json"}
    assert {path.name for path in Path("zoo-results").iterdir()} == names


@pytest.mark.data
def test_python_of_the_readme_runs(data_home, few_images, photo_folder):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    images, labels = few_images
    Path("photos/lion/broken.jpg").write_bytes(b"no image")
    scope = {"images": images, "labels": labels, "names": CLASSES}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)
    assert len(scope["data"].errors) == 1
    answer = scope["model"].predict(["new.jpg"])
    assert set(scope["model"][-1].unseen_classes_) == {"okapi", "fire engine"}
    assert answer[0] in [*CLASSES, "okapi", "fire engine"]


def answers_in_spark(block, contents, monkeypatch):
    """Run a recipe with stand-ins for Spark, and return what its function makes of a batch."""
    functions = ModuleType("pyspark.sql.functions")
    functions.pandas_udf = lambda schema: lambda function: MagicMock(function=function)
    for module in (ModuleType("pyspark"), ModuleType("pyspark.sql"), functions):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    scope = {"spark": MagicMock()}
    exec(compile(block, "scale.md", "exec"), scope)
    (frame,) = scope["best_labels"].function(iter([pd.Series(contents)]))
    assert list(frame) == ["labels", "scores", "error"], "in the order of the schema"
    return frame


@pytest.mark.data
def test_the_page_of_scale_runs(data_home, photo_folder, capsys, monkeypatch):
    page = (ROOT / "docs/scale.md").read_text()
    first, spark, blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    scope = {}
    exec(compile(first, "scale.md", "exec"), scope)
    assert scope["model"].seen_classes_.tolist() == CLASSES
    exec(compile(blocks, "scale.md", "exec"), scope)
    assert scope["result"].settings["n_samples"] == scope["done"].n_images == len(scope["features"])
    save(make_pipeline(TimmFeatures().fit(), scope["model"]), "my-model")
    frame = answers_in_spark(spark, [Path("new.jpg").read_bytes(), b"broken"], monkeypatch)
    assert set(frame["labels"][0]) == {"okapi", "lion"} and np.isfinite(frame["scores"][0]).all()
    assert [bool(error) for error in frame["error"]] == [False, True]
    (embed,) = [line for line in shell_lines("docs/scale.md") if "zeroshot embed" in line]
    run_shell_line(embed, capsys, monkeypatch)  # the same call: it finds nothing missing


@pytest.mark.data
def test_image_folder_example_names_images_after_saving(data_home, photo_folder, capsys):
    names = load_example("image_folder").main("photos", "model", "okapi, fire engine", "new.jpg")
    assert len(names) == 1
    assert f"new.jpg  {names[0]}" in capsys.readouterr().out


@pytest.mark.slow  # a whole study, small
def test_unseen_classes_example_puts_every_model_above_both_controls():
    accuracy = load_example("unseen_classes").main(n_splits=1, only="words")["words"]
    controls = {name: value for name, value in accuracy.items() if name.startswith("control")}
    assert len(controls) == 2
    assert all(value < 0.1 for value in controls.values())
    assert all(value > 0.2 for name, value in accuracy.items() if name not in controls)


def test_generalized_example_gains_by_calibration_and_stays_below_its_ceiling():
    rows = load_example("generalized").main(n_splits=1)
    controls = {name: row for name, row in rows.items() if name.startswith("control")}
    assert len(controls) == 2 and len(rows) == 11
    for name, row in rows.items():
        if f"{name}, calibrated" not in rows:
            continue
        after, ceiling = rows[f"{name}, calibrated"], rows[f"{name}, ceiling"]
        assert row["harmonic_mean"] + 0.02 < after["harmonic_mean"] <= ceiling["harmonic_mean"]
        assert after["ausuc"] == pytest.approx(row["ausuc"])
        for control in controls.values():
            assert after["harmonic_mean"] > 5 * control["harmonic_mean"]
            assert after["ausuc"] > 100 * control["ausuc"]


def test_python_of_the_evaluation_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/evaluation.md").read_text(), re.DOTALL
    )
    assert len(blocks) == 9
    scope = {}
    for block in blocks:
        exec(compile(block, "evaluation.md", "exec"), scope)
    printed = capsys.readouterr().out
    assert "Worst and best classes" in Path("report/index.html").read_text("utf-8")
    assert "Left out: seen_accuracy, harmonic_mean, ausuc: none of the 1000 rows" in printed
    assert "['same', 'inclusive', 'disjoint']" in printed
    assert "Counter({'inclusive': 46, 'disjoint': 32, 'same': 22})" in printed
    assert scope["clean"] > 3 / 32  # the constant answer has 1 / 32
    assert scope["after"]["harmonic_mean"].value > scope["before"]["harmonic_mean"].value + 0.03
    for result in (scope["result"], scope["after"]):
        for name, estimate in result.items():
            if name == "expected_calibration_error":
                continue  # the shares of the classes are calibrated, and say nothing
            if name in ("class_brier_score", "class_log_loss", "risk_coverage_auc", "set_size"):
                assert estimate.value < min(estimate.best_constant, estimate.random_label), name
                continue
            trivial = max(estimate.best_constant, estimate.random_label)
            # With twenty candidates, all the twenty best are a hit for whoever answers.
            assert estimate.value > trivial or name == "hit_at_20", name


def test_python_of_the_transfer_page_runs(capsys):
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/transfer.md").read_text(), re.DOTALL
    )
    exec(compile(block, "transfer.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "['lion']"


def test_the_benchmarks_name_the_commands_of_what_they_do_not_run(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import __main__ as benchmarks

    monkeypatch.setattr("sys.argv", ["benchmarks", "--help"])
    with pytest.raises(SystemExit):
        benchmarks.main()
    printed = capsys.readouterr().out
    page = " ".join((ROOT / "docs/results.md").read_text().split())
    for what, command in benchmarks.ACCURACIES.items():
        assert f"{what}:\n    python {command}\n" in printed
        assert (ROOT / command.split()[0]).exists()
        assert command in page


def test_every_page_with_python_has_a_test_that_runs_it():
    """Blocks that no test runs go stale; a page is named where its test reads it."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for page in pages():
        if "```python" in page.read_text():
            assert re.search(rf'"(docs/)?{page.name}"\)\.read_text\(\)', tests), page.name


def test_python_of_the_confidence_page_runs(capsys):
    page = (ROOT / "docs/confidence.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    scope = {}
    for block in blocks:
        exec(compile(block, "confidence.md", "exec"), scope)
    before, after = re.findall(r"calibration error (0\.\d+)", capsys.readouterr().out)[:2]
    assert float(after) < 0.5 * float(before)


def test_figures_of_the_confidence_page_are_those_of_its_study():
    page = (ROOT / "docs/confidence.md").read_text()
    study = json.loads((ROOT / "docs/results/confidence.json").read_text())
    assert study["command"] in page
    for name, found in study["figures"].items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
        means, more = found["means_over_splits"], found["any_of_these_less_by_probability"]
        for value in (
            *(
                found[part][side]["ece"]
                for part in ("unseen", "generalized")
                for side in ("ours", "plain")
            ),
            found["unseen"]["ours"]["ece_simulated"],
            means["set_coverage"],
            means["reject_0_accuracy"],
            means["reject_0_coverage"],
            means["any_of_these"],
            means["any_of_these_by_probability"],
            *(more[end] for end in ("value", "low", "high")),
        ):
            assert f"{value:.3f}" in row, (name, value)


def test_python_of_the_labels_page_runs():
    page = (ROOT / "docs/labels.md").read_text()
    described, explained = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    scope = {}
    exec(compile(described, "labels.md", "exec"), scope)
    assert scope["prompts"]["crane"][0] == "a photo of a crane, a bird."
    *lines, last = explained.strip().splitlines()
    exec(compile("\n".join(lines), "labels.md", "exec"), scope)
    table = eval(last, scope)
    rows = [
        f"| {row.label} | {row.read} | {'; '.join(row.found)} | {'; '.join(row.missing)} "
        f"| {row.synset} | {row.why} |".replace("|  |", "| |")
        for row in table.itertuples()
    ]
    assert all(row in page for row in rows), rows


def test_python_of_the_networks_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/networks.md").read_text(), re.DOTALL
    )
    scope = {}
    exec(compile(block, "networks.md", "exec"), scope)
    assert (tmp_path / "run" / "devise.safetensors").exists()
    assert len(scope["devise"].history_) == 2


def test_python_of_the_displays_page_runs():
    matplotlib.use("Agg")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/displays.md").read_text(), re.DOTALL)
    assert len(blocks) == 1 + len(displays.__all__)
    scope = {}
    try:
        for block in blocks:
            exec(compile(block, "displays.md", "exec"), scope)
        for number in plt.get_fignums():
            plt.figure(number).canvas.draw()
        assert len(plt.get_fignums()) == 1 + len(displays.__all__)  # bars stand there twice
    finally:
        plt.close("all")
    assert all(name in scope for name in displays.__all__)


def assert_drawn(pictures, names):
    assert [picture.stem for picture in pictures] == names
    for picture in pictures:
        with Image.open(picture) as drawn:
            assert drawn.size[0] > 500 and np.ptp(np.asarray(drawn.convert("L"))) > 200
    assert not plt.get_fignums()


@pytest.mark.slow  # a whole study, small
def test_displays_example_draws_what_needs_no_archive_and_the_page_shows_every_picture(tmp_path):
    example = load_example("displays")
    names = [name for name in example.PICTURES if name != "prediction_grid"]
    assert_drawn(example.main(str(tmp_path), names, preset="tiny"), names)
    page = (ROOT / "docs/displays.md").read_text()
    for name in example.PICTURES:
        assert f"figures/{name}.png" in page
        assert (ROOT / "docs/figures" / f"{name}.png").stat().st_size < 150_000


@pytest.mark.data
def test_displays_example_draws_images_of_the_archive(data_home, tmp_path):
    names = ["prediction_grid"]
    assert_drawn(load_example("displays").main(str(tmp_path), names, preset="tiny"), names)


@pytest.mark.slow  # a training
@pytest.mark.data
def test_python_of_the_fine_tuning_page_runs(few_images):
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/fine_tune.md").read_text(), re.DOTALL
    )
    images, labels = few_images
    scope = {"images": images.repeat(7, axis=0), "labels": labels.repeat(7)}
    exec(compile(block, "fine_tune.md", "exec"), scope)
    assert scope["model"].trainable_from_ == "blocks.6"
    assert scope["model"].score(images, labels) > 0.8


def test_python_of_the_tiny_imagenet_page_runs(capsys):
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/devise_tiny_imagenet.md").read_text(), re.DOTALL
    )
    exec(compile(block, "devise_tiny_imagenet.md", "exec"), {})
    assert re.search("lion|wolf|truck", capsys.readouterr().out)


@pytest.mark.data
def test_analogy_example_finds_with_the_photo_what_its_controls_do_not(data_home, capsys):
    shares = load_example("analogy").main(["--preset", "tiny"])["piano -> pianist"]
    assert shares.pop("photo - piano + pianist") == shares.pop("the true name for the photo") == 0.5
    assert shares == {"control: the words alone": 0, "control: the photo alone": 0}
    assert "guitarist" in capsys.readouterr().out


@pytest.mark.slow  # a whole study, small
def test_label_embeddings_example_puts_meaning_above_both_controls():
    accuracy = load_example("label_embeddings").main(n_splits=1)
    meaningless = accuracy.pop("HashEmbedding (no meaning)"), accuracy.pop("control: best constant")
    assert max(meaningless) < 0.1
    assert len(accuracy) == 7 and min(accuracy.values()) > 0.25


@pytest.mark.data
def test_open_labels_example_names_photos_above_its_control(data_home, tmp_path, monkeypatch):
    truth = json.loads((data_home / "open-photos" / "labels.json").read_text())
    few = dict(list(truth.items())[::8])
    (tmp_path / "labels.json").write_text(json.dumps(few))
    for name in few:
        shutil.copy(data_home / "open-photos" / name, tmp_path)
    example = load_example("open_labels")
    monkeypatch.setattr(example, "find_spec", lambda name: None)  # the command line's tests have it
    figures = example.main(str(tmp_path))
    top = {name: groups["all"]["top_1"] for name, groups in figures.items()}
    assert top.pop("control: best constant") < 0.3
    assert len(top) == 2 and min(top.values()) > 0.4


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_own_photos_example_never_loses_to_no_training(data_home, capsys):
    """On three of its folders; the study's 120 are in docs/results.md."""
    example = load_example("own_photos")
    table = example.main(n_draws=3, seed=11)
    assert "no training" in capsys.readouterr().out
    less = table["fewshot (default)"]["less no training"]
    assert all(mean >= -0.01 for mean, _, _ in less.values())
    assert table["ridge"]["less no training"][example.TASKS[0]][0] < -0.1


@pytest.mark.slow  # a study
@pytest.mark.data
def test_open_labels_choice_example_names_classes_that_its_head_lost(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "studies"))
    example = importlib.import_module("open_labels_choice")
    monkeypatch.setattr(example, "find_spec", lambda name: None)  # the command line's tests have it
    figures = example.main(["--preset", "tiny"])
    printed = capsys.readouterr().out
    assert all(f"\n{title} " in printed for title in figures) and len(figures) == 15
    columns = {"20 hidden", "20, 12 hidden"}
    for model in figures.values():
        assert {name.rpartition(", ")[0] for name in model} == columns
        assert "20 hidden, synonyms top-1" not in model  # the head keeps none of those classes
    chosen = figures["path + words"]
    assert chosen["20 hidden, rest top-1"] > 3 / 20 and chosen["20 hidden, rest hit@5"] > 10 / 20


def pages():
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]


def test_commands_of_studies_have_scripts_options_and_presets_that_exist():
    """They take hours: the tests of each study run its script at ``--preset tiny``, or in parts."""
    found = 0
    for page in pages():
        text = page.read_text().replace("\\\n", " ")
        command = r"python ((?:examples|studies)/\w+\.py)((?: [^`|\n#]*)?)"
        for script, given in re.findall(command, text):
            source = (ROOT / script).read_text()
            words = given.split()
            for option in [word for word in words if word.startswith("--")]:
                assert f'"{option}"' in source, f"{page.name}: {script} has no {option}"
            if "--preset" in words:
                preset = words[words.index("--preset") + 1]
                assert re.search(rf'["\']?{preset}["\']?\s*[:=]', source), (
                    f"{script} --preset {preset}"
                )
            found += 1
    assert found > 30


def test_every_example_that_is_a_command_is_run_by_a_test():
    tests = "\n".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    scripts = [p for p in ROOT.glob("studies/*.py") if '"__main__"' in p.read_text()]
    assert len(scripts) > 15
    for script in scripts:
        name = script.stem
        assert re.search(rf'(\(|^ +)"{name}"|import {name}\b', tests, re.M), name


def test_every_example_that_is_a_command_answers_help_before_any_work():
    scripts = [p for p in ROOT.glob("studies/*.py") if '"__main__"' in p.read_text()]
    for script in scripts:
        tree = ast.parse(script.read_text())
        (block,) = [node for node in tree.body if isinstance(node, ast.If)]
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        parses = [c for c in calls if getattr(c.func, "attr", "") == "parse_args"]
        assert parses, f"{script.name} takes no --help"
        first = ast.unparse(block.body[0])
        assert first.startswith(("parser = ", "argparse.", "main()")), f"{script.name}: {first}"
    command = [sys.executable, str(ROOT / "studies/open_labels.py"), "--help"]
    assert "labels.json" in subprocess.run(command, capture_output=True, text=True).stdout


def test_files_and_links_that_the_documents_name_exist():
    for page in pages():
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
