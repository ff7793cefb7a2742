"""A line of a log taken apart, whatever wrote it: Asterisk's files and console, JSON, syslog, the journal, docker.

The forms of Asterisk are those of `format_log_default`, `format_log_plain` and `format_log_json` (main/logger.c).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple


class Record(NamedTuple):
    """What one message of a log says of itself."""

    time: bytes
    """As it was written, whatever its form; empty without one."""
    level: bytes
    """WARNING, ERROR, NOTICE, VERBOSE, DEBUG …; empty for verbose lines of a console."""
    thread: bytes
    """The number of the thread; empty where it is not said."""
    call: bytes
    """The number of the call as in [C-0000000a]; empty without one (use_callids=no, or no call)."""
    file: bytes
    """The source file; empty where it is not said."""
    text: bytes
    line: bytes
    """All of it, without colours."""


_COLOURS: Final = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")

_HEAD: Final = re.compile(
    rb"(?<![\w\[])([A-Z][A-Z0-9_]*)\[(\d+)\](?:\[C-([0-9a-f]+)\])?:? "
    rb"([\w/-]+\.\w+)(?::\d+)?(?: in)?(?: \w+)?: "
)
"""`WARNING[1234][C-0000000a] file.c: ` of a file, `…: file.c:123 function: ` of a console, and `…: file.c:123 in
function: ` of syslog."""

_USUAL_HEAD: Final = re.compile(rb"(\[[^\[\]]+\] )([A-Z]+)\[(\d+)\](?:\[C-([0-9a-f]+)\])? ([\w/-]+\.c): ")
"""That of a file, which most logs are."""

_AFTER_TIME: Final = re.compile(rb"^\[[^\]]{4,60}\] +")
"""What stands before a text that was copied without its level and file."""

_HEAD_BYTES: Final = 512
"""Where a message has begun, after all that a journal and docker put before it."""

_MICROSECONDS: Final = re.compile(r"[0-9]{10,20}")

_VERBOSE: Final = re.compile(rb"^(.*?)\s*(?:-- |> |== )?(?=Executing \[|Called AudioSocket/|Spawn extension )")


def record_of(line: bytes) -> Record:
    """Take a line of a log apart. It never fails: what has no form that is known is all text."""
    if b"\x1b" in line:
        line = _COLOURS.sub(b"", line)
    usual = _USUAL_HEAD.match(line)
    if usual is not None:
        time, level, thread, call, file = usual.groups()
        return Record(time, level, thread, call or b"", file, line[usual.end() :].rstrip(), line.rstrip())
    if line[:1] == b"{" or b" {" in line[:400]:
        found = _of_json(line)
        if found is not None:
            return found
    return _of_text(line)


def _of_text(line: bytes) -> Record:
    head = _HEAD.search(line, 0, _HEAD_BYTES)
    if head is None:
        verbose = _VERBOSE.match(line, 0, _HEAD_BYTES)
        text = line[verbose.end() :] if verbose else _AFTER_TIME.sub(b"", line)
        return Record(verbose[1] if verbose else b"", b"", b"", b"", b"", text.rstrip(), line.rstrip())
    level, thread, call, file = head.groups()
    return Record(line[: head.start()], level, thread, call or b"", file, line[head.end() :].rstrip(), line.rstrip())


def _of_json(line: bytes) -> Record | None:
    """Return the record of Asterisk's own JSON, of the journal's, or of docker's; None for none of these."""
    start = line.index(b"{")
    try:
        content: Any = json.loads(line[start:])
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("logmsg"), dict):
        return _of_asterisk(content, line)
    message = content.get("MESSAGE", content.get("log"))
    if isinstance(message, list):  # the journal's form of a message with control characters
        message = bytes(each for each in message if isinstance(each, int) and 0 <= each < 256).decode(errors="replace")
    if not isinstance(message, str):
        return None
    inner = _of_text(_COLOURS.sub(b"", message.encode()))
    microseconds = str(content.get("__REALTIME_TIMESTAMP", ""))
    time = str(int(microseconds) / 1e6) if _MICROSECONDS.fullmatch(microseconds) else str(content.get("time", ""))
    return inner._replace(time=time.encode() or inner.time)


def _of_asterisk(content: dict[str, Any], line: bytes) -> Record:
    logmsg, identifiers = content["logmsg"], content.get("identifiers")
    place = logmsg.get("location")
    if not isinstance(identifiers, dict):
        identifiers = {}
    call = str(identifiers.get("callid", "")).removeprefix("[C-").removesuffix("]")
    file = str(place.get("filename", "")) if isinstance(place, dict) else ""
    values = (content.get("timestamp", ""), logmsg.get("level", ""), identifiers.get("lwp", ""), call, file)
    time, level, thread, number, source = (str(value).encode() for value in values)
    return Record(time, level, thread, number, source, str(logmsg.get("message", "")).strip().encode(), line.rstrip())
