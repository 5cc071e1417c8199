"""How things look in a notebook: scikit-learn's view with links to our pages, tables, bars."""

from __future__ import annotations

import ast
import inspect
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tqdm.auto
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

import zeroshot
from zeroshot import (
    DeViSEClassifier,
    HashEmbedding,
    SimilarityInitializer,
    SourceHead,
    TimmFeatures,
    WordVectorSimilarity,
    evaluate_zero_shot,
)
from zeroshot._utils._doc_links import SITE
from zeroshot._utils._progress import progress_bar

ESTIMATORS = sorted(
    name
    for name in zeroshot.__all__
    if inspect.isclass(cls := getattr(zeroshot, name)) and issubclass(cls, BaseEstimator)
)
HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Collects the links of a piece of HTML, its tags, and the cells of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs).get("href"))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and self.tags[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_the_list_is_not_empty():
    assert {"DeViSEClassifier", "TimmFeatures", "WordNetSimilarity"} <= set(ESTIMATORS)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_link_names_the_page_of_the_public_module(name):
    cls = getattr(zeroshot, name)
    needed = [
        p
        for p in inspect.signature(cls).parameters.values()
        if p.default is inspect.Parameter.empty
    ]
    link = cls(*[None] * len(needed))._get_doc_link()
    page = link.removeprefix(f"{SITE}/api/generated/zeroshot.").removesuffix(".html")
    part, _, named = page.partition(".")
    assert getattr(getattr(zeroshot, part), named) is cls and named == name


def test_the_site_is_the_one_of_the_package():
    text = (Path(zeroshot.__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    assert tomllib.loads(text)["project"]["urls"]["Documentation"] == SITE


def test_the_view_of_a_pipeline_links_each_step_to_its_own_documentation():
    model = make_pipeline(TimmFeatures(), Normalizer(), DeViSEClassifier(HashEmbedding()))
    links = [link for link in Page(model._repr_html_()).links if link]
    assert f"{SITE}/api/generated/zeroshot.backbones.TimmFeatures.html" in links
    assert f"{SITE}/api/generated/zeroshot.estimators.DeViSEClassifier.html" in links
    ours = [link for link in links if "Normalizer" in link.split("#")[0]]
    assert ours and all(link.startswith("https://scikit-learn.org/") for link in ours)


def test_a_subclass_of_someone_else_is_not_said_to_be_ours():
    class Mine(DeViSEClassifier):
        pass

    assert Mine()._get_doc_link() == ""


def test_labels_are_escaped_in_the_view():
    model = DeViSEClassifier(HashEmbedding(), candidates=[HOSTILE, "b"])
    assert HOSTILE not in model._repr_html_()
    assert "<script>alert" not in model._repr_html_()


def test_an_evaluation_is_a_table():
    X = np.eye(4).repeat(3, axis=0)
    y = np.array(["a", "b", HOSTILE, "d"]).repeat(3)
    model = DeViSEClassifier(HashEmbedding(), loss="mse", candidates=np.unique(y)).fit(X[:6], y[:6])
    result = evaluate_zero_shot(model, X, y, random_state=0)
    page = Page(result._repr_html_())
    assert [row[0] for row in page.rows] == ["", *result]
    assert float(page.rows[1][1]) == pytest.approx(result[list(result)[0]].value, abs=5e-4)
    assert "caption" in page.tags and "script" not in page.tags


def test_the_sources_of_a_new_head_are_a_table():
    head = SourceHead(np.eye(3), np.zeros(3), ["lion", HOSTILE, "car"])
    similarity = WordVectorSimilarity(HashEmbedding(seed=1))
    rng = np.random.default_rng(0)
    model = SimilarityInitializer(head, similarity, n_neighbors=1)
    table = model.fit(rng.normal(size=(6, 3)), [HOSTILE, "bus", "tree"] * 2).neighbors_
    page = Page(table._repr_html_())
    assert page.rows[0] == ["target", "relation", "sources"]
    assert [row[0] for row in page.rows[1:]] == [record["target"] for record in table]
    assert "script" not in page.tags and HOSTILE in [row[0] for row in page.rows]


def test_every_bar_is_one_that_a_notebook_shows_as_a_widget():
    root = Path(zeroshot.__file__).parent
    importing = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import) and "tqdm" in ast.unparse(node)
    }
    assert importing == {"_utils/_progress.py"}
    assert progress_bar.__globals__["tqdm"] is tqdm.auto.tqdm


@pytest.mark.parametrize("value", ["1", "yes", "0", ""])
def test_the_environment_can_disable_every_bar(value, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", value)
    with progress_bar(range(3), progress=True, unit="fold", desc="folds") as bar:
        assert list(bar) == [0, 1, 2]
    assert ("folds: 100%" in capsys.readouterr().err) is (value in ("0", ""))


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), ("auto", False)])
def test_a_bar_is_shown_on_stderr_where_it_is_asked_for(progress, shown, capsys):
    with progress_bar(range(3), progress=progress, unit="fold", desc="folds") as bar:
        assert list(bar) == [0, 1, 2]
    out, err = capsys.readouterr()
    assert out == "" and ("folds: 100%" in err) is shown
