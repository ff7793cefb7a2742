"""Each dialplan that we write is loaded by a real Asterisk without a warning, and called: both ends hear the other.

With `-s` this prints a table of what each end heard.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from websockets.sync.client import ClientConnection, connect

from audiosocket_cli.audio.pcm import tone
from support.peers import free_port
from support.plans import (
    PLAN_OF,
    Bed,
    Caller,
    Phone,
    Tone,
    curl_script,
    generated,
    query_of,
    running_bed,
    tone_in,
)
from support.running import Serve
from support.testbed import NORMAL_HANGUP

pytestmark = pytest.mark.asterisk

SERVER_HZ = 800

MOST_S = 2.0
"""Of 3 s of sound so much is heard on a busy machine, too, where things begin late."""

SERVER_DBFS = -15.0
CALLER_DBFS = -16.1

FORMS: dict[str, list[str]] = {
    "both": [],
    "app": [],
    "channel": ["--codec", "slin16"],
    "failover": [],
    "failover-channel": ["--codec", "slin48"],
    "variables": [],
    "recording": [],
    "confbridge": ["--codec", "slin24"],
}
"""Forms for which one server is enough, with their options."""

MORE_FORMS = ("transfer", "parking", "ari")
"""Forms that are called in tests of their own."""

REFUSED = ("res_audiosocket.c: Connecting to ", "res_audiosocket.c: Failed to connect to AudioSocket service")
"""What Asterisk logs of the first server of a fail-over."""


NO_MUSIC = "bridge_holding.c: Failed to start moh, starting silence generator instead"
"""The testbed has no music."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with running_bed(tmp_path_factory.mktemp("etc")) as made:
        assert made.complaints() == []
        yield made


def assert_tone(heard: Tone, hz: int, dbfs: float, seconds: float) -> None:
    assert heard.hz == pytest.approx(hz, abs=3)
    assert heard.dbfs == pytest.approx(dbfs, abs=0.5)
    assert heard.seconds >= seconds


def heard_by_server(folder: Path) -> dict[int, tuple[str, int, Tone]]:
    """UUID, rate and tone of each recording of the server, by the tone in steps of 20 Hz."""
    found = {}
    for path in folder.glob("*.wav"):
        samples, rate_hz = soundfile.read(path, dtype="int16")
        heard = tone_in(samples[:, 0], rate_hz)
        found[round(heard.hz / 20) * 20] = (path.stem, rate_hz, heard)
    return found


def row(style: str, name: str, there: str, heard_there: Tone, here: str, heard_here: Tone) -> None:
    """Put a row of the table, which `-s` shows."""
    sys.stdout.write(f"{style:10} {name:18} {there:16} {heard_there}   {here:6} {heard_here}\n")


@pytest.mark.parametrize("style", PLAN_OF)
def test_each_form_is_loaded_and_called(serve: Serve, bed: Bed, tmp_path: Path, style: str) -> None:
    known = bed.folder / "known"
    known.mkdir(exist_ok=True)
    serving = serve("--record", "calls", "--variables", known, "--tone", str(SERVER_HZ), "--json")
    texts, callers = {}, []
    for number, form in enumerate([*FORMS, *MORE_FORMS]):
        servers = [serving.target] if form in FORMS else [f"[::1]:{serving.port}"]
        servers = [f"[::1]:{free_port()}", *servers] if "failover" in form else servers
        extension = str(9092 + 2 * number) if style == "freepbx" else "100"
        options = ["--for", style, "--extension", extension, *FORMS.get(form, [])]
        options += [] if style == "freepbx" else ["--context", f"plan-{form}"]
        options += ["--variables", f"{bed.inside}/known"] if form == "variables" else []
        files = generated(tmp_path / form, *servers, "--form", form, *options)
        texts[f"plan-{form}"] = files[PLAN_OF[style]]
        context = "from-internal" if style == "freepbx" else f"plan-{form}"
        if form in FORMS:
            callers.append(Caller(form, context, extension, 300 + 40 * number))
    own = "[from-internal]\ninclude => from-internal-custom\n" if style == "freepbx" else ""
    assert bed.load(style, texts, callers, own) == []
    bed.place(callers)
    unexpected = [
        line
        for line in bed.complaints()
        if not line.startswith(REFUSED) and not line.partition(": ")[2].startswith(NORMAL_HANGUP)
    ]
    assert unexpected == []
    assert list(known.iterdir()) == []  # what is known of a caller does not stay
    serving.end()
    by_tone = heard_by_server(tmp_path / "calls")
    for caller in callers:
        uuid, rate_hz, heard_there = by_tone.pop(caller.hz)
        heard_here = bed.heard(caller.name)
        row(style, caller.name, f"server, {rate_hz} Hz", heard_there, "caller", heard_here)
        assert_tone(heard_there, caller.hz, CALLER_DBFS, MOST_S)
        assert_tone(heard_here, SERVER_HZ, SERVER_DBFS, MOST_S)
        codec = "".join(FORMS[caller.name][1:]) or "slin8"
        assert rate_hz == int(codec.removeprefix("slin")) * 1000
        if caller.name == "variables":
            told = json.loads((tmp_path / "calls" / f"{uuid}.json").read_text())["variables"]
            name = "Zoë Z x variables"  # without what would end a text of JSON
            assert told == {"number": f"+4930{caller.hz}", "name": name, "dialled": caller.extension}
        if caller.name == "recording":
            assert soundfile.info(bed.folder / "spool" / "monitor" / f"{uuid}.wav").duration > MOST_S
    assert by_tone == {}


def test_a_phone_calls_and_holds(serve: Serve, bed: Bed, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--tone", str(SERVER_HZ), "--json")
    plan = generated(tmp_path / "both", serving.target)
    conference = generated(tmp_path / "conference", serving.target, "--form", "confbridge", "--extension", "102")
    texts = {"both": plan["extensions.conf"], "conference": conference["extensions.conf"]}
    assert bed.load("extensions", texts, []) == []
    phones = {number: Phone(tmp_path / number, bed, hz) for number, hz in (("100", 400), ("101", 500), ("102", 600))}
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(phone.running(6, dial=number)) for number, phone in phones.items()]
        for phone in phones.values():
            phone.wait_until_registered()
        time.sleep(1.5)
        for phone in phones.values():
            phone.do("hold")
        time.sleep(1.5)
        for phone in phones.values():
            phone.do("resume")
        for process in running:
            process.wait(20)
    assert [line for line in bed.complaints() if not line.partition(": ")[2].startswith(NORMAL_HANGUP)] == []
    serving.end()
    by_tone = heard_by_server(tmp_path / "calls")
    for (number, phone), (hz, (uuid, rate_hz, heard)) in zip(phones.items(), sorted(by_tone.items()), strict=True):
        row("pjsip.conf", f"phone to {number}", f"server, {rate_hz} Hz", heard, "phone", phone.heard())
        assert_tone(heard, hz, SERVER_DBFS, MOST_S)
        assert_tone(phone.heard(), SERVER_HZ, SERVER_DBFS, 0.5)  # since the hold
        gaps = json.loads((tmp_path / "calls" / f"{uuid}.json").read_text())["caller"]["gaps"]
        longest_s = max((gap["length_s"] for gap in gaps), default=0.0)
        assert (
            longest_s < 0.7 if number == "102" else longest_s > 1.0
        )  # a conference goes on; a busy machine stands still


@pytest.mark.parametrize(("style", "release"), [("extensions", "22.10.1"), ("ael", "22.10.1"), ("extensions", "20.11")])
def test_a_caller_is_transferred_to_a_phone(serve: Serve, bed: Bed, tmp_path: Path, style: str, release: str) -> None:
    api = f"127.0.0.1:{free_port()}"
    bot = """echo '{"hangup": true, "result": "sales"}' >&3; cat >/dev/null"""
    serving = serve("--api", api, "--shell", "--exec", bot)
    plan = generated(
        tmp_path / "plan", serving.target, "--form", "transfer", "--api", api, "--for", style, release=release
    )
    caller = Caller("transfer", "phones", "100", 440, 2.5)
    assert bed.load(style, {"plan": plan[PLAN_OF[style]]}, [caller]) == []
    phone = Phone(tmp_path / "phone", bed, 660)
    with phone.running(20):
        phone.wait_until_registered()
        bed.place([caller])
    assert bed.complaints() == []
    row(style, f"transfer ({release})", "phone 200", phone.heard(), "caller", bed.heard("transfer"))
    assert_tone(phone.heard(), 440, CALLER_DBFS, 1.0)
    assert_tone(bed.heard("transfer"), 660, -15.0, 1.0)


def test_a_caller_is_parked_and_picked_up_or_comes_back(serve: Serve, bed: Bed, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", tone(SERVER_HZ, 8000, 1.0), 8000)
    serving = serve("--play", "short.wav", "--hangup", "--record", "calls")
    plan = generated(tmp_path / "plan", serving.target, "--form", "parking")
    waits = Caller("waits", "phones", "100", 440, 5.0)
    gives_up = Caller("back", "phones", "100", 480, 6.5)
    picks_up = Caller("picks", "phones", "901", 520, 2.0)
    assert bed.load("extensions", {"plan": plan["extensions.conf"]}, [waits, gives_up, picks_up]) == []
    bed.place([waits], wait=False)
    while "(none)" in bed.cli("parking show audiosocket"):
        pass
    bed.place([gives_up], wait=False)
    bed.place([picks_up])
    assert set(bed.complaints()) <= {NO_MUSIC}
    row("extensions", "parking", "who picks up", bed.heard("picks"), "caller", bed.heard("waits"))
    assert_tone(bed.heard("picks"), 440, CALLER_DBFS, 1.0)
    serving.end()
    assert len(list(tmp_path.glob("calls/*.wav"))) == 3  # who is not picked up is with the server again


def test_after_a_call_that_the_server_ended_there_is_no_fail_over(serve: Serve, bed: Bed, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", tone(SERVER_HZ, 8000, 0.5), 8000)
    first, second = serve("--play", "short.wav", "--hangup"), serve()
    callers, texts = [], {}
    for form in ("failover", "failover-channel"):
        plan = generated(tmp_path / form, first.target, second.target, "--form", form, "--context", f"plan-{form}")
        texts[form] = plan["extensions.conf"]
        callers.append(Caller(form, f"plan-{form}", "100", 440, 2.0))
    assert bed.load("extensions", texts, callers) == []
    bed.place(callers)
    assert bed.complaints() == []
    assert first.end()[2].startswith("answered 2 calls")
    assert second.end()[2].startswith("answered 0 calls")


def test_ari_connects_a_caller_by_json_and_by_a_query(serve: Serve, bed: Bed, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--tone", str(SERVER_HZ))
    by_json = bed.script.replace("127.0.0.1:9092", serving.target)
    callers = [Caller("json", "phones", "100", 440), Caller("query", "phones", "100", 480)]
    plan = generated(tmp_path / "plan", serving.target, "--form", "ari")
    assert bed.load("extensions", {"plan": plan["extensions.conf"]}, callers) == []
    with connect(bed.events(), close_timeout=1) as events:
        media = []
        for caller, script in zip(callers, (by_json, query_of(by_json)), strict=True):
            bed.place([caller], wait=False)
            done = curl_script(bed, next_channel(events), script)
            assert done.returncode == 0, done.stdout + done.stderr
            media.append(next_channel(events))
        time.sleep(3)
        for channel in media:  # which do not end with the caller
            bed.cli(f"channel request hangup {channel}")
    assert bed.complaints() == []
    serving.end()
    by_tone = heard_by_server(tmp_path / "calls")
    for caller in callers:
        uuid, rate_hz, heard = by_tone.pop(caller.hz)
        row("ari", caller.name, f"server, {rate_hz} Hz", heard, "caller", bed.heard(caller.name))
        assert f"audiosocket-{uuid}" in media
        assert_tone(heard, caller.hz, CALLER_DBFS, 1.5)
        assert_tone(bed.heard(caller.name), SERVER_HZ, SERVER_DBFS, 1.5)


def next_channel(events: ClientConnection) -> str:
    """Return the next channel that enters the application."""
    while (event := json.loads(events.recv(timeout=10)))["type"] != "StasisStart":
        pass
    channel: str = event["channel"]["id"]
    return channel
