"""A report as JSON, which is a baseline of the next."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import audiosocket_cli.check.results
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.results import STDIN, read_baseline, read_report, report_json
from audiosocket_cli.errors import FileError
from support.checked import FAIL, MUST_ID, PASS, SHOULD_ID, SKIP, UNKNOWN, report, result


def test_a_result_says_all_and_is_a_baseline(tmp_path: Path) -> None:
    failure = result(MUST_ID, PASS, FAIL, observed="heard 1 of the 10", evidence=["0.000 s  caller"], log=["oops"])
    others = [result(SHOULD_ID, FAIL), result("uuid/late", PASS), result("frame/largest", SKIP),
              result("frame/split-header", UNKNOWN)]  # fmt: skip
    content = report_json(report([failure, *others], notes=["it died"]), Nature(echoes=True))
    assert content["schema"] == "audiosocket.check/1"
    assert (content["passed"], content["failed"]) == (False, [MUST_ID])
    assert content["counts"] == {"pass": 1, "fail": 2, "skip": 1, "unknown": 1}
    assert content["server"]["echoes"] is True
    first = content["cases"][0]
    assert (first["id"], first["level"], first["verdict"]) == (MUST_ID, "MUST", "fail")
    assert [attempt["verdict"] for attempt in first["attempts"]] == ["pass", "fail"]
    assert (first["finding"], content["cases"][1]["finding"]) == (None, "audio-slow")
    assert first["attempts"][1]["evidence"] == ["0.000 s  caller"]
    path = tmp_path / "known.json"
    path.write_text(json.dumps(content))
    assert read_baseline(path) == {MUST_ID, SHOULD_ID}


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_report_that_is_read_says_the_same(tmp_path: Path) -> None:
    failure = result(MUST_ID, PASS, FAIL, evidence=["0.000 s  caller"], log=["oops"], capture=Path("seen/x.pcapng"))
    whole = report([failure, result(SHOULD_ID, FAIL), result("uuid/late", PASS)], notes=["it died"], name="bot",
                   known=frozenset([SHOULD_ID]), command=["node", "{port}"], options=["--uuid", "x"], strict=True,
                   signal=15)  # fmt: skip
    nature = Nature(echoes=True, delay_s=0.001)
    content = report_json(whole, nature)
    read = read_report(written(tmp_path / "kept.json", content))
    assert report_json(read, nature) == content
    assert read.nature == str(nature)
    assert read.options == ["--uuid", "x"]
    assert read.results[0].case.shown_by_replay == failure.case.shown_by_replay
    assert [result.case.id for result in read.counting] == [MUST_ID]


def test_a_report_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    content = report_json(report([result(MUST_ID, FAIL)]), Nature())
    for key in ("name", "command", "options"):
        del content[key]
    del content["cases"][0]["shown_by_replay"], content["cases"][0]["finding"]
    del content["cases"][0]["attempts"][0]["measured_s"]
    assert read_report(written(tmp_path / "kept.json", content)).title == "127.0.0.1:9092"


@pytest.mark.parametrize(
    ("place", "value"),
    [(["target"], 3), (["asterisk"], "new"), (["asterisk"], None), (["server"], []), (["cases"], 3),
     (["cases", 0, "level"], "MAY"), (["cases", 0, "attempts"], []), (["cases", 0, "id"], ["x"]),
     (["cases", 0, "attempts", 0, "verdict"], "good"), (["cases", 0, "attempts", 0, "log"], [1]),
     (["cases", 0, "attempts", 0, "elapsed_s"], "long"), (["notes"], None), (["elapsed_s"], {}),
     (["known"], [[]]), (["signal"], "TERM"), (["name"], 4)],
    ids=str,
)  # fmt: skip
def test_what_is_not_as_check_writes_it_is_an_error(tmp_path: Path, place: list[Any], value: object) -> None:
    content = report_json(report([result(MUST_ID, FAIL, log=["oops"])]), Nature())
    inner: Any = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(FileError, match=r"kept.json is not a result of check --json"):
        read_report(written(tmp_path / "kept.json", content))


@pytest.mark.parametrize("read", [read_baseline, read_report], ids=lambda each: each.__name__)
@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "1", '"x"', "{}", '{"schema": "audiosocket.bench/1"}', '{"schema": "audiosocket.check/1"}',
     '{"schema": "audiosocket.check/1", "cases": [{}]}',
     '{"schema": "audiosocket.check/1", "cases": [{"id": 1, "verdict": "fail"}, {"id": "a", "verdict": "fail"}]}',
     '{"schema": "audiosocket.check/1", "cases": 3}', "\x00",
     "[" * 100_000],
    ids=lambda content: content[:20],
)  # fmt: skip
def test_what_is_no_result_is_an_error(tmp_path: Path, content: str, read: Callable[[Path], object]) -> None:
    path = tmp_path / "known.json"
    path.write_text(content)
    with pytest.raises(FileError, match=r"known.json is not a result of check --json"):
        read(path)


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_baseline(tmp_path / "nothing.json")
    with pytest.raises(FileError, match="is a directory"):
        read_baseline(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not a result"):
        read_baseline(tmp_path / "binary")


def test_what_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audiosocket_cli.check.results, "_MAX_BYTES", 1000)
    with pytest.raises(FileError, match="cannot read /dev/zero: it is longer than 1,000 bytes"):
        read_baseline(Path("/dev/zero"))
    with open("/dev/zero") as endless, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", endless)
        with pytest.raises(FileError, match="cannot read standard input: it is longer than 1,000 bytes"):
            read_report(STDIN)
