"""`audiosocket dialplan`: what is printed, what is written, and what is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from support.running import run

NEW = ("--asterisk", "22.10.1")


def program(folder: Path, text: str) -> str:
    """Make an `asterisk` that prints what a real one printed; return a PATH with it."""
    path = folder / "asterisk"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_the_usual_is_both_interfaces_for_a_server_on_this_machine() -> None:
    done = run("dialplan", *NEW)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("exten => ") == 2
    assert " same => n,AudioSocket(${CALL},127.0.0.1:9092) " in done.stdout
    assert " same => n,Dial(AudioSocket/127.0.0.1:9092/${CALL}/c(slin),,g)\n" in done.stdout


def test_two_servers_are_for_fail_over() -> None:
    done = run("dialplan", "a:1", "[::1]", *NEW)
    assert done.stdout.count("TryExec(AudioSocket(${CALL},") == 2
    assert "TryExec(AudioSocket(${CALL},[::1]:9092))" in done.stdout


def test_several_files_each_come_after_their_name() -> None:
    done = run("dialplan", "--form", "ari", *NEW)
    names = [line for line in done.stdout.splitlines() if line.startswith("==> ")]
    assert names == ["==> extensions.conf <==", "==> ari.sh <==", "==> ari.conf <==", "==> http.conf <=="]


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("echo Asterisk 20.12.0", "written for Asterisk 20.12, which is here"),
        ("echo 'Asterisk 22.10.1+dfsg+~cs6.17.60671434-1'", "written for Asterisk 22.10, which is here"),
        ("echo Asterisk certified-22.8-cert1", "written for Asterisk certified 22.8, which is here"),
        ("echo Asterisk GIT-master-0123abc", "written for Asterisk 23.4, the newest, as none is here"),
        ("exit 1", "written for Asterisk 23.4, the newest, as none is here"),
        ("kill -9 $$", "written for Asterisk 23.4, the newest, as none is here"),
        ("echo", "written for Asterisk 23.4, the newest, as none is here"),
    ],
)
def test_the_release_is_that_of_the_asterisk_here(tmp_path: Path, says: str, told: str) -> None:
    done = run("dialplan", PATH=program(tmp_path, says))
    assert done.returncode == 0
    assert done.stderr.startswith(told)
    assert f"; Written by audiosocket dialplan for Asterisk {told.split('Asterisk ')[1].split(',')[0]} " in done.stdout


def test_files_are_written_into_a_folder_and_not_over_others(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "etc"
    words = ("dialplan", "--form", "ari", "--output", folder, *NEW)
    done = run(*words)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        f"wrote {folder}/{name}" for name in ("extensions.conf", "ari.sh", "ari.conf", "http.conf")
    ]
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}
    assert modes == {"extensions.conf": "0o644", "http.conf": "0o644", "ari.conf": "0o600", "ari.sh": "0o700"}
    before = (folder / "ari.conf").read_text()
    again = run(*words)
    assert again.returncode == 2
    assert "would be overwritten: add --force, or choose another folder" in again.stderr
    assert (folder / "ari.conf").read_text() == before
    assert run(*words, "--force").returncode == 0
    assert (folder / "ari.conf").read_text() != before


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / "extensions.conf").symlink_to("precious")
    assert run("dialplan", "--output", tmp_path, "--force", *NEW).returncode == 0
    assert (tmp_path / "precious").read_text() == "x"
    assert not (tmp_path / "extensions.conf").is_symlink()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("dialplan", "--output", tmp_path / "file", *NEW)
    assert done.returncode == 1
    assert done.stderr == f"audiosocket: error: cannot write {tmp_path}/file/extensions.conf: file exists\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["host:99999"], "'host:99999' has no port that exists: write one from 1 to 65535"),
        (["::1:9092"], "'::1:9092' is not an address for Asterisk: write HOST:PORT, or [::1]:PORT for IPv6"),
        (["a:1", "a:1"], "a:1 is named twice: name two servers, or one"),
        (["--form", "none"], "there is no form 'none': choose from both, app, "),
        (["--form", "failover"], "fail-over needs two servers: add one, as in dialplan 127.0.0.1:9092 192.0.2.8:9092"),
        (["--form", "phone", "a:1"], "--form phone needs no server: leave 'a:1' out, or take another form (--list)"),
        (["--form", "app", "a", "b"], "--form app is for one server: leave 'b' out, or take another form (--list)"),
        (["a", "b", "c", "d", "e"], "--form failover takes 4 at most: leave 'e' out"),
        (
            ["--form", "app", "--codec", "slin16"],
            "--codec does nothing in --form app: leave it out, or take --form channel",
        ),
        (["--api", "a:1"], "--api does nothing in --form both: leave it out, or take --form transfer"),
        (["--codec", "slin16", "--asterisk", "20.12"], "Asterisk 20.12 sends slin16 with the kind of 8 kHz"),
        (["--codec", "opus"], "Invalid value for '--codec'"),
        (["--extension", "1,2"], "'1,2' is not an extension"),
        (["--context", "a b"], "'a b' is not a context"),
        (["--asterisk", "17.3"], "Asterisk 17.3 has no AudioSocket: it came with 18.0"),
        (["--asterisk", "new"], "'new' is not a release of Asterisk"),
        (["--force"], "--force does nothing without --output"),
        (["--json"], "--json does nothing without --check"),
        (["--check", "x", "--form", "app"], "--form is not for --check, which only reads: leave it out"),
        (["--form", "phone", "--for", "freepbx"], "FreePBX makes phones itself"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_written_is_refused_in_one_line(words: list[str], message: str) -> None:
    release = [] if "--asterisk" in words or "--check" in words else NEW
    done = run("dialplan", *words, *release)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"audiosocket: error: {message}")
    assert done.stderr.count("\n") == 1


def test_what_the_environment_sets_is_left_out_of_forms_that_have_no_part_of_it() -> None:
    done = run("dialplan", "--form", "app", *NEW, AUDIOSOCKET_DIALPLAN_CODEC="slin16")
    assert done.returncode == 0
    assert "slin16" not in done.stdout
