"""`doctor --call`: a real Asterisk places the test calls, and what is wrong with it is found."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from audiosocket_cli.doctor.calls.calling import CallAddress, place_test_call
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli
from audiosocket_cli.doctor.pbx.place import place_of
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.net.address import Address
from support.running import COMMAND, run
from support.testbed import running_asterisk, testbed
from support.testbed_cli import asterisk_line

HERE = Address("127.0.0.1", 0)


def test_what_does_not_go_together_is_refused_in_a_line() -> None:
    done = run("doctor", "--call-address", "127.0.0.1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "audiosocket: error: --call-address is for --call: add --call to place test calls\n"


def test_without_an_asterisk_no_call_is_placed_and_the_reason_is_said() -> None:
    done = run("doctor", "--call", "--asterisk-command", "/nonexistent/asterisk", "--json")
    (look,) = json.loads(done.stdout)["looked_at"]
    assert look["title"] == "test calls"
    assert [each["id"] for each in look["findings"]] == ["asterisk-missing"]
    assert done.returncode == 1


@pytest.fixture(scope="module")
def asterisk() -> Iterator[None]:
    """A running Asterisk with all that test calls use."""
    with running_asterisk(), loaded("app_milliwatt"):
        yield


@contextlib.contextmanager
def loaded(module: str) -> Iterator[None]:
    was_there = f"{module}.so" in cli(f"module show like {module}")
    if not was_there:
        cli(f"module load {module}.so")
    yield
    if not was_there:
        cli(f"module unload {module}.so")


@contextlib.contextmanager
def unloaded(*modules: str) -> Iterator[None]:
    for module in modules:
        cli(f"module unload {module}.so")
    try:
        yield
    finally:
        for module in reversed(modules):
            cli(f"module load {module}.so")


def cli(command: str) -> str:
    return testbed("cli", command).stdout


def channels() -> str:
    return cli("core show channels concise").strip()


@pytest.mark.asterisk
def test_a_healthy_asterisk_is_found_so_at_all_rates_and_no_channel_is_left(asterisk: None) -> None:
    done = run("doctor", "--call", "--asterisk-command", asterisk_line(), "--json")
    (look,) = json.loads(done.stdout)["looked_at"]
    found = look["findings"]
    assert [(each["id"], each["status"]) for each in found] == [
        ("call-never-arrives", "ok"), ("sound-lost", "ok"), ("sound-lost", "ok"), ("sound-changed", "ok"),
        ("digits-lost", "ok"), ("channels-stuck", "ok"),
    ], done.stdout  # fmt: skip
    assert "at 8, 12, 16, 24, 32, 44.1, 48, 96, 192 kHz: nothing missing" in found[1]["what"]
    for line in found[1]["evidence"]:
        assert re.search(r"2\.0 of 2 s heard, .*, [+-]0\.0 dB, correlation 1\.00; 1[23]\d frames of slin", line), line
    assert "at 8, 16 kHz: nothing missing" in found[2]["what"]
    assert "1004 Hz at -6.0 dBFS for 2" in found[3]["what"]
    assert done.returncode == 0
    assert channels() == ""


@pytest.mark.asterisk
def test_modules_that_are_missing_show_in_what_fails(asterisk: None) -> None:
    with unloaded("codec_resample", "app_echo"):
        done = run("doctor", "--call", "--asterisk-command", asterisk_line(), "--json")
    (look,) = json.loads(done.stdout)["looked_at"]
    echo, both, tone, *well = look["findings"]
    assert (echo["id"], echo["status"], echo["where"]) == ("module-missing", "not looked at", "app_echo")
    assert echo["lines"] == [f"{asterisk_line()} -rx 'module load app_echo.so'"]
    assert (both["id"], both["status"]) == ("call-never-arrives", "fault")
    assert both["what"].startswith("AudioSocket() with c(slin16): the channel connected, but the application")
    assert (tone["id"], tone["status"]) == ("call-ends-early", "fault")
    for fault in (both, tone):
        assert fault["lines"] == [f"{asterisk_line()} -rx 'module load codec_resample.so'"]
    assert [(each["id"], each["status"]) for each in well] == [
        ("sound-lost", "ok"), ("sound-changed", "ok"), ("digits-lost", "ok"),
    ]  # fmt: skip
    assert "at 8 kHz" in well[0]["what"]
    assert done.returncode == 1


@pytest.mark.asterisk
def test_what_a_bad_way_does_to_calls_is_found(asterisk: None) -> None:
    """Two at once: all comes late, frames are lost."""

    async def all_ways() -> list[list[Diagnosis]]:
        async with on_a_way(delay_s=0.12) as slow, on_a_way(lost=20) as lossy:
            return await asyncio.gather(placed(slow), placed(lossy))

    slow, lossy = asyncio.run(all_ways())
    assert {each.id for each in slow if each.status is not Status.OK} == {"long-delay"}, slow
    delays = [int(re.findall(r"sound takes (\d+) ms", each.what)[0]) for each in slow if each.id == "long-delay"]
    assert len(delays) == 9 + 4
    assert min(delays) >= 240, delays
    assert sorted(delays)[len(delays) // 2] < 450, delays  # a busy machine adds its own to some
    assert {each.id for each in lossy if each.status is not Status.OK} == {"sound-lost"}, lossy
    assert channels() == ""


@pytest.mark.asterisk
def test_where_asterisk_cannot_reach_us_it_tries_once_only(asterisk: None) -> None:
    before = testbed("log").stdout.count("Failed to connect to AudioSocket service")
    found = asyncio.run(placed(CallAddress(HERE, Address("127.0.0.2", 0))))
    assert [(each.id, each.status) for each in found] == [("call-never-arrives", Status.FAULT)]
    assert testbed("log").stdout.count("Failed to connect to AudioSocket service") - before <= 2
    assert channels() == ""


async def placed(where: CallAddress) -> list[Diagnosis]:
    return await place_test_call(AsteriskCli(place_of(asterisk_line(), None)), where)


@contextlib.asynccontextmanager
async def on_a_way(*, delay_s: float = 0.0, lost: int = 0) -> AsyncIterator[CallAddress]:
    """A way between Asterisk and the server of the test calls that takes its time, and loses one in `lost` frames that
    we send."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        ours = Address(*free.getsockname())
    loop = asyncio.get_running_loop()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: int) -> None:
        number = 0
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                header = await reader.readexactly(3)
                frame = header + await reader.readexactly(int.from_bytes(header[1:]))
                number += 1
                if not lost or number % lost:
                    loop.call_later(delay_s, writer.write, frame)
        loop.call_later(delay_s, writer.close)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_us, to_us = await asyncio.open_connection(*ours)
        await asyncio.gather(pass_on(reader, to_us, 0), pass_on(from_us, writer, lost))

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        yield CallAddress(ours, Address(*server.sockets[0].getsockname()))


@pytest.mark.asterisk
def test_a_signal_in_the_middle_leaves_no_channel(asterisk: None, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "doctor", "--call", "--asterisk-command", asterisk_line()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    for _ in range(100):
        if channels().count("AudioSocket/") > 3:
            break
    else:
        pytest.fail("no calls came")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in err
    assert channels() == ""
