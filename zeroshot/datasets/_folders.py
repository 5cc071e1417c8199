"""Image folders: one subfolder per class."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from zeroshot._utils._decoding import reads_heif
from zeroshot._utils._images import read_image
from zeroshot.exceptions import ImageReadError, LabelWarning, Remedy, in_python

IMAGE_EXTENSIONS = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".j2k",
        ".jfif",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
HEIF_EXTENSIONS = frozenset({".heic", ".heif", ".hif"})
"""Images as well where pillow-heif is installed."""
N_NAMED = 5  # how many stray files, or classes, a message names
_PARTS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
_WNID = re.compile(r"n\d{8}")


def load_image_folder(
    directory: str | os.PathLike, *, skip_unreadable: bool = False, skip_empty: bool = False
) -> Bunch:
    """List the images of a folder with one subfolder per class.

    Images are found by their extension (``.jpg``, ``.png``, ..., in upper or lower case; ``.heic``
    if pillow-heif is installed), at any depth in the folder of their class. Hidden files and
    folders are ignored. Images are opened only if `skip_unreadable` is True. Otherwise a damaged
    image raises later, when it is read, for example by `zeroshot.TimmFeatures`.

    Parameters
    ----------
    directory : path
        A folder such as ``pets``, with ``pets/cat/1.jpg`` and ``pets/dog/1.jpg``.
    skip_unreadable : bool, default=False
        Open every image, and leave out unreadable images and classes without readable images.
    skip_empty : bool, default=False
        Leave out class folders without images, if at least one class folder has images.

    Returns
    -------
    Bunch
        - paths : list of str, the n_images paths, sorted by class, then by path
        - target : ndarray of str of shape (n_images,), the names of the class folders
        - class_names : list of str, sorted
        - errors : dict of str to ImageReadError, by the path of each image that was left out
        - empty_classes : list of str, the class folders without an image
        - other_files : list of str, the paths of files without an image's extension

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        There is no such folder.
    ValueError
        The folder is empty; a class folder has no image (the message names all of them; with
        `skip_empty`, only if no class folder has images); images are next to the class folders; no
        image can be read; or the folders are parts of a data set (``train``, ``val``) and not
        classes.

    Warns
    -----
    LabelWarning
        Class folders are wnids, which are read as their synsets, or numbers, which have no meaning.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from zeroshot.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/1.jpg", "cat/2.jpg", "dog/1.PNG"):
    ...         path = pathlib.Path(folder, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     bunch = load_image_folder(folder)
    >>> bunch.target.tolist(), bunch.class_names
    (['cat', 'cat', 'dog'], ['cat', 'dog'])
    """
    owner = in_python("load_image_folder: ")
    folder = _existing_folder(directory, owner)
    classes, strays, others = _class_folders(folder)
    if strays:
        raise ValueError(
            owner + f"{folder} holds {len(strays)} images outside of class folders "
            f"({_some(strays)}). Move each into a folder named after its class, as in "
            f"{folder / 'cat' / strays[0]}; "
            + Remedy(
                "for images without labels, use list_images.",
                option="to name images without labels: zeroshot predict.",
            )
        )
    if not classes:
        raise ValueError(
            owner + f"{folder} is empty. Put a folder for each class in it, with the images of "
            f"that class, as in {folder / 'cat' / '1.jpg'}."
        )
    _check_not_split(folder, classes)
    _warn_of_codes(classes)
    files = {name: _files_below(folder / name) for name in classes}
    images = {name: [path for path in paths if _is_image(path)] for name, paths in files.items()}
    empty = [name for name, paths in images.items() if not paths]
    if empty and not (skip_empty and len(empty) < len(classes)):
        raise ValueError(
            owner + f"{len(empty)} of the {len(classes)} class folders in {folder} hold no image "
            f"({', '.join(map(repr, empty))}). Add images ({_extensions()}) or remove the folders."
        )
    labelled = [(path, name) for name in classes for path in images[name]]
    errors = _errors([path for path, _ in labelled]) if skip_unreadable else {}
    labelled = [(path, name) for path, name in labelled if path not in errors]
    if not labelled:
        raise ValueError(
            owner + f"none of the {len(errors)} images in {folder} can be read. Convert them to "
            "PNG or JPEG."
        )
    target = np.array([name for _, name in labelled])
    return Bunch(
        paths=[path for path, _ in labelled],
        target=target,
        class_names=np.unique(target).tolist(),
        errors=errors,
        empty_classes=empty,
        other_files=[
            *(str(folder / name) for name in others),
            *(path for name in classes for path in files[name] if not _is_image(path)),
        ],
    )


def _errors(paths: list[str]) -> dict[str, ImageReadError]:
    """Return the errors of the images that cannot be read."""

    def error_of(path: str) -> ImageReadError | None:
        try:
            read_image(path, min_side=1)
        except ImageReadError as error:
            return error
        return None

    with ThreadPoolExecutor() as pool:  # Pillow releases the interpreter lock while decoding
        found = zip(paths, pool.map(error_of, paths), strict=True)
        return {path: error for path, error in found if error is not None}


def list_images(path: str | os.PathLike) -> list[str]:
    """Return the path of an image file, or the paths of all images in a folder, sorted.

    Parameters
    ----------
    path : path
        A file with any extension, or a folder. A folder is searched at any depth for files with an
        image's extension. Hidden files and folders are ignored.

    Returns
    -------
    list of str
        At least one path.

    Raises
    ------
    FileNotFoundError
        There is no such file or folder.
    ValueError
        The folder holds no image.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from zeroshot.datasets import list_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.jpg", "a.png", "notes.txt"):
    ...         pathlib.Path(folder, name).touch()
    ...     [pathlib.Path(path).name for path in list_images(folder)]
    ['a.png', 'b.jpg']
    """
    if not os.path.exists(path):
        raise FileNotFoundError(
            in_python("list_images: ")
            + f"there is no file or folder {os.fspath(path)}. Check the path; it is "
            f"taken from the folder {Path.cwd()} where it is not absolute."
        )
    if not os.path.isdir(path):
        return [os.fspath(path)]
    images = images_below(Path(path))
    if not images:
        raise ValueError(
            in_python("list_images: ")
            + f"the folder {os.fspath(path)} holds no image{_others(path)}. Name a "
            f"folder with image files ({_extensions()}), or the files themselves."
        )
    return images


def list_other_files(path: str | os.PathLike) -> list[str]:
    """Return the paths of the files in a folder that `list_images` skips by their names."""
    if Path(path).is_file():
        return []
    return [found for found in _files_below(Path(path)) if not _is_image(found)]


def _others(path: str | os.PathLike) -> str:
    endings = {os.path.splitext(found)[1] or "none" for found in list_other_files(path)}
    named = f", only files with other endings ({_some(sorted(endings))})" if endings else ""
    return named + heif_hint(endings)


def _check_not_split(folder: Path, classes: list[str]) -> None:
    """Raise if the class folders are parts of a data set, with one folder per class in each."""
    parts = {name: set(_class_folders(folder / name)[0]) for name in classes if _is_part(name)}
    shared = any(parts[a] & parts[b] for a, b in combinations(parts, 2))
    if not shared and not (len(parts) == len(classes) and any(parts.values())):
        return
    first = next((name for name in parts if name.lower().startswith("train")), min(parts))
    raise ValueError(
        in_python("load_image_folder: ") + f"{folder} holds the parts of a data set "
        f"({', '.join(map(repr, parts))}), not classes: the folders of the classes are in these. "
        f"Pass {str(folder / first)!r} instead."
    )


def _is_part(name: str) -> bool:
    return name.lower() in _PARTS


def _warn_of_codes(classes: list[str]) -> None:
    """Warn about class folders that are wnids or numbers, and say how they are read."""
    from zeroshot.taxonomy._lemmas import find_identifier
    from zeroshot.taxonomy._synset import Synset

    nodes = {name: find_identifier(name) for name in classes if _WNID.fullmatch(name)}
    wnids = [f"{name!r} as {Synset(node).name}" for name, node in nodes.items() if node is not None]
    numbers = [repr(name) for name in classes if name.isdecimal()]
    said = []
    if wnids:
        said.append(f"{len(wnids)} are identifiers of WordNet, read as such: {_some(wnids)}.")
    if numbers:
        said.append(
            f"{len(numbers)} are numbers, which say nothing of the class: {_some(numbers)}."
        )
    if said:
        warnings.warn(
            in_python("load_image_folder: ")
            + f"of {len(classes)} class folders, {' '.join(said)} "
            + Remedy(
                "Rename them, or say what they mean by overrides= of the label embedding.",
                option="Rename them, or say what they mean with --label-texts FILE.",
            ),
            LabelWarning,
            stacklevel=3,
        )


def _some(items: list[str]) -> str:
    return ", ".join(items[:N_NAMED]) + (", ..." if len(items) > N_NAMED else "")


def _existing_folder(directory: str | os.PathLike, owner: str) -> Path:
    folder = Path(directory)
    if not folder.exists():
        raise FileNotFoundError(
            owner + f"there is no folder {folder}. Check the path; it is taken from the folder "
            f"{Path.cwd()} where it is not absolute."
        )
    if not folder.is_dir():
        raise NotADirectoryError(
            owner + f"{folder} is a file. Pass the folder that holds a folder for each class."
        )
    return folder


def _class_folders(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the folders, of the images and of the other files in `folder`."""
    entries = sorted(entry for entry in folder.iterdir() if not _is_hidden(entry.name))
    classes = [entry.name for entry in entries if entry.is_dir()]
    files = [entry.name for entry in entries if entry.is_file()]
    strays = [name for name in files if _is_image(name)]
    return classes, strays, [name for name in files if not _is_image(name)]


def images_below(folder: Path) -> list[str]:
    """Return the paths of the images at any depth below `folder`, sorted."""
    return [path for path in _files_below(folder) if _is_image(path)]


def _files_below(folder: Path) -> list[str]:
    """Return the paths of the files at any depth below `folder`, sorted, without hidden ones."""
    found = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        found += [os.path.join(parent, name) for name in files if not _is_hidden(name)]
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _is_image(name: str) -> bool:
    ending = os.path.splitext(name)[1].lower()
    return ending in IMAGE_EXTENSIONS or (ending in HEIF_EXTENSIONS and reads_heif())


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _extensions() -> str:
    return ", ".join(sorted(IMAGE_EXTENSIONS | (HEIF_EXTENSIONS if reads_heif() else set())))


def heif_hint(endings: Iterable[str]) -> str:
    """Return how to read the skipped files with these extensions, if that is known."""
    if not any(ending.lower() in HEIF_EXTENSIONS for ending in endings):
        return ""
    return ". HEIC is read with pillow-heif: pip install 'scikit-zeroshot[heif]'"
