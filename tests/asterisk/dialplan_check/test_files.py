"""Files and those that they include, each read once, and never more than that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiosocket_cli.asterisk.dialplan_check.dialplan import MAX_LINE
from audiosocket_cli.asterisk.dialplan_check.files import Files
from audiosocket_cli.errors import FileError


def test_included_files_are_read_where_they_are_included(tmp_path: Path) -> None:
    main = tmp_path / "extensions.conf"
    main.write_text(
        '[in]\n#include "custom.conf"\n#tryinclude <none.conf>\n#include missing.conf ; x\n#exec /bin/ls\n'
        "#include more/*.conf\nexten => 9,1,NoOp()\n"
    )
    (tmp_path / "custom.conf").write_text('exten => 1,1,NoOp()\n#include "extensions.conf"\n')
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.conf").write_text("exten => 2,1,NoOp()\n")
    (tmp_path / "more" / "b.conf").write_bytes(b"\0\1\2")
    files = Files()
    plan = files.read(main)
    assert [(step.context, step.extension, str(step.place)) for step in plan.steps] == [
        ("in", "1", "custom.conf:1"),
        ("in", "2", "a.conf:1"),
        ("in", "9", f"{main}:7"),
    ]
    assert [why.partition(" (")[0] for _, why in plan.unread] == [
        "missing.conf is not there",
        "what /bin/ls prints: it is run by Asterisk alone",
        f"{tmp_path}/more/b.conf is not a dialplan: it holds bytes that are not text",
    ]
    assert files.has(tmp_path / "custom.conf")
    assert not files.has(tmp_path / "missing.conf")


def test_a_chain_of_files_ends(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.conf").write_text(f"[in]\nexten => {number},1,NoOp()\n#include {number + 1}.conf\n")
    plan = Files().read(tmp_path / "0.conf")
    assert len(plan.steps) == 10
    assert "too many files" in plan.unread[0][1]


def test_a_long_line_is_cut_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "extensions.conf"
    path.write_text("[in]\nexten => 1,1,NoOp(" + "x" * 5 * MAX_LINE + ")\nexten => 2,1,NoOp()\r\n")
    long, after = Files().read(path).steps
    assert (len(long.data), after.place.number, after.text) == (MAX_LINE - 18, 3, "exten => 2,1,NoOp()")


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(os.urandom(1000) + b"\0")
    for path, why in ((tmp_path / "none", "no such file"), (tmp_path, "is a directory"), (binary, "not a dialplan")):
        with pytest.raises(FileError, match=why):
            Files().read(path)
