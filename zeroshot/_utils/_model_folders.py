"""Checks of model folders before another library opens them.

These libraries import modules that a file in the folder names, or pass its content to functions
that do. Here every JSON file is checked against tables of allowed names. The check does not import
or call the library, so its version does not matter.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zeroshot._utils._strict_json import parse_json
from zeroshot.exceptions import IntegrityError

MAX_BYTES = 2**28
"""Size that a JSON file may have: a tokenizer's has some megabytes."""

# Files that a library could run.
_CODE = frozenset({".py", ".pyc", ".pyd", ".pyx", ".so", ".dll", ".dylib", ".whl", ".egg"})
# Files that make a library open another model than the one in the folder.
_ELSEWHERE = frozenset({"adapter_config.json"})

# Files that contain only words, read by code that no entry can control.
_WORDS = frozenset({"tokenizer.json", "vocab.json", "added_tokens.json", "special_tokens_map.json"})

# Keys that make a library run code, fetch it, or choose what is imported.
_FORBIDDEN = frozenset(
    {
        "auto_map",
        "custom_pipelines",
        "trust_remote_code",
        "code_revision",
        "base_model_name_or_path",
        "quantization_config",
        "kernel_config",
        "use_kernels",
        "gguf_file",
    }
)
_MUST_BE_TRUE = frozenset({"weights_only", "use_safetensors"})

# Attention may name a kernel on the model hub, which would be downloaded and run.
_ATTENTION = ("attn_implementation", "experts_implementation")
_OWN_ATTENTION = (None, "eager", "sdpa", "flash_attention_2", "flex_attention", "grouped_mm")

_ACTIVATION_KEYS = frozenset({"activation_function", "activation_fn", "activation_fct"})
_ACTIVATIONS = frozenset(
    {
        "CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
        "LogSigmoid", "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus",
        "Softshrink", "Softsign", "Tanh", "Tanhshrink",
    }
)  # fmt: skip
_ACTIVATION_NAMES = frozenset(
    {
        *(f"torch.nn.modules.activation.{name}" for name in _ACTIVATIONS),
        *(f"torch.nn.{name}" for name in _ACTIVATIONS),
        "torch.nn.modules.linear.Identity",
        "torch.nn.Identity",
    }
)


def check_model_folder(folder: Path, *, owner: str) -> dict[str, Any]:
    """Raise if a file of a model's folder has a name that is not in the tables here.

    Parameters
    ----------
    folder : Path
        Folder with the model's files, at any depth.
    owner : str
        Name of the caller, for the messages.

    Returns
    -------
    dict of str to object
        Content of each JSON file, by its path from `folder`, with slashes.

    Raises
    ------
    IntegrityError
        A file has such a name. The message gives the file and the entry.
    """
    contents = {}
    for path in _files_of(folder, owner):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() in _CODE:
            raise _refused(owner, folder, name, "is code", "Delete it: a model needs none.")
        if path.name in _ELSEWHERE:
            remedy = "Merge the adapter into its model, and save that."
            raise _refused(owner, folder, name, "names another model", remedy)
        if path.suffix.lower() == ".json" and path.name not in _WORDS:
            contents[name] = read_json(path, owner=owner)
            _check_entries(contents[name], owner, folder, name)
    return contents


def _files_of(folder: Path, owner: str) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        for name in sorted(folders):
            if os.path.islink(os.path.join(parent, name)):
                remedy = "Copy what it points to."
                raise _refused(owner, folder, name, "is a link to another folder", remedy)
        yield from (Path(parent, name) for name in sorted(names))


def read_json(path: Path, *, owner: str) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    IntegrityError
        The file is not JSON, too large, nested too deeply, or has a duplicate key in an object.
        Readers differ in which of the two values they use.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        return parse_json(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            f"{owner}: {path} cannot be read as JSON ({error}). Fetch the model again."
        ) from error


def check_class(
    value: Any, allowed: frozenset[str], *, owner: str, folder: Path, name: str, entry: str
) -> None:
    """Raise if a file names a class that is not in a table."""
    if not isinstance(value, str) or value not in allowed:
        raise IntegrityError(
            f"{owner}: the model in {folder} brings code of its own ({value}), which is never run: "
            f"{name}, entry {entry}. Pass a model of the library's own parts."
        )


def _check_entries(content: Any, owner: str, folder: Path, name: str) -> None:
    for entry, key, value in _entries(content):
        said = f"{entry} = {str(value)[:100]!r}"
        harmful = key in _FORBIDDEN and value not in (None, False, {})
        if harmful or (key in _MUST_BE_TRUE and value is not True):
            remedy = "Remove the entry, if the model works without it."
            raise _refused(owner, folder, name, f"has the entry {said}, which can run code", remedy)
        if key.strip("_").startswith(_ATTENTION):
            values = value.values() if isinstance(value, Mapping) else [value]
            if any(not isinstance(v, (str, type(None))) or v not in _OWN_ATTENTION for v in values):
                remedy = "Write 'sdpa'."
                raise _refused(owner, folder, name, f"names the code {said}", remedy)
        if key in _ACTIVATION_KEYS and isinstance(value, str) and "." in value:
            check_class(
                value, _ACTIVATION_NAMES, owner=owner, folder=folder, name=name, entry=entry
            )
        if isinstance(value, str) and "--" in value and "/" in value.partition("--")[0]:
            # "somebody/repository--module.Class" is how transformers names code of a repository
            remedy = "Pass a model without code of its own."
            raise _refused(owner, folder, name, f"names the code {said}", remedy)


def _entries(content: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the key and the value of every entry of all objects, at any depth."""
    waiting: list[tuple[str, Any]] = [("", content)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f"{place}{key}", key, inner
                waiting.append((f"{place}{key}.", inner))
        elif isinstance(value, list):
            waiting += [(f"{place}{i}.", inner) for i, inner in enumerate(value)]


def _refused(owner: str, folder: Path, name: str, why: str, remedy: str) -> IntegrityError:
    return IntegrityError(f"{owner}: the model in {folder} is not opened: {name} {why}. {remedy}")
