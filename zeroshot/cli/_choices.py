"""Plain names on the command line, and their classes."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import click

from zeroshot.cli._label_files import decoded, read_csv
from zeroshot.cli._options import PATH, refuse
from zeroshot.cli._terminal import UsageError, not_known, say
from zeroshot.exceptions import IntegrityError, UnknownLabelError, in_options

TABLES = (".csv", ".mat")
"""Suffixes of tables of attributes."""


DEFAULT_EMBEDDING = "glove"
LABEL_EMBEDDINGS = {
    "glove": "WordVectors",
    "wordnet": "WordNetEmbedding",
    "hierarchical": "HierarchicalEmbedding",
    "gloss": "GlossEmbedding",
    "sentence": "SentenceEmbedding",
    "clip": "CLIPTextEmbedding",
    "hash": "HashEmbedding",
}
"""Name to class; any other name is that of a file, or of a set, of vectors."""

with_label_embedding = click.option(
    "--label-embedding", type=PATH, metavar="NAME|FILE", show_default=DEFAULT_EMBEDDING,
    help=f"{', '.join(LABEL_EMBEDDINGS)}, or a file: word vectors, or attributes (CSV, .mat)",
)  # fmt: skip

TEXT_NETWORKS = ("sentence", "clip")
"""Those that a network computes; the others are looked up."""

DEFAULT_ESTIMATOR, WITHOUT_HEAD = "fewshot", "ridge"
"""The estimator, and the one where the backbone has no classifier of its own to start from."""

ESTIMATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "ridge": ("DeViSEClassifier", {"loss": "mse", "gamma": 2}),
    "devise": ("DeViSEClassifier", {}),
    "eszsl": ("ESZSLClassifierCV", {"gamma": 2}),
    "sae": ("SAEClassifier", {}),
    "ale": ("ALEClassifier", {}),
    "sje": ("SJEClassifier", {}),
    "conse": ("ConSEClassifier", {}),
    "fewshot": ("FewShotClassifier", {}),
    "ensemble": ("EnsembleZeroShotClassifier", {}),
    "dummy": ("DummyZeroShotClassifier", {}),
}
"""Name to class and parameters; `build_estimator` knows what else each needs."""

ESTIMATORS_HELP = """estimators:
  fewshot   what the backbone's own classifier (ImageNet's) says of names, and
            on top of it the means of your images, as far as images left out
            say that these help (the default)
  ensemble  eszsl, and what the backbone's own classifier says of names
  ridge     closed form onto label vectors (DeViSEClassifier with squared
            error); the default for a backbone without a classifier, and for
            attributes of your own
  eszsl     closed form, penalties chosen over classes
  devise    the published hinge rank loss
  sae, ale, sje
            as published
  conse     label vectors weighted by the probabilities of a logistic
            regression
  dummy     a control that looks at no image
"""

WITH_HEAD = ("fewshot", "ensemble")
TRAINED = ("devise", "ale", "sje", "conse")
"""Those that take many steps to be fitted."""
FEW_CLASSES = 4  # below this, penalties cannot be chosen on two folds of two classes


def build_embedding(
    name: str | None,
    overrides: Mapping[str, Any] | None = None,
    *,
    running: Mapping[str, Any],
) -> Any:
    """Return a label embedding by name.

    Parameters
    ----------
    name : str or None
        Name in `LABEL_EMBEDDINGS`, of a file, or of a set of word vectors.
    overrides : mapping of str to str or list of str, optional
        Meanings of labels.
    running : mapping of str to object
        ``device`` and ``batch_size`` of label embeddings that are networks.

    Raises
    ------
    UsageError
        The name is unknown. The message lists similar names.
    """
    import zeroshot
    from zeroshot.label_embeddings._word_vector_files import N_WORDS

    name = DEFAULT_EMBEDDING if name is None else name
    synonyms = None if overrides is None else {x: _joined(text) for x, text in overrides.items()}
    if name == "hash":
        if overrides is not None:
            raise UsageError("--label-texts: hash vectors know no words. Leave it out.")
        return zeroshot.HashEmbedding()
    if name == "hierarchical":
        return zeroshot.HierarchicalEmbedding(zeroshot.WordVectors(), overrides=synonyms)
    if name == "wordnet":
        return zeroshot.WordNetEmbedding(300, overrides=synonyms)
    if name == "gloss":
        return zeroshot.GlossEmbedding(overrides=synonyms)
    if name in TEXT_NETWORKS:
        return getattr(zeroshot, LABEL_EMBEDDINGS[name])(overrides=overrides, **running)
    if name == DEFAULT_EMBEDDING:
        return zeroshot.WordVectors(overrides=overrides)
    if not os.path.exists(name):
        known = [*LABEL_EMBEDDINGS, *N_WORDS]
        if message := not_known([name], known, what="label embedding or file"):
            raise UsageError(f"--label-embedding: {message}")
    elif os.path.isfile(name) and name.lower().endswith(TABLES):
        if not name.lower().endswith(".mat"):
            return read_attributes(name, overrides)
        try:
            return zeroshot.AttributeTable.from_file(name, overrides=overrides)
        except (IntegrityError, ValueError) as error:
            said = _without_owner(error, "AttributeTable.from_file")
            raise UsageError(f"--label-embedding: {said}") from error
    try:
        return zeroshot.WordVectors(name, overrides=overrides)
    except (IntegrityError, ValueError) as error:
        raise UsageError(f"--label-embedding: {_without_owner(error, 'WordVectors')}") from error


def _without_owner(error: Exception, owner: str) -> str:
    """Return the text of an error without the names of Python classes."""
    return in_options(error).removeprefix(f"{owner}: ")


def _joined(text: str | list[str]) -> str:
    """Join the texts of a label with commas, for embeddings that take one name per label."""
    return text if isinstance(text, str) else "; ".join(text)


class Needs(NamedTuple):
    """Inputs for building an estimator.

    Attributes
    ----------
    embedding : LabelEmbedding
        Label vectors.
    prior : classifier or None
        The backbone's own classifier for the labels, for estimators in `WITH_HEAD`.
    labels : list of str
        Classes with images.
    seed : int
        Seed of all random steps.
    device : str
        Device of the training.
    """

    embedding: Any
    prior: Any
    labels: list[str]
    seed: int
    device: str


def build_estimator(
    name: str, needs: Needs, *, calibrate: bool = False, confident: bool = False
) -> list[Any]:
    """Return the unfitted steps after the backbone, with the estimator last.

    Parameters
    ----------
    name : str
        One of `ESTIMATORS` or `WITH_HEAD`.
    needs : Needs
        Inputs for building.
    calibrate : bool
        Balance seen against unseen classes.
    confident : bool
        Let fewshot learn probabilities from held-out classes, where there are enough.
    """
    from zeroshot import CalibratedStacking
    from zeroshot.estimators._held_out import LEAST_CLASSES

    if calibrate and name == "ensemble":  # whose eszsl is fitted to fewer classes in each fold
        needs = needs._replace(labels=needs.labels[1:])
    *before, estimator = _steps(name, needs)
    if confident and name == "fewshot" and not calibrate and len(needs.labels) >= LEAST_CLASSES:
        estimator.set_params(temperature="auto")
    return [*before, CalibratedStacking(estimator) if calibrate else estimator]


def _steps(name: str, needs: Needs) -> list[Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    import zeroshot

    if name == "fewshot":
        return [zeroshot.FewShotClassifier(needs.prior)]
    if name == "ensemble":
        learnt = make_pipeline(*_steps("eszsl", needs))
        members = [("map", learnt), ("head", needs.prior)]
        return [zeroshot.EnsembleZeroShotClassifier(members)]
    cls_name, params = ESTIMATORS[name]
    if name == "eszsl" and len(needs.labels) < FEW_CLASSES:
        cls_name = "ESZSLClassifier"
    cls = getattr(zeroshot, cls_name)
    known = inspect.signature(cls).parameters
    if name == "conse":
        params = {"classifier": LogisticRegression(C=10, max_iter=1000)}
    training = zeroshot.Training(device=needs.device)
    given = {"label_embedding": needs.embedding, "random_state": needs.seed, "training": training}
    given = {key: value for key, value in given.items() if key in known}
    return [Normalizer(), cls(**given, **params)]


def prior_of(
    backbone: Any,
    labels: list[str],
    embedding: Any = None,
    overrides: Mapping[str, Any] | None = None,
) -> Any:
    """Return a classifier of other labels from the backbone's own head, without training.

    Parameters
    ----------
    backbone : TimmFeatures
        Fitted.
    labels : list of str
        Candidate labels.
    embedding : LabelEmbedding, optional
        Vectors used in addition to WordNet; word vectors if None.
    overrides : mapping of str to str or list of str, optional
        Meanings of labels.

    Raises
    ------
    ValueError
        This backbone has no classifier.
    UnknownLabelError
        Labels have neither a noun synset nor a vector.
    """
    from sklearn.frozen import FrozenEstimator

    from zeroshot.estimators import OpenLabelClassifier

    try:
        head = backbone.source_head_
    except AttributeError as error:
        raise ValueError(
            "--estimator: fewshot and ensemble need a backbone with a pretrained classifier of "
            "ImageNet's classes, which this one has not. Leave --backbone and --weights out, or "
            "take another estimator."
        ) from error
    model = OpenLabelClassifier(
        head, candidates=labels, label_embedding=embedding, overrides=overrides
    )
    try:
        return FrozenEstimator(model.fit())
    except UnknownLabelError as error:
        raise error.replace(
            owner="--estimator",
            remedy="Say what they mean with --label-texts FILE, rename their folders, or leave "
            "them out with --exclude.",
        ) from error


def has_head(backbone: Any) -> bool:
    """Return whether a backbone has its own classifier."""
    try:
        return backbone.source_head_ is not None
    except AttributeError:
        return False


def knows_the_heads_classes(label_embedding: str | None) -> bool:
    """Return whether these label vectors have the classes of the head, such as ImageNet's."""
    name = label_embedding or DEFAULT_EMBEDDING
    return name != "hash" and not name.lower().endswith(TABLES)


def check_runs_on_device(label_embedding: str) -> None:
    """Raise if a device or batch size was given for label vectors that do not need a network.

    Raises
    ------
    UsageError
        The message says for which label vectors the option is.
    """
    if label_embedding not in TEXT_NETWORKS:
        which = " and ".join(TEXT_NETWORKS)
        refuse(["--device", "--batch-size"], f"is for the label vectors {which}")


def check_names(args: SimpleNamespace) -> None:
    """Raise if the estimator and other options do not go together.

    Raises
    ------
    UsageError
        The message says what to do.
    """
    name = args.estimator
    if name is None:
        return
    if name in WITH_HEAD and not knows_the_heads_classes(args.label_embedding):
        raise UsageError(
            f"--label-embedding {args.label_embedding} has no vectors of ImageNet's classes, by "
            f"which {name} knows names. Leave it out, or take --estimator eszsl."
        )
    if name == "dummy":
        refuse(["--calibrate"], "has no use: dummy looks at no image")


def read_attributes(path: str | os.PathLike, overrides: Mapping[str, Any] | None = None) -> Any:
    """Return the `AttributeTable` of a CSV file whose first line names its columns.

    Raises
    ------
    UsageError
        The file is not such a table. The message gives the line.
    """
    import zeroshot

    option = "--label-embedding"
    source = os.fspath(path)
    text = decoded(Path(path).read_bytes(), source, option)
    rows = [(line, row) for line, row in read_csv(text, source, option) if any(row)]
    if len(rows) < 2 or len(rows[0][1]) < 2:
        raise UsageError(
            f"{option}: {path} must hold a first line with names of columns, and a line a class: "
            "its name, and numbers."
        )
    width = len(rows[0][1])
    labels = [row[0] for _, row in rows[1:]]
    table = [_numbers(row, width, f"{option}: {path}, line {line}") for line, row in rows[1:]]
    if not text.endswith(("\n", "\r")):
        say(
            f"warning: {option}: {path} does not end with a line break: the last number, of "
            f"{labels[-1]!r}, may be cut"
        )
    try:
        return zeroshot.AttributeTable(table, labels=labels, overrides=overrides)
    except ValueError as error:
        said = _without_owner(error, "AttributeTable")
        raise UsageError(f"--label-embedding: {path}: {said}") from error


# What float() takes besides: underscores, digits of other scripts, "nan" and "infinity".
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _numbers(row: list[str], width: int, where: str) -> list[float]:
    if len(row) != width:
        raise UsageError(f"{where} has {len(row)} cells where the first line has {width}.")
    for cell in row[1:]:
        if not _NUMBER.fullmatch(cell):
            raise UsageError(
                f"{where}: {cell!r} is not a finite number. Write numbers behind the name."
            )
    return [float(cell) for cell in row[1:]]
