"""Raw captures are known by their first frames, and samples are not taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.audio.raw_capture import begins_answer, begins_call
from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES
from support.mixes import frame

UUID = frame(1, bytes(range(16)))


@pytest.mark.parametrize("kind", [kind for kind, rate in RATE_BY_KIND.items() if rate <= 48000])
def test_a_servers_frames_are_known_at_each_rate(kind: int) -> None:
    audio = frame(kind, np.random.default_rng(kind).bytes(RATE_BY_KIND[kind] // 50 * SAMPLE_BYTES))
    assert begins_answer((audio * 2)[:4096])
    assert not begins_answer(audio)  # one frame is too little to tell
    assert not begins_answer(UUID + audio * 2)
    assert begins_call((UUID + audio * 2)[:4096])


@pytest.mark.parametrize("data", [
    b"", b"\x10", b"\x10\1\x40", bytes(4096), b"\x10" * 4096, b"\x10\x10" * 2048, b"\x10\x00\x00" * 1000,
    b"\x10\x01" * 2048, b"\x10\x01\x40\xff" * 1000, np.full(2048, 0x1010, "<i2").tobytes(),
])  # fmt: skip
def test_samples_are_no_frames(data: bytes) -> None:
    assert not begins_answer(data)
    assert not begins_call(data)


def test_noise_is_no_frames() -> None:
    random = np.random.default_rng(7)
    for _ in range(2000):
        head = b"\x10" + random.integers(0, 16, 1, np.uint8).tobytes() + random.bytes(4000)
        assert not begins_answer(head)
