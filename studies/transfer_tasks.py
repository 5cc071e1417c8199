"""What the transfer study transfers to: target classes, their images' features, and a source head.

A task's source head is the ImageNet-1k head of the default network. CIFAR-100 keeps all of its
classes; from Tiny ImageNet's, and from those of a folder of synsets, the targets' own synsets are
taken out, for whoever has a row for a class needs no transfer. The network itself was trained on
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from archive_features import IMAGE_SIZE, archive_features
from class_groups import is_source_synonym
from PIL import Image
from sklearn.utils import Bunch

from zeroshot import SourceHead, TimmFeatures
from zeroshot.datasets import label_texts, list_images
from zeroshot.datasets._fetch import resolve_data_home
from zeroshot.taxonomy import class_synsets, relations, synset

RELATIONS = ("included", "inclusive", "disjoint")
TEST_IMAGES, TRAIN_IMAGES, CLASSES_A_RELATION = 100, 900, 30
RESIZE, CROP = 256, 224  # Pascal et al., section IV


@dataclass(frozen=True)
class Task:
    """Target classes with images for training and for testing, and the source head.

    Attributes
    ----------
    name : str
        What the figures are headed by.
    head : SourceHead
        Of the source classes.
    synsets : dict of str to str
        The wnid of each target class.
    texts : dict of str to str
        What stands for a class's name where word vectors are looked up.
    train, mirrored, test : Bunch
        ``data`` and ``target``, and for `train` and `test` ``images``: pixels of row numbers.
        `mirrored` holds the training images turned left to right, row by row, or is None.
    relations : ndarray of shape (n_classes,)
        Of the sorted target classes to the sources.
    groups : dict of str to ndarray
        Target classes that are reported apart.
    """

    name: str
    head: SourceHead
    synsets: dict[str, str]
    texts: dict[str, str]
    train: Bunch
    mirrored: Bunch | None
    test: Bunch
    groups: dict[str, np.ndarray]
    relations: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        wnids = [self.synsets[label] for label in self.classes.tolist()]
        object.__setattr__(self, "relations", relations(wnids, self.head.wnids))

    @property
    def classes(self) -> np.ndarray:
        """The sorted target classes."""
        return np.unique(self.test.target)

    def of_relation(self, relation: str) -> np.ndarray:
        """Return the target classes of a relation."""
        return self.classes[self.relations == relation]

    def draw(self, n_images: int, seed: int) -> np.ndarray:
        """Return rows of `n_images` training images a class, or of all where there are fewer."""
        rng = np.random.default_rng(seed)
        rows = (np.flatnonzero(self.train.target == label) for label in self.classes)
        return np.concatenate([rng.permutation(own)[:n_images] for own in rows])


def cifar100_task(limit: int | None = None) -> Task:
    """Return CIFAR-100 at 128 pixels, and all 1,000 source classes."""
    head = TimmFeatures(image_size=IMAGE_SIZE).fit().source_head_
    train = archive_features("cifar100", "train", limit=limit)
    mirrored = archive_features("cifar100", "train", limit=limit, mirrored=True)
    test = archive_features("cifar100", "test", limit=limit)
    names = np.unique(test.target)
    known = is_source_synonym(names, head)
    groups = {"ImageNet synonyms": names[known], "the rest": names[~known]}
    synsets, texts = class_synsets("cifar100"), label_texts("cifar100")
    return Task("CIFAR-100", head, synsets, texts, train, mirrored, test, groups)


def tiny_imagenet_task(limit: int | None = None) -> Task:
    """Return Tiny ImageNet at 128 pixels, and the 800 source classes that are not in it."""
    head = TimmFeatures(image_size=IMAGE_SIZE).fit().source_head_
    synsets = class_synsets("tiny_imagenet")
    train = archive_features("tiny_imagenet", "train", limit=limit)
    test = archive_features("tiny_imagenet", "val", limit=limit)
    head, texts = without(head, synsets), synonym_texts(synsets)
    return Task("Tiny ImageNet", head, synsets, texts, train, None, test, {})


def folder_task(folder: str, chosen: str | None = None, *, seed: int = 0) -> Task:
    """Return the task of Pascal et al.: synsets outside of ImageNet-1k, from a folder of folders.

    30 synsets of each relation, 100 test images and up to 900 training images of each; one random
    224-pixel crop of a training image reduced to 256 pixels, the middle crop of a test image.

    Parameters
    ----------
    folder : str
        Holds a folder of images for each synset, named by its wnid, as ImageNet-21k does.
    chosen : str, optional
        A text file with a wnid a line; by default the taxonomy and `seed` choose.
    seed : int
        Of the choice of synsets, of the images, and of the crops.

    Raises
    ------
    ValueError
        The folder holds no synset that can be used.
    """
    rng = np.random.default_rng(seed)
    backbone = TimmFeatures().fit()
    head = backbone.source_head_
    wnids = sorted(path.name for path in Path(folder).iterdir() if path.is_dir())
    if chosen is not None:
        wanted = set(Path(chosen).read_text(encoding="utf-8").split())
        wnids = [wnid for wnid in wnids if wnid in wanted]
    else:
        wnids = choose_synsets(wnids, head.wnids, rng)
    if not wnids:
        raise ValueError(f"{folder} holds no folder that is named by the wnid of a target synset.")
    train, test = [], []
    for wnid in wnids:
        paths = rng.permutation(sorted(map(str, list_images(Path(folder) / wnid)))).tolist()
        n_test = min(TEST_IMAGES, len(paths) // 2)
        test += [(path, wnid) for path in paths[:n_test]]
        train += [(path, wnid) for path in paths[n_test : n_test + TRAIN_IMAGES]]
    synsets = {synset(wnid).name: wnid for wnid in wnids}

    def crops(paths: list[str]) -> list[Image.Image]:
        return [random_crop(path, rng) for path in paths]

    return Task(
        name=Path(folder).name,
        head=without(head, synsets),
        synsets=synsets,
        texts=synonym_texts(synsets),
        train=_features(backbone, train, crops),
        mirrored=None,
        test=_features(backbone, test, list),
        groups={},
    )


def choose_synsets(wnids: list[str], sources: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Return 30 synsets of each relation to the sources, none of them a source itself."""
    relation = relations(wnids, sources) if wnids else np.empty(0, dtype=str)
    chosen: list[str] = []
    for name in RELATIONS:
        own = np.array(wnids)[relation == name]
        chosen += rng.permutation(own)[:CLASSES_A_RELATION].tolist()
    return sorted(chosen)


def random_crop(path: str, rng: np.random.Generator) -> Image.Image:
    """Return a random square of a photo that is reduced to 256 pixels on its shorter side.

    The network's own preparation takes the middle 224 of 256 pixels: the square comes in a margin
    of its own edges, so that it is what is left.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    scale = RESIZE / min(image.size)
    width, height = (max(RESIZE, round(side * scale)) for side in image.size)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    top, left = rng.integers(height - CROP + 1), rng.integers(width - CROP + 1)
    margin = (RESIZE - CROP) // 2
    square = pixels[top : top + CROP, left : left + CROP]
    return Image.fromarray(np.pad(square, ((margin,) * 2, (margin,) * 2, (0, 0)), mode="edge"))


def without(head: SourceHead, synsets: dict[str, str]) -> SourceHead:
    """Return a head without the classes of the given synsets."""
    kept = ~np.isin(head.wnids, list(synsets.values()))
    return SourceHead(
        head.coef[kept], head.intercept[kept], head.labels[kept], wnids=head.wnids[kept]
    )


def source_photos(task: Task) -> dict[str, Path]:
    """Return a photo of each source class that the folder of ZEROSHOT_DATA has one of."""
    folder = resolve_data_home() / "imagenet-photos"
    by_wnid = {path.name[:9]: path for path in sorted(folder.glob("*.jpg"))}
    pairs = zip(task.head.labels.tolist(), task.head.wnids.tolist(), strict=True)
    return {label: by_wnid[wnid] for label, wnid in pairs if wnid in by_wnid}


def slug(name: str) -> str:
    """Return a name as a file's name has it."""
    return name.lower().replace(" ", "-")


def synonym_texts(synsets: dict[str, str]) -> dict[str, str]:
    """Return the synonyms of each class, as one text: ``"gasmask, respirator, gas helmet"``."""
    return {label: ", ".join(synset(wnid).lemmas) for label, wnid in synsets.items()}


def _features(
    backbone: TimmFeatures,
    images: list[tuple[str, str]],
    read: Callable[[list[str]], list],
    block: int = 256,
) -> Bunch:
    """Return features and labels; unreadable images raise, naming their paths."""
    paths = [path for path, _ in images]
    blocks = [
        backbone.transform(read(paths[start : start + block]))
        for start in range(0, len(paths), block)
    ]
    return Bunch(
        data=np.concatenate(blocks),
        target=np.array([synset(wnid).name for _, wnid in images]),
        images=lambda rows: [np.asarray(Image.open(paths[row]).convert("RGB")) for row in rows],
    )
