"""What test calls show: each that failed with its cause, as far as that is seen, and what went well in few words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, NamedTuple

from audiosocket_cli.analysis.returned_sound import (
    PROBE_DBFS,
    PROBE_S,
    Returned,
    find_again,
    heard_tone,
    level_of,
    probe_sound,
)
from audiosocket_cli.asterisk.facts import PTIME_MS, frame_bytes
from audiosocket_cli.asterisk.releases import Behaviour, Release, since
from audiosocket_cli.codec import RATE_BY_KIND, Kind, kind_name, rate_of
from audiosocket_cli.doctor.calls.call_leg import CallLeg
from audiosocket_cli.doctor.calls.call_plan import DIGITS, Aim, PlacedCall
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.model import How, Side
from audiosocket_cli.net.address import Address
from audiosocket_cli.text import counted

TONE_HZ: Final = 1004.0
"""What `Milliwatt()` plays (app_milliwatt.c)."""

_TONE_DBFS: Final = -6.0
"""How loud that tone is: a sine of 23,255 (`milliwatt_exec`)."""

_MAX_TONE_ERROR_HZ: Final = 2.0
_MIN_PURITY: Final = 0.95
_MIN_TONE_S: Final = 1.7
_MAX_GAIN_DB: Final = 1.5
_MIN_CORRELATION: Final = 0.9
_FAULT_SHARE: Final = 0.2
"""So much of a sound missing is a fault, less a warning."""

LONG_DELAY_S: Final = 0.15
"""A delay from which on people begin to talk over each other (ITU-T G.114), and all else of a call comes on top."""

_SPOKEN_S: Final = PROBE_S + 0.2

_SEE_LOG: Final = "see Asterisk's log, which `audiosocket doctor --log FILE` reads"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of the calls."""

    calls: Sequence[PlacedCall]
    dial: Address
    """What Asterisk was told to dial."""
    release: Release | None
    complaints: dict[str, str] = field(default_factory=dict)
    """What the CLI answered to the command of a call, where it did."""
    left: Sequence[str] | None = ()
    """Channels that had to be ended by a command; None: that could not be seen."""
    lacks_resample: bool = False
    """Whether codec_resample is not loaded."""
    hint: Callable[[str], str] = "asterisk -rx '{}'".format
    """Returns the line that has Asterisk run a command of its CLI."""


class _Way(NamedTuple):
    """A sound's way: from whom to whom."""

    title: str
    returned: Returned
    heard: CallLeg


def verdicts(seen: Seen) -> list[Diagnosis]:
    """Return what the calls show."""
    absent = [(call, leg) for call in seen.calls for leg in call.legs if leg.opened_s is None]
    legs = sum(len(call.legs) for call in seen.calls)
    if absent and len(absent) == legs:
        return [_nobody_came(seen)]
    found = [_absent(seen, call, leg) for call, leg in absent]
    if not absent:
        what = f"Asterisk connected to {seen.dial} {counted(legs, 'time')}, and said the UUID first"
        found.append(Diagnosis("call-never-arrives", Status.OK, what))
    there = [call for call in seen.calls if all(leg.opened_s is not None for leg in call.legs)]
    early = [_early(seen, call, leg) for call in there for leg in call.legs if _is_early(call, leg)]
    found += early
    whole = [call for call in there if not any(_is_early(call, leg) for leg in call.legs)]
    for judge in (_echoes, _both_ways, _tones, _keys):
        found += judge(seen, whole)
    if not early:
        found += _ends(seen, there)
    return found


def missing_module(name: str, what: str, evidence: str, hint: Callable[[str], str]) -> Diagnosis:
    """Return that something was not tested for want of a module."""
    cure = f"load {name}.so; to have it after a restart, too, load it in modules.conf"
    return Diagnosis(
        "module-missing", Status.UNKNOWN, what, (evidence,), cure, (hint(f"module load {name}.so"),), where=name
    )


# Who came.


def _nobody_came(seen: Seen) -> Diagnosis:
    told = seen.calls[0].command
    if all("No such command" in seen.complaints.get(call.command, "") for call in seen.calls):
        what = "no test call can be placed: res_clioriginate.so is not loaded"
        return missing_module("res_clioriginate", what, seen.complaints[told], seen.hint)
    evidence = [f"{told}: {seen.complaints.get(told, 'Asterisk took this command')}", "no connection came within 5 s"]
    if seen.dial.host in ("127.0.0.1", "::1", "localhost"):
        cure = (
            f"if Asterisk runs in a container or on another machine, {seen.dial.host} is not this machine there: say "
            f"in --call-address by which address it reaches this one; otherwise {_SEE_LOG}"
        )
    else:
        cure = (
            f"see whether {seen.dial.host} is this machine, as seen from Asterisk, and whether a firewall lets it "
            "connect (--call-address HOST:PORT takes a port of your choice); " + _SEE_LOG
        )
    what = f"Asterisk was told to call {seen.dial}, and did not connect"
    return Diagnosis("call-never-arrives", Status.FAULT, what, tuple(evidence), cure)


def _absent(seen: Seen, call: PlacedCall, leg: CallLeg) -> Diagnosis:
    what = f"{call.title}: Asterisk did not connect"
    if leg is not call.legs[0]:
        what = f"{call.title}: the channel connected, but the application AudioSocket() did not"
    evidence = f"{call.command}: {seen.complaints.get(call.command, 'Asterisk took this command')}"
    return Diagnosis("call-never-arrives", Status.FAULT, what, (evidence,), *_cure_of(seen, call.legs[0].kind))


def _is_early(call: PlacedCall, leg: CallLeg) -> bool:
    """Whether Asterisk ended it before all was said."""
    if leg.ending is None or call.aim is Aim.KEYS:
        return False
    by_us = leg.ending.by is Side.SERVER and leg.ending.how is not How.FAULT
    planned_s = _SPOKEN_S if leg.stay_s is None else leg.stay_s - 0.1
    return not by_us and leg.duration_s < planned_s


def _early(seen: Seen, call: PlacedCall, leg: CallLeg) -> Diagnosis:
    assert leg.ending is not None
    what = f"{call.title}: the call ended after {leg.duration_s:.1f} s, before all was said"
    evidence = f"ended by {leg.ending.by} ({leg.ending.how}): {leg.ending.reason}"
    cure, lines = _cure_of(seen, leg.kind)
    return Diagnosis("call-ends-early", Status.FAULT, what, (evidence, _frames(leg)), cure, lines)


# What was heard.


def _echoes(seen: Seen, calls: Sequence[PlacedCall]) -> Iterator[Diagnosis]:
    ways = [_Way(call.title, _sound(leg, leg), leg) for call in calls if call.aim is Aim.ECHO for leg in call.legs]
    yield from _judge_ways(seen, ways, "sound goes there and back through the channel driver")


def _both_ways(seen: Seen, calls: Sequence[PlacedCall]) -> Iterator[Diagnosis]:
    ways: list[_Way] = []
    for call in calls:
        if call.aim is not Aim.BOTH:
            continue
        near, far = call.legs
        driver = f"Dial(AudioSocket/…/c({kind_name(near.kind)}))"
        there = _Way(f"from {driver} to AudioSocket()", _sound(near, far), far)
        back = _Way(f"from AudioSocket() to {driver}", _sound(far, near), near)
        if there.returned.is_heard != back.returned.is_heard:
            way, other = (there, back) if back.returned.is_heard else (back, there)
            evidence = (f"the other way: {_figures(other.returned)}", _frames(way.heard))
            what = f"{call.title}: sound passes one way only; not heard {way.title}"
            yield Diagnosis("one-way-sound", Status.FAULT, what, evidence, _SEE_LOG)
            ways.append(other)
        else:
            ways += [there, back]
    yield from _judge_ways(
        seen, ways, "sound goes both ways between the application AudioSocket() and the channel driver"
    )


def _sound(said: CallLeg, heard: CallLeg) -> Returned:
    """Find what one leg said in what another, or the same, heard."""
    assert said.seed is not None
    sound = probe_sound(said.seed, rate_of(heard.kind))
    return find_again(sound, said.said.stream(said.kind), heard.heard.stream(heard.kind))


def _judge_ways(seen: Seen, ways: Sequence[_Way], what: str) -> Iterator[Diagnosis]:
    """Yield what is wrong with each way, and one that says that the others are well."""
    well: list[_Way] = []
    for way in ways:
        wrong = _wrong_frames(way) or _wrong_sound(seen, way)
        if wrong is None:
            well.append(way)
        else:
            yield wrong
    if well:
        delay_s, worst_s = median(way.returned.delay_s for way in well), max(way.returned.worst_delay_s for way in well)
        rates = ", ".join(f"{rate_of(kind) / 1000:g}" for kind in sorted({way.heard.kind for way in well}))
        text = f"{what} at {rates} kHz: nothing missing, {_ms(delay_s)} of delay, at most {_ms(worst_s)}"
        evidence = tuple(f"{way.title}: {_figures(way.returned)}; {_frames(way.heard)}" for way in well)
        yield Diagnosis("sound-lost", Status.OK, text, evidence)


def _wrong_frames(way: _Way) -> Diagnosis | None:
    """Return what is wrong with the frames that were heard: their kind, or their length."""
    kind = way.heard.kind
    audio = way.heard.heard.audio
    others = [other for other, _ in audio if other != kind]
    if others:
        name = kind_name(kind)
        return Diagnosis(
            "rate-unsupported", Status.FAULT, f"{way.title}: the frames do not have the kind of {name}",
            (_frames(way.heard),), "write c(slin): this Asterisk carries 8 kHz only, and labels all audio so",
        )  # fmt: skip
    if any(size != frame_bytes(kind) for _, size in audio):
        text = f"{way.title}: frames are not all {PTIME_MS} ms long"
        cure = "take the length of each frame from its header, and never assume one"
        return Diagnosis("frame-length", Status.WARNING, text, (_frames(way.heard),), cure)
    return None


def _wrong_sound(seen: Seen, way: _Way) -> Diagnosis | None:
    returned = way.returned
    evidence = (_figures(returned), _frames(way.heard))
    if not returned.is_heard:
        level = level_of([way.heard.heard.stream(way.heard.kind)])
        text = f"{way.title}: what we said was not heard; what was heard has {level:.0f} dBFS"
        return Diagnosis("sound-lost", Status.FAULT, text, evidence, *_cure_of(seen, way.heard.kind))
    if returned.missing:
        share = returned.missing / returned.blocks
        status = Status.FAULT if share >= _FAULT_SHARE else Status.WARNING
        text = f"{way.title}: {returned.missing_s:.1f} s of {PROBE_S:g} s of sound are missing"
        return Diagnosis(
            "sound-lost", status, text, evidence, "see whether this machine, or Asterisk's, is too busy; " + _SEE_LOG
        )
    if abs(returned.gain_db) > _MAX_GAIN_DB or returned.correlation < _MIN_CORRELATION:
        text = (
            f"{way.title}: sound comes out changed, {returned.gain_db:+.1f} dB, correlation {returned.correlation:.2f}"
        )
        cure = (
            "see how busy both machines are, and what else Asterisk does with the sound: a jitter buffer, another codec"
        )
        return Diagnosis("sound-changed", Status.WARNING, text, evidence, cure)
    if returned.delay_s > LONG_DELAY_S:
        cure = "put the server near Asterisk, and look for what queues on the way: a slow network, a busy machine"
        text = f"{way.title}: sound takes {_ms(returned.delay_s)}"
        return Diagnosis("long-delay", Status.WARNING, text, evidence, cure)
    return None


def _cure_of(seen: Seen, kind: int) -> tuple[str, tuple[str, ...]]:
    """Return what to do about a call of this kind without sound, and the lines to run."""
    if kind != Kind.SLIN and seen.lacks_resample:
        return (
            "load codec_resample.so, without which no rate becomes another",
            (seen.hint("module load codec_resample.so"),),
        )
    return _SEE_LOG, ()


def _tones(seen: Seen, calls: Sequence[PlacedCall]) -> Iterator[Diagnosis]:
    well: list[str] = []
    for call in calls:
        if call.aim is not Aim.TONE:
            continue
        (leg,) = call.legs
        tone = heard_tone(leg.heard.stream(leg.kind))
        if tone is None:
            text = f"{call.title}: the tone that Asterisk plays was not heard"
            cure = (
                "Are codec_ulaw.so and codec_resample.so loaded? The tone is µ-law, and has to be converted. "
                + _SEE_LOG
            )
            yield Diagnosis("sound-lost", Status.FAULT, text, (_frames(leg),), *_cure_of(seen, leg.kind))
            continue
        figures = f"{tone.frequency_hz:.0f} Hz at {tone.level_dbfs:.1f} dBFS for {tone.length_s:.1f} s"
        evidence = (f"heard {figures}, {tone.purity:.0%} of the power in that tone", _frames(leg))
        is_pure = abs(tone.frequency_hz - TONE_HZ) <= _MAX_TONE_ERROR_HZ and tone.purity >= _MIN_PURITY
        if not is_pure or abs(tone.level_dbfs - _TONE_DBFS) > _MAX_GAIN_DB:
            text = f"{call.title}: Asterisk's tone of {TONE_HZ:g} Hz and {_TONE_DBFS:g} dBFS sounds wrong: {figures}"
            cure = (
                "look at the rate, which half or twice the frequency tells of, and for a codec that is not slin: noise"
            )
            yield Diagnosis("sound-changed", Status.FAULT, text, evidence, cure)
        elif tone.length_s < _MIN_TONE_S:
            text = f"{call.title}: Asterisk's tone has gaps: heard {tone.length_s:.1f} s of {leg.duration_s:.1f} s"
            yield Diagnosis("sound-lost", Status.WARNING, text, evidence, "see whether one of the machines is too busy")
        else:
            well.append(f"c({kind_name(leg.kind)}): {figures}; {_frames(leg)}")
    if well:
        heard = well[0].split("; ")[0]
        what = f"a tone of Asterisk's own is heard: {heard}"
        yield Diagnosis("sound-changed", Status.OK, what, tuple(well))


def _keys(seen: Seen, calls: Sequence[PlacedCall]) -> Iterator[Diagnosis]:
    for call in calls:
        if call.aim is not Aim.KEYS:
            continue
        digits = "".join(call.legs[0].digits)
        if digits == DIGITS:
            yield Diagnosis("digits-lost", Status.OK, f"keys arrive: {DIGITS} as {len(DIGITS)} frames of kind 03")
            continue
        what = f"keys are lost: SendDTMF({DIGITS}) arrived as {digits or 'nothing'}"
        evidence = (_frames(call.legs[0]),)
        cure = f"update Asterisk, which sends keys since {since(Behaviour.STRICT)}, or read them in the dialplan"
        yield Diagnosis("digits-lost", Status.FAULT, what, evidence, cure)


# How it ended.


def _ends(seen: Seen, calls: Sequence[PlacedCall]) -> Iterator[Diagnosis]:
    lasting = [call.title for call in calls if not all(leg.is_over for leg in call.legs)]
    if lasting or seen.left:
        what = f"{counted(len(seen.left or lasting), 'channel')} of the test calls did not end when our server hung up"
        evidence = tuple([*lasting, *(seen.left or ())][:10])
        cure = f"nothing: they were ended by command; before {since(Behaviour.STRICT)} Asterisk may not see a hangup"
        yield Diagnosis("channels-stuck", Status.WARNING, what, evidence, cure)
    elif seen.left is None:
        yield Diagnosis(
            "channels-stuck", Status.UNKNOWN, "whether channels are left: Asterisk does not answer any more"
        )
    else:
        what = f"all {counted(len(calls), 'call')} ended when our server, or Asterisk, hung up; no channel is left"
        yield Diagnosis("channels-stuck", Status.OK, what)


# Words.


def _figures(returned: Returned) -> str:
    if not returned.is_heard:
        return f"nothing of {PROBE_S:g} s of sound at {PROBE_DBFS:g} dBFS was found in what was heard"
    return (
        f"{PROBE_S - returned.missing_s:.1f} of {PROBE_S:g} s heard, delay {_ms(returned.delay_s)} (at most "
        f"{_ms(returned.worst_delay_s)}), {returned.gain_db:+.1f} dB, correlation {returned.correlation:.2f}"
    )


def _frames(leg: CallLeg) -> str:
    """Say which frames were heard."""
    counts = leg.heard.audio
    if not counts:
        return "no audio frame was heard"
    words = []
    for (kind, size), count in sorted(counts.items())[:4]:
        ms = 1000 * size / 2 / RATE_BY_KIND[kind]
        words.append(f"{counted(count, 'frame')} of {kind_name(kind)}, {ms:g} ms each")
    return ", ".join(words) + (", and others" if len(counts) > len(words) else "")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if abs(seconds) < 0.01 else f"{seconds * 1000:.0f} ms"
