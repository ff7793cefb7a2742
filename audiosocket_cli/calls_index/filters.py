"""Which calls are wanted, and how that is asked in SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from audiosocket_cli.calls_index.mirrors import is_of_mirror
from audiosocket_cli.errors import UsageError

_UUID: Final = re.compile(r"[0-9A-Fa-f-]{1,36}")
_DIGITS: Final = re.compile(r"=?[0-9A-Dx*#]*")
_IS_CALL: Final = f"problem IS NULL AND NOT {is_of_mirror('calls', 'name', '.json')}"


@dataclass(frozen=True, slots=True)
class Filter:
    """All of these hold of a call that is wanted; what is None or empty is not asked. What was not measured of a call
    is neither longer nor shorter, faster nor slower than anything."""

    since: str | None = None
    """It started at this time or later: RFC 3339 in UTC with milliseconds, as in a row."""
    before: str | None = None
    """It started before this time."""
    not_since: str | None = None
    """It started before this time, or nobody knows when."""
    uuid: str | None = None
    """Its UUID begins so."""
    peer: str | None = None
    """Who dialled: an address, with or without its port; `*` stands for anything."""
    digits: str | None = None
    """It has these digits one after the other, `x` standing for any of 0 to 9; after `=`, these and no others."""
    findings: tuple[str, ...] = ()
    """It has one of these findings."""
    longer_s: float | None = None
    shorter_s: float | None = None
    ended_by: str | None = None
    slower_ms: float | None = None
    """An answer of the server took longer."""
    result: str | None = None
    """The result of the call; `*` stands for anything."""

    def where(self) -> tuple[str, list[Any]]:
        """Return the condition in SQL on `calls`, with its values; the connection needs `add_mirrored`."""
        parts = [(_IS_CALL, []), *self._parts()]
        return " AND ".join(text for text, _ in parts), [value for _, values in parts for value in values]

    def _parts(self) -> list[tuple[str, list[Any]]]:
        simple = {
            "started_at >= ?": self.since,
            "started_at < ?": self.before,
            "(started_at < ? OR started_at IS NULL)": self.not_since,
            "duration_s > ?": self.longer_s,
            "duration_s < ?": self.shorter_s,
            "ended_by = ?": self.ended_by,
            "latency_max_ms > ?": self.slower_ms,
            "uuid GLOB ?": None if self.uuid is None else f"{self.uuid.lower()}*",
            "result GLOB ?": None if self.result is None else _glob(self.result),
        }
        parts: list[tuple[str, list[Any]]] = [(text, [value]) for text, value in simple.items() if value is not None]
        if self.peer is not None:
            parts.append(("(peer GLOB ? OR peer GLOB ?)", [_glob(self.peer), f"{_glob(self.peer)}:*"]))
        if self.digits is not None:
            parts.append(("digits GLOB ?", [_digits_glob(self.digits)]))
        if self.findings:
            each = " OR ".join("instr(finding_ids, ?)" for _ in self.findings)
            parts.append((f"({each})", [f" {finding} " for finding in self.findings]))
        return parts


def check_digits(pattern: str) -> str:
    """Return what `Filter.digits` takes. Raises `UsageError`."""
    if not _DIGITS.fullmatch(pattern) or not pattern:
        raise UsageError(
            f"{pattern!r:.60} is not a pattern of digits: write 0 to 9, *, #, A to D, x for any of 0 to 9, and = in "
            "front for these and no others, as =0042"
        )
    return pattern


def check_uuid(text: str) -> str:
    """Return what `Filter.uuid` takes. Raises `UsageError`."""
    if not _UUID.fullmatch(text):
        raise UsageError(f"{text!r:.60} is not a UUID or the beginning of one: write some of its hexadecimal digits")
    return text.lower()


def _glob(pattern: str) -> str:
    """Return a pattern of ours, in which only `*` is special, as one of SQLite's."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _digits_glob(pattern: str) -> str:
    keys = pattern.removeprefix("=").replace("*", "[*]").replace("x", "[0-9]")
    return keys if pattern.startswith("=") else f"*{keys}*"
