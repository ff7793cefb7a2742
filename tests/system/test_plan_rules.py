"""What a real Asterisk makes of each line that `dialplan --check` judges: it fails, or not, as the rules say."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.plan_cases import CASES, FIXED, SERVER, PlanCase, app
from support.testbed import messages, testbed

pytestmark = pytest.mark.asterisk

NOT_RUN = {"app-tried": "TryExec() needs app_exec", "g722": "needs codec_g722, else there is CONGESTION"}

UNANSWERED = PlanCase("unanswered", app(), logged="Channel is not answered")

REFUSED_IDS = {"uuid-malformed", "uuid-unset", "no-server", "no-port", "arguments-swapped", "form-mixed-up"}


class Server(socketserver.ThreadingTCPServer):
    """Notes the UUID of each connection, or None where it brings none, and hangs up after its first frame."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.uuids: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Connection)


class Connection(socketserver.StreamRequestHandler):
    timeout = 3

    def handle(self) -> None:
        assert isinstance(self.server, Server)
        frame = self.rfile.read(19)
        self.server.uuids.append(frame[3:].hex() if len(frame) == 19 else None)
        with contextlib.suppress(OSError):  # one of two that are dialled at once is dropped
            self.wfile.write(b"\x10\x01\x40" + bytes(320))
            self.rfile.read(3)
            self.wfile.write(b"\0\0\0")
            self.rfile.read()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_each_line_does_in_asterisk_what_the_rules_say(asterisk: None, server: Server, tmp_path: Path) -> None:
    """One call walks through all lines, each on a channel of its own."""
    target = f"127.0.0.1:{server.server_address[1]}"
    cases = [case for case in CASES if case.name not in NOT_RUN]
    plan = ["[cases]", "exten => go,1,Set(__TESTBED=${TESTBED})"]
    plan += [f" same => n,Dial(Local/{case.name}@cases/n,5,g)" for case in (*cases, UNANSWERED)]
    for case in cases:
        plan += [
            f"exten => {case.name},1,Answer()",
            f" same => n,{case.line.replace(SERVER, target)}",
            f" same => n,Log(NOTICE,${{TESTBED}} {case.name} ended${{DIALSTATUS}})",
            " same => n,Hangup()",
        ]
    plan.append(f"exten => {UNANSWERED.name},1,{UNANSWERED.line.replace(SERVER, target)}")
    (tmp_path / "plan.conf").write_text("\n".join([*plan, ""]))
    account = called(tmp_path / "plan.conf", target)
    logged = "\n".join(messages(account))
    told = account["told"]
    for case in (*cases, UNANSWERED):
        words = case.logged.replace(SERVER, target)
        assert words in logged, case
        assert case.dialled in told.get(case.name, ""), case
        if not case.dialled and not REFUSED_IDS & {*case.ids} and not case.logged:
            assert told[case.name] == "ended", case
    assert server.uuids.count(FIXED.replace("-", "")) == 1
    assert server.uuids.count(None) == 1


def called(plan: Path, target: str) -> dict[str, Any]:
    """Place a call that enters a dialplan; what became of it."""
    done = testbed("call", "--server", target, "--far", "silence 8", "--dialplan", plan, "--enter", "cases,go")
    account: dict[str, Any] = json.loads(done.stdout)
    return account
