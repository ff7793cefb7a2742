"""What becomes of `serve --workers` when a worker stands still, dies under its programs, or talks nonsense."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from audiosocket_cli.server.limits import new_shared_file
from audiosocket_cli.server.worker_process import WorkerProcess
from support.faults import FRAMES, Serve, dial, needs_proc, show
from support.running import COMMAND, Serving, run, standing_still, wait_until

STAYS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1] + f"/{os.getpid()}", "w").close()
time.sleep(1000)
"""
"""A program that hears nothing of the end of its call, and does not mind being told to end."""

WRITES_TO_ALL = """
import os, time
for descriptor in range(4, 64):
    try:
        os.write(descriptor, b"nonsense\\n")
    except OSError:
        pass
time.sleep(0.5)
"""

TELLS_DESCRIPTORS = """
import os, sys
there = [number for number in range(256) if os.path.exists(f"/proc/self/fd/{number}")]
with open(sys.argv[1], "a") as file:
    file.write(f"{[number for number in there if number != file.fileno()]}\\n")
"""


def workers_of(serving: Serving) -> list[int]:
    pid = serving.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def answered_s(serving: Serving, number: int) -> float:
    """How long a new call waits for the first that it hears."""
    begun_s = time.monotonic()
    with dial(serving, number) as peer:
        assert peer.recv(3)
    return time.monotonic() - begun_s


@contextlib.contextmanager
def calls(serving: Serving, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(dial(serving, number)) for number in range(count)]
        for peer in peers:
            assert peer.recv(3)
        yield peers


@contextlib.contextmanager
def calls_of_both(serving: Serving, count: int) -> Iterator[list[socket.socket]]:
    """Calls of which each of two workers has half."""
    with contextlib.ExitStack() as stack:
        peers = []
        for worker in workers_of(serving):
            with standing_still(worker):
                for _ in range(count // 2):
                    peers.append(stack.enter_context(dial(serving, len(peers))))
                    assert peers[-1].recv(3)
        yield peers


def told(serving: Serving, pattern: str) -> re.Match[str]:
    """Read stderr until a line matches; a server that says nothing of the kind in a minute is ended."""
    assert serving.process.stderr is not None
    timer = threading.Timer(60, serving.process.kill)
    timer.start()
    lines = []
    try:
        for line in serving.process.stderr:
            lines.append(line)
            found = re.search(pattern, line)
            if found:
                return found
    finally:
        timer.cancel()
    raise AssertionError(f"nothing like {pattern!r} was said, but {lines}")


def test_a_worker_that_stands_still_holds_up_no_new_call_and_is_replaced(serve: Serve) -> None:
    needs_proc()
    serving = serve("--workers", "2")
    stopped = workers_of(serving)[0]
    with calls_of_both(serving, 4) as peers:
        os.kill(stopped, signal.SIGSTOP)
        waits_s = [answered_s(serving, 100 + number) for number in range(10)]
        assert max(waits_s) < 8  # who waited for the one that stands still would wait until it is killed, after 10 s
        assert sorted(waits_s)[5] < 2  # as long as Asterisk waits
        begun_s = time.monotonic()
        told(serving, rf"worker \d \(process {stopped}\) has not responded for 10 s: it is killed")
        silent_s = time.monotonic() - begun_s
        told(
            serving,
            rf"worker \d \(process {stopped}\) was killed by SIGKILL: 2 calls are lost; another takes its place",
        )
        wait_until(lambda: len(workers_of(serving)) == 2 and stopped not in workers_of(serving))
        for peer in peers:  # the calls of the other go on
            with contextlib.suppress(OSError):
                peer.sendall(FRAMES[0])
    code, _, err = serving.end()
    assert (code, "Traceback" in err) == (130, False)
    show(
        f"a worker stands still: 10 new calls wait at most {max(waits_s):.2f} s, it is replaced after {silent_s:.0f} s"
    )


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_ends_a_worker_that_stands_still(serve: Serve, tmp_path: Path, signals: int) -> None:
    needs_proc()
    serving = serve("--workers", "2", "--record", "calls")
    stopped = workers_of(serving)[0]
    with calls(serving, 4):
        os.kill(stopped, signal.SIGSTOP)
        begun_s = time.monotonic()
        for _ in range(signals):
            serving.process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        code, _, err = serving.end(0)
    took_s = time.monotonic() - begun_s
    assert code == 130
    assert f"(process {stopped}) has not responded" in err
    assert took_s < 20
    assert not is_there(stopped)
    show(f"Ctrl-C {'once' if signals == 1 else 'twice'} while a worker stands still: ended after {took_s:.1f} s")


def test_a_worker_that_stands_still_while_all_do_is_not_killed(serve: Serve) -> None:
    needs_proc()
    serving = serve("--workers", "2")
    everybody = [serving.process.pid, *workers_of(serving)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(13)
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    time.sleep(2)
    assert workers_of(serving) == everybody[1:]
    assert "not responded" not in serving.end()[2]


def test_a_worker_that_dies_under_living_programs_is_noticed_and_its_programs_end(serve: Serve, tmp_path: Path) -> None:
    needs_proc()
    serving = serve("--workers", "2", "--exec", sys.executable, "-c", STAYS, tmp_path)
    victim = workers_of(serving)[0]
    with calls_of_both(serving, 6):
        wait_until(lambda: len(list(tmp_path.iterdir())) == 6)
        programs = [int(path.name) for path in tmp_path.iterdir()]
        orphans = [pid for pid in programs if f"PPid:\t{victim}\n" in Path(f"/proc/{pid}/status").read_text()]
        assert len(orphans) == 3
        begun_s = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        told(serving, rf"process {victim}\) was killed by SIGKILL: 3 calls are lost; another takes its place")
        noticed_s = time.monotonic() - begun_s
        assert noticed_s < 8  # silence is noticed after 10 s
        wait_until(lambda: not any(map(is_there, orphans)))
        ended_s = time.monotonic() - begun_s
        assert all(is_there(pid) for pid in programs if pid not in orphans)
        serving.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert serving.end(signal.SIGINT)[0] == 130
    wait_until(lambda: not any(map(is_there, programs)))
    show(
        f"a worker dies under 3 programs that ignore SIGTERM: noticed in {noticed_s:.2f} s, they end in {ended_s:.1f} s"
    )


def test_ctrl_c_does_not_wait_for_programs_of_a_dead_worker(serve: Serve, tmp_path: Path) -> None:
    needs_proc()
    serving = serve("--workers", "2", "--exec", sys.executable, "-c", STAYS, tmp_path)
    with calls(serving, 4):
        wait_until(lambda: len(list(tmp_path.iterdir())) == 4)
        programs = [int(path.name) for path in tmp_path.iterdir()]
        for worker in workers_of(serving):
            os.kill(worker, signal.SIGKILL)
        serving.process.send_signal(signal.SIGINT)
        begun_s = time.monotonic()
        assert serving.end(0)[0] == 130
    assert time.monotonic() - begun_s < 15
    wait_until(lambda: not any(map(is_there, programs)))  # who is killed takes a moment to end


@pytest.mark.parametrize("workers", ["1", "2"])
def test_programs_and_hooks_have_their_own_descriptors_only(serve: Serve, tmp_path: Path, workers: str) -> None:
    needs_proc()
    (tmp_path / "tell.py").write_text(TELLS_DESCRIPTORS)
    tell = f"{sys.executable} tell.py"
    inherited = ["bash", "-c", 'exec 7</dev/null 77>/dev/null; exec "$@"', "bash"]
    for shell in ([], ["--shell"]):
        serving = serve(
            "--workers", workers, "--calls", "2", *shell, "--record", "{uuid}.flac",
            "--authorize", f"{tell} authorize", "--on-call-end", f"{tell} end", "--exec", f"{tell} program",
            on=inherited,
        )  # fmt: skip
        for number in range(2):
            with dial(serving, number) as peer:
                while peer.recv(4096):
                    pass
        assert serving.end(0)[0] == 0
        for name, there in (("authorize", [0, 1, 2]), ("end", [0, 1, 2]), ("program", [0, 1, 2, 3])):
            assert (tmp_path / name).read_text() == f"{there}\n" * 2
            (tmp_path / name).unlink()


def test_a_program_that_writes_to_all_descriptors_harms_nothing(serve: Serve) -> None:
    serving = serve("--workers", "2", "--calls", "4", "--exec", sys.executable, "-c", WRITES_TO_ALL)
    for number in range(4):
        with dial(serving, number) as peer:
            while peer.recv(4096):
                pass
    code, lines, err = serving.end(0)
    assert (code, len([line for line in lines if "exit code 0" in line])) == (0, 4)
    assert err.startswith("answered 4 calls")


NONSENSE = {
    "text": "b'oops\\n'",
    "a list": "b'[1]\\n'",
    "an unknown word": "b'{\"what\": 1}\\n'",
    "a wrong type": 'b\'{"summary": {"calls": "many"}}\\n\'',
    "metrics of nothing": 'b\'{"metrics": {"counts": 5}}\\n\'',
    "a number too many": 'b\'{"summary": {"calls": 1e999}}\\n\'',
    "a huge line": "b'x' * 3_000_000 + b'\\n'",
    "bytes": "bytes(range(256)) + b'\\n'",
    "nesting": "b'[' * 100_000 + b'\\n'",
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_worker_that_talks_nonsense_is_one_line_and_replaced(tmp_path: Path, nonsense: str) -> None:
    needs_proc()
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, threading\n"
        "def talk():\n"
        f"    rest = {nonsense}\n"
        "    while rest:\n"
        "        try: rest = rest[os.write(3, rest):]\n"
        "        except BlockingIOError: pass\n"
        "if '--worker' in getattr(sys, 'orig_argv', []) and not os.path.exists('talked'):\n"
        "    open('talked', 'w').close()\n"
        "    threading.Timer(3, talk).start()\n"
    )
    with served(tmp_path, "--workers", "2", "--metrics", "127.0.0.1:0", PYTHONPATH=str(tmp_path)) as serving:
        told(serving, r"worker \d \(process \d+\) sends invalid messages \(.{,200}\): it is asked to end")
        wait_until(lambda: len(workers_of(serving)) == 2)
        assert answered_s(serving, 1) < 10
        code, _, err = serving.end()
    assert (code, "Traceback" in err) == (130, False)


@contextlib.contextmanager
def served(folder: Path, *args: str, on: Sequence[str] = (), **env: str) -> Iterator[Serving]:
    process = subprocess.Popen(
        [*on, *COMMAND, "serve", "--listen", "127.0.0.1:0", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, **env},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            port = re.match(r"listening on .*?:(\d+)", line)
            if port:
                break
        else:
            raise AssertionError("it did not start")
        yield Serving(process, int(port[1]), line)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_who_waits_at_the_port_is_answered_though_a_worker_dies(serve: Serve) -> None:
    """All workers stand still, calls queue, one worker dies and the other goes on: nobody is turned away."""
    needs_proc()
    serving = serve("--workers", "2")
    first, second = workers_of(serving)
    for pid in (first, second):
        os.kill(pid, signal.SIGSTOP)
    peers = [dial(serving, number) for number in range(20)]
    os.kill(first, signal.SIGKILL)
    os.kill(second, signal.SIGCONT)
    for peer in peers:
        assert peer.recv(3)
        peer.close()
    assert serving.end()[0] == 130
    show("20 calls that queue while one worker dies: all are answered")


def test_a_worker_for_which_there_are_no_descriptors_leaves_none_open() -> None:
    """It is tried again and again: each time would leave less for the others."""
    needs_proc()

    def nothing(*_: object) -> None:
        """Nobody is told."""

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    shared = new_shared_file(1)
    try:
        before = len(os.listdir("/proc/self/fd"))
        for spare in range(1, 6):
            highest = max(map(int, os.listdir("/proc/self/fd")))
            with contextlib.ExitStack() as taken:
                for _ in range(highest + 1 - before):  # no gaps
                    taken.callback(os.close, os.dup(shared))
                most = max(map(int, os.listdir("/proc/self/fd"))) + 1
                resource.setrlimit(resource.RLIMIT_NOFILE, (min(most + spare, limit[0]), limit[1]))
                with pytest.raises(OSError, match="Too many open files"):
                    WorkerProcess(0, ["true"], shared, [], take=nothing, put=nothing, complain=nothing)
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        os.close(shared)


def open_recordings(pid: int) -> int:
    count = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(path).endswith(".wav")
    return count


def test_calls_are_spread_evenly(serve: Serve) -> None:
    needs_proc()
    serving = serve("--workers", "2", "--record", "calls")
    pids = workers_of(serving)
    for _ in range(5):
        with calls(serving, 40):
            wait_until(lambda: sum(map(open_recordings, pids)) == 40)
            counts = [open_recordings(pid) for pid in pids]
        wait_until(lambda: not sum(map(open_recordings, pids)))
        if min(counts) >= 15:
            break  # a busy machine may give one of them no turn for as long as the 40 take
    assert min(counts) >= 15  # on a quiet machine they are 20 and 20
    assert serving.end()[0] == 130
    show(f"40 calls in a row over two workers: {counts[0]} and {counts[1]}")


# The processes of bench.


@contextlib.contextmanager
def benching(serving: Serving, folder: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, "bench", serving.target, "--calls", "4", "--processes", "2", "--duration", "25s", "--json",
         "--max-lateness", "100s"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, **env},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", ["stopped", "killed", "stopped and Ctrl-C"])
def test_a_bench_process_that_is_lost_makes_the_run_invalid(serve: Serve, tmp_path: Path, how: str) -> None:
    needs_proc()
    serving = serve("--echo")
    with benching(serving, tmp_path) as bench:
        for _ in range(4):
            serving.wait_for(" call ")
        victim = int(Path(f"/proc/{bench.pid}/task/{bench.pid}/children").read_text().split()[0])
        time.sleep(2)
        os.kill(victim, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        begun_s = time.monotonic()
        if how == "stopped and Ctrl-C":
            bench.send_signal(signal.SIGINT)
        out, err = bench.communicate(timeout=60)
    assert "Traceback" not in err
    result = json.loads(out)
    assert bench.returncode == (130 if "Ctrl-C" in how else 1)
    reason = "ended by itself (signal 9)" if how == "killed" else "did not respond for "
    assert any(f"a process that placed calls {reason}" in why for why in result["invalid"])
    assert not is_there(victim)
    if "Ctrl-C" in how:
        assert time.monotonic() - begun_s < 20
        show(f"Ctrl-C while a process of bench stands still: ended after {time.monotonic() - begun_s:.1f} s")


def test_a_bench_process_that_talks_nonsense_makes_the_run_invalid(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, threading\n"
        "if 'work()' in ' '.join(getattr(sys, 'orig_argv', [])) and not os.path.exists('talked'):\n"
        "    open('talked', 'w').close()\n"
        "    threading.Timer(6, lambda: os.write(1, b'oops\\n')).start()\n"
    )
    with benching(serve("--echo"), tmp_path, PYTHONPATH=str(tmp_path)) as bench:
        out, err = bench.communicate(timeout=60)
    assert (bench.returncode, "Traceback" in err) == (1, False)
    assert any("sent invalid messages ('oops' is not a JSON object)" in why for why in json.loads(out)["invalid"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("serve --workers 100000", "'100000' is not a count: write a whole number from 1 to 1024"),
        ("serve --workers 1000", "--workers 1000 is too many for "),
        ("bench 127.0.0.1:1 --processes 1000", "--processes 1000 is too many for "),
        ("bench 127.0.0.1:1 --calls 1000000", "1000000 calls at once need 1000000 local ports"),
        ("bench 127.0.0.1:1 --stages 1:1s,900000000:1s", "900000000 calls at once need 900000000 local ports"),
    ],
)
def test_what_would_take_the_machine_down_is_refused(words: str, says: str) -> None:
    begun_s = time.monotonic()
    done = run(*words.split())
    assert (done.returncode, done.stdout, done.stderr.count("\n"), says in done.stderr) == (2, "", 1, True), done.stderr
    assert time.monotonic() - begun_s < 20


ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_many_workers_are_started_for_whoever_says_so(tmp_path: Path) -> None:
    needs_proc()
    one_core = [sys.executable, "-c", ON_ONE_CORE]
    refused = subprocess.run(
        [*one_core, *COMMAND, "serve", "--workers", "9"], capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode == 2
    assert "--workers 9 is too many for 1 core: use one for each core, 8 at most" in refused.stderr
    with served(tmp_path, "--workers", "9", "--many-workers", on=one_core) as serving:
        assert len(workers_of(serving)) == 9
        assert answered_s(serving, 1) < 10
        assert serving.end()[0] == 130
