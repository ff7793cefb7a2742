"""A computer of its own, with a real Asterisk on it: its network, its processes and its name server are no one else's.

It is made of Linux namespaces, so it needs root, and of the Asterisk that `scripts/asterisk-testbed` uses. All have the
same addresses and ports, and none sees another.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from asterisk_testbed.base import TestbedError
from asterisk_testbed.installation import IN_CHROOT, Asterisk
from asterisk_testbed.process import write_configuration

_NETWORK = """
set -e
ip link set lo up
ip link add eth0 type veth peer name outside
ip link set outside up
ip link set eth0 up
ip address add 192.0.2.1/24 dev eth0
ip neighbour add 192.0.2.66 lladdr 02:00:00:00:00:66 dev eth0 nud permanent
"""

BLACK_HOLE = "192.0.2.66"
"""Where packets go and nothing comes back from, not even that nobody is there: a firewall that drops."""

_LOGGER = "[general]\n[logfiles]\nmessages => notice,warning,error\n"
"""As Debian and most have it: no verbose lines, no debug lines, and the usual form of dates."""

_FOLDERS = {"etc": "etc/asterisk", "log": "var/log/asterisk", "lib": "var/lib/asterisk", "spool": "var/spool/asterisk",
            ".": "run/asterisk"}  # fmt: skip
"""Which folder of the testbed's is where Asterisk has its own: all is where a user has it."""

_PATH = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
"""Where the programs of set-ups import from."""

_BOOT_S = 60


@dataclass(frozen=True)
class _Inside(Asterisk):
    """An Asterisk in namespaces, with its files in the usual places."""

    enter: tuple[str, ...] = ()

    def command(self, *args: str) -> list[str]:
        return [*self.enter, *(["chroot", str(self.root)] if self.root else []), "asterisk", *args]


class Machine:
    """The computer: a context, at whose end all that ran on it is gone. Its files stay until there is another of its
    name."""

    def __init__(self, name: str, home: Path, resolv_conf: str = "") -> None:
        self.root = home / "root" if (home / "root").is_dir() else None
        self._folder = (self.root / IN_CHROOT if self.root else home) / "machines" / name
        shutil.rmtree(self._folder, ignore_errors=True)
        self.files = self._folder / "files"
        """The folder that all here works in."""
        self.files.mkdir(parents=True)
        (self._folder / "resolv.conf").write_text(resolv_conf)
        (self._folder / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n::1 localhost\n")
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "infinity"],
            start_new_session=True,
        )
        self._enter = (
            "nsenter",
            "-t",
            str(_first_process(self._holder.pid)),
            "-n",
            "-m",
            "-p",
            "env",
            "-C",
            str(self.files),
        )
        self._running: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []
        self.asterisk = _Inside(self.root, self._folder, self._enter)

    def __enter__(self) -> Self:
        lines = []
        for name in ("resolv.conf", "hosts"):
            for place in {"/", f"{self.root or ''}/"}:
                file = f"{place}etc/{name}"
                lines += [f"[ -e {file} ] || touch {file}", f"mount --bind {self._folder / name} {file}"]
        for own, place in _FOLDERS.items():
            there = f"{self.root or ''}/{place}"
            lines += [f"mkdir -p {there} {self.asterisk.run / own}", f"mount --bind {self.asterisk.run / own} {there}"]
        done = self.run("sh", "-c", "\n".join([_NETWORK, *lines]))
        if done.returncode:
            raise TestbedError(f"no network in a namespace: {done.stderr.strip()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.kill()  # and with the first process there all the others
        for process in (self._holder, *self._running):
            process.wait(20)
        for log in self._logs:
            log.close()

    def run(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command there, to its end."""
        return subprocess.run(
            [*self._enter, *command], capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a command there; what it says is in the file of that name."""
        log = (self.files / name).open("wb")
        self._logs.append(log)
        process = subprocess.Popen(
            [*self._enter, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "TZ": "UTC", "PYTHONPATH": _PATH},
        )  # fmt: skip
        self._running.append(process)
        return process

    def says(self, name: str, text: str) -> bool:
        """Whether what was started has said so."""
        return text in (self.files / name).read_text(errors="replace")

    def start_asterisk(self, files: dict[str, str], also: Sequence[str] = ()) -> None:
        """Start Asterisk with the testbed's configuration, files in the place of those of their names, and modules."""
        own = self._folder / "own"
        own.mkdir()
        for name, text in {"asterisk.conf": "[options]\nnocolor = yes\n", "logger.conf": _LOGGER, **files}.items():
            (own / name).write_text(text)
        write_configuration(self.asterisk, also, own)
        process = self.start("console", *self.asterisk_command, "-f")

        def has_booted() -> bool:
            if process.poll() is not None:
                raise TestbedError(f"Asterisk ended while starting: see {self.files / 'console'}")
            with contextlib.suppress(TestbedError):
                return "fully booted" in self.asterisk.cli("core waitfullybooted", timeout=_BOOT_S)
            return False

        if not wait_until(has_booted, _BOOT_S):
            raise TestbedError(f"Asterisk did not start in {_BOOT_S} s: see {self.files / 'console'}")

    @property
    def asterisk_command(self) -> list[str]:
        """How Asterisk is run by who is there already."""
        return self.asterisk.command()[len(self._enter) :]

    def channels(self) -> list[str]:
        """Asterisk's channels."""
        return self.asterisk.cli("core show channels concise").splitlines()


def wait_until(is_so: Callable[[], bool], seconds: float, step_s: float = 0.1) -> bool:
    """Wait until it is so, and return whether it came to be."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(step_s)
    return True


def _first_process(holder: int) -> int:
    """Return the process that is the first in the namespaces, once its files are in place."""
    children = Path(f"/proc/{holder}/task/{holder}/children")

    def is_there() -> bool:
        with contextlib.suppress(OSError, IndexError):
            return Path(f"/proc/{children.read_text().split()[0]}/comm").read_text() == "sleep\n"
        return False

    if not wait_until(is_there, 10, 0.01):
        raise TestbedError("no namespaces: this needs Linux, and root")
    return int(children.read_text().split()[0])
