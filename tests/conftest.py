"""Fixtures: the command that answers calls, as a user starts it, and a sound."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import soundfile
from hypothesis import settings
from playwright.sync_api import Browser

from audiosocket_cli.audio.pcm import tone
from support.browser import started_browser
from support.ignored_signals import ignore_for_ourselves_only
from support.running import COMMAND, Serving, rest_of

ignore_for_ourselves_only()
os.environ.pop("PYTHONUNBUFFERED", None)  # which no user sets, and which hides what a full stream does at the exit
settings.register_profile("any machine", deadline=None)  # a busy one takes as long as it takes
settings.load_profile("any machine")


@pytest.fixture
def answer(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Start a command that answers calls on a free port; it is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        command: str,
        *args: str | Path,
        host: str = "127.0.0.1",
        stdout: int = subprocess.PIPE,
        on: Sequence[str] = (),
    ) -> Serving:
        listen = ["--listen", f"{host}:0"]
        process = subprocess.Popen(
            [*on, *COMMAND, command, *listen, *map(str, args)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        started.append(process)
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line.rstrip("\n"))
            port = re.match(r"listening on .*?(?::|port )(\d+)", line)
            if port:
                return Serving(process, int(port[1]), told.pop(), host=host, told_before=told)
        raise AssertionError(f"{command} did not start: {told}")

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        rest_of(process)


@pytest.fixture
def serve(answer: Callable[..., Serving]) -> Callable[..., Serving]:
    """Start `audiosocket serve` on a free port."""
    return functools.partial(answer, "serve")


@pytest.fixture
def tone_file(tmp_path: Path) -> Path:
    """1.5 s of 440 Hz as 16-bit mono WAV at 8 kHz."""
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(440, 8000, 1.5), 8000)
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real calls last: what fails fast is seen first. What opens a browser is marked: it takes all cores."""
    items.sort(key=lambda item: item.get_closest_marker("asterisk") is not None)
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()) and item.get_closest_marker("asterisk") is None:
            item.add_marker("browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a module."""
    with started_browser() as started:
        yield started
