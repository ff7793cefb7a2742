"""Two servers and a real Asterisk: in its own fail-over, and through HAProxy. What drains loses no call; of one that is
killed, only its own calls are lost."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fleets import PATIENCE_S, SERVERS, FleetProxy, FleetServer, Load
from support.peers import FRAME, opening, read_to_end
from support.plans import Bed, generated, running_bed
from support.running import wait_until

CALL_S = 1.5
EVERY_S = 0.15
"""A new call so often: some ten at once."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with running_bed(tmp_path_factory.mktemp("etc")) as made:
        yield made


def ready(folder: Path, *options: str) -> list[FleetServer]:
    """Start two servers that play a tone."""
    made = [FleetServer(folder / name, "--tone", "800", "--drain", "60", *options) for name in SERVERS]
    for server in made:
        server.start()
    return made


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Callable[..., list[FleetServer]]]:
    """Start two servers in the folder of the test; they end with it."""
    made: list[FleetServer] = []

    def start(*options: str) -> list[FleetServer]:
        made.extend(ready(tmp_path, *options))
        return made

    yield start
    for server in made:
        server.end(signal.SIGKILL)


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Callable[..., FleetProxy]]:
    """Run HAProxy before servers, once it has seen both; it ends with the test."""
    made: list[FleetProxy] = []

    def start(servers: list[FleetServer], instead: dict[str, str]) -> FleetProxy:
        made.append(FleetProxy(tmp_path, servers, instead))
        for name in SERVERS:
            wait_until(lambda name=name: made[0].state(name) == "UP", f"{name} is up")  # type: ignore[misc]
        return made[0]

    yield start
    for proxy in made:
        proxy.end()


def caller(name: str) -> str:
    """Return lines for one who calls extension 100 of a context, and tells when the call lasted as long as wanted."""
    lines = [
        *("[callers]", f"exten => {name},1,Answer()", f" same => n,Wait({CALL_S})"),
        *(f" same => n,Log(NOTICE,fleet {name} whole)", " same => n,Hangup()"),
        *("[enter]", f"exten => {name},1,Log(NOTICE,fleet {name} begun)", f" same => n,Goto({name},100,1)"),
    ]
    return "\n".join([*lines, ""])


class Seen:
    """What Asterisk logged of the calls."""

    def __init__(self, bed: Bed) -> None:
        self._log = bed.folder / "log" / "messages"
        self._from = len(self._log.read_bytes())

    def count(self, *names: str, what: str) -> int:
        text = self._log.read_bytes()[self._from :].decode(errors="replace")
        return len(re.findall(rf"fleet (?:{'|'.join(names)}) {what}", text))

    def wait_for_more(self, *names: str, calls: int = 3) -> None:
        """Wait until of each some more calls have lasted as long as wanted that begin from now on."""
        begun = {name: self.count(name, what="begun") for name in names}
        for name in names:
            wait_until(lambda name=name: self.count(name, what="whole") >= begun[name] + calls, f"{name}: calls end")  # type: ignore[misc]


def load_plans(bed: Bed, folder: Path, plans: dict[str, tuple[str, list[str]]]) -> None:
    """Load a dialplan of each form for its servers, and somebody who calls it."""
    texts = {
        name: generated(folder / f"plan-{name}", *targets, "--form", form, "--context", name)["extensions.conf"]
        for name, (form, targets) in plans.items()
    }
    assert bed.load("extensions", texts, [], "".join(map(caller, plans))) == []


@pytest.mark.asterisk
def test_through_haproxy_a_drain_loses_no_call_of_asterisk_and_a_kill_only_its_own(
    bed: Bed, servers: Callable[..., list[FleetServer]], before: Callable[..., FleetProxy], tmp_path: Path
) -> None:
    one, other = both = servers("--drain-delay", "3")
    haproxy = before(both, {"send-proxy-v2 ": ""})  # for once, calls that Asterisk places have no header
    load_plans(bed, tmp_path, {"haproxy": ("app", [f"127.0.0.1:{haproxy.port}"])})
    seen = Seen(bed)
    with Load(bed, ("haproxy",), EVERY_S) as load:
        seen.wait_for_more("haproxy")
        assert one.end(signal.SIGTERM) == 143
        drained = one.recordings()
        assert drained == one.ended()
        one.start()
        wait_until(lambda: len(one.recordings()) > len(drained) + 3, "it gets calls again")
        one.end(signal.SIGKILL)
        killed = one.recordings() - one.ended()
        seen.wait_for_more("haproxy")
        one.start()
        wait_until(lambda: len(one.recordings() - drained - killed) > 3, "it gets calls once more")
    begun, whole = (seen.count("haproxy", what=what) for what in ("begun", "whole"))
    sys.stdout.write(f"through HAProxy: {begun} calls, {whole} whole, {len(killed)} on the killed server\n")
    assert len(killed) >= 1
    assert begun - whole <= len(killed)  # one may have ended as it was killed
    assert begun >= load.placed > 20
    wait_until(lambda: other.recordings() == other.ended(), "the other server has all of its calls")


@pytest.mark.asterisk
def test_in_asterisks_own_failover_a_drain_loses_no_call_and_a_kill_only_its_own(
    bed: Bed, servers: Callable[..., list[FleetServer]], tmp_path: Path
) -> None:
    """While a server is away, calls come one after the other: of a connection that fails, Asterisk closes the
    descriptor twice, and the second time may hit what another call has opened (finding descriptor-closed-twice)."""
    one, other = both = servers()
    targets = [f"127.0.0.1:{server.port}" for server in both]
    load_plans(bed, tmp_path, {"app": ("failover", targets), "driver": ("failover-channel", targets)})
    names, seen = ("app", "driver"), Seen(bed)

    def one_by_one() -> None:
        wait_until(bed.is_empty, "calls have ended")
        for name in names:
            whole = seen.count(name, what="whole")
            load.place(name)
            wait_until(lambda: seen.count(name, what="whole") > whole, f"{name}: the next server answers")  # noqa: B023

    with Load(bed, names, EVERY_S) as load:
        seen.wait_for_more(*names)
        assert other.recordings() == set()  # the first server gets all
        load.pause()
        assert one.end(signal.SIGTERM) == 143
        drained = one.recordings()
        assert drained == one.ended()
        one_by_one()
        one.start()
        load.go_on()
        wait_until(lambda: len(one.recordings()) > len(drained) + 5, "it gets calls again")
        load.pause()
        one.end(signal.SIGKILL)
        killed = one.recordings() - one.ended()
        one_by_one()
        one.start()
        load.go_on()
        seen.wait_for_more(*names)
    begun, whole = (seen.count(*names, what=what) for what in ("begun", "whole"))
    sys.stdout.write(f"fail-over: {begun} calls, {whole} whole, {len(killed)} on the killed server\n")
    assert len(killed) >= 1
    assert begun - whole <= len(killed)
    assert begun >= load.placed > 15
    wait_until(lambda: other.recordings() == other.ended(), "the other server has all of its calls")
    assert len(other.recordings()) >= 4


def test_a_call_in_which_both_sides_are_silent_is_not_cut(
    servers: Callable[..., list[FleetServer]], before: Callable[..., FleetProxy]
) -> None:
    """`timeout tunnel` is what counts once both have connected; `timeout client` and `timeout server` do not."""
    one, other = both = servers("--proxy-from", "127.0.0.1", "--proxy-protocol")
    short = {"timeout client 1m": "timeout client 1s", "timeout server 1m": "timeout server 1s"}
    haproxy = before(both, short)
    with socket.create_connection(("127.0.0.1", haproxy.port), timeout=PATIENCE_S) as peer:
        name, first = opening()
        peer.sendall(first)
        assert peer.recv(1, socket.MSG_PEEK)
        wait_until(lambda: name in one.recordings() | other.recordings(), "it is a call")
        server = one if name in one.recordings() else other
        server.stand_still(True)
        time.sleep(3)  # in which nobody sends
        server.stand_still(False)
        peer.sendall(FRAME)
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    wait_until(lambda: name in server.ended(), "it has ended")
    assert json.loads((server.folder / "calls" / f"{name}.json").read_text())["caller"]["frames"]["slin"]["frames"] == 1
