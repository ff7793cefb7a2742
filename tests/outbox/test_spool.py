"""The spool: what waits survives its process; each is handed out once, and counted."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiosocket_cli.outbox.call_files import CallFiles
from audiosocket_cli.outbox.spool import Spool


@contextmanager
def spool_in(folder: Path, **options: object) -> Iterator[Spool]:
    spool = Spool(folder / "spool", **options)  # type: ignore[arg-type]
    try:
        yield spool
    finally:
        spool.close()


def call_in(folder: Path, name: str, size: int = 1000) -> CallFiles:
    recording, own_json = folder / f"{name}.wav", folder / f"{name}.json"
    recording.write_bytes(bytes(size))
    own_json.write_text("{}")
    return CallFiles(name, name, "192.0.2.1:5000", "2026-11-30T12:00:00.000+00:00", (recording,), own_json)


def test_a_call_waits_until_it_is_finished(tmp_path: Path) -> None:
    call = call_in(tmp_path, "a")
    with spool_in(tmp_path) as spool:
        spool.put_call(call)
        spool.put_call(call)
        spool.sync()
        (waiting,) = spool.due_calls(10)
        assert waiting.files == call
        assert (waiting.stem, waiting.done, waiting.attempts) == (None, {}, 0)
        assert spool.due_calls(10) == []
        assert spool.figures()[:2] == (1, 1002)
        spool.note_stem(waiting.id, "a-2")
        spool.note_object(waiting.id, "a-2.wav", 1000, "00")
    with spool_in(tmp_path) as spool:
        (waiting,) = spool.due_calls(10)
        assert (waiting.files, waiting.stem, waiting.done) == (call, "a-2", {"a-2.wav": "00"})
        spool.finish_call(waiting.id)
        spool.finish_call(waiting.id)
        spool.sync()
        assert spool.figures()[:5] == (0, 0, 0, 0, None)
        assert spool.figures().uploaded == 1
    with spool_in(tmp_path) as spool:
        assert spool.due_calls(10) == []
        spool.put_call(call)
        spool.sync()
        assert spool.due_calls(10) == []


def test_a_note_for_which_there_is_no_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with spool_in(tmp_path) as spool:
        monkeypatch.setattr(spool._batches, "put", lambda job: False)
        with pytest.raises(OSError, match="too much waits to be written to the spool"):
            spool.note_object(1, "a.wav", 1000, "1")
        with pytest.raises(OSError, match="too much waits to be written to the spool"):
            spool.note_stem(1, "a")


def test_who_delivers_is_woken_by_what_was_put(tmp_path: Path) -> None:
    calls, events = threading.Event(), threading.Event()
    with spool_in(tmp_path) as spool:
        spool.news.listen("calls", calls.set)
        spool.news.listen("events", events.set)
        spool.put_event("call", "a", {"event": "call"})
        assert events.wait(60)
        assert len(spool.due_events(10)) == 1, "it is there by then"
        assert not calls.is_set()
        spool.put_call(call_in(tmp_path, "a"))
        assert calls.wait(60)
        assert len(spool.due_calls(10)) == 1


def test_a_postponed_call_comes_again(tmp_path: Path) -> None:
    lines: list[str] = []
    with spool_in(tmp_path, tell=lines.append) as spool:
        spool.put_call(call_in(tmp_path, "a"))
        spool.sync()
        (waiting,) = spool.due_calls(10)
        spool.postpone_call(waiting.id, 3600, "the store is away")
        assert spool.due_calls(10) == []
        spool.postpone_call(waiting.id, 0, "")
        (again,) = spool.due_calls(10)
        assert (again.id, again.attempts) == (waiting.id, 2)
        spool.give_up_call(waiting.id, "")
        spool.sync()
        assert spool.figures().given_up == 1
        assert spool.due_calls(10) == []
    assert lines[0] == "the store is away"


def test_another_call_with_the_name_of_one_that_was_sent_is_sent_too(tmp_path: Path) -> None:
    """Its files were removed after the upload, and so its name was free again."""
    with spool_in(tmp_path) as spool:
        spool.put_call(call_in(tmp_path, "a"))
        spool.sync()
        (first,) = spool.due_calls(10)
        spool.finish_call(first.id)
        spool.sync()
        call = call_in(tmp_path, "a", size=50)
        os.utime(call.recordings[0], ns=(1, 1))
        spool.put_call(call)
        spool.sync()
        (second,) = spool.due_calls(10)
        assert second.id != first.id
        assert spool.figures()[:2] == (1, 52)


def test_a_call_that_is_put_again_while_its_files_are_removed_is_not_sent_again(tmp_path: Path) -> None:
    """One process found it, as its own had died or was about to put it; it is in the store, and its files go."""
    call = call_in(tmp_path, "a")
    with spool_in(tmp_path) as spool:
        spool.put_call(call)
        spool.sync()
        (waiting,) = spool.due_calls(10)
        call.recordings[0].unlink()
        for _ in range(2):
            spool.put_call(call)
            spool.sync()
            spool.finish_call(waiting.id)
            spool.sync()
        assert spool.due_calls(10) == []
        assert spool.figures()[:2] == (0, 0)
        assert (spool.figures().uploaded, spool.figures().given_up) == (1, 0)


def test_a_full_spool_gives_up_new_calls_and_drops_new_events(tmp_path: Path) -> None:
    lines: list[str] = []
    with spool_in(tmp_path, max_bytes=2500, tell=lines.append) as spool:
        for name in "abc":
            spool.put_call(call_in(tmp_path, name))
        spool.put_event("call", "a", {"x": "y" * 400})
        spool.put_event("digit", "a", {"x": "y" * 400})
        spool.sync()
        figures = spool.figures()
        assert [waiting.files.name for waiting in spool.due_calls(10)] == ["a", "b"]
        assert (figures.given_up, figures.dropped, figures.waiting_events) == (1, 1, 1)
    assert lines == [
        "c is not uploaded, and its files stay: the spool is full (--spool-max)",
        "an event (digit) is dropped: the spool is full (--spool-max)",
    ]
    with spool_in(tmp_path) as spool:
        spool.put_call(call_in(tmp_path, "d"))
        spool.sync()
        assert [waiting.files.name for waiting in spool.due_calls(10)] == ["a", "b", "d"]


def test_a_call_without_files_is_told(tmp_path: Path) -> None:
    lines: list[str] = []
    with spool_in(tmp_path, tell=lines.append) as spool:
        spool.put_call(CallFiles("gone", "gone", "peer", "", (tmp_path / "gone.wav",)))
        spool.sync()
        assert spool.due_calls(10) == []
    assert lines == ["gone is not uploaded: its files are gone"]


def test_events_come_in_order_with_ids_of_their_own(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        for number, event in enumerate(("call", "digit", "digit", "ended")):
            spool.put_event(event, "u", {"event": event, "number": number, "odd": "\udcff\u2028"})
        spool.put_event("refused", None, {"event": "refused"})
        spool.sync()
        events = spool.due_events(3) + spool.due_events(10)
        assert [event.event for event in events] == ["call", "digit", "digit", "ended", "refused"]
        assert [json.loads(event.body).get("number") for event in events] == [0, 1, 2, 3, None]
        assert len({event.event_id for event in events}) == 5
        assert all(event.event_id.replace("-", "").isalnum() for event in events)
        first = events[0]
        spool.postpone_event(first.id, 0, "")
        spool.put_event("digit", "u", {"number": 4})
        spool.sync()
        again = spool.due_events(10)
        assert [event.id for event in again] == [1, 2, 3, 4, 6]
        assert [event.attempts for event in again] == [1, 0, 0, 0, 0]
        spool.finish_events([1, 2, 3])
        spool.drop_event(4, "refused")
        spool.sync()
        figures = spool.figures()
        assert (figures.waiting_events, figures.sent, figures.dropped) == (2, 3, 1)
    with spool_in(tmp_path) as spool:
        assert [event.id for event in spool.due_events(10)] == [5, 6]


def test_events_of_a_call_that_is_held_are_held_too(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        spool.put_event("call", "u", {})
        spool.sync()
        (event,) = spool.due_events(10)
        spool.postpone_event(event.id, 3600, "")
        for _ in range(5):
            spool.put_event("digit", "u", {})
        spool.put_event("call", "v", {})
        spool.sync()
        assert [event.uuid for event in spool.due_events(3)] == ["v"]


def test_a_call_whose_name_another_has_got_is_not_out_any_more(tmp_path: Path) -> None:
    call = call_in(tmp_path, "a")
    with spool_in(tmp_path) as spool:
        spool.put_call(call)
        spool.sync()
        (before,) = spool.due_calls(10)
        os.utime(call.recordings[0], ns=(1, 1))
        spool.put_call(call)
        spool.sync()
        spool.postpone_call(before.id, 0, "")
        (after,) = spool.due_calls(10)
        assert after.id > before.id
        assert spool.calls_out == 1


def test_a_body_that_is_no_json_is_told_and_holds_up_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    with spool_in(tmp_path, tell=lines.append) as spool:
        spool.put_event("call", "u", {"x": object()})
        spool.put_event("call", "v", {})
        spool.sync()
        assert [event.uuid for event in spool.due_events(10)] == ["v"]
    assert len(lines) == 1
    assert "internal error" in lines[0]


KILLED = """
import os, signal, sys
from pathlib import Path
from audiosocket_cli.outbox.spool import Spool
spool = Spool(Path(sys.argv[1]) / "spool")
for number in range(int(sys.argv[2])):
    spool.put_event("call", f"u{number}", {"number": number})
spool.put_event("ended", "u0", {})
spool.sync()
print("synced", flush=True)
sys.stdin.read()
"""


def test_what_is_synced_survives_a_kill_and_its_calls_are_known_as_dead(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path, "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"synced\n"
        with spool_in(tmp_path) as spool:
            assert spool.dead_calls() == []
        process.send_signal(signal.SIGKILL)
        process.wait()
    with spool_in(tmp_path) as spool:
        assert [json.loads(event.body).get("number") for event in spool.due_events(10)] == [0, 1, 2, None]
        dead = spool.dead_calls()
        assert [live.uuid for live in dead] == ["u1", "u2"]
        assert json.loads(dead[0].body) == {"number": 1}
        call = call_in(tmp_path, "u1")
        spool.put_cut(call, dead[:1], {"event": "cut"})
        spool.put_cut(None, dead[1:], {"event": "cut"})
        spool.sync()
        assert spool.dead_calls() == []
        assert [(event.event, event.uuid) for event in spool.due_events(10)] == [("cut", "u1"), ("cut", "u2")]
        assert [waiting.files for waiting in spool.due_calls(10)] == [call]


@pytest.mark.parametrize("processes", [3])
def test_many_processes_put_at_once(tmp_path: Path, processes: int) -> None:
    command = [sys.executable, "-c", KILLED, tmp_path, "200"]
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for _ in range(processes)]
    assert [process.wait() for process in running] == [0] * processes
    with spool_in(tmp_path) as spool:
        events = spool.due_events(10_000)
        assert len(events) == len({event.event_id for event in events}) == processes * 201
        assert spool.figures().waiting_events == processes * 201


def test_a_pattern_that_is_not_utf_8_is_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    pattern = os.fsdecode(b"/caf\xe9/{uuid}.wav")
    with spool_in(tmp_path, tell=lines.append) as spool:
        spool.note_pattern(pattern)
        spool.sync()
        assert spool.patterns() == {pattern}
    assert lines == []


def test_a_call_for_which_there_is_no_room_in_memory_is_counted_and_looked_for_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosocket_cli.outbox.spool.MAX_WAITING", 0)
    spool = Spool(tmp_path / "spool")
    spool.put_call(call_in(tmp_path, "a"))
    assert (spool.unwritten, spool.close()) == (1, 0)
    with spool_in(tmp_path) as spool:
        assert len(spool.processes.dead()) == 1


def test_calls_have_room_in_memory_that_events_cannot_take(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        blocked = sqlite3.connect(tmp_path / "spool" / "spool.sqlite", isolation_level=None)
        blocked.execute("BEGIN IMMEDIATE")  # as a disk on which nothing can be written
        while not spool.unwritten:
            spool.put_event("digit", None, {})
        spool.put_call(call_in(tmp_path, "a"))
        assert spool.unwritten == 1
        blocked.rollback()
        blocked.close()
        spool.sync()
        assert spool.figures().waiting_calls == 1
