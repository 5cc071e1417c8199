"""Strategies for forged models: mutations of saved ones, with the checksums made right again."""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from safetensors.numpy import save as arrays_to_bytes
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

import zeroshot
from zeroshot import (
    ALEClassifier,
    AttributeTable,
    CalibratedStacking,
    ConcatEmbedding,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EmbeddingRegressor,
    EmbeddingRegressorCV,
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    ESZSLClassifierCV,
    FewShotClassifier,
    HashEmbedding,
    HeadRegressionClassifier,
    InferenceSimilarity,
    MixtureSimilarity,
    NearestLabelClassifier,
    OpenLabelClassifier,
    PrototypeRegressionClassifier,
    RejectOption,
    SAEClassifier,
    SimilarityClassifier,
    SimilarityInitializer,
    SJEClassifier,
    SourceHead,
    TimmFeatures,
    Training,
    TransductiveClassifier,
    WordNetEmbedding,
    WordNetSimilarity,
    WordVectorSimilarity,
)
from zeroshot.model_selection import (
    ClassKFold,
    ClassShuffleSplit,
    GeneralizedClassKFold,
    LeaveOneClassOut,
    PredefinedClassSplit,
)
from zeroshot.persistence._format import (
    ARRAYS,
    CONFIG,
    _canonical,
    _with_checksum,
    read_files,
)
from zeroshot.taxonomy import Taxonomy

DATA = Path(__file__).parents[1] / "data" / "format_1"
NAMES = ["cat", "dog", "owl", "truck", "lion", "ship"]
SEEN = NAMES[:4]
N_FEATURES, SIDE = 6, 16


class Model(NamedTuple):
    """Content of a saved model."""

    config: dict[str, Any]
    arrays: dict[str, np.ndarray]


def estimators() -> dict[str, Any]:
    """Return fitted estimators: each class that can be saved is one of them, or in one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, N_FEATURES)) + np.repeat(rng.normal(size=(4, N_FEATURES)), 6, axis=0)
    y = np.repeat(SEEN, 6)
    images = rng.integers(0, 255, size=(4, 32, 32, 3), dtype=np.uint8)
    hashed = HashEmbedding(8)
    table = AttributeTable(rng.normal(size=(6, 5)), labels=NAMES)
    taxonomy = Taxonomy.from_hypernyms(
        {**dict.fromkeys(SEEN[:3], "animal"), "truck": "machine", "lion": "cat", "ship": "truck"}
    )
    head = SourceHead(rng.normal(size=(4, N_FEATURES)), np.zeros(4), SEEN)
    path = WordNetSimilarity("path", senses="nearest", on_missing="zero")
    by_vector = WordVectorSimilarity(hashed)
    fast: dict[str, Any] = {"training": Training(epochs=1, device="cpu"), "random_state": 0}
    ridge = DeViSEClassifier(hashed, loss="mse", candidates=NAMES)
    unseen = {"candidates": NAMES}
    fitted = [
        DeViSEClassifier(table, hidden=(5,), **unseen, **fast),
        DeViSEClassifier(table, loss="mse", gamma=1.5, hubness="zscore", **unseen),
        DeViSEClassifier(ConcatEmbedding([hashed, table]), loss="mse", hubness="csls", **unseen),
        DeViSEClassifier(WordNetEmbedding(vocabulary=NAMES), loss="mse", **unseen),
        DeViSEClassifier(loss="mse", scenario="generalized"),
        EmbeddingRegressor(hashed, hidden=(5,), **fast),
        EmbeddingRegressorCV(table, cv=ClassKFold(2)),
        ESZSLClassifier(table, **unseen),
        ESZSLClassifierCV(table, cv=ClassShuffleSplit(2, test_size=2, random_state=0), **unseen),
        SAEClassifier(table, scenario="unseen", **unseen),
        ALEClassifier(hashed, **unseen, **fast),
        SJEClassifier(hashed, temperature=0.2, **unseen, **fast),
        ConSEClassifier(LogisticRegression(), table, **unseen),
        ConSEClassifier(ridge, table, **unseen),
        DummyZeroShotClassifier(hashed, **unseen),
        CalibratedStacking(ridge, calibration=0.1, cv=GeneralizedClassKFold(2)),
        RejectOption(ridge, coverage=0.5),
        TransductiveClassifier(ridge, weight=0.2, least_images=1.0),
        SimilarityClassifier(None, by_vector, **unseen),
        HeadRegressionClassifier(head, [hashed, path], **unseen),
        PrototypeRegressionClassifier(table, hubness="zscore", **unseen),
        FewShotClassifier(ConSEClassifier(head, hashed), **unseen),
        SimilarityInitializer(
            head, MixtureSimilarity([(path, 1), (by_vector, 1)]), n_neighbors=2, candidates=NAMES
        ),
        SimilarityInitializer(head, InferenceSimilarity(), n_neighbors=2),
        NearestLabelClassifier(HashEmbedding(N_FEATURES), **unseen),
        EnsembleZeroShotClassifier(
            [
                ("map", make_pipeline(StandardScaler(), ridge)),
                ("frozen", FrozenEstimator(ESZSLClassifier(table).fit(X, y))),
            ],
            candidates=NAMES,
        ),
        make_pipeline(StandardScaler(), Normalizer(), ESZSLClassifier(hashed, **unseen)),
        make_pipeline(
            MinMaxScaler(), PCA(3, whiten=True), ConSEClassifier(SGDClassifier("log_loss"), table)
        ),
    ]
    models = {}
    for number, estimator in enumerate(fitted):
        models[f"{number} {type(estimator).__name__}"] = estimator.fit(X, y)
    many = np.concatenate([X + 0.1 * rng.normal(size=X.shape) for _ in range(8)])
    others = [
        FewShotClassifier(ConSEClassifier(head, hashed), **unseen).fit(many, np.tile(y, 8)),
        DeViSEClassifier(hashed, loss="mse").partial_fit(X, y),
        EmbeddingRegressor().fit(X, X[:, :2]),
        OpenLabelClassifier(head, label_embedding=hashed, **unseen).fit(),
        SimilarityClassifier(head, WordNetSimilarity(taxonomy=taxonomy), candidates=NAMES).fit(),
        ESZSLClassifierCV(table, cv=LeaveOneClassOut()),
        ESZSLClassifierCV(table, cv=PredefinedClassSplit([["cat", "dog"]])),
        TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=0).fit(images),
        head,
        *(zeroshot.load(DATA / name) for name in ("softmax", "fine_tune", "devise_network")),
    ]
    return models | {f"{n} {type(e).__name__}": e for n, e in enumerate(others, len(models))}


@cache
def sound_models() -> dict[str, Model]:
    """Return saved models by name."""
    models = {}
    with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, estimator in estimators().items():
            zeroshot.save(estimator, Path(home) / name)
            config, arrays = read_files(Path(home) / name)
            del config["checksum"], config["arrays"]
            models[name] = Model(config, {key: array.copy() for key, array in arrays.items()})
    return models


def write(folder: Path, config: Any, blob: bytes) -> None:
    """Write a model as `save` does, whatever is in it."""
    about = {"sha256": hashlib.sha256(blob).hexdigest(), "n_bytes": len(blob)}
    if isinstance(config, bytes):
        text = config.replace(b'"ARRAYS"', json.dumps(about).encode())
    else:
        text = _canonical({**config, "arrays": about})
    folder.mkdir(exist_ok=True)
    (folder / ARRAYS).write_bytes(blob)
    (folder / CONFIG).write_bytes(_with_checksum(text))


# Mutations of JSON --------------------------------------------------------------------------------

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 10**9, 2**31, 2**63, 10**30, 0.0, 0.5, -0.5, 1e-300),
    *(1e30, 1e300, -1e300, "", "x", "cat", "auto", "mse", "unseen", "drop", "passthrough"),
    *("os.system", "../x", "a" * 500, "\ud800", "\0", [], {}, [0], [1, 2], ["cat"], [[]], [None]),
    {"kind": "tuple", "items": []},
    {"kind": "tuple", "items": [5, 5]},
    {"kind": "dict", "items": [["cat", "dog"]]},
    {"kind": "float", "value": "nan"},
    {"kind": "float", "value": "inf"},
    {"kind": "path", "value": "/etc/passwd"},
    {"kind": "strings", "items": ["cat", "dog"]},
    {"kind": "scalar", "dtype": "<f8", "value": "nan"},
    {"kind": "scalar", "dtype": "<i8", "value": 3},
    {"kind": "object", "index": 0},
    {"kind": "embedding", "index": 0},
)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield container and key of every value in JSON."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def of_objects(model: Model) -> list[tuple[Any, Any]]:
    """Return the places in the objects; those in embeddings, if there is no object."""
    found = [*places(model.config["objects"]), *places(model.config["embeddings"])]
    return [place for place in found if not (isinstance(place[1], str) and place[1] == "items")]


def replaced(draw: st.DrawFn, model: Model) -> None:
    """Put another value somewhere."""
    container, key = draw(st.sampled_from(of_objects(model)))
    container[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))


def attribute_replaced(draw: st.DrawFn, model: Model) -> None:
    """Put another value in place of a whole parameter or attribute."""
    node = draw(st.sampled_from(model.config["objects"]))
    names = [(part, name) for part in ("params", "attributes") for name in node[part]]
    if names:
        part, name = draw(st.sampled_from(names))
        node[part][name] = copy.deepcopy(draw(st.sampled_from(VALUES)))


def grafted(draw: st.DrawFn, model: Model) -> None:
    """Put a value of the model in place of another."""
    found = of_objects(model)
    (to, key), (of, name) = draw(st.sampled_from(found)), draw(st.sampled_from(found))
    to[key] = copy.deepcopy(of[name])


def attribute_grafted(draw: st.DrawFn, model: Model) -> None:
    """Put one attribute or parameter in place of another."""
    node, other = (draw(st.sampled_from(model.config["objects"])) for _ in range(2))
    part, part_of_other = (draw(st.sampled_from(["params", "attributes"])) for _ in range(2))
    if node[part] and other[part_of_other]:
        name = draw(st.sampled_from(sorted(node[part])))
        value = other[part_of_other][draw(st.sampled_from(sorted(other[part_of_other])))]
        node[part][name] = copy.deepcopy(value)


def removed(draw: st.DrawFn, model: Model) -> None:
    """Take a value out."""
    container, key = draw(st.sampled_from(of_objects(model)))
    del container[key]


def added(draw: st.DrawFn, model: Model) -> None:
    """Repeat an item of a list, or add an attribute under another name."""
    container, key = draw(st.sampled_from(of_objects(model)))
    if isinstance(container, list):
        container.insert(key, copy.deepcopy(container[key]))
    else:
        name = draw(st.sampled_from(["x_", "_x", "__class__", "coef_", "predict", "classes_"]))
        container[name] = copy.deepcopy(container[key])


def numbered(draw: st.DrawFn, model: Model) -> None:
    """Change a number."""
    numbers = [
        (container, key)
        for container, key in of_objects(model)
        if type(container[key]) in (int, float)
    ]
    if numbers:
        container, key = draw(st.sampled_from(numbers))
        container[key] = draw(st.sampled_from([v for v in VALUES if type(v) in (int, float)]))


def renamed_class(draw: st.DrawFn, model: Model) -> None:
    """Let an object be one of another class."""
    node = draw(st.sampled_from(model.config["objects"]))
    classes = sorted({n["class"] for m in sound_models().values() for n in m.config["objects"]})
    node["class"] = draw(st.sampled_from([*classes, "os.system", "FunctionTransformer"]))


def of_another_model(draw: st.DrawFn, model: Model) -> None:
    """Put an object of another model in place of one."""
    other = sound_models()[draw(st.sampled_from(sorted(sound_models())))]
    place = draw(st.integers(0, len(model.config["objects"]) - 1))
    node = copy.deepcopy(draw(st.sampled_from(other.config["objects"])))
    model.config["objects"][place] = node
    for container, key in places(node):
        if key == "name" and container[key] in other.arrays:
            model.arrays.setdefault(container[key], other.arrays[container[key]])


# Mutations of tensors -----------------------------------------------------------------------------

NUMBERS = (np.nan, np.inf, -np.inf, 1e300, -1e300, 1e38, 1e-300, 0.0, -1.0, 1.0, 2.0, 1e9)


def number_in_array(draw: st.DrawFn, model: Model) -> None:
    """Change one entry of an array, or all."""
    name = draw(st.sampled_from(sorted(model.arrays)))
    array = model.arrays[name].copy()
    number = draw(st.sampled_from(NUMBERS))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = np.array(number).astype(array.dtype)
    place = draw(st.integers(0, max(0, array.size - 1)))
    if array.size:
        if draw(st.booleans()):
            array.reshape(-1)[place] = value
        else:
            array[...] = value
    model.arrays[name] = array


def reshaped(draw: st.DrawFn, model: Model) -> None:
    """Change the shape of an array."""
    name = draw(st.sampled_from(sorted(model.arrays)))
    array = model.arrays[name]
    axis = draw(st.integers(0, max(0, array.ndim - 1)))
    ways: list[Callable[[], np.ndarray]] = [
        lambda: array.reshape(-1),
        lambda: array[None],
        lambda: array.T,
        lambda: array[:0],
        lambda: np.repeat(array, 2, axis=axis),
        lambda: np.delete(array, 0, axis=axis),
        lambda: np.zeros((0, 10**9), dtype=array.dtype),
        lambda: array.reshape(-1)[:1].reshape(()),
    ]
    try:
        model.arrays[name] = np.ascontiguousarray(draw(st.sampled_from(ways))())
    except (ValueError, IndexError):  # there is no such axis, or nothing in it
        model.arrays[name] = np.zeros(3, dtype=array.dtype)


def cast(draw: st.DrawFn, model: Model) -> None:
    """Change the type of an array, in both files."""
    name = draw(st.sampled_from(sorted(model.arrays)))
    dtype = draw(st.sampled_from(["<f8", "<f4", "<f2", "<i8", "<i4", "|u1", "|b1", "<u4", "<U1"]))
    array = model.arrays[name]
    with np.errstate(all="ignore"):
        model.arrays[name] = array.astype("<u4" if dtype == "<U1" else dtype)
    for container, key in of_objects(model):
        if key == "name" and container[key] == name and draw(st.booleans()):
            container["dtype"] = dtype


def exchanged(draw: st.DrawFn, model: Model) -> None:
    """Exchange two arrays, or call one as the other."""
    one, two = (draw(st.sampled_from(sorted(model.arrays))) for _ in range(2))
    if draw(st.booleans()):
        model.arrays[one], model.arrays[two] = model.arrays[two], model.arrays[one]
    else:
        model.arrays[draw(st.sampled_from([two, "x", "../x"]))] = model.arrays.pop(one)


def shuffled(draw: st.DrawFn, model: Model) -> None:
    """Turn the order of an array's rows around."""
    name = draw(st.sampled_from(sorted(model.arrays)))
    if model.arrays[name].ndim:
        model.arrays[name] = np.ascontiguousarray(model.arrays[name][::-1])


OF_JSON = (
    *(replaced, attribute_replaced, attribute_replaced, attribute_replaced, grafted, numbered),
    *(attribute_grafted, attribute_grafted, removed, added, renamed_class, of_another_model),
)
OF_TENSORS = (number_in_array, number_in_array, reshaped, reshaped, cast, exchanged, shuffled)


# Mutations of the files ---------------------------------------------------------------------------


def of_bytes(draw: st.DrawFn, model: Model) -> tuple[Any, bytes]:
    """Return both files with a change that neither JSON nor arrays can express."""
    blob = arrays_to_bytes(model.arrays)
    length = int.from_bytes(blob[:8], "little")
    header, data = json.loads(blob[8 : 8 + length]), blob[8 + length :]
    text = _canonical({**model.config, "arrays": "ARRAYS"})
    kind = draw(st.integers(0, 7))
    if kind == 0:  # a name twice in the header
        inner = json.dumps(header)[1:-1]
        raw = f"{{{inner},{inner}}}".encode()
    elif kind == 1 and header:  # another place, shape or type
        name = draw(st.sampled_from(sorted(header)))
        key = draw(st.sampled_from(["data_offsets", "shape", "dtype", "more"]))
        header[name][key] = draw(
            st.sampled_from([[0, 8], [0, 10**12], [-8, 0], [10**9], [10**9] * 3, [], "F64", "F8"])
        )
        raw = json.dumps(header).encode()
    elif kind == 2:  # bytes that nothing names
        raw, data = json.dumps(header).encode(), data + b"x" * draw(st.integers(1, 99))
    elif kind == 3:
        raw = draw(st.sampled_from([b"", b"[]", b"{", b"null", b"\xff", b"[" * 100_000]))
    else:
        raw = json.dumps(header).encode()
    if kind == 4:  # a key twice
        text = text.replace(b"{", b'{"format": "x", "format": "y",', 1)
    elif kind == 5:
        depth = draw(st.sampled_from([40, 900, 100_000]))
        text = text.replace(b"null", b"[" * depth + b"]" * depth, 1)
    elif kind == 6:
        number = draw(st.sampled_from([b"NaN", b"Infinity", b"1e999", b"9" * 5000, b"-0", b"1E5"]))
        text = text.replace(b"null", number, 1)
    elif kind == 7:
        start = draw(st.integers(0, len(blob) - 1))
        return text, blob[:start]
    return text, len(raw).to_bytes(8, "little") + raw + data


@st.composite
def forged_models(draw: st.DrawFn) -> tuple[str, Any, bytes]:
    """Draw the name of a sound model, and what its files are turned into."""
    name = draw(st.sampled_from(sorted(sound_models())))
    model = copy.deepcopy(sound_models()[name])
    if draw(st.integers(0, 11)) == 0:
        return name, *of_bytes(draw, model)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        if not (model.config["objects"] and of_objects(model)):
            break
        of_tensors = bool(model.arrays) and draw(st.booleans())
        change = draw(st.sampled_from(OF_TENSORS if of_tensors else OF_JSON))
        with suppress(AttributeError, LookupError, TypeError):  # a change before took that away
            change(draw, model)
    return name, model.config, arrays_to_bytes(model.arrays)
