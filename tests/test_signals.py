"""Signals at any time of any command: SIGHUP with and without a terminal, and all of them as process 1."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from audiosocket_cli.cli import COMMANDS, root
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.signals import answers_calls
from support.peers import FRAME, connected, opening
from support.running import COMMAND, Serving, missing, wait_until

TAKE_TERMINAL = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execvp(sys.argv[2], sys.argv[2:])"
IGNORED = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
ANSWERING = {
    "serve": ["serve"],
    "serve with workers": ["serve", "--workers", "2"],
    "record": ["record", "call.wav"],
    "play": ["play", "tone.wav", "--wait", "60", "--listen"],
    "inject-dtmf": ["inject-dtmf", "WWWWWWWWWW1", "--listen"],
}


@contextlib.contextmanager
def answering(
    words: Sequence[str], folder: Path, *, on: Sequence[str] = (), terminal: int | None = None, log: str = "log"
) -> Iterator[Serving]:
    """A command that answers calls, in a session of its own, with or without a terminal; it talks to a file."""
    args = [*words, "127.0.0.1:0"] if words[-1] == "--listen" else [*words, "--listen", "127.0.0.1:0"]
    take = [] if terminal is None else [sys.executable, "-c", TAKE_TERMINAL, os.ttyname(terminal)]
    path = folder / log
    with path.open("w") as file:
        process = subprocess.Popen(
            [*on, *take, *COMMAND, *args], stdin=subprocess.DEVNULL, stdout=file, stderr=file, text=True, cwd=folder,
            start_new_session=True,
        )  # fmt: skip
    try:
        while not (port := re.search(r"^listening on .*?:(\d+)", path.read_text(), re.M)):
            assert process.poll() is None, path.read_text()
            time.sleep(0.05)
        yield Serving(process, int(port[1]), path.read_text())
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path, tone_file: Path) -> Path:
    """Where there is a tone.wav."""
    assert tone_file.parent == tmp_path
    return tmp_path


@pytest.mark.parametrize("words", ANSWERING.values(), ids=ANSWERING.keys())
def test_without_a_terminal_sighup_ends_no_call(folder: Path, words: list[str]) -> None:
    with answering(words, folder) as serving, connected(serving, opening()[1], FRAME) as peer:
        assert peer.recv(3)
        for _ in range(3):
            serving.process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
        peer.sendall(FRAME)
        assert peer.recv(3)
        assert serving.process.poll() is None
        wait_until(lambda: "SIGHUP: there is nothing to reload" in (folder / "log").read_text())
        serving.process.terminate()
        assert serving.process.wait(timeout=20) == 143


@pytest.mark.parametrize("words", [*ANSWERING.values(), ["serve", "--proxy-protocol"]], ids=" ".join)
def test_a_signal_does_not_wait_for_who_has_said_nothing(folder: Path, words: list[str]) -> None:
    with answering(words, folder) as serving, connected(serving):
        time.sleep(0.2)
        serving.process.send_signal(signal.SIGINT)
        assert serving.process.wait(timeout=7) == 130  # in 0.8 s; it was 10 s after the connection


@pytest.mark.parametrize("words", ANSWERING.values(), ids=ANSWERING.keys())
def test_a_terminal_that_is_lost_ends_calls_in_order(folder: Path, words: list[str]) -> None:
    master, terminal = os.openpty()
    with answering(words, folder, terminal=terminal) as serving, connected(serving, opening()[1], FRAME) as peer:
        os.close(terminal)
        assert peer.recv(3)
        serving.process.send_signal(signal.SIGHUP)  # the terminal is there: nothing to end for
        time.sleep(1)
        assert serving.process.poll() is None
        os.close(master)
        said = b""
        while data := peer.recv(65536):
            said += data
        assert said.endswith(encode(Frame(Kind.HANGUP)))
        assert serving.process.wait(timeout=20) == 129


@pytest.mark.parametrize("words", ANSWERING.values(), ids=ANSWERING.keys())
def test_nohup_survives_the_loss_of_its_terminal(folder: Path, words: list[str]) -> None:
    master, terminal = os.openpty()
    nohup = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]
    with answering(words, folder, on=nohup, terminal=terminal) as serving:
        os.close(terminal)
        with connected(serving, opening()[1], FRAME) as peer:
            assert peer.recv(3)
            os.close(master)
            time.sleep(1)
            peer.sendall(FRAME)
            assert peer.recv(3)
            assert serving.process.poll() is None
            serving.process.terminate()
            assert serving.process.wait(timeout=20) == 143


def test_a_worker_that_gets_sighup_itself_goes_on(folder: Path) -> None:
    with answering(ANSWERING["serve with workers"], folder) as serving:
        children = Path(f"/proc/{serving.process.pid}/task/{serving.process.pid}/children")
        if not children.exists():
            missing("this system has no /proc")
        workers = [int(pid) for pid in children.read_text().split()]
        for pid in workers:
            os.kill(pid, signal.SIGHUP)
        time.sleep(1)
        assert [int(pid) for pid in children.read_text().split()] == workers
        serving.process.terminate()
        assert serving.process.wait(timeout=20) == 143


def test_bench_ends_in_order_by_sighup_as_by_any_signal(folder: Path) -> None:
    """It answers nobody: whoever sends it SIGHUP wants its end."""
    with answering(["serve", "--echo"], folder) as serving:
        bench = subprocess.Popen(
            [*COMMAND, "bench", serving.target, "--duration", "60s", "--json"], stdout=subprocess.PIPE, text=True
        )
        while " call " not in (folder / "log").read_text():
            time.sleep(0.05)
        time.sleep(0.5)
        bench.send_signal(signal.SIGHUP)
        out, _ = bench.communicate(timeout=20)
        assert (bench.returncode, json.loads(out)["signal"]) == (129, signal.SIGHUP)


@pytest.mark.parametrize(
    ("on", "number", "code"),
    [([], signal.SIGINT, 130), ([], signal.SIGTERM, 143), ([], signal.SIGHUP, 129), (IGNORED, signal.SIGINT, 130)],
    ids=["int", "term", "hup", "int-ignored"],
)
def test_a_command_that_reads_ends_at_once_and_quietly(on: list[str], number: int, code: int) -> None:
    """Also by SIGINT where it was ignored at the start, as in a script's background job."""
    process = subprocess.Popen(
        [*on, *COMMAND, "play", "-", "127.0.0.1:1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _wait_for_handler(process.pid)
    time.sleep(1)
    process.send_signal(number)
    process.wait(timeout=20)
    assert process.stdin is not None
    process.stdin.close()
    assert process.stdout is not None
    assert process.stderr is not None
    assert (process.returncode, process.stdout.read(), process.stderr.read().strip()) == (code, "", "")
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize(
    ("words", "delay_s"),
    [(["serve"], 0), (["serve"], 0.1), (["serve"], 0.3), (["proxy", "127.0.0.1:1"], 0), (["play", "tone.wav"], 0)],
    ids=["serve", "serve later", "serve last", "proxy", "play"],
)
def test_sighup_while_a_server_starts_does_not_end_it(folder: Path, words: list[str], delay_s: float) -> None:
    listen = {f"AUDIOSOCKET_{words[0].upper()}_LISTEN": "127.0.0.1:0"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, *words], stderr=log, stdout=log, cwd=folder, env={**os.environ, **listen}, start_new_session=True
        )
    try:
        _wait_for_handler(process.pid)
        time.sleep(delay_s)
        process.send_signal(signal.SIGHUP)
        while "listening" not in (folder / "log").read_text():
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 143


@pytest.mark.parametrize("name", COMMANDS)
def test_each_way_to_answer_calls_is_known_before_options_are_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with click.Context(root) as context:
        command = root.get_command(context, name)
    assert command is not None
    listen = [option for option in command.params if isinstance(option, click.Option) and option.name == "listen"]
    always = name in ("serve", "proxy", "record")
    assert answers_calls([name]) == answers_calls([name, "x", "--listening"]) == always
    for option in listen:
        assert answers_calls([name, "x", "--listen", "y:1"])
        assert answers_calls([name, "--listen=y:1"])
        monkeypatch.setenv(str(option.envvar), "y:1")
        assert answers_calls([name])
    assert listen or not always


def _wait_for_handler(pid: int) -> None:
    """Wait until a process hears SIGTERM, which is what it does first."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        missing("this system has no /proc")
    while True:
        caught = re.search(r"^SigCgt:\s*(\w+)", status.read_text(), re.M)
        assert caught is not None
        if int(caught[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.001)


# As process 1.


@contextlib.contextmanager
def process_1(*args: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A command as process 1 of a PID namespace: what started it, and its process number out here."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid():
        missing("to be process 1 needs unshare, and root")
    # Not --mount-proc: in a chroot the root is not a mount, and unshare fails to change how it spreads mounts.
    begin = 'mount --make-private /proc && mount -t proc proc /proc && exec "$@"'
    starter = subprocess.Popen(
        [str(unshare), "--pid", "--fork", "--mount", "--propagation", "unchanged", "--kill-child",
         "sh", "-c", begin, "sh", *args],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
    )  # fmt: skip
    try:
        children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children")
        while not (found := children.read_text().split()):
            if starter.poll() is not None:
                assert starter.stderr is not None
                missing(f"no PID namespace is to be had: {starter.stderr.read().strip()}")
            time.sleep(0.001)
        yield starter, int(found[0])
    finally:
        starter.kill()
        starter.communicate()


STARTS = {
    "serve": ["serve", "--listen", "127.0.0.1:0"],
    "workers": ["serve", "--workers", "2", "--listen", "127.0.0.1:0"],
    "record": ["record", "call.wav", "--listen", "127.0.0.1:0"],
    "bench": ["bench", "127.0.0.1:1", "--duration", "60s"],
    "dump": ["dump", "-"],
}


@pytest.mark.parametrize("delay_s", [0, 0.05, 0.2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"])
@pytest.mark.parametrize("words", STARTS.values(), ids=STARTS.keys())
def test_process_1_ends_by_a_signal_however_early(
    tmp_path: Path, words: list[str], number: int, code: int, delay_s: float
) -> None:
    with process_1(*COMMAND, *words, cwd=tmp_path) as (starter, pid):
        _wait_for_handler(pid)
        time.sleep(delay_s)
        os.kill(pid, number)
        _, err = starter.communicate(timeout=20)
        assert (starter.returncode, "Traceback" in err) == (code, False), err


def test_signals_are_heard_before_anything_slow_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "audiosocket_cli", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    order = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    before = order[: order.index("audiosocket_cli.signals")]
    assert not {"typing", "dataclasses", "click", "asyncio", "audiosocket_cli.codec"} & set(before)


ORPHANS = """
import os, sys
for _ in range(20):
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        os._exit(0)
"""


IN_A_CALLBACK = """
import os, signal, weakref
from audiosocket_cli.signals import end_on_signals, told_to_end
end_on_signals(answers=True)
class Lock: pass
lock = Lock()
watch = weakref.ref(lock, lambda ref: os.kill(os.getpid(), signal.SIGTERM))
del lock
print(told_to_end())
"""


def test_a_signal_inside_a_callback_that_drops_its_exit_is_remembered_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_CALLBACK], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("15\n", "")


def test_process_1_buries_what_its_programs_leave(tmp_path: Path) -> None:
    """Grandchildren that left their group are nobody's but process 1's."""
    serve = [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--exec", sys.executable, "-c", ORPHANS]
    with process_1(*serve, cwd=tmp_path) as (starter, pid):
        assert starter.stderr is not None
        port = re.match(r"listening on .*?:(\d+)", starter.stderr.readline())
        assert port is not None
        for number in range(3):
            with socket.create_connection(("127.0.0.1", int(port[1])), timeout=20) as peer:
                peer.sendall(opening(number)[1])
                while peer.recv(4096):
                    pass
        zombies = len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        assert zombies <= 2 * 20 + 1  # those of the last program
        os.kill(pid, signal.SIGTERM)
        starter.communicate(timeout=20)
        assert starter.returncode == 143


LOOPS = {"uvloop": "", "asyncio": "loop._loop_factory = lambda: asyncio.new_event_loop\n"}

AT_EACH_STEP_OF_THE_END = """
def step(frame, event, argument):
    if frame.f_code.co_filename == loop.__file__:
        frame.f_trace_opcodes = True
        os.kill(os.getpid(), number)
    return step

async def main():
    ended = asyncio.Event()
    with loop.signals_to(lambda number: ended.set()):
        os.kill(os.getpid(), number)
        await ended.wait()
        sys.settrace(step)
    sys.settrace(None)
    return "said what it did"

print(loop.run(main()))
"""

TO_ANOTHER_THREAD = """
async def main():
    told = asyncio.Queue()
    other = threading.Thread(target=time.sleep, args=(60,), daemon=True)
    other.start()
    with loop.signals_to(told.put_nowait):
        asyncio.get_running_loop().call_later(0.2, signal.pthread_kill, other.ident, number)
        return await asyncio.wait_for(told.get(), 30)

begun_s = time.monotonic()
print(loop.run(main()), "at once" if time.monotonic() - begun_s < 20 else "late")
"""


def told_by(program: str, loop: str, number: int) -> tuple[int, str, str]:
    """Run a program that knows `loop`, the module, and `number`, the signal."""
    begin = (
        "import asyncio, os, signal, sys, threading, time\nfrom audiosocket_cli.net import loop\n"
        f"number = signal.Signals({number:d})\n"
    )
    done = subprocess.run([sys.executable, "-c", begin + LOOPS[loop] + program], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_at_any_step_of_the_end_leaves_what_is_said_at_last(loop: str, number: int) -> None:
    assert told_by(AT_EACH_STEP_OF_THE_END, loop, number) == (0, "said what it did\n", "")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_signal_that_another_thread_gets_wakes_the_loop(loop: str) -> None:
    assert told_by(TO_ANOTHER_THREAD, loop, signal.SIGTERM) == (0, f"{signal.SIGTERM:d} at once\n", "")
