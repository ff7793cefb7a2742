"""`replay`: plays one side of a captured call, or a script, and compares the answer with what was expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from audiosocket_cli.analysis.compare import Answer, differences, read_answer
from audiosocket_cli.asterisk.facts import POST_ROLL_MS
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.recording import Layout
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.sources.cue_times import ReplayOptions, Timing
from audiosocket_cli.call.sources.replay import ReplaySource
from audiosocket_cli.call.sources.script import Script, read_script
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.errors import ExitCode, NothingError, UsageError
from audiosocket_cli.jobs.job import Job
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import capture_output, output_for
from audiosocket_cli.model import Side
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.client import PlacedCall
from audiosocket_cli.ui.capture_rows import damage_line
from audiosocket_cli.ui.console import put_result, say
from audiosocket_cli.ui.results import expectation_lines, replay_json, replay_lines

HANGUP_WAIT_S: Final = 5.0
"""How long to wait for a server that hung up in the capture to do so again."""


@dataclass(frozen=True, slots=True)
class ReplayWanted:
    """The command line."""

    captured: str
    target: Address | None
    listen: Address | None
    timing: str
    speed: float
    max_gap: float | None
    from_s: float | None
    to_s: float | None
    loop: int
    call: str | None
    uuid: str
    calls: int
    wait: float | None
    expect: Path | None
    tolerance: float
    least_correlation: float
    capture: str | None
    record: str | None
    layout: str | None
    force: bool
    as_json: bool


def replay_job(wanted: ReplayWanted) -> Job:
    """Return the job. Raises `UsageError`, `FileError`, and `NothingError` where nothing is to be said."""
    _refuse_to_compare_unlike_things(wanted)
    script = _script(wanted)
    return _to_server(wanted, script) if wanted.listen is None else _to_caller(wanted, script)


def _refuse_to_compare_unlike_things(wanted: ReplayWanted) -> None:
    """Refuse --expect with what moves the times that it compares."""
    if wanted.from_s is not None and wanted.to_s is not None and wanted.from_s >= wanted.to_s:
        raise UsageError(f"--from {wanted.from_s:g} is not before --to {wanted.to_s:g}: there is no time between them")
    moved = {
        "--timing": wanted.timing != "recorded", "--speed": wanted.speed != 1, "--max-gap": wanted.max_gap is not None,
        "--from": wanted.from_s is not None, "--to": wanted.to_s is not None, "--loop": wanted.loop > 1,
    }  # fmt: skip
    for option, is_given in moved.items():
        if is_given and wanted.expect is not None:
            raise UsageError(f"--expect compares times, which {option} changes: leave one of them out")


def _script(wanted: ReplayWanted) -> Script:
    """Read what is to be said, and say what is odd about it. Raises `NothingError` where nothing is."""
    captured, call, from_s, to_s = wanted.captured, wanted.call, wanted.from_s, wanted.to_s
    side = Side.CALLER if wanted.listen is None else Side.SERVER
    source = open_capture(captured, scripts=True)
    script = read_script(
        source, side, name=source.name, call=call, from_s=from_s or 0.0, to_s=math.inf if to_s is None else to_s,
        by_hand=source.format == "jsonl",
    )  # fmt: skip
    if script.has_steps and (call or from_s is not None or to_s is not None):
        raise UsageError("--call, --from and --to are for captures: a script is played whole")
    for damage in script.damages:
        say(f"{captured}: {damage_line(damage)}")
    if script.calls > 1 and call is None:
        say(f"{captured} holds {script.calls} calls: this is {script.uuid}; another with --call")
    if script.left_out:
        say(f"left out {script.left_out} frames of the server that would end the call in Asterisk")
    if not script.actions:
        chosen = [f"--{name}" for name, value in (("call", call), ("from", from_s), ("to", to_s)) if value]
        where = f" where {' and '.join(chosen)} {'says' if len(chosen) == 1 else 'say'}" if chosen else " in it"
        raise NothingError(f"cannot replay {captured}: the {side} says nothing{where}")
    if wanted.max_gap is not None:
        script.shorten_gaps(wanted.max_gap)
    if wanted.loop > 1:
        script.repeat(wanted.loop)
    return script


def _options(script: Script, wanted: ReplayWanted, stay_s: float, *, fill: bool) -> ReplayOptions:
    if script.has_steps and wanted.timing != "recorded":
        raise UsageError(f"--timing {wanted.timing} is for captures: a script has its own times")
    return ReplayOptions(Timing(wanted.timing), wanted.speed, stay_s, fill=fill)


def _output(wanted: ReplayWanted) -> FileOutput | None:
    output = output_for(wanted.record, force=wanted.force)
    if output is not None and output.single and wanted.calls > 1:
        raise UsageError(
            f"{output} has room for one call, not {wanted.calls}: name a folder, or use {{uuid}} in the name"
        )
    return output


def _uuids(wanted: str, script: Script, calls: int) -> list[UUID]:
    if wanted == "new":
        return [uuid4() for _ in range(calls)]
    if wanted == "same":
        if script.uuid is None:
            raise UsageError("--uuid same needs a capture with a UUID: this one has none")
        return [script.uuid] * calls
    try:
        return [UUID(wanted)] * calls
    except ValueError:
        raise UsageError(f"--uuid {wanted} is not a UUID: write new, same, or 8-4-4-4-12 hexadecimal digits") from None


def _to_server(wanted: ReplayWanted, script: Script) -> Job:
    may_hang_up = script.ended_by is Side.SERVER
    stay_s = wanted.wait if wanted.wait is not None else HANGUP_WAIT_S if may_hang_up else 0.0
    replay = _options(script, wanted, stay_s, fill=False)
    uuids = _uuids(wanted.uuid, script, wanted.calls)
    old = read_answer(open_capture(wanted.expect), wanted.call) if wanted.expect is not None else None
    output = _output(wanted)
    capture = capture_output(wanted.capture, force=wanted.force)
    answers: dict[Source, Answer] = {}
    # A server may end the call as it did, and a little sooner.
    tolerance_s = wanted.tolerance if old is not None or may_hang_up else 0.0

    def make_source() -> ReplaySource:
        source = ReplaySource(script.actions, replay, end_s=script.end_s)
        answers[source] = Answer()
        return source

    options = CallOptions(
        make_source, output, capture, layout=Layout(wanted.layout or "server"),
        make_taps=lambda source: [answers[source]],
    )  # fmt: skip

    def judge(placed: PlacedCall) -> Outcome:
        return _judge(placed, wanted, old, answers[placed.source], tolerance_s, to_stderr=options.takes_stdout)

    def sum_up(outcomes: Sequence[Outcome]) -> Outcome:
        good = sum(outcome.exit_code == ExitCode.DONE for outcome in outcomes)
        if wanted.calls > 1 and not wanted.as_json:
            say(f"{wanted.calls} calls: {good} as expected, {wanted.calls - good} not")
        return Outcome(damaged=bool(script.damages))

    return Job(options, uuids=uuids, judge_placed=judge, sum_up=sum_up)


def _judge(
    placed: PlacedCall, wanted: ReplayWanted, old: Answer | None, answer: Answer, tolerance_s: float,
    *, to_stderr: bool,
) -> Outcome:  # fmt: skip
    """Say what came of a call, and judge it."""
    source = placed.source
    assert isinstance(source, ReplaySource)
    hung_up = placed.ended_by_server and not placed.server_vanished
    source.give_up(hung_up=hung_up, tolerance_s=tolerance_s if hung_up else 0.0)
    found = None
    if old is not None and placed.signal is None:
        found = differences(old, answer, tolerance_s=wanted.tolerance, least_correlation=wanted.least_correlation)
    told = put_result(
        replay_json(placed, source, found),
        replay_lines(placed, source, found, named=wanted.calls > 1),
        as_json=wanted.as_json,
        to_stderr=to_stderr,
    )
    return Outcome(failed=bool(placed.tail_lost or source.failures or found or source.is_cut or not told))


def _to_caller(wanted: ReplayWanted, script: Script) -> Job:
    if wanted.uuid != "new" or wanted.expect is not None:
        option = "--expect" if wanted.expect else "--uuid"
        raise UsageError(f"{option} needs TARGET: leave out {option} or --listen")
    if wanted.timing == "fast" or wanted.speed > 1:
        raise UsageError("with --listen Asterisk plays audio as it arrives: leave out --timing fast and --speed")
    stay_s = wanted.wait
    if stay_s is None:  # where the caller ended the call, until they do so again
        stay_s = math.inf if script.ended_by is Side.CALLER else POST_ROLL_MS / 1000
    replay = _options(script, wanted, stay_s, fill=True)
    sources: list[ReplaySource] = []

    def make_source() -> ReplaySource:
        sources.append(ReplaySource(script.actions, replay))
        return sources[-1]

    def judge(signal: int | None) -> Outcome:
        for source in sources:
            if source.said or source.failures:  # the others never became calls
                source.give_up(hung_up=not source.finished)
        failures = [failure for source in sources for failure in source.failures]
        for line in [line for source in sources for line in expectation_lines(source)] + failures:
            say(line)
        return Outcome(failed=bool(failures), damaged=bool(script.damages))

    capture = capture_output(wanted.capture, force=wanted.force)
    options = CallOptions(make_source, _output(wanted), capture, layout=Layout(wanted.layout or "caller"))
    return Job(options, as_json=wanted.as_json, calls=wanted.calls, judge_answered=judge)
