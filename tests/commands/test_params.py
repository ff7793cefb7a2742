"""What options take: times, sizes, numbers, each with a bound and in each way to write it."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from audiosocket_cli.cli import COMMANDS, root
from audiosocket_cli.commands.params import CountParam, DurationParam, NumberParam, SizeParam, TimeParam
from support.running import run

KINDS = (DurationParam, TimeParam, SizeParam, CountParam, NumberParam)

WHATEVER = {"play": ["x.wav"], "record": ["x.wav"], "replay": ["x"], "inject-dtmf": ["1"], "dump": ["x"], "bench": []}

BAD = ["nan", "inf", "1e308", "-inf", "", "12 parsecs", "9" * 400]


def options_of_kind(*kinds: type) -> list[tuple[str, str]]:
    """Return command and name of each option of these types."""
    found = []
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        found += [(name, max(param.opts, key=len)) for param in command.params
                  if isinstance(param, click.Option) and isinstance(param.type, kinds)]  # fmt: skip
    return found


def param_of(command: str, option: str) -> click.Parameter:
    """Return an option of a command."""
    found = root.get_command(click.Context(root), command)
    assert found is not None
    (param,) = (param for param in found.params if option in param.opts)
    return param


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:12])
@pytest.mark.parametrize(("command", "option"), options_of_kind(*KINDS), ids=lambda each: each)
def test_what_an_option_cannot_count_or_wait_for_is_a_usage_error(command: str, option: str, bad: str) -> None:
    done = CliRunner().invoke(root, [command, *WHATEVER.get(command, []), f"{option}={bad}"], standalone_mode=False)
    assert isinstance(done.exception, click.UsageError), done.exception
    message = done.exception.format_message()
    assert option in message
    assert bad[:30] in message


@pytest.mark.parametrize(("command", "option"), options_of_kind(DurationParam, TimeParam), ids=lambda each: each)
@pytest.mark.parametrize("text", ["30", "30s", "5m", "1h30m"])
def test_each_option_for_a_time_takes_each_way_to_write_one(command: str, option: str, text: str) -> None:
    param = param_of(command, option)
    assert param.type.convert(text, param, None) in (30.0, 300.0, 5400.0, 0.03)


def test_no_option_takes_a_number_without_a_bound() -> None:
    found = options_of_kind(type(click.INT), type(click.FLOAT))
    unbounded = [each for each in found if not isinstance(param_of(*each).type, click.IntRange)]
    assert unbounded == [("serve", "--worker")]  # a descriptor, which our own process gives


@pytest.mark.parametrize(
    "args",
    [["play", "x.wav", "--wait", "1e308"], ["play", "x.wav", "--start", "1e308"],
     ["play", "x.wav", "--duration", "inf"],
     ["serve", "--min-free", "9999999999999999999T"],
     ["replay", "x", "--calls", "99999999999999999999"]],
    ids=" ".join,
)  # fmt: skip
def test_a_user_sees_one_line(args: list[str]) -> None:
    done = run(*args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert args[-1] in done.stderr


def test_a_variable_of_the_environment_is_held_to_the_same() -> None:
    done = run("play", "x.wav", AUDIOSOCKET_PLAY_WAIT="1e308")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "AUDIOSOCKET_PLAY_WAIT" in done.stderr
    assert "'1e308' is longer than a year" in done.stderr


@pytest.mark.parametrize("option", ["--exec-rate", "--bot-rate"])
def test_a_rate_may_be_written_with_any_number_of_digits(option: str) -> None:
    param = param_of("serve", option)
    for text in ("1" * 5000, "8001", "²"):
        with pytest.raises(click.BadParameter, match="is not a rate that a bot can have"):
            param.type.convert(text, param, None)
    assert param.type.convert("8000", param, None) == 8000


def test_no_variable_sets_an_option_that_is_not_shown() -> None:
    assert param_of("serve", "--worker").envvar is None
    assert param_of("serve", "--workers").envvar == "AUDIOSOCKET_SERVE_WORKERS"
