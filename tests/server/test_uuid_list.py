"""A file of UUIDs that may call: how it is read, and read again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.errors import FileError
from audiosocket_cli.server import uuid_list
from audiosocket_cli.server.admission import Admission, AdmissionOptions

LISTED = uuid.UUID("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")


def admission_by(path: Path) -> Admission:
    return Admission(AdmissionOptions(uuid_file=path))


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (f"{LISTED}", 1),
        (f"{LISTED}\n", 1),
        (f"\ufeff{LISTED}\n", 1),
        (f"{LISTED}\r\n{uuid.UUID(int=1)}\r\n", 2),
        (f"{uuid.UUID(int=1)}\r{LISTED}\r", 2),
        (f"# ours\n\n   {LISTED}  # the lift's phone \N{TELEPHONE RECEIVER}\n\t\n#{uuid.UUID(int=1)}", 1),
        (f"{LISTED}".upper(), 1),
        (f"{LISTED.hex}\n{{{LISTED}}}\n{LISTED.urn}\n", 1),
        (f"{LISTED} # {'long ' * 1000}\n{uuid.UUID(int=1)}\n", 2),
        (f"{LISTED}\n#{'x' * 65535}{uuid.UUID(int=2)}\n", 1),
        (f"{LISTED}\n#{'x' * 65534}\n{uuid.UUID(int=1)}\n", 2),
        (f"{LISTED}\r#{' ' * 131071}{uuid.UUID(int=2)}\r#{' ' * 200_000}{uuid.UUID(int=2)}", 1),
        (f"{LISTED}{' ' * 100_000}# {uuid.UUID(int=2)}\n", 1),
        (f"{LISTED} # \0\0 {uuid.UUID(int=2)} \x0b\x85\u2028{uuid.UUID(int=2)}\n", 1),
    ],
    ids=[
        "no-newline",
        "newline",
        "bom",
        "crlf",
        "cr",
        "comments",
        "upper-case",
        "other-forms",
        "long-comment",
        "comment-of-64-KiB",
        "comment-of-just-64-KiB",
        "comments-of-128-KiB",
        "far-comment",
        "odd-comment",
    ],
)
def test_a_list_is_read_however_it_was_written(tmp_path: Path, content: str, count: int) -> None:
    path = tmp_path / "uuids"
    path.write_text(content, encoding="utf-8", newline="")
    admission = admission_by(path)
    assert admission.why_not(LISTED) is None
    assert admission.why_not(uuid.UUID(int=2)) == f"{uuid.UUID(int=2)} is not in {path}"
    assert asyncio.run(admission.reload()) == count


@pytest.mark.parametrize(
    "content", ["", "\n\n", "# nobody yet\n", "\ufeff"], ids=["nothing", "blank", "comment", "bom"]
)
def test_an_empty_list_lets_nobody_in(tmp_path: Path, content: str) -> None:
    path = tmp_path / "uuids"
    path.write_text(content, encoding="utf-8")
    assert admission_by(path).why_not(LISTED) is not None


def test_dev_null_is_an_empty_list() -> None:
    assert admission_by(Path("/dev/null")).why_not(LISTED) == f"{LISTED} is not in /dev/null"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"{LISTED}\nnot a uuid\n".encode(), "line 2 is not a UUID: 'not a uuid'"),
        (f"{LISTED} {LISTED}\n".encode(), "line 1 is not a UUID: 'aaaaaaaa-"),
        (f"{LISTED}0\n".encode(), "line 1 is not a UUID"),
        (f"{LISTED}\n".encode("utf-16"), "it is not text in UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00\n", "line 1 is not a UUID: '\\x7fELF"),
        (b"x" * 200_000, "line 1 is not a UUID: '" + "x" * 50 + "'"),
        (f"{LISTED}\n{' ' * 65536}{uuid.UUID(int=1)}\n".encode(), "line 2 is not a UUID"),
        (f"{LISTED}{' ' * 100_000}{LISTED}\n".encode(), "line 1 is not a UUID: 'aaaaaaaa-"),
        (f"{LISTED}\n{LISTED}"[:-1].encode(), "line 2 is not a UUID"),
        (f"{LISTED}\n".encode() + bytes(512), "line 2 is not a UUID"),
        (f"{LISTED}\n".encode("utf-16-le"), "line 1 is not a UUID"),
    ],
    ids=[
        "words",
        "two-in-a-line",
        "too-long",
        "utf-16",
        "binary",
        "no-end",
        "far-in-a-line",
        "far-apart",
        "half-written",
        "zeros-of-a-lost-block",
        "utf-16-without-bom",
    ],
)
def test_a_list_that_is_none_says_where(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "uuids"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        admission_by(path)
    assert str(caught.value).startswith(f"cannot read {path}: {says}")
    assert len(str(caught.value)) < len(str(path)) + 250


@pytest.mark.parametrize(
    ("path", "says"),
    [("missing", "no such file or directory"), (".", "is a directory"), ("/dev/zero", "line 1 is not a UUID")],
    ids=["missing", "directory", "endless"],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, path: str, says: str) -> None:
    with pytest.raises(FileError, match=says):
        admission_by(tmp_path / path)


def test_a_file_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object, **__: object) -> None:  # the tests may be root's, whom no mode keeps out
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(FileError, match="permission denied"):
        admission_by(tmp_path / "uuids")


@given(st.binary(max_size=60) | st.text("0123456789abcdef-#\r\n ", max_size=80).map(str.encode))
def test_any_bytes_are_a_list_or_a_file_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    with contextlib.suppress(FileError):
        assert admission_by(path).why_not(LISTED) is not None


@pytest.mark.parametrize("spoil", ["words", "missing", "directory", "link", "pipe"])
def test_a_list_that_has_gone_bad_leaves_the_old_one(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "uuids"
    path.write_text(f"{LISTED}\n")
    admission = admission_by(path)
    path.unlink()
    if spoil == "words":
        path.write_text(f"{uuid.UUID(int=1)}\n" * 1000 + "oops\n")
    elif spoil == "directory":
        path.mkdir()
    elif spoil == "link":
        path.symlink_to("x" * 300)  # there is no such name
    elif spoil == "pipe":
        os.mkfifo(path)  # nobody writes to it: opening it would take for ever
    with pytest.raises(FileError, match=re.escape(str(path))):
        asyncio.run(admission.reload())
    assert admission.why_not(LISTED) is None
    assert admission.why_not(uuid.UUID(int=1)) is not None


@pytest.mark.parametrize("content", ["", "\n", "# nobody\n"], ids=["nothing", "blank", "comment"])
def test_a_list_that_has_become_empty_leaves_the_old_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "uuids"
    path.write_text(f"{LISTED}\n")
    admission = admission_by(path)
    path.write_text(content)
    with pytest.raises(FileError, match="it holds no UUID"):
        asyncio.run(admission.reload())
    assert admission.why_not(LISTED) is None
    path.write_text(f"{uuid.UUID(int=0)}\n")
    assert asyncio.run(admission.reload()) == 1
    assert admission.why_not(LISTED) is not None


def test_a_list_that_is_written_while_it_is_read_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "uuids"
    path.write_text(f"{LISTED}\n")
    admission = admission_by(path)
    path.write_text("".join(f"{uuid.UUID(int=number)}\n" for number in range(20_000)))

    async def main() -> None:
        reading = asyncio.create_task(admission.reload())
        await asyncio.sleep(0)
        with path.open("a") as file:
            file.write(f"{uuid.UUID(int=20_000)}\n")
        with pytest.raises(FileError, match="it is being written"):
            await reading

    asyncio.run(main())
    assert admission.why_not(LISTED) is None
    assert admission.why_not(uuid.UUID(int=1)) is not None


def test_many_who_ask_for_the_list_at_once_are_two(tmp_path: Path) -> None:
    path = tmp_path / "uuids"
    path.write_text(f"{LISTED}\n")
    admission = admission_by(path)

    async def main() -> None:
        answers = await asyncio.gather(*(admission.reload() for _ in range(60)))
        assert [answer for answer in answers if answer is not None] == [1, 1]

    asyncio.run(main())


def test_a_long_list_is_read_again_without_holding_up_calls(tmp_path: Path) -> None:
    path = tmp_path / "uuids"
    path.write_text(f"{LISTED}\n")
    admission = admission_by(path)
    path.write_text("".join(f"{uuid.UUID(int=number)}\n" for number in range(100_000)))
    turns = 0

    async def main() -> None:
        nonlocal turns
        reading = asyncio.create_task(admission.reload())
        while not reading.done():
            assert admission.why_not(LISTED) is None
            await asyncio.sleep(0)
            turns += 1
        assert await reading == 100_000

    asyncio.run(main())
    assert turns > 400
    assert admission.why_not(LISTED) is not None
    assert admission.why_not(uuid.UUID(int=99_999)) is None


def test_of_two_readings_at_once_the_later_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "uuids"
    path.write_text("")
    admission = admission_by(path)

    async def main() -> None:
        path.write_text("".join(f"{uuid.UUID(int=number)}\n" for number in range(20_000)))
        first = asyncio.create_task(admission.reload())
        await asyncio.sleep(0)
        (tmp_path / "new").write_text(f"{LISTED}\n")
        (tmp_path / "new").replace(path)
        assert await asyncio.gather(first, admission.reload()) == [20_000, 1]

    asyncio.run(main())
    assert admission.why_not(LISTED) is None
    assert admission.why_not(uuid.UUID(int=5)) is not None


@pytest.mark.parametrize(
    ("content", "is_read"),
    [
        ("\n" * 100, True),
        ("\n" * 101, False),
        ("#" * 10_000, True),
        ("#" * 10_001, False),
        ("#" * 9_950 + "\n\n", False),
    ],
    ids=["lines", "more lines", "one line", "a longer one", "both"],
)
def test_a_list_that_does_not_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, is_read: bool
) -> None:
    monkeypatch.setattr(uuid_list, "_MAX_CHARACTERS", 10_000)
    path = tmp_path / "uuids"
    path.write_text(content)
    with (
        contextlib.nullcontext() if is_read else pytest.raises(FileError, match=f"^cannot read {path}: it is too long;")
    ):
        assert list(uuid_list.read_uuids(path)) == [set()]
