"""Secrets of webhooks as files have them; signatures that another implementation finds right."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from audiosocket_cli.errors import UsageError
from audiosocket_cli.outbox.webhook_secret import parse_secrets, read_secrets, signature
from support.refusals import refusal

SECRET = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("text", [f"whsec_{SECRET}", SECRET, f" whsec_{SECRET.rstrip('=')}\n"])
def test_a_secret_is_base64_with_or_without_its_prefix(text: str) -> None:
    assert parse_secrets(text, "FILE") == (bytes(range(32)),)


def test_a_file_may_hold_the_old_secret_and_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"whsec_{SECRET}\n\nwhsec_{'A' * 40}\n")
    assert read_secrets(path) == (bytes(range(32)), bytes(30))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no secret"),
        (" \n", "holds no secret"),
        ("hunter2!", "is not whsec_ and base64"),
        ("whsec_é", "is not whsec_ and base64"),
        ("hunter22", "of 6 bytes, which needs at least 24"),
        ("A" * 2000, "at most 1024"),
        (f"{SECRET}\n" * 5, "at most 4, one a line"),
    ],
)
def test_other_text_is_refused_in_one_line_that_does_not_tell_it(text: str, reason: str) -> None:
    told = refusal(parse_secrets, text, "FILE")
    assert reason in told
    assert "hunter2" not in told


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the secret for --events from .*none: no such file"):
        read_secrets(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff" * 32)
    with pytest.raises(UsageError, match="does not hold a secret"):
        read_secrets(tmp_path / "bytes")


def test_each_secret_signs_so_that_receivers_can_change_theirs_one_by_one() -> None:
    old, new = f"whsec_{SECRET}", f"whsec_{'A' * 40}"
    now = int(time.time())
    headers = {
        "webhook-id": "one",
        "webhook-timestamp": str(now),
        "webhook-signature": signature(parse_secrets(f"{old} {new}", "FILE"), "one", now, b'{"a": 1}'),
    }
    for secret in (old, new):
        assert Webhook(secret).verify(b'{"a": 1}', headers) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(f"whsec_{'B' * 40}").verify(b'{"a": 1}', headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(b'{"a": 2}', headers)


def test_the_lines_of_the_page_tell_right_from_wrong() -> None:
    page = (Path(__file__).parents[2] / "audiosocket_cli/docs/events.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    found: dict[str, Any] = {}
    exec(code, found)
    is_ours, secret, now = found["is_ours"], f"whsec_{SECRET}", int(time.time())

    def headers(sent: int) -> dict[str, str]:
        signatures = signature(parse_secrets(f"whsec_{'A' * 40} {secret}", "FILE"), "one", sent, b"{}")
        return {"webhook-id": "one", "webhook-timestamp": str(sent), "webhook-signature": signatures}

    assert is_ours(secret, headers(now), b"{}")
    assert not is_ours(secret, headers(now), b"{} ")
    assert not is_ours(secret, {**headers(now), "webhook-id": "two"}, b"{}")
    assert not is_ours(f"whsec_{'B' * 40}", headers(now), b"{}")
    assert not is_ours(secret, headers(now - 400), b"{}"), "an old one may be a repetition by others"
