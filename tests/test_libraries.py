"""Libraries that are missing, broken or restricted: calls go on, or one line names what is missing.

Modules that raise as the real ones do where their shared library is missing stand before those on the path.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.codec import Frame, Kind, encode
from support.fakes import OPENING
from support.running import Serve, missing, run

NO_LIBRARY = """raise OSError("cannot load library 'libsndfile.so': libsndfile.so: cannot open shared object file")\n"""
NO_NUMPY = """
try:
    raise ImportError("libscipy_openblas64_.so: cannot open shared object file")
except ImportError as error:
    raise ImportError("\\n\\nIMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!\\n\\n") from error
"""

PR_SET_MDWE = 65
FORBID = f"""
import ctypes, os, sys
assert ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let modules not be found, or fail as given, in all that is started from now on."""

    def put(**modules: str) -> None:
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        for name, code in modules.items():
            (folder / f"{name}.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return put


@pytest.fixture
def forbidding() -> list[str]:
    """Words before a command for which memory that is written cannot be executed: systemd's MemoryDenyWriteExecute."""
    refused = subprocess.run([sys.executable, "-c", FORBID, "true"], capture_output=True, check=False).returncode
    if refused:
        missing("this kernel has no PR_SET_MDWE (Linux 6.3)")
    return [sys.executable, "-c", FORBID]


@pytest.mark.parametrize("options", [["--record", "calls"], ["--record", "calls", "--exec", "cat"], ["--detect-dtmf"]])
def test_without_soxr_a_change_of_rate_ends_no_call_and_one_line_names_the_cure(
    serve: Serve, without: Callable[..., None], options: list[str]
) -> None:
    without(soxr=NO_LIBRARY)
    serving = serve("--calls", "1", *options)
    frames = [(Kind.SLIN16, bytes(640)), (Kind.SLIN, bytes(320)), (Kind.SLIN16, bytes(640))]
    with socket.create_connection((serving.host, serving.port)) as caller:
        caller.sendall(OPENING)
        for kind, payload in frames:
            for _ in range(60):
                caller.sendall(encode(Frame(kind, payload)))
                caller.recv(65536)
                time.sleep(0.02)
    code, lines, err = serving.end(0)
    told = "\n".join([*lines, err])
    assert told.count("soxr, which converts sample rates, cannot be loaded") == 1, told
    assert "internal error" not in told
    assert "ended by caller" in told
    assert code == ("--record" in options)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise ModuleNotFoundError(\"No module named 'sounddevice'\", name='sounddevice')", "is not installed: "),
        ("raise OSError('PortAudio library not found')",
         "cannot be loaded (PortAudio library not found): install the system's libportaudio2, as apt-get install"),
    ],
    ids=["no package", "no PortAudio"],
)  # fmt: skip
@pytest.mark.parametrize("words", [[], ["--list-devices"]], ids=["talk", "list"])
def test_without_a_library_for_sound_cards_one_line_names_the_cure(
    without: Callable[..., None], code: str, says: str, words: list[str]
) -> None:
    without(sounddevice=code)
    done = run("talk", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"sounddevice, which plays on sound cards and records from them, {says}" in done.stderr


def test_files_in_place_of_a_headset_need_no_such_library(
    serve: Serve, without: Callable[..., None], tone_file: Path, tmp_path: Path
) -> None:
    without(sounddevice="raise OSError('PortAudio library not found')")
    serving = serve("--echo")
    done = run("talk", serving.target, "--input", tone_file, "--output", tmp_path / "out.wav", "--wait", "0")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_libsndfile_and_soxr_calls_are_answered_recorded_captured_and_shown(
    serve: Serve, without: Callable[..., None], tmp_path: Path
) -> None:
    without(soundfile=NO_LIBRARY, soxr=NO_LIBRARY)
    serving = serve("--record", "calls", "--capture", "calls", "--echo", "--detect-dtmf", "--json", "--calls", "2")
    pressed = run("inject-dtmf", "12#", serving.target, "--in-band", "--record", tmp_path / "answer.wav")
    assert (pressed.returncode, pressed.stderr) == (0, "")
    assert run("record", tmp_path / "other.wav", serving.target, "--duration", "0.3s").returncode == 0
    code, lines, err = serving.end(0)
    assert (code, "Traceback" in err) == (0, False)
    (call, *_) = [json.loads(line)["call"] for line in lines if '"ended"' in line]
    assert "".join(press["digit"] for press in call["dtmf"]) == "12#"
    capture = tmp_path / "calls" / f"{call['uuid']}.pcapng"
    assert "digit 1" in run("dump", capture).stdout
    assert run("dump", capture, "--wav", tmp_path / "out").returncode == 0
    assert run("replay", capture, "127.0.0.1:1").returncode == 3
    assert soundfile.info(tmp_path / "answer.wav").duration > 1


def test_bench_needs_neither_for_its_own_speech(serve: Serve, without: Callable[..., None]) -> None:
    without(soundfile=NO_LIBRARY, soxr=NO_LIBRARY)
    done = run("bench", serve("--echo").target, "--duration", "1s", "--json")
    assert json.loads(done.stdout)["values"]["errors"] == 0


@pytest.mark.parametrize(
    "words",
    [["play", "{}", ":1"], ["serve", "--listen", "127.0.0.1:0", "--play", "{}"], ["record", "call.flac", ":1"],
     ["inject-dtmf", "1", ":1", "--audio", "{}"], ["bench", ":1", "--audio", "{}"], ["replay", "script.jsonl", ":1"],
     ["serve", "--listen", "127.0.0.1:0", "--record", "{{uuid}}.mp3"]],
    ids=lambda words: " ".join(words[:1] + words[-2:]),
)  # fmt: skip
@pytest.mark.parametrize(
    ("code", "says"),
    [(NO_LIBRARY, "apt-get install libsndfile1"), ("raise ImportError(name='soundfile')\n", "-m pip install soundfile"),
     ("raise ImportError('_cffi_backend is broken')\n", "(_cffi_backend is broken): ")],
    ids=["no-library", "not-installed", "broken"],
)  # fmt: skip
def test_what_reads_or_writes_other_sound_files_names_the_package(
    words: list[str], code: str, says: str, tmp_path: Path, without: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    flac = tmp_path / "tone.flac"
    soundfile.write(flac, tone(440, 8000, 0.3), 8000)
    (tmp_path / "script.jsonl").write_text(json.dumps({"play": str(flac)}))
    monkeypatch.chdir(tmp_path)
    without(soundfile=code)
    done = run(*(word.format(flac) for word in words))
    assert (done.stdout, done.stderr.count("\n")) == ("", 1), done.stderr
    assert done.returncode in (2, 5)
    assert done.stderr.startswith("audiosocket: error: ")
    assert says in done.stderr


def test_a_program_that_wants_a_file_is_told_and_the_call_goes_on(
    serve: Serve, without: Callable[..., None], tmp_path: Path
) -> None:
    flac = tmp_path / "tone.flac"
    soundfile.write(flac, tone(440, 8000, 0.3), 8000)
    without(soundfile=NO_LIBRARY)
    bot = tmp_path / "bot.sh"
    bot.write_text(f"""#!/bin/sh\necho '{{"play": "{flac}"}}' >&3\nread -r line <&3; echo "$line" >&2\n""")
    bot.chmod(0o755)
    serving = serve("--calls", "1", "--json", "--exec", str(bot))
    run("record", tmp_path / "heard.wav", serving.target, "--duration", "2s")
    code, lines, _ = serving.end(0)
    assert code == 0
    assert any("apt-get install libsndfile1" in line and '"error' in line for line in lines)


@pytest.mark.parametrize(
    "words",
    [["serve", "--listen", "127.0.0.1:0"], ["dump", "nosuch"], ["bench", ":1"], ["record", "x.wav", ":1"]],
    ids=" ".join,
)
def test_a_numpy_that_cannot_be_loaded_is_one_line(words: list[str], without: Callable[..., None]) -> None:
    without(numpy=NO_NUMPY)
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(
        "audiosocket: error: cannot load numpy (libscipy_openblas64_.so: cannot open shared object file): "
    )
    assert "-m pip install numpy" in done.stderr


def test_help_and_version_need_no_library(without: Callable[..., None]) -> None:
    without(numpy=NO_NUMPY, soundfile=NO_LIBRARY, soxr=NO_LIBRARY, uvloop="raise ImportError", rich="raise ImportError")
    assert run("--version").returncode == 0
    assert run("serve", "--help").returncode == 0


def test_without_uvloop_calls_are_answered_too(serve: Serve, without: Callable[..., None]) -> None:
    without(uvloop="raise ImportError(name='uvloop')\n")
    serving = serve("--calls", "1")
    assert run("inject-dtmf", "1", serving.target).returncode == 0
    assert serving.end(0)[0] == 0


@pytest.mark.parametrize("name", ["call.wav", "call.flac", "call.ogg", "call.opus", "call.mp3", "call.raw"])
def test_where_memory_cannot_be_written_and_executed_calls_are_recorded(
    serve: Serve, forbidding: list[str], tmp_path: Path, name: str
) -> None:
    samples = tone(440, 8000, 0.5)
    soundfile.write(tmp_path / "tone.wav", samples, 8000)
    serving = serve("--record", f"calls/{{uuid}}-{name}", "--calls", "1", on=forbidding)
    played = run("play", tmp_path / "tone.wav", serving.target, "--record", tmp_path / name, on=forbidding)
    assert (played.returncode, played.stderr) == (0, "")
    code, _, err = serving.end(0)
    assert (code, err) == (0, "answered 1 call with 0.5 s of caller audio\n")
    (recorded,) = (tmp_path / "calls").glob(f"*{name}")
    raw = {"format": "RAW", "samplerate": 8000, "channels": 1, "subtype": "PCM_16"} if name.endswith("raw") else {}
    found, rate_hz = soundfile.read(recorded, dtype="int16", **raw)
    assert len(found) / rate_hz == pytest.approx(0.5, abs=0.06)
    if name in ("call.wav", "call.flac", "call.raw"):
        np.testing.assert_array_equal(found, samples)
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["tone.flac", "tone.ogg", "tone.wav", "gsm.wav"])
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_there_sound_files_are_played(
    serve: Serve, forbidding: list[str], tmp_path: Path, name: str, piped: bool
) -> None:
    subtype = "GSM610" if name == "gsm.wav" else None
    soundfile.write(tmp_path / name, tone(440, 8000, 0.5), 8000, subtype)
    data = (tmp_path / name).read_bytes() if piped else b""
    done = run(
        "play", "-" if piped else tmp_path / name, serve().target, "--json", on=forbidding, stdin=data, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["complete"] is True


def test_there_a_disk_that_does_not_take_all_is_told_all_the_same(forbidding: list[str], tmp_path: Path) -> None:
    code = (
        "import os, resource, sys, numpy\n"
        "from pathlib import Path\n"
        "from audiosocket_cli.audio.containers import ConvertedFile\n"
        "file = ConvertedFile(Path('call.flac'), 8000)\n"
        "file.append(numpy.random.default_rng(1).integers(-9000, 9000, 8000).astype('<i2').tobytes())\n"
        "file.close()\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "file.finish()\n"
    )
    done = subprocess.run([*forbidding, sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert "OSError: " in done.stderr.splitlines()[-1]
    assert "cannot convert to call.flac" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["call.unconverted.wav"]
