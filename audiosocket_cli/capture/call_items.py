"""The items of a connection that is a call: the frames of both sides, comments, and their ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audiosocket_cli.capture.items import Captured, CapturedCall, Ended, Item, Over, Remark
from audiosocket_cli.capture.streams import Stream
from audiosocket_cli.capture.tcp import Direction
from audiosocket_cli.capture.undecided import Event
from audiosocket_cli.codec import HEADER_BYTES, Frame
from audiosocket_cli.model import Side

_NS: Final = 1e9


class CallItems:
    """Makes items of what happens on a connection. Its ends are 0 and 1, one of which is the caller."""

    def __init__(self, call: CapturedCall, caller: int, directions: tuple[Direction, Direction]) -> None:
        self.call = call
        self.missing_bytes = 0
        """Bytes that are not in the capture."""
        self._caller = caller
        self._directions = directions
        # Where the UUID was seen, so was all that followed, be it that the connection's own beginning was not.
        first, second = (Stream(in_step=call.uuid is not None or way.from_start) for way in directions)
        self._streams = (first, second)

    def of(self, event: Event) -> Iterator[Item]:
        """Yield what an event brings."""
        at_ns, who, happened = event
        call, at_s, side = self.call, self.seconds(at_ns), self._side(who)
        if isinstance(happened, str):
            yield Remark(call, at_s, happened)
        elif happened is None:
            yield from self._streams[who].finish(call, side, at_s)
            yield Ended(call, at_s, side, self._directions[who].was_reset)
        elif happened.lost_bytes:
            self.missing_bytes += happened.lost_bytes
            yield from self._streams[who].lose(call, side, at_s, happened.lost_bytes)
        else:
            yield from self._streams[who].feed(call, side, at_s, happened.data)

    def take_frame(self, who: int, at_ns: int, data: bytes) -> Captured | None:
        """Return the frame of an end's next bytes, if they are one frame and no more; else take nothing."""
        stream = self._streams[who]
        size = len(data)
        if size < HEADER_BYTES or data[1] << 8 | data[2] != size - HEADER_BYTES or not stream.is_between_frames:
            return None
        call, offset = self.call, stream.offset
        stream.offset += size
        at_s = (at_ns - (call.started_ns or 0)) / _NS
        frame = Frame(data[0], data[HEADER_BYTES:])
        return Captured(call, at_s, Side.CALLER if who == self._caller else Side.SERVER, frame, at_s, offset)

    def is_between_frames(self, who: int) -> bool:
        """Whether a frame of an end is to begin now."""
        return self._streams[who].is_between_frames

    def go_on(self, who: int, size: int) -> tuple[Side, int]:
        """Take frames of an end, which has `is_between_frames`, of so many bytes; return its side and the offset where
        they begin."""
        stream = self._streams[who]
        stream.offset += size
        return self._side(who), stream.offset - size

    def finish(self, last_ns: int) -> Iterator[Item]:
        """Yield what is left at the end: frames that are cut."""
        at_s = self.seconds(last_ns)
        for who, stream in enumerate(self._streams):
            yield from stream.finish(self.call, self._side(who), at_s)
            if not self._directions[who].is_seen:
                self.call.unseen = self._side(who)

    def over(self) -> Over:
        """Return the last item of all."""
        return Over(self.call)

    def seconds(self, at_ns: int) -> float:
        """Return a time as seconds since the call's start."""
        return (at_ns - (self.call.started_ns or 0)) / _NS

    def _side(self, who: int) -> Side:
        return Side.CALLER if who == self._caller else Side.SERVER
