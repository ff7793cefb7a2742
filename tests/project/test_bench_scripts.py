"""What measures `serve` under load measures: its loops do what they say, and each case runs. No limit is held here."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.running import missing, need

BENCH = Path(__file__).parents[2] / "scripts" / "bench"
UUID_FRAME = bytes((1, 0, 16, *range(16)))
AUDIO_FRAME = bytes((0x10, 1, 64)) + bytes(320)
DIGIT_FRAME = b"\x03\x00\x015"
CASES = {
    "echo": [
        "echo, 37 clumps: CPU a call-second", "echo, 37 clumps: due to back, p50, ms",
        "echo, 37 clumps: due to back, p99, ms beyond C",
    ],
    "record": ["record, even: CPU a call-second"],
    "play": ["play: CPU a call-second", "play: |gap - 20 ms| p99, ms beyond C", "play: drift, %"],
    "exec": ["exec cat: CPU a call-second", "exec cat, --exec-rate 16000: CPU a call-second"],
    "bot": [
        "echo by a bot in Python, against echo: CPU a call-second",
        "echo by a bot in Python, against echo: due to back, p99, ms beyond",
    ],
    "capture": ["echo with --capture, against echo: CPU a call-second"],
    "proxy": [
        "proxy: CPU a call-second", "proxy --record: CPU a call-second", "proxy by socat: CPU a call-second",
        "proxy by HAProxy: CPU a call-second",
        *(f"proxy{by}: delay added there and back, {share} of the frames, ms"
          for by in (" by C", "", " by socat", " by HAProxy") for share in ("half", "99 %")),
    ],
    "bridge": [
        "bridge to a Twilio bot, against a relay in asyncio: CPU a call-second",
        *(f"{what}: due to back, p99, ms beyond serve --echo" for what in ("relay in asyncio", "bridge")),
    ],
    "outbox": [
        "record with --upload --events, calls of 0.6 s, against record: CPU a call-second",
        "echo with --record, beside calls that end: due to back, p99, ms beyond without --upload --events",
    ],
    "growth": ["growth: record, 20 calls against 5", "growth: echo, 20 calls against 5"],
    "memory": ["memory: RSS, 30 recorded calls against 5", "memory: 100 recorded calls for 1 s, % grown"],
    "calls": [
        f"calls, 60 of them: {what}"
        for what in ("asked, s", "asked after 100 more, s", "index made anew, s", "memory, MB")
    ],
    "walk json start": [
        "dump --stats, 4 MB raw: against a walk in C", "dump --stats, 4 MB raw: memory, MB",
        "dump --json of a pcapng: us a frame", "start: --version, against python -c 'import click'",
    ],
}  # fmt: skip
"""The rows of each case."""

SPREADS = {"echo": ["--spread", "clumps"], "record": ["--spread", "even"]}
SMALL = ["--calls", "20", "--lengths", "0.2,0.8", "--seconds", "0.6", "--settle", "0.3", "--runs", "1",
         "--growth-calls", "5,20", "--memory-calls", "5,30", "--flat", "1", "--mb", "4", "--frames", "500",
         "--indexed", "60", "--outbox-seconds", "0.6"]  # fmt: skip


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C program, built with all warnings as errors."""
    if sys.platform != "linux":
        missing("the loops need Linux")
    binary = tmp_path_factory.mktemp("bench") / "loops"
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run([need("gcc"), "-O2", *warnings, "-o", binary, *(BENCH / "loops").glob("*.c"), "-lm"], check=True)
    return binary


@pytest.fixture
def loop(loops: Path) -> Iterator[Callable[..., int]]:
    """Start one of its servers, and return the port."""
    started: list[subprocess.Popen[str]] = []

    def start(mode: str, *args: str) -> int:
        process = subprocess.Popen([loops, mode, "0", *args], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        ready = re.fullmatch(r"ready (\d+)\n", process.stdout.readline())
        assert ready is not None
        return int(ready[1])

    yield start
    for process in started:
        process.kill()
        process.communicate()


def call(loops: Path, port: int, calls: int, seconds: float, *spread: str) -> dict[str, Any]:
    done = subprocess.run(
        [loops, "callers", "127.0.0.1", str(port), str(calls), str(seconds), "500", *(spread or ["0.1"])],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    ready, result = done.stdout.splitlines()
    assert ready == "ready"
    seen: dict[str, Any] = json.loads(result)
    return seen


def start_bench(*args: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, BENCH / "run", *SMALL, *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece
        data += piece
    return data


@contextlib.contextmanager
def caller(loops: Path, seconds: str, settle_s: str) -> Iterator[tuple[socket.socket, Callable[[], dict[str, Any]]]]:
    """Take the call of one caller; gives its connection, and what waits for the caller and returns what it saw."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [loops, "callers", "127.0.0.1", str(listener.getsockname()[1]), "1", seconds, "500", settle_s],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

        def seen() -> dict[str, Any]:
            result: dict[str, Any] = json.loads(process.communicate(timeout=30)[0].splitlines()[-1])
            return result

        connection, _ = listener.accept()
        with connection:
            yield connection, seen


def test_delay_answers_each_audio_frame_so_much_later(loops: Path, loop: Callable[..., int]) -> None:
    with socket.create_connection(("127.0.0.1", loop("delay", "50"))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(10)
        connection.sendall(UUID_FRAME)
        delays_ms = []
        for _ in range(10):
            sent_s = time.monotonic()
            connection.sendall(DIGIT_FRAME + AUDIO_FRAME)
            assert receive(connection, len(AUDIO_FRAME)) == AUDIO_FRAME
            delays_ms.append((time.monotonic() - sent_s) * 1000)
        assert min(delays_ms) >= 49.9
        assert min(delays_ms) < 55  # on a busy machine most come later


def test_delay_keeps_the_distance_of_frames(loops: Path, loop: Callable[..., int]) -> None:
    with socket.create_connection(("127.0.0.1", loop("delay", "100"))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(10)
        connection.sendall(UUID_FRAME + AUDIO_FRAME[:100])
        time.sleep(0.05)
        sent_s = time.monotonic()
        connection.sendall(AUDIO_FRAME[100:])
        receive(connection, len(AUDIO_FRAME))
        assert time.monotonic() - sent_s >= 0.0999  # it arrived with its last byte


@pytest.mark.parametrize("mode", ["echo", "drain", "play", "delay", "exec"])
def test_callers_count_what_they_send_and_get(loops: Path, loop: Callable[..., int], mode: str) -> None:
    args = {"delay": ["20"], "exec": ["cat"]}.get(mode, [])
    seen = call(loops, loop(mode, *args), 20, 0.6)
    ramp_rounds = 2  # of ten calls each, which begin and end in them
    assert seen["frames_sent"] == 20 * (30 + ramp_rounds)
    assert seen["bytes_sent"] == 20 * len(UUID_FRAME) + seen["frames_sent"] * len(AUDIO_FRAME)
    assert (seen["short_sends"], seen["skipped_frames"], seen["resets"], seen["closed_early"]) == (0, 0, 0, 0)
    if mode == "echo":
        assert seen["bytes_received"] == seen["bytes_sent"]
    if mode in ("echo", "delay", "exec"):
        assert seen["frames_received"] == seen["frames_sent"]
        assert seen["measured"]["frames_echoed"] == seen["measured"]["frames_due"]
        assert seen["latency_ms"]["p50"] < 500
    elif mode == "drain":
        assert (seen["bytes_received"], seen["drift_percent"]) == (0, None)
    else:
        assert seen["latency_ms"] is None
        assert seen["frames_received"] == pytest.approx(20 * 37, rel=0.6)  # and while the callers wait for the rest
        assert abs(seen["drift_percent"]["p50"]) < 5
    assert seen["own_lateness_ms"]["p50"] < 50


def test_latency_is_that_of_the_frame_that_comes_back(loops: Path) -> None:
    """Each frame by its number: silence in between does not count, nor what never comes back."""
    with caller(loops, "1", "0.2") as (connection, result):
        receive(connection, len(UUID_FRAME))
        for number in range(51):
            frame = receive(connection, len(AUDIO_FRAME))
            if number % 3:
                time.sleep(0.03 if number % 3 == 1 else 0)
                connection.sendall(AUDIO_FRAME + frame)
        assert connection.recv(1) == b""
        connection.shutdown(socket.SHUT_WR)
        seen = result()
    measured = seen["measured"]
    assert (measured["frames_due"], measured["frames_echoed"]) == (40, 27)
    assert measured["frames_received"] == pytest.approx(54, abs=8)  # some come before or after what is measured
    assert 30 <= seen["latency_ms"]["max"] < 5000
    assert 10 <= seen["latency_ms"]["p50"] < 200


@pytest.mark.parametrize(("spread", "instants"), [("even", 80), ("random", 80), ("clumps", 37)])
def test_callers_speak_at_instants_of_their_own_or_with_their_clump(
    loops: Path, loop: Callable[..., int], spread: str, instants: int
) -> None:
    port = loop("echo")
    seen = [call(loops, port, 80, 0.2, "0.1", spread, seed)["instants"] for seed in ("1", "1", "2")]
    assert [each["count"] for each in seen] == [instants] * 3
    widest_ms = [each["widest_gap_ms"] for each in seen]
    assert widest_ms[0] == widest_ms[1]
    assert (widest_ms == [0.25] * 3) == (spread == "even")
    assert (widest_ms[0] != widest_ms[2]) == (spread != "even")


def test_drift_is_seen(loops: Path) -> None:
    """A server that sends 25 frames a second is 50 % slow, as exactly as it keeps that itself on a busy machine."""
    sent_s = []
    with caller(loops, "1.5", "0.2") as (connection, result):
        start_s = time.monotonic()
        for number in range(42):
            time.sleep(max(0.0, start_s + number / 25 - time.monotonic()))
            sent_s.append(time.monotonic())
            connection.sendall(AUDIO_FRAME)
        connection.shutdown(socket.SHUT_WR)
        seen = result()
    step_s = np.polyfit(range(36), sent_s[:36], 1)[0]  # those that fit into the call
    assert step_s == pytest.approx(0.04, rel=0.1)
    assert seen["drift_percent"]["mean"] == pytest.approx((0.02 / step_s - 1) * 100, abs=8)
    assert seen["gap_error_ms"]["p50"] == pytest.approx(20, abs=4)


def test_what_comes_all_at_once_has_no_drift(loops: Path) -> None:
    with caller(loops, "0.4", "0.1") as (connection, result):
        time.sleep(0.25)
        connection.sendall(10 * AUDIO_FRAME)
        assert result()["drift_percent"] is None


def test_turns_let_a_process_run_for_a_part(loops: Path) -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        turns = subprocess.Popen([loops, "turns", "10", "3", str(busy.pid)], stdout=subprocess.PIPE, text=True)
        assert turns.stdout is not None
        assert turns.stdout.readline() == "ready\n"
        before, at_s = _cpu_s(busy.pid), time.monotonic()
        time.sleep(1)
        share = (_cpu_s(busy.pid) - before) / (time.monotonic() - at_s)
        turns.terminate()
        turns.communicate()
    finally:
        busy.kill()
        busy.wait()
    assert share < 0.5


def _cpu_s(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


@dataclass(frozen=True)
class Done:
    """What a run of the script came to."""

    code: int
    out: str
    err: str


def test_a_walk_sums_the_energy_of_each_frame(loops: Path, tmp_path: Path) -> None:
    """Of audio, whatever else is between, and however long its frames are."""
    rng = np.random.default_rng(1)
    frames = [
        rng.integers(-32768, 32767, size, "<i2", endpoint=True) for size in (160, 1, 32767, 0, 160, *[160] * 2000)
    ]
    raw = b"".join(b"\x10" + struct.pack(">H", frame.nbytes) + frame.tobytes() + DIGIT_FRAME for frame in frames)
    (tmp_path / "raw.bin").write_bytes(UUID_FRAME + raw)
    done = subprocess.run([loops, "walk", tmp_path / "raw.bin"], capture_output=True, text=True, check=True)
    energies = [int((frame.astype(np.int64) ** 2).sum()) for frame in frames]
    assert json.loads(done.stdout) == {
        "frames": 1 + 2 * len(frames), "audio_bytes": sum(frame.nbytes for frame in frames), "energy": sum(energies),
        "most": max(energies),
    }  # fmt: skip


def test_the_cpu_of_programs_that_have_ended_is_counted() -> None:
    kernel = load_module("kernel")
    spends = "import time\nwhile time.process_time() < 0.5: pass"
    waits = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spends!r}]); print('done', flush=True)"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"{waits}; sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "done\n"
        assert 0.48 <= kernel.Usage.of(parent.pid).total_s < 5
        parent.kill()


def test_a_core_with_other_work_is_not_quiet() -> None:
    kernel = load_module("kernel")
    core = min(os.sched_getaffinity(0))
    busy = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile True: pass"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    with busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        before_s = kernel.busy_s(core)
        assert not kernel.wait_until_quiet([core], 0)
        assert kernel.busy_s(core) - before_s >= 0.4
        busy.kill()


def load_module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("shares", "full", "doubt"),
    [
        ((0.0, 0.0, 0.0, 0.0, 0.0), 0, ""),
        ((0.3, 0.2, 0.0, 0.0, 0.0), 0, ""),
        ((0.3, 0.2, 0.16, 0.0, 0.0), 0, "others had up to 30% of its core in 3 of 5 runs"),
        ((0.0, 0.0), 1, "behind, so cheaper than it is, in 1 of 2 runs"),
        ((0.3,), 0, "others had up to 30% of its core in 1 of 1 runs"),
        ((0.3, 0.0), 0, "others had up to 30% of its core in 1 of 2 runs"),
    ],
)  # fmt: skip
def test_a_median_is_doubted_where_half_of_its_runs_are(shares: tuple[float, ...], full: int, doubt: str) -> None:
    @dataclass
    class Run:
        others_share: float
        fits: bool
        lost: int = 0

    runs = [Run(share, number >= full) for number, share in enumerate(shares)]
    assert load_module("table").trouble(runs) == doubt


def test_each_case_is_measured_and_judged(loops: Path) -> None:
    """Several runs of the script, all at once: no figure is judged here."""
    if len(os.sched_getaffinity(0)) < 2:
        missing("two cores are needed")
    for tool in ("tshark", "socat", "haproxy"):
        need(tool)
    built = ["--loops", loops]
    running = {case: start_bench(*case.split(), "--json", *built, *SPREADS.get(case, [])) for case in CASES}
    running["table"] = start_bench("echo", "--spread", "random", *built, "--server", f"{loops} echo {{port}}")
    running["broken"] = start_bench("echo", "--spread", "random", "--server", "false {port}")  # builds its own
    said = {name: process.communicate(timeout=120) for name, process in running.items()}
    done = {name: Done(running[name].returncode, *said[name]) for name in running}
    for case, names in CASES.items():
        check_case(done[case], case, names)
    check_table(done["table"])
    assert done["broken"].code == 1
    last = done["broken"].err.splitlines()[-1]
    assert re.fullmatch(r"run: echo cannot be measured: false \d+ did not start: it said nothing", last)


def check_case(done: Done, case: str, names: list[str]) -> None:
    first = re.escape(case.split()[0])
    assert re.match(rf"run: on \d+ cores of .* Linux \S+, CPython 3\..*\nrun: measuring {first}\n", done.err)
    result = json.loads(done.out)
    assert set(result["machine"]["features"]) == {"sha_ni", "avx2", "avx512f"}
    rows = result["rows"]
    assert [re.sub("5 calls against 5", "20 calls against 5", row["case"]) for row in rows] == names
    assert done.code == (0 if all(row["held"] for row in rows) else 1)
    for row in rows:
        check_row(row)


def check_row(row: dict[str, Any]) -> None:
    assert len(row["ours"]) in (1, 4)
    if "CPU a call-second" in row["case"]:  # of so short calls, it may be less than nothing
        assert -100 < row["reference"][0] < 100
        assert -100 < row["ours"][0] < 100
        assert row["judged"] == pytest.approx(row["ours"][0] / row["reference"][0])
    if row["case"].startswith("memory"):
        assert 10 < row["reference"][0] < 1000  # MiB
    if "p50" in row["case"]:
        assert 0 < row["reference"][0] <= 1000
        assert 0 < row["judged"] == row["ours"][0] <= 1000
    assert row["held"] == (row["limit"] is None or row["judged"] <= row["limit"])


def check_table(done: Done) -> None:
    heading, ours, other, *rest = done.out.splitlines()
    assert heading.split() == ["case", "reference", "ours", "figure", "limit"]
    cost = r"CPU a call-second +-?\d+\.\d+ ms +-?\d+\.\d+ ms +\S+"
    assert re.match(rf"echo, random instants: {cost} +at most 1.25 +(held|NOT HELD)", ours)
    assert re.match(rf"echo by \S+/loops: {cost}", other)
    assert [line.split("  ")[0] for line in rest] == [
        "echo, random instants: due to back, p50, ms", "echo, random instants: due to back, p99, ms beyond C",
        "echo: CPU of a call's begin and end, ms",
    ]  # fmt: skip
    assert done.code == (1 if "NOT HELD" in done.out else 0)
