"""Reads what `asterisk -rx 'dialplan show'` prints (`show_dialplan_helper`, pbx.c): a context's extensions, each with
its priorities and, in brackets at the end, where they were loaded from.

    [ Context 'b' created by 'pbx_config' ]
      '100' =>          1. Answer()                                   [extensions.conf:6]
         [lab]          2. AudioSocket(${UUID()},127.0.0.1:9092)      [extensions.conf:8]
      Include =>        'c'                                           [pbx_config]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Form, Place, SourceLine, Step
from audiosocket_cli.asterisk.dialplan_check.extensions_conf import split_call

CONTEXT: Final = re.compile(r"\[ Context '(?P<name>.*)' created by '.*' \]\s*")

_EXTENSION: Final = re.compile(r"\s{1,4}'(?P<extension>.*?)' (?:\(CID match '.*?'\) )?=>\s+(?P<rest>\d+\. .*|hint: .*)")

_LABEL: Final = re.compile(r"\s+(?:\[(?P<label>[^\]]*)\])?\s+(?P<rest>\d+\. .*)")

_STEP: Final = re.compile(r"(?P<priority>\d+)\. (?P<call>.*)")

_INCLUDE: Final = re.compile(r"\s+Include =>\s+'(?P<context>[^',]*).*")

_SWITCH: Final = re.compile(r"\s+Alt\. Switch =>\s+'(?P<kind>[^/']*)/(?P<data>[^']*)'.*")
"""Lines that are asked for at each call: of extensions.lua, a database (Realtime), another Asterisk (IAX2, DUNDi)."""

_LOADED_FROM: Final = re.compile(r"(?P<file>.*):(?P<number>\d+)")


def read_shown(lines: Iterable[SourceLine], plan: Dialplan) -> None:
    """Add what stands in these lines to `plan`."""
    plan.form = Form.SHOWN
    context = extension = ""
    for line in lines:
        if match := CONTEXT.fullmatch(line.text):
            context, extension = match["name"], ""
        elif match := _INCLUDE.fullmatch(line.text):
            plan.includes.setdefault(context, []).append(match["context"])
        elif match := _SWITCH.fullmatch(line.text):
            what = f"the lines that {match['kind']} has for context {context}: `dialplan show` does not have them"
            plan.unread.append((Place(f"context {context}", 0), what))
        elif match := _EXTENSION.fullmatch(line.text):
            extension = match["extension"]
            _take(plan, line, context, extension, "", match["rest"])
        elif match := _LABEL.fullmatch(line.text):
            _take(plan, line, context, extension, match["label"] or "", match["rest"])


def _take(plan: Dialplan, line: SourceLine, context: str, extension: str, label: str, rest: str) -> None:
    step, bracket, registrar = rest.rstrip().rpartition("[")
    match = _STEP.fullmatch(step.rstrip())
    if match is None or not bracket:
        return
    loaded = _LOADED_FROM.fullmatch(registrar.removesuffix("]"))
    place = (
        Place(loaded["file"], int(loaded["number"]))
        if loaded
        else Place(f"context {context}, extension {extension}", 0)
    )
    application, data = split_call(match["call"])
    priority = int(match["priority"])
    written = f"{priority}({label})" if label else str(priority)
    plan.steps.append(
        Step(
            context,
            extension,
            priority,
            label,
            application,
            data,
            place,
            match["call"],
            f"exten => {extension},{written},",
        )
    )
