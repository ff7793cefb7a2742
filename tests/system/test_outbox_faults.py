"""What proves that recordings and events arrive sees what does not, and its proxy fails as it says."""

from __future__ import annotations

import http.client
import io
import json
import re
import subprocess
import sys
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from outbox_faults.calls import Call, Plan, noise
from outbox_faults.faulty import FaultyProxy
from outbox_faults.judge import Grace, Judge, is_whole_pcapng
from outbox_faults.receiver import Received, Receiver
from outbox_faults.stores import StoreProcess, running_store

SCRIPT = Path(__file__).parents[2] / "scripts" / "outbox-faults"
ID = UUID("5f5b9d2c-8f2f-4e5e-9a2f-0d0f6b2d7c11")
FRAMES = 100
STEM = f"calls/2026-11-30/{ID}"
BODY = bytes(range(256)) * 200


@pytest.fixture(scope="module", params=["rclone", "moto"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A real store of each make, for all tests; each has a folder in it."""
    with running_store(request.param, tmp_path_factory.mktemp("store")) as running:
        yield running


def content_of(store: StoreProcess, folder: str) -> dict[str, bytes]:
    return {name: content for name, content in store.objects() if name.startswith(f"{folder}/")}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def put(port: int, name: str) -> tuple[int, bytes]:
    """Send an event, a large one, and return the answer's status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", name, json.dumps({"id": name, "padding": "x" * 50_000}), {"webhook-id": name})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_an_object_that_is_put_through_the_proxy_is_in_the_store_as_it_was(store: StoreProcess) -> None:
    import obstore

    proxy = FaultyProxy(store.port, 1)
    for mode in ("up", "slow"):
        proxy.mode = mode
        obstore.put(store.client(proxy.port), f"passed/{mode}.bin", BODY, mode="create")
    assert content_of(store, "passed") == {"passed/slow.bin": BODY, "passed/up.bin": BODY}
    assert proxy.counts == {"pass": 1, "slow": 1}
    proxy.close()


def test_an_answer_that_is_lost_leaves_the_object_in_the_store(store: StoreProcess) -> None:
    import obstore

    proxy = FaultyProxy(store.port, 1)
    proxy.mode = "answer lost"
    while not proxy.counts["answer lost"]:
        name = f"lost/{sum(proxy.counts.values())}.bin"
        try:
            obstore.put(store.client(proxy.port), name, BODY, mode="overwrite")
        except Exception:
            assert name in store.names()
    proxy.close()


def test_requests_that_are_cut_store_nothing_that_is_half(store: StoreProcess) -> None:
    import obstore

    proxy = FaultyProxy(store.port, 1)
    proxy.mode = "cut"
    client = store.client(proxy.port)
    for number in range(6):
        try:
            obstore.put(client, f"cut/{number}.bin", BODY, mode="overwrite")
        except Exception:
            continue
    assert proxy.counts["cut"]
    assert set(content_of(store, "cut").values()) <= {BODY}
    proxy.close()


@pytest.mark.parametrize(("mode", "status"), [("503", 503), ("500", 500), ("429", 429)])
def test_the_proxy_answers_with_errors_and_passes_others_on(receiver: Receiver, mode: str, status: int) -> None:
    proxy = FaultyProxy(receiver.port, 3)
    proxy.mode = mode
    found = []
    for number in range(12):
        try:
            found.append(put(proxy.port, f"/{number}")[0])
        except ConnectionError:  # the answer came before the body was sent, as it may
            found.append(status)
    assert found.count(status) == proxy.counts[mode] > 0
    assert found.count(204) == proxy.counts["pass"] > 0
    proxy.close()


def test_nobody_listens_where_connections_are_refused_and_then_again(receiver: Receiver) -> None:
    proxy = FaultyProxy(receiver.port, 1)
    proxy.mode = "refused"
    with pytest.raises(ConnectionRefusedError):
        put(proxy.port, "/1")
    proxy.mode = "up"
    assert put(proxy.port, "/2")[0] == 204
    proxy.close()


@pytest.mark.parametrize(
    "options",
    [
        ["--calls", "60", "--kills", "2", "--store", "rclone", "--bus", "webhook", "--then", "keep"],
        ["--calls", "30", "--kills", "1", "--store", "moto", "--bus", "nats", "--then", "remove"],
    ],
    ids=["rclone and webhooks", "moto and NATS, files removed"],
)
def test_a_few_calls_through_all_faults_arrive_once_and_whole(options: list[str], tmp_path: Path) -> None:
    # Callers that are late say what is due at once, so a slow machine changes nothing but what a kill may cost.
    few = ["--at-once", "10", "--seconds", "1,2", "--phase", "0.8", "--grace", "3", "--end", "3", "--drain", "240"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *options, *few, "--folder", tmp_path / "run"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, "WRONG: " in done.stdout) == (0, "", False), done.stdout
    counted = dict(re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines())
    assert int(counted["calls placed"]) == int(options[1])
    assert int(counted["calls whole"]) > 0
    assert int(counted["events ended"]) + int(counted["events cut"]) > 0


# The judge.


class _Said(Call):
    """A call as its caller knows it, without a server."""

    def __init__(self, frames: int = FRAMES, occurrence: int = 0, *, cut: bool = False, keys: str = "") -> None:
        self.plan = Plan(ID, occurrence, frames, (), has_hangup=True)
        self.begun_s, self.over_s, self.is_over, self.is_cut = 100.0, 110.0, True, cut
        self.sent_s = array("d", [100.0 + 0.1 * number for number in range(frames)])
        self.keys = list(keys)


def wav_of(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def facts(digits: str = "") -> bytes:
    return json.dumps({"uuid": str(ID), "dtmf": [{"digit": digit} for digit in digits]}).encode()


def judged(
    calls: list[_Said], objects: dict[str, bytes], kills: list[float] | None = None, told: str = ""
) -> list[str]:
    judge = Judge(calls, kills or [], grace=Grace(1.0, 1.0), has_captures=False, told=told)
    judge.judge_objects(objects)
    return judge.verdict.faults


def whole(**others: bytes) -> dict[str, bytes]:
    """The objects of a call that is whole, and others."""
    return {f"{STEM}.wav": wav_of(noise(ID, 0, FRAMES)), f"{STEM}.json": facts(), **others}


def test_a_whole_call_and_one_that_a_kill_cut_are_right() -> None:
    assert judged([_Said()], whole()) == []
    cut = {f"{STEM}.wav": wav_of(noise(ID, 0, 45))}
    assert judged([_Said(cut=True)], cut, [105.0]) == []
    assert judged([_Said(cut=True)], {}, [105.0], f"{ID} is lost: its files are gone") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({f"{STEM}.wav": wav_of(noise(ID, 0, FRAMES)[:-1])}, "lacks"),
        ({f"{STEM}.wav": wav_of(noise(ID, 1, FRAMES))}, "is not what was said"),
        ({f"{STEM}.wav": wav_of(noise(ID, 0, FRAMES))[:-100]}, "samples that its header says"),
        ({f"{STEM}.json": facts("5")}, "has the digits"),
        ({f"{STEM}.json": b"{"}, ".json: "),
        ({f"{STEM}-2.wav": wav_of(noise(ID, 0, FRAMES)), f"{STEM}-2.json": facts()}, "is there 2 times"),
        ({"calls/2026-11-30/other.wav": b""}, "no call explains"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_object_is_seen(change: dict[str, bytes], said: str) -> None:
    assert any(said in fault for fault in judged([_Said()], {**whole(), **change}))


def test_what_is_missing_is_seen() -> None:
    assert judged([_Said()], {}) == [f"{ID} has no objects (whole)"]
    assert judged([_Said()], {f"{STEM}.wav": wav_of(noise(ID, 0, FRAMES))}) == [f"{ID} is whole, and has no JSON"]
    assert judged([_Said(cut=True)], {}, [105.0]) == [f"{ID} has no objects (cut after 41 frames)"]
    short = {f"{STEM}.wav": wav_of(noise(ID, 0, 40))}
    assert judged([_Said(cut=True)], short, [105.0]) == [f"{ID}.wav lacks 1 frames of 41"]
    assert judged([_Said(cut=True)], whole()) == [f"the server ended the call {ID}"]


def test_two_calls_with_a_uuid_are_told_apart_by_their_sound() -> None:
    second = {f"{STEM}-2.wav": wav_of(noise(ID, 1, FRAMES)), f"{STEM}-2.json": facts()}
    assert judged([_Said(), _Said(occurrence=1)], {**whole(), **second}) == []
    assert judged([_Said(), _Said(occurrence=1)], whole()) == [f"{ID} (call 2 with it) has no objects (whole)"]


def test_a_call_that_has_ended_by_the_log_has_to_be_whole_whenever_the_kill_came() -> None:
    objects = {f"{STEM}.wav": wav_of(noise(ID, 0, FRAMES))}
    said = f"2026-11-30T10:00:00+00:00 {ID} ended by caller (hangup) after 2.00 s"
    assert judged([_Said()], objects, [110.5]) == []
    assert judged([_Said()], objects, [110.5], said) == [f"{ID} ended, by the log (1 times), and 0 JSON are there"]


def events(*names: str, again: int | None = None, changed: bool = False) -> list[Received]:
    came = [Received(f"{name}-{number}", str(ID), name, name.encode()) for number, name in enumerate(names)]
    if again is not None:
        came.append(Received(came[again].id, str(ID), came[again].event, b"other" if changed else came[again].body))
    return came


@pytest.mark.parametrize(
    ("came", "fault"),
    [
        (events("call", "ended"), ""),
        (events("call", "ended", again=0), ""),
        (events("call", "ended", again=0, changed=True), "two events have the id"),
        (events("ended", "call"), "not call and ended or cut in turn"),
        (events("call", "ended", "cut"), "not call and ended or cut in turn"),
        (events("call"), "not call and ended or cut in turn"),
        (events(), "nothing; there were 1 calls"),
        (events("call", "cut"), "1 had ended"),
    ],
)  # fmt: skip
def test_events_out_of_order_twice_or_missing_are_seen(came: list[Received], fault: str) -> None:
    judge = Judge([_Said()], [], grace=Grace(1.0, 1.0), has_captures=False, told="")
    judge.judge_events(came)
    assert bool(judge.verdict.faults) == bool(fault)
    assert not fault or fault in judge.verdict.faults[0]


def test_files_and_objects_that_differ_are_seen(tmp_path: Path) -> None:
    for name, content in whole().items():
        (tmp_path / name.rpartition("/")[2]).write_bytes(content)
    judge = Judge([_Said()], [], grace=Grace(1.0, 1.0), has_captures=False, told="")
    judge.judge_folder(tmp_path, whole(), is_removed=False)
    assert judge.verdict.faults == []
    judge.judge_folder(tmp_path, whole(), is_removed=True)
    (tmp_path / f"{ID}.wav").write_bytes(b"")
    judge.judge_folder(tmp_path, whole(), is_removed=False)
    (tmp_path / f"{ID}.wav").unlink()
    judge.judge_folder(tmp_path, whole(), is_removed=False)
    assert [fault.partition(" ")[2] for fault in judge.verdict.faults] == [
        f"files are left, as {ID}.json", "in the store is not the one on the disk",
        "is in the store, and not on the disk",
    ]  # fmt: skip


def test_a_capture_that_is_cut_is_seen() -> None:
    block = (12).to_bytes(4, "little")
    assert is_whole_pcapng(b"\x0a\x0d\x0d\x0a" + block + block)
    assert not is_whole_pcapng(b"\x0a\x0d\x0d\x0a" + block + block[:-1])
    assert not is_whole_pcapng(b"")
