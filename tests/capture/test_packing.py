"""Packed captures are read, or named with the line to run; what is no capture, or no longer one, is named as that."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audiosocket_cli.errors import FileError
from audiosocket_cli.libraries import install_line
from support.captures import damage, heard, items_of, plain
from support.packets import a_call, pcap, pcapng
from support.running import run

CAPTURES = {"pcap": pcap(a_call(30)), "pcapng": pcapng(a_call(30))}
WHOLE = {name: plain(items_of(data)) for name, data in CAPTURES.items()}


def zstd(data: bytes) -> bytes:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    packed: bytes = importlib.import_module(name).compress(data)
    return packed


def lz4(data: bytes) -> bytes:
    packed: bytes = importlib.import_module("lz4.frame").compress(data)
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "bzip2": bz2.compress,
    "zstd": zstd,
    "lz4": lz4,
}


@pytest.mark.parametrize("form", CAPTURES)
@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("piece", [17, 1 << 20])
def test_whatever_it_is_packed_with_it_is_read(packer: str, form: str, piece: int) -> None:
    pack, data = PACKERS[packer], CAPTURES[form]
    assert plain(items_of(pack(data), piece=piece)) == WHOLE[form]
    assert plain(items_of(pack(pack(data)), piece=piece)) == WHOLE[form]  # packed again by whoever keeps it
    if packer != "lzma":
        assert plain(items_of(pack(data[:5000]) + pack(data[5000:]), piece=piece)) == WHOLE[form]


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_capture_that_is_cut_is_read_up_to_there_and_no_resync_is_offered(packer: str, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    data = PACKERS[packer](CAPTURES["pcap"])
    path.write_bytes(data[:-200])
    done = run("dump", path)
    assert done.returncode == 5
    assert f"the {packer} stream is cut" in done.stderr
    assert "--resync" not in done.stderr


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_capture_that_is_damaged_is_no_crash(packer: str) -> None:
    data = bytearray(PACKERS[packer](CAPTURES["pcap"]))
    for at in (3, 10, len(data) // 2, len(data) - 10):
        broken = bytes(data[:at]) + bytes([data[at] ^ 0xFF]) + bytes(data[at + 1 :])
        try:
            items = items_of(broken)
        except FileError:
            continue
        assert damage(items) or heard(items)


@pytest.mark.parametrize(("packer", "package"), [("zstd", "backports.zstd"), ("lz4", "lz4")])
def test_without_its_package_the_line_to_run_is_named(
    packer: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = PACKERS[packer](CAPTURES["pcap"])

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("audiosocket_cli.capture.packing.importlib.import_module", missing)
    with pytest.raises(FileError) as raised:
        items_of(data)
    assert str(raised.value) == (
        f"cannot read x: it is packed with {packer}; unpack it first: {packer} -dc x | audiosocket dump - "
        f"(or: {install_line(package)})"
    )


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("call.pcap", data)
    return file.getvalue()


def tarred(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("call.pcap")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


PCAP, PCAPNG = CAPTURES["pcap"], CAPTURES["pcapng"]
LISTENING = b"tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 262144 bytes\n"
FOREIGN: dict[str, tuple[bytes, str]] = {
    "zip": (zipped(PCAP), "it is packed with ZIP; unpack it first: unzip -p "),
    "tar": (tarred(PCAP), "it is a tar archive; take the capture out of it: tar -xOf "),
    "tgz": (bz2.compress(tarred(PCAP)), "it is a tar archive; take the capture out of it: tar -xOf "),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(40), "it is packed with 7-Zip; unpack it first: 7z x -so "),
    "compress": (b"\x1f\x9d\x90" + bytes(40), "it is packed with compress; unpack it first: gzip -dc "),
    "snoop": (b"snoop\0\0\0\0\0\0\2\0\0\0\4" + bytes(40), "it is a capture of snoop; convert it: editcap"),
    "printed": (b"12:34:56.789012 IP 10.0.0.1.40000 > 10.0.0.2.9092: Flags [S], seq 1, length 0\n" * 9,
                "it is what tcpdump prints, not what it captures: say tcpdump -w FILE"),
    "printed-any": (LISTENING + b"12:34:56.789012 lo In  IP 10.0.0.1.40000 > 10.0.0.2.9092: Flags [S]\n" * 9,
                    "it is what tcpdump prints"),
    "greeting": (b"Welcome to Ubuntu 24.04\nLast login: Mon\n" + PCAP, "'Welcome to Ubuntu 24.04' stands before"),
    "greeting-ng": (LISTENING + PCAPNG, "stands before the capture (a login greeting, or 2>&1): capture again"),
    "ssh-t": (b"tcpdump: listening on lo\r\n" + PCAP.replace(b"\n", b"\r\n"), "stands before the capture (ssh -t):"),
    "ssh-t-ng": (b"hello, here is pbx\r\n" + PCAPNG.replace(b"\n", b"\r\n"), "stands before the capture (ssh -t):"),
    "crlf-ng": (PCAPNG.replace(b"\n", b"\r\n"), "each of its line feeds became CR LF, as through ssh -t, or FTP"),
    "crlf": (PCAP.replace(b"\n", b"\r\n"), "each of its line feeds became CR LF, as through ssh -t, or FTP in text"),
    "dos2unix": (PCAPNG.replace(b"\r\n", b"\n"), "each CR LF in it became a line feed"),
    "powershell": (b"\xff\xfe" + PCAP.decode("latin-1").encode("utf-16-le"), "as by the > of PowerShell"),
    "mp3": (b"ID3\x04" + bytes(100), "it is an MP3 file, not a capture"),
}  # fmt: skip


def faults_of(data: bytes) -> str:
    """Return what is said of data that is given as a capture."""
    try:
        return "; ".join(one.reason for one in damage(items_of(data)))
    except FileError as error:
        return str(error)


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_capture_is_named_with_its_cure(name: str) -> None:
    data, says = FOREIGN[name]
    said = faults_of(data)
    assert says in said
    if "capture again" in said:
        assert "ssh -T HOST tcpdump -U -w -" in said


@pytest.mark.parametrize("command", ["dump", "replay"])
def test_line_feeds_that_became_two_bytes_are_one_line_without_resync(command: str, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(FOREIGN["crlf"][0])
    done = run(command, path, *(["127.0.0.1:1"] if command == "replay" else []))
    assert done.returncode in ({5} if command == "dump" else {5, 6})
    assert "ssh -T HOST tcpdump" in done.stderr
    assert "--resync" not in done.stderr


def test_a_greeting_that_comes_long_before_the_capture_is_waited_for(tmp_path: Path) -> None:
    done = run("dump", "-", stdin=b"Welcome\n" * 500 + PCAP)
    assert done.returncode == 5
    assert "'Welcome' stands before the capture" in done.stderr


@pytest.mark.parametrize("packer", ["gzip", "xz", "bzip2", "zstd", "lz4"])
def test_a_greeting_before_a_packed_capture_is_quoted(packer: str) -> None:
    pack = PACKERS.get(packer, gzip.compress)
    assert "'Welcome to pbx' stands before the capture (a login" in faults_of(b"Welcome to pbx\n" + pack(PCAP))


@pytest.mark.parametrize("packer", ["gzip", "xz", "bzip2", "zstd", "lz4"])
def test_line_feeds_of_a_packed_capture_that_became_two_bytes_are_told(packer: str) -> None:
    packed = PACKERS.get(packer, gzip.compress)(PCAP + random.Random(1).randbytes(9000))
    assert packed.count(b"\n") > 9
    assert "each of its line feeds became CR LF, as through ssh -t" in faults_of(packed.replace(b"\n", b"\r\n"))
