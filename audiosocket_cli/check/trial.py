"""One attempt at a case: what it knows, the connections that it opens, and the questions that most cases ask."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from audiosocket_cli.asterisk.releases import NEWEST, Release
from audiosocket_cli.check.model import Observation, failed, passed, unknown
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.probe import MAX_BYTES, Patience, Probe
from audiosocket_cli.check.sounds import Sounds, audio_frame
from audiosocket_cli.check.speech import Speech
from audiosocket_cli.check.uuids import Uuids
from audiosocket_cli.codec import Kind, encode, uuid_frame
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.dialler import Dialler
from audiosocket_cli.net.target import Target

ECHO_MODE: Final = "run the server in a mode that echoes to see it"

_BEFORE: Final = 5
_AFTER: Final = 5
"""Frames before and after what a case does: of a tenth of a second each."""

_LIVES_S: Final = 1.0
"""How long a call has to go on after what a case did, where nothing else can be seen."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long cases take, in seconds, and how many calls; the tests have shorter ones."""

    hold_s: float = 60.0
    quiet_s: float = 30.0
    """How long a caller says nothing at all."""
    silence_s: float = 6.0
    """How long the server is watched for something to say."""
    pace_s: float = 10.0
    late_uuid_s: float = 3.0
    linger_s: float = 5.0
    """How long a server may take to close after the caller has."""
    half_frame_s: float = 3.0
    until_end_s: float = 10.0
    """How long a call goes on, to see whether and how the server ends it."""
    many_calls: int = 100
    short_calls: int = 1000
    patience_s: float = 3.0
    """How long an echo is waited for, beyond the delay of the first call's."""
    late_s: float = 5.0
    """How much longer than its threshold an answer is waited for."""


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """The thresholds for a server that takes turns, in seconds; 0.0 where none is given."""

    answer_within_s: float = 0.0
    """How long after the end of the caller's speech it may begin to speak."""
    silent_within_s: float = 0.0
    """How long it may go on speaking when the caller interrupts it."""
    speech: Speech = field(default_factory=Speech)
    """What the caller says."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all cases of a run have in common."""

    target: Target
    nature: Nature = field(default_factory=Nature)
    release: Release = NEWEST
    times: Times = field(default_factory=Times)
    pids: Sequence[int] = ()
    """The server's processes, where they are known."""
    turns: TurnTaking = field(default_factory=TurnTaking)
    uuids: Uuids = field(default_factory=Uuids)


class Trial:
    """One attempt at a case."""

    def __init__(self, setting: Setting, seed: str, dialler: Dialler | None = None) -> None:
        """`seed` makes what is said differ from what other cases say; `dialler` connects all calls of a run."""
        self._dialler = dialler or Dialler(setting.target)
        self.nature = setting.nature
        self.release = setting.release
        self.times = setting.times
        self.pids = setting.pids
        self.turns = setting.turns
        self.sounds = Sounds(seed)
        self._uuids = setting.uuids
        self.probes: list[Probe] = []
        self.said: list[bytes] = []
        """All payloads of audio so far, in order."""
        self.extra_s = 0.0
        """How much longer than others an echo may take."""
        self.kind = Kind.SLIN
        """The kind of the audio that is said."""

    async def dial(
        self, uuid: UUID | None = None, *, max_bytes: int = MAX_BYTES, patience: Patience | None = None
    ) -> Probe:
        """Connect, and say nothing yet; a UUID that will be said may be given. Raises `NetworkError`."""
        probe = Probe(await self._dialler.dial(uuid), max_bytes=max_bytes, patience=patience)
        self.probes.append(probe)
        return probe

    async def call(
        self, uuid: UUID | None = None, *, max_bytes: int = MAX_BYTES, patience: Patience | None = None
    ) -> Probe:
        """Connect, and say a UUID. Raises `NetworkError`."""
        uuid = uuid or self._uuids.next()
        probe = await self.dial(uuid, max_bytes=max_bytes, patience=patience)
        await probe.send(self.opening(uuid))
        return probe

    def opening(self, uuid: UUID | None = None) -> bytes:
        """Return the first frame of a call: a UUID, the next one unless one is named."""
        return encode(uuid_frame(uuid or self._uuids.next()))

    async def close(self) -> None:
        """Close all connections, politely."""
        await asyncio.gather(*(probe.leave() for probe in self.probes))

    async def speak(self, probe: Probe, count: int) -> list[bytes]:
        """Say frames of 20 ms at their pace; returns their payloads."""
        said = self.sounds.many(count, self.kind)
        self.said += said
        await probe.speak(audio_frame(payload, self.kind) for payload in said)
        return said

    async def try_pieces(self, probe: Probe, pieces: Sequence[bytes], said: Sequence[bytes], *,
                         pause_s: float = 0.0) -> Observation:  # fmt: skip
        """In a call that has just begun, send pieces between ordinary frames; `said` is the audio in them, which
        should be heard, as should be what follows."""
        await self.speak(probe, _BEFORE)
        await probe.send(*pieces, pause_s=pause_s)
        return await self.judge_hearing(probe, said)

    async def judge_hearing(self, probe: Probe, said: Sequence[bytes]) -> Observation:
        """Say a few frames more, and judge by what comes back whether the call goes on, and whether `said` and they
        were heard."""
        after = await self.speak(probe, _AFTER)
        if not self.nature.echoes:
            return await self.judge_life(probe)
        heard = await self.heard(probe, [*said, *after])
        what = f"{sum(heard[: len(said)])} of the {len(said)} frames, and " if said else ""
        observed = f"heard {what}{sum(heard[len(said) :])} of the {len(after)} that followed"
        if probe.ended is not None and not all(heard):
            return self.ended(probe)
        if probe.flooded:
            return unknown(f"the server sent more than {MAX_BYTES >> 20} MiB in {probe.since_s:.1f} s")
        return passed(observed) if all(heard) else failed(observed)

    async def judge_life(self, probe: Probe, hidden: str = "whether it heard all of it cannot be seen") -> Observation:
        """Judge only whether the call goes on; what stays `hidden` makes it unknown."""
        await probe.until_ended(_LIVES_S)
        if probe.is_over:
            return self.ended(probe)
        return unknown(f"the call went on, but {hidden}: {ECHO_MODE}")

    def ended(self, probe: Probe) -> Observation:
        """Judge a call that the server ended: as it does with plain calls, too, or not."""
        usual_s = self.nature.ended_s
        took_s = probe.ended_s - probe.passed.connected_s
        if probe.ended is not None and usual_s is not None and took_s >= 0.8 * usual_s:
            return unknown(f"the server {probe.how_it_ended()}, as it does in a plain call ({usual_s:.2f} s)")
        return failed(f"the server {probe.how_it_ended()}")

    async def heard(self, probe: Probe, said: Sequence[bytes]) -> list[bool]:
        """Wait for an echo; returns for each payload whether it came back, in this order."""
        found: list[int] = []
        missing: set[int] = set()

        def has_all() -> bool:
            start = found[-1] if found else 0
            for number in range(len(found), len(said)):
                at = probe.audio.find(said[number], start)
                if at < 0:
                    return False
                start = at + len(said[number])
                found.append(start)
            return True

        wait_s = self.times.patience_s + self.extra_s + 2 * self.nature.delay_s
        if not await probe.until(has_all, wait_s):
            start = found[-1] if found else 0
            for number in range(len(found), len(said)):
                at = probe.audio.find(said[number], start)
                if at < 0:
                    missing.add(number)
                else:
                    start = at + len(said[number])
        return [number not in missing for number in range(len(said))]

    async def judge_others(self, other: Probe) -> Observation | None:
        """Say what is wrong with another call that was there all the time, or with a new one; None if nothing is."""
        if other.is_over:
            return self._ended_beside(other, "another call")
        try:
            new = await self.call()
        except NetworkError as error:
            return failed(f"no new call is answered: {error}")
        return await self._judge_both(other, new)

    async def _judge_both(self, other: Probe, new: Probe) -> Observation | None:
        for probe, which in ((other, "another call"), (new, "a new call")):
            said = await self.speak(probe, _AFTER)
            if self.nature.echoes and not all(await self.heard(probe, said)) and not probe.is_over:
                return failed(f"{which} is not heard")
            await probe.until_ended(_LIVES_S / 4)
            if probe.is_over:
                return self._ended_beside(probe, which)
        return None

    def _ended_beside(self, probe: Probe, which: str) -> Observation:
        judged = self.ended(probe)
        return Observation(judged.verdict, f"{which} did not survive: {judged.observed}")
