"""Which codecs Asterisk can turn into slin."""

from __future__ import annotations

import asyncio
from pathlib import Path

from audiosocket_cli.doctor.pbx.translation import look_at_translation
from audiosocket_cli.finding import Status
from support.asterisk_said import TRANSLATION, asterisk_that_says


def test_the_codecs_of_phones_are_translated(tmp_path: Path) -> None:
    (found,) = asyncio.run(look_at_translation(asterisk_that_says(tmp_path)))
    assert (found.status, found.what) == (Status.OK, "to and from slin: ulaw, alaw, slin")


def test_one_that_is_not_is_named_with_its_module(tmp_path: Path) -> None:
    said = TRANSLATION.replace("(slin@8000)->(alaw@8000)", "No Translation Path     ")
    cli = asterisk_that_says(tmp_path, core_show_translation_paths_slin=said)
    (found,) = asyncio.run(look_at_translation(cli))
    assert (found.id, found.status, found.where) == ("codec-missing", Status.WARNING, "codec_alaw.so")
    assert found.lines == (cli.place.hint("module load codec_alaw.so"),)


def test_an_answer_that_names_no_codec_is_told_as_it_is(tmp_path: Path) -> None:
    cli = asterisk_that_says(tmp_path, core_show_translation_paths_slin='Source codec "slin" is not found.\n')
    (found,) = asyncio.run(look_at_translation(cli))
    assert (found.status, found.evidence) == (Status.UNKNOWN, ('Source codec "slin" is not found.',))
