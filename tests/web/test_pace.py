"""How much time pages may take: who asks for more waits, not for long, and what was not used is not saved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from audiosocket_cli.web.pace import SHARE, Pace


@dataclass
class Thread:
    """A thread whose clocks are set by hand."""

    now_s: float = 0.0
    used_s: float = 0.0

    def __post_init__(self) -> None:
        self.pace = Pace(clock=lambda: self.now_s, used=lambda: self.used_s)
        self.pace.wait_s()

    def work(self, used_s: float, pause_s: float = 0.0) -> float:
        """Return how long the next has to wait after this work, and this pause."""
        self.used_s += used_s
        self.now_s += used_s + pause_s
        return self.pace.wait_s()


def test_a_page_and_all_that_it_loads_waits_for_nothing() -> None:
    thread = Thread()
    assert [thread.work(0.01) for _ in range(8)] == [0.0] * 8


def test_whoever_asks_without_end_gets_a_share_of_the_time() -> None:
    thread = Thread()
    for _ in range(1000):
        thread.now_s += thread.work(0.005)
    assert thread.used_s / thread.now_s == pytest.approx(SHARE, rel=0.1)


def test_after_a_pause_nothing_waits_and_a_long_one_saves_nothing_up() -> None:
    thread = Thread()
    assert thread.work(2.0) == 0.5
    assert thread.work(0.0, pause_s=3.0) == 0.0
    assert thread.work(0.0, pause_s=3600.0) == 0.0
    assert thread.work(0.3) > 0.0


def test_nobody_waits_long_whatever_else_the_thread_does() -> None:
    thread = Thread()
    assert max(thread.work(1.0) for _ in range(100)) == 0.5
    assert thread.work(0.0, pause_s=2.5) == 0.0


def test_a_turn_comes() -> None:
    async def two() -> None:
        pace = Pace()
        await pace.turn()
        await pace.turn()

    asyncio.run(two())
