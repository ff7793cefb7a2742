"""What came of connections is counted and told in one place; a flood of refusals is told in short."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from audiosocket_cli.call.events import CallRefused, ConnectionFailed, Event, HookFailed, MoreRefused
from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.server.account import Account
from audiosocket_cli.server.log_limiter import MAX_LINES
from support.recorded import new_call


class Session:
    closed_silently = False
    failure: str | None = None


class Live:
    """What an account sees of a call that is over."""

    peer = "192.0.2.1:5060"
    refusal: str | None = None
    capture_error: str | None = None
    recording_error: str | None = None
    mirrored: str | None = None

    def __init__(self) -> None:
        self.session = Session()


def concluded(live: Live, result: dict[str, Any] | None) -> tuple[Account, list[Event]]:
    told: list[Event] = []

    async def main() -> Account:
        account = Account(told.append, lambda line: None)
        account.conclude(cast(LiveCall, live), result)
        return account

    return asyncio.run(main()), told


def test_each_end_of_a_connection_counts_as_one_thing() -> None:
    refused, check, failed, silent = Live(), Live(), Live(), Live()
    refused.refusal = "not in the list"
    check.session.closed_silently = True
    failed.session.failure = "reset"
    account, told = concluded(refused, None)
    assert (account.summary.refused, told) == (1, [CallRefused(Live.peer, "not in the list")])
    account, told = concluded(check, None)
    assert (account.summary.checks, told) == (1, [])
    account, told = concluded(failed, None)
    assert (account.summary.failed, told) == (1, [ConnectionFailed(Live.peer, "reset")])
    account, told = concluded(silent, None)
    assert (account.summary.failed, told) == (1, [ConnectionFailed(Live.peer, "ended without a UUID")])


def test_of_a_call_its_audio_its_findings_and_its_losses_are_counted() -> None:
    live = Live()
    live.capture_error = live.recording_error = "full"
    live.mirrored = "gone"
    account, told = concluded(live, {"caller": {"audio_s": 2.5}, "findings": ["odd"]})
    summary = account.summary
    assert (summary.caller_audio_s, summary.odd_calls, told) == (2.5, 1, [])
    assert (summary.failed_recordings, summary.failed_captures) == (1, 1)
    assert (summary.mirrored_gone, summary.mirrored_same) == (1, 0)


@pytest.mark.parametrize("more", [0, 3])
def test_what_was_held_back_of_a_flood_is_told_at_the_end(more: int) -> None:
    told: list[Event] = []
    lines: list[str] = []

    async def main() -> None:
        account = Account(told.append, lines.append)
        for _ in range(MAX_LINES + more):
            account.refuse("192.0.2.1:5060", "full")
        account.fail_hook(new_call(), "exit code 1")
        account.blame_ourselves("192.0.2.1:5060", ValueError("x"))
        account.close()
        assert account.summary.refused == MAX_LINES + more
        assert (account.summary.failed_hooks, account.summary.faults) == (1, 1)

    asyncio.run(main())
    assert [event for event in told if isinstance(event, MoreRefused)] == [MoreRefused("192.0.2.1", more)] * bool(more)
    assert sum(isinstance(event, HookFailed) for event in told) == 1
    assert lines == ["internal error in the call from 192.0.2.1:5060: ValueError('x')"]
