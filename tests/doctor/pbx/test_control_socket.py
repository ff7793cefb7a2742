"""Why no Asterisk answers, each reason with what to do."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx import control_socket
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError
from audiosocket_cli.doctor.pbx.asterisk_processes import Process
from audiosocket_cli.doctor.pbx.control_socket import several, why_no_answer
from audiosocket_cli.doctor.pbx.place import Place, place_of
from audiosocket_cli.finding import Diagnosis, Status

UNSEEN = Status.UNKNOWN


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """The processes that run; none, until a test adds one."""
    running: list[Process] = []
    monkeypatch.setattr(control_socket, "asterisk_processes", lambda: running)
    return running


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "asterisk.ctl"))
        yield listening


def why(place: Place) -> Diagnosis:
    with pytest.raises(NoAnswerError) as told:
        asyncio.run(AsteriskCli(place).version())
    return why_no_answer(place, told.value)


def not_connected(tmp_path: Path) -> Place:
    """An `asterisk` that says what the real one says, whatever the reason is."""
    command = tmp_path / "asterisk"
    path = tmp_path / "asterisk.ctl"
    command.write_text(f"#!/bin/sh\necho 'Unable to connect to remote asterisk (does {path} exist?)' >&2\nexit 1\n")
    command.chmod(0o755)
    return place_of(str(command), None)


def test_a_machine_without_asterisk_is_not_looked_at(running: list[Process], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = why(place_of(None, None))
    assert (found.id, found.status) == ("asterisk-missing", Status.UNKNOWN)
    assert found.lines == ("audiosocket doctor --asterisk-command 'docker exec pbx asterisk'",)


def test_a_command_that_is_not_there_is_a_fault(running: list[Process]) -> None:
    running.append(Process(7, ("asterisk", "-f"), "/srv/pbx"))
    found = why(place_of("no-such-docker exec pbx asterisk", None))
    assert (found.id, found.status) == ("asterisk-missing", Status.FAULT)
    assert found.evidence == ("there is no program 'no-such-docker' here", "process 7, in /srv/pbx: asterisk -f")
    assert found.lines == ("audiosocket doctor --asterisk-command 'chroot /srv/pbx asterisk'",)


def test_it_does_not_run(tmp_path: Path, running: list[Process]) -> None:
    found = why(not_connected(tmp_path))
    assert (found.id, found.status, found.what) == (
        "asterisk-not-running", Status.FAULT, "Asterisk is not running",
    )  # fmt: skip
    assert found.evidence == (f"{tmp_path}/asterisk.ctl is not there",)


def test_it_has_ended_and_left_its_socket(tmp_path: Path, running: list[Process], listener: socket.socket) -> None:
    listener.close()
    found = why(not_connected(tmp_path))
    assert found.evidence == (f"{tmp_path}/asterisk.ctl is left from an Asterisk that has ended",)


def test_another_one_runs(tmp_path: Path, running: list[Process]) -> None:
    running.append(Process(7, ("asterisk", "-C", "/srv/a.conf"), "/"))
    found = why(not_connected(tmp_path))
    assert (found.id, "and 1 other runs here" in found.what) == ("asterisk-not-running", True)
    assert found.lines == ("audiosocket doctor --asterisk-command 'asterisk -C /srv/a.conf'",)


def test_a_user_who_may_not_ask_is_told_who_may(
    tmp_path: Path, running: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asterisk.ctl").touch(0o600)
    monkeypatch.setattr(control_socket, "_try_to_connect", lambda path: 13)  # EACCES, which root never meets
    found = why(not_connected(tmp_path))
    assert (found.id, found.status) == ("asterisk-no-permission", Status.UNKNOWN)
    assert found.evidence[1].startswith(f"{tmp_path}/asterisk.ctl: ")
    assert found.evidence[1].endswith("mode 0600")
    assert found.lines[0].startswith("sudo audiosocket doctor --asterisk-command")


@pytest.mark.skipif(os.getuid() != 0, reason="takes another user's process")
def test_another_user_really_meets_that(tmp_path: Path, listener: socket.socket) -> None:
    listener.listen()
    path = tmp_path / "asterisk.ctl"
    path.chmod(0o600)
    child = os.fork()
    if not child:
        os.setuid(65534)
        os._exit(control_socket._try_to_connect(path) or 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 13


def test_one_that_hangs_is_told_from_one_that_is_gone(
    tmp_path: Path, running: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "asterisk"
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    command.chmod(0o755)
    monkeypatch.setattr("audiosocket_cli.doctor.pbx.place.run_program.__defaults__", (0.2,))
    monkeypatch.setattr("audiosocket_cli.doctor.pbx.place.Place.run_asterisk.__kwdefaults__", {"seconds": 0.2})
    found = why(place_of(str(command), None))
    assert (found.id, found.status) == ("asterisk-hangs", Status.FAULT)
    assert "did not end within 0.2 s" in found.evidence[0]


def test_one_that_takes_connections_and_answers_none_hangs(
    tmp_path: Path, running: list[Process], listener: socket.socket
) -> None:
    listener.listen()
    assert why(not_connected(tmp_path)).id == "asterisk-hangs"


def test_a_prefix_that_fails_is_told_as_it_is(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Error response from daemon: No such container: pbx' >&2\nexit 1\n")
    docker.chmod(0o755)
    found = why(place_of(f"{docker} exec pbx asterisk", None))
    assert (found.id, found.status, found.evidence) == (
        "asterisk-command-fails", Status.FAULT, ("Error response from daemon: No such container: pbx",)
    )  # fmt: skip


def test_a_folder_without_an_asterisk_has_files_only(
    tmp_path: Path, running: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(None, str(tmp_path))
    found = why(place)
    assert (found.id, found.status) == ("asterisk-missing" if not os.getuid() else "asterisk-no-permission", UNSEEN)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = why(place)
    assert (found.id, found.status) == ("asterisk-no-permission", UNSEEN)
    assert found.lines == (f"sudo audiosocket doctor --asterisk-command 'chroot {tmp_path} asterisk'",)


def test_several_are_told_where_nobody_said_which(running: list[Process]) -> None:
    assert several(place_of(None, None)) is None
    running += [Process(7, ("asterisk",), "/"), Process(8, ("asterisk",), "/srv")]
    found = several(place_of(None, None))
    assert found is not None
    assert (found.id, found.status, len(found.evidence)) == ("asterisk-several", Status.WARNING, 2)
    assert several(place_of("asterisk", None)) is None


def test_one_that_forbids_its_commands_is_told_from_one_that_is_gone(tmp_path: Path) -> None:
    command = tmp_path / "asterisk"
    command.write_text("#!/bin/sh\necho \"You don't have permissions to run 'core show version' command\"\n")
    command.chmod(0o755)
    for place in (place_of(str(command), None), Place((str(command),), ("chroot", "/srv/pbx"), Path("/srv/pbx"))):
        found = why(place)
        assert (found.id, found.status) == ("asterisk-no-permission", UNSEEN)
        assert "cli_permissions.conf" in found.cure
