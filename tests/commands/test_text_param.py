"""What chooses among calls, cases or devices is never empty by accident."""

from __future__ import annotations

import click
import pytest

from audiosocket_cli.cli import COMMANDS, root
from support.running import run

EMPTY = [
    ["dump", "x.pcapng", "--call", ""],
    ["report", "x.pcapng", "-o", "x.html", "--call", ""],
    ["replay", "x.pcapng", ":9", "--call", ""],
    ["calls", ".", "--peer", "", "--keep", "1s", "--delete"],
    ["calls", ".", "--result", "", "--keep", "1s", "--delete"],
    ["bench", ":9", "--stages", ""],
    ["check", ":9", "--name", ""],
    ["doctor", "--call", "--call-address", ""],
    ["talk", ":9", "--input-device", ""],
    ["dialplan", "pbx:9", "--form", ""],
]


@pytest.mark.parametrize("words", EMPTY, ids=" ".join)
def test_an_empty_text_is_one_line_and_does_nothing(words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"'{words[words.index('') - 1]}'" in done.stderr
    assert "it is empty: write " in done.stderr


SAYS_WHY_ITSELF = {
    "serve": {"program", "bot", "bridge", "authorize", "on_call_end", "upload", "events"},
    "proxy": {"on_call_end", "upload", "events"},
    "record": {"upload"},
    "upload": {"upload", "events"},
    "replay": {"uuid"},
    "bench": {"thresholds"},
    "check": {"asterisk", "only", "skip", "uuid"},
    "dialplan": {"asterisk", "extension", "context", "api"},
    "doctor": {"asterisk_command", "call"},
    "calls": {"since", "until", "uuid", "digits", "findings", "clip", "dask", "keep"},
    "help": {"name"},
}
"""Options without a type of their own that refuse an empty text for a reason of their own."""


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_an_empty_text_in_silence(name: str) -> None:
    with click.Context(root) as context:
        command = root.get_command(context, name)
    assert command is not None
    untyped = {
        str(option.name)
        for option in command.params
        if isinstance(option, click.Option) and option.type is click.STRING and not option.hidden
    }
    assert untyped - SAYS_WHY_ITSELF.get(name, set()) == set()
