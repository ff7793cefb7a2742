"""Where frames begin again in bytes that do not begin with one: after damage, after a loss, in mid-call.

To the codec any bytes are a run of frames. So a beginning is only believed when several frames of the kinds that are
really sent follow each other from there. A hangup counts only as the very last (silence is full of its bytes).
"""

from __future__ import annotations

import re
from typing import Final

from audiosocket_cli.codec import DIGITS, HEADER_BYTES, RATE_BY_KIND, SAMPLE_BYTES, UUID_BYTES, Kind, peek_header

CHAIN: Final = 4
"""This many frames in a row are not chance: in random bytes one position in 10^9 looks like that."""

CHAIN_AT_END: Final = 2
"""So many frames in a row are enough if the last one ends exactly where the input ends."""

_MAX_BYTES: Final = 0x7FFF
"""Longer than any payload that is sent: 60 ms of slin192 are 23,040 bytes."""

MAX_CHAIN_BYTES: Final = CHAIN * (HEADER_BYTES + _MAX_BYTES)

_HEADS: Final = re.compile(
    rb"[\x10-\x18][\x00-\x7f][" + re.escape(bytes(range(0, 256, SAMPLE_BYTES))) + rb"]"
    rb"|\x03\x00\x01[" + re.escape(DIGITS.encode()) + rb"]|\x01\x00\x10", re.DOTALL,
)  # fmt: skip
"""How a frame may begin: audio of an even length, a digit, a UUID."""


def find_frames(data: bytes, start: int = 0, *, ends: bool = False) -> int | None:
    """Return where the first believable run of frames begins, from `start` on; None if there is none (yet).

    `ends` says that nothing follows these bytes.
    """
    match = _HEADS.search(data, start)
    while match is not None and not _begins_chain(data, match.start(), ends=ends):
        match = _HEADS.search(data, match.start() + 1)  # the real head may begin inside what only looks like one
    return match.start() if match is not None else None


def _begins_chain(data: bytes, at: int, *, ends: bool) -> bool:
    audio_kind: int | None = None
    for number in range(CHAIN):
        header = peek_header(data[at : at + HEADER_BYTES])
        if header is None:
            return ends and at == len(data) and number >= CHAIN_AT_END
        kind, length = header
        at += HEADER_BYTES
        if kind == Kind.HANGUP and length == 0 and ends and at == len(data):
            return number > 0
        if not is_plausible(kind, length) or at + length > len(data):
            return False
        if kind == Kind.UUID and number:
            return False
        if kind in RATE_BY_KIND:
            if audio_kind not in (None, kind):
                return False
            audio_kind = kind
        at += length
    return True


def is_plausible(kind: int, length: int) -> bool:
    """Whether frames of this kind and payload length in bytes are really sent, hangups left out."""
    if kind in RATE_BY_KIND:
        return 0 < length <= _MAX_BYTES and length % SAMPLE_BYTES == 0
    return (kind == Kind.DTMF and length == 1) or (kind == Kind.UUID and length == UUID_BYTES)
