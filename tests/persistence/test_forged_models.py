"""What `load` refuses of a model whose checksums are right, and how it says so."""

from __future__ import annotations

import copy
import itertools
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_models import Model, sound_models, write
from safetensors.numpy import save as arrays_to_bytes
from sklearn.preprocessing import StandardScaler

import zeroshot
from zeroshot import DeViSEClassifier, HashEmbedding
from zeroshot.exceptions import IntegrityError, ModelFormatError, VersionWarning
from zeroshot.persistence import _format, _versions

X, Y = np.eye(4), ["cat", "dog", "owl", "pig"]


def simple() -> DeViSEClassifier:
    return DeViSEClassifier(HashEmbedding(8), loss="mse").fit(X, Y)


def forged(folder: Path, name: str, change: Callable[[Model], object]) -> Path:
    """Write a sound model with a change, and with the checksums made right."""
    model = copy.deepcopy(next(m for key, m in sound_models().items() if name in key))
    change(model)
    write(folder / "model", model.config, arrays_to_bytes(model.arrays))
    return folder / "model"


def of_class(model: Model, name: str) -> dict[str, Any]:
    return next(node for node in model.config["objects"] if node["class"] == name)


# Names of what lies outside of the model: any path may be one.
OUTSIDE = {("TimmFeatures", "model_name"), ("TimmFeatures", "weights"), ("SoftmaxClassifier",
    "network"), ("FineTuneClassifier", "network"), ("FineTuneClassifier", "weights")}  # fmt: skip


def test_every_value_of_every_class_is_checked_and_named(tmp_path: Path) -> None:
    tried, accepted = set(), set()
    for config, arrays in sound_models().values():
        blob = arrays_to_bytes(arrays)
        for node in config["objects"]:
            for part in ("params", "attributes"):
                for name in sorted(node[part]):
                    place = node["class"], name
                    if place in tried or (name.startswith("layers.") and "layers.0." not in name):
                        continue
                    tried.add(place)
                    kept, node[part][name] = node[part][name], {"kind": "path", "value": "/x"}
                    write(tmp_path / "model", config, blob)
                    node[part][name] = kept
                    try:
                        zeroshot.load(tmp_path / "model")
                    except ModelFormatError as error:
                        assert name.split(".")[0] in str(error) or "holds arrays" in str(error), (
                            place
                        )
                        assert error.attribute, place
                    else:
                        accepted.add(place)
    assert len(tried) > 500 and accepted == OUTSIDE


CHANGES: dict[str, tuple[str, str, Callable[[Model], object]]] = {
    "a declared dimension": (
        "ALEClassifier", "LabelSpace.offset",
        lambda m: m.config["embeddings"][0]["state"].update(n_dims=50_000),
    ),
    "more outputs than there are weights": (
        "SoftmaxClassifier", "ImageNetwork",
        lambda m: of_class(m, "ImageNetwork")["params"].update(n_outputs=10**9),
    ),
    "wider layers than there are weights": (
        "SoftmaxClassifier", "SimpNet",
        lambda m: of_class(m, "SimpNet")["params"].update(width=1e6),
    ),
    "another network than the weights are of": (
        "SoftmaxClassifier", "timm:vit_giant_patch14_clip_224.laion2b",
        lambda m: of_class(m, "ImageNetwork")["params"].update(
            network="timm:vit_giant_patch14_clip_224.laion2b"
        ),
    ),
    "as many source classes as memory holds": (
        "HeadRegression", "ClassKernel.places",
        lambda m: of_class(m, "ClassKernel")["params"].update(n_sources=1),
    ),
    "images of a size that no network sees": (
        "SoftmaxClassifier", "SoftmaxClassifier.image_shape_",
        lambda m: of_class(m, "SoftmaxClassifier")["attributes"].update(
            image_shape_={"kind": "tuple", "items": [10**6, 10**6]}
        ),
    ),
    "a class that fit did not see": (
        "ESZSLClassifier", "ESZSLClassifier",
        lambda m: of_class(m, "ESZSLClassifier")["attributes"].update(
            unseen_classes_=of_class(m, "ESZSLClassifier")["attributes"]["seen_classes_"]
        ),
    ),
    "steps that do not follow each other": (
        "Pipeline", "Pipeline",
        lambda m: m.config["objects"][-1]["params"]["steps"].pop(0)
        and m.config["objects"][-1]["params"]["steps"].append(
            m.config["objects"][-1]["params"]["steps"][0]
        ),
    ),
    "an attribute that is missing": (
        "ESZSLClassifier", "ESZSLClassifier.coef_",
        lambda m: of_class(m, "ESZSLClassifier")["attributes"].pop("coef_"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_does_not_fit_together_is_refused(what: str, tmp_path: Path) -> None:
    name, attribute, change = CHANGES[what]
    folder = forged(tmp_path, name, change)
    with pytest.raises(ModelFormatError, match="It was altered, or saved with another") as caught:
        zeroshot.load(folder)
    assert caught.value.attribute.startswith(attribute)


def test_no_array_of_weights_may_be_infinite(tmp_path: Path) -> None:
    numbers = itertools.cycle([np.nan, np.inf, -np.inf])
    for config, arrays in sound_models().values():
        for key, array in arrays.items():
            if array.dtype.kind != "f" or not array.size:
                continue
            changed = array.copy()
            changed.reshape(-1)[-1] = next(numbers)
            write(tmp_path / "model", config, arrays_to_bytes({**arrays, key: changed}))
            with pytest.raises(ModelFormatError):
                zeroshot.load(tmp_path / "model")


def test_stored_embeddings_are_checked(tmp_path: Path) -> None:
    labels = {"repeated": ["cat"] * 4, "of two kinds": [1.5, "a", "b", "c"]}
    for change in (
        *({"labels": wrong} for wrong in labels.values()),
        *({"reference": 3}, {"fingerprint": None}, {"name": 1}),
    ):
        folder = forged(
            tmp_path,
            "OpenLabelClassifier",
            lambda m, change=change: next(
                node["state"] for node in m.config["embeddings"] if "reference" in node["state"]
            ).update(change),
        )
        with pytest.raises(ModelFormatError):
            zeroshot.load(folder)


def test_an_array_that_is_named_a_thousand_times_is_copied_once(tmp_path: Path) -> None:
    zeroshot.save(StandardScaler().fit(X), tmp_path / "model")
    files = _format.read_files(tmp_path / "model")
    config, arrays = files.config, files.arrays
    del config["checksum"], config["arrays"]
    node = config["objects"][0]["attributes"]["mean_"]
    config["objects"][0]["attributes"]["n_samples_seen_"] = [node] * 1000
    write(tmp_path / "model", config, arrays_to_bytes(arrays))
    seen = zeroshot.load(tmp_path / "model").n_samples_seen_
    assert len({id(item) for item in seen}) == 1


def test_arrays_that_nothing_names_are_refused(tmp_path: Path) -> None:
    folder = forged(tmp_path, "SourceHead", lambda m: m.arrays.update(more=np.zeros(3)))
    with pytest.raises(ModelFormatError, match=r"holds arrays that are no part.*\(more\)"):
        zeroshot.load(folder)


def header_of(blob: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(blob[:8], "little")
    return json.loads(blob[8 : 8 + length]), blob[8 + length :]


def with_header(text: str, data: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode() + data


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda h, d: (json.dumps(h)[:-1] + "," + json.dumps(h)[1:], d), "twice"),
        (lambda h, d: (json.dumps({**h, "more": next(iter(h.values()))}), d), "overlap"),
        (lambda h, d: (json.dumps(h), d + b"x"), "more than its header names"),
        (lambda h, d: (json.dumps(h), d[:-8]), "ends behind the file"),
        (lambda h, d: (json.dumps({n: {**e, "shape": [10**9]} for n, e in h.items()}), d), "takes"),
        (lambda h, d: (json.dumps({n: {**e, "shape": [-1]} for n, e in h.items()}), d), "shape"),
        (lambda h, d: (json.dumps({n: {**e, "dtype": "F8"} for n, e in h.items()}), d), "dtype"),
        (lambda h, d: (json.dumps({n: 1 for n in h}), d), "not described"),
        (lambda h, d: (json.dumps([h]), d), "not a table"),
        (lambda h, d: ("[" * 100_000, d), "nested too deep"),
    ],
)
def test_a_header_of_tensors_that_lies_is_refused(
    change: Callable[[dict, bytes], tuple[str, bytes]], match: str, tmp_path: Path
) -> None:
    model = next(m for key, m in sound_models().items() if "SourceHead" in key)
    blob = with_header(*change(*header_of(arrays_to_bytes(model.arrays))))
    write(tmp_path / "model", model.config, blob)
    with pytest.raises(ModelFormatError, match=f"holds no arrays.*{match}"):
        zeroshot.load(tmp_path / "model")


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    model = next(m for key, m in sound_models().items() if "SourceHead" in key)
    text = _format._canonical({**model.config, "arrays": "ARRAYS"})
    text = text.replace(b"{", b'{"format": "x",', 1)
    write(tmp_path / "model", text, arrays_to_bytes(model.arrays))
    with pytest.raises(IntegrityError, match="has the key 'format' twice"):
        zeroshot.load(tmp_path / "model")


# What load is told --------------------------------------------------------------------------------


def test_a_model_is_pinned_by_the_hash_that_save_returns(tmp_path: Path) -> None:
    sha256 = zeroshot.save(simple(), tmp_path / "model")
    assert zeroshot.load(tmp_path / "model", sha256=sha256).classes_.tolist() == Y
    assert zeroshot.load(tmp_path / "model", sha256=sha256.upper()).classes_.tolist() == Y
    other = zeroshot.save(simple().with_candidates(["eel", "cod"]), tmp_path / "other")
    assert other != sha256
    with pytest.raises(IntegrityError, match=f"not the model of sha256={sha256}.*{other}"):
        zeroshot.load(tmp_path / "other", sha256=sha256)
    for wrong in ("", "abc", 3, "g" * 64):
        with pytest.raises(ValueError, match="load: sha256 must be the 64 hexadecimal digits"):
            zeroshot.load(tmp_path / "model", sha256=wrong)


def test_the_hash_pins_the_arrays_too(tmp_path: Path) -> None:
    sha256 = zeroshot.save(simple(), tmp_path / "model")
    zeroshot.save(simple().set_params(alpha=2.0).fit(X, Y), tmp_path / "other")
    (tmp_path / "other" / _format.ARRAYS).replace(tmp_path / "model" / _format.ARRAYS)
    with pytest.raises(IntegrityError):
        zeroshot.load(tmp_path / "model", sha256=sha256)


def test_files_above_max_bytes_are_not_read(tmp_path: Path) -> None:
    zeroshot.save(simple(), tmp_path / "model")
    size = sum(path.stat().st_size for path in (tmp_path / "model").iterdir())
    assert zeroshot.load(tmp_path / "model", max_bytes=size).classes_.tolist() == Y
    with pytest.raises(IntegrityError, match=rf"has {size:,} bytes, and the limit is {size - 1:,}"):
        zeroshot.load(tmp_path / "model", max_bytes=size - 1)
    with pytest.raises(IntegrityError, match="expected at most 100"):
        zeroshot.load(tmp_path / "model", max_bytes=100)
    with pytest.raises(ValueError, match="load: max_bytes must be an integer"):
        zeroshot.load(tmp_path / "model", max_bytes=0)


def test_save_refuses_what_load_would(tmp_path: Path) -> None:
    broken = simple()
    broken.coefs_[0][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"save: the model could not be loaded.*coefs_\[0\] must"):
        zeroshot.save(broken, tmp_path / "model")
    del broken.coefs_
    with pytest.raises(ValueError, match="coefs_ is missing"):
        zeroshot.save(broken, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_attributes_of_other_versions_of_scikit_learn_are_plain_values(tmp_path: Path) -> None:
    scaler = StandardScaler().fit(X)
    scaler.more_ = [1.0, "a"]
    zeroshot.save(scaler, tmp_path / "model")
    assert zeroshot.load(tmp_path / "model").more_ == [1.0, "a"]
    scaler.more_ = [np.nan]
    with pytest.raises(ValueError, match="more_ must be plain values"):
        zeroshot.save(scaler, tmp_path / "broken")


def test_a_device_of_another_machine_is_no_reason_to_refuse(tmp_path: Path) -> None:
    def on_cuda(model: Model) -> None:
        of_class(model, "Training")["params"]["device"] = "cuda:7"

    assert zeroshot.load(forged(tmp_path, "ALEClassifier", on_cuda)).training.device == "cuda:7"


# Versions -----------------------------------------------------------------------------------------


def saved_with(folder: Path, name: str, **versions: str) -> Path:
    changed = {key.replace("_", "-"): version for key, version in versions.items()}
    return forged(folder, name, lambda m: m.config["versions"].update(changed))


@pytest.mark.parametrize(
    ("name", "versions", "warned"),
    [
        ("Pipeline", {"scikit_learn": "1.2.0"}, True),  # it has scalers of scikit-learn
        ("ALEClassifier", {"scikit_learn": "1.2.0"}, False),  # it has nothing of it
        ("ALEClassifier", {"numpy": "1.0.0"}, False),
        ("ALEClassifier", {"scikit_zeroshot": "99.1.0"}, True),  # a later one
        ("ALEClassifier", {"scikit_zeroshot": "0.0.1"}, False),  # an earlier one is read
        ("Pipeline", {"scikit_learn": "no version"}, True),
    ],
)
def test_versions_that_matter_are_compared(
    name: str, versions: dict[str, str], warned: bool, tmp_path: Path
) -> None:
    folder = saved_with(tmp_path, name, **versions)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        zeroshot.load(folder)
    said = [str(w.message) for w in found if issubclass(w.category, VersionWarning)]
    assert len(said) == warned
    for text in said:
        (distribution, version), *_ = versions.items()
        distribution = distribution.replace("_", "-")
        here = _versions._installed(distribution)
        assert f"{distribution} {version}, and this is {distribution} {here}" in text
        assert str(folder) in text


def test_another_patch_of_the_same_release_is_not_warned_of(tmp_path: Path) -> None:
    release = ".".join(_versions._installed("scikit-learn").split(".")[:2])
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        zeroshot.load(saved_with(tmp_path, "Pipeline", scikit_learn=f"{release}.99"))
    assert not shown


def test_a_network_of_timm_records_its_version(tmp_path: Path) -> None:
    class Network:
        network = "timm:resnet18"

    assert set(_versions.versions_of([Network()])) == {
        *("numpy", "scikit-learn", "scikit-zeroshot", "timm")
    }
    assert set(_versions.versions_of([simple()])) == {"numpy", "scikit-learn", "scikit-zeroshot"}
    with pytest.warns(VersionWarning, match="timm 0.1, and this is timm"):
        _versions.warn_of_versions({"timm": "0.1"}, [Network()], tmp_path)
