"""Pressing keys: when each digit is said, as what, and what the caller expects after the last."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.audio.dtmf import detect_digits, digit_tone, parse_digits
from audiosocket_cli.audio.pcm import Samples, from_slin, mix, tone
from audiosocket_cli.call.session import AnsweredSession, PlacedSession
from audiosocket_cli.call.sources.basic import Playback, Silence, Source, silence_frame
from audiosocket_cli.call.sources.keys import TONE_S, KeyOptions, KeySource
from audiosocket_cli.codec import KIND_BY_RATE, Frame, Kind, encode, is_audio, rate_of
from audiosocket_cli.model import Side
from support.fakes import OPENING, FakeClock, FakeWire, frames_of, prompt_of, run_until

SPEECH = frames_of(tone(300, 8000, 0.02), Kind.SLIN)[0]


def keys(digits: str, under: Source | None = None, **options: object) -> KeySource:
    given = {"gap_s": 0.3, "after_s": 0.5, "wait_s": 0.2} | options
    return KeySource(under or Silence(Kind.SLIN), KeyOptions(parse_digits(digits), **given))  # type: ignore[arg-type]


def played(source: KeySource, speech: tuple[tuple[float, float], ...] = ()) -> list[tuple[float, Frame]]:
    """Run a source to its end with a perfect clock, while the other side speaks in the spans given; at most 60 s."""
    said: list[tuple[float, Frame]] = []
    audio_frames = 0
    while audio_frames < 3000:
        now_s = audio_frames * 0.02
        frame = source.next_frame(Kind.SLIN)
        if frame is None:
            return said
        said.append((now_s, frame))
        if is_audio(frame.kind):
            audio_frames += 1
            spoken = any(start_s <= now_s < end_s for start_s, end_s in speech)
            source.answer(encode(SPEECH if spoken else silence_frame(Kind.SLIN)))
    raise AssertionError("it never ends")


def digits_in(said: list[tuple[float, Frame]]) -> list[tuple[float, str]]:
    return [(round(at_s, 3), frame.payload.decode()) for at_s, frame in said if frame.kind == Kind.DTMF]


def sound_of(said: list[tuple[float, Frame]]) -> Samples:
    return np.concatenate([from_slin(frame.payload) for _, frame in said if is_audio(frame.kind)])


def test_digits_come_as_frames_at_their_times_and_the_pauses_of_the_dial_string_count() -> None:
    source = keys("12w3W4#", gap_s=0.3, after_s=0.5)
    said = played(source)
    assert digits_in(said) == [(0.5, "1"), (0.8, "2"), (1.6, "3"), (2.9 + 0.0, "4"), (3.2, "#")]
    assert source.finished
    assert source.ending == "all digits pressed"


def test_it_stays_as_long_after_the_last_digit_as_it_is_told_and_a_trailing_pause_counts() -> None:
    assert len(played(keys("1", after_s=0.1, wait_s=0.4))) == 1 + 25
    assert len(played(keys("1w", after_s=0.1, wait_s=0.4))) == 1 + 50


def test_audio_keeps_its_pace_while_digits_go_out() -> None:
    wire, clock = FakeWire(), FakeClock()
    session = PlacedSession(wire, "peer", source=keys("123#", gap_s=0.1), clock=clock)
    session.start()
    sent_at: list[float] = []
    send = wire.send

    def noted(data: bytes) -> bool:
        if data[0] == Kind.SLIN:
            sent_at.append(clock.now_s)
        return send(data)

    wire.send = noted  # type: ignore[method-assign]
    run_until(1002.0, clock, session)
    assert len(sent_at) == 1 + round((0.5 + 0.3 + 0.2) / 0.02) - 1
    np.testing.assert_allclose(np.diff(sent_at), 0.02, atol=0.0011)
    kinds = [frame.kind for frame in wire.frames]
    assert kinds.count(Kind.DTMF) == 4
    assert session.call is not None
    np.testing.assert_allclose([press.at_s for press in session.call.digits], [0.5, 0.6, 0.7, 0.8], atol=0.002)
    assert "".join(press.digit for press in session.call.digits) == "123#"


@pytest.mark.parametrize("kind", KIND_BY_RATE.values(), ids=lambda kind: kind.name.lower())
def test_tones_are_in_the_sound_at_their_sample_and_over_what_is_said(kind: Kind) -> None:
    rate_hz = rate_of(kind)
    under = tone(200, rate_hz, 3.0, -30)
    source = keys(
        "5", Playback(prompt_of(lambda rate_hz: under), kind, wait_s=None), after_s=0.31, frames=False, tones=True
    )
    said = sound_of(played(source))
    start = round(0.31 * rate_hz)
    expected = under.copy()
    digit = digit_tone("5", rate_hz, TONE_S)
    expected[start : start + len(digit)] = mix(expected[start : start + len(digit)], digit)
    np.testing.assert_array_equal(said, expected[: len(said)])
    assert source.pressed == [(0.31, "5")]


def test_tones_alone_send_no_frames_and_are_heard_as_what_was_pressed() -> None:
    said = played(keys("147#AB", frames=False, tones=True))
    assert digits_in(said) == []
    assert "".join(heard.digit for heard in detect_digits(sound_of(said), 8000)) == "147#AB"


def test_with_tones_the_frame_comes_at_the_end_of_its_tone() -> None:
    said = played(keys("12", tones=True))
    assert digits_in(said) == [(0.6, "1"), (0.9, "2")]
    heard = detect_digits(sound_of(said), 8000)
    assert [round(digit.start_s, 1) for digit in heard] == [0.5, 0.8]


def test_it_waits_for_the_other_side_to_speak_and_fall_silent() -> None:
    source = keys("1", after_silence=True, after_s=0.6)
    # A pause of 0.2 s is one between words.
    said = played(source, speech=((0.5, 1.0), (1.2, 2.0)))
    assert digits_in(said) == [(2.6, "1")]
    assert not source.gave_up


@pytest.mark.parametrize(
    ("speech", "what"), [((), "speak"), (((0.0, 60.0),), "fall silent")], ids=["never-speaks", "never-stops"]
)
def test_it_gives_up_on_a_silence_that_never_comes(speech: tuple[tuple[float, float], ...], what: str) -> None:
    source = keys("1", after_silence=True, patience_s=3.0)
    said = played(source, speech)
    assert (source.gave_up, source.finished, digits_in(said)) == (True, False, [])
    assert source.ending == f"the other side did not {what} within 3 s"
    assert said[-1][0] == pytest.approx(3.0, abs=0.03)


@pytest.mark.parametrize(
    ("speech", "heard_s", "end_s"),
    [
        (((1.1, 2.0),), 0.6, 1.14),
        (((3.5, 4.0),), None, 2.5),
        ((), None, 2.5),
    ],
    ids=["in-time", "too-late", "never"],
)
def test_an_answer_is_waited_for_as_long_as_it_may_take(
    speech: tuple[tuple[float, float], ...], heard_s: float | None, end_s: float
) -> None:
    source = keys("1", expect_audio_s=2.0, stay=False)
    said = played(source, speech)
    assert source.heard_after_s == (None if heard_s is None else pytest.approx(heard_s, abs=0.03))
    assert said[-1][0] == pytest.approx(end_s, abs=0.05)


def test_speech_that_goes_on_is_told_from_an_answer() -> None:
    source = keys("1", expect_audio_s=2.0, stay=False)
    played(source, speech=((0.0, 5.0),))
    assert source.spoke_already
    source = keys("1", expect_audio_s=2.0, stay=False)
    played(source, speech=((0.0, 0.1), (1.0, 5.0)))
    assert not source.spoke_already


def test_a_hangup_in_mid_press_tells_how_many_digits_were_said() -> None:
    server = FakeWire()
    clock = FakeClock()
    source = keys("123")
    session = PlacedSession(server, "peer", source=source, clock=clock)
    session.start()
    run_until(1000.9, clock, session)
    server.inbox.append(encode(Frame(Kind.HANGUP)))
    run_until(1005.0, clock, session)
    assert (source.said, source.finished) == (2, False)
    assert session.call is not None
    assert session.call.ending is not None
    assert session.call.ending.by is Side.SERVER


def test_towards_a_caller_tones_follow_the_rate_of_the_call() -> None:
    wire, clock = FakeWire(), FakeClock()
    session = AnsweredSession(wire, "peer", source=keys("7", Silence(), frames=False, tones=True), clock=clock)
    session.start()
    wire.inbox.append(OPENING + encode(silence_frame(Kind.SLIN16)))
    run_until(1003.0, clock, session)
    sound = np.concatenate([from_slin(frame.payload) for frame in wire.frames if frame.kind == Kind.SLIN16])
    assert [heard.digit for heard in detect_digits(sound, 16000)] == ["7"]
    assert Kind.DTMF not in [frame.kind for frame in wire.frames]
