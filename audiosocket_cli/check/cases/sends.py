"""sends/: a server sends nothing that ends a call, or that Asterisk cannot play."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from audiosocket_cli.asterisk.releases import Behaviour, Release, since
from audiosocket_cli.check.model import Case, Level, Observation, failed, passed, unknown
from audiosocket_cli.check.probe import HeardFrame
from audiosocket_cli.check.trial import Trial
from audiosocket_cli.codec import RATE_BY_KIND, SAMPLE_BYTES, Kind, digit_frame, encode, is_audio, kind_name

_MAX_SAMPLES: Final = 8096
"""What Asterisk's translators take at once (`ast_translate`, "Out of buffer space")."""

_FRAMES: Final = 40
_DIGIT: Final = "1"
_WAIT_S: Final = 0.3


async def _conversation(trial: Trial, is_wrong: Callable[[HeardFrame], bool], what: str) -> Observation:
    """Hold an ordinary call, with a key press in its middle, and look at all that the server sends."""
    probe = await trial.call()
    await trial.speak(probe, _FRAMES)
    await probe.send(encode(digit_frame(_DIGIT)))
    await trial.speak(probe, _FRAMES)
    await probe.until_ended(_WAIT_S)
    wrong = [frame for frame in probe.frames if is_wrong(frame)]
    if wrong:
        first = wrong[0]
        at_s = first.at_s - probe.passed.connected_s
        return failed(
            f"{len(wrong)} of {len(probe.frames)} frames {what}: the first after {at_s:.2f} s, {kind_name(first.kind)} "
            f"with {first.payload_bytes} bytes"
        )
    if not probe.frames:
        return unknown("the server sent nothing in this call: let it speak, or echo")
    return passed(f"none of {len(probe.frames)} frames {what}")


async def _kinds(trial: Trial) -> Observation:
    return await _conversation(
        trial,
        lambda frame: frame.kind not in RATE_BY_KIND and frame.kind != Kind.HANGUP,
        "are neither audio nor a hangup",
    )


async def _empty(trial: Trial) -> Observation:
    return await _conversation(
        trial, lambda frame: is_audio(frame.kind) and not frame.payload_bytes, "are audio of length 0"
    )


async def _odd(trial: Trial) -> Observation:
    return await _conversation(
        trial, lambda frame: is_audio(frame.kind) and bool(frame.payload_bytes % SAMPLE_BYTES), "have an odd length"
    )


async def _huge(trial: Trial) -> Observation:
    return await _conversation(
        trial, lambda frame: is_audio(frame.kind) and frame.payload_bytes > _MAX_SAMPLES * SAMPLE_BYTES + 1,
        f"have more than {_MAX_SAMPLES} samples",
    )  # fmt: skip


async def _rates(trial: Trial) -> Observation:
    return await _conversation(
        trial, lambda frame: is_audio(frame.kind) and frame.kind != Kind.SLIN, "are of another rate than 8000 Hz"
    )


def _is_not_strict(release: Release) -> str | None:
    return None if release.has(Behaviour.STRICT) else f"Asterisk {release} does not end a call for it"


def _takes_all_rates(release: Release) -> str | None:
    return f"Asterisk {release} takes all nine rates" if release.has(Behaviour.RATES) else None


SENDS_CASES: Final = (
    Case(
        id="sends/kinds",
        level=Level.MUST,
        requirement="The server sends audio and hangups only.",
        expected="No frame of another kind in an ordinary call with a key press.",
        asterisk="ast_audiosocket_receive_frame_with_hangup ends the call on any other kind",
        cure="send no 01, 03 or ff: digits towards a caller are tones in the audio, and an error is a hangup",
        run=_kinds,
        finding="server-sends-unknown-kind",
        versions=f"since {since(Behaviour.STRICT)}",
        applies=_is_not_strict,
        shown_by_replay=True,
    ),
    Case(
        id="sends/empty",
        level=Level.MUST,
        requirement="The server sends no audio frame of length 0.",
        expected="None in an ordinary call with a key press.",
        asterisk='ast_audiosocket_receive_frame_with_hangup: "Invalid message length" ends the call',
        cure="send nothing, or 20 ms of silence, when there is no audio",
        run=_empty,
        finding="server-sends-empty-audio",
        versions=f"since {since(Behaviour.STRICT)}",
        applies=_is_not_strict,
        shown_by_replay=True,
    ),
    Case(
        id="sends/odd",
        level=Level.SHOULD,
        requirement="Audio frames hold whole samples.",
        expected="No audio frame of an odd length in an ordinary call with a key press.",
        asterisk="ast_audiosocket_receive_frame_with_hangup: samples = bytes / 2; those that follow are out of step",
        cure="cut audio between samples, at even offsets",
        run=_odd,
        finding="odd-length",
        shown_by_replay=True,
    ),
    Case(
        id="sends/huge",
        level=Level.SHOULD,
        requirement=f"Audio frames hold at most {_MAX_SAMPLES:,} samples.",
        expected="No longer one in an ordinary call with a key press.",
        asterisk='ast_translate: "Out of buffer space", and the frame is lost',
        cure="send 20 ms in each frame",
        run=_huge,
        finding="frame-too-long",
        shown_by_replay=True,
    ),
    Case(
        id="sends/rates",
        level=Level.MUST,
        requirement="The server sends slin only to a release that takes no other rate.",
        expected="No kind 11 to 18 in an ordinary call with a key press.",
        asterisk=f"ast_audiosocket_receive_frame_with_hangup takes kinds 11 to 18 since {since(Behaviour.RATES)}",
        cure="convert audio to 8000 Hz, or update Asterisk",
        run=_rates,
        finding="rate-unsupported",
        versions=f"before {since(Behaviour.RATES)}",
        applies=_takes_all_rates,
        shown_by_replay=True,
    ),
)
