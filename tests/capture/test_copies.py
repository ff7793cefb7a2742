"""One call that was captured more than once is one call, with a remark; what the capture lost is nobody's fault."""

from __future__ import annotations

import json
import random
import re
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from audiosocket_cli.analysis.call_review import CallReview
from audiosocket_cli.analysis.reviewing import review
from audiosocket_cli.capture.items import Item, Over
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.capture.runs import in_runs
from audiosocket_cli.model import Side
from support.captures import bytes_of, calls_of, heard, in_pieces, items_of, losses, no_calls, plain
from support.packets import (
    CALLER,
    HANGUP,
    OPENING,
    SERVER,
    START_NS,
    STEP_NS,
    Stamped,
    Talk,
    a_call,
    block,
    digit,
    ethernet,
    linked,
    option,
    pcap,
    pcapng,
    speech,
)
from support.running import Serving, need, run

WHOLE = plain(items_of(pcap(a_call())))
MERGED = "two captures of it are merged here"
AGAIN = "its packets are repeated"


def talk(seconds: float = 3.0, **options: object) -> list[Stamped]:
    """Both sides speak on deadlines, the caller presses 1, 2 and #; the server hangs up."""
    made = Talk(**options).open().say(CALLER, OPENING)  # type: ignore[arg-type]
    begin_ns = made.at_ns
    for number in range(round(seconds * 50)):
        made.at_ns = begin_ns + number * STEP_NS
        made.say(CALLER, *speech(1, number))
        made.at_ns = begin_ns + number * STEP_NS + 1_000_000
        made.say(SERVER, *speech(1, 1000 + number))
        if number in (30, 60, 90):
            made.at_ns = begin_ns + number * STEP_NS + 2_000_000
            made.say(CALLER, digit("12#"[number // 30 - 1]))
    made.at_ns = begin_ns + round(seconds * 50) * STEP_NS
    return made.say(SERVER, HANGUP).close().packets


def merged(*captures: Sequence[Stamped]) -> list[Stamped]:
    return sorted((packet for capture in captures for packet in capture), key=lambda packet: packet.at_ns)


def later(packets: Sequence[Stamped], ns: int) -> list[Stamped]:
    return [packet._replace(at_ns=packet.at_ns + ns) for packet in packets]


def remarks(items: Sequence[Item]) -> list[str]:
    return [remark for item in items if isinstance(item, Over) for remark in item.call.remarks]


def reviewed(items: Sequence[Item]) -> CallReview:
    (call,) = {one.call.name: one for one in review(in_runs(items)) if isinstance(one, CallReview)}.values()
    return call


def without_names(items: Sequence[Item]) -> list[tuple[Side, bytes]]:
    return [(side, data) for side in Side for data in bytes_of(items, side)]


@pytest.mark.parametrize("apart_ns", [0, 40_000, 7_000_000, 333_000_000, 1_500_000_000, -333_000_000])
@pytest.mark.parametrize("seqs", [(1000 + (1 << 30), 5000 - (1 << 30)), (77, 88), (1_250, 5_250)])
def test_two_captures_of_one_call_that_count_from_other_numbers_are_one(apart_ns: int, seqs: tuple[int, int]) -> None:
    """As of `serve --capture` and `play --capture`: the same ports, and sequence numbers of their own."""
    first = talk()
    items = items_of(pcapng(merged(first, later(talk(seqs=seqs), apart_ns))))
    assert len(calls_of(items)) == 1
    assert without_names(items) == without_names(items_of(pcapng(first)))
    assert losses(items) == no_calls(items) == []
    assert MERGED in remarks(items)[0]
    assert reviewed(items).findings == []


@pytest.mark.parametrize("captures", [3, 5])
def test_more_captures_than_two_of_one_call_are_one_call(captures: int) -> None:
    seqs = [(1000 + 700_000_000 * number, 3_500_000_000 - 600_000_000 * number) for number in range(captures)]
    taken = [later(talk(seqs=pair), 21_000_000 * number) for number, pair in enumerate(seqs)]
    items = items_of(pcap(merged(*taken)))
    assert len(calls_of(items)) == 1
    assert without_names(items) == without_names(items_of(pcap(talk())))
    assert losses(items) == no_calls(items) == []
    assert MERGED in remarks(items)[0]


@pytest.mark.parametrize("at", ["first", "second", "both"])
def test_a_copy_that_begins_in_mid_call_is_one_too(at: str) -> None:
    first, second = talk(), talk(seqs=(3_000_000_000, 2_000_000_000))
    if at in ("first", "both"):
        first = first[60:]
    if at in ("second", "both"):
        second = second[60:]
    items = items_of(pcap(merged(first, later(second, 1_000_000))))
    assert [item for item in losses(items) if item[1] > 10_000] == []
    if at != "both":
        assert sum(call.whole for call in calls_of(items)) == 1


NAT = {
    "source": (("203.0.113.7", 61_000), ("10.0.0.2", 9092)),
    "destination": (("10.0.0.1", 40_000), ("172.17.0.3", 9092)),
    "both": (("203.0.113.7", 61_000), ("172.17.0.3", 19_092)),
    "to-ipv6": (("2001:db8::7", 40_000), ("2001:db8::2", 9092)),
}


@pytest.mark.parametrize("name", NAT)
@pytest.mark.parametrize("apart_ns", [50_000, 20_000_000, -600_000])
def test_a_call_before_and_after_nat_is_one(name: str, apart_ns: int) -> None:
    caller, server = NAT[name]
    behind = later(talk(caller=caller, server=server), apart_ns)
    items = items_of(pcap(merged(talk(), behind)))
    assert len(calls_of(items)) == 1
    assert without_names(items) == without_names(items_of(pcap(talk())))
    assert "captured more than once: it is also here from " in remarks(items)[0]
    assert reviewed(items).findings == []


def test_a_call_before_and_after_nat_that_begins_in_mid_call_is_one() -> None:
    caller, server = NAT["both"]
    items = items_of(pcap(merged(talk()[40:], later(talk(caller=caller, server=server)[40:], 50_000))))
    assert [call.whole for call in calls_of(items)] == [False]
    assert len(heard(items)) > 100


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("link", ["same", "vlan", "ttl"])
def test_packets_that_are_there_again_are_one_call_with_a_remark(times: int, link: str) -> None:
    """As of a bridge and its ports, with another tag, or one hop further."""
    wraps: dict[str, Callable[[bytes], bytes]] = {
        "same": ethernet, "vlan": lambda data: ethernet(data, [0x8100]),
        "ttl": lambda data: ethernet(data[:8] + bytes([data[8] - 1]) + data[9:]),
    }  # fmt: skip
    copies = [later(linked(a_call(), wraps[link] if number else ethernet), number * 9000) for number in range(times)]
    items = items_of(pcap(merged(*copies), 1))
    assert plain(items) == WHOLE
    assert AGAIN in remarks(items)[0]


def test_packets_sent_again_by_a_bad_network_are_no_copy() -> None:
    packets = a_call(30)
    rng = random.Random(1)
    again = [packet._replace(at_ns=packet.at_ns + 200_000_000) for packet in packets if rng.random() < 0.2]
    assert remarks(items_of(pcap(merged(packets, again)))) == []


def test_calls_of_one_uuid_at_once_are_not_taken_for_one() -> None:
    """As `replay --calls 3 --uuid same` places them: all alike, but connections of their own."""
    calls = [talk(1.0, caller=("10.0.0.1", 40_000 + number), seqs=(number * 7919, number * 104_729))
             for number in range(1, 4)]  # fmt: skip
    items = items_of(pcap(merged(*calls)))
    assert len(calls_of(items)) == 3
    assert remarks(items) == []
    assert [len(heard(items, call.name)) for call in calls_of(items)] == [52, 52, 52]


@pytest.mark.parametrize("gone", [False, True], ids=["whole", "without its end"])
def test_the_same_ports_and_the_same_uuid_again_are_another_call(gone: bool) -> None:
    first = talk(1.0)
    first = first[:-5] if gone else first
    second = later(talk(3.0, seqs=(9_999, 8_888)), first[-1].at_ns - START_NS + 90_000_000_000)
    items = items_of(pcap(first + second))
    assert [len(heard(items, call.name)) for call in calls_of(items)] == [52, 154]
    assert remarks(items) == []


# What the capture lost


def blamed(items: Sequence[Item]) -> list[str]:
    return reviewed(items).findings


@pytest.mark.parametrize("snaplen", [60, 64, 70, 96, 128, 200, 300, 350])
def test_packets_that_were_cut_are_no_fault_of_anybody(snaplen: int) -> None:
    capture = Capture(in_pieces(pcap(linked(talk(6.0), ethernet), 1, snaplen=snaplen), 1 << 20), "x")
    items = list(capture)
    assert blamed(items) == []
    (remark,) = remarks(items)
    assert "are missing from the capture, which cut packets: tcpdump -s 0 keeps them whole" in remark
    if snaplen >= 64:  # behind two headers are those of a frame, and a digit
        keys = "".join(data[3:].decode() for data in heard(items) if data[0] == 3)
        assert keys == "12#"


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6])
@pytest.mark.parametrize("whose", ["both", "server", "caller"])
def test_packets_that_were_dropped_are_no_fault_of_anybody(share: float, whose: str) -> None:
    rng = random.Random(share)
    packets = [
        packet
        for number, packet in enumerate(talk(8.0))
        if number < 8
        or not (
            rng.random() < share and (whose == "both" or (whose == "caller") == (packet.data[12:16] == b"\x0a\0\0\1"))
        )
    ]
    items = items_of(pcap(packets))
    assert blamed(items) == []
    assert "which lost packets: tcpdump -s 0 -B 16384 keeps more" in remarks(items)[0]


@pytest.mark.parametrize("gap_s", [2.5, 6.0, 30.0])
def test_a_hole_in_a_capture_is_no_pause(gap_s: float) -> None:
    """As where a file of a rotation is missing."""
    packets = talk(gap_s + 4)
    begin_ns, end_ns = START_NS + 2_000_000_000, START_NS + round((2 + gap_s) * 1e9)
    items = items_of(pcap([packet for packet in packets if not begin_ns < packet.at_ns < end_ns]))
    assert blamed(items) == []
    assert reviewed(items).sides[Side.SERVER].as_dict(gap_s + 4)["gap_count"] == 0


def test_a_pause_beside_a_loss_is_still_a_pause() -> None:
    made = Talk().open().say(CALLER, OPENING)
    for number in range(50):
        made.say(CALLER, *speech(1, number)).say(SERVER, *speech(1, number))
    made.lose(SERVER, speech(1)[0]).say(SERVER, *speech(5))
    for number in range(250):
        made.say(CALLER, *speech(1, number))
    found = blamed(items_of(pcap(made.say(SERVER, *speech(2)).close().packets)))
    assert any(finding.startswith("the server sent nothing for 5.0 s") for finding in found), found


@pytest.mark.parametrize("end", range(4, 40, 3))
def test_a_capture_that_ends_early_blames_nobody(end: int) -> None:
    packets = talk(2.0)[:end]
    items = items_of(pcap(packets))
    assert [finding for call in calls_of(items) for finding in blamed(items) if call] == []
    for no_call in no_calls(items):
        assert "Answer()" not in no_call.reason


def test_one_direction_alone_is_no_silent_server() -> None:
    packets = [packet for packet in talk(6.0) if packet.data[12:16] == b"\x0a\0\0\1"]
    items = items_of(pcap(packets))
    assert blamed(items) == []
    assert "nothing that the server sent was captured" in remarks(items)


def test_drops_that_a_capture_counts_are_told(tmp_path: Path) -> None:
    statistics = (
        struct.pack("<III", 0, 0, 0) + option("<", 5, struct.pack("<Q", 40)) + option("<", 7, bytes([2]) + bytes(7))
    )
    path = tmp_path / "x.pcapng"
    path.write_bytes(pcapng(a_call()) + block("<", 5, statistics + bytes(4)))
    done = run("dump", path)
    assert done.returncode == 0
    assert "42 packets were dropped while it was captured: tcpdump -s 0 -B 16384" in done.stderr


def test_headers_alone_are_told_from_other_connections(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    packets = talk(1.0, server=("10.0.0.2", 7777))
    path.write_bytes(pcap(packets, snaplen=41))
    done = run("dump", path)
    assert "tcpdump -s 0 keeps them whole" in done.stderr


# The whole way, with real tools


def test_mergecap_of_both_ends_is_one_call(serve: Callable[..., Serving], tmp_path: Path) -> None:
    mergecap = need("mergecap")
    serving = serve("--echo", "--capture", tmp_path / "server", "--calls", "1")
    ours = tmp_path / "caller.pcapng"
    assert run("inject-dtmf", "12#", serving.target, "--capture", ours).returncode == 0
    serving.end(0)
    (theirs,) = (tmp_path / "server").iterdir()
    both = tmp_path / "both.pcapng"
    subprocess.run([mergecap, "-w", both, theirs, ours], check=True, timeout=60)
    alone, merge = (json.loads(run("dump", name, "--stats", "--json").stdout) for name in (ours, both))
    for side in Side:
        assert merge[side]["frames"] == alone[side]["frames"]
        assert merge[side]["lost_bytes"] == 0
        assert [press["digit"] for press in merge[side]["dtmf"]] == [press["digit"] for press in alone[side]["dtmf"]]
    assert MERGED in merge["remarks"][0]
    lines = run("dump", both).stdout.splitlines()
    times = [line.split()[0] for line in lines if line.startswith("00:")]
    assert times == sorted(times)
    assert any("digits 12#" in line for line in lines[-3:])


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_files_of_a_rotation_in_any_order_are_one_capture(tmp_path: Path, form: str) -> None:
    editcap = need("editcap")
    whole = tmp_path / "whole.pcap"
    whole.write_bytes(pcap(linked(talk(2.0), ethernet), 1))
    folder = tmp_path / "rotated"
    folder.mkdir()
    subprocess.run([editcap, "-F", "nsecpcap" if form == "pcap" else form, "-c", "40", whole, folder / f"r.{form}"],
                   check=True, timeout=60)  # fmt: skip
    names = sorted(folder.iterdir())
    assert len(names) > 4
    random.Random(1).shuffle(names)
    expected = run("dump", whole).stdout
    done = run("dump", *names)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.sub(rf",\s+in\s+{re.escape(str(min(names)))}", "", done.stdout) == expected
    cut = run("dump", *[name for name in names if "00002" not in name.name])
    assert "which lost packets" in cut.stdout
    assert "finding" not in cut.stdout


def test_what_is_damaged_of_several_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    packets = talk(2.0)
    parts = [tmp_path / f"{number}.pcap" for number in range(3)]
    for number, part in enumerate(parts):
        part.write_bytes(pcap(packets[number * 70 : (number + 1) * 70 if number < 2 else None]))
    parts[0].write_bytes(parts[0].read_bytes()[:-9])
    done = run("dump", parts[2], parts[0], tmp_path / "none", parts[1])
    assert done.returncode == 5
    assert f"{parts[0]}: damaged at byte" in done.stderr
    assert f"cannot read {tmp_path / 'none'}" in done.stderr
    assert done.stdout.count("call 11111111-2222") == 1
    assert re.search(r"^\d\S+ {20,}hangup$", done.stdout, re.MULTILINE)  # in the column of the server
