"""The capture of a call: a connection's trace under way, told what the call came to, so that its comments say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from audiosocket_cli.call.recording.disk_thread import Disk
from audiosocket_cli.call.wire import Link
from audiosocket_cli.capture.packet_queue import Later
from audiosocket_cli.capture.trace import Trace
from audiosocket_cli.capture.writing import CaptureOutput, Ends, FiledTrace
from audiosocket_cli.model import Call, Side
from audiosocket_cli.runs import FrameRun

OnFailure = Callable[[OSError], None]


@dataclass(slots=True)
class Capturing:
    """The capture of one connection: its trace, or the reason why there is none."""

    trace: FiledTrace | None = None
    error: OSError | None = None

    @classmethod
    def begin(cls, output: CaptureOutput | None, link: Link, me: Side, disk: Disk, on_failure: OnFailure) -> Capturing:
        """Start capturing a connection; does nothing without an output.

        `disk` writes files on another thread, so that nobody waits for them. `on_failure` is told once, if the capture
        cannot begin, or ends before the connection does.
        """
        if output is None:
            return cls()
        try:
            ours = (link.ours or link.socket.getsockname())[:2]
            return cls(output.begin(Ends(ours, link.theirs[:2], me, on_failure), disk.do, _later()))
        except OSError as error:
            on_failure(error)
            return cls(error=error)

    async def finish(self) -> None:
        """Wait until all of it is in its file; a failure goes to `on_failure`."""
        trace = self.trace
        if trace is not None and trace.file is not None and trace.error is None:
            try:
                await asyncio.to_thread(trace.file.wait_until_written)
            except OSError as error:
                trace.fail(error)

    def abort(self) -> None:
        """Wait no longer."""
        if self.trace is not None and self.trace.file is not None:
            self.trace.file.abort()

    @property
    def is_wanted(self) -> bool:
        """Whether there is, or should be, a capture."""
        return self.trace is not None or self.error is not None

    def as_dict(self) -> dict[str, Any]:
        """Return what is known of it as JSON values."""
        path, error = (None, self.error) if self.trace is None else (self.trace.path, self.trace.error)
        return {"file": path and path.name, "error": error and (error.strerror or str(error))}


def _later() -> Later | None:
    """Return how the running loop calls later; None without a loop."""
    try:
        return asyncio.get_running_loop().call_later
    except RuntimeError:
        return None


class CaptureTap:
    """A tap that writes a call's findings and its end into its capture. It comes after the taps that have findings."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def opened(self, call: Call) -> None:
        pass

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        pass

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        for text in call.notes:
            self._trace.remark(f"finding: {text}")
        assert call.ending is not None
        by, how, reason = call.ending
        self._trace.remark(f"ended by {by} ({how}) after {call.duration_s:.3f} s: {reason}")
