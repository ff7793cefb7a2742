"""end/: a server ends calls as Asterisk expects it, and survives each way in which a caller ends one."""

from __future__ import annotations

import asyncio
from typing import Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.check.model import Case, Level, Observation, failed, passed, skipped, unknown
from audiosocket_cli.check.probe import Probe
from audiosocket_cli.check.sockets import CLOSE_WAIT, state_of
from audiosocket_cli.check.sounds import audio_frame
from audiosocket_cli.check.trial import Trial

_FRAMES: Final = 10
_UNREAD_S: Final = 0.6
"""Long enough for a server to say something that is left unread."""
_SETTLE_S: Final = 0.2
_OTHERS: Final = "another call went on, and a new one was answered"


async def _hangup_frame(trial: Trial) -> Observation:
    probe = await trial.call()
    await trial.speak(probe, round(trial.times.until_end_s * 1000 / PTIME_MS))
    if probe.ended is None:
        return skipped(f"the server did not end a call of {trial.times.until_end_s:g} s")
    observed = f"the server {probe.how_it_ended()}"
    return passed(observed) if probe.hung_up else failed(f"{observed}, without a hangup frame")


async def _half_close(trial: Trial) -> Observation:
    probe = await trial.call()
    await trial.speak(probe, _FRAMES)
    probe.half_close()
    if await probe.until_ended(trial.times.linger_s):
        return passed(f"the server {probe.how_it_ended()}")
    return failed(f"the server did not close within {trial.times.linger_s:g} s of the caller's half-close")


async def _caller_closes(trial: Trial) -> Observation:
    """Close at the end of a frame, and within one; then look for the server's sockets."""
    whole, within = await trial.call(), await trial.call()
    for probe in (whole, within):
        await trial.speak(probe, _FRAMES)
    await within.send(audio_frame(trial.sounds.next())[:100])
    if not all(map(_state, (whole, within))):
        return unknown("the server's sockets are not in this machine's /proc/net/tcp: run the check on its machine")
    for probe in (whole, within):
        probe.half_close()  # a close alone resets where something is unread: that is another case
    await asyncio.sleep(_SETTLE_S)
    for probe in (whole, within):
        probe.close()
    left = await _lingering(trial, {"at the end of a frame": whole, "within a frame": within})
    if not left:
        return passed("the server closed its sockets, too")
    return failed(
        f"{trial.times.linger_s:g} s after the caller closed {' and '.join(left)}, the server's socket is in "
        f"{CLOSE_WAIT}"
    )


async def _lingering(trial: Trial, probes: dict[str, Probe]) -> list[str]:
    """Wait for the server's sockets to be closed; returns where they are not."""
    left = list(probes)
    for _ in range(10):
        await asyncio.sleep(trial.times.linger_s / 10)
        left = [where for where, probe in probes.items() if _state(probe) == CLOSE_WAIT]
        if not left:
            break
    return left


def _state(probe: Probe) -> str | None:
    return state_of(probe.passed.theirs, probe.passed.ours) if probe.passed.theirs else None


async def _no_uuid(trial: Trial) -> Observation:
    other = await trial.call()
    probe = await trial.dial()
    await asyncio.sleep(_SETTLE_S)
    probe.close()
    return await _others(trial, other)


async def _reset_before_uuid(trial: Trial) -> Observation:
    other = await trial.call()
    probe = await trial.dial()
    await asyncio.sleep(_SETTLE_S)
    probe.reset()
    return await _others(trial, other)


async def _reset_in_frame(trial: Trial) -> Observation:
    other, probe = await trial.call(), await trial.call()
    await trial.speak(probe, _FRAMES)
    await probe.send(audio_frame(trial.sounds.next())[:100])
    await asyncio.sleep(_SETTLE_S)
    probe.reset()
    return await _others(trial, other)


async def _reset_in_call(trial: Trial) -> Observation:
    other, probe, deaf = await trial.call(), await trial.call(), await trial.call()
    await trial.speak(probe, _FRAMES)
    await asyncio.sleep(_SETTLE_S)
    probe.reset()
    deaf.stop_reading()
    await trial.speak(deaf, _FRAMES)
    await asyncio.sleep(_UNREAD_S)
    deaf.close()  # a reset where something is unread
    return await _others(trial, other)


async def _others(trial: Trial, other: Probe) -> Observation:
    await asyncio.sleep(_SETTLE_S)
    return await trial.judge_others(other) or passed(_OTHERS)


_RESET: Final = "a call ends with FIN or RST: close() resets where something is unread, which is normal"
_SURVIVE: Final = "take a reset as the end of that call alone, wherever it is read or written"

END_CASES: Final = (
    Case(
        id="end/hangup-frame",
        level=Level.SHOULD,
        requirement="A server that ends a call sends a hangup frame first.",
        expected="00 00 00 comes before the connection ends.",
        asterisk="releases before 20.14, 21.9 and 22.4 spin at 100 % CPU on a bare close (audiosocket_run)",
        cure="send 00 00 00, half-close, read to the end, then close",
        run=_hangup_frame,
        shown_by_replay=True,
    ),
    Case(
        id="end/half-close",
        level=Level.INFO,
        requirement="The end of the caller's stream ends the call.",
        expected="The server closes within 5 s of a caller's half-close.",
        asterisk="Asterisk closes both ways at once; proxies pass a half-close on",
        cure="close when a read returns the end of the stream; do not wait for a write to fail",
        run=_half_close,
    ),
    Case(
        id="end/caller-closes",
        level=Level.SHOULD,
        requirement="The server's socket is closed after the caller's.",
        expected=f"5 s after the caller closed, at the end of a frame or within one, no socket is in {CLOSE_WAIT}.",
        asterisk="a call ends with close() and no word before it; a short write cuts the last frame",
        cure="close the socket on every way out of a call, also when it ends within a frame",
        run=_caller_closes,
    ),
    Case(
        id="end/no-uuid",
        level=Level.MUST,
        requirement="A connection that closes without a UUID disturbs no other call.",
        expected="Another call goes on, and a new one is answered.",
        asterisk="audiosocket_exec connects before it finds that the channel is not answered, and closes",
        cure="take the end of the stream before a UUID as the end of that connection alone",
        run=_no_uuid,
        alone=True,
    ),
    Case(
        id="end/reset-before-uuid",
        level=Level.MUST,
        requirement="A reset before the UUID disturbs no other call.",
        expected="Another call goes on, and a new one is answered.",
        asterisk=_RESET,
        cure=_SURVIVE,
        run=_reset_before_uuid,
        alone=True,
    ),
    Case(
        id="end/reset-in-frame",
        level=Level.MUST,
        requirement="A reset within a frame disturbs no other call.",
        expected="Another call goes on, and a new one is answered.",
        asterisk=_RESET,
        cure=_SURVIVE,
        run=_reset_in_frame,
        alone=True,
    ),
    Case(
        id="end/reset-in-call",
        level=Level.MUST,
        requirement="A reset between frames disturbs no other call.",
        expected="Another call goes on, and a new one is answered.",
        asterisk=_RESET,
        cure=_SURVIVE,
        run=_reset_in_call,
        alone=True,
    ),
)
