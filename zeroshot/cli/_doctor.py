"""``zeroshot doctor``: versions, devices, folders, and what is missing."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import zeroshot
from zeroshot.cli._options import command, with_format, with_output
from zeroshot.cli._output import Answers, Output, provenance
from zeroshot.cli._terminal import say

HELP = """Check this installation: versions of all packages, devices, where word vectors, weights,
data sets and caches are, and what is missing. Include the output in a bug report."""

EXAMPLES = """examples:
  zeroshot doctor
  zeroshot doctor --format json --output doctor.json

exit codes: 0 all that the defaults need is here; 1 something of it is missing
"""

COLUMNS = ("part", "name", "state", "detail", "get")
DISTRIBUTION = "scikit-zeroshot"
DEFAULT = "demo"
"""The extra that the commands' defaults need."""
_FOR_DEVELOPERS = {"all", "bench", "docs", "test"}
_REQUIREMENT = re.compile(r"""(?P<name>[\w.-]+)[^;]*(?:;.*extra == ["'](?P<extra>\w+))?""")

Row = tuple[str, str, str, str, str]


@command(help=HELP, examples=EXAMPLES)
@with_output("FILE", "instead of standard output")
@with_format()
def doctor(args: SimpleNamespace) -> int:
    """Check the installation."""
    output = Output(args)
    rows = [*_packages(), *_devices(), *_files(), *_folders(), *_variables()]
    output.write(Answers(COLUMNS, rows), provenance(args))
    missing = [name for _, name, state, _, get in rows if state == "missing" and DEFAULT in get]
    if not missing:
        say("all that the defaults need is here")
        return 0
    say(f"missing: {', '.join(missing)}. Install what the defaults need with: {_install(DEFAULT)}")
    return 1


def _install(extra: str) -> str:
    return f"pip install '{DISTRIBUTION}[{extra}]'" if extra else f"pip install {DISTRIBUTION}"


def _packages() -> Iterator[Row]:
    """Yield the versions of Python and of all required and optional packages."""
    yield "package", "python", "ok", platform.python_version(), ""
    yield "package", DISTRIBUTION, "ok", f"{zeroshot.__version__} in {files('zeroshot')}", ""
    try:
        found = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # a checkout on the path
        yield "package", f"metadata of {DISTRIBUTION}", "missing", "", "pip install -e ."
        return
    seen = {DISTRIBUTION}  # an extra may consist of others
    for requirement in found:
        part = _REQUIREMENT.match(requirement)
        if part is None or part["name"] in seen or part["extra"] in _FOR_DEVELOPERS:
            continue
        seen.add(part["name"])
        try:
            yield "package", part["name"], "ok", version(part["name"]), ""
        except PackageNotFoundError:
            yield "package", part["name"], "missing", "", _install(part["extra"] or "")


def _devices() -> Iterator[Row]:
    import torch

    from zeroshot._utils._device import has_fast_bfloat16, resolve_device

    chosen = resolve_device("auto")
    kinds = {True: "bfloat16", False: "float32"}
    cpu = f"{torch.get_num_threads()} threads, {kinds[has_fast_bfloat16(torch.device('cpu'))]}"
    yield "device", "cpu", _use(chosen, "cpu"), cpu, ""
    for index in range(torch.cuda.device_count()):
        told = torch.cuda.get_device_properties(index)
        kind = kinds[has_fast_bfloat16(torch.device("cuda", index))]
        detail = f"{told.name}, {told.total_memory / 2**30:.0f} GiB, {kind}"
        yield "device", f"cuda:{index}", _use(chosen, "cuda"), detail, ""
    if not torch.cuda.device_count():
        build = torch.version.cuda
        detail = f"torch is built for CUDA {build}, and finds no GPU" if build else "a CPU build"
        yield "device", "cuda", "none", detail, ""
    if torch.backends.mps.is_available():
        yield "device", "mps", _use(chosen, "mps"), "", ""


def _use(chosen: object, kind: str) -> str:
    return "default" if getattr(chosen, "type", "") == kind else "ok"


def _files() -> Iterator[Row]:
    """Yield where the defaults' vectors and weights are, and the data sets."""
    from zeroshot import TimmFeatures
    from zeroshot.backbones._weights import weights_place
    from zeroshot.cli._datasets import places
    from zeroshot.label_embeddings._word_vector_files import DEFAULT_NAME, place_of

    place = place_of(DEFAULT_NAME)
    state = "missing" if place is None else "ok"
    yield "vectors", DEFAULT_NAME, state, str(place or ""), "" if place else _install(DEFAULT)
    network = TimmFeatures().model_name
    where = weights_place(network)
    get = _install(DEFAULT) if where == "hub" else ""
    yield "weights", network, "missing" if get else "ok", "" if get else where, get
    for name, path, how in places():
        yield "data set", name, "ok" if path.is_file() else "none", str(path), how


def _folders() -> Iterator[Row]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from zeroshot._utils._files import cache_home
    from zeroshot.datasets._fetch import resolve_data_home

    for name, folder in (
        ("cache (ZEROSHOT_CACHE)", cache_home()),
        ("data sets (ZEROSHOT_DATA)", resolve_data_home()),
        ("model hub (HF_HOME)", Path(HF_HUB_CACHE)),
    ):
        yield "folder", name, _state_of(folder), str(folder), ""


def _state_of(folder: Path) -> str:
    if folder.is_dir():
        return "ok" if os.access(folder, os.W_OK) else "read only"
    parent = next((place for place in folder.absolute().parents if place.exists()), None)
    can_be_made = parent is not None and parent.is_dir() and os.access(parent, os.W_OK)
    return "none yet" if can_be_made else "cannot be made"


def _variables() -> Iterator[Row]:
    """Yield the variables of the environment that change what the commands do."""
    for name in (
        "ZEROSHOT_CACHE", "ZEROSHOT_DATA", "HF_HOME", "HF_HUB_OFFLINE", "GENSIM_DATA_DIR",
        "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "TQDM_DISABLE", "NO_COLOR",
    ):  # fmt: skip
        if name in os.environ:
            yield "variable", name, "set", os.environ[name], ""
