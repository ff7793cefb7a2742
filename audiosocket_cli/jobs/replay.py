"""`replay`: plays one side of a captured call, or a script, and compares the answer with what was expected."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from audiosocket_cli.analysis.compare import ASPECTS, Answer, Difference, differences, read_answer
from audiosocket_cli.asterisk.facts import POST_ROLL_MS
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.recording import Layout
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.sources.cue_times import ReplayOptions, Timing
from audiosocket_cli.call.sources.replay import ReplaySource
from audiosocket_cli.call.sources.script import Script, read_script
from audiosocket_cli.capture.lacks import left_out_of, missing_of
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.capture.writing import CaptureOutput
from audiosocket_cli.errors import ExitCode, NothingError, UsageError
from audiosocket_cli.jobs.expectation import settings_beside
from audiosocket_cli.jobs.job import Job
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import capture_output, output_for
from audiosocket_cli.model import Side
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.client import PlacedCall
from audiosocket_cli.net.target import Target, WebSocketTarget
from audiosocket_cli.text import counted
from audiosocket_cli.ui.capture_rows import damage_line
from audiosocket_cli.ui.console import put_result, say
from audiosocket_cli.ui.results import expectation_lines, replay_json, replay_lines

SAME: Final = Path("same")
"""The value of --expect that means the capture itself."""

HANGUP_WAIT_S: Final = 5.0
"""How long to wait for a server that hung up in the capture to do so again."""


@dataclass(frozen=True, slots=True)
class ReplayWanted:
    """The command line."""

    captured: str
    target: Target | None
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
    compare: Collection[str] = ASPECTS
    """With `expect`: what is compared."""


def replay_job(wanted: ReplayWanted) -> Job:
    """Return the job. Raises `UsageError`, `FileError`, and `NothingError` where nothing is to be said."""
    refuse_to_compare_unlike_things(wanted)
    if isinstance(wanted.target, WebSocketTarget) and (wanted.timing == "fast" or wanted.speed > 1):
        option = "--timing fast" if wanted.timing == "fast" else "--speed"
        raise UsageError(
            f"a WebSocket bot is called as by phone, which is never faster than speech: leave out {option}"
        )
    wanted = with_expectation(wanted)
    script = read_wanted(wanted)
    return _to_server(wanted, script) if wanted.listen is None else _to_caller(wanted, script)


def refuse_to_compare_unlike_things(wanted: ReplayWanted) -> None:
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


def with_expectation(wanted: ReplayWanted) -> ReplayWanted:
    """Return `wanted` with the settings of the file beside the capture, if answers are compared. Raises
    `UsageError` and `FileError`."""
    if wanted.expect is None:
        return wanted
    if wanted.captured == "-":
        if wanted.expect == SAME:
            raise UsageError("--expect same needs a file: standard input can be read once only")
        return wanted
    captured = Path(wanted.captured)
    expect = captured if wanted.expect == SAME else wanted.expect
    if os.path.isdir(expect):
        expect = expect / captured.name
    settings = settings_beside(captured)
    if wanted.call is not None:
        settings.pop("call", None)
    return replace(wanted, expect=expect, **settings)


def read_wanted(wanted: ReplayWanted) -> Script:
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
    lacks = [*missing_of(side, script.missing_bytes), *left_out_of(source)]
    for damage in script.damages:
        say(f"{captured}: {damage_line(damage)}")
    if script.calls > 1 and call is None:
        say(f"{captured} holds {script.calls} calls: this is {script.uuid}; another with --call")
    if script.left_out:
        say(f"left out {script.left_out} frames of the server that would end the call in Asterisk")
    if not script.actions:
        chosen = [f"--{name}" for name, value in (("call", call), ("from", from_s), ("to", to_s)) if value]
        where = f" where {' and '.join(chosen)} {'says' if len(chosen) == 1 else 'say'}" if chosen else " in it"
        raise NothingError(f"cannot replay {captured}: {'; '.join(lacks) or f'the {side} says nothing{where}'}")
    for text in lacks:
        say(f"{captured}: {text}")
    if wanted.max_gap is not None:
        script.shorten_gaps(wanted.max_gap)
    if wanted.loop > 1:
        script.repeat(wanted.loop)
    return script


def read_expected(wanted: ReplayWanted) -> Answer | None:
    """Read the answer that is expected, if one is, and say what of it is missing. Raises `FileError`, and
    `NothingError` where the server says nothing."""
    if wanted.expect is None:
        return None
    answer = read_answer(open_capture(wanted.expect), wanted.call)
    for text in missing_of(Side.SERVER, answer.missing_bytes):
        say(f"{wanted.expect}: {text}; the answer is compared with the rest")
    return answer


def _options(script: Script, wanted: ReplayWanted, stay_s: float, *, fill: bool) -> ReplayOptions:
    if script.has_steps and wanted.timing != "recorded":
        raise UsageError(f"--timing {wanted.timing} is for captures: a script has its own times")
    return ReplayOptions(Timing(wanted.timing), wanted.speed, stay_s, fill=fill)


def output_of(wanted: ReplayWanted, calls: int) -> FileOutput | None:
    """Return where calls are recorded to. Raises `UsageError`."""
    output = output_for(wanted.record, force=wanted.force)
    if output is not None and output.single and calls > 1:
        raise UsageError(f"{output} has room for one call, not {calls}: name a folder, or use {{uuid}} in the name")
    return output


def uuids_of(wanted: str, script: Script, calls: int) -> list[UUID]:
    """Return the UUIDs that calls send. Raises `UsageError`."""
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


class ServerReplay:
    """The caller's side, sent to a server, and the verdict on its answer."""

    def __init__(
        self, wanted: ReplayWanted, script: Script, old: Answer | None,
        output: FileOutput | None, capture: CaptureOutput | None,
    ) -> None:  # fmt: skip
        """`old` is the answer that is expected, if one is. Raises `UsageError`."""
        may_hang_up = script.ended_by is Side.SERVER
        stay_s = wanted.wait if wanted.wait is not None else HANGUP_WAIT_S if may_hang_up else 0.0
        self._replay = _options(script, wanted, stay_s, fill=False)
        self._wanted, self._script, self._old = wanted, script, old
        # A server may end the call as it did, and a little sooner.
        self._tolerance_s = wanted.tolerance if old is not None or may_hang_up else 0.0
        self._answers: dict[Source, Answer] = {}
        self.options = CallOptions(
            self._make_source, output, capture, layout=Layout(wanted.layout or "server"),
            make_taps=lambda source: [self._answers[source]],
        )  # fmt: skip

    def _make_source(self) -> ReplaySource:
        source = ReplaySource(self._script.actions, self._replay, end_s=self._script.end_s)
        self._answers[source] = Answer()
        return source

    def judge(self, placed: PlacedCall) -> Judged:
        """Judge a call that is over."""
        source, wanted = placed.source, self._wanted
        assert isinstance(source, ReplaySource)
        hung_up = placed.ended_by_server and not placed.server_vanished
        source.give_up(hung_up=hung_up, tolerance_s=self._tolerance_s if hung_up else 0.0)
        found = None
        if self._old is not None and placed.signal is None:
            found = differences(
                self._old, self._answers[source], tolerance_s=wanted.tolerance,
                least_correlation=wanted.least_correlation, aspects=wanted.compare,
            )  # fmt: skip
        return Judged(placed, source, found)


@dataclass(frozen=True, slots=True)
class Judged:
    """A replayed call, and how its answer differs from the expected one; None where nothing was compared."""

    placed: PlacedCall
    source: ReplaySource
    found: Sequence[Difference] | None

    @property
    def failed(self) -> bool:
        """Whether it is not as it should be."""
        return bool(self.placed.tail_lost or self.source.failures or self.found or self.source.is_cut)

    @property
    def reason(self) -> str:
        """Why it is not, in one sentence."""
        placed = self.placed
        if self.found:
            return f"the answer differs in {counted(len(self.found), 'place')}"
        reasons = [*self.source.failures, *filter(None, (placed.recording_error, placed.capture_error))]
        if placed.tail_lost:
            reasons.append("the last audio did not arrive")
        return reasons[0] if reasons else f"ended by {placed.ending.by} ({placed.ending.how}): {placed.ending.reason}"

    def as_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return replay_json(self.placed, self.source, self.found)

    def lines(self, *, named: bool = False) -> list[str]:
        """Return the result as lines of text."""
        return replay_lines(self.placed, self.source, self.found, named=named)


def _to_server(wanted: ReplayWanted, script: Script) -> Job:
    old = read_expected(wanted)
    uuids = uuids_of(wanted.uuid, script, wanted.calls)
    output = output_of(wanted, wanted.calls)
    replay = ServerReplay(wanted, script, old, output, capture_output(wanted.capture, force=wanted.force))

    def judge(placed: PlacedCall) -> Outcome:
        judged = replay.judge(placed)
        told = put_result(
            judged.as_json(), judged.lines(named=wanted.calls > 1), as_json=wanted.as_json,
            to_stderr=replay.options.takes_stdout,
        )  # fmt: skip
        return Outcome(failed=judged.failed or not told)

    def sum_up(outcomes: Sequence[Outcome]) -> Outcome:
        good = sum(outcome.exit_code == ExitCode.DONE for outcome in outcomes)
        if wanted.calls > 1 and not wanted.as_json:
            say(f"{wanted.calls} calls: {good} as expected, {wanted.calls - good} not")
        return Outcome(damaged=bool(script.damages))

    return Job(replay.options, uuids=uuids, judge_placed=judge, sum_up=sum_up)


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
    # A caller may end the call as they did, and a little sooner.
    tolerance_s = wanted.tolerance if script.ended_by is Side.CALLER else 0.0
    sources: list[ReplaySource] = []

    def make_source() -> ReplaySource:
        sources.append(ReplaySource(script.actions, replay))
        return sources[-1]

    def judge(signal: int | None) -> Outcome:
        for source in sources:
            if source.said or source.failures:  # the others never became calls
                source.give_up(hung_up=not source.finished, tolerance_s=tolerance_s)
        failures = [failure for source in sources for failure in source.failures]
        for line in [line for source in sources for line in expectation_lines(source)] + failures:
            say(line)
        return Outcome(failed=bool(failures), damaged=bool(script.damages))

    capture = capture_output(wanted.capture, force=wanted.force)
    output = output_of(wanted, wanted.calls)
    options = CallOptions(make_source, output, capture, layout=Layout(wanted.layout or "caller"))
    return Job(options, as_json=wanted.as_json, calls=wanted.calls, judge_answered=judge)
