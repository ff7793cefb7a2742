"""Faults as a call has drawn them."""

from __future__ import annotations

from random import Random

from audiosocket_cli.call.faults.drawn_fault import DrawnFault
from audiosocket_cli.call.faults.fault_plan import CallFaults, FaultPlan
from audiosocket_cli.call.faults.fault_spec import parse_fault
from audiosocket_cli.model import Side


def drawn(*texts: str, side: Side = Side.SERVER) -> list[DrawnFault]:
    """Return these faults of what one side sends."""
    return [DrawnFault(parse_fault(text), side, Random(text)) for text in texts]


def call_faults(*texts: str) -> CallFaults:
    """Return these faults as those of a call."""
    faults = FaultPlan([parse_fault(text) for text in texts], seed=1).draw()
    assert faults is not None
    return faults
