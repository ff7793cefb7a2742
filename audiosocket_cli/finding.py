"""What is found wrong, each kind under a stable id: `audiosocket help finding ID` has a page on it.

The lines of a live or captured call end with the id of their kind in brackets, as compilers do: `tagged`. What
`doctor` and `dialplan --check` find is a `Diagnosis`. An id has lower-case words joined by dashes, never changes, and
has a page of its name in docs/finding/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_TAGGED: Final = re.compile(r"(?P<text>.*) \[(?P<id>[a-z0-9]+(?:-[a-z0-9]+)*)\]", re.DOTALL)


def tagged(finding_id: str, text: str) -> str:
    """Return a finding's line with the id of its kind at the end: `µ-law labelled slin, … [caller-ulaw]`."""
    return f"{text} [{finding_id}]"


def id_of(text: str) -> str | None:
    """Return the id at the end of a line, or None."""
    match = _TAGGED.fullmatch(text)
    return match["id"] if match else None


def untagged(text: str) -> str:
    """Return a line without its id."""
    match = _TAGGED.fullmatch(text)
    return match["text"] if match else text


def ids_of(texts: Iterable[str]) -> list[str]:
    """Return the ids at the ends of lines, each once, in the order in which they come first."""
    return list(dict.fromkeys(found for text in texts if (found := id_of(text)) is not None))


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # it works, or may; somebody should know
    FAULT = "fault"  # calls fail of it, or sound wrong
    UNKNOWN = "not looked at"  # the evidence says why


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at, with what it is, how that is known, and what to do about it."""

    id: str
    status: Status
    what: str
    """What is so, in one sentence without a full stop."""
    evidence: tuple[str, ...] = ()
    """Lines that show it, each as it was seen: of a dialplan, a log, a command, or what was measured."""
    cure: str = ""
    """What to do, in one sentence; lines to write stand in `lines`."""
    lines: tuple[str, ...] = ()
    """Lines to write or to run, as they are."""
    where: str = ""
    """Where it is: a file and line as `extensions.conf:12`, a module, an address; empty where that says nothing."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "id": self.id, "status": self.status.value, "where": self.where, "what": self.what,
            "evidence": list(self.evidence), "cure": self.cure, "lines": list(self.lines),
        }  # fmt: skip


def worst(found: Iterable[Diagnosis]) -> Status:
    """Return the worst status of what was looked at: what was not looked at is worse than ok alone."""
    order = (Status.FAULT, Status.WARNING, Status.UNKNOWN, Status.OK)
    return min((each.status for each in found), key=order.index, default=Status.OK)
