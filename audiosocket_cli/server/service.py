"""A server as a service: the sockets that systemd has passed, and the receivers of its state."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Final, NamedTuple

from audiosocket_cli.net.listen import ListeningSockets
from audiosocket_cli.server.api import begin_api
from audiosocket_cli.server.call_list import CallList
from audiosocket_cli.server.monitoring import Figures, Update, begin_monitoring
from audiosocket_cli.server.options import ServeOptions
from audiosocket_cli.server.readiness import Readiness
from audiosocket_cli.server.systemd import Notifier, others_descriptors, take_sockets
from audiosocket_cli.server.watching import Watching

_MONITORING: Final = ("metrics", "health")
"""Names of sockets (FileDescriptorName=) that are for those who watch; all others are for calls."""


class Service(NamedTuple):
    """What a server begins with."""

    listening: ListeningSockets | None
    """The sockets for calls that systemd has passed, if it has."""
    readiness: Readiness
    figures: Figures | None
    """The figures for Prometheus, where somebody wants them."""
    calls: CallList | None = None
    """The list of calls, where somebody asks about calls."""
    watching: Watching | None = None
    """Those who watch the calls, where they can: what is told of calls goes there, and from there into the list."""

    @property
    def on_metrics(self) -> Update | None:
        """What takes the newest figures, where somebody wants them."""
        return None if self.figures is None else self.figures.update

    @property
    def news(self) -> CallList | Watching | None:
        """What takes the news of calls, where somebody wants them."""
        return self.calls if self.watching is None else self.watching


def begin_service(
    options: ServeOptions, say: Callable[[str], object], reopen: Callable[[], object] | None = None
) -> Service:
    """Take what systemd has passed, so that no program inherits it, and begin to answer those who watch.

    `reopen` opens again at SIGHUP what was opened before, where something was.
    Raises `NetworkError`, `UsageError` and `FileError`, as `take_sockets`, `begin_monitoring` and `begin_api` do.
    """
    warning = others_descriptors(os.environ, os.getpid())
    if warning:
        say(warning)
    passed: dict[str, list[socket.socket]] = {}
    for name, listener in take_sockets(os.environ):
        passed.setdefault(name if name in _MONITORING else "calls", []).append(listener)
    readiness = Readiness(Notifier.take(os.environ), reopen=reopen)
    figures = begin_monitoring(
        options.metrics, options.health, readiness, passed, say, elsewhere=options.web is not None
    )
    listening = ListeningSockets(passed["calls"], stay_open=True) if "calls" in passed else None
    calls = CallList()
    begin_api(options.api, calls, say)
    watching = None if options.web is None else Watching(calls)
    return Service(
        listening, readiness, figures, calls if options.api.servers or watching is not None else None, watching
    )
