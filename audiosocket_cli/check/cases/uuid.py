"""uuid/: a server takes the first frame as Asterisk sends it, and any 16 bytes in it."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.check.model import Case, Level, Observation, Verdict
from audiosocket_cli.check.sounds import audio_frame
from audiosocket_cli.check.trial import Trial

_PAUSE_S: Final = 0.06

_ODD: Final = (UUID(int=0), UUID("12345678-1234-0234-1234-123456789abc"), UUID(int=(1 << 128) - 1))
"""All zeros, one without RFC 9562's version and variant bits, all ones."""


async def _any_bytes(trial: Trial) -> Observation:
    for uuid in _ODD:
        probe = await trial.call(uuid)
        judged = await trial.judge_hearing(probe, [])
        if judged.verdict is Verdict.FAIL:
            return Observation(judged.verdict, f"with the UUID {uuid}: {judged.observed}")
    return judged


async def _with_audio(trial: Trial) -> Observation:
    said = trial.sounds.many(3)
    probe = await trial.dial()
    await probe.send(trial.opening() + b"".join(map(audio_frame, said)))
    return await trial.judge_hearing(probe, said)


async def _late(trial: Trial) -> Observation:
    probe = await trial.dial()
    await probe.until_ended(trial.times.late_uuid_s)
    if probe.is_over:
        return trial.ended(probe)
    await probe.send(trial.opening())
    return await trial.judge_hearing(probe, [])


async def _split(trial: Trial) -> Observation:
    probe = await trial.dial()
    whole = trial.opening()
    await probe.send(whole[:2], whole[2:9], whole[9:], pause_s=_PAUSE_S)
    await asyncio.sleep(_PAUSE_S)
    return await trial.judge_hearing(probe, [])


def _is_given(setting: Any) -> str | None:
    return "--uuid names the only UUIDs that the server accepts" if setting.uuids.known else None


UUID_CASES: Final = (
    Case(
        id="uuid/any-bytes",
        level=Level.MUST,
        requirement="Any 16 bytes are a UUID.",
        expected="Calls with all zeros, all ones, and a UUID without RFC version bits are answered as others are.",
        asterisk="ast_uuid_to_str and uuid_parse take any 128 bits; dialplans make them up",
        cure="take the 16 bytes as they are, and do not check the version or variant of the UUID",
        run=_any_bytes,
        needs=_is_given,
        shown_by_replay=True,
    ),
    Case(
        id="uuid/with-audio",
        level=Level.MUST,
        requirement="The UUID and the first audio may arrive together.",
        expected="Three frames in the same segment as the UUID are heard, and those that follow.",
        asterisk="ast_audiosocket_init writes the UUID, and ast_audiosocket_send_frame audio at once after it",
        cure="keep what is left over after the UUID's 19 bytes: it is the first audio frame",
        run=_with_audio,
    ),
    Case(
        id="uuid/late",
        level=Level.MUST,
        requirement="The UUID may come seconds after the connection.",
        expected="A call whose UUID comes 3 s after the connection is answered as others are.",
        asterisk="chan_audiosocket connects when the channel is requested, and sends the UUID when it is called",
        cure="wait for the UUID for 10 s or longer",
        run=_late,
        shown_by_replay=True,
    ),
    Case(
        id="uuid/split",
        level=Level.SHOULD,
        requirement="A UUID frame that arrives in parts is read.",
        expected="A call whose first frame comes in three parts is answered as others are.",
        asterisk="ast_audiosocket_init: one write of 19 bytes, which TCP may cut anywhere",
        cure="read the first frame by length, as all others",
        run=_split,
    ),
)
