"""Captures as JSON lines, an item a line; what is written reads as the same items, which write the same bytes again.

Lines can be written by hand, too: {"t": 1.2, "digit": "5"} is a frame, and what only a script says is a `Step`.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.capture.items import (
    CallNames,
    Captured,
    CapturedCall,
    Damage,
    Ended,
    Item,
    Lost,
    NoCall,
    Opened,
    Over,
    Remark,
    Step,
)
from audiosocket_cli.capture.window import Window
from audiosocket_cli.codec import (
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    RATE_BY_KIND,
    SAMPLE_BYTES,
    Frame,
    Kind,
    decode_digit,
    decode_uuid,
    describe_error,
    digit_frame,
    kind_name,
    kind_named,
    uuid_frame,
)
from audiosocket_cli.errors import FrameError
from audiosocket_cli.model import Side

SCHEMA: Final = "audiosocket.frames/1"

_MAX_LINE_BYTES: Final = 1 << 20
"""The longest frame is 88 KiB as a line."""

_NS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_S: Final = 1e10
"""Some centuries: no capture is longer."""
_MAX_COUNT: Final = 1 << 63

_FRACTION: Final = re.compile(r"[.,](\d{1,9})", re.ASCII)
_NAME: Final = re.compile(r"[\w#-][\w#.-]{0,99}")
_STEPS: Final = ("play", "silence_ms", "expect", "hangup")
_EVENTS: Final = ("opened", "comment", "lost", "closed", "reset", "no-call", "damage")


def is_capture_line(facts: dict[str, Any]) -> bool:
    """Whether an object is a line of a capture, as this is written here or by hand."""
    if facts.get("schema", SCHEMA) != SCHEMA or isinstance(facts.get("call"), dict):
        return False
    return (
        facts["event"] in _EVENTS
        if "event" in facts
        else any(name in facts for name in ("t", "payload", "digit", *_STEPS))
    )


def item_line(item: Item) -> str | None:
    """Return an item as a line of JSON without its end; None for one that says nothing in this format."""
    match item:
        case Captured(call, at_s, side, frame, begun_s, offset, gap_s):
            begun = "" if begun_s == at_s else f', "begun_t": {_seconds(begun_s)}'
            if round(gap_s, 9) != round(at_s - begun_s, 9):
                begun += f', "gap_s": {_seconds(gap_s)}'
            payload = binascii.b2a_base64(frame.payload, newline=False).decode()
            return (  # the reader lets no name through that would have to be quoted
                f'{{"call": "{call.name}", "t": {_seconds(at_s)}, "side": "{side}", "kind": "{kind_name(frame.kind)}", '
                f'"bytes": {len(frame.payload)}, {_meaning(frame)}"offset": {offset}{begun}, "payload": "{payload}"}}'
            )
        case Opened(call, at_s):
            return json.dumps(
                {"schema": SCHEMA, "call": call.name, "t": round(at_s, 9), "event": "opened",
                 "uuid": str(call.uuid) if call.uuid else None, "at": _rfc3339(call.started_ns),
                 "caller": call.caller, "server": call.server, "me": call.me, "whole": call.whole},
                ensure_ascii=False,
            )  # fmt: skip
        case Remark(call, at_s, text):
            return _event(call, at_s, "comment", text=text)
        case Lost(call, at_s, side, lost_bytes, reason):
            return _event(call, at_s, "lost", side=side, bytes=lost_bytes, reason=reason)
        case Ended(call, at_s, side, reset):
            return _event(call, at_s, "reset" if reset else "closed", side=side)
        case NoCall(started_ns, caller, server, reason):
            return json.dumps(
                {"event": "no-call", "at": _rfc3339(started_ns), "caller": caller, "server": server, "reason": reason},
                ensure_ascii=False,
            )
        case Damage(offset, reason, skipped_bytes):
            return json.dumps(
                {"event": "damage", "offset": offset, "reason": reason, "skipped_bytes": skipped_bytes},
                ensure_ascii=False,
            )
        case Over() | Step():
            return None


class JsonlReader:
    """Reads lines to items and, where `scripts` says that it may hold such, steps."""

    def __init__(self, window: Window, *, resync: bool, scripts: bool = False) -> None:
        self._window = window
        self._resync = resync
        self._scripts = scripts
        self._calls: dict[str, _Known] = {}
        """Those that go on, by their name in the lines."""
        self._names = CallNames()
        self._used: set[str] = set()
        self._last_s = 0.0

    def __iter__(self) -> Iterator[Item]:
        number = 0
        while self._window.ensure(1):
            number += 1
            offset = self._window.offset
            line = self._take_line()
            try:
                if line is None:
                    raise ValueError(f"longer than any frame: over {_MAX_LINE_BYTES} bytes")
                yield from self._read(line, number)
            except (ValueError, OverflowError, RecursionError) as error:
                skipped = self._window.offset - offset if self._resync else None
                yield Damage(offset, f"line {number}: {_first_line(error)}", skipped)
                if not self._resync:
                    break
        for known in self._calls.values():
            yield Over(known.call)

    def _take_line(self) -> bytes | None:
        """Consume a line, and return it; None for one that is too long."""
        window = self._window
        end, seen = -1, 0
        is_whole = True
        while (end := window.data.find(b"\n", window.at + seen)) < 0:
            seen = window.size
            if seen > _MAX_LINE_BYTES:
                window.at, seen, is_whole = len(window.data), 0, False
            if not window.ensure(seen + 1):
                break
        line = window.take(end + 1 - window.at if end >= 0 else window.size)
        return line if is_whole and len(line) <= _MAX_LINE_BYTES else None

    def _read(self, line: bytes, number: int) -> Iterator[Item]:
        text = line.decode("utf-8-sig").strip()
        if not text or text.startswith(("#", "//")):
            return
        facts = json.loads(text)
        if not isinstance(facts, dict):
            raise ValueError(f"it is not a JSON object but {text[:40]!r}")
        if facts.get("schema", SCHEMA) != SCHEMA:
            raise ValueError(f"it is JSON of {facts['schema']!r:.60}, not a line of a capture")
        match facts.get("event"):
            case "no-call":
                yield NoCall(_ns(facts, "at") or 0, *(_text(facts, name) for name in ("caller", "server", "reason")))
            case "damage":
                skipped = None if facts.get("skipped_bytes") is None else _count(facts, "skipped_bytes")
                yield Damage(_count(facts, "offset"), _text(facts, "reason"), skipped)
            case "opened":
                yield from self._open(facts)
            case _:
                yield from self._read_in_call(facts, number)

    def _open(self, facts: dict[str, Any]) -> Iterator[Item]:
        uuid = _uuid(facts) if facts.get("uuid") is not None else None
        me = _side(facts, "me") if facts.get("me") is not None else None
        whole = facts.get("whole", True)
        at_s = _seconds_of(facts, "t") or 0.0
        name = _name(facts, str(uuid) if uuid else "script")
        call = CapturedCall(
            name, uuid, _text(facts, "caller"), _text(facts, "server"), _ns(facts, "at"), me, whole=whole is True
        )
        if name in self._calls:  # lines of several captures in one file
            yield Over(self._calls.pop(name).call)
        yield self._begin(call, at_s)

    def _begin(self, call: CapturedCall, at_s: float) -> Opened:
        known = self._calls[call.name] = _Known(call)
        while call.name in self._used:
            call.name = self._names.name(call.uuid)
        self._used.add(call.name)
        return Opened(known.call, at_s)

    def _read_in_call(self, facts: dict[str, Any], number: int) -> Iterator[Item]:
        at_s = _seconds_of(facts, "t")
        what = next((name for name in _STEPS if name in facts), None)
        if what is not None:
            if not self._scripts:
                raise ValueError(f"{what!r} is a step of a script; only replay takes it")
            self._last_s = self._last_s if at_s is None else at_s
            yield Step(at_s, what, facts, number)
            return
        name, at_s = _name(facts, "script"), self._last_s if at_s is None else at_s
        call = self._calls[name].call if name in self._calls else CapturedCall(name)
        item = _item(call, at_s, facts)
        if name not in self._calls:
            yield self._begin(call, min(at_s, 0.0))
        self._last_s = at_s
        yield self._calls[name].take(item)
        if self._calls[name].has_ended:
            yield Over(self._calls.pop(name).call)


class _Known:
    """A call that goes on: where its sides are."""

    def __init__(self, call: CapturedCall) -> None:
        self.call = call
        self._offsets = dict.fromkeys(Side, 0)
        self._ended: set[Side] = set()

    @property
    def has_ended(self) -> bool:
        """Whether both sides have closed."""
        return len(self._ended) == len(Side)

    def take(self, item: Remark | Lost | Ended | Captured) -> Item:
        """Return the item, a frame with its offset. Raises `ValueError` for one beyond what can be written."""
        match item:
            case Captured():
                if item.offset < 0:
                    item = item._replace(offset=self._offsets[item.side])
                self._move(item.side, item.offset + HEADER_BYTES + len(item.frame.payload))
            case Lost():
                self._move(item.side, self._offsets[item.side] + item.lost_bytes)
            case Ended():
                self._ended.add(item.side)
        return item

    def _move(self, side: Side, offset: int) -> None:
        if offset >= _MAX_COUNT:
            raise ValueError(f"the {side} would have sent {offset} bytes, which is too many")
        self._offsets[side] = offset


def _item(call: CapturedCall, at_s: float, facts: dict[str, Any]) -> Remark | Lost | Ended | Captured:
    """Return what a line says of a call; a frame without an offset has a negative one."""
    event = facts.get("event")
    if event == "comment":
        return Remark(call, at_s, _text(facts, "text"))
    side = _side(facts, "side")
    if event == "lost":
        return Lost(call, at_s, side, _count(facts, "bytes"), _text(facts, "reason"))
    if event in ("closed", "reset"):
        return Ended(call, at_s, side, event == "reset")
    if event is not None:
        raise ValueError(f"{event!r} is not an event of a capture")
    offset = _count(facts, "offset") if "offset" in facts else -1
    begun_s, gap_s = _seconds_of(facts, "begun_t"), _seconds_of(facts, "gap_s")
    begun_s = at_s if begun_s is None else begun_s
    gap_s = round(at_s - begun_s, 9) if gap_s is None else gap_s
    return Captured(call, at_s, side, _frame(facts), begun_s, offset, gap_s)


def _frame(facts: dict[str, Any]) -> Frame:
    if "payload" in facts:
        payload = binascii.a2b_base64(_text(facts, "payload"), strict_mode=True)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a payload of {len(payload)} bytes is longer than a frame can hold")
        return Frame(kind_named(_text(facts, "kind", "slin")), payload)
    if "digit" in facts:
        return digit_frame(_text(facts, "digit"))
    if "uuid" in facts:
        return uuid_frame(_uuid(facts))
    raise ValueError('it has nothing to send: write a "digit", a "payload", or a step of a script')


def _name(facts: dict[str, Any], default: str) -> str:
    """Return a call's name, which may become that of a file, and has nothing in it that JSON would quote."""
    name = _text(facts, "call", default)
    if not _NAME.fullmatch(name):
        raise ValueError(f'"call" is {name[:40]!r}: a name has letters, digits, "-", "_", "." and "#"')
    return name


def _text(facts: dict[str, Any], name: str, default: str = "") -> str:
    value = facts.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f'"{name}" is {value!r:.40}, which is not text')
    value.encode()  # JSON can say half characters; they could not be written again
    return value


def _count(facts: dict[str, Any], name: str) -> int:
    value = facts.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_COUNT:
        raise ValueError(f'"{name}" is {value!r:.40}, which is not a number of bytes')
    return value


def _side(facts: dict[str, Any], name: str) -> Side:
    return Side(_text(facts, name, Side.CALLER))


def _uuid(facts: dict[str, Any]) -> UUID:
    return UUID(_text(facts, "uuid"))


def _seconds_of(facts: dict[str, Any], name: str) -> float | None:
    if name not in facts:
        return None
    value = facts[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MAX_S:
        raise ValueError(f'"{name}" is {value!r:.40}, which is not a number of seconds')
    return float(value)


def _meaning(frame: Frame) -> str:
    """Return what a frame's payload stands for as the inner part of a JSON object, with a comma after it."""
    rate_hz = RATE_BY_KIND.get(frame.kind)
    if rate_hz:
        return f'"ms": {round(len(frame.payload) // SAMPLE_BYTES * 1000 / rate_hz, 3):.10g}, '
    try:
        if frame.kind == Kind.DTMF:
            return f'"digit": {json.dumps(decode_digit(frame.payload))}, '
        if frame.kind == Kind.UUID:
            return f'"uuid": "{decode_uuid(frame.payload)}", '
    except FrameError:
        return ""
    return f'"error": {json.dumps(describe_error(frame.payload))}, ' if frame.kind == Kind.ERROR else ""


def _event(call: CapturedCall, at_s: float, name: str, **facts: Any) -> str:
    return json.dumps({"call": call.name, "t": round(at_s, 9), "event": name, **facts}, ensure_ascii=False)


def _seconds(value: float) -> str:
    return repr(round(value, 9))


def _rfc3339(at_ns: int | None) -> str | None:
    """Return a wall-clock time in UTC to the nanosecond."""
    if at_ns is None:
        return None
    seconds, rest_ns = divmod(at_ns, _NS)
    at = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{at.isoformat()}.{rest_ns:09d}Z"


def _ns(facts: dict[str, Any], name: str) -> int | None:
    """Return a wall-clock time in ns since 1970; without an offset it is UTC."""
    if facts.get(name) is None:
        return None
    text = _text(facts, name)
    at = datetime.fromisoformat(text)
    try:
        since = at.replace(microsecond=0, tzinfo=at.tzinfo or UTC).astimezone(UTC) - _EPOCH
    except OverflowError:
        raise ValueError(f'"{name}" is {text!r:.40}, which is in no year from 1 to 9999 of UTC') from None
    fraction = _FRACTION.search(text)
    return (since.days * 86400 + since.seconds) * _NS + int(fraction[1].ljust(9, "0") if fraction else 0)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
