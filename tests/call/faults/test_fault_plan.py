"""Which calls get which faults: the same with one seed, by their share, and from a file that is read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.call.faults.fault_plan import FaultPlan, read_faults
from audiosocket_cli.call.faults.fault_spec import parse_fault
from audiosocket_cli.errors import FileError
from audiosocket_cli.model import Side


def hit(plan: FaultPlan, calls: int = 400) -> list[bool]:
    return [plan.draw() is not None for _ in range(calls)]


def test_a_seed_gives_the_same_calls_the_same_faults_and_another_seed_others() -> None:
    specs = [parse_fault("latency 10ms jitter 5ms share 30%")]
    first, same, other = (hit(FaultPlan(specs, seed=seed)) for seed in (7, 7, 8))
    assert first == same
    assert first != other
    assert 60 < sum(first) < 180


def test_a_fault_is_drawn_the_same_whatever_else_there_is() -> None:
    ours, others = parse_fault("reset after 5s share 50%"), parse_fault("drop frame 3")
    alone, among = FaultPlan([ours], seed=1), FaultPlan([others, ours], seed=1)
    drawn = [(alone.draw() is not None, among.draw()) for _ in range(50)]
    for is_hit, call in drawn:
        assert call is not None
        names = [fault.spec.name for fault in call.lines[Side.CALLER].faults]
        assert ("reset" in names) == is_hit


@pytest.mark.parametrize(("share", "calls"), [("0%", 0), ("100%", 50)])
def test_a_share_can_be_none_and_all(share: str, calls: int) -> None:
    assert sum(hit(FaultPlan([parse_fault(f"stall share {share}")]), 50)) == calls


def test_a_call_has_lines_only_where_it_has_faults() -> None:
    call = FaultPlan([parse_fault("to-asterisk latency 1s")], seed=3).draw()
    assert call is not None
    assert list(call.lines) == [Side.SERVER]
    assert call.as_dict() == {
        "seed": 3,
        "connection": 1,
        "applied": [{"direction": "to-asterisk", "fault": "latency 1s", "count": 0}],
        "lost_bytes": {"to_asterisk": 0},
    }


def test_a_plan_says_what_it_holds_and_how_to_have_it_again() -> None:
    plan = FaultPlan([parse_fault("to-server latency 1s share 5%"), parse_fault("drop frame 3")], seed=12)
    assert str(plan) == "faults: to-server latency 1s share 5%; both drop frame 3 (--seed 12 repeats them)"
    drawn = FaultPlan([parse_fault("stall share 50%")])
    seed = int(str(drawn).rpartition("--seed ")[2].split()[0])
    assert hit(drawn) == hit(FaultPlan([parse_fault("stall share 50%")], seed=seed))


def test_a_file_is_read_line_by_line_and_again_for_the_calls_that_begin_then(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    path.write_text("# what is bad\n\nto-server latency 1s  # slow\n")
    plan = FaultPlan([], path)
    assert plan.has_file
    first = plan.draw()
    assert first is not None
    assert list(first.lines) == [Side.CALLER]
    path.write_text("to-asterisk drop frame 3\nto-asterisk stall\n")
    assert plan.reload() == f"2 faults in {path}, for the calls that begin from now on"
    second = plan.draw()
    assert second is not None
    assert list(second.lines) == [Side.SERVER]
    path.write_text("")
    assert plan.reload().startswith("0 faults in")
    assert plan.draw() is None


def test_a_file_with_a_wrong_line_is_refused_and_the_old_faults_stay(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    path.write_text("stall\n")
    plan = FaultPlan([], path)
    path.write_text("stall\nlatncy 1s\n")
    with pytest.raises(FileError, match=f"cannot read {path}: line 2: 'latncy' is not a fault: write latency"):
        plan.reload()
    path.unlink()
    with pytest.raises(FileError, match="no such file"):
        plan.reload()
    assert plan.draw() is not None


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\xff\xfe\x00", "not text in UTF-8"), (b"#" * 70_000, "longer than 65,536 bytes")],
    ids=["binary", "long"],
)
def test_a_file_that_is_no_list_of_faults_is_told(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "faults"
    path.write_bytes(content)
    with pytest.raises(FileError, match=says):
        read_faults(path)
