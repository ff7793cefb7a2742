"""A file about calls: what one of our commands printed or kept as JSON, also a folder of it, a capture, or a recording.

The findings are in the file, or are found by reading it; each kind is told once, with what its page says to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.analysis.call_review import CallReview
from audiosocket_cli.analysis.reviewing import review
from audiosocket_cli.asterisk.facts import SILENCE_TIMEOUT_S
from audiosocket_cli.audio.recognition import HEAD_BYTES
from audiosocket_cli.call.taps import stats
from audiosocket_cli.capture.beginning import is_recording
from audiosocket_cli.capture.items import Damage, NoCall
from audiosocket_cli.capture.lacks import left_out_of, missing_of
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.doctor.files.findings_told import diagnosis, in_words, status_of
from audiosocket_cli.doctor.files.recording import judge_recording
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.errors import FileError
from audiosocket_cli.finding import Diagnosis, Status, id_of, tagged, untagged
from audiosocket_cli.in_thread import in_thread

_MAX_EVIDENCE: Final = 5
_MAX_KINDS: Final = 200
_MAX_JSON_BYTES: Final = 64 << 20
_MAX_LINE_BYTES: Final = 4 << 20
_FRAMES_SCHEMA: Final = "audiosocket.frames/1"
_WORST_FIRST: Final = (Status.FAULT, Status.WARNING, Status.UNKNOWN, Status.OK)


class _Kind:
    """All findings of one id, `first` one first."""

    def __init__(self, first: str) -> None:
        self.first = first
        self.texts: list[str] = []
        """The first ones, each after the name of its call."""
        self.count = 0
        self.calls = 0


class _Found:
    """The findings of the calls in a file, of each kind the first ones, and how many there are."""

    def __init__(self) -> None:
        self.by_id: dict[str, _Kind] = {}
        self.calls: list[str] = []
        """The first calls, each in a sentence."""
        self.count = 0
        """How many calls there are."""

    def add(self, name: str, texts: Iterable[str]) -> None:
        """Add the findings of one call, or of what is not a call: then `name` is empty."""
        ids = set()
        for text in texts:
            finding_id = id_of(text) or "no-id"
            if finding_id not in self.by_id and len(self.by_id) >= _MAX_KINDS:
                continue
            kind = self.by_id.setdefault(finding_id, _Kind(untagged(text)))
            kind.count += 1
            ids.add(finding_id)
            if len(kind.texts) < _MAX_EVIDENCE:
                kind.texts.append(f"{name}: {untagged(text)}" if name else untagged(text))
        for finding_id in ids:
            self.by_id[finding_id].calls += 1

    def add_call(self, call: dict[str, Any]) -> None:
        """Add a call: its findings, and why it ended where that is one."""
        name = str(call.get("uuid") or call.get("call") or "")
        texts = [text for text in call["findings"] if isinstance(text, str)]
        reason = call.get("ended_reason")
        if isinstance(reason, str) and id_of(reason) is not None and id_of(reason) not in map(id_of, texts):
            texts.append(reason)
        texts += _unanswered(call)
        self.count += 1
        self.add(name, texts)
        if len(self.calls) < _MAX_EVIDENCE:
            self.calls.append(_sentence(name, call))

    def diagnoses(self, others: Sequence[Diagnosis] = ()) -> list[Diagnosis]:
        """Return one for each kind of finding, the faults first; one that is ok where there is none."""
        found = [*others, *(self._diagnosis(*each) for each in self.by_id.items())]
        if not found:
            what = "the call" if self.count == 1 else f"{self.count} calls"
            return [diagnosis("nothing-found", Status.OK, f"nothing is wrong with {what}", self.calls)]
        return sorted(found, key=lambda each: _WORST_FIRST.index(each.status))

    def _diagnosis(self, finding_id: str, kind: _Kind) -> Diagnosis:
        what = kind.first if finding_id == "no-id" else in_words(finding_id, kind.first)
        more = [f"and {kind.count - len(kind.texts)} more"] if kind.count > len(kind.texts) else []
        where = f" (in {kind.calls} of {self.count} calls)" if self.count > 1 else ""
        return diagnosis(finding_id, status_of(finding_id), what + where, (*kind.texts, *more))


def _unanswered(call: dict[str, Any]) -> list[str]:
    """Say that a server sent nothing at all, not even silence, to a caller who could be heard."""
    match call:
        case {
            "schema": stats.SCHEMA,  # a capture may hold one direction only
            "caller": {"audio_s": float() | int() as heard_s},
            "server": {"audio_s": float() | int() as said_s},
        }:
            if heard_s >= SILENCE_TIMEOUT_S and not said_s:
                return [tagged("one-way-sound", f"the server sent no audio while the caller sent {heard_s:.1f} s")]
    return []


def call_file_look(path: Path) -> Look:
    """Return how to look at a file, which takes a while for a long one: in a thread."""
    return Look(f"the file {path}", partial(in_thread, partial(look_at_file, path)))


def look_at_file(path: Path) -> list[Diagnosis]:
    """Return what is wrong in a file, and what to do about it; one that is ok where nothing is.

    What cannot be read, or is none of the formats, is a diagnosis too, with the status "not looked at".
    """
    try:
        if path.is_dir():
            return _look_at_folder(path)
        if path.exists() and not path.is_file():  # a pipe may never begin, and a device never end
            return [diagnosis("file-unread", Status.UNKNOWN, f"{path} is not a file")]
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if is_recording(head, path):
            return judge_recording(path)
        found = _results_in(path, head)
        return _look_at_capture(path) if found is None else found.diagnoses()
    except (FileError, OSError) as error:
        why = str(error) if isinstance(error, FileError) else (error.strerror or str(error)).lower()
        return [diagnosis("file-unread", Status.UNKNOWN, why)]


# Captures.


def _look_at_capture(path: Path) -> list[Diagnosis]:
    found, refused, damages, lacks = _Found(), _Found(), list[str](), _Lacks()
    capture = open_capture(path)
    for one in review(capture.runs(), with_rows=False):
        if isinstance(one, CallReview) and one.is_over:
            found.add_call(one.as_dict())
            lacks.add(one)
        elif isinstance(one, NoCall):
            refused.add(one.caller, [one.reason])
        elif isinstance(one, Damage) and len(damages) < _MAX_EVIDENCE:
            damages.append(f"at byte {one.offset}: {one.reason}")
    others = [diagnosis("file-damaged", Status.WARNING, evidence=damages)] if damages else []
    left_out = left_out_of(capture)
    if found.count:
        others += lacks.diagnoses(left_out)
        return found.diagnoses(others)  # connections that were no calls are health checks then
    if refused.by_id:
        return refused.diagnoses(others)
    finding_id = "file-unread" if damages else "no-call"
    return [diagnosis(finding_id, Status.UNKNOWN, evidence=[*damages, *left_out])]


class _Lacks:
    """What the calls of a capture lack, which says nothing of the calls themselves."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        """The first ones."""
        self._is_blind = False
        """Whether a side was not heard at all, as its frames are missing."""

    def add(self, call: CallReview) -> None:
        """Add a call that is over."""
        for side, size in call.missing_bytes.items():
            self._is_blind |= size > 0 and not call.sides[side].stats.audio_s
            self._add(call, missing_of(side, size))
        if call.call.unseen:
            self._add(call, [f"nothing that the {call.call.unseen} sent was captured"])

    def _add(self, call: CallReview, texts: list[str]) -> None:
        self._texts += [f"{call.call.name}: {text}" for text in texts][: _MAX_EVIDENCE - len(self._texts)]

    def diagnoses(self, left_out: Sequence[str]) -> list[Diagnosis]:
        """Return one if they lack anything; where a side could not be heard, nothing was looked at."""
        status = Status.UNKNOWN if self._is_blind else Status.WARNING
        return [diagnosis("capture-incomplete", status, evidence=[*self._texts, *left_out])] if self._texts else []


# JSON.


def _results_in(path: Path, head: bytes) -> _Found | None:
    """Return what a file of JSON holds, one object or one each line; None for what is not JSON, or is a capture."""
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    whole = _whole_object(path)
    objects = iter([whole]) if whole is not None else _objects(path)
    found = _Found()
    for each in objects:
        schema = str(each.get("schema", ""))
        if schema == _FRAMES_SCHEMA or not schema.startswith("audiosocket."):
            return None
        for call in _calls_in(each):
            found.add_call(call)
        found.add("", _other_findings(each))
    return found if found.count or found.by_id else None


def _look_at_folder(path: Path) -> list[Diagnosis]:
    """Look at the JSON of all calls in a folder, as `--record` writes it."""
    found = _Found()
    for file in sorted(each for each in path.iterdir() if each.name.endswith(".json")):
        for call in _calls_in(_whole_object(file) or {}) if file.is_file() else ():
            found.add_call(call)
    if not found.count:
        return [diagnosis("file-unread", Status.UNKNOWN, f"the folder {path} has no JSON of a call")]
    return found.diagnoses()


def _whole_object(path: Path) -> dict[str, Any] | None:
    """Return a file that is one JSON object, as `<uuid>.json` is."""
    if path.stat().st_size > _MAX_JSON_BYTES:
        return None
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON lines; what is not one is skipped, as the lines of others in a log are."""
    with path.open("rb") as file:
        while line := file.readline(_MAX_LINE_BYTES):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                yield found


def _calls_in(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of one object: itself, or the call of a result or an event."""
    inside = [content, content.get("call")]
    return [each for each in inside if isinstance(each, dict) and isinstance(each.get("findings"), list)]


def _other_findings(content: dict[str, Any]) -> Iterator[str]:
    """Yield the findings of what is not a call: a load test, whose findings have counts, and a check, by its cases."""
    findings, cases = content.get("findings"), content.get("cases")
    for text in findings if isinstance(findings, dict) else ():
        yield str(text)
    for case in cases if isinstance(cases, list) else ():
        if isinstance(case, dict) and case.get("verdict") == "fail" and isinstance(case.get("finding"), str):
            yield tagged(case["finding"], f"{case.get('id')}: {case.get('observed')}")


def _sentence(name: str, call: dict[str, Any]) -> str:
    duration_s = call.get("duration_s")
    parts = [f"{duration_s:.2f} s"] if isinstance(duration_s, int | float) else []
    for side in ("caller", "server"):
        level = call[side].get("level_dbfs") if isinstance(call.get(side), dict) else None
        if isinstance(level, int | float):
            parts.append(f"{side} {level:.1f} dBFS")
    if call.get("ended_by"):
        parts.append(f"ended by {call['ended_by']} ({call.get('ended_how')})")
    return f"{name}: {', '.join(parts)}"
