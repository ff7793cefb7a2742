"""Where a server listens, which a command may start itself."""

from __future__ import annotations

from collections.abc import Sequence

from audiosocket_cli.check.subject import free_port
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.net.target import PORT_FIELD, Target, WebSocketTarget


def server_target(named: Target | None, command: Sequence[str]) -> Target:
    """Return the target that was named, or a free port where the command that starts the server takes one; a URL with
    {port} gets one, too."""
    if isinstance(named, WebSocketTarget):
        return named.on_port(free_port()) if named.lacks_port else named
    if named is None and any(PORT_FIELD in word for word in command):
        return Address("127.0.0.1", free_port())
    return named or parse_address("127.0.0.1")
