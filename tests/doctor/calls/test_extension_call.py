"""`doctor --call EXTEN@CONTEXT`: a real Asterisk is called at extensions that do well, and that do not."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from audiosocket_cli.audio.pcm import to_slin, tone
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.doctor.calls.calling import call_address
from audiosocket_cli.doctor.calls.extension_call import call_extension
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli
from audiosocket_cli.doctor.pbx.place import place_of
from audiosocket_cli.finding import Diagnosis, Status
from support.peers import free_port
from support.running import COMMAND, Serve, run
from support.testbed import running_asterisk, testbed
from support.testbed_cli import asterisk_line


@pytest.mark.parametrize("extension", ["100", "100@", "@bots", "1 0@bots", "100@bots,1", "bot:9092", "1@b@c"])
def test_what_names_no_extension_is_refused_in_a_line(extension: str) -> None:
    done = run("doctor", "--call", extension)
    assert (done.returncode, done.stdout) == (2, "")
    wanted = "write an extension of your dialplan as EXTEN@CONTEXT, or leave it out"
    assert done.stderr == f"audiosocket: error: --call {extension!r}: {wanted}\n"


@pytest.fixture
def context() -> Iterator[str]:
    """The name of a context in a running Asterisk, which is removed again."""
    name = f"doctor-{uuid4().hex[:8]}"
    with running_asterisk():
        yield name
        cli(f"dialplan remove context {name}")


def cli(command: str) -> str:
    return testbed("cli", command).stdout


def add(context: str, extension: str, *applications: str) -> None:
    for priority, application in enumerate(applications, 1):
        cli(f"dialplan add extension {extension},{priority},{application} into {context}")


async def speak_with_gaps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speak for half a second, and say nothing for a second, again and again."""
    frame = encode(Frame(Kind.SLIN, to_slin(tone(800, 8000, 0.02))))
    reading = asyncio.create_task(reader.read(-1))
    with contextlib.suppress(ConnectionError):
        while not reading.done():
            for _ in range(25):
                writer.write(frame)
                await asyncio.sleep(0.02)
            await asyncio.sleep(1.0)
    writer.close()


def not_ok(found: list[Diagnosis]) -> list[tuple[str, Status]]:
    return [(each.id, each.status) for each in found if each.status is not Status.OK]


@pytest.mark.asterisk
def test_what_a_caller_of_an_extension_hears_is_told(serve: Serve, context: str, tone_file: Path) -> None:
    gaps_port = free_port()
    servers = {
        "echo": serve("--echo").target,
        "silent": serve().target,
        "tone": serve("--tone", "800").target,
        "short": serve("--play", tone_file, "--hangup").target,
    }
    for name, server in servers.items():
        add(context, name, "Answer()", f"AudioSocket(${{UUID()}},{server})", "Hangup()")
    add(context, "gaps", "Answer()", f"AudioSocket(${{UUID()}},127.0.0.1:{gaps_port})")
    add(context, "driver", f"Dial(AudioSocket/{servers['echo']}/${{UUID()}}/c(slin16))")
    add(context, "unanswered", f"AudioSocket(${{UUID()}},{servers['echo']})")

    async def call_all(*names: str) -> dict[str, list[Diagnosis]]:
        cli_of = AsteriskCli(place_of(asterisk_line(), None))
        calls = (call_extension(cli_of, f"{name}@{context}", call_address(None)) for name in names)
        async with await asyncio.start_server(speak_with_gaps, "127.0.0.1", gaps_port):
            return dict(zip(names, await asyncio.gather(*calls), strict=True))

    found = asyncio.run(call_all(*servers, "gaps", "driver", "unanswered", "nowhere"))
    faults = {name: not_ok(one) for name, one in found.items()}
    assert faults.pop("gaps") == [("sound-lost", Status.WARNING)]
    assert re.search(r"the longest gap [12]\d\d\d ms", found["gaps"][1].what)  # a second, and what a busy machine adds
    for name in ("echo", "driver", "tone"):  # where a busy machine has a server stand still, that is a gap, too
        assert set(faults.pop(name)) <= {("sound-lost", Status.WARNING)}, found[name]
    assert faults == {
        "silent": [("server-silent", Status.WARNING)],
        "short": [("call-ends-early", Status.WARNING)],
        "unanswered": [("call-never-arrives", Status.FAULT)],
        "nowhere": [("extension-missing", Status.FAULT)],
    }, found
    for name in ("echo", "driver"):
        (echo,) = [each.what for each in found[name] if each.id == "long-delay"]
        assert echo.startswith("what we said comes back, 2.0 of 2 s"), echo
    (heard,) = [each.what for each in found["tone"] if each.id == "sound-lost"]
    assert heard.startswith("sound is heard from 0."), heard
    assert " at -15 dBFS" in heard
    assert found["unanswered"][0].what.startswith("the extension ended the call without an answer")
    assert cli("core show channels concise").strip() == ""


@pytest.mark.asterisk
def test_a_signal_while_it_rings_leaves_no_channel(context: str) -> None:
    add(context, "rings", "Ringing()", "Wait(60)")
    process = subprocess.Popen(
        [*COMMAND, "doctor", "--call", f"rings@{context}", "--asterisk-command", asterisk_line()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(100):
        if f"Local/rings@{context}" in cli("core show channels concise"):
            break
    else:
        pytest.fail("no call came")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in err
    assert cli("core show channels concise").strip() == ""
