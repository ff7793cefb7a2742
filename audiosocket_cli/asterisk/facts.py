"""The numbers that Asterisk uses, each with the function in its source."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES

DEFAULT_PORT: Final = 9092
"""The port of the protocol page's example and of every dialplan in the wild; the protocol itself names none."""

CONNECT_TIMEOUT_S: Final = 2.0
"""How long Asterisk tries each address (`MAX_CONNECT_TIMEOUT_MSEC`, res_audiosocket.c)."""

SILENCE_TIMEOUT_S: Final = 2.0
"""The application ends a call in which neither side sent anything for this long (`audiosocket_run`)."""

PTIME_MS: Final = 20
"""Milliseconds of audio in one frame: one frame becomes one RTP packet (`ast_write` in `audiosocket_run`)."""

MAX_BURST_MS: Final = 80
"""A softmix bridge throws its queue away beyond this much (`softmix_bridge_write_voice`, bridge_softmix.c)."""

BURST_MS: Final = MAX_BURST_MS + PTIME_MS
"""Audio that runs ahead of the clock by more than this is a burst: such a bridge holds less, apart from the frame that
it is playing."""

_ROUNDING_S: Final = 1e-6

POST_ROLL_MS: Final = 300
"""Silence to send between the last word and the hangup: what a phone's jitter buffer may still hold (60 to 200 ms),
with some to spare. Hanging up at once clips the goodbye."""

GAP_MS: Final = 60
"""More than this without audio is a pause of the caller (hold, DTX, mute), less is jitter. Asterisk sends nothing
while the caller's audio pauses (`audiosocket_run` forwards what `ast_read` returns, and nothing else)."""

SPARSE_MS: Final = 500
"""How often 20 ms of silence are enough to keep a call: it ends after 2 s without a frame (`audiosocket_run`)."""

QUIET_GAP_MS: Final = 2 * SPARSE_MS
"""A pause of at most this length after digital silence counts as silence that is sent sparsely. Our own choice."""

FRAME_GAP_MS: Final = 5
"""Since 20.15, 21.10 and 22.5 a gap of this length inside a payload ends the call; before, any gap does
(`ast_audiosocket_receive_frame_with_hangup`)."""

EXAMPLE_UUID: Final = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
"""The UUID of the protocol page's example, which is in many a dialplan."""


def is_burst(ahead_s: float) -> bool:
    """Whether audio that runs `ahead_s` seconds ahead of the clock is a burst."""
    return ahead_s > BURST_MS / 1000 + _ROUNDING_S


def samples_per_frame(kind: int) -> int:
    """Return how many samples 20 ms of an audio kind have: 160 for slin, 882 for slin44."""
    return RATE_BY_KIND[kind] * PTIME_MS // 1000


def frame_bytes(kind: int) -> int:
    """Return the payload size in bytes of 20 ms of an audio kind: 320, 480, 640, 960, 1280, 1764, 1920, …"""
    return samples_per_frame(kind) * SAMPLE_BYTES
