"""Stores of test servers, opened as a command opens them: through the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from unittest import mock

from audiosocket_cli.stores.store import Store, open_store


def opened(url: str, environment: Mapping[str, str], *, retries: int = 2) -> Store:
    """Open a store by its URL, with these variables and none of the tester's own."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GOOGLE_", "AZURE_"))}
    with mock.patch.dict(os.environ, {**others, **environment}, clear=True):
        return open_store(url, retries=retries)
