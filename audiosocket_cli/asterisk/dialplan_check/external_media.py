"""ARI's externalMedia with AudioSocket, as it stands in programs and notes: a URL, JSON, or named arguments.

Only what is written out is judged: `data: callId` is a variable of some language, `"data": "x"` is not. Requests for
RTP and WebSocket are nothing of ours.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from audiosocket_cli.asterisk.dialplan_check.dialplan import UNKNOWN, MediaRequest, SourceLine, Step
from audiosocket_cli.asterisk.dialplan_check.uses import Use

_MAX_LINES: Final = 25
"""Lines of one request."""

_BEGIN: Final = re.compile(r"external_?media", re.IGNORECASE)

_OURS: Final = re.compile(r"""encapsulation["']?\s*[:=]\s*["'`]?audiosocket""")

_NEEDED: Final = ("external_host", "transport", "format", "data")

_SETTING: Final = re.compile(
    r"""(?P<before>[?&]?)["']?\b(?P<name>external_host|encapsulation|transport|format|data|connection_type)["']?"""
    r"""\s*(?P<sign>[:=])\s*(?P<value>"[^"]*"|'[^']*'|`[^`]*`|[^\s"'`,&;)}\]]+)"""
)


def missing_in(request: MediaRequest) -> list[str]:
    """Return what Asterisk refuses a request for (`ast_ari_channels_external_media`, resource_channels.c)."""
    needed = {"encapsulation": "audiosocket", "transport": "tcp", "external_host": "", "format": "", "data": ""}
    given = request.settings
    wrong = [each for each in needed if given.get(each) != UNKNOWN and not _will_do(given.get(each), needed[each])]
    return [f"{name}={needed[name]}" if needed[name] else name for name in wrong]


def _will_do(value: str | None, only: str) -> bool:
    return bool(value) and only in {"", value}


def as_use(request: MediaRequest) -> Use:
    """Return a request as the destination that Asterisk makes of it: AudioSocket/HOST:PORT/DATA."""
    step = Step("", "", 0, "", "externalMedia", "", request.place, request.text, "")
    given = request.settings
    codec = f"c({given.get('format') or UNKNOWN})"
    return Use(step, True, given.get("data") or UNKNOWN, given.get("external_host") or UNKNOWN, codec)


def read_requests(lines: Iterable[SourceLine], found: list[MediaRequest]) -> Iterator[SourceLine]:
    """Pass lines on, and put the requests in them that are for AudioSocket into `found`."""
    block: list[SourceLine] = []
    recent: deque[SourceLine] = deque(maxlen=_MAX_LINES)
    is_named = False
    for line in lines:
        begins = "edia" in line.text and _BEGIN.search(line.text) is not None
        if block and (len(block) == _MAX_LINES or (begins and "=" in line.text + block[0].text)):
            found += _request(block, is_named=is_named)
            block = []
        if begins or block:
            is_named = is_named if block else True
            block.append(line)
        elif "ncapsulation" in line.text and _OURS.search(line.text):  # the URL comes after its parameters
            is_named = False
            block = [*_before(recent), line]
        recent.append(line)
        yield line
    found += _request(block, is_named=is_named)


def _before(recent: Iterable[SourceLine]) -> list[SourceLine]:
    """Return the lines before one that belong to the same brackets."""
    found: list[SourceLine] = []
    for line in reversed(list(recent)):
        if not line.text.strip() or line.text.rstrip().endswith((";", "}", ")")):
            break
        found.insert(0, line)
        if re.search(r"[{(]\s*$", line.text):
            break
    return found


def _request(block: list[SourceLine], *, is_named: bool) -> list[MediaRequest]:
    """Read one. What is not there may stand elsewhere where nothing named externalMedia before."""
    settings: dict[str, str] = {}
    for line in block:
        for match in _SETTING.finditer(line.text):
            settings.setdefault(match["name"], _value(match))
        if {"external_host", "data"} <= settings.keys() and re.search(r"[)}]", line.text):
            break
    for name in _NEEDED if not is_named and settings else ():
        settings.setdefault(name, UNKNOWN)
    is_ours = settings.get("encapsulation") == "audiosocket"
    is_half = "encapsulation" not in settings and settings.get("transport") == "tcp"
    return [MediaRequest(block[0].place, block[0].text.strip(), settings)] if is_ours or is_half else []


def _value(match: re.Match[str]) -> str:
    """Return what is written out: in quotes, or in a URL."""
    value = match["value"]
    is_quoted = value[0] in "\"'`"
    if is_quoted:
        value = value[1:-1]
    if (not is_quoted and not match["before"]) or re.search(r"[$<{%(+]", unquote(value)):
        return UNKNOWN
    return unquote(value)
