"""Reads Asterisk's C source and says which rows of `audiosocket_cli.asterisk.releases` it confirms."""
