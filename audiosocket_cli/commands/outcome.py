"""The one rule by which what came of a command becomes its exit code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from audiosocket_cli.errors import ExitCode

if TYPE_CHECKING:
    from audiosocket_cli.analysis.dumping import DumpResult
    from audiosocket_cli.net.client import PlacedCall
    from audiosocket_cli.server.options import ServeSummary

_SEVERITY: Final = (
    ExitCode.DONE,
    ExitCode.NOTHING,
    ExitCode.TIMEOUT,
    ExitCode.NEGATIVE,
    ExitCode.DAMAGED,
    ExitCode.PROTOCOL,
    ExitCode.UNREACHABLE,
)
"""From the least to the most severe: a verdict says little where its input was damaged, and less where there was nobody
to talk to. The code of a signal, 128 and its number, is above all: whoever sent it waits for that."""


def worst(codes: Iterable[int]) -> int:
    """Return the most severe of exit codes; `DONE` where there is none."""
    return max(codes, key=lambda code: _SEVERITY.index(ExitCode(code)) if code in _SEVERITY else code, default=0)


def code_of_server(
    summary: ServeSummary, *, failed: object = False, timed_out: bool = False, damaged: bool = False
) -> int:
    """Return the exit code of a command that answered calls; `failed` is true where its own verdict is negative,
    `damaged` where what was to be played could not be read to its end."""
    if summary.signal is not None:
        return 128 + summary.signal
    lost = summary.failed_recordings + summary.failed_captures + summary.unwritten
    return worst(_codes(negative=bool(failed or lost or summary.faults), timed_out=timed_out, damaged=damaged))


def code_of_call(placed: PlacedCall, *, failed: object = False, timed_out: bool = False, damaged: bool = False) -> int:
    """Return the exit code of a placed call; `failed` is true where the command's own verdict is negative, `damaged`
    where what was to be played could not be read to its end."""
    if placed.signal is not None:
        return 128 + placed.signal
    lost = placed.recording_error or placed.capture_error
    codes = _codes(negative=bool(failed or lost), timed_out=timed_out, damaged=damaged)
    return worst([*codes, ExitCode.PROTOCOL] if placed.protocol_broken else codes)


def code_of_dump(result: DumpResult, *, failed: object = False) -> int:
    """Return the exit code of a command that showed captures; `failed` is true where its own verdict is negative."""
    codes = {
        ExitCode.INTERRUPTED: result.interrupted,
        ExitCode.DAMAGED: result.damages,
        ExitCode.NOTHING: not result.frames and not result.is_full,
        ExitCode.NEGATIVE: failed,
    }
    return worst(code for code, holds in codes.items() if holds)


def _codes(*, negative: bool, timed_out: bool, damaged: bool) -> list[ExitCode]:
    return [ExitCode.NEGATIVE] * negative + [ExitCode.TIMEOUT] * timed_out + [ExitCode.DAMAGED] * damaged
