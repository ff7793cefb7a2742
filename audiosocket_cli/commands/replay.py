"""`audiosocket replay`: say again what was said in a captured call, or what a script says."""

from __future__ import annotations

import math
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
from audiosocket_cli.errors import ExitCode, NetworkError, NothingError, UsageError
from audiosocket_cli.model import Side

if TYPE_CHECKING:
    from audiosocket_cli.analysis.compare import Answer
    from audiosocket_cli.call.sources.basic import Source
    from audiosocket_cli.call.sources.replay import ReplayOptions, ReplaySource
    from audiosocket_cli.call.sources.script import Script

HANGUP_WAIT_S: Final = 5.0
"""How long to wait for a server that hung up in the capture to do so again."""


@click.command()
@click.argument("captured", metavar="CAPTURE")
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
@click.option("--call", metavar="UUID", help="Play this call; the first digits do.  [default: the first]")
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
def command(ctx: click.Context, /, captured: str, target: Any, listen: Any, as_json: bool, **given: Any) -> None:
    """Play a captured call again: the caller's side to a server, or the server's side to Asterisk.

    \b
    Examples:
      audiosocket replay call.pcapng bot:9092 --record answer.wav
      audiosocket replay call.pcapng bot:9092 --expect call.pcapng
      audiosocket replay call.jsonl :9092 --timing fast --calls 50
      audiosocket dump pbx.pcap --call 8f269582 --json | audiosocket replay - bot:9092
      audiosocket replay call.pcapng --listen :9092

    CAPTURE is all that dump reads, or - for standard input. As JSON lines it can be a script, written by hand:

    \b
      {"play": "hello.wav"}                      say a sound file
      {"expect": "audio", "within_ms": 800}      wait for an answer, and fail without one
      {"expect": "silence"}                      wait until it is over (0.5 s without speech)
      {"digit": "5"}                             press a key, now
      {"t": 9.5, "digit": "#"}                   … or at this time of the call
      {"silence_ms": 2000}                       say nothing for a while
      {"expect": "hangup", "within_ms": 5000}    or {"hangup": true}, to end the call ourselves

    An expect waits for 30 s where it says nothing else; files to play are looked for where replay runs.

    Exits with 0 when all was played and as expected, 1 when not, 3 when TARGET cannot be reached, 4 when it sent what
    ends a call in Asterisk, 5 when CAPTURE cannot be read, 6 when it holds nothing to be played.
    """
    refuse_without_effect(ctx, layout="record", force="record capture", tolerance="expect", least_correlation="expect")
    target = the_one_end(target, listen)
    side = Side.CALLER if listen is None else Side.SERVER
    _refuse_to_compare_unlike_things(**given)
    script = _script(captured, side, given["call"], given["from_s"], given["to_s"])
    if not script.actions:
        chosen = [f"--{name}" for name, key in (("call", "call"), ("from", "from_s"), ("to", "to_s")) if given[key]]
        where = f" where {' and '.join(chosen)} {'says' if len(chosen) == 1 else 'say'}" if chosen else " in it"
        raise NothingError(f"cannot replay {captured}: the {side} says nothing{where}")
    if given["max_gap"] is not None:
        script.shorten_gaps(given["max_gap"])
    if given["loop"] > 1:
        script.repeat(given["loop"])
    ctx.exit((_place if listen is None else _answer)(script, listen or target, as_json=as_json, **given))


def _refuse_to_compare_unlike_things(
    *, expect: Path | None, timing: str, speed: float, max_gap: float | None, from_s: float | None, to_s: float | None,
    loop: int, tolerance: float, least_correlation: float, **_: Any,
) -> None:  # fmt: skip
    """Refuse --expect with what moves the times that it compares, and what is for it alone without it."""
    if from_s is not None and to_s is not None and from_s >= to_s:
        raise UsageError(f"--from {from_s:g} is not before --to {to_s:g}: there is no time between them")
    if expect is None:
        return
    moved = {
        "--timing": timing != "recorded", "--speed": speed != 1, "--max-gap": max_gap is not None,
        "--from": from_s is not None, "--to": to_s is not None, "--loop": loop > 1,
    }  # fmt: skip
    for option, is_given in moved.items():
        if is_given:
            raise UsageError(f"--expect compares times, which {option} moves: leave one of them out")


def _script(capture: str, side: Side, call: str | None, from_s: float | None, to_s: float | None) -> Script:
    from audiosocket_cli.call.sources.script import read_script
    from audiosocket_cli.capture.opening import open_capture
    from audiosocket_cli.ui.capture_rows import damage_line
    from audiosocket_cli.ui.console import say

    source = open_capture(capture, scripts=True)
    script = read_script(
        source, side, name=source.name, call=call, from_s=from_s or 0.0, to_s=math.inf if to_s is None else to_s,
        by_hand=source.format == "jsonl",
    )  # fmt: skip
    if script.has_steps and (call or from_s is not None or to_s is not None):
        raise UsageError("--call, --from and --to are for captures: a script is played whole")
    for damage in script.damages:
        say(f"{capture}: {damage_line(damage)}")
    if script.calls > 1 and call is None:
        say(f"{capture} holds {script.calls} calls: this is {script.uuid}; another with --call")
    if script.left_out:
        say(f"left out {script.left_out} frames of the server that would end the call in Asterisk")
    return script


def _options(
    script: Script, *, timing: str, speed: float, wait: float | None, fill: bool, other: Side
) -> ReplayOptions:
    from audiosocket_cli.call.sources.replay import ReplayOptions, Timing

    if script.has_steps and timing != "recorded":
        raise UsageError(f"--timing {timing} is for captures: a script has its own times")
    stay_s = wait if wait is not None else HANGUP_WAIT_S if script.ended_by is other else 0.0
    return ReplayOptions(Timing(timing), speed, stay_s, fill=fill)


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


def _place(
    script: Script, target: Any, *, as_json: bool, timing: str, speed: float,
    uuid: str, calls: int, wait: float | None, expect: Path | None, tolerance: float, least_correlation: float,
    record: str | None, capture: str | None, force: bool, layout: str | None, call: str | None, **_: Any,
) -> int:  # fmt: skip
    from audiosocket_cli.analysis.compare import Answer, differences, read_answer
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.recording import Layout
    from audiosocket_cli.call.sources.replay import ReplaySource
    from audiosocket_cli.capture.opening import open_capture
    from audiosocket_cli.commands.outcome import code_of_call, worst
    from audiosocket_cli.net.client import place_all
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.ui.console import put_result, say
    from audiosocket_cli.ui.results import replay_json, replay_lines

    replay = _options(script, timing=timing, speed=speed, wait=wait, fill=False, other=Side.SERVER)
    uuids = _uuids(uuid, script, calls)
    old = read_answer(open_capture(expect), call) if expect is not None else None
    output = output_for(record, force=force)
    if output is not None and output.single and calls > 1:
        raise UsageError(f"{output} has room for one call, not {calls}: name a folder, or use {{uuid}} in the name")
    answers: dict[Source, Answer] = {}

    def make_source() -> ReplaySource:
        source = ReplaySource(script.actions, replay, end_s=script.end_s)
        answers[source] = Answer()
        return source

    options = CallOptions(
        make_source,
        output,
        capture_output(capture, force=force),
        layout=Layout(layout or "server"),
        make_taps=lambda source: [answers[source]],
    )
    codes: list[int] = [ExitCode.DAMAGED] * bool(script.damages)
    good = 0
    for placed in run(place_all(target, uuids, options)):
        if isinstance(placed, NetworkError):
            if calls == 1:
                raise placed
            say(str(placed))
            codes.append(ExitCode.UNREACHABLE)
            continue
        source = placed.source
        assert isinstance(source, ReplaySource)
        may_end = old is not None or script.ended_by is Side.SERVER  # as it did, a little sooner
        hung_up = placed.ended_by_server and not placed.server_vanished
        source.give_up(hung_up=hung_up, tolerance_s=tolerance if may_end and hung_up else 0.0)
        found = None
        if old is not None and placed.signal is None:
            found = differences(old, answers[source], tolerance_s=tolerance, least_correlation=least_correlation)
        told = put_result(
            replay_json(placed, source, found),
            replay_lines(placed, source, found, named=calls > 1),
            as_json=as_json,
            to_stderr=options.takes_stdout,
        )
        failed = placed.tail_lost or source.failures or found or source.is_cut
        codes.append(code_of_call(placed, failed=failed))
        good += codes[-1] == ExitCode.DONE
        codes.append(ExitCode.DONE if told else ExitCode.NEGATIVE)
    if calls > 1 and not as_json:
        say(f"{calls} calls: {good} as they should be, {calls - good} not")
    codes.append(ExitCode.DONE if close_capture(options.capture) else ExitCode.NEGATIVE)
    return worst(codes)


def _answer(
    script: Script, listen: Any, *, as_json: bool, timing: str, speed: float,
    uuid: str, calls: int, wait: float | None, expect: Path | None, record: str | None, capture: str | None,
    force: bool, layout: str | None, **_: Any,
) -> int:  # fmt: skip
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.recording import Layout
    from audiosocket_cli.call.sources.replay import ReplaySource
    from audiosocket_cli.commands.answering import answer_calls
    from audiosocket_cli.commands.outcome import code_of_server, worst
    from audiosocket_cli.server.options import ServeOptions
    from audiosocket_cli.ui.console import say
    from audiosocket_cli.ui.results import expectation_lines

    if uuid != "new" or expect is not None:
        raise UsageError(f"{'--expect' if expect else '--uuid'} goes with TARGET only: leave it, or --listen, out")
    if timing == "fast" or speed > 1:
        raise UsageError("Asterisk plays what it gets as it comes: with --listen leave --timing fast and --speed out")
    replay = _options(script, timing=timing, speed=speed, wait=_wait_of(script, wait), fill=True, other=Side.CALLER)
    sources: list[ReplaySource] = []

    def make_source() -> ReplaySource:
        sources.append(ReplaySource(script.actions, replay))
        return sources[-1]

    output = output_for(record, force=force)
    if output is not None and output.single and calls > 1:
        raise UsageError(f"{output} has room for one call, not {calls}: name a folder, or use {{uuid}} in the name")
    options = CallOptions(make_source, output, capture_output(capture, force=force), layout=Layout(layout or "caller"))
    summary = answer_calls(ServeOptions(listen, options, calls=calls), as_json=as_json)
    for source in sources:
        if source.said or source.failures:  # others were no calls
            source.give_up(hung_up=not source.finished)
    failures = [failure for source in sources for failure in source.failures]
    for line in [line for source in sources for line in expectation_lines(source)] + failures:
        say(line)
    code = code_of_server(summary, failed=failures)
    return worst([code, ExitCode.DAMAGED]) if script.damages else code


def _wait_of(script: Script, wait: float | None) -> float:
    """Return how long to stay with a caller: where the caller ended the call, until they do so again."""
    from audiosocket_cli.asterisk.facts import POST_ROLL_MS

    if wait is not None:
        return wait
    return math.inf if script.ended_by is Side.CALLER else POST_ROLL_MS / 1000
