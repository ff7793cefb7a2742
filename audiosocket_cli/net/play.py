"""`play` as a feature: stand in for Asterisk, say a file to a server, and measure what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.call.driver import drive
from audiosocket_cli.call.ends import PlacedSession
from audiosocket_cli.call.facts import Ending, How, Side
from audiosocket_cli.call.recording import Layout, Recording
from audiosocket_cli.call.sources import Playback
from audiosocket_cli.call.stats import CallStats, call_result
from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.errors import StoppedError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.dial import dial
from audiosocket_cli.net.loop import signals_to

SCHEMA: Final = "audiosocket.play/1"


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """What `play` was asked for."""

    target: Address
    uuid: UUID
    playback: Playback
    record: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class PlayResult:
    """What came of a placed call. Times in seconds; those of the answer count from the UUID sent."""

    connect_s: float
    first_audio_s: float | None
    first_speech_s: float | None
    frames_sent: int
    late_frames: int
    worst_lateness_s: float
    played_s: float
    total_s: float
    ending: Ending
    files: tuple[Path, ...]
    recording_error: str | None
    call: dict[str, Any]
    """The whole call, as in a recording's JSON file."""
    signal: int | None
    """The signal that ended it, if one did."""

    @property
    def complete(self) -> bool:
        """Whether all of the file was said."""
        return self.played_s >= self.total_s

    @property
    def protocol_broken(self) -> bool:
        """Whether the server sent what ends a call in Asterisk."""
        return self.ending.how is How.FAULT

    @property
    def server_vanished(self) -> bool:
        """Whether the connection was lost, rather than ended."""
        return self.ended_by_server and self.ending.how is How.RESET

    @property
    def ended_by_server(self) -> bool:
        """Whether the server hung up, closed or vanished, rather than we having said all."""
        return self.ending.by is Side.SERVER


async def play(options: PlayOptions, watch: Callable[[PlacedSession], None] = lambda session: None) -> PlayResult:
    """Place the call and return when it is over. `watch` gets the session once it is connected.

    Raises `NetworkError` when there is nobody to talk to, and `StoppedError` when told to stop before that.
    """
    interruption = _Interruption()
    with signals_to(interruption.on_signal):
        begun_s = time.monotonic()
        try:
            connection = await dial(options.target)
        except asyncio.CancelledError:
            raise StoppedError(interruption.signal or SIGINT) from None
        connect_s = time.monotonic() - begun_s
        wire = SocketWire(connection)
        stats = CallStats()
        recording = _recording(options)
        session = PlacedSession(
            wire,
            str(options.target),
            source=options.playback,
            taps=[stats, *([recording] if recording else [])],
            uuid=options.uuid,
        )
        interruption.session = session
        watch(session)
        await drive(session, wire)
    return _result(options, connect_s, session, stats, recording, interruption.signal)


def _recording(options: PlayOptions) -> Recording | None:
    if options.record is None:
        return None
    return Recording(Layout.SERVER, path=options.record, overwrite=options.overwrite)


class _Interruption:
    """The first signal ends the call in order, the second at once; before there is a call, it ends the dialling."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.session: PlacedSession | None = None
        self._task = asyncio.current_task()

    def on_signal(self, number: int) -> None:
        again, self.signal = self.signal is not None, number
        if self.session is None:
            assert self._task is not None
            self._task.cancel()
        elif again:
            self.session.abort()
        else:
            self.session.hang_up("interrupted")


def _result(
    options: PlayOptions,
    connect_s: float,
    session: PlacedSession,
    stats: CallStats,
    recording: Recording | None,
    signal: int | None,
) -> PlayResult:
    call = session.call
    assert call is not None
    assert call.ending is not None
    server = stats.sides[Side.SERVER]
    sent = stats.sides[Side.CALLER].by_kind.values()
    playback = options.playback
    return PlayResult(
        connect_s=connect_s,
        first_audio_s=server.first_audio_s,
        first_speech_s=server.first_speech_s,
        frames_sent=sum(frames for frames, _ in sent),
        late_frames=session.pacer.late,
        worst_lateness_s=session.pacer.worst_lateness_s,
        played_s=playback.duration_s * playback.position / playback.total,
        total_s=playback.duration_s,
        ending=call.ending,
        files=tuple(recording.paths) if recording else (),
        recording_error=recording.error if recording else None,
        call=call_result(call, stats, recording),
        signal=signal,
    )
