"""Wait policy of OpenMP and OpenBLAS threads in the command line."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

# For each runtime, what stops it from spinning, and every variable that says how it waits.
_OPENMP = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}  # GNU and LLVM's, Intel's
_OPENMP_CHOICES = {*_OPENMP, "GOMP_SPINCOUNT", "KMP_LIBRARY"}
_OPENBLAS = {"OPENBLAS_THREAD_TIMEOUT": "4"}  # 2**4 cycles, the least; its default is 2**26


def wait_passively(environ: MutableMapping[str, str] = os.environ) -> None:
    """Make OpenMP's and OpenBLAS's threads sleep when they have no work.

    By default they spin, which takes the processor from whatever else runs on the machine. A
    runtime reads the environment once, when it is loaded: call this before torch, numpy or
    scikit-learn is imported. Processes started later inherit the choice. Only a program may make
    it, so a library call never comes here.

    Parameters
    ----------
    environ : mutable mapping
        The environment. A runtime whose way to wait the user has chosen in it is left alone.

    Examples
    --------
    >>> from zeroshot._utils._threads import wait_passively
    >>> environ = {"GOMP_SPINCOUNT": "1000"}
    >>> wait_passively(environ)
    >>> environ
    {'GOMP_SPINCOUNT': '1000', 'OPENBLAS_THREAD_TIMEOUT': '4'}
    """
    for passive, choices in ((_OPENMP, _OPENMP_CHOICES), (_OPENBLAS, set(_OPENBLAS))):
        if choices.isdisjoint(environ):
            environ.update(passive)
