"""load/: calls at the same time do not mix, and many in a row leak nothing."""

from __future__ import annotations

import asyncio
from typing import Final

from audiosocket_cli.check.model import Case, Level, Observation, failed, passed, skipped, unknown
from audiosocket_cli.check.probe import Probe
from audiosocket_cli.check.sockets import Held, held_by
from audiosocket_cli.check.sounds import audio_frame
from audiosocket_cli.check.trial import ECHO_MODE, Trial
from audiosocket_cli.errors import NetworkError

_FEW: Final = 10
_FRAMES: Final = 50
_AT_ONCE: Final = 10
_MAX_BYTES: Final = 256 << 10
"""Kept of each call: ten seconds of audio."""
_WARM_UP: Final = 10
"""One in so many of the short calls comes before the first look."""
_LOOKS: Final = 10
_MAX_KIB_A_CALL: Final = 20
_SPARE: Final = 10
"""So many descriptors or threads more may be chance."""


async def _ten(trial: Trial) -> Observation:
    return await _at_once(trial, _FEW)


async def _many(trial: Trial) -> Observation:
    return await _at_once(trial, trial.times.many_calls)


async def _at_once(trial: Trial, count: int) -> Observation:
    try:
        probes = [await trial.call(max_bytes=_MAX_BYTES) for _ in range(count)]
    except NetworkError as error:
        return failed(f"call {len(trial.probes) + 1} of {count} was not answered: {error}")
    said = [trial.sounds.many(_FRAMES) for _ in probes]
    await asyncio.gather(*(probe.speak(map(audio_frame, own)) for probe, own in zip(probes, said, strict=True)))
    ended = [probe for probe in probes if probe.is_over]
    if ended:
        end = trial.ended(ended[0])
        return Observation(end.verdict, f"{len(ended)} of {count} calls did not go on: {end.observed}")
    if not trial.nature.echoes:
        return unknown(f"all {count} calls went on, but whether they mixed cannot be seen: {ECHO_MODE}")
    mixed = await _mixed(trial, probes, said)
    heard = await asyncio.gather(*(trial.heard(probe, own) for probe, own in zip(probes, said, strict=True)))
    deaf = sum(not all(each) for each in heard)
    if mixed:
        return failed(
            f"{len(mixed)} of {count} callers heard another one: call {mixed[0][0] + 1} heard call {mixed[0][1] + 1}"
        )
    if deaf:
        return failed(f"{deaf} of {count} callers did not hear all that they had said")
    return passed(f"{count} callers at once heard what they had said, and nobody else")


async def _mixed(trial: Trial, probes: list[Probe], said: list[list[bytes]]) -> list[tuple[int, int]]:
    """Return who heard whom."""
    await probes[-1].until(lambda: said[-1][-1] in probes[-1].audio, trial.times.patience_s)
    return [
        (number, other)
        for number, probe in enumerate(probes)
        for other, words in enumerate(said)
        if other != number and words[_FRAMES // 2] in probe.audio
    ]


async def _short_calls(trial: Trial) -> Observation:
    if not trial.pids:
        return skipped("which process the server is, is not known: add --pid, or start it with -- CMD")
    count = trial.times.short_calls
    await _call_shortly(trial, count // _WARM_UP)
    await asyncio.sleep(trial.times.linger_s / 2)
    before = held_by(trial.pids)
    if before is None:
        return skipped(f"process {trial.pids[0]} cannot be looked at in /proc")
    await _call_shortly(trial, count)
    for _ in range(_LOOKS):  # what has to end may take a moment
        await asyncio.sleep(trial.times.linger_s / _LOOKS)
        after = held_by(trial.pids) or before
        grown = _grown(before, after, count)
        if not grown:
            return passed(
                f"after {count} short calls the server holds {after.descriptors} open files, and {before.descriptors} "
                "before them"
            )
    return failed(f"after {count} short calls the server holds {', '.join(grown)}")


def _grown(before: Held, after: Held, count: int) -> list[str]:
    grown = [
        f"{now - then} {what} more" for what, then, now in
        (("open files", before.descriptors, after.descriptors), ("threads", before.threads, after.threads))
        if now - then > max(_SPARE, count // 100)
    ]  # fmt: skip
    kib = after.rss_kib - before.rss_kib
    if kib > _MAX_KIB_A_CALL * count:
        grown.append(f"{kib / 1024:.1f} MiB more memory")
    return grown


async def _call_shortly(trial: Trial, count: int) -> None:
    """Place calls of a frame each, some at once."""

    async def place(number: int) -> None:
        for _ in range(number, count, _AT_ONCE):
            probe = await trial.call(max_bytes=_MAX_BYTES)
            await probe.send(audio_frame(trial.sounds.next()))
            probe.close()
            trial.probes.remove(probe)

    await asyncio.gather(*map(place, range(_AT_ONCE)))


def _lacks_uuids(known: int, calls: int) -> str | None:
    if 0 < known < calls:
        return f"{calls} calls at once need as many UUIDs, and --uuid gives {known}"
    return None


LOAD_CASES: Final = (
    Case(
        id="load/10-calls",
        level=Level.MUST,
        requirement="Ten calls at once do not mix.",
        expected="Ten callers each hear what they have said, and nobody else.",
        asterisk="each call has a connection of its own (ast_audiosocket_connect)",
        cure="keep all that belongs to a call in an object of its own, and nothing in globals",
        run=_ten,
        needs=lambda setting: _lacks_uuids(setting.uuids.known, _FEW),
        alone=True,
    ),
    Case(
        id="load/100-calls",
        level=Level.SHOULD,
        requirement="A hundred calls at once do not mix.",
        expected="A hundred callers each hear what they have said, and nobody else.",
        asterisk="each call has a connection of its own (ast_audiosocket_connect)",
        cure="serve calls side by side; audiosocket bench finds how many a server carries",
        run=_many,
        needs=lambda setting: _lacks_uuids(setting.uuids.known, setting.times.many_calls),
        alone=True,
    ),
    Case(
        id="load/short-calls",
        level=Level.SHOULD,
        requirement="A thousand short calls leak nothing.",
        expected="After 1,000 calls the server holds as many open files and threads as before, and no more than 20 MiB "
        "of memory more.",
        asterisk="a PBX places thousands of calls a day, most of them short",
        cure="close the socket, and end the threads and tasks of a call, on every way out of it",
        run=_short_calls,
        alone=True,
    ),
)
