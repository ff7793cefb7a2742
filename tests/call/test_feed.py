"""What a mirror hears: the caller's bytes in order, with a bound, and the caller's end after them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from audiosocket_cli.call.feed import (
    ANSWER_BYTES_S,
    MAX_AHEAD_BYTES,
    MAX_WAITING_BYTES,
    Feed,
    FeedingWire,
    MirrorWire,
)
from audiosocket_cli.call.wire import READ_BYTES, SocketWire
from support.fakes import FakeWire
from support.peers import reset


def all_of(feed: Feed) -> bytes:
    found = b""
    while data := feed.receive():
        found += data
    return found


def test_what_was_put_is_read_in_order_and_no_more_at_once_than_from_a_socket() -> None:
    feed, sink = Feed(), FakeWire()
    data = bytes(range(256)) * 200
    for start in range(0, len(data), 323):
        feed.put(data[start : start + 323])
    assert not feed.drained
    while feed.pass_on(sink):
        pass
    assert b"".join(sink.sent) == data
    assert max(map(len, sink.sent)) == READ_BYTES
    assert feed.drained
    assert feed.receive() is None


def test_the_end_comes_after_the_bytes_and_nothing_after_the_end() -> None:
    feed = Feed()
    feed.put(b"abc")
    feed.end()
    feed.put(b"def")
    assert [feed.receive(), feed.receive()] == [b"abc", b""]


def test_a_reset_of_the_caller_comes_after_the_bytes() -> None:
    feed = Feed()
    feed.put(b"abc")
    feed.end(is_reset=True)
    feed.end()
    assert feed.receive() == b"abc"
    with pytest.raises(ConnectionResetError):
        feed.receive()


def test_more_than_may_wait_is_a_loss_for_good_and_takes_no_memory() -> None:
    feed = Feed()
    for _ in range(MAX_WAITING_BYTES // 4096):
        feed.put(bytes(4096))
    assert feed.failure is None
    feed.put(b"a")
    assert feed.failure == "it fell 256 KiB behind the caller"
    assert feed.is_waiting
    feed.put(b"b")
    assert feed.receive() is None


def test_it_tells_once_until_it_is_read() -> None:
    feed, told = Feed(), []
    feed.put(b"a")
    feed.attach(lambda: told.append(1))
    feed.put(b"b")
    assert len(told) == 1  # of what was there before, at once
    feed.untold()
    feed.put(b"c")
    assert len(told) == 2
    feed.close()
    feed.put(b"d")
    feed.untold()
    feed.end()
    assert len(told) == 2
    assert all_of(feed) == b""


def test_what_is_said_to_it_goes_nowhere() -> None:
    feed = Feed()
    assert feed.send(b"abc")
    feed.flush()
    feed.end_sending(b"abc")
    assert (feed.undelivered, feed.blocked, feed.refused) == (0, False, False)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with peer, ours:
        yield peer, ours


def read_once(wire: SocketWire, sink: SocketWire) -> bytes | None:
    while True:
        data = wire.pass_on(sink)
        if data is not None:
            return data


def test_a_feeding_wire_passes_on_what_it_reads_and_keeps_a_copy(pair: tuple[socket.socket, socket.socket]) -> None:
    peer, ours = pair
    near, far = socket.socketpair()
    feed = Feed()
    wire, sink = FeedingWire(ours, None, feed), SocketWire(near)
    peer.sendall(b"abc")
    assert read_once(wire, sink) == b"abc"
    assert far.recv(10) == b"abc"
    peer.shutdown(socket.SHUT_WR)
    assert read_once(wire, sink) == b""
    assert [feed.receive(), feed.receive()] == [b"abc", b""]
    sink.close()
    far.close()


def test_a_reset_of_the_caller_is_one_of_the_feed(pair: tuple[socket.socket, socket.socket]) -> None:
    peer, ours = pair
    near, far = socket.socketpair()
    feed = Feed()
    wire, sink = FeedingWire(ours, None, feed), SocketWire(near)
    reset(peer)
    with pytest.raises(ConnectionResetError):
        read_once(wire, sink)
    with pytest.raises(ConnectionResetError):
        feed.receive()
    sink.close()
    far.close()


def test_what_a_mirror_says_is_read_and_not_passed_on(pair: tuple[socket.socket, socket.socket]) -> None:
    peer, ours = pair
    feed = Feed()
    wire = MirrorWire(ours, None, feed)
    peer.sendall(b"abc")
    data = None
    while data is None:
        data = wire.pass_on(feed)
    assert data == b"abc"
    assert feed.receive() is None


def test_a_mirror_that_floods_is_given_up_and_one_that_says_much_at_once_is_not(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, ours = pair
    now_s = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    feed = Feed()
    wire = MirrorWire(ours, None, feed)

    def said(size: int) -> None:
        """The mirror says so much, and it is read."""
        sending = threading.Thread(target=peer.sendall, args=(bytes(size),))
        sending.start()
        while size:
            size -= len(wire.pass_on(feed) or b"")
        sending.join()

    said(MAX_AHEAD_BYTES)
    now_s += 2
    said(2 * ANSWER_BYTES_S - 1)
    assert feed.failure is None
    said(2)
    assert feed.failure == "it sent 4 MiB more than 512 KiB a second"
    assert feed.is_waiting
