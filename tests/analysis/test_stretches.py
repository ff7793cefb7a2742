"""Stretches of speech and of digital silence, the same however sound is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.analysis import stretches
from audiosocket_cli.analysis.stretches import StretchFinder, block_powers, stretches_of

LOUD, QUIET, ZERO = b"\xc8", b"\x40", b"\0"


def sound(*parts: tuple[float, float], rate_hz: int = 8000) -> np.ndarray:
    """Noise in syllables of 0.1 s: lengths in seconds and levels in dBFS, -200 for digital silence."""
    generator = np.random.default_rng(5)
    made = []
    for length_s, dbfs in parts:
        count = round(length_s * rate_hz)
        shape = np.where(np.arange(count) * 10 // rate_hz % 2, 0.3, 1.0)
        made.append(generator.standard_normal(count) * shape * 10 ** (dbfs / 20) * 32768)
    return np.clip(np.rint(np.concatenate(made)), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 44100])
def test_stretches_of_a_recording(rate_hz: int) -> None:
    found = stretches_of(sound((1, -200), (0.8, -20), (0.5, -200), (1.2, -20), (2, -70), rate_hz=rate_hz), rate_hz)
    assert [pytest.approx(span, abs=0.021) for span in found.speech] == [(1.0, 1.8), (2.3, 3.5)]
    assert [pytest.approx(span, abs=0.021) for span in found.digital_silence] == [(0.0, 1.0), (1.8, 2.3)]
    assert found.end_s == pytest.approx(5.5, abs=0.021)


def test_short_pauses_belong_to_speech_and_clicks_do_not_count() -> None:
    finder = StretchFinder()
    finder.put(0.0, 2.0, ZERO * 20 + LOUD * 10 + QUIET * 14 + LOUD * 10 + QUIET * 15 + LOUD * 2 + QUIET * 29)
    assert finder.finish().speech == [(0.4, 1.08)]


@pytest.mark.parametrize(
    ("levels", "speech"),
    [
        (LOUD * 2 + QUIET * 10 + LOUD * 10, (0.24, 0.44)),
        (LOUD * 10 + QUIET * 10 + LOUD * 2, (0.0, 0.2)),
        (LOUD * 10 + QUIET * 9 + LOUD * 2, (0.0, 0.42)),
        (LOUD * 10 + QUIET * 10 + LOUD * 2 + QUIET * 10 + LOUD * 2 + QUIET * 10 + LOUD * 10, None),
        (LOUD * 10 + QUIET * 10 + LOUD * 3, (0.0, 0.46)),
    ],
    ids=["before", "after", "the end of a word", "between", "too long"],
)
def test_a_click_near_speech_does_not_lengthen_it(levels: bytes, speech: tuple[float, float] | None) -> None:
    finder = StretchFinder()
    finder.put(0.0, len(levels) * 0.02, levels)
    finder.pad(2.0)
    assert finder.finish().speech == ([(0.0, 0.2), (0.88, 1.08)] if speech is None else [speech])


def test_nothing_of_no_sound() -> None:
    assert StretchFinder().finish() == ([], [], 0.0, False, [])
    assert stretches_of(np.zeros(0, np.int16), 8000) == ([], [], 0.0, False, [])
    assert stretches_of(np.zeros(5, np.int16), 11025).speech == []


def test_what_was_not_received_is_digital_silence() -> None:
    finder = StretchFinder()
    finder.put(1.0, 1.4, LOUD * 20)
    finder.put(2.0, 2.4, LOUD * 20)
    finder.pad(3.0)
    found = finder.finish()
    assert found.speech == [(1.0, 1.4), (2.0, 2.4)]
    assert found.digital_silence == [(0.0, 1.0), (1.4, 2.0), (2.4, 3.0)]
    assert found.end_s == 3.0


@given(
    parts=st.lists(st.tuples(st.sampled_from([LOUD, QUIET, ZERO, b"\x80", b"\xa0"]), st.integers(1, 90)), max_size=40),
    cuts=st.lists(st.integers(0, 3000), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_it_does_not_matter_where_batches_are_cut(parts: list[tuple[bytes, int]], cuts: list[int]) -> None:
    levels = b"".join(level * count for level, count in parts)
    whole, cut = StretchFinder(), StretchFinder()
    whole.put(0.0, len(levels) * 0.02, levels)
    at = 0
    for end in [*sorted(cut for cut in cuts if cut < len(levels)), len(levels)]:
        cut.put(at * 0.02, end * 0.02, levels[at:end])
        at = end
    assert cut.finish() == whole.finish()


def test_a_clock_that_is_off_moves_nothing() -> None:
    """One block more or fewer than there is room for, now and then: the stretches stay where they are."""
    finder = StretchFinder()
    for number in range(100):
        start_s = number * 0.99
        finder.put(start_s, start_s + 0.99, LOUD * 25 + QUIET * 25)
    found = finder.finish().speech
    assert len(found) == 100
    assert all(span == pytest.approx((at * 0.99, at * 0.99 + 0.5), abs=0.03) for at, span in enumerate(found))


def test_a_pause_of_years_takes_no_time_and_no_memory() -> None:
    finder = StretchFinder()
    finder.put(0.0, 0.4, LOUD * 20)
    year_s = 365 * 86400.0
    finder.put(year_s, year_s + 0.4, LOUD * 20)
    found = finder.finish()
    assert found.speech == [(0.0, 0.4), (year_s, year_s + 0.4)]
    assert found.digital_silence == [(0.4, year_s)]


def test_what_overlaps_is_left_out() -> None:
    finder = StretchFinder()
    finder.put(0.0, 1.0, LOUD * 50)
    finder.put(0.5, 0.9, QUIET * 20)
    assert finder.finish().end_s == 1.0


def test_too_many_stretches_are_cut_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "MAX_STRETCHES", 3)
    finder = StretchFinder(with_silence=False)
    for number in range(100):
        finder.put(number * 1.0, number + 1.0, LOUD * 20 + QUIET * 30)
    found = finder.finish()
    assert found.speech == [(0.0, 0.4), (1.0, 1.4), (2.0, 2.4)]
    assert found.is_cut
    assert found.end_s < 30


def test_powers_of_blocks() -> None:
    assert block_powers(np.full(1000, 16384, np.int16), 8000).tolist() == [0.25] * 6
    assert len(block_powers(np.zeros(11025, np.int16), 11025)) == 50
