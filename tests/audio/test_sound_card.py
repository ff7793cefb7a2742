"""Which sound card is meant, at which rate it is opened, and real streams through a real sound server."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from audiosocket_cli.audio.sound_card import Device, choose, fitting_rate
from audiosocket_cli.errors import UsageError
from support.sound_server import SoundServer, sound_server

__all__ = ["sound_server"]

CARDS = [
    Device(0, "HDA Intel PCH: ALC257 Analog (hw:0,0)", 2, 2, 48000, False, False),
    Device(1, "HDMI 0 (hw:0,3)", 0, 8, 44100, False, False),
    Device(2, "USB Headset: Audio (hw:1,0)", 1, 2, 44100, False, False),
    Device(3, "default", 32, 32, 44100, True, True),
    Device(4, "Webcam 0", 1, 0, 16000, False, False),
]


@pytest.mark.parametrize(
    ("wanted", "kind", "number"),
    [
        (None, "input", 3),
        (None, "output", 3),
        ("2", "input", 2),
        (" 2 ", "input", 2),
        ("0", "output", 0),  # a number, although two have a 0 in their names
        ("usb", "output", 2),
        ("DEFAULT", "input", 3),
        ("webcam", "input", 4),
    ],
)
def test_a_device_is_found_by_number_name_or_a_part_of_it(wanted: str | None, kind: str, number: int) -> None:
    assert choose(CARDS, wanted, kind).number == number


def test_without_a_default_the_first_that_fits_is_taken() -> None:
    assert choose(CARDS[1:3], None, "input").number == 2


@pytest.mark.parametrize(
    ("wanted", "kind", "says"),
    [
        ("webcam", "output", "--output-device 'webcam' is not here: choose from 0 HDA Intel PCH: ALC257 Analog"),
        ("99", "input", "--input-device '99' is not here: choose from 0 HDA"),
        ("", "input", "--input-device '' is not here: "),
        ("x" * 500, "input", f"--input-device '{'x' * 79} is not here: "),
        ("hw:", "input", "--input-device 'hw:' matches several, write the number of one: 0 HDA Intel PCH"),
    ],
)  # fmt: skip
def test_an_unknown_device_is_refused_with_what_there_is(wanted: str, kind: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(CARDS, wanted, kind)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("found", "kind", "says"),
    [
        ([], "input", "there is no microphone here: connect one, or use --input FILE in its place"),
        (CARDS[4:], "output", "there is no loudspeaker here: connect one, or use --output FILE in its place"),
    ],
    ids=["nothing", "a microphone only"],
)
def test_where_there_is_no_such_device_a_file_is_named(found: list[Device], kind: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(found, "usb", kind)
    assert str(caught.value) == says


def test_a_device_is_opened_at_the_rate_of_the_call_or_at_its_own() -> None:
    def only_48000(rate_hz: int) -> None:
        if rate_hz != 48000:
            raise OSError("invalid sample rate")

    assert fitting_rate(only_48000, 48000, 44100) == 48000
    assert fitting_rate(only_48000, 8000, 48000) == 48000
    with pytest.raises(OSError, match="invalid sample rate"):
        fitting_rate(only_48000, 8000, 11025)  # 20 ms of it are no whole number of samples
    with pytest.raises(OSError, match="invalid sample rate"):
        fitting_rate(only_48000, 8000, 8000)


HEARS_ITSELF = """
import json, sys, time
import numpy as np
from audiosocket_cli.audio.sound_card import CardMicrophone, CardSpeaker, choose, devices
rate_hz = int(sys.argv[1])
speaker = CardSpeaker(choose(devices(), "room", "output"), rate_hz)
microphone = CardMicrophone(choose(devices(), "room-mic", "input"), rate_hz)
for end in (speaker, microphone):
    end.wait_until_running()
    end.begin(None)
tone = np.round(np.sin(np.arange(rate_hz) * 2 * np.pi * 440 / rate_hz) * 8000).astype("<i2").tobytes()
heard, step = b"", rate_hz // 50 * 2
begun_s = time.monotonic()
for number in range(150):
    time.sleep(max(0.0, begun_s + number * 0.02 - time.monotonic()))
    speaker.buffer.put(tone[number * step % len(tone) :][:step])
    heard += microphone.buffer.take(step)
for end in (speaker, microphone):
    end.look()
# Fifths of a second, of which a busy machine may tear a few.
fifths = np.frombuffer(heard, "<i2")[-2 * rate_hz:].astype(float).reshape(10, -1)
power = np.abs(np.fft.rfft(fifths)) ** 2
print(json.dumps({"peak_hz": float(np.median(power.argmax(1))) * 5,
                  "rms": float(np.median(np.sqrt(np.mean(fifths**2, 1)))),
                  "pure": float(np.median(power.max(1) / power.sum(1))),
                  "rates": [speaker.rate_hz, microphone.rate_hz], "faults": [speaker.fault, microphone.fault],
                  "facts": [speaker.facts(), microphone.facts()]}))
for end in (speaker, microphone):
    end.close()
    end.close()
"""


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_a_real_microphone_hears_a_real_loudspeaker(sound_server: SoundServer, rate_hz: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEARS_ITSELF, str(rate_hz)], env=sound_server.environment, capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert found["peak_hz"] == 440
    assert found["rms"] == pytest.approx(8000 / 2**0.5, rel=0.1)
    assert found["pure"] > 0.9
    assert found["rates"] == [rate_hz, rate_hz]
    assert found["faults"] == [None, None]
    assert [facts["card_latency_ms"] for facts in found["facts"]] == [60, 30]
