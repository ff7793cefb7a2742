"""Whether a call that is passed on has come back: the server that it went to, or a later one, passes it on to us.

A proxy of itself is refused at its start (`targets`). Through a second proxy nothing is certain, unless both use the
PROXY protocol: then the call comes back with the address of its own caller. Otherwise a call counts as a loop once it
has come from the server's host more often, in a short time, than any caller does. Without this a loop would go on until
there are no descriptors left, here or there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from audiosocket_cli.call.relayed_call import RelayedCall
from audiosocket_cli.net.address import peer_name

MAX_ROUNDS: Final = 32
ROUNDS_S: Final = 10.0
"""How often a call may have come back, and in how many seconds. Our own choice: a round takes milliseconds, and calls
that share a UUID by mistake are fewer, or come from somewhere else than the server."""


def why_a_loop(live: RelayedCall, others: Iterable[RelayedCall]) -> str | None:
    """Return why a call that has just said its UUID is to be refused, given all that go on; None if it is not."""
    call = live.session.call
    assert call is not None
    same = []
    for other in others:
        theirs = other.session.call
        if other is not live and theirs is not None and other.session.begun and theirs.uuid == call.uuid:
            same.append(other)
    for other in same:
        if other.peer == live.peer:
            return f"a loop: this call is already passed on to {other.server}; does that server pass it back?"
    host = live.peer.rpartition(":")[0]
    rounds = [name for other in same if other.session.age_s < ROUNDS_S and (name := _name_at(other, host))]
    if len(rounds) < MAX_ROUNDS:
        return None
    return (
        f"a loop: this call has come back {len(rounds)} times from the host of {rounds[0]}, to which it was "
        "passed on; does that server pass it back?"
    )


def _name_at(other: RelayedCall, host: str) -> str | None:
    """Return the name of the server or the mirror of a call that is on this host, or None."""
    if _host_of(other.server_address) == host:
        return other.server
    mirror = other.mirror
    return mirror.target if mirror is not None and _host_of(mirror.address) == host else None


def _host_of(address: Any) -> str | None:
    """Return the host of an address, as `peer` has hosts."""
    return None if address is None else peer_name(address).rpartition(":")[0]
