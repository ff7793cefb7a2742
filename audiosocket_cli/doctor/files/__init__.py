"""Looks at what is left of a call: its JSON, a capture, a recording."""
