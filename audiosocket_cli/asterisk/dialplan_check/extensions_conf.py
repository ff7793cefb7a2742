"""Reads extensions.conf as Asterisk does (`process_text_line`, config.c; `pbx_load_config`, pbx_config.c), and lines of
it that somebody pasted: those stand in no context, and may begin in the middle of an extension."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.dialplan_check.dialplan import MAX_LINES, Dialplan, Ignored, SourceLine, Step

_SECTION: Final = re.compile(r"\[(?P<name>[^\]]*)\]\s*(?:\((?P<options>[^)]*)\))?")

_COMMENTED: Final = re.compile(r"\\;|;--|--;|;|[^\\;-]+|.")
"""The pieces of a line that comments are told from."""

_BARE: Final = re.compile(
    r"(?:[-*>]\s+)?`?(?P<call>(?:(?:TryExec|Dial|Exec)\(\s*)?AudioSocket(?:/|\([^)]).*?)`?", re.IGNORECASE
)
"""An application or a destination alone on a line, as people write them in a question."""

_CALL: Final = re.compile(r"(?P<application>[^(]*)(?:\((?P<data>.*))?", re.DOTALL)

_PRIORITY: Final = re.compile(r"\s*(?P<number>[^(+]*?)\s*(?:\((?P<label>[^)]*)(?P<end>\))?)?\s*(?:\+(?P<plus>\d+))?\s*")

_MAX_PRIORITY: Final = 200
"""Characters of a priority with its label."""

_START: Final = -2
"""No priority has been read (`lastpri`, pbx_config.c)."""

_MIDDLE: Final = 2
"""The priority of the first of lines that were pasted without those before them."""


class Setting(NamedTuple):
    """`name = value` of a section, or of a template that the section takes over."""

    name: str
    value: str
    line: SourceLine


def read_extensions_conf(lines: Iterable[SourceLine], plan: Dialplan) -> None:
    """Add what stands in these lines to `plan`."""
    sections: dict[str, list[Setting]] = {}
    readers: dict[str, _Section] = {}
    left = MAX_LINES
    reader: _Section | None = _Section(plan, "")
    current: list[Setting] | None = None
    for line, text in _without_comments(lines):
        section = _SECTION.fullmatch(text)
        if section:
            options = [option.strip() for option in (section["options"] or "").split(",")]
            inherited = _inherited(options, sections, left)
            left -= len(inherited)
            if inherited and not left:
                plan.unread.append((line.place, f"templates make more than {MAX_LINES:,} lines"))
            is_template = "!" in options
            goes_on = "+" in options and section["name"] in readers
            reader = None if is_template else readers[section["name"]] if goes_on else _Section(plan, section["name"])
            if reader:
                readers[section["name"]] = reader
            current = sections.setdefault(section["name"], []) if is_template or _may_be_a_base(section) else None
            for setting in inherited:
                _take(setting, reader, current)
            continue
        name, equals, value = text.partition("=")
        bare = _BARE.fullmatch(text) if reader and not reader.name else None
        if bare and reader:
            reader.take_bare(line, bare["call"])
        elif equals and name and name[0] not in "[#":
            _take(Setting(name.strip(), value.removeprefix(">").strip(), line), reader, current)


def _may_be_a_base(section: re.Match[str]) -> bool:
    """Sections that are no templates can be taken over, too."""
    return section["name"] not in {"general", "globals"}


def _take(setting: Setting, reader: _Section | None, current: list[Setting] | None) -> None:
    if current is not None:
        current.append(setting)
    if reader:
        reader.take(setting)


def _inherited(options: Iterable[str], sections: dict[str, list[Setting]], most: int) -> list[Setting]:
    """Return what a section takes over: templates of templates can double it each time."""
    return list(islice((each for name in options for each in sections.get(name, [])), most))


def _without_comments(lines: Iterable[SourceLine]) -> Iterator[tuple[SourceLine, str]]:
    """Yield each line that has more than comments, with what it has: `;` begins one, `;--` and `--;` stand around one
    of several lines, `\\;` is a semicolon."""
    depth = 0
    for line in lines:
        text, depth = uncommented(line.text, depth)
        if text:
            yield line, text


def uncommented(text: str, depth: int = 0) -> tuple[str, int]:
    """Return a line without its comments, and in how many comments of several lines it ends; it begins in `depth`."""
    if not depth and ";" not in text:
        return text.strip(), 0
    kept = []
    for match in _COMMENTED.finditer(text):
        token = match[0]
        begins = token == ";--" and not text.startswith(";---", match.start())
        if depth:
            depth += begins - (token == "--;")
        elif token == "\\;":
            kept.append(";")
        elif begins:
            depth = 1
        elif token[-1] == ";" or token == ";--":
            kept.append(token.rstrip(";") if token == "--;" else "")
            break
        else:
            kept.append(token)
    return "".join(kept).strip(), depth


class _Section:
    """A section that is being read: a context, or [globals]."""

    def __init__(self, plan: Dialplan, name: str) -> None:
        self._plan = plan
        self.name = name
        self._extension: str | None = None if name else ""
        self._priority = _START
        self._labels: dict[tuple[str, str], int] = {}
        self._taken: set[tuple[str, int]] = set()

    def take(self, setting: Setting) -> None:
        """Take over a line of it."""
        name = setting.name.lower()
        if self.name.lower() == "globals":
            self._plan.variables[setting.name] = setting.value
        elif self.name.lower() == "general":
            return
        elif name == "include":
            self._plan.includes.setdefault(self.name, []).append(setting.value.partition(",")[0].strip())
        elif name == "exten":
            extension, _, rest = _split_extension(setting.value)
            self._extension = extension
            self._take_step(setting, extension, rest, f"{setting.name} => {extension},")
        elif name.startswith("same"):
            if self._extension is None:
                self._ignore(setting, "no line of an extension stands before it", "begin with exten => 100,1,…")
                return
            self._take_step(setting, self._extension, setting.value, " same => ")

    def take_bare(self, line: SourceLine, call: str) -> None:
        """Take over an application that stands for itself."""
        written = f"Dial({call})" if call.lower().startswith("audiosocket/") else call
        self._priority = _MIDDLE if self._priority == _START else self._priority + 1
        application, data = split_call(written)
        self._add(line._replace(text=call), "", "", application, data, "")

    def _add(self, line: SourceLine, extension: str, label: str, application: str, data: str, lead: str) -> None:
        text = line.text.strip()
        step = Step(self.name, extension, self._priority, label, application, data, line.place, text, lead)
        self._plan.steps.append(step)

    def _take_step(self, setting: Setting, extension: str, rest: str, lead: str) -> None:
        written, comma, call = rest.partition(",")
        if not comma and "(" in written:
            self._ignore(setting, "it has no priority", f"write {lead}{'1' if lead[0] != ' ' else 'n'},{rest.strip()}")
            return
        match = _PRIORITY.fullmatch(written) if len(written) <= _MAX_PRIORITY else None
        if match is None or (match["label"] is not None and not match["end"]):
            self._ignore(setting, f"{written.strip()!r:.40} is not a priority", "write n, or a number")
            return
        if match["number"] == "hint":
            return
        priority = self._number(setting, extension, match["number"])
        if priority is None:
            return
        self._priority = priority + int(match["plus"] or 0)
        if (extension, self._priority) in self._taken:
            self._ignore(
                setting, f"priority {self._priority} of {extension or 'it'} is there already", "write n for it"
            )
            return
        self._taken.add((extension, self._priority))
        label = match["label"] or ""
        if label:
            self._labels[extension, label] = self._priority
        application, data = split_call(call)
        self._add(setting.line, extension.partition("/")[0], label, application, data, f"{lead}{written.strip()},")

    def _number(self, setting: Setting, extension: str, text: str) -> int | None:
        """Return the number of a priority, or None where Asterisk does not take the line."""
        if text in {"n", "next", "s", "same"}:
            if self._priority == _START and self.name:
                self._ignore(setting, f"the first line of a context cannot have priority {text}", "write 1 for it")
                return None
            if self._priority == _START:
                return _MIDDLE
            return self._priority + (text[0] == "n")
        if text.isdecimal() and int(text) > 0:
            return int(text)
        if (extension, text) in self._labels:
            return self._labels[extension, text]
        self._ignore(setting, f"{text!r:.40} is not a priority", "write n, or a number from 1")
        return None

    def _ignore(self, setting: Setting, why: str, cure: str) -> None:
        self._plan.ignored.append(Ignored(setting.line, why, cure))


def split_call(text: str) -> tuple[str, str]:
    """Split `Application(arguments)`: from the first bracket to the last (`pbx_load_config`)."""
    match = _CALL.fullmatch(text.strip())
    if match is None:
        return text.strip(), ""
    data = match["data"] or ""
    return match["application"].strip(), data[: data.rindex(")")] if ")" in data else data


def _split_extension(value: str) -> tuple[str, str, str]:
    """Split at the first comma outside square brackets (`pbx_strsep`)."""
    depth = 0
    for at, char in enumerate(value):
        if char == "[":
            depth += 1
        elif char == "]":
            depth = max(0, depth - 1)
        elif char == "," and not depth:
            return value[:at].strip(), ",", value[at + 1 :]
    return value.strip(), "", ""
