"""Somebody who talks, in a call without a network: what is said, heard, pressed and noted."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from audiosocket_cli.asterisk.facts import frame_bytes
from audiosocket_cli.audio.dtmf import detect_digits
from audiosocket_cli.audio.elastic import ElasticBuffer
from audiosocket_cli.audio.pcm import from_slin, level_dbfs, to_slin, tone
from audiosocket_cli.call.bots.sound_ends import GONE
from audiosocket_cli.call.bots.talker import Talker, TalkOptions
from audiosocket_cli.call.bots.typed_keys import Keyboard, keyboard
from audiosocket_cli.call.session import AnsweredSession, PlacedSession, Session
from audiosocket_cli.codec import Frame, Kind, decode_digit, encode, is_audio, rate_of
from audiosocket_cli.model import Call
from support.fakes import OPENING, FakeClock, FakeWire, run_until


class End:
    """An end of the sound whose card is the test: it fills the buffer, or looks into it."""

    def __init__(self, rate_hz: int = 8000) -> None:
        self.name = "test"
        self.rate_hz = rate_hz
        self.buffer = ElasticBuffer(rate_hz)
        self.fault: str | None = None
        self.latency_s = 0.0
        self.is_over = False
        self.calls: list[Call] = []
        self.closed = 0

    def wait_until_running(self) -> None:
        pass

    def begin(self, call: Call) -> None:
        self.calls.append(call)

    def look(self) -> None:
        pass

    def remarks(self) -> Sequence[str]:
        return ["an odd sound"]

    def facts(self) -> dict[str, Any]:
        return self.buffer.facts()

    def close(self) -> None:
        self.closed += 1


class Talk:
    """A call with a talker, on a wire of which the test is the other end."""

    def __init__(self, *, kind: int | None = Kind.SLIN, rate_hz: int = 8000, **options: Any) -> None:
        self.microphone, self.speaker = End(rate_hz), End(rate_hz)
        self.talker = Talker(TalkOptions(self.microphone, self.speaker, kind=kind, **options))
        self.clock = FakeClock()
        self.wire = FakeWire()
        session_of: type[Session] = PlacedSession if kind is not None else AnsweredSession
        self.session = session_of(self.wire, "peer", source=self.talker, clock=self.clock)
        self.session.watch([self.talker])
        self.session.start()
        if kind is None:
            self.wire.inbox.append(OPENING)

    def speak(self, samples: np.ndarray[Any, np.dtype[np.int16]], *heard: bytes) -> None:
        """Let the microphone bring 20 ms after 20 ms, and the other side send a frame with each, if there is one."""
        step = self.microphone.rate_hz // 50
        frames = iter(heard)
        for start in range(0, len(samples), step):
            self.microphone.buffer.put(to_slin(samples[start : start + step]))
            self.wire.inbox.extend(frame for frame in [next(frames, b"")] if frame)
            self.wait(0.02)

    def wait(self, seconds: float) -> None:
        run_until(self.clock.now_s + seconds, self.clock, self.session)

    @property
    def audio(self) -> bytes:
        return b"".join(frame.payload for frame in self.wire.frames if is_audio(frame.kind))

    def finish(self) -> dict[str, Any]:
        asyncio.run(self.talker.finish())
        facts: dict[str, Any] = self.talker.facts()["talk"]
        return facts


def frames_of_tone(kind: int, seconds: float) -> list[bytes]:
    data, size = to_slin(tone(440, rate_of(kind), seconds)), frame_bytes(kind)
    return [encode(Frame(kind, data[start : start + size])) for start in range(0, len(data), size)]


@pytest.fixture
def typing() -> Iterator[tuple[int, Keyboard]]:
    """Where a test types, and the keyboard that it types on."""
    near, far = pty.openpty()
    with keyboard(far) as keys:
        assert keys is not None
        yield near, keys
    os.close(near)
    os.close(far)


@pytest.mark.parametrize("kind", [Kind.SLIN, Kind.SLIN16, Kind.SLIN48])
def test_what_the_microphone_hears_is_said(kind: int) -> None:
    talk = Talk(kind=kind, rate_hz=rate_of(kind))
    said = tone(440, rate_of(kind), 1.0)
    talk.speak(said)
    sent = from_slin(talk.audio)
    begin = int(np.flatnonzero(sent)[0]) - 1
    np.testing.assert_array_equal(sent[begin:], said[: len(sent) - begin])
    assert {frame.kind for frame in talk.wire.frames[1:]} == {kind}
    assert begin <= rate_of(kind) * 0.08
    assert talk.talker.said_dbfs == pytest.approx(-15, abs=2)


def test_a_card_with_a_rate_of_its_own_is_converted() -> None:
    talk = Talk(kind=Kind.SLIN, rate_hz=44100)
    talk.speak(tone(440, 44100, 1.0), *frames_of_tone(Kind.SLIN, 1.0))
    assert level_dbfs(from_slin(talk.audio)[4000:]) == pytest.approx(-15, abs=0.2)
    heard = from_slin(talk.speaker.buffer.take_rest())
    assert level_dbfs(heard) == pytest.approx(-15, abs=0.3)
    assert {len(frame.payload) for frame in talk.wire.frames[1:]} == {320}


def test_what_is_heard_is_played() -> None:
    talk = Talk()
    frames = frames_of_tone(Kind.SLIN, 0.16)
    talk.speak(np.zeros(8 * 160, np.int16), *frames)
    assert talk.speaker.buffer.take_rest() == to_slin(tone(440, 8000, 0.16))
    assert talk.talker.heard_dbfs == pytest.approx(-15, abs=2)
    talk.wait(2.0)
    assert talk.talker.heard_dbfs < -60


def test_a_caller_is_spoken_to_in_the_kind_that_comes() -> None:
    talk = Talk(kind=None, rate_hz=16000)
    talk.speak(tone(440, 16000, 0.5), *frames_of_tone(Kind.SLIN48, 0.5))
    kinds = [frame.kind for frame in talk.wire.frames]
    assert kinds[-1] == Kind.SLIN48
    assert set(kinds) <= {Kind.SLIN, Kind.SLIN48}
    assert kinds.count(Kind.SLIN) <= 1


def test_a_caller_who_sends_nothing_is_spoken_to_as_slin() -> None:
    talk = Talk(kind=None, rate_hz=16000)
    talk.speak(tone(440, 16000, 0.5))
    assert level_dbfs(from_slin(talk.audio)[-1600:]) == pytest.approx(-15, abs=0.5)
    assert {frame.kind for frame in talk.wire.frames} == {Kind.SLIN}


def test_keys_go_out_as_digits_at_once(typing: tuple[int, Keyboard]) -> None:
    near, keys = typing
    talk = Talk(keyboard=keys)
    talk.wait(0.5)
    os.write(near, b"12#")
    talk.wait(0.02)
    digits = [decode_digit(frame.payload) for frame in talk.wire.frames if frame.kind == Kind.DTMF]
    assert digits == ["1", "2", "#"]
    assert [press["digit"] for press in talk.finish()["pressed"]] == ["1", "2", "#"]
    assert talk.talker.pressed[0][0] == pytest.approx(0.5, abs=0.03)
    assert talk.session.call is not None
    assert [digit.digit for digit in talk.session.call.digits] == ["1", "2", "#"]


def test_what_was_typed_before_somebody_called_is_not_sent(typing: tuple[int, Keyboard]) -> None:
    near, keys = typing
    os.write(near, b"12#")
    talk = Talk(kind=None, keyboard=keys)
    talk.wait(0.1)
    assert talk.session.begun
    assert talk.talker.pressed == []


def test_what_was_typed_while_a_server_was_dialled_is_sent_to_it(typing: tuple[int, Keyboard]) -> None:
    near, keys = typing
    os.write(near, b"12#")
    talk = Talk(keyboard=keys)
    talk.wait(0.1)
    assert [digit for _, digit in talk.talker.pressed] == ["1", "2", "#"]


def test_to_a_caller_keys_go_out_as_tones() -> None:
    talk = Talk(kind=None, rate_hz=16000)
    talk.speak(np.zeros(1600, np.int16), *frames_of_tone(Kind.SLIN16, 0.1))
    talk.talker.press("7")
    talk.talker.press("*")
    talk.speak(np.zeros(16000, np.int16))
    assert Kind.DTMF not in {frame.kind for frame in talk.wire.frames}
    spoken = [frame.payload for frame in talk.wire.frames if frame.kind == Kind.SLIN16]
    assert [one.digit for one in detect_digits(from_slin(b"".join(spoken)), 16000)] == ["7", "*"]


def test_tones_that_the_end_of_the_call_comes_before_are_noted() -> None:
    talk = Talk(kind=None)
    talk.wait(0.1)
    for digit in "12345678":
        talk.talker.press(digit)
    talk.wait(0.1)
    talk.session.hang_up("done")
    talk.session.flush()
    talk.finish()
    assert talk.session.call is not None
    assert "the call ended before 7 digits could be sent [digits-unsent]" in talk.session.call.notes


def test_q_hangs_up(typing: tuple[int, Keyboard]) -> None:
    near, keys = typing
    talk = Talk(keyboard=keys)
    talk.wait(0.5)
    os.write(near, b"q")
    talk.wait(0.1)
    assert talk.session.call is not None
    assert talk.session.call.ending is not None
    assert talk.session.call.ending.reason == "hung up by a key"


@pytest.mark.parametrize(("wait_s", "ends"), [(0.0, True), (0.5, True), (None, False)])
def test_after_the_input_it_stays_as_long_as_told(wait_s: float | None, *, ends: bool) -> None:
    talk = Talk(wait_s=wait_s)
    said = tone(440, 8000, 0.5)
    talk.speak(said)
    talk.microphone.is_over = True
    talk.wait(5.0)
    assert talk.session.call is not None
    assert (talk.session.call.ending is not None) == ends
    assert said.tobytes() in talk.audio  # what was in the buffer was said
    if wait_s is not None:
        assert talk.session.call.duration_s == pytest.approx(0.5 + 0.06 + wait_s, abs=0.05)
        assert talk.session.call.ending is not None
        assert talk.session.call.ending.reason == "end of the input"


def test_a_card_that_is_lost_is_noted_and_the_call_goes_on() -> None:
    talk = Talk()
    talk.wait(0.5)
    talk.microphone.fault = "the sound card has stopped"
    talk.wait(2.0)
    assert talk.session.call is not None
    assert talk.session.call.ending is None
    assert talk.session.call.notes == ["the microphone is lost: the sound card has stopped [sound-card]"]


def test_when_nobody_listens_any_more_it_hangs_up() -> None:
    talk = Talk()
    talk.wait(0.5)
    talk.speaker.fault = GONE
    talk.speaker.buffer.put(bytes(16000))
    talk.wait(0.1)
    assert talk.session.call is not None
    assert talk.session.call.ending is not None
    assert talk.session.call.ending.reason == GONE
    talk.finish()
    assert "ran over" not in "".join(talk.session.call.notes)


def test_what_the_microphone_hears_after_the_call_is_not_lost() -> None:
    talk = Talk()
    talk.speak(tone(440, 8000, 0.3))
    talk.session.hang_up("done")
    talk.session.flush()
    talk.microphone.buffer.put(bytes(16000))
    facts = talk.finish()
    assert (facts["microphone"]["over"], facts["microphone"]["dropped_ms"]) == (0, 0)


def test_what_buffers_lost_is_noted() -> None:
    talk = Talk()
    talk.microphone.buffer.put(bytes(16000))
    talk.speak(tone(440, 8000, 0.3))
    talk.wait(0.1)
    talk.speak(tone(440, 8000, 0.3))
    talk.session.hang_up("done")
    talk.session.flush()
    facts = talk.finish()
    assert facts["microphone"]["over"] == 1
    assert facts["microphone"]["under"] >= 1
    assert talk.session.call is not None
    notes = talk.session.call.notes
    assert notes[0] == "an odd sound"
    assert notes[1] == "the microphone's buffer ran over: 940 ms of sound were dropped [sound-card]"
    assert notes[2].startswith("the microphone's buffer ran dry: ")
    assert (talk.microphone.closed, talk.speaker.closed) == (1, 1)


def test_a_microphone_that_brings_nothing_is_noted() -> None:
    talk = Talk()
    talk.speak(tone(440, 8000, 0.3))
    talk.wait(1.0)
    talk.session.hang_up("done")
    talk.session.flush()
    talk.finish()
    assert talk.session.call is not None
    note = talk.session.call.notes[1]
    assert note.startswith("the microphone brought nothing for 0.9")


def test_without_a_call_nothing_is_begun_or_closed() -> None:
    end = End()
    talker = Talker(TalkOptions(end, End()))
    asyncio.run(talker.finish())
    assert (end.calls, end.closed) == ([], 0)


def test_turns_are_timed() -> None:
    talk = Talk()
    talk.speak(tone(440, 8000, 0.5))
    talk.speak(np.zeros(8000 // 2, np.int16))
    talk.speak(np.zeros(8000 // 2, np.int16), *frames_of_tone(Kind.SLIN, 0.3))
    facts = talk.finish()
    assert facts["turns"] == 1
    assert facts["answered_median_ms"] == pytest.approx(460, abs=45)
