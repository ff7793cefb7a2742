"""Locust with our callers: a master with real workers on loopback, judged by the tables that Locust itself writes, and
by the verdict of `bench` on all workers together."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.bot_calls import answering_bot, echo
from support.peers import free_port
from support.running import Serve, Serving, children_of, missing

LOCUSTFILE = Path(__file__).parents[2] / "scripts" / "locustfile.py"

CALLERS = """
from collections import Counter
from locust import events
from audiosocket_cli.bench.locust import AudioSocketUser

class Caller(AudioSocketUser):
    call_duration_s = 2
    max_lateness_ms = 1000  # of a busy machine

told = Counter()
events.request.add_listener(lambda name, **_: told.update([name]))
events.quitting.add_listener(lambda **_: print(f"told {told['call']} calls", flush=True))
"""


class Row(NamedTuple):
    """What Locust's table says of a name; times in ms."""

    requests: int
    failures: int
    average: int
    least: int
    most: int


@pytest.fixture(autouse=True)
def locust_is_there() -> None:
    """In a process of its own only: who imports Locust has patched sockets and threads."""
    if find_spec("locust") is None:
        missing("locust is not installed")


def start(*args: str | Path, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "locust", *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")},
    )  # fmt: skip


def locust(file: Path, target: str, *args: str, workers: int = 0) -> tuple[int, list[str], dict[str, Row]]:
    """Run it, with so many workers; returns its exit code, what each process said, and the table printed, by name."""
    distributed: list[list[str]] = []
    if workers:
        port = str(free_port())
        args += ("--master", "--master-bind-port", port, "--expect-workers", str(workers))
        distributed = [["--worker", "--master-host", "127.0.0.1", "--master-port", port]] * workers
    args = ("--headless", "--only-summary", "--csv", "table", *args)
    running = [start("-f", file, "--host", target, *args, cwd=file.parent)]
    try:
        running += [start("-f", file, *each, cwd=file.parent) for each in distributed]
        said = [process.communicate(timeout=60)[0] for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.communicate()
    found = re.findall(r"^audiosocket +(.+?) +(\d+) +(\d+)\([\d.]+%\) \| +(\d+) +(\d+) +(\d+) ", said[0], re.MULTILINE)
    return running[0].returncode, said, {name: Row(*map(int, numbers)) for name, *numbers in found}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "locustfile.py"
    path.write_text(CALLERS)
    return path


def test_a_master_and_two_workers_load_a_server(serve: Serve, file: Path) -> None:
    serving = serve("--echo", "--json")
    code, said, rows = locust(file, serving.target, "-u", "6", "-r", "6", "-t", "6s", workers=2)
    assert code == 0, said
    calls = rows["call"].requests
    assert calls >= 12
    told = [int(number) for each in said[1:] for number in re.findall(r"^told (\d+) calls$", each, re.MULTILINE)]
    assert len(told) == 2
    assert calls <= sum(told) <= 24  # a master waits half a second for the last reports, as long as it takes or not
    assert min(told) >= 6  # three users each, and two calls
    assert {name: row.failures for name, row in rows.items()} == dict.fromkeys(
        ["call", "connect", "first byte", "first speech", "echo", "hangup", "our lateness"], 0
    )
    assert {rows[name].requests for name in ("hangup", "our lateness")} == {calls}
    assert all(calls <= rows[name].requests <= sum(told) for name in ("connect", "first byte"))
    assert 6 <= rows["first speech"].requests <= sum(told)
    assert 5 * calls <= rows["echo"].requests <= 11 * sum(told)  # five marks a second
    assert rows["echo"].average < 500
    assert 1900 < rows["call"].most < 3500
    with (file.parent / "table_stats.csv").open(newline="") as content:
        kept = {row["Name"]: row for row in csv.DictReader(content)}
    assert set(rows) < set(kept)
    assert 0 < int(kept["call"]["Request Count"]) <= calls  # written once a second, so the last may be missing
    assert float(kept["call"]["Average Content Size"]) > 10_000
    _, lines, _ = serving.end()
    ended = [line for line in lines if '"event": "ended"' in line]
    assert len(ended) == calls
    assert not any('"reset"' in line for line in ended)


def test_a_refused_call_is_a_failure_and_so_is_the_run(file: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{nobody.getsockname()[1]}"
        code, said, rows = locust(file, target, "-u", "2", "-r", "2", "-t", "3s", workers=2)
    assert code == 1, said
    assert set(rows) == {"connect"}
    assert rows["connect"].failures == rows["connect"].requests >= 2
    assert f"cannot connect to {target}: connection refused; is a server listening there?" in said[0]


BAD_SERVERS = {
    "closes": ("connection.close()", "server closed without a hangup, before the call was over"),
    "resets": (
        "connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); connection.close()",
        "server reset the connection",
    ),
    "breaks the protocol": ("connection.sendall(b'\\x42\\x00\\x00'); time.sleep(0.5)", "Asterisk ends the call here"),
    "says nothing": ("time.sleep(4)", "the server sent no audio at all"),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_what_a_server_does_to_its_calls_is_in_the_table_of_failures(name: str, file: Path) -> None:
    does, shown = BAD_SERVERS[name]
    server = f"""
import socket, struct, time
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
while True:
    connection, _ = listening.accept()
    connection.recv(19, socket.MSG_WAITALL)
    {does}
"""
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        port = serving.stdout.readline().strip()
        code, said, rows = locust(file, f"127.0.0.1:{port}", "-u", "1", "-r", "1", "-t", "5s")
        serving.kill()
    assert code == 1, said
    assert rows["call"].failures >= 1
    assert shown in said[0]


def test_a_machine_that_does_not_keep_up_is_told_as_that(serve: Serve, file: Path) -> None:
    file.write_text(CALLERS.replace("1000", "0.000001"))
    code, said, rows = locust(file, serve("--echo").target, "-u", "1", "-r", "1", "-t", "5s")
    assert code == 1
    assert rows["call"].failures == 0
    assert rows["our lateness"].failures == rows["our lateness"].requests >= 1
    assert "ms late: use more workers, or quieter ones" in said[0]


def test_the_example_runs(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "locustfile.py"
    file.write_text(LOCUSTFILE.read_text())
    _, said, rows = locust(file, serve("--echo").target, "-u", "1", "-r", "1", "-t", "4s")
    assert (rows["call"].requests, rows["call"].failures) == (1, 0), said


def said_by_bench(said: str) -> str:
    """The verdict and the table that come after Locust's own tables."""
    return re.split(r"(?m)^(?=passed: |failed: |INVALID: |no errors in |\d+ errors? in )", said, maxsplit=1)[1]


def holds(code: int, result: dict[str, Any], said: str) -> bool:
    """Whether a load passed; on a machine that is too busy, it says that its figures are not valid."""
    if result["valid"]:
        return code == 0 and "passed: 2 of 2 checks, no errors in" in said
    return code == 1 and "INVALID: " in said


def test_workers_load_a_websocket_bot_and_are_judged_together(file: Path) -> None:
    kept = file.parent / "kept.json"
    with answering_bot(echo, "twilio") as url:
        code, said, rows = locust(
            file, url, "-u", "4", "-r", "4", "-t", "6s", "--protocol", "twilio", "--result", str(kept),
            "--threshold", "echo_p95<5s", "--threshold", "errors<=0", workers=2,
        )  # fmt: skip
    result = json.loads(kept.read_text())
    verdict = said_by_bench(said[0])
    assert holds(code, result, verdict), said
    calls = result["values"]["placed"]
    assert calls == rows["call"].requests == result["values"]["connected"] >= 8
    assert (
        result["figures"]["counts"]["placed"] == len(result["calls"]) == len({row["uuid"] for row in result["calls"]})
    )
    assert result["counts"]["echo"] == rows["echo"].requests >= 5 * calls  # each value, of both workers
    assert result["counts"]["hangup"] == calls
    assert result["calls_at_once"] == 4
    assert result["settings"]["target"] == url
    assert result["settings"]["processes"] == 2
    assert result["thresholds"] == ["echo_p95<5s", "errors<=0"]
    echoes = result["figures"]["times"]["echo"]
    assert result["values"]["echo_mean"] == pytest.approx(echoes["sum_ms"] / echoes["count"], abs=0.001)
    assert max(result["series"]["calls_open"]) >= 3
    assert f"{calls} calls placed, {calls} connected, at most 4 at once" in " ".join(verdict.split())


def test_callers_come_through_a_proxy_and_a_server_that_is_gone_behind_it_fails_the_load(
    serve: Serve, answer: Callable[..., Serving], file: Path
) -> None:
    server = serve("--echo")
    proxy = answer("proxy", server.target)
    code, said, rows = locust(file, proxy.target, "-u", "2", "-r", "2", "-t", "4s")
    assert code == 0, said
    assert rows["call"].requests >= 2
    assert rows["call"].failures == 0
    server.end()
    code, said, rows = locust(file, proxy.target, "-u", "2", "-r", "2", "-t", "3s", "--threshold", "errors<=0")
    assert code in (1, 3), said  # the first call is reset, those after it are refused
    assert "failed: errors<=0: it is " in said_by_bench(said[0])


def test_a_bot_that_nobody_answers_for_is_told_and_the_exit_code_is_that_of_bench(file: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}/ws"
        code, said, rows = locust(file, url, "-u", "1", "-r", "1", "-t", "2s", "--protocol", "raw",
                                  "--threshold", "echo_p95<1s")  # fmt: skip
    assert code == 3, said
    assert rows["connect"].failures >= 1
    assert f"cannot connect to {url}: connection refused" in said[0]
    assert "failed: echo_p95<1s: there is no echo_p95: nothing to measure happened" in said_by_bench(said[0])


def test_a_process_of_callers_that_dies_is_replaced_and_the_figures_are_invalid(serve: Serve, file: Path) -> None:
    serving = serve("--echo", "--json")
    args = ("--headless", "--only-summary", "-u", "1", "-r", "1", "-t", "8s", "--threshold", "errors<=0")
    running = start("-f", file, "--host", serving.target, *args, cwd=file.parent)
    try:
        serving.wait_for('"event": "call"')
        (callers,) = children_of(running.pid)
        os.kill(callers, signal.SIGKILL)
        said, _ = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            running.kill()
            running.communicate()
    assert running.returncode == 1, said
    assert "a process that placed calls ended by itself (exit code -9); another one takes its place" in said
    assert "INVALID: a process that placed calls ended by itself (exit code -9)" in said_by_bench(said)
    assert "at most 1 at once" in " ".join(said.split())


WRONG = {
    "no protocol": ("ws://bot/ws", [], "", "which protocol does ws://bot/ws speak? Add --protocol twilio, chan-web"),
    "no such value": ("bot", ["--threshold", "ecko_p95<1s"], "", "is not a value of a result: do you mean echo_p95"),
    "a file that cannot be": ("bot", ["--result", "/dev/null/none/r.json"], "", "cannot write /dev/null/none/r.json: "),
    "a file that is there": ("bot", ["--result", "locustfile.py"], "", "locustfile.py exists; choose another name"),
    "no library": (
        "ws://bot/ws", ["--protocol", "raw"], "import sys; sys.modules['websockets'] = None\n",
        "ws://bot/ws needs websockets (the extra ws): ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_one_line_before_the_first_call(name: str, file: Path) -> None:
    target, options, before, reason = WRONG[name]
    file.write_text(before + CALLERS)
    code, said, _ = locust(file, target, "-u", "1", "-r", "1", "-t", "2s", *options)
    assert code == 2, said
    assert reason in said[0]
    assert "Traceback" not in said[0]
    assert len([line for line in said[0].splitlines() if "ERROR" in line]) == 1


def test_what_only_a_worker_lacks_is_in_the_masters_table_of_failures(file: Path) -> None:
    hidden = "import sys\nif '--worker' in sys.argv: sys.modules['websockets'] = None\n"
    file.write_text(hidden + CALLERS)
    code, said, rows = locust(
        file, "ws://127.0.0.1:9/", "-u", "1", "-r", "1", "-t", "3s", "--protocol", "raw", workers=1
    )
    assert code == 1, said
    assert rows["connect"].failures >= 1
    assert "ws://127.0.0.1:9/ needs websockets (the extra ws): " in said[0]
    assert "Traceback" not in said[0]


MANY_ROWS = """
from audiosocket_cli.bench.locust import AudioSocketUser  # it patches what the others import
from locust.env import Environment
from audiosocket_cli.bench.figures import Figures
from audiosocket_cli.bench.locust_load import load_of

load = load_of(Environment())
for part in range(3):
    rows = [{"start_s": part, "call": f"{part}-{number}"} for number in range(8_000)]
    report = {"figures": Figures().as_json(), "live_calls": 0, "peak_calls": 1, "at_s": 1.0, "rows": rows}
    load._take(f"worker-{part}", report)
for again in range(2):
    total = load.add_up()
    print(len(total.rows), total.figures.counts["rows_left_out"])
"""


def test_calls_for_whose_rows_a_result_has_no_room_are_counted() -> None:
    done = subprocess.run([sys.executable, "-c", MANY_ROWS], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("20000 4000\n20000 4000\n", 0), done.stderr
