"""Nothing that comes from outside reaches a terminal as it is: what would be obeyed is spelled out, in every command.

Names of files, what peers, captures and programs say, arguments and the environment are all made of what a terminal
would obey, and no output may hold any of it, nor begin a line that is not ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.capture.exports import as_jsonl, as_pcapng
from audiosocket_cli.capture.items import Opened, Remark
from audiosocket_cli.codec import Frame, Kind, encode, uuid_frame
from audiosocket_cli.text import printable
from support.captured import UUID_1, a_normal_call
from support.running import COMMAND

EVIL = (
    b"\x1b]0;owned\x07\x1b[2J\rx\nforged\x9bm\xe2\x80\xaex\xe2\x81\xa6\x7f"
    b"\xc2\x9b2J\xc2\x85\xe2\x80\xa8\xff\xed\xa0\x80"
)
"""A title, a cleared screen, a line over the last one and one of its own, C1 controls as byte and as character, text
that runs backwards, and what is no UTF-8."""

NAME = os.fsdecode(EVIL)
TEXT = EVIL.decode("utf-8", "replace")
CALLER = [
    uuid_frame(UUID_1), Frame(Kind.SLIN, bytes(range(64)) * 5), Frame(Kind.DTMF, b"\x1b"), Frame(Kind.DTMF, EVIL),
    Frame(Kind.ERROR, EVIL), Frame(0x42, EVIL),
]  # fmt: skip
NO_CALLERS = [b"GET /" + EVIL * 20, encode(Frame(Kind.UUID, EVIL)), encode(Frame(0x42, EVIL)), EVIL]
SERVERS = [encode(Frame(Kind.ERROR, EVIL)), encode(Frame(Kind.DTMF, EVIL)), b"HTTP/1.1 " + EVIL * 100]

OURS = re.compile(r"\x1b\[(?:\?25[hl]|\d*A|2K|[\d;]*m)|\r")
"""What a live view says to a terminal: cursor, colours, lines to be drawn again."""

ENVIRONMENTS = {
    "utf-8": {},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}

SAYS = """#!{python}
import json, os, sys
evil = os.environb[b"EVIL"]
os.write(2, evil + b"\\n\\t" + evil)
if "AUDIOSOCKET_EVENTS_FD" in os.environ:
    os.write(3, evil + b"\\n" + json.dumps({{"play": os.fsdecode(evil)}}).encode() + b"\\n")
    sys.stdin.buffer.read()
sys.exit("AUDIOSOCKET_DURATION_S" in os.environ or "REFUSE" in os.environ)
"""
"""A bot, a judge or a command after a call, and each of them complains."""


def told(data: bytes, *, terminal: bool = False) -> str:
    """Return what a command wrote, once it is found to be harmless."""
    text = data.decode()
    if terminal:
        text = OURS.sub("", text)
    assert {char for char in text if not char.isprintable() and char != "\n"} == set(), text
    assert not re.search("^ {0,8}forged", text, re.MULTILINE), text  # what goes on with a line is indented below it
    assert "Traceback" not in text
    return text


@dataclass
class Place:
    """A folder where all names are evil, and a server that says nothing else."""

    folder: Path
    port: int = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def path(self, suffix: str) -> Path:
        return self.folder / f"{NAME}{suffix}"

    def run(self, *args: str | Path, stdin: bytes = b"", **env: str) -> str:
        """Run a command to its end, off a terminal."""
        done = subprocess.run(
            [*COMMAND, *map(str, args)], cwd=self.folder, env={**os.environ, **env},
            input=stdin, capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        return told(done.stdout) + told(done.stderr)


@contextlib.contextmanager
def shown(*args: str | Path, terminal: bool = True) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[str], str]]]:
    """Run a command on a terminal, or on a pipe; gives it, and what waits until it has written something and returns
    all. What it wrote is looked at when it has ended by itself, at the end of the block."""
    near, far = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [*COMMAND, *map(str, args)], stdin=far if terminal else subprocess.DEVNULL, stdout=far, stderr=far,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "130", "LINES": "40"},
    )  # fmt: skip
    os.close(far)
    data = b""

    def wait_for(pattern: str) -> str:
        nonlocal data
        give_up_s = time.monotonic() + 90
        while not re.search(pattern, data.decode(errors="replace")):
            assert time.monotonic() < give_up_s, data
            if select.select([near], [], [], 0.1)[0]:
                try:
                    more = os.read(near, 65536)
                except OSError:  # the end of a terminal
                    break
                if not more:
                    break
                data += more
        return data.decode(errors="replace")

    try:
        yield process, wait_for
        wait_for("(?!)")
        process.wait(60)
    finally:
        process.kill()
        process.wait()
        os.close(near)
    assert "owned" in told(data, terminal=terminal)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    soundfile.write(os.fsencode(place.path("in.wav")), tone(440, 8000, 0.1), 8000)
    place.path("in.txt").write_bytes(EVIL)
    opened, *rest = a_normal_call(0.1)
    assert isinstance(opened, Opened)
    call = [opened, Remark(opened.call, 0.0, TEXT), *rest]
    place.path("in.jsonl").write_bytes(b"".join(as_jsonl(call)))
    place.path("in.pcapng").write_bytes(b"".join(as_pcapng(call, TEXT)))
    place.path("in.bin").write_bytes(b"".join(map(encode, CALLER)) + EVIL)
    says = place.path("says.py")
    says.write_text(SAYS.format(python=sys.executable))
    says.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place.port = listener.getsockname()[1]
        threading.Thread(target=_answer, args=(listener,), daemon=True).start()
        yield place


def _answer(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for number in range(1000):
            peer, _ = listener.accept()
            with peer:
                peer.recv(19)
                peer.sendall(encode(CALLER[1]) * 5 + SERVERS[number % len(SERVERS)])
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass


Args = tuple[str | Path, ...]

FORMS: list[Args] = [
    (), ("--json",), ("--each",), ("--hex",), ("--stats",), ("--stats", "--json"), ("--to", "jsonl", "-"),
]  # fmt: skip

COMMANDS: dict[str, Callable[[Place], list[Args]]] = {
    "play": lambda place: [
        ("play", place.path("in.wav"), place.target, "--record", place.path("out.wav"), "--capture", place.path("c")),
        ("play", place.path("in.wav"), place.target, "--json", "--record", place.path("2.wav")),
        ("play", place.path("in.txt"), place.target),
        ("play", place.path("none.wav"), place.target),
        ("play", place.path("in.wav"), NAME),
        ("play", place.path("in.wav"), f"{NAME}:9092"),
        ("play", place.path("in.wav"), "127.0.0.1:1", "--record", place.path("in.wav")),
    ],
    "record": lambda place: [
        ("record", place.path("out.flac"), place.target),
        ("record", place.path("out.wav"), place.target, "--json"),
        ("record", place.path("out"), place.target, "--capture", place.path("c.pcapng")),
        ("record", place.path("in.txt") / "x.wav", place.target),
        ("record", place.path("in.wav"), place.target),
    ],
    "inject-dtmf": lambda place: [
        ("inject-dtmf", "1", place.target, "--record", place.path("out.wav"), "--audio", place.path("in.wav")),
        ("inject-dtmf", "1", place.target, "--json", "--capture", place.path("c.pcapng"), "--after", "0"),
        ("inject-dtmf", NAME, place.target),
        ("inject-dtmf", "1", place.target, "--audio", place.path("in.txt")),
    ],
    "dump": lambda place: [
        *(("dump", place.path("in.jsonl"), *form) for form in FORMS),
        *(("dump", place.path("in.pcapng"), *form) for form in FORMS[:1]),
        *(("dump", place.path("in.bin"), *form) for form in FORMS[1:4:2]),
        ("dump", place.path("in.jsonl"), place.path("in.bin"), place.path("in.txt"), place.path("none")),
        ("dump", place.path("in.jsonl"), "--wav", place.path("wavs")),
        ("dump", place.path("in.jsonl"), "--to", "pcapng", place.path("in.wav")),
        ("dump", place.path("in.jsonl"), "--call", NAME),
        ("dump", place.path("none")),
    ],
    "replay": lambda place: [
        ("replay", place.path("in.jsonl"), place.target, "--record", place.path("out.wav")),
        ("replay", place.path("in.pcapng"), place.target, "--json", "--record", place.path("2.wav")),
        ("replay", place.path("in.txt"), place.target),
        ("replay", place.path("none"), place.target),
    ],
    "bench": lambda place: [
        ("bench", place.target, "--threshold", NAME),
        ("bench", place.target, "--calls", "3", "--duration", "1s", "--output", place.path("out.json")),
        ("bench", place.target, "--calls", "3", "--duration", "1s", "--json", "--audio", place.path("in.wav")),
        ("bench", place.target, "--audio", place.path("in.txt")),
        ("bench", place.target, "--compare", place.path("in.txt")),
    ],
    "wireshark": lambda place: [
        ("wireshark", "--install", "--folder", place.path("plugins")),
        ("wireshark", "--install", "--folder", place.path("in.txt")),
    ],
    "serve": lambda place: [
        ("serve", "--play", place.path("in.txt")),
        ("serve", "--play", place.path("none")),
        ("serve", "--allow-uuid", place.path("in.txt")),
        ("serve", "--record", place.path("in.txt")),
        ("serve", "--allow-from", NAME),
        ("serve", "--exec", f"'{NAME}"),
    ],
}  # fmt: skip
"""Commands that end by themselves, and say much of what is evil."""


@pytest.mark.parametrize("encoding", ENVIRONMENTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_what_a_terminal_would_obey(place: Place, command: str, encoding: str) -> None:
    runs = COMMANDS[command](place)
    if encoding != "utf-8":
        runs = runs[:1]
    with ThreadPoolExecutor(2) as pool:  # most of them wait
        texts = list(pool.map(lambda args: place.run(*args, **ENVIRONMENTS[encoding]), runs))
    assert sum("owned" in text for text in texts) >= len(texts) / 2


@pytest.mark.parametrize("command", ["play", "dump"])
def test_streams_that_can_say_no_more_than_ascii_end_nothing(place: Place, command: str) -> None:
    assert "owned" in place.run(*COMMANDS[command](place)[0], PYTHONIOENCODING="ascii")


@pytest.mark.parametrize("form", [(), ("--json",), ("--each",)])
def test_a_capture_that_is_followed_shows_nothing_of_the_kind(place: Place, form: Args) -> None:
    assert "owned" in place.run("dump", "-", "--follow", *form, stdin=place.path("in.jsonl").read_bytes())


def test_options_that_the_environment_sets_are_spelled_out_too(place: Place) -> None:
    assert "owned" in place.run("serve", AUDIOSOCKET_SERVE_LISTEN=NAME)
    assert "owned" in place.run("dump", place.path("in.bin"), AUDIOSOCKET_DUMP_SIDE=NAME)
    assert "owned" in place.run(NAME)


@pytest.mark.parametrize("form", ["lines", "json", "terminal", "refused", "workers"])
def test_serve_shows_nothing_of_the_kind_while_it_answers(
    place: Place, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("EVIL", NAME)
    if form == "refused":
        monkeypatch.setenv("REFUSE", "1")
    says = shlex.quote(str(place.path("says.py")))
    args = ["serve", "--listen", "127.0.0.1:0", "--record", place.path("calls"), "--capture", place.path("captures"),
            "--authorize", says, "--on-call-end", says]  # fmt: skip
    args += ["--json"] if "json" in form else ["--workers", "2"] if form == "workers" else []
    with shown(*args, "--calls", "1", "--exec", says, terminal="terminal" in form) as (serving, wait_for):
        port = int(re.findall(r"listening on 127\.0\.0\.1:(\d+)", wait_for(r"listening on \S+\d\D"))[0])
        for said in [*NO_CALLERS, b"".join(map(encode, CALLER))]:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
                peer.sendall(said)
                time.sleep(0.5 * (said not in NO_CALLERS))
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass
        if form == "refused":
            wait_for(f"refused.*{UUID_1}|refused.*exited")
            os.kill(serving.pid, signal.SIGINT)


@pytest.mark.parametrize("command", ["play", "record", "dump", "replay"])
def test_on_a_terminal_only_our_own_sequences_are_written(place: Place, command: str) -> None:
    with shown(*COMMANDS[command](place)[0]):
        pass


def test_json_that_is_spelled_out_means_the_same(place: Place) -> None:
    said = {"name": NAME, "text": TEXT, "far": "\U000e0001\U0001f600", "plain": 'µ-law \\ " ü'}
    line = printable(json.dumps(said, ensure_ascii=False))
    assert line.isprintable()
    assert "µ-law" in line
    assert json.loads(line) == said
    assert printable(line) == line


def test_the_json_of_a_call_can_be_shown(place: Place) -> None:
    place.run("record", f"{NAME}/{{uuid}}-{NAME}.wav", place.target)
    (path,) = place.folder.rglob("*-*.json")
    assert json.loads(told(path.read_bytes()))["recording"]["files"] == [path.with_suffix(".wav").name]
