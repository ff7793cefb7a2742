"""Each dialplan that we write is loaded by a real Asterisk without a warning, and called: both ends hear the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from support.peers import free_port
from support.plans import Bed, Caller, Phone, Tone, generated, tone_in
from support.running import Serve, missing
from support.testbed import testbed

pytestmark = pytest.mark.asterisk

SERVER_HZ = 800

FORMS = {
    "app": [],
    "channel": ["--codec", "slin16"],
    "failover": [],
    "failover-channel": ["--codec", "slin48"],
    "variables": [],
    "recording": [],
    "confbridge": ["--codec", "slin16"],
}
"""Forms for which one server is enough, with their options."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if testbed("status").returncode == 0:
        missing("an Asterisk runs already, without the modules that all forms need: stop it")
    made = Bed(tmp_path_factory.mktemp("etc"))
    if made.started.returncode:
        missing(f"no Asterisk to test with ({made.started.stderr.strip()})")
    assert made.complaints() == []
    yield made
    made.stop()


@pytest.mark.parametrize("style", ["extensions", "freepbx", "ael"])
def test_each_form_is_loaded_and_called(serve: Serve, bed: Bed, tmp_path: Path, style: str) -> None:
    known = bed.folder / "known"
    known.mkdir(exist_ok=True)
    serving = serve("--record", "calls", "--variables", known, "--tone", str(SERVER_HZ), "--json")
    texts, callers = {}, []
    for number, (form, options) in enumerate(FORMS.items()):
        servers = [f"127.0.0.1:{free_port()}", serving.target] if "failover" in form else [serving.target]
        own = ["--variables", f"{bed.inside}/known"] if form == "variables" else []
        extension = str(9092 + number) if style == "freepbx" else "100"
        place = [] if style == "freepbx" else ["--context", f"plan-{form}"]
        texts[f"plan-{form}"] = generated(
            *servers, "--form", form, "--for", style, "--extension", extension, *place, *options, *own
        )
        context = "from-internal" if style == "freepbx" else f"plan-{form}"
        callers.append(Caller(form, context, extension, 300 + 40 * number))
    own = "[from-internal]\ninclude => from-internal-custom\n" if style == "freepbx" else ""
    assert bed.load(style, texts, callers, own) == []
    offset = (bed.folder / "log" / "messages").stat().st_size
    bed.place(callers)
    print(bed.complaints(offset))
    serving.end()
    said = {}
    for path in tmp_path.glob("calls/*.wav"):
        samples, rate_hz = soundfile.read(path, dtype="int16")
        tone = tone_in(samples[:, 0], rate_hz)
        said[round(tone.hz / 20) * 20] = (path.stem, tone, rate_hz)
    for caller in callers:
        samples, rate_hz = soundfile.read(bed.folder / f"heard-{caller.name}.wav", dtype="int16")
        uuid, heard_there, there_hz = said.get(caller.hz, ("?", Tone(0, 0, 0), 0))
        print(
            f"{style:10} {caller.name:17} server ({there_hz}) heard {heard_there}   caller heard {tone_in(samples, rate_hz)}"
        )
        if caller.name == "variables":
            print(json.loads((tmp_path / "calls" / f"{uuid}.json").read_text())["variables"])
    assert list(known.iterdir()) == []


def test_a_phone_calls(serve: Serve, bed: Bed, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--tone", str(SERVER_HZ), "--json")
    assert bed.load("extensions", {"plan": generated(serving.target)}, []) == []
    phone = Phone(tmp_path / "phone", bed, 660)
    for number in ("100", "101"):
        process = phone.start(4, dial=number)
        print(process.communicate(timeout=20)[0])
        print(bed.cli("core show channels concise"))
        print(phone.heard())
    print(bed.complaints())
    serving.end()
    for path in tmp_path.glob("calls/*.wav"):
        samples, rate_hz = soundfile.read(path, dtype="int16")
        print(tone_in(samples[:, 0], rate_hz))
