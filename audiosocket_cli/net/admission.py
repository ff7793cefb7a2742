"""Who may call: networks, a list of UUIDs, a program that is asked. AudioSocket itself knows no passwords."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.call.facts import Call
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.net.hooks import run_hook

AUTHORIZE_TIMEOUT_S: Final = 5.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_network(text: str) -> Network:
    """Read a network as 10.0.0.0/8, or one address. Raises `UsageError` for anything else."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no network: write 192.0.2.0/24, 2001:db8::/32 or one address ({error})"
        ) from None


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """Who may call; everybody, where nothing is said."""

    networks: Sequence[Network] = ()
    uuid_file: Path | None = None
    """A file of UUIDs, one a line; what follows # is a comment."""
    authorize: Sequence[str] | None = None
    """A program that is asked for each call, with its UUID and peer in the environment: exit code 0 lets it in."""
    authorize_timeout_s: float = AUTHORIZE_TIMEOUT_S


class Admission:
    """Judges connections by their address and calls by their UUID."""

    def __init__(self, options: AdmissionOptions) -> None:
        """Read the file of UUIDs, if there is one. Raises `FileError`."""
        self._options = options
        self._uuids: frozenset[UUID] = frozenset()
        self.reload()

    @property
    def has_file(self) -> bool:
        """Whether there is something to `reload`."""
        return self._options.uuid_file is not None

    def reload(self) -> int:
        """Read the file of UUIDs again, and return how many there are. Raises `FileError`; the old ones stay."""
        path = self._options.uuid_file
        if path is not None:
            self._uuids = _read_uuids(path)
        return len(self._uuids)

    def why_not_from(self, sockaddr: Any) -> str | None:
        """Say why nobody may call from a socket's address, or None."""
        if not self._options.networks:
            return None
        address = ipaddress.ip_address(sockaddr[0].split("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if any(address in network for network in self._options.networks):
            return None
        return f"{address} is in no network of --allow-from"

    def why_not(self, uuid: UUID) -> str | None:
        """Say why a call with this UUID may not come in, or None."""
        if self._options.uuid_file is None or uuid in self._uuids:
            return None
        return f"{uuid} is not in {self._options.uuid_file}"

    @property
    def asks(self) -> bool:
        """Whether a program has to be asked."""
        return self._options.authorize is not None

    async def ask(self, call: Call) -> str | None:
        """Ask the program; say why the call may not come in, or None."""
        assert self._options.authorize is not None
        facts = {"AUDIOSOCKET_UUID": str(call.uuid), "AUDIOSOCKET_PEER": call.peer}
        reason = await run_hook(self._options.authorize, facts, self._options.authorize_timeout_s)
        return reason and f"{call.uuid} is not authorized: {reason}"


def _read_uuids(path: Path) -> frozenset[UUID]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"cannot read {path}: {(getattr(error, 'strerror', None) or str(error)).lower()}") from None
    uuids = set()
    for number, line in enumerate(lines, 1):
        text = line.split("#")[0].strip()
        try:
            uuids |= {UUID(text)} if text else set()
        except ValueError:
            raise FileError(f"cannot read {path}: line {number} is no UUID: {text[:50]!r}") from None
    return frozenset(uuids)
