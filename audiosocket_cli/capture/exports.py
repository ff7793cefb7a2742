"""Captures into other formats: pcapng, JSON lines, one side's bytes."""

from __future__ import annotations

import binascii
import itertools
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeGuard

from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.capture.conversation import Address, Conversation
from audiosocket_cli.capture.items import MISSING, Captured, CapturedCall, Ended, Item, Lost, Opened, Over, Remark
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.pcapng import opening_blocks, packet_block
from audiosocket_cli.capture.trace import CAPTURE_SCHEMA
from audiosocket_cli.codec import RATE_BY_KIND, Kind, encode
from audiosocket_cli.errors import UsageError
from audiosocket_cli.model import Side
from audiosocket_cli.text import printable

_SEQ_STRIDE: Final = 0x0100_0193
"""How far the sequence numbers of one call begin from those of the next, which may be between the same ports."""

_NOBODY: Final = ("192.0.2.1", "192.0.2.2")
"""Addresses for documentation (RFC 5737), for a caller and a server whose own are not known."""

_MAX_BETWEEN: Final = 1000
"""How many kinds of lines are remembered: a peer can send frames of any length."""

_MIN_PLAIN_S: Final = 1e-4
"""Smaller times have an exponent when they are written."""

_NS: Final = 1_000_000_000


def as_jsonl(items: Iterable[Item]) -> Iterator[bytes]:
    """Yield items as lines of JSON, as bytes.

    Frames of audio are alike but for times, offset and payload: what stands between them is made once for all. Rounding
    a time costs as much as writing it, and most need none.
    """
    between: dict[tuple[CapturedCall, bool, int, int], tuple[bytes, bytes]] = {}
    known, to_base64 = between.get, binascii.b2a_base64
    for item in items:
        if type(item) is Captured:
            call, at_s, side, frame, begun_s, offset, _ = item
            payload = frame.payload
            key = (call, side is Side.CALLER, frame.kind, len(payload))  # the hash of a `Side` itself is a Python step
            parts = known(key)
            if parts is None and frame.kind in RATE_BY_KIND:
                if len(between) >= _MAX_BETWEEN:
                    between.clear()
                parts = between[key] = _between(item)
            if parts is not None and begun_s == at_s:
                time = repr(at_s)
                if at_s < _MIN_PLAIN_S or "." not in time[-10:]:  # more than nine digits after the point
                    time = repr(round(at_s, 9))
                yield b'%b%b%b%d, "payload": "%b"}\n' % (
                    parts[0], time.encode(), parts[1], offset, to_base64(payload, newline=False)
                )  # fmt: skip
                continue
        line = item_line(item)
        if line is not None:
            yield printable(line).encode() + b"\n"


def _between(item: Captured) -> tuple[bytes, bytes]:
    """Return what stands before the time and the offset of frames of audio like this one."""
    line = item_line(item._replace(at_s=0.0, begun_s=0.0, offset=0))
    assert line is not None
    before, _, rest = printable(line).partition('"t": 0.0')
    return f'{before}"t": '.encode(), rest.partition('"offset": 0')[0].encode() + b'"offset": '


def as_bytes(items: Iterable[Item]) -> Iterator[bytes]:
    """Yield the frames of one side as they were on the wire. Raises `UsageError` when there are two, or when calls
    could not be told from each other."""
    only: Side | None = None
    now: CapturedCall | None = None
    for item in items:
        if not isinstance(item, Captured):
            continue
        only = only or item.side
        if item.side is not only:
            raise UsageError("cannot write both sides as bytes of one: choose with --side caller or --side server")
        if item.call is not now:
            if now is not None and item.frame.kind != Kind.UUID:
                raise UsageError("cannot write several calls as bytes of one: choose with --call, as --call 8f269582")
            now = item.call
        yield encode(item.frame)


def as_pcapng(items: Iterable[Item], application: str) -> Iterator[bytes]:
    """Yield the blocks of a pcapng file, a packet for each frame, or for each part of one that came in parts.

    Without times, a call begins in 1970. What is missing is missing here, too: sequence numbers go on after it.
    """
    talks: dict[CapturedCall, _Talk] = {}
    numbers = itertools.count(1)
    begun = False
    waiting: _Packet | None = None  # for the comments on it
    for item in items:
        if isinstance(item, Opened):
            if not begun:
                begun = True
                me = {"me": item.call.me.value} if item.call.me else {}
                yield opening_blocks({"schema": CAPTURE_SCHEMA, **me, "program": application}, application)
            talks[item.call] = _Talk(item.call, next(numbers))
        if not isinstance(item, Opened | Captured | Remark | Lost | Ended | Over):
            continue
        talk = talks[item.call]
        if waiting is not None and waiting.talk is talk:
            if _is_said(item) and waiting.at_s >= item.at_s and not waiting.is_end:
                waiting.comments.append(_said(item))
                continue
            if isinstance(item, Over):
                waiting.comments.extend(talk.take_comments())
        for packet in talk.packets(item):
            if waiting is not None:
                yield waiting.block()
            waiting = packet
        if isinstance(item, Over):
            del talks[item.call]
    if waiting is not None:
        yield waiting.block()
    if not begun:
        yield opening_blocks({"schema": CAPTURE_SCHEMA, "program": application}, application)


def _is_said(item: Item) -> TypeGuard[Remark | Lost]:
    """Whether an item is told in a comment."""
    return isinstance(item, Remark) or (isinstance(item, Lost) and item.reason != MISSING)


def _said(item: Remark | Lost) -> str:
    if isinstance(item, Remark):
        return item.text
    return f"lost {item.lost_bytes} bytes of the {item.side}: {item.reason}"


class _Packet(NamedTuple):
    """A packet of a call, with what is said of it."""

    talk: _Talk
    at_s: float
    data: bytes
    sent: bool
    comments: list[str]
    is_end: bool = False
    """Whether it closes a side. What is said of such a packet reads as said before it."""

    def block(self) -> bytes:
        at_ns = max(0, (self.talk.call.started_ns or 0) + round(self.at_s * _NS))
        return packet_block(at_ns, self.data, outbound=self.sent, comments=self.comments)


class _Talk:
    """One call as packets: what the caller sent is what "we" sent, unless the capture was taken at the server."""

    def __init__(self, call: CapturedCall, number: int) -> None:
        self.call = call
        self._me = call.me or Side.SERVER
        nobody = {Side.CALLER: (_NOBODY[0], 40_000 + number % 20_000), Side.SERVER: (_NOBODY[1], DEFAULT_PORT)}
        ends = {
            Side.CALLER: _address(call.caller, nobody[Side.CALLER]),
            Side.SERVER: _address(call.server, nobody[Side.SERVER]),
        }
        try:
            self._conversation = Conversation(ends[self._me], ends[self._me.other], first_seq=number * _SEQ_STRIDE)
        except ValueError:  # no addresses of one family, in lines that somebody wrote
            self._conversation = Conversation(nobody[self._me], nobody[self._me.other], first_seq=number * _SEQ_STRIDE)
        self._comments: list[str] = []
        """What is left to be said with the next packet."""
        self._last_s = 0.0

    def packets(self, item: Opened | Captured | Remark | Lost | Ended | Over) -> Iterator[_Packet]:
        """Yield what an item is as packets."""
        conversation = self._conversation
        match item:
            case Opened(call, at_s):
                if call.whole:
                    for sent, data in conversation.opening(sent=self._me is Side.CALLER):
                        yield self._packet(at_s, data, sent)
            case Remark() | Lost() if _is_said(item):
                self._comments.append(_said(item))
            case Lost(_, _, side, lost_bytes):
                conversation.lose(lost_bytes, sent=side is self._me)
            case Captured(_, _, side, frame):
                sent = side is self._me
                data = encode(frame)
                for part_s, start, end in _parts(item, len(data)):
                    for packet in conversation.chunk(data[start:end], sent=sent):
                        yield self._packet(part_s, packet, sent)
            case Ended(_, at_s, side, is_reset):
                sent = side is self._me
                last = conversation.reset(sent=sent) if is_reset else conversation.end(sent=sent)
                if last is not None:
                    yield self._packet(at_s, last, sent)._replace(is_end=True)
            case Over():
                if self._comments:
                    yield self._packet(self._last_s, conversation.acknowledgement(sent=True), True)

    def take_comments(self) -> list[str]:
        """Return what is left to be said, for a packet that it can be said with."""
        comments, self._comments = self._comments, []
        return comments

    def _packet(self, at_s: float, data: bytes, sent: bool) -> _Packet:
        self._last_s = max(self._last_s, at_s)
        return _Packet(self, at_s, data, sent, self.take_comments())


def _parts(item: Captured, size: int) -> Iterator[tuple[float, int, int]]:
    """Yield the parts in which a frame of so many bytes came, as far as that is known: when each did, where it begins
    and ends. All but the last are single bytes, no longer apart than the frame's longest gap."""
    part_s, start = item.begun_s, 0
    step_s = max(item.gap_s, (item.at_s - part_s) / (size - 1))
    while part_s < item.at_s and start < size - 1:
        yield part_s, start, start + 1
        part_s, start = part_s + step_s, start + 1
    yield item.at_s, start, size


def _address(text: str, otherwise: Address) -> Address:
    host, _, port = text.rpartition(":")
    if not (host and len(port) <= 5 and port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
        return otherwise
    return host.strip("[]"), int(port)
