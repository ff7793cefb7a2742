"""Answering many calls: who may call, how many, in how many processes, and who is told."""
