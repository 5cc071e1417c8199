"""Make the photos of the demo, zeroshot/datasets/data/photos/, from those in two packages.

    options="--no-deps --only-binary=:all: --python-version 3.8"
    pip download $options scikit-image==0.19.3 scipy==1.7.3
    python tools/build_demo_photos.py scikit_image-*.whl scipy-*.whl

Their licences are those that the two packages state; credits.json beside the photos names them.
"""

from __future__ import annotations

import argparse
import bz2
import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

TARGET = Path(__file__).parents[1] / "zeroshot/datasets/data/photos"
LONGEST, QUALITY = 512, 82
OF_SKIMAGE = {
    "astronaut.jpg": "astronaut.png",
    "camera.jpg": "camera.png",
    "cat.jpg": "chelsea.png",
    "coffee.jpg": "coffee.png",
    "rocket.jpg": "rocket.jpg",
}
RACCOON_SHAPE = (768, 1024, 3)


def main(argv: list[str] | None = None) -> None:
    """Write the photos, and print their sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("skimage", type=Path, help="wheel of scikit-image 0.19.3")
    parser.add_argument("scipy", type=Path, help="wheel of scipy 1.7.3")
    args = parser.parse_args(argv)
    photos = {}
    with zipfile.ZipFile(args.skimage) as wheel:
        for name, file in OF_SKIMAGE.items():
            photos[name] = Image.open(io.BytesIO(wheel.read(f"skimage/data/{file}")))
    with zipfile.ZipFile(args.scipy) as wheel:
        pixels = np.frombuffer(bz2.decompress(wheel.read("scipy/misc/face.dat")), dtype=np.uint8)
        photos["raccoon.jpg"] = Image.fromarray(pixels.reshape(RACCOON_SHAPE))
    TARGET.mkdir(exist_ok=True)
    for name, photo in photos.items():
        small = photo.convert("RGB")
        small.thumbnail((LONGEST, LONGEST))
        small.save(TARGET / name, quality=QUALITY, optimize=True)
        print(f"{name}: {(TARGET / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
