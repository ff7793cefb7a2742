#!/bin/sh
# Chromium 156 (Debian 12; soundfile 0.14.0, playwright 1.65.2 from PyPI): in an MP3 file of variable bit rate, which is
# what libsndfile writes unless told otherwise, <audio> seeks by the table of the header (Xing), which knows places to
# 1/256 of the length: currentTime says 50.2 s of 10 minutes, and what is heard is from second 48. With a constant bit
# rate it is right. Seen: "variable: 48 134 301 410, constant: 50 133 300 411". Exits with 1 when that changes. Needs
# chromium.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 soundfile==0.14.0 playwright==1.65.2
"$folder/venv/bin/python" - "$(command -v chromium)" <<'PYTHON'
import base64, io, sys
import numpy, soundfile
from playwright.sync_api import sync_playwright

RATE, SECONDS, PLACES = 8000, 600, (50, 133, 300, 411)
HEAR = """async ([source, at]) => {
  const element = new Audio(source);
  await new Promise((done) => element.addEventListener("canplay", done, {once: true}));
  const context = new AudioContext({sampleRate: 8000});
  await context.resume();
  const node = context.createScriptProcessor(1024, 1, 1), heard = [];
  node.onaudioprocess = (event) => heard.push(...event.inputBuffer.getChannelData(0));
  context.createMediaElementSource(element).connect(node);
  node.connect(context.destination);
  element.currentTime = at;
  await new Promise((done) => element.addEventListener("seeked", done, {once: true}));
  heard.length = 0;
  await element.play();
  while (element.currentTime < at + 1.3) await new Promise((done) => setTimeout(done, 20));
  return heard;
}"""

time = numpy.arange(RATE // 5) / RATE
sound = numpy.zeros(RATE * SECONDS, numpy.float32)
for second in range(SECONDS):  # in the middle of each second a tone of its own, for 0.2 s
    at = second * RATE + RATE // 2
    sound[at : at + len(time)] = 0.5 * numpy.sin(2 * numpy.pi * (300 + 40 * (second % 60)) * time)
noise = numpy.random.default_rng(1).normal(0, 0.02, len(sound))  # now more, now less: the bit rate varies with it
sound += (noise * (1 + numpy.sin(numpy.arange(len(sound)) / 400_000))).astype(numpy.float32)

def coded(**options):
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE, 1, format="MP3", **options) as out:
        out.write(sound)
    return "data:audio/mpeg;base64," + base64.b64encode(file.getvalue()).decode()

def heard(browser, source, second):
    page = browser.new_page()
    samples = numpy.array(page.evaluate(HEAR, [source, second + 0.2]))
    page.close()
    tone = samples[numpy.flatnonzero(abs(samples) > 0.3)[0] :][: len(time)]
    line = numpy.abs(numpy.fft.rfft(tone * numpy.hanning(len(tone)), 8 * RATE)).argmax() / 8
    return second - second % 60 + round((line - 300) / 40)

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox"])
    sources = coded(), coded(bitrate_mode="CONSTANT", compression_level=0.5)
    variable, constant = ([heard(browser, source, second) for second in PLACES] for source in sources)
    browser.close()
print("variable:", *variable, "constant:", *constant)
sys.exit(sum(map(int.__ne__, variable, PLACES)) < 2 or tuple(constant) != PLACES)
PYTHON
