"""`audiosocket wireshark`: what the real tshark shows with the dissector, and how it is printed and installed."""

from __future__ import annotations

import itertools
import os
import pwd
import random
import struct
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import audiosocket_cli
from audiosocket_cli.asterisk.facts import PTIME_MS, frame_bytes
from audiosocket_cli.codec import (
    DIGITS,
    RATE_BY_KIND,
    ErrorCode,
    Frame,
    Kind,
    describe_error,
    digit_frame,
    encode,
    kind_name,
    uuid_frame,
)
from audiosocket_cli.model import Side
from support.running import missing, need, run

LUA = Path(audiosocket_cli.__file__).parent / "capture" / "audiosocket.lua"
PORT = 9092
OTHER_PORT = 7001
CALLER, SERVER = Side.CALLER, Side.SERVER
CALL = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
OPENING = uuid_frame(CALL)
SLIN = Frame(Kind.SLIN, bytes(range(160)) * 2)

Segment = tuple[Side, bytes]
Warned = tuple[str, str]


# A capture, written by hand ------------------------------------------------------------------------------------------


class Connection:
    """The packets of one TCP connection over IPv4."""

    _starts = itertools.count(1)

    def __init__(self, number: int, server_port: int = PORT, *, handshake: bool = True) -> None:
        self._addresses = {CALLER: bytes([10, 0, number >> 8, number & 0xFF]), SERVER: b"\x0a\xff\xff\xfe"}
        self._ports = {CALLER: 20000 + number, SERVER: server_port}
        start = next(self._starts) % 0x10000
        self._next = {CALLER: start << 16, SERVER: 0xFFFFFF00 + (start & 0x7F)}  # one of them wraps around
        self.packets: list[bytes] = []
        if handshake:
            self._add(CALLER, 0x02, counts=1)
            self._add(SERVER, 0x12, counts=1)
            self._add(CALLER, 0x10)

    def say(self, side: Side, *pieces: bytes) -> Connection:
        """Add one segment for each piece."""
        for piece in pieces:
            self._add(side, 0x18, piece, counts=len(piece))
        return self

    def lose(self, side: Side, data: bytes) -> Connection:
        """Send what the capture does not hold."""
        self._next[side] = self._next[side] + len(data) & 0xFFFFFFFF
        return self

    def _add(self, side: Side, flags: int, data: bytes = b"", counts: int = 0) -> None:
        other = side.other
        acked = self._next[other] if flags & 0x10 else 0
        ports = self._ports[side], self._ports[other]
        tcp = struct.pack(">HHIIBBHHH", *ports, self._next[side], acked, 0x50, flags, 0xFFFF, 0, 0) + data
        ends = self._addresses[side] + self._addresses[other]
        self.packets.append(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + ends + tcp)
        self._next[side] = self._next[side] + counts & 0xFFFFFFFF


def pcap(connections: Iterable[Connection], *, snapshot_bytes: int = 262144) -> bytes:
    """Return the connections, one after the other, as a pcap file of raw IP packets."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snapshot_bytes, 101)]
    packets = [packet for connection in connections for packet in connection.packets]
    for at, packet in enumerate(packets):
        kept = packet[:snapshot_bytes]
        stamp = 1_700_000_000 + at // 1000, at % 1000 * 1000
        parts += [struct.pack("<IIII", *stamp, len(kept), len(packet)), kept]
    return b"".join(parts)


def cut(data: bytes, *offsets: int) -> list[bytes]:
    """Return data in pieces."""
    bounds = [0, *offsets, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


# What tshark makes of it ---------------------------------------------------------------------------------------------


@dataclass
class Shown:
    """One frame as tshark shows it."""

    fields: dict[str, str]
    payload: bytes
    warnings: list[Warned]

    @property
    def kind(self) -> int:
        return int(self.fields["kind"])

    @property
    def frame(self) -> Frame:
        assert int(self.fields["length"]) == len(self.payload)
        return Frame(self.kind, self.payload)


class Tshark:
    """The real tshark with the dissector. Lua is not for root in Wireshark 4.2 and newer, so nobody runs it then."""

    def __init__(self, folder: Path) -> None:
        self._path = need("tshark")
        self._capture = folder / "capture.pcap"
        self.script = folder / "audiosocket.lua"
        self.script.write_bytes(LUA.read_bytes())
        self.home = folder / "home"
        self.home.mkdir()
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        probe = folder / "probe.lua"
        probe.write_text('print("Lua runs")')
        if "Lua runs" not in self(pcap([]), script=probe):
            missing("this tshark runs no Lua scripts")

    def __call__(self, capture: bytes, *options: str, script: Path | None = None, installed: bool = False) -> str:
        """Return what tshark prints of a capture."""
        self._capture.write_bytes(capture)
        lua = [] if installed else ["-X", f"lua_script:{script or self.script}"]
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            [self._path, *lua, "-r", self._capture, *options],
            capture_output=True, timeout=120, check=False, **self._user,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        printed, said = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == 0, said
        assert "Lua" not in said, said
        assert "Lua Error" not in printed
        return printed

    def infos(self, capture: bytes, *options: str) -> list[str]:
        """Return the info column of each packet that is AudioSocket."""
        columns = 'gui.column.format:"Protocol","%p","Info","%i"'
        lines = [line.split(maxsplit=1) for line in self(capture, "-o", columns, *options).splitlines()]
        return [line[1] for line in lines if line[0] == "AudioSocket"]

    def frames(self, capture: bytes, *options: str) -> dict[int, list[Shown]]:
        """Return all frames by the number of their connection in the capture."""
        found: dict[int, list[Shown]] = defaultdict(list)
        printed = self(capture, "-T", "pdml", "-J", "tcp audiosocket", *options)
        for packet in ElementTree.fromstring(printed.encode()).iter("packet"):
            stream = next((int(field.get("show", "")) for field in packet.iter() if is_named(field, "tcp.stream")), -1)
            for proto in packet.iter("proto"):
                if is_named(proto, "audiosocket"):
                    found[stream].append(shown_by(proto))
        return found


def is_named(element: ElementTree.Element, name: str) -> bool:
    return element.get("name") == name


def shown_by(proto: ElementTree.Element) -> Shown:
    fields: dict[str, str] = {}
    payload = b""
    warnings: list[Warned] = []
    for field in proto.iter("field"):
        name = field.get("name", "").removeprefix("audiosocket.")
        if name == "payload":
            payload = bytes.fromhex(field.get("value", ""))
        elif name == "_ws.expert":
            told = next(inner.get("name", "") for inner in field if inner.get("name", "").startswith("audiosocket."))
            (severity,) = (inner.get("showname", "") for inner in field if is_named(inner, "_ws.expert.severity"))
            warnings.append((told.removeprefix("audiosocket."), severity.rpartition(" ")[2].lower()))
        elif field.get("name", "").startswith("audiosocket."):
            fields[name] = plain(field.get("show", ""))
    return Shown(fields, payload, warnings)


def plain(shown: str) -> str:
    """Return a value without what differs between releases: 0x05 or 0x00000005, 1 or True."""
    return str(int(shown, 16)) if shown.startswith("0x") else {"True": "1", "False": "0"}.get(shown, shown)


@pytest.fixture(scope="module")
def tshark() -> Iterator[Tshark]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Tshark(Path(folder))


# Frames --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", [PORT, OTHER_PORT], ids=["port", "heuristic"])
def test_each_kind_is_shown_with_its_fields(tshark: Tshark, port: int) -> None:
    frames = [OPENING, *(Frame(kind, bytes(frame_bytes(kind))) for kind in RATE_BY_KIND)]
    frames += [digit_frame(digit) for digit in DIGITS]
    frames += [Frame(Kind.ERROR), Frame(Kind.ERROR, b"\x05"), Frame(Kind.HANGUP)]
    shown = tshark.frames(pcap([Connection(1, port).say(CALLER, *map(encode, frames))]))[0]
    assert [one.frame for one in shown] == frames
    fields = [{name: value for name, value in one.fields.items() if name != "side"} for one in shown]
    assert fields == [expected_fields(frame) for frame in frames]
    assert {one.fields["side"] for one in shown} == {"caller"}
    assert [one.warnings for one in shown] == [[]] * len(frames)


def expected_fields(frame: Frame) -> dict[str, str]:
    fields = {"kind": str(int(frame.kind)), "length": str(len(frame.payload))}
    if frame.kind in RATE_BY_KIND:
        samples = len(frame.payload) // 2
        fields |= {"rate": str(RATE_BY_KIND[frame.kind]), "samples": str(samples), "duration_ms": str(PTIME_MS)}
    elif frame.kind == Kind.UUID:
        fields["uuid"] = str(CALL)
    elif frame.kind == Kind.DTMF:
        fields["digit"] = frame.payload.decode()
    elif frame.kind == Kind.ERROR:
        if frame.payload:
            code = frame.payload[0]
            fields["error_code"] = str(code)
            fields |= {
                f"error_code.{name.lower()}": str(int(bool(code & bit))) for name, bit in ErrorCode.__members__.items()
            }
        fields["error"] = describe_error(frame.payload)
    return fields


def test_each_kind_has_the_name_that_the_codec_gives_it(tshark: Tshark) -> None:
    capture = pcap([Connection(1).say(CALLER, encode(OPENING), *(encode(Frame(kind)) for kind in Kind))])
    for kind in Kind:
        printed = tshark(
            capture, "-Y", f'audiosocket.kind == "{kind_name(kind)}"', "-T", "fields", "-e", "frame.number"
        )
        assert len(printed.split()) == 1 + (kind == Kind.UUID)


def test_every_error_code_is_told_in_the_codecs_words(tshark: Tshark) -> None:
    payloads = [b"", *(bytes([code]) for code in range(256)), b"\x01\x02"]
    frames = [encode(Frame(Kind.ERROR, payload)) for payload in payloads]
    shown = tshark.frames(pcap([Connection(1).say(CALLER, encode(OPENING), *frames)]))[0]
    assert [one.fields["error"] for one in shown[1:]] == [describe_error(payload) for payload in payloads]


FEW_FRAMES = [
    Frame(Kind.SLIN, b"\x01\x02\x03\x04"), digit_frame("5"), Frame(Kind.SLIN16, b"\x10\x00\x00\x00\x01\x00"),
    Frame(0x7F, b"??"), Frame(Kind.SLIN, b"\x00\x00"), Frame(Kind.ERROR, b"\x01"), Frame(Kind.HANGUP),
]  # fmt: skip


@pytest.mark.parametrize("port", [PORT, OTHER_PORT], ids=["port", "heuristic"])
@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one-pass", "two-passes"])
def test_a_stream_cut_anywhere_shows_every_frame(tshark: Tshark, port: int, passes: tuple[str, ...]) -> None:
    heard = b"".join(map(encode, [OPENING, *FEW_FRAMES]))
    said = b"".join(map(encode, FEW_FRAMES))
    connections = [Connection(0, port).say(CALLER, *cut(heard, *range(1, len(heard))))]
    connections += [Connection(at, port).say(CALLER, *cut(heard, at)) for at in range(1, len(heard))]
    connections += [
        Connection(1000 + at, port).say(CALLER, encode(OPENING)).say(SERVER, *cut(said, at))
        for at in range(1, len(said))
    ]
    shown = tshark.frames(pcap(connections), *passes)
    for at in range(len(connections)):
        assert [one.frame for one in shown[at]] == [OPENING, *FEW_FRAMES], f"connection {at}"


def test_random_frames_in_random_segments_in_both_directions_are_all_shown(tshark: Tshark) -> None:
    chance = random.Random(9092)
    expected: list[dict[Side, list[Frame]]] = []
    connections = []
    for number in range(60):
        frames = {side: [random_frame(chance) for _ in range(12)] for side in Side}
        expected.append({CALLER: [OPENING, *frames[CALLER]], SERVER: frames[SERVER]})
        pieces = {side: random_pieces(chance, b"".join(map(encode, frames[side]))) for side in Side}
        connection = Connection(number, chance.choice([PORT, OTHER_PORT])).say(CALLER, encode(OPENING))
        while pieces[CALLER] or pieces[SERVER]:
            side = chance.choice([side for side in Side if pieces[side]])
            connection.say(side, pieces[side].pop(0))
        connections.append(connection)
    shown = tshark.frames(pcap(connections))
    for number, frames_of in enumerate(expected):
        for side, wanted in frames_of.items():
            assert [one.frame for one in shown[number] if one.fields["side"] == side] == wanted, f"connection {number}"


def random_frame(chance: random.Random) -> Frame:
    kind = chance.choice([*Kind, 0x7F, 0x02])
    sizes = [0, 1, 2, 16, 320, 1461] + [65535] * (chance.random() < 0.1)
    return Frame(kind, chance.randbytes(chance.choice(sizes)))


def random_pieces(chance: random.Random, data: bytes) -> list[bytes]:
    pieces = []
    at = 0
    while at < len(data):
        size = chance.choice([1, 2, 3, 4, 323, 1460, 1460, 60000])
        pieces.append(data[at : at + size])
        at += size
    return pieces


def test_a_frame_behind_lost_packets_is_found_again(tshark: Tshark) -> None:
    connection = Connection(1).say(CALLER, encode(OPENING), encode(SLIN)).lose(CALLER, encode(SLIN))
    connection.say(CALLER, encode(SLIN), encode(digit_frame("1")))
    shown = tshark.frames(pcap([connection]))[0]
    assert [one.frame for one in shown] == [OPENING, SLIN, SLIN, digit_frame("1")]


@pytest.mark.parametrize("snapshot_bytes", [40, 41, 43, 44, 50, 96])
def test_packets_that_a_capture_cuts_are_shown_as_far_as_they_go(tshark: Tshark, snapshot_bytes: int) -> None:
    frames = [OPENING, SLIN, digit_frame("1"), Frame(Kind.ERROR, b"\x01"), Frame(Kind.ERROR, bytes(9)),
              Frame(Kind.UUID, str(CALL).encode())]  # fmt: skip
    capture = pcap([Connection(1).say(CALLER, *map(encode, frames))], snapshot_bytes=snapshot_bytes)
    shown = tshark.frames(capture)[0]
    if snapshot_bytes >= 43:
        assert [(one.kind, one.fields["length"]) for one in shown] == [(f.kind, str(len(f.payload))) for f in frames]
    else:
        assert set(tshark.infos(capture)) == ({"cut frame"} if snapshot_bytes > 40 else set())
    if snapshot_bytes == 96:
        assert shown[1].fields["samples"] == "160"


def test_a_call_that_the_capture_joins_late_is_shown_on_the_port(tshark: Tshark) -> None:
    aligned = Connection(1, handshake=False).say(CALLER, encode(SLIN)).say(SERVER, encode(SLIN))
    inside = Connection(2, handshake=False).say(CALLER, b"\x7e" * 100, encode(SLIN), encode(digit_frame("2")))
    shown = tshark.frames(pcap([aligned, inside]))
    assert [(one.frame, one.fields["side"]) for one in shown[0]] == [(SLIN, "caller"), (SLIN, "server")]
    assert [one.frame for one in shown[1]] == [SLIN, digit_frame("2")]


# Ports and strangers -------------------------------------------------------------------------------------------------

HTTP = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100310100002d0303") + bytes(32) + bytes.fromhex("000006130113021303") + b"\x01\x00"
KAFKA = bytes.fromhex("0000001500120000000000010006636c69656e740000000000")

STRANGERS = {
    "http": [HTTP],
    "tls": [TLS_HELLO],
    "audio-first": [encode(SLIN)],
    "uuid-of-another-length": [b"\x01\x00\x11" + bytes(17)],
    "one-byte-short": [encode(OPENING)[:-1]],
    "uuid-later": [b"\x00\x01", encode(OPENING)],
    "no-frame-behind-it": [encode(OPENING) + b"\x7f\x00\x00"],
    "audio-of-no-length-behind-it": [encode(OPENING) + b"\x10\x00\x00"],
    "little-endian-header": [bytes.fromhex("01001000") + bytes(16)],
    "drips-into-something-else": [b"\x01", b"\x00", b"\x11" + bytes(30)],
}


def test_what_only_looks_alike_is_no_audiosocket_on_other_ports(tshark: Tshark) -> None:
    connections = [Connection(at, OTHER_PORT).say(CALLER, *data) for at, data in enumerate(STRANGERS.values())]
    assert tshark.frames(pcap(connections)) == {}


def test_other_protocols_on_the_port_are_left_to_those_who_know_them(tshark: Tshark) -> None:
    connections = [Connection(1).say(CALLER, HTTP), Connection(2).say(CALLER, TLS_HELLO)]
    connections += [Connection(3).say(CALLER, KAFKA), Connection(4).say(CALLER, *cut(KAFKA, 4))]
    columns = 'gui.column.format:"Protocol","%p"'
    for connection, protocol in zip(connections, ["HTTP", "TLSv1", "Kafka", "Kafka"], strict=True):
        assert tshark(pcap([connection]), "-o", columns).split()[-1] == protocol


@pytest.mark.parametrize("port", [PORT, OTHER_PORT], ids=["port", "heuristic"])
def test_a_web_servers_answer_to_a_call_is_told(tshark: Tshark, port: int) -> None:
    call = Connection(1, port).say(CALLER, encode(OPENING), encode(SLIN))
    call.say(SERVER, b"HTTP/1.1 400 Bad Request\r\n\r\n").say(CALLER, encode(SLIN))
    assert tshark.infos(pcap([call]))[1:] == [
        "slin 160 samples 20 ms",
        'not AudioSocket: "HTTP/1.1 400 Bad Request"',
        "slin 160 samples 20 ms",
    ]
    assert 'answered with "HTTP/1.1 400 Bad Request", which is not AudioSocket' in tshark(pcap([call]), "-V")


def test_an_unknown_kind_is_shown_on_the_port_even_without_a_call(tshark: Tshark) -> None:
    frames = [Frame(0x7F, b"what"), SLIN]
    shown = tshark.frames(pcap([Connection(1).say(CALLER, b"".join(map(encode, frames)))]))[0]
    assert [one.frame for one in shown] == frames


def test_an_end_that_is_used_again_is_recognised_again(tshark: Tshark) -> None:
    stranger = Connection(1, OTHER_PORT).say(CALLER, b"\x01\x00\x11" * 9)
    calls = [Connection(1, OTHER_PORT).say(CALLER, encode(OPENING), encode(SLIN)) for _ in range(2)]
    shown = tshark.frames(pcap([stranger, *calls]))
    assert [[one.frame for one in shown[number]] for number in range(3)] == [[], [OPENING, SLIN], [OPENING, SLIN]]


def test_the_port_is_a_preference(tshark: Tshark) -> None:
    late = [Connection(1, 9093, handshake=False).say(CALLER, encode(SLIN))]
    assert tshark.frames(pcap(late)) == {}
    shown = tshark.frames(pcap(late), "-o", "audiosocket.port:9093")[0]
    assert [(one.frame, one.fields["side"]) for one in shown] == [(SLIN, "caller")]
    kafka = pcap([Connection(2).say(CALLER, KAFKA)])
    assert "Kafka" in tshark(kafka, "-o", "audiosocket.port:9093")


def test_a_port_can_be_decoded_as_audiosocket(tshark: Tshark) -> None:
    late = [Connection(1, 9093, handshake=False).say(CALLER, encode(SLIN))]
    shown = tshark.frames(pcap(late), "-d", "tcp.port==9093,audiosocket")[0]
    assert [(one.frame, one.fields.get("side")) for one in shown] == [(SLIN, None)]


# Whose frame, and what is wrong with it ------------------------------------------------------------------------------


def test_a_server_that_echoes_the_uuid_is_still_the_server(tshark: Tshark) -> None:
    for port in (PORT, OTHER_PORT):
        echo = Connection(1, port).say(CALLER, encode(OPENING)).say(SERVER, encode(OPENING))
        first, second = tshark.frames(pcap([echo]))[0]
        assert (first.fields["side"], first.warnings) == ("caller", [])
        assert (second.fields["side"], second.warnings) == ("server", [("server_kind", "warning")])


FAULTS: dict[str, tuple[Side, Frame, list[Warned]]] = {
    "digit": (SERVER, digit_frame("1"), [("server_kind", "warning")]),
    "error": (SERVER, Frame(Kind.ERROR, b"\x01"), [("server_kind", "warning")]),
    "unknown": (SERVER, Frame(0x7F), [("server_kind", "warning"), ("unknown_kind", "warning")]),
    "empty-audio": (SERVER, Frame(Kind.SLIN), [("server_empty_audio", "warning")]),
    "slin12": (SERVER, Frame(Kind.SLIN12, bytes(480)), [("server_rate", "note")]),
    "slin192": (SERVER, Frame(Kind.SLIN192, bytes(7680)), [("server_rate", "note")]),
    "odd-audio": (SERVER, Frame(Kind.SLIN, bytes(321)), [("odd_length", "note")]),
    "long-audio": (SERVER, Frame(Kind.SLIN, bytes(16194)), [("long_audio", "warning")]),
    "as-long-as-it-may-be": (SERVER, Frame(Kind.SLIN, bytes(16192)), []),
    "hangup": (SERVER, Frame(Kind.HANGUP), []),
    "hangup-with-payload": (SERVER, Frame(Kind.HANGUP, b"why"), []),
    "audio": (SERVER, SLIN, []),
    "callers-unknown": (CALLER, Frame(0x7F, b"x"), [("unknown_kind", "warning")]),
    "callers-old-silence": (CALLER, Frame(0x02), [("unknown_kind", "warning")]),
    "callers-slin16": (CALLER, Frame(Kind.SLIN16, bytes(640)), []),
    "callers-odd-audio": (CALLER, Frame(Kind.SLIN, bytes(161)), [("odd_length", "note")]),
    "uuid-as-text": (CALLER, Frame(Kind.UUID, str(CALL).encode()), [("uuid_length", "warning")]),
    "uuid-without": (CALLER, Frame(Kind.UUID), [("uuid_length", "warning")]),
    "two-digits": (CALLER, Frame(Kind.DTMF, b"12"), [("digit_payload", "warning")]),
    "no-digit": (CALLER, Frame(Kind.DTMF), [("digit_payload", "warning")]),
    "letter": (CALLER, Frame(Kind.DTMF, b"x"), [("digit_payload", "warning")]),
    "callers-digit": (CALLER, digit_frame("D"), []),
}


def test_each_fault_is_told_where_it_is(tshark: Tshark) -> None:
    connections = [
        Connection(number).say(CALLER, encode(OPENING)).say(side, encode(frame))
        for number, (side, frame, _) in enumerate(FAULTS.values())
    ]
    shown = tshark.frames(pcap(connections))
    told = {name: sorted(shown[number][-1].warnings) for number, name in enumerate(FAULTS)}
    assert told == {name: warnings for name, (_, _, warnings) in FAULTS.items()}


def test_a_uuid_sent_as_text_is_readable(tshark: Tshark) -> None:
    connection = Connection(1).say(CALLER, encode(Frame(Kind.UUID, str(CALL).encode())))
    (shown,) = tshark.frames(pcap([connection]))[0]
    assert shown.fields["uuid_text"] == str(CALL)
    assert "a UUID has 16 bytes, not 36 (it was sent as text)" in tshark(pcap([connection]), "-V")


def test_a_normal_call_gives_no_warning(tshark: Tshark) -> None:
    call = Connection(1).say(CALLER, encode(OPENING) + encode(SLIN))
    for _ in range(50):
        call.say(SERVER, encode(SLIN)).say(CALLER, encode(SLIN))
    call.say(CALLER, encode(digit_frame("#"))).say(SERVER, encode(Frame(Kind.HANGUP)))
    shown = tshark.frames(pcap([call]))[0]
    assert len(shown) == 104
    assert [one for one in shown if one.warnings] == []
    assert tshark(pcap([call]), "-q", "-z", "expert", "-Y", "audiosocket").count("audiosocket") == 0


# The list of packets -------------------------------------------------------------------------------------------------


def test_the_info_column_tells_what_a_packet_holds(tshark: Tshark) -> None:
    slin = encode(SLIN)
    call = Connection(1).say(CALLER, encode(OPENING), slin, slin * 3, slin + encode(digit_frame("5")) + slin)
    call.say(CALLER, slin[:100], slin[100:] + slin * 2 + slin[:1], slin[1:], encode(Frame(Kind.ERROR, b"\x01")))
    call.say(SERVER, encode(Frame(Kind.SLIN44, bytes(1764))), encode(Frame(0x7F, b"abc")), encode(Frame(Kind.HANGUP)))
    infos = tshark.infos(pcap([call]))
    assert [info.replace(" [TCP segment of a reassembled PDU]", "") for info in infos] == [
        f"uuid {CALL}",
        "slin 160 samples 20 ms",
        "slin x3 60 ms",
        "slin 160 samples 20 ms, dtmf 5, slin 160 samples 20 ms",
        "slin 160 samples 20 ms, slin x2 40 ms",
        "slin 160 samples 20 ms",
        "error: the calling party hung up",
        "slin44 882 samples 20 ms",
        "0x7f 3 bytes",
        "hangup",
    ]


def test_a_packet_of_thousands_of_frames_is_told_in_short(tshark: Tshark) -> None:
    many = b"".join(encode(digit_frame(DIGITS[at % 16])) for at in range(16000))
    (_, info) = tshark.infos(pcap([Connection(1).say(CALLER, encode(OPENING), many)]))
    assert info == ", ".join(f"dtmf {digit}" for digit in DIGITS[:8]) + ", ..."


# The command ---------------------------------------------------------------------------------------------------------


def test_it_prints_the_dissector() -> None:
    done = run("wireshark")
    assert (done.returncode, done.stdout, done.stderr) == (0, LUA.read_text(), "")


def test_installing_into_a_folder_makes_it_and_says_where(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "plugins"
    done = run("wireshark", "--install", "--folder", folder)
    path = folder / "audiosocket.lua"
    assert (done.returncode, done.stdout, path.read_bytes()) == (0, "", LUA.read_bytes())
    assert done.stderr == f"wrote {path}: restart Wireshark, or reload its Lua plugins (Ctrl+Shift+L)\n"
    again = run("wireshark", "--install", "--folder", folder)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == f"{path} is there already, as it should be\n"


def test_another_file_of_that_name_is_overwritten_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "audiosocket.lua"
    path.write_text("mine\n")
    refused = run("wireshark", "--install", "--folder", tmp_path)
    assert (refused.returncode, refused.stdout, path.read_text()) == (2, "", "mine\n")
    assert refused.stderr == (
        f"audiosocket: error: {path} is there and differs: overwrite it with --force, or move it away\n"
    )
    forced = run("wireshark", "--install", "--folder", tmp_path, "--force")
    assert (forced.returncode, path.read_bytes()) == (0, LUA.read_bytes())


@pytest.mark.parametrize("with_tshark", [True, False], ids=["with-tshark", "without"])
def test_it_is_installed_for_the_user_with_tshark_or_without(tmp_path: Path, with_tshark: bool) -> None:
    if with_tshark:
        need("tshark")
    path = os.environ["PATH"] if with_tshark else str(tmp_path)
    done = run("wireshark", "--install", HOME=str(tmp_path), PATH=path)
    installed = tmp_path / ".local/lib/wireshark/plugins/audiosocket.lua"
    assert (done.returncode, installed.read_bytes()) == (0, LUA.read_bytes())
    first, *others = done.stderr.splitlines()
    assert first.startswith(f"wrote {installed}: ")
    assert len(others) == (os.geteuid() == 0)  # Wireshark loads nothing of root's


@pytest.mark.parametrize("fault", ["exit 1", "echo nonsense", "printf '\\377\\n'"])
def test_a_tshark_that_fails_is_done_without(tmp_path: Path, fault: str) -> None:
    fake = tmp_path / "tshark"
    fake.write_text(f"#!/bin/sh\n{fault}\n")
    fake.chmod(0o755)
    assert run("wireshark", "--install", HOME=str(tmp_path), PATH=f"{tmp_path}:/bin:/usr/bin").returncode == 0
    assert (tmp_path / ".local/lib/wireshark/plugins/audiosocket.lua").exists()


def test_where_tshark_says_is_where_it_goes(tmp_path: Path) -> None:
    fake = tmp_path / "tshark"
    fake.write_text(f"#!/bin/sh\necho 'Personal Plugins:\t/nowhere'\necho 'Personal Lua Plugins:\t{tmp_path}/a b'\n")
    fake.chmod(0o755)
    assert run("wireshark", "--install", PATH=f"{tmp_path}:/bin:/usr/bin").returncode == 0
    assert (tmp_path / "a b" / "audiosocket.lua").exists()


def test_tshark_loads_what_was_installed(tshark: Tshark) -> None:
    assert run("wireshark", "--install", HOME=str(tshark.home)).returncode == 0
    shown = tshark(pcap([Connection(1).say(CALLER, encode(OPENING))]), "-Y", "audiosocket", installed=True)
    (tshark.home / ".local/lib/wireshark/plugins/audiosocket.lua").unlink()
    assert f"uuid {CALL}" in shown


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (tmp_path / "taken" / "audiosocket.lua").mkdir(parents=True)
    for folder, reason in (
        (file, f"{file} is a file, not a folder"),
        (file / "below", "not a directory"),
        (tmp_path / "taken", "is a directory"),
        (Path("/proc/nowhere"), "no such file or directory"),
    ):
        if folder.is_relative_to("/proc") and not Path("/proc").exists():
            continue
        done = run("wireshark", "--install", "--folder", folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"audiosocket: error: cannot write {folder / 'audiosocket.lua'}: {reason}\n"


@pytest.mark.parametrize("option", [("--force",), ("--folder", "here")], ids=["force", "folder"])
def test_options_of_an_installation_need_one(option: tuple[str, ...]) -> None:
    done = run("wireshark", *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"audiosocket: error: {option[0]} needs --install: add --install\n"
