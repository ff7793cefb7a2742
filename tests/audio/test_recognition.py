"""What a file is by its first bytes, or by its suffix, and the line that makes sound of what is not."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.audio.recognition import (
    HEADERLESS,
    Headerless,
    ffmpeg_cure,
    has_sound_suffix,
    headerless_by_suffix,
    is_sound,
    is_sound_suffix,
    why_not,
    why_not_slin,
)

SLIN = tone(440, 8000, 0.5).tobytes()


@pytest.mark.parametrize("kind", sorted(soundfile.available_formats().keys() - {"RAW", "PVF", "SD2", "MPC2K", "WVE"}))
def test_what_libsndfile_writes_is_sound(kind: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, tone(440, 8000, 0.5), 8000, format=kind)
    head = file.getvalue()[:4096]
    assert is_sound(head)
    assert why_not(head, None) is None


@pytest.mark.parametrize("frequency_hz", [0, 300, 1000, 3400])
def test_raw_samples_are_neither_a_sound_file_nor_anything_else(frequency_hz: int) -> None:
    head = tone(frequency_hz, 8000, 0.3).tobytes()[:4096]
    assert not is_sound(head)
    assert why_not(head, None) is None
    assert why_not_slin(head, 8000) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_judged_in_one_line(head: bytes) -> None:
    is_sound(head)
    reason = why_not(head, None)
    assert reason is None or "\n" not in reason


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"\0\0\0\x1cftypM4A " + bytes(40), "it is M4A or MP4; save it to a file and convert that: ffmpeg -i FILE"),
        (b"#!AMR\n" + bytes(40), "it is AMR; convert it on its way: … | ffmpeg "),
        (b"PK\x03\x04" + bytes(40), "it is packed with zip; unpack it first: unzip FILE"),
        (b"\x7fELF" + bytes(range(200)), "it is a program (ELF), not sound"),
        (
            b"\1\0\x10" + bytes(range(16)) + b"\x10\1\x40" + bytes(320),
            "it is a raw capture of a call; to play it again",
        ),
        (
            (b"\x10\1\x40" + bytes(320)) * 2,
            "it is a raw capture of what a server sent; make sound of it: audiosocket dump - --wav FILE.wav",
        ),
        (b"hello, this is no sound at all\n" * 9, "it is text, not sound; name a sound file"),
    ],
)
def test_what_comes_through_a_pipe_is_named(head: bytes, says: str) -> None:
    assert str(why_not(head, None)).startswith(says)


def test_the_suffix_tells_what_content_cannot() -> None:
    random = np.random.default_rng(1).bytes(400)
    assert "it is G.729 by its name" in str(why_not(random, Path("a.g729")))
    assert headerless_by_suffix(Path("a.SLN16"), random) == Headerless("PCM_16", 16000)
    assert headerless_by_suffix(Path("a.txt"), random) is None
    assert headerless_by_suffix(Path("a.pcm"), SLIN) == Headerless("PCM_16", 8000)
    law = io.BytesIO()
    soundfile.write(law, tone(440, 8000, 0.5), 8000, "ULAW", format="RAW")
    assert headerless_by_suffix(Path("a.pcm"), law.getvalue()[:4096]) == Headerless("ULAW", 8000)


@pytest.mark.parametrize(
    ("name", "is_it"),
    [("a.wav", True), ("a.WAV", True), ("a.sln48", True), ("a.siren7", True), ("a.g729", True), ("a.au", False),
     ("host.example", False), ("a", False), ("", False)],
)  # fmt: skip
def test_a_name_may_end_as_a_sound_file_does(name: str, is_it: bool) -> None:
    assert has_sound_suffix(name) is is_it


@pytest.mark.parametrize("suffix", [".ul", ".AL", ".mu", ".wav", ".g729", ".siren7"])
def test_the_suffix_of_a_file_may_be_short(suffix: str) -> None:
    assert is_sound_suffix(suffix)
    assert not is_sound_suffix(".txt")


def test_all_headerless_formats_have_a_rate_that_a_call_can_carry() -> None:
    assert {each.rate_hz for each in HEADERLESS.values()} <= {8000, 12000, 16000, 24000, 32000, 44100, 48000, 96000,
                                                              192000}  # fmt: skip


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20).filter(lambda name: name.strip(".")))
def test_the_curing_line_names_the_file_whatever_it_is_called(name: str) -> None:
    words = shlex.split(ffmpeg_cure(Path(name)).removeprefix("convert it: "))
    assert words[:2] == ["ffmpeg", "-i"]
    assert Path(words[2]) == Path(name)
    assert len(words) == 4
