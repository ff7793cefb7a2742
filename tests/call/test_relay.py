"""A relay between two fake wires: what it passes on, what it makes of it, and how it ends."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.phases import CLOSE_TIMEOUT_S, Limits
from audiosocket_cli.call.relay import HALF_CLOSED_S, Relay
from audiosocket_cli.call.session import STOP_S
from audiosocket_cli.codec import Frame, Kind, digit_frame, encode
from audiosocket_cli.model import Call, Ending, How, Side
from support.fakes import OPENING, UUID_1, FakeClock, FakeWire, KeepingTap

HANGUP = encode(Frame(Kind.HANGUP))
RESET = ConnectionResetError(104, "Connection reset by peer")


def audio(number: int = 1, kind: int = Kind.SLIN, size: int = 320) -> bytes:
    return encode(Frame(kind, bytes([number]) * size))


class Between:
    """A relay, the wires of both sides, and what a tap was told."""

    def __init__(self, *first: bytes, limits: Limits | None = None, admits: bool = True) -> None:
        self.caller, self.server, self.clock, self.tap = FakeWire(), FakeWire(), FakeClock(), KeepingTap()

        def admit(call: Call) -> None:
            if admits:
                self.relay.admit()
            else:
                self.relay.hang_up("no")

        self.relay = Relay(self.caller, self.server, "peer", limits=limits, admission=admit, clock=self.clock)
        self.relay.watch([self.tap])
        self.relay.start()
        self.caller_says(*first)

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
                if wire.inbox and (relay.wants_readable(lane) or (relay.wants_loss(lane) and wire.inbox[0] is RESET)):
                    relay.readable(lane, self.clock())
                    moved = True
            if relay.is_behind:
                relay.overhear()
                moved = True

    def let_pass(self, seconds: float) -> None:
        until_s = self.clock.now_s + seconds
        while self.relay.wake_s <= until_s:
            self.clock.now_s = max(self.clock.now_s, self.relay.wake_s)
            self.relay.tick()
            self.pump()
        self.clock.now_s = until_s

    def unblock(self, wire: FakeWire) -> None:
        wire.full = False
        self.relay.writable(self.relay.caller if wire is self.caller else self.relay.server, self.clock())
        self.pump()

    @property
    def heard(self) -> list[bytes]:
        return [encode(timed.frame) for timed in self.tap.heard]

    @property
    def said(self) -> list[bytes]:
        return [encode(timed.frame) for timed in self.tap.said]

    @property
    def call(self) -> Call:
        assert self.relay.call is not None
        return self.relay.call

    @property
    def ending(self) -> Ending:
        assert self.call.ending is not None
        return self.call.ending


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends) if end > start]


# Passing on.


@given(
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
    other_cuts=st.lists(st.integers(0, 10_000), max_size=12),
    order=st.lists(st.booleans(), max_size=30),
)
def test_every_byte_passes_both_ways_and_the_taps_have_the_same_frames_however_they_are_cut(
    cuts: list[int], other_cuts: list[int], order: list[bool]
) -> None:
    heard = [audio(), audio(2), encode(digit_frame("5")), audio(3), audio(3, Kind.SLIN16, 640), audio(4), audio(4)]
    said = [audio(5), audio(5), audio(6, size=160), audio(7, Kind.SLIN16, 640), audio(8), HANGUP]
    between = Between(OPENING)
    callers, servers = pieces(b"".join(heard), cuts), pieces(b"".join(said), other_cuts)
    for is_callers in order:
        if is_callers and callers:
            between.caller_says(callers.pop(0))
        elif not is_callers and servers:
            between.server_says(servers.pop(0))
    between.caller_says(*callers)
    between.server_says(*servers)
    assert b"".join(between.server.sent) == OPENING + b"".join(heard)
    assert b"".join(between.caller.sent) == b"".join(said)
    between.caller_says(b"")
    between.server_says(b"")
    assert between.relay.ended
    assert (between.heard, between.said) == (heard, said)
    assert between.tap.digits == [(0.0, "5")]


@given(st.binary(min_size=1, max_size=600), st.binary(min_size=1, max_size=600), st.booleans())
def test_any_bytes_pass_and_do_no_harm(caller: bytes, server: bytes, has_uuid: bool) -> None:
    between = Between(*([OPENING] if has_uuid else []))
    between.caller_says(*pieces(caller, [7, 100]))
    between.server_says(*pieces(server, [3, 200]))
    between.caller_says(b"")
    between.server_says(b"")
    assert between.relay.ended
    assert b"".join(between.server.sent) == OPENING * has_uuid + caller
    assert b"".join(between.caller.sent) == server


def test_each_read_is_written_on_at_once_as_it_is() -> None:
    between = Between(OPENING + audio()[:100])
    between.caller_says(audio()[100:], audio(2) + audio(3))
    assert between.server.sent == [OPENING + audio()[:100], audio()[100:], audio(2) + audio(3)]


def test_frames_have_the_time_at_which_they_passed() -> None:
    between = Between(OPENING)
    for number in range(5):
        between.let_pass(0.02)
        between.caller_says(audio(number))
        between.let_pass(0.003)
        between.server_says(audio(10 + number))
    between.relay.hang_up("done")
    between.relay.abort()
    assert [timed.at_s for timed in between.tap.heard] == pytest.approx([0.02 + n * 0.023 for n in range(5)])
    assert [timed.at_s for timed in between.tap.said] == pytest.approx([0.023 + n * 0.023 for n in range(5)])


def test_what_the_server_says_before_the_uuid_passes_and_is_no_part_of_the_call() -> None:
    between = Between()
    between.server_says(audio(9))
    assert between.caller.sent == [audio(9)]
    between.caller_says(OPENING)
    between.server_says(audio(8))
    between.relay.abort()
    assert between.said == [audio(8)]
    assert between.call.uuid == UUID_1


# Flow control.


@pytest.mark.parametrize("side", Side)
def test_a_side_that_does_not_read_holds_up_the_other_alone_and_nothing_is_lost(side: Side) -> None:
    between = Between(OPENING)
    slow, fast = (between.caller, between.server_says) if side is Side.CALLER else (between.server, between.caller_says)
    slow.full = True
    before = len(slow.sent)
    fast(*(audio(n) for n in range(20)))
    assert len(slow.sent) == before + 1  # one read is held, at most
    other_way = between.caller_says if side is Side.CALLER else between.server_says
    other_way(audio(99))
    assert (between.server if side is Side.CALLER else between.caller).sent[-1] == audio(99)
    between.let_pass(1.5)
    between.unblock(slow)
    assert slow.sent[before:] == [audio(n) for n in range(20)]
    between.relay.abort()
    lane = between.relay.server if side is Side.CALLER else between.relay.caller
    assert (lane.as_dict()["stalls"], lane.as_dict()["stalled_ms"]) == (1, 1500)
    assert any(f"the {side} did not read for 1.5 s" in note for note in between.call.notes)


def test_a_flood_is_heard_in_slices_and_held_up_while_the_taps_have_too_much() -> None:
    between = Between(OPENING)
    flood = audio(1, size=2) * 1000
    between.caller.inbox.extend([flood, flood])
    between.relay.readable(between.relay.caller, between.clock())
    assert between.relay.is_behind
    assert not between.relay.wants_readable(between.relay.caller)  # its second read waits
    assert between.relay.wants_readable(between.relay.server)
    between.pump()
    between.relay.abort()
    assert len(between.heard) == 2000


# Ends.


@pytest.mark.parametrize("side", Side)
def test_a_half_close_is_passed_on_as_one_and_what_comes_later_the_other_way_arrives(side: Side) -> None:
    between = Between(OPENING, audio())
    first, then = between.caller_says, between.server_says
    ends, goes_on = between.server, between.caller
    if side is Side.SERVER:
        first, then, ends, goes_on = then, first, goes_on, ends
    first(b"")
    assert ends.ended_sending
    assert not goes_on.ended_sending
    then(audio(7))
    assert goes_on.sent[-1] == audio(7)
    assert not between.relay.ended
    then(b"")
    assert between.relay.ended
    assert (between.caller.was_reset, between.server.was_reset) == (False, False)
    assert between.ending == Ending(side, How.CLOSED, f"{side} closed")


@pytest.mark.parametrize("side", Side)
def test_a_reset_is_passed_on_as_one_once_what_came_before_has_arrived(side: Side) -> None:
    between = Between(OPENING)
    says, other = (
        (between.caller_says, between.server) if side is Side.CALLER else (between.server_says, between.caller)
    )
    other.undelivered = 700
    says(audio(), RESET)
    assert other.sent[-1] == audio()
    between.let_pass(0.1)
    assert not other.was_reset  # it is still on its way
    other.undelivered = 0
    between.let_pass(0.1)
    assert other.was_reset
    assert between.relay.ended
    assert between.ending == Ending(side, How.RESET, f"{side} reset the connection")


def test_a_reset_waits_two_seconds_for_a_side_that_takes_nothing() -> None:
    between = Between(OPENING)
    between.server.undelivered = 700
    between.caller_says(RESET)
    between.let_pass(1.9)
    assert not between.relay.ended
    between.let_pass(0.2)
    assert between.server.was_reset
    assert between.relay.ended


@pytest.mark.parametrize("has_ended", [False, True], ids=["still-sending", "half-closed"])
def test_a_reset_that_sending_has_found_is_passed_on(has_ended: bool) -> None:
    between = Between(OPENING)
    if has_ended:
        between.server_says(b"")
    between.server.refused = True
    between.caller_says(audio())
    if not has_ended:
        between.server_says(RESET)
    assert between.caller.was_reset
    assert between.relay.ended
    assert between.ending.by is Side.SERVER


def test_a_reset_after_a_half_close_is_passed_on() -> None:
    between = Between(OPENING)
    between.caller_says(b"")
    between.caller_says(RESET)
    assert between.server.was_reset
    assert between.relay.ended


def test_a_lost_side_whose_words_nobody_takes_ends_the_call_after_two_seconds() -> None:
    between = Between(OPENING)
    between.server.full = True
    between.caller_says(audio(), audio())
    assert between.relay.wants_loss(between.relay.caller)
    between.relay.lost(between.relay.caller, between.clock())
    assert not between.relay.wants_loss(between.relay.caller)  # or it would be told without end
    between.let_pass(1.9)
    assert not between.relay.ended
    between.server.undelivered = 0
    between.let_pass(0.2)
    assert between.server.was_reset
    assert between.relay.ended


def test_a_lost_side_whose_words_are_taken_in_time_is_read_to_its_end() -> None:
    between = Between(OPENING)
    between.server.full = True
    between.caller_says(audio(1), audio(2))
    between.relay.lost(between.relay.caller, between.clock())
    between.let_pass(1.5)
    between.unblock(between.server)
    assert between.server.sent[-1] == audio(2)
    between.let_pass(5)
    assert not between.relay.ended
    between.caller_says(RESET)
    assert between.relay.ended


def test_the_first_that_shows_the_end_is_how_it_ended() -> None:
    between = Between(OPENING)
    between.server_says(audio(), HANGUP, b"")
    between.caller_says(RESET)
    assert between.ending == Ending(Side.SERVER, How.HANGUP, "server hung up")
    assert between.tap.closed_times == 1


def test_an_end_in_mid_frame_is_told() -> None:
    between = Between(OPENING)
    between.caller_says(audio()[:50], b"")
    between.server_says(b"")
    assert between.ending.reason == "caller closed, in mid-frame"


# Our own ending.


def test_hanging_up_says_goodbye_to_asterisk_and_half_closes_both() -> None:
    between = Between(OPENING, audio())
    between.server_says(audio(2))
    between.relay.hang_up("the end")
    assert between.caller.sent[-1] == HANGUP
    assert between.server.sent[-1] == audio()  # Asterisk sends no hangup
    assert between.caller.ended_sending
    assert between.server.ended_sending
    between.server_says(audio(3))  # dropped: we have said goodbye
    assert between.caller.sent[-1] == HANGUP
    between.caller_says(b"")
    between.server_says(b"")
    assert between.relay.ended
    assert between.ending == Ending(Side.SERVER, How.HANGUP, "the end")


def test_a_hangup_does_not_cut_a_frame() -> None:
    between = Between(OPENING)
    between.server_says(audio()[:100])
    between.relay.hang_up("the end")
    assert between.caller.sent == [audio()[:100]]
    assert between.caller.ended_sending


@pytest.mark.parametrize(("stops", "seconds"), [(False, 2.0), (True, STOP_S)], ids=["hang-up", "stop"])
def test_sides_that_do_not_close_are_left(stops: bool, seconds: float) -> None:
    between = Between(OPENING)
    (between.relay.stop if stops else between.relay.hang_up)("the end")
    between.let_pass(seconds - 0.01)
    assert not between.relay.ended
    between.let_pass(0.02)
    assert between.relay.ended


def test_limits_end_a_call() -> None:
    between = Between(OPENING, limits=Limits(idle_s=3.0, duration_s=10.0))
    for _ in range(4):
        between.let_pass(2.0)
        between.server_says(audio())
    assert not between.relay.ended
    between.let_pass(5.0)
    assert between.ending.reason == "longer than 10 s"
    silent = Between(OPENING, limits=Limits(idle_s=3.0))
    silent.let_pass(6.0)
    assert silent.ending.reason == "nothing passed for 3 s"


def test_a_limit_ends_a_connection_without_a_uuid_too() -> None:
    between = Between(limits=Limits(duration_s=10.0))
    between.let_pass(9.9)
    assert not between.relay.ended
    between.let_pass(5.0)
    assert between.relay.ended
    assert between.relay.failure == "longer than 10 s"


def test_who_is_not_admitted_is_hung_up_on_and_is_no_call() -> None:
    between = Between(OPENING, admits=False)
    between.let_pass(2.1)
    assert between.relay.ended
    assert (between.relay.failure, between.tap.call) == ("no", None)


def test_aborting_twice_does_no_harm() -> None:
    between = Between(OPENING)
    between.relay.abort()
    between.relay.abort()
    assert between.tap.closed_times == 1
    assert between.caller.closed
    assert between.server.closed


# No call.


@pytest.mark.parametrize(
    ("first", "failure", "is_silent"),
    [
        ([], "closed without a UUID (is an Answer() missing in the dialplan before AudioSocket()?) [no-answer]", True),
        ([OPENING[:5]], "closed after 5 bytes, before its UUID was complete", False),
        (
            [b"GET / HTTP/1.1\r\n\r\n"],
            "not an AudioSocket peer: it began with 'GET / HTTP/1.1' (a web browser, or a probe?) [not-audiosocket]",
            False,
        ),
    ],
    ids=["nothing", "half-a-uuid", "http"],
)  # fmt: skip
def test_a_connection_without_a_uuid_passes_and_is_no_call(first: list[bytes], failure: str, is_silent: bool) -> None:
    between = Between(*first)
    assert between.server.sent == first
    between.caller_says(b"")
    between.server_says(b"")
    assert between.relay.ended
    assert (between.relay.failure, between.relay.closed_silently) == (failure, is_silent)
    assert between.tap.call is None


def test_a_server_that_closes_before_the_uuid_is_told_apart() -> None:
    between = Between()
    between.server_says(b"")
    between.caller_says(b"")
    assert between.relay.failure == "the server closed the connection after 0 bytes of the caller, before its UUID"
    assert not between.relay.closed_silently


@pytest.mark.parametrize(
    ("after_s", "arrives", "is_check"),
    [(0.1, b"", True), (1.9, b"", True), (2.1, b"", False), (0.1, OPENING, False), (0.1, OPENING[:1], False)],
    ids=["new", "not there for long", "has stayed", "its UUID comes late", "a byte comes late"],
)
def test_who_is_hung_up_without_a_byte_was_a_health_check_if_it_was_new(
    after_s: float, arrives: bytes, is_check: bool
) -> None:
    between = Between()
    between.clock.now_s += after_s
    between.relay.stop("server stopped")
    between.server_says(audio(), b"")
    between.caller_says(*([arrives, b""] if arrives else [b""]))
    relay = between.relay
    assert (relay.ended, relay.failure, relay.closed_silently) == (True, "server stopped", is_check)


def test_who_sent_a_byte_or_had_no_server_any_more_was_no_health_check() -> None:
    for between in (Between(OPENING[:1]), Between()):
        if not between.relay.caller.passed_bytes:
            between.server_says(b"")
        between.relay.stop("server stopped")
        between.caller_says(b"")
        assert not between.relay.closed_silently


# What is wrong with a side.


def test_a_peer_that_breaks_the_framing_is_passed_on_and_told_once_with_the_byte() -> None:
    between = Between(OPENING)
    page = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    between.server_says(audio(), page, page)
    assert b"".join(between.caller.sent) == audio() + page + page
    between.relay.abort()
    assert between.said == [audio()]
    (note,) = (note for note in between.call.notes if "byte" in note)
    assert note.startswith("from its byte 323 on, what the server sends is not AudioSocket")


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (digit_frame("1"), "the server sent a frame of kind dtmf"),
        (
            Frame(Kind.SLIN, b""),
            "the server sent an audio frame of length 0; Asterisk ends the call here [server-sends-empty-audio]",
        ),
        (Frame(Kind.ERROR, b"\1"), "the server sent a frame of kind error"),
        (Frame(0x42, b"\1"), "the server sent a frame of kind 0x42"),
    ],
    ids=["dtmf", "empty", "error", "unknown"],
)
def test_what_ends_a_call_in_asterisk_is_told_at_once(frame: Frame, note: str) -> None:
    between = Between(OPENING)
    between.server_says(encode(frame))
    assert between.caller.sent == [encode(frame)]
    assert [text.startswith(note) for text in between.call.notes] == [True]


def test_a_frame_of_the_server_that_comes_in_parts_is_told() -> None:
    between = Between(OPENING)
    between.server_says(audio(), audio()[:3])
    between.clock.now_s += 0.012
    between.server_says(audio()[3:], audio())
    assert ["in parts 12 ms apart" in note for note in between.call.notes] == [True]


def test_a_frame_of_the_server_that_keeps_coming_is_no_finding() -> None:
    between = Between(OPENING)
    between.server_says(audio(), audio()[:100])
    for start in (100, 200, 300):
        between.clock.now_s += 0.004
        between.server_says(audio()[start : start + 100])
    assert between.call.notes == []


def test_what_is_odd_about_a_caller_is_told() -> None:
    between = Between(OPENING, OPENING, encode(Frame(Kind.ERROR, b"\2")), encode(Frame(0x42, b"")), audio(size=0))
    between.caller_says(encode(Frame(Kind.DTMF, b"xx")))
    assert between.call.notes == [
        "the caller sent a second UUID frame [second-uuid]",
        "caller reported an error: a frame could not be forwarded [caller-error]",
        "the caller sent frames of unknown kind 0x42 [caller-sends-unknown-kind]",
        "the caller sent an audio frame of length 0 [caller-sends-empty-audio]",
        "a DTMF frame without a digit: payload 78 78 is not a DTMF digit [bad-digit]",
    ]


# Half a call.


@pytest.mark.parametrize("side", ["caller", "server"])
def test_a_call_that_one_side_has_closed_ends_when_nothing_passes(side: str) -> None:
    between = Between(OPENING)
    closes, stays = (
        (between.caller_says, between.server_says) if side == "caller" else (between.server_says, between.caller_says)
    )
    between.let_pass(100.0)  # while both are there, silence ends nothing
    closes(b"")
    between.let_pass(HALF_CLOSED_S - 1)
    stays(audio())
    between.let_pass(HALF_CLOSED_S - 1)
    assert not between.relay.ended
    between.let_pass(1.0 + CLOSE_TIMEOUT_S)
    assert between.relay.ended
    other = "server" if side == "caller" else "caller"
    assert between.ending == Ending(Side(side), How.CLOSED, f"{side} closed")
    (note,) = between.call.notes
    assert note == (
        f"the {other} left its connection open after the {side} had closed its own: the proxy closed it after 30 s in "
        "which nothing passed [left-open]"
    )


def test_a_shorter_limit_of_silence_goes_before_that_of_half_a_call() -> None:
    between = Between(OPENING, limits=Limits(idle_s=5))
    between.caller_says(b"")
    between.let_pass(5.0 + CLOSE_TIMEOUT_S)
    assert between.relay.ended
    assert between.call.notes == []
