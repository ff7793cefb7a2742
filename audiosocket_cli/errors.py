"""The errors of this package, each with the exit code of a command that it ends.

Every error that a user can cause is an `AudioSocketError` whose text is one line: what failed, with which value, what
to try. Nothing here prints or exits; `cli.main` does.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, for shells and CI jobs."""

    DONE = 0
    NEGATIVE = 1  # it ran, and the verdict is negative
    USAGE = 2
    UNREACHABLE = 3  # could not connect, bind or resolve
    PROTOCOL = 4  # the peer broke the protocol
    DAMAGED = 5  # an input file is unreadable or damaged
    NOTHING = 6  # nothing matched or ran
    TIMEOUT = 7
    DISCONNECTED = 129  # SIGHUP: the terminal went away
    INTERRUPTED = 130
    TERMINATED = 143


class AudioSocketError(Exception):
    """The root of all errors of this package; its text is one line for people."""

    exit_code = ExitCode.NEGATIVE


class FrameError(AudioSocketError, ValueError):
    """Our side: a frame that cannot be put on the wire, or a payload that is not what its kind promises."""

    exit_code = ExitCode.PROTOCOL

    def __init__(self, message: str, *, kind: int) -> None:
        super().__init__(message)
        self.kind = kind


class ProtocolError(AudioSocketError):
    """The peer's side: it sent what the protocol does not allow.

    `offset` counts bytes from the first the peer sent; `kind` is the kind of the frame at fault, where there is one.
    """

    exit_code = ExitCode.PROTOCOL

    def __init__(self, message: str, *, offset: int, kind: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.kind = kind


class IncompleteFrameError(ProtocolError):
    """The bytes ended inside a frame that starts at `offset`.

    `received_bytes` of it are there, header included; `expected_bytes` is its whole length, or None when the header
    itself is cut.
    """

    def __init__(self, *, offset: int, kind: int | None, received_bytes: int, expected_bytes: int | None) -> None:
        whole = "its 3-byte header" if expected_bytes is None else f"{expected_bytes} bytes"
        super().__init__(
            f"ended inside the frame at byte {offset}: {received_bytes} of {whole}", offset=offset, kind=kind
        )
        self.received_bytes = received_bytes
        self.expected_bytes = expected_bytes


class StoppedError(AudioSocketError):
    """A signal came before there was a call to end in order; it has no text."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = ExitCode(128 + number)


class NetworkError(AudioSocketError):
    """A host that does not resolve, a connection refused or timed out, a port in use."""

    exit_code = ExitCode.UNREACHABLE


class FileError(AudioSocketError):
    """An input file that is missing, unreadable, damaged or not audio."""

    exit_code = ExitCode.DAMAGED


class OutputError(AudioSocketError):
    """A file that could not be written to its end: the disk is full, say."""


class UsageError(AudioSocketError):
    """Options that do not go together, or a value that cannot be used."""

    exit_code = ExitCode.USAGE


class MissingLibraryError(UsageError, FileError):
    """A library that is not there, or cannot be loaded, is needed for this file or this option."""


class NothingError(AudioSocketError):
    """An input that holds nothing of what was asked for."""

    exit_code = ExitCode.NOTHING
