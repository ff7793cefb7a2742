"""What is wrong with the audio of a call, or with how it was sent, each with its cure."""

from __future__ import annotations

from typing import Final, NamedTuple

from audiosocket_cli.asterisk.facts import (
    FRAME_GAP_MS,
    MAX_BURST_MS,
    PTIME_MS,
    SILENCE_TIMEOUT_S,
    frame_bytes,
    is_burst,
)
from audiosocket_cli.asterisk.rules import ended_by, fault_towards_asterisk
from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES, Frame, Kind, kind_name
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Side

EXAMPLE_UUID_FINDING: Final = tagged(
    "uuid-example", "the UUID is the protocol page's example: use ${UUID()}, so that each call has its own"
)

PACE_TOLERANCE: Final = 0.1
"""Audio comes as fast as it plays where its pace is this near to 1."""

_MAX_PACE: Final = 25.0
"""slin192 labelled slin comes 24 times as fast; what comes faster is sent as fast as it goes."""

_USUAL_PTIMES_MS: Final = (10, 20, 30, 40, 60)
"""What phones and gateways really use (RFC 3551 says 20; 10 to 60 are offered in SDP)."""

_ROUNDING_MS: Final = 0.1

_MAX_CLIPPED: Final = 0.001

_MAX_OFFSET: Final = 0.02

_MIN_AUDIO_S: Final = 2.0
"""Shorter audio says nothing about levels: a click is not a DC offset."""


_ULAW: Final = {Side.CALLER: "caller-ulaw", Side.SERVER: "server-ulaw"}
_SHORT_FRAMES: Final = {Side.CALLER: "caller-short-frames", Side.SERVER: "server-short-frames"}
_WRONG_RATE: Final = {Side.CALLER: "caller-wrong-rate", Side.SERVER: "server-wrong-rate"}
"""Ids of findings by the side whose audio it is, as the cure differs."""


class Heard(NamedTuple):
    """What one side of a call sounded like, as far as the rules below need it."""

    kind: int
    """The kind of its audio."""
    pace: float
    """Seconds of audio, by its kind, that came in each second outside pauses; 0.0 when there was too little to tell."""
    law: str | None
    """"µ-law" or "A-law" when the bytes make better sense as that than as slin."""
    disorder: str | None
    """What `audio.pcm.guess_disorder` finds, such as "byte-swapped", when the bytes make better sense
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
    is_slow: bool = True
    """Whether most of it came slower than it plays, where its pace says so at all."""
    texture: str | None = None
    """What `audio.pcm.guess_texture` finds: "slin", "codec" or "compressed", or None where it is not clear."""
    usual_frame_s: float = 0.0
    """Seconds of audio, by its kind, in the frames that most of it came in; 0.0 where that is not known."""


def findings_on_caller(heard: Heard) -> list[str]:
    """Say what is wrong with the audio that Asterisk sent, each with its cure."""
    return _findings_on_audio(heard, Side.CALLER)


def findings_on_server(heard: Heard) -> list[str]:
    """Say what is wrong with a server's audio, and with how it sent it, each with its cure."""
    found = _findings_on_audio(heard, Side.SERVER)
    if heard.longest_pause_s > SILENCE_TIMEOUT_S:
        text = (
            f"the server sent nothing for {heard.longest_pause_s:.1f} s: where the caller's audio pauses too, Asterisk "
            f"ends the call after {SILENCE_TIMEOUT_S:g} s; send silence"
        )
        found.append(tagged("server-silent", text))
    if not mislabelled(heard, Side.SERVER):  # what comes too fast because of its label comes in no burst
        found += finding_on_burst(heard.worst_burst_s)
    return found


def finding_on_burst(burst_s: float) -> list[str]:
    """Return the finding, with its cure, for a server that sent `burst_s` of audio at once; none if that is not a
    burst."""
    if not is_burst(burst_s):
        return []
    text = (
        f"{burst_s * 1000:.0f} ms of the server's audio came at once: a bridge in Asterisk drops what "
        f"is beyond {MAX_BURST_MS} ms; send one frame each {PTIME_MS} ms, unless the network held them back"
    )
    return [tagged("server-bursts", text)]


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
        found.append(tagged("audio-slow", f"{who}audio came slower than it plays, in whole frames: {cure}"))
    if side is Side.SERVER:
        found += _odd_lengths(heard)
    return found + _wrong_levels(heard, side) if heard.audio_s >= _MIN_AUDIO_S and not heard.disorder else found


def _odd_lengths(heard: Heard) -> list[str]:
    """Say that a server's frames have a length that phones do not expect."""
    ms = heard.usual_frame_s * 1000
    if heard.audio_s < _MIN_AUDIO_S or not ms or any(abs(ms - usual) < _ROUNDING_MS for usual in _USUAL_PTIMES_MS):
        return []
    size = round(heard.usual_frame_s * RATE_BY_KIND[heard.kind]) * SAMPLE_BYTES
    text = (
        f"the server's frames have {size} bytes, {ms:.4g} ms of {kind_name(heard.kind)}: Asterisk makes one RTP packet "
        f"of each, and phones expect {PTIME_MS} ms; send {frame_bytes(heard.kind)} bytes each {PTIME_MS} ms"
    )
    return [tagged("server-frame-length", text)]


def findings_on_frame(side: Side, frame: Frame, gap_s: float) -> list[str]:
    """Say what is wrong with one frame that a side sent, inside which no byte came for `gap_s` at the longest."""
    if side is Side.CALLER:
        return []
    found = []
    fault = fault_towards_asterisk(frame)
    if fault:
        found.append(ended_by(fault))
    if gap_s > FRAME_GAP_MS / 1000:
        text = (
            f"a frame of the server came in parts {gap_s * 1000:.0f} ms apart: Asterisk ends a call in which "
            f"{FRAME_GAP_MS} ms pass inside a frame; send each frame with one send, and set TCP_NODELAY"
        )
        found.append(tagged("server-splits-frames", text))
    return found


def finding_on_silence(pause_s: float) -> str | None:
    """Say what is wrong with a time in which neither side sent anything, or None."""
    if pause_s <= SILENCE_TIMEOUT_S:
        return None
    text = (
        f"neither side sent anything for {pause_s:.1f} s: AudioSocket() ends the call after {SILENCE_TIMEOUT_S:g} s; "
        "a server should always send silence"
    )
    return tagged("both-silent", text)


def mislabelled(heard: Heard, side: Side = Side.CALLER) -> str | None:
    """Say what audio is that is not what its kind says, with the cure for who sends it, or None.

    A voice frame in a format without a kind is still labelled slin (`ast_audiosocket_send_frame`).
    """
    if heard.law:
        text = f"{heard.law} labelled {kind_name(heard.kind)}, which is noise: {_decode_cure(heard, side)}"
        return tagged(_ULAW[side], text)
    if heard.disorder or not heard.pace or abs(heard.pace - 1) <= PACE_TOLERANCE or heard.pace > _MAX_PACE:
        return None
    if _is_held_up(heard) or not heard.is_steady:
        return None  # the network caused it
    if heard.texture == "slin" and heard.pace < 1:
        return tagged(_SHORT_FRAMES[side], _too_short_frames(heard, side))
    if heard.kind == Kind.SLIN and abs(heard.pace - 0.5) <= PACE_TOLERANCE / 2:
        text = f"µ-law, A-law or another codec labelled slin, which is noise: {_decode_cure(heard, side)}"
        return tagged(_ULAW[side], text)
    return tagged(_WRONG_RATE[side], _wrong_rate(heard, side))


def _decode_cure(heard: Heard, side: Side) -> str:
    if side is Side.CALLER:
        return "use c(slin), as in Dial(AudioSocket/HOST:PORT/UUID/c(slin))"
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
    is_rate = abs(rate_hz / RATE_BY_KIND[real] - 1) <= PACE_TOLERANCE
    if side is Side.SERVER:
        channels = ", or in two channels" if abs(heard.pace / 2 - 1) <= PACE_TOLERANCE else ""
        meant = f"; is it {kind_name(real)} ({RATE_BY_KIND[real]} Hz){channels}?" if is_rate else ":"
        return (
            f"the server's {kind} audio comes {heard.pace:.2f} times as fast as it plays{meant} send one channel at "
            f"{RATE_BY_KIND[heard.kind]} Hz, {frame_bytes(heard.kind)} bytes each {PTIME_MS} ms"
        )
    if heard.kind != Kind.SLIN:
        return f"{kind} audio comes {heard.pace:.2f} times as fast as it plays: is its kind right?"
    if is_rate:
        return (
            f"{kind_name(real)} ({RATE_BY_KIND[real]} Hz) labelled slin, as Asterisk before 20.17, 21.12, 22.7 and "
            "23.1 does: use c(slin), or update Asterisk"
        )
    return f"slin audio comes {heard.pace:.2f} times as fast as it plays: use c(slin) in Dial(AudioSocket/…)"


def _is_held_up(heard: Heard) -> bool:
    """Whether it comes too slowly although it is what its kind says: of another codec, frames are short, or noise."""
    is_slow = 0 < heard.pace < 1 - PACE_TOLERANCE and heard.law is None and heard.is_slow
    return is_slow and heard.frame_s >= PTIME_MS / 1000 and heard.texture not in ("codec", "compressed")


_DISORDERS: Final = {
    "byte-swapped": ("byte-swapped", "send little-endian samples"),
    "shifted by one byte": ("byte-shifted", "cut audio between samples, at even offsets"),
    "in 32-bit floats": ("sample-format", "multiply them by 32767, and send 16-bit little-endian integers"),
    "in 8-bit samples": ("sample-format", "send 16-bit little-endian samples"),
    "in 24-bit samples": ("sample-format", "send 16-bit little-endian samples"),
    "in 32-bit samples": ("sample-format", "send 16-bit little-endian samples"),
}
"""What `audio.pcm.guess_disorder` finds, with the id of the finding and the cure."""


def _disordered(heard: Heard, side: Side) -> list[str]:
    found = []
    if heard.disorder and not heard.law:
        finding_id, cure = _DISORDERS[heard.disorder]
        found.append(tagged(finding_id, f"the {side}'s audio is {heard.disorder}, which is noise: {cure}"))
    elif heard.texture == "compressed":
        what = "as noisy as compressed or encrypted bytes are (MP3, Opus, G.722 …)"
        found.append(tagged("compressed-bytes", f"the {side}'s audio is {what}: {_decode_cure(heard, side)}"))
    if heard.odd_bytes:
        text = (
            f"{heard.odd_bytes} of the {side}'s audio frames have an odd length, after which samples are out of step: "
            "cut audio between samples, at even offsets"
        )
        found.append(tagged("odd-length", text))
    if heard.has_wav_header:
        text = f"the {side} sent a WAV file's header as sound, which is heard as a click: send its samples only"
        found.append(tagged("wav-header", text))
    return found


def _wrong_levels(heard: Heard, side: Side) -> list[str]:
    found = []
    gain = "turn the gain before Asterisk down" if side is Side.CALLER else "turn its gain down"
    if not heard.peak and side is Side.CALLER:  # a server may have nothing to say
        text = "the caller sent nothing but digital silence: is the phone muted, or its audio lost before Asterisk?"
        found.append(tagged("caller-silent", text))
    if heard.clipped > _MAX_CLIPPED:
        text = f"clipped: {heard.clipped * 100:.1f} % of the {side}'s samples are at the limit; {gain}"
        found.append(tagged("clipped", text))
    if abs(heard.offset) > _MAX_OFFSET:
        where = "a faulty gateway or sound card?" if side is Side.CALLER else "are its samples signed, with 16 bits?"
        text = f"the {side}'s audio is off centre by {heard.offset * 100:.0f} %: {where}"
        found.append(tagged("off-centre", text))
    return found
