"""Captures as JSON lines, an item a line; what is written reads as the same items, which write the same bytes again.

Lines can be written by hand, too: {"t": 1.2, "digit": "5"} is a frame, and what only a script says is a `Step`.
"""

from __future__ import annotations

import binascii
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.asterisk import Side
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

SCHEMA: Final = "audiosocket.frames/1"

_MOST_LINE_BYTES: Final = 1 << 20
"""The longest frame is 88 KiB as a line."""

_NS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS: Final = ("play", "silence_ms", "expect", "hangup")


def item_line(item: Item) -> str | None:
    """Return an item as a line of JSON without its end; None for one that says nothing in this format."""
    match item:
        case Captured(call, at_s, side, frame, begun_s, offset):
            begun = "" if begun_s == at_s else f', "begun_t": {_seconds(begun_s)}'
            payload = binascii.b2a_base64(frame.payload, newline=False).decode()
            return (
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
        self._calls: dict[str, CapturedCall] = {}
        self._offsets: dict[tuple[str, Side], int] = {}
        self._last_s = 0.0
        self._names = CallNames()
        self._number = 0

    def __iter__(self) -> Iterator[Item]:
        offset = 0
        for number, line in enumerate(self._lines(), 1):
            self._number = number
            try:
                yield from self._read(line)
            except (ValueError, FrameError, RecursionError) as error:
                reason = f"line {number}: {_one_line(error)}"
                yield Damage(offset, reason, len(line) if self._resync else None)
                if not self._resync:
                    break
            offset += len(line)
        for call in self._calls.values():
            yield Over(call)

    def _lines(self) -> Iterator[bytes]:
        window = self._window
        while window.ensure(1):
            end = window.data.find(b"\n", window.at)
            size = 1
            while end < 0 and window.size < _MOST_LINE_BYTES:
                size = window.size
                if not window.ensure(size + 1):
                    break
                end = window.data.find(b"\n", window.at + size)
            yield window.take(end + 1 - window.at if end >= 0 else window.size)

    def _read(self, line: bytes) -> Iterator[Item]:
        text = line.decode("utf-8").strip()
        if not text or text.startswith(("#", "//")):
            return
        facts = json.loads(text)
        if not isinstance(facts, dict):
            raise ValueError(f"no JSON object, but {text[:40]}")
        event = facts.get("event")
        if event == "no-call":
            yield NoCall(_ns(facts.get("at")) or 0, str(facts.get("caller", "")), str(facts.get("server", "")),
                         str(facts.get("reason", "")))  # fmt: skip
        elif event == "damage":
            yield Damage(int(facts["offset"]), str(facts["reason"]), facts.get("skipped_bytes"))
        elif event == "opened":
            yield self._open(facts)
        else:
            yield from self._read_in_call(facts)

    def _open(self, facts: dict[str, Any]) -> Opened:
        uuid = UUID(facts["uuid"]) if facts.get("uuid") else None
        me = Side(facts["me"]) if facts.get("me") else None
        call = CapturedCall(
            self._names.name(uuid), uuid, str(facts.get("caller", "")), str(facts.get("server", "")),
            _ns(facts.get("at")), me, whole=bool(facts.get("whole", True)),
        )  # fmt: skip
        self._calls[str(facts.get("call", call.name))] = call
        return Opened(call, _number(facts.get("t", 0.0), "t"))

    def _read_in_call(self, facts: dict[str, Any]) -> Iterator[Item]:
        at_s = _number(facts["t"], "t") if "t" in facts else None
        what = next((name for name in _STEPS if name in facts), None)
        if what is not None and self._scripts:
            yield Step(at_s, what, facts, self._number)
            return
        if what is not None:
            raise ValueError(f"{what!r} is a step of a script; only replay takes it")
        name = str(facts.get("call", "script"))
        call = self._calls.get(name)
        if call is None:
            self._names.name(None)
            call = self._calls[name] = CapturedCall(name)
            yield Opened(call, min(at_s or 0.0, 0.0))
        self._last_s = at_s = self._last_s if at_s is None else at_s
        event = facts.get("event")
        if event == "comment":
            yield Remark(call, at_s, str(facts.get("text", "")))
            return
        side = Side(facts.get("side", "caller"))
        if event == "lost":
            lost_bytes = int(facts["bytes"])
            self._count(call, side, lost_bytes)
            yield Lost(call, at_s, side, lost_bytes, str(facts.get("reason", "")))
        elif event in ("closed", "reset"):
            yield Ended(call, at_s, side, event == "reset")
        elif event is not None:
            raise ValueError(f"{event!r} is no event of a capture")
        else:
            frame = _frame(facts)
            begun_s = _number(facts.get("begun_t", at_s), "begun_t")
            offset = self._count(call, side, HEADER_BYTES + len(frame.payload))
            yield Captured(call, at_s, side, frame, begun_s, offset)

    def _count(self, call: CapturedCall, side: Side, size: int) -> int:
        """Count bytes of a side, and return how many there were before."""
        offset = self._offsets.get((call.name, side), 0)
        self._offsets[call.name, side] = offset + size
        return offset


def _frame(facts: dict[str, Any]) -> Frame:
    if "payload" in facts:
        kind = kind_named(str(facts.get("kind", "slin")))
        return Frame(kind, binascii.a2b_base64(str(facts["payload"]), strict_mode=True))
    if "digit" in facts:
        return digit_frame(str(facts["digit"]))
    if facts.get("kind") == "uuid" or "uuid" in facts:
        return uuid_frame(UUID(str(facts["uuid"])))
    raise ValueError('it says nothing to be sent: write a "digit", a "payload", or a step of a script')


def _meaning(frame: Frame) -> str:
    """Return what a frame's payload stands for as the inner part of a JSON object, with a comma behind it."""
    rate_hz = RATE_BY_KIND.get(frame.kind)
    if rate_hz:
        return f'"ms": {round(len(frame.payload) // SAMPLE_BYTES * 1000 / rate_hz, 3):g}, '
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


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f'"{name}" is {value!r}, which is no number of seconds')
    return float(value)


def _rfc3339(at_ns: int | None) -> str | None:
    """Return a wall-clock time in UTC to the nanosecond."""
    if at_ns is None:
        return None
    seconds, rest_ns = divmod(at_ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def _ns(text: Any) -> int | None:
    if text is None:
        return None
    whole, _, fraction = str(text).removesuffix("Z").partition(".")
    at = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    since = at - _EPOCH
    return (since.days * 86400 + since.seconds) * _NS + int(fraction[:9].ljust(9, "0"))


def _one_line(error: Exception) -> str:
    return str(error).split("\n")[0][:200] if not isinstance(error, KeyError) else f"{error} is missing"
