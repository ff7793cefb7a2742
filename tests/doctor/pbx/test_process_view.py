"""A process is seen as the kernel shows it: its sockets, its queues, the time of its threads."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx import process_view
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError
from audiosocket_cli.doctor.pbx.place import place_of
from audiosocket_cli.doctor.pbx.process_view import (
    CLOSE_WAIT,
    ESTABLISHED,
    LISTEN,
    ProcessView,
    Snapshot,
    pid_here,
    snapshot_of,
    view_process,
)  # fmt: skip
from support.asterisk_said import asterisk_that_says, healthy, make_asterisk

_REST = "00:00000000 00000000     0        0"

TABLE = f"""\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   7: 0100007F:526F 00000000:0000 0A 00000000:00000000 {_REST} 1695412 1 000000003d 100 0 0 10 0
  10: 0100007F:9186 0100007F:526F 01 00000143:0000000A {_REST} 1695809 3 00000000e1 22 4 1 18 -1
  50: 0100007F:526D 0100007F:D484 05 00000000:00000000 {_REST} 0 3 00000000cf
  82: 0100007F:D484 0100007F:526D 08 00000000:00000000 {_REST} 1695460 1 0000000059 20 4 0 11 -1
   0: {"0" * 16}FFFF00000100007F:1F90 {"0" * 16}FFFF00000100007F:C350 01 00000000:00000000 {_REST} 77 1 0
   1: {"0" * 24}01000000:2384 {"0" * 32}:0000 0A 00000000:00000000 {_REST} 78 1 0
socket:[1695809]
socket:[1695460]
socket:[99]
pipe:[5]
/dev/null
2565 (asterisk) S 1 2565 2565 0 -1 4194560 9000 0 3 0 56 44 0 0 20 0 38 0 12345 1064272000 13960
2570 (a) b (c) R 1 2565 2565 0 -1 4194560 9000 0 3 0 100 1 0 0 20 0 38 0 12345 1064272000 13960
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="a table of this machine's order")
def test_the_kernels_tables_are_read() -> None:
    look = snapshot_of(TABLE.splitlines())
    assert [(each.local, each.state) for each in look.sockets] == [
        (("127.0.0.1", 21103), LISTEN),
        (("127.0.0.1", 37254), ESTABLISHED),
        (("127.0.0.1", 54404), CLOSE_WAIT),
        (("127.0.0.1", 8080), ESTABLISHED),
        (("::1", 9092), LISTEN),
    ]
    assert (look.sockets[1].unsent_bytes, look.sockets[1].unread_bytes) == (0x143, 10)
    assert look.own == {1695809, 1695460}
    assert look.ticks == {2565: 100, 2570: 101}


def test_a_thread_that_never_rests_is_seen() -> None:
    per_second = os.sysconf("SC_CLK_TCK")
    first, second = (Snapshot((), frozenset(), ticks) for ticks in ({1: 7, 2: 50}, {1: 7 + per_second, 2: 51, 3: 900}))
    assert ProcessView(1, first, second).busiest_thread() == 1


async def _view_of_this_test(folder: Path) -> ProcessView:
    """Look at this process, as if it were an Asterisk: it listens at a control socket."""
    (folder / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(str(folder / "run" / "asterisk.ctl"))
        control.listen()
        return await view_process(asterisk_that_says(folder))


def test_real_sockets_are_seen_twice(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as ours:
        theirs, _ = listening.accept()
        sender = threading.Timer(0.4, theirs.close)
        sender.start()
        name = ours.getsockname()
        view = asyncio.run(_view_of_this_test(tmp_path))
        sender.join()
    assert view.pid == os.getpid()
    assert view.sees_its_sockets
    first, second = (next(each for each in look.sockets if each.local == name) for look in (view.first, view.second))
    assert first.inode in view.first.own
    assert first.state in (ESTABLISHED, CLOSE_WAIT)  # a busy machine looks late
    assert second.state == CLOSE_WAIT


def test_a_real_busy_thread_is_measured(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    program = """
import socket, sys, threading, time
control = socket.socket(socket.AF_UNIX)
control.bind(sys.argv[1])
control.listen()
print("ready", flush=True)
while True:
    pass
"""
    path = str(tmp_path / "run" / "asterisk.ctl")
    with subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            view = asyncio.run(view_process(asterisk_that_says(tmp_path)))
        finally:
            process.kill()
    assert view.pid == process.pid
    assert 0.05 < view.busiest_thread() < 1.2  # on a busy machine it gets less than all
    assert view.apart_s >= process_view.APART_S


def test_whoever_listens_is_known_by_its_socket(tmp_path: Path) -> None:
    place = place_of("asterisk", None)
    assert pid_here(place, str(tmp_path / "none.ctl")) is None
    assert pid_here(place_of("docker exec pbx asterisk", None), str(tmp_path / "none.ctl")) is None


def test_where_only_a_shell_leads_it_looks_there(tmp_path: Path) -> None:
    """As in a container: the command is a program that runs others, in a place that is not known here."""
    make_asterisk(tmp_path, healthy(tmp_path))
    there = tmp_path / "there"
    there.write_text('#!/bin/sh\nexec "$@"\n')
    there.chmod(0o755)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "asterisk.pid").write_text(f"{os.getpid()}\n")
    cli = AsteriskCli(place_of(f"{there} {tmp_path}/asterisk", None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        view = asyncio.run(view_process(cli))
        assert listening.getsockname() in [each.local for each in view.second.sockets if each.inode in view.second.own]
    assert view.pid == os.getpid()
    assert view.first.ticks.keys() & view.second.ticks.keys()


@pytest.mark.parametrize(
    ("pid", "said"), [("", "cannot be read from"), ("99999999", "/proc/99999999 cannot be read there")]
)
def test_what_cannot_be_seen_there_is_said(tmp_path: Path, pid: str, said: str) -> None:
    make_asterisk(tmp_path, healthy(tmp_path))
    there = tmp_path / "there"
    there.write_text('#!/bin/sh\nexec "$@"\n')
    there.chmod(0o755)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "asterisk.pid").write_text(pid)
    with pytest.raises(NoAnswerError, match=said):
        asyncio.run(view_process(AsteriskCli(place_of(f"{there} {tmp_path}/asterisk", None))))


def test_here_a_process_that_is_not_seen_is_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_view, "APART_S", 60.0)
    began_s = time.monotonic()
    with pytest.raises(NoAnswerError, match="which process it is cannot be seen"):
        asyncio.run(view_process(asterisk_that_says(tmp_path)))
    assert time.monotonic() - began_s < 30
