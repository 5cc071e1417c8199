"""The study of fine-tuning: its parts, and the whole of it at its smallest size."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from zeroshot import FineTuneClassifier, Training

MODULES = ("fine_tune", "fine_tune_plan", "fine_tune_runs", "fine_tune_summary", "fine_tune_target")
PICTURES = ("courses", "one-class", "images-a-class")


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import fine_tune

        yield fine_tune
    for name in (*MODULES, "fine_tune_figures"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def record(study: ModuleType, folder: Path) -> dict:
    arguments = ["--preset", "tiny", "--work", str(folder / "work")]
    arguments += ["--output", str(folder / "o.json"), "--plot", str(folder / "plot")]
    return study.main(arguments)


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_every_start_stands_beside_its_controls_and_the_published_figures(
    data_home: Path, record: dict, study: ModuleType
) -> None:
    kept, table = record["runs"], record["table"]
    assert kept == "{0} of {0}".format(len(list(study.planned(study.PRESETS["tiny"]))))
    assert set(table) == {
        "random",
        "inference F-score",
        "WordNet",
        "word vectors",
        "nearest class mean",
        "logistic regression",
        "from scratch",
    }
    for name, cells in table.items():
        for cell in cells.values():
            assert cell["draws"] == [0, 1][: len(cell["draws"])]
            assert len(cell["draws"]) == (1 if name == "from scratch" else 2)
            assert np.all(np.array(cell["best"]["all"]) >= cell["first"]["all"])
            sizes = record["groups"]
            for where in ("first", "best", "last"):
                groups = [cell[where][group] for group in ("ImageNet synonyms", "the rest")]
                weights = [sizes["ImageNet synonyms"], sizes["the rest"]]
                mean = np.average(groups, axis=0, weights=weights)
                np.testing.assert_allclose(mean, cell[where]["all"], atol=2e-4)
    assert np.mean(table["random"]["2"]["first"]["all"]) < 0.03
    assert np.mean(table["WordNet"]["2"]["last"]["all"]) > 0.03
    assert table["random"]["2"]["course"]["iterations"] == [0, 3, 6]
    assert len(record["published"]["best"]["random"]) == 7
    sources = record["one class"]["sources"]
    assert len(sources) == 5 and all(len(course["F"]) == 3 for course in sources.values())
    assert sources["WordNet"]["starts from"] == ["lesser panda"]
    assert sources["unrelated"]["starts from"] == ["bubble"]


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_the_study_keeps_what_it_printed_and_draws_it(
    data_home: Path, record: dict, folder: Path
) -> None:
    kept = json.loads((folder / "o.json").read_text())
    assert kept == json.loads(json.dumps(record))
    assert kept["command"].startswith("python studies/fine_tune.py --preset tiny")
    for name in PICTURES:
        with Image.open(folder / f"plot-{name}.png") as picture:
            picture.load()
            assert min(picture.size) > 300


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_finished_runs_are_not_made_again_and_others_are(
    data_home: Path,
    record: dict,
    study: ModuleType,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import fine_tune_plan

    made = []

    def course(run: fine_tune_plan.Run, _: object) -> list[dict[str, float]]:
        made.append(run)
        return json.loads(path.read_text())["course"]

    arguments = ["--preset", "tiny", "--work", str(folder / "work")]
    runs = list(study.planned(study.PRESETS["tiny"]))
    path = runs[3].path(folder / "work", study.PRESETS["tiny"])
    monkeypatch.setattr(fine_tune_plan.Run, "course", course)
    again = study.main(arguments)
    assert not made and again["table"] == record["table"]
    assert "published, random" in capsys.readouterr().out
    lost = runs[5].path(folder / "work", study.PRESETS["tiny"])
    text = lost.read_text()
    lost.unlink()
    partial = study.main([*arguments, "--minutes", "0"])
    assert not made and partial["runs"] == f"{len(runs) - 1} of {len(runs)}"
    study.main(arguments)
    assert made == [runs[5]]
    lost.write_text(text)


@pytest.mark.slow  # a whole study, small
@pytest.mark.data
def test_kept_stages_train_as_the_library_itself_does(
    data_home: Path, record: dict, study: ModuleType, folder: Path
) -> None:
    import fine_tune_runs as runs

    target = study.Target(study.PRESETS["tiny"], folder / "work")
    rows = target.draw(2, 0)
    head = runs.initial_head(target, runs.similarity_matrix(target, runs.INFERENCE, rows))
    course = runs.fine_tuned(
        target, runs.similarity_matrix(target, runs.INFERENCE, rows), rows, seed=0
    )
    model = FineTuneClassifier(
        head=head,
        random_state=0,
        **runs.recipe(target.preset, len(rows), target.preset.epochs(len(rows))),
    ).fit(*target.labelled(rows))
    test = target.test.images[target.test_rows]
    scores = target.f_scores(model.predict(test))
    assert course[-1]["all"] == pytest.approx(scores["all"], abs=0.02)
    features = model.set_params(training__epochs=1).transform(test[:4])
    assert features.shape == target.test_features[:4].shape
    frozen = FineTuneClassifier(
        trainable_from="head",
        training=Training(epochs=1, batch_size=2, progress=False),
        resize=32,
        image_size=32,
    ).fit(test[:2], [0, 1])
    expected = frozen.transform(test[:8])
    np.testing.assert_allclose(target.test_features[:8], expected, rtol=0.1, atol=0.1)


def test_runs_of_other_sizes_have_other_files(study: ModuleType, tmp_path: Path) -> None:
    preset = study.PRESETS["tiny"]
    other = dataclasses.replace(preset, iterations=preset.iterations + 1)
    run = next(iter(study.planned(preset)))
    assert run.path(tmp_path, preset) != run.path(tmp_path, other)
    assert preset.epochs(64) == preset.iterations
    assert preset.epochs(65) == preset.iterations // 2
    assert preset.epochs(64 * 100) == preset.min_epochs
    published = study.PRESETS["full"]
    assert published.shots == (1, 2, 5, 10, 25, 50, 100)
    assert (published.resize, published.image_size) == (256, 224)


def test_a_cell_has_the_best_of_the_measured_points(study: ModuleType) -> None:
    from fine_tune_summary import cell, interval

    courses = {
        0: [{"iterations": 0, "all": 0.1}, {"iterations": 3, "all": 0.4}],
        2: [{"iterations": 0, "all": 0.3}, {"iterations": 3, "all": 0.2}],
    }
    made = cell(courses)
    assert made["draws"] == [0, 2]
    assert made["first"]["all"] == [0.1, 0.3]
    assert made["best"]["all"] == [0.4, 0.3] and made["best"]["iterations"] == [3, 0]
    assert made["last"]["all"] == [0.4, 0.2]
    np.testing.assert_allclose(made["course"]["macro F"], [0.2, 0.3])
    found = interval(np.array([0.1, 0.3]))
    assert found["mean"] == pytest.approx(0.2)
    assert found["interval"] == pytest.approx([0.2 - 1.27062, 0.2 + 1.27062], abs=1e-4)
    assert interval(np.array([0.1]))["interval"] is None
