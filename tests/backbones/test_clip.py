"""CLIP: both towers against open_clip's own calls, the classifier between them, bad input."""

from __future__ import annotations

import json
import logging
import pickle
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import zeroshot
from zeroshot import (
    AttributeTable,
    CLIPTextEmbedding,
    HashEmbedding,
    NearestLabelClassifier,
    OpenCLIPFeatures,
)
from zeroshot._utils import _open_clip
from zeroshot.exceptions import (
    DownloadError,
    ImageReadError,
    IntegrityError,
    LabelWarning,
    MissingDependencyError,
    UnknownLabelError,
    UnreadableImageWarning,
)
from zeroshot.persistence._label_embeddings import restore_embedding

SIZE, DIMS = 32, 24
CONFIG = {
    "model_cfg": {
        "embed_dim": DIMS,
        "vision_cfg": {"image_size": SIZE, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2}
        | {"layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]},
}
LABELS = ["lawn_mower", "okapi", "jersey, T-shirt"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the configuration of a tiny CLIP."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    return folder


def open_clip_model(folder: Path, *, seed: int = 7) -> Any:
    """Return what open_clip itself makes of the folder."""
    import open_clip

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return open_clip.create_model(f"local-dir:{folder}").eval()


@pytest.fixture(scope="module")
def weights(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "clip.safetensors"
    save_file(open_clip_model(folder).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def text(folder: Path, weights: Path) -> CLIPTextEmbedding:
    return CLIPTextEmbedding(folder, weights, device="cpu")


@pytest.fixture(scope="module")
def images(folder: Path, weights: Path) -> OpenCLIPFeatures:
    options = {"device": "cpu", "precision": "float32", "num_workers": 0}
    return OpenCLIPFeatures(folder, weights, **options).fit()


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(50, 40), (40, 60), (32, 32), (90, 33)]
    return [
        Image.fromarray(rng.integers(0, 256, size=(*size, 3), dtype=np.uint8)) for size in sizes
    ]


# The towers -----------------------------------------------------------------------------------


def test_text_is_what_open_clip_gives(folder: Path, weights: Path) -> None:
    import open_clip

    model, tokenize = open_clip_model(folder), open_clip.get_tokenizer(f"local-dir:{folder}")
    templates = ["a photo of a {}.", "art of the {}"]
    ours = CLIPTextEmbedding(folder, weights, templates=templates, device="cpu").embed(LABELS)
    for row, synonyms in zip(ours, [["lawn mower"], ["okapi"], ["jersey", "T-shirt"]], strict=True):
        vectors = []
        for synonym in synonyms:
            tokens = tokenize([template.format(synonym) for template in templates])
            with torch.inference_mode():
                encoded = model.encode_text(tokens, normalize=True).mean(dim=0)
            vectors.append(encoded / encoded.norm())
        mean = torch.stack(vectors).mean(dim=0)
        np.testing.assert_allclose(row, mean / mean.norm(), atol=1e-6)


@pytest.mark.case
def test_texts_are_taken_as_written_and_lists_averaged(folder: Path, weights: Path) -> None:
    import open_clip

    model, tokenize = open_clip_model(folder), open_clip.get_tokenizer(f"local-dir:{folder}")
    prompts = ["a dog, running on grass.", "AT&T_1", "art of C++"]
    ours = CLIPTextEmbedding(
        folder, weights, templates="{}", device="cpu", overrides={"x": prompts, "y": prompts[1]}
    )
    with torch.inference_mode():
        encoded = model.encode_text(tokenize(prompts), normalize=True)
    expected = [encoded.mean(dim=0), encoded[1]]
    for row, vector in zip(ours.embed(["x", "y"]), expected, strict=True):
        np.testing.assert_allclose(row, vector / vector.norm(), atol=1e-6)


def test_texts_longer_than_the_tower_reads_are_named(folder: Path, weights: Path) -> None:
    ours = CLIPTextEmbedding(folder, weights, templates="{}", device="cpu")
    with pytest.warns(LabelWarning, match="1 texts are longer than the model reads.*'dog dog"):
        ours.embed(["dog " * 200, "cat"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours.embed(["a photo of a dog"])


def test_images_are_prepared_and_embedded_as_by_open_clip(
    folder: Path, images: OpenCLIPFeatures, photos: list[Image.Image]
) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    model = open_clip_model(folder)
    prepare = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    with torch.inference_mode():
        expected = model.encode_image(torch.stack([prepare(photo) for photo in photos]))
    got = images.transform(photos)
    assert got.dtype == np.float32
    assert got.shape == (4, DIMS) == (4, images.n_features_out_)
    np.testing.assert_allclose(got, expected, atol=1e-5 * float(expected.abs().max()))
    assert images.image_size_ == SIZE
    assert images.get_feature_names_out()[:1].tolist() == ["openclipfeatures0"]


def test_images_are_read_like_those_of_the_other_backbone(
    images: OpenCLIPFeatures, photos: list[Image.Image], tmp_path: Path
) -> None:
    path, missing = tmp_path / "a.png", str(tmp_path / "missing.jpg")
    photos[0].save(path)
    expected = images.transform(photos[:1])
    np.testing.assert_allclose(images.transform([path]), expected, atol=1e-6)
    np.testing.assert_allclose(
        images.transform(np.asarray(photos[0])[np.newaxis]), expected, atol=1e-6
    )
    with pytest.raises(ImageReadError, match="OpenCLIPFeatures: Cannot read .*missing.jpg"):
        images.transform([path, missing])
    lenient = clone(images).set_params(on_error="nan").fit()
    with pytest.warns(UnreadableImageWarning, match="OpenCLIPFeatures: 1 of 2 images"):
        rows = lenient.transform([missing, path])
    assert np.isnan(rows[0]).all()
    np.testing.assert_allclose(rows[1:], expected, atol=1e-6)
    assert list(images.extract([path, missing]).errors) == [1]
    with pytest.raises(TypeError, match="OpenCLIPFeatures: X must be a list of image paths"):
        images.transform("a.png")
    with pytest.raises(NotFittedError):
        clone(images).transform(photos)


def test_random_initialisation_follows_the_seed_and_nothing_else(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, handlers = torch.get_rng_state(), list(logging.getLogger().handlers)
    one, same, other = (
        OpenCLIPFeatures(folder, None, random_state=seed, device="cpu").fit().weights_hash_
        for seed in (0, 0, 1)
    )
    assert one == same != other
    assert CLIPTextEmbedding(folder, None).fingerprint() == (
        CLIPTextEmbedding(folder, None).fingerprint()
    )
    assert torch.equal(before, torch.get_rng_state())
    assert logging.getLogger().handlers == handlers
    assert not caplog.records


def test_an_architecture_by_name_and_weights_by_path(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="not those of model_name='ViT-S-32'"):
        path = tmp_path / "other.safetensors"
        save_file({"a": torch.zeros(2)}, path)
        CLIPTextEmbedding("ViT-S-32", path)


# What is refused ------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize(
    "make", [CLIPTextEmbedding, lambda *names: OpenCLIPFeatures(*names).fit()], ids=["text", "im"]
)


@BOTH
@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (("ViT-B-23", None), ValueError, "got 'ViT-B-23'. Did you mean .*'ViT-B-32'"),
        ((3, None), ValueError, "model_name must be an architecture of open_clip"),
        (("ViT-B-32", "no_such"), ValueError, "no weights 'no_such'.*'laion2b_s34b_b79k'"),
        (("ViT-B-32", 3), ValueError, "weights must be a tag of open_clip"),
        (("ViT-B-32", "no-such.safetensors"), FileNotFoundError, "there is no such file"),
        (("ViT-B-32", "openai"), ValueError, "QuickGELU. Pass model_name='ViT-B-32-quickgelu'"),
    ],
)
def test_bad_names(make: Any, names: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        make(*names)
    assert str(caught.value).startswith(("CLIPTextEmbedding: ", "OpenCLIPFeatures: "))


@BOTH
def test_bad_files(make: Any, folder: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no open_clip_config\.json"):
        make(tmp_path, None)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(IntegrityError, match="not a sound file of weights"):
        make(folder, broken)
    pickled = tmp_path / "pickled.pth"
    torch.save(torch.nn.Linear(2, 2), pickled)
    with pytest.raises(IntegrityError, match=r"saved as \.safetensors first"):
        make(folder, pickled)
    config = json.loads(json.dumps(CONFIG))
    config["model_cfg"]["vision_cfg"]["no_such"] = 1
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="cannot be built"):
        make(tmp_path, None)


@BOTH
def test_without_package_or_network(
    make: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DownloadError, match=r"ViT-B-32, laion2b_s34b_b79k are not in the local"):
        make("ViT-B-32", "laion2b_s34b_b79k")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'scikit-zeroshot\[text\]'"):
        make(folder, None)


def test_weights_behind_a_tag_are_taken_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the file is found: the real weights cannot be had here."""
    import huggingface_hub
    import open_clip

    place = ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "open_clip_pytorch_model.bin")
    path = tmp_path / place[1]
    path.touch()
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda *asked: str(path) if asked == place else None,
    )
    monkeypatch.setattr(_open_clip, "check_reachable", lambda: pytest.fail("asked the hub"))
    found, preparing = _open_clip._find_weights(open_clip, "ViT-B-32", "laion2b_s34b_b79k", "owner")
    assert found == path
    assert len(preparing["mean"]) == len(preparing["std"]) == 3


@BOTH
def test_the_old_name_of_weights_is_answered_with_the_line_to_write(make: Any) -> None:
    owner = OpenCLIPFeatures if make is not CLIPTextEmbedding else make
    with pytest.raises(TypeError, match=r"Write \w+\(\.\.\., weights='laion400m_e31'\)\.$"):
        owner("ViT-B-32", pretrained="laion400m_e31")


def test_a_reference_of_before_opens(folder: Path, weights: Path) -> None:
    text = CLIPTextEmbedding(folder, weights, device="cpu")
    old = text.reference()
    old["pretrained"] = old.pop("weights")
    assert restore_embedding(old, None).fingerprint() == text.fingerprint()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"templates": "photo"}, r"one \{\} for the label"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"device": "abacus"}, "CLIPTextEmbedding: device must be"),
    ],
)
def test_bad_options_of_the_text_tower(arguments: dict, message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=message):
        CLIPTextEmbedding(folder, None, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "OpenCLIPFeatures: batch_size must be an integer of at least 1"),
        ({"precision": "int8"}, "OpenCLIPFeatures: precision must be one of"),
        ({"on_error": "drop"}, "OpenCLIPFeatures: on_error must be one of"),
        ({"num_workers": -1}, "OpenCLIPFeatures: num_workers must be"),
        ({"progress": 2}, "OpenCLIPFeatures: progress must be"),
        ({"device": "abacus"}, "OpenCLIPFeatures: device must be"),
    ],
)
def test_bad_options_of_the_image_tower(arguments: dict, message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=message):
        OpenCLIPFeatures(folder, None, **arguments).fit()


# Passing them on ------------------------------------------------------------------------------


def test_fingerprint_pickle_and_reference_of_the_text_tower(
    text: CLIPTextEmbedding, folder: Path, weights: Path, tmp_path: Path
) -> None:
    others = [
        CLIPTextEmbedding(folder, weights, templates="{}"),
        CLIPTextEmbedding(folder, weights, overrides={"a": "b"}),
        CLIPTextEmbedding(folder, None),
    ]
    assert len({e.fingerprint() for e in (text, *others)}) == 4
    content = pickle.dumps(text)
    assert len(content) < 2000
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.embed(LABELS), text.embed(LABELS))
    assert (again.n_dims, again.fingerprint()) == (DIMS, text.fingerprint())
    assert repr(again) == repr(text)
    reopened = restore_embedding(json.loads(json.dumps(text.reference())), None)
    assert reopened.fingerprint() == text.fingerprint()
    moved = tmp_path / "weights.safetensors"
    moved.write_bytes(weights.read_bytes())
    content = pickle.dumps(CLIPTextEmbedding(folder, moved))
    save_file(open_clip_model(folder, seed=8).state_dict(), moved)
    with pytest.raises(IntegrityError, match="not those that this object was made with"):
        pickle.loads(content).embed(["cat"])
    with pytest.raises(UnknownLabelError, match="CLIPTextEmbedding has no vector for 1 of 1"):
        text.embed([3])


def test_the_image_tower_survives_a_pickle(
    images: OpenCLIPFeatures, photos: list[Image.Image]
) -> None:
    content = pickle.dumps(images)
    assert len(content) < 3000
    np.testing.assert_array_equal(pickle.loads(content).transform(photos), images.transform(photos))


# CLIP, and the nearest label ------------------------------------------------------------------


def test_clip_is_both_towers_and_the_nearest_label(
    folder: Path,
    text: CLIPTextEmbedding,
    images: OpenCLIPFeatures,
    photos: list[Image.Image],
    tmp_path: Path,
) -> None:
    """Logits and probabilities are those of open_clip's model, to rounding."""
    import open_clip
    from open_clip.transform import PreprocessCfg, image_transform_v2

    names = ["cat", "lawn mower", "okapi"]
    model = open_clip_model(folder)
    prepare = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")([f"a photo of a {n}." for n in names])
    with torch.inference_mode():
        logits, _ = model.get_logits(torch.stack([prepare(p) for p in photos]), tokens)
    clip = NearestLabelClassifier(
        text, candidates=names, temperature=1 / float(model.logit_scale.detach().exp())
    ).fit()
    features = images.transform(photos)
    np.testing.assert_allclose(
        clip.decision_function(features) / clip.temperature, logits, atol=1e-3
    )
    np.testing.assert_allclose(
        clip.predict_proba(features), torch.softmax(logits, dim=1), atol=1e-4
    )
    assert clip.decision_function(features).dtype == np.float32
    whole = make_pipeline(images, clip).fit(photos, ["cat", "okapi", "cat", "okapi"])
    zeroshot.save(whole, tmp_path / "clip")
    loaded = zeroshot.load(tmp_path / "clip")
    np.testing.assert_array_equal(loaded.predict_proba(photos), whole.predict_proba(photos))
    view = loaded[-1].with_candidates(["tractor", "cat"])
    assert view.unseen_classes_.tolist() == ["tractor"]


TABLE = AttributeTable([[2, 0], [0, 1], [3, 3], [1, 0.1]], labels=["ant", "bee", "cat", "dog"])


def test_the_score_is_the_cosine_whatever_the_lengths() -> None:
    X = np.random.default_rng(0).normal(size=(20, 2)) * 5
    model = NearestLabelClassifier(TABLE, candidates=["ant", "bee", "cat"]).fit()
    vectors = TABLE.embed(["ant", "bee", "cat"]).astype(float)
    for row, scores in zip(X, model.decision_function(X), strict=True):
        cosines = [row @ v / np.linalg.norm(row) / np.linalg.norm(v) for v in vectors]
        np.testing.assert_allclose(scores, cosines, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(model.transform(X), axis=1), 1)
    assert model.seen_classes_.tolist() == []
    assert model.unseen_classes_.tolist() == ["ant", "bee", "cat"]
    assert np.isfinite(model.predict_proba(np.zeros((1, 2)))).all()


def test_classes_are_seen_if_fit_is_given_labels() -> None:
    X, y = np.eye(2), ["ant", "bee"]
    model = NearestLabelClassifier(TABLE, candidates=["ant", "bee", "cat"], scenario="unseen")
    assert model.fit(X, y).unseen_classes_.tolist() == ["cat"]
    everything = NearestLabelClassifier(TABLE).fit(X, y)
    assert everything.score(X, y) == 1
    centred = clone(everything).set_params(center=True).fit(X, y)
    raw = TABLE.embed(y).astype(float)
    expected = (raw - raw.mean(axis=0)) / np.linalg.norm(raw - raw.mean(axis=0), axis=1)[:, None]
    np.testing.assert_allclose(centred.class_vectors_, expected)
    assert everything.with_candidates(["dog", "cat"]).classes_.tolist() == ["cat", "dog"]


def test_integer_labels_and_saving(tmp_path: Path) -> None:
    X = HashEmbedding(4).embed([5, 7, 9])
    model = NearestLabelClassifier(HashEmbedding(4), candidates=[9, 7, 5]).fit(X)
    assert model.predict(X).tolist() == [5, 7, 9]
    zeroshot.save(model, tmp_path / "model")
    assert zeroshot.load(tmp_path / "model").predict(X).tolist() == [5, 7, 9]


@pytest.mark.parametrize(
    ("model", "X", "y", "error", "message"),
    [
        (NearestLabelClassifier(None), None, None, TypeError, "label_embedding must be a Label"),
        (NearestLabelClassifier(TABLE), None, None, ValueError, "candidates is None, and fit was"),
        (NearestLabelClassifier(TABLE), np.eye(3), list("abc"), ValueError, "vector"),
        (
            NearestLabelClassifier(TABLE, candidates=["ant"]),
            np.eye(3),
            None,
            ValueError,
            "X has 3 features, and the label vectors have 2",
        ),
        (
            NearestLabelClassifier(TABLE),
            np.eye(3),
            ["ant", "bee", "cat"],
            ValueError,
            "do not lie in one space.*OpenCLIPFeatures for CLIPTextEmbedding",
        ),
        (
            NearestLabelClassifier(TABLE, candidates=["ant"], temperature=0),
            None,
            None,
            ValueError,
            "temperature must be a number above 0",
        ),
        (
            NearestLabelClassifier(TABLE, candidates=["ant", "okapi"]),
            None,
            None,
            UnknownLabelError,
            "'okapi'",
        ),
    ],
)
def test_bad_input(model: Any, X: Any, y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        model.fit(X, y)


def test_another_width_at_predict() -> None:
    model = NearestLabelClassifier(TABLE, candidates=["ant", "bee"]).fit()
    with pytest.raises(ValueError, match="X has 3 features, but NearestLabelClassifier is expect"):
        model.predict(np.eye(3))


# The page -------------------------------------------------------------------------------------


def test_python_of_the_text_models_page_runs(
    folder: Path,
    weights: Path,
    photos: list[Image.Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a tiny model in CLIP's place, whose weights would have to be downloaded."""
    page = (Path(__file__).parents[2] / "docs/text_models.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 4
    named = [line for line in blocks[3].splitlines() if line.startswith("names = ")]
    blocks[3] = blocks[3].replace(named[0], f"names = ({str(folder)!r}, {str(weights)!r})")
    photos[0].save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "text_models.md", "exec"), scope)
    assert scope["sentences"].n_dims == 384
    assert scope["clip"].classes_.tolist() == ["okapi", "zebra"]


# Without images ----------------------------------------------------------------------------------


def test_the_whole_vocabulary_needs_no_images() -> None:
    model = NearestLabelClassifier(TABLE, candidates="vocabulary").fit()
    assert model.classes_.tolist() == ["ant", "bee", "cat", "dog"]
    assert not len(model.seen_classes_)


def test_labels_alone_are_the_seen_classes() -> None:
    X, y = np.eye(2), ["ant", "bee"]
    for center in (False, True):
        model = NearestLabelClassifier(TABLE, candidates=["ant", "bee", "cat"], center=center)
        given, alone = clone(model).fit(X, y), clone(model).fit(None, y)
        assert alone.seen_classes_.tolist() == y
        np.testing.assert_array_equal(alone.decision_function(X), given.decision_function(X))
    assert NearestLabelClassifier(TABLE).fit(None, y).classes_.tolist() == y
    with pytest.raises(ValueError, match="NearestLabelClassifier: y is empty"):
        NearestLabelClassifier(TABLE).fit(None, [])


def test_centring_needs_seen_classes() -> None:
    model = NearestLabelClassifier(TABLE, candidates=["ant", "bee"], center="no")
    with pytest.raises(ValueError, match="center must be True or False, got 'no'"):
        model.fit()
    with pytest.warns(LabelWarning, match="center=True, but fit was given no labels") as record:
        model.set_params(center=True).fit()
    assert record[0].filename == __file__
