"""News of what was put on the disk."""

from __future__ import annotations

from audiosocket_cli.outbox.news import News


def test_who_listens_is_woken_once_what_was_put_is_on_the_disk() -> None:
    news, woken = News(), list[str]()
    news.put("calls")
    news.listen("calls", lambda: woken.append("calls"))
    news.listen("events", lambda: woken.append("events"))
    assert woken == []
    news.tell()
    assert woken == ["calls"]
    news.tell()
    assert woken == ["calls"], "once"
    news.put("events")
    news.put("events")
    news.tell()
    assert woken == ["calls", "events"]


def test_who_has_no_news_of_others_looks_more_often() -> None:
    are_alone = [True]
    news = News(lambda: are_alone[0])
    seldom = news.look_s
    are_alone[0] = False
    assert news.look_s < seldom


def test_nobody_need_listen_and_the_last_one_that_began_to_is_woken() -> None:
    news, woken = News(), list[int]()
    news.put("events")
    news.tell()
    news.listen("events", lambda: woken.append(1))
    news.listen("events", lambda: woken.append(2))
    news.wake_all()
    assert woken == [2]
