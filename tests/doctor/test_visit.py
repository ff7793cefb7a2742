"""One thing is looked at after the other; a signal ends that, with what was found."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from audiosocket_cli.doctor import visit as visiting
from audiosocket_cli.doctor.look import Look, Looked
from audiosocket_cli.doctor.visit import visit
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Diagnosis, Status

FINE = Diagnosis("x", Status.OK, "fine")


async def see() -> Sequence[Diagnosis]:
    return [FINE]


async def see_late() -> Sequence[Diagnosis]:
    await asyncio.sleep(0.2)
    return [FINE]


async def stop() -> Sequence[Diagnosis]:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(60)
    return [FINE]


async def fail() -> Sequence[Diagnosis]:
    raise UsageError("wrong word")


def test_all_is_looked_at_in_order_and_what_takes_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visiting, "_PATIENCE_S", 0.05)
    told: list[str] = []
    visited = asyncio.run(visit([Look("one", see), Look("two", see_late), Look("three", see)], told.append))
    assert visited.done == [Looked(title, [FINE]) for title in ("one", "two", "three")]
    assert (visited.signal, told) == (None, ["looking at two …"])


def test_a_signal_ends_it_with_what_was_found() -> None:
    visited = asyncio.run(visit([Look("one", see), Look("two", stop), Look("three", see)], print))
    assert (visited.done, visited.signal) == ([Looked("one", [FINE])], signal.SIGTERM)


def test_an_error_of_use_goes_on() -> None:
    with pytest.raises(UsageError, match="wrong word"):
        asyncio.run(visit([Look("one", fail)], print))
