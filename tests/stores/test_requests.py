"""Requests are asked on threads: a bound on how many, and an exit that does not wait for them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from audiosocket_cli.stores.requests import Requests, answer_to
from support.unwoken import interrupt


def test_requests_are_answered_and_raise_where_they_are_waited_for() -> None:
    requests = Requests(2)
    assert requests.begin(int, "ff", base=16).result() == 255
    with pytest.raises(ValueError, match="invalid literal"):
        requests.ask(int, "x")
    requests.close()


def test_no_more_are_under_way_than_may_be_and_closing_drops_the_rest() -> None:
    requests, go_on, begun = Requests(2), threading.Event(), threading.Semaphore(0)

    def request() -> None:
        begun.release()
        go_on.wait()

    asked = [requests.begin(request) for _ in range(5)]
    begun.acquire()
    begun.acquire()
    assert not begun.acquire(blocking=False)
    requests.close()
    assert [each.cancelled() for each in asked] == [False, False, True, True, True]
    go_on.set()
    assert [each.result() for each in asked[:2]] == [None, None]


def test_an_interrupt_ends_the_wait_for_an_answer_also_if_it_comes_just_before() -> None:
    requests, go_on = Requests(1), threading.Event()
    asked = requests.begin(go_on.wait, 60)
    interrupt(lambda: answer_to(asked))
    go_on.set()
    assert answer_to(asked)
    requests.close()


def test_a_process_ends_while_a_request_is_under_way() -> None:
    code = (
        "import threading\n"
        "from audiosocket_cli.stores.requests import Requests, exit_past_requests\n"
        "requests, begun = Requests(1), threading.Event()\n"
        "requests.begin(lambda: (begun.set(), threading.Event().wait()))\n"
        "begun.wait()\n"
        "exit_past_requests(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=90, check=False).returncode == 7
