"""What a capture consists of: each call has a name of its own."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.capture.items import CallNames

UUIDS = [UUID(int=1), UUID(int=2)]


def test_a_call_is_named_by_its_uuid_and_by_a_number_from_the_second_on() -> None:
    names = CallNames()
    assert [names.name(uuid) for uuid in (UUIDS[0], UUIDS[1], None, UUIDS[0])] == [
        str(UUIDS[0]), str(UUIDS[1]), "3", f"{UUIDS[0]}#2",
    ]  # fmt: skip


@given(st.lists(st.sampled_from([None, *UUIDS]), max_size=30))
def test_no_two_calls_have_one_name(uuids: list[UUID | None]) -> None:
    names = CallNames()
    given_names = [names.name(uuid) for uuid in uuids]
    assert len(set(given_names)) == len(given_names)
