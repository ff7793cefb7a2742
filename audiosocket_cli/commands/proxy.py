"""`audiosocket proxy`: pass calls on to servers, and watch both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from audiosocket_cli.commands.outbox_options import outbox_options, sending_wanted
from audiosocket_cli.commands.params import (
    AddressParam,
    CountParam,
    FaultParam,
    RestCommand,
    capture_option,
    decode_option,
    refuse_without_effect,
)
from audiosocket_cli.commands.path_param import PathParam
from audiosocket_cli.commands.server_options import (
    allow_from_option,
    calls_option,
    detect_dtmf_option,
    drain_delay_option,
    drain_option,
    health_option,
    idle_timeout_option,
    json_option,
    listen_option,
    log_file_option,
    max_calls_from_option,
    max_calls_option,
    max_duration_option,
    metrics_option,
    min_free_option,
    on_call_end_option,
    proxy_from_option,
    proxy_protocol_option,
    record_option,
)
from audiosocket_cli.commands.web_options import web_options, web_wanted
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from audiosocket_cli.jobs.proxy import ProxyWanted


@click.command(cls=RestCommand, short_help="Pass calls on to a server: record and measure both sides.")
@click.argument("server", metavar="TARGET", type=AddressParam())
@click.option(
    "--target", type=AddressParam(), multiple=True, help="A further server, in case the first is down (repeatable)."
)
@click.option(
    "--balance",
    type=click.Choice(["first", "round-robin", "least"]),
    default="first",
    show_default=True,
    help="Which server gets a call: the first that is up, each in turn, or the one with the fewest calls.",
)
@click.option(
    "--mirror",
    type=AddressParam(),
    help="Let a second server hear the same callers; its answers are recorded, and with --capture DIR compared.",
)
@listen_option
@click.option(
    "--send-proxy",
    type=click.Choice(["v1", "v2"]),
    help="Tell the server who calls, in a PROXY protocol header.",
)
@click.option(
    "--fault",
    type=FaultParam(),
    multiple=True,
    help="Put a fault into calls, such as 'to-server latency 200ms jitter 50ms share 10%' (repeatable).",
)
@click.option(
    "--faults",
    type=PathParam(),
    metavar="FILE",
    help="Put the faults of a file into calls, one per line. SIGHUP reads the file again.",
)
@click.option(
    "--seed",
    type=CountParam(),
    metavar="N",
    help="Seed of the faults' random numbers: with the same N, the first, second … call gets the same faults.",
)
@record_option
@click.option(
    "--layout",
    type=click.Choice(["caller", "server", "stereo", "mix"]),
    default="stereo",
    show_default=True,
    help="What to record. stereo: caller left, server right.",
)
@decode_option
@capture_option
@detect_dtmf_option
@calls_option
@max_calls_option
@max_calls_from_option
@min_free_option
@idle_timeout_option
@max_duration_option
@allow_from_option
@on_call_end_option
@click.option("--shell", is_flag=True, help="Let a shell run --on-call-end.")
@metrics_option
@health_option
@web_options
@outbox_options
@drain_option
@drain_delay_option
@proxy_protocol_option
@proxy_from_option
@json_option
@log_file_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Pass calls from Asterisk on to a server, and watch both sides.

    \b
    Examples:
      audiosocket proxy bot:9092 --listen :9092 --record ./calls
      audiosocket proxy bot1:9092 --target bot2:9092 --balance least
      audiosocket proxy 127.0.0.1:9093 --capture - | wireshark -k -i -
      audiosocket proxy bot:9092 --record ./calls --web 127.0.0.1:8080
      audiosocket proxy bot:9092 --mirror new:9092 --capture ./calls
      audiosocket proxy bot:9092 --fault 'to-asterisk latency 200ms jitter 50ms'

    Every byte is passed on as it comes, both ways, and every end as it is: a half-close, a reset. What passes is
    recorded (caller left, server right), captured and measured, and what is wrong with either side is reported.

    With --fault, calls get what a bad network or a faulty peer causes: latency, stalls, resets, lost frames.

    When no server can be reached, the port is closed until one can, so that Asterisk's call fails rather than counts as
    answered.

    A mirror gets what callers send, as the server does, and nobody hears it. Whatever it does, the calls go on.

    Ends with Ctrl-C: both sides are hung up on (or go on for a while, with --drain) and files completed; a second
    Ctrl-C drops them at once.
    """
    from audiosocket_cli.jobs.proxy import ProxyWanted, proxy

    wanted = ProxyWanted(web=web_wanted(ctx, given), sending=sending_wanted(ctx, given), **given)
    refuse_without_effect(ctx, drain_delay="drain")
    _refuse_what_contradicts(wanted)
    ctx.exit(proxy(wanted).exit_code)


def _refuse_what_contradicts(wanted: ProxyWanted) -> None:
    """Refuse options of which one makes another mean nothing. Raises `UsageError`."""
    if wanted.record is None:
        for option, is_given in (
            (f"--layout {wanted.layout}", wanted.layout != "stereo"),
            (f"--decode {wanted.decode}", wanted.decode != "slin"),
            ("--min-free", wanted.min_free is not None),
        ):
            if is_given:
                raise UsageError(f"{option} needs a recording: add --record DIR")
    if wanted.proxy_from and not wanted.proxy_protocol:
        raise UsageError("--proxy-from says who may send a PROXY protocol header: add --proxy-protocol")
    if wanted.shell and wanted.on_call_end is None:
        raise UsageError("--shell needs something to run: add --on-call-end CMD")
    if wanted.seed is not None and not wanted.fault and wanted.faults is None:
        raise UsageError("--seed does nothing without faults: add --fault SPEC or --faults FILE")
    if wanted.balance != "first" and not wanted.target:
        raise UsageError(f"--balance {wanted.balance} needs a second server: add --target HOST:PORT")
