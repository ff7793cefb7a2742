"""Looking at one thing after the other, until all is looked at or a signal comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from audiosocket_cli.doctor.look import Look, Looked
from audiosocket_cli.net.loop import signals_to

_PATIENCE_S: Final = 1.0
"""What takes longer is told of while it goes on."""


@dataclass(slots=True)
class Visit:
    """What was looked at, and the signal that ended it early, if one did."""

    done: list[Looked] = field(default_factory=list)
    signal: int | None = None


async def visit(looks: Sequence[Look], tell: Callable[[str], object]) -> Visit:
    """Look at all of it; `tell` is given a line on what takes long. Raises `AudioSocketError` where a look does."""
    visited = Visit()
    looking = asyncio.create_task(_look_at_each(looks, visited, tell), name="doctor")

    def stop(number: int) -> None:
        visited.signal = visited.signal or number
        looking.cancel()

    with signals_to(stop):
        await asyncio.wait([looking])
    if not looking.cancelled():
        looking.result()
    return visited


async def _look_at_each(looks: Sequence[Look], visited: Visit, tell: Callable[[str], object]) -> None:
    for look in looks:
        if visited.signal:  # a look may tell what it found until then, rather than nothing
            return
        told = asyncio.get_running_loop().call_later(_PATIENCE_S, tell, f"looking at {look.title} …")
        try:
            visited.done.append(Looked(look.title, await look.run()))
        finally:
            told.cancel()
