"""`audiosocket dialplan`: the lines that hand a call to a server, and what is wrong with somebody's."""

from __future__ import annotations

from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from audiosocket_cli.asterisk.dialplan.lines import FORMATS
from audiosocket_cli.asterisk.dialplan.plan import STYLES
from audiosocket_cli.commands.params import is_typed, option_name, refuse_without_effect
from audiosocket_cli.commands.path_param import FOLDER, PathParam
from audiosocket_cli.commands.text_param import TextParam
from audiosocket_cli.commands.values import files
from audiosocket_cli.errors import UsageError

_OF_CHECK: Final = ("words", "check", "asterisk", "as_json")
"""Parameters that may stand beside --check."""

_USED_BY: Final = {"codec": "channel", "variables": "variables", "api": "transfer"}
"""Options that few forms take, each with one that does."""


def _forms(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from audiosocket_cli.asterisk.dialplan.catalogue import FORMS

    return [CompletionItem(form.name, help=form.about) for form in FORMS if form.name.startswith(incomplete)]


@click.command(short_help="Print the right lines for Asterisk, or check a dialplan.")
@click.argument("words", nargs=-1, metavar="[SERVER]…", shell_complete=files)
@click.option(
    "--form",
    type=TextParam("one that --list shows"),
    metavar="NAME",
    shell_complete=_forms,
    help="What the lines do: see --list.  [default: app and channel]",
)
@click.option("--list", "list_forms", is_flag=True, help="List the forms.")
@click.option(
    "--for",
    "style",
    type=click.Choice(STYLES),
    default="extensions",
    show_default=True,
    help="Write extensions.conf, FreePBX's extensions_custom.conf, or AEL.",
)
@click.option("--asterisk", metavar="RELEASE", help="Write for this release, such as 20.12.  [default: the one here]")
@click.option(
    "--codec",
    type=click.Choice(FORMATS),
    metavar="NAME",
    help="What the channel driver and ARI carry, such as slin16.  [default: slin]",
)
@click.option("--extension", metavar="EXT", help="What a caller dials.  [default: 100; FreePBX: 9092]")
@click.option("--context", metavar="NAME", help="Where they dial it.  [default: phones; FreePBX: from-internal-custom]")
@click.option(
    "--variables",
    type=PathParam(FOLDER, path_type=str),
    metavar="DIR",
    help="Where --form variables writes one file per call, for serve --variables.  [default: /var/spool/audiosocket]",
)
@click.option(
    "--api", metavar="HOST:PORT", help="Where --form transfer asks serve --api.  [default: SERVER's host, 9080]"
)
@click.option("--output", type=PathParam(FOLDER), metavar="DIR", help="Write each file into this folder.")
@click.option("--force", is_flag=True, help="With --output: overwrite files that are there.")
@click.option("--check", is_flag=True, help="Read dialplans instead: arguments are files, - is standard input.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print the result as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Print dialplan lines that hand a call to an AudioSocket server, or check a dialplan.

    \b
    Examples:
      audiosocket dialplan 192.0.2.7:9092
      audiosocket dialplan --form channel --codec slin16 --asterisk 20.17
      audiosocket dialplan 192.0.2.7:9092 192.0.2.8:9092 --form failover
      audiosocket dialplan --form transfer --for freepbx
      audiosocket dialplan --form ari --output ./asterisk
      audiosocket dialplan --check /etc/asterisk/extensions.conf

    What it prints is a whole file that Asterisk loads as it is. Its comments say why, where to put it, and which
    modules it needs. SERVER is 127.0.0.1:9092 unless given; a second one is for --form failover.

    --check exits with 1 when there is a fault, with 5 when a file cannot be read, and with 6 when no line is about
    AudioSocket.
    """
    refuse_without_effect(ctx, as_json="check", force="output")
    if given["check"]:
        _refuse_beside_check(ctx)
        from audiosocket_cli.jobs.dialplan_check import check_dialplans

        release = _release(given["asterisk"])
        ctx.exit(check_dialplans(given["words"], release, as_json=given["as_json"]).exit_code)
    from audiosocket_cli.jobs.dialplan import DialplanWanted, write_dialplan

    given["form"] = given["form"] or ("failover" if len(given["words"]) > 1 else "both")
    _refuse_without_part(ctx, given["form"])
    for name in ("check", "as_json"):
        del given[name]
    ctx.exit(write_dialplan(DialplanWanted(**given)).exit_code)


def _refuse_without_part(ctx: click.Context, name: str) -> None:
    """Raise `UsageError` for what has no part in a form."""
    from audiosocket_cli.asterisk.dialplan.catalogue import form_named

    form = form_named(name)
    servers = ctx.params["words"]
    if len(servers) > form.max_servers:
        wrong = servers[form.max_servers]
        many = {0: "needs no server", 1: "is for one server"}.get(form.max_servers, f"takes {form.max_servers} at most")
        raise UsageError(f"--form {name} {many}: leave {wrong!r:.80} out, or take another form (--list)")
    for option, other in _USED_BY.items():
        if option not in form.options and is_typed(ctx, option):
            raise UsageError(f"--{option} does nothing in --form {name}: leave it out, or take --form {other}")


def _refuse_beside_check(ctx: click.Context) -> None:
    for param in ctx.command.params:
        name = param.name or ""
        if name not in _OF_CHECK and is_typed(ctx, name):
            raise UsageError(f"{option_name(ctx, name)} is not for --check, which only reads: leave it out")


def _release(text: str | None) -> Any:
    from audiosocket_cli.asterisk.releases import parse_release

    return parse_release(text) if text else None
