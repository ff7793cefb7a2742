"""Tags and tunnels: what is carried in something else is read as if it were not, or counted and named."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.packets import Unreadable, tcp_segment
from support.captures import in_pieces, items_of, plain
from support.packets import Stamped, a_call, ethernet, ipv4, ipv6, linked, pcap
from support.running import need

WHOLE = plain(items_of(pcap(a_call())))
A, B = "192.0.2.1", "192.0.2.9"
A6, B6 = "2001:db8::1", "2001:db8::9"


def udp(port: int, body: bytes) -> bytes:
    return struct.pack(">HHHH", 50_000, port, 8 + len(body), 0) + body


def in_udp(port: int, head: bytes) -> Callable[[bytes], bytes]:
    return lambda inner: ipv4(A, B, udp(port, head + inner), protocol=17)


def in_gre(kind: int, flags: int = 0, more: bytes = b"") -> Callable[[bytes], bytes]:
    return lambda inner: ipv4(A, B, struct.pack(">HH", flags, kind) + more + inner, protocol=47)


def tagged(kind: int, head: bytes) -> Callable[[bytes], bytes]:
    return lambda inner: bytes(12) + struct.pack(">H", kind) + head + inner


VNI = struct.pack(">II", 0x0800_0000, 42 << 8)
SESSION = struct.pack(">BBHH", 0x11, 0, 7, 500)
TUNNELS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "ipip": (101, lambda inner: ipv4(A, B, inner, protocol=4)),
    "ip-in-6": (101, lambda inner: ipv6(A6, B6, inner, protocol=4)),
    "ah": (101, lambda inner: ipv4(A, B, struct.pack(">BBHII", 4, 4, 0, 1, 1) + bytes(12) + inner, protocol=51)),
    "gre": (101, in_gre(0x0800)),
    "gre-key-sequence": (101, in_gre(0x0800, 0xB000, bytes(12))),
    "gre-ethernet": (101, lambda inner: in_gre(0x6558)(ethernet(inner))),
    "erspan-1": (101, lambda inner: in_gre(0x88BE)(ethernet(inner))),
    "erspan-2": (101, lambda inner: in_gre(0x88BE, 0x1000, bytes(4))(b"\x10" + bytes(7) + ethernet(inner))),
    "erspan-3": (101, lambda inner: in_gre(0x22EB, 0x1000, bytes(4))(b"\x20" + bytes(11) + ethernet(inner))),
    "pptp": (101, lambda inner: in_gre(0x880B, 0x3081, bytes(12))(b"\xff\x03\x00\x21" + inner)),
    "vxlan": (101, lambda inner: in_udp(4789, VNI)(ethernet(inner))),
    "vxlan-linux": (1, lambda inner: ethernet(in_udp(8472, VNI)(ethernet(inner, [0x8100])))),
    "geneve": (101, lambda inner: in_udp(6081, struct.pack(">HHI", 0x0200, 0x6558, 0) + bytes(8))(ethernet(inner))),
    "gtp": (101, in_udp(2152, struct.pack(">BBHI", 0x30, 0xFF, 500, 7))),
    "gtp-extended": (101, in_udp(2152, struct.pack(">BBHI", 0x34, 0xFF, 500, 7) + b"\0\0\0\x85\x01\x10\x01\x00")),
    "pppoe": (1, tagged(0x8864, SESSION + b"\x00\x21")),
    "pppoe-short": (1, tagged(0x8864, SESSION + b"\x21")),
    "pppoe-vlan": (1, tagged(0x8100, b"\0\7\x88\x64" + SESSION + b"\x00\x21")),
    "mpls": (1, tagged(0x8847, b"\0\1\0\x40" + b"\0\2\1\x40")),
    "mpls-ethernet": (1, lambda inner: tagged(0x8847, b"\0\1\1\x40" + bytes(4))(ethernet(inner))),
    "qinq": (1, lambda inner: ethernet(inner, [0x88A8, 0x8100, 0x8100])),
    "ppp": (9, lambda inner: b"\xff\x03\x00\x21" + inner),
    "three-deep": (101, lambda inner: in_gre(0x0800)(in_udp(4789, VNI)(ethernet(ipv4(A, B, inner, protocol=4))))),
}


@pytest.mark.parametrize("name", TUNNELS)
def test_what_is_in_a_tunnel_is_read(name: str) -> None:
    link, wrap = TUNNELS[name]
    assert plain(items_of(pcap(linked(a_call(), wrap), link))) == WHOLE


def test_6in4_is_read() -> None:
    inner = [packet._replace(data=ipv6(A6, B6, packet.data[20:])) for packet in a_call()]
    outer = linked(inner, lambda data: ipv4(A, B, data, protocol=41))
    assert plain(items_of(pcap(outer))) == plain(items_of(pcap(inner)))


@pytest.mark.parametrize(
    ("wrap", "why"),
    [
        (lambda inner: ipv4(A, B, bytes(16) + inner, protocol=50), "in IPsec (ESP), encrypted"),
        (lambda inner: ipv4(A, B, udp(4500, b"\1\2\3\4" + inner), protocol=17), "in IPsec (ESP over UDP), encrypted"),
        (lambda inner: ipv4(A, B, udp(51820, b"\4\0\0\0" + inner), protocol=17), "in WireGuard, encrypted"),
        (lambda inner: ipv4(A, B, inner, protocol=4, fragment=0x2000), "that are IP fragments"),
    ],
    ids=["esp", "natt", "wireguard", "fragment"],
)
def test_what_nobody_can_read_is_counted_and_named(wrap: Callable[[bytes], bytes], why: str) -> None:
    capture = Capture(in_pieces(pcap(linked(a_call(), wrap)), 1 << 20), "x")
    assert list(capture) == []
    assert capture.packets_left_out == {why: len(a_call())}


@pytest.mark.parametrize("name", TUNNELS)
def test_a_tunnel_that_is_cut_anywhere_is_no_crash(name: str) -> None:
    link, wrap = TUNNELS[name]
    data = wrap(a_call()[4].data)
    for size in range(len(data)):
        found = tcp_segment(link, data[:size])
        assert found is None or isinstance(found, Unreadable) or found.missing_bytes or size >= len(data) - 323


def test_a_packet_that_holds_itself_without_end_is_counted() -> None:
    data = a_call()[4].data
    for _ in range(20):
        data = ipv4(A, B, data, protocol=4)
    assert tcp_segment(101, data) == Unreadable("in more tunnels than there can be")


def test_the_call_and_the_tunnel_it_goes_through_are_one_call() -> None:
    """As of `tcpdump -i any` on a host that has the tunnel."""
    both = [Stamped(packet.at_ns, data, ()) for packet in a_call()
            for data in (ethernet(packet.data), ethernet(in_gre(0x0800)(packet.data)))]  # fmt: skip
    items = items_of(pcap(both, 1))
    assert plain(items) == WHOLE
    (remark,) = items[-1].call.remarks  # type: ignore[union-attr]
    assert remark.startswith("captured more than once: its packets are repeated")


@pytest.mark.parametrize("name", sorted(set(TUNNELS) - {"vxlan-linux", "three-deep", "mpls-ethernet"}))
def test_tshark_sees_the_same_in_these_tunnels(name: str, tmp_path: Path) -> None:
    tshark = need("tshark")
    link, wrap = TUNNELS[name]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(linked(a_call(), wrap), link))
    done = subprocess.run([tshark, "-r", path, "-T", "fields", "-e", "tcp.dstport"], capture_output=True, text=True,
                          check=True, timeout=60)  # fmt: skip
    assert set(done.stdout.split()) == {"9092", "40000"}
