"""The secrets that sign webhooks, and the signature of one, as the Standard Webhooks specification has them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from pathlib import Path
from typing import Final

from audiosocket_cli.errors import UsageError

PREFIX: Final = "whsec_"

_MIN_BYTES: Final = 24
_MAX_BYTES: Final = 1024
_MAX_SECRETS: Final = 4
"""More than are ever in use at once, while an old one is replaced by a new one."""
_MAX_FILE_BYTES: Final = 16384

_CURE: Final = 'make one: echo "whsec_$(openssl rand -base64 32)"'


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """Return the secrets in a file, one a line. Raises `UsageError`."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_FILE_BYTES)
        text = data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} does not hold a secret for --events: {_CURE} > {path}") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot read the secret for --events from {path}: {reason}") from None
    return parse_secrets(text, str(path))


def parse_secrets(text: str, place: str) -> tuple[bytes, ...]:
    """Return the secrets in a text, one a line. `place` is where it is from. Raises `UsageError`, which tells none."""
    lines = text.split()
    if not lines:
        raise UsageError(f"{place} holds no secret for --events: {_CURE}")
    if len(lines) > _MAX_SECRETS:
        raise UsageError(f"{place} holds {len(lines)} secrets for --events: at most {_MAX_SECRETS}, one a line")
    return tuple(_parse(line, place) for line in lines)


def _parse(line: str, place: str) -> bytes:
    text = line.removeprefix(PREFIX).rstrip("=")
    try:
        secret = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise UsageError(f"{place} holds a secret for --events that is not whsec_ and base64: {_CURE}") from None
    if not _MIN_BYTES <= len(secret) <= _MAX_BYTES:
        raise UsageError(
            f"{place} holds a secret for --events of {len(secret)} bytes, which needs at least {_MIN_BYTES}: {_CURE}"
            if len(secret) < _MIN_BYTES
            else f"{place} holds a secret for --events of {len(secret)} bytes: at most {_MAX_BYTES}"
        )
    return secret


def signature(secrets: tuple[bytes, ...], event_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: one signature for each secret, so that one of them can be replaced."""
    signed = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    return " ".join(
        f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}" for secret in secrets
    )
