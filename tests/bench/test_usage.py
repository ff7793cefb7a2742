"""CPU time and memory of a process on this machine."""

from __future__ import annotations

import os
import time

import pytest

from audiosocket_cli.bench.usage import Usage, UsageWatch
from audiosocket_cli.errors import UsageError


def test_what_this_process_burns_is_seen() -> None:
    watch = UsageWatch(os.getpid())
    assert watch.usage is None
    watch.look()
    before_s = sum(os.times()[:2])
    begun_s = time.monotonic()
    while sum(os.times()[:2]) - before_s < 0.3:
        sum(range(1000))
    watch.look()
    usage = watch.usage
    assert usage is not None
    expected_percent = 100 * (sum(os.times()[:2]) - before_s) / (time.monotonic() - begun_s)
    assert usage.cpu_percent == pytest.approx(expected_percent, rel=0.3, abs=10)
    assert 5 < usage.rss_mib < 2000


def test_a_process_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UsageError, match="cannot watch --pid 999999999: there is no such process on this machine"):
        UsageWatch(999999999)


def test_figures_are_rounded() -> None:
    assert Usage(12.345, 6.789).as_json() == {"cpu_percent": 12.3, "rss_mib": 6.8}
