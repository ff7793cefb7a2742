"""`replay --expect` of many captures: each call is placed, several at once, and its answer compared with the old."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audiosocket_cli.analysis.compare import MIN_CORRELATION, TOLERANCE_S
from audiosocket_cli.check.subject import START_WITHIN_S, Subject
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.jobs.job import outcome_of_call
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import capture_output, close_capture
from audiosocket_cli.jobs.own_server import server_target
from audiosocket_cli.jobs.replay import (
    SAME,
    ReplayWanted,
    ServerReplay,
    output_of,
    refuse_to_compare_unlike_things,
    uuids_of,
)
from audiosocket_cli.jobs.replay_cases import ReplayCase, find_cases
from audiosocket_cli.jobs.reports import prepare_reports, write_report
from audiosocket_cli.net.client import InTurn, PlacedCall, place_in_turn
from audiosocket_cli.net.loop import run
from audiosocket_cli.net.target import PORT_FIELD, Target, WebSocketTarget
from audiosocket_cli.text import counted
from audiosocket_cli.ui.console import put_result
from audiosocket_cli.ui.live_line import live_line
from audiosocket_cli.ui.suite_report import (
    CallReport,
    State,
    SuiteReport,
    call_json,
    suite_lines,
    suite_page,
    suite_xml,
)


@dataclass(frozen=True, slots=True)
class SuiteWanted:
    """The command line."""

    each: ReplayWanted
    """The options of each call."""
    captures: Sequence[str]
    """Files and folders."""
    server: Sequence[str]
    """The words after --: the command that starts the server."""
    jobs: int
    start_within: float
    junit: Path | None
    html: Path | None


def replay_suite(wanted: SuiteWanted) -> Outcome:
    """Replay all calls, and report. Raises `UsageError`, `FileError`, `NothingError` and `NetworkError`."""
    each = wanted.each
    _refuse_what_is_for_one_call(each)
    refuse_to_compare_unlike_things(each)
    target = server_target(each.target, wanted.server)
    cases = find_cases(each, wanted.captures)
    prepare_reports(junit=wanted.junit, html=wanted.html, force=each.force)
    output, capture = output_of(each, len(cases)), capture_output(each.capture, force=each.force)
    replays = [ServerReplay(case.wanted, case.script, case.old, output, capture) for case in cases]
    uuids = [uuids_of(each.uuid, case.script, 1)[0] for case in cases]
    watch = _Watch(Subject(wanted.server, target, wanted.start_within) if wanted.server else None, len(cases))
    begun_s, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
    calls = [(uuid, replay.options) for uuid, replay in zip(uuids, replays, strict=True)]
    with live_line() as watch.show:
        done = run(place_in_turn(target, calls, wanted.jobs, server=watch.running(), around=watch.around))

    results = [
        _result(case, replay, placed, watch.seen.get(number, _Seen()), _again(case, target, wanted))
        for number, (case, replay, placed) in enumerate(zip(cases, replays, done.calls, strict=True))
    ]
    notes = [f"{seen.death} during {cases[number].name}" for number, seen in watch.seen.items() if seen.death]
    report = SuiteReport(str(target), results, started_at, time.monotonic() - begun_s, notes)
    told = _tell(report, wanted, to_stderr=capture is not None and capture.has_stdout)
    told &= close_capture(capture)
    return _outcome(report, done, failed=not told) | Outcome(damaged=any(case.script.damages for case in cases))


def _refuse_what_is_for_one_call(each: ReplayWanted) -> None:
    if each.expect is None:
        raise UsageError("several captures need --expect: add --expect same, or --expect FOLDER")
    if each.listen is not None:
        raise UsageError("--expect needs TARGET: leave out --expect or --listen")
    if each.calls > 1:
        raise UsageError("--calls is for one capture: --jobs says how many calls of several go on at once")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the server's own process did during a call."""

    log: Sequence[str] = ()
    death: str | None = None


class _Watch:
    """The server's own process, if we started it, and the progress of the run."""

    def __init__(self, subject: Subject | None, total: int) -> None:
        self._subject = subject
        self._total = total
        self._over = 0
        self._deaths: set[int] = set()
        """The starts after which it died."""
        self.show: Callable[[str], object] = lambda text: None
        self.seen: dict[int, _Seen] = {}
        """By the number of the call."""

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Start the server, and end it after the last call."""
        return contextlib.nullcontext() if self._subject is None else self._subject.running()

    @contextlib.asynccontextmanager
    async def around(self, number: int) -> AsyncIterator[None]:
        """Start the server if needed, and watch it until the call is over."""
        subject, begun_s = self._subject, time.monotonic()
        if subject is not None:
            await subject.revive(lambda died: None)
        try:
            yield
        finally:
            self._over += 1
            self.show(f"{self._over} of {counted(self._total, 'call')}")
            if subject is not None:
                self.seen[number] = _Seen(await subject.last_words(begun_s), self._new_death(subject))

    def _new_death(self, subject: Subject) -> str | None:
        """Report how the server died, for the first call after whose end this is known."""
        died = subject.how_it_died()
        if died is None or subject.starts in self._deaths:
            return None
        self._deaths.add(subject.starts)
        return died


def _result(
    case: ReplayCase, replay: ServerReplay, placed: PlacedCall | NetworkError | None, seen: _Seen,
    again: Sequence[str],
) -> CallReport:  # fmt: skip
    if placed is None:
        return CallReport(case.name, State.LEFT_OUT, "a signal came first")
    if isinstance(placed, NetworkError):
        return CallReport(case.name, State.ERROR, str(placed), log=seen.log)
    judged = replay.judge(placed)
    state, reason = State.PASSED, ""
    if placed.signal is not None:
        state, reason = State.LEFT_OUT, "a signal ended it"
    elif judged.failed or outcome_of_call(placed) != Outcome():
        state, reason = State.FAILED, judged.reason
    elif seen.death is not None:
        state, reason = State.FAILED, f"{seen.death} during this call"
    return CallReport(
        case.name, state, reason, judged.lines(), judged.as_json(), judged.found or (), placed.result["duration_s"],
        seen.log if state is State.FAILED else (), again,
    )  # fmt: skip


def _again(case: ReplayCase, target: Target, suite: SuiteWanted) -> list[str]:
    """Return the words of the command that replays a call alone."""
    wanted, server = case.wanted, suite.server
    words = ["audiosocket", "replay", wanted.captured]
    if isinstance(target, WebSocketTarget) or not any(PORT_FIELD in word for word in server):
        words.append(str(target))
    words += target.options if isinstance(target, WebSocketTarget) else ()
    words += ["--expect", str(SAME if str(wanted.expect) == wanted.captured else wanted.expect)]
    if wanted.call:
        words += ["--call", wanted.call]
    if wanted.tolerance != TOLERANCE_S:
        words += ["--tolerance", f"{wanted.tolerance:g}"]
    if wanted.least_correlation != MIN_CORRELATION:
        words += ["--least-correlation", f"{wanted.least_correlation:g}"]
    if wanted.uuid != "new":
        words += ["--uuid", wanted.uuid]
    if wanted.wait is not None:
        words += ["--wait", f"{wanted.wait:g}"]
    if suite.start_within != START_WITHIN_S:
        words += ["--start-within", f"{suite.start_within:g}"]
    return [*words, "--", *server] if server else words


def _tell(report: SuiteReport, wanted: SuiteWanted, *, to_stderr: bool) -> bool:
    """Write all reports that are wanted; False if one of them could not be written."""
    told = True
    if wanted.each.as_json:
        for call in report.calls:
            told &= put_result(call_json(call), [], as_json=True, to_stderr=to_stderr)
    else:
        told = put_result({}, suite_lines(report), as_json=False, to_stderr=to_stderr)
    if wanted.junit is not None:
        told &= write_report(wanted.junit, suite_xml(report), force=wanted.each.force)
    if wanted.html is not None:
        told &= write_report(wanted.html, suite_page(report), force=wanted.each.force)
    return told


def _outcome(report: SuiteReport, done: InTurn, *, failed: bool) -> Outcome:
    """Return the worst of all calls."""
    whole = Outcome(
        done.signal, unreachable=bool(report.with_state(State.ERROR)),
        failed=failed or bool(report.with_state(State.FAILED)),
    )  # fmt: skip
    for placed in done.calls:
        if isinstance(placed, PlacedCall):
            whole |= outcome_of_call(placed)
    return whole
