#!/bin/sh
# pandas 2.3.3 (PyPI): read_json() makes numbers of JSON strings where all of a column look like numbers: the digits
# "0042" of a caller become 42, without a warning; one call with "*" or "#" in the column, and all stay text. dtype=False
# keeps them, and so does Parquet. Seen: "[42, 7] ['0042', '7#'] ['0042', '7']". Exits with 1 when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pandas==2.3.3
"$folder/venv/bin/python" -W error - <<'PYTHON'
import io, sys
import pandas

def read(lines, **options):
    return pandas.read_json(io.StringIO(lines), lines=True, **options)["digits"].tolist()

numbers = '{"digits": "0042"}\n{"digits": "7"}\n'
found = read(numbers), read('{"digits": "0042"}\n{"digits": "7#"}\n'), read(numbers, dtype=False)
print(*found)
sys.exit(found != ([42, 7], ["0042", "7#"], ["0042", "7"]))
PYTHON
