"""What Asterisk sends first, and what it takes from a server; and in words, how a peer breaks these rules."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.codec import RATE_BY_KIND, UUID_BYTES, Frame, Kind, kind_name, peek_header

UUID_WITHOUT_ANSWER_HINT: Final = "is an Answer() missing in the dialplan before AudioSocket()?"
"""The application connects before it checks that the channel is answered (`audiosocket_exec`, `audiosocket_run`)."""

PROXY_V1_SIGNATURE: Final = b"PROXY "

PROXY_V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""The first bytes of a PROXY protocol header, version 1 and 2 (HAProxy's doc/proxy-protocol.txt)."""

PROXY_HEADER_FAULT: Final = (
    "it began with a PROXY protocol header: add --proxy-protocol to serve, or leave it out in the proxy"
)

SECOND_HEADER_FAULT: Final = (
    "it began with two PROXY protocol headers: of two proxies in a row, let the second take that of the first "
    "(HAProxy: accept-proxy; nginx: proxy_protocol in its listen line)"
)

_TLS_HELLOS: Final = (b"\x16\x03\x01", b"\x16\x03\x03")
"""The first bytes of a TLS client; read as a frame they are slin48 of an odd length."""


def fault_of_opening(received: bytes) -> str | None:
    """Judge the first bytes of a connection, which should be a UUID frame; None while they may still become one.

    `ast_audiosocket_init` writes `01 00 10` and 16 raw bytes, in one piece, before anything else.
    """
    expected = bytes([Kind.UUID, 0, UUID_BYTES])
    if received[:3] == expected[: len(received[:3])]:
        return None
    for signature in (PROXY_V1_SIGNATURE, PROXY_V2_SIGNATURE):
        if received.startswith(signature):
            return PROXY_HEADER_FAULT
        if signature.startswith(received):
            return None
    if received[:3] in _TLS_HELLOS:
        began = f"it began with {_hex(received)}, a TLS handshake (AudioSocket has no encryption)"
        return f"not an AudioSocket peer: {began}"
    if received[:1].isalpha() and received[:1].isascii():
        return f"not an AudioSocket peer: it began with {_quoted(received)} (a web browser, or a probe?)"
    header = peek_header(received)
    if header is None:
        return f"not an AudioSocket peer: it began with {_hex(received)}, not with a UUID frame ({_hex(expected)} …)"
    kind, length = header
    if kind == Kind.UUID:
        return f"its UUID has {length} bytes, not {UUID_BYTES} (36 means that it was sent as text)"
    if kind in RATE_BY_KIND:
        return f"{kind_name(kind)} audio came before the UUID; the first frame must be the UUID"
    return f"not an AudioSocket peer: it began with {_hex(received)}, not with a UUID frame ({_hex(expected)} …)"


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
