"""Servers that come and go at one address, HAProxy as the documentation shows it, and Asterisk's calls to them."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from support.pages import EXAMPLES
from support.peers import free_port, get
from support.plans import Bed
from support.running import COMMAND, need, wait_until

PATIENCE_S = 60.0
SERVERS = ("bot1", "bot2")
SHOWN_ADDRESSES = ("10.0.0.6:9092", "10.0.0.7:9092")


class FleetServer:
    """A server that is started, ended and started again at the same address."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.port, self.health = folder, free_port(), free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    def start(self) -> None:
        """Start it, and wait until it accepts calls."""
        words = [
            *("serve", "--listen", f"127.0.0.1:{self.port}", "--health", f"127.0.0.1:{self.health}"),
            *("--record", "calls", *self._options),
        ]
        with (self.folder / "log").open("ab") as log:
            process = self._process = subprocess.Popen([*COMMAND, *words], cwd=self.folder, stdout=log, stderr=log)

        def is_ready() -> bool:
            assert process.poll() is None, self.log
            try:
                return get(self.health) == (200, "ready\n")
            except OSError:
                return False

        wait_until(is_ready, "it is ready")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code; 0 where it does not run."""
        if self._process is None or self._process.poll() is not None:
            return 0
        self._process.send_signal(number)
        return self._process.wait(90)

    def stand_still(self, still: bool) -> None:
        """Stop it as a debugger does, or let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if still else signal.SIGCONT)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def recordings(self) -> set[str]:
        """Return the names of calls that have a recording."""
        return {path.stem for path in (self.folder / "calls").glob("*.wav")}

    def ended(self) -> set[str]:
        """Return the names of calls that ended, and have their JSON."""
        return {path.stem for path in (self.folder / "calls").glob("*.json")}


class FleetProxy:
    """HAProxy with the configuration of the documentation, at addresses of ours."""

    def __init__(self, folder: Path, servers: list[FleetServer], instead: dict[str, str]) -> None:
        """`instead` says what to write in place of texts of the configuration."""
        self.port, self._stats, self.log = free_port(), folder / "stats.sock", folder / "haproxy.log"
        ours = {
            "/dev/log": "stdout format raw",
            "/run/haproxy/audiosocket.sock": str(self._stats),
            "bind :9092": f"bind 127.0.0.1:{self.port}",
            **instead,
        }
        for name, shown, server in zip(SERVERS, SHOWN_ADDRESSES, servers, strict=True):
            ours[f"{name} {shown}"] = f"{name} 127.0.0.1:{server.port} port {server.health}"
        text = EXAMPLES["haproxy.cfg"]
        for shown, own in ours.items():
            assert shown in text, shown
            text = text.replace(shown, own)
        (folder / "haproxy.cfg").write_text(text)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([need("haproxy"), "-f", folder / "haproxy.cfg"], stdout=log, stderr=log)

    def state(self, name: str) -> str:
        """Return what HAProxy thinks of a server: UP, DOWN, DRAIN; nothing before it runs."""
        assert self._process.poll() is None, self.log.read_text()
        try:
            found = re.search(rf"(?m)^audiosocket,{name},.*$", self.tell("show stat"))
        except OSError:
            return ""
        return found[0].split(",")[17].split()[0] if found else ""

    def tell(self, order: str) -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self._stats))
            asking.sendall(order.encode() + b"\n")
            return b"".join(iter(lambda: asking.recv(65536), b"")).decode()

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(20)


@dataclass
class Load:
    """Calls that Asterisk places one after the other, each for some seconds, until the end of the block."""

    bed: Bed
    names: tuple[str, ...]
    """Extensions of [callers], and of [enter]."""
    every_s: float
    placed: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _may_place: threading.Event = field(default_factory=threading.Event)
    _placing: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Load:
        self.go_on()
        self._thread = threading.Thread(target=self._place)
        self._thread.start()
        return self

    def pause(self) -> None:
        """Place no more for now; those that are there go on."""
        self._may_place.clear()
        with self._placing:  # until the last is placed
            pass

    def go_on(self) -> None:
        """Place calls again."""
        self._may_place.set()

    def __exit__(self, *_: object) -> None:
        self.go_on()
        self._stop.set()
        assert self._thread is not None
        self._thread.join(60)
        wait_until(self.bed.is_empty, "all calls have ended")

    def _place(self) -> None:
        while not self._stop.wait(self.every_s):
            self._may_place.wait()
            with self._placing:
                if self._may_place.is_set():
                    self.place(self.names[self.placed % len(self.names)])

    def place(self, name: str) -> None:
        """Place one call."""
        self.bed.cli(f"channel originate Local/{name}@enter/n extension {name}@callers")
        self.placed += 1
