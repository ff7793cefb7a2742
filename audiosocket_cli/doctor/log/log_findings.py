"""What is found in a log, counted: the same over many calls is one, with its first time, its last, and two examples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from audiosocket_cli.doctor.log.log_calls import Cause, LoggedCall, causes_of
from audiosocket_cli.doctor.log.log_records import record_of
from audiosocket_cli.doctor.log.log_times import shown_time
from audiosocket_cli.text import counted

_EXAMPLES: Final = 2
_MAX_FOLDED: Final = 100
"""Causes, with their servers, that are kept apart; further servers are counted together."""
_MAX_UNKNOWN: Final = 20
_MAX_SHOWN: Final = 400
"""Characters of a line that is shown."""

_VARYING: Final = re.compile(rb"'[^']*'|\"[^\"]*\"|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")
"""What differs between two lines that say the same."""


class Kind(NamedTuple):
    """What is counted as one."""

    finding: str
    server: str
    works: bool = False
    """Whether calls went on in spite of it."""


@dataclass(slots=True)
class Folded:
    """The same over many calls, or many lines."""

    count: int = 0
    first: bytes = b""
    """The first line of it, and the last."""
    last: bytes = b""
    examples: list[bytes] = field(default_factory=list)
    details: dict[str, None] = field(default_factory=dict)

    def add(self, line: bytes, detail: str = "") -> None:
        """Count a line."""
        self.count += 1
        self.last = line
        if len(self.examples) < _EXAMPLES:
            self.first = self.first or line
            self.examples.append(line)
        if detail and len(self.details) < _EXAMPLES:
            self.details[detail] = None

    def shown(self) -> tuple[str, ...]:
        """Return the examples, as they may be shown."""
        return tuple(line.decode(errors="replace").rstrip()[:_MAX_SHOWN] for line in self.examples)

    def when(self) -> str:
        """Say when it was: the first time and the last, as they stand in the log."""
        first, last = (shown_time(record_of(line).time) if line else "" for line in (self.first, self.last))
        if not first:
            return ""
        return f" at {first}" if first == last else f", first {first}, last {last}"


@dataclass(slots=True)
class LogFindings:
    """What has been found so far."""

    folded: dict[Kind, Folded] = field(default_factory=dict)
    ends: dict[bytes, Folded] = field(default_factory=dict)
    """Those of calls that ended in order, by their servers: most lines of a log are these."""
    unknown: dict[bytes, Folded] = field(default_factory=dict)
    more_unknown: int = 0
    """Lines that nobody knows of which no example is kept."""
    lines: int = 0
    """How many are about AudioSocket."""
    steps: int = 0
    """How often the verbose log says that a call came to AudioSocket."""
    talk: int = 0
    """How many verbose lines name AudioSocket in other words."""
    aside: Folded = field(default_factory=Folded)
    """Lines about Asterisk as a whole that matter only where connections failed."""

    def judge(self, calls: Iterable[LoggedCall]) -> None:
        """Count what ended calls."""
        for call in calls:
            for cause in causes_of(call):
                self._add(cause)

    def fold(self, kind: Kind) -> Folded:
        """Return where a kind is counted."""
        folded = self.folded.get(kind)
        if folded is None:
            if len(self.folded) >= _MAX_FOLDED:
                kind = kind._replace(server="")
            folded = self.folded.setdefault(kind, Folded())
        return folded

    def end_of(self, server: bytes) -> Folded:
        """Return where calls that ended in order are counted, by their server."""
        folded = self.ends.get(server)
        if folded is None:
            folded = self.fold(Kind("normal-end", server.decode(errors="replace")))
            if len(self.ends) < _MAX_FOLDED:
                self.ends[server] = folded
        return folded

    def wonder(self, text: bytes, line: bytes) -> None:
        """Count a line that nobody knows."""
        shape = _VARYING.sub(b"", text[:_MAX_SHOWN])
        if shape in self.unknown or len(self.unknown) < _MAX_UNKNOWN:
            self.unknown.setdefault(shape, Folded()).add(line)
        else:
            self.more_unknown += 1

    def unknown_lines(self) -> Iterator[str]:
        """Yield an example of each kind of line that nobody knows, with how many there are."""
        for folded in self.unknown.values():
            yield f"{counted(folded.count, 'line')}: {folded.shown()[0]}"

    def _add(self, cause: Cause) -> None:
        folded = self.fold(Kind(cause.finding, cause.server, cause.works))
        folded.add(cause.seen.record.line, cause.detail)
