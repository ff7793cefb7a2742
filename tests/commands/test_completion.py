"""Shell completion: what a shell is offered while somebody types, and the scripts that ask for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.running import COMMAND, Serve, need, run


def offered(*words: str, **env: str) -> list[str]:
    """What a shell is offered for the last word of a line, as type and value."""
    line = " ".join(["audiosocket", *words])
    asked = {"_AUDIOSOCKET_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words)), **env}
    done = run(**asked)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_our_command_and_how_to_ask_it(shell: str) -> None:
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_AUDIOSOCKET_COMPLETE={shell}_complete " in done.stdout
    assert "audiosocket" in done.stdout


def test_another_shell_is_refused() -> None:
    done = run("completion", "csh")
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("in",), ["plain,inject-dtmf"]),
        (("record", "x.wav", "--ki"), ["plain,--kind"]),
        (("record", "x.wav", "--kind", "slin4"), ["plain,slin44", "plain,slin48"]),
        (("play", "x.wav", "--rate", "4"), ["plain,44100", "plain,48000"]),
        (("dump", "x.pcap", "--kind", "h"), ["plain,hangup"]),
        (("serve", "--layout", "st"), ["plain,stereo"]),
        (("completion", "f"), ["plain,fish"]),
        (("help", "rec"), ["plain,recording", "plain,record"]),
        (("help", "fin"), ["plain,findings", "plain,finding"]),
        (("help", "finding", "caller-u"), ["plain,caller-ulaw"]),
        (("help", "bots", "caller-u"), []),
        (("help", "finding", "clipped", "--sound", "y"), ["file,y"]),
        (("play", "hel"), ["file,hel"]),
        (("record", "x"), ["file,x"]),
        (("replay", "x"), ["file,x"]),
        (("serve", "--capture", "x"), ["file,x"]),
        (("play", "x.wav", "--record", "y"), ["file,y"]),
        (("talk", "--input", "z"), ["file,z"]),
        (("talk", "--input-device", "no such card"), []),
        (("nonsense", "x"), []),
        (("replay", "no-such-file", "--call", ""), []),
        (("replay", "-", "--call", ""), []),
        (("bench", "--duration", "nonsense", "--calls"), ["plain,--calls"]),
    ],
)
def test_what_is_offered(words: tuple[str, ...], expected: list[str]) -> None:
    assert offered(*words) == expected


def test_the_calls_of_a_capture_are_offered(serve: Serve, tmp_path: Path, tone_file: Path) -> None:
    serving = serve("--capture", tmp_path / "all.pcapng", "--calls", "2")
    uuids = ["11111111-2222-4333-8444-555555555555", "aaaaaaaa-2222-4333-8444-555555555555"]
    for uuid in uuids:
        assert run("play", tone_file, serving.target, "--duration", "0.1", "--uuid", uuid).returncode == 0
    serving.end(0)
    capture = str(tmp_path / "all.pcapng")
    assert offered("replay", capture, "--call", "") == [f"plain,{uuid}" for uuid in uuids]
    assert offered("replay", capture, "--call", "A") == [f"plain,{uuids[1]}"]


def test_a_real_bash_completes_a_line(tmp_path: Path) -> None:
    (tmp_path / "audiosocket").write_text(f'#!/bin/sh\nexec {" ".join(map(str, COMMAND))} "$@"\n')
    (tmp_path / "audiosocket").chmod(0o755)
    script = f"""
        PATH={tmp_path}:$PATH
        source <(audiosocket completion bash)
        complete -p audiosocket
        COMP_WORDS=(audiosocket serve --layout st) COMP_CWORD=3
        _audiosocket_completion audiosocket
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run([need("bash"), "--norc", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["complete -o nosort -F _audiosocket_completion audiosocket", "stereo"]
