"""Frames placed in time as a phone plays them, and what of them is speech."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.analysis.speech_track import SaidTrack, SpeechTrack
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.runs import TimedRun

GENERATOR = np.random.default_rng(3)
D = 0.02


def frames(*parts: tuple[int, bool], since_s: float = 0.0, late: dict[int, float] | None = None) -> TimedRun:
    """Frames that arrive every 20 ms: so many, loud or not; some late, and those after them as soon as they can."""
    chunks, at_s, number = [], since_s, 0
    for count, is_loud in parts:
        for _ in range(count):
            due_s = since_s + (number + 1) * D
            at_s = max(at_s, due_s + (late or {}).get(number, 0.0))
            sound = GENERATOR.standard_normal(160) * (3000 if is_loud and number % 7 < 5 else 2 if not is_loud else 700)
            chunks.append((at_s, 0.0, 1, encode(Frame(Kind.SLIN, np.rint(sound).astype("<i2").tobytes()))))
            number += 1
    return TimedRun(chunks)


def heard(*runs: TimedRun, end_s: float = 6.0, plays_on_arrival: bool = False) -> list[tuple[float, float]]:
    track = SpeechTrack(Timeline(), plays_on_arrival=plays_on_arrival)
    for run in runs:
        track.take(run)
        track.place(float(run.at_s[-1]) - 0.5)
        track.pad(float(run.at_s[-1]) - 0.5)
    return track.finish(end_s).speech


def test_speech_lies_where_it_was_spoken() -> None:
    assert heard(frames((50, False), (40, True), (50, False))) == [(1.0, 1.8)]


def test_a_burst_lies_where_its_audio_was_spoken() -> None:
    """It was held back for 0.3 s: as the phone plays it, nothing is missing, and nothing is closer together."""
    assert heard(frames((50, False), (40, True), (50, False), late={60: 0.3})) == [(1.0, 1.8)]


def test_a_pause_moves_what_follows() -> None:
    assert heard(frames((20, True)), frames((20, True), since_s=3.0)) == [(0.0, 0.4), (3.0, 3.4)]


def test_what_plays_on_arrival_begins_then() -> None:
    spoken = frames((20, True), since_s=2.0), frames((20, True), since_s=4.0)
    assert heard(*spoken) == [(2.0, 2.4), (4.0, 4.4)]
    assert heard(*spoken, plays_on_arrival=True) == [(2.02, 2.42), (4.02, 4.42)]


def test_what_plays_from_the_calls_start_is_not_moved() -> None:
    run = frames((20, True), (100, False), (20, True))
    at_once = TimedRun([(at_s - D, *rest) for at_s, *rest in run.chunks])
    assert heard(at_once, plays_on_arrival=True) == heard(run) == [(0.0, 0.4), (2.4, 2.8)]


def test_what_nobody_listens_to_is_only_placed() -> None:
    track = SpeechTrack(Timeline(), is_heard=False)
    track.take(frames((20, True)))
    assert track.finish(1.0).speech == []
    assert track.timeline.end_s == pytest.approx(0.4)


def test_an_interruption_of_the_capture_places_what_came_before() -> None:
    track = SpeechTrack(Timeline())
    track.take(frames((20, True)))
    track.interrupt()
    track.take(frames((20, True), since_s=3.0))
    assert track.finish(6.0).speech == [(0.0, 0.4), (3.0, 3.4)]


# What we say ourselves.


def said(*runs: TimedRun, end_s: float = 6.0) -> list[tuple[float, float]]:
    track = SaidTrack()
    for run in runs:
        track.take(run)
    return track.finish(end_s).speech


def sent(*parts: tuple[int, bool], since_s: float = 0.0, late: dict[int, float] | None = None) -> TimedRun:
    """Frames that are sent when they are due: the first at once."""
    return frames(*parts, since_s=since_s - D, late=late)


def test_what_we_say_lies_where_it_was_sent() -> None:
    assert said(sent((20, True), (80, False), (20, True))) == [(0.0, 0.4), (2.0, 2.4)]
    assert said(sent((20, True), since_s=0.5), sent((20, True), since_s=3.0)) == [(0.5, 0.9), (3.0, 3.4)]


def test_what_we_say_a_little_late_follows_on() -> None:
    assert said(sent((20, True)), sent((20, True), since_s=0.43)) == [(0.0, 0.8)]
    assert said(sent((20, True)), sent((20, True), since_s=0.47)) == [(0.0, 0.88)]


def test_a_pause_between_frames_of_one_batch_is_one() -> None:
    assert said(sent((20, True), (20, True), late={20: 1.0})) == [(0.0, 0.4), (1.4, 1.8)]


@pytest.mark.parametrize(
    ("run", "ahead_s"),
    [
        (frames((200, True)), 0.02),
        (frames((50, False), (100, True), late={60: 0.3}), 0.32),
        (frames((50, False), (100, True), late={60: 2.0}), 1.82),
        (TimedRun([(3.0, 0.0, 1, chunk[3]) for chunk in frames((150, True)).chunks]), 3.0),
    ],
    ids=["steady", "a stall of 0.3 s", "a stall to the end", "all at once"],
)
def test_it_is_known_how_far_ahead_of_its_time_audio_came(run: TimedRun, ahead_s: float) -> None:
    track = SpeechTrack(Timeline(), plays_on_arrival=True)
    track.take(run)
    assert track.worst_ahead_s == pytest.approx(ahead_s, abs=0.03)
    caller = SpeechTrack(Timeline())
    caller.take(run)
    assert caller.worst_ahead_s == 0
