"""Strategies for archives, MATLAB files, word vectors, tables and label files that are forged."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import re
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from gensim.models import FastText, KeyedVectors
from gensim.models.fasttext import save_facebook_model
from hostile_images import cut_out, flipped, inserted, numbered, repeated, truncated, unchanged
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from zeroshot import WordVectors

Draw = st.DrawFn
MUTATIONS: tuple[Callable[[Draw, bytes], bytes], ...] = (
    truncated, flipped, flipped, cut_out, inserted, repeated, numbered, unchanged,
)  # fmt: skip
EXTREME = (0, 1, -1, 2, 511, 513, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**33, 8**11 - 1, -(2**40))


@st.composite
def mutated(draw: Draw, content: bytes) -> bytes:
    """Return a file with up to three changes."""
    for change in draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3)):
        content = change(draw, content)
    return content


# CIFAR-100's archive


@cache
def cifar_parts() -> dict[str, bytes]:
    """Return a small archive's pickles, by name."""
    rng = np.random.default_rng(0)
    train = {
        b"data": rng.integers(0, 256, (4, 3072), dtype=np.uint8),
        b"fine_labels": [0, 1, 2, 0],
        b"coarse_labels": [0, 1, 0, 0],
        b"filenames": [b"a.png", b"b.png", b"c.png", b"d.png"],
    }
    meta = {b"fine_label_names": [b"x", b"y", b"z"], b"coarse_label_names": [b"p", b"q"]}
    # Protocol 3 writes bytes as they are, as Python 2 did.
    return {name: pickle.dumps(part, protocol=3) for name, part in
            (("meta", meta), ("train", train))}  # fmt: skip


def tar_header(draw: Draw, name: str, n_bytes: int) -> bytes:
    """Return a header; sometimes its type, size or name is forged, with the right checksum."""
    info = tarfile.TarInfo(name)
    info.size = n_bytes
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    forged = draw(st.sampled_from([""] * 8 + ["type", "size", "name", "any"]))
    if forged == "type":
        header[156:157] = draw(st.sampled_from([b"%c" % byte for byte in b"01234567xgLKSDVNA\0"]))
    if forged == "size":
        size = draw(st.sampled_from(EXTREME))
        wide = (size % 256**12) | (0x80 << 88)
        octal = b"%011o\0" % (abs(size) % 8**11)
        header[124:136] = draw(st.sampled_from([octal, wide.to_bytes(13, "big")[-12:]]))
    if forged == "name":
        odd = ["../x", "/x", "a/../b", "x" * 99, "", "cifar-100-python/train", "a:b", "\\x"]
        header[:100] = draw(st.sampled_from(odd)).encode()[:100].ljust(100, b"\0")
    if forged == "any":
        place = draw(st.integers(0, 511))
        header[place] = draw(st.integers(0, 255))
    if draw(st.integers(0, 30)) != 15:
        header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 256)
    return bytes(header)


PAX = (
    b"22 GNU.sparse.major=1\n", b"22 GNU.sparse.map=0,1\n", b"25 GNU.sparse.realsize=9\n",
    b"30 GNU.sparse.size=2000000000\n", b"11 size=10\n", b"19 size=9999999999\n", b"10 path=a\n",
    b"11 mtime=1\n", b"99999999 mtime=1\n", b"0 a=\n", b"-5 a=b\n", b"21 hdrcharset=BINARY\n",
    b"\xff" * 40,
)  # fmt: skip


@st.composite
def tars(draw: Draw) -> bytes:
    """Return an archive like CIFAR-100's."""
    parts = []
    for name, content in cifar_parts().items():
        record = b"".join(draw(st.lists(st.sampled_from(PAX), max_size=2)))
        header = bytearray(tarfile.TarInfo("pax").tobuf(tarfile.USTAR_FORMAT))
        header[156:157] = draw(st.sampled_from([b"x", b"x", b"g", b"L", b"K"]))
        header[124:136] = b"%011o\0" % len(record)
        header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 256)
        n_times = draw(st.sampled_from([0] * 8 + [1, 3, 1100]))
        parts += [bytes(header), record, bytes(-len(record) % 512)] * n_times
        if draw(st.integers(0, 5)) == 3:
            content = draw(mutated(content))
        if draw(st.integers(0, 15)) == 7:
            content = PICKLES[draw(st.integers(0, len(PICKLES) - 1))]
        header = tar_header(draw, f"cifar-100-python/{name}", len(content))
        parts += [header, content, bytes(-len(content) % 512)]
    content = b"".join(parts) + bytes(1024)
    if draw(st.integers(0, 5)) == 3:
        content = draw(mutated(content))
    if draw(st.integers(0, 60)) == 30:
        content += bytes(30_000_000)
    packed = gzip.compress(content, 1, mtime=0)
    packed += gzip.compress(b"") * draw(st.sampled_from([0] * 15 + [50_000]))
    return draw(mutated(packed)) if draw(st.integers(0, 5)) == 3 else packed


PICKLES = (
    b"\x80\x02}N" + b"\x85" * 200_000 + b"Ns.",
    b"\x80\x02}N" + b"N\x86" * 200_000 + b"Ns.",
    b"\x80\x02}" + b"N0" * 1_500_000 + b".",
    b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".",
    b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00truetR.",
    b"\x80\x02}r\xff\xff\xff\x7f.",
    b"\x80\x02\x8b\xff\xff\xff\x7f1.",
    b"I" + b"9" * 100_000 + b"\n.",
)


# Tiny ImageNet's archive


@cache
def tiny_members() -> dict[str, bytes]:
    """Return the members of a small archive."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (40, 90, 200)).save(buffer, "JPEG")
    head = "tiny-imagenet-200/"
    return {
        f"{head}wnids.txt": b"n01\nn02\n",
        f"{head}words.txt": b"n01\tcat, true cat\nn02\tdog\n",
        f"{head}val/val_annotations.txt": b"a.JPEG\tn01\t0\t0\t1\t1\nb.JPEG\tn02\t0\t0\t1\t1\n",
        f"{head}val/images/a.JPEG": buffer.getvalue(),
        f"{head}val/images/b.JPEG": buffer.getvalue(),
    }


@st.composite
def zips(draw: Draw) -> bytes:
    """Return an archive like Tiny ImageNet's."""
    buffer = io.BytesIO()
    odd = draw(st.sampled_from(["", "", "content", "bomb", "name", "method", "kind"]))
    victim = draw(st.integers(0, len(tiny_members()) - 1))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(tiny_members().items()):
            info = zipfile.ZipInfo(name)
            info.compress_type = draw(st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]))
            if number == victim and odd == "content":
                content = draw(mutated(content))
            elif number == victim and odd == "bomb":
                content = bytes(draw(st.sampled_from([2_000_000, 12_000_000])))
            elif number == victim and odd == "name":
                names = ["../x", "/x", "a\\b", "x\0y", f"{name}/", "é" * 300]
                info.filename = draw(st.sampled_from(names))
            elif number == victim and odd == "method":
                info.compress_type = draw(st.sampled_from([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
            elif number == victim and odd == "kind":
                info.external_attr = draw(st.sampled_from([0o120777 << 16, 0o010644 << 16]))
            archive.writestr(info, content)
    content = bytearray(buffer.getvalue())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        signature = draw(st.sampled_from([b"PK\1\2", b"PK\3\4", b"PK\5\6"]))
        places = [match.start() for match in re.finditer(re.escape(signature), content)]
        place = draw(st.sampled_from(places)) + draw(st.integers(4, 44))
        code = draw(st.sampled_from(["<H", "<I"]))
        value = draw(st.sampled_from(EXTREME)) % 256 ** struct.calcsize(code)
        if place + struct.calcsize(code) <= len(content):
            struct.pack_into(code, content, place, value)
    return draw(mutated(bytes(content))) if draw(st.integers(0, 3)) == 0 else bytes(content)


# MATLAB files


def element(kind: int, content: bytes) -> bytes:
    """Return an element of a MATLAB file of version 5."""
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def variable(mat_class: int, shape: tuple[int, ...], *parts: bytes, name: str = "") -> bytes:
    """Return a variable."""
    dims = struct.pack(f"<{len(shape)}i", *shape)
    head = element(6, struct.pack("<II", mat_class, 0)) + element(5, dims)
    return element(14, head + element(1, name.encode()) + b"".join(parts))


@cache
def nested(depth: int) -> bytes:
    """Return cells in cells."""
    cell = b""
    for _ in range(depth):
        cell = variable(1, (1, bool(cell)), cell)
    return cell


@cache
def bomb() -> bytes:
    """Return a small compressed variable of many numbers."""
    numbers = variable(6, (20_000_000, 1), element(9, bytes(160_000_000)), name="att")
    packed = zlib.compress(numbers, 1)
    return struct.pack("<II", 15, len(packed)) + packed


@cache
def sound_mats() -> tuple[bytes, ...]:
    """Return small MATLAB files with the wanted variables."""
    names = np.array([["ant"], ["bee"], ["crab"]], dtype=object)
    variables = {
        "att": np.arange(6.0).reshape(2, 3), "allclasses_names": names,
        "other": {"a": [1, 2], "b": "text"},
    }  # fmt: skip
    files = []
    for options in ({}, {"do_compression": True}, {"format": "4"}):
        buffer = io.BytesIO()
        kept = dict(variables)
        if options.get("format"):
            kept = {"att": variables["att"], "allclasses_names": ["ant", "bee"]}
        savemat(buffer, kept, **options)
        files.append(buffer.getvalue())
    return tuple(files)


@st.composite
def mats(draw: Draw) -> bytes:
    """Return a MATLAB file: a sound one with changes, or one of forged elements."""
    if draw(st.booleans()):
        return draw(mutated(draw(st.sampled_from(sound_mats()))))
    sides = st.sampled_from([0, 1, 1, 2, 3, 1000, 2**20, 2**31 - 1, -1])
    classes = st.integers(0, 20)
    content = st.binary(max_size=40)
    leaf = st.builds(
        lambda mat_class, shape, kind, content: variable(mat_class, shape, element(kind, content)),
        classes, st.lists(sides, max_size=3).map(tuple), st.integers(0, 20), content,
    )  # fmt: skip
    text = st.text("abcé", min_size=1, max_size=4).map(
        lambda t: variable(4, (1, len(t)), element(16, t.encode()))
    )
    cells = draw(st.lists(st.one_of(text, text, text, leaf), max_size=4))
    if draw(st.integers(0, 5)) == 0:
        cells.append(nested(draw(st.sampled_from([1, 3, 100, 6_000]))))
    n_cells = draw(st.sampled_from([len(cells)] * 5 + [2**31 - 1, 0]))
    shape = draw(st.lists(sides, min_size=2, max_size=2).map(tuple))
    numbers = element(9, np.arange(6.0).tobytes())
    shape = draw(st.sampled_from([(2, 3), (3, 2), (1, 6), shape]))
    kind = draw(st.sampled_from([6, 6, 6, 7, 9, 5, 3, 1]))
    parts = [
        variable(kind, shape, numbers, name="att"),
        variable(1, (n_cells, 1), *cells, name="allclasses_names"),
        *draw(st.lists(leaf, max_size=2)),
    ]
    parts = draw(st.permutations(parts))
    if draw(st.booleans()):
        parts = [element(15, zlib.compress(part))[: 8 + len(zlib.compress(part))] for part in parts]
    if draw(st.integers(0, 60)) == 30:
        parts = [bomb(), parts[1]]
    made = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(parts)
    return draw(mutated(made)) if draw(st.integers(0, 2)) == 0 else made


# Word vectors

WORDS = ("the", "cat", "café", "ice cream", "route 66", "T-shirt", "42", "<unk>", "日本", "x_y")
FIGURES = ("1", "-0.25", "3.5e-2", "0.1234567", "7", "1_0", "nan", "inf", "1e39", "x", "")


@st.composite
def vector_files(draw: Draw) -> tuple[str, bytes]:
    """Return suffix and content of a file of word vectors."""
    n_dims = draw(st.integers(1, 4))
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
    is_odd = draw(st.booleans())
    figures = st.sampled_from(FIGURES if is_odd else FIGURES[:5])
    rows = [(word, draw(st.lists(figures, min_size=n_dims, max_size=n_dims))) for word in words]
    kind = draw(st.sampled_from(["text"] * 6 + ["binary"] * 3 + ["fasttext"]))
    header = f"{len(rows)} {n_dims}"
    if is_odd:
        header = draw(st.sampled_from([header, f"{len(rows)} {n_dims + 1}", "2 2", "9 1", "1 9"]))
    if kind == "text":
        space = draw(st.sampled_from([" ", " ", " ", "\t", "  "]))
        end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
        lines = [space.join((word, *row)) for word, row in rows]
        if draw(st.booleans()):
            lines.insert(0, header)
        text = end.join(lines) + draw(st.sampled_from([end, end, end, "", end * 3]))
        encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "latin-1", "utf-16"]))
        content = text.encode(encoding, "replace")
    elif kind == "binary":
        table = np.random.default_rng(0).normal(size=(len(rows), n_dims)).astype("<f4")
        end = draw(st.sampled_from([b"", b"\n"]))
        binary = [w.replace(" ", "_").encode() + b" " + v.tobytes() + end
                  for (w, _), v in zip(rows, table, strict=True)]  # fmt: skip
        content = header.encode() + b"\n" + b"".join(binary)
    else:
        content = fasttext()
    if draw(st.booleans()):
        content = draw(mutated(content))
    if draw(st.integers(0, 60)) == 30:
        content += draw(st.sampled_from([b"\0", b"1 ", b"a 1 2 3 4 5\n"])) * 500_000
    packers = {".txt": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    suffix = draw(st.sampled_from([".txt"] * 5 + [*packers]))
    packed = packers[suffix](content)
    if suffix != ".txt" and draw(st.integers(0, 2)) == 0:
        packed = draw(mutated(packed))
    return suffix, packed


@cache
def fasttext() -> bytes:
    """Return a small file in fastText's binary format."""
    sentences = [["cat", "dog", "cat"], ["dog", "okapi", "cat"]] * 20
    model = FastText(sentences, vector_size=4, min_count=1, epochs=1, bucket=50, workers=1, seed=1)
    buffer = io.BytesIO()
    save_facebook_model(model, buffer)
    return buffer.getvalue()


@cache
def store_files() -> dict[str, bytes]:
    """Return the files of a saved folder of word vectors, of several blocks each."""
    rng = np.random.default_rng(0)
    keyed = KeyedVectors(8)
    words = [f"word{number}" for number in range(1500)]
    keyed.add_vectors(words, rng.normal(size=(1500, 8)).astype(np.float32))
    with tempfile.TemporaryDirectory() as folder:
        WordVectors(keyed).save(folder, overwrite=True)
        return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}


@st.composite
def changed_stores(draw: Draw) -> dict[str, bytes]:
    """Return the files of the folder, one or two of them changed."""
    files = dict(store_files())
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(files)))
        if name == "meta.json" and draw(st.booleans()):
            meta = json.loads(store_files()[name])
            key = draw(st.sampled_from(sorted(meta)))
            odd = [None, 0, 1, -1, 2**70, 1.5, True, "9", "../vectors.npy", "/dev/zero", [], {}]
            files[name] = json.dumps(meta | {key: draw(st.sampled_from(odd))}).encode()
        else:
            files[name] = draw(mutated(files[name]))
    return files


# Tables and labels

CELLS = ("1", "-2.5", "1e3", "1_0", "nan", "NaN", "inf", "1,5", '"2"', '"', "", "１", "0x1", " 3 ",
         "=1+1", "1e999")  # fmt: skip
NAMES = ("cat", "ice cream", '"a, b"', "café", "nan", "", "=x", "#x", "None", "\x00", "a\x1b[31mb")


@st.composite
def tables(draw: Draw) -> bytes:
    """Return a CSV file of attributes."""
    n_columns = draw(st.integers(1, 3))
    cells = st.sampled_from(CELLS if draw(st.booleans()) else CELLS[:3])
    lines = [",".join(["class", *(f"a{i}" for i in range(n_columns))])]
    for _ in range(draw(st.integers(0, 5))):
        row = draw(st.lists(cells, min_size=n_columns, max_size=n_columns))
        lines.append(",".join([draw(st.sampled_from(NAMES)), *row]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(lines) + draw(st.sampled_from([end, ""]))
    encoding = draw(st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "latin-1", "utf-16"]))
    content = text.encode(encoding, "replace")
    return draw(mutated(content)) if draw(st.booleans()) else content


@st.composite
def label_files(draw: Draw) -> tuple[str, bytes]:
    """Return suffix and content of a file of labels."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5))
    made = draw(st.sampled_from(["lines", "json", "numbered", "numbers", "csv", "deep", "odd"]))
    suffix, text = ".txt", "\n".join(names) + "\n"
    if made in ("json", "numbered", "numbers"):
        suffix = ".json"
        numbers = draw(st.lists(st.sampled_from(["0", "1", "2", "01", "٣", "9" * 5000, "x"]),
                                min_size=len(names), max_size=len(names)))  # fmt: skip
        pairs = [
            f"{json.dumps(key)}: {json.dumps(value)}"
            for key, value in zip(numbers, names, strict=True)
        ]
        if made == "numbers":
            pairs = [f"{json.dumps(n)}: {i % 3}" for i, n in enumerate(names)]
        text = json.dumps(names) if made == "json" else "{" + ", ".join(pairs) + "}"
    elif made == "csv":
        suffix = draw(st.sampled_from([".csv", ".tsv"]))
        text = "".join(
            f"{n}{',' if suffix == '.csv' else chr(9)}{i}\n" for i, n in enumerate(names)
        )
        text = draw(st.sampled_from(["label,n\n", "a\tclass\n", ""])) + text
    elif made == "deep":
        suffix = ".json"
        text = draw(st.sampled_from(["[", '{"a":'])) * draw(st.sampled_from([10, 1000, 100_000]))
    elif made == "odd":
        text = draw(
            st.sampled_from(["[NaN]", "[1e999]", '["a", "a"]', "[" + "9" * 5000 + "]", "{}"])
        )
        suffix = ".json"
    content = text.encode(
        draw(st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "latin-1"])), "replace"
    )
    return suffix, draw(mutated(content)) if draw(st.integers(0, 2)) == 0 else content
