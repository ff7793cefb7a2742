"""The sound of a live call: both sides where they belong, without a look ahead, whatever comes and however it comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.pcm import Samples, level_dbfs, tone
from audiosocket_cli.call.taps.listening import MAX_AHEAD_S, CallSound
from audiosocket_cli.chunks import Chunks
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.mixed_runs import MixedFrames
from audiosocket_cli.model import Side
from support.watched import in_frames, noise, offset_of, stereo

STEP_S = 0.02


class Listener:
    """Takes frames at their times, and asks for sound every 20 ms."""

    def __init__(self, rate_hz: int = 8000, start_s: float = 10.0, ahead_s: float = 0.0) -> None:
        self.sound = CallSound(rate_hz, start_s, ahead_s)
        self.start_s = self.now_s = start_s
        self.heard: list[tuple[float, bytes]] = []
        self.said: list[tuple[float, bytes]] = []
        self._got: list[bytes] = []

    def caller(self, at_s: float, samples: Samples, rate_hz: int = 8000) -> None:
        """Let a caller speak from then on: each frame comes once it was spoken."""
        self.heard += [(at_s + (n + 1) * STEP_S, frame) for n, frame in enumerate(in_frames(samples, rate_hz))]

    def server(self, at_s: float, samples: Samples, rate_hz: int = 8000, *, at_once: bool = False) -> None:
        self.said += [(at_s + n * STEP_S * (not at_once), frame) for n, frame in enumerate(in_frames(samples, rate_hz))]

    def listen(self, until_s: float) -> np.ndarray:
        while self.now_s < until_s - 1e-6:
            self.now_s += STEP_S
            batches = []
            for coming in (self.heard, self.said):
                here = [one for one in coming if one[0] <= self.now_s + 1e-6]
                coming[:] = coming[len(here) :]
                batches.append(Chunks([(at_s, 0.0, 1, data) for at_s, data in here]))
            self._got.append(self.sound.take(*batches, self.now_s))
        return stereo(b"".join(self._got))


def place_s(part: Samples, column: Samples, rate_hz: int = 8000) -> float:
    at, alike = offset_of(part, column)
    assert alike > 0.98, f"not there: {alike:.2f}"
    return at / rate_hz


def test_both_sides_are_where_they_were_spoken() -> None:
    listener = Listener()
    caller, server = noise(1.0, seed=1), noise(0.8, seed=2)
    listener.caller(10.5, caller)
    listener.server(12.0, server)
    heard = listener.listen(14)
    assert place_s(caller, heard[:, 0]) == pytest.approx(0.5, abs=0.001)
    assert place_s(server, heard[:, 1]) == pytest.approx(2.0, abs=0.001)
    assert not heard[round(1.52 * 8000) :, 0].any()
    assert not heard[: round(1.99 * 8000), 1].any()
    assert listener.sound.gaps == {Side.CALLER: 1, Side.SERVER: 1}
    assert listener.sound.left_out_s == 0


@pytest.mark.parametrize("who", ["caller", "server", "both", "nobody"])
def test_it_is_never_far_behind_the_clock(who: str) -> None:
    listener = Listener()
    if who in ("caller", "both"):
        listener.caller(10, noise(3))
    if who in ("server", "both"):
        listener.server(10, noise(3))
    for step in range(1, 140):
        made = len(listener.listen(10 + step * STEP_S)) / 8000
        assert step * STEP_S - 0.05 <= made <= step * STEP_S + 1e-6


def test_jitter_moves_nothing_apart() -> None:
    listener = Listener()
    caller = noise(3.0)
    late_s = np.random.default_rng(3).uniform(0, 0.05, 150)
    listener.caller(10.0, caller)
    at_s = np.maximum.accumulate([at_s for at_s, _ in listener.heard] + late_s)  # none overtakes another
    listener.heard = [(float(at_s[n]), data) for n, (_, data) in enumerate(listener.heard)]
    heard = listener.listen(14)
    assert place_s(caller, heard[:, 0]) == pytest.approx(0.0, abs=0.05)
    assert listener.sound.gaps[Side.CALLER] == 1


def test_an_answer_that_comes_in_a_burst_is_heard_when_the_caller_hears_it() -> None:
    listener = Listener()
    first, second = noise(2.0, seed=1), noise(1.0, seed=2)
    listener.server(10.5, first, at_once=True)
    listener.server(11.0, second, at_once=True)
    half = listener.listen(11.5)
    assert len(half) == pytest.approx(1.5 * 8000, abs=500), "nothing before its time"
    heard = listener.listen(15)
    assert place_s(first, heard[:, 1]) == pytest.approx(0.5, abs=0.03)
    assert place_s(second, heard[:, 1]) == pytest.approx(2.5, abs=0.03)


def test_who_comes_into_a_burst_waits_for_what_follows_it() -> None:
    listener = Listener(ahead_s=2.0)
    server = noise(0.5)
    listener.server(10.1, server, at_once=True)
    heard = listener.listen(13)
    assert place_s(server, heard[:, 1]) == pytest.approx(2.0, abs=0.001)


def test_a_flood_is_bounded_and_counted() -> None:
    listener = Listener()
    minute = in_frames(noise(60.0))
    listener.said = [(10.1, frame) for _ in range(4) for frame in minute]
    listener.listen(10.5)
    assert listener.sound.left_out_s == pytest.approx(4 * 60 - MAX_AHEAD_S, abs=0.5)


def test_a_caller_who_is_late_after_a_stall_is_on_time_again_after_a_pause() -> None:
    listener = Listener()
    before, after, later = noise(1.0, seed=1), noise(0.6, seed=2), noise(0.5, seed=3)
    quiet = np.zeros(8000, np.int16)
    listener.caller(10.0, before)
    listener.caller(11.5, np.concatenate([after, quiet, later]))
    stalled = [(max(at_s, 12.0) if at_s > 11.0 else at_s, data) for at_s, data in listener.heard]
    listener.heard = stalled
    heard = listener.listen(14)
    assert place_s(after, heard[:, 0]) == pytest.approx(1.97, abs=0.06), "late"
    assert place_s(later, heard[:, 0]) == pytest.approx(11.5 - 10 + 1.6, abs=0.13), "on time again"
    assert 0.3 < listener.sound.left_out_s < 0.6


def test_a_caller_who_comes_more_than_a_second_late_is_cut() -> None:
    listener = Listener()
    listener.caller(10.0, noise(5.0))
    listener.heard = [(15.0, data) for _, data in listener.heard]
    listener.listen(17)
    assert listener.sound.left_out_s == pytest.approx(4.0, abs=1.1)
    assert listener.listen(18)[-2000:, 0].any() == np.False_


def test_frames_from_before_it_began_are_not_heard() -> None:
    listener = Listener()
    caller = noise(1.0)
    listener.heard = [(10.02, b"".join(in_frames(caller))[: 50 * 323])]
    frames = Chunks([(10.02, 0.0, 50, listener.heard.pop()[1])])
    samples = stereo(listener.sound.take(frames, Chunks(), 10.02))
    assert len(samples) > 100
    assert np.array_equal(samples[:, 0], caller[-160:][: len(samples)])


@pytest.mark.parametrize("rate_hz", [16000, 48000])
def test_another_rate_is_converted(rate_hz: int) -> None:
    listener = Listener(rate_hz=8000)
    listener.caller(10.0, tone(440, rate_hz, 2.0), rate_hz)
    heard = listener.listen(12.5)
    spectrum = np.abs(np.fft.rfft(heard[4000:12000, 0].astype(float)))
    assert int(np.argmax(spectrum)) == 440
    assert level_dbfs(heard[4000:12000, 0]) == pytest.approx(-15, abs=0.2)


def test_kinds_that_keep_changing_are_bounded_and_counted() -> None:
    sound = CallSound(8000, 0.0)
    frames = [encode(Frame(Kind.SLIN16 if n % 2 else Kind.SLIN, b"\1\0")) for n in range(200)]
    data = MixedFrames(b"".join(frames), list(range(0, 200 * 5, 5)))
    sound.take(Chunks([(0.1, 0.0, 200, data)]), Chunks(), 0.1)
    assert 0 < sound.left_out_s < 200 / 8000


def test_our_own_delay_is_not_a_pause_of_the_caller() -> None:
    sound = CallSound(8000, 0.0)
    caller = noise(1.0)
    frames = [(STEP_S * (n + 1), 0.0, 1, data) for n, data in enumerate(in_frames(caller))]
    got = sound.take(Chunks(frames[:10]), Chunks(), 0.2)
    got += sound.take(Chunks(), Chunks(), 0.5)  # we stood still, and have yet to read what came meanwhile
    got += sound.take(Chunks(frames[10:26]), Chunks(), 0.52)
    got += sound.take(Chunks(frames[26:]), Chunks(), 1.0)
    got += sound.take(Chunks(), Chunks(), 1.02)
    heard = stereo(got)[:, 0]
    assert np.array_equal(heard[: 26 * 160], caller[: 26 * 160])
    assert sound.gaps[Side.CALLER] == 0


def test_the_last_of_a_call_is_all_that_the_caller_said() -> None:
    sound = CallSound(8000, 0.0)
    caller, server = noise(1.0, seed=1), in_frames(noise(5.0, seed=2))
    late = Chunks((0.9, 0.0, 1, data) for data in in_frames(caller))
    data = sound.take(Chunks(), Chunks((0.1, 0.0, 1, data) for data in server), 0.5)
    data += sound.take(late, Chunks(), 0.9, is_last=True)
    heard = stereo(data)
    assert place_s(caller[-4800:], heard[:, 0]) == pytest.approx(len(heard) / 8000 - 0.6, abs=0.001)
    assert len(heard) < 2 * 8000, "the caller will not hear what the server has sent ahead"


CHUNK = st.tuples(
    st.floats(-5, 5), st.sampled_from([0x10, 0x11, 0x12, 0x18, 0x03, 0x7F]), st.integers(0, 40), st.integers(1, 3)
)


@given(st.lists(st.tuples(st.lists(CHUNK, max_size=4), st.lists(CHUNK, max_size=4)), max_size=12))
def test_garbage_gives_samples_of_both_sides_and_never_more_than_there_is_time(batches: list) -> None:  # type: ignore[type-arg]
    sound = CallSound(8000, 100.0)
    made = 0
    for number, (heard, said) in enumerate(batches, 1):
        now_s = 100.0 + number * STEP_S
        both = [
            Chunks((now_s + shift_s, 0.0, count, encode(Frame(kind, b"\x55" * size)) * count)
                   for shift_s, kind, size, count in chunks)
            for chunks in (heard, said)
        ]  # fmt: skip
        data = sound.take(both[0], both[1], now_s)
        assert len(data) % 4 == 0
        made += len(data) // 4
        assert made <= round(now_s * 8000) - 800_000
