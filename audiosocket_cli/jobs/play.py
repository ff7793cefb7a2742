"""`play`: a sound file to a server, as Asterisk would say it, or to a caller."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from audiosocket_cli.asterisk.facts import POST_ROLL_MS
from audiosocket_cli.audio.files import HELLO, Sound
from audiosocket_cli.audio.recognition import has_sound_suffix
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.recording import Layout
from audiosocket_cli.call.sources.basic import Playback, PromptSource, Source
from audiosocket_cli.call.sources.reply import ReplySource
from audiosocket_cli.call.sources.speech_notes import SpeechNotes
from audiosocket_cli.codec import kind_of
from audiosocket_cli.errors import ExitCode, UsageError
from audiosocket_cli.jobs.job import Job, Progress, outcome_of_call
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import capture_output, open_prompt, output_for, refuse_of_a_placed_call
from audiosocket_cli.net.address import Address, looks_like_address, parse_address
from audiosocket_cli.net.client import PlacedCall
from audiosocket_cli.net.target import Target, is_url, parse_target
from audiosocket_cli.ui.console import is_terminal, put_result, say
from audiosocket_cli.ui.results import play_json, play_lines, reply_lines


@dataclass(frozen=True, slots=True)
class PlayWanted:
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


def file_and_target(first: str | None, target: Target | None) -> tuple[str, Target | None]:
    """Return what to play, and whom to call, if that is said. Raises `UsageError` when one word may be either."""
    if first is None:
        return str(HELLO), target
    if target is not None or first == "-":
        return first, target
    if is_url(first):
        return str(HELLO), parse_target(first)
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


def play_job(wanted: PlayWanted) -> Job:
    """Return the job. Raises `UsageError`, and `FileError` for what cannot be played."""
    return _to_server(wanted) if wanted.listen is None else _to_caller(wanted)


def _to_server(wanted: PlayWanted) -> Job:
    output = _output(wanted)
    wait_s = None if wanted.expect_audio is not None else wanted.wait if wanted.until_hangup else wanted.wait or 0.0
    prompt = open_prompt(_sound(wanted, wanted.rate))
    playback = Playback(prompt, kind_of(wanted.rate or 8000), times=wanted.loop, wait_s=wait_s)
    source = ReplySource(playback, playback, within_s=wanted.expect_audio, wait_s=_stay_s(wanted, wanted.wait))
    options = _call_options(wanted, lambda: source, output, "server")

    def judge(placed: PlacedCall) -> Outcome:
        _warn_of_clipping(playback.speech_notes)
        told = put_result(
            play_json(placed, playback, source),
            play_lines(placed, playback, source),
            as_json=wanted.as_json,
            to_stderr=options.takes_stdout,
        )
        outcome = _outcome(placed, playback, until_hangup=wanted.until_hangup)
        outcome |= Outcome(failed=bool(source.failure) or not told)
        if (outcome | outcome_of_call(placed)).exit_code == ExitCode.TIMEOUT:
            _say_that_nobody_hung_up(wanted, "server")
        return outcome

    uuids = [wanted.uuid or uuid4()]
    return Job(options, uuids=uuids, judge_placed=judge, progress=partial(_progress, playback))


def _progress(playback: Playback) -> Progress:
    if not is_terminal(sys.stderr):
        return contextlib.nullcontext()
    from audiosocket_cli.ui.dashboard import playback_bar

    return playback_bar(playback)


def _outcome(placed: PlacedCall, playback: Playback, *, until_hangup: bool) -> Outcome:
    damaged = playback.speech_notes.has_failed
    is_cut = not (playback.finished or damaged) or placed.tail_lost
    return Outcome(damaged=damaged, failed=is_cut, timed_out=until_hangup and not placed.ended_by_server)


def _to_caller(wanted: PlayWanted) -> Job:
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

    def judge(signal: int | None) -> Outcome:
        for said in prompts:
            _warn_of_clipping(said.speech_notes)
        damaged = any(said.speech_notes.has_failed for said in prompts)
        source = next((source for source in sources if source.finished), None)  # the others never became calls
        if signal is None and source is None and not damaged:
            say("the caller hung up before everything was played")
        if source is not None:
            for line in [*reply_lines(source), *filter(None, [source.failure])]:
                say(line)
        failed = source is None or bool(source.failure)
        timed_out = wanted.until_hangup and source is not None and source.ended_call
        outcome = Outcome(signal, damaged=damaged, failed=failed, timed_out=timed_out)
        if outcome.exit_code == ExitCode.TIMEOUT:
            _say_that_nobody_hung_up(wanted, "caller")
        return outcome

    options = _call_options(wanted, make_source, output, "caller")
    return Job(options, as_json=wanted.as_json, judge_answered=judge)


def _say_that_nobody_hung_up(wanted: PlayWanted, who: str) -> None:
    say(f"the {who} did not hang up within {wanted.wait:g} s of the end of the file")


def _stay_s(wanted: PlayWanted, wait_s: float | None) -> float:
    """Return how long to stay for an answer: for ever, where only a hangup ends the call."""
    return math.inf if wanted.until_hangup and wanted.wait is None else wait_s or 0.0


def _output(wanted: PlayWanted) -> FileOutput | None:
    played = None if wanted.file == "-" else Path(wanted.file)
    return output_for(wanted.record, force=wanted.force, played=played)


def _call_options(
    wanted: PlayWanted, make_source: Callable[[], Source], output: FileOutput | None, other_side: str
) -> CallOptions:
    capture = capture_output(wanted.capture, force=wanted.force)
    return CallOptions(make_source, output, capture, layout=Layout(wanted.layout or other_side))


def _sound(wanted: PlayWanted, raw_rate_hz: int | None) -> Sound:
    """Return what is to be played; a pipe that is to be played more than once is read to its end."""
    if wanted.file == "-":
        stdin = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - whoever reads it closes it
        sound = Sound(stdin, wanted.gain, wanted.start, wanted.duration, raw_rate_hz)
    else:
        sound = Sound(Path(wanted.file), wanted.gain, wanted.start, wanted.duration)
    return sound.kept() if wanted.loop > 1 else sound


def _warn_of_clipping(notes: SpeechNotes) -> None:
    if notes.clipped:
        say(f"clipped {notes.clipped} samples: choose a lower --gain")
