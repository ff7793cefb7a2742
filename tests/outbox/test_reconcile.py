"""What a process that died has left: complete calls that were not put, calls that were cut, events without an end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from audiosocket_cli.disk import HalfMade
from audiosocket_cli.outbox.call_files import CallFiles
from audiosocket_cli.outbox.processes import SpoolProcess, SpoolProcesses
from audiosocket_cli.outbox.reconcile import Found, find
from audiosocket_cli.outbox.spool import Spool

UUIDS = [f"0000000{number}-1111-4111-8111-111111111111" for number in range(8)]
LONG_AGO = 1_600_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "calls" / ".audiosocket-spool")
    yield spool
    spool.close()


def dead_run(spool: Spool, pattern: str = "{uuid}.wav", **about: Any) -> list[SpoolProcess]:
    """The file of a process that died, which recorded beside the spool."""
    folder = spool.folder.parent
    told = {"upload": "s3://b", "record": str(folder / pattern), "capture": str(folder), **about}
    SpoolProcesses(spool.folder / "processes", told).close(is_over=False)
    return spool.processes.dead()


def recorded(folder: Path, name: str, *, json_too: bool = True, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.wav"
    path.write_bytes(bytes(1000))
    if json_too:
        result = call_json(name[:36], **more)
        path.with_suffix(".json").write_text(json.dumps(result))
    return path


def call_json(uuid: str, **more: Any) -> dict[str, Any]:
    return {
        "schema": "audiosocket.call/1", "uuid": uuid, "peer": "192.0.2.1:5000",
        "started_at": "2026-11-30T12:00:00.000+00:00", "duration_s": 1.0, **more,
    }  # fmt: skip


def started(uuid: str, at: str = "2026-11-30T12:00:00.000+00:00") -> Mapping[str, Any]:
    return {"event": "call", "uuid": uuid, "peer": "192.0.2.9:1", "started_at": at}


def brief(found: Found) -> tuple[str, bool | None, list[str]]:
    """Whose it is, whether its files were cut (None: they are not put), and whose events have no end."""
    uuid = found.files.uuid if found.files is not None else found.lives[0].uuid
    cut = None if found.files is None else found.files.is_cut
    return str(uuid), cut, [live.uuid for live in found.lives]


def test_nothing_is_found_of_a_process_that_put_all(spool: Spool, tmp_path: Path) -> None:
    dead = dead_run(spool)
    path = recorded(spool.folder.parent, UUIDS[0])
    spool.put_call(CallFiles(UUIDS[0], UUIDS[0], "peer", "", (path,), path.with_suffix(".json")))
    spool.sync()
    assert list(find(spool, dead)) == []


def test_a_complete_call_that_was_not_put_is_found_whole(spool: Spool) -> None:
    dead = dead_run(spool)
    folder = spool.folder.parent
    recorded(folder, f"{UUIDS[0]}-2", capture={"file": f"{UUIDS[0]}-3.pcapng"})
    for rest in ("-2.part2.wav", "-2.mirror.wav", "-2.mirror.json", "-3.pcapng", "-2.part10.wav"):
        (folder / f"{UUIDS[0]}{rest}").touch()
    (found,) = find(spool, dead)
    assert found.files is not None
    assert [path.name.removeprefix(UUIDS[0]) for path in found.files.paths] == [
        "-2.wav", "-2.part2.wav", "-2.part10.wav", "-2.mirror.json", "-2.mirror.wav", "-3.pcapng", "-2.json",
    ]  # fmt: skip
    files = found.files
    assert (files.name, files.uuid, files.peer, files.is_cut) == (f"{UUIDS[0]}-2", UUIDS[0], "192.0.2.1:5000", False)
    assert files.started_at == "2026-11-30T12:00:00.000+00:00"


def test_a_recording_whose_json_nobody_will_write_was_cut(spool: Spool) -> None:
    dead = dead_run(spool)
    folder = spool.folder.parent
    recorded(folder, UUIDS[0], json_too=False)
    (folder / f"{UUIDS[0]}.json.part").touch()  # of a process that died
    recorded(folder, UUIDS[1], json_too=False)
    live = HalfMade(folder / f"{UUIDS[1]}.json.part")
    (folder / f"{UUIDS[0]}.pcapng").touch()
    (found,) = find(spool, dead)
    assert brief(found) == (UUIDS[0], True, [])
    assert found.files is not None
    assert found.files.capture == folder / f"{UUIDS[0]}.pcapng"
    assert found.files.json is None
    live.drop()
    spool.put_cut(found.files, found.lives)
    spool.sync()
    assert [brief(each) for each in find(spool, dead)] == [(UUIDS[1], True, [])]


def test_a_pipe_in_the_place_of_its_json_hides_no_call(spool: Spool) -> None:
    dead = dead_run(spool)
    path = recorded(spool.folder.parent, UUIDS[0], json_too=False)
    os.mkfifo(path.with_suffix(".json"))
    (found,) = find(spool, dead)
    assert brief(found) == (UUIDS[0], True, [])


def test_a_single_file_that_another_process_records_now_is_not_taken_for_cut(spool: Spool) -> None:
    dead = dead_run(spool, "call.wav")
    recorded(spool.folder.parent, "call", json_too=False)
    live = SpoolProcesses(
        spool.folder / "processes", {"upload": "s3://b", "record": str(spool.folder.parent / "call.wav")}
    )
    assert list(find(spool, dead)) == []
    live.close()
    (found,) = find(spool, dead)
    assert found.files is not None
    assert found.files.is_cut


def test_json_that_only_lacks_its_name_gets_it(spool: Spool) -> None:
    dead = dead_run(spool)
    folder = spool.folder.parent
    recorded(folder, UUIDS[0], json_too=False)
    (folder / f"{UUIDS[0]}.json.part").write_text(json.dumps(call_json(UUIDS[0])))
    (found,) = find(spool, dead)
    assert brief(found) == (UUIDS[0], False, [])


def test_what_is_older_and_what_has_other_names_is_not_touched(spool: Spool) -> None:
    dead = dead_run(spool)
    folder = spool.folder.parent
    for name, json_too in ((UUIDS[0], True), (UUIDS[1], False)):
        path = recorded(folder, name, json_too=json_too)
        for each in (path, path.with_suffix(".json")):
            if each.exists():
                os.utime(each, (LONG_AGO, LONG_AGO))
    recorded(folder, "prompt", json_too=False)
    recorded(folder, f"{UUIDS[2]}.copy", json_too=False)
    (folder / f"{UUIDS[3]}.json").write_text("{")
    assert list(find(spool, dead)) == []


def test_all_is_found_when_looked_for_from_the_beginning(spool: Spool) -> None:
    folder = spool.folder.parent
    for name, json_too in ((UUIDS[0], True), (UUIDS[1], False)):
        path = recorded(folder, name, json_too=json_too)
        os.utime(path, (LONG_AGO, LONG_AGO))
    (folder / f"{UUIDS[0]}.wav").rename(folder / f"{UUIDS[0]}.flac")
    everything = [SpoolProcess("", 0.0, "s3://b", None, str(folder / "{uuid}.wav"))]
    found = list(find(spool, everything, since=0.0, with_lives=False))
    assert sorted(map(brief, found)) == [(UUIDS[0], False, []), (UUIDS[1], True, [])]
    assert all(each.is_old for each in found)


def test_folders_by_date_are_looked_into(spool: Spool) -> None:
    dead = dead_run(spool, "{date}/{time}_{uuid}.wav")
    folder = spool.folder.parent
    recorded(folder / "2026-11-30", f"12-00-00_{UUIDS[0]}", json_too=False)
    recorded(folder / "other", f"12-00-00_{UUIDS[1]}", json_too=False)
    recorded(folder / "2020-01-01", f"12-00-00_{UUIDS[2]}", json_too=False)
    os.utime(folder / "2020-01-01", (LONG_AGO, LONG_AGO))  # nothing is new there
    (found,) = find(spool, dead)
    assert found.files is not None
    assert (found.files.uuid, found.files.name) == (UUIDS[0], f"12-00-00_{UUIDS[0]}")


def test_a_name_of_one_file_stands_for_that_alone(spool: Spool) -> None:
    dead = dead_run(spool, "call.wav")
    for name in ("call", "call-2", "calls"):
        recorded(spool.folder.parent, name, json_too=False)
    (found,) = find(spool, dead)
    assert found.files is not None
    assert (found.files.uuid, found.files.name) == (None, "call")


def test_parts_of_a_name_by_the_peer_belong_to_its_call(spool: Spool) -> None:
    dead = dead_run(spool, "{peer}.wav")
    folder = spool.folder.parent
    recorded(folder, "192.0.2.1_5000")
    recorded(folder, "192.0.2.1_5000.part2", json_too=False)
    (found,) = find(spool, dead)
    assert found.files is not None
    assert [path.name for path in found.files.recordings] == ["192.0.2.1_5000.wav", "192.0.2.1_5000.part2.wav"]


def put_by_another(spool: Spool, *calls: Mapping[str, Any]) -> None:
    """Have calls begin in a process that dies, before it has told of their end."""
    other = Spool(spool.folder, about={"upload": "s3://b", "record": str(spool.folder.parent / "{uuid}.wav")})
    for call in calls:
        other.put_event("call", str(call["uuid"]), call)
    other.sync()
    other.close()


def test_calls_whose_end_was_not_told_are_found(spool: Spool) -> None:
    folder = spool.folder.parent
    put_by_another(spool, *map(started, UUIDS[:4]))
    recorded(folder, UUIDS[0])  # complete, and not put
    path = recorded(folder, UUIDS[1])  # complete, and put
    spool.put_call(CallFiles(UUIDS[1], UUIDS[1], "peer", "", (path,), path.with_suffix(".json")))
    recorded(folder, UUIDS[2], json_too=False)  # cut
    spool.sync()
    found = {brief(each)[0]: each for each in find(spool, spool.processes.dead())}
    assert {uuid: brief(each)[1:] for uuid, each in found.items()} == {
        UUIDS[0]: (False, [UUIDS[0]]),
        UUIDS[1]: (None, [UUIDS[1]]),
        UUIDS[2]: (True, [UUIDS[2]]),
        UUIDS[3]: (None, [UUIDS[3]]),  # nothing was recorded
    }
    assert [found[uuid].result is None for uuid in UUIDS[:4]] == [False, False, True, True]
    assert found[UUIDS[3]].started["peer"] == "192.0.2.9:1"


def test_an_earlier_call_of_the_same_uuid_is_not_taken_for_one_that_was_cut(spool: Spool) -> None:
    folder = spool.folder.parent
    put_by_another(spool, started(UUIDS[0], at="2026-11-30T13:00:00.000+00:00"))
    path = recorded(folder, UUIDS[0])
    spool.put_call(CallFiles(UUIDS[0], UUIDS[0], "peer", "", (path,), path.with_suffix(".json")))
    recorded(folder, f"{UUIDS[0]}-2", json_too=False)
    spool.sync()
    (found,) = find(spool, spool.processes.dead())
    assert brief(found) == (UUIDS[0], True, [UUIDS[0]])
    assert found.files is not None
    assert found.files.name == f"{UUIDS[0]}-2"


def test_files_of_a_process_that_uploads_nothing_are_left_alone(spool: Spool) -> None:
    dead = dead_run(spool, upload=None, events="https://host")
    recorded(spool.folder.parent, UUIDS[0], json_too=False)
    assert list(find(spool, dead)) == []


def test_pruning_forgets_what_is_settled_but_no_call_without_json(spool: Spool) -> None:
    dead = dead_run(spool)
    folder = spool.folder.parent
    path = recorded(folder, UUIDS[0], json_too=False)
    whole = recorded(folder, UUIDS[1])
    spool.put_call(CallFiles(UUIDS[0], UUIDS[0], "peer", "", (path,), is_cut=True))
    spool.put_call(CallFiles(UUIDS[1], UUIDS[1], "peer", "", (whole,), whole.with_suffix(".json")))
    spool.sync()
    for call in spool.due_calls(10):
        spool.finish_call(call.id)
    spool.prune(time.time() + 3600)
    spool.sync()
    assert spool.checkpoint > time.time()
    assert list(find(spool, dead)) == []
    assert not spool.is_known(CallFiles("", None, "", "", (whole,), None))
    assert spool.is_known(CallFiles("", None, "", "", (path,), None))
