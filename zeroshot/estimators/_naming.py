"""What the classes of two heads are called: by images and word vectors, and in the taxonomy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zeroshot._validation import check_label_list, check_labels, check_same_kind
from zeroshot.backbones import SourceHead
from zeroshot.estimators._measuring import Names
from zeroshot.exceptions import UnknownLabelError
from zeroshot.similarity import MixtureSimilarity, WordNetSimilarity
from zeroshot.similarity._wordnet import replace_names
from zeroshot.taxonomy import Synset
from zeroshot.taxonomy._resolve import nodes_of


def check_candidate_list(candidates: Any, *, owner: str, name: str) -> None:
    """Raise unless `candidates` is None or a list of distinct labels."""
    if candidates is not None:
        check_label_list(candidates, owner=owner, name=name)


def check_candidates(candidates: Any, labels: np.ndarray, *, owner: str) -> np.ndarray:
    """Return the sorted candidates.

    Raises
    ------
    ValueError
        They do not cover the distinct `labels` of y, are of another type, or stand there twice.
    """
    candidates = check_labels(candidates, owner=owner, name="candidates")
    check_same_kind(candidates, labels, owner=owner, names=("candidates", "y"))
    extra = np.setdiff1d(labels, candidates).tolist()
    if extra:
        raise ValueError(
            f"{owner}: y holds {len(extra)} labels that candidates lacks "
            f"({', '.join(map(repr, extra[:10]))}). Add them, or leave their images out."
        )
    return np.sort(candidates)


def check_synset_names(synsets: Any, *, owner: str, name: str = "synsets") -> None:
    """Raise unless `synsets` is None or a dict from labels to what may name a synset.

    Raises
    ------
    TypeError, ValueError
        It is neither.
    """
    if synsets is None:
        return
    if not isinstance(synsets, Mapping):
        raise ValueError(f"{owner}: {name} must be a dict from labels to wnids, got {synsets!r}.")
    for label, value in synsets.items():
        if not isinstance(value, (str, Synset)):
            raise TypeError(
                f"{owner}: {name} must give wnids, nltk names or Synset objects, got {value!r} "
                f"for {label!r}. Pass {name}={{{label!r}: 'n02084071'}}, for example."
            )


def check_synsets(synsets: Any, *, owner: str) -> dict[Any, str]:
    """Return the wnids that labels are said to stand for.

    Raises
    ------
    ValueError
        `synsets` is no mapping.
    TypeError
        A value is no wnid, nltk name or synset.
    UnknownLabelError
        A value is that of no noun synset.
    """
    check_synset_names(synsets, owner=owner)
    if synsets is None:
        return {}
    nodes = nodes_of(synsets.values(), owner=owner, name="values of synsets")
    return {label: Synset(node).wnid for label, node in zip(synsets, nodes.tolist(), strict=True)}


def name_classes(targets: np.ndarray, source: SourceHead, synsets: Any, *, owner: str) -> Names:
    """Return what target and source classes are called.

    Parameters
    ----------
    targets : ndarray of shape (n_targets,)
        Their labels.
    source : SourceHead
        Its wnids, if it has any, say what its classes are; else its labels do.
    synsets : mapping of label to str or Synset, or None
        What the target labels stand for. Others are looked up by name; numbers have none.
    owner : str
        Whose parameters they are, for the messages.

    Raises
    ------
    UnknownLabelError
        A value of `synsets` or a wnid of `source` is that of no noun synset.
    """
    given = check_synsets(synsets, owner=owner)
    in_taxonomy = np.array([given.get(label, label) for label in targets.tolist()], dtype=object)
    if source.wnids is None:
        return Names(targets, source.labels, in_taxonomy, source.labels)
    nodes_of(source.wnids, owner=owner, name="source.wnids")
    return Names(targets, source.labels, in_taxonomy, source.wnids)


def taxonomy_names(names: Names, similarity: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and sources as a `WordNetSimilarity` takes them, by its own overrides.

    In a mixture of several, the first one's overrides count; any other similarity has none.
    """
    overrides = _overrides(similarity)
    both = (names.target_synsets, names.source_synsets)
    targets, sources = (replace_names(items.tolist(), overrides) for items in both)
    return np.array(targets, dtype=object), np.array(sources, dtype=object)


def _overrides(similarity: Any) -> Mapping[str, str] | None:
    if isinstance(similarity, WordNetSimilarity):
        return similarity.overrides
    if isinstance(similarity, MixtureSimilarity):
        found = (_overrides(part) for part, _ in similarity.similarities)
        return next((overrides for overrides in found if overrides is not None), None)
    return None


def with_remedy(error: UnknownLabelError, *, owner: str) -> UnknownLabelError:
    """Return an error of `WordNetSimilarity` with what can be done about it where it is used."""
    if error.owner != "WordNetSimilarity":
        return error
    remedy = f"Say what it is: {owner}(..., synsets={{{error.labels[0]!r}: 'n02084071'}})."
    if error.name == "sources":
        remedy = "Say what the source classes are: SourceHead(..., wnids=[...])."
    return error.replace(remedy=remedy)
