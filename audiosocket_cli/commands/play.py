"""`audiosocket play`: stand in for Asterisk and say a file to a server."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from audiosocket_cli.codec import kind_of
from audiosocket_cli.commands.params import POSITIVE_SECONDS, SECONDS, AddressParam, NumberParam, RateParam, UuidParam
from audiosocket_cli.errors import ExitCode, FileError, UsageError

if TYPE_CHECKING:
    from uuid import UUID

    from audiosocket_cli.call.outputs import FileOutput
    from audiosocket_cli.call.sources import Playback
    from audiosocket_cli.media.files import Audio
    from audiosocket_cli.net.live import CallOptions
    from audiosocket_cli.net.place import PlacedCall


@click.command()
@click.argument("file")
@click.argument("target", type=AddressParam(), default="127.0.0.1:9092")
@click.option("--uuid", type=UuidParam(), help="The call's UUID.  [default: a random one]")
@click.option(
    "--rate", type=RateParam(), help="Send the kind of this rate; the file is converted.  [default: 8000, kind slin]"
)
@click.option("--loop", type=click.IntRange(min=1), metavar="N", default=1, help="Play the file N times.")
@click.option("--gain", type=NumberParam(-60, 60), metavar="DB", default=0.0, help="Make it louder or quieter.")
@click.option("--start", type=SECONDS, metavar="S", default=0.0, help="Begin S seconds into the file.")
@click.option("--duration", type=POSITIVE_SECONDS, metavar="S", help="Play S seconds of it.")
@click.option("--record", type=click.Path(path_type=Path), metavar="OUT", help="Record what comes back.")
@click.option(
    "--layout",
    type=click.Choice(["server", "caller", "stereo", "mix"]),
    default="server",
    show_default=True,
    help="What to record; stereo has what we say left, the server right.",
)
@click.option("--force", is_flag=True, help="Overwrite OUT if it is there.")
@click.option("--wait", type=SECONDS, metavar="S", help="Stay S seconds after the file, sending silence.  [default: 0]")
@click.option("--until-hangup", is_flag=True, help="Stay until the server hangs up, at most --wait S if given.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, file: str, target: Any, record: Path | None, as_json: bool, **given: Any) -> None:
    """Play a sound file to a server, as Asterisk would.

    \b
    Examples:
      audiosocket play hello.wav
      audiosocket play hello.wav bot.example.net:9092 --record answer.wav --wait 5
      audiosocket play question.flac :9092 --rate 16000 --until-hangup
      espeak-ng --stdout "good morning" | audiosocket play - :9092

    FILE is anything libsndfile reads (WAV, FLAC, Ogg, MP3, …) or - for standard input: a sound file, or headerless
    16-bit mono samples at the rate that --rate says; it is read to its end first. TARGET is host:port; the port is 9092
    when left out.

    Exits with 0 when all was played, 1 when the server ended the call before that, 3 when it cannot be reached, 4 when
    it sent what ends a call in Asterisk, 7 when --until-hangup --wait S passed without a hangup.
    """
    output = _output(record, file, given["force"])
    playback = _playback(file, **given)
    options = _call_options(playback, output, given["layout"])
    placed = _place(target, given["uuid"] or uuid4(), options, playback)
    _report(placed, playback, as_json=as_json)
    code = _exit_code(placed, playback, given["until_hangup"])
    if code == ExitCode.TIMEOUT:
        from audiosocket_cli.ui.console import say

        say(f"the server did not hang up within {given['wait']:g} s of the end of the file")
    ctx.exit(code)


def _place(target: Any, uuid: UUID, options: CallOptions, playback: Playback) -> PlacedCall:
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.net.place import place
    from audiosocket_cli.ui.console import is_terminal

    with contextlib.ExitStack() as stack:
        if is_terminal(sys.stderr):
            from audiosocket_cli.ui.dashboard import playback_bar

            stack.enter_context(playback_bar(playback))
        return run(place(target, uuid, options))


def _report(placed: PlacedCall, playback: Playback, *, as_json: bool) -> None:
    from audiosocket_cli.ui.console import put, put_json
    from audiosocket_cli.ui.lines import play_json, play_lines

    if as_json:
        put_json(play_json(placed, playback))
    else:
        for line in play_lines(placed, playback):
            put(line)


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
    **_: Any,
) -> Playback:
    from audiosocket_cli.call.sources import Playback

    rate_hz = rate or 8000
    audio = _load(file, rate, gain_db=gain, start_s=start, duration_s=duration)
    if audio.clipped:
        from audiosocket_cli.ui.console import say

        say(f"clipped {audio.clipped} samples: choose a lower --gain")
    wait_s = wait if until_hangup else wait or 0.0
    return Playback(audio.samples, kind_of(rate_hz), times=loop, wait_s=wait_s)


def _load(file: str, rate: int | None, **cut: Any) -> Audio:
    from audiosocket_cli.media.files import is_sound_file, load_audio, raw_audio

    rate_hz = rate or 8000
    if file != "-":
        return load_audio(Path(file), rate_hz, **cut)
    data = sys.stdin.buffer.read()
    if not data:
        raise FileError("cannot play standard input: it is empty")
    if rate is None or is_sound_file(data):
        return load_audio(data, rate_hz, **cut)
    return raw_audio(data, rate_hz, **cut)


def _output(record: Path | None, file: str, force: bool) -> FileOutput | None:
    """Refuse what cannot be recorded to before anything connects."""
    if record is None:
        return None
    from audiosocket_cli.call.outputs import FileOutput

    if file != "-" and record.exists() and Path(file).exists() and record.samefile(file):
        raise UsageError(f"cannot record to {record}: it is the file to play")
    output = FileOutput(record, overwrite=force)
    output.prepare()
    return output


def _call_options(playback: Playback, output: FileOutput | None, layout: str) -> CallOptions:
    from audiosocket_cli.call.recording import Layout
    from audiosocket_cli.net.live import CallOptions

    return CallOptions(make_source=lambda: playback, record=output, layout=Layout(layout))


def _exit_code(placed: PlacedCall, playback: Playback, until_hangup: bool) -> int:
    if placed.signal is not None:
        return 128 + placed.signal
    if placed.protocol_broken:
        return ExitCode.PROTOCOL
    if placed.recording_error:
        return ExitCode.NEGATIVE
    if not playback.finished or (until_hangup and placed.server_vanished):
        return ExitCode.NEGATIVE
    return ExitCode.TIMEOUT if until_hangup and not placed.ended_by_server else ExitCode.DONE
