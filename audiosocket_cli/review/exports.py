"""Captures into other formats: pcapng, JSON lines, one side's bytes, WAV files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from audiosocket_cli.asterisk import DEFAULT_PORT, Side
from audiosocket_cli.call.facts import Call
from audiosocket_cli.call.outputs import FileOutput
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.recording import Layout, Recording
from audiosocket_cli.call.runs import Chunk, in_runs
from audiosocket_cli.call.taps import FLUSH_S
from audiosocket_cli.capture.conversation import Address, Conversation
from audiosocket_cli.capture.items import Captured, CapturedCall, Ended, Item, Lost, Opened, Over, Remark
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.capture.pcapng import opening_blocks, packet_block
from audiosocket_cli.capture.trace import CAPTURE_SCHEMA
from audiosocket_cli.codec import Kind, encode
from audiosocket_cli.errors import UsageError
from audiosocket_cli.media.containers import WAV_SUFFIX, container_of
from audiosocket_cli.review.selection import EVERYTHING, Selection
from audiosocket_cli.text import printable

_SEQ_STRIDE: Final = 0x0100_0193
"""How far the sequence numbers of one call begin from those of the next, which may be between the same ports."""

_NOBODY: Final = ("192.0.2.1", "192.0.2.2")
"""Addresses for documentation (RFC 5737), for a caller and a server whose own are not known."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS: Final = 1_000_000_000
_MAX_PAUSE_S: Final = 86_400.0
"""A longer pause is no hold but a clock that was set, or files that were joined, and would fill many WAV files."""


def as_jsonl(items: Iterable[Item]) -> Iterator[bytes]:
    """Yield lines of JSON."""
    for item in items:
        line = item_line(item)
        if line is not None:
            yield printable(line).encode() + b"\n"


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

    Without times, a call begins in 1970. What is missing is told in comments.
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
            if isinstance(item, Remark | Lost) and waiting.at_s >= item.at_s and not waiting.is_end:
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
            case Remark() | Lost():
                self._comments.append(_said(item))
            case Captured(_, at_s, side, frame, begun_s):
                sent = side is self._me
                data = encode(frame)
                if begun_s != at_s:
                    for packet in conversation.chunk(data[:1], sent=sent):
                        yield self._packet(begun_s, packet, sent)
                    data = data[1:]
                for packet in conversation.chunk(data, sent=sent):
                    yield self._packet(at_s, packet, sent)
            case Ended(_, at_s, side, is_reset):
                sent = side is self._me
                end = conversation.reset(sent=sent) if is_reset else conversation.end(sent=sent)
                if end is not None:
                    yield self._packet(at_s, end, sent)._replace(is_end=True)
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


def _address(text: str, otherwise: Address) -> Address:
    host, _, port = text.rpartition(":")
    if not (host and len(port) <= 5 and port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
        return otherwise
    return host.strip("[]"), int(port)


class WavExport:
    """Writes each call that passes to a WAV file, both sides on true time; one, where there is but one.

    What is selected by time begins at the time that was asked for: second 0 of the file is second `from_s` of the call.
    """

    def __init__(self, name: Path | str, selection: Selection = EVERYTHING, *, force: bool = False) -> None:
        """Write what is selected to DIR/<uuid>.wav, or to the file that has been named, and, from the second call on,
        to others beside it, as NAME-2.wav. Raises `UsageError` for a name that cannot be, or is taken."""
        self.files: list[Path] = []
        self.errors: list[str] = []
        self.notes: list[str] = []
        """What was done to true time, of each file that has something to tell."""
        self._selection = selection
        self._name, self._force = Path(name), force
        _refuse_other_sound(name)
        self.is_one_file = names_a_file(name)
        """Whether a file was named rather than a folder."""
        self._output = FileOutput(name, overwrite=force) if self.is_one_file else FileOutput.in_folder(self._name)
        self._output.prepare()
        self._writing: dict[CapturedCall, _Writing] = {}
        self._calls = 0

    def watch(self, items: Iterable[Item], *, both: bool) -> Iterator[Item]:
        """Hand on all items, and write what they hold; `both` says that they may hold both sides of a call."""
        both = both and self._selection.side is None
        for item in items:
            if isinstance(item, Captured):
                if self._selection.takes(item):
                    self._of(item.call, None if both else item.side).take(item)
                elif item.call in self._writing:
                    self._writing[item.call].note_time(item.at_s)
            elif isinstance(item, Ended | Over) and item.call in self._writing:
                if isinstance(item, Over):
                    self._end(self._writing.pop(item.call))
                else:
                    self._writing[item.call].note_time(item.at_s)
            yield item

    def close(self) -> None:
        """Complete the files of calls that have not ended."""
        while self._writing:
            self._end(self._writing.popitem()[1])

    def _of(self, call: CapturedCall, side: Side | None) -> _Writing:
        writing = self._writing.get(call)
        if writing is None:
            self._calls += 1
            layout = Layout(side.value) if side else Layout.STEREO
            writing = _Writing(call, self._calls, self._next_output(), layout, self._selection)
            self._writing[call] = writing
        return writing

    def _next_output(self) -> FileOutput:
        if self.is_one_file and self._calls > 1:
            name = self._name.with_name(f"{self._name.stem}-{self._calls}{self._name.suffix}")
            self._output = FileOutput(name, overwrite=self._force)
        return self._output

    def _end(self, writing: _Writing) -> None:
        writing.finish()
        self.files += writing.recording.paths
        self.notes += [f"{path.name}: {note}" for path in writing.recording.paths[:1] for note in writing.notes]
        error = writing.error or writing.recording.error
        if error:
            self.errors.append(error)


def names_a_file(name: Path | str) -> bool:
    """Whether a name is that of a WAV file, rather than of a folder, or of a file for each call."""
    path = Path(name)
    is_file = path.suffix.lower() == WAV_SUFFIX and "{" not in path.name
    return is_file and not str(name).endswith(os.sep) and not path.is_dir()


def _refuse_other_sound(name: Path | str) -> None:
    """Refuse what is meant as a sound file, and would be a folder of WAV files."""
    path = Path(name)
    if path.is_dir() or str(name).endswith(os.sep) or path.suffix.lower() in ("", WAV_SUFFIX):
        return
    try:
        container_of(path)
    except UsageError:
        return  # no sound has that suffix
    raise UsageError(
        f"cannot write {path}: --wav writes WAV; name it {path.with_suffix(WAV_SUFFIX)}, or {path}{os.sep} for a folder"
    )


class _Writing:
    """A captured call on its way through the tap that records live ones."""

    def __init__(
        self, captured: CapturedCall, number: int, output: FileOutput, layout: Layout, selection: Selection
    ) -> None:
        me = captured.me or Side.SERVER
        self._since_s, self._until_s = max(0.0, selection.from_s), selection.to_s
        started_ns = (captured.started_ns or 0) + self._since_s * _NS
        self.recording = Recording(layout, output)
        self._call = Call(
            me, captured.caller, captured.uuid or UUID(int=number), _EPOCH + timedelta(microseconds=started_ns / 1000),
            Pacer(0.0),
        )  # fmt: skip
        self._batches: dict[Side, list[Chunk]] = {side: [] for side in Side}
        self._flushed_s = 0.0
        self.error: str | None = None
        """Why not all of it is written, beside what stopped the recording."""
        self.recording.opened(self._call)

    @property
    def notes(self) -> list[str]:
        """What the recording has to tell."""
        return self._call.notes

    def take(self, item: Captured) -> None:
        at_s = item.at_s - self._since_s
        pause_s = at_s - self._call.duration_s
        if pause_s > _MAX_PAUSE_S and self.error is None:
            self.error = (
                f"after {self._call.duration_s:.1f} s comes a pause of {pause_s / 86_400:.1f} days, and files end "
                f"there; write what comes after it with --from {item.at_s:.0f}"
            )
        if self.error is not None:
            return
        self._batches[item.side].append((at_s, 0.0, 1, encode(item.frame)))
        self.note_time(item.at_s)
        if at_s - self._flushed_s >= FLUSH_S:
            self._flush()

    def note_time(self, at_s: float) -> None:
        """Hear that the call has lasted as long, whatever of that is selected.

        A pause that is too long to be written is not waited through.
        """
        lasted_s = min(at_s, self._until_s) - self._since_s
        if lasted_s - self._call.duration_s <= _MAX_PAUSE_S:
            self._call.duration_s = max(self._call.duration_s, lasted_s)

    def finish(self) -> None:
        self._flush()
        self.recording.closed(self._call)

    def _flush(self) -> None:
        self._flushed_s = self._call.duration_s
        heard, said = (in_runs(self._batches[side]) for side in (self._call.me.other, self._call.me))
        self.recording.frames(heard, said, self._flushed_s)
        for batch in self._batches.values():
            batch.clear()
