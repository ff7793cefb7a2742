"""How calls are judged to which one side of a capture was played."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.call.session import AnsweredSession, PlacedSession
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.replay import replay_job
from audiosocket_cli.model import Side
from audiosocket_cli.net.address import Address
from support.captured import a_normal_call, write_lines
from support.fakes import FakeClock, run_until, wire_pair
from support.replayed import Scripted, replay_wanted


@pytest.mark.parametrize(
    ("ended_by", "early_frames", "fails"),
    [
        (Side.CALLER, 1, False), (Side.CALLER, 7, False), (Side.CALLER, 20, True), (Side.SERVER, 7, True),
    ],
)  # fmt: skip
def test_a_caller_who_ended_the_captured_call_may_end_it_a_little_sooner(
    tmp_path: Path, ended_by: Side, early_frames: int, fails: bool
) -> None:
    *frames, one_end, other_end, over = a_normal_call(2.0)
    ends = [one_end, other_end] if ended_by is Side.CALLER else [other_end, one_end]
    capture = write_lines(tmp_path / "old.jsonl", [*frames, *ends, over])
    job = replay_job(replay_wanted(captured=str(capture), listen=Address("127.0.0.1", 0)))

    clock, (ours, theirs) = FakeClock(), wire_pair()
    server = AnsweredSession(ours, "caller", source=job.call.make_source(), clock=clock,
                             admission=lambda call: server.admit())  # fmt: skip
    caller = PlacedSession(theirs, "server", source=Scripted(end=100 - early_frames), clock=clock)
    server.start()
    caller.start()
    run_until(clock.now_s + 10.0, clock, caller, server)
    assert job.judge_answered(None) == Outcome(failed=fails)
