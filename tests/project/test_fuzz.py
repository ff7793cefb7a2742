"""What fuzzing kept (scripts/fuzz), through its targets again, and what it cannot say: properties of good inputs."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.audio.files import load_audio
from audiosocket_cli.errors import FileError
from support import fuzzing
from support.fuzzing import TARGETS

CORPUS = Path(__file__).parents[1] / "corpus"
INPUTS = sorted(CORPUS.glob("*/*"))

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


# The corpus


@pytest.mark.parametrize("name", TARGETS)
def test_what_fuzzing_kept_holds(name: str) -> None:
    target = TARGETS[name]
    for data in [*target.seeds(), *(path.read_bytes() for path in INPUTS if path.parent.name == name)]:
        try:
            target.run(data)
        except Exception as error:
            error.add_note(f"the input of {name} was {data!r}")
            raise


def test_the_corpus_is_small_and_each_input_is_there_once() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
    assert len(INPUTS) <= 300
    assert sum(path.stat().st_size for path in INPUTS) <= 300_000
    for path in INPUTS:
        assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()[:12]


# Scripts

steps = st.fixed_dictionaries(
    {},
    optional={
        "play": st.sampled_from(["a.wav", "b.flac", "c.wav", "d", "no.wav"]) | anything,
        "expect": st.sampled_from(["audio", "silence", "hangup"]) | anything,
        "within_ms": st.integers(0, 5000) | anything,
        "silence_ms": st.integers(0, 5000) | st.floats() | anything,
        "hangup": st.just(True) | anything,
        "digit": st.sampled_from("0123456789*#ABCD") | anything,
        "kind": st.sampled_from(["slin", "slin16", "slin192", "dtmf", "0x7f"]) | anything,
        "side": st.sampled_from(["caller", "server"]) | anything,
        "t": st.floats(-5, 20) | anything,
    },
)


@given(st.lists(steps, max_size=5))
@settings(max_examples=150)
def test_any_steps_are_played_or_refused(lines: list[dict[str, Any]]) -> None:
    fuzzing.scripts("\n".join(map(json.dumps, lines)).encode())


# Control

commands = st.sampled_from([{"flush": True}, {"play": "a.wav"}, {"play": "c.wav"}, {"play": "d"}, {"play": "x" * 300}])


def is_command(line: bytes) -> bool:
    try:
        command = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(command, dict) or len(command) != 1:
        return False
    return any(command.get(key) is True for key in ("flush", "hangup")) or isinstance(command.get("play"), str)


@given(st.lists((commands | anything).map(json.dumps).map(str.encode) | st.binary(max_size=9)))
@settings(max_examples=150)
def test_each_line_that_is_no_command_is_answered_once(texts: list[bytes]) -> None:
    lines = b"\n".join(texts).split(b"\n")
    told = fuzzing.answers(b"".join(line + b"\n" for line in lines))
    problems = [event["error"] for event in told if event["event"] == "error"]
    assert sum(problem.startswith("not understood: ") for problem in problems) == sum(
        not is_command(line) for line in lines
    )
    assert sum(event["event"] == "flushed" for event in told) == sum(
        json.loads(line) == {"flush": True} for line in lines if is_command(line)
    )


# Sound

rates = st.sampled_from([0, 1, 999, 1000, 8000, 44100, 192000, 0x7FFFFFFF, 0xFFFFFFFF])


@given(
    rates, st.sampled_from([0, 1, 2, 255, 1024, 0xFFFF]), st.sampled_from([0, 1, 8, 16, 24, 32, 64, 0xFFFF]),
    st.sampled_from([1, 3, 6, 7, 0x11, 0x31, 0xFFFE]), st.sampled_from([0, 100, 0x7FFFFFFF, 0xFFFFFFFF]),
    st.binary(max_size=300),
)  # fmt: skip
@settings(max_examples=200)
def test_any_header_of_a_wav_file_gives_sound_or_one_line(
    rate_hz: int, channels: int, bits: int, format_tag: int, size: int, data: bytes
) -> None:
    block = channels * bits // 8 & 0xFFFF
    fmt = struct.pack("<IHHIIHH", 16, format_tag, channels, rate_hz, rate_hz * block & 0xFFFFFFFF, block, bits)
    fuzzing.sound(b"RIFF" + struct.pack("<I", size) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", size) + data)


@given(st.lists(st.floats(), max_size=50), st.sampled_from([8000, 44100]))
@settings(max_examples=100)
def test_any_floats_are_samples(values: list[float], rate_hz: int) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.array(values, np.float64), rate_hz, "DOUBLE", format="WAV")
    if not values:
        with pytest.raises(FileError, match="it holds no audio"):
            load_audio(file.getvalue(), rate_hz)
        return
    samples = load_audio(file.getvalue(), rate_hz).tolist()
    assert len(samples) == len(values)
    for value, sample in zip(values, samples, strict=True):
        if not -1 <= value <= 1:  # no number, for one
            assert sample == (0 if value != value else 32767 if value > 0 else -32768)
