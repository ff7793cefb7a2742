"""Placing a call for a command: which end it is, what it records, its log and its live view."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audiosocket_cli.commands.params import capture_option, close_capture
from audiosocket_cli.commands.values import files
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from uuid import UUID

    from audiosocket_cli.audio.files import Sound
    from audiosocket_cli.call.live_call import CallOptions, LiveCall
    from audiosocket_cli.call.recording.destinations import FileOutput
    from audiosocket_cli.call.sources.prompts import Prompt
    from audiosocket_cli.net.address import Address
    from audiosocket_cli.net.client import PlacedCall


def refuse_of_a_placed_call(**options: object) -> None:
    """Refuse options of a call that we place where we answer one. Raises `UsageError`."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"--{name} goes with TARGET only: a caller brings its own")


def the_one_end(target: Address | None, listen: Address | None) -> Address:
    """Return where to call, unless calls are listened for. Raises `UsageError` when both are named."""
    from audiosocket_cli.net.address import parse_address

    if target is not None and listen is not None:
        raise UsageError(f"either TARGET {target} is called or --listen waits for a call: leave one out")
    return target or parse_address("127.0.0.1")


def record_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --capture, --record, --layout and --force to a command."""
    for option in (
        click.option("--force", is_flag=True, help="Overwrite OUT if it is there."),
        click.option(
            "--layout",
            type=click.Choice(["caller", "server", "stereo", "mix"]),
            help="What to record; stereo has the caller left, the server right.  [default: the other side]",
        ),
        click.option("--record", metavar="OUT", shell_complete=files, help="Record what comes back."),
        capture_option,
    ):
        command = option(command)
    return command


def output_for(record: str | None, *, force: bool, played: Path | None = None) -> FileOutput | None:
    """Return where to record to, checked before anything connects. Raises `UsageError`."""
    if record is None:
        return None
    from audiosocket_cli.call.recording.destinations import FileOutput

    if played is not None and Path(record).exists() and played.exists() and played.samefile(record):
        raise UsageError(f"cannot record to {record}: it is the file to play")
    output = FileOutput(record, overwrite=force)
    prepare(output)
    return output


def prepare(output: FileOutput) -> None:
    """Check where to record to, and say what a process that died has left unconverted there. Raises `UsageError`."""
    from audiosocket_cli.ui.console import say

    output.prepare()
    if output.unconverted:
        first, others = output.unconverted[0], len(output.unconverted) - 1
        left = f"{first} and {others} more were" if others else f"{first} was"
        say(f"{left} left by a process that died before it was converted: kept as WAV, to be played or converted")


def open_prompt(sound: Sound) -> Prompt:
    """Open what is to be played, before anything connects, and say what is odd about it. Raises `FileError`."""
    from audiosocket_cli.call.sources.prompts import Prompt
    from audiosocket_cli.ui.console import say

    prompt = Prompt(sound)
    for line in prompt.tell():
        say(line)
    return prompt


def place_call(target: Address, uuid: UUID, options: CallOptions, *, as_json: bool) -> tuple[PlacedCall, bool]:
    """Place a call and see it to its end, with its events on stdout or, where data goes there, on stderr.

    Returns also whether some of that, or of the capture, is lost.
    """
    from audiosocket_cli.net.client import place
    from audiosocket_cli.net.loop import run
    from audiosocket_cli.ui.console import is_terminal
    from audiosocket_cli.ui.event_log import EventLog

    log_to_stderr = options.takes_stdout
    stream = sys.stderr if log_to_stderr else sys.stdout
    log = EventLog(as_json=as_json, to_stderr=log_to_stderr)
    calls: list[LiveCall] = []
    with contextlib.ExitStack() as stack:
        if is_terminal(stream) and not as_json:
            from audiosocket_cli.ui.dashboard import calls_table

            log.put = stack.enter_context(calls_table(calls, lambda live: f"call to {target}", stream))
        stack.enter_context(log)
        placed = run(place(target, uuid, options, report=log.report, watch=calls.append))
    return placed, bool(log.lost or not close_capture(options.capture))
