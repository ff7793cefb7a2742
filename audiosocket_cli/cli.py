"""The root command: a table of subcommands, loaded when asked for, and the one place where errors become exits."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from collections.abc import Iterator
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final, NoReturn, TextIO

import click

from audiosocket_cli import __version__
from audiosocket_cli.errors import AudioSocketError, ExitCode, StoppedError

PROGRAM: Final = "audiosocket"

COMMANDS: Final = {
    "serve": "audiosocket_cli.commands.serve",
    "proxy": "audiosocket_cli.commands.proxy",
    "record": "audiosocket_cli.commands.record",
    "play": "audiosocket_cli.commands.play",
    "talk": "audiosocket_cli.commands.talk",
    "inject-dtmf": "audiosocket_cli.commands.inject_dtmf",
    "dump": "audiosocket_cli.commands.dump",
    "report": "audiosocket_cli.commands.report",
    "replay": "audiosocket_cli.commands.replay",
    "bench": "audiosocket_cli.commands.bench",
    "check": "audiosocket_cli.commands.check",
    "dialplan": "audiosocket_cli.commands.dialplan",
    "doctor": "audiosocket_cli.commands.doctor",
    "calls": "audiosocket_cli.commands.calls",
    "upload": "audiosocket_cli.commands.upload",
    "wireshark": "audiosocket_cli.commands.wireshark",
    "completion": "audiosocket_cli.commands.completion",
    "help": "audiosocket_cli.commands.help",
}
"""Subcommands by name, in the order of the help: modules with a click command named `command`."""

TOPICS_ABOUT: Final = {
    "serve": (
        "answering",
        "bots",
        "bots-in-python",
        "bridging",
        "api",
        "in-a-browser",
        "recording",
        "sending-on",
        "events",
        "systemd",
        "many-servers",
    ),
    "proxy": ("proxying", "in-a-browser", "mirroring", "faults", "recording", "sending-on", "events", "captures"),
    "record": ("recording", "sending-on", "websocket-bots"),
    "play": ("playing", "testing-a-bot", "websocket-bots"),
    "talk": ("talking", "testing-a-bot"),
    "inject-dtmf": ("testing-a-bot", "keys", "websocket-bots"),
    "dump": ("captures", "turn-figures", "findings", "json-lines"),
    "report": ("reports", "recording", "captures", "findings"),
    "replay": ("testing-a-bot", "scripts", "websocket-bots"),
    "bench": ("load", "load-figures", "locust", "planning", "websocket-bots"),
    "check": ("checking", "testing-a-bot", "websocket-bots"),
    "dialplan": ("dialplans", "asterisk", "transfer", "findings"),
    "doctor": ("diagnosing", "asterisk-log", "test-call", "findings", "asterisk"),
    "calls": ("call-index", "buckets", "month-of-calls", "recording", "findings", "json"),
    "upload": ("sending-on", "uploading", "events"),
    "wireshark": ("dissector",),
    "completion": ("first-call",),
    "help": ("first-call",),
}
"""The pages of the documentation that tell more about each command."""


class _LazyGroup(click.Group):
    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with done_where_nobody_reads():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with done_where_nobody_reads():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        command.name = cmd_name
        command.epilog = f"More: {PROGRAM} help {', '.join(TOPICS_ABOUT[cmd_name])}"
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                option.envvar = environment_name(cmd_name, option)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            wrong = args[0]
            if wrong.startswith("-"):
                raise
            import difflib  # rarely wanted, and 5 ms

            near = difflib.get_close_matches(wrong.lower(), COMMANDS, 1, 0.5)
            near = near or [name for name in COMMANDS if name.startswith(wrong.lower())]
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {wrong!r:.60}: {hint}", ctx) from None


@contextlib.contextmanager
def done_where_nobody_reads() -> Iterator[None]:
    """End a command as done when whoever reads its output has closed the pipe: click would exit with 1."""
    try:
        yield
    except BrokenPipeError as error:
        if _is_unread(sys.stdout) or _is_unread(sys.stderr):
            raise click.exceptions.Exit(ExitCode.DONE) from None
        raise AudioSocketError(f"something that was written to has closed: {error}") from None


def _is_unread(stream: TextIO) -> bool:
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def environment_name(command: str, option: click.Option) -> str:
    """Return the variable that sets an option: AUDIOSOCKET_SERVE_EXEC_RATE for `serve --exec-rate`."""
    long_name = max(option.opts, key=len).removeprefix("--")
    return f"{PROGRAM}_{command}_{long_name}".replace("-", "_").upper()


@click.group(
    cls=_LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    epilog="Each option can be set in the environment: AUDIOSOCKET_SERVE_RECORD=./calls is serve --record ./calls. "
    "Each time is in seconds, or has a unit: 30, 30s, 500ms, 5m, 1h, 1h30m.",
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Answer, place, pass on, record, see, replay and load-test Asterisk calls over AudioSocket.

    \b
    Examples:
      audiosocket serve --record ./calls       answer calls and record them
      audiosocket proxy host:9092              pass calls on, and watch both sides
      audiosocket record call.wav              record the next call
      audiosocket play hello.wav host:9092     call a server, as Asterisk would
      audiosocket talk host:9092               talk to a server yourself
      audiosocket inject-dtmf 123# host:9092   press keys in a call
      audiosocket dump capture.pcap            see what was on the wire
      audiosocket report call.wav -o call.html look at a call, and hear it
      audiosocket replay call.pcapng host:9092 play a call again
      audiosocket bench host:9092 --calls 50   see whether a server holds
      audiosocket check host:9092              see whether a server survives
      audiosocket dialplan host:9092           write the lines for Asterisk
      audiosocket doctor                       see why a call does not work
      audiosocket calls ./calls                find calls among recordings
      audiosocket upload ./calls               send recordings to a store
      audiosocket help                         list the documentation
    """
    _warn_of_unknown_variables(ctx.invoked_subcommand or "")


def _warn_of_unknown_variables(command: str) -> None:
    ours = [name for name in os.environ if name.upper().startswith(f"{PROGRAM}_".upper())]
    if not ours or "--worker" in sys.argv:  # whose parent has warned already
        return
    from audiosocket_cli.commands.environment import warnings
    from audiosocket_cli.ui.console import say

    with click.Context(root) as context:
        commands = [root.get_command(context, name) for name in (command, *COMMANDS)]
    options = [option for each in commands if each for option in each.params]
    known = [option.envvar for option in options if isinstance(option.envvar, str)]
    for line in warnings(ours, known, COMMANDS, sys.argv):
        say(line)


def main() -> NoReturn:
    """Run the command line and exit with an `ExitCode`. Errors that a user can cause are one line on stderr."""
    try:
        _run()
    except SystemExit as error:
        if "audiosocket_cli.stores.requests" in sys.modules and isinstance(error.code, int):
            from audiosocket_cli.stores.requests import exit_past_requests

            exit_past_requests(error.code)
        raise


def _run() -> NoReturn:
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # what a terminal cannot show must not end a call
    if os.environ.get(f"_{PROGRAM}_COMPLETE".upper()):  # a shell asks while somebody types: no talk
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        sys.exit(root.main(prog_name=PROGRAM, standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        with contextlib.suppress(OSError):
            error.show()
        sys.exit(ExitCode.USAGE)
    except click.ClickException as error:
        _fail(_usage_line(error), error.exit_code)
    except StoppedError as error:
        sys.exit(error.exit_code)
    except AudioSocketError as error:
        _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(ExitCode.INTERRUPTED)
    except MemoryError as error:
        _fail(_memory_line(error), ExitCode.NEGATIVE)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise
        # Standard output cannot be written. A closed pipe is silent.
        if error.errno == errno.EPIPE:  # while a shell asks what to complete: else `_LazyGroup` has seen it
            sys.exit(ExitCode.DONE)
        _fail(f"cannot write to standard output: {os.strerror(error.errno).lower()}", ExitCode.NEGATIVE)
    finally:
        _drop_unwritable_output()


def _drop_unwritable_output() -> None:
    """Let what a full or closed stream still holds go nowhere: Python's own flush at the exit would fail, and make the
    exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed_streams() -> None:
    """Give a process that was started without standard streams (`>&-`) some that go nowhere."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def _usage_line(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    if path == PROGRAM and sys.argv[1:] and sys.argv[1] in COMMANDS:
        path = f"{PROGRAM} {sys.argv[1]}"  # click forgets the command of an option without its value
    message = " ".join(error.format_message().split())
    param = getattr(error, "param", None)
    if isinstance(param, click.Option) and context and _is_from_environment(context, param):
        message = f"{param.envvar}: {message}"
    return f"{message.rstrip('.')} (see {path} --help)"


def _memory_line(error: MemoryError) -> str:
    if "ffi.callback" in str(error):  # cffi, for soundfile, where that is not allowed
        return (
            "this sound cannot be read from a pipe, because the system forbids memory that is writable and executable "
            "(MemoryDenyWriteExecute=yes of systemd): save it to a WAV file first"
        )
    return "out of memory: try less at once"


def _is_from_environment(context: click.Context, option: click.Option) -> bool:
    return context.get_parameter_source(option.name or "") is click.core.ParameterSource.ENVIRONMENT


def _fail(message: str, code: int) -> NoReturn:
    from audiosocket_cli.ui.console import say

    say(f"{PROGRAM}: error: {message}")
    sys.exit(code)
