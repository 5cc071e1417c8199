"""How fast networks are trained, against a plain PyTorch loop and against the bare steps.

Run it from the repository's root, with the archives of ``ZEROSHOT_DATA``::

    python -m benchmarks.training [--images 768] [--epochs 2] [--repeats 3]

Each estimator's ``fit`` is timed as a whole. The plain loop is what PyTorch's tutorials show: a
``DataLoader`` over the same images as float32 tensors, channels first, the same network, loss and
optimiser in float32. The bare steps are forward, backward and the optimiser's step in the same
precision and memory format as ours, on batches that are ready: what is left is the cost of our loop
and of the estimator around it. All sides take turns within one run.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks._rows import Row, medians_in_turns, print_rows
from zeroshot import SoftmaxClassifier, Training
from zeroshot._utils._device import autocast, has_fast_bfloat16, resolve_device, resolve_precision
from zeroshot.datasets import fetch_cifar100
from zeroshot.networks import SimpNet, TinyImageNetCNN
from zeroshot.networks._image_network import ImageNetwork, channel_statistics

BATCH = 64
RATE = 1e-3


def plain_loop(
    network: nn.Module, X: np.ndarray, codes: np.ndarray, epochs: int
) -> Callable[[], object]:
    """Return a training run as PyTorch's tutorials have it."""
    device = resolve_device()
    mean, std = channel_statistics(X.transpose(0, 3, 1, 2))
    images = torch.from_numpy(X).permute(0, 3, 1, 2).contiguous().float() / 255
    images = (images - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    data = TensorDataset(images, torch.from_numpy(codes))

    def run() -> None:
        model = nn.Sequential(
            copy.deepcopy(network), nn.Linear(network.n_features, codes.max() + 1)
        ).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
        for _ in range(epochs):
            for batch, targets in DataLoader(data, batch_size=BATCH, shuffle=True):
                loss = nn.functional.cross_entropy(model(batch.to(device)), targets.to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        loss.item()

    return run


def bare_steps(
    network: nn.Module, X: np.ndarray, codes: np.ndarray, epochs: int, precision: str
) -> Callable[[], object]:
    """Return as many steps as a training run has, on batches that are ready."""
    device = resolve_device()
    dtype = resolve_precision(precision, device)
    mean, std = channel_statistics(X.transpose(0, 3, 1, 2))
    images = torch.from_numpy(X).permute(0, 3, 1, 2).to(device)  # channels last in memory
    batches = list(zip(images.split(BATCH), torch.from_numpy(codes).split(BATCH), strict=True))

    def run() -> None:
        model = ImageNetwork(network, int(codes.max()) + 1, mean=mean, std=std).to(device)
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
        for batch, targets in batches * epochs:
            with autocast(device, dtype):
                outputs = model(batch)
            loss = nn.functional.cross_entropy(outputs.float(), targets.to(device))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        loss.item()

    return run


def compare(
    title: str, network: nn.Module, X: np.ndarray, y: np.ndarray, epochs: int, repeats: int
) -> Iterator[Row]:
    """Yield a row against the plain loop, and one against the bare steps, for each precision."""
    codes = np.unique(y, return_inverse=True)[1]
    n = len(X) * epochs
    fast = has_fast_bfloat16(resolve_device())
    precisions = ["bfloat16", "float32"] if fast else ["float32"]
    sides: dict[str, Callable[[], object]] = {"plain": plain_loop(network, X, codes, epochs)}
    for precision in precisions:
        training = Training(
            epochs=epochs,
            batch_size=BATCH,
            learning_rate=RATE,
            precision=precision,
            progress=False,
        )
        model = SoftmaxClassifier(network, training=training, random_state=0)
        sides[f"ours, {precision}"] = lambda model=model: model.fit(X, y)
        sides[f"steps, {precision}"] = bare_steps(network, X, codes, epochs, precision)
    times = medians_in_turns(sides, repeats)
    for precision in precisions:
        ours = times[f"ours, {precision}"] / n
        yield Row(
            what=f"an image trained, {title}, {precision}",
            peer="plain float32 PyTorch loop",
            ours_seconds=ours,
            peer_seconds=times["plain"] / n,
            reach=1.5 if precision == "bfloat16" else 1.0,
            note=f"{1 / ours:.0f} images/s against {n / times['plain']:.0f}",
        )
        steps = times[f"steps, {precision}"] / n
        yield Row(
            what=f"an image trained, {title}, {precision}",
            peer="forward, backward, step alone",
            ours_seconds=ours,
            peer_seconds=steps,
            reach=0.95,
            note=f"{100 * (ours / steps - 1):+.1f} % of overhead",
        )


def rows(n_images: int = 768, epochs: int = 2, repeats: int = 3) -> Iterator[Row]:
    """Yield the rows of a SimpNet and of the Tiny ImageNet network."""
    data = fetch_cifar100(subset="train", download_if_missing=False)
    X, y = data.images[:n_images], data.target[:n_images]
    yield from compare("SimpNet slim, 32 px", SimpNet(variant="slim"), X, y, epochs, repeats)
    large = X.repeat(2, axis=1).repeat(2, axis=2)
    network = TinyImageNetCNN(width=0.5)
    yield from compare("Tiny ImageNet CNN, half, 64 px", network, large, y, epochs, repeats)


def main() -> None:
    """Run the comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=768)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    print_rows(rows(options.images, options.epochs, options.repeats))


if __name__ == "__main__":
    main()
