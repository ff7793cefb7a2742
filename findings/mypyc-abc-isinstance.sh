#!/bin/sh
# mypyc 2.4.1 (mypy) with Python 3.11, seen 2026-11: a compiled `class Mine(Sequence[int])` has no `_abc_impl` of its own
# and shares that of `collections.abc.Sequence`, with its cache of answers. So the first question answers the others:
# after isinstance([], Sequence), a list is an instance of Mine; and after isinstance([], Mine), a list is not a Sequence
# any more, for all code in the process. When the same source is interpreted, both are answered rightly in any order.
# Seen: "interpreted: True False, True False; compiled: True True, False False" (Sequence and Mine, Sequence asked first,
# then Mine asked first).
#
# Exits with 1 if that changes. Needs cc and Python's headers; takes half a minute.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install -q --disable-pip-version-check 'mypy[mypyc]==2.4.1' setuptools==80.9.0
cat > mine.py <<'END'
from collections.abc import Sequence


class Mine(Sequence[int]):
    def __init__(self) -> None:
        self.items = [1]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):  # type: ignore
        return self.items[index]
END
cat > ask.py <<'END'
import sys
from collections.abc import Sequence

from mine import Mine

order = [Sequence, Mine] if sys.argv[1] == "Sequence" else [Mine, Sequence]
said = {kind: isinstance([], kind) for kind in order}
print(said[Sequence], said[Mine])
END
answers() {
    echo "$(venv/bin/python ask.py Sequence), $(venv/bin/python ask.py Mine)"
}
interpreted=$(answers)
venv/bin/mypyc mine.py >build.log 2>&1 || { tail -3 build.log; exit 1; }
compiled=$(answers)
echo "interpreted: $interpreted; compiled: $compiled"
[ "$interpreted; $compiled" = "True False, True False; True True, False False" ]
