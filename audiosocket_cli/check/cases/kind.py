"""kind/: a server takes each kind of frame that Asterisk sends, and survives those that others send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from audiosocket_cli.asterisk.releases import Behaviour, Release, since
from audiosocket_cli.check.model import Case, Level, Observation, Verdict, failed, passed, unknown
from audiosocket_cli.check.trial import ECHO_MODE, Trial
from audiosocket_cli.codec import DIGITS, RATE_BY_KIND, Frame, Kind, digit_frame, encode, kind_name

_FRAMES: Final = 10
_PLAIN_FRAMES: Final = 150
"""Of slin, three seconds, none of which may be lost."""
_OTHER_SHARE: Final = 0.25
"""Of what did not come back: as much other audio may well be the same at another rate."""


async def _digits(trial: Trial) -> Observation:
    probe = await trial.call()
    said: list[bytes] = []
    for digit in DIGITS:
        said += await trial.speak(probe, 1)
        await probe.send(encode(digit_frame(digit)))
    judged = await trial.judge_hearing(probe, said)
    if judged.verdict is Verdict.FAIL and probe.hung_up:
        return unknown(f"the server {probe.how_it_ended()}, as a menu may: {ECHO_MODE}")
    return judged


def _call_in(kind: Kind) -> Callable[[Trial], Awaitable[Observation]]:
    async def run(trial: Trial) -> Observation:
        trial.kind = kind
        probe = await trial.call()
        said = await trial.speak(probe, _PLAIN_FRAMES if kind is Kind.SLIN else _FRAMES)
        return _unless_converted(trial, await trial.judge_hearing(probe, said))

    return run


async def _change(trial: Trial) -> Observation:
    probe = await trial.call()
    said = await trial.speak(probe, _FRAMES)
    trial.kind = Kind.SLIN16
    said += await trial.speak(probe, _FRAMES)
    trial.kind = Kind.SLIN
    return _unless_converted(trial, await trial.judge_hearing(probe, said))


def _unless_converted(trial: Trial, judged: Observation) -> Observation:
    """Take a failure back where what was said may have come back otherwise: at another rate, say."""
    (probe,) = trial.probes
    rest, missing_bytes = bytes(probe.audio), 0
    for payload in trial.said:
        missing_bytes += 0 if payload in rest else len(payload)
        rest = rest.replace(payload, b"", 1)
    is_other = len(rest) - rest.count(0) > _OTHER_SHARE * missing_bytes
    if judged.verdict is Verdict.FAIL and is_other and not probe.is_over:
        return unknown("the server answered with audio that is not bit for bit what it heard: at another rate?")
    return judged


async def _error(trial: Trial) -> Observation:
    return await _survives(trial, Frame(Kind.ERROR, b"\x01"))


async def _hangup(trial: Trial) -> Observation:
    probe = await trial.call()
    await trial.speak(probe, _FRAMES)
    await probe.send(encode(Frame(Kind.HANGUP)))
    await probe.until_ended(trial.times.linger_s)
    if probe.ended is not None:
        return passed(f"the server {probe.how_it_ended()}")
    return failed(f"the server did not end the call within {trial.times.linger_s:g} s")


async def _survives(trial: Trial, frame: Frame) -> Observation:
    """Send a frame in one call while there is another, which has to go on, and a new one has to be answered."""
    other, probe = await trial.call(), await trial.call()
    await trial.speak(probe, _FRAMES)
    await probe.send(encode(frame))
    await asyncio.sleep(0.2)
    return await trial.judge_others(other) or passed("another call went on, and a new one was answered")


def _without(behaviour: Behaviour, what: str) -> Callable[[Release], str | None]:
    def reason(release: Release) -> str | None:
        return None if release.has(behaviour) else f"Asterisk {release} {what}"

    return reason


def _case_of(kind: Kind) -> Case:
    name, is_plain = kind_name(kind), kind is Kind.SLIN
    return Case(
        id=f"kind/{name}",
        level=Level.MUST if is_plain else Level.SHOULD,
        requirement=f"A call in {name} ({RATE_BY_KIND[kind]} Hz) is heard.",
        expected=f"The call goes on, and frames of kind {kind:02x} are heard.",
        asterisk="ast_audiosocket_send_frame"
        if is_plain
        else f"chan_audiosocket sends the kind of the format that it was given: Dial(AudioSocket/…/c({name}))",
        cure=f"take kind {kind:02x} for 16-bit samples at {RATE_BY_KIND[kind]} Hz, or write c(slin) in the dialplan",
        run=_call_in(kind),
        versions="all" if is_plain else f"since {since(Behaviour.RATES)}",
        applies=(lambda release: None) if is_plain else _without(Behaviour.RATES, "sends kind 10 only"),
        shown_by_replay=True,
    )


KIND_CASES: Final = (
    Case(
        id="kind/digits",
        level=Level.MUST,
        requirement="A key press neither ends nor disturbs a call.",
        expected="All sixteen digits are taken, and the audio between and after them is heard.",
        asterisk="ast_audiosocket_send_dtmf: a frame of kind 03 with one ASCII byte, at the digit's end",
        cure="take frames of kind 03 as digits, or skip them by their length",
        run=_digits,
        versions=f"since {since(Behaviour.DIGITS)}",
        applies=_without(Behaviour.DIGITS, "sends no digits"),
        shown_by_replay=True,
    ),
    *map(_case_of, map(Kind, RATE_BY_KIND)),
    Case(
        id="kind/change",
        level=Level.SHOULD,
        requirement="The kind of audio may change within a call.",
        expected="Audio in slin, then slin16, then slin again is heard.",
        asterisk="ast_audiosocket_send_frame labels each frame by its own format",
        cure="take the rate of each frame from its kind, not from the first frame",
        run=_change,
        versions=f"since {since(Behaviour.RATES)}",
        applies=_without(Behaviour.RATES, "sends kind 10 only"),
        shown_by_replay=True,
    ),
    Case(
        id="kind/error",
        level=Level.INFO,
        requirement="An error frame disturbs no other call.",
        expected="After a frame of kind ff, other calls go on and new ones are answered.",
        asterisk="no release sends kind ff; libraries and test tools do",
        cure="end that call only, or skip the frame",
        run=_error,
        alone=True,
        shown_by_replay=True,
    ),
    Case(
        id="kind/hangup",
        level=Level.INFO,
        requirement="A hangup frame ends the call.",
        expected="After a frame of kind 00 the server closes the connection.",
        asterisk="no release sends kind 00: it closes; libraries and test tools send it",
        cure="close the connection when a frame of kind 00 comes",
        run=_hangup,
        shown_by_replay=True,
    ),
)
