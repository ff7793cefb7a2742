"""Our own commands talk to each other: what either does by design is no fault in the other's eyes, live or captured."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from support.running import COMMAND, Serving, run

Answer = Callable[..., Serving]

PAUSES = 12
"""More gaps than a busy machine makes in a call of some seconds; sparse silence would be thirty."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    said = np.concatenate([tone(440, 8000, 0.6), np.zeros(16000, np.int16)])
    soundfile.write(tmp_path / "said.wav", said, 8000)
    (tmp_path / "script.jsonl").write_text('{"silence_ms": 1500}\n{"digit": "5"}\n{"silence_ms": 1000}')
    return tmp_path


CALLERS = {
    "play": ["play", "said.wav"],
    "inject-dtmf": ["inject-dtmf", "12", "--wait", "1.5"],
    "record": ["record", "out.wav", "--duration", "2.7"],
    "replay": ["replay", "script.jsonl"],
}

SERVERS = {
    "serve": ["serve"],
    "serve --silence full": ["serve", "--silence", "full"],
    "record": ["record", "heard.wav", "--layout", "stereo"],
    "play": ["play", "said.wav", "--wait", "1"],
    "inject-dtmf": ["inject-dtmf", "12", "--wait", "1"],
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("server", SERVERS)
def test_neither_end_finds_fault_with_the_other(answer: Answer, files: Path, caller: str, server: str) -> None:
    command, *options = SERVERS[server]
    serving = answer(command, *options, "--json", "--capture", "server.pcapng")
    words = [CALLERS[caller][0], *CALLERS[caller][1:2], serving.target, *CALLERS[caller][2:]]
    done = subprocess.run(
        [*COMMAND, *words, "--json", "--capture", "caller.pcapng"],
        cwd=files, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    ours = call_of(done.stdout)
    theirs = json.loads(serving.wait_for('"event": "ended"'))["call"]
    serving.end(15 if command == "serve" else 0)
    for call in (ours, theirs):
        assert call["findings"] == []
        assert all(call[side].get("gap_count", 0) <= PAUSES for side in ("caller", "server")), call
    for capture in ("server.pcapng", "caller.pcapng"):
        dumped = run("dump", files / capture, "--stats", "--strict", "--json")
        assert dumped.returncode == 0, dumped.stdout
        review = json.loads(dumped.stdout.splitlines()[0])
        assert all(review[side]["gap_count"] <= PAUSES for side in ("caller", "server")), review


def call_of(text: str) -> dict[str, Any]:
    """Return the result of a call from what a command printed as JSON."""
    calls = [found["call"] for found in map(json.loads, text.splitlines()) if isinstance(found.get("call"), dict)]
    assert len(calls) == 1
    call: dict[str, Any] = calls[0]
    return call


@pytest.mark.parametrize("silence", ["sparse", "full"])
def test_a_load_finds_no_gaps_in_silence_that_is_meant(answer: Answer, silence: str) -> None:
    serving = answer("serve", "--silence", silence)
    done = run("bench", serving.target, "--calls", "2", "--duration", "5s", "--json")
    values = json.loads(done.stdout)["values"]
    assert (values["errors"], values["gaps_100"] <= PAUSES) == (0, True), values


def test_a_phone_that_is_muted_is_still_found(answer: Answer, files: Path) -> None:
    soundfile.write(files / "muted.wav", np.zeros(20_000, np.int16), 8000)
    serving = answer("serve", "--json")
    run("play", files / "muted.wav", serving.target)
    (finding,) = json.loads(serving.wait_for('"event": "ended"'))["call"]["findings"]
    assert finding.startswith("the caller sent nothing but digital silence: is the phone muted")
    assert finding.endswith(" [caller-silent]")
