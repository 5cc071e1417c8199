"""Networks that the options name: models of timm, or CLIP."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from zeroshot.cli._options import network_options, read_labels

CLIP = "clip"


def is_clip(name: str | None) -> bool:
    """Return whether ``--backbone`` names CLIP: ``clip``, or ``clip:ARCHITECTURE``."""
    return name is not None and name.partition(":")[0] == CLIP


def open_backbone(args: SimpleNamespace) -> Any:
    """Return the model of timm that the options name, opened."""
    return timm_backbone(args).fit()


def timm_backbone(args: SimpleNamespace) -> Any:
    """Return the model of timm that the options name."""
    from zeroshot.backbones import TimmFeatures

    named = {} if args.backbone is None else {"model_name": args.backbone}
    seed = {"random_state": args.seed} if hasattr(args, "seed") else {}
    return TimmFeatures(
        **named, **seed, weights=_weights(args), image_size=args.image_size, **network_options(args)
    )


def clip_backbone(args: SimpleNamespace) -> Any:
    """Return CLIP's image tower. ``--weights`` is a tag of open_clip, or a file."""
    from zeroshot.backbones import OpenCLIPFeatures

    architecture = args.backbone.partition(":")[2]
    named = {"model_name": architecture} if architecture else {}
    weights = _weights(args, is_tag=not os.path.exists(args.weights))
    if weights != "auto":
        named["weights"] = weights
    return OpenCLIPFeatures(**named, **network_options(args))


def _weights(args: SimpleNamespace, *, is_tag: bool = False) -> str | None:
    if args.weights == "none":
        return None
    return args.weights if args.weights == "auto" or is_tag else os.path.abspath(args.weights)


def read_prompts(text: str | None) -> Any:
    """Return the templates of ``--prompts``: separated by commas, or in a file, one per line."""
    from zeroshot.label_embeddings._prompts import DEFAULT_TEMPLATES

    return DEFAULT_TEMPLATES if text is None else read_labels(text, option="--prompts")
