"""A dialplan before it is written: contexts of extensions of steps, each with the reason for it; and files of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Style = Literal["extensions", "freepbx", "ael"]
"""How a dialplan is written, and for which file."""

STYLES: Final[tuple[Style, ...]] = ("extensions", "freepbx", "ael")


@dataclass(frozen=True, slots=True)
class Step:
    """An application of the dialplan; or, with `goto`, a jump that is made where `do` holds, or always."""

    do: str
    """The application, such as `Answer()`; of a jump the condition, such as `"${DIALSTATUS}" = "ANSWER"`, if any."""
    why: str = ""
    """The reason, in a few words; empty where the line says all."""
    goto: str = ""
    """A label of the same extension, or context,extension,priority."""
    label: str = ""
    """What a jump to this step names."""


Extension = Sequence[Step]

Contexts = Mapping[str, Mapping[str, Extension]]
"""Extensions by name, of contexts by name."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A file to be written, as it is."""

    name: str
    lines: Sequence[str]
    is_secret: bool = False
    """Whether it holds a password."""
    is_program: bool = False
