"""The model hub: whether it can be reached, and its client's errors."""

from __future__ import annotations

import importlib
import ssl
import urllib.error
import urllib.request

_REACH_SECONDS = 5.0


def check_reachable() -> None:
    """Raise URLError if the model hub cannot be reached: its client would retry for a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise urllib.error.URLError("HF_HUB_OFFLINE is set")
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_REACH_SECONDS):
            return
    except urllib.error.HTTPError:
        return  # it answered
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):  # the client brings its own certificates
            raise


def download_errors() -> tuple[type[Exception], ...]:
    """Return what a failed download raises: two HTTP clients, by version of the hub's client."""
    found: list[type[Exception]] = [OSError, RuntimeError, ValueError]
    for module, name in (("httpx", "HTTPError"), ("huggingface_hub.errors", "EntryNotFoundError")):
        try:
            found.append(getattr(importlib.import_module(module), name))
        except ImportError:
            continue
    return tuple(found)
