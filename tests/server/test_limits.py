"""How many calls there may be, counted in one process and in several, and which callers count as one."""

from __future__ import annotations

import fcntl
import math
import os
import time
from collections.abc import Iterator

import pytest

from audiosocket_cli.net.address import network_of, peer_name
from audiosocket_cli.server.limits import CallLimits, SharedCallLimits, new_shared_file


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::1%eth1", "fe80::1%eth1"),
        ("::1", "::/64"),
    ],
)
def test_an_ipv6_64_counts_as_one_caller_and_ipv4_in_ipv6_as_itself(host: str, network: str) -> None:
    assert network_of(peer_name((host, 5060))) == network


@pytest.fixture
def shared() -> Iterator[int]:
    descriptor = new_shared_file(2)
    yield descriptor
    os.close(descriptor)


def both(descriptor: int, calls: float = math.inf, max_calls: float = math.inf) -> list[SharedCallLimits]:
    return [SharedCallLimits(descriptor, number, 2, calls, max_calls) for number in range(2)]


def test_one_process_counts_its_own() -> None:
    call_limits = CallLimits(calls=2, max_calls=1)
    assert [call_limits.begin() for _ in range(3)] == [True, True, False]
    call_limits.enter("a")
    call_limits.enter("a")
    call_limits.leave("a")
    assert (call_limits.calls_from("a"), call_limits.calls_from("b"), call_limits.is_ahead) == (1, 0, False)


def test_processes_count_together(shared: int) -> None:
    first, second = both(shared, calls=3, max_calls=2)
    assert [first.begin(), second.begin(), first.begin(), second.begin()] == [True, True, True, False]
    for live, (call_limits, host) in enumerate([(first, "a"), (second, "a"), (second, "b")]):
        call_limits.enter(host)
        call_limits.count_live(live or 1)
    assert [call_limits.calls_from("a") for call_limits in (first, second)] == [2, 2]
    assert first.is_full
    assert (first.is_ahead, second.is_ahead) == (False, True)
    second.leave("a")
    second.count_live(1)
    assert (first.calls_from("a"), first.calls_from("b")) == (1, 1)
    first.forget(1)
    assert (first.calls_from("b"), first.is_full) == (0, False)


def test_signs_of_life_are_seen_by_others_and_forgotten_with_the_process(shared: int) -> None:
    first, second = both(shared)
    second.beat()
    second.beat()
    assert (first.beats_of(0), first.beats_of(1)) == (0, 2)
    first.forget(1)
    assert first.beats_of(1) == 0


def test_a_process_that_stands_still_with_the_lock_stops_no_other(shared: int) -> None:
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        fcntl.lockf(shared, fcntl.LOCK_EX)
        os.write(writes, b"x")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(reads, 1)
        begun_s = time.monotonic()
        assert both(shared)[0].begin()
        assert time.monotonic() - begun_s < 5
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reads)
        os.close(writes)
