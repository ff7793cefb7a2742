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
    times_s = [time.monotonic()]
    watch.look()
    times_s.append(time.monotonic())
    before_s = sum(os.times()[:2])
    while sum(os.times()[:2]) - before_s < 0.3:
        sum(range(1000))
    times_s.append(time.monotonic())
    watch.look()
    times_s.append(time.monotonic())
    usage = watch.usage
    assert usage is not None
    # It looked at some time between two of ours, however long a busy machine made that.
    most_percent, least_percent = (30 / (times_s[end] - times_s[begin]) for begin, end in ((1, 2), (0, 3)))
    assert 0.7 * least_percent - 10 <= usage.cpu_percent <= 1.3 * most_percent + 10
    assert 5 < usage.rss_mib < 2000


def test_a_process_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UsageError, match="cannot watch --pid 999999999: there is no such process on this machine"):
        UsageWatch(999999999)


def test_figures_are_rounded() -> None:
    assert Usage(12.345, 6.789).as_json() == {"cpu_percent": 12.3, "rss_mib": 6.8}
