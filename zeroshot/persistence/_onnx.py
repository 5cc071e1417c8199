"""`export_onnx`: a model from pixels to scores as one ONNX file."""

from __future__ import annotations

import copy
import io
import json
import os
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._files import atomic_file
from zeroshot._utils._onnx_graph import OPSET, Graph
from zeroshot._utils._optional import import_optional
from zeroshot._utils._pipelines import best_of, is_search, unwrap
from zeroshot._version import __version__
from zeroshot.backbones._features import ImageFeatures
from zeroshot.estimators._onnx_steps import add_scores, cannot_export
from zeroshot.networks._training import Training
from zeroshot.persistence._model import save

if TYPE_CHECKING:
    from torch import Tensor, nn

_OWNER = "export_onnx"
PIXELS, ROWS, SCORES = "pixels", "rows", "scores"
MAX_BYTES = 2**31 - 2**20
"""What one ONNX file can hold: protobuf counts bytes in 31 bits. The rest is for the graph."""
TOLERANCE = 1e-4
"""How far scores of the file may be from the model's, of the largest score or of 1."""
_CHECKED = 3
"""On so many images. The graph is traced with another number."""


class _Source(NamedTuple):
    """The network in front of a model.

    Parameters
    ----------
    network : nn.Module
        From pixels, uint8 (n, 3, height, width), to rows, on the CPU.
    shape : tuple of int
        Height and width of its input.
    preprocessing : dict of str to object
        How images become pixels, for the metadata.
    """

    network: nn.Module
    shape: tuple[int, int]
    preprocessing: dict[str, Any]


def export_onnx(model: Any, path: str | os.PathLike) -> None:
    """Write a model, from the pixels of images to the scores of its candidates, as an ONNX file.

    The graph holds the network, the map and the class vectors. Its input ``pixels`` is uint8
    (n, height, width, 3), RGB; its output ``scores`` is float32 (n, n_classes), as
    ``decision_function`` returns them, with a column for each of two classes, too. Any n is
    allowed. Pixels are scaled in the graph, and images are resized outside of it. Everything is
    computed in single precision.

    The metadata of the file has ``labels``, in the order of the scores; ``preprocessing``, which
    says how an image becomes pixels (:doc:`/production` has the code); ``versions``, all three as
    JSON; and ``model_sha256``, what `save` returns for the model.

    Before the file appears, onnxruntime computes the scores of some random images, and they are
    compared with the model's.

    Parameters
    ----------
    model : estimator or Pipeline
        A fitted classifier of images that `save` can write: a pipeline that begins with
        `TimmFeatures` or `OpenCLIPFeatures`, or a classifier with a network of its own.
    path : path
        File to write or replace.

    Raises
    ------
    TypeError
        ONNX cannot hold the model, or it takes features instead of images. The message names the
        part that is in the way, and what to do.
    NotFittedError
        The model is not fitted.
    ValueError
        The network is larger than one ONNX file can be.
    MissingDependencyError
        A package of the extra ``onnx`` is not installed.
    RuntimeError
        The scores of onnxruntime are not those of the model. No file is written.

    See Also
    --------
    save : Write a model that `load` reads, for Python.

    Notes
    -----
    The graph uses version 18 of ONNX's operators, which onnxruntime has known since 1.14.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import zeroshot
    >>> from sklearn.pipeline import make_pipeline
    >>> from zeroshot import HashEmbedding, NearestLabelClassifier
    >>> model = make_pipeline(NearestLabelClassifier(HashEmbedding(4), candidates=["a", "b"]))
    >>> zeroshot.export_onnx(model.fit(np.eye(4)), "model.onnx")
    Traceback (most recent call last):
    ...
    TypeError: NearestLabelClassifier cannot be exported to ONNX: it takes features, not images. ...
    """
    onnx = import_optional("onnx", owner=_OWNER, extra="onnx")
    for name in ("onnxscript", "onnxruntime"):
        import_optional(name, owner=_OWNER, extra="onnx")
    check_is_fitted(model)
    source = _source_of(model)
    graph = Graph()
    scores = add_scores(graph, model, ROWS)
    with tempfile.TemporaryDirectory() as folder:
        sha256 = save(model, Path(folder) / "model")
    file = _traced(source)
    _append(file, graph, scores)
    about = {
        "labels": json.dumps(unwrap(model).classes_.tolist(), ensure_ascii=False),
        "preprocessing": json.dumps(source.preprocessing),
        "model_sha256": sha256,
        "versions": json.dumps(_versions()),
    }
    onnx.helper.set_model_props(file, about)
    file.producer_name, file.producer_version = "scikit-zeroshot", __version__
    file.doc_string = "Pixels of images, uint8 RGB, to scores of labels. See the metadata."
    content = file.SerializeToString()
    _check(content, source, model)
    with atomic_file(path) as target:
        target.write(content)


def _source_of(model: Any) -> _Source:
    """Return the network in front of a fitted model.

    Raises
    ------
    TypeError
        There is none, or ONNX cannot hold it.
    """
    first = _first_of(model)
    if isinstance(first, ImageFeatures):
        return _of_backbone(first)
    if hasattr(first, "network_"):
        return _of_network(first)
    raise cannot_export(
        first, "it takes features, not images. Export a pipeline that begins with TimmFeatures."
    )


def _first_of(model: Any) -> Any:
    """Return what takes the images: the first step of pipelines, in wrappers, too."""
    while True:
        if isinstance(model, Pipeline):
            model = model.steps[0][1]
        elif is_search(model):
            model = best_of(model)
        elif hasattr(model, "_fitted_inner"):
            model = model._fitted_inner()
        elif isinstance(model, FrozenEstimator):
            model = model.estimator
        else:
            return model


def _of_backbone(backbone: ImageFeatures) -> _Source:
    network = backbone._opened()
    if network.inner is not None:
        raise cannot_export(
            backbone, f"layer={network.inner.name!r} ends the network early. Pass layer=None."
        )
    import torch
    from timm.data.transforms import ResizeKeepRatio

    class Features(torch.nn.Module):
        scale: Tensor
        shift: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.module = copy.deepcopy(network.module).cpu().float()
            self.register_buffer("scale", network.scale.cpu().clone())
            self.register_buffer("shift", network.shift.cpu().clone())

        def forward(self, pixels: Tensor) -> Tensor:
            maps = self.module.forward_features(pixels.float() * self.scale + self.shift)
            return self.module.forward_head(maps, pre_logits=True)

    transform: Any = network.transform
    resize = transform.transforms[0]
    if isinstance(resize.size, int):
        side, size = "shorter", resize.size
    else:
        side, size = "longer" if isinstance(resize, ResizeKeepRatio) else "both", resize.size[0]
    geometry = {"resize": size, "side": side, "interpolation": network.interpolation}
    shape = (network.size, network.size)
    return _Source(Features().eval(), shape, _preprocessing(geometry, shape, network))


def _of_network(estimator: Any) -> _Source:
    network = copy.deepcopy(estimator.network_).cpu().float().eval()
    size = getattr(estimator, "resize", None) or estimator.image_size
    geometry = {"resize": size, "side": "shorter" if size else None, "interpolation": "bicubic"}
    shape = tuple(estimator.image_shape_)
    return _Source(network, shape, _preprocessing(geometry, shape, network))


def _preprocessing(geometry: dict, shape: tuple[int, int], network: Any) -> dict[str, Any]:
    """Return how images become pixels, and what the graph then does with these."""
    std = 1 / (255 * network.scale.detach().cpu().double().flatten())
    mean = -network.shift.detach().cpu().double().flatten() * std
    return {
        **geometry,
        "crop": list(shape),
        "mean": mean.numpy().round(6).tolist(),
        "std": std.numpy().round(6).tolist(),
        "scaled_in_graph": True,
    }


def _traced(source: _Source) -> Any:
    """Return the ONNX model from `PIXELS` to `ROWS`.

    Raises
    ------
    ValueError
        The network is too large for one file.
    """
    import onnx
    import torch

    size = sum(t.numel() * t.element_size() for t in source.network.state_dict().values())
    if size > MAX_BYTES:
        raise ValueError(
            f"{_OWNER}: the network has {size:,} bytes, and one ONNX file holds at most "
            f"{MAX_BYTES:,}. Export a model with a smaller network."
        )

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = source.network

        def forward(self, pixels: Tensor) -> Tensor:
            return self.network(pixels.permute(0, 3, 1, 2))

    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own parts
        program: Any = torch.onnx.export(
            FromPixels().eval(),
            (torch.zeros(2, *source.shape, 3, dtype=torch.uint8),),
            input_names=[PIXELS],
            output_names=[ROWS],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            external_data=False,
            verbose=False,
        )
        program.save(written, external_data=False)
    file = onnx.load_from_string(written.getvalue())
    for part in (file, file.graph, *file.graph.node):
        del part.metadata_props[:]  # paths of this machine, and more bytes than the graph
    return file


def _append(file: Any, graph: Graph, scores: str) -> None:
    """Add operations from `ROWS` to the scores, which become the output of the file."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node(node.op, node.inputs, node.outputs, **node.attributes)
        for node in graph.nodes
    ]
    file.graph.node.extend([*nodes, helper.make_node("Identity", [scores], [SCORES])])
    arrays = [numpy_helper.from_array(array, name) for name, array in graph.arrays.items()]
    file.graph.initializer.extend(arrays)
    del file.graph.output[:]
    output = helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["n", None])
    file.graph.output.append(output)


def _check(content: bytes, source: _Source, model: Any) -> None:
    """Compare the scores of random images with the model's.

    The network runs in torch on the CPU and in single precision, whatever the model's device and
    precision are.

    Raises
    ------
    RuntimeError
        They differ.
    """
    import onnxruntime
    import torch

    pixels = np.random.default_rng(0).integers(0, 256, (_CHECKED, *source.shape, 3), dtype=np.uint8)
    X = pixels
    if isinstance(_first_of(model), ImageFeatures):
        with torch.inference_mode():
            X = source.network(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    expected = np.asarray(_after_reading(model).decision_function(X))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run([SCORES], {PIXELS: pixels})
    if expected.ndim == 1:
        found = found[:, 1] - found[:, 0]
    # The columns of classes that may not win hold the lowest number on both sides.
    free = np.abs(expected) < np.finfo(np.float32).max / 4
    apart = np.abs(np.where(free, found, 0) - np.where(free, expected, 0)).max(initial=0)
    largest = np.abs(expected[free]).max(initial=1)
    if not (apart <= TOLERANCE * largest and (found[~free] == expected[~free]).all()):
        raise RuntimeError(
            f"{_OWNER}: onnxruntime computes other scores than the model, up to {apart:.2g} apart "
            f"where the largest is {largest:.2g}. No file was written. If the model has a subclass "
            "of your own, define its _add_projection; otherwise please report the network."
        )


def _after_reading(model: Any) -> Any:
    """Return a copy of a model that takes features, or pixels of the very size of its network."""
    if isinstance(model, Pipeline):
        first, *others = model.steps
        kept = [] if isinstance(first[1], ImageFeatures) else [(first[0], _after_reading(first[1]))]
        return Pipeline([*kept, *others])
    if is_search(model):
        return _after_reading(best_of(model))
    if isinstance(model, FrozenEstimator):
        return _after_reading(model.estimator)
    changed = copy.copy(model)
    if hasattr(model, "_fitted_inner"):
        setattr(changed, f"{model._wrapped}_", _after_reading(model._fitted_inner()))
    elif hasattr(model, "network_"):
        changed.training = Training(device="cpu", precision="float32")
        if hasattr(model, "resize"):
            changed.resize = model.image_size
    return changed


def _versions() -> dict[str, str]:
    names = ("scikit-zeroshot", "torch", "timm", "onnx", "onnxscript")
    return {name: __version__ if name == "scikit-zeroshot" else version(name) for name in names}
