"""What variables hold, as far as a dialplan says so."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from audiosocket_cli.asterisk.dialplan_check.arguments import Known, assignment, expanded, separated, variables_in
from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Step
from audiosocket_cli.asterisk.dialplan_check.uses import calls_of

_SCRIPTS: Final = {"agi", "eagi", "deadagi", "fastagi", "stasis", "externalivr", "system", "trysystem"}

_SET_NAME: Final = re.compile(r"[A-Za-z][\w-]*")


@dataclass(slots=True)
class Values:
    """The assignments of a dialplan."""

    plan: Dialplan
    _set: dict[str, list[tuple[tuple[str, str], str]]] = field(default_factory=dict)
    """By name: where it is set, and to what."""
    _named: set[str] = field(default_factory=set)
    """All names that anything in the dialplan may set."""
    _scripted: set[tuple[str, str]] = field(default_factory=set)
    """Extensions that run a script, which may set anything."""

    def collect(self) -> None:
        """Read them."""
        self._named.update(self.plan.variables)
        for step in self.plan.steps:
            for call in calls_of(step):
                if call.name in {"set", "mset"}:
                    self._take(step, call.name, call.data)
                elif call.name in {"read", "readexten"}:
                    self._named.add(call.data.partition(",")[0].strip())
                elif call.name in _SCRIPTS:
                    self._scripted.add((step.context, step.extension))

    def _take(self, step: Step, name: str, data: str) -> None:
        parts = separated(data)
        found = assignment(data)
        for part in parts if name == "mset" or found is None else [data]:
            each = assignment(part)
            if each:
                self._set.setdefault(each[0], []).append(((step.context, step.extension), each[1]))
                self._named.add(each[0])
            else:
                self._named.update(_SET_NAME.findall(part.partition("=")[0]))

    def expanded(self, step: Step, text: str) -> str:
        """Return what a step's text comes to; what is not known stays as it is written."""
        return expanded(text, self._known_at(step))

    def _known_at(self, step: Step) -> Known:
        place = (step.context, step.extension)

        def known(name: str) -> str | None:
            if name == "EXTEN":
                return step.extension if step.extension and not step.extension.startswith("_") else None
            if name in self._set:
                return self._assigned(name, place)
            return self.plan.variables.get(name)

        return known

    def _assigned(self, name: str, place: tuple[str, str]) -> str | None:
        """Return the one value that is set in this extension, else the one that is set anywhere."""
        here = {value for where, value in self._set[name] if where == place}
        values = here or {value for _, value in self._set[name]} | {
            value for key, value in self.plan.variables.items() if key == name
        }
        value = values.pop() if len(values) == 1 else None
        return None if value is None or any(each.name == name for each in variables_in(value)) else value

    def never_set(self, step: Step, name: str) -> bool:
        """Whether nothing in the dialplan sets a variable, and no script runs before the step that may."""
        return name not in self._named and (step.context, step.extension) not in self._scripted
