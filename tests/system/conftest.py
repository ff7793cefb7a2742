"""Fixtures: a real Asterisk, and calls from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.running import Serving
from support.testbed import Place, running_asterisk, testbed


@pytest.fixture(scope="module")
def asterisk() -> Iterator[None]:
    """A running Asterisk; one that was running before stays."""
    with running_asterisk():
        yield


@pytest.fixture
def place(asterisk: None, tmp_path: Path) -> Place:
    """Place a call at a server and return the testbed's account of it."""

    def call(serving: Serving | str, far: str, *options: str) -> dict[str, Any]:
        server = serving if isinstance(serving, str) else serving.target
        done = testbed("call", "--server", server, "--far", far, "--out", tmp_path / "far", *options)
        assert done.returncode == 0, done.stderr + done.stdout
        account: dict[str, Any] = json.loads(done.stdout)
        return account

    return call
