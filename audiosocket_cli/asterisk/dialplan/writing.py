"""How a dialplan is written: as extensions.conf has it, and as AEL has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audiosocket_cli.asterisk.dialplan.plan import Contexts, Extension

_WHY_AT: Final = 62
"""The column at which reasons begin, where the line is short enough."""

_MAX_WIDTH: Final = 120


def conf_lines(contexts: Contexts) -> Iterator[str]:
    """Yield the lines of extensions.conf."""
    for name, extensions in contexts.items():
        yield ""
        yield f"[{name}]"
        for extension, steps in extensions.items():
            yield from _conf_extension(extension, steps)


def _conf_extension(name: str, steps: Extension) -> Iterator[str]:
    for number, step in enumerate(steps):
        priority = ("n" if number else "1") + (f"({step.label})" if step.label else "")
        head = " same => " if number else f"exten => {name},"
        jump = f"GotoIf($[{step.do}]?{step.goto})" if step.do else f"Goto({step.goto})"
        does = jump if step.goto else step.do
        yield from _with_why(f"{head}{priority},{does}", step.why, ";")


def ael_lines(contexts: Contexts) -> Iterator[str]:
    """Yield the lines of extensions.ael."""
    for name, extensions in contexts.items():
        yield ""
        yield f"context {name} {{"
        for extension, steps in extensions.items():
            yield f"    {extension} => {{"
            yield from _ael_steps(steps)
            yield "    };"
        yield "};"


def _ael_steps(steps: Extension) -> Iterator[str]:
    for step in steps:
        if step.label:
            yield f"        {step.label}:"
        jump = f"if ({step.do}) goto {step.goto};" if step.do else f"goto {step.goto};"
        does = jump if step.goto else f"{step.do};"
        yield from _with_why(f"        {does}", step.why, "//")


def _with_why(line: str, why: str, mark: str) -> Iterator[str]:
    """Yield a line with the reason for it, above it where both are too long for one."""
    together = f"{line:{_WHY_AT}} {mark} {why}"
    if why and len(together) > _MAX_WIDTH:
        yield f"{line[: len(line) - len(line.lstrip())]}{mark} {why}"
    yield together if why and len(together) <= _MAX_WIDTH else line
