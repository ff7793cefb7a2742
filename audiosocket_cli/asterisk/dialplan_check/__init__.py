"""Somebody's dialplan: read from the forms that it comes in, and judged by what Asterisk makes of its lines."""
