"""What published servers get: verdicts that were looked at, case by case, in their source."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from audiosocket_cli.check.subject import PORT_FIELD, free_port
from audiosocket_cli.net.address import Address
from support.checked import FAIL, OF_TURNS, SKIP, UNKNOWN, check_whole, with_verdict
from support.published import PUBLISHED
from support.running import missing, need


class Expected(NamedTuple):
    """The ids that do not pass."""

    failed: set[str]
    unknown: set[str]
    skipped: set[str]


SKIPPED = {"end/hangup-frame", "sends/rates"} | OF_TURNS
"""They end no call by themselves, the newest Asterisk takes all rates, and an echo takes no turns."""

EXPECTED = {
    "asterisk-audiosocket": Expected(set(), set(), SKIPPED),
    "@fonoster/streams": Expected(set(), set(), SKIPPED),
    "asterisk-ai-voice-agent": Expected(set(), set(), SKIPPED),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_server_gets_its_verdicts(name: str) -> None:
    published = PUBLISHED[name]
    if not published.folder.exists():
        missing(f"{name} {published.version} is not installed (.venv/bin/python tests/support/published.py)")
    if not published.is_python:
        need("node")
    target = Address("127.0.0.1", free_port())
    done = check_whole([word.replace(PORT_FIELD, str(target.port)) for word in published.command], target)
    found = Expected(*(with_verdict(done, verdict) for verdict in (FAIL, UNKNOWN, SKIP)))  # type: ignore[arg-type]
    assert Expected(*map(set, found)) == EXPECTED[name], found
