"""What `doctor` and `dialplan --check` found, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from audiosocket_cli.doctor.look import Looked
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.ui.wrapping import wrapped

SCHEMA: Final = "audiosocket.doctor/1"

_HEAD: Final = 10
"""Columns before the text of a finding."""


def report_lines(done: Sequence[Looked]) -> Iterator[str]:
    """Yield what was found, what was looked at by what was looked at, and at the end how many of each."""
    for looked in done:
        yield looked.title
        for found in looked.found:
            yield from diagnosis_lines(found)
        yield ""
    yield counts_line(found for looked in done for found in looked.found)


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """Yield one finding: its status and what it is, its evidence, and its cure with lines to write."""
    where = f"{found.where}: " if found.where else ""
    yield from wrapped(f"  {_word(found.status):{_HEAD - 3}} ", f"{where}{found.what} [{found.id}]")
    if found.status is Status.OK:
        return
    for line in found.evidence:
        yield from wrapped(f"{'':{_HEAD}}| ", line)
    if found.cure:
        yield from wrapped(f"{'':{_HEAD}}", found.cure)
    for line in found.lines:
        yield f"{'':{_HEAD}}    {line}"


def counts_line(found: Iterator[Diagnosis]) -> str:
    """Say how many there were of each status."""
    counts = Counter(each.status for each in found)
    return ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status]) or "nothing to look at"


def report_json(done: Sequence[Looked]) -> dict[str, Any]:
    """Return all of it as JSON values."""
    return {
        "schema": SCHEMA,
        "looked_at": [
            {"title": looked.title, "findings": [found.as_json() for found in looked.found]} for looked in done
        ],
    }


def _word(status: Status) -> str:
    return "unseen" if status is Status.UNKNOWN else status.value
