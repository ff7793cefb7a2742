"""Commands after calls: how one is run and ended, and `serve --on-call-end` as a user runs it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from audiosocket_cli.codec import digit_frame, encode
from audiosocket_cli.net.loop import run as run_on_uvloop
from audiosocket_cli.server import hooks
from audiosocket_cli.server.hooks import HookResult, ask_hook, run_hook
from support.peers import FRAME, connected, opening
from support.running import CLOCK, Serve, Serving, is_running, need, run, wait_until


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def outcome(words: list[str], timeout_s: float = 60.0, **facts: str) -> str | None:
    return asyncio.run(run_hook(words, facts, timeout_s))


def has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


# One command.


@pytest.mark.parametrize("runner", [asyncio.run, run_on_uvloop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 0", None),
        ("echo all is well >&2", None),
        ("exit 7", "/bin/sh exited with code 7"),
        ("echo first >&2; echo '  the cure  ' >&2; exit 1", "/bin/sh exited with code 1: the cure"),
        ("printf 'no \\377\\n\\n' >&2; exit 1", "/bin/sh exited with code 1: no \N{REPLACEMENT CHARACTER}"),
        ("head -c 300000 /dev/zero >&2; printf '\\nlast' >&2; exit 1", "/bin/sh exited with code 1: last"),
        ("exec 2>&-; exit 3", "/bin/sh exited with code 3"),
        ("kill -SEGV $$", "/bin/sh was killed by SIGSEGV"),
        ("kill -40 $$", "/bin/sh was killed by signal 40"),
        ("cat; yes | head -c 300000", None),
        ("kill -PIPE $$", "/bin/sh was killed by SIGPIPE"),
    ],
    ids=["done", "done-and-says-so", "fails", "last-line", "odd-bytes", "long", "closed-stderr", "crash", "realtime",
         "reads-and-writes", "default-signals"],
)  # fmt: skip
def test_a_command_is_done_or_has_a_reason(runner: Callable[..., object], script: str, reason: str | None) -> None:
    assert runner(run_hook(shell(script), {}, 60)) == reason


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("missing", None, "cannot run {path}: no such file or directory"),
        ("data", 0o600, "cannot run {path}: permission denied"),
        ("no-shebang", 0o700, "cannot run {path}: exec format error (does it begin with a line like #!/bin/sh?)"),
        ("", None, "cannot run {path}: permission denied"),
        ("a\0b", None, "cannot run {path}: embedded null byte"),
    ],
    ids=["missing", "not-executable", "no-program", "directory", "null-byte"],
)
def test_what_cannot_be_run_is_the_reason(tmp_path: Path, name: str, mode: int | None, reason: str) -> None:
    path = tmp_path / name
    if mode:
        path.write_bytes(b"\x01\x02")
        path.chmod(mode)
    open_before = len(os.listdir("/dev/fd"))
    assert outcome([str(path)]) == reason.format(path=path)
    assert len(os.listdir("/dev/fd")) == open_before


@pytest.mark.parametrize(
    ("script", "most_bytes", "result"),
    [
        ("echo 'one'; echo two", 100, HookResult(None, b"one\ntwo\n")),
        ("printf 'no \\377'", 100, HookResult(None, b"no \xff")),
        ("yes | head -c 300000", 5, HookResult(None, b"y\ny\ny")),
        ("exec >&-", 100, HookResult(None, b"")),
        ("echo one; exit 3", 100, HookResult("/bin/sh exited with code 3")),
        ("echo one; echo why >&2; exit 3", 100, HookResult("/bin/sh exited with code 3: why")),
        ("sleep 60 & echo one", 100, HookResult(None, b"one\n")),
    ],
    ids=["lines", "odd-bytes", "too-much", "closed", "fails", "fails-and-says-why", "leaves-something-running"],
)
def test_what_a_command_prints_is_kept_up_to_a_bound(script: str, most_bytes: int, result: HookResult) -> None:
    open_before = len(os.listdir("/dev/fd"))
    assert asyncio.run(ask_hook(shell(script), {}, 60, most_bytes=most_bytes)) == result
    assert len(os.listdir("/dev/fd")) == open_before


def test_one_that_prints_megabytes_which_nobody_wants_is_done_in_time() -> None:
    printing = "yes | head -c 16000000"
    assert asyncio.run(ask_hook(shell(printing), {}, 60, most_bytes=5)) == HookResult(None, b"y\ny\ny")


def test_one_that_floods_its_output_is_killed_in_time_and_takes_no_memory() -> None:
    result = asyncio.run(ask_hook(shell("exec yes"), {}, 0.3, most_bytes=1000))
    assert result == HookResult("/bin/sh took longer than 0.3 s and was killed")


def test_it_finds_the_facts_beside_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"OURS", b"odd \xff")
    script = f'printf "%s|%s|%s" "$OURS" "$FACT" "$WHERE" > {tmp_path}/out'
    assert outcome(shell(script), FACT="a 'b' $c\n", WHERE="/calls/\udcfe") is None
    assert (tmp_path / "out").read_bytes() == b"odd \xff|a 'b' $c\n|/calls/\xfe"
    assert "FACT" not in os.environ


def test_it_has_no_terminal_to_ask_on(tmp_path: Path) -> None:
    assert outcome(shell(f"cat /proc/$$/stat > {tmp_path}/stat; echo $$ > {tmp_path}/pid")) is None
    session = (tmp_path / "stat").read_text().rpartition(")")[2].split()[3]
    assert session == (tmp_path / "pid").read_text().strip()


@pytest.mark.parametrize(
    "script",
    ["sleep 100", "trap '' TERM INT HUP; while :; do sleep 100; done", "exec yes >&2", "kill -STOP $$"],
    ids=["hangs", "ignores-signals", "floods", "stops"],
)
def test_one_that_takes_too_long_is_killed_in_time(script: str) -> None:
    begun_s = time.monotonic()
    assert outcome(shell(script), 0.3) == "/bin/sh took longer than 0.3 s and was killed"
    assert time.monotonic() - begun_s < 30
    assert not has_children()


@pytest.mark.parametrize(
    ("end", "timeout_s", "reason"),
    [("exit 0", 60, None), ("exit 2", 60, "/bin/sh exited with code 2"),
     ("wait", 1, "/bin/sh took longer than 1 s and was killed")],
    ids=["done", "failed", "late"],
)  # fmt: skip
def test_what_it_leaves_running_ends_with_it_and_is_not_waited_for(
    tmp_path: Path, end: str, timeout_s: float, reason: str | None
) -> None:
    begun_s = time.monotonic()
    assert outcome(shell(f"sleep 100 & echo $! > {tmp_path}/pid; {end}"), timeout_s) == reason
    assert time.monotonic() - begun_s < 30
    wait_until(lambda: not is_running((tmp_path / "pid").read_text()))


def test_one_that_leaves_our_reach_with_its_standard_error_is_not_waited_for(tmp_path: Path) -> None:
    script = f"{need('setsid')} sh -c 'echo $$ > {tmp_path}/pid; sleep 100' & while [ ! -s {tmp_path}/pid ]; do :; done"
    begun_s = time.monotonic()
    try:
        assert outcome(shell(script)) is None
        assert time.monotonic() - begun_s < 30
    finally:
        os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_cancelled_one_is_killed_and_buried(tmp_path: Path) -> None:
    async def main() -> None:
        hook = asyncio.create_task(run_hook(shell(f"echo $$ > {tmp_path}/pid; sleep 60"), {}, 60))
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
            await asyncio.sleep(0.01)
        hook.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hook
        assert not has_children()

    asyncio.run(main())


def test_one_that_may_not_be_killed_is_left_alone_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []

    def refuse(pid: int, number: int) -> None:
        killed.append(pid)
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refuse)
        patch.setattr(hooks, "_DEATH_TIMEOUT_S", 0.1)
        reason = outcome(["sleep", "60"], 0.1)
    assert reason == "sleep took longer than 0.1 s and cannot be killed (is it another user's?)"
    os.kill(killed[0], signal.SIGKILL)
    os.waitpid(killed[0], 0)


def test_neither_a_flood_nor_fifty_commands_hold_up_the_loop() -> None:
    """A turn of the loop costs little time of the processor, whatever else runs on the machine, and waits for nothing:
    what it could wait for takes longer than any turn may."""

    async def worst_turn_s(work: Awaitable[object]) -> tuple[float, float]:
        """Return the most time of the processor, and the most time at all, that a turn took."""
        cpu_s = all_s = 0.0
        working = asyncio.ensure_future(work)
        while not working.done():
            cpu_before_s, before_s = time.thread_time(), time.monotonic()
            await asyncio.sleep(0.005)
            cpu_s = max(cpu_s, time.thread_time() - cpu_before_s)
            all_s = max(all_s, time.monotonic() - before_s)
        await working
        return cpu_s, all_s

    async def main() -> None:
        flood = [run_hook(shell("exec yes >&2"), {}, 4.0) for _ in range(3)]
        crowd = [run_hook(["sleep", "4"], {}, 20) for _ in range(50)]
        for work, most_cpu_s in ((flood, 0.1), (crowd, 0.3)):
            cpu_s, all_s = await worst_turn_s(asyncio.gather(*work))
            assert cpu_s < most_cpu_s
            assert all_s < 3.0

    asyncio.run(main())


# After calls.


def read_to_end(peer: socket.socket) -> None:
    while peer.recv(65536):
        pass


def call_and_close(serving: Serving, *numbers: int) -> None:
    for number in numbers:
        with connected(serving, opening(number)[1], FRAME) as peer:
            peer.recv(1)
            peer.shutdown(socket.SHUT_WR)
            read_to_end(peer)


def is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def program(folder: Path, script: str, name: str = "hook") -> Path:
    """Write a shell script that can be run by its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


def facts_in(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_the_command_knows_all_of_the_call_that_has_ended(serve: Serve, tone_file: Path, tmp_path: Path) -> None:
    program(
        tmp_path, 'env | grep ^AUDIOSOCKET_ > facts; cat "$AUDIOSOCKET_JSON" > copy; test -s "$AUDIOSOCKET_RECORDING"'
    )
    serving = serve("--record", "calls", "--on-call-end", "./hook", "--calls", "1", "--play", tone_file, "--hangup")
    call, first = opening()
    with connected(serving, first, FRAME, encode(digit_frame("4"))) as peer:
        serving.wait_for("digit 4")
        peer.sendall(encode(digit_frame("#")))
        name = "{}:{}".format(*peer.getsockname())
        read_to_end(peer)
    code, lines, err = serving.end(0)
    assert (code, err) == (0, "answered 1 call with 0.0 s of caller audio\n")
    assert len(lines) == 4
    facts = facts_in(tmp_path / "facts")
    assert facts.pop("AUDIOSOCKET_DURATION_S") == str(json.loads((tmp_path / "copy").read_text())["duration_s"])
    assert facts == {
        "AUDIOSOCKET_UUID": call,
        "AUDIOSOCKET_PEER": name,
        "AUDIOSOCKET_ENDED_BY": "server",
        "AUDIOSOCKET_ENDED_HOW": "hangup",
        "AUDIOSOCKET_ENDED_REASON": "end of audio",
        "AUDIOSOCKET_DIGITS": "4#",
        "AUDIOSOCKET_RESULT": "",
        "AUDIOSOCKET_RECORDING": str(tmp_path / "calls" / f"{call}.wav"),
        "AUDIOSOCKET_JSON": str(tmp_path / "calls" / f"{call}.json"),
    }


def test_without_a_recording_no_file_is_named(serve: Serve, tmp_path: Path, tone_file: Path) -> None:
    program(tmp_path, "env | grep ^AUDIOSOCKET_ > facts")
    serving = serve("--on-call-end", "./hook", "--calls", "1")
    assert run("play", tone_file, serving.target, "--duration", "0.1").returncode == 0
    assert serving.end(0)[0] == 0
    facts = facts_in(tmp_path / "facts")
    assert (facts["AUDIOSOCKET_RECORDING"], facts["AUDIOSOCKET_JSON"]) == ("", "")
    assert (facts["AUDIOSOCKET_DIGITS"], facts["AUDIOSOCKET_ENDED_BY"]) == ("", "caller")


@pytest.mark.parametrize(
    ("options", "line", "arguments"),
    [
        ([], "./hook 'a b' \"c d\" e\\ f", ["a b", "c d", "e f"]),
        ([], "./hook $HOME `id`;rm -rf * >out", ["$HOME", "`id`;rm", "-rf", "*", ">out"]),
        (["--shell"], 'x="a b"; ./hook "$x" $((1 + 1)) "$AUDIOSOCKET_DIGITS" && true', ["a b", "2", "7"]),
    ],
    ids=["quotes", "no-shell", "shell"],
)
def test_a_command_line_is_split_as_a_shell_would_and_run_without_one(
    serve: Serve, tmp_path: Path, options: list[str], line: str, arguments: list[str]
) -> None:
    program(tmp_path, 'for word in "$@"; do echo "$word"; done > words')
    serving = serve(*options, "--on-call-end", line, "--calls", "1")
    with connected(serving, opening()[1], encode(digit_frame("7"))):
        serving.wait_for("digit")
    assert serving.end(0)[0] == 0
    assert (tmp_path / "words").read_text().splitlines() == arguments
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no-such-program --now", "cannot run no-such-program --now: there is no such program; *"),
        ("./data", "cannot run ./data: there is no such program; is it executable, *"),
        ("./data > out", "cannot run ./data > out: it is for a shell; add --shell"),
        ("scp $AUDIOSOCKET_RECORDING x:", "cannot run scp $AUDIOSOCKET_RECORDING x:: it is for a shell; add --shell"),
        ("'unclosed", "cannot run 'unclosed: no closing quotation"),
    ],
    ids=["missing", "not-executable", "redirection", "variable", "unclosed-quote"],
)
@pytest.mark.parametrize("option", ["--on-call-end", "--authorize"])
def test_what_cannot_be_run_is_told_before_anything_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, line: str, message: str
) -> None:
    from fnmatch import fnmatch

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("#!/bin/sh\n")
    done = run("serve", "--listen", "127.0.0.1:0", option, line)
    assert (done.returncode, done.stdout) == (2, "")
    assert fnmatch(done.stderr, f"audiosocket: error: {message}\n"), done.stderr


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'disk is full' >&2; exit 3", "./hook exited with code 3: disk is full"),
        ("kill -KILL $$", "./hook was killed by SIGKILL"),
        ("rm hook; exec ./hook", "./hook exited with code 127: .*"),
    ],
    ids=["fails", "crashes", "vanishes"],
)
def test_a_command_that_fails_is_one_line_and_harms_nothing(
    serve: Serve, tmp_path: Path, script: str, reason: str
) -> None:
    program(tmp_path, script)
    serving = serve("--on-call-end", "./hook")
    with connected(serving, opening(9)[1]) as other:
        serving.wait_for("call 0000")
        call_and_close(serving, 1)
        line = serving.wait_for("on-call-end")
        assert re.fullmatch(CLOCK + rf"{opening(1)[0]} on-call-end failed: {reason}", line)
        (tmp_path / "hook").unlink(missing_ok=True)
        other.shutdown(socket.SHUT_WR)
        read_to_end(other)
    line = serving.wait_for("on-call-end")
    assert re.fullmatch(CLOCK + rf"{opening(9)[0]} on-call-end failed: cannot run ./hook: no such file .*", line)
    code, lines, err = serving.end()
    assert (code, len(lines)) == (130, 6)
    assert err == "answered 2 calls with 0.0 s of caller audio, 2 --on-call-end commands failed\n"


def test_a_failure_is_one_json_event(serve: Serve) -> None:
    serving = serve("--on-call-end", "false", "--json", "--calls", "1")
    call_and_close(serving, 1)
    code, lines, _ = serving.end(0)
    events = [json.loads(line) for line in lines]
    assert code == 0
    assert [event["event"] for event in events] == ["listening", "call", "ended", "on-call-end-failed"]
    assert (events[3]["uuid"], events[3]["reason"]) == (opening(1)[0], "false exited with code 1")


def test_at_most_four_run_at_once_and_each_call_has_its_turn(serve: Serve, tmp_path: Path) -> None:
    """The first four wait for each other, however long a busy machine takes to start them; and a fifth has time to
    come."""
    (tmp_path / "running").mkdir()
    program(
        tmp_path,
        "touch running/$AUDIOSOCKET_UUID; for _ in $(seq 200); do ls running | wc -l >> counts; "
        "grep -q 4 counts && break; sleep 0.1; done; sleep 0.2; ls running | wc -l >> counts; "
        "rm running/$AUDIOSOCKET_UUID; echo $AUDIOSOCKET_UUID >> done",
    )
    serving = serve("--on-call-end", "./hook")
    call_and_close(serving, *range(1, 13))
    code, _, err = serving.end()
    assert (code, err) == (130, "answered 12 calls with 0.2 s of caller audio\n")
    assert sorted((tmp_path / "done").read_text().split()) == [opening(number)[0] for number in range(1, 13)]
    assert max(map(int, (tmp_path / "counts").read_text().split())) == 4


def test_hanging_commands_hold_up_no_call(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, "echo $$ >> pids; sleep 100")
    serving = serve("--on-call-end", "./hook")
    begun_s = time.monotonic()
    call_and_close(serving, *range(1, 9))
    assert time.monotonic() - begun_s < 30
    pids = tmp_path / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 4)
    serving.process.send_signal(signal.SIGINT)
    wait_until(lambda: is_free(serving.port))  # now it has taken the first
    assert serving.process.poll() is None
    code, lines, err = serving.end(signal.SIGINT)  # which waits for less long than they take
    assert code == 130
    assert sum(line.endswith("on-call-end failed: stopped at once") for line in lines) == 8
    assert err == "answered 8 calls with 0.2 s of caller audio, 8 --on-call-end commands failed\n"
    wait_until(lambda: not any(is_running(pid) for pid in pids.read_text().split()))


def test_the_server_waits_for_the_commands_of_the_calls_that_it_ended(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, "sleep 0.5; echo $AUDIOSOCKET_ENDED_REASON >> done")
    serving = serve("--on-call-end", "./hook")
    with connected(serving, opening(1)[1]) as first, connected(serving, opening(2)[1]) as second:
        for _ in range(2):
            serving.wait_for("call 0000")
        serving.process.send_signal(signal.SIGTERM)
        for peer in (first, second):
            read_to_end(peer)
    assert serving.end(0)[0] == 143
    assert (tmp_path / "done").read_text() == "server stopped\n" * 2


def test_after_a_second_signal_no_command_is_begun(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, "touch begun; sleep 60")
    serving = serve("--on-call-end", "./hook")
    with connected(serving, opening()[1]) as peer:
        serving.wait_for("call 0000")
        serving.process.send_signal(signal.SIGINT)
        read_to_end(peer)  # the caller does not close: there are two seconds in which to, and then a command begins
        code, lines, _ = serving.end(signal.SIGINT)
    assert code == 130
    assert lines[-1].endswith("on-call-end failed: stopped at once")
    assert not (tmp_path / "begun").exists()


def test_what_a_command_leaves_running_does_not_outlive_it(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, "sleep 60 & echo $! > pid")
    serving = serve("--on-call-end", "./hook", "--calls", "1")
    call_and_close(serving, 1)
    assert serving.end(0)[0] == 0
    wait_until(lambda: not is_running((tmp_path / "pid").read_text()))


def test_what_was_no_call_has_no_command(serve: Serve, tmp_path: Path) -> None:
    program(tmp_path, "echo $AUDIOSOCKET_UUID >> done")
    serving = serve("--on-call-end", "./hook", "--max-calls", "1")
    with connected(serving, b"nonsense") as bad:
        read_to_end(bad)
    serving.wait_for("no call")
    with connected(serving, opening(1)[1]) as peer:
        serving.wait_for("call 0000")
        with connected(serving, opening(2)[1]) as refused:
            read_to_end(refused)
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    assert serving.end()[0] == 130
    assert (tmp_path / "done").read_text().split() == [opening(1)[0]]
