from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.doctor.log.log_times import seconds_of, shown_time


@pytest.mark.parametrize(
    ("earlier", "later", "apart_s"),
    [
        (b"[Nov 29 10:00:00] ", b"[Nov 29 10:00:05] ", 5.0),
        (b"[Feb 28 23:59:59.500] ", b"[Mar  1 00:00:00] ", 86400.5),
        (b"[2026-11-29 10:00:00.123] ", b"[2026-11-29 10:00:02.125] ", 2.002),
        (b"2026-11-29T10:00:00+0100 pbx asterisk[1]: ", b"2026-11-29T10:01:00+0100 pbx asterisk[1]: ", 60.0),
        (b"2026-11-29T10:00:00.000000001Z [Nov 29 09:00:00] ", b"2026-11-29T10:00:01Z [Nov 29 09:00:01] ", 1.0),
        (b"[1796018159.269398] ", b"[1796018161.269398] ", 2.0),
        (b"Nov 29 10:00:00 pbx asterisk[123]: ", b"Nov 30 10:00:00 pbx asterisk[123]: ", 86400.0),
        (b"[29/11/2026 10:00:00] ", b"[29/11/2026 10:00:01] ", 1.0),
    ],
    ids=["default", "leap", "iso", "journal", "docker", "epoch", "syslog", "own"],
)
def test_times_of_one_form_can_be_compared(earlier: bytes, later: bytes, apart_s: float) -> None:
    before_s, after_s = seconds_of(earlier), seconds_of(later)
    assert before_s is not None
    assert after_s is not None
    assert after_s - before_s == pytest.approx(apart_s, abs=1e-6)


@pytest.mark.parametrize("raw", [b"", b"[] ", b"no time", b"[2026-02-31 10:00:00] ", b"[Feb 31 10:00:00] "])
def test_what_is_no_time_has_none(raw: bytes) -> None:
    assert seconds_of(raw) is None


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"[Nov 29 10:00:00] ", "Nov 29 10:00:00"),
        (b"Nov 29 10:00:00 pbx asterisk[123]: ", "Nov 29 10:00:00"),
        (b"[1796018159.269398] ", "2026-11-30 05:55:59 UTC"),
        (b"[29/11/2026 10:00:00] ", "29/11/2026 10:00:00"),
        (b"", ""),
    ],
    ids=["default", "syslog", "epoch", "own", "none"],
)
def test_a_time_is_shown_as_it_was_written(raw: bytes, shown: str) -> None:
    assert shown_time(raw) == shown


@given(st.binary(max_size=80))
def test_nothing_makes_it_fail(raw: bytes) -> None:
    seconds_of(raw)
    shown_time(raw)
