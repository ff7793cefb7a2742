"""Sessions of browsers, and how often a password may be tried."""

from __future__ import annotations

import pytest

from audiosocket_cli.web.sessions import SESSION_S, TRIES, TRY_S, Sessions
from support.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sessions(clock: FakeClock) -> Sessions:
    return Sessions("secret", clock)


def test_a_session_is_known_until_it_ends_by_itself_or_by_its_owner(sessions: Sessions, clock: FakeClock) -> None:
    first, second = sessions.begin(), sessions.begin()
    assert first != second
    assert sessions.knows(first)
    assert not sessions.knows("")
    assert not sessions.knows(first + "x")
    sessions.end(first)
    assert not sessions.knows(first)
    clock.now_s += SESSION_S - 1
    assert sessions.knows(second)
    clock.now_s += 2
    assert not sessions.knows(second)


def test_of_too_many_sessions_the_oldest_ends(sessions: Sessions) -> None:
    cookies = [sessions.begin() for _ in range(1002)]
    assert [sessions.knows(cookie) for cookie in (cookies[0], cookies[1], cookies[2], cookies[-1])] == [
        False, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", ["", "Secret", "secret ", "secre", "secrét", "\udcff"])
def test_only_the_password_is_right(sessions: Sessions, wrong: str) -> None:
    assert sessions.is_right("secret", "a")
    assert not sessions.is_right(wrong, "a")


def test_after_some_wrong_passwords_an_address_has_to_wait_and_others_do_not(
    sessions: Sessions, clock: FakeClock
) -> None:
    for _ in range(TRIES):
        assert sessions.wait_s("a") == 0
        sessions.is_right("wrong", "a")
    assert 0 < sessions.wait_s("a") <= TRY_S
    assert sessions.wait_s("b") == 0
    clock.now_s += TRY_S
    assert sessions.wait_s("a") == 0
    sessions.is_right("wrong", "a")
    assert sessions.wait_s("a") > 0


def test_what_is_known_of_wrong_passwords_is_bounded(sessions: Sessions) -> None:
    for number in range(3000):
        sessions.is_right("wrong", str(number))
    assert len(sessions._wrong) == 1000


def test_guesses_are_told_without_the_guess_and_not_for_each(clock: FakeClock) -> None:
    said: list[str] = []
    sessions = Sessions("secret", clock, said.append)
    for number in range(TRIES - 1):
        assert not sessions.is_right(f"guess {number}", "192.0.2.1")
    assert said == []
    for number in range(100):
        assert not sessions.is_right("guess", f"192.0.2.{number % 5}")
    assert said == ["too many wrong passwords for --web from 192.0.2.1: each further one waits 10 s"]
    clock.now_s += 60
    for _ in range(TRIES + 1):
        assert not sessions.is_right("guess", "198.51.100.1")
    assert len(said) == 2
    assert "198.51.100.1" in said[1]
    assert "guess" not in "".join(said)
