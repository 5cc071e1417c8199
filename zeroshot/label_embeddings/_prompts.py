"""Prompts of text models: labels to texts, and texts to one vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zeroshot._utils._arrays import unit_rows
from zeroshot._utils._validation import warn_caller
from zeroshot.exceptions import Remedy, UnknownLabelError
from zeroshot.label_embeddings._base import Explained, Label, LabelEmbedding, Texts
from zeroshot.taxonomy._readings import code_of, read_label

DEFAULT_TEMPLATES = ("a photo of a {}.",)


class PromptEmbedding(LabelEmbedding):
    """Interface of the label embeddings that put a label into sentences and embed these.

    A subclass encodes texts in ``_encode``; templates and synonyms are averaged here, once.

    Parameters
    ----------
    templates : str or sequence of str
        Each with one ``{}`` for the label.
    overrides : mapping of label to str or list of str, optional
        What to embed instead of a label, word for word; a list of texts is averaged.
    """

    _takes_lists = True

    def __init__(
        self,
        templates: str | Sequence[str],
        overrides: Mapping[Any, Label | Sequence[str]] | None,
    ) -> None:
        super().__init__(overrides=overrides)
        self._templates = check_templates(templates, owner=type(self).__name__)

    @abstractmethod
    def _encode(self, texts: list[str]) -> np.ndarray:
        """Return the network's vector of each text, (n_texts, n_dims)."""

    @abstractmethod
    def _cut_off(self, texts: list[str]) -> list[str]:
        """Return those of the texts that are longer than the network reads."""

    @property
    def templates(self) -> tuple[str, ...]:
        """The sentences that labels are put into."""
        return self._templates

    def _override(self, text: Any) -> Any:
        return Texts((text,)) if isinstance(text, str) else text

    def _embed(self, labels: list[Label]) -> np.ndarray:
        owner = type(self).__name__
        texts = [label_texts(label) for label in labels]
        unknown = [label for label, own in zip(labels, texts, strict=True) if not own]
        if unknown:
            raise UnknownLabelError(
                [", ".join(x) if isinstance(x, Texts) else x for x in unknown],
                len(labels),
                owner=owner,
                remedy="Integers and signs have no words: pass names, or overrides={3: 'cat'} to "
                "say what they mean.",
            )
        weak = [label for label in labels if isinstance(label, str) and read_label(label).is_weak]
        if weak:
            warn_caller(
                f"{owner}: {len(weak)} labels are numbers or single letters: {_named(weak)}. "
                + Remedy(
                    "Pass overrides={label: text} to say what they mean.",
                    option="Say what they mean with --label-texts FILE.",
                )
            )
        long = self._cut_off(prompts_of(texts, self._templates))
        if long:
            warn_caller(
                f"{owner}: {len(long)} texts are longer than the model reads, and what is beyond "
                f"is left out: {_named(long)}. Shorten them."
            )
        return average_prompts(self._encode, texts, self._templates)

    def _covers(self, labels: list[Label]) -> np.ndarray:
        return np.array([bool(label_texts(label)) for label in labels], dtype=bool)

    def _explain(self, labels: list[Label]) -> list[Explained]:
        explained = []
        for label in labels:
            texts = tuple(label_texts(label))
            why = code_of(label) if texts else "has no words"
            if isinstance(label, Texts):
                why = "word for word"
            explained.append(Explained(" | ".join(texts) or str(label), texts, why=why))
        return explained


def _named(texts: Sequence[object], limit: int = 10) -> str:
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(map(repr, texts[:limit])) + more


def label_texts(label: Label | Texts) -> list[str]:
    """Return the text of each synonym of a label as it is written, without a data set's code.

    What stands for a label by `overrides` is taken word for word. There is none where a label has
    no letter or digit.

    Examples
    --------
    >>> from zeroshot.label_embeddings._prompts import label_texts
    >>> label_texts("pickup_truck"), label_texts("118.House_Sparrow"), label_texts("AT&T")
    (['pickup truck'], ['House Sparrow'], ['AT&T'])
    >>> label_texts("jersey, T-shirt"), label_texts("a dog, running on grass"), label_texts(7)
    (['jersey', 'T-shirt'], ['a dog, running on grass'], [])
    """
    if isinstance(label, Texts):
        return [text for text in label if text.strip()]
    if not isinstance(label, str):
        return []
    return [text for text in read_label(label).texts if any(map(str.isalnum, text))]


def possibly_longer(texts: list[str], n_tokens: int) -> list[str]:
    """Return the texts that can have more tokens than that: a token is a byte or more."""
    return [text for text in texts if len(text.encode("utf-8", "surrogatepass")) + 2 > n_tokens]


def prompts_of(texts: list[list[str]], templates: Sequence[str]) -> list[str]:
    """Return each text in each template, once."""
    distinct = dict.fromkeys(text for own in texts for text in own)
    return [template.format(text) for text in distinct for template in templates]


def average_prompts(
    encode: Callable[[list[str]], np.ndarray], texts: list[list[str]], templates: Sequence[str]
) -> np.ndarray:
    r"""Return one unit vector per label: :math:`u(\sum_s u(\sum_t u(\mathrm{encode}(t(s)))))`.

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
    prompts = prompts_of(texts, templates)
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
        They are not strings.
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
