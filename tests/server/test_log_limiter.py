"""A flood of refusals: the first are told, and how many more."""

from __future__ import annotations

import asyncio

import pytest

from audiosocket_cli.call.events import CallRefused, ConnectionFailed, Event, Listening, MoreRefused
from audiosocket_cli.server import log_limiter as flood
from audiosocket_cli.server.log_limiter import MAX_LINES, LogLimiter


def told_of(events: list[Event]) -> list[Event]:
    """What a limiter passes on, to the end."""
    told: list[Event] = []

    async def run() -> None:
        limiter = LogLimiter(told.append)
        for event in events:
            limiter.report(event)
        limiter.flush()

    asyncio.run(run())
    return told


def test_of_many_refusals_of_one_address_the_first_are_told_and_how_many_more() -> None:
    flood_ = [CallRefused(f"10.0.0.9:{port}", "no") for port in range(1000)]
    other = ConnectionFailed("[2001:db8::1]:5", "closed")
    assert told_of([*flood_, other]) == [*flood_[:MAX_LINES], other, MoreRefused("10.0.0.9", 1000 - MAX_LINES)]


def test_what_is_no_refusal_is_always_told() -> None:
    events: list[Event] = [Listening("127.0.0.1", 9092, None)] * 50
    assert told_of(events) == events


def test_so_many_addresses_are_told_apart_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "_MAX_HOSTS", 3)
    told = told_of([CallRefused(f"10.0.0.{number}:1", "no") for number in range(100)])
    assert told[-1] == MoreRefused("other addresses", 97 - MAX_LINES)
    assert len(told) == 3 + MAX_LINES + 1


def test_after_a_while_the_number_is_told_and_lines_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "PERIOD_S", 0.05)
    told: list[Event] = []

    async def run() -> None:
        limiter = LogLimiter(told.append)
        for _ in range(2):
            for _ in range(MAX_LINES + 1):
                limiter.report(CallRefused("10.0.0.9:1", "no"))
            await asyncio.sleep(0.2)

    asyncio.run(run())
    assert told == ([CallRefused("10.0.0.9:1", "no")] * MAX_LINES + [MoreRefused("10.0.0.9", 1)]) * 2
