"""The two ends of a call: a server that Asterisk dialled, and a stand-in for Asterisk. How they differ, and no more."""

from __future__ import annotations

from audiosocket_cli.asterisk.rules import fault_towards_asterisk
from audiosocket_cli.call.session import Session
from audiosocket_cli.codec import Frame, Kind, describe_error, encode, is_audio, kind_name, peek_header, uuid_frame
from audiosocket_cli.model import Ending, How, Side


class AnsweredSession(Session):
    """A call that Asterisk dialled: it says its UUID, we speak from then on, and end with a hangup."""

    __slots__ = ()
    me = Side.SERVER

    def _ends_with(self, kind: int) -> bool:
        return kind == Kind.HANGUP

    def _accept(self, frame: Frame, now_s: float) -> None:
        assert self.call is not None
        if frame.kind == Kind.DTMF:
            self._accept_digit(frame, now_s)
        elif frame.kind == Kind.HANGUP:  # no release of Asterisk sends it, other callers do
            self._finish(Ending(Side.CALLER, How.HANGUP, "caller hung up"))
        elif frame.kind == Kind.ERROR:
            self.call.note(f"caller reported an error: {describe_error(frame.payload)}")
        elif frame.kind == Kind.UUID:
            self.call.note("ignored a second UUID frame")
        elif is_audio(frame.kind):
            self.call.note("ignored an audio frame of length 0")
        else:
            self.call.note(f"ignored frames of unknown kind {kind_name(frame.kind)}")

    def _part(self) -> None:
        # Releases before 20.14, 21.9 and 22.4 spin at 100 % CPU on a bare close (`ast_audiosocket_receive_frame`), so:
        # hangup, half-close, read to the end, close.
        self.wire.end_sending(encode(Frame(Kind.HANGUP)))


class PlacedSession(Session):
    """A call that we place as Asterisk would: UUID first, 20 ms frames, and as picky about what comes back."""

    __slots__ = ()
    me = Side.CALLER
    _our_goodbye = How.CLOSED
    _may_read_in_bulk = False  # how a server answers is measured frame by frame
    _frame_timeout_s = 1.0  # Asterisk gives the rest of a payload 5 ms; a busy machine of ours needs more to be sure

    def _greet(self) -> None:
        self.wire.send(encode(uuid_frame(self._uuid)))
        self._open(self._uuid, self._clock())

    def _ends_with(self, kind: int) -> bool:
        return True

    def _accept(self, frame: Frame, now_s: float) -> None:
        if frame.kind == Kind.HANGUP:
            self._finish(Ending(Side.SERVER, How.HANGUP, "server hung up"))
        else:
            fault = fault_towards_asterisk(frame)
            self._finish(Ending(Side.SERVER, How.FAULT, f"{fault}; Asterisk ends the call here"))

    def _judge_header(self, begun: bytes, now_s: float) -> None:
        # Asterisk too judges a frame by its header, and does not wait for 64 KiB of somebody's web page.
        header = peek_header(begun)
        if header is None or fault_towards_asterisk(Frame(header[0], begun)) is None:
            return
        if begun.startswith(b"HTTP"[: len(begun)]):
            self._finish(Ending(Side.SERVER, How.FAULT, "no AudioSocket server: it answered in HTTP"))
        else:
            self._accept(Frame(header[0], begun), now_s)

    def _blocked(self, now_s: float) -> None:
        if self.source.is_patient:
            super()._blocked(now_s)
            return
        # Asterisk takes a write that does not go out whole for the end (`ast_audiosocket_send_frame`).
        reason = "the server, or the network, takes no more: our buffers are full; Asterisk ends the call here"
        self._end_call(Ending(Side.SERVER, How.FAULT, reason))

    def _part(self) -> None:
        # Asterisk never says goodbye: it closes (`audiosocket_exec`). So do we, but in two steps: closing a socket with
        # something left to read resets it, and a reset takes our last frames with it if they are still on their way.
        self.wire.end_sending()
