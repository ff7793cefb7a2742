"""What a rule says of one use, and what rules know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Form, Step
from audiosocket_cli.asterisk.dialplan_check.flow import Flow
from audiosocket_cli.asterisk.dialplan_check.uses import Use, uses_in
from audiosocket_cli.asterisk.dialplan_check.values import Values
from audiosocket_cli.asterisk.facts import DEFAULT_PORT
from audiosocket_cli.asterisk.releases import Behaviour, Release
from audiosocket_cli.finding import Status

SOME_SERVER: Final = f"127.0.0.1:{DEFAULT_PORT}"
"""An address to write where somebody's cannot be told."""

_NEW_UUID: Final = "${UUID()}"

_NEW_UUID_BEFORE: Final = "${SHELL(uuidgen | tr -d '\\n')}"
"""For releases without that function. What SHELL() returns ends with a line break, which no UUID has."""


class Complaint(NamedTuple):
    """What is wrong with one use."""

    status: Status
    what: str
    cure: str
    before: tuple[str, ...] = ()
    """Applications to run before it, in the cure's lines."""
    evidence: tuple[str, ...] = ()
    """More lines that show it."""


class Rule(NamedTuple):
    """One thing that is known to be wrong."""

    id: str
    source: str
    """Where in Asterisk that is decided, or where it was seen."""
    look: Callable[[Use, Facts], Iterator[Complaint]]


@dataclass
class Facts:
    """A dialplan as rules see it."""

    plan: Dialplan
    release: Release | None
    _expanded: dict[tuple[int, str], str] = field(default_factory=dict)

    @property
    def new_uuid(self) -> str:
        """What to write for a new UUID each call."""
        has_function = self.release is None or self.release.has(Behaviour.UUID_FUNCTION)
        return _NEW_UUID if has_function else _NEW_UUID_BEFORE

    @cached_property
    def uses(self) -> Sequence[Use]:
        """Each use, in the order of the lines."""
        return uses_in(self.plan)

    def uses_at(self, step: Step) -> Sequence[Use]:
        """Return the uses of one step."""
        return self._by_step.get(id(step), ())

    @cached_property
    def _by_step(self) -> dict[int, list[Use]]:
        found: dict[int, list[Use]] = {}
        for use in self.uses:
            found.setdefault(id(use.step), []).append(use)
        return found

    @cached_property
    def values(self) -> Values:
        """What variables hold."""
        values = Values(self.plan)
        values.collect()
        return values

    @cached_property
    def flow(self) -> Flow:
        """Which steps come before an answer."""
        flow = Flow(self.plan)
        flow.search()
        return flow

    @cached_property
    def _extensions(self) -> dict[tuple[str, str], Sequence[Step]]:
        return dict(self.plan.extensions())

    def before(self, step: Step) -> Sequence[Step]:
        """Return the steps that stand before one in its extension."""
        steps = self._extensions[step.context, step.extension]
        return [each for each in steps if each.priority < step.priority]

    def after(self, step: Step) -> Sequence[Step]:
        """Return the steps that stand after one in its extension."""
        steps = self._extensions[step.context, step.extension]
        return [each for each in steps if each.priority > step.priority]

    def server(self, use: Use) -> str | None:
        """Return a use's address, with what is known of its variables."""
        return None if use.server is None else self._with_values(use, use.server)

    def call(self, use: Use) -> str | None:
        """Return what a use gives for a UUID, with what is known of its variables."""
        return None if use.call is None else self._with_values(use, use.call)

    def dialled_into(self, use: Use) -> Sequence[tuple[Step, str]]:
        """Return what EXTEN can be in a use's pattern, as far as jumps and Local channels of the dialplan say: the
        step that says so, and the number."""
        return self._dialled.get((use.step.context, use.step.extension), ())

    @cached_property
    def _dialled(self) -> dict[tuple[str, str], list[tuple[Step, str]]]:
        found: dict[tuple[str, str], list[tuple[Step, str]]] = {}
        for step in self.plan.steps:
            for place, number in self.flow.dialled(step):
                if place[1].startswith("_"):
                    found.setdefault(place, []).append((step, self.values.expanded(step, number)))
        return found

    def _with_values(self, use: Use, text: str) -> str:
        """All rules ask for the same."""
        key = (id(use.step), text)
        if key not in self._expanded:
            self._expanded[key] = self.values.expanded(use.step, text)
        return self._expanded[key]

    def is_answered_before(self, use: Use) -> bool:
        """Whether an answer stands before a use in its own extension, and nothing jumps over it."""
        answered = False
        for step in self.before(use.step):
            if (step.label and answered) or step.name.startswith(("goto", "gosub")):
                return False
            answered = answered or step.name == "answer"
        return answered and not use.step.label

    def line(self, step: Step, application: str) -> str:
        """Return a line with another application in the place of a step's."""
        return f"{application};" if self.plan.form is Form.AEL else f"{step.lead}{application}"
