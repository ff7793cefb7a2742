"""C source as text: functions, blocks and constants, found without a parser.

That is enough for a code base that is indented by one rule (Asterisk's: a function's closing brace stands in the first
column), and what is not found is "cannot tell".
"""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|(\"(?:\\.|[^\"\\])*\")", re.DOTALL)


def without_comments(text: str) -> str:
    """Return `text` without its comments; strings are left alone."""
    return _COMMENT.sub(lambda match: match[1] or " ", text)


def function(text: str | None, name: str) -> str | None:
    """Return the body of a function, without comments and with single spaces; None where it is not defined."""
    if text is None:
        return None
    begin = re.compile(rf"^(?:[A-Za-z_][\w \t*]*[ \t*])?{name}\((?:[^;{{}}])*\)\s*\n\{{", re.MULTILINE)
    match = begin.search(plain := without_comments(text))
    if match is None:
        return None
    end = plain.find("\n}", match.end())
    return " ".join(plain[match.end() : end].split()) if end >= 0 else None


def block(body: str | None, head: str) -> str | None:
    """Return what stands in the braces after `head`, a regular expression that ends before the brace."""
    match = None if body is None else re.search(rf"(?:{head}) ?\{{", body)
    if body is None or match is None:
        return None
    depth = 1
    for position in range(match.end(), len(body)):
        depth += {"{": 1, "}": -1}.get(body[position], 0)
        if not depth:
            return body[match.end() : position]
    return None


def case(body: str | None, label: str) -> str | None:
    """Return what follows a label of a switch (`case X` or `default`) up to the next label or the end."""
    match = None if body is None else re.search(rf"{label}: ?(?P<code>.*?)(?= case [\w]+:| default:|$)", body)
    return match["code"] if match else None


def constant(text: str | None, name: str) -> int | None:
    """Return the value of a #define, or of a number."""
    if re.fullmatch(r"-?\d+", name):
        return int(name)
    match = None if text is None else re.search(rf"^#define\s+{name}\s+(-?\d+)\b", text, re.MULTILINE)
    return int(match[1]) if match else None
