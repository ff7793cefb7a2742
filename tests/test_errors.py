"""Errors, each with the exit code that it ends a command with."""

from __future__ import annotations

import pytest

from audiosocket_cli import errors
from audiosocket_cli.errors import (
    AudioSocketError,
    ExitCode,
    FileError,
    FrameError,
    IncompleteFrameError,
    MissingLibraryError,
    NetworkError,
    NothingError,
    OutputError,
    ProtocolError,
    StoppedError,
    UsageError,
)

CODES: dict[AudioSocketError, int] = {
    UsageError("x"): 2,
    NetworkError("x"): 3,
    FrameError("x", kind=1): 4,
    ProtocolError("x", offset=0): 4,
    IncompleteFrameError(offset=0, kind=None, received_bytes=1, expected_bytes=None): 4,
    FileError("x"): 5,
    NothingError("x"): 6,
    OutputError("x"): 1,
    MissingLibraryError("x"): 2,
    StoppedError(2): 130,
    StoppedError(15): 143,
    StoppedError(1): 129,
}


@pytest.mark.parametrize(("error", "code"), CODES.items(), ids=lambda value: type(value).__name__)
def test_each_error_has_its_exit_code(error: AudioSocketError, code: int) -> None:
    assert error.exit_code == code == ExitCode(code)


def test_no_error_is_left_out_of_that_table() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AudioSocketError)}
    assert kinds - {AudioSocketError} == {type(error) for error in CODES}


def test_a_frame_that_is_cut_is_told_by_what_there_is_of_it() -> None:
    whole = IncompleteFrameError(offset=19, kind=0x10, received_bytes=100, expected_bytes=323)
    assert str(whole) == "ended inside the frame at byte 19: 100 of 323 bytes"
    header = IncompleteFrameError(offset=0, kind=1, received_bytes=2, expected_bytes=None)
    assert str(header) == "ended inside the frame at byte 0: 2 of its 3-byte header"
