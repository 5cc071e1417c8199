"""The noun graph against WordNet's own files read by nltk, and class names to synsets."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from nltk_wordnet import WORDNET, open_nltk_wordnet

from zeroshot.datasets import class_names
from zeroshot.datasets._class_names import _table
from zeroshot.exceptions import UnknownLabelError
from zeroshot.taxonomy import (
    Synset,
    class_synsets,
    relation,
    relations,
    resolve,
    synset,
    synsets,
)
from zeroshot.taxonomy._distances import ancestor_pairs, information_gains, intrinsic_information
from zeroshot.taxonomy._graph import noun_graph

ROOT = Path(__file__).parents[2]


def load_script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def oracle() -> Any:
    """Return nltk's reader on Debian's files."""
    return open_nltk_wordnet()


def as_oracle(oracle: Any, item: Synset) -> Any:
    return oracle.synset_from_pos_and_offset("n", item.offset)


@pytest.fixture(scope="module")
def sample() -> list[Synset]:
    """Return 3,000 random synsets."""
    rng = np.random.default_rng(0)
    return [Synset(int(node)) for node in rng.choice(len(noun_graph()), 3000, replace=False)]


def test_the_graph_is_whole_and_small() -> None:
    graph = noun_graph()
    assert len(graph) == 82_115
    assert len(graph.lemmas) == 117_798
    assert len(graph.synset_lemmas) == 146_312
    assert list(graph.lemmas) == sorted(graph.lemmas)
    data = ROOT / "zeroshot/taxonomy/data"
    assert (data / "noun_graph.npz").stat().st_size <= 1.5e6
    assert "WordNet 3.0 Copyright 2006" in (data / "wordnet_license.txt").read_text("utf-8")


def test_depths_and_descendants_follow_from_the_parents() -> None:
    graph = noun_graph()
    child = np.repeat(np.arange(len(graph)), np.diff(graph.parent_starts))
    low, high = graph.min_depths.astype(int), graph.max_depths.astype(int)
    lowest, highest = np.full(len(graph), 99), np.full(len(graph), -1)
    np.minimum.at(lowest, child, low[graph.parents])
    np.maximum.at(highest, child, high[graph.parents])
    (root,) = np.flatnonzero(np.diff(graph.parent_starts) == 0)
    assert Synset(int(root)).name == "entity.n.01"
    lowest[root] = -1
    np.testing.assert_array_equal(low, lowest + 1)
    np.testing.assert_array_equal(high, highest + 1)
    rows, above, _ = ancestor_pairs(np.arange(len(graph)))
    counts = np.bincount(above[rows != above], minlength=len(graph))
    np.testing.assert_array_equal(graph.n_descendants, counts)


def test_names_lemmas_and_parents_are_those_of_nltk(oracle: Any, sample: list[Synset]) -> None:
    for ours in sample:
        theirs = as_oracle(oracle, ours)
        assert ours.name == theirs.name()
        # nltk lists a lemma twice that is written in two ways
        lemmas = {name.lower(): name for name in reversed(theirs.lemma_names())}
        assert ours.lemmas == tuple(dict.fromkeys(lemmas[n.lower()] for n in theirs.lemma_names()))
        parents = theirs.hypernyms() + theirs.instance_hypernyms()
        assert {s.offset for s in ours.hypernyms} == {s.offset() for s in parents}
        assert ours.is_instance == bool(theirs.instance_hypernyms())


def test_neighbours_depths_and_ancestors_are_those_of_nltk(
    oracle: Any, sample: list[Synset]
) -> None:
    for ours in sample[:1000]:
        theirs = as_oracle(oracle, ours)
        below = theirs.hyponyms() + theirs.instance_hyponyms()
        assert {s.offset for s in ours.hyponyms} == {s.offset() for s in below}
        assert (ours.min_depth, ours.max_depth) == (theirs.min_depth(), theirs.max_depth())
        assert {s.offset for s in ours.ancestors} | {ours.offset} == {
            s.offset() for s in theirs.common_hypernyms(theirs)
        }


def test_distances_are_those_of_nltk(oracle: Any, sample: list[Synset]) -> None:
    for first, second in zip(sample[:200], sample[200:400], strict=True):
        theirs = as_oracle(oracle, first).shortest_path_distance(as_oracle(oracle, second))
        assert first.distance(second) == theirs == second.distance(first)
        assert first.distance(first) == 0


def test_senses_of_all_lemmas_come_in_the_order_of_nltk(oracle: Any) -> None:
    for lemma in noun_graph().lemmas[::17]:
        ours = [s.offset for s in synsets(lemma)]
        theirs = [s.offset() for s in oracle.synsets(lemma, "n")]
        # nltk names a sense twice that the word has both as it is and as a plural
        assert ours == list(dict.fromkeys(theirs)), lemma


@pytest.mark.parametrize(
    "plural", ["dogs", "wolves", "mice", "churches", "boxes", "glasses", "firemen", "abaci", "news"]
)
def test_plurals_are_read_as_nltk_reads_them(oracle: Any, plural: str) -> None:
    assert [s.offset for s in synsets(plural)] == [s.offset() for s in oracle.synsets(plural, "n")]


def test_the_build_script_gives_the_shipped_arrays(
    oracle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = load_script("tools/build_noun_graph.py")
    shipped = tool.TARGET
    monkeypatch.setattr(tool, "TARGET", tmp_path / shipped.name)
    monkeypatch.setattr(sys, "argv", ["build_noun_graph.py", str(WORDNET)])
    tool.main()
    with np.load(shipped) as one, np.load(tool.TARGET) as other:
        assert set(one.files) == set(other.files)
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
    licence = "wordnet_license.txt"
    assert (tmp_path / licence).read_bytes() == shipped.with_name(licence).read_bytes()


def test_a_synset_is_found_by_wnid_name_and_lemma() -> None:
    dog = synset("n02084071")
    assert dog == synset("dog.n.01") == synset("Canis_familiaris.n.01") == synsets("dog")[0]
    assert (dog.wnid, dog.name, dog.offset) == ("n02084071", "dog.n.01", 2084071)
    assert dog.lemmas == ("dog", "domestic_dog", "Canis_familiaris")
    assert synset(dog) is dog
    assert dog != synset("cat.n.01")
    assert dog != "dog.n.01"
    assert sorted([dog, synset("cat.n.01")])[0].name == "cat.n.01"


def test_names_with_dots_are_names() -> None:
    assert synset("st._bruno.n.01").lemmas[-1] == "St._Bruno"
    assert ".22" in synset(".22.n.01").lemmas


def test_a_synset_cannot_be_changed_and_survives_copies() -> None:
    dog = synset("dog.n.01")
    with pytest.raises(AttributeError, match="cannot be changed"):
        dog.node = 3
    assert pickle.loads(pickle.dumps(dog)) == dog
    assert copy.deepcopy(dog) == dog
    assert {dog, synset("n02084071")} == {dog}
    assert repr(dog) == "Synset('dog.n.01')"


@pytest.mark.parametrize("node", [-1, 82_115])
def test_a_node_that_is_not_there(node: int) -> None:
    with pytest.raises(ValueError, match="node must be from 0 to 82114"):
        Synset(node)


@pytest.mark.parametrize(
    ("identifier", "near"),
    [
        ("n99999999", ""),
        ("dog.n.99", "Did you mean, for 'dog.n.99': 'dog.n.01'"),
        ("doog.n.01", "dog.n.01"),
        ("dog", "'dog.n.01', 'dog.n.02'"),
        ("pickup truck", "pickup_truck.n.01"),
        ("girafe", "giraffe.n.01"),
        ("dog.v.01", ""),
        ("", ""),
    ],
)
def test_an_unknown_identifier_says_so(identifier: str, near: str) -> None:
    with pytest.raises(UnknownLabelError, match="WordNet 3.0 has no noun synset for") as error:
        synset(identifier)
    assert near in str(error.value)
    assert "'n02084071'" in str(error.value)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_an_unknown_lemma_says_what_is_near() -> None:
    with pytest.raises(UnknownLabelError, match=r"no noun synset .*'giraffe'.*another word"):
        synsets("girafe")


@pytest.mark.parametrize("look_up", [synset, synsets])
def test_what_is_no_string_says_so(look_up: Any) -> None:
    with pytest.raises(TypeError, match="must be a string such as"):
        look_up(2084071)


def test_distance_to_what_is_no_synset() -> None:
    with pytest.raises(TypeError, match="other must be a Synset"):
        synset("dog.n.01").distance("cat.n.01")  # type: ignore[arg-type]


def test_relations_are_tested_in_order() -> None:
    sources = ["feline.n.01", "domestic_cat.n.01", "beagle.n.01"]
    targets = ["domestic_cat.n.01", "tabby.n.01", "feline.n.01", "dog.n.01", "oboe.n.01"]
    # the cat is a source, below a source, and above none: "same" comes first
    expected = ["same", "included", "same", "inclusive", "disjoint"]
    assert relations(targets, sources).tolist() == expected
    assert [relation(target, sources) for target in targets] == expected
    # below one source and above another
    assert relation("domestic_cat.n.01", ["feline.n.01", "tabby.n.01"]) == "included"


def test_relations_to_what_is_no_list_or_empty() -> None:
    dog = synset("dog.n.01")
    with pytest.raises(TypeError, match=r"sources must be a list .* Write \[Synset\('dog"):
        relation(dog, dog)
    with pytest.raises(TypeError, match="relations: sources must be a list or 1-D array"):
        relation("dog", None)
    with pytest.raises(ValueError, match="relations: sources is empty. Name at least one"):
        relation("dog", [])
    with pytest.raises(UnknownLabelError, match=r"relations has .* for 1 of 2 sources \('girafe'"):
        relation("dog", ["cat", "girafe"])
    assert relations([], ["dog"]).shape == (0,)
    assert relations(iter(["dog"]), iter(["beagle"])).tolist() == ["inclusive"]


def test_relations_against_a_naive_reference() -> None:
    rng = np.random.default_rng(1)
    animals = [s for s in _below(synset("carnivore.n.01"))]
    targets = [animals[i] for i in rng.choice(len(animals), 120, replace=False)]
    sources = [animals[i] for i in rng.choice(len(animals), 25, replace=False)]
    expected = []
    for target in targets:
        if target in sources:
            expected.append("same")
        elif target.ancestors & set(sources):
            expected.append("included")
        elif any(target in source.ancestors for source in sources):
            expected.append("inclusive")
        else:
            expected.append("disjoint")
    assert set(expected) == {"same", "included", "inclusive", "disjoint"}
    assert relations(targets, sources).tolist() == expected


def _below(top: Synset) -> list[Synset]:
    found, front = [], [top]
    while front:
        found += front
        front = [child for item in front for child in item.hyponyms]
    return list(dict.fromkeys(found))


def test_intrinsic_information_is_secos() -> None:
    dog = synset("dog.n.01")
    expected = 1 - np.log(len(_below(dog))) / np.log(82_115)
    nodes = np.array([dog.node, synset("entity.n.01").node, synset("beagle.n.01").node])
    np.testing.assert_allclose(intrinsic_information(nodes), [expected, 0, 1], atol=1e-15)


def test_information_gains_add_up_along_a_chain() -> None:
    node, total = synset("sorrel.n.05"), 0.0
    while node.hypernyms:
        assert len(node.hypernyms) == 1
        total += information_gains(np.array([node.node]))[0]
        node = node.hypernyms[0]
    assert total == pytest.approx(intrinsic_information(np.array([synset("sorrel.n.05").node]))[0])


@pytest.mark.parametrize(
    ("label", "name", "rule"),
    [
        ("n02084071", "dog.n.01", "identifier"),
        ("dog.n.03", "dog.n.03", "identifier"),
        ("pickup_truck", "pickup.n.01", "only sense"),
        ("pickup truck", "pickup.n.01", "only sense"),
        ("PickupTruck", "pickup.n.01", "only sense"),
        ("pickup trucks", "pickup.n.01", "only sense"),
        ("lawnmower", "lawn_mower.n.01", "only sense"),
        ("ladybird beetle", "ladybug.n.01", "only sense"),
        ("T-shirt", "jersey.n.03", "only sense"),
        ("t shirt", "jersey.n.03", "only sense"),
        ("bicycles", "bicycle.n.01", "only sense"),
        ("field mice", "vole.n.01", "most frequent sense"),
        ("chair", "chair.n.01", "most frequent sense"),
        ("drake", "drake.n.02", "most frequent sense"),
        ("tench, Tinca tinca", "tench.n.01", "only sense"),
        ("aquarium_fish", "fish.n.01", "head word"),
        ("maple_tree", "maple.n.02", "kind of the head word"),
        ("crane (bird)", "crane.n.05", "nearest to context"),
        ("crane (machine)", "crane.n.04", "nearest to context"),
        ("café", "cafe.n.01", "only sense"),
    ],
)
def test_names_are_resolved_by_the_rule(label: str, name: str, rule: str) -> None:
    (choice,) = resolve([label])
    assert (choice.synset.name, choice.rule) == (name, rule)
    assert choice.label == label


def test_synonyms_settle_which_sense_is_meant() -> None:
    alone, with_synonym = resolve(["boxer", "drum, membranophone"])
    assert alone.rule == "most frequent sense"
    assert with_synonym.rule == "shared by synonyms"
    assert with_synonym.synset.name == "drum.n.01"
    assert resolve(["missile"])[0].synset != resolve(["projectile, missile"])[0].synset


def test_context_makes_a_crane_a_bird_or_a_machine() -> None:
    birds, machines = ["heron", "stork", "flamingo"], ["bulldozer", "excavator", "forklift"]
    assert resolve(["crane", *birds], context="labels")[0].synset.name == "crane.n.05"
    assert resolve(["crane", *machines], context="labels")[0].synset.name == "crane.n.04"
    (choice,) = resolve(["crane"], context=birds)
    assert (choice.synset.name, choice.rule) == ("crane.n.05", "nearest to context")
    assert choice.n_senses == 5
    # the label itself is no context for itself
    assert resolve(["crane"], context=["crane", *machines])[0].synset.name == "crane.n.04"


def test_context_without_other_names_changes_nothing() -> None:
    assert resolve(["crane"], context="labels").wnids == resolve(["crane"], context=[]).wnids
    assert resolve(["crane"], context=[]).wnids == resolve(["crane"]).wnids


def test_context_halves_the_errors_of_the_most_frequent_sense() -> None:
    wrong = {None: 0, "labels": 0}
    for dataset in ("cifar100", "tiny_imagenet", "imagenet1k"):
        table = class_synsets(dataset)
        names = [name.partition(" (crane.n")[0] for name in table]
        for context in wrong:
            found = resolve(names, context=context).wnids
            wrong[context] += sum(a != b for a, b in zip(found, table.values(), strict=True))
    assert wrong[None] <= 165
    assert wrong["labels"] <= 80


def test_a_resolution_is_a_sequence_that_prints() -> None:
    resolution = resolve(["dog", "oboe"])
    assert len(resolution) == 2
    assert resolution.wnids == ["n02084071", "n03838899"]
    assert resolution[1:].synsets == [synset("oboe.n.01")]
    assert str(resolution).split("\n")[1].split()[:3] == ["dog", "dog.n.01", "n02084071"]
    assert repr(resolution) == "Resolution(2 labels)"


def test_labels_without_a_noun_are_all_named_with_near_matches() -> None:
    with pytest.raises(UnknownLabelError) as error:
        resolve(["dog", "girafe", "xyzzyx", "n00000001"])
    message = str(error.value)
    assert "no noun synset for 3 of 4 labels ('girafe', 'xyzzyx', 'n00000001')" in message
    assert "'giraffe'" in message
    assert "wnid" in message


@pytest.mark.parametrize("labels", [["!"], [""], [","], ["()"]])
def test_labels_without_a_word_are_unknown(labels: list[str]) -> None:
    with pytest.raises(UnknownLabelError, match="no noun synset"):
        resolve(labels)


def test_labels_that_are_no_names() -> None:
    for numbers in ([1, 2], np.array([1, 2]), [1.0, 2.0]):
        with pytest.raises(UnknownLabelError, match=r"for 2 of 2 labels \(1, 2\)\. Numbers name"):
            resolve(numbers)
    with pytest.raises(UnknownLabelError, match=r"for 1 of 2 labels \(1\)\. Numbers name nothing"):
        resolve(["dog", 1])
    with pytest.raises(TypeError, match=r"Write \['dog'\]"):
        resolve("dog")
    with pytest.raises(ValueError, match="context must be None, 'labels' or a list"):
        resolve(["dog"], context="birds")


def test_class_synsets_cover_the_class_names() -> None:
    cifar = class_synsets("cifar100")
    assert list(cifar) == class_names("cifar100")
    assert len(set(cifar.values())) == 100
    for wnid in cifar.values():
        synset(wnid)
    assert class_synsets("tiny_imagenet") == _table()["tiny_imagenet"]
    cifar["apple"] = "changed"
    assert class_synsets("cifar100")["apple"] == "n07739125"


@pytest.mark.parametrize(
    ("superclass", "top"),
    [
        ("aquatic_mammals", "mammal.n.01"),
        ("fish", "fish.n.01"),
        ("flowers", "plant.n.02"),
        ("food_containers", "artifact.n.01"),
        ("fruit_and_vegetables", "food.n.02"),
        ("household_electrical_devices", "instrumentality.n.03"),
        ("household_furniture", "furniture.n.01"),
        ("insects", "arthropod.n.01"),
        ("large_carnivores", "carnivore.n.01"),
        ("large_omnivores_and_herbivores", "mammal.n.01"),
        ("medium_mammals", "mammal.n.01"),
        ("non-insect_invertebrates", "invertebrate.n.01"),
        ("people", "person.n.01"),
        ("reptiles", "reptile.n.01"),
        ("small_mammals", "mammal.n.01"),
        ("trees", "tree.n.01"),
        ("vehicles_1", "conveyance.n.03"),
        ("vehicles_2", "artifact.n.01"),
    ],
)
def test_cifar_synsets_lie_where_their_superclass_does(superclass: str, top: str) -> None:
    coarse = _table()["cifar100"]
    for name, wnid in class_synsets("cifar100").items():
        if coarse[name] == superclass:
            found = synset(wnid)
            # WordNet counts a caterpillar as a larva, which is an animal but no insect
            above = "animal.n.01" if name == "caterpillar" else top
            assert synset(above) in found.ancestors | {found}, name


def test_imagenet_synsets_are_timms_and_names_differ() -> None:
    table = class_synsets("imagenet1k")
    assert len(table) == len(set(table.values())) == 1000
    assert table["tench, Tinca tinca"] == "n01440764"
    assert table["crane (crane.n.05)"] == "n02012849"
    assert list(table.values())[134] == "n02012849"
    for wnid in table.values():
        assert synset(wnid).wnid == wnid


def test_an_unknown_dataset_says_which_there_are() -> None:
    with pytest.raises(ValueError, match=r"dataset must be one of 'cifar100', 'imagenet1k'"):
        class_synsets("mnist")


def test_the_code_of_the_document_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/taxonomy.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "docs/taxonomy.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "included\n" in printed
    assert "n01495701\n" in printed
    assert "crane.n.05" in printed


def test_importing_the_taxonomy_needs_numpy_alone_and_look_up_is_quick() -> None:
    code = (
        "import sys, numpy, time; import zeroshot.taxonomy as t;"
        "start = time.process_time(); t.synset('dog.n.01'); t.synsets('cranes');"
        "print(time.process_time() - start);"
        "print([m for m in ('torch', 'timm', 'nltk', 'gensim', 'sklearn', 'scipy') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seconds, modules = done.stdout.split("\n")[:2]
    assert modules == "[]"
    assert float(seconds) < 0.5  # 0.1 on a quiet machine
