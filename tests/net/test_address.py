"""Addresses, as they are written and shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.errors import UsageError
from audiosocket_cli.net.address import Address, parse_address, peer_name


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host:1234", ("host", 1234)),
        ("host", ("host", 9092)),
        (":1234", ("", 1234)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:1234", ("::1", 1234)),
        ("[::1]", ("::1", 9092)),
        ("::1", ("::1", 9092)),
        ("fe80::1%eth0", ("fe80::1%eth0", 9092)),
    ],
)
def test_an_address_is_read_as_written(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == Address(*address)


@pytest.mark.parametrize("text", ["", "host:", "host:x", "host:65536", "host:-1", "9092", "[::1", "a]:1", "[::1]x:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = parse_address(text)
    except UsageError:
        return
    assert 0 <= address.port <= 65535
    assert parse_address(str(address)) == address or not address.host


def test_an_ipv4_peer_on_an_ipv6_socket_has_its_ipv4_name() -> None:
    assert peer_name(("::ffff:192.0.2.1", 5, 0, 0)) == "192.0.2.1:5"
    assert peer_name(("2001:db8::1", 5, 0, 0)) == "[2001:db8::1]:5"
