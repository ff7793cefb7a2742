"""Lines of another process: all of them, whole, bounded, to the end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosocket_cli.net.channel import MAX_LINE_BYTES, LineReader, parse_object


def lines_of(pieces: list[bytes], *, whole: bool = False) -> list[str]:
    """Write pieces to a pipe, one after the other; return the lines that came of them."""
    lines: list[str] = []

    def write(descriptor: int) -> None:
        with open(descriptor, "wb", buffering=0) as pipe:
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[pipe.write(view) :]

    async def main() -> None:
        ours, theirs = os.pipe()
        ended = asyncio.Event()
        reader = LineReader(ours, lines.append, ended.set, whole=whole)
        async with asyncio.timeout(30):
            await asyncio.to_thread(write, theirs)
            await ended.wait()
        assert reader.is_closed
        reader.close()

    asyncio.run(main())
    return lines


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=30)), st.integers(1, 40))
def test_lines_come_whole_however_they_were_written(lines: list[str], size: int) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    assert lines_of([data[at : at + size] for at in range(0, len(data), size)]) == lines


@pytest.mark.parametrize(("whole", "lines"), [(False, ["a", "half"]), (True, ["a"])])
def test_a_last_line_without_an_end_is_handed_on_unless_only_whole_ones_are_wanted(
    whole: bool, lines: list[str]
) -> None:
    assert lines_of([b"a\nha", b"lf"], whole=whole) == lines


def test_a_line_without_an_end_is_cut() -> None:
    data = b"x" * (2 * MAX_LINE_BYTES) + b"\nlast\n"
    lines = lines_of([data])
    assert lines[-1] == "last"
    assert "".join(lines[:-1]) == "x" * (2 * MAX_LINE_BYTES)
    assert max(map(len, lines)) <= MAX_LINE_BYTES + (1 << 16)


def test_what_is_not_utf_8_ends_nothing() -> None:
    assert lines_of([b"\xff\xfe\nok\n"]) == ["\ufffd\ufffd", "ok"]


def test_closing_hands_on_what_is_there_and_closes_the_descriptor() -> None:
    lines: list[str] = []

    async def main() -> None:
        ours, theirs = os.pipe()
        ends: list[bool] = []
        reader = LineReader(ours, lines.append, lambda: ends.append(True))
        os.write(theirs, b"a\nb\n")
        reader.close()
        reader.close()
        assert ends == [True]
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(ours)
        os.close(theirs)

    asyncio.run(main())
    assert lines == ["a", "b"]


@pytest.mark.parametrize("line", ["", "[]", "1", "{", "{}x", "[" * 100_000])
def test_what_is_not_an_object_is_refused_in_few_words(line: str) -> None:
    with pytest.raises(ValueError, match="is not a JSON object") as refused:
        parse_object(line)
    assert len(str(refused.value)) < 100


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_an_object_is_read(content: dict[str, object]) -> None:
    parse: Callable[[str], dict[str, object]] = parse_object
    assert parse(json.dumps(content)) == content
