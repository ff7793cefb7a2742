"""What is measured in one call of a load: gaps, bursts, jitter, silence, and what became of the call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.meter import Meter
from audiosocket_cli.bench.speech import Speech, Talk
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Call, Ending, How, Side, now_utc
from audiosocket_cli.runs import in_runs
from support.fakes import UUID_1

LOUD = Frame(Kind.SLIN, tone(440, 8000, 0.02).tobytes())
QUIET = Frame(Kind.SLIN, bytes(320))


def measured(arrivals: list[tuple[float, Frame]], batch: int = 25) -> tuple[Meter, Figures]:
    """A meter that heard frames at these times, some at a time."""
    figures = Figures()
    talk = Talk(Speech.generated(Kind.SLIN), 0, 60, 0.0)
    meter = Meter(talk, figures)
    meter.opened(Call(Side.CALLER, "server", UUID_1, now_utc(), Pacer(0.02)))
    for start in range(0, len(arrivals), batch):
        part = arrivals[start : start + batch]
        meter.frames(in_runs([(at_s, 0.0, 1, encode(frame)) for at_s, frame in part]), [], part[-1][0])
    return meter, figures


def steady(count: int, frame: Frame = LOUD, start_s: float = 0.1) -> list[tuple[float, Frame]]:
    return [(start_s + 0.02 * number, frame) for number in range(count)]


@given(st.integers(1, 60))
def test_audio_in_time_has_no_faults(batch: int) -> None:
    meter, figures = measured(steady(100), batch)
    assert (meter.first_byte_s, meter.first_speech_s, meter.heard_frames) == (0.1, 0.1, 100)
    assert figures.heard_audio_s == pytest.approx(2.0)
    assert figures.times["jitter"].max_ms == pytest.approx(0, abs=0.01)
    assert not {name for name, count in figures.counts.items() if count} - {"frames_heard"}


@pytest.mark.parametrize(
    ("gap_s", "counted"),
    [(0.03, {}), (0.05, {"gaps_40": 1}), (0.08, {"gaps_40": 1, "gaps_60": 1}),
     (0.5, {"gaps_40": 1, "gaps_60": 1, "gaps_100": 1})],
)  # fmt: skip
def test_a_step_that_is_too_long_is_a_gap(gap_s: float, counted: dict[str, int]) -> None:
    late = [(at_s + gap_s - 0.02, frame) for at_s, frame in steady(50, start_s=1.1)]
    meter, figures = measured([*steady(50), *late])
    assert {name: count for name, count in figures.counts.items() if name.startswith("gaps") and count} == counted
    assert meter.long_gaps == (gap_s > 0.06)


def test_silence_in_single_frames_is_no_gap_but_a_pause_in_steady_silence_is() -> None:
    sparse = [(0.1 * number, QUIET) for number in range(1, 50)]
    assert measured(sparse)[1].counts["gaps_60"] == 0
    pause = [*steady(50, QUIET), *steady(50, QUIET, 1.18)]
    assert measured(pause)[1].counts["gaps_60"] == 1


@given(st.integers(1, 60))
def test_a_burst_is_counted_once_however_it_is_read(batch: int) -> None:
    burst = [(2.1, frame) for _, frame in steady(40)]
    _, figures = measured([*steady(50), *burst, *steady(50, start_s=2.2)], batch)
    assert figures.counts["bursts"] == 1


@pytest.mark.parametrize(
    ("ending", "heard", "counted"),
    [
        (Ending(Side.SERVER, How.FAULT, "it broke"), True, "fault"),
        (Ending(Side.SERVER, How.RESET, "reset"), True, "reset"),
        (Ending(Side.SERVER, How.HANGUP, "server hung up"), True, "ended_by_server"),
        (Ending(Side.CALLER, How.CLOSED, "over"), False, "silent"),
    ],
)
def test_what_became_of_the_call_is_counted(ending: Ending, heard: bool, counted: str) -> None:
    meter, figures = measured(steady(50) if heard else [])
    call = meter.call
    assert call is not None
    call.ending, call.duration_s = ending, 5.0
    meter.closed(call)
    outcomes = ("fault", "reset", "ended_by_server", "silent")
    assert {name for name in outcomes if figures.counts[name]} == {counted}
    assert figures.call_s == 5.0


def test_our_own_marks_come_back_as_an_echo() -> None:
    figures = Figures()
    talk = Talk(Speech.generated(Kind.SLIN), 0, 60, 0.0)
    meter = Meter(talk, figures)
    meter.opened(Call(Side.CALLER, "server", UUID_1, now_utc(), Pacer(0.02)))
    talk.pacer.restart(0.0)
    said = []
    for _ in range(100):
        frame = talk.next_frame(None)
        assert frame is not None
        said.append((talk.pacer.take(talk.pacer.deadline_s), frame))
    chunks = [(at_s - talk.pacer.origin_s + 0.15, 0.0, 1, encode(frame)) for at_s, frame in said]
    meter.frames(in_runs(chunks), [], 3.0)
    assert figures.counts["marks_sent"] == figures.counts["marks_heard"] == 10
    assert figures.times["echo"].max_ms == pytest.approx(150, abs=0.1)
    assert np.isclose(figures.times["echo_actual"].max_ms, 150, atol=0.1)
