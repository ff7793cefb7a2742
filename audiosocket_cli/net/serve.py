"""`serve` as a feature: answer every call that comes, many at once, and stop in order.

A call's failure, a disk's failure and a peer's nonsense each end where they began: no other call notices.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiosocket_cli.asterisk import EXAMPLE_UUID, EXAMPLE_UUID_FINDING
from audiosocket_cli.call.driver import drive
from audiosocket_cli.call.ends import AnsweredSession
from audiosocket_cli.call.events import (
    CallEnded,
    CallRefused,
    CallStarted,
    ConnectionFailed,
    Event,
    EventTap,
    Listening,
    RecordingFailed,
    Report,
)
from audiosocket_cli.call.facts import Call
from audiosocket_cli.call.recording import Layout, Recording
from audiosocket_cli.call.session import Limits
from audiosocket_cli.call.sources import Silence, Source
from audiosocket_cli.call.stats import CallStats, call_result
from audiosocket_cli.call.wire import SocketWire
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.listen import Listener, allow_many_descriptors, bind
from audiosocket_cli.net.loop import signals_to


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What `serve` was asked for."""

    listen: Address
    make_source: Callable[[], Source]
    """Called for each call: what it is told."""
    record: Path | None = None
    layout: Layout = Layout.CALLER
    calls: float = math.inf
    """End after this many calls."""
    max_calls: float = math.inf
    """Refuse more than this many at once."""
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class ServeSummary:
    """What came of it: connections by outcome, and how it ended."""

    calls: int = 0
    refused: int = 0
    failed: int = 0
    """Connections that never became a call."""
    failed_recordings: int = 0
    faults: int = 0
    """Calls that an error of our own ended."""
    caller_audio_s: float = 0.0
    signal: int | None = None
    """The signal that ended it, if one did."""


@dataclass(eq=False, slots=True)
class LiveCall:
    """A connection while it lasts."""

    session: AnsweredSession
    stats: CallStats
    recording: Recording | None


class Server:
    """Answers calls until it is stopped, or has had enough of them."""

    def __init__(self, options: ServeOptions, report: Report, complain: Callable[[str], None]) -> None:
        """`report` gets the events, `complain` lines about the process itself."""
        self.summary = ServeSummary()
        self.live: set[LiveCall] = set()
        self._options = options
        self._report = report
        self._complain = complain
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: set[AnsweredSession] = set()
        self._listener: Listener | None = None
        self._enough = asyncio.Event()

    async def run(self) -> ServeSummary:
        """Serve to the end and return what came of it. Raises `NetworkError` when the address cannot be had."""
        allow_many_descriptors()
        listening = bind(self._options.listen)
        self._listener = Listener(listening, self._accept, self._complain)
        try:
            with signals_to(self._on_signal):
                self._report(Listening(*self._listener.address, self._options.record))
                await self._enough.wait()
                self._listener.close()
                while self._tasks:
                    await asyncio.wait(self._tasks)
        finally:
            self._listener.close()
        return self.summary

    def stop(self) -> None:
        """Accept no more calls and hang up those that are there."""
        self._enough.set()
        for call in list(self.live):
            call.session.hang_up("server stopped")

    def abort(self) -> None:
        """Drop all calls at once; their files are complete all the same."""
        self._enough.set()
        for session in [call.session for call in self.live] + list(self._refused):
            session.abort()

    def _on_signal(self, number: int) -> None:
        if self.summary.signal is None:
            self.summary.signal = number
            self.stop()
        else:
            self.abort()

    def _accept(self, connection: socket.socket, peer: str) -> None:
        # Counted here and now: many connections can be accepted before the first of their tasks runs.
        refusal = self._why_not()
        if refusal:
            self._start(self._refuse(connection, peer, refusal), peer)
        else:
            wire = SocketWire(connection)
            live = self._prepare(wire, peer)
            self.live.add(live)
            self._start(self._answer(live, wire), peer)

    def _why_not(self) -> str | None:
        if self._enough.is_set():
            return "no more calls are taken"
        if len(self.live) >= self._options.max_calls:
            return f"all {self._options.max_calls:g} calls are taken"
        return None

    def _start(self, work: Coroutine[Any, Any, None], peer: str) -> None:
        task = asyncio.create_task(work, name=f"call from {peer}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refuse(self, connection: socket.socket, peer: str, reason: str) -> None:
        self.summary.refused += 1
        self._report(CallRefused(peer, reason))
        wire = SocketWire(connection)
        session = AnsweredSession(wire, peer, source=Silence())
        session.hang_up(reason)
        self._refused.add(session)
        try:
            await drive(session, wire)
        finally:
            self._refused.discard(session)

    async def _answer(self, live: LiveCall, wire: SocketWire) -> None:
        try:
            await drive(live.session, wire)
        except Exception as error:  # the call's boundary: a fault of ours in one call is none of the others'
            self.summary.faults += 1
            self._complain(f"internal error in the call from {live.session.peer}: {error!r}")
        finally:
            self.live.discard(live)
        self._conclude(live)

    def _prepare(self, wire: SocketWire, peer: str) -> LiveCall:
        options = self._options
        stats = CallStats()
        session = AnsweredSession(wire, peer, source=options.make_source(), limits=options.limits)
        recording = None
        if options.record is not None:
            recording = Recording(
                options.layout, folder=options.record, on_failure=lambda reason: self._lose_recording(session, reason)
            )
        session.taps = [EventTap(self._on_call_event), *([recording] if recording else []), stats]
        return LiveCall(session, stats, recording)

    def _on_call_event(self, event: Event) -> None:
        self._report(event)
        if isinstance(event, CallStarted):
            self._count_call(event.call)

    def _count_call(self, call: Call) -> None:
        self.summary.calls += 1
        twins = [live.session.call for live in self.live if live.session.call and live.session.call.uuid == call.uuid]
        if len(twins) > 1:
            for twin in twins:
                twin.note("another call has the same UUID at the same time: say ${UUID()} in the dialplan")
        if call.uuid == EXAMPLE_UUID:
            call.note(EXAMPLE_UUID_FINDING)
        if self.summary.calls >= self._options.calls:
            self._enough.set()
            for other in list(self.live):
                if other.session.call is None:
                    other.session.hang_up("enough calls")

    def _lose_recording(self, session: AnsweredSession, reason: str) -> None:
        assert session.call is not None
        session.call.note(f"recording failed: {reason}")
        self._report(RecordingFailed(session.call, reason))

    def _conclude(self, live: LiveCall) -> None:
        session, call = live.session, live.session.call
        if call is None or call.ending is None:
            self.summary.failed += 1
            self._report(ConnectionFailed(session.peer, session.failure or "ended without a UUID"))
            return
        result = call_result(call, live.stats, live.recording)
        self.summary.caller_audio_s += result["caller"]["audio_s"]
        files = live.recording.paths if live.recording else []
        lost = live.recording is not None and live.recording.error is not None
        if files:
            try:
                write_private_json(files[0].with_suffix(".json"), result)
            except OSError as error:
                self._lose_recording(session, f"cannot write its JSON: {error.strerror}")
                lost = True
        self.summary.failed_recordings += lost
        self._report(CallEnded(call, result, files))


def write_private_json(path: Path, content: dict[str, Any]) -> None:
    """Write one JSON object to a file that only the user can read: whole, or not at all. Raises `OSError`."""
    half = path.with_suffix(".json.part")
    try:
        with open(os.open(half, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
