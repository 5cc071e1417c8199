from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zeroshot.datasets import (
    _archives,
    _cifar100,
    _tiny_imagenet,
    class_names,
    fetch_cifar100,
    fetch_tiny_imagenet,
    list_images,
    load_image_folder,
)
from zeroshot.datasets._safe_pickle import load_pickle
from zeroshot.exceptions import IntegrityError, LabelWarning, in_options

FINE = ["apple", "beaver", "maple_tree"]
COARSE = ["mammals", "plants"]


# Archives in the official formats, made here


def cifar_tables(rng: np.random.Generator, n_images: int = 12) -> dict[str, dict[bytes, Any]]:
    def table(n: int) -> dict[bytes, Any]:
        fine = rng.integers(len(FINE), size=n).tolist()
        return {
            b"filenames": [b"photo_%d.png" % number for number in range(n)],
            b"batch_label": b"batch",
            b"fine_labels": fine,
            b"coarse_labels": [0 if label == 1 else 1 for label in fine],
            b"data": rng.integers(256, size=(n, 3072), dtype=np.uint8),
        }

    meta = {
        b"fine_label_names": [name.encode() for name in FINE],
        b"coarse_label_names": [name.encode() for name in COARSE],
    }
    return {"meta": meta, "train": table(n_images), "test": table(n_images // 2)}


def write_tar(path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def cifar_members(tables: dict[str, dict[bytes, Any]]) -> dict[str, bytes | tarfile.TarInfo]:
    return {
        f"cifar-100-python/{name}": pickle.dumps(table, protocol=2)
        for name, table in tables.items()
    }


def write_cifar(folder: Path, tables: dict[str, dict[bytes, Any]], **extra: Any) -> Path:
    return write_tar(folder / "cifar-100-python.tar.gz", {**cifar_members(tables), **extra})


@pytest.fixture
def tables() -> dict[str, dict[bytes, Any]]:
    return cifar_tables(np.random.default_rng(0))


def jpeg(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=95)
    return file.getvalue()


def tiny_members() -> dict[str, bytes]:
    rng = np.random.default_rng(1)
    colour = functools.partial(rng.integers, 256, size=(64, 64, 3), dtype=np.uint8)
    grey = functools.partial(rng.integers, 256, size=(64, 64), dtype=np.uint8)
    members = {
        "wnids.txt": b"n02124075\nn04067472\n",
        "words.txt": b"n00001740\tentity\nn04067472\treel\nn02124075\tEgyptian cat, puss\n",
        "val/val_annotations.txt": b"val_0.JPEG\tn04067472\t0\t0\t9\t9\n"
        b"val_1.JPEG\tn02124075\t0\t0\t9\t9\n",
        "val/images/val_0.JPEG": jpeg(colour()),
        "val/images/val_1.JPEG": jpeg(grey()),
        "train/n04067472/n04067472_boxes.txt": b"n04067472_0.JPEG\t0\t0\t9\t9\n",
        "train/n04067472/images/n04067472_0.JPEG": jpeg(colour()),
        "train/n02124075/images/n02124075_1.JPEG": jpeg(grey()),
        "train/n02124075/images/n02124075_0.JPEG": jpeg(colour()),
        "test/images/test_0.JPEG": b"never read",
    }
    return {f"tiny-imagenet-200/{name}": content for name, content in members.items()}


def write_tiny(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("tiny-imagenet-200")
        for name, content in members.items():
            archive.writestr(name, content)
    return path


# CIFAR-100


def test_cifar_images_labels_and_names_come_out_as_they_went_in(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    write_cifar(tmp_path, tables)
    bunch = fetch_cifar100(data_home=tmp_path)
    table = tables["train"]
    assert bunch.images.shape == (12, 32, 32, 3)
    assert bunch.images.dtype == np.uint8
    assert bunch.images.flags.c_contiguous
    assert bunch.images.flags.writeable
    for row, planes in enumerate(table[b"data"]):
        for colour in range(3):
            plane = planes[1024 * colour : 1024 * (colour + 1)]
            np.testing.assert_array_equal(bunch.images[row, :, :, colour].ravel(), plane)
    assert bunch.target.tolist() == [FINE[label] for label in table[b"fine_labels"]]
    assert bunch.coarse_target.tolist() == [COARSE[label] for label in table[b"coarse_labels"]]
    assert bunch.class_names == FINE
    assert bunch.coarse_class_names == COARSE
    assert bunch.filenames[:2] == ["photo_0.png", "photo_1.png"]
    assert "Krizhevsky" in bunch.DESCR


def test_cifar_all_is_train_then_test(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path, tables)
    monkeypatch.setenv("ZEROSHOT_DATA", str(tmp_path))
    train, test = fetch_cifar100(), fetch_cifar100(subset="test")
    images, target = fetch_cifar100(subset="all", return_X_y=True)
    np.testing.assert_array_equal(images, np.concatenate([train.images, test.images]))
    np.testing.assert_array_equal(target, np.concatenate([train.target, test.target]))


def test_cifar_pickles_of_python_2_are_read(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    """The official files say str where Python 3 says bytes, and numpy.core, not numpy._core."""
    data = tables["train"][b"data"]
    blob = data.tobytes()

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
        b"(K\x01(K\x0cM\x00\x0ctcnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR"
        b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + len(blob).to_bytes(4, "little") + blob + b"tb"
    )
    labels = b"".join(b"K" + bytes([label]) for label in tables["train"][b"fine_labels"])
    names = b"".join(text(name) for name in tables["train"][b"filenames"])
    old = (
        b"\x80\x02}(" + text(b"data") + array + text(b"fine_labels") + b"](" + labels + b"e"
        + text(b"coarse_labels") + b"](" + b"K\x01" * 12 + b"e"
        + text(b"filenames") + b"](" + names + b"eu."
    )  # fmt: skip
    new = pickle.dumps(tables["train"], protocol=2)
    for key in ("data", "fine_labels", "filenames"):
        np.testing.assert_array_equal(
            load_pickle(old, name="a")[key], load_pickle(new, name="b")[key]
        )
    write_cifar(tmp_path, tables, **{"cifar-100-python/train": old})
    bunch = fetch_cifar100(data_home=tmp_path)
    assert bunch.filenames[11] == "photo_11.png"
    assert set(bunch.coarse_target) == {"plants"}


def test_arrays_in_fortran_order_are_understood(tables: dict[str, dict[bytes, Any]]) -> None:
    data = tables["train"][b"data"]
    content = pickle.dumps({"data": np.asfortranarray(data)}, protocol=2)
    np.testing.assert_array_equal(load_pickle(content, name="demo")["data"], data)


@pytest.mark.parametrize("fetcher", [fetch_cifar100, fetch_tiny_imagenet])
def test_an_unknown_subset_is_named(fetcher: Callable, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{fetcher.__name__}: subset.*'train'.*got 'valid'"):
        fetcher(subset="valid", data_home=tmp_path)


@pytest.mark.parametrize("fetcher", [fetch_cifar100, fetch_tiny_imagenet])
def test_a_missing_archive_names_the_remedy(fetcher: Callable, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        fetcher(data_home=tmp_path, download_if_missing=False)
    for part in (fetcher.__name__, str(tmp_path), "http", "by hand", "ZEROSHOT_DATA", "data_home="):
        assert part in str(caught.value)


def test_data_home_goes_before_the_variable_and_the_variable_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZEROSHOT_DATA", str(tmp_path / "named"))

    def place(**parameters: Any) -> str:
        with pytest.raises(FileNotFoundError) as caught:
            fetch_cifar100(download_if_missing=False, **parameters)
        return str(caught.value)

    assert str(tmp_path / "mine") in place(data_home=tmp_path / "mine")
    assert str(tmp_path / "named") in place()
    monkeypatch.delenv("ZEROSHOT_DATA")
    assert str(tmp_path / "cache" / "data") in place()


def test_what_is_missing_is_downloaded_once(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_cifar(tmp_path, tables)
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            requests.append(self.path)

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    serve = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        archive = _cifar100.ARCHIVE._replace(
            url=f"http://127.0.0.1:{server.server_address[1]}/{source.name}",
            sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        )
        monkeypatch.setattr(_cifar100, "ARCHIVE", archive)
        first = fetch_cifar100(data_home=tmp_path / "home")
        second = fetch_cifar100(data_home=tmp_path / "home")
        server.shutdown()
        thread.join()
    np.testing.assert_array_equal(first.images, second.images)
    assert len(requests) == 1
    assert [path.name for path in (tmp_path / "home").iterdir()] == [source.name]


# Altered archives


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("fetcher", [fetch_cifar100, fetch_tiny_imagenet])
def test_a_truncated_archive_is_refused(
    fetcher: Callable, kept: float, tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    write_cifar(tmp_path, tables)
    write_tiny(tmp_path, tiny_members())
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(IntegrityError, match="fetch it again"):
        fetcher(data_home=tmp_path)


def test_a_byte_flipped_anywhere_in_a_tar_is_found(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    path = write_cifar(tmp_path, tables)
    content = path.read_bytes()
    # gzip's header (time stamp, system, the archive's own name) is under no checksum.
    begin = content.index(b"\0", 10) + 1
    for position in range(begin, len(content), len(content) // 60):
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        path.write_bytes(flipped)
        try:
            with pytest.raises(IntegrityError):
                fetch_cifar100(data_home=tmp_path)
        except AssertionError as error:
            raise AssertionError(f"byte {position} of {len(content)}") from error


def test_a_byte_flipped_in_a_zipped_image_is_found(tmp_path: Path) -> None:
    members = tiny_members()
    path = write_tiny(tmp_path, members)
    content = path.read_bytes()
    member = "tiny-imagenet-200/val/images/val_0.JPEG"
    begin = content.index(members[member])
    for position in range(begin, begin + len(members[member]), 97):
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        path.write_bytes(flipped)
        with pytest.raises(IntegrityError, match=member):
            fetch_tiny_imagenet(subset="val", data_home=tmp_path)


BAD_NAMES = ["../evil", "/tmp/evil", "cifar-100-python/../../evil", "a\\..\\evil", "C:/evil"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_leads_out_of_the_folder_is_refused(
    name: str, tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    write_cifar(tmp_path, tables, **{name: b"content"})
    write_tiny(tmp_path, {**tiny_members(), name: b"content"})
    for fetcher in (fetch_cifar100, fetch_tiny_imagenet):
        with pytest.raises(IntegrityError, match="leads out of its folder"):
            fetcher(data_home=tmp_path)


KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["cifar-100-python/train", "cifar-100-python/other"])
def test_links_and_devices_in_a_tar_are_refused(
    kind: bytes, name: str, tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    write_cifar(tmp_path, tables, **{name: info})
    with pytest.raises(IntegrityError, match="is not a plain file"):
        fetch_cifar100(data_home=tmp_path)


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    path = write_tiny(tmp_path, tiny_members())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("tiny-imagenet-200/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(IntegrityError, match="is not a plain file"):
        fetch_tiny_imagenet(data_home=tmp_path)


def test_a_member_that_stands_in_the_archive_twice_is_refused(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "cifar-100-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("cifar-100-python/meta"))
    with pytest.raises(IntegrityError, match="twice"):
        fetch_cifar100(data_home=tmp_path)
    path = write_tiny(tmp_path, tiny_members())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("tiny-imagenet-200/wnids.txt", b"n02124075\n")
    with pytest.raises(IntegrityError, match="twice"):
        fetch_tiny_imagenet(data_home=tmp_path)


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (_cifar100, _tiny_imagenet):
        monkeypatch.setattr(module, "ARCHIVE", module.ARCHIVE._replace(max_bytes=2_000_000))
    bomb = bytes(3_000_000)
    path = write_cifar(tmp_path, tables, **{"cifar-100-python/bomb": bomb})
    assert path.stat().st_size < 200_000
    write_tiny(tmp_path, {**tiny_members(), "bomb": bomb})
    for fetcher in (fetch_cifar100, fetch_tiny_imagenet):
        with pytest.raises(IntegrityError, match="more than 2,000,000 bytes"):
            fetcher(data_home=tmp_path)


def test_a_bomb_behind_the_end_of_the_tar_is_refused(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    path = write_cifar(tmp_path, tables)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(3_000_000)))
    with pytest.raises(IntegrityError, match="more than 2,000,000 bytes"):
        _archives.read_tar_gz(path, [], max_bytes=2_000_000)


def test_a_zip_member_cannot_be_larger_than_it_says(tmp_path: Path) -> None:
    path = tmp_path / "lie.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(3_000_000))
    size = (3_000_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (10).to_bytes(4, "little")))
    with _archives.open_zip(path, max_bytes=100) as archive:
        with pytest.raises(IntegrityError, match="'bomb' cannot be read"):
            _archives.read_member(archive, "bomb", max_bytes=100)


def packed(*members: tuple[bytes, bytes]) -> bytes:
    """Return a tar archive of members of a type and a content each, all of the same name."""
    parts = []
    for kind, content in members:
        info = tarfile.TarInfo("a")
        info.size = len(content)
        header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        header[156:157] = kind
        header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 256)
        parts += [bytes(header), content, bytes(-len(content) % 512)]
    return gzip.compress(b"".join(parts) + bytes(1024))


@pytest.mark.parametrize(
    ("record", "match"),
    [
        (b"19 GNU.sparse.major=1\n", "'GNU.sparse.major'"),
        (b"12 size=10\n", "declares 'size'"),
        (b"13 path=b/c\n", "declares 'path'"),
        (b"12 mtime=1\n", "damaged"),
        (b"0 mtime=1\n", "damaged"),
        (b"anything", "damaged"),
    ],
)
def test_a_pax_header_that_changes_a_member_is_refused(
    record: bytes, match: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed((b"x", b"11 mtime=1\n"), (b"0", b"content")))
    assert _archives.read_tar_gz(path, ["a"], max_bytes=10_000) == {"a": b"content"}
    path.write_bytes(packed((b"x", record), (b"0", b"content")))
    with pytest.raises(IntegrityError, match=match):
        _archives.read_tar_gz(path, ["a"], max_bytes=10_000)


def test_sparse_members_and_long_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    for kind in (tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGNAME, tarfile.CONTTYPE):
        path.write_bytes(packed((kind, b"content"), (b"0", b"content")))
        with pytest.raises(IntegrityError, match="'a' is not a plain file"):
            _archives.read_tar_gz(path, ["a"], max_bytes=10_000)


def test_a_tar_of_more_members_or_parts_than_it_needs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(*[(b"5", b"")] * 1001))
    with pytest.raises(IntegrityError, match="more than 1,000 members"):
        _archives.read_tar_gz(path, [], max_bytes=10_000_000)
    path.write_bytes(packed((b"0", b"content")) + gzip.compress(b"") * 1000)
    with pytest.raises(IntegrityError, match="follows the end of its compressed data"):
        _archives.read_tar_gz(path, ["a"], max_bytes=10_000)
    path.write_bytes(gzip.compress(gzip.decompress(packed((b"0", b"content"))) + b"more"))
    with pytest.raises(IntegrityError, match="follows its last member"):
        _archives.read_tar_gz(path, ["a"], max_bytes=10_000)


def test_a_small_archive_that_unpacks_to_much_is_refused_within_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed((b"0", bytes(11_000_000))))
    with pytest.raises(IntegrityError, match="unpacks to more than 10,"):
        _archives.read_tar_gz(path, ["a"], max_bytes=10**9)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(11_000_000))
    with pytest.raises(IntegrityError, match="unpacks to more than 10,"):
        with _archives.open_zip(tmp_path / "a.zip", max_bytes=10**9):
            pass


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_another_method_is_refused(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a", bytes(1000))
    with pytest.raises(IntegrityError, match="'a' is not compressed by deflate"):
        with _archives.open_zip(tmp_path / "a.zip", max_bytes=10**9):
            pass


def test_a_zip_with_a_huge_directory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_archives, "_TOO_MUCH", 70_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number}", b"")
    with pytest.raises(IntegrityError, match="directory has more than"):
        with _archives.open_zip(tmp_path / "a.zip", max_bytes=10**9):
            pass


@pytest.mark.parametrize("missing", ["meta", "train"])
def test_a_tar_that_lacks_a_part_is_refused(
    missing: str, tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    del tables[missing]
    write_cifar(tmp_path, tables)
    with pytest.raises(IntegrityError, match=f"lacks 'cifar-100-python/{missing}'"):
        fetch_cifar100(data_home=tmp_path)


ALTERED: list[tuple[str, bytes, Any, str]] = [
    ("train", b"data", np.zeros((12, 3071), np.uint8), "data must have the shape"),
    ("train", b"data", np.zeros((12, 3, 32, 32), np.uint8), "data must have the shape"),
    ("train", b"data", [1, 2], "data must have the shape"),
    ("train", b"data", np.zeros((11, 3072), np.uint8), "has 12 entries for 11 images"),
    ("train", b"data", np.zeros((12, 3072), np.float32), "uint8"),
    ("train", b"fine_labels", [0] * 11 + [3], r"fine_labels must lie in 0 to 2, got 0 to 3"),
    ("train", b"fine_labels", [0] * 11 + [-1], r"fine_labels must lie in 0 to 2, got -1 to 0"),
    ("train", b"fine_labels", [0] * 11, "fine_labels has 11 entries for 12 images"),
    ("train", b"fine_labels", b"0" * 12, "fine_labels is missing or of another type"),
    ("train", b"coarse_labels", [2] * 12, "coarse_labels must lie in 0 to 1"),
    ("train", b"coarse_labels", [0.5] * 12, "lists of integers"),
    ("train", b"filenames", [b"a.png"], "filenames has 1 entries for 12 images"),
    ("meta", b"fine_label_names", [b"apple", b"apple", b"bear"], "every class once"),
    ("meta", b"fine_label_names", [], "every class once"),
    ("meta", b"coarse_label_names", None, "lists of integers"),
]


@pytest.mark.parametrize(("member", "key", "value", "message"), ALTERED)
def test_tables_that_do_not_fit_together_are_refused(
    member: str,
    key: bytes,
    value: Any,
    message: str,
    tables: dict[str, dict[bytes, Any]],
    tmp_path: Path,
) -> None:
    tables[member][key] = value
    write_cifar(tmp_path, tables)
    with pytest.raises(IntegrityError, match=message):
        fetch_cifar100(data_home=tmp_path)


# Pickles that would run something


class Calls:
    """Pickled, this is a call of `function` with `arguments`."""

    def __init__(self, function: Callable, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def malicious(marker: Path) -> dict[str, bytes]:
    touch = f"open({str(marker)!r}, 'w').close()"
    calls = {
        "os.system": Calls(os.system, f"touch {marker}"),
        "subprocess": Calls(subprocess.Popen, ["touch", str(marker)]),
        "exec": Calls(exec, touch),
        "eval": Calls(eval, touch),
        "open": Calls(open, str(marker), "w"),
        "numpy.load": Calls(np.load, str(marker)),
        "numpy.memmap": Calls(np.memmap, str(marker), "u1", "w+", 0, (1,)),
        "getattr": Calls(getattr, marker, "touch"),
        "partial": functools.partial(Path.touch, marker),
    }
    pickles = {
        f"{name} as protocol {protocol}": pickle.dumps({"data": call}, protocol=protocol)
        for name, call in calls.items()
        for protocol in range(6)
    }
    shell = f"touch {marker}".encode()
    pickles["old style"] = b"(S'" + shell + b"'\nios\nsystem\n."
    pickles["dotted"] = b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93."
    pickles["zip codec"] = b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00zipt R."
    return pickles


MALICIOUS = sorted(malicious(Path("marker")))


@pytest.mark.parametrize("name", MALICIOUS)
def test_a_malicious_pickle_is_refused_and_nothing_ran(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = malicious(marker)[name]
    with pytest.raises(IntegrityError, match="the pickle"):
        load_pickle(content, name="the pickle")
    assert not marker.exists()


def test_the_malicious_pickles_would_have_run(tmp_path: Path) -> None:
    """Control: Python's own unpickler does what they say."""
    marker = tmp_path / "marker"
    for name in ("os.system as protocol 2", "exec as protocol 4", "old style"):
        pickle.loads(malicious(marker)[name])
        assert marker.exists(), name
        marker.unlink()


def test_a_malicious_archive_is_refused_and_nothing_ran(
    tables: dict[str, dict[bytes, Any]], tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    evil = pickle.dumps(Calls(os.system, f"touch {marker}"), protocol=2)
    for part in ("meta", "train"):
        write_cifar(tmp_path, tables, **{f"cifar-100-python/{part}": evil})
        with pytest.raises(
            IntegrityError, match=rf"{part} names '(posix|nt).system'.*Do not trust"
        ):
            fetch_cifar100(data_home=tmp_path)
    assert not marker.exists()


NOT_PLAIN = {
    "a list": [1, 2],
    "a dict in a dict": {"a": {"b": 1}},
    "a tuple": {"a": (1, 2)},
    "a float": {"a": 0.5},
    "a mixed list": {"a": [1, b"b"]},
    "a list of lists": {"a": [[1]]},
    "booleans": {"a": [True]},
    "a number as key": {1: 2},
    "an object array": {"a": np.array([{}, 1], dtype=object)},
    "a float array": {"a": np.zeros(3)},
    "a structured array": {"a": np.zeros(3, dtype=[("x", "u1"), ("y", "O")])},
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_only_lists_bytes_integers_and_uint8_arrays_come_out(name: str) -> None:
    with pytest.raises(IntegrityError, match="demo"):
        load_pickle(pickle.dumps(NOT_PLAIN[name], protocol=2), name="demo")


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
BROKEN_PICKLES = {
    "empty": b"",
    "no pickle": b"hello",
    "no state": b"\x80\x02}U\x01a" + RECONSTRUCT + b")Rs.",
    "a class as value": b"\x80\x02}U\x01acnumpy\nndarray\ns.",
    "an attribute set": b"\x80\x02" + RECONSTRUCT + b"(N}X\x01\x00\x00\x00aK\x01stb.",
    "an array called": b"\x80\x02cnumpy\nndarray\n(K\x05tR.",
    "a huge memo": b"\x80\x02}r\xff\xff\xff\xffs.",
    "huge bytes": b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b".",
    "a list within itself": b"\x80\x02}U\x01a]q\x00h\x00as.",
    "a short array": pickle.dumps({"a": np.zeros(300, np.uint8)}, protocol=2).replace(
        (300).to_bytes(2, "little"), (301).to_bytes(2, "little"), 1
    ),
}


@pytest.mark.parametrize("name", BROKEN_PICKLES)
def test_a_broken_pickle_is_an_integrity_error(name: str) -> None:
    with pytest.raises(IntegrityError, match="demo"):
        load_pickle(BROKEN_PICKLES[name], name="demo")


def test_a_pickle_that_asks_for_a_huge_memo_is_refused_before_it_is_read() -> None:
    with pytest.raises(IntegrityError, match="demo asks for a memo of 4,294,967,295 places"):
        load_pickle(BROKEN_PICKLES["a huge memo"], name="demo")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}N" + b"\x85" * 300_000 + b"Ns.",  # as a key, its hash ends the process
        b"\x80\x02}N" + b"N\x86" * 300_000 + b"Ns.",
        b"\x80\x02}N" + b"\x85q\0h\0" * 300_000 + b"Ns.",
        b"\x80\x04}N" + b"\x85\x940h\0" * 300_000 + b"Ns.",
        b"\x80\x02}" + b"N0" * 600_000 + b".",
    ],
)
def test_a_pickle_of_steps_that_no_file_needs_is_refused_before_it_is_read(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="has other steps than"):
        load_pickle(content, name="demo")


def test_a_pickle_cut_anywhere_is_an_integrity_error(tables: dict[str, dict[bytes, Any]]) -> None:
    content = pickle.dumps(tables["test"], protocol=2)
    for end in range(0, len(content), 501):
        with pytest.raises(IntegrityError):
            load_pickle(content[:end], name="demo")


# Tiny ImageNet


def test_tiny_imagenet_images_labels_and_names(tmp_path: Path) -> None:
    members = tiny_members()
    write_tiny(tmp_path, members)
    bunch = fetch_tiny_imagenet(data_home=tmp_path)
    assert bunch.images.shape == (3, 64, 64, 3)
    assert bunch.images.dtype == np.uint8
    assert bunch.target.tolist() == ["Egyptian cat", "Egyptian cat", "reel"]
    assert bunch.wnids.tolist() == ["n02124075", "n02124075", "n04067472"]
    assert bunch.class_names == ["Egyptian cat", "reel"]
    assert [name.rpartition("/")[2] for name in bunch.filenames] == [
        "n02124075_0.JPEG",
        "n02124075_1.JPEG",
        "n04067472_0.JPEG",
    ]
    for image, name in zip(bunch.images, bunch.filenames, strict=True):
        expected = np.asarray(Image.open(io.BytesIO(members[name])))
        expected = expected if expected.ndim == 3 else np.stack([expected] * 3, axis=-1)
        np.testing.assert_array_equal(image, expected)
    assert "Stanford" in bunch.DESCR


def test_tiny_imagenet_validation_follows_its_annotations(tmp_path: Path) -> None:
    write_tiny(tmp_path, tiny_members())
    images, target = fetch_tiny_imagenet(subset="val", data_home=tmp_path, return_X_y=True)
    assert images.shape == (2, 64, 64, 3)
    assert target.tolist() == ["reel", "Egyptian cat"]


TINY_ALTERED: list[tuple[str, bytes | None, str]] = [
    ("wnids.txt", None, "lacks 'tiny-imagenet-200/wnids.txt'"),
    ("wnids.txt", b"", "no name for any class"),
    ("wnids.txt", b"n02124075\n", "wnids.txt lacks the class n04067472"),
    ("wnids.txt", b"n02124075\nn02124075\nn04067472\n", "same id or name"),
    ("words.txt", b"n02124075\tcat\n", "no name for n04067472"),
    ("words.txt", b"n02124075\treel, x\nn04067472\treel\n", "same id or name"),
    ("words.txt", b"\xff\xfe", "words.txt is no text"),
    ("val/val_annotations.txt", b"val_0.JPEG\n", "line without a class"),
    ("val/val_annotations.txt", b"", "no image of this subset"),
    ("val/images/val_1.JPEG", None, "lacks 1 images .*val_1.JPEG"),
    ("val/images/val_1.JPEG", b"no image", "val_1.JPEG is no readable JPEG"),
    ("val/images/val_1.JPEG", b"", "val_1.JPEG is no readable JPEG"),
    ("val/images/val_1.JPEG", jpeg(np.zeros((64, 65, 3), np.uint8)), "65 x 64 pixels"),
]


@pytest.mark.parametrize(("name", "content", "message"), TINY_ALTERED)
def test_a_tiny_imagenet_archive_that_does_not_fit_together_is_refused(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    members = tiny_members()
    key = f"tiny-imagenet-200/{name}"
    if content is None:
        del members[key]
    else:
        members[key] = content
    write_tiny(tmp_path, members)
    with pytest.raises(IntegrityError, match=message):
        fetch_tiny_imagenet(subset="val", data_home=tmp_path)


def test_a_tiny_imagenet_archive_without_training_images_is_refused(tmp_path: Path) -> None:
    members = {name: content for name, content in tiny_members().items() if "/train/" not in name}
    write_tiny(tmp_path, members)
    with pytest.raises(IntegrityError, match="no image of this subset"):
        fetch_tiny_imagenet(data_home=tmp_path)
    write_tiny(tmp_path, {**members, "tiny-imagenet-200/train/stray.JPEG": b""})
    with pytest.raises(IntegrityError, match="lacks the class stray.JPEG"):
        fetch_tiny_imagenet(data_home=tmp_path)


# The real archives


@pytest.mark.data
@pytest.mark.parametrize("subset", ["train", "test"])
def test_real_cifar100(data_home: Path, subset: str) -> None:
    bunch = fetch_cifar100(data_home=data_home, subset=subset, download_if_missing=False)
    n_images = len(bunch.target)
    assert bunch.images.shape == (n_images, 32, 32, 3)
    assert bunch.class_names == class_names("cifar100")
    assert len(bunch.coarse_class_names) == 20
    names, counts = np.unique(bunch.target, return_counts=True)
    assert names.tolist() == bunch.class_names
    assert len(set(counts)) == 1
    assert len(set(zip(bunch.target, bunch.coarse_target, strict=True))) == 100
    assert len(bunch.filenames) == n_images
    # Colours stand last and in their order: oranges are more red than blue, the sea is not.
    red_over_blue = bunch.images[..., 0].mean((1, 2)) - bunch.images[..., 2].mean((1, 2))
    assert red_over_blue[bunch.target == "orange"].mean() > 30
    assert red_over_blue[bunch.target == "sea"].mean() < 0


@pytest.mark.data
def test_real_tiny_imagenet(data_home: Path) -> None:
    bunch = fetch_tiny_imagenet(data_home=data_home, subset="val", download_if_missing=False)
    assert bunch.images.shape == (len(bunch.target), 64, 64, 3)
    assert bunch.class_names == class_names("tiny_imagenet")
    assert len(set(zip(bunch.target, bunch.wnids, strict=True))) == 200
    goldfish = bunch.images[bunch.target == "goldfish"]
    assert goldfish[..., 0].mean() > goldfish[..., 2].mean() + 20


def test_ten_labels_stand_in_both_sets() -> None:
    both = {name.replace("_", " ") for name in class_names("cifar100")}
    shared = both & set(class_names("tiny_imagenet"))
    assert len(shared) == 10
    assert {"bee", "lawn mower", "tractor"} <= shared


# Class names


def test_class_names_are_sorted_and_not_shared() -> None:
    for dataset, n_classes in (("cifar100", 100), ("tiny_imagenet", 200)):
        names = class_names(dataset)
        assert len(set(names)) == n_classes
        assert names == sorted(names)
        names.clear()
        assert len(class_names(dataset)) == n_classes


def test_an_unknown_data_set_is_named() -> None:
    with pytest.raises(ValueError, match="'cifar100', 'tiny_imagenet', got 'cifar10'"):
        class_names("cifar10")


# Folders


def make_files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_a_class(tmp_path: Path) -> None:
    make_files(
        tmp_path, "dog/b.PNG", "dog/a.jpeg", "cat/deep/er/c.webp", "cat/notes.txt", "README.md",
        ".git/x.jpg", "cat/.hidden.jpg", "cat/.hidden/x.jpg", ".DS_Store",
    )  # fmt: skip
    bunch = load_image_folder(str(tmp_path))
    assert bunch.paths == [
        str(tmp_path / "cat" / "deep" / "er" / "c.webp"),
        str(tmp_path / "dog" / "a.jpeg"),
        str(tmp_path / "dog" / "b.PNG"),
    ]
    assert bunch.target.tolist() == ["cat", "dog", "dog"]
    assert bunch.target.dtype.kind == "U"
    assert bunch.class_names == ["cat", "dog"]


def test_class_folders_may_be_links(tmp_path: Path) -> None:
    make_files(tmp_path, "elsewhere/a.jpg", "pets/dog/a.jpg")
    (tmp_path / "pets" / "cat").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert load_image_folder(tmp_path / "pets").target.tolist() == ["cat", "dog"]


def test_what_cannot_be_read_is_left_out_if_asked_for(tmp_path: Path) -> None:
    make_files(tmp_path, "cat/broken.jpg", "dog/b.png", "eel/broken.png", "dog/photo.PSD")
    Image.new("RGB", (4, 4)).save(tmp_path / "cat" / "a.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "dog" / "b.png")
    bunch = load_image_folder(tmp_path, skip_unreadable=True)
    assert [Path(path).name for path in bunch.paths] == ["a.png", "b.png"]
    assert bunch.target.tolist() == bunch.class_names == ["cat", "dog"]  # no eel is left
    broken = [str(tmp_path / "cat/broken.jpg"), str(tmp_path / "eel/broken.png")]
    assert list(bunch.errors) == broken
    assert all("Cannot read" in str(error) for error in bunch.errors.values())
    assert bunch.other_files == [str(tmp_path / "dog/photo.PSD")]
    whole = load_image_folder(tmp_path)
    assert len(whole.paths) == 4 and whole.errors == {}
    for name in ("cat/a.png", "dog/b.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="none of the 4 images in .* can be read. Convert"):
        load_image_folder(tmp_path, skip_unreadable=True)


def test_class_folders_without_an_image_are_left_out_if_asked_for(tmp_path: Path) -> None:
    make_files(tmp_path, "cat/a.jpg", "dog/notes.txt")
    (tmp_path / "eel").mkdir()
    bunch = load_image_folder(tmp_path, skip_empty=True)
    assert bunch.class_names == ["cat"] and bunch.empty_classes == ["dog", "eel"]
    (tmp_path / "cat" / "a.jpg").unlink()
    with pytest.raises(ValueError, match="3 of the 3 class folders in .* hold no image"):
        load_image_folder(tmp_path, skip_empty=True)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere.*Check the path"):
        load_image_folder(tmp_path / "nowhere")
    make_files(tmp_path, "file.jpg")
    with pytest.raises(NotADirectoryError, match="is a file. Pass the folder"):
        load_image_folder(tmp_path / "file.jpg")


def test_an_empty_folder(tmp_path: Path) -> None:
    make_files(tmp_path, ".hidden/a.jpg")
    with pytest.raises(ValueError, match="is empty. Put a folder for each class"):
        load_image_folder(tmp_path)


def test_every_class_folder_without_images_is_named(tmp_path: Path) -> None:
    make_files(tmp_path, "cat/a.jpg", "okapi/notes.txt", "quoll/.hidden.jpg")
    with pytest.raises(ValueError, match=r"2 of the 3 .*'okapi', 'quoll'.*Add images \(.*\.jpg"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("classes", [(), ("cat/a.jpg",)])
def test_images_beside_the_class_folders(tmp_path: Path, classes: tuple[str, ...]) -> None:
    make_files(tmp_path, "1.jpg", "2.png", *classes)
    with pytest.raises(ValueError, match=r"2 images outside of class folders \(1.jpg, 2.png\)"):
        load_image_folder(tmp_path)


def test_list_images(tmp_path: Path) -> None:
    make_files(tmp_path, "b.jpg", "a/c.GIF", "notes.txt", ".d.jpg", ".e/f.jpg")
    assert list_images(tmp_path) == [str(tmp_path / "a" / "c.GIF"), str(tmp_path / "b.jpg")]
    assert list_images(str(tmp_path / "b.jpg")) == [str(tmp_path / "b.jpg")]
    assert list_images(tmp_path / "notes.txt") == [str(tmp_path / "notes.txt")]


def test_list_images_finds_nothing(tmp_path: Path) -> None:
    make_files(tmp_path, "notes.txt")
    with pytest.raises(ValueError, match=r"holds no image.*\.jpg"):
        list_images(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*nowhere"):
        list_images(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_read_is_no_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    make_files(tmp_path, "cat/a.jpg")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        list_images(tmp_path / "cat")


def test_the_package_of_data_sets_loads_nothing_heavy() -> None:
    code = (
        "import sys, zeroshot.datasets;"
        "print([m for m in ('torch', 'timm', 'gensim', 'nltk') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.case
@pytest.mark.parametrize(
    "files",
    [
        ("train/lion/1.jpg", "train/wolf/1.jpg", "val/lion/1.jpg", "val/wolf/1.jpg"),
        ("Train/lion/1.jpg", "Test/lion/1.jpg", "metadata/notes.txt"),
        ("train/lion/1.jpg", "valid/images/1.jpg"),
        ("train/lion/1.jpg", "train/wolf/1.jpg"),
    ],
)
def test_parts_of_a_data_set_are_no_classes(tmp_path: Path, files: tuple[str, ...]) -> None:
    make_files(tmp_path, *files)
    train = tmp_path / files[0].partition("/")[0]
    with pytest.raises(ValueError, match="holds the parts of a data set") as caught:
        load_image_folder(tmp_path, skip_empty=True)
    assert str(caught.value).endswith(f"Pass {str(train)!r} instead.")
    assert "load_image_folder: " + in_options(caught.value) == str(caught.value)
    assert "lion" in load_image_folder(train).class_names


@pytest.mark.case
@pytest.mark.parametrize(
    "files",
    [
        ("train/1.jpg", "bus/1.jpg"),
        ("train/steam/1.jpg", "bus/1.jpg", "val/1.jpg"),
        ("train/1.jpg", "test/1.jpg"),
    ],
)
def test_a_class_may_be_called_train(tmp_path: Path, files: tuple[str, ...]) -> None:
    make_files(tmp_path, *files)
    assert "train" in load_image_folder(tmp_path).class_names


@pytest.mark.case
def test_class_folders_that_are_codes_are_warned_of(tmp_path: Path) -> None:
    make_files(tmp_path, "n02129165/1.jpg", "n99999999/1.jpg", "7/1.jpg", "wolf/1.jpg")
    with pytest.warns(LabelWarning) as caught:
        load_image_folder(tmp_path)
    (warning,) = caught
    said = str(warning.message)
    assert "of 4 class folders, 1 are identifiers of WordNet" in said
    assert "read as such: 'n02129165' as lion.n.01." in said
    assert "1 are numbers, which say nothing of the class: '7'." in said
    assert warning.filename == __file__
    assert "--label-texts FILE" in in_options(warning.message)


@pytest.mark.case
def test_a_folder_of_other_files_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeroshot.datasets._folders.reads_heif", lambda: False)
    make_files(tmp_path, "a.heic", "b.heic", "c/d.PSD")
    with pytest.raises(ValueError, match=r"no image, only files with .*\(.PSD, .heic\)") as caught:
        list_images(tmp_path)
    assert "pip install 'scikit-zeroshot[heif]'. Name" in str(caught.value)
    monkeypatch.setattr("zeroshot.datasets._folders.reads_heif", lambda: True)
    assert len(list_images(tmp_path)) == 2
    with pytest.raises(ValueError, match=r"only files with other endings \(.PSD\)\. Name"):
        list_images(tmp_path / "c")


@pytest.mark.case
@pytest.mark.parametrize("installed", [True, False])
def test_heic_is_listed_where_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    monkeypatch.setattr("zeroshot.datasets._folders.reads_heif", lambda: installed)
    make_files(tmp_path, "cat/a.jpg", "cat/b.HEIC", "cat/c.jp2", "labels.csv", "cat/notes.psd")
    bunch = load_image_folder(tmp_path)
    names = [Path(path).name for path in bunch.paths]
    others = [Path(path).name for path in bunch.other_files]
    assert names == (["a.jpg", "b.HEIC", "c.jp2"] if installed else ["a.jpg", "c.jp2"])
    assert others == ["labels.csv", *([] if installed else ["b.HEIC"]), "notes.psd"]
