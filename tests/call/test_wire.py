"""What is on the wire, seen by tshark: each frame in one segment, on its deadline."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from audiosocket_cli.call.wire import SocketWire, queues
from audiosocket_cli.codec import Frame, FrameDecoder, Kind, encode
from support.peers import FRAME, reset, wire_and_peer
from support.running import Serving, missing, need, run, wait_until


@pytest.mark.parametrize("side", ["server", "caller"])
def test_each_frame_is_one_segment_on_its_deadline(
    serve: Callable[..., Serving], tone_file: Path, tmp_path: Path, side: str
) -> None:
    tshark = need("tshark")
    if os.geteuid():
        missing("capturing needs root")
    serving = serve("--tone", "440", "--json")
    direction = "src" if side == "server" else "dst"
    capture = subprocess.Popen(
        [
            tshark, "-l", "-i", "lo", "-f", f"tcp {direction} port {serving.port}",
            "-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.len", "-e", "tcp.payload",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert capture.stderr is not None
    while "Capturing on" not in capture.stderr.readline():
        pass
    rows: list[list[str]] = []
    seen = capture.stdout
    assert seen is not None
    reading = threading.Thread(target=lambda: [rows.append(line.rstrip("\n").split("\t")) for line in seen])
    reading.start()
    done = run("play", tone_file, serving.target, "--wait", "0.5", "--json")
    assert done.returncode == 0
    ended = {"caller": json.loads(done.stdout), "server": json.loads(serving.wait_for('"event": "ended"'))}
    slipped_s = ended[side]["call"][side]["slipped_ms"] / 1000
    sent, until_s = ended[side]["call"][side]["frames"]["slin"]["frames"], time.monotonic() + 30
    while sum(payload.startswith("100140") for *_, payload in rows) < sent and time.monotonic() < until_s:
        time.sleep(0.05)  # for what tshark has yet to read
    capture.send_signal(signal.SIGINT)
    reading.join(30)
    capture.communicate(timeout=30)
    segments = [(float(at_s), payload) for at_s, length, payload in rows if int(length)]
    audio = [(at_s, payload) for at_s, payload in segments if payload.startswith("100140")]
    others = [payload for _, payload in segments if not payload.startswith("100140")]
    assert len(audio) >= 60  # of 100
    assert {len(payload) // 2 for _, payload in audio} == {323}
    assert len(others) <= 1  # the caller's UUID
    times = [at_s for at_s, _ in audio]
    # A busy machine makes frames late, some of them much: none is early, and the deadlines of others do not move.
    late_s = [at_s - number * 0.02 for number, at_s in enumerate(times)]
    # Beyond 60 ms the product gives up its schedule for a later one, and says by how much.
    assert min(late_s[-20:]) == pytest.approx(min(late_s[:20]) + slipped_s, abs=0.02 + slipped_s / 2)
    assert statistics.median(late_s) - min(late_s) < 0.02 + slipped_s
    steps = [after - before for before, after in pairwise(times)]
    assert statistics.median(steps) == pytest.approx(0.02, abs=0.005)


@pytest.mark.parametrize("are_held", [False, True], ids=["one by one", "held"])
def test_a_peer_that_does_not_read_gets_whole_frames_later(are_held: bool) -> None:
    peer, wire = wire_and_peer()
    data = encode(Frame(Kind.SLIN192, bytes(range(256)) * 30))
    sent = 0
    while not wire.blocked and sent < 10_000:
        if are_held:
            wire.hold()
        sent += wire.send(data) + wire.send(data)
        wire.release()
    assert wire.blocked
    assert not wire.send(data)
    decoder, frames = FrameDecoder(), []
    while len(frames) < sent:
        frames += decoder.feed(peer.recv(65536))
        wire.flush()
    assert frames == [Frame(Kind.SLIN192, bytes(range(256)) * 30)] * sent
    decoder.finish()
    peer.close()
    wire.close()
    wire.close()


def test_a_goodbye_waits_behind_the_frame_that_the_peer_has_not_read_yet() -> None:
    peer, wire = wire_and_peer()
    data = encode(Frame(Kind.SLIN192, bytes(7680)))
    sent = 0
    while not wire.blocked and sent < 10_000:
        sent += wire.send(data)
    wire.end_sending(encode(Frame(Kind.HANGUP)))
    wire.end_sending()
    assert not wire.send(data)
    assert wire.undelivered > 0
    decoder, frames = FrameDecoder(), []
    while received := peer.recv(65536):
        frames += decoder.feed(received)
        if wire.blocked:
            wire.flush()
    decoder.finish()
    assert len(frames) == sent + 1
    assert frames[-1] == Frame(Kind.HANGUP)
    peer.close()
    wire.close()


def test_frames_that_are_held_go_out_together_and_in_order() -> None:
    peer, wire = wire_and_peer()
    wire.hold()
    assert wire.send(FRAME)
    assert wire.send(encode(Frame(Kind.DTMF, b"1")))
    assert wire.undelivered == len(FRAME) + 4
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(1)
    wire.release()
    peer.setblocking(True)
    assert peer.recv(65536) == FRAME + encode(Frame(Kind.DTMF, b"1"))
    assert wire.send(FRAME)
    assert peer.recv(65536) == FRAME
    peer.close()
    wire.close()


@pytest.mark.parametrize("says_goodbye", [True, False], ids=["goodbye", "close"])
def test_what_is_held_when_a_call_ends_goes_out_first(says_goodbye: bool) -> None:
    peer, wire = wire_and_peer()
    wire.hold()
    wire.send(FRAME)
    last = encode(Frame(Kind.HANGUP)) if says_goodbye else b""
    if says_goodbye:
        wire.end_sending(last)
    wire.close()
    wire.release()
    assert peer.recv(65536) == FRAME + last
    assert peer.recv(1) == b""
    peer.close()


def wait_for(wire: SocketWire, event: int) -> None:
    """Wait until our end of a connection has something: `POLLIN` data or its end, `POLLHUP` a reset."""
    poll = select.poll()
    poll.register(wire.fileno(), event)
    assert poll.poll(60_000), "it never came"


def test_what_was_read_ahead_is_received_next_also_where_that_failed() -> None:
    peer, wire = wire_and_peer()
    wire.read_ahead()
    assert wire.receive() is None
    peer.sendall(FRAME)
    wait_for(wire, select.POLLIN)
    wire.read_ahead()
    wire.read_ahead()
    assert wire.receive() == FRAME
    assert wire.receive() is None
    reset(peer)
    wait_for(wire, select.POLLHUP)
    wire.read_ahead()
    with pytest.raises(ConnectionResetError):
        wire.receive()
    wire.close()


def test_what_a_reader_leaves_unread_is_seen_on_both_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as caller, listener.accept()[0] as server:
            assert queues(server.fileno()) == (0, 0)
            caller.sendall(FRAME * 10)
            wait_until(lambda: queues(server.fileno()) == (3230, 0))
            caller.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    caller.send(bytes(65536))
            wait_until(lambda: queues(server.fileno())[0] > 3230)
            if os.uname().sysname == "Linux":
                assert queues(caller.fileno())[1] > 0
        assert queues(server.fileno()) == (0, 0)


def test_a_reset_that_sending_has_found_is_found_by_reading_too() -> None:
    peer, wire = wire_and_peer()
    peer.sendall(FRAME)
    wait_for(wire, select.POLLIN)
    reset(peer)
    wait_for(wire, select.POLLHUP)
    assert not wire.refused
    wire.send(FRAME)
    assert wire.refused
    assert wire.receive() == FRAME
    with pytest.raises(ConnectionResetError):
        wire.receive()
    wire.close()


def test_a_peer_that_has_closed_before_we_sent_has_not_reset_the_connection() -> None:
    peer, wire = wire_and_peer()
    peer.sendall(FRAME)
    peer.close()
    wire.send(FRAME)  # which makes the peer's system say that nobody is there any more
    wait_for(wire, select.POLLHUP)
    wire.send(FRAME)
    assert wire.refused
    assert wire.receive() == FRAME
    assert wire.receive() == b""
    wire.close()


def test_resetting_is_no_closing() -> None:
    peer, wire = wire_and_peer()
    wire.send(FRAME)
    assert peer.recv(1000) == FRAME
    wire.reset()
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    wire.close()
    peer.close()


def test_what_is_read_is_passed_on_and_kept_where_the_other_side_does_not_read() -> None:
    (caller, source), (server, sink) = wire_and_peer(), wire_and_peer()
    caller.setblocking(False)
    sent = passed = 0
    while not sink.blocked:
        with suppress(BlockingIOError):
            sent += caller.send(FRAME)
        passed += len(source.pass_on(sink) or b"")
    received = 0
    while received < passed:
        received += len(server.recv(65536))
        sink.flush()
    assert (received, sink.blocked) == (passed, False)
    for each in (caller, server, source, sink):
        each.close()


class Told:
    """Keeps what a wire tells its capture."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def remark(self, text: str) -> None:
        self.told.append(text)

    def received(self, data: bytes) -> None:
        self.told.append(data)

    def ended(self, *, sent: bool) -> None:
        self.told.append("ended")

    def was_reset(self, *, sent: bool = False) -> None:
        self.told.append("reset")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
def test_what_is_said_of_a_read_stands_before_it_in_the_capture(is_reset: bool) -> None:
    peer, bare = wire_and_peer()
    told = Told()
    wire = SocketWire(bare._socket, told)  # type: ignore[arg-type]

    def receive() -> bytes:
        while (data := wire.receive_judged(lambda data: [f"{len(data)} bytes", "two"])) is None:
            time.sleep(0.01)
        return data

    peer.sendall(FRAME)
    assert receive() == FRAME
    wire.remark("later")
    assert told.told == [f"{len(FRAME)} bytes", "two", FRAME, "later"]
    if is_reset:
        reset(peer)
        with pytest.raises(ConnectionResetError):
            receive()
    else:
        peer.close()
        assert receive() == b""
    assert told.told[4:] == ["reset" if is_reset else "ended"]
    wire.close()
    peer.close()
