"""What a call takes in memory, and what is left of one that is over: nothing, at once, without Python having to look
for cycles."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.server import ServerConnection

from audiosocket_cli.call.bots.bot_call import BotCall
from audiosocket_cli.call.bots.bridge import Bridge
from audiosocket_cli.call.bots.function import FunctionBot, FunctionOptions
from audiosocket_cli.call.bots.program import Program, ProgramOptions
from audiosocket_cli.call.driver import Driver
from audiosocket_cli.call.events import Event, Listening
from audiosocket_cli.call.faults.fault_plan import FaultPlan
from audiosocket_cli.call.faults.fault_spec import parse_fault
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.phases import CLOSE_TIMEOUT_S, Limits
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.disk_thread import Disk
from audiosocket_cli.call.sources.basic import Echo
from audiosocket_cli.capture.writing import parse_capture
from audiosocket_cli.codec import Frame, Kind, encode, uuid_frame
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.server.admission import AdmissionOptions
from audiosocket_cli.server.calls import Calls
from audiosocket_cli.server.options import MirrorOptions, RelayOptions, ServeOptions
from audiosocket_cli.server.server import Callbacks, Server
from audiosocket_cli.text import json_lines
from support.bots import SILENCE, bot
from support.bridged import options_for
from support.peers import free_port
from support.websocket_bots import threaded_bot

CALLS = 3
SPEECH = encode(Frame(Kind.SLIN, bytes(range(64)) * 5))
ENDS = {
    "hangup": [encode(uuid_frame(UUID(int=1))), SPEECH, SPEECH, encode(Frame(Kind.DTMF, b"5")), b"\0\0\0"],
    "close": [encode(uuid_frame(UUID(int=1))), SPEECH, SPEECH],
    "reset": [encode(uuid_frame(UUID(int=1))), SPEECH, SPEECH, "reset"],
    "no UUID": [SPEECH],
    "nothing": [],
}
UUID_S = 0.3
LET_GO_S = UUID_S + CLOSE_TIMEOUT_S + 20
"""A session is kept until the last time at which it once wanted to be woken: when no UUID had come, or no close."""

CALL_MODULES = (
    "audiosocket_cli.call.", "audiosocket_cli.call.live_call", "audiosocket_cli.capture.", "audiosocket_cli.websocket.",
    "websockets.client",
)  # fmt: skip


@pytest.fixture
def no_search() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def of_calls() -> Counter[str]:
    """Count all objects there are of classes that calls are made of."""
    return Counter(
        type(each).__qualname__ for each in gc.get_objects() if str(type(each).__module__).startswith(CALL_MODULES)
    )


async def call(port: int, words: list[Any]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for word in words:
        if word == "reset":
            writer.transport.abort()
            return
        writer.write(word)
        await asyncio.sleep(0.02)
    with suppress(OSError):  # the other end may have gone first
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def left_over(options: ServeOptions, words: list[Any], news: Any = None) -> Counter[str]:
    """Serve some calls, and return what is there of them once they are over."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def report(event: Event) -> None:
        if isinstance(event, Listening):
            listening.set_result(event.port)

    server = Server(options, report, lambda line: None, callbacks=Callbacks(news=news))
    serving = asyncio.create_task(server.run())
    port = await listening

    before = of_calls()  # what the server has of its own
    for _ in range(CALLS):
        await call(port, words)
    give_up_s = time.monotonic() + LET_GO_S
    while (left := of_calls() - before) and time.monotonic() < give_up_s:
        await asyncio.sleep(0.05)
    server.stop()
    await serving
    return left


def served(
    words: list[Any], make_bot: Any = None, tmp_path: Path | None = None, news: Any = None, **others: Any
) -> Counter[str]:
    record = FileOutput.in_folder(tmp_path / "calls") if tmp_path else None
    if record is not None:
        record.prepare()
    options = CallOptions(
        make_source=Echo,
        make_bot=make_bot,
        record=record,
        capture=parse_capture(f"{tmp_path}/captures/", "x") if tmp_path else None,
        detect_dtmf=True,
        limits=Limits(uuid_s=UUID_S),
    )
    return asyncio.run(left_over(ServeOptions(Address("127.0.0.1", 0), options, **others), words, news))


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("end", ENDS)
def test_a_recorded_and_captured_call_is_gone_at_once(tmp_path: Path, end: str) -> None:
    assert served(ENDS[end], tmp_path=tmp_path) == Counter()
    assert len(list(tmp_path.rglob("*.wav"))) == CALLS * (end in ("hangup", "close", "reset"))


@pytest.mark.usefixtures("no_search")
def test_a_call_that_a_program_answered_is_gone_at_once() -> None:
    make_bot = partial(Program, ProgramOptions(["cat"]))
    assert served(ENDS["close"], make_bot, on_call_end=["true"]) == Counter()


async def echo(call: BotCall) -> None:
    async for frame in call.audio():
        await call.say(frame)


async def fail(call: BotCall) -> None:
    await call.digit()
    raise ValueError("wrong")


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("function", [echo, fail])
@pytest.mark.parametrize("end", ENDS)
def test_a_call_that_a_function_answered_is_gone_at_once(function: Any, end: str) -> None:
    make_bot = partial(FunctionBot, FunctionOptions(function, "bot:answer"))
    assert served(ENDS[end], make_bot) == Counter()


async def echo_over_websocket(connection: ServerConnection) -> None:
    async for message in connection:
        if isinstance(message, bytes):
            await connection.send(message)


async def close_at_once(connection: ServerConnection) -> None:
    await connection.close(1011, "oh")


async def die(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.abort()


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("protocol", ["raw", "chan-websocket"])
@pytest.mark.parametrize("handler", [echo_over_websocket, close_at_once, die, None])
@pytest.mark.parametrize("end", ENDS)
def test_a_call_that_was_passed_on_to_a_websocket_is_gone_at_once(handler: Any, end: str, protocol: str) -> None:
    """Whatever the bot does; None: there is none."""
    url = f"ws://127.0.0.1:{free_port()}/"
    with contextlib.ExitStack() as stack:
        if handler is not None:
            url = stack.enter_context(threaded_bot(handler))
        assert served(ENDS[end], partial(Bridge, options_for(url, protocol))) == Counter()


@pytest.mark.usefixtures("no_search")
def test_a_call_that_others_can_ask_about_is_gone_at_once() -> None:
    make_bot = partial(Program, ProgramOptions(["sh", "-c", """echo '{"hangup": true, "result": "x"}' >&3; cat"""]))
    told: list[dict[str, Any]] = []
    assert served(ENDS["close"], make_bot, news=told.append) == Counter()
    assert [news["result"] for news in told if "result" in news] == ["x"] * CALLS
    assert len([news for news in told if "ended" in news]) == CALLS


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("judge", ["true", "false"])
def test_a_call_that_was_asked_about_is_gone_at_once(judge: str) -> None:
    assert served(ENDS["close"], admission=AdmissionOptions(authorize=[judge])) == Counter()


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("end", ["hangup", "close", "reset"])
@pytest.mark.parametrize("is_mirrored", [False, True], ids=["passed on", "mirrored"])
def test_a_call_that_is_passed_on_is_gone_at_once(tmp_path: Path, end: str, is_mirrored: bool) -> None:
    record = FileOutput.in_folder(tmp_path / "calls")
    record.prepare()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    async def main() -> Counter[str]:
        async with await asyncio.start_server(hear, "127.0.0.1", 0) as far:
            address = Address(*far.sockets[0].getsockname())
            mirror = MirrorOptions(address, record.beside("mirror")) if is_mirrored else None
            options = ServeOptions(
                Address("127.0.0.1", 0), CallOptions(record=record), relay=RelayOptions([address], mirror=mirror)
            )
            return await left_over(options, ENDS[end])

    assert asyncio.run(main()) == Counter()
    assert len(list(tmp_path.rglob("*.wav"))) == CALLS * (1 + is_mirrored)


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("faults", [["latency 20ms", "to-server drop every 2"], ["reset after 30ms"]], ids=str)
def test_a_call_with_faults_is_gone_at_once(tmp_path: Path, faults: list[str], end: str) -> None:
    plan = FaultPlan([parse_fault(fault) for fault in faults])
    with bot(lambda heard: SILENCE) as target:
        relay = RelayOptions([parse_address(target)], faults=plan)
        assert served(ENDS[end], tmp_path=tmp_path, relay=relay) == Counter()


MAX_STATE_BYTES = 10_500
"""Of a recorded call that talks, beside the audio that waits for its taps: 9,600 on Python 3.11, 64 bits."""


SHARED = (type, ModuleType, FunctionType, Driver, Calls, Disk)
"""What belongs to all calls, and leads to all of them."""


def size_of(roots: list[Any], shared: set[int]) -> tuple[int, set[int]]:
    """Return what objects take, with all that only they hold, and all of these; what is `shared` is left out."""
    seen, size = set(shared), 0
    waiting = list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, SHARED):
            continue
        seen.add(id(each))
        size += 0 if isinstance(each, bytes) and len(each) > 200 else sys.getsizeof(each)
        waiting += gc.get_referents(each)
        for name in getattr(type(each), "__slots__", ()):
            waiting.append(getattr(each, name, None))
    return size, seen


def test_a_recorded_call_takes_little_beside_its_audio(tmp_path: Path) -> None:
    async def main() -> int:
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def report(event: Event) -> None:
            if isinstance(event, Listening):
                listening.set_result(event.port)

        record = FileOutput.in_folder(tmp_path)
        record.prepare()
        options = ServeOptions(Address("127.0.0.1", 0), CallOptions(record=record))
        server = Server(options, report, lambda line: None)
        serving = asyncio.create_task(server.run())
        port = await listening
        words = [encode(uuid_frame(UUID(int=1))), *[SPEECH] * 300]
        calling = [asyncio.create_task(call(port, words)) for _ in range(2)]
        await asyncio.sleep(2.0)
        one, other = server.live
        size = sys.maxsize
        for look in range(35):  # what waits for the taps is in objects of its own, and a busy machine lets it grow
            if look >= 8 and size <= MAX_STATE_BYTES:
                break
            await asyncio.sleep(0.1)
            _, shared = size_of([one], set())
            size = min(size, size_of([other], shared)[0])
        await asyncio.gather(*calling)
        server.stop()
        await serving
        return size

    assert MAX_STATE_BYTES / 2 < asyncio.run(main()) <= MAX_STATE_BYTES


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": {}, "b": [], "ü": None},
        [1, 2.5, "x\n", True],
        {"a": [{"b": [1, [2]]}, {}], "c": "\udc9b"},
        "x",
        (1, 2),
    ],
)
def test_json_is_what_the_library_makes_of_it_and_leaves_nothing_behind(value: Any) -> None:
    assert "\n".join(json_lines(value)) == json.dumps(value, indent=2, ensure_ascii=False)
    gc.collect()
    list(json_lines(value))
    assert gc.collect() == 0
