"""Where a page finds its sound: the recording itself where browsers play it, else what is made for it."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.analysis.sound_picture import SoundFiles, picture_of
from audiosocket_cli.errors import OutputError
from audiosocket_cli.report.call_sound import can_be_linked, embedded, linked, why_unheard, write_wav
from support.reported import a_conversation

PLAYED = [
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "FLOAT"),
    ("wav", "ULAW"),
    ("flac", None),
    ("ogg", "OPUS"),
    ("mp3", None),
]
NOT_PLAYED = [("wav", "GSM610"), ("wav", "IMA_ADPCM"), ("aiff", None), ("au", None), ("w64", None), ("rf64", None)]


def written(folder: Path, suffix: str, subtype: str | None = None, name: str = "call") -> Path:
    path = folder / f"{name}.{suffix}"
    soundfile.write(path, a_conversation(4.0)[:, :1], 8000, subtype=subtype)
    return path


@pytest.mark.parametrize(("suffix", "subtype"), PLAYED, ids=str)
def test_what_browsers_play_is_linked(tmp_path: Path, suffix: str, subtype: str | None) -> None:
    assert can_be_linked(written(tmp_path, suffix, subtype))


@pytest.mark.parametrize(("suffix", "subtype"), NOT_PLAYED, ids=str)
def test_what_browsers_do_not_play_is_not(tmp_path: Path, suffix: str, subtype: str | None) -> None:
    assert not can_be_linked(written(tmp_path, suffix, subtype))


def test_what_is_not_there_is_not_linked(tmp_path: Path) -> None:
    assert not can_be_linked(tmp_path / "nothing.wav")


@pytest.mark.parametrize(
    ("name", "src"),
    [
        ("call", "../calls/call.wav"),
        ('a "b" #1?%<x>', "../calls/a%20%22b%22%20%231%3F%25%3Cx%3E.wav"),
        ("two\nlines", "../calls/two%0Alines.wav"),
        ("data:x", "../calls/data%3Ax.wav"),
    ],
)
def test_a_link_leads_to_the_file_whatever_its_name(tmp_path: Path, name: str, src: str) -> None:
    (tmp_path / "calls").mkdir()
    path = written(tmp_path / "calls", "wav", name=name)
    assert linked([path], tmp_path / "pages") == (src, False, ())


def test_of_several_files_the_page_plays_the_first_and_that_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "wav")
    assert linked([path, path], tmp_path).notes == (
        ("all of the sound", "the page plays the first of 2 files; --embed has all of them"),
    )


def test_places_in_an_mp3_file_are_not_exact_and_that_is_said(tmp_path: Path) -> None:
    ((name, _),) = linked([written(tmp_path, "mp3")], tmp_path).notes
    assert name == "places in the sound"


def test_an_embedded_sound_is_in_the_page(tmp_path: Path) -> None:
    sound = SoundFiles([written(tmp_path, "aiff")])
    found = embedded(sound, picture_of(sound))
    assert found.is_embedded
    kind, _, data = (found.src or "").partition(";base64,")
    assert kind == "data:audio/wav"
    (tmp_path / "out.wav").write_bytes(base64.b64decode(data))
    assert (soundfile.read(tmp_path / "out.wav", dtype="int16")[0] == a_conversation(4.0)[:, 0]).all()


def test_a_wav_is_written_in_the_place_of_an_old_one(tmp_path: Path) -> None:
    wav = tmp_path / "new" / "page.wav"
    for _ in range(2):
        assert write_wav(SoundFiles([written(tmp_path, "au")]), wav) == [wav]
    assert (soundfile.read(wav, dtype="int16")[0] == a_conversation(4.0)[:, 0]).all()
    assert [path.name for path in wav.parent.iterdir()] == ["page.wav"]


def test_a_wav_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "page.wav").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*page\.wav: is a directory"):
        write_wav(SoundFiles([written(tmp_path, "au")]), tmp_path / "page.wav")


def test_a_page_says_why_it_has_no_sound() -> None:
    assert why_unheard([Path("a/call.gsm")]).notes == (
        ("sound", "browsers play no .gsm files: audiosocket report call.gsm --embed has it in the page"),
    )


def test_loud_samples_stay_in_range(tmp_path: Path) -> None:
    path = tmp_path / "loud.aiff"
    soundfile.write(path, np.array([2.0, -2.0]), 8000, subtype="FLOAT")
    wav = write_wav(SoundFiles([path]), tmp_path / "page.wav")[0]
    assert soundfile.read(wav, dtype="int16")[0].tolist() == [32767, -32768]
