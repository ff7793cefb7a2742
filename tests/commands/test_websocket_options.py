"""The commands that place calls, with bots of another make that speak WebSocket."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from support.bot_calls import Seen, answering_bot, answers, echo, greets, listen
from support.peers import free_port
from support.running import run

COMMANDS = {
    "play": ["play"],
    "record": ["record", "OUT.wav"],
    "inject-dtmf": ["inject-dtmf", "1"],
    "replay": ["replay", "call.jsonl"],
    "bench": ["bench"],
    "check": ["check"],
}
each_command = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "call.jsonl").write_text('{"silence_ms": 200}\n{"digit": "5"}\n{"silence_ms": 300}\n')


def is_in(said: np.ndarray, heard: np.ndarray) -> bool:
    """Whether 0.1 s are heard again within half a second."""
    at = int(np.argmax(np.correlate(heard, said, "valid")))
    return bool(np.corrcoef(heard[at : at + len(said)], said)[0, 1] > 0.95)


@pytest.mark.parametrize("protocol", ["twilio", "chan-websocket", "raw"])
def test_play_hears_what_a_bot_says(protocol: str) -> None:
    with answering_bot(echo, protocol) as url:
        done = run("play", url, "--protocol", protocol, "--wait", "0.3", "--record", "both.wav", "--layout", "stereo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ended by caller (closed)" in done.stdout
    samples, rate_hz = soundfile.read("both.wav")
    assert rate_hz == 8000
    pieces = [(samples[at : at + 800, 0], samples[at : at + 4800, 1]) for at in range(0, 32000, 800)]
    spoken = [(said, heard) for said, heard in pieces if np.abs(said).max() > 0.05]
    assert len(spoken) > 20
    assert sum(is_in(said, heard) for said, heard in spoken) > 0.3 * len(spoken)  # a busy machine may be late in some


def test_record_keeps_a_greeting_and_who_hung_up() -> None:
    with answering_bot(greets(), "twilio") as url:
        done = run("record", "greeting.wav", url, "--protocol", "twilio", "--json")
    assert done.returncode == 0
    samples, _ = soundfile.read("greeting.wav")
    assert 0.45 < np.count_nonzero(np.abs(samples) > 0.02) / 8000 < 0.55
    ended = json.loads(done.stdout.splitlines()[-1])
    assert (ended["call"]["peer"], ended["call"]["ended_how"]) == (url, "hangup")
    assert ended["call"]["bridge"]["said_s"] == 0.5


def test_keys_arrive_as_digits() -> None:
    seen = Seen()
    with answering_bot(listen, "chan-websocket", seen) as url:
        done = run("inject-dtmf", "1#", url, "--protocol", "chan-websocket", "--after", "0.2", "--rate", "16000")
    assert done.returncode == 0
    assert seen.digits == ["1", "#"]
    assert seen.starts[0]["format"] == "slin16"


def test_a_script_and_a_captured_call_are_replayed(tmp_path: Path) -> None:
    seen = Seen()
    with answering_bot(greets(then="go on"), "twilio", seen) as url:
        assert run("replay", "call.jsonl", url, "--protocol", "twilio").returncode == 0
        assert seen.digits == ["5"]
        done = run("play", url, "--protocol", "twilio", "--wait", "0.3", "--capture", "call.pcapng")
        assert done.returncode == 0
        again = run("replay", "call.pcapng", url, "--protocol", "twilio", "--expect", "same",
                    "--tolerance", "1s")  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    dumped = run("dump", "call.pcapng")
    assert f":{url.split(':')[2].split('/')[0]}" in dumped.stdout


@pytest.mark.parametrize("protocol", ["twilio", "chan-websocket"])
def test_bench_measures_a_known_delay(protocol: str) -> None:
    """A bot that answers 300 ms after the caller's last word: half of the turns take 300 ± 25 ms (here, 280 to 350)."""
    with answering_bot(answers(0.3), protocol) as url:
        done = run("bench", url, "--protocol", protocol, "--calls", "3", "--duration", "9s", "--json",
                   "--max-lateness", "1s")  # fmt: skip
    result = json.loads(done.stdout)
    assert result["settings"]["target"] == url
    assert result["counts"]["turn"] >= 3
    assert 280 <= result["values"]["turn_p50"] <= 350
    assert result["values"]["errors"] == 0
    assert result["values"]["hangups_unanswered"] == 0


def test_bench_knows_an_echo_through_mu_law_from_several_processes() -> None:
    with answering_bot(echo, "twilio") as url:
        done = run("bench", url, "--protocol", "twilio", "--calls", "4", "--duration", "3s", "--processes", "2",
                   "--json", "--max-lateness", "1s")  # fmt: skip
    result = json.loads(done.stdout)
    counts = result["counts"]
    assert counts["connect"] == 4
    assert counts["echo"] > 30
    assert counts["turn"] == 0
    assert result["values"]["echo_p50"] < 100


def test_bench_counts_bots_that_die() -> None:
    with answering_bot(greets(then="die"), "twilio") as url:
        done = run("bench", url, "--protocol", "twilio", "--calls", "1", "--duration", "2s", "--json",
                   "--threshold", "errors<=0")  # fmt: skip
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["values"]["reset"] == result["values"]["errors"] >= 1
    assert any("is gone: the connection ended without a close [bot-lost]" in finding for finding in result["findings"])


def test_check_tries_what_concerns_such_a_bot() -> None:
    with answering_bot(echo, "twilio") as url:
        done = run("check", url, "--protocol", "twilio", "--json", "--only", "start/", "--only", "kind/", "--only",
                   "frame/split-header", "--only", "end/caller-closes", "--only", "load/10-calls")  # fmt: skip
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    verdicts = {case["id"]: case["verdict"] for case in report["cases"]}
    passed = {"start/goes-on", "kind/digits", "kind/slin", "end/caller-closes", "load/10-calls"}
    assert {case_id for case_id, verdict in verdicts.items() if verdict == "pass"} == passed
    assert {verdict for case_id, verdict in verdicts.items() if case_id not in passed} == {"skip"}
    (split,) = [case for case in report["cases"] if case["id"] == "frame/split-header"]
    assert split["observed"].startswith("a WebSocket bot gets no AudioSocket frames")


def test_check_repeats_a_failure_with_the_same_bot() -> None:
    with answering_bot(answers(0.3), "twilio") as url:
        done = run("check", url, "--protocol", "twilio", "--only", "turn/answers", "--turn-within", "0.1s")
    assert "judged for Asterisk" not in done.stdout
    assert f"audiosocket check {url} --only turn/answers --protocol twilio --turn-within 0.1s" in done.stdout


@each_command
def test_nobody_there_is_told_in_one_line(command: str) -> None:
    url = f"ws://127.0.0.1:{free_port()}/ws"
    done = run(*COMMANDS[command], url, "--protocol", "twilio")
    assert done.returncode == 3
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("audiosocket: error: ")]
    assert line == f"audiosocket: error: cannot connect to {url}: connection refused; does the bot listen there?"


@each_command
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["ws://bot/ws"], "which protocol does ws://bot/ws speak? Add --protocol twilio, chan-websocket or raw"),
        (["bot:9092", "--protocol", "twilio"], "--protocol is for a TARGET as ws://host:port/path, and no WebSocket"),
        (["bot:9092", "--headers-file", "h"], "--headers-file is for a TARGET as ws://"),
        (["http://bot/ws", "--protocol", "twilio"], "'http://bot/ws' is not the URL of a WebSocket"),
        (["ws://me:word@bot/ws", "--protocol", "twilio"], "all who can list processes would see the password"),
        (["ws://bot/ws", "--protocol", "twilio", "--ca", "ca.pem"], "--ca is for wss://"),
        (["ws://bot/ws", "--protocol", "sip"], "'sip' is not one of 'twilio', 'chan-websocket', 'raw'"),
        (["ws://bot:{port}/ws", "--protocol", "twilio"], "{port} in a URL needs a command that starts the bot"),
    ],
)
def test_what_does_not_fit_is_refused(command: str, words: list[str], reason: str) -> None:
    done = run(*COMMANDS[command], *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "word@" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["play", "--rate", "16000"], ["record", "OUT.wav", "--kind", "slin16"], ["inject-dtmf", "1", "--rate", "16000"],
        ["bench", "--kind", "slin16"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_twilio_has_one_rate(words: list[str]) -> None:
    done = run(*words[:2] if words[0] in ("record", "inject-dtmf") else words[:1], "ws://bot/ws", *words[-2:],
               "--protocol", "twilio")  # fmt: skip
    assert done.returncode == 2
    assert "Twilio's audio has 8000 Hz, not 16000" in done.stderr


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["replay", "call.jsonl", "ws://bot/ws", "--timing", "fast"], "--timing fast"),
        (["replay", "call.jsonl", "ws://bot/ws", "--speed", "2"], "--speed"),
        (["check", "ws://bot/ws", "--asterisk", "20.12"], "--asterisk"),
    ],
)
def test_what_only_audiosocket_servers_have_is_refused(words: list[str], option: str) -> None:
    done = run(*words, "--protocol", "twilio")
    assert done.returncode == 2
    assert "leave " in done.stderr
    assert option in done.stderr


@pytest.mark.parametrize("command", ["play", "record", "inject-dtmf", "replay"])
def test_a_call_that_is_waited_for_has_no_protocol(command: str) -> None:
    done = run(*COMMANDS[command], "--listen", "127.0.0.1:0", "--protocol", "twilio")
    assert done.returncode == 2
    assert "--listen waits for an AudioSocket call" in done.stderr


def test_the_environment_names_the_protocol_once_for_all_calls() -> None:
    seen = Seen()
    with answering_bot(listen, "twilio", seen) as url:
        done = run("inject-dtmf", "7", url, "--after", "0.1", AUDIOSOCKET_INJECT_DTMF_PROTOCOL="twilio")
    assert done.returncode == 0
    assert seen.digits == ["7"]
    other = run("play", f"127.0.0.1:{free_port()}", AUDIOSOCKET_PLAY_PROTOCOL="twilio")
    assert other.returncode == 3


@pytest.mark.parametrize(("protocol", "key"), [("twilio", "customParameters"), ("chan-websocket", "channel_variables")])
def test_a_bot_is_told_of_the_caller(protocol: str, key: str) -> None:
    seen = Seen()
    with answering_bot(listen, protocol, seen) as url:
        done = run("inject-dtmf", "7", url, "--after", "0.1", "--protocol", protocol, "--variable", "from=+49 30",
                   "--variable", "empty=")  # fmt: skip
    assert done.returncode == 0
    assert seen.starts[0][key] == {"from": "+49 30", "empty": ""}
    wrong = run("play", url, "--protocol", protocol, "--variable", "+49")
    assert wrong.returncode == 2
    assert "'+49' is not a variable: write NAME=VALUE" in wrong.stderr


def test_a_header_from_a_file_arrives() -> None:
    Path("headers.txt").write_text("Authorization: Bearer secret\n")
    seen = Seen()
    with answering_bot(listen, "twilio", seen) as url:
        done = run("inject-dtmf", "7", url, "--after", "0.1", "--protocol", "twilio", "--headers-file", "headers.txt")
    assert done.returncode == 0
    assert seen.headers[0]["Authorization"] == "Bearer secret"
