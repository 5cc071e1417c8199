"""Helper process that decodes images of formats whose decoders are not safe enough.

A decoder of AVIF, HEIC or JPEG 2000 may run for minutes, or request gigabytes, for a file of a few
bytes, and a thread cannot be ended. A helper process is started when the first such image is read.
It decodes one image at a time, also all later ones, and is ended if it takes too long. It is a new
interpreter, not a fork, because a process forked after threads have run may hang. It exits when its
input ends, which happens whenever this process ends.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import threading
from io import BytesIO
from typing import IO, Any

import numpy as np
from PIL import Image

from zeroshot._utils._decoding import FORMATS, READ_ERRORS, Limits, decode, reads_heif, rebuilt

_BYTES_PER_PIXEL = 10  # more than a decoder needs for an image of 8 bits per channel
_LEAST_MEMORY = 2**28
_START_SECONDS = 60.0
_idle: list[Helper] = []
_idle_lock = threading.Lock()


class Helper:
    """One decoding process, used by one thread at a time."""

    def __init__(self) -> None:
        # The module search path of this process, whatever set it: -P keeps other folders out.
        path = os.pathsep.join(map(os.path.abspath, sys.path))
        environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which then ends the helper
        )
        self._ask(_START_SECONDS, {})

    def decode(self, file: IO[bytes], limits: Limits, min_side: int | None) -> np.ndarray:
        """Return the pixels of a file.

        Raises
        ------
        TimeoutError
            Decoding took too long, and the process has been ended.
        ChildProcessError
            The process died.
        one of READ_ERRORS
            What decoding raised there.
        """
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        request = {
            "size": size,
            "max_pixels": limits.max_pixels,
            "max_seconds": limits.max_seconds,
            "min_side": min_side,
        }
        answer, pixels = self._ask(limits.max_seconds, request, file)
        if pixels is None:
            raise rebuilt(answer["error"], answer["message"])
        return pixels

    def _ask(
        self, seconds: float, request: dict[str, Any], file: IO[bytes] | None = None
    ) -> tuple[dict[str, Any], np.ndarray | None]:
        process: Any = self._process
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            if file is not None:
                shutil.copyfileobj(file, process.stdin, 2**20)
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            if "shape" not in answer:
                return answer, None
            pixels = np.empty(answer["shape"], dtype=np.uint8)
            _read_into(process.stdout, pixels.data.cast("B"))
            return answer, pixels
        except (OSError, ValueError, EOFError) as error:
            self.close()
            if late.is_set():
                raise TimeoutError(f"decoding took more than {seconds:g} seconds") from error
            raise ChildProcessError(
                f"the process that decodes ended with code {process.returncode}"
            ) from error
        except BaseException:  # Ctrl-C in the midst of an answer: nothing after it can be read
            self.close()
            raise
        finally:
            timer.cancel()

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:  # what was still to be written to a process that has ended
                pass
        self._process.wait()


def decode_apart(file: IO[bytes], limits: Limits, min_side: int | None) -> np.ndarray:
    """Return the pixels of a file, decoded in a helper process; see `Helper.decode`."""
    with _idle_lock:
        helper = _idle.pop() if _idle else None
    if helper is not None and not helper.alive:
        helper.close()
        helper = None
    helper = helper or Helper()
    try:
        return helper.decode(file, limits, min_side)
    finally:
        if helper.alive:
            with _idle_lock:
                _idle.append(helper)


def close_helpers() -> None:
    """End the processes that wait for work."""
    with _idle_lock:
        helpers, _idle[:] = [*_idle], []
    for helper in helpers:
        helper.close()


def _forget_helpers() -> None:
    """Do not use the parent's helpers in a process that was forked from it."""
    global _idle_lock
    _idle_lock = threading.Lock()
    _inherited.extend(_idle)  # kept, because closing them would end the parent's helpers
    _idle.clear()


_inherited: list[Helper] = []
atexit.register(close_helpers)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)


def serve() -> None:
    """Decode files from standard input until it ends: the main function of a helper."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # printed text must not mix with the results
    Image.MAX_IMAGE_PIXELS = None  # the limit comes with each request
    Image.init()
    if reads_heif():
        from pillow_heif import register_heif_opener

        register_heif_opener()
    _answer(answers, {})
    questions.readline()
    while line := questions.readline():
        request = json.loads(line)
        content = questions.read(request["size"])
        if len(content) < request["size"]:
            return
        limits = Limits(request["max_pixels"], len(content), request["max_seconds"])
        _limit_memory(max(_LEAST_MEMORY, _BYTES_PER_PIXEL * limits.max_pixels))
        try:
            pixels = _decode(content, limits, request["min_side"])
        except READ_ERRORS as error:
            _answer(answers, {"error": type(error).__name__, "message": str(error)})
            continue
        _answer(answers, {"shape": pixels.shape}, pixels.data.cast("B"))
        del pixels, content


def _decode(content: bytes, limits: Limits, min_side: int | None) -> np.ndarray:
    # An old Pillow has no AVIF, and HEIF needs a separate package.
    formats = tuple(name for name in FORMATS if name in Image.OPEN)
    try:
        return decode(BytesIO(content), limits, min_side, formats)
    except READ_ERRORS:
        if min_side is None or content[4:8] == b"ftyp":
            raise
    # A JPEG 2000 may have fewer levels of detail than requested to be left out.
    return decode(BytesIO(content), limits, None, formats)


def _answer(answers: IO[bytes], answer: dict[str, Any], pixels: Any = b"") -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.write(pixels)
    answers.flush()


def _limit_memory(n_bytes: int) -> None:
    """Limit the additional memory of this process, in bytes, if the system supports it."""
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    soft = held + n_bytes
    resource.setrlimit(resource.RLIMIT_AS, (soft if most < 0 else min(soft, most), most))


def _read_into(pipe: IO[bytes], view: memoryview) -> None:
    while view:
        n_read = pipe.readinto(view)  # type: ignore[attr-defined]
        if not n_read:
            raise EOFError("the process that decodes ended within an answer")
        view = view[n_read:]
