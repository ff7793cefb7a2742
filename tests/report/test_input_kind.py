"""What an input is shows in its content: each kind is recognised, and all else is said in one line."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.report.input_kind import MAX_JSON_BYTES, InputKind, look_at
from support.captured import a_normal_call, write_lines
from support.packets import OPENING, audio
from support.reported import write_call


def test_each_kind_by_content_under_any_name(tmp_path: Path) -> None:
    wav, call = write_call(tmp_path)
    lines = write_lines(tmp_path / "lines", a_normal_call())
    packed = tmp_path / "packed.wav"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    pcap = tmp_path / "pcap.wav"
    pcap.write_bytes(b"\xd4\xc3\xb2\xa1" + bytes(40))
    found = {path: look_at(path.rename(path.with_suffix(".txt"))).kind for path in (wav, call, lines)}
    assert found == {wav: InputKind.RECORDING, call: InputKind.CALL, lines: InputKind.CAPTURE}
    assert look_at(tmp_path).kind is InputKind.FOLDER
    assert {look_at(path).kind for path in (packed, pcap)} == {InputKind.CAPTURE}


def test_a_suffix_tells_only_what_the_content_does_not(tmp_path: Path) -> None:
    frames, law, packed = tmp_path / "call.raw", tmp_path / "prompt.al", tmp_path / "prompt.wv"
    frames.write_bytes(OPENING + b"".join(map(audio, range(20))))
    law.write_bytes(b"{" + bytes(range(255)))
    packed.write_bytes(b"wvpk" + bytes(40))
    kinds = [look_at(path).kind for path in (frames, law, packed)]
    assert kinds == [InputKind.CAPTURE, InputKind.RECORDING, InputKind.RECORDING]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ("audiosocket.bench/1", InputKind.BENCH),
        ("audiosocket.check/1", InputKind.CHECK),
        ("audiosocket.dump/1", InputKind.CALL),
    ],
)
def test_results_by_their_schema(tmp_path: Path, schema: str, kind: InputKind) -> None:
    path = tmp_path / "result"
    path.write_text("\ufeff\n" + json.dumps({"schema": schema}, indent=2))
    assert look_at(path).kind is kind


@pytest.mark.parametrize(
    "line",
    [
        {"event": "no-call", "at": None, "caller": "a:1", "server": "b:2", "reason": "closed at once"},
        {"digit": "5"},
        {"side": "server", "payload": "AAA="},
    ],
    ids=["no-call", "digit", "payload"],
)
@pytest.mark.parametrize("count", [1, 120])
def test_lines_of_a_capture_by_any_line_of_it(tmp_path: Path, line: dict[str, object], count: int) -> None:
    path = tmp_path / "lines"
    path.write_text(f"{json.dumps(line)}\n" * count)
    assert look_at(path).kind is InputKind.CAPTURE


def test_a_result_of_one_call_is_that_call(tmp_path: Path) -> None:
    path = tmp_path / "ended.json"
    call = {"schema": "audiosocket.call/1", "uuid": "1"}
    path.write_text(json.dumps({"schema": "audiosocket.event/1", "event": "ended", "call": call}))
    assert look_at(path) == (path, InputKind.CALL, call)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "cannot read X: it is empty"),
        (
            b'{"schema": "audiosocket.call/1", "uuid":',
            "X: it is broken JSON (expecting value at line 1), or none; a page",
        ),
        (b'{"schema": "audio', "X: it is broken JSON (unterminated string starting at line 1), or none"),
        (b"[1, 2]", "X: it is broken JSON (it is not an object), or none; a page"),
        (b"[" * 100_000, "X: it is broken JSON (it is nested too deeply), or none; a page"),
        (b'{"schema": "audiosocket.play/1"}', "X is JSON with the schema 'audiosocket.play/1': a page can be made of"),
        (b'{"a": 1}', "X is JSON without a schema of ours: a page can be made of a recording, the JSON of a call"),
        (b'{"schema": ["audiosocket.call/1"]}', "X is JSON with the schema ['audiosocket.call/1']: a page"),
        (2 * b'{"schema": "audiosocket.dump/1"}\n', "X has several lines of JSON, such as of audiosocket.dump/1"),
    ],
    ids=["empty", "broken", "cut", "list", "deep", "other", "foreign", "odd", "lines"],
)
def test_what_makes_no_page_is_said_in_one_line(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "input"
    path.write_bytes(content)
    with pytest.raises((FileError, UsageError)) as error:
        look_at(path)
    assert what in str(error.value).replace(str(path), "X")
    assert str(error.value).isprintable()


def test_json_that_is_too_long_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "call.json"
    with path.open("wb") as file:
        file.write(b'{"schema": "audiosocket.call/1", "x": "')
        file.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(FileError, match="it is JSON of more than 64 MB"):
        look_at(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file or directory"):
        look_at(tmp_path / "nothing")


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        look_at(tmp_path / "pipe")
