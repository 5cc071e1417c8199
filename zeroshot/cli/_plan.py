"""``zeroshot plan``: time, bytes and memory of many images, from a sample of them."""

from __future__ import annotations

from types import SimpleNamespace

import click

from zeroshot.cli._backbones import open_backbone
from zeroshot.cli._options import PATH, command, with_format, with_network, with_output, with_seed
from zeroshot.cli._output import Answers, Output, provenance

HELP = """Estimate what 'zeroshot embed --partition-size' needs for many images: hours, bytes,
memory of a worker and partitions. Up to 500 images of yours are computed for it, on this
machine."""

EXAMPLES = """examples:
  zeroshot plan photos --images 10000000 --workers 8
"""


@command(help=HELP, examples=EXAMPLES)
@click.argument("source", type=PATH, metavar="SOURCE")
@click.option(
    "--images", type=click.IntRange(1), metavar="N", required=True, help="how many there will be"
)
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", default=1, show_default=True,
    help="processes; the cores of this machine are divided by as many for the sample",
)  # fmt: skip
@click.option(
    "--partition-size", type=click.IntRange(1), metavar="N", default=2000, show_default=True,
    help="images in each file of the output",
)  # fmt: skip
@with_output("FILE", "instead of standard output")
@with_format()
@with_network(choice=True)
@with_seed
def plan(args: SimpleNamespace) -> int:
    """Estimate and print."""
    from zeroshot.scale import plan_dataset

    output = Output(args)
    found = plan_dataset(
        args.source,
        open_backbone(args),
        n_images=args.images,
        workers=args.workers,
        partition_size=args.partition_size,
    )
    rows = [
        ("hours", found.hours),
        ("images per second and worker", 1 / found.seconds_per_image),
        ("GB to read", found.bytes_in / 1e9),
        ("GB to write", found.bytes_out / 1e9),
        ("GB of memory per worker", found.memory_per_worker / 1e9),
        ("partitions", found.n_partitions),
        ("images of the sample", found.n_sampled),
        ("of these unreadable", found.n_errors),
    ]
    output.write(
        Answers(("what", "value"), [(name, round(value, 3)) for name, value in rows]),
        provenance(args),
    )
    return 0
