"""Captures made by hand: links, IP, TCP, pcap and pcapng, byte by byte, with nothing of the package's own writer."""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CALLER, SERVER = 0, 1
START_NS = 1_700_000_000_123_456_000
STEP_NS = 20_000_000
UUID_BYTES = bytes.fromhex("11111111222243338444555555555555")
OPENING = b"\x01\x00\x10" + UUID_BYTES
HANGUP = b"\x00\x00\x00"


class Stamped(NamedTuple):
    """A packet with its time in ns since 1970, and what somebody remarked on it."""

    at_ns: int
    data: bytes
    comments: tuple[str, ...] = ()


def audio(number: int, size: int = 320, kind: int = 0x10) -> bytes:
    """Return an audio frame with noise of its own, the same for the same number. Bytes that are all as likely would be
    taken for compressed ones."""
    samples = np.random.default_rng(number).normal(0, 3000, size // 2 + 1).astype("<i2")
    return bytes([kind]) + struct.pack(">H", size) + samples.tobytes()[:size]


def digit(key: str) -> bytes:
    return b"\x03\x00\x01" + key.encode()


def speech(count: int, first: int = 0) -> list[bytes]:
    return [audio(first + number) for number in range(count)]


# TCP and IP


def tcp(
    ports: tuple[int, int], seq: int, ack: int = 0, flags: int = ACK, data: bytes = b"", options: bytes = b""
) -> bytes:
    head = struct.pack(
        ">HHIIBBHHH", *ports, seq % 2**32, ack % 2**32, (20 + len(options)) // 4 << 4, flags, 65535, 0, 0
    )
    return head + options + data


def ipv4(source: str, target: str, body: bytes, *, options: bytes = b"", fragment: int = 0x4000, protocol: int = 6,
         length: int | None = None) -> bytes:  # fmt: skip
    size = 20 + len(options) + len(body)
    head = struct.pack(">BBHHHBBH", 0x40 | (size - len(body)) // 4, 0, size if length is None else length, 1, fragment,
                       64, protocol, 0)  # fmt: skip
    return head + socket.inet_aton(source) + socket.inet_aton(target) + options + body


def ipv6(source: str, target: str, body: bytes, *, extensions: Sequence[tuple[int, bytes]] = (), protocol: int = 6,
         length: int | None = None) -> bytes:  # fmt: skip
    """`extensions` are header numbers and what stands behind each one's first byte."""
    kinds = [kind for kind, _ in extensions] + [protocol]
    inside = b"".join(bytes([kinds[i + 1]]) + rest for i, (_, rest) in enumerate(extensions)) + body
    size = len(inside) if length is None else length
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    return struct.pack(">IHBB", 0x6000_0000, size, kinds[0], 64) + addresses + inside


def ip(source: str, target: str, body: bytes) -> bytes:
    return ipv6(source, target, body) if ":" in source else ipv4(source, target, body)


class Talk:
    """One connection, as packets of raw IP; time goes on by 20 ms with each packet, unless it is said."""

    def __init__(
        self,
        caller: tuple[str, int] = ("10.0.0.1", 40000),
        server: tuple[str, int] = ("10.0.0.2", 9092),
        *,
        seqs: tuple[int, int] = (1000, 5000),
        at_ns: int = START_NS,
    ) -> None:
        self.ends = (caller, server)
        self.seqs = list(seqs)
        self.at_ns = at_ns
        self.packets: list[Stamped] = []

    def packet(self, who: int, seq: int, flags: int = ACK, data: bytes = b"", ack: int | None = None) -> Stamped:
        """Return a packet with this sequence number, without keeping it."""
        (host, port), (other, other_port) = self.ends[who], self.ends[1 - who]
        ack = self.seqs[1 - who] if ack is None else ack
        stamped = Stamped(self.at_ns, ip(host, other, tcp((port, other_port), seq, ack, flags, data)))
        self.at_ns += STEP_NS
        return stamped

    def put(self, who: int, flags: int = ACK, data: bytes = b"", *, lost: bool = False) -> Talk:
        """Send the next bytes of a side; `lost` to the capture alone."""
        stamped = self.packet(who, self.seqs[who], flags, data)
        if not lost:
            self.packets.append(stamped)
        self.seqs[who] += len(data) + bool(flags & SYN) + bool(flags & FIN)
        return self

    def open(self) -> Talk:
        return self.put(CALLER, SYN).put(SERVER, SYN | ACK).put(CALLER)

    def say(self, who: int, *chunks: bytes) -> Talk:
        for chunk in chunks:
            self.put(who, ACK | PSH, chunk)
        return self

    def lose(self, who: int, chunk: bytes) -> Talk:
        return self.put(who, ACK | PSH, chunk, lost=True)

    def close(self) -> Talk:
        return self.put(CALLER, FIN | ACK).put(SERVER, FIN | ACK).put(CALLER)


def a_call(count: int = 6) -> list[Stamped]:
    """Return a whole call: UUID, audio both ways, a digit, a hangup, both FINs."""
    talk = Talk().open().say(CALLER, OPENING)
    for number in range(count):
        talk.say(CALLER, audio(number)).say(SERVER, audio(100 + number))
    return talk.say(CALLER, digit("5")).say(SERVER, HANGUP).close().packets


# Links


def ethernet(data: bytes, tags: Sequence[int] = ()) -> bytes:
    kind = b"\x86\xdd" if data[0] >> 4 == 6 else b"\x08\x00"
    return bytes(12) + b"".join(struct.pack(">HH", tag, 7) for tag in tags) + kind + data


def cooked(data: bytes, tags: Sequence[int] = ()) -> bytes:
    return struct.pack(">HHH8s", 0, 1, 6, bytes(8)) + ethernet(data, tags)[12:]


def cooked_2(data: bytes, tags: Sequence[int] = ()) -> bytes:
    rest = ethernet(data, tags)[12:]
    return rest[:2] + struct.pack(">HIHBB8s", 0, 3, 1, 0, 6, bytes(8)) + rest[2:]


def family(data: bytes, order: str) -> bytes:
    return struct.pack(order + "I", 30 if data[0] >> 4 == 6 else 2) + data


LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "ethernet": (1, ethernet),
    "vlan": (1, lambda data: ethernet(data, [0x8100])),
    "qinq": (1, lambda data: ethernet(data, [0x88A8, 0x8100])),
    "old-qinq": (1, lambda data: ethernet(data, [0x9100, 0x8100])),
    "cooked": (113, cooked),
    "cooked-vlan": (113, lambda data: cooked(data, [0x8100])),
    "cooked-2": (276, cooked_2),
    "cooked-2-vlan": (276, lambda data: cooked_2(data, [0x8100])),
    "null-little": (0, lambda data: family(data, "<")),
    "null-big": (0, lambda data: family(data, ">")),
    "loop": (108, lambda data: family(data, ">")),
    "raw": (101, lambda data: data),
    "raw-12": (12, lambda data: data),
    "raw-14": (14, lambda data: data),
    "ipv4": (228, lambda data: data),
    "ipv6": (229, lambda data: data),
}


def linked(packets: Iterable[Stamped], wrap: Callable[[bytes], bytes]) -> list[Stamped]:
    return [packet._replace(data=wrap(packet.data)) for packet in packets]


# Files


def pcap(packets: Iterable[Stamped], link: int = 101, *, order: str = "<", unit_ns: int = 1, snaplen: int = 0) -> bytes:
    magic = 0xA1B23C4D if unit_ns == 1 else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for at_ns, data, _ in packets:
        kept = data[:snaplen] if snaplen else data
        seconds, rest_ns = divmod(at_ns, 10**9)
        parts += [struct.pack(order + "IIII", seconds, rest_ns // unit_ns, len(kept), len(data)), kept]
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", comment: str = "") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
                 + (option(order, 1, comment.encode()) if comment else b""))  # fmt: skip


def interface(order: str = "<", link: int = 101, resolution: int | None = 9, offset_s: int = 0) -> bytes:
    body = struct.pack(order + "HHI", link, 0, 0)
    if resolution is not None:
        body += option(order, 9, bytes([resolution]))
    if offset_s:
        body += option(order, 14, struct.pack(order + "q", offset_s))
    return block(order, 1, body + option(order, 0, b""))


def enhanced(order: str, ticks: int, data: bytes, comments: Iterable[str] = (), number: int = 0) -> bytes:
    body = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    body += data + bytes(-len(data) % 4)
    return block(order, 6, body + b"".join(option(order, 1, comment.encode()) for comment in comments))


def pcapng(
    packets: Iterable[Stamped], link: int = 101, *, order: str = "<", resolution: int | None = 9, offset_s: int = 0,
    about: str = "",
) -> bytes:  # fmt: skip
    bits = 6 if resolution is None else resolution
    ticks_per_s = 2 ** (bits & 0x7F) if bits & 0x80 else 10**bits
    parts = [section(order, about), interface(order, link, resolution, offset_s)]
    for at_ns, data, comments in packets:
        ticks = (at_ns - offset_s * 10**9) * ticks_per_s // 10**9
        parts.append(enhanced(order, ticks, data, comments))
    return b"".join(parts)


def packed(data: bytes, members: int = 1) -> bytes:
    """Return gzip of these bytes, in so many members, with no time in it."""
    size = -(-len(data) // members)
    return b"".join(gzip.compress(data[at : at + size], mtime=0) for at in range(0, len(data), size))
