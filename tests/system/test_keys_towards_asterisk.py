"""Tones of a server towards Asterisk: Read() hears none on a channel of AudioSocket, and all behind a leg of PJSIP."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.pages import FILES
from support.running import Serving, missing
from support.testbed import testbed

pytestmark = pytest.mark.asterisk

KEYS = "0123456789*1"  # of # Read() would make the end

MODULES = [
    "res_pjproject", "res_sorcery_memory", "res_sorcery_astdb", "res_rtp_asterisk", "res_pjsip", "res_pjsip_session",
    "res_pjsip_pubsub", "res_pjsip_sdp_rtp", "res_pjsip_endpoint_identifier_ip", "chan_pjsip", "app_read",
]  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """That of an Asterisk with the files of the page, and the transport that a user has."""
    if testbed("status").returncode == 0:
        missing("an Asterisk runs already, without the modules that this needs: stop it")
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    etc = tmp_path / "etc"
    etc.mkdir()
    transport = f"[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{port}\n"
    (etc / "pjsip.conf").write_text(transport + FILES["keys-pjsip.conf"].replace(":5060", f":{port}"))
    (etc / "extensions.conf").write_text(FILES["keys-extensions.conf"])
    (etc / "pjproject.conf").write_text("")
    started = testbed("start", "--etc", etc, *(word for name in MODULES for word in ("--also", name)))
    if started.returncode:
        missing(f"no Asterisk to test with ({started.stderr.strip()})")
    yield Path(started.stderr.split(", log ")[1].strip())
    assert testbed("stop").returncode == 0


def test_read_hears_tones_behind_a_leg_of_pjsip_only(log: Path, answer: Callable[..., Serving]) -> None:
    for extension in ("read@keys", "s@to-menu"):
        serving = answer("inject-dtmf", KEYS, "--after", "500ms", "--gap", "250ms", "--wait", "7")
        channel = f"AudioSocket/{serving.target}/{uuid4()}/c(slin)"
        assert testbed("cli", f"channel originate {channel} extension {extension}").returncode == 0
    heard: dict[str, str] = {}
    until_s = time.monotonic() + 20
    while len(heard) < 2 and time.monotonic() < until_s:
        time.sleep(0.3)
        heard = dict(re.findall(r"keys of (AudioSocket|PJSIP)/\S+: ?(\S*)$", log.read_text(), re.MULTILINE))
    assert heard == {"AudioSocket": "", "PJSIP": KEYS}, log.read_text()
