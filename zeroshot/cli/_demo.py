"""``zeroshot demo``: the main job on bundled data."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeroshot._utils._files import atomic_folder
from zeroshot._utils._optional import import_optional
from zeroshot.cli._images import report_unreadable
from zeroshot.cli._options import (
    add_command,
    add_format,
    add_network,
    add_output,
    network_options,
    read_images,
)
from zeroshot.cli._output import (
    FORMATS,
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


def add_parser(commands: Any) -> None:
    """Add the command."""
    demo = add_command(
        commands, "demo", run,
        summary="run the main job on bundled data", text=HELP, examples=EXAMPLES,
    )  # fmt: skip
    demo.add_argument("images", nargs="*", metavar="IMAGE_OR_FOLDER", help="further photos to name")
    add_output(
        demo, "DIR", "report folder (default: zeroshot-demo; where that exists, zeroshot-demo-2)"
    )
    add_format(demo, FORMATS, "of the figures (default: table); parquet is written into --output")
    demo.add_argument(
        "--json", dest="format", action="store_const", const="json", help="short for --format json"
    )
    add_network(demo, choice=False)


def run(args: argparse.Namespace) -> int:
    """Run the demo, print its figures, write its report."""
    folder = _report_folder(args.output, force=args.force)
    import_optional("matplotlib.figure", owner="zeroshot demo", extra="demo")
    images, other_files = read_images(args.images) if args.images else ([], {})
    options = network_options(args)
    say("this takes a minute or two on two cores")
    from zeroshot.backbones import TimmFeatures
    from zeroshot.demo import run_demo

    results = run_demo(
        images, backbone=TimmFeatures(**options), progress=args.progress is not False
    )
    answers = _answers(results)
    if args.format != "parquet":  # printed first: a full disk must not take the figures with it
        print_answers(answers, args.format or "table")
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
    """Return the single figures as rows, beside all that was found."""
    from zeroshot.report._demo import format_table

    rows = [
        (name, float(value)) for name, value in results.items() if isinstance(value, (int, float))
    ]
    return Answers(("figure", "value"), rows, objects=results, text=format_table(results))


def _report_folder(output: str | None, *, force: bool) -> Path:
    """Return where the report goes, or raise before minutes of work that could not be written."""
    folder, number = Path("zeroshot-demo" if output is None else output), 1
    while output is None and folder.exists() and not force:
        number += 1
        folder = Path(f"zeroshot-demo-{number}")
    from zeroshot.report._demo import FILES

    check_folder(folder, force=force, own=FILES, what="report")
    return folder
