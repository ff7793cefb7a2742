"""A job: what a command does with calls, placed or answered. It runs them, shows their progress, and judges them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from audiosocket_cli.call.live_call import CallOptions, LiveCall
from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import close_capture
from audiosocket_cli.jobs.sending_life import begin_sending, ending, report_to
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.net.client import PlacedCall, place_all
from audiosocket_cli.net.loop import run
from audiosocket_cli.net.target import Target
from audiosocket_cli.ui.console import is_terminal, say
from audiosocket_cli.ui.event_log import EventLog

if TYPE_CHECKING:
    from audiosocket_cli.jobs.sending import SendingWanted
    from audiosocket_cli.server.options import ServeSummary

Progress = contextlib.AbstractContextManager[Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with each call, and how it is judged. A job is run once."""

    call: CallOptions
    as_json: bool = False
    uuids: Sequence[UUID] = ()
    """One for each call that is to be placed."""
    calls: int = 1
    """How many are to be answered."""
    judge_placed: Callable[[PlacedCall], Outcome] = lambda placed: Outcome()
    """Shows the result of a call that we placed, and returns its outcome."""
    judge_answered: Callable[[int | None], Outcome] = lambda signal: Outcome()
    """The same for the calls that we answered, once all are over; `signal` is the signal that ended them, if any."""
    sum_up: Callable[[Sequence[Outcome]], Outcome] = lambda outcomes: Outcome()
    """Shows a summary of all calls that were placed, and returns the outcome beyond those of single calls."""
    is_logged: bool = False
    """Whether events of placed calls are logged as they happen. Those of answered calls always are."""
    progress: Callable[[], Progress] = contextlib.nullcontext
    """A live view of placed calls that are not logged."""
    sending: SendingWanted | None = None
    """What is sent on; of placed calls, only where they are logged."""


def run_job(job: Job, *, target: Target | None, listen: Address | None) -> Outcome:
    """Run a job: place its calls to `target`, or answer them on `listen`. Returns the outcome.

    Raises `UsageError` when both ends are named, and `NetworkError` when there is nobody at all.
    """
    return _placed(job, target or parse_address("127.0.0.1")) if listen is None else _answered(job, listen)


def refuse_two_ends(target: Target | None, listen: Address | None) -> None:
    """Raise `UsageError` when both a server to call and an address to listen on are named."""
    if target is not None and listen is not None:
        raise UsageError(f"TARGET {target} places a call and --listen waits for one: leave one out")


def outcome_of_server(summary: ServeSummary) -> Outcome:
    """Return the outcome of a server, by the rules for all commands that answer calls."""
    lost = summary.failed_recordings + summary.failed_captures + summary.unwritten
    return Outcome(summary.signal, failed=bool(lost or summary.faults))


def outcome_of_call(placed: PlacedCall) -> Outcome:
    """Return the outcome of a placed call, by the rules for all commands that place one."""
    lost = placed.recording_error or placed.capture_error
    return Outcome(placed.signal, failed=bool(lost) or placed.server_vanished, protocol_broken=placed.protocol_broken)


def _answered(job: Job, listen: Address) -> Outcome:
    from audiosocket_cli.jobs.answering import answer_calls  # a server takes a while to load
    from audiosocket_cli.server.options import ServeOptions

    options = ServeOptions(listen, job.call, calls=job.calls)
    summary = answer_calls(options, as_json=job.as_json, sending=job.sending)
    return outcome_of_server(summary) | job.judge_answered(summary.signal)


def _placed(job: Job, target: Target) -> Outcome:
    lost_lines, results = _log(job, target) if job.is_logged else _watch(job, target)
    outcomes = [_judged(job, placed) for placed in results]
    result = job.sum_up(outcomes)
    all_is_kept = close_capture(job.call.capture)
    result |= Outcome(failed=bool(lost_lines or not all_is_kept))
    for outcome in outcomes:
        result |= outcome
    return result


def _judged(job: Job, placed: PlacedCall | NetworkError) -> Outcome:
    if isinstance(placed, PlacedCall):
        outcome = outcome_of_call(placed) | job.judge_placed(placed)
        if placed.server_vanished and "bridge" not in placed.result:  # of a WebSocket bot a finding says it
            say(
                "the server did not hang up, the connection was lost: see audiosocket help finding server-closes-unread"
            )
        return outcome
    if len(job.uuids) == 1:
        raise placed
    say(str(placed))
    return Outcome(unreachable=True)


def _watch(job: Job, target: Target) -> tuple[int, list[PlacedCall | NetworkError]]:
    with job.progress():
        return 0, run(place_all(target, job.uuids, job.call))


def _log(job: Job, target: Target) -> tuple[int, list[PlacedCall | NetworkError]]:
    """Place calls with their events on stdout or, where data goes there, on stderr; returns also how many lines of it
    are lost."""
    log_to_stderr = job.call.takes_stdout
    stream = sys.stderr if log_to_stderr else sys.stdout
    log = EventLog(as_json=job.as_json, to_stderr=log_to_stderr)
    outgoing = begin_sending(job.sending, log, job.call, as_json=job.as_json)
    calls: list[LiveCall] = []
    with contextlib.ExitStack() as stack:
        if is_terminal(stream) and not job.as_json:
            from audiosocket_cli.ui.dashboard import calls_table

            log.write_above(stack.enter_context(calls_table(calls, lambda live: f"call to {target}", stream)))
        stack.enter_context(log)
        with ending(outgoing, log.note) as sent:
            placed = run(place_all(target, job.uuids, job.call, report=report_to(outgoing, log), watch=calls.append))
    sent.say()
    return log.lost + sent.is_lost, placed
