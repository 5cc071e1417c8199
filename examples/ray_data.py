"""Labels of a folder of images, streamed through Ray Data.

    python examples/ray_data.py MODEL PHOTOS OUTPUT [--workers 2] [--gpus 0] [-k 5]

MODEL is the folder of a saved pipeline: a backbone, then a zero-shot classifier. OUTPUT becomes a
folder of parquet files with the path of each image, its best labels and their scores, and why it
could not be read, if it could not. Needs ``pip install 'scikit-zeroshot[ray]'``.
"""

from __future__ import annotations

import argparse

import ray

from zeroshot.scale import Predict


def main(
    model: str, photos: str, output: str, *, k: int = 5, workers: int = 2, gpus: float = 0
) -> int:
    """Write the labels, and return the number of images."""
    images = ray.data.read_binary_files(photos, include_paths=True)
    named = images.map_batches(
        Predict,
        fn_constructor_args=[model],
        fn_constructor_kwargs={"image": "bytes", "k": k},
        batch_size=256,
        concurrency=workers,
        num_gpus=gpus,
    ).materialize()
    named.write_parquet(output)
    return named.count()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a saved pipeline")
    parser.add_argument("photos", help="folder of images, or a URL that Ray reads")
    parser.add_argument("output", help="folder of parquet files")
    parser.add_argument("-k", type=int, default=5, help="labels per image")
    parser.add_argument("--workers", type=int, default=2, help="processes with a model each")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of each process")
    given = parser.parse_args()
    n_images = main(
        given.model, given.photos, given.output, k=given.k, workers=given.workers, gpus=given.gpus
    )
    print(f"{n_images:,} images")
