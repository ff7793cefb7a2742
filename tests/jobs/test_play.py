"""`audiosocket play` with one word or none: the sound that comes with it, and what is a file or a server."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.files import HELLO
from audiosocket_cli.audio.recognition import HEADERLESS, has_sound_suffix
from audiosocket_cli.errors import UsageError
from audiosocket_cli.jobs.play import file_and_target
from audiosocket_cli.net.address import Address, looks_like_address
from support.running import Serve, run


def test_the_sound_that_comes_with_it_is_short_speech() -> None:
    samples, rate_hz = soundfile.read(HELLO, dtype="int16")
    assert (rate_hz, samples.ndim) == (8000, 1)
    assert 3 < len(samples) / rate_hz < 6
    assert HELLO.stat().st_size < 100_000
    assert np.abs(samples).max() > 10_000


def test_without_a_file_it_is_heard_by_the_server(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--calls", "1")
    done = run("play", serving.target)
    assert done.returncode == 0, done.stderr
    assert "4.45 of 4.45 s of audio" in done.stdout
    assert serving.end(0)[0] == 0
    (recorded,) = tmp_path.glob("calls/*.wav")
    heard, said = (soundfile.read(path, dtype="int16")[0] for path in (recorded, HELLO))
    assert np.array_equal(heard[heard != 0], said[said != 0])  # a busy machine pauses


def test_without_a_file_it_is_heard_by_a_caller(answer: Serve, tmp_path: Path) -> None:
    playing = answer("play")
    done = run("record", tmp_path / "heard.wav", playing.target)
    assert done.returncode == 0, done.stderr
    assert playing.end(0)[0] == 0
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert np.abs(heard).max() > 10_000


@pytest.mark.parametrize(
    ("word", "target"),
    [
        (None, None),
        ("bot:9092", Address("bot", 9092)),
        (":9000", Address("", 9000)),
        ("[::1]:9092", Address("::1", 9092)),
        ("::1", Address("::1", 9092)),
        ("10.0.0.7", Address("10.0.0.7", 9092)),
        ("localhost", Address("localhost", 9092)),
    ],
)
def test_one_word_may_be_a_server(word: str | None, target: Address | None) -> None:
    assert file_and_target(word, None) == (str(HELLO), target)


@pytest.mark.parametrize("word", ["-", "hello.wav", "hello.sln16", "./bot", "sounds/bot", "/no/where:9092", "x.FLAC"])
def test_one_word_may_be_a_file_that_need_not_be_there(word: str) -> None:
    assert file_and_target(word, None) == (word, None)


def test_a_file_that_is_there_is_one_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bot").touch()
    assert file_and_target("bot", None) == ("bot", None)
    assert file_and_target("bot", Address("bot", 1)) == ("bot", Address("bot", 1))


@pytest.mark.parametrize("word", ["bot", "bot.example.net", "bot.example.au", "play", ""])
def test_a_word_that_may_be_either_is_refused_with_the_cure(word: str) -> None:
    done = run("play", word)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "neither a file here nor host:port: to call a server, write " in done.stderr


def test_a_wrong_port_is_named() -> None:
    done = run("play", "bot:99999")
    assert done.returncode == 2
    assert "'bot:99999' is no" in done.stderr


def test_a_file_named_as_a_server_is_refused_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(":9092").touch()
    with pytest.raises(UsageError, match=r"write \./:9092 to play it"):
        file_and_target(":9092", None)


def test_a_name_of_an_ip_is_an_address_and_a_path_is_not() -> None:
    assert looks_like_address("127.0.0.1")
    assert not looks_like_address("bot")
    assert not looks_like_address(os.path.join("a", "b:1"))


@pytest.mark.parametrize("suffix", [name for name in HEADERLESS if len(name) > 2])
def test_the_suffixes_that_asterisk_has_are_those_of_sound(suffix: str) -> None:
    assert has_sound_suffix(f"prompt.{suffix}")
