"""Our own `serve` fails no case, in each of its modes; what cannot be seen of it is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.model import Verdict
from audiosocket_cli.check.running import Plan, Run
from audiosocket_cli.check.subject import Subject, free_port
from audiosocket_cli.check.trial import Setting, Times
from audiosocket_cli.net.address import Address
from support.running import COMMAND

TIMES = Times(
    hold_s=3.0, quiet_s=3.0, silence_s=3.0, pace_s=4.0, late_uuid_s=2.0, linger_s=3.0, half_frame_s=1.0,
    until_end_s=2.0, many_calls=50, short_calls=200,
)  # fmt: skip

NEVER_ENDS = {"end/hangup-frame", "sends/rates"}
"""Skipped: `serve` ends no call by itself, and the newest Asterisk takes all rates."""

HEARING = {
    case.id for case in CASES
    if case.group in ("frame", "uuid", "kind") and case.id not in ("kind/error", "kind/hangup")
} | {"load/10-calls", "load/100-calls"}  # fmt: skip
"""What can be seen of an echo only."""

OF_SPARSE_SILENCE = {"pace/rate"}


@pytest.mark.parametrize(
    ("options", "unknown"),
    [
        ((), HEARING | OF_SPARSE_SILENCE),
        (("--silence", "full"), HEARING),
        (("--echo",), set()),
        (("--play", "{sound}", "--loop"), HEARING),
        (("--exec", "cat"), {"kind/change"}),
    ],
    ids=["silence", "full silence", "echo", "play", "exec cat"],
)
def test_serve_fails_nothing(options: Sequence[str], unknown: set[str], tone_file: Path) -> None:
    async def whole() -> Run:
        target = Address("127.0.0.1", free_port())
        words = [word.format(sound=tone_file) for word in options]
        subject = Subject([*COMMAND, "serve", "--listen", str(target), *words], target, 30)
        run = Run(Plan(CASES), Setting(target, times=TIMES), subject)
        await run.to_end()
        return run

    run = asyncio.run(whole())
    assert run.notes == []
    found = {
        verdict: {result.case.id: result.observed for result in run.results if result.verdict is verdict}
        for verdict in Verdict
    }
    assert found[Verdict.FAIL] == {}
    assert set(found[Verdict.SKIP]) == NEVER_ENDS
    assert set(found[Verdict.UNKNOWN]) == unknown, found[Verdict.UNKNOWN]
