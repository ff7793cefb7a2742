"""The report says what is wrong first, and what is fine in a line each, in 80 columns."""

from __future__ import annotations

from audiosocket_cli.doctor.look import Looked
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.ui.doctor_report import counts_line, diagnosis_lines, report_json, report_lines

FAULT = Diagnosis(
    "no-answer", Status.FAULT, "AudioSocket() comes before anything answers the call",
    ("exten => 100,1,AudioSocket(${UUID()},127.0.0.1:9092)",), "write Answer() before it", ("exten => 100,1,Answer()",),
    "extensions.conf:12",
)  # fmt: skip
WARNING = Diagnosis("release-fault", Status.WARNING, "22.3 has 2 faults", (), "update it")
UNSEEN = Diagnosis("close-wait", Status.UNKNOWN, "the connections", ("another user's",))
FINE = Diagnosis("module-missing", Status.OK, "loaded: res_audiosocket", ("not shown",))


def test_the_worst_comes_first_and_what_is_fine_last() -> None:
    done = [
        Looked("modules", [FINE]),
        Looked("Asterisk", [WARNING]),
        Looked("connections", [UNSEEN, FINE]),
        Looked("codecs", []),
        Looked("dialplan", [FINE, WARNING, FAULT]),
    ]
    assert list(report_lines(done)) == [
        "dialplan",
        "  fault   extensions.conf:12: AudioSocket() comes before anything answers the",
        "          call [no-answer]",
        "          | exten => 100,1,AudioSocket(${UUID()},127.0.0.1:9092)",
        "          Write Answer() before it:",
        "              exten => 100,1,Answer()",
        "  warning 22.3 has 2 faults [release-fault]",
        "          Update it.",
        "",
        "Asterisk",
        "  warning 22.3 has 2 faults [release-fault]",
        "          Update it.",
        "",
        "connections",
        "  unseen  the connections [close-wait]",
        "          | another user's",
        "",
        "fine",
        "  ok      modules: loaded: res_audiosocket",
        "  ok      connections: loaded: res_audiosocket",
        "  ok      dialplan: loaded: res_audiosocket",
        "",
        "1 fault, 2 warnings, 1 not looked at, 3 ok",
        "more on the first: audiosocket help finding no-answer",
    ]


def test_where_all_is_fine_no_page_is_named() -> None:
    assert list(report_lines([Looked("modules", [FINE])])) == [
        "fine",
        "  ok      modules: loaded: res_audiosocket",
        "",
        "1 ok",
    ]


def test_lines_to_paste_are_whole_and_texts_are_80_columns_wide() -> None:
    long = Diagnosis(
        "x", Status.FAULT, "word " * 40, ("seen, " * 40,), "do, or do not, " * 10, ("paste " * 40,), "there"
    )
    *texts, line = diagnosis_lines(long)
    assert max(map(len, texts)) <= 80
    assert line == f"{'':14}{'paste ' * 40}"


def test_a_question_needs_no_full_stop() -> None:
    assert list(diagnosis_lines(Diagnosis("x", Status.FAULT, "gone", cure="is it up?")))[-1] == "          Is it up?"


def test_what_came_from_outside_cannot_draw() -> None:
    odd = Diagnosis("x", Status.FAULT, "a\x1b[2J", ("b\x1b[2J\nc",), where="d\x07")
    assert not any("\x1b" in line or "\x07" in line or "\n" in line for line in diagnosis_lines(odd))


def test_nothing_is_told_as_nothing() -> None:
    assert counts_line([]) == "nothing to look at"
    assert report_json([]) == {"schema": "audiosocket.doctor/1", "status": "not looked at", "looked_at": []}


def test_json_has_all_in_the_order_of_looking() -> None:
    report = report_json([Looked("modules", [FINE]), Looked("codecs", []), Looked("dialplan", [FAULT])])
    assert (report["status"], [each["title"] for each in report["looked_at"]]) == ("fault", ["modules", "dialplan"])
    assert report["looked_at"][1]["findings"] == [FAULT.as_json()]
    assert report["looked_at"][0]["findings"][0]["evidence"] == ["not shown"]


def test_a_place_that_the_title_names_is_not_said_twice() -> None:
    fine = [
        Diagnosis("server-answers", Status.OK, "a short call went well", where=where) for where in ("bot:9092", "x:1")
    ]
    assert list(report_lines([Looked("the server bot:9092", fine)]))[1:3] == [
        "  ok      the server bot:9092: a short call went well",
        "  ok      the server bot:9092: x:1: a short call went well",
    ]
