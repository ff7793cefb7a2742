"""A bot that is reached by a WebSocket, in whole calls: real sessions, real servers, each way in which a bot fails."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from audiosocket_cli.audio.pcm import decode_law, encode_mu_law, to_slin, tone
from audiosocket_cli.call.bots import bridge as module
from audiosocket_cli.codec import Kind
from audiosocket_cli.finding import untagged
from support.bridged import UUID_1, BridgedCall, bridged_call, options_for
from support.peers import free_port
from support.websocket_bots import Diary, certificate, websocket_bot

WORDS = to_slin(decode_law(encode_mu_law(to_slin(tone(440, 8000, 0.5))), "µ-law"))
"""Half a second that comes through µ-law unchanged."""

Script = Callable[[ServerConnection], Awaitable[None]]
Talk = Callable[[BridgedCall, Diary], Awaitable[Any]]


def media(samples: bytes) -> str:
    payload = base64.b64encode(encode_mu_law(samples)).decode()
    return json.dumps({"event": "media", "streamSid": "MZ", "media": {"payload": payload}})


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "streamSid": "MZ", "mark": {"name": name}})


def with_call(
    talk: Talk, script: Script | None = None, *, protocol: str = "twilio", kind: int = Kind.SLIN,
    server: dict[str, Any] | None = None, **more: Any,
) -> tuple[dict[str, Any], Diary, BridgedCall]:  # fmt: skip
    """Place a call to a bot that keeps a diary and says what a script says."""

    async def main() -> tuple[dict[str, Any], Diary, BridgedCall]:
        diary = Diary(script)
        async with (
            websocket_bot(diary, **(server or {})) as url,
            bridged_call(options_for(url, protocol, **more), kind) as call,
        ):
            await talk(call, diary)
            if not call.result:
                await call.hang_up()
            with contextlib.suppress(TimeoutError):  # one that does not read sees no end
                await call.until(lambda: diary.closed or not diary.path, 2)
        return call.result, diary, call

    return asyncio.run(main())


# What a call is like.


def test_a_bot_hears_the_call_in_twilio_s_order_to_its_end() -> None:
    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.speak(WORDS)
        await call.press("5")
        await call.until(lambda: diary.named("dtmf"))

    result, diary, _ = with_call(talk)
    kinds = [event["event"] for event in diary.events]
    assert kinds[:2] == ["connected", "start"]
    assert kinds[-1] == "stop"
    assert diary.closed == (1000, "")
    assert diary.named("start")[0]["start"]["callSid"] == f"CA{UUID_1.hex}"
    heard = [event["media"] for event in diary.named("media")]
    assert b"".join(base64.b64decode(each["payload"]) for each in heard)[: len(WORDS) // 2] == encode_mu_law(WORDS)
    assert {len(base64.b64decode(each["payload"])) for each in heard} == {160}
    assert [int(each["timestamp"]) for each in heard] == [20 * int(each["chunk"]) for each in heard]
    numbers = [int(event["sequenceNumber"]) for event in diary.events[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert result["findings"] == []
    bridge = result["bridge"]
    assert (bridge["protocol"], bridge["rate_hz"], bridge["error"], bridge["unread_s"]) == ("twilio", 8000, None, 0.0)
    assert 0 < bridge["connected_s"] < 10


def test_what_a_bot_says_is_heard_in_time_and_its_marks_are_answered_then() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(media(WORDS))
        await connection.send(mark("first"))
        await connection.send(media(WORDS))
        await connection.send(mark("second"))

    spoken = dict[str, int]()

    async def talk(call: BridgedCall, diary: Diary) -> None:
        for name in ("first", "second"):
            await call.until(lambda name=name: {"name": name} in [event["mark"] for event in diary.named("mark")])
            spoken[name] = sum(any(frame.payload) for _, frame in call.frames)

    result, _, call = with_call(talk, script)
    assert call.sound == (WORDS * 2).strip(b"\0")
    assert 23 <= spoken["first"] <= 35  # of the 25 frames before it, and of those until the bot had it
    assert 48 <= spoken["second"] <= 50
    assert result["bridge"]["said_s"] == 1.0


def test_a_clear_silences_the_bot_at_once_and_answers_its_marks() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(media(WORDS * 20))
        await connection.send(mark("a"))
        await connection.send(mark("b"))
        await asyncio.sleep(0.5)
        await connection.send('{"event":"clear","streamSid":"MZ"}')
        cleared.append(time.monotonic())

    cleared: list[float] = []

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.until(lambda: len(diary.named("mark")) == 2)
        await asyncio.sleep(0.3)

    _, diary, call = with_call(talk, script)
    assert [event["mark"]["name"] for event in diary.named("mark")] == ["a", "b"]
    assert sum(now_s > cleared[0] and any(frame.payload) for now_s, frame in call.frames) < 10


def test_what_is_no_message_of_the_protocol_is_ignored_and_noted() -> None:
    async def script(connection: ServerConnection) -> None:
        for odd in (
            b"\x00",
            "{",
            "[]",
            '{"event":"media"}',
            '{"event":"hello"}',
            '{"event":"media","media":{"payload":"/"}}',
        ):
            await connection.send(odd)
        await connection.send(media(WORDS))

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.until(lambda: len(call.sound) >= len(WORDS) - 640)

    result, _, _ = with_call(talk, script)
    assert result["finding_ids"] == ["bot-message-ignored"]
    assert [untagged(note).removeprefix("the bot's message is ignored: ") for note in result["findings"]] == [
        "a binary message", "not JSON", "JSON without an event", "media without a payload", "the unknown event hello",
        "media whose payload is not base64",
    ]  # fmt: skip
    assert result["ended_by"] == "caller"


def test_what_the_caller_said_before_the_bot_was_there_comes_first() -> None:
    async def wait(connection: ServerConnection, request: Request) -> None:
        await asyncio.sleep(0.4)

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.speak(WORDS)
        await call.press("1")
        await call.until(lambda: diary.named("dtmf"))

    _, diary, _ = with_call(talk, server={"process_request": wait})
    heard = b"".join(base64.b64decode(event["media"]["payload"]) for event in diary.named("media"))
    assert heard[: len(WORDS) // 2] == encode_mu_law(WORDS)
    assert diary.named("media")[0]["media"]["chunk"] == "1"


def test_no_more_than_a_second_is_kept_for_a_bot_that_is_late() -> None:
    async def wait(connection: ServerConnection, request: Request) -> None:
        await said.wait()

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.speak(WORDS * 3)
        said.set()
        await call.speak(WORDS)
        await call.until(lambda: diary.named("media"))

    said = asyncio.Event()
    result, diary, _ = with_call(talk, server={"process_request": wait})
    first = diary.named("media")[0]["media"]
    unread_s = result["bridge"]["unread_s"]
    assert 0.3 <= unread_s < 1.2
    assert int(first["timestamp"]) == pytest.approx(unread_s * 1000, abs=60)  # what is missing shows in the numbers


# How it ends.


def test_a_bot_that_closes_hangs_up_once_the_rest_has_been_heard_without_silence() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(media(WORDS * 2 + bytes(32_000)))  # two seconds of silence, as pipecat sends, and more
        for _ in range(6):
            await connection.send(media(bytes(32_000)))
        await connection.close()

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.end()

    result, diary, call = with_call(talk, script)
    assert call.sound == (WORDS * 2).strip(b"\0")
    assert (result["ended_by"], result["ended_reason"]) == ("server", "the bot hung up")
    assert result["duration_s"] < 10  # 15 s with the silence
    assert result["bridge"]["closed"] == {"code": 1000, "reason": ""}
    assert result["findings"] == []
    assert diary.named("stop") == []  # nobody is there to hear it


def test_a_bot_that_hangs_up_by_the_api_is_played_to_its_end() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(media(WORDS + bytes(32_000)))
        for _ in range(6):
            await connection.send(media(bytes(32_000)))

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.until(lambda: call.sound)
        assert call.bridge.call_sid == f"CA{UUID_1.hex}"
        call.bridge.end_by_api()
        call.bridge.end_by_api()
        await call.end()

    result, diary, call = with_call(talk, script)
    assert call.sound == WORDS.strip(b"\0")
    assert result["ended_reason"] == "the bot hung up through the API"
    assert result["duration_s"] < 10  # 14 s with the silence
    assert diary.named("stop")
    assert diary.closed == (1000, "")


def test_what_was_sent_just_before_a_hangup_by_the_api_is_played_however_much_it_is() -> None:
    """The message and the request come by different ways, and more waits than one turn reads."""
    pieces = [media(WORDS[start : start + 320]) for start in range(0, len(WORDS), 320)] * 16  # eight seconds
    rest = media(WORDS * 2 + bytes(32_000))

    async def script(connection: ServerConnection) -> None:
        for piece in pieces:
            await connection.send(piece)
        await connection.send(rest)
        hang_up()  # as its POST would, at once

    async def main() -> tuple[BridgedCall, float]:
        nonlocal hang_up
        async with websocket_bot(Diary(script)) as url, bridged_call(options_for(url)) as call:
            queued = list[float]()

            def end() -> None:
                call.bridge.end_by_api()
                call.bridge.end_by_api()
                asked.set()

            hang_up = end
            await asked.wait()
            voice = call.bridge._voice
            assert voice is not None
            await call.until(lambda: voice.speaker.is_ending)
            queued.append(voice.speaker.queued_s + voice.speaker.said_s)
            await call.hang_up()
        return call, queued[0]

    asked = asyncio.Event()
    hang_up: Callable[[], None] = lambda: None  # noqa: E731
    call, queued_s = asyncio.run(main())
    assert queued_s == pytest.approx(9.0, abs=0.05)
    assert call.result["bridge"]["dropped_s"] == 0


def test_a_bot_that_sends_on_after_its_hangup_by_the_api_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAST_TURNS", 10)

    async def script(connection: ServerConnection) -> None:
        begun.set()
        with contextlib.suppress(ConnectionClosed):
            while True:  # more than anybody takes
                await connection.send('{"event":"hello"}')

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await begun.wait()
        await asyncio.sleep(0.2)
        call.bridge.end_by_api()
        await call.end()

    begun = asyncio.Event()
    result, _, _ = with_call(talk, script)
    assert result["ended_reason"] == "the bot hung up through the API"
    assert result["duration_s"] < 60  # else it would never end


def test_a_bot_that_dies_after_its_hangup_by_the_api_has_not_failed(tmp_path: Path) -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(media(WORDS))
        await asyncio.sleep(0.3)
        hang_up()
        connection.transport.abort()

    async def talk(call: BridgedCall, diary: Diary) -> None:
        nonlocal hang_up
        hang_up = call.bridge.end_by_api
        await call.end()

    hang_up: Callable[[], None] = lambda: None  # noqa: E731
    result, _, call = with_call(talk, script, fallback=fallback(tmp_path))
    assert result["findings"] == []
    assert result["ended_reason"] == "the bot hung up through the API"
    assert call.sound == WORDS.strip(b"\0")


def fallback(folder: Path) -> Path:
    soundfile.write(folder / "sorry.wav", tone(1000, 8000, 0.3), 8000)
    return folder / "sorry.wav"


def test_a_bot_that_cannot_be_reached_is_named_and_the_caller_hears_the_fallback(tmp_path: Path) -> None:
    async def main() -> BridgedCall:
        url = f"ws://127.0.0.1:{free_port()}/?token=secret"
        async with bridged_call(options_for(url, fallback=fallback(tmp_path))) as call:
            await call.speak(bytes(320 * 10))
            await call.end()
        return call

    call = asyncio.run(main())
    (note,) = call.result["findings"]
    assert note.startswith("cannot connect to ws://127.0.0.1:")
    assert note.endswith("connection refused; does the bot listen there? [bot-lost]")
    assert "secret" not in json.dumps(call.result)
    assert call.result["ended_reason"] == call.result["bridge"]["error"] == untagged(note)
    assert call.result["bridge"]["connected_s"] is None
    heard = np.frombuffer(call.sound, "<i2")
    assert len(heard) == pytest.approx(2400, abs=40)
    assert np.argmax(np.abs(np.fft.rfft(heard, 8000))) == pytest.approx(1000, abs=5)


@pytest.mark.parametrize("protocol", ["twilio", "chan-websocket", "raw"])
def test_without_a_fallback_the_caller_hears_silence_and_a_hangup(protocol: str) -> None:
    async def main() -> BridgedCall:
        async with bridged_call(options_for(f"ws://127.0.0.1:{free_port()}/", protocol)) as call:
            await call.end()
        return call

    call = asyncio.run(main())
    assert call.sound == b""
    assert call.result["duration_s"] < 10
    assert len(call.result["findings"]) == 1


def test_a_bot_that_dies_is_named_and_what_it_said_is_heard_before_the_fallback(tmp_path: Path) -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(media(WORDS))
        await asyncio.sleep(0.1)
        connection.transport.abort()

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.end()

    result, _, call = with_call(talk, script, fallback=fallback(tmp_path))
    (note,) = result["findings"]
    assert note.startswith("the bot at ws://127.0.0.1:")
    assert "is gone: " in note
    assert call.sound.startswith(WORDS.lstrip(b"\0")[:-320])
    assert len(call.sound) == pytest.approx(len(WORDS) + 4800, abs=700)


def test_a_bot_that_closes_with_a_fault_is_named_with_its_code() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.close(1011, "out of memory")

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.end()

    result, _, _ = with_call(talk, script)
    assert result["findings"][0].endswith("has closed the connection with code 1011 (out of memory) [bot-lost]")
    assert result["bridge"]["closed"] == {"code": 1011, "reason": "out of memory"}


def test_a_bot_that_stalls_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PING_FRAMES", 20)

    async def script(connection: ServerConnection) -> None:
        connection.transport.pause_reading()  # which a process that was stopped does, too

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.end()

    result, _, _ = with_call(talk, script)
    assert "has stalled: it has answered nothing for 0.4 s" in result["findings"][0]
    assert 0.5 < result["duration_s"] < 12


def test_a_quiet_bot_that_answers_pings_has_not_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PING_FRAMES", 10)

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await asyncio.sleep(1.2)

    result, _, _ = with_call(talk)
    assert result["findings"] == []
    assert result["ended_by"] == "caller"


def test_a_bot_that_is_not_up_yet_is_tried_again() -> None:
    answers = [503, 503]

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        if not answers:
            return None
        status = HTTPStatus(answers.pop())
        return Response(status, status.phrase, Headers(), b"")

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.until(lambda: diary.named("start"))

    result, _, _ = with_call(talk, server={"process_request": refuse}, retry=2)
    assert result["findings"] == []
    assert result["bridge"]["connected_s"] > 0.7


def test_a_bot_that_says_no_is_not_asked_again_and_attempts_are_counted() -> None:
    asked: list[int] = []

    def refusing(status: HTTPStatus) -> dict[str, Any]:
        def refuse(connection: ServerConnection, request: Request) -> Response:
            asked.append(status)
            return Response(status, status.phrase, Headers(), b"")

        return {"process_request": refuse}

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.end()

    result, _, _ = with_call(talk, server=refusing(HTTPStatus.UNAUTHORIZED), retry=3)
    assert asked == [401]
    assert result["findings"][0].endswith("refuses the connection: HTTP 401 Unauthorized [bot-lost]")
    result, _, _ = with_call(talk, server=refusing(HTTPStatus.SERVICE_UNAVAILABLE), retry=1)
    assert asked == [401, 503, 503]
    assert result["findings"][0].endswith("HTTP 503 Service Unavailable (2 attempts) [bot-lost]")


def test_a_caller_who_hangs_up_while_the_bot_is_dialled_leaves_nothing_behind() -> None:
    async def wait(connection: ServerConnection, request: Request) -> None:
        await asyncio.sleep(2)

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.speak(WORDS[:3200])
        await call.hang_up()
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("bridge")] == []

    result, _, _ = with_call(talk, server={"process_request": wait})
    assert result["findings"] == []
    assert result["bridge"]["connected_s"] is None


def test_a_bot_that_does_not_close_is_left_after_a_second() -> None:
    async def stubborn(connection: ServerConnection) -> None:
        await asyncio.sleep(1)
        connection.transport.pause_reading()
        await left.wait()

    async def main() -> tuple[BridgedCall, float]:
        async with websocket_bot(stubborn) as url, bridged_call(options_for(url)) as call:
            await asyncio.sleep(1.2)
            begun_s = time.monotonic()
            await call.hang_up()
            left.set()
            return call, time.monotonic() - begun_s

    left = asyncio.Event()
    call, took_s = asyncio.run(main())
    assert took_s < 20  # else for ever
    assert call.result["ended_by"] == "caller"


@pytest.mark.parametrize(
    "message", ["{}", '{"event":"mark","mark":{"name":"a"}}', '{"event":"clear"}'], ids=["rubbish", "marks", "clears"]
)
def test_a_bot_that_floods_with_short_messages_holds_up_nobody(message: str) -> None:
    async def script(connection: ServerConnection) -> None:
        data = message.encode()
        connection.transport.write((bytes((0x81, len(data))) + data) * 100_000)

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.until(lambda: diary.path)
        for _ in range(20):
            begun_s = time.monotonic()
            call.bridge.next_bytes(Kind.SLIN)
            took_s.append(time.monotonic() - begun_s)
            await asyncio.sleep(0.01)

    took_s: list[float] = []
    with_call(talk, script)
    assert sorted(took_s)[10] < 0.012  # a promise about time: half of them may be disturbed by others


def test_a_bot_that_takes_no_event_is_named_with_what_it_did() -> None:
    async def script(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        for _ in range(20):
            connection.transport.write(b'\x81\x18{"command":"GET_STATUS"}' * 1000)
            await asyncio.sleep(0.05)

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.end()

    result, _, _ = with_call(talk, script, protocol="chan-websocket")
    assert result["findings"][0].endswith("does not read: too many events wait for it [bot-lost]")


# Encryption and headers.


def test_an_encrypted_bot_with_headers_and_the_uuid_in_its_url(tmp_path: Path) -> None:
    file, server = certificate(tmp_path)
    diary = Diary()

    async def main() -> BridgedCall:
        async with websocket_bot(diary, ssl=server) as url:
            options = options_for(
                f"{url}calls/{{uuid}}?t=1", "raw", ca=file, headers=[("Authorization", "Bearer x")]
            )  # fmt: skip
            async with bridged_call(options) as call:
                await call.speak(WORDS)
                await call.until(lambda: len(diary.audio) >= len(WORDS))
                await call.hang_up()
            return call

    call = asyncio.run(main())
    assert diary.path == f"/calls/{UUID_1}?t=1"
    assert diary.headers["Authorization"] == "Bearer x"
    assert diary.audio.startswith(WORDS)
    assert call.result["bridge"]["url"].endswith("/calls/{uuid}")
    assert "Bearer" not in json.dumps(call.result)


# The other two protocols.


def test_raw_samples_there_and_back_at_the_rate_of_the_call() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(sound[:1001])  # odd: half a sample waits
        await connection.send(sound[1001:])
        await connection.send('{"mark": "m"}')

    sound = to_slin(tone(440, 16000, 0.4))

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.speak(sound, bytes_of_frame=640)
        await call.press("#")
        await call.until(lambda: diary.named("digit") and diary.named("mark") and diary.named("idle"))

    result, diary, call = with_call(talk, script, protocol="raw", kind=Kind.SLIN16)
    (start,) = diary.named("start")
    assert (start["uuid"], start["rate_hz"], start["kind"]) == (str(UUID_1), 16000, "slin16")
    assert diary.audio.startswith(sound)
    assert {len(message) for message in diary.messages if isinstance(message, bytes)} == {640}
    assert call.sound == sound.strip(b"\0")
    assert diary.events[-1]["event"] == "hangup"
    assert diary.events[-1]["by"] == "caller"
    assert result["bridge"]["rate_hz"] == 16000


def test_a_raw_bot_flushes_and_hangs_up_with_a_result() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(WORDS * 20)
        await connection.send('{"mark": "never"}')
        await connection.send('{"play": "a.wav"}')
        await heard.wait()
        await connection.send('{"flush": true}')
        await connection.send(WORDS)
        await connection.send('{"hangup": true, "result": "sales"}')

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.until(lambda: len(call.sound) > 3200)
        heard.set()
        await call.end()
        assert call.live.session.call is not None
        assert call.live.session.call.result == "sales"

    heard = asyncio.Event()
    result, diary, _ = with_call(talk, script, protocol="raw")
    (flushed,) = diary.named("flushed")
    assert 8 < flushed["dropped_s"] < 9.95
    (dropped,) = diary.named("mark")
    assert (dropped["mark"], dropped["dropped"]) == ("never", True)
    assert "a.wav is not played" in diary.named("error")[0]["error"]
    assert result["duration_s"] < 8
    assert result["ended_reason"] == "the bot hung up"


def test_a_raw_bot_that_floods_has_to_wait() -> None:
    sent = []

    async def script(connection: ServerConnection) -> None:
        for _ in range(1000):
            await connection.send(bytes(160_000))  # ten seconds
            sent.append(1)

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await asyncio.sleep(1.5)
        assert call.bridge._voice is not None
        assert call.bridge._voice.speaker.queued_s <= 120 + 2 * 10

    result, _, _ = with_call(talk, script, protocol="raw")
    assert 5 < len(sent) < 200
    assert result["bridge"]["dropped_s"] == 0


def test_a_bot_of_the_channel_driver_hears_and_is_heard_at_the_rate_of_the_call() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send('{"command":"ANSWER"}')
        await connection.send('{"command":"START_MEDIA_BUFFERING"}')
        await connection.send(sound)
        await connection.send('{"command":"STOP_MEDIA_BUFFERING","correlation_id":"all"}')
        await connection.send('{"command":"MARK_MEDIA","correlation_id":"m"}')

    sound = to_slin(tone(440, 16000, 0.41))

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.speak(sound, bytes_of_frame=640)
        await call.press("7")
        await call.until(lambda: diary.named("MEDIA_MARK_PROCESSED") and diary.named("DTMF_END"))

    server = {"subprotocols": ["media"]}
    _, diary, call = with_call(talk, script, protocol="chan-websocket", kind=Kind.SLIN16, server=server)
    first = diary.events[0]
    assert (first["event"], first["format"], first["optimal_frame_size"]) == ("MEDIA_START", "slin16", 640)
    assert diary.messages[0] == json.dumps(first, separators=(",", ":"))
    assert diary.headers["Sec-WebSocket-Protocol"] == "media"
    assert diary.audio.startswith(sound[: 20 * 640])
    assert call.sound == sound.strip(b"\0")
    answered = [event["correlation_id"] for event in diary.events if "correlation_id" in event]
    assert answered == ["all", "m"]
    assert diary.closed == (1000, "")


def test_a_hangup_of_the_channel_driver_drops_what_waits() -> None:
    async def script(connection: ServerConnection) -> None:
        for _ in range(6):
            await connection.send(WORDS * 6)
        await heard.wait()
        await connection.send("HANGUP")

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.until(lambda: len(call.sound) > 3200)
        heard.set()
        await call.end()

    heard = asyncio.Event()

    result, diary, _ = with_call(talk, script, protocol="chan-websocket", plain_text=True)
    assert isinstance(diary.messages[0], str)
    assert diary.messages[0].startswith("MEDIA_START connection_id:")
    assert result["duration_s"] < 10
    assert 12 < result["bridge"]["dropped_s"] < 17.95  # of 18 s
    assert "it has to wait for a mark first" in result["findings"][0]


def test_a_bot_of_the_channel_driver_that_dies_is_told_to_have_died_and_nothing_else(tmp_path: Path) -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(WORDS * 6)
        await heard.wait()
        connection.transport.abort()

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.until(lambda: len(call.sound) > 3200)
        heard.set()
        await call.end()

    heard = asyncio.Event()

    result, _, call = with_call(talk, script, protocol="chan-websocket", fallback=fallback(tmp_path))
    (note,) = result["findings"]
    assert "is gone: " in note
    assert 1 < result["bridge"]["dropped_s"] < 2.95
    assert len(call.sound) < 5 * len(WORDS)  # the fallback comes at once


def test_a_message_that_the_driver_does_not_take_ends_the_call() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(bytes(65_532))

    async def talk(call: BridgedCall, diary: Diary) -> None:
        await call.end()

    result, diary, _ = with_call(talk, script, protocol="chan-websocket")
    assert "has sent a message of more than 65531 bytes" in result["findings"][0]
    assert diary.closed is not None
    assert diary.closed[0] == 1009


# Slow readers.


def test_a_bot_that_does_not_read_loses_the_oldest_audio_and_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_AUDIO_S", 0.2)
    reads = asyncio.Event()

    async def late(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await reads.wait()
        connection.transport.resume_reading()
        await diary(connection)

    diary = Diary()

    async def main() -> BridgedCall:
        async with websocket_bot(late) as url, bridged_call(options_for(url, "raw"), Kind.SLIN192) as call:
            await call.speak(bytes(7680 * 150), bytes_of_frame=7680)
            reads.set()
            await call.press("9")
            await call.until(lambda: diary.named("digit"))
            await call.hang_up()
            await call.until(lambda: diary.closed)
        return call

    call = asyncio.run(main())
    bridge = call.result["bridge"]
    heard_s = len(diary.audio) / 384_000
    assert bridge["unread_s"] > 0.5
    # All that the caller said, and the silence after it: a machine that stands still then may shorten that.
    assert 2.95 < heard_s + bridge["unread_s"] < call.result["duration_s"] + 0.6
    assert "the bot reads too slowly: " in call.result["findings"][-1]


def test_a_bot_may_be_dialled_before_the_call_begins() -> None:
    async def main() -> Diary:
        diary = Diary()
        async with websocket_bot(diary) as url:
            options = options_for(url)
            link = await module.dial_bot(options, UUID_1)
            bot = module.Bridge(options, lambda event: None, link)
            assert bot.call_sid is None
            assert bot.ending == "the bot hung up"
            with contextlib.suppress(Exception):
                bot.kill()
            link.shut()
        return diary

    assert asyncio.run(main()).path == "/"
