"""A server in this process whose calls are watched and listened to, and callers that say what a test can find again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.call.events import Event
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.codec import Frame, encode, kind_of, uuid_frame
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.listen import ListeningSockets, bind
from audiosocket_cli.server.call_list import CallList, ListedCall
from audiosocket_cli.server.options import RelayOptions, ServeOptions
from audiosocket_cli.server.server import Callbacks, Server, running
from audiosocket_cli.server.watching import Watching

PTIME_S = 0.02


@dataclass
class Watched:
    """A server that runs, and who watches it."""

    port: int
    watching: Watching
    server: Server
    events: list[Event] = field(default_factory=list)

    async def call(self, uuid: UUID) -> ListedCall:
        """Wait until a call is listed."""
        return await found(lambda: self.watching.calls.find(str(uuid)))

    def named(self, name: str) -> list[dict[str, Any]]:
        """The facts of all events of a name so far."""
        return [event.facts() for event in self.events if event.name == name]


async def found(look: Callable[[], Any], timeout_s: float = 30) -> Any:
    """Wait until there is something."""
    async with asyncio.timeout(timeout_s):
        while not (seen := look()):
            await asyncio.sleep(0.01)
    return seen


@contextlib.asynccontextmanager
async def watched(
    make_source: Callable[[], Source] | None = None, *, relay: RelayOptions | None = None, **call: Any
) -> AsyncIterator[Watched]:
    """Run a server on a free port of this loop."""
    if make_source is not None:
        call["make_source"] = make_source
    address = Address("127.0.0.1", 0)
    sockets = ListeningSockets(bind(address))
    watching = Watching(CallList())
    events: list[Event] = []
    server = Server(
        ServeOptions(address, CallOptions(**call), owns_process=False, relay=relay), events.append, lambda line: None,
        listening=sockets,
        callbacks=Callbacks(
            news=partial(watching.take, 0), attach=watching.attach, attach_watch=watching.attach_watch
        ),
    )  # fmt: skip
    port = sockets.addresses[0].port
    async with running(server, "watched server"):
        yield Watched(port, watching, server, events)


@contextlib.contextmanager
def watched_in_thread(make_source: Callable[[], Source] | None = None, **call: Any) -> Iterator[Watched]:
    """The same, on a thread and a loop of its own."""
    begun = threading.Event()
    told: list[Any] = []

    async def run() -> None:
        ending = asyncio.Event()
        async with watched(make_source, **call) as server:
            told.extend([server, asyncio.get_running_loop(), ending])
            begun.set()
            await ending.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert begun.wait(30)
        yield told[0]
    finally:
        if told:
            told[1].call_soon_threadsafe(told[2].set)
        thread.join(30)


class Caller:
    """A caller who speaks frames on time, and keeps what comes back."""

    def __init__(self, port: int, *, rate_hz: int = 8000, uuid: UUID | None = None) -> None:
        self.uuid = uuid or uuid4()
        self.heard = b""
        self._port = port
        self._rate_hz = rate_hz

    async def __aenter__(self) -> Caller:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(encode(uuid_frame(self.uuid)))
        self._hearing = asyncio.create_task(self._hear())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        self._hearing.cancel()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._hearing

    async def _hear(self) -> None:
        while data := await self._reader.read(65536):
            self.heard += data

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def hang_up(self) -> None:
        self._writer.write(b"\x00\x00\x00")

    async def speak(self, samples: Samples) -> None:
        """Say samples in frames of 20 ms, each sent once all of it was said: who listens already hears the first, too.

        A caller whom a busy machine holds up goes on later: what comes in a burst, over a second late, is left out.
        """
        due_s = time.monotonic()
        for frame in in_frames(samples, self._rate_hz):
            due_s = max(due_s + PTIME_S, time.monotonic())
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            self._writer.write(frame)


def in_frames(samples: Samples, rate_hz: int = 8000) -> list[bytes]:
    size = round(rate_hz * PTIME_S)
    kind = kind_of(rate_hz)
    return [
        encode(Frame(kind, samples[start : start + size].astype("<i2").tobytes()))
        for start in range(0, len(samples) - size + 1, size)
    ]


def noise(seconds: float, rate_hz: int = 8000, seed: int = 1, loudness: int = 4000) -> Samples:
    """Noise that is found again in one place only: below a third of the rate, so that it survives a conversion."""
    generator = np.random.default_rng(seed)
    white = generator.standard_normal(round(seconds * rate_hz))
    smooth = np.convolve(white, np.hanning(9) / np.hanning(9).sum(), "same")
    return np.clip(smooth * loudness, -32000, 32000).astype(np.int16)


def stereo(data: bytes) -> NDArray[np.int16]:
    """The samples of both sides, shape (n, 2): caller, server."""
    return np.frombuffer(data, "<i2").reshape(-1, 2)


def offset_of(part: NDArray[np.int16], whole: NDArray[np.int16]) -> tuple[int, float]:
    """Return where a part is in the whole, and how alike both are there: 1.0 is the same."""
    size = 1 << (len(part) + len(whole)).bit_length()
    product = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    at = int(np.argmax(product[: len(whole) - len(part) + 1]))
    there = whole[at : at + len(part)].astype(float)
    alike = float(np.dot(there, part) / (np.linalg.norm(there) * np.linalg.norm(part.astype(float)) + 1e-9))
    return at, alike


def is_heard(said: NDArray[np.int16], column: NDArray[np.int16]) -> bool:
    """Whether all that was said is there, once and in order. A busy machine may have made pauses between, of zeros."""
    return said[said != 0].tobytes() in column[column != 0].tobytes()


def run(work: Callable[[], Awaitable[Any]], timeout_s: float = 60) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(timeout_s):
            return await work()

    return asyncio.run(limited())
