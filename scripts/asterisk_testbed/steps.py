"""What the caller of a test call does, step by step, as --far says it."""

from __future__ import annotations

import functools
import re
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asterisk_testbed.base import TestbedError


@dataclass(frozen=True)
class Step:
    """One step of the caller: `seconds` is how long it takes, 0 when unknown or none."""

    kind: str
    args: list[str]
    seconds: float
    source: Path | None = None


def parse_script(text: str) -> list[Step]:
    steps = [parse_step(part.strip()) for part in text.split(",") if part.strip()]
    if not steps:
        raise TestbedError(f"--far '{text}' has no step: try 'silence 5'", 2)
    return steps


def parse_step(text: str) -> Step:
    kind, *args = text.split(maxsplit=1) if text.startswith("play ") else text.split()
    try:
        return STEP_PARSERS[kind](*args)
    except KeyError:
        raise TestbedError(f"unknown step '{kind}' in --far: use {', '.join(STEP_PARSERS)}", 2) from None
    except (TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else "wrong number of values"
        raise TestbedError(f"step '{text}' in --far: {reason}; see 'asterisk-testbed call --help'", 2) from None


def parse_seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,5}(\.\d{1,3})?", text) or float(text) == 0:
        raise ValueError(f"'{text}' is not a number of seconds above 0")
    return float(text)


def parse_timed(kind: str, seconds: str) -> Step:
    return Step(kind, [seconds], parse_seconds(seconds))


def parse_tone(hertz: str, seconds: str) -> Step:
    if not hertz.isdecimal() or not 1 <= int(hertz) <= 3999:
        raise ValueError(f"'{hertz}' is not a whole number of Hz from 1 to 3999")
    return Step("tone", [hertz, seconds], parse_seconds(seconds))


def parse_digits(digits: str) -> Step:
    if not re.fullmatch(r"[0-9*#A-Dw]+", digits):
        raise ValueError(f"'{digits}' has other characters than 0-9 * # A-D w")
    return Step("digits", [digits], 0.35 * len(digits) + 0.15 * digits.count("w"))


def parse_record(seconds: str) -> Step:
    if not seconds.isdecimal():
        raise ValueError(f"'{seconds}' is not a whole number of seconds")
    return parse_timed("record", seconds)


def parse_play(name: str) -> Step:
    try:
        with wave.open(name) as file:
            shape = (file.getframerate(), file.getnchannels(), 8 * file.getsampwidth())
            seconds = file.getnframes() / shape[0]
    except (OSError, wave.Error, EOFError) as error:
        raise ValueError(f"cannot read '{name}' as a WAV file: {error}") from None
    if shape != (8000, 1, 16):
        raise ValueError(f"'{name}' has {shape[0]} Hz, {shape[1]} channels, {shape[2]} bit, not 8000 Hz, 1, 16")
    return Step("play", [name], seconds, Path(name))


STEP_PARSERS: dict[str, Callable[..., Step]] = {
    "tone": parse_tone,
    "silence": functools.partial(parse_timed, "silence"),
    "pause": functools.partial(parse_timed, "pause"),
    "digits": parse_digits,
    "record": parse_record,
    "play": parse_play,
    "echo": functools.partial(parse_timed, "echo"),
    "hangup": lambda: Step("hangup", [], 0),
}
