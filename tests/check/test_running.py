"""A run: side by side and alone, a server that dies, evidence of failures."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.check.catalogue import choose
from audiosocket_cli.check.model import Case, Level, Observation, Verdict, failed, passed
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.running import Plan, Run
from audiosocket_cli.check.subject import Subject, free_port
from audiosocket_cli.check.trial import Setting, Times, Trial
from audiosocket_cli.check.uuids import Uuids
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.errors import NetworkError
from audiosocket_cli.net.address import Address
from support.faulty import FAULTY, serving

ECHO = Nature(echoes=True, speaks=True)
FAULTY_COMMAND = [sys.executable, str(Path(__file__).parents[1] / "support" / "faulty.py"), "{port}"]


def case(run: object, **more: object) -> Case:
    (one,) = choose(["frame/coalesced"], [], Level.INFO)
    return replace(one, run=run, **more)  # type: ignore[arg-type]


def run_cases(cases: Sequence[Case], port: int, subject: Subject | None = None, **more: object) -> Run:
    async def whole() -> Run:
        setting = Setting(Address("127.0.0.1", port), ECHO, times=Times(patience_s=0.5))
        run = Run(Plan(cases, **more), setting, subject)  # type: ignore[arg-type]
        try:
            await run.all_cases()
        finally:
            if subject is not None:
                await subject.end()
        return run

    return asyncio.run(whole())


def test_cases_run_side_by_side_and_some_alone() -> None:
    running: list[str] = []
    at_once: dict[str, int] = {}
    four = asyncio.Barrier(4)

    def trying(name: str) -> object:
        async def wait() -> None:
            await (asyncio.sleep(0.1) if int(name) > 3 else asyncio.wait_for(four.wait(), 30))

        async def run(trial: Trial) -> Observation:
            running.append(name)
            await wait()
            at_once[name] = len(running)
            await wait()
            running.remove(name)
            return passed("it ran")

        return run

    cases = [case(trying(f"{number}"), id=f"frame/{number}", alone=number > 3) for number in range(6)]
    with serving() as server:
        run = run_cases(cases, server.port, jobs=4)
    assert at_once == {"0": 4, "1": 4, "2": 4, "3": 4, "4": 1, "5": 1}
    assert [result.case.id for result in run.results] == [f"frame/{number}" for number in range(6)]


def test_each_attempt_is_kept() -> None:
    verdicts = iter([passed("1"), failed("2"), passed("3")])

    async def run(trial: Trial) -> Observation:
        return next(verdicts)

    with serving() as server:
        (result,) = run_cases([case(run)], server.port, repeat=3, jobs=1).results
    assert [attempt.observation.observed for attempt in result.attempts] == ["1", "2", "3"]
    assert (result.verdict, result.observed) == (Verdict.FAIL, "2")


def test_a_case_that_does_not_apply_is_skipped_once() -> None:
    def reason(release: Release) -> str:
        return f"not for {release}"

    async def run(trial: Trial) -> Observation:
        raise AssertionError("it must not run")

    with serving() as server:
        (result,) = run_cases([case(run, applies=reason)], server.port, repeat=5).results
    assert [attempt.observation.observed for attempt in result.attempts] == ["not for 23.4"]
    assert result.verdict is Verdict.SKIP


def test_a_case_that_lacks_something_is_skipped_once() -> None:
    async def run(trial: Trial) -> Observation:
        raise AssertionError("it must not run")

    lacking = case(run, needs=lambda setting: f"not for a server that {str(setting.nature).split()[2]}")
    with serving() as server:
        (result,) = run_cases([lacking], server.port, repeat=5).results
    assert [attempt.observation.observed for attempt in result.attempts] == ["not for a server that echoes"]
    assert result.verdict is Verdict.SKIP


def test_calls_at_once_have_no_uuid_in_common() -> None:
    seen: list[set[UUID]] = []
    running: list[UUID] = []

    async def run(trial: Trial) -> Observation:
        uuid = UUID(bytes=trial.opening()[3:])
        running.append(uuid)
        seen.append(set(running))
        await asyncio.sleep(0.05)
        assert len(set(running)) == len(running)
        running.remove(uuid)
        return passed("it ran")

    async def whole(port: int, count: int) -> Run:
        known = Uuids([UUID(int=number) for number in range(count)])
        done = Run(Plan([case(run)], repeat=9, jobs=8), Setting(Address("127.0.0.1", port), uuids=known))
        await done.all_cases()
        return done

    with serving() as server:
        done = asyncio.run(whole(server.port, 4))
        assert max(map(len, seen)) == 2
        few = asyncio.run(whole(server.port, 1))
    assert done.results[0].verdict is few.results[0].verdict is Verdict.PASS
    assert done.notes == []
    assert few.notes == [
        "--uuid gives 1 UUID: some calls at the same time have the same UUID; give 4 or more if the server refuses this"
    ]


def test_a_case_that_never_ends_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiosocket_cli.check.running._SPARE_S", -59.8)

    async def run(trial: Trial) -> Observation:
        await asyncio.Event().wait()
        return passed("never")

    begun_s = time.monotonic()
    with serving() as server:
        (result,) = run_cases([case(run)], server.port).results
    assert result.verdict is Verdict.UNKNOWN
    assert "took longer than 0.2 s" in result.observed
    assert time.monotonic() - begun_s < 30


def test_a_failure_has_its_evidence(tmp_path: Path) -> None:
    with serving(FAULTY["frame/coalesced"]) as server:
        (result,) = run_cases(choose(["frame/coalesced"], [], Level.INFO), server.port, evidence=tmp_path).results
    attempt = result.worst
    assert attempt.capture == tmp_path / "frame-coalesced.pcapng"
    assert b" of the 10 frames, and " in attempt.capture.read_bytes()
    assert any("3230 bytes, ends 10 frames" in line for line in attempt.evidence)


def test_evidence_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with serving(FAULTY["frame/coalesced"]) as server:
        run = run_cases(choose(["frame/coalesced"], [], Level.INFO), server.port, evidence=tmp_path / "file")
    assert run.lost_evidence
    assert "the evidence of frame/coalesced could not be written" in run.notes[0]
    assert run.results[0].verdict is Verdict.FAIL


def test_a_server_that_is_gone_is_unknown_and_told() -> None:
    async def run(trial: Trial) -> Observation:
        await trial.call()
        return passed("it answered")

    found = run_cases([case(run)], free_port())
    assert found.unreachable
    assert found.results[0].verdict is Verdict.UNKNOWN
    assert "cannot connect" in found.results[0].observed


def test_a_first_call_to_nobody_is_an_error() -> None:
    async def whole() -> None:
        with pytest.raises(NetworkError, match="cannot connect"):
            await Run(Plan([]), Setting(Address("127.0.0.1", free_port()))).to_end()

    asyncio.run(whole())


def subject_of(port: int, fault: str = "") -> Subject:
    return Subject([*FAULTY_COMMAND, *([fault] if fault else [])], Address("127.0.0.1", port), 20)


async def _kills(trial: Trial) -> Observation:
    """What no server survives: it is killed."""
    import os
    import signal

    os.kill(trial.pids[0], signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # it was noticed meanwhile
        await asyncio.to_thread(os.waitid, os.P_PID, trial.pids[0], os.WEXITED | os.WNOWAIT)
    return passed("it was killed")


async def _answers(trial: Trial) -> Observation:
    probe = await trial.call()
    await probe.send(encode(Frame(Kind.SLIN, b"ab")))
    await asyncio.sleep(0.6)
    return passed("it answered") if probe.ended is None else failed("it did not answer")


def test_a_server_that_dies_is_started_again_and_the_case_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    port = free_port()
    cases = [case(_kills, id="frame/kills", alone=True), case(_answers, id="frame/answers", alone=True)]
    run = run_cases(cases, port, subject_of(port))
    assert {result.case.id: result.verdict for result in run.results} == {
        "frame/kills": Verdict.FAIL,
        "frame/answers": Verdict.PASS,
    }
    assert "the server was killed by SIGKILL during this case" in run.results[0].observed
    assert run.notes == ["the server was killed by SIGKILL during the check, and was started again"]


def test_of_cases_side_by_side_only_the_one_that_kills_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    port = free_port()
    cases = [case(_answers, id=f"frame/answers{number}") for number in range(3)]
    cases.insert(1, case(_kills, id="frame/kills"))
    run = run_cases(cases, port, subject_of(port))
    verdicts = {result.case.id: result.verdict for result in run.results}
    assert verdicts.pop("frame/kills") is Verdict.FAIL
    assert set(verdicts.values()) == {Verdict.PASS}
