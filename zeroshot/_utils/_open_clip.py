"""Models of open_clip: image tower and text tower."""

from __future__ import annotations

import difflib
import json
import logging
import os
import pickle
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError

from zeroshot._utils._hub import check_reachable, download_errors
from zeroshot._utils._model_folders import check_model_folder
from zeroshot._utils._optional import import_optional
from zeroshot.exceptions import DownloadError, IntegrityError, Remedy

CONFIG = "open_clip_config.json"
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_creating = threading.Lock()


def create_clip(model_name: Any, weights: Any, *, seed: int, owner: str) -> torch.nn.Module:
    """Return a model of open_clip with its weights, on the CPU and in evaluation mode.

    Parameters
    ----------
    model_name : str or path
        An architecture of open_clip, or a folder with an ``open_clip_config.json``.
    weights : str, path or None
        A tag of open_clip, or a file with weights of this architecture, which is read without
        unpickling. None is random initialisation. A tag is downloaded only if it is not in the
        local cache.
    seed : int
        Seed of the random initialisation.
    owner : str
        Name of the caller, for the messages.

    Raises
    ------
    MissingDependencyError
        open_clip is not installed.
    ValueError, FileNotFoundError, DownloadError
        The architecture or the weights are not available. The message says what to pass.
    IntegrityError
        The file does not contain weights, or not those of this architecture.
    """
    open_clip = import_optional("open_clip", owner=owner, extra="text")
    name = check_model_name(open_clip, model_name, owner=owner)
    file, preprocessing = _find_weights(open_clip, model_name, weights, owner)
    with _creating, torch.random.fork_rng(devices=[]), _root_logger_left_alone():
        torch.manual_seed(seed)
        try:
            # Of a folder open_clip would load what it finds, whatever is asked for.
            model = open_clip.create_model(
                name,
                pretrained=None,
                load_weights=False,
                pretrained_text=False,
                force_preprocess_cfg=preprocessing,
            )
        except OSError as error:  # the configurations of some text towers are on the hub
            raise DownloadError(
                f"{owner}: what model_name={str(model_name)!r} is made of cannot be had "
                f"({str(error).strip()[:300]}). Connect this machine to the network once."
            ) from error
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{owner}: model_name={str(model_name)!r} cannot be built "
                f"({type(error).__name__}: {str(error).strip()[:300]}). Pass another architecture."
            ) from error
        if file is not None:
            _load(open_clip, model, file, model_name, owner)
    return model.eval()


def check_model_name(open_clip: ModuleType, model_name: Any, *, owner: str) -> str:
    """Return an architecture's name for open_clip: with a prefix if it is a folder.

    Raises
    ------
    ValueError
        open_clip does not have this architecture.
    FileNotFoundError
        It is a folder without a configuration.
    """
    if isinstance(model_name, (str, os.PathLike)) and Path(model_name).expanduser().is_dir():
        folder = Path(model_name).expanduser().absolute()
        if not (folder / CONFIG).is_file():
            raise FileNotFoundError(
                f"{owner}: model_name is the folder {folder}, which holds no {CONFIG}. Pass one "
                "that open_clip wrote, or the name of an architecture."
            )
        check_clip_folder(folder, owner=owner)
        return f"local-dir:{folder}"
    if model_name in open_clip.list_models():
        return model_name
    near = difflib.get_close_matches(str(model_name), open_clip.list_models())
    hint = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"{owner}: model_name must be an architecture of open_clip, or a folder with an {CONFIG}, "
        f"got {model_name!r}.{hint} open_clip.list_models() lists them."
    )


def check_clip_folder(folder: Path, *, owner: str) -> None:
    """Raise if the configuration of a model of open_clip names code, or another model's folder.

    Raises
    ------
    IntegrityError
        It does; the message names the file and the entry.
    """
    config = check_model_folder(folder, owner=owner)[CONFIG]
    model = config.get("model_cfg") if isinstance(config, dict) else None
    parts = model if isinstance(model, dict) else {}
    towers = [parts.get(name) for name in ("text_cfg", "vision_cfg")]
    for tower in towers:
        if not isinstance(tower, dict):
            raise IntegrityError(
                f"{owner}: {folder / CONFIG} describes no model of open_clip: model_cfg must hold "
                "text_cfg and vision_cfg. Fetch the model again."
            )
        for key in ("hf_model_name", "hf_tokenizer_name", "timm_model_name"):
            name = tower.get(key)
            # What a folder here, or a scheme such as local-dir:, leads to would not be checked.
            published = isinstance(name, str) and _NAME.fullmatch(name) and not Path(name).exists()
            if name and not published:
                raise IntegrityError(
                    f"{owner}: the model in {folder} is not opened: {CONFIG} has the entry "
                    f"{key} = {str(name)[:100]!r}, which is not the name of a published model."
                )


def _find_weights(
    open_clip: ModuleType, model_name: Any, weights: Any, owner: str
) -> tuple[Path | None, dict[str, Any]]:
    """Return the file of weights, and the image preprocessing for these weights."""
    if weights is None:
        return None, {}
    path = Path(weights).expanduser() if isinstance(weights, (str, os.PathLike)) else None
    if path is None:
        raise ValueError(
            f"{owner}: weights must be a tag of open_clip, a file of weights, or None, got "
            f"{weights!r}."
        )
    if path.suffix in _SUFFIXES:
        if not path.is_file():
            raise FileNotFoundError(
                f"{owner}: weights names {str(path)!r}, and there is no such file. Check the "
                "path, or pass a tag such as 'laion2b_s34b_b79k'."
            )
        return path, {}
    tag = open_clip.pretrained.get_pretrained_cfg(str(model_name), str(weights))
    if not tag:
        tags = open_clip.list_pretrained_tags_by_model(str(model_name))
        raise ValueError(
            f"{owner}: open_clip has no weights {str(weights)!r} for "
            f"{str(model_name)!r}. Pass one of {', '.join(map(repr, tags)) or 'none'}, a file "
            f"ending in {', '.join(_SUFFIXES)}, or None."
        )
    _check_activation(open_clip, model_name, weights, tag, owner)
    return _file_of_tag(open_clip, tag, f"{model_name}, {weights}", owner), {
        key: tag[key] for key in _PREPROCESSING if key in tag
    }


def _check_activation(
    open_clip: ModuleType, model_name: str, weights: str, tag: dict[str, Any], owner: str
) -> None:
    """Raise if weights were trained with a different activation from the architecture's."""
    config = open_clip.get_model_config(model_name)
    trained, has = bool(tag.get("quick_gelu")), bool(config.get("quick_gelu"))
    if trained != has:
        other = f"{model_name}-quickgelu" if trained else model_name.removesuffix("-quickgelu")
        raise ValueError(
            f"{owner}: the weights {weights!r} were trained with{'' if trained else 'out'} "
            f"QuickGELU. Pass model_name={other!r}."
        )


def _file_of_tag(open_clip: ModuleType, tag: dict[str, Any], what: str, owner: str) -> Path:
    """Return the file behind a tag: from the local caches, or downloaded."""
    from huggingface_hub import try_to_load_from_cache

    repo, _, filename = tag.get("hf_hub", "").rpartition("/")
    names = [filename] if filename else ["open_clip_pytorch_model.bin"]
    names = [str(Path(name).with_suffix(".safetensors")) for name in names] + names
    if not filename:
        names.insert(0, "open_clip_model.safetensors")
    for name in names if repo else ():
        found = try_to_load_from_cache(repo, name)
        if isinstance(found, str):
            return Path(found)
    try:
        check_reachable()
        return Path(open_clip.pretrained.download_pretrained(tag))
    except download_errors() as error:
        raise DownloadError(
            f"{owner}: the weights of {what} are not in the local cache and cannot be downloaded "
            f"({type(error).__name__}: {str(error).strip()[:200]}). Connect this machine to the "
            "network once, "
            + Remedy(
                "or pass weights='<file>.safetensors'.", option="or take another --label-embedding."
            )
        ) from error


def _load(
    open_clip: ModuleType, model: torch.nn.Module, path: Path, model_name: Any, owner: str
) -> None:
    try:
        open_clip.load_checkpoint(model, str(path), weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise IntegrityError(
            f"{owner}: {str(path)!r} is not a sound file of weights ({error}). Fetch it again; a "
            "checkpoint that pickles more than tensors must be saved as .safetensors first."
        ) from error
    except (RuntimeError, KeyError, StopIteration, AttributeError, TypeError) as error:
        raise IntegrityError(
            f"{owner}: the weights in {str(path)!r} are not those of "
            f"model_name={str(model_name)!r} ({str(error).strip()[:300]}). Pass the architecture "
            "that they were saved from."
        ) from error


def tokenizer_of(model_name: Any, *, owner: str) -> Any:
    """Return the tokenizer of a model of open_clip.

    Raises
    ------
    DownloadError
        It is on the hub, and cannot be had.
    """
    open_clip = import_optional("open_clip", owner=owner, extra="text")
    name = check_model_name(open_clip, model_name, owner=owner)
    try:
        with _root_logger_left_alone():
            return open_clip.get_tokenizer(name)
    except download_errors() as error:
        raise DownloadError(
            f"{owner}: the tokenizer of {str(model_name)!r} cannot be had "
            f"({type(error).__name__}: {str(error).strip()[:300]}). Connect this machine to the "
            "network once."
        ) from error


def n_tokens(tokenizer: Any, text: str) -> int:
    """Return the number of tokens of a text for a tokenizer of open_clip, with both end tokens."""
    if hasattr(tokenizer, "encode"):
        return len(tokenizer.encode(text)) + 2
    return len(tokenizer.tokenizer(text, truncation=False, verbose=False)["input_ids"])


def text_config(model_name: Any, *, owner: str) -> str:
    """Return the configuration of the text tower, as JSON: with the weights it decides vectors."""
    open_clip = import_optional("open_clip", owner=owner, extra="text")
    config = open_clip.get_model_config(check_model_name(open_clip, model_name, owner=owner))
    return json.dumps({"text": config["text_cfg"], "quick_gelu": config.get("quick_gelu", False)})


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """Drop open_clip's messages to the root logger, and keep it from adding a handler there.

    It reports that a model has no weights before the weights are loaded.
    """

    def keep(record: logging.LogRecord) -> bool:
        return "open_clip" not in Path(record.pathname).parts

    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)
        root.removeHandler(handler)
