"""What reading one image costs, and what it cost in another checkout.

Run it from the repository's root, with the images of ``ZEROSHOT_DATA``::

    python -m benchmarks.reading [--against ../other-checkout] [--repeats 5]

Each side runs in a process of its own, in turns, with one thread. The figures are CPU time, which
other work on the machine changes little: the least of several passes, in microseconds an image.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

SMALL, LARGE = (64, 64), (4000, 3000)


def measure() -> dict[str, float]:
    """Return the microseconds that reading an image takes, by its kind."""
    from PIL import Image

    from zeroshot._utils._images import read_image
    from zeroshot.datasets._fetch import resolve_data_home

    photos = sorted((resolve_data_home(None) / "imagenet-photos").glob("*.jpg"))[:150]
    with tempfile.TemporaryDirectory() as folder, Image.open(photos[0]) as photo:
        kinds = {"ImageNet photo": photos}
        for size, endings, n in (
            (SMALL, ("jpg", "png", "webp", "bmp", "tiff", "gif"), 300),
            (LARGE, ("jpg", "png"), 1),
        ):
            for ending in endings:
                path = Path(folder, f"{size[0]}.{ending}")
                photo.convert("RGB").resize(size).save(path)
                kinds[f"{size[0]} x {size[1]} {ending}"] = [path] * n
        result = {}
        for kind, paths in kinds.items():
            read_image(paths[0])
            passes = []
            for _ in range(4):
                began = time.process_time()
                for path in paths:
                    read_image(path)
                passes.append((time.process_time() - began) / len(paths) * 1e6)
            result[kind] = min(passes)
        return result


if __name__ == "__main__":
    if "--measure" in sys.argv:
        print(json.dumps(measure()))
    else:
        from benchmarks._checkouts import compare

        compare(__file__, __doc__)
