"""The way of a capture to a sink: each frame or row once, counted, and no more than was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from audiosocket_cli.analysis.dumping import DumpRequest, DumpResult, Reading, dump
from audiosocket_cli.analysis.reviewing import CallRow, Heading, Summary
from audiosocket_cli.analysis.selection import Selection
from audiosocket_cli.capture.items import Captured, CapturedCall, Damage, Item, Over
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.codec import Kind
from audiosocket_cli.errors import FileError
from audiosocket_cli.model import Side
from support.captured import UUID_1, UUID_2, a_call, a_normal_call, as_lines, sent, speech, steady, whole, write_lines


class KeptNotes:
    """Notes as they were told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def damaged(self, damage: Damage, file: str, *, is_beyond_resync: bool) -> None:
        self.told.append(f"damaged {Path(file).name}")

    def remarked(self, call: CapturedCall, file: str) -> None:
        self.told += [f"remarked {text}" for text in call.remarks]

    def ended(self, reading: Reading) -> None:
        self.told.append(f"ended {Path(reading.name).name} {reading.found.calls}")

    def failed(self, error: FileError) -> None:
        self.told.append("failed")


def dumped(
    request: DumpRequest, take: Callable[[Reading], Iterable[object]]
) -> tuple[list[object], DumpResult, list[str]]:
    """Dump into a list; returns what came into it, what was counted and what was told."""
    found: list[object] = []
    notes = KeptNotes()
    result = dump(request, lambda reading: found.extend(take(reading)), notes)
    return found, result, notes.told


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "one.jsonl", a_normal_call(1.0))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "other.jsonl", a_normal_call(2.0, UUID_2))


def test_each_frame_comes_once_and_is_counted(one: Path, other: Path) -> None:
    found, result, told = dumped(DumpRequest((str(one), str(other))), Reading.frames)
    frames = [item for item in found if isinstance(item, Captured)]
    assert [len([item for item in frames if item.call.uuid == uuid]) for uuid in (UUID_1, UUID_2)] == [101, 201]
    assert (result.calls, result.frames, result.shown, result.is_full) == (2, 302, 302, False)
    assert told == ["ended one.jsonl 1", "ended other.jsonl 1"]


def test_a_limit_goes_on_from_one_capture_to_the_next_and_ends_there(one: Path, other: Path) -> None:
    names = (str(one), str(other), str(one))
    found, result, told = dumped(DumpRequest(names, limit=150), Reading.frames)
    assert sum(isinstance(item, Captured) for item in found) == result.frames == 150
    assert (result.is_full, len(told)) == (True, 2)
    found, result, _ = dumped(DumpRequest(names, limit=9), Reading.rows)
    assert sum(isinstance(shown, CallRow) for shown in found) == result.shown == 9
    found, result, _ = dumped(DumpRequest(names, limit=2), Reading.calls)
    assert (len(found), result.shown, result.calls) == (2, 2, 2)


def test_rows_have_headings_and_summaries_and_calls_have_neither(one: Path) -> None:
    found, result, _ = dumped(DumpRequest((str(one),)), Reading.rows)
    assert isinstance(found[0], Heading)
    assert isinstance(found[-1], Summary)
    assert all(isinstance(shown, CallRow) for shown in found[1:-1])
    assert result.frames == 101


def test_what_is_selected_is_shown_and_all_of_the_rest_is_read(one: Path) -> None:
    selection = Selection(side=Side.SERVER, from_s=0.5)
    found, result, _ = dumped(DumpRequest((str(one),), selection=selection), Reading.frames)
    frames = [item for item in found if isinstance(item, Captured)]
    assert {item.side for item in frames} == {Side.SERVER}
    assert (result.frames, min(item.at_s for item in frames)) == (25, 0.51)
    found, result, told = dumped(DumpRequest((str(one),), selection=Selection(call="ffff")), Reading.frames)
    assert (found, result.calls, told) == ([], 0, ["ended one.jsonl 0"])


@pytest.mark.parametrize("take", [Reading.frames, Reading.rows, Reading.calls], ids=["frames", "rows", "calls"])
def test_findings_are_counted_whatever_is_shown(tmp_path: Path, take: Callable[[Reading], Iterator[object]]) -> None:
    call = a_call()
    caller = sent(call, Side.CALLER, speech(5.0), steady(0.02, 250))
    path = write_lines(tmp_path / "silent.jsonl", whole(call, caller, []))
    assert dumped(DumpRequest((str(path),), strict=True), take)[1].findings == 1


def test_one_of_several_that_cannot_be_read_is_told_and_the_only_one_raises(one: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    _, result, told = dumped(DumpRequest((missing, str(one))), Reading.frames)
    assert (result.damages, result.calls, told) == (1, 1, ["failed", "ended one.jsonl 1"])
    with pytest.raises(FileError, match="no such file"):
        dumped(DumpRequest((missing,)), Reading.frames)


@pytest.mark.parametrize("take", [Reading.frames, Reading.rows], ids=["frames", "rows"])
def test_damage_is_told_once_and_shown_nowhere_in_rows(
    one: Path, tmp_path: Path, take: Callable[[Reading], Iterator[object]]
) -> None:
    path = tmp_path / "damaged.jsonl"
    path.write_text("".join([*list(as_lines(a_normal_call(1.0)))[:50], "{no json\n"]))
    found, result, told = dumped(DumpRequest((str(path), str(one))), take)
    assert (result.damages, told) == (1, ["damaged damaged.jsonl", "ended damaged.jsonl 1", "ended one.jsonl 1"])
    assert take is not Reading.rows or not any(isinstance(shown, Damage) for shown in found)


def test_whoever_interrupts_a_wait_for_more_sees_the_end_of_what_there_is(one: Path) -> None:
    data = [one.read_bytes()[:20_000]]

    def read(size: int) -> bytes:
        if not data[0]:
            raise KeyboardInterrupt
        some, data[0] = data[0][:size], data[0][size:]
        return some

    reading = Reading(Capture(read, "grows"), "grows", DumpRequest(("grows",)), DumpResult(), KeptNotes(), None)
    items = list(reading.frames())
    assert isinstance(items[-1], Over)
    assert [isinstance(item, Captured) for item in items].count(True) == reading.found.frames > 30
    assert (reading.found.interrupted, reading.found.calls) == (True, 1)


def test_what_is_beside_sees_what_is_not_selected(one: Path) -> None:
    class Kinds:
        def __init__(self) -> None:
            self.kinds: set[int] = set()

        def watch(self, items: Iterable[Item], *, both: bool) -> Iterator[Item]:
            for item in items:
                if isinstance(item, Captured):
                    self.kinds.add(item.frame.kind)
                yield item

    beside, request = Kinds(), DumpRequest((str(one),), selection=Selection(kinds=frozenset({Kind.UUID})))
    result = dump(request, lambda reading: list(reading.frames()) and None, KeptNotes(), beside)
    assert (result.frames, beside.kinds) == (1, {Kind.UUID, Kind.SLIN})
