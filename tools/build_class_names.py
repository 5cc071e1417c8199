"""Write zeroshot/datasets/data/class_names.json from the archives of the data sets.

Run as ``python tools/build_class_names.py``, with ZEROSHOT_DATA naming the folder of the archives
(what is not there is downloaded).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from zeroshot.datasets import fetch_cifar100, fetch_tiny_imagenet

TARGET = Path(__file__).parents[1] / "zeroshot" / "datasets" / "data" / "class_names.json"


def main() -> None:
    """Write fine name -> superclass for CIFAR-100, and name -> wnid for Tiny ImageNet."""
    cifar = fetch_cifar100(subset="test")
    tiny = fetch_tiny_imagenet(subset="val")
    table = {
        "cifar100": _pairs(cifar.target, cifar.coarse_target),
        "tiny_imagenet": _pairs(tiny.target, tiny.wnids),
    }
    TARGET.write_text(json.dumps(table, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    print({name: len(classes) for name, classes in table.items()}, "->", TARGET)


def _pairs(names: np.ndarray, values: np.ndarray) -> dict[str, str]:
    return dict(sorted(set(zip(names.tolist(), values.tolist(), strict=True))))


if __name__ == "__main__":
    main()
