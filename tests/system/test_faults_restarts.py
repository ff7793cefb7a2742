"""A server that is restarted again and again under callers who call again and again: nobody is refused, no call is cut.

As systemd does it: the socket stays open, the old process is told to end, and a new one is started, after the old one
has ended (`systemctl restart`) or beside it (two services on one socket).
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from audiosocket_cli.codec import FrameDecoder, Kind, encode, uuid_frame
from support.activated import start_activated
from support.faults import FRAMES, OFTEN, PTIME_S, show

RESTARTS = min(20, 4 * OFTEN)
CALLERS = 20 if OFTEN > 1 else 8
CALL_S = 1.0
SPEECH_FRAMES = round(CALL_S / PTIME_S)


@dataclass
class Callers:
    """Callers who speak for a second each time, and notice what goes wrong."""

    address: tuple[str, int]
    calls: int = 0
    faults: list[str] = field(default_factory=list)
    worst_wait_s: float = 0.0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def calling(self, callers: int) -> Iterator[None]:
        ends = threading.Event()
        threads = [threading.Thread(target=self._call_again, args=(ends,)) for _ in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ends.set()
            for thread in threads:
                thread.join(120)

    def _call_again(self, ends: threading.Event) -> None:
        while not ends.is_set():
            try:
                self._call()
            except OSError as error:
                with self._lock:
                    self.faults.append(f"{type(error).__name__}: {error}")
                time.sleep(0.1)

    def _call(self) -> None:
        begun_s = time.monotonic()
        with socket.create_connection(self.address, timeout=60) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                peer_number = next(self._numbers)
            peer.sendall(encode(uuid_frame(uuid.UUID(int=peer_number))))
            if not peer.recv(1, socket.MSG_PEEK):
                raise ConnectionError("closed without a word")
            waited_s = time.monotonic() - begun_s
            for frame in FRAMES[:SPEECH_FRAMES]:
                peer.sendall(frame)
                time.sleep(PTIME_S)
            peer.shutdown(socket.SHUT_WR)
            decoder, kinds = FrameDecoder(), set()
            while data := peer.recv(65536):
                kinds |= {frame.kind for frame in decoder.feed(data)}
        if Kind.HANGUP in kinds:
            raise ConnectionError("hung up")
        with self._lock:
            self.calls += 1
            self.worst_wait_s = max(self.worst_wait_s, waited_s)


def told_ready(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    told = process.stderr.readline()
    assert told.startswith("listening on "), told


@pytest.mark.parametrize("beside", [False, True], ids=["one-after-the-other", "beside-each-other"])
@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_restarts_refuse_nobody_and_cut_no_call(tmp_path: Path, more: tuple[str, ...], beside: bool) -> None:
    outputs: list[tuple[str, str]] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:

        def start() -> subprocess.Popen[str]:
            process = start_activated(
                [listener], "serve", "--record", "calls", "--drain", "60", "--json", *more, cwd=tmp_path
            )
            started.append(process)
            return process

        def end(process: subprocess.Popen[str]) -> None:
            outputs.append(process.communicate(timeout=90))
            assert process.returncode == 143, outputs[-1]

        started: list[subprocess.Popen[str]] = []
        callers = Callers(listener.getsockname())
        try:
            now = start()
            told_ready(now)
            with callers.calling(CALLERS):
                for _ in range(RESTARTS):
                    time.sleep(0.5)
                    before = now
                    if beside:
                        now = start()
                        told_ready(now)
                        before.send_signal(signal.SIGTERM)
                        end(before)
                    else:
                        before.send_signal(signal.SIGTERM)
                        end(before)
                        now = start()
                        told_ready(now)
                time.sleep(0.5)
            now.send_signal(signal.SIGTERM)
            end(now)
        finally:
            for process in started:
                if process.poll() is None:
                    process.kill()
                    process.communicate()
    ended = sum(out.count('"event": "ended"') for out, _ in outputs)
    whole = sum(out.count(f'"frames": {{"slin": {{"frames": {SPEECH_FRAMES}, ') for out, _ in outputs)
    show(
        f"{RESTARTS} restarts under {CALLERS} callers: {callers.calls} calls, {len(callers.faults)} refused or cut, "
        f"{ended} answered, {whole} heard whole; the longest wait for the first word {callers.worst_wait_s:.2f} s"
    )
    assert callers.faults == []
    assert ended == callers.calls >= CALLERS
    assert whole >= callers.calls
    assert len(list((tmp_path / "calls").glob("*.wav"))) == callers.calls
    assert not any('"no-call"' in out or '"refused"' in out for out, _ in outputs)
