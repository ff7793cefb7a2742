"""Running cases: side by side where they do not disturb each other, then the rest one by one.

A server of our own that dies is started again. When several cases ran at that moment, nobody knows which of them it
was: each of them is tried again, alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from audiosocket_cli.check.evidence import Passed, lines_of, write_capture
from audiosocket_cli.check.model import Attempt, Case, CaseResult, Observation, Verdict, failed, skipped, unknown
from audiosocket_cli.check.nature import Nature, find_nature
from audiosocket_cli.check.subject import Subject
from audiosocket_cli.check.trial import Setting, Trial
from audiosocket_cli.check.websocket import why_not_over_websocket
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.dialler import Dialler
from audiosocket_cli.net.loop import signals_to
from audiosocket_cli.net.target import WebSocketTarget
from audiosocket_cli.text import counted

_SPARE_S: Final = 120.0
"""How much longer a case may take than the longest time that is set."""

_TURNS: Final = 4
"""How many times a case waits for an answer, or for silence, at most."""

_CALLS: Final = 2
"""The most calls at once of a case that runs beside others."""

_CALLS_ALONE: Final = 4
"""The most calls at once of a case that runs alone, unless it is about many calls."""

_DEATH_S: Final = 0.05
"""A server that dies of a case may take so long."""

OnAttempt = Callable[[Case, Attempt, int, int], None]
"""Told after each attempt: how many of how many are done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    cases: Sequence[Case]
    repeat: int = 1
    jobs: int = 4
    evidence: Path | None = None
    """A folder for captures of what failed."""
    application: str = "audiosocket"
    """What captures say that they were made by."""


class Run:
    """A run of some cases against one server."""

    def __init__(
        self, plan: Plan, setting: Setting, subject: Subject | None = None, on_attempt: OnAttempt | None = None
    ) -> None:
        self._plan = plan
        self._setting = setting
        self._dialler = Dialler(setting.target)
        self._subject = subject
        self._on_attempt = on_attempt
        self._attempts: dict[str, list[Attempt]] = {case.id: [] for case in plan.cases}
        self._again: list[Case] = []
        self._lost = 0
        self._notes: Counter[str] = Counter()
        self.lost_evidence = False
        """Whether a capture of what failed could not be written."""
        self.unreachable = False
        """Whether nobody could be connected to any more at the end."""

    @property
    def notes(self) -> list[str]:
        """What happened to the server's process, and other things to know, each once."""
        return [text if count == 1 else f"{text} ({count} times)" for text, count in self._notes.items()]

    def _note(self, text: str) -> None:
        self._notes[text] += 1

    @property
    def nature(self) -> Nature:
        """What the server does in a plain call."""
        return self._setting.nature

    @property
    def results(self) -> list[CaseResult]:
        """What came of the cases that were tried, in order."""
        return [CaseResult(case, found) for case in self._plan.cases if (found := self._attempts[case.id])]

    async def to_end(self, on_nature: Callable[[Nature], object] = lambda nature: None) -> int | None:
        """Place a first call, and then try all cases; the server's own process is ended. Returns the signal that came
        before the end, if one did. Raises `NetworkError` when the server cannot be reached."""
        signals: list[int] = []

        async def whole() -> None:
            await self.first_call()
            on_nature(self.nature)
            await self.all_cases()

        task = asyncio.create_task(whole(), name="all cases")

        def stop(number: int) -> None:
            signals.append(number)
            task.cancel()

        with signals_to(stop):
            try:
                await task
            except asyncio.CancelledError:
                if not signals:
                    raise
            finally:
                if self._subject is not None:
                    await self._subject.end()
                await self._dialler.finish()
        return signals[0] if signals else None

    async def first_call(self) -> None:
        """Find out what the server does. Raises `NetworkError` when it cannot be reached."""
        await self._revive()
        trial = Trial(self._setting, "the first call", self._dialler)
        try:
            self._setting = replace(self._setting, nature=await find_nature(await trial.call()))
        finally:
            await trial.close()

    async def all_cases(self) -> None:
        """Try all cases as many times as is wanted."""
        known = self._setting.uuids.known
        if 0 < known < _CALLS_ALONE:
            self._note(
                f"--uuid gives {counted(known, 'UUID')}: some calls at the same time have the same UUID; give "
                f"{_CALLS_ALONE} or more if the server refuses this"
            )
        wanted: list[Case] = []
        for case in self._plan.cases:
            reason = self._reason(case)
            if reason is None:
                wanted += [case] * self._plan.repeat
            else:
                self._keep(case, Attempt(skipped(reason), 0.0))
        await self._side_by_side([case for case in wanted if not case.alone])
        for case in [*self._again, *(case for case in wanted if case.alone)]:
            self._keep(case, await self._attempt(case, alone=True))
        if self._lost:
            await self._look_for_server()

    def _reason(self, case: Case) -> str | None:
        """Say why a case is not tried; None where it is."""
        target = self._setting.target
        if isinstance(target, WebSocketTarget):
            return why_not_over_websocket(case, target.protocol) or case.needs(self._setting)
        return case.applies(self._setting.release) or case.needs(self._setting)

    async def _side_by_side(self, cases: Sequence[Case]) -> None:
        todo = sorted(cases, key=lambda case: case.group != "idle")  # the longest first
        todo.reverse()

        async def work() -> None:
            while todo:
                case = todo.pop()
                starts = self._starts
                attempt = await self._attempt(case, alone=False)
                if starts != self._starts or self._death() is not None:
                    self._again.append(case)
                else:
                    self._keep(case, attempt)

        async with asyncio.TaskGroup() as workers:
            for _ in range(self._jobs):
                workers.create_task(work())

    @property
    def _jobs(self) -> int:
        """How many cases run at once: of known UUIDs no two calls at the same time should have the same."""
        known = self._setting.uuids.known
        return min(self._plan.jobs, max(1, known // _CALLS)) if known else self._plan.jobs

    @property
    def _starts(self) -> int:
        return 0 if self._subject is None else self._subject.starts

    def _death(self) -> str | None:
        return None if self._subject is None else self._subject.how_it_died()

    def _keep(self, case: Case, attempt: Attempt) -> None:
        self._attempts[case.id].append(attempt)
        if self._on_attempt is not None:
            done = sum(map(len, self._attempts.values()))
            skips = sum(self._reason(case) is not None for case in self._plan.cases)
            total = (len(self._attempts) - skips) * self._plan.repeat + skips
            self._on_attempt(case, attempt, done, total)

    async def _attempt(self, case: Case, *, alone: bool) -> Attempt:
        begun_s = time.monotonic()
        try:
            await self._revive()
        except NetworkError as error:
            self._lost += 1
            return Attempt(unknown(str(error)), 0.0)
        pids = self._setting.pids or ([] if self._subject is None else self._subject.pids())
        trial = Trial(replace(self._setting, pids=pids), case.id, self._dialler)
        try:
            observation = await self._observe(case, trial)
        finally:
            await trial.close()
        if alone and self._subject is not None:
            await asyncio.sleep(_DEATH_S)
            observation = _blame(observation, self._death())
        return self._attempt_of(case, trial, observation, begun_s)

    async def _observe(self, case: Case, trial: Trial) -> Observation:
        times = self._setting.times
        limit_s = _SPARE_S + max(times.hold_s, times.quiet_s, times.pace_s, times.until_end_s)
        limit_s += _TURNS * (self._setting.turns.answer_within_s + self._setting.turns.silent_within_s)
        try:
            async with asyncio.timeout(limit_s):
                return await case.run(trial)
        except TimeoutError:
            return unknown(f"the case took longer than {limit_s:g} s")
        except NetworkError as error:
            self._lost += 1
            return unknown(str(error))

    def _attempt_of(self, case: Case, trial: Trial, observation: Observation, begun_s: float) -> Attempt:
        """Add to an observation what proves it."""
        elapsed_s = time.monotonic() - begun_s
        if observation.verdict not in (Verdict.FAIL, Verdict.UNKNOWN):
            return Attempt(observation, elapsed_s)
        connections = [probe.passed for probe in trial.probes]
        log = [] if self._subject is None else self._subject.log.since(begun_s)
        is_failed = observation.verdict is Verdict.FAIL
        capture = self._captured(case, observation, connections) if is_failed else None
        return Attempt(observation, elapsed_s, lines_of(connections), log, capture)

    def _captured(self, case: Case, observation: Observation, connections: Sequence[Passed]) -> Path | None:
        folder = self._plan.evidence
        if folder is None or not connections:
            return None
        remark = f"{case.id} ({case.level.value}): {observation.observed}"
        try:
            return write_capture(folder, case.id.replace("/", "-"), connections, remark, self._plan.application)
        except OSError as error:
            self.lost_evidence = True
            self._note(f"the evidence of {case.id} could not be written: {(error.strerror or str(error)).lower()}")
            return None

    async def _revive(self) -> None:
        """Start the server, the first time or again. Raises `NetworkError`."""
        if self._subject is not None:
            await self._subject.revive(lambda died: self._note(f"{died} during the check, and was started again"))

    async def _look_for_server(self) -> None:
        try:
            await self._revive()
            (await self._dialler.dial()).socket.close()
        except NetworkError as error:
            self.unreachable = True
            self._note(str(error))


def _blame(observation: Observation, death: str | None) -> Observation:
    """Fail a case of which the server died."""
    return observation if death is None else failed(f"{death} during this case ({observation.observed})")
