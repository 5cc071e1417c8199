"""embed_dataset and predict_dataset: rows, errors, resumption and refusals."""

from __future__ import annotations

import errno
import io
import json
import logging
import pickle
import tarfile
import threading
from pathlib import Path

import numpy as np
import pandas
import pyarrow.dataset
import pyarrow.parquet
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import ESZSLClassifier, HashEmbedding, TimmFeatures, load, save
from zeroshot.exceptions import PartitionError
from zeroshot.scale import (
    Embed,
    Predict,
    _embed,
    _partition,
    embed_dataset,
    open_source,
    predict_dataset,
)
from zeroshot.scale._output import OutputDataset

N = 11
BACKBONE = TimmFeatures(
    "test_efficientnet", weights=None, image_size=32, random_state=0, device="cpu"
).fit()

OTHER = TimmFeatures("test_efficientnet", weights=None, image_size=32, random_state=1, device="cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Images of three classes; one of them cannot be read."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(N):
        path = folder / "ant bee cat".split()[number % 3] / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(path)
    (folder / "bee" / "01.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def model(photos):
    paths = [item.image for part in open_source(photos).partitions(99) for item in part.read()]
    good = [path for path in paths if not path.endswith("01.png")]
    y = [Path(path).parent.name for path in good]
    pipeline = make_pipeline(BACKBONE, Normalizer(), ESZSLClassifier(HashEmbedding(8)))
    return pipeline.fit(good, y)


def rows_of(output):
    """Return the rows of a data set as its readers find them."""
    return pyarrow.dataset.dataset(str(output)).to_table().to_pandas().sort_values("key")


def content(output):
    return {path.name: path.read_bytes() for path in Path(output).glob("*.parquet")}


def test_rows_are_those_of_the_backbone(photos, tmp_path):
    done = embed_dataset(photos, tmp_path / "out", BACKBONE, columns=["label"], partition_size=4)
    assert (done.n_images, done.n_errors, done.n_partitions, done.n_resumed) == (N, 1, 3, 0)
    rows = rows_of(tmp_path / "out")
    paths = [str(photos / key) for key in rows["key"]]
    expected = BACKBONE.transform(paths)
    np.testing.assert_allclose(np.stack(rows["features"]), expected, atol=1e-6)
    assert rows["label"].tolist() == [Path(path).parent.name for path in paths]
    assert len(pandas.read_parquet(tmp_path / "out")) == N - 1
    errors = pyarrow.dataset.dataset(str(tmp_path / "out" / "_errors")).to_table().to_pylist()
    assert [row["key"] for row in errors] == ["bee/01.png"] and "01.png" in errors[0]["error"]
    manifest = json.loads((tmp_path / "out/_zeroshot/manifest.json").read_text())
    assert manifest["model"]["weights"] == BACKBONE.weights_hash_
    assert manifest["parameters"]["precision"] in ("float32", "bfloat16")
    assert "torch" in manifest["versions"]


def test_half_precision_halves_the_bytes(photos, tmp_path):
    embed_dataset(photos, tmp_path / "full", BACKBONE)
    embed_dataset(photos, tmp_path / "half", BACKBONE, dtype="float16")
    full, half = (rows_of(tmp_path / name) for name in ("full", "half"))
    assert half["features"].iloc[0].dtype == np.float16
    np.testing.assert_allclose(np.stack(full["features"]), np.stack(half["features"]), atol=1e-5)


def test_an_interrupted_call_resumes_with_what_is_missing(photos, tmp_path, monkeypatch):
    embed_dataset(photos, tmp_path / "whole", BACKBONE, partition_size=3)
    computed = []
    run_partition = _partition.run_partition

    def interrupted(task, partition, number):
        if number == 2 and len(computed) == 2:
            raise KeyboardInterrupt
        computed.append(number)
        return run_partition(task, partition, number)

    monkeypatch.setattr(_embed, "run_partition", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=3)
    computed.append(None)
    done = embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=3)
    assert computed == [0, 1, None, 2, 3]
    assert done.n_resumed == 2 and done.n_images == N
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    again = embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=3)
    assert again.n_resumed == 4 and computed == [0, 1, None, 2, 3]


def test_a_partition_without_its_commit_is_computed_again(photos, tmp_path):
    embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=3)
    whole = content(tmp_path / "out")
    commits = tmp_path / "out/_zeroshot/done"
    (commits / "000001.json").unlink()
    (commits / "000002.json").write_text('{"n": 3, "n_er')  # cut by a full disk
    (tmp_path / "out/part-000001.parquet").write_bytes(b"half")
    done = embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=3)
    assert done.n_resumed == 2 and content(tmp_path / "out") == whole


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"partition_size": 5}, "parameters.partition_size"),
        ({"dtype": "float16"}, "parameters.dtype"),
        ({"columns": ["label"]}, "parameters.columns"),
        ({"source": "cat"}, "source.keys, source.n"),
        ({"backbone": OTHER}, "model.weights"),
    ],
)
def test_another_call_is_refused_by_what_differs(changes, named, photos, tmp_path):
    embed_dataset(photos, tmp_path / "out", BACKBONE)
    given = {"source": photos, "backbone": BACKBONE, **changes}
    if given["source"] == "cat":
        given["source"] = photos / "cat"
    source, backbone = given.pop("source"), given.pop("backbone")
    with pytest.raises(ValueError, match=f"was begun with another .*{named.split(', ')[0]}"):
        embed_dataset(source, tmp_path / "out", backbone, **given)


def test_outputs_are_not_overwritten(photos, tmp_path):
    embed_dataset(photos, tmp_path / "out", BACKBONE)
    with pytest.raises(FileExistsError, match="holds an output. Choose another folder, or pass"):
        embed_dataset(photos, tmp_path / "out", BACKBONE, resume=False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="holds other files .letter.txt"):
        embed_dataset(photos, tmp_path / "full", BACKBONE)
    (tmp_path / "out/_zeroshot/manifest.json").write_text("[1")
    with pytest.raises(ValueError, match="manifest of .* is damaged"):
        embed_dataset(photos, tmp_path / "out", BACKBONE)


def test_a_second_call_at_the_same_time_is_refused(photos, tmp_path, monkeypatch):
    inside, leave = threading.Event(), threading.Event()
    run_partition = _partition.run_partition

    def slow(task, partition, number):
        inside.set()
        leave.wait(30)
        return run_partition(task, partition, number)

    monkeypatch.setattr(_embed, "run_partition", slow)
    first = threading.Thread(target=embed_dataset, args=(photos, tmp_path / "out", BACKBONE))
    first.start()
    assert inside.wait(30)
    with pytest.raises(BlockingIOError, match="another call is writing"):
        embed_dataset(photos, tmp_path / "out", BACKBONE)
    leave.set()
    first.join()
    assert len(rows_of(tmp_path / "out")) == N - 1


def test_a_partition_that_fails_leaves_the_others(photos, tmp_path):
    with pytest.raises(PartitionError, match=r"1 of 4 partitions failed.*bee/01.png cannot"):
        embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=3, on_error="raise")
    assert len(rows_of(tmp_path / "out")) == N - 3


def test_a_partition_of_broken_images_is_finished_and_reported(tmp_path):
    paths = []
    for number in range(4):
        path = tmp_path / f"{number}.png"
        path.write_bytes(b"broken")
        paths.append(str(path))
    Image.new("RGB", (40, 40)).save(tmp_path / "3.png")
    done = embed_dataset(paths, tmp_path / "out", BACKBONE, partition_size=2)
    assert (done.n_images, done.n_errors) == (4, 3)
    assert len(rows_of(tmp_path / "out")) == 1
    again = embed_dataset(paths, tmp_path / "out", BACKBONE, partition_size=2)
    assert again.n_resumed == 2


def test_a_cut_shard_is_named_and_the_others_finish(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (40, 40)).save(content, "png")
    for number in range(2):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as archive:
            for name in ("a.png", "b.png"):
                about = tarfile.TarInfo(name)
                about.size = len(content.getvalue())
                archive.addfile(about, io.BytesIO(content.getvalue()))
    (tmp_path / "1.tar").write_bytes((tmp_path / "1.tar").read_bytes()[:700])
    shards = [str(tmp_path / f"{number}.tar") for number in range(2)]
    with pytest.raises(PartitionError, match=r"1 of 2 partitions failed.*1.tar cannot be read to"):
        embed_dataset(shards, tmp_path / "out", BACKBONE)
    assert rows_of(tmp_path / "out")["key"].tolist() == ["0.tar/a", "0.tar/b"]


def test_a_full_disk_ends_the_call_and_the_same_call_resumes(photos, tmp_path, monkeypatch):
    embed_dataset(photos, tmp_path / "whole", BACKBONE, partition_size=4)
    write = OutputDataset.write

    def full(self, name, content):
        if name == "part-000001.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, name, content)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(OutputDataset, "write", full)
        embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=4)
    done = embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=4)
    assert done.n_resumed == 1 and content(tmp_path / "out") == content(tmp_path / "whole")


def test_the_log_tells_what_is_left(photos, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(_embed, "LOG_SECONDS", 0)
    with caplog.at_level(logging.INFO, "zeroshot.scale"):
        embed_dataset(photos, tmp_path / "out", BACKBONE, partition_size=6)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in lines] == ["1 of 2 partitions", "2 of 2 partitions"]
    assert "rows per second, 0.00 hours left" in lines[-1]


def test_object_stores_need_no_rename(photos, tmp_path):
    import fsspec

    system = fsspec.filesystem("memory")
    try:
        done = embed_dataset(photos, "memory://bucket/out", BACKBONE, partition_size=4)
        again = embed_dataset(photos, "memory://bucket/out", BACKBONE, partition_size=4)
        names = {name.rpartition("/")[2] for name in system.find("bucket/out")}
    finally:
        system.store.clear()
    assert done.n_images == again.n_images == N and again.n_resumed == 3
    assert {"part-000000.parquet", "manifest.json", "000002.json"} <= names


def test_predictions_are_those_of_the_model(model, photos, tmp_path):
    done = predict_dataset(model, photos, tmp_path / "out", k=2, partition_size=4)
    assert (done.n_images, done.n_errors) == (N, 1)
    rows = rows_of(tmp_path / "out")
    features = model[:-1].transform([str(photos / key) for key in rows["key"]])
    labels, scores = model[-1].predict_top_k(features, k=2)
    assert np.stack(rows["labels"]).tolist() == labels.tolist()
    np.testing.assert_allclose(np.stack(rows["scores"]), scores, atol=1e-5)


def test_bad_arguments(model, photos, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(TypeError, match="begins with a Normalizer, which does not take images"):
        embed_dataset(photos, out, make_pipeline(Normalizer()))
    with pytest.raises(TypeError, match="ends with a TimmFeatures, which is not a zero-shot"):
        predict_dataset(BACKBONE, photos, out)
    with pytest.raises(ValueError, match="embed_dataset: partition_size must be"):
        embed_dataset(photos, out, BACKBONE, partition_size=0)
    with pytest.raises(ValueError, match="embed_dataset: workers must be"):
        embed_dataset(photos, out, BACKBONE, workers=0)
    with pytest.raises(ValueError, match="predict_dataset: k must be"):
        predict_dataset(model, photos, out, k=0)
    with pytest.raises(TypeError, match=r"columns must be a list of names. Pass \['label'\]"):
        embed_dataset(photos, out, BACKBONE, columns="label")
    assert not out.exists()


def test_callables_for_engines_that_stream(model, photos, tmp_path):
    save(model, tmp_path / "model")
    save(BACKBONE, tmp_path / "backbone")
    paths = sorted(map(str, photos.rglob("*.png")))
    batch = {"image": np.array(paths), "id": np.arange(len(paths))}
    embed = pickle.loads(pickle.dumps(Embed(tmp_path / "backbone", device="cpu")))
    rows = embed(batch)
    bad = [path.endswith("01.png") for path in paths]
    assert np.isnan(rows["features"]).all(axis=1).tolist() == bad
    assert [bool(error) for error in rows["error"]] == bad
    assert rows["id"].tolist() == batch["id"].tolist() and "image" not in rows
    named = pickle.loads(pickle.dumps(Predict(tmp_path / "model", k=2, device="cpu")))(batch)
    good = np.flatnonzero(~np.array(bad))
    features = load(tmp_path / "backbone").transform([paths[row] for row in good])
    labels, _ = model[-1].predict_top_k(model[1:-1].transform(features), k=2)
    assert named["labels"][good].tolist() == labels.tolist()
    assert named["labels"][bad].tolist() == [["", ""]]
    assert pyarrow.array(named["labels"]).type == pyarrow.list_(pyarrow.string())
