"""Print which share of a data set's class names each label embedding reads.

    python tools/label_coverage.py [--format json]

The lists in the spelling of AWA2, CUB, SUN and Stanford Dogs are in ``tests/data/labels``, those of
ImageNet-1k, CIFAR-100 and Tiny ImageNet come with the package. "words" is the share of labels with
a word vector, "all words" of those of which every word has one, "WordNet" of those with a noun
synset, and "whole" of those that WordNet has by their whole name, not by the last words alone.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

from zeroshot import LabelEmbedding, SentenceEmbedding, WordNetEmbedding, WordVectors
from zeroshot.exceptions import LabelWarning, UnknownLabelError
from zeroshot.taxonomy import class_synsets, resolve

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "labels"
PUBLISHED = {"CIFAR-100": "cifar100", "ImageNet-1k": "imagenet1k", "Tiny ImageNet": "tiny_imagenet"}
WHOLE = ("identifier", "only sense", "most frequent sense", "shared by synonyms")
COLUMNS = ("labels", "words", "all words", "WordNet", "whole", "sentences", "warned of")


def label_lists() -> dict[str, list[str]]:
    """Return name -> class names as the data set spells them."""
    lists = {}
    for path in sorted(FOLDER.glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        lists[path.stem] = [line for line in lines if line and not line.startswith("#")]
    return lists | {name: list(class_synsets(key)) for name, key in PUBLISHED.items()}


def coverage(labels: list[str], embeddings: dict[str, LabelEmbedding]) -> dict[str, float]:
    """Return the shares of the columns."""
    shares = {name: embedding.covers(labels).mean() for name, embedding in embeddings.items()}
    exact = WordVectors(missing_words="raise")
    warned = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)
        whole = [_passes(lambda x: resolve([x])[0].rule in WHOLE, label) for label in labels]
        spelled = [_passes(lambda x: exact.embed([x]) is not None, label) for label in labels]
    for label in labels:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", LabelWarning)
            _passes(lambda x: embeddings["words"].embed([x]) is not None, label)
        warned += bool(caught)
    n = len(labels)
    counted = {"all words": sum(spelled) / n, "whole": sum(whole) / n, "warned of": warned / n}
    values = {"labels": n, **shares, **counted}
    return {column: float(values[column]) for column in COLUMNS}


def _passes(test, label: str) -> bool:
    try:
        return bool(test(label))
    except UnknownLabelError:
        return False


def main() -> None:
    """Print one line per list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", choices=("table", "json"), default="table")
    args = parser.parse_args()
    embeddings = {
        "words": WordVectors(),
        "WordNet": WordNetEmbedding(vocabulary=["dog", "cat"]),
        "sentences": SentenceEmbedding(),
    }
    table = {name: coverage(labels, embeddings) for name, labels in label_lists().items()}
    if args.format == "json":
        print(json.dumps(table, indent=1))
        return
    print(f"{'':20}" + "".join(f"{column:>11}" for column in COLUMNS))
    for name, shares in table.items():
        cells = [f"{shares['labels']:.0f}", *(f"{shares[column]:.3f}" for column in COLUMNS[1:])]
        print(f"{name:20}" + "".join(f"{cell:>11}" for cell in cells))


if __name__ == "__main__":
    main()
