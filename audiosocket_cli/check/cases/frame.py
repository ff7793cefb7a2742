"""frame/: a server reads frames however TCP cuts and joins them, and whatever is in them."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.check.model import Case, Level, Observation
from audiosocket_cli.check.sounds import audio_frame
from audiosocket_cli.check.trial import Trial
from audiosocket_cli.codec import HEADER_BYTES, MAX_PAYLOAD_BYTES, RATE_BY_KIND, SAMPLE_BYTES, Frame, Kind, encode

_BY_LENGTH: Final = (
    "read by length: take the 3 bytes of a header, then as many bytes as it says, however many reads that takes, and "
    "keep what is left over for the next frame"
)
_PAUSE_S: Final = 0.06
"""Longer than any server takes to read what is there."""

_TOGETHER: Final = 10
_PTIMES_MS: Final = (10, 30, 40, 60)


async def _coalesced(trial: Trial) -> Observation:
    said = trial.sounds.many(_TOGETHER)
    return await trial.try_pieces(await trial.call(), [b"".join(map(audio_frame, said))], said)


async def _cut(trial: Trial, after_bytes: int) -> Observation:
    said = trial.sounds.many(1)
    whole = audio_frame(said[0])
    return await trial.try_pieces(
        await trial.call(), [whole[:after_bytes], whole[after_bytes:]], said, pause_s=_PAUSE_S
    )


async def _split_header(trial: Trial) -> Observation:
    return await _cut(trial, 1)


async def _split_after_header(trial: Trial) -> Observation:
    return await _cut(trial, HEADER_BYTES)


async def _split_payload(trial: Trial) -> Observation:
    return await _cut(trial, HEADER_BYTES + 100)


async def _byte_by_byte(trial: Trial) -> Observation:
    said = trial.sounds.many(1)
    return await trial.try_pieces(
        await trial.call(), [bytes([byte]) for byte in audio_frame(said[0])], said, pause_s=0.001
    )


async def _other_lengths(trial: Trial) -> Observation:
    said = [trial.sounds.next(ms) for ms in _PTIMES_MS]
    return await trial.try_pieces(await trial.call(), [*map(audio_frame, said)], said, pause_s=_PAUSE_S)


async def _largest(trial: Trial) -> Observation:
    large = audio_frame(trial.sounds.of_bytes(MAX_PAYLOAD_BYTES))
    trial.extra_s = MAX_PAYLOAD_BYTES / SAMPLE_BYTES / RATE_BY_KIND[Kind.SLIN]  # a server that paces plays it first
    return await trial.try_pieces(await trial.call(), [large], [])


async def _empty_payload(trial: Trial) -> Observation:
    return await trial.try_pieces(await trial.call(), [audio_frame(b"")], [])


async def _unknown_kind(trial: Trial) -> Observation:
    frames = [encode(Frame(kind, b"unknown")) for kind in (0x02, 0x19, 0x7F)]
    return await trial.try_pieces(await trial.call(), frames, [])


FRAME_CASES: Final = (
    Case(
        id="frame/coalesced",
        level=Level.MUST,
        requirement="Frames that arrive together are all read.",
        expected="Ten frames sent with one send are heard, and those that follow.",
        asterisk="ast_audiosocket_send_frame writes each frame by itself; TCP and proxies join them (stunnel always)",
        cure=_BY_LENGTH,
        run=_coalesced,
    ),
    Case(
        id="frame/split-header",
        level=Level.MUST,
        requirement="A header that arrives in parts is read.",
        expected="A frame whose header is cut after its first byte is heard, and those that follow.",
        asterisk="ast_audiosocket_send_frame: one write, which TCP may cut anywhere",
        cure=_BY_LENGTH,
        run=_split_header,
    ),
    Case(
        id="frame/split-after-header",
        level=Level.MUST,
        requirement="A payload that arrives later than its header is read.",
        expected="A frame that is cut after its header is heard, and those that follow.",
        asterisk="ast_audiosocket_send_frame: one write, which TCP may cut anywhere",
        cure=_BY_LENGTH,
        run=_split_after_header,
    ),
    Case(
        id="frame/split-payload",
        level=Level.MUST,
        requirement="A payload that arrives in parts is read.",
        expected="A frame that is cut within its payload is heard, and those that follow.",
        asterisk="ast_audiosocket_send_frame: one write, which TCP may cut anywhere",
        cure=_BY_LENGTH,
        run=_split_payload,
    ),
    Case(
        id="frame/byte-by-byte",
        level=Level.SHOULD,
        requirement="A frame that arrives byte by byte is read.",
        expected="A frame sent with 323 sends is heard, and those that follow.",
        asterisk="ast_audiosocket_send_frame: one write, which TCP may cut anywhere, and more than once",
        cure=_BY_LENGTH,
        run=_byte_by_byte,
    ),
    Case(
        id="frame/other-lengths",
        level=Level.MUST,
        requirement="Frames of 10, 30, 40 and 60 ms are read.",
        expected="Frames of 160, 480, 640 and 960 bytes are heard, and those that follow.",
        asterisk="audiosocket_run forwards frames as long as the caller's packets are",
        cure="take the length of each frame from its header, and never assume 320 bytes",
        run=_other_lengths,
        shown_by_replay=True,
    ),
    Case(
        id="frame/largest",
        level=Level.INFO,
        requirement="A frame of 65,535 bytes, the most that there can be, does not disturb a call.",
        expected="The call goes on, and frames that follow are heard.",
        asterisk="the length has 16 bits; Asterisk itself sends 23,040 bytes at most (60 ms of slin192)",
        cure="read the length as an unsigned number of 16 bits, the high byte first",
        run=_largest,
        shown_by_replay=True,
    ),
    Case(
        id="frame/empty-payload",
        level=Level.INFO,
        requirement="An audio frame of length 0 does not disturb a call.",
        expected="The call goes on, and frames that follow are heard.",
        asterisk="Asterisk does not send any; proxies and test tools might",
        cure="do not take a payload of 0 bytes for the end of the stream",
        run=_empty_payload,
        shown_by_replay=True,
    ),
    Case(
        id="frame/unknown-kind",
        level=Level.SHOULD,
        requirement="A frame of an unknown kind is skipped.",
        expected="Frames of the kinds 02, 19 and 7f are skipped, and those that follow are heard.",
        asterisk="releases since 20.14 have sent kinds that older servers did not know (03, 11 to 18)",
        cure="skip as many bytes as the header of an unknown frame says, and go on",
        run=_unknown_kind,
        shown_by_replay=True,
    ),
)
