"""URLs of `--events`: what they name, and what is refused in one line that shows no secret."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from audiosocket_cli.errors import UsageError
from audiosocket_cli.outbox.event_target import parse_target
from audiosocket_cli.outbox.nats_bus import NatsBus
from audiosocket_cli.outbox.webhook import Webhook
from support.refusals import refusal

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hooks.example/calls?token=SECRET#part", "https://hooks.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("nats://bus/calls", "nats://bus:4222/calls"),
        ("nats://[::1]:4333/pbx/calls/", "nats://[::1]:4333/pbx.calls"),
        ("tls://bus.example/pbx.calls", "tls://bus.example:4222/pbx.calls"),
    ],
)
def test_a_url_names_a_webhook_or_a_subject_of_nats(text: str, shown: str) -> None:
    target = parse_target(text)
    assert str(target) == shown
    assert target.is_webhook == text.startswith("http")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a URL for --events: write https://HOST/PATH"),
        ("hooks.example", "is not a URL"),
        ("ftp://hooks.example", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://host:99999/", "is not a URL"),
        ("https://host:0/", "is not a URL"),
        ("https://[::1/", "is not a URL"),
        ("https://host/ä", "other characters than ASCII"),
        ("https://host/a b", "other characters than ASCII"),
        ("https://me:hunter2@host/", "a secret in its URL"),
        ("nats://me:hunter2@host/calls", "put it in NATS_USER and NATS_PASSWORD"),
        ("nats://hunter2@host/calls", "a login in its URL"),
        ("nats://host", "names no subject: write nats://host/PREFIX"),
        ("nats://host/a..b", "cannot begin a subject"),
        ("nats://host/calls.>", "cannot begin a subject"),
        ("nats://host/*", "cannot begin a subject"),
        ("nats://host/calls?token=hunter2", "cannot begin a subject"),
    ],
)
def test_what_is_not_one_is_refused_in_a_line_without_its_secrets(text: str, reason: str) -> None:
    told = refusal(parse_target, text)
    assert reason in told
    assert "hunter2" not in told


def test_a_webhook_needs_a_secret_from_a_file_or_the_environment(tmp_path: Path) -> None:
    target = parse_target("http://127.0.0.1:9/calls")
    with pytest.raises(UsageError, match="needs a secret that signs them: name its file with --events-secret-file"):
        target.open(environ={})
    with pytest.raises(UsageError, match="AUDIOSOCKET_EVENTS_SECRET holds a secret for --events that is not"):
        target.open(environ={"AUDIOSOCKET_EVENTS_SECRET": "?"})
    (tmp_path / "secret").write_text(SECRET)
    for bus in (
        target.open(tmp_path / "secret", {"AUDIOSOCKET_EVENTS_SECRET": "not looked at"}),
        target.open(environ={"AUDIOSOCKET_EVENTS_SECRET": SECRET}),
    ):
        assert isinstance(bus, Webhook)
        assert bus.name == "http://127.0.0.1:9"
        bus.close()


def test_nats_needs_none() -> None:
    bus = parse_target("nats://127.0.0.1:9/calls").open(environ={})
    assert isinstance(bus, NatsBus)
    assert bus.name == "nats://127.0.0.1:9/calls"
    bus.close()
