"""The study of classes from their descriptions: its figures, and what is left of a small run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zeroshot import ESZSLClassifier, PrototypeRegressionClassifier, SourceHead
from zeroshot.datasets import load_cifar100_features
from zeroshot.taxonomy import class_synsets

STUDIES = Path(__file__).parents[2] / "studies"
RECORDED = Path(__file__).parents[2] / "docs" / "results" / "described_classes.json"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(STUDIES))
    before = set(sys.modules)
    import described_classes

    yield described_classes
    for name in set(sys.modules) - before:
        if (STUDIES / f"{name}.py").exists():
            del sys.modules[name]


def test_a_gain_is_paired_and_its_interval_is_over_classes(study: ModuleType) -> None:
    labels = np.repeat(list("abcdefgh"), 5)
    before = np.tile([True, False, False, False, False], 8)
    now = before | (labels == "a") | (labels == "b")
    found = study.estimate(now, labels, before)
    assert found["value"] == pytest.approx(0.4) and found["gain"] == pytest.approx(0.2)
    low, high = found["gain_interval"]
    assert low == 0 and 0.3 < high <= 0.8  # two classes of eight have it all
    assert study.estimate(before, labels)["interval"] == [0.2, 0.2]


def test_members_count_alike_whatever_their_scale(study: ModuleType) -> None:
    rng = np.random.default_rng(0)
    scores = {"small": rng.normal(size=(6, 4)), "large": 1e6 * rng.normal(size=(6, 4))}
    alone = study.joined(scores, ("small",))
    both = study.joined(scores, ("small", "large"))
    other = study.joined({"small": scores["small"], "large": scores["large"] / 1e6}, tuple(scores))
    np.testing.assert_allclose(both, other)
    np.testing.assert_array_equal(alone.argmax(axis=1), scores["small"].argmax(axis=1))


def test_it_prints_and_keeps_what_it_finds(
    study: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    labels = np.repeat(list("abcdef"), 2)
    figure = study.estimate(labels < "d", labels, labels < "b")
    monkeypatch.setattr(study, "open_labels", lambda: {"open photos": {"top-1": figure}})
    monkeypatch.setattr(study, "cifar100", lambda: pytest.fail("--only open"))
    assert study.main(["--only", "open", "--json", str(tmp_path / "kept.json")])
    assert "top-1" in capsys.readouterr().out
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept["open photos"]["top-1"] == figure and "described_classes.py" in kept["command"]


def test_the_recorded_figures_stand_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text("utf-8")
    recorded = json.loads(RECORDED.read_text())

    def values(tree: dict) -> list[float]:
        inside = [values(branch) for branch in tree.values() if isinstance(branch, dict)]
        return [tree["value"]] if "value" in tree else [v for part in inside for v in part]

    part = page[page.index("## Classes from their descriptions") :]
    found = [
        value for value in values(recorded) if f"{value:.3f}" in part[: part.index("\n## ", 5)]
    ]
    assert len(found) >= 12


def test_without_the_text_model_its_row_is_left_out(study: ModuleType) -> None:
    compared, wanted = study.wanted_parts(False)
    assert "no head" in compared and "no head, with text" not in compared
    assert not [part for part in wanted if "text" in part] and "prototypes, whitened" in wanted
    compared, wanted = study.wanted_parts(True)
    assert "no head, with text" in compared and "prototypes, text" in wanted


def test_parts_score_as_the_classifiers_do(study: ModuleType) -> None:
    X, y = load_cifar100_features(subset="test", return_X_y=True)
    names = np.unique(y)[:14]
    rows, unseen = np.isin(y, names), names[:4]
    X, y = X[rows], y[rows]
    head = SourceHead(np.eye(2, X.shape[1]), np.zeros(2), ["tabby", "trout"])
    parts = study.Parts("cifar100", names, head)
    seen = ~np.isin(y, unseen)
    wanted = ("ESZSL, kinds", "prototypes, whitened")
    found = parts.scores(X[seen], y[seen], unseen, X[~seen], wanted)
    assert set(found) == set(wanted)
    unit, new = (part / np.linalg.norm(part, axis=1)[:, None] for part in (X[seen], X[~seen]))
    eszsl = ESZSLClassifier(parts.kinds, gamma=2, candidates=unseen).fit(unit, y[seen])
    np.testing.assert_allclose(found["ESZSL, kinds"], eszsl.decision_function(new), rtol=1e-4)
    kernels = [parts.path, parts.gloss, parts.kinds, parts.words]
    prototypes = PrototypeRegressionClassifier(
        kernels, weights=[2, 1, 1, 1], alpha=0.1, shrinkage=study.SHRINKAGE, candidates=unseen
    )
    expected = prototypes.fit(unit, y[seen]).decision_function(new)
    np.testing.assert_allclose(found["prototypes, whitened"], expected, atol=1e-5)


def test_a_task_hides_classes_from_the_head(study: ModuleType) -> None:
    from open_labels_choice import without

    synsets = class_synsets("imagenet1k")
    names = list(synsets)[:6]
    head = SourceHead(np.eye(6), np.zeros(6), names, wnids=[synsets[name] for name in names])
    rest = without(head, [synsets[name] for name in names[:2]])
    assert len(rest.labels) == 4 and not set(rest.wnids) & {synsets[n] for n in names[:2]}
