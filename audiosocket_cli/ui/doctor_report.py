"""What `doctor` and `dialplan --check` found, as text and as JSON.

What is wrong comes first, in full; what is fine follows in a line each; the last line counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from audiosocket_cli.doctor.look import Looked
from audiosocket_cli.finding import Diagnosis, Status, worst
from audiosocket_cli.text import counted, printable
from audiosocket_cli.ui.wrapping import filled

SCHEMA: Final = "audiosocket.doctor/1"

_HEAD: Final = 10
"""Columns before the text of a finding."""

_ORDER: Final = (Status.FAULT, Status.WARNING, Status.UNKNOWN, Status.OK)


def report_lines(done: Sequence[Looked]) -> Iterator[str]:
    """Yield what was found: of the worst first, and at the end how many of each."""
    troubled = sorted((each for each in done if _troubles(each)), key=lambda each: _ORDER.index(worst(each.found)))
    for looked in troubled:
        yield looked.title
        for found in _troubles(looked):
            yield from diagnosis_lines(found)
        yield ""
    fine = [(looked.title, found) for looked in done for found in looked.found if found.status is Status.OK]
    if fine:
        yield "fine"
        for title, found in fine:
            what = printable(found.what) if found.where in title else _placed(found)
            yield from filled(_head(found.status), f"{title}: {what}")
        yield ""
    yield from _last_lines([found for looked in done for found in looked.found])


def _troubles(looked: Looked) -> list[Diagnosis]:
    found = [each for each in looked.found if each.status is not Status.OK]
    return sorted(found, key=lambda each: _ORDER.index(each.status))


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """Yield one finding: its status and what it is, its evidence, and its cure with lines to write."""
    yield from filled(_head(found.status), f"{_placed(found)} [{found.id}]")
    if found.status is Status.OK:
        return
    for line in found.evidence:
        yield from filled(f"{'':{_HEAD}}| ", line, hang=2)
    if found.cure:
        yield from filled(f"{'':{_HEAD}}", _sentence(found.cure, ":" if found.lines else "."))
    for line in found.lines:
        yield f"{'':{_HEAD}}    {line}"


def counts_line(found: Iterable[Diagnosis]) -> str:
    """Say how many there were of each status."""
    counts = Counter(each.status for each in found)
    nouns = {Status.FAULT: "fault", Status.WARNING: "warning"}
    parts = [
        counted(counts[status], nouns[status]) if status in nouns else f"{counts[status]} {status.value}"
        for status in _ORDER
        if counts[status]
    ]
    return ", ".join(parts) or "nothing to look at"


def _last_lines(found: Sequence[Diagnosis]) -> Iterator[str]:
    """Yield the counts, and where to read on: the page of what is worst."""
    yield counts_line(found)
    bad = next((each.id for status in _ORDER[:2] for each in found if each.status is status), None)
    if bad is not None:
        yield f"more on the first: audiosocket help finding {bad}"


def report_json(done: Sequence[Looked]) -> dict[str, Any]:
    """Return all of it as JSON values."""
    found = [each for looked in done for each in looked.found]
    return {
        "schema": SCHEMA,
        "status": worst(found).value if found else Status.UNKNOWN.value,
        "looked_at": [
            {"title": looked.title, "findings": [found.as_json() for found in looked.found]}
            for looked in done
            if looked.found
        ],
    }


def _placed(found: Diagnosis) -> str:
    return printable(f"{found.where}: {found.what}" if found.where else found.what)


def _sentence(text: str, end: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.:?!' else end}"


def _head(status: Status) -> str:
    return f"  {'unseen' if status is Status.UNKNOWN else status.value:{_HEAD - 3}} "
