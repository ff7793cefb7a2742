"""The plan of a load and its progress, as the processes that place it exchange them."""

from __future__ import annotations

import math
import os
import resource
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.load import Load, Stage
from audiosocket_cli.bench.series import Series
from audiosocket_cli.bench.speech import Speech, sound_files
from audiosocket_cli.bench.usage import Usage
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import Target, WebSocketTarget
from audiosocket_cli.text import counted
from audiosocket_cli.websocket.url import Url

CALLS_PER_PROCESS: Final = 300
WEBSOCKET_CALLS_PER_PROCESS: Final = 120
"""A call to a WebSocket bot takes two to two and a half times as much CPU: two sessions, and its messages."""
_OWN_DESCRIPTORS: Final = 32
_PATHS_OF_TARGET: Final = ("headers_file", "ca")
_FILES_OF_WEBSOCKET: Final = 3
"""Open files of a call to a WebSocket bot: its connection, and two ends of a socket pair."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a load."""

    target: Target
    load: Load
    kind: int
    frame_ms: int = 20
    audio: Path | None = None
    processes: int | None = None
    """None: one for 300 calls (120 to WebSocket bots), at most one a core."""
    seed: int = 0
    pid: int | None = None
    """A process on this machine to be watched: the server."""

    @property
    def files_a_call(self) -> int:
        """How many open files a call takes."""
        return _FILES_OF_WEBSOCKET if isinstance(self.target, WebSocketTarget) else 1

    @property
    def process_count(self) -> int:
        """How many processes place the calls."""
        is_websocket = isinstance(self.target, WebSocketTarget)
        at_once = WEBSOCKET_CALLS_PER_PROCESS if is_websocket else CALLS_PER_PROCESS
        wanted = self.processes or min(-(-self.load.most_calls // at_once), os.cpu_count() or 1)
        return max(1, min(wanted, self.load.most_calls))


@dataclass(slots=True)
class Progress:
    """The results of a load so far, or at the end."""

    figures: Figures = field(default_factory=Figures)
    live_calls: int = 0
    peak_calls: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    elapsed_s: float = 0.0
    usage: Usage | None = None
    signal: int | None = None
    lost: list[str] = field(default_factory=list)
    """Processes that ended by themselves, in words."""
    series: Series | None = None
    """Only of a load that is over."""
    gone_s: float | None = None
    """In seconds, to a second: when the last call ended, if no call could be connected after it."""


def lack_of_room(calls: int, processes: int, files_a_call: int = 1) -> str | None:
    """Say that this machine cannot hold so many calls to one target at once from so many processes, if so.

    Each takes a local port, and so many open files.
    """
    ports = _local_ports()
    if calls > ports:
        return (
            f"{calls} calls at once need {calls} local ports, and this machine has {ports:g} for one target "
            "(net.ipv4.ip_local_port_range): use fewer calls, or several machines"
        )
    files = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - _OWN_DESCRIPTORS) * processes
    wanted = calls * files_a_call
    if wanted > files >= 0:
        return (
            f"{calls} calls at once need {wanted} open files, and {counted(processes, 'process')} can have {files}: "
            "use fewer calls, more --processes, or raise `ulimit -Hn`"
        )
    return None


def _local_ports() -> float:
    """How many ports there are to connect from; infinite where the system does not say."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return math.inf
    return int(last) - int(first) + 1


def make_speech(plan: Plan) -> Speech:
    """Make what the callers of a load say. Raises `FileError`."""
    if plan.audio is None:
        return Speech.generated(plan.kind, plan.frame_ms, plan.seed)
    return Speech.of_files(sound_files(plan.audio), plan.kind, plan.frame_ms)


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON values, from which `plan_from_json` makes it again."""
    content = {**asdict(plan), "audio": _text(plan.audio)}
    if isinstance(plan.target, WebSocketTarget):
        content["target"] |= {name: _text(content["target"][name]) for name in _PATHS_OF_TARGET}
    return content


def plan_from_json(content: dict[str, Any]) -> Plan:
    """Make a plan again."""
    load = content["load"]
    stages = tuple(Stage(*stage) for stage in load["stages"])
    return Plan(
        **content
        | {
            "target": _target_from_json(content["target"]),
            "load": Load(**load | {"stages": stages}),
            "audio": None if content["audio"] is None else Path(content["audio"]),
        }
    )


def _target_from_json(content: Any) -> Target:
    if not isinstance(content, dict):
        return Address(*content)
    pairs = {name: tuple((key, value) for key, value in content[name]) for name in ("headers", "variables")}
    paths = {name: None if content[name] is None else Path(content[name]) for name in _PATHS_OF_TARGET}
    return WebSocketTarget(**content | {"url": Url(*content["url"])} | pairs | paths)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
