"""`audiosocket inject-dtmf`: press keys in a call, whoever dials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from audiosocket_cli.codec import kind_of
from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    SECONDS,
    AddressParam,
    RateParam,
    UuidParam,
    capture_output,
    close_capture,
    expect_audio_option,
    refuse_without_effect,
)
from audiosocket_cli.commands.placing import (
    open_prompt,
    output_for,
    record_options,
    refuse_of_a_placed_call,
    the_one_end,
)
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.sources.basic import Source
    from audiosocket_cli.call.sources.keys import KeyOptions, KeySource
    from audiosocket_cli.net.address import Address
    from audiosocket_cli.net.client import PlacedCall

HANGUP_WAIT_S = 10.0

_FAULTS = {"reset": "reset the connection", "fault": "broke the protocol"}
"""How a call ended without a hangup, in words."""


@click.command(short_help="Press keys in a call.")
@click.argument("digits")
@click.argument("target", type=AddressParam(), required=False)
@click.option("--listen", type=AddressParam(), help="Answer a call from Asterisk instead, and press to the caller.")
@click.option(
    "--after",
    type=SECONDS,
    metavar="TIME",
    default="1s",
    show_default=True,
    help="Press the first digit this long into the call.",
)
@click.option(
    "--after-silence",
    is_flag=True,
    help="Count --after from the other side's last word; a pause under 0.3 s does not count.",
)
@click.option(
    "--gap",
    type=POSITIVE_SECONDS,
    metavar="TIME",
    default="0.35s",
    show_default=True,
    help="From one digit to the next.",
)
@click.option("--in-band", is_flag=True, help="Add the digits' tones to the audio, too.")
@click.option("--in-band-only", is_flag=True, help="Send tones, and no DTMF frames.")
@click.option("--audio", type=click.Path(path_type=Path), metavar="FILE", help="Play a sound file meanwhile.")
@click.option(
    "--wait",
    type=SECONDS,
    metavar="TIME",
    help="Stay this long after the last digit.  [default: 1, or until --expect-audio-within comes]",
)
@expect_audio_option("the last digit")
@click.option(
    "--expect-hangup",
    is_flag=True,
    help="Fail unless the other side hangs up after the last digit, within --wait or 10 seconds.",
)
@click.option(
    "--timeout",
    type=POSITIVE_SECONDS,
    metavar="TIME",
    default="30s",
    show_default=True,
    help="With --after-silence: give up when the other side has not spoken and fallen silent by then.",
)
@record_options
@click.option("--uuid", type=UuidParam(), help="With TARGET: the call's UUID.  [default: a random one]")
@click.option("--rate", type=RateParam(), help="With TARGET: send audio of this rate.  [default: 8000, kind slin]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object (--listen: events).")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Press keys in a call.

    \b
    Examples:
      audiosocket inject-dtmf 123# bot:9092
      audiosocket inject-dtmf '1w23W#' :9092 --expect-audio-within 2
      audiosocket inject-dtmf 42# --listen :9092

    DIGITS are 0-9, *, #, A-D; w waits half a second, W a second, as in Asterisk's dial strings. As Asterisk would, it
    says a UUID to TARGET (host:port), sends silence or --audio, and each digit as a frame of kind 03.

    With --listen it answers Asterisk and presses keys to the caller. Those are tones in the audio, always: Asterisk
    ends a call in which a server sends a DTMF frame.

    Exits with 0 when all was pressed and came as expected, 1 when not, or when the other side hung up or went silent
    after a digit (unless --expect-hangup), 3 when TARGET cannot be reached, 4 when it sent what ends a call in
    Asterisk, 7 when --after-silence waited in vain.
    """
    refuse_without_effect(ctx, layout="record", force="record capture", timeout="after_silence")
    wanted = _Wanted(**given)
    target = the_one_end(wanted.target, wanted.listen)
    keys = _key_options(wanted)
    ctx.exit(_place(target, wanted, keys) if wanted.listen is None else _answer(wanted.listen, wanted, keys))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The command line."""

    digits: str
    target: Address | None
    listen: Address | None
    after: float
    after_silence: bool
    gap: float
    in_band: bool
    in_band_only: bool
    audio: Path | None
    wait: float | None
    expect_audio: float | None
    expect_hangup: bool
    timeout: float
    capture: str | None
    record: str | None
    layout: str | None
    force: bool
    uuid: UUID | None
    rate: int | None
    as_json: bool


def _key_options(wanted: _Wanted) -> KeyOptions:
    from audiosocket_cli.audio.dtmf import parse_digits
    from audiosocket_cli.call.sources.keys import TONE_S, KeyOptions

    keys = parse_digits(wanted.digits)
    if wanted.in_band and wanted.in_band_only:
        raise UsageError("--in-band and --in-band-only exclude each other: choose one")
    answering = wanted.listen is not None
    tones = answering or wanted.in_band or wanted.in_band_only
    if tones and wanted.gap < TONE_S * 1.5:
        raise UsageError(f"--gap {wanted.gap:g} is too short for tones of {TONE_S:g} s: {TONE_S * 1.5:g} or more")
    default_wait_s = HANGUP_WAIT_S if wanted.expect_hangup else 1.0
    return KeyOptions(
        keys,
        wanted.gap,
        frames=not (answering or wanted.in_band_only),
        tones=tones,
        after_s=wanted.after,
        after_silence=wanted.after_silence,
        patience_s=wanted.timeout,
        wait_s=default_wait_s if wanted.wait is None else wanted.wait,
        expect_audio_s=wanted.expect_audio,
        stay=wanted.wait is not None or wanted.expect_hangup,
    )


def _call_options(wanted: _Wanted, make_source: Callable[[], Source], other_side: str) -> CallOptions:
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.recording import Layout

    return CallOptions(
        make_source,
        output_for(wanted.record, force=wanted.force, played=wanted.audio),
        capture_output(wanted.capture, force=wanted.force),
        layout=Layout(wanted.layout or other_side),
    )


def _place(target: Address, wanted: _Wanted, keys: KeyOptions) -> int:
    from audiosocket_cli.audio.files import Sound
    from audiosocket_cli.call.sources.basic import Playback, QuietLine
    from audiosocket_cli.call.sources.keys import KeySource
    from audiosocket_cli.commands.outcome import code_of_call
    from audiosocket_cli.net.client import place
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.ui.console import put_result
    from audiosocket_cli.ui.results import inject_json, inject_lines

    kind = kind_of(wanted.rate or 8000)
    under: Source = QuietLine(kind)
    if wanted.audio is not None:
        under = Playback(open_prompt(Sound(wanted.audio)), kind, wait_s=None)
    source = KeySource(under, keys)
    options = _call_options(wanted, lambda: source, "server")
    placed = run(place(target, wanted.uuid or uuid4(), options))
    how = _how_it_left(placed)
    failures = _failures(source, keys, who="server", how=how, expect_hangup=wanted.expect_hangup)
    told = put_result(
        inject_json(placed, source, wanted.digits, failures),
        inject_lines(placed, source, wanted.digits, failures),
        as_json=wanted.as_json,
        to_stderr=options.takes_stdout,
    )
    failed = (failures and not source.gave_up) or placed.tail_lost or not told or not close_capture(options.capture)
    return code_of_call(placed, failed=failed, timed_out=source.gave_up)


def _how_it_left(placed: PlacedCall) -> str | None:
    """Say what the server did that ended the call; None where we ended it."""
    if not placed.ended_by_server:
        return None
    how = placed.ending.how
    return _FAULTS.get(how, "hung up" if how == "hangup" else "closed the connection")


def _answer(listen: Address, wanted: _Wanted, keys: KeyOptions) -> int:
    from audiosocket_cli.audio.files import Sound
    from audiosocket_cli.call.sources.basic import PromptSource, Silence
    from audiosocket_cli.call.sources.keys import KeySource
    from audiosocket_cli.commands.answering import answer_calls
    from audiosocket_cli.commands.outcome import code_of_server
    from audiosocket_cli.server.options import ServeOptions
    from audiosocket_cli.ui.console import say
    from audiosocket_cli.ui.results import pressed_text

    refuse_of_a_placed_call(uuid=wanted.uuid, rate=wanted.rate)
    prompt = open_prompt(Sound(wanted.audio).kept()) if wanted.audio is not None else None
    sources: list[KeySource] = []

    def make_source() -> KeySource:
        sources.append(KeySource(PromptSource(prompt) if prompt is not None else Silence(), keys))
        return sources[-1]

    options = _call_options(wanted, make_source, "caller")
    say("pressing keys as tones in the audio: Asterisk ends a call in which a server sends a DTMF frame")
    summary = answer_calls(ServeOptions(listen, options, calls=1), as_json=wanted.as_json)
    source = next((source for source in sources if source.begun), None)  # others were no calls
    if source is None or summary.signal is not None:
        return code_of_server(summary)
    say(pressed_text(source))
    how = None if source.is_over else "hung up"
    failures = _failures(source, keys, who="caller", how=how, expect_hangup=wanted.expect_hangup)
    for failure in failures:
        say(failure)
    return code_of_server(summary, failed=failures and not source.gave_up, timed_out=source.gave_up)


def _failures(source: KeySource, keys: KeyOptions, *, who: str, how: str | None, expect_hangup: bool) -> list[str]:
    """Say what did not come as expected, a line each; `how` the other side ended the call, if it did."""
    if source.gave_up:
        return [f"pressed nothing: {source.ending}"]
    pressed = source.pressed
    when = f"{source.since_digit_s * 1000:.0f} ms after digit {pressed[-1][1]}" if pressed else "before the first digit"
    left = f"the {who} {how} {when}" if how else ""
    if not source.finished:
        told = f"pressed {source.said} of {len(keys.keys)} digits before the call ended"
        return [left, told] if left else [told]
    failures = [] if keys.expect_audio_s is None else _late_answer(source, keys.expect_audio_s)
    answered = keys.expect_audio_s is not None and not failures
    is_fault = how in _FAULTS.values()
    if expect_hangup and (not how or is_fault):
        failures.append(f"expected a hangup within {keys.wait_s:g} s of the last digit: {left or 'there was none'}")
    elif is_fault:
        failures.append(left)
    elif left and not (expect_hangup or answered):
        failures.append(f"{left} (if that is expected, add --expect-hangup)")
    elif who == "server" and source.mute_s is not None:
        failures.append(f"the server, which had sent audio all along, sent nothing more for {source.mute_s:.2f} s")
    return failures


def _late_answer(source: KeySource, within_s: float) -> list[str]:
    heard_s = source.heard_after_s
    if heard_s is not None and heard_s <= within_s:
        return []
    came = "there was none" if heard_s is None else f"it came after {heard_s:.2f} s"
    if source.spoke_already:
        came = f"what it was saying already is not an answer, and after that {came}"
    return [f"expected speech within {within_s:g} s of the last digit: {came}"]
