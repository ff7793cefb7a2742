"""A call's JSON from a file that anybody may have written: one call, or why there is none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from audiosocket_cli.calls_index.call_json import MAX_BYTES, read_call
from support.many_calls import START, call_of

HOSTILE = {
    "empty": b"",
    "blank": b" \n",
    "cut short": b'{"schema": "audiosocket.call/1", "uuid',
    "binary": bytes(range(256)) * 20,
    "not UTF-8": b'{"schema": "audiosocket.call/1", "peer": "\xff\xfe\xfd"}',
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "huge number": b'{"schema": "audiosocket.call/1", "duration_s": ' + b"9" * 10_000 + b"}",
    "a list": b"[1, 2]",
    "null": b"null",
    "a bench": b'{"schema": "audiosocket.bench/1"}',
    "no schema": b'{"uuid": "x"}',
}


def test_a_call_is_read(tmp_path: Path) -> None:
    call = call_of(3, START)
    (tmp_path / "a.json").write_text(json.dumps(call))
    assert read_call(str(tmp_path / "a.json")) == (call, None)
    assert read_call(os.fsencode(tmp_path / "a.json")).call == call


def test_nan_and_infinity_are_read_for_the_row_to_leave_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"schema": "audiosocket.call/1", "duration_s": NaN, "x": [Infinity, -Infinity]}')
    assert read_call(str(tmp_path / "a.json")).problem is None


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_holds_no_call_is_said_in_a_few_words(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    call, problem = read_call(str(tmp_path / "a.json"))
    assert call is None
    assert problem is not None
    assert len(problem) < 60


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "longer than the 6 MB" in (read_call(str(tmp_path / "a.json")).problem or "")


def test_links_pipes_and_folders_are_not_read_nor_waited_for(tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text(json.dumps(call_of(1, START)))
    (tmp_path / "link.json").symlink_to("there.json")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("link", "pipe", "folder", "missing"):
        assert read_call(str(tmp_path / f"{name}.json")).call is None
