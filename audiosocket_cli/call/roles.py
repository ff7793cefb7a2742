"""The two roles in a call: a server that Asterisk dialled, and a stand-in for Asterisk. How they differ, and no more.

A role has no state and does nothing to a call. It judges what the peer did: it returns how the call ends there, or None
while the call goes on.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar
from uuid import UUID

from audiosocket_cli.asterisk.rules import (
    PROXY_HEADER_FAULT,
    SECOND_HEADER_FAULT,
    ended_by,
    fault_of_opening,
    fault_towards_asterisk,
)
from audiosocket_cli.codec import Frame, Kind, describe_error, encode, is_audio, kind_name, peek_header, uuid_frame
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call, Ending, How, Side


class Role(ABC):
    """The behaviour of one end of a call. `me` is the side that we are."""

    me: ClassVar[Side]
    goodbye: ClassVar[How] = How.HANGUP
    """The `How` of a call that we end."""
    last_words: ClassVar[bytes] = b""
    """What we send last; we half-close after it."""
    reads_in_bulk: ClassVar[bool] = True
    """Whether it may read in bulk, a few times a second, rather than when something arrives."""
    frame_timeout_s: ClassVar[float] = math.inf
    """How long the peer may take between two parts of a frame."""

    def first_words(self, uuid: UUID) -> bytes:
        """Return what we send on connecting; empty for the end that waits for the peer's UUID."""
        return b""

    def fault_of_opening(self, received: bytes) -> str | None:
        """Judge the first bytes of a connection; None while they may still become a UUID frame."""
        return fault_of_opening(received)

    @abstractmethod
    def ends_with(self, kind: int) -> bool:
        """Whether a frame of this kind that is not audio ends the call."""

    @abstractmethod
    def judge(self, frame: Frame, call: Call) -> Ending | None:
        """Judge a whole frame that is not audio, and note what is odd about it. Digits are handled elsewhere."""

    def judge_begun(self, begun: bytes) -> Ending | None:
        """Judge a frame by the part that has arrived."""
        return None

    def judge_blocked(self, *, is_patient: bool) -> Ending | None:
        """Judge a peer that does not read while a frame is due; `is_patient` says that we wait for it."""
        return None

    def our_ending(self, reason: str) -> Ending:
        """Return how a call ends that we end."""
        return Ending(self.me, self.goodbye, reason)


class Answering(Role):
    """A call that Asterisk dialled: it says its UUID, we speak from then on, and end with a hangup."""

    me = Side.SERVER
    # Releases before 20.14, 21.9 and 22.4 spin at 100 % CPU on a bare close (`ast_audiosocket_receive_frame`), so:
    # hangup, half-close, read to the end, close.
    last_words = encode(Frame(Kind.HANGUP))

    def ends_with(self, kind: int) -> bool:
        return kind == Kind.HANGUP

    def judge(self, frame: Frame, call: Call) -> Ending | None:
        if frame.kind == Kind.HANGUP:  # no release of Asterisk sends it, other callers do
            return Ending(Side.CALLER, How.HANGUP, "caller hung up")
        if frame.kind == Kind.ERROR:
            call.note(tagged("caller-error", f"caller reported an error: {describe_error(frame.payload)}"))
        elif frame.kind == Kind.UUID:
            call.note(tagged("second-uuid", "ignored a second UUID frame"))
        elif is_audio(frame.kind):
            call.note(tagged("caller-sends-empty-audio", "ignored an audio frame of length 0"))
        elif frame.kind != Kind.DTMF:
            call.note(tagged("caller-sends-unknown-kind", f"ignored frames of unknown kind {kind_name(frame.kind)}"))
        return None


class AnsweringProxied(Answering):
    """The same behind a proxy, whose header has been read."""

    def fault_of_opening(self, received: bytes) -> str | None:
        fault = super().fault_of_opening(received)
        return SECOND_HEADER_FAULT if fault == PROXY_HEADER_FAULT else fault


class Placing(Role):
    """A call that we place as Asterisk would: UUID first, 20 ms frames, and as picky about what comes back.

    Asterisk never says goodbye: it closes (`audiosocket_exec`). So do we, but in two steps: closing a socket with
    something left to read resets it, and a reset takes our last frames with it if they are still on their way.
    """

    me = Side.CALLER
    goodbye = How.CLOSED
    reads_in_bulk = False  # how a server answers is measured frame by frame
    frame_timeout_s = 1.0  # Asterisk gives the rest of a payload 5 ms; a busy machine of ours needs more to be sure

    def first_words(self, uuid: UUID) -> bytes:
        return encode(uuid_frame(uuid))

    def ends_with(self, kind: int) -> bool:
        return True

    def judge(self, frame: Frame, call: Call) -> Ending | None:
        if frame.kind == Kind.HANGUP:
            return Ending(Side.SERVER, How.HANGUP, "server hung up")
        return self._fault_of(frame)

    def judge_begun(self, begun: bytes) -> Ending | None:
        # Asterisk too judges a frame by its header, and does not wait for 64 KiB of somebody's web page.
        header = peek_header(begun)
        if header is None or fault_towards_asterisk(Frame(header[0], begun)) is None:
            return None
        if begun.startswith(b"HTTP"[: len(begun)]):
            return Ending(Side.SERVER, How.FAULT, "not an AudioSocket server: it answered in HTTP")
        return self._fault_of(Frame(header[0], begun))

    def judge_blocked(self, *, is_patient: bool) -> Ending | None:
        if is_patient:
            return None
        # Asterisk takes a write that does not go out whole for the end (`ast_audiosocket_send_frame`).
        reason = "the server, or the network, takes no more: our buffers are full; Asterisk ends the call here"
        return Ending(Side.SERVER, How.FAULT, reason)

    def _fault_of(self, frame: Frame) -> Ending:
        fault = fault_towards_asterisk(frame)
        return Ending(Side.SERVER, How.FAULT, ended_by(fault or ""))
