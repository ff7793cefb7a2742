"""The outcomes of connections and calls: all are counted and reported here, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audiosocket_cli.call.events import CallRefused, ConnectionFailed, HookFailed, Report
from audiosocket_cli.call.live_call import LiveCall
from audiosocket_cli.model import Call
from audiosocket_cli.server.log_limiter import LogLimiter
from audiosocket_cli.server.metrics import Totals
from audiosocket_cli.server.options import ServeSummary


class Account:
    """Counts of a server, and its log."""

    def __init__(self, report: Report, complain: Callable[[str], object]) -> None:
        """`report` gets the events, except for a flood of refusals; `complain` gets lines about the process itself."""
        self.summary = ServeSummary()
        self.totals = Totals()
        """What calls measured that are over with all that belongs to them."""
        self.complain = complain
        self._limiter = LogLimiter(report)
        self.report: Report = self._limiter.report

    def close(self) -> None:
        """Report how many refusals were held back."""
        self._limiter.flush()

    def refuse(self, peer: str, reason: str) -> None:
        """A connection is turned away, or a call was."""
        self.summary.refused += 1
        self.report(CallRefused(peer, reason))

    def fail(self, peer: str, reason: str) -> None:
        """A connection never became a call."""
        self.summary.failed += 1
        self.report(ConnectionFailed(peer, reason))

    def count_check(self) -> None:
        """A connection was closed without a byte."""
        self.summary.checks += 1

    def blame_ourselves(self, peer: str, error: Exception) -> None:
        """Count and report an internal error that ended a call or a part of one."""
        self.summary.faults += 1
        self.complain(f"internal error in the call from {peer}: {error!r}")

    def fail_hook(self, call: Call, reason: str) -> None:
        """Report that the command after a call failed."""
        self.summary.failed_hooks += 1
        self.report(HookFailed(call, reason))

    def conclude(self, live: LiveCall, result: dict[str, Any] | None) -> None:
        """Count and report a connection that is over, with its call's result if there was a call."""
        self.summary.failed_captures += live.capture_error is not None
        if live.mirrored is not None:
            name = f"mirrored_{live.mirrored}"
            setattr(self.summary, name, getattr(self.summary, name) + 1)
        if live.refusal:
            self.refuse(live.peer, live.refusal)
        elif live.session.closed_silently:
            self.count_check()
        elif result is None:
            self.fail(live.peer, live.session.failure or "ended without a UUID")
        else:
            self.summary.caller_audio_s += result["caller"]["audio_s"]
            self.summary.failed_recordings += live.recording_error is not None
            self.summary.odd_calls += bool(result["findings"])
            self.summary.faulted_calls += "faults" in result.get("relay", ())
