#!/bin/sh
# hotato 1.20.0 (PyPI) on a stereo call in which nobody interrupts: the agent speaks, the caller answers 0.8 s later and speaks for
# 1.8 s, the agent answers 0.7 s after that. It reports 3.1 s of dead air, "the agent went quiet with no caller energy nearby":
# only 0.5 s are looked at, and the caller's turn counts as silence. With noise 15 dB below speech on both lines, it reports
# a barge-in of 3 s from the first sample on, in which the caller says nothing. Sounds are syllables of noise.
# Seen: "clean: dead-air at 3.15 (3.14 s); noisy: barge-in at 0.00 (3.00 s)". Exits with 1 when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check hotato==1.20.0
cd "$folder"
PATH="$folder/venv/bin:$PATH" python - <<'PYTHON'
import json, random, re, struct, subprocess, sys, wave

CALLER, AGENT = [(3.8, 5.6)], [(0.5, 3.0), (6.3, 9.0)]


def line(spans, noise):
    made = [random.gauss(0, noise) for _ in range(80_000)]
    for start_s, end_s in spans:
        for at in range(int(start_s * 8000), int(end_s * 8000)):
            made[at] += random.gauss(0, 3300) * (1.0 if at * 8 // 8000 % 2 else 0.4)
    return [max(-32768, min(32767, round(sample))) for sample in made]


def incident_in(noise_dbfs):
    random.seed(1)
    noise = 32768 * 10 ** (noise_dbfs / 20) if noise_dbfs else 0.0
    with wave.open("call.wav", "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<hh", *pair) for pair in zip(line(CALLER, noise), line(AGENT, noise))))
    told = subprocess.run(["hotato", "autopsy", "call.wav", "--format", "json"], check=True, capture_output=True).stdout
    first = min(json.loads(told)["incidents"], key=lambda incident: incident["t_sec"])
    return f"{first['kind_key']} at {first['t_sec']:.2f} ({re.search(r'=([0-9.]+)s', first['detail'])[1]} s)"


found = f"clean: {incident_in(None)}; noisy: {incident_in(-35)}"
print(found)
sys.exit(found != "clean: dead-air at 3.15 (3.14 s); noisy: barge-in at 0.00 (3.00 s)")
PYTHON
