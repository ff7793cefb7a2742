"""The jobs of commands: which calls, what is played and kept, how they are shown and judged.

job           what is done with calls, placed or answered, and its run; outcome: what came of it, and its exit code
outputs       what calls are kept in, and what is played to them, checked first; answering: a server for a command
record, play, inject_dtmf, replay, serve, bench      the job of each command, made of its options
"""
