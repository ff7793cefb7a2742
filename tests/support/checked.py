"""Servers that are checked, and reports of a check that was never run, for what is made of reports."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from audiosocket_cli.asterisk.releases import NEWEST
from audiosocket_cli.check.catalogue import CASES, choose
from audiosocket_cli.check.model import Attempt, Case, CaseResult, Level, Observation, Report, Verdict
from audiosocket_cli.check.running import Plan, Run
from audiosocket_cli.check.subject import Subject
from audiosocket_cli.check.trial import Setting, Times
from audiosocket_cli.net.address import Address

PASS, FAIL, SKIP, UNKNOWN = Verdict

MUST_ID, SHOULD_ID, INFO_ID = "frame/coalesced", "pace/rate", "kind/error"

OF_TURNS = {case.id for case in CASES if case.group in ("turn", "bargein")}

TIMES = Times(
    hold_s=3.0, quiet_s=3.0, silence_s=3.0, pace_s=4.0, late_uuid_s=2.0, linger_s=3.0, half_frame_s=1.0,
    until_end_s=2.0, many_calls=50, short_calls=200,
)  # fmt: skip


_WITNESS = """
import time
while True:
    due_s = time.monotonic() + 0.01
    time.sleep(0.01)
    if time.monotonic() > due_s + 0.03:
        print(time.monotonic(), flush=True)
"""


class WitnessedRun(Run):
    """A run beside a process that only sleeps, and says when it was woken late: a server may have been, too."""

    def __init__(self, plan: Plan, setting: Setting, subject: Subject) -> None:
        super().__init__(plan, setting, subject, self._look)
        self.disturbed: set[str] = set()
        """The cases during which the witness was late."""
        self._late_s = 0.0

    async def witnessed(self) -> None:
        """Run all cases."""
        witness = await asyncio.create_subprocess_exec(sys.executable, "-c", _WITNESS, stdout=asyncio.subprocess.PIPE)
        assert witness.stdout is not None
        listening = asyncio.create_task(self._listen(witness.stdout))
        try:
            await self.to_end()
        finally:
            witness.kill()
            await witness.wait()
            await listening

    async def _listen(self, witness: asyncio.StreamReader) -> None:
        async for line in witness:
            self._late_s = float(line)

    def _look(self, case: Case, attempt: Attempt, done: int, total: int) -> None:
        if self._late_s > time.monotonic() - attempt.elapsed_s:
            self.disturbed.add(case.id)


def check_whole(command: Sequence[str], target: Address) -> WitnessedRun:
    """Start a server, and try all cases."""

    async def whole() -> WitnessedRun:
        run = WitnessedRun(Plan(CASES), Setting(target, times=TIMES), Subject(command, target, 30))
        await run.witnessed()
        return run

    return asyncio.run(whole())


def with_verdict(run: Run, verdict: Verdict) -> dict[str, str]:
    """Return the cases that got a verdict, with what was observed."""
    return {result.case.id: result.observed for result in run.results if result.verdict is verdict}


def not_judged(run: WitnessedRun) -> set[str]:
    """Return the cases of pace that this machine was too busy for, as the check says of each, or as was witnessed."""
    said = {case for case, observed in with_verdict(run, UNKNOWN).items() if "but this machine was" in observed}
    return {"pace/rate", "pace/bursts"} & (said | run.disturbed)


def result(case_id: str, *verdicts: Verdict, observed: str = "", **more: Any) -> CaseResult:
    (case,) = choose([case_id], [], Level.INFO)
    attempts = [Attempt(Observation(each, observed or f"it was a {each.value}"), 0.25, **more) for each in verdicts]
    return CaseResult(case, attempts)


def report(results: Iterable[CaseResult], **more: Any) -> Report:
    return Report(
        "127.0.0.1:9092", NEWEST, "the server echoes", list(results), "2026-11-29T20:00:00.000+00:00", 1.5, **more
    )
