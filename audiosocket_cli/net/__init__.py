"""Listening and dialling: a server that answers many calls, one call that is placed, and what belongs to either."""
