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
    noise = np.random.default_rng(5).integers(-3000, 3000, 1250 * frame_bytes // 2, dtype=np.int16).tobytes()
    frames = [noise[start : start + frame_bytes] for start in range(0, len(noise), frame_bytes)]
    fifty = [b"".join(frames[start : start + 50]) for start in range(0, 1250, 50)]
    pieces = [noise[:100], noise[100:1100], noise[1100:1434], noise[1434 : 5 * frame_bytes + 20]]
    return [
        Turn("MEDIA_START", [
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


def sounds_in(samples: Samples) -> list[bytes]:
    """Return the sounds between silences of 20 ms or more."""
    loud = np.flatnonzero(samples)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) >= 160) + 1)
    return [samples[part[0] : part[-1] + 1].tobytes() for part in parts if len(part)]


@pytest.fixture
def caller(tmp_path: Path) -> str:
    """What the caller does: they speak, and press a key once the bot has said all."""
    soundfile.write(tmp_path / "caller.wav", speechlike(2), 8000)
    return f"play {tmp_path / 'caller.wav'}, silence 7, digits 5, silence 5"


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
        serving = serve("--bridge", url, "--bridge-protocol", "chan-websocket", *options, "--json")
        account = place(serving, caller, "--interface", "channel", "--format", kind, "--record-far")
        assert bot.heard.over.wait(20)
        from_bridge, heard_from_bridge = bot.heard, heard_at_far_end(account)[0]
        assert account["dialplan_continued"]
        serving.wait_for_end(account["uuid"])

    assert alike(from_bridge) == alike(from_driver)
    assert (from_bridge.subprotocol, from_bridge.extensions) == (from_driver.subprotocol, from_driver.extensions)
    assert from_bridge.closed == from_driver.closed == 1000
    # The same samples, however they are cut into messages: the driver's are as long as the caller's frames.
    sent = [sounds_in(np.frombuffer(b"".join(heard.media), "<i2")) for heard in (from_driver, from_bridge)]
    assert sum(map(len, sent[0])) > 2 * frame_bytes * 50 * 0.9
    assert sent[0] == sent[1]
    assert {len(message) for message in from_bridge.media} == {frame_bytes}
    if rate_hz == 8000:  # no conversion on the way
        assert sounds_in(heard_from_bridge) == sounds_in(heard_from_driver)
        assert said.tobytes() in heard_from_bridge.tobytes()
    else:
        spoken = soxr.resample(said, rate_hz, 32000)
        for heard in (heard_from_driver, heard_from_bridge):
            assert best_match(soxr.resample(heard, 8000, 32000), spoken)[1] > 0.95
