"""What a server answers over HTTP to those who watch it: figures for Prometheus, and health checks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from audiosocket_cli.errors import UsageError
from audiosocket_cli.libraries import install_line
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.http_routes import Answer, Handler, Request
from audiosocket_cli.net.http_server import HttpServer
from audiosocket_cli.net.listen import bind
from audiosocket_cli.server.readiness import Readiness

Update = Callable[..., None]


class Figures(NamedTuple):
    """The figures for Prometheus."""

    update: Update
    """What takes the newest."""
    route: Handler
    """What answers who asks for them."""


def health_routes(readiness: Readiness) -> dict[str, Handler]:
    """Return what answers health checks: /healthz is 200 while calls are accepted, /livez for as long as the server
    does not hang, also while it drains; else both are 503 and say why."""
    return {"/healthz": health_route(readiness.health), "/livez": health_route(readiness.life)}


def health_route(look: Callable[[], tuple[int, str]]) -> Handler:
    """Return what answers a health check with a status and a line, as `look` finds them."""

    def answer(_: Request) -> Answer:
        status, text = look()
        return Answer(status, f"{text}\n".encode())

    return answer


def begin_monitoring(
    metrics: Address | None,
    health: Address | None,
    readiness: Readiness,
    passed: Mapping[str, Sequence[socket.socket]],
    say: Callable[[str], object],
    *,
    elsewhere: bool = False,
) -> Figures | None:
    """Begin to answer, on sockets that systemd has passed as "metrics" or "health", or else on these addresses.

    Returns the figures, None where nobody wants them. `elsewhere`: others show them, too, where prometheus-client is
    installed. Raises `NetworkError` when an address cannot be had, and `UsageError` when figures are wanted and
    prometheus-client is missing.
    """
    routes = health_routes(readiness)
    if health is not None or "health" in passed:
        where = _begin(routes, "health", health, passed)
        say(f"health checks on {where}")
    is_own = metrics is not None or "metrics" in passed
    if not is_own and not elsewhere:
        return None
    try:
        from audiosocket_cli.server.exporter import Exporter
    except ImportError:
        if not is_own:
            return None
        raise UsageError(f"--metrics needs prometheus-client: {install_line('prometheus-client')}") from None
    exporter = Exporter()
    route = exporter.route()
    if is_own:
        where = _begin({"/metrics": route, **routes}, "metrics", metrics, passed)
        say(f"metrics on {where}")
    return Figures(exporter.update, route)


def _begin(
    routes: Mapping[str, Handler], name: str, address: Address | None, passed: Mapping[str, Sequence[socket.socket]]
) -> str:
    sockets = passed.get(name) or bind(address or Address("", 0), option=f"--{name}")
    HttpServer(sockets, routes)
    host, port = sockets[0].getsockname()[:2]
    if host in ("", "::", "0.0.0.0"):
        return f"port {port} of all interfaces"
    return f"http://{Address(address.host if address and name not in passed else host, port)}/{_PATHS[name]}"


_PATHS = {"health": "healthz", "metrics": "metrics"}
