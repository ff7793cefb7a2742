"""`audiosocket replay`: say again what was said in a captured call, or what a script says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import click

from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    SECONDS,
    AddressParam,
    CountParam,
    NumberParam,
    TimeParam,
    capture_output,
    close_capture,
    refuse_without_effect,
)
from audiosocket_cli.commands.placing import output_for, record_options, the_one_end
from audiosocket_cli.commands.values import calls, files
from audiosocket_cli.errors import ExitCode, NetworkError, NothingError, UsageError
from audiosocket_cli.model import Side

if TYPE_CHECKING:
    from audiosocket_cli.analysis.compare import Answer
    from audiosocket_cli.call.recording.destinations import FileOutput
    from audiosocket_cli.call.sources.basic import Source
    from audiosocket_cli.call.sources.replay import ReplayOptions, ReplaySource
    from audiosocket_cli.call.sources.script import Script
    from audiosocket_cli.net.address import Address
    from audiosocket_cli.net.client import PlacedCall

HANGUP_WAIT_S: Final = 5.0
"""How long to wait for a server that hung up in the capture to do so again."""


@click.command(short_help="Play a captured call, or a script, again.")
@click.argument("captured", metavar="CAPTURE", shell_complete=files)
@click.argument("target", type=AddressParam(), required=False)
@click.option("--listen", type=AddressParam(), help="Answer a call from Asterisk, and play the server's side to it.")
@click.option(
    "--timing",
    type=click.Choice(["recorded", "media", "fast"]),
    default="recorded",
    show_default=True,
    help="Send frames when they were sent, as they play without pauses, or as fast as they are taken.",
)
@click.option(
    "--speed", type=NumberParam(0.01, 1000), metavar="X", default=1.0, help="Play X times as fast, up to 1000."
)
@click.option(
    "--max-gap", type=SECONDS, metavar="TIME", help="Shorten longer pauses, in which nothing was sent, to this."
)
@click.option("--from", "from_s", type=TimeParam(), help="Begin at this time of the call.")
@click.option("--to", "to_s", type=TimeParam(), help="End at this time of the call.")
@click.option("--loop", type=CountParam(), metavar="N", default=1, help="Play it N times in one call.")
@click.option(
    "--call", metavar="UUID", shell_complete=calls, help="Play this call; the first digits do.  [default: the first]"
)
@click.option(
    "--uuid", metavar="new|same|UUID", default="new", show_default=True,
    help="The UUID to say: a random one, that of the capture, or this.",
)  # fmt: skip
@click.option("--calls", type=CountParam(10_000), metavar="N", default=1, help="Place N calls at once.")
@click.option("--wait", type=SECONDS, metavar="TIME", help="Stay this long when all is said, sending silence.")
@click.option(
    "--expect",
    type=click.Path(path_type=Path, readable=False),
    metavar="OLD",
    help="Compare the answer with that of a capture, as a rule CAPTURE itself; differences in a table, exit code 1.",
)
@click.option(
    "--tolerance", type=POSITIVE_SECONDS, metavar="TIME", default="0.2s", show_default=True,
    help="With --expect: how much earlier or later, longer or shorter is still the same.",
)  # fmt: skip
@click.option(
    "--least-correlation", type=NumberParam(0, 1), metavar="R", default=0.8, show_default=True,
    help="With --expect: how alike speech has to sound; 0 compares times only.",
)  # fmt: skip
@record_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object a call (--listen: events).")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Play a captured call again: the caller's side to a server, or the server's side to Asterisk.

    \b
    Examples:
      audiosocket replay call.pcapng bot:9092 --record answer.wav
      audiosocket replay call.pcapng bot:9092 --expect call.pcapng
      audiosocket replay call.jsonl :9092 --timing fast --calls 50
      audiosocket dump pbx.pcap --call 8f269582 --json |
        audiosocket replay - bot:9092
      audiosocket replay call.pcapng --listen :9092

    CAPTURE is all that dump reads, or - for standard input. As JSON lines it can be a script, written by hand:

    \b
      {"play": "hello.wav"}                    say a sound file
      {"expect": "audio", "within_ms": 800}    fail without an answer by then
      {"expect": "silence"}                    until 0.5 s without speech
      {"digit": "5"}                           press a key, now
      {"t": 9.5, "digit": "#"}                 … or at this time of the call
      {"silence_ms": 2000}                     say nothing for a while
      {"expect": "hangup", "within_ms": 5000}  or {"hangup": true}: we hang up

    An expect waits for 30 s where it says nothing else; files to play are looked for where replay runs.

    Exits with 0 when all was played and as expected, 1 when not, 3 when TARGET cannot be reached, 4 when it sent what
    ends a call in Asterisk, 5 when CAPTURE cannot be read, 6 when it holds nothing to be played.
    """
    refuse_without_effect(ctx, layout="record", force="record capture", tolerance="expect", least_correlation="expect")
    wanted = _Wanted(**given)
    target = the_one_end(wanted.target, wanted.listen)
    _refuse_to_compare_unlike_things(wanted)
    script = _script(wanted)
    ctx.exit(_place(target, wanted, script) if wanted.listen is None else _answer(wanted.listen, wanted, script))


@dataclass(frozen=True, slots=True)
class _Wanted:
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


def _refuse_to_compare_unlike_things(wanted: _Wanted) -> None:
    """Refuse --expect with what moves the times that it compares."""
    if wanted.from_s is not None and wanted.to_s is not None and wanted.from_s >= wanted.to_s:
        raise UsageError(f"--from {wanted.from_s:g} is not before --to {wanted.to_s:g}: there is no time between them")
    moved = {
        "--timing": wanted.timing != "recorded", "--speed": wanted.speed != 1, "--max-gap": wanted.max_gap is not None,
        "--from": wanted.from_s is not None, "--to": wanted.to_s is not None, "--loop": wanted.loop > 1,
    }  # fmt: skip
    for option, is_given in moved.items():
        if is_given and wanted.expect is not None:
            raise UsageError(f"--expect compares times, which {option} moves: leave one of them out")


def _script(wanted: _Wanted) -> Script:
    """Read what is to be said, and say what is odd about it. Raises `NothingError` where nothing is."""
    from audiosocket_cli.call.sources.script import read_script
    from audiosocket_cli.capture.opening import open_capture
    from audiosocket_cli.ui.capture_rows import damage_line
    from audiosocket_cli.ui.console import say

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


def _options(script: Script, wanted: _Wanted, stay_s: float, *, fill: bool) -> ReplayOptions:
    from audiosocket_cli.call.sources.replay import ReplayOptions, Timing

    if script.has_steps and wanted.timing != "recorded":
        raise UsageError(f"--timing {wanted.timing} is for captures: a script has its own times")
    return ReplayOptions(Timing(wanted.timing), wanted.speed, stay_s, fill=fill)


def _output(wanted: _Wanted) -> FileOutput | None:
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
        raise UsageError(f"--uuid {wanted} is no UUID: write new, same, or 8-4-4-4-12 hexadecimal digits") from None


def _place(target: Address, wanted: _Wanted, script: Script) -> int:
    from audiosocket_cli.analysis.compare import Answer, read_answer
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.recording import Layout
    from audiosocket_cli.call.sources.replay import ReplaySource
    from audiosocket_cli.capture.opening import open_capture
    from audiosocket_cli.commands.outcome import worst
    from audiosocket_cli.net.client import place_all
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.ui.console import say

    may_hang_up = script.ended_by is Side.SERVER
    stay_s = wanted.wait if wanted.wait is not None else HANGUP_WAIT_S if may_hang_up else 0.0
    replay = _options(script, wanted, stay_s, fill=False)
    uuids = _uuids(wanted.uuid, script, wanted.calls)
    old = read_answer(open_capture(wanted.expect), wanted.call) if wanted.expect is not None else None
    output = _output(wanted)
    answers: dict[Source, Answer] = {}

    def make_source() -> ReplaySource:
        source = ReplaySource(script.actions, replay, end_s=script.end_s)
        answers[source] = Answer()
        return source

    options = CallOptions(
        make_source,
        output,
        capture_output(wanted.capture, force=wanted.force),
        layout=Layout(wanted.layout or "server"),
        make_taps=lambda source: [answers[source]],
    )
    codes: list[int] = [ExitCode.DAMAGED] * bool(script.damages)
    good = 0
    for placed in run(place_all(target, uuids, options)):
        if isinstance(placed, NetworkError):
            if wanted.calls == 1:
                raise placed
            say(str(placed))
            codes.append(ExitCode.UNREACHABLE)
            continue
        # A server may end the call as it did, and a little sooner.
        tolerance_s = wanted.tolerance if old is not None or may_hang_up else 0.0
        code, told = _judge(placed, wanted, old, answers[placed.source], tolerance_s, to_stderr=options.takes_stdout)
        good += code == ExitCode.DONE
        codes += [code, ExitCode.DONE if told else ExitCode.NEGATIVE]
    if wanted.calls > 1 and not wanted.as_json:
        say(f"{wanted.calls} calls: {good} as they should be, {wanted.calls - good} not")
    codes.append(ExitCode.DONE if close_capture(options.capture) else ExitCode.NEGATIVE)
    return worst(codes)


def _judge(
    placed: PlacedCall, wanted: _Wanted, old: Answer | None, answer: Answer, tolerance_s: float, *, to_stderr: bool
) -> tuple[int, bool]:
    """Say what came of a call, and return its exit code, and whether that could be said."""
    from audiosocket_cli.analysis.compare import differences
    from audiosocket_cli.call.sources.replay import ReplaySource
    from audiosocket_cli.commands.outcome import code_of_call
    from audiosocket_cli.ui.console import put_result
    from audiosocket_cli.ui.results import replay_json, replay_lines

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
    return code_of_call(placed, failed=placed.tail_lost or source.failures or found or source.is_cut), told


def _answer(listen: Address, wanted: _Wanted, script: Script) -> int:
    from audiosocket_cli.asterisk.facts import POST_ROLL_MS
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.recording import Layout
    from audiosocket_cli.call.sources.replay import ReplaySource
    from audiosocket_cli.commands.answering import answer_calls
    from audiosocket_cli.commands.outcome import code_of_server, worst
    from audiosocket_cli.server.options import ServeOptions
    from audiosocket_cli.ui.console import say
    from audiosocket_cli.ui.results import expectation_lines

    if wanted.uuid != "new" or wanted.expect is not None:
        option = "--expect" if wanted.expect else "--uuid"
        raise UsageError(f"{option} goes with TARGET only: leave it, or --listen, out")
    if wanted.timing == "fast" or wanted.speed > 1:
        raise UsageError("Asterisk plays what it gets as it comes: with --listen leave --timing fast and --speed out")
    stay_s = wanted.wait
    if stay_s is None:  # where the caller ended the call, until they do so again
        stay_s = math.inf if script.ended_by is Side.CALLER else POST_ROLL_MS / 1000
    replay = _options(script, wanted, stay_s, fill=True)
    sources: list[ReplaySource] = []

    def make_source() -> ReplaySource:
        sources.append(ReplaySource(script.actions, replay))
        return sources[-1]

    capture = capture_output(wanted.capture, force=wanted.force)
    options = CallOptions(make_source, _output(wanted), capture, layout=Layout(wanted.layout or "caller"))
    summary = answer_calls(ServeOptions(listen, options, calls=wanted.calls), as_json=wanted.as_json)
    for source in sources:
        if source.said or source.failures:  # others were no calls
            source.give_up(hung_up=not source.finished)
    failures = [failure for source in sources for failure in source.failures]
    for line in [line for source in sources for line in expectation_lines(source)] + failures:
        say(line)
    code = code_of_server(summary, failed=failures)
    return worst([code, ExitCode.DAMAGED]) if script.damages else code
