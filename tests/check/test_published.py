"""What published servers get: verdicts that were looked at, case by case, in their source."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

import pytest

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.subject import PORT_FIELD, free_port
from audiosocket_cli.codec import RATE_BY_KIND, Kind, kind_name
from audiosocket_cli.net.address import Address
from support.checked import FAIL, OF_TURNS, SKIP, UNKNOWN, check_whole, with_verdict
from support.published import PUBLISHED
from support.running import missing, need


class Expected(NamedTuple):
    """What does not pass."""

    failed: Set[str]
    sometimes: Set[str] = frozenset()
    """What fails in some runs."""


SKIPPED = {"end/hangup-frame", "sends/rates"} | OF_TURNS
"""They end no call by themselves, the newest Asterisk takes all rates, and an echo takes no turns."""

OTHER_RATES = {"kind/change", *(f"kind/{kind_name(kind)}" for kind in RATE_BY_KIND if kind != Kind.SLIN)}
"""All three know kind 10 only."""

SPEAKS_WHEN_SPOKEN_TO = {"start/speaks-first", "idle/says-something"}
"""Nothing is sent but what is heard."""

OF_ONE_READ = {
    "frame/coalesced", "frame/split-header", "frame/split-after-header", "frame/split-payload", "frame/byte-by-byte",
    "uuid/with-audio", "uuid/split",
}  # fmt: skip

ON_A_BUSY_MACHINE = {"pace/rate", "pace/bursts"}

WHERE_IT_HAS_TO_HEAR = {case.id for case in CASES if case.group not in ("start", "sends")}
"""Frames that a busy machine sends or reads together are lost to who takes each read for one frame, in any case."""

EXPECTED = {
    "asterisk-audiosocket": Expected(OTHER_RATES | SPEAKS_WHEN_SPOKEN_TO),
    "asterisk-ai-voice-agent": Expected(OTHER_RATES | SPEAKS_WHEN_SPOKEN_TO),
    # It takes each read for one frame, and its `uuid` refuses some.
    "@fonoster/streams": Expected(
        OTHER_RATES | SPEAKS_WHEN_SPOKEN_TO | OF_ONE_READ
        | {"uuid/any-bytes", "kind/hangup", "end/reset-before-uuid", "hostile/port-scan"},
        WHERE_IT_HAS_TO_HEAR,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_server_gets_its_verdicts(name: str) -> None:
    published, expected = PUBLISHED[name], EXPECTED[name]
    if not published.folder.exists():
        missing(f"{name} {published.version} is not installed (.venv/bin/python tests/support/published.py)")
    if not published.is_python:
        need("node")
    target = Address("127.0.0.1", free_port())
    done = check_whole([word.replace(PORT_FIELD, str(target.port)) for word in published.command], target)
    failed, unknown = with_verdict(done, FAIL), with_verdict(done, UNKNOWN)
    sometimes = expected.sometimes | ON_A_BUSY_MACHINE
    assert expected.failed <= set(failed) <= expected.failed | sometimes, failed
    assert set(unknown) <= sometimes, unknown
    assert set(with_verdict(done, SKIP)) == SKIPPED
