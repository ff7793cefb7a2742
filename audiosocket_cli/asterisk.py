"""What Asterisk really does with AudioSocket: data and pure rules, each with the function that it was read from.

Facts come from Asterisk's C source (release tags 18.0.0 to 23.4.1) and from calls placed with a live 22.10. Code that
talks to Asterisk, or stands in for it, takes its numbers and its judgements from here.
"""

from __future__ import annotations

from typing import Final

from audiosocket_cli.codec import (
    RATE_BY_KIND,
    SAMPLE_BYTES,
    UUID_BYTES,
    Frame,
    Kind,
    kind_name,
    peek_header,
)

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

POST_ROLL_MS: Final = 300
"""Silence to send between the last word and the hangup: what a phone's jitter buffer may still hold (60 to 200 ms),
with some to spare. Hanging up at once clips the goodbye."""

GAP_MS: Final = 60
"""More than this without audio is a pause of the caller (hold, DTX, mute), less is jitter. Asterisk sends nothing
while the caller's audio pauses (`audiosocket_run` forwards what `ast_read` returns, and nothing else)."""

UUID_WITHOUT_ANSWER_HINT: Final = "is an Answer() missing in the dialplan before AudioSocket()?"
"""The application connects before it checks that the channel is answered (`audiosocket_exec`, `audiosocket_run`)."""

_TLS_HELLOS: Final = (b"\x16\x03\x01", b"\x16\x03\x03")
"""How a TLS client begins; read as a frame, slin48 of an odd length."""


def samples_per_frame(kind: int) -> int:
    """Return how many samples 20 ms of an audio kind have: 160 for slin, 882 for slin44."""
    return RATE_BY_KIND[kind] * PTIME_MS // 1000


def frame_bytes(kind: int) -> int:
    """Return the payload size in bytes of 20 ms of an audio kind: 320, 480, 640, 960, 1280, 1764, 1920, …"""
    return samples_per_frame(kind) * SAMPLE_BYTES


def fault_of_opening(received: bytes) -> str | None:
    """Judge the first bytes of a connection, which should be a UUID frame; None while they may still become one.

    `ast_audiosocket_init` writes `01 00 10` and 16 raw bytes, in one piece, before anything else.
    """
    expected = bytes([Kind.UUID, 0, UUID_BYTES])
    if received[:3] == expected[: len(received[:3])]:
        return None
    if received[:3] in _TLS_HELLOS:
        return f"no AudioSocket peer: it began with {_hex(received)}, a TLS handshake (AudioSocket has no encryption)"
    if received[:1].isalpha() and received[:1].isascii():
        return f"no AudioSocket peer: it began with {_quoted(received)} (a web browser, or a probe?)"
    header = peek_header(received)
    if header is None:
        return f"no AudioSocket peer: it began with {_hex(received)}, not with a UUID frame ({_hex(expected)} …)"
    kind, length = header
    if kind == Kind.UUID:
        return f"its UUID has {length} bytes, not {UUID_BYTES} (36 means that it was sent as text)"
    if kind in RATE_BY_KIND:
        return f"{kind_name(kind)} audio came before the UUID; the first frame must be the UUID"
    return f"no AudioSocket peer: it began with {_hex(received)}, not with a UUID frame ({_hex(expected)} …)"


def fault_towards_asterisk(frame: Frame) -> str | None:
    """Say why Asterisk ends a call on a frame from the server, or None for one that it takes.

    Since 20.14, 21.9, 22.4 and 23.0: anything but hangup and audio, and audio of length 0
    (`ast_audiosocket_receive_frame_with_hangup`).
    """
    if frame.kind == Kind.HANGUP:
        return None
    if frame.kind not in RATE_BY_KIND:
        cure = " (send in-band tones instead)" if frame.kind == Kind.DTMF else ""
        return f"the server sent a frame of kind {kind_name(frame.kind)}: only audio and hangup are allowed{cure}"
    if not frame.payload:
        return "the server sent an audio frame of length 0"
    return None


def _hex(data: bytes) -> str:
    return data[:8].hex(" ")


def _quoted(data: bytes) -> str:
    line = data.split(b"\r")[0].split(b"\n")[0][:40]
    return repr(line.decode("ascii", "backslashreplace"))
