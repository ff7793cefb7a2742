"""Names of files and folders on the command line: an empty one, as of a variable that nobody has set, is refused; so is
one that this user may not look at."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from audiosocket_cli.cli import COMMANDS, root
from audiosocket_cli.commands.path_param import PathParam
from audiosocket_cli.errors import AudioSocketError
from support.many_calls import make_calls
from support.nobody import as_nobody

PARAMS = {
    (name, max(param.opts, key=len)): param
    for name in COMMANDS
    for param in root.get_command(click.Context(root), name).params  # type: ignore[union-attr]
}

PATHS = {key: param for key, param in PARAMS.items() if isinstance(param.type, PathParam)}


def test_each_option_that_names_a_file_or_folder_is_of_the_type_that_takes_no_empty_name() -> None:
    naming = {
        key for key, param in PARAMS.items()
        if isinstance(param.type, click.Path)
        or (key[1].startswith("--") and re.search(r"\b(FILE|DIR|OUT|OLD)\b", param.metavar or ""))
    }  # fmt: skip
    others = {
        ("check", "--uuid"),
        ("dump", "--convert"),
    }  # a UUID, or a file; a form and a file: an empty one is neither
    assert naming - set(PATHS) == others


@pytest.mark.parametrize("key", PATHS, ids=" ".join)
def test_an_empty_name_is_not_the_current_folder(key: tuple[str, str]) -> None:
    with pytest.raises(click.BadParameter, match="it is empty: name a "):
        PATHS[key].type.convert("", PATHS[key], None)


SILENT = {
    "calls": ["calls", "", "--keep", "1s", "--delete"],
    "calls with a folder": ["calls", "calls", "", "--keep", "1s", "--delete"],
    "dump": ["dump", "a.pcapng", "--wav", ""],
    "play": ["play", "q.wav", "127.0.0.1:9", "--capture", ""],
    "proxy": ["proxy", "127.0.0.1:9", "--listen", "127.0.0.1:0", "--capture", ""],
    "serve": ["serve", "--listen", "127.0.0.1:0", "--record", ""],
    "serve with variables": ["serve", "--listen", "127.0.0.1:0", "--variables", ""],
    "dialplan": ["dialplan", "--output", ""],
    "wireshark": ["wireshark", "--install", "--folder", ""],
    "doctor": ["doctor", "--asterisk-root", ""],
}


@pytest.mark.parametrize("words", SILENT.values(), ids=SILENT)
def test_a_command_with_an_empty_name_does_nothing_in_the_current_folder(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_calls(tmp_path / "calls", 1)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(root, words, standalone_mode=False)
    assert isinstance(done.exception, click.UsageError), done.exception
    assert "it is empty: name a f" in done.exception.format_message()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def as_one_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Go on as a user without rights, in their own folder with one that is closed to them, and a link to itself."""
    (tmp_path / "closed").mkdir(mode=0o700 if os.geteuid() == 0 else 0)
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    with as_nobody(tmp_path):
        yield


LONG = "n" * 300

SERVE = ["serve", "--listen", "127.0.0.1:0"]

UNKNOWABLE = {
    "doctor FILE": ["doctor", "{}"],
    "doctor --asterisk-root": ["doctor", "--asterisk-root", "{}"],
    "doctor --log": ["doctor", "--log", "{}"],
    "serve --variables": [*SERVE, "--variables", "{}"],
    "serve --bot": [*SERVE, "--bot", "{}.py:answer"],
    "serve --play": [*SERVE, "--play", "{}"],
    "serve --record": [*SERVE, "--record", "{}"],
    "serve --capture": [*SERVE, "--capture", "{}"],
    "serve --allow-uuid": [*SERVE, "--allow-uuid", "{}"],
    "serve --log-file": [*SERVE, "--log-file", "{}"],
    "proxy --faults": ["proxy", "127.0.0.1:9", "--listen", "127.0.0.1:0", "--faults", "{}"],
    "dialplan --output": ["dialplan", "--output", "{}"],
    "dialplan --check": ["dialplan", "--check", "{}"],
    "calls": ["calls", "{}"],
    "upload": ["upload", "{}", "--upload", "s3://bkt/x"],
    "report": ["report", "{}", "-o", "page.html"],
    "dump": ["dump", "{}"],
    "replay": ["replay", "{}", "127.0.0.1:9"],
    "play": ["play", "{}", "127.0.0.1:9"],
    "bench --audio": ["bench", "127.0.0.1:9", "--duration", "1s", "--audio", "{}"],
    "bench --output": ["bench", "127.0.0.1:9", "--duration", "1s", "--output", "{}"],
    "wireshark --folder": ["wireshark", "--install", "--folder", "{}"],
}


@pytest.mark.usefixtures("as_one_of_many")
@pytest.mark.parametrize("words", UNKNOWABLE.values(), ids=UNKNOWABLE)
@pytest.mark.parametrize("name", ["closed/new", LONG], ids=["closed", "too long"])
def test_a_path_that_cannot_be_looked_at_is_told_in_a_line(words: list[str], name: str) -> None:
    done = CliRunner().invoke(root, [word.format(name) for word in words], standalone_mode=False)
    if done.exception is None:  # what is found in many files is told on the way
        assert done.return_value != 0
    else:
        assert isinstance(done.exception, AudioSocketError | click.ClickException), done.exception
        assert len(str(done.exception).splitlines()) == 1


@pytest.mark.usefixtures("as_one_of_many")
def test_what_cannot_be_known_of_a_path_is_why_it_is_refused() -> None:
    for words, why in (
        (["doctor", "closed/c.json"], "cannot read closed/c.json: permission denied"),
        (["doctor", LONG], "file name too long"),
        (["doctor", "--asterisk-root", "closed/new"], "closed/new: permission denied"),
        (["doctor", "--asterisk-root", "loop"], "too many levels of symbolic links"),
        ([*SERVE, "--variables", "closed/new"], "cannot read closed/new: permission denied"),
        ([*SERVE, "--bot", "closed/b.py:answer"], "cannot read closed/b.py: permission denied"),
        ([*SERVE, "--play", "closed/p.wav"], "cannot read closed/p.wav: permission denied"),
        (["dialplan", "--output", "closed/new"], "permission denied"),
        (["calls", "loop"], "cannot list calls of loop"),
    ):
        done = CliRunner().invoke(root, words, standalone_mode=False)
        assert why in str(done.exception), (words, done.exception)
