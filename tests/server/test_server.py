"""The server, run inside a test: what a fault of ours costs."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
import soundfile

from audiosocket_cli.call.events import CallEnded, Event, Listening
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.sources.basic import Silence
from audiosocket_cli.call.taps.stats import CallStats
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.net.address import Address
from audiosocket_cli.server.options import ServeOptions
from audiosocket_cli.server.server import Server
from support.fakes import OPENING


def test_a_fault_of_ours_is_counted_and_costs_neither_the_recording_nor_another_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    complaints: list[str] = []

    def broken(self: CallStats, *_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(CallStats, "frames", broken)
    options = ServeOptions(Address("127.0.0.1", 0), CallOptions(Silence, FileOutput.in_folder(tmp_path)))
    server = Server(options, events.append, complaints.append)

    async def main() -> None:
        running = asyncio.create_task(server.run())
        while not events:
            await asyncio.sleep(0.01)
        assert isinstance(events[0], Listening)
        with socket.create_connection(("127.0.0.1", events[0].port)) as peer:
            peer.sendall(OPENING + encode(Frame(Kind.SLIN, b"ab" * 160)))
            while not complaints:
                await asyncio.sleep(0.02)
        server.stop()
        await running

    asyncio.run(main())
    assert len(complaints) == 1
    assert complaints[0].endswith("RuntimeError('a bug')")
    assert server.summary.faults == 1
    (wav,) = tmp_path.glob("*.wav")
    assert soundfile.read(wav, dtype="int16")[0][:160].tobytes() == b"ab" * 160


def test_calls_with_one_uuid_are_told_while_they_overlap_and_not_after() -> None:
    events: list[Event] = []
    server = Server(ServeOptions(Address("127.0.0.1", 0), CallOptions(Silence)), events.append, lambda line: None)

    async def ended(count: int) -> list[CallEnded]:
        while len(over := [event for event in events if isinstance(event, CallEnded)]) < count:
            await asyncio.sleep(0.02)
        return over

    async def main() -> list[CallEnded]:
        running = asyncio.create_task(server.run())
        while not events:
            await asyncio.sleep(0.01)
        assert isinstance(events[0], Listening)
        port = events[0].port

        async def begin(begun: int) -> socket.socket:
            peer = socket.create_connection(("127.0.0.1", port))
            peer.sendall(OPENING)
            while server.summary.calls < begun:
                await asyncio.sleep(0.01)
            return peer

        first, second = await begin(1), await begin(2)
        first.close()
        await ended(1)
        third = await begin(3)  # while the second goes on
        second.close()
        third.close()
        await ended(3)
        (await begin(4)).close()
        over = await ended(4)
        server.stop()
        await running
        return over

    told = [any("same UUID" in text for text in event.result["findings"]) for event in asyncio.run(main())]
    assert told == [True, True, True, False]
