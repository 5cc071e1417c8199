"""Sentence and CLIP models of folders that somebody forged: refused, and nothing of them is run."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zeroshot import SentenceEmbedding
from zeroshot._utils._model_folders import check_model_folder, read_json
from zeroshot._utils._open_clip import check_clip_folder
from zeroshot.exceptions import IntegrityError
from zeroshot.label_embeddings._sentence_models import open_model

CANARY = "zeroshot_test_canary"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of one layer and a `Dense` part, its weights random."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # version 5.0 knows no other name
        from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("whole")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "cat", "dog", "."]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(words), intermediate_size=16, **sizes)).save_pretrained(
        folder / "bert"
    )
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    parts = [
        models.Transformer(str(folder / "bert")),
        models.Pooling(16),
        models.Dense(16, 8, activation_function=torch.nn.GELU()),
        models.Normalize(),
    ]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "model"))
    return folder / "model"


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that is there once the module `CANARY` is imported, or a call of it made."""
    sung = tmp_path / "sung"
    module = tmp_path / "modules" / f"{CANARY}.py"
    module.parent.mkdir()
    module.write_text(
        f"from pathlib import Path\nPath({str(sung)!r}).touch()\n"
        f"class Run:\n    def __init__(self, *a, **k): Path({str(sung)!r}).touch()\n"
        "    load = __init__\n"
    )
    monkeypatch.syspath_prepend(str(module.parent))
    monkeypatch.delitem(sys.modules, CANARY, raising=False)
    return sung


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(change(content) or content), encoding="utf-8")


def put(path: Path, **entries: Any) -> None:
    edit(path, lambda content: {**content, **entries})


def dense(model: Path) -> Path:
    return next(path for path in model.glob("*Dense*/config.json"))


def test_a_model_of_the_librarys_own_parts_is_opened(model: Path) -> None:
    assert SentenceEmbedding(model, device="cpu").embed(["cat", "dog"]).shape == (2, 8)


def activation(model: Path) -> None:
    put(dense(model), activation_function=f"{CANARY}.Run")


def activation_of_torch(model: Path) -> None:
    put(dense(model), activation_function="torch.utils.collect_env.main")


def part(model: Path) -> None:
    edit(model / "modules.json", lambda parts: parts[1].update(type=f"{CANARY}.Run"))


def part_of_the_library_that_is_no_part(model: Path) -> None:
    name = "sentence_transformers.util.import_from_string"
    edit(model / "modules.json", lambda parts: parts[1].update(type=name))


def part_outside(model: Path) -> None:
    shutil.copytree(dense(model).parent, model.parent / "elsewhere")
    edit(model / "modules.json", lambda parts: parts[2].update(path="../elsewhere"))


def part_behind_a_link(model: Path) -> None:
    folder = dense(model).parent
    shutil.move(folder, model.parent / "elsewhere")
    os.symlink(model.parent / "elsewhere", folder)


def router(model: Path) -> None:
    (model / "router_config.json").write_text(json.dumps({"types": {"a": f"{CANARY}.Run"}}))


def word_tokenizer(model: Path) -> None:
    content = {"tokenizer_class": f"{CANARY}.Run", "update_embeddings": False}
    (model / "wordembedding_config.json").write_text(json.dumps(content))


def auto_map(model: Path) -> None:
    put(model / "config.json", auto_map={"AutoModel": f"{CANARY}.Run"})


def auto_map_of_the_tokenizer(model: Path) -> None:
    put(model / "tokenizer_config.json", auto_map={"AutoTokenizer": [f"{CANARY}.Run", None]})


def trust(model: Path) -> None:
    put(
        next(iter(model.glob("sentence_*config.json"))),
        model_args={"inner": [{"trust_remote_code": True}]},
    )


def kernel(model: Path) -> None:
    put(model / "config.json", attn_implementation="somebody/kernel")


def unpickled(model: Path) -> None:
    put(next(iter(model.glob("sentence_*config.json"))), model_args={"weights_only": False})


def quantized(model: Path) -> None:
    put(model / "config.json", quantization_config={"quant_method": "somebody"})


def repository_code(model: Path) -> None:
    put(model / "config.json", head=f"somebody/repository--{CANARY}.Run")


def method(model: Path) -> None:
    put(
        next(iter(model.glob("sentence_*config.json"))),
        modality_config={"text": {"method": "push_to_hub", "method_output_name": None}},
    )


def code(model: Path) -> None:
    (model / "modeling_own.py").write_text(f"import {CANARY}\n")


def adapter(model: Path) -> None:
    (model / "adapter_config.json").write_text(json.dumps({"base": "somebody/model"}))


class Bomb:
    def __reduce__(self) -> tuple:
        return __import__, (CANARY,)


def pickle_beside_other_weights(model: Path) -> None:
    folder = dense(model).parent
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))


def duplicate_key(model: Path) -> None:
    text = dense(model).read_text()
    dense(model).write_text(text[: text.rindex("}")] + f', "activation_function": "{CANARY}.Run"}}')


def deep(model: Path) -> None:
    (model / "config_sentence_transformers.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (
            activation,
            r"code of its own \(zeroshot_test_canary.Run\).*config.json, entry activation",
        ),
        (activation_of_torch, r"\(torch.utils.collect_env.main\).*entry activation_function"),
        (part, r"code of its own.*modules.json, entry 1.type"),
        (part_of_the_library_that_is_no_part, r"modules.json, entry 1.type"),
        (part_outside, r"names a path outside of the folder \('../elsewhere'\)"),
        (part_behind_a_link, "is a link to another folder"),
        (router, r"router_config.json, entry types.a"),
        (word_tokenizer, r"wordembedding_config.json, entry tokenizer_class"),
        (auto_map, r"config.json has the entry auto_map"),
        (auto_map_of_the_tokenizer, r"tokenizer_config.json has the entry auto_map"),
        (trust, r"entry model_args.inner.0.trust_remote_code = 'True'"),
        (kernel, r"config.json names the code attn_implementation = 'somebody/kernel'"),
        (unpickled, r"entry model_args.weights_only = 'False'"),
        (quantized, r"entry quantization_config"),
        (repository_code, r"names the code head"),
        (method, r"entry modality_config.text.method"),
        (code, r"modeling_own.py is code"),
        (adapter, r"adapter_config.json names another model"),
        (pickle_beside_other_weights, r"pytorch_model.bin is a pickle"),
        (duplicate_key, r"config.json cannot be read as JSON \(an object has the key .* twice\)"),
        (deep, r"nested too deep"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_forged_model_is_refused_and_nothing_is_run(
    model: Path, canary: Path, forge: Callable[[Path], None], said: str
) -> None:
    forge(model)
    with pytest.raises(IntegrityError, match=said) as caught:
        SentenceEmbedding(model, device="cpu").embed(["cat"])
    assert str(caught.value).startswith("SentenceEmbedding: ")
    assert not canary.exists() and CANARY not in sys.modules


def test_a_folder_that_changes_after_it_was_found_is_checked_again(
    model: Path, canary: Path
) -> None:
    embedding = SentenceEmbedding(model, device="cpu")
    activation(model)
    with pytest.raises(IntegrityError, match="code of its own"):
        embedding.embed(["cat"])
    with pytest.raises(IntegrityError, match="code of its own"):
        open_model(model, "cpu")
    assert not canary.exists()


def test_the_canary_sings(canary: Path) -> None:
    __import__(CANARY)
    assert canary.exists()


def test_json_that_is_too_large_or_no_json(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(IntegrityError, match=r"demo: .*a.json cannot be read as JSON"):
        check_model_folder(tmp_path, owner="demo")
    path.write_text("[1, 2]")
    assert read_json(path, owner="demo") == [1, 2]
    monkeypatch.setattr("zeroshot._utils._model_folders.MAX_BYTES", 3)
    with pytest.raises(IntegrityError, match="more than 3 bytes"):
        read_json(path, owner="demo")


# ---- models of open_clip ---------------------------------------------------------------------


def clip_folder(folder: Path, text: Any = None, vision: Any = None) -> Path:
    towers = {"text_cfg": text or {"width": 16}, "vision_cfg": vision or {"layers": 1}}
    content = {"model_cfg": {"embed_dim": 16, **towers}, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    return folder


def test_names_of_published_models_are_taken(tmp_path: Path) -> None:
    names = {"hf_model_name": "xlm-roberta-base", "hf_tokenizer_name": "timm/ViT-B-16-SigLIP"}
    vision = {"timm_model_name": "vit_base_patch16_siglip_224.webli"}
    check_clip_folder(clip_folder(tmp_path, names, vision), owner="demo")


@pytest.mark.parametrize(
    ("text", "vision", "said"),
    [
        ({"tokenizer_kwargs": {"trust_remote_code": True}}, None, "tokenizer_kwargs.trust_remote"),
        ({"hf_model_name": "/tmp"}, None, "hf_model_name = '/tmp'"),
        ({"hf_tokenizer_name": "../other"}, None, "hf_tokenizer_name = '../other'"),
        (None, {"timm_model_name": "local-dir:/tmp"}, "timm_model_name = 'local-dir:/tmp'"),
        (None, {"timm_model_name": ["a"]}, "timm_model_name"),
        ({"auto_map": {"AutoModel": "a.B"}}, None, "model_cfg.text_cfg.auto_map"),
        ("no table", None, "describes no model of open_clip"),
    ],
)
def test_a_forged_clip_folder_is_refused(tmp_path: Path, text: Any, vision: Any, said: str) -> None:
    from zeroshot import CLIPTextEmbedding, OpenCLIPFeatures

    clip_folder(tmp_path, text, vision)
    with pytest.raises(IntegrityError, match=f"CLIPTextEmbedding: .*{said}"):
        CLIPTextEmbedding(tmp_path, None)
    with pytest.raises(IntegrityError, match=f"OpenCLIPFeatures: .*{said}"):
        OpenCLIPFeatures(tmp_path, weights=None).fit()
