"""The arguments of an application as it gets them, and the variables in them as far as a dialplan says what they hold.

`${…}` is one thing throughout: Asterisk replaces variables before an application looks for commas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_MAX_EXPANSIONS: Final = 8
"""Variables in variables: more, or a circle, stays as it is."""

_MAX_VALUE: Final = 1024

_NAME: Final = re.compile(r"_{0,2}(?P<name>[A-Za-z][\w-]*)")

_TOKEN: Final = re.compile(r"\$[{\[]|\\.|[][()\",/&?:]|[^][()\",/&?:$\\]+|.", re.DOTALL)

Known = Callable[[str], str | None]
"""Says what a variable holds; None where that is not known."""


def separated(text: str, delimiter: str = ",") -> list[str]:
    """Split arguments outside brackets and quotes; quotes go, as `AST_STANDARD_APP_ARGS` takes them
    (`__ast_app_separate_args`, app.c)."""
    if not text:
        return []
    parts = [""]
    depth = 0
    is_quoted = False
    for token in _tokens(text):
        if token[0] == "\\" and len(token) > 1:
            parts[-1] += token[1]
            continue
        if token in {"(", "["}:
            depth += 1
        elif token in {")", "]"}:
            depth = max(0, depth - 1)
        elif token == '"':
            is_quoted = not is_quoted
            continue
        elif token == delimiter and not depth and not is_quoted:
            parts.append("")
            continue
        parts[-1] += token
    return parts


def split_at(text: str, delimiter: str) -> list[str]:
    """Split at each delimiter outside variables, as `strsep` does: brackets and quotes do not count."""
    parts = [""]
    for token in _tokens(text):
        if token == delimiter:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _tokens(text: str) -> Iterator[str]:
    """Yield delimiters and brackets, what stands between them, and whole what `\\` escapes and what `${…}` holds."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        token = match[0] if match else text[at]
        if token in {"${", "$["}:
            end = end_of_variable(text, at)
            yield text[at:end]
            at = end
        else:
            yield token
            at += len(token)


def end_of_variable(text: str, start: int) -> int:
    """Return where the variable or expression that begins at `start` ends; the end of the text if it does not."""
    opening = text[start + 1]
    closing = {"{": "}", "[": "]"}[opening]
    depth = 0
    for at in range(start + 1, len(text)):
        if text[at] == opening:
            depth += 1
        elif text[at] == closing:
            depth -= 1
            if not depth:
                return at + 1
    return len(text)


class Variable(NamedTuple):
    """A variable or function in a text: `${NAME}`, `${FUNCTION(…)}`."""

    start: int
    end: int
    inner: str
    """What stands between the braces."""

    @property
    def name(self) -> str:
        """Its name, without what cuts it (`:1`), or a function's name."""
        return re.split(r"[(:]", self.inner, maxsplit=1)[0].strip()

    @property
    def is_function(self) -> bool:
        return "(" in self.inner

    @property
    def is_plain(self) -> bool:
        """Whether it is a variable alone, neither cut nor made of others."""
        return _NAME.fullmatch(self.inner) is not None


def variables_in(text: str) -> Iterator[Variable]:
    """Yield the variables and functions of a text; those within others are part of these."""
    at = text.find("${")
    while at >= 0:
        end = end_of_variable(text, at)
        yield Variable(at, end, text[at + 2 : end - 1])
        at = text.find("${", end)


def expanded(text: str, known: Known) -> str:
    """Return a text with what is known of its variables in their place."""
    for _ in range(_MAX_EXPANSIONS):
        replaced = _expanded_once(text, known)
        if replaced == text or len(replaced) > _MAX_VALUE:
            break
        text = replaced
    return text


def _expanded_once(text: str, known: Known) -> str:
    made, at = "", 0
    for variable in variables_in(text):
        value = known(variable.inner) if variable.is_plain else None
        made += text[at : variable.start] + (text[variable.start : variable.end] if value is None else value)
        at = variable.end
    return made + text[at:]


def assignment(data: str) -> tuple[str, str] | None:
    """Return the name and the value of `Set(NAME=value)`: `__` before it, `GLOBAL()` and `LOCAL()` around it are
    its reach."""
    name, equals, value = data.partition("=")
    name = name.strip()
    if name.upper().startswith(("GLOBAL(", "LOCAL(")) and name.endswith(")"):
        name = name[name.index("(") + 1 : -1]
    match = _NAME.fullmatch(name)
    return (match["name"], value) if match and equals else None
