"""One call of a load, over a fake wire."""

from __future__ import annotations

import pytest

from audiosocket_cli.bench.caller import BenchCall
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.speech import Speech, Talk
from audiosocket_cli.call.session import AnsweredSession
from audiosocket_cli.call.sources.basic import Echo
from audiosocket_cli.codec import Kind
from support.fakes import FakeClock, run_until, wire_pair


def test_a_call_needs_no_event_loop_and_measures_what_it_sees() -> None:
    clock, figures = FakeClock(), Figures()
    ours, theirs = wire_pair()
    answering = AnsweredSession(theirs, "caller", source=Echo(), clock=clock)
    talk = Talk(Speech.generated(Kind.SLIN), 7, 5.0, 0.0)
    call = BenchCall(talk, figures, 5.0, due_s=clock() - 0.3, clock=clock)
    session = call.connected(ours, "server", clock() - 0.2)
    answering.start()
    session.start()
    run_until(clock() + 8, clock, session, answering)
    row = call.conclude()
    assert (row["call"], row["ended"], row["frames_sent"]) == (7, "caller (closed)", 250)
    assert (figures.times["connect"].max_ms, figures.times["connect_actual"].max_ms) == pytest.approx((300, 200))
    assert figures.counts["marks_heard"] == figures.times["echo"].count == 25
    assert figures.times["echo"].max_ms < 1
    assert (figures.times["turn"].count, figures.times["barge_in"].count) == (0, 0)
    assert figures.counts["gaps_40"] + figures.counts["bursts"] + figures.counts["frames_unsent"] == 0
