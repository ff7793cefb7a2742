"""The figures of a captured call, each against another computation of the same thing."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.analysis.call_review import CallReview
from audiosocket_cli.analysis.histogram import BY_TENTHS, Histogram
from audiosocket_cli.analysis.side_figures import MAX_DIGITS, Drift, SideFigures
from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.capture.items import Captured, CapturedCall, Item, Lost, Opened, Over
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import Frame, Kind, digit_frame
from audiosocket_cli.model import Side
from support.captured import QUIET, a_call, a_normal_call, cut, reviewed, sent, speech, steady, whole


def jitter_of(times_s: list[float], duration_s: float = 0.02) -> float:
    """RFC 3550, section 6.4.1, as its appendix A.8 writes it."""
    jitter_s = 0.0
    for before_s, at_s in pairwise(times_s):
        jitter_s += (abs((at_s - before_s) - duration_s) - jitter_s) / 16
    return jitter_s


def server_figures(items: list[Item]) -> dict[str, object]:
    call, _ = reviewed(items)
    figures = call.as_dict()["server"]
    assert isinstance(figures, dict)
    return figures


def server_only(times_s: list[float], frames: list[Frame] | None = None) -> list[Item]:
    call = a_call()
    frames = frames or (speech(1.0) * (len(times_s) // 50 + 1))[: len(times_s)]
    return whole(call, [], sent(call, Side.SERVER, frames, times_s))


def test_levels_peak_and_audio_are_those_of_the_samples() -> None:
    rng = np.random.default_rng(1)
    loud = (rng.standard_normal(16000) * 3000).astype(np.int16)
    samples = np.concatenate([loud, np.zeros(8000, np.int16), tone(300, 8000, 1.0, -40)])
    figures = server_figures(server_only(steady(0.02, 200), cut(samples)))
    mean_square = math.fsum((int(value) / 32768) ** 2 for value in samples) / len(samples)
    peak = max(abs(int(value)) for value in samples) / 32768
    assert figures["frames"] == {"slin": {"frames": 200, "bytes": 64000}}
    assert figures["audio_s"] == 4.0
    assert figures["level_dbfs"] == round(10 * math.log10(mean_square), 1)
    assert figures["peak_dbfs"] == round(20 * math.log10(peak), 1)
    assert figures["odd_bytes"] == 0


def test_kinds_of_different_rates_add_up_in_seconds() -> None:
    call = a_call()
    frames = [
        *speech(1.0),
        *cut(tone(440, 16000, 1.0), 320, Kind.SLIN16),
        *cut(tone(440, 48000, 1.0), 960, Kind.SLIN48),
    ]
    figures = server_figures(whole(call, [], sent(call, Side.SERVER, frames, steady(0.02, 150))))
    assert figures["audio_s"] == 3.0
    assert figures["level_dbfs"] == -15.0
    assert figures["frames"] == {
        "slin": {"frames": 50, "bytes": 16000},
        "slin16": {"frames": 50, "bytes": 32000},
        "slin48": {"frames": 50, "bytes": 96000},
    }


@pytest.mark.parametrize("spread_ms", [0, 1, 5, 12])
def test_jitter_is_that_of_rfc_3550(spread_ms: float) -> None:
    rng = random.Random(spread_ms)
    times_s = sorted(at_s + rng.uniform(0, spread_ms / 1000) for at_s in steady(0.02, 400))
    figures = server_figures(server_only(times_s))
    assert figures["jitter_ms"] == pytest.approx(jitter_of(times_s) * 1000, abs=0.01)
    assert figures["gaps"] == []


def test_spacing_is_told_in_percentiles() -> None:
    rng = random.Random(3)
    times_s = sorted(at_s + rng.uniform(0, 0.03) for at_s in steady(0.02, 1000))
    steps_ms = sorted((after - before) * 1000 for before, after in pairwise(times_s))
    spacing = server_figures(server_only(times_s))["spacing_ms"]
    assert isinstance(spacing, dict)
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        assert spacing[name] == pytest.approx(steps_ms[math.ceil(share * len(steps_ms)) - 1], abs=0.11)
    assert spacing["max"] == pytest.approx(steps_ms[-1], abs=0.051)


@given(st.lists(st.floats(0, 3000), min_size=1, max_size=60))
def test_even_steps_find_the_percentile_of_any_values_to_a_tenth(values_ms: list[float]) -> None:
    spacing = Histogram(BY_TENTHS)
    spacing.add(np.array(values_ms))
    for percent in (50, 95, 99):
        expected_ms = sorted(values_ms)[math.ceil(percent / 100 * len(values_ms)) - 1]
        assert spacing.percentile_ms(percent) == pytest.approx(min(expected_ms, 2000), abs=0.051)
    assert spacing.max_ms == max(values_ms)
    assert sum(count for _, _, count in spacing.bars(10)) == len(values_ms)


@pytest.mark.parametrize("percent", [-1.0, -0.1, 0.0, 0.1, 1.0, 5.0])
def test_drift_is_how_much_too_fast_frames_come(percent: float) -> None:
    figures = server_figures(server_only(steady(0.02, 1500, 0.02 / (1 + percent / 100))))
    assert figures["drift_percent"] == pytest.approx(percent, abs=0.001)


def test_drift_leaves_pauses_out() -> None:
    step_s = 0.02 / 1.01
    times_s = [at_s + 3 * (number // 200) for number, at_s in enumerate(steady(0.02, 1200, step_s))]
    figures = server_figures(server_only(times_s))
    assert figures["drift_percent"] == pytest.approx(1.0, abs=0.001)
    assert figures["gap_count"] == 5


def test_a_stall_that_is_made_up_for_is_no_drift_nor_is_a_burst() -> None:
    stalled_s = [at_s if number % 100 >= 15 else max(at_s, at_s - at_s % 2 + 0.32) for number, at_s in
                 enumerate(steady(0.02, 1500))]  # fmt: skip
    assert max(after - before for before, after in pairwise(stalled_s)) > 0.25
    drift = Drift()
    drift.add(np.diff(stalled_s), 0.02)
    assert drift.share == pytest.approx(0, abs=0.001)


def test_there_is_no_drift_of_little_audio() -> None:
    assert server_figures(server_only(steady(0.02, 200)))["drift_percent"] is None


def test_gaps_are_where_nothing_came() -> None:
    times_s = steady(0.02, 100) + steady(2.52, 50) + steady(4.02, 50)
    figures = server_figures(server_only(times_s))
    assert figures["gaps"] == [
        {"at_s": 2.0, "length_s": 0.5},
        {"at_s": 3.5, "length_s": 0.5},
    ]
    assert (figures["gap_count"], figures["gaps_s"], figures["audio_s"]) == (2, 1.0, 4.0)
    assert figures["audio_percent"] == 80.0


def test_what_came_at_once_is_told() -> None:
    times_s = [*steady(0.02, 50), *[1.02] * 15, *steady(1.32, 50)]
    assert server_figures(server_only(times_s))["worst_ahead_ms"] == pytest.approx(300, abs=21)


def test_the_first_speech_is_the_first_frame_above_the_noise() -> None:
    frames = [QUIET] * 25 + cut(tone(440, 8000, 0.5, -60)) + speech(1.0)
    figures = server_figures(server_only(steady(0.02, 100), frames))
    assert (figures["first_audio_s"], figures["first_speech_s"]) == (0.02, 1.02)


def test_lost_bytes_and_odd_lengths_are_counted() -> None:
    call = a_call()
    frames = [Frame(Kind.SLIN, bytes(321)), Frame(Kind.SLIN, bytes(1))]
    items = whole(call, [], sent(call, Side.SERVER, frames, [0.02, 0.04]))
    items[-3:-3] = [Lost(call, 0.04, Side.SERVER, 323, "missing"), Lost(call, 0.04, Side.SERVER, 7, "missing")]
    figures = server_figures(items)
    assert (figures["lost_bytes"], figures["odd_bytes"], figures["audio_s"]) == (330, 2, 0.02)


def test_digits_are_told_with_their_times() -> None:
    call = a_call()
    keys = [(0.5, "1"), (1.0, "#"), (1.5, "D")]
    items = whole(call, [*sent(call, Side.CALLER, [digit_frame(key) for _, key in keys], [at for at, _ in keys])], [])
    result = reviewed(items)[0].as_dict()
    assert result["caller"]["dtmf"] == [{"at_s": at_s, "digit": key} for at_s, key in keys]
    assert result["server"]["dtmf"] == []


def test_all_of_the_call_is_in_its_json() -> None:
    result = reviewed(a_normal_call())[0].as_dict()
    assert list(result) == [
        "schema", "call", "uuid", "whole", "caller_address", "server_address", "started_at", "duration_s", "ended_by",
        "ended_how", "caller", "server", "turns", "findings", "finding_ids",
    ]  # fmt: skip
    assert result["started_at"] == "2023-11-14T22:13:20.000+00:00"
    assert (result["duration_s"], result["ended_by"], result["ended_how"]) == (2.0, "caller", "closed")
    assert list(result["caller"]) == list(result["server"]) == [
        "frames", "audio_s", "level_dbfs", "peak_dbfs", "first_audio_s", "first_speech_s", "odd_bytes", "dtmf",
        "lost_bytes", "audio_percent", "drift_percent", "jitter_ms", "spacing_ms", "gaps", "gap_count", "gaps_s",
        "worst_ahead_ms",
    ]  # fmt: skip


def test_a_server_that_hangs_up_has_ended_the_call_whoever_closes_first() -> None:
    call = a_call()
    items = whole(call, [], sent(call, Side.SERVER, [QUIET, Frame(Kind.HANGUP)], [0.02, 0.04]))
    result = reviewed(items)[0].as_dict()
    assert (result["ended_by"], result["ended_how"]) == ("server", "hangup")


# What has no end must not fill the memory.


def digits_run(call: CapturedCall, count: int, at_s: float) -> Run:
    payloads = np.frombuffer(b"1234567890*#ABCD" * (count // 16), np.uint8).reshape(-1, 1)
    return Run(call, Side.CALLER, Kind.DTMF, payloads, np.full(len(payloads), at_s), 0)


def test_of_millions_of_digits_the_first_are_kept_and_all_are_counted() -> None:
    call = a_call(timed=False)
    review = CallReview(call, with_rows=False)
    for number in range(20):
        review.take(digits_run(call, 1 << 18, float(number)))
    figures = review.sides[Side.CALLER]
    assert (figures.digit_count, len(figures.digits)) == (20 << 18, MAX_DIGITS)
    assert "".join(press.digit for press in figures.digits[:18]) == "1234567890*#ABCD12"
    assert figures.as_dict(0.0)["frames"] == {"dtmf": {"frames": 20 << 18, "bytes": 20 << 18}}


def test_of_very_many_gaps_the_first_are_kept_and_all_are_counted() -> None:
    call = a_call()
    figures = SideFigures(timed=True)
    for number in range(1200):
        at_s = number * 10.0 + np.arange(1.0, 11.0)
        payloads = np.ones((10, 320), np.uint8)
        figures.take(Run(call, Side.SERVER, Kind.SLIN, payloads, at_s, 0))
    figures.finish(12000.0)
    result = figures.as_dict(12000.0)
    assert (len(result["gaps"]), result["gap_count"]) == (10_000, 11_999)
    assert result["gaps_s"] == pytest.approx(11_999 * 0.98, abs=0.01)
    assert result["gaps"][1] == {"at_s": 2.0, "length_s": 0.98}


def test_an_endless_call_of_which_one_side_never_stops_keeps_its_rows_bounded() -> None:
    call, most_waiting, shown = a_call(), 0, 0
    review = CallReview(call)
    review.take(Opened(call, 0.0))
    noise, zeros = np.full((25, 320), 0x11, np.uint8), np.zeros((25, 320), np.uint8)
    for number in range(1500):  # 75,000 frames: the caller silent all along, the server with a digit each half second
        at_s = 0.5 * number + np.linspace(0.02, 0.5, 25)
        review.take(Run(call, Side.CALLER, Kind.SLIN, zeros, at_s, 0))
        review.take(Run(call, Side.SERVER, Kind.SLIN, noise, at_s, 0))
        for digit_s in (0.1, 0.2, 0.3):
            payload = np.full((1, 1), 0x35, np.uint8)
            review.take(Run(call, Side.SERVER, Kind.DTMF, payload, np.array([0.5 * number + digit_s]), 0))
        most_waiting = max(most_waiting, review.rows.waiting)
        shown += len(review.ready)
        review.ready.clear()
    review.take(Over(call))
    shown += len(review.ready)
    assert most_waiting < 5100
    assert shown >= 4500
    assert review.duration_s == pytest.approx(750)
    assert review.as_dict()["caller"]["frames"] == {"slin": {"frames": 37_500, "bytes": 12_000_000}}


def test_of_frames_that_are_all_the_same_not_each_is_looked_at() -> None:
    """µ-law silence is a constant that is not zero."""
    call = a_call(timed=False)
    looks = 0

    class Counted(np.ndarray):
        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal looks
            for row in super().__iter__():
                looks += 1
                yield row

    payloads = np.full((3000, 320), 0xFF, np.uint8).view(Counted)
    figures = SideFigures(timed=False)
    figures.take(Run(call, Side.CALLER, Kind.SLIN, payloads, np.linspace(0, 60, 3000), 0))
    assert looks <= 64
    assert figures.stats.audio_s == 60.0


def test_a_frame_of_one_byte_has_no_sample() -> None:
    call = a_call()
    item = Captured(call, 0.02, Side.SERVER, Frame(Kind.SLIN, b"x"), 0.02, 0)
    figures = server_figures(whole(call, [], [item]))
    assert (figures["audio_s"], figures["odd_bytes"], figures["level_dbfs"]) == (0.0, 1, -96.3)
