"""`audiosocket play`: say a file to a server, standing in for Asterisk, or to a caller."""

from __future__ import annotations

import contextlib
import math
import os
import sys
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
from audiosocket_cli.commands.placing import open_prompt, output_for, record_options, the_one_end
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
    from audiosocket_cli.call.sources.reply import ReplySource, Speaker
    from audiosocket_cli.capture.writing import CaptureOutput
    from audiosocket_cli.net.client import PlacedCall


@click.command()
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
def command(ctx: click.Context, /, file: str | None, target: Any, listen: Any, as_json: bool, **given: Any) -> None:
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
    file, target = _file_and_target(file, target)
    target = the_one_end(target, listen)
    output = output_for(given["record"], force=given["force"], played=None if file == "-" else Path(file))
    if listen is not None:
        ctx.exit(_answer(listen, file, output, as_json=as_json, **given))
    playback = _playback(file, **given)
    capture = capture_output(given["capture"], force=given["force"])
    source = _listening(playback, playback, **given)
    options = _call_options(lambda: source, output, given["layout"] or "server", capture)
    placed = _place(target, given["uuid"] or uuid4(), options, playback)
    _warn_of_clipping(playback.account)
    told = _report(placed, playback, source, as_json=as_json, to_stderr=options.takes_stdout)
    failed = not told or not close_capture(capture) or source.failure
    code = _exit_code(placed, playback, given["until_hangup"], failed=failed)
    if code == ExitCode.TIMEOUT:
        from audiosocket_cli.ui.console import say

        say(f"the server did not hang up within {given['wait']:g} s of the end of the file")
    ctx.exit(code)


def _file_and_target(first: str | None, target: Any) -> tuple[str, Any]:
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


def _answer(
    listen: Any, file: str, output: FileOutput | None, *, as_json: bool, layout: str | None, loop: int, gain: float,
    start: float, duration: float | None, wait: float | None, until_hangup: bool, uuid: Any, rate: int | None,
    capture: str | None, force: bool, expect_audio: float | None, **_: Any,
) -> int:  # fmt: skip
    from audiosocket_cli.asterisk.facts import POST_ROLL_MS
    from audiosocket_cli.call.sources.basic import PromptSource
    from audiosocket_cli.commands.answering import answer_calls
    from audiosocket_cli.commands.outcome import code_of_server
    from audiosocket_cli.server.options import ServeOptions
    from audiosocket_cli.ui.console import say
    from audiosocket_cli.ui.results import reply_lines

    if uuid is not None or rate is not None:
        raise UsageError(f"{'--uuid' if uuid else '--rate'} goes with TARGET only: a caller brings its own")
    prompt = open_prompt(_sound(file, None, loop, gain_db=gain, start_s=start, duration_s=duration))
    post_roll_ms = max(POST_ROLL_MS, round((wait or 0) * 1000))
    stays = (until_hangup and wait is None) or expect_audio is not None
    prompts: list[PromptSource] = []
    sources: list[ReplySource] = []

    def make_source() -> ReplySource:
        said = PromptSource(prompt, times=loop, post_roll_ms=None if stays else post_roll_ms)
        prompts.append(said)
        stay_s = None if until_hangup and wait is None else post_roll_ms / 1000
        sources.append(_listening(said, said, expect_audio=expect_audio, wait=stay_s, until_hangup=until_hangup))
        return sources[-1]

    options = _call_options(make_source, output, layout or "caller", capture_output(capture, force=force))
    summary = answer_calls(ServeOptions(listen, options, calls=1), as_json=as_json)
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


def _listening(
    said: Source, speaker: Speaker, *, expect_audio: float | None, wait: float | None, until_hangup: bool, **_: Any
) -> ReplySource:
    from audiosocket_cli.call.sources.reply import ReplySource

    wait_s = math.inf if until_hangup and wait is None else wait or 0.0
    return ReplySource(said, speaker, within_s=expect_audio, wait_s=wait_s)


def _place(target: Any, uuid: UUID, options: CallOptions, playback: Playback) -> PlacedCall:
    from audiosocket_cli.net.client import place
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.ui.console import is_terminal

    with contextlib.ExitStack() as stack:
        if is_terminal(sys.stderr):
            from audiosocket_cli.ui.dashboard import playback_bar

            stack.enter_context(playback_bar(playback))
        return run(place(target, uuid, options))


def _report(placed: PlacedCall, playback: Playback, source: ReplySource, *, as_json: bool, to_stderr: bool) -> bool:
    from audiosocket_cli.ui.console import put_result
    from audiosocket_cli.ui.results import play_json, play_lines

    content, lines = play_json(placed, playback, source), play_lines(placed, playback, source)
    return put_result(content, lines, as_json=as_json, to_stderr=to_stderr)


def _playback(
    file: str,
    *,
    rate: int | None,
    loop: int,
    gain: float,
    start: float,
    duration: float | None,
    wait: float | None,
    until_hangup: bool,
    expect_audio: float | None,
    **_: Any,
) -> Playback:
    from audiosocket_cli.call.sources.basic import Playback

    prompt = open_prompt(_sound(file, rate, loop, gain_db=gain, start_s=start, duration_s=duration))
    wait_s = None if expect_audio is not None else wait if until_hangup else wait or 0.0
    return Playback(prompt, kind_of(rate or 8000), times=loop, wait_s=wait_s)


def _sound(file: str, raw_rate_hz: int | None, loop: int, **cut: Any) -> Sound:
    """Return what is to be played; a pipe that is to be played more than once is read to its end."""
    from audiosocket_cli.audio.files import Sound

    if file == "-":
        stdin = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - whoever reads it closes it
        sound = Sound(stdin, raw_rate_hz=raw_rate_hz, **cut)
    else:
        sound = Sound(Path(file), **cut)
    return sound.kept() if loop > 1 else sound


def _warn_of_clipping(account: Account) -> None:
    if account.clipped:
        from audiosocket_cli.ui.console import say

        say(f"clipped {account.clipped} samples: choose a lower --gain")


def _call_options(
    make_source: Callable[[], Source], output: FileOutput | None, layout: str, capture: CaptureOutput | None
) -> CallOptions:
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.recording.recording import Layout

    return CallOptions(make_source=make_source, record=output, capture=capture, layout=Layout(layout))


def _exit_code(placed: PlacedCall, playback: Playback, until_hangup: bool, *, failed: object) -> int:
    from audiosocket_cli.commands.outcome import code_of_call

    damaged = playback.account.has_failed
    cut = not (playback.finished or damaged) or placed.tail_lost or (until_hangup and placed.server_vanished)
    timed_out = until_hangup and not placed.ended_by_server
    return code_of_call(placed, failed=cut or failed, timed_out=timed_out, damaged=damaged)
