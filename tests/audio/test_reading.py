"""Sound files that people have: prompts of Asterisk, files without a true length, pipes, and what is not sound."""

from __future__ import annotations

import os
import re
import shlex
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio import pipe_input as pipes
from audiosocket_cli.audio.files import Sound, joined
from audiosocket_cli.audio.pcm import Samples, level_dbfs, tone
from audiosocket_cli.audio.sample_readers import COMPRESSED
from audiosocket_cli.errors import FileError
from support.running import missing

SECONDS = 2.0
TONE = tone(440, 8000, SECONDS)


@contextmanager
def piped(data: bytes) -> Iterator[BinaryIO]:
    """Give a pipe that the bytes come through."""
    ours, theirs = os.pipe()

    def write() -> None:
        with suppress(OSError), open(theirs, "wb", buffering=0) as pipe:
            view = memoryview(data)
            while len(view):
                view = view[pipe.write(view[:4096]) :]

    writer = threading.Thread(target=write)
    writer.start()
    with open(ours, "rb", buffering=0) as pipe:
        yield pipe
    writer.join()


def read(sound: Sound, rate_hz: int = 8000) -> tuple[Samples, list[str]]:
    opened = sound.open()
    return joined(opened.blocks(rate_hz), sound.name, rate_hz), opened.remarks.texts


def refusal(sound: Sound) -> str:
    with pytest.raises(FileError) as caught:
        read(sound)
    return str(caught.value)


def assert_is_the_tone(samples: Samples, *, seconds: float = SECONDS, slack_s: float = 0.0, db: float = 0.5) -> None:
    assert len(samples) / 8000 == pytest.approx(seconds, abs=0.001 + slack_s)
    middle = samples[1000 : len(samples) // 2]
    assert level_dbfs(middle) == pytest.approx(level_dbfs(TONE), abs=db)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * 8000 / len(middle) == pytest.approx(440, abs=2)


def tool(*words: str | Path) -> bytes:
    """Run sox or ffmpeg, and return what it writes to a pipe."""
    try:
        return subprocess.run(words, capture_output=True, check=True).stdout
    except FileNotFoundError:
        missing(f"there is no {words[0]}")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    soundfile.write(path, TONE, 8000)
    return path


# Kinds that cannot seek

BLOCKY = [
    ("WAV", "GSM610"), ("W64", "GSM610"), ("AIFF", "GSM610"), ("WAV", "G721_32"), ("WAV", "NMS_ADPCM_16"),
    ("WAV", "NMS_ADPCM_24"), ("WAV", "NMS_ADPCM_32"), ("AU", "G721_32"), ("AU", "G723_24"), ("AU", "G723_40"),
    ("AIFF", "DWVW_16"), ("AIFF", "DWVW_24"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "subtype"), BLOCKY, ids=lambda value: value)
def test_what_libsndfile_cannot_seek_in_plays_and_begins_where_it_is_told_to(
    kind: str, subtype: str, tmp_path: Path
) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, subtype, format=kind)
    whole, remarks = read(Sound(path))
    assert_is_the_tone(whole, slack_s=0.02, db=1.0)
    assert remarks == []
    rest, _ = read(Sound(path, start_s=0.5, duration_s=1.0))
    np.testing.assert_array_equal(rest, whole[4000:12000])


# Prompts of Asterisk

HEADERLESS = {
    "sln": ["-t", "raw", "-e", "signed", "-b", "16"],
    "raw": ["-t", "raw", "-e", "signed", "-b", "16"],
    "ulaw": ["-t", "raw", "-e", "mu-law"],
    "ul": ["-t", "ul"],
    "pcm": ["-t", "ul"],
    "alaw": ["-t", "al"],
    "gsm": ["-t", "gsm"],
    "vox": ["-t", "vox"],
}


@pytest.mark.parametrize("suffix", HEADERLESS)
def test_a_prompt_of_asterisk_plays_by_its_suffix(suffix: str, wav: Path) -> None:
    (path := wav.with_suffix(f".{suffix}")).write_bytes(tool("sox", wav, *HEADERLESS[suffix], "-"))
    samples, remarks = read(Sound(path))
    assert_is_the_tone(samples, slack_s=0.02)
    assert remarks == []


@pytest.mark.parametrize("rate_khz", [12, 16, 24, 32, 44, 48, 96, 192])
def test_the_suffix_of_slin_says_its_rate(rate_khz: int, tmp_path: Path) -> None:
    rate_hz = {44: 44100}.get(rate_khz, rate_khz * 1000)
    path = tmp_path / f"tone.sln{rate_khz}"
    tone(440, rate_hz, SECONDS).astype("<i2").tofile(path)
    assert_is_the_tone(read(Sound(path))[0])


def test_pcm_that_serve_recorded_is_slin(tmp_path: Path) -> None:
    TONE.astype("<i2").tofile(path := tmp_path / "tone.pcm")
    np.testing.assert_array_equal(read(Sound(path))[0], TONE)


def test_g722_plays(wav: Path) -> None:
    path = wav.with_suffix(".g722")
    path.write_bytes(tool("ffmpeg", "-v", "error", "-i", wav, "-ar", "16000", "-f", "g722", "-"))
    assert_is_the_tone(read(Sound(path))[0], slack_s=0.02)


def test_a_sound_file_under_such_a_name_is_what_it_is(tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone.sln", TONE, 8000, format="WAV")
    np.testing.assert_array_equal(read(Sound(path))[0], TONE)


# Lengths that are not known, or not true

SIZES = {
    "0": (0, "its header says 0.00 s, but the file has more: it is played to the end of the file"),
    "unknown": (0xFFFFFFFF, "its header does not say how long it is: it is played to the end of the file"),
    "as sox": (0x7FFFF000, "its header does not say how long it is: it is played to the end of the file"),
    "too small": (8000, "its header says 0.50 s, but the file has more: it is played to the end of the file"),
    "too large": (80000, "it is cut short: its header promises 5.00 s, but it has 2.00 s"),
}


@pytest.mark.parametrize(("size", "remark"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "ULAW", "GSM610"])
def test_a_wav_file_whose_size_is_not_true_plays_to_its_end_with_a_warning(
    size: int, remark: str, subtype: str, tmp_path: Path
) -> None:
    soundfile.write(path := tmp_path / "tone.wav", TONE, 8000, subtype)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    bytes_a_second = {"PCM_16": 16000, "PCM_24": 24000, "ULAW": 8000, "GSM610": 1625}[subtype]
    if 0 < size < 1 << 20:
        size = size * bytes_a_second // 16000 & ~1
    if subtype == "GSM610":
        remark = remark.partition("says")[0].partition("promises")[0]
    data[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    samples, remarks = read(Sound(path))
    assert_is_the_tone(samples, slack_s=0.06, db=1.0)
    assert len(remarks) == 1
    assert remarks[0].startswith(remark)
    with piped(bytes(data)) as pipe:
        assert_is_the_tone(read(Sound(pipe))[0], slack_s=0.06, db=1.0)


def test_chunks_after_the_samples_are_no_sound(wav: Path) -> None:
    data = wav.read_bytes() + b"LIST" + struct.pack("<I", 4000) + bytes(4000)
    wav.write_bytes(data)
    samples, remarks = read(Sound(wav))
    np.testing.assert_array_equal(samples, TONE)
    assert remarks == []
    with piped(data) as pipe:
        samples, remarks = read(Sound(pipe))
    np.testing.assert_array_equal(samples, TONE)
    assert remarks == []


def test_a_wav_file_past_4_gib_plays_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    size = (1 << 32) + 32_000
    with path.open("wb") as file:
        file.write(b"RIFF" + bytes(4) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16))
        file.write(b"data" + struct.pack("<I", size & 0xFFFFFFFF))
        file.seek(44 + size - 2 * len(TONE))
        file.write(TONE.astype("<i2").tobytes())
    samples, remarks = read(Sound(path, start_s=size / 16000 - SECONDS))
    np.testing.assert_array_equal(samples, TONE)
    assert remarks == ["its header says 2.00 s, but the file has more: it is played to the end of the file"]


PIPED = {
    "flac": ["ffmpeg", "-v", "error", "-i", "WAV", "-f", "flac", "-"],
    "wav": ["ffmpeg", "-v", "error", "-i", "WAV", "-f", "wav", "-"],
    "rf64": ["ffmpeg", "-v", "error", "-i", "WAV", "-rf64", "always", "-f", "wav", "-"],
    "w64": ["ffmpeg", "-v", "error", "-i", "WAV", "-f", "w64", "-"],
    "au": ["ffmpeg", "-v", "error", "-i", "WAV", "-f", "au", "-"],
    "caf": ["ffmpeg", "-v", "error", "-i", "WAV", "-f", "caf", "-"],
    "mpeg layer 2": ["ffmpeg", "-v", "error", "-i", "WAV", "-ar", "48000", "-f", "mp2", "-"],
    "nist": ["sox", "WAV", "-t", "sph", "-"],
    "aiff": ["ffmpeg", "-v", "error", "-i", "WAV", "-f", "aiff", "-"],
    "aiff of sox": ["sox", "WAV", "-t", "aiff", "-"],
    "ogg": ["sox", "WAV", "-t", "ogg", "-"],
    "opus": ["ffmpeg", "-v", "error", "-i", "WAV", "-c:a", "libopus", "-f", "ogg", "-"],
    "mp3 without a tag": [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        "WAV",
        "-id3v2_version",
        "0",
        "-write_xing",
        "0",
        "-f",
        "mp3",
        "-",
    ],
    "gsm in wav": ["sox", "WAV", "-e", "gsm", "-t", "wav", "-"],
}


@pytest.mark.parametrize("words", PIPED.values(), ids=PIPED)
@pytest.mark.parametrize("raw_rate_hz", [None, 48000], ids=["", "whatever-rate-says"])
def test_what_was_written_to_a_pipe_plays_from_a_file_and_from_a_pipe(
    words: list[str], raw_rate_hz: int | None, wav: Path, tmp_path: Path
) -> None:
    data = tool(*(wav if word == "WAV" else word for word in words))
    (path := tmp_path / "piped").write_bytes(data)
    assert_is_the_tone(read(Sound(path, raw_rate_hz=raw_rate_hz))[0], slack_s=0.2, db=1.0)
    with piped(data) as pipe:
        assert_is_the_tone(read(Sound(pipe, raw_rate_hz=raw_rate_hz))[0], slack_s=0.2, db=1.0)


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64"])
def test_a_file_that_is_cut_short_is_told(kind: str, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, format=kind)
    path.write_bytes(path.read_bytes()[:-16000])
    samples, (remark,) = read(Sound(path))
    assert len(samples) / 8000 == pytest.approx(1.0, abs=0.01)
    assert remark.startswith("it is cut short: its header promises ")


@pytest.mark.parametrize("kind", ["AIFF", "AU", "FLAC"])
def test_a_pipe_that_is_cut_short_is_told(kind: str, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, format=kind)
    data = path.read_bytes()
    with piped(data[: len(data) // 2]) as pipe:
        samples, (remark,) = read(Sound(pipe))
    assert 0.4 < len(samples) / 8000 < 1.6
    assert remark.startswith("it is cut short: ")
    assert remark.endswith(" s of the 2.00 s that its header promises are missing")


def test_an_mp3_file_that_is_cut_short_is_told(wav: Path) -> None:
    tool("ffmpeg", "-v", "error", "-i", wav, path := wav.with_suffix(".mp3"))
    assert read(Sound(path))[1] == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert read(Sound(path))[1][0].endswith(" s of the 2.00 s that its header promises are missing")


@pytest.mark.parametrize(("kind", "subtype"), [*BLOCKY, ("W64", "IMA_ADPCM")], ids=lambda value: value)
def test_what_libsndfile_cannot_seek_in_plays_from_a_pipe(kind: str, subtype: str, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, format=kind, subtype=subtype)
    with piped(path.read_bytes()) as pipe:
        samples, remarks = read(Sound(pipe))
    assert_is_the_tone(samples, slack_s=0.1, db=1.5)
    assert remarks == []


@pytest.mark.parametrize(
    ("kind", "endian", "mark", "size", "lie"),
    [("AU", "FILE", b".snd", 4, 0), ("CAF", "FILE", b"data", 8, 0), ("CAF", "FILE", b"data", 8, -1),
     ("WAV", "BIG", b"data", 4, 0), ("WAV", "BIG", b"data", 4, -1)],
)  # fmt: skip
def test_a_size_that_is_not_known_is_the_rest_of_the_file(
    kind: str, endian: str, mark: bytes, size: int, lie: int, tmp_path: Path
) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, format=kind, endian=endian, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(mark) + (8 if kind == "AU" else 4)
    data[at : at + size] = lie.to_bytes(size, "big", signed=True)
    path.write_bytes(data)
    for source in (path, bytes(data)):
        samples, remarks = read(Sound(source))
        np.testing.assert_array_equal(samples, TONE)
        assert remarks == ["its header does not say how long it is: it is played to the end of the file"]
    with piped(data) as pipe:
        np.testing.assert_array_equal(read(Sound(pipe))[0], TONE)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "au"])
def test_joined_files_of_which_one_is_played_are_told(suffix: str, wav: Path) -> None:
    tool("ffmpeg", "-v", "error", "-i", wav, path := wav.with_suffix(f".{suffix}"))
    assert read(Sound(path))[1] == []
    path.write_bytes(path.read_bytes() * 2)
    (remark,) = read(Sound(path))[1]
    assert "files are joined in it, and only the first is played; sox part1." in remark


@pytest.mark.parametrize("name", ["a.wav", "-a.m4a", "b:a.m4a", "x y.MP4"])
def test_the_line_that_converts_a_file_runs_as_it_stands(name: str, wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(wav.parent)
    tool("ffmpeg", "-v", "error", "-y", "-i", wav, "-f", "mp4", wav.with_name(name))
    line = shlex.split(refusal(Sound(Path(name))).partition("convert it: ")[2])
    subprocess.run([*line, "-v", "error"], check=True, stdin=subprocess.DEVNULL)
    assert_is_the_tone(read(Sound(Path(line[-1])))[0], slack_s=0.2, db=1.5)


@pytest.mark.parametrize("name", ["-a.wav.gz", "a.wav"])
def test_the_line_that_unpacks_a_file_runs_as_it_stands(name: str, wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(wav.parent)
    wav.with_name(name).write_bytes(tool("gzip", "-c", wav))
    line = refusal(Sound(Path(name))).partition("unpack it first: ")[2]
    subprocess.run(line, shell=True, check=True)
    np.testing.assert_array_equal(read(Sound(Path(shlex.split(line)[-1])))[0], TONE)


def test_a_pipe_that_has_to_be_read_whole_has_a_bound(monkeypatch: pytest.MonkeyPatch, wav: Path) -> None:
    monkeypatch.setattr(pipes, "MAX_SPOOLED_BYTES", 2000)
    with piped(tool("sox", wav, "-e", "gsm", "-t", "wav", "-")) as pipe:
        assert "and it has to be read whole; save it to a file, or send WAV" in refusal(Sound(pipe))


# What is not sound

FOREIGN = {
    "m4a": "it is M4A or MP4", "webm": "it is WebM or Matroska", "wma": "it is WMA (ASF)", "aac": "it is AAC",
    "spx": "it is Speex", "mka": "it is WebM or Matroska", "wv": "it is WavPack", "mov": "it is M4A or MP4",
    "ac3": "it is AC-3", "eac3": "it is AC-3", "dts": "it is DTS", "tta": "it is True Audio",
    "latm": "it is AAC (LATM)",
    "ts": "it is an MPEG transport stream", "vob": "it is MPEG (a program stream)",
}  # fmt: skip


@pytest.mark.parametrize("suffix", FOREIGN)
def test_another_container_is_named_with_a_line_that_cures_it(suffix: str, wav: Path) -> None:
    path = wav.with_name(f"a tone.{suffix}")
    options = {"spx": ["-c:a", "libspeex", "-f", "ogg"], "dts": ["-strict", "-2"], "latm": ["-c:a", "aac"]}
    tool("ffmpeg", "-v", "error", "-y", "-i", wav, *options.get(suffix, []), path)
    said = refusal(Sound(path))
    assert said.startswith(f"cannot play {path}: {FOREIGN[suffix]}; convert it: ffmpeg -i ")
    line = shlex.split(said.partition("convert it: ")[2])
    subprocess.run([*line, "-v", "error"], cwd=wav.parent, check=True, stdin=subprocess.DEVNULL)
    assert_is_the_tone(read(Sound(wav.with_name("a tone.wav")))[0], slack_s=0.2, db=1.5)
    for raw_rate_hz in (None, 8000):
        with piped(path.read_bytes()) as pipe:
            assert FOREIGN[suffix] in refusal(Sound(pipe, raw_rate_hz=raw_rate_hz))


@pytest.mark.parametrize("raw_rate_hz", [None, 8000])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "it is a web page (HTML), not sound"),
        ("Grüße\n".encode() * 2000, "it is text, not sound; name a sound file"),
        (b"\x1f\x8b\x08\x00" + bytes(range(256)), "it is packed with gzip; unpack it "),
        (b"\n\r\r\n" + bytes(100), "it is a capture of network traffic"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "it is a picture (PNG), not sound"),
        (b"MThd\0\0\0\x06" + bytes(range(256)), "it is MIDI: notes, not sound"),
    ],
    ids=["empty", "html", "text", "gzip", "capture", "picture", "notes"],
)
def test_what_is_no_sound_is_named(data: bytes, said: str, raw_rate_hz: int | None, tmp_path: Path) -> None:
    (path := tmp_path / "sound.wav").write_bytes(data)
    assert f"{path}: {said}" in refusal(Sound(path))
    with piped(data) as pipe:
        assert f"cannot play standard input: {said}" in refusal(Sound(pipe, raw_rate_hz=raw_rate_hz))


@pytest.mark.parametrize(("suffix", "rate_hz"), [("flac", 48000), ("mp3", 8000)])
def test_what_a_damaged_file_holds_before_its_damage_is_played(suffix: str, rate_hz: int, tmp_path: Path) -> None:
    """To the last sample that was read, through the converter, too; and nothing is left for the exit to complain of."""
    path = tmp_path / f"long.{suffix}"
    tool("sox", "-n", "-r", "48000", "-b", "16", "-c", "1", tmp_path / "long.wav", "synth", "3", "sine", "440")
    tool("ffmpeg", "-v", "error", "-i", tmp_path / "long.wav", path)
    data = path.read_bytes()
    with piped(data[: len(data) // 2]) as pipe:
        opened = Sound(pipe if suffix == "mp3" else data[: len(data) // 2]).open()
        blocks, said = [], ""
        try:
            for block in opened.blocks(rate_hz):
                blocks.append(block)
        except FileError as error:
            said = str(error)
    found = re.search(r"it is cut short or damaged after (\d+\.\d\d) s \(", said)
    assert found is not None, said
    assert sum(map(len, blocks)) / rate_hz == pytest.approx(float(found[1]), abs=0.01)


def test_gsm_from_a_pipe_is_named_and_no_noise(wav: Path) -> None:
    data = tool("sox", wav, "-e", "gsm", "-t", "gsm", "-")
    for raw_rate_hz in (None, 8000):
        with piped(data) as pipe:
            assert "it is GSM without a header; convert it on its way: … | ffmpeg -v error -f gsm -i - " in refusal(
                Sound(pipe, raw_rate_hz=raw_rate_hz)
            )


@pytest.mark.parametrize(
    ("suffix", "cure"),
    [
        ("g729", "it is G.729 by its name; convert it: ffmpeg -f g729 -i "),
        ("g726-32", "it is G.726 by its name; convert it: ffmpeg -f g726le -code_size 4 -i "),
        ("siren7", "it is Siren 7 by its name; let Asterisk convert it: asterisk -rx 'file convert "),
    ],
)
def test_what_only_its_name_tells_is_named_with_a_cure(suffix: str, cure: str, tmp_path: Path) -> None:
    (path := tmp_path / f"prompt.{suffix}").write_bytes(bytes(range(250)) * 8)
    assert cure in refusal(Sound(path))


def test_joined_wav_files_are_named(wav: Path) -> None:
    data = wav.read_bytes()
    wav.write_bytes(data * 2)
    assert "several WAV files are joined in it; sox part1.wav part2.wav whole.wav joins" in refusal(Sound(wav))
    with piped(data * 2) as pipe:
        opened = Sound(pipe).open()
        blocks = opened.blocks(8000)
        assert sum(len(next(blocks)) for _ in range(3))
        with pytest.raises(FileError, match="several WAV files are joined in it"):
            for _ in blocks:
                pass


def test_joined_wav_files_whose_length_is_not_known_are_told(wav: Path) -> None:
    streamed = tool("ffmpeg", "-v", "error", "-i", wav, "-f", "wav", "-")
    wav.write_bytes(streamed * 2)
    told = "several WAV files are joined in it, and the header of each is heard as a click; sox part1.wav part2.wav "
    assert read(Sound(wav))[1][-1].startswith(told)
    with piped(streamed * 2) as pipe:
        _, (remark,) = read(Sound(pipe))
    assert remark.startswith(told)
    with piped(streamed) as pipe:
        assert read(Sound(pipe))[1] == []


def test_joined_wav_files_are_named_where_chunks_follow_the_samples(wav: Path) -> None:
    data = wav.read_bytes() + b"LIST" + struct.pack("<I", 4000) + bytes(4000)
    wav.write_bytes(data * 2)
    assert "several WAV files are joined in it" in refusal(Sound(wav))
    with piped(data * 2) as pipe:
        assert "several WAV files are joined in it" in refusal(Sound(pipe))


def test_a_second_chunk_of_samples_is_told(wav: Path) -> None:
    data = wav.read_bytes() + b"data" + struct.pack("<I", 4000) + bytes(4000)
    wav.write_bytes(data)
    told = ["more samples follow in a second data chunk, and only the first is played"]
    samples, remarks = read(Sound(wav))
    np.testing.assert_array_equal(samples, TONE)
    assert remarks == told
    with piped(data) as pipe:
        assert read(Sound(pipe))[1] == told


def test_without_its_decoder_g722_is_named_with_a_line_that_works(monkeypatch: pytest.MonkeyPatch, wav: Path) -> None:
    path = wav.with_suffix(".g722")
    path.write_bytes(tool("ffmpeg", "-v", "error", "-i", wav, "-ar", "16000", "-f", "g722", "-"))
    wav.unlink()
    monkeypatch.setitem(__import__("sys").modules, "G722", None)
    said = refusal(Sound(path))
    assert "pip install G722" in said
    line = shlex.split(said.partition("convert it: ")[2])
    subprocess.run([*line, "-v", "error"], cwd=wav.parent, check=True, stdin=subprocess.DEVNULL)
    assert_is_the_tone(read(Sound(wav))[0], slack_s=0.02)


JOINED = {"aiff": "AIFF", "caf": "CAF", "flac": "FLAC", "au": "AU", "w64": "W64", "ogg": "Ogg", "mp3": "MP3"}


@pytest.mark.parametrize("suffix", JOINED)
def test_joined_files_are_told_from_a_pipe_too(suffix: str, wav: Path) -> None:
    tool("ffmpeg", "-v", "error", "-i", wav, path := wav.with_suffix(f".{suffix}"))
    data = path.read_bytes()
    with piped(data) as pipe:
        assert read(Sound(pipe))[1] == []
    with piped(data * 2) as pipe:
        _, (remark,) = read(Sound(pipe))
    assert f"several {JOINED[suffix]} files are joined in it, and " in remark
    assert f"; sox part1.{suffix} part2.{suffix} whole.wav joins" in remark


@pytest.mark.parametrize("kind", ["AIFF", "SVX"])
def test_joined_files_that_libsndfile_does_not_read_are_named(kind: str, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, format=kind)
    path.write_bytes(path.read_bytes() * 2)
    assert f"several {kind} files are joined in it; sox part1." in refusal(Sound(path))


def test_joined_caf_files_are_told(tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, format="CAF", subtype="PCM_16")
    assert read(Sound(path))[1] == []
    path.write_bytes(path.read_bytes() * 2)
    samples, (remark,) = read(Sound(path))
    np.testing.assert_array_equal(samples, TONE)
    assert remark.startswith("several CAF files are joined in it, and only the first is played; sox part1.caf ")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_without_its_end_is_told(subtype: str, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", np.tile(TONE, 10), 8000, format="OGG", subtype=subtype)
    data = path.read_bytes()
    last_page = data.rindex(b"OggS")
    for part in (data, data[:last_page], data[:-10]):
        remarks = [] if part is data else ["it is cut short: the end of its stream is missing"]
        path.write_bytes(part)
        assert read(Sound(path))[1] == remarks
        with piped(part) as pipe:
            assert read(Sound(pipe))[1] == remarks


@pytest.mark.parametrize("kind", ["W64", "SVX"])
def test_other_pipes_that_are_cut_short_are_told(kind: str, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, format=kind)
    with piped(path.read_bytes()[:-16000]) as pipe:
        samples, (remark,) = read(Sound(pipe))
    assert len(samples) / 8000 == pytest.approx(1.0, abs=0.01)
    assert remark.startswith("it is cut short: ")


@pytest.mark.parametrize("kind", ["FLAC", "WAV", "AIFF", "AU"])
def test_a_pipe_plays_from_any_time_on(kind: str, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", TONE, 8000, format=kind)
    with piped(path.read_bytes()) as pipe:
        samples, remarks = read(Sound(pipe, start_s=0.5, duration_s=1.0))
    np.testing.assert_array_equal(samples, TONE[4000:12000])
    assert remarks == []


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("IRCAM", "PCM_16"), ("IRCAM", "ULAW"), ("IRCAM", "FLOAT"), ("MAT4", "FLOAT"), ("MAT4", "PCM_32"),
     ("MAT4", "DOUBLE"), ("SDS", "PCM_16"), ("HTK", "PCM_16")],
)  # fmt: skip
def test_every_sound_file_is_known_whatever_the_rate_is_of_raw_samples(kind: str, subtype: str, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone", TONE / 32768, 8000, format=kind, subtype=subtype)
    with piped(path.read_bytes()) as pipe:
        assert_is_the_tone(read(Sound(pipe, raw_rate_hz=48000))[0], slack_s=0.02, db=1.0)


CODED_RAW = {
    "ULAW": "it is µ-law, not 16-bit samples; convert it on its way: … | ffmpeg -v error -f mulaw -ar 8000 -i - ",
    "ALAW": "it is A-law, not 16-bit samples; convert it on its way: … | ffmpeg -v error -f alaw -ar 8000 -i - ",
    "PCM_U8": "it is in 8-bit samples, not 16-bit little-endian samples; convert it on its way: ",
    "PCM_24": "it is in 24-bit samples, not 16-bit little-endian samples; ",
    "PCM_32": "it is in 32-bit samples, not 16-bit little-endian samples; ",
    "FLOAT": "it is in 32-bit floats, not 16-bit little-endian samples; ",
}


@pytest.mark.parametrize("quiet_s", [0.0, 1.0], ids=["at once", "after silence"])
@pytest.mark.parametrize("subtype", CODED_RAW)
def test_headerless_bytes_that_are_no_slin_are_an_error_and_not_noise(
    subtype: str, quiet_s: float, tmp_path: Path
) -> None:
    sound = np.concatenate([np.zeros(round(8000 * quiet_s)), TONE / 32768])
    soundfile.write(path := tmp_path / "tone.raw", sound, 8000, subtype=subtype, endian="LITTLE")
    with piped(path.read_bytes()) as pipe:
        assert CODED_RAW[subtype] in refusal(Sound(pipe, raw_rate_hz=8000))
    with path.open("rb", buffering=0) as file:
        assert CODED_RAW[subtype] in refusal(Sound(file, raw_rate_hz=8000))


CODECS = {"g722": (16000, "g722"), "adpcm_g726le": (8000, "g726le"), "libmp3lame": (16000, "mp3")}


@pytest.mark.parametrize("codec", CODECS)
def test_headerless_bytes_of_a_codec_are_played_with_a_remark(codec: str, tmp_path: Path) -> None:
    """Noise is noise: nothing tells it from a codec's bytes for sure, so nobody is refused."""
    tool("espeak-ng", "-w", str(path := tmp_path / "words.wav"), "Please hold the line, your call is important to us.")
    rate_hz, form = CODECS[codec]
    words = ["-i", path, "-ar", str(rate_hz), "-ac", "1", "-c:a", codec, "-f", form, "-"]
    data = tool("ffmpeg", "-loglevel", "error", *words)[200:]  # MP3 is known by its first bytes
    with piped(data) as pipe:
        assert read(Sound(pipe, raw_rate_hz=8000))[1] == [COMPRESSED]


@pytest.mark.parametrize("level", [0.02, 0.9])
@pytest.mark.parametrize(
    "sound",
    ["sine 300", "sine 1000", "sine 2000", "sine 2400", "sine 3000", "sine 3400", "sine 3600", "sine 3900",
     "square 440", "square 1333", "square 3000", "trapezium 2000", "sine 200-3900", "whitenoise", "pinknoise"],
)  # fmt: skip
@pytest.mark.parametrize("rate_hz", [8000, 48000])
def test_raw_samples_are_raw_samples_whatever_they_sound_like(sound: str, level: float, rate_hz: int) -> None:
    raw = ("-r", str(rate_hz), "-c", "1", "-b", "16", "-e", "signed", "-t", "raw", "-")
    data = tool("sox", "-R", "-q", "-n", *raw, "synth", "1", *sound.split(), "vol", str(level))
    with piped(data) as pipe:
        samples, remarks = read(Sound(pipe, raw_rate_hz=rate_hz), rate_hz)
        np.testing.assert_array_equal(samples, np.frombuffer(data, "<i2"))
    is_as_noisy = sound == "whitenoise" and level == 0.9
    assert remarks == [] or (is_as_noisy and remarks == [COMPRESSED])


def test_text_in_utf_16_is_named(tmp_path: Path) -> None:
    (path := tmp_path / "x.wav").write_text("Not found. " * 50, "utf-16")
    assert "it is text, not sound" in refusal(Sound(path))
