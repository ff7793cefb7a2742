"""Reads extensions.ael: enough of the language to see which applications run, in which order, and on which condition.

Statements become the steps that Asterisk makes of them (`gen_prios`, res/ael/pval.c): `jump` and `goto` are Goto(),
`&macro()` is Gosub() to an extension `~~s~~`, which begins by Set() of its parameters, and `x=y;` is Set() of an
expression, `$[y]`: it makes a UUID a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.dialplan_check.ael_control import Control
from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Form, Place, SourceLine, Step
from audiosocket_cli.asterisk.dialplan_check.extensions_conf import split_call

MACRO_EXTENSION: Final = "~~s~~"
"""The extension of a macro's context."""

_MAX_DEPTH: Final = 200
"""Blocks in blocks: more is not a dialplan."""

_MAX_STATEMENT: Final = 8192

_ENDS: Final = frozenset("{};")

_CONTEXT: Final = re.compile(r"(?:abstract\s+)?(?:extend\s+)?context\s+(?P<name>\S+)")

_MACRO: Final = re.compile(r"macro\s+(?P<name>[^\s(]+)\s*(?:\((?P<parameters>.*)\))?", re.DOTALL)

_EXTENSION: Final = re.compile(
    r"(?:regexten\s+)?(?:hint\s*\([^)]*\)\s*)?(?P<extension>[^\s=(]+)\s*=>\s*(?P<rest>.*)", re.DOTALL
)

_CONTROL: Final = re.compile(r"(?:if|else|switch|case|pattern|default|while|for|random|ifTime)\b")

_LABEL: Final = re.compile(r"(?P<label>[A-Za-z_][\w-]*)\s*:\s*(?!=)")

_ASSIGNMENT: Final = re.compile(r"(?:local\s+)?(?P<name>[^\s=(]+(?:\([^)]*\))?)\s*=\s*(?P<value>.*)", re.DOTALL)

_JUMP: Final = re.compile(r"jump\s+(?P<extension>[^\s@,]+)(?:,(?P<priority>[^@\s]+))?(?:@(?P<context>\S+))?")


class _Piece(NamedTuple):
    kind: str
    """What ends it: one of `_ENDS`."""
    text: str
    place: Place


_NOTHING: Final = _Piece("", "", Place("", 0))


@dataclass(slots=True)
class _Cursor:
    """Where in the text the reader is."""

    plan: Dialplan
    context: str = ""
    extension: str = ""
    priority: int = 0
    label: str = ""
    section: str = ""
    """includes, switches, globals: blocks that hold no steps."""
    stack: list[tuple[str, str, str]] = field(default_factory=list)
    """Of each open block what is to be put back after it: context, extension, section."""
    piece: _Piece = _NOTHING
    """What is being read."""
    control: Control = field(init=False)

    def __post_init__(self) -> None:
        self.control = Control(self.add, self.assign)

    def open(self) -> None:
        head = self.without_label(self.piece.text)
        self.stack.append((self.context, self.extension, self.section))
        macro = None
        if self.extension and not head.startswith("catch "):
            self.control.begin(head)
        elif match := _CONTEXT.fullmatch(head):
            self.context, self.extension = match["name"], ""
        elif macro := _MACRO.fullmatch(head):
            self.context, self.extension, self.priority = macro["name"], MACRO_EXTENSION, 0
        elif head.split(" ")[0] in {"includes", "switches", "eswitches", "globals"}:
            self.section = head.split(" ")[0]
        elif head.startswith("catch "):
            self.extension, self.priority = head.removeprefix("catch ").strip(), 0
        elif match := _EXTENSION.fullmatch(head):
            self.extension, self.priority = match["extension"], 0
        self.control.open()
        for number, name in enumerate((macro["parameters"] or "").split(",") if macro else (), 1):
            self.add("Set", f"LOCAL({name.strip()})=${{ARG{number}}}")

    def without_label(self, text: str) -> str:
        """Take the label from a statement: it is the next step's."""
        match = None if _CONTROL.match(text) else _LABEL.match(text)
        if match and self.extension:
            self.label = match["label"]
        return text[match.end() :] if match else text

    def close(self) -> None:
        self.control.close()
        if self.stack:
            self.context, self.extension, self.section = self.stack.pop()

    def assign(self, text: str) -> None:
        """Add what an assignment becomes."""
        if match := _ASSIGNMENT.fullmatch(text.strip()):
            self.add("Set", f"{match['name']}={_assigned(match['value'])}")

    def add(self, application: str, data: str, label: str = "") -> None:
        if label and self.label:
            self.add("NoOp", "")
        self.priority += 1
        self.plan.steps.append(
            Step(self.context, self.extension, self.priority, label or self.label, application, data, self.piece.place,
                 f"{self.piece.text};", "")
        )  # fmt: skip
        self.label = ""


def read_ael(lines: Iterable[SourceLine], plan: Dialplan) -> None:
    """Add what stands in these lines to `plan`."""
    plan.form = Form.AEL
    cursor = _Cursor(plan)
    for piece in _pieces(lines, plan):
        cursor.piece = piece
        if cursor.extension and piece.text:
            cursor.control.resume(piece.text)
        if piece.kind == "}":
            cursor.close()
        elif piece.kind == "{":
            if len(cursor.stack) == _MAX_DEPTH:
                plan.unread.append((piece.place, f"its blocks are nested more than {_MAX_DEPTH} deep"))
                return
            cursor.open()
        else:
            _take(piece, cursor)


def _take(piece: _Piece, cursor: _Cursor) -> None:
    text = piece.text
    if not text:
        return
    if cursor.section == "globals":
        name, _, value = text.partition("=")
        cursor.plan.variables[name.strip()] = value.strip()
    elif cursor.section == "includes":
        cursor.plan.includes.setdefault(cursor.context, []).append(text.partition("|")[0].strip())
    elif cursor.section or not (cursor.context or cursor.stack):
        return
    elif not cursor.extension and (match := _EXTENSION.fullmatch(text)):
        cursor.extension, cursor.priority = match["extension"], 0
        cursor.piece = piece._replace(text=match["rest"])
        _take_statement(match["rest"], cursor)
        cursor.extension = ""
    elif cursor.extension:
        _take_statement(text, cursor)


def _take_statement(text: str, cursor: _Cursor) -> None:
    text = cursor.without_label(cursor.control.begin(cursor.without_label(text)))
    word = text.split(None, 1)[0] if text else ""
    if match := _JUMP.fullmatch(text):
        target = ",".join(filter(None, (match["context"], match["extension"], match["priority"] or "1")))
        cursor.add("Goto", target)
    elif word == "goto":
        cursor.add("Goto", text.removeprefix("goto").strip().replace("|", ","))
    elif word == "return":
        cursor.add("Return", "")
    elif text.startswith("&"):
        name, arguments = split_call(text[1:])
        cursor.add("Gosub", f"{name},{MACRO_EXTENSION},1({arguments})")
    elif word in {"break", "continue"}:
        cursor.control.leave(word)
    elif _ASSIGNMENT.fullmatch(text):
        cursor.assign(text)
    elif word and not word.startswith("ignorepat"):
        cursor.add(*split_call(text))
    cursor.control.end_statement()


def _assigned(value: str) -> str:
    """Return what an assignment gives: text in quotes as it is, all else calculated."""
    is_text = len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1]
    return value[1:-1] if is_text else f"$[{value}]"


def _pieces(lines: Iterable[SourceLine], plan: Dialplan) -> Iterator[_Piece]:
    """Yield what ends with `{`, `}` or `;` outside brackets, quotes and `${…}`, with the place of its first word."""
    splitter = _Splitter(plan)
    for line in lines:
        for token in splitter.tokens(line.text):
            yield from splitter.take(token, line.place)
        yield from splitter.take(" ", line.place)


class _Splitter:
    """Splits the text of a file into pieces, over the ends of its lines."""

    def __init__(self, plan: Dialplan) -> None:
        self._plan = plan
        self._in_comment = False
        self._in_quotes = False
        self._depth = 0
        self._in_variables = 0
        self._kept: list[str] = []
        self._place = Place("", 0)

    def tokens(self, text: str) -> Iterator[str]:
        """Yield the characters of a line without its comments; what a backslash stands before, and `${`, whole."""
        at = 0
        while at < len(text):
            two = text[at : at + 2]
            if self._in_comment:
                self._in_comment = two != "*/"
                at += 1 if self._in_comment else 2
            elif two == "/*" and not self._in_quotes:
                self._in_comment, at = True, at + 2
            elif two == "//" and not self._in_quotes and text[at - 1 : at] != ":":
                return
            else:
                length = 2 if text[at] == "\\" or two in {"${", "$["} else 1
                yield text[at : at + length]
                at += length

    def take(self, token: str, place: Place) -> Iterator[_Piece]:
        """Keep a token, or yield the piece that it ends."""
        if token == '"':
            self._in_quotes = not self._in_quotes
        elif token in {"${", "$["}:
            self._in_variables += 1
        elif self._in_variables and token in {"}", "]"}:
            self._in_variables -= 1
        elif not self._in_quotes and not self._in_variables:
            if token in {"(", ")"}:
                self._depth = max(0, self._depth + (1 if token == "(" else -1))
            elif token in _ENDS and (not self._depth or token == "{"):
                yield _Piece(token, " ".join("".join(self._kept).split()), self._place)
                self._restart()
                return
        if not self._kept:
            self._place = place
        if self._kept or not token.isspace():
            self._kept.append(token)
        if len(self._kept) > _MAX_STATEMENT:
            self._plan.unread.append((self._place, f"a statement of more than {_MAX_STATEMENT:,} characters"))
            self._restart()

    def _restart(self) -> None:
        self._kept = []
        self._depth = self._in_variables = 0
        self._in_quotes = False
