"""What passed on a connection, with times: as lines for people, and as a pcapng."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.capture.packet_queue import PacketQueue
from audiosocket_cli.capture.pcapng import opening_blocks
from audiosocket_cli.capture.trace import CAPTURE_SCHEMA, Trace
from audiosocket_cli.capture.writing import create_numbered
from audiosocket_cli.codec import HEADER_BYTES, FrameDecoder, kind_name
from audiosocket_cli.disk import make_folder
from audiosocket_cli.model import How, Side

_MAX_LINES: Final = 40
"""The most lines of one connection: the first and the last half of so many."""

_MAX_CONNECTIONS: Final = 3

_SHOWN_BYTES: Final = 12


class Event(NamedTuple):
    """Bytes of one `send` or one read, or what else happened."""

    at_s: float
    """On the monotonic clock."""
    side: Side
    data: bytes
    what: How | None = None
    """How a side ended the connection, where there are no bytes."""


class Passed:
    """All that passed on one connection."""

    def __init__(self, connected_s: float, ours: Any, theirs: Any) -> None:
        self.connected_s = connected_s
        self.ours = ours
        self.theirs = theirs
        self.events: list[Event] = []
        self.remarks: list[tuple[float, Side, str]] = []
        """What a side did, in words, where frames alone do not show it."""

    def add(self, side: Side, data: bytes, what: How | None = None) -> float:
        """Take what was just sent, read or found; returns the time."""
        now_s = time.monotonic()
        self.events.append(Event(now_s, side, data, what))
        return now_s

    def remark(self, at_s: float, side: Side, text: str) -> None:
        """Say what a side did."""
        self.remarks.append((at_s, side, text))


def lines_of(connections: Sequence[Passed]) -> list[str]:
    """Return what passed as text, a line for each `send`, read and end, equal ones together. Where there are
    remarks, only these and the ends."""
    lines = []
    for number, passed in enumerate(connections[:_MAX_CONNECTIONS], 1):
        if len(connections) > 1:
            lines.append(f"connection {number} of {len(connections)}:")
        found = list(_remarks(passed) if passed.remarks else _grouped(passed))
        left_out = len(found) - _MAX_LINES
        if left_out > 0:
            half = _MAX_LINES // 2
            found[half:-half] = [f"… {left_out} lines left out"]
        lines += found
    return lines


def _remarks(passed: Passed) -> Iterator[str]:
    ends: dict[Side, tuple[float, Side, str]] = {}
    for event in passed.events:
        if event.what is not None:  # the first of each side: who has half-closed closes, too
            ends.setdefault(event.side, (event.at_s, event.side, _how(event.what)))
    for at_s, side, text in sorted([*passed.remarks, *ends.values()], key=lambda each: each[0]):
        yield _line(at_s - passed.connected_s, f"{side.value:6}  {text}", 1)


def _grouped(passed: Passed) -> Iterator[str]:
    decoders = {side: FrameDecoder() for side in Side}
    since_s, last, count = 0.0, "", 0
    for event in passed.events:
        line = f"{event.side.value:6}  {_described(event, decoders[event.side])}"
        if line == last:
            count += 1
            continue
        if count:
            yield _line(since_s, last, count)
        since_s, last, count = event.at_s - passed.connected_s, line, 1
    if count:
        yield _line(since_s, last, count)


def _line(at_s: float, text: str, count: int) -> str:
    return f"{at_s:8.3f} s  {text}{f'  (and {count - 1} more such)' if count > 1 else ''}"


def _described(event: Event, decoder: FrameDecoder) -> str:
    if event.what is not None:
        return _how(event.what)
    was_inside = decoder.inside_frame
    frames = decoder.feed(event.data)
    if len(frames) == 1 and not was_inside and not decoder.inside_frame:
        (frame,) = frames
        shown = "" if len(frame.payload) > _SHOWN_BYTES + HEADER_BYTES + 1 else f": {frame.payload.hex(' ')}"
        return f"{kind_name(frame.kind)}, {len(frame.payload)} bytes{shown}"
    parts = f", ends {len(frames)} frames" if len(frames) != 1 else ", ends 1 frame"
    parts += ", and begins another" if decoder.inside_frame and not (was_inside and not frames) else ""
    dots = " …" if len(event.data) > _SHOWN_BYTES else ""
    return f"{len(event.data)} bytes{parts}: {event.data[:_SHOWN_BYTES].hex(' ')}{dots}"


def _how(what: How) -> str:
    return {How.CLOSED: "closes (FIN)", How.RESET: "resets (RST)"}.get(what, what.value)


def write_capture(folder: Path, stem: str, connections: Sequence[Passed], remark: str, application: str) -> Path:
    """Write connections as one pcapng, with a remark on the first packet, and return its name. Raises `OSError`."""
    make_folder(folder)
    path, descriptor = create_numbered(folder, stem)
    with open(descriptor, "wb") as file:
        about = {"schema": CAPTURE_SCHEMA, "me": Side.CALLER.value, "program": application}
        file.write(opening_blocks(about, application))
        _Replayed(PacketQueue(file.write), remark).write(connections)
    return path


class _Replayed:
    """Tells traces again what passed, at its times."""

    def __init__(self, queue: PacketQueue, remark: str) -> None:
        self._queue = queue
        self._remark = remark
        self._now_s = 0.0
        self._wall_ns = time.time_ns() - time.monotonic_ns()
        self._traces: dict[int, Trace] = {}

    def write(self, connections: Sequence[Passed]) -> None:
        opened = [(passed.connected_s, number, None) for number, passed in enumerate(connections)]
        events = [(event.at_s, number, event) for number, passed in enumerate(connections) for event in passed.events]
        for at_s, number, event in sorted([*opened, *events], key=lambda each: each[0]):
            self._now_s = at_s
            if event is None:
                self._open(number, connections[number])
            else:
                _tell(self._traces[number], event)
        for trace in self._traces.values():
            trace.close()
            if trace.error is not None:
                raise trace.error

    def _open(self, number: int, passed: Passed) -> None:
        self._traces[number] = Trace(
            self._queue, _pair(passed.ours), _pair(passed.theirs), me=Side.CALLER, clock_ns=self._clock_ns
        )
        if number == 0:
            self._traces[number].remark(self._remark)

    def _clock_ns(self) -> int:
        return self._wall_ns + round(self._now_s * 1e9)


def _pair(sockaddr: Any) -> tuple[str, int]:
    return (sockaddr[0], sockaddr[1]) if sockaddr else ("127.0.0.1", DEFAULT_PORT)


def _tell(trace: Trace, event: Event) -> None:
    is_ours = event.side is Side.CALLER
    if event.what is How.RESET and not is_ours:
        trace.was_reset()
    elif event.what is not None:
        trace.ended(sent=is_ours)
    elif is_ours:
        trace.sent(event.data)
    else:
        trace.received(event.data)
