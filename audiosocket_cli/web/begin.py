"""`--web`: where calls are shown in a browser, and who may look."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from audiosocket_cli import __version__
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.disk import small_bytes
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.listen import ListeningSockets, bind
from audiosocket_cli.server.api import WEB_TOKEN_VARIABLE, is_of_this_machine, read_token, token_of_environment
from audiosocket_cli.server.monitoring import health_route
from audiosocket_cli.server.options import WEB_CONNECTIONS, ServeOptions, WebOptions
from audiosocket_cli.server.service import Service
from audiosocket_cli.web.app import Access, Parts, make_app
from audiosocket_cli.web.archive import Archive
from audiosocket_cli.web.connections import WebServer
from audiosocket_cli.web.ended_calls import EndedCalls
from audiosocket_cli.web.events import Events
from audiosocket_cli.web.gatekeeper import cookie_name
from audiosocket_cli.web.live_calls import LiveCalls
from audiosocket_cli.web.sessions import Sessions

_MAX_PEM_BYTES: Final = 8 << 20


def begin_web(options: ServeOptions, service: Service, say: Callable[[str], object], *, token: str) -> None:
    """Begin to show calls on the address of `options.web`; `token` is what the environment holds as the password.

    Raises `NetworkError` when it cannot listen there, `UsageError` when other machines could look without a password or
    a certificate, and `FileError` when a file cannot be read.
    """
    web, watching = options.web, service.watching
    assert web is not None
    assert watching is not None
    password = token_of_environment(WEB_TOKEN_VARIABLE, token) if web.token_file is None else read_token(web.token_file)
    tls = _tls(web)
    listening = ListeningSockets(bind(web.address, option="--web"))
    is_own = all(is_of_this_machine(one) for one in listening.sockets)
    if not is_own and not password and web.client_ca is None:
        raise UsageError(
            f"--web {web.address} is open to other machines: name a file with a password by --web-token-file, or set "
            f"{WEB_TOKEN_VARIABLE}, or ask for certificates by --web-client-ca, or listen on "
            f"127.0.0.1:{web.address.port}"
        )
    port = listening.addresses[0].port
    access = Access(
        Sessions(password, say=say), cookie_name(port, is_secure=tls is not None), is_secure=tls is not None,
        any_host=bool(password) or web.client_ca is not None,
    )  # fmt: skip
    live = LiveCalls(watching)
    folder = _folder_of(options)
    events = Events(watching, live, lambda: _about(options, service))
    archive = None if folder is None else Archive(folder, say)
    parts = Parts(
        live, EndedCalls(archive), events, health_route(service.readiness.health),
        None if service.figures is None else service.figures.route, keeps_calls=folder is not None,
        watching=watching,
    )  # fmt: skip
    WebServer(listening, make_app(parts, access, say), tls=tls, connections=WEB_CONNECTIONS)
    say(f"calls in a browser on {_shown(web.address, port, tls)}{_who(password, web, is_own=is_own)}")


def _folder_of(options: ServeOptions) -> Path | None:
    """Return the folder that calls are recorded in, where they are, each to a file of its own."""
    record = options.call.record
    return record.folder if isinstance(record, FileOutput) and record.has_json else None


def _about(options: ServeOptions, service: Service) -> Mapping[str, Any]:
    """Return what a page shows of the server."""
    relay = options.relay
    return {
        "name": options.name,
        "state": str(service.readiness.state),
        "version": __version__,
        "answered_by": options.program or options.bridge,
        "targets": [] if relay is None else [str(each) for each in relay.targets],
        "recorded": options.call.record is not None,
    }


def _tls(web: WebOptions) -> ssl.SSLContext | None:
    """Return how to serve with TLS; None without a certificate. Raises `FileError`."""
    if web.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in filter(None, (web.certificate, web.key, web.client_ca)):
        # Only to name the file that cannot be read, or never ends: the TLS library reads them itself.
        small_bytes(path, _MAX_PEM_BYTES, "certificates and keys in PEM")
    try:
        context.load_cert_chain(web.certificate, web.key, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as error:
        named = web.certificate if web.key is None else f"{web.certificate} and {web.key}"
        raise FileError(f"cannot use {named} for --web-cert: {_why(error)}") from None
    if web.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(web.client_ca)
        except (ssl.SSLError, ValueError, OSError) as error:
            raise FileError(f"cannot use {web.client_ca} for --web-client-ca: {_why(error)}") from None
    return context


def _no_password() -> bytes:
    raise ValueError("its key has a passphrase; remove that with openssl pkey")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reason = error.reason.lower().replace("_", " ") if error.reason else "it holds nothing of that in PEM"
        return f"{reason}; it takes PEM files of a certificate and its key"
    return str(error) or "it holds no certificate in PEM"


def _who(password: str, web: WebOptions, *, is_own: bool) -> str:
    if web.client_ca is not None:
        return ", for whoever has a certificate" + (" and the password" if password else "")
    return ", for whoever has the password" if password else ", for this machine only" if is_own else ""


def _shown(address: Address, port: int, tls: ssl.SSLContext | None) -> str:
    scheme = "http" if tls is None else "https"
    return f"{scheme}://{Address(address.host, port)}/" if address.host else f"port {port} of all interfaces ({scheme})"
