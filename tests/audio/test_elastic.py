"""The buffer between two clocks: what goes in comes out, and what does not is counted."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.elastic import MAX_S, TARGET_S, ElasticBuffer
from audiosocket_cli.audio.pcm import from_slin, to_slin, tone

RATE_HZ = 8000
BYTES_A_MS = RATE_HZ * 2 // 1000
FRAME = 20 * BYTES_A_MS


def sound(seconds: float, frequency_hz: int = 400) -> bytes:
    return to_slin(tone(frequency_hz, RATE_HZ, seconds))


def run(
    buffer: ElasticBuffer,
    data: bytes,
    *,
    put_ms: float = 20.0,
    take_ms: float = 20.0,
    ratio: float = 1.0,
    at_ms: int = 0,
) -> bytes:
    """Let one clock put a sound, block by block, and another take it; the first is faster by `ratio`. The first block
    comes at 0, the first is taken at `at_ms`."""
    put, take = round(put_ms * BYTES_A_MS) & ~1, round(take_ms * BYTES_A_MS) & ~1
    taken = b""
    put_s, take_s = 0.0, at_ms / 1000
    while data:
        if put_s <= take_s:
            buffer.put(data[:put])
            data = data[put:]
            put_s += put_ms / 1000 / ratio
        else:
            taken += buffer.take(take)
            take_s += take_ms / 1000
    return taken


def test_two_equal_clocks_pass_each_sample() -> None:
    buffer, said = ElasticBuffer(RATE_HZ), sound(5.0)
    heard = run(buffer, said)
    begin = len(heard) - len(heard.lstrip(b"\0")) & ~1
    begin -= 2  # a tone begins with a sample of 0
    assert begin == (TARGET_S * 1000 - 20) * BYTES_A_MS
    assert heard[begin:] == said[: len(heard) - begin]
    facts = buffer.facts()
    assert facts.pop("rate_hz") == RATE_HZ
    assert set(facts.values()) == {0}


@pytest.mark.parametrize(("put_ms", "take_ms"), [(10, 20), (20, 10), (20, 8), (30, 20), (5, 40)])
def test_blocks_of_any_length_pass(put_ms: float, take_ms: float) -> None:
    buffer, said = ElasticBuffer(RATE_HZ), sound(5.0)
    heard = run(buffer, said, put_ms=put_ms, take_ms=take_ms)
    assert said[: 4 * RATE_HZ * 2] in heard
    assert buffer.over == buffer.under == 0


@pytest.mark.parametrize("ppm", [-2000, -300, 300, 2000])
def test_a_clock_that_drifts_is_followed_without_a_break(ppm: int) -> None:
    buffer, said = ElasticBuffer(RATE_HZ), sound(120.0)
    heard = from_slin(run(buffer, said, put_ms=20, take_ms=10, ratio=1 + ppm / 1e6)).astype(float)
    facts = buffer.facts()
    assert (facts["over"], facts["under"]) == (0, 0)
    followed_ms = facts["left_out_ms"] - facts["repeated_ms"]
    assert followed_ms == pytest.approx(120_000 * ppm / 1e6, abs=60)
    assert min(facts["left_out_ms"], facts["repeated_ms"]) == 0
    steady = heard[RATE_HZ // 2 : -RATE_HZ // 2]
    steepest = 2 * np.pi * 400 / RATE_HZ * steady.max()
    assert np.abs(np.diff(steady)).max() < 1.2 * steepest  # a cut without a fade is a step of up to twice the peak
    assert buffer.level_s < 0.1


def test_a_burst_drops_the_oldest_and_says_so() -> None:
    buffer = ElasticBuffer(RATE_HZ)
    burst = sound(1.0)
    buffer.put(burst)
    assert buffer.level_s == pytest.approx(TARGET_S)
    assert buffer.over == 1
    assert buffer.facts()["dropped_ms"] == pytest.approx(1000 - TARGET_S * 1000)
    assert buffer.take(FRAME) == burst[-round(TARGET_S * 1000) * BYTES_A_MS :][:FRAME]


def test_it_holds_no_more_than_its_bound() -> None:
    buffer = ElasticBuffer(RATE_HZ)
    for _ in range(1000):
        buffer.put(sound(0.02))
        assert buffer.level_s <= MAX_S


def test_a_gap_in_a_sound_is_padded_and_counted() -> None:
    buffer, said = ElasticBuffer(RATE_HZ), sound(1.0)
    run(buffer, said)
    gap = b"".join(buffer.take(FRAME) for _ in range(5))
    assert gap.endswith(bytes(FRAME))
    buffer.put(said[:FRAME])
    assert buffer.under == 1
    left_ms = TARGET_S * 1000
    assert buffer.facts()["padded_ms"] == pytest.approx(5 * 20 - left_ms)


def test_a_pause_is_no_gap() -> None:
    buffer, said = ElasticBuffer(RATE_HZ), sound(1.0)
    run(buffer, said)
    for _ in range(50):
        buffer.take(FRAME)
    buffer.put(said[:FRAME])
    assert (buffer.under, buffer.facts()["padded_ms"]) == (0, 0)
    assert buffer.facts()["paused_ms"] == 50 * 20 - TARGET_S * 1000


def test_silence_that_has_no_end_yet_is_counted() -> None:
    buffer, said = ElasticBuffer(RATE_HZ), sound(1.0)
    run(buffer, said)
    for _ in range(103):
        buffer.take(FRAME)
    assert buffer.facts()["paused_ms"] == 100 * 20


def test_the_end_of_a_phrase_does_not_wait_for_the_next() -> None:
    buffer = ElasticBuffer(RATE_HZ)
    word = b"\1\2" * (FRAME // 2)
    buffer.put(word)
    taken = [buffer.take(FRAME) for _ in range(6)]
    assert word in taken
    assert buffer.level_s == 0


def test_after_a_gap_it_waits_for_its_target() -> None:
    buffer, said = ElasticBuffer(RATE_HZ), sound(1.0)
    run(buffer, said)
    for _ in range(4):
        buffer.take(FRAME)
    buffer.put(said[:FRAME])
    assert buffer.take(FRAME) == bytes(FRAME)
    buffer.put(said[: 2 * FRAME])
    assert buffer.take(FRAME) == said[:FRAME]


def test_it_can_begin_anew() -> None:
    buffer = ElasticBuffer(RATE_HZ)
    buffer.put(sound(1.0))
    buffer.take(FRAME)
    buffer.clear()
    assert (buffer.level_s, buffer.over, buffer.facts()["dropped_ms"]) == (0, 0, 0)
    assert buffer.take(FRAME) == bytes(FRAME)


def test_the_rest_can_be_taken() -> None:
    buffer = ElasticBuffer(RATE_HZ)
    buffer.put(b"\1\2\3\4")
    assert (buffer.take_rest(), buffer.take_rest()) == (b"\1\2\3\4", b"")


steps = st.lists(st.tuples(st.booleans(), st.integers(1, 2400).map(lambda count: 2 * count)), max_size=60)


@given(steps)
def test_each_sample_is_accounted_for(steps: list[tuple[bool, int]]) -> None:
    buffer = ElasticBuffer(RATE_HZ)
    put = 0
    for is_put, size in steps:
        if is_put:
            buffer.put(b"\1\1" * (size // 2))
            put += size
        else:
            assert len(buffer.take(size)) == size
    totals = buffer.totals
    left = round(buffer.level_s * RATE_HZ) * 2
    assert put == totals["taken"] + totals["left_out"] - totals["repeated"] + totals["dropped"] + left


def test_two_threads_may_use_it() -> None:
    buffer, said = ElasticBuffer(RATE_HZ), sound(20.0)
    threads = [
        threading.Thread(target=lambda: [buffer.put(said[at : at + FRAME]) for at in range(0, len(said), FRAME)]),
        threading.Thread(target=lambda: [buffer.take(FRAME) for _ in range(len(said) // FRAME)]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    totals = buffer.totals
    left = round(buffer.level_s * RATE_HZ) * 2
    assert len(said) == totals["taken"] + totals["left_out"] - totals["repeated"] + totals["dropped"] + left


def test_what_comes_after_the_end_is_nothing_that_was_lost() -> None:
    buffer = ElasticBuffer(8000)
    buffer.put(bytes([1, 1]) * 800)
    buffer.close()
    buffer.put(bytes(16000))
    assert (buffer.over, buffer.take_rest()) == (0, bytes([1, 1]) * 800)
