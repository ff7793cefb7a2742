"""A peer's clock that runs fast or slow: followed without a pause or a click, and told; all else is left as it is."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.audio.pcm import Samples, tone
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.recording import Layout, Recording
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Silence
from audiosocket_cli.call.taps.stats import CallStats, call_result
from audiosocket_cli.capture.exports import as_jsonl
from audiosocket_cli.codec import Frame, Kind, encode, rate_of
from audiosocket_cli.model import Ending, How, Side
from support.captured import a_call, sent, whole
from support.fakes import OPENING, FakeClock, FakeWire, TimedFrame, run_until, runs_of
from support.recorded import new_call
from support.running import run

FRAME_S = 0.02

FLUSH_S = 0.8

SETTLE_S = 0.5


def arrivals(ppm: float, seconds: float, start_s: float = 0.0) -> Iterator[float]:
    """When frames arrive whose sender's clock is so much too fast."""
    step_s = FRAME_S / (1 + ppm / 1e6)
    return (start_s + step_s * number for number in range(1, round(seconds / step_s) + 1))


def place(times: Iterator[float]) -> tuple[Timeline[float], list[float]]:
    """Place frames as a live call does; returns how far the end of each batch is from when its last frame arrived."""
    timeline: Timeline[float] = Timeline()
    flush_s, off_s = FLUSH_S, []
    for at_s in times:
        while at_s > flush_s:
            placed = timeline.place(flush_s - SETTLE_S)
            if placed:
                off_s.append(timeline.end_s - placed[-1][1])
            timeline.pad(flush_s - SETTLE_S)
            flush_s += FLUSH_S
        timeline.add(at_s, FRAME_S, at_s)
    placed = timeline.place(math.inf)
    off_s.append(timeline.end_s - placed[-1][1])
    return timeline, off_s


@pytest.mark.parametrize("ppm", [20, 100, 500, 2000, 5000])
@pytest.mark.parametrize("sign", [1, -1], ids=["fast", "slow"])
def test_a_clock_that_is_a_little_wrong_is_followed_for_hours_without_a_pause(ppm: float, sign: int) -> None:
    hours = {20: 4, 500: 3}.get(ppm, 1)
    timeline, off_s = place(arrivals(sign * ppm, hours * 3600))
    assert timeline.gap_count <= (ppm > 2000)  # so much that a pause was due before it could be told for sure
    assert max(map(abs, off_s)) < 0.075
    assert abs(off_s[-1]) < 0.01
    assert timeline.drift.share == pytest.approx(sign * ppm / 1e6, rel=0.05, abs=2e-6)
    assert timeline.drift.corrected_s == pytest.approx(-sign * ppm / 1e6 * hours * 3600, rel=0.02, abs=0.02)
    assert timeline.worst_ahead_s < 0.075


@pytest.mark.parametrize("sign", [1, -1], ids=["fast", "slow"])
def test_a_clock_is_followed_through_jitter(sign: int) -> None:
    rng = random.Random(1)
    times = sorted(at_s + rng.uniform(0, 0.05) for at_s in arrivals(sign * 500, 1800))
    timeline, _ = place(iter(times))
    assert timeline.gap_count == 0
    assert timeline.drift.share == pytest.approx(sign * 500e-6, rel=0.05)
    assert abs(timeline.end_s - 1800) < 0.06


@pytest.mark.parametrize("sign", [1, -1], ids=["fast", "slow"])
def test_a_clock_is_followed_where_the_wire_is_read_some_frames_at_a_time(sign: int) -> None:
    read = ((math.ceil(at_s / 0.1) * 0.1) for at_s in arrivals(sign * 500, 1800))
    timeline, _ = place(read)
    assert timeline.gap_count == 0
    assert timeline.drift.share == pytest.approx(sign * 500e-6, rel=0.1)
    assert abs(timeline.end_s - 1800) < 0.13


def test_a_clock_that_becomes_another_is_followed_anew() -> None:
    first, second = arrivals(500, 1800), arrivals(-300, 1800, 1800.0)
    timeline, off_s = place(itertools.chain(first, second))
    assert timeline.gap_count == 0
    assert max(map(abs, off_s)) < 0.075
    assert timeline.drift.share is not None
    assert abs(off_s[-1]) < 0.03


def untouched(timeline: Timeline[float]) -> bool:
    return timeline.drift.share is None and timeline.drift.corrected_s == 0.0 == timeline.drift.stretch


@pytest.mark.parametrize("ppm", [100_000, -100_000, 50_000, -50_000, 20_000, -20_000, 1_000_000, -500_000])
def test_a_wrong_rate_is_no_clock(ppm: float) -> None:
    timeline, _ = place(arrivals(ppm, 300))
    assert untouched(timeline)


@pytest.mark.parametrize("jitter_s", [0.005, 0.03, 0.055, 0.2])
def test_jitter_is_no_clock(jitter_s: float) -> None:
    rng = random.Random(3)
    latest, times = 0.0, []
    for at_s in arrivals(0, 1800):
        latest = max(latest, at_s + rng.uniform(0, jitter_s))
        times.append(latest)
    timeline, _ = place(iter(times))
    assert untouched(timeline)


def test_bursts_are_no_clock() -> None:
    """Each 7 s nothing comes for a while, then all of it at once."""
    rng = random.Random(5)
    held_until, times = 0.0, []
    for at_s in arrivals(0, 1800):
        if at_s % 7 < FRAME_S:
            held_until = at_s + rng.choice([0.2, 0.5, 1.5, 3.0])
        times.append(max(at_s, held_until))
    timeline, _ = place(iter(times))
    assert untouched(timeline)


@pytest.mark.parametrize("ahead_s", [0.3, 2.0, 60.0])
def test_audio_that_is_sent_ahead_is_no_clock(ahead_s: float) -> None:
    """A bot that sends some seconds at once, and then in time."""
    times = (max(10.0, at_s - ahead_s) if at_s > 10 else at_s for at_s in arrivals(0, 600))
    timeline, _ = place(times)
    assert untouched(timeline)


def test_another_way_through_the_network_is_no_clock() -> None:
    times = (at_s + (0.045 if 300 < at_s < 600 else 0.0) for at_s in arrivals(0, 900))
    timeline, _ = place(times)
    assert untouched(timeline)


def test_a_queue_that_fills_and_empties_all_the_time_adds_nothing_up() -> None:
    times = [at_s + at_s % 30 / 30 * 0.25 for at_s in arrivals(0, 600)]
    timeline, off_s = place(iter(list(itertools.accumulate(times, max))))
    assert timeline.gap_count <= 1
    assert abs(timeline.drift.corrected_s) < 0.5
    assert max(map(abs, off_s)) < 0.55


@pytest.mark.parametrize("ppm", [500, -500, 1000])
def test_a_short_call_is_left_as_it_is(ppm: float) -> None:
    timeline, off_s = place(arrivals(ppm, 35))
    assert untouched(timeline)
    assert max(map(abs, off_s)) < 0.04


@pytest.mark.parametrize("ppm", [500, -500])
def test_speech_with_real_pauses_needs_no_correction(ppm: float) -> None:
    times = (at_s for at_s in arrivals(ppm, 1800) if at_s % 5 < 4)
    timeline, off_s = place(times)
    assert untouched(timeline)
    assert timeline.gap_count == 360
    assert max(map(abs, off_s)) < 0.02


def test_real_pauses_of_a_call_whose_clock_is_followed_stay() -> None:
    times = (at_s for at_s in arrivals(-500, 3600) if at_s < 600 or at_s > 700)
    timeline, off_s = place(times)
    assert [round(gap.length_s) for gap in timeline.gaps] == [100]
    assert abs(off_s[-1]) < 0.01


def ticking(seconds: float, kind: Kind) -> Samples:
    """A tone, with a tick every 10 s of its own time."""
    rate_hz = rate_of(kind)
    samples = np.tile(tone(400, rate_hz, 1.0, -30.0), math.ceil(seconds))[: round(seconds * rate_hz)]
    samples[:: 10 * rate_hz] = 32000
    return samples


def frames_at(ppm: float, samples: Samples, kind: Kind) -> Iterator[TimedFrame]:
    step = round(FRAME_S * rate_of(kind))
    times = arrivals(ppm, len(samples) / rate_of(kind) * 2)
    for at_s, start in zip(times, range(0, len(samples), step), strict=False):
        yield TimedFrame(at_s, Frame(kind, samples[start : start + step].astype("<i2").tobytes()))


@pytest.mark.parametrize("layout", [Layout.CALLER, Layout.STEREO], ids=str)
@pytest.mark.parametrize(
    ("ppm", "kind", "seconds"),
    [(500, Kind.SLIN, 600), (-500, Kind.SLIN, 600), (3000, Kind.SLIN16, 200), (-3000, Kind.SLIN44, 120)],
    ids=["slin-fast", "slin-slow", "slin16-fast", "slin44-slow"],
)
def test_a_recording_keeps_the_time_of_the_call(
    tmp_path: Path, layout: Layout, ppm: float, kind: Kind, seconds: int
) -> None:
    rate_hz = rate_of(kind)
    call, stats = new_call(), CallStats()
    recording = Recording(layout, FileOutput.in_folder(tmp_path))
    taps = (recording, stats)
    for tap in taps:
        tap.opened(call)
    flush_s, batch = FLUSH_S, []
    for timed in frames_at(ppm, ticking(seconds, kind), kind):
        if timed.at_s > flush_s:
            for tap in taps:
                tap.frames(runs_of(batch), [], flush_s)
            flush_s, batch = flush_s + FLUSH_S, []
        batch.append(timed)
    call.duration_s = batch[-1].at_s
    call.ending = Ending(Side.CALLER, How.CLOSED, "caller closed")
    for tap in taps:
        tap.frames(runs_of(batch), [], call.duration_s)
        tap.closed(call)

    samples, _ = soundfile.read(recording.paths[0], dtype="int16", always_2d=True)
    heard = samples[:, 0].astype(int)
    assert len(heard) / rate_hz == pytest.approx(call.duration_s, abs=0.07)
    ticks_s = np.flatnonzero(heard > 12000) / rate_hz
    ticks_s = ticks_s[np.diff(ticks_s, prepend=-10) > 1]
    np.testing.assert_allclose(ticks_s, np.arange(len(ticks_s)) * 10 / (1 + ppm / 1e6), atol=0.065)
    assert len(ticks_s) == seconds // 10
    heard = heard[: -rate_hz // 10]
    loud = np.abs(heard[: len(heard) // 80 * 80].reshape(-1, 80)).max(axis=1)
    assert loud.min() > 300  # no pause anywhere

    result = call_result(call, stats, recording)
    drift = result["recording"]["drift"]["caller"]
    assert drift["ppm"] == pytest.approx(ppm, rel=0.1)
    assert drift["corrected_ms"] == pytest.approx(-ppm / 1e6 * seconds * 1000, abs=40)
    assert result["caller"]["gap_count"] == 0
    (finding,) = result["findings"]
    pace = "faster" if ppm > 0 else "slower"
    said = re.match(rf"the caller's audio came (0\.\d+)% {pace} than it plays, as from another clock: the rec", finding)
    assert said is not None
    assert float(said[1]) == pytest.approx(abs(ppm) / 1e4, rel=0.1)


def test_a_tone_stays_a_tone_where_the_clock_is_followed(tmp_path: Path) -> None:
    recording = Recording(Layout.CALLER, FileOutput.in_folder(tmp_path))
    call = new_call()
    recording.opened(call)
    samples = np.tile(tone(1000, 8000, 1.0, -10.0), 200)
    frames = list(frames_at(2000, samples, Kind.SLIN))
    for start in range(0, len(frames), 40):
        batch = frames[start : start + 40]
        recording.frames(runs_of(batch), [], batch[-1].at_s)
    call.duration_s = frames[-1].at_s
    recording.closed(call)
    heard, _ = soundfile.read(recording.paths[0], dtype="float64")
    for start_s in range(60, 180, 10):
        part = heard[start_s * 8000 : start_s * 8000 + 4000]
        spectrum = np.abs(np.fft.rfft(part * np.blackman(len(part)))) ** 2
        peak = int(np.argmax(spectrum))
        assert peak * 2 == pytest.approx(1002, abs=3)
        assert (
            10 * np.log10(spectrum.sum() / (spectrum.sum() - spectrum[peak - 8 : peak + 9].sum())) > 40
        )  # dB; µ-law has 38


def test_a_call_in_time_is_recorded_sample_for_sample_for_half_an_hour(tmp_path: Path) -> None:
    recording = Recording(Layout.CALLER, FileOutput.in_folder(tmp_path))
    call = new_call()
    recording.opened(call)
    samples = np.random.default_rng(1).integers(-9000, 9000, 8000 * 1800).astype(np.int16)
    rng, batch = random.Random(2), []
    for timed in frames_at(0, samples, Kind.SLIN):
        batch.append(timed._replace(at_s=timed.at_s + rng.uniform(0, 0.015)))
        if len(batch) == 40:
            recording.frames(runs_of(batch), [], batch[-1].at_s)
            batch = []
    call.duration_s = 1800.0
    recording.closed(call)
    heard, _ = soundfile.read(recording.paths[0], dtype="int16")
    start = int(np.flatnonzero(heard == samples[0])[0])
    np.testing.assert_array_equal(heard[start : start + len(samples)], samples[: len(heard) - start])
    assert call.notes == []


@pytest.mark.parametrize("side", [Side.CALLER, Side.SERVER], ids=str)
def test_dump_follows_the_clock_of_either_side(tmp_path: Path, side: Side) -> None:
    call = a_call(me=Side.SERVER)
    frames = list(frames_at(2000, ticking(120, Kind.SLIN), Kind.SLIN))
    wrong = sent(call, side, [timed.frame for timed in frames], [timed.at_s for timed in frames])
    caller, server = (wrong, []) if side is Side.CALLER else ([], wrong)
    capture = tmp_path / "call.jsonl"
    capture.write_bytes(b"".join(as_jsonl(whole(call, caller, server, frames[-1].at_s))))
    done = run("dump", capture, "--wav", tmp_path / "wav", "--stats", "--json")
    assert done.returncode == 0, done.stderr
    assert f"the {side}'s audio came 0.2" in done.stderr
    (path,) = (tmp_path / "wav").iterdir()
    samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
    ticks = np.flatnonzero(samples[:, 0 if side is Side.CALLER else 1] > 12000) / 8000
    ticks = ticks[np.diff(ticks, prepend=-10) > 1]
    shift_s = 0.0 if side is Side.CALLER else FRAME_S
    np.testing.assert_allclose(ticks, np.arange(12) * 10 / 1.002 + shift_s, atol=0.065)


@pytest.mark.parametrize("in_bulk", [True, False], ids=["in-bulk", "each-frame"])
@pytest.mark.parametrize("ppm", [1000, -1000], ids=["fast", "slow"])
def test_a_live_calls_recording_follows_the_clock(tmp_path: Path, ppm: float, in_bulk: bool) -> None:
    clock, wire = FakeClock(), FakeWire()
    recording, stats = Recording(Layout.CALLER, FileOutput.in_folder(tmp_path)), CallStats()
    session = AnsweredSession(wire, "peer", source=Silence(), clock=clock)
    session.watch([recording, stats], each_arrival=not in_bulk)
    session.start()
    wire.inbox.append(OPENING)
    seconds, begun_s = 120, clock.now_s
    for timed in frames_at(ppm, ticking(seconds, Kind.SLIN), Kind.SLIN):
        run_until(begun_s + timed.at_s, clock, session)
        wire.inbox.append(encode(timed.frame))
        lasted_s = timed.at_s
    wire.inbox.append(b"")
    run_until(clock.now_s + 1, clock, session)
    assert session.ended
    heard, _ = soundfile.read(recording.paths[0], dtype="int16")
    assert len(heard) / 8000 == pytest.approx(lasted_s, abs=0.13)
    ticks_s = np.flatnonzero(heard > 12000) / 8000
    ticks_s = ticks_s[np.diff(ticks_s, prepend=-10) > 1]
    np.testing.assert_allclose(ticks_s, np.arange(seconds // 10) * 10 / (1 + ppm / 1e6), atol=0.13)
    assert stats.timeline.gap_count == 0
    assert recording.drift[Side.CALLER].share == pytest.approx(ppm / 1e6, rel=0.15)
