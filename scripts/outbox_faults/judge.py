"""What came of each call: its objects, their sound, its events. Everything that does not hold is a fault, in a line."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from outbox_faults.calls import Call
from outbox_faults.receiver import Received
from outbox_faults.sounds import Sound

ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OBJECT = re.compile(rf"calls/(\d{{4}}-\d\d-\d\d)/(({ID})(?:-\d+)?)\.(\w+)")
"""The name of an object: date, stem, UUID, kind."""

ENDS = ("ended", "cut")


@dataclass(frozen=True)
class Grace:
    """What a kill may cost."""

    sound_s: float
    """Of a recording, at its end."""
    end_s: float
    """After the end of a call: what is not on the disk by then is missed, whatever the log says."""


@dataclass(frozen=True)
class Expected:
    """What has to be there of a call."""

    call: Call
    is_whole: bool
    """Whether it had ended well before the server was killed."""
    sure_frames: int
    """How many frames have to be in its recording, at least."""

    @classmethod
    def of(cls, call: Call, kills: Sequence[float], grace: Grace) -> Expected:
        killed_s = min((at_s for at_s in kills if at_s >= call.begun_s), default=None)
        if killed_s is None or (not call.is_cut and call.over_s + grace.end_s <= killed_s):
            return cls(call, is_whole=True, sure_frames=len(call.sent_s))
        return cls(call, is_whole=False, sure_frames=call.frames_before(killed_s - grace.sound_s))

    @property
    def name(self) -> str:
        number = self.call.plan.occurrence
        return f"{self.call.plan.uuid}" + (f" (call {number + 1} with it)" if number else "")


@dataclass
class Verdict:
    """What does not hold, and what was counted."""

    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Judge:
    """Judges one run."""

    def __init__(
        self, calls: Iterable[Call], kills: Sequence[float], *, grace: Grace, has_captures: bool, told: str
    ) -> None:
        """`told` is all that the server has said."""
        self.verdict = Verdict()
        self._told = told
        self._ended = Counter(UUID(uuid) for uuid in re.findall(rf"({ID}) ended by", told))
        """How many calls with each UUID have ended, by the log."""
        self._has_captures = has_captures
        self._expected: dict[UUID, list[Expected]] = defaultdict(list)
        for call in calls:
            self._expected[call.plan.uuid].append(Expected.of(call, kills, grace))
        for expected in (each for group in self._expected.values() for each in group):
            if expected.is_whole and expected.call.is_cut:
                self._blame(f"the server ended the call {expected.name}")

    def _blame(self, fault: str) -> None:
        self.verdict.faults.append(fault)

    # Objects.

    def judge_objects(self, objects: Mapping[str, bytes]) -> None:
        """Compare all that is in the store with what was said."""
        stems: dict[UUID, dict[str, dict[str, bytes]]] = defaultdict(lambda: defaultdict(dict))
        for name, content in objects.items():
            parts = OBJECT.fullmatch(name)
            if parts is None or UUID(parts[3]) not in self._expected:
                self._blame(f"there is an object that no call explains: {name}")
                continue
            stem = stems[UUID(parts[3])][parts[2]]
            if parts[4] in stem:
                self._blame(f"{name} is there under two dates")
            stem[parts[4]] = content
        for uuid, expected in self._expected.items():
            self._judge_stems(expected, stems[uuid])
            whole = sum("json" in parts for parts in stems[uuid].values())
            if whole < self._ended[uuid]:
                self._blame(f"{uuid} ended, by the log ({self._ended[uuid]} times), and {whole} JSON are there")

    def _judge_stems(self, expected: Sequence[Expected], stems: Mapping[str, Mapping[str, bytes]]) -> None:
        """Find the objects of each call with a UUID: those whose sound is the begin of what it said."""
        found: dict[str, int] = {}
        for stem, parts in stems.items():
            if "wav" not in parts:
                self._blame(f"{stem} has no recording, only {', '.join(sorted(parts))}")
                continue
            try:
                sound = Sound.of(parts["wav"])
            except ValueError as error:
                self._blame(f"{stem}.wav: {error}")
                continue
            owners = [each for each in expected if sound.is_begin_of(each.call.samples)]
            if not owners:
                self._blame(f"{stem}.wav is not what was said: {sound.frames:g} frames")
                continue
            owner = next((each for each in owners if each.name not in found), owners[0])
            found[owner.name] = found.get(owner.name, 0) + 1
            self._judge_call(owner, stem, sound, parts)
        for each in expected:
            if found.get(each.name, 0) > 1:
                self._blame(f"{each.name} is there {found[each.name]} times")
            elif each.name not in found:
                self._judge_missing(each)

    def _judge_missing(self, expected: Expected) -> None:
        if expected.sure_frames == 0 and not expected.is_whole:
            self.verdict.counts["calls that a kill cut at their very begin: no objects"] += 1
        elif not expected.is_whole and self._names_as_lost(expected):
            self.verdict.counts["calls that the log names as lost"] += 1
        else:
            what = "whole" if expected.is_whole else f"cut after {expected.sure_frames} frames"
            self._blame(f"{expected.name} has no objects ({what})")

    def _names_as_lost(self, expected: Expected) -> bool:
        lines = [line for line in self._told.splitlines() if str(expected.call.plan.uuid) in line]
        return any(re.search(r"\blost\b|given up|gone", line) for line in lines)

    def _judge_call(self, expected: Expected, stem: str, sound: Sound, parts: Mapping[str, bytes]) -> None:
        if sound.frames < expected.sure_frames:
            missing = expected.sure_frames - sound.frames
            self._blame(f"{stem}.wav lacks {missing:g} frames of {expected.sure_frames}")
        if "json" in parts:
            self._judge_facts(expected, stem, parts["json"])
        elif expected.is_whole:
            self._blame(f"{stem} is whole, and has no JSON")
        if expected.is_whole and self._has_captures and "pcapng" not in parts:
            self._blame(f"{stem} has no capture")
        if "pcapng" in parts and not is_whole_pcapng(parts["pcapng"]) and "json" in parts:
            self._blame(f"{stem}.pcapng is cut")
        self.verdict.counts["calls whole" if "json" in parts else "calls cut by a kill, there up to the cut"] += 1

    def _judge_facts(self, expected: Expected, stem: str, content: bytes) -> None:
        try:
            facts = json.loads(content)
        except ValueError as error:
            self._blame(f"{stem}.json: {error}")
            return
        digits = [press["digit"] for press in facts["dtmf"]]
        if facts["uuid"] != str(expected.call.plan.uuid):
            self._blame(f"{stem}.json is that of {facts['uuid']}")
        if expected.is_whole and digits != expected.call.keys:
            self._blame(f"{stem}.json has the digits {digits}, and {expected.call.keys} were pressed")

    # What is on the disk.

    def judge_folder(self, folder: Path, objects: Mapping[str, bytes], *, is_removed: bool) -> None:
        """Compare the record folder with the store: all is there and equal, or nothing is there any more."""
        local = {path.name: path for path in folder.iterdir() if path.is_file()}
        files = {name: path for name, path in local.items() if re.fullmatch(r"[0-9a-f-]{36,}\.(wav|json|pcapng)", name)}
        others = sorted(name for name in local.keys() - files.keys() if name.endswith((".part", ".tmp")))
        if others:
            self._blame(f"{len(others)} unfinished files are left, as {others[0]}")
        if is_removed:
            if files:
                self._blame(f"{len(files)} files are left, as {min(files)}")
            return
        there = {name.rpartition("/")[2]: content for name, content in objects.items()}
        for name, path in files.items():
            if name not in there:
                self._blame(f"{name} is on the disk, and not in the store")
            elif there[name] != path.read_bytes():
                self._blame(f"{name} in the store is not the one on the disk")
        for name in there.keys() - files.keys():
            self._blame(f"{name} is in the store, and not on the disk")

    # Events.

    def judge_events(self, received: Sequence[Received]) -> None:
        """Look at the order, the ids and the ends of all events."""
        bodies: dict[str, bytes] = {}
        by_uuid: dict[str | None, list[Received]] = defaultdict(list)
        for event in received:
            if event.id not in bodies:
                bodies[event.id] = event.body
                by_uuid[event.uuid].append(event)
            elif bodies[event.id] != event.body:
                self._blame(f"two events have the id {event.id}")
            else:
                self.verdict.counts["events that came again under their id"] += 1
        self.verdict.counts["events"] = len(bodies)
        known = {str(uuid): expected for uuid, expected in self._expected.items()}
        for unknown in by_uuid.keys() - known.keys():
            self._blame(f"events of {unknown}, and there is no such call: {by_uuid[unknown][0].event}")
        for name, expected in known.items():
            self._judge_order(name, expected, by_uuid[name])

    def _judge_order(self, uuid: str, expected: Sequence[Expected], events: Sequence[Received]) -> None:
        names = [event.event for event in events if event.event in ("call", *ENDS)]
        said = ", ".join(names) or "nothing"
        if names[::2] != ["call"] * len(names[::2]) or any(name not in ENDS for name in names[1::2]) or len(names) % 2:
            self._blame(f"events of {uuid} are not call and ended or cut in turn: {said}")
        least = sum(each.is_whole or each.sure_frames > 0 for each in expected)
        if not least <= len(names) / 2 <= len(expected):
            self._blame(f"events of {uuid}: {said}; there were {len(expected)} calls with it")
        ended = names.count("ended")
        had_ended = max(sum(each.is_whole for each in expected), self._ended[UUID(uuid)])
        if ended < had_ended:
            self._blame(f"events of {uuid}: {said}; {had_ended} had ended")
        self.verdict.counts["events ended"] += ended
        self.verdict.counts["events cut"] += names.count("cut")
        self._judge_digits(uuid, expected, events)

    def _judge_digits(self, uuid: str, expected: Sequence[Expected], events: Sequence[Received]) -> None:
        pressed = [key for each in expected for key in each.call.keys]
        heard = [digit_of(event) for event in events if event.event == "digit"]
        if all(each.is_whole for each in expected) and heard != pressed:
            self._blame(f"events of {uuid} tell the digits {heard}, and {pressed} were pressed")


def digit_of(event: Received) -> Any:
    return json.loads(event.body).get("digit")


def is_whole_pcapng(content: bytes) -> bool:
    """Whether a capture ends with a block that is complete."""
    at = 0
    while at + 12 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if size < 12 or content[at + size - 4 : at + size] != content[at + 4 : at + 8]:
            return False
        at += size
    return at == len(content) > 0
