"""The forms: what each does, for which release. A real Asterisk calls them in tests/system/test_dialplans.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import audiosocket_cli
from audiosocket_cli.asterisk.dialplan import forms
from audiosocket_cli.asterisk.dialplan.wish import wish
from audiosocket_cli.asterisk.dialplan.writing import conf_lines
from audiosocket_cli.asterisk.releases import parse_release
from audiosocket_cli.errors import UsageError

DOCS = Path(audiosocket_cli.__file__).parent / "docs"
OLD, NEW = parse_release("20.12"), parse_release("22.10.1")
TWO = ("a:1", "b:2")


def does(draft: forms.Draft, context: str = "phones", extension: str = "100") -> list[str]:
    return [step.do for step in draft.contexts[context][extension]]


def test_the_page_on_asterisk_says_these_lines() -> None:
    on_page = [re.sub(r"\s+; .*", "", line) for line in (DOCS / "asterisk.md").read_text().splitlines()]
    lines = [re.sub(r"\s+; .*", "", line) for line in conf_lines(forms.both(wish()).contexts)]
    written = [line for line in lines if line.startswith(("exten", " same"))]
    assert len(written) == 8
    for start in ("exten => 100", "exten => 101"):
        at, there = (next(n for n, line in enumerate(some) if line.startswith(start)) for some in (written, on_page))
        assert on_page[there : there + 4] == written[at : at + 4]


def test_the_second_extension_of_both_is_the_next_number() -> None:
    assert list(forms.both(wish(extension="099")).contexts["phones"]) == ["099", "100"]
    with pytest.raises(UsageError, match="add --form app"):
        forms.both(wish(extension="_1XX"))


@pytest.mark.parametrize("make", [forms.app, forms.variables, forms.recording])
def test_the_application_comes_after_an_answer(make: object) -> None:
    assert callable(make)
    steps = does(make(wish()))
    assert steps[0] == "Answer()"
    assert "AudioSocket(${CALL},127.0.0.1:9092)" in steps


def test_fail_over_tries_one_server_after_the_other() -> None:
    assert does(forms.failover(wish(TWO, NEW)))[2:5] == [
        "TryExec(AudioSocket(${CALL},a:1))", '"${TRYSTATUS}" = "SUCCESS"', "TryExec(AudioSocket(${CALL},b:2))",
    ]  # fmt: skip
    assert does(forms.failover_channel(wish(TWO, NEW)))[2:5] == [
        "Dial(AudioSocket/a:1/${CALL}/c(slin),,g)", '"${DIALSTATUS}" = "ANSWER"',
        "Dial(AudioSocket/b:2/${CALL}/c(slin),,g)",
    ]  # fmt: skip
    assert len([step for step in does(forms.failover(wish((*TWO, "c:3"), NEW))) if "TryExec" in step]) == 3


@pytest.mark.parametrize("make", [forms.failover, forms.transfer])
def test_a_release_whose_application_fails_at_each_end_gets_the_driver_and_the_reason(make: object) -> None:
    assert callable(make)
    draft = make(wish(TWO, OLD))
    assert any("Dial(AudioSocket/" in step for step in does(draft))
    assert not any(step.startswith(("AudioSocket(", "TryExec(")) for step in does(draft))
    assert any("before Asterisk 20.14, 21.9, 22.4, 23.0" in note for note in draft.notes)


def test_in_such_a_release_a_line_says_that_it_is_never_reached() -> None:
    old, new = (forms.app(wish(release=release)).contexts["phones"]["100"][-1].why for release in (OLD, NEW))
    assert (old, new) == ("never reached before Asterisk 20.14, 21.9, 22.4, 23.0", "")


def test_fail_over_needs_two_servers() -> None:
    for make in (forms.failover, forms.failover_channel):
        with pytest.raises(UsageError, match="needs two servers: add one, as in dialplan"):
            make(wish())


def test_freepbx_transfers_to_its_own_extensions() -> None:
    draft = forms.transfer(wish(style="freepbx"))
    assert [step.goto for step in draft.contexts["after-the-bot"]["sales"]] == ["from-internal,200,1", ""]
    assert does(forms.transfer(wish()), "after-the-bot", "support") == ["Dial(PJSIP/201)", "Hangup()"]


def test_what_is_known_of_a_caller_is_a_file_for_serve_variables() -> None:
    steps = does(forms.variables(wish(variables="/srv/known")))
    assert any(step.startswith('Set(FILE(/srv/known/${CALL}.json)={"number": ') for step in steps)
    assert does(forms.variables(wish(variables="/srv/known")), "audiosocket-forget", "s")[0] == (
        "System(rm -f /srv/known/${CALL}.json)"
    )


def test_a_codec_is_named_wherever_the_driver_is_dialled() -> None:
    for make in (forms.channel_driver, forms.failover_channel, forms.confbridge, forms.parking):
        steps = does(make(wish(TWO, codec="slin16")))
        assert any("/c(slin16)" in step for step in steps)


def test_who_comes_back_from_parking_is_where_they_dialled() -> None:
    draft = forms.parking(wish(extension="_1XX"))
    assert draft.contexts["audiosocket-unparked"]["s"][0].goto == "phones,${DIALLED},1"


@pytest.mark.parametrize(("release", "is_there"), [("20.11", False), ("20.12", True), ("22.1", False), ("22.2", True)])
def test_where_there_is_no_function_for_a_uuid_a_hash_makes_one(release: str, is_there: bool) -> None:
    draft = forms.fitted(forms.app(wish()), parse_release(release))
    assert does(draft)[1].startswith("Set(CALL=${UUID()})") is is_there
    assert ("func_uuid" in draft.modules, "func_md5" in draft.modules) == (is_there, not is_there)
    assert len(draft.notes) == (not is_there)
