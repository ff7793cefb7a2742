"""Variables of calls: from JSON, from files, from --authorize, and where they go."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.server import variables
from audiosocket_cli.server.variables import MAX_BYTES, MAX_VARIABLES, VariableFiles, Variables, parse_variables
from support.peers import connected, opening, read_to_end
from support.running import Serve, Serving, run

CALL, OPENING = opening()
RULE = (
    "(a name has up to 100 of A-Z, a-z, 0-9 and _; a value is text, a number or a boolean; there are at most 100 "
    "variables)"
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        (" \n", {}),
        ("{}", {}),
        ('{"name": "Anne", "_N1": ""}', {"name": "Anne", "_N1": ""}),
        ('{"n": 12, "x": 1.50, "e": 1e9, "big": 123456789012345678901234567890}',
         {"n": "12", "x": "1.50", "e": "1e9", "big": "123456789012345678901234567890"}),
        ('{"yes": true, "no": false}', {"yes": "true", "no": "false"}),
        ('{"city": "K\u00f6ln \\ud83d\\ude00", "lines": "a\\nb"}',
         {"city": "K\u00f6ln \U0001f600", "lines": "a\nb"}),
        ('{"a": 1, "a": 2}', {"a": "2"}),
    ],
)  # fmt: skip
def test_an_object_of_text_numbers_and_booleans_is_taken_as_it_is_written(text: str, values: dict[str, str]) -> None:
    assert parse_variables(text.encode(), "it") == Variables(values)


@pytest.mark.parametrize(
    "text", ["x", "[]", '"name"', "7", '{"a": 1} {"b": 2}', '{"a": NaN}', '{"a":', "[" * 100_000, "allowed\n", "\x00"]
)
def test_what_is_not_one_object_gives_no_variables_and_says_so(text: str) -> None:
    values, (remark,) = parse_variables(text.encode(), "the file")
    assert values == {}
    assert remark in (
        'the call has no variables: the file is not one JSON object: write {"name": "value"}',
        f"the call has no variables: the file has more than {MAX_BYTES} bytes",
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"good": 1, "bad name": 1}', "'bad name'"),
        ('{"good": 1, "": 1}', "''"),
        ('{"good": 1, "1st": 1}', "'1st'"),
        ('{"good": 1, "na\u00efve": 1}', "'na\u00efve'"),
        ('{"good": 1, "a=b": 1}', "'a=b'"),
        ('{"good": 1, "nothing": null}', "'nothing'"),
        ('{"good": 1, "list": [1], "object": {}}', "'list', 'object'"),
        ('{"good": 1, "nul": "a\\u0000b"}', "'nul'"),
        ('{"good": 1, "half": "\\ud83d"}', "'half'"),
        ('{"good": 1, "a-": 1, "b-": 1, "c-": 1, "d-": 1, "e-": 1, "f-": 1, "g-": 1}',
         "'a-', 'b-', 'c-', 'd-', 'e-' and 2 more"),
        ('{"good": 1, "' + "x" * 101 + '": 1}', "'" + "x" * 100 + "'"),
    ],
)  # fmt: skip
def test_what_no_environment_can_hold_is_left_out_and_named(text: str, named: str) -> None:
    values, remarks = parse_variables(text.encode(), "it")
    assert values == {"good": "1"}
    assert remarks == (f"variables of it are left out: {named} {RULE}",)


def test_there_are_a_hundred_at_most_and_64_kib() -> None:
    many = {f"n{number}": number for number in range(MAX_VARIABLES + 3)}
    values, (remark,) = parse_variables(json.dumps(many).encode(), "it")
    assert len(values) == MAX_VARIABLES
    assert "left out: 'n100', 'n101', 'n102' (" in remark
    most = json.dumps({"a": "x" * (MAX_BYTES - 9)}).encode()
    assert len(most) == MAX_BYTES
    assert parse_variables(most, "it").remarks == ()
    for too_much in (most + b" ", b" " * (MAX_BYTES + 1)):
        assert parse_variables(too_much, "it").remarks[0].endswith(f" has more than {MAX_BYTES} bytes")


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_is_written_there_gives_values_that_a_program_can_get(data: bytes) -> None:
    values, remarks = parse_variables(data, "it")
    assert len(remarks) <= 1
    for name, value in values.items():
        assert os.fsencode(f"{name}={value}").count(b"\0") == 0


# Files.


def read(folder: Path, call: str = CALL) -> Variables:
    async def main() -> Variables:
        return await VariableFiles(folder).read(UUID(call))

    return asyncio.run(main())


def test_a_file_named_after_the_uuid_is_read_and_none_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / f"{CALL}.json").write_text('{"a": "b"}')
    assert read(tmp_path) == Variables({"a": "b"})
    assert read(tmp_path, opening(2)[0]) == Variables({})


def test_what_is_not_a_file_or_not_readable_is_remarked_and_waited_for_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / f"{CALL}.json"
    os.mkfifo(path)  # who waited for a writer would remark how long
    assert read(tmp_path).remarks == (f"the call has no variables: {path} is not a file",)
    path.unlink()
    path.mkdir()
    assert read(tmp_path).remarks == (f"the call has no variables: {path} is not a file",)
    path.rmdir()
    path.symlink_to(path)
    assert read(tmp_path).remarks == (
        f"the call has no variables: cannot read {path}: too many levels of symbolic links",
    )
    path.unlink()
    path.write_bytes(bytes(10 * MAX_BYTES))
    assert read(tmp_path).remarks[0].endswith(f" has more than {MAX_BYTES} bytes")


def test_a_disk_that_hangs_costs_calls_their_variables_and_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing here can make a disk hang: what reads it stands still instead."""
    mended = threading.Event()
    monkeypatch.setattr(variables, "_read", lambda path: mended.wait(60))
    monkeypatch.setattr(variables, "READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(variables, "_MAX_WAITING", 3)

    async def main() -> list[Variables]:
        files = VariableFiles(tmp_path)
        return await asyncio.gather(*(files.read(UUID(CALL)) for _ in range(5)))

    begun_s = time.monotonic()
    found = asyncio.run(main())
    assert time.monotonic() - begun_s < 30
    mended.set()
    path = tmp_path / f"{CALL}.json"
    assert [each.remarks[0] for each in found] == [
        *[f"the call has no variables: reading {path} takes over 0.2 s"] * 3,
        *[f"the call has no variables: {path} waits for 3 others to be read"] * 2,
    ]


# Of calls.


def script(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def call(serving: Serving, number: int = 1) -> None:
    with connected(serving, opening(number)[1]) as peer:
        read_to_end(peer)


def test_the_bot_the_json_and_the_command_after_the_call_get_what_file_and_authorizer_tell(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / f"{CALL}.json").write_text('{"name": "Anne", "tier": "none", "Case": 1}')
    script(tmp_path, "ask", """echo '{"tier": "gold", "zip": 00501}' | sed 's/00501/"00501"/'""")
    script(tmp_path, "bot", "env | grep ^AUDIOSOCKET_VAR_ | sort > bot-got")
    script(tmp_path, "after", "env | grep -e ^AUDIOSOCKET_VAR_ -e ^AUDIOSOCKET_RESULT= | sort > after-got")
    serving = serve(
        "--variables", "known", "--authorize", "./ask", "--on-call-end", "./after", "--record", "calls",
        "--calls", "1", "--exec", "./bot",
    )  # fmt: skip
    call(serving)
    code, _, err = serving.end(0)
    assert (code, err) == (0, "answered 1 call with 0.0 s of caller audio\n")
    told = {"Case": "1", "name": "Anne", "tier": "gold", "zip": "00501"}
    lines = [f"AUDIOSOCKET_VAR_{name}={value}" for name, value in told.items()]
    assert (tmp_path / "bot-got").read_text().splitlines() == lines
    assert (tmp_path / "after-got").read_text().splitlines() == ["AUDIOSOCKET_RESULT=", *lines]
    path = tmp_path / "calls" / f"{CALL}.json"
    assert json.loads(path.read_text())["variables"] == told
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_variables_the_json_has_no_word_of_them(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    serving = serve("--variables", "known", "--json", "--calls", "1", "--exec", "true")
    call(serving)
    assert not {"variables", "result"} & serving.wait_for_end(CALL).keys()


@pytest.mark.parametrize(
    ("ask", "finding"),
    [
        ("echo allowed", "what --authorize printed is not one JSON object"),
        ("yes", "what --authorize printed has more than 65536 bytes"),
        ("""echo '{"a b": 1}'""", "variables of what --authorize printed are left out: 'a b'"),
    ],
)
def test_an_authorizer_that_prints_something_else_lets_the_caller_in_all_the_same(
    serve: Serve, tmp_path: Path, ask: str, finding: str
) -> None:
    script(tmp_path, "ask", f"{ask} | head -c 100000")
    serving = serve("--authorize", "./ask", "--json", "--calls", "1", "--exec", "true")
    call(serving)
    (found,) = serving.wait_for_end(CALL)["findings"]
    assert finding in found


def test_a_refused_caller_has_no_file_read_and_a_broken_file_refuses_nobody(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / f"{CALL}.json").write_text("{")
    script(tmp_path, "ask", 'test -e admitted && echo "{}"')
    serving = serve("--variables", "known", "--authorize", "./ask", "--exec", "true")
    call(serving)
    assert "is not authorized" in serving.wait_for("refused")
    (tmp_path / "admitted").touch()
    call(serving)
    assert f"known/{CALL}.json is not one JSON object" in serving.wait_for("finding")
    serving.wait_for("ended by")


def test_a_folder_that_is_not_there_is_told_before_anything_listens(tmp_path: Path) -> None:
    done = run("serve", "--listen", "127.0.0.1:0", "--variables", tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr == (
        f"audiosocket: error: cannot read variables from {tmp_path}/nowhere: there is no such folder; make it, or name "
        "another for --variables\n"
    )
    (tmp_path / "file").touch()
    done = run("serve", "--listen", "127.0.0.1:0", "--variables", tmp_path / "file")
    assert done.stderr.endswith("file: it is not a folder; name another for --variables\n")
