"""How Asterisk is run, where its files are, and what runs there is bounded."""

from __future__ import annotations

import asyncio
import shlex
import time
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx.place import (
    CannotRunError,
    NoProgramError,
    Place,
    TookTooLongError,
    inside,
    place_of,
    run_program,
)
from audiosocket_cli.errors import UsageError


@pytest.mark.parametrize(
    ("command", "before", "root"),
    [
        ("asterisk", (), "/"),
        ("/usr/sbin/asterisk -C /etc/asterisk/other.conf", (), "/"),
        ("sudo asterisk", ("sudo",), "/"),
        ("sudo -u asterisk asterisk", ("sudo", "-u", "asterisk"), "/"),
        ("chroot / asterisk -C /x.conf", ("chroot", "/"), "/"),
        ("sudo chroot --userspec=asterisk / asterisk", ("sudo", "chroot", "--userspec=asterisk", "/"), "/"),
        ("docker exec asterisk asterisk", ("docker", "exec", "asterisk"), None),
        ("kubectl exec pbx-0 -c asterisk -- asterisk", ("kubectl", "exec", "pbx-0", "-c", "asterisk", "--"), None),
        ("my-wrapper", None, None),
    ],
)
def test_a_command_tells_how_other_programs_run_there(
    command: str, before: tuple[str, ...] | None, root: str | None
) -> None:
    place = place_of(command, None)
    assert place.asterisk == tuple(shlex.split(command))
    assert (place.before, place.root) == (before, None if root is None else Path(root))


@pytest.mark.parametrize(
    ("command", "root", "said"),
    [
        ("'asterisk", None, "no closing quotation"),
        ("", None, "is empty"),
        ("docker exec pbx asterisk -rx", None, "leave out -rx"),
        (None, "/no/such/folder", "'/no/such/folder' is not a folder"),
        ("asterisk", "/etc/hostname", "is not a folder"),
    ],
)
def test_a_wrong_command_or_folder_is_an_error_of_use(command: str | None, root: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        place_of(command, root)


def test_an_ordinary_user_has_asterisk_where_the_path_does_not_lead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asterisk").write_text("#!/bin/sh\n")
    (tmp_path / "asterisk").chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    assert place_of(None, None).asterisk == ("asterisk",)
    monkeypatch.setattr("audiosocket_cli.doctor.pbx.place._SYSTEM_FOLDERS", f"/nowhere:{tmp_path}")
    assert place_of(None, None).asterisk == (f"{tmp_path}/asterisk",)


def test_over_ssh_words_are_quoted_for_the_shell_there() -> None:
    place = place_of("ssh pbx asterisk", None)
    assert place.quoted
    assert place.hint("core show version") == "ssh pbx \"asterisk -rx 'core show version'\""


def test_what_ssh_runs_is_one_command_there(tmp_path: Path) -> None:
    """`ssh` joins its words with spaces, and the shell there splits them again: as `sh -c "$*"` does."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    ssh.chmod(0o755)
    done = asyncio.run(place_of(f"{ssh} pbx printf %s| asterisk", None).run("printf", "%s|", "core show version"))
    assert done.out.endswith("core show version|")


def test_files_are_those_of_its_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "modules.conf").write_text("autoload = no\n")
    place = place_of(f"chroot {tmp_path} asterisk", None)

    async def look() -> tuple[object, ...]:
        return (
            await place.read("/etc/modules.conf"),
            await place.read("/etc/modules.conf", last_bytes=3),
            await place.read("/etc/none.conf"),
            await place.has_file("/etc/modules.conf"),
            await place.has_file("/etc/none.conf"),
        )

    assert asyncio.run(look()) == ("autoload = no\n", "no\n", None, True, False)


def test_links_in_another_root_lead_to_places_in_it(tmp_path: Path) -> None:
    """As Debian's /var/run does."""
    (tmp_path / "run" / "asterisk").mkdir(parents=True)
    (tmp_path / "var" / "log").mkdir(parents=True)
    for link, target in {
        "var/run": "/run",
        "var/lock": "../run/./asterisk",
        "up": "../../run",
        "round": "round",
    }.items():
        (tmp_path / link).symlink_to(target)
    for path, there in {
        "/var/run/asterisk/asterisk.ctl": "run/asterisk/asterisk.ctl", "/var/lock/x": "run/asterisk/x", "/up": "run",
        "/var/log/none": "var/log/none", "/../../etc/x": "etc/x", "/": ".",
    }.items():  # fmt: skip
        assert inside(tmp_path, path) == tmp_path / there
    assert not inside(tmp_path, "/round/x").exists()


def test_links_lead_where_they_lead_inside(tmp_path: Path) -> None:
    """A container's `/var/log/asterisk -> /data/log` names its own folder, whatever this machine has there."""
    (tmp_path / "data" / "log").mkdir(parents=True)
    (tmp_path / "data" / "log" / "full").write_text("inside")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "log").symlink_to("/data/log")
    (tmp_path / "data" / "log" / "messages").symlink_to("../../../../../data/log/full")
    (tmp_path / "circle").symlink_to("/circle")
    place = place_of(f"chroot {tmp_path} asterisk", None)
    assert place.path("/var/log/full") == tmp_path / "data" / "log" / "full"
    assert asyncio.run(place.read("/var/log/messages")) == "inside"
    assert asyncio.run(place.read("/circle/x")) is None
    assert place.path("/../../etc") == tmp_path / "etc"


def test_files_elsewhere_are_read_by_programs_there(tmp_path: Path) -> None:
    (tmp_path / "modules.conf").write_text("autoload = no\n")
    there = tmp_path / "there"
    there.write_text('#!/bin/sh\nexec "$@"\n')
    there.chmod(0o755)
    place = place_of(f"{there} asterisk", None)
    assert place.root is None

    async def look() -> tuple[object, ...]:
        path = str(tmp_path / "modules.conf")
        return (
            await place.read(path),
            await place.read(path, last_bytes=3),
            await place.read(f"{path}.none"),
            await place.has_file(path),
            await place.has_file(f"{path}.none"),
        )

    assert asyncio.run(look()) == ("autoload = no\n", "no\n", None, True, False)


def test_a_program_that_is_not_there_is_told_from_one_that_fails() -> None:
    with pytest.raises(NoProgramError, match="there is no program 'no-such-program' here"):
        asyncio.run(run_program(["no-such-program"]))
    with pytest.raises(CannotRunError, match="cannot run '/etc'"):
        asyncio.run(run_program(["/etc"]))
    assert asyncio.run(run_program(["sh", "-c", "echo out; echo err >&2; exit 3"])) == ("out\n", "err\n", 3)


def test_a_program_that_hangs_is_ended() -> None:
    began_s = time.monotonic()
    with pytest.raises(TookTooLongError, match=r"sleep 60 did not end within 0\.2 s"):
        asyncio.run(run_program(["sleep", "60"], seconds=0.2))
    assert time.monotonic() - began_s < 30


def test_output_is_kept_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiosocket_cli.doctor.pbx.place.MAX_OUTPUT_BYTES", 100_000)
    done = asyncio.run(run_program(["sh", "-c", "head -c 3000000 /dev/zero; echo end >&2"]))
    assert (len(done.out), done.err, done.code) == (100_000, "end\n", 0)


def test_without_a_word_asterisk_nothing_else_is_run() -> None:
    with pytest.raises(CannotRunError, match="has no word 'asterisk'"):
        asyncio.run(place_of("my-wrapper", None).run("ls"))


def test_the_configuration_is_where_its_command_says() -> None:
    assert place_of("asterisk -C /srv/pbx/asterisk.conf", None).config_folder == "/srv/pbx"
    assert Place(("asterisk",), (), Path("/")).config_folder == "/etc/asterisk"
