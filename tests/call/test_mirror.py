"""The mirror of a call that never comes to one of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

from audiosocket_cli.call.events import Event
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.mirror import Comparison, Mirror
from audiosocket_cli.call.relay_driver import RelayDriver
from audiosocket_cli.call.wire import Link


def test_a_call_that_is_over_before_its_mirror_is_connected_says_so() -> None:
    told: list[Event | Exception] = []
    begun: list[str] = []

    async def connect() -> Link:
        begun.append("connecting")
        await asyncio.Event().wait()
        raise AssertionError

    async def compare(expected: Path, seen: Path) -> Comparison:
        raise AssertionError

    async def work() -> Mirror:
        mirror = Mirror("bot:9092", CallOptions(), told.append, compare)
        mirror.begin(connect, RelayDriver(), told.append)
        while not begun:
            await asyncio.sleep(0)
        await mirror.finish()
        await mirror.compare(Path("captured.pcapng"), None)
        return mirror

    mirror = asyncio.run(work())
    assert (mirror.outcome, mirror.gone) == ("gone", "the call was over before it was connected")
    assert (mirror.as_dict()["reason"], mirror.files, told) == (mirror.gone, [], [])
