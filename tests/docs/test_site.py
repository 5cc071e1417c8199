"""The documentation as a site: it builds without a warning, and nothing in it is broken."""

import importlib
import inspect
import os
import pkgutil
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import look_at_files

import zeroshot
from zeroshot import estimators, label_embeddings

ROOT = Path(__file__).parents[2]
# Run by the command line; nobody imports them.
WITHOUT_A_PAGE = {"cli", "demo"}
MODULES = sorted(
    module.name
    for module in pkgutil.iter_modules(zeroshot.__path__)
    if not module.name.startswith("_") and module.name not in WITHOUT_A_PAGE
)


class Page(HTMLParser):
    """What a page is called by, and what it asks for."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.images = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag in ("a", "link") and "href" in found:
            self.links.append(found["href"])
        if tag in ("img", "script", "iframe", "source") and "src" in found:
            self.links.append(found["src"])
        if tag == "img":
            self.images.append(found)


@pytest.fixture(scope="module")
def site():
    """The folder of the built site, which ``.ci/run`` builds before the tests."""
    if "ZEROSHOT_SITE" not in os.environ:
        pytest.skip("needs ZEROSHOT_SITE: sphinx-build docs site, then ZEROSHOT_SITE=site")
    return Path(os.environ["ZEROSHOT_SITE"])


def html_files(site):
    """The pages; not the theme's templates among its static files."""
    return [path for path in site.rglob("*.html") if "_static" not in path.parts]


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in html_files(site)}


def test_every_link_image_and_anchor_of_the_site_exists(site, pages):
    assert len(pages) > 30
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.relative_to(site)} -> {link}"
            if parts.fragment and target in pages:
                anchors = pages[target].anchors
                assert unquote(parts.fragment) in anchors, f"{path.relative_to(site)} -> {link}"


def test_a_reader_without_a_network_misses_nothing(site, pages):
    """Scripts, styles and images are all of the site; to other places lead links alone."""
    for path in html_files(site):
        text = path.read_text(encoding="utf-8")
        for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", text):
            assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", tag), f"{path.name}: {tag}"
    for path in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", path.read_text(encoding="utf-8"))
    # A script, so that search also works where pages are opened from files.
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "api/generated/zeroshot.estimators.DeViSEClassifier" in index


def test_a_desktop_shows_whole_tables_and_every_image(site, tmp_path):
    files = sorted(site.glob("*.html"))
    found = look_at_files(files, tmp_path, 1280)
    pages = {name: page for name, page in found.items() if name != "console"}
    assert len(pages) == len(files) and sum(page["tables"] for page in pages.values()) > 40
    for name, page in pages.items():
        assert page["scroll_width"] <= 1280 and page["cut"] == [], name
        assert all(width > 0 for _, width in page["images"]), name
    # A narrower screen cuts them: what is looked for would be found.
    narrow = look_at_files([site / "transfer.html"], tmp_path, 500)["transfer.html"]
    assert narrow["cut"] and narrow["scroll_width"] <= 500


def test_every_image_of_the_site_has_a_text(site, pages):
    for path, page in pages.items():
        for image in page.images:
            # A thumbnail stands beside the title of its example, which is its text.
            assert image.get("alt") or "thumb" in image["src"], f"{path.name}: {image['src']}"


def public_names(module):
    """The names in ``__all__``, else the classes and functions that the module defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_a_page_with_its_signature_and_source(name, site, pages):
    module = importlib.import_module(f"zeroshot.{name}")
    names = public_names(module)
    assert names
    for public in names:
        page = pages[site / "api" / "generated" / f"zeroshot.{name}.{public}.html"]
        assert f"zeroshot.{name}.{public}" in page.anchors
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            source = value.__module__.replace(".", "/")
            assert any(f"_modules/{source}.html#" in link for link in page.links), public


def test_what_zeroshot_itself_offers_is_of_these_modules():
    homes = {getattr(zeroshot, name).__module__.split(".")[1] for name in zeroshot.__all__}
    assert homes <= set(MODULES)


def test_formulas_are_drawn_by_the_browser_alone(site):
    generated = list((site / "api" / "generated").glob("*.html"))
    texts = {path.stem: path.read_text(encoding="utf-8") for path in generated}
    losses = [text for name, text in texts.items() if name.startswith("zeroshot.losses.")]
    assert sum("<math" in text for text in losses) >= 6
    for name, text in texts.items():
        assert ":math:" not in text and ".. math::" not in text, name


def test_links_are_right_in_the_repository_and_on_the_site(site):
    assert "(../CONTRIBUTING.md)" in (ROOT / "docs" / "index.md").read_text()
    assert 'href="contributing.html"' in (site / "index.html").read_text(encoding="utf-8")


def test_the_gallery_has_ten_examples_with_a_picture_each():
    examples = sorted((ROOT / "examples").glob("plot_*.py"))
    assert len(examples) >= 10


def test_which_method_names_every_estimator_and_label_embedding():
    page = (ROOT / "docs" / "which_method.md").read_text()
    names = [*estimators.__all__, *label_embeddings.__all__]
    interfaces = {"CandidateClassifier", "EmbeddingClassifier", "LabelEmbedding"}
    offered = [name for name in names if name[0].isupper() and name not in interfaces]
    assert not [name for name in offered if not re.search(rf"\b{name}\b", page)]
