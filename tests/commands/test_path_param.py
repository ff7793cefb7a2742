"""Names of files and folders on the command line: an empty one, as of a variable that nobody has set, is refused."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from audiosocket_cli.cli import COMMANDS, root
from audiosocket_cli.commands.path_param import PathParam
from support.many_calls import make_calls

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
