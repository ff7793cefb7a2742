"""Asterisk's log: what ended calls, how many of them, and when; `doctor --log FILE`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Final

from audiosocket_cli.asterisk.log_lines import Role, find_line
from audiosocket_cli.asterisk.releases import Behaviour, Release
from audiosocket_cli.doctor.log.log_calls import CallTable
from audiosocket_cli.doctor.log.log_causes import MEANINGS, Meaning
from audiosocket_cli.doctor.log.log_files import LogFiles
from audiosocket_cli.doctor.log.log_findings import Folded, Kind, LogFindings
from audiosocket_cli.doctor.log.log_records import Record, record_of
from audiosocket_cli.doctor.log.log_scan import STARTED
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.in_thread import in_thread
from audiosocket_cli.text import counted

_STEP: Final = re.compile(rb"Executing \[[^\]]*\] (?:AudioSocket|(?:Try)?Exec|Dial)\(")
"""What a verbose log says when a call comes to AudioSocket; Dial() and TryExec() name it in their arguments."""

_OWN_FILE: Final = b"_audiosocket.c"
_SHOWN_LEVELS: Final = (b"WARNING", b"ERROR", b"NOTICE")
_TALK_LEVELS: Final = (b"VERBOSE", b"DEBUG", b"TRACE", b"DTMF")
"""Those in which Asterisk says of nothing that it went wrong, but a dialplan may quote anything (`Verbose()`)."""

_STOP_S: Final = 0.5
"""How long a signal waits for what is being read."""

_END: Final = b"Failed to receive frame from channel '"
_END_SERVER: Final = b"' connected to AudioSocket server '"
_CALL: Final = b"][C-"
_CALL_DIGITS: Final = 8
_EXECUTING: Final = b"Executing ["
_HEAD_BYTES: Final = 64
"""Where the level of a line stands, after the longest time."""


def look_at_log_files(names: Sequence[str]) -> Look:
    """Return the look at the files of one log. Raises `FileError` and `UsageError`."""
    files = LogFiles(names)

    async def look() -> list[Diagnosis]:
        reading = _Reading(files)
        working = asyncio.ensure_future(in_thread(reading.run))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:  # a signal: what was found until then is told
            files.stop()
            await asyncio.wait([working], timeout=_STOP_S)  # it may wait for standard input
        return reading.told(None)

    return Look(f"the log {', '.join(files.names)}", look)


def look_at_logs(names: Sequence[str], release: Release | None = None) -> list[Diagnosis]:
    """Read logs, which may be parts of one that was rotated, and say what is in them about AudioSocket.

    `names` are files, packed or not, or "-" for standard input; `release` is the Asterisk that wrote them, where that
    is known. Raises `FileError` for what cannot be read.
    """
    reading = _Reading(LogFiles(names))
    reading.run()
    return reading.told(release)


class _Reading:
    """What is found while a log is read."""

    def __init__(self, files: LogFiles) -> None:
        self._files = files
        self._found = LogFindings()
        self._table = CallTable()

    def run(self) -> None:
        """Read to the end, or until the files are stopped. Raises `FileError`."""
        found, table = self._found, self._table
        for line in self._files.lines():
            if _is_talk(line):
                found.talk += b"AudioSocket" in line
            elif not _take_quickly(line, table, found):
                _take(record_of(line), table, found)

    def told(self, release: Release | None) -> list[Diagnosis]:
        """Return what was found until now."""
        found = self._found
        found.judge(self._table.rest())
        return [*_diagnoses(found, release), *_unknown(found), *_not_shown(found, self._files)]


def _is_talk(line: bytes) -> bool:
    """Whether a line is a verbose one of a file that says neither that AudioSocket is reached nor comes from it."""
    return line.find(b"] VERBOSE[", 0, _HEAD_BYTES) > 0 and _EXECUTING not in line and _OWN_FILE not in line


def _take_quickly(line: bytes, table: CallTable, found: LogFindings) -> bool:
    """Take in one of the two lines that each call in order has, without taking them apart; False for others.

    In a large log nearly all lines of AudioSocket are these.
    """
    at = line.find(_CALL) + len(_CALL)
    call = line[at : at + _CALL_DIGITS]
    if at < len(_CALL) or line[at + _CALL_DIGITS : at + _CALL_DIGITS + 1] != b"]":
        return False
    step_at = line.find(_EXECUTING, at)
    if step_at > 0:
        if _STEP.match(line, step_at) is None or not table.begin(call, line):
            return False
        found.steps += 1
    else:
        channel_at = line.find(_END, at)
        server_at = line.find(_END_SERVER, channel_at) + len(_END_SERVER)
        end = line.find(b"'", server_at)
        if channel_at < 0 or server_at < len(_END_SERVER) or end < 0 or not table.end(call):
            return False
        found.end_of(line[server_at:end]).add(line)
    found.lines += 1
    return True


def _take(record: Record, table: CallTable, found: LogFindings) -> None:
    """Take in one message."""
    if STARTED in record.line and b" built by " in record.line:
        found.judge(table.rest())
        return
    known = find_line(record.text)
    if known is not None and record.level in _TALK_LEVELS and known.line.role is not Role.NEWS:
        known = None
    if known is None:
        if b"AudioSocket" in record.text or _OWN_FILE in record.file:  # a path may have it in lower case
            found.lines += 1
            _take_other(record, table, found)
        return
    found.lines += 1
    if known.line.role is Role.NEWS:
        return
    if known.line.finding == "descriptor-closed-twice" and not record.call:
        found.aside.add(record.line)
        return
    found.judge(table.add(record, known))


def _take_other(record: Record, table: CallTable, found: LogFindings) -> None:
    """Take in a message about AudioSocket that is not in the table."""
    if _STEP.match(record.text):
        found.steps += 1
        found.judge(table.add(record, None))
    elif record.level in _SHOWN_LEVELS or _OWN_FILE in record.file:
        found.wonder(record.text, record.line)


def _diagnoses(found: LogFindings, release: Release | None) -> Iterator[Diagnosis]:
    """Yield what ended calls, faults first, and of each the most frequent first."""
    refused = any(
        kind.finding in ("server-refuses", "server-black-hole", "server-unreachable") for kind in found.folded
    )
    if found.aside.count and refused:
        found.folded[Kind("descriptor-closed-twice", "")] = found.aside
    order = (Status.FAULT, Status.WARNING, Status.UNKNOWN, Status.OK)
    ranked = sorted(
        found.folded.items(), key=lambda each: (order.index(_meaning(each[0]).status), -each[1].count, each[0])
    )
    for kind, folded in ranked:
        yield _diagnosis(kind, folded, release)


def _meaning(kind: Kind) -> Meaning:
    """Return what is said of a cause; where the call went on, it is a warning."""
    if not kind.works:
        return MEANINGS[kind.finding]
    return Meaning(
        Status.WARNING, "one address of the server does not answer, and another does",
        MEANINGS["server-wrong-family"].cure,
    )  # fmt: skip


def _diagnosis(kind: Kind, folded: Folded, release: Release | None) -> Diagnosis:
    finding, meaning = kind.finding, _meaning(kind)
    what = meaning.what
    if finding == "server-sends-unknown-kind" and release is not None and not release.has(Behaviour.STRICT):
        what = "the server sent a frame that is neither audio nor a hangup, which this release leaves out"
    details = f" ({'; '.join(folded.details)})" if folded.details else ""
    times = counted(folded.count, "line" if finding in ("descriptor-closed-twice", "module-missing") else "call")
    return Diagnosis(
        id=finding, status=meaning.status, where=kind.server, what=f"{what}{details}: {times}{folded.when()}",
        evidence=folded.shown(), cure=meaning.cure, lines=meaning.lines,
    )  # fmt: skip


def _unknown(found: LogFindings) -> Iterator[Diagnosis]:
    """Yield the lines of AudioSocket that nobody knows."""
    if not found.unknown:
        return
    count = sum(folded.count for folded in found.unknown.values()) + found.more_unknown
    evidence = list(found.unknown_lines())
    if found.more_unknown:
        evidence.append(f"and {counted(found.more_unknown, 'further line')}")
    yield Diagnosis(
        id="log-line-unknown", status=Status.UNKNOWN, evidence=tuple(evidence),
        what=f"{counted(count, 'line')} about AudioSocket, of {len(found.unknown)} kinds, that are not known here",
        cure="read them: they may be of another program, or of a newer Asterisk",
    )  # fmt: skip


def _not_shown(found: LogFindings, files: LogFiles) -> Iterator[Diagnosis]:
    """Yield what this log cannot show."""
    for fault in files.faults:
        yield Diagnosis(id="log-damaged", status=Status.UNKNOWN, what=fault, cure="give the whole file")
    if files.is_stopped:
        yield Diagnosis(
            id="log-unread", status=Status.UNKNOWN,
            what=f"a signal ended the reading after {files.read_bytes / 1e6:,.0f} MB: what follows was not looked at",
        )  # fmt: skip
        return
    if found.talk and not found.steps:
        yield Diagnosis(
            id="log-too-quiet", status=Status.UNKNOWN,
            what="the log has verbose lines, and none says that a call came to AudioSocket from the dialplan",
            evidence=("calls by ARI, and those that the server ended in order, leave no other line",),
            cure="`audiosocket doctor --call` places a call and listens",
        )  # fmt: skip
        return
    if not found.lines:
        what = "no line about AudioSocket: no call came to it, or the log holds too little"
    elif not found.steps:
        what = "the log has no verbose lines: how many calls came to AudioSocket is not in it"
    else:
        return
    yield Diagnosis(
        id="log-too-quiet", status=Status.UNKNOWN, what=what,
        evidence=("a server that says nothing, noise, and sound in one direction only leave no line in any log",),
        cure="let Asterisk write more, and call again; `audiosocket doctor --call` places a call and listens",
        lines=(
            "; in /etc/asterisk/logger.conf, under [logfiles]", "full => notice,warning,error,verbose(3)",
            "asterisk -rx 'logger reload'",
        ),
    )  # fmt: skip
