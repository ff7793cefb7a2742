"""Disks that are full, fail or stall under recorded calls, and folders in which others have been."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile

from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.codec import Frame, Kind, encode
from support.faults import (
    BESIDE_OTHERS,
    FRAMES,
    OFTEN,
    PTIME_S,
    SPEECH,
    Serve,
    dial,
    ends,
    failures,
    heard_s,
    recording,
    said,
    show,
    speak,
    undisturbed,
)
from support.running import missing, need, run

CALLS = 20


def needs_root() -> None:
    if os.geteuid() != 0:
        missing("only root can mount file systems")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    needs_root()
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run([need("mount"), "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run([need("umount"), folder], check=True)


@pytest.fixture
def worn_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system on a block device of 16 MB, of which less than one can be written: what is beyond that fails once
    the kernel gets round to it, long after it has said that it was done."""
    needs_root()
    folder, below = tmp_path / "worn", tmp_path / "below"
    folder.mkdir()
    below.mkdir()
    image = below / "image"
    subprocess.run([need("mount"), "-t", "tmpfs", "-o", "size=16m", "tmpfs", below], check=True)
    with image.open("wb") as file:
        file.truncate(16 << 20)  # promised, but not there
    journal = ["-b", "1024", "-N", "128", "-J", "size=1", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run([need("mkfs.ext4"), "-q", "-F", *journal, image], check=True)
    most_bytes = image.stat().st_blocks * 512 + 700_000
    subprocess.run([need("mount"), "-o", f"remount,size={most_bytes}", below], check=True)
    mount_image(image, folder)
    yield folder
    subprocess.run([need("umount"), folder], check=False)
    subprocess.run([need("umount"), "-l", below], check=True)


def mount_image(image: Path, folder: Path) -> None:
    for _ in range(600):  # the kernel takes its time to let go of the image
        done = subprocess.run([need("mount"), "-o", "loop", image, folder], capture_output=True, text=True, check=False)
        if not done.returncode:
            return
        time.sleep(0.1)
    pytest.fail(done.stderr)


class PowerCut:
    """A folder on a disk whose power can be cut: what the kernel had not written by then is gone."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        self._image = image
        self._copies: list[Path] = []

    def cut(self) -> Path:
        """Return the folder as it is found after the machine has started again. The other one goes on."""
        after = self._image.with_name(f"after-{len(self._copies)}")
        after.mkdir()
        copy = after.with_suffix(".image")
        shutil.copyfile(self._image, copy)
        mount_image(copy, after)
        self._copies.append(after)
        return after

    def end(self) -> None:
        for folder in (*self._copies, self.folder):
            subprocess.run([need("umount"), folder], check=True)


@pytest.fixture
def power_cut(tmp_path: Path) -> Iterator[PowerCut]:
    needs_root()
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run([need("mkfs.ext4"), "-q", "-F", image], check=True)
    mount_image(image, folder)
    disk = PowerCut(folder, image)
    yield disk
    disk.end()


class BadDisk:
    """A folder on a file system that fails or stalls when told to."""

    def __init__(self, folder: Path, mood: Path) -> None:
        self.folder = folder
        self._mood = mood

    def feel(self, mood: str) -> None:
        """Be "fine", "fail" or "stall"."""
        new = self._mood.with_suffix(".new")
        new.write_text(mood)
        new.replace(self._mood)


@pytest.fixture
def bad_disk(tmp_path: Path) -> Iterator[BadDisk]:
    needs_root()
    need("fusermount3")
    if not Path("/dev/fuse").exists():
        missing("this system has no /dev/fuse")
    mount, below, mood = (tmp_path / name for name in ("bad", "below", "mood"))
    mount.mkdir()
    below.mkdir()
    disk = BadDisk(mount, mood)
    disk.feel("fine")
    process = subprocess.Popen(
        [sys.executable, Path(__file__).parents[1] / "support" / "bad_disk.py", mount, below, mood]
    )
    for _ in range(6000):
        if mount.is_mount():
            break
        time.sleep(0.01)
    else:
        pytest.fail("the file system did not come up")
    yield disk
    disk.feel("fine")
    subprocess.run([need("umount"), mount], check=True)
    process.wait(60)


def test_a_full_disk_ends_recordings_and_no_call(serve: Serve, small_disk: Path) -> None:
    serving = serve("--record", small_disk, "--json")
    speak([dial(serving, number) for number in range(CALLS)], 5)  # 20 calls of 80 KB do not fit
    failed = failures(ends(serving, CALLS))
    assert serving.end()[0] == 128 + signal.SIGINT
    assert 1 <= len(failed) <= CALLS
    for path in small_disk.glob("*.wav"):
        said(path)
    show(f"a disk of 1 MB under 20 calls: {len(failed)} recordings ended and are right up to there; all calls went on")


def test_a_failing_disk_ends_recordings_and_no_call(serve: Serve, bad_disk: BadDisk) -> None:
    serving = serve("--record", bad_disk.folder, "--capture", bad_disk.folder, "--json", "--echo")
    with undisturbed(serving, f"a disk that fails under {CALLS} calls"):
        peers = [dial(serving, number) for number in range(CALLS)]
        speak(peers, 5, {2.0: lambda: bad_disk.feel("fail"), 3.5: lambda: bad_disk.feel("fine")})
    events = ends(serving, CALLS + 2)
    failed = failures(events)
    assert len(failed) == CALLS + 1  # the neighbour as well
    assert set(failed.values()) == {"Input/output error"}
    assert len([event for event in events if event["event"] == "capture-failed"]) == CALLS + 1
    for number in range(CALLS):
        assert heard_s(events, number) == 5
        assert said(recording(bad_disk.folder, number)) >= 8000
    show(f"a disk that fails (EIO) under {CALLS} calls: each recording is right up to there and says so")


def test_what_a_worn_disk_could_not_keep_is_told(serve: Serve, worn_disk: Path) -> None:
    serving = serve("--record", worn_disk, "--json")
    early = 3
    speak([dial(serving, number) for number in range(early)], 1)
    speak([dial(serving, number) for number in range(early, CALLS)], 5)
    events = ends(serving, CALLS)
    failed = failures(events)
    assert serving.end()[0] == 128 + signal.SIGINT
    assert failed
    subprocess.run([need("umount"), worn_disk], check=True)  # or we would read what the kernel remembers
    below = worn_disk.with_name("below")
    subprocess.run([need("mount"), "-o", "remount,size=32m", below], check=True)  # its journal wants to write again
    mount_image(below / "image", worn_disk)
    whole = 0
    for number in range(CALLS):
        if str(UUID(int=number)) not in failed:
            whole += 1
            path = recording(worn_disk, number)
            assert said(path) == (1 if number < early else 5) * 8000
            json.loads(path.with_suffix(".json").read_text())
    assert whole >= early
    show(f"a block device that loses writes under {CALLS} calls: {len(failed)} told, {whole} whole on the disk")


def test_a_disk_that_stalls_for_five_seconds_delays_nobody_and_loses_nothing(serve: Serve, bad_disk: BadDisk) -> None:
    serving = serve("--record", bad_disk.folder, "--capture", bad_disk.folder, "--json", "--echo")
    with undisturbed(serving, f"a disk that stalls for 5 s under {CALLS} calls"):
        peers = [dial(serving, number) for number in range(CALLS)]
        speak(peers, 8, {2.0: lambda: bad_disk.feel("stall"), 7.0: lambda: bad_disk.feel("fine")})
    events = ends(serving, CALLS + 2)
    assert not failures(events)
    for number in range(CALLS):
        assert heard_s(events, number) == 8
        assert said(recording(bad_disk.folder, number)) == 8 * 8000
    dump = run("dump", recording(bad_disk.folder, 1).with_suffix(".pcapng"), "--json").stdout
    assert dump.count('"side": "caller", "kind": "slin"') == len(FRAMES[: round(8 / PTIME_S)])
    show(f"a disk that stalls for 5 s under {CALLS} calls: all recordings and captures are whole")


def test_a_caller_who_is_silent_first_is_recorded_whole(serve: Serve, tmp_path: Path) -> None:
    """As many bytes of silence as were once too much for a disk, where there is time for them."""
    serving = serve("--record", "calls", "--json")
    silent_s = 2 if BESIDE_OTHERS else 50  # 19 MB
    with dial(serving, 1) as peer:
        begun_s = time.monotonic()
        time.sleep(silent_s)
        for frame in FRAMES[:50]:
            peer.sendall(encode(Frame(Kind.SLIN192, frame[3:] * 24)))
            time.sleep(PTIME_S)
        lasted_s = time.monotonic() - begun_s
    events = ends(serving, 1)
    assert not failures(events)
    path = recording(tmp_path / "calls", 1)
    with wave.open(str(path)) as file:
        assert file.getnframes() / 192_000 == pytest.approx(lasted_s, abs=1.5)
    on_disk = path.stat().st_blocks * 512
    show(f"a caller who is silent for {silent_s} s, at 192 kHz: {path.stat().st_size:,} bytes, {on_disk:,} on the disk")


def test_servers_of_one_folder_take_no_names_from_each_other(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    servings = [serve("--record", f"calls/{{uuid}}{suffix}", "--json") for suffix in (".wav", ".flac", ".ogg")]
    calls = 15
    speak([dial(serving, number) for number in range(calls) for serving in servings], 1)
    events = [event for serving in servings for event in ends(serving, calls)]
    assert not failures(events)
    sounds = [path for path in (tmp_path / "calls").iterdir() if path.suffix != ".json"]
    assert len(sounds) == len({path.stem for path in sounds}) == 3 * calls
    for sound in sounds:
        assert json.loads(sound.with_suffix(".json").read_text())["recording"]["files"] == [sound.name]
        assert soundfile.info(sound).duration >= 1
    assert len(list((tmp_path / "calls").iterdir())) == 6 * calls
    show(f"three servers, {calls} calls each of the same UUIDs, in one folder: each has its recording and JSON")


def test_what_a_killed_server_left_half_made_is_cleared_and_what_holds_sound_is_kept(
    serve: Serve, tmp_path: Path
) -> None:
    lives, killed = (serve("--record", "calls/{uuid}.flac", "--json") for _ in range(2))
    with dial(lives, 1) as peer:
        peer.sendall(b"".join(FRAMES[:50]))
        others = [dial(killed, number) for number in range(2, 2 + CALLS)]
        for other in others:
            other.sendall(b"".join(FRAMES[:50]))
        time.sleep(3)
        killed.process.kill()
        killed.process.wait(10)
        for other in others:
            other.close()
        names = {path.name for path in (tmp_path / "calls").iterdir()}
        assert len(names) == 2 * (CALLS + 1)
        serve("--record", "calls/{uuid}.flac")
        kept = {path.name for path in (tmp_path / "calls").iterdir()}
        alive = str(UUID(int=1))
        assert {name for name in names if name.endswith(".part")} - kept == {
            f"{UUID(int=number)}.json.part" for number in range(2, 2 + CALLS)
        }
        assert f"{alive}.json.part" in kept
        assert len([name for name in kept if name.endswith(".unconverted.wav")]) == CALLS + 1
    ends(lives, 1)
    assert (tmp_path / "calls" / f"{alive}.flac").exists()
    assert (tmp_path / "calls" / f"{alive}.json").exists()
    show(f"a server killed under {CALLS} calls to FLAC, another beside it: the next start clears what it left")


ODD = "\x1b]0;odd\x07 \u202e\udcff\n'\"$(touch shell) %s"
"""A name that no terminal, shell or pattern should make anything of."""


def test_what_others_left_in_the_folder_is_never_written_to(serve: Serve, tmp_path: Path) -> None:
    calls, outside = tmp_path / "calls" / ODD, tmp_path / "outside"
    calls.mkdir(parents=True)
    outside.mkdir()
    (outside / "precious").write_text("precious")
    stem = str(UUID(int=1))
    for name in (f"{stem}.wav", f"{stem}-2.json", f"{stem}-3.json.part", f"{stem}.pcapng"):
        (calls / name).symlink_to(outside / "precious")
    for name in (f"{stem}-3.wav", f"{stem}-4.wav", f"{stem}-2.pcapng"):
        (calls / name).symlink_to(outside / "nothing-yet")
    (calls / f"{stem}-5.wav").mkdir()
    os.mkfifo(calls / f"{stem}-6.wav")
    before = {path.name for path in calls.iterdir()}
    serving = serve("--record", f"{calls}{os.sep}", "--capture", f"{calls}{os.sep}", "--json")
    speak([dial(serving, 1) for _ in range(3)], 1)
    events = ends(serving, 3)
    code, _, err = serving.end()
    assert code == 128 + signal.SIGINT
    assert not failures(events)
    assert not set("\x1b\x07\u202e") & set(err)
    assert [path.name for path in outside.iterdir()] == ["precious"]
    assert (outside / "precious").read_text() == "precious"
    made = [calls / name for name in {path.name for path in calls.iterdir()} - before]
    assert sorted(path.suffix for path in made) == [".json"] * 3 + [".pcapng"] * 3 + [".wav"] * 3
    assert all(path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o777 == 0o600 for path in made)
    assert all(said(path) == 8000 for path in made if path.suffix == ".wav")
    assert not list(tmp_path.rglob("shell"))
    show("links, folders and pipes in the names of recordings: nothing was written through or over them")


def test_a_folder_that_is_taken_away_is_made_again(serve: Serve, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--json")
    speak([dial(serving, 1)], 1, {0.5: lambda: (tmp_path / "calls").rename(tmp_path / "elsewhere")})
    speak([dial(serving, 2)], 1)
    events = ends(serving, 2)
    assert serving.end()[0] == 128 + signal.SIGINT
    assert said(recording(tmp_path / "elsewhere", 1)) == 8000
    assert said(recording(tmp_path / "calls", 2)) == 8000
    assert set(failures(events)) <= {str(UUID(int=1))}  # its JSON has no folder, unless another call makes it again


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_power_cut_right_after_the_end_of_a_call_costs_nothing_of_it(
    serve: Serve, power_cut: PowerCut, suffix: str
) -> None:
    calls = power_cut.folder / "calls"
    serving = serve("--record", calls / f"{{date}}/{{uuid}}{suffix}", "--capture", f"{calls}/", "--json")
    for number in range(1, 3 * OFTEN + 1):
        speak([dial(serving, number)], 0.5)
        serving.wait_for('"event": "ended"')
        if number % OFTEN:
            continue
        after = power_cut.cut() / "calls"
        stem = str(UUID(int=number))
        names = sorted(path.name for path in after.rglob(f"*{stem}*"))
        assert names == sorted([f"{stem}{suffix}", f"{stem}.json", f"{stem}.pcapng"])
        assert not list(after.rglob(".*"))
        (sound,) = after.rglob(f"{stem}{suffix}")
        samples, _ = soundfile.read(sound, dtype="int16")
        found = np.flatnonzero(samples == SPEECH[0])[0]
        np.testing.assert_array_equal(samples[found : found + 4000], SPEECH[:4000])
        assert json.loads(sound.with_suffix(".json").read_text())["recording"]["files"] == [sound.name]
        assert run("dump", after / f"{stem}.pcapng", "--json").stdout.count('"side": "caller", "kind": "slin"') == 25
    show(f"a power cut right after the end of {3 * OFTEN} calls to {suffix}: recordings, JSON and captures are whole")


def test_a_power_cut_during_a_call_costs_what_the_kernel_had_not_written(serve: Serve, power_cut: PowerCut) -> None:
    serving = serve("--record", f"{power_cut.folder}/", "--json")
    peer = dial(serving, 1)
    afters: list[Path] = []
    speak([peer], 8, {7.5: lambda: afters.append(power_cut.cut())})
    serving.wait_for('"event": "ended"')
    (after,) = afters
    kept_s = 0.0
    for path in after.glob("*.wav"):
        kept_s = len(soundfile.read(path)[0]) / 8000 if path.stat().st_size else 0.0
    server = FileOutput.in_folder(after)
    server.prepare()  # as the next start does
    assert {path.name for path in after.iterdir()} <= {f"{UUID(int=1)}.wav", "lost+found"}
    show(f"a power cut 7.5 s into a call: {kept_s:.1f} s of it are kept; the kernel writes what is 30 s old, or sooner")
