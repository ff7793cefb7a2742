"""A report as JSON, which is a baseline of the next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.results import read_baseline, report_json
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
    assert first["attempts"][1]["evidence"] == ["0.000 s  caller"]
    path = tmp_path / "known.json"
    path.write_text(json.dumps(content))
    assert read_baseline(path) == {MUST_ID, SHOULD_ID}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "1", '"x"', "{}", '{"schema": "audiosocket.bench/1"}', '{"schema": "audiosocket.check/1"}',
     '{"schema": "audiosocket.check/1", "cases": [{}]}', '{"schema": "audiosocket.check/1", "cases": 3}', "\x00"],
)  # fmt: skip
def test_what_is_no_result_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "known.json"
    path.write_text(content)
    with pytest.raises(FileError, match=r"known.json is not a result of check --json"):
        read_baseline(path)


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_baseline(tmp_path / "nothing.json")
    with pytest.raises(FileError, match="is a directory"):
        read_baseline(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not a result"):
        read_baseline(tmp_path / "binary")
