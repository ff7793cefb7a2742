"""az:// as Microsoft's own emulator answers it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosocket_cli.stores.store_error import StoreError, StoreFault
from support.azurite import ACCOUNT, Azurite, azure_environment, azurite
from support.faulty_store import faulty_store
from support.opened_stores import DATA, NAME, WAV, assert_what_is_put_comes_back, opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


def test_what_is_put_comes_back(server: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened("az://calls/pbx1", server.environment)
    assert_what_is_put_comes_back(store, tmp_path, monkeypatch)
    assert store.read_range(NAME, len(DATA) + 10, 20) == b""


def test_an_answer_that_is_lost_leaves_one_object(server: Azurite) -> None:
    with faulty_store(server.port) as proxy:
        store = opened("az://calls/lost", azure_environment(f"{proxy.endpoint}/{ACCOUNT}"))
        store._is_makers_own = True  # which refuses names that are taken, and is not asked before
        proxy.once("PUT", "/x", "lost")
        assert store.put_new("x", DATA, WAV).was_there
        assert proxy.count("PUT", "/x") == 2
        proxy.once("PUT", "/y", "swap")
        with pytest.raises(StoreError, match="the store holds other content than was sent"):
            store.put_new("y", DATA, WAV)


def test_wrong_keys_and_no_such_container_are_told_apart(server: Azurite) -> None:
    key = base64.b64encode(bytes(64)).decode()
    wrong = opened("az://calls", azure_environment(f"{server.endpoint}/{ACCOUNT}", key=key))
    for store, fault in ((wrong, StoreFault.DENIED), (opened("az://other", server.environment), StoreFault.NO_BUCKET)):
        with pytest.raises(StoreError) as raised:
            store.put_new("x", DATA, WAV, replace=True)
        assert raised.value.fault is fault
        with pytest.raises(StoreError) as raised:
            list(store.list())
        assert raised.value.fault is fault
        assert "\n" not in str(raised.value)
