"""Placing a call as Asterisk would: dial, say the UUID, and see the call through to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import Any
from uuid import UUID

from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.events import Report
from audiosocket_cli.call.live_call import CallOptions, LiveCall
from audiosocket_cli.call.session import PlacedSession
from audiosocket_cli.call.session_call import SessionCall
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.errors import NetworkError, StoppedError
from audiosocket_cli.model import Ending, How, Side
from audiosocket_cli.net.dialler import Dialler
from audiosocket_cli.net.loop import signals_to
from audiosocket_cli.net.target import Target


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """What came of a placed call. Times in seconds; those of the answer count from the UUID sent."""

    connect_s: float
    first_audio_s: float | None
    first_speech_s: float | None
    frames_sent: int
    late_frames: int
    worst_lateness_s: float
    ending: Ending
    files: tuple[Path, ...]
    recording_error: str | None
    capture_file: Path | None
    capture_error: str | None
    result: dict[str, Any]
    """The whole call, as in a recording's JSON file."""
    signal: int | None
    """The signal that ended it, if one did."""
    source: Source
    """What it said."""

    @property
    def protocol_broken(self) -> bool:
        """Whether the server sent what ends a call in Asterisk."""
        return self.ending.how is How.FAULT

    @property
    def server_vanished(self) -> bool:
        """Whether the connection was lost, rather than ended."""
        return self.ended_by_server and self.ending.how is How.RESET

    @property
    def tail_lost(self) -> bool:
        """Whether we closed before the last of what we said had arrived."""
        unread_s = self.result.get("bridge", {}).get("unread_s")
        return not self.ended_by_server and bool(self.result["caller"]["undelivered_ms"] or unread_s)

    @property
    def ended_by_server(self) -> bool:
        """Whether the server hung up, closed or vanished, rather than we having said all."""
        return self.ending.by is Side.SERVER


async def place(
    target: Target,
    uuid: UUID,
    options: CallOptions,
    *,
    report: Report = lambda event: None,
    watch: Callable[[LiveCall], None] = lambda live: None,
) -> PlacedCall:
    """Place a call and return when it is over. `watch` gets it once it is connected.

    Raises `NetworkError` when there is nobody to talk to, and `StoppedError` when told to stop before that.
    """
    (placed,) = await place_all(target, [uuid], options, report=report, watch=watch)
    if isinstance(placed, NetworkError):
        raise placed
    return placed


async def place_all(
    target: Target,
    uuids: Sequence[UUID],
    options: CallOptions,
    *,
    report: Report = lambda event: None,
    watch: Callable[[LiveCall], None] = lambda live: None,
) -> list[PlacedCall | NetworkError]:
    """Place a call for each UUID, all at once, and return in their order what came of each when all are over.

    Raises `StoppedError` when told to stop before there was a call.
    """
    interruption = _Interruption()
    with signals_to(interruption.on_signal):
        try:
            placing = _Placing(target, interruption)
            return await asyncio.gather(*(placing.place(uuid, options, report, watch) for uuid in uuids))
        except asyncio.CancelledError:
            raise StoppedError(interruption.signal or SIGINT) from None


@dataclass(frozen=True, slots=True)
class InTurn:
    """The results of calls that were placed a few at a time."""

    calls: Sequence[PlacedCall | NetworkError | None]
    """In their order; None where a signal came first."""
    signal: int | None
    """The signal that ended it, if one did."""


async def place_in_turn(
    target: Target,
    wanted: Sequence[tuple[UUID, CallOptions]],
    most: int,
    *,
    server: AbstractAsyncContextManager[object] | None = None,
    around: Callable[[int], AbstractAsyncContextManager[object]] = lambda number: nullcontext(),
) -> InTurn:
    """Place calls, `most` at once, and return what came of each when all are over.

    `server` is entered before the first and left after the last, `around` before and after each, given its number. A
    `NetworkError` of either is the result of the call. Raises `StoppedError` when told to stop before there was a call.
    """
    interruption, room = _Interruption(), asyncio.Semaphore(most)

    async def one(number: int, uuid: UUID, options: CallOptions) -> PlacedCall | NetworkError | None:
        async with room:
            if interruption.signal is not None:
                return None
            try:
                async with around(number):
                    return await placing.place(uuid, options)
            except NetworkError as error:
                return error

    with signals_to(interruption.on_signal):
        try:
            async with server or nullcontext():
                placing = _Placing(target, interruption)
                found = await asyncio.gather(*(one(number, *each) for number, each in enumerate(wanted)))
        except asyncio.CancelledError:
            raise StoppedError(interruption.signal or SIGINT) from None
    return InTurn(found, interruption.signal)


class _Placing:
    """Places the calls of one command."""

    def __init__(self, target: Target, interruption: _Interruption) -> None:
        self._dialler = Dialler(target)
        self._driver = Driver(at_once=True)
        self._interruption = interruption

    async def place(
        self,
        uuid: UUID,
        options: CallOptions,
        report: Report = lambda event: None,
        watch: Callable[[LiveCall], None] = lambda live: None,
    ) -> PlacedCall | NetworkError:
        """Place a call, and return what came of it when it is over."""
        begun_s = time.monotonic()
        try:
            link = await self._dialler.dial(uuid)
        except NetworkError as error:
            return error
        connect_s = time.monotonic() - begun_s
        live = SessionCall(PlacedSession, link, options, report, uuid=uuid)
        self._interruption.calls.append(live)
        watch(live)
        if self._interruption.signal is not None:  # it came while this one was dialled, and others went on
            asyncio.get_running_loop().call_soon(live.session.stop, "interrupted")  # once it has started
        await self._driver.drive(live.session, live.wire)
        result = await live.conclude()
        assert result is not None
        return _placed(connect_s, live, result, self._interruption.signal)


class _Interruption:
    """The first signal ends the calls in order, the second at once; before there is a call, it ends the dialling."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.calls: list[SessionCall] = []
        self._task = asyncio.current_task()

    def on_signal(self, number: int) -> None:
        again, self.signal = self.signal is not None, number
        if not self.calls and not again:  # what is cancelled already may have to clean up
            assert self._task is not None
            self._task.cancel()
        for live in self.calls:
            if not again:
                live.session.stop("interrupted")
                continue
            live.session.abort()
            if live.through is not None:
                live.through.kill()


def _placed(connect_s: float, live: SessionCall, result: dict[str, Any], signal: int | None) -> PlacedCall:
    session, stats = live.session, live.stats
    assert session.call is not None
    assert session.call.ending is not None
    server = stats.sides[Side.SERVER]
    return PlacedCall(
        connect_s=connect_s,
        first_audio_s=server.first_audio_s,
        first_speech_s=server.first_speech_s,
        frames_sent=sum(frames for frames, _ in stats.sides[Side.CALLER].by_kind.values()),
        late_frames=session.pacer.late,
        worst_lateness_s=session.pacer.worst_lateness_s,
        ending=session.call.ending,
        files=tuple(live.files),
        recording_error=live.recording_error,
        capture_file=live.capture_file,
        capture_error=live.capture_error,
        result=result,
        signal=signal,
        source=session.source,
    )
