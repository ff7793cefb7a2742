"""Who may call: networks, a list of UUIDs, a program that is asked; and what is known of a caller then.

AudioSocket itself knows no passwords, and says nothing of a caller but a UUID.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.disk import check_rereadable
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.finding import tagged
from audiosocket_cli.model import Call
from audiosocket_cli.server.hooks import ask_hook
from audiosocket_cli.server.uuid_list import read_uuids
from audiosocket_cli.server.variables import MAX_BYTES, VariableFiles, Variables, parse_variables

AUTHORIZE_TIMEOUT_S: Final = 5.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
"""Where IPv6 sockets see IPv4 peers."""


def parse_network(text: str) -> Network:
    """Read a network as 10.0.0.0/8, or one address; IPv4-mapped ones are IPv4. Raises `UsageError` for anything else.

    An interface (fe80::1%eth0) is refused: it would be taken for any.
    """
    try:
        if "%" in text:
            raise ValueError("an interface cannot be asked for")
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a network: write 192.0.2.0/24, 2001:db8::/32 or one address ({error})"
        ) from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        low_bits = int(network.network_address) - int(_MAPPED.network_address)
        return ipaddress.IPv4Network((low_bits, network.prefixlen - _MAPPED.prefixlen))
    return network


def why_not_from(sockaddr: Any, networks: Sequence[Network], option: str) -> str | None:
    """Say that a socket's address is in none of the networks of an option; None if it is, or if there are none."""
    if not networks:
        return None
    address = ipaddress.ip_address(sockaddr[0].split("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return None if any(address in network for network in networks) else f"{address} is not in a network of {option}"


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """Who may call; everybody if no option is set."""

    networks: Sequence[Network] = ()
    uuid_file: Path | None = None
    """A file of UUIDs, one a line; what follows # is a comment."""
    authorize: Sequence[str] | None = None
    """A program that is asked for each call, with its UUID and peer in the environment: exit code 0 lets it in. It may
    print variables of the call as a JSON object."""
    authorize_timeout_s: float = AUTHORIZE_TIMEOUT_S
    variables: Path | None = None
    """A folder of such objects, each in a file named after its UUID; those of the program count before these."""


class Admission:
    """Judges connections by their address and calls by their UUID."""

    def __init__(self, options: AdmissionOptions) -> None:
        """Read the file of UUIDs, if there is one. Raises `FileError`."""
        self._options = options
        self._uuids: set[bytes] = set()
        self._reloading = asyncio.Lock()
        self._reload_waits = False
        if options.uuid_file is not None:
            self._uuids.update(*read_uuids(options.uuid_file))
        self._files = None if options.variables is None else VariableFiles(options.variables)

    @property
    def has_file(self) -> bool:
        """Whether there is a file to `reload`."""
        return self._options.uuid_file is not None

    @property
    def lets_nobody_in(self) -> bool:
        """Whether there is a file, and no UUID in it."""
        return self.has_file and not self._uuids

    async def reload(self) -> int | None:
        """Read the file of UUIDs again. Return the number of UUIDs, or None if a later call of `reload` is already
        waiting to do the same.

        Raises `FileError`, and keeps the old list; also for a file without UUIDs, because a truncated file looks like
        that. Calls go on while a long file is read.
        """
        path = self._options.uuid_file
        assert path is not None
        if self._reload_waits:
            return None
        self._reload_waits = True
        try:
            await self._reloading.acquire()  # the last to ask reads last
        finally:
            self._reload_waits = False
        try:
            self._uuids = await _read(path)
        finally:
            self._reloading.release()
        return len(self._uuids)

    def why_not_from(self, sockaddr: Any) -> str | None:
        """Say why nobody may call from a socket's address, or None."""
        return why_not_from(sockaddr, self._options.networks, "--allow-from")

    def why_not(self, uuid: UUID) -> str | None:
        """Say why a call with this UUID may not come in, or None."""
        if self._options.uuid_file is None or uuid.bytes in self._uuids:
            return None
        return f"{uuid} is not in {self._options.uuid_file}"

    @property
    def asks(self) -> bool:
        """Whether a program has to be asked, or a file to be read."""
        return self._options.authorize is not None or self._files is not None

    async def ask(self, call: Call) -> str | None:
        """Ask the program; say why the call may not come in, or None. Then the call has its variables."""
        told: dict[str, str] = {}
        if self._options.authorize is not None:
            facts = {"AUDIOSOCKET_UUID": str(call.uuid), "AUDIOSOCKET_PEER": call.peer}
            timeout_s = self._options.authorize_timeout_s
            done = await ask_hook(self._options.authorize, facts, timeout_s, most_bytes=MAX_BYTES + 1)
            if done.failure is not None:
                return f"{call.uuid} is not authorized: {done.failure}"
            told = _noted(call, parse_variables(done.output, "what --authorize printed"))
        if self._files is not None:
            told = _noted(call, await self._files.read(call.uuid)) | told
        if told:
            call.variables = told
        return None


def _noted(call: Call, found: Variables) -> dict[str, str]:
    """Return variables, and note what is odd about them."""
    for remark in found.remarks:
        call.note(tagged("variables-odd", remark))
    return found.values


async def _read(path: Path) -> set[bytes]:
    uuids: set[bytes] = set()
    check_rereadable(path)
    for batch in read_uuids(path):
        uuids |= batch
        await asyncio.sleep(0)
    if not uuids:
        raise FileError(f"cannot read {path} again: it holds no UUID (to let nobody in, list {UUID(int=0)} alone)")
    return uuids
