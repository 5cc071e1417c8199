"""Similarities: WordNet's against nltk's own results, cosines, mixtures, and bad input."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nltk_wordnet import open_nltk_wordnet
from sklearn.base import clone

from zeroshot import SimilarityInitializer, TimmFeatures
from zeroshot.exceptions import UnknownLabelError
from zeroshot.label_embeddings import (
    AttributeTable,
    HashEmbedding,
    WordNetEmbedding,
    WordVectors,
)
from zeroshot.similarity import (
    MixtureSimilarity,
    Similarity,
    WordNetSimilarity,
    WordVectorSimilarity,
    as_similarity_matrix,
)
from zeroshot.similarity import _wordnet as wordnet_module
from zeroshot.taxonomy import Synset, class_synsets, synset, synsets
from zeroshot.taxonomy._distances import ancestor_pairs
from zeroshot.taxonomy._graph import noun_graph

MEASURES = ("wup_nltk", "path", "lch", "res", "jcn", "lin")


@pytest.fixture
def oracle() -> Any:
    """Return nltk's reader on Debian's files."""
    wordnet = open_nltk_wordnet()
    # What nltk would find by reading all nouns, for half a minute: the slow test lets it.
    wordnet._max_depth["n", False] = int(noun_graph().max_depths.max())
    return wordnet


def nltk_synset(oracle: Any, wnid: str) -> Any:
    return oracle.synset_from_pos_and_offset("n", int(wnid[1:]))


def random_wnids(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [Synset(int(node)).wnid for node in rng.integers(len(noun_graph()), size=n)]


@cache
def random_counts() -> dict[str, dict[int, float]]:
    """Return counts as nltk has them: of each synset and all below it; a third are missing."""
    rng = np.random.default_rng(5)
    graph = noun_graph()
    own = rng.integers(0, 50, size=len(graph)) * (rng.random(len(graph)) < 0.3)
    rows, above, _ = ancestor_pairs(np.arange(len(graph)))
    counts: dict[int, float] = defaultdict(float)
    totals = np.bincount(above, weights=own[rows], minlength=len(graph))
    for offset, count in zip(graph.offsets.tolist(), totals.tolist(), strict=True):
        if count:
            counts[offset] = count
    counts[0] = float(own.sum())
    return {"n": counts}


@pytest.mark.parametrize("measure", MEASURES)
def test_twenty_thousand_random_pairs_equal_nltk(oracle: Any, measure: str) -> None:
    targets, sources = random_wnids(1000, 1), random_wnids(1000, 2)
    # Random nouns seldom share more than the root: half of the sources are near a target.
    sources[:500] = [near(wnid) for wnid in targets[:500]]
    pairs = np.random.default_rng(4).integers(1000, size=(20_000, 2))
    pairs[:500] = np.arange(500)[:, None]
    counts = random_counts() if measure in ("res", "jcn", "lin") else None
    matrix = WordNetSimilarity(measure, information_content=counts).matrix(targets, sources)
    assert matrix.shape == (1000, 1000)
    assert matrix.dtype == np.float64
    name, extra = nltk_name(measure), [] if counts is None else [counts]
    first = [nltk_synset(oracle, wnid) for wnid in targets]
    second = [nltk_synset(oracle, wnid) for wnid in sources]
    theirs = [getattr(first[i], name)(second[j], *extra) for i, j in pairs.tolist()]
    np.testing.assert_array_equal(matrix[tuple(pairs.T)], theirs)


def nltk_name(measure: str) -> str:
    """Return what nltk calls a measure."""
    return f"{measure.removesuffix('_nltk')}_similarity"


def near(wnid: str) -> str:
    """Return a cousin, or the synset itself."""
    item = synset(wnid)
    for _ in range(2):
        item = item.hypernyms[0] if item.hypernyms else item
    for _ in range(2):
        item = item.hyponyms[-1] if item.hyponyms else item
    return item.wnid


def test_pairs_that_need_the_quirks_of_nltk_equal_it(oracle: Any) -> None:
    """Check synsets with several parents: themselves, their ancestors and each other."""
    graph = noun_graph()
    many = np.flatnonzero(np.diff(graph.parent_starts) > 1)
    chosen = np.random.default_rng(3).choice(many, 25, replace=False)
    family = np.unique(ancestor_pairs(chosen[:4])[1])
    wnids = [Synset(int(node)).wnid for node in np.concatenate([chosen, family])]
    items = [nltk_synset(oracle, wnid) for wnid in wnids]
    for measure in ("wup_nltk", "path"):
        ours = WordNetSimilarity(measure).matrix(wnids, wnids)
        theirs = [[getattr(a, nltk_name(measure))(b) for b in items] for a in items]
        np.testing.assert_array_equal(ours, theirs)
        if measure == "wup_nltk":
            assert (np.diag(ours) < 1).any()
            assert (ours != ours.T).any()


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["wup_nltk", "path", "lch"])
def test_all_pairs_of_imagenet_classes_equal_nltk(
    oracle: Any, measure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nltk.corpus.reader.wordnet import Synset as TheirSynset

    # nltk's own answer, remembered: it would climb from both synsets anew for every pair.
    climb = cache(TheirSynset._shortest_hypernym_paths)
    monkeypatch.setattr(TheirSynset, "_shortest_hypernym_paths", climb)
    wnids = list(class_synsets("imagenet1k").values())
    ours = WordNetSimilarity(measure).matrix(wnids, wnids)
    oracle._max_depth.clear()
    items = [nltk_synset(oracle, wnid) for wnid in wnids]
    name = nltk_name(measure)
    theirs = [[getattr(a, name)(b) for b in items] for a in items]
    np.testing.assert_array_equal(ours, theirs)


def test_wu_palmer_against_a_naive_reference() -> None:
    names = ["dog.n.01", "cat.n.01", "wolf.n.01", "carnivore.n.01", "oak.n.02", "entity.n.01"]
    items = [synset(name) for name in names]
    expected = [[naive_wup(a, b) for b in items] for a in items]
    np.testing.assert_array_equal(WordNetSimilarity("wup_nltk").matrix(names, names), expected)


def naive_wup(a: Synset, b: Synset) -> float:
    common = (a.ancestors | {a}) & (b.ancestors | {b})
    deepest = max(c.min_depth for c in common)
    candidates = sorted(c for c in common if c.min_depth == deepest)
    subsumer = a if a in candidates else candidates[0]
    depth = subsumer.max_depth + 1
    return 2.0 * depth / (a.distance(subsumer) + b.distance(subsumer) + 2 * depth)


def test_intrinsic_measures_against_a_naive_reference() -> None:
    names = ["dog.n.01", "cat.n.01", "oboe.n.01", "beagle.n.01"]
    items = [synset(name) for name in names]

    def information(item: Synset) -> float:
        return float(1 - np.log(item.n_descendants + 1) / np.log(82_115))

    for i, a in enumerate(items):
        for j, b in enumerate(items):
            shared = max(information(c) for c in (a.ancestors | {a}) & (b.ancestors | {b}))
            total = information(a) + information(b)
            expected = {"res": shared, "lin": 2 * shared / total}
            expected["jcn"] = 1e300 if a == b else 1 / (total - 2 * shared)
            for measure, value in expected.items():
                ours = WordNetSimilarity(measure).matrix(names, names)[i, j]
                assert ours == pytest.approx(value, rel=1e-9)


def test_root_has_no_information() -> None:
    root = ["entity.n.01"]
    assert WordNetSimilarity("lin").matrix(root, root) == 0
    assert WordNetSimilarity("jcn").matrix(root, ["dog.n.01"]) == 0


def test_labels_wnids_names_and_synsets_mean_the_same() -> None:
    similarity = WordNetSimilarity()
    kinds: list[list[Any]] = [
        ["dog", "lion"],
        ["n02084071", "n02129165"],
        ["dog.n.01", "lion.n.01"],
        [synset("dog.n.01"), synset("lion.n.01")],
        ["dogs, domestic dog", "lions"],
    ]
    expected = similarity.matrix(kinds[0], kinds[0])
    for targets in kinds:
        for sources in kinds:
            np.testing.assert_array_equal(similarity.matrix(targets, sources), expected)
    np.testing.assert_array_equal(similarity.matrix(np.array(kinds[0]), kinds[1]), expected)


def test_overrides_say_what_a_label_stands_for() -> None:
    plain = WordNetSimilarity().matrix(["ray"], ["shark"])[0, 0]
    fish = WordNetSimilarity(overrides=class_synsets("cifar100")).matrix(["ray"], ["shark"])[0, 0]
    assert fish == WordNetSimilarity().matrix(["ray.n.07"], ["shark.n.01"])[0, 0] > plain


def test_order_repetition_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, sources = random_wnids(30, 7), random_wnids(20, 8)
    for measure in MEASURES:
        similarity = WordNetSimilarity(measure)
        whole = similarity.matrix(targets, sources)
        np.testing.assert_array_equal(
            similarity.matrix(targets[::-1], [*sources, *sources]),
            np.hstack([whole, whole])[::-1],
        )
        with monkeypatch.context() as patch:
            patch.setattr(wordnet_module, "_BLOCK", 70)
            np.testing.assert_array_equal(similarity.matrix(targets, sources), whole)


def test_empty_lists_give_empty_matrices() -> None:
    assert WordNetSimilarity().matrix([], ["dog"]).shape == (0, 1)
    assert WordNetSimilarity().matrix(["dog"], []).shape == (1, 0)


def test_similarities_can_be_cloned_and_are_similarities() -> None:
    table = HashEmbedding(4)
    for similarity in (
        WordNetSimilarity("lin", overrides={"a": "dog"}),
        WordVectorSimilarity(table),
        MixtureSimilarity([(WordNetSimilarity(), 1.0)]),
    ):
        assert isinstance(similarity, Similarity)
        assert type(clone(similarity)) is type(similarity)
    assert clone(WordVectorSimilarity(table)).label_embedding is table


@pytest.mark.case
def test_every_imagenet_class_is_nearest_to_itself() -> None:
    wnids = list(class_synsets("imagenet1k").values())
    nearness = WordNetSimilarity().matrix(wnids, wnids)
    np.testing.assert_array_equal(np.diag(nearness), 1)
    np.testing.assert_array_equal(nearness, nearness.T)
    np.fill_diagonal(nearness, 0)
    assert nearness.max() < 1
    # What made it no default: a Chihuahua is most like a hyena.
    of_nltk = WordNetSimilarity("wup_nltk").matrix(wnids, wnids)
    assert (of_nltk.max(axis=1) > np.diag(of_nltk)).sum() == 90


@pytest.mark.case
@pytest.mark.data
def test_photos_of_dogs_are_named_by_the_default_measure(data_home: Path) -> None:
    paths = sorted((data_home / "imagenet-photos").glob("*.jpg"))
    dogs = [path for path in paths if "n02085620" <= path.name[:9] < "n02113978"]
    names = [path.name[:9] for path in dogs]
    backbone = TimmFeatures(progress=False).fit()
    head = SimilarityInitializer(
        backbone.source_head_, "wordnet", n_neighbors=1, candidates=names
    ).fit()
    X = backbone.transform([str(path) for path in dogs])
    shown = np.isin(backbone.source_head_.wnids, names)
    of_source = backbone.source_head_.decision_function(X)[:, shown].argmax(axis=1)
    expected = backbone.source_head_.wnids[shown][of_source] == names
    assert head.score(X, names) == expected.mean() > 0.8


@pytest.mark.case
def test_wup_names_both_ways_out() -> None:
    ways = r"measure='wup' is.*Write measure='wup_nltk' for it, or measure='path', the default"
    with pytest.raises(ValueError, match=ways):
        WordNetSimilarity("wup").matrix(["dog"], ["cat"])


def test_an_unknown_measure_says_which_there_are() -> None:
    with pytest.raises(ValueError, match="measure must be one of 'path', 'lch', 'res'"):
        WordNetSimilarity("wu-palmer").matrix(["dog"], ["cat"])


@pytest.mark.parametrize("bad", ["n99999999", "dog.n.99", "girafe"])
def test_unknown_names_are_named_with_their_side(bad: str) -> None:
    says = f"WordNetSimilarity has no noun synset for 1 of {{}} \\('{bad}'"
    with pytest.raises(UnknownLabelError, match=says.format("2 sources")):
        WordNetSimilarity().matrix(["dog"], ["cat", bad])
    with pytest.raises(UnknownLabelError, match=says.format("1 targets")):
        WordNetSimilarity().matrix([bad], ["dog", "cat"])


def test_labels_that_are_numbers_or_one_string() -> None:
    with pytest.raises(UnknownLabelError, match=r"for 2 of 2 targets \(1, 2\)\. Numbers name no"):
        WordNetSimilarity().matrix([1, 2], ["dog"])
    with pytest.raises(TypeError, match=r"sources must be a list .* Write \['dog'\]"):
        WordNetSimilarity().matrix(["dog"], "dog")


def test_arguments_that_are_no_lists() -> None:
    with pytest.raises(TypeError, match="WordNetSimilarity: targets must be a list or 1-D array"):
        WordNetSimilarity().matrix(None, ["dog"])
    with pytest.raises(TypeError, match="WordVectorSimilarity: sources must be a list or 1-D"):
        WordVectorSimilarity(HashEmbedding(4)).matrix(["dog"], synset("dog.n.01"))
    with pytest.raises(TypeError, match="me: targets must be a list of labels, got None"):
        as_similarity_matrix([[1.0]], None, ["x"], owner="me")
    with pytest.raises(TypeError, match=r"overrides must be a dict .*got \['x'\]"):
        WordNetSimilarity(overrides=["x"]).matrix(["dog"], ["cat"])  # type: ignore[arg-type]


def test_generators_are_lists_that_run_once() -> None:
    targets, sources = ["dog", "lion"], ["cat", "n02084071", "oak"]
    similarity = WordNetSimilarity()
    table = HashEmbedding(4)
    for each in (
        similarity,
        WordVectorSimilarity(table),
        MixtureSimilarity([(similarity, 1), (WordVectorSimilarity(table), 1)]),
    ):
        expected = each.matrix(targets, sources)
        np.testing.assert_array_equal(each.matrix(iter(targets), iter(sources)), expected)
        got = as_similarity_matrix(each, iter(targets), iter(sources))
        np.testing.assert_array_equal(got, np.maximum(expected, 0))


@pytest.mark.parametrize(
    "bad", [{"v": {}}, {"n": {}}, {"n": {0: 0.0}}, {"n": None}, {"n": [1]}, "ic-brown.dat"]
)
def test_information_content_that_is_none(bad: Any) -> None:
    with pytest.raises(ValueError, match="WordNetICCorpusReader"):
        WordNetSimilarity("res", information_content=bad).matrix(["dog"], ["cat"])


def test_cosines_of_label_vectors() -> None:
    labels = ["a", "b", "c", "d"]
    vectors = np.random.default_rng(0).normal(size=(4, 5))
    vectors[3] = 0
    ours = WordVectorSimilarity(AttributeTable(vectors, labels)).matrix(labels, labels[:2])
    for i in range(3):
        for j in range(2):
            a, b = vectors[i], vectors[j]
            expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            assert ours[i, j] == pytest.approx(expected, abs=1e-6)
    assert (ours[:3] < 0).any()
    assert (ours[3] == 0).all()


def test_word_vectors_need_a_label_embedding() -> None:
    with pytest.raises(TypeError, match="label_embedding must be a LabelEmbedding, got {}"):
        WordVectorSimilarity({}).matrix(["a"], ["b"])  # type: ignore[arg-type]
    with pytest.raises(UnknownLabelError, match="'okapi'"):
        WordVectorSimilarity(AttributeTable([[1.0]], ["zebra"])).matrix(["okapi"], ["zebra"])


@pytest.fixture
def words(tmp_path: Path) -> WordVectors:
    """Word vectors that have the letter n and a number, as large ones do."""
    names = ["n", "01", "02084071", "dog", "domestic", "cat", "true", "oak", "tree", "canis"]
    vectors = np.random.default_rng(0).normal(size=(len(names), 6))
    lines = [" ".join([name, *map(str, row)]) for name, row in zip(names, vectors, strict=True)]
    (tmp_path / "words.txt").write_text("\n".join(lines) + "\n")
    return WordVectors(tmp_path / "words.txt")


def test_word_vectors_of_wnids_names_and_synsets_are_those_of_the_synsets_names(
    words: WordVectors,
) -> None:
    similarity = WordVectorSimilarity(words)
    expected = similarity.matrix(["dog", "cat", "oak"], ["dog", "cat", "oak"])
    names = ["dog.n.01", "cat.n.01", "oak.n.02"]
    items = [synset(name) for name in names]
    for targets in (names, items, [item.wnid for item in items], np.array(names)):
        np.testing.assert_allclose(similarity.matrix(targets, targets), expected, atol=1e-12)
    assert similarity.matrix(["n02084071"], ["n12268246"])[0, 0] < 0.99
    mixed = similarity.matrix(["dog"], ["cat", "cat.n.01"])
    np.testing.assert_allclose(mixed[:, :1], similarity.matrix(["dog"], ["cat"]))


@pytest.mark.parametrize("bad", ["n99999999", "dog.n.99"])
def test_word_vectors_of_unknown_identifiers(words: WordVectors, bad: str) -> None:
    says = f"WordVectorSimilarity has no noun synset for 1 of 2 {{}} \\('{bad}'"
    for given, name in (((["dog", bad], ["cat"]), "targets"), ((["cat"], ["dog", bad]), "sources")):
        with pytest.raises(UnknownLabelError, match=says.format(name)):
            WordVectorSimilarity(words).matrix(*given)
    with pytest.raises(UnknownLabelError, match=r"no vector for 1 of 1 targets \('xyzzyx'"):
        WordVectorSimilarity(words).matrix(["xyzzyx"], ["cat"])


def test_an_embedding_that_knows_an_identifier_keeps_it() -> None:
    wnids = ["n02084071", "n02121620"]
    table = AttributeTable([[1.0, 0.0], [3.0, 4.0]], wnids)
    np.testing.assert_allclose(WordVectorSimilarity(table).matrix(*[wnids] * 2)[0], [1, 0.6])
    named = AttributeTable([[1.0, 0.0], [3.0, 4.0]], ["a", "b"], overrides={"dog.n.01": "b"})
    assert WordVectorSimilarity(named).matrix(["dog.n.01"], ["b"]) == pytest.approx(1)
    bird = WordVectorSimilarity(WordNetEmbedding(vocabulary=["crane.n.05", "crane.n.04", "dog"]))
    matrix = bird.matrix(["crane.n.05"], ["crane.n.04", "n02012849"])
    assert matrix[0, 0] < 0.5 and matrix[0, 1] == pytest.approx(1)


def test_sources_without_a_vector_resemble_nothing() -> None:
    """A pretrained head's own labels are nothing that its user can mend; targets are."""
    table = AttributeTable([[3, 4], [4, 3], [0, 1]], labels=["cat", "lion", "oboe"])
    similarity = WordVectorSimilarity(table)
    matrix = similarity.matrix(["lion"], ["dugong", "cat", "tench", "oboe"])
    np.testing.assert_allclose(matrix, [[0, 0.96, 0, 0.6]], atol=1e-6)
    with pytest.raises(UnknownLabelError, match="'dugong', 'tench'"):
        similarity.matrix(["lion"], ["dugong", "tench"])
    with pytest.raises(UnknownLabelError, match="'dugong'"):
        similarity.matrix(["dugong"], ["cat"])


def test_a_mixture_is_convex() -> None:
    one, other = np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([[5.0, 5.0], [0.0, 2.0]])
    mix = MixtureSimilarity([(one, 1), (other, 3)], scale="none").matrix("ab", "xy")
    np.testing.assert_allclose(mix, 0.25 * one + 0.75 * other)
    mix = MixtureSimilarity([(one, 1), (other, 3)]).matrix("ab", "xy")
    np.testing.assert_allclose(mix, [[0.25 / 4 + 0.375, 0.75 / 4 + 0.375], [0, 0.75]])
    mix = MixtureSimilarity([(one, 1), (other, 3)], scale="max").matrix("ab", "xy")
    np.testing.assert_allclose(mix, [[0.25 / 3 + 0.75, 1.0], [0, 0.75]])


def test_a_mixture_takes_objects_and_clips_cosines() -> None:
    table = AttributeTable([[1, 0], [-1, 0], [1, 1]], labels=["dog", "cat", "lion"])
    mixture = MixtureSimilarity([(WordNetSimilarity(), 1), (WordVectorSimilarity(table), 1)])
    matrix = mixture.matrix(["dog"], ["cat", "lion"])
    path = WordNetSimilarity().matrix(["dog"], ["cat", "lion"])
    np.testing.assert_allclose(matrix, (path / path.sum() + [[0, 1]]) / 2)


def test_a_mixture_survives_the_largest_similarities() -> None:
    jcn = WordNetSimilarity("jcn")
    matrix = MixtureSimilarity([(jcn, 1)]).matrix(["dog"], ["dog", "cat", "dog"])
    np.testing.assert_allclose(matrix, [[0.5, 0, 0.5]], atol=1e-200)


@pytest.mark.parametrize(
    ("similarities", "message"),
    [
        ([], "positive sum"),
        ([(np.ones((1, 1)), 0)], "positive sum"),
        ([(np.ones((1, 1)), -1)], "a weight must be a number of at least 0"),
        ([(np.ones((1, 1)), "much")], "a weight must be a number"),
        ([np.ones((1, 1))], "must be pairs"),
        (3, "must be pairs"),
        ([(np.ones((2, 1)), 1)], r"MixtureSimilarity: .* shape \(2, 1\), expected \(1, 1\)"),
    ],
)
def test_mixtures_that_cannot_be(similarities: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        MixtureSimilarity(similarities).matrix(["a"], ["x"])


def test_a_mixture_knows_its_scales() -> None:
    with pytest.raises(ValueError, match="scale must be one of 'sum', 'max', 'zscore', 'none'"):
        MixtureSimilarity([(np.ones((1, 1)), 1)], scale="softmax").matrix(["a"], ["x"])


def test_a_matrix_is_copied_and_converted() -> None:
    given = np.array([[1, 0]])
    matrix = as_similarity_matrix(given, ["a"], ["x", "y"])
    assert matrix.dtype == np.float64
    matrix[0, 0] = 7
    assert given[0, 0] == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[1.0]], r"me: the similarity matrix has shape \(1, 1\), expected \(1, 2\)"),
        ([1.0, 2.0], r"shape \(2,\)"),
        ([[1.0, np.nan]], "NaN or infinity for target 0 and source 1"),
        ([[np.inf, 1.0]], "NaN or infinity for target 0 and source 0"),
        ([[1.0, -0.1]], r"negative for target 0 and source 1.*np.maximum"),
        ("inference", "an object with matrix"),
        (WordNetSimilarity, "an object with matrix.*got the class WordNetSimilarity. Pass W"),
        (None, "an object with matrix.*got NoneType"),
        ([["a", "b"]], "an object with matrix"),
    ],
)
def test_matrices_that_do_not_fit(given: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        as_similarity_matrix(given, ["a"], ["x", "y"], owner="me")


def test_objects_of_others_are_checked_too() -> None:
    class Own:
        def __init__(self, values: Any) -> None:
            self.values = values

        def matrix(self, targets: Any, sources: Any) -> Any:
            return self.values

    assert as_similarity_matrix(Own([[-1, 2]]), ["a"], ["x", "y"]).tolist() == [[0, 2]]
    with pytest.raises(ValueError, match=r"Own.matrix has shape \(1, 1\), expected \(1, 2\)"):
        as_similarity_matrix(Own([[1.0]]), ["a"], ["x", "y"])


def test_an_ambiguous_name_is_as_similar_as_its_nearest_sense() -> None:
    names = ["crane", "lift", "n02084071"]
    senses = {"n02084071": ["n02084071"]}
    senses |= {name: [item.wnid for item in synsets(name)] for name in names[:2]}
    for measure in MEASURES:
        ours = WordNetSimilarity(measure, senses="nearest").matrix(names, names)
        for i, target in enumerate(names):
            for j, source in enumerate(names):
                all_pairs = WordNetSimilarity(measure).matrix(senses[target], senses[source])
                assert ours[i, j] == all_pairs.max()
    # A hint, an identifier and an override leave one sense.
    path = WordNetSimilarity("path", senses="nearest", overrides={"crane": "n02012849"})
    bird = WordNetSimilarity("path").matrix(["n02012849"], ["elevator"])
    for name in ("crane", "n02012849", "crane (bird)", "crane.n.05"):
        np.testing.assert_array_equal(path.matrix([name], ["elevator"]), bird)


def test_what_is_not_known_is_similar_to_nothing_on_request() -> None:
    path = WordNetSimilarity("path", on_missing="zero")
    matrix = path.matrix(["qqxyzzy", "dog"], ["cat", "zzkwwv"])
    np.testing.assert_array_equal(
        matrix, [[0, 0], [WordNetSimilarity("path").matrix(["dog"], ["cat"])[0, 0], 0]]
    )
    np.testing.assert_array_equal(path.matrix(["qqxyzzy"], ["zzkwwv"]), [[0]])
    table = AttributeTable([[1.0, 0.0]], ["zebra"])
    words = WordVectorSimilarity(table, on_missing="zero")
    np.testing.assert_array_equal(words.matrix(["okapi", "zebra"], ["zebra"]), [[0], [1]])


@pytest.mark.parametrize(
    ("similarity", "name"),
    [
        (WordNetSimilarity(senses="all"), "WordNetSimilarity: senses must be one of"),
        (WordNetSimilarity(on_missing="drop"), "WordNetSimilarity: on_missing must be one of"),
        (
            WordVectorSimilarity(HashEmbedding(), on_missing="drop"),
            "WordVectorSimilarity: on_missing must be one of",
        ),
    ],
)
def test_unknown_options(similarity: Similarity, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        similarity.matrix(["dog"], ["cat"])


def test_a_mixture_of_standardised_similarities() -> None:
    one, other = np.array([[1.0, 3.0, 5.0], [2.0, 2.0, 2.0]]), np.array([[0, 0, 9.0], [1, 2, 3]])
    mix = MixtureSimilarity([(one, 1), (other, 3)], scale="zscore").matrix("ab", "xyz")

    def z(row: list[float]) -> np.ndarray:
        return (np.array(row) - np.mean(row)) / np.std(row)

    np.testing.assert_allclose(mix[0], 0.25 * z([1, 3, 5]) + 0.75 * z([0, 0, 9]))
    np.testing.assert_allclose(mix[1], 0.75 * z([1, 2, 3]))  # the other says nothing
    huge = MixtureSimilarity([(WordNetSimilarity("jcn"), 1)], scale="zscore")
    np.testing.assert_allclose(
        huge.matrix(["dog"], ["dog", "cat", "lion"]), [z([1, 0, 0])], atol=1e-12
    )
    assert (as_similarity_matrix(huge, ["dog"], ["dog", "cat"]) >= 0).all()
