"""Which test calls are placed, by the release and by what is loaded."""

from __future__ import annotations

from collections import Counter

from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.codec import RATE_BY_KIND, Kind
from audiosocket_cli.doctor.calls.call_plan import Aim, plan_calls
from audiosocket_cli.net.address import Address

DIAL = Address("127.0.0.1", 4000)
ALL = {aim.value for aim in Aim}
NEW, OLD = Release(22, 10), Release(20, 12)


def test_a_release_with_all_rates_is_called_at_all_of_them() -> None:
    calls = plan_calls(DIAL, NEW, ALL)
    assert Counter(call.aim for call in calls) == {Aim.ECHO: 9, Aim.BOTH: 2, Aim.TONE: 2, Aim.KEYS: 1}
    assert [call.legs[0].kind for call in calls if call.aim is Aim.ECHO] == list(RATE_BY_KIND)


def test_a_release_without_them_is_called_at_8_khz_only() -> None:
    calls = plan_calls(DIAL, OLD, ALL)
    assert Counter(call.aim for call in calls) == {Aim.ECHO: 1, Aim.BOTH: 1, Aim.TONE: 1, Aim.KEYS: 1}
    assert {leg.kind for call in calls for leg in call.legs} == {Kind.SLIN}


def test_a_release_that_is_not_known_is_called_at_all_rates() -> None:
    assert len(plan_calls(DIAL, None, ALL)) == len(plan_calls(DIAL, NEW, ALL))


def test_what_has_no_application_is_left_out() -> None:
    assert {call.aim for call in plan_calls(DIAL, NEW, {"Echo", "Dial"})} == {Aim.ECHO}
    assert plan_calls(DIAL, NEW, set()) == []


def test_the_command_dials_us_and_runs_the_application() -> None:
    calls = {call.aim: call for call in plan_calls(Address("::1", 4000), OLD, ALL)}
    (near, far) = calls[Aim.BOTH].legs
    channel = f"channel originate AudioSocket/[::1]:4000/{near.uuid}/c(slin)"
    assert calls[Aim.BOTH].command == f"{channel} application AudioSocket {far.uuid},[::1]:4000"
    assert calls[Aim.ECHO].command.endswith("/c(slin) application Echo")
    assert calls[Aim.KEYS].command.endswith("/c(slin) application SendDTMF 0123456789*#,50,100")
    assert calls[Aim.TONE].title == "Milliwatt() with c(slin)"
    assert calls[Aim.TONE].aim.module == "app_milliwatt"


def test_each_call_has_a_uuid_and_a_sound_of_its_own() -> None:
    legs = [leg for call in plan_calls(DIAL, NEW, ALL) for leg in call.legs]
    assert len({leg.uuid for leg in legs}) == len(legs)
    seeds = [leg.seed for leg in legs if leg.seed is not None]
    assert len(set(seeds)) == len(seeds)
