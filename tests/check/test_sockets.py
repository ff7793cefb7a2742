"""What the kernel says of sockets and processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from audiosocket_cli.check.sockets import CLOSE_WAIT, group_of, held_by, is_listening, state_of


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_state_of_a_servers_end_is_seen(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with listener, socket.create_connection(listener.getsockname()[:2]) as ours:
        peer, _ = listener.accept()
        ends = (ours.getpeername(), ours.getsockname())
        assert is_listening(listener.getsockname()[1])
        assert state_of(*ends) == "ESTABLISHED"
        ours.close()
        stop_s = time.monotonic() + 60
        while state_of(*ends) == "ESTABLISHED" and time.monotonic() < stop_s:
            time.sleep(0.01)
        assert state_of(*ends) == CLOSE_WAIT
        peer.close()
        assert state_of(*ends) != CLOSE_WAIT


def test_an_ipv4_peer_of_an_ipv6_socket_is_found() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no dual stack")
    with (
        socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener,
        socket.create_connection(("127.0.0.1", listener.getsockname()[1])) as ours,
    ):
        assert state_of(ours.getpeername(), ours.getsockname()) == "ESTABLISHED"


def test_what_is_not_there_has_no_state() -> None:
    assert state_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert is_listening(port) is False


def test_open_files_and_threads_are_counted() -> None:
    before = held_by([os.getpid()])
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    with open(os.devnull), open(os.devnull):
        after = held_by([os.getpid(), 2**22 + 1])
    stop.set()
    thread.join()
    assert before is not None
    assert after is not None
    assert after.descriptors == before.descriptors + 2
    assert after.threads == before.threads + 1
    assert after.rss_kib > 1000
    assert held_by([2**22 + 1]) is None


def test_a_group_holds_what_its_leader_started() -> None:
    code = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert set(group_of(process.pid)) == {process.pid, child}
    finally:
        os.killpg(process.pid, 9)
        process.communicate()
