"""A clock that was set while a call was captured: the times after that are moved, and said to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audiosocket_cli.capture.clock import SET_NS, Clock
from audiosocket_cli.capture.items import Ended
from audiosocket_cli.model import Side
from support.captured import reviewed
from support.captures import calls_of, heard, items_of, losses, said
from support.packets import CALLER, OPENING, SERVER, STEP_NS, Stamped, Talk, a_call, audio, pcap, pcapng
from support.segments import lost_before_the_end

_S = 10**9
WHOLE = a_call(40)
BEFORE = 30
"""Packets before the step."""


def stepped(step_ns: int) -> list[Stamped]:
    return [packet._replace(at_ns=packet.at_ns + step_ns * (number >= BEFORE)) for number, packet in enumerate(WHOLE)]


@pytest.mark.parametrize("make", [pcap, pcapng])
@pytest.mark.parametrize("step_s", [-3600, -2, -86_400])
def test_a_clock_that_was_set_back_is_no_burst(make: Callable[[list[Stamped]], bytes], step_s: int) -> None:
    items = items_of(make(stepped(step_s * _S)))
    whole = items_of(make(WHOLE))
    assert (heard(items), said(items), losses(items)) == (heard(whole), said(whole), [])
    (result,), (other,) = (reviewed(each)[0:1] for each in (items, whole))
    assert result.findings == other.findings
    assert result.duration_s == pytest.approx(other.duration_s, abs=0.05)
    assert calls_of(items)[0].remarks == [
        f"the clock was set back by {-step_s:.1f} s 0.5 s after the call began: the times after that are moved"
    ]


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_a_clock_that_was_not_set_before_is_no_silence(make: Callable[[list[Stamped]], bytes]) -> None:
    begun = WHOLE[0].at_ns
    early = [
        packet._replace(at_ns=packet.at_ns - begun + 5 * _S if number < BEFORE else packet.at_ns)
        for number, packet in enumerate(WHOLE)
    ]
    items = items_of(make(early))
    assert reviewed(items)[0].findings == reviewed(items_of(make(WHOLE)))[0].findings
    (remark,) = calls_of(items)[0].remarks
    assert remark.startswith(f"the clock was set on by {begun / _S - 5:.1f} s 0.5 s after")
    assert max(item.at_s for item in items if isinstance(item, Ended)) == pytest.approx(1.7, abs=0.2)


@pytest.mark.parametrize("pause_s", [60, 12 * 3600, 300 * 86_400])
def test_a_pause_is_a_pause(pause_s: int) -> None:
    items = items_of(pcap(stepped(pause_s * _S)))
    assert calls_of(items)[0].remarks == []
    assert reviewed(items)[0].duration_s > pause_s


@pytest.mark.parametrize("side", list(Side), ids=str)
def test_what_comes_late_after_a_loss_is_no_step(side: Side) -> None:
    (call,) = calls_of(items_of(lost_before_the_end(side)))
    assert [text for text in call.remarks if "clock" in text] == []


def test_packets_sent_again_or_captured_twice_are_no_step() -> None:
    talk = Talk().open().say(CALLER, OPENING)
    for number in range(30):
        talk.say(CALLER, audio(number)).say(SERVER, audio(100 + number))
    packets = talk.close().packets
    twice = [*packets, *(packet._replace(at_ns=packet.at_ns + STEP_NS // 2) for packet in packets)]
    items = items_of(pcap(twice))
    assert (heard(items), said(items)) == (heard(items_of(pcap(packets))), said(items_of(pcap(packets))))
    assert [text for text in calls_of(items)[0].remarks if "clock" in text] == []


def test_the_first_step_is_kept() -> None:
    clock = Clock()
    assert clock.take(5 * _S, 0) == 5 * _S
    assert not clock.moves(6 * _S)
    assert clock.moves(SET_NS)
    assert clock.take(SET_NS, 0) == 5 * _S
    assert clock.take(SET_NS + _S, 5 * _S) == 6 * _S
    assert clock.take(SET_NS - 2 * _S, 6 * _S) == 6 * _S
    assert (clock.first_ns, clock.last_ns, clock.step_ns) == (5 * _S, 6 * _S, SET_NS - 5 * _S)
