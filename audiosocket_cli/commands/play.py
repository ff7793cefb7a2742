"""`audiosocket play`: say a file to a server, standing in for Asterisk, or to a caller."""

from __future__ import annotations

import contextlib
import math
import os
import sys
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
    CountParam,
    NumberParam,
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
from audiosocket_cli.commands.values import files
from audiosocket_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from audiosocket_cli.audio.files import Sound
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.destinations import FileOutput
    from audiosocket_cli.call.sources.basic import Playback, Source
    from audiosocket_cli.call.sources.prompts import Account
    from audiosocket_cli.net.address import Address
    from audiosocket_cli.net.client import PlacedCall


@click.command(short_help="Play a sound file into a call, as Asterisk would.")
@click.argument("file", required=False, shell_complete=files)
@click.argument("target", type=AddressParam(), required=False)
@click.option("--listen", type=AddressParam(), help="Answer a call from Asterisk instead, and play to the caller.")
@click.option("--uuid", type=UuidParam(), help="With TARGET: the call's UUID.  [default: a random one]")
@click.option(
    "--rate", type=RateParam(),
    help="With TARGET: send the kind of this rate; the file is converted.  [default: 8000, kind slin]",
)  # fmt: skip
@click.option("--loop", type=CountParam(), metavar="N", default=1, help="Play the file N times.")
@click.option(
    "--gain", type=NumberParam(-60, 60), metavar="DB", default=0.0, help="Make it louder (or quieter), up to 60."
)
@click.option("--start", type=SECONDS, metavar="TIME", default="0s", help="Begin this far into the file.")
@click.option("--duration", type=POSITIVE_SECONDS, metavar="TIME", help="Play this much of it.")
@record_options
@click.option(
    "--wait", type=SECONDS, metavar="TIME", help="Stay this long after the file, sending silence.  [default: 0]"
)
@click.option("--until-hangup", is_flag=True, help="Stay until the other side hangs up, at most --wait if given.")
@expect_audio_option("the end of our speech")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object (--listen: events).")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Play a sound file to a server, as Asterisk would, or to a caller.

    \b
    Examples:
      audiosocket play
      audiosocket play hello.wav
      audiosocket play hello.wav bot.example.net:9092 --record answer.wav --wait 5
      audiosocket play question.flac :9092 --rate 16000 --until-hangup
      espeak-ng --stdout "good morning" | audiosocket play - :9092
      audiosocket play goodbye.wav --listen :9092

    FILE is anything libsndfile reads (WAV, FLAC, Ogg, MP3, …), a prompt as Asterisk stores it (.sln16, .ulaw, .gsm, …),
    or - for standard input: a sound file, or headerless 16-bit mono samples at the rate that --rate says. It is read as
    it is played, so a pipe need not have an end. Without FILE a few spoken words that come with audiosocket are played.

    TARGET is host:port; the port is 9092 when left out, and without TARGET it is 127.0.0.1:9092. With --listen it is
    Asterisk that calls, once.

    The result says how fast the other side answered: from the end of our last speech to the beginning of theirs. Speech
    that was already going on does not count as an answer.

    Exits with 0 when all was played, 1 when the other side ended the call before that, or the end of it did not arrive,
    or no answer came within --expect-audio-within, 3 when TARGET cannot be reached, 4 when it sent what ends a call in
    Asterisk, 5 when FILE is not sound, or damaged, 7 when --until-hangup --wait TIME passed without a hangup.
    """
    refuse_without_effect(ctx, layout="record", force="record capture")
    file, target = _file_and_target(given.pop("file"), given.pop("target"))
    wanted = _Wanted(file, **given)
    target = the_one_end(target, wanted.listen)
    ctx.exit(_place(target, wanted) if wanted.listen is None else _answer(wanted.listen, wanted))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The command line."""

    file: str
    listen: Address | None
    uuid: UUID | None
    rate: int | None
    loop: int
    gain: float
    start: float
    duration: float | None
    capture: str | None
    record: str | None
    layout: str | None
    force: bool
    wait: float | None
    until_hangup: bool
    expect_audio: float | None
    as_json: bool


def _file_and_target(first: str | None, target: Address | None) -> tuple[str, Address | None]:
    """Return what to play, and whom to call, if that is said. Raises `UsageError` when one word may be either."""
    from audiosocket_cli.audio.files import HELLO
    from audiosocket_cli.audio.recognition import has_sound_suffix
    from audiosocket_cli.net.address import looks_like_address, parse_address

    if first is None:
        return str(HELLO), target
    if target is not None or first == "-":
        return first, target
    is_file, is_address = os.path.exists(first), looks_like_address(first)
    if is_file and is_address:
        raise UsageError(f"{first} is a file and may be a server: write ./{first} to play it, or name FILE and TARGET")
    if is_address:
        return str(HELLO), parse_address(first)
    if is_file or os.path.dirname(first) or has_sound_suffix(first):
        return first, None
    if ":" in first:
        parse_address(first)  # which says what is wrong with it
    cure = f"to call a server, write {first or 'localhost':.80}:9092"
    raise UsageError(f"{first!r:.80} is neither a file here nor host:port: {cure}")


def _place(target: Address, wanted: _Wanted) -> int:
    from audiosocket_cli.call.sources.basic import Playback
    from audiosocket_cli.call.sources.reply import ReplySource
    from audiosocket_cli.ui.console import put_result, say
    from audiosocket_cli.ui.results import play_json, play_lines

    output = _output(wanted)
    wait_s = None if wanted.expect_audio is not None else wanted.wait if wanted.until_hangup else wanted.wait or 0.0
    prompt = open_prompt(_sound(wanted, wanted.rate))
    playback = Playback(prompt, kind_of(wanted.rate or 8000), times=wanted.loop, wait_s=wait_s)
    source = ReplySource(playback, playback, within_s=wanted.expect_audio, wait_s=_stay_s(wanted, wanted.wait))
    options = _call_options(wanted, lambda: source, output, "server")
    placed = _run(target, wanted.uuid or uuid4(), options, playback)
    _warn_of_clipping(playback.account)
    told = put_result(
        play_json(placed, playback, source),
        play_lines(placed, playback, source),
        as_json=wanted.as_json,
        to_stderr=options.takes_stdout,
    )
    failed = not told or not close_capture(options.capture) or source.failure
    code = _exit_code(placed, playback, wanted.until_hangup, failed=failed)
    if code == ExitCode.TIMEOUT:
        say(f"the server did not hang up within {wanted.wait:g} s of the end of the file")
    return code


def _run(target: Address, uuid: UUID, options: CallOptions, playback: Playback) -> PlacedCall:
    from audiosocket_cli.net.client import place
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.ui.console import is_terminal

    with contextlib.ExitStack() as stack:
        if is_terminal(sys.stderr):
            from audiosocket_cli.ui.dashboard import playback_bar

            stack.enter_context(playback_bar(playback))
        return run(place(target, uuid, options))


def _exit_code(placed: PlacedCall, playback: Playback, until_hangup: bool, *, failed: object) -> int:
    from audiosocket_cli.commands.outcome import code_of_call

    damaged = playback.account.has_failed
    cut = not (playback.finished or damaged) or placed.tail_lost or (until_hangup and placed.server_vanished)
    timed_out = until_hangup and not placed.ended_by_server
    return code_of_call(placed, failed=cut or failed, timed_out=timed_out, damaged=damaged)


def _answer(listen: Address, wanted: _Wanted) -> int:
    from audiosocket_cli.asterisk.facts import POST_ROLL_MS
    from audiosocket_cli.call.sources.basic import PromptSource
    from audiosocket_cli.call.sources.reply import ReplySource
    from audiosocket_cli.commands.answering import answer_calls
    from audiosocket_cli.commands.outcome import code_of_server
    from audiosocket_cli.server.options import ServeOptions
    from audiosocket_cli.ui.console import say
    from audiosocket_cli.ui.results import reply_lines

    refuse_of_a_placed_call(uuid=wanted.uuid, rate=wanted.rate)
    output = _output(wanted)
    prompt = open_prompt(_sound(wanted, None))
    post_roll_ms = max(POST_ROLL_MS, round((wanted.wait or 0) * 1000))
    stays = (wanted.until_hangup and wanted.wait is None) or wanted.expect_audio is not None
    prompts: list[PromptSource] = []
    sources: list[ReplySource] = []

    def make_source() -> ReplySource:
        said = PromptSource(prompt, times=wanted.loop, post_roll_ms=None if stays else post_roll_ms)
        prompts.append(said)
        wait_s = _stay_s(wanted, post_roll_ms / 1000)
        sources.append(ReplySource(said, said, within_s=wanted.expect_audio, wait_s=wait_s))
        return sources[-1]

    options = _call_options(wanted, make_source, output, "caller")
    summary = answer_calls(ServeOptions(listen, options, calls=1), as_json=wanted.as_json)
    for said in prompts:
        _warn_of_clipping(said.account)
    damaged = any(said.account.has_failed for said in prompts)
    source = next((source for source in sources if source.finished), None)  # others were no calls
    if summary.signal is None and source is None and not damaged:
        say("the caller hung up before all was played")
    if source is not None:
        for line in [*reply_lines(source), *filter(None, [source.failure])]:
            say(line)
    return code_of_server(summary, failed=source is None or source.failure, damaged=damaged)


def _stay_s(wanted: _Wanted, wait_s: float | None) -> float:
    """Return how long to stay for an answer: for ever, where only a hangup ends the call."""
    return math.inf if wanted.until_hangup and wanted.wait is None else wait_s or 0.0


def _output(wanted: _Wanted) -> FileOutput | None:
    played = None if wanted.file == "-" else Path(wanted.file)
    return output_for(wanted.record, force=wanted.force, played=played)


def _call_options(
    wanted: _Wanted, make_source: Callable[[], Source], output: FileOutput | None, other_side: str
) -> CallOptions:
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.recording import Layout

    capture = capture_output(wanted.capture, force=wanted.force)
    return CallOptions(make_source, output, capture, layout=Layout(wanted.layout or other_side))


def _sound(wanted: _Wanted, raw_rate_hz: int | None) -> Sound:
    """Return what is to be played; a pipe that is to be played more than once is read to its end."""
    from audiosocket_cli.audio.files import Sound

    if wanted.file == "-":
        stdin = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - whoever reads it closes it
        sound = Sound(stdin, wanted.gain, wanted.start, wanted.duration, raw_rate_hz)
    else:
        sound = Sound(Path(wanted.file), wanted.gain, wanted.start, wanted.duration)
    return sound.kept() if wanted.loop > 1 else sound


def _warn_of_clipping(account: Account) -> None:
    if account.clipped:
        from audiosocket_cli.ui.console import say

        say(f"clipped {account.clipped} samples: choose a lower --gain")
