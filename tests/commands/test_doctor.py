"""`audiosocket doctor` of an Asterisk: a small command that prints what a real one printed stands in for it here;
tests/system/test_doctor_asterisk.py has a real one."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from support.asterisk_said import DIALPLAN, MODULES, healthy, make_asterisk
from support.running import COMMAND, run


@pytest.fixture
def said(tmp_path: Path) -> dict[str, str]:
    """What a healthy Asterisk says, whose dialplan names a port without a server; its log is empty."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "messages.log").write_text("")
    return healthy(tmp_path) | {"logger show channels": "messages.log   File   default  Enabled    - WARNING\n"}


def doctor(folder: Path, said: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    command = folder / "asterisk"
    if not command.exists():
        make_asterisk(folder, said)
    return run("doctor", "--asterisk-command", str(command), *args)


def test_a_healthy_one_is_told_in_a_line_each(tmp_path: Path, said: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bot:
        address = f"127.0.0.1:{bot.getsockname()[1]}"
        said["dialplan show"] = DIALPLAN.replace("127.0.0.1:9092", address)
        done = doctor(tmp_path, said)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    fine = [line for line in lines if line.startswith("  ok ")]
    assert [line.split()[1] for line in fine] == ["Asterisk:", "modules:", "codecs:", "dialplan:", "its", "channels:"]
    assert f"its servers: {address}: 127.0.0.1 takes connections, and waits for a UUID" in " ".join(done.stdout.split())
    assert not any(line.startswith("  fault") for line in lines)


def test_a_fault_is_exit_1_with_its_cure_and_its_page(tmp_path: Path, said: dict[str, str]) -> None:
    said["module show"] = "".join(line for line in MODULES.splitlines(keepends=True) if "app_audio" not in line)
    done = doctor(tmp_path, said)
    assert done.returncode == 1
    assert done.stdout.startswith("modules\n  fault   app_audiosocket.so: ")
    assert "module load app_audiosocket.so'" in done.stdout
    assert done.stdout.endswith("more on the first: audiosocket help finding module-missing\n")


def test_json_is_one_object(tmp_path: Path, said: dict[str, str]) -> None:
    said["dialplan show"] = DIALPLAN.replace("1. Answer()", "1. NoOp()  ")
    done = doctor(tmp_path, said, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert (report["schema"], report["status"]) == ("audiosocket.doctor/1", "fault")
    found = {each["id"]: each for looked in report["looked_at"] for each in looked["findings"]}
    assert found["no-answer"]["where"] == "extensions.conf:7"
    assert found["no-answer"].keys() == {"id", "status", "where", "what", "evidence", "cure", "lines"}


def test_what_it_does_not_answer_is_not_looked_at(tmp_path: Path, said: dict[str, str]) -> None:
    for command in ("core show channels concise", "core show translation paths slin"):
        del said[command]
    done = doctor(tmp_path, said)
    assert "  unseen  channels [channels-stuck]" in done.stdout
    assert "          | asterisk -rx 'core show channels concise': No such command" in done.stdout


def test_a_command_that_hangs_is_told_as_that(tmp_path: Path, said: dict[str, str]) -> None:
    """As with a deadlock of channels: other commands are answered."""
    command = make_asterisk(tmp_path, said)
    hang = "case $command in core\\ show\\ ch*) exec sleep 60;; esac"
    command.write_text(command.read_text().replace('[ -f "$said" ]', f'{hang}\n[ -f "$said" ]'))
    done = run("doctor", "--asterisk-command", str(command))
    assert done.returncode == 1
    assert "channels\n  fault   Asterisk, or the way to it, hangs [asterisk-hangs]" in done.stdout
    assert "  ok      codecs:" in done.stdout


def test_files_are_read_where_no_asterisk_answers(tmp_path: Path) -> None:
    etc, log = tmp_path / "etc" / "asterisk", tmp_path / "var" / "log" / "asterisk"
    etc.mkdir(parents=True)
    log.mkdir(parents=True)
    (etc / "extensions.conf").write_text("[a]\nexten => 1,1,Dial(AudioSocket/127.0.0.1:9092/${UUID()},,g)\n")
    (log / "messages").write_text(
        "[2026-11-29 10:00:00] WARNING[7] loader.c: Error loading module 'res_audiosocket.so'\n"
    )
    done = run("doctor", "--asterisk-root", str(tmp_path))
    assert done.returncode == 1
    assert "extensions.conf:2: has no c(…)" in done.stdout.replace("\n          ", " ")


def test_nothing_at_all_to_look_at_is_exit_3(tmp_path: Path) -> None:
    done = run("doctor", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "there is no command `asterisk` on this machine [asterisk-missing]" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--asterisk-command", "'x"], "no closing quotation"),
        (["--asterisk-command", " "], "--asterisk-command is empty"),
        (["--asterisk-root", "/no/such/folder"], "is not a folder"),
        (["::1:9092"], "write [::1]:9092"),
        ([""], "a TARGET or FILE is empty"),
    ],
)
def test_a_wrong_option_is_an_error_of_use(args: list[str], said: str) -> None:
    done = run("doctor", *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


@pytest.mark.parametrize("word", ["nosuch.json", "calls/nosuch", "./call.pcapng"])
def test_a_file_that_is_not_there_is_not_taken_for_a_server(word: str) -> None:
    done = run("doctor", word)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert f"there is no file '{word}'" in done.stderr
    assert done.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_what_was_found(tmp_path: Path, said: dict[str, str], number: int) -> None:
    """An Asterisk that answers its version, and then hangs."""
    command = make_asterisk(tmp_path, said)
    command.write_text(
        command.read_text().replace(
            '[ -f "$said" ]', 'case $command in core\\ show\\ tr*) exec sleep 60;; esac\n[ -f "$said" ]'
        )
    )
    with subprocess.Popen(
        [*COMMAND, "doctor", "--asterisk-command", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "looking at codecs …\n"
        process.send_signal(number)
        began_s = time.monotonic()
        out, _ = process.communicate(timeout=30)
    assert time.monotonic() - began_s < 8  # what hangs is waited for 10 s
    assert "asterisk-hangs" not in out
    assert process.returncode == 128 + number
    assert "  ok      Asterisk: 22.10.1+dfsg-1 runs" in out


def test_one_that_hangs_costs_ten_seconds_and_is_told(tmp_path: Path) -> None:
    command = tmp_path / "asterisk"
    command.write_text("#!/bin/sh\nexec sleep 600\n")
    command.chmod(0o755)
    began_s = time.monotonic()
    done = run("doctor", "--asterisk-command", str(command))
    assert 10 < time.monotonic() - began_s < 50
    assert done.returncode == 1
    assert "[asterisk-hangs]" in done.stdout


def test_a_way_that_hangs_is_not_waited_for_at_each_file(tmp_path: Path) -> None:
    way = tmp_path / "pbx"
    way.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\nexec sleep 600\n")
    way.chmod(0o755)
    done = run("doctor", "--asterisk-command", f"{way} asterisk")
    assert (tmp_path / "asked").read_text().count("asked") <= 2  # the second is `true`, to see what hangs
    assert (done.returncode, "[asterisk-hangs]" in done.stdout) == (1, True)
