"""Devices, precision, seeds, and conversion between arrays and tensors."""

from __future__ import annotations

import hashlib
import os
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from zeroshot._utils._validation import PRECISIONS, check_option


def _use_one_thread() -> None:
    """Let torch compute in one thread in a process that was forked from one with threads.

    Threads do not survive a fork, and the first computation would wait for them for ever.
    """
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)


def resolve_device(
    device: str | torch.device = "auto", *, owner: str = "torch", name: str = "device"
) -> torch.device:
    """Return a torch device; ``"auto"`` is CUDA if available, else MPS, else the CPU.

    Parameters
    ----------
    device : str or torch.device
        Name such as ``"cuda"``, ``"cuda:1"`` or ``"cpu"``.
    owner, name : str
        Owner and name of the parameter, for the messages.

    Raises
    ------
    ValueError
        The device is unknown, or this machine does not have it.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"{owner}: {name} must be 'auto' or a torch device such as 'cpu' or 'cuda', got "
            f"{device!r}."
        ) from error
    here = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (resolved.index or 0) >= here.get(resolved.type, 1):
        raise ValueError(
            f"{owner}: {name}={device!r}, but torch finds {here.get(resolved.type, 1)} devices of "
            f"type {resolved.type!r} on this machine. Use device='auto'."
        )
    return resolved


def resolve_precision(precision: str, device: torch.device, *, owner: str = "torch") -> torch.dtype:
    """Return the dtype to compute in; ``"auto"`` is bfloat16 if the hardware is faster with it.

    A CPU needs bfloat16 instructions (AVX-512 BF16 or AMX) for this. Without them, bfloat16 is
    emulated and many times slower than float32.

    Raises
    ------
    ValueError
        `precision` is not one of `PRECISIONS`.
    """
    check_option(precision, PRECISIONS, owner=owner, name="precision")
    if precision != "auto":
        return getattr(torch, precision)
    return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether `device` has its own instructions for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # not in older torch
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Return a context in which matrix products and convolutions run in `dtype`."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def to_tensor(
    array: np.ndarray, device: torch.device, *, channels_last: bool = False
) -> torch.Tensor:
    """Copy `array` to `device`, asynchronously if the device supports it.

    On the CPU the tensor may share the array's memory: do not write to it.
    """
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()  # torch does not support read-only tensors or negative strides
    tensor = to_device(torch.from_numpy(array), device)
    if channels_last:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy `tensor` to `device`, asynchronously if the device supports it."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()  # only pinned memory allows an asynchronous copy
    return tensor.to(device, non_blocking=True)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return `tensor` as a float32 array (integers keep their type) in the CPU's memory."""
    tensor = tensor.detach()
    if tensor.is_floating_point() and tensor.dtype != torch.float64:
        tensor = tensor.float()
    return tensor.cpu().numpy()  # waits for the accelerator


def generator(seed: int, stream: int = 0) -> torch.Generator:
    """Return a new CPU random generator. The global state is not changed.

    Parameters
    ----------
    seed : int
        Seed, not negative.
    stream : int, default=0
        Streams of one seed are independent of each other.
    """
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def weights_hash(network: torch.nn.Module) -> str:
    """Return the SHA-256 of a network's weights: names, shapes and values, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue  # counts training steps and does not change outputs
        array = tensor.detach().cpu().contiguous().float().numpy()
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
