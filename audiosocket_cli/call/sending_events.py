"""Events about sending calls on: what a process that died has left, a store or a bus that is away, what is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiosocket_cli.call.events import Event
from audiosocket_cli.text import counted


@dataclass(frozen=True, slots=True)
class CallCut(Event):
    """The process that had a call died before its end; what it had recorded by then is there."""

    name = "cut"

    uuid: str | None
    peer: str | None
    started_at: str | None
    files: Sequence[Path]

    def facts(self) -> dict[str, Any]:
        files = [str(path) for path in self.files]
        return {"uuid": self.uuid, "peer": self.peer, "started_at": self.started_at, "files": files}

    def sentence(self) -> str:
        """Say that it was cut, and what is left of it."""
        kept = f"kept {' '.join(map(str, self.files))}" if self.files else "nothing was recorded"
        who = f" from {self.peer}" if self.peer else ""
        return f"{self.uuid or 'a call'}{who} was cut when its server died: {kept}"


@dataclass(frozen=True, slots=True)
class DeliveryState(Event):
    """A store or a bus that calls are sent on to went away, or is back."""

    name = "delivery"

    to: str
    """"store" or "bus"."""
    problem: str | None
    """Why nothing can be sent; None once it is back."""
    waiting: int
    """Calls that wait for a store, events that wait for a bus."""

    def facts(self) -> dict[str, Any]:
        state = "back" if self.problem is None else "away"
        return {"to": self.to, "state": state, "problem": self.problem, "waiting": self.waiting}

    def sentence(self) -> str:
        what = f"the {self.to} is {'back' if self.problem is None else f'away: {self.problem}'}"
        return f"{what}, {self.waiting} waiting"


@dataclass(frozen=True, slots=True)
class EventsDropped(Event):
    """Events were not sent, and never will be: there was no room for them, or the other side would not have them."""

    name = "dropped"

    count: int
    """Since the last report."""

    def facts(self) -> dict[str, Any]:
        return {"count": self.count}

    def sentence(self) -> str:
        return f"{counted(self.count, 'event')} dropped: see the lines before"
