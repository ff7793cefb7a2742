"""Lengths of time, sizes and counts: one way to write them for every option, and one line for what is none."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.errors import UsageError
from audiosocket_cli.quantities import MAX_DURATION_S, parse_duration, parse_size
from support.running import run

READ = {
    "30": 30, "30s": 30, "500ms": 0.5, "5m": 300, "1h": 3600, "1.5h": 5400, "1h30m": 5400, "1m30s": 90, "1d": 86400,
    "1h0.5s": 3600.5, ".5": 0.5, "5.": 5, "1e2": 100, " 12 ": 12, "+3": 3, "366d": MAX_DURATION_S,
}  # fmt: skip

REFUSED = ["", " ", "nan", "inf", "-inf", "1e308", "9" * 400, "-1", "-1s", "x", "5 m m", "1 day", "30m1h", "1h1h",
           "1s1ms1s", "1:30", "1,5", "5min", "0x10", "1_000", "\u0663", "367d", "1e-", "s", "\0", "1h30"]  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), READ.items())
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_a_length_of_time_is_named_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration(text, zero=True)
    assert repr(text)[:40] in str(caught.value)
    assert "1h30m" in str(caught.value)


@pytest.mark.parametrize("text", ["0", "0s", "0h0m", "1e-999"])
def test_no_time_is_a_length_only_where_it_has_a_meaning(text: str) -> None:
    assert parse_duration(text, zero=True) == 0
    with pytest.raises(UsageError, match="is not more than 0"):
        parse_duration(text)


@given(st.text())
def test_any_text_is_a_bounded_time_or_a_usage_error(text: str) -> None:
    for read, most in ((parse_duration, MAX_DURATION_S), (parse_size, 10**18)):
        with contextlib.suppress(UsageError):
            assert 0 < read(text) <= most


@pytest.mark.parametrize(
    ("text", "size"),
    [("500M", 500_000_000), ("2G", 2 * 10**9), ("1.5T", 1.5 * 10**12), ("4k", 4000), ("512MiB", 1 << 29)],
)
def test_a_size_is_read(text: str, size: float) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "500", "0G", "-1G", "nan", "infG", "1e9", "9" * 400 + "T", "2X", "G"])
def test_what_is_not_a_size_is_named_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match=r"not a size: .*500M"):
        parse_size(text)


@pytest.mark.parametrize(
    "line",
    ['{"expect": "audio", "within_ms": 1e308}', '{"expect": "audio", "within_ms": Infinity}', '{"silence_ms": NaN}',
     '{"silence_ms": -1}', '{"silence_ms": 1e300}', '{"t": 1e300, "silence_ms": 20}', '{"t": NaN, "silence_ms": 20}',
     f'{{"silence_ms": {"9" * 400}}}', '{"expect": "audio", "within_ms": "5s"}'],
)  # fmt: skip
def test_a_script_with_a_time_that_cannot_be_is_damaged_input(tmp_path: Path, line: str) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(line + "\n")
    done = run("replay", path, "127.0.0.1:1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (5, "", 1), done.stderr
    assert "line 1" in done.stderr
