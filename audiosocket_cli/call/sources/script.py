"""What is to be said again: one side of a captured call, or the steps of a script, as actions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from audiosocket_cli.asterisk.facts import PTIME_MS, frame_bytes
from audiosocket_cli.asterisk.rules import fault_towards_asterisk
from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.sources.actions import Action, Cue, Hangup, Say
from audiosocket_cli.call.sources.basic import quiet_frame, silence_frame
from audiosocket_cli.call.sources.expecting import Expectation
from audiosocket_cli.call.sources.prompts import Prompt, Room
from audiosocket_cli.capture.items import MISSING, Captured, Damage, Ended, Item, Lost, Opened, Step
from audiosocket_cli.codec import SAMPLE_BYTES, Frame, Kind, kind_named, rate_of
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.model import Side
from audiosocket_cli.quantities import MAX_DURATION_S, bounded_duration

EXPECTED: Final = ("audio", "silence", "hangup")

_KEYS: Final = {
    "play": {"play", "kind"},
    "silence_ms": {"silence_ms", "kind"},
    "expect": {"expect", "within_ms"},
    "hangup": {"hangup"},
}
"""What each step may say beside its time."""

_MAX_ACTIONS: Final = 5_000_000
"""A day of frames, and some more. A line is enough for a day of silence: of many, memory has no room."""

_MAX_BYTES: Final = 512 << 20
"""The most bytes kept of a capture: 6 hours of one side's slin, an hour of slin48. A pipe may have no end."""

_FRAME_COST_BYTES: Final = 200
"""What a frame takes beside its payload."""

_PATIENCE_MS: Final = 30_000
"""How long an expectation waits that does not say it."""


@dataclass(slots=True)
class Script:
    """One side of a call, to be played."""

    actions: list[Action] = field(default_factory=list)
    uuid: UUID | None = None
    end_s: float | None = None
    """When the call ended, where it is known."""
    ended_by: Side | None = None
    ended_s: float = math.inf
    """When that side did."""
    left_out: int = 0
    """Frames that were not taken, as they would end the call in Asterisk."""
    missing_bytes: int = 0
    """Bytes of the side that the capture lost."""
    damages: list[Damage] = field(default_factory=list)
    calls: int = 0
    """Calls that there are to choose from."""
    steps: int = 0
    """Lines that only a script has: 0 of a capture."""
    size_bytes: int = 0
    """The approximate memory of its frames."""

    @property
    def has_steps(self) -> bool:
        """Whether it is a script, not a capture."""
        return self.steps > 0

    def note_end(self, side: Side, at_s: float) -> None:
        """Hear that a side hung up or closed: after missing bytes that comes late, be it the first by its time."""
        if at_s < self.ended_s:
            self.ended_by, self.ended_s = side, at_s

    def shorten_gaps(self, most_s: float) -> None:
        """Leave no longer pause than `most_s` between two frames, or before the first. Raises `UsageError`."""
        if self.has_steps:
            raise UsageError("--max-gap is for captures: a script has its own times")
        shift_s = before_s = 0.0
        for at, action in enumerate(self.actions):
            if isinstance(action, Cue | Say) and action.at_s is not None:
                shift_s += max(0.0, action.at_s - before_s - most_s)
                before_s = action.at_s
                self.actions[at] = action._replace(at_s=before_s - shift_s)
        if self.end_s is not None:
            self.end_s = max(before_s, min(self.end_s, before_s + most_s)) - shift_s

    def repeat(self, times: int) -> None:
        """Repeat all of it `times` times. Raises `UsageError` when that lasts more than a day."""
        if times * len(self.actions) > _MAX_ACTIONS:
            raise UsageError(f"--loop {times} makes {times * len(self.actions)} frames, which is more than a day")
        last_s = max((action.at_s or 0.0 for action in self.actions if isinstance(action, Cue | Say)), default=0.0)
        length_s = last_s + PTIME_MS / 1000 if self.end_s is None else self.end_s
        once, self.actions = self.actions, []
        for turn in range(times):
            for action in once:
                if isinstance(action, Cue | Say) and action.at_s is not None:
                    action = action._replace(at_s=action.at_s + length_s * turn)
                self.actions.append(action)
        if self.end_s is not None:
            self.end_s = length_s * times


def read_script(
    items: Iterable[Item],
    side: Side,
    *,
    name: str = "the script",
    call: str | None = None,
    from_s: float = 0.0,
    to_s: float = math.inf,
    by_hand: bool = False,
) -> Script:
    """Read what a side said in one call: the first, or the one whose name begins with `call`.

    Times count from `from_s` on. Raises `FileError`, with the `name` of the input, for a step that cannot be, or a file
    that cannot be played, and, where `by_hand` says that somebody may have written it, for damage, too: half a script
    is none.
    """
    script = Script()
    sounds = _Sounds()
    chosen = None
    for item in items:
        if isinstance(item, Damage):
            script.damages.append(item)
        elif isinstance(item, Step):
            script.steps += 1
            try:
                script.actions += _actions_of(item, side, sounds)
                if len(script.actions) > _MAX_ACTIONS:
                    raise UsageError("the script lasts more than a day up to here")
            except (FileError, UsageError) as error:
                raise FileError(f"cannot replay {name}: line {item.line}: {error}") from None
        elif isinstance(item, Opened):
            script.calls += 1
            if chosen is None and (call is None or item.call.name.startswith(call.lower())):
                chosen = item.call
                script.uuid = chosen.uuid
        elif getattr(item, "call", None) is not chosen:
            continue
        elif isinstance(item, Captured):
            script.end_s = max(script.end_s or 0.0, item.at_s - from_s)
            if item.side is side and from_s <= item.at_s < to_s:
                _take(script, item, side, from_s, name)
            elif item.side is not side and item.frame.kind == Kind.HANGUP:
                script.note_end(item.side, item.at_s)
        elif isinstance(item, Lost):
            script.missing_bytes += item.lost_bytes * (item.side is side and item.reason == MISSING)
        elif isinstance(item, Ended):
            script.end_s = max(script.end_s or 0.0, item.at_s - from_s)
            script.note_end(item.side, item.at_s)
    if script.end_s is not None:
        script.end_s = min(script.end_s, to_s - from_s)
    if by_hand and script.damages and (script.has_steps or script.uuid is None):
        raise FileError(f"cannot replay {name}: {script.damages[0].reason}")
    return script


def _take(script: Script, item: Captured, side: Side, from_s: float, name: str) -> None:
    frame = item.frame
    if frame.kind == Kind.UUID:
        return  # the call that is placed says one of its own
    if frame.kind == Kind.HANGUP:
        script.note_end(side, item.at_s)
        return
    if side is Side.SERVER and fault_towards_asterisk(frame):
        script.left_out += 1
        return
    script.size_bytes += len(frame.payload) + _FRAME_COST_BYTES
    if script.size_bytes > _MAX_BYTES:
        raise FileError(
            f"cannot replay {name}: up to {item.at_s:.0f} s of it fill {_MAX_BYTES >> 20} MB; choose a part with "
            "--from and --to"
        )
    script.actions.append(Cue(item.at_s - from_s, frame))


class _Sounds:
    """The sounds of a script, each opened once."""

    def __init__(self) -> None:
        self._room = Room()
        self._prompts: dict[str, Prompt] = {}

    def get(self, name: str, kind: int) -> Prompt:
        """Return a file as a prompt, converted if it is short. Raises `FileError`."""
        if name not in self._prompts:
            self._prompts[name] = Prompt(Sound(Path(name)).kept(), self._room)
        self._prompts[name].prepare(kind)
        return self._prompts[name]


def _actions_of(step: Step, side: Side, sounds: _Sounds) -> list[Action]:
    value = step.facts[step.what]
    unknown = sorted(set(step.facts) - _KEYS[step.what] - {"t"})
    if unknown:
        known = ", ".join(sorted(_KEYS[step.what] | {"t"}))
        raise UsageError(f'"{unknown[0]}" does not go with "{step.what}": choose from {known}')
    if step.at_s is not None:
        bounded_duration(step.at_s, f'"t": {step.at_s:g}', zero=True)
    actions: list[Action] = []
    if step.what == "hangup":
        if value is not True:
            raise UsageError(f'"hangup" is {value!r}: write true, or leave the line out')
        actions = [Hangup()]
    elif step.what == "expect":
        if value not in EXPECTED:
            raise UsageError(f"cannot expect {value!r}: choose from {', '.join(EXPECTED)}")
        actions = [Expectation(value, _number(step, "within_ms", _PATIENCE_MS) / 1000, step.line)]
    else:
        kind = _kind(step)
        if step.what == "play":
            actions = [Say(None, sounds.get(str(value), kind), kind)]
        else:
            samples_wanted = round(_number(step, step.what) / 1000 * rate_of(kind))
            size = frame_bytes(kind)
            whole, rest = divmod(samples_wanted * SAMPLE_BYTES, size)
            silence = quiet_frame(kind) if side is Side.CALLER else silence_frame(kind)
            actions = [Cue(None, silence)] * whole  # one object, be it a day
            if rest:
                actions.append(Cue(None, Frame(kind, bytes(rest))))
    first = actions[0] if actions else None
    if step.at_s is not None and isinstance(first, Cue | Say):
        actions[0] = first._replace(at_s=step.at_s)
    return actions


def _kind(step: Step) -> int:
    name = step.facts.get("kind", "slin")
    try:
        kind = kind_named(str(name))
        rate_of(kind)
    except ValueError as error:  # of which `FrameError` is one
        raise UsageError(str(error)) from None
    return kind


def _number(step: Step, key: str, default: float | None = None) -> float:
    value: Any = step.facts.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UsageError(f'"{key}" is {value!r:.40}, which is not a number of milliseconds: write one as 1500')
    if value > (MAX_DURATION_S if key == "within_ms" else 24 * 3600) * 1000:
        raise UsageError(f'"{key}" is {value!r:.40}, which is more than a {"year" if key == "within_ms" else "day"}')
    return float(value)
