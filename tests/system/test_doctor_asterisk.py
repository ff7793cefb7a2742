"""`audiosocket doctor` looks at a real Asterisk: at what is well, and at what was broken for the test."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.doctor.pbx.asterisk_processes import asterisk_processes
from support.peers import free_port
from support.running import Serve, run
from support.testbed import testbed

pytestmark = [pytest.mark.asterisk, pytest.mark.usefixtures("asterisk")]

CONTEXT = "doctor-test"

SILENCE = encode(Frame(Kind.SLIN, bytes(320)))


@pytest.fixture
def command() -> str:
    """How the testbed's Asterisk is asked."""
    status = testbed("status").stdout
    pid = re.search(r"pid (\d+)", status)
    assert pid is not None, status
    return next(each.command for each in asterisk_processes() if each.pid == int(pid[1]))


def cli(words: str) -> str:
    return testbed("cli", words).stdout


@contextlib.contextmanager
def dialplan(*steps: str) -> Iterator[None]:
    """Have an extension that runs these applications."""
    for priority, step in enumerate(steps, 1):
        assert "added into" in cli(f"dialplan add extension 100,{priority},{step} into {CONTEXT}")
    try:
        yield
    finally:
        cli(f"dialplan remove context {CONTEXT}")


def doctor(command: str, *args: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what it found of all but the log, which has what earlier tests did, by title and id."""
    done = run("doctor", "--asterisk-command", command, "--json", *args)
    report = json.loads(done.stdout)
    return {
        (looked["title"], f"{found['id']} {found['where']}".strip()): found
        for looked in report["looked_at"]
        for found in looked["findings"]
        if looked["title"] != "log"
    }


def statuses(found: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], str]:
    return {key: each["status"] for key, each in found.items()}


@contextlib.contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does something with each call, and keeps its connection until the end."""
    kept = []

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                kept.append(connection)
                threading.Thread(target=call, args=(connection,), daemon=True).start()

    def call(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if connection.recv(19):
                serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in kept:
        connection.close()


def speak_and_never_read(connection: socket.socket) -> None:
    while True:
        connection.sendall(SILENCE)
        time.sleep(0.02)


def close_soon(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def originate(server: str, application: str) -> None:
    cli(f"channel originate AudioSocket/{server}/{uuid.uuid4()}/c(slin) application {application}")


def test_a_healthy_one_with_a_call_is_all_right(command: str, serve: Serve) -> None:
    bot = serve()
    lines = ("Answer()", f"AudioSocket(${{UUID()}},{bot.target})", "Hangup()")
    with dialplan(*lines):
        originate(bot.target, "Echo")
        found = doctor(command)
        cli("channel request hangup all")
    assert set(statuses(found).values()) == {"ok"}, found
    assert found["channels", "channels-stuck"]["what"].startswith("1 channel in AudioSocket")
    assert found["connections", "close-wait"]["what"].startswith("1 connection to a server")
    assert found["its servers", f"server-refuses {bot.target}"]["what"].startswith("127.0.0.1 takes connections")
    assert found["Asterisk", "release-fault"]["what"].startswith("22.")


def test_servers_and_lines_that_are_wrong_are_named(command: str) -> None:
    closed = free_port()
    with socket.create_server(("127.0.0.1", 0)) as ipv4, server(lambda connection: None) as waits:
        port = ipv4.getsockname()[1]
        with dialplan(
            f"TryExec(AudioSocket(${{UUID()}},127.0.0.1:{closed}))",
            "Answer()",
            f"Dial(AudioSocket/[::1]:{port}/${{UUID()}}/c(slin))",
            f"Dial(AudioSocket/{waits}/${{UUID()}},,g)",
        ):
            found = statuses(doctor(command))
    assert found["its servers", f"server-refuses 127.0.0.1:{closed}"] == "fault"
    assert found["its servers", f"server-wrong-family [::1]:{port}"] == "fault"
    assert found["its servers", f"server-refuses {waits}"] == "ok"
    faults = {key[1].split()[0] for key, status in found.items() if key[0] == "dialplan" and status == "fault"}
    assert faults == {"no-answer", "no-codec"}


def test_a_module_that_was_unloaded_is_missed_where_a_line_needs_it(command: str) -> None:
    with dialplan("Answer()", "AudioSocket(${UUID()},127.0.0.1:9)"):
        cli("module unload func_uuid.so")
        cli("module unload app_audiosocket.so")
        try:
            found = doctor(command)
        finally:
            for module in ("func_uuid", "app_audiosocket"):
                assert "Loaded" in cli(f"module load {module}.so")
    assert found["modules", "module-missing app_audiosocket.so"]["status"] == "fault"
    missing = found["modules", "func-missing func_uuid.so"]
    assert (missing["status"], missing["evidence"][0].endswith("/func_uuid.so is there")) == ("fault", True)
    assert missing["lines"][0] == f"{command} -rx 'module load func_uuid.so'"


def test_connections_that_are_not_read_or_not_closed_are_seen(command: str) -> None:
    """A channel whose thread waits for another program looks at no connection, and does not see that it was closed."""
    cli("module load app_system.so")
    with server(close_soon) as closes, server(speak_and_never_read) as deaf:
        originate(closes, 'System "sleep 8"')
        originate(deaf, "Echo")
        time.sleep(2)
        found = doctor(command)
    cli("channel request hangup all")
    cli("module unload app_system.so")
    assert found["connections", "close-wait"]["status"] == "fault"
    assert re.fullmatch(
        rf"127\.0\.0\.1:\d+ to {closes}: CLOSE-WAIT, for a second and more",
        found["connections", "close-wait"]["evidence"][0],
    )
    assert found["connections", "server-stalls"]["status"] == "fault"
    assert deaf in found["connections", "server-stalls"]["evidence"][0]


def test_one_that_does_not_run_is_told_beside_those_that_do(command: str) -> None:
    at = command.find("asterisk -C")
    found = doctor(f"{command[:at]}asterisk -C /no/such/asterisk.conf")
    told = found["Asterisk", "asterisk-not-running"]
    assert told["status"] == "fault"
    assert any(f"--asterisk-command '{command}'" in line for line in told["lines"]) or len(told["lines"]) == 5


def test_where_only_a_shell_leads_it_is_looked_at_from_there(command: str, tmp_path: Path) -> None:
    """As `docker exec` does: what is asked there, is read there, and connects from there."""
    words = command.split()
    enter = tmp_path / "enter"
    enter.write_text(f'#!/bin/sh\nexec {" ".join(words[: words.index("asterisk")])} "$@"\n')
    enter.chmod(0o755)
    with server(lambda connection: None) as waits, dialplan("Answer()", f"AudioSocket(${{UUID()}},{waits})"):
        found = statuses(doctor(f"{enter} {' '.join(words[words.index('asterisk') :])}"))
    assert found["its servers", f"server-refuses {waits}"] == "ok"
    assert found["modules", "module-missing"] == "ok"
