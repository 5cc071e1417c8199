"""Errors whose way out differs between Python and the command line: each says both."""

from __future__ import annotations

import ast
import copy
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

import zeroshot
from zeroshot import (
    AttributeTable,
    DeViSEClassifier,
    HierarchicalEmbedding,
    OpenCLIPFeatures,
    TimmFeatures,
    WordVectors,
    evaluate_zero_shot,
)
from zeroshot._utils._decoding import Limits
from zeroshot._utils._images import read_image
from zeroshot.datasets import fetch_awa1, fetch_cifar100, fetch_xlsa17, load_image_folder
from zeroshot.exceptions import (
    LabelWarning,
    Remedy,
    UnknownLabelError,
    in_options,
    in_python,
    message_of,
)
from zeroshot.metrics import seen_unseen_curve

# A function's name, and a position that counts from 0.
IN_PYTHON = re.compile(r"^(load|load_image_folder|TimmFeatures): | \(position 0\)")
PARAMETERS = {"TimmFeatures: model_name": "--backbone", "TimmFeatures: weights": "--weights"}
ROOT = Path(zeroshot.__file__).parent
PYTHON = re.compile(r"\w=|\w\(\)|overrides|label_embedding|synsets|candidates")


def remedies() -> dict[str, str]:
    """Return what every `Remedy` of the package's source says: in Python, and in options."""
    found = {}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Remedy":
                if path.name == "exceptions.py":
                    continue  # the class itself
                (python,), (option,) = node.args, node.keywords
                found[ast.literal_eval(python)] = ast.literal_eval(option.value)
    return found


# What says both, by a call that brings it about ----------------------------------------------

TINY = "test_efficientnet"
TWO = AttributeTable(np.eye(2), labels=["bear", "lion"])


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises((ValueError, OSError)) as caught:
        call()
    return caught.value


def warned(call: Callable[[], object]) -> Warning:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    (first,) = {str(w.message): w.message for w in caught if w.category is LabelWarning}.values()
    assert isinstance(first, Warning)
    return first


def devise(vectors: np.ndarray, **options: object) -> DeViSEClassifier:
    names = [f"label {i}" for i in range(len(vectors))]
    table = AttributeTable(vectors, labels=names)
    y = np.repeat(names[:2], 3)
    return DeViSEClassifier(table, loss="mse", candidates=names, **options).fit(np.eye(6), y)


def open_labels(unknown: str, **options: object) -> zeroshot.OpenLabelClassifier:
    head = zeroshot.SourceHead(np.eye(2), np.zeros(2), ["bear", "lion"])
    return zeroshot.OpenLabelClassifier(head, candidates=["cat", unknown], **options).fit()


def evaluation(rows: slice, **options: object) -> zeroshot.evaluation.ZeroShotEvaluation:
    """Judge a model that knows bear and lion of three."""
    names = ["bear", "lion", "owl"]
    model = DeViSEClassifier(AttributeTable(np.eye(3), labels=names), loss="mse", candidates=names)
    y = np.repeat(names, 2)
    model.fit(np.eye(6)[:4], y[:4])
    return evaluate_zero_shot(model, np.eye(6)[rows], y[rows], n_bootstrap=0, **options)


def no_vectors() -> str:
    model = DeViSEClassifier(TWO, loss="mse").fit(np.eye(4), ["bear", "bear", "lion", "lion"])

    class Plain:
        classes_, seen_classes_ = model.classes_, model.seen_classes_

        def fit(self) -> None: ...

        def decision_function(self, X: np.ndarray) -> np.ndarray:
            return model.decision_function(X)

        def __sklearn_is_fitted__(self) -> bool:
            return True

    result = evaluate_zero_shot(Plain(), np.eye(4), ["bear"] * 4, semantic_similarity_at=(1,))
    return result.left_out["semantic_similarity_at_1"]


def one_kind(offered: list[str]) -> BaseException:
    scores = np.eye(2)
    return raised(
        lambda: seen_unseen_curve(
            ["bear", "owl"], scores, labels=offered, seen_classes=["bear", "lion"]
        )
    )


def other_models_weights(folder: Path) -> BaseException:
    save_file(timm.create_model(TINY).state_dict(), folder / "tiny.safetensors")
    weights = folder / "tiny.safetensors"
    return raised(lambda: TimmFeatures("test_resnet", weights=weights).fit())


def offline(call: Callable[[], object]) -> BaseException:
    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no network here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("urllib.request.urlopen", refuse)
        return raised(call)


def too_much(folder: Path, **limits: float) -> BaseException:
    path = folder / "8x8.avif"
    Image.new("RGB", (8, 8)).save(path)
    return raised(lambda: read_image(path, limits=Limits(**limits)))


def stray(folder: Path) -> Path:
    (folder / "stray").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "stray" / "a.png")
    return folder / "stray"


def no_numbers(folder: Path) -> Path:
    """Return a file that is CSV where numbers alone are expected."""
    path = folder / "table.txt"
    path.write_text("name,black\n")
    return path


def numbered(folder: Path) -> Path:
    for name in ("0", "1"):
        (folder / "numbered" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "numbered" / name / "a.png")
    return folder / "numbered"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | BaseException]:
    folder = tmp_path_factory.mktemp("errors")
    pytest.importorskip("open_clip")
    glove = WordVectors()
    return {
        "weights to be downloaded": offline(lambda: TimmFeatures("resnet18").fit()),
        "a CLIP to be downloaded": offline(lambda: OpenCLIPFeatures("ViT-B-32").fit()),
        "a data set to be downloaded": offline(lambda: fetch_cifar100(data_home=folder)),
        "words without a vector": warned(lambda: glove.embed(["crane zzkwwv"])),
        "labels without a vector": raised(lambda: glove.embed(["qqxyzzy"])),
        "labels without a vector or ancestors": raised(
            lambda: HierarchicalEmbedding(glove).embed(["qqxyzzy"])
        ),
        "numbers that count as words": warned(lambda: glove.embed(["crane 7"])),
        "labels without a gloss": raised(
            lambda: zeroshot.GlossEmbedding(on_missing="raise").embed(["qqxyzzy"])
        ),
        "labels with their own text for a gloss": warned(
            lambda: zeroshot.GlossEmbedding().embed(["qqxyzzy"])
        ),
        "labels that are numbers": warned(lambda: zeroshot.SentenceEmbedding().embed(["7"])),
        "labels that nothing knows": raised(lambda: open_labels("qqxyzzy")),
        "labels without a letter": raised(lambda: open_labels("?!", sentences=True)),
        "labels of one vector": warned(
            lambda: devise(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]))
        ),
        "labels at the mean": warned(lambda: devise(np.array([[1.0, 0], [0, 1], [0.5, 0.5]]))),
        "names of many senses": next(
            note
            for note in evaluation(slice(None), hierarchical_precision_at=(1,)).notes
            if "Hierarchical" in note
        ),
        "no sample of a seen class": evaluation(slice(4, 6)).left_out["seen_accuracy"],
        "no sample of an unseen class": evaluation(slice(0, 4)).left_out["unseen_accuracy"],
        "no unseen candidate": one_kind(["bear", "lion"]),
        "no label vectors": no_vectors(),
        "no such model": raised(lambda: TimmFeatures("resnet-eighteen").fit()),
        "a photo for weights": raised(lambda: TimmFeatures(TINY, weights="photo.png").fit()),
        "no such file": raised(lambda: TimmFeatures(TINY, weights=folder / "no.pth").fit()),
        "no published weights": raised(lambda: TimmFeatures("efficientnet_b8").fit()),
        "weights of another model": other_models_weights(folder),
        "images that no network is built for": raised(
            lambda: TimmFeatures("xcit_nano_12_p16_224", weights=None, image_size=1).fit()
        ),
        "images of the wrong size": raised(
            lambda: TimmFeatures("inception_v3", weights=None, image_size=8).fit()
        ),
        "an image of too many pixels": too_much(folder, max_pixels=63),
        "an image of too many bytes": too_much(folder, max_bytes=10),
        "an image that takes too long": too_much(folder, max_seconds=1e-5),
        "a measure of another name": raised(
            lambda: zeroshot.WordNetSimilarity("wup").matrix(["cat"], ["dog"])
        ),
        "class folders that are numbers": warned(lambda: load_image_folder(numbered(folder))),
        "images outside of class folders": raised(lambda: load_image_folder(stray(folder))),
        "a file that is not a model": raised(lambda: zeroshot.load(folder / "tiny.safetensors")),
        "an archive that is not there": raised(
            lambda: fetch_cifar100(data_home=folder, download_if_missing=False)
        ),
        "a benchmark that is not there": raised(lambda: fetch_xlsa17("AWA2", data_home=folder)),
        "features that are not there": raised(lambda: fetch_awa1(data_home=folder)),
        "a table that is not of numbers": raised(
            lambda: AttributeTable.from_file(no_numbers(folder), labels=["lion"])
        ),
    }


def test_each_says_python_to_python_and_options_to_the_command_line(said: dict) -> None:
    both = remedies()
    hit = set()
    for what, message in said.items():
        python, option = str(message), in_options(message)
        assert isinstance(python, str) and not isinstance(option, Remedy)
        found = [ours for ours, meant in both.items() if ours in python and meant in option]
        assert len(found) == 1, (what, python)
        said_in_python = python.replace(found[0], both[found[0]])
        for parameter, named in PARAMETERS.items():
            said_in_python = said_in_python.replace(parameter, named)
        assert option == IN_PYTHON.sub("", said_in_python), what
        hit.add(found[0])
    assert hit == set(both), "every Remedy of the package is brought about above"


def test_no_option_speaks_python() -> None:
    both = remedies()
    assert len(both) > 15 and not [option for option in both.values() if PYTHON.search(option)]


def test_errors_and_warnings_survive_a_worker_and_a_copy(said: dict) -> None:
    for what, message in said.items():
        for back in (
            pickle.loads(pickle.dumps(message)),
            copy.copy(message),
            copy.deepcopy(message),
        ):
            assert str(back) == str(message) and in_options(back) == in_options(message), what


def test_the_command_line_leaves_out_what_is_said_in_python() -> None:
    said = in_python("load: ") + "no such folder" + in_python(" (position 3)") + "."
    assert said == "load: no such folder (position 3)." and said.option == "no such folder."


def test_a_remedy_keeps_both_texts_beside_others() -> None:
    remedy = Remedy("Pass k=2.", option="Pass -k 2.")
    for text in ("No: " + remedy, Remedy("No: ", option="No: ") + remedy):
        assert (text, text.option) == ("No: Pass k=2.", "No: Pass -k 2.")
    assert (remedy + " Or not.").option == "Pass -k 2. Or not."
    assert in_options("plain") == "plain" and in_options(ValueError("plain")) == "plain"
    assert message_of(KeyError()) == "" and in_options(OSError(2, "gone")) == "[Errno 2] gone"
    error = UnknownLabelError(["a"], 2, owner="Table", remedy=remedy)
    assert in_options(error) == "Table has no vector for 1 of 2 labels ('a'). Pass -k 2."
    assert in_options(error.replace(owner="Other")).startswith("Other has no vector")
