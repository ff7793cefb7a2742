"""Servers that calls are passed on to: who is next, who is down, and who is we."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from audiosocket_cli.errors import NetworkError, UsageError
from audiosocket_cli.net.address import Address
from audiosocket_cli.server import targets
from audiosocket_cli.server.options import Balance, RelayOptions
from audiosocket_cli.server.targets import Targets
from support.peers import free_port


@contextlib.contextmanager
def listening(port: int = 0) -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield Address(*listener.getsockname())


def gone() -> Address:
    return Address("127.0.0.1", free_port())


class Told:
    """Makes targets, and keeps what they tell."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.changes = 0
        self.calls: Counter[str] = Counter()

    def targets(self, *addresses: Address, balance: Balance = Balance.FIRST, own: Address | None = None) -> Targets:
        def change() -> None:
            self.changes += 1

        return Targets(
            RelayOptions(addresses, balance), own=[own or gone()], calls=lambda: self.calls,
            complain=self.lines.append, on_change=change,
        )  # fmt: skip


async def chosen(found: Targets) -> Address:
    target, connection = await found.connect()
    connection.close()
    return target


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_the_next_is_tried_on_failure_and_the_first_gets_calls_again_once_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(targets, "PROBE_S", 0.05)
    told = Told()

    async def main() -> None:
        first = gone()
        with listening() as second:
            found = told.targets(first, second)
            assert await chosen(found) == second
            assert (len(told.lines), told.changes, found.are_down) == (1, 1, False)
            assert await chosen(found) == second
            assert len(told.lines) == 1  # it is not tried for each call
            with listening(first.port):
                while told.changes < 2:
                    await asyncio.sleep(0.01)
                assert await chosen(found) == first
            found.close()

    run(main())
    assert told.lines[0].endswith(
        "connection refused; is a server listening there? (it gets no calls until it answers)"
    )
    assert re.search(r" answers again, after \d s$", told.lines[1])


def test_where_all_are_down_that_is_known_and_each_is_named() -> None:
    told = Told()

    async def main() -> None:
        first, second = gone(), gone()
        found = told.targets(first, second)
        await found.try_all()
        assert found.are_down
        for one in (first, second):
            assert f"cannot connect to {one}: connection refused" in found.why_down
        with pytest.raises(NetworkError, match="no server is up"):
            await found.connect()
        fresh = told.targets(first, second)
        with pytest.raises(NetworkError, match=f"{first.port}.*; .*{second.port}"):
            await fresh.connect()
        found.close()
        fresh.close()

    run(main())


@pytest.mark.parametrize(
    ("balance", "expected"),
    [(Balance.FIRST, [0, 0, 0, 0]), (Balance.ROUND_ROBIN, [0, 1, 0, 1]), (Balance.LEAST, [1, 1, 1, 1])],
    ids=lambda value: value.value if isinstance(value, Balance) else "",
)
def test_balance_decides_who_is_next(balance: Balance, expected: list[int]) -> None:
    told = Told()

    async def main() -> None:
        with listening() as first, listening() as second:
            told.calls[str(first)] = 5
            found = told.targets(first, second, balance=balance)
            assert [(first, second).index(await chosen(found)) for _ in range(4)] == expected

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "", "::", "0.0.0.0"])
def test_a_proxy_of_itself_is_found_whatever_it_listens_on(host: str) -> None:
    told = Told()

    async def main() -> None:
        with listening() as own:
            with pytest.raises(UsageError, match="a proxy of itself"):
                await told.targets(Address("localhost", own.port), own=Address(host, own.port)).try_all()
            await told.targets(own, own=Address("192.0.2.1", own.port)).try_all()  # the same port elsewhere

    run(main())
