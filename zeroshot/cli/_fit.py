"""``zeroshot fit``: from a folder of images, a folder a class, to a saved model."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeroshot._files import atomic_folder
from zeroshot._record import RECORD, as_json
from zeroshot.cli._attributes import SUFFIX
from zeroshot.cli._images import (
    LabelledImages,
    Read,
    digests,
    extract,
    load_classes,
    report_unreadable,
)
from zeroshot.cli._options import (
    add_command,
    add_format,
    add_label_embedding,
    add_network,
    add_output,
    add_seed,
    device_options,
    network_options,
    read_labels,
)
from zeroshot.cli._output import FORMATS, TEXT_FORMATS, Answers, check_folder, print_answers
from zeroshot.cli._provenance import provenance
from zeroshot.cli._tables import (
    DEFAULT_EMBEDDING,
    DEFAULT_ESTIMATOR,
    ESTIMATORS,
    ESTIMATORS_HELP,
    LABEL_EMBEDDINGS,
    WITH_HEAD,
    Needs,
    build_embedding,
    build_estimator,
    check_names,
    prior_of,
)
from zeroshot.cli._terminal import UsageError, check_known, say, spelled_as_known
from zeroshot.exceptions import UnknownLabelError

HELP = f"""Learn from images of some classes how labels look, and save a model that names further
classes as well. Images that cannot be read are skipped and counted.

{ESTIMATORS_HELP}"""

EXAMPLES = """examples:
  zeroshot fit photos --output my-model --calibrate
  zeroshot fit photos --output my-model --exclude "okapi,fire engine" --estimator eszsl
  zeroshot fit cifar100 --output cifar-model --image-size 128
"""

FILES = {"config.json", "arrays.safetensors", RECORD}


def add_parser(commands: Any) -> None:
    """Add the command."""
    fit = add_command(
        commands, "fit", run,
        summary="learn from a folder of images, and save the model", text=HELP, examples=EXAMPLES,
    )  # fmt: skip
    fit.add_argument(
        "source", metavar="DIR_OR_DATASET", help="a folder a class; cifar100; tiny_imagenet"
    )
    add_output(fit, "MODEL", "folder of the model", required=True)
    fit.add_argument(
        "--estimator",
        default=DEFAULT_ESTIMATOR,
        metavar="NAME",
        help=f"{', '.join(ESTIMATORS)} (default: {DEFAULT_ESTIMATOR})",
    )
    add_label_embedding(fit, list(LABEL_EMBEDDINGS))
    fit.add_argument(
        "--label-texts",
        metavar="FILE",
        help='what ambiguous labels mean, as JSON: {"crane": "crane bird"}',
    )
    fit.add_argument(
        "--calibrate",
        action="store_true",
        help="lower the scores of learnt classes, which else win over all others, by a number "
        "chosen on training images",
    )
    fit.add_argument(
        "--exclude", metavar="a,b,c|FILE", help="classes to leave out, to be unseen later"
    )
    add_network(fit, choice=True)
    add_seed(fit)
    add_format(fit, FORMATS, "of the summary on standard output (default: table); no parquet")


def run(args: argparse.Namespace) -> int:
    """Fit and save; print a summary."""
    check_names(args)
    if args.format not in (None, *TEXT_FORMATS):
        raise UsageError(
            f"--format {args.format}: a summary of one line goes to standard output, and --output "
            f"is the model. Pass one of {', '.join(TEXT_FORMATS)}."
        )
    folder = Path(args.output)
    check_folder(folder, force=args.force, own=FILES, what="model")
    excluded = [] if args.exclude is None else read_labels(args.exclude, option="--exclude")
    data = load_classes(args.source, judged=False)
    there = [*data.class_names, *data.empty_classes]
    excluded = spelled_as_known(excluded, there, option="--exclude")
    data = _without(excluded, data, args.source)
    if args.calibrate:
        _check_calibrated(data, args.source)
    embedding = build_embedding(
        args.label_embedding, _overrides(args.label_texts), running=device_options(args)
    )
    if args.estimator not in WITH_HEAD:
        _check_known(args.label_embedding or DEFAULT_EMBEDDING, embedding, data.class_names)
    backbone = open_backbone(args)
    prior = prior_of(backbone, data.class_names) if args.estimator in WITH_HEAD else None
    say(f"reading {len(data.labels)} images of {len(data.class_names)} classes")
    read = extract(backbone, data.images)
    report_unreadable(read.unreadable, len(data.labels))
    kept = _with_images_left(data, data.where(read.rows), args.source)
    if args.calibrate:
        _check_calibrated(kept, args.source)
    needs = Needs(embedding, prior, kept.class_names, args.seed, args.device)
    estimators = build_estimator(args.estimator, needs, calibrate=args.calibrate)
    steps = _fitted(estimators, read.features, kept.labels)
    calibration = steps[-1].calibration_ if args.calibrate else None
    record = _record(args, needs, backbone, read, kept, excluded) | {"calibration": calibration}
    _save([backbone, *steps], folder, record, force=args.force)
    say(f"The model is in {folder}. Name images with: zeroshot predict --model {folder} IMAGE")
    print_answers(_summary(args, read, kept, calibration), args.format or "table")
    return 0


def open_backbone(args: argparse.Namespace) -> Any:
    """Return the network that the options name, opened."""
    from zeroshot.backbones import TimmFeatures

    weights = args.weights if args.weights in ("auto", "none") else os.path.abspath(args.weights)
    named = {} if args.backbone is None else {"model_name": args.backbone}
    return TimmFeatures(
        **named,
        weights=None if weights == "none" else weights,
        image_size=args.image_size,
        random_state=args.seed,
        **network_options(args),
    ).fit()


def _check_known(name: str, embedding: Any, labels: list[str]) -> None:
    """Raise, before the long work, if labels have no vector."""
    try:
        embedding.embed(labels)
    except UnknownLabelError as error:
        is_table = name.lower().endswith(SUFFIX)
        mend = "Add a row for each" if is_table else "Say what they mean with --label-texts FILE"
        raise error.replace(
            owner=f"--label-embedding {name}",
            remedy=f"{mend}, or leave them out with --exclude.",
        ) from error


def _without(excluded: list[str], data: LabelledImages, source: str) -> LabelledImages:
    """Return the images of the classes that are not left out, of two classes at least."""
    import numpy as np

    known = [*data.class_names, *data.empty_classes]
    check_known(excluded, known, option="--exclude", what=f"class of {source}", code_2=False)
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
    """Raise if there are too few images to hold some out, of classes learnt and of others."""
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
        say(f"warning: no image of {', '.join(map(repr, lost))} could be read: not learnt")
    return kept


def _overrides(path: str | None) -> Mapping[str, str] | None:
    if path is None:
        return None
    try:
        texts = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UsageError(f"--label-texts: {path} is no JSON in UTF-8 ({error}).") from error
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise UsageError(f'--label-texts: {path} must hold {{"label": "its words"}}.')
    return texts


def _fitted(steps: list[Any], features: Any, labels: Any) -> list[Any]:
    """Return the steps from features to labels, fitted."""
    from sklearn.pipeline import make_pipeline

    fitted = make_pipeline(*steps).fit(features, labels)
    return [step for _, step in fitted.steps]


def _save(steps: list[Any], folder: Path, record: dict[str, Any], *, force: bool) -> None:
    """Save the model and its record; the folder appears when both are complete."""
    from sklearn.pipeline import make_pipeline

    import zeroshot

    with atomic_folder(folder, overwrite=force) as new:
        zeroshot.save(make_pipeline(*steps), new, overwrite=True)
        (new / RECORD).write_text(as_json(record), encoding="ascii")


def _record(
    args: argparse.Namespace,
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
        estimator=args.estimator,
        label_embedding={
            "name": args.label_embedding or DEFAULT_EMBEDDING,
            "sha256": needs.embedding.fingerprint(),
        },
        other_files=kept.other_files,
        classes=dict(Counter(kept.labels.tolist())),
        excluded=excluded,
        learnt_images=" ".join(sorted(digests(kept.images))),
    )


def _summary(
    args: argparse.Namespace, read: Read, kept: LabelledImages, calibration: float | None
) -> Answers:
    columns = ("model", "estimator", "calibration", "n_classes", "n_images", "n_skipped")
    values = (
        args.output,
        args.estimator,
        calibration,
        len(kept.class_names),
        len(read.rows),
        len(read.unreadable),
    )
    return Answers(columns, [values], objects=dict(zip(columns, values, strict=True)))
