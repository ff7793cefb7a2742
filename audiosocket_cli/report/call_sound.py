"""Where the page of a call finds its sound: in the page itself, in a file beside it, or in one that is made there."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final, NamedTuple

from audiosocket_cli.analysis.sound_picture import SoundFiles, SoundPicture
from audiosocket_cli.audio.growing_wav import GrowingWav, parts_of
from audiosocket_cli.audio.page_sound import page_sound
from audiosocket_cli.audio.pcm import to_int16, to_slin, within_scale
from audiosocket_cli.audio.wav_header import read_wav_header
from audiosocket_cli.disk import make_folder
from audiosocket_cli.errors import OutputError
from audiosocket_cli.report.day import address_of

_PLAYED: Final = frozenset(("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW", "ALAW"))
"""Samples in WAV files that browsers play."""

_MP3_IS_OFF: Final = (
    "places in the sound",
    "browsers find places in an MP3 file to 1/256 of its length only; with --embed they find them exactly",
)


class FoundSound(NamedTuple):
    """Where the sound is."""

    src: str | None
    is_embedded: bool
    notes: tuple[tuple[str, str], ...] = ()
    """Its limits, and why."""


def can_be_linked(path: Path, passing: Path | None = None) -> bool:
    """Whether browsers play a file as it is, where it is; `passing` will not be there."""
    if path == passing:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            if head[:4] == b"RIFF" and head[8:] == b"WAVE":
                header = read_wav_header(file)
                return header is not None and header.coding in _PLAYED
    except OSError:
        return False
    return head.startswith((b"fLaC", b"OggS")) or _is_mp3(head)


def _is_mp3(head: bytes) -> bool:
    return head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1] & 0xE6 == 0xE2)


def embedded(sound: SoundFiles, picture: SoundPicture) -> FoundSound:
    """Return the sound as a part of the page. Raises `FileError` where it is too long, and `MissingLibraryError`."""
    mime, data = page_sound(sound.blocks(), sound.rate_hz, sound.channels, picture.duration_s)
    return FoundSound(f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}", is_embedded=True)


def linked(paths: list[Path], folder: Path) -> FoundSound:
    """Return the first file of a recording as a neighbour of a page in a folder, and say what that leaves out."""
    notes = []
    if len(paths) > 1:
        notes.append(("all of the sound", f"the page plays the first of {len(paths)} files; --embed has all of them"))
    with paths[0].open("rb") as file:
        if _is_mp3(file.read(12)):
            notes.append(_MP3_IS_OFF)
    return FoundSound(address_of(paths[0], folder), is_embedded=False, notes=tuple(notes))


def write_wav(sound: SoundFiles, path: Path) -> list[Path]:
    """Write a recording as a WAV file in place of one that may be there; returns its parts. Raises `OutputError`."""
    try:
        make_folder(path.absolute().parent)
        for old in (path, *parts_of(path)):
            old.unlink(missing_ok=True)
        wav = GrowingWav(path, sound.rate_hz, sound.channels)
        try:
            for block in sound.blocks():
                wav.append(to_slin(to_int16(within_scale(block))[0]))
        finally:
            wav.close()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
    return wav.paths


def why_unheard(paths: list[Path]) -> FoundSound:
    """Return that a page has no sound, as browsers do not play these files."""
    suffix = paths[0].suffix or "such"
    why = f"browsers play no {suffix} files: audiosocket report {paths[0].name} --embed has it in the page"
    return FoundSound(None, is_embedded=False, notes=(("sound", why),))
