"""The poll of a driver, as epoll and as what other systems have: the same sockets are ready."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator

import pytest

from audiosocket_cli.call import poll
from audiosocket_cli.call.poll import ENDED, READABLE, WRITABLE, Poll, make_poll

MAKERS: list[Callable[[], Poll]] = [make_poll, poll._Selector]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("make", MAKERS)
def test_a_socket_is_ready_for_what_is_looked_out_for(
    make: Callable[[], Poll], pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    fd, watched = ours.fileno(), make()
    watched.look_out(fd, 0, READABLE)
    assert watched.ready() == []
    theirs.send(b"a")
    assert watched.ready() == [(fd, READABLE)]
    watched.look_out(fd, READABLE, READABLE | WRITABLE)
    assert watched.ready() == [(fd, READABLE | WRITABLE)]
    ours.recv(9)
    assert watched.ready() == [(fd, WRITABLE)]
    watched.look_out(fd, READABLE | WRITABLE, 0)
    assert watched.ready() == []


@pytest.mark.parametrize("make", MAKERS)
def test_it_can_be_waited_for_itself(make: Callable[[], Poll], pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    watched = make()
    watched.look_out(ours.fileno(), 0, READABLE)
    assert select.select([watched.fileno()], [], [], 0)[0] == []
    theirs.send(b"a")
    assert select.select([watched.fileno()], [], [], 1)[0] == [watched.fileno()]


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="the system has no epoll")
def test_the_end_of_a_stream_is_seen_without_reading(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    watched = make_poll()
    watched.look_out(ours.fileno(), 0, ENDED)
    theirs.send(b"a")
    assert watched.ready() == []
    theirs.shutdown(socket.SHUT_WR)
    ((fd, events),) = watched.ready()
    assert fd == ours.fileno()
    assert events & ENDED
