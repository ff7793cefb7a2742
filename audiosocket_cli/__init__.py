"""audiosocket: a command-line toolkit for AudioSocket, and as a library its codec, bots in Python, and callers.

The house, from the ground up. A module imports only from its own room and from those above it in this list;
`tests/project/test_house.py` holds that.

    errors        what can go wrong, and exit codes
    text          text that is safe to show
    junit         results as JUnit XML
    signals       what a signal does before an event loop takes it, and descriptors that programs must not inherit
    codec         bytes to frames and back
    quantities    times and sizes as people write them
    name_pattern  names of recordings with fields, and the files that can have them
    libraries     libraries that may be missing
    finding       what is found wrong, each kind under a stable id
    finding_pages  what is told of each kind: docs/finding/
    model         a call: its sides, its digits, who ended it and how
    asterisk/     what Asterisk really does: facts, rules, findings with their cure
    disk          private files that are whole or not there
    write_behind  what files that another thread writes have in common
    stores/       object stores: their URLs, what they hold, and new objects in them
    audio/        samples, and the files and sound cards that they come from and go to
    chunks        what passes in a call, as it passes
    mixed_runs    frames of several kinds and lengths, with their times
    runs          equal frames, with their times: the unit that all rooms below speak
    capture/      frames at rest: every format read as one, and written
    in_thread     work that the end of a command does not wait for: looking up names, reading long files
    analysis/     what a call was like, live or captured: places in time, arrivals, levels, rows, comparison
    websocket/    messages of WebSocket voice protocols, and one connection; it knows no calls
    calls_index/  all calls of a folder or a bucket, found again: an index, made from their JSON at any time
    outbox/       what has to reach others, and waits on disk until they have it: recordings, events
    call/         one live call: session or relay, pacer, driver; sources/ taps/ recording/ bots/
    net/          getting connected: addresses, dialling, a gateway to WebSocket bots, listening, one placed call, HTTP
    server/       answering many calls: who may call, how many, in how many processes, who is told, and who may ask
    bench/        many calls at once, measured and judged
    check/        one requirement a call: does a server survive Asterisk?
    doctor/       why does it not work? Asterisk, its log, a server, a call: what is wrong, and its cure
    calls_analysis/  what needs the sound of all calls again: measured here or on a cluster, kept as Parquet
    ui/           how events and results look: text, JSON, a live view; it reads, and never drives
    report/       pages to look at: a call, a day, a bench, a check, each one file that needs nothing else
    web/          what a server shows in a browser while it answers: calls, their pages, their sound
    jobs/         what commands do: which calls, what is said and kept in each, and what came of them
    commands/     one file for each command: options, help, one call, exit
    cli           the root command, and where errors become exits
    entry         where the command begins

docs/ is the long documentation, which `audiosocket help` shows. The code in it is examples, for other processes to run.

click is imported in `cli` and `commands` only, rich in `ui` only, asyncio from `in_thread` on.
"""

TYPE_CHECKING = False  # typing's own takes as long to import as all else that has to be there before signals are heard
if TYPE_CHECKING:
    from audiosocket_cli.call.bots.bot_call import BotCall
    from audiosocket_cli.call.bots.line import CallOverError
    from audiosocket_cli.codec import (
        ErrorCode,
        Frame,
        FrameDecoder,
        Kind,
        decode_digit,
        decode_uuid,
        describe_error,
        digit_frame,
        encode,
        is_audio,
        kind_name,
        kind_of,
        rate_of,
        uuid_frame,
    )
    from audiosocket_cli.errors import (
        AudioSocketError,
        FileError,
        FrameError,
        IncompleteFrameError,
        NetworkError,
        ProtocolError,
        UsageError,
    )
    from audiosocket_cli.model import Ending
    from audiosocket_cli.net.caller import Caller, dial
    from audiosocket_cli.server.serving import Serving, serve, serving

__version__ = "0.1.0"

__all__ = [
    "AudioSocketError",
    "BotCall",
    "CallOverError",
    "Caller",
    "Ending",
    "ErrorCode",
    "FileError",
    "Frame",
    "FrameDecoder",
    "FrameError",
    "IncompleteFrameError",
    "Kind",
    "NetworkError",
    "ProtocolError",
    "Serving",
    "UsageError",
    "decode_digit",
    "decode_uuid",
    "describe_error",
    "dial",
    "digit_frame",
    "encode",
    "is_audio",
    "kind_name",
    "kind_of",
    "rate_of",
    "serve",
    "serving",
    "uuid_frame",
]

_HOMES = {
    "BotCall": "call.bots.bot_call",
    "CallOverError": "call.bots.line",
    "Caller": "net.caller",
    "Ending": "model",
    "Serving": "server.serving",
    "dial": "net.caller",
    "serve": "server.serving",
    "serving": "server.serving",
}
"""Where names are that are neither in `codec` nor in `errors`."""


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: the command hears signals sooner (see `audiosocket_cli.signals`), and
    who only wants the codec has nothing else loaded."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    from audiosocket_cli import codec, errors

    return getattr(codec if hasattr(codec, name) else errors, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
