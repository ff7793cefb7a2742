"""A server under systemd: sockets that it is passed, what it tells, and the units of the page on systemd."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiosocket_cli.codec import Kind, encode, uuid_frame
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.server.systemd import Notifier, others_descriptors, passed_descriptors, take_sockets
from support.activated import Manager, managed, start_activated
from support.pages import FILES
from support.peers import free_port
from support.running import COMMAND, missing, need, run, wait_until

UNITS = {name: text for name, text in FILES.items() if name.endswith((".service", ".socket"))}
WAYS = pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "workers"])

Start = Callable[..., subprocess.Popen[str]]


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, {}),
        ({"LISTEN_PID": "7", "LISTEN_FDS": "1"}, {3: ""}),
        ({"LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "calls:metrics"}, {3: "calls", 4: "metrics"}),
        ({"LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "calls"}, {3: "calls", 4: ""}),
        ({"LISTEN_PID": "8", "LISTEN_FDS": "1"}, {}),
        ({"LISTEN_FDS": "1"}, {}),
        ({"LISTEN_PID": "7", "LISTEN_FDS": "0"}, {}),
        ({"LISTEN_PID": "7", "LISTEN_FDS": "-1"}, {}),
        ({"LISTEN_PID": "7", "LISTEN_FDS": "many"}, {}),
        ({"LISTEN_PID": "7", "LISTEN_FDS": "99999999999"}, {}),
    ],
)
def test_descriptors_are_for_the_process_that_is_named(environment: dict[str, str], found: dict[int, str]) -> None:
    assert passed_descriptors(environment, 7) == found


def test_descriptors_of_another_process_are_named() -> None:
    assert others_descriptors({"LISTEN_PID": "7", "LISTEN_FDS": "1"}, 7) is None
    assert others_descriptors({"LISTEN_FDS": "1"}, 7) is None
    told = others_descriptors({"LISTEN_PID": "8", "LISTEN_FDS": "1"}, 7)
    assert told is not None
    assert "are for process 8, and this is 7" in told


def test_the_variables_are_taken_away_whatever_they_say() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x", "NOTIFY_SOCKET": "/no/where",
                   "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1", "HOME": "/"}  # fmt: skip
    assert take_sockets(environment) == []
    notifier = Notifier.take(environment)
    assert environment == {"HOME": "/"}
    assert notifier.watchdog_s is None  # another process is watched
    notifier.notify("READY=1")  # to nobody


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "not a TCP socket"),
        (lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), "not a TCP socket"),
        (lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM), "Accept=no"),
        (lambda: Path(os.devnull).open(), "operation on non-socket"),  # noqa: SIM115
    ],
    ids=["udp", "unix", "not-listening", "file"],
)
def test_what_calls_cannot_come_to_is_named(
    make: Callable[[], socket.socket], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make() as given:
        number = os.dup(given.fileno())
        monkeypatch.setattr("audiosocket_cli.server.systemd.FIRST_DESCRIPTOR", number)
        with pytest.raises(NetworkError, match=rf"descriptor {number} of LISTEN_FDS: .*{reason}"):
            take_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
        with contextlib.suppress(OSError):
            os.close(number)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start_one(*args: object, **more: object) -> subprocess.Popen[str]:
        started.append(start_activated(*args, cwd=tmp_path, **more))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with managed(tmp_path) as one:
        yield one


def call(address: object, number: int = 1) -> socket.socket:
    """A call that has heard something."""
    peer = socket.create_connection(address, timeout=20)  # type: ignore[arg-type]
    peer.sendall(encode(uuid_frame(uuid.UUID(int=number))))
    assert peer.recv(1) == bytes([Kind.SLIN])
    return peer


@WAYS
def test_calls_are_answered_on_all_passed_sockets_and_nowhere_else(
    start: Start, listener: socket.socket, more: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = start([listener, other], "serve", "--listen", "127.0.0.1:1", *more)
        assert process.stderr is not None
        ports = [one.getsockname()[1] for one in (listener, other)]
        assert process.stderr.readline() == (
            f"listening on 127.0.0.1:{ports[0]} and 127.0.0.1:{ports[1]} (by systemd; --listen is not used), "
            "not recording\n"
        )
        for number, port in enumerate(ports):
            call(("127.0.0.1", port), number).close()
        assert process.stdout is not None
        for _ in ports:
            while "ended by caller" not in process.stdout.readline():
                assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert err == "answered 2 calls with 0.0 s of caller audio\n"


@WAYS
def test_a_socket_that_is_named_metrics_is_for_prometheus(
    start: Start, listener: socket.socket, more: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as figures:
        process = start([figures, listener], "serve", *more, names="metrics:calls")
        port = figures.getsockname()[1]
        assert process.stderr is not None
        assert process.stderr.readline() == f"metrics on http://127.0.0.1:{port}/metrics\n"
        call(listener.getsockname()).close()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            assert b"audiosocket_calls_live" in answer.read()


@WAYS
def test_a_drain_closes_its_copies_and_who_waits_is_for_the_next(
    start: Start, listener: socket.socket, more: tuple[str, ...]
) -> None:
    address = listener.getsockname()
    old = start([listener], "serve", "--drain", "60", *more)
    with call(address) as staying:
        old.send_signal(signal.SIGTERM)
        assert old.stderr is not None
        while "draining" not in old.stderr.readline():
            pass
        with socket.create_connection(address, timeout=30) as waiting:
            waiting.sendall(encode(uuid_frame(uuid.UUID(int=2))))
            new = start([listener], "serve", *more)
            assert waiting.recv(1) == bytes([Kind.SLIN])  # the next has answered
            assert staying.recv(1)  # and the old one still speaks
    assert old.wait(30) == 143
    assert new.poll() is None


@WAYS
def test_once_the_socket_unit_is_stopped_too_a_draining_server_leaves_no_port_open(
    start: Start, more: tuple[str, ...]
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    process = start([listener], "serve", "--drain", "60", *more)
    with call(address):
        listener.close()
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: _refuses(address))
    assert process.wait(30) == 143


def _refuses(address: object) -> bool:
    try:
        socket.create_connection(address, timeout=20).close()  # type: ignore[arg-type]
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it is being closed
        return False
    return False


@WAYS
def test_programs_inherit_neither_sockets_nor_variables(
    start: Start, listener: socket.socket, manager: Manager, tmp_path: Path, more: tuple[str, ...]
) -> None:
    bot = tmp_path / "bot"
    bot.write_text("#!/bin/sh\nenv > seen.part; ls -l /proc/self/fd > fds; mv seen.part seen; exec cat\n")
    bot.chmod(0o755)
    environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "60000000"}
    start([listener], "serve", *more, "--exec", "./bot", **environment)
    with call(listener.getsockname()):
        wait_until((tmp_path / "seen").exists)
    seen = (tmp_path / "seen").read_text()
    assert not re.search(r"(?m)^(LISTEN_|NOTIFY_|WATCHDOG_)", seen)
    if Path("/proc/self/fd").is_dir():
        numbers = re.findall(r" (\d+) -> ", (tmp_path / "fds").read_text())
        assert {int(number) for number in numbers} <= {0, 1, 2, 3, 4}  # 4: ls, of the folder


@WAYS
def test_systemd_is_told_how_it_is(
    start: Start, listener: socket.socket, manager: Manager, tmp_path: Path, more: tuple[str, ...]
) -> None:
    (tmp_path / "known").write_text("00000000-0000-0000-0000-000000000001\n")
    process = start(
        [listener], "serve", "--drain", "60", "--allow-uuid", "known", *more,
        NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="3000000",
    )  # fmt: skip
    manager.wait_for("READY=1")
    for _ in range(3):
        manager.wait_for("WATCHDOG=1")
    with call(listener.getsockname()):
        manager.wait_for("STATUS=ready, 1 live")
        process.send_signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1")
        manager.wait_for("MONOTONIC_USEC=")
        manager.wait_for("READY=1")
        process.send_signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        manager.wait_for("STATUS=draining, 1 live")
        manager.wait_for("EXTEND_TIMEOUT_USEC=")
        manager.wait_for("WATCHDOG=1")
    assert process.wait(30) == 143
    assert "READY=1" not in manager.hear()


def test_a_reload_with_nothing_to_reload_is_over_at_once(
    start: Start, listener: socket.socket, manager: Manager
) -> None:
    process = start([listener], "serve", NOTIFY_SOCKET=str(manager.path))
    manager.wait_for("READY=1")
    process.send_signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")
    process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    assert process.wait(30) == 143


def test_the_watchdog_hears_nothing_of_a_server_that_stands_still(
    start: Start, listener: socket.socket, manager: Manager
) -> None:
    process = start([listener], "serve", NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="600000")
    manager.wait_for("WATCHDOG=1")
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    manager.hear()
    manager.told.clear()
    time.sleep(1.5)
    assert "WATCHDOG=1" not in manager.hear()
    process.send_signal(signal.SIGCONT)
    manager.wait_for("WATCHDOG=1")


def test_an_abstract_socket_is_told_too() -> None:
    if sys.platform != "linux":
        missing("abstract sockets are Linux's")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        name = f"audiosocket-test-{os.getpid()}"
        hearing.bind(f"\0{name}")
        hearing.settimeout(10)
        Notifier(f"@{name}").notify("READY=1", "STATUS=well")
        assert hearing.recv(100) == b"READY=1\nSTATUS=well"


def test_sockets_of_a_shell_in_between_are_not_taken_and_that_is_said(listener: socket.socket, tmp_path: Path) -> None:
    done = run("serve", "--listen", f"127.0.0.1:{listener.getsockname()[1]}", LISTEN_PID="1", LISTEN_FDS="1")
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert first.startswith("the sockets of LISTEN_FDS are for process 1, and this is ")
    assert "the port is in use" in second


def test_systemd_socket_activate_hands_its_port_over(tmp_path: Path) -> None:
    port = free_port()
    activate = need("systemd-socket-activate")
    process = subprocess.Popen(
        [activate, "-l", f"127.0.0.1:{port}", *COMMAND, "serve", "--record", "calls", "--calls", "1", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        while "Listening on" not in process.stderr.readline():
            assert process.poll() is None
        call(("127.0.0.1", port)).close()
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0, err
    assert "(by systemd; --listen is not used)" in err
    assert json.loads(out.splitlines()[-1])["event"] == "ended"


def test_the_units_are_well_formed_and_hardened(tmp_path: Path) -> None:
    analyze = need("systemd-analyze")
    assert len(UNITS) == 2
    for name, unit in UNITS.items():
        text = unit
        for program in ("/opt/audiosocket/bin/audiosocket", "/bin/kill"):  # which need not be here
            text = text.replace(program, shutil.which("true") or "/bin/true")
        (tmp_path / name).write_text(text)
    units = sorted(tmp_path.glob("audiosocket.*"))
    checked = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(
        [analyze, "security", "--offline=yes", tmp_path / "audiosocket.service"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    level = re.search(r"Overall exposure level for audiosocket\.service: (\d+\.\d+)", judged.stdout)
    assert level, judged
    assert float(level[1]) < 2.0


def test_the_command_of_the_unit_takes_its_options() -> None:
    words = re.search(r"(?m)^ExecStart=\S+ (.*)$", UNITS["audiosocket.service"])
    assert words is not None
    done = run(*words[1].split(), "--help")
    assert done.returncode == 0
