"""Reads Asterisk's log: what ended calls, how often, and when."""
