"""A browser finds the places in a long sound of a page: what is heard after a seek is what was there."""

from __future__ import annotations

import base64

import numpy as np
from playwright.sync_api import Browser

from audiosocket_cli.audio.page_sound import page_sound

_RATE_HZ = 8000
_SECONDS = 600

_HEAR = """async ([source, at]) => {
  const element = new Audio(source);
  await new Promise((done) => element.addEventListener("canplay", done, {once: true}));
  const context = new AudioContext({sampleRate: 8000});
  await context.resume();
  const node = context.createScriptProcessor(1024, 1, 1);
  const heard = [];
  node.onaudioprocess = (event) => heard.push(...event.inputBuffer.getChannelData(0));
  context.createMediaElementSource(element).connect(node);
  node.connect(context.destination);
  element.currentTime = at;
  await new Promise((done) => element.addEventListener("seeked", done, {once: true}));
  heard.length = 0;
  await element.play();
  while (element.currentTime < at + 0.8) await new Promise((done) => setTimeout(done, 20));
  return heard;
}"""


def frequency_of(second: int) -> float:
    return 300.0 + 40 * (second % 60)


def test_what_is_heard_after_a_seek_is_what_was_there(browser: Browser) -> None:
    """Each second has a tone of its own from its middle on, for 0.2 s."""
    sound = np.zeros((_SECONDS * _RATE_HZ, 1), np.float32)
    times = np.arange(_RATE_HZ // 5) / _RATE_HZ
    for second in range(_SECONDS):
        start = second * _RATE_HZ + _RATE_HZ // 2
        sound[start : start + len(times), 0] = 0.5 * np.sin(2 * np.pi * frequency_of(second) * times)
    found = page_sound([sound], _RATE_HZ, 1, _SECONDS)
    source = f"data:{found.mime};base64,{base64.b64encode(found.data).decode()}"
    page = browser.new_page()
    try:
        for second in (50, 133, 411):
            heard = np.array(page.evaluate(_HEAR, [source, second + 0.2]))
            loud = heard[np.flatnonzero(np.abs(heard) > 0.1)[0] :][: len(times)]
            lines = np.abs(np.fft.rfft(loud * np.hanning(len(loud)), 8 * _RATE_HZ))
            assert abs(int(lines.argmax()) / 8 - frequency_of(second)) < 15, second
    finally:
        page.close()
