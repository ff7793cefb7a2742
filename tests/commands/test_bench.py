"""`audiosocket bench`: real calls to servers of ours and of another make, with faults that have to show."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.cli import root
from audiosocket_cli.errors import UsageError
from support.nobody import as_nobody
from support.peers import free_port, get
from support.running import COMMAND, Serve, run, wait_until

OTHER_MAKE = '''
import array, asyncio, sys

delay_s, bot = float(sys.argv[1]), sys.argv[2:] == ["bot"]
loud = b"\\x10\\x01\\x40" + array.array("h", [8000, 8000, -8000, -8000] * 40).tobytes()


async def talk(state, writer):
    """Answer for half a second, so long after the caller fell silent; fall silent when interrupted."""
    loop, left, start_s, number = asyncio.get_running_loop(), 0, asyncio.get_running_loop().time(), 0
    while not writer.is_closing():
        await asyncio.sleep(max(0, start_s + number * 0.02 - loop.time()))
        number += 1
        if state["heard_s"] and loop.time() - state["heard_s"] >= delay_s:
            state["heard_s"], left = 0, 25
        writer.write(loud if left else b"\\x10\\x01\\x40" + bytes(320))
        left = max(0, left - 1)


async def answer(reader, writer):
    loop, state = asyncio.get_running_loop(), {"heard_s": 0}
    talking = asyncio.create_task(talk(state, writer)) if bot else None
    try:
        while True:
            header = await reader.readexactly(3)
            payload = await reader.readexactly(int.from_bytes(header[1:], "big"))
            if header[0] == 0x10 and not bot:
                loop.call_later(delay_s, lambda data=header + payload: writer.is_closing() or writer.write(data))
            elif header[0] == 0x10 and max(map(abs, array.array("h", payload))) > 500:
                state["heard_s"] = loop.time()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
'''
"""A server that shares no code with ours: an echo with a delay, or a bot that waits so long before it answers."""


@pytest.fixture
def other_make() -> Iterator[Callable[..., str]]:
    """Start such a server; returns its address."""
    started = []

    def start(*args: str) -> str:
        process = subprocess.Popen([sys.executable, "-c", OTHER_MAKE, *args], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return f"127.0.0.1:{process.stdout.readline().strip()}"

    yield start
    for process in started:
        process.kill()
        process.communicate()


def bench(target: str, *args: str | Path, code: int = 0, may_be_late: bool = False) -> dict[str, Any]:
    """Run it, with a bound on lateness that a busy machine keeps, and return its JSON. `may_be_late`: its calls are so
    short that such a machine may not send all of their frames."""
    done = run("bench", target, "--max-lateness", "1000", *args, "--json")
    is_late = may_be_late and "frames were not sent by the end of their calls" in done.stderr
    assert is_late or done.returncode == code, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def test_a_known_delay_is_measured(other_make: Callable[..., str]) -> None:
    values = bench(other_make("0.05"), "--calls", "3", "--duration", "3s")["values"]
    assert 49.9 < values["echo_actual_p50"] < 69  # a frame more would be wrong
    assert values["echo_p50"] >= values["echo_actual_p50"] - 0.5
    assert values["turn_p50"] is None
    assert (values["errors"], values["placed"], values["connected"]) == (0, 3, 3)
    assert values["marks_heard"] > 0.9 * values["marks_sent"] > 30
    assert values["hangup_p50"] < 1000


def test_how_long_a_bot_takes_is_measured(other_make: Callable[..., str]) -> None:
    content = bench(other_make("0.4", "bot"), "--calls", "2", "--duration", "8s")
    values = content["values"]
    assert content["counts"]["turn"] >= 2
    assert 399 < values["turn_p50"] < 650
    assert values["echo_p50"] is None
    assert content["counts"]["echo"] == 0
    assert values["first_speech_p50"] > 1000


def test_a_server_that_stood_still_shows_from_when_it_was_due(serve: Serve) -> None:
    serving = serve("--echo")

    def stand_still() -> None:
        for _ in range(3):
            serving.wait_for(" call ")
        time.sleep(2.0)
        serving.process.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        serving.process.send_signal(signal.SIGCONT)

    stopping = threading.Thread(target=stand_still)
    stopping.start()
    values = bench(serving.target, "--calls", "3", "--duration", "5s")["values"]
    stopping.join()
    assert 600 < values["echo_max"] < 5000
    assert values["echo_p95"] > 300
    assert values["gaps_100"] >= 3
    assert values["bursts"] >= 3


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A run against an echo, kept in a file; what was printed, and the file."""
    path = tmp_path_factory.mktemp("bench") / "new" / "old.json"
    command = [*COMMAND, "serve", "--echo", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as serving:
        assert serving.stderr is not None
        port = re.findall(r":(\d+)", serving.stderr.readline())[0]
        done = run("bench", f"127.0.0.1:{port}", "--max-lateness", "1000", "--calls", "4", "--processes", "2",
                   "--duration", "2s", "--pid", str(serving.pid), "--output", path,
                   "--threshold", "errors<=0")  # fmt: skip
        serving.kill()
    assert done.returncode == 0, done.stderr
    return done.stdout, path


def test_a_kept_result_is_reported_again(kept: tuple[str, Path]) -> None:
    printed, path = kept
    done = run("bench", "report", path)
    assert (done.returncode, done.stdout) == (0, printed.replace("passed: 1 of 1 checks, ", ""))
    assert "4 calls placed, 4 connected" in " ".join(printed.split())
    assert "% CPU" in printed
    content = json.loads(run("bench", "report", path, "--json").stdout)
    assert content["schema"] == "audiosocket.bench/1"
    assert content["settings"]["processes"] == 2
    assert content["values"]["rss_mib"] > 1
    rows = json.loads(path.read_text())["calls"]
    assert [row["call"] for row in sorted(rows, key=lambda row: row["call"])] == [0, 1, 2, 3]
    assert {row["ended"] for row in rows} == {"caller (closed)"}
    table = list(csv.reader(run("bench", "report", path, "--csv").stdout.splitlines()))
    assert table[0] == ["name", "value"]
    assert dict(table[1:])["placed"] == "4.000"


def test_a_kept_result_has_how_it_went_over_time(kept: tuple[str, Path]) -> None:
    content = json.loads(kept[1].read_text())
    series = content["series"]
    assert series["step_s"] == 1.0
    assert sum(series["counts"]["placed"]) == 4
    assert max(filter(None, series["calls_open"])) == 4
    assert {name: sum(rows["count"]) for name, rows in series["times"].items()} == {
        name: count for name, count in content["counts"].items() if count
    }
    assert max(filter(None, series["times"]["echo"]["p99"])) <= content["values"]["echo_max"] * 1.01
    assert max(filter(None, series["rss_mib"])) == content["values"]["rss_mib"]
    assert any(value is not None for value in series["cpu_percent"])
    assert content["thresholds"] == ["errors<=0"]


def test_a_kept_result_has_a_page(kept: tuple[str, Path], tmp_path: Path) -> None:
    done = run("report", kept[1], kept[1], "-o", tmp_path / "load.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "load.html").read_text()
    assert "Load test of 127.0.0.1:" in page
    assert "1 of 1 thresholds, no errors in 4 calls" in page
    done = run("report", kept[1], kept[1], kept[1], "-o", tmp_path / "three.html")
    assert (done.returncode, "one result of bench, or two side by side, not 3" in done.stderr) == (2, True)
    broken = tmp_path / "broken.json"
    broken.write_text(kept[1].read_text().replace('"step_s": 1.0', '"step_s": -1'))
    done = run("report", broken, "-o", tmp_path / "broken.html")
    assert (done.returncode, done.stderr) == (
        5, f"audiosocket: error: cannot read {broken}: it is not complete: steps of -1.0 s\n"
    )  # fmt: skip


def test_thresholds_and_comparisons_decide_the_exit_code(kept: tuple[str, Path], tmp_path: Path) -> None:
    _, path = kept
    done = run("bench", "report", path, "--threshold", "errors<=0", "--threshold", "echo_p50<10s")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "passed: 2 of 2 checks, no errors in 4 calls")
    done = run("bench", "report", path, "--threshold", "echo_p50<0.001ms")
    assert (done.returncode, done.stdout.startswith("failed: echo_p50<0.001ms: it is")) == (1, True)
    done = run("bench", "report", path, "--threshold", "echo_p50<0.001ms", "--csv")
    assert (done.returncode, done.stderr.startswith("failed: echo_p50<0.001ms: it is")) == (1, True)
    assert run("bench", "report", path).stdout.startswith("no errors in 4 calls\n")
    assert run("bench", "report", path, "--compare", path, "--fail-on-regression", "10%").returncode == 0
    older = json.loads(path.read_text())
    echo = older["figures"]["times"]["echo"]
    echo |= {"buckets": [[0, echo["count"]]], "max_ms": 0.01, "min_ms": 0.01}
    older["figures"]["heard_audio_s"] *= 2
    (tmp_path / "older.json").write_text(json.dumps(older))
    done = run("bench", "report", path, "--compare", tmp_path / "older.json", "--fail-on-regression", "10%")
    assert done.returncode == 1
    assert re.search(r"^audio_rate .* 50% worse REGRESSION$", done.stdout, re.MULTILINE)
    assert re.search(r"\A(failed: .*\n)*failed: audio_rate is \S+, and was \S+: 50% worse\n", done.stdout)


def test_a_generator_that_is_late_makes_the_run_invalid(serve: Serve) -> None:
    done = run("bench", serve("--echo").target, "--duration", "1s", "--max-lateness", "0.001")
    assert done.returncode == 1
    assert re.match(r"INVALID: .* use fewer --calls,\n +more (.*\n)+INVALID: 1 % of the frames were sent ", done.stdout)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_nobody_there_is_one_line() -> None:
    done = run("bench", "127.0.0.1:1", "--calls", "3", "--duration", "1s")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    assert "connection refused; is a server listening there?" in done.stderr


def test_arrivals_come_at_their_rate_but_no_more_at_once_than_allowed(serve: Serve) -> None:
    args = ["--rate", "10", "--call-duration", "1s", "--max-calls", "4", "--duration", "2s"]
    content = bench(serve("--echo").target, *args, may_be_late=True)
    values = content["values"]
    assert values["placed"] + values["left_out"] == 20
    assert values["left_out"] > 5
    assert values["calls_at_once"] == 4
    assert content["elapsed_s"] < 30


def test_callers_whose_server_hangs_up_call_again(serve: Serve, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "bye.wav", tone(700, 8000, 0.3), 8000)
    serving = serve("--play", tmp_path / "bye.wav", "--hangup")
    values = bench(serving.target, "--calls", "2", "--duration", "3s")["values"]
    assert values["ended_by_server"] >= 4
    assert values["errors"] == 0


def test_a_server_that_breaks_the_protocol_is_an_error_by_its_reason() -> None:
    source = ("import socket\nl = socket.create_server(('127.0.0.1', 0))\nprint(l.getsockname()[1], flush=True)\n"
              "while True:\n c, _ = l.accept()\n c.sendall(b'\\x03\\0\\x015')\n")  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        content = bench(f"127.0.0.1:{server.stdout.readline().strip()}", "--duration", "1s")
        server.kill()
    assert content["values"]["fault"] == content["values"]["errors"] >= 1
    assert "only audio and hangup are allowed" in next(iter(content["reasons"]))


def test_sound_files_are_said_in_frames_of_any_length_and_kind(serve: Serve, tmp_path: Path) -> None:
    voices = tmp_path / "voices"
    voices.mkdir()
    soundfile.write(voices / "one.wav", tone(440, 16000, 0.5), 16000)
    soundfile.write(voices / "two.wav", tone(600, 8000, 0.5), 8000)
    args = ["--audio", voices, "--kind", "slin16", "--frame-ms", "30", "--duration", "3s"]
    values = bench(serve("--echo").target, *args)["values"]
    assert values["first_speech_p50"] is not None
    assert values["marks_heard"] > 10
    (voices / "three.txt").write_text("no sound")
    done = run("bench", "127.0.0.1:1", *args)
    assert (done.returncode, done.stdout) == (5, "")
    assert "three.txt" in done.stderr


def test_the_first_signal_ends_calls_in_order_and_prints_what_there_is(serve: Serve) -> None:
    port = free_port()
    serving = serve("--echo", "--metrics", f"127.0.0.1:{port}")
    words = ["bench", serving.target, "--duration", "60s", "--max-lateness", "10s", "--json"]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    serving.wait_for("call")
    said = re.compile(r'audiosocket_frames_total\{kind="slin",side="server"\} ([\d.]+)')
    wait_until(lambda: (found := said.search(get(port, "/metrics")[1])) and float(found[1]) >= 40)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
    content = json.loads(out)
    assert content["signal"] == signal.SIGINT
    assert content["values"]["errors"] == 0
    assert content["values"]["marks_heard"] > 0


def test_a_terminal_shows_how_it_goes_and_keeps_the_result_alone(serve: Serve) -> None:
    controller, terminal = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "bench", serve("--echo").target, "--duration", "3s", "--json"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm"},
        check=False,
    )
    os.close(terminal)  # fmt: skip
    shown = os.read(controller, 1 << 16).decode()
    os.close(controller)
    assert re.search(r"2 of 3 s, 1 calls, echo p95 ", shown)
    assert json.loads(done.stdout)["values"]["placed"] == 1


def test_the_limit_is_looked_for_until_a_threshold_breaks(serve: Serve) -> None:
    serving = serve("--echo", "--max-calls", "3")
    done = run("bench", serving.target, "--find-limit", "--calls", "2", "--max-calls", "8", "--duration", "1s",
               "--threshold", "ended_by_server<=0", "--max-lateness", "1000", "--json")  # fmt: skip
    content = json.loads(done.stdout)
    assert (done.returncode, content["held_calls"], content["broke_calls"]) == (0, 3, 4)
    assert content["generator_was_the_limit"] is False


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["a:1", "b:2"], "one TARGET"),
        (["a:1", "--calls", "2", "--rate", "1"], "two different loads"),
        (["a:1", "--max-calls", "2"], "needs --rate"),
        (["a:1", "--find-limit"], "add --threshold"),
        (["a:1", "--fail-on-regression", "10%"], "add --compare"),
        (["a:1", "--threshold", "turn_p96<1s"], "do you mean turn_p99, turn_p95"),
        (["a:1", "--stages", "10"], "is not a stage"),
        (["a:1", "--csv", "--json"], "choose one"),
        (["a:1", "--pid", "99999999"], "no such process"),
        (["report"], "bench report FILE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line(args: list[str], words: str) -> None:
    done = run("bench", *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr


def test_files_are_neither_overwritten_nor_misread(tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    path.write_text("mine")
    done = run("bench", "127.0.0.1:1", "--output", path)
    assert (done.returncode, path.read_text()) == (2, "mine")
    done = run("bench", "report", path)
    assert (done.returncode, "bench --output wrote" in done.stderr) == (5, True)
    assert run("bench", "report", tmp_path / "none.json").returncode == 5


def test_a_result_that_cannot_be_kept_is_refused_before_the_load(tmp_path: Path) -> None:
    done = run("bench", "127.0.0.1:1", "--duration", "1s", "--output", "/dev/null/none/b.json")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("audiosocket: error: cannot write /dev/null/none/b.json: ")
    done = run("bench", "127.0.0.1:1", "--duration", "1s", "--output", tmp_path / ("n" * 300))
    assert (done.returncode, done.stderr.endswith("file name too long\n")) == (2, True)


def test_a_result_is_not_kept_over_a_file_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.json").touch()
    (tmp_path / "b.json").chmod(0o444)
    monkeypatch.chdir(tmp_path)
    with as_nobody(tmp_path), pytest.raises(UsageError, match=r"cannot write b\.json: permission denied"):
        root.main(["bench", "127.0.0.1:1", "--duration", "1s", "--output", "b.json", "--force"], standalone_mode=False)


# Nobody there, or nobody any more.


def test_with_nobody_there_it_ends_at_once() -> None:
    begun_s = time.monotonic()
    done = run("bench", "127.0.0.1:1", "--calls", "3", "--duration", "5m")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    assert "connection refused; is a server listening there?" in done.stderr
    assert time.monotonic() - begun_s < 60


def test_a_server_that_dies_ends_the_load_with_code_1(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--calls", "2")  # then the port is closed
    begun_s = time.monotonic()
    options = [
        "--calls",
        "2",
        "--call-duration",
        "1s",
        "--duration",
        "5m",
        "--json",
        "--output",
        tmp_path / "kept.json",
    ]
    done = run("bench", serving.target, *options, timeout=120)
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result["values"]["connected"] == 2
    assert 0 < result["gone_s"] < 30
    assert "failed: the server was gone after " in done.stderr
    assert time.monotonic() - begun_s < 100
    again = run("bench", "report", tmp_path / "kept.json")
    assert again.returncode == 1
    assert re.search("^failed: the server was gone after ", again.stdout, re.MULTILINE)  # INVALID may stand first


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--calls", "100000"], "100000 calls at once need 100000 local ports"),
        (["--rate", "10000", "--call-duration", "60s", "--duration", "60s"], "local ports"),
        (["--stages", "10:1s,90000:1s"], "90000 calls at once need 90000 local ports"),
        (["--find-limit", "--max-calls", "99999", "--threshold", "errors<=0"], "99999 calls at once need 99999"),
    ],
)
def test_more_calls_than_this_machine_can_hold_are_refused(args: list[str], says: str) -> None:
    done = run("bench", "127.0.0.1:1", *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr


def test_more_calls_than_open_files_are_refused() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    done = subprocess.run(
        [*COMMAND, "bench", "127.0.0.1:1", "--calls", "500", "--processes", "1"],
        capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
    )  # fmt: skip
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
    assert done.returncode == 2
    assert "500 calls at once need 500 open files, and 1 process can have 224" in done.stderr


def test_what_is_odd_about_a_sound_file_is_told(serve: Serve, tmp_path: Path) -> None:
    soundfile.write(path := tmp_path / "tone.wav", tone(440, 8000, 2.0), 8000)
    path.write_bytes(path.read_bytes()[:-16000])
    done = run("bench", serve("--echo").target, "--calls", "1", "--duration", "1", "--audio", path)
    assert f"{path}: it is cut short: its header promises 2.00 s, but it has 1.00 s\n" in done.stderr
