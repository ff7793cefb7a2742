"""Each case catches the server that has its fault, and no other case does; a server without a fault passes all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace

import pytest

from audiosocket_cli.asterisk.releases import NEWEST, Release
from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.model import Case, CaseResult, Verdict
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.check.running import Plan, Run
from audiosocket_cli.check.speech import load_speech
from audiosocket_cli.check.trial import Setting, Times, TurnTaking
from audiosocket_cli.net.address import Address
from support.faulty import FAULTY, EchoServer, serving
from support.talkers import FAULTY_TALKERS, TalkServer

TIMES = Times(
    hold_s=2.0, quiet_s=3.4, silence_s=2.5, pace_s=3.0, late_uuid_s=1.0, linger_s=1.5, half_frame_s=0.5,
    until_end_s=3.6, many_calls=20, short_calls=100, patience_s=1.0, late_s=2.0,
)  # fmt: skip
"""As short as they can be for the faults of `support.faulty` and `support.talkers`."""

TURNS = TurnTaking(1.4, 0.6, load_speech())

FAULTS = FAULTY | FAULTY_TALKERS

OF_TURNS = {"turn", "bargein"}

OLD = Release(20, 12)
"""For the case that is about old releases only."""

ALL = bool(os.environ.pop("AUDIOSOCKET_ALL_FAULTS", ""))
"""Try each faulty server with all cases, which takes half an hour; else with its own, and quick ones of its group."""

SLOW = {"idle", "pace", "load", "end"}


def try_cases(server: EchoServer, cases: Sequence[Case], release: Release = NEWEST) -> list[CaseResult]:
    async def whole() -> list[CaseResult]:
        nature = Nature(echoes=True, speaks=True)
        if isinstance(server, FAULTY["start/goes-on"]):
            nature = Nature(ended_s=0.0, how="closed the connection at once")
        elif isinstance(server, TalkServer):
            nature = Nature(speaks=True)
        setting = Setting(Address("127.0.0.1", server.port), nature, release, TIMES, [os.getpid()], TURNS)
        run = Run(Plan(cases, jobs=5 if isinstance(server, TalkServer) else 3), setting)
        await run.all_cases()
        return run.results

    return asyncio.run(whole())


def tried_with(case: Case) -> list[Case]:
    if ALL:
        return list(CASES)
    if case.group in OF_TURNS:
        return of_turns()
    return [
        each
        for each in CASES
        if each is case or (each.group == case.group and not each.alone and each.group not in SLOW)
    ]


def of_turns() -> list[Case]:
    """They run side by side here: they wait most of the time, and for a server that has no other work."""
    return [replace(each, alone=False) for each in CASES if each.group in OF_TURNS]


def test_there_is_a_server_for_each_case() -> None:
    assert list(FAULTS) == [case.id for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_fault_is_caught_by_its_case_alone(case: Case) -> None:
    release = OLD if case.id == "sends/rates" else NEWEST
    with serving(FAULTS[case.id]) as server:
        results = try_cases(server, tried_with(case), release)
    failed = {result.case.id: result.observed for result in results if result.verdict is Verdict.FAIL}
    if "frame/split" in case.id:
        failed.pop("frame/byte-by-byte", None)  # a busy machine sends bytes as far apart as halves
    assert list(failed) == [case.id], failed


def test_a_server_without_a_fault_passes_all() -> None:
    with serving() as server:
        results = try_cases(server, [case for case in CASES if case.group not in {"pace", "load", *OF_TURNS}])
        results += try_cases(server, [case for case in CASES if case.group in ("pace", "load")])
    others = {result.case.id: result.observed for result in results if result.verdict is not Verdict.PASS}
    assert list(others) == ["sends/rates", "end/hangup-frame"], others


def test_a_server_that_takes_turns_passes_all_of_them() -> None:
    with serving(TalkServer) as server:
        results = try_cases(server, of_turns())
    others = {result.case.id: result.observed for result in results if result.verdict is not Verdict.PASS}
    assert others == {}
    measured_s = {result.case.id: result.measured_s for result in results if result.measured_s}
    assert list(measured_s) == ["turn/answers", "turn/second-turn", "bargein/falls-silent", "bargein/next-turn"]


def test_an_echo_takes_no_turns() -> None:
    with serving() as server:
        results = try_cases(server, of_turns())
    assert {(result.verdict, result.observed) for result in results} == {(Verdict.SKIP, "an echo takes no turns")}


def test_an_old_release_is_judged_by_its_own_rules() -> None:
    with serving() as server:
        results = try_cases(server, [case for case in CASES if case.group in ("kind", "sends")], OLD)
    skipped = {result.case.id for result in results if result.verdict is Verdict.SKIP}
    assert {"kind/digits", "kind/slin16", "kind/change", "sends/kinds", "sends/empty"} <= skipped
    assert "sends/rates" not in skipped
    assert "kind/slin" not in skipped
    assert [result.case.id for result in results if result.verdict is Verdict.FAIL] == []
