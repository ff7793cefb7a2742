"""What a program hears: one signal at its own rate."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.call.bots.streams import HeardStream
from audiosocket_cli.codec import Kind
from support.mixes import frame


class Reading:
    """A program that reads all that is written to it."""

    def __init__(self) -> None:
        self.read: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.read.append(data)
        return len(data)


def test_a_program_hears_each_kind_as_one_signal() -> None:
    child = Reading()
    heard = HeardStream(child.write, 8000)
    sound = np.full(160, 5000, "<i2").tobytes()
    for number in range(100):
        kind = Kind.SLIN + number % 2
        heard.take(frame(kind, sound[: 320 if kind == Kind.SLIN else 240]))
    samples = np.frombuffer(b"".join(child.read), "<i2")
    assert len(samples) == pytest.approx(50 * 160 + 50 * 80, abs=2)
    # A converter that begins anew at each change begins with silence.
    assert np.all(np.abs(samples[1000:] - 5000) < 100)


def test_a_program_gets_frames_of_one_sample_many_at_a_time() -> None:
    child = Reading()
    heard = HeardStream(child.write, 8000)
    for number in range(4800):
        heard.take(frame(Kind.SLIN + number % 2, b"\1\2\3"))  # and half a sample, which is left out
    heard.pass_on()
    assert len(child.read) <= 240  # 0.5 s, 5 ms of two kinds at a time
    assert len(b"".join(child.read)) // 2 == pytest.approx(2400 + 1600, abs=2)


@pytest.mark.parametrize("length", [320, 321, 1], ids=["whole", "half-a-sample-each", "nothing-but-half-a-sample"])
def test_frames_that_came_together_are_passed_on_together(length: int) -> None:
    one, all_at_once = Reading(), Reading()
    sound = [frame(Kind.SLIN, bytes([number]) * length) for number in range(5)]
    heard = HeardStream(one.write, 8000)
    for data in sound:
        heard.take(data)
    HeardStream(all_at_once.write, 8000).take(b"".join(sound))
    assert b"".join(one.read) == b"".join(all_at_once.read)
    assert len(b"".join(one.read)) == 5 * (length // 2 * 2)
    assert len(all_at_once.read) <= 1
