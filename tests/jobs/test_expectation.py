"""`NAME.expect.toml` beside a capture: what it may say, and what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.errors import FileError
from audiosocket_cli.jobs.expectation import settings_beside, stem_of
from support.pages import FILES


@pytest.mark.parametrize(
    ("name", "stem"),
    [("menu.pcapng", "menu"), ("a.b.pcap", "a.b"), ("x.jsonl.gz", "x"), ("x.pcapng.zst", "x"), ("call.wav", None),
     ("call.json", None), ("menu.expect.toml", None), ("pcapng", None)],
)  # fmt: skip
def test_captures_are_known_by_the_end_of_their_names(name: str, stem: str | None) -> None:
    assert stem_of(Path(name)) == stem


def test_what_it_says_is_read(tmp_path: Path) -> None:
    (tmp_path / "menu.expect.toml").write_text(
        'tolerance = "500ms"\nleast_correlation = 0.6\ncompare = ["speech", "end"]\ncall = "8f26"\nwait = 0\n'
    )
    expected = {"tolerance": 0.5, "least_correlation": 0.6, "compare": {"speech", "end"}, "call": "8f26", "wait": 0.0}
    for name in ("menu.pcapng", "menu.pcap.gz", "menu.other"):
        assert settings_beside(tmp_path / name) == expected
    assert settings_beside(tmp_path / "other.pcapng") == {}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("tolerence = 1", "there is no key 'tolerence': choose from tolerance, least_correlation, compare, call, wait"),
        ("[menu]\ntolerance = 1", "there is no key 'menu'"),
        ("tolerance = 0", "is not more than 0"),
        ("tolerance = -1", "is not a length of time"),
        ("tolerance = nan", "is not a length of time"),
        ("tolerance = true", "tolerance: True is not a number"),
        ('tolerance = "soon"', "is not a length of time"),
        ("tolerance = [1]", "is not a number"),
        (f"tolerance = 1{'0' * 400}", "tolerance: "),
        ("least_correlation = 1.5", "is not a number from 0 to 1"),
        ('least_correlation = "0.5"', "is not a number"),
        ("compare = []", "is not a list of some of speech, times, sound, end"),
        ('compare = "speech"', "is not a list of some of"),
        ('compare = ["speech", "words"]', "is not a list of some of"),
        ("compare = [{}]", "is not a list of some of"),
        ("call = 8", "is not a UUID"),
        ("tolerance = ", "it is not TOML"),
        ("\xff", "it is not text in UTF-8"),
        ("a = " + "[" * 50_000, "it is not TOML"),
    ],
    ids=lambda value: value[:24],
)
def test_what_it_may_not_say_is_an_error_of_one_line(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / "menu.expect.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(FileError) as found:
        settings_beside(tmp_path / "menu.pcapng")
    assert str(path) in str(found.value)
    assert text in str(found.value)
    assert "\n" not in str(found.value)


def test_a_folder_of_its_name_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "menu.expect.toml").mkdir()
    with pytest.raises(FileError, match=r"cannot read .*: is a directory"):
        settings_beside(tmp_path / "menu.pcapng")


def test_one_that_never_ends_is_refused(tmp_path: Path) -> None:
    (tmp_path / "menu.expect.toml").symlink_to("/dev/zero")
    with pytest.raises(FileError, match=r"cannot read .*: it is longer than 1,048,576 bytes"):
        settings_beside(tmp_path / "menu.pcapng")


def test_the_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    (tmp_path / "menu.expect.toml").write_text(FILES["menu.expect.toml"])
    found = settings_beside(tmp_path / "menu.pcapng")
    assert found == {"tolerance": 0.5, "compare": {"speech", "times", "end"}}
