"""What label embeddings by a text network share: labels to prompts, and prompts to one vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zeroshot._utils._arrays import unit_rows
from zeroshot.exceptions import UnknownLabelError
from zeroshot.label_embeddings._base import Label, LabelEmbedding
from zeroshot.label_embeddings._label_text import label_words

DEFAULT_TEMPLATES = ("a photo of a {}.",)


class PromptEmbedding(LabelEmbedding):
    """Interface of the label embeddings that put a label into sentences and embed these.

    A subclass encodes texts in ``_encode``; templates and synonyms are averaged here, once.

    Parameters
    ----------
    templates : str or sequence of str
        Each with one ``{}`` for the label.
    overrides : mapping of label to label, optional
        What to embed instead of a label.
    """

    def __init__(
        self, templates: str | Sequence[str], overrides: Mapping[Any, Label] | None
    ) -> None:
        super().__init__(overrides=overrides)
        self._templates = check_templates(templates, owner=type(self).__name__)

    @abstractmethod
    def _encode(self, texts: list[str]) -> np.ndarray:
        """Return the network's vector of each text, (n_texts, n_dims)."""

    @property
    def templates(self) -> tuple[str, ...]:
        """The sentences that labels are put into."""
        return self._templates

    def _embed(self, labels: list[Label]) -> np.ndarray:
        texts = [synonym_texts(label) for label in labels]
        unknown = [label for label, own in zip(labels, texts, strict=True) if not own]
        if unknown:
            raise UnknownLabelError(
                unknown,
                len(labels),
                owner=type(self).__name__,
                remedy="Integers and signs have no words: pass names, or overrides={3: 'cat'} to "
                "say what they mean.",
            )
        return average_prompts(self._encode, texts, self._templates)

    def _covers(self, labels: list[Label]) -> np.ndarray:
        return np.array([bool(synonym_texts(label)) for label in labels], dtype=bool)


def synonym_texts(label: Label) -> list[str]:
    """Return the text of each synonym of a label, its words in lower case with spaces between.

    Examples
    --------
    >>> from zeroshot.label_embeddings._prompts import synonym_texts
    >>> synonym_texts("pickup_truck"), synonym_texts("MapleTree, crane (bird)"), synonym_texts(7)
    (['pickup truck'], ['maple tree', 'crane bird'], [])
    """
    return [" ".join(words) for words in label_words(label)] if isinstance(label, str) else []


def average_prompts(
    encode: Callable[[list[str]], np.ndarray], texts: list[list[str]], templates: Sequence[str]
) -> np.ndarray:
    r"""Return one unit vector a label: :math:`u(\sum_s u(\sum_t u(\mathrm{encode}(t(s)))))`.

    With u scaling to unit length, the sums run over the label's synonyms s and the templates t
    (Radford et al. 2021, section 3.1.4, for the latter). Each prompt is encoded once.

    Parameters
    ----------
    encode : callable
        From a list of texts to an array of shape (n_texts, n_dims).
    texts : list of list of str
        One or more synonyms for each label.
    templates : sequence of str
        Each with one ``{}``.

    Returns
    -------
    ndarray of float64 of shape (n_labels, n_dims)
        Of unit length, unless the vectors cancel each other.
    """
    synonyms = list(dict.fromkeys(text for own in texts for text in own))
    prompts = [template.format(text) for text in synonyms for template in templates]
    encoded = unit_rows(np.asarray(encode(prompts), dtype=np.float64))
    ensembles = unit_rows(encoded.reshape(len(synonyms), len(templates), -1).sum(axis=1))
    place = {text: row for row, text in enumerate(synonyms)}
    return unit_rows(
        np.stack([ensembles[[place[text] for text in own]].sum(axis=0) for own in texts])
    )


def check_templates(templates: Any, *, owner: str) -> tuple[str, ...]:
    """Return `templates` as a tuple.

    Raises
    ------
    TypeError
        They are no strings.
    ValueError
        There is none, or one has not exactly one ``{}``.
    """
    is_many = isinstance(templates, Iterable) and not isinstance(templates, (str, Mapping))
    given = tuple(templates) if is_many else (templates,)
    if not all(isinstance(template, str) for template in given):
        raise TypeError(
            f"{owner}: templates must be strings such as 'a photo of a {{}}.', got {templates!r}. "
            "Of a list of functions, pass [f('{}') for f in templates]."
        )
    bad = [template for template in given if _n_places(template) != 1]
    if bad or not given:
        raise ValueError(
            f"{owner}: templates must each have one {{}} for the label, got "
            f"{', '.join(map(repr, bad)) or 'an empty list'}. Pass ['a photo of a {{}}.'], or "
            "'{}' for the bare label."
        )
    return given


def _n_places(template: str) -> int:
    """Return how often ``{}`` stands in a template, or 0 where other braces do."""
    return template.count("{}") if template.count("{") == template.count("}") == 1 else 0
