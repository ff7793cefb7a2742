"""Captured calls looked at: what happened when, figures of both sides, findings, copies in other formats.

selection   which calls, sides, kinds and times are wanted
folding     frames to rows that people can read: runs of speech and silence, pauses, bursts
figures     what one side sent, and how it arrived
calls       a captured call: its rows, figures and findings; all calls of a capture in turn
exports     captures into other formats, and into WAV
compare     two answers held against each other
"""
