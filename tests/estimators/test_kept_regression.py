"""The regression of a pretrained head on disk: read back as it was, or fitted anew."""

from __future__ import annotations

import os

import numpy as np
import pytest

import zeroshot
from zeroshot import (
    AttributeTable,
    ConcatEmbedding,
    HashEmbedding,
    HierarchicalEmbedding,
    OpenLabelClassifier,
    SourceHead,
)
from zeroshot._utils._files import cache_home
from zeroshot.estimators import _kept_regression as kept
from zeroshot.persistence._label_embeddings import StoredEmbedding
from zeroshot.similarity import WordNetSimilarity
from zeroshot.taxonomy import resolve

RNG = np.random.default_rng(0)
SOURCES = np.array(["dog", "computer", "oboe", "truck", "lion", "pillow"])
WNIDS = np.array(resolve(SOURCES).wnids)
HEAD = SourceHead(RNG.normal(size=(6, 5)), RNG.normal(size=6), SOURCES, WNIDS)
X = RNG.normal(size=(9, 5))
EMBEDDING = HashEmbedding(6)
LABELS = ["violin", "cat", "bed", "dog"]
PATH = WordNetSimilarity("path", senses="nearest", on_missing="zero")
OPTIONS = {"gamma": 1.5, "alpha": 0.1, "weights": (0.5, 0.5), "owner": "Test"}
Y = RNG.normal(size=(6, 4))


@pytest.fixture(autouse=True)
def small_heads(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "LEAST_SOURCES", 2)
    monkeypatch.setenv("ZEROSHOT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def fits(monkeypatch):
    """How often a regression was fitted."""
    calls = []
    fit = kept.fit_class_regression

    def counted(*args, **options):
        calls.append(options["owner"])
        return fit(*args, **options)

    monkeypatch.setattr(kept, "fit_class_regression", counted)
    return calls


def files():
    return sorted((cache_home() / "head-regressions").glob("*"))


def scores(head=HEAD, candidates=LABELS, label_embedding=EMBEDDING, **params):
    params |= {"candidates": candidates, "label_embedding": label_embedding}
    return OpenLabelClassifier(head, **params).fit().decision_function(X)


def test_the_second_fit_reads_what_the_first_one_wrote(fits):
    first = scores()
    assert len(fits) == 1 and [file.suffix for file in files()] == [".safetensors"]
    np.testing.assert_array_equal(scores(), first)  # to the last bit
    assert scores(candidates=["flute", "sofa", "tuba"]).shape == (9, 3)
    assert len(fits) == 1 and len(files()) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"head": SourceHead(HEAD.coef + 1e-12, HEAD.intercept, SOURCES, WNIDS)},
        {"head": SourceHead(HEAD.coef, HEAD.intercept + 1e-9, SOURCES, WNIDS)},
        {"head": SourceHead(HEAD.coef, HEAD.intercept, SOURCES)},
        {"head": SourceHead(HEAD.coef, HEAD.intercept, ["cow", *SOURCES[1:]], WNIDS)},
        {"label_embedding": HashEmbedding(7)},
    ],
    ids=["weights", "intercept", "no wnids", "a label", "vectors"],
)
def test_another_head_or_other_vectors_have_a_file_of_their_own(fits, changed):
    scores()
    given = {"head": HEAD, **changed}
    other = scores(**given)
    assert len(fits) == 2 and len(files()) == 2
    np.testing.assert_array_equal(scores(**given), other)
    assert len(fits) == 2


def test_the_name_depends_on_the_package_and_on_each_option(monkeypatch):
    measures = [PATH, HashEmbedding(4)]

    def key(measures=measures, **changes):
        return kept.key_of(measures, SOURCES, WNIDS, Y, **{**OPTIONS, **changes})

    keys = [key(), key(gamma=1.6), key(alpha=0.2), key(weights=(0.4, 0.6))]
    keys += [key([PATH, HashEmbedding(5)]), key(measures[::-1]), key([HashEmbedding(4)])]
    keys += [key([WordNetSimilarity("path", senses="nearest"), HashEmbedding(4)])]
    monkeypatch.setattr(kept, "__version__", f"{zeroshot.__version__}.1")
    keys.append(key())
    monkeypatch.setattr(kept, "FORMAT", kept.FORMAT + 1)
    keys.append(key())
    assert None not in keys and len(set(keys)) == len(keys)


class Own:
    def matrix(self, targets, sources):
        return np.eye(len(sources))[: len(targets)]


class OwnHash(HashEmbedding):
    """With the fingerprint of another one, and other vectors."""

    def _embed(self, labels):
        return super()._embed(labels)[:, ::-1]


STORED = StoredEmbedding(
    ["dog"], np.ones((1, 4), np.float32), reference=None, fingerprint="0" * 64, name="HashEmbedding"
)


@pytest.mark.parametrize(
    ("measures", "changes"),
    [
        ([Own()], {}),
        ([OwnHash(4)], {}),
        ([ConcatEmbedding([HashEmbedding(3), OwnHash(4)])], {}),
        ([HierarchicalEmbedding(OwnHash(4))], {}),
        ([STORED], {}),
        ([WordNetSimilarity("res", information_content={"n": {1: 2.0}})], {}),
        ([PATH, HashEmbedding(4)], {"weights": "auto"}),
        ([PATH, HashEmbedding(4)], {"alpha": (0.1, 1.0)}),
    ],
    ids=[
        "own similarity",
        "own embedding",
        "own part",
        "own base",
        "part of a saved embedding",
        "own counts",
        "weights to choose",
        "penalties to choose",
    ],
)
def test_what_has_no_name_is_not_kept(measures, changes):
    assert kept.key_of(measures, SOURCES, WNIDS, Y, **{**OPTIONS, **changes}) is None


def test_small_heads_and_texts_of_ones_own_leave_no_file(fits, monkeypatch):
    scores(overrides={"cat": "house cat"})
    assert not files()
    monkeypatch.setattr(kept, "LEAST_SOURCES", 7)
    scores()
    assert not files() and len(fits) == 1  # with overrides, it is not asked at all


def damages():
    def cut(blob):
        return blob[:-9]

    def flip(blob):
        return blob[:-40] + bytes([blob[-40] ^ 1]) + blob[-39:]

    return {"cut": cut, "a bit": flip, "empty": lambda blob: b"", "text": lambda blob: b"x" * 99}


@pytest.mark.parametrize("damage", damages().values(), ids=damages())
def test_a_damaged_file_is_fitted_and_written_anew(fits, damage):
    first = scores()
    (file,) = files()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    np.testing.assert_array_equal(scores(), first)
    assert len(fits) == 2 and len(file.read_bytes()) == len(whole)
    np.testing.assert_array_equal(scores(), first)
    assert len(fits) == 2


def test_arrays_of_other_shapes_are_fitted_anew_though_their_sum_is_right(fits):
    first = scores()
    (file,) = files()
    arrays = {"weights": np.ones(3) / 3, "alpha": np.ones(1), "dual_coef": Y, "mean": np.ones(3)}
    for number in range(3):
        arrays[f"{number}.places"] = np.arange(99)
        arrays[f"{number}.column_means"] = np.ones(6)
        arrays[f"{number}.scale"] = np.ones(1)
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(file, framework="np") as opened:
        key = opened.metadata()["key"]
    save_file(arrays, file, {"key": key, "content": kept._content(arrays)})
    np.testing.assert_array_equal(scores(), first)
    arrays |= {f"{number}.places": np.arange(6) for number in range(3)}
    save_file(arrays, file, {"key": key, "content": kept._content(arrays)})
    np.testing.assert_array_equal(scores(), first)
    assert len(fits) == 3


def test_the_file_of_another_name_is_not_taken(fits):
    first = scores()
    scores(label_embedding=HashEmbedding(7))
    one, two = files()
    one_bytes = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(one_bytes)
    np.testing.assert_array_equal(scores(), first)
    assert len(fits) == 3


@pytest.mark.parametrize("home", ["none", "a file", "read only"])
def test_without_a_cache_folder_it_is_fitted_each_time(fits, home, monkeypatch, tmp_path):
    if home == "none":
        monkeypatch.delenv("ZEROSHOT_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no user of that number
    else:
        place = tmp_path / "place"
        if home == "a file":
            place.write_text("")
        else:
            place.mkdir()
            monkeypatch.setattr(kept, "atomic_file", _refused)
        monkeypatch.setenv("ZEROSHOT_CACHE", str(place))
    table = AttributeTable(RNG.normal(size=(9, 3)), labels=[*SOURCES, "violin", "cat", "bed"])
    for _ in range(2):
        assert np.isfinite(scores(label_embedding=table)).all()
    assert len(fits) == 2


def _refused(file):
    raise PermissionError(f"{file} cannot be written")
