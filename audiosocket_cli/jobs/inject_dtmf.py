"""`inject-dtmf`: presses keys in a call, and judges the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from audiosocket_cli.audio.dtmf import parse_digits
from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.recording import Layout
from audiosocket_cli.call.sources.basic import Playback, PromptSource, QuietLine, Silence, Source
from audiosocket_cli.call.sources.keys import TONE_S, KeyOptions, KeySource
from audiosocket_cli.codec import kind_of
from audiosocket_cli.errors import UsageError
from audiosocket_cli.jobs.job import Job
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import capture_output, open_prompt, output_for, refuse_of_a_placed_call
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.client import PlacedCall
from audiosocket_cli.net.target import Target
from audiosocket_cli.ui.console import put_result, say
from audiosocket_cli.ui.results import inject_json, inject_lines, pressed_text

HANGUP_WAIT_S: Final = 10.0

_FAULTS: Final = {"reset": "reset the connection", "fault": "broke the protocol"}
"""How a call ended without a hangup, in words."""


@dataclass(frozen=True, slots=True)
class InjectWanted:
    """The command line."""

    digits: str
    target: Target | None
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


def inject_job(wanted: InjectWanted) -> Job:
    """Return the job. Raises `UsageError`, and `FileError` for a background sound that cannot be played."""
    keys = _key_options(wanted)
    return _to_server(wanted, keys) if wanted.listen is None else _to_caller(wanted, keys)


def _key_options(wanted: InjectWanted) -> KeyOptions:
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


def _call_options(wanted: InjectWanted, make_source: Callable[[], Source], other_side: str) -> CallOptions:
    return CallOptions(
        make_source,
        output_for(wanted.record, force=wanted.force, played=wanted.audio),
        capture_output(wanted.capture, force=wanted.force),
        layout=Layout(wanted.layout or other_side),
    )


def _to_server(wanted: InjectWanted, keys: KeyOptions) -> Job:
    kind = kind_of(wanted.rate or 8000)
    under: Source = QuietLine(kind)
    if wanted.audio is not None:
        under = Playback(open_prompt(Sound(wanted.audio)), kind, wait_s=None)
    source = KeySource(under, keys)
    options = _call_options(wanted, lambda: source, "server")

    def judge(placed: PlacedCall) -> Outcome:
        how = _how_it_left(placed)
        failures = _failures(source, keys, who="server", how=how, expect_hangup=wanted.expect_hangup)
        told = put_result(
            inject_json(placed, source, wanted.digits, failures),
            inject_lines(placed, source, wanted.digits, failures),
            as_json=wanted.as_json,
            to_stderr=options.takes_stdout,
        )
        has_failed = bool(failures and not source.gave_up)
        return Outcome(failed=has_failed or placed.tail_lost or not told, timed_out=source.gave_up)

    return Job(options, uuids=[wanted.uuid or uuid4()], judge_placed=judge)


def _how_it_left(placed: PlacedCall) -> str | None:
    """Say what the server did that ended the call; None where we ended it."""
    if not placed.ended_by_server:
        return None
    how = placed.ending.how
    return _FAULTS.get(how, "hung up" if how == "hangup" else "closed the connection")


def _to_caller(wanted: InjectWanted, keys: KeyOptions) -> Job:
    refuse_of_a_placed_call(uuid=wanted.uuid, rate=wanted.rate)
    prompt = open_prompt(Sound(wanted.audio).kept()) if wanted.audio is not None else None
    sources: list[KeySource] = []

    def make_source() -> KeySource:
        sources.append(KeySource(PromptSource(prompt) if prompt is not None else Silence(), keys))
        return sources[-1]

    def judge(signal: int | None) -> Outcome:
        source = next((source for source in sources if source.begun), None)  # the others never became calls
        if source is None or signal is not None:
            return Outcome()
        say(pressed_text(source))
        how = None if source.is_over else "hung up"
        failures = _failures(source, keys, who="caller", how=how, expect_hangup=wanted.expect_hangup)
        for failure in failures:
            say(failure)
        return Outcome(failed=bool(failures and not source.gave_up), timed_out=source.gave_up)

    options = _call_options(wanted, make_source, "caller")
    say("pressing keys as tones in the audio: Asterisk ends a call in which a server sends a DTMF frame")
    return Job(options, as_json=wanted.as_json, judge_answered=judge)


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
        failures.append(f"the server stopped sending audio: it sent nothing for {source.mute_s:.2f} s")
    return failures


def _late_answer(source: KeySource, within_s: float) -> list[str]:
    heard_s = source.heard_after_s
    if heard_s is not None and heard_s <= within_s:
        return []
    came = "there was none" if heard_s is None else f"it came after {heard_s:.2f} s"
    if source.spoke_already:
        came = f"it was already speaking, which is not an answer, and after that {came}"
    return [f"expected speech within {within_s:g} s of the last digit: {came}"]
