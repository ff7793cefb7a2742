"""Transfer by result: a real Asterisk asks for what the bot named, and the caller lands at that extension.

Both the bot and the dialplan are those of the documentation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from support.pages import DOCS, FILES, PAGES
from support.peers import free_port, get
from support.running import Serve, Serving
from support.testbed import running_asterisk, testbed

pytestmark = pytest.mark.asterisk

Place = Callable[..., dict[str, Any]]
"""Places a call at a server whose API is at a port, and returns the testbed's account of it."""


@pytest.fixture(scope="module")
def asterisk() -> Iterator[None]:
    """A running Asterisk; one that was running before stays."""
    with running_asterisk():
        yield


def dialplan(serving: Serving, port: int, *, password: str = "", connect: str = "") -> str:
    """The page's dialplan, for these ports, which tells where the caller lands."""
    audiosocket = "AudioSocket(${CALL},127.0.0.1:9092)"
    text = FILES["transfer.conf"]
    asks = " same => n,Set(RESULT="
    for old, new in (
        (audiosocket, connect or audiosocket),
        ("127.0.0.1:9092", serving.target),
        ("127.0.0.1:9080", f"127.0.0.1:{port}"),
        (asks, f" same => n,Set(CURLOPT(userpwd)=asterisk:{password})\n{asks}" if password else asks),
        ("Playback(vm-goodbye)", "Log(NOTICE,${TESTBED} landed nowhere [${RESULT}])"),
        ("Dial(PJSIP/200)", "Log(NOTICE,${TESTBED} landed ${CONTEXT} ${EXTEN} [${RESULT}])"),
        ("Dial(PJSIP/201)", "Log(NOTICE,${TESTBED} landed ${CONTEXT} ${EXTEN} [${RESULT}])"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture
def place(asterisk: None, tmp_path: Path) -> Place:
    def call(serving: Serving, port: int, far: str, **options: str) -> dict[str, Any]:
        path = tmp_path / "transfer.conf"
        path.write_text(dialplan(serving, port, **options))
        done = testbed("call", "--dialplan", path, "--enter", "phones,100", "--far", far)
        assert done.returncode == 0, done.stderr + done.stdout
        account: dict[str, Any] = json.loads(done.stdout)
        return account

    return call


@pytest.fixture
def receptionist(tmp_path: Path) -> list[str]:
    """The page's bot, with something to say."""
    bot = tmp_path / "receptionist.py"
    bot.write_text(FILES["receptionist.py"])
    bot.chmod(0o755)
    for name, seconds in (("menu", 20.0), ("one-moment", 1.0)):
        soundfile.write(tmp_path / f"{name}.wav", tone(440, 8000, seconds), 8000)
    return ["--exec", "./receptionist.py"]


@pytest.mark.parametrize(("digit", "department"), [("1", "sales"), ("2", "support")])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_caller_lands_at_the_extension_that_the_bot_named(
    serve: Serve, place: Place, receptionist: list[str], digit: str, department: str, workers: str
) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}", "--json", "--workers", workers, *receptionist)
    account = place(serving, port, f"silence 1, digits {digit}, silence 5")
    assert account["told"] == {"landed": f"after-the-bot {department} [{department}]"}
    uuid = json.loads(serving.wait_for('"event": "call"'))["uuid"]
    result = serving.wait_for_end(uuid)
    assert (result["result"], result["ended_by"], result["ended_how"]) == (department, "server", "hangup")
    assert result["program"]["said_s"] > 1.5  # what was said last was said whole
    assert result["program"]["said_s"] < 5  # but not the menu
    assert account["audiosocket_log"] == []
    assert get(port, f"/calls/{uuid}/result") == (200, department)


def test_with_the_channel_driver_it_is_the_same(serve: Serve, place: Place, receptionist: list[str]) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}", *receptionist)
    connect = "Dial(AudioSocket/127.0.0.1:9092/${CALL}/c(slin),,g)"
    assert connect in PAGES[DOCS / "transfer.md"]
    account = place(serving, port, "silence 1, digits 1, silence 5", connect=connect)
    assert account["told"] == {"landed": "after-the-bot sales [sales]"}


@pytest.mark.parametrize(
    ("bot", "landed"),
    [
        ("""echo '{"hangup": true}' >&3; cat""", "nowhere []"),
        ("""echo '{"hangup": true, "result": "nobody"}' >&3; cat""", "nowhere [nobody]"),
        ("""echo '{"hangup": true, "result": "sales,1)},${SHELL(id)}"}' >&3; cat""", "nowhere [salesid]"),
        ("""printf '%s\\n' '{"hangup": true, "result": "a\\nb"}' >&3; cat""", "nowhere []"),
        ("kill -KILL $$", "nowhere []"),
    ],
    ids=["no-result", "unknown", "hostile", "not-a-result", "crash"],
)
def test_a_caller_whose_bot_names_nothing_that_is_there_goes_on_to_the_next_line(
    serve: Serve, place: Place, bot: str, landed: str
) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}", "--shell", "--exec", bot)
    assert place(serving, port, "silence 5")["told"] == {"landed": landed}


def test_a_caller_is_sent_on_by_who_hangs_up_through_the_api(serve: Serve, place: Place) -> None:
    port = free_port()
    serving = serve("--api", f"127.0.0.1:{port}")

    def send_on() -> None:
        while not (calls := json.loads(get(port, "/calls")[1])["calls"]):
            time.sleep(0.05)
        assert get(port, f"/calls/{calls[0]['uuid']}/hangup", "POST", "result=sales")[0] == 200

    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(send_on)
        assert place(serving, port, "silence 5")["told"] == {"landed": "after-the-bot sales [sales]"}
        sent.result()
    serving.wait_for(r"ended by server \(hangup: hung up through --api\)")


@pytest.mark.parametrize(("password", "landed"), [("secret", "after-the-bot sales [sales]"), ("guess", "nowhere []")])
def test_a_password_is_sent_by_the_dialplan(
    serve: Serve, place: Place, tmp_path: Path, password: str, landed: str
) -> None:
    port = free_port()
    (tmp_path / "token").write_text("secret\n")
    bot = """echo '{"hangup": true, "result": "sales"}' >&3; cat >/dev/null"""
    serving = serve("--api", f"127.0.0.1:{port}", "--api-token-file", "token", "--shell", "--exec", bot)
    assert place(serving, port, "silence 5", password=password)["told"] == {"landed": landed}


def test_where_nobody_answers_the_dialplan_goes_on_to_the_next_line(
    serve: Serve, place: Place, receptionist: list[str]
) -> None:
    serving = serve(*receptionist)
    assert place(serving, free_port(), "silence 1, digits 1, silence 5")["told"] == {"landed": "nowhere []"}
