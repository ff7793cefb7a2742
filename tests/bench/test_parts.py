"""The parts of `audiosocket bench` that need no network: the shape of loads, marks, speech, figures, verdicts."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.analysis.histogram import Histogram
from audiosocket_cli.audio.pcm import SPEECH_DBFS, from_slin, level_dbfs
from audiosocket_cli.bench.caller import BenchCall
from audiosocket_cli.bench.figures import METRICS, Figures
from audiosocket_cli.bench.limit import Step, find_limit
from audiosocket_cli.bench.load import Load, Stage, parse_stages
from audiosocket_cli.bench.marks import MAX_NUMBERS, MarkFinder, mark, marked
from audiosocket_cli.bench.result import NAMES, BenchResult, read_result
from audiosocket_cli.bench.schedule import SteadyPacer
from audiosocket_cli.bench.speech import Speech, Talk
from audiosocket_cli.bench.turns import Turns
from audiosocket_cli.bench.verdict import changes, parse_threshold, regressions
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Echo
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import FileError, UsageError
from support.fakes import FakeClock, run_until, wire_pair

# The shape of a load.


def at(load: Load, when_s: float) -> int:
    return sum(slot.start_s <= when_s < slot.end_s for slot in load.slots())


@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(0.1, 100)), min_size=1, max_size=6),
    st.none() | st.floats(0, 20),
)
def test_each_stage_ends_with_its_number_of_callers(stages: list[tuple[int, float]], ramp_s: float | None) -> None:
    load = Load(stages=tuple(Stage(*stage) for stage in stages), ramp_s=ramp_s)
    end_s = 0.0
    for stage in load.stages:
        end_s += stage.duration_s
        assert at(load, math.nextafter(end_s, 0) - 1e-6) == stage.calls
    assert at(load, end_s + 1) == 0
    assert max(Counter(slot.number for slot in load.slots()).values(), default=1) == 1


def test_callers_come_over_the_ramp_and_stay() -> None:
    slots = Load(calls=4, ramp_s=8, duration_s=20).slots()
    assert [(slot.start_s, slot.end_s) for slot in slots] == [(0, 20), (2, 20), (4, 20), (6, 20)]


@given(st.floats(0.5, 50), st.floats(1, 30), st.floats(0, 30))
def test_arrivals_reach_their_rate_over_the_ramp(rate: float, duration_s: float, ramp_s: float) -> None:
    slots = Load(rate=rate, duration_s=duration_s, ramp_s=ramp_s, call_duration_s=1).slots()
    ramped_s = min(ramp_s, duration_s)
    in_ramp = rate * ramped_s**2 / (2 * ramp_s) if ramp_s else 0
    assert len(slots) == pytest.approx(in_ramp + rate * (duration_s - ramped_s), abs=1.01)
    assert all(before.start_s <= after.start_s for before, after in itertools.pairwise(slots))
    assert all(slot.once for slot in slots)


def test_stages_are_read() -> None:
    assert parse_stages("10:30s, 50:1m") == (Stage(10, 30), Stage(50, 60))


@pytest.mark.parametrize("text", ["", "10", "10:", ":30s", "10:30s,", "a:1s", "0:1s"])
def test_what_is_no_stage_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_stages(text)


# Deadlines.


@given(st.floats(0, 1e6), st.integers(0, 10_000), st.sampled_from([0.01, 0.02, 0.03, 0.06]))
def test_frames_keep_their_place_and_no_deadline_slips(start_s: float, caller: int, ptime_s: float) -> None:
    pacer = SteadyPacer(ptime_s, caller, epoch_s=0.0)
    pacer.restart(start_s)
    first_s = pacer.deadline_s
    assert start_s <= first_s <= start_s + 0.0201
    for number in range(5):
        assert pacer.take(first_s + 3.0) == pytest.approx(first_s + number * ptime_s)
    assert pacer.slips == 0
    assert list(pacer.sent_s) == pytest.approx([first_s + 3.0] * 5)
    assert pacer.unsent(first_s + 10 * ptime_s + 0.001) == 5


def test_callers_who_begin_together_send_apart() -> None:
    firsts = []
    for caller in range(20):
        pacer = SteadyPacer(0.02, caller, epoch_s=0.0)
        pacer.restart(100.0)
        firsts.append(pacer.deadline_s)
    assert min(np.diff(sorted(firsts))) > 0.0003


# Marks.


@settings(deadline=None)
@given(
    st.lists(st.integers(0, MAX_NUMBERS - 1), min_size=1, max_size=8),
    st.lists(st.integers(1, 700), min_size=1, max_size=30),
    st.integers(1, 9),
    st.integers(0, 1000),
)
def test_marks_survive_any_framing(numbers: list[int], sizes: list[int], batch: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(-3000, 3000, 160 * len(numbers)).astype("<i2").tobytes()
    stream = b"".join(marked(noise[n * 320 : n * 320 + 320], number) for n, number in enumerate(numbers))
    frames: list[bytes] = []
    lengths = itertools.cycle(sizes)
    while stream:
        size = next(lengths)
        frames.append(stream[:size])
        stream = stream[size:]
    starts = np.cumsum([0] + [len(frame) for frame in frames])
    expected = [(number, float(np.searchsorted(starts, n * 320, side="right") - 1)) for n, number in enumerate(numbers)]
    finder, found = MarkFinder(), []
    for first in range(0, len(frames), batch):
        some = frames[first : first + batch]
        times = np.arange(first, first + len(some), dtype=float)
        found += finder.find(b"".join(some), np.array([len(frame) for frame in some]), times)
    assert found == expected


@given(st.binary(max_size=2000))
def test_anything_may_be_heard(data: bytes) -> None:
    MarkFinder().find(data, np.array([len(data)]), np.zeros(1))


def test_a_mark_is_too_soft_for_speech() -> None:
    assert level_dbfs(from_slin(marked(bytes(320), MAX_NUMBERS - 1))) < SPEECH_DBFS - 10
    assert len(mark(0)) == 16


# Speech.


@pytest.mark.parametrize("kind", [Kind.SLIN, Kind.SLIN16, Kind.SLIN48])
@pytest.mark.parametrize("frame_ms", [10, 20, 60])
def test_generated_speech_is_speech_from_its_first_frame_to_its_last(kind: Kind, frame_ms: int) -> None:
    speech = Speech.generated(kind, frame_ms)
    for utterance in speech.utterances:
        assert len(utterance.turns) == 1
        first, last = utterance.turns[0]
        assert (first, 1.0 <= (last + 1) * frame_ms / 1000 <= 1.7) == (0, True)
        levels = [level_dbfs(from_slin(frame.payload)) for frame in utterance.frames[:-1]]
        assert min(levels) > SPEECH_DBFS
        assert -25 < level_dbfs(from_slin(b"".join(frame.payload for frame in utterance.frames))) < -15


def said(number: int, seed: int, seconds: float = 10) -> list[bytes]:
    talk = Talk(Speech.generated(Kind.SLIN), number, seconds, 0.0, seed)
    return [frame.payload for frame in iter(lambda: talk.next_frame(None), None)]


def test_speech_is_the_same_for_a_seed_and_differs_between_callers() -> None:
    assert said(1, 0) == said(1, 0)
    assert said(1, 0) != said(2, 0)
    assert said(1, 0) != said(1, 1)
    assert len(said(1, 0)) == 500


def test_a_call_has_pauses_in_which_a_bot_answers() -> None:
    talk = Talk(Speech.generated(Kind.SLIN), 3, 60, 0.0)
    while talk.next_frame(None):
        pass
    starts = [number for begins, number in talk.turns if begins]
    ends = [number for begins, number in talk.turns if not begins]
    pauses_s = [(start - end) * 0.02 for end, start in zip(ends, starts[1:], strict=False)]
    assert len(pauses_s) > 10
    assert min(pauses_s) >= 1.5
    assert max(pauses_s) <= 3.1


# Figures.

times = st.lists(st.floats(0.02, 90_000), min_size=1, max_size=300)


@given(times, st.sampled_from([1, 50, 95, 99, 100]))
def test_percentiles_are_those_of_numpy_within_a_percent(values: list[float], percent: float) -> None:
    histogram = Histogram()
    histogram.add(np.array(values))
    exact = float(np.percentile(values, percent, method="inverted_cdf"))
    assert histogram.percentile_ms(percent) == pytest.approx(exact, rel=0.01)
    assert histogram.mean_ms == pytest.approx(np.mean(values))


@given(times, times)
def test_two_distributions_add_up_to_one(first: list[float], second: list[float]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    one.add(np.array(first))
    other.add(np.array(second))
    both.add(np.array(first + second))
    empty = Histogram()
    empty.merge(Histogram.from_json(one.as_json()))
    empty.merge(other)
    merged, whole = empty.as_json(), both.as_json()
    assert merged.pop("sum_ms") == pytest.approx(whole.pop("sum_ms"))
    assert merged == whole
    assert sum(count for _, _, count in both.bars(10)) == len(first) + len(second)


def test_of_nothing_there_are_no_percentiles() -> None:
    assert (Histogram().percentile_ms(50), Histogram().mean_ms, Histogram().bars(5)) == (None, None, [])


# Turns.


def turns_of(*heard: float) -> tuple[Figures, Turns]:
    figures = Figures()
    turns = Turns(figures)
    turns.hear(np.array(heard))
    return figures, turns


def test_a_turn_is_from_the_end_of_our_speech_to_the_start_of_theirs() -> None:
    figures, turns = turns_of()
    turns.we_begin(1.0)
    turns.we_end(2.0, late_s=0.1)
    turns.hear(np.array([2.5, 2.52]))
    assert figures.times["turn"].max_ms == pytest.approx(500)
    assert figures.times["turn_actual"].max_ms == pytest.approx(400)


def test_who_speaks_while_we_do_takes_no_turn() -> None:
    figures, turns = turns_of(*np.arange(1.0, 1.9, 0.02))
    turns.we_end(1.9)
    turns.hear(np.array([1.92, 1.94]))
    assert figures.times["turn"].count == 0


def test_an_interruption_lasts_until_they_are_silent() -> None:
    figures, turns = turns_of(*np.arange(0.0, 1.0, 0.02))
    turns.we_begin(1.0)
    turns.hear(np.array([1.02, 1.1, 1.25]))
    turns.look(1.4)
    assert figures.times["barge_in"].count == 0
    turns.look(1.5)
    assert figures.times["barge_in"].max_ms == pytest.approx(250)


# Verdicts.


def result(**times_ms: float) -> BenchResult:
    figures = Figures()
    for name, value in times_ms.items():
        figures.times[name].add_one(value)
    figures.counts.update(placed=100, connected=98, refused=2)
    return BenchResult({}, "2026-11-25T00:00:00+00:00", 10.0, figures, 5, None, [])


def test_all_names_have_values() -> None:
    assert set(result().values()) == set(NAMES)
    assert set(result().figures.times) == set(METRICS)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("turn_p95<800ms", True), ("turn_p95<0.4s", False), (" turn_p95 <= 500 ", True), ("turn_max>400", True),
        ("turn_mean>=501ms", False), ("errors<=2", True), ("errors<2", False), ("error_rate<2.5%", True),
        ("error_rate<0.02", False), ("gaps_60<1", True), ("refused>=2", True), ("echo_p50<1h", None),
    ],
)  # fmt: skip
def test_thresholds(text: str, holds: bool | None) -> None:
    if holds is None:
        with pytest.raises(UsageError):
            parse_threshold(text)
    else:
        assert (parse_threshold(text).failure(result(turn=500.0).values()) is None) is holds


def test_what_was_never_seen_holds_no_threshold() -> None:
    assert "nothing of the kind" in (parse_threshold("echo_p50<1s").failure(result().values()) or "")


@pytest.mark.parametrize(
    ("text", "hint"),
    [("turn_p59<1s", "turn_p95"), ("eror_rate<1%", "error_rate"), ("xyz<1", "there are"), ("turn_p95<1%", "write ms"),
     ("errors<1ms", "leave it out"), ("turn_p95=1", "no threshold"), ("turn_p95<", "no threshold")],
)  # fmt: skip
def test_what_is_no_threshold_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        parse_threshold(text)


def test_what_got_worse_by_more_than_allowed_is_a_regression() -> None:
    found = changes(result(turn=500.0, echo=1.0, connect=3.0), result(turn=560.0, echo=1.8))
    assert [change.name for change in regressions(found, 0.1)] == ["connect_p50", "connect_p95", "turn_p50", "turn_p95"]
    assert [change.name for change in regressions(found, 0.2)] == ["connect_p50", "connect_p95"]


@given(st.integers(1, 3000), st.integers(1, 500))
def test_the_limit_is_found(limit: int, first: int) -> None:
    search = find_limit(first, 5000, lambda calls: Step(calls, ["broke"] if calls > limit else []))
    assert search.held <= limit
    assert search.broke is not None
    assert search.broke.calls - search.held <= max(1, 0.1 * search.held)
    assert len(search.steps) < 30


def test_a_file_gives_the_same_values_again(tmp_path: Path) -> None:
    before = result(turn=500.0, echo=1.0)
    before.save(tmp_path / "new" / "result.json")
    assert read_result(tmp_path / "new" / "result.json").as_json() == before.as_json()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema": "x"}', '{"schema": "audiosocket.bench/1"}', b"\xff\xfe".decode("latin-1")]
)
def test_a_file_that_is_no_result_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(content)
    with pytest.raises(FileError, match="cannot read"):
        read_result(path)


# A caller without an event loop.


def test_a_call_needs_no_event_loop_and_measures_what_it_sees() -> None:
    clock, figures = FakeClock(), Figures()
    ours, theirs = wire_pair()
    answering = AnsweredSession(theirs, "caller", source=Echo(), clock=clock)
    call = BenchCall(7, Speech.generated(Kind.SLIN), figures, 5.0, due_s=clock() - 0.3, clock=clock)
    session = call.connected(ours, "server", clock() - 0.2)
    answering.start()
    session.start()
    run_until(clock() + 8, clock, session, answering)
    row = call.conclude()
    assert (row["call"], row["ended"], row["frames_sent"]) == (7, "caller (closed)", 250)
    assert (figures.times["connect"].max_ms, figures.times["connect_actual"].max_ms) == pytest.approx((300, 200))
    assert figures.counts["marks_heard"] == figures.times["echo"].count == 25
    assert figures.times["echo"].max_ms < 1
    assert (figures.times["turn"].count, figures.times["barge_in"].count) == (0, 0)
    assert figures.counts["gaps_40"] + figures.counts["bursts"] + figures.counts["frames_unsent"] == 0
