"""The URL of `--events`: a webhook, or a NATS server with the first part of its subjects."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from audiosocket_cli.errors import UsageError
from audiosocket_cli.text import printable

if TYPE_CHECKING:
    from audiosocket_cli.outbox.bus import Bus

SECRET_VARIABLE: Final = "AUDIOSOCKET_EVENTS_SECRET"

_WEBHOOK: Final = {"http", "https"}
_NATS: Final = {"nats", "tls"}

_FORMS: Final = "write https://HOST/PATH for a webhook, or nats://HOST/PREFIX for NATS JetStream"

_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*")
"""A subject of NATS in which nothing has a meaning of its own."""

_MAX_PREFIX: Final = 200


@dataclass(frozen=True, slots=True)
class EventTarget:
    """Where events go."""

    url: SplitResult
    """Without a user or a password."""
    prefix: str = ""
    """The first part of NATS subjects; empty for a webhook."""

    @property
    def is_webhook(self) -> bool:
        """Whether it is one; else it is NATS."""
        return self.url.scheme in _WEBHOOK

    def __str__(self) -> str:
        """Name it without its path and query, which may be secret in a webhook's URL."""
        where = f"{self.url.scheme}://{self.url.netloc}"
        return f"{where}/{self.prefix}" if self.prefix else where

    @property
    def mark(self) -> str:
        """A text that differs for each URL, also for one with another path or query, and shows neither."""
        return f"{self}#{hashlib.sha256(self.url.geturl().encode()).hexdigest()[:12]}" if self.is_webhook else str(self)

    def open(self, secret_file: Path | None = None, environ: Mapping[str, str] = os.environ) -> Bus:
        """Return the bus, which begins to work in threads of its own. Raises `UsageError`.

        The secret of webhooks is in a file, or in AUDIOSOCKET_EVENTS_SECRET; the login of NATS in the variables of its
        own command: NATS_USER, NATS_PASSWORD, NATS_TOKEN, NATS_CREDS, NATS_CA, NATS_CERT, NATS_KEY.
        """
        if not self.is_webhook:
            from audiosocket_cli.outbox.nats_bus import NatsBus, NatsLogin

            return NatsBus(self.url, self.prefix, NatsLogin.of(environ))
        from audiosocket_cli import __version__
        from audiosocket_cli.outbox.webhook import Webhook

        secrets = self.secrets(secret_file, environ)
        return Webhook(self.url, secrets, user_agent=f"audiosocket-cli/{__version__}")

    def secrets(self, secret_file: Path | None, environ: Mapping[str, str]) -> tuple[bytes, ...]:
        """Return the secrets that sign webhooks. Raises `UsageError`."""
        from audiosocket_cli.outbox.webhook_secret import parse_secrets, read_secrets

        if secret_file is not None:
            return read_secrets(secret_file)
        text = environ.get(SECRET_VARIABLE, "")
        if not text.strip():
            raise UsageError(
                f"--events to a webhook needs a secret that signs them: name its file with --events-secret-file, "
                f'or set {SECRET_VARIABLE}; make one with echo "whsec_$(openssl rand -base64 32)"'
            )
        return parse_secrets(text, SECRET_VARIABLE)


def parse_target(text: str) -> EventTarget:
    """Read the URL of `--events`. Raises `UsageError`, which shows neither a password nor a query."""
    text = text.strip()
    shown = printable(re.sub(r"//[^/@]*@", "//…@", text.split("?")[0]))[:200]
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise UsageError(f"{shown!r} is not a URL for --events: {_FORMS}") from None
    if url.scheme not in _WEBHOOK | _NATS or not url.hostname or port == 0:
        raise UsageError(f"{shown!r} is not a URL for --events: {_FORMS}")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError(f"{shown!r} is not a URL for --events: write other characters than ASCII as %XX")
    if "@" in url.netloc:
        where = f"in {SECRET_VARIABLE}" if url.scheme in _WEBHOOK else "in NATS_USER and NATS_PASSWORD, or NATS_TOKEN"
        what = "a secret" if url.scheme in _WEBHOOK else "a login"
        raise UsageError(f"--events {shown} has {what} in its URL, which others can see: put it {where}")
    if url.scheme in _WEBHOOK:
        return EventTarget(url._replace(fragment=""))
    return EventTarget(
        url._replace(netloc=url.netloc if port else f"{url.netloc.rstrip(':')}:4222"), _prefix(url, shown)
    )


def _prefix(url: SplitResult, shown: str) -> str:
    prefix = url.path.strip("/").replace("/", ".")
    if not prefix:
        raise UsageError(f"--events {shown} names no subject: write {shown.rstrip('/')}/PREFIX, as …/calls")
    if not _TOKEN.fullmatch(prefix) or len(prefix) > _MAX_PREFIX or url.query or url.fragment:
        raise UsageError(
            f"--events {shown}: {prefix!r:.60} cannot begin a subject: write letters, digits, - and _, and dots between"
        )
    return prefix
