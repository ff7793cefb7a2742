"""hostile/: a server survives peers that are not Asterisk."""

from __future__ import annotations

import asyncio
from typing import Final

from audiosocket_cli.check.model import Case, Level, Observation, passed
from audiosocket_cli.check.sounds import audio_frame
from audiosocket_cli.check.trial import Trial

_SCANS: Final = 20
_FRAMES: Final = 10
_SETTLE_S: Final = 0.2
_OTHERS: Final = "another call went on, and a new one was answered"
_EXPECTED: Final = "Another call goes on, and a new one is answered."


async def _half_frame(trial: Trial) -> Observation:
    other, probe = await trial.call(), await trial.call()
    await trial.speak(probe, _FRAMES)
    await probe.send(audio_frame(trial.sounds.next())[:100])
    await asyncio.sleep(_SETTLE_S)
    judged = await trial.judge_others(other)
    if judged is None:
        await asyncio.sleep(trial.times.half_frame_s)
        judged = await trial.judge_others(other)
    return judged or passed(f"{_OTHERS}, while one call had sent half a frame")


async def _port_scan(trial: Trial) -> Observation:
    other = await trial.call()
    for number in range(_SCANS):
        probe = await trial.dial()
        probe.reset() if number % 2 else probe.close()
    await asyncio.sleep(_SETTLE_S)
    return await trial.judge_others(other) or passed(_OTHERS)


async def _http(trial: Trial) -> Observation:
    other = await trial.call()
    probe = await trial.dial()
    await probe.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: audiosocket-check\r\n\r\n")
    await probe.until_ended(1.0)
    judged = await trial.judge_others(other)
    return judged or passed(f"{_OTHERS}; of the request the server {probe.how_it_ended()}")


HOSTILE_CASES: Final = (
    Case(
        id="hostile/half-frame",
        level=Level.SHOULD,
        requirement="Half a frame, and then nothing, holds up no other call.",
        expected="Another call is heard meanwhile, and a new one is answered.",
        asterisk="networks lose the rest of a frame for seconds; other callers must not notice",
        cure="wait for the rest of a frame in that call only: never in the loop, or under a lock, that all share",
        run=_half_frame,
        alone=True,
    ),
    Case(
        id="hostile/port-scan",
        level=Level.SHOULD,
        requirement="Connections that close at once disturb no call.",
        expected=_EXPECTED,
        asterisk="not Asterisk: port scanners and health checks connect and close, again and again",
        cure="take an error of accept, or of a connection that is gone, as the end of that connection alone",
        run=_port_scan,
        alone=True,
    ),
    Case(
        id="hostile/http",
        level=Level.SHOULD,
        requirement="A request of HTTP disturbs no call.",
        expected=_EXPECTED,
        asterisk="not Asterisk: browsers, scanners and health checks",
        cure="close a connection whose first frame is not a UUID, and that connection only",
        run=_http,
        alone=True,
    ),
)
