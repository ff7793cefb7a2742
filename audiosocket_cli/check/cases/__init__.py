"""The cases, one file for each group: what is required, why, and how it is tried."""
