"""What a server's audio is, from the bytes of one call."""

from __future__ import annotations

import asyncio
import socket
import time
from array import array
from itertools import count
from math import pi, sin

import pytest

from audiosocket_cli.call.wire import Link
from audiosocket_cli.check.evidence import Event
from audiosocket_cli.check.probe import Probe
from audiosocket_cli.check.sounds import Sounds
from audiosocket_cli.doctor.server.server_audio import audio_findings
from audiosocket_cli.model import Side

SINE = array("h", [round(9000 * sin(n * pi / 8)) for n in range(160)]).tobytes()
NOISE = Sounds("a test").many(150)


def judged(payloads: list[bytes], said: list[bytes], kind: int = 0x10, step_s: float = 0.02) -> set[str]:
    """Return the ids of what is found where these frames came, each so long after the one before."""

    async def judge() -> set[str]:
        near, far = socket.socketpair()
        with far:
            near.setblocking(False)
            probe = Probe(Link(near, "bot:9092", None, ("127.0.0.1", 1)))
            probe.stop_reading()
            times = count(time.monotonic(), step_s)
            for at_s, payload in zip(times, payloads, strict=False):
                frame = bytes([kind]) + len(payload).to_bytes(2) + payload
                probe.passed.events.append(Event(at_s, Side.SERVER, frame))
                probe.audio += payload
            found = audio_findings(probe, said, "bot:9092")
            probe.close()
        assert {each.where for each in found} <= {"bot:9092"}
        return {each.id for each in found}

    return asyncio.run(judge())


@pytest.mark.parametrize(
    ("payloads", "kind", "step_s", "ids"),
    [
        ([SINE] * 150, 0x10, 0.02, set()),
        ([SINE] * 150, 0x10, 0.01, {"server-wrong-rate"}),
        ([SINE] * 150, 0x12, 0.02, {"server-short-frames"}),
        ([SINE] * 150, 0x10, 0.026, {"audio-slow"}),
        ([SINE[1:] + SINE[:1]] * 150, 0x10, 0.02, {"byte-shifted"}),
        ([SINE[:-1]] * 150, 0x10, 0.02, {"odd-length", "server-frame-length"}),
    ],
)
def test_audio_is_judged_by_bytes_and_times(payloads: list[bytes], kind: int, step_s: float, ids: set[str]) -> None:
    assert judged(payloads, [], kind, step_s) == ids


def test_noise_of_ours_that_comes_back_is_no_finding() -> None:
    assert judged(NOISE, NOISE) == set()
    swapped = [array("h", payload) for payload in NOISE]
    for payload in swapped:
        payload.byteswap()
    assert judged([payload.tobytes() for payload in swapped], NOISE) == set()
