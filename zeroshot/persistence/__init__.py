"""Models to a folder and back: JSON and safetensors, never pickle."""

from __future__ import annotations

from zeroshot.persistence._model import load, save

__all__ = ["load", "save"]
