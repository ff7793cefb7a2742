"""What needs the sound of all calls again: measured on this machine or on a Dask cluster, kept as partitioned Parquet.

`listing` finds the calls of folders and buckets, `measure` makes a row of one, `here` and `cluster` have that done many
times, `ledger` knows what was done, and `parquet_parts` holds the rows.
"""
