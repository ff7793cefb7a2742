"""Uploads from a real spool to a real store: each object once, whatever befalls the store, the files, or us."""

from __future__ import annotations

import dataclasses
import errno
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosocket_cli.outbox.news import News
from audiosocket_cli.outbox.spool import Spool
from audiosocket_cli.outbox.uploads import Uploads
from support.faulty_store import FaultyStore, Request, faulty_store
from support.rclone_s3 import RcloneS3, rclone_s3, s3_environment
from support.running import wait_until
from support.spooled import contents, recorded, target_of, until_sent, uploading


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def spool(tmp_path: Path, told: list[str]) -> Iterator[Spool]:
    spool = Spool(tmp_path / "calls" / ".audiosocket-spool", tell=told.append)
    yield spool
    spool.close()


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[RcloneS3]:
    (tmp_path / "rclone").mkdir()
    with rclone_s3(tmp_path / "rclone") as server:
        yield server


@pytest.fixture
def proxy(rclone: RcloneS3) -> Iterator[FaultyStore]:
    with faulty_store(rclone.port) as proxy:
        yield proxy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "calls"


def test_each_call_is_there_once_under_its_names(
    spool: Spool, proxy: FaultyStore, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    calls = [recorded(folder, size=size) for size in (0, 1, 1000, 300_000) for _ in range(5)]
    capture = folder / f"{calls[0].name}.jsonl"
    capture.write_text("{}\n")
    calls[0] = dataclasses.replace(calls[0], capture=capture)
    target = target_of("s3://calls/pbx1/{date}/{uuid}", s3_environment(proxy.endpoint))
    with uploading(spool, target, tell=told.append) as uploads:
        for files in calls:
            spool.put_call(files)
        until_sent(spool, 20, told)
    day = next(iter(rclone.objects())).split("/")[1]
    expected = {f"pbx1/{day}/{name}": data for files in calls for name, data in contents(files).items()}
    assert rclone.objects() == expected
    assert (uploads.calls, uploads.objects, uploads.postponed) == (20, 41, 0)
    assert uploads.bytes == sum(map(len, expected.values()))
    of_first = [request.path for request in proxy.requests if request.method == "PUT" and calls[0].name in request.path]
    assert [path.rpartition(".")[2] for path in of_first] == ["wav", "jsonl", "json"]
    assert proxy.count("HEAD") == 41  # each name once
    assert told == []
    assert all(path.exists() for files in calls for path in files.paths)


def test_what_was_kept_is_removed_by_who_removes_once_it_is_known_to_be_what_was_sent(
    spool: Spool, proxy: FaultyStore, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = recorded(folder, size=1000)
    assert files.json is not None
    target = target_of("s3://calls/{uuid}", s3_environment(proxy.endpoint))
    proxy.fault_of = lambda request: "stall" if request.method == "PUT" and request.path.endswith(".json") else None
    with uploading(spool, target, tell=told.append):
        spool.put_call(files)
        wait_until(lambda: proxy.count("PUT", ".json"))
    assert files.recordings[0].exists()
    proxy.fault_of = lambda request: None
    spool.take_back_calls()
    with uploading(spool, target, then="remove", tell=told.append):
        until_sent(spool, 1, told)
    assert not files.recordings[0].exists()
    assert not files.json.exists()
    assert sorted(rclone.objects()) == [f"{files.name}.json", f"{files.name}.wav"]
    assert proxy.count("PUT", ".wav") == 1


def test_files_are_removed_only_when_all_of_a_call_is_there(
    spool: Spool, proxy: FaultyStore, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = recorded(folder)
    expected = contents(files)
    proxy.fault_of = lambda request: "500" if request.method == "PUT" and request.path.endswith(".json") else None
    with uploading(spool, target_of("s3://calls", s3_environment(proxy.endpoint)), then="remove", tell=told.append):
        spool.put_call(files)
        wait_until(lambda: proxy.count("PUT", ".json") >= 2, told)
        assert contents(files) == expected
        proxy.fault_of = lambda request: None
        until_sent(spool, 1, told)
    assert not any(path.exists() for path in files.paths)
    assert sorted(rclone.objects().values()) == sorted(expected.values())
    assert proxy.count("PUT", ".wav") == 1, "what is there is not sent again"


def test_no_file_is_removed_before_its_object_is_noted_on_the_disk(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = recorded(folder)
    expected = contents(files)

    def fail() -> None:
        raise OSError(0, "cannot write the spool: disk I/O error")

    monkeypatch.setattr(spool, "sync", fail)
    with uploading(spool, target_of("s3://calls", rclone.environment), then="remove", tell=told.append):
        spool.put_call(files)
        wait_until(lambda: told)
        assert contents(files) == expected
        monkeypatch.undo()
        until_sent(spool, 1, told)
    assert told == [f"cannot upload {files.name}: cannot write the spool: disk I/O error (trying again)"]
    assert not any(path.exists() for path in files.paths)
    assert sorted(rclone.objects().values()) == sorted(expected.values())


def test_a_file_that_is_not_what_was_uploaded_is_not_removed(
    spool: Spool, proxy: FaultyStore, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = recorded(folder)
    expected = contents(files)
    wav = files.recordings[0]
    proxy.fault_of = lambda request: "500" if request.method == "PUT" and request.path.endswith(".json") else None
    with uploading(spool, target_of("s3://calls", s3_environment(proxy.endpoint)), then="remove", tell=told.append):
        spool.put_call(files)
        wait_until(lambda: proxy.count("PUT", ".json") >= 2, told)
        wav.unlink()
        wav.write_bytes(b"another call")
        proxy.fault_of = lambda request: None
        until_sent(spool, 1, told)
    assert wav.read_bytes() == b"another call"
    assert files.json is not None
    assert files.json.exists()
    assert sorted(rclone.objects().values()) == sorted(expected.values())
    kept = f"{files.name}: {wav.name} is not what was uploaded, and stays: it has changed, or is of another call"
    assert told[-1] == kept


def test_another_call_under_the_name_of_one_that_was_sent_and_removed_stays(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = recorded(folder)
    target = target_of("s3://calls/{uuid}", rclone.environment)
    with uploading(spool, target, then="remove", tell=told.append):
        spool.finish_call = lambda id: None  # type: ignore[method-assign]  # as by a process that dies before it
        spool.put_call(files)
        wait_until(lambda: not any(path.exists() for path in files.paths), told)
    del spool.finish_call
    wav = files.recordings[0]
    wav.write_bytes(b"a live call")
    spool.take_back_calls()
    with uploading(spool, target, then="remove", tell=told.append):
        until_sent(spool, 1, told)
    assert wav.read_bytes() == b"a live call"


def test_a_file_that_cannot_be_removed_is_told_and_tried_again(
    spool: Spool, proxy: FaultyStore, folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = recorded(folder)
    unlink = Path.unlink

    def fail_once(path: Path, missing_ok: bool = False) -> None:
        if path == files.recordings[0] and not told:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", fail_once)
    with uploading(spool, target_of("s3://calls", s3_environment(proxy.endpoint)), then="remove", tell=told.append):
        spool.put_call(files)
        until_sent(spool, 1, told)
    wav = files.recordings[0]
    assert told == [f"cannot remove what was uploaded: permission denied: {wav} (trying again)"]
    assert not any(path.exists() for path in files.paths)
    assert proxy.count("PUT") == 2


def test_a_store_that_is_away_loses_nothing_and_is_told_once(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    rclone.stop()
    with uploading(spool, target_of("s3://calls/x", rclone.environment), tell=told.append) as uploads:
        for _ in range(30):
            spool.put_call(recorded(folder))
        wait_until(lambda: told)
        assert uploads.problem
        rclone.start()
        until_sent(spool, 30, told)
        assert uploads.problem is None
    assert len(rclone.objects()) == 60
    assert len(told) == 2
    assert told[0].startswith("cannot upload to s3://calls/x/")
    assert told[0].endswith("trying again)")
    assert told[1].startswith("s3://calls/x takes uploads again after ")


@pytest.mark.parametrize("fault", ["500", "503", "cut", "lost", "reset"])
def test_faults_in_every_third_request_leave_each_object_once(
    spool: Spool, proxy: FaultyStore, rclone: RcloneS3, folder: Path, told: list[str], fault: str
) -> None:
    def every_third(request: Request) -> str | None:
        return fault if request.method == "PUT" and proxy.count("PUT") % 3 == 0 else None

    proxy.fault_of = every_third
    calls = [recorded(folder) for _ in range(10)]
    target = target_of("s3://calls/{uuid}", s3_environment(proxy.endpoint), retries=3)
    with uploading(spool, target, tell=told.append):
        for files in calls:
            spool.put_call(files)
        until_sent(spool, 10, told)
    assert rclone.objects() == {name: data for files in calls for name, data in contents(files).items()}


def test_wrong_keys_are_told_once_and_nothing_is_given_up(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    wrong = s3_environment(rclone.endpoint, secret="another-secret-0123456789")
    with uploading(spool, target_of("s3://calls", wrong), tell=told.append):
        for _ in range(3):
            spool.put_call(recorded(folder))
        wait_until(lambda: told)
    assert len(told) == 1
    assert "403" in told[0]
    assert spool.figures().waiting_calls == 3
    assert rclone.objects() == {}


def test_a_taken_name_moves_the_whole_call_on(spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]) -> None:
    uuid = "0e2f1a3b-4c5d-6e7f-8091-a2b3c4d5e6f7"
    target = target_of("s3://calls/{uuid}", rclone.environment)
    others = [recorded(folder / str(number), uuid, size=number) for number in range(6)]
    with uploading(spool, target, parallel=1, tell=told.append):
        for number, files in enumerate(others, 1):
            spool.put_call(files)
            until_sent(spool, number, told)
    expected = {}
    for number, files in enumerate(others, 1):
        stem = uuid if number == 1 else f"{uuid}-{number}"
        expected |= {f"{stem}{Path(name).suffix}": data for name, data in contents(files).items()}
    assert {name: data for name, data in rclone.objects().items() if name.endswith(".wav")} == {
        name: data for name, data in expected.items() if name.endswith(".wav")
    }
    assert told == []


def test_what_was_sent_under_a_later_name_is_found_though_that_was_not_noted(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = recorded(folder)
    wav, own_json = contents(files).values()
    others = {
        f"{files.name}.wav": b"1",
        f"{files.name}.json": own_json[:-1] + b" ",
        f"{files.name}-3.wav": bytes(len(wav)),
    }
    for name, data in {**others, f"{files.name}-2.wav": wav}.items():
        (rclone.files / name).write_bytes(data)
    with uploading(spool, target_of("s3://calls/{uuid}", rclone.environment), tell=told.append) as uploads:
        spool.put_call(files)
        until_sent(spool, 1, told)
    assert rclone.objects() == {**others, f"{files.name}-2.wav": wav, f"{files.name}-2.json": own_json}
    assert uploads.objects == 1


def test_the_json_of_another_call_moves_all_of_a_call_on(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = recorded(folder)
    (rclone.files / f"{files.name}.json").write_text("{}")
    with uploading(spool, target_of("s3://calls/{uuid}", rclone.environment), tell=told.append):
        spool.put_call(files)
        until_sent(spool, 1, told)
    wav, own_json = contents(files).values()
    assert rclone.objects() == {
        f"{files.name}.json": b"{}", f"{files.name}-2.wav": wav, f"{files.name}-2.json": own_json,
    }  # fmt: skip


def test_content_that_came_out_wrong_is_sent_again(
    spool: Spool, proxy: FaultyStore, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = recorded(folder)
    proxy.once("PUT", ".wav", "swap")
    with uploading(spool, target_of("s3://calls/{uuid}", s3_environment(proxy.endpoint)), tell=told.append):
        spool.put_call(files)
        until_sent(spool, 1, told)
    assert rclone.objects() == contents(files)
    assert told == [
        f"cannot upload to s3://calls/{files.name}.wav: the store holds other content than was sent (trying again)"
    ]


def test_files_that_are_gone_are_told(spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]) -> None:
    partly, wholly = recorded(folder), recorded(folder)
    spool.put_call(partly)
    spool.put_call(wholly)
    spool.sync()
    partly.recordings[0].unlink()
    for path in wholly.paths:
        path.unlink()
    with uploading(spool, target_of("s3://calls/{uuid}", rclone.environment), tell=told.append):
        wait_until(lambda: (figures := spool.figures()).given_up == 1 and figures.uploaded == 1, told)
    assert rclone.objects().keys() == {f"{partly.name}.json"}
    assert sorted(told) == sorted(
        [
            f"{partly.name}: 1 file removed before being sent: {partly.name}.wav",
            f"not uploaded: {wholly.name}: its files were removed before they were sent",
        ]
    )


def test_a_call_whose_names_are_too_long_for_any_store_is_given_up(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    long, other = recorded(folder, uuid="x" * 1018), recorded(folder)
    spool.put_call(long)
    spool.put_call(other)
    with uploading(spool, target_of("s3://calls/{uuid}/a", rclone.environment), tell=told.append):
        wait_until(lambda: (figures := spool.figures()).given_up == 1 and figures.uploaded == 1, told)
    assert rclone.objects().keys() == {f"{other.name}/a.{suffix}" for suffix in ("wav", "json")}
    name = f"s3://calls/{'x' * 49}…: the name has 1,025 bytes, and no store takes more than 1,024: use a shorter URL"
    assert told == [f"not uploaded: {long.name}: {name}"]


@pytest.mark.parametrize("has_capture_elsewhere", [False, True])
def test_a_folder_that_is_not_mounted_is_waited_for(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str], has_capture_elsewhere: bool
) -> None:
    files = recorded(folder / "disk")
    if has_capture_elsewhere:
        capture = folder / "captures" / f"{files.name}.pcapng"
        capture.parent.mkdir()
        capture.write_bytes(b"pcapng")
        files = dataclasses.replace(files, capture=capture)
    expected = contents(files)
    spool.put_call(files)
    spool.sync()
    (folder / "disk").rename(folder / "elsewhere")
    with uploading(spool, target_of("s3://calls/{uuid}", rclone.environment), tell=told.append):
        wait_until(lambda: told)
        (folder / "elsewhere").rename(folder / "disk")
        until_sent(spool, 1, told)
    assert rclone.objects() == expected
    assert told == [f"cannot upload {files.name}: there is no folder {folder / 'disk'} (trying again)"]


def test_a_folder_that_does_not_come_back_is_done_without(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosocket_cli.outbox.uploads._FOLDER_TRIES", 1)
    whole = recorded(folder)
    files = dataclasses.replace(whole, capture=folder / "captures" / f"{whole.name}.pcapng")
    gone = recorded(folder / "disk")
    spool.put_call(files)
    spool.put_call(gone)
    spool.sync()
    (folder / "disk").rename(folder / "elsewhere")
    with uploading(spool, target_of("s3://calls/{uuid}", rclone.environment), tell=told.append):
        wait_until(lambda: (figures := spool.figures()).given_up == 1 and figures.uploaded == 1, told)
    assert rclone.objects() == contents(whole)
    assert f"{files.name}: 1 file removed before being sent: {files.name}.pcapng" in told


def test_a_file_that_cannot_be_read_holds_up_its_call_only(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files, other = recorded(folder), recorded(folder)
    files.recordings[0].unlink()
    files.recordings[0].mkdir()
    with uploading(spool, target_of("s3://calls/{uuid}", rclone.environment), tell=told.append):
        spool.put_call(files)
        spool.put_call(other)
        wait_until(lambda: spool.figures().uploaded == 1 and told)
    assert rclone.objects() == contents(other)
    assert told == [f"cannot upload {files.name}: is a directory: {files.recordings[0]} (trying again)"]
    assert spool.figures().waiting_calls == 1


def test_what_a_killed_process_has_sent_is_there_once(
    rclone: RcloneS3, proxy: FaultyStore, tmp_path: Path, folder: Path, told: list[str]
) -> None:
    """It dies while the store has an object whose answer it never got, and another noted."""
    calls = [recorded(folder) for _ in range(3)]
    place = tmp_path / "calls" / ".audiosocket-spool"
    spool = Spool(place)
    for files in calls:
        spool.put_call(files)
    spool.close()
    proxy.fault_of = lambda request: "stall" if request.method == "PUT" and request.path.endswith(".json") else None
    program = f"""
        import sys, threading
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from audiosocket_cli.outbox.spool import Spool
        from support.rclone_s3 import s3_environment
        from support.spooled import target_of, uploading
        target = target_of("s3://calls/{{uuid}}", s3_environment({proxy.endpoint!r}))
        with uploading(Spool(Path({str(place)!r})), target, tell=print):
            threading.Event().wait()
    """
    dying = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: proxy.count("PUT", ".json") == 3)
    finally:
        dying.kill()
        dying.wait()
    wait_until(lambda: len(rclone.objects()) == 6)
    proxy.fault_of = lambda request: None
    spool = Spool(place)
    try:
        with uploading(
            spool, target_of("s3://calls/{uuid}", s3_environment(proxy.endpoint)), tell=told.append
        ) as again:
            until_sent(spool, 3, told)
    finally:
        spool.close()
    assert rclone.objects() == {name: data for files in calls for name, data in contents(files).items()}
    assert again.objects == 0
    assert told == []


def test_an_upload_that_hangs_does_not_hold_up_the_end(
    spool: Spool, proxy: FaultyStore, folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosocket_cli.outbox.uploads._LAST_S", 0.2)
    proxy.fault_of = lambda request: "stall" if request.method == "PUT" else None
    with uploading(spool, target_of("s3://calls/{uuid}", s3_environment(proxy.endpoint)), tell=told.append):
        spool.put_call(recorded(folder))
        wait_until(lambda: proxy.count("PUT") == 1)
    assert spool.figures().waiting_calls == 1


def test_where_the_spool_cannot_be_read_no_thread_stays(folder: Path) -> None:
    class Unreadable:
        news = News()

        def due_calls(self, most: int) -> list[object]:
            raise sqlite3.OperationalError("disk I/O error")

    before = set(threading.enumerate())
    uploads = Uploads(Unreadable(), target_of("s3://calls", s3_environment("http://127.0.0.1:9")), 4, "keep", print)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.OperationalError):
        uploads.work(threading.Event())
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_panic_in_the_library_postpones_its_call_only(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException):
        pass

    def panic(*args: object, **kwargs: object) -> None:
        raise Panic("index out of bounds")

    files = recorded(folder)
    target = target_of("s3://calls/{uuid}", rclone.environment)
    with monkeypatch.context() as patch:
        patch.setattr(target.store, "put_new", panic)
        with uploading(spool, target, parallel=1, tell=told.append) as uploads:
            spool.put_call(files)
            wait_until(lambda: told)
            assert told == [f"internal error while uploading {files.name}: Panic('index out of bounds')"]
            patch.undo()
            other = recorded(folder)
            spool.put_call(other)
            wait_until(lambda: uploads.calls == 1, told)
    assert rclone.objects() == contents(other)


def test_names_that_no_terminal_shows_are_sent_under_others(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = dataclasses.replace(recorded(folder, "a\n\x1b call"), uuid=None)
    with uploading(spool, target_of("s3://calls/{uuid}", rclone.environment), tell=told.append):
        spool.put_call(files)
        until_sent(spool, 1, told)
    assert rclone.objects().keys() == {"a_ call.wav", "a_ call.json"}


def test_a_name_that_is_not_utf_8_is_sent_under_another(
    spool: Spool, rclone: RcloneS3, folder: Path, told: list[str]
) -> None:
    files = recorded(folder, os.fsdecode(b"caf\xe9"), uuid="u-1")
    with uploading(spool, target_of("s3://calls/{uuid}", rclone.environment), then="remove", tell=told.append):
        spool.put_call(files)
        spool.sync()
        assert spool.is_known(files)
        until_sent(spool, 1, told)
    assert rclone.objects().keys() == {"u-1.wav", "u-1.json"}
    assert told == []
