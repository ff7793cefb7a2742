"""The sound of a live call over HTTP, as curl gets it: what was said, until the call ends, for who may look."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import pytest

from audiosocket_cli.audio.pcm import Samples
from support.peers import connected, opening, read_to_end
from support.running import Serve
from support.watched import in_frames, is_heard, noise, stereo
from support.web import Web, begin


def speak(peer: socket.socket, samples: Samples) -> None:
    """Say samples frame by frame, each sent once all of it was said; later, where a busy machine holds it up."""
    due_s = time.monotonic()
    for frame in in_frames(samples):
        due_s = max(due_s + 0.02, time.monotonic())
        time.sleep(max(0.0, due_s - time.monotonic()))
        peer.sendall(frame)


@contextmanager
def listening(web: Web, call: str) -> Iterator[http.client.HTTPResponse]:
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)) as connection:
        connection.request("GET", f"/api/calls/{call}/sound")
        with connection.getresponse() as answer:
            yield answer


@pytest.mark.parametrize("workers", ["1", "2"])
def test_raw_samples_come_until_the_call_ends_and_the_log_says_who_listened(serve: Serve, workers: str) -> None:
    web = begin(serve, "--echo", "--workers", workers)
    call, first = opening()
    said = noise(2.0)
    with connected(web.serving, first) as peer:
        drained = Thread(target=read_to_end, args=(peer,))
        drained.start()
        web.until("/api/calls", lambda told: told["count"] == 1)
        speak(peer, noise(0.2, seed=5))
        with listening(web, call) as answer:
            assert answer.status == 200
            assert answer.getheader("X-Audio-Rate") == "8000"
            assert answer.getheader("Content-Type") == "application/octet-stream"
            assert answer.getheader("Cache-Control") == "no-store"
            listed = web.until(f"/api/calls/{call}", lambda told: told["listeners"])
            assert listed["listeners"] == ["127.0.0.1"]
            speak(peer, said)
            peer.sendall(b"\0\0\0")
            heard = stereo(answer.read())
        drained.join()
    assert is_heard(said, heard[:, 0])
    assert is_heard(said[:14000], heard[:, 1])
    _, lines, _ = web.serving.end()
    log = "\n".join(lines)
    assert re.search(rf"{call} is listened to by 127\.0\.0\.1 from \d+\.\d\d s on", log)
    assert re.search(rf"{call} was listened to by 127\.0\.0\.1 from \d+\.\d\d to \d+\.\d\d s", log)


def test_what_cannot_be_listened_to(serve: Serve) -> None:
    web = begin(serve)
    call, first = opening()
    with connected(web.serving, first) as peer:
        web.until("/api/calls", lambda told: told["count"] == 1)
        assert web.ask(f"/api/calls/{call}/sound", "HEAD").status == 405
        assert web.ask(f"/api/calls/{call}/sound", Origin="http://elsewhere.example").status == 403
        peer.sendall(b"\0\0\0")
        read_to_end(peer)
    web.until("/api/calls", lambda told: told["count"] == 0)
    gone = web.ask(f"/api/calls/{call}/sound")
    assert gone.status == 410
    assert "has ended" in gone.json["error"]
    assert web.ask("/api/calls/00000000-0000-0000-0000-0000000000ff/sound").status == 404


def test_who_does_not_read_keeps_neither_the_call_nor_the_server_from_ending(serve: Serve) -> None:
    web = begin(serve, "--echo")
    call, first = opening()
    with connected(web.serving, first) as peer, web.raw() as stuck:
        web.until("/api/calls", lambda told: told["count"] == 1)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(f"GET /api/calls/{call}/sound HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        web.until(f"/api/calls/{call}", lambda told: told["listeners"])
        speak(peer, noise(0.5))
        peer.sendall(b"\0\0\0")
        frames = read_to_end(peer)
        assert sum(len(frame.payload) for frame in frames) >= 4000
        web.until("/api/calls", lambda told: told["count"] == 0)
        code, _, errors = web.serving.end()
    assert code == 130
    assert "internal error" not in errors


def test_who_leaves_listens_no_more(serve: Serve) -> None:
    web = begin(serve)
    call, first = opening()
    with connected(web.serving, first):
        web.until("/api/calls", lambda told: told["count"] == 1)
        with web.raw() as leaving:
            leaving.sendall(f"GET /api/calls/{call}/sound HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert leaving.recv(100).startswith(b"HTTP/1.1 200")
            web.until(f"/api/calls/{call}", lambda told: told["listeners"])
        web.until(f"/api/calls/{call}", lambda told: not told["listeners"])
    web.serving.wait_for("was listened to by")


def test_who_leaves_is_let_go_while_the_process_of_the_call_hangs(serve: Serve) -> None:
    web = begin(serve, "--workers", "2")
    call, first = opening()
    with connected(web.serving, first):
        listed = web.until("/api/calls", lambda told: told["count"] == 1)["calls"][0]
        process = int(listed["id"].partition("-")[0])
        with web.raw() as leaving:
            leaving.sendall(f"GET /api/calls/{call}/sound HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert leaving.recv(100).startswith(b"HTTP/1.1 200")
            os.kill(process, signal.SIGSTOP)
        try:
            web.until(f"/api/calls/{call}", lambda told: not told["listeners"])
        finally:
            os.kill(process, signal.SIGCONT)
