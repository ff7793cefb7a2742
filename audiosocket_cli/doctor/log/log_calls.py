"""Which lines of a log belong to the same call, and what they mean together.

A call is known by its number ([C-0000000a]), else by the thread that runs it, else by the channel that a line names;
what has none of these stands alone. A call is judged when newer ones have taken its place, or at the end: so memory
stays the same however long the log is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.log_lines import Known, Role
from audiosocket_cli.doctor.log.log_records import Record
from audiosocket_cli.doctor.log.log_times import seconds_of

_MAX_OPEN: Final = 4096
"""Calls that may still have lines. More at once than any Asterisk has."""

_MAX_LINES: Final = 64
"""Lines that are kept of one call."""

_TIME_BYTES: Final = 32
"""The longest time in brackets, to nanoseconds."""

_SLOW_NAME_S: Final = 4.0
"""A name that takes longer to be found unknown was asked of a name server that does not answer: resolvers wait 5 s."""

_AT_ONCE_S: Final = 0.5
"""A server that closes sooner takes no calls: a proxy whose own server is gone, say."""

_HAS_PORT: Final = re.compile(r".*:\d+")


class Seen(NamedTuple):
    """A line of a call."""

    record: Record
    known: Known | None
    """None for what says only that AudioSocket is reached: `Executing [100@bot:3] AudioSocket(…)`."""


@dataclass(slots=True)
class LoggedCall:
    """The lines of one call."""

    seen: list[Seen] = field(default_factory=list)
    more: int = 0
    """How many lines are not kept."""


class Cause(NamedTuple):
    """What ended a call, or kept it from beginning."""

    finding: str
    server: str
    """The server's address as the line has it; empty where none is said."""
    detail: str
    """What the line says more: the value that is wrong, or the reason that the operating system gave."""
    seen: Seen
    works: bool = False
    """Whether the call went on in spite of it."""


class CallTable:
    """The calls that may still have lines."""

    def __init__(self) -> None:
        self._open: OrderedDict[bytes, LoggedCall] = OrderedDict()
        self._begun: OrderedDict[bytes, bytes] = OrderedDict()
        """Of calls of which nothing else is known, the line that says that AudioSocket is reached."""

    def begin(self, key: bytes, line: bytes) -> bool:
        """Remember that a call came to AudioSocket; False where more is known of it already."""
        if key in self._open:
            return False
        if len(self._begun) > _MAX_OPEN:
            self._begun.popitem(last=False)
        self._begun[key] = line
        return True

    def end(self, key: bytes) -> bool:
        """Forget a call that ended in order; False where more is known of it than that it began."""
        if key in self._open:
            return False
        self._begun.pop(key, None)
        return True

    def add(self, record: Record, known: Known | None) -> Iterator[LoggedCall]:
        """Take in a line; yield the calls that are over by that."""
        key = record.call or record.thread or _channel(known)
        call = self._open.get(key) if key else None
        if call is not None and _begins_anew(call, record, known):
            del self._open[key]
            yield call
            call = None
        if call is None:
            call = LoggedCall()
            if key:
                self._open[key] = call
                begun = self._begun.pop(key, None)
                if begun is not None:
                    call.seen.append(Seen(_record_of_step(begun, key), None))
        if len(call.seen) < _MAX_LINES:
            call.seen.append(Seen(record, known))
        else:
            call.more += 1
        if not key:
            yield call
        elif len(self._open) > _MAX_OPEN:
            yield self._open.popitem(last=False)[1]

    def rest(self) -> Iterator[LoggedCall]:
        """Yield the calls that are left, at the end of a log, or of an Asterisk: the next has their numbers again."""
        calls = list(self._open.values())
        self._open.clear()
        self._begun.clear()
        yield from calls


def _channel(known: Known | None) -> bytes:
    """Return the name of a channel that a line has, as a key."""
    if known is None or known.line.role is Role.NEWS:
        return b""
    return next((value for value in known.values if b"/" in value and b" " not in value), b"")


def _begins_anew(call: LoggedCall, record: Record, known: Known | None) -> bool:
    """Whether a line is of another call than those before it: numbers of calls begin anew with each start of Asterisk,
    and threads have their numbers again."""
    last = call.seen[-1]
    if known is not None or last.known is None or last.known.line.role is not Role.END:
        return False
    return _channel_of_step(record) != _channel(last.known)


def _record_of_step(line: bytes, call: bytes) -> Record:
    """Return as much of a line as is needed: when it was written."""
    return Record(line[:_TIME_BYTES], b"VERBOSE", b"", call, b"", b"", line)


def _channel_of_step(record: Record) -> bytes:
    """Return the channel of `Executing [100@bot:3] AudioSocket("PJSIP/100-00000001", …`."""
    return record.text.partition(b'("')[2].partition(b'"')[0]


def causes_of(call: LoggedCall) -> list[Cause]:
    """Return what the lines of a call mean together, each cause once; nothing for a call without AudioSocket."""
    if not any(seen.known is None or is_own(seen.known) for seen in call.seen):
        return []
    told = [seen for seen in call.seen if seen.known is not None and seen.known.line.role is not Role.NEWS]
    causes = _of_role(call, told, Role.CAUSE) or _of_role(call, told, Role.FOLLOWS)
    if any(not cause.works for cause in causes):
        return causes
    return causes + _of_role(call, told, Role.END)[:1]


def is_own(known: Known) -> bool:
    """Whether a line is about AudioSocket, whatever stands around it."""
    line = known.line
    return ": " not in line.function or "AudioSocket" in line.text or any(b"udio" in value for value in known.values)


def _of_role(call: LoggedCall, told: list[Seen], role: Role) -> list[Cause]:
    found: dict[tuple[str, str], Cause] = {}
    for seen in told:
        assert seen.known is not None
        if seen.known.line.role is role:
            cause = _cause(call, seen, seen.known)
            found.setdefault((cause.finding, cause.server), cause)
    return _without_doubles(list(found.values()))


def _without_doubles(causes: list[Cause]) -> list[Cause]:
    """Leave out what another line of the same call says better: a name server's answer, say."""
    ids = {cause.finding for cause in causes}
    vague = {
        "server-name-unknown": {"no-port", "address-without-brackets", "name-server-silent"},
        "uuid-malformed": {"func-missing"},
        "server-unreachable": {"server-wrong-family"},
    }
    return [cause for cause in causes if not ids & vague.get(cause.finding, set())]


def _cause(call: LoggedCall, seen: Seen, known: Known) -> Cause:
    values = [value.decode(errors="replace") for value in known.values]
    finding, server, detail = known.line.finding, _server_of(known), ""
    read = _READINGS.get(known.line.text)
    if read is not None:
        finding, detail = read(values)
    if finding == "server-name-unknown" and _took_s(call, seen) > _SLOW_NAME_S:
        finding = "name-server-silent"
    if finding == "server-closes-unread" and 0.0 < _since_begun_s(call, seen) < _AT_ONCE_S:
        finding = "server-accepts-and-closes"
    server = server or _server_of_call(call)
    works = finding in _ONE_ADDRESS and not _failed_at_all(call)
    return Cause("server-wrong-family" if works else finding, server, detail, seen, works)


_ONE_ADDRESS: Final = ("server-refuses", "server-black-hole", "server-unreachable")
"""Found of one address of a server; another may have answered (`ast_audiosocket_connect` tries each in turn)."""


def _failed_at_all(call: LoggedCall) -> bool:
    """Whether no address of the server answered: that is a line of its own."""
    failed = ("Failed to connect", "Unable to create", "Unable to request")
    unexpected = "unexpected error"
    texts = [seen.known.line.text for seen in call.seen if seen.known is not None]
    return any(text.startswith(failed) or unexpected in text for text in texts)


def _took_s(call: LoggedCall, seen: Seen) -> float:
    """Return how long after the line before it in its call a line was written; 0.0 where that is not known."""
    at = call.seen.index(seen)
    if not at:
        return 0.0
    before_s, after_s = seconds_of(call.seen[at - 1].record.time), seconds_of(seen.record.time)
    return 0.0 if before_s is None or after_s is None else after_s - before_s


def _since_begun_s(call: LoggedCall, seen: Seen) -> float:
    """Return how long after AudioSocket was reached a line was written; 0.0 where that is not known."""
    begun = [each for each in call.seen[: call.seen.index(seen)] if each.known is None]
    if not begun:
        return 0.0
    before_s, after_s = seconds_of(begun[-1].record.time), seconds_of(seen.record.time)
    return 0.0 if before_s is None or after_s is None else after_s - before_s


def _server_of_call(call: LoggedCall) -> str:
    """Return the server that a line of a call names, else the dialplan; empty where lines name several, or none."""
    servers = {server for seen in call.seen if seen.known is not None and (server := _server_of(seen.known))}
    if not servers:
        servers = {server for seen in call.seen if seen.known is None and (server := _server_of_step(seen.record))}
    return servers.pop() if len(servers) == 1 else ""


def _server_of_step(record: Record) -> str:
    """Return the server that a step of the dialplan names, in the arguments of AudioSocket() or Dial()."""
    match = _STEP_SERVER.search(record.line)
    return (match[1] or match[2]).decode(errors="replace") if match else ""


_STEP_SERVER: Final = re.compile(rb"""AudioSocket\(\\?"[^"]*", \\?"[^",]*,([^",\\]+)|AudioSocket/([^/"&,\\]+)/""")
"""In JSON the quotes have backslashes."""


def _server_of(known: Known) -> str:
    """Return the server that a line names."""
    place = _server_place(known.line.text)
    return "" if place is None else known.values[place].decode(errors="replace")


@cache
def _server_place(text: str) -> int | None:
    """Return which of a line's values is the server's address."""
    return next((place for form, place in _SERVERS if form in text), None)


_SERVERS: Final = (
    ("for url '%s'", 1),
    ("connection to '%s' timedout", 0),
    ("failed with", 0),
    ("Failed to resolve", 0),
    ("Destination '%s'", 0),
    ("to AudioSocket server '%s'", 1),
    ("from AudioSocket server '%s'", 0),
    ("between '%s' and '%s'", 2),
    ("for AudioSocket connection to '%s'", -1),
)
"""Which of a line's values is the server's address."""


def _refused(values: list[str]) -> tuple[str, str]:
    address, url, reason = values
    port, wanted = address.rpartition(":")[2], url.rpartition(":")[2]
    if port != wanted and wanted.isdigit() and int(wanted) > 65535:
        return "port-out-of-range", f"port {wanted} became {port}"
    return _of_reason(reason), f"{address}: {reason}"


def _unexpected(values: list[str]) -> tuple[str, str]:
    address, reason = values
    is_ipv6 = address.startswith("[")
    finding = "server-wrong-family" if is_ipv6 and "unreachable" in reason.lower() else _of_reason(reason)
    return finding, f"{address}: {reason}"


def _of_reason(reason: str) -> str:
    """Return the finding for what the operating system said of a connection that failed (`strerror`)."""
    lower = reason.lower()
    if "refused" in lower:
        return "server-refuses"
    if "timed out" in lower:
        return "server-black-hole"
    return "server-wrong-family" if "address family" in lower else "server-unreachable"


def _written(values: list[str]) -> tuple[str, str]:
    return _of_socket_error(values[-1], "server-stalls"), values[-1]


def _header(values: list[str]) -> tuple[str, str]:
    return _of_socket_error(values[-1], "server-splits-frames"), values[-1]


def _payload(values: list[str]) -> tuple[str, str]:
    finding = _of_socket_error(values[-1], "server-splits-frames")
    return "server-dies-in-frame" if finding == "server-closes-unread" else finding, values[-1]


def _of_socket_error(reason: str, when_not_ready: str) -> str:
    lower = reason.lower()
    if "temporarily unavailable" in lower or "would block" in lower:
        return when_not_ready
    if "bad file descriptor" in lower:
        return "descriptor-closed-twice"
    return "server-unreachable" if "timed out" in lower or "no route" in lower else "server-closes-unread"


def _name(values: list[str]) -> tuple[str, str]:
    name = values[0]
    if name.count(":") > 1 and "[" not in name:
        return "address-without-brackets", name
    return ("server-name-unknown" if _HAS_PORT.fullmatch(name) else "no-port"), name


def _resolver(values: list[str]) -> tuple[str, str]:
    finding = "name-server-silent" if "temporary" in values[-1].lower() else "server-name-unknown"
    return finding, f"{values[0]}: {values[-1]}"


def _uuid(values: list[str]) -> tuple[str, str]:
    return "uuid-malformed", repr(values[0])


def _other_frame(values: list[str]) -> tuple[str, str]:
    return ("comfort-noise" if values[0] == _COMFORT_NOISE else "frame-unsupported"), f"frame type {values[0]}"


_COMFORT_NOISE: Final = "10"
"""AST_FRAME_CNG (include/asterisk/frame.h)."""


def _no_socket(values: list[str]) -> tuple[str, str]:
    return ("server-wrong-family" if "family" in values[0].lower() else "too-many-files"), values[0]


def _not_created(values: list[str]) -> tuple[str, str]:
    return ("module-missing" if values[0] == _NOT_IMPLEMENTED else "server-unreachable"), f"cause {values[0]}"


_NOT_IMPLEMENTED: Final = "66"
"""AST_CAUSE_CHAN_NOT_IMPLEMENTED: no such channel driver (`ast_request`)."""


def _codec(values: list[str]) -> tuple[str, str]:
    return "unknown-codec", values[0]


def _option(values: list[str]) -> tuple[str, str]:
    """A bracket that is not closed is the only error that there is (`parse_options`, app.c). Dial cuts its destinations
    at &, inside of brackets too (`dial_exec_full`, app_dial.c)."""
    return ("many-codecs" if values[0].startswith("c(") else "bracket-missing"), repr(values[0])


def _module(values: list[str]) -> tuple[str, str]:
    return "module-missing", f"{values[0]}: {values[1]}"


_READINGS: Final[dict[str, Callable[[list[str]], tuple[str, str]]]] = {
    "Connecting to '%s' failed for url '%s': %s": _refused,
    "Connection to '%s' failed with unexpected error: %s": _unexpected,
    "Connection to '%s' failed with error: %s": _unexpected,
    "Failed to write data to AudioSocket because: %s": _written,
    "Failed to read header from AudioSocket because: %s": _header,
    "Failed to read payload from AudioSocket: %s": _payload,
    "Failed to resolve AudioSocket service using '%s' - requires a valid hostname and port": _name,
    "Destination '%s' could not be parsed": _name,
    'getaddrinfo("%s", "%s", ...): %s': _resolver,
    "Failed to parse UUID '%s'": _uuid,
    "Unsupported frame type %d for AudioSocket": _other_frame,
    "Unable to create socket: '%s'": _no_socket,
    "Unable to create channel of type 'AudioSocket' (cause %d - %s)": _not_created,
    "Codec '%s' not found for AudioSocket connection to '%s'": _codec,
    "'AudioSocket' channel options '%s' parse error": _option,
    "Error loading module '%s': %s": _module,
}
"""Lines whose values decide what they mean: each with what gives the id, and what to show."""
