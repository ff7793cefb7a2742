"""The text of a load's page: why calls failed, findings with their cures, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element

from audiosocket_cli.bench.result import BenchResult
from audiosocket_cli.finding import id_of, untagged
from audiosocket_cli.finding_pages import cure_of, finding_ids, plain_sentence_of
from audiosocket_cli.report.bench_tables import MAX_LISTED, figure_table, left_out
from audiosocket_cli.ui.bench_report import LOOKED_AT, finding_lines
from audiosocket_cli.ui.html import facts, tag

_SETTINGS: Final = (
    ("target", "target", ""), ("calls", "calls at once", ""), ("rate", "new calls a second", ""),
    ("max_calls", "at most at once", ""), ("ramp_s", "ramp", " s"), ("duration_s", "duration", " s"),
    ("call_duration_s", "length of a call", " s"), ("kind", "audio", ""), ("frame_ms", "frames", " ms"),
    ("audio", "what callers say", ""), ("processes", "processes", ""), ("seed", "seed", ""),
    ("max_lateness_ms", "limit of lateness", " ms"),
)  # fmt: skip


def reason_section(results: Sequence[BenchResult], names: Sequence[str]) -> Iterator[Element]:
    """Yield why calls failed."""
    yield tag("h2", "Why calls failed", id="reasons")
    if not any(result.figures.reasons for result in results):
        yield tag("p", "No call failed.", class_="quiet")
        return
    reasons = {reason: None for result in results for reason, _ in result.figures.reasons.most_common()}
    rows = [
        tag("tr", tag("th", reason, scope="row"), *(tag("td", str(each.figures.reasons[reason])) for each in results))
        for reason in list(reasons)[:MAX_LISTED]
    ]
    heads = ["reason", *(["calls"] if len(names) == 1 else names)]
    yield figure_table(heads, rows, "why calls failed")
    yield from left_out(reasons, "reasons")


def finding_section(results: Sequence[BenchResult], names: Sequence[str]) -> Iterator[Element]:
    """Yield what is wrong with the answer, each with its cure."""
    yield tag("h2", "Findings", id="findings")
    found = 0
    for result, name in zip(results, names, strict=True):
        whose = f" of {name}" if len(names) > 1 else ""
        found += len(result.figures.finding_ids)
        for line, count in finding_lines(result.figures, MAX_LISTED):
            yield _finding(line, f"in {count} of {LOOKED_AT}{whose}")
        yield from left_out(result.figures.finding_ids, f"findings{whose}")
    if not found:
        yield tag("p", f"None in {LOOKED_AT}. Later calls are not looked at.", class_="quiet")


def _finding(line: str, where: str) -> Element:
    finding_id = id_of(line)
    content = [tag("h3", untagged(line)), tag("p", where, class_="quiet")]
    if finding_id in finding_ids() and finding_id is not None:
        content += [
            tag("p", plain_sentence_of(finding_id)),
            tag("p", tag("strong", "Cure: "), cure_of(finding_id)),
            tag("p", tag("code", f"audiosocket help finding {finding_id}"), class_="quiet"),
        ]
    return tag("section", *content, class_="card finding")


def settings_section(results: Sequence[BenchResult], names: Sequence[str]) -> Iterator[Element]:
    """Yield what each load was meant to be."""
    yield tag("h2", "Settings", id="settings")
    cards = [
        tag("section", tag("h3", name), facts(_settings(result.settings)), class_="card")
        for result, name in zip(results, names, strict=True)
    ]
    yield tag("div", *cards, class_="servers")


def _settings(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, words, unit in _SETTINGS:
        value = settings.get(name)
        if value is not None:
            yield words, f"{f'{value:g}' if isinstance(value, float) else value}{unit}"
    stages = settings["stages"]
    for stage in stages[:MAX_LISTED]:
        yield "stage", f"{stage['calls']} calls for {stage['duration_s']:g} s"
    if len(stages) > MAX_LISTED:
        yield "", f"{len(stages) - MAX_LISTED} more stages"
