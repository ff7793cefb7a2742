"""start/: a server answers a call, and speaks first."""

from __future__ import annotations

import statistics
from typing import Final

from audiosocket_cli.check.model import Case, Level, Observation, failed, passed, unknown
from audiosocket_cli.check.trial import Trial

_WITHIN_S: Final = 0.2
_WAIT_S: Final = 2.0
_CALLS: Final = 3
_FRAMES: Final = 100


async def _goes_on(trial: Trial) -> Observation:
    probe = await trial.call()
    await trial.speak(probe, _FRAMES)
    if not probe.is_over:
        return passed(f"the call went on for {probe.since_s:.1f} s")
    if probe.hung_up and probe.spoke:
        return unknown(f"the server spoke, and {probe.how_it_ended()}: it may have said all that it had to say")
    return failed(f"the server {probe.how_it_ended()}")


async def _speaks_first(trial: Trial) -> Observation:
    waits = []
    for _ in range(_CALLS):
        probe = await trial.call()
        spoken = await probe.until(lambda probe=probe: probe.spoke, _WAIT_S)  # type: ignore[misc]
        if not spoken and probe.is_over and trial.nature.ended_s is not None:
            return trial.ended(probe)
        waits.append(probe.frames[0].at_s - probe.passed.connected_s if spoken else _WAIT_S)
    usual_s = statistics.median(waits)
    if usual_s >= _WAIT_S:
        return failed(f"the server sent no audio within {_WAIT_S:g} s of the UUID, while the caller sent nothing")
    observed = f"the first audio came {usual_s * 1000:.0f} ms after the UUID (half of {_CALLS} calls)"
    return passed(observed) if usual_s <= _WITHIN_S else failed(observed)


START_CASES: Final = (
    Case(
        id="start/goes-on",
        level=Level.MUST,
        requirement="A plain call is not ended by the server.",
        expected="A call with 2 s of audio goes on to its end.",
        asterisk="audiosocket_run ends with the connection, and the dialplan goes on as if the call had been served",
        cure="look at the server's log for the reason: does it know the UUID, or is it full?",
        run=_goes_on,
        shown_by_replay=True,
    ),
    Case(
        id="start/speaks-first",
        level=Level.MUST,
        requirement="The server speaks first.",
        expected="The first audio comes within 200 ms of the UUID, whether or not the caller sends anything.",
        asterisk="a header read has no time limit: a server that waits for the caller's first frame can stop with "
        "Asterisk (asterisk issue 2089: one call in three to five is mute)",
        cure="send silence from the moment the UUID arrives, one frame of 320 bytes each 20 ms",
        run=_speaks_first,
        finding="server-waits",
        alone=True,
        shown_by_replay=True,
    ),
)
