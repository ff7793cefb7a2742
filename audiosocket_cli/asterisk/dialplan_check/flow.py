"""Which steps a call can come to before it is answered.

A search from where calls enter, along the steps, jumps and subroutines, that ends wherever something answers. What a
dialplan does not say (a variable as a target, a script) makes the rest of the way uncertain, not wrong.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.arguments import separated, split_at
from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Step
from audiosocket_cli.asterisk.dialplan_check.uses import Call, calls_of

_MAX_VISITS: Final = 2_000_000
"""Steps of the search: beyond that nothing is said."""

_ANSWER: Final = frozenset(
    {
        "answer", "agentlogin", "alarmreceiver", "authenticate", "background", "backgrounddetect", "bridgeadd",
        "bridgewait", "chanspy", "confbridge", "dictate", "directory", "disa", "externalivr", "extenspy", "festival",
        "followme", "ivrdemo", "meetme", "milliwatt", "minivmgreet", "minivmrecord", "playback",
        "privacymanager", "read", "readexten", "record", "sayunixtime", "datetime", "sms", "speechbackground",
        "voicemail", "voicemailmain", "vmauthenticate", "waitforsilence", "waitfornoise", "zapateller",
    }
)  # fmt: skip
"""Applications that answer: their files call `ast_answer` where the channel is not up (apps/, 22.10)."""

_NO_ANSWER: Final = {
    "playback": "noanswer", "background": "n", "read": "n", "record": "n", "readexten": "n", "chanspy": "N",
    "bridgewait": "n", "disa": "n", "externalivr": "n", "followme": "N", "directory": "n", "speechbackground": "n",
}  # fmt: skip
"""The option with which they do not."""

_PERHAPS: Final = frozenset(
    {
        "agi", "deadagi", "eagi", "fastagi", "stasis", "dial", "retrydial", "queue", "bridge", "park", "parkedcall",
        "page", "macro", "macroexclusive", "macroif", "pickup", "transfer", "amd", "senddtmf", "system",
        "exec", "tryexec", "execif", "sladial", "slastation", "slatrunk", "gosub", "gosubif",
        "externalivr",
    }
)  # fmt: skip
"""Applications after which a call may be answered: the other end did it, or a script."""

_MENUS: Final = frozenset(["background", "waitexten", "disa"])
"""Applications from which a caller goes on to an extension of the context."""

_END: Final = frozenset(["hangup", "busy", "congestion", "return", "macroexit"])

_Extension = tuple[str, str]
"""A context and an extension of it."""

_ENTERED_OTHERWISE: Final = re.compile(r"(?:macro|sub|func)[-_]|.*(?:outbound|originate|campaign|dialer|dialout)", re.I)
"""Contexts that are subroutines, or that calls come to which Asterisk placed, and somebody answered."""


class Answered(IntEnum):
    """What is known of a call at a step when it is not certain that it is answered."""

    PERHAPS = 1
    NOT = 2


@dataclass(slots=True)
class Flow:
    """The search, and what it found."""

    plan: Dialplan
    reached: dict[int, Answered] = field(default_factory=dict)
    """By `id` of a step: what is the worst that a call can come there with."""
    is_whole: bool = True
    """Whether the search came to its end."""
    _extensions: dict[_Extension, Sequence[Step]] = field(default_factory=dict)
    _by_context: dict[str, list[_Extension]] = field(default_factory=dict)
    _todo: deque[tuple[_Extension, int, Answered]] = field(default_factory=deque)

    def search(self) -> None:
        """Do so."""
        self._extensions = dict(self.plan.extensions())
        for place in self._extensions:
            self._by_context.setdefault(place[0], []).append(place)
        for place, answered in self._entries():
            self._todo.append((place, 0, answered))
        for _ in range(_MAX_VISITS):
            if not self._todo:
                return
            self._visit(*self._todo.popleft())
        self.is_whole = False

    def at(self, step: Step) -> Answered | None:
        """Return what a call can be at a step; None when it is answered, or nothing leads there."""
        return self.reached.get(id(step))

    def _entries(self) -> Iterator[tuple[_Extension, Answered]]:
        """Yield the extensions where calls enter: those that nothing in the dialplan jumps to, Local channels, and
        perhaps numbers that are jumped to from their own context only."""
        sources: dict[_Extension, set[str]] = {}
        menus: set[str] = set()
        for place, steps in self._extensions.items():
            for step in steps:
                for call in calls_of(step):
                    menus.update({place[0]} if call.name in _MENUS else ())
                    targets = [other for other, _ in self._targets(step, call)] + list(self._originated(call))
                    for other in targets:
                        sources.setdefault(other, set()).update({place[0]} if other != place else ())
                    for other in self._local_channels(call):
                        yield other, Answered.NOT
        for place, steps in self._extensions.items():
            if not sources.get(place):
                yield place, _entered(place, steps)
            elif sources[place] == {place[0]} and place[0] not in menus and re.match(r"[\d_*]", place[1]):
                yield place, Answered.PERHAPS

    def _visit(self, place: _Extension, index: int, answered: Answered) -> None:
        steps = self._extensions[place]
        while index < len(steps):
            step = steps[index]
            if self.reached.get(id(step), 0) >= answered:
                return
            self.reached[id(step)] = answered
            after = self._after(step, answered)
            if after is None:
                return
            if index + 1 < len(steps) and steps[index + 1].priority > step.priority + 1:
                return  # there is no such priority, and the call ends
            answered = after
            index += 1

    def _after(self, step: Step, answered: Answered) -> Answered | None:
        """Return what a call is after a step, None where it is answered or ends; jumps are put on the list."""
        if step.name in _END:
            return None
        after = [self._after_call(step, call, answered) for call in calls_of(step)]
        if step.name == "execif":
            if any(call.name in _ANSWER for call in calls_of(step)):
                return Answered.PERHAPS if _branch_when_up(step.data) is None else None
            return answered
        return after[0] if after else answered

    def _after_call(self, step: Step, call: Call, answered: Answered) -> Answered | None:
        if call.name in _ANSWER and not _is_told_not_to(call):
            return None
        for place, index in self._targets(step, call, only_unanswered=True):
            self._todo.append((place, index, answered))
        if call.name in {"goto", "gotoiftime", "gotoif"}:
            return answered if _falls_through(call) else None
        if call.name in {"gosub", "gosubif"}:
            return self._after_gosub(step, call, answered)
        return Answered.PERHAPS if call.name in _PERHAPS else answered

    def _after_gosub(self, step: Step, call: Call, answered: Answered) -> Answered:
        """A subroutine that is there and in which nothing answers leaves a call as it is."""
        bodies = [self._extensions[place] for place, _ in self._targets(step, call)]
        if not bodies:
            return Answered.PERHAPS
        quiet = all(call.name not in _ANSWER | _PERHAPS for body in bodies for each in body for call in calls_of(each))
        return answered if quiet else Answered.PERHAPS

    def _targets(self, step: Step, call: Call, *, only_unanswered: bool = False) -> list[tuple[_Extension, int]]:
        """Return where a jump leads, as far as that is written: an extension, and the index of a step of it."""
        if call.name in _MENUS:
            contexts = self._with_included(step.context)
            places = (place for name in contexts for place in self._by_context.get(name, ()))
            return [(place, 0) for place in places if place[1] not in {step.extension, "h"}]
        if call.name in {"goto", "gosub"}:
            wanted = [call.data]
        elif call.name in {"gotoif", "gosubif", "gotoiftime"}:
            wanted = branches_of_jump(call.data)
            if only_unanswered and (up := _branch_when_up(call.data)) is not None:
                wanted = [each for at, each in enumerate(wanted) if at != up]
        else:
            return []
        return [found for text in wanted if text for found in self._resolve(step, text)]

    def _resolve(self, step: Step, text: str) -> Iterator[tuple[_Extension, int]]:
        parts = [part.strip() for part in separated(text)]
        if not parts or (len(parts) > 3 and not parts[2]):
            return
        priority = re.sub(r"\(.*", "", parts[:3][-1])
        extension = parts[:3][-2] if len(parts) > 1 else step.extension
        context = parts[0] if len(parts) > 2 else step.context
        for place in self._matching(context, extension):
            index = _index_of(self._extensions[place], priority)
            if index is not None:
                yield place, index

    def _matching(self, context: str, extension: str) -> list[_Extension]:
        """Return the extensions of a context, and of those it includes, that take a number: all, where it is a
        variable's."""
        found: list[_Extension] = []
        for name in self._with_included(context):
            if (name, extension) in self._extensions:
                return [(name, extension)]
            for place in self._by_context.get(name, ()):
                fits = not _is_special(place[1]) if "${" in extension else matches(place[1], extension)
                found += [place] if fits else []
        return found

    def _with_included(self, context: str) -> list[str]:
        names = [context]
        for name in names:
            names += [other for other in self.plan.includes.get(name, []) if other not in names]
        return names

    def dialled(self, step: Step) -> Iterator[tuple[_Extension, str]]:
        """Yield the extensions that a step hands a call to by a number, each with that number: EXTEN there."""
        for call in calls_of(step):
            wanted = [(match[2], match[1]) for match in _locals_in(call)]
            parts = [part.strip() for part in separated(call.data)] if call.name == "goto" else []
            if len(parts) > 1:
                wanted.append((parts[0] if len(parts) > 2 else step.context, parts[:3][-2]))
            for context, number in wanted:
                if "${EXTEN" not in number:  # it passes on what it has
                    yield from ((place, number) for place in self._matching(context, number))

    def _originated(self, call: Call) -> Iterator[_Extension]:
        """Yield the extensions that an answered call of Originate() comes to."""
        given = [part.strip() for part in separated(call.data)]
        if call.name == "originate" and len(given) > 2 and given[1].lower() == "exten":
            yield from self._matching(given[2], given[3] if len(given) > 3 else "s")

    def _local_channels(self, call: Call) -> Iterator[_Extension]:
        for match in _locals_in(call):
            yield from self._matching(match[2], match[1])


def _locals_in(call: Call) -> Iterator[re.Match[str]]:
    """Yield the Local channels that a call dials: an extension, and its context."""
    if call.name in {"dial", "originate", "page", "queue"}:
        for destination in split_at((separated(call.data) or [""])[0], "&"):
            match = re.fullmatch(r"\s*Local/([^@/]+)@([^/]+).*", destination, re.IGNORECASE)
            if match:
                yield match


def _is_special(extension: str) -> bool:
    return extension in {"h", "i", "t", "T", "e", "o", "a", "failed"}


def _entered(place: _Extension, steps: Sequence[Step]) -> Answered:
    """Say what a call is that enters here: nobody knows where the way in is another dialplan's, or was not pasted."""
    context, extension = place
    begins = steps[0].priority == 1
    is_subroutine = any(step.name in {"return", "macroexit"} for step in steps)
    is_named_so = _ENTERED_OTHERWISE.match(context) is not None
    has_detected = any(step.name == "amd" for step in steps)
    unclear = not begins or is_subroutine or is_named_so or has_detected or _is_special(extension)
    return Answered.PERHAPS if unclear or (extension == "s" and context) else Answered.NOT


def _is_told_not_to(call: Call) -> bool:
    option = _NO_ANSWER.get(call.name)
    given = separated(call.data)[1:]
    if option is None or not given:
        return False
    return any(option in part for part in given) if len(option) > 1 else option in given[-1]


def _falls_through(call: Call) -> bool:
    """Whether a jump may not be taken: Goto() always is, the others are not where one of two targets is missing."""
    if call.name == "goto":
        return False
    targets = [*branches_of_jump(call.data), "", ""][:2]
    up = _branch_when_up(call.data)
    return not all(target for at, target in enumerate(targets) if at != up)


def _branch_when_up(data: str) -> int | None:
    """Return which branch of `condition?one:other` an answered call takes, where the condition asks that: 0 or 1."""
    condition = split_at(data, "?")[0]
    if "${CHANNEL(state)}" not in condition:
        return None
    return int((re.search(r"\bup\b", condition, re.IGNORECASE) is None) != ("!" in condition))


def branches_of_jump(data: str) -> list[str]:
    """Return the targets of `condition?one:other`; an empty one goes on."""
    _, *rest = split_at(data, "?")
    return [each.strip() for each in split_at("?".join(rest), ":")] if rest else []


def _index_of(steps: Sequence[Step], priority: str) -> int | None:
    if not priority or priority == "n":
        return 0
    if priority.isdecimal():
        return next((at for at, step in enumerate(steps) if step.priority >= int(priority)), None)
    return next((at for at, step in enumerate(steps) if step.label == priority), None)


_CLASSES: Final = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", "-": "", " ": ""}


def matches(pattern: str, extension: str) -> bool:
    """Whether a pattern of the dialplan takes a number (`ext_cmp_pattern`, pbx.c)."""
    if not pattern.startswith("_"):
        return pattern == extension
    made, at = "", 1
    while at < len(pattern):
        char = pattern[at]
        end = pattern.find("]", at) if char == "[" else -1
        if char in ".!":  # the rest, whatever stands after it
            made += ".+" if char == "." else ".*"
            break
        if end > at + 1:
            inner = "".join(f"\\{each}" if each in "\\^[]" else each for each in pattern[at + 1 : end])
            made, at = f"{made}[{inner}]", end + 1
        else:
            made, at = made + _CLASSES.get(char.upper(), re.escape(char)), at + 1
    try:
        return re.fullmatch(made, extension) is not None
    except re.error:
        return False
