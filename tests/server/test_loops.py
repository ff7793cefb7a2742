"""A call that comes back to the proxy that passed it on."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.server.loops import MAX_ROUNDS, ROUNDS_S, why_a_loop
from support.fakes import UUID_1
from support.far_end import Server
from support.peers import connected, free_port, opening, read_to_end
from support.running import Serving


def a_call(number: int, uuid: UUID = UUID_1, *, host: str = "10.0.0.2", age_s: float = 0.1, begun: bool = True) -> Any:
    """A call from a host, passed on to 10.0.0.2, and mirrored to 10.0.0.3."""
    session = SimpleNamespace(call=SimpleNamespace(uuid=uuid), begun=begun, age_s=age_s)
    return SimpleNamespace(
        peer=f"{host}:{40_000 + number}", server="bot:9092", server_address=("10.0.0.2", 9092), session=session,
        mirror=SimpleNamespace(target="new:9092", address=("10.0.0.3", 9092)),
    )  # fmt: skip


NEXT = a_call(99)
ROUNDS = [a_call(number) for number in range(MAX_ROUNDS)]


def test_a_call_that_keeps_coming_back_from_its_server_is_in_a_loop() -> None:
    found = why_a_loop(NEXT, [NEXT, *ROUNDS])
    assert found is not None
    assert found.startswith(f"a loop: this call has come back {MAX_ROUNDS} times from the host of bot:9092")


def test_so_is_one_that_keeps_coming_back_from_its_mirror() -> None:
    found = why_a_loop(a_call(99, host="10.0.0.3"), [a_call(number, host="10.0.0.3") for number in range(MAX_ROUNDS)])
    assert found is not None
    assert found.startswith(f"a loop: this call has come back {MAX_ROUNDS} times from the host of new:9092")


@pytest.mark.parametrize(
    "others",
    [
        ROUNDS[1:],
        [*ROUNDS[1:], a_call(0, UUID(int=7))],
        [*ROUNDS[1:], a_call(0, age_s=ROUNDS_S + 1)],
        [*ROUNDS[1:], a_call(0, begun=False)],
    ],
    ids=["fewer", "another call", "long ago", "not begun"],
)
def test_calls_that_only_share_a_uuid_are_not(others: list[Any]) -> None:
    assert why_a_loop(NEXT, others) is None


def test_nor_are_those_from_elsewhere() -> None:
    assert why_a_loop(a_call(99, host="10.0.0.7"), ROUNDS) is None


def test_a_call_with_the_address_of_its_own_caller_is_at_once() -> None:
    found = why_a_loop(a_call(1, host="10.0.0.7"), [a_call(1, host="10.0.0.7")])
    assert found is not None
    assert found.startswith("a loop: this call is already passed on to bot:9092")


@pytest.mark.parametrize("way", ["plain", "told who calls"])
def test_two_proxies_that_pass_calls_on_to_each_other_end_the_call(answer: Callable[..., Serving], way: str) -> None:
    up = Server()
    up.answer_all()
    port = free_port()
    told = ["--send-proxy", "v2"] if way != "plain" else []
    takes = ["--proxy-protocol"] if way != "plain" else []
    first = answer("proxy", f"127.0.0.1:{port}", "--target", up.target, *told, *takes)
    second = answer("proxy", first.target, "--listen", f"127.0.0.1:{port}", *told, *takes)
    until_s = time.monotonic() + 60
    call, opened = opening()
    header = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 9092\r\n" if takes else b""
    said: list[Frame] = []
    while Frame(Kind.HANGUP) not in said and time.monotonic() < until_s:  # until the first finds the second up
        with connected(first, header + opened) as caller:
            caller.settimeout(5)
            time.sleep(0.5)
            caller.shutdown(socket.SHUT_WR)
            said = read_to_end(caller)
    assert Frame(Kind.HANGUP) in said
    outs = [line for each in (first, second) for line in each.end()[1]]
    assert any("refused" in line and "a loop: " in line for line in outs)
    assert sum(f" call {call} from" in line for line in outs) <= 3 * MAX_ROUNDS
    up.listener.close()
