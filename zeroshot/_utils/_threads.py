"""Wait policy of OpenMP and OpenBLAS threads in the command line."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

# For each runtime: the setting that stops spinning, and all variables that set its wait policy.
_OPENMP = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}  # GNU and LLVM's, Intel's
_OPENMP_CHOICES = {*_OPENMP, "GOMP_SPINCOUNT", "KMP_LIBRARY"}
_OPENBLAS = {"OPENBLAS_THREAD_TIMEOUT": "4"}  # 2**4 cycles, the least; its default is 2**26


def wait_passively(environ: MutableMapping[str, str] = os.environ) -> None:
    """Make OpenMP's and OpenBLAS's threads sleep when they have no work.

    By default they spin, which takes the processor from other programs. A runtime reads the
    environment once, when it is loaded, so call this before torch, numpy or scikit-learn is
    imported. Processes started later inherit the setting. Only a program may choose it, so library
    functions never call this.

    Parameters
    ----------
    environ : mutable mapping
        The environment. If the user has set the wait policy of a runtime in it, that runtime is not
        changed.

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
