"""What Asterisk sends first, and what it takes from a server; and in words, how a peer breaks these rules."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.codec import RATE_BY_KIND, UUID_BYTES, Frame, Kind, kind_name, peek_header
from audiosocket_cli.finding import id_of, tagged, untagged

PROXY_V1_SIGNATURE: Final = b"PROXY "

PROXY_V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""The first bytes of a PROXY protocol header, version 1 and 2 (HAProxy's doc/proxy-protocol.txt)."""

PROXY_HEADER_FAULT: Final = tagged(
    "proxy-header", "it began with a PROXY protocol header: add --proxy-protocol to serve, or leave it out in the proxy"
)

SECOND_HEADER_FAULT: Final = tagged(
    "proxy-header",
    "it began with two PROXY protocol headers: of two proxies in a row, let the second take that of the first "
    "(HAProxy: accept-proxy; nginx: proxy_protocol in its listen line)",
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
        return tagged("not-audiosocket", f"not an AudioSocket peer: {began}")
    if received[:1].isalpha() and received[:1].isascii():
        text = f"not an AudioSocket peer: it began with {_quoted(received)} (a web browser, or a probe?)"
        return tagged("not-audiosocket", text)
    header = peek_header(received)
    kind, length = (None, 0) if header is None else header
    if kind == Kind.UUID:
        text = f"its UUID has {length} bytes, not {UUID_BYTES} (36 means that it was sent as text)"
        return tagged("uuid-length", text)
    if kind in RATE_BY_KIND:
        text = f"{kind_name(kind)} audio came before the UUID; the first frame must be the UUID"
        return tagged("uuid-not-first", text)
    text = f"not an AudioSocket peer: it began with {_hex(received)}, not with a UUID frame ({_hex(expected)} …)"
    return tagged("not-audiosocket", text)


def without_uuid(what: str) -> str:
    """Return `what`, which says that no UUID came, with the usual reason.

    The application connects before it checks that the channel is answered (`audiosocket_exec`, `audiosocket_run`).
    """
    return tagged("no-answer", f"{what} (is an Answer() missing in the dialplan before AudioSocket()?)")


def ended_by(fault: str) -> str:
    """Return a fault of `fault_towards_asterisk` with what Asterisk does then."""
    return tagged(id_of(fault) or "", f"{untagged(fault)}; Asterisk ends the call here")


def fault_towards_asterisk(frame: Frame) -> str | None:
    """Say why Asterisk ends a call on a frame from the server, or None for one that it takes.

    Since 20.14, 21.9, 22.4 and 23.0: anything but hangup and audio, and audio of length 0
    (`ast_audiosocket_receive_frame_with_hangup`).
    """
    if frame.kind == Kind.HANGUP:
        return None
    if frame.kind not in RATE_BY_KIND:
        text = f"the server sent a frame of kind {kind_name(frame.kind)}: only audio and hangup are allowed"
        if frame.kind == Kind.DTMF:
            return tagged("server-sends-digits", f"{text} (send in-band tones instead)")
        return tagged("server-sends-unknown-kind", text)
    if not frame.payload:
        return tagged("server-sends-empty-audio", "the server sent an audio frame of length 0")
    return None


def _hex(data: bytes) -> str:
    return data[:8].hex(" ")


def _quoted(data: bytes) -> str:
    line = data.split(b"\r")[0].split(b"\n")[0][:40]
    return repr(line.decode("ascii", "backslashreplace"))
