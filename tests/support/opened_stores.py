"""Stores of test servers, opened as a command opens them: through the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest

from audiosocket_cli.stores import content
from audiosocket_cli.stores.store import Store, open_store
from audiosocket_cli.stores.store_error import StoreError

DATA = bytes(range(256)) * 100
WAV = "audio/wav"
NAME = "2026-11-30/ü b+%41#?&(x),=@:.wav"


def opened(url: str, environment: Mapping[str, str], *, retries: int = 2) -> Store:
    """Open a store by its URL, with these variables and none of the tester's own."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GOOGLE_", "AZURE_"))}
    with mock.patch.dict(os.environ, {**others, **environment}, clear=True):
        return open_store(url, retries=retries)


def assert_what_is_put_comes_back(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a small object and a large one into an empty store, and read them; each is there once."""
    assert not store.put_new(NAME, DATA, WAV).was_there
    assert store.put_new(NAME, DATA, WAV).was_there
    with pytest.raises(StoreError) as raised:
        store.put_new(NAME, DATA[:-1] + b"x", WAV)
    assert raised.value.is_taken
    large = folder / "large.wav"
    large.write_bytes(bytes(9 << 20))
    monkeypatch.setattr(content, "MAX_SINGLE_BYTES", 1 << 20)
    assert not store.put_new("large.wav", large, WAV).was_there
    assert store.put_new("large.wav", large, WAV).was_there
    assert [(info.name, info.size) for info in store.list()] == [(NAME, len(DATA)), ("large.wav", 9 << 20)]
    assert store.read(NAME) == DATA
    assert store.read_range(NAME, 10, 20) == DATA[10:30]
