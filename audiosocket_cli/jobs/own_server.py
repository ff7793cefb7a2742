"""Where a server listens, which a command may start itself."""

from __future__ import annotations

from collections.abc import Sequence

from audiosocket_cli.check.subject import PORT_FIELD, free_port
from audiosocket_cli.net.address import Address, parse_address


def server_target(named: Address | None, command: Sequence[str]) -> Address:
    """Return the address that was named, or a free port where the command that starts the server takes one."""
    if named is None and any(PORT_FIELD in word for word in command):
        return Address("127.0.0.1", free_port())
    return named or parse_address("127.0.0.1")
