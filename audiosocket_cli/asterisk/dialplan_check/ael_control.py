"""Conditions, loops and switches of AEL as the jumps that Asterisk makes of them (`gen_prios`, res/ael/pval.c)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_HEAD: Final = re.compile(r"(?P<word>else\b|(?:if|while|for|switch|random|ifTime)\b(?=\s*\())\s*")

_CASE: Final = re.compile(r"(?:case|pattern)\s+[^:]*:\s*|(?P<default>default)\s*:\s*")

BETWEEN: Final = "~"
"""What labels begin with that nobody wrote."""

_MAX_HEADS: Final = 100
"""Conditions before one statement: more is not a dialplan."""


class _Opened(NamedTuple):
    """A condition, a loop or a switch whose end is still to come."""

    word: str
    number: int
    step: str = ""
    """The last part of `for (…; …; …)`."""


class Control:
    """Writes the jumps of one extension after the other."""

    def __init__(self, add: Callable[[str, str, str], None], assign: Callable[[str], None]) -> None:
        """`add` takes an application, its arguments and a label; `assign` takes an assignment of `for`."""
        self._add = add
        self._assign = assign
        self._count = 0
        self._waiting: list[list[_Opened]] = [[]]
        """By depth of blocks: what the next statement may go on with (`else`), or ends."""
        self._blocks: list[list[_Opened]] = []
        """What opened each block."""
        self._now: list[_Opened] = []
        """What stands before the statement that is being read."""
        self._cases: dict[int, tuple[int, int]] = {}
        """By switch: the number of its next case, and that of its default (0: none)."""

    def resume(self, text: str) -> None:
        """End what the statement that comes now does not go on with."""
        if not re.match(r"else\b", text):
            self._end(self._waiting[-1])

    def begin(self, text: str) -> str:
        """Write what stands before a statement; return the statement."""
        while match := _CASE.match(text):
            self._case(is_default=match["default"] is not None)
            text = text[match.end() :]
        self._now = []
        for _ in range(_MAX_HEADS):
            match = _HEAD.match(text)
            if match is None:
                break
            text = text[match.end() :]
            if match["word"] == "else":
                self._else()
            else:
                end = _end_of_brackets(text)
                self._condition(match["word"], text[1 : end - 1])
                text = text[end:].lstrip()
        return text

    def open(self) -> None:
        """Begin a block, which belongs to what `begin` has read."""
        self._blocks.append(self._now)
        self._waiting.append([])
        self._now = []

    def close(self) -> None:
        """End a block."""
        if self._blocks:
            self._end(self._waiting.pop())
            self._waiting[-1] += self._blocks.pop()

    def end_statement(self) -> None:
        """End a statement without a block."""
        self._waiting[-1] += self._now
        self._now = []

    def leave(self, word: str) -> None:
        """Write a `break` or a `continue`."""
        for opened in reversed([*(each for block in self._blocks for each in block), *self._now]):
            if opened.word == "loop" or (opened.word == "switch" and word == "break"):
                self._add("Goto", f"{BETWEEN}{'end' if word == 'break' else 'loop'}{opened.number}", "")
                return

    def _mark(self, label: str) -> None:
        self._add("NoOp", "", label)

    def _condition(self, word: str, inner: str) -> None:
        self._count += 1
        number = self._count
        if word == "switch":
            self._now.append(_Opened("switch", number))
            self._cases[number] = (1, 0)
            self._add("Goto", f"{BETWEEN}case{number}.1", "")
            return
        is_loop = word in {"while", "for"}
        first, _, rest = inner.partition(";") if word == "for" else ("", "", inner)
        condition, _, step = rest.partition(";")
        if is_loop:
            self._assign(first)
            self._mark(f"{BETWEEN}loop{number}")
        self._now.append(_Opened("loop" if is_loop else "if", number, step))
        shown = re.sub("[?:]", " ", condition)
        self._add("GotoIf", f"$[{shown}]?:{BETWEEN}{'end' if is_loop else 'else'}{number}", "")

    def _else(self) -> None:
        waiting = self._waiting[-1]
        while waiting:
            opened = waiting.pop()
            if opened.word == "if":
                self._add("Goto", f"{BETWEEN}end{opened.number}", "")
                self._mark(f"{BETWEEN}else{opened.number}")
                self._now.append(_Opened("else", opened.number))
                return
            self._end([opened])

    def _case(self, *, is_default: bool) -> None:
        inside = (each.number for block in reversed(self._blocks) for each in block if each.word == "switch")
        number = next(inside, 0)
        if number:
            case, default = self._cases[number]
            self._add(
                "Goto", f"{BETWEEN}body{number}.{case}", ""
            )  # the case before goes on here, unless it has a break
            self._mark(f"{BETWEEN}case{number}.{case}")
            self._add("GotoIf", f"$[]?:{BETWEEN}case{number}.{case + 1}", "")
            self._mark(f"{BETWEEN}body{number}.{case}")
            self._cases[number] = (case + 1, case if is_default else default)

    def _end(self, opened: list[_Opened]) -> None:
        for each in _taken(opened):
            if each.word == "loop":
                self._assign(each.step)
                self._add("Goto", f"{BETWEEN}loop{each.number}", "")
            elif each.word == "switch":
                case, default = self._cases.pop(each.number)
                self._add("Goto", f"{BETWEEN}end{each.number}", "")
                self._mark(f"{BETWEEN}case{each.number}.{case}")
                if default:
                    self._add("Goto", f"{BETWEEN}body{each.number}.{default}", "")
            self._mark(f"{BETWEEN}{'else' if each.word == 'if' else 'end'}{each.number}")


def _taken(opened: list[_Opened]) -> Iterator[_Opened]:
    while opened:
        yield opened.pop()


def _end_of_brackets(text: str) -> int:
    """Return where the bracket ends that a text begins with; its end where it does not."""
    depth = 0
    for at, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if not depth:
            return at + 1
    return len(text)
