"""What a dialplan consists of, whichever form it was read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple

MAX_LINES: Final = 400_000
"""Lines that are read of one dialplan: more than a PBX with ten thousand extensions has, in 250 MB of memory."""

MAX_LINE: Final = 8192
"""Characters of a line that are read: Asterisk's own limit (`MAX_LINE_SIZE`, config.c; `realvalue`, pbx_config.c)."""


class Form(Enum):
    """How a dialplan is written."""

    EXTENSIONS = auto()
    """extensions.conf, or lines of it."""
    AEL = auto()
    """extensions.ael."""
    SHOWN = auto()
    """What `asterisk -rx 'dialplan show'` prints."""


class Place(NamedTuple):
    """Where a line is."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}" if self.number else self.file


class SourceLine(NamedTuple):
    """A line of a file, with where it is."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One priority of an extension: an application with its arguments."""

    context: str
    extension: str
    priority: int
    label: str
    application: str
    """Its name as it is written."""
    data: str
    """Its arguments as they are written, without the brackets around them."""
    place: Place
    text: str
    """The line as it is written."""
    lead: str
    """What stands before the application on a line of extensions.conf: ` same => n(here),`."""

    @property
    def name(self) -> str:
        """The application's name in lower case: Asterisk does not mind which (`pbx_findapp`)."""
        return self.application.lower()


class MediaRequest(NamedTuple):
    """A request of ARI's externalMedia that is for AudioSocket."""

    place: Place
    text: str
    """Its first line."""
    settings: dict[str, str]
    """By name; `UNKNOWN` where a program decides."""


UNKNOWN: Final = "${?()}"
"""What a program puts in, as rules take it: a function of nobody knows what."""


class Ignored(NamedTuple):
    """A line that names an extension and that Asterisk does not take."""

    line: SourceLine
    why: str
    cure: str


@dataclass(slots=True)
class Dialplan:
    """All that was read."""

    name: str
    form: Form = Form.EXTENSIONS
    steps: list[Step] = field(default_factory=list)
    """In the order of the text."""
    variables: dict[str, str] = field(default_factory=dict)
    """[globals]."""
    includes: dict[str, list[str]] = field(default_factory=dict)
    """The contexts that each context includes."""
    requests: list[MediaRequest] = field(default_factory=list)
    """Those that ARI gets, in a program or a note."""
    ignored: list[Ignored] = field(default_factory=list)
    unread: list[tuple[Place, str]] = field(default_factory=list)
    """What was not read, and why: a file that an `#include` names, or all after `MAX_LINES`."""

    def extensions(self) -> Mapping[tuple[str, str], Sequence[Step]]:
        """Return the steps of each extension of each context, in the order of their priorities."""
        found: dict[tuple[str, str], list[Step]] = {}
        for step in self.steps:
            found.setdefault((step.context, step.extension), []).append(step)
        for steps in found.values():
            steps.sort(key=lambda step: step.priority)
        return found


def source_lines(lines: Iterable[str], name: str) -> Iterable[SourceLine]:
    """Yield lines with their places in a file of this name."""
    for number, text in enumerate(lines, 1):
        yield SourceLine(Place(name, number), text.rstrip("\r\n")[:MAX_LINE])
