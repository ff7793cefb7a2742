"""What came of a command, and the one rule by which that becomes its exit code."""

from __future__ import annotations

from dataclasses import dataclass

from audiosocket_cli.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command, or of one of its calls: of many, all that came of any."""

    signal: int | None = None
    """The signal that ended it, if one did."""
    unreachable: bool = False
    """Whether there was nobody to talk to."""
    protocol_broken: bool = False
    """Whether the peer sent what ends a call in Asterisk."""
    damaged: bool = False
    """Whether input could not be read to its end."""
    failed: bool = False
    """Whether a verdict is negative, or something of ours was lost: a recording, a line of output."""
    timed_out: bool = False
    found_nothing: bool = False
    """Whether nothing matched, or there was nothing to do."""

    def __or__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.signal or other.signal,
            self.unreachable or other.unreachable,
            self.protocol_broken or other.protocol_broken,
            self.damaged or other.damaged,
            self.failed or other.failed,
            self.timed_out or other.timed_out,
            self.found_nothing or other.found_nothing,
        )

    @property
    def exit_code(self) -> int:
        """The code for the most severe of it.

        Damaged input, and even more an unreachable peer, outweigh a verdict. A signal's code, 128 and its number,
        outweighs all: its sender waits for it.
        """
        if self.signal is not None:
            return 128 + self.signal
        from_the_most_severe = (
            (self.unreachable, ExitCode.UNREACHABLE),
            (self.protocol_broken, ExitCode.PROTOCOL),
            (self.damaged, ExitCode.DAMAGED),
            (self.failed, ExitCode.NEGATIVE),
            (self.timed_out, ExitCode.TIMEOUT),
            (self.found_nothing, ExitCode.NOTHING),
        )
        return next((code for holds, code in from_the_most_severe if holds), ExitCode.DONE)
