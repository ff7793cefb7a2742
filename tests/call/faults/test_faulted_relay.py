"""A relay with faults between two fake wires: when what passes, what the taps see, and how it ends."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.faults.fault_plan import CallFaults
from audiosocket_cli.call.faults.faulted_relay import FaultedRelay
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Call, Ending, How, Side
from support.drawn import call_faults
from support.fakes import OPENING, FakeClock, FakeWire, KeepingTap

RESET = ConnectionResetError(104, "Connection reset by peer")


def audio(number: int = 1) -> bytes:
    return encode(Frame(Kind.SLIN, bytes([number]) * 320))


class Between:
    """A relay with faults, the wires of both sides, and what a tap was told."""

    def __init__(self, *faults: str) -> None:
        self.caller, self.server, self.clock, self.tap = FakeWire(), FakeWire(), FakeClock(), KeepingTap()
        self.faults: CallFaults = call_faults(*faults)
        self.relay = FaultedRelay(self.caller, self.server, "peer", faults=self.faults, clock=self.clock)
        self.relay.watch([self.tap])
        self.relay.start()
        self.passed: list[tuple[float, str, bytes]] = []
        self.caller_says(OPENING)

    def caller_says(self, *items: bytes | OSError) -> None:
        self.caller.inbox.extend(items)
        self.pump()

    def server_says(self, *items: bytes | OSError) -> None:
        self.server.inbox.extend(items)
        self.pump()

    def pump(self) -> None:
        """Do what a driver does until there is nothing to do."""
        relay, moved = self.relay, True
        while moved and not relay.ended:
            moved = False
            for lane, wire in ((relay.caller, self.caller), (relay.server, self.server)):
                if wire.inbox and relay.wants_readable(lane):
                    relay.readable(lane, self.clock())
                    moved = True
            if relay.is_behind:
                relay.overhear()
                moved = True

    def let_pass(self, seconds: float) -> None:
        until_s = self.clock.now_s + seconds
        while self.relay.wake_s <= until_s and not self.relay.ended:
            self.clock.now_s = max(self.clock.now_s, self.relay.wake_s)
            self.relay.tick()
            self.pump()
        self.clock.now_s = until_s

    @property
    def call(self) -> Call:
        assert self.relay.call is not None
        return self.relay.call

    @property
    def counts(self) -> dict[str, int]:
        applied = self.faults.as_dict()["applied"]
        return {f"{fault['direction']} {fault['fault']}": fault["count"] for fault in applied}


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends) if end > start]


NON_DESTRUCTIVE = [
    "latency 80ms", "latency 20ms jitter 20ms", "to-server bandwidth 9000", "bandwidth 20000", "slice 7 every 1ms",
    "to-asterisk slice 100", "coalesce 50ms", "to-server stall for 300ms", "stall after 100ms for 200ms",
    "to-asterisk stall after frame 3 for 1s",
]  # fmt: skip


@given(
    faults=st.lists(st.sampled_from(NON_DESTRUCTIVE), min_size=1, max_size=5, unique=True),
    cuts=st.lists(st.integers(0, 10_000), max_size=8),
    waits=st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.3]), max_size=8),
    order=st.lists(st.booleans(), max_size=16),
)
def test_any_faults_that_take_nothing_away_pass_every_byte_in_order_and_then_the_ends(
    faults: list[str], cuts: list[int], waits: list[float], order: list[bool]
) -> None:
    heard = b"".join(audio(number) for number in range(10))
    said = b"".join(audio(100 + number) for number in range(8))
    between = Between(*faults)
    callers, servers = pieces(heard, cuts), pieces(said, cuts[::-1])
    for is_callers, wait_s in itertools.zip_longest(order, waits, fillvalue=0.0):
        if is_callers and callers:
            between.caller_says(callers.pop(0))
        elif not is_callers and servers:
            between.server_says(servers.pop(0))
        between.let_pass(float(wait_s))
    between.caller_says(*callers, b"")
    between.server_says(*servers, b"")
    between.let_pass(30.0)
    assert b"".join(between.server.sent) == OPENING + heard
    assert b"".join(between.caller.sent) == said
    assert between.relay.ended
    assert (between.caller.was_reset, between.server.was_reset) == (False, False)
    assert [encode(timed.frame) for timed in between.tap.heard] == [audio(number) for number in range(10)]
    assert between.faults.as_dict()["lost_bytes"].keys() == {
        line.replace("-", "_") for line in {name.split()[0] for name in between.counts}
    }
    assert not any(between.faults.as_dict()["lost_bytes"].values())


def test_what_passes_is_seen_when_it_passes_and_the_other_direction_is_as_ever() -> None:
    between = Between("to-server latency 200ms")
    between.server_says(audio(9))
    assert between.caller.sent == [audio(9)]
    between.let_pass(0.1)
    between.caller_says(audio(1))
    assert between.server.sent == []
    between.let_pass(0.1)
    assert between.server.sent == [OPENING]
    assert between.call.uuid.bytes == OPENING[3:]
    between.let_pass(0.1)
    assert between.server.sent == [OPENING, audio(1)]
    between.relay.abort()
    (heard,) = between.tap.heard
    assert heard.at_s == pytest.approx(0.1)  # after the UUID, which was late as well
    assert between.counts == {"to-server latency 200ms": 2}


def test_comments_are_on_the_packet_that_was_read_and_on_the_one_that_is_sent() -> None:
    between = Between("latency 200ms")
    assert between.caller.remarks == ["fault to-server latency 200ms: held 200 ms"]
    between.server_says(audio(9))
    assert between.caller.remarks[1:] == []
    between.let_pass(0.2)
    assert between.caller.remarks[1:] == ["fault to-asterisk latency 200ms: held 200 ms"]


@pytest.mark.parametrize("side", Side)
def test_an_end_passes_after_what_came_before(side: Side) -> None:
    between = Between("latency 200ms")
    between.let_pass(0.5)
    says, other = (
        (between.caller_says, between.server) if side is Side.CALLER else (between.server_says, between.caller)
    )
    says(audio(1), b"")
    between.let_pass(0.1)
    assert not other.ended_sending
    between.let_pass(0.11)
    assert other.sent[-1] == audio(1)
    assert other.ended_sending
    assert not between.relay.ended


@pytest.mark.parametrize("side", Side)
def test_a_reset_passes_after_what_came_before(side: Side) -> None:
    between = Between("latency 200ms")
    between.let_pass(0.5)
    says, other = (
        (between.caller_says, between.server) if side is Side.CALLER else (between.server_says, between.caller)
    )
    says(audio(1), RESET)
    between.let_pass(0.1)
    assert not between.relay.ended
    between.let_pass(0.2)
    assert other.sent[-1] == audio(1)
    assert other.was_reset
    assert between.call.ending == Ending(side, How.RESET, f"{side} reset the connection")


def test_a_dropped_frame_is_neither_passed_nor_recorded() -> None:
    between = Between("to-asterisk drop frame 2")
    between.server_says(audio(1), audio(2), audio(3))
    assert b"".join(between.caller.sent) == audio(1) + audio(3)
    between.relay.abort()
    assert [encode(timed.frame) for timed in between.tap.said] == [audio(1), audio(3)]
    assert between.faults.as_dict()["lost_bytes"] == {"to_asterisk": 323}
    assert between.counts == {"to-asterisk drop frame 2": 1}


def test_what_a_fault_makes_wrong_is_a_finding_as_if_the_side_had_sent_it() -> None:
    between = Between("to-asterisk kind dtmf frame 1")
    between.server_says(audio(1))
    assert [note.startswith("the server sent a frame of kind dtmf") for note in between.call.notes] == [True]


@pytest.mark.parametrize(
    ("direction", "resets"),
    [("to-server", (False, True)), ("to-asterisk", (True, False)), ("both", (True, True))],
)
def test_a_reset_after_a_time_resets_the_side_it_is_about_and_closes_the_other(
    direction: str, resets: tuple[bool, bool]
) -> None:
    between = Between(f"{direction} reset after 2s")
    between.caller_says(audio(1))
    between.let_pass(1.9)
    assert not between.relay.ended
    between.let_pass(0.2)
    assert between.relay.ended
    assert (between.caller.was_reset, between.server.was_reset) == resets
    assert (between.caller.closed, between.server.closed) == (True, True)
    first = "to-server" if direction == "both" else direction
    assert between.call.ending == Ending(Side.SERVER, How.RESET, f"fault {first} reset after 2s")


def test_a_reset_after_a_frame_comes_after_it() -> None:
    between = Between("to-asterisk reset after frame 2")
    between.server_says(audio(1) + audio(2) + audio(3))
    assert between.caller.sent == [audio(1) + audio(2)]
    assert between.caller.was_reset
    assert between.relay.ended


def test_a_reset_waits_neither_for_a_side_that_does_not_read_nor_for_what_is_held() -> None:
    between = Between("to-server reset after 2s", "latency 1m")
    between.server.full = True
    between.caller_says(audio(1), audio(2))
    between.let_pass(2.1)
    assert between.relay.ended


def test_a_close_is_a_half_close_and_what_comes_after_goes_nowhere() -> None:
    between = Between("to-server close after 1s")
    between.caller_says(audio(1))
    between.let_pass(1.1)
    assert between.server.ended_sending
    between.caller_says(audio(2))
    between.server_says(audio(9))
    assert between.server.sent == [OPENING, audio(1)]
    assert between.caller.sent == [audio(9)]  # the other direction goes on
    assert not between.relay.ended
    between.server_says(b"")
    between.caller_says(b"")
    assert between.relay.ended
    assert between.call.ending == Ending(Side.SERVER, How.CLOSED, "fault to-server close after 1s")
    assert between.faults.as_dict()["lost_bytes"] == {"to_server": 323}


def test_a_fault_before_the_uuid_is_why_there_is_no_call() -> None:
    between = Between("to-server latency 1m", "to-server reset after 1s")
    between.let_pass(1.1)
    assert between.relay.ended
    assert between.relay.failure == "fault to-server reset after 1s"
    assert between.tap.call is None


def test_a_flood_under_latency_is_held_up_and_arrives_whole() -> None:
    between = Between("to-server latency 1s")
    block = audio(1) * 50
    between.caller.inbox.extend([block] * 200)
    between.pump()
    assert len(between.caller.inbox) > 100  # the rest waits in the sender
    between.let_pass(30)
    assert b"".join(between.server.sent) == OPENING + block * 200
    assert not between.relay.ended


def test_a_stall_of_ours_is_no_finding_about_a_side_and_one_of_the_side_is() -> None:
    between = Between("stall after 1s for 5s")
    between.let_pass(2)
    between.caller_says(*(audio(number) for number in range(100)))
    between.let_pass(6)
    between.relay.abort()
    assert between.call.notes == []
    assert between.relay.caller.as_dict()["stalls"] == 0
    slow = Between("to-server latency 10ms")
    slow.let_pass(0.1)
    slow.server.full = True
    slow.caller_says(audio(1), audio(2))
    slow.let_pass(2)
    slow.server.full = False
    slow.relay.writable(slow.relay.server, slow.clock())
    assert slow.server.sent[-1] == audio(2)
    slow.relay.abort()
    assert any("the server did not read for" in note for note in slow.call.notes)


def test_hanging_up_says_goodbye_after_the_last_whole_frame_and_counts_what_was_held() -> None:
    between = Between("to-asterisk latency 1s")
    between.server_says(audio(1))
    between.let_pass(0.5)
    between.server_says(audio(2))
    between.let_pass(0.6)
    between.relay.hang_up("the end")
    assert b"".join(between.caller.sent) == audio(1) + encode(Frame(Kind.HANGUP))
    between.caller_says(b"")
    between.server_says(b"")
    assert between.relay.ended
    assert between.faults.as_dict()["lost_bytes"] == {"to_asterisk": 323}


def test_lost_framing_ends_faults_of_frames_and_is_told() -> None:
    between = Between("to-asterisk drop every 2")
    page = b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3
    between.server_says(audio(1), page)
    assert b"".join(between.caller.sent) == audio(1) + page
    assert any("faults of its frames stop there" in note for note in between.call.notes)


@pytest.mark.parametrize("ends", [b"", RESET], ids=["closed", "reset"])
def test_a_call_whose_sides_are_both_gone_ends_though_a_stall_holds_their_ends(ends: bytes | OSError) -> None:
    between = Between("stall after 1s")
    between.let_pass(2)
    between.caller_says(audio(1), ends)
    between.let_pass(60)
    assert not between.relay.ended  # as with a network that swallows all
    between.server_says(ends)
    assert between.relay.ended
    assert between.call.ending == Ending(Side.CALLER, How.CLOSED, "caller closed, and a fault held that back")
    assert between.faults.as_dict()["lost_bytes"] == {"to_server": 323, "to_asterisk": 0}


def test_many_small_pieces_are_passed_on_in_turns() -> None:
    between = Between("to-asterisk slice 1")
    between.server_says(audio(1) * 3)
    assert 0 < len(between.caller.sent) < 100
    assert between.relay.wake_s <= between.clock()
    between.let_pass(0.1)
    assert between.caller.sent == [bytes([byte]) for byte in audio(1) * 3]
