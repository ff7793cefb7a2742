"""What test calls show, from what was said and heard in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from audiosocket_cli.asterisk.facts import samples_per_frame
from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.audio.pcm import Samples, from_slin, to_slin, tone
from audiosocket_cli.codec import SAMPLE_BYTES, Frame, Kind, encode, rate_of
from audiosocket_cli.doctor.calls.call_leg import CallLeg
from audiosocket_cli.doctor.calls.call_plan import DIGITS, Aim, PlacedCall, plan_calls
from audiosocket_cli.doctor.calls.call_verdicts import Seen, missing_module, verdicts
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.model import Ending, How, Side
from audiosocket_cli.net.address import Address
from audiosocket_cli.runs import TimedRun

SLIN16 = 0x12
BY_US = Ending(Side.SERVER, How.HANGUP, "the test call is done")
DIAL = Address("127.0.0.1", 4000)


def run_of(frames: Sequence[Frame], start_s: float = 0.0) -> TimedRun:
    return TimedRun([(start_s + number * 0.02, 0.0, 1, encode(frame)) for number, frame in enumerate(frames)])


def cut(kind: int, samples: Samples, ms: int = 20) -> list[Frame]:
    size = samples_per_frame(kind) * SAMPLE_BYTES * ms // 20
    data = to_slin(samples)
    return [Frame(kind, data[start : start + size]) for start in range(0, len(data) - size + 1, size)]


def speak(leg: CallLeg) -> None:
    leg.opened_s, leg.ending, leg.duration_s = 100.0, BY_US, 2.7
    if leg.frames:
        leg.said.add(run_of(leg.frames, 0.2), 100.0)


def hear(leg: CallLeg, frames: Sequence[Frame], delay_s: float = 0.002) -> None:
    if frames:
        leg.heard.add(run_of(frames, 0.2 + delay_s), 100.0)


def calls_of(*aims: Aim, release: Release | None = None) -> list[PlacedCall]:
    """Calls in which everything is as it should be."""
    calls = plan_calls(DIAL, release or Release(20, 19), {aim.value for aim in aims})
    for call in calls:
        for leg in call.legs:
            speak(leg)
        if call.aim is Aim.ECHO:
            hear(call.legs[0], call.legs[0].frames)
        elif call.aim is Aim.BOTH:
            near, far = call.legs
            hear(near, cut(near.kind, sound_of(far, near.kind)))
            hear(far, cut(far.kind, sound_of(near, far.kind)))
        elif call.aim is Aim.TONE:
            hear(call.legs[0], cut(call.legs[0].kind, tone(1004, rate_of(call.legs[0].kind), 2.0, -6.0)))
        else:
            call.legs[0].digits.extend(DIGITS)
    return calls


def sound_of(leg: CallLeg, kind: int) -> Samples:
    """What a leg says, at the rate of a kind."""
    return from_slin(b"".join(frame.payload for frame in CallLeg(kind, seed=leg.seed).frames))


def only(aim: Aim, kind: int = Kind.SLIN) -> PlacedCall:
    """The one call of an aim at a rate, in which nothing was heard yet."""
    calls = plan_calls(DIAL, Release(22, 10), {aim.value})
    call = next(each for each in calls if each.legs[0].kind == kind)
    for leg in call.legs:
        speak(leg)
    return call


def found(*calls: PlacedCall, **facts: object) -> dict[str, Diagnosis]:
    """What is found, by the id; of an id with several, the worst."""
    seen = replace(Seen(calls, DIAL, Release(22, 10)), **facts)  # type: ignore[arg-type]
    order = (Status.OK, Status.UNKNOWN, Status.WARNING, Status.FAULT)
    return {each.id: each for each in sorted(verdicts(seen), key=lambda each: order.index(each.status))}


def test_where_all_is_well_each_thing_is_said_once_with_its_figures() -> None:
    said = verdicts(Seen(calls_of(*Aim, release=Release(22, 10)), DIAL, Release(22, 10)))
    assert {each.status for each in said} == {Status.OK}
    assert [each.id for each in said] == [
        "call-never-arrives", "sound-lost", "sound-lost", "sound-changed", "digits-lost", "channels-stuck",
    ]  # fmt: skip
    assert said[0].what == "Asterisk connected to 127.0.0.1:4000 16 times, and said the UUID first"
    assert "at 8, 12, 16, 24, 32, 44.1, 48, 96, 192 kHz: nothing missing, 2.0 ms of delay" in said[1].what
    assert "at 8, 16 kHz: nothing missing" in said[2].what
    assert "1004 Hz at -6.0 dBFS for 2.0 s" in said[3].what
    assert len(said[1].evidence) == 9
    assert "100 frames of slin, 20 ms each" in said[1].evidence[0]


def test_where_nobody_comes_the_reason_is_looked_for_by_the_address() -> None:
    calls = plan_calls(DIAL, Release(22, 10), {"Echo"})
    (here,) = verdicts(Seen(calls, DIAL, None))
    assert (here.id, here.status) == ("call-never-arrives", Status.FAULT)
    assert "container" in here.cure
    (there,) = verdicts(Seen(calls, Address("192.0.2.1", 4000), None))
    assert "firewall" in there.cure


def test_without_the_module_that_places_calls_that_is_what_is_said() -> None:
    calls = plan_calls(DIAL, Release(22, 10), {"Echo"})
    answers = {call.command: "No such command 'channel originate'" for call in calls}
    (one,) = verdicts(Seen(calls, DIAL, None, answers, hint="docker exec pbx asterisk -rx '{}'".format))
    assert (one.id, one.status, one.where) == ("module-missing", Status.UNKNOWN, "res_clioriginate")
    assert one.lines == ("docker exec pbx asterisk -rx 'module load res_clioriginate.so'",)


def test_a_call_that_does_not_come_while_others_do_is_a_fault_of_its_own() -> None:
    call = only(Aim.BOTH, SLIN16)
    call.legs[1].opened_s = None
    fault = found(call, *calls_of(Aim.KEYS), lacks_resample=True)["call-never-arrives"]
    assert fault.status is Status.FAULT
    assert fault.what.startswith("AudioSocket() with c(slin16): the channel connected, but the application")
    assert fault.lines == ("asterisk -rx 'module load codec_resample.so'",)
    assert "log" in found(call, *calls_of(Aim.KEYS))["call-never-arrives"].cure


def test_a_call_that_asterisk_ends_early_is_not_judged_by_its_sound() -> None:
    call = only(Aim.ECHO)
    call.legs[0].ending, call.legs[0].duration_s = Ending(Side.CALLER, How.CLOSED, "caller closed"), 0.4
    said = found(call)
    assert said["call-ends-early"].what == "Echo() with c(slin): the call ended after 0.4 s, before all was said"
    assert "sound-lost" not in said


def test_silence_in_place_of_the_sound_is_a_fault() -> None:
    call = only(Aim.ECHO)
    hear(call.legs[0], cut(Kind.SLIN, np.zeros(16000, np.int16)))
    fault = found(call)["sound-lost"]
    assert fault.status is Status.FAULT
    assert fault.what.endswith("what we said was not heard; what was heard has -96 dBFS")
    assert "100 frames of slin, 20 ms each" in fault.evidence


@pytest.mark.parametrize(("lost", "status"), [(10, Status.WARNING), (60, Status.FAULT)])
def test_missing_sound_is_a_warning_and_much_of_it_a_fault(lost: int, status: Status) -> None:
    call = only(Aim.ECHO)
    frames = call.legs[0].frames
    hear(call.legs[0], [*frames[:20], *frames[20 + lost :]])
    assert found(call)["sound-lost"].status is status


def test_sound_that_comes_out_louder_is_changed() -> None:
    call = only(Aim.ECHO)
    hear(call.legs[0], cut(Kind.SLIN, sound_of(call.legs[0], Kind.SLIN) * 2))
    warning = found(call)["sound-changed"]
    assert warning.status is Status.WARNING
    assert "+6.0 dB" in warning.what


def test_a_long_way_is_a_long_delay() -> None:
    call = only(Aim.ECHO)
    hear(call.legs[0], call.legs[0].frames, delay_s=0.3)
    warning = found(call)["long-delay"]
    assert (warning.status, warning.what) == (Status.WARNING, "Echo() with c(slin): sound takes 300 ms")


def test_audio_of_another_rate_labelled_slin_is_a_rate_that_is_not_there() -> None:
    call = only(Aim.ECHO, SLIN16)
    hear(call.legs[0], [Frame(Kind.SLIN, frame.payload) for frame in call.legs[0].frames])
    fault = found(call)["rate-unsupported"]
    assert fault.status is Status.FAULT
    assert fault.evidence == ("100 frames of slin, 40 ms each",)


def test_frames_of_another_length_are_told_of() -> None:
    call = only(Aim.ECHO)
    hear(call.legs[0], cut(Kind.SLIN, sound_of(call.legs[0], Kind.SLIN), ms=40))
    assert found(call)["frame-length"].evidence == ("50 frames of slin, 40 ms each",)


def test_sound_that_passes_one_way_only_is_told_apart_from_silence() -> None:
    call = only(Aim.BOTH)
    near, far = call.legs
    hear(far, cut(far.kind, sound_of(near, far.kind)))
    said = found(call)
    assert said["one-way-sound"].status is Status.FAULT
    assert said["one-way-sound"].what.endswith("not heard from AudioSocket() to Dial(AudioSocket/…/c(slin))")
    assert said["sound-lost"].status is Status.OK, "the other way is well"


@pytest.mark.parametrize(
    ("heard", "wanted"),
    [
        (tone(2008, 8000, 2.0, -6.0), ("sound-changed", Status.FAULT)),
        (tone(1004, 8000, 2.0, -20.0), ("sound-changed", Status.FAULT)),
        (tone(1004, 8000, 1.0, -6.0), ("sound-lost", Status.WARNING)),
        (np.zeros(16000, np.int16), ("sound-lost", Status.FAULT)),
    ],
    ids=["twice-the-frequency", "too-quiet", "with-gaps", "silent"],
)
def test_a_tone_that_is_not_asterisks_is_told_of(heard: Samples, wanted: tuple[str, Status]) -> None:
    call = only(Aim.TONE)
    hear(call.legs[0], cut(Kind.SLIN, heard))
    finding_id, status = wanted
    assert found(call)[finding_id].status is status


@pytest.mark.parametrize(("digits", "words"), [("", "nothing"), ("0123", "0123")])
def test_keys_that_do_not_arrive_are_lost(digits: str, words: str) -> None:
    call = only(Aim.KEYS)
    call.legs[0].digits.extend(digits)
    fault = found(call)["digits-lost"]
    assert fault.status is Status.FAULT
    assert fault.what.endswith(f"arrived as {words}")
    assert "20.14, 21.9, 22.4" in fault.cure


def test_channels_that_are_left_are_named() -> None:
    warning = found(*calls_of(Aim.ECHO), left=["AudioSocket/127.0.0.1:4000-1"])["channels-stuck"]
    assert (warning.status, warning.evidence) == (Status.WARNING, ("AudioSocket/127.0.0.1:4000-1",))


def test_an_asterisk_that_no_longer_answers_leaves_that_open() -> None:
    assert found(*calls_of(Aim.ECHO), left=None)["channels-stuck"].status is Status.UNKNOWN


def test_a_missing_module_is_named_with_the_line_that_loads_it() -> None:
    one = missing_module("app_echo", "sound was not tested", "core show applications: no Echo", "ast -rx '{}'".format)
    assert (one.status, one.where, one.lines) == (Status.UNKNOWN, "app_echo", ("ast -rx 'module load app_echo.so'",))
