"""Headers of the handshake: what is one, and which are not for everybody's eyes."""

from __future__ import annotations

import pytest

from audiosocket_cli.websocket.headers import may_be_secret, parse_header


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("X-Tenant: 7", ("X-Tenant", "7")),
        ("X-Tenant:7 ", ("X-Tenant", "7")),
        ("Authorization: Bearer a:b", ("Authorization", "Bearer a:b")),
        ("X-Empty:", ("X-Empty", "")),
        ("no header", None),
        (": x", None),
        ("X Y: z", None),
        ("X: ä", None),
        ("X: a\r\nY: b", None),
        ("Sec-WebSocket-Key: x", None),
        ("", None),
    ],
)
def test_a_header_is_a_name_and_a_value(line: str, header: tuple[str, str] | None) -> None:
    assert parse_header(line) == header


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-Api-Key", "x-access-token", "Proxy-Authorization"])
def test_names_of_secrets_are_known(name: str) -> None:
    assert may_be_secret(name)
    assert not may_be_secret("X-Tenant")
