#!/bin/sh
# pyarrow 26.0.1 (PyPI): a dataset in folders such as ext=0042 has numbers for the extension: 42 and 43, without a
# warning, and a filter for "0042" is an error. One folder such as ext=*60 beside them, and all stay text; so do they
# with a schema that says string. DuckDB 2.0.1 reads the same folders as text. Seen:
# "[42, 43] ArrowNotImplementedError ['*60', '0042', '0043'] ['0042', '0043'] ['0042', '0043']". Exits with 1 when that
# changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1 duckdb==2.0.1
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import os, sys
import duckdb
import pyarrow
import pyarrow.dataset
import pyarrow.parquet

def write(place, *extensions):
    for each in extensions:
        os.makedirs(f"{place}/ext={each}")
        pyarrow.parquet.write_table(pyarrow.table({"calls": [1]}), f"{place}/ext={each}/part-0.parquet")

def read(place, partitioning="hive", **options):
    return sorted(pyarrow.dataset.dataset(place, partitioning=partitioning).to_table(**options)["ext"].to_pylist())

write("plain", "0042", "0043")
write("mixed", "0042", "0043", "*60")
try:
    found_by_text = read("plain", filter=pyarrow.dataset.field("ext") == "0042")
except pyarrow.ArrowException as error:
    found_by_text = type(error).__name__
told = pyarrow.dataset.partitioning(pyarrow.schema([("ext", pyarrow.string())]), flavor="hive")
of_duckdb = [ext for (ext,) in duckdb.sql("SELECT ext FROM 'plain/*/*.parquet' ORDER BY ext").fetchall()]
found = read("plain"), found_by_text, read("mixed"), read("plain", told), of_duckdb
print(*found)
sys.exit(found != ([42, 43], "ArrowNotImplementedError", ["*60", "0042", "0043"], ["0042", "0043"], ["0042", "0043"]))
PYTHON
