"""Faults of single frames: dropped, corrupted, of a wrong kind; and what is to happen after one.

Frames are found in the stream. What no fault changes passes as it is, split as it was: nothing waits for the rest of a
frame. To the codec any bytes are frames, so the framing counts as lost by the same rule as in `overhearing`: from there
on, nothing is changed any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from audiosocket_cli.call.faults.drawn_fault import DrawnFault
from audiosocket_cli.call.faults.fault_spec import FaultName
from audiosocket_cli.call.overhearing import KNOWN_KINDS, MAX_STRANGE_BYTES
from audiosocket_cli.codec import HEADER_BYTES

_CHANGES: Final = (FaultName.DROP, FaultName.CORRUPT, FaultName.KIND)


class Part(NamedTuple):
    """Some of what was read."""

    data: bytes
    """What is left of it, possibly nothing."""
    remarks: list[str]
    """What was done to it, one line each."""
    then: Sequence[DrawnFault] = ()
    """What is to happen after it."""


class FrameFaults:
    """Changes frames of one direction."""

    __slots__ = ("_changes", "_follow", "_header", "_hits", "_is_strange", "_left", "_number", "_offset", "lost_at")

    def __init__(self, faults: Sequence[DrawnFault]) -> None:
        """Take the faults of a direction; those that are not about frames are ignored."""
        self._changes = [fault for fault in faults if fault.spec.name in _CHANGES]
        self._follow = [fault for fault in faults if fault.spec.after_frame]
        self._number = 0
        """The frame that the stream is in, counted from 1."""
        self._header = b""
        """As much of its header as has come."""
        self._left = 0
        """Bytes of its payload that have not come, once its header has."""
        self._hits: list[DrawnFault] = []
        """The faults that change it."""
        self._is_strange = False
        """Whether the frame before was of an unknown kind."""
        self._offset = 0
        """Bytes of the stream so far."""
        self.lost_at: int | None = None
        """At which byte of the stream its framing was lost."""

    def parts(self, data: bytes) -> list[Part]:
        """Return what becomes of the next bytes, cut only where something is to happen in between."""
        if self.lost_at is not None or not (self._changes or self._follow):
            return [Part(data, [])]
        parts, kept, remarks = list[Part](), bytearray(), list[str]()
        at = 0
        while at < len(data) and self.lost_at is None:
            start, come = at, len(self._header)
            if not come:
                self._begin(remarks)
            at = self._walk(data, at)
            kept += self._changed(data[start:at], come)
            if len(self._header) == HEADER_BYTES and not self._left:
                self._header = b""
                then = [fault for fault in self._follow if fault.spec.after_frame == self._number]
                if then:
                    parts.append(Part(bytes(kept), remarks, then))
                    kept, remarks = bytearray(), []
        kept += data[at:]
        if kept or remarks:
            parts.append(Part(bytes(kept), remarks))
        return parts

    def _begin(self, remarks: list[str]) -> None:
        self._number += 1
        self._hits = [fault for fault in self._changes if fault.spec.hits(self._number)]
        for fault in self._hits:
            fault.count += 1
            remarks.append(f"{fault.label}: at frame {self._number}")

    def _walk(self, data: bytes, at: int) -> int:
        """Go to the end of the frame, or of the data; return where that is."""
        start = at
        if len(self._header) < HEADER_BYTES:
            more = data[at : at + HEADER_BYTES - len(self._header)]
            self._header += more
            at += len(more)
            if len(self._header) == HEADER_BYTES:
                self._left = int.from_bytes(self._header[1:])
                self._judge(self._offset + at - start - HEADER_BYTES)
        if len(self._header) == HEADER_BYTES:
            step = min(self._left, len(data) - at)
            self._left -= step
            at += step
        self._offset += at - start
        return at

    def _judge(self, begins_at: int) -> None:
        is_strange = self._header[0] not in KNOWN_KINDS
        if is_strange and (self._is_strange or self._left > MAX_STRANGE_BYTES):
            self.lost_at = begins_at
            self._hits = []
        self._is_strange = is_strange

    def _changed(self, data: bytes, come: int) -> bytes:
        """Return what becomes of some bytes of the frame, before which `come` bytes of its header had come."""
        for fault in self._hits:
            if fault.spec.name is FaultName.DROP:
                return b""
        payload_at = HEADER_BYTES - come
        for fault in self._hits:
            if fault.spec.name is FaultName.CORRUPT and len(data) > payload_at:
                data = data[:payload_at] + fault.random.randbytes(len(data) - payload_at)
            elif fault.spec.name is FaultName.KIND and not come:
                data = bytes([fault.spec.kind]) + data[1:]
        return data
