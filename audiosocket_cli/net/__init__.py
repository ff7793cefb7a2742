"""Listening and dialling, and what is built on them: `serve` answers calls, `play` places one."""
