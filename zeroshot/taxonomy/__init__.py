"""The noun graph of WordNet 3.0: look-up, ancestors, relations, and class names to synsets.

The 82,115 noun synsets ship with the package as arrays, with WordNet's licence beside them
(``data/wordnet_license.txt``): neither nltk nor a download is needed.
"""

from __future__ import annotations

from zeroshot.taxonomy._class_synsets import class_synsets
from zeroshot.taxonomy._relations import relation, relations
from zeroshot.taxonomy._resolve import Choice, Resolution, resolve
from zeroshot.taxonomy._synset import Synset, synset, synsets

__all__ = [
    "Choice",
    "Resolution",
    "Synset",
    "class_synsets",
    "relation",
    "relations",
    "resolve",
    "synset",
    "synsets",
]
