"""A fault of one direction of one call: what it is, its own chance, and how often it has happened."""

from __future__ import annotations

from random import Random
from typing import Any

from audiosocket_cli.call.faults.fault_spec import Direction, FaultSpec
from audiosocket_cli.model import Side


class DrawnFault:
    """A fault of one call."""

    __slots__ = ("count", "label", "random", "spec")

    def __init__(self, spec: FaultSpec, side: Side, random: Random) -> None:
        """A fault of what `side` sends; `random` makes its jitter and its noise."""
        self.spec = spec
        self.label = f"fault {Direction.of(side)} {spec.what}"
        """Its name in captures and reasons."""
        self.random = random
        self.count = 0
        """How often it has happened."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        _, direction, what = self.label.split(" ", 2)
        return {"direction": direction, "fault": what, "count": self.count}
