"""Which release has which known fault."""

from __future__ import annotations

import re

import pytest

from audiosocket_cli.asterisk.release_faults import FAULTS, Fault, faults_of
from audiosocket_cli.asterisk.releases import parse_release

OPEN = {"mute-until-server-speaks", "closes-twice"}
BEFORE_2025 = {
    "spins-on-close", "split-payload", "split-header", "comfort-noise-as-audio", "digits-lost", "dialplan-ends",
    "rates-labelled-slin", "device-state-grows", "delayed-frames", "closes-twice",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("18.5", {"ari-crash", "busy-wait"} | BEFORE_2025),
        ("18.6", {"busy-wait"} | BEFORE_2025),
        ("18.20", BEFORE_2025),
        ("19.8", {"busy-wait"} | BEFORE_2025),
        ("certified-18.9", {"busy-wait"} | BEFORE_2025),
        ("certified-20.7", BEFORE_2025),
        (
            "20.14",
            {
                "ends-on-empty-read", "split-payload", "split-header", "comfort-noise", "rates-labelled-slin",
                "device-state-grows", "delayed-frames", "closes-twice",
            },
        ),
        (
            "21.12",
            {
                "ends-on-empty-read", "split-header", "comfort-noise", "device-state-grows", "closes-twice",
            },
        ),
        ("certified-22.8", {"split-header", "comfort-noise"} | OPEN),
        ("22.9", {"comfort-noise"} | OPEN),
        ("22.10.1", OPEN),
        ("23.4", OPEN),
        ("24.0", OPEN),
    ],
)  # fmt: skip
def test_each_release_has_its_faults(text: str, faults: set[str]) -> None:
    assert {fault.id for fault in faults_of(parse_release(text))} == faults


def fault_of(fault_id: str) -> Fault:
    return next(fault for fault in FAULTS if fault.id == fault_id)


def test_the_release_to_install_is_told() -> None:
    assert fault_of("comfort-noise").fixed_in == "20.20, 22.10, 23.4"
    assert fault_of("comfort-noise").fixed_in_branch(parse_release("22.8")) == "22.10"
    assert fault_of("comfort-noise").fixed_in_branch(parse_release("21.12")) == ""
    assert fault_of("comfort-noise").fixed_in_branch(parse_release("certified-22.8")) == ""
    assert fault_of("closes-twice").fixed_in == ""


def test_a_fault_is_told_in_one_sentence_each() -> None:
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)
    for fault in FAULTS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fault.id)
        assert not f"{fault.what} {fault.cure}".count(". "), fault.id
        assert not fault.what.endswith("."), fault.id
        assert not fault.cure.endswith("."), fault.id
