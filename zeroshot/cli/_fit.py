"""``zeroshot fit``: from a folder of images, one subfolder per class, to a saved model."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from zeroshot._utils._files import atomic_folder
from zeroshot._utils._provenance import RECORD, as_json, relative_paths
from zeroshot._utils._strict_json import parse_json
from zeroshot._utils._text_tables import aligned, printable
from zeroshot.cli._backbones import open_backbone
from zeroshot.cli._choices import (
    DEFAULT_EMBEDDING,
    DEFAULT_ESTIMATOR,
    ESTIMATORS,
    ESTIMATORS_HELP,
    TABLES,
    TRAINED,
    WITH_HEAD,
    WITHOUT_HEAD,
    Needs,
    build_embedding,
    build_estimator,
    check_names,
    has_head,
    knows_the_heads_classes,
    prior_of,
    with_label_embedding,
)
from zeroshot.cli._images import (
    LabelledImages,
    Read,
    digests,
    extract,
    load_classes,
    report_unreadable,
)
from zeroshot.cli._no_training import (
    N_FOLDS,
    N_FOLDS_TRAINED,
    Comparison,
    compare_with_no_training,
    verdict,
)
from zeroshot.cli._on_unknown import of_known, unknown_column, with_on_unknown, without_classes
from zeroshot.cli._options import (
    PATH,
    SOURCE_HELP,
    command,
    device_options,
    read_labels,
    with_format,
    with_labels,
    with_network,
    with_output,
    with_seed,
)
from zeroshot.cli._output import (
    TEXT_FORMATS,
    Answers,
    check_folder,
    print_answers,
    provenance,
)
from zeroshot.cli._terminal import (
    Name,
    UsageError,
    check_known,
    did_you_mean,
    say,
    spelled_as_known,
)
from zeroshot.exceptions import UnknownLabelError

HELP = f"""Learn from images of some classes how labels look, and save a model that names further
classes as well. Images that cannot be read are skipped and counted. The summary has the model
beside no training at all, on images and on classes that were left out in turn.

\b
{ESTIMATORS_HELP}"""

EXAMPLES = """examples:
  zeroshot fit photos --output my-model
  zeroshot fit photos --output my-model --exclude "okapi,fire engine" --estimator eszsl
  zeroshot fit cifar100 --output cifar-model --image-size 128
"""

SAY_WHAT = "Say what they mean with --label-texts FILE."
FILES = {"config.json", "arrays.safetensors", RECORD}


@command(help=HELP, examples=EXAMPLES)
@click.argument("source", type=PATH, metavar="DIR_OR_DATASET", help=SOURCE_HELP)
@with_output("MODEL", "folder of the model", required=True)
@click.option(
    "--estimator", type=Name(ESTIMATORS, "estimator"), metavar="NAME", help=", ".join(ESTIMATORS),
    show_default=f"{DEFAULT_ESTIMATOR}, or {WITHOUT_HEAD} where the backbone has no classifier",
)  # fmt: skip
@with_label_embedding
@click.option(
    "--label-texts", type=PATH, metavar="FILE",
    help='what ambiguous labels mean, as JSON: {"crane": "crane bird"}',
)  # fmt: skip
@click.option(
    "--calibrate", is_flag=True,
    help="lower the scores of learnt classes, which else win over all others, by a number "
    "chosen on training images",
)  # fmt: skip
@with_labels("--exclude", help="classes to leave out, to be unseen later")
@with_on_unknown
@with_network(choice=True)
@with_seed
@with_format(default="table", show_default=True, help="of the summary; no parquet")
def fit(args: SimpleNamespace) -> int:
    """Fit and save; print a summary."""
    check_names(args)
    if args.format not in TEXT_FORMATS:
        raise UsageError(
            f"--format {args.format}: a summary of one line goes to standard output, and --output "
            f"is the model. Pass one of {', '.join(TEXT_FORMATS)}."
        )
    folder = Path(args.output)
    check_folder(folder, force=args.force, own=FILES, what="model")
    device_options(args)  # raises before the images are listed
    data, there, excluded = _listed(args)
    backbone, estimator, data, needs, unknown = _prepared(args, data, there)
    _check_two(data, f"{args.source} holds", "counting those that are known" if unknown else "")
    say(f"reading {len(data.labels)} images of {len(data.class_names)} classes")
    read = extract(backbone, data.images)
    report_unreadable(read.unreadable, len(data.labels))
    kept = _with_images_left(data, data.where(read.rows), args.source)
    if args.calibrate:
        _check_calibrated(kept, args.source)
    needs = needs._replace(labels=kept.class_names)
    steps = _fitted(
        build_estimator(estimator, needs, calibrate=args.calibrate, confident=True),
        read.features,
        kept.labels,
    )
    comparisons = _compared(estimator, needs, read.features, kept.labels)
    summary = Summary(
        args.output,
        estimator,
        steps[-1].calibration_ if args.calibrate else None,
        kept.class_names,
        len(read.rows),
        len(read.unreadable),
        comparisons,
        unknown,
    )
    record = _record(args, needs, backbone, read, kept, excluded) | summary.record()
    sha256 = _save([backbone, *steps], folder, record, force=args.force)
    for comparison in comparisons:
        if warning := verdict(comparison, estimator):
            say(warning, level="warning")
    say(f"The model is in {folder}. Name images with: zeroshot predict --model {folder} IMAGE")
    say(f"Its SHA-256 is {sha256}. Give it to whoever gets the model from you.")
    print_answers(summary.answers(), args.format, raw=args.raw)
    return 0


def _listed(args: SimpleNamespace) -> tuple[LabelledImages, list[str], list[str]]:
    """Return the images that are not excluded, all class names, and the excluded ones."""
    excluded = [] if args.exclude is None else read_labels(args.exclude, option="--exclude")
    data = load_classes(args.source, judged=False)
    there = [*data.class_names, *data.empty_classes]
    excluded = spelled_as_known(excluded, there, option="--exclude")
    data = _without(excluded, data, args.source)
    if args.calibrate:
        _check_calibrated(data, args.source)
    return data, there, excluded


def _prepared(
    args: SimpleNamespace, data: LabelledImages, there: list[str]
) -> tuple[Any, str, LabelledImages, Needs, list[str]]:
    """Return the network, the estimator's name, the known images, its needs, unknown labels."""
    texts = _label_texts(args.label_texts, there)
    embedding = build_embedding(args.label_embedding, texts, running=device_options(args))
    unknown: list[str] = []
    if args.estimator not in (None, *WITH_HEAD):
        data, unknown = _known(args, embedding, data)
    backbone = open_backbone(args)
    estimator = args.estimator or _default_estimator(backbone, args.label_embedding)
    if args.estimator is None and estimator not in WITH_HEAD:
        data, unknown = _known(args, embedding, data)
    given = None if args.label_embedding is None else embedding
    prior, _, unknown_to_head = of_known(
        lambda labels: _no_training(estimator, backbone, labels, given, texts),
        data.class_names,
        args.on_unknown,
        hint=SAY_WHAT,
    )
    unknown += unknown_to_head
    data = without_classes(data, unknown)
    needs = Needs(embedding, prior, data.class_names, args.seed, args.device)
    return backbone, estimator, data, needs, unknown


def _default_estimator(backbone: Any, label_embedding: str | None) -> str:
    """Return the name of the default estimator. Print a line if it is not the usual one."""
    if not has_head(backbone):
        why = "this backbone has no classifier of its own to start from"
    elif not knows_the_heads_classes(label_embedding):
        why = f"{label_embedding} has no vectors of the classes that the backbone knows"
    else:
        return DEFAULT_ESTIMATOR
    say(f"{why}: --estimator {WITHOUT_HEAD} is taken")
    return WITHOUT_HEAD


def _no_training(
    estimator: str,
    backbone: Any,
    labels: list[str],
    embedding: Any,
    texts: Mapping[str, Any] | None,
) -> Any:
    """Return a classifier of the labels without training, or None if the network has no head.

    An estimator that is built on it raises where a label is unknown.
    """
    if estimator in WITH_HEAD:
        return prior_of(backbone, labels, embedding, texts)
    if not has_head(backbone):
        return None
    try:
        return prior_of(backbone, labels, overrides=texts)
    except UnknownLabelError as error:
        some = ", ".join(map(repr, error.labels[:5]))
        say(f"no comparison with no training: it does not know {some}")
        return None


def _compared(estimator: str, needs: Needs, features: Any, labels: Any) -> list[Comparison]:
    """Compare the model with no training, on held-out images and held-out classes."""

    def fit(X: Any, y: Any) -> Any:
        fold = needs._replace(labels=sorted(set(y.tolist())))
        return _pipeline(build_estimator(estimator, fold)).fit(X, y)

    return compare_with_no_training(
        fit,
        None if needs.prior is None else needs.prior.estimator,
        features,
        labels,
        n_folds=N_FOLDS_TRAINED if estimator in TRAINED else N_FOLDS,
        seed=needs.seed,
    )


def _known(
    args: SimpleNamespace, embedding: Any, data: LabelledImages
) -> tuple[LabelledImages, list[str]]:
    """Return the images of labels with a vector, and the labels without one."""
    name = args.label_embedding or DEFAULT_EMBEDDING
    check = partial(_check_known, name, embedding)
    hint = "" if name.lower().endswith(TABLES) else SAY_WHAT
    unknown = of_known(check, data.class_names, args.on_unknown, hint=hint).unknown
    return without_classes(data, unknown), unknown


def _check_known(name: str, embedding: Any, labels: list[str]) -> None:
    """Raise if labels have no vector."""
    try:
        embedding.embed(labels)
    except UnknownLabelError as error:
        lacking = [x for x, has in zip(labels, embedding.covers(labels), strict=True) if not has]
        is_table = name.lower().endswith(TABLES)
        mend = "Add a row for each" if is_table else "Say what they mean with --label-texts FILE"
        raise error.replace(
            labels=lacking,  # not what --label-texts has for them
            owner=f"--label-embedding {name}",
            remedy=f"{mend}, or leave them out with --exclude.",
        ) from error


def _without(excluded: list[str], data: LabelledImages, source: str) -> LabelledImages:
    """Return the images without the excluded classes. Raise if fewer than two classes are left."""
    import numpy as np

    known = [*data.class_names, *data.empty_classes]
    check_known(excluded, known, option="--exclude", what=f"class of {source}")
    data = data.where(~np.isin(data.labels, excluded))
    _check_two(data, f"{source} holds", "less those of --exclude" if excluded else "")
    return data


def _check_two(data: LabelledImages, holds: str, condition: str) -> None:
    names = data.class_names
    if len(names) < 2:
        listed = f"one class ({names[0]!r})" if names else "no class"
        some = f", {condition}" if condition else ""
        raise ValueError(
            f"{holds} {listed}{some}. A model learns what sets classes apart: put a folder of "
            "images beside it for each of two classes at least."
        )


def _check_calibrated(data: LabelledImages, source: str) -> None:
    """Raise if there are too few images or classes to hold some out for calibration."""
    counts = Counter(data.labels.tolist()).values()
    several = sum(count > 1 for count in counts)
    if len(counts) < 3 or several < 2:
        raise ValueError(
            "--calibrate needs three classes at least, two of them with two images or more that "
            f"can be read: {source} holds {len(counts)} classes, {several} with two images or "
            "more. Add images, or leave --calibrate out."
        )


def _with_images_left(before: LabelledImages, kept: LabelledImages, source: str) -> LabelledImages:
    lost = sorted(set(before.class_names) - set(kept.class_names))
    _check_two(kept, f"{source} holds", "counting images that can be read")
    if lost:
        say(f"no image of {', '.join(map(repr, lost))} could be read: not learnt", level="warning")
    return kept


def _label_texts(path: str | None, classes: list[str]) -> Mapping[str, Any] | None:
    """Return the texts of labels, by class name."""
    if path is None:
        return None
    try:
        texts = parse_json(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UsageError(f"--label-texts: {path} is not JSON in UTF-8 ({error}).") from error
    if not isinstance(texts, dict) or not all(map(_is_text, texts.values())):
        raise UsageError(
            f'--label-texts: {path} must hold {{"label": "its words"}}, or {{"label": ["one text", '
            '"another"]}, which are averaged.'
        )
    names = spelled_as_known(list(texts), classes, option="--label-texts")
    for name in names:
        if name not in classes:
            near = did_you_mean(name, classes)
            say(f"--label-texts: no class is called {name!r}.{near}", level="warning")
    return {name: text for name, text in zip(names, texts.values(), strict=True) if name in classes}


def _is_text(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return bool(texts) and all(isinstance(text, str) for text in texts)


def _pipeline(steps: list[Any]) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps)


def _fitted(steps: list[Any], features: Any, labels: Any) -> list[Any]:
    """Return the fitted steps from features to labels."""
    fitted = _pipeline(steps).fit(features, labels)
    return [step for _, step in fitted.steps]


def _save(steps: list[Any], folder: Path, record: dict[str, Any], *, force: bool) -> str:
    """Save the model and its record, and return the model's hash.

    The folder appears when both are complete.
    """
    from sklearn.pipeline import make_pipeline

    import zeroshot

    with atomic_folder(folder, overwrite=force) as new:
        sha256 = zeroshot.save(make_pipeline(*steps), new, overwrite=True)
        (new / RECORD).write_text(as_json(relative_paths(record, folder)), encoding="ascii")
    return sha256


def _record(
    args: SimpleNamespace,
    needs: Needs,
    backbone: Any,
    read: Read,
    kept: LabelledImages,
    excluded: list[str],
) -> dict[str, Any]:
    return provenance(
        args,
        weights={backbone.model_name: backbone.weights_hash_},
        n_read=len(read.rows),
        unreadable=read.unreadable,
        source=args.source,
        label_embedding={
            "name": args.label_embedding or DEFAULT_EMBEDDING,
            "sha256": needs.embedding.fingerprint(),
        },
        other_files=kept.other_files,
        classes=dict(Counter(kept.labels.tolist())),
        excluded=excluded,
        learnt_images=" ".join(sorted(digests(kept.images))),
    )


@dataclass(frozen=True)
class Summary:
    """Summary of a fit, with the comparison with no training.

    Attributes
    ----------
    model, estimator : str
        Path of the model, and name of the method.
    calibration : float or None
        Number that is subtracted from the scores of learnt classes.
    classes : list of str
        Learnt.
    n_images, n_skipped : int
        Numbers of training images and of unreadable images.
    comparisons : list of Comparison
        Comparisons on held-out images and on held-out classes.
    unknown : list of str
        Classes that were left out because they are unknown.
    """

    model: str
    estimator: str
    calibration: float | None
    classes: list[str]
    n_images: int
    n_skipped: int
    comparisons: list[Comparison]
    unknown: list[str]

    def record(self) -> dict[str, Any]:
        """Return the summary as the record of the model keeps it."""
        compared = {
            c.kind: {
                "accuracy": c.model,
                "no_training": c.no_training,
                "chance": c.chance,
                "n_classes": c.n_classes,
            }
            for c in self.comparisons
        }
        return {
            "estimator": self.estimator,
            "calibration": self.calibration,
            "compared_with_no_training": compared,
            "unknown_labels": self.unknown,
        }

    def answers(self) -> Answers:
        """Return the summary as rows for machines and lines for people."""
        facts = {
            "model": self.model,
            "estimator": self.estimator,
            "calibration": self.calibration,
            "n_classes": len(self.classes),
            "n_images": self.n_images,
            "n_skipped": self.n_skipped,
        }
        for kind in ("learnt", "other"):
            found = [c for c in self.comparisons if c.kind == kind]
            facts[f"{kind}_accuracy"] = found[0].model if found else None
            facts[f"{kind}_no_training"] = found[0].no_training if found else None
            facts[f"{kind}_chance"] = found[0].chance if found else None
        objects = facts | {"classes": self.classes}
        if self.unknown:
            objects |= {"unknown_labels": self.unknown}
        facts |= unknown_column(self.unknown)
        return Answers(
            tuple(facts),
            [tuple(facts.values())],
            objects=objects,
            text=self._text(),
        )

    def _text(self) -> str:
        skipped = f", {self.n_skipped:,} could not be read" if self.n_skipped else ""
        calibrated = "" if self.calibration is None else f", calibrated by {self.calibration:.3f}"
        listed = textwrap.fill(
            ", ".join(map(printable, self.classes)), 88, subsequent_indent=" " * 11
        )
        lines = [
            f"model      {printable(self.model)}",
            f"estimator  {self.estimator}{calibrated}",
            f"images     {self.n_images:,}{skipped}",
            f"learnt     {listed}",
        ]
        if self.unknown:
            lines.append(
                f"left out   {', '.join(map(printable, self.unknown))}: nothing knows them"
            )
        if not self.comparisons:
            few = "no comparison with no training: too few classes, or images of each"
            return "\n".join([*lines, few])
        named = {"learnt": "left-out images of learnt classes", "other": "classes left out in turn"}
        rows = [["share named right", "model", "no training", "chance"]]
        rows += [
            [named[c.kind], *("" if v is None else f"{v:.2f}" for v in (c.model, c.no_training))]
            + [f"{c.chance:.2f}"]
            for c in self.comparisons
        ]
        return "\n".join([*lines, "", aligned(rows)])
