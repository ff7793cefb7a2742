"""The results of many replayed calls: as text, as JUnit XML, and as a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from xml.etree.ElementTree import Element

from audiosocket_cli.analysis.compare import Difference
from audiosocket_cli.junit import JunitCase, JunitSuite, suites_xml
from audiosocket_cli.text import counted
from audiosocket_cli.ui.html import chip, facts, failing_only, fold, lines, page, table, tag
from audiosocket_cli.ui.results import REPLAY_SCHEMA, differences_table
from audiosocket_cli.ui.wrapping import wrapped

_MAX_LOG: Final = 8
_HEAD: Final = "             "
_NARROW_REM: Final = 40.0


class State(StrEnum):
    """The result of a call."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "could not run"
    LEFT_OUT = "left out"  # a signal came first


_CLASSES: Final = {State.PASSED: "pass", State.FAILED: "fail counts", State.ERROR: "unknown", State.LEFT_OUT: "skip"}
_SIGNS: Final = {State.PASSED: "\u2713", State.FAILED: "\u2717", State.ERROR: "?", State.LEFT_OUT: "\u2013"}


@dataclass(frozen=True, slots=True)
class CallReport:
    """A call, and its result."""

    name: str
    state: State
    reason: str = ""
    """Why it did not pass, in one sentence."""
    text: Sequence[str] = ()
    """The result of the call, in lines."""
    content: dict[str, Any] | None = None
    """The same as JSON values."""
    found: Sequence[Difference] = ()
    elapsed_s: float = 0.0
    log: Sequence[str] = ()
    """What the server's own process wrote meanwhile."""
    again: Sequence[str] = ()
    """The words of the command that replays this call alone."""


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """A whole run."""

    target: str
    calls: Sequence[CallReport]
    started_at: str
    elapsed_s: float
    notes: Sequence[str] = ()

    def with_state(self, *states: State) -> list[CallReport]:
        """Return the calls with this result, in order."""
        return [call for call in self.calls if call.state in states]

    @property
    def verdict(self) -> str:
        """The verdict on the run, in one sentence."""
        counts = ", ".join(
            f"{number} {state}" for state in State
            if (number := len(self.with_state(state))) or state in (State.PASSED, State.FAILED)
        )  # fmt: skip
        return f"{counted(len(self.calls), 'call')}: {counts}"

    @property
    def passed(self) -> bool:
        """Whether all calls passed."""
        return len(self.with_state(State.PASSED)) == len(self.calls)


def suite_lines(report: SuiteReport) -> list[str]:
    """Return the verdict, and all that did not pass."""
    out = wrapped("passed: " if report.passed else "failed: ", report.verdict)
    out += wrapped("", f"{report.target}, {report.elapsed_s:.0f} s")
    for note in report.notes:
        out += wrapped("note: ", note)
    for call in report.with_state(State.FAILED):
        out += ["", f"failed: {call.name}: {call.reason}", *(f"  {line}" for line in call.text)]
        out += _block("its log", call.log[-_MAX_LOG:])
        out += _block("again", [shlex.join(call.again)])
    reasons: dict[str, list[str]] = {}
    for call in report.with_state(State.ERROR, State.LEFT_OUT):
        reasons.setdefault(f"{call.state}: {call.reason}", []).append(call.name)
    for reason, names in reasons.items():
        out += ["", *wrapped("", reason), *(f"  {name}" for name in names)]
    return out


def _block(name: str, text: Sequence[str]) -> list[str]:
    return [f"  {name if not number else '':{len(_HEAD) - 2}}{line}" for number, line in enumerate(text)]


def call_json(call: CallReport) -> dict[str, Any]:
    """Return a call as a JSON object: its name, its verdict and its result."""
    more = {"name": call.name, "verdict": call.state.value, "reason": call.reason or None}
    return {"schema": REPLAY_SCHEMA} | (call.content or {}) | more


def suite_xml(report: SuiteReport) -> bytes:
    """Return the whole file of JUnit XML."""
    cases = [
        JunitCase(
            call.name, "audiosocket.replay", call.elapsed_s,
            failure=call.reason if call.state is State.FAILED else None,
            error=call.reason if call.state is State.ERROR else None,
            skipped=call.reason if call.state is State.LEFT_OUT else None,
            kind="answer" if call.state is State.FAILED else "network", detail="\n".join(call.text), log=call.log,
        )
        for call in report.calls
    ]  # fmt: skip
    suite = JunitSuite("audiosocket replay", report.target, report.started_at, cases)
    return suites_xml("audiosocket replay", [suite])


def suite_page(report: SuiteReport) -> bytes:
    """Return the page: a line for each call, which opens what differs."""
    verdict = chip("pass", "\u2713", "passed") if report.passed else chip("fail counts", "\u2717", "failed")
    took = f"{report.started_at[:19].replace('T', ' ')}, {report.elapsed_s:.0f} s"
    quiet = [tag("p", text, class_="quiet") for text in (*(f"note: {note}" for note in report.notes), took)]
    summary = tag("section", tag("h2", report.target), tag("p", verdict, f" {report.verdict}"), *quiet, class_="card")
    return page("Are the answers as expected?", summary, *_table(report), narrow_rem=_NARROW_REM)


def _table(report: SuiteReport) -> Iterator[Element]:
    yield tag("h2", "Calls")
    yield failing_only("only calls that did not pass")
    yield table(("call", "length", "answer"), tag("tbody", *map(_row, report.calls), role="rowgroup"))


def _row(call: CallReport) -> Element:
    cells = [
        tag("th", tag("code", call.name), tag("div", call.reason, class_="quiet"), scope="row", role="rowheader"),
        tag("td", f"{call.elapsed_s:.1f} s", role="cell"),
        tag("td", _answer(call), role="cell"),
    ]
    return tag("tr", *cells, role="row", class_="fine" if call.state is State.PASSED else "")


def _answer(call: CallReport) -> Element:
    where = tag("span", f"{call.name}: ", class_="where")
    summary = tag("span", where, chip(_CLASSES[call.state], _SIGNS[call.state], call.state))
    pairs: list[tuple[str, Element | str]] = []
    if call.found:
        pairs.append(("differences", lines(differences_table(call.found))))
    result = call.text[: -len(call.found) - 2] if call.found else call.text
    blocks = [("result", result), ("its log", call.log), ("again", [shlex.join(call.again)] if call.again else [])]
    pairs += [(name, lines(text)) for name, text in blocks if text]
    return fold(summary, tag("div", tag("h3", call.name), facts(pairs), class_="evidence"), name="call")
