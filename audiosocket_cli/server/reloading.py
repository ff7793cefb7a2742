"""Settings that are read again while calls go on: the list of UUIDs that may call, the file of faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from audiosocket_cli.call.faults.fault_plan import FaultPlan
from audiosocket_cli.errors import FileError
from audiosocket_cli.server.admission import Admission
from audiosocket_cli.server.readiness import Readiness

NOTHING_TO_RELOAD: Final = "SIGHUP: there is nothing to reload; calls go on"


class Reloading:
    """Reloads the list of UUIDs, and the file of faults, on request."""

    def __init__(
        self,
        admission: Admission,
        readiness: Readiness,
        complain: Callable[[str], object],
        on_reloaded: Callable[[], object] | None = None,
        *,
        faults: FaultPlan | None = None,
    ) -> None:
        """`on_reloaded` is called after each reload, successful or not."""
        self._admission = admission
        self._readiness = readiness
        self._complain = complain
        self._on_reloaded = on_reloaded
        self._faults = faults if faults is not None and faults.has_file else None
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Read the files again."""
        reopened = self._readiness.reloading()
        if self._admission.has_file or self._faults is not None:
            task = asyncio.create_task(self._reload(), name="reload")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        if not reopened:
            self._complain(NOTHING_TO_RELOAD)
        self._readiness.reloaded()

    def cancel(self) -> None:
        """Read no more of it."""
        for task in self._tasks:
            task.cancel()

    async def wait(self) -> None:
        """Wait until all that was begun is done."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _reload(self) -> None:
        try:
            if self._admission.has_file:
                await self._reload_list()
            if self._faults is not None:
                await self._reload_faults(self._faults)
        finally:
            self._readiness.reloaded()
            if self._on_reloaded is not None:
                self._on_reloaded()

    async def _reload_list(self) -> None:
        try:
            count = await self._admission.reload()
            if count is not None:
                self._complain(f"{count} UUID{'' if count == 1 else 's'} may call now")
        except FileError as error:
            self._complain(f"{error}; the old list stays")

    async def _reload_faults(self, faults: FaultPlan) -> None:
        try:
            self._complain(await asyncio.to_thread(faults.reload))
        except FileError as error:
            self._complain(f"{error}; the old faults stay")
