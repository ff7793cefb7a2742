"""Frames to rows: speech, pauses, gaps and bursts of one side, wherever its runs are cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.analysis.rows import Row, RowBuilder
from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.capture.runs import Run, in_runs
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.model import Side
from support.captured import QUIET, a_call, cut, sent, speech, steady


def joined(frames: Sequence[Frame], times_s: Sequence[float]) -> list[Run]:
    items = sent(a_call(), Side.SERVER, frames, times_s)
    return [run for run in in_runs(items) if isinstance(run, Run)]


def fold(runs: Iterable[Run], *, timed: bool = True, most_s: float = float("inf")) -> list[Row]:
    rows: list[Row] = []
    builder = RowBuilder(Side.SERVER, rows.append, timed=timed, most_s=most_s)
    for run in runs:
        builder.take(run)
    builder.interrupt()
    assert builder.open_since_s == float("inf")
    return sorted(rows, key=lambda row: row.at_s)


def told(rows: Iterable[Row]) -> list[tuple[float, str, int, float]]:
    return [(row.at_s, row.what, row.frames, round(row.audio_s, 6)) for row in rows]


def folded(frames: Sequence[Frame], times_s: Sequence[float], **options: float) -> list[Row]:
    return fold(joined(frames, times_s), **options)  # type: ignore[arg-type]


FAINT = cut(tone(440, 8000, 1.0, -60))


def test_speech_silence_and_noise_are_rows_of_their_own() -> None:
    frames = speech(1.0) + [QUIET] * 50 + speech(1.0) + FAINT
    rows = folded(frames, steady(0.02, 200))
    assert told(rows) == [
        (0.02, "speech", 50, 1.0), (1.02, "silence", 50, 1.0), (2.02, "speech", 50, 1.0), (3.02, "quiet", 50, 1.0),
    ]  # fmt: skip
    assert [round(row.level_dbfs or 0) for row in rows] == [-15, -96, -15, -60]


def test_a_pause_between_words_is_part_of_speech() -> None:
    frames = speech(1.0) + [QUIET] * 14 + speech(1.0)
    assert told(folded(frames, steady(0.02, 114))) == [(0.02, "speech", 114, 2.28)]
    frames = speech(1.0) + [QUIET] * 15 + speech(1.0)
    assert [row[1] for row in told(folded(frames, steady(0.02, 115)))] == ["speech", "silence", "speech"]


def test_a_word_begins_a_row_at_once() -> None:
    assert told(folded([QUIET] * 50 + speech(0.02) + [QUIET] * 50, steady(0.02, 101))) == [
        (0.02, "silence", 50, 1.0), (1.02, "speech", 1, 0.02), (1.04, "silence", 50, 1.0),
    ]  # fmt: skip


def test_the_level_of_a_row_is_that_of_its_samples() -> None:
    frames = cut(np.concatenate([tone(440, 8000, 0.5, -10), tone(440, 8000, 0.5, -20)]))
    (row,) = folded(frames, steady(0.02, 50))
    assert row.level_dbfs == pytest.approx(10 * np.log10((10**-1 + 10**-2) / 2), abs=0.05)


def test_another_kind_is_another_row() -> None:
    frames = speech(1.0) + cut(tone(440, 16000, 1.0), 320, Kind.SLIN16)
    rows = folded(frames, steady(0.02, 100))
    assert [(row.kind, row.frames, round(row.audio_s, 6)) for row in rows] == [(0x10, 50, 1.0), (0x12, 50, 1.0)]


def test_a_short_gap_is_counted_and_a_long_one_is_a_row() -> None:
    times_s = steady(0.02, 50) + steady(1.32, 50) + steady(2.82, 50) + steady(5.02, 50)
    rows = folded(speech(4.0), times_s)
    assert told(rows) == [(0.02, "speech", 150, 3.0), (3.8, "gap", 0, 1.2), (5.02, "speech", 50, 1.0)]
    assert (rows[0].gaps, round(rows[0].longest_gap_s, 3)) == (2, 0.5)
    assert rows[2].gaps == 0


def test_jitter_is_no_gap() -> None:
    times_s = [at_s + (0.055 if number % 10 == 0 else 0) for number, at_s in enumerate(steady(0.02, 100))]
    (row,) = folded(speech(2.0), sorted(times_s))
    assert (row.gaps, row.bursts) == (0, 0)


def test_a_burst_is_called_out_where_it_is() -> None:
    times_s = steady(0.02, 50) + [1.02] * 15 + steady(1.32, 50)
    rows = folded((speech(3.0))[:115], times_s)
    assert told(rows) == [(0.02, "speech", 115, 2.3), (1.02, "burst", 15, 0.3)]
    assert rows[1].text == "in 0 ms"


@pytest.mark.parametrize("before", [0, 1, 10, 18, 20, 24, 25])
def test_a_burst_that_lies_across_two_runs_is_one(before: int) -> None:
    """A run ends after half a second: be it in the middle of a burst."""
    times_s = steady(0.0, before) + [0.02 * before + 0.001 * number for number in range(15)]
    times_s += steady(times_s[-1] + 0.02, 50)
    bursts = [row for row in folded((speech(2.0))[: len(times_s)], times_s) if row.what == "burst"]
    expected = 15 + (1 if before and 0.02 * before - times_s[before - 1] < 0.015 else 0)
    assert [row.frames for row in bursts] == [expected]


@pytest.mark.parametrize("chunk", [2, 3, 5], ids="chunks of {}".format)
def test_frames_in_small_chunks_are_no_bursts(chunk: int) -> None:
    times_s = [at_s - at_s % (0.02 * chunk) for at_s in np.arange(0.001, 5.9, 0.02).tolist()]
    (row,) = folded((speech(6.0))[: len(times_s)], times_s)
    assert (row.what, row.bursts) == ("speech", 0)


def test_frames_in_small_chunks_but_too_many_of_them_are_a_burst() -> None:
    times_s = steady(0.0, 50) + [1.0 + 0.01 * (number // 3) for number in range(60)] + steady(1.22, 50)
    (burst,) = [row for row in folded((speech(4.0))[:160], times_s) if row.what == "burst"]
    assert (burst.at_s, burst.frames, burst.text) == (1.0, 60, "in 190 ms")


def test_bursts_that_go_on_do_not_fill_the_screen() -> None:
    times_s = [at_s - at_s % 0.2 for at_s in np.arange(0.001, 5.99, 0.02).tolist()]
    rows = folded((speech(6.0))[: len(times_s)], times_s)
    assert told(rows) == [(0.0, "burst", 10, 0.2), (0.0, "speech", 300, 6.0)]
    assert (rows[1].bursts, round(rows[1].longest_burst_s, 3)) == (29, 0.2)


def test_a_clock_that_is_twice_too_fast_is_one_burst() -> None:
    rows = folded((speech(6.0))[:300], steady(0.0, 300, 0.01))
    assert told(rows) == [(0.0, "burst", 300, 6.0), (0.0, "speech", 300, 6.0)]


def test_a_row_of_a_live_view_is_complete_after_some_seconds() -> None:
    rows = folded([QUIET] * 250, steady(0.02, 250), most_s=2.0)
    assert [row.what for row in rows] == ["silence"] * 3
    assert sum(row.frames for row in rows) == 250
    assert all(row.audio_s <= 2.5 for row in rows)  # runs, of half a second, are not cut


def test_without_times_there_are_neither_gaps_nor_bursts() -> None:
    rows = fold(joined((speech(3.0))[:150], [0.0] * 100 + [100.0] * 50), timed=False)
    assert [(row.what, row.frames, row.gaps, row.bursts) for row in rows] == [("speech", 150, 0, 0)]


def test_a_row_knows_where_it_begins_in_the_bytes() -> None:
    rows = folded(speech(0.4) + [QUIET] * 50 + speech(0.4), steady(0.02, 90))
    assert [row.offset for row in rows] == [0, 20 * 323, 70 * 323]


FRAMES = st.lists(
    st.tuples(st.sampled_from([QUIET, *speech(0.04), *FAINT[:2]]), st.sampled_from([0.0, 0.01, 0.02, 0.08, 1.5])),
    min_size=1,
    max_size=120,
)


@given(FRAMES, st.lists(st.integers(1, 119), max_size=10))
def test_however_runs_are_cut_the_rows_are_the_same(made: list[tuple[Frame, float]], cuts: list[int]) -> None:
    frames = [frame for frame, _ in made]
    times_s = np.cumsum([step_s for _, step_s in made]).tolist()
    runs = joined(frames, times_s)
    pieces = []
    for run in runs:
        edges = sorted({0, len(run.at_s), *(at for at in cuts if at < len(run.at_s))})
        for start, stop in pairwise(edges):
            pieces.append(run.part(np.arange(start, stop)))
    rows = fold(runs)
    again = fold(pieces)
    assert [row[:7] for row in map(rounded, again)] == [row[:7] for row in map(rounded, rows)]
    audio = [row for row in rows if row.what in ("speech", "quiet", "silence")]
    assert sum(row.frames for row in audio) == len(frames)
    assert sum(row.audio_s for row in audio) == pytest.approx(0.02 * len(frames))


def rounded(row: Row) -> Row:
    return row._replace(audio_s=round(row.audio_s, 6))
