"""What a probe says can be recognised in what comes back."""

from __future__ import annotations

import numpy as np

from audiosocket_cli.audio.pcm import decode_law, from_slin
from audiosocket_cli.check.sounds import Sounds, audio_frame
from audiosocket_cli.codec import Kind


def test_payloads_differ_and_are_the_same_in_each_run() -> None:
    said = Sounds("a case").many(500)
    assert len(set(said)) == 500
    assert said == Sounds("a case").many(500)
    assert not set(said) & set(Sounds("another").many(500))


def test_each_kind_has_its_size() -> None:
    sounds = Sounds("sizes")
    assert [len(sounds.next(kind=kind)) for kind in (Kind.SLIN, Kind.SLIN44, Kind.SLIN192)] == [320, 1764, 7680]
    assert [len(sounds.next(ms)) for ms in (10, 30, 60)] == [160, 480, 960]
    assert len(sounds.of_bytes(65535)) == 65535
    assert audio_frame(b"ab", Kind.SLIN16) == b"\x12\0\x02ab"


def test_no_sample_is_silence() -> None:
    payload = Sounds("loud").next()
    assert all(payload[at : at + 2] != b"\0\0" for at in range(0, 320, 2))


def test_what_is_said_survives_mu_law() -> None:
    levels = decode_law(bytes(range(256)), "µ-law")
    assert np.isin(from_slin(Sounds("a case").next(1000)), levels).all()
