"""The dialplan of an Asterisk: what it runs, or what its files hold where it does not answer."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan
from audiosocket_cli.asterisk.dialplan_check.judging import judge
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError
from audiosocket_cli.doctor.pbx.place import Place
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.text import counted

_GLOBAL: Final = re.compile(r"\s+(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
"""A line of `dialplan show globals`."""

_FILES: Final = ("extensions.conf", "extensions_custom.conf", "extensions.ael")


async def running_dialplan(cli: AsteriskCli) -> Dialplan:
    """Return the dialplan that an Asterisk runs, with the values of its global variables. Raises `NoAnswerError`."""
    plan = read_dialplan((await cli.ask("dialplan show")).splitlines(), "dialplan show")
    with contextlib.suppress(NoAnswerError):
        shown = (await cli.ask("dialplan show globals")).splitlines()
        plan.variables.update((match["name"], match["value"]) for match in map(_GLOBAL.fullmatch, shown) if match)
    return plan


def judge_running(
    plan: Dialplan, release: Release | None, place: Place, *, has_ari: bool, may_ari: bool = False
) -> list[Diagnosis]:
    """Say what is wrong with its AudioSocket lines. A program of ARI places calls without one: `has_ari`, it is
    connected; `may_ari`, it could be."""
    found = judge(plan, release)
    if found:
        return found
    lines = f"none of its {counted(len(plan.steps), 'line')}" if plan.steps else "it is empty: no line"
    if has_ari:
        return [Diagnosis("no-audiosocket-line", Status.OK, f"{lines} names AudioSocket, as with ARI")]
    evidence = ("ARI is open, and its programs need no such line; none is connected now",) if may_ari else ()
    return [
        Diagnosis(
            "no-audiosocket-line", Status.UNKNOWN if may_ari else Status.WARNING,
            f"{lines} hands a call to an AudioSocket server", evidence,
            "write one, and reload the dialplan; were lines written that are not shown here, see the log of the reload",
            ("audiosocket dialplan 127.0.0.1:9092", place.hint("dialplan reload")),
        )
    ]  # fmt: skip


async def judge_files(place: Place) -> list[Diagnosis]:
    """Say what is wrong with the AudioSocket lines of an Asterisk's files; nothing where there is none."""
    found: list[Diagnosis] = []
    async for name, text in _files(place, place.config_folder):
        found += judge(read_dialplan(text.splitlines(), name), None)
    return found


async def _files(place: Place, folder: str) -> AsyncIterator[tuple[str, str]]:
    for name in _FILES:
        text = await place.read(f"{folder}/{name}")
        if text is not None:
            yield name, text
