"""What a server does in a plain call: it echoes, speaks, or only listens. That decides what can be seen of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.check.probe import Probe
from audiosocket_cli.check.sounds import Sounds, audio_frame

_FRAMES: Final = 100
_WAIT_S: Final = 2.0
_ECHO_SHARE: Final = 0.5
"""Of the frames that came back: an echo may begin late, or leave some out."""


@dataclass(frozen=True, slots=True)
class Nature:
    """What a server did in the first call."""

    echoes: bool = False
    """It sent back, bit for bit, what it heard."""
    speaks: bool = False
    """It sent audio, perhaps silence only."""
    delay_s: float = 0.0
    """How late an echo came."""
    ended_s: float | None = None
    """When the server ended the call of its own accord."""
    how: str = ""
    """How it did, in words."""

    def __str__(self) -> str:
        what = (
            f"echoes ({self.delay_s * 1000:.0f} ms later)" if self.echoes
            else "speaks, and does not echo" if self.speaks
            else "only listens"
        )  # fmt: skip
        return f"the server {what}{f', and {self.how}' if self.ended_s is not None else ''}"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "echoes": self.echoes, "speaks": self.speaks, "delay_ms": round(self.delay_s * 1000, 1),
            "ended_s": self.ended_s and round(self.ended_s, 3), "description": str(self),
        }  # fmt: skip


async def find_nature(probe: Probe) -> Nature:
    """Talk for two seconds in a call that has just begun."""
    sounds = Sounds("the first call")
    said = sounds.many(_FRAMES)
    begun_s = time.monotonic()
    await probe.speak(map(audio_frame, said[:1]))
    first_at = len(probe.audio)
    await probe.speak(map(audio_frame, said[1:]))
    await probe.until(lambda: said[-1] in probe.audio, _WAIT_S)
    came_back = [payload for payload in said if probe.audio.find(payload, first_at) >= 0]
    echoes = len(came_back) >= _ECHO_SHARE * len(said)
    is_over = probe.is_over
    return Nature(
        echoes=echoes,
        speaks=probe.spoke,
        delay_s=_delay_s(probe, said.index(came_back[0]), came_back[0], begun_s) if echoes else 0.0,
        ended_s=(probe.ended_s or time.monotonic()) - probe.passed.connected_s if is_over else None,
        how=probe.how_it_ended() if is_over else "",
    )


def _delay_s(probe: Probe, number: int, payload: bytes, begun_s: float) -> float:
    """Return how long after it was said a payload had come back."""
    end = probe.audio.find(payload) + len(payload)
    size = 0
    for frame in probe.frames:
        size += frame.sound_bytes
        if size >= end:
            return max(0.0, frame.at_s - begun_s - number * PTIME_MS / 1000)
    return 0.0
