"""audiosocket: the command-line toolkit for AudioSocket, and its codec as a library.

The house, from the ground up (a module imports only from rooms to its left; `tests/test_house.py` holds this):

    errors, signals <- codec <- asterisk, media <- capture <- call <- review, net <- bench <- commands <- cli

    errors      what can go wrong, and exit codes
    signals     what a signal does before an event loop takes it, and descriptors that programs must not inherit
    codec       frames to bytes and back
    asterisk    what Asterisk really does, as data and rules
    media/      samples: slin, levels, tones, rates; audio files in; growing WAV files, other containers, pipes out
    capture/    frames at rest: pcapng, pcap and TCP, JSON lines, raw bytes; one way into them all
    call/       one live call: session, pacer, sources (a file, keys, a program), taps (a recording, stats), timeline
    review/     captured calls looked at: what happened when, figures, two answers compared
    net/        listening and dialling: a server of many calls, one placed call; who may call, hooks
    bench/      many calls at once, measured and judged
    ui/         how results and events look on a terminal, in a log and as JSON; reads, never drives
    commands/   one file per subcommand: options, help, one call, print the result

click is imported in `cli` and `commands` only, rich in `ui` only, asyncio from `call` on, in `bench` where it drives.
"""

TYPE_CHECKING = False  # typing's own takes as long to import as all else that has to be there before signals are heard
if TYPE_CHECKING:
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
    from audiosocket_cli.errors import AudioSocketError, FrameError, IncompleteFrameError, ProtocolError

__version__ = "0.1.0"

__all__ = [
    "AudioSocketError",
    "ErrorCode",
    "Frame",
    "FrameDecoder",
    "FrameError",
    "IncompleteFrameError",
    "Kind",
    "ProtocolError",
    "decode_digit",
    "decode_uuid",
    "describe_error",
    "digit_frame",
    "encode",
    "is_audio",
    "kind_name",
    "kind_of",
    "rate_of",
    "uuid_frame",
]


def __getattr__(name: str) -> object:
    """Import the codec when it is first asked for: the command hears signals sooner (see `audiosocket_cli.signals`)."""
    if name in __all__:
        from audiosocket_cli import codec, errors

        return getattr(codec if hasattr(codec, name) else errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
