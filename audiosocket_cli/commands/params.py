"""Option types, and options, that commands share. They check values before anything connects."""

from __future__ import annotations

import math
import os
import re
import shlex
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from audiosocket_cli.codec import KIND_BY_RATE, Kind, kind_name, kind_named
from audiosocket_cli.commands.path_param import FILE_OR_FOLDER, PathParam
from audiosocket_cli.errors import UsageError
from audiosocket_cli.quantities import bounded_duration, parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


_MAX_PROCESSES: Final = 1024
_PROCESSES_A_CORE: Final = 4
_FEW_PROCESSES: Final = 8


class AddressParam(click.ParamType):
    """`host:port` as an `Address`."""

    name = "host:port"

    def __init__(self, *, needs_port: bool = False) -> None:
        """`needs_port` where no port is the usual one."""
        self._needs_port = needs_port

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from audiosocket_cli.net.address import Address, parse_address

        if isinstance(value, Address):
            return value
        try:
            return parse_address(value, None) if self._needs_port else parse_address(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class UuidParam(click.ParamType):
    """A UUID in its usual form of 36 characters."""

    name = "uuid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        try:
            return value if isinstance(value, UUID) else UUID(value)
        except ValueError:
            self.fail(f"{value!r} is not a UUID: write it as 8-4-4-4-12 hexadecimal digits", param, ctx)


def _offered(names: Iterable[object], incomplete: str) -> list[CompletionItem]:
    """What a shell may offer of some names."""
    return [CompletionItem(str(name)) for name in names if str(name).startswith(incomplete)]


class RateParam(click.ParamType):
    """A sample rate in Hz that a kind exists for."""

    name = "hz"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _offered(KIND_BY_RATE, incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if str(value) not in map(str, KIND_BY_RATE):
            rates = ", ".join(map(str, KIND_BY_RATE))
            self.fail(f"no kind carries {value} Hz; choose from {rates}", param, ctx)
        return int(value)


class KindParam(click.ParamType):
    """An audio kind by its name: slin, slin16 and so on."""

    name = "kind"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _offered(map(kind_name, KIND_BY_RATE.values()), incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        kinds = {kind_name(kind): int(kind) for kind in KIND_BY_RATE.values()}
        if value not in kinds:
            self.fail(f"{value!r} is not a kind of audio; choose from {', '.join(kinds)}", param, ctx)
        return kinds[value]


class AnyKindParam(click.ParamType):
    """Any kind of frame by its name or number, or `audio` for all kinds of audio, as a set of kinds."""

    name = "kind"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _offered(["audio", *map(kind_name, Kind)], incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[int]:
        if isinstance(value, frozenset):
            return value
        if value == "audio":
            return frozenset(map(int, KIND_BY_RATE.values()))
        try:
            return frozenset((kind_named(value),))
        except ValueError as error:
            self.fail(f"{error}; audio is all kinds of it", param, ctx)


class SizeParam(click.ParamType):
    """A size of files as 500M or 2G, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else parse_size(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class DurationParam(click.ParamType):
    """A length of time as 30, 500ms, 5m or 1h30m, in seconds."""

    name = "time"

    def __init__(self, *, zero: bool = False, unit: str = "s") -> None:
        """`zero` where none is a length, too; `unit` is that of a number alone."""
        self._zero = zero
        self._unit = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else parse_duration(value, unit=self._unit, zero=self._zero)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class CountParam(click.ParamType):
    """A whole number from 1 up to a bound."""

    name = "n"

    def __init__(self, most: int = 1_000_000_000) -> None:
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip()
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
        if not 1 <= number <= self._most:
            self.fail(f"{value!r:.60} is not a count: write a whole number from 1 to {self._most}", param, ctx)
        return number


class ProcessCountParam(CountParam):
    """A number of processes. More than a few for each core have to be allowed: see `check_processes`."""

    def __init__(self) -> None:
        super().__init__(_MAX_PROCESSES)


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_processes(count: int, option: str, *, allowed: bool) -> None:
    """Refuse more processes than make sense here unless they are `allowed`: each takes some 40 MB and never waits."""
    cores = usable_cores()
    most = max(_FEW_PROCESSES, _PROCESSES_A_CORE * cores)
    if count > most and not allowed:
        raise UsageError(
            f"--{option} {count} is too many for {cores} core{'' if cores == 1 else 's'}: use one for each core, "
            f"{most} at most, or add --many-{option}"
        )


class TimeParam(click.ParamType):
    """A time in a call, in seconds: 12.5, 1:12.5, 1:00:12.5, or a length of time since its start, as 90s."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _CLOCK.fullmatch(value.strip())
        try:
            if match is None:
                return parse_duration(value, zero=True)
            hours, minutes, seconds = match.groups(default="0")
            return bounded_duration(
                float(hours) * 3600 + float(minutes) * 60 + float(seconds), f"{value!r:.60}", zero=True
            )
        except UsageError as error:
            self.fail(f"{error}; or a time in the call, as 1:12.5 or 1:00:12.5", param, ctx)


class RestCommand(click.Command):
    """A command whose option --exec takes one command line, or all words that follow it, as `find -exec` does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--exec" in args[:-1]:
            at = args.index("--exec") + 1
            rest = args[at:]
            if len(rest) > 1 and len(rest[0].split()) == 1:
                args = [*args[:at], shlex.join(rest)]
                if "--worker" not in args:  # whose parent has warned already
                    self._warn_of_swallowed_options(ctx, rest)
        return super().parse_args(ctx, args)

    def _warn_of_swallowed_options(self, ctx: click.Context, rest: list[str]) -> None:
        from audiosocket_cli.ui.console import say

        ours = {name for param in self.get_params(ctx) for name in param.opts if name.startswith("--")}
        program, *words = rest[: rest.index("--")] if "--" in rest else rest
        for name in sorted({word.split("=")[0] for word in words} & ours):
            say(
                f"{name} after --exec is for the program {program}: put it before --exec if it is for "
                "audiosocket, or quote the whole line if it is not"
            )


class NetworkParam(click.ParamType):
    """A network as 10.0.0.0/8, or one address."""

    name = "cidr"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from audiosocket_cli.server.admission import parse_network

        try:
            return parse_network(value) if isinstance(value, str) else value
        except UsageError as error:
            self.fail(str(error), param, ctx)


class BotRateParam(click.ParamType):
    """A sample rate in Hz that 20 ms of are a whole number of samples."""

    name = "hz"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        rate_hz = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
        if rate_hz % 50 or not 4000 <= rate_hz <= 192000:
            self.fail(f"{text:.60} Hz is not a rate that a bot can have: a multiple of 50, 4000 to 192000", param, ctx)
        return rate_hz


class FaultParam(click.ParamType):
    """A fault of calls that are passed on, as `to-server latency 200ms`."""

    name = "spec"
    envvar_list_splitter: ClassVar[str | None] = ";"  # a fault has spaces

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from audiosocket_cli.call.faults.fault_spec import parse_fault

        try:
            return parse_fault(value) if isinstance(value, str) else value
        except UsageError as error:
            self.fail(str(error), param, ctx)


class NumberParam(click.ParamType):
    """A number from `least` to `most`."""

    name = "number"

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not self._least <= number <= self._most:
            self.fail(f"{value!r:.60} is not a number from {self._least:g} to {self._most:g}", param, ctx)
        return number


class PercentParam(click.ParamType):
    """A percentage, with or without its sign, as a share of 1."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            share = float(str(value).removesuffix("%")) / 100
        except ValueError:
            share = -1.0
        if not 0 <= share < float("inf"):
            self.fail(f"{value!r} is not a percentage: write 10%", param, ctx)
        return share


SECONDS = DurationParam(zero=True)
POSITIVE_SECONDS = DurationParam()


def refuse_without_effect(ctx: click.Context, **needs: str) -> None:
    """Refuse options that were typed, and do nothing without another that is missing. Raises `UsageError`.

    `needs` names for a parameter those of which one has to be given: `force="record capture"`. What comes from the
    environment is for all calls of a command, and may be without effect in one.
    """
    for name, others in needs.items():
        if not is_typed(ctx, name) or any(ctx.params.get(other) not in (None, False, ()) for other in others.split()):
            continue
        cures = " or ".join(option_name(ctx, other) for other in others.split())
        option = option_name(ctx, name)
        raise UsageError(f"{option} does nothing without {cures}: add that, or leave out {option}")


def is_typed(ctx: click.Context, name: str) -> bool:
    """Whether a parameter stands on the command line."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def option_name(ctx: click.Context, name: str) -> str:
    """Return how a parameter is written: --expect-audio-within."""
    return next(max(param.opts, key=len) for param in ctx.command.params if param.name == name)


decode_option = click.option(
    "--decode",
    type=click.Choice(["slin", "ulaw", "alaw", "auto"]),
    default="slin",
    show_default=True,
    help="How recordings read audio labelled slin; auto finds out whether it is µ-law or A-law.",
)


silence_option = click.option(
    "--silence",
    type=click.Choice(["sparse", "full"]),
    default="sparse",
    show_default=True,
    help="Keep-alive silence while nothing else is sent: 20 ms every 500 ms, or without a break.",
)

capture_option = click.option(
    "--capture",
    type=PathParam(FILE_OR_FOLDER, path_type=str),
    metavar="FILE|DIR",
    help="Capture what passes on the wire, as pcapng: each call to DIR/<uuid>.pcapng, all to FILE, or to - for a pipe.",
)


def with_options(command: Callable[..., Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    """Add options to a command, which has them in this order in its help."""
    for option in reversed(options):
        command = option(command)
    return command


def record_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --capture, --record, --layout and --force to a command."""
    for option in (
        click.option("--force", is_flag=True, help="Overwrite OUT if it exists."),
        click.option(
            "--layout",
            type=click.Choice(["caller", "server", "stereo", "mix"]),
            help="What to record; stereo has the caller left, the server right.  [default: the other side]",
        ),
        click.option("--record", type=PathParam(path_type=str), metavar="OUT", help="Record what comes back."),
        capture_option,
    ):
        command = option(command)
    return command


def expect_audio_option(since: str) -> Callable[[Any], Any]:
    """Add --expect-audio-within to a command; `since` says what the time counts from."""
    return click.option(
        "--expect-audio-within",
        "expect_audio",
        type=POSITIVE_SECONDS,
        metavar="TIME",
        help=f"Fail unless the other side begins to speak within this time of {since}.",
    )


_CLOCK: Final = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)")
