"""`talk`: somebody at this machine in a call, with microphone, loudspeaker and keys, or with files in their place."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from audiosocket_cli.audio.files import Sound
from audiosocket_cli.audio.sound_card import CardMicrophone, CardSpeaker, choose, devices
from audiosocket_cli.call.bots.sound_ends import GONE, FileMicrophone, FileSpeaker, Microphone, SoundEnd
from audiosocket_cli.call.bots.talker import Talker, TalkOptions
from audiosocket_cli.call.bots.typed_keys import Keyboard, keyboard
from audiosocket_cli.call.events import Report
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import Output, PipeOutput
from audiosocket_cli.call.recording.recording import Layout
from audiosocket_cli.codec import kind_of
from audiosocket_cli.errors import NothingError, UsageError
from audiosocket_cli.jobs.job import Job, Progress, run_job
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import capture_output, open_prompt, output_for, refuse_of_a_placed_call
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.client import PlacedCall
from audiosocket_cli.ui.console import is_terminal, put_lines, put_result, say
from audiosocket_cli.ui.talk_report import device_json, device_lines, talk_json, talk_lines, talker_lines

_PLACED_HZ: Final = 8000

_ANSWERED_HZ: Final = 16000
"""Callers may come with any kind: this is that of most phones that sound better than 8000 Hz."""


@dataclass(frozen=True, slots=True)
class TalkWanted:
    """The command line."""

    target: Address | None
    listen: Address | None
    uuid: UUID | None
    rate: int | None
    input: str | None
    output: str | None
    input_device: str | None
    output_device: str | None
    wait: float | None
    capture: str | None
    record: str | None
    layout: str | None
    force: bool
    as_json: bool

    @property
    def rate_hz(self) -> int:
        """The rate of microphone and loudspeaker, where they can have it."""
        return self.rate or (_PLACED_HZ if self.listen is None else _ANSWERED_HZ)


def show_devices(*, as_json: bool) -> None:
    """Print the sound cards of this machine. Raises `NothingError` where there is none."""
    found = devices()
    if not found:
        raise NothingError("there is no sound card here: talk needs --input FILE and --output FILE")
    put_lines([json.dumps(device_json(each)) for each in found] if as_json else device_lines(found))


def talk(wanted: TalkWanted) -> Outcome:
    """Talk in one call, and return its outcome. Raises `UsageError`, `FileError` and `NetworkError`."""
    _refuse_what_does_not_fit(wanted)
    record = output_for(wanted.record, force=wanted.force, played=_input_file(wanted))
    capture = capture_output(wanted.capture, force=wanted.force)
    with contextlib.ExitStack() as stack:
        speaker = _speaker(wanted)
        stack.callback(speaker.close)
        microphone = _microphone(wanted)
        stack.callback(microphone.close)
        for end in (speaker, microphone):
            end.wait_until_running()
        keys = stack.enter_context(keyboard(0)) if wanted.input != "-" else None
        _explain_keys(keys, wanted)
        talkers: list[Talker] = []

        def make_bot(report: Report) -> Talker:
            kind = kind_of(wanted.rate_hz) if wanted.listen is None else None
            talkers.append(Talker(TalkOptions(microphone, speaker, keys, kind, wanted.wait)))
            return talkers[-1]

        layout = Layout(wanted.layout or ("server" if wanted.listen is None else "caller"))
        options = CallOptions(record=record, capture=capture, layout=layout, make_bot=make_bot)
        job = Job(
            options,
            wanted.as_json,
            uuids=[wanted.uuid or uuid4()],
            judge_placed=partial(_judge_placed, wanted, talkers, to_stderr=options.takes_stdout),
            judge_answered=partial(_judge_answered, talkers),
            progress=partial(_progress, talkers),
        )
        return run_job(job, target=wanted.target, listen=wanted.listen)


def _refuse_what_does_not_fit(wanted: TalkWanted) -> None:
    if wanted.listen is not None:
        refuse_of_a_placed_call(uuid=wanted.uuid, rate=wanted.rate)
        if wanted.output == "-":
            raise UsageError("--output - works only with TARGET: with --listen the log goes to standard output")
    if wanted.input == "-" and sys.stdin.isatty():
        raise UsageError("cannot hear a terminal: pipe sound to --input -, name a file, or leave it out")
    if wanted.output == "-" and sys.stdout.isatty():
        raise UsageError("cannot play to a terminal: pipe it to a program (| aplay), name a file, or leave it out")
    if wanted.output == "-" and wanted.capture == "-":
        raise UsageError("the sound and the capture both go to standard output: name a file for one of them")
    if None not in (wanted.output, wanted.record) and _is_same(str(wanted.output), str(wanted.record)):
        raise UsageError(f"--output and --record are both {wanted.output}: name two files")


def _is_same(first: str, second: str) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _input_file(wanted: TalkWanted) -> Path | None:
    return None if wanted.input in (None, "-") else Path(str(wanted.input))


def _microphone(wanted: TalkWanted) -> Microphone:
    if wanted.input is None:
        return CardMicrophone(choose(devices(), wanted.input_device, "input"), wanted.rate_hz)
    if wanted.input == "-":
        stdin = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - whoever reads it closes it
        sound = Sound(stdin, raw_rate_hz=wanted.rate_hz)
    else:
        sound = Sound(Path(wanted.input))
    return FileMicrophone(open_prompt(sound), wanted.rate_hz, is_live=sound.is_pipe)


def _speaker(wanted: TalkWanted) -> SoundEnd:
    if wanted.output is None:
        return CardSpeaker(choose(devices(), wanted.output_device, "output"), wanted.rate_hz)
    output: Output | None
    if wanted.output == "-":
        output = PipeOutput(sys.stdout.fileno())
    else:
        output = output_for(wanted.output, force=wanted.force, played=_input_file(wanted))
    assert output is not None
    return FileSpeaker(output, wanted.rate_hz)


def _explain_keys(keys: Keyboard | None, wanted: TalkWanted) -> None:
    if keys is not None:
        how = "" if wanted.listen is None else " as tones: Asterisk ends a call in which a server sends a DTMF frame"
        say(f"0-9 * # A-D are sent{how or ' as digits'}; q hangs up")


def _progress(talkers: list[Talker]) -> Progress:
    if not is_terminal(sys.stderr):
        return contextlib.nullcontext()
    from audiosocket_cli.ui.talk_view import talk_view

    return talk_view(talkers)


def _outcome_of(talker: Talker) -> Outcome:
    microphone, speaker = talker.options.microphone, talker.options.speaker
    damaged = isinstance(microphone, FileMicrophone) and microphone.speech_notes.has_failed
    return Outcome(failed=speaker.fault not in (None, GONE), damaged=damaged)


def _judge_placed(wanted: TalkWanted, talkers: list[Talker], placed: PlacedCall, *, to_stderr: bool) -> Outcome:
    talker = talkers[-1]
    told = put_result(
        talk_json(placed, talker),
        talk_lines(placed, talker),
        as_json=wanted.as_json,
        to_stderr=to_stderr or wanted.output == "-",
    )
    return _outcome_of(talker) | Outcome(failed=not told)


def _judge_answered(talkers: list[Talker], signal: int | None) -> Outcome:
    talker = next((each for each in talkers if each.call is not None), None)  # the others never became calls
    if talker is None:
        return Outcome()
    for line in talker_lines(talker):
        say(line)
    return _outcome_of(talker)
