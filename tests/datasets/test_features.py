from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from zeroshot import WordVectors
from zeroshot.datasets import class_names, label_texts, load_cifar100_features


def test_forty_training_and_ten_test_images_of_each_class_training_first() -> None:
    everything = load_cifar100_features()
    train = load_cifar100_features(subset="train")
    test = load_cifar100_features(subset="test")
    np.testing.assert_array_equal(everything.data, np.concatenate([train.data, test.data]))
    np.testing.assert_array_equal(everything.target, np.concatenate([train.target, test.target]))
    for part, expected in ((train, 40), (test, 10)):
        names, counts = np.unique(part.target, return_counts=True)
        assert names.tolist() == part.class_names == class_names("cifar100")
        assert set(counts) == {expected}


def test_shapes_and_types_are_as_documented() -> None:
    bunch = load_cifar100_features(subset="test")
    assert bunch.data.shape == (1000, 128)
    assert bunch.components.shape == (128, 1280)
    assert bunch.mean.shape == (1280,)
    assert {bunch[name].dtype for name in ("data", "components", "mean")} == {np.dtype("float32")}
    assert bunch.target.dtype.kind == "U"
    assert all(np.isfinite(bunch[name]).all() for name in ("data", "components", "mean"))
    assert "tools/build_cifar100_features.py" in bunch.DESCR
    assert "EfficientNet-Lite0" in bunch.DESCR


def test_return_X_y_gives_the_fields_of_the_bunch() -> None:
    bunch = load_cifar100_features(subset="test")
    X, y = load_cifar100_features(subset="test", return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)


def test_a_caller_may_write_to_the_arrays_without_changing_the_next_ones() -> None:
    X, y = load_cifar100_features(subset="test", return_X_y=True)
    first = X[0].copy()
    X[:], y[:] = 0, "cat"
    again, labels = load_cifar100_features(subset="test", return_X_y=True)
    np.testing.assert_array_equal(again[0], first)
    assert labels[0] == "apple"


def test_training_features_are_centred_and_components_orthonormal() -> None:
    bunch = load_cifar100_features(subset="train")
    spread = bunch.data.std(axis=0)
    assert np.all(np.abs(bunch.data.mean(axis=0)) < 0.02 * spread + 1e-3)
    gram = bunch.components @ bunch.components.T
    np.testing.assert_allclose(gram, np.eye(128), atol=2e-3)  # they are kept in float16
    assert np.all(np.diff(spread) < 0.05 * spread[:-1])  # sorted by variance, within rounding


def test_the_classes_are_apart_in_the_features() -> None:
    """A nearest class mean of the training rows names a third of the test rows: chance is 1 %."""
    X, y = load_cifar100_features(subset="train", return_X_y=True)
    X_test, y_test = load_cifar100_features(subset="test", return_X_y=True)
    names = np.unique(y)
    means = np.stack([X[y == name].mean(axis=0) for name in names])
    distances = ((X_test[:, np.newaxis] - means) ** 2).sum(axis=2)
    assert np.mean(names[distances.argmin(axis=1)] == y_test) > 0.4


def test_the_shipped_file_is_small_and_holds_no_objects() -> None:
    file = files("zeroshot.datasets").joinpath("data/cifar100_features.npz")
    assert len(file.read_bytes()) <= 1.5e6
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        assert arrays["codes"].dtype == np.int8
        assert np.abs(arrays["codes"].astype(int)).max(axis=0).min() == 127  # no bit is wasted


@pytest.mark.parametrize("subset", ["val", "", None, 1])
def test_an_unknown_subset_is_refused_naming_those_there_are(subset: object) -> None:
    with pytest.raises(ValueError, match="subset must be one of 'all', 'train', 'test'"):
        load_cifar100_features(subset=subset)  # type: ignore[arg-type]


def test_label_texts_are_of_classes_there_are_and_say_something_else_than_the_name() -> None:
    texts = label_texts("cifar100")
    assert set(texts) <= set(class_names("cifar100"))
    assert all(text.strip() == text and text and text != name for name, text in texts.items())


def test_label_texts_have_a_vector_for_every_word() -> None:
    words = WordVectors(overrides=label_texts("cifar100"))
    vectors = words.embed(class_names("cifar100"))  # a word without a vector would warn: an error
    assert vectors.shape == (100, 50)
    plain = WordVectors().embed(class_names("cifar100"))
    changed = np.any(vectors != plain, axis=1)
    assert changed.sum() == len(label_texts("cifar100"))


def test_label_texts_are_a_new_dict_at_each_call() -> None:
    label_texts("cifar100").clear()
    assert label_texts("cifar100")


def test_label_texts_of_another_data_set_are_refused() -> None:
    with pytest.raises(ValueError, match="dataset must be one of 'cifar100', got 'tiny_imagenet'"):
        label_texts("tiny_imagenet")
