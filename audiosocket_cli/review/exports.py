"""Captures into other formats: pcapng, JSON lines, one side's bytes, WAV files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from audiosocket_cli.asterisk import DEFAULT_PORT, Side
from audiosocket_cli.call.facts import Call, TimedFrame
from audiosocket_cli.call.outputs import FileOutput
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.recording import Layout, Recording
from audiosocket_cli.call.taps import FLUSH_S
from audiosocket_cli.capture.conversation import Address, Conversation
from audiosocket_cli.capture.items import Captured, CapturedCall, Ended, Item, Opened, Over, Remark
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.pcapng import opening_blocks, packet_block
from audiosocket_cli.capture.trace import CAPTURE_SCHEMA
from audiosocket_cli.codec import encode
from audiosocket_cli.errors import UsageError

_NOBODY: Final = ("192.0.2.1", "192.0.2.2")
"""Addresses for documentation (RFC 5737), for a caller and a server whose own are not known."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS: Final = 1_000_000_000


def as_jsonl(items: Iterable[Item]) -> Iterator[bytes]:
    """Yield lines of JSON."""
    for item in items:
        line = item_line(item)
        if line is not None:
            yield line.encode() + b"\n"


def as_bytes(items: Iterable[Item]) -> Iterator[bytes]:
    """Yield the frames of one side as they were on the wire. Raises `UsageError` when there are two."""
    only: Side | None = None
    for item in items:
        if isinstance(item, Captured):
            if only is None:
                only = item.side
            if item.side is not only:
                raise UsageError("cannot write both sides as bytes of one: choose with --side caller or --side server")
            yield encode(item.frame)


def as_pcapng(items: Iterable[Item], application: str) -> Iterator[bytes]:
    """Yield the blocks of a pcapng file, a packet for each frame. Without times, a call begins in 1970."""
    talks: dict[CapturedCall, _Talk] = {}
    begun = False
    for item in items:
        if isinstance(item, Opened):
            if not begun:
                begun = True
                me = {"me": item.call.me.value} if item.call.me else {}
                yield opening_blocks({"schema": CAPTURE_SCHEMA, **me, "program": application}, application)
            talks[item.call] = _Talk(item.call, len(talks) + 1)
            yield from talks[item.call].opened(item.at_s)
        elif isinstance(item, Captured | Remark | Ended):
            yield from talks[item.call].blocks(item)
        elif isinstance(item, Over):
            del talks[item.call]
    if not begun:
        yield opening_blocks({"schema": CAPTURE_SCHEMA, "program": application}, application)


class _Talk:
    """One call as packets: what the caller sent is what "we" sent, unless the capture was taken at the server."""

    def __init__(self, call: CapturedCall, number: int) -> None:
        self._call = call
        self._me = call.me or Side.SERVER
        ends = {
            Side.CALLER: _address(call.caller, (_NOBODY[0], 40_000 + number % 20_000)),
            Side.SERVER: _address(call.server, (_NOBODY[1], DEFAULT_PORT)),
        }
        self._conversation = Conversation(ends[self._me], ends[self._me.other])
        self._remarks: list[str] = []

    def opened(self, at_s: float) -> Iterator[bytes]:
        if self._call.whole:
            for sent, packet in self._conversation.opening(sent=self._me is Side.CALLER):
                yield self._block(at_s, packet, sent)

    def blocks(self, item: Captured | Remark | Ended) -> Iterator[bytes]:
        if isinstance(item, Remark):
            self._remarks.append(item.text)
            return
        sent = item.side is self._me
        if isinstance(item, Captured):
            for packet in self._conversation.chunk(encode(item.frame), sent=sent):
                yield self._block(item.at_s, packet, sent)
        else:
            end = self._conversation.reset(sent=sent) if item.reset else self._conversation.end(sent=sent)
            if end is not None:
                yield self._block(item.at_s, end, sent)

    def _block(self, at_s: float, packet: bytes, sent: bool) -> bytes:
        remarks, self._remarks = self._remarks, []
        at_ns = max(0, (self._call.started_ns or 0) + round(at_s * _NS))
        return packet_block(at_ns, packet, outbound=sent, comments=remarks)


def _address(text: str, otherwise: Address) -> Address:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else otherwise


class WavExport:
    """Writes each call that passes to DIR/<uuid>.wav, both sides on true time; one, where a capture has but one."""

    def __init__(self, folder: Path, *, both: bool) -> None:
        """`both` says that captures hold both sides. Raises `UsageError` for a folder that cannot be."""
        self.files: list[Path] = []
        self.errors: list[str] = []
        self._output = FileOutput.in_folder(folder)
        self._output.prepare()
        self._both = both
        self._writing: dict[CapturedCall, _Writing] = {}
        self._calls = 0

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """Hand on all items, and write what they hold."""
        for item in items:
            if isinstance(item, Captured):
                self._of(item.call, item.side).take(item)
            elif isinstance(item, Over) and item.call in self._writing:
                self._end(self._writing.pop(item.call))
            yield item

    def _of(self, call: CapturedCall, side: Side) -> _Writing:
        writing = self._writing.get(call)
        if writing is None:
            self._calls += 1
            layout = Layout.STEREO if self._both else Layout(side.value)
            writing = self._writing[call] = _Writing(call, self._calls, self._output, layout)
        return writing

    def _end(self, writing: _Writing) -> None:
        writing.finish()
        self.files += writing.recording.paths
        if writing.recording.error:
            self.errors.append(writing.recording.error)


class _Writing:
    """A captured call on its way through the tap that records live ones."""

    def __init__(self, captured: CapturedCall, number: int, output: FileOutput, layout: Layout) -> None:
        me = captured.me or Side.SERVER
        started_at = _EPOCH + timedelta(microseconds=(captured.started_ns or 0) / 1000)
        self.recording = Recording(layout, output)
        self._call = Call(me, captured.caller, captured.uuid or UUID(int=number), started_at, Pacer(0.0))
        self._batches: dict[Side, list[TimedFrame]] = {side: [] for side in Side}
        self._flushed_s = 0.0
        self.recording.opened(self._call)

    def take(self, item: Captured) -> None:
        self._batches[item.side].append(TimedFrame(item.at_s, item.frame))
        self._call.duration_s = max(self._call.duration_s, item.at_s)
        if item.at_s - self._flushed_s >= FLUSH_S:
            self._flush()

    def finish(self) -> None:
        self._flush()
        self.recording.closed(self._call)

    def _flush(self) -> None:
        self._flushed_s = self._call.duration_s
        heard, said = (self._batches[side] for side in (self._call.me.other, self._call.me))
        self.recording.frames(heard, said, self._flushed_s)
        for batch in self._batches.values():
            batch.clear()
