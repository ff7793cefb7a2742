"""A program's standard error, told line by line: some of it at a time, so that one that floods holds up nobody."""

from __future__ import annotations

import asyncio
from typing import Final

from audiosocket_cli.call.bots.child import Child
from audiosocket_cli.call.bots.speech_queue import Lines
from audiosocket_cli.call.events import ProgramSaid, Report
from audiosocket_cli.model import Call

_ERROR_BYTES: Final = 4096
"""As much of a program's standard error is taken with each frame: 200 kB a second."""

_MAX_ERRORS: Final = 50
"""Lines that are told with each frame."""

_MAX_LAST_LOOKS: Final = 64
"""As often is a dead program's standard error looked at, for all that the pipe holds; what else has it may go on."""


class ErrorLog:
    """Reports what a program writes to its standard error."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lines = Lines()

    def pass_on(self, child: Child, call: Call) -> bool:
        """Report some of it; False when there is nothing (yet)."""
        data = b"" if self._lines else child.read_errors(_ERROR_BYTES)
        self._lines.feed(data or b"")
        return self._tell(call) or bool(data)

    async def finish(self, child: Child, call: Call) -> bool:
        """The program has ended: report the rest, however short; False where there is no end to it."""
        for _ in range(_MAX_LAST_LOOKS):
            if not self.pass_on(child, call):
                break
            await asyncio.sleep(0)
        self._lines.end()
        self._tell(call)
        return not (self._lines or self.pass_on(child, call))

    def _tell(self, call: Call) -> bool:
        lines = self._lines.take(_MAX_ERRORS)
        for line in lines:
            self._report(ProgramSaid(call, line))
        return bool(lines)
