"""``zeroshot export``: a saved model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import click

from zeroshot._utils._optional import import_optional
from zeroshot.cli._options import PATH, command, read_labels, with_labels
from zeroshot.cli._saved_model import is_model
from zeroshot.exceptions import UnknownLabelError

HELP = """Write a model that 'zeroshot fit' saved as one ONNX file, from the pixels of images to the
scores of labels: network, map and class vectors. The labels and how to resize an image are in its
metadata. onnxruntime runs it, without Python or this package. Before the file appears, its scores
are compared with the model's (extra 'onnx')."""

EXAMPLES = """examples:
  zeroshot export my-model --onnx my-model.onnx
  zeroshot export my-model --labels "okapi,fire engine,lion" --onnx three.onnx
"""


@command(help=HELP, examples=EXAMPLES)
@click.argument("model", type=PATH, metavar="MODEL")
@click.option("--onnx", type=PATH, metavar="FILE", required=True, help="file to write or replace")
@with_labels(
    "--labels", show_default="those of MODEL",
    help="what it chooses from: separated by commas, or a file (one per line, JSON, CSV), or -",
)  # fmt: skip
def export(args: SimpleNamespace) -> int:
    """Load the model and write the file."""
    import_optional("onnx", owner="export", extra="onnx")  # before the model is loaded
    import zeroshot
    from zeroshot.model_selection import with_candidates

    labels = None if args.labels is None else read_labels(args.labels)
    folder, path = Path(args.model).expanduser(), Path(args.onnx).expanduser()
    if folder.exists() and not is_model(folder):
        raise ValueError(f"{folder} is not a model. Name a folder that 'zeroshot fit' wrote.")
    if not path.parent.is_dir():
        raise ValueError(f"--onnx: there is no folder {path.parent}. Make it first.")
    model = zeroshot.load(folder)
    if labels is not None:
        try:
            model = with_candidates(model, labels)
        except UnknownLabelError as error:
            raise error.replace(
                owner=str(folder), remedy="Respell them in --labels, or leave them out."
            ) from error
    zeroshot.export_onnx(model, path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(model.classes_)} labels")
    return 0
