"""What Asterisk meets when it connects to a server: each address of its name, and what a connection to it gives.

No call is begun: we send no UUID, wait 300 ms at most, and close. Where Asterisk is in a container or on another
machine, a shell there does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from audiosocket_cli.asterisk.facts import CONNECT_TIMEOUT_S
from audiosocket_cli.doctor.pbx.place import CannotRunError, Place
from audiosocket_cli.in_thread import in_thread
from audiosocket_cli.net.address import Address

_NAME_S: Final = 12.0
"""A name server that does not answer costs Asterisk 10 s: two tries of 5 s each (resolv.conf)."""

_REFUSED_S: Final = 2.0
"""A name server that does not answer takes longer than this, one that refuses the question does not."""

WAIT_S: Final = 0.3
"""How long a connection is kept, to see whether it is closed at once."""

OPEN: Final = "open"
CLOSED: Final = "closed at once"
SPOKE: Final = "speaks before a UUID"
REFUSED: Final = "refused"
SILENT: Final = "no answer"
UNREACHABLE: Final = "unreachable"

_REFUSED: Final = {errno.ECONNREFUSED, errno.ECONNRESET}
_SILENT: Final = {errno.ETIMEDOUT, errno.EHOSTUNREACH}
"""Nobody answers for the address. All other errors come at once."""


class Attempt(NamedTuple):
    """A connection to one address."""

    host: str
    outcome: str
    detail: str = ""
    """What the system said."""


class Probe(NamedTuple):
    """What came of a server's name and addresses."""

    name: str = ""
    """Why the name gave no address: "unknown", "silent" or "refused" (by the name server); empty where it gave one."""
    attempts: Sequence[Attempt] = ()
    """In the order in which Asterisk tries them."""

    @property
    def takes_calls(self) -> bool:
        """Whether Asterisk gets through."""
        for attempt in self.attempts:
            if attempt.outcome in (OPEN, SPOKE, CLOSED):
                return attempt.outcome != CLOSED
            if attempt.outcome == UNREACHABLE:
                return False  # `ast_audiosocket_connect` gives up where a connection fails at once
        return False


async def probe(server: Address, place: Place, *, is_here: bool) -> Probe:
    """Connect from where Asterisk is; `is_here`: its network is this machine's own. Raises `CannotRunError`."""
    own_names = place.root is not None and str(place.root) == "/"
    if is_here and (own_names or _is_numeric(server.host) or await _has_our_names(place)):
        return await probe_from_here(server)
    return await _probe_there(server, place)


async def _has_our_names(place: Place) -> bool:
    """Whether names are looked up there as here: we learn more of it than a shell there tells."""
    for path in ("/etc/resolv.conf", "/etc/hosts"):
        with contextlib.suppress(OSError):
            if await place.read(path) == Path(path).read_text(errors="replace"):
                continue
        return False
    return True


def _is_numeric(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True


async def probe_from_here(server: Address) -> Probe:
    """Do so from this process."""
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(_NAME_S):
            found = await in_thread(lambda: socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM))
    except socket.gaierror as error:
        if error.errno != socket.EAI_AGAIN:
            return Probe("unknown")
        return Probe("silent" if time.monotonic() - began_s > _REFUSED_S else "refused")
    except UnicodeError:
        return Probe("unknown")
    except TimeoutError:
        return Probe("silent")
    attempts = [_attempt(family, sockaddr) for family, _, _, _, sockaddr in found]
    return Probe("", await asyncio.gather(*attempts))


async def _attempt(family: int, sockaddr: Any) -> Attempt:
    loop, host = asyncio.get_running_loop(), str(sockaddr[0])
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # no IPv6
        return Attempt(host, UNREACHABLE, os.strerror(error.errno or 0))
    with connection:
        connection.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.sock_connect(connection, sockaddr)
        except TimeoutError:
            return Attempt(host, SILENT, f"no answer within {CONNECT_TIMEOUT_S:g} s")
        except OSError as error:
            return _failed(host, error)
        return await _what_comes(connection, host)


def _failed(host: str, error: OSError) -> Attempt:
    outcome = REFUSED if error.errno in _REFUSED else SILENT if error.errno in _SILENT else UNREACHABLE
    return Attempt(host, outcome, os.strerror(error.errno or 0).lower())


async def _what_comes(connection: socket.socket, host: str) -> Attempt:
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(WAIT_S):
            received = await asyncio.get_running_loop().sock_recv(connection, 64)
    except TimeoutError:
        return Attempt(host, OPEN)
    except OSError as error:
        return Attempt(host, CLOSED, os.strerror(error.errno or 0).lower())
    if received:
        return Attempt(host, SPOKE, received.hex(" "))
    return Attempt(host, CLOSED, f"after {(time.monotonic() - began_s) * 1000:.0f} ms")


_SCRIPT: Final = r"""
host=$1 port=$2
command -v bash >/dev/null && command -v timeout >/dev/null || { echo "tools none"; exit 0; }
case $host in
  *:*) found=$host ;;
  *[!0-9.]*)
    command -v getent >/dev/null || { echo "tools none"; exit 0; }
    found=$(timeout 12 getent ahosts "$host"); code=$?
    found=$(echo "$found" | awk '$2 == "STREAM" { print $1 }' 2>/dev/null || echo "$found" | sed -n 's/ *STREAM.*//p')
    [ $code = 124 ] && { echo "name silent"; exit 0; }
    [ -z "$found" ] && { echo "name unknown $code"; exit 0; } ;;
  *) found=$host ;;
esac
echo "order" $found ""
for address in $found; do (
  said=$(timeout 3 bash -c '
    exec 3<>"/dev/tcp/$0/$1" || exit 101
    IFS= read -r -n 1 -t 0.3 byte <&3; code=$?
    [ $code -gt 128 ] && exit 102
    [ $code = 0 ] && exit 103
    exit 104' "$address" "$port" 2>&1 >/dev/null); code=$?
  echo "try $address $code $(echo "$said" | tr "\n" " ")"
) & done
wait
"""
"""Connects to $1 at port $2 with bash, which many containers have."""

_OUTCOMES: Final = {"102": OPEN, "103": SPOKE, "104": CLOSED, "124": SILENT, "143": SILENT}


async def _probe_there(server: Address, place: Place) -> Probe:
    began_s = time.monotonic()
    done = await place.run("sh", "-c", _SCRIPT, "sh", server.host, str(server.port), seconds=_NAME_S + 6)
    probe = read_script(done.out, server.host, time.monotonic() - began_s)
    if probe is None:
        reason = done.err.strip().splitlines()[-1:] or ["it has no bash, timeout and getent to try it with"]
        raise CannotRunError(reason[0][:200])
    return probe


def read_script(text: str, host: str, seconds: float) -> Probe | None:
    """Read what the shell's script printed; None where it could not try. `seconds` is how long it took."""
    attempts, order = [], ""
    for line in text.splitlines():
        words = line.split(maxsplit=3)
        if words[:1] == ["order"]:
            order = line
        if words[:1] == ["name"]:
            return Probe("silent" if words[1] == "silent" or seconds > _NAME_S * 0.75 else "unknown")
        if words[:1] == ["try"] and len(words) > 2:
            attempts.append(Attempt(words[1], *_outcome(words[2], words[3] if len(words) > 3 else "")))
    attempts.sort(key=lambda attempt: order.find(f" {attempt.host} "))
    return Probe("", attempts) if attempts else None


def _outcome(code: str, said: str) -> tuple[str, str]:
    if code in _OUTCOMES:
        return _OUTCOMES[code], ""
    lower = said.lower()
    detail = said.strip().rpartition(": ")[2].lower()
    if "refused" in lower:
        return REFUSED, "connection refused"
    if "timed out" in lower or "no route to host" in lower:
        return SILENT, detail
    return UNREACHABLE, detail
