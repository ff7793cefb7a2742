"""Can Asterisk turn the audio of phones into that of AudioSocket?"""

from __future__ import annotations

import re
from typing import Final

from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli
from audiosocket_cli.finding import Diagnosis, Status

_PATH: Final = re.compile(r"\s+\S+\s+To (?P<codec>\w+):(?P<rate>\d+)\s*: (?P<path>.*\S)\s*")
"""`core show translation paths slin`: `handle_show_translation_path` of main/translate.c."""

_COMMON: Final = {"ulaw:8000": "codec_ulaw", "alaw:8000": "codec_alaw"}
"""What telephones talk, and the module that has it. Other rates are a matter of codec_resample, see `modules`."""


async def look_at_translation(cli: AsteriskCli) -> list[Diagnosis]:
    """Look at which codecs have a way to slin. Raises `NoAnswerError`."""
    answer = await cli.ask("core show translation paths slin")
    found = {
        f"{match['codec']}:{match['rate']}": match["path"]
        for match in map(_PATH.fullmatch, answer.splitlines())
        if match
    }
    if not found:
        return [Diagnosis("codec-missing", Status.UNKNOWN, "which codecs can be translated", (answer.strip()[:200],))]
    missing = [codec for codec in _COMMON if found.get(codec, "No Translation Path").startswith("No Translation")]
    if missing:
        return [_missing(cli, codec) for codec in missing]
    ways = [codec.partition(":")[0] for codec, path in found.items() if not path.startswith("No Translation")]
    names = ", ".join(dict.fromkeys(ways))
    return [Diagnosis("codec-missing", Status.OK, f"to and from slin: {names}")]


def _missing(cli: AsteriskCli, codec: str) -> Diagnosis:
    name, rate = codec.split(":")
    module = _COMMON[codec]
    return Diagnosis(
        "codec-missing", Status.WARNING,
        f"there is no translation between slin and {name} at {rate} Hz: a call of such a phone has no sound",
        (f"core show translation paths slin: {name}:{rate}: No Translation Path",), f"load {module}",
        (cli.place.hint(f"module load {module}.so"),), f"{module}.so",
    )  # fmt: skip
