"""Our own `serve` fails no case, in each of its modes, nor through `proxy`; what cannot be seen of it is known."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from audiosocket_cli.check.catalogue import CASES
from audiosocket_cli.check.subject import free_port
from audiosocket_cli.net.address import Address
from support.checked import FAIL, OF_TURNS, SKIP, UNKNOWN, check_whole, with_verdict
from support.pages import FILES
from support.running import COMMAND, Serve, run

SKIPPED = {"end/hangup-frame", "sends/rates"} | OF_TURNS
"""`serve` ends no call by itself, the newest Asterisk takes all rates, and how fast an answer has to be is not said."""

HEARING = {
    case.id for case in CASES
    if case.group in ("frame", "uuid", "kind") and case.id not in ("kind/error", "kind/hangup")
} | {"load/10-calls", "load/100-calls"}  # fmt: skip
"""What can be seen of an echo only."""

OF_SPARSE_SILENCE = {"pace/rate"}

OF_TIME = {"pace/rate", "pace/bursts"}


@pytest.mark.parametrize(
    ("options", "unknown"),
    [
        ((), HEARING | OF_SPARSE_SILENCE),
        (("--silence", "full"), HEARING),
        (("--echo",), set()),
        (("--play", "{sound}", "--loop"), HEARING),
        (("--exec", "cat"), {"kind/change"}),
    ],
    ids=["silence", "full silence", "echo", "play", "exec cat"],
)
def test_serve_fails_nothing(options: Sequence[str], unknown: set[str], tone_file: Path) -> None:
    target = Address("127.0.0.1", free_port())
    words = [word.format(sound=tone_file) for word in options]
    done = check_whole([*COMMAND, "serve", "--listen", str(target), *words], target, OF_TIME - unknown)
    assert done.notes == []
    assert with_verdict(done, FAIL) == {}
    assert set(with_verdict(done, SKIP)) == SKIPPED
    assert set(with_verdict(done, UNKNOWN)) == unknown, with_verdict(done, UNKNOWN)


def test_through_a_proxy_each_case_has_the_same_verdict(serve: Serve) -> None:
    """As `serve --echo` without one, which is tested above: all that is not skipped passes."""
    target = Address("127.0.0.1", free_port())
    done = check_whole([*COMMAND, "proxy", serve("--echo").target, "--listen", str(target)], target, OF_TIME)
    assert done.notes == []
    assert with_verdict(done, FAIL) | with_verdict(done, UNKNOWN) == {}
    assert set(with_verdict(done, SKIP)) == SKIPPED


def test_a_program_that_takes_turns_passes_them(tmp_path: Path) -> None:
    parrot = tmp_path / "parrot.py"
    parrot.write_text(FILES["parrot.py"])
    server = [*COMMAND, "serve", "--listen", "127.0.0.1:{port}", "--exec", f"{sys.executable} {parrot}"]
    done = run("check", "--turn-within", "2s", "--only", "turn/", "--json", "--", *server, timeout=120)
    cases = json.loads(done.stdout)["cases"]
    assert [case["verdict"] for case in cases] == ["pass"] * 3, done.stdout
    answer_s, second_s, pause_s = (case["attempts"][0]["measured_s"] for case in cases)
    assert 0.3 < answer_s < 2
    assert 0.3 < second_s < 2
    assert pause_s is None
