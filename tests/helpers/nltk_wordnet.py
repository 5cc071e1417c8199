"""nltk's reader on the files of Debian's WordNet, opened once a process."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest

WORDNET = Path("/usr/share/wordnet")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "wordnet.py"


@cache
def open_nltk_wordnet() -> Any:
    """Return the reader; skip the test where there are no files."""
    if not (WORDNET / "data.noun").is_file():
        pytest.skip(f"{WORDNET} holds no WordNet: apt-get install wordnet-base")
    spec = importlib.util.spec_from_file_location("wordnet_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wordnet = module.open_nltk(WORDNET)
    # nltk reads the head of a file for it in every comparison: four fifths of the time.
    wordnet.get_version = cache(wordnet.get_version)
    return wordnet
