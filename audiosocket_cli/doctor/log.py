"""Asterisk's log: what ended calls, how many of them, and when; `doctor --log FILE`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from audiosocket_cli.asterisk.log_lines import Role, find_line
from audiosocket_cli.asterisk.releases import Behaviour, Release
from audiosocket_cli.doctor.log_calls import CallTable, Cause, LoggedCall, causes_of
from audiosocket_cli.doctor.log_causes import MEANINGS, Meaning
from audiosocket_cli.doctor.log_files import LogFiles
from audiosocket_cli.doctor.log_records import Record, records_of
from audiosocket_cli.doctor.log_times import shown_time
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.text import counted

_EXAMPLES: Final = 2
_MAX_FOLDED: Final = 100
"""Causes, with their servers, that are kept apart; further servers are counted together."""
_MAX_UNKNOWN: Final = 20
_MAX_SHOWN: Final = 400
"""Characters of a line that is shown."""

_STEP: Final = re.compile(rb"Executing \[[^\]]*\] (?:AudioSocket|(?:Try)?Exec|Dial)\(")
"""What a verbose log says when a call comes to AudioSocket; Dial() and TryExec() name it in their arguments."""

_NOBODYS: Final = re.compile(rb"'[^']*'|\"[^\"]*\"|\d+|[0-9a-f]{8}-[0-9a-f-]{27}")
"""What differs between two lines that say the same."""

_OWN_FILE: Final = b"_audiosocket.c"
_SHOWN_LEVELS: Final = (b"WARNING", b"ERROR", b"NOTICE", b"")


@dataclass(slots=True)
class _Folded:
    """The same over many calls, or many lines."""

    count: int = 0
    first: Record | None = None
    last: Record | None = None
    examples: list[str] = field(default_factory=list)
    details: dict[str, None] = field(default_factory=dict)

    def add(self, record: Record, detail: str = "") -> None:
        self.count += 1
        self.first = self.first or record
        self.last = record
        if len(self.examples) < _EXAMPLES:
            self.examples.append(record.line.decode(errors="replace")[:_MAX_SHOWN])
        if detail and len(self.details) < _EXAMPLES:
            self.details[detail] = None

    def when(self) -> str:
        """Say when it was: the first time and the last, as they stand in the log."""
        first, last = (shown_time(each.time) if each is not None else "" for each in (self.first, self.last))
        if not first:
            return ""
        return f" at {first}" if first == last else f", first {first}, last {last}"


@dataclass(slots=True)
class _Findings:
    """What has been found so far."""

    folded: dict[tuple[str, str, bool], _Folded] = field(default_factory=dict)
    unknown: dict[bytes, _Folded] = field(default_factory=dict)
    more_unknown: int = 0
    lines: int = 0
    steps: int = 0
    """How often the verbose log says that a call came to AudioSocket."""
    aside: _Folded = field(default_factory=_Folded)
    """Lines about Asterisk as a whole that matter only where connections failed."""

    def judge(self, calls: Iterable[LoggedCall]) -> None:
        """Count what ended calls."""
        for call in calls:
            for cause in causes_of(call):
                self._fold(cause)

    def _fold(self, cause: Cause) -> None:
        key = (cause.finding, cause.server, cause.works)
        if key not in self.folded and len(self.folded) >= _MAX_FOLDED:
            key = (cause.finding, "", cause.works)
        self.folded.setdefault(key, _Folded()).add(cause.seen.record, cause.detail)

    def wonder(self, record: Record) -> None:
        """Count a line that nobody knows."""
        shape = _NOBODYS.sub(b"", record.text[:_MAX_SHOWN])
        if shape in self.unknown or len(self.unknown) < _MAX_UNKNOWN:
            self.unknown.setdefault(shape, _Folded()).add(record)
        else:
            self.more_unknown += 1


def look_at_logs(names: Sequence[str], release: Release | None = None) -> list[Diagnosis]:
    """Read logs, which may be parts of one that was rotated, and say what is in them about AudioSocket.

    `names` are files, packed or not, or "-" for standard input; `release` is the Asterisk that wrote them, where that
    is known. Raises `FileError` for what cannot be read.
    """
    files = LogFiles(names)
    found = _Findings()
    table = CallTable()
    for line in files.lines():
        for record in records_of(line):
            _take(record, table, found)
    found.judge(table.rest())
    return [*_diagnoses(found, release), *_unknown(found), *_not_shown(found, files)]


def _take(record: Record, table: CallTable, found: _Findings) -> None:
    """Take in one message."""
    known = find_line(record.text)
    if known is None:
        if (b"udio" in record.text and b"ocket" in record.text) or _OWN_FILE in record.file:
            found.lines += 1
            _take_other(record, table, found)
        return
    found.lines += 1
    if known.line.role is Role.NEWS:
        return
    if known.line.finding == "descriptor-closed-twice" and not record.call:
        found.aside.add(record)
        return
    found.judge(table.add(record, known))


def _take_other(record: Record, table: CallTable, found: _Findings) -> None:
    """Take in a message about AudioSocket that is not in the table."""
    if _STEP.match(record.text):
        found.steps += 1
        found.judge(table.add(record, None))
    elif record.level in _SHOWN_LEVELS[:3] or _OWN_FILE in record.file:
        found.wonder(record)


def _diagnoses(found: _Findings, release: Release | None) -> Iterator[Diagnosis]:
    """Yield what ended calls, faults first, and of each the most frequent first."""
    refused = any(key[0] in ("server-refuses", "server-black-hole", "server-unreachable") for key in found.folded)
    if found.aside.count and refused:
        found.folded["descriptor-closed-twice", "", False] = found.aside
    order = (Status.FAULT, Status.WARNING, Status.UNKNOWN, Status.OK)
    ranked = sorted(
        found.folded.items(), key=lambda each: (order.index(_meaning(each[0]).status), -each[1].count, each[0])
    )
    for key, folded in ranked:
        yield _diagnosis(key, folded, release)


def _meaning(key: tuple[str, str, bool]) -> Meaning:
    """Return what is said of a cause; where the call went on, it is a warning."""
    finding, _, works = key
    if not works:
        return MEANINGS[finding]
    return Meaning(
        Status.WARNING, "one address of the server does not answer, and another does",
        MEANINGS["server-wrong-family"].cure,
    )  # fmt: skip


def _diagnosis(key: tuple[str, str, bool], folded: _Folded, release: Release | None) -> Diagnosis:
    finding, server, _ = key
    meaning = _meaning(key)
    what = meaning.what
    if finding == "server-sends-unknown-kind" and release is not None and not release.has(Behaviour.STRICT):
        what = "the server sent a frame that is neither audio nor a hangup, which this release leaves out"
    details = f" ({'; '.join(folded.details)})" if folded.details else ""
    times = counted(folded.count, "line" if finding in ("descriptor-closed-twice", "module-missing") else "call")
    return Diagnosis(
        id=finding, status=meaning.status, where=server, what=f"{what}{details}: {times}{folded.when()}",
        evidence=tuple(folded.examples), cure=meaning.cure, lines=meaning.lines,
    )  # fmt: skip


def _unknown(found: _Findings) -> Iterator[Diagnosis]:
    """Yield the lines of AudioSocket that nobody knows."""
    if not found.unknown:
        return
    count = sum(folded.count for folded in found.unknown.values()) + found.more_unknown
    evidence = [f"{folded.count} × {folded.examples[0]}" for folded in found.unknown.values()]
    if found.more_unknown:
        evidence.append(f"and {counted(found.more_unknown, 'further line')}")
    yield Diagnosis(
        id="log-line-unknown", status=Status.UNKNOWN, evidence=tuple(evidence),
        what=f"{counted(count, 'line')} about AudioSocket, of {len(found.unknown)} kinds, that are not known here",
        cure="read them: they may be of another program, or of a newer Asterisk",
    )  # fmt: skip


def _not_shown(found: _Findings, files: LogFiles) -> Iterator[Diagnosis]:
    """Yield what this log cannot show."""
    for fault in files.faults:
        yield Diagnosis(id="log-damaged", status=Status.UNKNOWN, what=fault, cure="give the whole file")
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
