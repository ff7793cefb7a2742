"""A target and its options fit together, or one line says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import WebSocketTarget, parse_target
from audiosocket_cli.net.websocket_target import WebSocketWanted, complete_target
from audiosocket_cli.websocket.url import parse_url

BOT = "ws://127.0.0.1:8765/ws"


def test_a_websocket_bot_gets_its_options(tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("# who we are\nAuthorization: Bearer secret\n\nX-Empty:\n")
    wanted = WebSocketWanted("chan-websocket", headers)
    target = complete_target(parse_target(BOT), wanted, rate_hz=16000)
    assert target == WebSocketTarget(
        parse_url(BOT), False, "chan-websocket", (("Authorization", "Bearer secret"), ("X-Empty", "")), headers,
        None, (), 16000,
    )  # fmt: skip


def test_certificates_that_are_none_are_told_before_anything_is_connected(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(FileError, match="holds no certificates"):
        complete_target(parse_target("wss://bot/"), WebSocketWanted("twilio", ca=tmp_path / "ca.pem"))
    with pytest.raises(FileError, match="cannot read"):
        complete_target(parse_target("wss://bot/"), WebSocketWanted("twilio", ca=tmp_path / "nowhere.pem"))


def test_any_other_target_stays_as_it_is() -> None:
    of_environment = WebSocketWanted("twilio")
    assert complete_target(Address("bot", 9092), of_environment) == Address("bot", 9092)
    assert complete_target(None, of_environment) is None


@pytest.mark.parametrize(
    ("text", "wanted", "more", "reason"),
    [
        (BOT, WebSocketWanted(), {}, "Add --protocol twilio, chan-websocket or raw"),
        ("bot:9092", WebSocketWanted("twilio", typed="--protocol"), {}, "--protocol is for a TARGET as ws://"),
        (BOT, WebSocketWanted("twilio", ca=Path("ca.pem")), {}, "--ca is for wss://"),
        (BOT, WebSocketWanted("twilio"), {"rate_hz": 16000}, "8000 Hz, not 16000"),
        ("ws://localhost:{port}/", WebSocketWanted("twilio"), {}, "add -- CMD"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, wanted: WebSocketWanted, more: dict[str, int], reason: str) -> None:
    with pytest.raises(UsageError) as refused:
        complete_target(parse_target(text), wanted, **more)  # type: ignore[arg-type]
    assert reason in str(refused.value)


def test_an_option_beside_listen_is_refused_as_that() -> None:
    wanted = WebSocketWanted(ca=Path("ca.pem"), typed="--ca")
    with pytest.raises(UsageError, match="--listen waits for an AudioSocket call"):
        complete_target(None, wanted, listen=Address("", 9092))


def test_a_file_of_headers_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("A: b\nsecret\n")
    with pytest.raises(FileError, match=r"line 2 of .* is not a header"):
        complete_target(parse_target(BOT), WebSocketWanted("twilio", tmp_path / "headers"))
