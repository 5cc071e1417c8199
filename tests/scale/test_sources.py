"""Sources of images: what is found, under which key, and what is refused."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from zeroshot._utils._images import read_image
from zeroshot.exceptions import IntegrityError, MissingDependencyError
from zeroshot.scale import Source, open_source


def png(value=0):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(file, "png")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/1.JPG", "dog/deep/3.png", ".hidden/4.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    (tmp_path / "photos" / "notes.md").write_text("no image")
    return tmp_path / "photos"


def items(source, size=100):
    """Return all items, each partition having gone through a pickle, as it does to a worker."""
    parts = [pickle.loads(pickle.dumps(part)) for part in source.partitions(size)]
    return [item for part in parts for item in part.read()]


def test_a_folder_is_its_images_with_subfolders_as_labels(folder):
    found = items(open_source(folder))
    keys = ["cat/1.png", "cat/2.png", "dog/1.JPG", "dog/deep/3.png"]
    assert [item.key for item in found] == keys
    assert [item.columns["label"] for item in found] == ["cat", "cat", "dog", "dog"]
    assert [part.name for part in open_source(folder).partitions(3)] == [
        "images 0 to 2",
        "images 3 to 3",
    ]


def test_globs_lists_and_files_of_paths_are_the_same_images(folder, tmp_path):
    paths = [str(folder / "cat/1.png"), str(folder / "cat/2.png")]
    (tmp_path / "list.txt").write_text("\ufeff" + "\n".join(paths) + "\n\n", encoding="utf-8")
    for source in (f"{folder}/cat/*.png", paths, str(tmp_path / "list.txt"), folder / "cat"):
        found = items(open_source(source))
        assert [item.image for item in found] == paths


def test_a_source_is_told_from_another_one(folder):
    one, two = open_source(folder), open_source(folder / "cat")
    assert one.describe() == open_source(folder).describe() != two.describe()
    assert json.loads(json.dumps(one.describe())) == one.describe()
    assert open_source(one) is one


def test_urls_are_fetched_and_errors_belong_to_their_image(folder):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        root = f"http://127.0.0.1:{server.server_address[1]}"
        pytest.importorskip("aiohttp")
        found = items(open_source([f"{root}/cat/1.png", f"{root}/cat/none.png"]))
    finally:
        server.shutdown()
        server.server_close()
    assert found[0].image == png() and not found[0].error
    assert found[1].image is None and "none.png cannot be fetched" in found[1].error


@pytest.fixture
def memory():
    """The memory file system, emptied afterwards."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


def test_other_file_systems(memory):
    for name in ("bucket/cat/1.png", "bucket/dog/2.png"):
        memory.pipe_file(name, png())
    for source in ("memory://bucket", "memory://bucket/*/*.png"):
        found = items(open_source(source))
        assert [item.image for item in found] == [png(), png()]
    labelled = items(open_source("memory://bucket"))
    assert [(item.key, item.columns) for item in labelled] == [
        ("cat/1.png", {"label": "cat"}),
        ("dog/2.png", {"label": "dog"}),
    ]


def test_a_file_system_without_its_package_names_it(monkeypatch):
    def refuse(path):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(MissingDependencyError, match="s3://bucket needs another package.*s3fs"):
        open_source("s3://bucket")


@pytest.mark.parametrize("kind", ["bytes", "struct", "path"])
def test_parquet_rows_by_bytes_structs_and_paths(kind, folder, tmp_path):
    path = str(folder / "cat/1.png")
    images = {
        "bytes": [png(number) for number in range(5)],
        "struct": [{"bytes": png(number), "path": "x.png"} for number in range(5)],
        "path": [path] * 5,
    }[kind]
    table = pyarrow.table({"photo": images, "name": list("abcde"), "n": range(5)})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    source = open_source(tmp_path / "rows.parquet", image="photo", key="name")
    assert [len(list(part.read())) for part in source.partitions(2)] == [2, 2, 1]
    for size in (1, 2, 3, 5):
        found = items(source, size)
        assert [item.key for item in found] == list("abcde")
        assert [item.columns["n"] for item in found] == [0, 1, 2, 3, 4]
        wanted = [png(number) for number in range(5)] if kind != "path" else [path] * 5
        assert [item.image for item in found] == wanted
    about = source.describe()
    assert about["kind"] == "parquet" and about["n"] == 5
    named = open_source(tmp_path, image="photo")
    assert [item.key for item in items(named, 2)] == [f"rows.parquet#{n}" for n in range(5)]


def test_missing_bytes_are_an_error_of_their_row(tmp_path):
    table = pyarrow.table({"image": [png(), None, b""]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    found = items(open_source(tmp_path))
    assert [bool(item.error) for item in found] == [False, True, True]
    assert "'image' is empty" in found[1].error


def write_tar(path, members):
    with tarfile.open(path, "w:gz" if str(path).endswith("gz") else "w") as archive:
        for name, content in members:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))


MEMBERS = [
    ("a/001.png", png(1)),
    ("a/001.cls", b"7"),
    ("a/001.json", b'{"by": "me"}'),
    ("a/002.cls", b"8"),
    ("a/003.jpg", png(3)),
]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_shards_in_the_layout_of_webdataset(suffix, tmp_path):
    write_tar(tmp_path / f"000.{suffix}", MEMBERS)
    write_tar(tmp_path / f"001.{suffix}", MEMBERS)
    source = open_source(tmp_path)
    assert len(source.partitions(1)) == 2
    found = items(source)
    shard = f"000.{suffix}"
    assert [item.key for item in found[:3]] == [f"{shard}/a/00{n}" for n in (1, 2, 3)]
    assert found[0].image == png(1)
    assert found[0].columns == {"cls": "7", "json": {"by": "me"}}
    assert "no image of this name" in found[1].error


def test_a_cut_shard_is_refused_after_its_whole_images(tmp_path):
    path = tmp_path / "000.tar"
    write_tar(path, [("1.png", png()), ("2.png", bytes(5000))])
    path.write_bytes(path.read_bytes()[:3000])
    (part,) = open_source(path).partitions(10)
    with pytest.raises(IntegrityError, match="000.tar cannot be read to its end.*may be cut"):
        list(part.read())
    write_tar(path, [("1.png", png()), ("2.png", png()), ("1.cls", b"0")])
    with pytest.raises(IntegrityError, match="000.tar holds 1 twice"):
        list(part.read())


class Table:
    """The part of a Hugging Face data set that is used."""

    column_names = ("image", "id", "label")

    def __init__(self, rows):
        self._rows = list(rows)

    def __len__(self):
        return len(self._rows)

    def __iter__(self):
        return iter(self._rows)

    def select(self, rows):
        return Table([self._rows[row] for row in rows])


def test_data_sets_with_rows():
    table = Table({"image": png(n), "id": f"id{n}", "label": n} for n in range(3))
    found = items(open_source(table, key="id"), 2)
    assert [item.key for item in found] == ["id0", "id1", "id2"]
    assert found[2].columns == {"label": 2} and found[2].image == png(2)
    assert [item.key for item in items(open_source(table), 2)] == ["0", "1", "2"]
    one, two = open_source(table).partitions(2)
    assert len(pickle.dumps(two)) < len(pickle.dumps(one)), "a partition holds its own rows"
    assert isinstance(open_source(table), Source)
    assert one.name == "rows 0 to 1" and two.name == "rows 2 to 2"
    assert open_source(table).describe() == {"kind": "rows", "n": 3, "fingerprint": ""}


def test_data_sets_of_hugging_face(tmp_path):
    pytest.importorskip("datasets.features")  # `datasets` alone may be the folder of tests
    import datasets

    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    columns = {
        "image": [{"bytes": png(n), "path": None} for n in range(5)],
        "label": [0, 1] * 2 + [0],
    }
    table = datasets.Dataset.from_dict(columns, features=features)
    source = open_source(table)
    assert source.describe()["n"] == 5
    found = items(source, 2)
    assert [item.key for item in found] == list("01234")
    assert [item.columns["label"] for item in found] == [0, 1, 0, 1, 0]
    assert [np.asarray(read_image(item.image))[0, 0, 0] for item in found] == [0, 1, 2, 3, 4]
    shuffled = open_source(table.select([4, 0]))
    assert shuffled.describe() != source.describe()
    raw = open_source(table.cast_column("image", datasets.Image(decode=False)))
    assert np.asarray(read_image(items(raw)[3].image))[0, 0, 0] == 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda f: [], ValueError, "source is empty"),
        (lambda f: Table([]), ValueError, "source is empty"),
        (lambda f: f / "none", FileNotFoundError, "there is no file or folder"),
        (lambda f: f"{f}/*.gif", FileNotFoundError, "no file matches"),
        (lambda f: 3, TypeError, "must be a path, a list of paths, or a data set, got int"),
        (lambda f: ["a.png", "b.png", "a.png"], ValueError, "1 keys repeat, such as 'a.png'"),
        (lambda f: f / "empty", FileNotFoundError, "holds no image, parquet file or tar shard"),
    ],
)
def test_bad_sources(make, error, message, folder):
    (folder / "empty").mkdir()
    with pytest.raises(error, match=f"open_source: .*{message}"):
        open_source(make(folder))


def test_bad_parquet(tmp_path):
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": [png()] * 2, "id": [1, 1]}), path)
    with pytest.raises(ValueError, match="has no column 'photo'. Its columns are 'image', 'id'"):
        open_source(path, image="photo")
    with pytest.raises(ValueError, match="1 keys repeat, such as '1'"):
        open_source(path, key="id")
    pyarrow.parquet.write_table(pyarrow.table({"image": pyarrow.array([], "binary")}), path)
    with pytest.raises(ValueError, match="no rows"):
        open_source(path)
    path.write_bytes(b"PAR1 cut")
    with pytest.raises(IntegrityError, match="rows.parquet cannot be read as parquet"):
        open_source(path)
    with pytest.raises(ValueError, match="has no column 'photo'"):
        open_source(Table([{"image": 1}]), image="photo")
