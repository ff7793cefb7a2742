"""What a file is, by its first bytes: sound that libsndfile reads, or something else, with a cure for it.

Headerless formats, as Asterisk stores its prompts, cannot be known by content: they go by their suffix.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final, NamedTuple

from audiosocket_cli.audio.pcm import guess_disorder, guess_law, guess_texture
from audiosocket_cli.audio.raw_capture import begins_answer, begins_call

HEAD_BYTES: Final = 4096
"""As much of a file is looked at."""

_MAGIC: Final = (
    b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b"fLaC", b"OggS", b"caff", b".snd", b"dns.", b"ID3",
    b"NIST_1A", b"Creative Voice File", b"MATLAB 5.0 MAT-file", b"PVF1\n", b"2BIT", b" paf", b"fap ",
    b"Extended Instrument: ", b"ALawSoundFile**",
)  # fmt: skip
"""The first bytes of the sound files that libsndfile reads. It mistakes more for MP3, such as quiet raw samples."""

_FOREIGN: Final = (
    (0, b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (4, b"ftyp", "M4A or MP4"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA (ASF)"),
    (0, b"#!AMR", "AMR"),
    (0, b"#!iLBC", "iLBC"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b".RMF", "RealMedia"),
    (0, b"FLV\x01", "Flash video"),
    (8, b"AVI LIST", "AVI"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (28, b"Speex   ", "Speex"),
    (4, b"moov", "QuickTime"),
    (4, b"wide", "QuickTime"),
    (0, b"\0\0\x01\xba", "MPEG (a program stream)"),
    (0, b"TTA1", "True Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"DSD ", "DSF"),
    (0, b"FRM8", "DSDIFF"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"ADIF", "AAC (ADIF)"),
    (4, b"\xf8\x72\x6f\xba", "TrueHD"),
    (4, b"\xf8\x72\x6f\xbb", "MLP"),
    (0, b"nut/multimedia container\0", "NUT"),
    (0, b".SoX", "SoX's own format"),
    (0, b"XoS.", "SoX's own format"),
)
"""Sound that ffmpeg reads and libsndfile does not: (offset, bytes, name)."""

_NOT_SOUND: Final = (
    (b"MThd", "MIDI: notes, not sound; a synthesizer makes sound of them"),
    (b"#!SILK_V3", "SILK, which neither libsndfile nor ffmpeg reads; ask for another format"),
    (b"\x02#!SILK_V3", "SILK, which neither libsndfile nor ffmpeg reads; ask for another format"),
    (b"%PDF-", "a PDF, not sound"),
    (b"\x89PNG\r\n\x1a\n", "a picture (PNG), not sound"),
    (b"\xff\xd8\xff", "a picture (JPEG), not sound"),
    (b"GIF8", "a picture (GIF), not sound"),
    (b"\x7fELF", "a program (ELF), not sound"),
    (b"SQLite format 3\0", "a database (SQLite), not sound"),
)
"""Files that are not sound: (first bytes, what to say about it)."""

_PACKED: Final = (
    (b"\x1f\x8b\x08", "gzip", "gunzip"),
    (b"PK\x03\x04", "zip", "unzip"),
    (b"BZh", "bzip2", "bunzip2"),
    (b"\xfd7zXZ\x00", "xz", "unxz"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
)

_PACKED_SUFFIXES: Final = (".gz", ".bz2", ".xz", ".zst")

_MIN_LETTERS: Final = 16
"""Text whose bytes look like slin has more different letters than a tone has."""

_CAPTURES: Final = (b"\n\r\r\n", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")

_FFMPEG_BY_SUFFIX: Final = {
    "g729": ("G.729", "-f g729"),
    "g726-40": ("G.726", "-f g726le -code_size 5"),
    "g726-32": ("G.726", "-f g726le -code_size 4"),
    "g726-24": ("G.726", "-f g726le -code_size 3"),
    "g726-16": ("G.726", "-f g726le -code_size 2"),
}
"""Headerless formats of Asterisk that ffmpeg reads when told what they are, by suffix."""

_ASTERISK_BY_SUFFIX: Final = {
    "g723": "G.723.1", "g723sf": "G.723.1", "g719": "G.719", "ilbc": "iLBC", "siren7": "Siren 7", "siren14": "Siren 14",
}  # fmt: skip
"""Headerless formats of Asterisk that only Asterisk reads."""


class Headerless(NamedTuple):
    """What a file without a header holds: how samples are coded, and their rate."""

    coding: str
    """As libsndfile calls it, or `G722`."""
    rate_hz: int


_SLN_RATES_HZ: Final = {
    "sln": 8000, "sln8": 8000, "sln12": 12000, "sln16": 16000, "sln24": 24000, "sln32": 32000, "sln44": 44100,
    "sln48": 48000, "sln96": 96000, "sln192": 192000,
}  # fmt: skip

HEADERLESS: Final = {
    **{suffix: Headerless("PCM_16", rate_hz) for suffix, rate_hz in _SLN_RATES_HZ.items()},
    "raw": Headerless("PCM_16", 8000),
    **dict.fromkeys(("ulaw", "ul", "mu", "ulw", "pcm"), Headerless("ULAW", 8000)),
    **dict.fromkeys(("alaw", "al", "alw"), Headerless("ALAW", 8000)),
    "gsm": Headerless("GSM610", 8000),
    "vox": Headerless("VOX_ADPCM", 8000),
    "g722": Headerless("G722", 16000),
}
"""Headerless formats by suffix, as Asterisk has them (`exts` in formats/format_*.c)."""


_WITH_HEADERS: Final = {
    "wav", "wave", "wav49", "w64", "rf64", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "aifc", "caf", "snd",
    "voc", "nist", "sph", "m4a", "mp4", "aac", "wma", "amr", "webm",
}  # fmt: skip
"""Suffixes of formats that have headers."""


RECORDING_SUFFIXES: Final = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
    ".g722", ".gsm", ".ulaw", ".alaw",
)  # fmt: skip
"""Suffixes of what is taken for a recording in a folder of calls."""


def has_sound_suffix(name: str) -> bool:
    """Whether what may be a host ends as the name of sound does. Two letters do not count: `.au` is a country, too."""
    suffix = Path(name).suffix
    return len(suffix) > 3 and is_sound_suffix(suffix)


def is_sound_suffix(suffix: str) -> bool:
    """Whether a suffix, as `.ul`, is that of sound."""
    suffix = suffix.lower().removeprefix(".")
    return any(suffix in known for known in (HEADERLESS, _WITH_HEADERS, _FFMPEG_BY_SUFFIX, _ASTERISK_BY_SUFFIX))


def is_sound(head: bytes) -> bool:
    """Whether bytes begin like a sound file, rather than like raw samples."""
    return head.startswith(_MAGIC) or any(is_it(head) for is_it in (_is_mpeg, _is_ircam, _is_mat4, _is_sds, _is_htk))


def foreign_sound(head: bytes) -> str | None:
    """Return what sound is called that ffmpeg reads and libsndfile does not; None for all else."""
    marked = (what for offset, magic, what in _FOREIGN if head.startswith(magic, offset))
    return next(marked, None) or next((what for is_it, what in _FRAMED if is_it(head)), None)


def headerless_by_suffix(path: Path, head: bytes) -> Headerless | None:
    """Return what a file without a header holds, by its suffix; None if the suffix does not tell.

    `.pcm` is µ-law in Asterisk, and what `serve --record` writes under that name is slin: there the samples tell.
    """
    suffix = path.suffix.lower().removeprefix(".")
    found = HEADERLESS.get(suffix)
    if suffix == "pcm" and len(head) >= 64 and guess_law(head) is None and any(head):
        return Headerless("PCM_16", 8000)
    return found


def why_not(head: bytes, path: Path | None) -> str | None:
    """Say what a file that cannot be played is, with the cure; None for a file that may be sound.

    `path` is None for a pipe.
    """
    argument = "-" if path is None else _argument(str(path))
    if foreign := foreign_sound(head):
        return f"it is {foreign}; {ffmpeg_cure(path, seeks='MP4' in foreign)}"
    if path is None and _is_gsm(head):
        return f"it is GSM without a header; {ffmpeg_cure(path, '-f gsm')}"
    for begins, what in _NOT_SOUND:
        if head.startswith(begins):
            return f"it is {what}"
    for begins, what, tool in _PACKED:
        if head.startswith(begins):
            return f"it is packed with {what}; {_unpacking_cure(path, tool)}"
    if head.startswith(_CAPTURES):
        return f"it is a capture of network traffic; to play it again: audiosocket replay {argument}"
    if begins_call(head):
        return f"it is a raw capture of a call; to play it again: audiosocket replay {argument}"
    if begins_answer(head):
        return (
            f"it is a raw capture of what a server sent; make sound of it: audiosocket dump {argument} --wav FILE.wav"
        )
    text = _text(head)
    if text is not None:
        begins_html = text.lstrip("\ufeff \t\r\n")[:14].lower().startswith(("<!doctype html", "<html"))
        if begins_html:
            return "it is a web page (HTML), not sound; the server that sent it answered with an error, or a login"
        return "it is text, not sound; name a sound file"
    return _by_suffix(path) if path is not None and not is_sound(head) else None


def why_not_slin(data: bytes, rate_hz: int) -> str | None:
    """Say what headerless bytes clearly are instead of slin at `rate_hz`, with the cure; None if they may be slin."""
    law, disorder = guess_law(data), guess_disorder(data)
    if law is not None:
        options = f"-f {'mulaw' if law == 'µ-law' else 'alaw'} -ar 8000"
        return f"it is {law}, not 16-bit samples; {ffmpeg_cure(None, options)}"
    if disorder in _FFMPEG_BY_DISORDER:
        options = f"-f {_FFMPEG_BY_DISORDER[disorder]} -ar {rate_hz}"
        return f"it is {disorder}, not 16-bit little-endian samples; {ffmpeg_cure(None, options)}"
    return None


_FFMPEG_BY_DISORDER: Final = {
    "byte-swapped": "s16be", "in 32-bit floats": "f32le", "in 8-bit samples": "u8", "in 24-bit samples": "s24le",
    "in 32-bit samples": "s32le",
}  # fmt: skip
"""What `guess_disorder` finds, and the format that ffmpeg calls so."""


def ffmpeg_cure(path: Path | None, options: str = "", *, seeks: bool = False) -> str:
    """Return how ffmpeg makes a WAV file of `path`, or of a pipe (None); `seeks`: the format cannot be read from a
    pipe."""
    options = f"{options} " if options else ""
    if path is not None:
        target = f"{path.stem}.wav" if path.suffix.lower() != ".wav" else f"{path.stem}.converted.wav"
        return f"convert it: ffmpeg {options}-i {_argument(str(path))} {_argument(target)}"
    if seeks:
        return "save it to a file and convert that: ffmpeg -i FILE FILE.wav"
    return f"convert it on its way: … | ffmpeg -v error {options}-i - -f wav - | audiosocket play -"


def _by_suffix(path: Path) -> str | None:
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in _FFMPEG_BY_SUFFIX:
        what, options = _FFMPEG_BY_SUFFIX[suffix]
        return f"it is {what} by its name; {ffmpeg_cure(path, options)}"
    if suffix in _ASTERISK_BY_SUFFIX:
        target = path.absolute().with_suffix(".wav")
        return (
            f"it is {_ASTERISK_BY_SUFFIX[suffix]} by its name; let Asterisk convert it: "
            f"asterisk -rx {shlex.quote(f'file convert {path.absolute()} {target}')}"
        )
    return None


def _argument(name: str) -> str:
    """Quote a file's name for a command line: it is not taken for an option, nor, by ffmpeg, for a URL."""
    return shlex.quote(f"./{name}" if name.startswith("-") or ":" in name.partition("/")[0] else name)


def _unpacking_cure(path: Path | None, tool: str) -> str:
    """Return the command that unpacks a packed sound, whatever its suffix."""
    if tool == "unzip":
        return f"unpack it first: unzip {_argument(str(path)) if path is not None else 'FILE'}"
    if path is None:
        return f"unpack it on its way: … | {tool} | audiosocket play -"
    target = path.stem if path.suffix.lower() in _PACKED_SUFFIXES else f"{path.stem}.unpacked{path.suffix}"
    return f"unpack it first: {tool} -c {_argument(str(path))} > {_argument(target)}"


def _is_mpeg(head: bytes) -> bool:
    """Whether bytes begin with two MPEG audio frames, one where the other ends; raw samples do not."""
    length = _mpeg_frame_bytes(head)
    return length > 0 and _mpeg_frame_bytes(head[length:]) > 0 and head[length + 1] == head[1]


_MPEG_KBPS: Final = {
    (1, 1): range(0, 449, 32),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By MPEG version (1, or 2 and 2.5) and layer."""
_MPEG_RATES_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mpeg_frame_bytes(data: bytes) -> int:
    """Return the length of the MPEG audio frame that begins here (ISO/IEC 11172-3, 2.4.2.3), or 0."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return 0
    version, layer, bitrate, rate = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3), data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    bits = _MPEG_KBPS[1 if version == 3 else 2, layer][bitrate] * 1000
    rate_hz, padding = _MPEG_RATES_HZ[version][rate], data[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // rate_hz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // rate_hz + padding


def _is_ircam(head: bytes) -> bool:
    """Whether bytes begin as an IRCAM file of any machine does."""
    return (head[:2] == b"\x64\xa3" and head[3:4] == b"\0") or (head[:1] == b"\0" and head[2:4] == b"\xa3\x64")


def _is_mat4(head: bytes) -> bool:
    """Whether bytes begin as a MATLAB 4 file that holds sound does: a matrix of one number, its name."""
    return head[20:31] == b"samplerate\0"


def _is_sds(head: bytes) -> bool:
    """Whether bytes begin with a header and a packet of the MIDI Sample Dump Standard."""
    return head[:2] == b"\xf0\x7e" and head[3:4] == b"\1" and head[20:23] == b"\xf7\xf0\x7e"


def _is_htk(head: bytes) -> bool:
    """Whether bytes begin as an HTK file of a waveform does: its samples, their period in 100 ns, 2 bytes, kind 0."""
    period = int.from_bytes(head[4:8], "big")
    return head[8:12] == b"\0\2\0\0" and 50 <= period <= 10_000 and head[:4] > b"\0\0\0\0"


def _is_adts(head: bytes) -> bool:
    """Whether bytes begin with two AAC frames in ADTS (ISO/IEC 13818-7, 6.2)."""

    def length(data: bytes) -> int:
        if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
            return 0
        return (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5

    first = length(head)
    return first > 7 and length(head[first:]) > 7


def _is_latm(head: bytes) -> bool:
    """Whether bytes begin with two AAC frames in LOAS (ISO/IEC 14496-3, 1.7.2)."""

    def length(data: bytes) -> int:
        is_frame = len(data) > 2 and data[0] == 0x56 and data[1] >> 5 == 7
        return ((data[1] & 31) << 8 | data[2]) + 3 if is_frame else 0

    first = length(head)
    return first > 3 and length(head[first:]) > 3


def _is_ac3(head: bytes) -> bool:
    """Whether bytes begin with two frames of AC-3 or E-AC-3 (ETSI TS 102 366, 4.4, table 4.13 and E.1.2)."""
    if len(head) < 6 or not head.startswith(b"\x0bw") or head[5] >> 3 > 16:
        return False
    if head[5] >> 3 > 10:
        return head.startswith(b"\x0bw", (((head[2] & 7) << 8 | head[3]) + 1) * 2)
    rate, code = head[4] >> 6, head[4] & 63
    if rate == 3 or code // 2 >= len(_AC3_KBPS):
        return False
    kbps = _AC3_KBPS[code // 2]
    words = (kbps * 2, kbps * 96000 // 44100 + code % 2, kbps * 3)[rate]
    return head.startswith(b"\x0bw", words * 2)


_AC3_KBPS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def _is_transport_stream(head: bytes) -> bool:
    """Whether bytes are packets of 188 bytes that begin with 0x47 (ISO/IEC 13818-1, 2.4.3.2); raw samples are not."""
    starts = head[::188]
    return len(starts) >= 5 and set(starts) == {0x47}


def _is_gsm(head: bytes) -> bool:
    """Whether bytes are frames of GSM 06.10 as files have them: 33 bytes, the first four bits 0xD (RFC 3551, 4.5.8)."""
    starts = head[::33]
    is_constant = not head.strip(head[:1])  # as the silence of A-law is
    return len(starts) >= 10 and {start >> 4 for start in starts} == {0xD} and not is_constant


_FRAMED: Final = (
    (_is_adts, "AAC"),
    (_is_latm, "AAC (LATM)"),
    (_is_ac3, "AC-3"),
    (_is_transport_stream, "an MPEG transport stream"),
)
"""Sound without a header that ffmpeg reads, recognised by its frames."""


def _text(head: bytes) -> str | None:
    """Return bytes as text if they are text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 with a byte order mark; MP1 can begin like it
        text = head[: len(head) // 2 * 2].decode("utf-16", "replace")
        return text if all(char.isprintable() or char in "\t\r\n\f\ufeff" for char in text) else None
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or not error.start:  # else a character that the end of the head cuts
            return None
        text = head[: error.start].decode("utf-8")
    plain = all(char.isprintable() or char in "\t\r\n\f\ufeff" for char in text)
    is_tone = len(set(text)) < _MIN_LETTERS and guess_texture(head) == "slin"  # raw samples that happen to be letters
    return text if text and plain and not is_tone else None
