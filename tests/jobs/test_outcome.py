"""One rule for exit codes: every command that has a call, in every way that something can go wrong with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.errors import ExitCode
from audiosocket_cli.jobs.outcome import Outcome
from support.bots import SILENCE, Closed, Heard, bot
from support.running import COMMAND, Serving, missing, need, run

Answer = Callable[..., Serving]

UUID = "11111111-2222-4333-8444-555555555555"
PLACING = ("record", "play", "inject-dtmf", "replay")
ANSWERING = ("serve", "record", "play", "inject-dtmf", "replay")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with something to play and something to replay."""
    soundfile.write(tmp_path / "short.wav", tone(440, 8000, 0.5), 8000)
    (tmp_path / "script.jsonl").write_text('{"silence_ms": 500}')
    return tmp_path


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system without room for one byte more."""
    if os.geteuid():
        missing("mounting a file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run([need("mount"), "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    (folder / "filling").write_bytes(bytes(1 << 16))
    yield folder
    subprocess.run([need("umount"), folder], check=True)


def words(command: str, files: Path, record: str | Path, *, target: str | None = None) -> list[str]:
    """Return the command line of a call that lasts half a second, and is recorded."""
    at = [target] if target else []
    made = {
        "serve": ["serve", "--calls", "1", "--record", str(Path(record).parent if "{" in str(record) else record)],
        "record": ["record", str(record), *at, *(["--duration", "0.5"] if target else [])],
        "play": ["play", str(files / "short.wav"), *at, "--record", str(record)],
        "inject-dtmf": ["inject-dtmf", "1", *at, "--after", "0.2", "--wait", "0.3", "--record", str(record)],
        "replay": ["replay", str(files / "script.jsonl"), *at, "--record", str(record)],
    }
    return made[command]


def quiet(heard: Heard) -> bytes:
    return SILENCE


def call(answer: Answer, files: Path, command: str, *options: str) -> tuple[int, str]:
    """Let a command answer one call of 1 s, and return its exit code with all that it said."""
    soundfile.write(files / "caller.wav", np.concatenate([tone(300, 8000, 0.6), np.zeros(3200, np.int16)]), 8000)
    serving = answer(*words(command, files, options[0]), *options[1:])
    run("play", files / "caller.wav", serving.target, "--uuid", UUID, "--wait", "1", "--until-hangup")
    code, out, err = serving.end(0)
    return code, "\n".join([*out, err])


@pytest.mark.parametrize("command", PLACING)
@pytest.mark.parametrize("lost", ["recording", "capture", "JSON"])
def test_what_a_full_disk_loses_of_a_placed_call_is_code_1(
    files: Path, full_disk: Path, command: str, lost: str
) -> None:
    record, options = place_of(files, full_disk, lost)
    with bot(quiet) as target, taken_json(files / "out", lost == "JSON"):
        done = run(*words(command, files, record, target=target), *options, "--uuid", UUID)
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert says(lost) in told


@pytest.mark.parametrize("command", ANSWERING)
@pytest.mark.parametrize("lost", ["recording", "capture", "JSON"])
def test_what_a_full_disk_loses_of_an_answered_call_is_code_1(
    answer: Answer, files: Path, full_disk: Path, command: str, lost: str
) -> None:
    record, options = place_of(files, full_disk, lost)
    with taken_json(files / "out", lost == "JSON"):
        code, told = call(answer, files, command, str(record), *options)
    assert code == 1, told
    assert says(lost) in told


def place_of(files: Path, full_disk: Path, lost: str) -> tuple[Path, list[str]]:
    """Return where to record to, and further options, so that just that is lost."""
    if lost == "recording":
        return full_disk / "{uuid}.wav", []
    if lost == "capture":
        return files / "out" / "{uuid}.wav", ["--capture", str(full_disk / "call.pcapng")]
    return files / "out" / "{uuid}.wav", []


@contextlib.contextmanager
def taken_json(folder: Path, is_wanted: bool) -> Iterator[None]:
    """Take the name of the call's JSON while the call lasts: before, the recording would have got another name."""

    def take() -> None:
        deadline_s = time.monotonic() + 60
        names = [folder / f"{UUID}.json.part", folder / f"{UUID}.wav"]
        while not all(name.exists() for name in names) and time.monotonic() < deadline_s:
            time.sleep(0.005)
        (folder / f"{UUID}.json").mkdir(parents=True)

    taker = threading.Thread(target=take)
    if is_wanted:
        taker.start()
    yield
    if is_wanted:
        taker.join()


def says(lost: str) -> str:
    return {
        "recording": "recording failed: No space left on device", "capture": "o space left on device",
        "JSON": "recording failed: cannot write its JSON: ",
    }[lost]  # fmt: skip


@pytest.mark.parametrize("command", PLACING)
def test_a_peer_that_breaks_the_protocol_is_code_4_whatever_else_went_wrong(
    files: Path, full_disk: Path, command: str
) -> None:
    def breaks(heard: Heard) -> bytes:
        if heard.now_s > 0.1:
            raise Closed(b"\x03\x00\x015")
        return SILENCE

    with bot(breaks) as target:
        done = run(*words(command, files, full_disk / "x.wav", target=target))
    assert done.returncode == 4, done.stdout + done.stderr


@pytest.mark.parametrize("form", ["pcapng", "jsonl", "bin"])
def test_what_a_full_disk_loses_of_a_conversion_is_code_1_and_a_name_that_cannot_be_code_2(
    files: Path, full_disk: Path, form: str
) -> None:
    capture = files / "call.jsonl"
    capture.write_text('{"t": 0, "side": "caller", "kind": "slin", "payload": "AAAA"}\n' * 3)
    done = run("dump", capture, "--convert", form, full_disk / "x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "no space left on device" in done.stderr
    assert not (full_disk / "x").exists()
    done = run("dump", capture, "--convert", form, full_disk / "filling" / "x")
    assert (done.returncode, "cannot write" in done.stderr) == (2, True)


@pytest.mark.parametrize("command", PLACING)
def test_nobody_there_is_code_3(files: Path, command: str) -> None:
    assert run(*words(command, files, files / "x.wav", target="127.0.0.1:9")).returncode == 3


@pytest.mark.parametrize("command", PLACING)
def test_a_signal_is_its_own_code_whatever_else_went_wrong(files: Path, full_disk: Path, command: str) -> None:
    long = {
        "record": ["record", str(full_disk / "x.wav")],
        "play": ["play", str(files / "short.wav"), "--wait", "30", "--record", str(full_disk / "x.wav")],
        "inject-dtmf": ["inject-dtmf", "1", "--wait", "30", "--record", str(full_disk / "x.wav")],
        "replay": ["replay", str(files / "long.jsonl"), "--record", str(full_disk / "x.wav")],
    }[command]
    (files / "long.jsonl").write_text('{"silence_ms": 30000}')
    arrived: list[float] = []

    def notes(heard: Heard) -> bytes:
        arrived.append(heard.now_s)
        return SILENCE

    with bot(notes) as target:
        process = subprocess.Popen([*COMMAND, *long[:2], target, *long[2:]], stdout=subprocess.PIPE)
        deadline_s = time.monotonic() + 60
        while len(arrived) < 20 and time.monotonic() < deadline_s:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143


@pytest.mark.parametrize("command", PLACING)
@pytest.mark.parametrize("option", [[], ["--json"]], ids=["text", "json"])
def test_a_full_standard_output_is_code_1_and_a_closed_one_is_no_matter(
    files: Path, command: str, option: list[str]
) -> None:
    for number, (shell, code) in enumerate((('"$@" >/dev/full', 1), ('"$@" | true; exit ${PIPESTATUS[0]}', 0))):
        with bot(quiet) as target:
            line = [*COMMAND, *words(command, files, files / f"{number}.wav", target=target), *option]
            done = subprocess.run(["bash", "-c", shell, "bash", *line], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert ("no space left on device" in done.stderr) == (code == 1)
        assert soundfile.info(files / f"{number}.wav").duration > 0.2  # the call and its recording went on


@pytest.mark.parametrize("command", PLACING)
def test_a_capture_into_a_pipe_is_lost_where_that_is_full_and_not_where_its_reader_has_had_enough(
    files: Path, command: str
) -> None:
    for number, (shell, code) in enumerate((('"$@" >/dev/full', 1), ('"$@" | true; exit ${PIPESTATUS[0]}', 0))):
        with bot(quiet) as target:
            line = [*COMMAND, *words(command, files, files / f"{number}.wav", target=target), "--capture", "-"]
            done = subprocess.run(["bash", "-c", shell, "bash", *line], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr


@pytest.mark.parametrize("command", ANSWERING)
def test_a_full_standard_output_is_code_1_where_calls_are_answered(answer: Answer, files: Path, command: str) -> None:
    soundfile.write(files / "caller.wav", tone(300, 8000, 1.0), 8000)
    with Path("/dev/full").open("wb") as full:
        serving = answer(*words(command, files, files / "out" / "{uuid}.wav"), stdout=full.fileno())
        run("play", files / "caller.wav", serving.target, "--wait", "1", "--until-hangup")
        code, _, err = serving.end(0)
    assert (code, "lines of the log are lost" in err) == (1, True), err
    assert len(list((files / "out").glob("*.json"))) == 1


def test_a_full_standard_error_ends_no_call(files: Path) -> None:
    with bot(quiet) as target:
        line = [*COMMAND, *words("play", files, files / "x.wav", target=target), "--gain", "40"]  # warns of clipping
        done = subprocess.run(["bash", "-c", '"$@" 2>/dev/full', "bash", *line], capture_output=True, check=False)
    assert done.returncode == 0
    assert soundfile.info(files / "x.wav").duration > 0.2


def test_a_command_after_the_call_that_fails_is_told_and_changes_no_code(answer: Answer, files: Path) -> None:
    for command, fails in (("false", True), ("true", False)):
        returned, told = call(answer, files, "serve", str(files / "out" / "{uuid}.wav"), "--on-call-end", command)
        assert (returned, "--on-call-end command failed" in told) == (0, fails)


BY_CODE = {
    0: Outcome(),
    1: Outcome(failed=True),
    3: Outcome(unreachable=True),
    4: Outcome(protocol_broken=True),
    5: Outcome(damaged=True),
    6: Outcome(found_nothing=True),
    7: Outcome(timed_out=True),
    130: Outcome(signal.SIGINT),
    143: Outcome(signal.SIGTERM),
}


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 1], 1),
        ([7, 1], 1),
        ([6, 7], 7),
        ([1, 5], 5),
        ([4, 5, 1], 4),
        ([3, 4], 3),
        ([3, 130], 130),
        ([143, 3, 1], 143),
    ],
)
def test_of_several_codes_the_most_severe_counts(codes: list[int], code: int) -> None:
    outcome = Outcome()
    for one in codes:
        outcome |= BY_CODE[one]
    assert outcome.exit_code == code
    assert [BY_CODE[one].exit_code for one in codes] == codes
    assert {0, *codes} <= {*map(int, ExitCode)}
