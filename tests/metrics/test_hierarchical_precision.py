"""Hierarchical precision against the growth of the correct set, written out with synsets."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from zeroshot.displays._class_confusion import taxonomy_order
from zeroshot.exceptions import UnknownLabelError
from zeroshot.metrics import SCORERS, hierarchical_precision_score, hit_at_k_score
from zeroshot.metrics import _hierarchy as hierarchy
from zeroshot.taxonomy import class_synsets, synset
from zeroshot.taxonomy._distances import hops

SYNSETS = class_synsets("cifar100")
NAMES = np.array(sorted(SYNSETS))
LOWEST = np.finfo(float).min


@cache
def neighbours(node):
    return {*node.hypernyms, *node.hyponyms}


def naive_correct_set(name, offered, k):
    """Frome et al. 2013: add the labels one more hop away until the set holds k."""
    correct = {name}
    met = front = {synset(SYNSETS[name])}
    while len(correct) < k and front:
        at_hop = {other for other in offered if synset(SYNSETS[other]) in front}
        if len(correct | at_hop) > len(correct):
            correct |= at_hop
            if len(correct) >= k:
                break
        front = {n for s in front for n in neighbours(s)} - met
        met = met | front
    return correct


@pytest.mark.parametrize(("k", "average"), [(1, "macro"), (2, "micro"), (4, "macro")])
def test_precision_is_that_of_the_sets_grown_by_hand(k, average):
    rng = np.random.default_rng(k)
    labels = rng.permutation(NAMES)[:30]
    y = rng.choice([*labels[:6], *NAMES[~np.isin(NAMES, labels)][:2]], size=25)
    scores = rng.normal(size=(25, 30))
    scores[:, 7:10] = LOWEST  # three labels are not candidates
    offered = [name for column, name in enumerate(labels) if column not in (7, 8, 9)]
    values = []
    grown = {name: naive_correct_set(name, offered, k) for name in set(y.tolist())}
    for true, row in zip(y.tolist(), scores, strict=True):
        top = labels[np.argsort(-row)[:k]]
        correct = grown[true]
        values.append(sum(name in correct for name in top) / k)
    values = np.array(values)
    expected = values.mean()
    if average == "macro":
        expected = np.mean([values[y == name].mean() for name in np.unique(y)])
    got = hierarchical_precision_score(
        y, scores, k=k, labels=labels, synsets=SYNSETS, average=average
    )
    assert got == pytest.approx(expected)


@pytest.mark.parametrize("k", [2, 5, 20])
def test_sets_hold_k_or_more_and_the_nearest_first(k):
    names = NAMES[::4]
    correct, _ = hierarchy.correct_sets(names, names, k, SYNSETS, owner="test")
    assert correct.diagonal().all() and (correct.sum(axis=1) >= k).all()
    nodes = np.array([synset(SYNSETS[name]).node for name in names])
    distances = hops(nodes, nodes, np.full(25, 25))
    inside = np.where(correct, distances, -1).max(axis=1)
    outside = np.where(correct, np.inf, distances).min(axis=1)
    assert (inside < outside).all()
    smaller, _ = hierarchy.correct_sets(names, names, k - 1, SYNSETS, owner="test")
    assert not (smaller & ~correct).any()


def test_at_one_it_is_hit_at_one():
    rng = np.random.default_rng(0)
    y, scores = rng.choice(NAMES, size=60), rng.normal(size=(60, 100))
    scores[np.arange(30), np.searchsorted(NAMES, y[:30])] = 9
    expected = hit_at_k_score(y, scores, k=1, labels=NAMES)
    assert expected > 0.3
    got = hierarchical_precision_score(y, scores, k=1, labels=NAMES, synsets=SYNSETS)
    assert got == pytest.approx(expected)


def test_hops_are_those_of_a_search_over_synsets():
    names = ("lion.n.01", "clarinet.n.01", "lynx.n.02", "oboe.n.01", "cheetah.n.01")
    nodes = [synset(name).node for name in names]
    got = hops(np.array(nodes[:2]), np.array(nodes), np.array([3, 2]))
    for row, start, enough in zip(got, names[:2], (3, 2), strict=True):
        distance, front, met = {}, {synset(start)}, {synset(start)}
        hop = 0
        while len(distance) < enough:
            distance |= {s.node: hop for s in front if s.node in nodes}
            front = {n for s in front for n in neighbours(s)} - met
            met |= front
            hop += 1
        assert row.tolist() == [distance.get(node, np.inf) for node in nodes]


def test_hops_in_blocks_are_those_at_once(monkeypatch):
    nodes = np.array([synset(SYNSETS[name]).node for name in NAMES[:9]])
    whole = hops(nodes, nodes, np.full(9, 4))
    monkeypatch.setattr("zeroshot.taxonomy._distances._ROWS_AT_ONCE", 2)
    np.testing.assert_array_equal(hops(nodes, nodes, np.full(9, 4)), whole)


def test_a_set_ends_with_what_can_be_reached(monkeypatch):
    """Where fewer than k candidates can be reached, growing ends, and the rest stays outside."""
    far = np.array([[0.0, 2.0, np.inf, np.inf], [np.inf, np.inf, np.inf, np.inf]])
    monkeypatch.setattr(hierarchy, "hops", lambda *args: far.copy())
    correct, _ = hierarchy.correct_sets(NAMES[[0, 9]], NAMES[:4], 3, SYNSETS, owner="test")
    assert correct.tolist() == [[True, True, False, False], [False] * 4]


def test_a_name_has_the_sense_nearest_to_the_other_labels_as_in_the_confusion_matrix():
    """The first sense of "tiger" and of "badger" is a person, as near to a nurse as to a poet."""
    labels = ["badger", "nurse", "poet", "tiger", "weasel", "wolf"]
    correct, guessed = hierarchy.correct_sets(
        np.array(["tiger"]), np.array(labels), 4, None, owner="test"
    )
    assert np.array(labels)[correct[0]].tolist() == ["badger", "tiger", "weasel", "wolf"]
    assert "tiger" in guessed and "weasel" in guessed
    scores = [[0.9, 0.2, 0.1, 0.8, 0.7, 0.6]]
    assert hierarchical_precision_score(["tiger"], scores, k=4, labels=labels) == 1
    order = taxonomy_order(np.array(labels), None, max_blocks=9, owner="test").order
    in_order = np.array(labels)[order].tolist()
    assert abs(in_order.index("tiger") - in_order.index("wolf")) < 4
    assert {"nurse", "poet"} in (set(in_order[:2]), set(in_order[-2:]))


def test_labels_of_one_synset_are_no_hop_apart():
    synsets = {"car": "car.n.01", "automobile": "car.n.01", "oboe": "oboe.n.01"}
    labels, scores = list(synsets), [[0.5, 0.9, 0.1]]
    got = hierarchical_precision_score(["car"], scores, k=2, labels=labels, synsets=synsets)
    assert got == 1
    assert hierarchical_precision_score(["car"], scores, k=1, labels=labels, synsets=synsets) == 0


def test_names_wnids_and_integers_with_synsets_are_one():
    rng = np.random.default_rng(3)
    names = np.array(["apple", "bear", "chair", "clock", "dolphin", "oboe"])
    codes, scores = rng.integers(6, size=40), rng.normal(size=(40, 6))
    expected = hierarchical_precision_score(names[codes], scores, k=3, labels=names)
    given = {10 * code: name for code, name in enumerate(names.tolist())}
    got = hierarchical_precision_score(
        10 * codes, scores, k=3, labels=10 * np.arange(6), synsets=given
    )
    assert got == expected and 0.2 < got < 1
    partly = {"apple": synset("apple.n.01"), "bear": "n02131653"}
    got = hierarchical_precision_score(names[codes], scores, k=3, labels=names, synsets=partly)
    assert got == expected


SCORES = np.eye(3)
ANIMALS = ["bear", "cat", "dog"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"k": 4}, ValueError, "k=4 is more than the 3 candidate labels"),
        ({"k": 0}, ValueError, "k must be an integer of at least 1, got 0"),
        ({"y_score": SCORES * np.nan}, ValueError, "NaN or infinity in 3 of 3 rows"),
        ({"y_true": [], "y_score": SCORES[:0]}, ValueError, "y_true is empty"),
        ({"y_true": ["wugs"] * 3}, UnknownLabelError, "no noun synset for 1 of 4 labels .'wugs'"),
        ({"labels": ["bear", "wug", "dog"]}, UnknownLabelError, r"\('wug'\).*Give such a label"),
        (
            {"y_true": [0, 1, 2], "labels": [0, 1, 2]},
            ValueError,
            r"3 labels are not class names \(such as 0\).*Pass synsets=",
        ),
        (
            {"synsets": {"bear": "bear.n.99"}},
            ValueError,
            "'bear.n.99' for 'bear', which is not a noun",
        ),
        ({"synsets": {"cat": None}}, ValueError, "synsets has None for 'cat', which is not a noun"),
        (
            {"synsets": {0: "cat.n.01"}},
            ValueError,
            "names none of the 3 labels .*such as 'bear'.* 0",
        ),
        (
            {"y_true": [0, 1, 2], "labels": [0, 1, 2], "synsets": {1: "cat.n.01"}},
            ValueError,
            r"2 labels are not class names \(such as 0\), and synsets lacks them. Pass synsets=",
        ),
        ({"synsets": ["bear.n.01"]}, TypeError, r"synsets must map labels.*Pass a dict"),
        ({"average": "none"}, ValueError, "average must be one of 'macro', 'micro'"),
    ],
)
def test_bad_input_says_what_to_do(changes, error, message):
    given = {"y_true": ANIMALS, "y_score": SCORES, "labels": ANIMALS, "k": 2, **changes}
    with pytest.raises(error, match=f"hierarchical_precision_score.*{message}"):
        hierarchical_precision_score(**given)


def test_the_scorer_takes_labels_as_names():
    class Model:
        classes_ = NAMES[:6]

        def decision_function(self, X):
            return X

    X = np.random.default_rng(0).normal(size=(9, 6))
    got = SCORERS["hierarchical_precision_at_5"](Model(), X, NAMES[:3].repeat(3))
    expected = hierarchical_precision_score(NAMES[:3].repeat(3), X, k=5, labels=NAMES[:6])
    assert got == expected


def test_the_scorer_takes_synsets():
    class Model:
        classes_ = np.arange(6)

        def decision_function(self, X):
            return X

    X, y = np.random.default_rng(0).normal(size=(9, 6)), np.arange(3).repeat([5, 3, 1])
    synsets = {code: SYNSETS[name] for code, name in enumerate(NAMES[:6].tolist())}
    scorer = SCORERS["hierarchical_precision_at_5"]
    with pytest.raises(
        ValueError,
        match=r"SCORERS\['hier.*Take SCORERS\['hierarchical_precision_at_5'"
        r"\].with_options\(synsets=...\) with the wnid",
    ):
        scorer(Model(), X, y)
    for average in ("macro", "micro"):
        got = scorer.with_options(synsets=synsets, average=average)(Model(), X, y)
        given = {"k": 5, "labels": np.arange(6), "synsets": synsets, "average": average}
        assert got == hierarchical_precision_score(y, X, **given)
