from __future__ import annotations

import asyncio
import contextlib
import math
import struct
from array import array

import pytest

from audiosocket_cli.asterisk.releases import NEWEST, Release, parse_release
from audiosocket_cli.audio.pcm import encode_mu_law
from audiosocket_cli.doctor.server.server_call import try_call
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.net.address import Address
from support.odd_servers import (
    TONE,
    Behaviour,
    bursts,
    closes_unread,
    closes_without_hangup,
    dies_in_frame,
    greets_and_is_silent,
    hangs_up,
    healthy,
    http,
    never_closes,
    odd_server,
    paced,
    silent,
    splits,
    splits_headers,
    ssh,
    stalls,
    stalls_later,
    telnet,
    then,
    too_slow,
    waits,
)

OLD = parse_release("20.12")
DIGIT = b"\x03\0\x015"
SINE = array("h", [round(9000 * math.sin(n * math.pi / 8)) for n in range(160)])
BIG_ENDIAN = b"".join(struct.pack(">h", sample) for sample in SINE)
LOW_BYTE_FIRST = {"frame-too-long", "server-sends-unknown-kind"}
WIDE = b"\x12\x02\x80" + bytes(640)

SERVERS: dict[str, tuple[Behaviour, Release, set[str]]] = {
    "healthy": (healthy, NEWEST, {"server-answers"}),
    "waits": (waits, NEWEST, {"server-waits", "server-sends-digits"}),
    "silent": (silent, NEWEST, {"server-silent"}),
    "bursts": (bursts, NEWEST, {"server-bursts"}),
    "splits": (splits, NEWEST, {"server-splits-frames"}),
    "splits headers": (splits_headers, NEWEST, {"server-splits-frames"}),
    "splits headers for an old release": (splits_headers, parse_release("22.8"), {"server-splits-frames"}),
    "sends a digit": (then(DIGIT), NEWEST, {"server-sends-digits"}),
    "sends an error": (then(b"\xff\0\0"), NEWEST, {"server-sends-unknown-kind"}),
    "sends empty audio": (then(b"\x10\0\0"), NEWEST, {"server-sends-empty-audio"}),
    "sends a long frame": (then(b"\x10\x80\0" + bytes(32768)), NEWEST, {"frame-too-long", "server-bursts"}),
    "sends a digit to an old release": (then(DIGIT), OLD, {"server-answers"}),
    "sends slin16": (then(WIDE), NEWEST, {"server-answers"}),
    "sends slin16 to a release without it": (then(WIDE), parse_release("22.6"), {"rate-unsupported"}),
    "dies in a frame": (dies_in_frame, NEWEST, {"server-dies-in-frame"}),
    "closes unread": (closes_unread, NEWEST, {"server-closes-unread"}),
    "stalls": (stalls, NEWEST, {"server-stalls"}),
    "stalls later": (stalls_later, NEWEST, {"server-stalls"}),
    "never closes": (never_closes, NEWEST, {"left-open"}),
    "sends slin16 as slin": (paced(b"\x10\x02\x80" + TONE[3:] * 2), NEWEST, {"server-wrong-rate"}),
    "sends slin as slin16": (paced(b"\x12\x01\x40" + SINE.tobytes()), NEWEST, {"server-short-frames"}),
    "sends µ-law": (paced(b"\x10\0\xa0" + encode_mu_law(SINE.tobytes())), NEWEST, {"server-ulaw"}),
    "sends the high byte first": (paced(TONE[:3] + BIG_ENDIAN), NEWEST, {"byte-swapped"}),
    "sends odd lengths": (paced(b"\x10\x01\x3f" + TONE[4:]), NEWEST, {"odd-length", "server-frame-length"}),
    "sends too slowly": (too_slow, NEWEST, {"audio-slow"}),
    "sends 200 ms at once": (paced(b"\x10\x0c\x80" + TONE[3:] * 10, 0.2), NEWEST, {"server-frame-length"}),
    "greets, and is silent": (greets_and_is_silent, NEWEST, {"server-silent"}),
    "closes without a hangup": (closes_without_hangup, NEWEST, {"server-no-hangup"}),
    "hangs up": (hangs_up, NEWEST, {"server-answers"}),
    "sends the length's low byte first": (paced(b"\x10\x40\x01" + TONE[3:]), NEWEST, LOW_BYTE_FIRST),
    "begins a frame of an unknown kind": (then(b"\x1b[31m"), NEWEST, {"server-sends-unknown-kind"}),
    "telnet": (telnet, NEWEST, {"not-audiosocket"}),
    "http": (http, NEWEST, {"not-audiosocket"}),
    "ssh": (ssh, NEWEST, {"not-audiosocket"}),
    "closes at once": (lambda call: None, NEWEST, {"server-accepts-and-closes"}),
}


@pytest.fixture(scope="module")
def found() -> dict[str, list[Diagnosis]]:
    """What was found of each server: all calls at once."""

    async def all_calls() -> dict[str, list[Diagnosis]]:
        with contextlib.ExitStack() as stack:
            ports = {name: stack.enter_context(odd_server(behaviour)) for name, (behaviour, _, _) in SERVERS.items()}
            calls = [try_call(Address("127.0.0.1", port), SERVERS[name][1]) for name, port in ports.items()]
            return dict(zip(ports, await asyncio.gather(*calls), strict=True))

    return asyncio.run(all_calls())


@pytest.mark.parametrize("name", SERVERS)
def test_what_is_wrong_with_a_server_is_found_in_one_call(found: dict[str, list[Diagnosis]], name: str) -> None:
    assert {each.id for each in found[name]} == SERVERS[name][2], found[name]


def test_what_is_well_is_ok_and_the_rest_has_a_cure(found: dict[str, list[Diagnosis]]) -> None:
    for diagnosis in (each for several in found.values() for each in several):
        assert (diagnosis.status is Status.OK) == (diagnosis.id == "server-answers")
        assert bool(diagnosis.cure) == (diagnosis.id != "server-answers")
        assert diagnosis.where.startswith("127.0.0.1:")


def test_a_header_in_parts_ends_calls_of_old_releases_only(found: dict[str, list[Diagnosis]]) -> None:
    assert [each.status for each in found["splits headers"]] == [Status.WARNING]
    assert "only Asterisk 20.19, 22.9, 23.3 and later" in found["splits headers"][0].what
    assert [each.status for each in found["splits headers for an old release"]] == [Status.FAULT]


def test_evidence_is_in_the_words(found: dict[str, list[Diagnosis]]) -> None:
    assert "dtmf with 1 bytes after 0." in found["sends a digit"][0].what
    assert "SSH" in found["ssh"][0].what
    assert "HTTP" in found["http"][0].what
    assert "slin in frames of 20 ms" in found["healthy"][0].what
