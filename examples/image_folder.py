"""From a folder of photos, a folder a class, to a saved model that names further classes.

    python examples/image_folder.py PHOTOS MODEL "okapi,fire engine" [IMAGE ...]

PHOTOS holds a folder for each class that there are photos of. The model is saved in the folder
MODEL; IMAGEs are named from the seen classes and the further ones together.
"""

from __future__ import annotations

import argparse

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

import zeroshot
from zeroshot import DeViSEClassifier, TimmFeatures, WordVectors
from zeroshot.datasets import load_image_folder
from zeroshot.model_selection import with_candidates


def main(photos: str, target: str, further: str, *images: str) -> list[str]:
    """Fit, save, load, and name the images; return their names."""
    data = load_image_folder(photos)
    model = make_pipeline(
        TimmFeatures(), Normalizer(), DeViSEClassifier(WordVectors(), loss="mse", gamma=2)
    )
    zeroshot.save(model.fit(data.paths, data.target), target)
    candidates = [*data.class_names, *(name.strip() for name in further.split(","))]
    names = with_candidates(zeroshot.load(target), candidates).predict(list(images)).tolist()
    for image, name in zip(images, names, strict=True):
        print(f"{image}  {name}")
    return names


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="a folder a class")
    parser.add_argument("target", help="where the model is saved")
    parser.add_argument("further", help="labels without a photo, with commas between")
    parser.add_argument("images", nargs="+", help="photos to name")
    options = parser.parse_args()
    main(options.photos, options.target, options.further, *options.images)
