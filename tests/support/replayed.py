"""Actions of a capture or a script, said to a server over a fake wire in no time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.call.session import AnsweredSession, PlacedSession
from audiosocket_cli.call.sources.actions import Action, Cue
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.sources.cue_times import ReplayOptions
from audiosocket_cli.call.sources.replay import ReplaySource
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.jobs.replay import ReplayWanted
from audiosocket_cli.model import Side
from support.fakes import FakeClock, KeepingTap, run_until, wire_pair


def replay_wanted(**given: Any) -> ReplayWanted:
    """Return the command line of `replay` with these options, the others as they are by default."""
    usual: dict[str, Any] = {
        "captured": "", "target": None, "listen": None, "timing": "recorded", "speed": 1, "max_gap": None,
        "from_s": None, "to_s": None, "loop": 1, "call": None, "uuid": "new", "calls": 1, "wait": None, "expect": None,
        "tolerance": 0.2, "least_correlation": 0.8, "capture": None, "record": None, "layout": None, "force": False,
        "as_json": False,
    }  # fmt: skip
    return ReplayWanted(**usual | given)


def audio(number: int) -> Frame:
    return Frame(Kind.SLIN, number.to_bytes(2, "little") * 160)


LOUD = Frame(Kind.SLIN, tone(440, 8000, 0.02).tobytes())


class Scripted(Source):
    """Says frames by number of its turn, silence otherwise."""

    listens = True  # so that the time of each frame is known

    def __init__(self, loud: range = range(0), end: int | None = None) -> None:
        self._turn = 0
        self._loud, self._end = loud, end

    def next_frame(self, heard_kind: int | None) -> Frame | None:
        self._turn += 1
        if self._end is not None and self._turn > self._end:
            return None
        return LOUD if self._turn in self._loud else Frame(Kind.SLIN, bytes(320))


def play(
    actions: Sequence[Action], options: ReplayOptions | None = None, *, other: Source | None = None,
    end_s: float | None = None, until_s: float = 30.0,
) -> tuple[ReplaySource, KeepingTap, PlacedSession]:  # fmt: skip
    """Play actions to a server in no time, and return what it heard."""
    clock, (ours, theirs) = FakeClock(), wire_pair()
    source = ReplaySource(actions, options or ReplayOptions(), end_s=end_s)
    heard = KeepingTap()
    caller = PlacedSession(ours, "server", source=source, clock=clock)
    server = AnsweredSession(theirs, "caller", source=other or Scripted(), clock=clock,
                             admission=lambda call: server.admit())  # fmt: skip
    server.watch([heard])
    server.start()
    caller.start()
    run_until(clock.now_s + until_s, clock, caller, server)
    source.give_up(hung_up=caller.call is not None and caller.call.ending is not None
                   and caller.call.ending.by is Side.SERVER)  # fmt: skip
    return source, heard, caller


HELLO = [Cue(None, audio(number)) for number in range(5)]
