"""All that a load is, and what came of it so far: what passes between the processes that place it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.load import Load, Stage
from audiosocket_cli.bench.speech import Speech, sound_files
from audiosocket_cli.bench.usage import Usage
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.listen import allow_many_descriptors

CALLS_PER_PROCESS: Final = 300

_OWN_DESCRIPTORS: Final = 32
_ALL_PORTS: Final = 65535


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a load is."""

    target: Address
    load: Load
    kind: int
    frame_ms: int = 20
    audio: Path | None = None
    processes: int | None = None
    """None: one for 300 calls, at most one a core."""
    seed: int = 0
    pid: int | None = None
    """A process on this machine to be watched: the server."""

    @property
    def process_count(self) -> int:
        """How many processes place the calls."""
        wanted = self.processes or min(-(-self.load.most_calls // CALLS_PER_PROCESS), os.cpu_count() or 1)
        return max(1, min(wanted, self.load.most_calls))

    def what_it_lacks(self) -> str | None:
        """Say what this machine has too little of for all calls at once, or None."""
        most = self.load.most_calls
        ports = local_ports()
        if most > ports:
            return f"{most} calls at once need as many local ports, and there are {ports}: use several machines"
        limit, each = allow_many_descriptors(), -(-most // self.process_count)
        if each + _OWN_DESCRIPTORS > limit:
            return (
                f"{most} calls at once need {each} open files in each of {self.process_count} processes, and {limit:g} "
                "are allowed: raise `ulimit -n`, or use more --processes"
            )
        return None


@dataclass(slots=True)
class Progress:
    """What came of a load so far, and in the end."""

    figures: Figures = field(default_factory=Figures)
    live_calls: int = 0
    peak_calls: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    elapsed_s: float = 0.0
    usage: Usage | None = None
    signal: int | None = None
    lost: list[str] = field(default_factory=list)
    """Processes that ended by themselves, in words."""


def local_ports() -> int:
    """Return how many connections to one address there can be at once."""
    try:
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        return _ALL_PORTS
    return last - first + 1


def make_speech(plan: Plan) -> Speech:
    """Make what the callers of a load say. Raises `FileError`."""
    if plan.audio is None:
        return Speech.generated(plan.kind, plan.frame_ms, plan.seed)
    return Speech.of_files(sound_files(plan.audio), plan.kind, plan.frame_ms)


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON values, from which `plan_from_json` makes it again."""
    return {**asdict(plan), "audio": None if plan.audio is None else str(plan.audio)}


def plan_from_json(content: dict[str, Any]) -> Plan:
    """Make a plan again."""
    load = content["load"]
    stages = tuple(Stage(*stage) for stage in load["stages"])
    return Plan(
        **content
        | {
            "target": Address(*content["target"]),
            "load": Load(**load | {"stages": stages}),
            "audio": None if content["audio"] is None else Path(content["audio"]),
        }
    )
