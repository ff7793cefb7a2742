"""What one side sent, counted: the same whether its frames come as runs of a call, as arrays, or all mixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.analysis.arrivals import Arrivals
from audiosocket_cli.analysis.side_stats import SideStats, heard_of
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.audio.pcm import SILENCE_DBFS, level_dbfs, tone
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Side
from audiosocket_cli.runs import in_runs
from support.captured import a_call, cut


def stats_of(*frames: Frame, step_s: float = 0.02) -> SideStats:
    stats = SideStats()
    chunks = [(step_s * number, 0.0, 1, encode(frame)) for number, frame in enumerate(frames)]
    for run in in_runs(chunks):
        stats.take(run)
    return stats


def test_speech_is_counted_and_measured() -> None:
    sound = tone(440, 8000, 1.0)
    quiet = [Frame(Kind.SLIN, bytes(320))] * 5
    stats = stats_of(*quiet, *cut(sound))
    assert stats.by_kind == {Kind.SLIN: (55, 55 * 320)}
    assert (stats.first_audio_s, stats.first_speech_s) == (0.0, pytest.approx(0.1))
    assert stats.audio_s == pytest.approx(1.1)
    assert stats.mean_dbfs == pytest.approx(level_dbfs(np.concatenate([np.zeros(800, np.int16), sound])), abs=0.01)
    assert stats.as_dict()["frames"] == {"slin": {"frames": 55, "bytes": 17600}}


def test_of_nothing_there_is_silence() -> None:
    stats = stats_of(Frame(Kind.DTMF, b"5"), Frame(Kind.SLIN))
    assert (stats.audio_s, stats.mean_dbfs, stats.first_audio_s) == (0.0, SILENCE_DBFS, None)
    assert stats.by_kind == {Kind.DTMF: (1, 1), Kind.SLIN: (1, 0)}


@given(st.lists(st.builds(Frame, st.sampled_from([0x10, 0x12]), st.binary(min_size=2, max_size=8)), max_size=30))
def test_frames_one_by_one_count_as_arrays_of_them(frames: list[Frame]) -> None:
    one, other = stats_of(*frames), SideStats()
    for number, frame in enumerate(frames):
        payloads = np.frombuffer(frame.payload, np.uint8).reshape(1, -1)
        other.take(Run(a_call(), Side.CALLER, frame.kind, payloads, np.array([0.02 * number]), 0))
    mine, its = one.as_dict(), other.as_dict()
    for name in ("level_dbfs", "audio_s"):
        assert mine.pop(name) == pytest.approx(its.pop(name), abs=0.11)
    assert mine == its


def test_clipping_offset_odd_bytes_and_a_header_are_noticed() -> None:
    loud = np.full(160, 32767, "<i2").tobytes()
    stats = stats_of(Frame(Kind.SLIN, loud), Frame(Kind.SLIN, b"RIFF....WAVEfmt "), Frame(Kind.SLIN, loud[:161]))
    assert (stats.peak, stats.odd_bytes, stats.has_wav_header) == (32767, 1, True)
    assert stats.clipped == 240
    heard = heard_of(stats, Arrivals(), Timeline(), 5.0)
    assert (heard.peak, heard.odd_bytes, heard.has_wav_header) == (pytest.approx(1.0, abs=1e-4), 1, True)
    assert heard.clipped == pytest.approx(240 / 248)
    assert heard.offset > 0.9


def test_a_side_that_sent_no_audio_paused_all_the_time() -> None:
    assert heard_of(SideStats(), Arrivals(), Timeline(), 7.0).longest_pause_s == 7.0
