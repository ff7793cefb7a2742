"""The audio of a run as a track takes it: the same of equal frames and of mixed ones, with or without a law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.pcm import decode_law
from audiosocket_cli.call.recording.spoken import spoken_of
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode
from audiosocket_cli.mixed_runs import MixedFrames, MixedRun
from audiosocket_cli.runs import in_runs


def mixed(frames: list[Frame]) -> MixedRun:
    data, starts = FrameDecoder().take(b"".join(map(encode, frames)))
    return MixedRun([(0.0, 0.0, len(starts), MixedFrames(data, starts))])


@pytest.mark.parametrize("law", [None, "µ-law"])
@given(payloads=st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=9), data=st.data())
def test_equal_frames_are_the_same_taken_either_way(
    law: str | None, payloads: list[bytes], data: st.DataObject
) -> None:
    frames = [Frame(Kind.SLIN, payload) for payload in payloads]
    (run,) = in_runs([(0.0, 0.0, 1, encode(frame)) for frame in frames])
    one, other = spoken_of(run, law), spoken_of(mixed(frames), law)
    start = data.draw(st.integers(0, len(frames) - 1))
    end = data.draw(st.integers(start + 1, len(frames)))
    assert one.seconds(start, end) == pytest.approx(other.seconds(start, end))
    ((kind, samples, counts),) = one.by_kind(start, end)
    ((other_kind, other_samples, other_counts),) = other.by_kind(start, end)
    assert kind == other_kind
    np.testing.assert_array_equal(samples, other_samples)
    np.testing.assert_array_equal(counts, other_counts)
    said = b"".join(payloads[start:end])
    np.testing.assert_array_equal(samples, np.frombuffer(said, "<i2") if law is None else decode_law(said, law))


def test_each_kind_comes_by_itself_and_says_which_frames_are_its() -> None:
    frames = [Frame(Kind.SLIN, b"\1\0\2\0"), Frame(Kind.SLIN16, b"\3\0\4\0"), Frame(Kind.DTMF, b"5"),
              Frame(Kind.SLIN, b"\5\0\xff")]  # fmt: skip
    by_kind = {kind: (samples.tolist(), counts.tolist()) for kind, samples, counts in spoken_of(mixed(frames), None)
               .by_kind(0, 3)}  # fmt: skip
    assert by_kind == {Kind.SLIN: ([1, 2, 5], [2, 0, 1]), Kind.SLIN16: ([3, 4], [0, 2, 0])}
