"""Digits: dial strings, tones and the detector, on generated sound, on speech and against multimon-ng."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.audio.dtmf import DtmfDetector, HeardDigit, Key, detect_digits, digit_tone, parse_digits
from audiosocket_cli.audio.pcm import Samples, decode_law, from_slin, level_dbfs, mix, to_int16, tone
from audiosocket_cli.codec import DIGITS, KIND_BY_RATE
from audiosocket_cli.errors import UsageError
from support.running import need

RATES_HZ = [8000, 12000, 16000, 24000, 32000, 44100, 48000, 96000, 192000]
TONES_HZ = {
    "1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "A": (697, 1633),
    "4": (770, 1209), "5": (770, 1336), "6": (770, 1477), "B": (770, 1633),
    "7": (852, 1209), "8": (852, 1336), "9": (852, 1477), "C": (852, 1633),
    "*": (941, 1209), "0": (941, 1336), "#": (941, 1477), "D": (941, 1633),
}  # fmt: skip
SEED = 20240610


def silence(seconds: float, rate_hz: int = 8000) -> Samples:
    return np.zeros(round(seconds * rate_hz), np.int16)


def presses(
    digits: str, rate_hz: int = 8000, seconds: float = 0.05, gap_s: float = 0.05, level: float = -13.0,
    twist_db: float = 0.0, off: float = 0.0,
) -> tuple[Samples, list[HeardDigit]]:  # fmt: skip
    """Return sound made without the module under test, edges hard, and what it holds."""
    low_power = 10 ** (level / 10) / (1 + 10 ** (twist_db / 10))
    peaks = np.sqrt(2 * low_power * np.array([1, 10 ** (twist_db / 10)]))
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    pieces, truth = [np.zeros(round(rate_hz * 0.0313))], []
    for digit in digits:
        phases = 2 * np.pi * (1 + off) * np.outer(TONES_HZ[digit], time) + [[1.0], [2.0]]
        truth.append(HeardDigit(digit, sum(map(len, pieces)) / rate_hz, seconds))
        # 1.7 ms more with each digit: the windows then lie differently on each
        pieces += [peaks @ np.sin(phases), np.zeros(round(rate_hz * (gap_s + 0.0017 * (len(truth) % 5))))]
    return to_int16(np.concatenate(pieces))[0], truth


def noise(count: int, level: float) -> Samples:
    return to_int16(np.random.default_rng(SEED).normal(size=count) * 10 ** (level / 20))[0]


def encode_law(samples: Samples, law: str) -> bytes:
    """Code each sample as the byte that decodes nearest to it."""
    values = decode_law(bytes(range(256)), law)
    order = np.argsort(values, kind="stable")
    ordered = values[order].astype(int)
    return bytes(order[np.searchsorted((ordered[1:] + ordered[:-1]) / 2, samples)].astype(np.uint8))


def digits_in(heard: Sequence[HeardDigit]) -> str:
    return "".join(digit.digit for digit in heard)


def check_heard(samples: Samples, truth: list[HeardDigit], rate_hz: int = 8000) -> None:
    heard = detect_digits(samples, rate_hz)
    assert digits_in(heard) == digits_in(truth)
    for found, true in zip(heard, truth, strict=True):
        assert found.start_s == pytest.approx(true.start_s, abs=0.015)
        assert found.duration_s == pytest.approx(true.duration_s, abs=0.025)


# Dial strings


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("5", [Key("5")]),
        ("12", [Key("1"), Key("2")]),
        ("12w34#", [Key("1"), Key("2"), Key("3", 0.5), Key("4"), Key("#")]),
        ("W1", [Key("1", 1.0)]),
        ("1wWw2", [Key("1"), Key("2", 2.0)]),
        ("1ww", [Key("1", 0.0, 1.0)]),
        ("w1W", [Key("1", 0.5, 1.0)]),
        ("aBcD*", [Key("A"), Key("B"), Key("C"), Key("D"), Key("*")]),
        (DIGITS, [Key(digit) for digit in DIGITS]),
    ],
)
def test_a_dial_string_is_its_keys_with_the_pauses_between(text: str, keys: list[Key]) -> None:
    assert parse_digits(text) == tuple(keys)


@given(st.text(DIGITS + "wW", min_size=1).filter(lambda text: text.strip("wW")))
def test_no_pause_and_no_digit_of_a_dial_string_is_lost(text: str) -> None:
    keys = parse_digits(text)
    assert "".join(key.digit for key in keys) == text.replace("w", "").replace("W", "")
    assert sum(key.pause_s + key.pause_after_s for key in keys) == text.count("w") / 2 + text.count("W")


ALLOWED = "write 0-9, *, # and A-D, with w for a pause of half a second and W for one second"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"'' has no digit to dial: {ALLOWED}"),
        ("wW", f"'wW' has no digit to dial: {ALLOWED}"),
        ("12x4", f"'12x4' has 'x' at position 3, which cannot be dialled: {ALLOWED}"),
        ("1 2", f"'1 2' has ' ' at position 2, which cannot be dialled: {ALLOWED}"),
        ("1\n", f"'1\\n' has '\\n' at position 2, which cannot be dialled: {ALLOWED}"),
        ("e", f"'e' has 'e' at position 1, which cannot be dialled: {ALLOWED}"),
        ("1٣", f"'1٣' has '٣' at position 2, which cannot be dialled: {ALLOWED}"),
    ],
    ids=["empty", "pauses-only", "letter", "space", "newline", "e", "arabic-digit"],
)
def test_what_cannot_be_dialled_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_digits(text)
    assert str(raised.value) == message


# Tones


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("digit", DIGITS)
def test_a_digit_sounds_with_its_two_tones_and_nothing_else(digit: str, rate_hz: int) -> None:
    samples = digit_tone(digit, rate_hz, seconds=1.004)
    assert len(samples) == round(rate_hz * 1.004)
    inside = round(rate_hz * 0.002)
    spectrum = np.abs(np.fft.rfft(samples[inside : inside + rate_hz])) ** 2
    assert set(np.argsort(spectrum)[-2:]) == set(TONES_HZ[digit])
    assert spectrum[list(TONES_HZ[digit])].sum() > 0.9999 * spectrum.sum()


@pytest.mark.parametrize("twist_db", [-8.0, 0.0, 8.0])
@pytest.mark.parametrize("level", [-6.0, -13.0, -30.0])
def test_a_digit_has_its_level_and_twist_between_the_edges(level: float, twist_db: float) -> None:
    inside = digit_tone("5", 8000, 1.004, level, twist_db)[16:8016]
    assert level_dbfs(inside) == pytest.approx(level, abs=0.02)
    spectrum = np.abs(np.fft.rfft(inside))
    assert 20 * np.log10(spectrum[1336] / spectrum[770]) == pytest.approx(twist_db, abs=0.05)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_digit_rises_and_falls_without_a_click(rate_hz: int) -> None:
    samples = digit_tone("D", rate_hz, 0.05, level_dbfs=-6.0)
    assert samples[0] == samples[-1] == 0
    around = np.concatenate([silence(0.2, rate_hz), samples, silence(0.2, rate_hz)])
    spectrum = np.abs(np.fft.rfft(around * 1.0)) ** 2
    above = np.fft.rfftfreq(len(around), 1 / rate_hz) > 3400
    assert spectrum[above].sum() < 1e-5 * spectrum.sum()


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 0), (0.0001, 1), (0.001, 8), (0.04, 320)])
def test_a_digit_has_its_length_to_the_nearest_sample(seconds: float, count: int) -> None:
    assert len(digit_tone("1", 8000, seconds)) == count


@pytest.mark.parametrize("rate_hz", [8000, 44100, 192000])
def test_multimon_ng_reads_our_tones(rate_hz: int, tmp_path: Path) -> None:
    sound = np.concatenate(
        [part for digit in DIGITS for part in (digit_tone(digit, rate_hz), silence(0.1, rate_hz))], dtype=np.int16
    )
    raw = tmp_path / "digits.raw"
    raw.write_bytes(soxr.resample(sound, rate_hz, 22050).astype("<i2").tobytes())
    done = subprocess.run(
        [need("multimon-ng"), "-q", "-a", "DTMF", "-t", "raw", raw], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [word for digit in DIGITS for word in ("DTMF:", digit)]


# The detector: what it must find


@pytest.mark.parametrize("seconds", [0.05, 0.055, 0.06, 0.07, 0.08, 0.09, 0.1, 0.25])
@pytest.mark.parametrize("level", [-6.0, -13.0, -30.0])
@pytest.mark.parametrize("twist_db", [-8.0, 0.0, 8.0])
@pytest.mark.parametrize("off", [-0.015, 0.0, 0.015])
def test_every_digit_is_found_where_it_is(seconds: float, level: float, twist_db: float, off: float) -> None:
    samples, truth = presses(DIGITS, seconds=seconds, level=level, twist_db=twist_db, off=off)
    check_heard(samples, truth)
    check_heard(mix(samples, noise(len(samples), level - 15)), truth)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize(("twist_db", "off"), [(-8.0, -0.015), (0.0, 0.0), (8.0, 0.015)])
def test_every_digit_is_found_at_every_rate(rate_hz: int, twist_db: float, off: float) -> None:
    samples, truth = presses(DIGITS, rate_hz, twist_db=twist_db, off=off)
    check_heard(samples, truth, rate_hz)
    check_heard(mix(samples, noise(len(samples), -28.0)), truth, rate_hz)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_our_own_tones_are_found(rate_hz: int) -> None:
    tones = [np.concatenate([digit_tone(digit, rate_hz), silence(0.1, rate_hz)]) for digit in DIGITS]
    truth = [HeardDigit(digit, 0.2 * index, 0.1) for index, digit in enumerate(DIGITS)]
    check_heard(np.concatenate(tones), truth, rate_hz)


@pytest.mark.parametrize("law", ["µ-law", "A-law"], ids=["u-law", "a-law"])
@pytest.mark.parametrize("level", [-6.0, -13.0, -30.0])
@pytest.mark.parametrize(("twist_db", "off"), [(-8.0, -0.015), (0.0, 0.0), (8.0, 0.015)])
def test_every_digit_is_found_behind_a_law(law: str, level: float, twist_db: float, off: float) -> None:
    samples, truth = presses(DIGITS, level=level, twist_db=twist_db, off=off)
    check_heard(decode_law(encode_law(samples, law), law), truth)
    check_heard(decode_law(encode_law(mix(samples, noise(len(samples), level - 15)), law), law), truth)


@pytest.mark.parametrize("digit", DIGITS)
def test_a_digit_held_for_two_seconds_is_one(digit: str) -> None:
    samples, truth = presses(digit, seconds=2.0)
    check_heard(samples, truth)
    check_heard(mix(samples, noise(len(samples), -28.0)), truth)


@pytest.mark.parametrize("gap_s", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("digit", DIGITS)
def test_a_digit_pressed_again_is_another(digit: str, gap_s: float) -> None:
    samples, truth = presses(digit * 5, gap_s=gap_s)
    check_heard(samples, truth)
    check_heard(mix(samples, noise(len(samples), -28.0)), truth)


@pytest.mark.parametrize("seconds", [0.05, 0.1])
@pytest.mark.parametrize("rate_hz", KIND_BY_RATE)
def test_a_pause_of_30_ms_makes_two_presses_and_a_packet_that_is_lost_does_not(rate_hz: int, seconds: float) -> None:
    """Whatever the place of the windows: tones that begin and end at once, as most of those that are generated."""
    at_s = np.arange(round(rate_hz * seconds)) / rate_hz
    hard = (4000 * (np.sin(2 * np.pi * 770 * at_s) + np.sin(2 * np.pi * 1336 * at_s))).astype(np.int16)
    for pressed in (hard, digit_tone("5", rate_hz, seconds)):
        for gap_s, count in ((0.03, 3), (0.02, 1)):
            gap = np.zeros(round(rate_hz * gap_s), np.int16)
            for shift in range(0, rate_hz // 125, rate_hz // 500 - 1):  # over a hop of 8 ms
                samples = np.concatenate([np.zeros(shift, np.int16), pressed, gap, pressed, gap, pressed])
                assert digits_in(detect_digits(samples, rate_hz)) == "5" * count, (gap_s, shift)


def test_different_digits_need_no_gap() -> None:
    samples, truth = presses("1234567890*#ABCD", seconds=0.1, gap_s=0.0)
    check_heard(samples, truth)


@pytest.mark.parametrize("at_s", [0.08, 0.0833, 0.1, 0.12])
def test_a_lost_packet_does_not_make_two_digits_of_one(at_s: float) -> None:
    samples, truth = presses("5", seconds=0.2)
    samples[round(8000 * at_s) :][:160] = 0
    check_heard(samples, truth)


@pytest.mark.parametrize("seconds", [0.05, 0.1, 2.0])
def test_a_digit_may_fill_the_whole_stream(seconds: float) -> None:
    check_heard(digit_tone("5", 8000, seconds), [HeardDigit("5", 0.0, seconds)])


def test_a_digit_is_told_soon_after_its_end_and_once() -> None:
    detector = DtmfDetector(8000)
    assert detector.feed(digit_tone("7", 8000)) == []
    assert digits_in(detector.feed(silence(0.11))) == "7"
    assert detector.finish() == detector.finish() == []


# The detector: any split gives the same digits

BUSY, _ = presses("11D*#5", seconds=0.06, twist_db=-4.0)
BUSY = mix(BUSY, noise(len(BUSY), -28.0))


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from([1, 2, 3, 6]))
def test_any_split_gives_the_same_digits(cuts: list[float], times: int) -> None:
    sound = np.repeat(BUSY, times)
    detector = DtmfDetector(8000 * times)
    pieces = np.split(sound, sorted(round(cut * len(sound)) for cut in cuts))
    heard = [digit for piece in pieces for digit in detector.feed(piece)]
    assert heard + detector.finish() == detect_digits(sound, 8000 * times)


@pytest.mark.parametrize("chunk", [1, 7, 160, 4000])
def test_chunks_of_any_size_give_the_same_digits(chunk: int) -> None:
    detector = DtmfDetector(8000)
    heard = [digit for start in range(0, len(BUSY), chunk) for digit in detector.feed(BUSY[start : start + chunk])]
    heard += detector.finish()
    assert digits_in(heard) == "11D*#5"
    assert heard == detect_digits(BUSY, 8000)


# The detector: what it must not find


def chord(*frequencies_hz: float, seconds: float = 1.0, level: float = -15.0) -> Samples:
    total = sum(tone(frequency, 8000, seconds, level - 3).astype(int) for frequency in frequencies_hz)
    return np.clip(total, -32768, 32767).astype(np.int16)


def scales() -> Iterator[Samples]:
    """Every major and minor triad over three octaves, as sines and with the overtones of an instrument."""
    for key in range(36):
        for steps in ((0, 4, 7), (0, 3, 7)):
            roots = [220 * 2 ** ((key + step) / 12) for step in steps]
            yield chord(*roots, seconds=0.2)
            yield chord(*(root * overtone for root in roots for overtone in (1, 2, 3)), seconds=0.2, level=-20.0)


SOUNDS = {
    "silence": silence(2.0),
    "nothing": silence(0.0),
    "white-noise": noise(80_000, -10.0),
    "dial-tone": chord(350, 440),
    "ringback": chord(440, 480),
    "busy": chord(480, 620),
    "425-hz": tone(425, 8000, 2.0),
    "special-information": np.concatenate([tone(hz, 8000, 0.33) for hz in (950, 1400, 1800)]),
    "fax-and-answer": np.concatenate([tone(hz, 8000, 0.5) for hz in (1100, 2100)]),
    "clicks": np.where(np.arange(16000) % 801 == 0, 30000, 0).astype(np.int16),
    "each-tone-alone": np.concatenate([tone(hz, 8000, 0.3) for hz in (697, 770, 852, 941, 1209, 1336, 1477, 1633)]),
    "sweep": to_int16(0.3 * np.sin(np.cumsum(np.linspace(200, 3800, 80_000)) * 2 * np.pi / 8000))[0],
    "square-wave": (8000 * np.sign(np.sin(2 * np.pi * 403 * np.arange(8000) / 8000))).astype(np.int16),
    "two-low-tones": chord(697, 941),
    "two-high-tones": chord(1209, 1633),
    "third-tone": chord(770, 1336, 1477),
    "weak-third-tone": mix(chord(770, 1336), tone(1477, 8000, 1.0, -25.0)),
    "chords": np.concatenate(list(scales())),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_what_is_no_digit_is_not_taken_for_one(name: str) -> None:
    assert detect_digits(SOUNDS[name], 8000) == []


@pytest.mark.parametrize(
    "changes",
    [{"seconds": 0.03}, {"off": 0.035}, {"off": -0.035}, {"twist_db": 14.0}, {"twist_db": -14.0}, {"level": -50.0}],
    ids=["too-short", "too-high", "too-low", "high-tone-alone", "low-tone-alone", "too-quiet"],
)
def test_a_digit_beyond_the_limits_is_refused(changes: dict[str, float]) -> None:
    samples, _ = presses(DIGITS, **{"seconds": 0.1, **changes})  # type: ignore[arg-type]
    assert detect_digits(samples, 8000) == []


SENTENCES = {
    "en": "Please leave your name and number after the tone, and we will call you back as soon as we can. Oh no, you "
    "owe me more money, Joe! The quick brown fox jumps over the lazy dog. One two three four five six seven eight nine "
    "zero.",
    "de": "Guten Tag, bitte nennen Sie Ihren Namen und den Grund Ihres Anrufs. Zwölf Boxkämpfer jagen Viktor quer über "
    "den großen Sylter Deich. Eins zwei drei vier fünf sechs sieben acht neun null.",
    "fr": "Bonjour, veuillez laisser un message après le bip sonore. Portez ce vieux whisky au juge blond qui fume. Un "
    "deux trois quatre cinq six sept huit neuf zéro.",
    "es": "Buenos días, por favor diga su nombre y el motivo de su llamada. El veloz murciélago hindú comía feliz "
    "cardillo y kiwi. Uno dos tres cuatro cinco seis siete ocho nueve cero.",
}
VOICES = [
    (language + variant, speed, pitch)
    for language in SENTENCES
    for variant, pitch in (("", 50), ("+f2", 70), ("+f3", 50), ("+f4", 90), ("+m3", 20), ("+m7", 50))
    for speed in (110, 150, 200)
]


def speak(voice: tuple[str, int, int]) -> Samples:
    name, speed, pitch = voice
    text = SENTENCES[name.split("+")[0]]
    options = ["-v", name, "-s", str(speed), "-p", str(pitch), "--stdout"]
    wav = subprocess.run([need("espeak-ng"), *options, text], capture_output=True, check=True).stdout
    return soxr.resample(from_slin(wav[44:]), 22050, 8000)


def test_ten_minutes_of_speech_hold_no_digit() -> None:
    need("espeak-ng")
    with ThreadPoolExecutor() as speakers:
        speech = np.concatenate(list(speakers.map(speak, VOICES)))
    assert len(speech) > 600 * 8000
    assert detect_digits(speech, 8000) == []
