"""The connections of Asterisk's process to AudioSocket servers, and the processor time that its threads take.

Both are judged from two looks, a second apart: in a call that is well nothing stands in CLOSE-WAIT for a second, and
no queue grows for one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.releases import Behaviour, Release
from audiosocket_cli.doctor.pbx.place import Place
from audiosocket_cli.doctor.pbx.process_view import CLOSE_WAIT, ESTABLISHED, LISTEN, Connection, ProcessView, Snapshot
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.text import counted

_MIN_GROWTH_BYTES: Final = 2_000
"""A call of 8 kHz grows by 16,000 bytes a second where nobody reads it; its last frame may come or go."""

_MIN_QUEUE_BYTES: Final = 8_000
"""Half a second of 8 kHz. Less is what a network holds for a moment."""

_BUSY: Final = 0.9
"""The share of a processor that a thread which looks without a pause takes; one that works never takes all of it."""

_MAX_SHOWN: Final = 5


def judge_connections(view: ProcessView, servers: Iterable[str], place: Place) -> list[Diagnosis]:
    """Say what is wrong with the connections to these servers."""
    if not view.sees_its_sockets and _possible(view.second, servers):
        why = f"process {view.pid} is another user's: run it as root, or as the user that Asterisk runs as"
        return [Diagnosis("close-wait", Status.UNKNOWN, "the connections of Asterisk's process", (why,))]
    pairs = list(_pairs(view, servers))
    judged = [_closed(pairs, place), _unsent(pairs), _unread(pairs, place)]
    found = [diagnosis for diagnosis in judged if diagnosis is not None]
    if found:
        return found
    number = counted(len(pairs), "connection") if pairs else "no connection"
    return [Diagnosis("close-wait", Status.OK, f"{number} to a server now, none of them half closed or congested")]


class _Pair(NamedTuple):
    """A connection in both looks, and what its other end has not read in both, where that is on this machine."""

    first: Connection
    second: Connection
    behind: tuple[int, int]

    def __str__(self) -> str:
        return f"{_named(self.second.local)} to {_named(self.second.remote)}"


def _pairs(view: ProcessView, servers: Iterable[str]) -> Iterator[_Pair]:
    before = {each.inode: each for each in _possible(view.first, servers)}
    other_ends = [{(each.local, each.remote): each for each in look.sockets} for look in (view.first, view.second)]
    for now in _possible(view.second, servers):
        if now.inode in view.second.own and now.inode in before:
            ends = [look.get((now.remote, now.local)) for look in other_ends]
            unread = [0 if end is None else end.unread_bytes for end in ends]
            yield _Pair(before[now.inode], now, (unread[0], unread[1]))


def _possible(look: Snapshot, servers: Iterable[str]) -> list[Connection]:
    """Return the connections that may be to one of these servers: by address where that is one, else by port."""
    targets = [target for server in servers if (target := _target(server)) is not None]
    listening = {each.local[1] for each in look.sockets if each.state == LISTEN and each.inode in look.own}
    return [
        each for each in look.sockets
        if each.state in (ESTABLISHED, CLOSE_WAIT) and each.local[1] not in listening
        and any(_matches(each.remote, target) for target in targets)
    ]  # fmt: skip


def _target(server: str) -> Address | None:
    try:
        return parse_address(server)
    except UsageError:
        return None


def _matches(remote: tuple[str, int], target: Address) -> bool:
    if remote[1] != target.port:
        return False
    try:
        return ipaddress.ip_address(remote[0]) == ipaddress.ip_address(target.host)
    except ValueError:  # a name
        return True


def _named(address: tuple[str, int]) -> str:
    return str(Address(*address))


def _closed(pairs: list[_Pair], place: Place) -> Diagnosis | None:
    stuck = [pair for pair in pairs if pair.first.state == pair.second.state == CLOSE_WAIT]
    if not stuck:
        return None
    return Diagnosis(
        "close-wait", Status.FAULT,
        f"the server closed {counted(len(stuck), 'connection')} that Asterisk keeps open: those calls go on, without a "
        "sound", _shown(f"{pair}: CLOSE-WAIT, for a second and more" for pair in stuck),
        "let the server send a hangup frame (00 00 00) before it closes; hang up the channels that are left",
        (place.hint("core show channels"),),
    )  # fmt: skip


def _unsent(pairs: list[_Pair]) -> Diagnosis | None:
    """Say that the server does not read, by Asterisk's queue, and by the server's own where it is on this machine."""
    lines = [
        f"{pair}: {_grown(counts)} bytes wait for the server"
        for pair in pairs
        if _grows(counts := (pair.first.unsent_bytes + pair.behind[0], pair.second.unsent_bytes + pair.behind[1]))
    ]
    if not lines:
        return None
    return Diagnosis(
        "server-stalls", Status.FAULT,
        f"the server does not read what Asterisk sends, in {counted(len(lines), 'call')}: it hears the caller later "
        "and later, and at last Asterisk ends the call", _shown(lines),
        "let the server read all the time, on its own, whatever it does meanwhile",
    )  # fmt: skip


def _unread(pairs: list[_Pair], place: Place) -> Diagnosis | None:
    lines = [
        f"{pair}: {_grown(counts)} bytes wait for Asterisk"
        for pair in pairs
        if _grows(counts := (pair.first.unread_bytes, pair.second.unread_bytes))
    ]
    if not lines:
        return None
    return Diagnosis(
        "queue-unread", Status.FAULT,
        f"Asterisk does not read what the server sends, in {counted(len(lines), 'call')}: the caller does not hear it",
        _shown(lines), "see what the channel does: one that nothing serves, as in ARI before it is in a bridge, is not "
        "read", (place.hint("core show channels"),),
    )  # fmt: skip


def _grows(counts: tuple[int, int]) -> bool:
    return counts[1] >= _MIN_QUEUE_BYTES and counts[1] - counts[0] >= _MIN_GROWTH_BYTES


def _grown(counts: tuple[int, int]) -> str:
    return f"{counts[0]:,}, a second later {counts[1]:,}"


def _shown(lines: Iterable[str]) -> tuple[str, ...]:
    lines = list(lines)
    more = len(lines) - _MAX_SHOWN
    return (*lines[:_MAX_SHOWN], *([f"and {more} more"] if more > 0 else []))


def judge_time(view: ProcessView, release: Release | None, place: Place) -> list[Diagnosis]:
    """Say whether a thread never rests."""
    share = view.busiest_thread()
    if share < _BUSY:
        return []
    if release is not None and not release.has(Behaviour.STRICT):
        status: Status = Status.FAULT
        lines: tuple[str, ...] = ()
        cure = "update Asterisk; until then let the server send a hangup frame (00 00 00) before it closes, and use "
        cure += "Dial(AudioSocket/…/c(slin)) in place of AudioSocket()"
    else:
        status, lines = Status.WARNING, (f"top -H -p {view.pid}", place.hint("core show threads"))
        cure = "see which thread it is, and what it does"
    evidence = f"process {view.pid}: {share:.0%} of one processor in a second"
    return [Diagnosis("busy-loop", status, "a thread of Asterisk takes a whole processor", (evidence,), cure, lines)]
