"""What Asterisk really does with AudioSocket: data and pure rules, each with the function that it was read from.

Facts come from Asterisk's C source (release tags 18.0.0 to 23.4.1) and from calls placed with a live 22.10. Code that
talks to Asterisk, or stands in for it, takes its numbers and its judgements from here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from audiosocket_cli.codec import (
    RATE_BY_KIND,
    SAMPLE_BYTES,
    UUID_BYTES,
    Frame,
    Kind,
    kind_name,
    peek_header,
)


class Side(StrEnum):
    """Who: the caller is what Asterisk sends, the server what Asterisk receives."""

    CALLER = "caller"
    SERVER = "server"

    @property
    def other(self) -> Side:
        """The side across the wire."""
        return Side.SERVER if self is Side.CALLER else Side.CALLER


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

SPARSE_MS: Final = 100
"""How often 20 ms of silence are enough to keep a call: it ends after 2 s without a frame (`audiosocket_run`)."""

QUIET_GAP_MS: Final = 2 * SPARSE_MS
"""No more than this without audio after digital silence is silence that goes on, sent sparsely. Ours."""

FRAME_GAP_MS: Final = 5
"""Since 20.15, 21.10 and 22.5 so long without a new byte inside a payload ends the call, before that any gap does
(`ast_audiosocket_receive_frame_with_hangup`)."""

UUID_WITHOUT_ANSWER_HINT: Final = "is an Answer() missing in the dialplan before AudioSocket()?"
"""The application connects before it checks that the channel is answered (`audiosocket_exec`, `audiosocket_run`)."""

EXAMPLE_UUID: Final = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
"""The UUID of the protocol page's example, which is in many a dialplan."""

EXAMPLE_UUID_FINDING: Final = "the UUID is the protocol page's example: say ${UUID()}, or all calls have the same"

_PACE_TOLERANCE: Final = 0.1
_MOST_PACE: Final = 25.0
"""slin192 labelled slin comes 24 times as fast; what comes faster is sent as fast as it goes."""
_USUAL_PTIMES_MS: Final = (10, 20, 30, 40, 60)
"""What phones and gateways really use (RFC 3551 says 20; 10 to 60 are offered in SDP)."""
_ROUNDING_MS: Final = 0.1
_MOST_CLIPPED: Final = 0.001
_MOST_OFFSET: Final = 0.02
_LEAST_AUDIO_S: Final = 2.0
"""Shorter audio says nothing about levels: a click is no DC offset."""

PROXY_V1_SIGNATURE: Final = b"PROXY "
PROXY_V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
PROXY_HEADER_FAULT: Final = (
    "it began with a PROXY protocol header: add --proxy-protocol to serve, or leave it out in the proxy"
)
"""How a proxy begins that says who is calling: HAProxy's doc/proxy-protocol.txt."""

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
    for signature in (PROXY_V1_SIGNATURE, PROXY_V2_SIGNATURE):
        if received.startswith(signature):
            return PROXY_HEADER_FAULT
        if signature.startswith(received):
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


class Heard(NamedTuple):
    """What one side of a call sounded like, as far as the rules below need it."""

    kind: int
    """The kind of its audio."""
    pace: float
    """Seconds of audio, by its kind, that came in each second outside pauses; 0.0 when there was too little to tell."""
    law: str | None
    """"µ-law" or "A-law" when the bytes make better sense as that than as slin."""
    disorder: str | None
    """What `media.pcm.guess_disorder` finds, such as "byte-swapped", when the bytes make better sense
    like that."""
    has_wav_header: bool
    """Whether a WAV file's header was among the samples."""
    odd_bytes: int
    """Bytes left over in frames of odd length."""
    audio_s: float
    peak: float
    """The largest sample, 0.0 to 1.0."""
    offset: float
    """The mean sample, -1.0 to 1.0."""
    clipped: float
    """The share of samples at the limit, 0.0 to 1.0."""
    longest_pause_s: float
    worst_burst_s: float
    frame_s: float = 0.0
    """Seconds of audio, by its kind, in its longest frame; 0.0 where that is not known."""
    is_steady: bool = True
    """Whether it came at one pace."""
    texture: str | None = None
    """"slin" when the bytes make sense as that, "codec" when they make as little sense as random ones."""
    usual_frame_s: float = 0.0
    """Seconds of audio, by its kind, in the frames that most of it came in; 0.0 where that is not known."""


def findings_on_caller(heard: Heard) -> list[str]:
    """Say what is wrong with the audio that Asterisk sent, each with its cure."""
    return _findings_on_audio(heard, Side.CALLER)


def findings_on_server(heard: Heard) -> list[str]:
    """Say what is wrong with a server's audio, and with how it sent it, each with its cure."""
    found = _findings_on_audio(heard, Side.SERVER)
    if heard.longest_pause_s > SILENCE_TIMEOUT_S:
        found.append(
            f"the server sent nothing for {heard.longest_pause_s:.1f} s: where the caller's audio pauses too, Asterisk "
            f"ends the call after {SILENCE_TIMEOUT_S:g} s; send silence"
        )
    if not mislabelled(heard, Side.SERVER):  # what comes too fast because of its label comes in no burst
        found += finding_on_burst(heard.worst_burst_s)
    return found


def finding_on_burst(burst_s: float) -> list[str]:
    """Say that a server sent so many seconds of audio at once, with the cure, where that is too much."""
    if burst_s <= (MAX_BURST_MS + PTIME_MS) / 1000:
        return []
    text = (
        f"{burst_s * 1000:.0f} ms of the server's audio came at once: a bridge in Asterisk drops what "
        f"is beyond {MAX_BURST_MS} ms; send one frame each {PTIME_MS} ms, unless the network held them back"
    )
    return [text]


def _findings_on_audio(heard: Heard, side: Side) -> list[str]:
    other_audio = mislabelled(heard, side)
    if other_audio:
        return [other_audio]  # all else follows from that
    found = _disordered(heard, side)
    if _is_held_up(heard):
        cure = (
            f"send frame n at start + n * {PTIME_MS} ms, rather than {PTIME_MS} ms after the one before; or is the "
            "network too slow for it?"
            if side is Side.SERVER
            else "is the network too slow for it, or the caller?"
        )
        who = "" if side is Side.CALLER else f"the {side}'s "
        found.append(f"{who}audio came slower than it plays, in whole frames: {cure}")
    if side is Side.SERVER:
        found += _odd_lengths(heard)
    return found + _wrong_levels(heard, side) if heard.audio_s >= _LEAST_AUDIO_S and not heard.disorder else found


def _odd_lengths(heard: Heard) -> list[str]:
    """Say that a server's frames have a length that phones do not expect."""
    ms = heard.usual_frame_s * 1000
    if heard.audio_s < _LEAST_AUDIO_S or not ms or any(abs(ms - usual) < _ROUNDING_MS for usual in _USUAL_PTIMES_MS):
        return []
    size = round(heard.usual_frame_s * RATE_BY_KIND[heard.kind]) * SAMPLE_BYTES
    text = (
        f"the server's frames have {size} bytes, {ms:.4g} ms of {kind_name(heard.kind)}: Asterisk makes one RTP packet "
        f"of each, and phones expect {PTIME_MS} ms; send {frame_bytes(heard.kind)} bytes each {PTIME_MS} ms"
    )
    return [text]


def findings_on_frame(side: Side, frame: Frame, spread_s: float) -> list[str]:
    """Say what is wrong with one frame that a side sent, its last byte `spread_s` after its first."""
    if side is Side.CALLER:
        return []
    found = []
    fault = fault_towards_asterisk(frame)
    if fault:
        found.append(f"{fault}; Asterisk ends the call here")
    if spread_s > FRAME_GAP_MS / 1000:
        found.append(
            f"a frame of the server came in parts over {spread_s * 1000:.0f} ms: Asterisk ends a call in which "
            f"{FRAME_GAP_MS} ms pass inside a frame; send each frame with one send, and set TCP_NODELAY"
        )
    return found


def finding_on_silence(pause_s: float) -> str | None:
    """Say what is wrong with a time in which neither side sent anything, or None."""
    if pause_s <= SILENCE_TIMEOUT_S:
        return None
    return (
        f"neither side sent anything for {pause_s:.1f} s: AudioSocket() ends the call after {SILENCE_TIMEOUT_S:g} s; "
        "a server should always send silence"
    )


def mislabelled(heard: Heard, side: Side = Side.CALLER) -> str | None:
    """Say what audio is that is not what its kind says, with the cure for who sends it, or None.

    A voice frame in a format without a kind is still labelled slin (`ast_audiosocket_send_frame`).
    """
    if heard.law:
        return f"{heard.law} labelled {kind_name(heard.kind)}, which is noise: {_decode_cure(heard, side)}"
    if heard.disorder or not heard.pace or abs(heard.pace - 1) <= _PACE_TOLERANCE or heard.pace > _MOST_PACE:
        return None
    if _is_held_up(heard) or not heard.is_steady:
        return None  # it is the network's doing
    if heard.texture == "slin" and heard.pace < 1:
        return _too_short_frames(heard, side)
    if heard.kind == Kind.SLIN and abs(heard.pace - 0.5) <= _PACE_TOLERANCE / 2:
        return f"µ-law, A-law or another codec labelled slin, which is noise: {_decode_cure(heard, side)}"
    return _wrong_rate(heard, side)


def _decode_cure(heard: Heard, side: Side) -> str:
    if side is Side.CALLER:
        return "say c(slin), as in Dial(AudioSocket/HOST:PORT/UUID/c(slin))"
    return (
        f"decode it to 16-bit little-endian samples first, {frame_bytes(heard.kind)} bytes each {PTIME_MS} ms: "
        "AudioSocket carries no other codec"
    )


def _too_short_frames(heard: Heard, side: Side) -> str:
    """Say that frames of real slin hold less than the time between them."""
    kind, size = kind_name(heard.kind), round(heard.usual_frame_s * RATE_BY_KIND[heard.kind]) * SAMPLE_BYTES
    frames = f"frames of {size} bytes hold {heard.usual_frame_s * 1000:.4g} ms each" if size else "its frames are short"
    return (
        f"the {side}'s {kind} audio comes {heard.pace:.2f} times as fast as it plays ({frames}), so it is heard in "
        f"pieces: {'send' if side is Side.SERVER else 'its frames should have'} {frame_bytes(heard.kind)} bytes each "
        f"{PTIME_MS} ms, or is its kind wrong?"
    )


def _wrong_rate(heard: Heard, side: Side) -> str:
    kind, rate_hz = kind_name(heard.kind), heard.pace * RATE_BY_KIND[heard.kind]
    real = min(RATE_BY_KIND, key=lambda kind: abs(RATE_BY_KIND[kind] - rate_hz))
    is_rate = abs(rate_hz / RATE_BY_KIND[real] - 1) <= _PACE_TOLERANCE
    if side is Side.SERVER:
        meant = f"; is it {kind_name(real)} ({RATE_BY_KIND[real]} Hz)?" if is_rate else ":"
        return (
            f"the server's {kind} audio comes {heard.pace:.2f} times as fast as it plays{meant} resample it to "
            f"{RATE_BY_KIND[heard.kind]} Hz, and send {frame_bytes(heard.kind)} bytes each {PTIME_MS} ms"
        )
    if heard.kind != Kind.SLIN:
        return f"{kind} audio comes {heard.pace:.2f} times as fast as it plays: is its kind right?"
    if is_rate:
        return (
            f"{kind_name(real)} ({RATE_BY_KIND[real]} Hz) labelled slin, as Asterisk before 20.17, 21.12, 22.7 and "
            "23.1 does: say c(slin), or update Asterisk"
        )
    return f"slin audio comes {heard.pace:.2f} times as fast as it plays: say c(slin) in Dial(AudioSocket/…)"


def _is_held_up(heard: Heard) -> bool:
    """Whether it comes too slowly although it is what its kind says: of another codec, frames are short, or noise."""
    is_slow = 0 < heard.pace < 1 - _PACE_TOLERANCE and heard.law is None
    return is_slow and heard.frame_s >= PTIME_MS / 1000 and heard.texture != "codec"


def _disordered(heard: Heard, side: Side) -> list[str]:
    found = []
    if heard.disorder and not heard.law:
        cure = {
            "byte-swapped": "send little-endian samples",
            "shifted by one byte": "cut audio between samples, at even offsets",
            "in 32-bit floats": "multiply them by 32767, and send 16-bit little-endian integers",
            "in 8-bit samples": "send 16-bit little-endian samples",
            "in 24-bit samples": "send 16-bit little-endian samples",
            "in 32-bit samples": "send 16-bit little-endian samples",
        }[heard.disorder]
        found.append(f"the {side}'s audio is {heard.disorder}, which is noise: {cure}")
    if heard.odd_bytes:
        found.append(
            f"{heard.odd_bytes} of the {side}'s audio frames have an odd length, after which samples are out of step: "
            "cut audio between samples, at even offsets"
        )
    if heard.has_wav_header:
        found.append(f"the {side} sent a WAV file's header as sound, which is heard as a click: send its samples only")
    return found


def _wrong_levels(heard: Heard, side: Side) -> list[str]:
    found = []
    gain = "turn the gain before Asterisk down" if side is Side.CALLER else "turn its gain down"
    if not heard.peak and side is Side.CALLER:  # a server may have nothing to say
        found.append(
            "the caller sent nothing but digital silence: is the phone muted, or its audio lost before Asterisk?"
        )
    if heard.clipped > _MOST_CLIPPED:
        found.append(f"clipped: {heard.clipped * 100:.1f} % of the {side}'s samples are at the limit; {gain}")
    if abs(heard.offset) > _MOST_OFFSET:
        where = "a faulty gateway or sound card?" if side is Side.CALLER else "are its samples signed, with 16 bits?"
        found.append(f"the {side}'s audio is off centre by {heard.offset * 100:.0f} %: {where}")
    return found


def _hex(data: bytes) -> str:
    return data[:8].hex(" ")


def _quoted(data: bytes) -> str:
    line = data.split(b"\r")[0].split(b"\n")[0][:40]
    return repr(line.decode("ascii", "backslashreplace"))
