"""Which calls get which faults: drawn by chance, and with one seed always the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from audiosocket_cli.call.faults.drawn_fault import DrawnFault
from audiosocket_cli.call.faults.fault_line import FaultLine
from audiosocket_cli.call.faults.fault_spec import Direction, FaultSpec, parse_fault
from audiosocket_cli.disk import check_rereadable, small_text
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.model import Side
from audiosocket_cli.text import counted

_MAX_BYTES: Final = 65536
_MAX_SEED: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CallFaults:
    """The faults of one call."""

    number: int
    """The number of its connection, counted from 1."""
    seed: int
    lines: Mapping[Side, FaultLine]
    """The directions that have faults, by the side whose bytes they carry."""

    def as_dict(self) -> dict[str, Any]:
        """Return the faults, and how often each has happened, as JSON values."""
        applied = [fault.as_dict() for line in self.lines.values() for fault in line.faults]
        lost = {Direction.of(side).replace("-", "_"): line.lost_bytes for side, line in self.lines.items()}
        return {"seed": self.seed, "connection": self.number, "applied": applied, "lost_bytes": lost}


class FaultPlan:
    """The faults of all calls: those of options, then those of a file, which can be read again."""

    def __init__(self, specs: Sequence[FaultSpec], file: Path | None = None, seed: int | None = None) -> None:
        """Without a seed, one is drawn. Raises `FileError` when the file cannot be read, or a line of it is wrong."""
        self._specs = tuple(specs)
        self._file = file
        self._of_file = () if file is None else read_faults(file)
        self._seed = Random().randint(1, _MAX_SEED) if seed is None else seed
        self._connections = 0

    def __str__(self) -> str:
        faults = "; ".join(map(str, (*self._specs, *self._of_file))) or "none yet"
        return f"faults: {faults} (--seed {self._seed} repeats them)"

    @property
    def has_file(self) -> bool:
        """Whether there is a file to `reload`."""
        return self._file is not None

    def reload(self) -> str:
        """Read the file again, for the calls that begin from now on; return how many faults it has, in words.

        Raises `FileError`, and keeps the old faults.
        """
        assert self._file is not None
        check_rereadable(self._file)
        self._of_file = read_faults(self._file)
        return f"{counted(len(self._of_file), 'fault')} in {self._file}, for the calls that begin from now on"

    def draw(self) -> CallFaults | None:
        """Return the faults of the next connection, or None if it has none."""
        self._connections += 1
        drawn: dict[Side, list[DrawnFault]] = {}
        for spec in (*self._specs, *self._of_file):
            chance = f"{self._seed} {self._connections} {spec}"
            if Random(chance).random() >= spec.share:
                continue
            for side in spec.direction.sides:
                drawn.setdefault(side, []).append(DrawnFault(spec, side, Random(f"{chance} {side}")))
        if not drawn:
            return None
        lines = {side: FaultLine(side, faults) for side, faults in drawn.items()}
        return CallFaults(self._connections, self._seed, lines)


def read_faults(path: Path) -> tuple[FaultSpec, ...]:
    """Read a file of faults, one per line; the text after # is a comment. Raises `FileError`, which names the line."""
    faults = []
    for number, line in enumerate(small_text(path, _MAX_BYTES, "faults, one in each line").splitlines(), 1):
        written = line.partition("#")[0].strip()
        if not written:
            continue
        try:
            faults.append(parse_fault(written))
        except UsageError as error:
            raise FileError(f"cannot read {path}: line {number}: {error}") from None
    return tuple(faults)
