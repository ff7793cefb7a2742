"""idle/: a call goes on while the caller says nothing."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Final

from audiosocket_cli.asterisk.facts import SILENCE_TIMEOUT_S
from audiosocket_cli.asterisk.releases import Behaviour, Release, since
from audiosocket_cli.check.model import Case, Level, Observation, failed, passed
from audiosocket_cli.check.trial import Trial

_FRAMES: Final = 10


async def _says_something(trial: Trial) -> Observation:
    probe = await trial.call()
    begun_s = time.monotonic()
    await probe.until_ended(trial.times.silence_s)
    if probe.is_over:
        return trial.ended(probe)
    ends = [begun_s, *(frame.at_s for frame in probe.frames), time.monotonic()]
    longest_s = max(later - earlier for earlier, later in pairwise(ends))
    if not probe.frames:
        return failed(f"the server sent nothing for {trial.times.silence_s:g} s, while the caller sent nothing")
    observed = f"the server sent something every {longest_s:.2f} s or more often, while the caller sent nothing"
    if longest_s <= SILENCE_TIMEOUT_S:
        return passed(observed)
    return failed(f"the server sent nothing for {longest_s:.1f} s, while the caller sent nothing")


async def _never_speaks(trial: Trial) -> Observation:
    probe = await trial.call()
    await probe.until_ended(trial.times.quiet_s)
    if probe.is_over:
        return trial.ended(probe)
    return passed(f"the call went on for {trial.times.quiet_s:g} s, in which the caller sent nothing")


async def _hold(trial: Trial) -> Observation:
    probe = await trial.call()
    await trial.speak(probe, _FRAMES)
    await probe.until_ended(trial.times.hold_s)
    if probe.is_over:
        return trial.ended(probe)
    after = await trial.speak(probe, _FRAMES)
    held = f"the call went on over a hold of {trial.times.hold_s:g} s"
    if not trial.nature.echoes:
        await probe.until_ended(1.0)
        return trial.ended(probe) if probe.is_over else passed(held)
    heard = sum(await trial.heard(probe, after))
    observed = f"{held}; then {heard} of {len(after)} frames were heard"
    return passed(observed) if heard == len(after) else failed(observed)


def _has_no_limit(release: Release) -> str | None:
    return None if release.has(Behaviour.SILENCE_LIMIT) else f"Asterisk {release} ends no call for silence"


IDLE_CASES: Final = (
    Case(
        id="idle/says-something",
        level=Level.MUST,
        requirement="The server sends something every 2 s, also while the caller sends nothing.",
        expected="No 2 s pass in which the server sends no frame.",
        asterisk="audiosocket_run ends the call after 2000 ms in which neither side sent anything",
        cure="send silence while there is nothing to say, by a clock, not in answer to the caller's frames",
        run=_says_something,
        finding="server-silent",
        versions=f"since {since(Behaviour.SILENCE_LIMIT)}",
        applies=_has_no_limit,
        shown_by_replay=True,
    ),
    Case(
        id="idle/never-speaks",
        level=Level.MUST,
        requirement="A caller may never send anything.",
        expected="The server does not end a call for 30 s (half of --hold) in which the caller sends no frame.",
        asterisk="audiosocket_run forwards what ast_read returns: of a muted phone, or with DTX, nothing",
        cure="do not end a call because no audio comes: only a closed connection is the end",
        run=_never_speaks,
        shown_by_replay=True,
    ),
    Case(
        id="idle/hold",
        level=Level.MUST,
        requirement="A call survives a hold.",
        expected="The server keeps a call for 60 s (--hold) in which the caller sends nothing, and hears on then.",
        asterisk="nothing is sent for the whole length of a hold: audiosocket_run forwards what ast_read returns",
        cure="do not end a call because no audio comes: only a closed connection is the end",
        run=_hold,
        shown_by_replay=True,
    ),
)
