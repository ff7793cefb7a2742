"""Azurite, Microsoft's emulator of its blob store, as a real process; its objects live in memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from support.peers import free_port
from support.published import AZURITE
from support.running import missing
from support.store_process import BUCKET, StoreProcess

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that it always has, and its key, as its documentation tells them."""


class Azurite(StoreProcess):
    """A store with an empty container."""

    scheme = "az"

    def __init__(self, folder: Path) -> None:
        port = free_port()
        program = AZURITE.folder / AZURITE.server
        words = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry"]
        super().__init__(folder, ["node", program, *words], port)

    def start(self) -> None:
        super().start()
        now = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}"
        headers = {"x-ms-date": now, "x-ms-version": "2021-08-06"}
        signed = "PUT" + "\n" * 12 + "".join(f"{name}:{value}\n" for name, value in headers.items())
        signed += f"/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
        signature = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()).decode()
        headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"}
        url = f"{self.endpoint}/{ACCOUNT}/{BUCKET}?restype=container"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers), timeout=60).close()

    @property
    def environment(self) -> dict[str, str]:
        """What clients need."""
        return azure_environment(f"{self.endpoint}/{ACCOUNT}")


def azure_environment(endpoint: str, *, key: str = KEY) -> dict[str, str]:
    """The variables of a store that speaks Azure's protocol."""
    return {
        "AZURE_STORAGE_ENDPOINT": endpoint,
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": key,
    }


@contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """A store for the time of a test or a module."""
    if not AZURITE.folder.exists():
        missing("azurite is not installed (.venv/bin/python tests/support/published.py)")
    server = Azurite(folder)
    try:
        yield server
    finally:
        server.stop()
