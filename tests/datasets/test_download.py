from __future__ import annotations

import hashlib
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from zeroshot.datasets import _fetch
from zeroshot.datasets._fetch import fetch
from zeroshot.exceptions import DownloadError, IntegrityError, ZeroShotError

CONTENT = np.random.default_rng(0).bytes(1_000_003)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """A web server with one file, and the misbehaviour that a test asks for."""

    daemon_threads = True
    content = CONTENT
    knows_ranges = True
    cut_after: int | None = None  # bytes of the body after which the connection is closed
    says_length = True
    shift = 0  # answer a range request from this many bytes later
    status: int | None = None
    location: str | None = None
    is_endless = False  # announce a length, and send chunks without end

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        if server.status is not None:
            self.send_response(server.status)
            if server.location:
                self.send_header("Location", server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if server.is_endless:
            self.send_response(200)
            self.send_header("Content-Length", str(len(server.content)))
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            except OSError:  # the client has gone
                self.close_connection = True
            return
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if not server.knows_ranges:
            begin = 0
        if begin and begin >= len(server.content):
            self.send_error(416)
            return
        begin += server.shift if begin else 0
        body = server.content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            end = len(server.content)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{end}")
        if server.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut_after])


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server: Server, target: Path, *, sha256: str = SHA256) -> Path:
    most = 2 * len(CONTENT)
    return fetch(server.url, target, sha256=sha256, max_bytes=most, timeout=10, progress=False)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_into_a_new_folder_and_nothing_else_stays(
    server: Server, tmp_path: Path
) -> None:
    target = tmp_path / "deep" / "data" / "file.bin"
    assert get(server, target) == target
    assert target.read_bytes() == CONTENT
    assert files(target.parent) == ["file.bin"]
    assert server.ranges == [None]


def test_an_interrupted_download_resumes_where_it_stopped(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    server.cut_after = 400_000
    with pytest.raises(DownloadError, match=r"400,000 of 1,000,003 bytes.*are kept") as caught:
        get(server, target)
    assert files(tmp_path) == ["file.bin.part"]
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:400_000]
    for part in (server.url, str(tmp_path), "by hand as file.bin", "ZEROSHOT_DATA"):
        assert part in str(caught.value)

    server.cut_after = None
    get(server, target)
    assert server.ranges == [None, "bytes=400000-"]
    assert target.read_bytes() == CONTENT
    assert files(tmp_path) == ["file.bin"]


def test_a_download_may_be_interrupted_many_times(server: Server, tmp_path: Path) -> None:
    server.cut_after = 300_000
    for _ in range(3):
        with pytest.raises(DownloadError):
            get(server, tmp_path / "file.bin")
    assert get(server, tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_a_server_without_ranges_is_asked_from_the_beginning(
    server: Server, tmp_path: Path
) -> None:
    server.knows_ranges = False
    (tmp_path / "file.bin.part").write_bytes(b"of another version" * 1000)
    assert get(server, tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges == ["bytes=18000-"]


def test_a_part_that_is_whole_already_is_put_in_place(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert get(server, tmp_path / "file.bin").read_bytes() == CONTENT
    assert files(tmp_path) == ["file.bin"]
    assert len(server.ranges) == 1


def test_a_part_that_is_too_long_is_begun_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000007-", None]


def test_a_range_that_was_not_asked_for_is_not_appended(server: Server, tmp_path: Path) -> None:
    server.shift = 7
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:100])
    with pytest.raises(DownloadError, match="from 107 where 100 was asked"):
        get(server, tmp_path / "file.bin")
    assert files(tmp_path) == []
    assert get(server, tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_body_without_a_length_is_judged_by_its_sum(server: Server, tmp_path: Path) -> None:
    server.says_length = False
    assert get(server, tmp_path / "file.bin").read_bytes() == CONTENT
    server.cut_after = 10
    with pytest.raises(IntegrityError):
        get(server, tmp_path / "cut.bin")


def test_a_wrong_sum_is_an_error_that_gives_both_and_removes_the_part(
    server: Server, tmp_path: Path
) -> None:
    server.content = CONTENT[:-1] + b"!"
    found = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(IntegrityError) as caught:
        get(server, tmp_path / "file.bin")
    assert found in str(caught.value)
    assert SHA256 in str(caught.value)
    assert str(tmp_path / "file.bin") in str(caught.value)
    assert files(tmp_path) == []


def test_a_stale_part_spoils_one_download_and_not_the_next(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"of another version")
    with pytest.raises(IntegrityError):
        get(server, tmp_path / "file.bin")
    assert get(server, tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_file_in_place_is_left_alone_by_a_failure(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    server.cut_after = 5
    with pytest.raises(DownloadError):
        get(server, target)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_is_named_and_leaves_nothing(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=f"{status}.*by hand") as caught:
        get(server, tmp_path / "file.bin")
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, ZeroShotError)
    assert files(tmp_path) == []


def test_an_unreachable_server_is_a_download_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file.bin"
    with pytest.raises(DownloadError, match="ZEROSHOT_DATA"):
        fetch(url, tmp_path / "file.bin", sha256=SHA256, max_bytes=9, timeout=5, progress=False)
    assert files(tmp_path) == []


def test_a_silent_server_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file.bin"
        with pytest.raises(DownloadError, match="timed out"):
            fetch(url, tmp_path / "x", sha256=SHA256, max_bytes=9, timeout=0.2, progress=False)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "data:,a", "a.zip"])
def test_only_http_is_spoken(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="http:// or https://"):
        fetch(url, tmp_path / "a", sha256=SHA256, max_bytes=9)


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/a"])
def test_a_redirection_cannot_leave_http(server: Server, tmp_path: Path, location: str) -> None:
    server.status, server.location = 302, location
    with pytest.raises(DownloadError):
        get(server, tmp_path / "file.bin")
    assert files(tmp_path) == []


def test_a_redirection_within_what_is_private_is_followed(server: Server, tmp_path: Path) -> None:
    server.status, server.location = 302, server.url
    with pytest.raises(DownloadError, match="infinite loop"):
        get(server, tmp_path / "file.bin")
    assert len(server.ranges) > 1


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/a", "http://localhost:1/a"])
def test_a_redirection_from_a_public_address_to_a_private_one_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    is_private = _fetch.is_private
    monkeypatch.setattr(_fetch, "is_private", lambda url: url != server.url and is_private(url))
    server.status, server.location = 302, location
    with pytest.raises(DownloadError, match=f"redirects to {location}, an address that is not pub"):
        get(server, tmp_path / "file.bin")
    assert len(server.ranges) == 1


@pytest.mark.parametrize(
    ("addresses", "private"),
    [
        (["192.0.32.8"], False),
        (["192.0.32.8", "10.0.0.1"], True),
        (["169.254.169.254"], True),
        (["100.64.0.1"], True),
        (["2001:500:88:200::8"], False),
        (["::1"], True),
        (["::ffff:127.0.0.1"], True),
        (["fe80::1%eth0"], True),
        ([], False),
    ],
)
def test_an_address_is_public_where_all_numbers_of_its_name_are(
    addresses: list[str], private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(host: str, *args: object, **options: object) -> list:
        if not addresses:
            raise socket.gaierror("unknown here, as behind a proxy")
        return [(0, 0, 0, "", (address, 80)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    assert _fetch.is_private("https://files.example.org/a") == private
    assert not addresses or _fetch.is_private("https://a.org@files.example.org:8/a") == private
    if not addresses:
        assert _fetch.is_private("https://localhost/a") and _fetch.is_private("https://a.local/a")


def test_a_redirection_cannot_leave_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fetch, "is_private", lambda url: False)
    redirects = _fetch._CheckedRedirects()
    asked = urllib.request.Request("https://files.example.org/a")
    with pytest.raises(OSError, match="redirects from https to http://files.example.org/a"):
        redirects.redirect_request(asked, None, 302, "", {}, "http://files.example.org/a")
    moved = redirects.redirect_request(asked, None, 302, "", {}, "https://other.example.org/a")
    assert moved is not None and moved.full_url == "https://other.example.org/a"


def test_a_body_longer_than_announced_is_cut_at_once(server: Server, tmp_path: Path) -> None:
    server.is_endless = True
    with pytest.raises(DownloadError, match="the server sent more than 1,000,003 bytes"):
        get(server, tmp_path / "file.bin")
    assert files(tmp_path) == []


@pytest.mark.parametrize("says_length", [True, False])
def test_a_body_longer_than_the_file_can_be_is_not_taken(
    server: Server, tmp_path: Path, says_length: bool
) -> None:
    server.says_length = says_length
    with pytest.raises(DownloadError, match=r"(announced 1,000,003|sent more than 500,000) bytes"):
        fetch(server.url, tmp_path / "a", sha256=SHA256, max_bytes=500_000, progress=False)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_a_download_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="ZEROSHOT_DATA"):
        get(server, tmp_path / "file" / "file.bin")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no lock to test")
def test_two_processes_do_not_write_the_same_part(server: Server, tmp_path: Path) -> None:
    import fcntl

    part = tmp_path / "file.bin.part"
    with open(part, "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(CONTENT[:10])
        other.flush()
        with pytest.raises(DownloadError, match="another process"):
            get(server, tmp_path / "file.bin")
        assert server.ranges == []
    assert part.read_bytes() == CONTENT[:10]
    assert get(server, tmp_path / "file.bin").read_bytes() == CONTENT


def test_progress_is_shown_on_stderr_alone(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(server.url, tmp_path / "file.bin", sha256=SHA256, max_bytes=2 * len(CONTENT))
    out, err = capsys.readouterr()
    assert out == ""
    assert "file.bin" in err
    assert "100%" in err


def test_the_network_is_off() -> None:
    with socket.socket() as connection, pytest.raises(RuntimeError, match="without a network"):
        connection.connect(("192.0.2.1", 80))
