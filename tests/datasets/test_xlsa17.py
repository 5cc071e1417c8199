"""The loader of the zero-shot benchmarks, on files of the same structure, made here."""

from __future__ import annotations

import functools
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from zeroshot import ESZSLClassifier
from zeroshot._utils import _mat_files
from zeroshot.datasets import _xlsa17, fetch_xlsa17
from zeroshot.exceptions import IntegrityError

N_SEEN, N_UNSEEN, N_IMAGES, N_FEATURES, N_ATTRIBUTES = 8, 3, 10, 12, 6
NAMES = [f"bird {number:02d}" for number in range(N_SEEN + N_UNSEEN)][::-1]


def make_tables(seed: int = 0, noise: float = 0.5) -> dict[str, dict[str, Any]]:
    """Return the variables of both files: numbers from 1, images and classes in columns.

    Features are a linear map of the attributes, with noise. The last classes are unseen; of every
    seen class the last two images are for testing.
    """
    rng = np.random.default_rng(seed)
    n_classes = N_SEEN + N_UNSEEN
    att = rng.normal(size=(N_ATTRIBUTES, n_classes))
    att /= np.linalg.norm(att, axis=0)
    labels = rng.permutation(np.repeat(np.arange(n_classes), N_IMAGES))
    features = rng.normal(size=(N_FEATURES, N_ATTRIBUTES)) @ att[:, labels]
    features += noise * rng.normal(size=features.shape)
    order = np.argsort(labels, kind="stable").reshape(n_classes, N_IMAGES)
    parts = {
        "trainval_loc": order[:N_SEEN, :-2],
        "test_seen_loc": order[:N_SEEN, -2:],
        "test_unseen_loc": order[N_SEEN:],
        "train_loc": order[:5],
        "val_loc": order[5:N_SEEN],
    }
    files = [[f"/BS/photos/{label}/{number}.jpg"] for number, label in enumerate(labels)]
    names = np.array([[name] for name in NAMES], dtype=object)
    locations = {key: 1.0 + np.sort(rows, axis=None)[:, None] for key, rows in parts.items()}
    return {
        "res101": {
            "features": features,
            "labels": (labels + 1.0)[:, None],
            "image_files": np.array(files, dtype=object),
        },
        "att_splits": {
            "att": att,
            "original_att": 3 * att,
            "allclasses_names": names,
            **locations,
        },
    }


def write_folder(home: Path, tables: dict[str, dict[str, Any]], name: str = "CUB") -> Path:
    """Write the unpacked folder of a data set, and return it."""
    folder = home / "xlsa17" / "data" / name
    folder.mkdir(parents=True)
    for file, variables in tables.items():
        savemat(folder / f"{file}.mat", variables, do_compression=True)
    return folder


Tables = dict[str, dict[str, Any]]


@pytest.fixture
def tables() -> Tables:
    return make_tables()


def zip_of(home: Path, folder: Path) -> Path:
    """Pack the folder `xlsa17` as it is published, and remove what was unpacked."""
    path = home / "xlsa17.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xlsa17/README.txt", "never read")
        for file in sorted(folder.iterdir()):
            archive.write(file, file.relative_to(home))
            file.unlink()
    return path


# What comes out


def test_images_labels_attributes_and_split_come_out_as_they_went_in(
    tables: Tables, tmp_path: Path
) -> None:
    write_folder(tmp_path, tables)
    bunch = fetch_xlsa17("CUB", data_home=tmp_path)
    raw, splits = tables["res101"], tables["att_splits"]
    assert bunch.data.dtype == np.float32
    assert bunch.data.flags.c_contiguous
    np.testing.assert_array_equal(bunch.data, raw["features"].T.astype(np.float32))
    numbers = raw["labels"].ravel().astype(int)
    assert bunch.target.tolist() == [NAMES[number - 1] for number in numbers]
    assert bunch.class_names == sorted(NAMES)
    assert bunch.seen_classes == sorted(NAMES[:N_SEEN])
    assert bunch.unseen_classes == sorted(NAMES[N_SEEN:])
    for number, name in enumerate(NAMES):
        np.testing.assert_allclose(bunch.attributes.embed([name])[0], splits["att"][:, number])
    for part in ("trainval", "test_seen", "test_unseen"):
        assert bunch[part].tolist() == [int(row) - 1 for row in splits[f"{part}_loc"].ravel()]
    assert set(bunch.target[bunch.trainval]) == set(bunch.seen_classes)
    assert set(bunch.target[bunch.test_unseen]) == set(bunch.unseen_classes)
    assert "Caltech-UCSD" in bunch.DESCR and "Xian" in bunch.DESCR


def test_the_archive_gives_the_same_as_the_unpacked_folder(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path, tables)
    unpacked = fetch_xlsa17("CUB", data_home=tmp_path)
    zip_of(tmp_path, folder)
    monkeypatch.setenv("ZEROSHOT_DATA", str(tmp_path))
    packed = fetch_xlsa17("CUB")
    assert packed.keys() == unpacked.keys()
    np.testing.assert_array_equal(packed.data, unpacked.data)
    np.testing.assert_array_equal(packed.target, unpacked.target)
    np.testing.assert_array_equal(packed.trainval, unpacked.trainval)
    assert packed.attributes.fingerprint() == unpacked.attributes.fingerprint()


@pytest.mark.parametrize("name", ["AWA1", "AWA2", "CUB", "SUN", "APY"])
def test_each_data_set_has_a_folder_and_a_provenance_of_its_own(
    name: str, tables: Tables, tmp_path: Path
) -> None:
    write_folder(tmp_path, tables, name)
    bunch = fetch_xlsa17(name, data_home=tmp_path)
    assert bunch.DESCR.startswith(f"{name}\n====")
    assert len(bunch.data) == N_IMAGES * len(NAMES)


def test_other_types_of_the_same_numbers_give_the_same(tables: Tables, tmp_path: Path) -> None:
    """savemat and MATLAB choose types and orientations of their own."""
    write_folder(tmp_path, tables, "CUB")
    raw, splits = tables["res101"], tables["att_splits"]
    raw["labels"] = raw["labels"].ravel().astype(np.uint8)
    raw["features"] = raw["features"].astype(np.float32)
    splits["trainval_loc"] = splits["trainval_loc"].T.astype(np.uint16)
    splits["allclasses_names"] = NAMES  # a table of characters, as all names are of one length
    write_folder(tmp_path, tables, "SUN")
    first, second = (fetch_xlsa17(name, data_home=tmp_path) for name in ("CUB", "SUN"))
    for key in ("data", "target", "trainval", "test_unseen"):
        np.testing.assert_array_equal(first[key], second[key])


def test_versions_without_splits_for_validation_are_read(tables: Tables, tmp_path: Path) -> None:
    for key in ("train_loc", "val_loc", "original_att"):
        del tables["att_splits"][key]
    del tables["res101"]["image_files"]
    write_folder(tmp_path, tables)
    assert len(fetch_xlsa17("CUB", data_home=tmp_path).trainval) == N_SEEN * (N_IMAGES - 2)


def test_unseen_classes_are_named_from_their_attributes(tables: Tables, tmp_path: Path) -> None:
    write_folder(tmp_path, tables)
    data = fetch_xlsa17("CUB", data_home=tmp_path)
    model = ESZSLClassifier(data.attributes, candidates=data.unseen_classes)
    model.fit(data.data[data.trainval], data.target[data.trainval])
    rows = data.test_unseen
    assert model.score(data.data[rows], data.target[rows]) > 0.8  # chance is a third


# Where the files are


def test_an_unknown_name_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="name must be one of 'AWA1', 'AWA2', 'CUB', 'SUN', 'APY', got 'a"
    ):
        fetch_xlsa17("aPY", data_home=tmp_path)


def test_absent_files_raise_saying_where_to_get_them_and_where_to_put_them(
    tables: Tables, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        fetch_xlsa17("CUB", data_home=tmp_path)
    for part in (_xlsa17.URL, str(tmp_path), "ZEROSHOT_DATA", "xlsa17/data/CUB", "checksum"):
        assert part in str(caught.value)
    (write_folder(tmp_path, tables) / "att_splits.mat").unlink()
    with pytest.raises(FileNotFoundError, match="res101.mat and att_splits.mat"):
        fetch_xlsa17("CUB", data_home=tmp_path)


def test_an_archive_without_the_data_set_names_what_it_lacks(
    tables: Tables, tmp_path: Path
) -> None:
    zip_of(tmp_path, write_folder(tmp_path, tables, "SUN"))
    with pytest.raises(IntegrityError, match="lacks 'xlsa17/data/CUB/res101.mat'"):
        fetch_xlsa17("CUB", data_home=tmp_path)


def test_an_archive_with_a_name_that_leads_out_of_it_is_refused(
    tables: Tables, tmp_path: Path
) -> None:
    path = zip_of(tmp_path, write_folder(tmp_path, tables))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../xlsa17/data/CUB/res101.mat", b"")
    with pytest.raises(IntegrityError, match="leads out of its folder"):
        fetch_xlsa17("CUB", data_home=tmp_path)


# What the files hold


def change(file: str, **variables: Any) -> Callable[[Tables], None]:
    """Return what sets variables of a file: to values, or to a function of the old ones."""

    def apply(tables: Tables) -> None:
        for key, value in variables.items():
            old = tables[file][key]
            tables[file][key] = value(old) if callable(value) else value

    return apply


def with_first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def apply(old: np.ndarray) -> np.ndarray:
        new = old.copy()
        new.flat[0] = value
        return new

    return apply


def join(split: str, other: str, n: int) -> Callable[[Tables], None]:
    """Return what adds the first `n` images of another split to a split."""

    def apply(tables: Tables) -> None:
        splits = tables["att_splits"]
        splits[split] = np.concatenate([splits[split], splits[other][:n]])

    return apply


def move(split: str, other: str, n: int) -> Callable[[Tables], None]:
    def apply(tables: Tables) -> None:
        join(split, other, n)(tables)
        tables["att_splits"][other] = tables["att_splits"][other][n:]

    return apply


def drop_class_from_trainval(tables: Tables) -> None:
    splits, labels = tables["att_splits"], tables["res101"]["labels"].ravel()
    rows = splits["trainval_loc"].ravel().astype(int)
    splits["trainval_loc"] = splits["trainval_loc"][labels[rows - 1] != 1]


N = N_IMAGES * len(NAMES)
BAD = {
    "features transposed": (
        change("res101", features=np.transpose),
        rf"\(n_features, n_images\) with one image for each of the {N} labels, got \({N}, 12\)",
    ),
    "features of fewer images": (
        change("res101", features=lambda old: old[:, 1:]),
        rf"each of the {N} labels, got \(12, {N - 1}\)",
    ),
    "features not finite": (
        change("res101", features=with_first(np.nan)),
        "res101.mat holds NaN, infinity or numbers beyond float32 in 'features'",
    ),
    "features beyond float32": (
        change("res101", features=with_first(1e300)),
        "numbers beyond float32 in 'features'",
    ),
    "complex features": (
        change("res101", features=lambda old: old * 1j),
        "holds 'features' as complex128",
    ),
    "features as cells": (
        change("res101", features=np.array([["a"]], dtype=object)),
        "holds 'features' as MATLAB class 'cell', where real numbers belong",
    ),
    "labels from zero": (
        change("res101", labels=lambda old: old - 1),
        r"labels must lie in 1 to 11, the number of classes, got 0 to 10",
    ),
    "labels of too many classes": (
        change("res101", labels=with_first(12)),
        "labels must lie in 1 to 11, the number of classes, got 1 to 12",
    ),
    "labels that are no integers": (
        change("res101", labels=with_first(1.5)),
        "labels must hold integers",
    ),
    "fewer labels": (
        change("res101", labels=lambda old: old[:20]),
        "trainval_loc must lie in 1 to 20, the number of images",
    ),
    "split from zero": (
        change("att_splits", trainval_loc=with_first(0)),
        rf"trainval_loc must lie in 1 to {N}, the number of images, got 0 to",
    ),
    "split out of range": (
        change("att_splits", test_unseen_loc=with_first(N + 1)),
        rf"test_unseen_loc must lie in 1 to {N}, the number of images",
    ),
    "empty split": (
        change("att_splits", test_seen_loc=np.empty((0, 1))),
        "test_seen_loc is empty",
    ),
    "repeated row": (
        join("test_seen_loc", "test_seen_loc", 1),
        "test_seen_loc names an image twice",
    ),
    "training on test images": (
        join("trainval_loc", "test_seen_loc", 4),
        "trainval_loc and test_seen_loc share 4 images",
    ),
    "test images in both parts": (
        join("test_unseen_loc", "test_seen_loc", 1),
        "test_seen_loc and test_unseen_loc share 1 images",
    ),
    "unseen class in trainval": (
        move("trainval_loc", "test_unseen_loc", 1),
        r"1 classes of test_unseen_loc are among those of trainval_loc \(bird 0",
    ),
    "seen class without training images": (
        drop_class_from_trainval,
        r"1 classes of test_seen_loc have no image in trainval_loc \(bird 10\)",
    ),
    "fewer names": (
        change("att_splits", allclasses_names=lambda old: old[:-1]),
        "labels must lie in 1 to 10",
    ),
    "a name twice": (
        change("att_splits", allclasses_names=lambda old: old[[0, 0, *range(2, 11)]]),
        "allclasses_names must name every class once",
    ),
    "names that are numbers": (
        change("att_splits", allclasses_names=np.array([[1.0]] * 11, dtype=object)),
        "something else than one text a cell in 'allclasses_names'",
    ),
    "attributes transposed": (
        change("att_splits", att=np.transpose),
        r"\(n_attributes, n_classes\) for the 11 names in allclasses_names, got \(11, 6\)",
    ),
    "a class without attributes": (
        change("att_splits", att=lambda old: np.where(np.arange(11) == 3, 0, old)),
        r"att holds 0 for all attributes of 1 classes \(bird 07\)",
    ),
}


@pytest.mark.parametrize("defect", BAD)
def test_what_cannot_be_is_refused_naming_it(defect: str, tables: Tables, tmp_path: Path) -> None:
    apply, message = BAD[defect]
    apply(tables)
    folder = write_folder(tmp_path, tables)
    with pytest.raises(IntegrityError, match=message) as caught:
        fetch_xlsa17("CUB", data_home=tmp_path)
    assert "fetch_xlsa17" in str(caught.value) and str(folder) in str(caught.value)
    assert _xlsa17.URL in str(caught.value)


@pytest.mark.parametrize(
    ("file", "variable"),
    [(file, variable) for file, variables in _xlsa17.FILES.items() for variable in variables],
)
def test_a_missing_variable_is_named_beside_those_that_are_there(
    file: str, variable: str, tables: Tables, tmp_path: Path
) -> None:
    del tables[file.removesuffix(".mat")][variable]
    write_folder(tmp_path, tables)
    with pytest.raises(IntegrityError, match=f"{file} lacks '{variable}'; it holds '"):
        fetch_xlsa17("CUB", data_home=tmp_path)


@pytest.mark.parametrize("file", ["res101.mat", "att_splits.mat"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.97])
def test_a_truncated_file_is_refused(
    file: str, kept: float, tables: Tables, tmp_path: Path
) -> None:
    path = write_folder(tmp_path, tables) / file
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(IntegrityError, match=f"CUB/{file}"):
        fetch_xlsa17("CUB", data_home=tmp_path)


def test_a_flipped_byte_is_noticed(tables: Tables, tmp_path: Path) -> None:
    path = write_folder(tmp_path, tables) / "res101.mat"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="res101.mat"):
        fetch_xlsa17("CUB", data_home=tmp_path)


def test_a_truncated_archive_is_refused(tables: Tables, tmp_path: Path) -> None:
    path = zip_of(tmp_path, write_folder(tmp_path, tables))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(
        IntegrityError, match=f"fetch_xlsa17: The archive .* cannot be used.*{_xlsa17.URL}"
    ):
        fetch_xlsa17("CUB", data_home=tmp_path)


def test_a_folder_that_is_no_path_is_named() -> None:
    with pytest.raises(TypeError, match="fetch_xlsa17: data_home must be a folder's path or None"):
        fetch_xlsa17("CUB", data_home=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["as MATLAB writes it", "as HDF5 libraries do"])
def test_a_file_of_version_7_3_is_refused_with_the_way_out(
    version: str, tables: Tables, tmp_path: Path
) -> None:
    path = write_folder(tmp_path, tables) / "att_splits.mat"
    signature = b"\x89HDF\r\n\x1a\n" + bytes(200)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(signature if "libraries" in version else header.ljust(512) + signature)
    with pytest.raises(IntegrityError, match=r"att_splits.mat is a MATLAB 7.3 .*'-v7'"):
        fetch_xlsa17("CUB", data_home=tmp_path)


def test_a_file_that_would_fill_the_memory_is_not_read(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path, tables)
    needed = 8 * (tables["res101"]["features"].size + N)
    monkeypatch.setattr(_xlsa17, "MAX_FILE_BYTES", needed - 1)
    with pytest.raises(IntegrityError, match=f"{needed:,} bytes, more than the {needed - 1:,} all"):
        fetch_xlsa17("CUB", data_home=tmp_path)
    zip_of(tmp_path, folder)
    monkeypatch.setattr(_xlsa17, "MAX_FILE_BYTES", 500)
    with pytest.raises(IntegrityError, match="unpacks to more than 500 bytes"):
        fetch_xlsa17("CUB", data_home=tmp_path)


def element(kind: int, content: bytes, order: str) -> bytes:
    padding = bytes(-len(content) % 8)
    return struct.pack(f"{order}II", kind, len(content)) + content + padding


def variable(mat_class: int, shape: tuple[int, ...], *parts: bytes, order: str, name: str) -> bytes:
    dims = struct.pack(f"{order}{len(shape)}i", *shape)
    head = element(6, struct.pack(f"{order}II", mat_class, 0), order) + element(5, dims, order)
    return element(14, head + element(1, name.encode(), order) + b"".join(parts), order)


def mat(content: bytes, order: str = "<") -> io.BytesIO:
    signature = b"\0\1IM" if order == "<" else b"\1\0MI"
    return io.BytesIO(b"MATLAB 5.0 MAT-file".ljust(124) + signature + content)


def read_names(file: io.BytesIO) -> np.ndarray:
    wanted = {"names": _mat_files.TEXTS}
    return _mat_files.read_mat(file, wanted, name="f.mat", remedy="Mend it.", max_bytes=10**9)[
        "names"
    ]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("kind", "codec"), [(1, "utf-8"), (2, "utf-8"), (4, "utf-16"), (16, "utf-8"), (17, "utf-16")]
)
def test_texts_of_every_encoding_come_out(
    order: str, compressed: bool, kind: int, codec: str
) -> None:
    names = ["grizzly bear", "Ä", "killer+whale"]
    codec += "" if codec == "utf-8" else {"<": "-le", ">": "-be"}[order]
    cells = [
        variable(4, (1, len(name)), element(kind, name.encode(codec), order), order=order, name="")
        for name in names
    ]
    content = variable(1, (3, 1), *cells, order=order, name="names")
    if compressed:
        content = element(15, zlib.compress(content), order)[: 8 + len(zlib.compress(content))]
    assert read_names(mat(content, order)).tolist() == names


def nested(depth: int) -> bytes:
    cell = b""
    for _ in range(depth):
        cell = variable(1, (1, bool(cell)), cell, order="<", name="")
    return cell


text = functools.partial(variable, 4, order="<", name="")
ODD_CELLS = {
    "nested once": (nested(1),),
    "nested 20,000 times": (nested(20_000),),
    "a number": (variable(6, (1, 1), element(9, bytes(8), "<"), order="<", name=""),),
    "an object": (variable(3, (1, 1), order="<", name=""),),
    "an empty text": (text((0, 0), element(2, b"", "<")),),
    "two rows": (text((2, 1), element(2, b"ab", "<")),),
    "spaces without end": (text((1, 2**31 - 1), element(2, b"", "<")),),
    "a part more": (text((1, 1), element(2, b"a", "<"), nested(1)),),
    "fewer than announced": (),
    "no variable": (element(2, b"abcdefgh", "<"),),
}


@pytest.mark.parametrize("what", ODD_CELLS)
def test_cells_of_anything_but_one_text_are_refused(what: str) -> None:
    content = variable(1, (1, 1), *ODD_CELLS[what], order="<", name="names")
    with pytest.raises(IntegrityError, match="f.mat holds something else than one text a cell"):
        read_names(mat(content))


def test_cells_that_are_damaged_or_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = variable(1, (1, 1), nested(3)[:-8], order="<", name="names")
    with pytest.raises(IntegrityError, match="a part is longer than the whole"):
        read_names(mat(cut))
    with pytest.raises(IntegrityError, match="a variable has no header"):
        read_names(mat(variable(1, (1, 1), element(14, b"", "<"), order="<", name="names")))
    latin = text((1, 1), element(2, "Ä".encode("latin-1"), "<"))
    with pytest.raises(IntegrityError, match="cannot be read .*utf-8"):
        read_names(mat(variable(1, (1, 1), latin, order="<", name="names")))
    monkeypatch.setattr(_mat_files, "MAX_CELL_BYTES", 100)
    with pytest.raises(IntegrityError, match="a cell array of more than 100 bytes"):
        read_names(mat(variable(1, (1, 1), nested(3), order="<", name="names")))
    monkeypatch.setattr(_mat_files, "MAX_VARIABLES", 2)
    with pytest.raises(IntegrityError, match="holds more than 2 variables"):
        read_names(mat(nested(1) * 3))


def test_a_small_file_that_declares_much_is_refused(tables: Tables, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, tables)
    savemat(
        folder / "res101.mat",
        {"features": np.zeros((1300, 1000)), "labels": np.ones((1000, 1))},
        do_compression=True,
    )
    with pytest.raises(IntegrityError, match="10,408,000 bytes, more than the 10,"):
        fetch_xlsa17("CUB", data_home=tmp_path)


def test_other_variables_are_not_read(tables: Tables, tmp_path: Path) -> None:
    """Also not where they alone would fill the memory."""
    tables["res101"]["rest"] = {"nested": np.zeros((2, 2)), "text": "never read"}
    write_folder(tmp_path, tables)
    assert fetch_xlsa17("CUB", data_home=tmp_path).data.shape == (N, N_FEATURES)


# The example


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
        import good_bad_ugly

        yield good_bad_ugly
    for name in ("good_bad_ugly", "methods"):
        sys.modules.pop(name, None)


def test_the_example_prints_ours_beside_the_published(
    study: ModuleType, tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(tmp_path, tables, "AWA2")
    results = study.main(["AWA2", "--preset", "tiny", "--data-home", str(tmp_path)])
    out = capsys.readouterr().out
    assert list(results) == ["AWA2"]
    for name, (T1, u, s, H) in results["AWA2"].items():
        line = next(line for line in out.splitlines() if line.startswith(name))
        published = study.PUBLISHED["AWA2"].get(name, ("-",) * 4)
        expected = [f"{figure:.1f}" for figure in (T1, u, s, H)] + [str(cell) for cell in published]
        assert line.removeprefix(name).split() == expected
        assert H == pytest.approx(2 * u * s / (u + s) if u + s else 0)
        assert u <= T1  # more answers, more ways to be wrong
    constant = results["AWA2"]["control: best constant"]
    assert constant.T1 == pytest.approx(100 / N_UNSEEN)
    for name in ("ESZSL", "SAE", "ConSE"):
        assert results["AWA2"][name].T1 > constant.T1 + 10


def test_the_example_says_what_it_did_not_run(
    study: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.main(["--data-home", str(tmp_path)]) == {}
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert [line.split(".")[0] for line in lines] == [
        f"{name}: loader tested, not run" for name in ("SUN", "CUB", "AWA1", "AWA2", "APY")
    ]
    assert all(_xlsa17.URL in line for line in lines)


def test_the_example_takes_names_in_any_case_and_refuses_others(
    study: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.main(["aPY", "cub", "--data-home", str(tmp_path)]) == {}
    assert "APY: loader tested" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        study.main(["AWA3", "CUB", "--data-home", str(tmp_path)])
    assert caught.value.code == 2
    assert "no set is called AWA3; there are SUN, CUB, AWA1, AWA2, APY" in capsys.readouterr().err


def test_published_harmonic_means_fit_the_published_accuracies(study: ModuleType) -> None:
    """A figure mistyped in the table would show, up to the rounding of u and s."""
    for methods in study.PUBLISHED.values():
        for figures in methods.values():
            u, s = figures.u, figures.s
            assert figures.H == pytest.approx(2 * u * s / (u + s), abs=0.11)
