"""`--to` takes a time, or a format and a name to write to."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from audiosocket_cli.commands.to_option import ToOptionCommand, UntilParam


@click.command(cls=ToOptionCommand)
@click.option("--to", "until", type=UntilParam())
@click.option("--convert", nargs=2, type=str)
@click.argument("names", nargs=-1)
def command(until: float | None, convert: tuple[str, str] | None, names: tuple[str, ...]) -> None:
    click.echo((until, convert, names))


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("--to 5", (5.0, None, ())),
        ("--to=5 a", (5.0, None, ("a",))),
        ("--to pcapng out a", (None, ("pcapng", "out"), ("a",))),
        ("--to=jsonl - a", (None, ("jsonl", "-"), ("a",))),
        ("--to bin out --to 5 a", (5.0, ("bin", "out"), ("a",))),
        ("a -- --to bin out", (None, None, ("a", "--to", "bin", "out"))),
    ],
)
def test_each_meaning_is_told_by_what_follows(words: str, seen: tuple[object, ...]) -> None:
    assert CliRunner().invoke(command, words).output == f"{seen}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [("--to pcapng", "--to pcapng needs a name to write to"), ("--to=bin --json", "--to bin needs a name to write to"),
     ("--to pcap out", "or a format and a name: pcapng, jsonl, bin FILE")],
)  # fmt: skip
def test_what_is_neither_is_a_usage_error(words: str, says: str) -> None:
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 2
    assert says in done.output
