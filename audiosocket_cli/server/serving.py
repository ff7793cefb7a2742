"""A server as a library: an async function answers calls, on the loop that runs already.

It takes over nothing of its process: no signals, no standard streams. What happens is logged by `logging`, or given to
a callback.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

from audiosocket_cli import __version__
from audiosocket_cli.call.bots.function import BotFunction, FunctionBot, FunctionOptions
from audiosocket_cli.call.bots.loading import check_function, name_of
from audiosocket_cli.call.events import Event, Finding, Listening, ProgramSaid, Report
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.recording import Layout
from audiosocket_cli.capture.writing import CaptureOutput, parse_capture
from audiosocket_cli.errors import UsageError
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.net.listen import ListeningSockets, bind
from audiosocket_cli.server.options import ServeOptions
from audiosocket_cli.server.server import Server, running

LOGGER: Final = logging.getLogger("audiosocket_cli")

OnEvent = Callable[[dict[str, Any]], object]
"""Gets each event of the server as JSON values, as `serve --json` prints them: `event` is its name."""


class ServingOptions(TypedDict, total=False):
    """What may be said of a server beside its function and its address."""

    record: str | Path | None
    """The folder for a recording of each call, and its JSON."""
    capture: str | Path | None
    """The file, or the folder, for what passes on the wire, as pcapng."""
    rate_hz: int | None
    """The sample rate that the function hears and speaks, a multiple of 50; otherwise that of the call."""
    max_calls: int | None
    """How many calls there may be at once."""
    detect_dtmf: bool
    """Whether digits are also found as tones in the audio."""
    grace_s: float
    """How many seconds a function may take to return after its call, 5 unless it is said."""
    on_event: OnEvent | None
    """Gets what happens, which otherwise goes to `logging`."""


class Serving:
    """A server that accepts calls."""

    def __init__(self, address: Address, running: asyncio.Task[object]) -> None:
        self.host, self.port = address
        self._running = running

    def __repr__(self) -> str:
        return f"<Serving on {self.address}>"

    @property
    def address(self) -> str:
        """Where it accepts calls, as `host:port`."""
        return str(Address(self.host, self.port))

    async def wait(self) -> None:
        """Wait for its end, which comes by an error of ours only."""
        await asyncio.shield(self._running)


@contextlib.asynccontextmanager
async def serving(
    function: BotFunction, listen: str = "127.0.0.1:9092", **options: Unpack[ServingOptions]
) -> AsyncIterator[Serving]:
    """Let an async function answer each call until the end of the block; then hang up on those that go on.

    `listen` is `host:port`, where port 0 is a free one; for the options see `ServingOptions`.

    Raises `UsageError` for what is not an async function of one argument, not an address or none of its options, and
    where nothing can be written, and `NetworkError` when it cannot listen there.
    """
    wanted = _options(function, parse_address(listen), options)
    sockets = ListeningSockets(bind(wanted.listen))
    on_event = options.get("on_event")
    server = Server(wanted, _log if on_event is None else _to(on_event), LOGGER.warning, listening=sockets)
    (first, *_) = sockets.addresses
    try:
        async with running(server, f"server on {first}") as task:
            yield Serving(first, task)
    finally:
        await asyncio.to_thread(_close, wanted.call.capture)


async def serve(function: BotFunction, listen: str = "127.0.0.1:9092", **options: Unpack[ServingOptions]) -> None:
    """Let an async function answer each call until this is cancelled: see `serving`."""
    async with serving(function, listen, **options) as server:
        LOGGER.info("listening on %s", server.address)
        await server.wait()


def _options(function: BotFunction, listen: Address, options: ServingOptions) -> ServeOptions:
    unknown = options.keys() - ServingOptions.__annotations__
    if unknown:
        raise TypeError(f"serving() got an unexpected keyword argument {min(unknown)!r}")
    name, rate_hz = name_of(function), options.get("rate_hz")
    check_function(f"the bot {name}", name, function)
    if rate_hz is not None and not (type(rate_hz) is int and rate_hz % 50 == 0 and 4000 <= rate_hz <= 192000):
        raise UsageError(f"{rate_hz!r} Hz is not a rate that a bot can have: a multiple of 50, 4000 to 192000")
    max_calls, grace_s = options.get("max_calls"), options.get("grace_s", 5.0)
    if max_calls is not None and not (type(max_calls) is int and max_calls > 0):
        raise UsageError(f"max_calls={max_calls!r} is not a number of calls: 1 or more, or None for any number")
    if not (isinstance(grace_s, int | float) and 0 <= grace_s < math.inf):
        raise UsageError(f"grace_s={grace_s!r} is not a length of time: 0 or more seconds")
    on_event = options.get("on_event")
    if on_event is not None and (not callable(on_event) or iscoroutinefunction(on_event)):
        raise UsageError(f"on_event={on_event!r:.80} cannot be called as a function that is not async")
    bot = FunctionOptions(function, name, rate_hz, grace_s)
    record, capture = options.get("record"), options.get("capture")
    if "" in (record, capture):
        raise UsageError("the name of a folder or file is empty: write one, such as '.', or None for none")
    output = None if record is None else FileOutput.in_folder(Path(record))
    if output is not None:
        output.prepare()
    call = CallOptions(
        make_bot=partial(FunctionBot, bot),
        source_descriptors=FunctionBot.descriptors,
        record=output,
        capture=None if capture is None else parse_capture(str(capture), f"audiosocket {__version__}", overwrite=None),
        layout=Layout.STEREO,
        detect_dtmf=options.get("detect_dtmf", False),
        is_watched=False,
    )
    return ServeOptions(listen, call, max_calls=max_calls or math.inf, program=name, owns_process=False)


def _close(capture: CaptureOutput | None) -> None:
    try:
        if capture is not None:
            capture.close()
    except OSError as error:
        LOGGER.error("the capture to %s is not complete: %s", capture, (error.strerror or str(error)).lower())


def _log(event: Event) -> None:
    """Log an event: what went wrong as an error, what is odd as a warning."""
    if isinstance(event, Listening):
        return
    if isinstance(event, ProgramSaid):
        level = logging.ERROR
    else:
        level = logging.WARNING if isinstance(event, Finding) else logging.INFO
    LOGGER.log(level, "%s", event.sentence())


def _to(on_event: OnEvent) -> Report:
    """Return what gives events to a callback, which harms no call."""

    def report(event: Event) -> None:
        try:
            on_event({"event": event.name, **event.facts()})
        except Exception:
            LOGGER.exception("the callback for the event %s failed", event.name)

    return report
