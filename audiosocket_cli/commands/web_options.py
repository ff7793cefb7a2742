"""Options of `serve` and `proxy` for their pages in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from audiosocket_cli.commands.params import AddressParam, refuse_without_effect, with_options
from audiosocket_cli.commands.path_param import file_option
from audiosocket_cli.errors import UsageError

if TYPE_CHECKING:
    from audiosocket_cli.server.options import WebOptions

_OPTIONS: Final = (
    click.option(
        "--web",
        type=AddressParam(needs_port=True),
        help="Show calls in a browser on this address: live ones, and those recorded by --record. Needs the extra web.",
    ),
    file_option(
        "--web-token-file",
        "Ask for the password in this file. For other machines --web needs this or --web-client-ca.",
    ),
    file_option("--web-cert", "Serve --web with TLS, with this certificate (and its chain)."),
    file_option("--web-key", "The key of --web-cert.  [default: in the same file]"),
    file_option("--web-client-ca", "Let in only browsers with a certificate signed by one in this file."),
)  # fmt: skip


def web_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --web and its options to a command."""
    return with_options(command, *_OPTIONS)


def web_wanted(ctx: click.Context, given: dict[str, Any]) -> WebOptions | None:
    """Take the options of the pages out of `given`; None without --web. Raises `UsageError` for an option that
    has no effect without another."""
    from audiosocket_cli.server.options import WebOptions

    address, token_file = given.pop("web"), given.pop("web_token_file")
    certificate, key, client_ca = (given.pop(f"web_{name}") for name in ("cert", "key", "client_ca"))
    refuse_without_effect(ctx, web_token_file="web", web_cert="web", web_key="web_cert", web_client_ca="web_cert")
    if address is None:
        return None
    if client_ca is not None and certificate is None:
        raise UsageError("--web-client-ca needs TLS: add --web-cert FILE")
    return WebOptions(address, token_file, certificate, key, client_ca)
