"""Whether bytes are a raw capture, which as samples would be noise: what one side of a call sent, as `nc` keeps it."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.codec import HEADER_BYTES, RATE_BY_KIND, UUID_BYTES, Kind, peek_header

_SECOND_AT: Final = HEADER_BYTES + UUID_BYTES
_SHORT_FRAMES: Final = ((Kind.HANGUP, 0), (Kind.DTMF, 1))


def begins_call(head: bytes) -> bool:
    """Whether bytes are those that a caller sends: a UUID, and another frame, or nothing."""
    second = peek_header(head[_SECOND_AT : _SECOND_AT + HEADER_BYTES])
    follows = second is not None and (second[0] in RATE_BY_KIND or second in _SHORT_FRAMES)
    return head.startswith(b"\x01\x00\x10") and (follows or len(head) == _SECOND_AT)


def begins_answer(head: bytes) -> bool:
    """Whether bytes are those that a server sends: frames of audio, of which the first two have the same header."""
    first = peek_header(head[:HEADER_BYTES])
    if first is None or first[0] not in RATE_BY_KIND or not first[1]:
        return False
    header, second_at = head[:HEADER_BYTES], HEADER_BYTES + first[1]
    is_one_value = len(set(head)) == 1  # samples that stay at 0x1010, say
    return head.startswith(header, second_at) and not is_one_value
