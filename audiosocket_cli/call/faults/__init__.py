"""Faults made on purpose in calls that are passed on: what a bad network, or a faulty peer, would do to them."""
