from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from zeroshot._utils import _decoder_process, _images
from zeroshot._utils._decoding import Limits
from zeroshot._utils._images import check_images, quiet_pillow, read_image
from zeroshot.exceptions import ImageReadError, in_options


def _pixels(height: int = 20, width: int = 30, seed: int = 0) -> np.ndarray:
    """Return a smooth RGB image that no flip or rotation leaves as it is."""
    y, x = np.mgrid[:height, :width]
    red, green = 255 * y / height, 255 * x / width
    return np.stack([red, green, np.full_like(red, 40 + seed)], axis=-1).astype(np.uint8)


def _png_with_size(width: int, height: int) -> bytes:
    """Return a PNG whose header promises `width` x `height` pixels, and that holds none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.fromarray(_pixels(200, 300)).save(path, quality=95)
    return path


# ---- every kind of image is read -------------------------------------------------------------


def test_path_string_pil_and_array_give_the_same_pixels(tmp_path: Path) -> None:
    path, pixels = tmp_path / "image.png", _pixels()
    Image.fromarray(pixels).save(path)
    for item in (path, str(path), Image.open(path), Image.fromarray(pixels), pixels):
        np.testing.assert_array_equal(read_image(item), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(tmp_path: Path, orientation: int) -> None:
    upright = _pixels()
    # Where the sensor's rows and columns go, by the EXIF standard's own table.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path), upright)


def test_broken_exif_is_no_broken_image(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    Image.fromarray(_pixels()).save(path, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12")
    assert read_image(path).shape == (20, 30, 3)


def test_cmyk_gray_and_bilevel_are_read(tmp_path: Path) -> None:
    rgb = Image.fromarray(_pixels(64, 64))
    path = tmp_path / "cmyk.jpg"
    rgb.convert("CMYK").save(path, quality=95)
    assert np.abs(read_image(path).astype(int) - np.asarray(rgb)).mean() < 4
    gray = read_image(rgb.convert("L"))
    np.testing.assert_array_equal(gray[..., 0], np.asarray(rgb.convert("L")))
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
    assert set(np.unique(read_image(rgb.convert("1")))) <= {0, 255}
    for mode in ("YCbCr", "HSV", "RGBX"):
        assert np.abs(read_image(rgb.convert(mode)).astype(int) - np.asarray(rgb)).mean() < 4


def test_transparency_is_composited_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), dtype=np.uint8)
    rgba[0, 0] = (255, 0, 0, 255)  # opaque red
    rgba[0, 1] = (255, 0, 0, 0)  # transparent: white, whatever colour hides there
    rgba[1, 0] = (0, 0, 0, 128)  # half black
    expected = [[[255, 0, 0], [255, 255, 255]], [[127, 127, 127], [255, 255, 255]]]
    np.testing.assert_allclose(read_image(Image.fromarray(rgba)), expected, atol=1)

    la = Image.fromarray(np.array([[[0, 255], [0, 0]]], dtype=np.uint8))
    assert la.mode == "LA"
    assert read_image(la)[0, :, 0].tolist() == [0, 255]
    assert read_image(Image.fromarray(rgba).convert("RGBa"))[0, 1].tolist() == [255, 255, 255]

    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([0, 1])
    assert read_image(palette)[0].tolist() == [[10, 20, 30], [200, 100, 50]]
    path = tmp_path / "palette.png"
    palette.save(path, transparency=bytes([0, 255]))
    assert read_image(path)[0].tolist() == [[255, 255, 255], [200, 100, 50]]
    keyed = tmp_path / "keyed.png"
    Image.new("RGB", (1, 1), (1, 2, 3)).save(keyed, transparency=(1, 2, 3))
    assert read_image(keyed)[0, 0].tolist() == [255, 255, 255]


def test_16_bit_gray_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 1000, 32768, 65535]], dtype=np.uint16)
    for suffix in ("png", "tiff"):
        path = tmp_path / f"deep.{suffix}"
        Image.fromarray(values).save(path)
        assert read_image(path)[0, :, 1].tolist() == [0, 3, 128, 255]
    assert read_image(Image.fromarray(values))[0, :, 1].tolist() == [0, 3, 128, 255]


def test_modes_without_a_range_are_refused() -> None:
    """Those of numbers are read as arrays are: floats of 0 to 1, and else a remedy that fits."""
    with pytest.raises(ImageReadError, match=r"mode 'LAB'.*PIL\.ImageCms"):
        read_image(Image.new("LAB", (4, 4)))
    assert read_image(Image.new("F", (4, 4), 1.0)).min() == 255
    for mode in ("I", "F"):
        with pytest.raises(ImageReadError, match=r"Write np.asarray\(image\).astype\(np.uint8\)"):
            read_image(Image.new(mode, (4, 4), 7))


def test_first_frame_of_an_animation_and_current_frame_of_a_pil_image(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp", "tiff"):
        path = tmp_path / f"moving.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        assert read_image(path)[0, 0].argmax() == 0
        with Image.open(path) as opened:
            opened.seek(1)
            assert read_image(opened)[0, 0].argmax() == 2
            assert opened.tell() == 1


def test_inputs_are_untouched() -> None:
    image = Image.fromarray(_pixels()).convert("P")
    before = image.tobytes(), image.mode, dict(image.info)
    read_image(image)
    assert before == (image.tobytes(), image.mode, dict(image.info))


# ---- every image that cannot be read is named, with the remedy -------------------------------


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("not an image at all\n" * 20)


def _truncated(path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(_pixels(200, 300)).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[: buffer.tell() // 2])


def _bad_checksum(path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(_pixels(200, 300)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[data.index(b"IDAT") + 8] ^= 0xFF
    path.write_bytes(bytes(data))


def _folder(path: Path) -> None:
    path.mkdir()


def _absent(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_empty, "zero bytes.*Fetch it again"),
        (_text, "is not an image of JPEG, PNG.*Leave it out"),
        (_truncated, "damaged or truncated.*Fetch it again"),
        (_bad_checksum, "damaged or truncated.*Fetch it again"),
        (_folder, "is a folder.*load_image_folder"),
        (_absent, "no such file.*Check the path"),
    ],
)
def test_unreadable_files_are_named_with_the_remedy(tmp_path: Path, make, says: str) -> None:
    path = tmp_path / "broken.jpg"
    make(path)
    with pytest.raises(ImageReadError, match=says) as caught:
        read_image(path, position=7)
    assert str(path) in str(caught.value) and "position 7" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_file_that_may_not_be_read(jpeg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_images.os, "open", refuse)  # chmod does not stop root
    with pytest.raises(ImageReadError, match="permission denied.*Make the file readable"):
        read_image(jpeg)


@pytest.mark.parametrize("side", [9_500, 14_000], ids=["Pillow warns", "Pillow refuses"])
def test_gigantic_images_are_refused_without_a_warning(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_with_size(side, side))
    with pytest.raises(
        ImageReadError, match=r"limit (is|of) 89,478,485. .*pass a larger max_pixels"
    ):
        read_image(path)


def test_users_own_limits_hold(jpeg: Path) -> None:
    size = jpeg.stat().st_size
    assert read_image(jpeg, limits=Limits(200 * 300, size)).shape == (200, 300, 3)
    with pytest.raises(ImageReadError, match=r"300 x 200 pixels, and the limit is 59,999"):
        read_image(jpeg, limits=Limits(200 * 300 - 1))
    with pytest.raises(ImageReadError, match="position 0"):
        read_image(Image.new("RGB", (300, 200)), limits=Limits(200 * 300 - 1))
    with pytest.raises(ImageReadError, match=rf"has {size:,} bytes, and the limit is") as caught:
        read_image(jpeg, limits=Limits(max_bytes=size - 1))
    assert "pass a larger --max-bytes" in in_options(caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tiff", "webp", "bmp", "ppm", "jp2"])
def test_no_damage_escapes_the_table_of_errors(tmp_path: Path, suffix: str) -> None:
    """Flip and cut bytes at random: either pixels come back or ImageReadError."""
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "jp2": "JPEG2000"}.get(suffix, suffix.upper())
    Image.fromarray(_pixels(40, 40)).save(buffer, kind)
    sound, rng = buffer.getvalue(), np.random.default_rng(0)
    path, refused = tmp_path / f"x.{suffix}", 0
    for _ in range(150):
        data = np.frombuffer(sound, dtype=np.uint8).copy()
        where = rng.integers(0, min(len(data), 400), size=4)
        data[where] = rng.integers(0, 256, size=4)
        path.write_bytes(data.tobytes()[: rng.integers(len(data) // 2, len(data) + 1)])
        try:
            pixels = read_image(path)
        except ImageReadError:
            refused += 1
        else:
            assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    assert refused > 0


def test_warning_filters_come_back_from_many_threads(jpeg: Path) -> None:
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [read_image(jpeg) for _ in range(10)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
    with quiet_pillow(), quiet_pillow():
        assert len(warnings.filters) == len(before) + 1
    assert warnings.filters == before


# ---- what is passed as X ---------------------------------------------------------------------


def test_kinds_of_lists_that_are_taken(tmp_path: Path) -> None:
    names = ["a.jpg", "b.jpg"]
    for X in (names, tuple(names), np.array(names), np.array(names, dtype=object)):
        assert list(check_images(X, owner="test")) == names
    assert list(check_images(pd.Series(names, index=[5, 9]), owner="test")) == names
    assert check_images([tmp_path, Image.new("L", (2, 2)), _pixels()], owner="test")[0] == tmp_path
    array = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    assert check_images(array, owner="test") is array


@pytest.mark.parametrize(
    ("X", "error", "says"),
    [
        ("photo.jpg", TypeError, r"single path.*\[image\]"),
        (Path("photo.jpg"), TypeError, r"single path.*load_image_folder"),
        (Image.new("RGB", (4, 4)), TypeError, r"single PIL image.*\[image\]"),
        (b"content", TypeError, r"single image.*\[image\]"),
        (
            _pixels(),
            ValueError,
            r"X\[np\.newaxis\] for a single image, or X\[\.\.\., np\.newaxis\]",
        ),
        (torch.zeros(3, 8, 8), ValueError, r"X\[None\] for a single image, or X\[:, None\]"),
        ([], ValueError, "X is empty.*at least one"),
        (np.zeros((0, 8, 8, 3), np.uint8), ValueError, "X is empty"),
        (np.zeros((2, 8, 8), np.uint8), ValueError, r"X\[\.\.\., np\.newaxis\] for n gray images"),
        (np.array([["a.jpg", "b.jpg"]]), ValueError, r"shape \(1, 2\).*X\[:, 0\]"),
        (np.array([b"content"]), TypeError, r"\|S7, which drops zero bytes.*list of bytes"),
        (np.zeros((4, 5)), ValueError, r"\(n, height, width, 3\).*Features are not images"),
        (np.zeros(4), ValueError, "Features are not images"),
        (pd.DataFrame({"a": ["x"], "b": [1]}), ValueError, r"2 columns \('a', 'b'\).*X\['path'\]"),
        ((p for p in ["a.jpg"]), TypeError, r"generator.*list\(X\)"),
        ({"a.jpg": 1}, TypeError, r"dict.*list\(X\) if its keys are paths"),
        ({"image": ["a.jpg"], "label": [1]}, TypeError, r"dict\. Pass X\['image'\]"),
        (None, TypeError, "NoneType"),
    ],
)
def test_what_is_no_list_of_images_is_refused(X, error, says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        check_images(X, owner="TimmFeatures")
    assert str(caught.value).startswith("TimmFeatures: ")


def _file(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.case
def test_bytes_columns_and_rows_of_data_sets_are_read(tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.png", _pixels()
    content = _file(pixels)
    path.write_bytes(content)
    rows = [
        {"image": Image.fromarray(pixels), "label": 3},
        {"img": {"bytes": content, "path": None}},
        {"image": {"bytes": None, "path": str(path)}},
        {"bytes": content, "path": "name inside an archive.png"},
        {"path": path},
    ]
    frame = pd.DataFrame({"path": [str(path)]})
    columns = [frame, frame["path"], frame["path"].astype("string"), frame.to_numpy()]
    lists = [[content], [bytearray(content)], [memoryview(content)], [path], rows, *columns]
    for X in lists:
        for position, item in enumerate(check_images(X, owner="test")):
            np.testing.assert_array_equal(read_image(item, position), pixels)


@pytest.mark.case
@pytest.mark.usefixtures("no_helpers")
@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "WEBP"])
def test_bytes_go_through_the_limits_of_files(kind: str) -> None:
    content = _file(_pixels(40, 60), kind)
    assert read_image(content).shape == (40, 60, 3)
    with pytest.raises(ImageReadError, match="60 x 40 pixels, and the limit is 100"):
        read_image(content, limits=Limits(max_pixels=100))
    with pytest.raises(ImageReadError, match="the limit is 10. "):
        read_image(content, limits=Limits(max_bytes=10))
    assert (len(_decoder_process._idle) == 1) == (kind != "WEBP")


@pytest.fixture
def no_helpers():
    _decoder_process.close_helpers()
    yield
    _decoder_process.close_helpers()


@pytest.mark.case
@pytest.mark.parametrize(
    ("item", "says"),
    [
        (3, "not an image, but int. Pass its path"),
        (None, "missing. Leave it out, and its label"),
        (float("nan"), "missing"),
        (pd.NA, "missing"),
        ({"image": None}, "missing"),
        ((Image.new("L", (2, 2)), 1), r"\[image for image, label in X\]"),
        ([[1, 2]], r"np\.array\(image, dtype=np\.uint8\)"),
        ({"pixels": 3, "y": 1}, r"dict with 'pixels', 'y'.*\[row\[key\] for row in X\]"),
        (b"folder/a.png", r"content of an image.*os\.fsdecode\(path\)"),
        (b"", "zero bytes"),
        (_file(_pixels())[:70], "damaged or truncated"),
        ({"bytes": _file(_pixels())[:70], "path": "in/zip.png"}, "'in/zip.png'.*damaged"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_an_element_that_is_no_image_is_one_error_among_others(item, says: str) -> None:
    with pytest.raises(ImageReadError, match=says) as caught:
        read_image(item, position=4)
    assert "position 4" in str(caught.value)


@pytest.mark.case
@pytest.mark.parametrize("kind", ["png", "jpg", "avif"])
def test_closed_pil_images_say_so(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"photo.{kind}"
    Image.fromarray(_pixels()).save(path)
    with Image.open(path) as ended:
        pass
    with Image.open(path) as loaded:
        loaded.load()
    closed = Image.open(path)
    closed.load()
    closed.close()
    file = open(path, "rb")
    of_file = Image.open(file)
    file.close()
    empty = Image.new("RGB", (2, 2))
    empty.close()
    expected = [ended, closed, empty] if kind == "avif" else [ended, closed, of_file, empty]
    for image in expected:
        with pytest.raises(ImageReadError, match=r"closed before.*image\.load\(\).*its path"):
            read_image(image)
    assert read_image(loaded).shape == (20, 30, 3)
