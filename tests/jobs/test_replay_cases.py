"""Which calls of which captures are replayed, and what is expected of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from audiosocket_cli.errors import FileError, NothingError, UsageError
from audiosocket_cli.jobs.replay import SAME
from audiosocket_cli.jobs.replay_cases import find_cases
from support.captured import UUID_1, UUID_2, a_normal_call, write_lines
from support.nobody import as_nobody
from support.replayed import replay_wanted

WANTED = replay_wanted(expect=SAME)


def capture(path: Path, *uuids: UUID) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_lines(path, [item for uuid in uuids or [UUID_1] for item in a_normal_call(1.0, uuid)])


def test_all_captures_of_a_folder_and_of_those_in_it_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("b.jsonl", "a.jsonl", "inner/c.jsonl", ".hidden.jsonl"):
        capture(tmp_path / "calls" / name)
    (tmp_path / "calls" / "a.wav").touch()
    (tmp_path / "calls" / "a.expect.toml").write_text('tolerance = "1s"\ncompare = ["end"]')
    cases = find_cases(WANTED, [str(tmp_path / "calls")])
    assert [case.name for case in cases] == [
        str(tmp_path / "calls" / name) for name in ("a.jsonl", "b.jsonl", "inner/c.jsonl")
    ]
    assert [case.wanted.tolerance for case in cases] == [1.0, 0.2, 0.2]
    assert cases[0].wanted.compare == {"end"}
    assert all(case.old is not None and case.old.stretches for case in cases)
    assert "left out 1 file: captures end in .pcapng" in capsys.readouterr().err


def test_each_call_of_a_capture_is_one(tmp_path: Path) -> None:
    path = capture(tmp_path / "two.jsonl", UUID_1, UUID_2)
    assert [(case.name, case.wanted.call) for case in find_cases(WANTED, [str(path)])] == [
        (f"{path} {str(uuid)[:8]}", str(uuid)) for uuid in (UUID_1, UUID_2)
    ]
    (only,) = find_cases(replace(WANTED, call="2222"), [str(path)])
    assert only.script.uuid == UUID_2
    path.with_name("two.expect.toml").write_text('call = "2222"')
    (only,) = find_cases(WANTED, [str(path)])
    assert (only.name, only.script.uuid) == (str(path), UUID_2)


@pytest.mark.parametrize("last", ['{"expect": "audio", "within_ms": 100}', '{"silence_ms": 100}', ""])
def test_a_script_says_itself_what_it_expects_also_where_that_is_nothing(tmp_path: Path, last: str) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text('{"silence_ms": 20}\n{"digit": "1"}\n' + last)
    (case,) = find_cases(WANTED, [str(path)])
    assert case.old is None


def test_the_answers_of_another_folder_are_expected(tmp_path: Path) -> None:
    capture(tmp_path / "calls" / "inner" / "a.jsonl")
    capture(tmp_path / "old" / "inner" / "a.jsonl")
    (case,) = find_cases(replace(WANTED, expect=tmp_path / "old"), [str(tmp_path / "calls")])
    assert case.wanted.expect == tmp_path / "old" / "inner" / "a.jsonl"
    capture(tmp_path / "calls" / "b.jsonl")
    with pytest.raises(FileError, match=r"cannot read .*old/b\.jsonl: no such file"):
        find_cases(replace(WANTED, expect=tmp_path / "old"), [str(tmp_path / "calls")])


@pytest.mark.parametrize("mode", [0o000, 0o644], ids=["not listed", "listed only"])
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    monkeypatch.chdir(tmp_path)
    capture(Path("calls/good.jsonl"))
    secret = capture(Path("calls/secret/b.jsonl")).parent
    secret.chmod(mode)
    with as_nobody(tmp_path, Path("calls")), pytest.raises(FileError, match=r"cannot read calls/secret.*: permission"):
        find_cases(WANTED, ["calls"])
    secret.chmod(0o755)


def test_what_cannot_be_is_an_error(tmp_path: Path) -> None:
    path = capture(tmp_path / "calls" / "a.jsonl")
    other = capture(tmp_path / "calls" / "b.jsonl")
    with pytest.raises(UsageError, match="is one file for 2 captures"):
        find_cases(replace(WANTED, expect=path), [str(path), str(other)])
    with pytest.raises(UsageError, match="standard input"):
        find_cases(WANTED, ["-"])
    with pytest.raises(FileError, match=r"cannot read nothing\.pcapng: no such file"):
        find_cases(WANTED, ["nothing.pcapng"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingError, match=r"there are no captures in .*empty: they end in \.pcapng"):
        find_cases(WANTED, [str(tmp_path / "empty")])
    (tmp_path / "calls" / "c.expect.toml").touch()
    with pytest.raises(FileError, match=r"c\.expect\.toml has no capture of that name beside it"):
        find_cases(WANTED, [str(tmp_path / "calls")])
