"""``zeroshot demo``: the main job on bundled data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from zeroshot._utils._files import atomic_folder
from zeroshot.cli._images import in_options_each, report_unreadable
from zeroshot.cli._options import (
    PATH,
    command,
    network_options,
    read_images,
    with_format,
    with_network,
    with_output,
)
from zeroshot.cli._output import (
    Answers,
    check_folder,
    print_answers,
    provenance,
    write_parquet,
)
from zeroshot.cli._terminal import say

HELP = """Fit on 80 classes of CIFAR-100 and name the other 20, leave each class out in turn,
and name what is on photos from an open list of labels. Everything it needs ships with the package
and its extra 'demo'; nothing is downloaded."""

EXAMPLES = """examples:
  zeroshot demo
  zeroshot demo holiday.jpg --output my-report
  zeroshot demo --json > results.json
"""


@command(help=HELP, examples=EXAMPLES)
@click.argument(
    "images", nargs=-1, type=PATH, metavar="[IMAGE_OR_FOLDER]...", help="further photos"
)
@with_output(
    "DIR", "report folder", show_default="zeroshot-demo; where that exists, zeroshot-demo-2"
)
@with_format(default="table", show_default=True, help="of the figures; parquet goes into --output")
@click.option("--json", "format", flag_value="json", help="short for --format json")
@with_network(choice=False)
def demo(args: SimpleNamespace) -> int:
    """Run the demo, print its metrics, write its report."""
    folder = _report_folder(args.output, force=args.force)
    images, other_files = read_images(args.images) if args.images else ([], {})
    options = network_options(args)
    say("this takes a minute or two on two cores")
    from zeroshot.backbones import TimmFeatures
    from zeroshot.demo import run_demo

    results = run_demo(
        images, backbone=TimmFeatures(**options), progress=args.progress is not False
    )
    results["unreadable_photos"] = in_options_each(results["unreadable_photos"])
    answers = _answers(results)
    if args.format != "parquet":  # printed first: a full disk must not take the figures with it
        print_answers(answers, args.format, raw=args.raw)
    from zeroshot.report import write_demo_report
    from zeroshot.report._demo import TABLE

    made = results["made"]
    about = provenance(
        args,
        weights=made["sha256"],
        n_read=len(results["photos"]),
        unreadable=results["unreadable_photos"],
        other_files=other_files,
        source=made["data"],
        seeds=made["seeds"],
    )
    with atomic_folder(folder, overwrite=args.force) as new:
        write_demo_report(results, new, about=about, overwrite=True)
        if args.format == "parquet":
            with (new / TABLE).open("wb") as file:
                write_parquet(answers, file)
    say(f"The report is in {folder}: open {folder / 'index.html'}")
    return report_unreadable(results["unreadable_photos"], len(images))


def _answers(results: Mapping[str, Any]) -> Answers:
    """Return the metrics as rows, with all results attached."""
    from zeroshot.report._demo import format_table

    rows = [
        (name, float(value)) for name, value in results.items() if isinstance(value, (int, float))
    ]
    return Answers(("figure", "value"), rows, objects=results, text=format_table(results))


def _report_folder(output: str | None, *, force: bool) -> Path:
    """Return the folder of the report. Raise before the long work if it cannot be written."""
    folder, number = Path("zeroshot-demo" if output is None else output), 1
    while output is None and folder.exists() and not force:
        number += 1
        folder = Path(f"zeroshot-demo-{number}")
    from zeroshot.report._demo import FILES

    check_folder(folder, force=force, own=FILES, what="report")
    return folder
