"""What reading an image may not do: run a program, hang, take all memory, or leave anything."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from zeroshot import TimmFeatures
from zeroshot._utils import _decoder_process, _decoding
from zeroshot._utils._decoding import FORMATS, READ_ERRORS, Limits, pixels_of
from zeroshot._utils._images import quiet_pillow, read_image
from zeroshot.cli import main
from zeroshot.exceptions import ImageReadError, UnreadableImageWarning

POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 100 100
%%EndComments
(canary) (w) file closefile
showpage
"""


def photo(height: int = 96, width: int = 128) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([y * 255 // height, x * 255 // width, (x ^ y) & 255], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def no_helpers() -> Iterator[None]:
    """Begin and end without a helper process."""
    _decoder_process.close_helpers()
    yield
    _decoder_process.close_helpers()


def tiny(**kwargs: object) -> TimmFeatures:
    return TimmFeatures("test_efficientnet", weights=None, image_size=32, device="cpu", **kwargs)


def test_the_answers_of_a_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its main function, in this process: pixels, an error, and the end within a question."""
    png = io.BytesIO()
    photo().save(png, "png")
    limits, questions, answers = [], io.BytesIO(b"\n"), io.BytesIO()
    questions.seek(1)
    for content in (png.getvalue(), b"no image", png.getvalue()):
        asked = {"size": len(content), "max_pixels": 10**6, "max_seconds": 9.0, "min_side": 16}
        questions.write(json.dumps(asked).encode() + b"\n" + content)
    questions.truncate(questions.tell() - 1)
    questions.seek(0)
    monkeypatch.setattr(_decoder_process, "_limit_memory", limits.append)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    streams = [
        io.TextIOWrapper(questions),
        io.TextIOWrapper(answers),
    ]  # closed when nobody has them
    monkeypatch.setattr(sys, "stdin", streams[0])
    monkeypatch.setattr(sys, "stdout", streams[1])
    _decoder_process.serve()
    answers.seek(0)
    assert json.loads(answers.readline()) == {}
    assert json.loads(answers.readline()) == {"shape": [96, 128, 3]}
    pixels = np.frombuffer(answers.read(96 * 128 * 3), dtype=np.uint8).reshape(96, 128, 3)
    np.testing.assert_array_equal(pixels, np.asarray(photo()))
    assert json.loads(answers.readline())["error"] == "UnidentifiedImageError"
    assert not answers.read() and len(limits) == 2 and min(limits) > 4 * 10**6


# ---- no other program ------------------------------------------------------------------------


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record every program that is started, and what Ghostscript would be asked to do."""
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: started.append("gs"))
    monkeypatch.setattr(subprocess, "check_call", lambda *a, **k: started.append(a))
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a))
    monkeypatch.setattr(os, "system", started.append)
    return started


@pytest.mark.parametrize("name", ["photo.jpg", "photo.eps"])
def test_postscript_never_starts_ghostscript(
    tmp_path: Path, programs: list[object], name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(POSTSCRIPT)
    with pytest.raises(ImageReadError, match="is not an image of JPEG, PNG"):
        read_image(path)
    with Image.open(path) as opened, pytest.raises(ImageReadError, match="its format is EPS"):
        read_image(opened)
    result = tiny().fit().extract([path, photo()])
    assert result.indices.tolist() == [1]
    assert programs == []


def test_only_the_documented_decoders_are_asked(tmp_path: Path) -> None:
    for number, kind in enumerate(["ICO", "TGA", "PCX", "SGI", "DDS", "ICNS", "PDF", "EPS"]):
        path = tmp_path / f"{number}.jpg"
        photo(64, 64).save(path, kind)
        with pytest.raises(ImageReadError, match="is not an image of JPEG, PNG"):
            read_image(path)
    assert not {"EPS", "PSD", "PDF", "WMF", "FPX", "MIC"} & set(FORMATS)


def test_every_open_of_the_package_names_its_formats() -> None:
    package = Path(_decoding.__file__).parent
    calls = [
        line.strip()
        for path in package.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "Image.open(" in line
    ]
    assert calls and all("formats=" in line for line in calls)


# ---- every failure is an ImageReadError ------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RecursionError("too deep"),
        subprocess.CalledProcessError(1, ["gs"]),
        SyntaxError("broken"),
        AssertionError(),
        UserWarning("turned into an error"),
        StopIteration(),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_failure_of_a_decoder_is_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "a.png"
    photo().save(path)

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(_decoding, "pixels_of", fail)
    with pytest.raises(ImageReadError) as caught:
        read_image(path)
    assert caught.value.__cause__ is error
    array = np.asarray(photo())
    for num_workers in (0, 2):
        result = tiny(num_workers=num_workers).fit().extract([path, array])
        assert result.indices.tolist() == [1] and list(result.errors) == [0]


def test_an_interrupt_is_no_failure_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    photo().save(path)

    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_decoding, "pixels_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_image(path)


def test_no_memory_for_the_transform_is_one_row(tmp_path: Path) -> None:
    from zeroshot.backbones._read_ahead import prepare

    path = tmp_path / "a.png"
    photo().save(path)

    def full(image: Image.Image) -> None:
        raise MemoryError

    failed = prepare(path, 3, 32, full, Limits())
    assert isinstance(failed, ImageReadError) and "needs more memory" in str(failed)


@pytest.fixture
def odd_paths(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Paths of everything that is no image file, by what the message says of each."""
    folder = tmp_path / "odd"
    folder.mkdir()
    os.mkfifo(folder / "pipe.jpg")
    os.symlink(folder / "loop.jpg", folder / "loop.jpg")
    (folder / "empty.jpg").touch()
    (folder / "sub.jpg").mkdir()
    (folder / "text.jpg").write_text("hello")
    place = Path.cwd()
    os.chdir(folder)  # a socket's path has 108 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as open_socket:
            open_socket.bind("socket.jpg")
            yield {
                "a named pipe": str(folder / "pipe.jpg"),
                "a socket": str(folder / "socket.jpg"),
                "a character device": "/dev/zero",
                "a folder": str(folder / "sub.jpg"),
                "a NUL byte": str(folder / "nul\0.jpg"),
                "File name too long": str(folder / ("a" * 5000 + ".jpg")),
                "Too many levels": str(folder / "loop.jpg"),
                "no such file": str(folder / "missing.jpg"),
                "zero bytes": str(folder / "empty.jpg"),
                "is not an image": str(folder / "text.jpg"),
            }
    finally:
        os.chdir(place)


def test_no_odd_path_hangs_or_ends_the_run(odd_paths: dict[str, str], tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    photo().save(good)
    images = [good, *odd_paths.values(), good]
    began = time.perf_counter()
    result = tiny().fit().extract(images)
    assert time.perf_counter() - began < 10
    assert result.indices.tolist() == [0, len(images) - 1]
    for said, error in zip(odd_paths, result.errors.values(), strict=True):
        assert said in str(error) and len(str(error)) < 1000
    with pytest.warns(UnreadableImageWarning, match=f"{len(odd_paths)} of {len(images)}"):
        assert len(tiny(on_error="skip").fit_transform(images)) == 2


def test_the_command_line_names_every_odd_path_and_embeds_the_rest(
    odd_paths: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    good, weights = tmp_path / "good.png", tmp_path / "features.npz"
    photo().save(good)
    code = main(
        ["embed", str(good), *odd_paths.values(), "--output", str(weights), "--weights", "none",
         "--backbone", "test_efficientnet", "--image-size", "32", "--max-pixels", "20000"]
    )  # fmt: skip
    err = " ".join(capsys.readouterr().err.split())
    assert code == 1
    assert f"{len(odd_paths)} of {len(odd_paths) + 1} images could not be read" in err
    with np.load(weights) as written:
        assert written["paths"].tolist() == [str(good)]
    assert main(
        ["embed", str(good), "--output", str(tmp_path / "b.npz"), "--weights", "none",
         "--backbone", "test_efficientnet", "--max-pixels", "100"]
    ) == 1  # fmt: skip
    err = " ".join(capsys.readouterr().err.split())
    assert "the limit is 100" in err and "pass a larger --max-pixels" in err


def test_a_file_that_becomes_a_pipe_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    photo().save(path)
    before = os.stat(path)
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr("zeroshot._utils._images.os.stat", lambda *args, **kwargs: before)
    with pytest.raises(ImageReadError, match="a named pipe"):
        read_image(path)


@pytest.mark.parametrize("value", [0, -1, 2.5, "many", True])
def test_limits_are_checked(value: object) -> None:
    for name in ("max_pixels", "max_bytes"):
        with pytest.raises(ValueError, match=f"TimmFeatures: {name} must be an integer of at"):
            tiny(**{name: value}).fit()
    for bad in (0, -1.0, float("nan"), "long"):
        with pytest.raises(ValueError, match="TimmFeatures: max_seconds must be a number above"):
            tiny(max_seconds=bad).fit()


# ---- large images ----------------------------------------------------------------------------


def test_images_up_to_the_threshold_keep_every_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    photo(300, 400).save(path)
    monkeypatch.setattr(_decoding, "LARGE_PIXELS", 300 * 400)
    with Image.open(path) as plain:
        expected = np.asarray(plain)
    np.testing.assert_array_equal(read_image(path, min_side=10), expected)
    features = tiny(random_state=0).fit()
    np.testing.assert_array_equal(features.transform([path]), features.transform([expected]))
    monkeypatch.setattr(_decoding, "LARGE_PIXELS", 300 * 400 - 1)
    assert read_image(path, min_side=60).shape == (75, 100, 3)
    assert np.abs(features.transform([path]) - features.transform([expected])).max() > 0


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp", "bmp", "ppm", "jp2", "gif"])
def test_large_images_are_brought_down_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path, image = tmp_path / f"a.{suffix}", photo(240, 320)
    image.save(path)
    whole = read_image(path)
    monkeypatch.setattr(_decoding, "LARGE_PIXELS", 1000)
    monkeypatch.setattr(_decoding, "_STRIP_PIXELS", 7000)
    np.testing.assert_array_equal(read_image(path), whole)
    if suffix in ("jp2", "webp"):
        return  # the helper has its own threshold
    small = read_image(path, min_side=60)
    assert 60 <= min(small.shape[:2]) < 120
    average = np.asarray(Image.fromarray(whole).resize(small.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(small.astype(int) - average).mean() < 4


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "I;16", "CMYK"])
def test_strips_are_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = photo().convert("L") if mode == "I;16" else photo()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(source).astype(np.uint16) * 257)
    else:
        image = source.convert(mode)
    if mode == "P":
        image.info["transparency"] = 3
    whole = pixels_of(image, Limits())
    monkeypatch.setattr(_decoding, "LARGE_PIXELS", 1)
    monkeypatch.setattr(_decoding, "_STRIP_PIXELS", 1000)
    np.testing.assert_array_equal(pixels_of(image, Limits()), whole)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_large_images_are_upright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    photo().save(path, exif=exif)
    whole = read_image(path)
    monkeypatch.setattr(_decoding, "LARGE_PIXELS", 1)
    np.testing.assert_array_equal(read_image(path), whole)


def test_one_large_image_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, at_once, most = tmp_path / "a.png", [0], [0]
    photo(64, 64).save(path)
    strips = _decoding._in_strips

    def watched(image: Image.Image, factor: int) -> np.ndarray:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.02)
        at_once[0] -= 1
        return strips(image, factor)

    monkeypatch.setattr(_decoding, "_in_strips", watched)
    monkeypatch.setattr(_decoding, "LARGE_PIXELS", 1)
    tiny(num_workers=4).fit_transform([path] * 8)
    assert most == [1]


PEAK = """
import sys
from zeroshot._utils._images import read_image

def peak(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

print(read_image(sys.argv[1], min_side=448).shape, peak("VmHWM") * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
def test_an_88_megapixel_jpeg_costs_less_than_600_megabytes(
    tmp_path: Path, progressive: bool
) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (10_000, 8_800), "teal").save(path, progressive=progressive)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
    )
    shape, _, peak = done.stdout.rpartition(" ")
    assert shape == "(1100, 1250, 3)", done.stderr
    assert int(peak) < 600e6


# ---- the helper process ----------------------------------------------------------------------


def _heic(path: Path, image: Image.Image, **options: object) -> Path:
    """Save an image as HEIC, without a word to Pillow about the format."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(image).save(path, **options)
    return path


@pytest.mark.case
@pytest.mark.usefixtures("no_helpers")
def test_heic_is_decoded_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _heic(tmp_path / "a.heic", photo(), quality=-1, chroma=444)
    monkeypatch.setattr("zeroshot._utils._images.decode", lambda *a: pytest.fail("decoded here"))
    known = set(Image.OPEN)
    expected = np.asarray(photo()).astype(int)
    for item in (path, path.read_bytes(), {"image": {"bytes": None, "path": str(path)}}):
        assert abs(read_image(item) - expected).max() <= 2  # YCbCr and back
    assert set(Image.OPEN) == known, "this process has no further decoder"
    assert len(_decoder_process._idle) == 1
    (tmp_path / "b.heic").write_bytes(path.read_bytes()[:300])
    with pytest.raises(ImageReadError, match=r"b\.heic"):
        read_image(tmp_path / "b.heic")
    with pytest.raises(ImageReadError, match="128 x 96 pixels, and the limit is 100"):
        read_image(path, limits=Limits(max_pixels=100))
    _heic(tmp_path / "c.heic", photo(900, 1200))
    with pytest.raises(ImageReadError, match=r"more than 0.0001 seconds.*larger max_seconds"):
        read_image(tmp_path / "c.heic", limits=Limits(max_seconds=1e-4))


@pytest.mark.case
def test_heic_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _heic(tmp_path / "a.heic", photo(), exif=exif.tobytes(), quality=-1, chroma=444)
    photo().save(tmp_path / "a.png", exif=exif)
    expected = read_image(tmp_path / "a.png").astype(int)
    assert expected.shape == (128, 96, 3)
    assert abs(read_image(path) - expected).max() <= 2


@pytest.mark.case
def test_heic_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroshot._utils._decoding.reads_heif", lambda: False)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + b"\0" * 99)
    with pytest.raises(ImageReadError, match=r"HEIC.*pip install 'scikit-zeroshot\[heif\]'"):
        read_image(tmp_path / "a.heic")


@pytest.mark.parametrize(("suffix", "kind"), [("jp2", "JPEG2000"), ("avif", "AVIF")])
@pytest.mark.usefixtures("no_helpers")
def test_jpeg_2000_and_avif_are_decoded_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, kind: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    photo().save(path, kind)
    with Image.open(path) as plain:
        expected = np.asarray(plain.convert("RGB"))
    monkeypatch.setattr("zeroshot._utils._images.decode", lambda *a: pytest.fail("decoded here"))
    for _ in range(3):
        np.testing.assert_array_equal(read_image(path), expected)
    assert len(_decoder_process._idle) == 1  # started once
    broken = tmp_path / f"b.{suffix}"
    broken.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ImageReadError):
        read_image(broken)
    assert len(_decoder_process._idle) == 1  # and still there


@pytest.mark.usefixtures("no_helpers")
def test_the_helper_costs_nothing_where_it_is_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    photo().save(path)
    tiny().fit_transform([path])
    assert _decoder_process._idle == []


@pytest.mark.usefixtures("no_helpers")
def test_a_helper_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    photo(900, 1200).save(path)
    read_image(path)
    with pytest.raises(ImageReadError, match=r"more than 0.0001 seconds.*larger max_seconds"):
        read_image(path, limits=Limits(max_seconds=1e-4))
    assert _decoder_process._idle == []
    assert read_image(path).shape == (900, 1200, 3)  # by the next one


@pytest.mark.usefixtures("no_helpers")
def test_a_helper_that_dies_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    photo().save(path)
    read_image(path)
    _decoder_process._idle[0]._process.kill()
    _decoder_process._idle[0]._process.wait()
    assert read_image(path).shape == (96, 128, 3)

    helper = _decoder_process._idle[0]
    helper._process.kill()
    with open(path, "rb") as file, pytest.raises(ChildProcessError, match="ended with code"):
        helper.decode(file, Limits(), None)
    assert issubclass(ChildProcessError, READ_ERRORS)
    assert read_image(path).shape == (96, 128, 3)


@pytest.mark.usefixtures("no_helpers")
def test_a_header_that_asks_for_gigabytes_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    photo().save(path, "JPEG2000")
    content = bytearray(path.read_bytes())
    where, box = content.index(b"\xff\x51"), content.index(b"ihdr")
    side = (9_000).to_bytes(4, "big")
    content[where + 6 : where + 14] = side + side
    content[where + 22 : where + 30] = side + side  # one tile, decoded at once
    content[box + 4 : box + 12] = side + side
    path.write_bytes(content)
    result = tiny(max_pixels=10**8).fit().extract([path, photo()])
    assert 1 in result.indices
    path.write_bytes(bytes(content).replace(side, (60_000).to_bytes(4, "big")))
    with pytest.raises(ImageReadError, match="the limit is 89,478,485"):
        read_image(path)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
@pytest.mark.usefixtures("no_helpers")
def test_the_helpers_memory_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    Image.new("RGB", (6_000, 6_000)).save(path, "JPEG2000")
    assert read_image(path, min_side=448).shape == (750, 750, 3)
    with pytest.raises(ImageReadError):
        read_image(path, limits=Limits(max_pixels=36_000_000))
    assert len(_decoder_process._idle) == 1  # it refused, and lives


@pytest.mark.usefixtures("no_helpers")
def test_large_webp_is_decoded_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.webp"
    photo().save(path, lossless=True)
    expected = np.asarray(photo())
    np.testing.assert_array_equal(read_image(path), expected)
    assert _decoder_process._idle == []
    monkeypatch.setattr(_decoding, "LARGE_PIXELS", 1)
    np.testing.assert_array_equal(read_image(path), expected)
    assert len(_decoder_process._idle) == 1
    with pytest.raises(ImageReadError, match="the limit is 100"):
        read_image(path, limits=Limits(max_pixels=100))


@pytest.mark.usefixtures("no_helpers")
def test_threads_have_a_helper_each(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    photo().save(path)
    expected = read_image(path)
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.extend(read_image(path) for _ in range(5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20 and all(np.array_equal(result, expected) for result in results)
    assert 1 <= len(_decoder_process._idle) <= 4


def test_more_pixels_than_pillow_allows_are_read_where_the_user_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("L", (15_000, 12_000)).save(path)
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageReadError, match="more pixels than the limit of 89,478,485"):
        read_image(path)
    limits = Limits(max_pixels=180_000_000)
    assert read_image(path, limits=limits, min_side=448).shape == (1500, 1875, 3)
    assert Image.MAX_IMAGE_PIXELS == before


# ---- nothing of the process is changed -------------------------------------------------------


def test_nothing_stays_changed_while_an_error_is_kept(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    photo().save(good)
    bad.touch()
    features = tiny(num_workers=3, batch_size=1).fit()
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    names = {thread.name for thread in threading.enumerate()}
    with pytest.raises(ImageReadError) as kept:
        features.transform([good] * 3 + [bad] + [good] * 50)
    assert kept.value.__traceback__ is not None
    assert list(warnings.filters) == filters and limit == Image.MAX_IMAGE_PIXELS
    left = {thread.name for thread in threading.enumerate()} - names
    assert not [name for name in left if name.startswith("zeroshot-read")]


def test_what_other_threads_set_meanwhile_stays(tmp_path: Path) -> None:
    """The order that breaks who saves and restores: ours begins, theirs begins, ours ends."""
    before = list(warnings.filters)
    ours = quiet_pillow()
    ours.__enter__()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        ours.__exit__(None, None, None)
        assert warnings.filters[0][2] is ResourceWarning
    assert list(warnings.filters) == before

    ours = quiet_pillow()
    with warnings.catch_warnings():
        ours.__enter__()
    ours.__exit__(None, None, None)
    assert list(warnings.filters) == before


def test_a_user_who_turns_warnings_into_errors_still_reads(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    photo().save(path, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).shape == (96, 128, 3)
