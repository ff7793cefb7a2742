"""Calls sent on, by the commands as users run them, to a real store and a real receiver of webhooks."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from audiosocket_cli.cli import root
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.errors import UsageError
from support.peers import FRAME, connected, free_port, opening
from support.rclone_s3 import RcloneS3, rclone_s3
from support.running import Serve, Serving, children_of, run, wait_until
from support.webhook_receiver import SECRET, Receiver, receiving

MAX_WAIT_S = 90
MIRRORED = (".mirror.wav", ".mirror.json", ".mirror.pcapng")
HANGUP = encode(Frame(Kind.HANGUP))
SPOOL = ".audiosocket-spool"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    with rclone_s3(tmp_path_factory.mktemp("store")) as server:
        yield server


class Kept:
    """What a test has in the store."""

    def __init__(self, store: RcloneS3, prefix: str) -> None:
        self.url = f"{store.url}/{prefix}/{{uuid}}"
        self._store = store
        self._prefix = f"{prefix}/"

    @property
    def objects(self) -> dict[str, bytes]:
        """By name."""
        found = self._store.objects().items()
        return {name.removeprefix(self._prefix): data for name, data in found if name.startswith(self._prefix)}


@pytest.fixture
def kept(store: RcloneS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return Kept(store, tmp_path.name)


def call(serving: Serving, number: int = 1, frames: int = 10) -> str:
    """Place a short call, and return its UUID."""
    uuid, first = opening(number)
    with connected(serving, first, FRAME * frames, HANGUP) as peer:
        while peer.recv(4096):
            pass
    return uuid


def local(folder: Path) -> dict[str, bytes]:
    """The files of calls in a folder and below."""
    paths = [path for path in folder.rglob("*") if path.is_file() and SPOOL not in path.parts]
    return {path.name: path.read_bytes() for path in paths}


def is_recorded(folder: Path, uuid: str) -> bool:
    """Whether a second of a call is on the disk."""
    return any(len(data) > 10_000 for name, data in local(folder).items() if uuid in name)


def test_calls_and_their_events_arrive(
    serve: Serve, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    with receiving(Receiver()) as receiver:
        serving = serve(
            "--record", "calls/{date}/{uuid}.flac", "--capture", "captures", "--upload", kept.url, "--json",
            "--events", receiver.url.geturl(), "--calls", "2",
        )  # fmt: skip
        uuids = [call(serving, number) for number in (1, 2)]
        code, lines, told = serving.end(0)
    assert (code, told.splitlines()[-1]) == (0, "uploaded 2 calls, sent 4 events")
    assert set(kept.objects) == {f"{uuid}.{suffix}" for uuid in uuids for suffix in ("flac", "json", "pcapng")}
    assert kept.objects == local(tmp_path / "calls") | local(tmp_path / "captures")
    assert receiver.refused == []
    for uuid in uuids:
        of_it = [event for event in receiver.events if event["uuid"] == uuid]
        assert [event["event"] for event in of_it] == ["call", "ended"]
        assert of_it[-1]["call"]["uuid"] == uuid
    assert [json.loads(line).get("uuid") for line in lines].count(uuids[0]) == 2


@pytest.mark.parametrize("is_used", [True, False])
def test_no_program_gets_the_secret_whether_it_is_used_or_not(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_used: bool
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    told = tmp_path / "told"
    with receiving(Receiver()) as receiver:
        events = ["--events", receiver.url.geturl(), "--spool", "spool"] if is_used else []
        serving = serve("--calls", "1", "--on-call-end", f"sh -c 'env > {told}'", *events)
        uuid = call(serving)
        assert serving.end(0)[0] == 0
    assert uuid in told.read_text()
    assert "EVENTS_SECRET" not in told.read_text()


def test_local_files_go_once_they_are_there(serve: Serve, kept: Kept, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--upload", kept.url, "--upload-then", "remove", "--calls", "1")
    uuid = call(serving)
    assert serving.end(0)[0] == 0
    assert local(tmp_path / "calls") == {}
    assert set(kept.objects) == {f"{uuid}.wav", f"{uuid}.json"}


def test_a_store_that_is_away_loses_nothing(
    serve: Serve, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    metrics = free_port()
    serving = serve(
        "--record", "calls", "--upload", kept.url, "--spool-wait", "0", "--json", "--metrics", f"127.0.0.1:{metrics}"
    )
    uuid = call(serving)
    away = json.loads(serving.wait_for('"event": "delivery"'))
    assert (away["to"], away["state"], away["waiting"]) == ("store", "away", 1)

    def told(line: str) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=30) as answer:
            return line in answer.read().decode().splitlines()

    wait_until(lambda: told("audiosocket_upload_waiting_calls 1.0"))
    assert told("audiosocket_uploaded_calls_total 0.0")
    code, _, said = serving.end(signal.SIGTERM)
    assert code == 143
    assert re.search(r"uploaded 0 calls, 1 call left in .*calls/\.audiosocket-spool, for the next start", said)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    done = run("upload", tmp_path / "calls")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "uploaded 1 call\n")
    assert kept.objects == local(tmp_path / "calls")
    assert f"{uuid}.wav" in kept.objects
    again = run("upload", tmp_path / "calls")
    assert (again.returncode, again.stderr) == (0, "uploaded 0 calls\n")


def test_a_call_that_a_kill_cut_is_sent_by_the_next_start(
    serve: Serve, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    with receiving(Receiver()) as receiver:
        options = ("--record", "calls", "--upload", kept.url, "--events", receiver.url.geturl())
        serving = serve(*options)
        uuid, first = opening(1)
        with connected(serving, first, FRAME * 50):
            receiver.wait_for(lambda: receiver.events)
            wait_until(
                lambda: any(len(data) > 10_000 for name, data in local(tmp_path / "calls").items() if "wav" in name)
            )
            serving.process.kill()
            serving.process.wait()
            before = len(receiver.ids)
        serving = serve(*options)
        serving.wait_for(f"{uuid} from 127.0.0.1:.* was cut when its server died: kept .*{uuid}.wav")
        receiver.wait_for(lambda: len(set(receiver.ids)) == 2)
        wait_until(lambda: kept.objects)
        code, _, told = serving.end()
    sent = len(receiver.ids) - before  # what it had sent, but not noted when it died, comes again under the same id
    assert (code, told.splitlines()[-1]) == (130, f"uploaded 1 call, sent {sent} event{'s' if sent > 1 else ''}")
    events = list(dict(zip(receiver.ids, receiver.events, strict=True)).values())
    assert [(event["event"], event["uuid"]) for event in events] == [("call", uuid), ("cut", uuid)]
    assert events[1]["started_at"] == events[0]["started_at"]
    assert kept.objects == {f"{uuid}.wav": local(tmp_path / "calls")[f"{uuid}.wav"]}


def test_the_end_of_a_call_that_was_cut_waits_for_a_start_with_events_again(
    serve: Serve, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    with receiving(Receiver()) as receiver:
        events = ("--events", receiver.url.geturl())
        serving = serve("--record", "calls", "--upload", kept.url, *events)
        uuid, first = opening(1)
        with connected(serving, first, FRAME * 50):
            receiver.wait_for(lambda: receiver.events)
            wait_until(lambda: is_recorded(tmp_path / "calls", uuid))
            serving.process.kill()
            serving.process.wait()
        without = run("upload", tmp_path / "calls")
        assert without.returncode == 1
        assert without.stderr.splitlines()[-1].startswith("uploaded 1 call, 1 event left in ")
        assert run("upload", tmp_path / "calls", *events).returncode == 0
    assert [(event["event"], event["uuid"]) for event in receiver.events] == [("call", uuid), ("cut", uuid)]


def test_a_call_that_was_cut_before_anything_was_told_of_it_has_both_its_events(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    uuid, _ = opening(1)
    with receiving(Receiver()) as receiver:
        options = ("--record", "calls", "--upload", "s3://nowhere/{uuid}", "--events", receiver.url.geturl())
        serving = serve(*options, "--spool-wait", "0")
        serving.process.kill()
        serving.process.wait()
        (tmp_path / "calls" / f"{uuid}.wav").write_bytes(b"RIFF")  # as its recording, in the tenth of a second before
        serving = serve(*options, "--spool-wait", "0")
        serving.wait_for(f"{uuid} was cut when its server died")
        receiver.wait_for(lambda: len(receiver.events) == 2)
        serving.end()
    assert [(event["event"], event["uuid"]) for event in receiver.events] == [("call", uuid), ("cut", uuid)]


def test_workers_put_and_their_parent_delivers_what_one_leaves_that_is_killed(
    serve: Serve, kept: Kept, tmp_path: Path
) -> None:
    serving = serve("--record", "calls", "--upload", kept.url, "--workers", "2")
    whole = call(serving, 1)
    uuid, first = opening(2)
    with connected(serving, first, FRAME * 50):
        serving.wait_for(f"call {uuid}")
        wait_until(lambda: is_recorded(tmp_path / "calls", uuid))
        for worker in children_of(serving.process.pid):
            os.kill(worker, signal.SIGKILL)
        serving.wait_for(f"{uuid} was cut when its server died")
    wait_until(lambda: f"{uuid}.wav" in kept.objects)
    code, _, told = serving.end()
    assert (code, told.splitlines()[-1]) == (130, "uploaded 2 calls")
    assert set(kept.objects) == {f"{whole}.wav", f"{whole}.json", f"{uuid}.wav"}


def test_both_recordings_of_a_mirrored_call_are_sent(
    serve: Serve, answer: Callable[..., Serving], kept: Kept, tmp_path: Path
) -> None:
    servers = [serve("--echo"), serve("--echo")]
    proxy = answer(
        "proxy", servers[0].target, "--mirror", servers[1].target, "--record", "calls", "--upload", kept.url,
        "--capture", "calls", "--calls", "1",
    )  # fmt: skip
    uuid, first = opening(1)
    with connected(proxy, first, FRAME * 10) as peer:
        servers[1].wait_for(f"call {uuid}")  # of a call that is over before, there is nothing
        peer.sendall(HANGUP)
        while peer.recv(4096):
            pass
    assert proxy.end(0)[0] == 0
    assert set(kept.objects) == {f"{uuid}{end}" for end in (".wav", ".json", ".pcapng", *MIRRORED)}
    assert kept.objects == local(tmp_path / "calls")


def test_one_file_is_recorded_and_sent(answer: Callable[..., Serving], kept: Kept, tmp_path: Path) -> None:
    recording = answer("record", "one.mp3", "--upload", kept.url)
    uuid = call(recording)
    code, _, told = recording.end(0)
    assert (code, told.splitlines()[-1]) == (0, "uploaded 1 call")
    assert kept.objects == {f"{uuid}.mp3": (tmp_path / "one.mp3").read_bytes()}


def test_a_folder_that_was_recorded_without_is_sent_whole(serve: Serve, kept: Kept, tmp_path: Path) -> None:
    serving = serve("--record", "calls/{date}/{uuid}.wav", "--calls", "2")
    uuids = [call(serving, number) for number in (1, 2)]
    serving.end(0)
    names = {f"{uuid}.{suffix}" for uuid in uuids for suffix in ("wav", "json")}
    pattern = tmp_path / "calls" / "{date}" / "{uuid}.wav"
    none = run("upload", pattern)
    assert none.returncode == 6
    assert none.stderr == (
        f"audiosocket: error: nothing waits in {pattern}: it has no spool; "
        "add --all to upload all its calls, or name the --spool\n"
    )
    unsaid = run("upload", pattern, "--all")
    assert (unsaid.returncode, unsaid.stderr) == (
        2, "audiosocket: error: the spool does not say where to upload: add --upload URL, such as s3://BUCKET/calls\n",
    )  # fmt: skip
    done = run("upload", pattern, "--all", "--upload", kept.url)
    assert (done.returncode, done.stderr) == (0, "uploaded 2 calls\n")
    assert set(kept.objects) == names
    again = run("upload", tmp_path / "calls", "--all")
    assert (again.returncode, again.stderr) == (0, "uploaded 0 calls\n")


def test_two_servers_may_share_a_spool_but_not_send_from_it_to_different_stores(
    serve: Serve, kept: Kept, tmp_path: Path
) -> None:
    one = serve("--record", "calls", "--upload", kept.url)
    two = serve("--record", "calls", "--upload", kept.url)
    uuids = [call(serving, number) for number, serving in enumerate((one, two), 1)]
    other = run("serve", "--listen", "127.0.0.1:0", "--record", tmp_path / "calls", "--upload", "s3://other/{uuid}")
    assert other.returncode == 2
    assert re.fullmatch(
        r"audiosocket: error: the spool .*/calls/\.audiosocket-spool is in use with --upload s3://.*: "
        r"name another --spool for --upload s3://other/\{uuid\}\n",
        other.stderr,
    )
    wait_until(lambda: len(kept.objects) == 4)
    assert {one.end()[0], two.end()[0]} == {130}
    assert set(kept.objects) == {f"{uuid}.{suffix}" for uuid in uuids for suffix in ("wav", "json")}


def test_two_servers_that_share_a_spool_have_the_same_webhook_to_the_last_letter(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSOCKET_EVENTS_SECRET", SECRET)
    url = f"http://127.0.0.1:{free_port()}"
    options = ("--spool", tmp_path / "spool", "--spool-wait", "0", "--events")
    one = serve(*options, f"{url}/hooks/token-1")
    other = run("serve", "--listen", "127.0.0.1:0", *options, f"{url}/hooks/token-2")
    assert other.returncode == 2
    assert other.stderr == (
        f"audiosocket: error: the spool {tmp_path / 'spool'} is in use with --events {url} and another path: "
        f"name another --spool for --events {url}\n"
    )
    one.end()


USAGE = {
    "no recording": (["--upload", "s3://bkt/x"], "--upload sends recordings that are files: add --record DIR"),
    "no spool": (["--events", "nats://host/calls"], "--events needs a folder in which events wait: add --spool DIR"),
    "no upload": (["--upload-then", "remove"], "--upload-then does nothing without --upload"),
    "nothing at all": (["--spool-max", "1G"], "--spool-max does nothing without --upload or --events"),
    "no secret": (["--events", "https://host/x", "--spool", "s"], "--events to a webhook needs a secret"),
    "no such field": (["--record", "c", "--upload", "s3://bkt/{name}"], "has an unknown field {name}"),
    "not a store": (["--record", "c", "--upload", "http://b/x"], "is not the URL of an object store"),
    "more at once than memory": (
        ["--record", "c", "--upload", "s3://bkt/x", "--upload-parallel", "65"],
        "from 1 to 64",
    ),
    "an empty store": (["--record", "c", "--upload", ""], "--upload is empty"),
    "an empty bus": (["--record", "c", "--events", ""], "--events is empty"),
    "a spool without a name": (["--record", "c", "--upload", "s3://bkt/x", "--spool", ""], "it is empty"),
    "a spool that is a file": (["--record", "c", "--upload", "s3://bkt/x", "--spool", "file"], "it is a file"),
}


@pytest.mark.parametrize("case", USAGE.values(), ids=USAGE)
def test_wrong_use_is_told_in_a_line(case: tuple[list[str], str], tmp_path: Path) -> None:
    options, expected = case
    (tmp_path / "file").touch()
    words = [str(tmp_path / word) if word in ("s", "c", "file") else word for word in options]
    with pytest.raises((UsageError, click.UsageError)) as raised:
        root.main(["serve", "--listen", "127.0.0.1:0", *words], standalone_mode=False)
    assert expected in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


FOLDERS = {"of no name": ([""], "it is empty"), "of too long a name": (["a" * 300], "file name too long"),
           "with a spool of too long a name": ([".", "--spool", "a" * 300], "file name too long")}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_cannot_be_is_told_in_a_line(case: tuple[list[str], str]) -> None:
    words, expected = case
    with pytest.raises((UsageError, click.UsageError)) as raised:
        root.main(["upload", *words], standalone_mode=False)
    assert expected in str(raised.value)


def test_a_capture_for_all_calls_is_told_not_to_be_sent(serve: Serve, kept: Kept) -> None:
    serving = serve("--record", "calls", "--capture", "all.pcapng", "--upload", kept.url, "--calls", "1")
    uuid = call(serving)
    assert serving.end(0)[0] == 0
    assert set(kept.objects) == {f"{uuid}.wav", f"{uuid}.json"}


@pytest.mark.parametrize("options", [[], ["--upload", "ftp://host/calls"]], ids=["nothing is sent", "something is"])
def test_what_sends_is_loaded_where_something_is_sent(options: list[str]) -> None:
    told = run("serve", "--record", "/dev/null/none", *options, PYTHONPROFILEIMPORTTIME="1").stderr
    assert "audiosocket_cli.jobs.answering" in told
    assert ("audiosocket_cli.outbox.courier" in told) is bool(options)
