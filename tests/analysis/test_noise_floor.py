"""Speech, noise, tones and digital silence told apart by the levels of blocks."""

from __future__ import annotations

import numpy as np
import pytest

from audiosocket_cli.analysis.noise_floor import EDGE, NoiseFloor, levels_of, runs_of


def levels(*parts: tuple[int, float | None]) -> np.ndarray:
    """Blocks at levels in dBFS, None for digital silence."""
    powers = [0.0 if dbfs is None else 10 ** (dbfs / 10) for count, dbfs in parts for _ in range(count)]
    return np.frombuffer(levels_of(np.array(powers)), np.uint8)


def speech(*parts: tuple[int, float | None]) -> list[tuple[int, int]]:
    found = NoiseFloor().speech_in(levels(*parts), 0, sum(count for count, _ in parts))
    if found is None:
        return []
    begins, ends = runs_of(found)
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def syllables(count: int, top: float = -18.0, bottom: float = -32.0) -> tuple[tuple[int, float], ...]:
    return ((6, top), (4, bottom)) * count


def test_only_digital_silence_has_level_zero() -> None:
    quietest = 1 / (11_520 * 32768.0**2)  # one sample of 1 in 60 ms at 192 kHz
    assert levels_of(np.array([0.0, quietest, 1.0]))[0] == 0
    assert levels_of(np.array([quietest]))[0] > 0
    assert levels_of(np.array([1.0]))[0] == 254


def test_on_a_silent_line_the_limit_is_that_of_the_house() -> None:
    assert speech((60, None), (3, -44.0), (60, None), (3, -46.0), (60, None)) == [(60, 63)]


def test_a_short_steady_sound_on_a_silent_line_is_not_lost() -> None:
    assert speech((100, None), (30, -20.0), (100, None)) == [(100, 130)]


@pytest.mark.parametrize("noise", [-60.0, -46.0, -40.0, -35.0])
def test_speech_is_found_in_noise_from_its_first_block_to_its_last(noise: float) -> None:
    found = speech((100, noise), *syllables(6, bottom=-26.0), (100, noise))
    assert found == [(100, 160)]


def test_noise_and_tones_of_a_second_are_not_speech_however_loud() -> None:
    assert speech((200, -30.0)) == []
    assert speech((50, None), (50, -10.0), (200, None), (50, -10.0), (50, None)) == []


def test_noise_with_lost_frames_stays_noise() -> None:
    assert speech(*((30, -35.0), (2, None)) * 10) == []


def test_noise_that_begins_is_noise_from_its_first_block() -> None:
    assert speech((100, None), (100, -35.0), *syllables(3, bottom=-26.0), (100, -35.0)) == [(200, 230)]


def test_the_noise_of_a_call_that_begins_with_speech_is_known_by_its_first_pause() -> None:
    assert speech((10, -35.0), *syllables(3, bottom=-26.0), (100, -35.0)) == [(10, 40)]


def test_speech_straight_after_a_beep_is_heard() -> None:
    assert speech((60, None), (50, -12.0), *syllables(3, top=-20.0), (60, None))[0][0] == 110


def test_the_floor_falls_when_noise_stops() -> None:
    """The rest of the line is quiet: what would have been lost in the noise is speech."""
    assert speech((100, -34.0), (10, None), (10, -40.0), (100, None)) == [(110, 120)]


def test_a_floor_is_kept_from_one_part_to_the_next() -> None:
    all_of_it = levels((300, -35.0), *syllables(3, bottom=-26.0), (40, -35.0))
    floor = NoiseFloor()
    assert not np.any(floor.speech_in(all_of_it[: 300 + EDGE], 0, 300))
    rest = all_of_it[300 - EDGE :]
    found = floor.speech_in(rest, EDGE, len(rest))
    assert found is not None
    assert np.flatnonzero(found).tolist() == list(range(30))


def test_what_is_quiet_costs_no_look() -> None:
    assert NoiseFloor().speech_in(levels((500, -70.0)), 0, 500) is None
