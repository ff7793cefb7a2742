"""Looks at an AudioSocket server: whether it can be reached, and survives a short call."""
