"""PROXY protocol headers: as a reader takes them in any pieces, and as a server takes them."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.rules import PROXY_V2_SIGNATURE as SIGNATURE
from audiosocket_cli.asterisk.rules import SECOND_HEADER_FAULT
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.net.proxy_protocol import Ends, ProxyHeaderReader, ProxyProtocolError, header_of
from support.peers import FRAME, connected, opening, read_to_end, reset
from support.running import Serve, Serving, run

V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 9092\r\n"


def v2(command: int, family: int, addresses: bytes = b"", tlvs: bytes = b"") -> bytes:
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(addresses + tlvs)) + addresses + tlvs


def tcp4(source: str, destination: str, *ports: int) -> bytes:
    return socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack(">HH", *ports)


def tcp6(source: str, destination: str, *ports: int) -> bytes:
    packed = [socket.inet_pton(socket.AF_INET6, host) for host in (source, destination)]
    return b"".join(packed) + struct.pack(">HH", *ports)


ADDRESSES = tcp4("203.0.113.7", "192.0.2.1", 40000, 9092)
V2 = v2(1, 0x11, ADDRESSES)
ENDS = Ends(("203.0.113.7", 40000), ("192.0.2.1", 9092))
ENDS_V6 = Ends(("2001:db8::7", 40000), ("2001:db8::1", 9092))
TLVS = b"\x03\x00\x04\xfd\x16\xee\x60" + b"\x04\x0f\xa0" + bytes(4000)

WHOLE = {
    "v1-tcp4": (V1, ENDS),
    "v1-tcp6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 9092\r\n", ENDS_V6),
    "v1-mapped": (b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 40000 9092\r\n", ENDS),
    "v2-mapped": (v2(1, 0x21, tcp6("::ffff:203.0.113.7", "::ffff:192.0.2.1", 40000, 9092)), ENDS),
    "v1-unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1-unknown-with-more": (b"PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n", None),
    "v2-tcp4": (V2, ENDS),
    "v2-tcp6": (v2(1, 0x21, tcp6("2001:db8::7", "2001:db8::1", 40000, 9092)), ENDS_V6),
    "v2-tlvs": (v2(1, 0x11, ADDRESSES, TLVS), ENDS),
    "v2-longest": (v2(1, 0x11, ADDRESSES, bytes(65535 - 12)), ENDS),
    "v2-local": (v2(0, 0x00), None),
    "v2-local-with-addresses": (v2(0, 0x11, ADDRESSES), None),
    "v2-unspecified": (v2(1, 0x00), None),
    "v2-unix": (v2(1, 0x31, bytes(216)), None),
    "v2-udp": (v2(1, 0x12, ADDRESSES), None),
}
headers = pytest.mark.parametrize(("header", "ends"), WHOLE.values(), ids=WHOLE)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("ends", [ENDS, ENDS_V6], ids=["ipv4", "ipv6"])
def test_a_header_that_we_send_says_what_it_was_made_of(ends: Ends, version: int) -> None:
    header = header_of(ends, version)
    assert header.startswith(b"PROXY TCP" if version == 1 else SIGNATURE)
    assert read_header(header) == ends


@pytest.mark.parametrize(
    ("source", "destination", "told"),
    [
        ("::ffff:203.0.113.7", "::ffff:192.0.2.1", ENDS),
        ("fe80::1%eth0", "fe80::2%eth0", Ends(("fe80::1", 40000), ("fe80::2", 9092))),
        ("203.0.113.7", "2001:db8::1", None),
    ],
    ids=["mapped", "zone", "mixed"],
)
@pytest.mark.parametrize("version", [1, 2])
def test_addresses_are_told_as_a_header_can(source: str, destination: str, told: Ends | None, version: int) -> None:
    assert read_header(header_of(Ends((source, 40000), (destination, 9092)), version)) == told


def read_header(header: bytes) -> Ends | None:
    reader = ProxyHeaderReader()
    assert reader.feed(header + FRAME) == len(header)
    assert reader.is_whole
    return reader.ends


@headers
def test_a_header_is_read_and_nothing_after_it(header: bytes, ends: Ends | None) -> None:
    reader = ProxyHeaderReader()
    assert reader.feed(header + opening()[1]) == len(header)
    assert (reader.is_whole, reader.ends, reader.received_bytes) == (True, ends, len(header))


@headers
def test_byte_by_byte_it_is_the_same(header: bytes, ends: Ends | None) -> None:
    reader = ProxyHeaderReader()
    for at in range(len(header)):
        assert not reader.is_whole
        assert reader.feed(header[at : at + 1]) == 1
    assert (reader.is_whole, reader.ends) == (True, ends)


@headers
@given(st.data())
def test_in_any_two_pieces_it_is_the_same(header: bytes, ends: Ends | None, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(header)))
    reader = ProxyHeaderReader()
    assert reader.feed(header[:cut]) == cut
    if cut < len(header):
        assert reader.feed(header[cut:] + b"\x01") == len(header) - cut
    assert reader.ends == ends


WRONG = {
    "v1-without-ports": b"PROXY TCP4 203.0.113.7 192.0.2.1\r\n",
    "v1-name": b"PROXY TCP4 localhost 192.0.2.1 1 2\r\n",
    "v1-family": b"PROXY TCP6 203.0.113.7 192.0.2.1 1 2\r\n",
    "v1-port": b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 2\r\n",
    "v1-negative": b"PROXY TCP4 203.0.113.7 192.0.2.1 -1 2\r\n",
    "v1-zone": b"PROXY TCP6 fe80::7%\x1b[31m fe80::1 1 2\r\n",
    "v1-udp": b"PROXY UDP4 203.0.113.7 192.0.2.1 1 2\r\n",
    "v1-two-blanks": b"PROXY TCP4  203.0.113.7 192.0.2.1 1 2\r\n",
    "v1-empty": b"PROXY \r\n",
    "v1-not-ascii": "PROXY TCP4 ٢03.0.113.7 192.0.2.1 1 2\r\n".encode(),
    "v2-version": SIGNATURE + struct.pack(">BBH", 0x11, 0x11, 12) + ADDRESSES,
    "v2-command": SIGNATURE + struct.pack(">BBH", 0x22, 0x11, 12) + ADDRESSES,
    "v2-too-short": SIGNATURE + struct.pack(">BBH", 0x21, 0x11, 11) + ADDRESSES[:11],
    "v2-too-short-6": SIGNATURE + struct.pack(">BBH", 0x21, 0x21, 12) + ADDRESSES,
}


@pytest.mark.parametrize("header", WRONG.values(), ids=WRONG)
def test_a_wrong_header_is_quoted(header: bytes) -> None:
    with pytest.raises(ProxyProtocolError, match=r"^its PROXY protocol header is wrong: ") as told:
        ProxyHeaderReader().feed(header)
    assert str(told.value).isprintable()


def test_a_line_without_end_is_not_waited_for() -> None:
    reader = ProxyHeaderReader()
    assert reader.feed(b"PROXY TCP4 " + b"1" * 95) == 106
    with pytest.raises(ProxyProtocolError, match="longer than 107 bytes"):
        reader.feed(b"1")
    longest = b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"
    assert ProxyHeaderReader().feed(longest) == len(longest) == 107


@given(st.binary(min_size=1, max_size=200))
def test_garbage_is_an_error_or_not_whole(data: bytes) -> None:
    reader = ProxyHeaderReader()
    try:
        assert reader.feed(data) <= len(data)
    except ProxyProtocolError as error:
        told = str(error)
    else:
        told = ""
    assert not told or told.isprintable()


# A server.


def events_of(serving: Serving) -> list[dict[str, object]]:
    return [json.loads(line) for line in serving.end()[1]]


@pytest.mark.parametrize("pieces", ["together", "apart", "byte-by-byte"])
@pytest.mark.parametrize("header", [V1, V2, WHOLE["v2-tlvs"][0]], ids=["v1", "v2", "tlvs"])
def test_the_caller_is_who_the_header_says(serve: Serve, tmp_path: Path, header: bytes, pieces: str) -> None:
    serving = serve("--proxy-protocol", "--record", "calls/{peer}.wav", "--capture", "captures", "--json")
    call, first = opening()
    with connected(serving) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if pieces == "together":
            peer.sendall(header + first + FRAME * 5)
        else:
            step = 1 if pieces == "byte-by-byte" and len(header) < 200 else len(header) // 2 + 1
            for at in range(0, len(header), step):
                peer.sendall(header[at : at + step])
                time.sleep(0.002)
            peer.sendall(first + FRAME * 5)
        started = json.loads(serving.wait_for('"event": "call"'))
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    result = serving.wait_for_end(call)
    assert started["peer"] == result["peer"] == "203.0.113.7:40000"
    assert result["caller"]["frames"] == {"slin": {"frames": 5, "bytes": 1600}}
    assert list((tmp_path / "calls").glob("203.0.113.7*.wav"))
    shown = run("dump", tmp_path / "captures" / f"{call}.pcapng")
    assert shown.returncode == 0
    assert "203.0.113.7:40000" in shown.stdout
    serving.end()


def test_a_header_that_names_nobody_leaves_the_connection_its_own_peer(serve: Serve) -> None:
    serving = serve("--proxy-protocol", "--json")
    for number, header in enumerate((v2(0, 0), b"PROXY UNKNOWN\r\n")):
        with connected(serving, header, opening(number)[1], FRAME) as peer:
            started = json.loads(serving.wait_for('"event": "call"'))
            assert started["peer"] == f"127.0.0.1:{peer.getsockname()[1]}"


def test_allow_from_and_max_calls_from_judge_who_really_calls(serve: Serve) -> None:
    serving = serve("--proxy-protocol", "--allow-from", "203.0.113.0/24", "--max-calls-from", "1", "--json")
    stranger = V1.replace(b"203.0.113.7", b"198.51.100.7")
    with connected(serving, stranger, opening(1)[1]) as peer:
        assert read_to_end(peer) == [Frame(Kind.HANGUP)]
    event = json.loads(serving.wait_for("refused"))
    assert (event["peer"], event["reason"]) == (
        "198.51.100.7:40000",
        "198.51.100.7 is not in a network of --allow-from",
    )
    with connected(serving, V1, opening(2)[1]):
        serving.wait_for('"event": "call"')
        with connected(serving, V2, opening(3)[1]) as peer:
            assert read_to_end(peer) == [Frame(Kind.HANGUP)]
        event = json.loads(serving.wait_for("refused"))
        assert "--max-calls-from 1 is reached" in event["reason"]
        with connected(serving, V1.replace(b"113.7", b"113.8"), opening(4)[1]):
            serving.wait_for('"event": "call"')


def test_hooks_are_told_who_really_calls(serve: Serve, tmp_path: Path) -> None:
    for name in ("ask", "after"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho $AUDIOSOCKET_PEER > {name}.peer\n")
        (tmp_path / name).chmod(0o755)
    serving = serve("--proxy-protocol", "--authorize", "./ask", "--on-call-end", "./after")
    with connected(serving, V2, opening()[1]) as peer:
        serving.wait_for(" call ")
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    serving.wait_for(" ended by ")
    serving.end()
    assert {(tmp_path / f"{name}.peer").read_text() for name in ("ask", "after")} == {"203.0.113.7:40000\n"}


def test_only_who_may_says_who_calls(serve: Serve) -> None:
    serving = serve("--proxy-protocol", "--proxy-from", "10.0.0.0/8")
    with connected(serving, V1, opening()[1]) as peer:
        assert read_to_end(peer) == [Frame(Kind.HANGUP)]
    line = serving.wait_for("refused")
    assert re.search(r"refused 127\.0\.0\.1:\d+: 127\.0\.0\.1 is not in a network of --proxy-from$", line)


NO_HEADER = {
    "uuid": (opening()[1],
             "no PROXY protocol header: it began with a UUID frame (did it bypass the proxy? is send-proxy missing?)"),
    "http": (b"GET / HTTP/1.1\r\n\r\n", "no PROXY protocol header: it began with 'GET / HTTP/1.1'"),
    "garbage": (b"\x9c\xd0\x01", "no PROXY protocol header: it began with 9c d0 01"),
    "two": (V1 + V2, SECOND_HEADER_FAULT),
    "wrong": (b"PROXY TCP4 x y 1 2\r\n", "its PROXY protocol header is wrong: 'PROXY TCP4 x y 1 2'"),
    "endless": (b"PROXY " + b"x" * 200, "its PROXY protocol header is longer than 107 bytes"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), NO_HEADER.values(), ids=NO_HEADER)
def test_a_connection_without_a_header_is_one_line(serve: Serve, data: bytes, reason: str) -> None:
    serving = serve("--proxy-protocol", "--json")
    with connected(serving, data) as peer:
        heard = peer.recv(100)
        assert heard == bytes((Kind.HANGUP, 0, 0))
    event = json.loads(serving.wait_for("no-call"))
    assert event["reason"] == reason
    code, _, err = serving.end()
    assert code == 130
    assert err == "answered 0 calls with 0.0 s of caller audio, 1 connection failed\n"


def test_a_header_is_waited_for_as_long_as_a_uuid(serve: Serve) -> None:
    serving = serve("--proxy-protocol", "--uuid-timeout", "0.5", "--json")
    with connected(serving, V1[:10]) as peer:
        assert peer.recv(100) == bytes((Kind.HANGUP, 0, 0))
    assert json.loads(serving.wait_for("no-call"))["reason"] == "no PROXY protocol header within 0.5 s"
    with connected(serving, V1[:10]):
        pass
    reason = json.loads(serving.wait_for("no-call"))["reason"]
    assert reason == "closed after 10 bytes, before its PROXY protocol header was complete"


def own_ends(peer: socket.socket) -> bytes:
    (host, port), (there, to) = peer.getsockname(), peer.getpeername()
    return f"PROXY TCP4 {host} {there} {port} {to}\r\n".encode()


CHECKS = {
    "connect-and-close": ((), lambda peer: None),
    "connect-and-reset": ((), reset),
    "proxy-connect-and-close": (("--proxy-protocol",), lambda peer: None),
    "proxy-connect-and-reset": (("--proxy-protocol",), reset),
    "v1-own-ends-then-reset": (("--proxy-protocol",), lambda peer: (peer.sendall(own_ends(peer)), reset(peer))),
    "v1-then-close": (("--proxy-protocol",), lambda peer: peer.sendall(V1)),
    "v1-unknown": (("--proxy-protocol",), lambda peer: (peer.sendall(b"PROXY UNKNOWN\r\n"), reset(peer))),
    "v2-local": (("--proxy-protocol",), lambda peer: peer.sendall(v2(0, 0))),
    "v2-local-then-reset": (("--proxy-protocol",), lambda peer: (peer.sendall(v2(0, 0)), reset(peer))),
    "while-all-is-taken": (("--max-calls", "1"), lambda peer: None),
    "behind-a-proxy-while-all-is-taken": (("--max-calls", "1", "--proxy-protocol"),
                                          lambda peer: (peer.sendall(own_ends(peer)), reset(peer))),
}  # fmt: skip


@pytest.mark.parametrize(("options", "check"), CHECKS.values(), ids=CHECKS)
def test_a_health_check_is_no_line_and_no_failure(
    serve: Serve, options: tuple[str, ...], check: Callable[[socket.socket], object]
) -> None:
    serving = serve("--json", *options)
    header = V1 if "--proxy-protocol" in options else b""
    with connected(serving, header, opening()[1], FRAME) as good:
        serving.wait_for('"event": "call"')
        for _ in range(3):
            with connected(serving) as peer:
                check(peer)
        time.sleep(0.5)
        good.shutdown(socket.SHUT_WR)
        read_to_end(good)
    serving.wait_for_end(opening()[0])
    code, lines, err = serving.end()
    assert code == 130
    assert [json.loads(line)["event"] for line in lines] == ["listening", "call", "ended"]
    assert err == "answered 1 call with 0.0 s of caller audio, 3 connections closed without a byte\n"


@pytest.mark.parametrize("header", [V1, V2, V1[:6], V2[:12]], ids=["v1", "v2", "v1-begun", "v2-begun"])
def test_without_the_option_a_header_is_called_what_it_is(serve: Serve, header: bytes) -> None:
    serving = serve("--json")
    with connected(serving, header, opening()[1] if len(header) > 12 else b"") as peer:
        assert read_to_end(peer) == [Frame(Kind.HANGUP)]
    assert json.loads(serving.wait_for("no-call"))["reason"] == (
        "it began with a PROXY protocol header: add --proxy-protocol to serve, or leave it out in the proxy "
        "[proxy-header]"
    )


def test_without_the_option_one_that_comes_in_pieces_is_too(serve: Serve) -> None:
    serving = serve("--json")
    with connected(serving) as peer:
        for at in range(6):
            peer.sendall(V1[at : at + 1])
            time.sleep(0.05)
    assert "a PROXY protocol header" in json.loads(serving.wait_for("no-call"))["reason"]


def test_its_networks_need_the_protocol() -> None:
    done = run("serve", "--proxy-from", "10.0.0.0/8")
    assert (done.returncode, done.stderr) == (
        2, "audiosocket: error: --proxy-from says who may send a PROXY protocol header: add --proxy-protocol\n",
    )  # fmt: skip
