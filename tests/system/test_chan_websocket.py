"""Our stand-in for Asterisk's chan_websocket, and the driver itself, with one bot that keeps all that it gets.

An Asterisk calls that bot twice: by its own driver, and by AudioSocket through `serve --bridge`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import soxr

from audiosocket_cli.audio.pcm import Samples
from support.recording_bot import Heard, Turn, recording_bot
from support.running import Serve
from support.testbed import Place, best_match, heard_at_far_end, speechlike

pytestmark = pytest.mark.asterisk


NOISE = np.random.default_rng(5).integers(100, 3000, 1250 * 320, dtype=np.int16).tobytes()
"""No part of it is silent."""

LEFT_OVER = 20
"""In bytes: less than a frame."""

CALLER_S = 2.0


class Language(NamedTuple):
    """How commands are written."""

    name: str

    def command(self, command: str, name: str | None = None) -> str:
        """Return a command, perhaps with a correlation id."""
        if self.name == "plain-text":
            return command if name is None else f"{command} {name}"
        return json.dumps({"command": command} | ({} if name is None else {"correlation_id": name}))


def script(language: Language, frame_bytes: int, speech: bytes) -> list[Turn]:
    """What the bot does: all that the protocol has, and the odd cases, each once.

    What is counted is counted while the queue is paused, as nothing leaves it meanwhile.
    """
    do = language.command
    noise = NOISE[: 1250 * frame_bytes]
    frames = [noise[start : start + frame_bytes] for start in range(0, len(noise), frame_bytes)]
    fifty = [b"".join(frames[start : start + 50]) for start in range(0, 1250, 50)]
    pieces = [noise[:100], noise[100:1100], noise[1100:1434], noise[1434 : 5 * frame_bytes + LEFT_OVER]]
    return [
        Turn("DTMF_END", [
            do("PAUSE_MEDIA"), *frames[:2], do("GET_STATUS"), do("MARK_MEDIA", "whole frames"),
            frames[0][:-10], do("GET_STATUS"), do("MARK_MEDIA", "after a short one"),
            frames[0] + frames[1][:50], do("GET_STATUS"), do("MARK_MEDIA", "after one and a bit"), do("CONTINUE_MEDIA"),
        ]),
        Turn("one and a bit", [
            do("PAUSE_MEDIA"), do("START_MEDIA_BUFFERING"), *pieces, do("GET_STATUS"),
            do("STOP_MEDIA_BUFFERING", "pieces"), do("GET_STATUS"), do("CONTINUE_MEDIA"),
        ]),
        Turn("pieces", [
            do("PAUSE_MEDIA"), do("START_MEDIA_BUFFERING"), *frames[:5], do("MARK_MEDIA", "lost"), do("FLUSH_MEDIA"),
            do("GET_STATUS"), frames[0][:-10], do("GET_STATUS"), do("MARK_MEDIA", "kept"), do("CONTINUE_MEDIA"),
        ]),
        Turn("kept", [
            do("PAUSE_MEDIA"), *fifty, do("GET_STATUS"), do("FLUSH_MEDIA"), do("REPORT_QUEUE_DRAINED"),
            do("CONTINUE_MEDIA"),
        ]),
        Turn("QUEUE_DRAINED", [
            do("ANSWER"), do("SING_A_SONG"), do("MARK_MEDIA"), do("MARK_MEDIA", "x" * 150), do("GET_STATUS"),
            *([] if language.name == "plain-text" else ['{"command":"SET_MEDIA_DIRECTION","direction":"up"}',
                                                        '{"command":"SET_MEDIA_DIRECTION"}', "[]", "7"]),
            do("SET_MEDIA_DIRECTION"),
            speech, do("MARK_MEDIA", "speech"),
        ]),
        Turn("DTMF_END", [do("HANGUP")]),
    ]  # fmt: skip


DIFFERENT_IN_EACH_CALL = re.compile(r'(connection_id|channel|channel_id)("?:"?)[^" ,]+')


def alike(heard: Heard) -> list[str]:
    """Return the texts without what differs from call to call, and without variables of Asterisk's channel."""
    texts = [re.sub(r'"channel_variables":\{.*\}', '"channel_variables":{}', text) for text in heard.texts]
    return [DIFFERENT_IN_EACH_CALL.sub(r"\1\2…", text) for text in texts]


def sound_in(samples: Samples) -> Samples:
    """Return what is not silence of 10 ms or more."""
    loud = np.flatnonzero(samples)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) >= 80) + 1)
    return np.concatenate([samples[part[0] : part[-1] + 1] for part in parts])


def likeness(heard: Samples, heard_hz: int, said: Samples, said_hz: int) -> float:
    """Return the coefficient of correlation where `said` is heard. A conversion moves it by a part of a sample."""
    fine = [soxr.resample(heard, heard_hz, 32000), soxr.resample(said[: -said_hz // 50], said_hz, 32000)]
    return best_match(*fine)[1]


@pytest.fixture
def caller(tmp_path: Path) -> str:
    """What the caller does: they press a key, with which all begins, speak, and press another once the bot is done."""
    soundfile.write(tmp_path / "caller.wav", speechlike(CALLER_S), 8000)
    return f"silence 1, digits 1, play {tmp_path / 'caller.wav'}, silence 1.5, digits 5, silence 5"


@pytest.mark.parametrize(
    ("language", "kind", "rate_hz"),
    [(Language("json"), "slin", 8000), (Language("json"), "slin16", 16000), (Language("plain-text"), "slin", 8000)],
    ids=["json-8-khz", "json-16-khz", "plain-text-8-khz"],
)
def test_a_bot_gets_the_same_from_the_bridge_as_from_the_driver(
    serve: Serve, place: Place, caller: str, language: Language, kind: str, rate_hz: int
) -> None:
    said = speechlike(1.5, rate_hz)
    frame_bytes = rate_hz // 50 * 2
    turns = script(language, frame_bytes, said.tobytes())

    with recording_bot(turns) as (bot, url):
        options = ["--interface", "websocket", "--format", kind, "--control", language.name]
        account = place(url, caller, *options, "--record-far")
        assert bot.heard.over.wait(20)
        from_driver, heard_from_driver = bot.heard, heard_at_far_end(account)[0]
        assert account["dialplan_continued"]

    with recording_bot(turns) as (bot, url):
        options = ["--bridge-text"] if language.name == "plain-text" else []
        bridge = ["--bridge", url, "--bridge-protocol", "chan-websocket", "--bridge-rate", str(rate_hz)]
        serving = serve(*bridge, *options, "--json")
        account = place(serving, caller, "--interface", "channel", "--format", kind, "--record-far")
        assert bot.heard.over.wait(20)
        from_bridge, heard_from_bridge = bot.heard, heard_at_far_end(account)[0]
        assert account["dialplan_continued"]
        serving.wait_for_end(account["uuid"])

    assert alike(from_bridge) == alike(from_driver)
    assert (from_bridge.subprotocol, from_bridge.extensions) == (from_driver.subprotocol, from_driver.extensions)
    assert from_bridge.closed == from_driver.closed == 1000
    assert {len(message) for message in from_bridge.media} == {frame_bytes}  # the driver's are as the caller's frames
    sent = [sound_in(np.frombuffer(b"".join(heard.media), "<i2")) for heard in (from_driver, from_bridge)]
    spoken = speechlike(CALLER_S)
    if rate_hz != 8000:  # Asterisk converts, both ways
        for samples in sent:
            assert likeness(samples, rate_hz, spoken, 8000) > 0.95
        for samples in (heard_from_driver, heard_from_bridge):
            assert likeness(samples, 8000, said, rate_hz) > 0.95
        return
    assert np.array_equal(*sent)
    assert sent[0].tobytes() in spoken.tobytes()  # Asterisk plays all of the file but its last samples
    assert len(sent[0]) > len(spoken) - 160
    bits = [NOISE[: 2 * frame_bytes], NOISE[:frame_bytes], NOISE[: 5 * frame_bytes]]
    assert sound_in(heard_from_driver).tobytes() == b"".join([*bits, said.tobytes()])
    bits.append(NOISE[5 * frame_bytes :][:LEFT_OVER])  # which the driver counts, and does not play
    assert sound_in(heard_from_bridge).tobytes() == b"".join([*bits, said.tobytes()])
