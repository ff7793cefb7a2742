"""A program's standard error, reported line by line. The amount per frame is bounded, so a flood delays no call."""

from __future__ import annotations

import asyncio
from typing import Final

from audiosocket_cli.call.bots.child import Child
from audiosocket_cli.call.bots.speech_queue import Lines
from audiosocket_cli.call.events import ProgramSaid, Report
from audiosocket_cli.model import Call

_ERROR_BYTES: Final = 4096
"""The most bytes of a program's standard error read per frame: 200 kB a second."""

_MAX_ERRORS: Final = 50
"""The most lines reported per frame."""

_MAX_LAST_LOOKS: Final = 64
"""How often the standard error of an ended program is read, enough to empty the pipe. Another process may keep writing
to it."""


class ErrorLog:
    """Reports what a program writes to its standard error."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.lines = Lines()
        """What was read and is not reported yet."""

    def pass_on(self, child: Child, call: Call) -> bool:
        """Report some lines; False when there is nothing to read now."""
        data = b"" if self.lines.waiting else child.read_errors(_ERROR_BYTES)
        self.lines.feed(data or b"")
        return self._report_lines(call) or bool(data)

    async def finish(self, child: Child, call: Call) -> bool:
        """Report the rest of an ended program's errors, including an unfinished line; False if more keeps coming."""
        for _ in range(_MAX_LAST_LOOKS):
            if not self.pass_on(child, call):
                break
            await asyncio.sleep(0)
        self.lines.end()
        self._report_lines(call)
        return not (self.lines.waiting or self.pass_on(child, call))

    def _report_lines(self, call: Call) -> bool:
        lines = self.lines.take(_MAX_ERRORS)
        for line in lines:
            self._report(ProgramSaid(call, line))
        return bool(lines)
