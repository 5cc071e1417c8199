"""The leave-one-class-out study at its smallest size, against formulas written out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, spearmanr

from zeroshot import EmbeddingRegressor, Training, WordVectors
from zeroshot.datasets import class_names, load_cifar100_features
from zeroshot.metrics import relative_loss
from zeroshot.taxonomy import class_synsets

MODULES = (
    *("leave_one_class_out", "loco_folds", "loco_figures", "loco_frozen", "loco_plots"),
    *("loco_prototypes", "archive_features"),
)
EXCLUDED = ["apple", "beaver", "bicycle"]


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import leave_one_class_out

        yield leave_one_class_out
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def folds(study: ModuleType) -> ModuleType:
    return sys.modules["loco_folds"]


@pytest.fixture(scope="module")
def run(study: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A tiny run: its folder, and the arguments that made it."""
    folder = tmp_path_factory.mktemp("study")
    arguments = ["--preset", "tiny", "--folds", str(folder / "folds")]
    arguments += ["--output", str(folder / "figures.json"), "--plot", str(folder / "figures.png")]
    study.main(arguments)
    return folder, arguments


@pytest.fixture(scope="module")
def figures(run: tuple[Path, list[str]]) -> dict:
    return json.loads((run[0] / "figures.json").read_text())


def test_the_file_keeps_the_command_and_what_was_published(
    run: tuple[Path, list[str]], figures: dict
) -> None:
    folder, arguments = run
    assert figures["command"] == " ".join(["python studies/leave_one_class_out.py", *arguments])
    assert figures["folds"] == {"finished": 3, "of": 3}
    assert figures["paper"]["relative loss"]["median"] == -0.31
    assert figures["versions"]["torch"] == torch.__version__
    assert (folder / "figures.png").stat().st_size > 10_000


def test_losses_are_those_of_the_formula(
    study: ModuleType, folds: ModuleType, run: tuple[Path, list[str]], figures: dict
) -> None:
    preset = study.PRESETS["tiny"]
    names = class_names("cifar100")[:12]
    assert preset.excluded() == EXCLUDED == list(figures["classes"])
    train, test = folds.images_of(preset)
    params = dict(preset.training)
    model = EmbeddingRegressor(
        WordVectors(),
        network=folds._fresh(preset),
        hidden=params.pop("hidden"),
        training=Training(**params),
        random_state=0,
    )
    ours, shrunken, halved = [], [], []
    for name in EXCLUDED:
        seen = train.target != name
        rows = [np.flatnonzero(train.target == other)[:6] for other in names if other != name]
        rows = np.sort(np.concatenate(rows))
        fitted = model.fit(train.pixels[rows], train.target[rows])
        pixels = np.concatenate([train.pixels[~seen], test.pixels[test.target == name]])
        assert len(pixels) == 10
        (vector,) = WordVectors().embed([name])
        found = fitted.predict(pixels)
        loss = sum((row - vector) @ (row - vector) for row in found) / len(found)
        ours.append(loss / (vector @ vector) - 1)
        assert figures["classes"][name]["relative loss"] == pytest.approx(ours[-1], abs=1e-4)
        expected = relative_loss(np.tile(vector, (len(found), 1)), found)
        assert ours[-1] == pytest.approx(expected, abs=1e-6)
        others = WordVectors().embed([other for other in names if other != name]).mean(axis=0)
        control = ((others - vector) ** 2).sum() / (vector @ vector) - 1
        assert figures["classes"][name]["control"] == pytest.approx(control, abs=1e-5)
        held_out = test.target != name
        away = fitted.predict(test.pixels[held_out]) - others
        wanted = WordVectors().embed(test.target[held_out]) - others
        factor = max(0, min(1, np.vdot(away, wanted) / np.vdot(away, away)))
        position = EXCLUDED.index(name)
        drawn = figures["drawn towards the mean"]["by images of trained classes"]
        assert drawn["factors"][position] == pytest.approx(factor, abs=1e-3)
        for by, losses in ((factor, shrunken), (0.5, halved)):
            shrunk = ((others + by * (found - others) - vector) ** 2).sum(axis=1).mean()
            losses.append(shrunk / (vector @ vector) - 1)
    assert figures["relative loss"]["median"] == pytest.approx(sorted(ours)[1], abs=1e-4)
    for how, losses in (("images of trained", shrunken), ("other", halved)):
        drawn = figures["drawn towards the mean"][f"by {how} classes"]["relative loss"]
        assert drawn["median"] == pytest.approx(sorted(losses)[1], abs=1e-4)
    assert figures["relative loss"]["better"] == sum(loss < 0 for loss in ours)
    assert figures["relative loss by epoch"]["median"][-1] == figures["relative loss"]["median"]


def test_the_untrained_network_is_the_one_that_training_starts_from(
    study: ModuleType, folds: ModuleType, figures: dict
) -> None:
    preset = study.PRESETS["tiny"]
    train, _ = folds.images_of(preset)
    still = {"epochs": 1, "learning_rate": 1e-30, "weight_decay": 0.0}
    model = folds.regressor(WordVectors(), preset, **still)
    untrained = folds._untrained(model, train).state_dict()
    trained = model.fit(train.pixels, train.target).network_.state_dict()
    for name, tensor in untrained.items():
        if "running" not in name and "tracked" not in name:  # these follow the images seen
            torch.testing.assert_close(trained[name], tensor)
    losses = figures["loss by epoch, from 0"]
    relative = figures["relative to the untrained network"]["median"]
    assert losses["median"][-1] / losses["median"][0] - 1 == pytest.approx(relative, abs=0.02)


def test_finished_folds_are_not_run_again(
    study: ModuleType,
    folds: ModuleType,
    run: tuple[Path, list[str]],
    figures: dict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a finished fold was run again")

    monkeypatch.setattr(folds, "train_without", refuse)
    again = study.main(run[1])
    assert json.loads(json.dumps(again)) == figures


def test_a_fold_that_was_interrupted_ends_with_the_same_figures(
    study: ModuleType,
    folds: ModuleType,
    run: tuple[Path, list[str]],
    figures: dict,
    tmp_path: Path,
) -> None:
    preset = study.PRESETS["tiny"]
    epoch = folds.ExcludedLoss.__call__

    def stop(self: object, network: object, history: list) -> None:
        if len(history) == 3:
            raise KeyboardInterrupt
        epoch(self, network, history)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds.ExcludedLoss, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            folds.run_fold(("apple",), preset, tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]
    folds.run_fold(("apple",), preset, tmp_path)
    whole, resumed = (
        json.loads(folds.fold_path(("apple",), preset, folder).read_text())
        for folder in (run[0] / "folds", tmp_path)
    )
    assert resumed["classes"] == whole["classes"]
    assert resumed["seen_accuracy"] == whole["seen_accuracy"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow  # a whole study, small
def test_folds_go_to_processes_of_their_own(
    run: tuple[Path, list[str]], figures: dict, tmp_path: Path
) -> None:
    for file in (run[0] / "folds").glob("frozen-*"):
        shutil.copy(file, tmp_path)
    script = Path(__file__).parents[2] / "studies" / "leave_one_class_out.py"
    arguments = ["--preset", "tiny", "--n-jobs", "2", "--folds", str(tmp_path)]
    arguments += ["--output", str(tmp_path / "figures.json")]
    subprocess.run([sys.executable, str(script), *arguments], check=True, capture_output=True)
    apart = json.loads((tmp_path / "figures.json").read_text())
    for name in EXCLUDED:
        expected = figures["classes"][name]["by epoch"]
        assert apart["classes"][name]["by epoch"] == pytest.approx(expected, abs=1e-3)


ON_DASK = """
import os, signal, sys, threading, time
from pathlib import Path
import distributed
from joblib import parallel_config
import leave_one_class_out as study

def kill_one(pids, folder):
    while not list(folder.glob("*apple*")) and not list(folder.glob("*beaver*")):
        time.sleep(0.02)
    os.kill(pids[0], signal.SIGKILL)
    Path(folder, "killed").touch()

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    arguments = ["--preset", "tiny", "--folds", str(folder), "--n-jobs", "2"]
    arguments += ["--output", str(folder / "figures.json"), "--plot", str(folder / "figures.png")]
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        if not Path(folder, "killed").exists():
            pids = list(client.run(os.getpid).values())
            threading.Thread(target=kill_one, args=(pids, folder), daemon=True).start()
        with parallel_config("dask"):
            study.main(arguments)
"""


@pytest.mark.slow  # a whole study, small, on workers of which one dies
def test_folds_survive_the_death_of_a_dask_worker(
    run: tuple[Path, list[str]], figures: dict, tmp_path: Path
) -> None:
    """The call may end with the worker; what the same call computes then is the whole study."""
    for file in (run[0] / "folds").glob("frozen-*"):
        shutil.copy(file, tmp_path)
    paths = [str(Path(__file__).parents[2] / "studies"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    script = tmp_path / "on_dask.py"
    script.write_text(ON_DASK)
    command = [sys.executable, str(script), str(tmp_path)]
    first = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (tmp_path / "killed").exists(), first.stderr[-2000:]
    if first.returncode:
        assert "KilledWorker" in first.stderr, first.stderr[-2000:]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    after = json.loads((tmp_path / "figures.json").read_text())
    for name in EXCLUDED:
        expected = figures["classes"][name]["by epoch"]
        assert after["classes"][name]["by epoch"] == pytest.approx(expected, abs=1e-3)


def test_a_summary_tells_of_the_folds_that_are_finished(
    study: ModuleType, folds: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = study.PRESETS["tiny"]
    arguments = ["--preset", "tiny", "--folds", str(tmp_path), "--summary"]
    results = study.main([*arguments, "--plot", str(tmp_path / "none.png")])
    assert results["folds"] == {"finished": 0, "of": 3}
    folds.run_fold(("beaver",), preset, tmp_path)
    other = study.replace(preset, image_size=16)
    assert folds.fold_path(("apple",), other, tmp_path) != folds.fold_path(
        ("apple",), preset, tmp_path
    )
    results = study.main(arguments)
    assert results["folds"] == {"finished": 1, "of": 3}
    assert "1 of 3 folds" in capsys.readouterr().out


def test_the_closed_form_is_ridge_with_a_penalty_from_the_other_classes(figures: dict) -> None:
    names = np.array(class_names("cifar100")[:12])
    X, y = load_cifar100_features(return_X_y=True)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    frozen = figures["frozen"]["features that ship"]
    assert sum(frozen["penalties"].values()) == len(names)
    penalties = [float(alpha) for alpha in frozen["penalties"]]
    for name in names[:2]:
        seen = np.isin(y, names) & (y != name)
        (vector,) = WordVectors().embed([name])
        losses = []
        for alpha in penalties:
            model = EmbeddingRegressor(WordVectors(), alpha=alpha).fit(X[seen], y[seen])
            found = model.predict(X[y == name])
            losses.append(((found - vector) ** 2).sum(axis=1).mean() / (vector @ vector) - 1)
        ours = frozen["classes"][name]["relative loss"]
        assert min(abs(ours - loss) for loss in losses) < 1e-6
    by_hand = [row["relative loss"] for row in frozen["classes"].values()]
    assert frozen["relative loss"]["median"] == pytest.approx(np.median(by_hand))


def test_neighbours_plateau_and_improvement(study: ModuleType, figures: dict) -> None:
    from loco_figures import plateau, representation, still_improving

    names = class_names("cifar100")[:12]
    near = []
    for name in names:
        vectors = {n: v / np.linalg.norm(v) for n, v in zip(names, WordVectors().embed(names))}  # noqa: B905
        cosines = [vectors[name] @ vectors[other] for other in names if other != name]
        near.append(np.mean(sorted(cosines)[-5:]))
    assert representation(names, names) == pytest.approx(near, abs=1e-6)
    frozen = figures["frozen"]["features that ship"]
    gains = [-frozen["classes"][name]["relative loss"] for name in names]
    rho = spearmanr(near, gains).statistic
    assert frozen["neighbours"]["gain over zero"]["rho"] == pytest.approx(rho)
    assert plateau([-0.1, -0.2, -0.295, -0.3, -0.29]) == 3
    assert plateau([-0.3, -0.2]) == 1
    assert still_improving(np.array([0, 0, 0, 0, 0, 0, 0, 0, -0.1, -0.3])) == pytest.approx(0.2)


def test_the_factor_is_the_one_with_the_lowest_median_skill(study: ModuleType) -> None:
    from loco_figures import best_factor

    rng = np.random.default_rng(0)
    labels, middle = rng.normal(size=(3, 4)), rng.normal(size=4)
    found = middle + 0.3 * (labels - middle)[:, None] + rng.normal(size=(3, 9, 4))

    def loss(vectors: np.ndarray, wanted: np.ndarray) -> float:
        return float(((vectors - wanted) ** 2).mean())

    losses = [
        {"last": loss(f, v), "mean": loss(middle, v), "spread": loss(f, middle)}
        for f, v in zip(found, labels, strict=True)
    ]
    skills = {
        step / 20: np.median(
            [
                loss(middle + step / 20 * (f - middle), v) / loss(middle, v)
                for f, v in zip(found, labels, strict=True)
            ]
        )
        for step in range(21)
    }
    assert best_factor(losses) == min(skills, key=skills.get)
    assert 0 < best_factor(losses) < 1


def test_development_compares_variants_on_classes_that_are_not_reported(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    development, small = study.PRESETS["development"], study.PRESETS["small"]
    assert len(small.excluded()) >= 12
    assert not set(development.excluded()) & set(small.excluded())
    monkeypatch.setitem(study.PRESETS, "development", study.replace(study.PRESETS["tiny"], start=2))
    results = study.main(["--preset", "development", "--folds", str(tmp_path)])
    assert list(results["variants"]) == list(study.VARIANTS)
    for row in results["variants"].values():
        assert -1 < row["relative loss"] < 1
        assert row["skill by epoch"][-1] == pytest.approx(row["skill"])
        assert row["drawn"]["skill"] <= min(row["skill"], 0) + 1e-9
    assert study.PRESETS["full"].excluded() == class_names("cifar100")


# Prototypes of words ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prototypes(study: ModuleType) -> Iterator[ModuleType]:
    """The module, with a small vocabulary."""
    module = sys.modules["loco_prototypes"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "N_FREQUENT", 1500)
        module.vocabulary.cache_clear()
        yield module
    module.vocabulary.cache_clear()


@pytest.fixture(scope="module")
def few() -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Ten shipped images of each of twelve classes, and the classes' synsets."""
    X, y = load_cifar100_features(subset="test", return_X_y=True)
    synsets = {name: class_synsets("cifar100")[name] for name in class_names("cifar100")[:12]}
    rows = np.isin(y, list(synsets))
    return X[rows] / np.linalg.norm(X[rows], axis=1, keepdims=True), y[rows], synsets


def test_words_are_nouns_for_physical_things(prototypes: ModuleType) -> None:
    words, wnids = prototypes.vocabulary()
    assert len(words) == len(wnids) > 200
    assert {"water", "house", "car"} <= set(words) and not {"peace", "the", "idea"} & set(words)


def test_the_excluded_class_is_no_more_than_a_word(
    prototypes: ModuleType, few: tuple[np.ndarray, np.ndarray, dict[str, str]]
) -> None:
    X, y, synsets = few
    others = {name: wnid for name, wnid in synsets.items() if name != "beaver"}
    seen = y != "beaver"
    known, unknown = (
        prototypes.Guesses.of(X[seen], y[seen], X[~seen], prototypes.Sides.of(list(which), which))
        for which in (synsets, others)
    )
    np.testing.assert_allclose(known.both(), unknown.both())
    mean = WordVectors().embed(list(others)).mean(axis=0)
    np.testing.assert_allclose(known.mean, mean, rtol=1e-5)
    ridge = EmbeddingRegressor(WordVectors(), alpha=30).fit(X[seen], y[seen]).predict(X[~seen])
    np.testing.assert_allclose(known.both()[0], ridge - mean, atol=1e-5)
    sharp, flat = known.both(temperature=1e-6, nearness=0)[1], known.both(1e9, 0)[1]
    np.testing.assert_allclose(sharp, known.words[known.scores.argmax(axis=1)], atol=1e-9)
    np.testing.assert_allclose(flat, np.tile(known.words.mean(axis=0), (10, 1)), atol=1e-6)


def test_the_density_is_that_of_a_normal_distribution(prototypes: ModuleType) -> None:
    rng = np.random.default_rng(0)
    seen, vectors = rng.normal(size=(9, 3)), rng.normal(size=(5, 3))
    covariance = np.cov(seen.T)
    shrunk = (covariance + np.trace(covariance) / 3 * np.eye(3)) / 2
    expected = multivariate_normal(seen.mean(axis=0), shrunk).logpdf(vectors)
    ours = prototypes.log_density(vectors, seen)
    np.testing.assert_allclose(ours - ours[0], expected - expected[0])


def test_factors_are_least_squares_over_all_folds(prototypes: ModuleType) -> None:
    rng = np.random.default_rng(0)
    found = [rng.normal(size=(2, n, 3)) for n in (4, 6)]
    wanted = [0.5 * a - 0.2 * b for a, b in found]
    np.testing.assert_allclose(prototypes.fitted_factors(found, wanted), [0.5, -0.2])


def test_a_fold_with_words_adds_both_predictions(
    prototypes: ModuleType, few: tuple[np.ndarray, np.ndarray, dict[str, str]]
) -> None:
    X, y, synsets = few
    sides = prototypes.Sides.of(list(synsets), synsets)
    fold = prototypes.prototype_fold("bear", X, y, sides)
    seen = y != "bear"
    guesses = prototypes.Guesses.of(X[seen], y[seen], X[~seen], sides)
    a, b = fold["factors"]
    vectors = guesses.mean + a * guesses.both()[0] + b * guesses.both()[1]
    (vector,) = WordVectors().embed(["bear"])
    assert fold["last"] == pytest.approx(((vectors - vector) ** 2).mean(), rel=1e-5)
    assert fold["mean"] == pytest.approx(((guesses.mean - vector) ** 2).mean(), rel=1e-5)
    assert fold["zero"] == pytest.approx((vector**2).mean(), rel=1e-5)


def test_figures_with_words_stand_beside_those_of_ridge(
    study: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    from loco_figures import summarise
    from loco_plots import show

    names = class_names("cifar100")[:7]
    classes = {
        name: {"alpha": 30.0, "zero": 1.0, "mean": 0.8 + 0.003 * i, "last": 0.7 + 0.01 * i}
        for i, name in enumerate(names, start=-3)
    }
    words = {
        name: {**fold, "last": fold["last"] - 0.1, "factors": [0.4, 0.5]}
        for name, fold in classes.items()
    }
    kept = {"classes": classes, "one pass": {}, "words": words}
    results = summarise({}, names, 0, {"features that ship": kept}, 1.0)
    with_words = results["frozen"]["features that ship"]["with words"]
    assert with_words["relative loss"]["median"] == pytest.approx(-0.4)
    assert with_words["skill over the control"]["median"] == pytest.approx(-0.25)
    assert with_words["median factors"] == [0.4, 0.5]
    show(results)
    assert "prototypes of words" in capsys.readouterr().out
