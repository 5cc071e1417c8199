"""Arithmetic with photos and words: a photo of a cello - "piano" + "pianist" = "cellist".

    ZEROSHOT_DATA=FOLDER python studies/analogy.py [--preset tiny]

The folder holds ``imagenet-photos``. A photo's vector is what ConSE predicts from the ImageNet head
of the default network, without training; the answer is the nearest of the nouns among the 50,000
most frequent words, none of the two words given. Beside it stand the controls: the two words
without the photo, the photo without the words, and the photo's true name in place of the photo,
which is as much as the word vectors know. Of the two relations they know one, and hardly the other.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from zeroshot import (
    ConSEClassifier,
    TimmFeatures,
    WordVectors,
    nearest_labels,
    vocabulary_words,
)
from zeroshot.datasets._fetch import resolve_data_home

TOP = 5


class Relation(NamedTuple):
    """From one word to another, and what that should make of photos: name to right answers."""

    less: str
    more: str
    photos: dict[str, str]


RELATIONS = (
    Relation(
        "piano",
        "pianist",
        {
            "cello": "cellist violoncellist",
            "acoustic_guitar": "guitarist",
            "electric_guitar": "guitarist",
            "sax": "saxophonist saxist",
            "flute": "flutist flautist",
            "harp": "harpist harper",
            "French_horn": "hornist",
            "banjo": "banjoist",
            "bassoon": "bassoonist",
            "marimba": "percussionist",
            "steel_drum": "drummer percussionist",
        },
    ),
    Relation(
        "dog",
        "puppy",
        {
            "Siamese_cat": "kitten",
            "tiger": "cub",
            "tiger_cat": "kitten",
            "leopard": "cub",
            "jaguar": "cub",
            "cougar": "cub",
            "brown_bear": "cub",
            "ice_bear": "cub",
            "giant_panda": "cub",
            "African_elephant": "calf",
            "hippopotamus": "calf",
            "killer_whale": "calf",
            "water_buffalo": "calf",
            "ram": "lamb",
            "ibex": "kid",
            "hen": "chick",
            "black_swan": "cygnet",
            "wild_boar": "piglet",
            "wallaby": "joey",
        },
    ),
)
PRESETS = {"tiny": (2, 10_000), "full": (None, 50_000)}


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Print the answers and how many are right, and return the latter by relation and row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", choices=tuple(PRESETS), default="full")
    n_photos, n_words = PRESETS[parser.parse_args(arguments).preset]
    home = resolve_data_home(None) / "imagenet-photos"
    backbone = TimmFeatures().fit()
    glove = WordVectors()
    nouns = vocabulary_words(
        glove, n_most_frequent=n_words, part_of_speech="noun", stop_words="english", min_length=3
    )
    model = ConSEClassifier(backbone.source_head_, glove, candidates=nouns).fit()
    results = {}
    for relation in RELATIONS:
        answers = dict(list(relation.photos.items())[:n_photos])
        paths = [str(next(home.glob(f"*_{name}.jpg"))) for name in answers]
        photos = unit(model.transform(backbone.transform(paths)))
        results[f"{relation.less} -> {relation.more}"] = compare(model, relation, answers, photos)
    return results


def compare(
    model: ConSEClassifier, relation: Relation, answers: dict[str, str], photos: np.ndarray
) -> dict[str, float]:
    """Print the answers for each photo, and return the share of right ones for each row."""
    less, more = vectors_of(model, [relation.less, relation.more])
    step = more - less
    names = vectors_of(model, [name.replace("_", " ") for name in answers])
    given = {relation.less, relation.more}
    found = {
        f"photo - {relation.less} + {relation.more}": nearest(model, photos + step, given),
        "control: the words alone": nearest(model, np.tile(step, (len(photos), 1)), given),
        "control: the photo alone": nearest(model, photos, given),
        "the true name for the photo": nearest(model, names + step, given),
    }
    first, words, *_ = found
    print(f"\n{'photo':<18}{'the photo alone':<34}{first}")
    for row, name in enumerate(answers):
        plain = " ".join(found["control: the photo alone"][row][:3])
        print(f"{name:<18}{plain:<34}{' '.join(found[first][row])}")
    print(f"{'the words alone':<52}{' '.join(found[words][0])}")
    print(f"{f'right among {len(answers)} photos':<34}{'first':>8}{f'top {TOP}':>8}")
    shares = {}
    for row_name, rows in found.items():
        ranks = [
            next((rank for rank, word in enumerate(row) if word in right.split()), TOP)
            for row, right in zip(rows, answers.values(), strict=True)
        ]
        shares[row_name] = float(np.mean(np.array(ranks) < TOP))
        print(f"{row_name:<34}{np.mean(np.array(ranks) == 0):8.2f}{shares[row_name]:8.2f}")
    return shares


def vectors_of(model: ConSEClassifier, labels: list[str]) -> np.ndarray:
    """Return unit vectors of labels in the space that the model predicts in."""
    view = model.with_candidates(labels)
    return view.class_vectors_[np.searchsorted(view.classes_, labels)]


def nearest(model: ConSEClassifier, vectors: np.ndarray, given: set[str]) -> list[list[str]]:
    """Return the nearest candidates of each vector, the words given left out."""
    vocabulary = (model.classes_, model.class_vectors_)
    labels, _ = nearest_labels(vectors, vocabulary, TOP + len(given))
    return [[word for word in row if word not in given][:TOP] for row in labels.tolist()]


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows at unit length."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
