"""``zeroshot models``: known networks, and which weights are on this machine."""

from __future__ import annotations

from types import SimpleNamespace

import click

from zeroshot.cli._options import command, with_format, with_output
from zeroshot.cli._output import Answers, Output, provenance
from zeroshot.cli._terminal import did_you_mean

HELP = """List the models of timm that weights are published for, and where their weights are:
packaged (in the pip package of the extra 'demo'), cached (downloaded before), or hub (downloaded
when they are first used)."""

EXAMPLES = """examples:
  zeroshot models --here
  zeroshot models resnet50
  zeroshot models "convnext*in22k*" --format csv
"""


@command(help=HELP, examples=EXAMPLES)
@click.argument(
    "pattern", default="*", metavar="[PATTERN]", help="part of a name, or a pattern with *"
)
@click.option("--here", is_flag=True, help="those whose weights are here only")
@with_output("FILE", "instead of standard output")
@with_format()
def models(args: SimpleNamespace) -> int:
    """List the networks."""
    output = Output(args)
    import timm

    from zeroshot.backbones._weights import weights_place

    pattern = args.pattern if "*" in args.pattern else f"*{args.pattern}*"
    names = timm.list_models(pattern, pretrained=True)
    if not names:
        near = did_you_mean(args.pattern, timm.list_models(pretrained=True))
        near = near or did_you_mean(args.pattern, timm.list_models())
        raise ValueError(f"models: no model of timm is called {args.pattern!r}.{near}")
    places = [(name, weights_place(name)) for name in names]
    rows = [row for row in places if not args.here or row[1] != "hub"]
    output.write(Answers(("model", "weights"), rows), provenance(args))
    return 0
